"""Gamma, beta and zeta functions, and the distribution functions that are made of their incomplete forms.

Derivatives: NIST Digital Library of Mathematical Functions, chapters 5, 8 and 25.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..operator import Array, Sample, registry
from ._special import between, special, special_op, whole

__all__ = ["betainc", "gammainc", "gammaincc", "multigammaln", "polygamma", "zeta"]

_PAIRS = [Sample(Array(3, 4, low=0.5, high=3), Array(4, low=0.5, high=3))]


def _digamma(a: Any) -> Any:
    return special("psi")(a)


gamma = special_op(
    "gamma",
    "Gamma function, the integral of t^(a-1) e^-t over t > 0.",
    r"\Gamma({a})",
    {"a": r"{out} \psi({a})"},
    [*between(0.5, 3), *between(-0.9, -0.1)],
).vjp(a=lambda g, a, out: g * (out * _digamma(a)))

gammaln = special_op(
    "gammaln",
    "Logarithm of the absolute value of the gamma function.",
    r"\ln |\Gamma({a})|",
    {"a": r"\psi({a})"},
    [*between(0.5, 3), *between(-0.9, -0.1)],
).vjp(a=lambda g, a: g * _digamma(a))

loggamma = special_op(
    "loggamma",
    "Logarithm of the gamma function, of a > 0.",
    r"\ln \Gamma({a})",
    {"a": r"\psi({a})"},
    between(0.5, 3),
).vjp(a=lambda g, a: g * _digamma(a))

rgamma = special_op(
    "rgamma",
    "Reciprocal of the gamma function, 0 at its poles, where the derivative (finite) is given as NaN.",
    r"\frac{1}{\Gamma({a})}",
    {"a": r"-{out} \psi({a})"},
    [*between(0.5, 3), *between(-0.9, -0.1)],
).vjp(a=lambda g, a, out: -g * (out * _digamma(a)))

gammasgn = special_op(
    "gammasgn",
    "Sign of the gamma function. Its gradient is zero.",
    r"\operatorname{sign} \Gamma({a})",
    {"a": "0"},
    [*between(0.5, 3), *between(-0.9, -0.1)],
).vjp(a=lambda g: g * 0)

zeta = special_op(
    "_zeta",
    "Hurwitz's zeta function, the sum of 1 / (a + k)^s over k >= 0; the exponent s is a constant.",
    r"\zeta({s}, {a})",
    {"a": r"-{s} \zeta({s} + 1, {a})"},
    between(0.5, 3, 2.5),
    statics=("s",),
    own_name="zeta",
).vjp(a=lambda g, a, s: g * (special("_zeta")(s + 1, a) * -s))

digamma = special_op(
    "psi",
    "Digamma function, the derivative of ln gamma(a).",
    r"\psi({a})",
    {"a": r"\zeta(2, {a})"},
    [*between(0.5, 3), *between(-0.9, -0.1)],
    own_name="digamma",
).vjp(a=lambda g, a: g * _trigamma(a))


def _trigamma(a: Any) -> Any:
    """The sum of 1 / (a + k)^2. SciPy's zeta is for a > 0; to the left, psi'(1 - a) + psi'(a) = (pi / sin(pi a))^2."""
    if not np.any(a <= 0):
        return special("_zeta")(2.0, a)
    left = a <= 0
    sine = np.sin(np.where(left, a, 0.5) * math.pi)
    zeta_ = special("_zeta")(2.0, np.where(left, 1 - a, a))
    return np.where(left, (math.pi / sine) ** 2 - zeta_, zeta_)


def polygamma(n: int, x: Any) -> Any:
    """The n-th derivative of the digamma function, (-1)^(n+1) n! zeta(n + 1, x), of x > 0; n is one integer."""
    n = int(n)
    return special("psi")(x) if n == 0 else special("_zeta")(n + 1.0, x) * float((-1) ** (n + 1) * math.factorial(n))


def multigammaln(a: Any, d: int) -> Any:
    """Logarithm of the multivariate gamma function, the sum of gammaln(a - i/2) over i < d and d (d-1) / 4 ln(pi)."""
    d = int(d)
    total = special("gammaln")(a) + d * (d - 1) / 4 * math.log(math.pi)
    for i in range(1, d):
        total = total + special("gammaln")(a - i / 2)
    return total


beta = special_op(
    "beta",
    "Beta function, gamma(a) gamma(b) / gamma(a + b).",
    r"B({a}, {b})",
    {"a": r"{out} (\psi({a}) - \psi({a} + {b}))", "b": r"{out} (\psi({b}) - \psi({a} + {b}))"},
    _PAIRS,
).vjp(
    a=lambda g, a, b, out: g * (out * (_digamma(a) - _digamma(a + b))),
    b=lambda g, a, b, out: g * (out * (_digamma(b) - _digamma(a + b))),
)

