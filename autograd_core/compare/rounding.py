"""How big an error rounding can explain: measured at the user's own inputs, not assumed.

Inputs, upstream gradient and parameters are moved by a few ulps, several times. Then

- the true gradient moves by what any backward-stable formula may be off (its conditioning);
- the residual r = claim - truth moves by what the two evaluations themselves round.

A formula error stays where it is under such moves; a rounding error does not. So an unstable but
correct rewriting (a variance as E[z^2] - E[z]^2) is not called wrong, and N-1 in place of N is not
hidden in a tolerance.

Some rounding errors notice no move of a few ulps: those of a claim in single precision, and of
1 - p beside p = 1. A claim that seems to be wrong by little is therefore moved again, much further
(`grain`). There a formula error grows with the move, as every smooth function does; rounding does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_core.compare.problem import Array

# Sizes of the moves in ulps. A sum of thousands of terms may not notice single ulps (its rounding
# error then looks as constant as a formula error), so the later ones are large; the truth's movement
# is divided by the size again.
MOVES = (1, 1, 4096, 4096)
# Half an ulp of single precision, and sixteen times as much.
COARSE_MOVES = (2**28, 2**28, 2**28, 2**28, 2**32, 2**32)
COARSE_RATIO = 16.0
COARSE_LIMIT = 1e-2  # no rounding error that could still be told from a mistake is larger
SPREAD = 8.0  # a handful of samples underestimates the largest movement; rounding has biases
CLEARLY = 10.0  # between the bound and this multiple of it nothing is concluded
JUDGEABLE = 1e-7  # a bound above this could hide N-1 in place of N at N = 4096
SMALL_SLICE = 4  # elements of a slice that must all be wrong on their own scale
NEARLY_ZERO = 1e-290  # below it products underflow
EPS = float(np.finfo(np.float64).eps)


def moved(x: Array, ulps: int, rng: np.random.Generator, together: bool = False) -> Array:
    """`x` with each element moved by `ulps` or twice as many, up or down (or all up); zeros stay zeros."""
    steps = ulps * rng.integers(1, 3, x.shape) * rng.choice([-1.0, 1.0], x.shape)
    if together:  # a mean of thousands does not notice moves that cancel
        steps = np.abs(steps)
    return np.where(x == 0.0, x, x + steps * np.spacing(np.abs(x)))


@dataclass(frozen=True)
class Samples:
    """One draw: claim and truth at the point itself (first) and at the moved points.

    Attributes:
        claimed: The claimed values.
        true: The engine's values, of the same shapes.
        steps: By how many ulps each of the moved points differs.
        size: The largest number of elements that a sum in the formula can run over.
    """

    claimed: Sequence[np.ndarray[Any, Any]]
    true: Sequence[Array]
    steps: Sequence[int]
    size: int


@dataclass(frozen=True)
class Measure:
    """An error and what rounding explains of it, both relative to max|true|.

    Attributes:
        error: max|claimed - true| / max|true|.
        bound: What rounding can explain.
        moves: By how much of its size the truth moves when the inputs move by an ulp.
        scale: max|true|.
        worst: Index of the largest error.
        small_part: (axis, index) of a slice that is wrong on its own scale, though too small to
            count in the whole array; or None.
        doubtful: Index of an element that is off on its own scale, though too small to count in the
            whole array, and too much alone to tell a mistake from cancellation; or None.
    """

    error: float
    bound: float
    moves: float
    scale: float
    worst: tuple[int, ...]
    small_part: tuple[int, int] | None = None
    doubtful: tuple[int, ...] | None = None

    @property
    def within(self) -> bool:
        """Equal to within rounding."""
        return self.error <= self.bound and self.small_part is None and self.doubtful is None

    @property
    def beyond(self) -> bool:
        """Certainly not equal: rounding cannot be the cause."""
        return self.error > CLEARLY * self.bound or self.small_part is not None

    @property
    def judgeable(self) -> bool:
        """The bound is small enough for equality to mean something."""
        return self.bound <= JUDGEABLE

    @property
    def vanishing(self) -> bool:
        """The true gradient is zero, or nothing but rounding errors."""
        return self.scale == 0.0 or self.moves > 1e-2


def floor(samples: Samples) -> float:
    """The relative error that a few operations and a sum in the claim's dtype leave anyway."""
    eps = float(np.finfo(np.result_type(samples.claimed[0], np.float16)).eps)
    return max(eps, EPS) * (16.0 + 4.0 * float(np.sqrt(samples.size)))


