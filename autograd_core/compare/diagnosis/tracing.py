"""A formula as a program: every operation on its arguments recorded, to be run again with a change.

The user's formula is called once with `Traced` arguments, which answer NumPy's protocols. What it
computed can then be repeated with one step replaced, on arrays or on Tensors, without reading its
source. A formula that does what cannot be recorded (writes into an array, leaves NumPy) is not
traced: `trace` returns None, and nothing is said about it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

MOST_STEPS = 300  # longer formulas (loops over elements) are not searched
LONGEST = 40  # characters of a formula quoted in a hint


@dataclass(frozen=True)
class Ref:
    """A value of the program as an operand."""

    index: int


@dataclass(frozen=True)
class Step:
    """One recorded operation; operands are `Ref`s or constants."""

    call: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    @cached_property
    def operands(self) -> frozenset[int]:
        """Indices of the values it reads."""
        return frozenset(x.index for x in _leaves((*self.args, *self.kwargs.values())) if isinstance(x, Ref))

    def run(self, values: list[Any]) -> Any:
        """The operation on these values of the program."""

        def value(x: Any) -> Any:
            return values[x.index] if isinstance(x, Ref) else x

        args = [value(x) if type(x) not in (tuple, list) else _mapped(x, value) for x in self.args]
        return self.call(*args, **{k: _mapped(v, value) for k, v in self.kwargs.items()})


Change = Callable[[list[Any]], Any]


class Program:
    """A traced formula.

    Attributes:
        names: Of the arguments that are arrays or numbers; they are the first values.
        steps: The operations, by the index of their result.
        values: All values of the traced call.
        root: Index of the result.
        tags: Index of each tagged value, for forward functions.
    """

    def __init__(self, leaves: Mapping[str, Any]) -> None:
        self.names = list(leaves)
        self.values: list[Any] = list(leaves.values())
        self.steps: dict[int, Step] = {}
        self.root = -1
        self.tags: dict[str, int] = {}
        self._texts: list[str] = []
        self._affected: dict[frozenset[int], list[int]] = {}

    def record(self, call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Compute, and note what was computed; results that are no arrays are passed on as they are."""
        step = Step(call, _mapped(args, _reference), {k: _mapped(v, _reference) for k, v in kwargs.items()})
        value = step.run(self.values)
        if not isinstance(value, (np.ndarray, np.generic)):
            return value
        if len(self.steps) >= MOST_STEPS:
            raise ValueError("a formula of so many steps is not searched")
        self.values.append(value)
        self.steps[len(self.values) - 1] = step
        return Traced(self, len(self.values) - 1)

    def live(self) -> list[int]:
        """Indices of the steps that the result depends on, in the order of computation."""
        needed = {self.root}
        for index in sorted(self.steps, reverse=True):
            if index in needed:
                needed.update(self.steps[index].operands)
        return [index for index in self.steps if index in needed]

    def rerun(self, changes: Mapping[int, Change], leaves: Mapping[int, Any] | None = None) -> Any:
        """The result with some values replaced; only what depends on them is computed again.

        Args:
            changes: By index, a function from all values to the value in place of the recorded one.
            leaves: Other arguments, by index.
        """
        values = list(self.values)
        dirty = frozenset(leaves or {})
        for index, leaf in (leaves or {}).items():
            values[index] = leaf
        for index in self._after(frozenset(changes) | dirty):
            values[index] = changes[index](values) if index in changes else self.steps[index].run(values)
        return values[self.root]

    def _after(self, changed: frozenset[int]) -> list[int]:
        """The steps to compute again if these values change: themselves, and what depends on them."""
        found = self._affected.get(changed)
        if found is None:
            dirty = set(changed)
            for index, step in self.steps.items():
                if index in changed or not dirty.isdisjoint(step.operands):
                    dirty.add(index)
            found = self._affected[changed] = [i for i in self.steps if i in dirty]
        return found

    def cost(self, index: int) -> int:
        """Elements that are computed again if the value at `index` changes."""
        return sum(int(np.size(self.values[i])) + 2000 for i in self._after(frozenset((index,))))

    def text(self, item: Any, nested: bool = False) -> str:
        """An operand as the user would write it; "..." if that is long."""
        if not isinstance(item, Ref):
            return written(item) if isinstance(item, (int, float, np.number)) else "..."
        if not self._texts:
            names = {index: name for name, index in self.tags.items()}
            for index in range(len(self.values)):  # in order, so that no formula is too deep
                text = names.get(index) or (self.names[index] if index < len(self.names) else self._written(index))
                self._texts.append("..." if "..." in text or len(text) > LONGEST else text)
        text = self._texts[item.index]
        step = self.steps.get(item.index)
        infix = (step is not None and step.call in SYMBOLS and step.call is not np.power) or step is None
        return f"({text})" if nested and infix and " " in text else text

    def _written(self, index: int) -> str:
        call, args = self.steps[index].call, self.steps[index].args
        parts = [self._texts[x.index] if isinstance(x, Ref) else self.text(x) for x in args[:2]]
        if "..." in parts[: 1 + (call in SYMBOLS)]:
            return "..."
        inner = [self._bracketed(x, part) for x, part in zip(args, parts, strict=False)]
        if call is np.power and len(args) == 2:
            return f"({parts[0]})**{inner[1]}" if "**" in parts[0] else f"{inner[0]}**{inner[1]}"
        if call in SYMBOLS and len(args) == 2:
            return f"{inner[0]} {SYMBOLS[call]} {inner[1]}"
        if call is np.negative:
            return f"-{inner[0]}"
        if call is np.transpose and len(args) == 1:
            return f"{inner[0]}.T"
        if call is np.square:
            return f"{inner[0]}**2"
        name = getattr(call, "__name__", "...")
        return f"{name}({parts[0]})" if args else name

    def _bracketed(self, item: Any, text: str) -> str:
        step = self.steps.get(item.index) if isinstance(item, Ref) else None
        simple = step is not None and (step.call not in SYMBOLS or step.call is np.power) and not text.startswith("-")
        return text if simple or " " not in text else f"({text})"


