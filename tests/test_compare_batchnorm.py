"""`compare` on batch norm: right formulas are exact, every classical mistake is caught and named."""

import functools
import inspect

import numpy as np
import pytest

from autograd_core.compare import compare, tag

PLACEMENTS = ("variance", "deviation")


class BatchNorm:
    """Forward function and hand-derived gradients, for any batch axes and epsilon placement."""

    def __init__(self, axes, placement="variance"):
        self.axes, self.placement = axes, placement
        self.along = {"axis": axes, "keepdims": True}

    def forward(self, Z, G, B, eps):
        mu = tag(Z.mean(**self.along), "mu")
        var = tag(((Z - mu) ** 2).mean(**self.along), "var")
        return G * (Z - mu) / self.deviation(var, eps) + B

    def deviation(self, var, eps):
        return np.sqrt(var + eps) if self.placement == "variance" else np.sqrt(var) + eps

    def slope(self, var, eps):
        return 0.5 / (np.sqrt(var + eps) if self.placement == "variance" else np.sqrt(var))

    def right(self):
        along, deviation, slope = self.along, self.deviation, self.slope

        def var(g, Z, G, mu, var, eps):
            return -(g * G * (Z - mu)).sum(**along) * slope(var, eps) / deviation(var, eps) ** 2

        def mu(g, G, var, eps):
            return -(g * G).sum(**along) / deviation(var, eps)

        def line_by_line(g, Z, G, mu, var, eps, g_mu, g_var):
            N = Z.size / mu.size
            return g * G / deviation(var, eps) + g_mu / N + g_var * 2 * (Z - mu) / N

        def gain(g, Z, mu, var, eps):
            return (g * (Z - mu) / deviation(var, eps)).sum(**along)

        return {
            "var": var,
            "mu": mu,
            "Z": line_by_line,
            "G": gain,
            "B": lambda g: g.sum(**along),
        }

    def summary(self, k=1.0, drop=0):
        """The one-line formula for Z, with a coefficient and with N - drop in place of N."""
        along, deviation, slope = self.along, self.deviation, self.slope

        def Z(g, Z, G, eps):
            N = Z.size / G.size
            mu, var = Z.mean(**along), Z.var(**along)
            s, centred = deviation(var, eps), Z - mu
            inner = (g * centred).sum(**along) / (N - drop)
            return G / s * (g - g.mean(**along) - k * 2 * slope(var, eps) * centred * inner / s)

        return Z


LAYOUTS = {
    "features x batch": (1, (3, 8), (3, 1)),
    "batch x features": (0, (8, 3), (1, 3)),
    "images": ((0, 2, 3), (2, 3, 2, 2), (1, 3, 1, 1)),
}


def data(shape, features, scale=1.0, seed=1):
    rng = np.random.default_rng(seed)
    return {
        "Z": scale * (rng.standard_normal(shape) + 0.5),
        "G": rng.uniform(0.5, 2.0, features),
        "B": rng.standard_normal(features),
    }


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_right_formulas_are_exact_in_every_layout(layout, placement):
    axes, shape, features = LAYOUTS[layout]
    bn = BatchNorm(axes, placement)
    report = compare(bn.forward, data(shape, features), bn.right(), params={"eps": 1e-3})
    assert [line.verdict for line in report.values()] == ["exact"] * 5
    assert report.ok and report.first_wrong is None
    for line in report.values():
        assert line.max_rel_error <= line.bound < 1e-12
        assert line.oracle_error < 1e-12
        assert line.oracle.startswith("complex step, all")


@pytest.mark.parametrize("N", [2, 3, 64, 4096])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_summary_formula_is_exact_at_every_size_and_scale(N, scale):
    bn = BatchNorm(1)
    inputs = data((2, N), (2, 1), scale)
    report = compare(bn.forward, inputs, {"Z": bn.summary()}, params={"eps": 1e-3 * scale**2})
    assert report["Z"].verdict == "exact", report["Z"]


