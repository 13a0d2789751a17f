"""Writing an influence diagram as DOT: layers as columns of elements, thin edges, counts below."""

from __future__ import annotations

import dataclasses

from autograd_core.drawing import escape, style
from autograd_core.drawing.labels import shorten

__all__ = ["Arrow", "Block", "Diagram", "Element", "Row", "write"]

ZERO = "#9a9a9a"  # of an edge that is zero in numbers: dashed too, so that no meaning hangs on the colour
_NBSP = "\u00a0"
_LABELLED = 24  # edges up to which the relation is written on each
_ROWS = 40  # pairs of layers listed below the picture

_FORMS = {"input": style.FORMS["variable"], "via": style.FORMS["tagged"], "out": style.FORMS["operation"]}


@dataclasses.dataclass(slots=True)
class Element:
    """One element or class of elements: identifier, name with index, ranges of its letters, tooltip."""

    key: str
    label: str
    ranges: str
    tooltip: str


@dataclasses.dataclass(slots=True)
class Block:
    """The elements of one tensor, below each other under its name."""

    column: int
    name: str
    shape: str
    role: str
    elements: list[Element] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(slots=True)
class Arrow:
    """From an element to one that it reaches; `text` relates their classes, `zero` marks a numerical zero."""

    tail: str
    head: str
    text: str
    zero: bool


@dataclasses.dataclass(slots=True)
class Row:
    """The pairs of elements between two tensors: related, all, of those zero in numbers (None: not known), in words."""

    source: str
    target: str
    related: int | None
    whole: int
    zero: int | None
    text: str


@dataclasses.dataclass(slots=True)
class Diagram:
    """A picture as plain text: nothing of the graph is kept alive.

    Attributes:
        blocks: the tensors, in the order of their columns and within a column from top to bottom.
        arrows: between their elements.
        rows: what is listed below.
        by_class: whether some elements are classes.
    """

    blocks: list[Block] = dataclasses.field(default_factory=list)
    arrows: list[Arrow] = dataclasses.field(default_factory=list)
    rows: list[Row] = dataclasses.field(default_factory=list)
    by_class: bool = False


def write(diagram: Diagram) -> str:
    """The DOT text, the same bytes for the same diagram."""
    from graphviz import Digraph

    labelled = len(diagram.arrows) <= _LABELLED and any(arrow.text for arrow in diagram.arrows)
    tallest = max(
        sum(len(b.elements) + 1 for b in diagram.blocks if b.column == block.column) for block in diagram.blocks
    )
    apart = 0.6 if labelled else max(1.0, 0.13 * tallest)  # steep edges are no picture
    root = Digraph(
        graph_attr={
            "rankdir": "LR",
            "bgcolor": style.CARD,
            "pad": "0.2",
            "nodesep": "0.12",
            "ranksep": f"{apart:.1f} equally",
            "fontname": style.SANS,
            "fontcolor": style.INK,
            "fontsize": "10",
            "labelloc": "b",
            "labeljust": "l",
            "label": f"<{_legend(diagram)}>",
        },
        node_attr={"fontname": style.SANS, "fontcolor": style.INK, "fontsize": "11", "height": "0.26", "width": "0.5"},
        edge_attr={
            "color": style.EDGE,
            "penwidth": "0.8",
            "arrowsize": "0.5",
            "tailport": "e",
            "headport": "w",
            "fontname": style.SANS,
            "fontcolor": style.MUTED,
            "fontsize": "9",
        },
    )
    columns: dict[int, list[str]] = {}
    for number, block in enumerate(diagram.blocks):
        lines = columns.setdefault(block.column, [])
        header = f"h{number + 1}"
        lines.append(header)
        root.body.append(_header(header, block))
        for element in block.elements:
            lines.append(element.key)
            root.body.append(_element(element, block.role))
    for keys in columns.values():
        # One above the other, in the order of the elements.
        root.body.append("\t{ rank=same; " + " -> ".join(keys) + " [style=invis weight=1] }\n")
    heads = [keys[0] for _, keys in sorted(columns.items())]
    if len(heads) > 1:
        root.body.append("\t" + " -> ".join(heads) + " [style=invis weight=100]\n")
    column = {element.key: block.column for block in diagram.blocks for element in block.elements}
    for arrow in diagram.arrows:
        attributes = {"style": "dashed", "color": ZERO} if arrow.zero else {}
        if column[arrow.head] - column[arrow.tail] > 1:
            attributes["weight"] = "8"  # straight past what stands between
        if arrow.text:
            attributes["tooltip"] = escape.tooltip(arrow.text)
            if labelled:
                attributes["label"] = f"{_NBSP}{escape.tooltip(arrow.text)}{_NBSP}"
        listed = " ".join(f'{name}="{value}"' for name, value in attributes.items())
        root.body.append(f"\t{arrow.tail} -> {arrow.head}" + (f" [{listed}]\n" if listed else "\n"))
    return str(root.source)


