"""The order of an error in a small parameter, fitted over a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autograd_core.compare.problem import Array

LEAST_ORDER = 0.2
LEAST_POINTS = 3
LEAST_FIT = 0.99
MOST_TERMS = 6  # of the power series that is taken off an error to see what stays at zero
NICE = 0.25  # powers are multiples of this, if the fitted one is near to one
NEAR = 0.06


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
        if len(points) < len(values) or len(points) < 2:
            return Fit(None, open=True)
        (v0, e0), (v1, e1) = points
        # Two values show no order; but an error that hardly falls from one to the other is no fading one.
        return Fit(None, open=bool(np.log(e0 / e1) > LEAST_ORDER * np.log(v0 / v1)))
    chosen = points[-max(LEAST_POINTS, (len(points) + 1) // 2) :]
    x, y = np.log([v for v, _ in chosen]), np.log([e for _, e in chosen])
    order, offset = np.polyfit(x, y, 1)
    spread = float(((y - y.mean()) ** 2).sum())
    quality = 1.0 - float(((y - order * x - offset) ** 2).sum()) / spread if spread else 0.0
    last = (y[-1] - y[-2]) / (x[-1] - x[-2])  # a floor under the error shows here first
    clean = quality >= LEAST_FIT and order > LEAST_ORDER and last > 0.5 * order
    return Fit(float(order) if clean else None, open=False)


def remainder(values: Sequence[float], residuals: Sequence[Array], order: float) -> tuple[float, float]:
    """What stays of an error when the parameter goes to zero: max|c| and how uncertain it is.

    With r(v) = c + a v^p + b v^2p + ... for each element, c is extrapolated by Neville's scheme from the smallest
    values; the uncertainty is the last change of the extrapolation.

    Args:
        values: The parameter, falling.
        residuals: claim - truth at each value.
        order: The fitted p.
    """
    nice = round(order / NICE) * NICE
    p = nice if nice > 0.0 and abs(nice - order) <= NEAR * max(1.0, order) else order
    u = [(v / values[-1]) ** p for v in reversed(values)][:MOST_TERMS]
    row: list[Array] = []
    best, doubt = float(np.abs(residuals[-1]).max()), np.inf
    for m, r in enumerate(list(reversed(residuals))[:MOST_TERMS]):
        new = [r]
        for k in range(1, m + 1):  # new[k] uses the values m - k ... m
            new.append(new[k - 1] + (new[k - 1] - row[k - 1]) * u[m] / (u[m - k] - u[m]))
        change = float(np.abs(new[m] - row[m - 1]).max()) if m else np.inf
        if change < doubt:
            best, doubt = float(np.abs(new[m]).max()), change
        row = new
    return best, doubt
