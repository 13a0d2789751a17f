"""Diagnosis: which simple repair turns a wrong claim into the true gradient?

A repair is stated only if the repaired claim fits to rounding: for every upstream draw, at both
ends of where a swept claim is wrong, and at a point nearby, where accidents of tiny shapes end.
The searches run from the likeliest to the oddest and stop at the first repair that holds
everywhere; what they may compute is bounded.

- `shapes`      sums and averages missing or too much, axes exchanged, elements shifted
- `factors`     sign, simple ratios, N-1 in place of N
- `chain`       paths of the chain rule missing, doubled, of wrong sign
- `forwards`    the gradient of another f: epsilon dropped or moved, a step replaced
- `names`       the gradient of something else; one argument in place of another
- `quantities`  elementwise factors: powers of known quantities
- `edits`       one token of the claim's own formula changed; `numerals` a number in it, `insertions`
                what is missing in it
- `tracing`     a formula as a program that can be run with a change
- `points`      where repairs are tried again: nearby, and at a smaller shape
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from autograd_core.compare.claims import Claim
from autograd_core.compare.diagnosis.case import Case, case_of
from autograd_core.compare.diagnosis.chain import odd_terms, odd_unnamed_terms, terms, unnamed_terms
from autograd_core.compare.diagnosis.edits import misplaced, reductions, tokens, unnamed_values
from autograd_core.compare.diagnosis.factors import any_factor, factors
from autograd_core.compare.diagnosis.forwards import changed, dropped, moved
from autograd_core.compare.diagnosis.insertions import dropped_in_place, factors_outside, insertions, missing_functions
from autograd_core.compare.diagnosis.names import arguments, other_gradients
from autograd_core.compare.diagnosis.numerals import constants, numbers, odd_numbers
from autograd_core.compare.diagnosis.points import nearby, resized, rests_on_arrays, right_beside, smaller, wrong_where
from autograd_core.compare.diagnosis.quantities import elementwise, elementwise_paths, products
from autograd_core.compare.diagnosis.shapes import diagonals, flipped_transposes, shifts, sums, transposes
from autograd_core.compare.evidence import Evidence
from autograd_core.compare.problem import Problem

__all__ = ["explain"]

Search = Callable[[Case], Iterator[str]]

ANY_SHAPE: tuple[Search, ...] = (
    sums,
    transposes,
    flipped_transposes,
    reductions,
    other_gradients,
    tokens,
    numbers,
    dropped_in_place,
    missing_functions,
    insertions,
)
SAME_SHAPE: tuple[Search, ...] = (
    sums,
    transposes,
    factors,
    flipped_transposes,
    terms,
    reductions,
    dropped,
    moved,
    misplaced,
    dropped_in_place,
    elementwise,
    diagonals,
    other_gradients,
    arguments,
    constants,
    any_factor,
    tokens,
    numbers,
    factors_outside,
    missing_functions,
    products,
    elementwise_paths,
    unnamed_terms,
    insertions,
    unnamed_values,
    odd_terms,
    changed,
    odd_unnamed_terms,
    odd_numbers,
    shifts,
)
NOT_FINITE: tuple[Search, ...] = (dropped_in_place, arguments, tokens, numbers, missing_functions, insertions)
SLOW = frozenset(SAME_SHAPE[SAME_SHAPE.index(arguments) :]) - {any_factor, shifts}
COUNTED = {2: ("twice", "2 times", "0.5 times"), 3: ("1.5 times",)}  # what N/(N-1) may be taken for
ENOUGH = 12  # numbers that fit to rounding are no accident even where the point nearby cannot tell


def explain(posed: Problem, claim: Claim, found: Sequence[Evidence]) -> str | None:
    """The likeliest repair that fits at all of the points, or None.

    Args:
        posed: What is judged.
        claim: The wrong claim.
        found: The evidence at the points where it is wrong; without a sweep, at the only one.
    """
    if not posed.diagnose:
        return None
    cases = [case_of(posed, claim, e.at, e.draws, e.samples[claim.target]) for e in found]
    first = cases[0]
    for case in cases:
        if not all(a.size and np.any(b) for a, b in zip(case.claimed, case.true, strict=True)):
            return None
    finite = all(np.isfinite(a).all() for case in cases for a in case.claimed)
    if not finite:
        return _repair(first, None, NOT_FINITE, cases[1:])
    if first.vanishes():
        return "identically zero"
    small = smaller(first)
    if first.shaped and (small is None or wrong_where(small)):
        where = [wrong_where(case) for case in cases]
        if where[0] is not None and len(set(where)) == 1:
            return where[0]
    if first.shaped:
        right, words = right_beside(cases)
        if right:
            return _repair(first, small, SAME_SHAPE, [*cases[1:], *right], nearby(first)) or words
    return _repair(first, small, SAME_SHAPE if first.shaped else ANY_SHAPE, cases[1:], nearby(first))


def _repair(
    first: Case,
    small: Case | None,
    searches: Sequence[Search],
    others: Sequence[Case],
    beside: Case | None = None,
) -> str | None:
    """The first repair that holds everywhere."""
    everywhere = [*others, *([beside] if beside else [])]
    for text, search in _holding(first, small, searches, everywhere):
        if search not in (factors, terms):
            return text
        options = [text, *(t for t, _ in _holding(first, small, (search,), everywhere) if t != text)]
        text = _meant(first, options, search)
        if " times" in text:
            detail = next((t for t, _ in _holding(first, small, (reductions,), everywhere)), None)
            return text if detail is None else f"{text}: {detail}"
        return text
    # A claim that rests on arrays computed outside is right at these inputs only, whatever is repaired.
    if beside and rests_on_arrays(first.claim.formula) and first.claimed[0].size * len(first.claimed) >= ENOUGH:
        first.work = 0.0
        return next((text for text, _ in _holding(first, small, searches, others)), None)
    return None


def _meant(case: Case, options: Sequence[str], search: Search) -> str:
    """Which of several readings of one factor is meant: 3/2, or N/(N-1) with N = 3."""
    counted = [text for text in options if " in place of " in text]
    if not counted or counted[0] == options[0]:
        return options[0]
    other = resized(case)
    if other is not None and other.shaped:
        for text in options:  # with another N only one of them is left
            if other.confirms(text, search):
                return text
    if " paths " in counted[0]:  # the same in several paths is no coefficient
        return counted[0]
    # The claim holds for this N only: what is written there?
    less_one = "N-1 in place of N" in counted[0]
    if less_one and not any(word in options[0] for n in case.counts for word in COUNTED.get(n, ())):
        return options[0]
    for text in numbers(case):
        pair = re.match(r"(\d+) in place of (\d+)(?!\S)", text)
        here, there = (int(pair[1]), int(pair[2])) if pair else (0, 0)
        likely = here == there - 1 if less_one else here in case.lengths
        if (there in case.counts and likely) or (less_one and text == "N-1 in place of N"):
            return counted[0]
    return options[0]


def _holding(
    first: Case, small: Case | None, searches: Sequence[Search], others: Sequence[Case]
) -> Iterator[tuple[str, Search]]:
    """What explains the claim at the first point and at all others.

    Slow searches start at the smaller shape, if there is one, and what they find is tried at full size.
    """
    for search in searches:
        start, rest = (small, [first, *others]) if small is not None and search in SLOW else (first, others)
        seen: set[str] = set()
        for text in search(start):
            if text not in seen and all(case.confirms(text, search) for case in rest):
                told = re.sub(r"( (in|of|at|beside|over) \(?\.\.\.\)?)+$", "", text)
                if "..." not in told:  # a formula too long to quote
                    yield told, search
            seen.add(text)
