"""What a derivation reads off the tape: values, symbols, formulas forward, and one step back through each Node."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from autograd_core.deriving.evaluating import UNTOUCHED, UnknownValueError, agrees
from autograd_core.deriving.naming import Names, latex_name, plain_name
from autograd_core.deriving.terms import Expr, Indices, Num, Ref, Symbol, full_index, mul, power
from autograd_core.deriving.tracing import Traced, aligned, element, labelled, named
from autograd_core.drawing.reading import Reading, is_leaf, is_pure, is_written, read
from autograd_core.node import Node
from autograd_core.sweep import changed, fetch, freed, joint_slots, shape_of
from autograd_core.tensor import Tensor
from autograd_core.unbroadcast import sum_to

__all__ = ["Tape", "key_of"]

Key = tuple[int, int | None]  # id() of a Node or leaf, and which output of a Node with several
_LONGEST_FORMULA = 24  # a formula with more symbols is less readable than the operator's name
_LONGEST_RULE = 40
_MEANS = frozenset({"mean", "var", "std"})


def key_of(entry: Any, index: int | None = None) -> Key:
    """How a Node, one of its outputs, or a leaf is looked up."""
    return id(entry), index


class Tape:
    """The Nodes behind an output, with a symbol, a value and a formula for each.

    Args:
        out: the output.
        wrt: Tensors on the way to it.
    """

    def __init__(self, out: Tensor, wrt: Sequence[Tensor]) -> None:
        self.reading: Reading = read([out])
        self.out = self.reading.outputs[0]
        self.symbols: dict[Key, Symbol] = {}
        self.named: set[Key] = set()
        self.formulas: dict[Key, tuple[Indices, Expr]] = {}
        self.counts: dict[int, Symbol] = {}
        self.lost: list[Symbol] = []  # constants whose value is not known any more
        self.changed: list[Symbol] = []  # leaves that were written to since
        self._values: dict[int, Any] = {}
        self._known_values(out)
        self.lead = self._leads()
        self._leaves()
        for node, operands in zip(self.reading.nodes, self.reading.operands, strict=True):
            self._record(node, operands)

    # -- forward -----------------------------------------------------------------------------------

    def _known_values(self, out: Tensor) -> None:
        """The values that rules still keep, and those that were recorded for drawing."""
        for node, operands in zip(self.reading.nodes, self.reading.operands, strict=True):
            if node.extra is not None and node.extra.value is not None:
                self._values[id(node)] = node.extra.value
            if node.extra is not None and node.extra.constants is not None:
                self._values |= {id(operands[place]): value for place, value in node.extra.constants.items()}
            for place, kept in zip(node.plan.keep, node.kept or (), strict=False):
                if not is_written(node if place < 0 else node.parents[place], node):
                    self._values.setdefault(id(node if place < 0 else operands[place]), kept)
        self._values[id(self.out)] = out.data

    def _leads(self) -> dict[int, int]:
        """How many axes come before an entry's own where it is broadcast: a mean over axis 0 of x[i,j] is mu[j]."""
        lead: dict[int, int] = {}
        for node, operands in zip(reversed(self.reading.nodes), reversed(self.reading.operands), strict=True):
            if node.plan.elementwise:
                for operand in operands:
                    if isinstance(operand, Node) or is_leaf(operand):
                        lead[id(operand)] = lead.get(id(node), 0) + len(node.shape) - len(operand.shape)
        return lead

    def _leaves(self) -> None:
        found = {id(leaf): leaf for leaf, _ in self.reading.leaves()}
        inner = [self.reading.name(node) for node in self.reading.nodes]
        self.names = Names(str(name) for name in (*inner, *(leaf.name for leaf in found.values())) if name)
        self.letter = self._loss()
        given = Counter(leaf.name for leaf in found.values())
        scopes = {id(leaf): node.scope for leaf, node in self.reading.leaves()}
        stale = {
            id(leaf) for leaf, node in self.reading.leaves() if isinstance(leaf, Tensor) and is_written(leaf, node)
        }
        for leaf in found.values():
            name = str(leaf.name) if leaf.name else self.names.fresh("x" if isinstance(leaf, Tensor) else "c")
            value = self._values.get(id(leaf))
            if isinstance(leaf, Tensor):
                value = None if id(leaf) in stale else leaf.data
            if given[leaf.name] > 1 and leaf.name and scopes[id(leaf)]:  # "weight" in several modules
                scope = scopes[id(leaf)]
                name = f"{name}_{scope}" if scope.isdigit() else f"{scope}.{name}"
            name = self.names.unique(name) if leaf.name else name
            symbol = self.symbols[key_of(leaf)] = _symbol(name, leaf.shape, value)
            if value is None:
                (self.changed if isinstance(leaf, Tensor) else self.lost).append(symbol)
            self.named.add(key_of(leaf))

    def _loss(self) -> str:
        """The L of dL/dx: the output's own name where that is one letter."""
        name = self.reading.name(self.out) if isinstance(self.out, Node) and not self.out.shape else None
        return name if name and re.fullmatch("[A-Z]", name) else self.names.first("LJECQ")

    def _record(self, node: Node, operands: tuple[Any, ...]) -> None:
        """The Node's value, symbol and formula."""
        traced = self._run(node, operands)
        known = is_pure(node.plan.op) and all(self._is_known(node, operand) for operand in operands)
        given = self.reading.name(node)
        name = self.names.unique(str(given)) if given and node.plan.op.name != "pick" else None
        if name is None and node is self.out and not node.plan.op.multiple:
            name = self.names.first("yuvw") if node.shape else self.letter
        if node.plan.op.multiple:
            parts = traced if isinstance(traced, tuple | list) else (traced,)
            base = name or self.names.fresh("a")
            recorded = self._values.get(id(node), [part.value if known else None for part in parts])
            for i, part in enumerate(parts):
                self._define(key_of(node, i), _symbol(f"{base}_{i}", part.shape, recorded[i]), part)
            return
        value = self._values.get(id(node), traced.value if known else None)
        if name is not None:
            symbol = _symbol(str(name), node.shape, value)
            self.named.add(key_of(node))
        else:
            text = self.names.fresh("a")
            symbol = Symbol(f"a^{{({text[1:]})}}", text, node.shape, value)
        if node.plan.op.name == "pick":  # only takes one of several outputs: no step of its own
            self.symbols[key_of(node)] = self.symbols[key_of(operands[0], (node.statics or {})["index"])]
            self.named.discard(key_of(node))
            return
        self._define(key_of(node), symbol, traced, node)

    def _define(self, key: Key, symbol: Symbol, traced: Traced, node: Node | None = None) -> None:
        self.symbols[key] = symbol
        indices = full_index(symbol.shape, self.lead.get(key[0], 0))
        formula = element(traced, indices)
        if node is not None:
            formula = self._counted(node, formula)
        self.formulas[key] = (indices, formula)

    def _run(self, node: Node, operands: tuple[Any, ...]) -> Any:
        """The operator on the operands' symbols."""
        op = node.plan.op
        arguments: dict[str, Any] = dict(node.statics or {})
        if op.name == "pick":
            return self._operand(operands[0], (node.statics or {})["index"])
        values = [self._operand(operand) for operand in operands]
        if op.variadic:
            arguments[op.variadic] = values
        else:
            arguments.update(zip(op.parameters, values, strict=False))
        plain = {k: [x.value for x in v] if k == op.variadic else _plain(v) for k, v in arguments.items()}

        def opaque() -> Any:
            if op.multiple:
                return _several(op, arguments)
            try:
                result, function = op.function(**plain), op.function
            except Exception:  # a checkpoint's function is not the operator's, and has run already
                filler = np.full(node.shape, np.nan).astype(node.dtype)
                result, function = self._values.get(id(node), filler), _unknown
            return Traced(result, (labelled(op.name, function), (), arguments))

        try:
            traced = op.function(**arguments)
            if op.multiple:
                return traced
            indices = full_index(traced.shape)
            formula = element(traced, indices)
            short = formula.size <= _LONGEST_FORMULA and agrees(formula, indices, traced.value)
        except Exception:  # an operator that is not written in NumPy's public functions alone
            return opaque()
        return traced if short else opaque()

    def _is_known(self, node: Node, operand: Any) -> bool:
        """Whether an operand has a value, so that the operator could be run on it."""
        if operand is None or not (isinstance(operand, Node) or is_leaf(operand)):
            return True
        if isinstance(operand, Node) and operand.plan.op.multiple:
            return self.symbols[key_of(operand, (node.statics or {})["index"])].value is not None
        return self.symbols[key_of(operand)].value is not None

    def _operand(self, operand: Any, index: int | None = None) -> Any:
        if operand is None or not (isinstance(operand, Node) or is_leaf(operand)):
            return operand
        symbol = self.symbols[key_of(operand, index)]
        return self.traced(symbol, getattr(operand, "dtype", np.dtype(float)))

    @staticmethod
    def traced(symbol: Symbol, dtype: Any = np.float64) -> Traced:
        """A symbol's array; where the tape has lost its value, an array of NaN."""
        if symbol.value is not None:
            return named(symbol)
        filler = np.full(symbol.shape, np.nan) if np.dtype(dtype).kind == "f" else np.zeros(symbol.shape, dtype)
        return Traced(filler, symbol)

    # -- backward ----------------------------------------------------------------------------------

    def pull(self, node: Node, operands: tuple[Any, ...], g: Any) -> Iterator[tuple[Key, Any, Indices, Expr, Any]]:
        """One step back: what each operand's gradient gets from this Node.

        Args:
            node: the Node; its kept arrays must be alive.
            operands: as the reading has them.
            g: the traced gradient of its output; a dict by index for several outputs.

        Yields:
            Key and entry of the operand, indices, the contribution as an expression over them, and its value; None for
            the value where the rule would run a function of the user's again.
        """
        if node.kept is None:
            raise freed(node)
        plan = node.plan
        for i in (*plan.guard, *((-1,) if plan.guard_out else ())):
            holder = node if i < 0 else node.parents[i]
            if is_written(holder, node):
                raise changed(node, i, holder.version, "derivation")
        if plan.op.name == "pick":
            index = (node.statics or {})["index"]
            key = key_of(operands[0], index)
            indices = full_index(g.shape)
            yield key, operands[0], indices, element(g, indices), g.value
            return
        kept = tuple(
            self._operand(node if place < 0 else operands[place]) if _is_array(array) else array
            for place, array in zip(plan.keep, node.kept, strict=True)
        )
        for i in _moving(node):
            operand = operands[i]
            shape = shape_of(operand)
            indices = full_index(shape)
            step = _step(node, i)
            if not is_pure(plan.op):
                unknown = Traced(np.full(shape, np.nan), (labelled(f"vjp_{plan.op.name}", _unknown), (g, *kept), {}))
                yield key_of(operand), operand, indices, element(unknown, indices), None
                continue
            try:
                if plan.op.kind == "composite":
                    raise TypeError(f"{plan.op.name} is no formula")
                h = step(g, *kept)
                expr: Expr | None = element(h, aligned(np.shape(h), shape, indices))
            except Exception:  # a rule that is no formula, such as a checkpoint's, which runs its function again
                h, expr = step(_plain(g), *map(_plain, kept)), None
            value = np.broadcast_to(_plain(h), shape)
            if expr is None or expr.size > _LONGEST_RULE or not agrees(expr, indices, value):
                opaque = Traced(_plain(h), (labelled(f"vjp_{plan.op.name}", step), (g, *kept), {}))
                expr = element(opaque, aligned(opaque.shape, shape, indices))
            yield key_of(operand), operand, indices, self._counted(node, expr), value

    def _counted(self, node: Node, expr: Expr) -> Expr:
        """A mean's 1/N with N by name."""
        op, statics = node.plan.op, node.statics or {}
        if op.name not in _MEANS or statics.get("ddof"):
            return expr
        n = int(np.prod(shape_of(node.parents[0]))) // max(int(np.prod(node.shape)), 1)
        if n <= 1 or (not expr.free and isinstance(expr, Num)):
            return expr
        if n not in self.counts:
            letter = self.names.first("NMKT") if not self.counts else next(iter(self.counts.values())).text
            self.counts[n] = Symbol(letter, letter, (), np.float64(n))
            self.counts[n].count = n
        symbol = self.counts[n]
        return mul(Num(Fraction(n)), expr, power(Ref(symbol), Fraction(-1)))


