"""Attempts to fool `compare`: checks that cannot fail, mistakes that hide, claims that cheat, extreme numbers."""

import numpy as np
import pytest

import autograd_core
from autograd_core import errors
from autograd_core.compare import compare, tag

RNG = np.random.default_rng(6)
X = RNG.standard_normal((4, 6))


def batch_norm(x, eps=1e-5):
    mu = x.mean(axis=1, keepdims=True)
    return (x - mu) / np.sqrt(((x - mu) ** 2).mean(axis=1, keepdims=True) + eps)


def backward(g, Z, k=1.0, n=None, eps=1e-5):
    c, n = Z - Z.mean(axis=1, keepdims=True), n or Z.shape[1]
    s = np.sqrt((c**2).mean(axis=1, keepdims=True) + eps)
    inner = (g * c).sum(axis=1, keepdims=True) / n
    return (g - g.mean(axis=1, keepdims=True) - k * c * inner / s**2) / s


def cube(x):
    return x**3


def judged(f, x, claim, **kwargs):
    return compare(f, {"x": np.asarray(x, dtype=np.float64)}, {"x": claim}, **kwargs)["x"]


# -- checks that cannot fail -----------------------------------------------------------------------

VACUOUS = {
    "sum of a normalized batch": lambda x: batch_norm(x).sum(),
    "sum of squares of a normalized batch": lambda x: (batch_norm(x, 0.0) ** 2).sum(),
    "mean of a softmax": lambda x: (np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)).mean(),
    "sum of deviations": lambda x: (x - x.mean()).sum(),
    "x - x": lambda x: x - x,
    "constant": lambda x: x * 0.0 + 3.0,
    "sign": lambda x: np.sign(x),
    "steps": lambda x: np.floor(x) + np.round(3 * x),
    "comparison": lambda x: np.where(x > 0, 1.0, -1.0) + 0.0 * x,
}
HOPEFUL = {
    "zero": lambda g, x: 0.0 * x,
    "nearly zero": lambda g, x: 1e-17 * x,
    "a coefficient 3": lambda g, x: backward(g * np.ones_like(x), x, k=3.0) * 1e-17,
}


@pytest.mark.parametrize("claim", HOPEFUL)
@pytest.mark.parametrize("f", VACUOUS)
def test_where_every_claim_near_zero_would_fit_nothing_is_exact(f, claim):
    if f == "x - x" and claim != "zero":
        return  # it has no scale at all beside which a claim could be nearly zero
    line = judged(VACUOUS[f], X, HOPEFUL[claim])
    assert line.verdict == "undecided", line
    assert "structurally zero gradient" in line.reason


@pytest.mark.parametrize("f", VACUOUS)
def test_where_the_gradient_is_zero_other_claims_are_wrong(f):
    line = judged(VACUOUS[f], X, lambda g, x: np.ones_like(x))
    assert line.verdict == "wrong" and "zero" in line.reason


def test_what_holds_for_a_constant_upstream_gradient_only_is_wrong():
    assert judged(batch_norm, X, lambda g, x: backward(g, x)).verdict == "exact"
    assert judged(batch_norm, X, lambda g, x: backward(g, x, k=3.0)).verdict == "wrong"
    assert judged(batch_norm, X, lambda g, x: backward(np.full_like(x, g.mean()), x)).verdict == "wrong"


# -- mistakes that hide ----------------------------------------------------------------------------


@pytest.mark.parametrize("N", [64, 256, 4096])
@pytest.mark.parametrize("off", [-1, 1])
def test_a_count_off_by_one_is_wrong_however_large(N, off):
    Z = np.random.default_rng(N).standard_normal((2, N))
    assert judged(lambda x: batch_norm(x), Z, lambda g, x: backward(g, x, n=N + off)).verdict == "wrong"


