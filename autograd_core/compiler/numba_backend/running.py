"""A partitioned program as steps on a list of arrays, with buffers that runs reuse."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..program import Call, Program, Value
from .clusters import Node
from .groups import grouped
from .kernels import compiled
from .memory import Memory
from .partition import SINGLE_CALL, Unit, partition
from .source import Kernel, generate
from .threads import THREADS
from .writing import Writer

__all__ = ["Runner", "build"]

PARALLEL = 5e6  # work (see `Kernel.work`; about 80 us) from which a second thread pays
CHUNKS = 8  # ranges of tasks, so that a thread that comes late finds less to do
SHARES = 32  # and those of all kernels of a group, about


@dataclass(eq=False)
class Step:
    """A unit with what it takes to run it.

    Attributes:
        index: among the program's steps.
        chunks: ranges of tasks that may run on several threads.
        drops: values that nothing reads after its group.
        needs: views that no unit makes.
        totals: the results that are put together from those of the chunks.
    """

    unit: Unit
    index: int
    kernel: Kernel | None = None
    function: Callable[..., None] | None = None
    chunks: int = 1
    drops: list[Value] = field(default_factory=list)
    needs: list[Call] = field(default_factory=list)
    totals: list[Value] = field(default_factory=list)


@dataclass(eq=False)
class Group:
    """A call, or kernels of which none waits for another.

    Attributes:
        steps: in an order in which they may run.
        workers: threads, at most, that run their chunks.
    """

    steps: list[Step]
    workers: int = 1

    def share(self) -> None:
        """Cuts the kernels into chunks, where all of them are enough work for several threads."""
        work = sum(step.kernel.work for step in self.steps if step.kernel is not None)
        if work <= PARALLEL:
            return
        share = max(PARALLEL / 2, work / SHARES)
        least = 2 if len(self.steps) == 1 else 1
        for step in self.steps:
            if step.kernel is not None:
                step.chunks = min(CHUNKS, step.kernel.tasks, max(least, round(step.kernel.work / share)))
        self.workers = min(THREADS, sum(step.chunks for step in self.steps))


class _Workspace:
    """Scratch arrays of one run at a time."""

    def __init__(self, groups: list[Group]) -> None:
        self.scratch: dict[tuple[int, int], list[Any]] = {}
        for group in groups:
            for step in group.steps:
                if step.kernel is not None:
                    sizes = [(p.size, p.dtype) for p in step.kernel.parameters if p.kind == "scratch"]
                    for worker in range(group.workers):
                        self.scratch[step.index, worker] = [np.empty(size, dtype) for size, dtype in sizes]


class Runner:
    """`runner(arrays)` runs the program once; see `compiler.program` for what that means.

    Attributes:
        source: the kernels' sources.
        program_source: the function that calls them.
    """

    def __init__(self, program: Program, single_call: int = SINGLE_CALL) -> None:
        self.program = program
        self.makers = {value: call for call in program.calls for value in call.results}
        units = partition(program, single_call)
        wanted = _wanted(program, units, self.makers)
        groups = grouped(program, units, wanted)
        units = [unit for group in groups for unit in group]
        in_place = _in_place(program, units)
        numbers = _lengths(program)
        self.steps: list[Step] = []
        for i, unit in enumerate(units):
            step = Step(unit, i)
            if unit.nodes and unit.space is not None:
                mine = {node.call.result for node in unit.nodes}
                updates = {v: p for v, p in in_place.items() if v in mine}
                step.kernel = generate(unit.nodes, unit.space, (wanted & mine) - set(updates), updates, numbers)
                step.function = compiled(step.kernel)
            self.steps.append(step)
        steps = iter(self.steps)
        self.groups = [Group([next(steps) for _ in members]) for members in groups]
        for group in self.groups:
            group.share()
        self.updates = [(p, v) for p, v in program.updates if v not in in_place]
        self._plan_views()
        self._plan_drops()
        for step in self.steps:
            if step.kernel is not None:
                step.totals = [node.call.result for node in _total_nodes(step)]
        self._expected = [(value.shape, value.dtype) for value in program.inputs]
        self._free: list[_Workspace] = []
        self._lock = threading.Lock()
        self._run, self.program_source = self._write()

    @property
    def source(self) -> str:
        """The text of the kernels, one after the other."""
        return "\n\n".join(step.kernel.source for step in self.steps if step.kernel is not None)

    # -- planning --------------------------------------------------------------------------------------------------

    def _plan_views(self) -> None:
        """The views that a step needs and no unit makes, before the first step that needs them."""
        made = {value for step in self.steps for call in step.unit.calls() for value in call.results}
        made.update(self.program.inputs, self.program.constants)

        def missing(values: Sequence[Value]) -> list[Call]:
            needs: list[Call] = []
            for value in values:
                chain = []
                while value not in made:
                    made.add(value)
                    chain.append(self.makers[value])
                    value = self.makers[value].args[0]
                needs += chain[::-1]
            return needs

        for step in self.steps:
            if step.unit.call is not None:
                step.needs = missing(list(step.unit.call.operands()))
        self.last_views = missing(list(self.program.results()))

    def _plan_drops(self) -> None:
        """After which step an array is not read any more, so that its memory is free."""
        last: dict[Value, Step | None] = {}
        ends = {step: group.steps[-1] for group in self.groups for step in group.steps}
        for step in self.steps:
            for call in step.needs:
                for value in (*call.operands(), *call.results):
                    last[value] = step
            for value in step.unit.reads():
                last[value] = step
            for call in step.unit.calls():
                for value in call.results:
                    last.setdefault(value, step)
        for call in self.last_views:
            for value in call.operands():
                last[value] = None
        for value in self.program.results():
            last[value] = None
        for value in (*self.program.inputs, *self.program.constants):
            last[value] = None
        for value, final in last.items():
            if final is not None:
                ends[final].drops.append(value)

    # -- running ---------------------------------------------------------------------------------------------------

    def _write(self) -> tuple[Callable[..., Any], str]:
        writer = Writer(self.program.inputs, self.program.constants)
        for call in self.program.calls:
            if call.kind == "check":
                writer.call(call)
        for group in self.groups:
            first, last = group.steps[0], group.steps[-1]
            for call in first.needs:
                writer.call(call)
            if first.unit.call is not None:
                writer.call(first.unit.call)
            else:
                writer.kernels(group)
            writer.drop(last.drops)
        for call in self.last_views:
            writer.call(call)
        # Outputs in memory of their own; updates after everything has been read.
        given = ", ".join(writer.name(v) for v in (*self.program.inputs, *self.program.constants))
        wanted = ", ".join(map(writer.name, self.program.outputs))
        writer.lines.append(f"outputs = {writer.bound('owned', _owned)}([{wanted}], [{given}])")
        for i, (_, value) in enumerate(self.updates):
            writer.lines.append(f"new{i} = {writer.name(value)}{'.copy()' if len(self.updates) > 1 else ''}")
        for i, (place, _) in enumerate(self.updates):
            writer.lines.append(f"{writer.name(place)}[...] = new{i}")
        writer.lines.append("return outputs")
        return writer.function("<compiled program>")

    def __call__(self, arrays: Sequence[Any]) -> list[Any]:
        """The outputs; the updates are written into the inputs' arrays."""
        if [(array.shape, array.dtype) for array in arrays] != self._expected:  # the kernels do not look
            for value, array in zip(self.program.inputs, arrays, strict=True):
                if array.shape != value.shape or array.dtype != value.dtype:
                    raise ValueError(
                        f"compile: the program was recorded for an input of {value.dtype}{list(value.shape)}, got "
                        f"{array.dtype}{list(array.shape)}; record it anew for other shapes and data types"
                    )
        with self._lock:
            space = self._free.pop() if self._free else None
        if space is None:
            space = _Workspace(self.groups)
        try:
            outputs: list[Any] = self._run(space.scratch, *arrays)
            return outputs
        finally:
            with self._lock:
                self._free.append(space)