def measure(samples: Samples, grain: Array | None = None) -> Measure:
    """Measure one draw; shapes of claim and truth must agree, and all must be finite.

    Args:
        samples: Claim and truth.
        grain: Per element, rounding that was found by larger moves.
    """
    a, b = samples.claimed[0].astype(np.float64), samples.true[0]
    error, scale = np.abs(a - b), np.abs(b)
    movement, noise = np.zeros_like(b), np.zeros_like(b)
    for a_moved, b_moved, step in zip(samples.claimed[1:], samples.true[1:], samples.steps, strict=True):
        movement = np.maximum(movement, np.abs(b_moved - b) / step)
        noise = np.maximum(noise, np.abs((a_moved - b_moved) - (a - b)))
    if grain is not None:
        noise = np.maximum(noise, grain)
    least = floor(samples)
    worst = np.unravel_index(int(np.argmax(error)), error.shape)
    top = float(scale.max())
    if top == 0.0:  # no scale to relate to: absolute figures
        blur = SPREAD * float((movement + noise).max())
        return Measure(float(error.max()), blur, 0.0, 0.0, tuple(map(int, worst)))
    whole = SPREAD * float((movement + noise).max()) / top + least
    return Measure(
        float(error.max()) / top,
        whole,
        float(movement.max()) / top,
        top,
        tuple(map(int, worst)),
        *_small_parts(error, scale, SPREAD * (movement + noise), least),
    )


def _small_parts(
    error: Array, scale: Array, blur: Array, least: float
) -> tuple[tuple[int, int] | None, tuple[int, ...] | None]:
    """What is off on its own scale: a slice (one feature among others far larger), or else an element."""
    # Few samples measure the blur of a single element badly, so the demand is ten times higher.
    margin = 10.0 * CLEARLY
    off = (error > margin * (blur + least * scale)) & (error > NEARLY_ZERO)
    # Where the truth is a plain zero, what a cancellation leaves of the large elements is none.
    off &= (scale > 0.0) | (error > 16.0 * EPS * float(scale.max()))
    if not off.any():
        return None, None
    for axis in range(error.ndim if error.ndim > 1 else 0):
        others = tuple(i for i in range(error.ndim) if i != axis)
        bound = blur.max(axis=others) + least * scale.max(axis=others)
        count, size = off.sum(axis=others), off.size // off.shape[axis]
        # A mistake is made throughout; a cancellation happens to strike one or the other element.
        wrong = (error.max(axis=others) > margin * bound) & (count >= max(SMALL_SLICE, 0.5 * size))
        if wrong.any():
            return (axis, int(np.argmax(wrong))), None
    index = np.unravel_index(int(np.argmax(off)), off.shape)
    return None, tuple(map(int, index))


def grain(samples: Samples, coarse: Samples) -> Array:
    """Per element, the residual's change under large moves, where it is that of rounding.

    Args:
        samples: Claim and truth at the point.
        coarse: The same at points that are `COARSE_MOVES` away.
    """
    residual = samples.claimed[0].astype(np.float64) - samples.true[0]
    changes = {step: np.zeros_like(residual) for step in coarse.steps}
    for a, b, step in zip(coarse.claimed, coarse.true, coarse.steps, strict=True):
        changes[step] = np.maximum(changes[step], np.abs(a.astype(np.float64) - b - residual))
    near, far = changes[min(changes)], changes[max(changes)]
    rough = far < 0.4 * COARSE_RATIO * near
    if float(far.max()) >= 0.4 * COARSE_RATIO * float(near.max()):
        # As a whole it grows with the move: believe the few elements only in what they show themselves.
        return np.where(rough, np.minimum(near, far), 0.0)
    return near
