"""Normalization with running statistics: batch and instance normalization."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from autograd_core import Tensor
from autograd_core.context import current
from autograd_core.errors import ArgumentError, ShapeError

from ._checks import floating, is_integer, is_number, number, place, require, size
from .functional._normalize import EpsPlacement, check_placement, folded, is_half
from .functional.normalization import batch_norm, instance_norm
from .module import Module, Parameter

__all__ = [
    "BatchNorm",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "InstanceNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
]


class _RunningNorm(Module):
    """What batch and instance normalization share: parameters, running statistics, and when they move.

    Attributes:
        frozen: use the running statistics in training mode too, and leave them as they are.
    """

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    frozen: bool = False
    feature_axis: int = 1
    _ranks: ClassVar[tuple[int, ...]] = ()  # of the input; () takes any
    _layout: ClassVar[str] = ""

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        bias: bool,
        eps_placement: EpsPlacement,
        dtype: Any,
    ) -> None:
        name = type(self).__name__
        check_placement(eps_placement, name)
        example = f"{name}(64, eps=1e-5, momentum=0.1)"
        num_features = size(name, "num_features", num_features, example)
        require(is_number(eps, 0), name, "eps", "a number >= 0", eps, example)
        in_range = momentum is None or is_number(momentum, 0, 1)
        require(in_range, name, "momentum", "a number in [0, 1] or None", momentum, example)
        dtype = np.dtype(np.float32 if dtype is None else dtype)
        self.num_features = num_features
        self.eps = float(eps)
        self.eps_placement: EpsPlacement = eps_placement
        self.momentum = number(momentum)
        self.affine = affine
        self.track_running_stats = track_running_stats
        self.weight = Parameter(np.ones(num_features, dtype)) if affine else None
        self.bias = Parameter(np.zeros(num_features, dtype)) if affine and bias else None
        tracked = track_running_stats
        self.register_buffer("running_mean", np.zeros(num_features, dtype) if tracked else None)
        self.register_buffer("running_var", np.ones(num_features, dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", np.zeros((), np.int64) if tracked else None)

    def _bad_input(self, shape: tuple[int, ...], axis: int) -> ShapeError:
        name = type(self).__name__
        if self._ranks and len(shape) not in self._ranks:
            return ShapeError(f"{name}: the input must be {self._layout}, got shape {shape}; reshape it. {place(name)}")
        hint = " or feature_axis" if isinstance(self, BatchNorm) else ""
        return ShapeError(
            f"{name}: the input must have {self.num_features} features along axis {axis}, "
            f"got shape {shape}; change num_features{hint}. {place(name)}"
        )

    def _normalized(self, function: Any, x: Any, axis: int, **options: Any) -> Any:
        """`function` with this module's parameters and statistics; the batch is counted if the statistics move."""
        x = floating(x, type(self).__name__)
        shape = x.shape
        rank = len(shape)
        if not -rank <= axis < rank or shape[axis] != self.num_features or (self._ranks and rank not in self._ranks):
            raise self._bad_input(shape, axis)
        mean = self.running_mean
        moves = self.training and not self.frozen
        count = None
        momentum: Any = self.momentum
        if mean is None:
            if self.frozen:
                raise self._untracked("frozen")
        elif moves and not current().replaying:
            assert self.num_batches_tracked is not None
            count = self.num_batches_tracked.data + 1
            if momentum is None:
                momentum = 1 / count.astype(np.float32 if is_half(mean) else mean.dtype)
        out = function(
            x,
            mean,
            self.running_var,
            self.weight,
            self.bias,
            moves or mean is None,
            momentum,
            self.eps,
            eps_placement=self.eps_placement,
            **options,
        )
        if count is not None:
            assert self.num_batches_tracked is not None
            self.num_batches_tracked.data = count  # last, so that a failed forward leaves no trace
        return out

    def folded(self) -> tuple[Any, Any]:
        """Scale and shift (C,) such that evaluation mode computes x * scale + shift.

        Raises:
            ArgumentError: running statistics are not tracked.
        """
        if self.running_mean is None or self.running_var is None:
            raise self._untracked("folded")
        mean, var = self.running_mean, self.running_var
        return folded(mean, var, self.weight, self.bias, self.eps, self.eps_placement)

    def _untracked(self, what: str) -> ArgumentError:
        name = type(self).__name__
        return ArgumentError(
            f"{name}.{what}: running statistics must be tracked, got "
            f"track_running_stats=False; make the layer with True. {place(name)}"
        )

    def extra_repr(self) -> str:
        """The number of features and the options."""
        text = f"{self.num_features}, eps={self.eps:g}, momentum={self.momentum}"
        if self.feature_axis != 1:
            text += f", feature_axis={self.feature_axis}"
        if self.eps_placement != "variance":
            text += f", eps_placement={self.eps_placement!r}"
        if self.affine and self.bias is None:
            text += ", bias=False"
        return f"{text}, frozen=True" if self.frozen else text


