"""Wrong claims about losses, layers, a two-layer net and optimizer steps, each with its true cause."""

import re

import numpy as np

import autograd_core
from autograd_core.compare import compare, tag


def named(forward, inputs, table, params=None):
    """Names of the rows whose hint does not name the cause, with what it says."""
    lines = {n: compare(forward, inputs, {t: claim}, params=params)[t] for n, (t, claim, _) in table.items()}
    assert [name for name, line in lines.items() if line.verdict != "wrong"] == []
    return {n: line.hint for n, line in lines.items() if not re.search(table[n][2], line.hint or "")}


# -- softmax and cross-entropy, classes x batch, the mean over the batch ---------------------------


def cross_entropy(Z, T):
    e = np.exp(Z - np.max(Z, axis=0, keepdims=True))
    P = tag(e / np.sum(e, axis=0, keepdims=True), "P")
    return -(T * np.log(P)).sum(axis=0).mean()


def softmax(Z, axis=0):
    e = np.exp(Z)
    return e / e.sum(axis=axis, keepdims=True)


def labels(classes=4, batch=7):
    rng = np.random.default_rng(3)
    return {"Z": rng.standard_normal((classes, batch)), "T": np.eye(classes)[:, rng.integers(0, classes, batch)]}


ENTROPY = {
    "Z: sign": ("Z", lambda g, P, T: g * (T - P) / 7, "sign flipped"),
    "Z: no 1/N": ("Z", lambda g, P, T: g * (P - T), "7 times the gradient"),
    "Z: N-1": ("Z", lambda g, P, T: g * (P - T) / 6, "N-1 in place of N"),
    "Z: no targets": ("Z", lambda g, P: g * P / 7, "term - T is missing at P|P in place of P - T"),
    "Z: plus targets": ("Z", lambda g, P, T: g * (P + T) / 7, "plus T in place of minus T|T has its sign flipped"),
    "Z: softmax over the batch": (
        "Z",
        lambda g, Z, T: g / 7 * (softmax(Z, 1) - T),
        "summed over axis 1 in place of axis 0",
    ),
    "Z: not normalized": ("Z", lambda g, Z, T: g / 7 * (np.exp(Z) - T), "not divided by sum|exp"),
    "Z: g is missing": ("Z", lambda g, P, T: (P - T) / 7 + 0 * g, "g is missing"),
    "Z: logits for probabilities": ("Z", lambda g, Z, T: g * (Z - T) / 7, "Z in place of P"),
    "Z: no sum over the classes": (
        "Z",
        lambda P, g_P: P * (g_P - g_P * P),
        "sum over axis 0 of g_P . P is missing|the derivative|sum",
    ),
    "Z: mean over the classes": (
        "Z",
        lambda P, g_P: P * (g_P - (g_P * P).mean(axis=0, keepdims=True)),
        "mean in place of sum",
    ),
    "P: not divided by P": ("P", lambda g, P, T: -g * T / 7 + 0 * P, "not divided by P|factor P too much"),
    "P: divided by P twice": ("P", lambda g, P, T: -g * T / P**2 / 7, "P"),
    "P: sign": ("P", lambda g, P, T: g * T / P / 7, "sign flipped"),
    "T: not a log": ("T", lambda g, P: -g * P / 7, "log of P is missing"),
    "T: log of the logits": ("T", lambda g, Z: -g * Z / 7, "Z in place of log\\(P\\)|P"),
}


def test_every_cause_is_named_in_cross_entropy():
    assert named(cross_entropy, labels(), ENTROPY) == {}


# -- a linear layer and a net of two layers, features x batch --------------------------------------


def net(X, W1, b1, W2, b2):
    s1 = tag(W1 @ X + b1, "s1")
    h = tag(np.tanh(s1), "h")
    s2 = tag(W2 @ h + b2, "s2")
    return np.tanh(s2)


def weights():
    rng = np.random.default_rng(5)
    shapes = {"X": (4, 6), "W1": (4, 4), "b1": (4, 1), "W2": (4, 4), "b2": (4, 1)}
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


