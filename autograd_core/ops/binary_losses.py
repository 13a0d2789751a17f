"""Cross-entropy of probabilities, whose value and slope are limited apart at 0 and 1: no composition has both."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..operator import Array, Bad, Sample, op
from ._samples import binary, unary

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
