"""Reading the Node graph: which nodes and leaves are reached, in the order of recording.

The walk is iterative and visits each Node once, so a graph a million nodes deep is an ordinary one.
It only follows `Node.parents`; nothing is written, and what it returns is meant to be dropped as
soon as the picture has been turned into text.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from autograd_core.node import Constant, Node
from autograd_core.tensor import Tensor

Leaf: TypeAlias = Tensor | Constant


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """The part of the graph that the outputs depend on.

    Attributes:
        nodes: the Nodes in the order of recording, so parents come before children.
        operands: for each Node its parents; uses of one constant are one object there.
        tags: by id() of a Node, the Node of the tag that names it. A tag is an identity; where
            nothing else reads what it names, it is that operation's name and no step of its own.
        outputs: what was asked for, in the order asked: a Node, or the Tensor itself for a leaf.
    """

    nodes: list[Node]
    operands: list[tuple[Any, ...]]
    tags: dict[int, Node]
    outputs: list[Node | Tensor]

    def leaves(self) -> list[tuple[Leaf, Node]]:
        """Each use of a leaf or constant, with the Node that reads it, in the order of reading."""
        uses = zip(self.nodes, self.operands, strict=True)
        return [(item, node) for node, items in uses for item in items if is_leaf(item)]

    def name(self, node: Node) -> str | None:
        """The Node's own name, or that of the tag on it."""
        name = node.name if node.name is not None else self.tags.get(id(node), node).name
        return None if name is None else str(name)


def read(tensors: Sequence[Tensor]) -> Reading:
    """Collect every Node that `tensors` depend on, in linear time and without recursion.

    Args:
        tensors: the outputs of the picture.

    Returns:
        The Nodes sorted by their recording number, their operands, and the outputs.
    """
    outputs: list[Node | Tensor] = [t if t._node is None else t._node for t in tensors]
    found: dict[int, Node] = {}
    waiting = [out for out in outputs if isinstance(out, Node)]
    readers = Counter(map(id, waiting))
    while waiting:
        node = waiting.pop()
        if id(node) in found:
            continue
        found[id(node)] = node
        parents = [parent for parent in node.parents if isinstance(parent, Node)]
        readers.update(map(id, parents))
        waiting += parents
    recorded = sorted(found.values(), key=lambda node: node.number)
    tags = {id(node.parents[0]): node for node in recorded if _is_tag(node, readers)}
    stands = {id(tag): tag.parents[0] for tag in tags.values()}  # by tag, what it names
    constants: dict[object, list[tuple[Constant, Any]]] = {}
    nodes = [node for node in recorded if id(node) not in stands]
    operands = [
        tuple(_unique(stands.get(id(p), p), i, node, constants) for i, p in enumerate(node.parents)) for node in nodes
    ]
    return Reading(nodes, operands, tags, [stands.get(id(out), out) for out in outputs])


def _is_tag(node: Node, readers: Counter[int]) -> bool:
    """Whether a Node only names the operation before it."""
    if node.op.name != "identity" or node.name is None or not isinstance(node.parents[0], Node):
        return False
    return node.parents[0].name is None and readers[id(node.parents[0])] == 1


def _unique(parent: Any, place: int, node: Node, constants: dict[object, list[tuple[Constant, Any]]]) -> Any:
    # The tape holds a Constant per use, without the tensor behind it. What bears one name in one
    # module is taken for one constant, as its author would, unless their values are known to differ.
    if not isinstance(parent, Constant) or parent.name is None:
        return parent
    value = constant_value(node, place)
    alike = constants.setdefault((parent.name, parent.shape, str(parent.dtype), node.scope), [])
    for known, its_value in alike:
        if value is None or its_value is None or value is its_value or _equal(value, its_value):
            return known
    alike.append((parent, value))
    return parent


def _equal(one: Any, two: Any) -> bool:
    arrays = isinstance(one, np.ndarray | np.generic) and isinstance(two, np.ndarray | np.generic)
    return arrays and bool(np.array_equal(one, two, equal_nan=one.dtype.kind in "fc"))


def constant_value(node: Node, place: int) -> Any:
    """The value of a Constant that a Node reads: recorded under `keep_values`, or still kept by its rule; or None."""
    if node.extra is not None and node.extra.constants is not None and place in node.extra.constants:
        return node.extra.constants[place]
    if node.kept is not None and place in node.plan.keep:
        return node.kept[node.plan.keep.index(place)]
    return None


def is_pure(op: Any) -> bool:
    """Whether an operator may be run again: a checkpoint, or a compiled function, may have side effects."""
    return bool(op.pure)


def is_written(entry: Any, node: Node) -> bool:
    """Whether an operand or output of a Node was written to after the Node was recorded."""
    version = getattr(entry, "version", None)
    return version is not None and bool(version.last > node.number)


def is_leaf(parent: Any) -> bool:
    """Whether a parent of a Node is a leaf Tensor or Constant, not a Node or a number."""
    return isinstance(parent, Tensor | Constant)
