"""Expressions for one element of an array: symbols with indices, sums over indices, products in normal form.

In index notation broadcasting is invisible: an axis of length one has no index, and a value that does not vary along
an axis does not mention that axis' index. So a gradient can be rearranged without knowing how NumPy computed it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any, TypeAlias

__all__ = [
    "ONE",
    "ZERO",
    "Add",
    "Call",
    "Expr",
    "Index",
    "Indices",
    "Num",
    "Prod",
    "Ref",
    "Sum",
    "Symbol",
    "add",
    "full_index",
    "instantiate",
    "mul",
    "number",
    "power",
    "renewed",
    "spelled",
    "total",
]

Key: TypeAlias = tuple[Any, ...]


class Index:
    """A running index over an axis; two are the same only if they are one object.

    Attributes:
        length: of the axis.
        axis: its place in the array that it was made for (or in the one which that is broadcast to), from which it
            gets its letter.
    """

    __slots__ = ("axis", "length")

    def __init__(self, length: int, axis: int) -> None:
        self.length = length
        self.axis = axis


Indices: TypeAlias = tuple[Index | None, ...]


def full_index(shape: tuple[int, ...], lead: int = 0) -> Indices:
    """A fresh index for each axis that is longer than one; `lead` axes come before these where it is broadcast."""
    return tuple(Index(n, lead + axis) if n != 1 else None for axis, n in enumerate(shape))


class Symbol:
    """A named array.

    Attributes:
        latex: the name in LaTeX; `text` in plain text.
        shape: of the array; () for a number such as the length of an axis.
        value: the array, or None if the tape does not know it any more.
        gradient: "L" if it stands for dL/d(name); "" if it is a value.
        count: the length of an axis, if it stands for one; else 0.
    """

    __slots__ = ("count", "gradient", "latex", "shape", "text", "value")

    def __init__(self, latex: str, text: str, shape: tuple[int, ...], value: Any = None, gradient: str = ""):
        self.latex = latex
        self.text = text
        self.shape = shape
        self.value = value
        self.gradient = gradient
        self.count = 0


class Expr:
    """An expression; `free` are its free indices, `size` counts its symbols and operations."""

    __slots__ = ("_key", "free", "size")

    free: frozenset[Index]
    size: int
    _key: Key | None

    def __init__(self, free: Iterable[Index], size: int) -> None:
        self.free = frozenset(free)
        self.size = size
        self._key = None

    @property
    def key(self) -> Key:
        """Equal for expressions that are the same up to the names of bound indices."""
        if self._key is None:
            self._key = self._spell({})
        return self._key

    def _spell(self, bound: Mapping[Index, int]) -> Key:
        """The expression as a tuple, with bound indices by number."""
        raise NotImplementedError

    def map(self, on_ref: Callable[[Ref], Expr], on_index: Callable[[Index], Index | None]) -> Expr:
        """The expression with its references and free indices replaced; bound indices become fresh ones."""
        raise NotImplementedError


def spelled(index: Index | None, bound: Mapping[Index, int]) -> Any:
    """An index within a key: bound ones by number."""
    return None if index is None else bound.get(index, id(index))


class Num(Expr):
    """A number: a fraction if it is a simple one, else a float."""

    __slots__ = ("value",)

    def __init__(self, value: Fraction | float) -> None:
        super().__init__((), 1)
        self.value = value

    def _spell(self, bound: Mapping[Index, int]) -> Key:
        return ("num", self.value)

    def map(self, on_ref: Any, on_index: Any) -> Expr:
        """See `Expr.map`."""
        return self


class Ref(Expr):
    """An element of a named array."""

    __slots__ = ("indices", "symbol")

    def __init__(self, symbol: Symbol, indices: Indices = ()) -> None:
        super().__init__((i for i in indices if i is not None), 1)
        self.symbol = symbol
        self.indices = indices

    def _spell(self, bound: Mapping[Index, int]) -> Key:
        return ("ref", id(self.symbol), *(spelled(i, bound) for i in self.indices))

    def map(self, on_ref: Any, on_index: Any) -> Expr:
        """See `Expr.map`."""
        moved = Ref(self.symbol, tuple(None if i is None else on_index(i) for i in self.indices))
        answer: Expr = on_ref(moved)
        return answer


class Call(Expr):
    """An elementwise function of expressions."""

    __slots__ = ("args", "function", "keywords")

    def __init__(self, function: Any, args: tuple[Expr, ...], keywords: tuple[tuple[str, Any], ...] = ()) -> None:
        super().__init__(frozenset().union(*(a.free for a in args)), 1 + sum(a.size for a in args))
        self.function = function
        self.args = args
        self.keywords = keywords

    def _spell(self, bound: Mapping[Index, int]) -> Key:
        return ("call", self.function, repr(self.keywords), *(a._spell(bound) for a in self.args))

    def map(self, on_ref: Any, on_index: Any) -> Expr:
        """See `Expr.map`."""
        return Call(self.function, tuple(a.map(on_ref, on_index) for a in self.args), self.keywords)


def renewed(own: Iterable[Index], on_index: Any) -> tuple[dict[Index, Index], Any]:
    """Fresh indices for bound ones, and `on_index` with these before it."""
    fresh = {i: Index(i.length, i.axis) for i in own}
    return fresh, lambda i: fresh[i] if i in fresh else on_index(i)


class Prod(Expr):
    """A coefficient times powers of expressions, in the order in which they were met; each base occurs once."""

    __slots__ = ("coefficient", "factors")

    def __init__(self, coefficient: Fraction | float, factors: tuple[tuple[Expr, Fraction], ...]) -> None:
        free = frozenset().union(*(b.free for b, _ in factors))
        super().__init__(free, 1 + sum(b.size for b, _ in factors))
        self.coefficient = coefficient
        self.factors = factors

    def _spell(self, bound: Mapping[Index, int]) -> Key:
        spelled = sorted(((b._spell(bound), e) for b, e in self.factors), key=repr)
        return ("prod", self.coefficient, *spelled)

    def map(self, on_ref: Any, on_index: Any) -> Expr:
        """See `Expr.map`."""
        return mul(Num(self.coefficient), *(power(b.map(on_ref, on_index), e) for b, e in self.factors))


class Add(Expr):
    """A sum of terms."""

    __slots__ = ("terms",)

    def __init__(self, terms: tuple[Expr, ...]) -> None:
        super().__init__(frozenset().union(*(t.free for t in terms)), 1 + sum(t.size for t in terms))
        self.terms = terms

    def _spell(self, bound: Mapping[Index, int]) -> Key:
        return ("add", *sorted((t._spell(bound) for t in self.terms), key=repr))

    def map(self, on_ref: Any, on_index: Any) -> Expr:
        """See `Expr.map`."""
        return add(*(t.map(on_ref, on_index) for t in self.terms))


class Sum(Expr):
    """The sum of an expression over one or more indices."""

    __slots__ = ("body", "over")

    def __init__(self, over: tuple[Index, ...], body: Expr) -> None:
        super().__init__(body.free - set(over), 1 + body.size)
        self.over = over
        self.body = body

    def _spell(self, bound: Mapping[Index, int]) -> Key:
        own = {i: len(bound) + n for n, i in enumerate(self.over)}
        return ("sum", len(self.over), self.body._spell({**bound, **own}))

    def map(self, on_ref: Any, on_index: Any) -> Expr:
        """See `Expr.map`."""
        fresh, within = renewed(self.over, on_index)
        return total(tuple(fresh[i] for i in self.over), self.body.map(on_ref, within))


# -- building, in normal form ----------------------------------------------------------------------


def number(value: float) -> Num:
    """A number, as a fraction if it is a simple one."""
    value = float(value)
    if value != value or value in (float("inf"), float("-inf")):
        return Num(value)
    simple = Fraction(value).limit_denominator(4096)
    plain = float(simple) == value and (simple.denominator == 1 or abs(simple.numerator) <= 4096)
    return Num(simple if plain else value)


ZERO, ONE = Num(Fraction(0)), Num(Fraction(1))


def _times(a: Fraction | float, b: Fraction | float) -> Fraction | float:
    return a * b if isinstance(a, Fraction) and isinstance(b, Fraction) else float(a) * float(b)


def mul(*parts: Expr) -> Expr:
    """The product: numbers gathered, equal bases united, in the order in which they are met."""
    coefficient: Fraction | float = Fraction(1)
    found: dict[Key, tuple[Expr, Fraction]] = {}
    waiting = list(reversed([(p, Fraction(1)) for p in parts]))
    while waiting:
        part, exponent = waiting.pop()
        if isinstance(part, Num) and (exponent == 1 or part.value == 1):
            product = _times(coefficient, part.value)
            if coefficient and part.value and (product == 0 or abs(product) == math.inf):
                found[("apart", len(found))] = (part, Fraction(1))  # the product has no floating-point number
            else:
                coefficient = product
        elif isinstance(part, Num) and exponent.denominator == 1 and part.value != 0:
            coefficient = _times(coefficient, part.value ** int(exponent))
        elif isinstance(part, Prod) and _splits(part, exponent):
            waiting += reversed([(b, e * exponent) for b, e in part.factors])
            if part.coefficient != 1:
                waiting.append((Num(part.coefficient ** int(exponent)), Fraction(1)))
        else:
            base, before = found.get(part.key, (part, Fraction(0)))
            found[part.key] = (base, before + exponent)
    coefficient, found = _cancelled(coefficient, found)
    factors = tuple((b, e) for b, e in found.values() if e != 0)
    if coefficient == 0:
        return ZERO
    if not factors:
        return Num(coefficient)
    if coefficient == 1 and len(factors) == 1 and factors[0][1] == 1:
        return factors[0][0]
    return Prod(coefficient, factors)


def _cancelled(
    coefficient: Fraction | float, found: dict[Key, tuple[Expr, Fraction]]
) -> tuple[Fraction | float, dict[Key, tuple[Expr, Fraction]]]:
    """8 / N is 1 where N is 8."""
    for key, (base, exponent) in found.items():
        n = base.symbol.count if isinstance(base, Ref) else 0
        while n > 1 and exponent < 0 and isinstance(coefficient, Fraction) and coefficient % n == 0 and coefficient:
            coefficient, exponent = coefficient / n, exponent + 1
            found[key] = (base, exponent)
    return coefficient, found


def power(base: Expr, exponent: Fraction) -> Expr:
    """The base to a rational exponent. Roots of squares stay as they are: they are absolute values."""
    if exponent == 1:
        return base
    if isinstance(base, Prod) and exponent.denominator == 1 and _splits(base, exponent):
        return mul(*(Prod(Fraction(1), ((b, e * exponent),)) for b, e in base.factors), _power_of(base, exponent))
    if isinstance(base, Num):
        return _power_of(Prod(base.value, ()), exponent)
    if exponent == 0:
        return ONE
    return Prod(Fraction(1), ((base, exponent),))


def _splits(base: Prod, exponent: Fraction) -> bool:
    """Whether the power of a product is the product of powers: not for roots, nor where that is no finite number."""
    if base.coefficient == 1:
        return True
    if exponent.denominator != 1:
        return False
    try:
        c = float(base.coefficient) ** int(exponent)
    except (OverflowError, ZeroDivisionError):
        return False
    return math.isfinite(c) and c != 0.0


def _power_of(base: Prod, exponent: Fraction) -> Num:
    c = base.coefficient
    if exponent.denominator == 1 and c != 0:
        return Num(c ** int(exponent))
    return number(float(c) ** float(exponent)) if c else Num(float("inf") if exponent < 0 else Fraction(0))


def add(*terms: Expr) -> Expr:
    """The sum: terms that are the same up to a coefficient united, zeros left out."""
    found: dict[Key, tuple[Fraction | float, Expr]] = {}
    waiting = list(reversed(terms))
    while waiting:
        term = waiting.pop()
        if isinstance(term, Add):
            waiting += reversed(term.terms)
            continue
        c: Fraction | float = Fraction(1)
        rest = term
        if isinstance(term, Num):
            c, rest = term.value, ONE
        elif isinstance(term, Prod):
            c, rest = term.coefficient, mul(*(Prod(Fraction(1), (f,)) for f in term.factors))
        before, first = found.get(rest.key, (Fraction(0), rest))
        both = isinstance(before, Fraction) and isinstance(c, Fraction)
        found[rest.key] = (before + c if both else float(before) + float(c), first)
    left = tuple(mul(Num(c), rest) for c, rest in found.values() if c != 0)
    if not left:
        return ZERO
    return left[0] if len(left) == 1 else Add(left)


def total(over: tuple[Index, ...], body: Expr) -> Expr:
    """The sum over indices; what does not depend on them goes before the sum, absent ones become a factor."""
    absent = [i for i in over if i not in body.free]
    present = tuple(i for i in over if i in body.free)
    repeats = number(1.0)
    for i in absent:
        repeats = Num(_times(repeats.value, Fraction(i.length)))
    if not present:
        return mul(repeats, body)
    if isinstance(body, Sum):
        return mul(repeats, total(present + body.over, body.body)) if body.over else body
    if isinstance(body, Prod):
        outside = [f for f in body.factors if not f[0].free & set(present)]
        inside = [f for f in body.factors if f[0].free & set(present)]
        if outside or body.coefficient != 1:
            kept = mul(*(Prod(Fraction(1), (f,)) for f in inside))
            before = mul(Num(body.coefficient), *(Prod(Fraction(1), (f,)) for f in outside))
            return mul(repeats, before, total(present, kept))
    return mul(repeats, Sum(present, body))


def instantiate(body: Expr, own: Indices, at: Indices, on_ref: Callable[[Ref], Expr] | None = None) -> Expr:
    """The element of `body` (over the indices `own`) at the indices `at`; its bound indices become fresh ones."""
    place = {i: j for i, j in zip(own, at, strict=True) if i is not None}
    return body.map(on_ref or (lambda ref: ref), lambda i: place.get(i, i))
