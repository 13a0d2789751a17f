"""The recording of calls: NumPy's, and operators'."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from ..engine import compute
from ..errors import TraceError, where
from ..operator import Operator, Plan
from ..tensor import Tensor, as_array
from ..unbroadcast import form
from .program import Call, Value
from .tracing import Traced, ValuesNeededError, met
from .whole import WHOLE, Whole, WholeRule

__all__ = ["Calls", "concrete"]


class Calls:
    """A list of calls that grows as traced arrays are computed with.

    Attributes:
        calls, constants, inputs: of the program; each input with where its array comes from.
        closed: the recording has ended.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.constants: dict[Value, Any] = {}
        self.inputs: list[tuple[Value, Any]] = []
        self.closed = False
        self._by_array: dict[int, tuple[Any, Traced]] = {}
        self._plans: dict[int, tuple[Plan, Plan]] = {}

    # -- calls ---------------------------------------------------------------------------------------------------------

    def record(self, kind: str, function: Any, args: Any, keywords: Any, weak: bool = False, owner: str = "") -> Any:
        """Carries out a call on the real values and appends it; its results as traced arrays."""
        if self.closed:
            raise TraceError(
                f"compile: an array of a compiled function must not be used after its recording, got one in "
                f"{owner or getattr(function, '__name__', 'a call')}; return it from the function instead of keeping "
                f"it elsewhere. {where('compile')}"
            )
        if kind not in ("draw", "check"):
            args = met_inside(args) if kind == "call" else args
        real = concrete((args, keywords))
        run = function.reduce if kind == "reduce" else function
        out = run(*real[0], **real[1])
        several = isinstance(out, tuple | list)
        outs = out if several else (out,)
        if not all(isinstance(o, np.ndarray | np.generic) for o in outs):
            raise ValuesNeededError(
                f"compile: inside of a compiled function a value is not known yet, so Python cannot take it out, got "
                f"{getattr(function, '__name__', function)} with a {type(out).__name__} as result; use a function that "
                f"gives an array, or compute it outside. {where('compile')}"
            )
        results = tuple(Value(o.shape, o.dtype) for o in outs)
        self.calls.append(Call(kind, function, self.values_of(args), self.values_of(keywords), results))
        made = [
            Traced(self, v, o if isinstance(o, np.ndarray) else np.asarray(o), weak)
            for v, o in zip(results, outs, strict=True)
        ]
        if kind in ("view", "call") and len(made) == 1 and isinstance(args[0], Traced):
            self._note_view(args[0], made[0])
        if not several:
            return made[0]
        return type(out)(*made) if hasattr(out, "_fields") else type(out)(made)

    def _note_view(self, base: Traced, view: Traced) -> None:
        if np.may_share_memory(base.concrete, view.concrete):
            view.base = base
            base.views.append(weakref.ref(view))

    def values_of(self, x: Any) -> Any:
        """The arguments of a call: Values for traced arrays and for arrays that are constant."""
        if isinstance(x, Traced):
            if x.trace is not self:
                raise TraceError(
                    f"compile: an array of one compiled function must not be used in another's recording, got one of "
                    f"shape {x.shape}; return it from the function that made it. {where('compile')}"
                )
            return x.value
        if isinstance(x, np.ndarray | np.generic):
            return self.constant(x).value
        if isinstance(x, Tensor):
            return self.lift(x).value
        if isinstance(x, tuple | list):
            items = [self.values_of(i) for i in x]
            return type(x)(*items) if hasattr(x, "_fields") else type(x)(items)
        if isinstance(x, dict):
            return {k: self.values_of(i) for k, i in x.items()}
        return x

    def constant(self, array: Any) -> Traced:
        """An array that is the same in every run."""
        known = self._by_array.get(id(array))
        if known is not None and np.array_equal(known[1].concrete, array):  # it may have been written to since
            return known[1]
        if type(array) is not np.ndarray and isinstance(array, np.ndarray):
            as_array(array, "compile")  # refuses masked arrays and matrices, which would lose what makes them such
        value = Value(array.shape, array.dtype)
        copy = np.array(array)
        self.constants[value] = copy
        made = Traced(self, value, copy)
        self._by_array[id(array)] = (array, made)
        return made

    def constants_of(self, inputs: Any) -> list[Any]:
        """Operands with arrays as constants."""
        return [self.constant(x) if isinstance(x, np.ndarray | np.generic) else x for x in inputs]

    def held(self, array: Any) -> Any:
        """The array of a new Tensor."""
        if isinstance(array, Traced):
            array.shared = True
            return array
        if isinstance(array, np.ndarray | np.generic):
            # Of its own: a Tensor may be written to, and a constant is made once.
            known = self.constant(array)
            return Traced(self, known.value, known.concrete)
        return array

    def input(self, origin: Any, array: Any) -> Traced:
        """An array that each run is given anew."""
        array = np.asarray(array)
        value = Value(array.shape, array.dtype)
        self.inputs.append((value, origin))
        return Traced(self, value, array)

    # -- operators -----------------------------------------------------------------------------------------------------

    def operands(self, operands: tuple[Any, ...]) -> tuple[Any, ...]:
        """The operands of an operator; for a Tensor with a graph outside of the function, a leaf in its place."""
        return tuple(self.inside(x) if isinstance(x, Tensor) else x for x in operands)

    def compute(
        self, op: Operator, operands: tuple[Any, ...], datas: tuple[Any, ...], statics: dict[str, Any]
    ) -> tuple[tuple[Any, ...], Any]:
        """The arrays of the operands and what an operator makes of them, recorded."""
        datas = tuple(self.lift(x) if isinstance(x, Tensor) else data for x, data in zip(operands, datas, strict=True))
        if not any(isinstance(x, Tensor) for x in operands) and not _any_traced((datas, statics)):
            return datas, compute(op, datas, statics)
        if op.name in WHOLE:
            return datas, self._whole(op, datas, statics)
        mark = len(self.calls)
        try:
            out = compute(op, datas, statics)
        except ValuesNeededError:
            del self.calls[mark:]
            out = self._whole(op, datas, statics)
        if isinstance(out, tuple | list):
            return datas, tuple(map(self._as_traced, out))
        return datas, self._as_traced(out)

    def plan(self, plan: Plan) -> Plan:
        """An operator's rules, each of which becomes one call where it asks for values, such as ties."""
        known = self._plans.get(id(plan))
        if known is not None:
            return known[1]
        copy = object.__new__(Plan)
        for name in Plan.__slots__:
            setattr(copy, name, getattr(plan, name))
        copy.slots = tuple((i, self._rule(rule), mode, sources) for i, rule, mode, sources in plan.slots)
        if plan.joint is not None:
            copy.joint = (self._rule(plan.joint[0]), plan.joint[1])
        self._plans[id(plan)] = (plan, copy)
        return copy

    def _rule(self, rule: Any) -> Any:
        def run(*args: Any) -> Any:
            mark = len(self.calls)
            try:
                return rule(*args)
            except TraceError:
                if any(isinstance(x, Tensor) for x in args):  # part of a graph itself
                    raise
                del self.calls[mark:]
                return self.record("call", WholeRule(rule), form(args), {})

        return run

    def _whole(self, op: Operator, datas: tuple[Any, ...], statics: dict[str, Any]) -> Any:
        real = compute(op, concrete(datas), concrete(statics))
        shapes = tuple(np.shape(o) for o in (real if isinstance(real, tuple | list) else (real,)))
        return self.record("call", Whole(op, shapes), datas, statics)

    def _as_traced(self, array: Any) -> Any:
        return self.constant(array) if isinstance(array, np.ndarray | np.generic) else array

    def close(self) -> None:
        """Ends the recording. Its arrays refer to it, so it lets go of them: their memory is free at once."""
        self.closed = True
        self.calls, self.inputs = [], []
        self.constants, self._by_array, self._plans = {}, {}, {}

    # -- what a recording adds

    def lift(self, t: Tensor) -> Any:
        """The traced array of a Tensor."""
        raise NotImplementedError

    def inside(self, t: Tensor) -> Tensor:
        """The Tensor, or what stands for it in the function's graph."""
        raise NotImplementedError


def concrete(x: Any) -> Any:
    """The real values of traced arrays, at any depth."""
    if isinstance(x, Traced):
        return x.concrete
    if isinstance(x, tuple | list):
        items = [concrete(i) for i in x]
        return type(x)(*items) if hasattr(x, "_fields") else type(x)(items)
    if isinstance(x, dict):
        return {k: concrete(i) for k, i in x.items()}
    return x


def met_inside(args: Any) -> Any:
    """Arguments of a function: weak numbers in the dtype of the arrays beside them."""
    return met(args) if type(args) is tuple else args


def _any_traced(x: Any) -> bool:
    if isinstance(x, tuple | list):
        return any(map(_any_traced, x))
    if isinstance(x, dict):
        return any(map(_any_traced, x.values()))
    return isinstance(x, Traced)
