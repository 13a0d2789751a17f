"""Canonical form: NumPy's many ways to say a thing become ufuncs, reductions, casts and views.

A handler is given the call's arguments by name and emits what stands in its place, or returns False for what it leaves
as it is. It trusts the result's shape and dtype, which the tracer has from NumPy itself.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ..program import Call, Program, Value, basic_index, broadcast, cast, reshape, transpose
from .einsums import einsum
from .reductions import mean, reducing, reduction, static_axes, variance
from .rewriting import Rewriter, is_number, rewrite

__all__ = ["canonical"]


def canonical(program: Program) -> Program:
    """Rewrites calls of NumPy functions that are a ufunc, a reduction, a cast or a view; leaves all others."""
    return rewrite(program, _step)


def _step(rewriter: Rewriter, call: Call) -> bool:
    if call.kind in ("draw", "check", "view", "cast"):
        return False
    if any(isinstance(x, np.ndarray | np.generic) and x.dtype != object for x in call.args):
        # An array that was met on the way is a constant.
        args = tuple(rewriter.constant(x) if isinstance(x, np.ndarray | np.generic) else x for x in call.args)
        call = Call(call.kind, call.function, args, call.keywords, call.results)
    function = call.function
    if call.kind == "reduce":
        return reduction(rewriter, call, function)
    if isinstance(function, np.ufunc):
        return _ufunc(rewriter, call)
    if getattr(function, "__name__", "") == "reduce" and isinstance(getattr(function, "__self__", None), np.ufunc):
        return reduction(rewriter, call, function.__self__)
    try:
        handler = _HANDLERS.get(function)
    except TypeError:  # not hashable
        return False
    if handler is None or (len(call.results) != 1 and function not in _SEVERAL):
        return False
    try:
        bound = _signature(function).bind(*call.args, **call.keywords)
        bound.apply_defaults()
    except TypeError:
        return False
    arguments = {k: None if v is np._NoValue else v for k, v in bound.arguments.items()}
    if arguments.get("out") is not None or arguments.get("where") not in (None, True):
        return False
    return handler(rewriter, call, arguments)


@lru_cache(maxsize=512)
def _signature(function: Any) -> inspect.Signature:
    return inspect.signature(function)


# -- elementwise -----------------------------------------------------------------------------------------------------


def _ufunc(rewriter: Rewriter, call: Call) -> bool:
    function, args = call.function, call.args
    plain = function.nout == 1 and function.signature is None and not call.keywords and len(args) == function.nin
    if not plain or not all(isinstance(x, Value) or is_number(x) for x in args):
        # matmul and its like have inner loops of their own; keywords and several results are nobody else's business.
        rewriter.append(Call("call", function, args, call.keywords, call.results))
        return True
    result = call.result
    a = args[0]
    same = isinstance(a, Value) and a.dtype == result.dtype and a.shape == result.shape
    if function in (np.positive, np.conjugate) and same and result.dtype.kind in "fiu":
        rewriter.replace(result, a)
        return True
    if function is np.square and same and result.dtype.kind in "fiuc":
        rewriter.ufunc(np.multiply, a, a, result=result)
        return True
    if function is np.power and same and is_number(args[1]) and _power(rewriter, a, args[1], result):
        return True
    if call.kind != "ufunc":
        rewriter.emit("ufunc", function, args, {}, result)
        return True
    if args is not call.args:
        call = Call("ufunc", function, args, {}, call.results)
    rewriter.append(call)
    return True


def _power(rewriter: Rewriter, a: Value, exponent: Any, result: Value) -> bool:
    """Small powers as products and roots, as NumPy's own `**` has them."""
    if result.dtype.kind not in "fiu" or isinstance(exponent, bool | complex):
        return False
    if exponent == 1:
        rewriter.replace(result, a)
    elif exponent == 2:
        rewriter.ufunc(np.multiply, a, a, result=result)
    elif exponent == 3:
        rewriter.ufunc(np.multiply, rewriter.ufunc(np.multiply, a, a), a, result=result)
    elif exponent == 4:
        squared = rewriter.ufunc(np.multiply, a, a)
        rewriter.ufunc(np.multiply, squared, squared, result=result)
    elif exponent == 0.5 and result.dtype.kind == "f":
        rewriter.ufunc(np.sqrt, a, result=result)
    elif exponent == -1 and result.dtype.kind == "f":
        rewriter.ufunc(np.true_divide, 1, a, result=result)
    else:
        return False
    return True


