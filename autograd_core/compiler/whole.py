"""Functions that a program has as one call, since what they do inside cannot be recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import TraceError, where
from ..operator import Operator

__all__ = ["WHOLE", "Passed", "Whole", "WholeRule"]

# Recorded as one call although their functions would run on traced arrays: NumPy's own way is the quickest.
WHOLE = frozenset({"setitem", "put_positions", "scatter"})


class Whole:
    """An operator's function as one call of a program: what it does inside cannot be recorded.

    Its result must have the shape that it had when it was recorded.
    """

    __slots__ = ("__name__", "function", "names", "shapes", "variadic")

    def __init__(self, op: Operator, shapes: tuple[tuple[int, ...], ...]) -> None:
        self.__name__ = op.name
        self.function = op.function
        self.names = op.parameters
        self.variadic = op.variadic
        self.shapes = shapes

    def __call__(self, *datas: Any, **statics: Any) -> Any:
        """The operator on arrays."""
        operands = {self.variadic: datas} if self.variadic else dict(zip(self.names, datas, strict=True))
        out = self.function(**operands, **statics)
        if type(out) is np.ndarray and self.shapes[0] == out.shape:
            return out
        shapes = tuple(np.shape(o) for o in (out if isinstance(out, tuple | list) else (out,)))
        if shapes != self.shapes:
            raise TraceError(
                f"compile: a shape must not depend on values, got {shapes} from {self.__name__} in place of "
                f"{self.shapes}; compute it outside of the compiled function. {where('compile')}"
            )
        return out

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Whole) and (self.function, self.shapes) == (other.function, other.shapes)

    def __hash__(self) -> int:
        return hash((self.function, self.shapes))


class WholeRule:
    """A gradient rule as one call of a program."""

    __slots__ = ("__name__", "rule")

    def __init__(self, rule: Any) -> None:
        self.__name__ = f"rule of {getattr(rule, '__module__', '')}:{getattr(rule, '__name__', '')}"
        self.rule = rule

    def __call__(self, *args: Any) -> Any:
        """The rule on arrays."""
        return self.rule(*args)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WholeRule) and self.rule is other.rule

    def __hash__(self) -> int:
        return hash(self.rule)


class Passed:
    """A check as a call with a result."""

    def __init__(self, check: Callable[..., None]) -> None:
        self.check = check
        self.__name__ = getattr(check, "__name__", "check")

    def __call__(self, *arrays: Any) -> Any:
        """True, or what the check raises."""
        self.check(*arrays)
        return np.True_
