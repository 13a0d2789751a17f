"""The update of a large model as one compiled loop, where Numba is installed.

A program's ufunc calls pass over a block five to fifteen times, in the cache; the loop passes once, and is bound by
memory alone. It computes the same bits. Numba is imported, and the loop compiled, in the first step that can use it (one
to two seconds; later processes load it from the kernel cache).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .program import Program

__all__ = ["KERNEL_BYTES", "KERNEL_SIZE", "Kernels"]

# From this many elements on a loop is worth its compilation: it saves 0.5 ms of a step or more, so that some thousand
# steps are needed, which is about what a model of that size is trained for. Smaller ones stay in the cache anyway.
KERNEL_SIZE = 1 << 20
# Bytes of a block per array. Nothing is to stay in the cache, so blocks are as large as two threads can share evenly;
# smaller ones pay the call (4 us) too often, and what must be copied first (another layout) still fits.
KERNEL_BYTES = 1 << 19


class Kernels:
    """The compiled loops of one optimizer; each is asked for once, also where there is none."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, Any], Callable[[Sequence[Any]], None] | None] = {}

    def get(self, program: Program, dtype: Any, name: str) -> Callable[[Sequence[Any]], None] | None:
        """`run([p, g, *states, *constants])` updates flat arrays in place as `program.run` does; None if there is none.

        That is so without Numba, for an update function of which a part would not have NumPy's bits, and if the
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


def _compiled(program: Program, dtype: Any, name: str) -> Callable[[Sequence[Any]], None] | None:
    try:
        from autograd_core.compiler.flat import flat

        return flat(program.traced(dtype), name)
    except Exception:  # no Numba, or one that cannot be used here: the ufunc calls do the same
        return None
