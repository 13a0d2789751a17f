"""The back end that turns elementwise calls and reductions into compiled loops, by Numba (the extra "compile")."""

from .running import Runner, build

__all__ = ["Runner", "build"]
