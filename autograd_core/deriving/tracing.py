"""An array that remembers how it was computed, and its element as an expression.

Gradient rules and operators are plain NumPy, so running them on `Traced` arrays yields their formulas. `element`
translates what was recorded into index notation.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from autograd_core.deriving.structure import Array, Whole
from autograd_core.deriving.terms import (
    ONE,
    ZERO,
    Call,
    Expr,
    Index,
    Indices,
    Num,
    Prod,
    Ref,
    Symbol,
    add,
    full_index,
    mul,
    number,
    power,
    total,
)

__all__ = ["Traced", "aligned", "element", "labelled", "named"]

Made = tuple[Any, tuple[Any, ...], dict[str, Any]]


class Traced(NDArrayOperatorsMixin):
    """A value with the call, or the symbol, that it came from.

    Attributes:
        value: the array.
        made: (function, arguments, keywords), or a Symbol.
    """

    def __init__(self, value: Any, made: Made | Symbol) -> None:
        self.value = np.asarray(value)
        self.made = made

    shape = property(lambda self: self.value.shape)
    dtype = property(lambda self: self.value.dtype)
    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)
    T = property(lambda self: np.transpose(self))

    def __len__(self) -> int:
        return len(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __getitem__(self, index: Any) -> Any:
        return _traced(_take, self, index)

    def astype(self, dtype: Any, copy: bool = True) -> Traced:
        """The same numbers in another precision: no step of a derivation."""
        return Traced(self.value.astype(dtype, copy=copy), self.made)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        if method == "at":  # adds into an array that the rule has just made
            target = inputs[0]
            before = Traced(target.value, target.made)
            after = _traced(labelled("scatter", _put_at, ufunc), before, *inputs[1:])
            target.value, target.made = after.value, after.made
            return None
        # None is a default for all but the axis, where it means all of them.
        keywords = {k: v for k, v in keywords.items() if (v is not None or k == "axis") and v is not np._NoValue}
        return _traced(ufunc if method == "__call__" else getattr(ufunc, method), *inputs, **keywords)

    def __array_function__(self, function: Any, types: Any, args: Any, keywords: Any) -> Any:
        return _traced(function, *args, **keywords)


def named(symbol: Symbol) -> Traced:
    """A symbol's array."""
    return Traced(symbol.value, symbol)


def _put_at(ufunc: Any, array: Any, *rest: Any) -> Any:
    changed = np.array(array)
    ufunc.at(changed, *rest)
    return changed


def labelled(name: str, function: Any, *first: Any) -> Callable[..., Any]:
    """The function with its first arguments given, under the name that a formula shows."""

    def call(*args: Any, **keywords: Any) -> Any:
        return function(*first, *args, **keywords)

    call.__name__ = name
    return call


def _take(array: Any, index: Any) -> Any:
    return array[index]


def _traced(function: Any, *args: Any, **keywords: Any) -> Any:
    result = function(*_plain(args), **_plain(keywords))
    if isinstance(result, tuple | list):
        sequence = list if isinstance(result, list) else tuple  # a named tuple (np.linalg's) would take them one by one
        return sequence(Traced(r, (_part(i), (function, list(args), keywords), {})) for i, r in enumerate(result))
    return Traced(result, (function, args, keywords))


def _part(i: int) -> Callable[..., Any]:
    def part(function: Any, args: Any, keywords: Any) -> Any:
        return function(*args, **keywords)[i]

    return labelled(f"part_{i}", part)


def _plain(x: Any) -> Any:
    if isinstance(x, Traced):
        return x.value
    if type(x) in (tuple, list):
        return type(x)(map(_plain, x))
    return {k: _plain(v) for k, v in x.items()} if type(x) is dict else x


# -- one element -----------------------------------------------------------------------------------


def element(x: Any, at: Indices) -> Expr:
    """The element of `x` at the indices, as an expression in the symbols that it was computed from."""
    if isinstance(x, Traced):
        if isinstance(x.made, Symbol):
            return Ref(x.made, at)
        function, args, keywords = x.made
        translate = _TRANSLATIONS.get(function)
        expr = translate(x, args, keywords, at) if translate is not None else None
        if expr is None and isinstance(function, np.ufunc) and not keywords and function.nout == 1:
            expr = Call(function, tuple(_operand(a, x.shape, at) for a in args))
        return expr if expr is not None else _whole(function, args, keywords, at)
    if isinstance(x, bool | int | float):
        return number(x)
    array = np.asarray(x)
    if array.size and array.dtype != bool and (array == array.flat[0]).all():
        return number(float(array.flat[0]))
    return Ref(Symbol(r"\mathrm{const}", "const", array.shape, array), at)


def _shape(x: Any) -> tuple[int, ...]:
    return tuple(x.shape) if isinstance(x, Traced) else np.shape(x)


