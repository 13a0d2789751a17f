"""Another forward function: the claim is right for an f that differs from the given one in one place.

f's own program is run on the engine with one step changed: an epsilon moved across the square root
beside it or left out, a value taken as constant, an average made a sum. What fits to rounding says
what was differentiated in f's place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

import autograd_core
from autograd_core.compare.diagnosis.case import Case, Terms
from autograd_core.compare.diagnosis.tracing import Change, Program, Ref, Step
from autograd_core.compare.oracle import truth
from autograd_core.compare.problem import Array
from autograd_core.compare.tagging import plain

Variant = tuple[str, dict[int, Change]]
SMOOTH = (np.exp, np.log, np.tanh, np.sqrt, np.square, np.sin, np.cos, np.abs, np.maximum, np.expm1, np.log1p)
ROWS = 64  # output elements up to which whole Jacobians of variants are computed
BACKWARD = 6.0  # cost of a gradient in forward passes


def dropped(case: Case) -> Iterator[str]:
    """A parameter left out of f, or with its sign flipped."""
    if case.output_ndim:
        return
    tags = {tag: x.shape for tag, x in case.at.tags.items()}
    for name, value in case.at.params.items():
        if not isinstance(value, float) or value == 0.0:
            continue
        for other, text in ((0.0, f"{name} is dropped"), (-value, f"{name} has its sign flipped")):
            with np.errstate(all="ignore"):
                try:
                    point = truth(case.posed, case.at.inputs, {**case.at.params, name: other}, tags)
                except Exception:  # f has its reasons for refusing the value
                    continue
                if case.fits(case.claimed, [point.pullback(ct)[case.target] for ct in case.draws]):
                    yield text


def moved(case: Case) -> Iterator[str]:
    """A parameter on the other side of a square root, or left out of one of several places."""
    program = case.forward
    if program is not None:
        yield from _fitting(case, program, _parameters(program, set(case.at.params)))


def changed(case: Case) -> Iterator[str]:
    """A step of f that is another one in the claim."""
    program = case.forward
    if program is not None:
        yield from _fitting(case, program, _steps(program, set(case.at.inputs)))


def _fitting(case: Case, program: Program, variants: Iterator[Variant]) -> Iterator[str]:
    elements = BACKWARD * sum(np.size(x) + 5000 for x in program.values)
    for text, changes in variants:
        if case.skips(text):
            continue
        if not case.afford(elements):
            return
        found = gradients(case, program, changes)
        try:
            if all(case.agree(a, b) and np.any(b) for a, b in zip(case.claimed, found, strict=True)):
                yield text
        except Exception:  # the changed function cannot be computed here
            continue


def gradients(case: Case, program: Program, changes: Mapping[int, Change]) -> Iterator[Array]:
    """The target's gradient of f with changed steps, per draw, computed as it is asked for."""
    target = case.target
    if target in program.names:
        leaf_at = program.names.index(target)
        start = case.at.inputs[target]
    else:
        leaf_at = program.tags.get(target, -1)
        start = np.zeros(case.at.shape(target))

    def forward(leaf: Any) -> Any:
        if target in program.names:
            y = program.rerun(changes, {leaf_at: leaf})
        else:
            before = changes.get(leaf_at) or program.steps[leaf_at].run
            y = program.rerun({**changes, leaf_at: lambda values: before(values) + leaf})
        return y + 0.0 * leaf.sum()

    with autograd_core.enable_grad(), np.errstate(all="ignore"):
        _, pull = autograd_core.vjp(forward, start)
        if not case.output_ndim:
            for ct in case.draws:
                yield plain(pull(ct)[0])
            return
        shape = case.at.output.shape
        if case.at.output.size > ROWS:
            yield np.zeros(0)
            return
        basis = np.eye(case.at.output.size)
        rows = [plain(pull(row.reshape(shape))[0]) for row in basis]
        yield np.stack(rows).reshape(shape + start.shape)


# -- parameters ------------------------------------------------------------------------------------


def _parameters(program: Program, params: set[str]) -> Iterator[Variant]:
    live = program.live()
    for name in program.names:
        if name not in params:
            continue
        place = Ref(program.names.index(name))
        added = uses(program, live, place)
        for text, one in moves(program, live, added, place):
            yield f"{name} {text}", one
        if len(added) > 1:
            for i in added:
                yield f"{name} is dropped in {program.text(Ref(i))}", {i: operand(_beside(program.steps[i], place))}


def _has(step: Step, place: Ref) -> bool:
    return len(step.args) == 2 and any(isinstance(x, Ref) and x == place for x in step.args)


def uses(program: Program, live: list[int], place: Ref) -> list[int]:
    """The additions of a value."""
    return [i for i in live if program.steps[i].call is np.add and _has(program.steps[i], place)]


def operand(x: Any) -> Change:
    """An operand in place of the step's result."""
    return lambda values: values[x.index] if isinstance(x, Ref) else x


def _beside(step: Step, place: Ref) -> Any:
    """The other operand of a sum."""
    first, second = step.args
    return second if isinstance(first, Ref) and first == place else first


