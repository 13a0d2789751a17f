"""Hypergeometric functions and orthogonal polynomials, whose derivatives are of their own kind.

Derivatives: NIST Digital Library of Mathematical Functions, 13.3.15, 15.5.1, 16.3.1 and 18.9.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..operator import Sample, registry
from ._special import between, special, special_op

hyp0f1 = special_op(
    "hyp0f1",
    "Confluent hypergeometric limit function 0F1(; v; z); v is a constant.",
    r"{}_0F_1(; {v}; {z})",
    {"z": r"\frac{1}{{v}} {}_0F_1(; {v} + 1; {z})"},
    [*between(-2, 2, 1.5), *between(0.2, 2, 0.7)],
    statics=("v",),
).vjp(z=lambda g, z, v: g * (special("hyp0f1")(v + 1, z) / v))

hyp1f1 = special_op(
    "hyp1f1",
    "Confluent hypergeometric function 1F1(a; b; z); a and b are constants.",
    r"{}_1F_1({a}; {b}; {z})",
    {"z": r"\frac{{a}}{{b}} {}_1F_1({a} + 1; {b} + 1; {z})"},
    [*between(-2, 2, 2.0, 3.0), *between(0.2, 2, 0.7, 1.4)],
    statics=("a", "b"),
).vjp(z=lambda g, z, a, b: g * (special("hyp1f1")(a + 1, b + 1, z) * (a / b)))

hyp2f1 = special_op(
    "hyp2f1",
    "Gauss's hypergeometric function 2F1(a, b; c; z); a, b and c are constants.",
    r"{}_2F_1({a}, {b}; {c}; {z})",
    {"z": r"\frac{{a} {b}}{{c}} {}_2F_1({a} + 1, {b} + 1; {c} + 1; {z})"},
    [*between(-2, 0.5, 2.0, 2.0, 3.0), *between(-0.8, 0.8, 0.7, 1.4, 2.2)],
    statics=("a", "b", "c"),
).vjp(z=lambda g, z, a, b, c: g * (special("hyp2f1")(a + 1, b + 1, c + 1, z) * (a * b / c)))

hyperu = special_op(
    "hyperu",
    "Tricomi's confluent hypergeometric function U(a, b, z); a and b are constants.",
    r"U({a}, {b}, {z})",
    {"z": r"-{a} U({a} + 1, {b} + 1, {z})"},
    between(0.5, 2, 0.7, 1.4),
    statics=("a", "b"),
).vjp(z=lambda g, z, a, b: g * (special("hyperu")(a + 1, b + 1, z) * -a))

exprel = special_op(
    "exprel",
    "Relative exponential, (e^a - 1) / a, 1 at 0.",
    r"\frac{e^{{a}} - 1}{{a}}",
    {"a": r"\frac{1}{2} {}_1F_1(2; 3; {a})"},
    [*between(-2, 2), Sample(np.array([0.0, 1e-9, -3.0]))],
).vjp(a=lambda g, a: g * exprel_slope(a))


def exprel_slope(a: Any) -> Any:
    """The derivative of (e^a - 1) / a; the series near 0 only, since SciPy's does not end at infinity."""
    near = np.abs(a) <= 1
    series = special("hyp1f1")(2.0, 3.0, np.where(near, a, 0)) * 0.5
    return np.where(near, series, (np.exp(a) - special("exprel")(a)) / np.where(near, 1, a))


spence = special_op(
    "spence",
    "Spence's function, the integral of ln(t) / (1 - t) from 1 to a: the dilogarithm of 1 - a.",
    r"\int_1^{{a}} \frac{\ln t}{1 - t} dt",
    {"a": r"\frac{\ln {a}}{1 - {a}}"},
    [*between(0.2, 2), Sample(np.array([1.0, 0.5]))],
).vjp(a=lambda g, a: -g * special("hyp2f1")(1.0, 1.0, 2.0, 1 - a))

