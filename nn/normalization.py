"""Normalization layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core import Tensor
from autograd_core.context import current
from autograd_core.errors import ArgumentError, ShapeError

from ._checks import is_integer, is_number, place, require, size
from .functional.normalization import EpsPlacement, batch_norm, check_placement, folded
from .module import Module, Parameter

__all__ = ["BatchNorm"]


class BatchNorm(Module):
    """Batch normalization over all axes but the feature axis; see `functional.batch_norm`.

    Parameters weight and bias (C,), starting at 1 and 0; buffers running_mean, running_var (C,) and
    num_batches_tracked. In training mode the batch's statistics are used and the running ones move;
    in evaluation mode the running ones are used (the batch's if they are not tracked).

    Args:
        num_features: C.
        feature_axis: the axis of features; 1 in batch-first layouts, 0 for features x batch.
        eps: keeps the divisor away from 0.
        eps_placement: "variance" for sqrt(var + eps), "deviation" for std + eps.
        momentum: weight of the newest batch in the running statistics; None gives every batch the
            same weight, so that they are the mean of the means and of the unbiased variances.
        affine: learn weight and bias.
        track_running_stats: keep running statistics.
        dtype: of parameters and statistics, float32 by default.

    Raises:
        ArgumentError: an option is outside its domain.
    """

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

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
        dtype: Any = None,
    ) -> None:
        check_placement(eps_placement)
        example = "BatchNorm(64, feature_axis=1, eps=1e-5, momentum=0.1)"
        size("BatchNorm", "num_features", num_features, example)
        require(is_integer(feature_axis), "BatchNorm", "feature_axis", "an integer", feature_axis, example)
        require(is_number(eps, 0), "BatchNorm", "eps", "a number >= 0", eps, example)
        in_range = momentum is None or is_number(momentum, 0, 1)
        require(in_range, "BatchNorm", "momentum", "a number in [0, 1] or None", momentum, example)
        dtype = np.dtype(np.float32 if dtype is None else dtype)
        self.num_features = int(num_features)
        self.feature_axis = int(feature_axis)
        self.eps = float(eps)
        self.eps_placement: EpsPlacement = eps_placement
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self.weight = Parameter(np.ones(num_features, dtype)) if affine else None
        self.bias = Parameter(np.zeros(num_features, dtype)) if affine else None
        tracked = track_running_stats
        self.register_buffer("running_mean", np.zeros(num_features, dtype) if tracked else None)
        self.register_buffer("running_var", np.ones(num_features, dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", np.zeros((), np.int64) if tracked else None)

    def forward(self, x: Any) -> Any:
        """Any shape with C elements along the feature axis; the output has the same."""
        shape = x.shape
        axis = self.feature_axis
        if not -len(shape) <= axis < len(shape) or shape[axis] != self.num_features:
            raise ShapeError(
                f"BatchNorm: the input must have {self.num_features} features along axis {axis}, "
                f"got shape {shape}; change num_features or feature_axis. {place('BatchNorm')}"
            )
        momentum: Any = self.momentum
        batches = self.num_batches_tracked
        count = None
        if self.training and batches is not None and not current().replaying:
            count = batches.data + 1
            if momentum is None:
                assert self.running_mean is not None
                momentum = 1 / count.astype(self.running_mean.dtype)
        out = batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            momentum,
            self.eps,
            feature_axis=axis,
            eps_placement=self.eps_placement,
        )
        if count is not None:
            assert batches is not None
            batches.data = count  # last, so that a failed forward leaves no trace
        return out

    def folded(self) -> tuple[Any, Any]:
        """Scale and shift (C,) such that evaluation mode computes x * scale + shift.

        Raises:
            ArgumentError: running statistics are not tracked.
        """
        if self.running_mean is None or self.running_var is None:
            raise ArgumentError(
                f"BatchNorm.folded: running statistics must be tracked, got "
                f"track_running_stats=False; make the layer with True. {place('BatchNorm')}"
            )
        mean, var = self.running_mean, self.running_var
        return folded(mean, var, self.weight, self.bias, self.eps, self.eps_placement)

    def extra_repr(self) -> str:
        """The number of features and the options."""
        text = f"{self.num_features}, eps={self.eps:g}, momentum={self.momentum}"
        if self.feature_axis != 1:
            text += f", feature_axis={self.feature_axis}"
        if self.eps_placement != "variance":
            text += f", eps_placement={self.eps_placement!r}"
        if not self.affine:
            text += ", affine=False"
        return text if self.track_running_stats else f"{text}, track_running_stats=False"
