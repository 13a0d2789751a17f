"""Activation functions of neural networks whose gradient as one rule is faster, or more exact, than as a composition.

Masks multiply (`g * (a > 0)`): `np.where` takes ten times as long on a random mask.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..operator import Array, Bad, Sample, op
from ._parts import gated, negative_part, positive_part
from ._samples import BAD_BROADCAST, binary, unary
from ._special import special

_SIDES = [*unary(0.2, 2), *unary(-2, -0.2)]


@op("elementwise", symbol="step", latex=r"[{a} \ge 0]", derivative={"a": "0"}, samples=_SIDES)
def step(a: Any) -> Any:
    """1 where a >= 0 (at 0 too), 0 elsewhere, in a's dtype. Its gradient is zero."""
    return np.greater_equal(a, 0).astype(a.dtype)


step.vjp(a=lambda g: g * 0)


@op(
    "elementwise",
    symbol="leaky relu",
    latex=r"\max(0, {a}) + {negative_slope} \min(0, {a})",
    derivative={"a": "[{a} > 0] + {negative_slope} [{a} \\le 0]"},
    samples=[*_SIDES, Sample(Array(3, low=-2, high=-0.2), 1.5), Sample(Array(4, low=-2, high=-0.2), -0.5)],
)
def leaky_relu(a: Any, negative_slope: float = 0.01) -> Any:
    """A where a > 0, negative_slope * a elsewhere; its subgradient at 0 is negative_slope."""
    choose = np.maximum if negative_slope <= 1 else np.minimum
    return choose(a, a * negative_slope)


def _leaky(g: Any, a: Any, slope: float) -> Any:
    if slope == 0:
        return gated(g, a > 0)
    if 0 < slope <= 1:  # the limited mask is 1 or the slope, exactly
        return g * np.clip((a > 0).astype(g.dtype), slope, 1)
    return gated(g, a > 0) + gated(g, a <= 0) * slope


leaky_relu.vjp(a=lambda g, a, negative_slope: _leaky(g, a, negative_slope))


@op(
    "elementwise",
    symbol="prelu",
    latex=r"\max(0, {a}) + {slope} \min(0, {a})",
    derivative={"a": "[{a} > 0] + {slope} [{a} \\le 0]", "slope": r"\min(0, {a})"},
    samples=[*binary(0.2, 2)[:-1], *binary(-2, -0.2)[:-1]],  # the last has a number for a
    bad=[BAD_BROADCAST],
)
def prelu(a: Any, slope: Any) -> Any:
    """A where a > 0, slope * a elsewhere, broadcast; its subgradient in a at 0 is the slope."""
    return positive_part(a) + slope * negative_part(a)


prelu.vjp(
    a=lambda g, a, slope: gated(g, a > 0) + gated(g, a <= 0) * slope,
    slope=lambda g, a: g * negative_part(a),
)


@op(
    "elementwise",
    symbol="elu",
    latex=r"\max(0, {a}) + {alpha} (e^{\min(0, {a})} - 1)",
    derivative={"a": r"[{a} > 0] + {alpha} e^{{a}} [{a} \le 0]"},
    samples=[
        *_SIDES,
        *(Sample(Array(4, low=low, high=low + 1.8), alpha) for low in (-2, 0.2) for alpha in (1.7, 0.6, -0.5)),
    ],
)
def elu(a: Any, alpha: float = 1.0) -> Any:
    """A where a > 0, alpha (e^a - 1) elsewhere, without overflow; its subgradient at 0 is alpha."""
    return positive_part(a) + alpha * np.expm1(negative_part(a))


def _elu_slope(a: Any, alpha: float) -> Any:
    """1 where a > 0, alpha e^a elsewhere; from the output it would be out + alpha, which cancels far to the left."""
    powers = np.exp(negative_part(a))
    if alpha == 1:
        return powers
    if alpha > 1:  # limited so that the factor is 1 or alpha, exactly
        return powers * np.clip((a <= 0).astype(a.dtype) * alpha, 1, alpha)
    if alpha >= 0:
        return powers * np.clip((a > 0).astype(a.dtype), alpha, 1)
    return powers * alpha * (a <= 0) + (a > 0)


elu.vjp(a=lambda g, a, alpha: g * _elu_slope(a, alpha))


@op(
    "elementwise",
    symbol="hardtanh",
    latex=r"\min({high}, \max({low}, {a}))",
    derivative={"a": "[{low} < {a} < {high}]"},
    samples=[*unary(-0.9, 0.9), *unary(1.1, 2), Sample(Array(4, low=0.6, high=2), 0.1, 3.0)],
)
def hardtanh(a: Any, low: float = -1.0, high: float = 1.0) -> Any:
    """A limited to [low, high]; unlike that of `clip`, its subgradient at the limits is 0."""
    return np.clip(a, low, high)


hardtanh.vjp(a=lambda g, a, low, high: gated(g, (a > low) & (a < high)))


