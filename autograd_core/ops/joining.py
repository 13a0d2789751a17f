"""NumPy's functions that put arrays together, pick among them, or take elements out and in."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError, where
from ..operator import registry
from ..tensor import Tensor
from ._complaints import naming
from .indexing import getitem, scatter, take
from .shape import concatenated, identity
from .values import listed, plain

__all__ = ["block", "choose", "meshgrid", "select"]


@registry.function(np.dstack)
def dstack(tup: Any) -> Any:
    """Arrays joined along axis 2, those with fewer axes first given more as by `np.atleast_3d`."""
    return concatenated([np.atleast_3d(t) for t in tup], 2)


@registry.function(np.column_stack)
def column_stack(tup: Any) -> Any:
    """Vectors as columns beside each other; matrices are joined as they are."""
    return concatenated([np.reshape(t, (-1, 1)) if np.ndim(t) < 2 else t for t in tup], 1)


@registry.function(np.append)
def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """Two arrays joined along an axis (flattened without one)."""
    if axis is None:
        return concatenated([np.reshape(arr, -1), np.reshape(values, -1)], 0)
    return concatenated([arr, values], axis)


def _depth(arrays: Any) -> int:
    """How deep the lists are nested.

    Raises:
        ArgumentError: a tuple, an empty list, or lists of different depths.
    """
    if type(arrays) is not list:
        if isinstance(arrays, tuple):
            raise ArgumentError(f"block: arrays must be nested in lists, got a tuple; write a list. {where('block')}")
        return 0
    depths = {_depth(a) for a in arrays}
    if len(depths) != 1:
        raise ArgumentError(
            f"block: the lists must be equally deep and not empty, got depths {sorted(depths)}; nest them alike. "
            f"{where('block')}"
        )
    return 1 + depths.pop()


def _leaves(arrays: Any) -> list[Any]:
    return [leaf for a in arrays for leaf in _leaves(a)] if type(arrays) is list else [arrays]


@registry.function(np.block)
def block(arrays: Any) -> Any:
    """An array of blocks: the innermost lists are joined along the last axis, the outer ones along those before it.

    Raises:
        ArgumentError: the nesting is not one of lists of one depth.
        ShapeError: the blocks do not fit together.
    """
    depth = _depth(arrays)
    rank = max(depth, *(np.ndim(a) for a in _leaves(arrays)), 0)

    def joined(part: Any, level: int) -> Any:
        if level == depth:
            return np.reshape(part, (1,) * (rank - np.ndim(part)) + tuple(np.shape(part)))
        return concatenated([joined(p, level + 1) for p in part], rank - depth + level)

    out = joined(arrays, 0)
    return identity(out) if depth == 0 else out


@registry.function(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    """Coordinates of a grid from those along its axes; with `indexing` "xy" the first two axes are exchanged.

    Raises:
        ArgumentError: `indexing` is neither "xy" nor "ij".
    """
    if indexing not in ("xy", "ij"):
        raise ArgumentError(
            f"meshgrid: indexing must be 'xy' or 'ij', got {indexing!r}; choose one. {where('meshgrid')}"
        )
    rank = len(xi)
    order = [1, 0, *range(2, rank)] if indexing == "xy" and rank > 1 else list(range(rank))
    out = [np.reshape(x, (1,) * order[i] + (-1,) + (1,) * (rank - order[i] - 1)) for i, x in enumerate(xi)]
    if not sparse:
        out = list(broadcast_arrays(*out))
    return tuple(identity(x) if copy else x for x in out)


@registry.function(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    """Every array repeated to the shape that they broadcast to.

    Raises:
        ShapeError: the shapes do not fit together.
    """
    with naming("broadcast_arrays", *args):
        shape = np.broadcast_shapes(*(np.shape(a) for a in args))
    return tuple(np.broadcast_to(a, shape) for a in args)


@registry.function(np.ix_)
def ix_(*args: Any) -> tuple[Any, ...]:
    """Vectors along axes of their own, whose index picks a block; booleans become the places of True.

    Raises:
        ShapeError: an argument is not one-dimensional.
    """
    for a in args:
        if np.ndim(a) != 1:
            raise ShapeError(
                f"ix_: the arguments must be one-dimensional, got shape {tuple(np.shape(a))}; flatten it. "
                f"{where('ix_')}"
            )
    ones = [(1,) * i + (-1,) + (1,) * (len(args) - i - 1) for i in range(len(args))]
    vectors = [np.nonzero(plain(a))[0] if np.asarray(plain(a)).dtype == bool else a for a in args]
    return tuple(np.reshape(v, s) for v, s in zip(vectors, ones, strict=True))


# -- picking --------------------------------------------------------------------------------------------------------


@registry.function(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """From the first choice whose condition holds, `default` where none does.

    Raises:
        ArgumentError: not as many choices as conditions, or none.
    """
    if not len(condlist) or len(condlist) != len(choicelist):
        raise ArgumentError(
            f"select: there must be as many choices as conditions, and one at least, got {len(choicelist)} and "
            f"{len(condlist)}; give one for each. {where('select')}"
        )
    out = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        out = np.where(plain(condition), choice, out)
    return out


@registry.function(np.choose)
def choose(a: Any, choices: Any, *, mode: str = "raise") -> Any:
    """For every element of `a` (whole numbers) that element of the choice with this number.

    Raises:
        ArgumentError: an unknown mode, or a number without a choice and mode "raise".
    """
    index, n = np.asarray(plain(a)), len(choices)
    if mode not in ("raise", "wrap", "clip"):
        raise ArgumentError(
            f"choose: mode must be 'raise', 'wrap' or 'clip', got {mode!r}; choose one. {where('choose')}"
        )
    if index.dtype.kind not in "iub" or (mode == "raise" and index.size and not 0 <= index.min() <= index.max() < n):
        span = f"values from {index.min()} to {index.max()}" if index.size else "no value"
        raise ArgumentError(
            f"choose: the numbers must be whole and from 0 to {n - 1}, got dtype {index.dtype} and {span}; "
            f"correct them, or use mode='clip' or 'wrap'. {where('choose')}"
        )
    index = index % n if mode == "wrap" else np.clip(index, 0, n - 1)
    out = choices[0]
    for k in range(1, n):
        out = np.where(index == k, choices[k], out)
    return identity(np.broadcast_to(out, np.broadcast_shapes(np.shape(out), index.shape)))


@registry.function(np.compress)
def compress(condition: Any, a: Any, axis: int | None = None) -> Any:
    """Slices along an axis (elements of the flattened array without one) where the condition holds.

    Raises:
        ShapeError: the condition is longer than the axis.
    """
    chosen = np.flatnonzero(plain(condition))
    with naming("compress", a):
        return take(a, chosen, axis=axis)


@registry.function(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    """The elements where the condition holds, in one axis."""
    return compress(np.reshape(plain(condition), -1), arr)


# -- out and in -----------------------------------------------------------------------------------------------------


@registry.function(np.delete)
def delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    """Without the slices at `obj` along an axis (without these elements of the flattened array, where it is None).

    Raises:
        ShapeError: an index or the axis is out of bounds.
    """
    if axis is None:
        arr, axis = np.reshape(arr, -1), 0
    with naming("delete", arr):
        axis = np.lib.array_utils.normalize_axis_index(axis, np.ndim(arr))
        left = np.delete(np.arange(np.shape(arr)[axis]), plain(obj))
    return getitem(arr, index=(slice(None),) * axis + (left,))


@registry.function(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """With `values` put in before the places `obj` along an axis (of the flattened array without one).

    Raises:
        ShapeError: an index is out of bounds, or the values do not fit.
    """
    arr = listed(arr)
    if axis is None:
        arr, axis = np.reshape(arr, -1), 0
    if not isinstance(values, Tensor):
        values = np.asarray(values)
    values = values.astype(arr.dtype)
    obj = plain(obj)
    with naming("insert", arr, values):
        axis = np.lib.array_utils.normalize_axis_index(axis, np.ndim(arr))
        rank, n = np.ndim(arr), np.shape(arr)[axis]
        single = not isinstance(obj, slice) and np.size(obj) == 1
        if single:  # one place for all values, which then lie along the axis
            values = np.reshape(values, (1,) * (rank - np.ndim(values)) + tuple(np.shape(values)))
            if np.ndim(obj) == 0:
                values = np.moveaxis(values, 0, axis)
            count = np.shape(values)[axis]
        else:
            count = np.insert(np.zeros(n), obj, 0).size - n
        # NumPy's own answer on numbers that tell which element, old or new, comes where.
        order = np.insert(np.arange(n), obj, n + np.arange(count))
        shape = tuple(np.shape(arr))
        values = np.broadcast_to(values, (*shape[:axis], count, *shape[axis + 1 :]))
    whole = concatenated([arr, values], axis)
    return getitem(whole, index=(slice(None),) * axis + (order,))


@registry.function(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """Number of occurrences of 0, 1, 2, …; with weights their sums, through which gradients flow.

    Raises:
        ShapeError: not as many weights as numbers, or more than one axis.
    """
    x = plain(x)
    if not isinstance(weights, Tensor):
        return np.bincount(x, weights, minlength)
    with naming("bincount", x, weights):
        counts = np.bincount(x, plain(weights), minlength)
    return scatter(weights.astype(np.float64), index=np.asarray(x), shape=counts.shape)
