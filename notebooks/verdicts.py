"""Verdicts: the table that a notebook collects, and the table of all notebooks, `VERDICTS.md`.

In a notebook:

    from verdicts import Verdicts

    verdicts = Verdicts("02_batchnorm")
    verdicts.judge("S000-B.53", "dL/dz", report["Z"])              # a line of compare's report
    verdicts.claim("S004-C23/C25", "error of the gradient falls as K^(-1/2)", holds, f"slope {slope:.2f}")
    verdicts                                                       # the table, in its last cell
    verdicts.save()

`equations.csv` lists the ids, and what kind of statement each is; some kinds need a verdict.
From a shell, after the notebooks have run with AUTOGRAD_CORE_OUT=build/verdicts:

    python notebooks/verdicts.py build/verdicts                    # write VERDICTS.md
    python notebooks/verdicts.py build/verdicts --check            # exit 1 if the committed one is stale
"""

from __future__ import annotations

import argparse
import csv
import html
import json
import math
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TABLE = HERE / "VERDICTS.md"
OUT = "AUTOGRAD_CORE_OUT"  # the folder that `save` writes to
ROUNDING = 1e-10  # an error below this is said to be below it: its digits belong to the machine
NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?")
# Two significant digits: half a unit of the second, of the smallest number that has two (1.0).
AGREE = 0.05
LOOSE = (3, 5)  # columns of the table: figure and remarks
OURS = re.compile(r"(?:^|\[)ours\b")  # in a remark: the row judges something that the document does not print
FAULTS = {"approximate", "partly", "wrong", "fails"}
NEED = {"hand-derived gradient", "optimizer rule", "claim", "experiment", "number example", "run"}
MARKS = {
    "exact": ("✓", "#00639c"),
    "holds": ("✓", "#00639c"),
    "approximate": ("≈", "#7a5c00"),
    "partly": ("≈", "#7a5c00"),
    "wrong": ("✗", "#a83200"),
    "fails": ("✗", "#a83200"),
    "undecided": ("?", "#595959"),
}
DOCUMENTS = {
    "S000": "S000: MIT 6.390 Explanatory Notes, Appendix B",
    "S001": "S001: CMU 11-785, notes on Lecture 7",
    "S002": "S002: MIT 6.390 lecture notes, Appendix B",
    "S003": "S003: KTH DD2424, Lecture 4",
    "S004": "S004: MIT 6.390 Explanatory Notes, chapter 6",
    "X": "Number examples",
    "E": "Experiments",
}


@dataclass(frozen=True)
class Row:
    """One verdict.

    Attributes:
        id: Of the equation, rule, claim or experiment, as in `equations.csv`.
        formula: What was judged, in a few words.
        verdict: A key of MARKS.
        figure: The number that the verdict rests on, two significant digits.
        remark: What else there is to say; may be empty.
        cell: Number of the notebook's cell, as its prompt shows it.
    """

    id: str
    formula: str
    verdict: str
    figure: str
    remark: str
    cell: int