def _header(key: str, block: Block) -> str:
    name = escape.label(shorten(block.name, 24)) or _NBSP
    facts = f'<font point-size="9" color="{style.MUTED}">{escape.label(block.shape)}</font>'
    return f"\t{key} [shape=plaintext margin=0 label=<<b>{name}</b>{_NBSP}{facts}>]\n"


def _element(element: Element, role: str) -> str:
    form = _FORMS[role]
    rim = {"color": style.OUTPUT, "fillcolor": "#fdebdc", "penwidth": "1.8"} if role == "out" else {}
    attributes = {
        "shape": "box",
        "style": "filled,rounded",
        "color": form.rim,
        "fillcolor": form.fill,
        "margin": "0.08,0.02",
        "tooltip": escape.tooltip(element.tooltip),
    } | rim
    label = escape.label(element.label)
    if element.ranges:
        label += f'<br/><font point-size="9" color="{style.MUTED}">{escape.label(element.ranges)}</font>'
    listed = " ".join(f'{name}="{value}"' for name, value in attributes.items())
    return f"\t{element.key} [label=<{label}> {listed}]\n"


def _legend(diagram: Diagram) -> str:
    """What the edges mean, with their numbers, in all and between each two tensors."""
    known = [row for row in diagram.rows if row.zero is not None]
    zero = sum(row.zero or 0 for row in diagram.rows)
    related = [row.related for row in diagram.rows]
    total = None if None in related else sum(n or 0 for n in related)
    none = None if total is None else sum(row.whole for row in diagram.rows) - total
    counted = "pairs of elements" if diagram.by_class else "edges"
    lines = [
        _cells(_NBSP, ""),
        _cells("<b>——</b>", f"a path leads from one element to the other: {_number(total)} {counted}"),
    ]
    if known:
        text = "a path, but a derivative of zero at these values (within rounding)"
        lines.append(_cells(f'<font color="{ZERO}"><b>– – –</b></font>', f"{text}: {_number(zero)} of these"))
    lines.append(_cells("no edge", f"structural zero, no path at any value: {_number(none)} pairs"))
    if len(known) < len(diagram.rows):
        reason = "values are gone or changed, or elements too many"
        lines.append(_cells("note", f"derivatives {'not all ' if known else 'not '}compared with zero: {reason}"))
    for row in diagram.rows[:_ROWS]:
        share = f"{_number(row.related)} of {_number(row.whole)} pairs"
        extra = f", {row.zero} zero here" if row.zero else ""
        words = f": {shorten(row.text, 120)}" if row.text else ""
        name = f"{shorten(row.source, 20)} → {shorten(row.target, 20)}"
        lines.append(_cells(escape.label(name), escape.label(share + extra + words)))
    if len(diagram.rows) > _ROWS:
        lines.append(_cells("…", f"and {len(diagram.rows) - _ROWS} more pairs of tensors"))
    return f'<table border="0" cellborder="0" cellspacing="2" cellpadding="1">{"".join(lines)}</table>'


def _cells(left: str, right: str) -> str:
    return f'<tr><td align="left">{left}{_NBSP}</td><td align="left">{right}</td></tr>'


def _number(n: int | None) -> str:
    return "not counted" if n is None else f"{n:,}"
