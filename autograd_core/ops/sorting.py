"""Sorting, partial sorting and distinct values. The gradient goes back to where an element came from.

Where elements are equal, which of them goes where is arbitrary; they share the gradient equally, as those do that
attain a maximum (so the last of the sorted elements has the gradient of `np.max`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError, where
from ..operator import Array, Bad, Sample, op, registry
from ..tensor import Tensor
from ._complaints import naming
from .indexing import scatter
from .values import plain

__all__ = ["partition", "sort", "unique"]


def _shared(g: Any, ordered: Any, axis: int) -> Any:
    """A cotangent in sorted order, averaged over elements that are equal."""
    before, after = (ordered[(slice(None),) * axis + (s,)] for s in (slice(None, -1), slice(1, None)))
    same = before == after
    if not np.any(same):
        return g
    first = np.concatenate([np.ones_like(ordered[(slice(None),) * axis + (slice(1),)], dtype=bool), ~same], axis=axis)
    # Rows are numbered one after the other, so that equal elements of different rows are different groups.
    lines = np.moveaxis(first, axis, -1)
    group = np.cumsum(np.reshape(lines, -1)) - 1
    flat = np.reshape(np.moveaxis(g, axis, -1), -1)
    total = scatter(flat, index=group, shape=flat.shape)
    count = scatter(np.ones_like(group), index=group, shape=flat.shape)
    mean = (total / np.maximum(count, 1).astype(g.dtype))[group]
    return np.moveaxis(np.reshape(mean, lines.shape), -1, axis)


def _to_sources(g: Any, a: Any, axis: Any) -> Any:
    """The cotangent of the sorted elements, at the places where they came from."""
    if axis is None:
        return np.reshape(_to_sources(g, np.reshape(a, -1), 0), a.shape)
    axis = axis % len(a.shape)
    order = np.argsort(a, axis=axis, kind="stable")
    shared = _shared(g, np.take_along_axis(a, order, axis), axis)
    return np.take_along_axis(shared, np.argsort(order, axis=axis), axis)


def _to_sources_of(g: Any, out: Any, a: Any, axis: Any) -> Any:
    """The same for elements in any order: they are sorted first."""
    along = 0 if axis is None else axis
    return _to_sources(np.take_along_axis(g, np.argsort(out, axis=along, kind="stable"), along), a, axis)


@op(
    "gather",
    operands=("a",),
    symbol="sort",
    latex=r"\operatorname{sort}({a})",
    derivative={"a": r"[{a} = {out}]"},
    samples=[
        Sample(Array(5)),
        Sample(Array(3, 4), axis=0),
        Sample(Array(2, 3), axis=None),
        Sample(Array(2, 3, 4), axis=1, kind="stable"),
        Sample(Array(0, 3)),
    ],
    bad=[Bad(ShapeError, "sort: .*axis 2 is out of bounds", Array(3, 4), axis=2)],
    numpy=np.sort,
)
def sort(a: Any, axis: Any = -1, kind: Any = None) -> Any:
    """Elements in ascending order along an axis (of the flattened array with None); equal ones share the gradient."""
    return np.sort(a, axis=axis, kind=kind)


sort.vjp(a=lambda g, a, axis: _to_sources(g, a, axis))


@op(
    "gather",
    operands=("a",),
    symbol="partition",
    latex=r"\operatorname{partition}({a})",
    derivative={"a": r"[{a} = {out}]"},
    samples=[
        Sample(Array(5), 2),
        Sample(Array(3, 6), (1, -2), axis=0),
        Sample(Array(2, 3), 4, axis=None),
        Sample(Array(2, 5, 2), 3, axis=1),
    ],
    bad=[Bad(ShapeError, r"partition: .*kth\(=5\) out of bounds", Array(3, 4), 5)],
    numpy=np.partition,
)
def partition(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect") -> Any:
    """The k-th smallest element at place k, smaller ones before it; equal ones share the gradient."""
    return np.partition(a, kth, axis=axis, kind=kind)  # type: ignore[call-overload]


partition.vjp(a=lambda g, a, out, axis: _to_sources_of(g, out, a, axis))


def _check_fields(name: str, order: Any, stable: Any = None, kind: Any = None) -> None:
    if order is not None or (stable is not None and kind is not None):
        raise ArgumentError(
            f"{name}: order must be left out, and one of kind and stable, got order={order!r}, kind={kind!r} and "
            f"stable={stable!r}; tensors have no fields, and both name the way to sort. {where(name)}"
        )


@registry.function(np.sort)
def sorted_(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    """`sort` with NumPy's further arguments.

    Raises:
        ArgumentError: `order`, or both `kind` and `stable`.
    """
    _check_fields("sort", order, stable, kind)
    return sort(a, axis=axis, kind="stable" if stable else kind)


@registry.function(np.partition)
def partitioned(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Any:
    """`partition` with NumPy's further arguments.

    Raises:
        ArgumentError: `order`.
    """
    _check_fields("partition", order)
    return partition(a, plain(kth), axis=axis, kind=kind)


@registry.function(np.unique)
def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    """Distinct values in ascending order; equal elements share the gradient. Indices and counts are plain arrays.

    Raises:
        ArgumentError: an axis, for an array in the graph.
    """
    wanted = {"return_index": return_index, "return_inverse": return_inverse, "return_counts": return_counts}
    if axis is not None and ar.requires_grad:
        raise ArgumentError(
            f"unique: axis must be None for a tensor in the graph, got {axis!r}; find the rows with "
            "np.unique(t.detach().numpy(), axis=…, return_index=True) and index with them. "
            f"{where('unique')}"
        )
    numpys: Any = np.unique  # whose overloads for the three flags no type checker follows
    with naming("unique", ar):
        found = numpys(plain(ar), **wanted, axis=axis, equal_nan=equal_nan)
    if axis is not None:
        return (Tensor(found[0]), *found[1:]) if any(wanted.values()) else Tensor(found)
    counts = numpys(plain(ar), return_counts=True, equal_nan=equal_nan)[1]
    out = sort(np.reshape(ar, -1))[np.cumsum(counts) - counts]
    return (out, *found[1:]) if any(wanted.values()) else out


@registry.function(np.union1d)
def union1d(ar1: Any, ar2: Any) -> Any:
    """Distinct values of both arrays in ascending order."""
    return unique(np.append(ar1, ar2))


@registry.function(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """Distinct values of the first array that are not in the second."""
    if assume_unique:
        left = np.reshape(ar1, -1)
    else:
        left = unique(ar1 if isinstance(ar1, Tensor) else Tensor(ar1))
    return left[np.isin(plain(left), plain(ar2), invert=True)]


@registry.function(np.unique_values)
def unique_values(x: Any, /) -> Any:
    """Distinct values in ascending order, NaN as often as it is there."""
    return unique(x, equal_nan=False)
