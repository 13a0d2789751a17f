"""A derivation as the user sees it: its lines, as LaTeX and as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_core.deriving.evaluating import evaluate
from autograd_core.deriving.printing import Printer, upright
from autograd_core.deriving.terms import Expr, Ref

__all__ = ["Derivation", "Line"]


@dataclass(frozen=True)
class Line:
    """One equation of a derivation.

    Attributes:
        left: the symbol that is defined, with its indices.
        right: what it equals.
        note: the operations that it comes from, or "".
        error: max|right - tape| over the size of what is added up, in the finite elements; None for an unchecked line.
        avoid: letters that no index may get.
        unchecked: why the line was not checked, or "".
    """

    left: Ref
    right: Expr
    note: str
    error: float | None
    avoid: frozenset[str] = frozenset()
    unchecked: str = ""

    @property
    def latex(self) -> str:
        """The equation as LaTeX."""
        printer = Printer(True, self.left.indices, self.avoid)
        return f"{printer(self.left)} = {printer(self.right)}"

    @property
    def text(self) -> str:
        """The equation as plain text."""
        printer = Printer(False, self.left.indices, self.avoid)
        return f"{printer(self.left)} = {printer(self.right)}"

    def evaluate(self) -> np.ndarray[Any, Any]:
        """The right side as an array of the left side's shape."""
        return np.asarray(evaluate(self.right, self.left.indices, self.left.symbol.shape))


class Derivation:
    """The backward pass of one output as equations, each checked against the tape.

    It holds the values of what its lines name, so that each can be evaluated.

    Attributes:
        sections: (title, lines) of the four parts.
        legend: what is not a name of the user's: N, L, a^(1).
    """

    def __init__(self, sections: list[tuple[str, list[Line]]], legend: list[tuple[str, str]]) -> None:
        self.sections = sections
        self.legend = legend

    @property
    def lines(self) -> list[Line]:
        """The lines of all sections."""
        return [line for _, lines in self.sections for line in lines]

    @property
    def unchecked(self) -> list[Line]:
        """The lines that could not be evaluated; each is marked, and the legend says why."""
        return [line for line in self.lines if line.error is None]

    @property
    def error(self) -> float:
        """The largest error of a line that could be evaluated."""
        return max((line.error for line in self.lines if line.error is not None), default=0.0)

    @property
    def latex(self) -> str:
        """All equations, each in `$$`, under headings."""
        blocks = []
        for title, lines in self.sections:
            heading = title.replace(" ", r"\ ")
            blocks.append(rf"$\mathbf{{{heading}}}$")
            mark = rf" \qquad {upright('(not checked)')}"
            blocks += [f"$${line.latex}{mark if line.error is None else ''}$$" for line in lines]
        if self.legend:
            blocks.append("$" + r",\quad ".join(tex for tex, _ in self.legend) + "$")
        return "\n\n".join(blocks)

    def _repr_latex_(self) -> str:
        return self.latex

    def __str__(self) -> str:
        blocks = []
        for title, lines in self.sections:
            texts = [line.text for line in lines]
            width = max((len(t) for t in texts if len(t) <= 72), default=0)
            notes = [
                ", ".join([line.note] * bool(line.note) + ["not checked"] * (line.error is None)) for line in lines
            ]
            noted = [f"  {t.ljust(width)}   ({note})" if note else f"  {t}" for t, note in zip(texts, notes)]
            blocks.append("\n".join([title, *noted]))
        if self.legend:
            blocks.append(", ".join(text for _, text in self.legend))
        return "\n\n".join(blocks)

    def __repr__(self) -> str:
        return f"<Derivation of {len(self.lines)} lines: .latex, .lines, str()>"
