"""`Traced`: an array that records what NumPy does with it, while it carries real values along.

Shapes, dtypes and NumPy's own complaints come from the real values; a program gets the calls. What asks for the values
themselves (`if`, `float`, `np.asarray`) raises: they are other ones in the next run.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..errors import TraceError, where
from ..ops.indexing import picked
from ..unbroadcast import Product
from .program import Value, basic_index, cast

if TYPE_CHECKING:
    from .calls import Calls

__all__ = ["Traced", "ValuesNeededError", "advanced_index"]


class ValuesNeededError(TraceError):
    """Values were asked for that a program knows only when it runs."""


class _NoAttributeError(TraceError, AttributeError):
    """An attribute that traced arrays do not have."""


def advanced_index(a: Any, index: Any) -> Any:
    """`a[index]` with arrays of integers, or of booleans that are the same in every run."""
    return picked(a, index)


class Traced(NDArrayOperatorsMixin):
    """An array of a program that is being recorded.

    Attributes:
        trace: what records.
        value: its `program.Value`.
        concrete: a real array of the values in this run.
        weak: a number of an optimizer, in float64: it takes the dtype of an array that it meets, as a Python float.
        shared: another Tensor or variable may hold the same memory, so that a write would have to show there too.
    """

    __slots__ = ("__weakref__", "base", "concrete", "shared", "trace", "value", "views", "weak")

    def __init__(self, trace: Calls, value: Value, concrete: Any, weak: bool = False) -> None:
        self.trace = trace
        self.value = value
        self.concrete = concrete
        self.weak = weak
        self.shared = False
        self.base: Any = None
        self.views: list[Any] = []

    # -- what is known of it

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self.value.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the elements."""
        dtype: np.dtype[Any] = self.value.dtype
        return dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.value.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.value.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return int(self.value.dtype.itemsize)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.itemsize

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __repr__(self) -> str:
        return f"Traced({self.dtype.name}, shape={self.shape})"

    # -- what it does

    @property
    def T(self) -> Any:
        """The axes reversed."""
        return self.transpose()

    @property
    def real(self) -> Any:
        """The real part."""
        return np.real(self) if self.dtype.kind == "c" else self

    @property
    def imag(self) -> Any:
        """The imaginary part."""
        return np.imag(self)

    def astype(
        self, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
    ) -> Traced:
        """The values in another data type."""
        dtype = np.dtype(dtype)
        if dtype == self.dtype and not self.weak:
            return self
        if casting != "unsafe":
            self.concrete.astype(dtype, casting=casting)  # raises what NumPy says
        return self.trace.record("cast", cast, (self,), {"dtype": dtype})  # type: ignore[no-any-return]

    def copy(self, order: str = "C") -> Traced:
        """Itself: a traced array never changes."""
        return self

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:
        """The same elements in another shape."""
        new = shape[0] if len(shape) == 1 else shape
        return np.reshape(self, new, order=order)  # type: ignore[call-overload]

    def transpose(self, *axes: Any) -> Any:
        """The axes in another order."""
        return np.transpose(self, (axes[0] if len(axes) == 1 else axes) or None)

    def flatten(self, order: str = "C") -> Any:
        """One axis."""
        return self.reshape(-1, order=order)

    def dot(self, other: Any) -> Any:
        """`np.dot`."""
        return np.dot(self, other)

    def __getattr__(self, name: str) -> Any:
        """A method that NumPy has as a function of the same name."""
        if name in _METHODS:
            return lambda *args, **kwargs: getattr(np, name)(self, *args, **kwargs)
        if name.startswith("__"):
            raise AttributeError(name)
        if name in _LEAVING:
            raise self._leaves(f".{name}")
        raise _NoAttributeError(
            f"compile: an array inside of a compiled function has the attributes that NumPy has functions for, got "
            f".{name}; compute it outside of the function. {where('compile')}"
        )

    def __getitem__(self, index: Any) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        if all(i is None or i is Ellipsis or isinstance(i, int | np.integer | slice) for i in parts) and not any(
            isinstance(i, bool | np.bool) for i in parts
        ):
            plain = tuple(int(i) if isinstance(i, np.integer) else _plain_slice(i) for i in parts)
            return self.trace.record("view", basic_index, (self, plain), {})
        if any(isinstance(i, Traced) and i.dtype.kind == "b" for i in parts):
            raise TraceError(
                f"compile: a shape must not depend on values, got an index of booleans of an array of shape "
                f"{self.shape}; use np.where(mask, array, 0). {where('compile')}"
            )
        return self.trace.record("call", advanced_index, (self, _without_lists(index)), {})

    def __iter__(self) -> Iterator[Any]:
        return iter([self[i] for i in range(len(self))])

    # -- NumPy's protocols

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(not isinstance(x, _OPERANDS) or isinstance(x, Product) for x in inputs):
            return NotImplemented
        kwargs = {k: v for k, v in kwargs.items() if v is not np._NoValue}
        if kwargs.pop("out", None) is not None or method == "at":
            raise self._written(ufunc.__name__)
        if method == "__call__":
            inputs = met(inputs)
            if kwargs.keys() == {"dtype"} and ufunc.nout == 1:
                dtype = np.dtype(kwargs["dtype"])
                inputs = tuple(x.astype(dtype) if hasattr(x, "dtype") else x for x in self.trace.constants_of(inputs))
                kwargs = {}
            if kwargs or ufunc.nout != 1 or ufunc.signature is not None:
                return self.trace.record("call", ufunc, inputs, kwargs)
            weak = all(isinstance(x, int | float) or getattr(x, "weak", False) for x in inputs)
            return self.trace.record("ufunc", ufunc, inputs, {}, weak=weak)
        if method == "reduce":
            return self._reduced(ufunc, inputs, kwargs)
        return self.trace.record("call", getattr(ufunc, method), inputs, kwargs)

    def _reduced(self, ufunc: Any, inputs: Any, kwargs: Any) -> Any:
        names = ("axis", "dtype", "out", "keepdims", "initial", "where")
        kwargs = dict(zip(names, inputs[1:], strict=False)) | kwargs
        if kwargs.get("dtype") is None:
            kwargs.pop("dtype", None)
        if kwargs.get("out") is None:
            kwargs.pop("out", None)
        if kwargs.get("where", True) is True:
            kwargs.pop("where", None)
        if not kwargs.keys() <= {"axis", "keepdims"} or not isinstance(inputs[0], Traced):
            return self.trace.record("call", ufunc.reduce, inputs[:1], kwargs)
        array = inputs[0]
        axis = kwargs.get("axis", 0)
        axes = range(array.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        axes = np.lib.array_utils.normalize_axis_tuple(tuple(axes), array.ndim) if array.ndim else ()
        keepdims = bool(kwargs.get("keepdims", False))
        return self.trace.record("reduce", ufunc, (array,), {"axis": tuple(axes), "keepdims": keepdims})

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if not all(issubclass(t, Traced | np.ndarray) for t in types):
            return NotImplemented
        kwargs = {k: v for k, v in kwargs.items() if v is not np._NoValue}
        if kwargs.get("out") is not None:
            raise self._written(function.__name__)
        kwargs.pop("out", None)
        from .known import KNOWN

        known = KNOWN.get(function)
        if known is not None:
            out = known(self.trace, *args, **kwargs)
            if out is not NotImplemented:
                return out
        if function in _VALUES_DECIDE_SHAPE and not (function is np.where and len(args) == 3):
            raise TraceError(
                f"compile: a shape must not depend on values, got np.{function.__name__}; use np.where with three "
                f"arguments, or compute it outside of the compiled function. {where('compile')}"
            )
        return self.trace.record("call", function, args, kwargs)

    # -- what has no answer yet

    def _leaves(self, what: str) -> ValuesNeededError:
        return ValuesNeededError(
            f"compile: inside of a compiled function a value is not known yet, so Python cannot branch on it or take "
            f"it out, got {what} of an array of shape {self.shape}; use np.where, or compute it outside of the "
            f"function. {where('compile')}"
        )

    def _written(self, what: str) -> ValuesNeededError:
        return ValuesNeededError(
            f"compile: an array inside of a compiled function must not be written into, got {what} with an array of "
            f"shape {self.shape}; write a = a + b for a += b, or write into a Tensor. {where('compile')}"
        )

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise self._leaves("np.asarray (or an assignment into another array)")

    def __bool__(self) -> bool:
        raise self._leaves("a condition (if, while, and, or, not)")

    def __float__(self) -> float:
        raise self._leaves("float()")

    def __int__(self) -> int:
        raise self._leaves("int()")

    def __complex__(self) -> complex:
        raise self._leaves("complex()")

    def __index__(self) -> int:
        raise self._leaves("an index or a count")

    def item(self, *args: Any) -> Any:
        """Raises: the value is not known yet."""
        raise self._leaves(".item()")

    def tolist(self) -> Any:
        """Raises: the values are not known yet."""
        raise self._leaves(".tolist()")

    def __setitem__(self, index: Any, value: Any) -> None:
        raise self._written("a[i] = v")

    def fill(self, value: Any) -> None:
        """Raises: a traced array cannot be written into."""
        raise self._written(".fill()")


_OPERANDS = (Traced, np.ndarray, np.generic, int, float, complex, list, tuple)
_METHODS = frozenset(
    {"sum", "mean", "var", "std", "max", "min", "prod", "any", "all", "argmax", "argmin", "cumsum", "cumprod", "ravel"}
    | {"swapaxes", "squeeze", "clip", "take", "round", "repeat", "diagonal", "trace", "conj", "conjugate", "argsort"}
)
_LEAVING = ("tobytes", "data", "ctypes", "__array_interface__", "view")
_VALUES_DECIDE_SHAPE = frozenset(
    {np.nonzero, np.flatnonzero, np.argwhere, np.unique, np.extract, np.compress, np.where, np.bincount, np.trim_zeros}
)


def _plain_slice(i: Any) -> Any:
    if not isinstance(i, slice):
        return i
    return slice(*(None if x is None else operator.index(x) for x in (i.start, i.stop, i.step)))


def _without_lists(index: Any) -> Any:
    if isinstance(index, list):
        return np.asarray(index)
    return tuple(_without_lists(i) for i in index) if type(index) is tuple else index


def met(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Operands of a ufunc, the weak numbers in the dtype of the arrays that they meet."""
    if not any(isinstance(x, Traced) and x.weak for x in inputs):
        return inputs
    strong = [x.dtype for x in inputs if hasattr(x, "dtype") and not getattr(x, "weak", False)]
    if not strong:
        return inputs
    dtype = np.result_type(*strong, 1.0)
    return tuple(x.astype(dtype) if isinstance(x, Traced) and x.weak else x for x in inputs)
