"""The progress bar of a training run."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from time import perf_counter
from typing import Any

from .feed import Means

__all__ = ["Progress"]

_PAUSE = 0.1  # seconds between two drawings


class Progress:
    """One bar per epoch on stderr, with loss and metrics; nothing at all if not wanted."""

    def __init__(self, wanted: bool, epochs: int) -> None:
        self.wanted, self.epochs = wanted, epochs
        self._bar: Any = None
        self._done = 0
        self._next = 0.0

    def begin(self, epoch: int, data: Any) -> None:
        """Opens the epoch's bar."""
        if not self.wanted:
            return
        from tqdm import tqdm

        total = len(data) if hasattr(data, "__len__") else None
        self._bar = tqdm(total=total, desc=f"epoch {epoch}/{self.epochs}", unit="batch", file=sys.stderr)
        self._done, self._next = 0, perf_counter() + _PAUSE

    def step(self, means: Means) -> None:
        """Counts a batch; text is made only when it is drawn."""
        if self._bar is None:
            return
        self._done += 1
        now = perf_counter()
        if now >= self._next:
            self._next = now + _PAUSE
            self._show(means.values())

    def _show(self, row: Mapping[str, float]) -> None:
        self._bar.set_postfix_str(", ".join(f"{name} {value:.4g}" for name, value in row.items()), refresh=False)
        self._bar.update(self._done)
        self._done = 0

    def end(self, row: Mapping[str, float]) -> None:
        """Closes the bar with the epoch's means."""
        if self._bar is not None:
            self._show({name: value for name, value in row.items() if name != "learning rate"})
            self.close()

    def close(self) -> None:
        """Closes what is open, as after an error."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