def test_an_unstable_but_right_rewriting_is_not_called_wrong():
    def naive(g, Z, G, eps):
        mu = Z.mean(axis=1, keepdims=True)
        s = np.sqrt((Z**2).mean(axis=1, keepdims=True) - mu**2 + eps)
        z = (Z - mu) / s
        return G / s * (g - g.mean(axis=1, keepdims=True) - z * (g * z).mean(axis=1, keepdims=True))

    bn = BatchNorm(1)
    inputs = data((3, 64), (3, 1))
    inputs["Z"] = inputs["Z"] + 100.0
    near = compare(bn.forward, inputs, {"Z": naive}, params={"eps": 1e-3})["Z"]
    assert near.verdict == "exact" and near.max_rel_error > 1e-13
    inputs["Z"] = inputs["Z"] + 1e5
    far = compare(bn.forward, inputs, {"Z": naive}, params={"eps": 1e-3})["Z"]
    assert far.verdict == "undecided" and "ill-conditioned" in far.reason


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_coefficient_three_is_wrong(layout, placement):
    axes, shape, features = LAYOUTS[layout]
    bn = BatchNorm(axes, placement)
    inputs = data(shape, features)
    line = compare(bn.forward, inputs, {"Z": bn.summary(k=1.5)}, params={"eps": 1e-3})["Z"]
    assert line.verdict == "wrong"
    assert line.hint == "the path through 'var' is counted 1.5 times"


def test_n_minus_one_is_wrong_at_4096_and_named():
    bn = BatchNorm(1)
    inputs = data((2, 4096), (2, 1))
    line = compare(bn.forward, inputs, {"Z": bn.summary(drop=1)}, params={"eps": 1e-5})["Z"]
    assert line.verdict == "wrong"
    assert line.max_rel_error < 1e-4
    assert line.hint == "N-1 in place of N in the path through 'var'"


def off(name, change):
    """The right claims with one of them changed."""

    def claims(right):
        original = right[name]

        @functools.wraps(original)
        def changed(*args, **kwargs):
            return change(original(*args, **kwargs))

        changed.__signature__ = inspect.signature(original)
        return {**right, name: changed}

    return claims


