"""Expressions as LaTeX and as plain text.

The LaTeX keeps to what Matplotlib's mathtext sets too, so that a page needs no network.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any

import numpy as np

from autograd_core.deriving.structure import Array, Whole
from autograd_core.deriving.terms import Add, Call, Expr, Index, Indices, Num, Prod, Ref, Sum, Symbol
from autograd_core.drawing import labels
from autograd_core.operator import registry

__all__ = ["Printer", "upright"]

_LETTERS = "ijklmnpqrstuvwxyz"
_RELATIONS = {
    np.greater: (">", ">"),
    np.greater_equal: (r"\geq", ">="),
    np.less: ("<", "<"),
    np.less_equal: (r"\leq", "<="),
    np.equal: ("=", "=="),
    np.not_equal: (r"\neq", "!="),
}
_REDUCTIONS = {
    np.max: "max",
    np.min: "min",
    np.prod: "prod",
    np.var: "var",
    np.std: "std",
    np.maximum.reduce: "max",
    np.minimum.reduce: "min",
    np.multiply.reduce: "prod",
}
_ENCLOSED = re.compile(r"[{(|]$")


def upright(text: str) -> str:
    """Words within a formula."""
    return rf"\mathrm{{{text.replace(' ', chr(92) + ' ').replace('_', chr(92) + '_')}}}"


class Printer:
    """Writes expressions; `letters` says how the indices in scope are called.

    Args:
        tex: LaTeX rather than plain text.
        indices: the indices in scope, in order; they get their axes' letters.
        avoid: letters that no index may get.
    """

    def __init__(self, tex: bool, indices: Indices = (), avoid: frozenset[str] = frozenset()) -> None:
        self.tex = tex
        self.avoid = avoid
        self.letters: dict[Index, str] = {}
        for index in indices:
            if index is not None and index not in self.letters:
                self._name(index)

    def _name(self, index: Index) -> str:
        used = {*self.letters.values(), *self.avoid}
        order = _LETTERS[index.axis :] + _LETTERS[: index.axis]
        letter = next((c for c in order if c not in used), f"i{len(used)}")
        self.letters[index] = letter
        return letter

    def __call__(self, expr: Expr) -> str:
        """The expression as text."""
        if isinstance(expr, Num):
            return self._number(expr.value)
        if isinstance(expr, Ref):
            return self._reference(expr.symbol, expr.indices)
        if isinstance(expr, Prod):
            return self._product(expr)
        if isinstance(expr, Add):
            return self._terms([self(t) for t in expr.terms])
        if isinstance(expr, Sum):
            return self._sum(expr)
        if isinstance(expr, Call):
            return self._call(expr)
        assert isinstance(expr, Whole)
        return self._whole(expr)

    # -- numbers and names -------------------------------------------------------------------------

    def _number(self, value: Fraction | float) -> str:
        if isinstance(value, Fraction):
            if value.denominator == 1:
                return str(value.numerator)
            if not self.tex:
                return str(value)
            sign = "-" if value < 0 else ""
            return rf"{sign}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"
        if not math.isfinite(value):
            sign = "-" if value < 0 else ""
            infinite = r"\infty" if self.tex else "inf"
            return r"\mathrm{nan}" if self.tex and value != value else "nan" if value != value else sign + infinite
        text = f"{value:.10g}"
        digits, e, exponent = text.partition("e")
        if not e or not self.tex:
            return text
        ten = f"10^{{{int(exponent)}}}"
        return ten if digits == "1" else f"-{ten}" if digits == "-1" else rf"{digits} \cdot {ten}"

    def _reference(self, symbol: Symbol, indices: Indices) -> str:
        letters = [self.letters.get(i, "?") for i in indices if i is not None]
        if not self.tex:
            name = symbol.text + (f"[{','.join(letters)}]" if letters else "")
            return f"d{symbol.gradient}/d{name}" if symbol.gradient else name
        name = _indexed(symbol.latex, "".join(letters))
        return rf"\frac{{\partial {symbol.gradient}}}{{\partial {name}}}" if symbol.gradient else name

    # -- products and sums -------------------------------------------------------------------------

    def _terms(self, terms: list[str]) -> str:
        text = terms[0]
        for term in terms[1:]:
            text += f" - {term[1:].lstrip()}" if term.startswith("-") else f" + {term}"
        return text

    def _product(self, product: Prod) -> str:
        c = product.coefficient
        sign = "-" if c < 0 else ""
        c = c if c >= 0 else -c
        above: Fraction | float = Fraction(c.numerator) if isinstance(c, Fraction) else c
        below = c.denominator if isinstance(c, Fraction) else 1
        gradients: list[str] = []
        numerator: list[str] = []
        denominator: list[str] = []
        sums: list[Sum] = []
        for base, exponent in product.factors:
            if isinstance(base, Ref) and base.symbol.gradient and exponent == 1:
                gradients.append(self(base))
            elif isinstance(base, Sum) and exponent == 1:
                sums.append(base)
            else:
                (numerator if exponent > 0 else denominator).append(self._raised(base, abs(exponent)))
        if above != 1:
            numerator.insert(0, self._number(above))
        if below != 1:
            denominator.insert(0, str(below))
        if not self.tex:
            return sign + self._quotient(
                [*numerator[: above != 1], *gradients, *numerator[above != 1 :]], denominator, sums
            )
        text = self._joined(gradients, numerator, denominator)
        if above != 1 and not denominator:  # a number comes first, unless it stands in a fraction
            text = [numerator[0], *gradients, *numerator[1:]]
        for place, item in enumerate(sums):
            inner = self._sum(item)
            text.append(inner if place == len(sums) - 1 else rf"\left({inner}\right)")
        return sign + (" ".join(text) or "1")

    def _joined(self, gradients: list[str], numerator: list[str], denominator: list[str]) -> list[str]:
        times = r" \cdot " if len(numerator) > 1 and numerator[0].isdigit() and numerator[1][0].isdigit() else " "
        if not denominator:
            return [*gradients, *([times.join(numerator)] if numerator else [])]
        above = _bare(numerator[0]) if len(numerator) == 1 else times.join(numerator) or "1"
        below = _bare(denominator[0]) if len(denominator) == 1 else " ".join(denominator)
        return [*gradients, rf"\frac{{{above}}}{{{below}}}"]

    def _quotient(self, numerator: list[str], denominator: list[str], sums: list[Sum]) -> str:
        above = " * ".join([*numerator, *map(self._sum, sums)]) or "1"
        if not denominator:
            return above
        return f"{above} / {denominator[0] if len(denominator) == 1 else '(' + ' * '.join(denominator) + ')'}"

    def _raised(self, base: Expr, exponent: Fraction) -> str:
        if exponent == Fraction(1, 2):
            return rf"\sqrt{{{self(base)}}}" if self.tex else f"sqrt({self(base)})"
        text = self(base)
        if exponent == 1:
            return self._enclosed(text) if isinstance(base, Add | Sum | Prod) else text
        if self.tex:
            plain = isinstance(base, Ref) and "^" not in text and not base.symbol.gradient
            return f"{text if plain else self._enclosed(text)}^{{{exponent}}}"
        shown = text if isinstance(base, Ref) else self._enclosed(text)
        return f"{shown}^{exponent}" if exponent.denominator == 1 else f"{shown}^({exponent})"

    def _enclosed(self, text: str) -> str:
        return rf"\left({text}\right)" if self.tex else f"({text})"

    def _sum(self, expr: Sum) -> str:
        inner = Printer(self.tex, (), self.avoid)
        inner.letters = dict(self.letters)
        letters = [inner._name(i) for i in expr.over]
        body = inner(expr.body)
        if not self.tex:
            return f"sum_{','.join(letters)}({body})"
        if isinstance(expr.body, Add):
            body = self._enclosed(body)
        return rf"\sum_{{{''.join(letters)}}} {body}"

    # -- functions ---------------------------------------------------------------------------------

    def _call(self, call: Call) -> str:
        args = [self(a) for a in call.args]
        if call.function in _RELATIONS:
            return f"[{args[0]} {_RELATIONS[call.function][0 if self.tex else 1]} {args[1]}]"
        name = getattr(call.function, "__name__", "f")
        operator = registry.ufuncs.get(call.function) or registry.special.get(name)
        template = getattr(operator, "latex", "")
        parameters = getattr(operator, "parameters", ())
        placed = template and all(f"{{{parameter}}}" in template for parameter in parameters)
        if not self.tex or not placed or r"\text" in template or len(parameters) != len(args):
            head = rf"\mathrm{{{name.replace('_', chr(92) + '_')}}}" if self.tex else name
            return rf"{head}({', '.join(args)})"
        for parameter, arg, expr in zip(parameters, args, call.args, strict=True):
            template = self._placed(template, parameter, arg, isinstance(expr, Ref | Num))
        return template

    def _placed(self, template: str, parameter: str, arg: str, atomic: bool) -> str:
        parts = template.split(f"{{{parameter}}}")
        text = parts[0]
        for part in parts[1:]:
            enclosed = atomic or (bool(_ENCLOSED.search(text)) and part[:1] in ("}", ")", "|"))
            text += (arg if enclosed else self._enclosed(arg)) + part
        return text

    def _whole(self, expr: Whole) -> str:
        reduced = self._reduction(expr)
        if reduced is not None:
            return reduced
        name = getattr(expr.function, "__name__", "f").lstrip("_")
        if name == "take" and len(expr.args) == 2 and isinstance(expr.args[0], Array):
            return self._taken(self._array(expr.operands[0]), expr.args[1], expr.indices)
        shown = self._arguments(name, expr)
        letters = [self.letters.get(i, "?") for i in expr.indices if i is not None]
        if not self.tex:
            return f"{name}({', '.join(shown)})" + (f"[{','.join(letters)}]" if letters else "")
        head = name.replace("_", r"\_")
        below = f"_{{{''.join(letters)}}}" if letters else ""
        return rf"\mathrm{{{head}}}\left({', '.join(shown)}\right){below}"

    def _arguments(self, name: str, expr: Whole) -> list[str]:
        """Arrays as they are named, and what else the result depends on: axes, bounds, places."""
        operator = registry.operators.get(name)
        shown = []
        for value in expr.args:
            shown += self._argument(value, "")
        for key, value in expr.keywords.items():
            # A checkpoint is no operator of the registry, and takes nothing but operands and its function.
            if operator is None and key in ("function", "call"):
                continue
            operands = key in (*operator.parameters, operator.variadic) if operator is not None else not expr.args
            usual = operator is not None and key in operator.defaults and _same(value, operator.defaults[key])
            if not usual:
                shown += self._argument(value, "" if operands else f"{key}=")
        return shown

    def _argument(self, value: Any, before: str) -> list[str]:
        """An argument as texts: those of the arrays in it, or of what is not at a default of None or False."""
        arrays = _arrays(value)
        if arrays:
            return [before + self._array(array) for array in arrays]
        if value is None or value is False or value is np._NoValue:
            return []
        if type(value) is dict:
            return [text for key, item in value.items() for text in self._argument(item, f"{key}=")]
        text = before + _static_text(value)
        return [upright(re.sub(r"[^ -~]|[\\{}$&#^%~\"`]", "", text)) if self.tex else text]

    def _taken(self, array: str, index: Any, indices: Indices) -> str:
        """`x[1:, p][i,j]`: what was taken, then the element of that."""
        items = index if isinstance(index, tuple) else (index,)
        inside = ",".join(map(_index_text, items))
        letters = [self.letters.get(i, "?") for i in indices if i is not None]
        if not self.tex:
            return f"{array}[{inside}]" + (f"[{','.join(letters)}]" if letters else "")
        shown = inside.replace("_", r"\_").replace("...", r"\ldots")
        below = f"_{{{''.join(letters)}}}" if letters else ""
        return rf"\left({array}[{shown}]\right){below}"

    def _array(self, operand: Array) -> str:
        """A whole array among a function's arguments: its name, or its element with indices of its own."""
        body = operand.body
        if isinstance(body, Ref) and tuple(i for i in body.indices if i) == tuple(i for i in operand.indices if i):
            return self._reference(body.symbol, ())
        inner = Printer(self.tex, (), self.avoid)
        inner.letters = dict(self.letters)
        for index in operand.indices:
            if index is not None:
                inner._name(index)
        text = inner(body)
        return text if isinstance(body, Ref | Num) else self._enclosed(text)

    def _reduction(self, expr: Whole) -> str | None:
        """`max_j x[i,j]` for a reduction over axes."""
        name = next((n for f, n in _REDUCTIONS.items() if f == expr.function), None)
        if name is None or len(expr.operands) != 1:
            return None
        (operand,) = expr.operands
        axis = expr.keywords.get("axis", expr.args[1] if len(expr.args) > 1 else None)
        axes = range(len(operand.shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        gone = {a % max(len(operand.shape), 1) for a in axes}
        kept = [i for n, i in enumerate(operand.indices) if n not in gone and i is not None]
        at = [i for i in expr.indices if i is not None]
        if len(kept) != len(at):
            return None
        inner = Printer(self.tex, (), self.avoid)
        inner.letters = dict(self.letters)
        inner.letters.update({own: self.letters.get(i, "?") for own, i in zip(kept, at, strict=True)})
        letters = [inner._name(i) for n, i in enumerate(operand.indices) if n in gone and i is not None]
        body = inner(operand.body)
        given = {k: v for k, v in expr.keywords.items() if k not in ("axis", "keepdims") and v is not np._NoValue}
        extra = [f"{k}={_static_text(v)}" for k, v in given.items() if v is not None and v is not False and v != 0]
        if not self.tex:
            return f"{name}_{','.join(letters)}({', '.join([body, *extra])})"
        head = rf"\{name}" if name in ("max", "min") else rf"\mathrm{{{name}}}"
        letters += [rf",\ {upright(text)}" for text in extra]
        body = body if isinstance(operand.body, Ref) else self._enclosed(body)
        return rf"{head}_{{{''.join(letters)}}} {body}"


def _arrays(x: Any) -> list[Array]:
    """The arrays in an argument."""
    if isinstance(x, Array):
        return [x]
    return [a for item in x for a in _arrays(item)] if type(x) in (tuple, list) else []


def _same(value: Any, default: Any) -> bool:
    return value is default or (type(value) is type(default) and np.ndim(value) == 0 and bool(value == default))


def _static_text(value: Any) -> str:
    """A static argument: a number, an axis, an index."""
    if isinstance(value, np.ndarray) and value.ndim:
        return _index_text(value)
    return labels.static(value).replace("→", "->").replace("…", "...")


def _index_text(item: Any) -> str:
    if isinstance(item, slice):
        parts = ["" if p is None else str(p) for p in (item.start, item.stop, item.step)]
        return ":".join(parts[: 3 if parts[2] else 2])
    if item is None or item is Ellipsis:
        return "None" if item is None else "..."
    if np.ndim(item) == 0:
        return str(item)
    values = np.ravel(item).tolist()
    return f"{values}".replace(" ", "") if len(values) <= 6 else "index"


def _bare(text: str) -> str:
    """Without the parentheses around all of it: a fraction's bar does their work."""
    if not text.startswith(r"\left("):
        return text
    depth = 0
    for found in re.finditer(r"\\left\(|\\right\)", text):
        depth += 1 if found.group() == r"\left(" else -1
        if depth == 0:
            return text[len(r"\left(") : found.start()] if found.end() == len(text) else text
    return text


def _indexed(name: str, letters: str) -> str:
    if not letters:
        return name
    found = re.fullmatch(r"(.*)_\{([^{}]*)\}", name)
    return f"{found[1]}_{{{found[2]},{letters}}}" if found else f"{name}_{{{letters}}}"
