"""Writing a `Picture` as DOT text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from autograd_core.drawing import escape, rows, style
from autograd_core.drawing.columns import Columns
from autograd_core.drawing.labels import shorten
from autograd_core.drawing.picture import Frame, LineStyle, Picture, Vertex

_NBSP = "\u00a0"
_NUMBERS = ("value", "grad", "∂out")
_CROWDED = 1000  # columns that edges span in all, above which the layout is cut short
_LONGEST_NAME = 48
_LONGEST_TITLE = 80
_LONGEST_TOOLTIP = 400

_DEFAULTS = style.FORMS["operation"].attributes()
_DIFFERENCES = {
    kind: {k: v for k, v in form.attributes().items() if v != _DEFAULTS[k]} for kind, form in style.FORMS.items()
}


def write(picture: Picture, columns: Columns, rankdir: str) -> str:
    """The DOT text of `picture`, the same bytes for the same picture.

    Args:
        picture: what to draw.
        columns: how far its edges reach.
        rankdir: direction of the computation, "LR", "TB", "RL" or "BT".

    Raises:
        ImportError: the package `graphviz`, a dependency of this one, is missing.
    """
    from graphviz import Digraph

    root = Digraph(
        graph_attr={
            "rankdir": rankdir,
            "bgcolor": style.CARD,
            "pad": "0.2",
            "nodesep": "0.2",
            "ranksep": "0.35",
            "fontname": style.SANS,
            "fontcolor": style.INK,
            "fontsize": "9",
            "labelloc": "b",
            "labeljust": "l",
            "label": f"<{_legend(picture)}>",
            # Graphviz would go on straightening long edges for minutes.
            "nslimit": "1" if columns.span > _CROWDED else None,
        },
        # What operations have is the default, which halves the text of a large graph.
        node_attr=_DEFAULTS | {"fontname": style.SANS, "fontcolor": style.INK, "fontsize": "12"},
        edge_attr={
            "color": style.EDGE,
            "fontname": style.SANS,
            "fontcolor": style.MUTED,
            "fontsize": "8",
            "arrowsize": "0.6",
            "labeldistance": "1.3",
            # The way of the data is kept straight, at the expense of what joins from the side.
            "weight": "4",
        },
    )
    modules = _Modules(picture.frames)
    for vertex in picture.vertices:
        modules.add(vertex.path, _vertex(vertex))
    root.body.extend(modules.write())
    operations = {vertex.key for vertex in picture.vertices if vertex.symbol}
    for edge, step in zip(picture.edges, columns.steps, strict=True):
        attributes = {} if edge.tail in operations else {"weight": "1"}
        if edge.back:
            attributes = {"constraint": "false", "style": "dashed", "color": style.REPEATED_RIM}
        if step > 1:
            attributes["minlen"] = str(step)
        if edge.order:
            attributes["headlabel"] = edge.order
        if edge.label:
            attributes |= rows.on_edge(edge.label)
        if edge.tooltip:
            attributes["tooltip"] = _tooltip([edge.tooltip])
        root.body.append(f"\t{edge.tail} -> {edge.head}{_listed(attributes)}\n")
    # Two pictures in one page must not share identifiers: Graphviz begins those of all elements with the graph's.
    mark = hashlib.blake2b("".join(root.body).encode(), digest_size=4).hexdigest()
    root.graph_attr["id"] = f"g{mark}"
    return str(root.source)


class _Modules:
    """The vertices by module; modules are nested clusters, in the order in which they are met."""

    def __init__(self, frames: Mapping[tuple[str, ...], Frame]) -> None:
        self._frames = frames
        self._lines: dict[tuple[str, ...], list[str]] = {(): []}
        self._inner: dict[tuple[str, ...], list[tuple[str, ...]]] = {(): []}

    def add(self, path: tuple[str, ...], line: str) -> None:
        """Puts a line into the module at `path`, which is made when first needed."""
        if path not in self._lines:
            for depth in range(len(path)):
                inner = path[: depth + 1]
                if inner not in self._lines:
                    self._lines[inner] = []
                    self._inner[inner] = []
                    self._inner[path[:depth]].append(inner)
        self._lines[path].append(line)

    def write(self) -> Iterator[str]:
        """The lines of all modules, without recursion however deep they nest."""
        number = 0
        waiting: list[tuple[str, ...] | None] = [()]
        while waiting:
            path = waiting.pop()
            if path is None:
                yield "\t}\n"
                continue
            if path:
                number += 1
                yield f"\tsubgraph cluster_{number} {{\n\tgraph{_frame(path, self._frames.get(path))}\n"
                waiting.append(None)
            yield from self._lines[path]
            waiting += reversed(self._inner[path])


def _frame(path: tuple[str, ...], frame: Frame | None) -> str:
    name = ".".join(path)
    frame = frame or Frame(name, [f"module {name}"])
    label = escape.label(shorten(frame.title, _LONGEST_TITLE))
    repeated = frame.count > 1
    if repeated:
        label = f"{label}{_NBSP * 2 if label else ''}<b>× {frame.count}</b>"
    attributes = {
        "tooltip": _tooltip(frame.tooltip),
        "labelloc": "t",
        "style": "filled,rounded",
        "color": style.REPEATED_RIM if repeated else style.MODULE_RIM,
        "fillcolor": style.MODULES[len(path) % 2],
        "fontcolor": style.INK if repeated else style.MUTED,
        "penwidth": "1.8" if repeated else "1",
        "margin": "10",
    }
    return f' [label=<<font point-size="{12 if repeated else 10}">{label or _NBSP}</font>> {_listed(attributes)[2:]}'


def _vertex(vertex: Vertex) -> str:
    attributes = dict(_DIFFERENCES[vertex.kind])
    if vertex.symbol and any(kind in _NUMBERS for kind, _ in vertex.lines):
        # An ellipse around rows of numbers is mostly empty.
        attributes |= {"shape": "box", "style": "filled,rounded", "margin": "0.1,0.05"}
    if vertex.output:
        attributes |= {"peripheries": "2", "color": style.OUTPUT, "penwidth": "1.6"}
    attributes["tooltip"] = _tooltip(vertex.tooltip or [vertex.title])
    return f"\t{vertex.key} [label=<{_content(vertex)}> {_listed(attributes)[2:]}\n"


def _listed(attributes: dict[str, str]) -> str:
    # Digraph.node and .edge look at every attribute several times, which is most of the time of a
    # large graph. Nothing here needs their quoting: what came from outside is escaped already.
    if not attributes:
        return ""
    return " [" + " ".join([f'{name}="{value}"' for name, value in attributes.items()]) + "]"


def _content(vertex: Vertex) -> str:
    module = ".".join(vertex.path) + "."
    name = vertex.title.removeprefix(module) if vertex.path else vertex.title
    title = escape.label(shorten(name, _LONGEST_NAME))
    if vertex.cells:
        return rows.row(title, vertex.cells)
    if vertex.kind == "number":
        return title
    parts = [f"<b>{title}</b>"] if title else []
    if vertex.symbol:
        size = "16" if len(vertex.symbol) == 1 else "12"
        parts.append(f'<font point-size="{size}">{escape.label(vertex.symbol)}</font>')
    for kind, lines in vertex.lines:
        parts += _small(kind, lines)
    return "<br/>".join(parts) or _NBSP


def _small(kind: LineStyle, lines: list[str]) -> Iterator[str]:
    size, colour = style.LINES[kind]
    if kind in _NUMBERS:
        # Rows of numbers stand below each other, and Graphviz would drop leading spaces.
        rows = [(kind if i == 0 else " " * len(kind)) + " " + row for i, row in enumerate(lines)]
        width = max(map(len, rows))
        lines = [row.ljust(width).replace(" ", _NBSP) for row in rows]
        face = f' face="{style.MONO}"'
    else:
        face = ""
    for line in lines:
        yield f'<font{face} point-size="{size}" color="{colour}">{escape.label(line)}</font>'


def _tooltip(lines: list[str]) -> str:
    # Our own line breaks are DOT escapes; the user's are gone by then.
    return "\\n".join(escape.tooltip(shorten(line, _LONGEST_TOOLTIP)) for line in lines)


def _legend(picture: Picture) -> str:
    """A row that explains the forms which occur, as the graph's own label: it adds no vertex."""
    kinds = {vertex.kind for vertex in picture.vertices}
    cells = []
    for kind, form in style.FORMS.items():
        if kind in kinds and form.legend:
            line = [word for word in form.style.split(",") if word != "filled"]
            corners = line if form.shape == "box" else [*line, "rounded"]
            cells.append(
                f'<td style="{",".join(corners) or "solid"}" border="1" color="{form.rim}"'
                f' bgcolor="{form.fill}">{_NBSP}{form.sample}{_NBSP}</td><td>{form.legend}</td>'
            )
    if any(vertex.output for vertex in picture.vertices):
        rim = f'color="{style.OUTPUT}" style="rounded"'
        cells.append(
            f'<td><table border="1" cellborder="1" cellspacing="2" cellpadding="1" {rim}>'
            f"<tr><td {rim}>{_NBSP}y{_NBSP}</td></tr></table></td><td>output</td>"
        )
    if any(edge.order for edge in picture.edges):
        cells.append(f"<td>→<sub>1</sub>{_NBSP}→<sub>2</sub></td><td>order of operands</td>")
    if any(frame.count > 1 for frame in picture.frames.values()):
        back = ", ⇠ from one to the next" if any(edge.back for edge in picture.edges) else ""
        rim = f'border="1" style="rounded" color="{style.REPEATED_RIM}" bgcolor="{style.MODULES[1]}"'
        cells.append(f"<td {rim}>{_NBSP}<b>× n</b>{_NBSP}</td><td>repeated n times, drawn once{back}</td>")
    cells += rows.legend(picture)
    # Graphviz takes no table without a cell.
    rows_of = [f"<td>{_NBSP}</td>".join(cells)] if cells else []
    width = max(2 * len(cells), 1)
    rows_of += [f'<td align="left" colspan="{width}">{escape.label(note)}</td>' for note in picture.notes]
    body = "".join(f"<tr>{row}</tr>" for row in rows_of) or f"<tr><td>{_NBSP}</td></tr>"
    return f'<table border="0" cellborder="0" cellspacing="4" cellpadding="2">{body}</table>'
