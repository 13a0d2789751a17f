"""One helper thread for large updates: NumPy releases the GIL inside a ufunc's loop."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

__all__ = ["helper"]

_pool: ThreadPoolExecutor | None = None


def helper() -> ThreadPoolExecutor | None:
    """The process's helper thread, started at first use; None on a single core."""
    global _pool
    if _pool is None and _cores() > 1:
        _pool = ThreadPoolExecutor(1, thread_name_prefix="optim")
    return _pool


def _cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _forget() -> None:
    """A forked child has no threads: it starts its own."""
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
