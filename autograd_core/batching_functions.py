"""NumPy's functions on a batch of arrays, in one call for all members; see `batching.py`.

Each has NumPy's own arguments and gives NotImplemented where only a loop over the members will do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from .batching import BATCHED_FUNCTIONS, Batched, aligned, every, is_batched, raised, shifted

__all__: list[str] = []


_F = TypeVar("_F", bound=Callable[..., Any])


def _means(*functions: Any) -> Callable[[_F], _F]:
    """The decorated function is what these NumPy functions do on a batch."""

    def register(implementation: _F) -> _F:
        for function in functions:
            BATCHED_FUNCTIONS[function] = implementation
        return implementation

    return register


def _functions(*functions: Any) -> tuple[Any, ...]:
    return functions


# -- questions, and arrays like another --------------------------------------------------------------------------------

BATCHED_FUNCTIONS[np.shape] = lambda a: a.shape
BATCHED_FUNCTIONS[np.ndim] = lambda a: a.ndim
BATCHED_FUNCTIONS[np.size] = lambda a, axis=None: a.size if axis is None else a.shape[axis]
BATCHED_FUNCTIONS[np.iscomplexobj] = lambda x: x.dtype.kind == "c"
BATCHED_FUNCTIONS[np.isrealobj] = lambda x: x.dtype.kind != "c"
BATCHED_FUNCTIONS[np.result_type] = lambda *xs: np.result_type(*(x.every if is_batched(x) else x for x in xs))


def _like(function: Any, fills: bool = False) -> None:
    def make(a: Any, *fill: Any, dtype: Any = None, order: str = "K", shape: Any = None, subok: bool = True) -> Any:
        if not is_batched(a) or len(fill) != fills or any(is_batched(f) for f in fill):
            return NotImplemented
        shape = a.shape if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
        return Batched(function(a.every, *fill, dtype=dtype, order="C", shape=(len(a.every), *shape)))

    BATCHED_FUNCTIONS[function] = make


for _function in _functions(np.zeros_like, np.ones_like, np.empty_like):
    _like(_function)
_like(np.full_like, fills=True)


# -- along axes ----------------------------------------------------------------------------------------------------


def _only(a: Any, *others: Any) -> bool:
    """Whether `a` alone is a batch."""
    return is_batched(a) and not any(is_batched(o) for o in others)


def _reducing(function: Any) -> None:
    def reduce(a: Any, axis: Any = None, **options: Any) -> Any:
        if not _only(a, *options.values()):
            return NotImplemented
        return Batched(function(a.every, axis=shifted(axis, a.ndim), **options))

    BATCHED_FUNCTIONS[function] = reduce


for _function in _functions(
    np.sum, np.mean, np.prod, np.max, np.min, np.var, np.std, np.all, np.any, np.nansum, np.nanmean
):
    _reducing(_function)


def _along(function: Any, default: Any = None) -> None:
    """A function of one axis (or of the flat array)."""

    def along(a: Any, axis: Any = default, **options: Any) -> Any:
        if (
            not _only(a, *options.values())
            or not isinstance(axis, int | None)
            or (axis is None and "keepdims" in options)
        ):
            return NotImplemented
        a, axis = (np.ravel(a), 0) if axis is None else (a, axis)
        return Batched(function(a.every, axis=shifted(axis, a.ndim), **options))

    BATCHED_FUNCTIONS[function] = along


for _function in _functions(np.cumsum, np.cumprod, np.argmax, np.argmin):
    _along(_function)
_along(np.sort, -1)
_along(np.argsort, -1)


@_means(np.flip)
def _flip(m: Any, axis: Any = None) -> Any:
    return Batched(np.flip(m.every, shifted(axis, m.ndim)))


@_means(np.roll)
def _roll(a: Any, shift: Any, axis: Any = None) -> Any:
    if axis is None:
        return Batched(np.roll(a.every.reshape(len(a.every), a.size), shift, 1).reshape(a.every.shape))
    return Batched(np.roll(a.every, shift, shifted(axis, a.ndim)))


@_means(np.diff)
def _diff(a: Any, n: int = 1, axis: int = -1, **ends: Any) -> Any:
    return NotImplemented if ends else Batched(np.diff(a.every, n, shifted(axis, a.ndim)))


@_means(np.take)
def _take(a: Any, indices: Any, axis: Any = None, **options: Any) -> Any:
    if not _only(a, indices) or axis is None:
        return NotImplemented
    return Batched(np.take(a.every, indices, shifted(axis, a.ndim), **options))


@_means(np.take_along_axis)
def _take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    if axis is None or np.ndim(indices) != np.ndim(arr):
        return NotImplemented
    rank = np.ndim(arr)
    arr, indices = (x.every if is_batched(x) else x[None] for x in (arr, indices))
    return Batched(np.take_along_axis(arr, indices, shifted(axis, rank)))


# -- shapes ------------------------------------------------------------------------------------------------------------


@_means(np.reshape)
def _reshape(a: Any, /, shape: Any = None, order: str = "C", **options: Any) -> Any:
    if order != "C" or shape is None or options:
        return NotImplemented
    shape = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    if -1 in shape:  # by the size of one member, which need not be one of all if that is zero
        shape = np.empty(a.shape, dtype=bool).reshape(shape).shape
    return Batched(a.every.reshape((len(a.every), *shape)))


@_means(np.ravel)
def _ravel(a: Any, order: str = "C") -> Any:
    return Batched(a.every.reshape(len(a.every), a.size)) if order == "C" else NotImplemented


@_means(np.transpose)
def _transpose(a: Any, axes: Any = None) -> Any:
    axes = range(a.ndim)[::-1] if axes is None else axes
    return Batched(np.transpose(a.every, (0, *(i % a.ndim + 1 for i in axes))))


@_means(np.swapaxes)
def _swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    return Batched(np.swapaxes(a.every, shifted(axis1, a.ndim), shifted(axis2, a.ndim)))


@_means(np.moveaxis)
def _moveaxis(a: Any, source: Any, destination: Any) -> Any:
    return Batched(np.moveaxis(a.every, shifted(source, a.ndim), shifted(destination, a.ndim)))


@_means(np.expand_dims)
def _expand_dims(a: Any, axis: Any) -> Any:
    axes = tuple(axis) if isinstance(axis, tuple | list) else (axis,)
    return Batched(np.expand_dims(a.every, shifted(axes, a.ndim + len(axes))))


@_means(np.squeeze)
def _squeeze(a: Any, axis: Any = None) -> Any:
    if axis is None:
        axis = tuple(i for i, n in enumerate(a.shape) if n == 1)
    return Batched(np.squeeze(a.every, shifted(axis, a.ndim)))


@_means(np.broadcast_to)
def _broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    shape = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    return Batched(np.broadcast_to(raised(array, len(shape)), (len(array.every), *shape)))


def _together(arrays: Any) -> list[Any]:
    """Every array with the batch's axis; the same for all members where it is no batch itself."""
    count = next(len(x.every) for x in arrays if is_batched(x))
    return [x.every if is_batched(x) else np.broadcast_to(x, (count, *np.shape(x))) for x in arrays]


