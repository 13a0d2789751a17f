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

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from . import random
from .check_numbers import EPS, numbers
from .containers import LEAF, flatten
from .context import keep_values
from .errors import ArgumentError, AutogradError, DTypeError, where
from .node import Node
from .tensor import Tensor, as_array, entry_of
from .transforms import grad, jvp, vjp

__all__ = ["GradientError", "UndecidedError", "check_grads"]

_DECISIVE = 1e-4  # a bound above this part of the gradient could not tell a rule that is off by 0.1 %


class GradientError(AutogradError, AssertionError):
    """A derivative that differs from the numbers."""


class UndecidedError(AutogradError, AssertionError):
    """A check that could not fail, or one too ill-conditioned to judge."""


class _Subject:
    """The function as one of its floating arrays, with what messages say about it.

    Attributes:
        points: where to check, one array for each floating leaf of the arguments.
        places: what messages call them, such as "0['w']".
    """

    def __init__(self, f: Callable[..., Any], args: Sequence[Any]) -> None:
        self.f = f
        self.leaves, self.structure = flatten(tuple(args))
        self.arrays = [as_array(x) if _is_numeric(x) else x for x in self.leaves]
        self.moving = [
            i for i, a in enumerate(self.arrays) if _is_numeric(self.leaves[i]) and a.dtype.kind == "f" and a.size
        ]
        paths = [
            f"{i}{path}"
            for i, s in enumerate(self.structure.children)
            for path in (s.paths() if s is not LEAF else [""])
        ]
        self.places = [paths[i] for i in self.moving]
        self.points = [np.array(self.arrays[i]) for i in self.moving]
        self.names: list[str] = []
        self.state: Any = None

    def __call__(self, *xs: Any) -> tuple[Any, ...]:
        """The floating outputs, with the same random draws at every call."""
        if self.state is not None:
            random.set_state(self.state)
        whole = list(self.arrays)
        for i, x in zip(self.moving, xs, strict=True):
            whole[i] = x if isinstance(x, Tensor) else Tensor(x)
        outputs = flatten(self.f(*self.structure.build(whole)))[0]
        return tuple(y for y in outputs if not isinstance(y, str | bool | int) and as_array(y).dtype.kind in "fc")


