"""Wrong claims about batch norm, each with its true cause, which the hint must name."""

import re

import numpy as np
import pytest

from autograd_core.compare import compare, tag


def normalization(axis, placement):
    """Normalization along `axis`, epsilon under the root or beside it."""

    def forward(Z, G, B, eps):
        mu = tag(Z.mean(axis=axis, keepdims=True), "mu")
        var = tag(((Z - mu) ** 2).mean(axis=axis, keepdims=True), "var")
        s = np.sqrt(var + eps) if placement == "inside" else np.sqrt(var) + eps
        return G * ((Z - mu) / s) + B

    return forward


def data(shape, features, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "Z": rng.standard_normal(shape) * 1.3 + 0.4,
        "G": rng.uniform(0.5, 2.0, features),
        "B": rng.standard_normal(features),
    }


def total(x, axis=1):
    return x.sum(axis=axis, keepdims=True)


def mean(x, axis=1):
    return x.mean(axis=axis, keepdims=True)


def summary(g, Z, G, mu, s, slope, axis=1):
    """The one-line gradient in Z for a deviation s with d s / d var = slope."""
    c = Z - mu
    return G / s * (g - mean(g, axis) - 2 * slope * c * mean(g * c, axis) / s)


# Features x batch, epsilon inside the root: the notes' own layout.
ROWS = {
    "B: summed over the features": (
        "B",
        lambda g: g.sum(axis=0, keepdims=True),
        "summed over axis 0 in place of axis 1",
    ),
    "B: averaged": ("B", lambda g: mean(g), "1/9 times the gradient: mean in place of sum of g|mean in place of sum"),
    "B: per instance": ("B", lambda g: g, "not summed over axis 1"),
    "B: minus": ("B", lambda g: -total(g), "sign flipped"),
    "B: output in place of g": (
        "B",
        lambda g, Z, G, mu, var, eps, B: total(G * ((Z - mu) / np.sqrt(var + eps)) + B),
        "the output in place of g",
    ),
    "G: per instance": ("G", lambda g, Z, mu, var, eps: g * (Z - mu) / np.sqrt(var + eps), "not summed over axis 1"),
    "G: summed over the features": (
        "G",
        lambda g, Z, mu, var, eps: (g * (Z - mu) / np.sqrt(var + eps)).sum(axis=0, keepdims=True),
        "summed over axis 0 in place of axis 1",
    ),
    "G: Z in place of z_hat": ("G", lambda g, Z, var, eps: total(g * Z / np.sqrt(var + eps)), "mu|Z - mean"),
    "G: not divided by sigma": ("G", lambda g, Z, mu: total(g * (Z - mu)), r"not divided by sqrt\(var \+ eps\)"),
    "G: divided by the variance": (
        "G",
        lambda g, Z, mu, var, eps: total(g * (Z - mu)) / (var + eps),
        r"divided by sqrt\(var \+ eps\) too often",
    ),
    "G: epsilon dropped": ("G", lambda g, Z, mu, var: total(g * (Z - mu)) / np.sqrt(var), "eps is dropped"),
    "G: epsilon outside": (
        "G",
        lambda g, Z, mu, var, eps: total(g * (Z - mu)) / (np.sqrt(var) + eps),
        "eps outside the square root in place of inside",
    ),
    "G: gamma too much": (
        "G",
        lambda g, Z, G, mu, var, eps: total(g * G * (Z - mu)) / np.sqrt(var + eps),
        "factor G too much",
    ),
    "var: factor 1/2 lost": (
        "var",
        lambda g, Z, G, mu, var, eps: -total(g * G * (Z - mu)) * (var + eps) ** -1.5,
        "2 times the gradient",
    ),
    "var: exponent -1/2": (
        "var",
        lambda g, Z, G, mu, var, eps: -0.5 * total(g * G * (Z - mu)) * (var + eps) ** -0.5,
        r"not divided by \(var \+ eps\)|exponent -0.5 in place of -1.5",
    ),
    "var: exponent -3": (
        "var",
        lambda g, Z, G, mu, var, eps: -0.5 * total(g * G * (Z - mu)) * (var + eps) ** -3,
        r"divided by \(var \+ eps\)\*\*1.5 too often|exponent -3 in place of -1.5",
    ),
    "var: sign": (
        "var",
        lambda g, Z, G, mu, var, eps: 0.5 * total(g * G * (Z - mu)) * (var + eps) ** -1.5,
        "sign flipped",
    ),
    "var: gamma missing": (
        "var",
        lambda g, Z, mu, var, eps: -0.5 * total(g * (Z - mu)) * (var + eps) ** -1.5,
        "factor G is missing",
    ),
    "var: not summed": (
        "var",
        lambda g, Z, G, mu, var, eps: -0.5 * g * G * (Z - mu) * (var + eps) ** -1.5,
        "not summed over axis 1",
    ),
    "var: epsilon dropped": (
        "var",
        lambda g, Z, G, mu, var: -0.5 * total(g * G * (Z - mu)) * var**-1.5,
        "eps is dropped",
    ),
    "var: plus mu": (
        "var",
        lambda g, Z, G, mu, var, eps: -0.5 * total(g * G * (Z + mu)) * (var + eps) ** -1.5,
        "plus mu in place of minus mu|mu has its sign flipped",
    ),
    "mu: not summed": ("mu", lambda g, G, var, eps: -g * G / np.sqrt(var + eps), "not summed over axis 1"),
    "mu: sign": ("mu", lambda g, G, var, eps: total(g * G) / np.sqrt(var + eps), "sign flipped"),
    "mu: averaged": (
        "mu",
        lambda g, G, var, eps: -mean(g * G) / np.sqrt(var + eps),
        r"1/9 times the gradient: mean in place of sum of g \* G",
    ),
    "mu: gamma missing": ("mu", lambda g, var, eps: -total(g) / np.sqrt(var + eps), "factor G is missing"),
    "mu: divided by the variance": (
        "mu",
        lambda g, G, var, eps: -total(g * G) / (var + eps),
        r"divided by sqrt\(var \+ eps\) too often",
    ),
    "mu: g_var in its place": ("mu", lambda g_var: g_var, "this is the gradient of 'var'"),
    "Z: no mean of g": (
        "Z",
        lambda g, Z, G, mu, var, eps: G / np.sqrt(var + eps) * (g - (Z - mu) * mean(g * (Z - mu)) / (var + eps)),
        "the path through 'mu' is missing",
    ),
    "Z: no variance": (
        "Z",
        lambda g, G, var, eps: G / np.sqrt(var + eps) * (g - mean(g)),
        "the path through 'var' is missing",
    ),
    "Z: statistics as constants": (
        "Z",
        lambda g, G, var, eps: G / np.sqrt(var + eps) * g,
        "the paths through 'mu' and 'var' are missing",
    ),
    "Z: coefficient 3": (
        "Z",
        lambda g, Z, G, mu, var, eps: (
            G / np.sqrt(var + eps) * (g - mean(g) - 3 * (Z - mu) * mean(g * (Z - mu)) / (var + eps))
        ),
        "the path through 'var' is counted 3 times",
    ),
    "Z: N-1 in the variance": (
        "Z",
        lambda g, Z, G, mu, var, eps: (
            G / np.sqrt(var + eps) * (g - mean(g) - (Z - mu) * total(g * (Z - mu)) / (var + eps) / (Z.shape[1] - 1))
        ),
        "N-1 in place of N in the path through 'var'",
    ),
    "Z: N+1 everywhere": (
        "Z",
        lambda g, Z, G, mu, var, eps: summary(g, Z, G, mu, np.sqrt(var + eps), 0.5 / np.sqrt(var + eps)) * 9 / 10,
        r"N\+1 in place of N",
    ),
    "Z: both statistics' signs": (
        "Z",
        lambda g, Z, G, mu, var, eps: (
            G / np.sqrt(var + eps) * (g + mean(g) + (Z - mu) * mean(g * (Z - mu)) / (var + eps))
        ),
        "the path through 'mu' and the path through 'var' have their signs flipped",
    ),
    "Z: variance twice, mean missing": (
        "Z",
        lambda g, Z, G, mu, var, eps: G / np.sqrt(var + eps) * (g - 2 * (Z - mu) * mean(g * (Z - mu)) / (var + eps)),
        "the path through 'mu' is missing and the path through 'var' is counted twice",
    ),
    "Z: sum in place of the mean": (
        "Z",
        lambda g, Z, G, mu, var, eps: (
            G / np.sqrt(var + eps) * (g - total(g) - (Z - mu) * mean(g * (Z - mu)) / (var + eps))
        ),
        "the path through 'mu' is counted 9 times: sum in place of mean of g|^sum in place of mean of g$",
    ),
    "Z: mean over the features": (
        "Z",
        lambda g, Z, G, mu, var, eps: (
            G / np.sqrt(var + eps) * (g - mean(g, 0) - (Z - mu) * mean(g * (Z - mu)) / (var + eps))
        ),
        "averaged over axis 0 in place of axis 1",
    ),
    "Z: epsilon outside": (
        "Z",
        lambda g, Z, G, mu, var, eps: summary(g, Z, G, mu, np.sqrt(var) + eps, 0.5 / np.sqrt(var)),
        "eps outside the square root in place of inside",
    ),
    "Z: epsilon dropped": (
        "Z",
        lambda g, Z, G, mu, var: summary(g, Z, G, mu, np.sqrt(var), 0.5 / np.sqrt(var)),
        "eps is dropped",
    ),
    "Z: epsilon dropped in one factor": (
        "Z",
        lambda g, Z, G, mu, var, eps: G / np.sqrt(var + eps) * (g - mean(g) - (Z - mu) * mean(g * (Z - mu)) / var),
        "eps is dropped beside var",
    ),
    "Z: sigma in place of the variance": (
        "Z",
        lambda g, Z, G, mu, var, eps: (
            G / np.sqrt(var + eps) * (g - mean(g) - (Z - mu) * mean(g * (Z - mu)) / np.sqrt(var + eps))
        ),
        r"sqrt of var \+ eps too much|not divided by sqrt\(var \+ eps\) in the path through 'var'",
    ),
    "Z: gamma missing": (
        "Z",
        lambda g, Z, mu, var, eps: summary(g, Z, 1.0, mu, np.sqrt(var + eps), 0.5 / np.sqrt(var + eps)),
        "factor G is missing",
    ),
    "Z: gamma squared": (
        "Z",
        lambda g, Z, G, mu, var, eps: summary(g, Z, G**2, mu, np.sqrt(var + eps), 0.5 / np.sqrt(var + eps)),
        "factor G too much",
    ),
    "Z: divided by sigma twice": (
        "Z",
        lambda g, Z, G, mu, var, eps: (
            summary(g, Z, G, mu, np.sqrt(var + eps), 0.5 / np.sqrt(var + eps)) / np.sqrt(var + eps)
        ),
        r"divided by sqrt\(var \+ eps\) too often",
    ),
    "Z: centred values uncentred": (
        "Z",
        lambda g, Z, G, mu, var, eps: G / np.sqrt(var + eps) * (g - mean(g) - Z * mean(g * (Z - mu)) / (var + eps)),
        "term - mu is missing at Z|Z in place of .?Z - mu",
    ),
    "Z: transposed": (
        "Z",
        lambda g, Z, G, mu, var, eps: summary(g, Z, G, mu, np.sqrt(var + eps), 0.5 / np.sqrt(var + eps)).T,
        "^transposed$",
    ),
    "Z: shifted by one": (
        "Z",
        lambda g, Z, G, mu, var, eps: np.roll(
            summary(g, Z, G, mu, np.sqrt(var + eps), 0.5 / np.sqrt(var + eps)), 1, axis=1
        ),
        "shifted by 1 along axis 1",
    ),
    "Z, line by line: N-1 in mu": (
        "Z",
        lambda g, Z, G, mu, var, eps, g_mu, g_var: g * G / np.sqrt(var + eps) + g_mu / 8 + g_var * 2 * (Z - mu) / 9,
        "N-1 in place of N in the path through 'mu'",
    ),
    "Z, line by line: factor 2 lost": (
        "Z",
        lambda g, Z, G, mu, var, eps, g_mu, g_var: g * G / np.sqrt(var + eps) + g_mu / 9 + g_var * (Z - mu) / 9,
        "the path through 'var' is counted 0.5 times",
    ),
    "Z, line by line: no 1/N": (
        "Z",
        lambda g, Z, G, mu, var, eps, g_mu, g_var: g * G / np.sqrt(var + eps) + g_mu + g_var * 2 * (Z - mu) / 9,
        "9 times|not divided by 9",
    ),
    "Z, line by line: direct path without gamma": (
        "Z",
        lambda g, Z, mu, var, eps, g_mu, g_var: g / np.sqrt(var + eps) + g_mu / 9 + g_var * 2 * (Z - mu) / 9,
        "factor G is missing in the direct path|factor G is missing at g",
    ),
    "Z, line by line: g_mu and g_var exchanged": (
        "Z",
        lambda g, Z, G, mu, var, eps, g_mu, g_var: g * G / np.sqrt(var + eps) + g_var / 9 + g_mu * 2 * (Z - mu) / 9,
        "g_mu and g_var exchanged",
    ),
}

