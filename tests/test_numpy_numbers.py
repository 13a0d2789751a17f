"""Differences, derivatives, integrals, interpolation, sequences, convolution and polynomials of NumPy on tensors."""

import itertools

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor
from autograd_core.errors import ArgumentError, ShapeError

A = np.random.default_rng(3).uniform(0.5, 1.5, (2, 4, 3))
M, V, W = A[0], A[1, :, 0], A[0, :3, 1]
X = np.cumsum(A[1, :, 1])  # rising
KNOTS, VALUES = np.array([0.0, 1.0, 2.5, 4.0]), np.array([1.0, 3.0, -2.0, 0.5])
POINTS = np.array([[-1.0, 0.3, 1.7], [3.9, 2.6, 7.0]])

CASES = {
    "diff": (np.diff, M),
    "diff, axis and order": (lambda a: np.diff(a, 2, axis=1), A),
    "diff, not at all": (lambda a: np.diff(a, 0), M),
    "diff, ends": (lambda a, b: np.diff(a, axis=0, prepend=0.0, append=b), M, W[None]),
    "diff, ends of one number": (lambda a, b: np.diff(a, append=b, prepend=a), V, W[0]),
    "ediff1d": (np.ediff1d, M),
    "ediff1d, ends": (lambda a, b: np.ediff1d(a, b, [1.0, 2.0]), M, W),
    "gradient": (np.gradient, V),
    "gradient of axes": (np.gradient, M),
    "gradient, step": (lambda a: np.gradient(a, 0.3), V),
    "gradient, steps": (lambda a: np.gradient(a, 0.3, 2.0, axis=(-1, 0)), M),
    "gradient, second order ends": (lambda a: np.gradient(a, 0.5, edge_order=2, axis=1), M),
    "gradient, coordinates": (lambda a, x: np.gradient(a, x), V, X),
    "gradient, coordinates, second order ends": (lambda a, x: np.gradient(a, x, edge_order=2, axis=1), A, X),
    "gradient, even coordinates in the graph": (lambda a, x: np.gradient(a, x), V, np.arange(4) * 0.5),
    "gradient, one axis of several": (lambda a: np.gradient(a, X, 2.0, axis=(1, 2))[0], A),
    "gradient, even coordinates": (lambda a: np.gradient(a, np.arange(4) * 0.5), V),
    "trapezoid": (np.trapezoid, M),
    "trapezoid, step": (lambda a: np.trapezoid(a, dx=0.3, axis=0), M),
    "trapezoid, coordinates": (lambda a, x: np.trapezoid(a, x, axis=1), A, X),
    "trapezoid, coordinates of a matrix": (lambda a, x: np.trapezoid(a, x, axis=0), M, np.cumsum(M, axis=0)),
    "trapezoid over coordinates of a constant": (lambda x: np.trapezoid([1.0, 2.0, 0.5, 3.0], x), X),
    "interp": (lambda x, xp, fp: np.interp(x, xp, fp), POINTS, KNOTS, VALUES),
    "interp, ends": (lambda x, fp: np.interp(x, KNOTS, fp, left=5.0, right=-5.0), POINTS, VALUES),
    "interp of values only": (lambda fp: np.interp(POINTS, KNOTS, fp), VALUES),
    "interp of a number": (lambda x, fp: np.interp(x, KNOTS, fp), np.array(1.3), VALUES),
    "interp, period": (
        lambda x, xp, fp: np.interp(x, xp, fp, period=3.6),
        POINTS,
        np.array([3.7, 1.0, 2.2, 3.5]),
        VALUES,
    ),
    "unwrap": (lambda a: np.unwrap(a * 8), V),
    "unwrap, period": (lambda a: np.unwrap(a * [[1], [4], [9], [2]], axis=0, period=2.0, discont=1.2), M),
    "nan_to_num": (lambda a: np.nan_to_num(np.where(M > 1, [np.nan, np.inf, -np.inf], a), posinf=2.0, neginf=3.0), M),
    "linspace": (lambda a, b: np.linspace(a, b, 5), np.array(0.5), np.array(2.0)),
    "linspace of vectors": (lambda a, b: np.linspace(a, b, 3, axis=-1), W, W * 3 + 1),
    "linspace, no end": (lambda a: np.linspace(0, a, 4, endpoint=False), V),
    "linspace from a list": (lambda a: np.linspace([0.0, 1.0, 2.0], a, 4), W),
    "diff of a list": (lambda a: np.diff([1.0, 4.0], append=a), W),
    "ediff1d of a list": (lambda a: np.ediff1d([1.0, 4.0], to_begin=a), W),
    "trapezoid of a list": (lambda a: np.trapezoid([1.0, 4.0, 2.0], a), W),
    "linspace of one": (lambda a: np.linspace(a, 1.0, 1), V),
    "linspace and its step": (lambda a: np.linspace(1, a, 4, retstep=True), V),
    "logspace": (lambda a: np.logspace(a, 2.0, 4, base=2.0), np.array(0.5)),
    "geomspace": (lambda a, b: np.geomspace(a, b, 4), V, V * 3),
    "convolve": (np.convolve, V, W),
    "convolve, same": (lambda a, v: np.convolve(a, v, "same"), W, V),
    "convolve, valid": (lambda a, v: np.convolve(a, v, mode="valid"), V, W),
    "convolve of a constant": (lambda v: np.convolve([1.0, 2.0, 0.5], v), V),
    "correlate": (np.correlate, V, W),
    "correlate, same": (lambda a, v: np.correlate(a, v, "same"), V, W),
    "correlate, full": (lambda a, v: np.correlate(a, v, "full"), W, V),
    "polyval": (np.polyval, W, M),
    "polyval of constants": (lambda x: np.polyval([1.0, -2.0, 0.5], x), M),
    "polyval at a list": (lambda p: np.polyval(p, [1.5, 2.0]), W),
    "polyval of a constant": (lambda p: np.polyval(p, 1.5), W),
    "polyadd": (np.polyadd, V, W),
    "polysub": (np.polysub, W, V),
    "polymul": (np.polymul, V, W),
    "polymul of leading zeros": (lambda a: np.polymul([0.0, 0.0, 2.0, 1.0], a), V),
    "polyder": (np.polyder, V),
    "polyder twice": (lambda p: np.polyder(p, 2), V),
    "polyint": (np.polyint, V),
    "polyint twice": (lambda p, k: np.polyint(p, 2, k=k), V, W[:2]),
    "polyint, one constant": (lambda p: np.polyint(p, m=3, k=2.0), W),
    "poly": (np.poly, W),
}


