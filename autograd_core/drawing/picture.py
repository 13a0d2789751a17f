"""A picture as plain text: vertices, edges and the modules they belong to.

This is what every level of `draw` produces and what the DOT writer reads. It holds strings and
flags only, no Node, Tensor or array, so a picture never keeps a graph alive. Texts are as the user
gave them; escaping is the writer's business, in one place.
"""

from __future__ import annotations

import dataclasses
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal[
    "variable", "constant", "number", "operation", "tagged", "element", "gradient", "rule", "sum", "module"
]
LineStyle: TypeAlias = Literal["shape", "static", "value", "grad", "∂out"]


@dataclasses.dataclass(slots=True)
class Vertex:
    """One box, circle or number of the picture.

    Attributes:
        key: the identifier in the DOT text, unique and free of anything given by the user.
        kind: what it is; decides form and colour.
        title: a name ("W1", "mu"), or "" for an operation without one.
        symbol: an operation's mathematical symbol, or "" for a variable.
        lines: smaller texts below: for each style its lines.
        cells: texts beside the title, divided by rules; then there are no `lines`.
        path: the frames around it, outermost first: modules, and repetitions that are drawn once.
        tooltip: lines shown when the pointer rests on it.
        output: whether it is one of the drawn outputs.
    """

    key: str
    kind: Kind
    title: str = ""
    symbol: str = ""
    lines: list[tuple[LineStyle, list[str]]] = dataclasses.field(default_factory=list)
    cells: list[tuple[LineStyle, str]] = dataclasses.field(default_factory=list)
    path: tuple[str, ...] = ()
    tooltip: list[str] = dataclasses.field(default_factory=list)
    output: bool = False


@dataclasses.dataclass(slots=True)
class Edge:
    """An arrow from an operand to the operator that reads it.

    Attributes:
        tail: key of the operand.
        head: key of the operator.
        order: "1", "2", … where the order of operands matters, otherwise "".
        tooltip: the operand's name in the operator's signature, or "".
        label: a number written on the arrow, or "".
        back: it leads from the end of a repetition to the begin of the next, against the direction of the others.
    """

    tail: str
    head: str
    order: str = ""
    tooltip: str = ""
    label: str = ""
    back: bool = False


@dataclasses.dataclass(slots=True)
class Frame:
    """What is written on a frame; one that a picture says nothing about shows its path.

    Attributes:
        title: the module's path and class, such as "layers.0: Linear".
        tooltip: lines shown when the pointer rests on it.
        count: how often its content is repeated; 1 if it is drawn as it ran.
    """

    title: str
    tooltip: list[str] = dataclasses.field(default_factory=list)
    count: int = 1


@dataclasses.dataclass(slots=True)
class Picture:
    """Vertices in the order of recording, the edges between them, the frames around them by path, and notes below."""

    vertices: list[Vertex] = dataclasses.field(default_factory=list)
    edges: list[Edge] = dataclasses.field(default_factory=list)
    frames: dict[tuple[str, ...], Frame] = dataclasses.field(default_factory=dict)
    notes: list[str] = dataclasses.field(default_factory=list)
