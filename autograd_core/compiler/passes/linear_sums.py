"""Sums that need not wait: the sum of a * c + b * d, where c and d are constant along it, is sum(a) * c + sum(b) * d.

A fused loop nest passes over its arrays once for each sum that depends on an earlier one. In the backward pass of a
normalization the last such sum is linear in arrays that are there from the start, so that its parts can be summed in an
earlier pass: that saves one of four passes over memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..program import Call, Program, Value, reshape
from .rewriting import Rewriter, is_number, reduced_shape, rewrite

__all__ = ["linear_sums"]

_LEAST_SHARE = 16  # elements that a sum adds up, at least: below it there is nothing to save
_MOST_LEAVES = 3


def linear_sums(program: Program) -> Program:
    """Takes sums apart where all parts depend on fewer sums than the whole does.

    Where values overflow, the parts may overflow when the whole does not, and the other way round.
    """
    return rewrite(program, _Walk().step)


@dataclass
class _Part:
    """A sum, taken apart.

    Attributes:
        depth: how many sums, one after the other, it takes.
        leaves: how many large arrays are summed.
        kind: "sum" of an array, a part that is "scaled" by a factor, or "both" of two parts.
        value: the array that is summed; the factor.
        axes: that are summed.
        function: how the factor, or the second part, is applied.
        parts: what it is made of.
    """

    depth: int
    leaves: int
    kind: str
    value: Value | float | int | None = None
    axes: tuple[int, ...] = ()
    function: np.ufunc | None = None
    parts: tuple[_Part, ...] = ()


class _Walk:
    """One walk over a program, which knows the sums that there are and how deep each value lies."""

    def __init__(self) -> None:
        self.depth: dict[Value, int] = {}
        self.sums: dict[tuple[Value, tuple[int, ...]], Value] = {}
        self.seen = 0

    def step(self, rewriter: Rewriter, call: Call) -> bool:
        """Emits the parts in place of a sum that is worth it."""
        self._catch_up(rewriter)
        if call.kind != "reduce" or call.function is not np.add or "initial" in call.keywords:
            return False
        whole, result, axes = call.args[0], call.result, call.keywords["axis"]
        if whole.dtype.char not in "fd" or result.dtype != whole.dtype or whole.size < _LEAST_SHARE * result.size:
            return False
        part = self._apart(rewriter, whole, axes, 4)
        if part.kind == "sum" or part.depth > self.depth.get(whole, 0) or part.leaves > _MOST_LEAVES:
            return False
        total = self._emit(rewriter, part)
        rewriter.view(reshape, total, result.shape, result)
        return True

    def _catch_up(self, rewriter: Rewriter) -> None:
        for call in rewriter.calls[self.seen :]:
            depth = max((self.depth.get(v, 0) for v in call.operands()), default=0)
            if call.kind in ("reduce", "call"):
                depth += 1
            for value in call.results:
                self.depth[value] = depth
            if call.kind == "reduce" and call.function is np.add and "initial" not in call.keywords:
                self.sums.setdefault((call.args[0], call.keywords["axis"]), call.result)
        self.seen = len(rewriter.calls)

    def _apart(self, rewriter: Rewriter, value: Value, axes: tuple[int, ...], levels: int) -> _Part:
        whole = _Part(self.depth.get(value, 0) + 1, 1, "sum", value, axes)
        made = rewriter.maker(value, "ufunc", np.add, np.subtract, np.multiply, np.divide)
        if made is None or not levels:
            return whole
        a, b = made.args
        if made.function in (np.add, np.subtract):
            if not all(isinstance(x, Value) and (x.shape, x.dtype) == (value.shape, value.dtype) for x in (a, b)):
                return whole
            parts = tuple(self._apart(rewriter, x, axes, levels - 1) for x in (a, b))
            return _Part(
                max(p.depth for p in parts), sum(p.leaves for p in parts), "both", function=made.function, parts=parts
            )
        for x, factor in ((a, b), (b, a)) if made.function is np.multiply else ((a, b),):
            if not isinstance(x, Value) or (x.shape, x.dtype) != (value.shape, value.dtype):
                continue
            if not _is_constant_along(factor, value, axes):
                continue
            inner = self._apart(rewriter, x, axes, levels - 1)
            depth = max(inner.depth, self.depth.get(factor, 0) if isinstance(factor, Value) else 0)
            return _Part(depth, inner.leaves, "scaled", factor, function=made.function, parts=(inner,))
        return whole

    def _emit(self, rewriter: Rewriter, part: _Part) -> Value:
        """The value of a part; summed axes stay, with length 1."""
        if part.kind == "sum":
            value, axes = part.value, part.axes
            assert isinstance(value, Value)
            shape = reduced_shape(value.shape, axes, True)
            known = self.sums.get((value, axes))
            if known is None:
                self.sums[value, axes] = known = rewriter.reduce(np.add, value, axes, True)
            return known if known.shape == shape else rewriter.view(reshape, known, shape, Value(shape, value.dtype))
        first = self._emit(rewriter, part.parts[0])
        second = part.value if part.kind == "scaled" else self._emit(rewriter, part.parts[1])
        assert part.function is not None
        return rewriter.ufunc(part.function, first, second)


def _is_constant_along(factor: object, value: Value, axes: tuple[int, ...]) -> bool:
    """Whether the factor of an array does not vary along the axes."""
    if is_number(factor):
        return True
    if not isinstance(factor, Value) or factor.dtype != value.dtype or len(factor.shape) > len(value.shape):
        return False
    shape = (1,) * (len(value.shape) - len(factor.shape)) + factor.shape
    return all(shape[i] == 1 for i in axes)
