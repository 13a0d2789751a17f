"""Mini-batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from autograd_core import random
from autograd_core.errors import ArgumentError, ShapeError, where

__all__ = ["Batches", "batches"]


class Batches:
    """Mini-batches of arrays; every iteration is one epoch, newly shuffled. See `batches`."""

    def __init__(self, arrays: tuple[Any, ...], single: bool, batch_size: int, shuffle: bool, drop_last: bool) -> None:
        self._arrays, self._single = arrays, single
        self.batch_size, self.shuffle, self.drop_last = batch_size, shuffle, drop_last

    def __len__(self) -> int:
        """How many batches an epoch has."""
        samples, size = len(self._arrays[0]), self.batch_size
        return samples // size if self.drop_last else -(-samples // size)

    def __iter__(self) -> Iterator[Any]:
        order = random.permutation(len(self._arrays[0])) if self.shuffle else None
        for i in range(len(self)):
            chosen: Any = slice(i * self.batch_size, (i + 1) * self.batch_size)
            chosen = chosen if order is None else order[chosen]
            parts = tuple(array[chosen] for array in self._arrays)
            yield parts[0] if self._single else parts


def batches(arrays: Any, batch_size: int, shuffle: bool = True, *, drop_last: bool = False) -> Batches:
    """Mini-batches along the first axis, in an order drawn from `autograd_core.random`.

    Args:
        arrays: a sequence of arrays of one length, which gives tuples, or a single array.
        batch_size: samples per batch; the last batch of an epoch may be smaller.
        shuffle: a new random order in every epoch.
        drop_last: leave out a last batch that is smaller.

    Raises:
        ArgumentError: `batch_size` is not a positive integer, or there is no array.
        ShapeError: the arrays differ in length.
    """
    single = not isinstance(arrays, Sequence)
    parts = (arrays,) if single else tuple(a if hasattr(a, "shape") else np.asarray(a) for a in arrays)
    if not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise ArgumentError(
            f"batches: batch_size must be a positive integer, got {batch_size!r}; e.g. 32. {where('batches')}"
        )
    if not parts:
        raise ArgumentError(
            f"batches: there must be at least one array, got an empty sequence; e.g. "
            f"batches((x, y), 32). {where('batches')}"
        )
    if any(not a.shape or len(a) != len(parts[0]) for a in parts):
        raise ShapeError(
            f"batches: all arrays must have the same length along the first axis, got shapes "
            f"{', '.join(str(a.shape) for a in parts)}; they must hold the same samples. "
            f"{where('batches')}"
        )
    return Batches(parts, single, int(batch_size), shuffle, drop_last)
