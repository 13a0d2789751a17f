"""What two steps of a picture must have in common to be drawn as one: their structure as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_core.drawing import labels
from autograd_core.drawing.folding import Step
from autograd_core.drawing.modules import Modules, Path, common, is_parameter
from autograd_core.drawing.reading import Reading, is_leaf
from autograd_core.drawing.rolling import NEW, OTHER, Structure
from autograd_core.node import Node
from autograd_core.sweep import shape_of
from autograd_core.tensor import Tensor

_DIGITS = str.maketrans("0123456789", "#" * 10)
_MOST = 4096  # bytes of an array in a static argument that are compared; larger ones must be the same object


def structure_of(reading: Reading, modules: Modules, steps: Sequence[Step]) -> Structure:
    """The structure of a picture's steps."""
    return _Encoder(reading, modules).encode(steps)


class _Encoder:
    """Gives every distinct fact a number; lives for one call, since it refers to the graph."""

    def __init__(self, reading: Reading, modules: Modules) -> None:
        self.reading = reading
        self.modules = modules
        self.numbers: dict[Any, int] = {}
        self.paths: dict[Path, int] = {}
        self.leaves: dict[int, int] = {}  # by id() of a leaf its number
        self.seen: dict[int, int] = {}  # by id() of a leaf the step that read it last

    def encode(self, steps: Sequence[Step]) -> Structure:
        rank = {id(node): i for i, step in enumerate(steps) for node in self.reading.nodes[step.first : step.last]}
        total = len(steps)
        last_read = [0] * total
        begin, wires = [0], []
        tokens, joints = [], []
        before: Path = ()
        for i, step in enumerate(steps):
            tokens.append(self._token(step))
            joints.append(len(common(before, step.path)))
            before = step.path
            for operand in step.operands:
                wires.append(self._wire(operand, i, total, rank))
                if isinstance(operand, Node):
                    last_read[rank[id(operand)]] = i
            begin.append(len(wires))
        for out in self.reading.outputs:
            if isinstance(out, Node):
                last_read[rank[id(out)]] = 3 * total
        form, like, origin, distance = np.array(wires, dtype=np.int64).reshape(-1, 4).T
        token, joint, last, start = (np.array(column, dtype=np.int64) for column in (tokens, joints, last_read, begin))
        return Structure(token, joint, last, start, form, like, origin, distance)

    def _number(self, fact: Any) -> int:
        return self.numbers.setdefault(fact, len(self.numbers))

    def _token(self, step: Step) -> int:
        nodes = self.reading.nodes[step.first : step.last]
        operands = self.reading.operands[step.first : step.last]
        if step.box is None:
            return self._number((self._fact(nodes[0]), self._frames(step.path), len(step.operands)))
        place = {id(node): i for i, node in enumerate(nodes)}
        outer: dict[int, int] = {}
        entries = set(map(id, step.operands))
        inside = []
        for i, node in enumerate(nodes):
            wires = []
            for operand in operands[i]:
                if id(operand) in place and isinstance(operand, Node):
                    wires.append((0, i - place[id(operand)], 0))
                else:
                    # By the order of reading. What an operand of the box is, is a matter of its wiring.
                    number = outer.setdefault(id(operand), len(outer)) if self._is_shared(operand) else -1
                    form = self._like(operand) if id(operand) in entries else self._form(operand)
                    wires.append((1, number, form))
            inside.append((self._fact(node), self._frames(self.modules.paths[step.first + i]), tuple(wires)))
        hidden = tuple(self._form(leaf) for leaf in step.hidden)
        return self._number((tuple(inside), hidden, len(step.operands), step.calls > 1))

    @staticmethod
    def _is_shared(operand: Any) -> bool:
        return isinstance(operand, Node) or is_leaf(operand)

    def _frames(self, path: Path) -> int:
        # As text, and a class is part of it: names that differ in their digits are those of a row of layers.
        if path not in self.paths:
            inner = [path[: i + 1] for i in range(len(path))]
            names = tuple((name.translate(_DIGITS).replace("##", "#")) for name in path)
            self.paths[path] = self._number((names, tuple(map(self.modules.kind, inner))))
        return self.paths[path]

    def _fact(self, node: Node) -> int:
        name = self.reading.name(node)
        statics = tuple((name, key(value)) for name, value in sorted((node.statics or {}).items()))
        return self._number((id(node.op), _pattern(name), statics, tuple(node.shape), node.dtype))

    def _form(self, operand: Any) -> int:
        if operand is None:
            return self._number(None)
        if isinstance(operand, Node):
            return self._like(operand)
        if not is_leaf(operand):
            return self._number((type(operand), labels.number(operand)))
        variable = isinstance(operand, Tensor) and operand.requires_grad
        return self._number((variable, is_parameter(operand), _pattern(operand.name), self._like(operand)))

    def _like(self, operand: Any) -> int:
        return self._number((tuple(shape_of(operand)), operand.dtype))

    def _wire(self, operand: Any, step: int, total: int, rank: dict[int, int]) -> tuple[int, int, int, int]:
        form = self._form(operand)
        if isinstance(operand, Node):
            return form, form, rank[id(operand)], step - rank[id(operand)]
        if operand is None or not is_leaf(operand):
            return form, form, OTHER, 0
        number = self.leaves.setdefault(id(operand), len(self.leaves))
        distance = step - self.seen[id(operand)] if id(operand) in self.seen else NEW
        self.seen[id(operand)] = step
        return form, self._like(operand), total + number, distance


def _pattern(name: Any) -> str | None:
    """A name without its numbers: `W1` and `W12` are the names of a row."""
    if name is None:
        return None
    text = str(name).translate(_DIGITS)
    while "##" in text:
        text = text.replace("##", "#")
    return text


def key(value: Any) -> Any:
    """A static argument as something that can be compared: equal keys mean equal values."""
    if isinstance(value, np.ndarray):
        content = value.tobytes() if value.nbytes <= _MOST and not value.dtype.hasobject else id(value)
        return "array", value.shape, str(value.dtype), content
    if isinstance(value, tuple | list) and len(value) <= _MOST:
        return type(value).__name__, tuple(_flat(item) for item in value)
    return _flat(value)


def _flat(value: Any) -> Any:
    if isinstance(value, slice):
        return "slice", _flat(value.start), _flat(value.stop), _flat(value.step)
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | np.generic | np.dtype):
        return type(value).__name__, repr(value)
    if isinstance(value, tuple) and all(isinstance(item, bool | int | float | str | None) for item in value):
        return "tuple", repr(value)
    if isinstance(value, np.ndarray):
        return key(value)
    return "object", id(value)
