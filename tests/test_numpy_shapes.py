"""NumPy's functions that turn, repeat, join and take apart tensors: values, gradients, arguments, refusals."""

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor
from autograd_core.errors import ArgumentError, NoRuleError, ShapeError

A = np.random.default_rng(1).uniform(0.5, 1.5, (2, 3, 4))
M, V, W = A[0], A[0, 0], A[1, 0, :3]
SQUARE = A.reshape(4, 6)[:, :4]
MASK = M > 1

ONE = {  # of one array
    "roll, axis": (lambda a: np.roll(a, -1, axis=-1), A),
    "roll, axes": (lambda a: np.roll(a, (1, 5), axis=(0, -1)), A),
    "rot90": (np.rot90, M),
    "rot90 twice": (lambda a: np.rot90(a, 2), M),
    "rot90 back, axes": (lambda a: np.rot90(a, -1, axes=(2, 0)), A),
    "rot90 not at all": (lambda a: np.rot90(a, 4), M),
    "rot90, three quarters": (lambda a: np.rot90(a, 3, (-2, -1)), A),
    "flip": (lambda a: np.flip(a, (0, -1)), A),
    "fliplr": (np.fliplr, A),
    "flipud": (np.flipud, V),
    "moveaxis": (lambda a: np.moveaxis(a, -1, 0), A),
    "rollaxis": (lambda a: np.rollaxis(a, 2), A),
    "rollaxis, start": (lambda a: np.rollaxis(a, -3, -1), A),
    "rollaxis to the end": (lambda a: np.rollaxis(a, 0, 3), A),
    "matrix_transpose": (np.matrix_transpose, A),
    "permute_dims": (lambda a: np.permute_dims(a, (1, 2, 0)), A),
    "method mT": (lambda a: a.mT, A),
    "atleast_1d": (np.atleast_1d, A[0, 0, 0]),
    "atleast_1d of a matrix": (np.atleast_1d, M),
    "atleast_2d": (np.atleast_2d, V),
    "atleast_2d of a number": (np.atleast_2d, A[0, 0, 0]),
    "atleast_3d": (np.atleast_3d, V),
    "atleast_3d of a matrix": (np.atleast_3d, M),
    "atleast_3d of three": (np.atleast_3d, A),
    "atleast_2d of several": (lambda a: np.atleast_2d(a, V, a), V),
    "tile": (lambda a: np.tile(a, 3), M),
    "tile, axes": (lambda a: np.tile(a, (2, 1, 3)), M),
    "tile, fewer": (lambda a: np.tile(a, (2,)), A),
    "tile once": (lambda a: np.tile(a, (1, 1)), M),
    "repeat": (lambda a: np.repeat(a, 3), M),
    "repeat, axis": (lambda a: np.repeat(a, 2, axis=-2), A),
    "repeat, each its own": (lambda a: np.repeat(a, [2, 0, 1], axis=0), M),
    "repeat, a vector of one": (lambda a: np.repeat(a, [2], axis=1), M),
    "method repeat": (lambda a: a.repeat([1, 2, 0, 3], axis=1), M),
    "resize": (lambda a: np.resize(a, (5, 4)), M),
    "resize, smaller": (lambda a: np.resize(a, 5), M),
    "ravel": (np.ravel, A),
    "ravel, order": (lambda a: np.ravel(a, "F"), A),
    "split": (lambda a: np.split(a, 2, axis=-1), A),
    "split at places": (lambda a: np.split(a, [1, 3, 9], axis=2), A),
    "split, one from the end": (lambda a: np.split(a, [-1], axis=1), A),
    "split, cuts that go back": (lambda a: np.split(a, [3, 1], axis=1), M),
    "array_split": (lambda a: np.array_split(a, 3, axis=-1), A),
    "array_split, more than there are": (lambda a: np.array_split(a, 5), M),
    "hsplit": (lambda a: np.hsplit(a, 2), M),
    "hsplit of a vector": (lambda a: np.hsplit(a, [1]), V),
    "vsplit": (lambda a: np.vsplit(a, 3), M),
    "dsplit": (lambda a: np.dsplit(a, 2), A),
    "unstack": (np.unstack, A),
    "unstack, axis": (lambda a: np.unstack(a, axis=-1), A),
    "dstack": (lambda a: np.dstack([a, M]), M),
    "dstack of vectors": (lambda a: np.dstack((V, a)), V),
    "column_stack": (lambda a: np.column_stack([a, W[:3], M[:, :2]]), W),
    "vstack": (lambda a: np.vstack([a, V]), M),
    "hstack": (lambda a: np.hstack([W, a]), V),
    "append": (lambda a: np.append(a, M), V),
    "append, axis": (lambda a: np.append(M, a, axis=-1), M),
    "block": (lambda a: np.block([[a, np.zeros((3, 2))], [np.ones((1, 5)), 2.0]]), M),
    "block of a row": (lambda a: np.block([a, a]), V),
    "block of one": (np.block, M),
    "block, three deep": (lambda a: np.block([[[a], [a]]]), M),
    "pad": (lambda a: np.pad(a, ((1, 0), (2, 1)), constant_values=1.5), M),
    "pad, edge": (lambda a: np.pad(a, 2, "edge"), M),
    "pad, wrap": (lambda a: np.pad(a, 5, mode="wrap"), V),
    "pad, empty": (lambda a: np.pad(a, 0, "empty"), M),
    "pad, maximum": (lambda a: np.pad(a, ((2, 1), (0, 3)), "maximum"), M),
    "pad, minimum of some": (lambda a: np.pad(a, (2, 1), "minimum", stat_length=((1, 2), (3, 2))), M),
    "pad, mean": (lambda a: np.pad(a, (2, 3), "mean"), M),
    "pad, mean of some": (lambda a: np.pad(a, 2, "mean", stat_length=2), M),
    "pad, median": (lambda a: np.pad(a, (1, 2), "median"), M),
    "pad, linear_ramp": (lambda a: np.pad(a, 3, "linear_ramp"), M),
    "pad, linear_ramp to values": (lambda a: np.pad(a, (2, 3), "linear_ramp", end_values=((1, 2), (3, 4))), M),
    "pad, reflect odd": (lambda a: np.pad(a, (2, 5), "reflect", reflect_type="odd"), M),
    "pad, symmetric odd": (lambda a: np.pad(a, ((0, 0), (2, 7)), "symmetric", reflect_type="odd"), M),
    "diagonal": (np.diagonal, M),
    "diagonal, axes": (lambda a: np.diagonal(a, 1, -1, 0), A),
    "method diagonal": (lambda a: a.diagonal(offset=-1, axis1=1, axis2=2), A),
    "diag of a matrix": (lambda a: np.diag(a, 1), M),
    "diag of a vector": (lambda a: np.diag(a, -2), V),
    "diagflat": (lambda a: np.diagflat(a, 1), M),
    "trace": (np.trace, M),
    "trace, axes": (lambda a: np.trace(a, 1, 1, 2), A),
    "method trace": (lambda a: a.trace(offset=-1), M),
    "tril": (np.tril, M),
    "tril, k": (lambda a: np.tril(a, -1), A),
    "triu": (lambda a: np.triu(a, 1), A),
    "triu of a vector": (np.triu, W),
    "broadcast_arrays": (lambda a: np.broadcast_arrays(a, A, V), M),
    "meshgrid": (lambda a: np.meshgrid(a, V, a[:2]), W),
    "meshgrid, ij": (lambda a: np.meshgrid(W, a, indexing="ij"), V),
    "meshgrid, sparse": (lambda a: np.meshgrid(a, W, sparse=True), V),
    "meshgrid of one": (np.meshgrid, V),
    "compress": (lambda a: np.compress([True, False, True], a, axis=0), M),
    "compress, flat": (lambda a: np.compress(MASK.ravel(), a), M),
    "method compress": (lambda a: a.compress([0, 1, 1], axis=-1), M),
    "extract": (lambda a: np.extract(MASK, a), M),
    "delete": (lambda a: np.delete(a, 1, axis=-1), A),
    "delete, slice": (lambda a: np.delete(a, slice(None, None, 2), 1), M),
    "delete, mask": (lambda a: np.delete(a, [True, False, True], axis=0), M),
    "delete, flat": (lambda a: np.delete(a, [0, -1, 5]), M),
    "take": (lambda a: np.take(a, [[0, -1]], axis=-1), A),
    "take, wrap": (lambda a: np.take(a, [7, -5, 4], axis=1, mode="wrap"), M),
    "take, clip": (lambda a: a.take([-7, 40], mode="clip"), M),
    "take_along_axis": (lambda a: np.take_along_axis(a, np.argsort(M, axis=-1), axis=-1), M),
    "ix_": (lambda a: np.ix_(a, [True, False], a), V),
    "nonzero places": (lambda a: a[np.ix_([0, 2], [True, False, True, True])], M),
    "astype": (lambda a: np.astype(a, np.float64, copy=False), M),
    "kron": (lambda a: np.kron(a, M), V),
    "kron of a number": (lambda a: np.kron(2.0, a), M),
    "cross": (lambda a: np.cross(a, np.arange(6.0).reshape(2, 3)), W),
    "cross, axes": (lambda a: np.cross(a, W, axisa=1, axisc=0), A),
    "cross, axis": (lambda a: np.cross(M, a, axis=-2), M),
    "vander": (np.vander, W),
    "vander, increasing": (lambda a: np.vander(a, 5, increasing=True), W),
    "vander of nothing": (lambda a: np.vander(a, 0).sum() + a, W),
    "select": (lambda a: np.select([MASK, M < 0.8], [a, a * 2], default=V), M),
    "choose": (lambda a: np.choose([[0], [1]], [a, V * 2]), V),
    "choose, wrap": (lambda a: np.choose([4, -1, 0, 2], (a, 3.0, a * 2), mode="wrap"), V),
    "choose, clip": (lambda a: np.choose(np.array([4, -1, 0, 2]), [a, a * a], mode="clip"), V),
}
TWO = {  # of two arrays, both with gradients
    "append": (np.append, V, W),
    "insert": (lambda a, v: np.insert(a, 1, v, axis=1), M, W[0]),
    "insert a column": (lambda a, v: np.insert(a, 1, v, axis=1), M, W),
    "insert a row": (lambda a, v: np.insert(a, -1, v, axis=0), M, V),
    "insert columns": (lambda a, v: np.insert(a, [1], v, axis=1), M, M[:, :2]),
    "insert at several places": (lambda a, v: np.insert(a, [3, 0, 3], v), M, W),
    "insert at a slice": (lambda a, v: np.insert(a, slice(0, 2), v, axis=-1), M, W[:2]),
    "insert into a list": (lambda a, v: np.insert([1.0, 2.0], 1, a) * v[0], V, W),
    "insert at a mask": (lambda a, v: np.insert(a, np.array([True, False, True]), v, axis=0), M, V),
    "block": (lambda a, v: np.block([[a], [v]]), M, V),
    "column_stack": (lambda a, v: np.column_stack((a, v)), M, W),
    "dstack": (lambda a, v: np.dstack([a, v]), M, M * 2),
    "kron": (np.kron, M, W),
    "kron of several axes": (np.kron, M[:2, :2], A[:, :2, :2]),
    "cross": (lambda a, v: np.cross(a, v), A[:, :, :3], W),
    "select": (lambda a, v: np.select([MASK], [a], v), M, V),
    "choose": (lambda a, v: np.choose(MASK.astype(int), [a, v]), M, V),
    "meshgrid": (lambda a, v: np.meshgrid(a, v), V, W),
    "broadcast_arrays": (lambda a, v: np.broadcast_arrays(a, v), M, V),
    "stack of tiles": (lambda a, v: np.stack([np.tile(a, 2), np.repeat(v, 2)]), V, V * 2),
    "method choose": (lambda a, v: np.choose(np.array([0, 1, 1, 0]), [a, v]), V, V * 3),
}
CASES = {**ONE, **{f"two, {k}": v for k, v in TWO.items()}}


