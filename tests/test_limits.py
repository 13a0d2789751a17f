"""Gradients at infinity, at the borders of a domain, near overflow, of nothing, and in half precision."""

import numpy as np
import pytest
import scipy.special

import autograd_core as ac
from autograd_core import Tensor

INF, NAN = np.inf, np.nan


def same(actual, expected, **tolerance):
    np.testing.assert_allclose(actual, expected, **({"rtol": 1e-12, "atol": 0} | tolerance))


@pytest.mark.filterwarnings("ignore:divide by zero encountered in log")  # the value of nothing but -inf
@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([INF, 0, 5], [1, 0, 0]),
        ([INF, 0, INF], [0.5, 0, 0.5]),
        ([-INF, 0, -INF], [0, 1, 0]),
        ([-INF, -INF, -INF], [0, 0, 0]),
        ([NAN, 0, 1], [NAN, NAN, NAN]),
        ([NAN, 0, INF], [NAN, NAN, NAN]),
        ([800, 0, -800], [1, 0, 0]),
    ],
)
def test_logsumexp_of_infinities(x, expected):
    x = np.array(x, float)
    for f in (ac.logsumexp, np.logaddexp.reduce, lambda t: ac.logsumexp(t[None], axis=1, keepdims=True)[0, 0]):
        same(ac.grad(f)(x), expected)
        assert ac.grad(f)(x.astype(np.float32)).dtype == np.float32
    rows = np.stack([x, [0.0, 0.0, 0.0]])
    same(ac.grad(lambda t: np.sum(ac.logsumexp(t, axis=1)))(rows), [expected, [1 / 3] * 3])


@pytest.mark.parametrize("function", [np.logaddexp, np.logaddexp2])
@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (INF, 0, (1, 0)),
        (0, INF, (0, 1)),
        (-INF, 0, (0, 1)),
        (0, -INF, (1, 0)),
        (-INF, -INF, (0, 0)),
        (NAN, 0, (NAN, NAN)),
    ],
)
def test_logaddexp_of_infinities(function, a, b, expected):
    with np.errstate(invalid="ignore"):  # NumPy's own, of NaN
        same(ac.grad(function, (0, 1))(a * 1.0, b * 1.0), expected)
        slopes = ac.grad(lambda a, b: np.sum(function(a, b)), (0, 1))(np.full(3, a * 1.0), b * 1.0)
    same(slopes[0], [expected[0]] * 3)
    same(slopes[1], expected[1] * 3)


def test_arctan2_of_tiny_and_huge_numbers():
    for scale in (1e-200, 1e-300, 1e200, 1e-5):
        same(ac.grad(np.arctan2, (0, 1))(scale, scale), (0.5 / scale, -0.5 / scale))
    ac.check_grads(np.arctan2, (np.array([0.5, -1.0, 2.0]), np.array([1.5, 1.0, -0.3])))


def test_a_spread_without_degrees_of_freedom():
    x = np.array([1.0, 2.0, 4.0])
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="Degrees of freedom"):
        for ddof in (3, 5):
            value, slope = ac.value_and_grad(lambda t: np.var(t, ddof=ddof))(x)  # noqa: B023
            assert value == INF and np.array_equal(slope, [-INF, -INF, INF])
            value, slope = ac.value_and_grad(lambda t: np.std(t, ddof=ddof))(x)  # noqa: B023
            assert value == INF and not np.any(np.isfinite(slope))
    same(ac.grad(lambda t: np.var(t, ddof=1.5))(x), 2 * (x - x.mean()) / 1.5)


def test_second_derivatives_at_borders_and_far_out():
    log_ndtr, gammainc = scipy.special.log_ndtr, scipy.special.gammainc
    for x in (39.0, 40.0, 100.0):
        same(ac.hessian(log_ndtr)(x), 0, atol=1e-300)
    for x in (-1e4, -30.0, -1.0, 0.0, 1.0, 5.0):
        slope = ac.grad(log_ndtr)(x)
        same(ac.hessian(log_ndtr)(x), -slope * (slope + x), atol=1e-7 if x < -1e3 else 1e-12)
    ac.check_grads(log_ndtr, (np.array([-3.0, -0.1, 0.2, 3.0]),))
    same(ac.grad(log_ndtr)(-1e4), 1e4 + 1e-4, rtol=1e-11)
    for a, expected in ((2.0, 1), (3.0, 0), (1.0, -1)):
        same(ac.hessian(lambda x: gammainc(a, x))(0.0), expected)  # noqa: B023
    for a in (0.4, 1.7, 30.0):
        ac.check_grads(lambda x: gammainc(a, x), (np.array([a * 0.7, a, a * 1.3]),))  # noqa: B023
    same(
        ac.grad(lambda x: gammainc(200.0, x))(200.0),
        np.exp(199 * np.log(200.0) - 200 - scipy.special.gammaln(200.0)),
        rtol=1e-9,
    )


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_half_precision_is_kept(shape):
    x = np.full(shape, 0.5, np.float16)
    total = lambda f: lambda t: np.sum(f(t))  # noqa: E731
    for f in (np.sinc, np.i0):
        assert f(Tensor(x)).dtype == f(x).dtype == np.float16
        for out in (ac.grad(total(f))(x), ac.jvp(f, (x,), (x,))[1], ac.hessian(total(f))(x)):
            assert out.dtype == np.float16
        assert np.allclose(f(Tensor(x)).data, f(x), rtol=2e-3)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "int64"])
def test_integers_have_numpys_dtypes(dtype):
    x = np.array([1, 0, 1], dtype)
    for f in (np.round, np.deg2rad, np.rad2deg, np.radians, np.degrees, lambda t: t.round()):
        assert f(Tensor(x)).dtype == f(x).dtype and np.array_equal(f(Tensor(x)).data, f(x))
    if dtype != "bool":
        x = x * 17
        for decimals in (-1, 1):
            assert f(Tensor(x)).dtype == f(x).dtype
            assert np.array_equal(np.round(Tensor(x), decimals).data, np.round(x, decimals))
            assert np.round(Tensor(x), decimals).dtype == np.round(x, decimals).dtype
