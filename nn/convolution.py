"""Convolution layers: one class for any number of dimensions."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from autograd_core import random
from autograd_core.errors import ArgumentError

from . import functional as F
from ._checks import array, place, require, size
from .functional.convolution import per_axis, sides
from .module import Module, Parameter

__all__ = ["Conv1d", "Conv2d", "Conv3d"]

# PyTorch's names of what lies around the input, and NumPy's.
_PADDING_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


class _Convolution(Module):
    """What the layers share; `rank` is the number of axes that the kernel slides along."""

    rank: ClassVar[int]
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        dtype: Any = None,
    ) -> None:
        name = type(self).__name__
        example = f"{name}(in_channels, out_channels, kernel_size=3, stride=1, padding=1)"
        self.in_channels = size(name, "in_channels", in_channels, example)
        self.out_channels = size(name, "out_channels", out_channels, example)
        self.kernel_size = per_axis(name, "kernel_size", kernel_size, self.rank, 1, example)
        self.stride = per_axis(name, "stride", stride, self.rank, 1, example)
        self.dilation = per_axis(name, "dilation", dilation, self.rank, 1, example)
        self.groups = size(name, "groups", groups, example)
        if in_channels % groups or out_channels % groups:
            raise ArgumentError(
                f"{name}: groups must divide in_channels and out_channels, got groups={groups} for {in_channels} and "
                f"{out_channels}; e.g. groups=in_channels with out_channels a multiple of it. {place(name)}"
            )
        self._around = sides(name, padding, self.kernel_size, self.stride, self.dilation, example)
        self.padding = padding if isinstance(padding, str) else tuple(before for before, _ in self._around)
        require(
            padding_mode in _PADDING_MODES, name, "padding_mode", f"one of {[*_PADDING_MODES]}", padding_mode, example
        )
        self.padding_mode = padding_mode
        dtype = np.dtype(np.float32 if dtype is None else dtype)
        shape = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        self.weight = Parameter(random.uniform(-bound, bound, shape, dtype=dtype))
        self.bias = Parameter(random.uniform(-bound, bound, self.out_channels, dtype=dtype)) if bias else None

    def forward(self, x: Any) -> Any:
        """Input (N, in_channels, ...) or (in_channels, ...); see `functional.conv2d`."""
        x = array(x, type(self).__name__)
        padding: Any = self.padding
        if self.padding_mode != "zeros" and len(x.shape) > self.rank:
            lead = ((0, 0),) * (len(x.shape) - self.rank)
            x = np.pad(x, (*lead, *self._around), _PADDING_MODES[self.padding_mode])  # type: ignore[call-overload]
            padding = 0
        convolution = (F.conv1d, F.conv2d, F.conv3d)[self.rank - 1]
        return convolution(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        """The sizes, and the options that are not at their defaults."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0,) * self.rank:
            text += f", padding={self.padding!r}"
        if self.dilation != (1,) * self.rank:
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        return text if self.padding_mode == "zeros" else f"{text}, padding_mode={self.padding_mode!r}"


class Conv1d(_Convolution):
    """Convolution along the last axis of (N, in_channels, L) or (in_channels, L); see `Conv2d`."""

    rank = 1


class Conv2d(_Convolution):
    """Convolution along the last two axes of (N, in_channels, H, W) or (in_channels, H, W).

    See `functional.conv2d`. Weight (out_channels, in_channels / groups, *kernel_size), bias (out_channels,). Both start
    uniform on [-1/sqrt(n), 1/sqrt(n)], PyTorch's default, where n is the number of inputs of one output.

    Args:
        in_channels: C of the input.
        out_channels: C of the output.
        kernel_size: an integer, or one for each axis, as `stride`, `padding` and `dilation`.
        stride: from one window to the next.
        padding: elements added on both sides of each axis; or "valid" for none, "same" for an output of the input's
            size.
        dilation: from one element of a window to the next.
        groups: equal parts of the channels, each convolved by itself; `in_channels` of them make it depthwise.
        bias: add b.
        padding_mode: what is added: "zeros", "reflect", "replicate" or "circular".
        dtype: of the parameters, float32 by default.

    Raises:
        ArgumentError: an option is outside its domain, or groups does not divide the channels.
    """

    rank = 2


class Conv3d(_Convolution):
    """Convolution along the last three axes of (N, in_channels, D, H, W) or (in_channels, D, H, W); see `Conv2d`."""

    rank = 3
