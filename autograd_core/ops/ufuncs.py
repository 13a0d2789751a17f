"""NumPy's ufuncs beyond arithmetic: hypot, fmax and fmin, copysign, fmod, angles, and those of integers.

Ufuncs that are compositions of operators (divmod, modf, frexp, float_power, ...) are at the end.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import NoRuleError
from ..errors import where as place
from ..operator import Array, Sample, op, registry
from ..tensor import Tensor
from ._samples import BAD_BROADCAST, binary, unary
from .arithmetic import floor_divide, remainder, trunc
from .exponential import share
from .piecewise import _APART, _cut


@op(
    "elementwise",
    numpy=np.hypot,
    latex=r"\sqrt{{a}^2 + {b}^2}",
    derivative={"a": r"\frac{{a}}{{out}}", "b": r"\frac{{b}}{{out}}"},
    samples=binary(0.5, 2),
    bad=[BAD_BROADCAST],
)
def hypot(a: Any, b: Any) -> Any:
    """Length of the hypotenuse, sqrt(a^2 + b^2) without overflow; its subgradient at the origin is 0."""
    return np.hypot(a, b)


hypot.vjp(
    a=lambda g, a, out: g * (a / np.where(out == 0, np.ones_like(out), out)),
    b=lambda g, b, out: g * (b / np.where(out == 0, np.ones_like(out), out)),
)


def _favoured(g: Any, a: Any, b: Any, better: Any) -> Any:
    """The part of the cotangent that is a's: all where it is better or alone a number, half in a tie or beside NaN."""
    nan_a, nan_b = np.isnan(a), np.isnan(b)
    return np.where((a == b) | (nan_a & nan_b), g * 0.5, np.where(better | (nan_b & ~nan_a), g, 0))


@op(
    "elementwise",
    numpy=np.fmax,
    latex=r"\operatorname{fmax}({a}, {b})",
    derivative={"a": "[{a} > {b}]", "b": "[{b} > {a}]"},
    samples=[*_APART, Sample(np.array([np.nan, 1.0, 0.5]), np.array([2.0, np.nan, 1.5]))],
    bad=[BAD_BROADCAST],
)
def fmax(a: Any, b: Any) -> Any:
    """Larger of two elements, ignoring NaN; a tie shares the gradient equally."""
    return np.fmax(a, b)


fmax.vjp(a=lambda g, a, b: _favoured(g, a, b, a > b), b=lambda g, a, b: _favoured(g, b, a, b > a))


@op(
    "elementwise",
    numpy=np.fmin,
    latex=r"\operatorname{fmin}({a}, {b})",
    derivative={"a": "[{a} < {b}]", "b": "[{b} < {a}]"},
    samples=[*_APART, Sample(np.array([np.nan, 1.0, 0.5]), np.array([2.0, np.nan, 1.5]))],
    bad=[BAD_BROADCAST],
)
def fmin(a: Any, b: Any) -> Any:
    """Smaller of two elements, ignoring NaN; a tie shares the gradient equally."""
    return np.fmin(a, b)


fmin.vjp(a=lambda g, a, b: _favoured(g, a, b, a < b), b=lambda g, a, b: _favoured(g, b, a, b < a))


@op(
    "elementwise",
    numpy=np.copysign,
    latex=r"|{a}| \operatorname{sign} {b}",
    derivative={"a": r"\operatorname{sign} {a} \operatorname{sign} {b}", "b": "0"},
    samples=[
        Sample(Array(3, 4, low=0.2), Array(4, low=-2, high=-0.2)),
        Sample(Array(3, low=-2, high=-0.2), Array(2, 3, low=0.2)),
        Sample(Array(3, low=0.2), -1.0),
        Sample(-2.0, Array(3, low=0.2)),
    ],
    bad=[BAD_BROADCAST],
)
def copysign(a: Any, b: Any) -> Any:
    """A with b's sign; its subgradient in a at 0 is 0, its gradient in b is zero."""
    return np.copysign(a, b)


copysign.vjp(a=lambda g, a, b: g * (np.sign(a) * np.copysign(np.sign(a), b)), b=lambda g: g * 0)