def moves(program: Program, live: list[int], added: list[int], place: Ref) -> Iterator[Variant]:
    """The addition of `place` moved across the square root beside it, at every use at once and at each."""
    outward: dict[int, Change] = {}
    inward: dict[int, Change] = {}
    for i in added:
        x = _beside(program.steps[i], place)
        if not isinstance(x, Ref):
            continue
        for j in live:
            step = program.steps[j]
            power = root_power(step)
            if power and step.args[0] == Ref(i):
                outward[j] = _rooted(x.index, place.index, power, False)
        if x.index in program.steps and root_power(program.steps[x.index]) == 0.5:
            inner = program.steps[x.index].args[0]
            if isinstance(inner, Ref):
                inward[i] = _rooted(inner.index, place.index, 0.5, True)
    for changes, text in (
        (outward, "outside the square root in place of inside"),
        (inward, "inside the square root in place of outside"),
    ):
        if changes:
            yield text, changes
        if len(changes) > 1:
            for i, change in changes.items():
                yield f"{text} in {program.text(Ref(i))}", {i: change}


def root_power(step: Step) -> float:
    """The exponent p if the step raises its operand to an odd multiple of a half, else 0."""
    if step.call is np.sqrt:
        return 0.5
    if step.call is np.power and len(step.args) == 2 and isinstance(step.args[1], float):
        p = float(step.args[1])
        return p if (2.0 * p) % 2.0 == 1.0 else 0.0
    return 0.0


def _rooted(x: int, eps: int, power: float, inside: bool) -> Change:
    def change(values: list[Any]) -> Any:
        root = np.sqrt(values[x] + values[eps]) if inside else np.sqrt(values[x]) + values[eps]
        return root if power == 0.5 else root ** (2.0 * power)

    return change


# -- steps -----------------------------------------------------------------------------------------


def _steps(program: Program, inputs: set[str]) -> Iterator[Variant]:
    live = program.live()
    for i in live:
        step = program.steps[i]
        x = step.args[0] if step.args and isinstance(step.args[0], Ref) else None
        if x is None:
            continue
        text, inner = program.text(Ref(i)), program.text(x)
        if step.call in (np.mean, np.sum):
            count = np.size(program.values[x.index]) / max(np.size(program.values[i]), 1)
            other, word = (np.sum, "a sum") if step.call is np.mean else (np.mean, "an average")
            if step.call is np.mean and count > 1:
                yield f"N-1 in place of N in {text}", {i: scaled(step, count / (count - 1.0))}
            yield f"{word} in place of {text}", {i: Step(other, step.args, step.kwargs).run}
        elif step.call in (np.var, np.std):
            ddof = step.kwargs.get("ddof", 0)
            text = f"{'N in place of N-1' if ddof else 'N-1 in place of N'} in {text}"
            yield text, {i: Step(step.call, step.args, {**step.kwargs, "ddof": 0 if ddof else 1}).run}
        elif step.call in SMOOTH:
            yield f"{inner} in place of {text}", {i: _same(x.index)}
            yield f"the derivative of {text} is missing", {i: _straight(x.index, program.values[i])}
    # Elementwise functions of several steps between two names.
    named = {**{n: program.names.index(n) for n in inputs}, **program.tags}
    for after, j in program.tags.items():
        for before, i in named.items():
            if i < j and np.shape(program.values[i]) == np.shape(program.values[j]):
                yield f"the derivative of {after!r} in {before!r} is missing", {j: _straight(i, program.values[j])}


def scaled(step: Step, factor: float) -> Change:
    """The step's result times a factor."""
    return lambda values: step.run(values) * factor


def _held(value: Any) -> Change:
    return lambda values: value


def _same(index: int) -> Change:
    return lambda values: values[index]


def _straight(index: int, value: Any) -> Change:
    """The step's value, with derivative 1 in the operand."""

    def change(values: list[Any]) -> Any:
        x = values[index]
        return x + (value - plain(x)) if isinstance(x, autograd_core.Tensor) else value

    return change


def untagged(case: Case) -> Terms:
    """Terms of the chain rule through intermediates that have no name: what is lost if they are constants."""
    program = case.forward
    if program is None or (case.output_ndim and case.at.output.size > ROWS):
        return {}
    found: Terms = {}
    taken = {program.root} if case.output_ndim else {program.root, *program.tags.values()}
    elements = BACKWARD * sum(np.size(x) + 5000 for x in program.values)
    for i in program.live():
        if i in taken or not case.afford((case.at.output.size if case.output_ndim else len(case.draws)) * elements):
            continue
        value = program.values[i]
        try:
            cut = list(gradients(case, program, {i: _held(value)}))
        except Exception:  # f cannot be run with a constant there
            continue
        term = [b - a for a, b in zip(cut, case.true, strict=True)]
        text = program.text(Ref(i))
        if text != "..." and text not in found and any(np.any(t) for t in term) and all(np.any(c) for c in cut):
            found[text] = term
    return found
