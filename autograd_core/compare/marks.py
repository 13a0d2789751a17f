"""What `grade` found: a `Mark` per claim, and the `Grade` of all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from autograd_core.compare.counterexamples import Counterexample
from autograd_core.compare.output import save, strict, table, to_json
from autograd_core.compare.trials import words

MOST = 64  # elements of an array that are printed
DIGITS = 6


@dataclass(frozen=True)
class Mark:
    """The points of one claim.

    Attributes:
        name: The input or tag.
        verdict: "exact", "wrong", "failed" (it raised, or returned no fitting array), "missing" (not
            handed in) or "undecided".
        points: Earned; None while the teacher has to decide.
        possible: That could be earned.
        trials: How many hidden trials had which verdict.
        counterexamples: Where it is wrong or fails, the smallest first.
        remarks: For the student: how it failed, and (if asked for) hints.
        notes: For the teacher: why trials were undecided, what was printed. They may tell more of the
            solution than a student should read, and are in no report unless `hints` was asked for.
    """

    name: str
    verdict: str
    points: float | None
    possible: float
    trials: dict[str, int]
    counterexamples: tuple[Counterexample, ...] = ()
    remarks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self, notes: bool = False) -> dict[str, Any]:
        """As JSON knows it."""
        content = {
            "name": self.name,
            "verdict": self.verdict,
            "points": self.points,
            "possible": self.possible,
            "trials": dict(self.trials),
            "remarks": list(self.remarks),
            "counterexamples": [_as_dict(example) for example in self.counterexamples],
        }
        return {**content, "notes": list(self.notes)} if notes else content

    @property
    def tried(self) -> str:
        """The trials in words."""
        counts = ", ".join(f"{count} {verdict}" for verdict, count in self.trials.items())
        return counts or "-"


class Grade(Mapping[str, Mark]):
    """Marks by name; what is printed and saved may be given to the student.

    Nothing here holds a true gradient, the secret seed, or the size of an error (from which the true
    value could be worked out).

    Args:
        marks: One per claim, in the order of the assignment.
        student: Whose grade it is.
        hints: Whether reports contain the notes for the teacher.
    """

    def __init__(self, marks: list[Mark], student: str = "", hints: bool = False) -> None:
        self._marks = {mark.name: mark for mark in marks}
        self.student = student
        self._hints = hints

    def __getitem__(self, name: str) -> Mark:
        try:
            return self._marks[name]
        except KeyError:
            raise KeyError(f"no mark was given for {name!r}; marks: {', '.join(self._marks)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._marks)

    def __len__(self) -> int:
        return len(self._marks)

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    @property
    def points(self) -> float:
        """Earned, without those that the teacher has to decide on."""
        return sum(mark.points for mark in self.values() if mark.points is not None)

    @property
    def possible(self) -> float:
        """That could be earned, the open ones included."""
        return sum(mark.possible for mark in self.values())

    @property
    def open(self) -> dict[str, float]:
        """Points by name that the teacher has to decide on: nothing could be concluded."""
        return {mark.name: mark.possible for mark in self.values() if mark.points is None}

    @property
    def summary(self) -> str:
        """The points in words."""
        text = f"{self.points:g} of {self.possible:g} points"
        if self.open:
            text += f"; {sum(self.open.values()):g} open, for the teacher to decide: {', '.join(self.open)}"
        return f"{self.student}: {text}" if self.student else text

    def rows(self) -> list[tuple[str, ...]]:
        """The table's cells, heading first."""
        head = ("claim", "verdict", "points", "trials", "remarks")
        return [head, *(self._cells(mark) for mark in self.values())]

    def _cells(self, mark: Mark) -> tuple[str, ...]:
        points = f"{'?' if mark.points is None else f'{mark.points:g}'} / {mark.possible:g}"
        remarks = (*mark.remarks, *(mark.notes if self._hints else ()))
        return (mark.name, mark.verdict, points, mark.tried, "; ".join(remarks) or "-")

    def to_text(self, width: int | None = None) -> str:
        """The table and the counterexamples; `width` in columns is the terminal's by default."""
        parts = ["\n".join([*table(self.rows(), frozenset({2}), width), self.summary])]
        for mark in self.values():
            for example in mark.counterexamples:
                body = "\n".join(f"    {line}" for line in lines(mark.name, example))
                parts.append(f"{heading(mark, example)}\n{body}")
        return "\n\n".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """The whole grade as JSON knows it."""
        return {
            "student": self.student,
            "points": self.points,
            "possible": self.possible,
            "open": self.open,
            "claims": [mark.to_dict(self._hints) for mark in self.values()],
        }

    def to_json(self, indent: int | None = 2) -> str:
        """`to_dict` as strict JSON."""
        return to_json(self.to_dict(), indent)

    def to_html(self) -> str:
        """A page of its own."""
        from autograd_core.compare.page import page

        return page(self.summary, self._repr_html_())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the grade to a file, in the format that its suffix names.

        The file appears whole or not at all.

        Args:
            path: Ends in `.html`, `.json` or `.txt`.

        Raises:
            ArgumentError: Another suffix, or a folder that does not exist.
            OSError: The file cannot be written.
        """
        save(path, {".html": self.to_html, ".json": self.to_json, ".txt": lambda: f"{self.to_text(100)}\n"})

    def __str__(self) -> str:
        return self.to_text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from autograd_core.compare.page import STYLE, badge

        head, *rows = self.rows()
        cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
        body = []
        for mark, row in zip(self.values(), rows, strict=True):
            texts = [f"<td>{escape(cell)}</td>" for cell in row]
            texts[1] = f"<td>{badge(mark.verdict)}</td>"
            body.append(f"<tr>{''.join(texts)}</tr>")
        examples = []
        for mark in self.values():
            for example in mark.counterexamples:
                text = escape("\n".join(lines(mark.name, example)))
                examples.append(f"<p><b>{escape(heading(mark, example))}</b></p><pre>{text}</pre>")
        return (
            f"<div class='ac-report'>{STYLE}<table><thead><tr>{cells}</tr></thead>"
            f"<tbody>{''.join(body)}</tbody></table><p>{escape(self.summary)}</p>{''.join(examples)}</div>"
        )


def heading(mark: Mark, example: Counterexample) -> str:
    """Which claim, and at which sizes."""
    return f"{mark.name} {'fails' if example.failure else 'is wrong'} at {words(example.sizes)}:"


def lines(name: str, example: Counterexample) -> list[str]:
    """Arguments and answer of a counterexample, never the true gradient."""
    given: dict[str, Any] = {**example.inputs, **example.params}
    if example.upstream is not None:
        given["g"] = example.upstream
    printed = [text for key, value in given.items() for text in _assigned(key, value)]
    if example.claimed is not None:
        printed += _assigned(f"your answer for {name}", example.claimed)
    if example.failure is not None:
        printed.append(str(example.failure))
    elif example.wrong_at is not None and example.claimed is None:
        at = f" at index {example.wrong_at}" if example.wrong_at else ""
        printed.append(f"your answer for {name} is wrong{at}; it is not shown, since true gradients go into it")
    elif example.wrong_at is not None and example.claimed is not None:
        value = f"{float(example.claimed[example.wrong_at]):.{DIGITS}g}"
        printed.append(f"{value} at index {example.wrong_at} is wrong" if example.wrong_at else f"{value} is wrong")
    return printed


def _assigned(name: str, value: Any) -> list[str]:
    if not isinstance(value, np.ndarray):
        return [f"{name} = {value!r:.{MOST}}"]
    if value.size > MOST:
        return [f"{name}: array of shape {value.shape}"]
    head = f"{name} = "
    text = np.array2string(
        value,
        max_line_width=96,
        precision=DIGITS,
        suppress_small=False,
        separator=", ",
        prefix=head,
        floatmode="maxprec",
    )
    return f"{head}{text}".splitlines()


def _as_dict(example: Counterexample) -> dict[str, Any]:
    params = {k: strict(v) if isinstance(v, float) else v for k, v in example.params.items()}
    return {
        "sizes": dict(example.sizes),
        "inputs": {name: _nested(x) for name, x in example.inputs.items()},
        "params": {k: v if isinstance(v, (int, float, str, type(None))) else repr(v) for k, v in params.items()},
        "g": _nested(example.upstream),
        "claimed": _nested(example.claimed),
        "wrong_at": None if example.wrong_at is None else list(example.wrong_at),
        "failure": None if example.failure is None else str(example.failure),
    }


def _nested(array: np.ndarray[Any, Any] | None) -> Any:
    """Nested lists; None for what is not finite."""
    if array is None:
        return None
    content = array.astype(object)
    content[~np.isfinite(array)] = None
    return content.tolist()
