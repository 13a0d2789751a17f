"""The source text of a cluster's kernel: a plain loop nest over a range of tasks.

Two forms, by the role of the innermost axis (the one that is contiguous and runs in vectors):

    rows      it is inner: a task is one point of the outer axes; what is per task is a scalar.
    columns   it is outer: a task is a block of it (and a point of the other outer axes); what is per task is a short
              array, one element per column of the block.

A task runs in phases: a reduction ends a phase, and what uses its result comes after. A full value that a later phase
needs is computed again if that is cheap, loaded if it was stored anyway, and otherwise kept in a scratch array.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..program import Value
from .axes import Atom, Axes
from .clusters import Node, Space, Use
from .formulas import REDUCTIONS
from .threads import THREADS

__all__ = ["Kernel", "Parameter", "generate"]

AGAIN = 8  # additions up to which a value is computed again rather than kept
BLOCK = 256  # columns of a block where something is summed, at most
FLAT_BLOCK = 4096  # and where nothing is
STRIP = 128  # terms that a float32 sum takes before it is added to a float64 one
LONG_ROW = 8192


@dataclass(frozen=True)
class Parameter:
    """An argument of the kernel.

    Attributes:
        name: in the source.
        kind: "read", "write", "update" (read and written in place), "scratch", "total", "size" or "number".
        value: the Value that is read or written, or the number.
        dtype: of the array.
        size: elements of a scratch array, or of a total per chunk.
        combine: the ufunc that puts the chunks' totals together.
    """

    name: str
    kind: str
    value: Any = None
    dtype: Any = None
    size: int = 0
    combine: Any = None


@dataclass
class Kernel:
    """Source and how to call it: `kernel(first, last, chunk, *parameters)` for tasks first..last-1.

    Attributes:
        source: the text of a function named "kernel".
        parameters: in order.
        tasks: how many there are.
        work: an estimate of its run time, in additions of one element.
    """

    source: str
    parameters: list[Parameter]
    tasks: int
    work: float


@dataclass(eq=False)
class _Group:
    """Adjacent atoms of the space that everything runs over together: one loop."""

    atoms: list[Atom]
    length: int
    outer: bool
    index: str = ""
    size: str = ""


@dataclass
class _Lines:
    """Text with indentation."""

    text: list[str] = field(default_factory=list)
    depth: int = 1

    def __call__(self, line: str) -> None:
        self.text.append("    " * self.depth + line if line else "")

    def extend(self, lines: Sequence[str]) -> None:
        for line in lines:
            self(line)


def generate(
    nodes: list[Node],
    space: Space,
    wanted: set[Value],
    updates: dict[Value, Value],
    sizes: set[int] = frozenset(),  # type: ignore[assignment]
) -> Kernel:
    """The kernel of a cluster.

    Args:
        nodes: its calls, in order.
        space: their iteration space.
        wanted: results that are needed outside.
        updates: results that overwrite an input (result -> input) element by element.
        sizes: numbers that stand for lengths: they (and their reciprocals) become arguments.
    """
    return _Generator(nodes, space, wanted, updates, sizes).kernel()


def _type(dtype: np.dtype[Any]) -> str:
    return "boolean" if dtype.kind == "b" else dtype.name


class _Generator:
    def __init__(
        self, nodes: list[Node], space: Space, wanted: set[Value], updates: dict[Value, Value], sizes: set[int]
    ) -> None:
        self.nodes, self.space, self.wanted, self.updates, self.sizes = nodes, space, wanted, updates, sizes
        self.node_of: dict[Value, Node] = {node.call.result: node for node in nodes}
        self.parameters: dict[str, Parameter] = {}
        self.array_names: dict[Value, str] = {}
        self.number_names: dict[tuple[float, str], str] = {}
        self.whole = len(space.atoms)
        self.atoms = {node: Axes.resolved(node.atoms) for node in nodes}
        self.seen = {use: Axes.resolved(use.atoms) for node in nodes for use in node.uses}
        self._name_values()
        self._make_groups()
        self._find_phases()
        self._choose_kept()

    # -- what there is -------------------------------------------------------------------------------------------

    def _name_values(self) -> None:
        self.names: dict[Value, str] = {}
        for i, node in enumerate(self.nodes):
            function = node.call.function
            name = getattr(function, "__name__", "value")
            name = {"add": "sum" if node.is_reduction else "add", "multiply": "product"}.get(name, name)
            self.names[node.call.result] = f"{name}_{i}"

    def level(self, node: Node) -> str:
        """'full', 'task', 'scalar' or 'total'."""
        if node in self.space.totals:
            return "total"
        atoms = self.atoms[node]
        if len(atoms) == self.whole and self.whole:
            return "full"
        return "task" if atoms else "scalar"

    def _make_groups(self) -> None:
        lists = [*self.seen.values(), *self.atoms.values()]
        groups: list[_Group] = []
        sets = [(set(x), set(itertools.pairwise(x))) for x in lists]
        for atom in self.space.atoms:
            outer = atom in self.space.outer
            if groups and groups[-1].outer == outer:
                before = groups[-1].atoms[-1]
                if all(
                    (before in s) == (atom in s) and (atom not in s or (before, atom) in pairs) for s, pairs in sets
                ):
                    groups[-1].atoms.append(atom)
                    groups[-1].length *= atom.length
                    continue
            groups.append(_Group([atom], atom.length, outer))
        for k, group in enumerate(groups):
            group.index, group.size = f"i{k}", f"n{k}"
            self.parameters[group.size] = Parameter(group.size, "size", group.length)
        self.groups = groups
        self.vector = groups[-1] if groups else None
        self.columns = self.vector is not None and self.vector.outer
        self.inner = [g for g in groups if not g.outer]
        self.outer = [g for g in groups if g.outer]
        self.first_of = {g.atoms[0]: g for g in groups}
        self.block = FLAT_BLOCK
        if self.columns and self.inner:
            # Wide blocks write whole lines in order; but each thread is to have one, and whole vectors.
            share = -(-groups[-1].length // THREADS)
            self.block = min(BLOCK, max(16, -(-share // 16) * 16))
        if self.columns:
            self.parameters["width"] = Parameter("width", "size", self.block)

    def _groups_of(self, atoms: list[Atom]) -> list[_Group]:
        return [self.first_of[a] for a in atoms if a in self.first_of]

    # -- phases --------------------------------------------------------------------------------------------------

    def _find_phases(self) -> None:
        """The phase in which a full value or a reduction is computed; for what is per task, after which one."""
        self.phase: dict[Node, int] = {}
        for node in self.nodes:
            level = self.level(node)
            phase = 0 if level == "full" or node.is_reduction else -1
            for use in node.uses:
                maker = self.node_of.get(use.root)
                if maker is None or self.level(maker) == "scalar":
                    continue
                of_full = self.level(maker) == "full"
                here_full = level == "full" or (node.is_reduction and of_full)
                if of_full or not here_full:
                    phase = max(phase, self.phase[maker])
                else:
                    phase = max(phase, self.phase[maker] + 1)
            self.phase[node] = phase
        loops = [self.phase[n] for n in self.nodes if self._in_loop(n)]
        self.phases = max(loops, default=-1) + 1

    def _operand_level(self, node: Node) -> str:
        (use,) = node.uses
        return "full" if len(self.seen[use]) == self.whole else "task"

    def _in_loop(self, node: Node) -> bool:
        """Whether it runs at every point of the space."""
        return self.level(node) == "full" or (node.is_reduction and self._operand_level(node) == "full")

    def _stored(self, node: Node) -> bool:
        return node.call.result in self.wanted or node.call.result in self.updates

    def _choose_kept(self) -> None:
        """Which full values a later phase finds in memory, and what each phase computes."""
        self.kept: set[Node] = set()
        self.body: list[list[Node]] = [[] for _ in range(self.phases)]
        roots: list[set[Node]] = [set() for _ in range(self.phases)]
        for node in self.nodes:
            if self._in_loop(node) and (node.is_reduction or self._stored(node)):
                roots[self.phase[node]].add(node)
        cost: dict[Node, int] = {}
        for node in self.nodes:
            if self.level(node) == "full" and node.formula is not None:
                makers = {m for u in node.uses if (m := self.node_of.get(u.root)) is not None}
                cost[node] = node.formula.cost + sum(cost.get(m, 0) for m in makers)
        for phase in reversed(range(self.phases)):
            needed = set(roots[phase])
            for node in reversed(self.nodes):
                if node not in needed:
                    continue
                if self.phase[node] < phase and (self._stored(node) or cost.get(node, 0) > AGAIN):
                    if not self._stored(node):
                        self.kept.add(node)
                        roots[self.phase[node]].add(node)
                    continue
                for use in node.uses:
                    maker = self.node_of.get(use.root)
                    if maker is not None and self.level(maker) == "full":
                        needed.add(maker)
            self.body[phase] = [n for n in self.nodes if n in needed]

    # -- names of arrays and numbers -------------------------------------------------------------------------------

    def _array(self, value: Value) -> str:
        """The parameter for an array that is read or written."""
        place = self.updates.get(value, value)
        name = self.array_names.get(place)
        if name is None:
            made = place in self.node_of
            name = f"{self.names[place]}_out" if made else f"x{len(self.array_names)}"
            kind = "write" if made else "read"
            self.array_names[place] = name
            self.parameters[name] = Parameter(name, kind, place, place.dtype)
        if value in self.updates:
            self.parameters[name] = Parameter(name, "update", place, place.dtype)
        return name

    def _scratch(self, name: str, dtype: Any, size: int) -> str:
        self.parameters.setdefault(name, Parameter(name, "scratch", None, np.dtype(dtype), size))
        return name

    def _number(self, number: float, dtype: np.dtype[Any]) -> str:
        kind = _type(dtype)
        if dtype.kind in "iu":
            return f"{kind}({int(number)})"
        number = float(number)
        if math.isnan(number) or math.isinf(number):
            return f"{kind}({'nan' if math.isnan(number) else 'inf' if number > 0 else '-inf'})"
        if self._is_length(number):
            name = self.number_names.setdefault((number, kind), f"c{len(self.number_names)}")
            self.parameters[name] = Parameter(name, "number", number)
            return f"{kind}({name})"
        return f"{kind}({number!r})"

    def _is_length(self, number: float) -> bool:
        """Whether a number is a length, or 1 / length, times 1 or 2: another batch size has another."""
        ratios = [r for n in self.sizes if n > 2 for r in (abs(number) * n, abs(number) / n)]
        return any(math.isclose(r, k, rel_tol=1e-9) for r in ratios for k in (1, 2))

    # -- addresses -------------------------------------------------------------------------------------------------

    def _address(self, atoms: list[Atom], lines_at: str) -> str:
        """The index into an array with these atoms, at the point that the loops are at."""
        groups = self._groups_of(atoms)
        terms = []
        for k, group in enumerate(groups):
            stride = "*".join(g.size for g in groups[k + 1 :])
            at = group.index if group is not self.vector else ("lo + j" if self.columns else "j")
            if stride:
                at = f"({at})*{stride}" if "+" in at else f"{at}*{stride}"
            terms.append(at)
        return " + ".join(terms) if terms else "0"

    def _kept_address(self) -> str:
        terms = []
        for k, group in enumerate(self.inner):
            stride = [g.size for g in self.inner[k + 1 :]] + (["width"] if self.columns else [])
            at = "j" if group is self.vector else group.index
            terms.append("*".join([at, *stride]))
        return " + ".join([*terms, *(["j"] if self.columns else [])])

    def _task_size(self) -> int:
        return math.prod(g.length for g in self.inner) * (self.block if self.columns else 1)

    # -- expressions -------------------------------------------------------------------------------------------------

    def _operand(self, use: Use, names: dict[Any, str], lines: _Lines) -> str:
        """The local name of an operand, loaded if need be."""
        maker = self.node_of.get(use.root)
        if maker is not None:
            level = self.level(maker)
            if level == "scalar" or (level == "task" and not self.columns):
                return self.names[use.root]
            if use.root in names:
                return names[use.root]
            name = self.names[use.root]
            if level == "task":
                lines(f"{name} = load({name}_columns, j)")
            elif maker in self.kept:
                lines(f"{name} = load({name}_kept, {self._kept_address()})")
            else:
                lines(f"{name} = load({self._array(use.root)}, {self._address(self.atoms[maker], '')})")
            names[use.root] = name
            return name
        key = (use.root, tuple(self.seen[use]))
        if key not in names:
            array = self._array(use.root)
            number = sum(1 for k in names if isinstance(k, tuple) and k[0] is use.root)
            name = f"{array}_at" + (f"_{number}" if number else "")
            lines(f"{name} = load({array}, {self._address(self.seen[use], '')})")
            names[key] = name
        return names[key]

    def _statement(self, node: Node, names: dict[Any, str], lines: _Lines) -> None:
        """Computes an elementwise call."""
        assert node.formula is not None
        given = []
        for operand, dtype in zip(node.operands, node.formula.dtypes):
            if not isinstance(operand, Use):
                given.append(self._number(operand, dtype))
                continue
            name = self._operand(operand, names, lines)
            same = operand.root.dtype == dtype
            given.append(name if same else f"{_type(dtype)}({name})")
        expression = node.formula.template.format(*given)
        if node.formula.dtype.kind in "iub":  # Numba widens integers
            expression = f"{_type(node.formula.dtype)}({expression})"
        name = self.names[node.call.result]
        lines(f"{name} = {expression}")
        names[node.call.result] = name

    def _converted(self, name: str, have: np.dtype[Any], dtype: np.dtype[Any]) -> str:
        return name if have == dtype else f"{_type(dtype)}({name})"

    # -- the text ----------------------------------------------------------------------------------------------------

    def kernel(self) -> Kernel:
        """The source and its parameters."""
        from .loops import write  # the loops are a file of their own

        lines = write(self)
        parameters = [p for p in self.parameters.values()]
        order = {"size": 0, "number": 1}
        parameters.sort(key=lambda p: order.get(p.kind, 2))
        head = f"def kernel(first, last, chunk, {', '.join(p.name for p in parameters)}):"
        points = math.prod(g.length for g in self.groups)
        cost = sum(n.formula.cost if n.formula else 1 for body in self.body for n in body) + 2
        arrays = sum(p.kind in ("read", "write", "update") for p in parameters)
        tasks = math.prod(g.length for g in self.outer if g is not self.vector)
        if self.columns and self.vector is not None:
            tasks *= -(-self.vector.length // self.block)
        return Kernel("\n".join([head, *lines.text]) + "\n", parameters, tasks, points * (cost + 3 * arrays))


def reduction_name(node: Node) -> str:
    """'add', 'maximum' or 'minimum'."""
    return REDUCTIONS[node.call.function]
