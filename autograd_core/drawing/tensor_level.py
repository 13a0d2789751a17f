"""The computation graph at tensor level: one vertex per variable and per recorded operation."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from autograd_core.drawing import labels
from autograd_core.drawing.picture import Edge, Picture, Vertex
from autograd_core.drawing.reading import Reading, is_leaf, read
from autograd_core.drawing.values import Values
from autograd_core.node import Node
from autograd_core.tensor import Tensor

# Operators whose operands may be exchanged: there the arrows carry no "1" and "2".
_SYMMETRIC = frozenset(
    {
        *("add", "multiply", "maximum", "minimum", "fmax", "fmin", "equal", "not_equal"),
        *("hypot", "logaddexp", "logaddexp2", "logical_and", "logical_or", "logical_xor"),
    }
)


def tensor_level(tensors: Sequence[Tensor], *, values: bool, grads: bool) -> Picture:
    """Draw the graph behind `tensors` with one vertex per leaf, constant, number and Node.

    Args:
        tensors: the outputs.
        values: also show values, as far as they are recorded or still alive.
        grads: also show the gradients of leaves, and of Nodes that retained theirs.

    Returns:
        The picture, vertices in the order of recording.
    """
    return _Drafter(tensors, values, grads).draft()


class _Drafter:
    """Turns a `Reading` into a `Picture`; lives for one call, since it refers to the graph."""

    def __init__(self, tensors: Sequence[Tensor], values: bool, grads: bool) -> None:
        self.tensors = tensors
        self.reading = read(tensors)
        self.picture = Picture()
        self.drawn: dict[int, Vertex] = {}  # by id() of what the reading holds alive
        self.names = _names(self.reading)
        self.homes = _homes(self.reading)
        self.values = Values(self.reading, tensors if values else None)
        self.show_values = values
        self.show_grads = grads

    def draft(self) -> Picture:
        """Vertices in recording order, a leaf just before its first reader; marks outputs."""
        count = len(self.reading.nodes)
        steps = zip(self.reading.nodes, self.reading.operands, strict=True)
        for rank, (node, operands) in enumerate(steps, 1):
            path = module_path(node.scope)
            tails = [self._operand(operand, path) for operand in operands]
            head = self._add(_operation(node, self.reading.name(node), rank, count, path), node)
            self._connect(node, tails, head)
        for tensor, output in zip(self.tensors, self.reading.outputs, strict=True):
            vertex = self.drawn.get(id(output)) or self._leaf(output)
            vertex.output = True
            if not vertex.title and tensor.name is not None:
                vertex.title = str(tensor.name)
        return self.picture

    def _add(self, vertex: Vertex, origin: Any) -> Vertex:
        """Appends the vertex of a Node or leaf, with its value and gradient."""
        self.picture.vertices.append(vertex)
        self.drawn[id(origin)] = vertex
        value = self.values.of(origin) if self.show_values else None
        if value is not None:
            vertex.lines.append(("value", labels.array(value)))
        gradient = self.values.gradient(origin) if self.show_grads else None
        if gradient is not None:
            vertex.lines.append(("grad", labels.array(gradient)))
        return vertex

    def _operand(self, operand: Any, path: tuple[str, ...]) -> Vertex | None:
        if operand is None:  # an optional operand that was not given
            return None
        if isinstance(operand, Node):
            return self.drawn[id(operand)]  # recorded earlier, so drawn already
        if is_leaf(operand):
            return self.drawn.get(id(operand)) or self._leaf(operand)
        # Each use of a number is drawn on its own: one "2" for the whole picture would tie it up.
        text = labels.number(operand)
        vertex = Vertex(f"k{len(self.picture.vertices) + 1}", "number", title=text, path=path)
        self.picture.vertices.append(vertex)
        return vertex

    def _leaf(self, leaf: Any) -> Vertex:
        variable = isinstance(leaf, Tensor) and leaf.requires_grad
        name = self.names[id(leaf)]
        path = self.homes.get(id(leaf), ())
        module = "".join(f"{part}." for part in path)
        full = name if name.startswith(module) else module + name
        facts = f"{labels.shape(leaf.shape)} {leaf.dtype}"
        role = "variable: gets a gradient" if variable else "constant: gets no gradient"
        vertex = Vertex(
            f"v{len(self.picture.vertices) + 1}",
            "variable" if variable else "constant",
            title=name,
            lines=[("shape", [facts])],
            path=path,
            tooltip=[full, facts, role],
        )
        return self._add(vertex, leaf)

    def _connect(self, node: Node, tails: list[Vertex | None], head: Vertex) -> None:
        op = node.op
        ordered = len(tails) > 1 and op.name not in _SYMMETRIC
        named = len(op.parameters) == len(tails)
        for i, tail in enumerate(tails):
            if tail is not None:
                operand = op.parameters[i] if named else f"operand {i + 1}"
                tooltip = f"{operand} of {op.name}" if len(tails) > 1 else ""
                order = str(i + 1) if ordered else ""
                self.picture.edges.append(Edge(tail.key, head.key, order, tooltip))


def _operation(node: Node, title: str | None, rank: int, count: int, path: tuple[str, ...]) -> Vertex:
    """The vertex of one Node: symbol, tag, shape of the output, static arguments."""
    op = node.op
    # In the order of the signature, whatever that of the call was.
    given = node.statics or {}
    statics = {name: given[name] for name in (*op.statics, *given) if name in given}
    symbol, small = labels.symbol(op.name, op.symbol, statics, op.defaults)
    facts = "several outputs" if op.multiple else labels.shape(node.shape)
    vertex = Vertex(
        f"n{rank}",
        "operation" if title is None else "tagged",
        title=title or "",
        symbol=symbol,
        lines=[("shape", [facts])],
        path=path,
        # The rank within the picture, not `Node.number`: the same program, run again, gives the
        # same bytes.
        tooltip=[f"{op.name} ({op.kind}), operation {rank} of {count}", f"{facts} {node.dtype}"],
    )
    if small:
        vertex.lines.append(("static", [small]))
        vertex.tooltip.append(small)
    if node.scope:
        vertex.tooltip.append(f"module {node.scope}")
    if node.extra is not None and node.extra.source:
        vertex.tooltip.append(str(node.extra.source))
    return vertex


def module_path(scope: str) -> tuple[str, ...]:
    """`"net.0"` as `("net", "0")`."""
    return tuple(scope.split(".")) if scope else ()


def _names(reading: Reading) -> dict[int, str]:
    """A name per leaf: its own, or x1, x2, … for variables and c1, c2, … for constants.

    Names that are in use already are passed over.
    """
    leaves: dict[int, Any] = {id(leaf): leaf for leaf, _ in reading.leaves()}
    leaves.update((id(out), out) for out in reading.outputs if is_leaf(out))
    names = {key: str(leaf.name) for key, leaf in leaves.items() if leaf.name is not None}
    taken = {*names.values(), *(reading.name(node) for node in reading.nodes)}
    free = {letter: _free(letter, taken) for letter in "xc"}
    for key, leaf in leaves.items():
        if leaf.name is None:
            names[key] = next(free["x" if isinstance(leaf, Tensor) else "c"])
    return names


def _free(letter: str, taken: set[str | None]) -> Iterator[str]:
    return (name for i in itertools.count(1) if (name := f"{letter}{i}") not in taken)


def _homes(reading: Reading) -> dict[int, tuple[str, ...]]:
    """The modules that a parameter is drawn in: those around all of its readers.

    Only parameters (instances of a subclass of Tensor) belong to a module. A plain Tensor is an
    input that came from outside, wherever it is read first.
    """
    homes: dict[int, tuple[str, ...]] = {}
    for leaf, node in reading.leaves():
        if type(leaf) is Tensor or not isinstance(leaf, Tensor):
            continue
        path = module_path(node.scope)
        home = homes.get(id(leaf), path)
        same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(home, path, strict=False))
        homes[id(leaf)] = tuple(name for name, _ in same)
    return homes
