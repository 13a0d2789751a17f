"""Which structural edges are zero in numbers: derivatives between layers, and the rounding that they carry.

For each element of a layer a backward pass stops at the other layers, so that it gives the derivative along paths that
pass none of them. A sum such as that of z - mu is zero only up to rounding; so a second pass carries the sums of the
absolute values, against which the first is judged. Both run on arrays that are read, never on the tape itself: no
hook runs, no `.grad` changes, nothing is freed.
"""

from __future__ import annotations

import math
from heapq import heappop, heappush
from typing import Any

import numpy as np
import numpy.typing as npt

from autograd_core.context import no_grad
from autograd_core.drawing.influences.flow import Graph, Layer, wanted_operands
from autograd_core.monomials import GENERAL
from autograd_core.node import Constant, Node
from autograd_core.sweep import fetch, shape_of
from autograd_core.tensor import Tensor
from autograd_core.unbroadcast import sum_to

__all__ = ["Numbers"]

_WORK = 1 << 22
"""Elements that the backward passes may touch in all, and derivatives; beyond, zeros are not looked for."""

_STEPS = 20_000
"""Operations that the backward passes may run in all."""

_ROUNDINGS = 64  # of the largest term, and one more for every operation on the way


class _UnknownError(Exception):
    """A rule needs an array that is gone, or that was changed since."""


class Numbers:
    """Derivatives between layers, from what the tape still keeps or `keep_values` recorded.

    Args:
        graph: the tape.
        stops: the layers by id() of their Node or leaf.
    """

    def __init__(self, graph: Graph, stops: dict[int, Layer]) -> None:
        self._stops = stops
        self._values = {id(n): n.extra.value for n in graph.nodes if n.extra is not None and n.extra.value is not None}
        for node in graph.nodes:
            for place, value in ((node.extra and node.extra.constants) or {}).items():
                self._values[id(node.parents[place])] = value
        self._elements = sum(math.prod(node.shape) for node in graph.nodes)
        self._steps = len(graph.nodes)

    def zeros(self, layer: Layer, sources: list[Layer]) -> dict[Layer, npt.NDArray[np.bool_]] | None:
        """Which derivatives of `layer` are zero.

        Args:
            layer: where the paths end.
            sources: the layers from which a path comes.

        Returns:
            For each source an array, source's elements by layer's elements, true where the derivative is zero; None
            where it is not known.
        """
        root = layer.entry
        size = math.prod(layer.shape)
        work = size * max(self._elements, *(math.prod(source.shape) for source in sources))
        if not isinstance(root, Node) or root.dtype.kind != "f" or work > _WORK or size * self._steps > _STEPS:
            return None
        wanted = {id(source.entry): source for source in sources}
        out = {source: np.zeros((math.prod(source.shape), size), dtype=bool) for source in sources}
        try:
            for k in range(size):
                seed = np.zeros(layer.shape, root.dtype)
                seed.reshape(-1)[k] = 1
                with no_grad(), np.errstate(all="ignore"):
                    found, steps = self._pull(root, seed, wanted, magnitude=False)
                    bounds, _ = self._pull(root, seed, wanted, magnitude=True)
                for key, source in wanted.items():
                    if key not in found:
                        out[source][:, k] = True
                        continue
                    eps = float(np.finfo(found[key].dtype).eps) * (_ROUNDINGS + steps)
                    out[source][:, k] = (np.abs(found[key]) <= eps * bounds[key]).ravel()
        except _UnknownError:
            return None
        return out

    def _pull(
        self, root: Node, seed: Any, wanted: dict[int, Layer], magnitude: bool
    ) -> tuple[dict[int, npt.NDArray[Any]], int]:
        """Cotangents of the layers, and the number of operations that they passed."""
        found: dict[int, Any] = {}
        pending: dict[int, Any] = {id(root): seed}
        heap: list[tuple[int, Node]] = [(-root.number, root)]
        steps = 0
        while heap:
            node = heappop(heap)[1]
            g = pending.pop(id(node))
            steps += 1
            for parent, h in self._answers(node, g, magnitude):
                if node.op.name == "pick" and isinstance(parent, Node) and parent.op.multiple:
                    into: Any = pending.setdefault(id(parent), {})
                    if not into:
                        heappush(heap, (-parent.number, parent))
                    index = (node.statics or {})["index"]
                    into[index] = into[index] + h if index in into else h
                elif id(parent) in self._stops:
                    if id(parent) in wanted:
                        found[id(parent)] = found.get(id(parent), 0) + h
                elif isinstance(parent, Node):
                    if id(parent) in pending:
                        pending[id(parent)] = pending[id(parent)] + h
                    else:
                        pending[id(parent)] = h
                        heappush(heap, (-parent.number, parent))
        return found, steps

    def _answers(self, node: Node, g: Any, magnitude: bool) -> list[tuple[Any, Any]]:
        """What a Node's rules make of a cotangent, in the shapes of the operands."""
        if node.op.name == "checkpoint":
            raise _UnknownError  # its rule would run the user's function again
        plan = node.plan
        kept = self._kept(node)
        if magnitude and node.op.kind == "contraction":
            kept = tuple(np.abs(k) for k in kept)
        if plan.joint is not None:
            rule, sources = plan.joint
            answers = list(enumerate(rule(g, *fetch(node, kept, GENERAL, sources))))
        else:
            answers = [(i, rule(g, *fetch(node, kept, mode, sources))) for i, rule, mode, sources in plan.slots]
        own = set(wanted_operands(node))
        out = []
        for i, h in answers:
            if i not in own or h is None:
                continue
            shape = shape_of(node.parents[i])
            if magnitude:
                h = np.abs(h)
                if node.op.kind == "composite":  # terms of both signs within one rule
                    h = h + np.max(g)
            if node.op.kind == "elementwise":
                h = sum_to(np.broadcast_to(h, node.shape), node.shape, shape)
            out.append((node.parents[i], np.broadcast_to(h, shape)))
        return out

    def _kept(self, node: Node) -> tuple[Any, ...]:
        """The arrays that a Node's rules need, unchanged since it was recorded."""
        plan = node.plan
        for place in plan.keep:
            holder = node if place < 0 else node.parents[place]
            version = getattr(holder, "version", None)
            if version is not None and version.last > node.number:
                raise _UnknownError
        if node.kept is not None:
            return tuple(k.data if isinstance(k, Tensor) else k for k in node.kept)
        return tuple(self._recorded(node if place < 0 else node.parents[place]) for place in plan.keep)

    def _recorded(self, holder: Any) -> Any:
        if isinstance(holder, Node | Constant):
            if id(holder) in self._values:
                return self._values[id(holder)]
            raise _UnknownError
        return holder.data if isinstance(holder, Tensor) else holder
