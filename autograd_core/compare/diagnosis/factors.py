"""Constant factors: the sign, simple ratios, and what is made of the number N of summed elements."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache

import numpy as np

from autograd_core.compare.diagnosis.case import Case, projection

LARGEST = 12  # of numerator and denominator of a "simple" ratio
NEAR = 1e-4  # six digits hardly tell a number this near to a simple one from it
CLOSE = 1e-6  # a measured factor this near to a meaningful value is taken for it, and then checked


def factors(case: Case) -> Iterator[str]:
    """The whole gradient times a factor with a meaning."""
    factor = projection(case.claimed, case.true)
    for value, text in recognized(factor, case):
        if case.fits((a / value for a in case.claimed), case.true):
            if value == -1.0:
                yield "sign flipped"
            else:
                yield text or f"{ratio(value)} times the gradient"


def any_factor(case: Case) -> Iterator[str]:
    """The whole gradient times any number."""
    factor = projection(case.claimed, case.true)
    if factor and case.fits((a / factor for a in case.claimed), case.true):
        yield f"{number(factor)} times the gradient"


def recognized(factor: float, case: Case) -> Iterator[tuple[float, str]]:
    """Values with a meaning near the factor, likeliest first; no text for a plain ratio."""
    near = case.notes.get("factors")
    if near is None:
        plain = [(_float(q), "") for q in _simple()]
        # Halves and whole numbers are coefficients sooner than counts: 3/2 is a wrong exponent before
        # it is N/(N-1) with N = 3.
        halves = [item for item in plain if (2.0 * item[0]).is_integer()]
        counting = [*_counting(case, case.counts), *_confused(case)]
        meant = [*halves, *counting, *plain, *_counting(case, case.lengths - case.counts)]
        near = case.notes["factors"] = (np.array([value for value, _ in meant]), meant)
    values, meant = near
    for i in np.flatnonzero(np.abs(values - factor) <= CLOSE * np.abs(values)):
        yield meant[i]


def _counting(case: Case, counts: frozenset[int]) -> Iterator[tuple[float, str]]:
    for n in sorted(count for count in counts if count >= 2):
        unbiased = counts_unbiased(case, n)
        without = "N in place of N-1" if unbiased else "N-1 in place of N"
        yield n / (n - 1.0), without
        yield (n - 1.0) / n, without
        if n > LARGEST:
            for sign, word in ((1.0, ""), (-1.0, "-")):
                yield sign * n, f"{word}N times the gradient (N = {n})"
                yield sign / n, f"{word}1/N times the gradient (N = {n})"
        yield float(n * n), f"{n * n} times the gradient"
        yield 1.0 / (n * n), f"1/{n * n} times the gradient"
        yield n / (n + 1.0), "N+1 in place of N"
        yield (n + 1.0) / n, "N+1 in place of N"
        if not math.sqrt(n).is_integer() or n > LARGEST**2:
            yield math.sqrt(n), f"sqrt(N) times the gradient (N = {n})"
            yield 1.0 / math.sqrt(n), f"1/sqrt(N) times the gradient (N = {n})"


def _confused(case: Case) -> Iterator[tuple[float, str]]:
    """Averages over the length of another axis."""
    shape = case.true[0].shape[case.output_ndim :]
    lengths = {n for x in (case.at.output, *case.at.inputs.values()) for n in x.shape}
    for n in sorted(case.counts):
        for m in sorted(lengths - {n}):
            if n < 2 or m < 2:
                continue
            text = f"{m} in place of {n}"
            if shape.count(m) == shape.count(n) == 1:
                text = f"the length of axis {shape.index(m)} in place of axis {shape.index(n)}"
            yield n / m, text


def counts_unbiased(case: Case, n: int) -> bool:
    """Whether f itself divides by n - 1."""
    program = case.forward
    if program is None:
        return False
    for step in program.steps.values():
        if step.kwargs.get("ddof") == 1:
            return True
        numbers = [x for x in step.args if isinstance(x, (int, float)) and not isinstance(x, bool)]
        if step.call in (np.multiply, np.divide) and any(x and x in (n - 1, 1.0 / (n - 1)) for x in numbers):
            return True
    return False


@lru_cache(maxsize=1)
def _simple() -> tuple[Fraction, ...]:
    ratios = {Fraction(p, q) for p in range(-LARGEST, LARGEST + 1) for q in range(1, LARGEST + 1) if p}
    return tuple(sorted(ratios - {Fraction(1)}, key=lambda r: (r.denominator, abs(r), r < 0)))


def _float(fraction: Fraction) -> float:
    return fraction.numerator / fraction.denominator


def number(value: float) -> str:
    """A number in six digits; as in "(1 + 1e-06)" where these would not tell it from a simple one."""
    size = abs(value)
    near = Fraction(size).limit_denominator(LARGEST)
    rest = size - float(near)
    if not near or not 0.0 < abs(rest) < NEAR * near:
        return f"{value:.6g}"
    return f"{'-' if value < 0 else ''}({near} {'+' if rest > 0 else '-'} {abs(rest):.2g})"


def unlike(value: float, other: float) -> tuple[str, str]:
    """Two numbers with as many digits as it takes to tell them apart."""
    for digits in range(6, 18):
        pair = f"{value:.{digits}g}", f"{other:.{digits}g}"
        if pair[0] != pair[1] and abs(float(pair[0]) - value) + abs(float(pair[1]) - other) < 0.1 * abs(value - other):
            break
    return pair


def ratio(value: float) -> str:
    """A simple ratio, as a decimal if that is short."""
    fraction = Fraction(value).limit_denominator(LARGEST)
    decimal = f"{value:g}"
    return decimal if len(decimal) <= 6 else f"{fraction.numerator}/{fraction.denominator}"
