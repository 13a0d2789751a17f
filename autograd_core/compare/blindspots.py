"""Blind spots of the inputs: what a claim leaves out or mistakes cannot be seen where the inputs are special.

A gain of ones, as every layer starts with, makes a missing factor gamma exact; a symmetric matrix makes a missing
transpose exact; a batch of one makes a sum a mean. Such a claim is exact at these inputs, and the report says
that it is not elsewhere. Elsewhere means: at inputs that are changed in this one respect.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from autograd_core.compare.claims import Claim
from autograd_core.compare.evidence import Evidence
from autograd_core.compare.problem import Array

PLAIN = (0.0, 1.0, -1.0)  # values that hide a factor, a term or a power
NOTICEABLE = 1e-6  # of the gradient
NOTHING = 1e-9  # a gradient so much smaller than at the point is none
SMALL, LARGE = 1e-6, 1e6  # sizes at which a constant such as epsilon is everything, or nothing
LONGER = 3  # the least length given to an axis of length one


def blind_spot(claim: Claim, evidence: Evidence) -> str:
    """Says of an exact claim that it is so only because something about the inputs is special; else ""."""
    rng = np.random.default_rng(0)
    known = {**evidence.at.inputs, **evidence.at.params}
    # Unlike any other length: an axis that is there to be broadcast must not fit by accident.
    lengths = {n for x in (*known.values(), evidence.at.output) for n in np.shape(x)}
    longer = next(n for n in range(LONGER, LONGER + len(lengths) + 1) if n not in lengths)
    together: dict[str, Any] = {}
    words: list[str] = []
    for name, value in known.items():
        for trait, others in _traits(name, value, longer if name in evidence.at.inputs else 0, rng):
            valid = [
                (other, wrong) for other in others if (wrong := _is_wrong(claim, evidence, {name: other})) is not None
            ]
            if any(wrong for _, wrong in valid):
                return f"but only where {trait}, as here"
            if valid and np.shape(valid[0][0]) == np.shape(value) and name not in together:
                together[name] = valid[0][0]
                words.append(trait)
    if len(together) > 1 and _is_wrong(claim, evidence, together):  # one may cover up the other
        return f"but only where {' and '.join(words)}, as here"
    return ""


def _is_wrong(claim: Claim, evidence: Evidence, changed: dict[str, Any]) -> bool | None:
    """Whether the claim fails at the changed inputs; None if that cannot be said."""
    try:
        claimed, true = evidence.elsewhere(claim, changed, 0)
    except Exception:  # the claim, or f, is not defined there
        return None
    # Another shape says only that the claim was written for these shapes.
    if claimed.shape != true.shape or not (np.isfinite(claimed).all() and np.isfinite(true).all()):
        return None
    scale = float(np.abs(true).max(initial=0.0))
    here = float(np.abs(evidence.samples[claim.target][0].true[0]).max())
    sizes = [float(np.abs(x).max(initial=0.0)) for x in evidence.at.inputs.values()]
    ordinary = all(size == 0.0 or SMALL <= size <= LARGE for size in sizes)
    if scale == 0.0 or (ordinary and scale < NOTHING * here):
        return None
    return bool(np.abs(claimed - true).max() > NOTICEABLE * scale)


def _traits(name: str, value: Any, longer: int, rng: np.random.Generator) -> Iterator[tuple[str, list[Any]]]:
    """What is special about a value, with others that are not so; `longer` is the length for short axes of inputs."""
    if isinstance(value, float) and value in PLAIN:
        yield f"{name!r} is {value:g}", [0.6 * value or 0.4]
    if not isinstance(value, np.ndarray) or value.dtype != np.float64 or not value.size or not np.isfinite(value).all():
        return
    x: Array = value
    size = float(np.abs(x).max()) or 1.0
    first = float(x.flat[0])
    if x.ndim == 2 and x.shape[0] == x.shape[1] > 1 and (x == x.T).all() and (x != first).any():
        kind = "the identity" if (x == np.eye(len(x))).all() else "symmetric"
        yield f"{name!r} is {kind}", [x + 0.5 * float(np.std(x)) * rng.standard_normal(x.shape)]
    if (x == first).all():
        if x.size > 1 or first.is_integer():
            up = x + size * rng.uniform(0.25, 0.75, x.shape)
            down = x - size * rng.uniform(0.25, 0.75, x.shape)
            yield f"{name!r} is {first:g} throughout", [_summing_alike(x, up), _summing_alike(x, down)]
    elif np.isin(x, PLAIN).all():
        kinds = " or ".join(f"{v:g}" for v in PLAIN if (x == v).any())
        yield f"{name!r} is {kinds} throughout", [_summing_alike(x, rng.uniform(0.25, 1.75, x.shape))]
    if not longer:  # a parameter
        return
    # A small spread about a large mean would be all rounding at another scale.
    if not SMALL <= size <= LARGE and (x.size == 1 or float(np.std(x)) > 1e-3 * size):
        yield f"{name!r} is as {'small' if size < SMALL else 'large'} as {size:.0e}", [x / size]
    for axis in (i for i, n in enumerate(x.shape) if n == 1):
        shape = (*x.shape[:axis], longer, *x.shape[axis + 1 :])
        spread = float(np.std(x)) or size
        several = np.broadcast_to(x, shape) + 0.5 * spread * rng.standard_normal(shape)
        yield f"axis {axis} of {name!r} has length one", [several]


def _summing_alike(x: Array, other: Array) -> Array:
    """`other`, with the sums of one if `x` has these: probabilities, and one-hot labels, stay such."""
    for axis in reversed(range(x.ndim)):
        if x.shape[axis] > 1 and np.allclose(x.sum(axis=axis), 1.0):
            positive = np.abs(other)
            scaled: Array = positive / positive.sum(axis=axis, keepdims=True)
            return scaled
    return other
