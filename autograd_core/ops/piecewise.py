"""Choices: maximum and minimum, where, clip, relu, and the comparisons, which are cut from the graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..operator import Array, Sample, op, registry
from ._parts import gated, positive_part
from ._samples import BAD_BROADCAST, binary, unary

_APART = [
    Sample(Array(3, 4, low=0.1, high=1), Array(3, 4, low=1.1, high=2)),
    Sample(Array(3, 4, low=1.1, high=2), Array(4, low=0.1, high=1)),
    Sample(Array(3, 1, low=1.1, high=2), Array(1, 4, low=0.1, high=1)),
    Sample(Array(2, 3, low=0.1, high=1), 2.0),
    Sample(2.0, Array(low=0.1, high=1)),
    Sample(Array(0, 3), Array(3)),
]


@op(
    "elementwise",
    numpy=np.maximum,
    symbol="max",
    latex=r"\max({a}, {b})",
    derivative={"a": "[{a} > {b}]", "b": "[{b} > {a}]"},
    samples=_APART,
    bad=[BAD_BROADCAST],
)
def maximum(a: Any, b: Any) -> Any:
    """Larger of two elements; a tie shares the gradient equally."""
    return np.maximum(a, b)


def _chosen(g: Any, better: Any, tie: Any) -> Any:
    """The part of the cotangent that is an operand's: all where it is the better one, half in a tie."""
    if type(tie) is np.ndarray and not tie.any():
        return gated(g, better)
    return np.where(tie, g * 0.5, np.where(better, g, 0))


maximum.vjp(a=lambda g, a, b: _chosen(g, a > b, a == b), b=lambda g, a, b: _chosen(g, b > a, a == b))


@op(
    "elementwise",
    numpy=np.minimum,
    symbol="min",
    latex=r"\min({a}, {b})",
    derivative={"a": "[{a} < {b}]", "b": "[{b} < {a}]"},
    samples=_APART,
    bad=[BAD_BROADCAST],
)
def minimum(a: Any, b: Any) -> Any:
    """Smaller of two elements; a tie shares the gradient equally."""
    return np.minimum(a, b)


minimum.vjp(a=lambda g, a, b: _chosen(g, a < b, a == b), b=lambda g, a, b: _chosen(g, b < a, a == b))


@op(
    "elementwise",
    symbol="relu",
    latex=r"\max(0, {a})",
    derivative={"a": "[{a} > 0]"},
    samples=[*unary(0.2, 2), *unary(-2, -0.2)],
)
def relu(a: Any) -> Any:
    """Rectified linear unit, max(0, a); its subgradient at 0 is 0."""
    return positive_part(a)


relu.vjp(a=lambda g, out: gated(g, out > 0))


@op(
    "elementwise",
    symbol="huber",
    latex=r"\tfrac{1}{2} {a}^2 \text{ or } {delta} (|{a}| - \tfrac{1}{2} {delta})",
    derivative={"a": r"\max(-{delta}, \min({delta}, {a}))"},
    samples=[*unary(-0.8, 0.8), *unary(1.2, 2), Sample(Array(4, low=-2, high=-0.8), 0.7)],
)
def huber(a: Any, delta: float = 1.0) -> Any:
    """Half the square where abs(a) <= delta, and its tangents beyond, delta (abs(a) - delta / 2). Huber 1964."""
    cut = np.clip(a, -delta, delta)
    return cut * (a - cut * 0.5)


huber.vjp(a=lambda g, a, delta: g * np.clip(a, -delta, delta))


@op(
    "elementwise",
    numpy=np.where,
    symbol="where",
    operands=("condition", "x", "y"),
    latex=r"{x} \text{ if } {condition} \text{ else } {y}",
    derivative={"x": "[{condition}]", "y": r"[\neg {condition}]"},
    samples=[
        Sample(np.array([True, False, True]), Array(3), Array(3)),
        Sample(np.array([[True], [False]]), Array(3), Array(2, 1)),
        Sample(np.array([True, False]), Array(2), 0.0),
    ],
    bad=[],
)
def where(condition: Any, x: Any, y: Any) -> Any:
    """X where the condition holds, y elsewhere, broadcast."""
    return np.where(condition, x, y)


