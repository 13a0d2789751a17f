"""An update function as a straight-line program of ufunc calls that write into given arrays.

The function is run once on symbols that record the ufuncs applied to them. What depends on numbers
only (learning rate, step counter, bias corrections) becomes one function of Python floats,
evaluated once a step in float64. The rest becomes a loop over blocks whose every call writes into a
state, the parameter or a reused scratch array, so a step allocates nothing. Both are generated as
Python source: a call then costs what NumPy's call costs, and nothing on top.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from autograd_core.compiler import program as traced

__all__ = ["Program", "record"]

# Of the arrays of a traced program: any that is not 1, over which NumPy broadcasts.
LENGTH = 1 << 20
# On two Python floats these are ten times faster than the ufunc. Any other ufunc is called itself.
_ON_FLOATS: dict[np.ufunc, Callable[..., Any]] = {
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.divide: operator.truediv,
    np.power: operator.pow,
    np.negative: operator.neg,
    np.greater: operator.gt,
    np.greater_equal: operator.ge,
    np.less: operator.lt,
    np.less_equal: operator.le,
}


@dataclass(frozen=True, slots=True)
class Program:
    """An update function, ready to run on blocks.

    Attributes:
        numbers: the numbers that the blocks need, from those that the update function takes (all
            Python floats).
        run: `run(frames, constants)` updates every frame (p, g, state..., scratch...) of
            one-dimensional arrays of one length in place; `constants` are the values of `numbers`
            as 0-d arrays of their dtype.
        constants: how many numbers the blocks need.
        scratch: how many scratch arrays a frame needs.
        source: the generated source of both functions.
        tape: the ufunc calls that `run` consists of, before arrays are allotted.
        reads: of p, g and the states and then of the constants, the values on the tape.
        makes: the values of the new p and states.
    """

    numbers: Callable[..., tuple[float, ...]]
    run: Callable[[Iterable[Any], Iterable[Any]], None]
    constants: int
    scratch: int
    source: str
    tape: _Tape
    reads: list[int]
    makes: list[int]

    def traced(self, dtype: Any) -> traced.Program:
        """What `run` does to arrays of a data type, as a program of the compiler.

        Its inputs are those of a frame without scratch arrays, and the constants; its arrays have a length that stands
        for any.
        """
        long, short = (LENGTH,), ()
        values = {v: traced.Value(short if self.tape.scalar[v] else long, dtype) for v in self.reads}
        calls = []
        for call in self.tape.array_calls:
            values[call.result] = traced.Value(long, dtype)
            arguments = tuple(values[v] for v in call.arguments)
            calls.append(traced.Call("ufunc", call.ufunc, arguments, {}, (values[call.result],)))
        inputs = [values[v] for v in self.reads]
        renewed = zip([0, *range(2, 1 + len(self.makes))], self.makes, strict=True)  # not the gradient
        updates = [(inputs[i], values[v]) for i, v in renewed if v != self.reads[i]]
        return traced.Program(inputs, {}, calls, [], updates)


@dataclass(slots=True)
class _Call:
    ufunc: np.ufunc
    arguments: list[int]
    result: int


@dataclass(slots=True)
class _Tape:
    """Values by serial number; `scalar` says of each whether it is a number or an array."""

    scalar: list[bool] = field(default_factory=list)
    literals: dict[int, float] = field(default_factory=dict)
    scalar_calls: list[_Call] = field(default_factory=list)
    array_calls: list[_Call] = field(default_factory=list)

    def new(self, scalar: bool) -> _Symbol:
        self.scalar.append(scalar)
        return _Symbol(self, len(self.scalar) - 1)

    def value(self, operand: Any) -> int:
        if isinstance(operand, _Symbol):
            return operand.value
        symbol = self.new(True)
        self.literals[symbol.value] = operand
        return symbol.value

    def call(self, ufunc: np.ufunc, operands: Iterable[Any]) -> _Symbol:
        arguments = [self.value(operand) for operand in operands]
        result = self.new(all(self.scalar[argument] for argument in arguments))
        calls = self.scalar_calls if self.scalar[result.value] else self.array_calls
        calls.append(_Call(ufunc, arguments, result.value))
        return result


class _Symbol(NDArrayOperatorsMixin):
    """Stands for an array or a number while an update function is recorded."""

    def __init__(self, tape: _Tape, value: int) -> None:
        self.tape = tape
        self.value = value

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any, **options: Any) -> Any:
        known = all(isinstance(operand, _Symbol | int | float) for operand in operands)
        if method != "__call__" or options or ufunc.nout != 1 or not known:
            raise TypeError(
                "an update function may use elementwise ufuncs of one result on its arguments and "
                f"Python numbers, without options; got {ufunc.__name__}.{method} of "
                f"{', '.join(type(x).__name__ for x in operands)} with options {sorted(options)}"
            )
        return self.tape.call(ufunc, operands)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError(
            "an update function may use ufuncs only; it used a function that turns its arguments into arrays"
        )

    def __bool__(self) -> bool:
        raise TypeError("an update function may not branch on a value; an option that is absent is None: test that")


def record(
    update: Callable[..., tuple[Any, ...]],
    states: int,
    numbers: Mapping[str, Any],
    statics: Mapping[str, Any],
) -> Program:
    """The program of `update(p, g, *state, **numbers, **statics) -> (new p, *new state)`.

    Args:
        update: the update function, in NumPy expressions.
        states: how many state arrays it takes and returns.
        numbers: names of its 0-d arguments; the value is None for one that is absent, a tuple for
            one of several numbers, anything else for a single number.
        statics: arguments passed as they are.

    Raises:
        TypeError: the function does something else than call ufuncs.
        ValueError: the function returns another count of arrays than 1 + `states`.
    """
    tape = _Tape()
    arrays = [tape.new(False) for _ in range(2 + states)]
    options: dict[str, Any] = {}
    inputs: list[int] = []
    for name, value in numbers.items():
        if value is None:
            options[name] = None
        else:
            symbols = tuple(tape.new(True) for _ in value) if isinstance(value, tuple) else (tape.new(True),)
            inputs += [symbol.value for symbol in symbols]
            options[name] = symbols if isinstance(value, tuple) else symbols[0]
    results = update(*arrays, **options, **statics)
    if len(results) != 1 + states:
        raise ValueError(
            f"an update function must return the parameter and its {states} states, got {len(results)} values"
        )
    buffers = ["p", *(f"s{i}" for i in range(states))]
    sources = [arrays[0], *arrays[2:]]  # the gradient is read only
    finals: dict[int, str] = {}
    for result, source, buffer in zip(results, sources, buffers, strict=True):
        value = tape.value(result)
        if tape.scalar[value]:
            raise ValueError("an update function must return arrays, got a number for " + repr(buffer))
        if result is not source and (value in finals or value < len(arrays)):
            value = tape.call(np.positive, [result]).value  # another argument, or given twice
        finals[value] = buffer
    occupied = {buffer: source.value for buffer, source in zip(buffers, sources, strict=True)}
    lines, constants, scratch = _allocate(tape, finals, occupied, arrays[1].value)
    frame = ["p", "g", *buffers[1:], *scratch]
    numbers_of, run, text = _compile(tape, inputs, constants, frame, lines)
    reads = [*range(len(arrays)), *constants]
    return Program(numbers_of, run, len(constants), len(scratch), text, tape, reads, list(finals))


def _allocate(
    tape: _Tape, finals: dict[int, str], occupied: dict[str, int], gradient: int
) -> tuple[list[tuple[np.ufunc, list[str]]], list[int], list[str]]:
    """Gives every result an array to be written to.

    A final value goes to the parameter or state that it renews, if nothing reads the old value any
    more. A temporary value goes in place of an operand that is read for the last time (an in-place
    call touches one array less), else to a free scratch array; a state or the parameter serves as
    scratch between its last reading and its renewal.
    """
    calls = tape.array_calls
    last: dict[int, float] = {}
    made = {call.result: step for step, call in enumerate(calls)}
    for step, call in enumerate(calls):
        last.update(dict.fromkeys(call.arguments, step))
    last.update(dict.fromkeys(finals, inf))
    renewed = {buffer: made.get(value, -1) for value, buffer in finals.items()}
    place = {value: buffer for buffer, value in occupied.items()} | {gradient: "g"}
    constants: list[int] = []
    scratch: list[str] = []
    lines: list[tuple[np.ufunc, list[str]]] = []

    def operand(value: int) -> str:
        if not tape.scalar[value]:
            return place[value]
        if value not in constants:
            constants.append(value)
        return f"c{constants.index(value)}"

    def is_free(buffer: str, step: int) -> bool:
        return buffer != "g" and (buffer not in occupied or last.get(occupied[buffer], -1) <= step)

    for step, call in enumerate(calls):
        result = call.result
        names = [operand(value) for value in call.arguments]
        if result in finals and is_free(finals[result], step):
            target = finals[result]
        else:
            dying = [place[v] for v in call.arguments if not tape.scalar[v] and last[v] <= step]
            fits = (
                buffer
                for buffer in [*dying, *scratch, *renewed]
                if is_free(buffer, step) and last.get(result, step) <= renewed.get(buffer, inf)
            )
            target = next(fits, "") or f"x{len(scratch)}"
            if target not in scratch and target not in renewed:
                scratch.append(target)
        place[result] = target
        occupied[target] = result
        # NumPy 2.4 deprecates a third positional argument of these two (elsewhere it saves 20 ns).
        out = "out=" if call.ufunc in (np.maximum, np.minimum) else ""
        lines.append((call.ufunc, [*names, out + target]))
    for value, buffer in finals.items():
        if place[value] != buffer:
            lines.append((np.positive, [place[value], buffer]))
    return lines, constants, scratch


def _compile(
    tape: _Tape,
    inputs: list[int],
    constants: list[int],
    frame: list[str],
    lines: list[tuple[np.ufunc, list[str]]],
) -> tuple[Any, Any, str]:
    """Both functions, from generated source, and that."""
    names: dict[Any, str] = {}

    def name(function: Any) -> str:
        return names.setdefault(function, f"{function.__name__}_{len(names)}")

    def number(value: int) -> str:
        return repr(float(tape.literals[value])) if value in tape.literals else f"v{value}"

    scalar_lines = [
        f"    v{call.result} = {name(_ON_FLOATS.get(call.ufunc, call.ufunc))}({', '.join(map(number, call.arguments))})"
        for call in tape.scalar_calls
    ]
    array_lines = [f"        {name(ufunc)}({', '.join(operands)})" for ufunc, operands in lines]
    source = "\n".join(
        [
            f"def numbers({', '.join(f'v{value}' for value in inputs)}):",
            *scalar_lines,
            f"    return ({''.join(number(value) + ', ' for value in constants)})",
            "",
            "def run(frames, constants):",
            f"    [{', '.join(f'c{i}' for i in range(len(constants)))}] = constants",
            f"    for {', '.join(frame)} in frames:",
            *(array_lines or ["        pass"]),
            "",
        ]
    )
    namespace: dict[str, Any] = {text: function for function, text in names.items()}
    exec(compile(source, "<update program>", "exec"), namespace)
    return namespace["numbers"], namespace["run"], source
