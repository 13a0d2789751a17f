"""Normalizations as functions: batch, instance, group, layer and RMS, one formula over different axes.

All compute the normalization of a float16 input in float32, and return float16. With eps = 0, a feature of variance 0
is divided by 1, so that values and gradients stay finite. Integers and booleans are computed as floating numbers (see
`_checks.floating`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_core.context import current
from autograd_core.errors import ArgumentError, ShapeError

from .._checks import floating, is_integer, number, place
from ._normalize import EpsPlacement, check_placement, check_shapes, folded, is_half, move, normalize

__all__ = [
    "EpsPlacement",
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "rms_norm",
]


def batch_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
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
        running_mean: (C,), a Tensor or an array, written to in place in training; None if not tracked.
        running_var: (C,), as `running_mean`.
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
        ArgumentError: the placement is unknown, or a running array cannot be written to.
    """
    if eps_placement != "variance":
        check_placement(eps_placement)
    input, eps = floating(input, "batch_norm"), number(eps)
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
        weight, bias = _reshaped(column, weight, bias)

    if not training and running_mean is not None and running_var is not None:
        mean, var = (running_mean, running_var) if last else _reshaped(column, running_mean, running_var)
        half = is_half(input)
        if half:
            input, mean, var = (a.astype(np.float32) for a in (input, mean, var))
        scale, shift = folded(mean, var, weight, bias, eps, eps_placement)
        out = input * scale + shift
        return out.astype(np.float16) if half else out

    count = math.prod(size) // size[axis] if size[axis] else 0
    if count < 2:
        raise ShapeError(
            f"batch_norm: a batch must have at least 2 values per feature to have a variance, got "
            f"{count} in shape {size} with feature axis {feature_axis}; use a larger batch "
            f"(drop_last=True drops a short one), or .eval() for the running statistics. {place('batch_norm')}"
        )
    axes = 0 if rank == 2 and last else tuple(i for i in range(rank) if i != axis)
    out, mean, var = normalize(input, axes, weight, bias, eps, eps_placement, keepdims=not last)
    if running_mean is not None and running_var is not None and not current().replaying:
        move(running_mean, running_var, mean, var, momentum, count)
    return out


def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: Any = 0.1,
    eps: float = 1e-5,
    *,
    eps_placement: EpsPlacement = "variance",
) -> Any:
    """Instance normalization: batch norm of every sample by itself, over the spatial axes.

    The running statistics move towards the average over the samples of mean and L/(L-1) variance, L values per sample
    and channel. Ulyanov, Vedaldi & Lempitsky 2016.

    Args:
        input: (N, C, *), with one spatial axis or more.
        running_mean: (C,), a Tensor or an array, written to in place if `use_input_stats`; None if not tracked.
        running_var: (C,), as `running_mean`.
        weight: (C,); None for 1.
        bias: (C,); None for 0.
        use_input_stats: mean and variance of the input; otherwise the running ones.
        momentum: weight of the batch in the running statistics.
        eps: added to the variance or to the deviation.
        eps_placement: to which of them; see `batch_norm`.

    Raises:
        ShapeError: the input has no spatial axis, another number of channels than the parameters, or a single value
            per sample and channel where its own statistics are needed.
        ArgumentError: the placement is unknown, or there are no running statistics to use.
    """
    check_placement(eps_placement, "instance_norm")
    input, eps = floating(input, "instance_norm"), number(eps)
    size = input.shape
    if len(size) < 3:
        raise ShapeError(
            f"instance_norm: the input must have the axes (N, C, *) with at least one spatial axis, got shape {size}; "
            f"add a batch axis with x[np.newaxis], or take layer_norm. {place('instance_norm')}"
        )
    check_shapes(
        "instance_norm", size[1:2], input, weight=weight, bias=bias, running_mean=running_mean, running_var=running_var
    )
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ArgumentError(
                f"instance_norm: use_input_stats=False must come with running statistics, got None; pass "
                f"running_mean and running_var. {place('instance_norm')}"
            )
        return batch_norm(input, running_mean, running_var, weight, bias, eps=eps, eps_placement=eps_placement)
    count = math.prod(size[2:])
    if count < 2:
        raise ShapeError(
            f"instance_norm: a sample must have at least 2 values per channel to have a variance, got {count} in "
            f"shape {size}; use larger images, or layer_norm over the channels. {place('instance_norm')}"
        )
    column = (size[1],) + (1,) * (len(size) - 2)
    weight, bias = _reshaped(column, weight, bias)
    axes = tuple(range(2, len(size)))
    out, mean, var = normalize(input, axes, weight, bias, eps, eps_placement)
    if running_mean is not None and running_var is not None and size[0] and not current().replaying:
        move(running_mean, running_var, mean, var, momentum, count)
    return out


