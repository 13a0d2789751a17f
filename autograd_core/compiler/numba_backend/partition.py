"""A program as units in order: clusters, which become kernels, and calls that are carried out as they are written."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ..program import Call, Program, Value
from .again import recompute
from .axes import Axes, Mismatch
from .clusters import MOST_CALLS, Node, Space, Use, make_node, root_of, space_of, with_own_atoms, without_tail
from .heads import split_heads

__all__ = ["Unit", "partition"]

# A single call on less than this many elements is as fast in NumPy.
SINGLE_CALL = 1 << 15
# Kinds of calls that need not keep their place in the program.
_NUMBERS = ("ufunc", "reduce", "cast", "view")


@dataclass(eq=False)
class Unit:
    """Calls that run together.

    Attributes:
        nodes: of a cluster, in the program's order; empty for a call that is carried out as it is.
        call: that call.
        space: a cluster's iteration space.
        bits: which units were merged into this one, a bit each.
        depends: the bits of all units that must run before this one.
        sources: the units whose results it reads.
        position: of its first call, for an order that looks like the program's.
        after: the unit that draws random numbers before this one.
    """

    nodes: list[Node] = field(default_factory=list)
    call: Call | None = None
    space: Space | None = None
    bits: int = 0
    depends: int = 0
    sources: set[Unit] = field(default_factory=set)
    position: int = 0
    after: Unit | None = None

    def calls(self) -> Iterator[Call]:
        """Its calls, in order."""
        if self.call is not None:
            yield self.call
        for node in self.nodes:
            yield node.call

    def reads(self) -> Iterator[Value]:
        """The Values that its calls read, those of its own included."""
        for node in self.nodes:
            for use in node.uses:
                yield use.root
        if self.call is not None:
            yield from self.call.operands()


class _Partition:
    """Units of a program, under construction."""

    def __init__(self, program: Program, single_call: int) -> None:
        self.program = program
        self.single_call = single_call
        self.axes = Axes()
        self.makers = {value: call for call in program.calls for value in call.results}
        self.units: dict[Unit, None] = {}
        self.unit_of: dict[Value, Unit] = {}
        self.count = 0
        self.index = {call: i for i, call in enumerate(program.calls)}
        self.last_draw: Unit | None = None

    def build(self) -> list[Unit]:
        for call in self.program.calls:
            if call.kind != "check":
                self._add(call)
        self._join_siblings()
        for unit in list(self.units):
            self._settle(unit)
        split_heads(self)
        recompute(self)
        return list(self.units)

    def root(self, value: Value) -> Value:
        """The value that a unit makes, or an input, of which a value that no unit makes is a view."""
        while value not in self.unit_of and (call := self.makers.get(value)) is not None:
            value = call.args[0]
        return value

    def refresh(self) -> None:
        """Finds anew what each unit depends on, from its sources."""
        for unit in in_order(self.units):
            unit.depends = 0
            for source in unit.sources:
                unit.depends |= source.bits | source.depends

    def _join_siblings(self) -> None:
        """Clusters that read the same array in the same way, such as a bias's gradient and the rest of the layer."""
        readers: dict[Value, list[Unit]] = {}
        for unit in self.units:
            own = {node.call.result for node in unit.nodes}
            for root in {use.root: None for node in unit.nodes for use in node.uses}:
                if root not in own and root.size > 1:
                    readers.setdefault(root, []).append(unit)
        now: dict[Unit, Unit] = {}

        def current(unit: Unit) -> Unit:
            while unit in now:
                unit = now[unit]
            return unit

        for units in readers.values():
            for a, b in itertools.pairwise(units):
                a, b = current(a), current(b)
                if a is not b:
                    merged = self.merged(a, b, apart=False)
                    if merged is not b:
                        now[a] = now[b] = merged

    def _source(self, value: Value) -> Unit | None:
        """The unit that makes a value; a view that no unit makes is made where it is needed, from its root."""
        unit = self.unit_of.get(value)
        while unit is None and (call := self.makers.get(value)) is not None and call.kind == "view":
            value = call.args[0]
            unit = self.unit_of.get(value)
        return unit

    def _new(self, unit: Unit) -> None:
        unit.position = self.count
        unit.bits = 1 << self.count
        self.count += 1
        self.units[unit] = None
        for call in unit.calls():
            self.unit_of.update(dict.fromkeys(call.results, unit))
        self._connect(unit)

    def unit(self, nodes: list[Node], space: Space | None, position: int | None = None) -> Unit:
        """A cluster with a bit of its own, at the end if no position is given; it is to replace another one."""
        number = self.count
        self.count += 1
        return Unit(nodes=nodes, space=space, position=number if position is None else position, bits=1 << number)

    def _connect(self, unit: Unit) -> None:
        self.find_sources(unit)
        unit.depends = 0
        for source in unit.sources:
            unit.depends |= source.bits | source.depends

    def find_sources(self, unit: Unit) -> None:
        """The units that it reads from."""
        unit.sources = {s for v in unit.reads() if (s := self._source(v)) is not None and s is not unit}
        if unit.after is not None:
            unit.sources.add(unit.after)

    def _add(self, call: Call) -> None:
        if call.kind == "view" and root_of(call.result, self.makers)[0] is not call.result:
            return  # seen through by those who use it
        if call.kind == "draw":
            unit = Unit(call=call, after=self.last_draw)
            self._new(unit)
            self.last_draw = unit
            return
        node = make_node(call, self.axes, self.makers) if call.kind in ("ufunc", "cast", "reduce", "call") else None
        if node is None:
            self._new(Unit(call=call))
            return
        space = space_of([node])
        if space is None:
            self._new(Unit(call=call))
            return
        unit = Unit(nodes=[node], space=space)
        self._new(unit)
        for use in list(node.uses):
            source = self.unit_of.get(use.root)
            if source is not None and source is not unit and source.nodes:
                unit = self.merged(source, unit)

    def merged(self, a: Unit, b: Unit, *, apart: bool = True) -> Unit:
        """One unit in place of two if they may be one; otherwise b. Unless `apart`, what both read must be the same."""
        if len(a.nodes) + len(b.nodes) > MOST_CALLS:
            return b
        if any(s is not a and s.depends & a.bits for s in b.sources):
            return b
        if any(s is not b and s.depends & b.bits for s in a.sources):
            return b
        nodes = a.nodes + b.nodes if a.position < b.position else b.nodes + a.nodes
        nodes.sort(key=self.order)
        space = self.space(nodes, set(b.nodes), apart=apart)
        if space is None:
            return b
        unit = Unit(nodes=nodes, space=space, bits=a.bits | b.bits, position=min(a.position, b.position))
        self.replace([a, b], [unit])
        return unit

    def space(self, nodes: list[Node], some: set[Node], *, apart: bool = True) -> Space | None:
        """The space of calls of two clusters, `some` of them of the one; the axes are as before if there is none.

        Args:
            nodes: all of them, in order.
            some: those of the one.
            apart: whether they may read the same array in different ways.
        """
        mark = self.axes.mark()
        for shared in (True, False) if apart else (True,):
            space = self._together(nodes, some, shared)
            if space is not None:
                return space
            self.axes.undo(mark)
        return None

    def _together(self, nodes: list[Node], some: set[Node], shared: bool) -> Space | None:
        """The space of calls of two clusters, `some` of them of the one; None if there is none.

        What the one makes and the other reads is met with the same indices. What both read from outside (`shared`)
        usually is: in x - mean(x) the rows of x are those that the mean was taken over.
        """
        made = {node.call.result: node for node in nodes}
        first: tuple[dict[Value, Use], dict[Value, Use]] = ({}, {})
        try:
            for node in nodes:
                here = node in some
                for use in node.uses:
                    maker = made.get(use.root)
                    if maker is None:
                        first[here].setdefault(use.root, use)
                    elif (maker in some) != here:
                        self.axes.unify(maker.atoms, use.atoms)
            if shared:
                for root, use in first[0].items():
                    if root in first[1]:
                        self.axes.unify(use.atoms, first[1][root].atoms)
        except Mismatch:
            return None
        return space_of(nodes)

    def order(self, node: Node) -> int:
        """The place of a node's call in the program."""
        return self.index[node.call]

    def replace(self, old: list[Unit], new: list[Unit]) -> None:
        """Units in place of others with the same calls."""
        bits = 0
        for unit in old:
            del self.units[unit]
            bits |= unit.bits
        for unit in new:
            self.units[unit] = None
            for call in unit.calls():
                self.unit_of.update(dict.fromkeys(call.results, unit))
        for unit in new:
            self._connect(unit)
        gone = set(old)
        depends = 0
        for unit in new:
            depends |= unit.depends | unit.bits
        for unit in self.units:
            if not unit.sources.isdisjoint(gone):
                self.find_sources(unit)
            if unit.depends & bits:
                unit.depends |= depends | bits

    def _settle(self, unit: Unit) -> None:
        """What is decided once a cluster is complete: a tail of its own, or no kernel at all."""
        if not unit.nodes or unit.space is None:
            return
        kept, tail = without_tail(unit.nodes, unit.space)
        if tail:
            space, rest = space_of(kept), space_of(tail)
            if space is not None and rest is not None:
                with_own_atoms(tail)  # so that what is found of the one does not change the other
                rest = space_of(tail)
                first = Unit(nodes=kept, space=space, bits=unit.bits, position=unit.position)
                second = self.unit(tail, rest)
                self.replace([unit], [first, second])
                self._settle(first)
                self._settle(second)
                return
        if len(unit.nodes) > 1:
            return
        size = max(use.root.size for use in unit.nodes[0].uses) if list(unit.nodes[0].uses) else 0
        if size < self.single_call:
            self.replace([unit], [Unit(call=unit.nodes[0].call, bits=unit.bits, position=unit.position)])


