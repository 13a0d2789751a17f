"""Elementwise factors: the claim is the truth, or one path of it, times powers of known quantities."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import autograd_core
from autograd_core.compare.diagnosis.case import Case
from autograd_core.compare.diagnosis.chain import path_named, residuals
from autograd_core.compare.diagnosis.factors import ratio, recognized
from autograd_core.compare.diagnosis.tracing import Ref
from autograd_core.compare.problem import Array
from autograd_core.compare.tagging import plain

POWERS = (1.0, -1.0, 0.5, -0.5, 1.5, -1.5, 2.0, -2.0, 3.0, -3.0)
SMALL = 6  # of them are below two
PROBES = 24  # elements at which all candidates are tried before one is checked everywhere
FLAT = 1e-8  # spread of log|ratio| over the probes that counts as none
MOST = 48  # quantities
# Elementwise functions whose derivative is no power of a value that is a quantity already.
CURVED = (np.tanh, np.sin, np.cos, np.abs, np.maximum, np.log1p)


@dataclass(frozen=True)
class Quantity:
    """A value with a name or an expression, broadcast to the target's shape; per draw."""

    text: str
    values: Sequence[Any]
    derived: bool = False  # a local derivative or a complement

    def power(self, p: float, draw: int) -> Any:
        """Its p-th power in a draw."""
        return self.values[draw] ** p

    def written(self, p: float) -> str:
        """The power as the user would write it."""
        if p == 0.5:
            return f"sqrt({self.text})"
        text = self.text if re.fullmatch(r"[\w.()]*|\w+\([^()]*\)", self.text) else f"({self.text})"
        return text if p == 1.0 else f"{text}**{p:g}"


def quantities(case: Case) -> list[Quantity]:
    """Inputs, tags, parameters, g, other values of f, local derivatives; those that broadcast to the target."""
    shape = case.true[0].shape
    draws = range(len(case.claimed))
    found: dict[str, Quantity] = {}

    def add(text: str, values: list[Any], derived: bool = False) -> None:
        fits = all(np.ndim(v) <= len(shape) and _broadcasts(np.shape(v), shape) for v in values)
        fits = fits and all(np.asarray(v).dtype == np.float64 for v in values)
        if len(found) < MOST and text not in found and "..." not in text and fits:
            found[text] = Quantity(text, values, derived)

    known = [{n: x for n, x in case.known(d).items() if case.allowed(n)} for d in draws]
    for name in sorted(known[0], key=lambda n: n not in case.claim.needs):
        if all(isinstance(k[name], float) or getattr(k[name], "dtype", None) == np.float64 for k in known):
            add(name, [k[name] for k in known])
    program = case.forward
    if program is not None:
        for i in program.live():
            step, text = program.steps[i], program.text(Ref(i))
            add(text, [program.values[i]] * len(known))
            if step.call in CURVED and isinstance(step.args[0], Ref):
                x = np.asarray(program.values[step.args[0].index], dtype=np.float64)
                name = "sign" if step.call is np.abs else f"{step.call.__name__}'"
                add(
                    f"{name}({program.text(step.args[0])})",
                    [_slope(step.call, step.args, x)] * len(known),
                )
    floats = [name for name, x in case.at.params.items() if isinstance(x, float)]
    for name in (*case.at.tags, *case.at.inputs, *floats):
        add(f"1 - {name}", [1.0 - k[name] for k in known], True)
        add(f"1 - {name}**2", [1.0 - k[name] ** 2 for k in known], True)
    return list(found.values())


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    return all(a in (1, b) for a, b in zip(reversed(shape), reversed(to), strict=False))


def _slope(call: Any, args: tuple[Any, ...], x: Array) -> Array:
    """The local derivative of an elementwise step."""
    rest = [a for a in args[1:] if not isinstance(a, Ref)]
    try:
        with autograd_core.enable_grad(), np.errstate(all="ignore"):
            out, pull = autograd_core.vjp(lambda t: call(t, *rest), x)
        return plain(pull(np.ones_like(out))[0])
    except Exception:  # an operand of the step depends on the input too
        return np.full(x.shape, np.nan)


