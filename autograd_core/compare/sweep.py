"""The order of an error in a small parameter, fitted over a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEAST_ORDER = 0.2
LEAST_POINTS = 3
LEAST_FIT = 0.99


@dataclass(frozen=True)
class Fit:
    """What a sweep says of an error that is above rounding somewhere.

    Attributes:
        order: p in error ~ parameter^p, if the error fades cleanly; else None.
        open: Too few values lie above rounding to tell.
    """

    order: float | None
    open: bool


def fit_order(values: Sequence[float], errors: Sequence[float], above: Sequence[bool]) -> Fit:
    """Fit log(error) = p log(value) + c.

    The fit uses the smaller half of the values at which the error is above rounding (at least
    three of them): the order is a statement about small parameters, and at large ones (epsilon
    beside a variance of its own size) the error bends away from its power law.

    Args:
        values: The parameter, falling.
        errors: Relative error at each value.
        above: Whether that error is certainly above rounding.
    """
    points = [(v, e) for v, e, up in zip(values, errors, above, strict=True) if up]
    if not np.all(np.isfinite([e for _, e in points])):
        return Fit(None, open=False)
    # Rounding may swallow the error at small values only: one that returns there does not fade.
    if list(above) != sorted(above, reverse=True):
        return Fit(None, open=False)
    if len(points) < LEAST_POINTS:
        faded = len(points) < len(values) or points[-1][1] < points[0][1]
        return Fit(None, open=faded)
    chosen = points[-max(LEAST_POINTS, (len(points) + 1) // 2) :]
    x, y = np.log([v for v, _ in chosen]), np.log([e for _, e in chosen])
    order, offset = np.polyfit(x, y, 1)
    spread = float(((y - y.mean()) ** 2).sum())
    quality = 1.0 - float(((y - order * x - offset) ** 2).sum()) / spread if spread else 0.0
    last = (y[-1] - y[-2]) / (x[-1] - x[-2])  # a floor under the error shows here first
    clean = quality >= LEAST_FIT and order > LEAST_ORDER and last > 0.5 * order
    return Fit(float(order) if clean else None, open=False)
