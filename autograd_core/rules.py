"""What a gradient rule asks for, by the names of its parameters, and whether it answers as it must."""

from __future__ import annotations

from typing import Any

from .errors import ArgumentError, DTypeError, ShapeError, where
from .unbroadcast import Product

__all__ = ["answering", "rule_parameters"]


def rule_parameters(rule: Any) -> tuple[str, ...]:
    """The names of a rule's parameters, `g` first."""
    code = getattr(rule, "__code__", None)
    if code is None:
        raise ArgumentError(
            f"vjp: a rule must be a Python function, whose parameters say what it needs, got {rule!r}; write lambda g, "
            f"...: around it. {where('vjp')}"
        )
    return tuple(code.co_varnames[: code.co_argcount])


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
