"""Algebraic identities that hold in floating point up to a rounding, NaN, infinities and signed zeros included."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..program import Call, Program, Value, basic_index, broadcast, cast, reshape, transpose
from .rewriting import Rewriter, is_number, reduced_shape, rewrite

__all__ = ["algebra"]

_MODERATE = 1e18  # numbers in (1 / this, this) are multiplied with each other: float32 neither overflows nor underflows


def algebra(program: Program) -> Program:
    """Simplifies each call by the first identity that applies, given what made its operands.

    Not among them, since floating point does not obey them: x * 0 = 0, x - x = 0, exp(log x) = x, x + 0 = x (wrong for
    -0.0), 0 - x = -x (wrong for 0.0), and that a sum of centred values is 0.
    """
    return rewrite(program, _step)


def _step(rewriter: Rewriter, call: Call) -> bool:
    if call.kind == "ufunc":
        if _narrowed(rewriter, call):
            return True
        rule = _UFUNCS.get(call.function)
        return rule is not None and rule(rewriter, call)
    if call.kind == "reduce":
        return _reduction(rewriter, call)
    if call.kind == "view":
        return _VIEW_RULES[call.function](rewriter, call)
    return call.kind == "cast" and _cast(rewriter, call)


def _fits(x: Any, result: Value) -> bool:
    """Whether x can stand for the result."""
    return isinstance(x, Value) and x.shape == result.shape and x.dtype == result.dtype


def _number(rewriter: Rewriter, x: Any) -> float | int | None:
    """A real number that is known: written in the program, or a 0-d constant."""
    if type(x) in (int, float):
        return x  # type: ignore[no-any-return]
    if isinstance(x, Value) and not x.shape and x in rewriter.constants and x.dtype.kind in "fiu":
        return rewriter.constants[x].item()  # type: ignore[no-any-return]
    return None


# -- elementwise -----------------------------------------------------------------------------------------------------


def _narrowed(rewriter: Rewriter, call: Call) -> bool:
    """Operands need not be broadcast beforehand; what all of them were broadcast to, the result is."""
    operands = [rewriter.maker(x, "view", broadcast) for x in call.args]
    if not any(operands):
        return False
    small = tuple(x if made is None else made.args[0] for x, made in zip(call.args, operands, strict=True))
    shape = np.broadcast_shapes(*(x.shape for x in small if isinstance(x, Value)))
    if shape == call.result.shape:
        rewriter.emit("ufunc", call.function, small, {}, call.result)
    else:
        part = rewriter.emit("ufunc", call.function, small, {}, Value(shape, call.result.dtype))
        rewriter.view(broadcast, part, call.result.shape, call.result)
    return True


def _multiply(rewriter: Rewriter, call: Call) -> bool:
    result = call.result
    for x, y in (call.args, call.args[::-1]):
        c = _number(rewriter, y)
        if c == 1 and _fits(x, result):
            rewriter.replace(result, x)
            return True
        negated = rewriter.maker(x, "ufunc", np.negative)
        if c is None:
            other = rewriter.maker(y, "ufunc", np.negative)
            if negated is not None and other is not None:
                rewriter.ufunc(np.multiply, negated.args[0], other.args[0], result=result)
                return True
            continue
        if result.dtype.kind != "f" or not isinstance(x, Value) or x.dtype != result.dtype:
            continue
        if c == -1 and _fits(x, result):
            rewriter.ufunc(np.negative, x, result=result)
            return True
        if not is_number(y):
            continue
        if negated is not None:
            rewriter.ufunc(np.multiply, negated.args[0], -c, result=result)
            return True
        scaled = rewriter.maker(x, "ufunc", np.multiply)
        if scaled is not None and rewriter.uses.get(x, 0) <= 1:
            for z, d in (scaled.args, scaled.args[::-1]):
                if type(d) in (int, float) and isinstance(z, Value) and z.dtype == x.dtype and _moderate(c, d, c * d):
                    rewriter.ufunc(np.multiply, z, float(c * d), result=result)
                    return True
    return False


def _moderate(*numbers: float) -> bool:
    return all(1 / _MODERATE < abs(c) < _MODERATE for c in numbers)


def _divide(rewriter: Rewriter, call: Call) -> bool:
    x, y = call.args
    result = call.result
    c = _number(rewriter, y)
    if c is None or not isinstance(x, Value) or x.dtype != result.dtype or result.dtype.kind != "f":
        return False
    if c == 1 and _fits(x, result):
        rewriter.replace(result, x)
        return True
    # A power of two has an exact reciprocal.
    if c and math.isfinite(c) and abs(math.frexp(c)[0]) == 0.5 and is_number(y):
        limit = 2.0**14 if result.dtype == np.float16 else 2.0**126
        if 1 / limit <= abs(c) <= limit:
            rewriter.ufunc(np.multiply, x, 1 / c, result=result)
            return True
    return False


def _add(rewriter: Rewriter, call: Call) -> bool:
    result = call.result
    for x, y in (call.args, call.args[::-1]):
        c = _number(rewriter, y)
        if c == 0 and _fits(x, result) and (result.dtype.kind in "iu" or math.copysign(1, c) < 0):
            rewriter.replace(result, x)
            return True
        negated = rewriter.maker(y, "ufunc", np.negative)
        if negated is not None and result.dtype.kind == "f":
            rewriter.ufunc(np.subtract, x, negated.args[0], result=result)
            return True
    return False


def _subtract(rewriter: Rewriter, call: Call) -> bool:
    x, y = call.args
    result = call.result
    c = _number(rewriter, y)
    if c == 0 and _fits(x, result) and (result.dtype.kind in "iu" or math.copysign(1, c) > 0):
        rewriter.replace(result, x)
        return True
    negated = rewriter.maker(y, "ufunc", np.negative)
    if negated is not None and result.dtype.kind == "f":
        rewriter.ufunc(np.add, x, negated.args[0], result=result)
        return True
    return False


def _negative(rewriter: Rewriter, call: Call) -> bool:
    (x,) = call.args
    result = call.result
    made = rewriter.maker(x, "ufunc", np.negative)
    if made is not None and _fits(made.args[0], result):
        rewriter.replace(result, made.args[0])
        return True
    scaled = rewriter.maker(x, "ufunc", np.multiply, np.true_divide)
    if scaled is not None and rewriter.uses.get(x, 0) <= 1 and result.dtype.kind == "f":
        a, b = scaled.args
        if type(b) in (int, float) and (b or scaled.function is np.multiply):
            rewriter.ufunc(scaled.function, a, -float(b), result=result)
            return True
    return False


_UFUNCS: dict[Any, Callable[[Rewriter, Call], bool]] = {
    np.multiply: _multiply,
    np.true_divide: _divide,
    np.add: _add,
    np.subtract: _subtract,
    np.negative: _negative,
}


def _cast(rewriter: Rewriter, call: Call) -> bool:
    (x,) = call.args
    result = call.result
    if _fits(x, result):
        rewriter.replace(result, x)
        return True
    made = rewriter.maker(x, "cast")
    if made is not None and _lossless(made.args[0].dtype, x.dtype):
        if _fits(made.args[0], result):
            rewriter.replace(result, made.args[0])
        else:
            rewriter.emit("cast", cast, made.args, {"dtype": result.dtype}, result)
        return True
    spread = rewriter.maker(x, "view", broadcast)
    if spread is not None:
        a = spread.args[0]
        part = rewriter.emit("cast", cast, (a,), {"dtype": result.dtype}, Value(a.shape, result.dtype))
        rewriter.view(broadcast, part, result.shape, result)
        return True
    return False


def _lossless(old: np.dtype[Any], new: np.dtype[Any]) -> bool:
    """Whether every value survives; unlike NumPy's "safe", also for int64 to float64."""
    if old.kind == "b":
        return new.kind in "iuf"
    if old.kind in "iu" and new.kind == "f":
        return old.itemsize < new.itemsize
    return old.kind == new.kind and old.itemsize <= new.itemsize