@op(
    "elementwise",
    numpy=np.fmod,
    latex=r"\operatorname{fmod}({a}, {b})",
    derivative={"a": "1", "b": r"-\operatorname{trunc}({a} / {b})"},
    samples=[
        Sample(Array(4, low=2.1, high=2.9), Array(4, low=0.71, high=0.99)),
        Sample(Array(2, 4, low=-2.9, high=-2.1), Array(4, low=0.71, high=0.99)),
        Sample(Array(3, low=2.1, high=2.9), 1.0),
    ],
    bad=[BAD_BROADCAST],
)
def fmod(a: Any, b: Any) -> Any:
    """Remainder with a's sign, a - b * trunc(a / b)."""
    return np.fmod(a, b)


fmod.vjp(a=lambda g: g, b=lambda g, a, b: -g * np.trunc(a / b))


@op(
    "elementwise",
    numpy=np.logaddexp2,
    latex=r"\log_2 (2^{{a}} + 2^{{b}})",
    derivative={"a": "2^{{a} - {out}}", "b": "2^{{b} - {out}}"},
    samples=binary(),
    bad=[BAD_BROADCAST],
)
def logaddexp2(a: Any, b: Any) -> Any:
    """log2(2^a + 2^b) without overflow."""
    return np.logaddexp2(a, b)


_LN2 = math.log(2)

logaddexp2.vjp(a=lambda g, a, b, out: g * share(a, b, out, _LN2), b=lambda g, a, b, out: g * share(b, a, out, _LN2))


@op(
    "elementwise",
    numpy=np.heaviside,
    symbol="step",
    latex=r"[{a} > 0] + {b} [{a} = 0]",
    derivative={"a": "0", "b": "[{a} = 0]"},
    samples=[
        Sample(Array(3, low=0.2), Array(3)),
        Sample(np.array([0, 1, -1, 0], np.int8), Array(4)),
        Sample(np.array([[0], [1]], np.int8), Array(3)),
        Sample(Array(3, low=0.2), 0.5),
    ],
    bad=[BAD_BROADCAST],
)
def heaviside(a: Any, b: Any) -> Any:
    """0 where a < 0, b where a = 0, 1 where a > 0; its gradient in a is zero."""
    return np.heaviside(a, b)


heaviside.vjp(a=lambda g: g * 0, b=lambda g, a: np.where(a == 0, g, 0))


@op(
    "elementwise",
    numpy=np.ldexp,
    operands=("a",),
    latex=r"{a} \cdot 2^{{exponent}}",
    derivative={"a": "2^{{exponent}}"},
    samples=[Sample(Array(3, 4), 3), Sample(Array(3), np.array([[1], [-2]])), Sample(Array(), -1)],
    linear="jointly",
)
def ldexp(a: Any, exponent: Any) -> Any:
    """The product a * 2^exponent, the exponent an integer."""
    return np.ldexp(a, exponent)


ldexp.vjp(a=lambda g, exponent: np.ldexp(g, exponent))


@op(
    "elementwise",
    numpy=np.spacing,
    latex=r"\operatorname{ulp} {a}",
    derivative={"a": "0"},
    samples=[Sample(Array(3, low=1.1, high=1.9)), Sample(Array(2, 2, low=-1.9, high=-1.1))],
)
def spacing(a: Any) -> Any:
    """Distance to the next number of the dtype. Its gradient is zero."""
    return np.spacing(a)


spacing.vjp(a=lambda g: g * 0)


# -- integers and yes or no: cut from the graph -----------------------------------------------------------------------

_NUMBERS = [Sample(np.array([5, 12, -8, 0]), np.array([3, 2, 1, 4])), Sample(np.array([[6], [9]]), 3)]
logical_xor = _cut(np.logical_xor, "⊻", binary())
left_shift = _cut(np.left_shift, "<<", _NUMBERS)
right_shift = _cut(np.right_shift, ">>", _NUMBERS)
gcd = _cut(np.gcd, "gcd", _NUMBERS)
lcm = _cut(np.lcm, "lcm", _NUMBERS)
bitwise_count = _cut(np.bitwise_count, "bits", [Sample(np.array([5, 12, -8, 0]))])