def _is_numeric(x: Any) -> bool:
    return isinstance(x, Tensor | np.ndarray | np.generic | float)


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
        f: a function of arrays that returns an array, or a nested container of arrays. It is called with Tensors, and
            draws the same random numbers of `autograd_core.random` at every call.
        args: where to check; floating arrays, numbers and those in nested containers are differentiated, others passed
            on.
        order: highest order of derivative to check.
        modes: "rev" checks VJPs, "fwd" checks JVPs. Beyond the first order, the gradient ("rev") and the derivative
            along a random direction ("fwd") are checked in both modes: forward over reverse, reverse over forward, ...
        seed: of the cotangents that outputs are projected on, and of the directions.

    Raises:
        GradientError: a derivative is wrong; the message has the worst element.
        UndecidedError: the gradient in an argument is zero everywhere or in an element lost beside larger ones (a wrong
            rule could not be told from a right one), the point is a kink or at the border of the domain, there is too
            much rounding, or the function gives another value at every call.
        ArgumentError: order or modes are not what they may be.
        DTypeError: no argument, or no output, is floating.
    """
    place = where("check_grads")
    if not isinstance(args, list | tuple):
        raise ArgumentError(
            f"check_grads: the arguments must be in a tuple or list, got {type(args).__name__}; write (x,) for "
            f"one. {where('check_grads')}"
        )
    if not isinstance(order, int) or order < 1 or not modes or not set(modes) <= {"fwd", "rev"}:
        raise ArgumentError(
            f"check_grads: order must be at least 1 and modes among 'fwd' and 'rev', got order={order!r}, "
            f"modes={modes!r}. {where('check_grads')}"
        )
    subject = _Subject(f, args)
    if not subject.moving:
        raise DTypeError(
            f"check_grads: an argument must be floating and not empty, got {[type(a).__name__ for a in args]}; "
            f"convert with float(...) or .astype(float). {where('check_grads')}"
        )
    state = random.get_state()
    try:
        _check(subject, subject, order, 1, (), modes, seed, place, state)
    finally:
        random.set_state(state)


def _check(
    subject: _Subject,
    f: Callable[..., tuple[Any, ...]],
    order: int,
    level: int,
    outer: tuple[str, ...],
    modes: Sequence[str],
    seed: int,
    place: str,
    state: Any = None,
) -> None:
    """Checks the derivatives of `f`, which is the subject or (from level 2 on) a derivative of it.

    `outer` are the modes that made `f`, the last first; `state` is the random state before the first call.
    """
    points = subject.points
    outputs, analytic, floor, names = _traced(f, points)
    if level == 1:
        subject.names = names
        subject.state = state if random.get_state() != state else None  # replayed only where it is used
        _repeats(f, points, outputs, place)
    rng = np.random.default_rng(seed)
    cotangents = [rng.uniform(0.5, 1.5, y.shape) * rng.choice([-1.0, 1.0], y.shape) for y in outputs]

    def projected(*xs: Any) -> Any:
        return sum(np.sum(y * c.astype(y.dtype)) for y, c in zip(f(*xs), cotangents, strict=True))

    oracle, own = numbers(f, points, cotangents, analytic and level == 1)
    bounds = [b + rounding for b, rounding in zip(own, floor, strict=True)]
    for k, (expected, bound) in enumerate(zip(oracle, bounds, strict=True)):
        _decisive(expected, bound, subject.places[k], level, names, place)
    if level == 1:
        blind = [_blind(e, o, b, p.dtype) for e, o, b, p in zip(oracle, own, bounds, points, strict=True)]
        if any(map(np.any, blind)):
            _no_element_is_lost(
                subject, oracle, blind, partial(numbers, f, cotangents=cotangents, analytic=analytic), place
            )
    for mode in modes:
        answers = _reverse(projected, points) if mode == "rev" else _forward(projected, points)
        for k, actual in enumerate(answers):
            kinds = "-over-".join([_KINDS[mode], *outer])
            what = f"{kinds}-mode derivative of order {level} in argument {subject.places[k]}"
            _compare(np.asarray(actual), oracle[k], bounds[k], points[k].dtype, what, subject.names, place)
    if level == order:
        return
    if "rev" in modes:
        gradient = grad(projected, argnums=tuple(range(len(points))))
        _check(subject, lambda *xs: gradient(*xs), order, level + 1, ("reverse", *outer), modes, seed + 1, place)
    if "fwd" in modes:
        directions = [rng.uniform(0.5, 1.5, p.shape).astype(p.dtype) for p in points]

        def along(*xs: Any) -> tuple[Any, ...]:
            return tuple(jvp(f, xs, directions)[1])

        _check(subject, along, order, level + 1, ("forward", *outer), modes, seed + 2, place)


_KINDS = {"fwd": "forward", "rev": "reverse"}


def _traced(f: Callable[..., tuple[Any, ...]], points: list[Any]) -> tuple[list[Any], bool, list[float], list[str]]:
    """One call at the points, with its tape.

    Returns:
        (the outputs, whether all operators on the tape are analytic, for each argument the gradient that rounding of
        the intermediate values alone could make, the operators' names).
    """
    leaves = [Tensor(p, requires_grad=True) for p in points]
    with keep_values():
        outputs = [y if isinstance(y, Tensor) else Tensor(y) for y in f(*leaves)]
    if not outputs or any(y.dtype.kind == "c" for y in outputs):
        raise DTypeError(
            f"check_grads: the function must return floating arrays, got {'complex ones' if outputs else 'none'}; "
            f"return np.real and np.imag of what is complex, or the array before it is converted. "
            f"{where('check_grads')}"
        )
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
        if isinstance(value, np.ndarray | np.generic) and value.size:
            # A mask of infinities, as padding for a maximum, rounds nothing.
            largest = max(largest, float(np.max(np.abs(value), initial=0.0, where=np.isfinite(value))))
        stack.extend(p for p in node.parents if isinstance(p, Node))
    floor = [1e3 * EPS * largest / max(float(np.max(np.abs(p))), 1e-3) for p in points]
    return [np.asarray(y.detach().data) for y in outputs], analytic, floor, sorted(names)


def _repeats(f: Callable[..., tuple[Any, ...]], points: list[Any], outputs: list[Any], place: str) -> None:
    """Refuses a function that depends on more than its arguments."""
    again = [np.asarray(as_array(y)) for y in f(*(Tensor(p.copy()) for p in points))]
    if len(again) != len(outputs) or any(
        a.shape != b.shape or not np.allclose(a, b, rtol=1e-6, atol=0, equal_nan=True)
        for a, b in zip(again, outputs, strict=True)
    ):
        raise UndecidedError(
            f"check_grads: undecided, since the function must give the same value when it is called again, got another "
            f"one; draw random numbers from autograd_core.random, which is replayed, and keep no state. {place}"
        )


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


def _decisive(expected: Any, bound: Any, argument: str, level: int, names: list[str], place: str) -> None:
    """Refuses what cannot be judged. From the second order on, zero is an answer: a linear function has it."""
    if level > 1:
        expected, bound = np.abs(expected)[np.isfinite(bound)], bound[np.isfinite(bound)]
        if not expected.size or np.all(expected <= bound):
            return
    largest = float(np.max(np.abs(expected), initial=0.0)) if np.all(np.isfinite(expected)) else np.nan
    if np.all(np.abs(expected) <= bound):
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


def _blind(expected: Any, own: Any, bound: Any, dtype: Any) -> Any:
    """The elements that the oracle knows, and that the tolerance would hide."""
    size = np.abs(expected)
    return (10 * own < size) & (_tolerance(expected, bound, dtype) > 0.5 * size)


def _no_element_is_lost(subject: _Subject, oracle: list[Any], blind: list[Any], again: Any, place: str) -> None:
    """Refuses gradients that are lost beside larger ones: a wrong one could not be told from a right one.

    What a change of the point in its last digits changes, is rounding: an element whose gradient is zero.
    """
    rng = np.random.default_rng(0)
    nearby = [p * (1 + 8 * np.finfo(p.dtype).eps * rng.uniform(-1, 1, p.shape)).astype(p.dtype) for p in subject.points]
    for k, (other, expected) in enumerate(zip(again(nearby, only=blind)[0], oracle, strict=True)):
        lost = blind[k] & (np.abs(other - expected) < 0.1 * np.abs(expected))
        if np.any(lost):
            element = tuple(int(i) for i in np.argwhere(lost)[0])
            raise UndecidedError(
                f"check_grads: undecided, since every element's gradient must be large enough to judge, got "
                f"{float(expected[element]):.1e} in argument {subject.places[k]}, element {element}, beside "
                f"{float(np.max(np.abs(expected))):.1e}: rounding there could hide a wrong one. Check elements of "
                f"such different sizes one at a time; operators: {', '.join(subject.names)}. {place}"
            )


def _tolerance(expected: Any, bound: Any, dtype: Any) -> Any:
    eps = float(np.finfo(dtype).eps)
    tolerance = bound + 100 * eps * (np.abs(expected) + np.max(np.abs(expected)))
    # In lower precision the engine's own rounding is the bound.
    return tolerance + bound * (eps / EPS) * 1e-3 if eps > EPS else tolerance


def _compare(actual: Any, expected: Any, bound: Any, dtype: Any, what: str, names: list[str], place: str) -> None:
    tolerance = _tolerance(expected, bound, dtype)
    error = np.abs(actual.astype(np.float64) - expected)
    excess = np.where(np.isnan(error), np.inf, error / np.maximum(tolerance, np.finfo(float).tiny))
    worst = tuple(int(i) for i in np.unravel_index(np.argmax(excess), excess.shape))
    if excess[worst] > 1:
        raise GradientError(
            f"check_grads: the {what} must equal the numerical one, got {float(actual[worst])!r} for "
            f"{float(expected[worst])!r} +- {float(tolerance[worst]):.1e} in "
            f"element {worst}, the worst of "
            f"{error.size}; correct the rule of an operator among {', '.join(names)}. {place}"
        )
