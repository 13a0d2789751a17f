"""Passes: functions Program -> Program, one a file."""

from __future__ import annotations

from collections.abc import Callable

from ..program import Program
from .algebra import algebra
from .canonical import canonical
from .common import common
from .dead import dead
from .folding import folding
from .linear_sums import linear_sums

__all__ = ["algebra", "canonical", "common", "dead", "folding", "linear_sums", "optimize"]

_ROUNDS = 3  # identities uncover others; a fixed number of walks keeps the time linear


def optimize(program: Program) -> Program:
    """All passes: the canonical form first, then the others until nothing changes, three times at most."""
    program = dead(canonical(dead(program)))
    rounds: tuple[Callable[[Program], Program], ...] = (folding, common, algebra, linear_sums, dead)
    for _ in range(_ROUNDS):
        before = [(call.kind, call.function) for call in program.calls]
        for step in rounds:
            program = step(program)
        if before == [(call.kind, call.function) for call in program.calls]:
            break
    return program
