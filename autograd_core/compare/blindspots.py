"""Blind spots of the inputs: what a claim leaves out cannot be seen where it is 1 (or 0) throughout.

A gain of ones, as every layer starts with, makes a missing factor gamma exact. Such a claim is exact
at these inputs, and the report says that it is not elsewhere.
"""

from __future__ import annotations

import numpy as np

from autograd_core.compare.claims import Claim
from autograd_core.compare.evidence import Evidence

PLAIN = (0.0, 1.0, -1.0)  # values that hide a factor, a term or a power
NOTICEABLE = 1e-6  # of the gradient


def blind_spot(claim: Claim, evidence: Evidence, rng: np.random.Generator) -> str:
    """Says of an exact claim that it is so only because an input is 0, 1 or -1 throughout; else ""."""
    inputs = evidence.at.inputs
    for name, x in inputs.items():
        if not x.size or x.flat[0] not in PLAIN or not (x == x.flat[0]).all():
            continue
        other = x + rng.uniform(0.25, 0.75, x.shape)
        try:
            claimed, true = evidence.elsewhere(claim, {**inputs, name: other})
        except Exception:  # the claim, or f, is not defined there
            continue
        if claimed.shape != true.shape or not (np.isfinite(claimed).all() and np.isfinite(true).all()):
            continue
        if np.abs(claimed - true).max() > NOTICEABLE * np.abs(true).max():
            return f"but only where {name!r} is {x.flat[0]:g} throughout, as here"
    return ""
