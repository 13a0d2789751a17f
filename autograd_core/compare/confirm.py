"""The oracle confirmed: complex step where every operator admits it, otherwise differences.

Complex step: Im f(x + i h e_k) / h with h = 1e-100 has no cancellation, so it is exact to rounding.
Central differences: Richardson extrapolation over falling steps (Ridders 1982), each element with
an error bar of its own; one-sided slopes that disagree show a kink.
Small targets are confirmed at every element; of large ones a random subset of the elements and
random directions across all of them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import autograd_core
from autograd_core.compare.oracle import Truth, truth
from autograd_core.compare.problem import Array, Problem
from autograd_core.compare.tagging import TagScope, plain

EVERY_ELEMENT = 512  # up to this size each element is perturbed,
SOME_ELEMENTS = 128  # of a larger target this many
WORK = 1e7  # elements computed per target; keeps a 64 x 1437 batch below a second
ZEROS = 4  # elements that are exactly zero, besides
DIRECTIONS = 4
COMPLEX_STEP = 2.0**-332  # about 1e-100: squares vanish, first derivatives keep all their digits
LEVELS = 8
SHRINK = 8.0
TRUSTED = 1e-5  # differences with a larger error bar confirm nothing
SATURATED = 1e-2  # of the slope nearer to zero: beside it the engine rounds to all digits that are asked for
EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Confirmation:
    """What an independent derivative says of the engine's gradient of one target.

    Attributes:
        method: "complex step" or "central differences".
        coverage: What was perturbed, in words.
        error: max|engine - independent| / max|engine|, over everything that was perturbed.
        allowed: The largest such error that the method itself explains.
        kinks: Indices at which f is not differentiable (left out of `error`).
        problem: Why nothing could be confirmed, or "".
    """

    method: str
    coverage: str
    error: float
    allowed: float
    kinks: tuple[tuple[int, ...], ...] = ()
    problem: str = ""

    @property
    def ok(self) -> bool:
        """The engine's gradient is confirmed."""
        return not self.problem and self.error <= self.allowed


