"""The computation graph at tensor level: one vertex per variable and per recorded operation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from autograd_core.drawing import labels, naming
from autograd_core.drawing import modules as module_frames
from autograd_core.drawing.evaluation import Evaluation
from autograd_core.drawing.folding import Fold, Step, fold_steps
from autograd_core.drawing.modules import Modules, Path, module_path
from autograd_core.drawing.picture import Edge, LineStyle, Picture, Vertex
from autograd_core.drawing.reading import Reading, is_leaf, is_written, read
from autograd_core.drawing.repetition import Repetitions
from autograd_core.drawing.rolling import find_groups
from autograd_core.drawing.structure import structure_of
from autograd_core.drawing.values import Values
from autograd_core.node import Node
from autograd_core.tensor import Tensor

__all__ = ["module_path", "tensor_level"]

CROWDED = 100
"""Vertices beyond which repetitions are rolled up unless told otherwise: more do not fit on a screen."""

# Operators whose operands may be exchanged: there the arrows carry no "1" and "2".
_SYMMETRIC = frozenset(
    {
        *("add", "multiply", "maximum", "minimum", "fmax", "fmin", "equal", "not_equal"),
        *("hypot", "logaddexp", "logaddexp2", "logical_and", "logical_or", "logical_xor"),
    }
)


def tensor_level(
    tensors: Sequence[Tensor],
    *,
    values: bool,
    grads: bool,
    variables: Mapping[int, str] | None = None,
    fold: Fold = None,
    roll: bool | None = None,
) -> Picture:
    """Draw the graph behind `tensors` with one vertex per leaf, constant, number and Node.

    Args:
        tensors: the outputs.
        values: also show values, as far as they are recorded or still alive.
        grads: also show gradients: those that are stored, and those that can be computed from what is alive.
        variables: by `id` of a Tensor the name of the user's variable that holds it.
        fold: which modules are drawn as one box; see `fold_steps`.
        roll: draw repetitions once. By default where the picture has more than 100 vertices and shows no numbers, which
            differ from one repetition to the next.

    Returns:
        The picture, vertices in the order of recording.

    Raises:
        ArgumentError: `fold` is not what `fold_steps` takes.
    """
    return _Drafter(tensors, values, grads, variables or {}, fold, roll).draft()


class _Drafter:
    """Turns a `Reading` into a `Picture`; lives for one call, since it refers to the graph."""

    def __init__(
        self,
        tensors: Sequence[Tensor],
        values: bool,
        grads: bool,
        variables: Mapping[int, str],
        fold: Fold,
        roll: bool | None,
    ) -> None:
        self.tensors = tensors
        self.variables = variables
        self.reading = read(tensors)
        self.modules = Modules(self.reading)
        self.homes = module_frames.homes(self.reading, self.modules.paths)
        self.steps = fold_steps(self.reading, self.modules, self.homes, fold)
        if roll is None:
            leaves = {id(leaf) for step in self.steps for leaf in step.operands if is_leaf(leaf)}
            roll = len(self.steps) + len(leaves) > CROWDED and not values and not grads
        groups = find_groups(structure_of(self.reading, self.modules, self.steps)) if roll else []
        self.repeats = Repetitions(groups, self.modules, self.steps)
        self.picture = Picture(frames=self.modules.frames)
        self.drawn: dict[int, Vertex] = {}  # by id() of what the reading holds alive
        self.names = naming.leaf_names(self.reading, variables)
        self.values = Values(self.reading, tensors if values else None)
        self.numbers = Evaluation(self.reading, tensors) if grads else None
        uses = self.reading.leaves() if values else []
        self.stale = {id(leaf) for leaf, node in uses if isinstance(leaf, Tensor) and is_written(leaf, node)}
        self.show_values = values

    def draft(self) -> Picture:
        """Vertices in recording order, a leaf just before its first reader; marks outputs."""
        for rank, step in enumerate(self.steps):
            nodes = self.reading.nodes[step.first : step.last]
            first = self.repeats.first[rank]
            if first != rank:  # a repetition of what is drawn already
                like = self.reading.nodes[self.steps[first].first : self.steps[first].last]
                self.drawn.update((id(a), self.drawn[id(b)]) for a, b in zip(nodes, like, strict=True))
                self._connect_back(rank)
                continue
            path = self.repeats.path(rank, step.path)
            tails = [self._operand(operand, path) for operand in step.operands]
            if step.box is None:
                head = self._operation(nodes[0], rank, path)
                self._connect(nodes[0], tails, head)
            else:
                head = self._box(step, rank, path)
                reads = dict.fromkeys(tail.key for tail in tails if tail is not None)
                self.picture.edges += [Edge(key, head.key) for key in reads]
            self.drawn.update((id(node), head) for node in nodes)
        for tensor, output in zip(self.tensors, self.reading.outputs, strict=True):
            vertex = self.drawn.get(id(output)) or self._leaf(output)
            vertex.output = True
            if not vertex.title:
                name = tensor.name if tensor.name is not None else self.variables.get(id(tensor))
                vertex.title = "" if name is None else str(name)
        self._note()
        return self.picture

    def _note(self) -> None:
        """What the numbers are, where that is not plain."""
        kinds = {kind: lines for vertex in self.picture.vertices for kind, lines in vertex.lines}
        if self.numbers is None or "∂out" not in kinds:
            return
        whole = len(self.tensors) > 1 or self.tensors[0].size > 1
        of = "the sum of the outputs' elements" if whole else "the output"
        self.picture.notes.append(f"grad: .grad as it is stored; ∂out: gradient of {of}, computed for the picture")
        self.picture.notes += self.numbers.notes()
        if any(("∂out", ["?"]) in vertex.lines for vertex in self.picture.vertices):
            self.picture.notes.append(
                "∂out ?: what it needs is gone; run the forward pass inside keep_values(), or draw before backward()"
            )

    def _add(self, vertex: Vertex, origin: Any, repeated: bool = False) -> Vertex:
        """Appends the vertex of a Node or leaf, with its value and gradient unless they differ between repetitions."""
        self.picture.vertices.append(vertex)
        self.drawn[id(origin)] = vertex
        if repeated:
            return vertex
        value = self.values.of(origin) if self.show_values else None
        if value is not None:
            vertex.lines.append(("value", labels.array(value)))
            if id(origin) in self.stale:
                vertex.lines.append(("static", ["changed since it was used"]))
        if self.numbers is not None:
            vertex.lines += self._gradient(origin, self.numbers)
        return vertex

    def _gradient(self, origin: Any, numbers: Evaluation) -> list[tuple[LineStyle, list[str]]]:
        """The gradient that is stored; where there is none, the one that follows from what is alive."""
        stored = self.values.gradient(origin)
        if stored is not None:
            return [("grad", labels.array(stored))]
        computed = numbers.computed(origin)
        if computed is not None:
            return [("∂out", labels.array(computed))]
        return [("∂out", ["?"])] if numbers.is_lost(origin) else []

    def _operand(self, operand: Any, path: Path) -> Vertex | None:
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
        leaf = self.repeats.leaves.get(id(leaf), leaf)
        if id(leaf) in self.drawn:
            return self.drawn[id(leaf)]
        variable = isinstance(leaf, Tensor) and leaf.requires_grad
        home = self.homes.get(id(leaf), ())
        name, full = self._leaf_name(leaf)
        facts = f"{labels.shape(leaf.shape)} {leaf.dtype}"
        role = "variable: gets a gradient" if variable else "constant: gets no gradient"
        last = self.repeats.last.get(id(leaf))
        tooltip = [full, facts, role]
        if last is not None:
            name, tooltip[0] = (_span(*ends) for ends in zip((name, full), self._leaf_name(last), strict=True))
            tooltip.append("one for each repetition")
        path = self.repeats.leaf_path(leaf, home)
        lines: list[tuple[LineStyle, list[str]]] = [("shape", [facts])]
        if last is None and path != home:
            lines.append(("static", ["the same each time"]))
        vertex = Vertex(
            f"v{len(self.picture.vertices) + 1}",
            "variable" if variable else "constant",
            title=name,
            lines=lines,
            path=path,
            tooltip=tooltip,
        )
        return self._add(vertex, leaf, repeated=last is not None)

    def _leaf_name(self, leaf: Any) -> tuple[str, str]:
        """A leaf's name in its module, and with the module's path before it."""
        name = self.names[id(leaf)]
        home = self.homes.get(id(leaf), ())
        module = f"{self.modules.title(home)}." if home else ""
        return name.removeprefix(module), name if name.startswith(module) else module + name

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

    def _connect_back(self, rank: int) -> None:
        """The arrows from the first repetition's results to where the second one reads them."""
        group = self.repeats.group(self.repeats.first[rank])
        if group is None or group.period == 1 or not group.period <= rank - group.start < 2 * group.period:
            return
        head = self.drawn[id(self.reading.nodes[self.steps[rank].first])]
        earlier = self.steps[group.start].first, self.steps[group.start + group.period].first
        numbers = [self.reading.nodes[i].number for i in (earlier[0], earlier[1])]
        for operand in self.steps[rank].operands:
            if isinstance(operand, Node) and numbers[0] <= operand.number < numbers[1]:
                tooltip = f"read by the next of {group.count} repetitions"
                self.picture.edges.append(Edge(self.drawn[id(operand)].key, head.key, tooltip=tooltip, back=True))

    def _operation(self, node: Node, rank: int, path: Path) -> Vertex:
        """The vertex of one Node: symbol, tag, shape of the output, static arguments."""
        op = node.op
        title = self.reading.name(node)
        group = self.repeats.group(rank)
        if group is not None and title is not None:
            last = rank + (group.count - 1) * group.period
            title = _span(title, str(self.reading.name(self.reading.nodes[self.steps[last].first])))
        # In the order of the signature, whatever that of the call was.
        given = node.statics or {}
        statics = {name: given[name] for name in (*op.statics, *given) if name in given}
        if statics.get("shape") == node.shape:
            del statics["shape"]  # it stands there already
        symbol, small = labels.symbol(op.name, op.symbol, statics, op.defaults)
        facts = "several outputs" if op.multiple else labels.shape(node.shape)
        number = self.steps[rank].first + 1
        vertex = Vertex(
            f"n{number}",
            "operation" if title is None else "tagged",
            title=title or "",
            symbol=symbol,
            lines=[("shape", [facts])],
            path=path,
            # The rank within the picture, not `Node.number`: the same program, run again, gives the
            # same bytes.
            tooltip=[
                f"{op.name} ({op.kind}), operation {number} of {len(self.reading.nodes)}",
                f"{facts} {node.dtype}",
            ],
        )
        if small:
            vertex.lines.append(("static", labels.wrapped(small)))
            vertex.tooltip.append(small)
        if node.scope:
            vertex.tooltip.append(f"module {module_frames.scope_of(node)}")
        if node.extra is not None and node.extra.source:
            vertex.tooltip.append(str(node.extra.source))
        return self._add(vertex, node, repeated=group is not None)

    def _box(self, step: Step, rank: int, path: Path) -> Vertex:
        """The vertex of a folded module: class, path, shapes of its results, and how much is inside."""
        assert step.box is not None
        title, kind = self.modules.title(step.box), self.modules.kind(step.box)
        outer = f"{self.modules.title(step.box[:-1])}."
        name = title.removeprefix(outer)
        group = self.repeats.group(rank)
        if group is not None and self.repeats.boxed(group):
            last = self.modules.title(self.steps[group.stop - 1].box or ())
            title, name = _span(title, last), _span(name, last.removeprefix(outer))
        shapes = list(dict.fromkeys(f"{labels.shape(node.shape)} {node.dtype}" for node in step.results))
        sizes = [math.prod(leaf.shape) for leaf in step.hidden if isinstance(leaf, Tensor) and leaf.requires_grad]
        inside = [_count(step.last - step.first, "operation")]
        if sizes:
            inside.append(_count(sum(sizes), "parameter"))
        calls = [f"call {step.call} of {step.calls}"] if step.calls > 1 else []
        vertex = Vertex(
            f"m{step.first + 1}",
            "module",
            title=name,
            symbol=kind or "module",
            lines=[("shape", shapes[:3] + ["…"] * (len(shapes) > 3)), ("static", [", ".join(inside), *calls])],
            path=path,
            tooltip=[f"module {title}", kind or "folded", *inside, *calls],
        )
        if group is not None and self.repeats.boxed(group):
            vertex.symbol += f" × {group.count}"
            vertex.tooltip.append(f"{group.count} modules of this kind in a row")
        known = step.results[0] if len(step.results) == 1 else step
        return self._add(vertex, known, repeated=group is not None or known is step)


def _span(first: str, last: str) -> str:
    return first if first == last else f"{first} … {last}"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _names(reading: Reading) -> dict[int, str]:
    return naming.leaf_names(reading)


def _homes(reading: Reading) -> dict[int, Path]:
    return module_frames.homes(reading, module_frames.plain_paths(reading))
