"""Where the updates of a program are written: in place by the call that computes them, or copied at the end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...ops._parts import gated
from ..program import Call, Program, Value, reshape

__all__ = ["Order", "arrange", "elementwise", "holds"]

# Of the functions called as they are, those that cannot fail on operands of the right shapes and make new memory.
PLAIN: frozenset[Any] = frozenset((np.matmul, np.where, gated, np.concatenate, np.stack))


@dataclass
class Order:
    """The calls in the order of running, checks first.

    Attributes:
        calls: every call.
        in_place: for a Value that an update stores, the input in whose array its call writes it.
        copied: the updates (input, value) that are copied at the end.
    """

    calls: list[Call]
    in_place: dict[Value, Value]
    copied: list[tuple[Value, Value]]


def elementwise(call: Call) -> bool:
    """Whether each element of the result comes from one element of each operand; not so for matmul, also a ufunc."""
    return call.kind == "ufunc" and call.function.signature is None


def holds(calls: Iterable[Call]) -> dict[Value, tuple[Value, ...]]:
    """For results that may share memory with operands: the Values whose memory they may hold, inputs included."""
    held: dict[Value, tuple[Value, ...]] = {}
    for call in calls:
        if call.kind == "view":
            a = call.args[0]
            roots = held.get(a, (a,))
            # A reshape that must move elements has memory of its own.
            held[call.result] = (*roots, call.result) if call.function is reshape else roots
        elif call.kind in ("call", "draw") and call.function not in PLAIN:
            # Nothing is known of such a function: it may hand back an operand, or a view of it.
            roots = tuple(dict.fromkeys(r for v in call.operands() if v.shape for r in held.get(v, (v,))))
            for value in call.results:
                held[value] = (value, *roots) if value.shape else (value,)
    return held


def arrange(program: Program) -> Order:
    """Chooses which updates are written in place.

    The call that computes the new value writes it into the input's array if it is elementwise, nothing reads the old
    value after it, and nothing that can fail comes after it. If nothing else needs the new value, the call is moved
    behind what can fail.
    """
    calls = sorted(program.calls, key=lambda c: c.kind != "check")
    made = {call.result: i for i, call in enumerate(calls) if elementwise(call)}
    readers: dict[Value, int] = {}
    for call in calls:
        for value in call.operands():
            readers[value] = readers.get(value, 0) + 1
    outputs = set(program.outputs)
    wanted = [value for _, value in program.updates]
    wishes = {
        value: place
        for place, value in program.updates
        if value in made
        and value.shape
        and (value.shape, value.dtype) == (place.shape, place.dtype)
        and value not in outputs
        and wanted.count(value) == 1
    }
    fallible = max(
        (i for i, c in enumerate(calls) if c.kind in ("call", "draw") and c.function not in PLAIN), default=-1
    )
    last = {value for value in wishes if made[value] < fallible and not readers.get(value)}
    if last:
        moved = [calls[i] for i in sorted(made[value] for value in last)]
        behind = set(map(id, moved))
        calls = [call for call in calls if id(call) not in behind] + moved
        made = {call.result: i for i, call in enumerate(calls) if elementwise(call)}
        fallible -= len(moved)
    held = holds(calls)
    read: dict[Value, int] = {}  # by an input: the last call that reads it, or what may share its memory
    for i, call in enumerate(calls):
        for value in call.operands():
            for root in held.get(value, (value,)):
                read[root] = i
    for value in wanted:  # copied at the end, unless its own call writes it
        if value not in wishes:
            for root in held.get(value, (value,)):
                read[root] = len(calls)
    in_place: dict[Value, Value] = {}
    for value, place in wishes.items():
        i = made[value]
        exact = all(v is place or place not in held.get(v, (v,)) for v in calls[i].operands())
        if i > fallible and read.get(place, -1) <= i and exact:
            in_place[value] = place
    copied = [(place, value) for place, value in program.updates if value not in in_place and value is not place]
    return Order(calls, in_place, copied)
