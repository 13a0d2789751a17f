"""Losses of a label that is one of two, in forward form: cross-entropy for {0, 1}, margins for {-1, 1}.

Reductions and the errors of shapes and dtypes are as in `loss`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core import softplus, stop_gradient

from ._reduction import Reduction, broadcast, matching, reduced, refuse, seen, values
from .activation import relu

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "check_unit_interval",
    "clamped_log",
    "hinge_loss",
    "perceptron_loss",
]

_NEAR = float(np.float32(1e-12))  # closer to 0 than this, the slope of a logarithm grows no more; PyTorch's constant
_LOWEST = -100.0  # and its value falls no lower than this


def check_unit_interval(name: str, what: str, array: Any, fix: str) -> bool:
    """Raises ArgumentError with the first element outside [0, 1]; NaN is outside.

    Returns:
        Whether all elements are known to be so far from 0 and 1 that logarithms need no care.
    """
    if not seen(array):
        return False
    low, high = array.min(), array.max()
    if not (low >= 0 and high <= 1):
        refuse(name, f"every {what} must be in [0, 1]", what, array, ~((array >= 0) & (array <= 1)), fix)
    return bool(low > _NEAR and high < 1 - _NEAR)


def _at_least(logarithm: Any, argument: Any, zero: Any) -> Any:
    """A logarithm where it is not that of `zero`, at least -100."""
    return np.maximum(np.where(zero, _LOWEST, logarithm(np.where(zero, 0.5, argument))), _LOWEST)


def clamped_log(p: Any) -> Any:
    """The logarithm of probabilities, at least -100 and with a slope of at most 1e12."""
    plain = values(p)
    near = plain < _NEAR
    # Value and slope are clamped apart: the line's slope is taken, its value is not.
    line = np.where(near, p, 0) * (1 / _NEAR)
    end = _at_least(np.log, plain, plain == 0) + (line - stop_gradient(line))
    return np.where(near, end, np.log(np.where(near, 0.5, p)))


def binary_cross_entropy(input: Any, target: Any, weight: Any = None, reduction: Reduction = "mean") -> Any:
    """Negative log-likelihood of labels y under probabilities p, -(y ln p + (1 - y) ln(1 - p)), reduced.

    The logarithms are at least -100. Where p (1 - p) < 1e-12 the gradient is (p - y) / 1e-12, as in PyTorch, which
    keeps it finite: at p = 0 the loss is 100 with gradient -1e12 for y = 1, and 0 with gradient 0 for y = 0; at p = 1
    likewise, with 1e12. `binary_cross_entropy_with_logits` has no such ends.

    Args:
        input: probabilities, of any shape.
        target: labels in [0, 1], of the same shape.
        weight: factors of the losses, broadcast to that shape; the mean still divides by the number of elements.
        reduction: "mean", "sum" or "none".

    Raises:
        ArgumentError: a probability or a label is outside [0, 1].
        ShapeError: the weight does not broadcast to the input's shape.
    """
    name = "binary_cross_entropy"
    y = matching(name, input, target)
    p = values(input)
    plain = check_unit_interval(name, "probability", p, "pass logits through a sigmoid, or use the loss with logits")
    check_unit_interval(name, "label", values(y), "map labels in {-1, 1} with (y + 1) / 2")
    if plain:
        loss = -(y * np.log(input) + (1 - y) * np.log1p(-input))
    else:
        near = p * (1 - p) < _NEAR
        q = np.where(near, 0.5, input)
        end = -(y * _at_least(np.log, p, p == 0) + (1 - y) * _at_least(np.log1p, -p, p == 1))
        # Value and slope are clamped apart: this parabola's slope is taken, its value is not.
        parabola = np.where(near, input - stop_gradient(y), 0) ** 2 * (0.5 / _NEAR)
        end = end + (parabola - stop_gradient(parabola))
        loss = np.where(near, end, -(y * np.log(q) + (1 - y) * np.log1p(-q)))
    if weight is not None:
        loss = loss * broadcast(name, "weight", weight, input)
    return reduced(name, loss, reduction)


def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, reduction: Reduction = "mean", pos_weight: Any = None
) -> Any:
    """`binary_cross_entropy` of sigmoid(x), from the logits x, without overflow: ln(1 + e^x) - y x, reduced.

    With `pos_weight` w, the terms of y are multiplied by it: (1 - y) ln(1 + e^x) + w y ln(1 + e^-x).

    Args:
        input: logits, of any shape.
        target: labels in [0, 1], of the same shape.
        weight: factors of the losses, broadcast to that shape; the mean still divides by the number of elements.
        reduction: "mean", "sum" or "none".
        pos_weight: factors of the positive terms, broadcast likewise; above 1 for recall, below for precision.

    Raises:
        ArgumentError: a label is outside [0, 1].
        ShapeError: a weight does not broadcast to the input's shape.
    """
    name = "binary_cross_entropy_with_logits"
    y = matching(name, input, target)
    labels = values(y)
    # A label of 0 or 1 only turns the logit's sign: one softplus, which keeps the digits of small losses.
    hard = seen(labels) and not getattr(y, "requires_grad", False) and bool((labels * labels == labels).all())
    if not hard:
        check_unit_interval(name, "label", labels, "map labels in {-1, 1} with (y + 1) / 2")
    if hard:
        loss = softplus(input * (1 - 2 * labels))
        if pos_weight is not None:
            loss = loss * (1 + (broadcast(name, "pos_weight", pos_weight, input) - 1) * labels)
    elif pos_weight is None:
        loss = softplus(input) - y * input
    else:
        pos_weight = broadcast(name, "pos_weight", pos_weight, input)
        loss = (1 - y) * softplus(input) + pos_weight * y * softplus(-input)
    if weight is not None:
        loss = loss * broadcast(name, "weight", weight, input)
    return reduced(name, loss, reduction)


def _signs(name: str, input: Any, target: Any) -> Any:
    """Labels in {-1, 1}, in the input's dtype."""
    target = matching(name, input, target)
    labels = values(target)
    if seen(labels):
        wrong = np.abs(labels) != 1
        if wrong.any():
            zeros = bool(((labels == 0) | (labels == 1)).all())
            fix = "map labels in {0, 1} with 2 * y - 1" if zeros else "map the two classes to -1 and 1"
            refuse(name, "labels must be -1 or 1", "label", labels, wrong, fix)
    return target


def hinge_loss(input: Any, target: Any, reduction: Reduction = "mean") -> Any:
    """Hinge loss of a score s for a label y in {-1, 1}, max(0, 1 - y s), reduced; its subgradient at y s = 1 is 0.

    Raises:
        ArgumentError: a label is neither -1 nor 1.
    """
    return reduced("hinge_loss", relu(1 - input * _signs("hinge_loss", input, target)), reduction)


def perceptron_loss(input: Any, target: Any, reduction: Reduction = "mean") -> Any:
    """Perceptron loss of a score s for a label y in {-1, 1}, max(0, -y s), reduced.

    Its subgradient at s = 0 is 0: a perceptron whose weights all start at 0 does not move. Start elsewhere.

    Raises:
        ArgumentError: a label is neither -1 nor 1.

    Reference:
        Rosenblatt, "The Perceptron", Psychological Review 65 (1958).
    """
    return reduced("perceptron_loss", relu(input * -_signs("perceptron_loss", input, target)), reduction)
