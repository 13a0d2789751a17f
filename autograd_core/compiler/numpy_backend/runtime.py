"""What generated code calls besides NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["arena", "layout", "only", "owned"]

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
    """The result of a function that has one, also if it came in a list."""
    return out[0] if isinstance(out, list | tuple) else out


def owned(array: Any, *others: Any) -> Any:
    """An array in memory of its own, copied if it is a view or one of the others."""
    array = np.asarray(array)
    return array.copy() if array.base is not None or any(array is other for other in others) else array
