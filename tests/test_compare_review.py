"""Where a hasty judge would be mistaken: saturated gradients, kinks, short sweeps, special inputs."""

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import errors
from autograd_core.compare import compare
from autograd_core.compare.sweep import remainder

X = np.random.default_rng(3).standard_normal((4, 5))


def judged(f, x, claim, **kwargs):
    return compare(f, {"x": np.asarray(x, dtype=np.float64)}, {"x": claim}, **kwargs)["x"]


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_backward(g, x):
    p = softmax(x)
    return p * (g - (g * p).sum(axis=-1, keepdims=True))


def logistic(x):
    return 1 / (1 + np.exp(-x))


# -- saturation ------------------------------------------------------------------------------------

SATURATED = {
    "softmax": (softmax, [40.0, 0.0, 3.0], softmax_backward),
    "sigmoid": (logistic, [35.0, 36.0], lambda g, x: g * logistic(x) * (1 - logistic(x))),
    "tanh, where the engine rounds": (lambda x: np.tanh(x), [15.0, 16.0], lambda g, x: g / np.cosh(x) ** 2),
    "log sigmoid": (lambda x: -ac.softplus(-x), [40.0, 50.0], lambda g, x: g * (1 - logistic(x))),
}


@pytest.mark.parametrize("case", SATURATED)
def test_a_right_formula_is_not_wrong_where_the_gradient_saturates(case):
    f, x, claim = SATURATED[case]
    line = judged(f, x, claim)
    assert line.verdict == "undecided" and line.hint is None
    assert line.reason.startswith("at index (0,) the gradient is saturated: it is below the rounding of the terms")


@pytest.mark.parametrize("case", SATURATED)
def test_a_formula_that_is_wrong_elsewhere_is_wrong_where_the_gradient_saturates(case):
    f, x, claim = SATURATED[case]
    assert judged(f, x, lambda g, x: 2 * claim(g, x) + 1e-3 * g).verdict == "wrong"


def test_an_error_beside_saturated_elements_is_found():
    x = np.array([[36.0, 35.0], [1.0, -0.5]])
    for off, expected in ((1.0, ("exact", "undecided")), (1 + 1e-6, ("wrong",))):
        line = judged(logistic, x, lambda g, x, k=off: g * logistic(x) * (1 - logistic(x)) * np.array([[1.0], [k]]))
        assert line.verdict in expected


def test_small_gradients_that_are_not_saturated_are_still_judged():
    assert judged(lambda x: np.exp(x), [-40.0, -50.0], lambda g, x: 2 * g * np.exp(x)).verdict == "wrong"
    assert judged(lambda x: x**2, np.array([1.0, 2.0]) * 1e-20, lambda g, x: 2.1 * g * x).verdict == "wrong"
    assert judged(lambda x: 1 / x**3, [1e3, 2e3], lambda g, x: -3.1 * g / x**4).verdict == "wrong"


@pytest.mark.parametrize("scale", [30, 100, 1000])
def test_a_batch_of_saturated_logits_is_never_wrong(scale):
    for seed in range(8):
        x = np.random.default_rng(seed).standard_normal((4, 5)) * scale
        line = judged(softmax, x, softmax_backward, seed=seed)
        assert line.verdict in ("exact", "undecided") and line.hint is None


@pytest.mark.parametrize("seed", [0, 3])
def test_a_sigmoid_of_large_inputs_can_be_decided(seed):
    x = np.random.default_rng(seed).standard_normal((4, 5)) * 100
    line = judged(lambda x: ac.sigmoid(x), x, lambda g, x: g * logistic(x) * (1 - logistic(x)))
    assert (line.verdict, line.oracle) == ("exact", "complex step, all 20 elements")
    assert (
        judged(lambda x: ac.sigmoid(x), x, lambda g, x: 1.001 * g * logistic(x) * (1 - logistic(x))).verdict == "wrong"
    )


# -- what a claim returns, keeps and writes --------------------------------------------------------


