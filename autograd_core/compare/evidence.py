"""What is needed to judge the claims at one point: truth and claims, there and an ulp beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autograd_core.compare.claims import Claim
from autograd_core.compare.confirm import Confirmation, confirm, kinks
from autograd_core.compare.oracle import Truth, discover_tags, truth
from autograd_core.compare.problem import Array, Problem
from autograd_core.compare.rounding import COARSE_MOVES, EPS, MOVES, Samples, measure, moved
from autograd_core.errors import ArgumentError

DRAWS = 3  # independent upstream gradients; Gaussian, so that no projection annihilates them
WORST = 3  # elements of each draw at which a claim is off most: there the oracle is confirmed as well
Index = tuple[int, ...]
RESCALE = 1.37  # no power of two: the backward pass of a scaled upstream gradient rounds anew


@dataclass(frozen=True)
class Evidence:
    """All draws of all claims at one point.

    Attributes:
        at: The engine's run at the point.
        draws: Upstream gradients.
        samples: Per claim, a `Samples` for each draw (one in all for a Jacobian).
        confirmations: Of every gradient that a claim is judged by or uses.
        noise: What rounding leaves uncertain of each element of the output.
        coarse: Samples of a claim at points farther away, for each draw; computed when asked for.
        elsewhere: Claim and truth, for one draw, at other inputs and parameters, of other shapes too.
        repeat: Evaluates a claim at every point again; raises if it gives anything else than before.
        kinks_among: Those of the indices of a target at which f is not differentiable.
    """

    at: Truth
    draws: list[Array]
    samples: dict[str, list[Samples]]
    confirmations: dict[str, Confirmation]
    noise: Array
    coarse: Callable[[Claim], list[Samples]]
    elsewhere: Callable[[Claim, Mapping[str, Any], int], tuple[Array, Array]]
    repeat: Callable[[Claim], None]
    kinks_among: Callable[[str, Sequence[Index]], list[Index]]

    def flow(self, ct: Array) -> float:
        """The size of the terms that make up <ct, f>, even where they cancel in it."""
        return float(np.abs(ct * self.noise).max()) / EPS


def gather(
    problem: Problem,
    params: dict[str, Any],
    tags: Mapping[str, tuple[int, ...]],
    claims: Sequence[Claim],
    rng: np.random.Generator,
    share: float,
) -> Evidence:
    """Evaluate everything at one point.

    Args:
        problem: What is judged.
        params: The parameters at this point.
        tags: Names and shapes of the tags.
        claims: The claims.
        rng: Source of upstream gradients and of moves.
        share: Of the elements at which the oracle is confirmed.
    """
    at = truth(problem, problem.inputs, params, tags)
    _check_repeatable(problem, at, tags)
    draws = [_frozen(rng.standard_normal(at.output.shape)) for _ in range(DRAWS)]

    def aside(step: int, together: bool = False) -> tuple[Truth, list[Array]]:
        inputs = {name: _frozen(moved(x, step, rng, together)) for name, x in problem.inputs.items()}
        beside_them = {name: _beside(value, step, rng) for name, value in params.items()}
        return truth(problem, inputs, beside_them, tags), [_frozen(moved(ct, step, rng, together)) for ct in draws]

    beside = [aside(step) for step in MOVES]
    points = [(at, draws), *beside]
    gradients = [[_pulled(point, ct, 1.0) for ct in cts] for point, cts in points]
    again = [_pulled(at, ct, RESCALE) for ct in draws]

    whole = {claim.target for claim in claims if claim.is_jacobian}
    jacobians = [point.jacobian(whole) for point, _ in points] if whole else []
    size = max(at.output.size, *(x.size for x in problem.inputs.values()))
    samples: dict[str, list[Samples]] = {}
    for claim in claims:
        name = claim.target
        if claim.is_jacobian:
            values = [claim.evaluate(_known(point, None, {})) for point, _ in points]
            _check_deterministic(claim, values[0], claim.evaluate(_known(at, None, {})))
            samples[name] = [Samples(values, [j[name] for j in jacobians], MOVES, size)]
            continue
        samples[name] = []
        for d, ct in enumerate(draws):
            values = [
                claim.evaluate(_known(point, cts[d], pulled[d]))
                for (point, cts), pulled in zip(points, gradients, strict=True)
            ]
            _check_deterministic(claim, values[0], claim.evaluate(_known(at, ct, gradients[0][d])))
            # The same gradient computed in a mathematically equal way.
            values.append(claim.evaluate(_known(at, ct, again[d])))
            true = [*(pulled[d][name] for pulled in gradients), again[d][name]]
            samples[name].append(Samples(values, true, (*MOVES, 1), size))

    needed = {c.target for c in claims} | {t for c in claims for t in c.adjoints}
    bounds = {}
    for name in sorted(needed):
        own = [[pulled[d][name] for pulled in gradients] for d in range(DRAWS)]
        # The truth in place of the claim: what rounding explains of the gradient itself.
        bounds[name] = max(_bound(Samples(b, b, MOVES, size)) for b in own)
    noise = EPS * np.abs(at.output)
    for (point, _), step in zip(beside, MOVES, strict=True):
        change = np.abs(point.output - at.output) / step
        noise = np.maximum(noise, np.where(np.isfinite(change), change, 0.0))
    far: list[tuple[Truth, list[Array]]] = []

    def coarse(claim: Claim) -> list[Samples]:
        if not far:
            far.extend(aside(step, together=bool(i % 2)) for i, step in enumerate(COARSE_MOVES))
        return _coarse(claim, far, size)

    def elsewhere(claim: Claim, changed: Mapping[str, Any], draw: int) -> tuple[Array, Array]:
        inputs = {name: _frozen(changed.get(name, x)) for name, x in problem.inputs.items()}
        others = {name: changed.get(name, value) for name, value in params.items()}
        there = replace(problem, inputs=inputs, params=others, swept=None)
        point = truth(there, inputs, others, discover_tags(there))
        if claim.is_jacobian:
            return claim.evaluate(_known(point, None, {})), point.jacobian({claim.target})[claim.target]
        ct = draws[draw]
        if point.output.shape != ct.shape:
            ct = _frozen(np.random.default_rng(draw).standard_normal(point.output.shape))
        pulled = _pulled(point, ct, 1.0)
        return claim.evaluate(_known(point, ct, pulled)), pulled[claim.target]

    def repeat(claim: Claim) -> None:
        # In another order than the first time, so that a state of period n is not met in step again.
        for d, sample in reversed(list(enumerate(samples[claim.target]))):
            for p, (point, cts) in reversed(list(enumerate(points))):
                known = _known(point, None, {}) if claim.is_jacobian else _known(point, cts[d], gradients[p][d])
                _check_deterministic(claim, sample.claimed[p], claim.evaluate(known))

    def kinks_among(name: str, indices: Sequence[Index]) -> list[Index]:
        return kinks(problem, at, name, indices, draws, noise)

    worst: dict[str, set[Index]] = {}
    for claim in claims:
        worst.setdefault(claim.target, set()).update(_worst(claim, samples[claim.target], at.output.ndim))
    confirmations = confirm(problem, at, bounds, draws, noise, rng, share, worst)
    return Evidence(at, draws, samples, confirmations, noise, coarse, elsewhere, repeat, kinks_among)


def _worst(claim: Claim, samples: Sequence[Samples], leading: int) -> set[Index]:
    """The few elements of the target at which the claim is off most."""
    chosen = set()
    for sample in samples:
        a, b = sample.claimed[0], sample.true[0]
        if a.shape != b.shape:
            continue
        error = np.nan_to_num(np.abs(a - b), nan=np.inf).ravel()
        few = np.argsort(error)[-WORST:]
        for flat in few[error[few] > 0.0]:
            index = tuple(int(i) for i in np.unravel_index(flat, b.shape))
            chosen.add(index[leading:] if claim.is_jacobian else index)
    return chosen


def _coarse(claim: Claim, points: Sequence[tuple[Truth, list[Array]]], size: int) -> list[Samples]:
    if claim.is_jacobian:
        values = [claim.evaluate(_known(point, None, {})) for point, _ in points]
        return [Samples(values, [p.jacobian({claim.target})[claim.target] for p, _ in points], COARSE_MOVES, size)]
    found = []
    for d in range(DRAWS):
        pulled = [_pulled(point, cts[d], 1.0) for point, cts in points]
        values = [
            claim.evaluate(_known(point, cts[d], known)) for (point, cts), known in zip(points, pulled, strict=True)
        ]
        found.append(Samples(values, [known[claim.target] for known in pulled], COARSE_MOVES, size))
    return found


def _beside(value: Any, step: int, rng: np.random.Generator) -> Any:
    """A parameter moved as the inputs are, so that 1 - 0.999 may be written 0.001; whole numbers count something."""
    if not isinstance(value, float) or not np.isfinite(value) or value.is_integer():
        return value
    return float(moved(np.asarray(value), step, rng))


def _bound(samples: Samples) -> float:
    usable = samples.true[0].size and np.isfinite(samples.true).all()
    return measure(samples).bound if usable else 0.0


def _known(at: Truth, ct: Array | None, adjoints: Mapping[str, Array]) -> dict[str, Any]:
    known: dict[str, Any] = {**at.inputs, **at.params, **at.tags, "g": ct}
    known.update({f"g_{tag}": adjoints[tag] for tag in at.tags if tag in adjoints})
    # Copies: a claim that opens what it is given for writing must not reach the evidence of the others.
    return {name: _frozen(x.copy()) if isinstance(x, np.ndarray) else x for name, x in known.items()}


def _pulled(at: Truth, ct: Array, factor: float) -> dict[str, Array]:
    return {name: _frozen(x / factor) for name, x in at.pullback(ct * factor).items()}


def _frozen(array: Any) -> Array:
    # A claim that writes into what it is given would change the evidence of the next one.
    result = np.asarray(array)
    result.flags.writeable = False
    return result


def _check_repeatable(problem: Problem, at: Truth, tags: Mapping[str, tuple[int, ...]]) -> None:
    again = truth(problem, at.inputs, at.params, tags)
    if not np.array_equal(at.output, again.output, equal_nan=True):
        raise ArgumentError(
            "compare: f must give the same output for the same inputs, got different ones in two "
            "runs; draw random numbers from autograd_core.random, or pass them as params"
        )


def _check_deterministic(claim: Claim, first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> None:
    if not np.array_equal(first, second, equal_nan=True):
        raise ArgumentError(
            f"compare: a claim must give the same values for the same arguments, got different "
            f"ones in two calls of the claim for {claim.target!r}; it must not draw random numbers, count its calls "
            "or keep anything else between them"
        )
