"""The numbers that `check_grads` judges by: complex step and central differences, each with a bound of its error.

References:
    Squire and Trapp, "Using complex variables to estimate derivatives of real functions", SIAM Review 40 (1998).
    Ridders, "Accurate computation of F'(x) and F'(x) F''(x)", Advances in Engineering Software 4 (1982).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from .tensor import Tensor

__all__ = ["EPS", "numbers"]

EPS = float(np.finfo(np.float64).eps)
_STEPS = (1e-2, 1e-3, 1e-4, 1e-5)


def numbers(
    f: Callable[..., tuple[Any, ...]],
    points: list[Any],
    cotangents: list[Any],
    analytic: bool,
    only: Sequence[Any] | None = None,
) -> tuple[list[Any], list[Any]]:
    """The gradient of <cotangents, f> in every element, in double precision, and bounds of its error.

    What rounding inside the function does to it is not in the bounds.

    Args:
        f: a function of arrays that returns arrays or Tensors.
        points: where to take the gradient, an array for each argument.
        cotangents: one for each output.
        analytic: the complex step may be taken.
        only: for each argument, a mask of the elements that are wanted.
    """
    doubles = [p.astype(np.float64) for p in points]

    def at(k: int, element: tuple[int, ...], step: Any) -> list[Any]:
        moved = [p.astype(complex) if isinstance(step, complex) else p.copy() for p in doubles]
        moved[k][element] += step
        return [
            np.asarray(y.data if isinstance(y, Tensor) else y) * c for y, c in zip(f(*moved), cotangents, strict=True)
        ]

    def terms(k: int, element: tuple[int, ...], step: float) -> Any:
        return np.concatenate([np.ravel(y) for y in at(k, element, step)])

    values, bounds = [np.zeros(p.shape) for p in points], [np.zeros(p.shape) for p in points]
    for k, point in enumerate(doubles):
        for element in np.ndindex(point.shape):
            if only is not None and not only[k][element]:
                continue
            x, along = abs(float(point[element])), partial(terms, k, element)
            best = _complex_step(partial(at, k, element)) if analytic else None
            if best is None or not _agrees(along, best[0], x):
                best = _difference(along, x)
            values[k][element], bounds[k][element] = best
    return values, bounds


def _complex_step(f: Callable[[complex], list[Any]]) -> tuple[float, float] | None:
    """Im f(x + ih) / h; None if the function does not take complex numbers after all."""
    h = 1e-20
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            outputs = f(1j * h)
    except Exception:  # user code may refuse complex numbers in any way
        return None
    if not all(np.iscomplexobj(y) for y in outputs):
        return None
    parts = [np.imag(y) / h for y in outputs]
    return float(sum(np.sum(p) for p in parts)), 256 * EPS * float(sum(np.sum(np.abs(p)) for p in parts))


def _agrees(f: Callable[[float], Any], slope: float, x: float) -> bool:
    """Whether real steps confirm a complex step.

    They do not where the function branches on its argument (a complex number takes one side of a kink, and no
    comparison is on the tape) or computes outside the tape, nor at the border of its domain, beyond which it is not
    finite: a tangent there may be vertical.
    """
    h = 1e-4 * (min(1.0, x) or 1.0)
    with np.errstate(all="ignore"):
        middle, up, down, half_up, half_down = (float(np.sum(f(s))) for s in (0.0, h, -h, h / 2, -h / 2))
        if not np.all(np.isfinite((middle, up, down, half_up, half_down))):
            return False
        coarse, fine = (up - down) / (2 * h), (half_up - half_down) / h
        rounding = 1e4 * EPS * max(abs(up), abs(down), abs(middle)) / h
        change = abs(coarse - fine)
        tolerance = 10 * change + 1e-4 * max(abs(slope), abs(fine)) + rounding
        kink = abs(2 * (half_up + half_down - 2 * middle) / (h / 2) - (up + down - 2 * middle) / h)
        if change > 0.1 * abs(fine) + rounding and change > 0.1 * abs(slope):  # a jump, or steps too long to tell
            return False
        return not (abs(fine - slope) > tolerance or kink > 10 * tolerance)


def _difference(f: Callable[[float], Any], x: float) -> tuple[float, float]:
    """A derivative at 0 by fourth-order central differences, from the step with the least error bound.

    x is the size of the number that is moved: steps are taken relative to it and to 1. Differences are taken term by
    term, so that a large one which does not move adds no rounding.

    A kink shows in the two one-sided quotients: their difference halves with the step where the function is smooth.
    """
    best = (np.nan, np.inf)
    middle = f(0.0)
    with np.errstate(all="ignore"):
        for h in sorted({step * scale for step in _STEPS for scale in (max(1.0, x), x or 1.0)}, reverse=True):
            steps = {s: f(s * h) for s in (-2, -1, -0.5, 0.5, 1, 2)}
            coarse = float(np.sum(8 * (steps[1] - steps[-1]) - (steps[2] - steps[-2]))) / (12 * h)
            fine = float(np.sum(8 * (steps[0.5] - steps[-0.5]) - (steps[1] - steps[-1]))) / (6 * h)
            moved = float(np.linalg.norm(middle[(steps[1] != middle) | (steps[-1] != middle)]))
            bound = 10 * abs(coarse - fine) + 200 * EPS * (moved / h + abs(fine) * max(1.0, x / h))
            bends = [float(np.sum(steps[s] + steps[-s] - 2 * middle)) / (s * h) for s in (0.5, 1)]
            kink = abs(2 * bends[0] - bends[1])
            if kink > 100 * bound and kink > 1e-3 * abs(fine):
                bound = kink
            if np.isfinite(bound) and bound < best[1]:
                best = (fine, bound)
            if bound < 1e-10 * abs(fine):
                break
    return best
