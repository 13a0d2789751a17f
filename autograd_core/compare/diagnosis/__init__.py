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

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from autograd_core.compare.claims import Claim
from autograd_core.compare.diagnosis.case import Case, case_of
from autograd_core.compare.diagnosis.chain import odd_terms, odd_unnamed_terms, terms, unnamed_terms
from autograd_core.compare.diagnosis.edits import misplaced, reductions, tokens, unnamed_values
from autograd_core.compare.diagnosis.factors import any_factor, factors
from autograd_core.compare.diagnosis.forwards import changed, dropped, moved
from autograd_core.compare.diagnosis.insertions import dropped_in_place, insertions, missing_functions
from autograd_core.compare.diagnosis.names import arguments, other_gradients
from autograd_core.compare.diagnosis.numerals import numbers, odd_numbers
from autograd_core.compare.diagnosis.points import nearby, rests_on_arrays, smaller
from autograd_core.compare.diagnosis.quantities import elementwise, elementwise_paths, products
from autograd_core.compare.diagnosis.shapes import flipped_transposes, shifts, sums, transposes
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
    other_gradients,
    arguments,
    any_factor,
    tokens,
    numbers,
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
ENOUGH = 12  # numbers that fit to rounding are no accident even where the point nearby cannot tell


def explain(posed: Problem, claim: Claim, found: Sequence[Evidence]) -> str | None:
    """The likeliest repair that fits at all of the points, or None.

    Args:
        posed: What is judged.
        claim: The wrong claim.
        found: The evidence at the points where it is wrong; without a sweep, at the only one.
    """
    cases = [case_of(posed, claim, e.at, e.draws, e.samples[claim.target]) for e in found]
    first = cases[0]
    for case in cases:
        if not all(a.size and np.any(b) for a, b in zip(case.claimed, case.true, strict=True)):
            return None
    finite = all(np.isfinite(a).all() for case in cases for a in case.claimed)
    if finite and first.vanishes():
        return "identically zero"
    beside = nearby(first) if finite else None
    others = [*cases[1:], *([beside] if beside else [])]
    searches = (SAME_SHAPE if first.shaped else ANY_SHAPE) if finite else NOT_FINITE
    small = smaller(first) if finite else None
    for text, search in _holding(first, small, searches, others):
        if search in (factors, terms) and " times" in text:
            detail = next((t for t, _ in _holding(first, small, (reductions,), others)), None)
            return text if detail is None else f"{text}: {detail}"
        return text
    # A claim that rests on arrays computed outside is right at these inputs only, whatever is repaired.
    if beside and rests_on_arrays(claim.formula) and first.claimed[0].size * len(first.claimed) >= ENOUGH:
        first.work = 0.0
        return next((text for text, _ in _holding(first, small, searches, cases[1:])), None)
    return None


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
                yield text, search
            seen.add(text)
