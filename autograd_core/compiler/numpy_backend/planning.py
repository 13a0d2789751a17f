"""Which value lives where: buffers by lifetime, in place where an operand dies, views that exist before the run."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..program import Call, Program, Value, reshape
from .loops import Loop, grouped, temporaries
from .runtime import layout
from .writes import Order, arrange, elementwise, holds

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
        items: the calls, those that run block by block in loops.
        places: results that are written into the arena.
        fixed: Values that exist before the run (in the arena, constants, and views of either).
        copies: reshapes that must move elements: their result is in the arena.
        parts: for a reduction that a loop makes in parts, where they are: one row a block.
        slots, kinds: by loop, the slot of each block's temporary, and the rows of the slots.
        size: bytes of the arena; `separate` is what it would be without sharing.
        scratch: bytes of the temporaries of one thread's block.
        deaths: by index of an item, the Values that are not needed after it.
    """

    program: Program
    order: Order
    items: list[Call | Loop]
    places: dict[Value, Place] = field(default_factory=dict)
    fixed: set[Value] = field(default_factory=set)
    copies: set[Value] = field(default_factory=set)
    parts: dict[Value, Place] = field(default_factory=dict)
    slots: dict[Loop, dict[Value, int]] = field(default_factory=dict)
    kinds: dict[Loop, list[tuple[tuple[int, ...], Any, int]]] = field(default_factory=dict)
    size: int = 0
    separate: int = 0
    scratch: int = 0
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
    items = grouped(order)
    out = Plan(program, order, items)
    held = holds(order.calls)
    last, whole = _lifetimes(program, order, items, held)
    for value, i in last.items():
        out.deaths.setdefault(i, []).append(value)
    kept = set(program.outputs)
    free = _Free()
    sizes: dict[Value, tuple[int, int]] = {}  # of roots in the arena: offset and size of the buffer
    # Arrays of the right strides over memory that is never touched tell which reshapes move elements.
    largest = max((_bytes(v) for c in order.calls for v in c.results), default=0)
    nowhere = np.empty(largest + 64, np.uint8)
    models: dict[Value, Any] = {v: a for v, a in program.constants.items() if v.shape}
    out.fixed.update(models)

    def place(result: Value, axes: tuple[int, ...] | None = None, victim: Value | None = None) -> None:
        if victim is not None:
            sizes[result] = sizes[victim]
        else:
            sizes[result] = free.take(_bytes(result))
        out.separate += _bytes(result)
        out.places[result] = Place(sizes[result][0], axes)
        out.fixed.add(result)
        models[result] = layout(nowhere, 0, result.shape, result.dtype, axes)

    for i, item in enumerate(items):
        given_up: set[Value] = set()
        if isinstance(item, Loop):
            parts = []
            for value in item.partial:
                rows = -(-item.length // item.step)
                parts.append(free.take(-(-rows * value.size * int(value.dtype.itemsize) // 64) * 64))
                out.parts[value] = Place(parts[-1][0])
            _temporaries(item, whole, out)
            for value in item.results:
                if value not in out.slots[item] and value.shape and value not in kept and value not in order.in_place:
                    place(value)
            for part in parts:
                free.give(*part)
        elif item.kind == "view":
            _view(item, out, models, free, sizes, nowhere)
        elif len(item.results) == 1:
            result = item.results[0]
            if result.shape and result not in kept and result not in order.in_place and writes_out(item):
                axes = _axes_order(item, models)
                victim = _dying(item, i, last, held, sizes, models, out, axes) if elementwise(item) else None
                given_up.update(() if victim is None else (victim,))
                place(result, axes, victim)
        for value in out.deaths.get(i, ()):
            if value in sizes and value not in given_up:
                free.give(*sizes[value])
            models.pop(value, None)
    out.size = free.end
    return out


def _lifetimes(
    program: Program, order: Order, items: list[Call | Loop], held: dict[Value, tuple[Value, ...]]
) -> tuple[dict[Value, int], set[Value]]:
    """By Value the last item that needs it; and the results of loops that must exist as a whole."""
    last: dict[Value, int] = {}
    made: dict[Value, int] = {}
    whole = set(program.outputs) | set(order.in_place)
    for i, item in enumerate(items):
        for value in item.results:
            last[value] = made[value] = i
        for value in item.operands():
            if made.get(value, i) != i:
                whole.add(value)
            for root in (*held.get(value, ()), value):
                last[root] = i
    for _, value in order.copied:
        whole.add(value)
        for root in (*held.get(value, ()), value):
            last[root] = len(items)
    return last, whole


def _temporaries(loop: Loop, whole: set[Value], out: Plan) -> None:
    """Lays out what a block needs besides its rows of whole arrays."""
    slots, kinds = temporaries(loop, whole)
    out.slots[loop] = slots
    offset = 0
    laid = []
    for row, dtype in kinds:
        laid.append(((loop.step, *row), dtype, offset))
        offset += _bytes(Value((loop.step, *row), dtype)) + _STAGGER
    out.kinds[loop] = laid
    out.scratch = max(out.scratch, offset)
    out.separate += sum(map(_bytes, slots))


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
    if not (elementwise(call) or call.kind == "cast") or rank < 2:
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