def _operand(x: Any, shape: tuple[int, ...], at: Indices) -> Expr:
    """The element of an operand that is broadcast to `shape`."""
    return element(x, aligned(_shape(x), shape, at))


def aligned(small: tuple[int, ...], shape: tuple[int, ...], at: Indices) -> Indices:
    """The indices of an array that is broadcast to `shape`, where that has the indices `at`."""
    lead = len(shape) - len(small)
    return tuple(None if n == 1 else at[lead + axis] for axis, n in enumerate(small))


def _whole(function: Any, args: Any, keywords: Any, at: Indices) -> Expr:
    operands: list[Array] = []

    def replaced(x: Any) -> Any:
        if isinstance(x, Traced):
            indices = full_index(x.shape)
            operands.append(Array(len(operands), element(x, indices), indices, x.shape))
            return operands[-1]
        if type(x) in (tuple, list):
            return type(x)(map(replaced, x))
        return {k: replaced(v) for k, v in x.items()} if type(x) is dict else x

    return Whole(function, replaced(args), replaced(keywords), tuple(operands), at)


# -- what NumPy's functions mean in index notation ----------------------------------------------------
# Each takes the result, the call's arguments and keywords and the wanted indices; None: not expressible.


def _elementwise(build: Callable[..., Expr | None]) -> Any:
    def translate(x: Traced, args: Sequence[Any], keywords: Any, at: Indices) -> Expr | None:
        return None if keywords.keys() - {"dtype"} else build(*(_operand(a, x.shape, at) for a in args))

    return translate


def _raised(base: Expr, exponent: Expr) -> Expr | None:
    if not isinstance(exponent, Num) or not isinstance(exponent.value, Fraction):
        return None
    return power(base, exponent.value) if exponent.value.denominator <= 2 else None


def _summed(x: Traced, args: Sequence[Any], keywords: Any, at: Indices) -> Expr | None:
    """np.sum(a, axis, dtype, out, keepdims) and np.add.reduce, which takes the same."""
    names = dict(zip(("a", "axis", "dtype", "out", "keepdims"), args, strict=False)) | keywords
    if not set(names) <= {"a", "axis", "dtype", "out", "keepdims"}:
        return None
    a = names["a"]
    default = 0 if x.made[0] == np.add.reduce else None  # type: ignore[index]
    axes = _axes(names.get("axis", default), a.ndim)
    kept = iter(at)
    inner: list[Index | None] = []
    over: list[Index] = []
    for i, n in enumerate(a.shape):
        if i in axes:
            if names.get("keepdims"):
                next(kept)
            fresh = Index(n, i) if n != 1 else None
            inner.append(fresh)
            over += [fresh] if fresh else []
        else:
            inner.append(next(kept))
    return total(tuple(over), element(a, tuple(inner)))


def _axes(axis: Any, ndim: int) -> set[int]:
    if axis is None:
        return set(range(ndim))
    return {a % max(ndim, 1) for a in (axis if isinstance(axis, tuple) else (axis,))}  # a 0-d array takes axis 0


def _averaged(x: Traced, args: Sequence[Any], keywords: Any, at: Indices) -> Expr | None:
    summed = _summed(x, args, keywords, at)
    a = args[0] if args else keywords["a"]
    return None if summed is None else mul(power(number(a.size / max(x.size, 1)), Fraction(-1)), summed)


def _reshaped(x: Traced, args: Sequence[Any], keywords: Any, at: Indices) -> Expr | None:
    """Axes of length one come and go; anything else has no indices."""
    a = args[0] if args else keywords.get("a", keywords.get("array"))
    if [n for n in a.shape if n != 1] != [n for n in x.shape if n != 1]:
        return None
    left = iter([i for i in at if i is not None])
    return element(a, tuple(None if n == 1 else next(left) for n in a.shape))


def _spread(x: Traced, args: Sequence[Any], keywords: Any, at: Indices) -> Expr | None:
    return _operand(args[0], x.shape, at)


def _turned(x: Traced, args: Sequence[Any], keywords: Any, at: Indices) -> Expr | None:
    """Any permutation of axes, found by permuting the axes' numbers."""
    a, *rest = args
    probe = np.broadcast_to(np.zeros(()), tuple(range(2, a.ndim + 2)))  # a different length for each axis
    shape = x.made[0](probe, *rest, **keywords).shape  # type: ignore[index]
    inner: list[Index | None] = [None] * a.ndim
    for axis, length in enumerate(shape):
        inner[length - 2] = at[axis]
    return element(a, tuple(inner))


