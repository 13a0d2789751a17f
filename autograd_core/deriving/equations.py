"""The chain rule written out: forward, one step back at a time, collected by name, and all together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_core import random
from autograd_core.deriving.checking import error_of, largest, reasons
from autograd_core.deriving.evaluating import magnitude, vanishing
from autograd_core.deriving.lines import Derivation, Line
from autograd_core.deriving.printing import Printer
from autograd_core.deriving.structure import has_whole, is_pointwise
from autograd_core.deriving.tape import Key, Tape, key_of
from autograd_core.deriving.terms import ONE, Add, Expr, Indices, Ref, Symbol, add, full_index, instantiate
from autograd_core.drawing.reading import is_leaf
from autograd_core.errors import AutogradError
from autograd_core.node import Node
from autograd_core.tensor import Tensor

__all__ = ["derive"]

_MOST_TERMS = 8  # of a sum over paths that is written out
_LARGEST = 64  # symbols of a term that is written out
_INLINE = 10  # symbols of an unnamed value that is written out where it is used
_SLACK = 1e4  # times the precision: rounding of a few thousand operations


class _Gradient:
    """dL/dx for one Node, output or leaf, while it is collected.

    Attributes:
        symbol: its symbol; the value is filled in when it is complete.
        indices: over which the terms are written.
        steps: the contribution of each reader, in terms of the readers' gradients.
        by_name: the same in terms of the gradients of named values only.
        whole: in terms of the output's gradient only; None when that would be too long.
        size: of all that was added up on the way, signs taken away: its rounding is what may be left where all cancels.
    """

    def __init__(self, of: Symbol, lead: int, letter: str) -> None:
        self.symbol = Symbol(of.latex, of.text, of.shape, gradient=letter)
        self.indices = full_index(of.shape, lead)
        self.steps: list[Expr] = []
        self.by_name: list[Expr] = []
        self.whole: list[Expr] | None = []
        self.value: Any = None
        self.size = 0.0
        self.readers: list[str] = []

    @property
    def grown(self) -> float:
        """By how much what was added up exceeds what is left of it."""
        left = largest(self.value)
        return self.size / left if left else 1.0


class _Deriver:
    def __init__(self, out: Tensor, wrt: Sequence[Tensor]) -> None:
        self.tape = Tape(out, wrt)
        self.out = out
        self.targets = [key_of(self._entry(t)) for t in wrt]
        self.gradients: dict[Key, _Gradient] = {}
        self.inline: dict[int, tuple[Indices, Expr]] = {}  # by id() of a symbol
        self.of: dict[int, Key] = {}  # by id() of a gradient's symbol
        self.left_out: list[Expr] = []
        self.relevant = self._relevant()
        self.scalar = out.size == 1
        self._small_values()

    def _entry(self, t: Tensor) -> Any:
        if t._node is None:
            return t
        stands = {id(tag): node for node in self.tape.reading.nodes for tag in [self.tape.reading.tags.get(id(node))]}
        return stands.get(id(t._node), t._node)

    def _relevant(self) -> set[int]:
        """What lies between the output and a target, by id()."""
        wanted = {key[0] for key in self.targets}
        found = set(wanted)
        for node, operands in zip(self.tape.reading.nodes, self.tape.reading.operands, strict=True):
            if any(id(p) in found for p in operands):
                found.add(id(node))
        return found

    def _small_values(self) -> None:
        """The unnamed values that are written out where they are used."""
        for key, (indices, formula) in self.tape.formulas.items():
            if key not in self.tape.named:
                body = self.inlined(formula)
                if body.size <= _INLINE and is_pointwise(body) and key[0] not in {k[0] for k in self.targets}:
                    self.inline[id(self.tape.symbols[key])] = (indices, body)

    def inlined(self, expr: Expr) -> Expr:
        """The expression with small unnamed values written out."""

        def on_ref(ref: Ref) -> Expr:
            if id(ref.symbol) not in self.inline:
                return ref
            indices, body = self.inline[id(ref.symbol)]
            return instantiate(body, indices, ref.indices)

        return expr.map(on_ref, lambda i: i)

    # -- the sweep ---------------------------------------------------------------------------------

    def sweep(self) -> None:
        """Collects the gradients of all Nodes and leaves on the way, output first."""
        start = self._gradient(key_of(self.tape.out), self.tape.out)
        start.value = self._upstream()
        start.symbol.value = start.value
        start.size = largest(start.value)
        own = ONE if self.scalar else Ref(start.symbol, start.indices)
        start.steps, start.by_name, start.whole = [own], [own], [own]
        steps = list(zip(self.tape.reading.nodes, self.tape.reading.operands, strict=True))
        for node, operands in reversed(steps):
            if id(node) not in self.relevant:
                continue
            g = self._complete(node)
            if g is None:
                continue
            parts = self._parts(node)
            known = all(gradient.value is not None for gradient in parts.values())
            for key, operand, indices, expr, value in self.tape.pull(node, operands, g):
                if id(operand) in self.relevant:
                    self._contribute(node, key, operand, indices, expr, value if known else None)
                    if known and value is not None:
                        grown = max([1.0, *(part.grown for part in parts.values())])
                        self.gradients[key].size += grown * max(largest(value), magnitude(expr))
        for key in self.targets:
            gradient = self.gradients.get(key)
            if gradient is not None:
                gradient.symbol.value = gradient.value

    def _upstream(self) -> Any:
        if self.scalar:
            return np.ones(self.out.shape, self.out.dtype)
        return random.fork(0).normal(size=self.out.shape).astype(self.out.dtype)

    def _gradient(self, key: Key, entry: Any) -> _Gradient:
        if key not in self.gradients:
            self.gradients[key] = _Gradient(self.tape.symbols[key], self.tape.lead.get(key[0], 0), self.tape.letter)
            self.of[id(self.gradients[key].symbol)] = key
        return self.gradients[key]

    def _complete(self, node: Node) -> Any:
        """The Node's gradient as a traced array, or a dict of them; None if nothing flows here."""
        parts = {index: self._traced(gradient) for index, gradient in self._parts(node).items()}
        return (parts or None) if node.plan.op.multiple else parts.get(None)

    def _parts(self, node: Node) -> dict[int | None, _Gradient]:
        """The gradients of a Node's outputs by index, None for the only one."""
        keys = [key_of(node)]
        if node.plan.op.multiple:
            keys = [key for key in self.gradients if key[0] == id(node)]
        return {key[1]: self.gradients[key] for key in keys if key in self.gradients}

    def _traced(self, gradient: _Gradient) -> Any:
        """The complete gradient, like terms united, as a traced array."""
        gradient.by_name = _united(gradient.by_name)
        gradient.whole = None if gradient.whole is None else _united(gradient.whole)
        gradient.symbol.value = gradient.value
        return self.tape.traced(gradient.symbol)

    def _contribute(self, node: Node, key: Key, operand: Any, indices: Indices, expr: Expr, value: Any) -> None:
        gradient = self._gradient(key, operand)
        known = value is not None and (gradient.value is not None or not gradient.readers)
        gradient.value = (value if not gradient.readers else gradient.value + value) if known else None
        gradient.readers.append(node.plan.op.name)

        def moved(e: Expr) -> Expr:
            return instantiate(e, indices, gradient.indices)

        gradient.steps.append(moved(self._without_output(expr)))
        written = self.inlined(expr)
        terms = self._substituted(written, by_name=True)
        if terms is None or len(gradient.by_name) + len(terms) > _MOST_TERMS:
            terms = [self._without_output(written)]
        gradient.by_name += map(moved, terms)
        whole = self._substituted(written, by_name=False)
        if whole is None or gradient.whole is None or len(gradient.whole) + len(whole) > _MOST_TERMS:
            gradient.whole = None
        else:
            gradient.whole += map(moved, whole)

    def _without_output(self, expr: Expr) -> Expr:
        """DL/dL = 1."""
        first = self.gradients[key_of(self.tape.out)].symbol
        return expr.map(lambda ref: ONE if self.scalar and ref.symbol is first else ref, lambda i: i)

    def _substituted(self, expr: Expr, *, by_name: bool) -> list[Expr] | None:
        """The expression with the gradients in it replaced by their own terms, one term per path.

        Args:
            expr: linear in each of the gradients that occur.
            by_name: leave the gradients of named values.

        Returns:
            The terms; None when they would be too many or too long.
        """
        used: dict[Key, None] = {}

        def note(ref: Ref) -> Expr:
            if id(ref.symbol) in self.of:
                used[self.of[id(ref.symbol)]] = None
            return ref

        expr.map(note, lambda i: i)
        if used and has_whole(expr):
            used = {key: None for key in used if key == key_of(self.tape.out) and self.scalar}
            if not by_name and not used:
                return None
        terms = [expr]
        for key in used:
            gradient = self.gradients[key]
            if by_name and key in self.tape.named and key != key_of(self.tape.out):
                continue
            parts = gradient.by_name if by_name else gradient.whole
            if parts is None or len(terms) * len(parts) > _MOST_TERMS:
                return None
            terms = [self._replaced(t, gradient, part) for t in terms for part in parts]
            if any(t.size > _LARGEST for t in terms):
                return None
        return terms

    @staticmethod
    def _replaced(expr: Expr, gradient: _Gradient, part: Expr) -> Expr:
        def on_ref(ref: Ref) -> Expr:
            return instantiate(part, gradient.indices, ref.indices) if ref.symbol is gradient.symbol else ref

        return expr.map(on_ref, lambda i: i)

    # -- lines -------------------------------------------------------------------------------------

    def sections(self) -> list[tuple[str, list[Line]]]:
        """The four parts; a part that would repeat another is left out."""
        names = {id(node): node.plan.op.name for node in self.tape.reading.nodes}
        forward = [
            self._line(Ref(self.tape.symbols[key], indices), formula, names.get(key[0], ""))
            for key, (indices, formula) in self.tape.formulas.items()
        ]
        out = key_of(self.tape.out)
        place = self._places()
        keys = sorted((key for key in self.gradients if key != out), key=lambda key: place[key[0]], reverse=True)
        back = [self._backward_line(key, self.gradients[key].steps, note=True) for key in keys]
        shown = [key for key in keys if key in self.tape.named or key in self.targets]
        collected = [self._backward_line(key, self.gradients[key].by_name) for key in shown]
        together = []
        for key in self.targets:
            gradient = self.gradients.get(key)
            if gradient is not None and gradient.whole is not None and key != out:
                together.append(self._backward_line(key, self._without_zeros(gradient)))
        parts = [("Forward", forward), ("Backward, one operation at a time", back)]
        if [line.text for line in collected] != [line.text for line in back]:
            parts.append(("Collected by name", collected))
        if together and not {line.text for line in together} <= {line.text for line in collected}:
            parts.append(("All together", together))
        return parts

    def _places(self) -> dict[int, float]:
        """When a gradient is complete: a Node's before it is taken a step back, a leaf's after its earliest reader."""
        place: dict[int, float] = {}
        for node, operands in zip(self.tape.reading.nodes, self.tape.reading.operands, strict=True):
            place[id(node)] = node.number
            for operand in operands:
                if is_leaf(operand):
                    place.setdefault(id(operand), node.number - 0.5)
        return place

    def _without_zeros(self, gradient: _Gradient) -> list[Expr]:
        """The terms, without those in which everything cancels, such as a sum of deviations from the mean."""
        assert gradient.whole is not None
        terms = add(*gradient.whole)
        kept = []
        for term in terms.terms if isinstance(terms, Add) else (terms,):
            zeros = [part for part in vanishing(term) if part.key not in {e.key for e in self.left_out}]
            if not vanishing(term):
                kept.append(term)
            self.left_out += zeros
        return kept or [terms]

    def _backward_line(self, key: Key, terms: list[Expr], note: bool = False) -> Line:
        gradient = self.gradients[key]
        readers = ", ".join(dict.fromkeys(gradient.readers)) if note else ""
        return self._line(Ref(gradient.symbol, gradient.indices), add(*terms), readers, gradient.size)

    def _line(self, left: Ref, right: Expr, note: str, size: float = 0.0) -> Line:
        error, unchecked = error_of(left, right, size)
        line = Line(left, right, note, error, self.letters(), unchecked)
        precision = float(np.finfo(np.result_type(self.out.dtype, np.float16)).eps)
        if error is not None and not error <= _SLACK * precision:
            raise AutogradError(
                f"derivation: each line must evaluate to what the tape computes, but {line.text} is off by "
                f"{error:.1e}; please report this formula"
            )
        return line

    def name_counts(self) -> None:
        """With means over several numbers of elements, each N bears its own."""
        if len(self.tape.counts) > 1:
            for n, symbol in self.tape.counts.items():
                symbol.latex, symbol.text = f"{symbol.latex}_{{{n}}}", f"{symbol.text}_{n}"

    def legend(self, unchecked: Sequence[str]) -> list[tuple[str, str]]:
        """(LaTeX, text) of what the equations do not say.

        What N is, which sums were left out as zero, and why lines were not checked.

        Args:
            unchecked: the reasons of those lines.
        """
        found = [(f"{s.latex} = {int(s.value)}", f"{s.text} = {int(s.value)}") for s in self.tape.counts.values()]
        for zero in self.left_out:
            at = tuple(sorted(zero.free, key=lambda i: i.axis))
            avoid = self.letters()
            found.append((f"{Printer(True, at, avoid)(zero)} = 0", f"{Printer(False, at, avoid)(zero)} = 0"))
        leaves = {id(leaf): leaf for leaf, _ in self.tape.reading.leaves() if isinstance(leaf, Tensor) and leaf._hooks}
        hooked = [n for n in self.tape.reading.nodes if n.extra is not None and n.extra.hooks]
        for entry in (*hooked, *leaves.values()):
            if id(entry) in self.relevant:
                symbol = self.tape.symbols[key_of(entry)]
                found.append(
                    (rf"\mathrm{{without\ the\ hook\ on}}\ {symbol.latex}", f"without the hook on {symbol.text}")
                )
        return list(
            dict.fromkeys([*found, *(pair for why in dict.fromkeys(unchecked) for pair in reasons(self.tape, why))])
        )

    def letters(self) -> frozenset[str]:
        """Names of one letter, which no index may get."""
        return frozenset(s.text for s in self.tape.symbols.values() if len(s.text) == 1)


def _united(terms: list[Expr]) -> list[Expr]:
    total = add(*terms)
    return list(total.terms) if isinstance(total, Add) else [total]


def derive(out: Tensor, wrt: Sequence[Tensor]) -> Derivation:
    """The derivation of the gradients of `wrt`; arguments are checked."""
    with np.errstate(all="ignore"):
        deriver = _Deriver(out, wrt)
        deriver.sweep()
        deriver.name_counts()
        sections = deriver.sections()
        unchecked = [line.unchecked for _, lines in sections for line in lines if line.unchecked]
        return Derivation(sections, deriver.legend(unchecked))
