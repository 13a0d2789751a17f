"""Which arrays may share memory with what a run overwrites."""

from __future__ import annotations

from ..program import Program, Value

__all__ = ["Memory", "size_in_bytes"]


class Memory:
    """Which of the arrays that a run overwrites the memory of a value may be.

    Attributes:
        places: the inputs that have a new value at the end and may be overwritten by the unit that makes it.
    """

    def __init__(self, program: Program) -> None:
        # An array of one element is never overwritten by a kernel.
        self.places = {place: value for place, value in program.updates if place.size > 1}
        self._of: dict[Value, frozenset[Value]] = {place: frozenset([place]) for place in self.places}
        for call in program.calls:
            if call.kind in ("view", "call"):  # what a call makes may be a view of what it is given
                shared = frozenset().union(*(self.of(v) for v in call.operands()))
                if shared:
                    self._of.update(dict.fromkeys(call.results, shared))

    def of(self, value: Value) -> frozenset[Value]:
        """The places that it may be in."""
        return self._of.get(value, frozenset())


def size_in_bytes(value: Value) -> int:
    """Of an array of its own."""
    return int(value.size * value.dtype.itemsize)