def _owned(arrays: list[Any], given: list[Any]) -> list[Any]:
    """The arrays, copied where they may share memory with each other or with what was given."""
    taken = {id(_owner(array)) for array in given}
    for i, array in enumerate(arrays):
        owner = _owner(array)
        if id(owner) in taken or not isinstance(owner, np.ndarray) or not array.flags.writeable:
            arrays[i] = array.copy()
        taken.add(id(owner))
    return arrays


def _owner(array: Any) -> Any:
    """Who holds the memory of an array: the array that it is a view of, or itself."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array if array.base is None else array.base


def _total_nodes(step: Step) -> list[Node]:
    assert step.kernel is not None
    by_name = {p.name: p for p in step.kernel.parameters if p.kind == "total"}
    nodes = {f"_{i}_total": n for i, n in enumerate(step.unit.nodes)}
    return [nodes["_" + name.split("_")[-2] + "_total"] for name in by_name]


def _lengths(program: Program) -> set[int]:
    """Numbers that stand for how many elements something has: how many terms a reduction adds."""
    out = set()
    for call in program.calls:
        if call.kind == "reduce" and call.result.size:
            out.add(call.args[0].size // call.result.size)
    return out


def _root(value: Value, makers: dict[Value, Call], made: set[Value]) -> Value:
    """The Value of a unit that a view which no unit makes is a view of."""
    while value not in made and (call := makers.get(value)) is not None:
        value = call.args[0]
    return value


def _wanted(program: Program, units: list[Unit], makers: dict[Value, Call]) -> set[Value]:
    """Results that are read by another unit than the one that makes them, or at the end."""
    unit_of = {value: unit for unit in units for call in unit.calls() for value in call.results}
    made = set(unit_of)
    wanted = {_root(value, makers, made) for value in program.results()}
    for unit in units:
        for value in unit.reads():
            root = _root(value, makers, made)
            if unit_of.get(root) is not unit:
                wanted.add(root)
    return wanted


def _in_place(program: Program, units: list[Unit]) -> dict[Value, Value]:
    """New values that may overwrite the input they are for, element by element (new value -> input)."""
    makers = {value: call for call in program.calls for value in call.results}
    unit_of = {value: unit for unit in units for call in unit.calls() for value in call.results}
    made = set(unit_of)
    position = {unit: i for i, unit in enumerate(units)}
    final = [_root(v, makers, made) for v in program.results()]
    last_reader: dict[Value, float] = dict.fromkeys(final, math.inf)
    for unit in reversed(units):
        late: float = position[unit]
        if unit.call is not None and unit.call.kind in ("view", "call"):
            # Its results may be views of what it is given, and what they are read for is read from there.
            late = max([late, *(last_reader.get(v, -1) for v in unit.call.results)])
        for value in unit.reads():
            root = _root(value, makers, made)
            last_reader[root] = max(last_reader.get(root, -1), late)
    new: dict[Value, Value] = {}
    memory = Memory(program)
    for place, value in program.updates:
        maker = unit_of.get(value)
        if maker is None or not maker.nodes or maker.space is None or final.count(value) != 1:
            continue
        if place.shape != value.shape or place.dtype != value.dtype:
            continue
        if last_reader.get(place, -1) > position[maker]:
            continue
        # Nobody else may read the new value from the buffer that it would otherwise have, nor the old one late.
        read_elsewhere = any(
            _root(v, makers, made) is value for other in units if other is not maker for v in other.reads()
        )
        if read_elsewhere or not _element_by_element(maker, place, value):
            continue
        if any(place in memory.of(root) for root in maker.reads() if root is not place):
            continue  # a view that a call has made of it
        new[value] = place
    return new


def _element_by_element(unit: Unit, place: Value, value: Value) -> bool:
    from .axes import Axes

    assert unit.space is not None
    if len(unit.space.outer) != len(unit.space.atoms) or not unit.space.atoms:
        return False
    (node,) = (n for n in unit.nodes if n.call.result is value)
    own = Axes.resolved(node.atoms)
    if node.is_reduction or own != unit.space.atoms:
        return False
    return all(Axes.resolved(u.atoms) == own for n in unit.nodes for u in n.uses if u.root is place)


def build(program: Program) -> Runner:
    """A function that runs the program, with its elementwise calls and reductions in compiled loops."""
    return Runner(program)