# -- reductions ------------------------------------------------------------------------------------------------------


def _reduction(rewriter: Rewriter, call: Call) -> bool:
    (x,) = call.args
    result = call.result
    axes, keepdims = call.keywords["axis"], call.keywords["keepdims"]
    if x.dtype != result.dtype or x.dtype.kind != "f":
        return False
    if all(x.shape[i] == 1 for i in axes) and call.function in (np.add, np.multiply, np.maximum, np.minimum):
        if _fits(x, result):
            rewriter.replace(result, x)
        else:
            rewriter.view(reshape, x, result.shape, result)
        return True
    extreme = call.function in (np.maximum, np.minimum)
    if extreme or call.function is np.add:
        spread = rewriter.maker(x, "view", broadcast)
        if spread is not None and _reduce_broadcast(rewriter, call, spread.args[0], extreme):
            return True
    if call.function is not np.add:
        return False
    made = rewriter.maker(x, "ufunc", np.negative, np.multiply, np.true_divide)
    if made is None or rewriter.uses.get(x, 0) > 1:
        return False
    if made.function is np.negative:
        rewriter.ufunc(np.negative, rewriter.reduce(np.add, made.args[0], axes, keepdims), result=result)
        return True
    orders = (made.args, made.args[::-1]) if made.function is np.multiply else (made.args,)
    for a, c in orders:
        # The scale comes after the sum. A divisor or factor of zero, or one so large or small that the sum might leave
        # the range that the products keep, stays.
        if type(c) in (int, float) and _moderate(c) and _fits(a, x):
            rewriter.ufunc(made.function, rewriter.reduce(np.add, a, axes, keepdims), c, result=result)
            return True
        if isinstance(c, Value) and not c.shape and c.dtype == x.dtype and made.function is np.multiply and _fits(a, x):
            rewriter.ufunc(np.multiply, rewriter.reduce(np.add, a, axes, keepdims), c, result=result)
            return True
    return False


