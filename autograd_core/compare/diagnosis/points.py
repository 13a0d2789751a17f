"""Other points: nearby, where a repair that fits by accident fits no more; and of a smaller shape."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import autograd_core
from autograd_core.compare.diagnosis.case import Case
from autograd_core.compare.oracle import truth
from autograd_core.compare.problem import Array
from autograd_core.compare.tagging import TagScope, plain

FAR = 0.1  # inputs move by up to this part of themselves
LARGE = 2048  # elements of a claim from which on the slow searches start at a smaller shape
LONG = 16  # axes longer than this are cut then
JUMP = 100.0  # times the tolerance: an error that is here and gone at half the parameter does not fade
ROUGHER = 8.0  # the tolerance there is that of the point itself, and this much more


def nearby(case: Case) -> Case | None:
    """The same claim where all inputs are moved by up to a tenth; None if it cannot be judged there.

    What has a structure that a derivation may rest on keeps it: zeros and ones (one-hot targets,
    masks, signs), distributions (sums of one along an axis), symmetric matrices.
    """
    rng = np.random.default_rng(0)
    inputs = {name: _moved(x, rng) for name, x in case.at.inputs.items()}
    params = {name: _moved_number(x, rng) for name, x in case.at.params.items()}
    found = _elsewhere(case, inputs, params, rng)
    return found if found is not None and found.claimed[0].shape == case.claimed[0].shape else None


def smaller(case: Case) -> Case | None:
    """The same claim with its long axes cut, where many repairs can be tried in the time of one.

    None if nothing is long, or if f or the claim holds for this shape only.
    """
    lengths = sorted({n for x in case.at.inputs.values() for n in x.shape})
    if case.claimed[0].size <= LARGE or not lengths:
        return None
    short = iter(n for n in itertools.count(5, 2) if n not in lengths)
    cut = {n: next(short) if n > LONG else n for n in lengths}
    inputs = {}
    for name, x in case.at.inputs.items():
        inputs[name] = np.array(x[tuple(slice(cut[n]) for n in x.shape)])
        inputs[name].flags.writeable = False
    found = _elsewhere(case, inputs, case.at.params, np.random.default_rng(0))
    same = found is not None and found.claimed[0].ndim == case.claimed[0].ndim and found.shaped == case.shaped
    return found if same else None


def resized(case: Case) -> Case | None:
    """The same claim where the axes that f's reductions run over have another length; None if it cannot be had."""
    rng = np.random.default_rng(0)
    lengths = {n for x in case.at.inputs.values() for n in x.shape}
    free = iter(n for n in (7, 11, 13, 17, 19, 23, 29) if n not in lengths)
    longer = {n: next(free, n) for n in sorted(case.counts & lengths) if 1 < n <= LONG}
    inputs = {}
    for name, x in case.at.inputs.items():
        for axis, n in enumerate(x.shape):
            x = np.take(x, np.arange(longer.get(n, n)) % n, axis=axis)
        inputs[name] = _moved(x, rng)
        inputs[name].flags.writeable = False
    return _elsewhere(case, inputs, case.at.params, rng) if longer else None


def wrong_where(case: Case) -> str | None:
    """Where the claim is wrong, if it is right as soon as no element of an input is 0."""
    rng = np.random.default_rng(0)
    for name, x in case.at.inputs.items():
        if np.all(x):
            continue
        size = rng.uniform(0.5, 1.5, x.shape) * (float(np.abs(x).max()) or 1.0)
        sign = rng.choice([-1.0, 1.0], x.shape) if (x < 0.0).any() else 1.0
        moved = np.where(x == 0.0, sign * size, x)
        moved.flags.writeable = False
        found = _elsewhere(case, {**case.at.inputs, name: moved}, case.at.params, rng)
        if found is not None and found.shaped and found.fits(found.claimed, found.true):
            return f"wrong only where {name} is 0"
    return None


def right_beside(cases: Sequence[Case]) -> tuple[list[Case], str]:
    """Swept values beside the wrong ones at which the claim is right though its error does not fade; and in words.

    A repair of the whole formula would make it wrong there.
    """
    posed = cases[0].posed
    if posed.swept is None:
        return [], ""
    name, values = posed.swept
    top, bottom = (pick(case.at.params[name] for case in cases) for pick in (max, min))
    above = _right_at(cases[0], name, top, [v for v in values if v > top][-1:])
    below = _right_at(cases[-1], name, bottom, [v for v in values if v < bottom][:1])
    if above and below:
        words = f"at {name} = {top:g}" if top == bottom else f"for {name} from {bottom:g} to {top:g}"
    else:
        words = f"for {name} <= {top:g}" if above else f"for {name} >= {bottom:g}"
    return [*above, *below], f"wrong only {words}"


