"""The backward graph: one box per gradient, from that of the output to those of the leaves.

Between two boxes stands what the operation does to the gradient that arrives (its vector-Jacobian product), then the
sum over the axes along which an operand was broadcast, then the sum over the paths that meet.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from autograd_core.drawing import labels
from autograd_core.drawing.evaluation import Evaluation
from autograd_core.drawing.modules import Modules, Path, homes
from autograd_core.drawing.naming import leaf_names
from autograd_core.drawing.picture import Edge, Picture, Vertex
from autograd_core.drawing.reading import is_leaf, read
from autograd_core.drawing.rule_text import RuleTexts
from autograd_core.node import Node
from autograd_core.sweep import shape_of
from autograd_core.tensor import Tensor

_LONGEST_FORMULA = 48


def backward_level(tensors: Sequence[Tensor], *, values: bool, variables: Mapping[int, str] | None = None) -> Picture:
    """Draw how the gradients behind `tensors` are computed from each other.

    Args:
        tensors: the outputs; L is the first if it is one number, else any number computed from them.
        values: also show the gradients' values: those of the sum of the outputs.
        variables: by `id` of a Tensor the name of the user's variable.

    Returns:
        The picture, vertices in the order of the backward pass.
    """
    return _Drafter(tensors, values, variables or {}).draft()


class _Drafter:
    """Turns a `Reading` into the picture of its backward pass; lives for one call, since it refers to the graph."""

    def __init__(self, tensors: Sequence[Tensor], values: bool, variables: Mapping[int, str]) -> None:
        self.reading = read(tensors)
        self.tensors = tensors
        self.names = self._names(variables)
        modules = Modules(self.reading)
        self.picture = Picture(frames=modules.frames)
        # By id() of a Node or parameter, the modules around it.
        self.modules: dict[int, Path] = homes(self.reading, modules.paths)
        self.modules |= {id(node): path for node, path in zip(self.reading.nodes, modules.paths, strict=True)}
        self.numbers = Evaluation(self.reading, tensors) if values else None
        names = self.names  # not `self`: a cycle would keep the graph alive
        self.texts = RuleTexts(lambda entry: names[id(entry)])
        self.paths: dict[int, list[str]] = {}  # vertices whose results add up to a gradient, by id() of Node or leaf
        self.boxes = 0

    def _names(self, variables: Mapping[int, str]) -> dict[int, str]:
        """A name for every leaf and Node; a1, a2, … for results without one."""
        names = leaf_names(self.reading, variables)
        names |= {id(n): name for n in self.reading.nodes if (name := self.reading.name(n)) is not None}
        for tensor, out in zip(self.tensors, self.reading.outputs, strict=True):
            name = tensor.name if tensor.name is not None else variables.get(id(tensor))
            if name is not None:
                names.setdefault(id(out), str(name))
        taken = set(names.values())
        out = self.reading.outputs[0]
        letter = "y" if shape_of(out) else "L"
        if len(self.tensors) == 1 and letter not in taken:
            names.setdefault(id(out), letter)
        free = (name for i in itertools.count(1) if (name := f"a{i}") not in taken)
        for node in self.reading.nodes:
            if id(node) not in names:
                names[id(node)] = next(free)
        single = len(self.tensors) == 1 and shape_of(out) == ()
        self.above = names[id(out)] if single else "L"
        return names

    def draft(self) -> Picture:
        """Gradient boxes in the order in which they are complete: a leaf's after its earliest reader."""
        steps = list(zip(self.reading.nodes, self.reading.operands, strict=True))
        waiting: dict[int, list[Any]] = {}  # leaves by id() of their earliest reader
        seen: set[int] = set()
        for node, operands in steps:
            for operand in operands:
                if _is_variable(operand) and id(operand) not in seen:
                    seen.add(id(operand))
                    waiting.setdefault(id(node), []).append(operand)
        outputs = {id(out) for out, t in zip(self.reading.outputs, self.tensors, strict=True) if t.requires_grad}
        for rank, (node, operands) in enumerate(reversed(steps)):
            if id(node) in outputs or id(node) in self.paths:
                box = self._gradient(node, self.texts.applied(node, operands), id(node) in outputs)
                self._rules(node, operands, len(steps) - rank, box)
            for leaf in waiting.get(id(node), ()):
                if id(leaf) in self.paths:
                    self._gradient(leaf, "", id(leaf) in outputs)
        for out in self.reading.outputs:
            if id(out) in outputs and _is_variable(out) and id(out) not in seen:
                seen.add(id(out))
                self._gradient(out, "", True)
        self.picture.notes += self.numbers.notes() if self.numbers is not None else []
        if not self.picture.vertices:
            self.picture.notes.append("nothing here gets a gradient: no input has requires_grad=True")
        return self.picture

    def _name(self, entry: Any) -> str:
        return self.names[id(entry)]

    def _gradient(self, entry: Any, formula: str, seed: bool) -> str:
        """The box of one gradient, after the sum over the paths that lead to it; its key."""
        self.boxes += 1
        key = f"g{self.boxes}"
        name = self._name(entry)
        path = self.modules.get(id(entry), ())
        box = Vertex(key, "gradient", f"∂{labels.shorten(self.above, 16)}/∂{labels.shorten(name)}", path=path)
        several = isinstance(entry, Node) and entry.op.multiple
        facts = "several outputs" if several else f"{labels.shape(shape_of(entry))} {entry.dtype}"
        box.lines.append(("shape", ["several outputs" if several else labels.shape(shape_of(entry))]))
        box.tooltip = [f"gradient of {name}", facts]
        if formula:
            box.lines.append(("static", [f"{labels.shorten(name, 20)} = {labels.shorten(formula, _LONGEST_FORMULA)}"]))
            box.tooltip.append(f"{name} = {formula}")
        box.output = seed
        gradient = None if self.numbers is None else self.numbers.gradient(entry)
        if gradient is not None:
            box.lines.append(("grad", labels.array(gradient)))
        tails = self.paths.get(id(entry), [])
        if len(tails) > 1:
            total = Vertex(f"{key}_s", "sum", symbol="+", path=path, tooltip=[f"sum over {len(tails)} paths"])
            self.picture.vertices.append(total)
            self.picture.edges += [Edge(tail, total.key) for tail in tails]
            tails = [total.key]
        self.picture.vertices.append(box)
        self.picture.edges += [Edge(tail, key) for tail in tails]
        return key

    def _rules(self, node: Node, operands: tuple[Any, ...], rank: int, box: str) -> None:
        """What one operation does to its gradient, for each operand that has one."""
        path = self.modules[id(node)]
        for place, text in self.texts.pulled(node, operands).items():
            operand = operands[place]
            key = f"n{rank}_{place}"
            about = [f"{node.op.name}: gradient for {self._name(operand)}", text]
            self.picture.vertices.append(Vertex(key, "rule", symbol=text, path=path, tooltip=about))
            self.picture.edges.append(Edge(box, key))
            axes = _summed(node, operand)
            if axes:
                facts = f"axis={axes[0]}" if len(axes) == 1 else f"axes={labels.static(axes)}"
                about = [f"{self._name(operand)} was broadcast from {labels.shape(shape_of(operand))}"]
                total = Vertex(f"{key}s", "sum", symbol="Σ", lines=[("static", [facts])], path=path, tooltip=about)
                self.picture.vertices.append(total)
                self.picture.edges.append(Edge(key, total.key))
                key = total.key
            self.paths.setdefault(id(operand), []).append(key)


def _is_variable(entry: Any) -> bool:
    return is_leaf(entry) and isinstance(entry, Tensor) and entry.requires_grad


def _summed(node: Node, operand: Any) -> tuple[int, ...]:
    """The axes of an elementwise operation's output along which an operand was broadcast."""
    small = shape_of(operand)
    if not node.plan.elementwise or small == node.shape:
        return ()
    lead = len(node.shape) - len(small)
    inner = [lead + i for i, n in enumerate(small) if n == 1 and node.shape[lead + i] != 1]
    return (*range(lead), *inner)
