"""The generated function: one line a call, nothing looked up that can be bound before."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ..program import Call, Value, basic_index, broadcast, reshape, transpose
from .loop_writing import write_loop
from .loops import Loop
from .planning import Plan
from .runtime import layout, only, owned
from .writes import PLAIN, holds

__all__ = ["Writer"]

_INFIX = {np.add: "+", np.subtract: "-", np.multiply: "*", np.true_divide: "/"}
_LARGE = 1 << 16  # bytes: from here on memory is handed back as soon as it is not needed


class Writer:
    """Writes the source of a planned program.

    Attributes:
        namespace: what the source's global names stand for.
        setup: the lines that make the buffers and what else exists before a run.
        lines: the lines of a run.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.program = plan.program
        self.namespace: dict[str, Any] = {}
        self._global: dict[Any, str] = {}  # names by identity of what they stand for
        self._alive: list[Any] = []  # so that an identity is not given out twice
        self._names: dict[Value, str] = {}
        self._inputs = {value: f"x{i}" for i, value in enumerate(self.program.inputs)}
        self.setup: list[str] = []
        self.lines: list[str] = []
        self._local: set[Value] = set()  # arrays that a run allocates

    # -- names -------------------------------------------------------------------------------------------------------

    def named(self, thing: Any, wish: str) -> str:
        """A global name for a function or an array."""
        key = id(thing)
        if key not in self._global:
            name = re.sub(r"\W", "_", wish) or "thing"
            if keyword.iskeyword(name) or name[0].isdigit() or re.fullmatch(r"[xvkso]\d+|run|bind|memory", name):
                name += "_"
            base, n = name, 2
            while name in self.namespace:
                name, n = f"{base}_{n}", n + 1
            self.namespace[name] = thing
            self._global[key] = name
            self._alive.append(thing)
        return self._global[key]

    def function(self, function: Any) -> str:
        """A global name for a function."""
        return self.named(function, getattr(function, "__name__", type(function).__name__))

    def reducing(self, function: np.ufunc) -> str:
        """A global name for a ufunc's `reduce`: the method is bound once."""
        key = (id(function), "reduce")
        if key not in self._global:
            self._global[key] = self.named(function.reduce, f"{function.__name__}_reduce")
        return self._global[key]

    def name(self, value: Value) -> str:
        """The local name of a Value."""
        return self._names.setdefault(value, f"v{len(self._names)}")

    def literal(self, x: Any) -> str:
        """An argument as source."""
        if isinstance(x, Value):
            return self.name(x)
        if type(x) is tuple or type(x) is list:
            items = [self.literal(item) for item in x]
            if type(x) is list:
                return f"[{', '.join(items)}]"
            return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
        if type(x) is dict and all(type(k) is str for k in x):
            return "{" + ", ".join(f"{k!r}: {self.literal(item)}" for k, item in x.items()) + "}"
        if type(x) is slice:
            return f"slice({self.literal(x.start)}, {self.literal(x.stop)}, {self.literal(x.step)})"
        if x is None or x is Ellipsis or type(x) in (bool, int, str):
            return repr(x)
        if type(x) is float and x == x and abs(x) != float("inf"):
            return repr(x) if x >= 0 and repr(x)[0] != "-" else f"({x!r})"
        if isinstance(x, tuple | list | dict) and _has_value(x):  # a named tuple: its fields one by one
            made = self.named(type(x), type(x).__name__)
            return f"{made}({', '.join(self.literal(item) for item in x)})"
        return self.named(x, "k_" + type(x).__name__)

    # -- the whole ---------------------------------------------------------------------------------------------------

    def source(self) -> str:
        """Lines that make views of the buffers out of `memory`, and the function `run` that works on them."""
        program, plan = self.program, self.plan
        for value, array in program.constants.items():
            self._names[value] = self.named(array if array.shape else array[()], f"c{len(self._names)}")
        read = {v for call in plan.order.calls if call.kind != "check" for v in call.operands()}
        for value, x in self._inputs.items():
            self._names[value] = x
        for call in plan.order.calls:
            if call.kind == "check":
                self._check(call)
        for value, x in self._inputs.items():
            if not value.shape and (value in read or value in program.outputs):
                self._names[value] = f"s{x[1:]}"
                self.lines.append(f"s{x[1:]} = {x}[()]")
        kept: dict[Value, str] = {}
        for value in dict.fromkeys(program.outputs):
            if value in self._inputs or value in program.constants:
                self._keep(value, kept)
        wanted = set(program.outputs)
        for i, item in enumerate(plan.items):
            if isinstance(item, Loop):
                write_loop(self, item)
            elif item.kind != "check":
                self._call(item)
            for call in item.calls if isinstance(item, Loop) else (item,):
                for value in call.results:
                    if value in wanted:
                        self._keep(value, kept, call)
            self._forget(i)
        self._updates()
        self.lines.append(f"return [{', '.join(self._outputs(kept))}]")
        if plan.kinds:
            self.setup.insert(0, f"first, second = memory[{plan.size}:], memory[{plan.size + plan.scratch}:]")
        # Flat, not a closure: the time to compile a function grows with the square of its free variables.
        head = f"def run({', '.join(self._inputs.values())}):"
        return "\n".join([*self.setup, head, *(f"    {line}" for line in self.lines)]) + "\n"

    def _check(self, call: Call) -> None:
        self.lines.append(f"{self.function(call.function)}({self._arguments(call)})")

    def _keep(self, value: Value, kept: dict[Value, str], call: Call | None = None) -> None:
        """Makes sure that an output has memory of its own, at the place where its value exists."""
        if not value.shape:
            return
        fresh = call is not None and (call.kind in ("ufunc", "reduce", "cast") or call.function in PLAIN)
        if fresh:
            kept[value] = self.name(value)
            return
        own = kept[value] = f"o{len(kept)}"
        others = [self.name(v) for v in call.operands()] if call is not None and call.kind != "view" else []
        if value in self.plan.fixed or value in self._inputs or call is None or call.kind == "view":
            self.lines.append(f"{own} = {self.name(value)}.copy()")
        else:
            self.lines.append(f"{own} = {self.function(owned)}({', '.join([self.name(value), *others])})")

    def _outputs(self, kept: dict[Value, str]) -> list[str]:
        out = []
        seen: set[Value] = set()
        for value in self.program.outputs:
            if not value.shape:
                out.append(f"{self.named(np.array, 'array')}({self.name(value)})")
            else:
                out.append(kept[value] + (".copy()" if value in seen else ""))
            seen.add(value)
        return out

    def _updates(self) -> None:
        """Copies at the end. What may stand in another input's array is taken before any of them is written."""
        copied = self.plan.order.copied
        held = holds(self.plan.order.calls)
        lines = []
        for place, value in copied:
            source = self.name(value)
            roots = set(held.get(value, (value,)))
            if value.shape and any(other in roots for other, _ in copied if other is not place):
                self.lines.append(f"{source}_new = {source}.copy()")
                source += "_new"
            lines.append(f"{self._inputs[place]}[...] = {source}")
        self.lines += lines

    def _forget(self, i: int) -> None:
        gone = [v for v in self.plan.deaths.get(i, ()) if v in self._local and v.size * v.dtype.itemsize >= _LARGE]
        gone = [v for v in gone if v not in self.program.outputs]
        if gone:
            self.lines.append(f"del {', '.join(self.name(v) for v in gone)}")

    # -- one call ----------------------------------------------------------------------------------------------------

    def _call(self, call: Call) -> None:
        kinds: dict[str, Callable[[Call], None]] = {
            "ufunc": self._ufunc,
            "reduce": self._reduce,
            "cast": self._cast,
            "view": self._view,
        }
        kinds.get(call.kind, self._any)(call)

    def target(self, value: Value) -> str | None:
        """What the call writes into: a buffer, made beforehand, or an input's array; None for fresh memory."""
        place = self.plan.places.get(value)
        if place is not None:
            name = self.name(value)
            made = self.function(layout)
            order = "" if place.order is None else f", {place.order}"
            dtype = self.named(value.dtype, value.dtype.name + "_")
            self.setup.append(f"{name} = {made}(memory, {place.offset}, {value.shape}, {dtype}{order})")
            return name
        written = self.plan.order.in_place.get(value)
        if written is not None:
            self._names[value] = self._inputs[written]
            return self._inputs[written]
        if value.shape:
            self._local.add(value)
        return None

    def _arguments(self, call: Call) -> str:
        given = [self.literal(x) for x in call.args]
        return ", ".join([*given, *(f"{k}={self.literal(x)}" for k, x in call.keywords.items())])

    def _ufunc(self, call: Call) -> None:
        given = [self.literal(x) for x in call.args]
        result = call.result
        target = self.target(result)
        if target is not None:
            # Positions are read faster than names, but these two mind them.
            out = f"out={target}" if call.function in (np.maximum, np.minimum) else target
            self.lines.append(f"{self.function(call.function)}({', '.join([*given, out])})")
            return
        sign = _INFIX.get(call.function)
        # NumPy's scalars are six times as fast as its 0-d arrays, and give the same for floating types.
        if sign and not result.shape and result.dtype.kind == "f" and _scalar_operands(call, result):
            self.lines.append(f"{self.name(result)} = {given[0]} {sign} {given[1]}")
        elif call.function is np.negative and not result.shape and result.dtype.kind == "f":
            self.lines.append(f"{self.name(result)} = -{given[0]}")
        else:
            self.lines.append(f"{self.name(result)} = {self.function(call.function)}({', '.join(given)})")

    def _reduce(self, call: Call) -> None:
        (a,) = call.args
        axis, keepdims = call.keywords["axis"], call.keywords["keepdims"]
        axes = "None" if len(axis) == len(a.shape) else axis[0] if len(axis) == 1 else axis
        target = self.target(call.result)
        more = f", None, {target}" if target is not None or keepdims else ""
        line = f"{self.reducing(call.function)}({self.name(a)}, {axes}{more}{', True' if keepdims else ''})"
        self.lines.append(line if target is not None else f"{self.name(call.result)} = {line}")

    def _cast(self, call: Call) -> None:
        (a,) = call.args
        target = self.target(call.result)
        if target is not None:
            self.lines.append(f"{self.named(np.copyto, 'copyto')}({target}, {self.name(a)}, 'unsafe')")
        else:
            dtype = self.named(call.result.dtype, call.result.dtype.name + "_")
            self.lines.append(f"{self.name(call.result)} = {self.name(a)}.astype({dtype})")

    def _view(self, call: Call) -> None:
        a, argument = call.args
        result = call.result
        if result in self.plan.copies:
            # The elements move: into an array of the operand's shape over the memory of the result.
            target = self.target(result)
            self.setup.append(f"{target}_from = {target}.reshape({a.shape})")
            self.lines.append(f"{self.named(np.copyto, 'copyto')}({target}_from, {self.name(a)})")
            return
        # A number is taken out at once: the buffer may have other contents when it is used.
        number = "" if result.shape else "[()]"
        line = f"{self.name(result)} = {self._viewing(call.function, self.name(a), argument, a)}{number}"
        if result in self.plan.fixed:
            self.setup.append(line)
        else:
            if result.shape:
                self._local.add(result)
            self.lines.append(line)

    def _viewing(self, function: Any, a: str, argument: Any, operand: Value) -> str:
        if function is broadcast:
            return f"{self.named(np.broadcast_to, 'broadcast_to')}({a}, {argument})"
        if function is basic_index:
            return f"{a}[{', '.join(map(self.literal, argument))}{',' if len(argument) == 1 else ''}]"
        if function is reshape:
            return f"{a}.reshape({argument})"
        if function is transpose:
            return f"{a}.transpose({argument})"
        return f"{self.function(function)}({a}, {self.literal(argument)})"

    def _any(self, call: Call) -> None:
        made = f"{self.function(call.function)}({self._arguments(call)})"
        if len(call.results) == 1 and call.function in PLAIN:
            target = self.target(call.result)
            if target is None:
                self.lines.append(f"{self.name(call.result)} = {made}")
            elif call.function is np.matmul:
                self.lines.append(f"{made[:-1]}, {target})")
            else:
                self.lines.append(f"{made[:-1]}, out={target})")
            return
        self._local.update(value for value in call.results if value.shape)
        names = [self.name(value) for value in call.results]
        if len(names) == 1:
            self.lines.append(f"{names[0]} = {self.function(only)}({made})")
        else:
            self.lines.append(f"{', '.join(names)} = {made}" if names else made)
            numbers = [self.name(value) for value in call.results if not value.shape]
            self.lines += [f"{name} = {self.function(only)}({name})" for name in numbers]


def _scalar_operands(call: Call, result: Value) -> bool:
    """Operands of the result's type, or Python numbers; at least one Value."""
    return all(
        (not x.shape and x.dtype == result.dtype) if isinstance(x, Value) else type(x) in (int, float)
        for x in call.args
    ) and any(isinstance(x, Value) for x in call.args)


def _has_value(x: Any) -> bool:
    if isinstance(x, Value):
        return True
    items = x.values() if isinstance(x, dict) else x if isinstance(x, tuple | list) else ()
    return any(map(_has_value, items))