def parts(out):
    return list(out) if isinstance(out, tuple | list) else [out]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CASES)
def test_the_result_is_numpys(name, dtype):
    f, *arrays = CASES[name]
    arrays = [a.astype(dtype) for a in arrays]
    out, expected = f(*[Tensor(a, requires_grad=True) for a in arrays]), f(*arrays)
    for y, e in zip(parts(out), parts(expected), strict=True):
        assert type(y) is Tensor and y.requires_grad
        assert y.shape == np.shape(e) and y.dtype == e.dtype
        np.testing.assert_allclose(y.data, e, rtol=100 * np.finfo(dtype).eps, atol=20 * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", CASES)
def test_its_derivatives_are_the_numbers(name):
    f, *arrays = CASES[name]
    ac.check_grads(lambda *xs: tuple(y * y for y in parts(f(*xs))), arrays)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("function", [np.convolve, np.correlate])
def test_the_modes_of_all_lengths(function, mode):
    for m, n in itertools.product(range(1, 7), repeat=2):
        a, v = np.arange(1.0, m + 1), np.arange(1.0, n + 1) ** 2
        np.testing.assert_allclose(function(Tensor(a), v, mode).data, function(a, v, mode), err_msg=f"{m}, {n}")


def test_interpolation_at_knots_and_outside():
    x = Tensor(np.array([-1.0, 0.0, 1.0, 4.0, 5.0]), requires_grad=True)
    out = np.interp(x, KNOTS, VALUES)
    np.testing.assert_allclose(out.data, np.interp(x.data, KNOTS, VALUES))
    out.sum().backward()
    np.testing.assert_allclose(x.grad.data, [0, 2, -10 / 3, 5 / 3, 0])
    fp = Tensor(VALUES[:1], requires_grad=True)
    np.testing.assert_array_equal(np.interp([0.0, 1.0], [0.5], fp).data, [1, 1])
    assert np.isnan(np.interp(Tensor(np.array([np.nan])), KNOTS, VALUES).data[0])


def test_no_gradient_goes_through_what_nan_to_num_replaces():
    t = Tensor(np.array([np.nan, np.inf, -np.inf, 2.0], np.float32), requires_grad=True)
    out = np.nan_to_num(t, nan=1.5)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out.data, np.nan_to_num(t.data, nan=1.5))
    out.sum().backward()
    np.testing.assert_array_equal(t.grad.data, [0, 0, 0, 1])
    np.testing.assert_array_equal(np.nan_to_num(Tensor([1, 2])).data, [1, 2])