def _moving(node: Node) -> list[int]:
    """The operands that get a gradient, by number."""
    plan = node.plan
    if plan.joint is None:
        return [i for i, *_ in plan.slots]
    return [i for i in range(len(node.parents)) if plan.mask >> i & 1]


def _step(node: Node, i: int) -> Any:
    """What the rule for operand i makes of the gradient and the kept arrays."""
    plan = node.plan
    shape = shape_of(node.parents[i])

    def step(g: Any, *kept: Any) -> Any:
        slots = plan.slots if plan.joint is None else joint_slots(plan, node, g, kept)
        answers = [(rule, mode, sources) for j, rule, mode, sources in slots if j == i]
        if not answers:  # a joint rule that has nothing for this operand
            return np.zeros(shape)
        ((rule, mode, sources),) = answers
        h = rule(g, *fetch(node, kept, mode, sources))
        return sum_to(h, node.shape, shape) if plan.elementwise and shape != node.shape else h

    return step


def _symbol(name: str, shape: tuple[int, ...], value: Any) -> Symbol:
    return Symbol(latex_name(name), plain_name(name), shape, value)


def _unknown(*args: Any, **arguments: Any) -> Any:
    raise UnknownValueError(UNTOUCHED)


def _is_array(x: Any) -> bool:
    return hasattr(x, "shape")


def _plain(x: Any) -> Any:
    if isinstance(x, dict):
        return {k: _plain(v) for k, v in x.items()}
    return x.value if isinstance(x, Traced) else x


def _several(op: Any, arguments: dict[str, Any]) -> Any:
    def part(i: int) -> Any:
        return labelled(op.name, lambda **given: op.function(**given)[i])

    plain = {k: [_plain(x) for x in v] if isinstance(v, list) else _plain(v) for k, v in arguments.items()}
    return tuple(Traced(r, (part(i), (), arguments)) for i, r in enumerate(op.function(**plain)))
