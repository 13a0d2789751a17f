"""Units side by side: clusters of which none waits for another share one job of the threads, with one barrier."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..program import Program, Value
from .memory import Memory, size_in_bytes
from .partition import Unit

__all__ = ["grouped"]

AHEAD = 64  # units that another may overtake, at most
SMALL = 1 << 16  # bytes that a unit may make earlier than it would in its place
TOGETHER = 1 << 20  # bytes that may be alive because units run side by side rather than one after the other


@dataclass
class _Effects:
    """What some units depend on, read and overwrite."""

    bits: int = 0
    reads: set[Value] = field(default_factory=set)
    writes: set[Value] = field(default_factory=set)

    def add(self, other: _Effects) -> None:
        self.bits |= other.bits
        self.reads |= other.reads
        self.writes |= other.writes

    def meets(self, other: _Effects) -> bool:
        """Whether the one may overwrite what the other reads."""
        return not (self.writes.isdisjoint(other.reads) and self.reads.isdisjoint(other.writes))


def _last_readers(units: list[Unit]) -> dict[Value, Unit]:
    """The last unit that reads, or the one that makes, each value of the units."""
    last = {}
    for unit in units:
        last.update(dict.fromkeys((v for call in unit.calls() for v in call.results), unit))
        last.update(dict.fromkeys(unit.reads(), unit))
    return last


class _Groups:
    def __init__(self, program: Program, units: list[Unit], wanted: set[Value]) -> None:
        self.units, self.wanted = units, wanted
        self.memory = Memory(program)
        self.new = {value: place for place, value in self.memory.places.items()}
        kept = {*program.inputs, *program.constants, *program.results()}
        self.freed: dict[Unit, int] = {}
        for value, unit in _last_readers(units).items():
            if value in wanted and value not in kept:
                self.freed[unit] = self.freed.get(unit, 0) + size_in_bytes(value)

    def effects(self, unit: Unit) -> _Effects:
        reads = {place for value in unit.reads() for place in self.memory.of(value)}
        writes = {self.new[v] for call in unit.calls() for v in call.results if v in self.new and unit.nodes}
        return _Effects(unit.bits, reads, writes)

    def made(self, unit: Unit) -> int:
        """Bytes of the arrays that a cluster makes."""
        results = (node.call.result for node in unit.nodes)
        return sum(size_in_bytes(value) for value in results if value in self.wanted and value not in self.new)

    def build(self) -> Iterator[list[Unit]]:
        taken: set[Unit] = set()
        for i, unit in enumerate(self.units):
            if unit in taken:
                continue
            group = [unit]
            if unit.nodes:
                for other in self._beside(unit, (u for u in self.units[i + 1 :] if u not in taken)):
                    group.append(other)
                    taken.add(other)
            yield group

    def _beside(self, first: Unit, others: Iterator[Unit]) -> Iterator[Unit]:
        """Clusters among those that follow which may run together with the first."""
        group, passed = self.effects(first), _Effects()
        freed, left = self.freed.get(first, 0), AHEAD
        for unit in others:
            effects = self.effects(unit)
            joins = unit.nodes and not unit.depends & (group.bits | passed.bits)
            joins = joins and not effects.meets(group) and not effects.meets(passed)
            made = self.made(unit)
            if joins and made <= (SMALL if passed.bits else made) and min(made, freed) <= TOGETHER:
                group.add(effects)
                freed += self.freed.get(unit, 0)
                yield unit
                continue
            passed.add(effects)
            left -= 1
            if not left:
                return


def grouped(program: Program, units: list[Unit], wanted: set[Value]) -> list[list[Unit]]:
    """The units in groups: a call on its own, or clusters that may run at the same time and in any order.

    Args:
        program: the units' program.
        units: in an order in which every operand exists. Some are moved up to where they join others; nothing that
            makes large arrays is, and no unit overtakes another that reads what it may overwrite.
        wanted: results that are needed outside of their unit.
    """
    return list(_Groups(program, units, wanted).build())
