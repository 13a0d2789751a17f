"""A number in the claim's own formula that should be another one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from autograd_core.compare.diagnosis.case import Case, projection
from autograd_core.compare.diagnosis.edits import right
from autograd_core.compare.diagnosis.factors import unlike
from autograd_core.compare.diagnosis.tracing import INFIX, Program, Step

SMALL = 12.0  # numbers that may stand in a formula for no reason that is to be told: halves and thirds up to this
COARSER = 0.01  # a number this near to one of f's is meant for it


def numbers(case: Case) -> Iterator[str]:
    """A number in place of a simple one, or of N."""
    yield from _numbers(case, simple=True)


def constants(case: Case) -> Iterator[str]:
    """A number of f with fewer digits, such as 3.14 for pi."""
    if not case.programs or case.forward is None:
        return
    program, f = case.programs[0], case.forward
    exact = {float(x) for i in f.live() for x in f.steps[i].args if type(x) in (int, float)}
    for i in program.live():
        step = program.steps[i]
        for k, x in enumerate(step.args):
            if type(x) is not float or step.call not in INFIX:
                continue
            for value in sorted(v for v in exact if 0.0 < abs(x - v) <= COARSER * abs(v)):
                if not case.afford(program.cost(i)):
                    return
                args = (*step.args[:k], value, *step.args[k + 1 :])
                if right(case, {i: Step(step.call, args, {}).run}):
                    yield _text(program, step, k, x, value, set())


def odd_numbers(case: Case) -> Iterator[str]:
    """A number in place of any other."""
    yield from _numbers(case, simple=False)


def _numbers(case: Case, simple: bool) -> Iterator[str]:
    if not case.programs:
        return
    program = case.programs[0]
    counts = {float(n) for n in case.counts | case.lengths if n > 2}
    for i in program.live():
        step = program.steps[i]
        for k, x in enumerate(step.args):
            if not isinstance(x, (int, float)) or isinstance(x, bool) or step.call not in INFIX:
                continue
            number = float(x)
            cost = 2 * program.cost(i)
            if not case.afford(cost):
                return
            candidates = [v for v in (_solved(case, program, i, k, number),) if v is not None]
            if simple:
                candidates = [v for v in candidates if _meant(v, counts)]
                if step.call is not np.power:
                    candidates += [number + 1, number - 1, 2 * number, number / 2, -number]
                    candidates += [1 / number] if number else []
            for value in dict.fromkeys(candidates):
                if not case.afford(cost):
                    return
                args = (*step.args[:k], value, *step.args[k + 1 :])
                if value != number and right(case, {i: Step(step.call, args, {}).run}):
                    yield _text(program, step, k, number, value, counts)


def _meant(value: float, counts: set[float]) -> bool:
    if abs(value) <= SMALL and any(float(d * value).is_integer() for d in (2, 3)):
        return True
    return any(value in (s * n, s / n, s * (n - 1), s / (n - 1)) for n in counts for s in (1.0, -1.0, 2.0, -2.0))


def _solved(case: Case, program: Program, i: int, k: int, number: float) -> float | None:
    """The number that brings the claim nearest to the truth, if the formula is linear in it or in its inverse."""
    step = program.steps[i]
    if step.call is np.power:
        return None
    inverse = step.call is np.divide and k == 1
    probe = 2.0 * number if number else 1.0
    try:
        with np.errstate(all="ignore"):
            args = (*step.args[:k], probe, *step.args[k + 1 :])
            slope = program.rerun({i: Step(step.call, args, {}).run}) - case.claimed[0]
        if np.shape(slope) != case.true[0].shape or not np.all(np.isfinite(slope)) or not np.any(slope):
            return None
        part = projection([case.true[0] - case.claimed[0]], [slope])
        if inverse and number:
            inverted = 1.0 / number + part * (1.0 / probe - 1.0 / number)
            solved = 1.0 / inverted if inverted else np.inf
        else:
            solved = number + part * (probe - number)
    except Exception:  # no such number
        return None
    if not np.isfinite(solved):
        return None
    n = np.array(sorted(case.counts | case.lengths), dtype=float)
    near = np.concatenate([[round(solved * 12.0) / 12.0], n, 1.0 / n, n - 1, 2.0 / n, -n, -1.0 / n])
    best = float(near[np.argmin(np.abs(near - solved))])
    return best if abs(best - solved) <= 1e-7 * max(1e-3, abs(best)) else float(solved)


def _text(program: Program, step: Step, k: int, number: float, value: float, counts: set[float]) -> str:
    if value in counts and number == value - 1:
        return "N-1 in place of N"
    if value in counts and number == value + 1:
        return "N+1 in place of N"
    if number in counts and number == value + 1:
        return "N in place of N-1"
    beside = [program.text(x, nested=True) for j, x in enumerate(step.args) if j != k]
    here, there = unlike(number, value)
    at = f" in {here} {INFIX[step.call]} {beside[0]}" if k == 0 else f" in {beside[0]} {INFIX[step.call]} {here}"
    return f"{here} in place of {there}{at if '...' not in at else ''}"
