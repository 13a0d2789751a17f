"""Loops over blocks: calls on large arrays that can run together, a few rows at a time, while those are in the cache.

A loop runs over the leading axis. Its members are elementwise calls and reductions; results that only members need
never exist as a whole, and sums over the leading axis are added up block by block. Blocks are independent: two threads
share them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..program import Call, Value
from .writes import PLAIN, Order, elementwise, holds

__all__ = ["Loop", "grouped"]

_BLOCK_BYTES = 1 << 18  # of the largest array of a block: several of them are to fit in the second-level cache
_LARGE = 1 << 16  # elements from which a loop is considered
_THREADED = 1 << 20  # elements, over all members, from which a second thread gains more than waking it costs
_WINDOW = 64  # calls that are looked at for further members
_PARTIAL = frozenset((np.add, np.maximum, np.minimum))  # reductions that can be made in parts


@dataclass(eq=False)
class Loop:
    """Calls that run block by block.

    Attributes:
        length: of the leading axis.
        calls: in their order.
        partial: results of reductions over the leading axis, which are there after the loop.
    """

    length: int
    calls: list[Call] = field(default_factory=list)
    partial: set[Value] = field(default_factory=set)

    @property
    def step(self) -> int:
        """Rows in a block."""
        largest = max(v.size * int(v.dtype.itemsize) for c in self.calls for v in (*c.results, *c.operands()))
        return max(1, min(self.length, _BLOCK_BYTES * self.length // largest))

    @property
    def threaded(self) -> bool:
        """Whether two threads share the blocks."""
        elements = sum(max(v.size for v in (*c.results, *c.operands())) for c in self.calls)
        return elements >= _THREADED and self.step < self.length

    def operands(self) -> list[Value]:
        """What is read, members' results included."""
        return [v for call in self.calls for v in call.operands()]

    @property
    def results(self) -> list[Value]:
        """What is made, temporaries included."""
        return [v for call in self.calls for v in call.results]


def grouped(order: Order) -> list[Call | Loop]:
    """The calls with those that fit together in loops.

    Calls move within a window only: small ones that do not depend on the loop before it, everything that depends on its
    sums behind it. Nothing moves past a call that may fail or draws numbers.
    """
    calls = order.calls
    held = holds(calls)
    done = [False] * len(calls)
    items: list[Call | Loop] = []
    for i, call in enumerate(calls):
        if done[i]:
            continue
        length = _leading(call)
        if length is None or max(v.size for v in (*call.results, *call.operands())) < _LARGE:
            items.append(call)
            continue
        loop, before, members = _collect(calls, i, done, length, order, held)
        for j in (*before, *members):
            done[j] = True
        items += [calls[j] for j in before]
        if len(loop.calls) > 1 or loop.threaded:
            items.append(loop)
        else:
            items += loop.calls
    return items


def _leading(call: Call) -> int | None:
    """The length of the axis along which the call can be cut into blocks."""
    if elementwise(call) or call.kind == "cast":
        shape = call.result.shape
    elif call.kind == "reduce":
        shape = call.args[0].shape
        if 0 in call.keywords["axis"]:
            whole = call.result.dtype == call.args[0].dtype and call.result.dtype.kind == "f"
            if call.function not in _PARTIAL or not whole:
                return None
    else:
        return None
    return shape[0] if shape and shape[0] > 1 and 0 not in shape else None


def is_blocked(value: Value, call: Call) -> bool:
    """Whether a member reads a block of the operand, and not the whole."""
    shape = call.args[0].shape if call.kind == "reduce" else call.result.shape
    return len(value.shape) == len(shape) and value.shape[0] == shape[0]


def _collect(
    calls: list[Call], first: int, done: list[bool], length: int, order: Order, held: dict[Value, tuple[Value, ...]]
) -> tuple[Loop, list[int], list[int]]:
    """The loop that starts with a call, and the numbers of the calls that go before it and into it."""
    loop = Loop(length)
    before: list[int] = []
    members: list[int] = []
    inside: set[Value] = set()  # results of members of which there are blocks
    later: set[Value] = set()  # what is not there before the end of the loop
    waiting: set[Value] = set()  # roots that calls behind the loop read
    whole: set[Value] = set()  # roots that members read otherwise than block by block
    written: set[Value] = set()  # inputs that members write
    for j in range(first, min(first + _WINDOW, len(calls))):
        if done[j]:
            continue
        call = calls[j]
        operands = list(call.operands())
        roots = {r for v in operands for r in held.get(v, (v,))}
        if call.kind in ("draw", "check") or (call.kind == "call" and call.function not in PLAIN):
            break
        place = order.in_place.get(call.results[0]) if call.results else None
        joins = _leading(call) == length and not (later & roots)
        if joins:
            odd = {r for v in operands if not is_blocked(v, call) or v in held for r in held.get(v, (v,))}
            # Members see each other's results, and inputs that one of them writes, block by block only.
            joins = not (odd & inside) and not (odd & written)
            joins = joins and (place is None or (place not in waiting and place not in whole | odd))
        if joins:
            loop.calls.append(call)
            members.append(j)
            whole |= odd
            if call.kind == "reduce" and 0 in call.keywords["axis"]:
                loop.partial.add(call.result)
                later.add(call.result)
            else:
                inside.add(call.result)
            if place is not None:
                written.add(place)
        elif roots & inside or roots & later or place is not None or roots & written:
            later.update(call.results)
            waiting |= roots
        elif call.kind == "view" or all(v.size < _LARGE for v in (*operands, *call.results)):
            before.append(j)
        else:
            break
    return loop, before, members


def temporaries(loop: Loop, whole: set[Value]) -> tuple[dict[Value, int], list[tuple[tuple[int, ...], Any]]]:
    """Slots of a block's temporaries: of those results that need not exist as a whole.

    Returns:
        By result its slot, and for each slot the shape of a row and the dtype.
    """
    last = {v: k for k, call in enumerate(loop.calls) for v in call.operands()}
    slots: dict[Value, int] = {}
    kinds: list[tuple[tuple[int, ...], Any]] = []
    free: dict[Any, list[int]] = {}
    for k, call in enumerate(loop.calls):
        result = call.result
        dying = {v for v in call.operands() if v in slots and last[v] == k}
        # An elementwise call may write over an operand that nobody reads any more.
        if call.kind != "ufunc":
            ahead: set[Value] = set()
        else:
            ahead = {v for v in dying if v.shape == result.shape and v.dtype == result.dtype}
        for v in ahead:
            free.setdefault((v.shape[1:], v.dtype), []).append(slots[v])
        if result not in whole and result not in loop.partial:
            key = (result.shape[1:], result.dtype)
            if free.get(key):
                slots[result] = free[key].pop()
            else:
                slots[result] = len(kinds)
                kinds.append(key)
            if result not in last:
                dying.add(result)
        for v in dying - ahead:
            free.setdefault((v.shape[1:], v.dtype), []).append(slots[v])
    return slots, kinds