@_means(np.concatenate)
def _concatenate(arrays: Any, axis: Any = 0, **options: Any) -> Any:
    if axis is None or options or is_batched(arrays):
        return NotImplemented
    return Batched(np.concatenate(_together(arrays), shifted(axis, np.ndim(arrays[0]))))


@_means(np.stack)
def _stack(arrays: Any, axis: int = 0, **options: Any) -> Any:
    if options or is_batched(arrays):
        return NotImplemented
    return Batched(np.stack(_together(arrays), shifted(axis, np.ndim(arrays[0]) + 1)))


@_means(np.pad)
def _pad(array: Any, pad_width: Any, mode: str = "constant", **options: Any) -> Any:
    if mode != "constant" or any(np.ndim(v) for v in options.values()) or isinstance(pad_width, dict):
        return NotImplemented
    widths = np.broadcast_to(pad_width, (array.ndim, 2)).tolist()
    return Batched(np.pad(array.every, [(0, 0), *widths], **options))


@_means(np.diagonal)
def _diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return Batched(np.diagonal(a.every, offset, shifted(axis1, a.ndim), shifted(axis2, a.ndim)))


@_means(np.trace)
def _trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return Batched(np.trace(a.every, offset, shifted(axis1, a.ndim), shifted(axis2, a.ndim)))


@_means(np.split)
def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    return [Batched(part) for part in np.split(ary.every, indices_or_sections, shifted(axis, ary.ndim))]


@_means(np.lib.stride_tricks.sliding_window_view)
def _sliding_window_view(x: Any, window_shape: Any, axis: Any = None, **options: Any) -> Any:
    view = np.lib.stride_tricks.sliding_window_view
    return Batched(view(x.every, window_shape, shifted(axis, x.ndim), **options))


# -- elementwise functions that are no ufuncs -------------------------------------------------------------------------


@_means(np.where)
def _where(condition: Any, *values: Any) -> Any:
    return Batched(np.where(*aligned((condition, *values)))) if len(values) == 2 else NotImplemented


@_means(np.clip)
def _clip(a: Any, a_min: Any = None, a_max: Any = None, **options: Any) -> Any:
    if options or a_min is None or a_max is None:
        return NotImplemented
    return Batched(np.clip(*aligned((a, a_min, a_max))))


