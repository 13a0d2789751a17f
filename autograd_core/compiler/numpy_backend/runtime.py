"""What generated code calls besides NumPy."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import lru_cache
from typing import Any

import numpy as np

__all__ = ["arena", "blocks", "layout", "only", "owned"]

_ALIGNMENT = 64  # bytes: a cache line, and the widest vector


def arena(size: int) -> Any:
    """Memory for all buffers of a run, aligned."""
    block = np.empty(size + _ALIGNMENT, np.uint8)
    start = -block.ctypes.data % _ALIGNMENT
    return block[start : start + size]


def layout(
    memory: Any, offset: int, shape: tuple[int, ...], dtype: Any, order: tuple[int, ...] | None = None
) -> np.ndarray[Any, Any]:
    """An array in the arena; `order` says which of its axes vary slowest to fastest, if not in C order."""
    if order is None:
        return np.ndarray(shape, dtype, memory, offset)
    array = np.ndarray(tuple(shape[i] for i in order), dtype, memory, offset)
    return np.transpose(array, tuple(order.index(i) for i in range(len(order))))


def only(out: Any) -> Any:
    """The result of a function that has one, also if it came in a list; numbers out of the memory they stand in."""
    if isinstance(out, list | tuple):
        out = out[0]
    return out[()] if isinstance(out, np.ndarray) and not out.shape else out


def owned(array: Any, *others: Any) -> Any:
    """An array in memory of its own, copied if it is a view or one of the others."""
    array = np.asarray(array)
    return array.copy() if array.base is not None or any(array is other for other in others) else array


def blocks(
    function: Callable[..., None],
    length: int,
    step: int,
    temporaries: tuple[tuple[Any, ...], tuple[Any, ...]],
    threaded: bool,
    *arrays: Any,
) -> None:
    """Runs a loop: `function(start, stop, number, temporaries, *arrays)` for each block of rows.

    Args:
        function: the body; its blocks are independent of each other.
        length: rows in all.
        step: rows in a block.
        temporaries: a block's memory, for either thread.
        threaded: share the blocks with a second thread, if there is a second processor.
        arrays: what the body reads and writes besides.
    """
    work = deque((start, min(start + step, length), i) for i, start in enumerate(range(0, length, step)))
    if not threaded or len(work) < 2 or processors() < 2:
        for start, stop, i in work:
            function(start, stop, i, temporaries[0], *arrays)
        return

    def share(memory: tuple[Any, ...]) -> None:
        try:
            while True:
                start, stop, i = work.popleft()  # atomic
                function(start, stop, i, memory, *arrays)
        except IndexError:
            if work:
                raise
        except BaseException:
            work.clear()
            raise

    # In a copy of the context: np.errstate holds in the other thread too.
    helper = _pool().submit(copy_context().run, share, temporaries[1])
    try:
        share(temporaries[0])
    finally:
        # A helper that has not begun finds nothing left to do; one that has still works in our buffers.
        if not helper.cancel():
            error = helper.exception()
    if not helper.cancelled() and error is not None:
        raise error


@lru_cache(maxsize=1)
def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="compiled-blocks")