def test_booleans_and_integers():
    np.testing.assert_array_equal(np.diff(Tensor([True, False, False])).data, [True, False])
    np.testing.assert_array_equal(np.diff(Tensor([1, 4, 9]), 2).data, [2])
    np.testing.assert_array_equal(np.gradient(Tensor([1, 4, 9])).data, np.gradient([1, 4, 9]))
    np.testing.assert_array_equal(np.convolve(Tensor([1, 2]), [1, 3]).data, [1, 5, 6])
    np.testing.assert_array_equal(np.polyint(Tensor([2, 2])).data, [1, 2, 0])
    out = np.linspace(Tensor(-1.5), 3, 4, dtype=int)
    np.testing.assert_array_equal(out.data, np.linspace(-1.5, 3, 4, dtype=int))
    np.testing.assert_array_equal(np.polymul(Tensor([0.0, 0.0]), [1.0, 2.0]).data, np.polymul([0.0, 0.0], [1.0, 2.0]))


REFUSED = {
    "diff: n must not be negative, got -1": (ArgumentError, lambda t: np.diff(t, -1)),
    "diff: the operands must fit together": (ShapeError, lambda t: np.diff(t, axis=2)),
    "gradient: edge_order must be 1 or 2, got 3": (ArgumentError, lambda t: np.gradient(t, edge_order=3)),
    "gradient: there must be no spacing, one number, or one": (ArgumentError, lambda t: np.gradient(t, 1, 2, 3)),
    "gradient: the coordinates must be a vector": (ShapeError, lambda t: np.gradient(t, [1.0, 2.0], axis=0)),
    r"gradient: an axis must have at least edge_order \+ 1 = 2 points": (ShapeError, lambda t: np.gradient(t[:1])),
    "gradient: the operands must fit together": (ShapeError, lambda t: np.gradient(t, axis=5)),
    "trapezoid: the operands must fit together": (ShapeError, lambda t: np.trapezoid(t, axis=2)),
    "interp: xp and fp must be vectors of one length": (ShapeError, lambda t: np.interp(t, KNOTS, VALUES[1:])),
    "interp: period must not be 0": (ArgumentError, lambda t: np.interp(t, KNOTS, VALUES, period=0)),
    "unwrap: the operands must fit together": (ShapeError, lambda t: np.unwrap(t, axis=2)),
    "nan_to_num: copy must be True with Tensors": (ArgumentError, lambda t: np.nan_to_num(t, copy=False)),
    "linspace: num must not be negative": (ArgumentError, lambda t: np.linspace(t, 1, -1)),
    "logspace: base must be a number": (ArgumentError, lambda t: np.logspace(0, 1, base=t)),
    "geomspace: both ends must be positive": (ArgumentError, lambda t: np.geomspace(t, -1.0)),
    "convolve: mode must be 'full', 'same' or 'valid', got 'x'": (ArgumentError, lambda t: np.convolve(t[0], V, "x")),
    "correlate: mode must be 'full', 'same' or 'valid', got 'x'": (ArgumentError, lambda t: np.correlate(t[0], V, "x")),
    "convolve: the operands must fit together": (ShapeError, lambda t: np.convolve(t, V)),
    "polyder: m must not be negative, got -1": (ArgumentError, lambda t: np.polyder(t[0], -1)),
    "polyint: there must be a constant for each of the 3": (ArgumentError, lambda t: np.polyint(t[0], 3, [1.0, 2.0])),
    "poly: the zeros must be a vector": (ShapeError, lambda t: np.poly(t)),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_refused_says_why(message):
    error, call = REFUSED[message]
    with pytest.raises(error, match=message) as caught:
        call(Tensor(M.copy(), requires_grad=True))
    assert "called at test_numpy_numbers.py:" in str(caught.value)
