"""Exponentials, logarithms, trigonometric and hyperbolic functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..operator import op
from ._parts import positive_part
from ._samples import BAD_BROADCAST, binary, unary
from ._special import special


@op("elementwise", numpy=np.exp, latex="e^{{a}}", derivative={"a": "{out}"}, samples=unary(), analytic=True)
def exp(a: Any) -> Any:
    """Exponential, e^a."""
    return np.exp(a)


exp.vjp(a=lambda g, out: g * out)


@op("elementwise", numpy=np.exp2, latex="2^{{a}}", derivative={"a": r"{out} \ln 2"}, samples=unary())
def exp2(a: Any) -> Any:
    """Power of two, 2^a."""
    return np.exp2(a)


exp2.vjp(a=lambda g, out: g * (out * 0.6931471805599453))


@op("elementwise", numpy=np.expm1, latex="e^{{a}} - 1", derivative={"a": "{out} + 1"}, samples=unary(), analytic=True)
def expm1(a: Any) -> Any:
    """e^a - 1, precise near 0."""
    return np.expm1(a)


expm1.vjp(a=lambda g, out: g * (out + 1))


@op(
    "elementwise",
    numpy=np.log,
    latex=r"\ln {a}",
    derivative={"a": r"\frac{1}{{a}}"},
    samples=unary(0.2, 3),
    analytic=True,
)
def log(a: Any) -> Any:
    """Natural logarithm."""
    return np.log(a)


log.vjp(a=lambda g, a: g / a)


@op("elementwise", numpy=np.log2, latex=r"\log_2 {a}", derivative={"a": r"\frac{1}{{a} \ln 2}"}, samples=unary(0.2, 3))
def log2(a: Any) -> Any:
    """Logarithm to base 2."""
    return np.log2(a)


log2.vjp(a=lambda g, a: g / (a * 0.6931471805599453))


@op(
    "elementwise",
    numpy=np.log10,
    latex=r"\log_{10} {a}",
    derivative={"a": r"\frac{1}{{a} \ln 10}"},
    samples=unary(0.2, 3),
)
def log10(a: Any) -> Any:
    """Logarithm to base 10."""
    return np.log10(a)


log10.vjp(a=lambda g, a: g / (a * 2.302585092994046))


@op(
    "elementwise",
    numpy=np.log1p,
    latex=r"\ln (1 + {a})",
    derivative={"a": r"\frac{1}{1 + {a}}"},
    samples=unary(-0.5, 3),
    analytic=True,
)
def log1p(a: Any) -> Any:
    """ln(1 + a), precise near 0."""
    return np.log1p(a)


log1p.vjp(a=lambda g, a: g / (a + 1))


@op(
    "elementwise",
    numpy=np.logaddexp,
    latex=r"\ln (e^{{a}} + e^{{b}})",
    derivative={"a": "e^{{a} - {out}}", "b": "e^{{b} - {out}}"},
    samples=binary(),
    bad=[BAD_BROADCAST],
)
def logaddexp(a: Any, b: Any) -> Any:
    """ln(e^a + e^b) without overflow; gradient 0 where both are -inf, NaN for one that is +inf."""
    return np.logaddexp(a, b)


def share(a: Any, b: Any, out: Any, scale: float = 1.0) -> Any:
    """The share of a, e^a / (e^a + e^b); none where both are -inf."""
    return sigmoid((a - np.where(out == -np.inf, 0, b).astype(out.dtype)) * scale)


logaddexp.vjp(a=lambda g, a, b, out: g * share(a, b, out), b=lambda g, a, b, out: g * share(b, a, out))


@op("elementwise", numpy=np.sin, latex=r"\sin {a}", derivative={"a": r"\cos {a}"}, samples=unary(), analytic=True)
def sin(a: Any) -> Any:
    """Sine of an angle in radians."""
    return np.sin(a)


sin.vjp(a=lambda g, a: g * np.cos(a))


@op("elementwise", numpy=np.cos, latex=r"\cos {a}", derivative={"a": r"-\sin {a}"}, samples=unary(), analytic=True)
def cos(a: Any) -> Any:
    """Cosine of an angle in radians."""
    return np.cos(a)


cos.vjp(a=lambda g, a: -g * np.sin(a))


@op(
    "elementwise", numpy=np.tan, latex=r"\tan {a}", derivative={"a": "1 + {out}^2"}, samples=unary(-1, 1), analytic=True
)
def tan(a: Any) -> Any:
    """Tangent of an angle in radians."""
    return np.tan(a)


tan.vjp(a=lambda g, out: g * (out * out + 1))


@op(
    "elementwise",
    numpy=np.arcsin,
    latex=r"\arcsin {a}",
    derivative={"a": r"\frac{1}{\sqrt{1 - {a}^2}}"},
    samples=unary(-0.8, 0.8),
    analytic=True,
)
def arcsin(a: Any) -> Any:
    """Inverse sine, in radians."""
    return np.arcsin(a)


arcsin.vjp(a=lambda g, a: g / np.sqrt(1 - a * a))


@op(
    "elementwise",
    numpy=np.arccos,
    latex=r"\arccos {a}",
    derivative={"a": r"-\frac{1}{\sqrt{1 - {a}^2}}"},
    samples=unary(-0.8, 0.8),
    analytic=True,
)
def arccos(a: Any) -> Any:
    """Inverse cosine, in radians."""
    return np.arccos(a)


arccos.vjp(a=lambda g, a: -g / np.sqrt(1 - a * a))


@op(
    "elementwise",
    numpy=np.arctan,
    latex=r"\arctan {a}",
    derivative={"a": r"\frac{1}{1 + {a}^2}"},
    samples=unary(),
    analytic=True,
)
def arctan(a: Any) -> Any:
    """Inverse tangent, in radians."""
    return np.arctan(a)


arctan.vjp(a=lambda g, a: g / (a * a + 1))


@op(
    "elementwise",
    numpy=np.arctan2,
    latex=r"\operatorname{arctan2}({a}, {b})",
    derivative={"a": r"\frac{{b}}{{a}^2 + {b}^2}", "b": r"-\frac{{a}}{{a}^2 + {b}^2}"},
    samples=binary(0.5, 2),
    bad=[BAD_BROADCAST],
)
def arctan2(a: Any, b: Any) -> Any:
    """Angle of the point (b, a), in radians."""
    return np.arctan2(a, b)


def _over_square(a: Any, b: Any) -> Any:
    """The quotient a / (a^2 + b^2) without overflow."""
    length = np.hypot(a, b)
    return a / length / length


arctan2.vjp(a=lambda g, a, b: g * _over_square(b, a), b=lambda g, a, b: -g * _over_square(a, b))


@op("elementwise", numpy=np.sinh, latex=r"\sinh {a}", derivative={"a": r"\cosh {a}"}, samples=unary(), analytic=True)
def sinh(a: Any) -> Any:
    """Hyperbolic sine."""
    return np.sinh(a)


sinh.vjp(a=lambda g, a: g * np.cosh(a))


@op("elementwise", numpy=np.cosh, latex=r"\cosh {a}", derivative={"a": r"\sinh {a}"}, samples=unary(), analytic=True)
def cosh(a: Any) -> Any:
    """Hyperbolic cosine."""
    return np.cosh(a)


cosh.vjp(a=lambda g, a: g * np.sinh(a))


@op("elementwise", numpy=np.tanh, latex=r"\tanh {a}", derivative={"a": "1 - {out}^2"}, samples=unary(), analytic=True)
def tanh(a: Any) -> Any:
    """Hyperbolic tangent."""
    return np.tanh(a)


tanh.vjp(a=lambda g, out: g * (1 - out * out))


@op(
    "elementwise",
    numpy=np.arcsinh,
    latex=r"\operatorname{arsinh} {a}",
    derivative={"a": r"\frac{1}{\sqrt{{a}^2 + 1}}"},
    samples=unary(),
    analytic=True,
)
def arcsinh(a: Any) -> Any:
    """Inverse hyperbolic sine."""
    return np.arcsinh(a)


arcsinh.vjp(a=lambda g, a: g / np.sqrt(a * a + 1))


@op(
    "elementwise",
    numpy=np.arccosh,
    latex=r"\operatorname{arcosh} {a}",
    derivative={"a": r"\frac{1}{\sqrt{{a}^2 - 1}}"},
    samples=unary(1.5, 3),
    analytic=True,
)
def arccosh(a: Any) -> Any:
    """Inverse hyperbolic cosine."""
    return np.arccosh(a)


arccosh.vjp(a=lambda g, a: g / np.sqrt((a - 1) * (a + 1)))


@op(
    "elementwise",
    numpy=np.arctanh,
    latex=r"\operatorname{artanh} {a}",
    derivative={"a": r"\frac{1}{1 - {a}^2}"},
    samples=unary(-0.8, 0.8),
    analytic=True,
)
def arctanh(a: Any) -> Any:
    """Inverse hyperbolic tangent."""
    return np.arctanh(a)


arctanh.vjp(a=lambda g, a: g / (1 - a * a))


@op(
    "elementwise",
    special="erf",
    latex=r"\operatorname{erf} {a}",
    derivative={"a": r"\frac{2}{\sqrt{\pi}} e^{-{a}^2}"},
    samples=unary(),
    analytic=True,
)
def erf(a: Any) -> Any:
    """Error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to a."""
    return special("erf")(a)


erf.vjp(a=lambda g, a: g * (np.exp(-a * a) * 1.1283791670955126))


@op(
    "elementwise",
    special="erfc",
    latex=r"\operatorname{erfc} {a}",
    derivative={"a": r"-\frac{2}{\sqrt{\pi}} e^{-{a}^2}"},
    samples=unary(),
    analytic=True,
)
def erfc(a: Any) -> Any:
    """Complementary error function, 1 - erf(a), precise for large a."""
    return special("erfc")(a)


erfc.vjp(a=lambda g, a: g * (np.exp(-a * a) * -1.1283791670955126))


@op(
    "elementwise",
    special="expit",
    symbol="σ",
    latex=r"\sigma({a})",
    derivative={"a": r"{out} (1 - {out})"},
    samples=unary(),
)
def sigmoid(a: Any) -> Any:
    """Logistic function, 1 / (1 + e^-a), without overflow; a quarter of the time of SciPy's scalar loop."""
    with np.errstate(over="ignore"):  # e^-a may be infinite: the value is 0
        return 1 / (1 + np.exp(-a))


sigmoid.vjp(a=lambda g, out: g * (out * (1 - out)))


@op("elementwise", symbol="softplus", latex=r"\ln (1 + e^{{a}})", derivative={"a": r"\sigma({a})"}, samples=unary())
def softplus(a: Any) -> Any:
    """ln(1 + e^a), without overflow; a tenth of the time of `np.logaddexp`."""
    return positive_part(a) + np.log1p(np.exp(-np.abs(a)))


softplus.vjp(a=lambda g, out: -g * np.expm1(-out))  # 1 - e^-out is the sigmoid