# Mills' ratio of the normal distribution as a polynomial in t = 1 / (1 + 0.23 a), by Lawson's iteration on [0, 14.5]:
# (1 - Phi(a)) e^(a^2 / 2), with a relative error of 5e-8. Highest power first.
_MILLS_T = 0.23
_MILLS = (
    -0.07848115814936787,
    0.29048498104498754,
    -0.2782833038061274,
    0.30166476271037357,
    -0.03306343191637895,
    0.11958045555507252,
    0.0857442696488733,
    0.09238135429311889,
    -2.795298691788241e-05,
)


@op(
    "elementwise",
    special="ndtr",
    symbol="Φ",
    latex=r"\Phi({a})",
    derivative={"a": r"\frac{1}{\sqrt{2 \pi}} e^{-{a}^2 / 2}"},
    samples=unary(),
)
def ndtr(a: Any) -> Any:
    """Distribution function of the standard normal, Phi(a) = (1 + erf(a / sqrt(2))) / 2.

    In float32 by a polynomial of NumPy calls (a quarter of the time of SciPy's scalar loop) to a relative error of
    1e-6, and of 2e-5 at -12, where the rounding of a^2 is amplified; in other dtypes by SciPy.
    """
    dtype = getattr(a, "dtype", None)
    if dtype == np.float16:
        return ndtr(a.astype(np.float32)).astype(dtype)
    if dtype != np.float32:
        return special("ndtr")(a)
    t = 1 / (1 + _MILLS_T * np.abs(a))
    ratio: Any = _MILLS[0]
    for coefficient in _MILLS[1:]:
        ratio = ratio * t + coefficient
    with np.errstate(over="ignore"):  # a^2 may be infinite: the tail is 0
        tail = np.exp(a * a * -0.5) * ratio
    return np.abs((a > 0) - tail)  # 1 - tail on the right, the tail itself on the left


def _density(a: Any) -> Any:
    with np.errstate(over="ignore"):  # a^2 may be infinite: the density is 0
        return np.exp(a * a * -0.5) * 0.3989422804014327


ndtr.vjp(a=lambda g, a: g * _density(a))


_AXES = [
    Sample(Array(3, 4)),
    Sample(Array(3, 4), axis=0),
    Sample(Array(2, 3, 4), axis=1),
    Sample(Array(5)),
    Sample(Array()),
    Sample(Array(0, 3)),
    Sample(Array(3, 0)),
]
_BAD_AXIS = Bad(ShapeError, r"axis 2 is out of bounds", Array(3, 4), axis=2)


@op(
    "composite",
    symbol="softmax",
    latex=r"\frac{e^{{a}_i}}{\sum_j e^{{a}_j}}",
    derivative={"a": r"{out}_i ([i = j] - {out}_j)"},
    samples=_AXES,
    bad=[_BAD_AXIS],
)
def softmax(a: Any, axis: int = -1) -> Any:
    """e^a / sum(e^a) along an axis, without overflow."""
    a = _floating(a)
    powers = np.exp(a - _largest(a, axis))
    return powers / _total(powers, axis)


def _floating(a: Any) -> Any:
    """Integers as NumPy's functions take them, as float64."""
    return a if a.dtype.kind in "fc" else a.astype(np.float64)


def _largest(a: Any, axis: int) -> Any:
    """Maximum along an axis that stays. A short last one comes first for it: a tenth of the time with many rows."""
    if type(a) is np.ndarray and a.ndim and axis in (-1, a.ndim - 1) and 0 < a.shape[-1] <= 32:
        short = np.reshape(a, (-1, a.shape[-1])).T.copy()
        return np.reshape(np.maximum.reduce(short, axis=0), (*a.shape[:-1], 1))
    return np.maximum.reduce(a, axis=axis, keepdims=True, initial=-np.inf)


def _total(a: Any, axis: int) -> Any:
    """Sum along an axis that stays. Along a last one of moderate length `einsum` takes half of the time."""
    if type(a) is not np.ndarray:
        return np.sum(a, axis=axis, keepdims=True)
    if a.ndim and axis in (-1, a.ndim - 1) and 8 <= a.shape[-1] <= 4096:
        return np.einsum("...i->...", a)[..., np.newaxis]
    return np.add.reduce(a, axis=axis, keepdims=True)


softmax.vjp(a=lambda g, out, axis: out * (g - _total(g * out, axis)))


@op(
    "composite",
    symbol="log softmax",
    latex=r"{a}_i - \ln \sum_j e^{{a}_j}",
    derivative={"a": r"[i = j] - e^{{out}_j}"},
    samples=_AXES,
    bad=[_BAD_AXIS],
)
def log_softmax(a: Any, axis: int = -1) -> Any:
    """Logarithm of softmax, a - ln(sum(e^a)) along an axis, without overflow."""
    a = _floating(a)
    shifted = a - _largest(a, axis)
    total = _total(np.exp(shifted), axis)
    if 0 not in a.shape:
        return shifted - np.log(total)
    with np.errstate(divide="ignore"):  # 0 over an axis of length 0, where it is at least 1 otherwise
        return shifted - np.log(total)


log_softmax.vjp(a=lambda g, out, axis: g - np.exp(out) * _total(g, axis))
