"""Which calls run in one loop nest.

The iteration space of a cluster is a list of atoms, each *outer* (the kernel's threads and tasks run over it) or
*inner* (summed over within a task). A value that the cluster computes is

    full      all atoms, one element per point of the space;
    per task  the outer atoms: a result of a reduction over the inner ones, or what is computed from such;
    scalar    no atoms: computed once per call of the kernel;
    total     a reduction whose result is not used again in the cluster: any atoms, accumulated over the tasks.

Batch norm over (rows, features): rows inner, features outer; layer norm: the other way round. Whether two clusters may
be merged is decided by unifying the atoms of what they share, and by these rules on the union.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..program import Call, Value, basic_index, broadcast, reshape, transpose
from .axes import Atom, Axes, Mismatch
from .formulas import Formula, formula, reduction_axes

__all__ = ["Cluster", "Node", "Space", "Use", "make_node", "root_of", "space_of", "with_own_atoms", "without_tail"]

TOTAL_SHARE = 16  # a total has at most this fraction of the space's elements: there is one per chunk of tasks
MOST_CALLS = 250  # of a cluster: compile time grows faster than the number of calls


@dataclass(eq=False)
class Use:
    """An operand: the Value whose memory is read, and its atoms in C order."""

    root: Value
    atoms: list[Atom]


@dataclass(eq=False)
class Node:
    """A call of a cluster.

    Attributes:
        call: the call.
        formula: its expression; None for a reduction.
        operands: Uses and Python numbers.
        atoms: of the result, in C order.
    """

    call: Call
    formula: Formula | None
    operands: list[Use | int | float]
    atoms: list[Atom]

    @property
    def uses(self) -> Iterable[Use]:
        """The operands that are arrays."""
        return (o for o in self.operands if isinstance(o, Use))

    @property
    def is_reduction(self) -> bool:
        """Whether it is a reduction over at least one atom."""
        return self.formula is None


@dataclass(eq=False)
class Cluster:
    """Calls of the program in order, and what surrounds them."""

    nodes: list[Node] = field(default_factory=list)


@dataclass
class Space:
    """The iteration space, in order, and the part of it that is outer."""

    atoms: list[Atom]
    outer: set[Atom]
    totals: set[Node]


# -- views -----------------------------------------------------------------------------------------------------------


def _keeps_order(call: Call) -> bool:
    """Whether the result has the operand's elements in the same C order (and no broadcasting)."""
    operand, argument = call.args
    if call.function is reshape:
        return True
    if call.function is transpose:
        long = [a for a in argument if operand.shape[a] != 1]
        return long == sorted(long)
    if call.function is basic_index and operand.size == call.result.size:
        return all(not isinstance(i, slice) or i.step is None or i.step > 0 for i in argument)
    return False


def root_of(value: Value, makers: dict[Value, Call]) -> tuple[Value, list[Call]]:
    """The Value that a chain of fusable views begins with, and the chain."""
    chain: list[Call] = []
    while (call := makers.get(value)) is not None and call.kind == "view":
        if call.function is not broadcast and not _keeps_order(call):
            break
        chain.append(call)
        value = call.args[0]
    return value, chain[::-1]


def _fresh(shape: tuple[int, ...]) -> list[list[Atom]]:
    return [[Atom(n)] if n != 1 else [] for n in shape]


def _flat(groups: Iterable[list[Atom]]) -> list[Atom]:
    return [atom for group in groups for atom in group]


def _seen_through(axes: Axes, value: Value, makers: dict[Value, Call]) -> tuple[Use, list[list[Atom]]]:
    """A Use of the root of `value`, and the atoms of each axis of `value` itself."""
    root, chain = root_of(value, makers)
    groups = _fresh(root.shape)
    use = Use(root, _flat(groups))
    for call in chain:
        shape = call.result.shape
        if call.function is broadcast:
            groups = [[] for _ in range(len(shape) - len(groups))] + groups
            groups = [g if g or n == 1 else [Atom(n)] for g, n in zip(groups, shape)]
        else:
            groups = axes.grouped(_flat(groups), shape)
    return use, groups


