"""Common subexpressions: what is computed twice from the same values is computed once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from ..program import Call, Program, Value
from .rewriting import Rewriter, rewrite

__all__ = ["common"]

_SMALL_BYTES = 4096  # constants are compared by value up to this size
_COMMUTATIVE = frozenset(
    (
        *(np.add, np.multiply, np.maximum, np.minimum, np.fmax, np.fmin, np.equal, np.not_equal),
        *(np.logical_and, np.logical_or, np.logical_xor, np.bitwise_and, np.bitwise_or, np.bitwise_xor),
        *(np.logaddexp, np.logaddexp2, np.hypot),
    )
)


def common(program: Program) -> Program:
    """Replaces a call by an earlier one of the same kind, function, operands and keywords.

    Commutative functions match in either order. Draws and checks are never merged: each has its effect.
    """
    seen: dict[Hashable, Call] = {}
    same: dict[Value, Value] = {}  # constants that are equal to an earlier one
    by_bytes: dict[Hashable, Value] = {}
    for value, array in program.constants.items():
        if array.nbytes <= _SMALL_BYTES and array.dtype != object:
            same[value] = by_bytes.setdefault((array.dtype, array.shape, array.tobytes()), value)

    def number(value: Value) -> int:
        return id(same.get(value, value))

    def step(rewriter: Rewriter, call: Call) -> bool:
        if call.kind in ("draw", "check"):
            return False
        try:
            args = [_key(x, number) for x in call.args]
            if call.function in _COMMUTATIVE and call.kind == "ufunc":
                args.sort(key=repr)
            key = (call.kind, call.function, tuple(args), _key(call.keywords, number) if call.keywords else None)
            earlier = seen.setdefault(key, call)
        except TypeError:  # an argument that cannot be hashed
            return False
        if earlier is call or [(v.shape, v.dtype) for v in earlier.results] != [
            (v.shape, v.dtype) for v in call.results
        ]:
            return False
        for old, new in zip(call.results, earlier.results, strict=True):
            rewriter.replace(old, new)
        return True

    return rewrite(program, step)


def _key(x: Any, number: Callable[[Value], int]) -> Hashable:
    """Equal for arguments that a function cannot tell apart: 1, 1.0 and True differ, and so do 0.0 and -0.0."""
    if isinstance(x, Value):
        return ("value", number(x))
    if isinstance(x, tuple | list):
        return (type(x).__name__, tuple([_key(item, number) for item in x]))
    if isinstance(x, dict):
        return ("dict", tuple([(k, _key(x[k], number)) for k in sorted(x)]))
    if isinstance(x, slice):
        return ("slice", _key((x.start, x.stop, x.step), number))
    if isinstance(x, np.ndarray | np.generic):
        if x.nbytes > _SMALL_BYTES or x.dtype == object:
            return ("array", id(x))
        return ("array", x.dtype, x.shape, x.tobytes())
    if isinstance(x, float | complex):
        return (type(x).__name__, repr(x))
    hash(x)
    return (type(x).__name__, x)
