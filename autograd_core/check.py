"""`check_grads`: the engine's derivatives of a function against numbers.

The oracle is the complex step where every operator on the tape is analytic, otherwise fourth-order central
differences, each with a bound of its own error. Outputs are projected on seeded random cotangents and every element of
every argument is tested, since a sum of outputs or a single direction hides errors; a gradient that is zero everywhere
decides nothing and is refused.

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

from .context import keep_values
from .errors import ArgumentError, AutogradError, DTypeError, where
from .node import Node
from .tensor import Tensor, as_array, entry_of
from .transforms import grad, jvp, vjp

__all__ = ["GradientError", "UndecidedError", "check_grads"]

_EPS = float(np.finfo(np.float64).eps)
_STEPS = (1e-2, 1e-3, 1e-4, 1e-5)
_DECISIVE = 1e-4  # a bound above this part of the gradient could not tell a rule that is off by 0.1 %


class GradientError(AutogradError, AssertionError):
    """A derivative that differs from the numbers."""


class UndecidedError(AutogradError, AssertionError):
    """A check that could not fail, or one too ill-conditioned to judge."""


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    *,
    order: int = 2,
    modes: Sequence[str] = ("fwd", "rev"),
    seed: int = 0,
) -> None:
    """Compares the engine's derivatives of `f` with complex step or central differences, in every element.

    Args:
        f: a function of arrays that returns an array, or a tuple of arrays.
        args: where to check; floating arguments are differentiated, others are passed on.
        order: highest order of derivative to check.
        modes: "rev" checks VJPs, "fwd" checks JVPs.
        seed: of the cotangents that outputs are projected on.

    Raises:
        GradientError: a derivative is wrong; the message has the worst element.
        UndecidedError: the gradient in an argument is zero everywhere (a wrong rule could not be told from a right
            one), or the function has a kink or too much rounding there.
        ArgumentError: order or modes are not what they may be.
        DTypeError: no argument is floating.
    """
    if not isinstance(order, int) or order < 1 or not modes or not set(modes) <= {"fwd", "rev"}:
        raise ArgumentError(
            f"check_grads: order must be at least 1 and modes among 'fwd' and 'rev', got order={order!r}, "
            f"modes={modes!r}. "
            f"{where('check_grads')}"
        )
    arrays: list[Any] = [as_array(a) if not isinstance(a, int | bool | str | None) else a for a in args]
    moving = [
        i
        for i, a in enumerate(arrays)
        if not isinstance(a, int | str | None) and a is not None and a.dtype.kind == "f" and a.size
    ]
    if not moving:
        raise DTypeError(
            f"check_grads: an argument must be floating and not empty, got {[type(a).__name__ for a in args]}; "
            f"convert with "
            f"float(...) or .astype(float). {where('check_grads')}"
        )

    def of_moving(*xs: Any) -> tuple[Any, ...]:
        whole = list(arrays)
        for i, x in zip(moving, xs, strict=True):
            whole[i] = x
        out = f(*whole)
        return tuple(out) if isinstance(out, tuple | list) else (out,)

    points = [np.array(arrays[i]) for i in moving]
    _check(of_moving, points, moving, order, 1, modes, seed, where("check_grads"))


def _check(
    f: Callable[..., tuple[Any, ...]],
    points: list[Any],
    moving: list[int],
    order: int,
    level: int,
    modes: Sequence[str],
    seed: int,
    place: str,
) -> None:
    outputs, analytic, floor, names = _traced(f, points)
    rng = np.random.default_rng(seed)
    cotangents = [rng.uniform(0.5, 1.5, y.shape) * rng.choice([-1.0, 1.0], y.shape) for y in outputs]

    def projected(*xs: Any) -> Any:
        return sum(np.sum(y * c.astype(y.dtype)) for y, c in zip(f(*xs), cotangents, strict=True))

    oracle, bounds = _oracle(f, points, cotangents, analytic and level == 1, floor)
    for k, (expected, bound) in enumerate(zip(oracle, bounds, strict=True)):
        _decisive(expected, bound, moving[k], level, names, place)
    for mode in modes:
        answers = _reverse(projected, points) if mode == "rev" else _forward(projected, points)
        for k, actual in enumerate(answers):
            _compare(np.asarray(actual), oracle[k], bounds[k], points[k].dtype, moving[k], level, mode, names, place)
    if level < order:
        gradient = grad(projected, argnums=tuple(range(len(points))))
        _check(lambda *xs: gradient(*xs), points, moving, order, level + 1, modes, seed + 1, place)


def _traced(f: Callable[..., tuple[Any, ...]], points: list[Any]) -> tuple[list[Any], bool, list[float], list[str]]:
    """One call at the points, with its tape.

    Returns:
        (the outputs, whether all operators on the tape are analytic, for each argument the gradient that rounding of
        the intermediate values alone could make, the operators' names).
    """
    leaves = [Tensor(p, requires_grad=True) for p in points]
    with keep_values():
        outputs = [y if isinstance(y, Tensor) else Tensor(y) for y in f(*leaves)]
    seen: set[int] = set()
    stack = [e for e in map(entry_of, outputs) if isinstance(e, Node)]
    analytic, largest = True, 0.0
    names: dict[str, None] = {}
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        names[node.op.name] = None
        analytic = analytic and node.op.analytic
        value = node.extra.value if node.extra is not None else None
        if value is not None and value.size:
            # A mask of infinities, as padding for a maximum, rounds nothing.
            largest = max(largest, float(np.max(np.abs(value), initial=0.0, where=np.isfinite(value))))
        stack.extend(p for p in node.parents if isinstance(p, Node))
    floor = [1e3 * _EPS * largest / max(float(np.max(np.abs(p))), 1e-3) for p in points]
    return [np.asarray(y.detach().data) for y in outputs], analytic, floor, sorted(names)


def _oracle(
    f: Callable[..., tuple[Any, ...]], points: list[Any], cotangents: list[Any], analytic: bool, floor: list[float]
) -> tuple[list[Any], list[Any]]:
    """The gradient of <cotangents, f> in every element, in double precision, and bounds of its error."""
    doubles = [p.astype(np.float64) for p in points]

    def at(k: int, element: tuple[int, ...], step: Any) -> list[Any]:
        moved = [p.astype(complex) if isinstance(step, complex) else p.copy() for p in doubles]
        moved[k][element] += step
        return [
            np.asarray(y.data if isinstance(y, Tensor) else y) * c for y, c in zip(f(*moved), cotangents, strict=True)
        ]

    def total(k: int, element: tuple[int, ...], step: Any) -> float:
        return sum(float(np.sum(y)) for y in at(k, element, step))

    values, bounds = [np.zeros(p.shape) for p in points], [np.zeros(p.shape) for p in points]
    for k, point in enumerate(doubles):
        for element in np.ndindex(point.shape):
            best = _complex_step(partial(at, k, element)) if analytic else None
            if best is None:
                best = _difference(partial(total, k, element), abs(float(point[element])))
            values[k][element], bounds[k][element] = best[0], best[1] + floor[k]
    return values, bounds


def _complex_step(f: Callable[[complex], list[Any]]) -> tuple[float, float] | None:
    """Im f(x + ih) / h; None if the function does not take complex numbers after all."""
    h = 1e-20
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            outputs = f(1j * h)
    except (TypeError, ValueError, AutogradError, np.exceptions.ComplexWarning):
        return None
    if not all(np.iscomplexobj(y) for y in outputs):
        return None
    parts = [np.imag(y) / h for y in outputs]
    return float(sum(np.sum(p) for p in parts)), 256 * _EPS * float(sum(np.sum(np.abs(p)) for p in parts))


def _difference(f: Callable[[float], float], x: float) -> tuple[float, float]:
    """A derivative at 0 by fourth-order central differences, from the step with the least error bound.

    x is the size of the number that is moved: steps are taken relative to it and to 1.

    A kink shows in the two one-sided quotients: their difference halves with the step where the function is smooth.
    """
    best = (np.nan, np.inf)
    middle = f(0.0)
    with np.errstate(all="ignore"):
        for h in sorted({step * scale for step in _STEPS for scale in (max(1.0, x), x or 1.0)}, reverse=True):
            coarse, fine = _central(f, h), _central(f, h / 2)
            bound = 10 * abs(coarse - fine) + 200 * _EPS * (abs(middle) / h + abs(fine) * max(1.0, x / h))
            kink = abs(2 * (f(h / 2) + f(-h / 2) - 2 * middle) / (h / 2) - (f(h) + f(-h) - 2 * middle) / h)
            if kink > 100 * bound and kink > 1e-3 * abs(fine):
                bound = kink
            if np.isfinite(bound) and bound < best[1]:
                best = (fine, bound)
            if bound < 1e-10 * abs(fine):
                break
    return best


def _central(f: Callable[[float], float], h: float) -> float:
    return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)


def _reverse(projected: Callable[..., Any], points: list[Any]) -> Sequence[Any]:
    value, pull = vjp(projected, *points)
    answers: Sequence[Any] = pull(np.ones((), dtype=value.dtype))
    return answers


def _forward(projected: Callable[..., Any], points: list[Any]) -> list[Any]:
    """The gradient in forward mode, an element at a time."""
    answers = []
    for k, point in enumerate(points):
        answer = np.zeros(point.shape, dtype=point.dtype)
        for element in np.ndindex(point.shape):
            tangents = [np.zeros_like(p) for p in points]
            tangents[k][element] = 1
            answer[element] = jvp(projected, points, tangents)[1]
        answers.append(answer)
    return answers


def _decisive(expected: Any, bound: Any, argument: int, level: int, names: list[str], place: str) -> None:
    """Refuses what cannot be judged. From the second order on, zero is an answer: a linear function has it."""
    if level > 1:
        expected, bound = np.abs(expected)[np.isfinite(bound)], bound[np.isfinite(bound)]
        if not expected.size or np.all(expected <= bound):
            return
    largest = float(np.max(np.abs(expected), initial=0.0)) if np.all(np.isfinite(expected)) else np.nan
    if largest <= np.max(bound):
        raise UndecidedError(
            f"check_grads: undecided, since the gradient in argument {argument} must not be zero everywhere, "
            f"got at most {largest:.1e} "
            f"(rounding gives {np.max(bound):.1e}): a wrong rule could not be told from a right one. Check the "
            f"function before it is "
            f"summed, or at another point; operators: {', '.join(names) or 'none'}. {place}"
        )
    if not np.all(bound <= _DECISIVE * largest):
        worst = tuple(int(i) for i in np.unravel_index(np.argmax(bound), bound.shape))
        raise UndecidedError(
            f"check_grads: undecided, since the numbers must be precise to judge by, got an error bound of "
            f"{np.max(bound):.1e} beside a "
            f"gradient of {largest:.1e} in argument {argument}, element {worst}: a kink, or too much rounding. "
            f"Check at another "
            f"point; operators: {', '.join(names)}. {place}"
        )


def _compare(
    actual: Any,
    expected: Any,
    bound: Any,
    dtype: Any,
    argument: int,
    level: int,
    mode: str,
    names: list[str],
    place: str,
) -> None:
    eps = float(np.finfo(dtype).eps)
    tolerance = bound + 100 * eps * (np.abs(expected) + np.max(np.abs(expected)))
    if eps > _EPS:  # in lower precision the engine's own rounding is the bound
        tolerance = tolerance + bound * (eps / _EPS) * 1e-3
    error = np.abs(actual.astype(np.float64) - expected)
    excess = np.where(np.isnan(error), np.inf, error / np.maximum(tolerance, np.finfo(float).tiny))
    worst = tuple(int(i) for i in np.unravel_index(np.argmax(excess), excess.shape))
    if excess[worst] > 1:
        kind = "forward" if mode == "fwd" else "reverse"
        raise GradientError(
            f"check_grads: the {kind}-mode derivative of order {level} in argument {argument} must equal the "
            f"numerical one, got "
            f"{float(actual[worst])!r} for {float(expected[worst])!r} +- {float(tolerance[worst]):.1e} in "
            f"element {worst}, the worst of "
            f"{error.size}; correct the rule of an operator among {', '.join(names)}. {place}"
        )
