"""Exponentials and their relatives as plain arithmetic, which LLVM can vectorize.

Numba's own exp, tanh, log call the C library element by element, which is 30 to 70 times slower than NumPy's
vectorized loops. Here: range reduction, polynomial, choice by selects.

Coefficients of exp, log, tanh, erf: S. L. Moshier's Cephes mathematical library (expf.c, logf.c, tanhf.c, ndtrf.c,
exp.c, log.c, tanh.c). Those of Mills' ratio: `ops/activations.py`.
"""

from __future__ import annotations

import math

import numpy as np

from .scalars import bits, inlined

__all__ = [
    "erf_float32",
    "exp_float32",
    "exp_float64",
    "expit_float32",
    "expit_float64",
    "expm1_float32",
    "log1p_float32",
    "log_float32",
    "log_float64",
    "ndtr_float32",
    "tanh_float32",
    "tanh_float64",
]

float32, float64, int32, int64 = np.float32, np.float64, np.int32, np.int64
inf = math.inf

# -- float32 -----------------------------------------------------------------------------------------------------------


@inlined("contract")
def _exp_reduced_float32(x):  # type: ignore[no-untyped-def]
    """(k, e^r - 1) with x = k ln 2 + r, |r| <= ln(2) / 2, for |x| < 2^20."""
    shifted = x * float32(1.44269504088896341) + float32(12582912.0)  # 1.5 * 2^23: the sum is rounded to an integer
    n = shifted - float32(12582912.0)
    r = (x - n * float32(0.693359375)) - n * float32(-2.12194440e-4)
    p = float32(1.9875691500e-4)
    p = p * r + float32(1.3981999507e-3)
    p = p * r + float32(8.3334519073e-3)
    p = p * r + float32(4.1665795894e-2)
    p = p * r + float32(1.6666665459e-1)
    p = p * r + float32(5.0000001201e-1)
    return int32(bits(shifted) - int32(0x4B400000)), p * (r * r) + r


@inlined()
def exp_float32(x):  # type: ignore[no-untyped-def]
    """e^x, relative error 1e-7; subnormal results, 0, infinity and NaN as they should be."""
    k, p = _exp_reduced_float32(min(max(x, float32(-104)), float32(89)))
    half = int32(k >> int32(1))  # 2^k in two factors: the result may be subnormal
    first = bits(int32((half + int32(127)) << int32(23)))
    second = bits(int32((k - half + int32(127)) << int32(23)))
    return x if x != x else (p + float32(1)) * first * second


@inlined("contract")
def expm1_float32(x):  # type: ignore[no-untyped-def]
    """e^x - 1 without cancellation at 0."""
    k, p = _exp_reduced_float32(min(max(x, float32(-20)), float32(89)))
    half = int32(k >> int32(1))
    first = bits(int32((half + int32(127)) << int32(23)))
    second = bits(int32((k - half + int32(127)) << int32(23)))
    # 2^k (1 + p) - 1; beyond 2^24 the 1 does not count, and 2^k alone might be infinite.
    small = (first * second) * p + (first * second - float32(1))
    large = (p + float32(1)) * first * second
    out = small if x < float32(20) else large
    return x if (x != x) | (x == 0) else out


@inlined("contract")
def _log_float32(x, low):  # type: ignore[no-untyped-def]
    """ln(x + low) for a normal x > 0 and a correction low much smaller than x."""
    # The mantissa m in [sqrt(1/2), sqrt(2)), x = m 2^k.
    i = bits(x)
    k = int32(int32(i - int32(0x3F3504F3)) >> int32(23))
    scale = bits(int32((int32(127) - min(k, int32(100))) << int32(23)))  # where k > 24, low is 0 or does not count
    z = (bits(int32(i - int32(k << int32(23)))) - float32(1)) + low * scale
    p = float32(7.0376836292e-2)
    p = p * z + float32(-1.1514610310e-1)
    p = p * z + float32(1.1676998740e-1)
    p = p * z + float32(-1.2420140846e-1)
    p = p * z + float32(1.4249322787e-1)
    p = p * z + float32(-1.6668057665e-1)
    p = p * z + float32(2.0000714765e-1)
    p = p * z + float32(-2.4999993993e-1)
    p = p * z + float32(3.3333331174e-1)
    square = z * z
    n = float32(k)
    tail = p * z * square + n * float32(-2.12194440e-4) - float32(0.5) * square
    return (z + tail) + n * float32(0.693359375)


