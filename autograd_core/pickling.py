"""Tensors through pickle and deepcopy."""

from __future__ import annotations

from typing import Any

from .errors import GraphError, where
from .tensor import Tensor

__all__ = ["reduced"]


def reduced(t: Tensor) -> Any:
    """What pickle and deepcopy ask for: how to make the tensor again, and of what.

    Raises:
        GraphError: the tensor is in the graph, which cannot be taken along.
    """
    if t._node is not None:
        raise GraphError(
            f"pickle: only a leaf may be pickled or deep-copied, got the output of {t._node.op.name} of shape "
            f"{t.shape} in the graph; use .detach(). {where('pickle')}"
        )
    return _rebuilt, (type(t), t.data, t._leaf, t._name, t._grad)


def _rebuilt(cls: type[Tensor], data: Any, leaf: bool, name: str | None, grad: Tensor | None) -> Tensor:
    t = object.__new__(cls)  # a subclass such as Parameter may have another constructor
    Tensor.__init__(t, data, leaf, name=name)
    t._grad = grad
    return t
