"""The computation graph at scalar level: one box per element, as in a textbook.

Every element of every variable and result is a box `name | data | grad`, with the operation as a small circle before
it, and every arrow into a circle carries the local derivative. So the chain rule can be followed by eye: the gradient
of a box is the sum, over the arrows that leave it, of local derivative times gradient at the other end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from autograd_core.drawing import labels
from autograd_core.drawing.evaluation import Evaluation
from autograd_core.drawing.modules import Modules, Path, homes
from autograd_core.drawing.naming import leaf_names
from autograd_core.drawing.picture import Edge, Kind, Picture, Vertex
from autograd_core.drawing.reading import Reading, is_leaf, is_written, read
from autograd_core.errors import ArgumentError, where
from autograd_core.node import Node
from autograd_core.sweep import shape_of
from autograd_core.tensor import Tensor

LARGEST = 400
"""The number of elements up to which a graph is drawn element by element."""


def scalar_level(tensors: Sequence[Tensor], variables: Mapping[int, str] | None = None) -> Picture:
    """Draw the graph behind `tensors` with one vertex per element and one per elementary operation.

    Values are computed again where the tape has freed them. Gradients are those of the sum of the outputs, from a sweep
    of the drawing's own; where that is not possible any more, those that were retained.

    Args:
        tensors: the outputs.
        variables: by `id` of a Tensor the name of the user's variable.

    Returns:
        The picture, vertices in the order of recording.

    Raises:
        ArgumentError: the graph has too many elements.
    """
    reading = read(tensors)
    _check(reading)
    return _Drafter(reading, tensors, variables or {}).draft()


def _check(reading: Reading) -> None:
    entries = _entries(reading)
    sizes = {key: math.prod(shape_of(entry)) for key, entry in entries.items()}
    total = sum(sizes.values())
    if total > LARGEST:
        largest = entries[max(sizes, key=sizes.__getitem__)]
        name = reading.name(largest) if isinstance(largest, Node) else largest.name
        called = labels.shorten(repr(str(name))) if name is not None else "an unnamed one"
        raise ArgumentError(
            f'draw: level="scalar" takes at most {LARGEST} elements, this graph has {total:,}, the largest array being '
            f"{called} of shape {shape_of(largest)}; use influence(out, x) to see which elements reach which, "
            f'level="tensor" for the operations, or smaller arrays. {where("draw")}'
        )


def _entries(reading: Reading) -> dict[int, Any]:
    """What has elements of its own, by id(): leaves, constants and Nodes with one output."""
    found: dict[int, Any] = {id(leaf): leaf for leaf, _ in reading.leaves()}
    found |= {id(out): out for out in reading.outputs if is_leaf(out)}
    found |= {id(node): node for node in reading.nodes if not node.op.multiple}
    return found


class _Drafter:
    """Turns a `Reading` into a `Picture`; lives for one call, since it refers to the graph."""

    def __init__(self, reading: Reading, tensors: Sequence[Tensor], variables: Mapping[int, str]) -> None:
        self.reading = reading
        self.tensors = tensors
        self.variables = variables
        self.numbers = Evaluation(reading, tensors)
        self.names = leaf_names(reading, variables)
        modules = Modules(reading)
        self.picture = Picture(frames=modules.frames)
        # By id() of a Node or parameter, the modules around it.
        self.paths: dict[int, Path] = homes(reading, modules.paths)
        self.paths |= {id(node): path for node, path in zip(reading.nodes, modules.paths, strict=True)}
        self.stale = {
            id(leaf) for leaf, node in reading.leaves() if isinstance(leaf, Tensor) and is_written(leaf, node)
        }
        self.keys: dict[int, list[str]] = {}  # of the elements, by id() of a Node or leaf
        self.operands = {id(node): ops for node, ops in zip(reading.nodes, reading.operands, strict=True)}

    def draft(self) -> Picture:
        """Vertices in recording order, a leaf just before its first reader; marks outputs."""
        titles = self._titles()
        for rank, node in enumerate(self.reading.nodes, 1):
            if not node.op.multiple:  # its outputs are picked one by one, each by a Node of its own
                maker = self.operands[id(node)][0] if node.op.name == "pick" else node
                for operand in self.operands[id(maker)]:
                    if is_leaf(operand) and id(operand) not in self.keys:
                        self._leaf(operand)
                self._operation(node, maker, f"n{rank}", titles.get(id(node), ""))
        outputs = set()
        for out in self.reading.outputs:
            if id(out) not in self.keys:
                self._leaf(out)
            outputs |= set(self.keys[id(out)])
        for vertex in self.picture.vertices:
            vertex.output = vertex.key in outputs
        self.picture.notes += self.numbers.notes()
        return self.picture

    def _titles(self) -> dict[int, str]:
        found = {id(n): name for n in self.reading.nodes if (name := self.reading.name(n)) is not None}
        for tensor, out in zip(self.tensors, self.reading.outputs, strict=True):
            name = tensor.name if tensor.name is not None else self.variables.get(id(tensor))
            if name is not None:
                found.setdefault(id(out), str(name))
        return found

    # -- vertices ----------------------------------------------------------------------------------

    def _leaf(self, leaf: Any) -> None:
        variable = isinstance(leaf, Tensor) and leaf.requires_grad
        place = len(self.picture.vertices) + 1
        self._elements(leaf, f"v{place}", "variable" if variable else "constant", self.names[id(leaf)])

    def _elements(self, entry: Any, key: str, kind: Kind, name: str) -> None:
        """The boxes of all elements of a Node or leaf."""
        path = self.paths.get(id(entry), ())
        value = self.numbers.value(entry)
        gradient = None if kind == "constant" else self.numbers.gradient(entry)
        self.keys[id(entry)] = []
        for flat, index in enumerate(np.ndindex(*shape_of(entry))):
            title = name + (f"[{','.join(map(str, index))}]" if index else "")
            vertex = Vertex(f"{key}_{flat}", kind, title=title, path=path, tooltip=[title or "intermediate value"])
            now = "now " if id(entry) in self.stale else ""
            vertex.cells.append(("value", f"data {now}{'?' if value is None else decimal(value[index])}"))
            if now:
                vertex.tooltip.append("changed since it was used")
            if value is None:
                vertex.tooltip.append("value not known: the tape has freed it; compute it inside keep_values()")
            if gradient is not None:
                vertex.cells.append(("grad", f"grad {decimal(gradient[index])}"))
            self.picture.vertices.append(vertex)
            self.keys[id(entry)].append(vertex.key)

    def _operation(self, node: Node, maker: Node, key: str, title: str) -> None:
        """A circle and a box for each element of a Node, and the arrows into the circles.

        Args:
            node: whose elements are drawn.
            maker: the Node itself, or the one with several outputs that it is one of.
            key: what the vertices' keys begin with.
            title: the name of the result, or "".
        """
        op, operands = maker.op, self.operands[id(maker)]
        symbol, small = labels.symbol(op.name, op.symbol, maker.statics or {}, op.defaults)
        path = self.paths[id(node)]
        circles = [f"{key}_{flat}o" for flat in range(math.prod(node.shape))]
        about = [f"{op.name} ({op.kind})", *([small] if small else [])]
        for circle in circles:
            self._numbers(operands, circle, path)
            self.picture.vertices.append(Vertex(circle, "operation", symbol=symbol, path=path, tooltip=about))
        self._elements(node, key, "element", title)
        self.picture.edges += self._arrows(node, operands, circles)
        self.picture.edges += [Edge(*pair) for pair in zip(circles, self.keys[id(node)], strict=True)]

    def _numbers(self, operands: tuple[Any, ...], circle: str, path: Path) -> None:
        """Operands that are numbers, with their arrows into a circle; each use is drawn on its own."""
        for operand in operands:
            if operand is not None and not isinstance(operand, Node) and not is_leaf(operand):
                key = f"k{len(self.picture.vertices) + 1}"
                self.picture.vertices.append(Vertex(key, "number", title=labels.number(operand), path=path))
                self.picture.edges.append(Edge(key, circle))

    def _arrows(self, node: Node, operands: tuple[Any, ...], circles: list[str]) -> Iterator[Edge]:
        """The arrows from the operands' elements into the circles, with the local derivatives."""
        slopes = self.numbers.jacobians(node)
        for place, operand in enumerate(operands):
            if isinstance(operand, Node) or is_leaf(operand):
                slope = slopes.get(place)
                for row, column in np.argwhere(self.numbers.pattern(node, place)).tolist():
                    edge = Edge(self.keys[id(operand)][column], circles[row])
                    if slope is not None:
                        edge.label = derivative(slope[row, column])
                        edge.tooltip = f"local derivative {float(slope[row, column])!r}"
                    yield edge


def decimal(item: Any) -> str:
    """An element with four decimals; with four significant digits where decimals would hide it."""
    if isinstance(item, np.bool_ | np.integer):
        return labels.number(item)
    number = float(item)
    if number == 0 or 0.01 <= abs(number) < 1e6:
        return f"{number + 0.0:.4f}"  # -0.0 + 0.0 is 0.0
    return f"{number:.4g}"


def derivative(item: Any) -> str:
    """A local derivative with four significant digits."""
    return f"{float(item) + 0.0:.4g}"
