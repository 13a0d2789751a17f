"""What the back end can compute inside a loop: for each elementwise call an expression of scalars.

Every operand is first brought to the data type in which NumPy would compute (`ufunc.resolve_dtypes`), so that an
expression means in Numba what it means in NumPy: Numba by itself would widen float32 + Python number to float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...ops._parts import gated
from ..program import Call, Value, cast

__all__ = ["REDUCTIONS", "Formula", "formula", "reduction_axes"]

# Costs are in units of an addition, per vector: for the choice between computing again and keeping.
_CHEAP, _DIVIDE, _FUNCTION = 1, 4, 12

_ARITHMETIC = {np.add: "{0} + {1}", np.subtract: "{0} - {1}", np.multiply: "{0} * {1}"}
_COMPARISONS = {
    np.less: "{0} < {1}",
    np.less_equal: "{0} <= {1}",
    np.greater: "{0} > {1}",
    np.greater_equal: "{0} >= {1}",
    np.equal: "{0} == {1}",
    np.not_equal: "{0} != {1}",
}
_LOGICAL = {
    np.logical_and: "({0} != 0) & ({1} != 0)",
    np.logical_or: "({0} != 0) | ({1} != 0)",
    np.logical_xor: "({0} != 0) ^ ({1} != 0)",
    np.logical_not: "{0} == 0",
}
_BITWISE = {np.bitwise_and: "{0} & {1}", np.bitwise_or: "{0} | {1}", np.bitwise_xor: "{0} ^ {1}"}
_FLOAT: dict[Any, tuple[str, int]] = {
    np.divide: ("{0} / {1}", _DIVIDE),
    np.negative: ("-{0}", _CHEAP),
    np.positive: ("{0}", _CHEAP),
    np.absolute: ("abs({0})", _CHEAP),
    np.fabs: ("abs({0})", _CHEAP),
    np.square: ("{0} * {0}", _CHEAP),
    np.sqrt: ("sqrt({0})", _DIVIDE),
    np.reciprocal: ("", _DIVIDE),
    np.maximum: ("maximum({0}, {1})", _CHEAP),
    np.minimum: ("minimum({0}, {1})", _CHEAP),
    np.sign: ("sign({0})", _CHEAP),
    np.isnan: ("{0} != {0}", _CHEAP),
    np.isfinite: ("abs({0}) < inf", _CHEAP),
    np.isinf: ("abs({0}) == inf", _CHEAP),
}
_INTEGER: dict[Any, tuple[str, int]] = {
    np.negative: ("-{0}", _CHEAP),
    np.positive: ("{0}", _CHEAP),
    np.square: ("{0} * {0}", _CHEAP),
    np.maximum: ("max({0}, {1})", _CHEAP),
    np.minimum: ("min({0}, {1})", _CHEAP),
}
# Functions of `functions.py`, by the name of the ufunc (NumPy's or SciPy's) and the data type.
_FUNCTIONS = {
    "f": ("exp", "expm1", "log", "log1p", "tanh", "expit", "erf", "ndtr"),
    "d": ("exp", "log", "tanh", "expit"),
}

REDUCTIONS = {np.add: "add", np.maximum: "maximum", np.minimum: "minimum"}
_DTYPES = frozenset("?bhilqBHILQfd")


@dataclass(frozen=True)
class Formula:
    """How one element of a result is computed.

    Attributes:
        template: the expression, with {k} for operand k.
        dtypes: what each operand is converted to first.
        dtype: of the expression.
        cost: in additions.
    """

    template: str
    dtypes: tuple[np.dtype[Any], ...]
    dtype: np.dtype[Any]
    cost: int


def _known(dtype: np.dtype[Any]) -> bool:
    return dtype.char in _DTYPES and dtype.isnative


def formula(call: Call) -> Formula | None:
    """The expression of a call of kind "ufunc" or "cast", or of np.where and `gated`; None if it has none."""
    if len(call.results) != 1 or not _known(call.result.dtype) or call.result.size == 0:
        return None
    if not all(isinstance(a, Value | int | float) for a in call.args if not isinstance(a, np.dtype)):
        return None
    if not all(_known(v.dtype) for v in call.operands()):
        return None
    dtype = call.result.dtype
    if call.kind == "cast":
        return _cast(call, dtype)
    if call.function is np.where:
        return _where(call, dtype)
    if call.function is gated:
        return Formula(f"{{0}} if {{1}} else {dtype.name}(0)", (dtype, np.dtype(bool)), dtype, _CHEAP)
    if call.kind != "ufunc" or call.keywords:
        return None
    return _ufunc(call, dtype)


def _cast(call: Call, dtype: np.dtype[Any]) -> Formula | None:
    if call.function is not cast or (call.args[0].dtype.kind == "f" and dtype.kind in "iu"):
        return None  # what a float out of range becomes is left to NumPy
    return Formula("{0}", (dtype,), dtype, _CHEAP) if dtype.kind != "b" else _truth(call.args[0].dtype)


def _truth(dtype: np.dtype[Any]) -> Formula:
    return Formula("{0} != 0", (dtype,), np.dtype(bool), _CHEAP)


def _where(call: Call, dtype: np.dtype[Any]) -> Formula | None:
    if call.keywords or len(call.args) != 3 or not isinstance(call.args[0], Value):
        return None
    condition = call.args[0].dtype
    test = "{0}" if condition.kind == "b" else "{0} != 0"
    return Formula(f"{{1}} if {test} else {{2}}", (condition, dtype, dtype), dtype, _CHEAP)


def _ufunc(call: Call, dtype: np.dtype[Any]) -> Formula | None:
    ufunc = call.function
    given = [a.dtype if isinstance(a, Value) else type(a) for a in call.args]
    if ufunc.nin != len(given) or ufunc.nout != 1 or any(g is bool for g in given):
        return None
    try:
        *loop, out = ufunc.resolve_dtypes((*given, None))
    except TypeError:
        return None
    if out != dtype or not all(_known(d) for d in loop) or len({d.char for d in loop}) != 1:
        return None
    for number in (a for a in call.args if not isinstance(a, Value)):
        if loop[0].kind in "iu" and not np.iinfo(loop[0]).min <= number <= np.iinfo(loop[0]).max:
            return None
    kind = loop[0].kind
    found: tuple[str, int] | None = None
    if kind in "fiu" and ufunc in _ARITHMETIC:
        found = (_ARITHMETIC[ufunc], _CHEAP)
    elif ufunc in _COMPARISONS:
        found = (_COMPARISONS[ufunc], _CHEAP)
    elif ufunc in _LOGICAL:
        found = (_LOGICAL[ufunc], _CHEAP)
    elif kind == "b" and ufunc in (np.add, np.maximum):
        found = ("{0} | {1}", _CHEAP)
    elif kind == "b" and ufunc in (np.multiply, np.minimum):
        found = ("{0} & {1}", _CHEAP)
    elif kind in "biu" and ufunc in _BITWISE:
        found = (_BITWISE[ufunc], _CHEAP)
    elif kind == "f":
        found = _FLOAT.get(ufunc)
        if found is None and ufunc.__name__ in _FUNCTIONS[loop[0].char]:
            found = (f"{ufunc.__name__}_{loop[0].name}({{0}})", _FUNCTION)
    elif kind == "i" or (kind == "u" and ufunc is not np.negative):
        found = _INTEGER.get(ufunc)
    if found is None:
        return None
    template, cost = found
    if ufunc is np.reciprocal:
        template = f"{loop[0].name}(1) / {{0}}"
    return Formula(template, tuple(loop), dtype, cost)


def reduction_axes(call: Call) -> tuple[int, ...] | None:
    """The axes of a reduction that can run in a loop nest; None for any other call."""
    if call.kind != "reduce" or call.function not in REDUCTIONS or call.result.size == 0:
        return None
    operand = call.args[0]
    if len(call.args) != 1 or not isinstance(operand, Value) or operand.size == 0:
        return None
    if not _known(operand.dtype) or not _known(call.result.dtype):
        return None
    keywords = dict(call.keywords)
    axis, keepdims, initial = keywords.pop("axis", 0), keywords.pop("keepdims", False), keywords.pop("initial", None)
    if keywords or not isinstance(keepdims, bool):
        return None
    neutral = {np.add: 0, np.maximum: -math.inf, np.minimum: math.inf}[call.function]
    if initial is not None and not (isinstance(initial, int | float) and initial == neutral):
        return None
    if initial is not None and call.function is not np.add and operand.dtype.kind != "f":
        return None
    if operand.dtype.kind == "b" or operand.dtype.kind != call.result.dtype.kind:
        return None
    if operand.dtype.kind == "f" and operand.dtype != call.result.dtype:
        return None
    rank = len(operand.shape)
    if axis is None:
        return tuple(range(rank))
    axes = axis if isinstance(axis, tuple) else (axis,)
    return tuple(a % rank for a in axes)
