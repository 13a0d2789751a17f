"""Pooling layers."""

from __future__ import annotations

from typing import Any, ClassVar

from . import functional as F
from .functional.pooling import check_max_pool, check_output_size, check_pool
from .module import Module

__all__ = ["AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AvgPool1d", "AvgPool2d", "MaxPool1d", "MaxPool2d"]


class _MaxPool(Module):
    """What the layers share; `rank` is the number of axes that the window slides along."""

    rank: ClassVar[int]

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        check_max_pool(type(self).__name__, self.rank, kernel_size, stride, padding, dilation)
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, x: Any) -> Any:
        """See `functional.max_pool2d`."""
        pool = F.max_pool1d if self.rank == 1 else F.max_pool2d
        return pool(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices)

    def extra_repr(self) -> str:
        """The options."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """Maximum over windows along the last axis of (N, C, L) or (C, L); see `MaxPool2d`."""

    rank = 1


class MaxPool2d(_MaxPool):
    """Maximum over windows along the last two axes of (N, C, H, W) or (C, H, W); see `functional.max_pool2d`.

    Where several elements of a window attain the maximum they share the gradient equally; PyTorch gives it to the
    first.

    Args:
        kernel_size: an integer, or one for each axis, as `stride`, `padding` and `dilation`.
        stride: from one window to the next, `kernel_size` by default.
        padding: of minus infinity on both sides of each axis, at most half of the kernel.
        dilation: from one element of a window to the next.
        return_indices: return (maxima, indices); see `functional.max_pool2d`.
        ceil_mode: windows that start inside but end outside count too.

    Raises:
        ArgumentError: an option is outside its domain.
    """

    rank = 2


class _AvgPool(Module):
    """What the layers share; `rank` is the number of axes that the window slides along."""

    rank: ClassVar[int]
    kernel_size: Any
    stride: Any
    padding: Any
    divisor_override: int | None = None

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        each = check_pool(type(self).__name__, self.rank, kernel_size, stride, padding)
        given = (kernel_size, kernel_size if stride is None else stride, padding)
        self.kernel_size, self.stride, self.padding = each if self.rank == 1 else given  # as PyTorch shows them
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def extra_repr(self) -> str:
        """The window, and the options that are not at their defaults."""
        text = f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
        if self.ceil_mode:
            text += ", ceil_mode=True"
        if not self.count_include_pad:
            text += ", count_include_pad=False"
        return text if self.divisor_override is None else f"{text}, divisor_override={self.divisor_override}"


class AvgPool1d(_AvgPool):
    """Mean over windows along the last axis of (N, C, L) or (C, L); see `AvgPool2d`."""

    rank = 1

    def forward(self, x: Any) -> Any:
        """See `functional.avg_pool1d`."""
        return F.avg_pool1d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class AvgPool2d(_AvgPool):
    """Mean over windows along the last two axes of (N, C, H, W) or (C, H, W); see `functional.avg_pool2d`.

    Args:
        kernel_size: an integer, or one for each axis, as `stride` and `padding`.
        stride: from one window to the next, `kernel_size` by default.
        padding: zeros on both sides of each axis, at most half of the kernel.
        ceil_mode: windows that start inside but end outside count too.
        count_include_pad: the mean counts the padding.
        divisor_override: what the sum is divided by, in place of the number of elements.

    Raises:
        ArgumentError: an option is outside its domain.
    """

    rank = 2

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        check_pool("AvgPool2d", 2, kernel_size, stride, padding, divisor_override)
        self.divisor_override = divisor_override

    def forward(self, x: Any) -> Any:
        """See `functional.avg_pool2d`."""
        return F.avg_pool2d(
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class _AdaptiveAvgPool(Module):
    """What the layers share: the output size, checked when the layer is made."""

    _rank: ClassVar[int]

    def __init__(self, output_size: Any) -> None:
        check_output_size(type(self).__name__, self._rank, output_size)
        self.output_size = output_size

    def extra_repr(self) -> str:
        """The output size."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Means over `output_size` parts of the last axis of (N, C, L) or (C, L); see `functional.adaptive_avg_pool1d`.

    Raises:
        ArgumentError: the output size is not positive.
    """

    _rank = 1

    def forward(self, x: Any) -> Any:
        """Output (N, C, output_size) or (C, output_size)."""
        return F.adaptive_avg_pool1d(x, self.output_size)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Means over a grid of parts of the last two axes; 1 is the global average. See `functional.adaptive_avg_pool2d`.

    Args:
        output_size: an integer, or two; None keeps an axis as it is.

    Raises:
        ArgumentError: the output size is not positive.
    """

    _rank = 2

    def forward(self, x: Any) -> Any:
        """Output (N, C, *output_size) or (C, *output_size)."""
        return F.adaptive_avg_pool2d(x, self.output_size)
