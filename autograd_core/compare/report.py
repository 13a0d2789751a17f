"""What `compare` found: a `Line` per claim, and the `Report` of all of them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from autograd_core.compare.output import figure, save, strict, table, to_json

VERDICTS = ("exact", "approximate", "wrong", "undecided")


@dataclass(frozen=True)
class Line:
    """The verdict on one claimed gradient.

    Attributes:
        name: The input or tag.
        verdict: "exact", "approximate", "wrong" or "undecided".
        max_rel_error: max|claimed - true| / max|true|, the largest over the upstream draws and
            over the swept values; NaN where there is nothing to relate to.
        bound: What rounding explains of such an error, where it is largest.
        order: Of the error in the swept parameter, if the verdict is "approximate"; else None.
        hint: The repair that makes the claim exact, or None.
        oracle_error: The engine's gradient against its confirmation, on the same scale.
        oracle: How it was confirmed, in words.
        reason: Why nothing could be concluded, or what else there is to say; may be empty.
        worst: Index, claimed value and true value of the largest error; None if there is none.
        sweep: (parameter, max_rel_error, bound) for each swept value; empty without a sweep.
        jacobian: Whether the claim was the whole Jacobian.
        error_map: |claimed - true| / max|true| per element, where the error is largest.
    """

    name: str
    verdict: str
    max_rel_error: float
    bound: float
    order: float | None = None
    hint: str | None = None
    oracle_error: float = math.nan
    oracle: str = ""
    reason: str = ""
    worst: tuple[tuple[int, ...], float, float] | None = None
    sweep: tuple[tuple[float, float, float], ...] = ()
    jacobian: bool = False
    error_map: npt.NDArray[np.float64] | None = field(default=None, compare=False, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """All but the error map, as JSON knows it (no NaN, no infinity: None)."""
        worst = None
        if self.worst is not None:
            index, claimed, true = self.worst
            worst = {"index": list(index), "claimed": strict(claimed), "true": strict(true)}
        return {
            "name": self.name,
            "verdict": self.verdict,
            "max_rel_error": strict(self.max_rel_error),
            "bound": strict(self.bound),
            "order": None if self.order is None else strict(self.order),
            "hint": self.hint,
            "oracle_error": strict(self.oracle_error),
            "oracle": self.oracle,
            "reason": self.reason,
            "worst": worst,
            "sweep": [
                {"value": value, "max_rel_error": strict(error), "bound": strict(bound)}
                for value, error, bound in self.sweep
            ],
            "jacobian": self.jacobian,
        }

    @property
    def worst_words(self) -> str:
        """The worst element in words; "" if there is none."""
        if self.worst is None:
            return ""
        index, claimed, true = self.worst
        at = f"at {index}: " if index else ""
        return f"worst element {at}claimed {claimed:.6g}, true {true:.6g}"

    @property
    def remarks(self) -> str:
        """Hint and reason in one line."""
        return "; ".join(text for text in (self.hint, self.reason) if text)


class Report(Mapping[str, Line]):
    """Verdicts by name, in the order in which the claims were given.

    Iteration, `len` and `in` work as in a dict from names to `Line`.

    Args:
        lines: One per claim.
        order: Names from the output back to the inputs, as the tape was recorded.
        swept: Name of the swept parameter, or None.
    """

    def __init__(self, lines: list[Line], order: tuple[str, ...] = (), swept: str | None = None) -> None:
        self._lines = {line.name: line for line in lines}
        self._order = order
        self.swept = swept

    def __getitem__(self, name: str) -> Line:
        try:
            return self._lines[name]
        except KeyError:
            raise KeyError(f"no claim was made for {name!r}; claims: {', '.join(self._lines)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    @property
    def ok(self) -> bool:
        """Every claim is exact (neither approximate nor undecided)."""
        return all(line.verdict == "exact" for line in self._lines.values())

    @property
    def first_wrong(self) -> str | None:
        """Walking back from the output, the name of the first claim that is wrong; None if none."""
        return next((name for name in self._walk() if self[name].verdict == "wrong"), None)

    def _walk(self) -> list[str]:
        known = [name for name in self._order if name in self._lines]
        return known + [name for name in self._lines if name not in known]

    def to_dict(self) -> dict[str, Any]:
        """The whole report as JSON knows it."""
        return {
            "ok": self.ok,
            "first_wrong": self.first_wrong,
            "swept": self.swept,
            "claims": [line.to_dict() for line in self._lines.values()],
        }

    @property
    def summary(self) -> str:
        """The counts of the verdicts, and the first wrong line."""
        verdicts = [line.verdict for line in self._lines.values()]
        counts = ", ".join(f"{verdicts.count(v)} {v}" for v in VERDICTS if v in verdicts)
        first = self.first_wrong
        return counts if first is None else f"{counts}; first wrong line: {first}"

    def rows(self) -> list[tuple[str, ...]]:
        """The table's cells, heading first."""
        head = ("name", "verdict", "max rel error", "order", "oracle error", "hint")
        return [head, *(_cells(line) for line in self._lines.values())]

    def to_text(self, width: int | None = None) -> str:
        """The table, with long remarks wrapped; `width` in columns is the terminal's by default."""
        return "\n".join([*table(self.rows(), frozenset({2, 3, 4}), width), self.summary])

    def to_json(self, indent: int | None = 2) -> str:
        """`to_dict` as strict JSON."""
        return to_json(self.to_dict(), indent)

    def to_html(self) -> str:
        """A page of its own: table, heat maps, sweeps."""
        from autograd_core.compare.page import html, page

        return page(f"Gradients: {self.summary}", html(self))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the report to a file, in the format that its suffix names.

        The file appears whole or not at all.

        Args:
            path: Ends in `.html` or `.json`.

        Raises:
            ArgumentError: Another suffix, or a folder that does not exist.
            OSError: The file cannot be written.
        """
        save(path, {".html": self.to_html, ".json": self.to_json})

    def __str__(self) -> str:
        return self.to_text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from autograd_core.compare.page import html

        return html(self)


def _cells(line: Line) -> tuple[str, ...]:
    return (
        line.name,
        line.verdict,
        figure(line.max_rel_error),
        "-" if line.order is None else f"{line.order:.2f}",
        figure(line.oracle_error),
        line.remarks or "-",
    )