def _reduce_broadcast(rewriter: Rewriter, call: Call, small: Value, extreme: bool) -> bool:
    """What does not vary along an axis is counted there, not added up."""
    (x,) = call.args
    axes, keepdims = call.keywords["axis"], call.keywords["keepdims"]
    lead = len(x.shape) - len(small.shape)
    if 0 in x.shape:
        return False
    own = tuple(i - lead for i in axes if i >= lead and small.shape[i - lead] == x.shape[i])
    count = math.prod(x.shape[i] for i in axes if i - lead not in own)
    if count == 1:
        return False
    # Axes that were added or that are summed, as the result has them; the others are still to be broadcast.
    full = (1,) * lead + reduced_shape(small.shape, own, True)
    kept = tuple(n for i, n in enumerate(full) if keepdims or i not in axes)
    total = small
    if own:
        total = rewriter.reduce(call.function, small, own, kept != reduced_shape(small.shape, own, False))
    if kept != total.shape:
        total = rewriter.view(reshape, total, kept, Value(kept, total.dtype))
    target = reduced_shape(x.shape, axes, keepdims)
    if not extreme:
        total = rewriter.ufunc(np.multiply, total, count, result=call.result if kept == target else None)
    if kept != target:
        rewriter.view(broadcast, total, target, call.result)
    elif extreme:
        rewriter.replace(call.result, total)
    return True


# -- views -----------------------------------------------------------------------------------------------------------


def _view(rewriter: Rewriter, call: Call, function: Any, merge: Callable[[Any, Any], Any]) -> bool:
    """A view of a view of the same sort is one view."""
    x, argument = call.args
    made = rewriter.maker(x, "view", function)
    if made is None:
        return False
    source, merged = made.args[0], merge(made.args[1], argument)
    rewriter.view(function, source, merged, call.result)
    return True


def _reshape(rewriter: Rewriter, call: Call) -> bool:
    x, _ = call.args
    if _fits(x, call.result):
        rewriter.replace(call.result, x)
        return True
    made = rewriter.maker(x, "view", reshape)
    if made is not None and _fits(made.args[0], call.result):
        rewriter.replace(call.result, made.args[0])
        return True
    reduced = rewriter.maker(x, "reduce")
    if reduced is not None and rewriter.uses.get(x, 0) <= 1:
        # Axes of length one in place of the reduced ones: the reduction can keep them.
        (a,), axes = reduced.args, reduced.keywords["axis"]
        if call.result.shape == reduced_shape(a.shape, axes, True):
            rewriter.reduce(reduced.function, a, axes, True, call.result)
            return True
    return _view(rewriter, call, reshape, lambda first, second: second)


def _transpose(rewriter: Rewriter, call: Call) -> bool:
    x, axes = call.args
    if axes == tuple(range(len(axes))):
        rewriter.replace(call.result, x)
        return True
    made = rewriter.maker(x, "view", transpose)
    if made is not None and tuple(made.args[1][i] for i in axes) == tuple(range(len(axes))):
        rewriter.replace(call.result, made.args[0])
        return True
    return _view(rewriter, call, transpose, lambda first, second: tuple(first[i] for i in second))


def _broadcast(rewriter: Rewriter, call: Call) -> bool:
    if _fits(call.args[0], call.result):
        rewriter.replace(call.result, call.args[0])
        return True
    return _view(rewriter, call, broadcast, lambda first, second: second)


def _basic_index(rewriter: Rewriter, call: Call) -> bool:
    x, index = call.args
    whole = all(i is Ellipsis or i == slice(None) for i in index)
    if whole and _fits(x, call.result):
        rewriter.replace(call.result, x)
        return True
    return False


_VIEW_RULES = {reshape: _reshape, transpose: _transpose, broadcast: _broadcast, basic_index: _basic_index}
