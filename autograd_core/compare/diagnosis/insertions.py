"""Something missing at one place of the claim's own formula: a parameter, a root, a sum, a term, a factor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from autograd_core.compare.diagnosis.case import Case
from autograd_core.compare.diagnosis.edits import Edit, fitting, uses_of, with_operand
from autograd_core.compare.diagnosis.forwards import operand
from autograd_core.compare.diagnosis.tracing import Change, Program, Ref

FUNCTIONS = (np.sqrt, np.square, np.exp, np.log, np.tanh)
Wrap = Callable[[Any, list[Any]], Any]


def dropped_in_place(case: Case) -> Iterator[str]:
    """A parameter dropped in one place, or in several."""
    yield from fitting(case, _parameters)


def missing_functions(case: Case) -> Iterator[str]:
    """A function or a reduction missing in one place."""
    yield from fitting(case, _functions)


def insertions(case: Case) -> Iterator[str]:
    """A term or a factor missing in one place."""
    yield from fitting(case, _operands)


def factors_outside(case: Case) -> Iterator[str]:
    """A factor of the whole that belongs beside g, inside the sums."""
    yield from fitting(case, _outside)


def missing_factors(case: Case) -> Iterator[str]:
    """An input or a tag that g is not multiplied with."""
    if not case.programs or "g" not in case.programs[0].names:
        return
    place = case.programs[0].names.index("g")
    names = [n for n in (*case.at.inputs, *case.at.tags) if n in case.programs[0].names]

    def edits(program: Program, case: Case) -> Iterator[Edit]:
        for name in names:
            yield f"factor {name} is missing", _everywhere(program, place, _times(program.names.index(name)))

    yield from fitting(case, edits)


def _times(j: int) -> Wrap:
    return lambda x, values: x * values[j]


def _outside(program: Program, case: Case) -> Iterator[Edit]:
    if "g" not in program.names:
        return
    live = set(program.live())
    g = program.names.index("g")
    inside = _everywhere(program, g, lambda x, values: x)
    for i, k, x in uses_of(program, list(range(len(program.names)))):
        step = program.steps[i]
        divides = step.call is np.divide and k == 0
        if x.index == g or i in inside or not (step.call is np.multiply or divides) or i not in live:
            continue
        without = with_operand(step, 0, lambda values: 1.0) if divides else operand(step.args[1 - k])
        changes = {**_everywhere(program, g, _times(x.index)), i: without}
        yield f"factor {program.text(x)} outside the sums in place of beside g", changes


def _places(program: Program) -> Iterator[tuple[str, Any, Callable[[Wrap], dict[int, Change]]]]:
    """Every use of a value, and the result: its text, its value, and how to wrap something around it."""
    for i, k, x in uses_of(program, list(range(len(program.values)))):
        step = program.steps[i]

        def wrapped(wrap: Wrap, i: int = i, k: int = k, x: Ref = x, step: Any = step) -> dict[int, Change]:
            return {i: with_operand(step, k, lambda values: wrap(values[x.index], values))}

        yield program.text(x), program.values[x.index], wrapped
    root = program.root
    if root in program.steps:

        def whole(wrap: Wrap) -> dict[int, Change]:
            return {root: lambda values: wrap(program.steps[root].run(values), values)}

        yield program.text(Ref(root)), program.values[root], whole


def _everywhere(program: Program, index: int, wrap: Wrap) -> dict[int, Change]:
    """Wrap something around a value in all its uses."""
    if index in program.steps:
        return {index: lambda values: wrap(program.steps[index].run(values), values)}
    changes: dict[int, Change] = {}
    for i, k, x in uses_of(program, [index]):
        if i not in changes:
            changes[i] = with_operand(program.steps[i], k, lambda values, x=x: wrap(values[x.index], values))  # type: ignore[misc]
    return changes


def _parameters(program: Program, case: Case) -> Iterator[Edit]:
    for j, name in enumerate(program.names):
        if name not in case.at.params:
            continue

        def plus(x: Any, values: list[Any], j: int = j) -> Any:
            return x + values[j]

        used = {x.index for _, _, x in uses_of(program, list(range(len(program.names))))}
        for index in [*sorted(used), *program.live()]:
            if index != j:
                text = f"{name} is dropped beside {program.text(Ref(index))}"
                yield text, _everywhere(program, index, plus)
        for text, _, wrapped in _places(program):
            if text == name:  # twice a parameter is no epsilon
                continue
            yield f"{name} is dropped beside {text} in one place", wrapped(plus)


def _functions(program: Program, case: Case) -> Iterator[Edit]:
    for text, value, wrapped in _places(program):
        for function in FUNCTIONS:
            yield f"{function.__name__} of {text} is missing", wrapped(lambda x, v, f=function: f(x))  # type: ignore[misc]
        for axis, length in enumerate(np.shape(value)):
            if length > 1:
                for reduce in (np.sum, np.mean):
                    change = wrapped(lambda x, v, f=reduce, axis=axis: f(x, axis=axis, keepdims=True))  # type: ignore[misc]
                    yield f"{reduce.__name__} over axis {axis} of {text} is missing", change


def _operands(program: Program, case: Case) -> Iterator[Edit]:
    dead = [i for i in program.steps if i not in program.live()]
    candidates: list[tuple[str, Any]] = [(program.text(Ref(j)), Ref(j)) for j in (*range(len(program.names)), *dead)]
    candidates.append(("1", 1.0))
    for text, value, wrapped in _places(program):
        for name, other in candidates:
            if isinstance(other, Ref) and np.ndim(program.values[other.index]) > max(np.ndim(value), 1):
                continue
            get = operand(other)
            if other != 1.0:
                yield f"factor {name} is missing at {text}", wrapped(lambda x, v, get=get: x * get(v))  # type: ignore[misc]
                yield f"{text} is not divided by {name}", wrapped(lambda x, v, get=get: x / get(v))  # type: ignore[misc]
            yield f"term + {name} is missing at {text}", wrapped(lambda x, v, get=get: x + get(v))  # type: ignore[misc]
            yield f"term - {name} is missing at {text}", wrapped(lambda x, v, get=get: x - get(v))  # type: ignore[misc]
            yield f"{name} - is missing before {text}", wrapped(lambda x, v, get=get: get(v) - x)  # type: ignore[misc]
            yield f"{name} / is missing before {text}", wrapped(lambda x, v, get=get: get(v) / x)  # type: ignore[misc]