def elementwise(case: Case) -> Iterator[str]:
    """One quantity to some power, times the whole gradient."""
    yield from _one(_Factor(case, case.claimed, case.true, ""), constants=False)


def products(case: Case) -> Iterator[str]:
    """The same with a number beside it, and one quantity in place of another."""
    factor = _Factor(case, case.claimed, case.true, "")
    yield from _one(factor, constants=True)
    yield from _two(factor)


def elementwise_paths(case: Case) -> Iterator[str]:
    """The same for each single term of the chain rule."""
    for name, term in case.terms.items():
        claimed = [r + t for r, t in zip(residuals(case), term, strict=True)]
        factor = _Factor(case, claimed, term, f" in {path_named(name)}")
        yield from _one(factor, constants=False)
        yield from _one(factor, constants=True)
        yield from _two(factor)


class _Factor:
    """claimed / true, as far as a few elements show it, beside the logarithms of all quantities there."""

    def __init__(self, case: Case, claimed: Sequence[Array], true: Sequence[Array], where: str) -> None:
        self.case, self.claimed, self.true, self.where = case, claimed, true, where
        self.known: list[Quantity] = []
        # The other terms round too: what cancels against them must not be taken for a factor.
        self.scale = [float(np.abs(b).max()) for b in case.true]
        if not all(np.any(b) and np.any(a) for a, b in zip(claimed, true, strict=True)):
            return
        if not case.afford(80.0 * claimed[0].size + 1e6):
            return
        b = true[0]
        strongest = np.argsort(np.abs(b), axis=None)[::-1][: 8 * PROBES]
        strongest = strongest[np.abs(b.flat[strongest]) > 1e-3 * self.scale[0]]
        strongest = strongest[:: max(1, len(strongest) // PROBES)]
        self.quotient = claimed[0].flat[strongest] / b.flat[strongest]
        if not len(strongest) or not np.all(np.isfinite(self.quotient)) or not np.all(self.quotient):
            return
        everything = case.notes.get("quantities")
        if everything is None:
            everything = case.notes["quantities"] = quantities(case)
        at = [np.broadcast_to(q.values[0], b.shape).flat[strongest] for q in everything]
        usable = [i for i, x in enumerate(at) if np.all(np.isfinite(x)) and np.all(x)]
        self.known = [everything[i] for i in usable]
        self.at = [at[i] for i in usable]
        self.logs = np.log(np.abs(np.array(self.at))) if usable else np.zeros((0, len(strongest)))
        self.target = np.log(np.abs(self.quotient))
        self.steady = float(np.ptp(self.target)) < FLAT

    def fits(self, factor: Sequence[Any]) -> bool:
        """Whether the claim is the truth times this, everywhere and in every draw."""
        return all(
            float(np.abs(a - t * f).max()) <= self.case.tolerance * max(float(np.abs(a).max()), s)
            for a, t, f, s in zip(self.claimed, self.true, factor, self.scale, strict=True)
        )


def _one(factor: _Factor, constants: bool) -> Iterator[str]:
    draws = range(len(factor.claimed))
    # A square too much is rather a division in place of a product: first let the formula itself tell.
    for p in (POWERS if constants or factor.where else POWERS[:SMALL]) if factor.known else ():
        spread = np.ptp(factor.target - p * factor.logs, axis=1)
        flat = np.ptp(factor.logs, axis=1) < FLAT
        for i in np.flatnonzero((spread <= FLAT) & (flat == factor.steady)):
            q = factor.known[i]
            if p % 1.0 and not all(np.all(np.asarray(v) > 0) for v in q.values):
                continue
            constant = float(factor.quotient[0] / factor.at[i][0] ** p)
            options = [(1.0, ""), (-1.0, "")]
            varies = len(draws) > 1 and not np.array_equal(q.values[0], q.values[1])
            if constants and not q.derived and (varies or not flat[i]):
                options = list(recognized(constant, factor.case))
            for value, text in options:
                close = abs(constant - value) <= 1e-6 * abs(value)
                if close and factor.fits([value * q.power(p, d) for d in draws]):
                    yield _single_text(factor.case, q, p, value, text) + factor.where
                    break


def _two(factor: _Factor) -> Iterator[str]:
    if not factor.known or factor.steady:
        return
    draws = range(len(factor.claimed))
    for a, c in PAIRS:
        rest = (factor.target - a * factor.logs)[:, None, :] - c * factor.logs[None, :, :]
        for i, j in np.argwhere(np.ptp(rest, axis=2) <= FLAT):
            if i == j or (a == c and i > j):
                continue
            q, r = factor.known[i], factor.known[j]
            with np.errstate(all="ignore"):
                product = [q.power(a, d) * r.power(c, d) for d in draws]
                constant = float(factor.quotient[0] / (factor.at[i][0] ** a * factor.at[j][0] ** c))
            options = [(1.0, ""), (-1.0, ""), *recognized(constant, factor.case)]
            near = [(v, t) for v, t in options if abs(constant - v) <= 1e-6 * abs(v)]
            number = next(((v, t) for v, t in near if factor.fits([v * x for x in product])), None)
            if number is None:
                continue
            sign = _beside(*number)
            if a > 0 > c:
                text = f"{q.written(a)} in place of {r.written(-c)}"
                if _used(factor.case, r, -1):
                    text = f"divided by {r.written(-c)} in place of {q.written(a)}"
            elif a < 0:
                text = f"factor {q.written(-a)} * {r.written(-c)} is missing"
            else:
                text = f"factor {q.written(a)} * {r.written(c)} too much"
            yield text + sign + factor.where


PAIRS = (
    *((1.0, -1.0), (1.0, 1.0), (-1.0, -1.0), (2.0, -2.0), (2.0, -1.0), (1.0, -2.0)),
    *((0.5, -0.5), (1.5, -1.5), (0.5, -1.0), (1.0, -0.5), (3.0, -3.0), (3.0, -1.0), (1.5, -1.0), (1.0, -1.5)),
    *((2.0, 1.0), (0.5, 1.0), (-0.5, -1.0), (-2.0, -1.0), (1.0, 2.0), (1.0, 0.5), (-1.0, -0.5), (-1.0, -2.0)),
)


def _single_text(case: Case, q: Quantity, p: float, value: float, text: str) -> str:
    written = q.written(abs(p))
    plain = re.fullmatch(r"\w+|.*'.*|1 - .*|sign\(.*", q.text) is not None  # what one rather multiplies with
    multiplied, divided = _used(case, q, 1), _used(case, q, -1)
    signs = all(np.all(np.abs(v) == 1.0) for v in q.values)
    if signs and not multiplied:  # its own inverse: what does not stand there is missing
        return f"factor {written} is missing" + _beside(value, text)
    if p > 0:
        too_much = multiplied or (plain and not divided)
        return (f"factor {written} too much" if too_much else f"not divided by {written}") + _beside(value, text)
    missing = plain and not divided
    return (f"factor {written} is missing" if missing else f"divided by {written} too often") + _beside(value, text)


def _beside(value: float, text: str) -> str:
    if value == 1.0:
        return ""
    return f" and {'sign flipped' if value == -1.0 else text.removesuffix(' the gradient') or f'{ratio(value)} times'}"


def _used(case: Case, q: Quantity, sign: int) -> bool:
    """Whether the claim multiplies with the quantity (or, with -1, divides by it)."""
    if not case.programs:
        return False
    program, wanted = case.programs[0], q.values[0]
    pending, seen = [(program.root, 1)], set()
    while pending:
        index, power = pending.pop()
        if (index, power) in seen:
            continue
        seen.add((index, power))
        value = program.values[index]
        same = np.shape(value) == np.shape(wanted) and np.allclose(value, wanted, rtol=1e-12, atol=0.0)
        if power == sign and same:
            return True
        step = program.steps.get(index)
        if step is None:
            continue
        for k, x in enumerate(step.args):
            if isinstance(x, Ref):
                inverse = (step.call is np.divide and k == 1) or (step.call is np.power and _negative(step.args[1]))
                pending.append((x.index, -power if inverse else power))
    return False


def _negative(exponent: Any) -> bool:
    return isinstance(exponent, (int, float)) and exponent < 0
