"""Diagnosis: which simple repair turns a wrong claim into the true gradient?

A repair is stated only if the repaired claim fits to rounding, for every upstream draw.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from autograd_core.compare.problem import Array

Paths = Callable[[], list[dict[str | None, Array]]]
LARGEST = 12  # of numerator and denominator of a "simple" ratio


@dataclass(frozen=True)
class Case:
    """A claim that is not exact, at one point.

    Attributes:
        claimed: Its values, per upstream draw; their shape may differ from the true one.
        true: The true gradient, per draw.
        tolerance: What rounding explains, relative to max|true|.
        counts: Over how many elements the reductions of f run: the likeliest N.
        lengths: All axis lengths, single or taken together: further candidates for N.
        output_ndim: Leading axes of a Jacobian claim; 0 for a gradient.
        terms: The chain rule's terms per draw, by tag (None: the direct path).
        totals: All that passes through a tag, per draw, by tag.
        without: Per parameter, the true gradient with that parameter set to zero.
    """

    claimed: Sequence[Array]
    true: Sequence[Array]
    tolerance: float
    counts: frozenset[int]
    lengths: frozenset[int]
    output_ndim: int
    terms: Paths
    totals: Paths
    without: Callable[[], dict[str, list[Array]]]

    def fits(self, claimed: Iterable[Array], true: Sequence[Array]) -> bool:
        """Equal to rounding in every draw."""
        for a, b in zip(claimed, true, strict=True):
            if a.shape != b.shape:
                return False
            if not np.abs(a - b).max() <= self.tolerance * np.abs(b).max():
                return False
        return True


def hints(case: Case) -> list[str]:
    """The repairs that fit, likeliest first; empty if no simple one does."""
    if not all(np.isfinite(a).all() for a in case.claimed):
        return []
    if not all(a.size and np.any(b) for a, b in zip(case.claimed, case.true, strict=True)):
        return []
    if not any(np.any(a) for a in case.claimed):
        return ["identically zero"]
    searches: list[Callable[[Case], Iterator[str]]] = [_sums, _transposes]
    if case.claimed[0].shape == case.true[0].shape:
        searches += [_factors, _terms, _dropped, _any_factor]
    found: list[str] = []
    for search in searches:
        found += search(case)
    return list(dict.fromkeys(found))


# -- shapes ----------------------------------------------------------------------------------------


def _sums(case: Case) -> Iterator[str]:
    shape, wanted = case.claimed[0].shape, case.true[0].shape
    if shape != wanted and [n for n in shape if n != 1] == [n for n in wanted if n != 1]:
        if case.fits((a.reshape(wanted) for a in case.claimed), case.true):
            yield f"shape {shape} in place of {wanted} (keepdims)"
        return
    for axes in _axes(len(shape)):
        for word, reduce in (("summed", np.sum), ("averaged", np.mean)):
            for keep in (True, False):
                if case.fits((reduce(a, axis=axes, keepdims=keep) for a in case.claimed), case.true):
                    yield f"not {word} over {_named(axes)}"
    for axes in _axes(len(wanted)):
        if all(wanted[axis] == 1 for axis in axes):
            continue
        for word, reduce in (("summed", np.sum), ("averaged", np.mean)):
            for keep in (True, False):
                short = [reduce(b, axis=axes, keepdims=keep) for b in case.true]
                if shape == wanted:  # the sum was spread over the axis again
                    if not keep:
                        continue
                    short = [np.broadcast_to(b, wanted) for b in short]
                if case.fits(case.claimed, short):
                    yield f"{word} over {_named(axes)} too much"


def _axes(ndim: int) -> Iterator[tuple[int, ...]]:
    for count in range(1, min(ndim, 4) + 1):
        yield from itertools.combinations(range(ndim), count)


def _named(axes: tuple[int, ...]) -> str:
    if len(axes) == 1:
        return f"axis {axes[0]}"
    return "axes " + " and ".join([", ".join(map(str, axes[:-1])), str(axes[-1])])


def _transposes(case: Case) -> Iterator[str]:
    ndim = case.claimed[0].ndim
    if ndim < 2 or ndim > 5:
        return
    k = case.output_ndim
    orders = [tuple(reversed(range(ndim)))]
    if k:  # a Jacobian in the other layout: input + output, or with its blocks transposed
        orders.insert(0, (*range(ndim - k, ndim), *range(ndim - k)))
    elif ndim > 2:
        orders += list(itertools.permutations(range(ndim)))
    for order in orders:
        if order != tuple(range(ndim)) and case.fits((a.transpose(order) for a in case.claimed), case.true):
            yield "transposed" if order == orders[0] or k else f"transposed (axes order {order})"
            return


# -- factors ---------------------------------------------------------------------------------------


def _factors(case: Case) -> Iterator[str]:
    factor = _projection(case.claimed, case.true)
    for value, text in _recognized(factor, case):
        if case.fits((a / value for a in case.claimed), case.true):
            if value == -1.0:
                yield "sign flipped"
            else:
                yield text or f"{_ratio(value)} times the gradient"


def _any_factor(case: Case) -> Iterator[str]:
    factor = _projection(case.claimed, case.true)
    if factor and case.fits((a / factor for a in case.claimed), case.true):
        yield f"{factor:.6g} times the gradient"


def _projection(a: Sequence[Array], b: Sequence[Array]) -> float:
    """The factor c that brings c b nearest to a."""
    square = sum(float((y * y).sum()) for y in b)
    return sum(float((x * y).sum()) for x, y in zip(a, b, strict=True)) / square if square else 0.0


def _recognized(factor: float, case: Case) -> Iterator[tuple[float, str]]:
    """Values with a meaning near the factor, likeliest first; no text for a plain ratio."""
    plain = [(_float(q), "") for q in _simple()]
    # Halves and whole numbers are coefficients sooner than counts: 3/2 is a wrong exponent before
    # it is N/(N-1) with N = 3.
    halves = [item for item in plain if (2.0 * item[0]).is_integer()]
    near = [*halves, *_counting(case.counts), *plain, *_counting(case.lengths - case.counts)]
    for value, text in near:
        if abs(factor - value) <= 1e-6 * abs(value):
            yield value, text


def _counting(counts: frozenset[int]) -> Iterator[tuple[float, str]]:
    for n in sorted(count for count in counts if count >= 2):
        yield n / (n - 1.0), "N-1 in place of N"
        yield (n - 1.0) / n, "N-1 in place of N"
        if n > LARGEST:
            yield float(n), f"N times the gradient (N = {n})"
            yield 1.0 / n, f"1/N times the gradient (N = {n})"


def _simple() -> Iterator[Fraction]:
    ratios = {Fraction(p, q) for p in range(-LARGEST, LARGEST + 1) for q in range(1, LARGEST + 1) if p}
    yield from sorted(ratios - {Fraction(1)}, key=lambda r: (r.denominator, abs(r), r < 0))


def _float(ratio: Fraction) -> float:
    return ratio.numerator / ratio.denominator


def _ratio(value: float) -> str:
    ratio = Fraction(value).limit_denominator(LARGEST)
    decimal = f"{value:g}"
    return decimal if len(decimal) <= 6 else f"{ratio.numerator}/{ratio.denominator}"


# -- terms of the chain rule -----------------------------------------------------------------------


def _terms(case: Case) -> Iterator[str]:
    claimed, true = list(case.claimed), list(case.true)
    if case.output_ndim:
        return
    terms = _by_name(case.terms())
    found = list(_missing(case, claimed, true, terms)) if len(terms) > 1 else []
    if not any(text.endswith("missing") for text in found):
        found += _missing(case, claimed, true, _by_name(case.totals()), singly=True)
    # What was left out is likelier than an odd coefficient that happens to fit as well.
    yield from sorted(found, key=lambda text: not text.endswith("missing"))


def _by_name(draws: list[dict[str | None, Array]]) -> dict[str | None, list[Array]]:
    names = [n for n in draws[0] if all(n in terms for terms in draws)] if draws else []
    return {name: [terms[name] for terms in draws] for name in names}


def _missing(
    case: Case,
    claimed: list[Array],
    true: list[Array],
    terms: dict[str | None, list[Array]],
    singly: bool = False,
) -> Iterator[str]:
    residual = [a - b for a, b in zip(claimed, true, strict=True)]
    for name, term in terms.items():
        count = 1.0 + _projection(residual, term)
        near_zero = [(0.0, "")] if abs(count) < 1e-6 else []
        for value, text in [*near_zero, *_recognized(count, case)]:
            repaired = (a - (value - 1.0) * t for a, t in zip(claimed, term, strict=True))
            if case.fits(repaired, true):
                yield _wording(name, value, text)
    if singly:
        return
    for several in range(2, min(len(terms), 4)):
        for group in itertools.combinations(terms, several):
            repaired = (a + sum(ts) for a, *ts in zip(claimed, *(terms[n] for n in group)))
            if case.fits(repaired, true):
                names = [repr(n) for n in group if n is not None]
                head = "the direct path and " if None in group else ""
                plural = "paths" if len(names) > 1 else "path"
                yield f"{head}the {plural} through {' and '.join(names)} are missing"


def _wording(name: str | None, value: float, text: str) -> str:
    path = "the direct path" if name is None else f"the path through {name!r}"
    if value == 0.0:
        return f"{path} is missing"
    if value == 2.0:
        return f"{path} is counted twice"
    if value == -1.0:
        return f"{path} has its sign flipped"
    if text.startswith("N-1"):
        return f"{text} in {path}"
    return f"{path} is counted {text.split(' times')[0] or _ratio(value)} times"


def _dropped(case: Case) -> Iterator[str]:
    for name, true in case.without().items():
        if case.fits(case.claimed, true):
            yield f"{name} is dropped"
