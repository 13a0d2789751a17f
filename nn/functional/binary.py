"""Losses of a label that is one of two, in forward form: cross-entropy for {0, 1}, margins for {-1, 1}.

Reductions and the errors of shapes and dtypes are as in `loss`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from autograd_core import softplus
from autograd_core.context import current
from autograd_core.ops import binary_losses

from .._checks import array
from ._reduction import Reduction, broadcast, looked_at, matching, reduced, refuse, seen, values
from .activation import relu

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "check_unit_interval",
    "hinge_loss",
    "perceptron_loss",
]


def check_unit_interval(name: str, what: str, array: Any, fix: str) -> None:
    """Raises ArgumentError with the first element outside [0, 1]; NaN is outside."""
    looked_at(partial(_check_unit_interval, name, what, fix), array)


def _check_unit_interval(name: str, what: str, fix: str, array: Any) -> None:
    if seen(array) and not (array.min() >= 0 and array.max() <= 1):
        refuse(name, f"every {what} must be in [0, 1]", what, array, ~((array >= 0) & (array <= 1)), fix)


def binary_cross_entropy(input: Any, target: Any, weight: Any = None, reduction: Reduction = "mean") -> Any:
    """Negative log-likelihood of labels y under probabilities p, -(y ln p + (1 - y) ln(1 - p)), reduced.

    The logarithms are at least -100. Where p (1 - p) < 1e-12 the gradient is (p - y) / 1e-12, as in PyTorch, which
    keeps it finite: at p = 0 the loss is 100 with gradient -1e12 for y = 1, and 0 with gradient 0 for y = 0; at p = 1
    likewise, with 1e12. In float16, which ends at 65504, the limit is 2^-14 instead of 1e-12, and the gradients at the
    ends are -2^14 and 2^14. `binary_cross_entropy_with_logits` has no such ends.

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
    input = array(input, name)
    y = matching(name, input, target)
    fix = "pass logits through a sigmoid, or use the loss with logits"
    check_unit_interval(name, "probability", values(input), fix)
    check_unit_interval(name, "label", values(y), "map labels in {-1, 1} with (y + 1) / 2")
    loss = binary_losses.binary_cross_entropy(input, y)
    if weight is not None:
        loss = loss * broadcast(name, "weight", weight, input)
    return reduced(name, loss, reduction)


def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, reduction: Reduction = "mean", pos_weight: Any = None
) -> Any:
    """`binary_cross_entropy` of sigmoid(x), from the logits x, without overflow: ln(1 + e^x) - y x, reduced.

    With `pos_weight` w, the terms of y are multiplied by it: (1 - y) ln(1 + e^x) + w y ln(1 + e^-x). Infinite logits
    cost 0 where they are right (for label 1 at infinity, for 0 at minus infinity), else infinity.

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
    input = array(input, name)
    y = matching(name, input, target)
    labels = values(y)
    # A label of 0 or 1 only turns the logit's sign: one softplus, which keeps the digits of small losses.
    hard = seen(labels) and not getattr(y, "requires_grad", False) and bool((labels * labels == labels).all())
    if not hard:
        check_unit_interval(name, "label", labels, "map labels in {-1, 1} with (y + 1) / 2")
    pos_weight = None if pos_weight is None else broadcast(name, "pos_weight", pos_weight, input)
    logits = values(input)
    # Infinite logits, which may come where a step is being recorded, take the operator that leaves 0 times them out.
    finite = current().trace is None and not (seen(logits) and not np.isfinite(logits).all())
    if hard and (finite or pos_weight is None):
        loss = softplus(input * (1 - 2 * labels))
        if pos_weight is not None:
            loss = loss * (1 + (pos_weight - 1) * labels)
    elif finite and pos_weight is None:
        loss = softplus(input) - y * input
    else:
        loss = binary_losses.logistic_loss(input, 1 - y, y if pos_weight is None else pos_weight * y)
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
    input = array(input, "hinge_loss")
    return reduced("hinge_loss", relu(1 - input * _signs("hinge_loss", input, target)), reduction)


def perceptron_loss(input: Any, target: Any, reduction: Reduction = "mean") -> Any:
    """Perceptron loss of a score s for a label y in {-1, 1}, max(0, -y s), reduced.

    Its subgradient at s = 0 is 0: a perceptron whose weights all start at 0 does not move. Start elsewhere.

    Raises:
        ArgumentError: a label is neither -1 nor 1.

    Reference:
        Rosenblatt, "The Perceptron", Psychological Review 65 (1958).
    """
    input = array(input, "perceptron_loss")
    return reduced("perceptron_loss", relu(input * -_signs("perceptron_loss", input, target)), reduction)
