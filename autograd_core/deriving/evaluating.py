"""Expressions as numbers, to check every line of a derivation against the tape."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core.deriving.structure import Array, Whole
from autograd_core.deriving.terms import Add, Call, Expr, Index, Indices, Num, Prod, Ref, Sum

__all__ = ["LOST", "UNTOUCHED", "UnknownValueError", "agrees", "evaluate", "magnitude", "vanishing"]

Found = tuple[Any, tuple[Index, ...]]  # values, and the index of each of their axes


LOST = "a value is lost"  # why a line was not checked
UNTOUCHED = "the function of a checkpoint is not run again"


class UnknownValueError(Exception):
    """A value that the tape does not know any more."""


def evaluate(expr: Expr, over: Indices, shape: tuple[int, ...]) -> Any:
    """The array of the elements of `expr` over the indices.

    Args:
        expr: the expression.
        over: an index per axis of the result, None for an axis of length one.
        shape: of the result.

    Raises:
        UnknownValueError: a symbol has no value.
    """
    values, indices = _value(expr)
    wanted = tuple(i for i in over if i is not None)
    values = _onto(values, indices, wanted)
    return np.broadcast_to(values, [i.length for i in wanted]).reshape(shape)


def agrees(expr: Expr, over: Indices, value: Any) -> bool:
    """Whether the expression gives the value, or cannot be evaluated; NaN agrees with NaN."""
    try:
        found = evaluate(expr, over, np.shape(value))
    except UnknownValueError:
        return True
    except (TypeError, ValueError):  # a function that minds what kind of numbers it gets
        return False
    scale = max(float(np.max(np.abs(value), initial=0.0, where=np.isfinite(value))), magnitude(expr))
    precision = float(np.finfo(np.result_type(value, np.float16)).eps)
    return bool(np.allclose(found, value, rtol=1e4 * precision, atol=1e4 * precision * scale, equal_nan=True))


def magnitude(expr: Expr) -> float:
    """The size of what is added up: the expression with every part's sign taken away; 0 where that is not finite."""
    size = float(np.max(_value(expr, absolute=True)[0], initial=0.0))
    return size if np.isfinite(size) else 0.0


def vanishing(term: Expr) -> list[Expr]:
    """The sums that are factors of `term` and zero but for rounding, though what they add up is not."""
    factors = [b for b, e in term.factors if e > 0] if isinstance(term, Prod) else [term]
    return [f for f in factors if isinstance(f, Sum) and isinstance(f.body, Add) and _cancels(f)]


def _cancels(total: Sum) -> bool:
    try:
        values, indices = _value(total)
        size, own = _value(Sum(total.over, Call(np.abs, (total.body,))))
    except UnknownValueError:
        return False
    size = _onto(size, own, indices)
    precision = float(np.finfo(np.result_type(values, np.float16)).eps)
    count = float(np.prod([i.length for i in total.over]))
    return bool(np.all(size > 0) and np.all(np.abs(values) <= 8 * precision * np.sqrt(count) * size))


def _onto(values: Any, indices: tuple[Index, ...], wanted: tuple[Index, ...]) -> Any:
    """`values` with an axis for each of the wanted indices, of length one where it does not vary."""
    order = [indices.index(i) for i in wanted if i in indices]
    values = np.transpose(values, order)
    return values.reshape([i.length if i in indices else 1 for i in wanted])


def _value(expr: Expr, absolute: bool = False) -> Found:
    """The values; `absolute` takes the sign off every symbol and every term before they are added up."""
    size = np.abs if absolute else _same
    if isinstance(expr, Num):
        return size(np.float64(expr.value)), ()
    if isinstance(expr, Ref):
        values, indices = _referred(expr)
        return size(values), indices
    if isinstance(expr, Call):
        parts, indices = _together([_value(a) for a in expr.args])
        return size(expr.function(*parts, **dict(expr.keywords))), indices
    if isinstance(expr, Add):
        parts, indices = _together([_value(t, absolute) for t in expr.terms])
        return sum(parts[1:], start=parts[0]), indices
    if isinstance(expr, Prod):
        return _contracted(expr, (), absolute)
    if isinstance(expr, Sum):
        if isinstance(expr.body, Prod):
            return _contracted(expr.body, expr.over, absolute)
        values, indices = _value(expr.body, absolute)
        axes = tuple(indices.index(i) for i in expr.over)
        return np.sum(values, axis=axes), tuple(i for i in indices if i not in expr.over)
    assert isinstance(expr, Whole)
    arrays = {o.number: evaluate(o.body, o.indices, o.shape) for o in expr.operands}
    result = np.asarray(expr.function(*_filled(expr.args, arrays), **_filled(expr.keywords, arrays)))
    if absolute:  # what it adds up inside is not known: the size of its operands says how much that may be
        sizes = [float(np.max(np.abs(a), initial=0.0)) for a in arrays.values() if a.dtype.kind == "f"]
        result = np.maximum(np.abs(result), max(sizes, default=0.0)) if result.dtype.kind == "f" else np.abs(result)
    return result.reshape([i.length for i in expr.indices if i]), tuple(i for i in expr.indices if i)


def _same(x: Any) -> Any:
    return x


def _filled(x: Any, arrays: dict[int, Any]) -> Any:
    if isinstance(x, Array):
        return arrays[x.number]
    if type(x) in (tuple, list):
        return type(x)(_filled(i, arrays) for i in x)
    return {k: _filled(v, arrays) for k, v in x.items()} if type(x) is dict else x


def _referred(ref: Ref) -> Found:
    if ref.symbol.value is None:
        raise UnknownValueError(LOST)
    array = np.asarray(ref.symbol.value)
    indices = [i for i in ref.indices if i is not None]
    array = array.reshape([i.length for i in indices])
    if len(set(indices)) == len(indices):
        return array, tuple(indices)
    distinct = tuple(dict.fromkeys(indices))  # a diagonal
    letters = [distinct.index(i) for i in indices]
    return np.einsum(array, letters, list(range(len(distinct)))), distinct


def _together(found: list[Found]) -> tuple[list[Any], tuple[Index, ...]]:
    indices = tuple(dict.fromkeys(i for _, own in found for i in own))
    return [_onto(values, own, indices) for values, own in found], indices


def _contracted(product: Prod, over: tuple[Index, ...], absolute: bool) -> Found:
    """The product summed over some indices, without forming it."""
    # A divisor that cancels makes the quotient large, not small: it keeps its value.
    factors = [(_value(b, absolute and e > 0), e) for b, e in product.factors]
    indices = tuple(dict.fromkeys(i for (_, own), _ in factors for i in own))
    kept = tuple(i for i in indices if i not in over)
    number = {i: n for n, i in enumerate(indices)}
    operands: list[Any] = []
    for (values, own), exponent in factors:
        e = int(exponent) if exponent.denominator == 1 else float(exponent)
        raised = np.asarray(values, float) ** e if e >= 0 else 1.0 / np.asarray(values, float) ** -e
        operands += [np.abs(raised) if absolute else raised, [number[i] for i in own]]
    summed = np.einsum(*operands, [number[i] for i in kept], optimize=len(factors) > 2)
    coefficient = float(product.coefficient)
    return (abs(coefficient) if absolute else coefficient) * summed, kept