@inlined()
def log_float32(x):  # type: ignore[no-untyped-def]
    """Ln x: -infinity at 0, NaN below."""
    tiny = x < float32(1.17549435e-38)
    normal = x * float32(8388608) if tiny else x
    out = _log_float32(normal, float32(0)) - (float32(15.942385) if tiny else float32(0))
    out = out if x < inf else x  # infinity and NaN
    out = float32(-inf) if x == 0 else out
    return float32(math.nan) if x < 0 else out


@inlined()
def log1p_float32(x):  # type: ignore[no-untyped-def]
    """ln(1 + x) with what 1 + x loses put back."""
    u = x + float32(1)
    # Knuth's two-sum, exact in the order in which it is written.
    part = u - x
    low = (x - (u - part)) + (float32(1) - part)
    out = _log_float32(u, low)
    out = out if u < inf else u
    out = float32(-inf) if x == -1 else out
    out = float32(math.nan) if x < -1 else out
    return x if x == 0 else out


@inlined("contract")
def tanh_float32(x):  # type: ignore[no-untyped-def]
    """Tanh x: a polynomial near 0, 1 - 2 / (e^2x + 1) beyond 0.625."""
    z = abs(x)
    s = z * z
    p = float32(-5.70498872745e-3)
    p = p * s + float32(2.06390887954e-2)
    p = p * s + float32(-5.37397155531e-2)
    p = p * s + float32(1.33314422036e-1)
    p = p * s + float32(-3.33332819422e-1)
    near = p * s * x + x
    far = float32(1) - float32(2) / (exp_float32(min(z, float32(10)) * float32(2)) + float32(1))
    far = -far if x < 0 else far
    out = near if z < float32(0.625) else far
    return x if (x != x) | (x == 0) else out


@inlined()
def expit_float32(x):  # type: ignore[no-untyped-def]
    """1 / (1 + e^-x)."""
    return float32(1) / (float32(1) + exp_float32(-x))


@inlined("contract")
def _mills_float32(a):  # type: ignore[no-untyped-def]
    """(1 - Phi(a)) e^(a^2 / 2) for a >= 0."""
    t = float32(1) / (float32(1) + float32(0.23) * a)
    p = float32(-0.07848115814936787)
    p = p * t + float32(0.29048498104498754)
    p = p * t + float32(-0.2782833038061274)
    p = p * t + float32(0.30166476271037357)
    p = p * t + float32(-0.03306343191637895)
    p = p * t + float32(0.11958045555507252)
    p = p * t + float32(0.0857442696488733)
    p = p * t + float32(0.09238135429311889)
    return p * t + float32(-2.795298691788241e-05)


@inlined()
def ndtr_float32(x):  # type: ignore[no-untyped-def]
    """The standard normal distribution function."""
    a = min(abs(x), float32(20))
    tail = exp_float32(a * a * float32(-0.5)) * _mills_float32(a)
    out = float32(1) - tail if x > 0 else tail
    return x if x != x else out


