"""Patterns of functions that only move elements, by running them on arrays of indices.

What NumPy makes of a view is told by its strides, without a single element: that serves reshaping, transposing,
slicing, splitting and sliding windows of any size. What copies is run on the coordinates of its operand.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_core.drawing.patterns.algebra import Pattern, make
from autograd_core.drawing.patterns.factors import LIMIT, Factor, Shape, sparse

__all__ = ["by_coordinates", "by_strides", "indexed"]


def by_strides(function: Callable[[Any], Any], shape: Shape) -> Pattern | None:
    """The pattern of a function that returns a view, or None if it returns a copy.

    The function gets an array without content. Its view has an offset and a stride per axis, so an element's place in
    the source is a sum over the axes of the target; the digits of that sum, in the mixed base of the source's shape,
    are the source's indices.
    """
    base = np.empty(shape, dtype=np.int8)
    out = function(base)
    if not isinstance(out, np.ndarray) or not (out.base is base or np.may_share_memory(out, base)):
        return None if math.prod(shape) else Pattern(shape, np.shape(out), ())
    if not base.size or not out.size:
        return Pattern(shape, out.shape, ())
    offset = out.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    long = [i for i, n in enumerate(shape) if n > 1]
    moving = [k for k, n in enumerate(out.shape) if n > 1 and out.strides[k]]
    groups = _digit_groups(shape, out, long, moving)
    factors = [_digits(shape, out, axes, moved, offset) for axes, moved in groups]
    if None in factors:  # a sum carries from one group into another
        factors = [_digits(shape, out, long, moving, offset)]
    given_up = any(f is None for f in factors)
    return make(shape, out.shape, [[f for f in factors if f is not None]], exact=not given_up)


def _digit_groups(shape: Shape, out: Any, long: list[int], moving: list[int]) -> list[tuple[list[int], list[int]]]:
    """The axes of the source, with the axes of the target on which their indices depend."""
    groups: list[tuple[set[int], set[int]]] = [({i}, set()) for i in long]
    for k in moving:
        step = abs(out.strides[k])
        touched = _touched(shape, long, step, step * (out.shape[k] - 1))
        joined = (set(touched), {k})
        rest = []
        for group in groups:
            if group[0] & joined[0]:
                joined[0].update(group[0])
                joined[1].update(group[1])
            else:
                rest.append(group)
        groups = [*rest, joined]
    return [(sorted(axes), sorted(moved)) for axes, moved in groups]


def _touched(shape: Shape, long: list[int], step: int, reach: int) -> list[int]:
    """The axes whose index changes with multiples of `step` up to `reach`."""
    strides = _strides(shape)
    lowest = next(i for i in reversed(long) if step % (strides[i] * shape[i]))
    return [i for i in long if i <= lowest and strides[i] <= reach]


def _strides(shape: Shape) -> list[int]:
    return [math.prod(shape[i + 1 :]) for i in range(len(shape))]


def _digits(shape: Shape, out: Any, axes: list[int], moved: list[int], offset: int) -> Factor | None:
    """The relation of one group; None if the sum leaves its digits, or takes too many pairs."""
    strides = _strides(shape)
    start = sum(offset // strides[i] % shape[i] * strides[i] for i in axes)
    sizes = [shape[i] for i in axes]
    lengths = [out.shape[k] for k in moved]
    straight = [math.prod(lengths[j + 1 :]) * (strides[axes[-1]] if axes else 1) for j in range(len(moved))]
    consecutive = all(strides[a] == strides[b] * shape[b] for a, b in itertools.pairwise(axes))
    whole = not start and consecutive and math.prod(sizes) == math.prod(lengths)
    if whole and [out.strides[k] for k in moved] == straight:
        return Factor(tuple(axes), tuple(moved))
    if math.prod(lengths) > LIMIT:
        return None
    place = np.full(lengths, start, dtype=np.intp)
    for j, k in enumerate(moved):
        place += np.arange(lengths[j]).reshape([-1 if j == i else 1 for i in range(len(moved))]) * out.strides[k]
    place = place.ravel()
    row = np.zeros(place.size, dtype=np.intp)
    rest = place.copy()
    for i in axes:
        digit = rest // strides[i]
        if np.any((digit < 0) | (digit >= shape[i])):
            return None
        row = row * shape[i] + digit
        rest = rest - digit * strides[i]
    if np.any(rest):
        return None
    return Factor(tuple(axes), tuple(moved), sparse(row, np.arange(place.size), (math.prod(sizes), place.size)))


def by_coordinates(function: Callable[[Any], Any], shape: Shape) -> Pattern | None:
    """The pattern of a function each of whose output elements is one element of its operand.

    Returns:
        The pattern, or None where the output is too large to be run on coordinates, or where what it takes depends on
        the elements themselves, as in sorting.
    """
    long = [i for i, n in enumerate(shape) if n > 1]
    if not math.prod(shape):
        return Pattern(shape, np.shape(function(np.empty(shape))), ())
    target: Shape = np.shape(function(np.broadcast_to(np.int8(0), shape)))
    if math.prod(target) * max(len(long), 1) > LIMIT:
        return None
    groups: list[tuple[set[int], set[int]]] = []
    found = {}
    for i in long:
        index = np.arange(shape[i]).reshape([-1 if j == i else 1 for j in range(len(shape))])
        found[i] = np.asarray(function(np.broadcast_to(index, shape)))
        if not found[i].size:
            return Pattern(shape, target, ())
        # Other elements must come from the same places; what is filled in, such as zeros, has none.
        if not np.array_equal(-1 - np.asarray(function(np.broadcast_to(-1 - index, shape))), found[i]):
            return None
        joined = ({i}, {k for k in range(len(target)) if _varies(found[i], k)})
        rest = []
        for group in groups:
            if group[1] & joined[1]:
                joined[0].update(group[0])
                joined[1].update(group[1])
            else:
                rest.append(group)
        groups = [*rest, joined]
    factors = []
    for axes, moved in groups:
        corner = tuple(slice(None) if k in moved else 0 for k in range(len(target)))
        row = np.zeros([target[k] for k in sorted(moved)], dtype=np.intp)
        for i in sorted(axes):
            row = row * shape[i] + found[i][corner]
        size = math.prod(shape[i] for i in axes)
        matrix = sparse(row.ravel(), np.arange(row.size), (size, row.size))
        factors.append(Factor(tuple(sorted(axes)), tuple(sorted(moved)), matrix))
    return make(shape, target, [factors])


def _varies(array: Any, axis: int) -> bool:
    return bool(np.any(array != array[(slice(None),) * axis + (slice(0, 1),)]))


def indexed(shape: Shape, index: Any) -> Pattern | None:
    """The pattern of `a[index]` for an `a` of this shape, basic or advanced; None where it is too large."""
    items = tuple(index) if isinstance(index, tuple) else (index,)
    items = tuple(np.asarray(i) if isinstance(i, list | tuple | np.ndarray | bool | np.bool_) else i for i in items)
    if not any(i is Ellipsis for i in items):
        items = (*items, Ellipsis)
    # With an ellipsis the result is an array also where every axis has an index.
    if all(i is None or i is Ellipsis or isinstance(i, int | np.integer | slice) for i in items):
        return by_strides(lambda a: a[items], shape)
    whole = _whole_axes(items, len(shape))
    # An axis that is taken as it is may be of any length. Of length one, it costs nothing.
    small = tuple(1 if i in whole else n for i, n in enumerate(shape))
    if not math.prod(shape):
        return Pattern(shape, np.empty(shape)[items].shape, ())
    core = by_coordinates(lambda a: a[items], small)
    if core is None:
        return None
    factors = []
    target = list(core.target)
    for i in whole:
        wider = tuple(2 if j == i else n for j, n in enumerate(small))
        grown = np.broadcast_to(np.int8(0), wider)[items].shape
        place = next(k for k, (a, b) in enumerate(zip(grown, core.target, strict=True)) if a != b)
        factors.append(Factor((i,), (place,)))
        target[place] = shape[i]
    terms = [[*term, *factors] for term in core.terms]
    return make(shape, tuple(target), terms)


def _whole_axes(items: Sequence[Any], rank: int) -> list[int]:
    """The axes that an index takes as they are."""
    used = [i.ndim if isinstance(i, np.ndarray) and i.dtype.kind == "b" else 1 for i in items]
    used = [0 if i is None or i is Ellipsis else n for i, n in zip(items, used, strict=True)]
    axis = 0
    whole: list[int] = []
    for item, n in zip(items, used, strict=True):
        if item is Ellipsis:
            whole += range(axis, axis + rank - sum(used))
            axis += rank - sum(used)
        elif isinstance(item, slice) and item == slice(None):
            whole.append(axis)
            axis += 1
        else:
            axis += n
    return whole