# Batch x features, epsilon beside the root.
COLUMNS = {
    "Z: epsilon inside": (
        "Z",
        lambda g, Z, G, mu, var, eps: summary(g, Z, G, mu, np.sqrt(var + eps), 0.5 / np.sqrt(var + eps), 0),
        "eps inside the square root in place of outside",
    ),
    "Z: the notes' sigma for sigma + eps": (
        "Z",
        lambda g, Z, G, mu, var: summary(g, Z, G, mu, np.sqrt(var), 0.5 / np.sqrt(var), 0),
        "eps is dropped",
    ),
    "Z: sigma + eps in place of sigma": (
        "Z",
        lambda g, Z, G, mu, var, eps: summary(g, Z, G, mu, np.sqrt(var) + eps, 0.5 / (np.sqrt(var) + eps), 0),
        r"eps too much|term eps|divided by \(sqrt\(var\) \+ eps\) in place of sqrt\(var\)|plus eps",
    ),
    "Z: no variance": (
        "Z",
        lambda g, G, var, eps: G / (np.sqrt(var) + eps) * (g - mean(g, 0)),
        "the path through 'var' is missing",
    ),
    "Z: mean over the wrong axis": (
        "Z",
        lambda g, Z, G, mu, var, eps: (
            G
            / (np.sqrt(var) + eps)
            * (g - mean(g, 0) - (Z - mu) * mean(g * (Z - mu), 1) / (np.sqrt(var) * (np.sqrt(var) + eps)))
        ),
        "averaged over axis 1 in place of axis 0",
    ),
    "var: chain through sigma lost": (
        "var",
        lambda g, Z, G, mu, var, eps: -total(g * G * (Z - mu), 0) / (np.sqrt(var) + eps) ** 2,
        r"sqrt\(var\)",
    ),
    "var: square lost": (
        "var",
        lambda g, Z, G, mu, var, eps: -0.5 * total(g * G * (Z - mu), 0) / (np.sqrt(var) + eps) / np.sqrt(var),
        r"not divided by \(sqrt\(var\) \+ eps\)",
    ),
    "mu: epsilon inside": (
        "mu",
        lambda g, G, var, eps: -total(g * G, 0) / np.sqrt(var + eps),
        "eps inside the square root in place of outside",
    ),
    "B: summed over the features": (
        "B",
        lambda g: g.sum(axis=1, keepdims=True),
        "summed over axis 1 in place of axis 0",
    ),
    "B: keepdims": ("B", lambda g: g.sum(axis=0), "keepdims"),
    "G: raw moments": ("G", lambda g, Z, var, eps: total(g * Z, 0) / (np.sqrt(var) + eps), "mu|mean"),
}


