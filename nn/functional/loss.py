"""Losses between numbers, and penalties on parameters, in forward form.

Each is reduced by "mean" (over all elements), "sum" or "none". All raise ShapeError where input and target differ in
shape, DTypeError where the input is not floating or the target not real, ArgumentError for an unknown reduction. The
mean of no elements is NaN (with NumPy's RuntimeWarning), their sum 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from autograd_core.errors import ArgumentError, where
from autograd_core.ops.piecewise import huber

from .._checks import array, is_number, number, require
from ._reduction import Reduction, looked_at, matching, possible, reduced, refuse, seen, values

__all__ = [
    "check_positive",
    "half_squared_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "l1_penalty",
    "l2_penalty",
    "mse_loss",
    "smooth_l1_loss",
]


def mse_loss(input: Any, target: Any, reduction: Reduction = "mean") -> Any:
    """Squared error, (input - target)^2, reduced.

    Args:
        input: predictions, of any shape.
        target: of the same shape; converted to the predictions' dtype.
        reduction: "mean" over all elements, "sum", or "none".
    """
    input = array(input, "mse_loss")
    return reduced("mse_loss", (input - matching("mse_loss", input, target)) ** 2, reduction)


def half_squared_loss(input: Any, target: Any, reduction: Reduction = "mean") -> Any:
    """Half the squared error, 1/2 (input - target)^2, reduced: the loss of Adaline and of least squares."""
    input = array(input, "half_squared_loss")
    loss = reduced("half_squared_loss", (input - matching("half_squared_loss", input, target)) ** 2, reduction)
    return loss * 0.5


def l1_loss(input: Any, target: Any, reduction: Reduction = "mean") -> Any:
    """Absolute error, |input - target|, reduced; its subgradient at 0 is 0."""
    input = array(input, "l1_loss")
    return reduced("l1_loss", np.abs(input - matching("l1_loss", input, target)), reduction)


def check_positive(name: str, option: str, value: Any, zero: bool = False) -> None:
    """Raises ArgumentError unless the option is a finite positive number (or 0 where that has a meaning)."""
    holds = is_number(value, 0) and value < np.inf and (zero or value > 0)
    require(holds, name, option, "a finite number >= 0" if zero else "a finite positive number", value, f"{option}=1.0")


def _huber(name: str, input: Any, target: Any, delta: float) -> Any:
    input = array(input, name)
    return huber(input - matching(name, input, target), delta)


def huber_loss(input: Any, target: Any, reduction: Reduction = "mean", delta: float = 1.0) -> Any:
    """Huber's loss of the error e = input - target, reduced.

    1/2 e^2 where |e| <= delta, delta (|e| - delta / 2) elsewhere.

    Raises:
        ArgumentError: delta is not positive.

    Reference:
        Huber, "Robust Estimation of a Location Parameter", Ann. Math. Statist. 35 (1964).
    """
    check_positive("huber_loss", "delta", delta)
    return reduced("huber_loss", _huber("huber_loss", input, target, number(delta)), reduction)


def smooth_l1_loss(input: Any, target: Any, reduction: Reduction = "mean", beta: float = 1.0) -> Any:
    """Absolute error with its kink rounded off, reduced; e = input - target.

    1/2 e^2 / beta where |e| < beta, |e| - beta / 2 elsewhere: `huber_loss` divided by beta, and `l1_loss` for 0.

    Raises:
        ArgumentError: beta is negative.
    """
    check_positive("smooth_l1_loss", "beta", beta, zero=True)
    input, beta = array(input, "smooth_l1_loss"), number(beta)
    if beta == 0:
        return reduced("smooth_l1_loss", np.abs(input - matching("smooth_l1_loss", input, target)), reduction)
    return reduced("smooth_l1_loss", _huber("smooth_l1_loss", input, target, beta), reduction) * (1 / beta)


def kl_div(input: Any, target: Any, reduction: Any = "mean", log_target: bool = False) -> Any:
    """Kullback-Leibler divergence of the target p from a model's log-probabilities, p (ln p - input), reduced.

    Args:
        input: log-probabilities, of any shape.
        target: probabilities p of that shape, or their logarithms; where p is 0 the term is 0, if the input is -inf
            too.
        reduction: "batchmean" is the divergence (the sum over its elements) averaged over the first axis; "mean" is
            over all elements, as PyTorch's default.
        log_target: the target is ln p.

    Raises:
        ArgumentError: a probability is negative.
    """
    input = array(input, "kl_div")
    target = matching("kl_div", input, target)
    if log_target:
        p = np.exp(target)
        loss = p * (possible(target, p) - possible(input, p))
    else:
        p = values(target)
        looked_at(_check_probabilities, p)
        loss = target * (np.log(np.where(p > 0, target, 1)) - possible(input, p))
    if reduction != "batchmean":
        return reduced("kl_div", loss, reduction)
    return loss.sum() / (input.shape[0] if input.shape else 1)


def _check_probabilities(p: Any) -> None:
    if seen(p) and not p.min() >= 0:
        fix = "give probabilities, or set log_target=True"
        refuse("kl_div", "probabilities must be at least 0", "target", p, ~(p >= 0), fix)


def _penalized(name: str, parameters: Any, lam: float) -> list[Any]:
    require(is_number(lam, 0), name, "lam", "a number >= 0", lam, f"{name}(model.parameters(), 1e-4)")
    given: Iterable[Any] = [parameters] if hasattr(parameters, "shape") else parameters
    found = list(given)
    if not found:
        raise ArgumentError(
            f"{name}: parameters must be at least one Tensor, got none; an iterator such as model.parameters() can be "
            f"used once, so call it again. {where(name)}"
        )
    return found


def l2_penalty(parameters: Any, lam: float) -> Any:
    """Weight decay as a term of the loss, lam * (sum of the squares of all elements).

    Its gradient in a parameter W is 2 lam W, where an optimizer's `weight_decay` adds lam W.

    Args:
        parameters: a Tensor, or several (such as `model.parameters()`).
        lam: the strength, at least 0.

    Raises:
        ArgumentError: there are no parameters, or lam is negative.
    """
    total, *others = [(w**2).sum() for w in _penalized("l2_penalty", parameters, lam)]
    for part in others:
        total = total + part
    return total * number(lam)


def l1_penalty(parameters: Any, lam: float) -> Any:
    """Sparsity as a term of the loss, lam * (sum of the absolute values of all elements); as `l2_penalty`."""
    total, *others = [np.abs(w).sum() for w in _penalized("l1_penalty", parameters, lam)]
    for part in others:
        total = total + part
    return total * number(lam)
