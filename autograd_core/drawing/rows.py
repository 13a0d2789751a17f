"""What only the scalar level writes: boxes of one row (name | data | grad) and numbers on arrows."""

from __future__ import annotations

from collections.abc import Sequence

from autograd_core.drawing import escape, style
from autograd_core.drawing.picture import LineStyle, Picture

NBSP = "\u00a0"


def row(title: str, cells: Sequence[tuple[LineStyle, str]]) -> str:
    """A label of one row, divided by rules.

    Args:
        title: the first cell, escaped; it is left out where it is empty.
        cells: the others, as the user gave them.
    """
    written = [f"<td><b>{title}</b></td>"] if title else []
    for kind, text in cells:
        size, colour = style.LINES[kind]
        shown = escape.label(text).replace(" ", NBSP)
        written.append(f'<td><font face="{style.MONO}" point-size="{size}" color="{colour}">{shown}</font></td>')
    return f'<table border="0" cellborder="0" cellspacing="0" cellpadding="3"><tr>{"<vr/>".join(written)}</tr></table>'


def on_edge(label: str) -> dict[str, str]:
    """The DOT attributes of an arrow with a number on it; that of a zero is drawn in dashes.

    Args:
        label: a number as `labels` writes it: nothing in it needs escaping.
    """
    dashed = {"style": "dashed"} if label == "0" else {}
    return {"label": label, "fontcolor": style.INK} | dashed


def legend(picture: Picture) -> list[str]:
    """The cells of the legend that explain numbers on arrows and in boxes."""
    cells = []
    if any(kind == "grad" for vertex in picture.vertices for kind, _ in vertex.cells):
        cells.append(f'<td><font color="{style.LINES["grad"][1]}">grad</font></td><td>∂ output / ∂ element</td>')
    if any(edge.label for edge in picture.edges):
        cells.append("<td>0.5 →</td><td>local derivative</td>")
    if any(edge.label == "0" for edge in picture.edges):
        cells.append("<td>0 ⇢</td><td>zero at these values</td>")
    return cells