@pytest.mark.parametrize(("factor", "verdict"), [(2.0, "exact"), (2.00002, "wrong")])
def test_a_claim_may_return_the_same_buffer_each_time(factor, verdict):
    buffer = np.zeros_like(X)

    def claim(g, x):
        return np.multiply(factor * x, g, out=buffer)

    assert judged(lambda x: x**2, X, claim).verdict == verdict
    jacobian = np.zeros((5, 5))

    def whole(x):
        jacobian[...] = np.diag(factor * x)
        return jacobian

    assert judged(lambda x: x**2, X[0], whole).verdict == verdict


@pytest.mark.parametrize("period", [2, 5, 6, 7, 8, 11])
def test_a_claim_that_is_wrong_at_every_nth_call_is_refused(period):
    calls = []

    def claim(g, x):
        calls.append(1)
        return 2 * x * g * (1.1 if len(calls) % period == 0 else 1.0)

    with pytest.raises(errors.ArgumentError, match="two calls of the claim for 'x'; it must not draw"):
        judged(lambda x: x**2, X, claim)


def test_a_claim_without_a_signature_is_named():
    with pytest.raises(errors.ArgumentError, match=r"'max', given for 'x', has none: write lambda g, \.\.\.: max"):
        judged(lambda x: x**2, X, max)


def test_a_claim_that_writes_into_its_arguments_is_told_to_copy():
    for claim in (lambda g, x: np.multiply(g, 2 * x, out=g), lambda g, x: g.__setitem__(0, 1.0)):
        with pytest.raises(errors.ArgumentError, match="the claim for 'x' does: work on a copy"):
            judged(lambda x: x**2, X, claim)


@pytest.mark.parametrize("seed", [True, -1, 1.5, None])
def test_seeds_that_are_none(seed):
    with pytest.raises(errors.ArgumentError, match="seed must be a non-negative integer"):
        judged(lambda x: x**2, X, lambda g, x: 2 * g * x, seed=seed)


def test_seeds_may_be_of_numpy():
    wrong = [judged(lambda x: x**2, X, lambda g, x: 3 * g * x, seed=seed).worst for seed in (3, np.int64(3), 4)]
    assert wrong[0] == wrong[1] != wrong[2]


# -- sweeps ----------------------------------------------------------------------------------------


def normalize(x, eps):
    d = x - x.mean(axis=1, keepdims=True)
    return d / np.sqrt((d * d).mean(axis=1, keepdims=True) + eps)


def without_eps(g, x, off=0, factor=1.0):
    d, n = x - x.mean(axis=1, keepdims=True), x.shape[1] - off
    s = np.sqrt((d * d).mean(axis=1, keepdims=True))
    z = d / s
    return factor * (g - g.sum(axis=1, keepdims=True) / n - z * (g * z).sum(axis=1, keepdims=True) / n) / s


def swept(n, sweep, **kwargs):
    x = np.random.default_rng(n).standard_normal((2, n))
    return judged(normalize, x, lambda g, x: without_eps(g, x, **kwargs), sweep={"eps": sweep})


SHORT, LONG = (1e-1, 1e-2, 1e-3, 1e-4), [10.0**-k for k in range(1, 11)]


@pytest.mark.parametrize("n", [64, 1024, 4096])
def test_a_count_off_by_one_does_not_hide_under_a_dropped_epsilon(n):
    assert swept(n, SHORT).verdict == "approximate"
    line = swept(n, SHORT, off=1)
    assert line.verdict == "wrong"
    if n > 64:  # else it does not look like fading in the first place
        assert line.reason.startswith("fades with eps, but an error of ") and line.reason.endswith("as eps goes to 0")


def test_a_tiny_constant_error_is_found_by_a_long_sweep():
    assert swept(8, LONG).verdict == "approximate"
    assert swept(8, LONG, factor=1 + 1e-9).verdict == "wrong"


def test_a_sweep_that_ends_too_early_says_so():
    line = swept(4096, SHORT[:3])
    assert line.verdict == "undecided" and line.hint is None
    assert "may stay as eps goes to 0; sweep further down" in line.reason


