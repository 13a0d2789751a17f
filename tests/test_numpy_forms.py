"""NumPy's less usual forms of a call: keywords, positions, lists for tuples, 0-d with an axis, nothing to reduce."""

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor
from autograd_core.errors import ArgumentError, GraphError, NoRuleError, ShapeError

M = np.array([[0.5, -1.0, 2.0, 0.25], [1.5, 0.75, -0.5, 3.0], [-2.0, 1.0, 0.1, 0.3]])
V = np.array([1.0, -2.0, 0.5, 3.0])
MASK = M > 0.2


def plain(x):
    if isinstance(x, list | tuple):
        return [plain(i) for i in x]
    return x.data if isinstance(x, Tensor) else x


def same(actual, expected):
    for a, e in (
        zip(plain(actual), plain(expected), strict=True) if isinstance(expected, tuple) else [(actual, expected)]
    ):
        np.testing.assert_allclose(plain(a), e, rtol=1e-12, atol=1e-14)


FORMS = {
    "where of a condition": lambda t: np.where(t > 0),
    "where of numbers": lambda t: np.where(t),
    "allclose": lambda t: np.allclose(t, b=t),
    "allclose, rtol": lambda t: np.allclose(M, M, rtol=t[0, 0].detach() if isinstance(t, Tensor) else t[0, 0]),
    "argsort": lambda t: np.argsort(a=t, axis=0),
    "isin": lambda t: np.isin(element=t, test_elements=t[0]),
    "array_equal": lambda t: np.array_equal(a1=t, a2=t),
    "nonzero": lambda t: np.nonzero(a=t),
    "zeros_like": lambda t: np.zeros_like(a=t),
    "ones_like": lambda t: np.ones_like(a=t, dtype=int),
    "empty_like": lambda t: np.empty_like(prototype=t).shape,
    "any": lambda t: (t > 0).any(1, where=MASK),
    "all": lambda t: (t > 0).all(1, where=MASK),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms_of_functions_without_a_gradient(name):
    same(FORMS[name](Tensor(M, requires_grad=True)), FORMS[name](M))


DIFFERENTIABLE = {
    "sum": lambda t: t.sum(0, None, None, True),
    "sum of a dtype": lambda t: t.sum(0, np.float64, None),
    "mean": lambda t: t.mean(1, None, None, True),
    "var": lambda t: t.var(0, None, None, 1),
    "std": lambda t: t.std(0, None, None, 1, True),
    "max": lambda t: t.max(1, None, True),
    "min, out": lambda t: t.min(axis=1, out=None),
    "prod": lambda t: t.prod(1, None, None, True),
    "cumsum": lambda t: t.cumsum(1, None, None),
    "clip": lambda t: t.clip(0.4, 1.6, None),
    "average of axes in a list": lambda t: np.average(t, axis=[0, 1]),
    "weighted average of axes in a list": lambda t: np.average(t, axis=[1], weights=V),
    "tensordot of axes in arrays": lambda t: np.tensordot(t, M.T, (np.array([1, 0]), np.array([0, 1]))),
    "logaddexp.reduce, initial": lambda t: np.logaddexp.reduce(t, axis=1, initial=0.5),
    "logaddexp.reduce, where": lambda t: np.logaddexp.reduce(t, axis=1, where=MASK),
    "take_along_axis, broadcast": lambda t: np.take_along_axis(t, np.array([[0, 1, 1]]), 1),
    "take_along_axis, flattened": lambda t: np.take_along_axis(t, np.array([5, 0, 5]), None),
    "take_along_axis, of one row": lambda t: np.take_along_axis(t[:1], np.array([[0], [3], [3]]), 1),
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_forms_of_functions_with_a_gradient(name):
    f = DIFFERENTIABLE[name]
    same(f(Tensor(M, requires_grad=True)), f(M))
    ac.check_grads(f, (M,))
    same(ac.jacobian(f, mode="fwd")(M), ac.jacobian(f, mode="rev")(M))


def test_out_is_refused_by_position_too():
    t = Tensor(M, requires_grad=True)
    for name, call in {
        "sum": lambda: t.sum(0, None, np.zeros(4)),
        "max": lambda: t.max(0, np.zeros(4)),
        "clip": lambda: t.clip(0, 1, out=np.zeros((3, 4))),
    }.items():
        with pytest.raises(
            NoRuleError, match=f"{name}: out= must be left out with Tensors.*; assign the result instead"
        ):
            call()


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize(
    "f",
    [
        *(np.sum, np.prod, np.max, np.cumsum, np.cumprod, np.nansum, np.nanprod, np.nancumsum, np.nancumprod),
        *(np.cumulative_sum, np.cumulative_prod),
    ],
)
def test_a_0d_array_has_an_axis(f, axis):
    for x, slope in ((2.0, 1.0), (0.0, 1.0)):
        t = Tensor(x, requires_grad=True)
        out = f(t, axis=axis)
        same(out, f(np.array(x), axis=axis))
        assert out.shape == f(np.array(x), axis=axis).shape
        out.backward(np.ones(out.shape))
        assert t.grad.shape == () and t.grad.data == slope
        same(ac.jvp(lambda t: f(t, axis=axis), (x,), (1.0,))[1], np.full(out.shape, slope))


def test_cumulative_functions_of_a_0d_array_need_no_axis():
    for f in (np.cumulative_sum, np.cumulative_prod):
        for options in ({}, {"include_initial": True}):
            same(f(Tensor(3.0), **options), f(np.array(3.0), **options))
            assert f(Tensor(3.0), **options).shape == f(np.array(3.0), **options).shape


EMPTY = {
    "var": lambda t: np.var(t),
    "std": lambda t: np.std(t),
    "var, axis": lambda t: np.var(t, axis=0),
    "median": lambda t: np.median(t),
    "median, axis": lambda t: np.median(t, axis=0),
    "median of no rows": lambda t: np.median(t, axis=1),
    "median, keepdims": lambda t: np.median(t, axis=0, keepdims=True),
    "nanmedian": lambda t: np.nanmedian(t, axis=0),
    "nanquantile": lambda t: np.nanquantile(t, 0.1, axis=0),
    "quantile of no rows": lambda t: np.quantile(t, [0.1, 0.5], axis=1),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", EMPTY)
def test_reductions_of_nothing(name):
    x = np.zeros((0, 3))
    t = Tensor(x, requires_grad=True)
    out = EMPTY[name](t)
    np.testing.assert_array_equal(out.data, EMPTY[name](x))
    assert out.shape == np.shape(EMPTY[name](x))
    out.backward(np.ones(out.shape))
    assert t.grad.shape == (0, 3)


def test_a_mask_needs_an_initial_value():
    for f in (np.nanmax, np.nanmin, np.max):
        with pytest.raises(ArgumentError, match="a mask needs an initial value, since a reduction of nothing has none"):
            f(Tensor(M), axis=0, where=MASK)
        with pytest.raises(ValueError, match="to use a where mask"):
            f(M, axis=0, where=MASK)


HISTOGRAMS = {
    "histogram": (lambda t: np.histogram(t), 1),
    "histogram_bin_edges": (lambda t: np.histogram_bin_edges(t, "auto"), 1),
    "histogram of one value": (lambda t: np.histogram(t[0, :1], 3), 1),
    "histogram2d": (lambda t: np.histogram2d(t[0], t[1], 3), 2),
    "histogram2d of bins and edges": (lambda t: np.histogram2d(t[0], t[1], [3, [0.0, 1.0, 2.0]]), 1),
    "histogramdd": (lambda t: np.histogramdd(t[:, :2], bins=2), 2),
    "histogramdd of a list": (lambda t: np.histogramdd([t[0], t[1]], bins=2), 2),
    "histogramdd of one": (lambda t: np.histogramdd([t[0]], bins=2), 1),
    "histogram of moving edges": (lambda t: np.histogram(M, np.sort(t[:, 1])), 1),
    "histogram of a moving range": (lambda t: np.histogram(M, 3, (t[0, 1], t[0, 2])), 1),
    "histogram in a range": (lambda t: np.histogram(t, 3, (0, 1), True), 0),
    "histogram of edges": (lambda t: np.histogram(t, [0.0, 1.0]), 0),
    "histogram2d in a range": (lambda t: np.histogram2d(t[0], t[1], 3, [(0, 1), (0, 1)]), 0),
}


def leaves(x):
    return [leaf for i in x for leaf in leaves(i)] if isinstance(x, list | tuple) else [x]


@pytest.mark.parametrize("name", HISTOGRAMS)
def test_edges_of_a_histogram_move_with_the_extremes(name):
    f, moving = HISTOGRAMS[name]
    t = Tensor(M, requires_grad=True)
    out, expected = leaves(f(t)), leaves(f(M))
    for y, e in zip(out, expected, strict=True):
        np.testing.assert_array_equal(plain(y), e)
    assert [isinstance(y, Tensor) for y in out].count(True) == moving
    for i, y in enumerate(out):
        if isinstance(y, Tensor):
            ac.check_grads(lambda x: leaves(f(x))[i], (M,), order=1)  # noqa: B023


def test_a_density_of_moving_edges_is_refused():
    with pytest.raises(
        GraphError, match=r"histogram: a density must have constant edges.*give range=, or bins as edges"
    ):
        np.histogram(Tensor(M, requires_grad=True), density=True)


def test_a_0d_tensor_is_not_iterable():
    assert not np.iterable(Tensor(2.0)) and np.iterable(Tensor(V))
    for ask in (iter, len, list):
        with pytest.raises(ShapeError, match="must have at least one axis"):
            ask(Tensor(2.0))
        with pytest.raises(TypeError):
            ask(Tensor(2.0))