def partition(program: Program, single_call: int = SINGLE_CALL) -> list[Unit]:
    """The program's units, in an order in which every operand exists; checks are left out.

    Args:
        program: any program.
        single_call: elements from which even a call alone becomes a kernel.
    """
    units = _Partition(program, single_call).build()
    written = {value for place, value in program.updates if place.size > 1}

    def rank(unit: Unit) -> int:
        # Numbers first: they keep clusters that read them apart. What makes new values of inputs comes as late as
        # possible, since it may write in place.
        if unit.call is not None and unit.call.kind in _NUMBERS:
            values = (*unit.call.operands(), *unit.call.results)
            if all(value.size == 1 for value in values):
                return 0
        return 2 if any(call.results and call.results[0] in written for call in unit.calls()) else 1

    return list(in_order(units, rank))


def in_order(units: Iterable[Unit], rank: Callable[[Unit], int] = lambda unit: 0) -> Iterator[Unit]:
    """The units in an order in which every operand exists; of those that could be next, the one of the lowest rank."""
    # Kahn's algorithm.
    waiting = {unit: len(unit.sources) for unit in units}
    readers: dict[Unit, list[Unit]] = {unit: [] for unit in waiting}
    for unit in waiting:
        for source in unit.sources:
            readers[source].append(unit)
    ready = [(rank(u), u.position, u.bits, u) for u, n in waiting.items() if not n]
    heapq.heapify(ready)
    while ready:
        *_, unit = heapq.heappop(ready)
        yield unit
        for reader in readers[unit]:
            waiting[reader] -= 1
            if not waiting[reader]:
                heapq.heappush(ready, (rank(reader), reader.position, reader.bits, reader))
    if any(waiting.values()):
        raise RuntimeError("compile: the units of a program depend on each other in a circle; this is a bug")