def test_two_values_decide_what_does_not_fade():
    assert swept(8, (1e-4, 1e-6), factor=2.0).verdict == "wrong"
    line = swept(8, (1e-4, 1e-6))
    assert line.verdict == "undecided" and line.reason.endswith("sweep at least three")


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_what_stays_of_a_power_series(power):
    values = np.array([1e-1, 1e-2, 1e-3, 1e-4])
    stays, shape = np.array([0.0, 3e-7]), np.array([1.0, -2.0])
    residuals = [stays + shape * v**power + 5 * shape**2 * v ** (2 * power) for v in values]
    c, doubt = remainder(values, residuals, power * 1.01)  # a fitted order is never quite the true one
    assert abs(c - 3e-7) < 1e-12 and doubt < 1e-12


# -- kinks -----------------------------------------------------------------------------------------


def relu(x):
    return np.maximum(x, 0)


@pytest.mark.parametrize("size", [40, 600, 5000])
@pytest.mark.parametrize("zeros", [1, 30])
def test_the_verdict_at_a_kink_does_not_hang_on_what_was_sampled(size, zeros):
    x = np.r_[np.zeros(zeros), np.random.default_rng(3).standard_normal(size - zeros)]
    for seed in (0, 1):
        for claim in (lambda g, x: g * (x >= 0), lambda g, x: g * (x > 0)):
            line = judged(relu, x, claim, seed=seed)
            assert line.verdict == "undecided" and line.reason.startswith("f has a kink at x(0,)")
        assert judged(relu, x, lambda g, x: 1.001 * g * (x >= 0), seed=seed).verdict == "wrong"


def test_kinks_away_from_zero_are_found_by_the_claim_that_differs_there():
    x = np.random.default_rng(3).standard_normal(700)
    x[[5, 77, 300]] = 1.0
    line = judged(lambda x: np.maximum(x, 1.0), x, lambda g, x: g * (x >= 1))
    assert line.verdict == "undecided" and "kink at x" in line.reason
    assert judged(lambda x: np.maximum(x, 1.0), x, lambda g, x: 1.01 * g * (x >= 1)).verdict != "exact"


def test_a_mistake_at_zeros_is_not_taken_for_a_kink():
    x = np.r_[np.zeros(3), np.random.default_rng(3).standard_normal(597)]
    assert judged(lambda x: x**2 + 0 * abs(x), x, lambda g, x: g * (2 * x + (x == 0))).verdict == "wrong"


def test_a_jump_is_not_called_a_gradient_that_is_zero():
    line = judged(lambda x: np.floor(x) * x, [1.0, 2.0, 3.0], lambda g, x: g * np.floor(x))
    assert line.verdict == "undecided" and "jumps" in line.reason and "structurally zero" not in line.reason


# -- inputs at which a mistake cannot be seen ------------------------------------------------------

EYE, ODD = np.eye(4), np.random.default_rng(4).standard_normal((4, 4))
ONE_HOT = np.eye(5)[[0, 1, 2, 0]]
ROW = X[:1]


def entropy(x, Y):
    return -(Y * (x - ac.logsumexp(x, axis=1, keepdims=True))).sum(axis=1).mean()


def weighted(x, G):
    return G * x**2


def product(x, W):
    return x @ W


def bn_backward(g, x, eps, k):
    d = x - x.mean(axis=1, keepdims=True)
    s = np.sqrt((d * d).mean(axis=1, keepdims=True) + eps)
    z = d / s
    return (g - g.mean(axis=1, keepdims=True) - k * z * (g * z).mean(axis=1, keepdims=True)) / s


