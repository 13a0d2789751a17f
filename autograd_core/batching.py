"""Many cotangents or tangents at once: an array with one more leading axis, which rules do not see.

A rule is a NumPy expression, so that it runs on any array that answers NumPy's protocols. A `Batched` array answers
them for a whole batch: `shape` is that of one member, and every NumPy function is carried out on all members in one
call (ufuncs align their operands behind the batch, functions of an axis shift it, einsum has one more label). What is
not listed in `batching_functions.py` is computed member by member, so that a result never depends on the list; what
leaves the protocols (`np.asarray(g)`, `if g > 0`) raises `CannotBatchError`, and the caller falls back to a loop.

Batches nest: a batch of a Jacobian within a Jacobian has a level of its own. To an operation at some level, the
batches of that level are batches, and those of lower levels plain arrays; what it does with all their members, NumPy
then carries out at the lower level. So the members of the highest level are the first axis of what a batch holds, and
so on down.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .errors import AutogradError
from .unbroadcast import Product

__all__ = [
    "BATCHED_FUNCTIONS",
    "Batched",
    "CannotBatchError",
    "aligned",
    "every",
    "is_batched",
    "members",
    "shifted",
    "summed",
]

# NumPy function -> its meaning on Batched arguments, or NotImplemented for a loop over the members.
BATCHED_FUNCTIONS: dict[Any, Callable[..., Any]] = {}


class _Level(threading.local):
    """The level at which the operation at hand is carried out."""

    level = 0


_AT = _Level()


class CannotBatchError(AutogradError, TypeError):
    """A computation asked for something that only one member of a batch has."""


class Batched(NDArrayOperatorsMixin):
    """A batch of arrays that looks like one of them.

    Attributes:
        every: the array of all members, of shape (batch, *shape).
        level: of nested batches the inner has the higher one; that of the operation at hand by default.
    """

    __slots__ = ("every", "level")

    def __init__(self, every: Any, level: int | None = None) -> None:
        self.every = every
        self.level = _AT.level if level is None else level

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of a member's axes."""
        shape: tuple[int, ...] = self.every.shape[1:]
        return shape

    @property
    def dtype(self) -> Any:
        """Data type of the elements."""
        return self.every.dtype

    @property
    def ndim(self) -> int:
        """Number of a member's axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of a member's elements."""
        return math.prod(self.every.shape[1:])

    @property
    def T(self) -> Any:
        """Every member with its axes reversed."""
        return _call(np.transpose, (self,), {})

    @property
    def real(self) -> Batched:
        """Real parts."""
        return Batched(self.every.real, self.level)

    @property
    def imag(self) -> Batched:
        """Imaginary parts."""
        return Batched(self.every.imag, self.level)

    def __len__(self) -> int:
        return int(self.shape[0])

    def __iter__(self) -> Iterator[Any]:
        return iter([self[i] for i in range(len(self))])

    def __repr__(self) -> str:
        return f"Batched({len(self.every)} of shape {self.shape})"

    def astype(self, dtype: Any, copy: bool = True) -> Batched:
        """The same values in another data type."""
        return Batched(self.every.astype(dtype, copy=copy), self.level)

    def reshape(self, *shape: Any) -> Any:
        """Every member in another shape."""
        return _call(np.reshape, (self, shape[0] if len(shape) == 1 else shape), {})

    def transpose(self, *axes: Any) -> Any:
        """Every member with its axes permuted."""
        return _call(np.transpose, (self, (axes[0] if len(axes) == 1 else axes) or None), {})

    def __getattr__(self, name: str) -> Any:
        """A method that NumPy has as a function of the same name."""
        if name not in _METHODS:
            raise AttributeError(f"a batch of arrays has no attribute {name!r}")
        return lambda *args, **kwargs: getattr(np, name)(self, *args, **kwargs)

    def __getitem__(self, index: Any) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        if _is_basic(parts):
            return Batched(self.every[(slice(None), *parts)], self.level)
        if any(isinstance(i, Batched) for i in parts):
            return _at_their_level(lambda a, i: members(lambda a, i: a[i], (a, i), {}), (self, index), {})
        # Through flat positions: between slices, NumPy puts the axes of index arrays in front of the batch.
        positions = np.arange(self.size).reshape(self.shape)[index]
        return Batched(np.take(self.every.reshape(len(self.every), self.size), positions, axis=1), self.level)

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise CannotBatchError("a batch of arrays was asked for the values of one")

    def __bool__(self) -> bool:
        """The answer to a question that all members answer alike."""
        if self.dtype.kind == "b" and self.size == 1 and len(self.every):
            answers = self.every.reshape(len(self.every))
            if answers.all() or not answers.any():
                return bool(answers[0])
        self._refuse()
        raise AssertionError  # not reached

    __array__ = __float__ = __int__ = __complex__ = __index__ = __setitem__ = _refuse

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(type(x) is Product for x in inputs):
            return NotImplemented
        if kwargs.get("out") is not None:
            return self._refuse()
        return _at_their_level(_ufunc, (ufunc, method, inputs, kwargs), {})

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if Product in types:
            return NotImplemented
        return _call(function, args, {k: v for k, v in kwargs.items() if v is not np._NoValue})


