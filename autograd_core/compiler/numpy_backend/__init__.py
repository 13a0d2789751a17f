"""The back end that is always there: a program as one Python function of NumPy calls with planned buffers.

Every call writes into memory that was laid out beforehand, every name is bound beforehand, and views of buffers exist
before the run. The generated source stands in `run.source`.
"""

from __future__ import annotations

import linecache
import weakref
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from ..program import Program
from .planning import plan
from .runtime import arena
from .writing import Writer

__all__ = ["Run", "build"]

_numbers = count(1)


class Run:
    """A program that runs: takes the inputs' arrays, writes the updates into them, returns the outputs' arrays.

    Threads may run it at the same time, and it may run within itself: each run has buffers of its own, which are kept
    for the next.

    Attributes:
        source: the generated Python.
        buffer_bytes: the memory that a run works in.
        separate_bytes: what the same results would take without sharing.
    """

    def __init__(self, source: str, bind: Callable[[Any], Callable[..., list[Any]]], size: int, separate: int) -> None:
        self.source = source
        self.buffer_bytes = size
        self.separate_bytes = separate
        self._bind = bind
        self._idle: list[Callable[..., list[Any]]] = []

    def __call__(self, arrays: Sequence[Any]) -> list[Any]:
        """One run."""
        try:
            run = self._idle.pop()  # atomic: no two runs get the same
        except IndexError:
            run = self._bind(arena(self.buffer_bytes))
        try:
            return run(*arrays)
        finally:
            self._idle.append(run)


def build(program: Program) -> Run:
    """Generates the function that runs a program. `passes.optimize` makes it shorter first."""
    planned = plan(program)
    writer = Writer(planned)
    source = writer.source()
    file = f"<compiled program {next(_numbers)}>"
    code = compile(source, file, "exec")

    def bind(memory: Any) -> Callable[..., list[Any]]:
        names = {**writer.namespace, "memory": memory}
        exec(code, names)
        return names["run"]  # type: ignore[no-any-return]

    # Tracebacks show the generated lines.
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    run = Run(source, bind, planned.size + 2 * planned.scratch, planned.separate)
    weakref.finalize(run, linecache.cache.pop, file, None)
    return run
