"""Standardization: features of mean 0 and standard deviation 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core import Tensor
from autograd_core.errors import ArgumentError, ShapeError, where

__all__ = ["Standardizer", "standardize"]


class Standardizer:
    """Maps x to (x - mean) / std, with the mean and standard deviation of the set that it was fitted on.

    Fit it on the training set and apply it to all others, so that nothing of them leaks into training. The statistics
    are computed in float64; std divides by N. A feature that is constant in the training set becomes 0 there (its std
    is taken as 1).

    Args:
        axis: the axes to average over: 0 for (N, features), (0, 2, 3) for images by channel, None for all.

    Attributes:
        mean, std: float64, with averaged axes of length one; None before `fit`.
    """

    def __init__(self, axis: int | tuple[int, ...] | None = 0) -> None:
        self.axis = axis
        self.mean: Any = None
        self.std: Any = None

    def fit(self, x: Any) -> Standardizer:
        """Takes mean and standard deviation from x.

        Raises:
            ShapeError: x has no such axis, or no element along them.
            ArgumentError: x is not numeric, or has a NaN or an infinity.
        """
        x = _array(x)
        by = "Standardizer.fit"
        try:
            count = x.size if self.axis is None else np.prod([x.shape[a] for a in np.atleast_1d(self.axis)])
        except IndexError:
            count = -1
        if count < 1:
            raise ShapeError(
                f"{by}: the array must have elements along axis {self.axis}, got shape {x.shape}; change axis. "
                f"{where(by)}"
            )
        if x.dtype.kind not in "fiub":
            raise ArgumentError(f"{by}: the data must be real numbers, got dtype {x.dtype}; convert them. {where(by)}")
        low, high = (f(x, axis=self.axis, keepdims=True) for f in (np.min, np.max))
        if not (np.all(np.isfinite(low)) and np.all(np.isfinite(high))):
            at = tuple(map(int, np.argwhere(~np.isfinite(x))[0]))
            raise ArgumentError(
                f"{by}: the data must be finite, got {x[at]} at {at}; remove or replace such samples. {where(by)}"
            )
        constant = low == high
        mean, var = _moments(x, self.axis, count)
        # Exactly 0 for a constant feature, whatever the rounding of the mean.
        self.mean = np.where(constant, low, mean)
        self.std = np.where(constant | (var == 0), 1.0, np.sqrt(var))
        return self

    def __call__(self, x: Any) -> Any:
        """(x - mean) / std in x's floating dtype; integers give float32."""
        x = x if hasattr(x, "astype") else np.asarray(x)
        mean, std = self._for("Standardizer", x)
        return ((x if _floating(x) else x.astype(mean.dtype)) - mean) / std

    transform = __call__

    def inverse(self, z: Any) -> Any:
        """What was standardized: z * std + mean."""
        z = z if hasattr(z, "astype") else np.asarray(z)
        mean, std = self._for("Standardizer.inverse", z)
        return z * std + mean

    def _for(self, by: str, x: Any) -> tuple[Any, Any]:
        if self.mean is None:
            raise ArgumentError(f"{by}: it must be fitted first, got no data yet; call .fit(x_train). {where(by)}")
        shape, own = x.shape, self.mean.shape
        if len(shape) != len(own) or any(b not in (1, a) for a, b in zip(shape, own)):
            raise ShapeError(
                f"{by}: the array must fit the fitted features of shape {own}, got shape {shape}; it must have the "
                f"axes of the training set. {where(by)}"
            )
        dtype = x.dtype if _floating(x) else np.dtype(np.float32)
        return self.mean.astype(dtype), self.std.astype(dtype)

    def __repr__(self) -> str:
        fitted = "not fitted" if self.mean is None else f"features {self.mean.shape}"
        return f"Standardizer(axis={self.axis}, {fitted})"


def standardize(x: Any, *others: Any, axis: int | tuple[int, ...] | None = 0) -> Any:
    """Standardizes x, and others with the statistics of x; see `Standardizer`.

    Returns:
        The array; with others a tuple of all.
    """
    scaler = Standardizer(axis).fit(x)
    return (scaler(x), *map(scaler, others)) if others else scaler(x)


def _array(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else np.asarray(x)


def _floating(x: Any) -> bool:
    return bool(x.dtype.kind == "f")


def _moments(x: Any, axis: Any, count: Any) -> tuple[Any, Any]:
    """Mean and variance in float64, without a float64 copy of x if the first axis is averaged over."""
    axes = tuple(range(x.ndim)) if axis is None else tuple(int(a) % x.ndim for a in np.atleast_1d(axis))
    step = max(1, (1 << 20) // max(1, x[:1].size)) if 0 in axes else max(1, len(x))
    blocks = [x[i : i + step] for i in range(0, len(x), step)] if x.ndim else [x]
    mean = sum(np.sum(b, axes, np.float64, keepdims=True) for b in blocks) / count
    var = sum(np.sum(np.square(b - mean), axes, keepdims=True) for b in blocks) / count
    return mean, var
