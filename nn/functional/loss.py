"""Losses in forward form, stable from logits."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from autograd_core import Tensor, logsumexp
from autograd_core.errors import ArgumentError, DTypeError, ShapeError, where

from .._checks import place
from .activation import log_softmax

__all__ = ["Reduction", "check_reduction", "cross_entropy", "mse_loss"]

Reduction: TypeAlias = Literal["mean", "sum", "none"]


def check_reduction(name: str, reduction: str) -> None:
    """Raises ArgumentError unless `reduction` is one of the three."""
    if reduction not in get_args(Reduction):
        raise ArgumentError(
            f"{name}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}; "
            f"'mean' is the default. {where(name)}"
        )


def _reduced(name: str, loss: Any, reduction: str) -> Any:
    if reduction == "mean":
        return loss.mean()
    check_reduction(name, reduction)
    return loss.sum() if reduction == "sum" else loss


def _as_dtype(target: Any, dtype: Any) -> Any:
    """A target in the prediction's dtype: a float64 label must not widen a float32 model."""
    return target if target.dtype == dtype else target.astype(dtype)


def mse_loss(input: Any, target: Any, reduction: Reduction = "mean") -> Any:
    """Squared error, (input - target)^2, reduced.

    Args:
        input: predictions, of any shape.
        target: of the same shape; converted to the predictions' dtype.
        reduction: "mean" over all elements, "sum", or "none".

    Raises:
        ShapeError: the shapes differ; broadcasting (N,) against (N, 1) would give N^2 errors.
        ArgumentError: the reduction is unknown.
    """
    target = target if hasattr(target, "shape") else np.asarray(target)
    if input.shape != target.shape:
        raise ShapeError(
            f"mse_loss: the target must have the input's shape {input.shape}, got {target.shape}; "
            f"reshape one of them. {place('mse_loss')}"
        )
    return _reduced("mse_loss", (input - _as_dtype(target, input.dtype)) ** 2, reduction)


def cross_entropy(input: Any, target: Any, reduction: Reduction = "mean") -> Any:
    """Cross-entropy of softmax(input) against labels, from logits, without overflow.

    With class indices t, ln(sum_c e^(x_c)) - x_t; with probabilities p, -sum_c p_c ln softmax(x)_c.

    Args:
        input: logits (N, C), or (N, C, d1, ...), or (C,).
        target: integers in [0, C), of the input's shape without the class axis; or one-hot rows or
            probabilities, floating and of the input's shape.
        reduction: "mean" over all samples, "sum", or "none".

    Raises:
        ShapeError: the target has neither shape.
        DTypeError: class indices that are not integers.
        ArgumentError: a class index outside [0, C), or the reduction is unknown.
    """
    labels = target.data if isinstance(target, Tensor) else target
    labels = labels if hasattr(labels, "shape") else np.asarray(labels)
    shape = input.shape
    if not shape:
        raise ShapeError(
            f"cross_entropy: the logits must have a class axis, got a 0-d input; "
            f"give them as (N, C). {place('cross_entropy')}"
        )
    axis = 1 if len(shape) > 1 else 0
    if labels.shape == shape and labels.dtype.kind == "f":
        soft = target if isinstance(target, Tensor) else labels
        soft = _as_dtype(soft, input.dtype)
        loss = -(soft * log_softmax(input, axis)).sum(axis)
    else:
        _check_labels(labels, shape, axis)
        total = logsumexp(input, axis=axis)
        if len(shape) == 2:
            loss = total - input[np.arange(shape[0]), labels]
        else:
            chosen = np.take_along_axis(input, np.expand_dims(labels, axis), axis)
            loss = total - chosen.reshape(total.shape)
    return _reduced("cross_entropy", loss, reduction)


def _check_labels(labels: Any, shape: tuple[int, ...], axis: int) -> None:
    """Raises what `cross_entropy` says about class indices."""
    classes = shape[axis]
    expected = shape[:axis] + shape[axis + 1 :]
    if labels.shape != expected:
        raise ShapeError(
            f"cross_entropy: for logits of shape {shape} the target must be class indices of shape "
            f"{expected} or probabilities (floating) of shape {shape}, got {labels.dtype} labels "
            f"of shape {labels.shape}; reshape them, or convert one-hot rows with "
            f".astype(np.float32). {place('cross_entropy')}"
        )
    if labels.dtype.kind not in "iu":
        raise DTypeError(
            f"cross_entropy: class indices must be integers, got labels of dtype {labels.dtype} "
            f"and shape {labels.shape}; convert with .astype(np.int64). {place('cross_entropy')}"
        )
    # On arrays of other kinds (traced, distributed) a look at the values is not to be had here.
    if type(labels) is not np.ndarray or not labels.size:
        return
    if labels.dtype.kind == "u":
        bad = labels.max() >= classes
    else:  # a negative number is a large one without its sign
        bad = labels.view(f"u{labels.itemsize}").max() >= classes
    if bad:
        wrong = np.flatnonzero((labels < 0) | (labels >= classes))
        first = labels.reshape(-1)[wrong[0]]
        raise ArgumentError(
            f"cross_entropy: class indices must be in [0, {classes}) for logits of shape {shape}, "
            f"got label {first} at position {wrong[0]} ({len(wrong)} of {labels.size} labels are "
            f"outside); count classes from 0, or give the model more outputs. "
            f"{place('cross_entropy')}"
        )
