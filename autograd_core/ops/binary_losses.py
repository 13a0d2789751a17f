"""Cross-entropies of two classes, which at the ends of their domains are no composition of other operators.

That of probabilities limits value and slope apart at 0 and 1; that of logits leaves out what weighs 0, be it infinite.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..operator import Array, Bad, Sample, op
from ._parts import negative_part, positive_part
from ._samples import binary, unary
from .exponential import sigmoid, softplus

_LOWEST = -100.0  # a logarithm's value falls no lower than this
_NEAR = float(np.float32(1e-12))  # closer to 0 than this, its slope grows no more; PyTorch's constant, as rounded there
_NEAR_HALF = 2.0**-14  # the same in float16, whose largest number is 65504: the smallest number of full precision


def _near(a: Any) -> float:
    return _NEAR_HALF if getattr(a, "dtype", None) == np.float16 else _NEAR


@op(
    "elementwise",
    symbol="clamped ln",
    latex=r"\max(-100, \ln {a})",
    derivative={"a": r"\frac{1}{\max({a}, 10^{-12})}"},
    samples=unary(0.1, 3),
)
def clamped_log(a: Any) -> Any:
    """Natural logarithm, at least -100, with a slope of at most 1e12 (2^14 in float16): finite at a = 0 too."""
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(a), _LOWEST)


clamped_log.vjp(a=lambda g, a: g / np.maximum(a, _near(a)))


@op(
    "elementwise",
    symbol="BCE",
    latex=r"-{y} \ln {p} - (1 - {y}) \ln(1 - {p})",
    derivative={"p": r"\frac{{p} - {y}}{\max({p} (1 - {p}), 10^{-12})}", "y": r"\ln(1 - {p}) - \ln {p}"},
    samples=[
        *binary(0.1, 0.9)[:-1],
        Sample(Array(3, low=0.1, high=0.9), np.array([0.0, 1.0, 1.0])),
    ],  # none has a number for p
    bad=[Bad(ShapeError, r"got shapes \(3,\) and \(4,\)", Array(3, low=0.1, high=0.9), Array(4, low=0.1, high=0.9))],
)
def binary_cross_entropy(p: Any, y: Any) -> Any:
    """-(y ln p + (1 - y) ln(1 - p)), with logarithms of at least -100 and p (1 - p) of at least 1e-12 in the slope."""
    with np.errstate(divide="ignore"):
        return -(y * np.maximum(np.log(p), _LOWEST) + (1 - y) * np.maximum(np.log1p(-p), _LOWEST))


binary_cross_entropy.vjp(
    p=lambda g, p, y: g * ((p - y) / np.maximum(p * (1 - p), _near(p))),
    y=lambda g, p: g * (clamped_log(1 - p) - clamped_log(p)),
)


def _weighted(x: tuple[int, ...], a: tuple[int, ...], b: tuple[int, ...]) -> Sample:
    return Sample(Array(*x), Array(*a, low=0.1, high=2), Array(*b, low=0.1, high=2))


@op(
    "elementwise",
    symbol="logistic loss",
    latex=r"{a} \ln(1 + e^{{x}}) + {b} \ln(1 + e^{-{x}})",
    derivative={
        "x": r"{a} \sigma({x}) - {b} \sigma(-{x})",
        "a": r"\ln(1 + e^{{x}})",
        "b": r"\ln(1 + e^{-{x}})",
    },
    samples=[
        Sample(Array(3), 0.25, Array(3, low=0.1, high=2)),
        *(_weighted(*shapes) for shapes in (((5,),) * 3, ((2, 3), (3,), (2, 1)), ((), (3,), ()), ((), (), ()))),
        _weighted((0, 3), (3,), (0, 3)),
    ],
    bad=[Bad(ShapeError, r"got shapes \(3,\) and \(4,\) and \(\)", Array(3), Array(4), 1.0)],
)
def logistic_loss(x: Any, a: Any, b: Any) -> Any:
    """A ln(1 + e^x) + b ln(1 + e^-x), without overflow; a weight of 0 leaves its term out, be it infinite.

    With a = 1 - y and b = y it is the cross-entropy of sigmoid(x) for a label y. No digits of small losses are lost.
    """
    with np.errstate(invalid="ignore"):  # 0 times infinity: the term is left out
        far = a * positive_part(x) - b * negative_part(x)
    # What else is NaN is so in the other term, too.
    return np.log1p(np.exp(-np.abs(x))) * (a + b) + np.where(np.isnan(far), 0, far)


logistic_loss.vjp(
    x=lambda g, x, a, b: g * (a * sigmoid(x) - b * sigmoid(-x)),
    a=lambda g, x: g * softplus(x),
    b=lambda g, x: g * softplus(-x),
)
