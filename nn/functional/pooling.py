"""Pooling in any number of dimensions: the maximum or the mean of each sliding window."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_core import stop_gradient
from autograd_core.errors import ShapeError
from autograd_core.ops.windows import window_max, window_sum, windows

from .._checks import array, floating, is_integer, place, require
from .convolution import per_axis

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "max_pool1d",
    "max_pool2d",
]


def max_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Maximum over windows along the last axis of (N, C, L) or (C, L); see `max_pool2d`."""
    return _max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Maximum over windows along the last two axes, out[n, c, i] = max over k of input[n, c, stride i + dilation k].

    Where several elements of a window attain the maximum they share the gradient equally, as in `max`; PyTorch gives
    it to the first.

    Args:
        input: (N, C, H, W), or (C, H, W) without a batch.
        kernel_size: of the window; an integer or one for each axis, as the three that follow.
        stride: from one window to the next, `kernel_size` by default.
        padding: of minus infinity on both sides of each axis, at most half of the kernel.
        dilation: from one element of a window to the next.
        ceil_mode: windows that start inside but end outside count too.
        return_indices: return (maxima, indices): int64 positions in the flattened plane, without padding, of the first
            element in rows that attains each maximum (or is NaN, if there is one).

    Returns:
        (N, C, OH, OW) or (C, OH, OW), where OH = (H + 2 padding - dilation (KH - 1) - 1) / stride + 1, rounded down,
        or up with `ceil_mode`; with `return_indices` two of that shape.

    Raises:
        ShapeError: the input has another number of axes, or the window does not fit into it.
        ArgumentError: an argument is outside its domain.
    """
    return _max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _max_pool(
    name: str,
    rank: int,
    input: Any,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    kernel, stride, padding, dilation = check_max_pool(name, rank, kernel, stride, padding, dilation)
    input = array(input, name)
    sizes = input.shape[-rank:]
    spans = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    behind = _behind(name, rank, input.shape, spans, stride, padding, ceil_mode)
    if any(padding) or any(behind):
        around = [(p, b) for p, b in zip(padding, behind, strict=True)]
        lowest = -np.inf if input.dtype.kind == "f" else int(np.iinfo(input.dtype).min)
        input = np.pad(input, ((0, 0),) * (len(input.shape) - rank) + tuple(around), constant_values=lowest)
    axes = tuple(range(-rank, 0))
    out = window_max(input, window_shape=kernel, axis=axes, stride=stride, dilation=dilation)
    if not return_indices:
        return out
    inside = np.pad(np.ones(sizes, bool), [(p, b) for p, b in zip(padding, behind, strict=True)])
    seen, counted = (windows(a, kernel, axes, stride, dilation) for a in (stop_gradient(input), inside))
    return out, _places(seen, counted, stop_gradient(out), kernel, stride, dilation, padding, sizes)


def _places(
    seen: Any,
    counted: Any,
    largest: Any,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    padding: tuple[int, ...],
    sizes: tuple[int, ...],
) -> Any:
    """Where in the unpadded, flattened plane the first largest element of each window lies; padding may be as large."""
    rank = len(kernel)
    largest = np.reshape(largest, (*largest.shape, *(1,) * rank))
    attained = ((seen == largest) | (seen != seen)) & counted
    first = np.argmax(np.reshape(attained, (*attained.shape[:-rank], math.prod(kernel))), axis=-1)
    flat: Any = 0
    for i in range(rank):
        within = first // math.prod(kernel[i + 1 :]) % kernel[i]
        starts = np.arange(first.shape[i - rank]) * stride[i] - padding[i]
        starts = np.reshape(starts, (-1,) + (1,) * (rank - 1 - i))
        flat = flat * sizes[i] + (within * dilation[i] + starts)
    return flat


def avg_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """Mean over windows along the last axis of (N, C, L) or (C, L); see `avg_pool2d`."""
    return _avg_pool("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Mean over windows along the last two axes, out[n, c, i] = sum over k of input[n, c, stride i + k] / count.

    Args:
        input: (N, C, H, W), or (C, H, W) without a batch.
        kernel_size: of the window; an integer or one for each axis, as the two that follow.
        stride: from one window to the next, `kernel_size` by default.
        padding: zeros on both sides of each axis, at most half of the kernel.
        ceil_mode: windows that start inside but end outside count too; what lies outside of the padding is not counted.
        count_include_pad: the count includes the padding.
        divisor_override: the count, of all windows.

    Returns:
        (N, C, OH, OW) or (C, OH, OW), where OH = (H + 2 padding - KH) / stride + 1, rounded down, or up with
        `ceil_mode`.

    Raises:
        ShapeError: the input has another number of axes, or the window does not fit into it.
        ArgumentError: an argument is outside its domain.
    """
    return _avg_pool(
        "avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def _avg_pool(
    name: str,
    rank: int,
    input: Any,
    kernel: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: Any,
) -> Any:
    kernel, stride, padding = check_pool(name, rank, kernel, stride, padding, divisor)
    input = floating(input, name)
    sizes = input.shape[-rank:]
    behind = _behind(name, rank, input.shape, kernel, stride, padding, ceil_mode)
    if any(padding) or any(behind):
        around = tuple((p, b) for p, b in zip(padding, behind, strict=True))
        input = np.pad(input, ((0, 0),) * (len(input.shape) - rank) + around)
    total = window_sum(input, window_shape=kernel, axis=tuple(range(-rank, 0)), stride=stride)
    if divisor is not None:
        return total / int(divisor)
    if not any(behind) or (count_include_pad and behind == padding):
        return total / math.prod(kernel)
    counted = padding if count_include_pad else (0,) * rank
    counts = np.ones((), total.dtype)
    for i in range(rank):  # how many elements of each window count, along each axis
        starts = np.arange(total.shape[i - rank]) * stride[i] - padding[i]
        ends = np.minimum(starts + kernel[i], sizes[i] + counted[i])
        counts = counts[..., np.newaxis] * (ends - np.maximum(starts, -counted[i])).astype(total.dtype)
    return total / counts