def _clip(rewriter: Rewriter, call: Call, given: dict[str, Any]) -> bool:
    a, result = given["a"], call.result
    low = given["a_min"] if given["a_min"] is not None else given.get("min")
    high = given["a_max"] if given["a_max"] is not None else given.get("max")
    if not isinstance(a, Value) or given.get("kwargs") or a.dtype != result.dtype or result.dtype.kind != "f":
        return False
    for bound in (low, high):
        if not (bound is None or type(bound) in (int, float) or (isinstance(bound, Value) and bound.dtype == a.dtype)):
            return False
    if low is None and high is None:
        return False
    if low is not None and high is not None:
        rewriter.ufunc(np.minimum, rewriter.ufunc(np.maximum, a, low), high, result=result)
    elif low is not None:
        rewriter.ufunc(np.maximum, a, low, result=result)
    else:
        rewriter.ufunc(np.minimum, a, high, result=result)
    return True


def _outer(rewriter: Rewriter, call: Call, given: dict[str, Any]) -> bool:
    a, b, result = given["a"], given["b"], call.result
    if not (isinstance(a, Value) and isinstance(b, Value)):
        return False
    column = rewriter.view(reshape, a, (a.size, 1), Value((a.size, 1), a.dtype))
    row = rewriter.view(reshape, b, (1, b.size), Value((1, b.size), b.dtype))
    rewriter.ufunc(np.multiply, column, row, result=result)
    return True


def _dot(rewriter: Rewriter, call: Call, given: dict[str, Any]) -> bool:
    a, b, result = given["a"], given["b"], call.result
    if not (isinstance(a, Value) and isinstance(b, Value)):
        return False
    if not a.shape or not b.shape:
        rewriter.ufunc(np.multiply, a, b, result=result)
    elif len(a.shape) == 2 and len(b.shape) == 2:
        rewriter.emit("call", np.matmul, (a, b), {}, result)
    else:
        return False
    return True


def _same(rewriter: Rewriter, call: Call, given: dict[str, Any]) -> bool:
    """A copy: values of a program are never written to."""
    a = next(iter(given.values()))
    if not isinstance(a, Value) or a.dtype != call.result.dtype or a.shape != call.result.shape:
        return False
    if call.function is np.real and a.dtype.kind not in "fiu":
        return False
    rewriter.replace(call.result, a)
    return True


def _cast(rewriter: Rewriter, call: Call, given: dict[str, Any]) -> bool:
    x = given["x"]
    if not isinstance(x, Value):
        return False
    rewriter.emit("cast", cast, (x,), {"dtype": call.result.dtype}, call.result)
    return True


def _filled(rewriter: Rewriter, call: Call, given: dict[str, Any]) -> bool:
    """`zeros_like` and its like: one number, broadcast."""
    result = call.result
    fill = {np.zeros_like: 0, np.ones_like: 1}.get(call.function, given.get("fill_value"))
    if not is_number(fill):
        return False
    try:
        number = rewriter.constant(np.full((), fill, result.dtype))
    except (OverflowError, ValueError, TypeError):
        return False
    if result.shape:
        rewriter.view(broadcast, number, result.shape, result)
    else:
        rewriter.replace(result, number)
    return True


# -- views -----------------------------------------------------------------------------------------------------------


def _reshape(rewriter: Rewriter, call: Call, given: dict[str, Any]) -> bool:
    """The same elements in C order; the new shape is the result's."""
    a = next(iter(given.values()))
    if not isinstance(a, Value) or given.get("order", "C") not in ("C", None) or a.dtype != call.result.dtype:
        return False
    rewriter.view(reshape, a, call.result.shape, call.result)
    return True


