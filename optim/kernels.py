"""The update of a large model as one compiled loop, where Numba is installed.

A program's ufunc calls pass over a block five to fifteen times, in the cache; the loop passes once, and is bound by
memory alone. It computes the same bits. Numba is imported, and the loop compiled, in the first step that can use it:
one to two seconds, less where the kernel cache has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .blocks import BLOCK_BYTES
from .program import Program

if TYPE_CHECKING:
    from autograd_core.compiler.flat import Loop

__all__ = ["KERNEL_SIZE", "Kernels", "block_bytes"]

# From this many elements on a loop is worth its compilation: it saves 0.15 ms of a step (momentum) to 0.7 ms (Adam),
# more of a larger one, so some thousand steps pay for it. Smaller models step in a fraction of a millisecond anyway.
KERNEL_SIZE = 1 << 20
# Bytes of a block per array, at most. Nothing is to stay in the cache, so blocks are large: between two of them Python
# runs, with cold caches (20 us), and a gradient in another layout is copied in longer pieces.
KERNEL_BYTES = 1 << 21
# Blocks that an update is cut into at least, as long as they are not smaller than NumPy's: two threads end together.
SHARES = 16


def block_bytes(total: int) -> int:
    """Bytes of a block of a loop over arrays of `total` bytes."""
    return min(KERNEL_BYTES, max(BLOCK_BYTES, total // SHARES))


class Kernels:
    """The compiled loops of one optimizer; each is asked for once, also where there is none."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, Any], Loop | None] = {}

    def get(self, program: Program, dtype: Any, name: str) -> Loop | None:
        """The loop that does to (p, g, states..., constants...) what the program does; None if there is none.

        There is none without Numba, for an update function of which a part would not have NumPy's bits, and if the
        compilation fails.

        Args:
            program: the update function.
            dtype: of the arrays.
            name: of the update, in messages of floating-point errors.
        """
        key = (program.source, np.dtype(dtype))
        if key not in self._made:
            self._made[key] = _compiled(program, dtype, name)
        return self._made[key]


def _compiled(program: Program, dtype: Any, name: str) -> Loop | None:
    try:
        from autograd_core.compiler.flat import flat

        return flat(program.traced(dtype), name)
    except Exception:  # no Numba, or one that cannot be used here: the ufunc calls do the same
        return None