def group_norm(
    input: Any,
    num_groups: int,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    *,
    eps_placement: EpsPlacement = "variance",
) -> Any:
    """Group normalization: every sample by itself, over groups of channels and the spatial axes. Wu & He 2018.

    A group of a single value is its own mean, so that its output is the bias whatever the input (PyTorch refuses that
    in a batch of one sample only): take fewer groups.

    Args:
        input: (N, C, *).
        num_groups: into how many groups of neighbours the C channels are divided.
        weight: (C,); None for 1.
        bias: (C,); None for 0.
        eps: added to the variance or to the deviation.
        eps_placement: to which of them; see `batch_norm`.

    Raises:
        ShapeError: the input has no channels, or another number of them than the parameters.
        ArgumentError: the groups do not divide the channels, or the placement is unknown.
    """
    check_placement(eps_placement, "group_norm")
    input, eps = floating(input, "group_norm"), number(eps)
    size = input.shape
    if len(size) < 2:
        raise ShapeError(
            f"group_norm: the input must have the axes (N, C, *), got shape {size}; add a batch axis with "
            f"x[np.newaxis]. {place('group_norm')}"
        )
    channels = size[1]
    if not is_integer(num_groups, 1) or channels % num_groups:
        raise ArgumentError(
            f"group_norm: num_groups must be a positive integer that divides the {channels} channels of shape {size}, "
            f"got {num_groups!r}; change it or the channels. {place('group_norm')}"
        )
    check_shapes("group_norm", (channels,), input, weight=weight, bias=bias)
    members = channels // num_groups
    weight, bias = _reshaped((num_groups, members, 1), weight, bias)
    groups = np.reshape(input, (size[0], num_groups, members, math.prod(size[2:])))
    out, _, _ = normalize(groups, (2, 3), weight, bias, eps, eps_placement)
    return np.reshape(out, size)


def layer_norm(
    input: Any,
    normalized_shape: int | tuple[int, ...],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    *,
    eps_placement: EpsPlacement = "variance",
) -> Any:
    """Layer normalization: over the last axes, with a weight and a bias for every element of them.

    Over a single value the output is the bias, whatever the input, as in PyTorch. Ba, Kiros & Hinton 2016.

    Args:
        input: (*, normalized_shape).
        normalized_shape: the lengths of the last axes; an integer for one.
        weight: of normalized_shape; None for 1.
        bias: of normalized_shape; None for 0.
        eps: added to the variance or to the deviation.
        eps_placement: to which of them; see `batch_norm`.

    Raises:
        ShapeError: the input does not end in normalized_shape, or the parameters are not of it.
        ArgumentError: the placement is unknown.
    """
    input, eps = floating(input, "layer_norm"), number(eps)
    axes = _trailing("layer_norm", input, normalized_shape, eps_placement, weight, bias)
    if is_half(input):
        x = input.astype(np.float32)
        return layer_norm(x, normalized_shape, weight, bias, eps, eps_placement=eps_placement).astype(np.float16)
    out, _, _ = normalize(input, axes, None, None, eps, eps_placement)
    if weight is not None:  # along the normalized axes, so it is no factor of the small scale
        out = out * weight
    return out if bias is None else out + bias


def rms_norm(
    input: Any,
    normalized_shape: int | tuple[int, ...],
    weight: Any = None,
    eps: float | None = None,
    *,
    eps_placement: EpsPlacement = "variance",
) -> Any:
    """RMS normalization, x / sqrt(mean(x^2) + eps) * weight: layer normalization without centring and bias.

    Zhang & Sennrich 2019.

    Args:
        input: (*, normalized_shape).
        normalized_shape: the lengths of the last axes; an integer for one.
        weight: of normalized_shape; None for 1.
        eps: added to the mean of squares or to its root; None for the machine epsilon of the input's dtype.
        eps_placement: "variance" for the mean of squares, "deviation" for its root.

    Raises:
        ShapeError: the input does not end in normalized_shape, or the weight is not of it.
        ArgumentError: the placement is unknown.
    """
    input, eps = floating(input, "rms_norm"), number(eps)
    axes = _trailing("rms_norm", input, normalized_shape, eps_placement, weight)
    if eps is None:
        eps = float(np.finfo(input.dtype).eps)
    if is_half(input):
        x = input.astype(np.float32)
        return rms_norm(x, normalized_shape, weight, eps, eps_placement=eps_placement).astype(np.float16)
    out, _, _ = normalize(input, axes, None, None, eps, eps_placement, centre=False)
    return out if weight is None else out * weight


def _trailing(
    owner: str, input: Any, normalized_shape: int | tuple[int, ...], placement: str, weight: Any, bias: Any = None
) -> int | tuple[int, ...]:
    """The axes of normalized_shape, counted from the end; everything is checked against it."""
    check_placement(placement, owner)
    shape = (normalized_shape,) if isinstance(normalized_shape, int | np.integer) else tuple(normalized_shape)
    rank = len(shape)
    if not rank or input.shape[-rank:] != shape:
        raise ShapeError(
            f"{owner}: the input must end in the axes {shape} of normalized_shape, got shape {input.shape}; "
            f"change normalized_shape or the input. {place(owner)}"
        )
    check_shapes(owner, shape, input, weight=weight, bias=bias)
    return -1 if rank == 1 else tuple(range(-rank, 0))


def _reshaped(shape: tuple[int, ...], *arrays: Any) -> list[Any]:
    """The arrays that are there, each in this shape."""
    return [None if array is None else np.reshape(array, shape) for array in arrays]