@inlined("contract")
def erf_float32(x):  # type: ignore[no-untyped-def]
    """The error function: a polynomial up to 1, beyond that 1 - 2 (1 - Phi(sqrt(2) x))."""
    z = abs(x)
    s = z * z
    p = float32(7.853861353153693e-5)
    p = p * s + float32(-8.010193625184903e-4)
    p = p * s + float32(5.188327685732524e-3)
    p = p * s + float32(-2.685381193529856e-2)
    p = p * s + float32(1.128358514861418e-1)
    p = p * s + float32(-3.761262582423300e-1)
    near = (p * s + float32(1.128379165726710)) * x
    a = min(z, float32(10))
    far = float32(1) - float32(2) * exp_float32(-a * a) * _mills_float32(a * float32(1.4142135623730951))
    far = -far if x < 0 else far
    out = near if z < float32(1) else far
    return x if (x != x) | (x == 0) else out


# -- float64 -----------------------------------------------------------------------------------------------------------


@inlined("contract")
def exp_float64(x):  # type: ignore[no-untyped-def]
    """e^x, relative error 3e-16; subnormal results, 0, infinity and NaN as they should be."""
    y = min(max(x, -746.0), 710.0)
    shifted = y * 1.4426950408889634073599 + 6755399441055744.0  # 1.5 * 2^52
    n = shifted - 6755399441055744.0
    r = (y - n * 6.93145751953125e-1) - n * 1.42860682030941723212e-6
    s = r * r
    p = r * ((1.26177193074810590878e-4 * s + 3.02994407707441961300e-2) * s + 9.99999999999999999910e-1)
    q = ((3.00198505138664455042e-6 * s + 2.52448340349684104192e-3) * s + 2.27265548208155028766e-1) * s + 2.0
    e = 1.0 + 2.0 * (p / (q - p))
    k = bits(shifted) - int64(0x4338000000000000)
    half = k >> int64(1)
    first = bits((half + int64(1023)) << int64(52))
    second = bits((k - half + int64(1023)) << int64(52))
    return x if x != x else e * first * second


@inlined("contract")
def log_float64(x):  # type: ignore[no-untyped-def]
    """Ln x: -infinity at 0, NaN below."""
    tiny = x < 2.2250738585072014e-308
    y = x * 18014398509481984.0 if tiny else x  # 2^54
    i = bits(y)
    k = (i - int64(0x3FE6A09E667F3BCD)) >> int64(52)
    z = bits(i - (k << int64(52))) - 1.0
    n = float64(k) - (54.0 if tiny else 0.0)
    p = 1.01875663804580931796e-4
    p = p * z + 4.97494994976747001425e-1
    p = p * z + 4.70579119878881725854e0
    p = p * z + 1.44989225341610930846e1
    p = p * z + 1.79368678507819816313e1
    p = p * z + 7.70838733755885391666e0
    q = z + 1.12873587189167450590e1
    q = q * z + 4.52279145837532221105e1
    q = q * z + 8.29875266912776603211e1
    q = q * z + 7.11544750618563894466e1
    q = q * z + 2.31251620126765340583e1
    s = z * z
    tail = z * (s * p / q) - n * 2.121944400546905827679e-4 - 0.5 * s
    out = (z + tail) + n * 0.693359375
    out = out if x < inf else x
    out = -inf if x == 0 else out
    return math.nan if x < 0 else out


@inlined("contract")
def tanh_float64(x):  # type: ignore[no-untyped-def]
    """Tanh x: a rational function near 0, 1 - 2 / (e^2x + 1) beyond 0.625."""
    z = abs(x)
    s = z * z
    p = (-9.64399179425052238628e-1 * s - 9.92877231001918586564e1) * s - 1.61468768441708447952e3
    q = ((s + 1.12811678491632931402e2) * s + 2.23548839060100448583e3) * s + 4.84406305325125486048e3
    near = x + x * (s * p / q)
    far = 1.0 - 2.0 / (exp_float64(min(z, 20.0) * 2.0) + 1.0)
    far = -far if x < 0 else far
    out = near if z < 0.625 else far
    return x if (x != x) | (x == 0) else out


@inlined()
def expit_float64(x):  # type: ignore[no-untyped-def]
    """1 / (1 + e^-x)."""
    return 1.0 / (1.0 + exp_float64(-x))