class Verdicts:
    """The verdicts of one notebook, shown as a table.

    Args:
        notebook: Its file's name without suffix.
    """

    def __init__(self, notebook: str) -> None:
        self.notebook = notebook
        self.rows: list[Row] = []
        self._known = equations()

    def judge(self, id: str, formula: str, line: Any, remark: str = "") -> None:
        """Add a line of a report of `compare`; `remark` is ours, the line's own hint comes before it."""
        figure = error_text(line.max_rel_error)
        if line.order is not None:
            figure += f", order {line.order:.1f}"
        ours = f"[{remark}]" if remark else ""
        self._add(id, formula, line.verdict, figure, "; ".join(t for t in (line.remarks, ours) if t))

    def claim(self, id: str, text: str, holds: bool | str, figure: str, remark: str = "") -> None:
        """Add the verdict on a claim, a rule or an experiment.

        Args:
            id: As in `equations.csv`.
            text: What is claimed.
            holds: Whether it does; or a verdict in words, such as "partly".
            figure: The number that shows it, with its unit or name, at most two significant digits.
            remark: What else there is to say.
        """
        verdict = holds if isinstance(holds, str) else ("holds" if holds else "fails")
        self._add(id, text, verdict, figure, remark)

    def _add(self, id: str, formula: str, verdict: str, figure: str, remark: str) -> None:
        if id not in self._known:
            raise ValueError(f"{id!r} is not in equations.csv")
        if verdict not in MARKS:
            raise ValueError(f"a verdict is one of {', '.join(MARKS)}; got {verdict!r} for {id}")
        if not figure:
            raise ValueError(f"{id} has no figure: a verdict rests on one")
        if any(row.id == id and row.formula == formula for row in self.rows):
            raise ValueError(f"{id} has two verdicts on {formula!r}")
        self.rows.append(Row(id, formula, verdict, figure, remark, _cell()))

    def __getitem__(self, key: tuple[str, str]) -> Row:
        """The row of an id and a formula."""
        return next(row for row in self.rows if (row.id, row.formula) == key)

    def find(self, verdict: str) -> set[tuple[str, str]]:
        """(id, formula) of the rows with this verdict."""
        return {(row.id, row.formula) for row in self.rows if row.verdict == verdict}

    @property
    def summary(self) -> str:
        """How many rows have which verdict."""
        return counts(self.rows)

    def __repr__(self) -> str:
        table = [("id", "formula", "verdict", "figure", "remarks")]
        table += [(row.id, row.formula, row.verdict, row.figure, row.remark or "-") for row in self.rows]
        widths = [max(len(line[i]) for line in table) for i in range(5)]
        lines = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in table]
        return "\n".join([*lines, "", self.summary])

    def _repr_html_(self) -> str:
        def cells(tag: str, texts: Iterable[str]) -> str:
            return "".join(f'<{tag} style="text-align:left">{text}</{tag}>' for text in texts)

        body = []
        for row in self.rows:
            mark, color = MARKS[row.verdict]
            verdict = f'<b style="color:{color}">{mark} {row.verdict}</b>'
            id, formula, figure, remark = map(html.escape, (row.id, row.formula, row.figure, row.remark))
            body.append(f"<tr>{cells('td', (id, formula, verdict, figure, remark))}</tr>")
        head = cells("th", ("id", "formula", "verdict", "figure", "remarks"))
        return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table><p>{self.summary}</p>"

    def save(self) -> None:
        """Write `<notebook>.json` and `<notebook>.txt` to the folder that AUTOGRAD_CORE_OUT names, if it does."""
        if folder := os.environ.get(OUT):
            content = {"notebook": self.notebook, "rows": [asdict(row) for row in self.rows]}
            Path(folder).mkdir(parents=True, exist_ok=True)
            Path(folder, f"{self.notebook}.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
            Path(folder, f"{self.notebook}.txt").write_text(f"{self}\n", encoding="utf-8")


def error_text(error: float) -> str:
    """An error with two digits, or what it is below of where its digits belong to the machine."""
    if math.isnan(error):
        return "-"
    if math.isinf(error):
        return "error ∞"
    return f"error < {ROUNDING:.0e}" if error < ROUNDING else f"error {error:.1e}"


def _cell() -> int:
    """The number of the cell that runs; 0 outside of a notebook.

    `execution_count` is no help: some versions of IPython count before the cell runs, others after it. `In` starts
    with an empty entry and has the running cell's source as its last in all of them.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return len(shell.user_ns["In"]) - 1 if shell is not None else 0


def ours(row: Row) -> bool:
    """Whether the row judges a repair, an omitted formula or a reading of ours, and nothing that is printed."""
    return bool(OURS.search(row.remark))


def split(rows: Sequence[Row], printed_as: str, ours_as: str) -> str:
    """The counts of the verdicts on what is printed, and of those on what is ours."""
    parts = ((printed_as, [row for row in rows if not ours(row)]), (ours_as, [row for row in rows if ours(row)]))
    return "; ".join(f"{len(part)} {name}: {counts(part)}" for name, part in parts if part)


def counts(rows: Sequence[Row]) -> str:
    """How many rows have which verdict."""
    found = Counter(row.verdict for row in rows)
    return ", ".join(f"{found[verdict]} {verdict}" for verdict in MARKS if verdict in found)


# -- the table of all notebooks --------------------------------------------------------------------


def equations() -> dict[str, str]:
    """The kind of each statement of the documents, by id."""
    with open(HERE / "equations.csv", encoding="utf-8", newline="") as file:
        return {row["id"]: row["kind"] for row in csv.DictReader(file)}


def load(folder: Path) -> list[tuple[str, Row]]:
    """(notebook, row) for all rows that the notebooks have saved."""
    found = []
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        found += [(content["notebook"], Row(**row)) for row in content["rows"]]
    return found


def missing(rows: Sequence[tuple[str, Row]]) -> list[str]:
    """The ids that need a verdict and have none."""
    judged = {row.id for _, row in rows}
    return [id for id, kind in equations().items() if kind in NEED and id not in judged]


def table(rows: Sequence[tuple[str, Row]]) -> str:
    """The text of VERDICTS.md."""
    kinds = equations()
    place = {id: i for i, id in enumerate(kinds)}
    gradients = [row for _, row in rows if kinds[row.id] == "hand-derived gradient"]
    ids = {row.id for row in gradients}
    faulty = {row.id for row in gradients if row.verdict in FAULTS and not ours(row)}
    everything = [row for _, row in rows]
    lines = [
        "# Verdicts",
        "",
        "Written by `make verdicts`, which runs the notebooks; `make test` fails when it is stale.",
        "",
        f"- {len(ids)} hand-derived gradients, {len(ids - faulty)} without fault; "
        + split(gradients, "printed forms", "of ours (repairs, omitted formulas)"),
        f"- all {len({row.id for row in everything})} ids, {len(rows)} verdicts; "
        + split(everything, "on what is printed", "on what is ours"),
        "",
        "*exact, approximate, wrong, undecided*: `compare`'s verdict on a formula, or equality of a rule with the",
        "implementation or with arithmetic. *holds, partly, fails*: what a claim or an experiment came to.",
        "*ours*: the document does not print what is judged. *In [n]* is the cell's prompt.",
    ]
    for prefix, title in DOCUMENTS.items():
        part = [(n, row) for n, row in rows if row.id.split("-")[0] == prefix]
        if not part:
            continue
        lines += ["", f"## {title}", "", "| id | formula or claim | verdict | figure | shown in | remarks |"]
        lines.append("|---|---|---|---|---|---|")
        for notebook, row in sorted(part, key=lambda item: place[item[1].id]):
            link = f"[{notebook}]({notebook}.ipynb) In [{row.cell}]"
            texts = (row.id, row.formula, f"{MARKS[row.verdict][0]} {row.verdict}", row.figure)
            lines.append("| " + " | ".join([*map(escape, texts), link, escape(row.remark)]) + " |")
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Text that Markdown's table takes as it is."""
    return re.sub(r"([|*_<`\\])", r"\\\1", text)


def differences(committed: str, now: str) -> list[str]:
    """The lines that differ in more than rounding: in a text, a verdict, or two significant digits of a number."""
    old, new = committed.splitlines(), now.splitlines()
    found = [f"- {a}\n+ {b}" for a, b in zip(old, new) if not same(a, b)]
    if len(old) != len(new):
        found.append(f"{len(old)} lines are committed, {len(new)} were written")
    return found


def same(a: str, b: str) -> bool:
    """Equal, but for the numbers among a row's figures and remarks: these agree to two significant digits."""
    old, new = a.split(" | "), b.split(" | ")
    if len(old) != len(new):
        return False
    return all(x == y or (column in LOOSE and near(x, y)) for column, (x, y) in enumerate(zip(old, new, strict=True)))


def near(a: str, b: str) -> bool:
    """Equal text between the numbers, and numbers equal to two significant digits."""
    if NUMBER.sub("#", a) != NUMBER.sub("#", b):
        return False
    pairs = zip(NUMBER.findall(a), NUMBER.findall(b), strict=True)
    return all(x == y or math.isclose(float(x), float(y), rel_tol=AGREE) for x, y in pairs)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Write or check the table of all verdicts.")
    parser.add_argument("folder", type=Path, help="where the notebooks saved their verdicts")
    parser.add_argument("--check", action="store_true", help="compare with the committed table, write nothing")
    options = parser.parse_args(arguments)
    rows = load(options.folder)
    if lacking := missing(rows):
        print(f"verdicts: {len(lacking)} ids have no verdict: {', '.join(lacking)}", file=sys.stderr)
        return 1
    now = table(rows)
    if not options.check:
        TABLE.write_text(now, encoding="utf-8")
        print(f"wrote {TABLE.name}: {counts([row for _, row in rows])}")
        return 0
    stale = differences(TABLE.read_text(encoding="utf-8") if TABLE.exists() else "", now)
    if stale:
        print("verdicts: VERDICTS.md is stale; run `make verdicts`\n" + "\n".join(stale), file=sys.stderr)
        return 1
    print(f"{TABLE.name} is up to date: {counts([row for _, row in rows])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