betaln = special_op(
    "betaln",
    "Logarithm of the absolute value of the beta function.",
    r"\ln |B({a}, {b})|",
    {"a": r"\psi({a}) - \psi({a} + {b})", "b": r"\psi({b}) - \psi({a} + {b})"},
    _PAIRS,
).vjp(
    a=lambda g, a, b: g * (_digamma(a) - _digamma(a + b)),
    b=lambda g, a, b: g * (_digamma(b) - _digamma(a + b)),
)

binom = special_op(
    "binom",
    "Binomial coefficient of real numbers, gamma(n + 1) / (gamma(k + 1) gamma(n - k + 1)).",
    r"\binom{{n}}{{k}}",
    {
        "n": r"{out} (\psi({n} + 1) - \psi({n} - {k} + 1))",
        "k": r"{out} (\psi({n} - {k} + 1) - \psi({k} + 1))",
    },
    [Sample(Array(3, 4, low=2.1, high=4.9), Array(4, low=0.3, high=1.9))],
).vjp(
    n=lambda g, n, k, out: g * (out * (_digamma(n + 1) - _digamma(n - k + 1))),
    k=lambda g, n, k, out: g * (out * (_digamma(n - k + 1) - _digamma(k + 1))),
)

poch = special_op(
    "poch",
    "Pochhammer's symbol, gamma(a + m) / gamma(a).",
    r"({a})_{{m}}",
    {"a": r"{out} (\psi({a} + {m}) - \psi({a}))", "m": r"{out} \psi({a} + {m})"},
    _PAIRS,
).vjp(
    a=lambda g, a, m, out: g * (out * (_digamma(a + m) - _digamma(a))),
    m=lambda g, a, m, out: g * (out * _digamma(a + m)),
)

# -- incomplete functions: their parameters are constants --------------------------------------------------------------


def _gamma_density(a: Any, x: Any) -> Any:
    """x^(a - 1) e^-x / gamma(a): by the logarithm beyond 1, where the power may overflow; near 0 that has no slope."""
    near = x < 1
    rest = -x - _number(special("gammaln")(a), x)
    power = np.where(near, x, 1) ** (a - 1)
    return power * np.exp(np.log(np.where(near, 1, x)) * (a - 1) + rest)


def _beta_density(a: Any, b: Any, x: Any) -> Any:
    return np.exp((a - 1) * np.log(x) + (b - 1) * np.log1p(-x) - _number(special("betaln")(a, b), x))


def _number(x: Any, beside: Any) -> Any:
    """What static arguments give, which must not decide the dtype."""
    return float(x) if isinstance(x, np.generic) else x


gammainc = special_op(
    "gammainc",
    "Regularized lower incomplete gamma function P(a, x); a is a constant.",
    r"P({a}, {x})",
    {"x": r"\frac{{x}^{{a} - 1} e^{-{x}}}{\Gamma({a})}"},
    [*between(0.3, 3, 1.7), *between(0.3, 3, 0.4)],
    statics=("a",),
).vjp(x=lambda g, x, a: g * _gamma_density(a, x))

gammaincc = special_op(
    "gammaincc",
    "Regularized upper incomplete gamma function Q(a, x) = 1 - P(a, x); a is a constant.",
    r"Q({a}, {x})",
    {"x": r"-\frac{{x}^{{a} - 1} e^{-{x}}}{\Gamma({a})}"},
    [*between(0.3, 3, 1.7), *between(0.3, 3, 0.4)],
    statics=("a",),
).vjp(x=lambda g, x, a: -g * _gamma_density(a, x))

gammaincinv = special_op(
    "gammaincinv",
    "Inverse in x of P(a, x); a is a constant.",
    r"P^{-1}({a}, {y})",
    {"y": r"\Gamma({a}) {out}^{1 - {a}} e^{{out}}"},
    between(0.1, 0.9, 1.7),
    statics=("a",),
).vjp(y=lambda g, out, a: g / _gamma_density(a, out))

gammainccinv = special_op(
    "gammainccinv",
    "Inverse in x of Q(a, x); a is a constant.",
    r"Q^{-1}({a}, {y})",
    {"y": r"-\Gamma({a}) {out}^{1 - {a}} e^{{out}}"},
    between(0.1, 0.9, 1.7),
    statics=("a",),
).vjp(y=lambda g, out, a: -g / _gamma_density(a, out))

betainc = special_op(
    "betainc",
    "Regularized incomplete beta function I_x(a, b); a and b are constants.",
    r"I_{{x}}({a}, {b})",
    {"x": r"\frac{{x}^{{a} - 1} (1 - {x})^{{b} - 1}}{B({a}, {b})}"},
    [*between(0.2, 0.8, 1.7, 2.3), *between(0.2, 0.8, 0.6, 0.8)],
    statics=("a", "b"),
).vjp(x=lambda g, x, a, b: g * _beta_density(a, b, x))

