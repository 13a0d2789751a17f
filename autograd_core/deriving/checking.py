"""Whether a line of a derivation holds: its error against the tape, or why that is not known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from autograd_core.deriving.evaluating import LOST, UNTOUCHED, UnknownValueError, evaluate, magnitude
from autograd_core.deriving.printing import upright
from autograd_core.deriving.tape import Tape
from autograd_core.deriving.terms import Expr, Ref

__all__ = ["error_of", "largest", "reasons"]

_MOST_LOST = 6  # names of lost values that are listed
_LARGE = "more than ten million elements on the way"
_INFINITE = "values that are not finite"
_MOST_ELEMENTS = 10**7  # of an intermediate array, for a line to be checked


def largest(value: Any) -> float:
    """The largest absolute value; 0 where that is not finite."""
    size = float(np.max(np.abs(value), initial=0.0))
    return size if np.isfinite(size) else 0.0


def error_of(left: Ref, right: Expr, size: float) -> tuple[float | None, str]:
    """The error of a line and "", or None and why there is none.

    Args:
        left: the symbol.
        right: the expression.
        size: of what the tape added up to get the symbol's value, where that is known.
    """
    if not _fits(right, left):
        return None, _LARGE
    if left.symbol.value is None:
        return None, LOST
    value = np.asarray(left.symbol.value, dtype=float)
    try:
        found = np.asarray(evaluate(right, left.indices, left.symbol.shape), dtype=float)
        # What cancels leaves its rounding: it is the size of the parts that counts, those that the formula has no more
        # included.
        scale = max(float(np.abs(value).max(initial=0.0, where=np.isfinite(value))), magnitude(right), size)
    except UnknownValueError as error:
        return None, str(error)
    finite = np.isfinite(value)
    if not np.array_equal(found[~finite], value[~finite], equal_nan=True):
        return None, _INFINITE  # a formula that is the same in real numbers may differ in infinite ones
    if not np.isfinite(scale):
        scale = float(np.abs(value[finite]).max(initial=0.0))
    difference = float(np.abs(found[finite] - value[finite]).max(initial=0.0))
    return difference / scale if scale else difference, ""


def _fits(expr: Expr, left: Ref) -> bool:
    """Whether evaluating the line needs no huge intermediate array."""
    largest = 1
    for index in left.indices:
        largest *= index.length if index is not None else 1
    return largest * expr.size <= _MOST_ELEMENTS


def reasons(tape: Tape, why: str) -> Iterator[tuple[str, str]]:
    """Why lines were not checked, as LaTeX and as text; where values are lost, which, and how to keep them.

    Args:
        tape: it knows which values are lost.
        why: the second answer of `error_of`.
    """
    if why == LOST and not (tape.lost or tape.changed):
        why = UNTOUCHED
    if why != LOST:
        yield upright(f"not checked: {why}"), f"not checked: {why}"
        return
    for symbols, what, rest in (
        (tape.lost, "the tape has not kept", "compute it inside keep_values()"),
        (tape.changed, "later changed", "derive before the change"),
    ):
        if symbols:
            more = len(symbols) > _MOST_LOST
            latex = ", ".join([s.latex for s in symbols[:_MOST_LOST]] + [r"\ldots"] * more)
            text = ", ".join([s.text for s in symbols[:_MOST_LOST]] + ["..."] * more)
            left = f"not checked: {what}"
            yield rf"{upright(left)}\ {latex};\ {upright(rest)}", f"{left} {text}; {rest}"
