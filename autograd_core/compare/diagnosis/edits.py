"""The claim's own formula with one token changed: which change makes it the true gradient?

The formula runs once on traced arguments (`tracing`); then one step at a time is replaced and what
depends on it computed again. A change that fits the first upstream draw must fit all others.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from autograd_core.compare.diagnosis.case import Case
from autograd_core.compare.diagnosis.forwards import moves, operand, uses
from autograd_core.compare.diagnosis.shapes import all_axes, named
from autograd_core.compare.diagnosis.tracing import INFIX, Change, Program, Ref, Step, written

Edit = tuple[str, dict[int, Change]]
SKIPPED = 500.0  # work that an edit costs even if it is not tried
EXPONENTS = (-1.0, -0.5, -1.5, -2.0, 0.5, 1.0, 1.5, 2.0, 3.0, -3.0)
OPPOSITE: dict[Any, Any] = {np.add: np.subtract, np.subtract: np.add, np.multiply: np.divide, np.divide: np.multiply}
WORDS: dict[Any, str] = {
    np.add: "plus",
    np.subtract: "minus",
    np.multiply: "multiplied by",
    np.divide: "divided by",
    np.power: "to the power",
}
NOUNS: dict[Any, str] = {
    np.add: "sum",
    np.subtract: "difference",
    np.multiply: "product",
    np.divide: "quotient",
    np.power: "power",
}
FUNCTIONS = (np.sqrt, np.square, np.exp, np.log, np.tanh, np.abs, np.sin, np.cos)
REDUCTIONS = (np.sum, np.mean, np.max, np.min, np.prod, np.median)
COMPARISONS = (np.greater, np.less, np.greater_equal, np.less_equal)


def reductions(case: Case) -> Iterator[str]:
    """A sum in place of a mean or the other way round, or over another axis."""
    yield from fitting(case, _reductions)


def misplaced(case: Case) -> Iterator[str]:
    """A parameter of the claim outside the square root in place of inside, or the other way round."""

    def edits(program: Program, case: Case) -> Iterator[Edit]:
        live = program.live()
        for name in case.at.params:
            if name in program.names:
                place = Ref(program.names.index(name))
                for text, change in moves(program, live, uses(program, live, place), place):
                    # The claim must be changed so: it has it the other way round.
                    there, here = ("outside", "inside") if text.startswith("outside") else ("inside", "outside")
                    text = text.replace(
                        f"{there} the square root in place of {here}", f"{here} the square root in place of {there}"
                    )
                    yield f"{name} {text}", change

    yield from fitting(case, edits)


def tokens(case: Case) -> Iterator[str]:
    """Another operator, function or argument in one place."""
    yield from fitting(case, _tokens)
    yield from fitting(case, _names)
    yield from fitting(case, _odd_operators)
    yield from fitting(case, _numbers_for_names)


def unnamed_values(case: Case) -> Iterator[str]:
    """A value without a name that should stand in one place."""
    yield from fitting(case, lambda program, case: _names(program, case, unnamed=True))


def fitting(case: Case, edits: Callable[[Program, Case], Iterator[Edit]]) -> Iterator[str]:
    """The texts of the edits that make the claim right."""
    if not case.programs:
        return
    for full, changes in edits(case.programs[0], case):
        text = full.replace(" of ...", "").replace(" at ...", "")
        if "..." in text or case.skips(text):  # what is left out cannot be told in a line
            if not case.afford(SKIPPED):
                return
            continue
        if not case.afford(sum(case.programs[0].cost(i) for i in changes)):
            return
        if right(case, changes) and not _vanishes(case.programs[0], changes):
            yield text


def _vanishes(program: Program, changes: dict[int, Change]) -> bool:
    """Whether a change only makes a value zero: a sum of what adds up to nothing repairs by accident."""
    for i, change in changes.items():
        before, after = (float(np.abs(x).max(initial=0.0)) for x in (program.values[i], change(program.values)))
        if not np.isfinite(before) or after > 1e-9 * before:
            return False
    return True


def right(case: Case, changes: dict[int, Change]) -> bool:
    """Whether the changed formula is the true gradient in every draw."""
    for program, b in zip(case.programs, case.true, strict=True):
        try:
            with np.errstate(all="ignore"):
                a = program.rerun(changes)
                if not case.agree(a, b):
                    return False
        except Exception:  # shapes that do not go together
            return False
    return True


# -- reductions ------------------------------------------------------------------------------------


def _reductions(program: Program, case: Case) -> Iterator[Edit]:
    for i in program.live():
        step = program.steps[i]
        if step.call not in REDUCTIONS or not isinstance(step.args[0], Ref):
            continue
        word, text = step.call.__name__, program.text(step.args[0])
        for other in (np.mean, np.sum):
            if other is not step.call:
                yield f"{word} in place of {other.__name__} of {text}", {i: Step(other, step.args, step.kwargs).run}
        given = step.args[1] if len(step.args) > 1 else step.kwargs.get("axis")
        shape = np.shape(program.values[step.args[0].index])
        axis = normalized(given, len(shape))
        over = "all axes" if axis is None else named(axis)
        rest = {k: v for k, v in step.kwargs.items() if k not in ("axis", "keepdims")}
        keep = bool(step.kwargs.get("keepdims", False))
        change = Step(step.call, (step.args[0],), {**rest, "axis": given, "keepdims": not keep})
        yield f"{'needless keepdims' if keep else 'keepdims is missing'} in the {word} over {over}", {i: change.run}
        verb = {np.mean: "averaged", np.sum: "summed"}.get(step.call, word)
        for axes in [*all_axes(min(len(shape), 4)), None]:
            for kept in dict.fromkeys((keep, True)):
                if axes == axis or (axes is None and kept):
                    continue
                change = Step(step.call, (step.args[0],), {**rest, "axis": axes, "keepdims": kept})
                to = "all axes" if axes is None else named(axes)
                yield f"{verb} over {over} in place of {to}", {i: change.run}
        if np.shape(program.values[i]) != shape:
            yield f"{word} over {over} of {text} too much", {i: operand(step.args[0])}


def normalized(axis: Any, ndim: int) -> tuple[int, ...] | None:
    """Axes as a sorted tuple of non-negative numbers."""
    if axis is None:
        return None
    return tuple(sorted(a % max(ndim, 1) for a in (axis if isinstance(axis, tuple) else (axis,))))


# -- operators and functions -----------------------------------------------------------------------


def _tokens(program: Program, case: Case) -> Iterator[Edit]:
    for i in program.live():
        step = program.steps[i]
        call, args = step.call, step.args
        if len(args) == 2 and call in WORDS:
            yield from _operators(program, i, step)
        elif isinstance(call, np.ufunc) and call.nin == 1:
            name, text = ("minus" if call is np.negative else call.__name__), program.text(args[0])
            yield f"{name} of {text} too much", {i: operand(args[0])}
            for function in FUNCTIONS:
                if function is not call:
                    yield f"{name} in place of {function.__name__} of {text}", {i: Step(function, args, {}).run}
        elif call is np.transpose:
            yield f"{program.text(args[0])} transposed too much", {i: operand(args[0])}
        elif call is np.cumsum and isinstance(args[0], Ref):
            yield f"cumsum of {program.text(args[0])} in place of the reversed cumsum", {i: _from_the_end(step)}
        elif call is np.matmul or call is np.dot:
            for k, x in enumerate(args):
                if isinstance(x, Ref) and np.ndim(program.values[x.index]) == 2:
                    yield f"{program.text(x)} not transposed", {i: with_operand(step, k, _transposed(x))}
            yield f"operands of {program.text(Ref(i))} exchanged", {i: Step(call, args[::-1], {}).run}
            yield "matrix product in place of elementwise", {i: Step(np.multiply, args, {}).run}
        elif call in COMPARISONS:
            yield f"{program.text(args[0])}: the other side of the kink", {i: _negated(step)}
        if call is np.multiply:
            yield "elementwise product in place of a matrix product", {i: Step(np.matmul, args, {}).run}
        if call in (np.multiply, np.matmul, np.dot):
            yield from _matrix_products(program, i, step)


def _matrix_products(program: Program, i: int, step: Step) -> Iterator[Edit]:
    """The product of two matrices in another order, with other transposes."""
    if len(step.args) != 2 or not all(isinstance(x, Ref) and np.ndim(program.values[x.index]) == 2 for x in step.args):
        return
    for order in ((0, 1), (1, 0)):
        for flips in itertools.product((False, True), repeat=2):
            if step.call is not np.multiply and order == (0, 1) and not all(flips):
                continue  # the claim itself, and a single transpose, which has words of its own
            operands = [(step.args[k], flip) for k, flip in zip(order, flips, strict=True)]
            text = " @ ".join(_flipped(program, x) if flip else program.text(x, nested=True) for x, flip in operands)

            def change(values: list[Any], operands: Any = operands) -> Any:
                a, b = (values[x.index].T if flip else values[x.index] for x, flip in operands)
                return a @ b

            yield f"{program.text(Ref(i))} in place of {text}", {i: change}


def _flipped(program: Program, x: Ref) -> str:
    step = program.steps.get(x.index)
    if step is not None and step.call is np.transpose and len(step.args) == 1:
        return program.text(step.args[0], nested=True)
    return f"{program.text(x, nested=True)}.T"


def _from_the_end(step: Step) -> Change:
    def change(values: list[Any]) -> Any:
        axis = step.args[1] if len(step.args) > 1 else step.kwargs.get("axis")
        x = values[step.args[0].index]
        return np.flip(np.cumsum(np.flip(x, axis), axis=axis), axis)

    return change


def _operators(program: Program, i: int, step: Step) -> Iterator[Edit]:
    call, args = step.call, step.args
    a, b = (program.text(x, nested=True) for x in args)
    if call in OPPOSITE:
        yield _swapped(program, i, OPPOSITE[call])
    if call in (np.subtract, np.divide, np.power):
        yield f"{a} {INFIX[call]} {b} in place of {b} {INFIX[call]} {a}", {i: Step(call, args[::-1], {}).run}
    if call is np.power and isinstance(args[1], (int, float)):
        for p in EXPONENTS:
            if p != args[1]:
                yield f"exponent {written(args[1])} in place of {p:g}", {i: Step(np.power, (args[0], p), {}).run}
    words: dict[Any, str] = {np.add: "term", np.subtract: "term", np.multiply: "factor"}
    word = words.get(call, WORDS[call])
    whole = program.text(Ref(i))
    # A number says little without what it stands beside.
    at = [f" in {whole}" if isinstance(x, (int, float)) and whole != "..." else "" for x in args]
    yield f"{word} {b} too much{at[1]}", {i: operand(args[0])}
    if call in (np.add, np.multiply):
        yield f"{word} {a} too much{at[0]}", {i: operand(args[1])}
    if call is np.subtract:
        yield f"term {a} too much", {i: Step(np.negative, (args[1],), {}).run}


def _swapped(program: Program, i: int, other: Any) -> Edit:
    step = program.steps[i]
    b = program.text(step.args[1], nested=True)
    text = f"{WORDS[step.call]} {b} in place of {WORDS[other]} {b}"
    if "..." in b:
        text = f"{NOUNS[step.call]} in place of {NOUNS[other]}"
    return text, {i: Step(other, step.args, {}).run}


def _odd_operators(program: Program, case: Case) -> Iterator[Edit]:
    for i in program.live():
        step = program.steps[i]
        if step.call in WORDS and len(step.args) == 2:
            yield from (_swapped(program, i, c) for c in WORDS if c not in (step.call, OPPOSITE.get(step.call)))


def _negated(step: Step) -> Change:
    return lambda values: ~step.run(values)


def _transposed(x: Ref) -> Change:
    return lambda values: values[x.index].T


def with_operand(step: Step, k: int, other: Change) -> Change:
    """The step with its k-th operand computed otherwise."""

    def change(values: list[Any]) -> Any:
        marked = [*values, other(values)]
        args = (*step.args[:k], Ref(len(values)), *step.args[k + 1 :])
        return Step(step.call, args, step.kwargs).run(marked)

    return change


# -- names -----------------------------------------------------------------------------------------


def _names(program: Program, case: Case, unnamed: bool = False) -> Iterator[Edit]:
    """One use of a value that should be an argument, or a value that the formula computes and does not use."""
    leaves = [j for j, name in enumerate(program.names) if (name in case.values) == unnamed]
    live = set(program.live())
    dead = [] if unnamed else [j for j in program.steps if j not in live]
    every = list(range(len(program.values)))
    for x_first in (True, False):  # arguments first, then what is computed from them
        for i, k, x in uses_of(program, every):
            if (x.index < len(program.names)) != x_first:
                continue
            step = program.steps[i]
            for j in (*leaves, *(d for d in dead if d < i)):
                fits = np.ndim(program.values[j]) == np.ndim(program.values[x.index]) or step.call in INFIX
                if j != x.index and fits:
                    text = f"{program.text(x)} in place of {program.text(Ref(j))}"
                    yield text, {i: with_operand(step, k, operand(Ref(j)))}


def _numbers_for_names(program: Program, case: Case) -> Iterator[Edit]:
    """A number that should be an argument."""
    leaves = [j for j, name in enumerate(program.names) if name not in case.values]
    for i in program.live():
        step = program.steps[i]
        for k, x in enumerate(step.args):
            if isinstance(x, (int, float)) and step.call in INFIX:
                for j in leaves:
                    yield f"{written(x)} in place of {program.names[j]}", {i: with_operand(step, k, operand(Ref(j)))}


def uses_of(program: Program, values: list[int]) -> Iterator[tuple[int, int, Ref]]:
    """(step, position, operand) for each live use of one of the values."""
    wanted = set(values)
    for i in program.live():
        for k, x in enumerate(program.steps[i].args):
            if isinstance(x, Ref) and x.index in wanted:
                yield i, k, x
