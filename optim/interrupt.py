"""Ctrl-C between two steps rather than in the middle of one."""

from __future__ import annotations

import signal
import threading
from typing import Any

__all__ = ["Interrupt"]


class Interrupt:
    """While active, the first Ctrl-C sets `wanted`; the second raises KeyboardInterrupt, wherever the program is.

    An interruption within an optimizer's step would leave some parameters updated and others not. Handlers of the
    user's own, and threads other than the main one, are left alone.
    """

    def __init__(self) -> None:
        self.wanted = False
        self._active = False

    def _ask(self, number: int, frame: Any) -> None:
        if self.wanted:
            raise KeyboardInterrupt
        self.wanted = True

    def check(self) -> None:
        """Raises KeyboardInterrupt if Ctrl-C was pressed since the beginning."""
        if self.wanted:
            raise KeyboardInterrupt

    def __enter__(self) -> Interrupt:
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._ask)
            self._active = True
        return self

    def __exit__(self, *exc: object) -> None:
        if self._active:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._active = False
