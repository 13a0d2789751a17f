"""Mini-batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autograd_core import random

from .._checks import is_integer, require
from ._samples import samples

__all__ = ["Batches", "batches"]


class Batches:
    """Mini-batches of arrays; every iteration is one epoch, newly shuffled. See `batches`."""

    def __init__(
        self,
        arrays: tuple[Any, ...],
        single: bool,
        batch_size: int,
        shuffle: bool,
        drop_last: bool,
        seed: int | None = None,
    ) -> None:
        self._arrays, self._single = arrays, single
        self._generator = None if seed is None else random.fork(seed)
        self.batch_size, self.shuffle, self.drop_last = batch_size, shuffle, drop_last

    def __len__(self) -> int:
        """How many batches an epoch has."""
        samples, size = len(self._arrays[0]), self.batch_size
        return samples // size if self.drop_last else -(-samples // size)

    def __iter__(self) -> Iterator[Any]:
        order = None
        if self.shuffle:
            order = (self._generator or random.generator()).permutation(len(self._arrays[0]))
        for i in range(len(self)):
            chosen: Any = slice(i * self.batch_size, (i + 1) * self.batch_size)
            chosen = chosen if order is None else order[chosen]
            parts = tuple(array[chosen] for array in self._arrays)
            yield parts[0] if self._single else parts

    def state_dict(self) -> dict[str, Any]:
        """Where the orders of its own seed stand; empty without one. `optim.fit` keeps it in its checkpoints."""
        return {} if self._generator is None else dict(self._generator.bit_generator.state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on with the orders where `state_dict` stood."""
        if self._generator is not None:
            self._generator.bit_generator.state = state


def batches(
    arrays: Any, batch_size: int, shuffle: bool = True, *, drop_last: bool = False, seed: int | None = None
) -> Batches:
    """Mini-batches along the first axis; every iteration is one epoch.

    Args:
        arrays: a sequence of arrays of one length, which gives tuples, or a single array.
        batch_size: samples per batch; the last batch of an epoch may be smaller.
        shuffle: a new random order in every epoch.
        drop_last: leave out a last batch that is smaller.
        seed: of these orders alone; by default they are drawn from `autograd_core.random`.

    Raises:
        ArgumentError: `batch_size` or `seed` is outside its domain, or there is no array.
        ShapeError: the arrays differ in length.
    """
    require(is_integer(batch_size, 1), "batches", "batch_size", "a positive integer", batch_size, "32")
    require(seed is None or is_integer(seed, 0), "batches", "seed", "an integer >= 0 or None", seed, "0")
    parts, single = samples("batches", arrays)
    return Batches(parts, single, int(batch_size), shuffle, drop_last, seed)
