"""Which value lives where: buffers by lifetime, in place where an operand dies, views that exist before the run."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..program import Call, Program, Value, reshape
from .runtime import layout
from .writes import Order, arrange, holds

__all__ = ["Place", "Plan", "plan"]

_STAGGER = 192  # bytes between buffers: arrays at equal distances of 4096 would contend for the same cache sets
_SLACK = 4  # a buffer up to this many times larger than needed is taken


@dataclass(frozen=True)
class Place:
    """A piece of the arena: at a byte, with axes from slow to fast."""

    offset: int
    order: tuple[int, ...] | None = None


@dataclass
class Plan:
    """What the writer of the code needs to know.

    Attributes:
        program, order: what is run.
        places: results that are written into the arena.
        fixed: Values that exist before the run (in the arena, constants, and views of either).
        copies: reshapes that must move elements: their result is in the arena.
        size: bytes of the arena; `separate` is what it would be without sharing.
        deaths: by index of a call, the Values that are not needed after it.
    """

    program: Program
    order: Order
    places: dict[Value, Place] = field(default_factory=dict)
    fixed: set[Value] = field(default_factory=set)
    copies: set[Value] = field(default_factory=set)
    size: int = 0
    separate: int = 0
    deaths: dict[int, list[Value]] = field(default_factory=dict)


def writes_out(call: Call) -> bool:
    """Whether the call can be told where to write its only result."""
    if call.kind in ("ufunc", "reduce", "cast"):
        return True
    if call.kind != "call" or call.keywords.keys() - {"axis"} or len(call.results) != 1:
        return False
    if call.function is np.concatenate:
        return all(isinstance(x, Value) and x.dtype == call.result.dtype for x in call.args[0])
    return call.function is np.matmul and len(call.args) == 2


class _Free:
    """Buffers that nobody uses, by size; the one used last first, since it is still in the cache."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.offsets: dict[int, list[int]] = {}
        self.end = 0

    def take(self, size: int) -> tuple[int, int]:
        """A buffer of at least `size` bytes: its offset and its size."""
        i = bisect.bisect_left(self.sizes, size)
        if i < len(self.sizes) and self.sizes[i] <= max(_SLACK * size, 4096):
            found = self.sizes[i]
            offset = self.offsets[found].pop()
            if not self.offsets[found]:
                del self.offsets[found], self.sizes[i]
            return offset, found
        offset, self.end = self.end, self.end + size + (_STAGGER if size >= 4096 else 0)
        return offset, size

    def give(self, offset: int, size: int) -> None:
        """Hands a buffer back."""
        if size not in self.offsets:
            bisect.insort(self.sizes, size)
            self.offsets[size] = []
        self.offsets[size].append(offset)


def plan(program: Program) -> Plan:
    """Assigns memory in one walk over the calls."""
    order = arrange(program)
    out = Plan(program, order)
    calls = order.calls
    held = holds(calls)
    last: dict[Value, int] = {}
    for i, call in enumerate(calls):
        for value in call.results:
            last[value] = i
        for value in call.operands():
            for root in (*held.get(value, ()), value):
                last[root] = i
    for _, value in order.copied:
        for root in (*held.get(value, ()), value):
            last[root] = len(calls)
    ends: dict[int, list[Value]] = {}
    for value, i in last.items():
        ends.setdefault(i, []).append(value)
    out.deaths = ends
    kept = set(program.outputs)
    free = _Free()
    sizes: dict[Value, tuple[int, int]] = {}  # of roots in the arena: offset and size of the buffer
    # Arrays of the right strides over memory that is never touched tell which reshapes move elements.
    largest = max((_bytes(v) for c in calls for v in c.results), default=0)
    nowhere = np.empty(largest + 64, np.uint8)
    models: dict[Value, Any] = {v: a for v, a in program.constants.items() if v.shape}
    out.fixed.update(models)
    for i, call in enumerate(calls):
        given_up: set[Value] = set()
        if call.kind == "view":
            _view(call, out, models, free, sizes, nowhere)
        elif len(call.results) == 1:
            result = call.results[0]
            if result.shape and result not in kept and result not in order.in_place and writes_out(call):
                axes = _axes_order(call, models)
                victim = _dying(call, i, last, held, sizes, models, out, axes) if call.kind == "ufunc" else None
                if victim is not None:
                    given_up.add(victim)
                    sizes[result] = sizes[victim]
                else:
                    sizes[result] = free.take(_bytes(result))
                    out.separate += _bytes(result)
                out.places[result] = Place(sizes[result][0], axes)
                out.fixed.add(result)
                models[result] = layout(nowhere, 0, result.shape, result.dtype, axes)
        for value in ends.get(i, ()):
            if value in sizes and value not in given_up:
                free.give(*sizes[value])
            models.pop(value, None)
    out.size = free.end
    return out


def _bytes(value: Value) -> int:
    """Rounded up to whole cache lines."""
    return -(-value.size * int(value.dtype.itemsize) // 64) * 64


def _view(
    call: Call, out: Plan, models: dict[Value, Any], free: _Free, sizes: dict[Value, tuple[int, int]], nowhere: Any
) -> None:
    a, argument = call.args
    result = call.result
    model = models.get(a)
    if model is None or not result.shape:
        return
    view = call.function(model, argument)
    if call.function is reshape and view.size and not np.may_share_memory(view, model):
        if result in out.program.outputs:
            return
        sizes[result] = free.take(_bytes(result))
        out.separate += _bytes(result)
        out.places[result] = Place(sizes[result][0])
        out.copies.add(result)
        view = layout(nowhere, 0, result.shape, result.dtype)
    models[result] = view
    out.fixed.add(result)


def _axes_order(call: Call, models: dict[Value, Any]) -> tuple[int, ...] | None:
    """The order of axes in memory that NumPy would choose: that of the operands."""
    result = call.result
    rank = len(result.shape)
    if call.kind not in ("ufunc", "cast") or rank < 2:
        return None
    for value in call.args:
        model = models.get(value) if isinstance(value, Value) else None
        if model is not None and model.shape == result.shape:
            strides = model.strides
            order = tuple(sorted(range(rank), key=lambda i: (-abs(strides[i]), i)))
            if order == tuple(range(rank)) or 0 in strides:
                return None
            return order
    return None


def _dying(
    call: Call,
    i: int,
    last: dict[Value, int],
    held: dict[Value, tuple[Value, ...]],
    sizes: dict[Value, tuple[int, int]],
    models: dict[Value, Any],
    out: Plan,
    axes: tuple[int, ...] | None,
) -> Value | None:
    """An operand in the arena whose memory the result may take: laid out as it is, and read by nothing after."""
    result = call.result
    for value in call.args:
        if not isinstance(value, Value) or value not in sizes or last[value] != i or value in out.copies:
            continue
        if (value.shape, value.dtype) != (result.shape, result.dtype) or out.places[value].order != axes:
            continue
        # A view of the operand would be read and written at once, in different places.
        if all(v is value or value not in held.get(v, ()) for v in call.operands()):
            return value
    return None