MISTAKES = {
    "sign": (off("mu", lambda x: -x), "mu", "sign flipped"),
    "half": (off("var", lambda x: 0.5 * x), "var", "0.5 times the gradient"),
    "third": (off("G", lambda x: x / 3), "G", "1/3 times the gradient"),
    "not a simple ratio": (off("G", lambda x: 1.2345 * x), "G", "1.2345 times the gradient"),
    "N/(N-1)": (off("Z", lambda x: x * 8 / 7), "Z", "N-1 in place of N"),
    "(N-1)/N": (off("Z", lambda x: x * 7 / 8), "Z", "N-1 in place of N"),
    "zero": (off("G", lambda x: 0 * x), "G", "identically zero"),
    "flattened": (off("B", lambda x: x[:, 0]), "B", "shape (3,) in place of (3, 1) (keepdims)"),
    "summed": (
        off("Z", lambda x: x.sum(axis=0, keepdims=True)),
        "Z",
        "summed over axis 0 too much",
    ),
    "spread": (
        off("Z", lambda x: x.sum(axis=0, keepdims=True) + 0 * x),
        "Z",
        "summed over axis 0 too much",
    ),
    "averaged": (
        off("Z", lambda x: x.mean(axis=0, keepdims=True)),
        "Z",
        "averaged over axis 0 too much",
    ),
    "transposed": (off("Z", np.transpose), "Z", "transposed"),
    "unexplained": (off("Z", lambda x: x + x**2), "Z", None),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named(mistake):
    change, name, hint = MISTAKES[mistake]
    bn = BatchNorm(1)
    report = compare(bn.forward, data((3, 8), (3, 1)), change(bn.right()), params={"eps": 1e-3})
    assert report[name].verdict == "wrong"
    assert report[name].hint == hint
    assert not report.ok
    assert report.first_wrong == name
    assert sum(line.verdict == "exact" for line in report.values()) == 4


def test_a_missing_sum_is_named():
    bn = BatchNorm(1)
    claims = {
        "B": lambda g: g,
        "G": lambda g, Z, mu, var, eps: g * (Z - mu) / np.sqrt(var + eps),
        "mu": lambda g, G, var, eps: -(g * G) / np.sqrt(var + eps),
    }
    report = compare(bn.forward, data((3, 8), (3, 1)), claims, params={"eps": 1e-3})
    for line in report.values():
        assert line.verdict == "wrong" and line.hint == "not summed over axis 1"
    assert report["B"].worst is None and report["B"].max_rel_error == np.inf


PATHS = {
    "no var": (1, 1, 0, "the path through 'var' is missing"),
    "no mu": (1, 0, 1, "the path through 'mu' is missing"),
    "only direct": (1, 0, 0, "the paths through 'mu' and 'var' are missing"),
    "no direct": (0, 1, 1, "the direct path is missing"),
    "only var": (0, 0, 1, "the direct path and the path through 'mu' are missing"),
    "var twice": (1, 1, 2, "the path through 'var' is counted twice"),
    "mu's sign": (1, -1, 1, "the path through 'mu' has its sign flipped"),
    "N - 1 in mu": (1, 8 / 7, 1, "N-1 in place of N in the path through 'mu'"),
}


@pytest.mark.parametrize("path", PATHS)
def test_wrong_paths_of_the_chain_rule_are_named(path):
    direct, through_mu, through_var, hint = PATHS[path]

    def Z(g, Z, G, mu, var, eps, g_mu, g_var):
        N = Z.shape[1]
        return direct * g * G / np.sqrt(var + eps) + through_mu * g_mu / N + through_var * g_var * 2 * (Z - mu) / N

    line = compare(BatchNorm(1).forward, data((3, 8), (3, 1)), {"Z": Z}, params={"eps": 1e-3})["Z"]
    assert line.verdict == "wrong" and line.hint == hint


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_dropped_epsilon_is_approximate_of_first_order(placement):
    bn = BatchNorm(1, placement)
    right = bn.summary()
    report = compare(
        bn.forward,
        data((3, 16), (3, 1)),
        {"Z": lambda g, Z, G: right(g, Z, G, 0.0), "B": lambda g: g.sum(axis=1, keepdims=True)},
        sweep={"eps": [10.0**-k for k in range(1, 9)]},
    )
    line = report["Z"]
    assert line.verdict == "approximate"
    assert line.order == pytest.approx(1.0, abs=0.01)
    assert line.hint == "eps is dropped"
    errors = [error for _, error, _ in line.sweep]
    assert line.max_rel_error == errors[0] == max(errors)
    assert report["B"].verdict == "exact" and report["B"].order is None
    assert not report.ok and report.first_wrong is None
    assert "approximate" in str(report) and "1.00" in str(report)


def test_a_dropped_epsilon_is_wrong_without_a_sweep():
    bn = BatchNorm(1)
    right = bn.summary()
    line = compare(
        bn.forward,
        data((3, 16), (3, 1)),
        {"Z": lambda g, Z, G: right(g, Z, G, 0.0)},
        params={"eps": 1e-8},
    )["Z"]
    assert line.verdict == "wrong" and line.order is None and line.hint == "eps is dropped"


def test_wrong_and_exact_claims_stay_so_under_a_sweep():
    bn = BatchNorm(1)
    report = compare(
        bn.forward,
        data((3, 16), (3, 1)),
        {**bn.right(), "Z": bn.summary(k=1.5), "mu": lambda g, G: -(g * G).sum(1, keepdims=True)},
        sweep={"eps": (1e-2, 1e-4, 1e-6)},
    )
    verdicts = {name: line.verdict for name, line in report.items()}
    assert verdicts == {"var": "exact", "mu": "wrong", "Z": "wrong", "G": "exact", "B": "exact"}
    assert report["Z"].hint == "the path through 'var' is counted 1.5 times"
    assert report.first_wrong == "mu"


def test_too_short_a_sweep_leaves_a_fading_error_undecided():
    bn = BatchNorm(1)
    right = bn.summary()
    line = compare(
        bn.forward,
        data((3, 16), (3, 1)),
        {"Z": lambda g, Z, G: right(g, Z, G, 0.0)},
        sweep={"eps": (1e-2, 1e-4)},
    )["Z"]
    assert line.verdict == "undecided" and "fewer than three" in line.reason


def test_the_variances_dependence_on_the_mean_is_structurally_zero():
    def variance(Z):
        mu = tag(Z.mean(axis=1, keepdims=True), "mu")
        return ((Z - mu) ** 2).mean(axis=1, keepdims=True)

    claims = {
        "mu": lambda g, Z, mu: -2 * g * (Z - mu).mean(axis=1, keepdims=True),
        "Z": lambda g, Z, mu: 2 * g * (Z - mu) / Z.shape[1],
    }
    Z = data((3, 8), (3, 1))["Z"]
    report = compare(variance, {"Z": Z}, claims)
    assert report["mu"].verdict == "undecided"
    assert "structurally zero" in report["mu"].reason
    assert np.isnan(report["mu"].max_rel_error)
    assert report["Z"].verdict == "exact"
    zero = compare(variance, {"Z": Z}, {"mu": lambda g: np.zeros((3, 1))})
    assert zero["mu"].verdict == "undecided" and not zero.ok
    wrong = compare(variance, {"Z": Z}, {"mu": lambda g: 2 * g})
    assert wrong["mu"].verdict == "wrong" and "is zero to rounding" in wrong["mu"].reason


def test_a_projected_sum_cannot_make_the_check_vacuous():
    # Field checkers pass a coefficient 3 on bn(x).sum(): the true gradient is zero there.
    bn = BatchNorm(1)
    line = compare(
        lambda **kw: bn.forward(**kw).sum(),
        data((3, 8), (3, 1)),
        {"Z": lambda g, Z: 0 * Z},
        params={"eps": 1e-3},
    )["Z"]
    assert line.verdict == "undecided"


@pytest.mark.parametrize("seed", range(3))
def test_upstream_gradients_are_not_the_users_own_numbers(seed):
    # Both sides draw from the same seed; g = Z would be annihilated by batch norm's projection.
    bn = BatchNorm(1)
    inputs = {
        "Z": np.random.default_rng(seed).standard_normal((3, 8)),
        "G": np.ones((3, 1)),
        "B": np.zeros((3, 1)),
    }
    line = compare(bn.forward, inputs, {"Z": bn.summary()}, params={"eps": 1e-5}, seed=seed)["Z"]
    assert line.verdict == "exact" and line.bound < 1e-12


def test_a_jacobian_claim_is_judged_at_every_entry():
    def bn(z):
        c = z - z.mean()
        return c / np.sqrt((c**2).mean())

    def jacobian(z, k=1.0):
        N, c = z.size, z - z.mean()
        s = np.sqrt((c**2).mean())
        return (np.eye(N) - 1 / N - k * np.outer(c, c) / (N * s**2)) / s

    z = np.random.default_rng(3).standard_normal(6)
    report = compare(bn, {"z": z}, {"z": lambda z: jacobian(z)})
    assert report["z"].verdict == "exact" and report["z"].jacobian
    assert compare(bn, {"z": z}, {"z": lambda z: jacobian(z, 1.001)})["z"].verdict == "wrong"
    negative = compare(bn, {"z": z}, {"z": lambda z: -jacobian(z)})["z"]
    assert negative.hint == "sign flipped"


def test_a_transposed_jacobian_is_named():
    W = np.random.default_rng(3).standard_normal((3, 4))
    inputs = {"x": np.random.default_rng(4).standard_normal(4)}

    def f(x):
        return W @ x

    assert compare(f, inputs, {"x": lambda: W})["x"].verdict == "exact"
    line = compare(f, inputs, {"x": lambda: W.T})["x"]
    assert line.verdict == "wrong" and line.hint == "transposed"
