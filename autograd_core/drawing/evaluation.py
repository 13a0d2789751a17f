"""Numbers for a drawing: values, gradients and local derivatives of a `Reading`, element by element.

The tape frees what no rule needs, so values are computed again where the operands are known. Nothing is written to the
graph: the sweep is the drawing's own, and `.grad` stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from autograd_core.drawing.patterns.algebra import matrix_of
from autograd_core.drawing.patterns.operators import pattern_of
from autograd_core.drawing.reading import Reading, is_leaf, is_pure, is_written
from autograd_core.drawing.values import Values
from autograd_core.node import Node
from autograd_core.sweep import fetch, joint_slots, shape_of
from autograd_core.tensor import Tensor
from autograd_core.unbroadcast import sum_to

Array: TypeAlias = npt.NDArray[Any]


class Evaluation:
    """The numbers of a graph, looked up by Node, leaf or Constant.

    Args:
        reading: the graph; it must outlive this object.
        tensors: the outputs.
    """

    def __init__(self, reading: Reading, tensors: Sequence[Tensor]) -> None:
        self._reading = reading
        self._known = Values(reading, tensors)
        self._operands = {id(n): ops for n, ops in zip(reading.nodes, reading.operands, strict=True)}
        self._unknown: set[int] = set()  # by id() what has a gradient that is not known
        self.hooked = False  # whether a hook would change some of the gradients
        self._differs = False  # what the leaves give now is not the outputs' value
        self._trusted = True  # the leaves still have the values that they were used with
        with np.errstate(all="ignore"):
            self._values = self._recomputed(tensors)
            self._gradients = self._swept(tensors)

    # -- values ------------------------------------------------------------------------------------

    def value(self, entry: Any) -> Array | None:
        """The value of a Node, leaf or Constant; None if it is not known."""
        if isinstance(entry, Node) and id(entry) in self._values:
            found = self._values[id(entry)]
            return found if isinstance(found, np.ndarray) else None
        return self._known.of(entry)

    def _recomputed(self, tensors: Sequence[Tensor]) -> dict[int, Any]:
        """Values of Nodes by id(): known ones, others from their operands.

        A leaf may have been changed since. So what was computed again counts only if it leads to the outputs' values;
        where it does not lead to them, only as long as no backward pass has freed anything.
        """
        found: dict[int, Any] = {}
        again: set[int] = set()
        outputs = set(map(id, self._reading.outputs))
        for node, operands in zip(self._reading.nodes, self._reading.operands, strict=True):
            known = self._known.of(node)
            if known is not None and id(node) not in outputs:
                found[id(node)] = known
                continue
            value = self._run(node, operands, found)
            if value is not None:
                found[id(node)] = value
                again.add(id(node))
        whole = all(node.kept is not None for node in self._reading.nodes)
        for out, tensor in zip(self._reading.outputs, tensors, strict=True):
            if isinstance(out, Node):
                same = _same(found[id(out)], tensor.data) if id(out) in found else None
                self._differs |= same is False
                self._trusted &= whole if same is None else same
                found[id(out)] = np.asarray(tensor.data)
                again.discard(id(out))
        return found if self._trusted else {key: value for key, value in found.items() if key not in again}

    def _run(self, node: Node, operands: tuple[Any, ...], found: dict[int, Any]) -> Any:
        """The operator on the operands' values, or None."""
        op: Any = node.op
        if op.name == "pick":
            parts = found.get(id(operands[0]))
            return None if parts is None else np.asarray(parts[(node.statics or {})["index"]])
        if not is_pure(op):
            return None
        values = [found.get(id(p)) if isinstance(p, Node) else self._entry(p, node) for p in operands]
        if any(v is None and p is not None for v, p in zip(values, operands, strict=True)):
            return None
        result = _call(node, values)
        return result if op.multiple else np.asarray(result)

    def _entry(self, entry: Any, node: Node) -> Any:
        """The value that an operand of a Node had, or its output: an array, or the number itself; None if not known."""
        if isinstance(entry, Tensor) and is_written(entry, node):
            return None
        if isinstance(entry, Node) and entry.op.multiple:
            return self._values.get(id(entry))
        return self.value(entry) if isinstance(entry, Node) or is_leaf(entry) else entry

    # -- backward ----------------------------------------------------------------------------------

    def gradient(self, entry: Any) -> Array | None:
        """The gradient of the outputs' sum; where the graph is freed, the one that was retained, or None."""
        found = self.computed(entry)
        return self._known.gradient(entry) if found is None else found

    def computed(self, entry: Any) -> Array | None:
        """The gradient of the outputs' sum, or None."""
        found: Array | None = self._gradients.get(id(entry))
        return found

    def notes(self) -> list[str]:
        """What a reader of the numbers must know."""
        hooks = ["gradients are without the hooks"] if self.hooked else []
        changed = any(is_written(leaf, node) for leaf, node in self._reading.leaves() if isinstance(leaf, Tensor))
        return hooks + (["a leaf has been changed since it was used"] if changed or self._differs else [])

    def is_lost(self, entry: Any) -> bool:
        """Whether there is a gradient, but what it needs is gone."""
        return id(entry) in self._unknown

    def _swept(self, tensors: Sequence[Tensor]) -> dict[int, Any]:
        """The gradients by id(), without those behind a rule that lacks what it needs."""
        sums: dict[int, Any] = {}
        for out, tensor in zip(self._reading.outputs, tensors, strict=True):
            if tensor.requires_grad:
                _add(sums, out, np.ones(tensor.shape, tensor.dtype))
        for node, operands in zip(reversed(self._reading.nodes), reversed(self._reading.operands), strict=True):
            if id(node) in self._unknown:
                contributions = None
            elif id(node) in sums:
                contributions = self._pull(node, operands, sums[id(node)])
                self.hooked |= node.extra is not None and bool(node.extra.hooks)
            else:
                continue
            if contributions is None:
                self._unknown |= {id(p) for i, p in enumerate(operands) if node.plan.mask >> i & 1}
            for i, h in contributions or ():
                _add(sums, operands[i], h)
                self.hooked |= isinstance(operands[i], Tensor) and bool(operands[i]._hooks)
        return {key: g for key, g in sums.items() if isinstance(g, np.ndarray) and key not in self._unknown}

    def _pull(self, node: Node, operands: tuple[Any, ...], g: Any) -> list[tuple[int, Any]] | None:
        """One step back: for each operand with a gradient its place and what it gets; None if that is not known."""
        if node.op.name == "pick":
            return [(0, {(node.statics or {})["index"]: g})]
        if not is_pure(node.op):
            return None
        kept = node.kept
        if kept is None or _is_changed(node):
            entries = [node if place < 0 else operands[place] for place in node.plan.keep]
            trusted = [self._trusted or not isinstance(e, Tensor) for e in entries]
            kept = tuple(self._entry(e, node) if ok else None for e, ok in zip(entries, trusted, strict=True))
        if any(k is None for k in kept):
            return None
        plan = node.plan
        slots = plan.slots if plan.joint is None else joint_slots(plan, node, g, kept)
        found = []
        for i, rule, mode, sources in slots:
            shape = shape_of(operands[i])
            h = rule(g, *fetch(node, kept, mode, sources))
            if plan.elementwise and shape != node.shape:
                h = sum_to(h, node.shape, shape)
            found.append((i, np.broadcast_to(np.asarray(h), shape)))
        return found

    def jacobians(self, node: Node) -> dict[int, Array]:
        """The local derivatives, for each operand with a gradient as a matrix (elements of output x operand).

        For one output of an operator with several, the operands are those of that operator. Empty if not known.
        """
        index = None
        if node.op.name == "pick":
            index = (node.statics or {})["index"]
            size, shape, dtype = math.prod(node.shape), node.shape, node.dtype
            (node,) = self._operands[id(node)]
        else:
            size, shape, dtype = math.prod(node.shape), node.shape, node.dtype
        operands = self._operands[id(node)]
        rows: dict[int, list[Any]] = {}
        with np.errstate(all="ignore"):
            for flat in range(size):
                g = np.zeros(size, dtype)
                g[flat] = 1
                g = g.reshape(shape)
                pulled = self._pull(node, operands, g if index is None else {index: g})
                if pulled is None:
                    return {}
                for i, h in pulled:
                    rows.setdefault(i, []).append(np.array(h).ravel())
        return {i: np.stack(found) for i, found in rows.items()}

    def pattern(self, node: Node, place: int) -> npt.NDArray[np.bool_]:
        """Which elements of an operand an element of the output depends on, whatever their values.

        Returns:
            Booleans of shape (elements of the output, elements of the operand).
        """
        output, shape = 0, node.shape
        if node.op.name == "pick":
            output = (node.statics or {})["index"]
            (node,) = self._operands[id(node)]
        op: Any = node.op
        shapes = [shape_of(operand) for operand in self._operands[id(node)]]
        statics = {name: value for name, value in op.defaults.items() if name in op.statics} | (node.statics or {})
        pairs = matrix_of(pattern_of(op, statics, shapes, place, shape, output))
        if pairs is None:
            return np.ones((math.prod(shape), math.prod(shapes[place])), dtype=bool)
        return np.asarray(pairs.toarray() != 0).T


