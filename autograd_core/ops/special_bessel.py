"""Bessel functions and relatives. Orders are constants.

Derivatives: NIST Digital Library of Mathematical Functions, 9.2, 10.6, 10.29, 10.51, 10.63 and 11.4.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..operator import Array, Sample, op, registry
from ._special import between, special, special_op, whole

__all__ = ["sinc", "spherical_jn"]

j0 = special_op(
    "j0",
    "Bessel function of the first kind of order 0.",
    "J_0({a})",
    {"a": "-J_1({a})"},
    between(-3, 3),
).vjp(a=lambda g, a: -g * special("j1")(a))

j1 = special_op(
    "j1",
    "Bessel function of the first kind of order 1.",
    "J_1({a})",
    {"a": r"\frac{1}{2} (J_0({a}) - J_2({a}))"},
    [*between(-3, 3), Sample(np.array([0.0, 1.0]))],
).vjp(a=lambda g, a: g * ((special("j0")(a) - special("jv")(2.0, a)) * 0.5))

jv = special_op(
    "jv",
    "Bessel function of the first kind of order v, a constant.",
    "J_{{v}}({a})",
    {"a": r"\frac{1}{2} (J_{{v} - 1}({a}) - J_{{v} + 1}({a}))"},
    [*between(0.5, 3, 1.5), *between(-3, 3, 2)],
    statics=("v",),
).vjp(a=lambda g, a, v: g * ((special("jv")(v - 1, a) - special("jv")(v + 1, a)) * 0.5))

y0 = special_op(
    "y0",
    "Bessel function of the second kind of order 0.",
    "Y_0({a})",
    {"a": "-Y_1({a})"},
    between(0.5, 3),
).vjp(a=lambda g, a: -g * special("y1")(a))

y1 = special_op(
    "y1",
    "Bessel function of the second kind of order 1.",
    "Y_1({a})",
    {"a": r"\frac{1}{2} (Y_0({a}) - Y_2({a}))"},
    between(0.5, 3),
).vjp(a=lambda g, a: g * ((special("y0")(a) - special("yv")(2.0, a)) * 0.5))

yv = special_op(
    "yv",
    "Bessel function of the second kind of order v, a constant.",
    "Y_{{v}}({a})",
    {"a": r"\frac{1}{2} (Y_{{v} - 1}({a}) - Y_{{v} + 1}({a}))"},
    between(0.5, 3, 1.5),
    statics=("v",),
).vjp(a=lambda g, a, v: g * ((special("yv")(v - 1, a) - special("yv")(v + 1, a)) * 0.5))

i0 = special_op(
    "i0",
    "Modified Bessel function of the first kind of order 0.",
    "I_0({a})",
    {"a": "I_1({a})"},
    between(-3, 3),
).vjp(a=lambda g, a: g * special("i1")(a))

i1 = special_op(
    "i1",
    "Modified Bessel function of the first kind of order 1.",
    "I_1({a})",
    {"a": r"\frac{1}{2} (I_0({a}) + I_2({a}))"},
    [*between(-3, 3), Sample(np.array([0.0, 1.0]))],
).vjp(a=lambda g, a: g * ((special("i0")(a) + special("iv")(2.0, a)) * 0.5))

iv = special_op(
    "iv",
    "Modified Bessel function of the first kind of order v, a constant.",
    "I_{{v}}({a})",
    {"a": r"\frac{1}{2} (I_{{v} - 1}({a}) + I_{{v} + 1}({a}))"},
    [*between(0.5, 3, 1.5), *between(-3, 3, 2)],
    statics=("v",),
).vjp(a=lambda g, a, v: g * ((special("iv")(v - 1, a) + special("iv")(v + 1, a)) * 0.5))

i0e = special_op(
    "i0e",
    "Scaled modified Bessel function, e^-|a| I_0(a); its subgradient at 0 is 0.",
    "e^{-|{a}|} I_0({a})",
    {"a": r"e^{-|{a}|} I_1({a}) - \operatorname{sign}({a}) {out}"},
    [*between(0.3, 3), *between(-3, -0.3)],
).vjp(a=lambda g, a, out: g * (special("i1e")(a) - np.sign(a) * out))

i1e = special_op(
    "i1e",
    "Scaled modified Bessel function, e^-|a| I_1(a).",
    "e^{-|{a}|} I_1({a})",
    {"a": r"\frac{1}{2} e^{-|{a}|} (I_0({a}) + I_2({a})) - \operatorname{sign}({a}) {out}"},
    [*between(0.3, 3), *between(-3, -0.3)],
).vjp(a=lambda g, a, out: g * ((special("i0e")(a) + special("ive")(2.0, a)) * 0.5 - np.sign(a) * out))

ive = special_op(
    "ive",
    "Scaled modified Bessel function, e^-|a| I_v(a); v is a constant.",
    "e^{-|{a}|} I_{{v}}({a})",
    {"a": r"\frac{1}{2} e^{-|{a}|} (I_{{v} - 1}({a}) + I_{{v} + 1}({a})) - \operatorname{sign}({a}) {out}"},
    between(0.5, 3, 1.5),
    statics=("v",),
).vjp(a=lambda g, a, out, v: g * ((special("ive")(v - 1, a) + special("ive")(v + 1, a)) * 0.5 - np.sign(a) * out))

k0 = special_op(
    "k0",
    "Modified Bessel function of the second kind of order 0.",
    "K_0({a})",
    {"a": "-K_1({a})"},
    between(0.5, 3),
).vjp(a=lambda g, a: -g * special("k1")(a))

k1 = special_op(
    "k1",
    "Modified Bessel function of the second kind of order 1.",
    "K_1({a})",
    {"a": r"-\frac{1}{2} (K_0({a}) + K_2({a}))"},
    between(0.5, 3),
).vjp(a=lambda g, a: g * ((special("k0")(a) + special("kv")(2.0, a)) * -0.5))

kv = special_op(
    "kv",
    "Modified Bessel function of the second kind of order v, a constant.",
    "K_{{v}}({a})",
    {"a": r"-\frac{1}{2} (K_{{v} - 1}({a}) + K_{{v} + 1}({a}))"},
    between(0.5, 3, 1.5),
    statics=("v",),
).vjp(a=lambda g, a, v: g * ((special("kv")(v - 1, a) + special("kv")(v + 1, a)) * -0.5))

k0e = special_op(
    "k0e",
    "Scaled modified Bessel function, e^a K_0(a).",
    "e^{{a}} K_0({a})",
    {"a": "{out} - e^{{a}} K_1({a})"},
    between(0.5, 3),
).vjp(a=lambda g, a, out: g * (out - special("k1e")(a)))

k1e = special_op(
    "k1e",
    "Scaled modified Bessel function, e^a K_1(a).",
    "e^{{a}} K_1({a})",
    {"a": r"{out} - \frac{1}{2} e^{{a}} (K_0({a}) + K_2({a}))"},
    between(0.5, 3),
).vjp(a=lambda g, a, out: g * (out - (special("k0e")(a) + special("kve")(2.0, a)) * 0.5))

kve = special_op(
    "kve",
    "Scaled modified Bessel function, e^a K_v(a); v is a constant.",
    "e^{{a}} K_{{v}}({a})",
    {"a": r"{out} - \frac{1}{2} e^{{a}} (K_{{v} - 1}({a}) + K_{{v} + 1}({a}))"},
    between(0.5, 3, 1.5),
    statics=("v",),
).vjp(a=lambda g, a, out, v: g * (out - (special("kve")(v - 1, a) + special("kve")(v + 1, a)) * 0.5))

struve = special_op(
    "struve",
    "Struve function of order v, a constant.",
    r"\mathbf{H}_{{v}}({a})",
    {"a": r"\mathbf{H}_{{v} - 1}({a}) - \frac{{v}}{{a}} {out}"},
    between(0.5, 3, 1.5),
    statics=("v",),
).vjp(a=lambda g, a, out, v: g * (special("struve")(v - 1, a) - out / a * v))

modstruve = special_op(
    "modstruve",
    "Modified Struve function of order v, a constant.",
    r"\mathbf{L}_{{v}}({a})",
    {"a": r"\mathbf{L}_{{v} - 1}({a}) - \frac{{v}}{{a}} {out}"},
    between(0.5, 3, 1.5),
    statics=("v",),
).vjp(a=lambda g, a, out, v: g * (special("modstruve")(v - 1, a) - out / a * v))


# -- Kelvin's and Airy's functions -------------------------------------------------------------------------------------


def _kelvin(name: str, other: str, sign: int, second: bool) -> Any:
    """One of ber, bei, ker, kei, or of their first derivatives, which (a w')' = i a w leads back to them."""
    base = name[:3]
    derivative = rf"\operatorname{{{base}}}' {{a}}"
    if second:
        sign_latex = "-" if sign < 0 else ""
        derivative = rf"{sign_latex}\operatorname{{{other}}} {{a}} - \frac{{{{out}}}}{{{{a}}}}"
    declared = special_op(
        name,
        f"Kelvin function {base}{', its first derivative' if second else ''}.",
        rf"\operatorname{{{base}}}{chr(39) if second else ''} {{a}}",
        {"a": derivative},
        between(0.5, 3),
    )
    if second:
        return declared.vjp(a=lambda g, a, out: g * (special(other)(a) * sign - out / a))
    return declared.vjp(a=lambda g, a: g * special(other)(a))


for _name in ("ber", "bei", "ker", "kei"):
    _kelvin(_name, f"{_name}p", 1, False)
for _name, _other, _sign in (("berp", "bei", -1), ("beip", "ber", 1), ("kerp", "kei", -1), ("keip", "ker", 1)):
    _kelvin(_name, _other, _sign, True)


def _airy(name: str, index: int, latex: str, derivative: str) -> Any:
    return special_op(
        "airy",
        f"Airy function {name}, one of the outputs of SciPy's `airy`.",
        latex,
        {"a": derivative},
        between(-2, 2),
        own_name=f"airy_{name.lower()}",
        output=index,
    )


airy_ai = _airy("Ai", 0, r"\operatorname{Ai} {a}", r"\operatorname{Ai}' {a}")
airy_aip = _airy("Aip", 1, r"\operatorname{Ai}' {a}", r"{a} \operatorname{Ai} {a}")
airy_bi = _airy("Bi", 2, r"\operatorname{Bi} {a}", r"\operatorname{Bi}' {a}")
airy_bip = _airy("Bip", 3, r"\operatorname{Bi}' {a}", r"{a} \operatorname{Bi} {a}")
airy_ai.vjp(a=lambda g, a: g * airy_aip(a))
airy_aip.vjp(a=lambda g, a: g * (airy_ai(a) * a))
airy_bi.vjp(a=lambda g, a: g * airy_bip(a))
airy_bip.vjp(a=lambda g, a: g * (airy_bi(a) * a))


# -- spherical Bessel functions and sinc -------------------------------------------------------------------------------


@op(
    "elementwise",
    operands=("z",),
    symbol="j",
    latex="j_{{n}}({z})",
    derivative={"z": r"\frac{{n} j_{{n} - 1}({z}) - ({n} + 1) j_{{n} + 1}({z})}{2 {n} + 1}"},
    samples=[Sample(n, Array(4, low=-3)) for n in (0, 1, 2)] + [Sample(1, np.array([0.0, 1e-9, 0.3]))],
)
def spherical_jn(n: int, z: Any) -> Any:
    """Spherical Bessel function of the first kind of order n, sqrt(pi / (2 z)) J_(n + 1/2)(z); n is an integer >= 0."""
    size = np.abs(z)
    zero = size == 0
    safe = np.where(zero, np.ones_like(size), size)
    value = np.where(zero, float(n == 0), special("jv")(n + 0.5, safe) * np.sqrt((math.pi / 2) / safe))
    return value * np.sign(z) if n % 2 else value


def _spherical_slope(n: int, z: Any) -> Any:
    after = spherical_jn(n + 1, z) * ((n + 1) / (2 * n + 1))
    return spherical_jn(n - 1, z) * (n / (2 * n + 1)) - after if n else -after


spherical_jn.vjp(z=lambda g, z, n: g * _spherical_slope(n, z))


@op(
    "elementwise",
    numpy=np.sinc,
    latex=r"\operatorname{sinc} {a}",
    derivative={"a": r"-\pi j_1(\pi {a})"},
    samples=[Sample(Array(5)), Sample(np.array([0.0, 1e-9, 1.0]))],
)
def sinc(a: Any) -> Any:
    """Cardinal sine, sin(pi a) / (pi a), 1 at 0; its derivatives have no cancellation at 0."""
    return np.sinc(a)


sinc.vjp(a=lambda g, a: g * (spherical_jn(1, a * math.pi) * -math.pi).astype(a.dtype))  # SciPy's have no float16


@registry.function(np.i0)
def _numpy_i0(x: Any) -> Any:
    """`special.i0` in NumPy's dtypes: it keeps float16."""
    return i0(x).astype(x.dtype) if x.dtype == np.float16 else i0(x)


registry.special |= {
    "kn": lambda n, a: kv(whole(n), a),
    "yn": lambda n, a: yv(whole(n), a),
    "jve": jv,  # of real numbers they are the same
    "yve": yv,
    "airy": lambda a: (airy_ai(a), airy_aip(a), airy_bi(a), airy_bip(a)),
}
