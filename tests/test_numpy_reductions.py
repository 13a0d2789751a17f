"""NumPy's reductions on tensors: masks and initial values, NaN, cumulative products, quantiles, covariances."""

import warnings

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor, check_grads
from autograd_core.errors import ArgumentError, DTypeError, GraphError, NoRuleError, ShapeError

X = np.random.default_rng(0).normal(size=(3, 4))
M = np.array([[1, 0, 1, 1], [1, 1, 1, 0], [0, 1, 1, 1]], bool)
GAPS = np.where(np.array([[0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0]], bool), np.nan, X)
PIECEWISE = ("quantile", "percentile", "median", "nanquantile", "nanpercentile", "nanmedian")  # linear
METHODS = ["inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen"]
METHODS += ["weibull", "linear", "median_unbiased", "normal_unbiased", "lower", "higher", "midpoint", "nearest"]


def gradient(f, *arrays):
    return ac.grad(lambda *xs: np.sum(f(*xs)), argnums=tuple(range(len(arrays))))(*map(np.asarray, arrays))


CASES = {
    "sum, where": lambda t: np.sum(t, axis=0, where=M),
    "sum, where of a row": lambda t: np.sum(t, where=M[0], keepdims=True),
    "sum, initial": lambda t: np.sum(t, axis=-1, initial=2.0, keepdims=True),
    "sum, dtype and where": lambda t: np.sum(t, 1, np.float64, where=M),
    "prod, where and initial": lambda t: np.prod(t, axis=1, where=M, initial=3.0),
    "max, where and initial": lambda t: np.max(t, axis=1, where=M, initial=-5.0),
    "max, initial": lambda t: np.max(t, axis=-2, initial=0.1),
    "min, where and initial": lambda t: np.min(t, axis=(0, 1), where=M[:1], initial=5.0),
    "amax, initial wins": lambda t: np.amax(t * t, axis=0, initial=0.5) + np.sum(t, axis=0),
    "mean, where": lambda t: np.mean(t, axis=0, where=M),
    "mean, where and keepdims": lambda t: np.mean(t, where=M, keepdims=True),
    "var, where and ddof": lambda t: np.var(t, axis=0, where=M, ddof=0.5),
    "var, mean": lambda t: np.var(t, axis=1, mean=np.mean(t, axis=1, keepdims=True)),
    "var, correction and where": lambda t: np.var(t, axis=1, correction=1, where=M),
    "std, where": lambda t: np.std(t, where=M, ddof=1),
    "std, mean": lambda t: np.std(t, axis=-1, mean=np.zeros((3, 1)), keepdims=True),
    "cumprod": lambda t: np.cumprod(t, axis=0),
    "cumprod, flat": np.cumprod,
    "cumulative_sum": lambda t: np.cumulative_sum(t, axis=-1, include_initial=True),
    "cumulative_sum of a vector": lambda t: np.cumulative_sum(t[0]) + np.sum(t),
    "cumulative_prod": lambda t: np.cumulative_prod(t, axis=-2, include_initial=True),
    "ptp": lambda t: np.ptp(t, axis=-1),
    "ptp, keepdims": lambda t: np.ptp(t, keepdims=True),
    "average": lambda t: np.average(t, axis=-2, weights=[1, 2, 3.0]),
    "average, no weights": lambda t: np.average(t, axis=1, keepdims=True),
    "average, axes": lambda t: np.average(t, axis=(1, 0), weights=M.T + 0.5),
    "average, weights in the graph": lambda t: np.average(t, axis=0, weights=t * t, returned=True)[0],
    "average, sum of weights": lambda t: np.average(X, axis=0, weights=t * t, returned=True)[1],
    "median": np.median,
    "median, odd": lambda t: np.median(t, axis=0, keepdims=True),
    "median, axes": lambda t: np.median(t, axis=(0, -1)),
    "cov": np.cov,
    "cov, weights": lambda t: np.cov(t, fweights=[1, 2, 1, 3], aweights=[0.1, 0.2, 0.3, 0.4]),
    "cov, two": lambda t: np.cov(t[0], t[1], bias=True),
    "cov, columns": lambda t: np.cov(t, rowvar=False, ddof=0),
    "cov of a vector": lambda t: np.cov(t[0]) + np.sum(t),
    "corrcoef": lambda t: np.corrcoef(t, t[:1] * t[1:2]),
    "corrcoef, columns": lambda t: np.corrcoef(t, rowvar=False),
    **{f"quantile, {m}": lambda t, m=m: np.quantile(t, [[0.1, 0.33], [0.5, 1.0]], axis=1, method=m) for m in METHODS},
    **{f"percentile, {m}": lambda t, m=m: np.percentile(t, 37, axis=(0, 1), method=m, keepdims=True) for m in METHODS},
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_to_second_order(name):
    f = CASES[name]
    for x in (X, np.asfortranarray(X)):
        out, expected = f(Tensor(x, requires_grad=True)), f(x)
        assert type(out) is Tensor and out.requires_grad and out.shape == np.shape(expected)
        np.testing.assert_allclose(out.data, expected, rtol=1e-13)
    check_grads(f, (X,), order=1 if name.startswith(PIECEWISE) else 2)


@pytest.mark.parametrize("name", CASES)
def test_float32(name):
    x = X.astype(np.float32)
    t = Tensor(x, requires_grad=True)
    out = CASES[name](t)
    assert out.dtype == np.asarray(CASES[name](x)).dtype
    np.testing.assert_allclose(out.data, CASES[name](x), rtol=3e-5, atol=1e-6)
    out.sum().backward()
    assert t.grad.dtype == np.float32


NAN_CASES = {
    "nansum": lambda t: np.nansum(t, axis=0),
    "nansum, where": lambda t: np.nansum(t, axis=-1, where=M, initial=1.0),
    "nanprod": lambda t: np.nanprod(t, axis=1, initial=2.0),
    "nanmean": lambda t: np.nanmean(t, axis=1, keepdims=True),
    "nanmean, where": lambda t: np.nanmean(t, where=M),
    "nanvar": lambda t: np.nanvar(t, axis=-1),
    "nanvar, mean": lambda t: np.nanvar(t, axis=0, mean=np.zeros((1, 4))),
    "nanstd": lambda t: np.nanstd(t, ddof=1),
    "nanstd, where": lambda t: np.nanstd(t, where=M, correction=1, keepdims=True),
    "nanmax": lambda t: np.nanmax(t, axis=1),
    "nanmax, where": lambda t: np.nanmax(t, axis=1, where=M, initial=-3.0),
    "nanmin": np.nanmin,
    "nancumsum": lambda t: np.nancumsum(t, axis=1),
    "nancumprod": np.nancumprod,
    "nanmedian": lambda t: np.nanmedian(t, axis=1),
    "nanpercentile": lambda t: np.nanpercentile(t, [20, 70], axis=0),
    "nanquantile": lambda t: np.nanquantile(t, 0.3),
    "nanquantile, method": lambda t: np.nanquantile(t, 0.3, axis=1, method="hazen", keepdims=True),
}


@pytest.mark.parametrize("name", NAN_CASES)
def test_nan_is_left_out(name):
    f = NAN_CASES[name]
    out, expected = f(Tensor(GAPS, requires_grad=True)), f(GAPS)
    assert out.requires_grad and out.shape == np.shape(expected)
    np.testing.assert_allclose(out.data, expected, rtol=1e-13)
    check_grads(lambda t: f(np.where(np.isnan(GAPS), np.nan, t)), (X,), order=1 if name.startswith(PIECEWISE) else 2)
    (g,) = gradient(f, GAPS)
    assert np.all(g[np.isnan(GAPS)] == 0)
    t = Tensor(GAPS.astype(np.float32), requires_grad=True)
    assert f(t).dtype == np.asarray(f(GAPS.astype(np.float32))).dtype


EMPTY_SLICES = {
    "Mean of empty slice": (np.nanmean,),
    "Degrees of freedom <= 0 for slice": (np.nanvar, np.nanstd),
    "All-NaN": (np.nanmax, np.nanmin, np.nanmedian, lambda a, axis: np.nanquantile(a, 0.3, axis=axis)),
}


@pytest.mark.parametrize("message, f", [(m, f) for m, fs in EMPTY_SLICES.items() for f in fs])
def test_nothing_but_nan_warns_as_in_numpy(message, f):
    a = np.array([[np.nan, np.nan], [1.0, 3.0]])
    t = Tensor(a, requires_grad=True)
    with pytest.warns(RuntimeWarning, match=message):
        out = f(t, axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_allclose(out.data, f(a, axis=1))
    out[1].backward()
    assert np.all(t.grad.data[0] == 0) and np.any(t.grad.data[1] != 0)


CONVENTIONS = {
    "median, ties": (np.median, [1.0, 2.0, 2.0, 2.0, 5.0], [0, 1 / 3, 1 / 3, 1 / 3, 0]),
    "median of a constant": (np.median, [2.0, 2.0], [0.5, 0.5]),
    "median with NaN": (np.median, [1.0, np.nan, 2.0], [0, 0, 0]),
    "quantile, ties": (lambda t: np.quantile(t, 0.25), [1.0, 1.0, 3.0, 4.0], [0.5, 0.5, 0, 0]),
    "ptp of a constant": (np.ptp, [2.0, 2.0], [0, 0]),
    "ptp, ties": (np.ptp, [1.0, 3.0, 3.0], [-1, 0.5, 0.5]),
    "max, tie with initial": (lambda t: np.max(t, initial=2.0), [2.0, 1.0], [0.5, 0]),
    "max, initial alone": (lambda t: np.max(t, initial=3.0), [2.0, 1.0], [0, 0]),
    "nanmax, ties": (np.nanmax, [2.0, np.nan, 2.0], [0.5, 0, 0.5]),
    "sum, NaN behind the mask": (lambda t: np.sum(t * t, where=[True, False]), [2.0, np.nan], [4, np.nan]),
    "mean, NaN behind the mask": (lambda t: np.mean(t, where=[True, False]), [2.0, np.nan], [1, 0]),
    "std of a constant, where": (lambda t: np.std(t, where=[True, True, False]), [2.0, 2.0, 5.0], [0, 0, 0]),
    "cumprod with a zero": (np.cumprod, [2.0, 0.0, 3.0], [1, 2 + 6, 0]),
    "cumprod with two zeros": (np.cumprod, [0.0, 2.0, 0.0, 3.0], [1 + 2, 0, 0, 0]),
    "nanmedian of 0-d": (np.nanmedian, 3.0, 1),
    "median of 0-d": (np.median, 3.0, 1),
    "ptp of 0-d": (np.ptp, 3.0, 0),
    "cumprod of 0-d": (np.cumprod, 3.0, 1),
    "nanmax of 0-d": (np.nanmax, 3.0, 1),
}


@pytest.mark.parametrize("name", CONVENTIONS)
def test_conventions(name):
    f, x, expected = CONVENTIONS[name]
    (g,) = gradient(f, x)
    np.testing.assert_allclose(g, np.asarray(expected, float), rtol=1e-14)


def test_cumprod_with_zeros_to_second_order():
    h = ac.hessian(lambda x: np.cumprod(x)[2])(np.array([0.0, 0.0, 3.0]))
    np.testing.assert_array_equal(h, [[0, 3, 0], [3, 0, 0], [0, 0, 0]])


EMPTY = {
    "sum": lambda t: np.sum(t, axis=0, initial=2.0),
    "max": lambda t: np.max(t, axis=0, initial=2.0),
    "nanmin": lambda t: np.nanmin(t, axis=0, initial=2.0),
    "cumprod": lambda t: np.cumprod(t, axis=0),
    "cumprod, flat": np.cumprod,
    "nansum": lambda t: np.nansum(t, axis=0),
    "nancumsum": lambda t: np.nancumsum(t, axis=0),
    "prod": lambda t: np.prod(t, axis=0, where=np.zeros((0, 3), bool)),
}


@pytest.mark.parametrize("name", EMPTY)
def test_empty(name):
    a = np.zeros((0, 3))
    t = Tensor(a, requires_grad=True)
    out = EMPTY[name](t)
    np.testing.assert_array_equal(out.data, EMPTY[name](a))
    out.sum().backward()
    assert t.grad is None or t.grad.shape == (0, 3)


def test_initial_and_mask_may_be_tensors():
    check_grads(lambda t, i: np.sum(t, axis=0, initial=i) * np.prod(t, initial=i), (X, np.array(1.5)))
    check_grads(lambda t, i: np.max(t, axis=0, initial=i), (X, np.array(0.3)))
    np.testing.assert_allclose(np.sum(Tensor(X), where=Tensor(M)).data, np.sum(X, where=M), rtol=1e-14)


def test_methods_take_the_same_arguments():
    t = Tensor(X, requires_grad=True)
    for f in (
        lambda a: a.sum(axis=0, where=M, initial=1.0),
        lambda a: a.mean(where=M),
        lambda a: a.var(axis=1, where=M),
        lambda a: a.std(axis=1, mean=np.zeros((3, 1))),
        lambda a: a.max(initial=0.0, where=M),
        lambda a: a.prod(initial=2.0),
        lambda a: a.cumprod(axis=0),
        lambda a: a.conj(),
    ):
        out = f(t)
        assert out.requires_grad
        np.testing.assert_allclose(out.data, f(X), rtol=1e-14)
    for f in (lambda a: a.any(where=M), lambda a: a.all(axis=1, where=M)):
        np.testing.assert_array_equal(f(Tensor(X > 0)).data, f(X > 0))


def test_integers_stay_integers():
    i = np.arange(12).reshape(3, 4)
    for f in (
        lambda a: np.sum(a, axis=0, where=M, initial=1),
        lambda a: np.prod(a, axis=0, where=M),
        lambda a: np.max(a, axis=1, where=M, initial=-1),
        lambda a: np.mean(a, where=M),
        lambda a: np.var(a, axis=0, where=M),
    ):
        out = f(Tensor(i))
        assert out.dtype == f(i).dtype and not out.requires_grad
        np.testing.assert_allclose(out.data, f(i))
    np.testing.assert_allclose(np.median(Tensor(i), axis=0).data, np.median(i, axis=0))


@pytest.mark.parametrize("f", [np.nanargmax, np.nanargmin])
def test_indices_have_no_gradient(f):
    out = f(Tensor(GAPS, requires_grad=True), axis=1)
    assert not out.requires_grad
    np.testing.assert_array_equal(out.data, f(GAPS, axis=1))


def test_mean_of_float16_where():
    x = Tensor(np.full(5000, 100, np.float16), requires_grad=True)
    for out in (x.mean(where=np.ones(5000, bool)), np.nanmean(x)):
        assert out.dtype == np.float16
        assert out.item() == 100


T = Tensor(X, requires_grad=True)
REFUSED = {
    r"^sum: the mask must broadcast to the array, got shape \(2,\) for \(3, 4\)": (
        ShapeError,
        lambda: np.sum(T, where=[True, False]),
    ),
    "^nanmean: the mask must broadcast": (ShapeError, lambda: np.nanmean(T, where=[True, False])),
    "^max: a mask needs an initial value": (ArgumentError, lambda: np.max(T, where=M)),
    "^quantile: an argument without a gradient rule must be a constant": (
        GraphError,
        lambda: np.quantile(X, Tensor(0.5, requires_grad=True)),
    ),
    r"^percentile: weights must be left out with Tensors, .* got weights of shape \(3, 4\)": (
        NoRuleError,
        lambda: np.percentile(T, 50, weights=M + 1, method="inverted_cdf"),
    ),
    "^median: .*axis 2 is out of bounds": (ShapeError, lambda: np.median(T, axis=2)),
    "^cumulative_sum: the axis may be left out for one axis only": (ArgumentError, lambda: np.cumulative_sum(T)),
    "^average: the weights must not sum to zero": (ZeroDivisionError, lambda: np.average(T, weights=np.zeros((3, 4)))),
    r"^average: weights must have the array's shape, .* got \(3,\) for \(3, 4\) along 1": (
        ShapeError,
        lambda: np.average(T, axis=1, weights=np.ones(3)),
    ),
    "^cov: there must be at most two axes": (ShapeError, lambda: np.cov(Tensor(np.ones((2, 2, 2))))),
    "^cov: fweights must have one element for each observation": (ShapeError, lambda: np.cov(T, fweights=[1, 2])),
    "^cov: aweights must be constants": (ArgumentError, lambda: np.cov(T, aweights=T[0])),
    "^sum: out= must be left out": (NoRuleError, lambda: np.sum(T, axis=0, out=np.zeros(4), where=M)),
    "^nansum: out= must be left out": (NoRuleError, lambda: np.nansum(T, axis=0, out=np.zeros(4))),
    "^sum: the arguments must be among .* got shape=3": (
        DTypeError,
        lambda: ac.registry.operators["sum"](T, shape=3),
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_refused_says_why(message):
    error, call = REFUSED[message]
    with pytest.raises(error, match=message) as caught:
        call()
    assert isinstance(caught.value, ac.AutogradError)
    assert "called at test_numpy_reductions.py:" in str(caught.value)
