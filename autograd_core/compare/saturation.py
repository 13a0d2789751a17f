"""Where the gradient saturates: an element so small that its terms cancel to below their own rounding.

In sigma'(x) = s (1 - s) at x = 36 the difference 1 - s is a few units in the last place of 1. Every formula for
it, the engine's included, is right to within eps beside the gradient that the function has nearer to zero,
and wrong by some per cent of the gradient itself. No move of the inputs shows that (the grid of 1 - s is
coarser than what the move changes). So the claim is evaluated along the way towards zero, where the same
formula does not saturate: if it is right there, its error here says nothing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from autograd_core.compare.claims import Claim
from autograd_core.compare.evidence import Evidence
from autograd_core.compare.rounding import EPS

# How often the inputs are halved, towards zero: first where a sigmoid that is saturated comes back, to see at once
# that nothing is saturated.
HALVINGS = (5, 3, 7, 1, 2, 4, 6, 8, 10, 12, 14)
FIRST = 3
FAR_BELOW = 1e-7  # of the gradient elsewhere: a saturated one
ROUNDINGS = 4096.0  # times eps beside the gradient elsewhere is what its terms round; an exponent of 36 is in it
RIGHT = 1e-6  # the relative error of a right claim where it does not saturate

Mask = npt.NDArray[np.bool_]


def saturated(claim: Claim, evidence: Evidence) -> list[Mask]:
    """For each draw, the elements whose error says nothing, since the gradient there is saturated.

    An element counts if its true gradient b is far below the largest one on the way to zero, B (times the factor
    by which the inputs were shrunk: a mean slope), the error at most some eps B, and the claim right at B.
    """
    samples = evidence.samples[claim.target]
    first = _of_draw(claim, evidence, 0)
    if not first.any():  # which ones they are does not hang on the draw
        return [first] * len(samples)
    return [first, *(_of_draw(claim, evidence, draw) for draw in range(1, len(samples)))]


def _of_draw(claim: Claim, evidence: Evidence, draw: int) -> Mask:
    sample = evidence.samples[claim.target][draw]
    true = sample.true[0]
    error = np.abs(sample.claimed[0].astype(np.float64) - true)
    slope, right = np.zeros_like(true), np.zeros(true.shape, dtype=bool)
    for i, k in enumerate(HALVINGS):
        if i == FIRST and not (np.abs(true) <= 1e3 * FAR_BELOW * slope).any():
            break
        shrunk = {name: x * 0.5**k for name, x in evidence.at.inputs.items()}
        try:
            a, b = evidence.elsewhere(claim, shrunk, draw)
        except Exception:  # the claim, or f, is not defined there
            continue
        if a.shape != true.shape or b.shape != true.shape:
            continue
        mean = np.abs(b) * 0.5**k
        better = np.isfinite(mean) & (mean > slope)
        right = np.where(better, np.abs(a - b) <= RIGHT * np.abs(b), right)
        slope = np.where(better, mean, slope)
    return right & (np.abs(true) <= FAR_BELOW * slope) & (error <= ROUNDINGS * EPS * slope)