def written(number: Any) -> str:
    """A number in six digits, or in all where these look like a simpler one."""
    short = f"{number:g}"
    simple = len(short.lstrip("-").replace(".", "")) < 6
    return f"{float(number):.15g}" if simple and float(short) != number else short


INFIX: dict[Any, str] = {
    np.add: "+",
    np.subtract: "-",
    np.multiply: "*",
    np.divide: "/",
    np.power: "**",
    np.matmul: "@",
}
SYMBOLS: dict[Any, str] = INFIX | {
    np.less: "<",
    np.less_equal: "<=",
    np.greater: ">",
    np.greater_equal: ">=",
    np.equal: "==",
    np.not_equal: "!=",
}


class Traced(np.lib.mixins.NDArrayOperatorsMixin):
    """A value of a `Program` under construction; behaves like its array."""

    def __init__(self, program: Program, index: int) -> None:
        self._program = program
        self._index = index

    @property
    def _value(self) -> Any:
        return self._program.values[self._index]

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
        if ufunc.nout != 1 or method not in ("__call__", "reduce"):
            return NotImplemented
        # x += y makes a new value: the names that the formula gave to the old one keep it, as with numbers.
        if method == "reduce" and ufunc is np.add:
            kwargs.setdefault("axis", 0)
            return self._program.record(np.sum, inputs, kwargs)
        return self._program.record(ufunc if method == "__call__" else getattr(ufunc, method), inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return self._program.record(SAME.get(function, function), args, kwargs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self._value, dtype=dtype)

    def __getitem__(self, index: Any) -> Any:
        return self._program.record(operator.getitem, (self, index), {})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name == "T":
            return self._program.record(np.transpose, (self,), {})
        if name in ("copy", "detach"):
            return lambda *args, **kwargs: self
        if name in ("reshape", "transpose"):
            function = getattr(np, name)
            return lambda *shape, **kwargs: self._program.record(function, (self, *_one(shape)), kwargs)
        if name in METHODS:
            function = getattr(np, METHODS[name])
            return lambda *args, **kwargs: self._program.record(function, (self, *args), kwargs)
        if name == "astype":
            return lambda dtype, **kwargs: self._program.record(_astype, (self, dtype), {})
        return getattr(self._value, name)

    def __len__(self) -> int:
        return len(self._value)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self._value)))

    def __float__(self) -> float:
        return float(self._value)

    def __int__(self) -> int:
        return int(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)


METHODS = {
    name: name
    for name in (
        *("sum", "mean", "var", "std", "max", "min", "prod", "dot", "ravel", "squeeze", "clip", "swapaxes"),
        *("trace", "cumsum", "repeat", "argmax", "argmin", "any", "all", "round", "diagonal"),
    )
} | {"flatten": "ravel"}
SAME = {np.amax: np.max, np.amin: np.min}


def _astype(x: Any, dtype: Any) -> Any:
    return x.astype(dtype)


def _one(shape: tuple[Any, ...]) -> tuple[Any, ...]:
    if not shape:
        return ()
    return (shape[0],) if len(shape) == 1 and not isinstance(shape[0], int) else (shape,)


def _reference(item: Any) -> Any:
    return Ref(item._index) if isinstance(item, Traced) else item


def _mapped(item: Any, change: Callable[[Any], Any]) -> Any:
    """`item` with `change` applied to all that tuples and lists in it hold."""
    if type(item) in (tuple, list):
        return type(item)(_mapped(i, change) for i in item)
    return change(item)


def _leaves(item: Any) -> Iterator[Any]:
    if type(item) in (tuple, list):
        for i in item:
            yield from _leaves(i)
    else:
        yield item


def trace(
    formula: Callable[[dict[str, Any]], Any], arguments: Mapping[str, Any], expected: Any
) -> tuple[Program, dict[str, Any]] | None:
    """Call a formula with traced arguments.

    Args:
        formula: Called with a dict of all arguments by name.
        arguments: Their values. Whole numbers stay numbers: they may be shapes or axes.
        expected: The result of an ordinary call; a trace that does not repeat it is of no use.

    Returns:
        The program, and the arguments it was called with.
    """
    leaves = {name: x for name, x in arguments.items() if _is_data(x)}
    program = Program(leaves)
    given = {**arguments, **{name: Traced(program, i) for i, name in enumerate(leaves)}}
    try:
        result = formula(given)
        if not isinstance(result, Traced):
            return None
        program.root = result._index
        return (program, given) if _same(np.asarray(result), np.asarray(expected)) else None
    except Exception:  # what cannot be traced is not explained this way; it is no error
        return None


def _same(a: Any, b: Any) -> bool:
    """Equal but for rounding: Python's powers of floats are not NumPy's to the last bit."""
    finite = b[np.isfinite(b)]
    scale = float(np.abs(finite).max()) if finite.size else 0.0
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-10, atol=1e-10 * scale, equal_nan=True))


def _is_data(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")
