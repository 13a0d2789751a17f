"""The loops of a kernel around the statements that `source` makes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .clusters import Node
from .formulas import REDUCTIONS

if TYPE_CHECKING:
    from .source import _Generator, _Lines

__all__ = ["write"]


def write(g: _Generator) -> _Lines:
    """The body of the function."""
    from .source import _Lines

    body = _Lines()
    _Writer(g, body).function()
    # Totals and numbers are known to be needed once the loops are written.
    head = _Lines()
    head("wide_vectors()")
    for parameter in g.parameters.values():
        if parameter.kind == "total":
            name, size = parameter.name, parameter.value
            head(f"{name}_base = chunk*{size}" if size else f"{name}_base = chunk")
            if size:
                head(f"for k in range({size}):")
                head(f"    store({name}, {name}_base + k, {_initial(parameter)})")
            else:
                head(f"store({name}, {name}_base, {_initial(parameter)})")
    head.text += body.text
    return head


def _initial(parameter: Any) -> str:
    return start(REDUCTIONS[parameter.combine], parameter.dtype)


def start(reduction: str, dtype: np.dtype[Any]) -> str:
    """What a reduction begins with."""
    if reduction == "add":
        return f"{dtype.name}(0)"
    sign = -1 if reduction == "maximum" else 1
    if dtype.kind == "f":
        return f"{dtype.name}({'-inf' if sign < 0 else 'inf'})"
    info = np.iinfo(dtype)
    return f"{dtype.name}({info.min if sign < 0 else info.max})"


class _Writer:
    def __init__(self, g: _Generator, lines: _Lines) -> None:
        self.g, self.lines = g, lines
        self.after: list[Callable[[], None]] = []

    # -- small parts -----------------------------------------------------------------------------------------------

    def reduction(self, node: Node) -> str:
        return REDUCTIONS[node.call.function]

    def wide(self, node: Node) -> np.dtype[Any]:
        """The data type of a sum's accumulator: float64 for floats; otherwise the result's."""
        dtype = node.call.result.dtype
        return np.dtype(np.float64) if dtype.kind == "f" and self.reduction(node) == "add" else dtype

    def element(self, node: Node) -> np.dtype[Any]:
        """In what dtype terms are added within the innermost loop."""
        dtype: np.dtype[Any] = node.call.result.dtype
        return dtype

    def term(self, node: Node, names: dict[Any, str]) -> str:
        """The operand of a reduction in the dtype of its terms."""
        (use,) = node.uses
        name = self.g._operand(use, names, self.lines)
        return self.g._converted(name, use.root.dtype, self.element(node))

    def step(self, node: Node, total: str, term: str, *, lanes: bool) -> str:
        """The next value of an accumulator. In lanes: sums are in any order."""
        reduction = self.reduction(node)
        floating = node.call.result.dtype.kind == "f"
        if reduction == "add":
            if floating:
                return f"plus({total}, {term})" if lanes else f"{total} + {term}"
            return f"{node.call.result.dtype.name}({total} + {term})"
        if not floating:
            return f"{'max' if reduction == 'maximum' else 'min'}({total}, {term})"
        return f"{reduction}({total}, {term})"

    def guarded(self, node: Node) -> bool:
        return self.reduction(node) != "add" and node.call.result.dtype.kind == "f"

    def local(self, node: Node) -> str:
        return f"{self.g.names[node.call.result]}_part"

    def begin_local(self, node: Node) -> None:
        name, reduction, dtype = self.local(node), self.reduction(node), self.element(node)
        if self.guarded(node):
            key = np.iinfo("int32" if dtype.char == "f" else "int64")
            self.lines(f"{name}_key = {key.dtype.name}({key.min if reduction == 'maximum' else key.max})")
        else:
            self.lines(f"{name} = {start(reduction, dtype)}")

    def step_local(self, node: Node, names: dict[Any, str]) -> None:
        name, term = self.local(node), self.term(node, names)
        if self.guarded(node):
            choose, side = (">", "upper") if self.reduction(node) == "maximum" else ("<", "lower")
            self.lines(f"key = {side}_key_{self.element(node).name}({term})")
            self.lines(f"{name}_key = key if key {choose} {name}_key else {name}_key")
        else:
            self.lines(f"{name} = {self.step(node, name, term, lanes=True)}")

    def end_local(self, node: Node) -> str:
        """The local result, as an expression in the accumulator's dtype."""
        name = self.local(node)
        if self.guarded(node):
            self.lines(f"{name} = from_key_{self.element(node).name}({name}_key)")
        return self.g._converted(name, self.element(node), self.wide(node))

    # -- totals ----------------------------------------------------------------------------------------------------

    def total_array(self, node: Node) -> str:
        from .source import Parameter

        name = f"{self.g.names[node.call.result]}_total"
        if name not in self.g.parameters:
            groups = self.g._groups_of(self.g.atoms[node])
            size = "*".join(x.size for x in groups)
            count = math.prod(x.length for x in groups)
            text = f"({size})" if "*" in size else size
            self.g.parameters[name] = Parameter(name, "total", text, self.wide(node), count, node.call.function)
        return name

    def add_total(self, node: Node, expression: str) -> None:
        name = self.total_array(node)
        at = f"{name}_base + {self.g._address(self.g.atoms[node], '')}"
        self.lines(f"store({name}, {at}, {self.step(node, f'load({name}, {at})', expression, lanes=False)})")

    def along_vector(self, node: Node) -> bool:
        """Whether a total has an element for each point of the vector axis."""
        return self.g.vector is not None and self.g.vector.atoms[0] in self.g.atoms[node]

    # -- the function ------------------------------------------------------------------------------------------------

    def function(self) -> None:
        g, lines = self.g, self.lines
        scalars = [n for n in g.nodes if g.level(n) == "scalar"]
        if scalars:
            lines("# once")
            names: dict[Any, str] = {}
            for node in scalars:
                g._statement(node, names, lines)
            for node in scalars:
                if g._stored(node):
                    lines("if chunk == 0:")
                    lines(f"    store({g._array(node.call.result)}, 0, {g.names[node.call.result]})")
        if g.vector is None:
            return
        lines("for task in range(first, last):")
        lines.depth += 1
        self.decode()
        self.per_task(-1)
        for phase in range(g.phases):
            self.phase(phase)
            self.per_task(phase)
        lines.depth -= 1

    def decode(self) -> None:
        """The outer indices of a task."""
        g, lines = self.g, self.lines
        others = [x for x in g.outer if x is not g.vector]
        rest = "task"
        if g.columns and g.vector is not None:
            if others:
                lines(f"blocks = ({g.vector.size} + width - 1) // width")
                lines("lo = task % blocks * width")
                lines("rest = task // blocks")
                rest = "rest"
            else:
                lines("lo = task*width")
            lines(f"span = min(width, {g.vector.size} - lo)")
        for k, group in reversed(list(enumerate(others))):
            if k == 0:
                lines(f"{group.index} = {rest}")
            else:
                lines(f"{group.index} = {rest} % {group.size}")
                lines(f"rest = {rest} // {group.size}")
                rest = "rest"

    # -- what is per task ---------------------------------------------------------------------------------------------

    def per_task(self, phase: int) -> None:
        """Results of the phase's reductions, and what is computed from them."""
        g, lines = self.g, self.lines
        nodes = []
        for node in g.nodes:
            if g.phase[node] != phase or g.level(node) in ("full", "scalar"):
                continue
            if g.level(node) == "total" and g._operand_level(node) == "full":
                continue
            nodes.append(node)
        if not nodes:
            return
        lines("# per column" if g.columns else "# per task")
        if not g.columns:
            for node in nodes:
                self.task_value(node, {})
            return
        before = [n for n in nodes if g.level(n) == "total" and not self.along_vector(n)]
        for node in before:
            self.begin_local(node)
        lines("for j in range(span):")
        lines.depth += 1
        names: dict[Any, str] = {}
        for node in nodes:
            self.task_value(node, names)
        lines.depth -= 1
        for node in before:
            self.add_total(node, self.end_local(node))

    def task_value(self, node: Node, names: dict[Any, str]) -> None:
        g, lines = self.g, self.lines
        value = node.call.result
        name = g.names[value]
        if g.level(node) == "total":
            if g.columns and not self.along_vector(node):
                self.step_local(node, names)
            else:
                term = self.term(node, names)
                self.add_total(node, g._converted(term, self.element(node), self.wide(node)))
            return
        if node.is_reduction:
            if g.columns:
                lines(f"{name} = {g._converted(f'load({name}_sums, j)', self.column_dtype(node), value.dtype)}")
            else:
                lines(f"{name} = {g._converted(f'{name}_sum', self.wide(node), value.dtype)}")
            names[value] = name
        else:
            g._statement(node, names, lines)
        if g.columns and self.read_later(node):
            lines(f"store({self.columns_of(node)}, j, {name})")
        if g._stored(node):
            lines(f"store({g._array(value)}, {g._address(g.atoms[node], '')}, {name})")

    def read_later(self, node: Node) -> bool:
        """Whether other loops read what is per column."""
        g = self.g
        for reader in g.nodes:
            if any(use.root is node.call.result for use in reader.uses):
                here = g.phase[reader] == g.phase[node] and not g._in_loop(reader)
                if not here:
                    return True
        return False

    def columns_of(self, node: Node) -> str:
        value = node.call.result
        return self.g._scratch(f"{self.g.names[value]}_columns", value.dtype, self.g.block)

    def column_dtype(self, node: Node) -> np.dtype[Any]:
        return self.wide(node) if self.in_strips(node) else self.element(node)

    def in_strips(self, node: Node) -> bool:
        """Whether a column's sum is taken in strips that are added in float64."""
        from .source import STRIP

        terms = math.prod(x.length for x in self.g.inner)
        return self.element(node).char == "f" and self.reduction(node) == "add" and terms > 2 * STRIP

    # -- a phase -----------------------------------------------------------------------------------------------------

    def phase(self, phase: int) -> None:
        from .source import LONG_ROW, STRIP

        g, lines = self.g, self.lines
        body = g.body[phase]
        if not body:
            return
        if g.phases > 1:
            lines(f"# phase {phase + 1} of {g.phases}")
        reductions = [n for n in body if n.is_reduction and g.level(n) != "total"]
        totals = [n for n in body if g.level(n) == "total"]
        local = [n for n in totals if not self.along_vector(n)]
        strips = [n for n in reductions if g.columns and self.in_strips(n)]
        if g.columns:
            self.clear_columns(reductions)
        else:
            local += reductions
            for node in reductions:
                name = g.names[node.call.result]
                lines(f"{name}_sum = {start(self.reduction(node), self.wide(node))}")
        depth = lines.depth
        loops = [x for x in g.inner if x is not g.vector]
        for group in loops:
            if strips and group is loops[-1]:
                lines(f"for strip in range(0, {group.size}, {STRIP}):")
                lines.depth += 1
                strip_depth = lines.depth
                lines(f"for {group.index} in range(strip, min(strip + {STRIP}, {group.size})):")
            else:
                lines(f"for {group.index} in range({group.size}):")
            lines.depth += 1
        long_row = not g.columns and g.vector is not None and g.vector.length > LONG_ROW and bool(local)
        if long_row and g.vector is not None:
            lines(f"for part in range(0, {g.vector.size}, {LONG_ROW // 2}):")
            lines.depth += 1
        for node in local:
            self.begin_local(node)
        assert g.vector is not None
        if g.columns:
            lines("for j in range(span):")
        elif long_row:
            lines(f"for j in range(part, min(part + {LONG_ROW // 2}, {g.vector.size})):")
        else:
            lines(f"for j in range({g.vector.size}):")
        lines.depth += 1
        self.elements(phase, body, set(reductions), set(local))
        lines.depth -= 1
        for node in local:
            total = self.end_local(node)
            if g.level(node) == "total":
                self.add_total(node, total)
            else:
                name = f"{g.names[node.call.result]}_sum"
                lines(f"{name} = {self.step(node, name, total, lanes=False)}")
        if strips:
            lines.depth = strip_depth
            self.flush(strips)
        lines.depth = depth

    def clear_columns(self, reductions: list[Node]) -> None:
        g, lines = self.g, self.lines
        if not reductions:
            return
        lines("for j in range(span):")
        for node in reductions:
            name, dtype = g.names[node.call.result], self.column_dtype(node)
            g._scratch(f"{name}_sums", dtype, g.block)
            lines(f"    store({name}_sums, j, {start(self.reduction(node), dtype)})")
            if self.in_strips(node):
                g._scratch(f"{name}_strip", self.element(node), g.block)
                lines(f"    store({name}_strip, j, {start('add', self.element(node))})")

    def flush(self, strips: list[Node]) -> None:
        g, lines = self.g, self.lines
        lines("for j in range(span):")
        for node in strips:
            name = g.names[node.call.result]
            lines(f"    store({name}_sums, j, load({name}_sums, j) + float64(load({name}_strip, j)))")
            lines(f"    store({name}_strip, j, {start('add', self.element(node))})")

    def elements(self, phase: int, body: list[Node], reductions: set[Node], local: set[Node]) -> None:
        """The statements of the innermost loop."""
        g, lines = self.g, self.lines
        names: dict[Any, str] = {}
        overwriting: list[str] = []  # after everything that reads the old values
        for node in body:
            if node.is_reduction:
                if node in local:
                    self.step_local(node, names)
                elif node in reductions:
                    name = g.names[node.call.result] + ("_strip" if self.in_strips(node) else "_sums")
                    term = self.term(node, names)
                    lines(f"store({name}, j, {self.step(node, f'load({name}, j)', term, lanes=False)})")
                else:
                    term = self.term(node, names)
                    self.add_total(node, g._converted(term, self.element(node), self.wide(node)))
                continue
            value = node.call.result
            if g.phase[node] < phase and (node in g.kept or g._stored(node)):
                continue  # loaded where it is used
            g._statement(node, names, lines)
            if g.phase[node] < phase:
                continue
            if g._stored(node):
                line = f"store({g._array(value)}, {g._address(g.atoms[node], '')}, {names[value]})"
                (overwriting.append if value in g.updates else lines)(line)
            if node in g.kept:
                array = g._scratch(f"{names[value]}_kept", value.dtype, g._task_size())
                lines(f"store({array}, {g._kept_address()}, {names[value]})")
        lines.extend(overwriting)
