"""Normalization layers: those without running statistics, and the names of the others."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core.errors import ArgumentError, ShapeError

from ._checks import floating, is_integer, is_number, place, require, size
from .batch_norm import (
    BatchNorm,
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
)
from .functional._normalize import EpsPlacement, check_placement
from .functional.normalization import group_norm, layer_norm, rms_norm
from .module import Module, Parameter

__all__ = [
    "BatchNorm",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "GroupNorm",
    "InstanceNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "RMSNorm",
]


def _parameters(affine: bool, bias: bool, shape: Any, dtype: Any) -> tuple[Parameter | None, Parameter | None]:
    """Weight 1 and bias 0, or None."""
    dtype = np.dtype(np.float32 if dtype is None else dtype)
    weight = Parameter(np.ones(shape, dtype)) if affine else None
    return weight, (Parameter(np.zeros(shape, dtype)) if affine and bias else None)


def _shape(owner: str, normalized_shape: Any) -> tuple[int, ...]:
    """normalized_shape as a tuple, from an integer or a sequence of them."""
    shape = tuple(normalized_shape) if isinstance(normalized_shape, tuple | list) else (normalized_shape,)
    holds = bool(shape) and all(is_integer(n, 1) for n in shape)
    domain = "a positive integer or a sequence of such"
    require(holds, owner, "normalized_shape", domain, normalized_shape, f"{owner}(64)")
    return tuple(int(n) for n in shape)


class LayerNorm(Module):
    """Layer normalization over the last axes; see `functional.layer_norm`.

    Parameters weight and bias of normalized_shape, starting at 1 and 0.

    Args:
        normalized_shape: the lengths of the last axes; an integer for one.
        eps: keeps the divisor away from 0; with 0, constants are divided by 1.
        elementwise_affine: learn weight and bias.
        bias: with elementwise_affine, learn the bias too.
        eps_placement: "variance" for sqrt(var + eps), "deviation" for std + eps.
        dtype: of the parameters, float32 by default.

    Raises:
        ArgumentError: an option is outside its domain.
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...] | list[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        eps_placement: EpsPlacement = "variance",
        dtype: Any = None,
    ) -> None:
        check_placement(eps_placement, "LayerNorm")
        self.normalized_shape = _shape("LayerNorm", normalized_shape)
        require(is_number(eps, 0), "LayerNorm", "eps", "a number >= 0", eps, "LayerNorm(64, eps=1e-5)")
        self.eps = float(eps)
        self.elementwise_affine = elementwise_affine
        self.eps_placement: EpsPlacement = eps_placement
        self.weight, self.bias = _parameters(elementwise_affine, bias, self.normalized_shape, dtype)

    def forward(self, x: Any) -> Any:
        """Input (*, normalized_shape); the output has the same shape."""
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps, eps_placement=self.eps_placement)

    def extra_repr(self) -> str:
        """The shape and the options."""
        text = f"{self.normalized_shape}, eps={self.eps:g}, elementwise_affine={self.elementwise_affine}"
        if self.elementwise_affine and self.bias is None:
            text += ", bias=False"
        return text + _placement(self.eps_placement)


class RMSNorm(Module):
    """RMS normalization over the last axes; see `functional.rms_norm`.

    Parameter weight of normalized_shape, starting at 1.

    Args:
        normalized_shape: the lengths of the last axes; an integer for one.
        eps: keeps the divisor away from 0; None for the machine epsilon of the input's dtype.
        elementwise_affine: learn the weight.
        eps_placement: "variance" for sqrt(mean(x^2) + eps), "deviation" for sqrt(mean(x^2)) + eps.
        dtype: of the weight, float32 by default.

    Raises:
        ArgumentError: an option is outside its domain.
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...] | list[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        eps_placement: EpsPlacement = "variance",
        dtype: Any = None,
    ) -> None:
        check_placement(eps_placement, "RMSNorm")
        self.normalized_shape = _shape("RMSNorm", normalized_shape)
        valid = eps is None or is_number(eps, 0)
        require(valid, "RMSNorm", "eps", "a number >= 0 or None", eps, "RMSNorm(64, eps=1e-6)")
        self.eps = None if eps is None else float(eps)
        self.elementwise_affine = elementwise_affine
        self.eps_placement: EpsPlacement = eps_placement
        self.weight, _ = _parameters(elementwise_affine, False, self.normalized_shape, dtype)

    def forward(self, x: Any) -> Any:
        """Input (*, normalized_shape); the output has the same shape."""
        return rms_norm(x, self.normalized_shape, self.weight, self.eps, eps_placement=self.eps_placement)

    def extra_repr(self) -> str:
        """The shape and the options."""
        eps = self.eps if self.eps is None else f"{self.eps:g}"
        text = f"{self.normalized_shape}, eps={eps}, elementwise_affine={self.elementwise_affine}"
        return text + _placement(self.eps_placement)


class GroupNorm(Module):
    """Group normalization of every sample; see `functional.group_norm`.

    Parameters weight and bias (C,), starting at 1 and 0. One group is layer normalization over channels and space,
    as many groups as channels are instance normalization. A group of a single value has its bias as output.

    Args:
        num_groups: into how many groups of neighbours the channels are divided.
        num_channels: C, a multiple of num_groups.
        eps: keeps the divisor away from 0; with 0, constants are divided by 1.
        affine: learn weight and bias.
        bias: with affine, learn the bias too.
        eps_placement: "variance" for sqrt(var + eps), "deviation" for std + eps.
        dtype: of the parameters, float32 by default.

    Raises:
        ArgumentError: an option is outside its domain, or the groups do not divide the channels.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
        eps_placement: EpsPlacement = "variance",
        dtype: Any = None,
    ) -> None:
        example = "GroupNorm(8, 64, eps=1e-5)"
        check_placement(eps_placement, "GroupNorm")
        self.num_groups = size("GroupNorm", "num_groups", num_groups, example)
        self.num_channels = size("GroupNorm", "num_channels", num_channels, example)
        if num_channels % num_groups:
            raise ArgumentError(
                f"GroupNorm: num_channels must be a multiple of num_groups, got {num_channels} channels and "
                f"{num_groups} groups; e.g. {example}. {place('GroupNorm')}"
            )
        require(is_number(eps, 0), "GroupNorm", "eps", "a number >= 0", eps, example)
        self.eps = float(eps)
        self.affine = affine
        self.eps_placement: EpsPlacement = eps_placement
        self.weight, self.bias = _parameters(affine, bias, num_channels, dtype)

    def forward(self, x: Any) -> Any:
        """Input (N, C, *); the output has the same shape."""
        x = floating(x, "GroupNorm")
        if len(x.shape) > 1 and x.shape[1] != self.num_channels:
            raise ShapeError(
                f"GroupNorm: the input must have {self.num_channels} channels along axis 1, got shape {x.shape}; "
                f"change num_channels or the input. {place('GroupNorm')}"
            )
        return group_norm(x, self.num_groups, self.weight, self.bias, self.eps, eps_placement=self.eps_placement)

    def extra_repr(self) -> str:
        """The sizes and the options."""
        text = f"{self.num_groups}, {self.num_channels}, eps={self.eps:g}, affine={self.affine}"
        if self.affine and self.bias is None:
            text += ", bias=False"
        return text + _placement(self.eps_placement)


def _placement(placement: EpsPlacement) -> str:
    """What `repr` says about the placement of eps, if it is not the default."""
    return "" if placement == "variance" else f", eps_placement={placement!r}"