def _elementwise(function: Any) -> None:
    def each(x: Any, *args: Any, **kwargs: Any) -> Any:
        return Batched(function(x.every, *args, **kwargs)) if _only(x, *args, *kwargs.values()) else NotImplemented

    BATCHED_FUNCTIONS[function] = each


for _function in _functions(np.copy, np.real, np.imag, np.nan_to_num, np.round, np.around, np.sinc, np.i0):
    _elementwise(_function)


# -- products and matrices ---------------------------------------------------------------------------------------------


@_means(np.matmul)
def _matmul(a: Any, b: Any, **options: Any) -> Any:
    if options:
        return NotImplemented
    left, right = np.ndim(a), np.ndim(b)
    if left == 0 or right == 0:
        return NotImplemented
    if is_batched(a) and not is_batched(b) and left <= 2 and right <= 2:
        rows = a.every.reshape(
            len(a.every) * math.prod(a.shape[:-1]), a.shape[-1]
        )  # one product in place of one for each member
        return Batched(np.matmul(rows, b).reshape((len(a.every), *a.shape[:-1], *np.shape(b)[1:])))
    if left == 1 and right == 2 and not is_batched(a):
        return Batched(np.einsum("k,bkm->bm", a, b.every, optimize=True))
    if left == 2 and right == 1 and not is_batched(a):
        return Batched(np.matmul(b.every, np.transpose(a)))
    a = np.expand_dims(a, 0) if left == 1 else a
    b = np.expand_dims(b, -1) if right == 1 else b
    out = every(np.matmul(*aligned((a, b))))
    out = np.squeeze(out, -1) if right == 1 else out
    return np.squeeze(out, -1 if right == 1 else -2) if left == 1 else out


@_means(np.einsum)
def _einsum(subscripts: Any, *operands: Any, **options: Any) -> Any:
    if not isinstance(subscripts, str) or "out" in options:
        return NotImplemented
    spec = subscripts.replace(" ", "")
    free = next((c for c in "zyxwvutsrqponmlkjihgfedcbaZYXWVUTSRQPONMLKJIHGFEDCBA" if c not in spec), None)
    if "..." in spec or "->" not in spec or free is None:
        return NotImplemented
    before, after = spec.split("->")
    terms = before.split(",")
    own = [is_batched(x) for x in operands]
    terms = [free + t if batched else t for t, batched in zip(terms, own, strict=True)]
    arrays = [x.every if batched else x for x, batched in zip(operands, own, strict=True)]
    return Batched(np.einsum(f"{','.join(terms)}->{free}{after}", *arrays, **{"optimize": True, **options}))


@_means(np.vecdot)
def _vecdot(a: Any, b: Any, **options: Any) -> Any:
    return NotImplemented if options else every(np.vecdot(*aligned((a, b))))


@_means(np.tensordot)
def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    left, right = np.ndim(a), np.ndim(b)
    if isinstance(axes, int | np.integer):
        axes = (tuple(range(left - axes, left)), tuple(range(axes)))
    first, second = ((x,) if isinstance(x, int | np.integer) else tuple(x) for x in axes)
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    if left + right >= len(letters):
        return NotImplemented
    one, two = list(letters[:left]), list(letters[left : left + right])
    for i, j in zip(first, second, strict=True):
        two[j] = one[i]
    rest = [c for c in one if c not in two] + [c for c in two if c not in one]
    return _einsum(f"{''.join(one)},{''.join(two)}->{''.join(rest)}", a, b)


def _on_matrices(function: Any) -> None:
    """A function of the last two axes."""

    def matrices(a: Any, *args: Any, **kwargs: Any) -> Any:
        if not _only(a, *args, *kwargs.values()) or a.ndim < 2:
            return NotImplemented
        return every(function(a.every, *args, **kwargs))

    BATCHED_FUNCTIONS[function] = matrices


for _function in _functions(np.tril, np.triu, np.linalg.inv, np.linalg.det, np.linalg.pinv, np.linalg.slogdet):
    _on_matrices(_function)


@_means(np.linalg.solve)
def _solve(a: Any, b: Any) -> Any:
    left, right = np.ndim(a), np.ndim(b)
    if right == 1:
        b = np.expand_dims(b, -1)
    if not is_batched(a) and left == 2 and right <= 2:  # one factorization for all members
        sides = np.moveaxis(b.every, 0, -2)
        out = np.linalg.solve(a, sides.reshape(sides.shape[0], math.prod(sides.shape[1:]))).reshape(sides.shape)
        solved = Batched(np.moveaxis(out, -2, 0))
    else:
        solved = every(np.linalg.solve(*aligned((a, b))))
    return np.squeeze(solved, -1) if right == 1 else solved
