"""What a gradient rule asks for, by the names of its parameters, and whether it answers as it must."""

from __future__ import annotations

from functools import wraps
from typing import Any

import numpy as np

from .errors import ArgumentError, DTypeError, ShapeError, where
from .unbroadcast import Product

__all__ = ["answering", "check_free", "computing", "rule_parameters"]


def rule_parameters(rule: Any) -> tuple[str, ...]:
    """The names of a rule's parameters, `g` first."""
    code = getattr(rule, "__code__", None)
    if code is None:
        raise ArgumentError(
            f"vjp: a rule must be a Python function, whose parameters say what it needs, got {rule!r}; write lambda g, "
            f"...: around it. {where('vjp')}"
        )
    return tuple(code.co_varnames[: code.co_argcount])


def computing(op: Any, function: Any) -> Any:
    """An operator's function from outside this package, whose results are checked and share no operand's memory."""

    @wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        out = function(*args, **kwargs)
        parts = out if op.multiple and isinstance(out, list | tuple) else (out,)
        parts = tuple(np.asarray(p)[()] if type(p) in (int, float, bool) else p for p in parts)
        for part in parts:
            if not hasattr(part, "shape") or not hasattr(part, "dtype") or (op.multiple and not isinstance(out, tuple)):
                raise DTypeError(
                    f"{op.name}: the function must return {'a tuple of arrays' if op.multiple else 'an array'}, got "
                    f"{type(out).__name__}; build it with np.stack, or np.asarray of numbers. {where(op.name)}"
                )
        if not op.aliases:
            arrays = [x for x in (*args, *kwargs.values()) if isinstance(x, np.ndarray)]
            parts = tuple(
                p.copy() if isinstance(p, np.ndarray) and any(np.may_share_memory(p, a) for a in arrays) else p
                for p in parts
            )
        return parts if op.multiple else parts[0]

    return checked


def check_free(op: Any, tables: tuple[Any, ...]) -> None:
    """Refuses an operator from outside this package for a NumPy function that means one of this package."""
    for target in op.numpy:
        known = next((table[target] for table in tables if target in table), None)
        if known is not None and getattr(known, "__module__", "").startswith(__package__):
            raise ArgumentError(
                f"op: a NumPy function must have one operator, got np.{target.__name__} for {op.name}, which has one "
                f"in this package; leave numpy= out and call {op.name} by its name. {where('op')}"
            )


def answering(op: Any, rule: Any, operand: str) -> Any:
    """A rule from outside this package, whose answers are checked; the last two arguments are shapes."""

    def checked(g: Any, *arguments: Any) -> Any:
        *needed, shape, out_shape = arguments
        answer = rule(g, *needed)
        if type(answer) is Product:
            return answer
        came = getattr(answer, "shape", None)
        full = out_shape if op.kind == "elementwise" else shape
        lead = -1 if came is None else len(full) - len(came)
        if (
            came is None
            or not hasattr(answer, "dtype")
            or lead < 0
            or any(n not in (1, m) for n, m in zip(came, full[lead:], strict=True))
        ):
            what = f"shape {came}" if came is not None else type(answer).__name__
            raise ShapeError(
                f"{op.name}: the rule of {operand!r} must return an array of shape {full}, or one that broadcasts to "
                f"it, got {what}; correct the rule. {where(op.name)}"
            )
        wanted = getattr(g, "dtype", answer.dtype)
        if answer.dtype.kind == "c" and wanted.kind != "c":
            raise DTypeError(
                f"{op.name}: the rule of {operand!r} must return a real gradient, got dtype {answer.dtype}; take "
                f"np.real of it. {where(op.name)}"
            )
        return answer if answer.dtype == wanted else answer.astype(wanted)

    return checked