betaincc = special_op(
    "betaincc",
    "Complement of the regularized incomplete beta function, 1 - I_x(a, b); a and b are constants.",
    r"1 - I_{{x}}({a}, {b})",
    {"x": r"-\frac{{x}^{{a} - 1} (1 - {x})^{{b} - 1}}{B({a}, {b})}"},
    between(0.2, 0.8, 1.7, 2.3),
    statics=("a", "b"),
).vjp(x=lambda g, x, a, b: -g * _beta_density(a, b, x))

betaincinv = special_op(
    "betaincinv",
    "Inverse in x of I_x(a, b); a and b are constants.",
    r"I^{-1}_{{y}}({a}, {b})",
    {"y": r"\frac{B({a}, {b})}{{out}^{{a} - 1} (1 - {out})^{{b} - 1}}"},
    between(0.2, 0.8, 1.7, 2.3),
    statics=("a", "b"),
).vjp(y=lambda g, out, a, b: g / _beta_density(a, b, out))

betainccinv = special_op(
    "betainccinv",
    "Inverse in x of 1 - I_x(a, b); a and b are constants.",
    r"I^{-1}_{1 - {y}}({a}, {b})",
    {"y": r"-\frac{B({a}, {b})}{{out}^{{a} - 1} (1 - {out})^{{b} - 1}}"},
    between(0.2, 0.8, 1.7, 2.3),
    statics=("a", "b"),
).vjp(y=lambda g, out, a, b: -g / _beta_density(a, b, out))

stdtr = special_op(
    "stdtr",
    "Distribution function of Student's t; df, the degrees of freedom, is a constant.",
    r"F_{{df}}({t})",
    {"t": r"\frac{(1 + {t}^2 / {df})^{-({df} + 1) / 2}}{\sqrt{{df}} B({df} / 2, 1 / 2)}"},
    between(-2, 2, 3.5),
    statics=("df",),
).vjp(t=lambda g, t, df: g * _student_density(df, t))

stdtrit = special_op(
    "stdtrit",
    "Quantile of Student's t, the inverse of `stdtr` in t; df is a constant.",
    r"F^{-1}_{{df}}({p})",
    {"p": r"\sqrt{{df}} B({df} / 2, 1 / 2) (1 + {out}^2 / {df})^{({df} + 1) / 2}"},
    between(0.1, 0.9, 3.5),
    statics=("df",),
).vjp(p=lambda g, out, df: g / _student_density(df, out))


def _student_density(df: Any, t: Any) -> Any:
    scale = _number(df**-0.5 / special("beta")(df * 0.5, 0.5), t)
    return (t * t / df + 1) ** ((df + 1) * -0.5) * scale


# Distribution functions: SciPy's own are these incomplete functions.


def _binomial(k: Any, n: Any, p: Any, tail: Any, at_all: float, before_any: float) -> Any:
    """Up to k (or more than k) of n successes. As in SciPy k may have a fraction, which is left out, and n one, too.

    Constant in p for k = n and for k < 0; NaN for k > n, and where SciPy gives NaN for k < 0.
    """
    k, n = np.floor(k), whole(n)
    inside = (k >= 0) & (k < n)
    outside = np.where(inside, 0, np.where(k < 0, before_any, np.where(k == n, at_all, np.nan)))
    value = tail(np.where(inside, k + 1, 1), np.where(inside, n - k, 1), p)
    nothing = np.isnan(outside)  # its derivative is NaN, too
    constant = p * np.where(nothing, np.nan, 0) + np.where(nothing, 0, outside)
    return np.where(inside, value, np.astype(constant, value.dtype))


registry.special |= {
    "chdtr": lambda v, x: gammainc(v * 0.5, x * 0.5),
    "chdtrc": lambda v, x: gammaincc(v * 0.5, x * 0.5),
    "chdtri": lambda v, p: gammainccinv(v * 0.5, p) * 2,
    "gdtr": lambda a, b, x: gammainc(b, a * x),
    "gdtrc": lambda a, b, x: gammaincc(b, a * x),
    "fdtr": lambda dfn, dfd, x: betainc(dfn * 0.5, dfd * 0.5, dfn * x / (dfn * x + dfd)),
    "fdtrc": lambda dfn, dfd, x: betaincc(dfn * 0.5, dfd * 0.5, dfn * x / (dfn * x + dfd)),
    "pdtr": lambda k, m: gammaincc(np.floor(k) + 1, m),
    "pdtrc": lambda k, m: gammainc(np.floor(k) + 1, m),
    "bdtr": lambda k, n, p: _binomial(k, n, p, betaincc, 1.0, np.nan),
    "bdtrc": lambda k, n, p: _binomial(k, n, p, betainc, 0.0, 1.0),
    "nbdtr": lambda k, n, p: betainc(whole(n), whole(k) + 1, p),
    "nbdtrc": lambda k, n, p: betaincc(whole(n), whole(k) + 1, p),
}