ellipk = special_op(
    "ellipk",
    "Complete elliptic integral of the first kind, of the parameter m = k^2.",
    r"K({a})",
    {"a": r"\frac{\pi}{8} {}_2F_1(\frac{3}{2}, \frac{3}{2}; 2; {a})"},
    between(-0.8, 0.8),
).vjp(a=lambda g, a: g * (special("hyp2f1")(1.5, 1.5, 2.0, a) * (np.pi / 8)))

ellipkm1 = special_op(
    "ellipkm1",
    "Complete elliptic integral of the first kind, of 1 - m.",
    r"K(1 - {a})",
    {"a": r"-\frac{\pi}{8} {}_2F_1(\frac{3}{2}, \frac{3}{2}; 2; 1 - {a})"},
    between(0.2, 1.8),
).vjp(a=lambda g, a: g * (special("hyp2f1")(1.5, 1.5, 2.0, 1 - a) * (-np.pi / 8)))

ellipe = special_op(
    "ellipe",
    "Complete elliptic integral of the second kind, of the parameter m = k^2.",
    r"E({a})",
    {"a": r"-\frac{\pi}{8} {}_2F_1(\frac{1}{2}, \frac{3}{2}; 2; {a})"},
    between(-0.8, 0.8),
).vjp(a=lambda g, a: g * (special("hyp2f1")(0.5, 1.5, 2.0, a) * (-np.pi / 8)))

# -- orthogonal polynomials: the degree and the parameters are constants -----------------------------------------------


def _less(n: Any, constant: tuple[int, ...] = (0,)) -> Any:
    """One degree less, of any real degree; any that exists where the polynomial is constant and the factor 0."""
    if not hasattr(n, "dtype"):  # a NumPy number would decide the dtype
        return 0 if n in constant else n - 1
    return np.where(np.isin(n, constant), 0, n - 1)


def _varies(n: Any, constant: tuple[int, ...] = (0,)) -> Any:
    """Whether the polynomial of degree n is not constant, as a factor."""
    return ~np.isin(n, constant) if hasattr(n, "dtype") else n not in constant


def _mirrored(n: Any, centre: float) -> Any:
    """The degree on the right of the centre that has the same polynomial, but perhaps for its sign."""
    return np.maximum(n, 2 * centre - n) if hasattr(n, "dtype") else max(n, 2 * centre - n)


eval_jacobi = special_op(
    "eval_jacobi",
    "Jacobi polynomial P_n^(alpha, beta)(a).",
    r"P_{{n}}^{({alpha}, {beta})}({a})",
    {"a": r"\frac{{n} + {alpha} + {beta} + 1}{2} P_{{n} - 1}^{({alpha} + 1, {beta} + 1)}({a})"},
    [*between(-0.9, 0.9, 3, 0.5, 1.2), *between(-0.9, 0.9, 0, 0.5, 1.2)],
    statics=("n", "alpha", "beta"),
).vjp(
    a=lambda g, a, n, alpha, beta: (
        g * (special("eval_jacobi")(_less(n), alpha + 1, beta + 1, a) * (0.5 * (n + alpha + beta + 1) * _varies(n)))
    )
)

eval_legendre = special_op(
    "eval_legendre",
    "Legendre polynomial P_n(a).",
    r"P_{{n}}({a})",
    {"a": r"\frac{{n} + 1}{2} P_{{n} - 1}^{(1, 1)}({a})"},
    [*between(-0.9, 0.9, 3), *between(-0.9, 0.9, np.array([[0], [2]], np.float32))],
    statics=("n",),
).vjp(a=lambda g, a, n: g * _legendre_slope(_mirrored(n, -0.5), a))  # P_n is P_(-1-n)


def _legendre_slope(n: Any, a: Any) -> Any:
    return special("eval_jacobi")(_less(n), 1.0, 1.0, a) * _number(0.5 * (n + 1) * _varies(n), a)


eval_chebyt = special_op(
    "eval_chebyt",
    "Chebyshev polynomial of the first kind T_n(a).",
    r"T_{{n}}({a})",
    {"a": r"{n} U_{{n} - 1}({a})"},
    between(-0.9, 0.9, 3),
    statics=("n",),
).vjp(a=lambda g, a, n: g * (special("eval_chebyu")(_less(n), a) * _number(n, a)))

