"""The one formula of all normalizations, as a function of the axes, and what surrounds it."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from autograd_core import Tensor, stop_gradient
from autograd_core.context import current
from autograd_core.errors import ArgumentError, ShapeError, where

from .._checks import place

__all__ = ["EpsPlacement", "check_placement", "check_shapes", "folded", "is_half", "move", "normalize", "scale_of"]

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


def is_half(x: Any) -> bool:
    """Whether x is float16, in which squares overflow from 256 on: it is normalized in float32."""
    return x.dtype.char == "e"  # type: ignore[no-any-return]


def scale_of(var: Any, weight: Any, eps: float, placement: EpsPlacement, constant: Any = False) -> Any:
    """What the centred input is multiplied by: weight / sqrt(var + eps) or weight / (std + eps).

    With eps = 0, the weight alone where the variance is 0 or `constant` holds: a constant is 0 when centred, or a
    rounding away from it, and stays so.
    """
    if eps == 0:
        zero = (var == 0) | constant
        deviation = np.sqrt(np.where(zero, 1, var))
    elif placement == "variance":
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


def _constant(x: Any, axes: int | tuple[int, ...], keepdims: bool) -> Any:
    """Where all elements over the axes are equal. Their variance need not be 0: their mean may be rounded."""
    if 0 in x.shape:
        return False
    x = stop_gradient(x)
    return np.max(x, axis=axes, keepdims=keepdims) == np.min(x, axis=axes, keepdims=keepdims)


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
        The output, the mean (None without centring), the variance; for float16 these two in float32.
    """
    if is_half(x):
        single = x.astype(np.float32)
        out, mean, var = normalize(single, axes, weight, bias, eps, placement, keepdims=keepdims, centre=centre)
        return out.astype(np.float16), mean, var
    # The tape keeps the centred input once, and otherwise arrays of the statistics' size only.
    mean = x.mean(axis=axes, keepdims=keepdims) if centre else None
    centred = x if mean is None else x - mean
    var = (centred**2).mean(axis=axes, keepdims=keepdims)
    constant = eps == 0 and centre and _constant(x, axes, keepdims)
    out = centred * scale_of(var, weight, eps, placement, constant)
    return (out if bias is None else out + bias), mean, var


def move(running_mean: Any, running_var: Any, mean: Any, var: Any, momentum: Any, count: int) -> None:
    """Moves the running statistics, Tensors or arrays, by `momentum` towards mean and count / (count - 1) var.

    On arrays, so that nothing is recorded, and in place: who holds the array sees it move. Statistics of several
    samples are averaged. Both are computed, and known to be writable, before either is written, so that a failure
    leaves no trace.
    """
    if isinstance(momentum, np.float64 | np.integer):  # they would widen float32
        momentum = momentum.item()
    old_mean = running_mean.data if isinstance(running_mean, Tensor) else _writable("running_mean", running_mean)
    old_var = running_var.data if isinstance(running_var, Tensor) else _writable("running_var", running_var)
    means = _blend(old_mean, mean, momentum, momentum)
    variances = _blend(old_var, var, momentum, momentum * (count / (count - 1)))
    _write(running_mean, old_mean, means)
    _write(running_var, old_var, variances)


def _writable(name: str, array: Any) -> Any:
    known = isinstance(array, np.ndarray)
    if not known or array.dtype.kind != "f" or not array.flags.writeable:
        kind = "read-only " if known and not array.flags.writeable else ""
        raise ArgumentError(
            f"batch_norm: {name} must be a Tensor or a floating array that can be written to, got a {kind}"
            f"{type(array).__name__} of dtype {array.dtype}; give a copy, e.g. np.zeros({array.shape}). "
            f"{place('batch_norm')}"
        )
    return array


def _write(statistic: Any, own: Any, new: Any) -> None:
    """The new values into the statistic's own array; a Tensor whose array cannot be written to gets another."""
    trace = current().trace
    if trace is not None and isinstance(statistic, Tensor):
        trace.write(statistic, new, "a batch's statistics")
    elif own is statistic:
        own[...] = new
    elif type(own) is np.ndarray and type(new) is np.ndarray and own.flags.writeable and own.dtype.kind == "f":
        own[...] = new
        statistic._touch("a batch's statistics")
    else:
        statistic.data = new


def _blend(old: Any, batch: Any, momentum: Any, share: Any) -> Any:
    """(1 - momentum) old + share batch, in the dtype and shape of `old`; float16 by way of float32."""
    new = batch.data if isinstance(batch, Tensor) else batch
    if new.shape != old.shape:
        new = np.reshape(new, (-1, *old.shape))
        new = new[0] if new.shape[0] == 1 else np.mean(new, axis=0)
    if new.dtype != old.dtype:
        if is_half(old):  # a variance above float16's largest number stays there, not at infinity
            moved = old.astype(np.float32) * (1 - momentum) + new * share
            return np.clip(moved, -65504, 65504).astype(np.float16)
        new = new.astype(old.dtype)
    return old * (1 - momentum) + new * share
