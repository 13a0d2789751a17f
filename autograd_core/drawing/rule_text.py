"""Gradient rules and operators as short texts, read off their own code.

A rule is run on symbols (`deriving.tracing`), and what it did with them is written down: `g · (1 − out²)` for tanh,
`g @ Wᵀ` for a product of matrices. No formula is written twice.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_core.deriving.printing import Printer
from autograd_core.deriving.structure import has_whole, parts
from autograd_core.deriving.terms import Call, Expr, Symbol
from autograd_core.deriving.tracing import Traced, element
from autograd_core.drawing import labels
from autograd_core.drawing.reading import is_pure
from autograd_core.drawing.structure import key as _key
from autograd_core.node import Node
from autograd_core.sweep import fetch, joint_slots, shape_of

__all__ = ["RuleTexts"]

_LONGEST = 60
_LARGEST = 10**6  # elements of an array that a rule is run on
_FIRST = 0xE000  # the first of the private characters
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_BITWISE = frozenset({np.bitwise_and, np.bitwise_or, np.invert})
_SUM, _TIMES, _SIGN, _POWER, _ATOM = range(5)  # how tightly a text holds together

Spelled = tuple[str, int]
Slot = int | str  # what a symbol stands for: "g", -1 for the output, or the place of an operand
Template = tuple[str, tuple[Slot, ...]]  # a text with a private character for each slot


class RuleTexts:
    """The texts of a graph's rules and operations.

    What differs in names alone is worked out once: a loop of ten thousand steps has a few rules.

    Args:
        name: the name of a Node, leaf or Constant.
    """

    def __init__(self, name: Callable[[Any], str]) -> None:
        self._name = name
        self._rules: dict[Any, dict[int, Template]] = {}
        self._calls: dict[Any, Template | None] = {}

    def pulled(self, node: Node, operands: Sequence[Any]) -> dict[int, str]:
        """The rule of each operand with a gradient, as a text in `g`, the gradient that arrives.

        Args:
            node: the operation.
            operands: what it was applied to; alive as long as this object.

        Returns:
            By place of the operand. A rule that is no short formula is written `g · ∂f/∂x`.
        """
        op, plan = node.op, node.plan
        if op.name in ("pick", "getitem"):
            index = (node.statics or {}).get("index")
            # An array may name a place more than once.
            many = any(isinstance(i, np.ndarray | list) for i in (index if isinstance(index, tuple) else (index,)))
            return {0: f"g {'added ' if many else ''}at [{labels.index(index)}], else 0"}
        form = _form(node, operands)
        if form not in self._rules:
            self._rules[form] = _rules(node, operands)
        rules = self._rules[form]
        places = [i for i, *_ in plan.slots] if plan.joint is None else range(len(operands))
        return {
            i: self._filled(rules[i], node, operands)
            if i in rules
            else f"g · ∂{op.name}/∂{labels.shorten(self._name(operands[i]), 20)}"
            for i in places
            if plan.mask >> i & 1 and operands[i] is not None
        }

    def applied(self, node: Node, operands: Sequence[Any]) -> str:
        """The operation as a text: `Z − mu`, `x @ W`, `mean(Z, axis=0)`."""
        op, statics, name = node.op, node.statics or {}, self._name
        if op.name == "pick":
            return f"{name(operands[0])}[{labels.index(statics.get('index'))}]"
        if op.kind == "elementwise" and not op.variadic and None not in operands:
            form = _form(node, operands)
            if form not in self._calls:
                self._calls[form] = _call(node, operands)
            template = self._calls[form]
            if template is not None:
                return self._filled(template, node, operands)
        shown = [name(p) if hasattr(p, "shape") else labels.static(p) for p in operands if p is not None]
        if op.name == "matmul":
            return " @ ".join(shown)
        if op.name == "inner" and all(len(shape_of(p)) == 2 for p in operands):
            return f"{shown[0]} @ {shown[1]}ᵀ"
        if op.name == "getitem":
            return f"{shown[0]}[{labels.index(statics.get('index'))}]"
        rest = labels.statics(statics, op.defaults)
        return f"{op.name}({', '.join([*shown[:4], *(['…'] if len(shown) > 4 else []), *([rest] if rest else [])])})"

    def _filled(self, template: Template, node: Node, operands: Sequence[Any]) -> str:
        """The text with the names in their places."""
        text, slots = template
        names = ["g" if s == "g" else self._name(node if s == -1 else operands[int(s)]) for s in slots]
        return text.translate({_FIRST + i: name for i, name in enumerate(names)})


def _form(node: Node, operands: Sequence[Any]) -> Any:
    """All that the texts of an operation depend on, except names: one operand twice is another form than two."""
    seen: dict[int, int] = {}
    entries = [
        (seen.setdefault(id(p), i), tuple(p.shape), p.dtype) if hasattr(p, "shape") else _key(p)
        for i, p in enumerate(operands)
    ]
    statics = tuple((name, _key(value)) for name, value in node.statics.items()) if node.statics else ()
    return id(node.plan), node.shape, node.dtype, statics, tuple(entries)


class _Symbols:
    """Symbols for slots: a private character each, so that nothing in a name is taken for a formula."""

    def __init__(self, node: Node, operands: Sequence[Any], scalar: bool) -> None:
        self.slots: dict[Slot, Symbol] = {}
        self._node = node
        self._operands = operands
        self._scalar = scalar

    def of(self, slot: Slot) -> Any:
        """An array that stands for the slot; a number or None is itself."""
        entry = self._node if slot in ("g", -1) else self._operands[int(slot)]
        if entry is None or not hasattr(entry, "shape"):
            return entry
        if slot not in ("g", -1):
            slot = next(i for i, p in enumerate(self._operands) if p is entry)
        if slot not in self.slots:
            character = chr(_FIRST + len(self.slots))
            self.slots[slot] = Symbol(character, character, (), np.float64(0.5))
        return Traced(_filler(entry, self._scalar), self.slots[slot])


def _rules(node: Node, operands: Sequence[Any]) -> dict[int, Template]:
    """The rules that are short formulas, by place of the operand."""
    op, plan = node.op, node.plan
    found: dict[int, Template] = {}
    if op.multiple or not is_pure(op) or sum(math.prod(shape_of(p)) for p in (node, *operands)) > _LARGEST:
        return found
    scalar = plan.elementwise
    symbols = _Symbols(node, operands, scalar)
    try:
        g = symbols.of("g")
        kept = tuple(symbols.of(-1 if place < 0 else place) for place in plan.keep)
        with np.errstate(all="ignore"):
            slots = plan.slots if plan.joint is None else joint_slots(plan, node, g, kept)
            for i, rule, mode, sources in slots:
                text = _written(rule(g, *fetch(node, kept, mode, sources)), scalar)
                if text is not None and len(text) <= _LONGEST:
                    found[i] = text, tuple(symbols.slots)
    except Exception:  # a rule that is not written in NumPy's public functions alone has no formula
        return found
    return found


def _call(node: Node, operands: Sequence[Any]) -> Template | None:
    """An elementwise operation as a short formula, or None."""
    op, statics = node.op, node.statics or {}
    symbols = _Symbols(node, operands, True)
    values = [symbols.of(i) for i in range(len(operands))]
    try:
        with np.errstate(all="ignore"):
            text = _written(op.function(**dict(zip(op.parameters, values, strict=True)), **statics), True)
    except Exception:  # the same as for rules
        return None
    return None if text is None or len(text) > _LONGEST // 2 else (text, tuple(symbols.slots))


def _filler(entry: Any, scalar: bool) -> Any:
    dtype = np.dtype(entry.dtype)
    value = dtype.type(1) if dtype.kind in "biu" else dtype.type(0.5)
    return value if scalar else np.full(shape_of(entry), value)


def _written(h: Any, scalar: bool) -> str | None:
    if not scalar:
        spelled = _spell(h)
        return None if spelled is None else spelled[0]
    expr = element(h, ())
    return None if _is_opaque(expr) else _typeset(Printer(False)(expr))


def _is_opaque(expr: Expr) -> bool:
    """Whether its text would be long, or would not say all: of other functions it leaves out arguments."""
    if expr.size > _LONGEST or has_whole(expr):
        return True
    calls = [part for part in parts(expr) if isinstance(part, Call)]
    return any(call.function in _BITWISE or (call is expr and call.function is np.where) for call in calls)


def _typeset(text: str) -> str:
    """A formula of `Printer` with the signs of a printed one."""
    text = re.sub(r"\^(\d+)\b", lambda found: found[1].translate(_RAISED), text)
    text = re.sub(r"\b_(?=[a-z]\w*\()", "", text)  # the name of a function of our own
    text = text.replace("sqrt(", "√(").replace(" * ", " · ").replace("e-", "e\0")
    return text.replace("-", "−").replace("e\0", "e-").replace(">=", "≥").replace("<=", "≤")


# -- whole arrays ----------------------------------------------------------------------------------


def _spell(x: Any) -> Spelled | None:
    """How an array was computed, without indices; None where a step has no notation."""
    if not isinstance(x, Traced):
        array = np.asarray(x)
        return None if array.size > 1 or array.dtype.kind not in "biuf" else (labels.number(array.item()), _ATOM)
    if isinstance(x.made, Symbol):
        return x.made.text, _ATOM
    function, args, keywords = x.made
    name = getattr(function, "__name__", "")
    if name == "_take" and (product := _times_vector(x, args[0])) is not None:
        return product
    if name == "expand_dims" and not _is_leading(np.shape(args[0]), x.shape):
        inner = _spell(args[0])
        return None if inner is None else (f"{_enclosed(inner, _ATOM)}[{_new_axes(args, keywords, x.ndim)}]", _ATOM)
    if name == "squeeze" and not _is_leading(x.shape, np.shape(args[0])):
        return None
    silent = name in _SILENT or (name == "_take" and _is_leading(x.shape, np.shape(args[0])))
    if silent or (function is np.reshape and x.shape == np.shape(args[0])):
        return _spell(args[0])
    if function in _TURNS:
        inner = _spell(args[0])
        return None if inner is None or x.ndim != 2 else (_enclosed(inner, _POWER) + "ᵀ", _ATOM)
    operands = [_spell(a) for a in args[: 2 if function in _INFIX else 1]]
    spelled = [p for p in operands if p is not None]
    if len(spelled) < len(operands) or not spelled:
        return None
    if function in _INFIX:
        sign, binding = _INFIX[function]
        left, right = spelled
        if function in (np.multiply, np.true_divide) and right[0] == "1":
            return left
        if function is np.multiply and _is_outer(*args):
            vectors = [_spell(_vector(a)) for a in args]
            return f"outer({', '.join(v[0] for v in vectors if v is not None)})", _ATOM
        return f"{_enclosed(left, binding)} {sign} {_enclosed(right, binding + 1)}", binding
    if function is np.negative:
        return f"−{_enclosed(spelled[0], _SIGN)}", _SIGN
    if name == "_take":
        return f"{_enclosed(spelled[0], _ATOM)}[{labels.index(args[1])}]", _ATOM
    if function in _REDUCTIONS:
        axis = keywords.get("axis", args[1] if len(args) > 1 else None)
        shown = "" if axis is None else f", axis={labels.static(axis)}"
        if keywords.get("keepdims") is True and not _is_leading(np.shape(np.sum(args[0].value, axis=axis)), x.shape):
            shown += ", keepdims"
        return f"{_REDUCTIONS[function]}({spelled[0][0]}{shown})", _ATOM
    if function is np.reshape:
        return f"reshape({spelled[0][0]}, {labels.shape(x.shape)})", _ATOM
    if isinstance(function, np.ufunc) and function.nin == 1:
        return f"{name}({spelled[0][0]})", _ATOM
    return None


def _is_outer(left: Any, right: Any) -> bool:
    """Whether the elements of two vectors are all multiplied with each other: a column and a row, in this order."""
    column = np.ndim(left) == 2 and np.shape(left)[1] == 1 and np.shape(right)[:-1] in ((), (1,))
    return column and all(np.ndim(_vector(x)) == 1 for x in (left, right))


def _vector(x: Any) -> Any:
    """The array itself, or what it was before it got a new axis."""
    new = isinstance(x, Traced) and isinstance(x.made, tuple) and x.made[0] is np.expand_dims
    return x.made[1][0] if new else x


def _times_vector(x: Any, product: Any) -> Spelled | None:
    """A matrix times a vector, which was a column in between."""
    if not (isinstance(product, Traced) and isinstance(product.made, tuple) and product.made[0] is np.matmul):
        return None
    matrix, column = product.made[1]
    vector = _vector(column)
    if np.shape(x) != product.shape[:1] or np.ndim(vector) != 1 or np.shape(column) != (*np.shape(vector), 1):
        return None
    left, right = _spell(matrix), _spell(vector)
    return None if left is None or right is None else (f"{_enclosed(left, _TIMES)} @ {_enclosed(right, _SIGN)}", _TIMES)


def _is_leading(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    """Whether the axes that only `large` has are of length 1 and come first, so that broadcasting adds them itself."""
    lead = len(large) - len(small)
    return lead >= 0 and large == (1,) * lead + small


def _new_axes(args: Any, keywords: Any, ndim: int) -> str:
    axis = keywords.get("axis", args[1] if len(args) > 1 else None)
    new = {a % ndim for a in (axis if isinstance(axis, tuple | list) else (axis,))}
    return ", ".join("None" if i in new else ":" for i in range(ndim))


def _enclosed(spelled: Spelled, binding: int) -> str:
    return spelled[0] if spelled[1] >= binding else f"({spelled[0]})"


_SILENT = frozenset({"broadcast_to", "expand_dims", "copy", "ascontiguousarray", "squeeze"})
_TURNS = frozenset({np.swapaxes, np.transpose})
_REDUCTIONS = {np.sum: "sum", np.add.reduce: "sum", np.mean: "mean"}
_INFIX: dict[Any, tuple[str, int]] = {
    np.add: ("+", _SUM),
    np.subtract: ("−", _SUM),
    np.multiply: ("·", _TIMES),
    np.true_divide: ("/", _TIMES),
    np.matmul: ("@", _TIMES),
}
