"""NumPy's functions that turn, shift, repeat and take apart arrays, composed of the operators that move elements."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError, where
from ..operator import Array, Bad, Sample, op, registry
from ..tensor import Tensor
from ._complaints import at_least, naming
from .indexing import getitem
from .shape import identity, owned
from .splitting import split

__all__ = ["repeat", "roll", "tile"]


def _backwards(shift: Any) -> Any:
    return tuple(-int(s) for s in np.reshape(shift, -1)) if np.ndim(shift) else -int(shift)


@op(
    "gather",
    numpy=np.roll,
    operands=("a",),
    symbol="roll",
    latex=r"\operatorname{roll}({a})",
    derivative={"a": "1"},
    samples=[
        Sample(Array(5), 2),
        Sample(Array(3, 4), -3),
        Sample(Array(3, 4), 1, axis=-1),
        Sample(Array(2, 3, 4), (1, -2), axis=(0, 2)),
        Sample(Array(3, 4), (1, 2, 5), axis=(0, 0, -1)),
        Sample(Array(3, 4), 7, axis=(0, 1)),
        Sample(Array(0, 3), 1, axis=0),
        Sample(Array(), 3),
    ],
    bad=[Bad(ShapeError, "roll: .*axis 2 is out of bounds", Array(3, 4), 1, axis=2)],
    linear="jointly",
    analytic=True,
)
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """Elements shifted along one or several axes, those that leave at one end coming in at the other."""
    return np.roll(a, shift, axis=axis)


roll.vjp(a=lambda g, shift, axis: np.roll(g, _backwards(shift), axis=axis))


# -- turning --------------------------------------------------------------------------------------------------------


@registry.function(np.rot90)
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """Turned by k quarters from the first towards the second of two axes; a view, as in NumPy.

    Raises:
        ArgumentError: there are not two different axes.
        ShapeError: an axis is out of bounds.
    """
    rank = np.ndim(m)
    with naming("rot90", m):
        places = np.lib.array_utils.normalize_axis_tuple(axes, rank, allow_duplicate=True)
    if len(places) != 2 or places[0] == places[1]:
        raise ArgumentError(
            f"rot90: axes must be two different axes, got {axes!r} for {rank} axes; name the plane to turn in. "
            f"{where('rot90')}"
        )
    first, second = places
    if k % 4 == 0:
        return m[(slice(None),) * rank]
    if k % 4 == 2:
        return np.flip(np.flip(m, first), second)
    order = list(range(rank))
    order[first], order[second] = second, first
    if k % 4 == 1:
        return np.transpose(np.flip(m, second), tuple(order))
    return np.flip(np.transpose(m, tuple(order)), second)


@registry.function(np.fliplr)
def fliplr(m: Any) -> Any:
    """Order of the columns (axis 1) reversed.

    Raises:
        ShapeError: fewer than two axes.
    """
    at_least("fliplr", m, 2)
    return np.flip(m, 1)


@registry.function(np.flipud)
def flipud(m: Any) -> Any:
    """Order of the rows (axis 0) reversed.

    Raises:
        ShapeError: no axis.
    """
    at_least("flipud", m, 1)
    return np.flip(m, 0)


@registry.function(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """One axis moved in front of the one at `start`.

    Raises:
        ShapeError: an axis is out of bounds.
    """
    with naming("rollaxis", a):
        # The order of axes that NumPy's own function gives, on an array whose lengths are the axes' numbers.
        probe = np.rollaxis(np.broadcast_to(0, tuple(range(np.ndim(a)))), axis, start)
    return np.transpose(a, probe.shape)


@registry.function(np.matrix_transpose)
def matrix_transpose(x: Any) -> Any:
    """The last two axes exchanged.

    Raises:
        ShapeError: fewer than two axes.
    """
    at_least("matrix_transpose", x, 2)
    return np.swapaxes(x, -1, -2)


def _at_least_axes(name: str, function: Any, shape: Any, doc: str) -> None:
    def one(a: Any) -> Any:
        return np.reshape(a, shape(np.shape(a))) if isinstance(a, Tensor) else function(a)

    def call(*arys: Any) -> Any:
        return one(arys[0]) if len(arys) == 1 else tuple(map(one, arys))

    call.__name__, call.__doc__ = name, doc
    registry.functions[function] = call


_at_least_axes("atleast_1d", np.atleast_1d, lambda s: s or (1,), "With one axis at least.")
_at_least_axes(
    "atleast_2d", np.atleast_2d, lambda s: (1,) * (2 - len(s)) + s, "With two axes at least, new ones first."
)
_at_least_axes(
    "atleast_3d",
    np.atleast_3d,
    lambda s: {0: (1, 1, 1), 1: (1, *s, 1), 2: (*s, 1)}.get(len(s), s),
    "With three axes at least: (N,) becomes (1, N, 1) and (M, N) becomes (M, N, 1).",
)


# -- repeating ------------------------------------------------------------------------------------------------------


@registry.function(np.tile)
def tile(A: Any, reps: Any) -> Any:
    """The whole array repeated `reps` times along every axis.

    Raises:
        ShapeError: a negative number of repetitions.
    """
    counts = tuple(int(r) for r in np.reshape(reps, -1))
    shape = tuple(np.shape(A))
    rank = max(len(shape), len(counts))
    counts, shape = (1,) * (rank - len(counts)) + counts, (1,) * (rank - len(shape)) + shape
    if any(r < 0 for r in counts):
        raise ShapeError(f"tile: reps must not be negative, got {counts}; correct them. {where('tile')}")
    if all(r == 1 for r in counts):
        return identity(np.reshape(A, shape))
    spread = np.broadcast_to(
        np.reshape(A, tuple(n for size in shape for n in (1, size))),
        tuple(n for pair in zip(counts, shape, strict=True) for n in pair),
    )
    return np.reshape(spread, tuple(r * n for r, n in zip(counts, shape, strict=True)))


@registry.function(np.repeat)
def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Every element repeated, one number of times or each its own, along an axis (of the flattened array without one).

    Raises:
        ShapeError: a negative number, or not as many numbers as there are elements along the axis.
    """
    if axis is None:
        a, axis = np.reshape(a, -1), 0
    shape = tuple(np.shape(a))
    with naming("repeat", a):
        axis = np.lib.array_utils.normalize_axis_index(axis, len(shape))
        counts = np.array(getattr(repeats, "data", repeats) if isinstance(repeats, Tensor) else repeats)
        sources = np.repeat(np.arange(shape[axis]), counts)
    if counts.size == 1:
        number = int(counts.reshape(-1)[0])
        whole = (*shape[: axis + 1], number, *shape[axis + 1 :])
        repeated = np.reshape(
            np.broadcast_to(np.expand_dims(a, axis + 1), whole),
            (*shape[:axis], shape[axis] * number, *shape[axis + 1 :]),
        )
        return owned(repeated)
    return getitem(a, index=(slice(None),) * axis + (sources,))