NET = {
    "W2: input of the layer before": ("W2", lambda g_s2, X: g_s2 @ X.T, "X in place of h"),
    "W2: before the activation": ("W2", lambda g_s2, s1: g_s2 @ s1.T, "s1 in place of h"),
    "W2: transposed": ("W2", lambda g_s2, h: h @ g_s2.T, "^transposed$"),
    "W2: averaged": ("W2", lambda g_s2, h: g_s2 @ h.T / 6, "1/6 times the gradient"),
    "W2: of the next layer's sum": ("W2", lambda g, h: g @ h.T, "g in place of g_s2"),
    "b2: not summed": ("b2", lambda g_s2: g_s2, "not summed over axis 1"),
    "b2: averaged": ("b2", lambda g_s2: g_s2.mean(axis=1, keepdims=True), "mean in place of sum"),
    "h: W2 not transposed": ("h", lambda g_s2, W2: W2 @ g_s2, r"W2 in place of W2\.T|W2 not transposed"),
    "h: weights of the other layer": ("h", lambda g_s2, W1: W1.T @ g_s2, "W1 in place of W2"),
    "s1: derivative missing": ("s1", lambda W2, g_s2: W2.T @ g_s2, r"tanh|1 - h\*\*2|derivative"),
    "s1: derivative of the sum": ("s1", lambda g_h, s1: g_h * (1 - s1**2), "s1 in place of h|tanh of s1 is missing"),
    "s1: not squared": ("s1", lambda g_h, h: g_h * (1 - h), "square of h is missing|h in place of|exponent"),
    "s1: f' twice": ("s1", lambda g_h, h: g_h * (1 - h**2) ** 2, r"factor|exponent"),
    "s1: the layer above's f'": ("s1", lambda g_h, s2: g_h * (1 - np.tanh(s2) ** 2), "s2 in place of s1"),
    "W1: gradient of the layer above": ("W1", lambda g_s2, X: g_s2 @ X.T, "g_s2 in place of g_s1"),
    "W1: sign": ("W1", lambda g_s1, X: -g_s1 @ X.T, "sign flipped"),
    "W1: the other layer's gradient": ("W1", lambda g_s2, h: g_s2 @ h.T, "this is the gradient of 'W2'"),
    "b1: the other layer's gradient": (
        "b1",
        lambda g_s2: g_s2.sum(axis=1, keepdims=True),
        "this is the gradient of 'b2'",
    ),
    "X: W1 not transposed": ("X", lambda g_s1, W1: W1 @ g_s1, r"W1 in place of W1\.T"),
    "X: the other weights": ("X", lambda g_s1, W2: W2.T @ g_s1, "W2 in place of W1"),
    "X: doubled": ("X", lambda g_s1, W1: 2 * W1.T @ g_s1, "2 times the gradient"),
}


def test_every_cause_is_named_in_a_net():
    assert named(net, weights(), NET) == {}


def regularized(x, W, lam):
    s = tag(W @ x, "s")
    h = tag(autograd_core.relu(s), "h")
    return 0.5 * (h**2).sum() + lam * (W**2).sum()


RELU = {
    "W: no weight decay": ("W", lambda g_s, x: np.outer(g_s, x), "the direct path is missing|lam is dropped"),
    "W: half the decay": (
        "W",
        lambda g, g_s, x, W, lam: np.outer(g_s, x) + g * lam * W,
        "direct path is counted 0.5 times",
    ),
    "W: minus the decay": (
        "W",
        lambda g, g_s, x, W, lam: np.outer(g_s, x) - 2 * g * lam * W,
        "direct path has its sign flipped",
    ),
    "W: decay without lambda": ("W", lambda g, g_s, x, W: np.outer(g_s, x) + 2 * g * W, "factor lam is missing"),
    "s: other side": ("s", lambda g_h, s: g_h * (s < 0), "kink|less|identically zero"),
    "h: factor 2": ("h", lambda g, h: 2 * g * h, "2 times the gradient"),
    "h: squared": ("h", lambda g, h: g * h**2, "factor h too much|exponent"),
    "x: W for its transpose": ("x", lambda g_s, W: W @ g_s, r"W in place of W\.T|W not transposed"),
}


