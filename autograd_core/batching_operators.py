"""Into and out of a batch that is recorded: a Jacobian within a Jacobian, as operators with rules.

In a recorded backward pass of many cotangents at once the cotangents are batches and what the tape keeps is not. Where
a kept tensor meets a batch it *enters*: its value stays the same for all members, and cotangents that come back from
them are summed. So everything in between deals with single members, and everything before with their sum.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .batching import Batched, CannotBatchError, summed
from .operator import op

__all__ = ["batched", "entering", "leaving", "level_at", "lowest_level", "recorded_before", "unbatched"]

_TOP = 2**62


def level_at(number: int) -> int:
    """The level of a batch that begins at this recording number: the earlier (the inner), the higher."""
    return _TOP - number


def recorded_before(level: int) -> int:
    """The recording number at which a batch of this level began."""
    return _TOP - level


def lowest_level(x: Any) -> tuple[int, int] | None:
    """Level and size of the innermost batch that a tensor holds: that of the pass at hand."""
    found = None
    array = x._buffer
    while isinstance(array, Batched):
        found = array.level, len(array.every)
        array = array.every
    return found


@op("composite", symbol="=", latex="{a}", derivative={"a": "1"}, operands=("a",), linear="jointly")
def entering(a: Any, level: int, count: int) -> Any:
    """The same value for all members of a batch; its gradient is the sum of theirs."""
    return a


@op("composite", symbol="Σ", latex="{a}", derivative={"a": "1"}, operands=("a",), linear="jointly")
def leaving(a: Any, level: int, count: int) -> Any:
    """The sum over the members of a batch."""
    return summed(a, level, count)


@op("composite", symbol="[ ]", latex="{a}", derivative={"a": "1"}, operands=("a",), linear="jointly")
def unbatched(a: Any, level: int, count: int) -> Any:
    """A batch as one array, its members along a first axis."""
    if isinstance(a, Batched) and a.level == level:
        return a.every
    if isinstance(a, Batched) and a.level > level:
        raise CannotBatchError("the batch of another computation is in the way")
    return np.broadcast_to(a, (count, *a.shape))


@op("composite", symbol="[ ]", latex="{a}", derivative={"a": "1"}, operands=("a",), linear="jointly")
def batched(a: Any, level: int, count: int) -> Any:
    """An array as a batch of what lies along its first axis."""
    return Batched(a, level)


entering.vjp(a=lambda g, level, count: leaving(g, level=level, count=count))
leaving.vjp(a=lambda g, level, count: entering(g, level=level, count=count))
unbatched.vjp(a=lambda g, level, count: batched(g, level=level, count=count))
batched.vjp(a=lambda g, level, count: unbatched(g, level=level, count=count))