eval_chebyu = special_op(
    "eval_chebyu",
    "Chebyshev polynomial of the second kind U_n(a).",
    r"U_{{n}}({a})",
    {"a": r"2 C_{{n} - 1}^{(2)}({a})"},
    between(-0.9, 0.9, 3),
    statics=("n",),
).vjp(a=lambda g, a, n: g * (_chebyu_slope(_mirrored(n, -1), a) * _number(1 - 2 * (n < -1), a)))  # U_n is -U_(-2-n)


def _chebyu_slope(n: Any, a: Any) -> Any:
    return special("eval_gegenbauer")(_less(n, (0, -1)), 2.0, a) * _number(2 * _varies(n, (0, -1)), a)


eval_gegenbauer = special_op(
    "eval_gegenbauer",
    "Gegenbauer polynomial C_n^(alpha)(a).",
    r"C_{{n}}^{({alpha})}({a})",
    {"a": r"2 {alpha} C_{{n} - 1}^{({alpha} + 1)}({a})"},
    between(-0.9, 0.9, 3, 0.7),
    statics=("n", "alpha"),
).vjp(
    a=lambda g, a, n, alpha: (
        g
        * special("eval_gegenbauer")(_less(n, (0, -1)), alpha + 1, a)
        * _number(2 * alpha * _varies(n, (0, -1)), a)  # C_-1 is 0
    )
)

eval_hermite = special_op(
    "eval_hermite",
    "Physicists' Hermite polynomial H_n(a).",
    r"H_{{n}}({a})",
    {"a": r"2 {n} H_{{n} - 1}({a})"},
    between(-0.9, 0.9, 3),
    statics=("n",),
).vjp(a=lambda g, a, n: g * (special("eval_hermite")(_less(n), a) * _number(2 * n, a)))

eval_hermitenorm = special_op(
    "eval_hermitenorm",
    "Probabilists' Hermite polynomial He_n(a).",
    r"He_{{n}}({a})",
    {"a": r"{n} He_{{n} - 1}({a})"},
    between(-0.9, 0.9, 3),
    statics=("n",),
).vjp(a=lambda g, a, n: g * (special("eval_hermitenorm")(_less(n), a) * _number(n, a)))

eval_genlaguerre = special_op(
    "eval_genlaguerre",
    "Generalized Laguerre polynomial L_n^(alpha)(a).",
    r"L_{{n}}^{({alpha})}({a})",
    {"a": r"-L_{{n} - 1}^{({alpha} + 1)}({a})"},
    between(0.2, 2, 3, 0.7),
    statics=("n", "alpha"),
).vjp(a=lambda g, a, n, alpha: g * (special("eval_genlaguerre")(_less(n), alpha + 1, a) * _number(-1 * _varies(n), a)))

eval_laguerre = special_op(
    "eval_laguerre",
    "Laguerre polynomial L_n(a).",
    r"L_{{n}}({a})",
    {"a": r"-L_{{n} - 1}^{(1)}({a})"},
    between(0.2, 2, 3),
    statics=("n",),
).vjp(a=lambda g, a, n: g * (special("eval_genlaguerre")(_less(n), 1.0, a) * _number(-1 * _varies(n), a)))


def _number(factor: Any, a: Any) -> Any:
    """A factor made of static arguments, which must not decide the dtype."""
    return factor.astype(a.dtype) if isinstance(factor, np.ndarray | np.generic) else factor


registry.special |= {
    "eval_sh_legendre": lambda n, x: eval_legendre(n, x * 2 - 1),
    "eval_sh_chebyt": lambda n, x: eval_chebyt(n, x * 2 - 1),
    "eval_sh_chebyu": lambda n, x: eval_chebyu(n, x * 2 - 1),
    "eval_chebyc": lambda n, x: eval_chebyt(n, x * 0.5) * 2,
    "eval_chebys": lambda n, x: eval_chebyu(n, x * 0.5),
}
