"""Canonical form of reductions: sums, means, variances, extremes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..program import Call, Value, cast
from .rewriting import Rewriter, is_number

__all__ = ["mean", "reducing", "reduction", "static_axes", "variance"]

_NO_VALUE = np._NoValue
_EXTREMES: dict[Any, float] = {np.maximum: -np.inf, np.minimum: np.inf}
_UPCAST = {np.add, np.multiply}  # reductions that widen small integers


def static_axes(axis: Any, rank: int) -> tuple[int, ...] | None:
    """Non-negative, in order; None if they are not static integers."""
    if axis is None:
        return tuple(range(rank))
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    if not all(isinstance(i, int | np.integer) and not isinstance(i, bool) and -rank <= i < rank for i in axes):
        return None
    return tuple(sorted({int(i) % rank for i in axes}))


def reduction(rewriter: Rewriter, call: Call, function: np.ufunc) -> bool:
    """The method `function.reduce(array, axis=0, dtype=None, out=None, keepdims=False, initial=..., where=True)`."""
    names = ("array", "axis", "dtype", "out", "keepdims", "initial", "where")
    given = {"axis": 0, **dict(zip(names, call.args)), **call.keywords}
    initial = given.get("initial", _NO_VALUE)
    if (
        given.get("out") is not None
        or given.get("where", True) is not True
        or not _reduce(rewriter, call, function, given, None if initial is _NO_VALUE else initial)
    ):
        # As it is: what the form "reduce" has no place for is a function like any other.
        rewriter.append(Call("call", function.reduce, call.args, call.keywords, call.results))
    return True


def _reduce(rewriter: Rewriter, call: Call, function: np.ufunc, given: dict[str, Any], initial: Any = None) -> bool:
    a, result = given.get("array", given.get("a")), call.result
    if not isinstance(a, Value):
        return False
    axes = static_axes(given.get("axis"), len(a.shape))
    keepdims = given.get("keepdims")
    if axes is None or not (keepdims is None or isinstance(keepdims, bool | np.bool)):
        return False
    empty = any(a.shape[i] == 0 for i in axes)
    if initial is not None:
        neutral = _EXTREMES.get(function, function.identity)
        if empty or not is_number(initial) or initial != neutral or a.dtype.kind != "f":
            return False
    if empty and function in _EXTREMES:
        return False  # NumPy's error is to come from NumPy's function
    dtype = given.get("dtype")
    wanted = result.dtype if dtype is not None else a.dtype
    if dtype is not None and wanted != a.dtype:
        a = rewriter.emit("cast", cast, (a,), {"dtype": wanted}, Value(a.shape, wanted))
    # Small integers are widened and truth values made by the reduction itself.
    if dtype is not None and function in _UPCAST and wanted.kind in "biu" and wanted.itemsize < np.dtype(int).itemsize:
        return False
    rewriter.reduce(function, a, axes, bool(keepdims), result)
    return True


def reducing(function: np.ufunc) -> Callable[[Rewriter, Call, dict[str, Any]], bool]:
    """A handler for NumPy's function that is this ufunc's reduction."""

    def handler(rewriter: Rewriter, call: Call, given: dict[str, Any]) -> bool:
        return _reduce(rewriter, call, function, given, given.get("initial"))

    return handler


def _mean_of(rewriter: Rewriter, a: Value, axes: tuple[int, ...], keepdims: bool, result: Value) -> None:
    count = math.prod(a.shape[i] for i in axes)
    rewriter.ufunc(np.true_divide, rewriter.reduce(np.add, a, axes, keepdims), count, result=result)


def mean(rewriter: Rewriter, call: Call, given: dict[str, Any]) -> bool:
    """Sum and division; float16 is summed in float32, integers and truth values in float64, as NumPy does it."""
    a, result = given["a"], call.result
    if not isinstance(a, Value) or result.dtype.kind != "f" or a.dtype.kind not in "fiub":
        return False
    axes = static_axes(given["axis"], len(a.shape))
    if axes is None or any(a.shape[i] == 0 for i in axes):
        return False  # NumPy warns of the mean of an empty slice
    half = a.dtype == result.dtype == np.float16
    if half and given["dtype"] is not None:
        return False
    wanted = np.dtype(np.float32) if half else result.dtype
    if wanted != a.dtype:
        a = rewriter.emit("cast", cast, (a,), {"dtype": wanted}, Value(a.shape, wanted))
    if half:
        mean = Value(result.shape, wanted)
        _mean_of(rewriter, a, axes, bool(given["keepdims"]), mean)
        rewriter.emit("cast", cast, (mean,), {"dtype": result.dtype}, result)
    else:
        _mean_of(rewriter, a, axes, bool(given["keepdims"]), result)
    return True


def variance(rewriter: Rewriter, call: Call, given: dict[str, Any]) -> bool:
    """Two passes over the array, as NumPy makes them; `std` is its root."""
    a, result = given["a"], call.result
    if not isinstance(a, Value) or a.dtype != result.dtype or a.dtype not in (np.float32, np.float64):
        return False
    axes = static_axes(given["axis"], len(a.shape))
    ddof: Any = given.get("correction") if given.get("correction") is not None else given["ddof"]
    if axes is None or type(ddof) not in (int, float) or given.get("mean") is not None:
        return False
    if given["dtype"] is not None and np.dtype(given["dtype"]) != a.dtype:
        return False
    count = math.prod(a.shape[i] for i in axes)
    if count - ddof <= 0:
        return False  # NumPy warns
    mean = Value(tuple(1 if i in axes else n for i, n in enumerate(a.shape)), a.dtype)
    _mean_of(rewriter, a, axes, True, mean)
    centred = rewriter.ufunc(np.subtract, a, mean)
    total = rewriter.reduce(np.add, rewriter.ufunc(np.multiply, centred, centred), axes, bool(given["keepdims"]))
    if call.function is np.std:
        rewriter.ufunc(np.sqrt, rewriter.ufunc(np.true_divide, total, count - ddof), result=result)
    else:
        rewriter.ufunc(np.true_divide, total, count - ddof, result=result)
    return True
