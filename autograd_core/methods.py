"""The Tensor's operators and methods, attached from the registry.

Methods have the names and arguments of `ndarray`'s; the elementwise functions that people know as methods from
elsewhere (`t.exp()`, `t.relu()`) are there too.
"""

from __future__ import annotations

import inspect
import operator as python
from functools import cache
from typing import Any

import numpy as np

from .engine import NUMBERS, apply
from .errors import DTypeError, NoRuleError, where
from .hot import binary, is_operand, single, unary
from .operator import registry
from .ops import contractions, cumulative, diagonals, indexing, joining, piecewise, rearranging, shape, sorting, values
from .ops import reductions as r
from .tensor import Tensor
from .views import assign, check_writable, in_place

__all__: list[str] = []

_ops = registry.operators

_BINARY = {
    "add": python.add,
    "sub": python.sub,
    "mul": python.mul,
    "truediv": python.truediv,
    "mod": python.mod,
    "floordiv": python.floordiv,
}
_OPERATOR = {
    "floordiv": "floor_divide",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "mod": "remainder",
    "add": "add",
}
_IN_PLACE = {"add": "+=", "sub": "-=", "mul": "*=", "truediv": "/=", "mod": "%=", "floordiv": "//="}
_COMPARISONS = {
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "eq": "equal",
    "ne": "not_equal",
}
_LOGIC = {
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "left_shift",
    "rshift": "right_shift",
}
_LOGIC_IN_PLACE = {"and": "&=", "or": "|=", "xor": "^=", "lshift": "<<=", "rshift": ">>="}

_power = binary(_ops["power"], python.pow)
_rpower = binary(_ops["power"], python.pow, reflected=True)


def power(a: Any, b: Any) -> Any:
    """Power; a number as exponent or base is a static argument, and the commonest have operators of their own."""
    if type(b) in NUMBERS and isinstance(a, Tensor):  # a NumPy scalar decides the dtype, as in NumPy
        if b == 2:
            return _square(a)
        return _sqrt(a) if b == 0.5 else _ops["power_number"](a, b)
    if type(a) in NUMBERS:
        return _ops["number_power"](a, b)
    if isinstance(a, Tensor):
        return _power(a, b)
    return _rpower(b, a)


def _pow(self: Tensor, other: Any) -> Any:
    if type(other) is int and other == 2:
        return _square(self)
    return power(self, other) if isinstance(other, Tensor) or is_operand(other) else NotImplemented


def _rpow(self: Tensor, other: Any) -> Any:
    return power(other, self) if is_operand(other) else NotImplemented


