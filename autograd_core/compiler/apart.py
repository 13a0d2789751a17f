"""Whether what a program writes in place has memory of its own that can be written to."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import Any

import numpy as np

from ..errors import TraceError, where

__all__ = ["Apart"]


class Apart:
    """The check that no input of a program shares memory with another one that it writes to.

    A function would see such a write in both; a program reads its inputs when it needs them.
    """

    def __init__(self, written: list[int]) -> None:
        self.written = frozenset(written)
        self._known: list[Any] = []  # the arrays of Tensors at the last check: mostly the same ones
        self._spans: list[tuple[int, int, int]] = []
        self._ends: list[
            int
        ] = []  # of the spans so far, the furthest: a span may hold later ones (every other element)

    def check(self, arrays: list[Any], kinds: list[str]) -> None:
        """Raises TraceError if what is written to is read-only, or shares memory with another of the arrays."""
        if not self.written:
            return
        known = self._known if len(self._known) == len(arrays) else [None] * len(arrays)
        same = all(arrays[i] is known[i] for i in self.written)
        if not same:
            self._refuse_read_only(arrays)
            self._spans = sorted((*np.lib.array_utils.byte_bounds(arrays[i]), i) for i in self.written)
            self._ends = list(accumulate((end for _, end, _ in self._spans), max))
        for i, array in enumerate(arrays):
            if (same and array is known[i]) or not array.size:
                continue
            low, high = np.lib.array_utils.byte_bounds(array)
            for start, end, j in self._spans[bisect_right(self._ends, low) :]:
                if start >= high:
                    break
                if j != i and end > low and arrays[j].size and np.may_share_memory(array, arrays[j]):
                    if not _share(array, arrays[j]):
                        continue
                    raise TraceError(
                        f"compile: what a compiled function writes to must not share memory with what else it uses, "
                        f"got two Tensors or arrays of shapes {array.shape} and {arrays[j].shape} that do; give it a "
                        f"copy of one of them. {where('compile')}"
                    )
        self._known = [a if kind == "captured" else None for a, kind in zip(arrays, kinds, strict=True)]

    def _refuse_read_only(self, arrays: list[Any]) -> None:
        # Compiled loops do not ask: they would write into memory that is not theirs, or end the process.
        for i in sorted(self.written):
            if not arrays[i].flags.writeable:
                raise TraceError(
                    f"compile: what a compiled function writes in place must be writable, got a read-only array of "
                    f"shape {arrays[i].shape}; give it a copy: t.data = t.data.copy(). {where('compile')}"
                )


def _share(a: Any, b: Any) -> bool:
    try:
        return bool(np.shares_memory(a, b, max_work=10000))  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True