@registry.function(np.resize)
def resize(a: Any, new_shape: Any) -> Any:
    """The elements in another shape, begun again as often as it needs.

    Raises:
        ShapeError: a negative length.
    """
    shape = (int(new_shape),) if np.ndim(new_shape) == 0 else tuple(int(n) for n in new_shape)
    if any(n < 0 for n in shape):
        raise ShapeError(
            f"resize: the lengths of new_shape must not be negative, got {shape}; give them all. {where('resize')}"
        )
    size, flat = math.prod(shape), np.reshape(a, -1)
    if not flat.size or not size:
        return np.zeros_like(a, shape=shape)
    if size > flat.size:
        flat = tile(flat, -(-size // flat.size))
    return owned(np.reshape(flat[:size], shape))


# -- taking apart ---------------------------------------------------------------------------------------------------


def _edges(name: str, ary: Any, indices_or_sections: Any, axis: int, equal: bool) -> tuple[list[Any], int]:
    """The index of every part along the axis."""
    with naming(name, ary):
        axis = np.lib.array_utils.normalize_axis_index(axis, np.ndim(ary))
    n = np.shape(ary)[axis]
    if np.ndim(indices_or_sections):
        bounds = [0, *(int(i) for i in indices_or_sections), None]
        return [slice(a, b) for a, b in itertools.pairwise(bounds)], axis
    number = int(indices_or_sections)
    if number <= 0 or (equal and n % number):
        raise ShapeError(
            f"{name}: sections must be a positive number"
            f"{' that divides the axis, an array split does not result in an equal division' if equal else ''}, got "
            f"{number} for an axis of length {n}; use np.array_split or give the places to cut at. {where(name)}"
        )
    sizes = [n // number + (i < n % number) for i in range(number)]
    ends = [sum(sizes[: i + 1]) for i in range(number)]
    return [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)], axis


def _parts(name: str, ary: Any, indices_or_sections: Any, axis: int = 0, equal: bool = True) -> list[Any]:
    """Views of the parts, cut by one operator, whose gradient joins theirs."""
    from ..views import register_view

    slices, axis = _edges(name, ary, indices_or_sections, axis, equal)
    spans = [s.indices(np.shape(ary)[axis])[:2] for s in slices]
    lead = (slice(None),) * axis
    if spans[0][0] != 0 or any(a[1] != b[0] or b[1] < b[0] for a, b in itertools.pairwise(spans)):
        return [ary[(*lead, s)] for s in slices]  # cuts that go back: NumPy's parts overlap
    parts = list(split(ary, [b for _, b in spans[:-1]], axis=axis))
    for part, (a, b) in zip(parts, spans, strict=True):
        register_view(ary, part, getitem, {"index": (*lead, slice(a, b))}, ary.data)
    return parts


@registry.function(np.split)
def splitted(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """A list of views of parts along an axis: a number of equal ones, or cut at given places.

    Raises:
        ShapeError: the number does not divide the axis.
    """
    return _parts("split", ary, indices_or_sections, axis)


@registry.function(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """`np.split` into a number of parts that are as equal as they can be.

    Raises:
        ShapeError: the number is not positive.
    """
    return _parts("array_split", ary, indices_or_sections, axis, equal=False)


@registry.function(np.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """`np.split` by columns: along axis 1, of a vector along its only axis.

    Raises:
        ShapeError: no axis, or the number does not divide it.
    """
    at_least("hsplit", ary, 1)
    return _parts("hsplit", ary, indices_or_sections, 0 if np.ndim(ary) == 1 else 1)


@registry.function(np.vsplit)
def vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """`np.split` by rows, along axis 0.

    Raises:
        ShapeError: fewer than two axes, or the number does not divide the axis.
    """
    at_least("vsplit", ary, 2)
    return _parts("vsplit", ary, indices_or_sections, 0)


@registry.function(np.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """`np.split` along axis 2.

    Raises:
        ShapeError: fewer than three axes, or the number does not divide the axis.
    """
    at_least("dsplit", ary, 3)
    return _parts("dsplit", ary, indices_or_sections, 2)


@registry.function(np.unstack)
def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """Views of the slices along an axis, without it.

    Raises:
        ShapeError: the array has no such axis.
    """
    at_least("unstack", x, 1)
    with naming("unstack", x):
        axis = np.lib.array_utils.normalize_axis_index(axis, np.ndim(x))
    n = np.shape(x)[axis]
    return tuple(np.squeeze(part, axis=axis) for part in _parts("unstack", x, n, axis)) if n else ()