# -- compositions -----------------------------------------------------------------------------------------------------


def _quotient_and_remainder(a: Any, b: Any) -> tuple[Any, Any]:
    return floor_divide(a, b), remainder(a, b)


def _fraction_and_integer(a: Any) -> tuple[Any, Any]:
    """NumPy's `modf`, both parts with a's sign."""
    infinite = np.isinf(a)  # its fraction is 0
    return np.fmod(np.where(infinite, np.copysign(np.zeros_like(a), a), a), 1), trunc(a)


def _mantissa_and_exponent(a: Any) -> tuple[Any, Any]:
    """NumPy's `frexp`: a = mantissa * 2^exponent, where the exponent is an integer and has no gradient."""
    _, exponent = np.frexp(a.data)
    return ldexp(a, -exponent), type(a)(exponent)


def _double(x: Any) -> Any:
    return x.astype(np.result_type(x.dtype, np.float64)) if hasattr(x, "dtype") else x


def _float_power(a: Any, b: Any) -> Any:
    """NumPy's `float_power`: in float64 at least."""
    return np.power(_double(a), _double(b))


def _degrees_to_radians(a: Any) -> Any:
    return a * (math.pi / 180) if a.dtype.kind == "f" else Tensor(np.deg2rad(a.data))


def _radians_to_degrees(a: Any) -> Any:
    return a * (180 / math.pi) if a.dtype.kind == "f" else Tensor(np.rad2deg(a.data))


def _real_only(name: str, a: Any) -> None:
    """Refuses complex tensors, whose cotangent NumPy's conventions would have to decide.

    Raises:
        NoRuleError: the tensor is complex.
    """
    if a.dtype.kind == "c":
        raise NoRuleError(
            f"{name}: only real Tensors have a gradient here, got dtype {a.dtype}; keep real and imaginary parts as "
            f"two Tensors. {place(name)}"
        )


@op(
    "elementwise",
    numpy=np.conjugate,
    latex=r"\overline{{a}}",
    derivative={"a": "1"},
    samples=unary(),
    linear="jointly",
)
def conjugate(a: Any) -> Any:
    """A itself: Tensors with a gradient are real.

    Raises:
        NoRuleError: the tensor is complex.
    """
    _real_only("conjugate", a)
    return np.conjugate(a)


conjugate.vjp(a=lambda g: g)


@registry.function(np.real)
def real(val: Any) -> Any:
    """A itself: Tensors with a gradient are real.

    Raises:
        NoRuleError: the tensor is complex.
    """
    _real_only("real", val)
    return val


@registry.function(np.imag)
def imag(val: Any) -> Any:
    """Zeros: Tensors with a gradient are real.

    Raises:
        NoRuleError: the tensor is complex.
    """
    _real_only("imag", val)
    return val * 0 if val.dtype.kind == "f" else np.zeros_like(val)


@registry.function(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    """0 or, where z < 0, pi (180 with `deg`); recorded with a zero gradient.

    Raises:
        NoRuleError: the tensor is complex.
    """
    _real_only("angle", z)
    z = z if z.dtype.kind == "f" else z.astype(float)
    return np.sign(z) * 0 + np.where(np.signbit(z), 180 if deg else math.pi, 0).astype(z.dtype)


@registry.function(np.real_if_close)
def real_if_close(a: Any, tol: float = 100) -> Any:
    """A itself: Tensors with a gradient are real.

    Raises:
        NoRuleError: the tensor is complex.
    """
    _real_only("real_if_close", a)
    return a


@registry.function(np.fix)
def fix(x: Any) -> Any:
    """Integer part, as a float; recorded with a zero gradient."""
    return trunc(x)


registry.ufunc_compositions |= {
    np.divmod: _quotient_and_remainder,
    np.modf: _fraction_and_integer,
    np.frexp: _mantissa_and_exponent,
    np.float_power: _float_power,
    np.deg2rad: _degrees_to_radians,
    np.radians: _degrees_to_radians,
    np.rad2deg: _radians_to_degrees,
    np.degrees: _radians_to_degrees,
}