def test_one_wrong_element_of_92_thousand_is_found():
    x = np.random.default_rng(1).standard_normal((64, 1437))

    def claim(g, x):
        gradient = 3 * g * x**2
        gradient[37, 801] *= 1 + 1e-6
        return gradient

    line = judged(cube, x, claim)
    assert line.verdict == "wrong" and line.worst[0] == (37, 801)
    assert judged(cube, x, lambda g, x: 3 * g * x**2).verdict == "exact"


@pytest.mark.parametrize("small", [1e-3, 1e-8, 1e-14, 1e-25, 1e-60])
def test_a_mistake_in_one_small_feature_is_not_exact(small):
    scale = np.array([[1.0], [small], [10.0], [1.0]])
    wrong = np.array([[1.0], [1.5], [1.0], [1.0]])
    assert judged(lambda x: x**2 * scale, X, lambda g, x: 2 * g * x * scale).verdict == "exact"
    assert judged(lambda x: x**2 * scale, X, lambda g, x: 2 * g * x * scale * wrong).verdict == "wrong"


@pytest.mark.parametrize("small", [1e-6, 1e-13, 1e-30])
def test_a_mistake_in_one_small_element_of_a_vector_is_not_exact(small):
    scale = np.array([1.0, small, 1.0, 1.0, 1.0])
    wrong = np.array([1.0, 2.0, 1.0, 1.0, 1.0])
    x = X[0, :5]
    assert judged(lambda x: x**2 * scale, x, lambda g, x: 2 * g * x * scale).verdict == "exact"
    assert judged(lambda x: x**2 * scale, x, lambda g, x: 2 * g * x * scale * wrong).verdict != "exact"


CORNERS = {
    "negative x": (lambda x: x < 0),
    "large x": (lambda x: x > 1.5),
    "the largest x": (lambda x: x == x.max()),
    "the last column": (lambda x: np.arange(x.shape[1]) == x.shape[1] - 1 + 0 * x),
}


@pytest.mark.parametrize("corner", CORNERS)
def test_a_mistake_in_a_corner_is_wrong(corner):
    line = judged(cube, X, lambda g, x: g * 3 * x**2 * np.where(CORNERS[corner](x), 1.001, 1.0))
    assert line.verdict == "wrong" and CORNERS[corner](X)[line.worst[0]]


@pytest.mark.parametrize("off", [1e-3, 1e-5, 1e-7, 1e-9, 1e-12])
def test_a_small_relative_error_is_wrong(off):
    assert judged(batch_norm, X, lambda g, x: backward(g, x) * (1 + off)).verdict == "wrong"
    assert judged(batch_norm, X, lambda g, x: backward(g, x, k=1 + off)).verdict == "wrong"


@pytest.mark.parametrize("off", [1e-3, 1e-2])
def test_single_precision_does_not_hide_an_error_that_is_larger(off):
    line = judged(batch_norm, X, lambda g, x: (backward(g.astype(np.float32), x) * (1 + off)).astype(np.float64))
    assert line.verdict == "wrong"


def test_single_precision_is_not_called_wrong_and_says_so():
    for out in (np.float32, np.float64):
        line = judged(
            batch_norm, X, lambda g, x, out=out: backward(g.astype(np.float32), x.astype(np.float32)).astype(out)
        )
        assert line.verdict == "undecided" and "single precision" in line.reason


@pytest.mark.parametrize("value", [1.0, 0.0, -1.0])
def test_what_an_input_of_ones_or_zeros_hides_is_said(value):
    def f(x, gain):
        return x**3 * (1 + gain) if value == 0.0 else x**3 * gain

    gain = np.full(6, value)
    right = {"x": lambda g, x, gain: 3 * g * x**2 * (1 + gain if value == 0.0 else gain)}
    hidden = {"x": lambda g, x: 3 * g * x**2 * (value or 1.0)}
    inputs = {"x": X, "gain": gain}
    assert compare(f, inputs, right)["x"].reason == ""
    line = compare(f, inputs, hidden)["x"]
    assert line.verdict == "exact" and line.reason == f"but only where 'gain' is {value:g} throughout, as here"
    inputs["gain"] = gain + np.linspace(0.1, 0.2, 6)
    assert compare(f, inputs, hidden)["x"].verdict == "wrong"