# f, inputs, params, a claim that is right only here, one that is right, and what is said of the first.
BLIND = {
    "constant logits": (
        softmax,
        {"x": np.full((2, 3), 0.7)},
        {},
        lambda g: (g - g.mean(axis=1, keepdims=True)) / 3,
        softmax_backward,
        "'x' is 0.7 throughout",
    ),
    "a gain of 2": (
        weighted,
        {"x": X, "G": np.full(5, 2.0)},
        {},
        lambda g, x: 4 * g * x,
        lambda g, x, G: 2 * g * G * x,
        "'G' is 2 throughout",
    ),
    "2 x and x squared": (
        lambda x: x**2,
        {"x": np.full(3, 2.0)},
        {},
        lambda g, x: g * x**2,
        lambda g, x: 2 * g * x,
        "'x' is 2 throughout",
    ),
    "the identity": (
        product,
        {"x": ODD, "W": EYE},
        {},
        lambda g, W: g @ W,
        lambda g, W: g @ W.T,
        "'W' is the identity",
    ),
    "a symmetric matrix": (
        product,
        {"x": ODD, "W": ODD + ODD.T},
        {},
        lambda g, W: g @ W,
        lambda g, W: g @ W.T,
        "'W' is symmetric",
    ),
    "a batch of one": (
        lambda x: (x**2).sum(axis=1).mean(),
        {"x": ROW},
        {},
        lambda g, x: 2 * g * x,
        lambda g, x: 2 * g * x / len(x),
        "axis 0 of 'x' has length one",
    ),
    "a parameter of 1": (
        lambda x, c: c * x**2,
        {"x": X},
        {"c": 1.0},
        lambda g, x: 2 * g * x,
        lambda g, x, c: 2 * c * g * x,
        "'c' is 1",
    ),
    "a parameter of 0": (
        lambda x, lam: x**3 + lam * x**2,
        {"x": X},
        {"lam": 0.0},
        lambda g, x: 3 * g * x**2,
        lambda g, x, lam: g * (3 * x**2 + 2 * lam * x),
        "'lam' is 0",
    ),
    "a mask": (
        weighted,
        {"x": X, "G": (X > 0) * 1.0},
        {},
        lambda g, x, G: 2 * g * G**2 * x,
        lambda g, x, G: 2 * g * G * x,
        "'G' is 0 or 1 throughout",
    ),
    "one-hot labels": (
        entropy,
        {"x": X},
        {"Y": ONE_HOT},
        lambda g, x, Y: g * (softmax(x) - Y**2) / len(x),
        lambda g, x, Y: g * (softmax(x) - Y) / len(x),
        "'Y' is 0 or 1 throughout",
    ),
    "inputs far below epsilon": (
        normalize,
        {"x": X * 1e-30},
        {"eps": 1e-5},
        lambda g, x, eps: bn_backward(g, x, eps, 3.0),
        lambda g, x, eps: bn_backward(g, x, eps, 1.0),
        "'x' is as small as 3e-30",
    ),
    "two that cover up each other": (
        lambda x, a, b: x**2 * (1 + a * b),
        {"x": X, "a": np.zeros(5), "b": np.zeros(5)},
        {},
        lambda g, x: 2 * g * x,
        lambda g, x, a, b: 2 * g * x * (1 + a * b),
        "'a' is 0 throughout and 'b' is 0 throughout",
    ),
}


@pytest.mark.parametrize("case", BLIND)
def test_what_special_inputs_hide_is_said(case):
    f, inputs, params, here, right, words = BLIND[case]
    line = compare(f, inputs, {"x": here}, params=params)["x"]
    assert (line.verdict, line.reason) == ("exact", f"but only where {words}, as here")
    line = compare(f, inputs, {"x": right}, params=params)["x"]
    assert (line.verdict, line.reason) == ("exact", "")


def test_a_bias_in_a_batch_of_one():
    inputs = {"x": ROW, "b": X[1:2]}
    right = {"x": lambda g: g, "b": lambda g: g.sum(axis=0, keepdims=True)}
    report = compare(lambda x, b: x + b, inputs, right)
    assert [line.reason for line in report.values()] == ["", ""]
    line = compare(lambda x, b: x + b, inputs, {"b": lambda g: g.mean(axis=0, keepdims=True)})["b"]
    assert line.reason == "but only where axis 0 of 'x' has length one, as here"


def test_a_gain_for_each_row_is_nothing_special_however_many_columns_there_are():
    x, gain = np.random.default_rng(5).standard_normal((3, 3)), np.random.default_rng(6).standard_normal((3, 1))
    for n in (3, 4, 5):
        inputs = {"x": np.tile(x, 2)[:, :n], "gain": gain}
        line = compare(lambda x, gain: gain * x / x.sum(axis=1, keepdims=True), inputs, {"x": per_row})["x"]
        assert (line.verdict, line.reason) == ("exact", "")


def per_row(g, x, gain):
    s = x.sum(axis=1, keepdims=True)
    return gain / s * (g - (g * x).sum(axis=1, keepdims=True) / s)