def make_node(call: Call, axes: Axes, makers: dict[Value, Call]) -> Node | None:
    """The call as a part of a loop nest; None if it cannot be one."""
    mark = axes.mark()
    try:
        reduced = reduction_axes(call)
        if reduced is not None:
            use, groups = _seen_through(axes, call.args[0], makers)
            if len(Axes.resolved(use.atoms)) != len(Axes.resolved(_flat(groups))):
                axes.undo(mark)
                return None  # repeats what it reads
            kept = _flat(g for i, g in enumerate(groups) if i not in reduced)
            if len(Axes.resolved(kept)) == len(Axes.resolved(_flat(groups))):
                dtype = call.result.dtype  # over axes of length 1: a copy
                return Node(call, Formula("{0}", (dtype,), dtype, 1), [use], kept)
            return Node(call, None, [use], kept)
        expression = formula(call)
        if expression is None:
            return None
        shape = call.result.shape
        result = _fresh(shape)
        operands: list[Use | int | float] = []
        arguments = [a for a in call.args if not isinstance(a, np.dtype)]
        for argument in arguments:
            if not isinstance(argument, Value):
                operands.append(argument)
                continue
            use, groups = _seen_through(axes, argument, makers)
            operands.append(use)
            for group, own in zip(groups, result[len(shape) - len(groups) :]):
                if group:
                    axes.unify(own, group)
        return Node(call, expression, operands, _flat(result))
    except Mismatch:
        axes.undo(mark)
        return None


# -- the rules -------------------------------------------------------------------------------------------------------


def _lengths(atoms: Iterable[Atom]) -> int:
    return math.prod(a.length for a in atoms)


def space_of(nodes: list[Node]) -> Space | None:
    """The iteration space of these calls, or None if they do not run in one loop nest."""
    used = {use.root for node in nodes for use in node.uses}
    every: dict[Atom, None] = {}
    results: list[tuple[Node, list[Atom]]] = []
    operands: list[tuple[Node, list[Atom]]] = []
    for node in nodes:
        atoms = Axes.resolved(node.atoms)
        results.append((node, atoms))
        for use in node.uses:
            seen = Axes.resolved(use.atoms)
            if len(set(seen)) != len(seen):
                return None
            operands.append((node, seen))
            every.update(dict.fromkeys(seen))
        every.update(dict.fromkeys(atoms))
        if len(set(atoms)) != len(atoms):
            return None
    whole = set(every)
    size = _lengths(whole)
    order: list[Atom] | None = None
    part: list[Atom] | None = None
    ends: list[tuple[Node, list[Atom]]] = []
    for node, atoms in results:
        if node.is_reduction and node.call.result not in used:
            ends.append((node, atoms))
            continue
        if len(atoms) == len(whole):
            if order is not None and order != atoms:
                return None
            order = atoms
        elif atoms or node.is_reduction:
            if not atoms or (part is not None and part != atoms):
                return None
            part = atoms
    for node, seen in operands:
        if node.is_reduction:
            if len(seen) == len(whole):
                if order is not None and order != seen:
                    return None
                order = seen
            elif node.call.result in used:
                return None  # only the whole space may be reduced within a task
    for _, atoms in ends:
        if part is None and _lengths(atoms) * TOTAL_SHARE > size and atoms:
            part = atoms
    if order is None:
        return None
    outer = set(part) if part is not None else whole
    if part is not None and [a for a in order if a in outer] != part:
        return None
    totals = set()
    for node, atoms in ends:
        (use,) = node.uses
        seen = Axes.resolved(use.atoms)
        if atoms == part and len(seen) == len(whole):
            continue
        if _lengths(atoms) * TOTAL_SHARE > size and _lengths(atoms) > 1:
            return None
        if seen and seen != order and seen != part:
            return None
        if not seen:
            return None
        totals.add(node)
    return Space(order, outer, totals)


def with_own_atoms(nodes: list[Node]) -> None:
    """Gives the nodes new atoms in place of those that they may share with others."""
    new: dict[Atom, Atom] = {}

    def own(atoms: list[Atom]) -> list[Atom]:
        return [new.setdefault(atom, Atom(atom.length)) for atom in Axes.resolved(atoms)]

    for node in nodes:
        node.atoms = own(node.atoms)
        for use in node.uses:
            use.atoms = own(use.atoms)


def without_tail(nodes: list[Node], space: Space) -> tuple[list[Node], list[Node]]:
    """Splits off what is computed per task only to be handed out.

    Where no full value depends on a reduction, the reductions are totals once their descendants are gone, and all
    atoms are outer.
    """
    if len(space.outer) == len(space.atoms):
        return nodes, []
    made: dict[Any, Node] = {node.call.result: node for node in nodes}
    tail: list[Node] = []
    reduced: set[Value] = set()
    for node in nodes:
        hangs = any(use.root in reduced for use in node.uses)
        if node.is_reduction and not hangs:
            reduced.add(node.call.result)
        elif hangs:
            if len(Axes.resolved(node.atoms)) == len(space.atoms):
                return nodes, []
            tail.append(node)
            reduced.add(node.call.result)
    hanging = set(map(id, tail))
    kept = [n for n in nodes if id(n) not in hanging]
    if not tail or not kept or not made:
        return nodes, []
    return kept, tail
