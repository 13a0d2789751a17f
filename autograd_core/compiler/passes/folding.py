"""Constant folding: what depends on constants only is computed once."""

from __future__ import annotations

import numpy as np

from ..program import Call, Program, broadcast, execute
from .rewriting import Rewriter, rewrite

__all__ = ["folding"]

_ALWAYS = 1024  # elements: results up to this size are folded whatever their operands are


def folding(program: Program) -> Program:
    """Carries out calls on constants, unless the result is much larger than its operands, or NumPy would warn."""

    def step(rewriter: Rewriter, call: Call) -> bool:
        if call.kind in ("draw", "check") or not call.results:
            return False
        operands = list(call.operands())
        if any(value not in rewriter.constants for value in operands) or call.function is broadcast:
            return False
        size = sum(value.size for value in call.results)
        if size > _ALWAYS and size > 2 * max((value.size for value in operands), default=0):
            return False
        try:
            with np.errstate(all="raise"):  # a warning belongs to the run, under the caller's errstate
                arrays = execute(call, rewriter.constants.__getitem__)
        except Exception:
            return False  # it will be raised where eager raises it
        if any(a.shape != v.shape or a.dtype != v.dtype for a, v in zip(arrays, call.results, strict=True)):
            return False
        for value, array in zip(call.results, arrays, strict=True):
            rewriter.constants[value] = array
        return True

    return rewrite(program, step)
