"""Arithmetic, powers, and piecewise-constant functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..operator import Array, Sample, op
from ._samples import BAD_BROADCAST, BAD_STRING, binary, unary

_BAD = [BAD_BROADCAST, BAD_STRING]


@op(
    "elementwise",
    numpy=np.add,
    symbol="+",
    latex="{a} + {b}",
    derivative={"a": "1", "b": "1"},
    samples=binary(),
    bad=_BAD,
    linear="jointly",
    analytic=True,
)
def add(a: Any, b: Any) -> Any:
    """Sum, a + b, broadcast."""
    return np.add(a, b)


add.vjp(a=lambda g: g, b=lambda g: g)


@op(
    "elementwise",
    numpy=np.subtract,
    symbol="−",
    latex="{a} - {b}",
    derivative={"a": "1", "b": "-1"},
    samples=binary(),
    bad=_BAD,
    linear="jointly",
    analytic=True,
)
def subtract(a: Any, b: Any) -> Any:
    """Difference, a - b, broadcast."""
    return np.subtract(a, b)


subtract.vjp(a=lambda g: g, b=lambda g: -g)


@op(
    "elementwise",
    numpy=np.multiply,
    symbol="×",
    latex=r"{a} \cdot {b}",
    derivative={"a": "{b}", "b": "{a}"},
    samples=binary(),
    bad=_BAD,
    analytic=True,
)
def multiply(a: Any, b: Any) -> Any:
    """Product of elements, a * b, broadcast."""
    return np.multiply(a, b)


multiply.vjp(a=lambda g, b: g * b, b=lambda g, a: g * a)


@op(
    "elementwise",
    numpy=np.true_divide,
    symbol="÷",
    latex=r"\frac{{a}}{{b}}",
    derivative={"a": r"\frac{1}{{b}}", "b": r"-\frac{{out}}{{b}}"},
    samples=binary(0.5, 2),
    bad=_BAD,
    analytic=True,
)
def divide(a: Any, b: Any) -> Any:
    """Quotient of elements, a / b, broadcast."""
    return np.true_divide(a, b)


divide.vjp(a=lambda g, b: g / b, b=lambda g, b, out: -g * out / b)


@op(
    "elementwise",
    numpy=np.power,
    symbol="^",
    latex="{a}^{{b}}",
    derivative={"a": r"{b} {a}^{{b} - 1}", "b": r"{out} \ln {a}"},
    samples=[*binary(0.3, 2), Sample(Array(4, low=-2, high=-0.5), 3)],
    bad=_BAD,
    analytic=True,
)
def power(a: Any, b: Any) -> Any:
    """Power, a ** b, broadcast. The derivative in b at a = 0 is 0."""
    return np.power(a, b)


power.vjp(
    # 0 * 0 ** -1 is 0 here. The exponent stays b - 1 everywhere else, so that second derivatives at b = 0 are right.
    a=lambda g, a, b: g * (b * np.where((a == 0) & (b == 0), 1, a) ** (b - 1)),
    b=lambda g, a, out: g * (out * np.log(np.where(a == 0, np.ones_like(out), a))),
)


# A Python number as exponent or base is a static argument: it must not decide the dtype, in the gradient neither.


@op(
    "elementwise",
    symbol="^",
    latex="{a}^{{exponent}}",
    derivative={"a": r"{exponent} {a}^{{exponent} - 1}"},
    samples=[
        Sample(Array(3, 4, low=0.3), 3),
        Sample(Array(4, low=-2, high=-0.5), exponent=-2),
        Sample(Array(4, low=0.3), exponent=1.7),
        Sample(Array(low=0.3), exponent=0),
        Sample(Array(0, 2), exponent=3),
    ],
    operands=("a",),
    analytic=True,
)
def power_number(a: Any, exponent: Any) -> Any:
    """Power with a number as exponent, a ** exponent."""
    return np.power(a, exponent)


power_number.vjp(a=lambda g, a, exponent: g * (exponent * a ** (exponent - 1)) if exponent != 0 else g * 0)


@op(
    "elementwise",
    symbol="^",
    latex="{base}^{{b}}",
    derivative={"b": r"{out} \ln {base}"},
    samples=[Sample(2, Array(3, 4)), Sample(0.5, Array())],
    operands=("b",),
    analytic=True,
)
def number_power(base: Any, b: Any) -> Any:
    """Power of a number, base ** b. The derivative at base 0 is 0."""
    return np.power(base, b)


number_power.vjp(b=lambda g, base, out: g * (out * math.log(base if base else 1)))


@op(
    "elementwise",
    numpy=np.negative,
    symbol="−",
    latex="-{a}",
    derivative={"a": "-1"},
    samples=unary(),
    linear="jointly",
    analytic=True,
)
def negative(a: Any) -> Any:
    """Negation, -a."""
    return np.negative(a)


negative.vjp(a=lambda g: -g)


@op(
    "elementwise",
    numpy=np.positive,
    symbol="+",
    latex="{a}",
    derivative={"a": "1"},
    samples=unary(),
    linear="jointly",
    analytic=True,
)
def positive(a: Any) -> Any:
    """A copy, +a."""
    return np.positive(a)


positive.vjp(a=lambda g: g)


@op(
    "elementwise", numpy=np.square, symbol="²", latex="{a}^2", derivative={"a": "2 {a}"}, samples=unary(), analytic=True
)
def square(a: Any) -> Any:
    """Square, a * a."""
    return np.square(a)


# Twice the cotangent first: after a mean it is small and only stands for its broadcast.
square.vjp(a=lambda g, a: (g * 2) * a)


@op(
    "elementwise",
    numpy=np.reciprocal,
    symbol="1/",
    latex=r"\frac{1}{{a}}",
    derivative={"a": "-{out}^2"},
    samples=unary(0.5, 2),
    analytic=True,
)
def reciprocal(a: Any) -> Any:
    """Reciprocal, 1 / a."""
    return np.reciprocal(a)


reciprocal.vjp(a=lambda g, out: -g * (out * out))


@op(
    "elementwise",
    numpy=np.sqrt,
    symbol="√",
    latex=r"\sqrt{{a}}",
    derivative={"a": r"\frac{1}{2 {out}}"},
    samples=unary(0.2, 3),
    analytic=True,
)
def sqrt(a: Any) -> Any:
    """Square root; its derivative at 0 is infinite."""
    return np.sqrt(a)


sqrt.vjp(a=lambda g, out: g / (out * 2))


@op(
    "elementwise",
    numpy=np.cbrt,
    symbol="∛",
    latex=r"\sqrt[3]{{a}}",
    derivative={"a": r"\frac{1}{3 {out}^2}"},
    samples=unary(0.2, 3),
)
def cbrt(a: Any) -> Any:
    """Cube root."""
    return np.cbrt(a)


cbrt.vjp(a=lambda g, out: g / (out * out * 3))


@op(
    "elementwise",
    numpy=(np.absolute, np.fabs),
    symbol="|·|",
    latex=r"\left| {a} \right|",
    derivative={"a": r"\operatorname{sign} {a}"},
    samples=[*unary(0.2, 2), *unary(-2, -0.2)],
)
def absolute(a: Any) -> Any:
    """Absolute value; its subgradient at 0 is 0."""
    return np.absolute(a)


absolute.vjp(a=lambda g, a: g * np.sign(a))


@op(
    "elementwise",
    numpy=np.remainder,
    symbol="mod",
    latex=r"{a} \bmod {b}",
    derivative={"a": "1", "b": r"-\left\lfloor {a} / {b} \right\rfloor"},
    samples=[
        Sample(Array(4, low=2.1, high=2.9), Array(4, low=0.71, high=0.99)),
        Sample(Array(3, low=2.1, high=2.9), 1.0),
    ],
    bad=_BAD,
)
def remainder(a: Any, b: Any) -> Any:
    """Remainder of floor division, a - b * floor(a / b)."""
    return np.remainder(a, b)


remainder.vjp(a=lambda g: g, b=lambda g, a, b: -g * np.floor(a / b))


@op(
    "elementwise",
    numpy=np.floor_divide,
    symbol="//",
    latex=r"\left\lfloor {a} / {b} \right\rfloor",
    derivative={"a": "0", "b": "0"},
    samples=[
        Sample(Array(4, low=2.1, high=2.9), Array(4, low=0.71, high=0.99)),
        Sample(Array(3, low=2.1, high=2.9), 1.0),
    ],
    bad=_BAD,
)
def floor_divide(a: Any, b: Any) -> Any:
    """Floor of the quotient, as a float. Its gradient is zero."""
    return np.floor_divide(a, b)


floor_divide.vjp(a=lambda g: g * 0, b=lambda g: g * 0)


def _piecewise_constant(function: Any, symbol: str, latex: str, doc: str) -> Any:
    """An operator that is recorded with a zero gradient: its result is floating, so it is not cut from the graph."""

    def compute(a: Any) -> Any:
        return function(a)

    compute.__doc__ = f"{doc} Its gradient is zero."
    compute.__name__ = function.__name__
    compute.__module__ = __name__
    declared = op(
        "elementwise", numpy=function, symbol=symbol, latex=latex, derivative={"a": "0"}, samples=unary(0.1, 0.4)
    )(compute)
    return declared.vjp(a=lambda g: g * 0)


sign = _piecewise_constant(np.sign, "sign", r"\operatorname{sign} {a}", "Sign, with sign(0) = 0.")
floor = _piecewise_constant(
    np.floor, "⌊·⌋", r"\left\lfloor {a} \right\rfloor", "Largest integer not above a, as a float."
)
ceil = _piecewise_constant(np.ceil, "⌈·⌉", r"\left\lceil {a} \right\rceil", "Smallest integer not below a, as a float.")
trunc = _piecewise_constant(np.trunc, "trunc", r"\operatorname{trunc} {a}", "Integer part, as a float.")
rint = _piecewise_constant(np.rint, "round", r"\operatorname{round} {a}", "Nearest integer, ties to even, as a float.")
