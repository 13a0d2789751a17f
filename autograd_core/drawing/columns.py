"""The columns of a picture: how far each edge must reach, and what its layout will cost.

Graphviz puts vertices into columns along the direction of the computation, and cuts every edge into
one piece per column. The pieces, not the vertices, decide how long a layout takes.
"""

from __future__ import annotations

import dataclasses

from autograd_core.drawing.picture import Edge, Picture

_FARTHEST = 3  # columns; a longer edge costs more time than it gives order


@dataclasses.dataclass(frozen=True, slots=True)
class Columns:
    """How far the edges of a picture reach.

    Attributes:
        steps: for each edge, the columns that it must span at least.
        span: the columns that all edges span, about.
    """

    steps: list[int]
    span: int


def arrange(picture: Picture) -> Columns:
    """Set the least span of each edge, and estimate the span of all; in linear time.

    An edge into a module spans what the module needs to the left of its head (a weight and its
    transpose, say). So modules that follow each other stand in a row and do not overlap, and an
    input stands before the module that reads it, not above.
    """
    path = {vertex.key: vertex.path for vertex in picture.vertices}
    depth: dict[str, int] = {}
    for edge in _onward(picture):  # in the order of recording, so a tail is final before its head
        inside = depth.get(edge.tail, 0) + 1 if path[edge.tail] == path[edge.head] else 0
        depth[edge.head] = max(depth.get(edge.head, 0), inside)
    steps = [
        1 if edge.back or _is_inside(path[edge.tail], path[edge.head]) else 1 + min(depth[edge.head], _FARTHEST)
        for edge in picture.edges
    ]
    return Columns(steps, _span(picture, steps))


def _onward(picture: Picture) -> list[Edge]:
    return [edge for edge in picture.edges if not edge.back]


def _is_inside(path: tuple[str, ...], module: tuple[str, ...]) -> bool:
    return path[: len(module)] == module


def _span(picture: Picture, steps: list[int]) -> int:
    column: dict[str, int] = {}
    onward = [(edge, step) for edge, step in zip(picture.edges, steps, strict=True) if not edge.back]
    for edge, step in onward:
        column[edge.head] = max(column.get(edge.head, 0), column.get(edge.tail, 0) + step)
    source: dict[str, int] = {}  # what has no operands stands just before its first reader
    for edge, step in onward:
        if edge.tail not in column:
            before = column[edge.head] - step
            source[edge.tail] = min(source.get(edge.tail, before), before)
    column |= source
    return sum(column[edge.head] - column[edge.tail] for edge, _ in onward)