def _product(x: Traced, args: Sequence[Any], keywords: Any, at: Indices) -> Expr | None:
    """np.matmul, and np.dot where it means the same."""
    a, b = args
    if keywords or (x.made[0] is np.dot and (len(_shape(a)) > 2 or len(_shape(b)) > 2)):  # type: ignore[index]
        return None
    if not _shape(a) or not _shape(b):
        return mul(_operand(a, x.shape, at), _operand(b, x.shape, at))
    n = _shape(a)[-1]
    k = Index(n, len(_shape(a)) - 1) if n != 1 else None
    batch = max(len(_shape(a)), len(_shape(b)), 2) - 2
    rows = (at[batch],) if len(_shape(a)) > 1 else ()
    columns = (at[-1],) if len(_shape(b)) > 1 else ()
    lead = at[:batch]
    left = (*aligned(_shape(a)[:-2], x.shape[:batch], lead), *rows, k)
    right = (*aligned(_shape(b)[:-2], x.shape[:batch], lead), k, *columns)
    body = mul(element(a, left), element(b, right))
    return total((k,), body) if k else body


def _einsum(x: Traced, args: Sequence[Any], keywords: Any, at: Indices) -> Expr | None:
    text, *operands = args
    if not isinstance(text, str) or "." in text or set(keywords) - {"optimize"}:
        return None
    text = text.replace(" ", "")
    inputs, _, output = text.partition("->")
    if "->" not in text:
        output = "".join(c for c in string.ascii_letters if inputs.count(c) == 1)
    place: dict[str, Index | None] = dict(zip(output, at, strict=True))
    over = []
    for letters, operand in zip(inputs.split(","), operands, strict=True):
        for axis, (letter, n) in enumerate(zip(letters, _shape(operand), strict=True)):
            if letter not in place:
                place[letter] = Index(n, axis) if n != 1 else None
                over += [i for i in (place[letter],) if i]
    parts = [
        element(operand, tuple(None if n == 1 else place[c] for c, n in zip(letters, _shape(operand), strict=True)))
        for letters, operand in zip(inputs.split(","), operands, strict=True)
    ]
    return total(tuple(over), mul(*parts))


def _inner(x: Traced, args: Sequence[Any], keywords: Any, at: Indices) -> Expr | None:
    a, b = args
    if not _shape(a) or not _shape(b):
        return None
    n = _shape(a)[-1]
    k = Index(n, len(_shape(a)) - 1) if n != 1 else None
    left = (*at[: len(_shape(a)) - 1], k)
    right = (*at[len(_shape(a)) - 1 :], k)
    body = mul(element(a, left), element(b, right))
    return total((k,), body) if k else body


def _outer(x: Traced, args: Sequence[Any], keywords: Any, at: Indices) -> Expr | None:
    a, b = args
    if keywords or len(_shape(a)) != 1 or len(_shape(b)) != 1:
        return None
    return mul(element(a, at[:1]), element(b, at[1:]))


def _chosen(x: Traced, args: Sequence[Any], keywords: Any, at: Indices) -> Expr | None:
    """np.where; a choice between an expression and zero is a product with a truth value."""
    if len(args) != 3:
        return None
    condition, then, otherwise = (_operand(a, x.shape, at) for a in args)
    if otherwise.key == ZERO.key:
        return mul(then, condition)
    return Call(np.where, (condition, then, otherwise))


def _filled(value: Expr) -> Any:
    return lambda x, args, keywords, at: value


_TRANSLATIONS: dict[Any, Any] = {
    np.add: _elementwise(add),
    np.subtract: _elementwise(lambda a, b: add(a, mul(Num(Fraction(-1)), b))),
    np.negative: _elementwise(lambda a: mul(Num(Fraction(-1)), a)),
    np.positive: _elementwise(lambda a: a),
    np.multiply: _elementwise(mul),
    np.true_divide: _elementwise(lambda a, b: mul(a, power(b, Fraction(-1)))),
    np.reciprocal: _elementwise(lambda a: power(a, Fraction(-1))),
    np.square: _elementwise(lambda a: power(a, Fraction(2))),
    np.sqrt: _elementwise(lambda a: Prod(Fraction(1), ((a, Fraction(1, 2)),))),
    np.power: _elementwise(_raised),
    np.float_power: _elementwise(_raised),
    np.sum: _summed,
    np.add.reduce: _summed,
    np.mean: _averaged,
    np.reshape: _reshaped,
    np.squeeze: _reshaped,
    np.expand_dims: _reshaped,
    np.ravel: _reshaped,
    np.broadcast_to: _spread,
    np.copy: _spread,
    np.ascontiguousarray: _spread,
    np.transpose: _turned,
    np.swapaxes: _turned,
    np.moveaxis: _turned,
    np.rollaxis: _turned,
    np.matmul: _product,
    np.dot: _product,
    np.einsum: _einsum,
    np.outer: _outer,
    np.inner: _inner,
    np.where: _chosen,
    np.zeros_like: _filled(ZERO),
    np.ones_like: _filled(ONE),
}
