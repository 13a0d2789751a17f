"""From the tape to patterns between layers: what reaches what without passing another layer.

One sweep per layer, over the Nodes in reverse order of recording as in the backward pass, with patterns in place of
cotangents. A Node that no layer reaches is passed over.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from typing import Any

from autograd_core.drawing.patterns.algebra import Pattern
from autograd_core.drawing.patterns.operators import pattern_of
from autograd_core.node import Node
from autograd_core.sweep import shape_of
from autograd_core.tensor import Tensor

__all__ = ["Graph", "Layer", "incoming", "reached_from", "wanted_operands"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One tensor of the picture.

    Attributes:
        name: as it is shown.
        entry: the Node that made it, or the leaf.
        role: "input", "via" or "out".
    """

    name: str
    entry: Node | Tensor
    role: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the tensor."""
        return tuple(self.entry.shape)


class Graph:
    """The Nodes that a result depends on, as they are on the tape: a tag is a Node of its own.

    Attributes:
        nodes: in the order of recording.
        leaves: those that get a gradient, in the order of reading.
    """

    def __init__(self, out: Tensor) -> None:
        found: dict[int, Node] = {}
        waiting = [] if out._node is None else [out._node]
        while waiting:
            node = waiting.pop()
            if id(node) not in found:
                found[id(node)] = node
                waiting += [parent for parent in node.parents if isinstance(parent, Node)]
        self.nodes: list[Node] = sorted(found.values(), key=lambda node: node.number)
        leaves = {id(p): p for node in self.nodes for p in node.parents if isinstance(p, Tensor)}
        self.leaves: list[Tensor] = list(leaves.values())


def wanted_operands(node: Node) -> list[int]:
    """The operands that get a gradient from a Node."""
    plan = node.plan
    if plan.joint is not None:
        return [i for i in range(len(node.parents)) if plan.mask >> i & 1]
    return [slot[0] for slot in plan.slots]


def reached_from(graph: Graph, entries: Sequence[Any]) -> set[int]:
    """By id: the given Nodes and leaves, and all Nodes that depend on one of them."""
    reached = {id(entry) for entry in entries}
    for node in graph.nodes:
        if any(id(node.parents[i]) in reached for i in wanted_operands(node)):
            reached.add(id(node))
    return reached


def incoming(layer: Layer, stops: dict[int, Layer], reached: set[int]) -> dict[Layer, Pattern]:
    """The patterns from other layers into this one, along paths that pass no other layer.

    Args:
        layer: where the paths end.
        stops: the layers by id() of their Node or leaf; this one may be among them.
        reached: what depends on one of them; see `reached_from`.
    """
    root = layer.entry
    if not isinstance(root, Node):
        return {}
    found: dict[Layer, list[Pattern]] = {}
    pending: dict[int, list[Pattern]] = {id(root): [Pattern.same(layer.shape)]}
    heap: list[tuple[int, Node]] = [(-root.number, root)]
    while heap:
        node = heappop(heap)[1]
        first, *others = pending.pop(id(node))
        onward = first.union(others)
        for parent, pattern in _steps(node):
            if id(parent) not in reached:
                continue
            through = pattern.then(onward)
            if id(parent) in stops:
                found.setdefault(stops[id(parent)], []).append(through)
            elif isinstance(parent, Node):
                if id(parent) not in pending:
                    pending[id(parent)] = []
                    heappush(heap, (-parent.number, parent))
                pending[id(parent)].append(through)
    united = {source: patterns[0].union(patterns[1:]) for source, patterns in found.items()}
    return {source: pattern for source, pattern in united.items() if pattern.terms}


def _steps(node: Node) -> Iterator[tuple[Any, Pattern]]:
    """The operands of a Node that get a gradient, each with its pattern into the Node's output."""
    output, made = 0, node
    if node.op.name == "pick" and isinstance(node.parents[0], Node) and node.parents[0].op.multiple:
        # An operator with several outputs has a Node for itself and one for each output.
        made = node.parents[0]
        output = (node.statics or {})["index"]
    op = made.op
    statics = {**{k: v for k, v in op.defaults.items() if k in op.statics}, **(made.statics or {})}
    shapes = [shape_of(parent) for parent in made.parents]
    for i in wanted_operands(made):
        yield made.parents[i], pattern_of(op, statics, shapes, i, node.shape, output)