def run(forward, inputs, target, claim, eps=3e-2):
    return compare(forward, inputs, {target: claim}, params={"eps": eps})[target]


def named(forward, inputs, table):
    """Names of the rows whose hint does not name the cause, with what it says."""
    lines = {name: run(forward, inputs, target, claim) for name, (target, claim, _) in table.items()}
    assert [name for name, line in lines.items() if line.verdict != "wrong"] == []
    return {n: line.hint for n, line in lines.items() if not re.search(table[n][2], line.hint or "")}


def test_every_cause_is_named_in_rows():
    assert named(normalization(1, "inside"), data((4, 9), (4, 1)), ROWS) == {}


def test_every_cause_is_named_in_columns():
    assert named(normalization(0, "outside"), data((9, 4), (1, 4)), COLUMNS) == {}


@pytest.mark.parametrize("placement", ["inside", "outside"])
def test_the_same_hint_at_all_swept_values(placement):
    def claim(g, Z, G, mu, var, eps):
        s = np.sqrt(var) + eps if placement == "inside" else np.sqrt(var + eps)
        return summary(g, Z, G, mu, s, 0.5 / np.sqrt(var) if placement == "inside" else 0.5 / s)

    other = {"inside": "outside", "outside": "inside"}[placement]
    forward, inputs = normalization(1, placement), data((4, 9), (4, 1))
    line = compare(forward, inputs, {"Z": claim}, sweep={"eps": [10.0**-k for k in range(1, 7)]})["Z"]
    assert line.verdict == "approximate"
    assert line.hint == f"eps {other} the square root in place of {placement}"
