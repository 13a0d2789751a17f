"""Picking by arrays of integers and adding back: where the engine takes another way than NumPy's indexing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autograd_core import Tensor
from autograd_core import compile as compiled
from autograd_core.errors import GraphError, ShapeError
from autograd_core.ops import indexing
from autograd_core.ops.indexing import picked, scatter


def added(a: Any, index: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Zeros to which the rows are added one after the other."""
    out = np.zeros(shape, a.dtype)
    rows = a.reshape(index.size, *shape[1:])
    for place, row in zip(index.reshape(-1).tolist(), rows, strict=True):
        out[place] += row
    return out


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [np.int64, np.int32, np.int8, np.uint8, np.uint64])
def test_rows_are_added_in_their_order(dtype: Any, kind: Any) -> None:
    rng = np.random.default_rng(0)
    low = 0 if np.dtype(kind).kind == "u" else -90
    index = rng.integers(low, 90, (8, 40)).astype(kind)
    a = (rng.standard_normal((8, 40, 5)) * 10.0 ** rng.integers(-6, 6, (8, 40, 1))).astype(dtype)
    out = scatter(a, index=index, shape=(90, 5))
    assert out.dtype == dtype
    np.testing.assert_array_equal(out, added(a, index, (90, 5)))


def test_rows_of_another_call_leave_no_trace() -> None:
    """What is kept between calls of the same sizes holds no places, also with threads in it at once."""
    from concurrent.futures import ThreadPoolExecutor

    rng = np.random.default_rng(1)
    cases = [(rng.standard_normal((64, 16), np.float32), rng.integers(0, 40, 64)) for _ in range(40)]
    with ThreadPoolExecutor(4) as pool:
        outs = list(pool.map(lambda case: scatter(case[0], index=case[1], shape=(40, 16)), cases))
    for (a, index), out in zip(cases, outs, strict=True):
        np.testing.assert_array_equal(out, added(a, index, (40, 16)))


def test_of_many_rows_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "_MANY", 100)
    indexing._ones.cache_clear()
    rng = np.random.default_rng(2)
    for count, kept in ((99, 1), (100, 1)):
        a, index = rng.standard_normal((count, 16), np.float32), rng.integers(0, 40, count)
        np.testing.assert_array_equal(scatter(a, index=index, shape=(40, 16)), added(a, index, (40, 16)))
        assert indexing._ones.cache_info().currsize == kept


@pytest.mark.parametrize("wrong", [-41, 40, 2**40])
def test_a_row_out_of_bounds(wrong: int) -> None:
    index = np.arange(64) % 40
    index[7] = wrong
    with pytest.raises(IndexError, match="out of bounds for axis 0 with size 40"):
        scatter(np.ones((64, 16), np.float32), index=index, shape=(40, 16))


@pytest.mark.parametrize("shape", [(6,), (6, 4), (6, 2, 3), (0, 4), (6, 0)])
@pytest.mark.parametrize("kind", [np.int64, np.int16, np.uint8])
@pytest.mark.parametrize("order", ["C", "F", "reversed"])
def test_picked_rows_are_numpys(shape: tuple[int, ...], kind: Any, order: str) -> None:
    a: Any = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    a = np.asfortranarray(a) if order == "F" else a[::-1] if order == "reversed" else a
    for index in (np.array([[5, 0], [0, 3]]), np.array([], int), np.array(2), np.array([[[1]]])):
        index = index.astype(kind) if shape[0] else index[:0].astype(kind) if index.ndim else np.array([], kind)
        out = picked(a, index)
        expected = a[index]
        assert out.dtype == expected.dtype and out.shape == expected.shape
        np.testing.assert_array_equal(out, expected)
        assert not np.shares_memory(out, a) or np.shares_memory(expected, a)


def test_picked_rows_by_negative_numbers_masks_and_lists() -> None:
    a = np.arange(12.0).reshape(4, 3)
    indices: Any = (np.array([-1, 0, -4]), np.array([True, False, True, False]), [0, -1], (np.array([1, 2]), 0), -1)
    for index in indices:
        np.testing.assert_array_equal(picked(a, index), a[index])


@pytest.mark.parametrize("index", [np.array([4]), np.array([0, -5]), np.array([[1], [9]])])
def test_a_picked_row_out_of_bounds_has_numpys_words(index: Any) -> None:
    a = np.arange(12.0).reshape(4, 3)
    with pytest.raises(IndexError) as theirs:
        a[index]
    with pytest.raises(ShapeError) as ours:
        Tensor(a)[index]
    assert str(theirs.value) in str(ours.value)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_compiled_look_up_and_its_gradient(backend: str) -> None:
    if backend == "numba":
        pytest.importorskip("numba")
    rng = np.random.default_rng(3)
    weight = Tensor(rng.standard_normal((50, 20), np.float32), requires_grad=True)

    def step(index: Any, g: Any) -> Any:
        weight.zero_grad()
        y = weight[index]
        y.backward(g)
        return y.detach()

    run = compiled(step, backend=backend)
    for _ in range(3):  # other rows in each: those of the recording are not kept
        index, g = rng.integers(-50, 50, (8, 16)), rng.standard_normal((8, 16, 20), np.float32)
        np.testing.assert_array_equal(run(index, g).data, weight.data[index])
        assert weight.grad is not None and weight.grad.dtype == np.float32
        np.testing.assert_array_equal(weight.grad.data, added(g, index, (50, 20)))


def test_tensors_and_arrays_in_a_tuple_of_arguments_are_looked_at() -> None:
    """Tuples of plain numbers are taken as they are, others not."""
    x = Tensor(np.arange(12.0).reshape(3, 4), requires_grad=True)
    rows = np.array([0, 2])
    y = x[rows, 1]
    rows[:] = 1
    y.sum().backward()
    assert x.grad is not None and x.grad.data[:, 1].tolist() == [1.0, 0.0, 1.0]
    assert x[Tensor(np.array(1)), 2].item() == 6.0
    assert x.reshape((np.int64(2), -1)).shape == (2, 6)
    with pytest.raises(GraphError, match="must be a constant, got a tensor"):
        x[Tensor(np.array(1.0), requires_grad=True), 2]


def test_a_rule_on_arrays_gets_what_the_operator_gives_and_its_words() -> None:
    a, index = np.arange(3.0), (np.array([0, 2, 2]), np.array([1, 0, 0]))
    out = scatter(a, index=index, shape=(3, 2))
    assert type(out) is np.ndarray
    np.testing.assert_array_equal(out, [[0, 0], [0, 0], [3, 0]])  # a[0] = 0 at (0, 1)
    with pytest.raises(ShapeError, match="index 5 is out of bounds"):
        scatter(a, index=(np.array([0, 5, 1]),), shape=(3,))
    with pytest.raises(GraphError, match="must be a constant, got a tensor"):
        scatter(a, index=Tensor(np.ones(3), requires_grad=True), shape=(3,))
