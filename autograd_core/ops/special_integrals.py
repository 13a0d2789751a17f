"""Exponential, trigonometric, Fresnel and elliptic integrals, angles in degrees, and SciPy's names for NumPy's.

Derivatives: NIST Digital Library of Mathematical Functions, chapters 6, 7 and 19: each is its integrand.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..operator import Array, Operator, Sample, registry
from ._special import between, special, special_op, whole
from .arithmetic import cbrt, rint
from .exponential import exp2, expm1, log1p
from .special_bessel import sinc

exp1 = special_op(
    "exp1",
    "Exponential integral E_1(a), the integral of e^-t / t from a to infinity.",
    "E_1({a})",
    {"a": r"-\frac{e^{-{a}}}{{a}}"},
    between(0.3, 3),
).vjp(a=lambda g, a: -g * (np.exp(-a) / a))

expi = special_op(
    "expi",
    "Exponential integral Ei(a), the principal value of the integral of e^t / t up to a.",
    r"\operatorname{Ei}({a})",
    {"a": r"\frac{e^{{a}}}{{a}}"},
    [*between(0.3, 3), *between(-3, -0.3)],
).vjp(a=lambda g, a: g * (np.exp(a) / a))

expn = special_op(
    "expn",
    "Generalized exponential integral E_n(a), the integral of e^(-a t) / t^n over t > 1; n is a constant.",
    "E_{{n}}({a})",
    {"a": "-E_{{n} - 1}({a})"},
    [*between(0.3, 3, 2), *between(0.3, 3, 0)],
    statics=("n",),
).vjp(a=lambda g, a, n: -g * _expn_less(n, a))


def _expn_less(n: Any, a: Any) -> Any:
    """E_(n-1)(a), also for n = 0, where SciPy has none: e^-a (1 / a + 1 / a^2); SciPy leaves fractions of n out."""
    n = whole(n)
    if not hasattr(n, "dtype"):
        return special("expn")(n - 1, a) if n else np.exp(-a) * (1 / a + 1 / (a * a))
    return np.where(n == 0, np.exp(-a) * (1 / a + 1 / (a * a)), special("expn")(np.where(n == 0, 0, n - 1), a))


def _part(ufunc: str, index: int, name: str, doc: str, latex: str, derivative: str, samples: list[Sample]) -> Operator:
    """One output of a ufunc that has several."""
    return special_op(ufunc, doc, latex, {"a": derivative}, samples, own_name=name, output=index)


_NEAR = [*between(0.3, 3), Sample(np.array([0.0, -1.5]))]
sine_integral = _part(
    "sici",
    0,
    "sine_integral",
    "Sine integral Si(a), the integral of sin(t) / t from 0 to a.",
    r"\operatorname{Si}({a})",
    r"\frac{\sin {a}}{{a}}",
    _NEAR,
).vjp(a=lambda g, a: g * sinc(a / math.pi))
cosine_integral = _part(
    "sici",
    1,
    "cosine_integral",
    "Cosine integral Ci(a), of a > 0; its derivative is cos(a) / a.",
    r"\operatorname{Ci}({a})",
    r"\frac{\cos {a}}{{a}}",
    between(0.3, 3),
).vjp(a=lambda g, a: g * (np.cos(a) / a))
sinh_integral = _part(
    "shichi",
    0,
    "sinh_integral",
    "Hyperbolic sine integral Shi(a), the integral of sinh(t) / t from 0 to a.",
    r"\operatorname{Shi}({a})",
    r"\frac{\sinh {a}}{{a}}",
    _NEAR,
).vjp(a=lambda g, a: g * special("hyp0f1")(1.5, a * a * 0.25))  # sinh(a) / a without 0 / 0
cosh_integral = _part(
    "shichi",
    1,
    "cosh_integral",
    "Hyperbolic cosine integral Chi(a), of a > 0; its derivative is cosh(a) / a.",
    r"\operatorname{Chi}({a})",
    r"\frac{\cosh {a}}{{a}}",
    between(0.3, 3),
).vjp(a=lambda g, a: g * (np.cosh(a) / a))
fresnel_s = _part(
    "fresnel",
    0,
    "fresnel_s",
    "Fresnel integral S(a), the integral of sin(pi t^2 / 2) from 0 to a.",
    "S({a})",
    r"\sin \frac{\pi {a}^2}{2}",
    between(-1.5, 1.5),
).vjp(a=lambda g, a: g * np.sin(a * a * (math.pi / 2)))
fresnel_c = _part(
    "fresnel",
    1,
    "fresnel_c",
    "Fresnel integral C(a), the integral of cos(pi t^2 / 2) from 0 to a.",
    "C({a})",
    r"\cos \frac{\pi {a}^2}{2}",
    between(-1.5, 1.5),
).vjp(a=lambda g, a: g * np.cos(a * a * (math.pi / 2)))
i0_integral = _part(
    "iti0k0", 0, "i0_integral", "Integral of I_0 from 0 to a.", r"\int_0^{{a}} I_0", "I_0({a})", between(0.3, 3)
).vjp(a=lambda g, a: g * special("i0")(a))
k0_integral = _part(
    "iti0k0", 1, "k0_integral", "Integral of K_0 from 0 to a.", r"\int_0^{{a}} K_0", "K_0({a})", between(0.3, 3)
).vjp(a=lambda g, a: g * special("k0")(a))
j0_integral = _part(
    "itj0y0", 0, "j0_integral", "Integral of J_0 from 0 to a.", r"\int_0^{{a}} J_0", "J_0({a})", between(0.3, 3)
).vjp(a=lambda g, a: g * special("j0")(a))
y0_integral = _part(
    "itj0y0", 1, "y0_integral", "Integral of Y_0 from 0 to a.", r"\int_0^{{a}} Y_0", "Y_0({a})", between(0.3, 3)
).vjp(a=lambda g, a: g * special("y0")(a))

# -- incomplete elliptic integrals: the parameter m is a constant ------------------------------------------------------

ellipkinc = special_op(
    "ellipkinc",
    "Incomplete elliptic integral of the first kind F(a, m); m is a constant.",
    r"F({a} \mid {m})",
    {"a": r"\frac{1}{\sqrt{1 - {m} \sin^2 {a}}}"},
    [Sample(Array(5, low=-1.2, high=1.2), 0.4)],
    trailing=("m",),
).vjp(a=lambda g, a, m: g / np.sqrt(1 - np.sin(a) ** 2 * m))

ellipeinc = special_op(
    "ellipeinc",
    "Incomplete elliptic integral of the second kind E(a, m); m is a constant.",
    r"E({a} \mid {m})",
    {"a": r"\sqrt{1 - {m} \sin^2 {a}}"},
    [Sample(Array(5, low=-1.2, high=1.2), 0.4)],
    trailing=("m",),
).vjp(a=lambda g, a, m: g * np.sqrt(1 - np.sin(a) ** 2 * m))

# -- angles in degrees -------------------------------------------------------------------------------------------------

_DEGREE = math.pi / 180

sindg = special_op(
    "sindg", "Sine of an angle in degrees.", r"\sin {a}°", {"a": r"\frac{\pi}{180} \cos {a}°"}, between(-80, 80)
).vjp(a=lambda g, a: g * (special("cosdg")(a) * _DEGREE))
cosdg = special_op(
    "cosdg", "Cosine of an angle in degrees.", r"\cos {a}°", {"a": r"-\frac{\pi}{180} \sin {a}°"}, between(-80, 80)
).vjp(a=lambda g, a: g * (special("sindg")(a) * -_DEGREE))
tandg = special_op(
    "tandg", "Tangent of an angle in degrees.", r"\tan {a}°", {"a": r"\frac{\pi}{180} (1 + {out}^2)"}, between(-60, 60)
).vjp(a=lambda g, out: g * ((out * out + 1) * _DEGREE))
cotdg = special_op(
    "cotdg",
    "Cotangent of an angle in degrees.",
    r"\cot {a}°",
    {"a": r"-\frac{\pi}{180} (1 + {out}^2)"},
    between(30, 80),
).vjp(a=lambda g, out: g * ((out * out + 1) * -_DEGREE))
cosm1 = special_op("cosm1", "cos(a) - 1, precise near 0.", r"\cos {a} - 1", {"a": r"-\sin {a}"}, between(-2, 2)).vjp(
    a=lambda g, a: -g * np.sin(a)
)
exp10 = special_op("exp10", "Power of ten, 10^a.", "10^{{a}}", {"a": r"{out} \ln 10"}, between(-1, 1)).vjp(
    a=lambda g, out: g * (out * math.log(10))
)
wrightomega = special_op(
    "wrightomega",
    "Wright's omega function of real numbers, the solution w of w + ln(w) = a.",
    r"\omega({a})",
    {"a": r"\frac{{out}}{1 + {out}}"},
    between(-2, 2),
).vjp(a=lambda g, out: g * (out / (out + 1)))


def _parts(*operators: Operator) -> Any:
    return lambda a: tuple([operator(a) for operator in operators])


registry.special |= {
    "sici": _parts(sine_integral, cosine_integral),
    "shichi": _parts(sinh_integral, cosh_integral),
    "fresnel": _parts(fresnel_s, fresnel_c),
    "iti0k0": _parts(i0_integral, k0_integral),
    "itj0y0": _parts(j0_integral, y0_integral),
    "radian": lambda d, m, s: (s / 60 + m) / 60 * _DEGREE + d * _DEGREE,
    "cbrt": cbrt,
    "exp2": exp2,
    "expm1": expm1,
    "log1p": log1p,
    "round": rint,
}