def _method(op: Any) -> Any:
    """A method from an operator: the tensor is its first argument, the others as in `ndarray`'s method.

    Where that has an `out` among them, which our operators do not have, it must be None.
    """
    place = place_of_out(getattr(np, op.name, None))
    if place is None:
        return single(op)

    def beyond(op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return apply(op, *without_out(op.name, place, args, kwargs))

    return single(op, place[0] - 1, beyond)


@cache
def place_of_out(function: Any) -> tuple[int, list[str]] | None:
    """The position of a NumPy function's `out`, which our operators do not have, and the names after it."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # no function, or one written in C and without a signature
        return None
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return (names.index("out"), names[names.index("out") + 1 :]) if "out" in names else None


def without_out(
    name: str, place: tuple[int, list[str]] | None, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments without NumPy's `out`; what stands behind it by position comes by name.

    Raises:
        NoRuleError: it is not None.
    """
    out = kwargs.get("out")
    if place is not None and len(args) > place[0]:
        out = args[place[0]]
        kwargs = {**dict(zip(place[1], args[place[0] + 1 :], strict=False)), **kwargs}
        args = args[: place[0]]
    if out is not None:
        raise NoRuleError(
            f"{name}: out= must be left out with Tensors, since the result must be recorded; assign the result "
            f"instead. {where(name)}"
        )
    return args, {k: v for k, v in kwargs.items() if v is not np._NoValue and k != "out"}


def _shape_arguments(args: tuple[Any, ...]) -> Any:
    return args[0] if len(args) == 1 else args


def attach() -> None:
    """Gives Tensor its operators and methods."""
    cls: Any = Tensor
    for python_name, compute in _BINARY.items():
        op = _ops[_OPERATOR[python_name]]
        setattr(cls, f"__{python_name}__", binary(op, compute))
        setattr(cls, f"__r{python_name}__", binary(op, compute, reflected=True))
    for python_name, name in _COMPARISONS.items():
        setattr(cls, f"__{python_name}__", binary(_ops[name], getattr(python, python_name)))
    for python_name, name in _LOGIC.items():
        setattr(cls, f"__{python_name}__", binary(_ops[name], _ops[name].function))
        setattr(cls, f"__r{python_name}__", binary(_ops[name], _ops[name].function, reflected=True))
    for short, symbol in (_IN_PLACE | _LOGIC_IN_PLACE).items():
        setattr(cls, f"__i{short}__", in_place(symbol, getattr(cls, f"__{short}__")))
    cls.__pow__, cls.__rpow__ = _pow, _rpow
    cls.__ipow__ = in_place("**=", power)
    cls.__matmul__ = lambda self, other: _matmul(self, other) if _takes(other) else NotImplemented
    cls.__rmatmul__ = lambda self, other: _matmul(other, self) if _takes(other) else NotImplemented
    cls.__imatmul__ = in_place("@=", _matmul)
    cls.__divmod__ = lambda self, other: np.divmod(self, other) if _takes(other) else NotImplemented
    cls.__rdivmod__ = lambda self, other: np.divmod(other, self) if _takes(other) else NotImplemented
    cls.__neg__ = unary(_ops["negative"])
    cls.__pos__ = unary(_ops["positive"])
    cls.__abs__ = unary(_ops["absolute"])
    cls.__invert__ = unary(_ops["invert"])
    cls.__getitem__ = single(_ops["getitem"])
    cls.__setitem__ = _setitem
    for op in _ops.values():
        plain = op.kind == "elementwise" and len(op.parameters) == 1 and not op.statics
        if plain and not op.function.__module__.endswith("._special") and not hasattr(cls, op.name):
            setattr(cls, op.name, unary(op))
    for op in (
        r.sum,
        r.mean,
        r.var,
        r.std,
        r.max,
        r.min,
        r.prod,
        r.logsumexp,
        r.cumsum,
        cumulative.cumprod,
        r.argmax,
        r.argmin,
        r.any,
        r.all,
        shape.swapaxes,
        shape.squeeze,
    ):
        setattr(cls, op.name, _method(op))
    cls.T = property(lambda self: shape.transpose(self))
    cls.reshape = _reshape
    cls.transpose = lambda self, *args: shape.transpose(self, _shape_arguments(args) if args else None)
    cls.flatten = lambda self, order="C": shape.reshaped(self, -1, order, copy=True)
    cls.ravel = shape.ravel
    cls.astype = _astype
    cls.take = indexing.take
    cls.dot = lambda self, other: contractions.dot(self, other)
    cls.clip = _clip
    cls.round = rounded
    cls.conj = cls.conjugate
    cls.copy = lambda self, order="C": shape.identity(self)
    cls.real, cls.imag = property(np.real), property(np.imag)
    cls.itemsize, cls.nbytes = property(lambda self: self.dtype.itemsize), property(lambda self: self._buffer.nbytes)
    cls.tolist = _tolist
    cls.mT = property(rearranging.matrix_transpose)
    cls.repeat = rearranging.repeat
    cls.diagonal = _method(diagonals.diagonal)
    cls.trace = diagonals.trace
    cls.compress = lambda self, condition, axis=None: joining.compress(condition, self, axis)
    cls.choose = joining.choose
    cls.sort = _in_order("sort", sorting.sorted_)
    cls.partition = _in_order("partition", sorting.partitioned)
    cls.fill = lambda self, value: _setitem(self, ..., value)
    for function in (np.argsort, np.argpartition, np.searchsorted, np.nonzero):
        setattr(cls, function.__name__, values.on_values(function))


def _clip(self: Tensor, *args: Any, **kwargs: Any) -> Any:
    """The elements, no smaller than `min` and no larger than `max`."""
    args, kwargs = without_out("clip", place_of_out(np.clip), (self, *args), kwargs)
    return piecewise.limited(*args, **kwargs)


def _tolist(self: Tensor) -> Any:
    """The values as nested lists of Python numbers; raises for a tensor that requires a gradient."""
    if self.requires_grad:
        raise self._leaves_graph("tolist")
    return self.data.tolist()


def _in_order(name: str, function: Any) -> Any:
    """A method that, as in NumPy, sorts the tensor itself; recorded as a write."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> None:
        check_writable(self, f"t.{name}()", f"t = np.{name}(t)")
        assign(self, function(shape.identity(self), *args, **kwargs), f"t.{name}()")

    method.__name__, method.__doc__ = name, function.__doc__
    return method


def _reshape(self: Tensor, *args: Any, order: str = "C", copy: bool | None = None) -> Any:
    """The same elements in another shape, given as a tuple or as several numbers."""
    if order != "C" or copy:
        return shape.reshaped(self, _shape_arguments(args), order, copy=copy)
    return _reshaped(self, args[0] if len(args) == 1 else args)


def _astype(
    self: Tensor, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
) -> Tensor:
    """Another dtype; integers and booleans are cut from the graph.

    Raises:
        DTypeError: `casting` does not allow it.
    """
    if casting != "unsafe" and not np.can_cast(self.dtype, dtype, casting):  # type: ignore[arg-type]
        raise DTypeError(
            f"astype: the dtype must be one that casting={casting!r} allows, got {self.dtype} to {np.dtype(dtype)}; "
            f"leave casting out to convert all the same. {where('astype')}"
        )
    if not copy and self.dtype == dtype:
        return self
    if np.dtype(dtype).kind not in "fc":
        return Tensor(self.data.astype(dtype))
    return shape.astype(self, dtype)  # type: ignore[no-any-return]


def rounded(a: Any, decimals: int = 0) -> Any:
    """Rounded to `decimals` places, ties to even, in NumPy's way; recorded with a zero gradient."""
    if a.dtype.kind in "iub":
        return Tensor(np.round(a.data, decimals))
    if decimals == 0:
        return _ops["rint"](a)
    scale = 10 ** abs(decimals)
    return _ops["rint"](a * scale) / scale if decimals > 0 else _ops["rint"](a / scale) * scale


def _setitem(self: Tensor, index: Any, value: Any) -> None:
    from .engine import unwrap_static
    from .tensor import as_array

    check_writable(self, "t[i] = v")
    value = value if isinstance(value, Tensor) else Tensor(as_array(value))
    if value.dtype != self.dtype and value.dtype.kind in "iub" and self.dtype.kind == "f":
        value = Tensor(value.data.astype(self.dtype))
    if not value.requires_grad and value.dtype.kind == "f" and self.dtype.kind == "f":
        value = Tensor(value.data.astype(self.dtype, copy=False))
    if isinstance(index, list):  # an empty one is of integers, though NumPy makes floats of it
        index = np.asarray(index) if index else np.zeros(0, np.intp)
    assign(self, value, "t[i] = v", unwrap_static(index))


def _takes(other: Any) -> bool:
    return isinstance(other, Tensor) or is_operand(other)


_matmul = _ops["matmul"]
_reshaped = single(_ops["reshape"])
_square = unary(_ops["square"])
_sqrt = unary(_ops["sqrt"])
attach()
