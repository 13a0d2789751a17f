"""The function that runs a partitioned program: generated, since asking what a step is costs more than a small one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..program import Call, Value
from .threads import each_chunk

if TYPE_CHECKING:
    from .running import Group, Step

__all__ = ["Writer"]


class Writer:
    """Lines of `run(space, x0, x1, ...)`, and what they refer to by name.

    An array is held by one local variable, which is deleted after the last step that reads it.
    """

    def __init__(self, inputs: Sequence[Value], constants: dict[Value, Any]) -> None:
        self.known: dict[str, Any] = {"asarray": np.asarray, "empty": np.empty, "chunked": chunked, "copied": copied}
        self.lines: list[str] = []
        self.names: dict[Value, str] = {value: f"x{i}" for i, value in enumerate(inputs)}
        self.parameters = list(self.names.values())
        for value, array in constants.items():
            self.names.setdefault(value, self.bound("c", array))

    def bound(self, prefix: str, thing: Any) -> str:
        """The name of something that the lines refer to."""
        name = re.sub(r"\W", "_", prefix) + str(len(self.known))  # a rule's name is no identifier
        self.known[name] = thing
        return name

    def name(self, value: Value) -> str:
        """The variable of a value."""
        return self.names.setdefault(value, f"v{len(self.names)}")

    def text(self, x: Any) -> str:
        """An argument as source text."""
        if isinstance(x, Value):
            return self.name(x)
        if type(x) in (tuple, list):
            items = ", ".join(map(self.text, x))
            return f"[{items}]" if type(x) is list else f"({items}{',' * (len(x) == 1)})"
        if x is None or type(x) in (int, bool, str):
            return repr(x)
        if type(x) is dict:
            return "{" + ", ".join(f"{k!r}: {self.text(item)}" for k, item in x.items()) + "}"
        if isinstance(x, tuple | list):  # of a type of its own
            return f"{self.bound('t', type(x))}({', '.join(map(self.text, x))})"
        return self.bound("k", x)

    def call(self, call: Call) -> None:
        """A call as it is written."""
        function = call.function.reduce if call.kind == "reduce" else call.function
        given = [*map(self.text, call.args), *(f"{k}={self.text(x)}" for k, x in call.keywords.items())]
        made = f"{self.bound(getattr(call.function, '__name__', 'f') + '_', function)}({', '.join(given)})"
        if not call.results:
            self.lines.append(made)
        elif len(call.results) == 1 and call.kind in ("ufunc", "reduce", "cast", "view"):
            self.lines.append(f"{self.name(call.result)} = asarray({made})")
        else:
            names = ", ".join(map(self.name, call.results))
            self.lines.append(f"{names}, = {self.bound('arrays', _arrays)}({made})")

    def kernels(self, group: Group) -> None:
        """Calls of compiled loop nests: one after the other, or in chunks on several threads."""
        before: list[str] = []
        after: list[str] = []
        plan: list[Work] = []
        every: list[str] = []
        for step in group.steps:
            kernel = step.kernel
            assert kernel is not None
            arguments, scratch = self._arguments(step, before, after)
            if group.workers == 1:
                for k, at in enumerate(scratch):
                    arguments[at] = f"space[{step.index}, 0][{k}]"
                function = self.bound("kernel", step.function)
                self.lines += before
                self.lines.append(f"{function}(0, {kernel.tasks}, 0{''.join(f', {a}' for a in arguments)})")
                self.lines += after
                before, after = [], []
                continue
            for chunk in range(step.chunks):
                first, last = (k * kernel.tasks // step.chunks for k in (chunk, chunk + 1))
                plan.append(Work(step.function, len(every), first, last, chunk, step.index, tuple(scratch)))
            every.append(f"({', '.join(arguments)},)")
        if group.workers > 1:
            self.lines += [*before, f"chunked({self.bound('plan', plan)}, space, {', '.join(every)})", *after]

    def _arguments(self, step: Step, before: list[str], after: list[str]) -> tuple[list[str], list[int]]:
        """What a kernel is given, and which of it are scratch arrays; lines before and after."""
        kernel = step.kernel
        assert kernel is not None
        arguments: list[str] = []
        scratch: list[int] = []
        totals = iter(step.totals)
        for parameter in kernel.parameters:
            kind, value = parameter.kind, parameter.value
            number = f"{step.index}_{len(arguments)}"
            if kind == "read":
                arguments.append(f"{self.name(value)}.ravel()")
            elif kind == "write":
                name = self.name(value)
                before.append(f"{name} = empty({value.shape}, {self.bound('dtype', value.dtype)})")
                arguments.append(f"{name}.reshape(-1)")
            elif kind == "update":
                before.append(f"flat{number} = {self.name(value)}.ravel()")
                after.append(f"copied(flat{number}, {self.name(value)})")
                arguments.append(f"flat{number}")
            elif kind == "scratch":
                scratch.append(len(arguments))
                arguments.append("None")
            elif kind == "total":
                result, part = next(totals), f"parts{number}"
                before.append(f"{part} = empty({step.chunks * parameter.size}, {self.bound('dtype', parameter.dtype)})")
                whole = f"{part}.reshape({result.shape})"
                if step.chunks > 1:
                    combine = self.bound("combine", parameter.combine.reduce)
                    whole = f"{combine}({part}.reshape({step.chunks}, {parameter.size}), 0).reshape({result.shape})"
                if np.dtype(parameter.dtype) != result.dtype:
                    whole += f".astype({self.bound('dtype', result.dtype)})"
                after.append(f"{self.name(result)} = {whole}")
                arguments.append(part)
            else:
                arguments.append(self.text(value))
        return arguments, scratch

    def drop(self, values: Sequence[Value]) -> None:
        """Forgets arrays that nothing reads any more."""
        names = [self.names[v] for v in values if v in self.names]
        if names:
            self.lines.append(f"del {', '.join(names)}")

    def function(self, name: str) -> tuple[Callable[..., Any], str]:
        """The function, and its text."""
        head = f"def run({', '.join(['space', *self.parameters])}):"
        source = "\n".join([head, *(f"    {line}" for line in self.lines or ["pass"]), ""])
        namespace = dict(self.known)
        exec(compile(source, name, "exec"), namespace)
        return namespace["run"], source


def _arrays(out: Any) -> list[Any]:
    outs = out if isinstance(out, tuple | list) else (out,)
    return [o if isinstance(o, np.ndarray) else np.asarray(o) for o in outs]


def copied(flat: Any, target: Any) -> None:
    """What was written to `flat` into `target`, where it is a copy of it."""
    if flat.base is not target and flat is not target and not np.may_share_memory(flat, target):
        target[...] = flat.reshape(target.shape)


class Work(NamedTuple):
    """Some of a kernel's tasks.

    Attributes:
        kernel: the compiled function.
        given: which of the lists of arguments it is given.
        first, last: of the tasks; last is excluded.
        chunk: which of the kernel's.
        step: whose scratch arrays it takes.
        scratch: their places among the arguments.
    """

    kernel: Any
    given: int
    first: int
    last: int
    chunk: int
    step: int
    scratch: tuple[int, ...]


def chunked(plan: Sequence[Work], space: Any, *given: tuple[Any, ...]) -> None:
    """Runs the tasks of kernels on several threads, each with scratch arrays of its own."""

    def work(item: int, worker: int) -> None:
        kernel, which, first, last, chunk, step, scratch = plan[item]
        arguments: Sequence[Any] = given[which]
        if scratch:
            arguments = list(arguments)
            for at, array in zip(scratch, space[step, worker]):
                arguments[at] = array
        kernel(first, last, chunk, *arguments)

    each_chunk(work, len(plan))
