"""`Tensor`: an array, its gradient, and a link to the Node that made it.

Operators, NumPy's methods and the protocols are attached from the registry (`methods.py`, `dispatch.py`).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .context import current
from .errors import DTypeError, GraphError, LeafError, NotIterableError, ShapeError, where
from .node import VERSIONS, Node, Storage
from .plain import PlainValues
from .refusals import missing_attribute

__all__ = ["Tensor", "tensor"]

_DEFAULTS = {"_call": 0, "_grad": None, "_name": None, "version": None, "_view": None, "_hooks": None}


def as_array(data: Any, by: str = "tensor") -> Any:
    """`data` itself if it is an array that speaks NumPy's protocols, otherwise NumPy's array of it."""
    if type(data) is np.ndarray or isinstance(data, np.ndarray | np.generic):
        if data.dtype.kind not in "fiubc":
            raise DTypeError(
                f"{by}: data must be numeric, got an array of dtype {data.dtype}; convert it with .astype(float). "
                f"{where(by)}"
            )
        if (
            type(data) is not np.ndarray
            and isinstance(data, np.ndarray)
            and isinstance(data, np.matrix | np.ma.MaskedArray)
        ):
            raise DTypeError(
                f"{by}: data must be a plain array, got a {type(data).__name__}, whose arithmetic is another than "
                f"arrays'; use np.asarray(m) for a matrix, m.filled(value) or np.where(m.mask, value, m.data) for a "
                f"masked array. {where(by)}"
            )
        return data
    if isinstance(data, Tensor):
        return data.data
    if hasattr(type(data), "__array_ufunc__") and hasattr(type(data), "__array_function__"):
        return data
    if isinstance(data, list | tuple) and any(isinstance(item, Tensor) for item in data):
        raise GraphError(
            f"{by}: data must be numbers, a sequence of Tensors would leave the graph; use np.stack(tensors) or "
            f"np.concatenate(tensors). {where(by)}"
        )
    array = np.asarray(data)
    if array.dtype.kind not in "fiubc":
        raise DTypeError(
            f"{by}: data must be numeric, got dtype {array.dtype} from {type(data).__name__}; convert them to numbers "
            f"first. {where(by)}"
        )
    return array[()] if array.ndim == 0 else array


class Tensor(PlainValues):
    """An array whose operations are recorded, so that gradients can be derived.

    Args:
        data: an array (shared, not copied), a number or nested lists (NumPy's dtypes: Python floats give float64).
        requires_grad: record operations on it, and accumulate its gradient in `.grad`.
        dtype: convert to this dtype.
        name: name in drawings and messages.

    Raises:
        DTypeError: `requires_grad` with an integer or boolean dtype, or data that are not numeric.
    """

    # A 0-d value is held as a NumPy scalar (arithmetic on it costs a sixth of that on a 0-d array) until `.data` is
    # asked for. Slots in _DEFAULTS are left unset by the hot path and answered by __getattr__.
    __slots__ = ("__weakref__", "_buffer", "_call", "_grad", "_hooks", "_leaf", "_name", "_node", "_view", "version")
    __hash__ = object.__hash__

    _buffer: Any  # not _data, which np.ma would take without asking
    _node: Node | None
    _leaf: bool  # a leaf that requires a gradient
    _call: int  # where the tape of a transform's call begins, for a leaf that is the call's argument
    _grad: Tensor | None
    _name: str | None
    version: Storage | None
    _hooks: Any
    _view: Any  # (base Tensor, path of view operators from it) for a view

    def __init__(self, data: Any, requires_grad: bool = False, *, dtype: Any = None, name: str | None = None) -> None:
        array = as_array(data)
        if dtype is not None and array.dtype != dtype:
            array = array.astype(dtype)
        trace = current().trace
        self._buffer = array if trace is None else trace.held(array)
        self._leaf = False
        self._node = self._grad = self._hooks = self.version = self._view = None
        if name is not None:
            self._name = name
        if requires_grad:
            self.requires_grad = True

    def __getattr__(self, name: str) -> Any:
        try:
            return _DEFAULTS[name]
        except KeyError:
            raise missing_attribute(self, name) from None

    # -- the array --------------------------------------------------------------------------------------------------

    @property
    def data(self) -> Any:
        """The array itself, shared (0-d included). Writes into it cannot be seen by the version check."""
        data = self._buffer
        trace = current().trace
        if trace is not None:
            return trace.lift(self)
        if isinstance(data, np.generic):
            data = self._buffer = np.asarray(data)
        return data

    @data.setter
    def data(self, value: Any) -> None:
        array = as_array(value)
        if self.requires_grad and array.dtype.kind not in "fc":
            raise DTypeError(
                f"data: a tensor that requires a gradient must be floating, got {array.dtype}; convert with "
                f".astype(float). {where('data')}"
            )
        trace = current().trace
        if trace is not None:
            trace.rebind(self, array)
            return
        if self._view is not None or self.storage().views:
            from .views import part_from_views

            part_from_views(self)
        self._buffer = array
        self._touch(".data = ...")

    def _touch(self, writer: str) -> None:
        """Notes that the array was written to, so that a rule that kept it refuses to run."""
        if current().trace is None:
            self.storage().written(writer)

    def storage(self) -> Storage:
        """The version shared with views, made at first use."""
        holder: Any = self._node if self._node is not None else self
        if holder.version is None:
            with VERSIONS:  # threads that share the tensor must end with one record
                if holder.version is None:
                    holder.version = Storage()
        return holder.version  # type: ignore[no-any-return]

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self._buffer.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the elements."""
        return self._buffer.dtype  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._buffer.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._buffer.size  # type: ignore[no-any-return]

    @property
    def name(self) -> str | None:
        """Name in drawings and messages."""
        if self._name is None and self._node is not None:
            return self._node.name
        return self._name

    @name.setter
    def name(self, name: str | None) -> None:
        self._name = name
        if self._node is not None:
            self._node.name = name

    def __len__(self) -> int:
        if not self.shape:
            raise NotIterableError(
                f"len: the tensor must have at least one axis, got a 0-d tensor; use .item(). {where('len')}"
            )
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return iter([self[i] for i in range(len(self))])

    def detach(self) -> Tensor:
        """A tensor that shares the array and needs no gradient."""
        out = Tensor(self.data)
        out.version = self.storage()
        return out

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickles (and deep-copies) the array, whether it requires a gradient, the gradient and the name.

        Views become tensors of their own; hooks are left out.
        """
        from .pickling import reduced

        return reduced(self)

    # -- the gradient -----------------------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether operations on it are recorded; can be set on leaves of a floating dtype."""
        return self._leaf or self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self._node is not None:
            if value:
                return
            raise LeafError(
                f"requires_grad: it can be switched off on a leaf only, got the output of {self._node.op.name}; use "
                f".detach(). {where('requires_grad')}"
            )
        if value and self._buffer.dtype.kind != "f":
            raise DTypeError(
                f"requires_grad: a leaf that requires a gradient must be floating, got dtype {self._buffer.dtype} of "
                f"shape {self.shape}; convert with dtype=float. {where('tensor')}"
            )
        trace = current().trace
        if trace is not None:
            trace.refuse_change(self, "requires_grad")
        self._leaf = bool(value)
        self.version = self.version  # the backward pass reads this slot of leaves; it must be set

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made it."""
        return self._node is None

    @property
    def grad(self) -> Tensor | None:
        """The accumulated gradient, or None."""
        trace = current().trace
        return self._grad if trace is None else trace.grad(self)

    @grad.setter
    def grad(self, value: Any) -> None:
        trace = current().trace
        if value is None:
            if trace is None:
                self._grad = None
            else:
                trace.set_grad(self, None)
            return
        gradient = value if isinstance(value, Tensor) else Tensor(value)
        if gradient.shape != self.shape:
            raise ShapeError(
                f"grad: a gradient must have its tensor's shape {self.shape}, got {gradient.shape}; assign None to "
                f"clear it. {where('grad')}"
            )
        if trace is None:
            self._grad = gradient
        else:
            trace.set_grad(self, gradient)

    def zero_grad(self) -> None:
        """Sets `.grad` to None."""
        self.grad = None

    def backward(self, gradient: Any = None, *, retain_graph: bool = False, create_graph: bool = False) -> None:
        """Accumulates the gradient of this tensor into `.grad` of the leaves that it depends on.

        Args:
            gradient: cotangent of this tensor, of its shape; 1 by default, which only a single element allows.
            retain_graph: keep the arrays, so that the graph can be run again.
            create_graph: record the backward pass, so that it can be differentiated; implies `retain_graph`.

        Raises:
            GraphError: the tensor needs no gradient, or has several elements and no `gradient` was given.
            ShapeError: `gradient` has another shape.
            FreedGraphError: the graph has been freed by an earlier backward pass.
            VersionError: an array that a rule kept has been changed since.
        """
        from .backward import backward

        backward(self, gradient, retain_graph or create_graph, create_graph)

    def retain_grad(self) -> None:
        """Lets the backward pass store this intermediate tensor's gradient in its `.grad`."""
        if self._node is not None:
            self._node.more().retain = weakref.ref(self)
        elif not self._leaf:
            raise GraphError(f"retain_grad: the tensor must need a gradient, got a constant. {where('retain_grad')}")

    def register_hook(self, hook: Callable[[Tensor], Any]) -> Callable[[], None]:
        """Calls `hook(gradient)` when the gradient of this tensor is known; what it returns, if anything, replaces it.

        Returns:
            A function that removes the hook.
        """
        if self._node is not None:
            extra = self._node.more()
            hooks = extra.hooks = extra.hooks if extra.hooks is not None else {}
        elif self._leaf:
            trace = current().trace
            if trace is not None:
                trace.refuse_change(self, "the hooks")
            hooks = self._hooks = self._hooks if self._hooks is not None else {}
        else:
            raise GraphError(
                f"register_hook: the tensor must need a gradient, got a constant. {where('register_hook')}"
            )
        key = max(hooks, default=0) + 1
        hooks[key] = hook
        return lambda: hooks.pop(key, None) and None

    if TYPE_CHECKING:  # attached by methods.py from the registry; declared here for readers and type checkers
        T: Tensor
        __add__: Any
        __radd__: Any
        __sub__: Any
        __rsub__: Any
        __mul__: Any
        __rmul__: Any
        __truediv__: Any
        __rtruediv__: Any
        __pow__: Any
        __rpow__: Any
        __matmul__: Any
        __rmatmul__: Any
        __neg__: Any
        __abs__: Any
        __lt__: Any
        __le__: Any
        __gt__: Any
        __ge__: Any
        __getitem__: Any
        __setitem__: Any
        sum: Any
        mean: Any
        var: Any
        std: Any
        max: Any
        min: Any
        prod: Any
        reshape: Any
        transpose: Any
        swapaxes: Any
        squeeze: Any
        flatten: Any
        ravel: Any
        astype: Any
        clip: Any
        cumsum: Any
        argmax: Any
        argmin: Any
        any: Any
        all: Any
        take: Any
        dot: Any
        exp: Any
        log: Any
        sqrt: Any
        tanh: Any
        relu: Any
        sigmoid: Any


tensor = Tensor


def entry_of(t: Tensor) -> Any:
    """What stands for `t` among a Node's parents if it needs a gradient, else None."""
    if t._node is not None:
        return t._node
    return t if t._leaf else None
