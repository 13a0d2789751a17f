"""NumPy's functions that need no call, or are a view, on traced arrays."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .program import broadcast, reshape, transpose
from .tracing import Traced

if TYPE_CHECKING:
    from .trace import Trace

__all__ = ["KNOWN"]


def _shape(trace: Trace, a: Any) -> tuple[int, ...]:
    return a.shape  # type: ignore[no-any-return]


def _size(trace: Trace, a: Any, axis: Any = None) -> int:
    if axis is None:
        return a.size  # type: ignore[no-any-return]
    return math.prod(a.shape[i] for i in (axis if isinstance(axis, tuple) else (axis,)))


def _like(function: Any) -> Any:
    def make(
        trace: Trace, a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, **more: Any
    ) -> Any:
        return trace.constant(function(a.shape if shape is None else shape, dtype=a.dtype if dtype is None else dtype))

    return make


def _full_like(
    trace: Trace,
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    **more: Any,
) -> Any:
    shape = a.shape if shape is None else shape
    dtype = a.dtype if dtype is None else dtype
    if isinstance(fill_value, Traced):
        return np.broadcast_to(fill_value.astype(dtype), shape)
    return trace.constant(np.full(shape, fill_value, dtype))


def _by_dtype(function: Any) -> Any:
    """A question that dtypes and shapes answer."""

    def ask(trace: Trace, *args: Any, **kwargs: Any) -> Any:
        return function(*(x.concrete if isinstance(x, Traced) else x for x in args), **kwargs)

    return ask


def _reshape(trace: Trace, a: Any, shape: Any = None, order: str = "C", **more: Any) -> Any:
    if order != "C" or shape is None or not isinstance(a, Traced):
        return NotImplemented
    new = np.reshape(a.concrete, shape).shape
    return a if new == a.shape else trace.record("view", reshape, (a, new), {})


def _reshaping(function: Any) -> Any:
    """A function that gives the same elements in C order another shape."""

    def call(trace: Trace, a: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(a, Traced) or kwargs.get("order", "C") != "C" or (args and function is np.ravel):
            return NotImplemented
        return _reshape(trace, a, function(a.concrete, *args, **kwargs).shape)

    return call


def _transposing(function: Any) -> Any:
    """A function that gives the axes another order."""

    def call(trace: Trace, a: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(a, Traced):
            return NotImplemented
        marked = np.empty(tuple(range(2, 2 + a.ndim)), np.bool) if a.ndim < 9 else None
        if marked is None:
            return NotImplemented
        axes = tuple(n - 2 for n in function(marked, *args, **kwargs).shape)
        return a if axes == tuple(range(a.ndim)) else trace.record("view", transpose, (a, axes), {})

    return call


def _broadcast_to(trace: Trace, array: Any, shape: Any, subok: bool = False) -> Any:
    if not isinstance(array, Traced):
        return NotImplemented
    new = (shape,) if isinstance(shape, int) else tuple(shape)
    return array if new == array.shape else trace.record("view", broadcast, (array, new), {})


KNOWN: dict[Any, Any] = {
    np.shape: _shape,
    np.ndim: lambda trace, a: a.ndim,
    np.size: _size,
    np.zeros_like: _like(np.zeros),
    np.ones_like: _like(np.ones),
    np.empty_like: _like(np.zeros),
    np.full_like: _full_like,
    np.copy: lambda trace, a, order="K", subok=False: a,
    np.reshape: _reshape,
    np.broadcast_to: _broadcast_to,
    **{f: _by_dtype(f) for f in (np.result_type, np.can_cast, np.iscomplexobj, np.isrealobj, np.common_type)},
    **{f: _by_dtype(f) for f in (np.may_share_memory, np.shares_memory)},
    **{f: _reshaping(f) for f in (np.expand_dims, np.squeeze, np.ravel, np.atleast_1d, np.atleast_2d, np.atleast_3d)},
    **{f: _transposing(f) for f in (np.transpose, np.swapaxes, np.moveaxis, np.rollaxis)},
}