def _right_at(case: Case, name: str, wrong: float, values: Sequence[float]) -> list[Case]:
    """The case at the value if the claim is right there, and turns wrong at one value on the way."""

    def at(value: float) -> Case | None:
        return _elsewhere(case, case.at.inputs, {**case.at.params, name: value}, np.random.default_rng(0))

    found = at(values[0]) if values else None
    if found is None or not found.shaped or not found.fits(found.claimed, found.true):
        return []
    right, error = values[0], _error(case)
    while not 0.5 <= right / wrong <= 2.0:
        middle = float(np.sqrt(right) * np.sqrt(wrong))
        between = at(middle)
        if between is None:  # a parameter that only certain values make sense of
            return []
        if between.fits(between.claimed, between.true):
            right = middle
        else:
            wrong, error = middle, _error(between)
    return [found] if error > JUMP * case.tolerance else []


def _error(case: Case) -> float:
    pairs = zip(case.claimed, case.true, strict=True)
    return max(float(np.abs(a - b).max()) / float(np.abs(b).max()) for a, b in pairs)


def _elsewhere(case: Case, inputs: dict[str, Array], params: dict[str, Any], rng: np.random.Generator) -> Case | None:
    posed = case.posed
    scope = TagScope(reserved=posed.names)
    try:
        with autograd_core.no_grad():
            posed.run({name: autograd_core.Tensor(x) for name, x in inputs.items()}, params, scope)
        tags = {name: plain(value).shape for name, value in scope.raw.items()}
        at = truth(posed, inputs, params, tags)
        one = case.claim.is_jacobian and at.output.ndim == 0
        draws = [np.ones(()) if one else np.array(rng.standard_normal(at.output.shape)) for _ in case.draws]
        found = Case(posed, case.claim, at, draws, [], [], ROUGHER * case.tolerance, case.by_slice)
        if case.claim.is_jacobian:
            found.true = [at.jacobian({case.target})[case.target]]
            found.claimed = [case.claim.evaluate(found.known(0))]
        else:
            found.true = [pulled[case.target] for pulled in found.pulled]
            found.claimed = [case.claim.evaluate(found.known(d)) for d in range(len(draws))]
    except Exception:  # f or the claim does not like the point; that is no fault
        return None
    usable = all(np.isfinite(a).all() for a in (*found.claimed, *found.true)) and all(np.any(b) for b in found.true)
    return found if usable else None


def _moved(x: Array, rng: np.random.Generator) -> Array:
    if not x.size or (np.all(x == np.round(x)) and np.abs(x).max() <= 1.0) or _sums_to_one(x):
        return x
    factor = 1.0 + FAR * rng.uniform(-1.0, 1.0, x.shape)
    if x.ndim == 2 and x.shape[0] == x.shape[1] and np.array_equal(x, x.T):
        factor = (factor + factor.T) / 2.0
    moved = np.asarray(x * factor)
    moved.flags.writeable = False
    return moved


def _moved_number(value: Any, rng: np.random.Generator) -> Any:
    """A parameter beside its value; between 0 and 1 it stays there, as rates and shares must."""
    if not isinstance(value, float) or value.is_integer() or value < 0.0:
        return value
    by = 1.0 + FAR * float(rng.uniform(-1.0, 1.0))
    return value**by if value < 1.0 else value * by


def _sums_to_one(x: Array) -> bool:
    return any(np.allclose(x.sum(axis=axis), 1.0, rtol=1e-12, atol=0.0) for axis in range(x.ndim))


def rests_on_arrays(formula: Callable[..., Any], depth: int = 3) -> bool:
    """Whether a function uses arrays that it is not given: closed over, global, or defaults."""
    function = inspect.unwrap(formula)
    code = getattr(function, "__code__", None)
    if code is None:
        return True  # a callable object may hold anything
    used = [function.__globals__.get(name) for name in code.co_names]
    for cell in function.__closure__ or ():
        try:
            used.append(cell.cell_contents)
        except ValueError:  # not bound yet
            continue
    used += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    if any(np.ndim(plain(x)) > 0 for x in used if hasattr(x, "__array__") and not inspect.isclass(x)):
        return True
    return depth > 0 and any(rests_on_arrays(x, depth - 1) for x in used if inspect.isfunction(x))
