"""The smallest shapes and simplest values at which a student's claim still fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autograd_core.compare.claims import read_claims
from autograd_core.compare.oracle import discover_tags, truth
from autograd_core.compare.problem import Array
from autograd_core.compare.student import ClaimError, Failure, Guard
from autograd_core.compare.trials import Assignment, Sizes, Trial

TRIES = 80  # shapes judged while shrinking one counterexample
SHOWN = 1e-6  # an error that the printed digits show
UNITS = 8  # upstream gradients with a single one that are tried


@dataclass(frozen=True)
class Counterexample:
    """Arguments at which a claim fails. The true gradient is not part of it.

    Attributes:
        sizes: The named sizes.
        inputs: The inputs.
        params: The parameters.
        upstream: The upstream gradient g; None for a Jacobian.
        claimed: What the claim returned; None if it returned nothing, or if it is given true gradients,
            which its answer may repeat.
        wrong_at: Index of the element that is farthest off; None where the whole shape is wrong.
        failure: What the claim did instead of returning an array of the right shape.
    """

    sizes: Sizes
    inputs: dict[str, Array]
    params: dict[str, Any]
    upstream: Array | None
    claimed: np.ndarray[Any, Any] | None
    wrong_at: tuple[int, ...] | None
    failure: Failure | None


Fails = Callable[[Trial], bool]


def shrink(assignment: Assignment, start: Trial, fails: Fails, label: str) -> Trial:
    """The smallest sizes below `start` that still fail: each size in turn, by bisection, until none falls.

    Args:
        assignment: The teacher's part.
        start: A trial that fails.
        fails: Whether a trial fails in the same way.
        label: Purpose of the inputs that are drawn for it.
    """
    best = start
    tried: dict[tuple[int, ...], Trial | None] = {}

    def failing(sizes: Sizes) -> Trial | None:
        key = tuple(sizes.values())
        if key not in tried:
            trial = assignment.trial(sizes, "counterexample", label)
            tried[key] = trial if len(tried) < TRIES and fails(trial) else None
        return tried[key]

    fell = True
    while fell:
        fell = False
        for name, (low, _) in assignment.ranges.items():
            for n in _between(low, best.sizes[name]):
                found = failing({**best.sizes, name: n})
                if found is not None:
                    best, fell = found, True
                    break
    return best


def _between(low: int, high: int) -> Iterator[int]:
    """low, then ever closer below high."""
    while low < high:
        yield low
        low = max(low + 1, (low + high) // 2)


def simplify(trial: Trial, fails: Fails) -> Trial:
    """The same sizes with small integers, or short decimals, in place of the inputs where it still fails."""
    for name, x in trial.posed.inputs.items():
        for candidate in _simpler(x):
            inputs = {**trial.posed.inputs, name: candidate}
            simpler = replace(trial, posed=replace(trial.posed, inputs=inputs))
            try:
                failing = fails(simpler)
            except Exception:  # f cannot be evaluated there: these are no inputs of the assignment
                continue
            if failing:
                trial = simpler
                break
    return trial


def _simpler(x: Array) -> Iterator[Array]:
    """Signs and zeros stay, since logarithms, roots and masks may depend on them."""
    if np.array_equal(x, np.rint(x)) or not x.size:
        return
    if x.min() >= 0.0 and any(np.allclose(x.sum(axis=axis), 1.0) for axis in range(x.ndim)):
        return  # probabilities: rounded, they would be none any more
    candidates = [np.rint(10.0 * x) / 10.0]
    if x.min() < 0.0 or x.max() > 1.0:  # else they may be probabilities
        size, place = np.unique(np.abs(x), return_inverse=True)
        ranks = np.arange(len(size)) + float(size[0] > 0.0)  # unlike numbers stay unlike, in their order
        candidates = [np.sign(x) * np.ceil(np.abs(x)), np.sign(x) * ranks[place.reshape(x.shape)], *candidates]
    for candidate in candidates:
        if np.array_equal(candidate == 0.0, x == 0.0):
            candidate = candidate + 0.0  # no negative zeros
            candidate.flags.writeable = False
            yield candidate


def show(trial: Trial, target: str, guard: Guard, rng: np.random.Generator) -> Counterexample | None:
    """The claim at the trial for the simplest upstream gradient that shows its error; None if none does."""
    posed = trial.posed
    tags = discover_tags(posed)
    at = truth(posed, posed.inputs, posed.params, tags)
    (claim,) = read_claims({target: guard}, posed.inputs, posed.params, tuple(tags))
    example = Counterexample(trial.sizes, posed.inputs, posed.params, None, None, None, None)

    def known(ct: Array | None, adjoints: Mapping[str, Array]) -> dict[str, Any]:
        return {**at.inputs, **at.params, **at.tags, "g": ct, **{f"g_{t}": adjoints[t] for t in tags if t in adjoints}}

    options: list[Array | None] = [None] if claim.is_jacobian else list(_upstream(at.output.shape, rng))
    found: list[tuple[float, float, Counterexample]] = []
    for ct in options:
        pulled = {} if ct is None else at.pullback(ct)
        true = at.jacobian({target})[target] if ct is None else pulled[target]
        try:
            claimed = claim.evaluate(known(ct, pulled))
        except ClaimError as stop:
            return replace(example, upstream=ct, failure=stop.failure)
        answer = None if claim.adjoints else claimed
        if claimed.shape != true.shape:
            text = f"returns shape {claimed.shape}, must be {true.shape}"
            return replace(example, upstream=ct, claimed=answer, failure=Failure("shape", text, guard.definition()))
        error = np.where(np.isfinite(claimed), np.abs(claimed - true), np.inf)
        worst = tuple(int(i) for i in np.unravel_index(int(np.argmax(error)), error.shape))
        shown = replace(example, upstream=ct, claimed=answer, wrong_at=worst)
        found.append((float(error.max()), float(np.abs(true).max()), shown))
    scale = max(size for _, size, _ in found)
    clear = [shown for error, _, shown in found if error > SHOWN * scale]
    if clear:
        return clear[0]
    largest, _, shown = max(found, key=lambda item: item[0])
    return shown if largest > 0.0 else None


def _upstream(shape: tuple[int, ...], rng: np.random.Generator) -> Iterator[Array]:
    """Simple ones first: a single one, all ones, small integers."""
    size = int(np.prod(shape))
    for i in range(min(size, UNITS)):
        unit = np.zeros(size)
        unit[i] = 1.0
        yield unit.reshape(shape)
    if size > 1:
        yield np.ones(shape)
        yield rng.choice([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0], shape)
