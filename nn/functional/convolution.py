"""Convolution (cross-correlation) in any number of dimensions: windows, and one contraction."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from autograd_core.errors import ArgumentError, ShapeError
from autograd_core.ops.windows import contract, windows

from .._checks import floating, is_integer, place, require

__all__ = ["conv1d", "conv2d", "conv3d", "per_axis", "sides"]


def per_axis(owner: str, name: str, value: Any, rank: int, low: int, example: str) -> tuple[int, ...]:
    """An integer of at least `low` for each axis, from one for all or a sequence."""
    several = tuple(value) if isinstance(value, tuple | list) else (value,) * rank
    holds = len(several) == rank and all(is_integer(v, low) for v in several)
    domain = f"an integer >= {low}" + (f" or {rank} of such" if rank > 1 else " or a tuple of one")
    require(holds, owner, name, domain, value, example)
    return tuple(int(v) for v in several)


def sides(
    owner: str, padding: Any, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...], example: str
) -> tuple[tuple[int, int], ...]:
    """Padding before and after each axis, from an integer, a tuple of such, "valid" or "same".

    Raises:
        ArgumentError: none of these, or "same" with a stride.
    """
    if isinstance(padding, str):
        require(padding in ("same", "valid"), owner, "padding", "'same', 'valid' or integers >= 0", padding, example)
        if padding == "valid":
            return ((0, 0),) * len(kernel)
        if any(s != 1 for s in stride):
            raise ArgumentError(
                f"{owner}: padding='same' must come with stride 1, got stride {stride}; give the padding as a number. "
                f"{place(owner)}"
            )
        # With an even span one more element is needed behind than before.
        total = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
        return tuple((n // 2, n - n // 2) for n in total)
    return tuple((p, p) for p in per_axis(owner, "padding", padding, len(kernel), 0, example))


def conv1d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Convolution over one axis; see `conv2d`, with (N, C, L) or (C, L) and a weight (out, C / groups, K)."""
    return _convolution("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Convolution over two axes, in the field's sense: cross-correlation, the kernel is not flipped.

    out[n, o, i] = bias[o] + sum over c, k of weight[o, c, k] input[n, c, stride i + dilation k - padding], where i and
    k have two components. Each of `groups` equal parts of the output channels sees its own part of the input channels.

    Args:
        input: (N, C, H, W), or (C, H, W) without a batch.
        weight: (out, C / groups, KH, KW).
        bias: (out,), or None.
        stride: from one window to the next; an integer or one for each axis, as `padding` and `dilation`.
        padding: zeros on both sides of each axis, "valid" for none, or "same" for an output of the input's size.
        dilation: from one element of a window to the next.
        groups: divides C and out.

    Returns:
        (N, out, OH, OW) or (out, OH, OW), where OH = (H + 2 padding - dilation (KH - 1) - 1) // stride + 1.

    Raises:
        ShapeError: input, weight, bias and groups do not fit together, or the kernel not into the padded input.
        ArgumentError: stride, padding, dilation or groups is outside its domain.
    """
    return _convolution("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Convolution over three axes; see `conv2d`."""
    return _convolution("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def _convolution(
    name: str,
    rank: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
) -> Any:
    example = f"{name}(input, weight, stride=1, padding=0, dilation=1, groups=1)"
    stride = per_axis(name, "stride", stride, rank, 1, example)
    dilation = per_axis(name, "dilation", dilation, rank, 1, example)
    require(is_integer(groups, 1), name, "groups", "a positive integer", groups, example)
    input = floating(input, name)
    _check_shapes(name, rank, input.shape, weight.shape, None if bias is None else bias.shape, groups)
    kernel = weight.shape[2:]
    around = sides(name, padding, kernel, stride, dilation, example)
    single = len(input.shape) == rank + 1
    x = np.expand_dims(input, 0) if single else input
    if any(itertools.chain.from_iterable(around)):
        x = np.pad(x, ((0, 0), (0, 0), *around))
    for size, k, d in zip(x.shape[2:], kernel, dilation, strict=True):
        if (k - 1) * d + 1 > size:
            raise ShapeError(
                f"{name}: the kernel must fit into the padded input, got a kernel of shape {kernel} with dilation "
                f"{dilation} for {x.shape[2:]}; enlarge the padding or the input, or take a smaller kernel. "
                f"{place(name)}"
            )
    view = windows(x, window_shape=kernel, axis=tuple(range(2, 2 + rank)), stride=stride, dilation=dilation)
    batch, places = view.shape[0], view.shape[2 : 2 + rank]
    out, channels = weight.shape[:2]
    # Channels and kernel before batch and places: then the windows' copy is made in long runs, and the product is one
    # matrix product per group, over the whole batch. The tape keeps the view.
    view = np.transpose(view, (1, *range(2 + rank, 2 + 2 * rank), 0, *range(2, 2 + rank)))
    view = np.reshape(view, (groups, channels, *kernel, batch, *places))
    product = contract(np.reshape(weight, (groups, out // groups, channels, *kernel)), view, axes=1 + rank)
    if bias is not None:
        product = np.reshape(product, (out, batch * math.prod(places))) + np.reshape(bias, (out, 1))
    if single:
        return np.reshape(product, (out, *places))
    return np.swapaxes(np.reshape(product, (out, batch, *places)), 0, 1)


def _check_shapes(name: str, rank: int, input: Any, weight: Any, bias: Any, groups: int) -> None:
    """Raises ShapeError unless input, weight and bias of these shapes fit together."""
    layout = ", ".join("DHW"[3 - rank :]) if rank > 1 else "L"
    if len(weight) != rank + 2 or not all(weight):
        raise ShapeError(
            f"{name}: the weight must have {rank + 2} axes (out, in / groups, *kernel) without one of length 0, got "
            f"shape {weight}; reshape it. {place(name)}"
        )
    if len(input) not in (rank + 1, rank + 2):
        raise ShapeError(
            f"{name}: the input must have {rank + 2} axes (N, C, {layout}), or {rank + 1} without a batch, got shape "
            f"{input}; reshape it. {place(name)}"
        )
    channels = input[-rank - 1]
    if channels != weight[1] * groups:
        raise ShapeError(
            f"{name}: the input must have {weight[1] * groups} channels ({groups} groups of the weight's {weight[1]}), "
            f"got {channels} in shape {input} for a weight of shape {weight}; change in_channels or groups, or move "
            f"the channels to axis {len(input) - rank - 1}. {place(name)}"
        )
    if weight[0] % groups:
        raise ShapeError(
            f"{name}: groups must divide the number of output channels, got {groups} groups for a weight of shape "
            f"{weight}; change groups. {place(name)}"
        )
    if bias is not None and bias != weight[:1]:
        raise ShapeError(
            f"{name}: the bias must have shape {weight[:1]}, got {bias}; one number per output channel. {place(name)}"
        )
