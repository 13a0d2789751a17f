"""How a Tensor becomes a plain value: a number, a text, an array; and when it refuses to, since it is in the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .context import current
from .errors import DTypeError, GraphError, ShapeError, where
from .refusals import asked_for_values

__all__ = ["PlainValues"]


class PlainValues:
    """Python's and NumPy's ways to ask a Tensor for what it holds."""

    __slots__ = ()

    if TYPE_CHECKING:  # what a Tensor has
        _buffer: Any
        _leaf: bool
        _node: Any
        data: Any
        dtype: Any
        requires_grad: Any
        shape: Any
        size: Any

    def __bool__(self) -> bool:
        return bool(self._known())

    def _known(self) -> Any:
        """The array for those who ask for its values; in a trace one that refuses."""
        trace = current().trace
        return self._buffer if trace is None else trace.lift(self)

    def __format__(self, spec: str) -> str:
        if spec and self.size != 1:
            raise ShapeError(
                f"format: a format such as {spec!r} needs a tensor of one element, got one of shape {self.shape}; use "
                f"np.array2string(t.detach().numpy(), precision=3). {where('format')}"
            )
        return format(self.item() if spec else str(self), spec)

    def __repr__(self) -> str:
        text = (
            np.array2string(self._buffer, prefix="Tensor(", separator=", ") if self._is_numpy() else repr(self._buffer)
        )
        grad = ", requires_grad=True" if self._leaf else f", op={self._node.op.name}" if self._node else ""
        dtype = "" if self.dtype == np.float64 else f", dtype={self.dtype}"
        return f"Tensor({text}{dtype}{grad})"

    def _is_numpy(self) -> bool:
        return isinstance(self._buffer, np.ndarray | np.generic)

    def _leaves_graph(self, by: str) -> GraphError:
        return GraphError(
            f"{by}: only a tensor that needs no gradient may become a plain value, got one of shape {self.shape} in "
            f"the graph; use .item() for a number or .detach() for an array. {where(by)}"
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if self.requires_grad:
            raise asked_for_values(self.shape)
        return np.array(self._known(), dtype=dtype, copy=copy) if copy else np.asarray(self.data, dtype=dtype)

    def __float__(self) -> float:
        if self.requires_grad:
            raise asked_for_values(self.shape, "float")
        return float(self._known())

    def __int__(self) -> int:
        if self.requires_grad:
            raise asked_for_values(self.shape, "int")
        return int(self._known())

    def __index__(self) -> int:
        if self._buffer.dtype.kind not in "iu" or self.size != 1:
            raise DTypeError(
                f"index: only an integer tensor of one element may be an index, got dtype {self.dtype} and shape "
                f"{self.shape}; convert it with int(t). {where('index')}"
            )
        return int(self._known())

    def item(self) -> Any:
        """The value of a tensor of one element as a Python number."""
        return self._known().item()

    def numpy(self) -> Any:
        """The array, shared; raises for a tensor that requires a gradient (use `.detach().numpy()`)."""
        if self.requires_grad:
            raise self._leaves_graph("numpy")
        return self.data
