"""The allocator's policy for freed memory.

NumPy asks the C library for every temporary. glibc serves large blocks with a fresh mapping each and hands the top of
the heap back at each free, so an eager backward pass spends up to half of its time on page faults. On glibc two
thresholds keep freed memory in the process: blocks up to 32 MiB come from the heap, and up to 256 MiB of free heap top
stay. Elsewhere there is no such knob and nothing changes. The environment variable AUTOGRAD_CORE_KEEP_MEMORY=0 switches
it off; it is read at import.
"""

from __future__ import annotations

import ctypes
import os

__all__ = ["KEPT_BYTES", "keep_freed_memory", "release"]

KEPT_BYTES = 256 << 20
_LARGEST_BLOCK = 32 << 20  # glibc's upper limit for the mmap threshold on 64-bit platforms
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def keep_freed_memory(kept: int = KEPT_BYTES) -> bool:
    """Lets the C library keep up to `kept` bytes of freed heap top; True if the platform has the knob."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK) and mallopt(_M_TRIM_THRESHOLD, kept))


def release() -> bool:
    """Hands free memory back to the system now; True if the platform can."""
    try:
        return bool(ctypes.CDLL(None).malloc_trim(0))
    except (AttributeError, OSError, TypeError):
        return False


def apply_policy() -> bool:
    """What `import autograd_core` does."""
    return os.environ.get("AUTOGRAD_CORE_KEEP_MEMORY", "1") != "0" and keep_freed_memory()
