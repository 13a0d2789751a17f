"""What passes share: one walk over a program's calls that builds the new program."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..program import Call, Program, Value, substituted

__all__ = ["Rewriter", "is_number", "rewrite"]


def is_number(x: Any) -> bool:
    """Whether x is a Python number, which is weakly typed."""
    return type(x) in (int, float, bool, complex)


class Rewriter:
    """The program that is being built.

    Attributes:
        calls: so far.
        constants: those of the old program, and new ones.
        made: the Call that made a Value; inputs and constants are not in it.
        uses: how often a Value of the old program was read, results wanted at the end included.
    """

    def __init__(self, program: Program) -> None:
        self.calls: list[Call] = []
        self.constants: dict[Value, Any] = dict(program.constants)
        self.made: dict[Value, Call] = {}
        self._alias: dict[Value, Value] = {}
        self.uses: dict[Value, int] = {}
        for call in program.calls:
            for value in call.operands():
                self.uses[value] = self.uses.get(value, 0) + 1
        for value in program.results():
            self.uses[value] = self.uses.get(value, 0) + 1

    def current(self, value: Value) -> Value:
        """What stands for a Value of the old program. One step: an alias is entered with its final target."""
        return self._alias.get(value, value)

    def replace(self, old: Value, new: Value) -> None:
        """From here on `new` is read where the old program reads `old`."""
        if (old.shape, old.dtype) != (new.shape, new.dtype):
            raise AssertionError(f"a pass replaced {old!r} by {new!r}, which differs in shape or dtype")
        if old is not new:
            self._alias[old] = new
            self.uses[new] = self.uses.get(new, 0) + self.uses.get(old, 0)

    def append(self, call: Call) -> None:
        """Adds a call as it is."""
        self.calls.append(call)
        for value in call.results:
            self.made[value] = call

    def emit(self, kind: str, function: Any, args: tuple[Any, ...], keywords: dict[str, Any], result: Value) -> Value:
        """Adds a call that makes `result`."""
        self.append(Call(kind, function, args, keywords, (result,)))
        return result

    def ufunc(self, function: np.ufunc, *args: Any, result: Value | None = None) -> Value:
        """Adds an elementwise call; the result's shape and dtype follow from NumPy's promotion unless it is given."""
        if result is None:
            shapes = [a.shape for a in args if isinstance(a, Value)]
            given = [a.dtype if isinstance(a, Value) else type(a) for a in args]
            dtype = function.resolve_dtypes((*given, None))[-1]
            result = Value(np.broadcast_shapes(*shapes), dtype)
        return self.emit("ufunc", function, args, {}, result)

    def reduce(
        self, function: np.ufunc, a: Value, axis: tuple[int, ...], keepdims: bool, result: Value | None = None
    ) -> Value:
        """Adds a reduction to a Value of a floating type, or to `result`."""
        if result is None:
            result = Value(reduced_shape(a.shape, axis, keepdims), a.dtype)
        return self.emit("reduce", function, (a,), {"axis": axis, "keepdims": keepdims}, result)

    def view(self, function: Any, a: Value, argument: Any, result: Value) -> Value:
        """Adds a view."""
        return self.emit("view", function, (a, argument), {}, result)

    def constant(self, array: Any) -> Value:
        """A new constant."""
        array = np.asarray(array)
        value = Value(array.shape, array.dtype)
        self.constants[value] = array
        return value

    def maker(self, x: Any, kind: str, *functions: Any) -> Call | None:
        """The call that made x, if it is one of this kind and of these functions."""
        call = self.made.get(x) if isinstance(x, Value) else None
        return (
            call if call is not None and call.kind == kind and (not functions or call.function in functions) else None
        )


def reduced_shape(shape: tuple[int, ...], axis: Iterable[int], keepdims: bool) -> tuple[int, ...]:
    """The shape of a reduction's result."""
    axes = set(axis)
    return tuple(1 if i in axes else n for i, n in enumerate(shape) if keepdims or i not in axes)


def rewrite(program: Program, step: Callable[[Rewriter, Call], bool | None]) -> Program:
    """A program from one walk over the calls of another, in linear time.

    Args:
        program: is not changed.
        step: is given each call with its operands as the new program has them. It emits what should stand in its place
            (calls that make the same results, or `replace`) and returns True; otherwise the call is taken over.
    """
    rewriter = Rewriter(program)
    alias = rewriter._alias
    for call in program.calls:
        if alias and any(value in alias for value in call.operands()):
            args = substituted(call.args, rewriter.current)
            keywords = substituted(call.keywords, rewriter.current)
            call = Call(call.kind, call.function, args, keywords, call.results)
        if not step(rewriter, call):
            rewriter.append(call)
    outputs = [rewriter.current(value) for value in program.outputs]
    updates = [(place, rewriter.current(value)) for place, value in program.updates]
    return Program(program.inputs, rewriter.constants, rewriter.calls, outputs, updates)
