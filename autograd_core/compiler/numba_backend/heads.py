"""Small values that a cluster begins with, as a cluster of their own where that lets the rest join another one.

In group normalization the scale of each channel keeps output and gradient apart: the output is a cluster with what is
computed for each channel, the gradient needs a sum of that over the channels first. Once the scales are apart, both run
in one loop nest over what they read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..program import Value
from .clusters import Node, Space, Use, space_of, with_own_atoms

if TYPE_CHECKING:
    from .partition import Unit, _Partition

__all__ = ["split_heads"]

LARGE = 1 << 14  # points of a cluster from which reading its arrays once more costs more than another kernel
SMALL = 16  # what has so many times fewer elements is small


def split_heads(partition: _Partition) -> None:
    """Changes the partition's clusters where another one reads the same large arrays, or what the rest makes."""
    for unit in list(partition.units):
        if unit in partition.units and unit.space is not None:
            _split(partition, unit, unit.space)


def _split(partition: _Partition, unit: Unit, space: Space) -> None:
    points = 1
    for atom in space.atoms:
        points *= atom.length
    if points < LARGE:
        return
    head, body = _parts(unit.nodes, points)
    seen = {value for node in body for value in (node.call.result, *(use.root for use in node.uses))}
    large = {value for value in seen if value.size * SMALL > points}
    others = [
        other
        for other in partition.units
        if other.depends & unit.bits and any(use.root in large for node in other.nodes for use in node.uses)
    ]
    if not head or not others:
        return
    # With axes of their own, so that what is found of the one does not change the other.
    head = [Node(n.call, n.formula, [_copied(o) for o in n.operands], n.atoms) for n in head]
    with_own_atoms(head)
    spaces = space_of(head), space_of(body)
    if spaces[0] is None or spaces[1] is None:
        return
    parts = [partition.unit(head, spaces[0], unit.position), partition.unit(body, spaces[1], unit.position)]
    partition.replace([unit], parts)
    partition.refresh()
    for other in others:
        if partition.merged(parts[1], other, apart=False) is not other:
            partition.refresh()
            return
    partition.replace(parts, [unit])
    partition.refresh()


def _copied(operand: Use | int | float) -> Use | int | float:
    return Use(operand.root, operand.atoms) if isinstance(operand, Use) else operand


def _parts(nodes: list[Node], points: int) -> tuple[list[Node], list[Node]]:
    """What is small and computed from small values only, and the rest, both in order."""
    head: list[Node] = []
    body: list[Node] = []
    late: set[Value] = set()
    for node in nodes:
        values = [node.call.result, *(use.root for use in node.uses)]
        if any(value.size * SMALL > points or value in late for value in values):
            body.append(node)
            late.add(node.call.result)
        else:
            head.append(node)
    return head, body