def _transpose(rewriter: Rewriter, call: Call, given: dict[str, Any]) -> bool:
    a = next(iter(given.values()))
    if not isinstance(a, Value):
        return False
    # An array without memory whose axes can be told apart by their lengths.
    probe = np.broadcast_to(np.uint8(0), tuple(range(2, 2 + len(a.shape))))
    moved = call.function(probe, *list(given.values())[1:])
    rewriter.view(transpose, a, tuple(n - 2 for n in moved.shape), call.result)
    return True


def _broadcast(rewriter: Rewriter, call: Call, given: dict[str, Any]) -> bool:
    a = given["array"]
    if is_number(a):
        a = rewriter.constant(a)
    if not isinstance(a, Value):
        return False
    rewriter.view(broadcast, a, call.result.shape, call.result)
    return True


def _flip(rewriter: Rewriter, call: Call, given: dict[str, Any]) -> bool:
    a = given["m"]
    axes = static_axes(given["axis"], len(a.shape)) if isinstance(a, Value) else None
    if axes is None:
        return False
    index = tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(len(a.shape)))
    rewriter.view(basic_index, a, index, call.result)
    return True


def _getitem(rewriter: Rewriter, call: Call, given: dict[str, Any]) -> bool:
    a, index = list(given.values())
    index = index if isinstance(index, tuple) else (index,)
    if not isinstance(a, Value) or not all(_is_basic(i) for i in index):
        return False
    rewriter.view(basic_index, a, index, call.result)
    return True


def _is_basic(i: Any) -> bool:
    if isinstance(i, slice):
        return all(x is None or isinstance(x, int | np.integer) for x in (i.start, i.stop, i.step))
    return i is None or i is Ellipsis or (isinstance(i, int | np.integer) and not isinstance(i, bool))


def _split(rewriter: Rewriter, call: Call, given: dict[str, Any]) -> bool:
    a = given["ary"]
    axes = static_axes(given["axis"], len(a.shape)) if isinstance(a, Value) else None
    if axes is None or len(axes) != 1:
        return False
    sections = given["indices_or_sections"]
    (axis,) = axes
    size = a.shape[axis]
    if isinstance(sections, int | np.integer):
        starts = [i * (size // int(sections)) for i in range(int(sections))]
    elif isinstance(sections, tuple | list) and all(isinstance(i, int | np.integer) for i in sections):
        starts = [0, *(slice(int(i), None).indices(size)[0] for i in sections)]
    else:
        return False
    for start, result in zip(starts, call.results, strict=True):
        index = (*[slice(None)] * axis, slice(start, start + result.shape[axis]))
        rewriter.view(basic_index, a, index, result)
    return True


_SEVERAL = (np.split,)
_HANDLERS: dict[Any, Callable[[Rewriter, Call, dict[str, Any]], bool]] = {
    **dict.fromkeys((np.reshape, np.ravel, np.expand_dims, np.squeeze), _reshape),
    **dict.fromkeys((np.transpose, np.swapaxes, np.moveaxis, np.rollaxis, np.matrix_transpose), _transpose),
    **dict.fromkeys((np.permute_dims,), _transpose),
    **dict.fromkeys((np.copy, np.real), _same),
    **dict.fromkeys((np.zeros_like, np.ones_like, np.full_like), _filled),
    **dict.fromkeys((np.var, np.std), variance),
    **dict.fromkeys((np.flip,), _flip),
    **dict.fromkeys((operator.getitem, basic_index), _getitem),
    np.broadcast_to: _broadcast,
    np.sum: reducing(np.add),
    np.prod: reducing(np.multiply),
    **dict.fromkeys((np.max, np.amax), reducing(np.maximum)),
    **dict.fromkeys((np.min, np.amin), reducing(np.minimum)),
    np.any: reducing(np.logical_or),
    np.all: reducing(np.logical_and),
    np.mean: mean,
    np.clip: _clip,
    np.outer: _outer,
    np.dot: _dot,
    np.astype: _cast,
    np.split: _split,
    np.einsum: einsum,
}
