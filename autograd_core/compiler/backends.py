"""The one place that picks what runs a program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ..errors import ArgumentError, where
from .program import Program, interpret

__all__ = ["built", "chosen"]

_NAMES = ("numpy", "numba")


@cache
def _is_there(name: str) -> bool:
    return find_spec(name) is not None


def chosen(backend: str | None) -> str:
    """The name of the back end.

    Raises:
        ArgumentError: it is unknown, or needs a package that is not installed.
    """
    if backend is None:
        return "numba" if _is_there("numba") and _is_there(f"{__package__}.numba_backend") else "numpy"
    if backend not in _NAMES:
        raise ArgumentError(
            f"compile: backend must be 'numpy', 'numba' or None (the faster one that is there), got {backend!r}; leave "
            f"it out. {where('compile')}"
        )
    if backend == "numba" and not _is_there("numba"):
        raise ArgumentError(
            f"compile: backend='numba' must find the package numba, got none; pip install autograd-core[compile], or "
            f"leave backend out. {where('compile')}"
        )
    return backend


def built(program: Program, backend: str) -> Callable[[Sequence[Any]], list[Any]]:
    """A program, optimized and ready to run: arrays of the inputs in, arrays of the outputs out, updates in place."""
    if _is_there(f"{__package__}.passes"):
        program = import_module(".passes", __package__).optimize(program)
    if _is_there(f"{__package__}.{backend}_backend"):
        return import_module(f".{backend}_backend", __package__).build(program)  # type: ignore[no-any-return]
    return partial(interpret, program)