def check_pool(
    name: str, rank: int, kernel: Any, stride: Any, padding: Any, divisor: Any = None
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Kernel, stride and padding with an entry for each axis, or ArgumentError."""
    example = f"{name}(kernel_size=2, stride=2)"
    kernel = per_axis(name, "kernel_size", kernel, rank, 1, example)
    stride = kernel if stride is None else per_axis(name, "stride", stride, rank, 1, example)
    padding = per_axis(name, "padding", padding, rank, 0, example)
    within = all(2 * p <= k for p, k in zip(padding, kernel, strict=True))
    require(within, name, "padding", f"at most half of kernel_size {kernel}", padding, example)
    nonzero = divisor is None or (is_integer(divisor) and divisor != 0)
    require(nonzero, name, "divisor_override", "an integer other than 0 or None", divisor, example)
    return kernel, stride, padding


def check_max_pool(
    name: str, rank: int, kernel: Any, stride: Any, padding: Any, dilation: Any
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Kernel, stride, padding and dilation with an entry for each axis, or ArgumentError."""
    example = f"{name}(kernel_size=2, stride=2)"
    return *check_pool(name, rank, kernel, stride, padding), per_axis(name, "dilation", dilation, rank, 1, example)


def check_output_size(name: str, rank: int, output_size: Any) -> tuple[int | None, ...]:
    """The output size with an entry for each axis, or ArgumentError."""
    several = tuple(output_size) if isinstance(output_size, tuple | list) else (output_size,) * rank
    holds = len(several) == rank and all(n is None or is_integer(n, 1) for n in several)
    domain = "a positive integer or None" + (", or two of such" if rank == 2 else "")
    require(holds, name, "output_size", domain, output_size, f"{name}(output_size=1)")
    return several


def _behind(
    name: str,
    rank: int,
    shape: tuple[int, ...],
    spans: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    ceil_mode: bool,
) -> tuple[int, ...]:
    """The padding behind each axis: more than in front where `ceil_mode` has one window more."""
    if len(shape) not in (rank + 1, rank + 2):
        layout = "(N, C, H, W), or (C, H, W)" if rank == 2 else "(N, C, L), or (C, L)"
        raise ShapeError(f"{name}: the input must be {layout}, got shape {shape}; reshape it. {place(name)}")
    behind = []
    for size, span, step, before in zip(shape[-rank:], spans, stride, padding, strict=True):
        rest = size + 2 * before - span
        if rest < 0 and not (ceil_mode and rest > -step):  # with ceil_mode a single window may reach over the end
            raise ShapeError(
                f"{name}: the window must fit into the padded input, got a window that spans {span} elements for "
                f"{size + 2 * before} in an input of shape {shape}; enlarge the input or the padding, or take a "
                f"smaller window. {place(name)}"
            )
        extra = -rest % step if ceil_mode else 0
        if extra and (rest + extra) // step * step >= size + before:  # it would start in the padding behind
            extra = 0
        behind.append(before + extra)
    return tuple(behind)


def adaptive_avg_pool1d(input: Any, output_size: Any) -> Any:
    """Means over `output_size` parts of the last axis of (N, C, L) or (C, L); see `adaptive_avg_pool2d`."""
    return _adaptive("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """Means over a grid of parts of the last two axes; with an output size of 1 the global average.

    Part i of n along H begins at floor(i H / n) and ends before ceil((i + 1) H / n), so that parts may overlap.

    Args:
        input: (N, C, H, W), or (C, H, W) without a batch.
        output_size: an integer, or two; None keeps an axis as it is.

    Returns:
        (N, C, *output_size) or (C, *output_size).

    Raises:
        ShapeError: the input has another number of axes, or an axis of length 0 to average.
        ArgumentError: the output size is not positive.
    """
    return _adaptive("adaptive_avg_pool2d", 2, input, output_size)


def _adaptive(name: str, rank: int, input: Any, output_size: Any) -> Any:
    input = floating(input, name)
    shape = input.shape
    if len(shape) not in (rank + 1, rank + 2) or not all(shape[-rank:]):
        layout = "(N, C, H, W), or (C, H, W)" if rank == 2 else "(N, C, L), or (C, L)"
        raise ShapeError(
            f"{name}: the input must be {layout}, with elements to average, got shape {shape}; reshape it. "
            f"{place(name)}"
        )
    sizes = shape[-rank:]
    wanted = tuple(
        n if w is None else w for w, n in zip(check_output_size(name, rank, output_size), sizes, strict=True)
    )
    if wanted == (1,) * rank:
        return np.mean(input, axis=tuple(range(-rank, 0)), keepdims=True)
    out = input
    for axis, (size, parts) in enumerate(zip(sizes, wanted, strict=True), start=-rank):
        out = _part_means(out, axis, size, parts)
    return out


def _part_means(x: Any, axis: int, size: int, parts: int) -> Any:
    """Means of the parts of an axis; only what a part holds goes into its mean."""
    if parts == size:
        return x
    if size % parts == 0:
        axis += len(x.shape)
        cut = np.reshape(x, (*x.shape[:axis], parts, size // parts, *x.shape[axis + 1 :]))
        return np.mean(cut, axis=axis + 1)
    whole = (slice(None),) * (len(x.shape) + axis)
    edges = [(i * size // parts, -(-(i + 1) * size // parts)) for i in range(parts)]
    return np.concatenate([np.mean(x[(*whole, slice(*edge))], axis=axis, keepdims=True) for edge in edges], axis=axis)
