"""What a diagnosis works on: a wrong claim at one point, with everything that may explain it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from autograd_core.compare.claims import Claim
from autograd_core.compare.diagnosis.tracing import Program, Ref, trace
from autograd_core.compare.oracle import Truth, paths, total_path
from autograd_core.compare.problem import Array, Problem
from autograd_core.compare.rounding import JUDGEABLE, Samples, floor, measure
from autograd_core.compare.tagging import TagScope

Terms = dict[str | None, list[Array]]
WORK = 1.5e8  # elements that all searches at one point may compute: about 0.2 s
MOST_VALUES = 24  # unnamed values that are tried in a formula
SLICES = 100.0  # slices count where the whole error is not far above rounding; and the demand on each is rougher


@dataclass(eq=False)
class Case:
    """A claim that is not exact, at one point.

    Attributes:
        posed: What is judged.
        claim: The claim.
        at: The engine's run at the point.
        draws: Upstream gradients.
        claimed: The claim's values, per draw; their shape may differ from the true one.
        true: The true gradient, per draw.
        tolerance: What rounding explains, relative to max|true|.
        by_slice: The error is in a small slice only: a repair must fit each slice on its scale.
    """

    posed: Problem
    claim: Claim
    at: Truth
    draws: Sequence[Array]
    claimed: Sequence[Array]
    true: Sequence[Array]
    tolerance: float
    by_slice: bool = False
    work: float = 0.0
    wanted: str | None = None  # the only text that is asked for: a repair found elsewhere
    notes: dict[str, Any] = field(default_factory=dict)  # what searches share

    def fits(self, claimed: Iterable[Any], true: Sequence[Array]) -> bool:
        """Equal to rounding in every draw; `claimed` is asked for no more draws than needed."""
        return all(self.agree(a, b) for a, b in zip(claimed, true, strict=True))

    def agree(self, a: Any, b: Array) -> bool:
        """Equal to rounding."""
        if np.shape(a) != b.shape:
            return False
        error, scale = np.abs(a - b), np.abs(b)
        # What overflows fits nothing: inf is no farther from a number than from another inf.
        if not (error.max() <= self.tolerance * scale.max() and np.isfinite(scale.max())):
            return False
        if not self.by_slice:
            return True
        for axis in range(b.ndim):
            others = tuple(i for i in range(b.ndim) if i != axis)
            if (error.max(axis=others) > SLICES * self.tolerance * scale.max(axis=others)).any():
                return False
        return True

    def vanishes(self) -> bool:
        """The claim is zero, or nothing but rounding beside the truth."""
        pairs = zip(self.claimed, self.true, strict=True)
        return all(float(np.abs(a).max()) <= self.tolerance * float(np.abs(b).max()) for a, b in pairs)

    def skips(self, text: str) -> bool:
        """Whether this repair need not be tried."""
        return self.wanted is not None and text != self.wanted

    def confirms(self, text: str, search: Callable[[Case], Iterator[str]]) -> bool:
        """Whether a repair that a search found elsewhere holds here too."""
        self.wanted = text
        try:
            return text in search(self)
        finally:
            self.wanted = None

    def afford(self, elements: float) -> bool:
        """Whether so much may still be computed; what may is counted."""
        self.work += elements
        return self.work <= WORK

    @property
    def target(self) -> str:
        """The input or tag whose gradient is claimed."""
        return self.claim.target

    @property
    def output_ndim(self) -> int:
        """Leading axes of a Jacobian claim; 0 for a gradient."""
        return self.at.output.ndim if self.claim.is_jacobian else 0

    @property
    def shaped(self) -> bool:
        """The claim has the true gradient's shape."""
        return bool(self.claimed[0].shape == self.true[0].shape)

    @property
    def counts(self) -> frozenset[int]:
        """Over how many elements the reductions of f run: the likeliest N."""
        return self.at.counts

    @cached_property
    def lengths(self) -> frozenset[int]:
        """Candidates for N: axis lengths, and the sizes of several axes taken together."""
        lengths: set[int] = set()
        shapes = [self.at.output.shape]
        shapes += [x.shape for x in (*self.at.inputs.values(), *self.at.tags.values())]
        for shape in shapes:
            for count in range(1, min(len(shape), 4) + 1):
                lengths.update(math.prod(axes) for axes in itertools.combinations(shape, count))
        return frozenset(lengths)

    @cached_property
    def terms(self) -> Terms:
        """The chain rule's terms per draw, by tag (None: the direct path); none for a Jacobian."""
        if self.output_ndim:
            return {}
        return _by_name([paths(self.posed, self.at, self.target, ct) for ct in self.draws])

    @cached_property
    def totals(self) -> Terms:
        """All that passes through a tag, per draw, by tag; none for a Jacobian."""
        if self.output_ndim:
            return {}
        order = self.at.order
        later = [t for t in self.at.tags if order.index(t) < order.index(self.target)]
        return {tag: [total_path(self.posed, self.at, self.target, tag, ct) for ct in self.draws] for tag in later}

    @cached_property
    def pulled(self) -> list[dict[str, Array]]:
        """The true gradients of all inputs and tags, per draw."""
        return [self.at.pullback(ct) for ct in self.draws]

    def known(self, draw: int) -> dict[str, Any]:
        """All that a claim could ask for."""
        if self.claim.is_jacobian:
            return {**self.at.inputs, **self.at.params, **self.at.tags}
        adjoints = {f"g_{tag}": self.pulled[draw][tag] for tag in self.at.tags}
        return {**self.at.inputs, **self.at.params, **self.at.tags, "g": self.draws[draw], **adjoints}

    def allowed(self, name: str) -> bool:
        """Whether the claim may use the name: no gradient of its own target or of a tag before it."""
        tags = list(self.at.tags)
        tag = name.removeprefix("g_")
        if not name.startswith("g_") or tag not in tags or self.target not in tags:
            return True
        return tags.index(tag) > tags.index(self.target)

    @cached_property
    def values(self) -> dict[str, Any]:
        """Values without a name that a formula may need: those that f computes, and complements of shares."""
        found: dict[str, Any] = {}
        program = self.forward
        if program is not None:
            for i in program.live()[:MOST_VALUES]:
                text, value = program.text(Ref(i)), program.values[i]
                if text != "..." and value.dtype == np.float64:
                    found.setdefault(text, value)
        shares = {**self.at.params, **self.at.tags}
        for name, x in shares.items():
            if isinstance(x, float) or name in self.at.tags:
                found.setdefault(f"1 - {name}", 1.0 - x)
        taken = {*self.at.inputs, *shares}
        return {text: np.asarray(x, dtype=np.float64) for text, x in found.items() if text not in taken}

    @cached_property
    def programs(self) -> list[Program]:
        """The claim as a program, per draw; empty if it cannot be traced."""
        found: list[Program] = []
        for d, expected in enumerate(self.claimed):
            known = {name: x for name, x in self.known(d).items() if self.allowed(name)} | self.values
            traced = trace(lambda given: _called(self.claim, given), known, expected)
            if traced is None or (found and len(traced[0].values) != len(found[0].values)):
                return []
            found.append(traced[0])
        return found

    @cached_property
    def forward(self) -> Program | None:
        """The forward function as a program, its tags named; None if it cannot be traced."""
        scope = TagScope(reserved=self.posed.names)
        names = list(self.at.inputs)

        def formula(given: Mapping[str, Any]) -> Any:
            params = {k: given[k] for k in self.at.params}
            return self.posed.run({n: given[n] for n in names}, params, scope)

        traced = trace(formula, {**self.at.inputs, **self.at.params}, self.at.output)
        if traced is None:
            return None
        program = traced[0]
        program.tags = {name: x._index for name, x in scope.raw.items() if hasattr(x, "_index")}
        return program