def test_every_cause_is_named_with_relu_and_weight_decay():
    rng = np.random.default_rng(2)
    inputs = {"x": rng.standard_normal(4), "W": rng.standard_normal((4, 4))}
    assert named(regularized, inputs, RELU, {"lam": 0.3}) == {}


# -- one step of an optimizer ----------------------------------------------------------------------


def adam(d, m, v, beta, rho, eps):
    M = tag(beta * m + (1 - beta) * d, "M")
    V = tag(rho * v + (1 - rho) * d**2, "V")
    return M / (np.sqrt(V) + eps)


def moments():
    rng = np.random.default_rng(1)
    return {"d": rng.standard_normal((2, 5)), "m": rng.standard_normal((2, 5)), "v": rng.uniform(0.2, 1.5, (2, 5))}


ADAM = {
    "M: epsilon inside": (
        "M",
        lambda g, V, eps: g / np.sqrt(V + eps),
        "eps inside the square root in place of outside",
    ),
    "M: no root": ("M", lambda g, V, eps: g / (V + eps), "sqrt of V is missing|V in place of sqrt"),
    "M: epsilon dropped": ("M", lambda g, V: g / np.sqrt(V), "eps is dropped"),
    "M: sign": ("M", lambda g, V, eps: -g / (np.sqrt(V) + eps), "sign flipped"),
    "V: sign": ("V", lambda g, M, V, eps: g * M / (2 * np.sqrt(V) * (np.sqrt(V) + eps) ** 2), "sign flipped"),
    "V: no 1/2": ("V", lambda g, M, V, eps: -g * M / (np.sqrt(V) * (np.sqrt(V) + eps) ** 2), "2 times the gradient"),
    "V: root's derivative missing": ("V", lambda g, M, V, eps: -g * M / (np.sqrt(V) + eps) ** 2, "sqrt"),
    "V: square missing": (
        "V",
        lambda g, M, V, eps: -g * M / (2 * np.sqrt(V) * (np.sqrt(V) + eps)),
        r"not divided by \(sqrt\(V\) \+ eps\)",
    ),
    "V: m for M": ("V", lambda g, m, V, eps: -g * m / (2 * np.sqrt(V) * (np.sqrt(V) + eps) ** 2), "m in place of M"),
    "d: no second moment": ("d", lambda g_M, beta: (1 - beta) * g_M, "the path through 'V' is missing"),
    "d: no first moment": ("d", lambda g_V, rho, d: 2 * (1 - rho) * d * g_V, "the path through 'M' is missing"),
    "d: weights exchanged": ("d", lambda d, g_M, g_V, beta, rho: beta * g_M + 2 * (1 - rho) * d * g_V, "beta"),
    "d: betas exchanged": (
        "d",
        lambda d, g_M, g_V, beta, rho: (1 - rho) * g_M + 2 * (1 - beta) * d * g_V,
        "beta and rho exchanged",
    ),
    "d: no factor 2": (
        "d",
        lambda d, g_M, g_V, beta, rho: (1 - beta) * g_M + (1 - rho) * d * g_V,
        "the path through 'V' is counted 0.5 times",
    ),
    "d: d missing": (
        "d",
        lambda d, g_M, g_V, beta, rho: (1 - beta) * g_M + 2 * (1 - rho) * g_V,
        "factor d is missing",
    ),
    "m: 1 - beta": ("m", lambda g_M, beta: (1 - beta) * g_M, "1 - beta"),
    "v: not weighted": ("v", lambda g_V: g_V, "factor rho is missing|this is the gradient of 'V'"),
    "v: rho squared": ("v", lambda g_V, rho: rho**2 * g_V, "factor rho too much"),
    "v: the other beta": ("v", lambda g_V, beta: beta * g_V, "beta in place of rho"),
}


def test_every_cause_is_named_in_an_optimizer_step():
    assert named(adam, moments(), ADAM, {"beta": 0.83, "rho": 0.91, "eps": 2e-2}) == {}
