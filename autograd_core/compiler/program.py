"""A step as one straight-line program of NumPy calls.

Forward, backward and optimizer are NumPy calls on array-likes, so running a function on tracing arrays yields its whole
step as a `Program`: single assignment, shapes and dtypes fixed, no branches. Passes are functions Program -> Program;
back ends turn a Program into something that runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Call", "Program", "Value", "interpret", "substituted", "values_in"]


class Value:
    """An array of the program: an input, a constant or the result of a call. Compared by identity.

    Attributes:
        shape: lengths of the axes.
        dtype: data type of the elements. NumPy's promotion has been applied: nothing in a program is weakly typed.
    """

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def __repr__(self) -> str:
        return f"<{self.dtype.name}{list(self.shape)} at {id(self):x}>"


@dataclass(eq=False)
class Call:
    """One call of the program.

    Attributes:
        kind: what passes and back ends need to know about it:
            "ufunc": `function` is a `np.ufunc` with one result, `args` its operands (Values, numbers), no keywords;
            "reduce": a `np.ufunc` again; `function.reduce(args[0], axis=<tuple of ints >= 0>, keepdims=<bool>)`;
            "cast": `function` is `cast`, args (value,), keywords {"dtype": np.dtype};
            "view": a result that has the memory of its operand: `function` is one of `VIEWS` below, args
                (value, static argument);
            "call": any other function of NumPy or SciPy (matmul, einsum, take, ...), called as it is, without effects;
            "draw": takes random numbers: `function(*args, **keywords)` must be called once a step, in its order;
            "check": raises if the values it is given are bad, has no result, and runs before everything else.
        args, keywords: may hold Values at any depth of tuples, lists and dicts.
        results: the Values it makes.
    """

    kind: str
    function: Any
    args: tuple[Any, ...]
    keywords: dict[str, Any]
    results: tuple[Value, ...]

    @property
    def result(self) -> Value:
        """The only result."""
        (value,) = self.results
        return value

    def operands(self) -> Iterator[Value]:
        """The Values that it reads, with repetitions."""
        yield from values_in(self.args)
        if self.keywords:
            yield from values_in(self.keywords)

    def __repr__(self) -> str:
        name = getattr(self.function, "__name__", repr(self.function))
        return f"{', '.join(map(repr, self.results))} = {self.kind} {name}{self.args!r} {self.keywords or ''}"


@dataclass(eq=False)
class Program:
    """Calls in order, with what they read from outside and what is taken from them.

    Attributes:
        inputs: given at each run, in this order.
        constants: arrays that are the same in every run.
        calls: in an order in which every operand exists.
        outputs: returned by each run, in this order, each in memory of its own that the caller may keep.
        updates: (input, value): at the end of a run the value stands in the input's array. An array may be written
            earlier, once nothing reads its old value any more. No two of them share an input, and an array that is
            written to shares no memory with another input: whoever runs a program sees to that.
    """

    inputs: list[Value]
    constants: dict[Value, Any]
    calls: list[Call]
    outputs: list[Value]
    updates: list[tuple[Value, Value]] = field(default_factory=list)

    def results(self) -> Iterator[Value]:
        """Every Value that is wanted at the end."""
        yield from self.outputs
        for _, value in self.updates:
            yield value

    def __str__(self) -> str:
        names: dict[Value, str] = {}

        def name(x: Any) -> str:
            if isinstance(x, Value):
                return names.setdefault(x, f"v{len(names)}")
            if isinstance(x, tuple | list):
                return "(" + ", ".join(map(name, x)) + ")"
            return repr(x) if not isinstance(x, np.ndarray) else f"array{list(x.shape)}"

        lines = [f"inputs {', '.join(f'{name(v)}: {v.dtype.name}{list(v.shape)}' for v in self.inputs)}"]
        lines += [f"constant {name(v)}: {v.dtype.name}{list(v.shape)}" for v in self.constants]
        for call in self.calls:
            function = getattr(call.function, "__name__", repr(call.function))
            made = ", ".join(f"{name(v)}: {v.dtype.name}{list(v.shape)}" for v in call.results)
            given = ", ".join([*map(name, call.args), *(f"{k}={name(x)}" for k, x in call.keywords.items())])
            lines.append(f"{made or '-'} = {call.kind} {function}({given})")
        lines.append(f"outputs {', '.join(map(name, self.outputs))}")
        lines += [f"update {name(a)} <- {name(b)}" for a, b in self.updates]
        return "\n".join(lines)


# -- what a call may be besides NumPy's own functions ----------------------------------------------------------------


def cast(a: Any, dtype: Any) -> Any:
    """Another data type."""
    return a.astype(dtype)


def reshape(a: Any, shape: tuple[int, ...]) -> Any:
    """The same elements, in C order, in another shape (a copy where the memory does not allow it)."""
    return np.reshape(a, shape)


def transpose(a: Any, axes: tuple[int, ...]) -> Any:
    """The axes in another order; `axes` is complete."""
    return np.transpose(a, axes)


def broadcast(a: Any, shape: tuple[int, ...]) -> Any:
    """`np.broadcast_to`."""
    return np.broadcast_to(a, shape)


def basic_index(a: Any, index: tuple[Any, ...]) -> Any:
    """`a[index]` with integers, slices, None and Ellipsis."""
    out = a[index]
    return out if isinstance(out, np.ndarray) else np.asarray(out)


VIEWS: tuple[Callable[..., Any], ...] = (reshape, transpose, broadcast, basic_index)


# -- walking ---------------------------------------------------------------------------------------------------------


def values_in(x: Any) -> Iterator[Value]:
    """The Values in nested tuples, lists and dicts."""
    if isinstance(x, Value):
        yield x
    elif isinstance(x, tuple | list):
        for item in x:
            yield from values_in(item)
    elif isinstance(x, dict):
        for item in x.values():
            yield from values_in(item)


def substituted(x: Any, new: Callable[[Value], Any]) -> Any:
    """`x` with every Value replaced."""
    if isinstance(x, Value):
        return new(x)
    if isinstance(x, tuple | list):
        items = [substituted(item, new) for item in x]
        # A named tuple takes its fields one by one.
        return type(x)(*items) if hasattr(x, "_fields") else type(x)(items)
    if isinstance(x, dict):
        return {k: substituted(item, new) for k, item in x.items()}
    return x


def execute(call: Call, value: Callable[[Value], Any]) -> Sequence[Any]:
    """Carries out one call as it is written; an array for each of its results."""
    args = substituted(call.args, value)
    keywords = substituted(call.keywords, value) if call.keywords else {}
    function = call.function.reduce if call.kind == "reduce" else call.function
    out = function(*args, **keywords)
    if not call.results:
        return ()
    outs = out if len(call.results) > 1 or isinstance(out, tuple | list) else (out,)
    return [o if isinstance(o, np.ndarray) else np.asarray(o) for o in outs]


def interpret(program: Program, arrays: Iterable[Any]) -> list[Any]:
    """Runs a program call by call, as it is written: what every pass and back end must agree with."""
    store: dict[Value, Any] = dict(program.constants)
    store.update(zip(program.inputs, arrays, strict=True))
    given = {id(array) for array in store.values()}
    for call in sorted(program.calls, key=lambda c: c.kind != "check"):
        store.update(zip(call.results, execute(call, store.__getitem__), strict=True))
    outputs = []
    for value in program.outputs:
        array = store[value]
        shared = array.base is not None or id(array) in given
        outputs.append(array.copy() if shared else array)
        given.add(id(array))
    new = [(store[place], np.copy(store[value])) for place, value in program.updates]
    for target, array in new:
        target[...] = array
    return outputs