def _called(claim: Claim, given: Mapping[str, Any]) -> Any:
    first, rest = claim.needs[: claim.positional], claim.needs[claim.positional :]
    return claim.formula(*(given[name] for name in first), **{name: given[name] for name in rest})


def _by_name(draws: list[dict[str | None, Array]]) -> Terms:
    names = [n for n in draws[0] if all(n in terms for terms in draws)] if draws else []
    return {name: [terms[name] for terms in draws] for name in names}


def case_of(posed: Problem, claim: Claim, at: Truth, draws: Sequence[Array], samples: Sequence[Samples]) -> Case:
    """The case that the evidence at one point makes."""
    claimed = [s.claimed[0] for s in samples]
    true = [s.true[0] for s in samples]
    # The claim may be of another shape, or wrong: what rounding explains is the truth's movement.
    tolerance = max(measure(Samples(s.true, s.true, s.steps, s.size)).bound + floor(s) for s in samples)
    by_slice = False
    if claimed[0].shape == true[0].shape and all(np.isfinite(a).all() for s in samples for a in s.claimed):
        measures = [measure(s) for s in samples]
        tolerance = max(tolerance, *(m.bound for m in measures))
        by_slice = all(m.error <= SLICES * m.bound for m in measures)
    # What is no better than this says nothing of N-1 for N; but single precision is as it is.
    most = max(JUDGEABLE, *(2.0 * floor(s) for s in samples))
    if claim.is_jacobian and at.output.ndim == 0:
        draws = [np.ones(())]  # the Jacobian of a number is its gradient, with 1 for g
    return Case(posed, claim, at, draws, claimed, true, min(tolerance, most), by_slice)


def projection(a: Sequence[Array], b: Sequence[Array]) -> float:
    """The factor c that brings c b nearest to a."""
    above, below = (max(float(np.abs(x).max(initial=0.0)) for x in xs) for xs in (a, b))
    if not (0.0 < above < np.inf and 0.0 < below < np.inf):
        return 0.0
    # On their own scales, so that no square overflows.
    square = sum(float(np.square(y / below).sum()) for y in b)
    product = sum(float(((x / above) * (y / below)).sum()) for x, y in zip(a, b, strict=True))
    return product / square * (above / below)