@dataclass
class _Probe:
    """Runs f with one input or tag moved, on arrays if f takes them, else on Tensors."""

    problem: Problem
    at: Truth
    noise: Array
    on_arrays: bool = field(init=False)
    least: list[float] | None = None  # per draw, what errors are relative to at least

    def __post_init__(self) -> None:
        self.on_arrays = True
        try:
            y = self("", np.zeros(()))
        except Exception:  # f uses something that only Tensors have; that is no fault
            self.on_arrays = False
        else:
            self.on_arrays = self.agrees(y)

    def agrees(self, y: np.ndarray[Any, Any]) -> bool:
        """Whether the output at the point is the engine's: to rounding, also where it is nothing but rounding."""
        expected = self.at.output
        allowed = 1e-9 * np.abs(expected) + 1e-12 * float(np.abs(expected).max()) + 1e3 * self.noise
        return y.shape == expected.shape and bool((np.abs(y - expected) <= allowed).all())

    def flow(self, ct: Array) -> float:
        """The size of the terms that make up <ct, f>, even where they cancel in it."""
        return float(np.abs(ct * self.noise).sum()) / EPS

    def length(self, name: str) -> float:
        """The distance over which f may be expected to change: the spread of what moves, or else its size."""
        x = self.at.value(name)
        if not x.size:
            return 1.0
        size = float(np.sqrt(np.mean(x * x)))
        spread = float(np.std(x))
        return spread if spread > 1e-8 * size else (size if size > 0.0 else 1.0)

    def __call__(self, target: str, move: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        inputs: dict[str, Any] = dict(self.at.inputs)
        if target in inputs:
            inputs[target] = inputs[target] + move
        deltas = {target: move} if target in self.at.tags else {}
        scope = TagScope(deltas, reserved=self.problem.names)
        if self.on_arrays:
            return plain(self.problem.run(inputs, self.at.params, scope))
        with autograd_core.no_grad():
            inputs = {name: autograd_core.Tensor(x) for name, x in inputs.items()}
            return plain(self.problem.run(inputs, self.at.params, scope))


def confirm(
    problem: Problem,
    at: Truth,
    targets: Mapping[str, float],
    draws: list[Array],
    noise: Array,
    rng: np.random.Generator,
    share: float = 1.0,
    worst: Mapping[str, Collection[tuple[int, ...]]] | None = None,
) -> dict[str, Confirmation]:
    """Confirm the engine's gradient of each target for all upstream draws.

    Args:
        problem: What is judged.
        at: The engine's run.
        targets: Names, each with the relative rounding bound of its gradient.
        draws: Upstream gradients.
        noise: What rounding leaves uncertain of each element of the output.
        rng: Source of the subset and of the directions.
        share: Of the elements, for points in the middle of a sweep.
        worst: By target, elements at which the claims are off most: perturbed in any case.
    """
    probe = _Probe(problem, at, noise)
    true = [at.pullback(ct) for ct in draws]
    results = {}
    for name, bound in targets.items():
        gradients = [pulled[name] for pulled in true]
        moves = list(_moves(at, name, rng, share, (worst or {}).get(name, ())))
        result = _confirmed(probe, name, moves, gradients, draws, bound)
        if not result.ok and not result.kinks:
            slopes = [SATURATED * s for s in _slopes_nearby(problem, at, name, draws)]
            if all(float(np.abs(b).max(initial=0.0)) < 1e-3 * s for b, s in zip(gradients, slopes, strict=True)):
                # All of it is saturated: what the engine computes is right beside the slope nearer to zero.
                probe.least = slopes
                second = _confirmed(probe, name, moves, gradients, draws, bound)
                probe.least = None
                result = second if second.ok else result
        results[name] = result
    return results


def _confirmed(
    probe: _Probe, name: str, moves: list[_Move], gradients: list[Array], draws: list[Array], bound: float
) -> Confirmation:
    result = None
    if probe.at.analytic and probe.on_arrays:
        result = _complex_step(probe, name, moves, gradients, draws, bound)
    if result is None or not result.ok:
        # A second opinion: f on complex arrays may differ from f (a conjugate, a modulus).
        second = _at_some_length(probe, name, moves, gradients, draws, bound)
        result = second if result is None or second.ok else result
    return result


def _slopes_nearby(problem: Problem, at: Truth, name: str, draws: list[Array]) -> list[float]:
    """Per draw, the largest mean slope that the engine finds between the point and zero."""
    slopes = [0.0] * len(draws)
    shapes = {tag: x.shape for tag, x in at.tags.items()}
    for k in range(1, 8):
        try:
            there = truth(problem, {n: x * 0.5**k for n, x in at.inputs.items()}, at.params, shapes)
            found = [float(np.abs(there.pullback(ct)[name]).max()) * 0.5**k for ct in draws]
        except Exception:  # f is not defined there
            continue
        slopes = [max(s, t) if np.isfinite(t) else s for s, t in zip(slopes, found, strict=True)]
    return slopes


@dataclass(frozen=True)
class _Move:
    direction: Array
    index: tuple[int, ...] | None  # of the only element that moves; None for all of them


def kinks(
    problem: Problem,
    at: Truth,
    name: str,
    indices: Sequence[tuple[int, ...]],
    draws: list[Array],
    noise: Array,
) -> list[tuple[int, ...]]:
    """Those of the indices of a target at which f is not differentiable."""
    probe = _Probe(problem, at, noise)
    length = probe.length(name)
    uncertain = np.array([float(np.abs(ct * noise).sum()) for ct in draws])
    found = []
    for index in indices:
        direction = np.zeros(at.shape(name))
        direction[index] = length

        def projected(t: float, direction: Array = direction) -> Array:
            y = probe(name, t * direction)
            return np.array([float((ct * y).sum()) for ct in draws])

        try:
            if _is_kink(projected, uncertain):
                found.append(index)
        except Exception:  # f is not defined there; that is for `confirm` to say
            continue
    return found


def _moves(
    at: Truth, name: str, rng: np.random.Generator, share: float, worst: Collection[tuple[int, ...]]
) -> Iterator[_Move]:
    shape = at.shape(name)
    size = int(np.prod(shape))
    work = at.output.size + sum(x.size for x in at.inputs.values())
    most = max(16, int(min(EVERY_ELEMENT, WORK / work) * share))
    some = min(most, SOME_ELEMENTS)
    chosen = list(range(size))
    if size > most:
        # Whether a kink is seen must not hang on the choice: most are at zeros, and wrong claims show the others.
        zeros = np.flatnonzero(at.value(name) == 0.0)[:ZEROS]
        certain = {int(np.ravel_multi_index(index, shape)) for index in worst} | set(zeros.tolist())
        chosen = sorted(certain | set(rng.choice(size, some, replace=False).tolist()))
    for flat in chosen:
        index = tuple(int(i) for i in np.unravel_index(flat, shape))
        direction = np.zeros(shape)
        direction[index] = 1.0
        yield _Move(direction, index)
    if size > most:
        for _ in range(DIRECTIONS):
            yield _Move(rng.standard_normal(shape), None)


def _coverage(moves: list[_Move], size: int) -> str:
    elements = sum(m.index is not None for m in moves)
    if elements == len(moves):
        return f"all {size} elements" if size != 1 else "the only element"
    return f"{elements} of {size} elements and {len(moves) - elements} random directions"


def _scales(move: _Move, gradients: list[Array], floors: list[float]) -> Array:
    """Per draw, what an error of this slope is relative to."""
    scales = np.empty(len(gradients))
    for d, b in enumerate(gradients):
        own = float(np.abs(b).max()) if move.index is not None else float(np.linalg.norm(b))
        # A vanishing gradient has no scale of its own: take that of the terms that cancel in it.
        scales[d] = max(own, floors[d], np.finfo(float).tiny)
    return scales


def _engine(move: _Move, gradients: list[Array]) -> Array:
    """Per draw, the engine's slope along the move."""
    return np.array([float((b * move.direction).sum()) for b in gradients])


def _complex_step(
    probe: _Probe,
    name: str,
    moves: list[_Move],
    gradients: list[Array],
    draws: list[Array],
    bound: float,
) -> Confirmation | None:
    worst = 0.0
    floors = probe.least or [1e-9 * probe.flow(ct) / probe.length(name) for ct in draws]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            for move in moves:
                y = probe(name, 1j * COMPLEX_STEP * move.direction)
                if not probe.agrees(y.real):
                    return None
                column = y.imag / COMPLEX_STEP
                slopes = np.array([float((ct * column).sum()) for ct in draws])
                scales = _scales(move, gradients, floors)
                errors = np.abs(_engine(move, gradients) - slopes) / scales
                if not np.isfinite(errors).all():
                    return None
                worst = max(worst, float(errors.max()))
    except Exception:  # f does not take complex arrays; differences will do
        return None
    coverage = _coverage(moves, gradients[0].size)
    return Confirmation("complex step", coverage, worst, max(1e-10, 100.0 * bound))


def _at_some_length(
    probe: _Probe, name: str, moves: list[_Move], gradients: list[Array], draws: list[Array], bound: float
) -> Confirmation:
    """Differences over the length of the inputs; over longer ones where these drown in rounding."""
    length = probe.length(name)
    first = _differences(probe, name, moves, gradients, draws, bound, length)
    if first.ok or first.kinks:
        return first
    for growth in (2.0**10, 2.0**20):
        other = _differences(probe, name, moves, gradients, draws, bound, growth * length)
        if other.ok and not other.kinks:
            return other
    return first


def _differences(
    probe: _Probe,
    name: str,
    moves: list[_Move],
    gradients: list[Array],
    draws: list[Array],
    bound: float,
    length: float,
) -> Confirmation:
    method, coverage = "central differences", _coverage(moves, gradients[0].size)
    floors = probe.least or [1e-6 * probe.flow(ct) / length for ct in draws]
    noise = np.array([float(np.abs(ct * probe.noise).sum()) for ct in draws])
    worst = bar = excess = 0.0
    kinks: list[tuple[int, ...]] = []
    nowhere = "f could not be evaluated around the point"
    x = probe.at.value(name)
    for move in moves:
        if move.index is None and kinks:
            # Where f is known to have a kink, its slope along a direction would say nothing of the others.
            smooth = np.ones(x.shape)
            smooth[tuple(np.transpose(kinks))] = 0.0
            if any(x[index] == 0.0 for index in kinks):
                smooth[x == 0.0] = 0.0
            move = _Move(move.direction * smooth, None)

        def projected(t: float, move: _Move = move) -> Array:
            y = probe(name, t * length * move.direction)
            return np.array([float((ct * y).sum()) for ct in draws])

        try:
            slopes, bars, kink = _slopes(projected, noise)
        except Exception as error:
            return Confirmation(method, coverage, np.inf, 0.0, problem=f"{nowhere}: {error}")
        if kink:
            if move.index is None:
                return Confirmation(method, coverage, np.inf, 0.0, problem=f"f has a kink near this {name!r}")
            kinks.append(move.index)
            continue
        scales = _scales(move, gradients, floors)
        errors = np.abs(_engine(move, gradients) - slopes / length) / scales
        bars = bars / length / scales
        if not (np.isfinite(errors).all() and np.isfinite(bars).all()):
            return Confirmation(method, coverage, np.inf, 0.0, problem=f"{nowhere}: not finite")
        worst = max(worst, float(errors.max()))
        bar = max(bar, float(bars.max()))
        excess = max(excess, float((errors - bars).max()))
    trouble = ""
    if bar > TRUSTED:
        trouble = f"the differences themselves are uncertain by {bar:.1e}"
    elif excess > max(1e-9, 100.0 * bound):
        trouble = f"the engine and the differences disagree by {worst:.1e}"
    return Confirmation(method, coverage, worst, np.inf, tuple(kinks), trouble)


def _slopes(projected: Callable[[float], Array], noise: Array) -> tuple[Array, Array, bool]:
    """Derivative of each projection at 0, its error bar, and whether there is a kink at 0."""
    best = np.full(noise.shape, np.nan)
    bars = np.full(noise.shape, np.inf)
    step = 0.125
    previous: list[Array] = []
    for _ in range(LEVELS):
        row = [(projected(step) - projected(-step)) / (2.0 * step)]
        rounding = 4.0 * noise / step
        for m, before in enumerate(previous):
            factor = SHRINK ** (2 * (m + 1))
            refined = (factor * row[m] - before) / (factor - 1.0)
            doubt = np.maximum(np.abs(refined - row[m]), np.abs(refined - before)) + rounding
            better = doubt < bars
            best, bars = np.where(better, refined, best), np.where(better, doubt, bars)
            row.append(refined)
        previous = row[:3]
        step /= SHRINK
    return best, bars, _is_kink(projected, noise)


def _is_kink(projected: Callable[[float], Array], noise: Array) -> bool:
    """One-sided slopes that disagree, and by as much at a sixteenth of the step.

    Of a smooth function the disagreement is h f'' and falls with the step.
    """
    middle = projected(0.0)
    jumps = []
    for step in (1e-4, 1e-4 / 16.0):
        right, left = projected(step) - middle, middle - projected(-step)
        jumps.append(np.abs(right - left) / step)
        slope = np.maximum(np.abs(right), np.abs(left)) / step
    significant = (jumps[1] > 64.0 * noise / step) & (jumps[1] > 1e-6 * slope)
    return bool((significant & (jumps[1] > 0.5 * jumps[0])).any())
