r"""Special functions of probability: error functions, normal and logistic distributions, entropies, Box-Cox transforms.

Derivatives: NIST Digital Library of Mathematical Functions, chapter 7, and SciPy's definitions.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..operator import Array, Sample, registry
from ._special import between, like, special, special_op
from .hypergeometric import exprel_slope, hyp2f1

_ROOT_PI = math.sqrt(math.pi)
_ROOT_2PI = math.sqrt(2 * math.pi)
_POSITIVE = [Sample(Array(3, 4, low=0.3, high=2), Array(4, low=0.3, high=2))]

erfcx = special_op(
    "erfcx",
    "Scaled complementary error function, e^(a^2) erfc(a).",
    r"e^{{a}^2} \operatorname{erfc} {a}",
    {"a": r"2 {a} {out} - \frac{2}{\sqrt{\pi}}"},
    between(-1, 1.5),
).vjp(a=lambda g, a, out: g * (out * a * 2 - 2 / _ROOT_PI))

erfi = special_op(
    "erfi",
    "Imaginary error function, 2/sqrt(pi) times the integral of e^(t^2) from 0 to a.",
    r"\operatorname{erfi} {a}",
    {"a": r"\frac{2}{\sqrt{\pi}} e^{{a}^2}"},
    between(-1.5, 1.5),
).vjp(a=lambda g, a: g * (np.exp(a * a) * (2 / _ROOT_PI)))

dawsn = special_op(
    "dawsn",
    "Dawson's integral, e^(-a^2) times the integral of e^(t^2) from 0 to a.",
    r"D({a})",
    {"a": r"1 - 2 {a} {out}"},
    between(-2, 2),
).vjp(a=lambda g, a, out: g * (1 - out * a * 2))

erfinv = special_op(
    "erfinv",
    "Inverse of the error function.",
    r"\operatorname{erf}^{-1} {a}",
    {"a": r"\frac{\sqrt{\pi}}{2} e^{{out}^2}"},
    between(-0.9, 0.9),
).vjp(a=lambda g, out: g * (np.exp(out * out) * (_ROOT_PI / 2)))

erfcinv = special_op(
    "erfcinv",
    "Inverse of the complementary error function.",
    r"\operatorname{erfc}^{-1} {a}",
    {"a": r"-\frac{\sqrt{\pi}}{2} e^{{out}^2}"},
    between(0.1, 1.9),
).vjp(a=lambda g, out: g * (np.exp(out * out) * (-_ROOT_PI / 2)))

ndtri = special_op(
    "ndtri",
    "Quantile of the standard normal distribution, the inverse of `ndtr`.",
    r"\Phi^{-1}({a})",
    {"a": r"\sqrt{2 \pi} e^{{out}^2 / 2}"},
    between(0.1, 0.9),
).vjp(a=lambda g, out: g * (np.exp(out * out * 0.5) * _ROOT_2PI))

ndtri_exp = special_op(
    "ndtri_exp",
    "Quantile of the standard normal distribution at e^a, the inverse of `log_ndtr`.",
    r"\Phi^{-1}(e^{{a}})",
    {"a": r"\sqrt{2 \pi} e^{{a} + {out}^2 / 2}"},
    between(-3, -0.2),
).vjp(a=lambda g, a, out: g * (np.exp(a + out * out * 0.5) * _ROOT_2PI))

log_ndtr = special_op(
    "log_ndtr",
    "Logarithm of the standard normal distribution function; value and derivative are precise far to the left.",
    r"\ln \Phi({a})",
    {"a": r"\sqrt{\frac{2}{\pi}} \frac{1}{\operatorname{erfcx}(-{a} / \sqrt{2})}"},
    between(-3, 2),
).vjp(a=lambda g, a, out: g * _mills(a, out))


def _mills(a: Any, out: Any) -> Any:
    """Normal density over distribution function: by erfcx to the left, which to the right is infinite soon."""
    right = a > 0
    b = np.where(right, a, 0)
    left = math.sqrt(2 / math.pi) / special("erfcx")(np.where(right, 0, a) * -math.sqrt(0.5))
    return np.where(right, np.exp(b * b * -0.5 - np.where(right, out, 0)) * (1 / _ROOT_2PI), left)


logit = special_op(
    "logit",
    "Log-odds, ln(a / (1 - a)), the inverse of the logistic function.",
    r"\ln \frac{{a}}{1 - {a}}",
    {"a": r"\frac{1}{{a} (1 - {a})}"},
    between(0.1, 0.9),
).vjp(a=lambda g, a: g / (a * (1 - a)))

log_expit = special_op(
    "log_expit",
    "Logarithm of the logistic function, -ln(1 + e^-a), without overflow.",
    r"\ln \sigma({a})",
    {"a": r"\sigma(-{a})"},
    between(-2, 2),
).vjp(a=lambda g, a: g * special("expit")(-a))

xlogy = special_op(
    "xlogy",
    "The product a ln(b), 0 where a = 0; where both are 0 (or a = 0 and b < 0) its derivatives are 0 by convention.",
    r"{a} \ln {b}",
    {"a": r"\ln {b}", "b": r"\frac{{a}}{{b}}"},
    [*_POSITIVE, Sample(Array(3), 1.5), Sample(0.7, Array(3, low=0.3))],
).vjp(
    a=lambda g, a, b: g * np.log(np.where((a == 0) & (b <= 0), np.ones_like(a), b)),
    b=lambda g, a, b: g * (a / np.where((a == 0) & (b == 0), np.ones_like(b), b)),
)

xlog1py = special_op(
    "xlog1py",
    "The product a ln(1 + b), 0 where a = 0; where b = -1 too its derivatives are 0 by convention.",
    r"{a} \ln (1 + {b})",
    {"a": r"\ln (1 + {b})", "b": r"\frac{{a}}{1 + {b}}"},
    [*_POSITIVE, Sample(Array(3), 1.5), Sample(0.7, Array(3, low=-0.5))],
).vjp(
    a=lambda g, a, b: g * np.log1p(np.where((a == 0) & (b <= -1), np.zeros_like(a), b)),
    b=lambda g, a, b: g * (a / np.where((a == 0) & (b == -1), np.ones_like(b), b + 1)),
)

entr = special_op(
    "entr",
    "Entropy of an element, -a ln(a), 0 at a = 0, where its derivative is infinite.",
    r"-{a} \ln {a}",
    {"a": r"-\ln {a} - 1"},
    between(0.2, 2),
).vjp(a=lambda g, a: -g * (np.log(a) + 1))

rel_entr = special_op(
    "rel_entr",
    "Relative entropy of two elements, a ln(a / b).",
    r"{a} \ln \frac{{a}}{{b}}",
    {"a": r"\ln \frac{{a}}{{b}} + 1", "b": r"-\frac{{a}}{{b}}"},
    [*_POSITIVE, Sample(Array(3, low=0.3), 1.5), Sample(0.7, Array(3, low=0.3))],
).vjp(a=lambda g, a, b: g * (np.log(a / b) + 1), b=lambda g, a, b: -g * (a / b))

kl_div = special_op(
    "kl_div",
    "Kullback-Leibler divergence of two elements, a ln(a / b) - a + b.",
    r"{a} \ln \frac{{a}}{{b}} - {a} + {b}",
    {"a": r"\ln \frac{{a}}{{b}}", "b": r"1 - \frac{{a}}{{b}}"},
    [*_POSITIVE, Sample(Array(3, low=0.3), 1.5), Sample(0.7, Array(3, low=0.3))],
).vjp(a=lambda g, a, b: g * np.log(a / b), b=lambda g, a, b: g * (1 - a / b))

owens_t = special_op(
    "owens_t",
    "Owen's T function, the integral of e^(-h^2 (1 + t^2) / 2) / (2 pi (1 + t^2)) from 0 to a. Owen 1956.",
    r"T({h}, {a})",
    {
        "h": r"-\frac{1}{2 \sqrt{2 \pi}} e^{-{h}^2 / 2} \operatorname{erf} \frac{{a} {h}}{\sqrt 2}",
        "a": r"\frac{e^{-{h}^2 (1 + {a}^2) / 2}}{2 \pi (1 + {a}^2)}",
    },
    [Sample(Array(3, 4), Array(4))],
).vjp(
    h=lambda g, h, a: g * (np.exp(h * h * -0.5) * special("erf")(h * a * math.sqrt(0.5)) * (-0.5 / _ROOT_2PI)),
    a=lambda g, h, a: g * (np.exp(h * h * (a * a + 1) * -0.5) / ((a * a + 1) * (2 * math.pi))),
)

boxcox = special_op(
    "boxcox",
    "Box-Cox transform, (a^lmbda - 1) / lmbda, at lmbda = 0 its limit ln(a). Box and Cox 1964.",
    r"\frac{{a}^{{lmbda}} - 1}{{lmbda}}",
    {"a": r"{a}^{{lmbda} - 1}", "lmbda": r"\ln({a})^2 \int_0^1 t {a}^{{lmbda} t} dt"},
    [*_POSITIVE, Sample(Array(3, low=0.3), 0.5), Sample(1.7, Array(3))],
).vjp(
    a=lambda g, a, lmbda: g * np.power(a, lmbda - 1),
    lmbda=lambda g, a, lmbda: g * _boxcox_slope(np.log(like(a, lmbda)), lmbda),
)

boxcox1p = special_op(
    "boxcox1p",
    "Box-Cox transform of 1 + a, ((1 + a)^lmbda - 1) / lmbda, at lmbda = 0 its limit ln(1 + a).",
    r"\frac{(1 + {a})^{{lmbda}} - 1}{{lmbda}}",
    {"a": r"(1 + {a})^{{lmbda} - 1}", "lmbda": r"\ln(1 + {a})^2 \int_0^1 t (1 + {a})^{{lmbda} t} dt"},
    [*_POSITIVE, Sample(Array(3, low=-0.5), 0.5), Sample(1.7, Array(3))],
).vjp(
    a=lambda g, a, lmbda: g * np.power(a + 1, lmbda - 1),
    lmbda=lambda g, a, lmbda: g * _boxcox_slope(np.log1p(like(a, lmbda)), lmbda),
)

inv_boxcox = special_op(
    "inv_boxcox",
    "Inverse of the Box-Cox transform, (1 + lmbda a)^(1 / lmbda), at lmbda = 0 its limit e^a.",
    r"(1 + {lmbda} {a})^{1 / {lmbda}}",
    {
        "a": r"\frac{{out}}{1 + {lmbda} {a}}",
        "lmbda": r"-\frac{{out} {a}^2}{2} {}_2F_1(2, 2; 3; -{lmbda} {a})",
    },
    [*_POSITIVE, Sample(Array(3, low=0.3), 0.5), Sample(0.7, Array(3, low=0.1))],
).vjp(
    a=lambda g, a, lmbda, out: g * (out / (lmbda * a + 1)),
    lmbda=lambda g, a, lmbda, out: g * (out * _inv_boxcox_slope(a, lmbda)),
)

inv_boxcox1p = special_op(
    "inv_boxcox1p",
    "Inverse of the Box-Cox transform of 1 + a, (1 + lmbda a)^(1 / lmbda) - 1, at lmbda = 0 its limit e^a - 1.",
    r"(1 + {lmbda} {a})^{1 / {lmbda}} - 1",
    {
        "a": r"\frac{{out} + 1}{1 + {lmbda} {a}}",
        "lmbda": r"-\frac{({out} + 1) {a}^2}{2} {}_2F_1(2, 2; 3; -{lmbda} {a})",
    },
    [*_POSITIVE, Sample(Array(3, low=0.3), 0.5), Sample(0.7, Array(3, low=0.1))],
).vjp(
    a=lambda g, a, lmbda, out: g * ((out + 1) / (lmbda * a + 1)),
    lmbda=lambda g, a, lmbda, out: g * ((out + 1) * _inv_boxcox_slope(a, lmbda)),
)


def _boxcox_slope(log: Any, lmbda: Any) -> Any:
    """The derivative in lmbda, log^2 times the integral of t e^(t u) with u = lmbda log: no cancellation at 0."""
    return log * log * exprel_slope(lmbda * log)


def _inv_boxcox_slope(a: Any, lmbda: Any) -> Any:
    """The derivative of ln(1 + lmbda a) / lmbda in lmbda."""
    return hyp2f1(2.0, 2.0, 3.0, -lmbda * a) * (a * a * -0.5)


powm1 = special_op(
    "powm1",
    "Power less one, a^b - 1, precise where it is near 0. The derivative in b at a = 0 is 0.",
    "{a}^{{b}} - 1",
    {"a": r"{b} {a}^{{b} - 1}", "b": r"({out} + 1) \ln {a}"},
    _POSITIVE,
).vjp(
    a=lambda g, a, b: g * (b * np.where((a == 0) & (b == 0), np.ones_like(a), a) ** (b - 1)),
    b=lambda g, a, b, out: g * ((out + 1) * np.log(np.where(a == 0, np.ones_like(b), a))),
)


def huber_loss(delta: Any, r: Any) -> Any:
    """SciPy's `huber`: r^2 / 2 where abs(r) <= delta, delta (abs(r) - delta / 2) beyond, infinite for delta < 0."""
    cut = np.clip(r, -delta, delta)
    return np.where(delta < 0, np.inf, cut * (r - cut * 0.5))


def pseudo_huber(delta: Any, r: Any) -> Any:
    """SciPy's `pseudo_huber`, delta^2 (sqrt(1 + (r / delta)^2) - 1), infinite for delta < 0 and 0 for delta = 0."""
    flat = delta <= 0
    safe = np.where(flat, np.ones_like(r), delta)
    ratio = r / safe
    out = np.where(flat, 0, r * r / (np.sqrt(ratio * ratio + 1) + 1))
    return np.where(delta < 0, np.inf, out)


registry.special |= {"huber": huber_loss, "pseudo_huber": pseudo_huber}