def _truth(condition: Any) -> Any:
    condition = condition if hasattr(condition, "dtype") else np.asarray(condition)
    return condition if condition.dtype.kind == "b" else condition != 0


where.vjp(
    x=lambda g, condition: gated(g, _truth(condition)),
    y=lambda g, condition: gated(g, np.logical_not(_truth(condition))),
)


@registry.function(np.where)
def _where(condition: Any, *choices: Any) -> Any:
    """NumPy's `where`: without choices the indices of the elements that hold."""
    return where(condition, *choices) if choices else np.nonzero(condition)


@op(
    "elementwise",
    symbol="clip",
    latex=r"\operatorname{clip}({a}, {a_min}, {a_max})",
    derivative={"a": r"[{a_min} \le {a} \le {a_max}]"},
    operands=("a",),
    numpy=np.clip,
    samples=[
        Sample(Array(3, 4), -3.0, 3.0),
        Sample(Array(5, low=0.6, high=2), 0.1, 0.5),
        Sample(Array(5, low=0.6, high=2), None, 3.0),
        Sample(Array(5, low=0.6, high=2), a_min=0.5, a_max=None),
    ],
)
def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """A limited to [a_min, a_max], constants; its subgradient at the limits is 1."""
    low, high = _limits(a_min, a_max, min, max)
    return np.clip(a, low, high)


def _limits(a_min: Any, a_max: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """NumPy has two names for either limit."""
    return (low if a_min is None else a_min), (high if a_max is None else a_max)


def _inside(a: Any, a_min: Any, a_max: Any, low: Any, high: Any) -> Any:
    low, high = _limits(a_min, a_max, low, high)
    inside = a == a
    if low is not None:
        inside = inside & (a >= low)
    return inside if high is None else inside & (a <= high)


clip.vjp(a=lambda g, a, a_min, a_max, min, max: gated(g, _inside(a, a_min, a_max, min, max)))


@registry.function(np.clip)
def limited(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """`clip`; limits that are in the graph get gradients too, and then a tie with a limit shares equally."""
    low, high = _limits(a_min, a_max, min, max)
    if getattr(low, "requires_grad", False) or getattr(high, "requires_grad", False):
        raised = a if low is None else np.maximum(a, low)
        return raised if high is None else np.minimum(raised, high)
    return clip(a, a_min, a_max, min=min, max=max)


def _cut(function: Any, symbol: str, samples: Any) -> Any:
    """A comparison or test: boolean, so cut from the graph."""
    if function.nin == 2:

        def compute(a: Any, b: Any) -> Any:
            return function(a, b)
    else:

        def compute(a: Any) -> Any:  # type: ignore[misc]
            return function(a)

    compute.__doc__ = f"NumPy's `{function.__name__}`; boolean, so it is not recorded."
    compute.__name__ = function.__name__
    compute.__module__ = __name__
    return op("elementwise", numpy=function, symbol=symbol, latex=symbol, samples=samples, differentiable=False)(
        compute
    )


equal = _cut(np.equal, "=", binary())
not_equal = _cut(np.not_equal, "≠", binary())
less = _cut(np.less, "<", binary())
less_equal = _cut(np.less_equal, "≤", binary())
greater = _cut(np.greater, ">", binary())
greater_equal = _cut(np.greater_equal, "≥", binary())
logical_and = _cut(np.logical_and, "∧", binary())
logical_or = _cut(np.logical_or, "∨", binary())
logical_not = _cut(np.logical_not, "¬", unary())
_BOOLEAN = np.array([True, False, True, False])
_PAIRS = [Sample(_BOOLEAN, np.array([True, True, False, False])), Sample(_BOOLEAN, True)]
bitwise_and = _cut(np.bitwise_and, "&", _PAIRS)
bitwise_or = _cut(np.bitwise_or, "|", _PAIRS)
bitwise_xor = _cut(np.bitwise_xor, "^", _PAIRS)
invert = _cut(np.invert, "~", [Sample(_BOOLEAN)])
isfinite = _cut(np.isfinite, "finite?", unary())
isnan = _cut(np.isnan, "NaN?", unary())
isinf = _cut(np.isinf, "infinite?", unary())
signbit = _cut(np.signbit, "signbit", unary())
