"""Values and gradients that a drawing may show: recorded ones, and those that are still alive.

The tape frees what no gradient rule needs, so a value is known only if `keep_values()` recorded it,
if it is one of the drawn outputs, or if a rule of a not yet freed Node kept it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from autograd_core.drawing.reading import Reading, is_leaf, is_written
from autograd_core.node import Node
from autograd_core.tensor import Tensor


class Values:
    """The known values of a `Reading`, looked up by Node, leaf or Constant.

    Args:
        reading: the graph; it must outlive this object.
        tensors: the outputs, whose values are alive; None where values are not asked for.
    """

    def __init__(self, reading: Reading, tensors: Sequence[Tensor] | None) -> None:
        self._tags = reading.tags
        self._alive: dict[int, Any] = {}
        if tensors is None:
            return
        for node, operands in zip(reading.nodes, reading.operands, strict=True):
            if node.extra is not None and node.extra.constants is not None:
                self._alive |= {id(operands[place]): value for place, value in node.extra.constants.items()}
            if node.kept is not None:  # not freed yet
                for index, kept in zip(node.plan.keep, node.kept, strict=False):
                    origin = node if index < 0 else operands[index]
                    holder = node if index < 0 else node.parents[index]
                    if (index < 0 or isinstance(origin, Node) or is_leaf(origin)) and not is_written(holder, node):
                        self._alive.setdefault(id(origin), kept)
        for output, tensor in zip(reading.outputs, tensors, strict=True):
            self._alive[id(output)] = tensor.data

    def of(self, origin: Any) -> npt.NDArray[Any] | None:
        """The value of a Node, leaf or Constant, or None if it is not known.

        Also None for arrays outside NumPy's memory.
        """
        if isinstance(origin, Tensor):
            return _array(origin.data)
        known = [_recorded(node) for node in self._records(origin)]
        known += [self._alive.get(id(node)) for node in (*self._records(origin), origin)]
        return next((a for a in map(_array, known) if a is not None), None)

    def gradient(self, origin: Any) -> npt.NDArray[Any] | None:
        """The gradient of a leaf, or of a Node that retained its own, or None."""
        if isinstance(origin, Tensor):
            return _array(origin.grad)
        known = [_retained(node) for node in self._records(origin)]
        return next((a for a in map(_array, known) if a is not None), None)

    def _records(self, origin: Any) -> list[Node]:
        """The Nodes that may hold what is asked: the Node and the tag on it."""
        if not isinstance(origin, Node):
            return []
        return [origin, self._tags[id(origin)]] if id(origin) in self._tags else [origin]


def _recorded(node: Node) -> Any:
    extra = node.extra
    if extra is None or extra.value is not None:
        return None if extra is None else extra.value
    tensor = None if extra.retain is None else extra.retain()
    return None if tensor is None else tensor.data


def _retained(node: Node) -> Any:
    extra = node.extra
    if extra is None:
        return None
    tensor = None if extra.retain is None else extra.retain()
    return extra.grad if tensor is None else tensor.grad


def _array(value: Any) -> npt.NDArray[Any] | None:
    if isinstance(value, Tensor):
        value = value.data
    # Arrays of other libraries may be on a cluster or not computed yet: a drawing does not fetch
    # them.
    return np.asarray(value) if isinstance(value, np.ndarray | np.generic) else None
