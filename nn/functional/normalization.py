"""Batch normalization as a function: the forward formula and the running statistics."""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from autograd_core import Tensor
from autograd_core.context import current
from autograd_core.errors import ArgumentError, ShapeError, where

from .._checks import place

__all__ = ["EpsPlacement", "batch_norm", "check_placement", "folded"]

EpsPlacement: TypeAlias = Literal["variance", "deviation"]


def check_placement(placement: str) -> None:
    """Raises ArgumentError unless `placement` is one of the two."""
    if placement not in get_args(EpsPlacement):
        raise ArgumentError(
            f"batch_norm: eps_placement must be 'variance' (the root of var + eps) or 'deviation' "
            f"(std + eps), got {placement!r}; 'variance' is the default. {where('batch_norm')}"
        )


def _scale(var: Any, weight: Any, eps: float, placement: EpsPlacement) -> Any:
    """What the centred input is multiplied by: weight / sqrt(var + eps) or weight / (std + eps)."""
    if placement == "variance":
        deviation = np.sqrt(var + eps)
    else:
        # The root's derivative at 0 is infinite. A constant feature has deviation 0, of which
        # 0 is a subgradient: the root is taken of 1 there, and the result not used.
        zero = var == 0
        deviation = np.where(zero, 0, np.sqrt(np.where(zero, 1, var))) + eps
    return 1 / deviation if weight is None else weight / deviation


def folded(mean: Any, var: Any, weight: Any, bias: Any, eps: float, placement: EpsPlacement) -> tuple[Any, Any]:
    """Scale and shift such that batch norm with these statistics is x * scale + shift."""
    scale = _scale(var, weight, eps, placement)
    return scale, (-mean * scale if bias is None else bias - mean * scale)


def batch_norm(
    input: Any,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: Any = 0.1,
    eps: float = 1e-5,
    *,
    feature_axis: int = 1,
    eps_placement: EpsPlacement = "variance",
) -> Any:
    """Batch normalization, (x - mu) / sqrt(var + eps) * weight + bias for each feature.

    In training mu and var are the mean and the (biased) variance over all axes but the feature
    axis, and the running statistics move by `momentum` towards mu and B/(B-1) var, B values per
    feature. Otherwise mu and var are the running statistics. Ioffe & Szegedy 2015, algorithms 1, 2.

    Args:
        input: any shape with C elements along the feature axis.
        running_mean: (C,), written to in training; None if not tracked.
        running_var: (C,), written to in training; None if not tracked.
        weight: (C,), the scale gamma; None for 1.
        bias: (C,), the shift beta; None for 0.
        training: use the statistics of the batch, as is also done without running statistics.
        momentum: weight of the batch in the running statistics, a number or a 0-d array.
        eps: added to the variance or to the deviation.
        feature_axis: the axis of features.
        eps_placement: "variance" for sqrt(var + eps), "deviation" for sqrt(var) + eps; with the
            latter the subgradient of a deviation of 0 is 0, so that gradients stay finite.

    Raises:
        ShapeError: the input lacks the feature axis, has another number of features than the
            parameters, or has a single value per feature where batch statistics are needed.
        ArgumentError: the placement is unknown.
    """
    if eps_placement != "variance":
        check_placement(eps_placement)
    size = input.shape
    rank = len(size)
    if not -rank <= feature_axis < rank:
        raise ShapeError(
            f"batch_norm: the input must have the feature axis {feature_axis}, got shape {size}; "
            f"add a batch axis with x[np.newaxis], or change feature_axis. {place('batch_norm')}"
        )
    axis = feature_axis % rank
    for other in (weight, bias, running_mean, running_var):
        if other is not None and other.shape != (size[axis],):
            raise ShapeError(
                f"batch_norm: axis {feature_axis} of the input must have the {other.shape[0]} "
                f"features of the parameters and statistics, got {size[axis]} in shape {size}; "
                f"change num_features or feature_axis. {place('batch_norm')}"
            )
    # With the features last, (C,) broadcasts as it is; otherwise it gets axes of length 1 behind.
    last = axis == rank - 1
    if not last:
        column = (size[axis],) + (1,) * (rank - 1 - axis)
        weight, bias = (None if p is None else p.reshape(column) for p in (weight, bias))

    if not training and running_mean is not None and running_var is not None:
        mean, var = running_mean, running_var
        if not last:
            mean, var = mean.reshape(column), var.reshape(column)
        scale, shift = folded(mean, var, weight, bias, eps, eps_placement)
        return input * scale + shift

    count = math.prod(size) // size[axis] if size[axis] else 0
    if count < 2:
        raise ShapeError(
            f"batch_norm: a batch must have at least 2 values per feature to have a variance, got "
            f"{count} in shape {size} with feature axis {feature_axis}; use a larger batch "
            f"(drop_last=True drops a short one), or .eval() for the running statistics. {place('batch_norm')}"
        )
    axes: Any = 0 if rank == 2 and last else tuple(i for i in range(rank) if i != axis)
    # The tape keeps the centred input once, and otherwise arrays of C elements only.
    mu = input.mean(axes, keepdims=not last)
    centred = input - mu
    var = (centred**2).mean(axes, keepdims=not last)
    scale = _scale(var, weight, eps, eps_placement)
    out = centred * scale
    if bias is not None:
        out = out + bias

    if running_mean is not None and running_var is not None and not current().replaying:
        bessel = count / (count - 1)
        _move(running_mean, mu, momentum, momentum)
        _move(running_var, var, momentum, momentum * bessel)
    return out


def _move(running: Tensor, batch: Any, momentum: Any, share: Any) -> None:
    """Running = (1 - momentum) running + share batch: on arrays, so that nothing is recorded."""
    old = running.data
    new = batch.data if isinstance(batch, Tensor) else batch
    if new.shape != old.shape:
        new = np.reshape(new, old.shape)
    if new.dtype != old.dtype:
        new = new.astype(old.dtype)
    running.data = old * (1 - momentum) + new * share