def test_a_claim_that_is_not_defined_elsewhere_is_left_alone():
    def claim(g, x, gain):
        assert np.allclose(gain, 1.0)
        return 3 * g * x**2

    def other_shape(g, x, gain):
        return 3 * g * x**2 if np.allclose(gain, 1.0) else g[0]

    for only_there in (claim, other_shape):
        line = compare(lambda x, gain: x**3 * gain, {"x": X, "gain": np.ones(6)}, {"x": only_there})["x"]
        assert line.verdict == "exact" and line.reason == ""


# -- claims that cheat -----------------------------------------------------------------------------


def test_a_claim_that_knows_its_answers_at_the_point_only_is_not_exact():
    def claim(g, x):
        return g * 3 * x**2 if np.array_equal(x, X) else g * 3 * X**2 + 1.0

    assert judged(cube, X, claim).verdict != "exact"


def test_a_claim_that_remembers_its_first_answer_is_not_exact():
    memory = []

    def claim(g, x):
        memory.append(g * 3 * x**2)
        return memory[0]

    assert judged(cube, X, claim).verdict == "wrong"


def test_a_claim_that_changes_from_call_to_call_is_refused():
    calls = []

    def claim(g, x):
        calls.append(1)
        return g * 3 * x**2 * (1 + len(calls) % 2)

    with pytest.raises(errors.ArgumentError, match="the same values for the same arguments"):
        judged(cube, X, claim)


def test_a_claim_that_forces_its_arguments_open_changes_nothing_for_the_others():
    def forcing(x, g):
        for array in (x, g, x.base, g.base):
            if array is not None:
                array.flags.writeable = True
                array *= 0.0
        return 0.0 * x

    report = compare(
        lambda x, y: x**3 + y**2,
        {"x": X, "y": X.copy()},
        {"x": forcing, "y": lambda g, y: 2 * g * y},
    )
    assert report["x"].verdict == "wrong" and report["x"].max_rel_error == pytest.approx(1.0)
    assert report["y"].verdict == "exact"


def test_a_claim_cannot_change_the_parameters():
    scale = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])

    def claim(g, scale):
        scale *= 2
        return g * scale

    with pytest.raises(ValueError, match="read-only"):
        compare(lambda x, scale: x * scale, {"x": X}, {"x": claim}, params={"scale": scale})
    assert scale[0] == 1.0


def test_a_claim_cannot_move_the_random_numbers_of_f():
    def noisy(x):
        return x**3 * autograd_core.random.normal(size=X.shape)

    state = autograd_core.random.get_state()
    noise = autograd_core.random.normal(size=X.shape)
    autograd_core.random.set_state(state)

    def claim(g, x):
        autograd_core.random.normal(size=3)
        return g * 3 * x**2 * noise

    assert judged(noisy, X, claim).verdict == "exact"


def test_integers_booleans_and_complex_numbers():
    assert judged(lambda x: 2 * x, X, lambda g: np.full(X.shape, 2)).verdict == "wrong"
    assert judged(lambda x: x.sum(), X, lambda: np.ones(X.shape, dtype=int)).verdict == "exact"
    for result in (np.ones(X.shape, dtype=bool), np.ones(X.shape) + 0j, np.full(X.shape, "1"), np.full(X.shape, None)):
        with pytest.raises(errors.DTypeError, match="a claim must return real numbers"):
            judged(lambda x: x.sum(), X, lambda result=result: result)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_claim_with_one_value_that_is_not_finite_is_wrong(bad):
    def claim(g, x):
        return np.where(x == X[2, 3], bad, 3 * g * x**2)

    line = judged(cube, X, claim)
    assert line.verdict == "wrong" and line.worst[0] == (2, 3)


# -- kinks -----------------------------------------------------------------------------------------


