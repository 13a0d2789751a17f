"""Sorting, searching and distinct values on tensors: the gradient goes back to where an element came from."""

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor
from autograd_core.errors import ArgumentError, LeafError, NoRuleError

A = np.random.default_rng(2).permutation(24).reshape(2, 3, 4) / 8 + 0.5  # all different, and well apart
M, V = A[0], A[0, 0]
TIES = np.array([2.0, 1.0, 2.0, 3.0, 1.0, 2.0])

SORTED = {
    "sort": (np.sort, M),
    "sort, axis": (lambda a: np.sort(a, axis=0), M),
    "sort, middle axis": (lambda a: np.sort(a, -2), A),
    "sort, flat": (lambda a: np.sort(a, axis=None), M),
    "sort, kind": (lambda a: np.sort(a, kind="heapsort"), A),
    "sort, stable": (lambda a: np.sort(a, stable=True), V),
    "partition": (lambda a: np.partition(a, 2), M),
    "partition, several": (lambda a: np.partition(a, (0, -1), axis=0), M),
    "partition, flat": (lambda a: np.partition(a, 5, axis=None), M),
    "unique": (np.unique, M),
    "unique of repeated": (lambda a: np.unique(np.tile(a, 3)), V),
    "unique_values": (lambda a: np.sort(np.unique_values(a)), V),
    "union1d": (lambda a: np.union1d(a, [1.0, 0.01, 7.0]), V),
    "setdiff1d": (lambda a: np.setdiff1d(np.append(a, [7, 9]), [7.0]), M),
    "setdiff1d of an array": (lambda a: np.setdiff1d(np.append(a, [7, 9]), np.array([9, 0.3]), assume_unique=True), M),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", SORTED)
def test_the_result_is_numpys(name, dtype):
    f, a = SORTED[name]
    a = a.astype(dtype)
    out, expected = f(Tensor(a, requires_grad=True)), f(a)
    assert type(out) is Tensor and out.requires_grad and out.dtype == expected.dtype
    np.testing.assert_array_equal(out.data, expected)


@pytest.mark.parametrize("name", SORTED)
def test_its_derivatives_are_the_numbers(name):
    f, a = SORTED[name]
    ac.check_grads(lambda x: f(x) ** 2, (a,))


# -- ties -------------------------------------------------------------------------------------------------------------

TIED = {
    "sort": (np.sort, [1, 10, 100, 1000, 10000, 100000], [3700, 5.5, 3700, 100000, 5.5, 3700]),
    "sort, rows": (
        lambda a: np.sort(np.reshape(a, (2, 3)), axis=1),
        [[1, 10, 100], [1000, 10000, 100000]],
        [55, 1, 55, 100000, 1000, 10000],
    ),
    "sort, columns": (
        lambda a: np.sort(np.reshape(a, (3, 2)), axis=0),
        [[1, 1000], [10, 10000], [100, 100000]],
        [55, 1000, 55, 100000, 1, 10000],
    ),
    "partition": (lambda a: np.partition(a, 3)[3], 6, [2, 0, 2, 0, 0, 2]),
    "unique": (np.unique, [2, 3, 4], [1, 1, 1, 4, 1, 1]),
    "last of the sorted, as the maximum": (lambda a: np.sort(a[:3])[-1], 4, [2, 0, 2, 0, 0, 0]),
}


@pytest.mark.parametrize("name", TIED)
def test_equal_elements_share_the_gradient(name):
    f, cotangent, expected = TIED[name]
    t = Tensor(TIES, requires_grad=True)
    f(t).backward(np.array(cotangent, dtype=float))
    np.testing.assert_allclose(t.grad.data, expected, rtol=1e-14)


def test_sharing_is_differentiable():
    t, c = Tensor(TIES, requires_grad=True), Tensor(np.arange(6.0), requires_grad=True)
    (np.sort(t) * c).sum().backward(create_graph=True)
    g, c.grad = t.grad, None
    (g * np.arange(6.0) ** 2).sum().backward()
    np.testing.assert_allclose(c.grad.data, [8.5, 8.5, 29 / 3, 29 / 3, 29 / 3, 9.0])
    _, tangent = ac.jvp(np.sort, (TIES,), (np.arange(6.0),))
    np.testing.assert_allclose(tangent, [2.5, 2.5, 7 / 3, 7 / 3, 7 / 3, 3.0])


def test_nan_comes_last_and_takes_its_gradient():
    t = Tensor(np.array([np.nan, 1.0, np.nan, 0.0]), requires_grad=True)
    np.sort(t).backward(np.array([1.0, 2.0, 3.0, 4.0]))
    np.testing.assert_array_equal(t.grad.data, [3, 2, 4, 1])
    assert np.unique(t).shape == (3,) and np.unique(t, equal_nan=False).shape == (4,)
    assert np.unique_values(t).shape == np.unique_values(t.data).shape


def test_unique_returns_places_and_counts_as_arrays():
    t = Tensor(TIES, requires_grad=True)
    flags = {"return_index": True, "return_inverse": True, "return_counts": True}
    out, expected = np.unique(t, **flags), np.unique(TIES, **flags)
    assert type(out) is tuple and isinstance(out[0], Tensor) and out[0].requires_grad
    for y, e in zip(out, expected, strict=True):
        np.testing.assert_array_equal(getattr(y, "data", y) if isinstance(y, Tensor) else y, e)
    rows = np.unique(Tensor(np.array([[1.0, 2], [1, 2], [0, 1]])), axis=0)
    np.testing.assert_array_equal(rows.data, [[0, 1], [1, 2]])
    rows, counts = np.unique(Tensor(np.array([[1.0, 2], [1, 2], [0, 1]])), axis=0, return_counts=True)
    assert isinstance(rows, Tensor) and counts.tolist() == [1, 2]
    assert np.unique(Tensor(np.zeros(0), requires_grad=True)).shape == (0,)


# -- the methods, which sort in place ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sort", "partition"])
def test_the_method_is_a_recorded_write(name):
    arguments = () if name == "sort" else (2,)
    x = Tensor(M.copy(), requires_grad=True)
    y = x * 1.0
    row = y[0]
    squares = y * y  # keeps the old values
    assert getattr(y, name)(*arguments, axis=0) is None
    expected = M.copy()
    getattr(expected, name)(*arguments, axis=0)
    np.testing.assert_array_equal(y.data, expected)
    np.testing.assert_array_equal(row.data, expected[0])
    (row * np.arange(1.0, 5.0)).sum().backward()
    np.testing.assert_allclose(x.grad.data, np.where(expected[0] == M, np.arange(1.0, 5.0), 0))
    with pytest.raises(ac.errors.VersionError, match=rf"t\.{name}\(\) changed it"):
        squares.sum().backward()


def test_a_leaf_is_not_sorted_in_place():
    t = Tensor(V.copy(), requires_grad=True)
    with pytest.raises(LeafError, match=r"t\.sort\(\): a leaf .* or write t = np\.sort\(t\)"):
        t.sort()
    with ac.no_grad():
        t.sort()
    np.testing.assert_array_equal(t.data, np.sort(V))


# -- no gradient by nature --------------------------------------------------------------------------------------------

ON_VALUES = {
    "argsort": lambda a: np.argsort(a, axis=0),
    "method argsort": lambda a: a.argsort(axis=-1, kind="stable"),
    "argpartition": lambda a: np.argpartition(a, 1, axis=1),
    "method argpartition": lambda a: a.argpartition(2, axis=0),
    "searchsorted": lambda a: np.searchsorted([0.5, 1.0, 2.0], a, side="right"),
    "method searchsorted": lambda a: a[0].searchsorted([1.0], sorter=np.argsort(a[0])),
    "digitize": lambda a: np.digitize(a, [1.0, 2.0]),
    "lexsort": lambda a: np.lexsort((a[0], a[1] > 1)),
    "isin": lambda a: np.isin(a, V),
    "nonzero": lambda a: np.nonzero(a > 1)[0],
}


@pytest.mark.parametrize("name", ON_VALUES)
def test_places_are_plain_arrays(name):
    out, expected = ON_VALUES[name](Tensor(M, requires_grad=True)), ON_VALUES[name](M)
    assert type(out) is np.ndarray and out.dtype == expected.dtype
    np.testing.assert_array_equal(out, expected)


# -- errors -----------------------------------------------------------------------------------------------------------

REFUSED = {
    r"sort: order must be left out, and one of kind and stable, got order='x'": (
        ArgumentError,
        lambda t: np.sort(t, order="x"),
    ),
    r"sort: .* got order=None, kind='heapsort' and stable=True": (
        ArgumentError,
        lambda t: np.sort(t, kind="heapsort", stable=True),
    ),
    r"partition: order must be left out": (ArgumentError, lambda t: np.partition(t, 1, order="x")),
    r"unique: axis must be None for a tensor in the graph, got 0; find the rows": (
        ArgumentError,
        lambda t: np.unique(t, axis=0),
    ),
    r"sort_complex: .* compose it of np.sort": (NoRuleError, np.sort_complex),
    r"intersect1d: .* t\[np.isin\(t, u\)\]": (NoRuleError, lambda t: np.intersect1d(t, V)),
    r"setxor1d: .* t\[~np.isin\(t, u\)\]": (NoRuleError, lambda t: np.setxor1d(t, V)),
    r"unique_counts: .* np.unique\(t, return_counts=True\)": (NoRuleError, np.unique_counts),
    r"unique_inverse: .* np.unique\(t, return_inverse=True\)": (NoRuleError, np.unique_inverse),
    r"unique_all: .* np.unique\(t, return_index=True": (NoRuleError, np.unique_all),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_refused_says_why(message):
    error, call = REFUSED[message]
    with pytest.raises(error, match=message) as caught:
        call(Tensor(M.copy(), requires_grad=True))
    assert "called at test_numpy_sorting.py:" in str(caught.value)
