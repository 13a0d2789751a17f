"""The order of a computation, read off its picture: forward one operation after the other, then back.

It is text like the picture: keys of vertices and titles.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from autograd_core.drawing.labels import shorten
from autograd_core.drawing.picture import Edge, Picture, Vertex

__all__ = ["Step", "steps"]

_WITHOUT_GRADIENT = frozenset({"constant", "number"})
_MOST_NAMES = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One frame of a step-through.

    Attributes:
        title: what happens.
        back: whether gradients flow, against the arrows.
        heads: keys of the vertices that are computed, or whose gradient is taken back.
        tails: keys of their operands, or of those that a gradient flows to.
        edges: numbers of the arrows between them.
        complete: keys of the vertices whose gradient has got all its terms.
    """

    title: str
    back: bool
    heads: frozenset[str]
    tails: frozenset[str] = frozenset()
    edges: frozenset[int] = frozenset()
    complete: frozenset[str] = frozenset()


def steps(picture: Picture) -> list[Step]:
    """The steps of a picture, in the order of its vertices; those of the backward graph run one way only.

    Args:
        picture: vertices that were computed by one operation have keys that begin with the same letter and number.
    """
    groups: dict[str, list[Vertex]] = {}
    for vertex in picture.vertices:
        groups.setdefault(_group(vertex.key), []).append(vertex)
    into: dict[str, list[int]] = {}
    for number, edge in enumerate(picture.edges):
        if not edge.back:
            into.setdefault(_group(edge.head), []).append(number)
    moving = [name for name in groups if name in into]
    forward = [
        _forward(f"{'backward' if _is_backward(picture) else 'forward'} {i}/{len(moving)}", groups[n], into[n], picture)
        for i, n in enumerate(moving, 1)
    ]
    return forward if _is_backward(picture) else [*forward, *_backward(moving, groups, into, picture)]


def _group(key: str) -> str:
    found = re.match(r"[a-z]+\d+", key)
    return found[0] if found else key


def _is_backward(picture: Picture) -> bool:
    return any(vertex.kind == "gradient" for vertex in picture.vertices)


def _forward(count: str, members: Sequence[Vertex], numbers: Sequence[int], picture: Picture) -> Step:
    heads = frozenset(vertex.key for vertex in members)
    tails = frozenset(picture.edges[i].tail for i in numbers) - heads
    return Step(f"{count}: {_title(members)}", _is_backward(picture), heads, tails, frozenset(numbers))


def _backward(
    moving: Sequence[str], groups: dict[str, list[Vertex]], into: dict[str, list[int]], picture: Picture
) -> list[Step]:
    """The gradient of the outputs, then every operation in reverse."""
    carries = {vertex.key for vertex in picture.vertices if vertex.kind not in _WITHOUT_GRADIENT}
    titles = {vertex.key: _name(vertex) or vertex.symbol for vertex in picture.vertices}
    waiting: dict[str, int] = {}  # arrows over which a vertex has still to get a gradient
    for number in (i for name in moving for i in into[name]):
        tail = picture.edges[number].tail
        waiting[tail] = waiting.get(tail, 0) + 1
    outputs = frozenset(vertex.key for vertex in picture.vertices if vertex.output and vertex.key in carries)
    done = {key for key in outputs if not waiting.get(key)}
    start = "backward: the output's gradient with respect to itself is 1"
    found = [Step(start, True, outputs, complete=frozenset(done))]
    for place, name in enumerate(reversed(moving), 1):
        heads = frozenset(vertex.key for vertex in groups[name])
        flowing = frozenset(i for i in into[name] if picture.edges[i].tail in carries)
        inner = frozenset(i for i in flowing if picture.edges[i].tail in heads)
        tails = frozenset(picture.edges[i].tail for i in flowing - inner)
        for i in into[name]:
            waiting[picture.edges[i].tail] -= 1
        names = _listed([titles[edge.tail] for edge in _edges(picture, flowing - inner) if titles[edge.tail]])
        title = f"backward {place}/{len(moving)}: {_title(groups[name])}" + (f", gradient for {names}" if names else "")
        complete = frozenset(key for key in tails | heads if not waiting.get(key)) - done
        done |= complete
        found.append(Step(title, True, heads, tails, flowing, complete))
    return found


def _edges(picture: Picture, numbers: frozenset[int]) -> list[Edge]:
    return [picture.edges[i] for i in sorted(numbers)]


def _name(vertex: Vertex) -> str:
    """The name of a variable or result, of an element that of its array."""
    return re.sub(r"\[\d+(,\d+)*\]$", "", vertex.title) if vertex.cells else vertex.title


def _title(members: Sequence[Vertex]) -> str:
    """`mean → mu`: the operation's symbol and the names of its results."""
    symbol = next((vertex.symbol for vertex in members if vertex.symbol), "")
    if all(vertex.kind == "rule" for vertex in members if vertex.kind != "sum"):
        return _listed([vertex.symbol for vertex in members if vertex.kind == "rule"])
    names = _listed([name for vertex in members if (name := _name(vertex))])
    return " → ".join(part for part in (symbol, names) if part)


def _listed(names: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(names))
    return shorten(", ".join(distinct[:_MOST_NAMES]) + (", …" if len(distinct) > _MOST_NAMES else ""), 80)
