"""Functions of whole arrays within expressions, and what an expression is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from autograd_core.deriving.terms import Add, Call, Expr, Index, Indices, Key, Prod, Sum, renewed, spelled

__all__ = ["Array", "Whole", "has_whole", "is_pointwise", "parts"]


class Whole(Expr):
    """An element of the result of a function of whole arrays, such as `max` over an axis or `concatenate`.

    Attributes:
        arguments: as the function takes them, with `Array` in the place of arrays.
        indices: which element of the result.
    """

    __slots__ = ("args", "function", "indices", "keywords", "operands")

    def __init__(
        self, function: Any, args: Any, keywords: dict[str, Any], operands: tuple[Array, ...], indices: Indices
    ) -> None:
        inside = frozenset().union(*(o.body.free - {i for i in o.indices if i} for o in operands))
        super().__init__(inside | {i for i in indices if i is not None}, 2 + sum(o.body.size for o in operands))
        self.function = function
        self.args = args
        self.keywords = keywords
        self.operands = operands
        self.indices = indices

    def _spell(self, bound: Mapping[Index, int]) -> Key:
        parts = [o._spell(bound) for o in self.operands]
        where = [spelled(i, bound) for i in self.indices]
        return ("whole", self.function, repr(self.args), repr(self.keywords), *parts, *where)

    def map(self, on_ref: Any, on_index: Any) -> Expr:
        """See `Expr.map`."""
        operands = tuple(o.map(on_ref, on_index) for o in self.operands)
        indices = tuple(None if i is None else on_index(i) for i in self.indices)
        return Whole(self.function, self.args, self.keywords, operands, indices)


class Array:
    """A whole array, as the values of an expression over its own indices; numbered among a `Whole`'s operands."""

    __slots__ = ("body", "indices", "number", "shape")

    def __init__(self, number: int, body: Expr, indices: Indices, shape: tuple[int, ...]) -> None:
        self.number = number
        self.body = body
        self.indices = indices
        self.shape = shape

    def _spell(self, bound: Mapping[Index, int]) -> Key:
        own = {i: len(bound) + n for n, i in enumerate(self.indices) if i is not None}
        return self.body._spell({**bound, **own})

    def map(self, on_ref: Any, on_index: Any) -> Array:
        """See `Expr.map`."""
        fresh, within = renewed([i for i in self.indices if i is not None], on_index)
        indices = tuple(None if i is None else fresh[i] for i in self.indices)
        return Array(self.number, self.body.map(on_ref, within), indices, self.shape)

    def __repr__(self) -> str:
        return f"<operand {self.number}>"


def is_pointwise(expr: Expr) -> bool:
    """Whether an element depends on single elements only: no sum in it, no function of whole arrays."""
    return not any(isinstance(item, Sum | Whole) for item in parts(expr))


def has_whole(expr: Expr) -> bool:
    """Whether a function of whole arrays occurs in it."""
    return any(isinstance(item, Whole) for item in parts(expr))


def parts(expr: Expr) -> Iterator[Expr]:
    """The expression and all that it is made of, down to functions of whole arrays."""
    waiting = [expr]
    while waiting:
        item = waiting.pop()
        yield item
        if isinstance(item, Add):
            waiting += item.terms
        elif isinstance(item, Prod):
            waiting += [b for b, _ in item.factors]
        elif isinstance(item, Call):
            waiting += item.args
        elif isinstance(item, Sum):
            waiting.append(item.body)
