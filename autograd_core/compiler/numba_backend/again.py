"""Values that a cluster computes again rather than reads, since computing them is less work than their way to memory.

What one cluster makes and others read is stored. Where it is an elementwise expression of a few additions and products
in arrays that the reader reads anyway or could read instead, the reader computes it itself, from the same operands by
the same formulas: the same bits. Numbers are always computed again, so that clusters which share nothing else do not
wait for each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..program import Call, Value
from .axes import Mismatch
from .clusters import MOST_CALLS, Node, Space, make_node, space_of
from .memory import Memory, size_in_bytes

if TYPE_CHECKING:
    from .partition import Unit, _Partition

__all__ = ["recompute"]

LARGE = 1 << 14  # elements of an array that is worth it
CHEAP = 4  # additions for each of its elements, at most: or one division
FEW = 16  # calls, at most
SMALL = 16  # what has so many times fewer elements is stored at no cost


class _Again:
    """One pass over the clusters of a program."""

    def __init__(self, partition: _Partition) -> None:
        self.partition = partition
        self.memory = Memory(partition.program)
        self.readers: dict[Value, set[Unit]] = {}  # of what a cluster makes: the other clusters that read it
        self.fixed = {partition.root(value) for value in partition.program.results()}  # stored whatever clusters do
        for unit in partition.units:
            for value in unit.reads():
                root = partition.root(value)
                if unit.call is not None:
                    self.fixed.add(root)
                elif partition.unit_of.get(root) is not unit:
                    self.readers.setdefault(root, set()).add(unit)
        self.lasting = {*partition.program.inputs, *partition.program.constants, *self.fixed}
        self.copies: dict[Unit, dict[Value, Value]] = {}  # what a unit computes again: the value there
        self.origins: dict[Value, Value] = {}  # of which value such a one is
        self.stale = False  # whether a dependency may be gone that the units' bits still have

    def run(self, numbers: bool) -> None:
        """Values of one element, or all others."""
        for maker in list(self.partition.units):
            for node in maker.nodes:
                value = node.call.result
                if (value.size == 1) == numbers and self.readers.get(value) and value not in self.fixed:
                    self._move(value, maker)

    def _move(self, value: Value, maker: Unit) -> None:
        """Makes a value in those who read it, if that can be done and pays."""
        readers = sorted(self.readers[value], key=lambda unit: unit.position)
        found = self._expression(value, maker)
        if found is None:
            return
        nodes, begin = found
        if not self._pays(value, maker, begin, readers) or not all(self._lasts(root, readers) for root in begin):
            return
        mark = self.partition.axes.mark()
        done: list[_Copy] = []
        for reader in readers:
            copy = _Copy(self.partition, reader, value, nodes, self.copies.setdefault(reader, {}), self.origins)
            done.append(copy)
            if copy.space is None:
                for undone in done:
                    undone.back()
                self.partition.axes.undo(mark)
                return
        for copy in done:
            copy.accept()
            for root in begin:
                self.readers.setdefault(root, set()).add(copy.reader)
        del self.readers[value]
        self.stale = True

    # -- whether to ----------------------------------------------------------------------------------------------------

    def _stored(self, value: Value) -> bool:
        return value in self.fixed or bool(self.readers.get(value))

    def _expression(self, value: Value, maker: Unit) -> tuple[list[Node], set[Value]] | None:
        """The calls that make a value, in order, and the arrays that they begin with; None if it is too much."""
        nodes = {node.call.result: node for node in maker.nodes}
        needed = {value}
        begin: set[Value] = set()
        todo = [value]
        cost = 0
        while todo:
            node = nodes[todo.pop()]
            if node.formula is None or len(needed) > FEW:
                return None
            if node.call.result.size > 1 and node.call.result.size * SMALL > value.size:
                cost += node.formula.cost
                if cost > CHEAP:
                    return None
            for use in node.uses:
                root = use.root
                within = nodes.get(root)
                kept = root.size > 1 and (root.size * SMALL <= value.size or self._stored(root))
                if within is None or within.formula is None or kept:
                    begin.add(root)
                elif root not in needed:
                    needed.add(root)
                    todo.append(root)
        return [node for node in maker.nodes if node.call.result in needed], begin

    def _pays(self, value: Value, maker: Unit, begin: set[Value], readers: list[Unit]) -> bool:
        """Whether less is written and no more is read, and no more memory is in use."""
        if value.size == 1:
            return True
        if value.size < LARGE:
            return False
        large = {root for root in begin if root.size * SMALL > value.size}
        if not all(self._stored(root) for root in large if self.partition.unit_of.get(root) is maker):
            return False
        more = [large - self.lasting]
        more += [large - {use.root for node in reader.nodes for use in node.uses} for reader in readers]
        return all(sum(map(size_in_bytes, roots)) <= size_in_bytes(value) for roots in more)

    def _lasts(self, root: Value, readers: list[Unit]) -> bool:
        """Whether nothing overwrites an array before the readers have run."""
        for place in self.memory.of(root):
            writer = self.partition.unit_of.get(self.memory.places[place])
            if self.stale:
                self.partition.refresh()
                self.stale = False
            if writer is not None and not all(writer.depends & reader.bits for reader in readers):
                return False
        return True

    # -- what is left --------------------------------------------------------------------------------------------------

    def clean(self) -> None:
        """Takes out what nobody needs any more."""
        changed = True
        while changed:
            changed = False
            for unit in list(self.partition.units):
                changed |= self._clean(unit)
        self.partition.refresh()

    def _clean(self, unit: Unit) -> bool:
        used: set[Value] = set()
        kept: list[Node] = []
        for node in reversed(unit.nodes):
            if node.call.result in used or self._stored(node.call.result):
                kept.append(node)
                used.update(use.root for use in node.uses)
        if len(kept) == len(unit.nodes):
            return False
        space = space_of(kept[::-1]) if kept else None
        if kept and space is None:
            return False
        for root in {use.root for node in unit.nodes for use in node.uses} - used:
            self.readers.get(root, set()).discard(unit)
        unit.nodes, unit.space = kept[::-1], space
        self.partition.find_sources(unit)
        if not kept:
            del self.partition.units[unit]
        return True


class _Copy:
    """A value's expression within another cluster.

    Its calls there have results of their own; their arguments are those of the program, what is read is in the nodes'
    uses.

    Attributes:
        reader: that cluster.
        known: its copies so far, by what they are copies of.
        origins: the other way round.
        space: of the cluster with the expression; None if there is none.
    """

    def __init__(
        self,
        partition: _Partition,
        reader: Unit,
        value: Value,
        nodes: list[Node],
        known: dict[Value, Value],
        origins: dict[Value, Value],
    ) -> None:
        self.partition, self.reader, self.known, self.origins = partition, reader, known, origins
        self.new = dict(known)
        self.made: list[Node] = []
        for node in nodes:
            if self._origin(node.call.result) not in known:
                self.made.append(self._copied(node))
        self.renamed = [(use, value) for node in reader.nodes for use in node.uses if use.root is value]
        for use, _ in self.renamed:
            use.root = self.new[self._origin(value)]
        self.nodes = sorted(reader.nodes + self.made, key=partition.order)
        self.space = self._space() if len(self.nodes) <= MOST_CALLS else None

    def _copied(self, node: Node) -> Node:
        call, partition = node.call, self.partition
        copy = make_node(call, partition.axes, partition.makers)
        assert copy is not None
        result = Value(call.result.shape, call.result.dtype)
        copy.call = Call(call.kind, call.function, call.args, call.keywords, (result,))
        partition.index[copy.call] = partition.index[call]
        for use, same in zip(copy.uses, node.uses):  # which may be a copy itself
            use.root = self.new.get(self._origin(same.root), same.root)
        self.new[self._origin(call.result)] = result
        self.origins[result] = self._origin(call.result)
        return copy

    def _origin(self, value: Value) -> Value:
        return self.origins.get(value, value)

    def _space(self) -> Space | None:
        makers = {node.call.result: node for node in self.made}
        try:
            for node in self.made:
                for use in node.uses:
                    if use.root in makers:
                        self.partition.axes.unify(makers[use.root].atoms, use.atoms)
        except Mismatch:
            return None
        return self.partition.space(self.nodes, set(self.made))

    def back(self) -> None:
        """The cluster as it was."""
        for use, root in self.renamed:
            use.root = root

    def accept(self) -> None:
        """The cluster has the expression from now on."""
        self.reader.nodes, self.reader.space = self.nodes, self.space
        self.known.update(self.new)
        self.partition.unit_of.update(dict.fromkeys((node.call.result for node in self.made), self.reader))
        self.partition.find_sources(self.reader)


def recompute(partition: _Partition) -> None:
    """Changes the partition's clusters where they read what they could compute."""
    again = _Again(partition)
    for numbers in (True, False):
        again.run(numbers)
    again.clean()