def _ufunc(ufunc: Any, method: str, inputs: Any, kwargs: Any) -> Any:
    if method == "__call__":
        if ufunc.signature is not None:
            return _call(ufunc, inputs, kwargs)
        operands = aligned((*inputs, kwargs.pop("where", True)))
        if operands[-1] is not True:
            kwargs["where"] = operands[-1]
        return every(ufunc(*operands[:-1], **kwargs))
    if method == "at":
        return _add_at(ufunc, *inputs)
    if method in ("reduce", "accumulate") and is_batched(inputs[0]) and len(inputs) <= 2:
        axis = inputs[1] if len(inputs) == 2 else kwargs.get("axis", 0)
        options = {k: v for k, v in kwargs.items() if k != "axis"}
        if not any(is_batched(v) for v in options.values()):
            a = inputs[0]
            return Batched(getattr(ufunc, method)(a.every, axis=shifted(axis, a.ndim), **options))
    return members(getattr(ufunc, method), inputs, kwargs)


_REDUCING = ("sum", "mean", "prod", "max", "min", "var", "std", "all", "any", "argmax", "argmin", "trace", "dot")
_SHAPING = ("argsort", "sort", "cumsum", "cumprod", "ravel", "squeeze", "swapaxes", "take", "repeat", "diagonal")
_METHODS = frozenset((*_REDUCING, *_SHAPING, "clip", "copy", "round"))


def is_batched(x: Any) -> bool:
    """Whether `x` is a batch to the operation at hand."""
    return isinstance(x, Batched) and x.level == _AT.level


