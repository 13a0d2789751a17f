"""Reports as HTML: in a notebook, and as a page of their own.

Nothing is loaded from elsewhere, colours work on light and dark pages, and every verdict has a
mark and a word beside its colour.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from autograd_core.compare.output import figure
from autograd_core.compare.pictures import heat_map, legend, sweep_plot

if TYPE_CHECKING:
    from autograd_core.compare.report import Line, Report

# White on these is read with a contrast above 5 : 1. Told apart by mark and word, not by hue alone.
MARKS = {
    "exact": ("✓", "#00639c"),
    "approximate": ("≈", "#6b5d00"),
    "wrong": ("✗", "#a83200"),
    "failed": ("✗", "#7a2048"),
    "missing": ("–", "#595959"),
    "undecided": ("?", "#595959"),
}
# Text and lines take the page's own colour; half-transparent grey shows on light and dark.
STYLE = (
    "<style>.ac-report table{border-collapse:collapse;margin:0}"
    ".ac-report th,.ac-report td{text-align:left!important;vertical-align:top;padding:4px 10px 4px 4px;"
    "border-bottom:1px solid #8886;max-width:26em}"
    ".ac-report .n{font-variant-numeric:tabular-nums;white-space:nowrap}"
    ".ac-report small{opacity:.8;display:block}"
    ".ac-report pre{margin:.3em 0 1em 1em;white-space:pre-wrap}"
    ".ac-report b.v{color:#fff;border-radius:3px;padding:1px 6px;white-space:nowrap}"
    + "".join(f".ac-report b.{name}{{background:{color}}}" for name, (_, color) in MARKS.items())
    + "</style>"
)


def html(report: Report) -> str:
    """One table row per claim; every text from outside is escaped."""
    head = ["name", "verdict", "max rel error", "order", "oracle error", "remarks", "errors by element"]
    if report.swept is not None:
        head.append(f"error against {report.swept}")
    cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    maps = {name: heat_map(line) for name, line in report.items()}
    body = "".join(_row(line, maps[line.name], report.swept) for line in report.values())
    key = f"<small>{legend()}</small>" if any(maps.values()) else ""
    return (
        f"<div class='ac-report'>{STYLE}<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"
        f"<p>{escape(report.summary)}</p>{key}</div>"
    )


def _row(line: Line, picture: str, swept: str | None) -> str:
    bound = "" if math.isnan(line.bound) else f"<small>rounding {figure(line.bound)}</small>"
    worst = "" if line.verdict == "exact" or line.worst is None else f"<small>{escape(line.worst_words)}</small>"
    cells = [
        f"<td><b>{escape(line.name)}</b></td>",
        f"<td>{badge(line.verdict)}</td>",
        f"<td class='n'>{figure(line.max_rel_error)}{bound}</td>",
        f"<td class='n'>{'-' if line.order is None else f'{line.order:.2f}'}</td>",
        f"<td><span class='n'>{figure(line.oracle_error)}</span><small>{escape(line.oracle)}</small></td>",
        f"<td>{escape(line.remarks or '-')}{worst}</td>",
        f"<td>{picture or '-'}</td>",
    ]
    if swept is not None:
        cells.append(f"<td>{sweep_plot(line, swept) or '-'}</td>")
    return f"<tr>{''.join(cells)}</tr>"


def badge(verdict: str) -> str:
    """A verdict's mark and word on its colour."""
    return f"<b class='v {verdict}'>{MARKS[verdict][0]} {verdict}</b>"


def page(title: str, body: str) -> str:
    """A page of its own, light or dark as the reader's system is."""
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'><meta name='color-scheme' content='light dark'>"
        f"<title>{escape(title)}</title>"
        "<style>:root{color-scheme:light dark}body{font:14px/1.4 system-ui,sans-serif;margin:2em}</style></head>"
        f"<body><h1>{escape(title)}</h1>{body}</body></html>\n"
    )
