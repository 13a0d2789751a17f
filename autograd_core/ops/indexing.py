"""Indexing, gathering and scattering. Scattering into zeros is an operator, since a rule writes into no array."""

from __future__ import annotations

import math
from copy import copy
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..errors import where as place
from ..operator import Array, Bad, Sample, op, registry


def _is_basic(index: Any) -> bool:
    return all(
        i is None or i is Ellipsis or isinstance(i, int | np.integer | slice)
        for i in (index if isinstance(index, tuple) else (index,))
    )


def _picks_rows(a: Any, index: Any, shape: Any) -> bool:
    """Whether an array of integers picks rows of a matrix, many enough for a sparse product to pay."""
    return (
        type(index) is np.ndarray
        and index.dtype.kind in "iu"
        and type(a) is np.ndarray
        and a.dtype.char in "fd"
        and len(shape) > 1
        and index.size >= 64
        and a.size >= 1024
    )


_MANY = 1 << 14  # rows from which the time to make a sparse matrix is small beside the rest


def _rows_added(a: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Rows added at their places in order, as a product with a sparse matrix of ones: 20 times faster than `add.at`."""
    length = shape[0]
    rows = index.reshape(-1).astype(np.intp, copy=False)
    if rows.view(np.uintp).max() >= length:  # in one pass: as unsigned numbers negative ones are large
        if rows.min() < -length or rows.max() >= length:
            raise IndexError(f"index out of bounds for axis 0 with size {length}")
        rows = np.where(rows < 0, rows + length, rows)
    made = _ones if rows.size < _MANY else _ones.__wrapped__
    places = copy(made(length, rows.size, a.dtype))
    places.indices = rows.astype(places.indices.dtype, copy=False)
    return np.reshape(places @ np.reshape(a, (rows.size, -1)), shape)


@lru_cache(maxsize=8)
def _ones(length: int, count: int, dtype: Any) -> Any:
    """A sparse matrix of `count` columns with a one each, to be put into its place.

    SciPy takes longer to check a new one than to multiply by it, so it is kept; copies share its ones.
    """
    from scipy.sparse import csc_array

    return csc_array((np.ones(count, dtype), np.zeros(count, np.intp), np.arange(count + 1)), shape=(length, count))


@op(
    "scatter",
    symbol="scatter",
    latex=r"\operatorname{scatter}({a})",
    derivative={"a": "1"},
    operands=("a",),
    samples=[
        Sample(Array(3), index=1, shape=(4, 3)),
        Sample(Array(3, 3), index=np.array([0, 2, 2]), shape=(4, 3)),
        Sample(Array(2), index=(np.array([1, 1]), np.array([2, 2])), shape=(4, 3)),
        Sample(Array(64, 16), index=np.arange(64) % 7 - 3, shape=(4, 16)),
    ],
    bad=[
        Bad(ShapeError, "index 7 is out of bounds", Array(), index=7, shape=(3,)),
        Bad(
            ShapeError, "index out of bounds for axis 0 with size 4", Array(64, 16), index=np.arange(64), shape=(4, 16)
        ),
    ],
    linear="jointly",
    analytic=True,
)
def scatter(a: Any, index: Any, shape: Any) -> Any:
    """Zeros of `shape` to which `a` is added at `index`; the transpose of indexing."""
    if _picks_rows(a, index, shape):
        return _rows_added(a, index, shape)
    out = np.zeros(shape, a.dtype) if type(a) is np.ndarray else np.zeros_like(a, shape=shape)
    if _is_basic(index) and isinstance(out, np.ndarray):
        out[index] = a
    else:
        np.add.at(out, index, a)
    return out


scatter.vjp(a=lambda g, index: g[index])


@op(
    "gather",
    symbol="[ ]",
    latex="{a}[{index}]",
    derivative={"a": "1"},
    operands=("a",),
    samples=[
        Sample(Array(4, 3), index=1),
        Sample(Array(4, 3), index=(slice(None, None, 2), -1)),
        Sample(Array(4, 3), index=np.array([0, 2, 2])),
        Sample(Array(4, 3), index=(np.array([0, 1]), np.array([2, 2]))),
        Sample(Array(3), index=np.array([True, False, True])),
        Sample(Array(4, 3), index=(None, ..., 0)),
        Sample(Array(0, 3), index=slice(None)),
    ],
    bad=[Bad(ShapeError, "index 5 is out of bounds", Array(3), index=5)],
    linear="jointly",
    analytic=True,
)
def getitem(a: Any, index: Any) -> Any:
    """Elements by basic or advanced index, as NumPy."""
    return picked(a, index)


def picked(a: Any, index: Any) -> Any:
    """`a[index]`; rows by an array of integers in half the time, with NumPy's `take`."""
    if (
        type(index) is np.ndarray
        and index.dtype.kind == "i"
        and index.ndim
        and type(a) is np.ndarray
        and a.ndim > 1
        and a.flags.c_contiguous
        and a.size
    ):
        return a.take(index, 0)
    return a[index]


getitem.vjp(a=lambda g, a_shape, index: scatter(g, index=index, shape=a_shape))


@op(
    "scatter",
    operands=("a", "value"),
    symbol="[ ] =",
    latex=r"{a}[{index}] \leftarrow {value}",
    derivative={"a": r"[\text{elsewhere}]", "value": r"[\text{at the index}]"},
    samples=[
        Sample(Array(4, 3), Array(3), index=1),
        Sample(Array(4, 3), 2.0, index=(slice(None), 0)),
        Sample(Array(4), Array(), index=slice(1, 3)),
        Sample(Array(4), Array(3), index=np.array([2, 0, 2])),
    ],
    bad=[Bad(ShapeError, "the operands must fit together", Array(3), Array(2), index=slice(0, 3))],
    linear="jointly",
    analytic=True,
)
def setitem(a: Any, value: Any, index: Any) -> Any:
    """`a` with the elements at `index` replaced by `value`; where places repeat, the last write wins."""
    if isinstance(a, np.ndarray | np.generic):
        out = np.array(a)
        out[index] = value
        return out
    positions = _positions(a.shape, index)
    inside = np.zeros(a.shape, dtype=bool)
    inside[index] = True
    spread = _surviving(np.broadcast_to(value, positions.shape), positions)
    return np.where(inside, scatter(spread, index=index, shape=a.shape), a)


def _positions(shape: tuple[int, ...], index: Any) -> Any:
    """The places that an index means, as numbers into the flat array."""
    return np.arange(math.prod(shape)).reshape(shape)[index]


def _surviving(part: Any, positions: Any) -> Any:
    """`part` with zeros where a later element is written to the same place."""
    flat = positions.reshape(-1)[::-1]
    last = np.unique(flat, return_index=True)[1]
    if last.size == flat.size:
        return part
    survives = np.isin(np.arange(flat.size), flat.size - 1 - last)
    return np.where(survives.reshape(positions.shape), part, 0)


def _outside(g: Any, index: Any) -> Any:
    inside = np.zeros(g.shape, dtype=bool)
    inside[index] = True
    return np.where(inside, 0, g)


def _at(g: Any, index: Any, shape: tuple[int, ...]) -> Any:
    from ..unbroadcast import sum_to

    part = g[index]
    if not _is_basic(index):
        part = _surviving(part, _positions(g.shape, index))
    lead = len(part.shape) - len(shape)
    if lead < 0:  # the value may have leading axes of length one that assignment drops
        return np.reshape(sum_to(part, part.shape, shape[-lead:]), shape)
    return sum_to(part, part.shape, shape)


setitem.vjp(a=lambda g, index: _outside(g, index), value=lambda g, index, value_shape: _at(g, index, value_shape))


@op(
    "scatter",
    operands=("a", "value"),
    symbol="write",
    latex=r"{a}[\cdot] \leftarrow {value}",
    derivative={"a": r"[\text{elsewhere}]", "value": r"[\text{at the place}]"},
    samples=[
        Sample(Array(4, 3), Array(2), positions=np.array([1, 7])),
        Sample(Array(4, 3), Array(3), positions=np.array([7, 1, 7])),
    ],
    linear="jointly",
    analytic=True,
)
def put_positions(a: Any, value: Any, positions: Any) -> Any:
    """`a` with the elements at flat positions replaced: what a write into a view does to its base."""
    if not isinstance(a, np.ndarray | np.generic):
        return np.reshape(setitem.function(np.reshape(a, -1), value, positions), a.shape)
    out = np.array(a, order="C")  # so that the flat array is a view of it
    out.reshape(-1)[positions] = value
    return out


put_positions.vjp(
    a=lambda g, a_shape, positions: np.where(np.isin(np.arange(g.size).reshape(a_shape), positions), 0, g),
    value=lambda g, positions: _surviving(np.reshape(g, -1)[positions], positions),
)


@op(
    "gather",
    numpy=np.take_along_axis,
    symbol="take_along_axis",
    latex="{arr}[{indices}]",
    derivative={"arr": "1"},
    operands=("arr",),
    samples=[
        Sample(Array(3, 4), np.array([[0], [2], [2]]), axis=1),
        Sample(Array(3, 4), np.array([[0, 1, 1]]), axis=1),
        Sample(Array(3, 1), np.array([[0, 2]]), axis=0),
        Sample(Array(2, 3), np.array([5, 0, 0]), axis=None),
    ],
    linear="jointly",
    analytic=True,
)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    """One index per position along an axis, as NumPy; of the flattened array for None."""
    return np.take_along_axis(arr, indices, axis)


def _along(g: Any, shape: tuple[int, ...], indices: Any, axis: int | None) -> Any:
    """The cotangent at the indices; along the other axes they are broadcast against the array's."""
    if axis is None:
        return np.reshape(scatter(g, index=(indices,), shape=(math.prod(shape),)), shape)
    grids = [np.arange(n).reshape((1,) * i + (n,) + (1,) * (len(shape) - i - 1)) for i, n in enumerate(shape)]
    grids[axis] = indices
    return scatter(g, index=tuple(grids), shape=shape)


take_along_axis.vjp(arr=lambda g, arr_shape, indices, axis: _along(g, arr_shape, indices, axis))


@registry.function(np.take)
def take(a: Any, indices: Any, axis: Any = None, mode: str = "raise") -> Any:
    """Elements along an axis by index (of the flattened array without one).

    Raises:
        ArgumentError: a mode other than "raise", "wrap" and "clip".
        ShapeError: an index is out of bounds and the mode "raise".
    """
    if mode not in ("raise", "wrap", "clip"):
        raise ArgumentError(f"take: mode must be 'raise', 'wrap' or 'clip', got {mode!r}; choose one. {place('take')}")
    from ._complaints import naming

    if axis is None or not np.ndim(a):
        a, axis = np.reshape(a, -1), 0 if axis is None else axis
    with naming("take", a):
        axis = np.lib.array_utils.normalize_axis_index(axis, np.ndim(a))
    if not hasattr(indices, "shape") or isinstance(indices, np.generic):
        indices = np.array(indices)  # as an array also where it is a number, so that the result is a copy as NumPy's is
        indices = indices if indices.size else indices.astype(int)
    if mode != "raise":
        n = np.shape(a)[axis]
        indices = indices % n if mode == "wrap" else np.clip(indices, 0, n - 1)
    return getitem(a, index=(slice(None),) * axis + (indices,))