def _at_their_level(f: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """`f(*args, **kwargs)` at the highest level of the batches among its arguments."""
    before = _AT.level
    _AT.level = _highest((args, kwargs))
    try:
        return f(*args, **kwargs)
    finally:
        _AT.level = before


def _highest(x: Any) -> int:
    if isinstance(x, Batched):
        return x.level
    if isinstance(x, tuple | list | dict):
        return max((_highest(i) for i in (x.values() if isinstance(x, dict) else x)), default=0)
    return 0


def summed(x: Any, level: int, count: int) -> Any:
    """The sum over the `count` members of the batches at a level, which those of higher ones hold."""
    if not isinstance(x, Batched) or x.level < level:
        return x * count  # the same for all
    return np.sum(x.every, axis=0) if x.level == level else Batched(summed(x.every, level, count), x.level)


def _call(function: Any, args: Any, kwargs: Any) -> Any:
    return _at_their_level(_meant, (function, args, kwargs), {})


def _meant(function: Any, args: Any, kwargs: Any) -> Any:
    meaning = BATCHED_FUNCTIONS.get(function)
    out = NotImplemented if meaning is None else meaning(*args, **kwargs)
    return members(function, args, kwargs) if out is NotImplemented else out


def every(out: Any) -> Any:
    """What NumPy gave for all members, as a batch; a tuple is one of batches."""
    if isinstance(out, tuple):
        parts = [Batched(o) for o in out]
        return type(out)(*parts) if hasattr(out, "_fields") else tuple(parts)
    return Batched(out)


def aligned(operands: Any) -> list[Any]:
    """The operands' arrays, such that broadcasting them pairs the batches with each other."""
    rank = max((np.ndim(x) if not is_batched(x) else x.ndim) for x in operands)
    return [raised(x, rank) if is_batched(x) else x for x in operands]


def raised(x: Batched, rank: int) -> Any:
    """The array of all members, with `rank` axes behind the batch."""
    a = x.every
    lead = rank - x.ndim
    return a.reshape((a.shape[0], *(1,) * lead, *a.shape[1:])) if lead > 0 else a


def shifted(axis: Any, rank: int) -> Any:
    """The same axis (or axes) behind the batch; all of them for None."""
    if axis is None:
        return tuple(range(1, rank + 1))
    if isinstance(axis, tuple | list):
        return tuple(shifted(a, rank) for a in axis)
    if not -rank <= axis < rank:
        raise np.exceptions.AxisError(axis, rank)
    return axis + 1 if axis >= 0 else int(axis)


def members(function: Any, args: Any, kwargs: Any) -> Any:
    """Any function, member by member."""
    count = _count((args, kwargs))
    outs = [function(*_member(args, i), **_member(kwargs, i)) for i in range(count)]
    if isinstance(outs[0], tuple | list):
        parts = [Batched(_stacked([o[k] for o in outs])) for k in range(len(outs[0]))]
        return type(outs[0])(*parts) if hasattr(outs[0], "_fields") else type(outs[0])(parts)
    if any(np.shape(o) != np.shape(outs[0]) for o in outs):
        raise CannotBatchError("the members' results have different shapes")
    return Batched(_stacked(outs))


def _stacked(outs: list[Any]) -> Any:
    return np.stack([o if isinstance(o, Batched) else np.asarray(o) for o in outs])


def _count(x: Any) -> int:
    if is_batched(x):
        return len(x.every)
    if isinstance(x, tuple | list | dict):
        return max((_count(i) for i in (x.values() if isinstance(x, dict) else x)), default=0)
    return 0


def _member(x: Any, i: int) -> Any:
    if is_batched(x):
        return x.every[i]
    if type(x) in (tuple, list):
        return type(x)(_member(j, i) for j in x)
    if type(x) is dict:
        return {k: _member(v, i) for k, v in x.items()}
    return x


def _is_basic(parts: tuple[Any, ...]) -> bool:
    return all(i is None or i is Ellipsis or isinstance(i, int | np.integer | slice) for i in parts)


def _add_at(ufunc: Any, a: Any, index: Any, *values: Any) -> None:
    """`ufunc.at` on a batch that the caller has just made."""
    if ufunc is not np.add or not is_batched(a) or is_batched(index):
        raise CannotBatchError("only np.add.at is carried out on a batch")
    positions = np.arange(a.size).reshape(a.shape)[index]
    value = values[0] if is_batched(values[0]) else Batched(np.broadcast_to(values[0], (1, *np.shape(values[0]))))
    count = len(a.every)
    added = np.broadcast_to(raised(value, positions.ndim), (count, *positions.shape)).reshape(count, positions.size)
    flat, places = a.every.reshape(count, a.size), positions.reshape(-1)
    if isinstance(flat, Batched):  # batches within batches: the same at the next level
        np.add.at(flat, (slice(None), places), added)
        a.every = flat.reshape(a.every.shape)
        return
    if np.unique(places).size == places.size:  # a sum where no place repeats: one assignment for all members
        flat[:, places] += added
    else:
        np.add.at(flat, (slice(None), places), added)
    a.every[...] = flat.reshape(a.every.shape)  # itself, unless its layout in memory made `flat` a copy