class BatchNorm(_RunningNorm):
    """Batch normalization over all axes but the feature axis; see `functional.batch_norm`.

    Parameters weight and bias (C,), starting at 1 and 0; buffers running_mean, running_var (C,) and
    num_batches_tracked. In training mode the batch's statistics are used and the running ones move;
    in evaluation mode the running ones are used (the batch's if they are not tracked).

    To train a model around fixed statistics, as in fine-tuning, set `layer.frozen = True`: unlike
    `layer.eval()` it outlasts the next `model.train()`. Gradients then flow through the fixed affine
    map, and weight and bias still learn unless their `requires_grad` is unset.

    The statistics move without a lock: if several threads call one layer in training, updates and counts may be lost.

    Args:
        num_features: C.
        feature_axis: the axis of features; 1 in batch-first layouts, 0 for features x batch.
        eps: keeps the divisor away from 0; with 0, a constant feature is divided by 1.
        eps_placement: "variance" for sqrt(var + eps), "deviation" for std + eps.
        momentum: weight of the newest batch in the running statistics; None gives every batch the
            same weight, so that they are the mean of the means and of the unbiased variances.
        affine: learn weight and bias.
        track_running_stats: keep running statistics.
        bias: with affine, learn the bias too.
        dtype: of parameters and statistics, float32 by default.

    Attributes:
        frozen: use the running statistics in training mode too, and leave them as they are.

    Raises:
        ArgumentError: an option is outside its domain, or a frozen layer does not track statistics.
    """

    def __init__(
        self,
        num_features: int,
        *,
        feature_axis: int = 1,
        eps: float = 1e-5,
        eps_placement: EpsPlacement = "variance",
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias, eps_placement, dtype)
        example = "BatchNorm(64, feature_axis=1)"
        require(is_integer(feature_axis), type(self).__name__, "feature_axis", "an integer", feature_axis, example)
        self.feature_axis = int(feature_axis)

    def forward(self, x: Any) -> Any:
        """Any shape with C elements along the feature axis; the output has the same."""
        axis = self.feature_axis
        return self._normalized(batch_norm, x, axis, feature_axis=axis)

    def extra_repr(self) -> str:
        """The number of features and the options."""
        text = super().extra_repr()
        if not self.affine:
            text += ", affine=False"
        return text if self.track_running_stats else f"{text}, track_running_stats=False"


class _BatchNormNd(BatchNorm):
    """Batch normalization of axis 1 with PyTorch's arguments, for inputs of given ranks."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        eps_placement: EpsPlacement = "variance",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            num_features,
            eps=eps,
            momentum=momentum,
            affine=affine,
            track_running_stats=track_running_stats,
            bias=bias,
            eps_placement=eps_placement,
            dtype=dtype,
        )


class BatchNorm1d(_BatchNormNd):
    """`BatchNorm` of inputs (N, C) or (N, C, L)."""

    _ranks, _layout = (2, 3), "(N, C) or (N, C, L)"


class BatchNorm2d(_BatchNormNd):
    """`BatchNorm` of inputs (N, C, H, W)."""

    _ranks, _layout = (4,), "(N, C, H, W)"


class BatchNorm3d(_BatchNormNd):
    """`BatchNorm` of inputs (N, C, D, H, W)."""

    _ranks, _layout = (5,), "(N, C, D, H, W)"


class InstanceNorm(_RunningNorm):
    """Instance normalization, over the spatial axes of every sample; see `functional.instance_norm`.

    The same statistics are used in training and in evaluation, unless running ones are tracked: then as in
    `BatchNorm`, `frozen` included, with the statistics averaged over the batch. Unlike PyTorch's, num_batches_tracked
    counts, so that momentum=None gives every batch the same weight.

    Args:
        num_features: C.
        eps: keeps the divisor away from 0; with 0, a constant feature is divided by 1.
        momentum: weight of the newest batch in the running statistics; None for their mean.
        affine: learn weight and bias (C,).
        track_running_stats: keep running statistics.
        bias: with affine, learn the bias too.
        eps_placement: "variance" for sqrt(var + eps), "deviation" for std + eps.
        dtype: of parameters and statistics, float32 by default.

    Raises:
        ArgumentError: an option is outside its domain, or a frozen layer does not track statistics.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
        eps_placement: EpsPlacement = "variance",
        dtype: Any = None,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias, eps_placement, dtype)

    def forward(self, x: Any) -> Any:
        """(N, C, *) with one spatial axis or more; the output has the same shape.

        InstanceNorm1d, 2d and 3d take a sample without batch axis too.
        """
        x = floating(x, type(self).__name__)
        shape = x.shape
        if self._ranks and len(shape) == self._ranks[0]:
            if shape[0] != self.num_features:
                raise self._bad_input(shape, 0)
            return self._normalized(instance_norm, x[np.newaxis], 1)[0]
        return self._normalized(instance_norm, x, 1)

    def extra_repr(self) -> str:
        """The number of features and the options."""
        return f"{super().extra_repr()}, affine={self.affine}, track_running_stats={self.track_running_stats}"


class InstanceNorm1d(InstanceNorm):
    """`InstanceNorm` of inputs (N, C, L) or (C, L)."""

    _ranks, _layout = (2, 3), "(N, C, L) or (C, L)"


class InstanceNorm2d(InstanceNorm):
    """`InstanceNorm` of inputs (N, C, H, W) or (C, H, W)."""

    _ranks, _layout = (3, 4), "(N, C, H, W) or (C, H, W)"


class InstanceNorm3d(InstanceNorm):
    """`InstanceNorm` of inputs (N, C, D, H, W) or (C, D, H, W)."""

    _ranks, _layout = (4, 5), "(N, C, D, H, W) or (C, D, H, W)"
