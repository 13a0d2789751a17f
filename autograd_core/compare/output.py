"""What reports have in common: a table as wide as the terminal, figures, and files."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from autograd_core.errors import ArgumentError, where

WIDTH = 100  # columns where the output is no terminal
LEAST = 40  # no terminal is taken to be narrower
ROOM = 24  # remarks in a narrower column are hard to read; they then go below their row


def terminal_width() -> int:
    """Columns of the terminal that is printed to; WIDTH for a file, a pipe or a notebook."""
    try:
        terminal = sys.stdout.isatty()
    except (AttributeError, ValueError):  # replaced by something simpler, or closed
        terminal = False
    return max(shutil.get_terminal_size((WIDTH, 24)).columns, LEAST) if terminal else WIDTH


def table(rows: Sequence[Sequence[str]], right: frozenset[int], width: int | None = None) -> list[str]:
    """Lines of an aligned table whose last column wraps.

    Args:
        rows: Cells; the first row is the heading, the last column holds remarks ("-" for none).
        right: Columns whose cells stand at the right, as numbers do.
        width: Columns of the terminal; that of the present one by default.
    """
    total = terminal_width() if width is None else width
    last = len(rows[0]) - 1
    widths = [max(len(row[i]) for row in rows) for i in range(last)]
    room = total - sum(widths) - 2 * last
    beside = room >= ROOM or all(len(row[last]) <= room for row in rows)

    def joined(cells: Sequence[str]) -> str:
        texts = (c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(cells, widths)))
        return "  ".join(texts)

    def wrapped(text: str, columns: int) -> list[str]:
        return textwrap.wrap(text, max(columns, 10), break_on_hyphens=False) or [""]

    if beside:
        texts = [wrapped(row[last], room) for row in rows]
        longest = max(len(line) for text in texts for line in text)
        rule = "  ".join("-" * w for w in (*widths, longest))
        lines = []
        for row, (first, *more) in zip(rows, texts, strict=True):
            lines.append(f"{joined(row[:last])}  {first}".rstrip())
            lines += [" " * (sum(widths) + 2 * last) + text for text in more]
        return [lines[0], rule, *lines[1:]]
    lines = [joined(rows[0][:last]).rstrip(), "  ".join("-" * w for w in widths)]
    for row in rows[1:]:
        lines.append(joined(row[:last]).rstrip())
        if row[last] != "-":
            lines += [f"    {text}" for text in wrapped(row[last], total - 4)]
    return lines


def figure(x: float) -> str:
    """An error with two digits; "-" where there is none."""
    return "-" if math.isnan(x) else f"{x:.1e}"


def strict(x: float) -> float | None:
    """A number as JSON knows it: no NaN, no infinity."""
    return float(x) if math.isfinite(x) else None


def to_json(content: Mapping[str, Any], indent: int | None) -> str:
    """Strict JSON; characters beyond ASCII stay as they are."""
    return json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False)


def save(path: Any, writers: Mapping[str, Callable[[], str]]) -> None:
    """Write a report in the format that the file's suffix names.

    The file appears whole or not at all.

    Args:
        path: The file, in a folder that exists.
        writers: Per suffix (with its dot), what gives the text.

    Raises:
        ArgumentError: Another suffix, or no such folder.
        OSError: The file cannot be written.
    """
    from autograd_core.disk import write_atomically

    name = os.fsdecode(path)
    folder, base = os.path.split(name)
    suffix = os.path.splitext(base)[1].lower()
    if suffix not in writers:
        raise ArgumentError(
            f"save: the file name must end in {' or '.join(writers)}, got {base!r}; "
            f"the suffix names the format. {where('save')}"
        )
    if folder and not os.path.isdir(folder):
        raise ArgumentError(f"save: the folder must exist, got {folder!r}; create it first. {where('save')}")
    write_atomically(name, writers[suffix]().encode())