def _is_changed(node: Node) -> bool:
    """Whether something that a rule needs was written to after it was used; a backward pass would refuse it."""
    entries = [node.parents[i] for i in node.plan.guard] + ([node] if node.plan.guard_out else [])
    return any(is_written(entry, node) for entry in entries)


def _call(node: Node, values: Sequence[Any]) -> Any:
    op, statics = node.op, node.statics or {}
    if op.variadic:
        return op.function(**{op.variadic: list(values)}, **statics)
    return op.function(**dict(zip(op.parameters, values, strict=True)), **statics)


def _same(value: Any, data: Any) -> bool:
    known = np.asarray(data)
    if np.shape(value) != known.shape:
        return False
    tolerance = 1e3 * float(np.finfo(known.dtype).eps) if known.dtype.kind in "fc" else 0.0
    return bool(np.allclose(value, known, rtol=tolerance, atol=tolerance, equal_nan=True))


def _add(sums: dict[int, Any], entry: Any, g: Any) -> None:
    """Adds a gradient; that of an operator with several outputs is a dict by index."""
    before = sums.get(id(entry))
    if before is None:
        sums[id(entry)] = g
    elif isinstance(g, dict):
        sums[id(entry)] = before | {key: before[key] + part if key in before else part for key, part in g.items()}
    else:
        sums[id(entry)] = np.asarray(before + g)