def parts(out):
    return list(out) if isinstance(out, tuple | list) else [out]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CASES)
def test_the_result_is_numpys(name, dtype):
    f, *arrays = CASES[name]
    arrays = [a.astype(dtype) for a in arrays]
    out, expected = f(*[Tensor(a, requires_grad=True) for a in arrays]), f(*arrays)
    assert type(out) is (type(expected) if isinstance(expected, tuple | list) else Tensor)
    assert len(parts(out)) == len(parts(expected))
    for y, e in zip(parts(out), parts(expected), strict=True):
        if isinstance(y, Tensor):
            assert y.requires_grad
            y = y.data
        assert np.shape(y) == np.shape(e) and y.dtype == e.dtype
        np.testing.assert_allclose(y, e, rtol=20 * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", CASES)
def test_its_derivatives_are_the_numbers(name):
    f, *arrays = CASES[name]

    def moving(*xs):  # of squares, so that the second derivative is not zero
        return tuple(y for y in parts(f(*[x * x for x in xs])) if y.dtype.kind in "fc" and not isinstance(y, np.bool))

    ac.check_grads(moving, arrays)


# -- views ------------------------------------------------------------------------------------------------------------


VIEWS = {
    "rot90": np.rot90,
    "rot90 not at all": lambda a: np.rot90(a, 0),
    "fliplr": np.fliplr,
    "rollaxis": lambda a: np.rollaxis(a, 1),
    "matrix_transpose": np.matrix_transpose,
    "atleast_3d": np.atleast_3d,
    "split": lambda a: np.split(a, 2, axis=1)[1],
    "array_split": lambda a: np.array_split(a, 2)[1],
    "unstack": lambda a: np.unstack(a, axis=1)[2],
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_write_into_a_view_reaches_the_base(name):
    x = Tensor(M.copy(), requires_grad=True)
    y = x * 1.0
    view = VIEWS[name](y)
    assert np.shares_memory(view.data, y.data)
    view *= 2.0
    expected = M.copy()
    VIEWS[name](expected)[...] *= 2.0
    np.testing.assert_allclose(y.data, expected)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.data, expected / M)


def test_a_diagonal_sees_writes_into_the_matrix_and_takes_none():
    x = Tensor(SQUARE.copy(), requires_grad=True)
    y = x * 1.0
    d = np.diagonal(y)
    y[0, 0] = x[1, 1] * 3
    d.sum().backward()
    expected = np.eye(4)
    expected[0, 0], expected[1, 1] = 0, 4
    np.testing.assert_allclose(x.grad.data, expected)
    with pytest.raises(ShapeError, match="read-only"):
        d[0] = 1.0


def test_fill_is_recorded():
    x = Tensor(V.copy(), requires_grad=True)
    y = x * 2
    y[1:].fill(x[0])
    y.sum().backward()
    np.testing.assert_allclose(x.grad.data, [5, 0, 0, 0])


# -- no gradient by nature --------------------------------------------------------------------------------------------

INTEGERS = np.array([3, 1, 1, 0])
ON_VALUES = {
    "argwhere": lambda a: np.argwhere(a > 1),
    "nonzero": lambda a: (a > 1).nonzero(),
    "diag_indices_from": lambda a: np.diag_indices_from(a[:, :3]),
    "tril_indices_from": lambda a: np.tril_indices_from(a, k=1),
    "triu_indices_from": np.triu_indices_from,
    "einsum_path": lambda a: np.einsum_path("ij,jk", a, np.ones((4, 2)))[0],
    "array_equiv": lambda a: np.array_equiv(a, M),
    "common_type": np.common_type,
    "iscomplex": np.iscomplex,
    "isreal": np.isreal,
    "isneginf": lambda a: np.isneginf(a / 0.0),
    "isposinf": lambda a: np.isposinf(-np.log(a * 0)),
    "histogram": lambda a: np.histogram(a, bins=3, range=(0, 2)),
    "histogram, positions": lambda a: np.histogram(a, 3, (0, 2), False, np.ones((3, 4))),
    "histogram of edges": lambda a: np.histogram(a, [0.0, 1.0, 2.0]),
    "histogram_bin_edges": lambda a: np.histogram_bin_edges(a, 4, (0, 2)),
    "histogram2d": lambda a: np.histogram2d(a[0], a[1], bins=2)[0],
    "histogramdd": lambda a: np.histogramdd((a[0], a[1]), bins=2)[0],
}


@pytest.mark.parametrize("name", ON_VALUES)
def test_a_result_without_a_gradient_is_numpys_own(name):
    with np.errstate(divide="ignore"):
        out, expected = ON_VALUES[name](Tensor(M, requires_grad=True)), ON_VALUES[name](M)
    assert type(out) is type(expected)
    for y, e in zip(parts(out), parts(expected), strict=True):
        assert type(y) is type(e)
        np.testing.assert_array_equal(y, e)


def test_integers_too():
    t = Tensor(INTEGERS)
    np.testing.assert_array_equal(np.bincount(t), [1, 2, 0, 1])
    np.testing.assert_array_equal(np.bincount(t, minlength=6), [1, 2, 0, 1, 0, 0])
    np.testing.assert_array_equal(np.packbits(t > 0), np.packbits(INTEGERS > 0))
    np.testing.assert_array_equal(
        np.unpackbits(Tensor(INTEGERS.astype(np.uint8))), np.unpackbits(INTEGERS.astype("u1"))
    )
    np.testing.assert_array_equal(np.ravel_multi_index((t, t), (4, 4)), 5 * INTEGERS)
    np.testing.assert_array_equal(np.repeat(Tensor(V), t).data, np.repeat(V, INTEGERS))
    np.testing.assert_array_equal(np.choose(t, [V, V * 2, V * 3, V * 4]), V * (INTEGERS + 1))
    np.testing.assert_array_equal(t.choose([1, 2, 3, 4]), [4, 2, 2, 1])


def test_weights_of_bincount_take_gradients():
    t = Tensor(V, requires_grad=True)
    out = np.bincount(INTEGERS, weights=t, minlength=5)
    np.testing.assert_allclose(out.data, np.bincount(INTEGERS, weights=V, minlength=5))
    ac.check_grads(lambda w: np.bincount(INTEGERS, w * w), (V,))


# -- errors -----------------------------------------------------------------------------------------------------------

REFUSED = {
    "rot90: axes must be two different axes, got (1, -1) for 2 axes": lambda t: np.rot90(t, 1, (1, -1)),
    "rot90: the operands must fit together, got shapes (3, 4): axis 2": lambda t: np.rot90(t, 1, (0, 2)),
    "fliplr: the array must have at least 2 axes, got shape (4,)": lambda t: np.fliplr(t[0]),
    "flipud: the array must have at least 1 axis, got shape ()": lambda t: np.flipud(t[0, 0]),
    "rollaxis: the operands must fit together": lambda t: np.rollaxis(t, 2),
    "matrix_transpose: the array must have at least 2 axes": lambda t: np.matrix_transpose(t[0]),
    "tile: reps must not be negative, got (1, -1)": lambda t: np.tile(t, -1),
    "repeat: the operands must fit together, got shapes (3, 4): operands could not": lambda t: t.repeat([1, 2], axis=0),
    "repeat: the operands must fit together, got shapes (12,): ": lambda t: np.repeat(t, -1),
    "resize: the lengths of new_shape must not be negative, got (2, -1)": lambda t: np.resize(t, (2, -1)),
    "split: sections must be a positive number that divides the axis": lambda t: np.split(t, 2),
    "array_split: sections must be a positive number, got 0": lambda t: np.array_split(t, 0),
    "hsplit: the array must have at least 1 axis": lambda t: np.hsplit(t[0, 0], 1),
    "vsplit: the array must have at least 2 axes": lambda t: np.vsplit(t[0], 1),
    "dsplit: the array must have at least 3 axes": lambda t: np.dsplit(t, 1),
    "unstack: the array must have at least 1 axis": lambda t: np.unstack(t[0, 0]),
    "unstack: the operands must fit together": lambda t: np.unstack(t, axis=2),
    "concatenate: the operands must fit together": lambda t: np.dstack([t, t[0]]),
    "block: arrays must be nested in lists, got a tuple": lambda t: np.block([[t], [(t, t)]]),
    "block: the lists must be equally deep and not empty, got depths [0, 1]": lambda t: np.block([t, [t]]),
    "meshgrid: indexing must be 'xy' or 'ij', got 'yx'": lambda t: np.meshgrid(t[0], indexing="yx"),
    "broadcast_arrays: the operands must fit together": lambda t: np.broadcast_arrays(t, t[:, 0]),
    "ix_: the arguments must be one-dimensional, got shape (3, 4)": lambda t: np.ix_(t),
    "select: there must be as many choices as conditions, and one at least, got 1 and 2": lambda t: np.select(
        [MASK, MASK], [t]
    ),
    "choose: mode must be 'raise', 'wrap' or 'clip', got 'x'": lambda t: np.choose([0], [t], mode="x"),
    "choose: the numbers must be whole and from 0 to 0, got dtype int64 and values from 1 to 1": lambda t: np.choose(
        [1], [t]
    ),
    "choose: the numbers must be whole and from 0 to 0, got dtype float64 and no value": lambda t: np.choose([], [t]),
    "getitem: the operands must fit together": lambda t: np.compress([0, 0, 0, 1], t, axis=0),
    "delete: the operands must fit together": lambda t: np.delete(t, 5, axis=0),
    "insert: the operands must fit together": lambda t: np.insert(t, 5, 1.0, axis=0),
    "bincount: the operands must fit together": lambda t: np.bincount([0, 1], weights=t[0]),
    "histogram: weights must be constants, got a tensor of shape (4,) in the graph": lambda t: np.histogram(
        V, weights=t[0]
    ),
    "diag: the array must have one or two axes, got ()": lambda t: np.diag(t[0, 0]),
    "tril: the array must have at least 1 axis": lambda t: np.tril(t[0, 0]),
    "cross: the vectors must have three components, got shapes (3, 4) and (3, 4)": lambda t: np.cross(t, t),
    "vander: x must have one axis, got shape (3, 4)": lambda t: np.vander(t),
    "vander: N must not be negative, got -1": lambda t: np.vander(t[0], -1),
    "take: mode must be 'raise', 'wrap' or 'clip', got 'x'": lambda t: np.take(t, 0, mode="x"),
    "take: the operands must fit together, got shapes (3, 4): axis 2 is out": lambda t: np.take(t, [0], axis=2),
    "pad: end_values must be left out unless mode is 'linear_ramp', got 2 with mode 'edge'": lambda t: np.pad(
        t, 1, "edge", end_values=2
    ),
    "pad: stat_length must be left out unless mode is 'maximum' or": lambda t: np.pad(t, 1, stat_length=2),
    "pad: the operands must fit together": lambda t: np.pad(t, -1, "mean"),
    "pad: mode must be one of": lambda t: np.pad(t, 1, "nothing"),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_refused_says_why(message):
    t = Tensor(M.copy(), requires_grad=True)
    with pytest.raises(ac.AutogradError) as caught:
        REFUSED[message](t)
    assert str(caught.value).startswith(message)
    assert "called at test_numpy_shapes.py:" in str(caught.value)
    assert isinstance(caught.value, ShapeError | ArgumentError | ac.errors.GraphError)


IN_PLACE = {
    r"copyto: .* compose it of t\[...\] = value": lambda t: np.copyto(t, 1.0),
    r"copyto: .*": lambda t: np.copyto(M.copy(), t),
    r"put: .* compose it of t\[np.unravel_index": lambda t: np.put(t, [0], 1.0),
    r"place: .* compose it of t\[mask\] = values": lambda t: np.place(t, MASK, 1.0),
    r"putmask: .* compose it of t\[mask\] = values": lambda t: np.putmask(t, MASK, 1.0),
    r"put_along_axis: .* compose it of t\[index\]": lambda t: np.put_along_axis(t, np.array([[0]]), 1.0, 1),
    r"fill_diagonal: .* compose it of t\[i, i\] = value": lambda t: np.fill_diagonal(t, 0.0),
    r"trim_zeros: .* compose it of t\[first:last\]": lambda t: np.trim_zeros(t[0]),
    r"piecewise: .* compose it of np.where or np.select": lambda t: np.piecewise(t, [MASK], [abs, 1]),
    r"apply_along_axis: .* np.stack\(\[f\(row\) for row in t\]\)": lambda t: np.apply_along_axis(np.sum, 0, t),
    r"apply_over_axes: .* one call for each axis": lambda t: np.apply_over_axes(np.sum, t, [0]),
    r"full_like: .* compose it of np.broadcast_to\(t, shape\)": lambda t: np.full_like(M, t[0, 0]) + np.full_like(t, 1),
    r"roots: .*": lambda t: np.roots(t[0]),
    r"polyfit: .* np.linalg.lstsq\(np.vander\(x, deg \+ 1\), y\)": lambda t: np.polyfit(V, t[0], 1),
    r"polydiv: .* np.polymul": lambda t: np.polydiv(t[0], t[1]),
}


@pytest.mark.parametrize("message", IN_PLACE)
def test_a_function_without_a_rule_names_the_way_to_write_it(message):
    t = Tensor(M.copy(), requires_grad=True)
    with pytest.raises((NoRuleError, ac.errors.GraphError)) as caught:
        IN_PLACE[message](t)
    if not message.startswith("full_like"):
        caught.match(message)
    np.testing.assert_array_equal(t.data, M)


def test_empty_arrays():
    t = Tensor(np.zeros((0, 3)), requires_grad=True)
    for f in (np.fliplr, lambda a: np.tile(a, 2), lambda a: np.repeat(a, 2, 0), lambda a: np.resize(a, 3), np.tril):
        assert f(t).shape == f(t.data).shape
    assert np.unstack(t) == ()
