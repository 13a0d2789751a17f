"""The one formula of all normalizations, as a function of the axes, and what surrounds it."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from autograd_core import Tensor
from autograd_core.errors import ArgumentError, ShapeError, where

from .._checks import place

__all__ = ["EpsPlacement", "check_placement", "check_shapes", "folded", "move", "normalize", "scale_of"]

EpsPlacement: TypeAlias = Literal["variance", "deviation"]


def check_placement(placement: str, owner: str = "batch_norm") -> None:
    """Raises ArgumentError unless `placement` is one of the two."""
    if placement not in get_args(EpsPlacement):
        raise ArgumentError(
            f"{owner}: eps_placement must be 'variance' (the root of var + eps) or 'deviation' "
            f"(std + eps), got {placement!r}; 'variance' is the default. {where(owner)}"
        )


def check_shapes(owner: str, shape: tuple[int, ...], input: Any, **arrays: Any) -> None:
    """Raises ShapeError unless each of the arrays that is there has this shape."""
    for name, array in arrays.items():
        if array is not None and array.shape != shape:
            raise ShapeError(
                f"{owner}: {name} must have the shape {shape} that an input of shape {input.shape} asks for, "
                f"got {array.shape}; change it or the input. {place(owner)}"
            )


def scale_of(var: Any, weight: Any, eps: float, placement: EpsPlacement) -> Any:
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
    """Scale and shift such that normalization with these statistics is x * scale + shift."""
    scale = scale_of(var, weight, eps, placement)
    return scale, (-mean * scale if bias is None else bias - mean * scale)


def normalize(
    x: Any,
    axes: int | tuple[int, ...],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    placement: EpsPlacement = "variance",
    *,
    keepdims: bool = True,
    centre: bool = True,
) -> tuple[Any, Any, Any]:
    """(x - mean) * weight / sqrt(var + eps) + bias, with mean and biased variance over `axes`, in two passes.

    Batch, layer, group, instance and RMS normalization are this with different axes.

    Args:
        x: any shape.
        axes: what mean and variance are taken over.
        weight: broadcasts against the statistics; None for 1.
        bias: broadcasts against the output; None for 0.
        eps: added to the variance or to the deviation.
        placement: to which of them.
        keepdims: statistics keep the axes with length 1; False only if they lead, where broadcasting puts them back.
        centre: subtract the mean; otherwise "var" is the mean of squares (RMS normalization).

    Returns:
        The output, the mean (None without centring), the variance.
    """
    # The tape keeps the centred input once, and otherwise arrays of the statistics' size only.
    mean = x.mean(axis=axes, keepdims=keepdims) if centre else None
    centred = x if mean is None else x - mean
    var = (centred**2).mean(axis=axes, keepdims=keepdims)
    out = centred * scale_of(var, weight, eps, placement)
    return (out if bias is None else out + bias), mean, var


def move(running_mean: Tensor, running_var: Tensor, mean: Any, var: Any, momentum: Any, count: int) -> None:
    """Moves the running statistics by `momentum` towards mean and count / (count - 1) var.

    On arrays, so that nothing is recorded. Statistics of several samples are averaged. Both are computed before either
    is written, so that a failure leaves no trace.
    """
    means = _blend(running_mean.data, mean, momentum, momentum)
    variances = _blend(running_var.data, var, momentum, momentum * (count / (count - 1)))
    running_mean.data, running_var.data = means, variances


def _blend(old: Any, batch: Any, momentum: Any, share: Any) -> Any:
    """(1 - momentum) old + share batch, in the dtype and shape of `old`."""
    new = batch.data if isinstance(batch, Tensor) else batch
    if new.shape != old.shape:
        new = np.reshape(new, (-1, *old.shape))
        new = new[0] if new.shape[0] == 1 else np.mean(new, axis=0)
    if new.dtype != old.dtype:
        new = new.astype(old.dtype)
    return old * (1 - momentum) + new * share