def test_kinks_at_the_inputs_are_undecided_whatever_is_claimed_there():
    x = X.copy()
    x[1, 1] = x[2, 4] = 0.0
    for at_zero in (0.0, 0.5, 1.0, 7.0):
        line = judged(lambda x: autograd_core.relu(x), x, lambda g, x, z=at_zero: g * np.where(x == 0, z, x > 0))
        assert line.verdict == "undecided" and "kink at x(1, 1), (2, 4)" in line.reason
        line = judged(lambda x: np.abs(x), x, lambda g, x, z=at_zero: g * np.where(x == 0, z, np.sign(x)))
        assert line.verdict == "undecided"


def test_ties_are_undecided_and_mistakes_beside_them_wrong():
    x = np.array([[3.0, 3.0, 1.0], [2.0, 1.0, 0.0]])

    def first(g, x, k=1.0):
        return g[:, None] * (np.arange(3) == x.argmax(axis=1)[:, None]) * np.array([[1.0], [k]])[-len(x) :]

    assert judged(lambda x: x.max(axis=1), x, first).verdict == "undecided"
    assert judged(lambda x: x.max(axis=1), x, lambda g, x: first(g, x, 1.001)).verdict == "wrong"
    assert judged(lambda x: x.max(axis=1), x[1:], first).verdict == "exact"


# -- extreme numbers -------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-150, 1e-100, 1e-30, 1e-10, 1e10, 1e30, 1e100, 1e150])
def test_scale_is_no_obstacle(scale):
    assert judged(lambda x: x**2, X * scale, lambda g, x: 2 * g * x).verdict == "exact"
    assert judged(lambda x: x**2, X * scale, lambda g, x: 2.0001 * g * x).verdict == "wrong"
    assert judged(lambda x: x * scale, X, lambda g, x: g * scale).verdict == "exact"
    assert judged(lambda x: x * scale, X, lambda g, x: g * scale * 1.0001).verdict == "wrong"
    assert judged(lambda x: batch_norm(x, 0.0), X * scale, lambda g, x: backward(g, x, eps=0.0)).verdict == "exact"
    assert judged(lambda x: batch_norm(x, 0.0), X * scale, lambda g, x: backward(g, x, 1.01, eps=0)).verdict == "wrong"


@pytest.mark.parametrize("scale", [1e-300, 1e-310, 5e-324])
def test_subnormal_numbers_are_never_judged_the_wrong_way(scale):
    x = np.abs(X) * scale + scale
    assert judged(lambda x: 3 * x, x, lambda g: 3 * g).verdict == "exact"
    assert judged(lambda x: 3 * x, x, lambda g: 3.1 * g).verdict == "wrong"
    assert judged(lambda x: x * scale, X, lambda g: g * scale).verdict in ("exact", "undecided")
    assert judged(lambda x: x * scale, X, lambda g: -g * scale).verdict in ("wrong", "undecided")


def test_overflow_in_f_is_undecided():
    line = judged(lambda x: np.exp(x), X + 800.0, lambda g, x: g * np.exp(x))
    assert line.verdict == "undecided" and "not finite" in line.reason


# -- tags ------------------------------------------------------------------------------------------


def test_a_claim_that_is_right_for_a_wrong_upstream_tag_is_wrong():
    def f(x):
        return tag(tag(np.tanh(x), "a") ** 2, "b") * 3

    claims = {"b": lambda g: 3 * g, "a": lambda g_b, a: 2 * g_b * a, "x": lambda g_a, a: g_a * (1 - a**2)}
    assert compare(f, {"x": X}, claims).ok
    for name, slip in {"b": lambda g: 2 * g, "a": lambda g_b, a: 2 * g_b, "x": lambda g_a, a: g_a * (1 - a)}.items():
        report = compare(f, {"x": X}, {**claims, name: slip})
        assert {n: line.verdict for n, line in report.items()} == dict.fromkeys(claims, "exact") | {name: "wrong"}
        assert report.first_wrong == name
