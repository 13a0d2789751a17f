"""Noise that training adds and evaluation leaves out."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core import random
from autograd_core.errors import DTypeError, ShapeError

from .._checks import array, is_number, place, require

__all__ = ["dropout", "dropout1d", "dropout2d", "gaussian_noise"]


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Each element is 0 with probability p and input / (1 - p) otherwise, so that its mean stays the input.

    Outside of training it is the input. (The same without the division, with all weights multiplied by 1 - p after
    training, is how Srivastava et al. 2014 state it.)

    Args:
        input: any shape, floating.
        p: probability of being off; 0 and 1 allowed.
        training: draw; otherwise the input is returned as it is.
        inplace: for PyTorch's sake; the result is a new array in any case.

    Raises:
        ArgumentError: p is not a number in [0, 1].
        DTypeError: the input is not floating.
    """
    return _dropped("dropout", input, p, training, None)


def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """As `dropout`, for whole channels: of (N, C, L), or of (C, L).

    Raises:
        ShapeError: the input has neither two nor three axes.
    """
    input = array(input, "dropout1d")
    if len(input.shape) not in (2, 3):
        raise ShapeError(
            f"dropout1d: the input must be (N, C, L) or (C, L), got shape {input.shape}; use dropout for features, "
            f"dropout2d for images. {place('dropout1d')}"
        )
    return _dropped("dropout1d", input, p, training, 1)


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """As `dropout`, for whole channels of (N, C, H, W); Tompson et al. 2015.

    Raises:
        ShapeError: the input does not have four axes.
    """
    input = array(input, "dropout2d")
    if len(input.shape) != 4:
        raise ShapeError(
            f"dropout2d: the input must be (N, C, H, W), got shape {input.shape}; use dropout1d for (N, C, L), or add "
            f"a batch axis with x[np.newaxis]. {place('dropout2d')}"
        )
    return _dropped("dropout2d", input, p, training, 2)


def gaussian_noise(input: Any, sigma: float, training: bool = True) -> Any:
    """The input plus sigma n, n standard normal for each element; outside of training the input.

    Averaged over the noise, it penalizes the gradient of the loss with respect to the input; Bishop 1995.

    Args:
        input: any shape, floating.
        sigma: standard deviation of the noise.
        training: add it.

    Raises:
        ArgumentError: sigma is not a number >= 0.
        DTypeError: the input is not floating.
    """
    require(is_number(sigma, 0), "gaussian_noise", "sigma", "a number >= 0", sigma, "sigma=0.1")
    input = array(input, "gaussian_noise")
    if not training or sigma == 0:
        return input
    _require_floating("gaussian_noise", input)
    return input + random.normal(0.0, sigma, input.shape, input.dtype)


def _dropped(name: str, input: Any, p: float, training: bool, window: int | None) -> Any:
    """Dropout of elements, or of all elements of the last `window` axes together."""
    require(is_number(p, 0, 1), name, "p", "a probability in [0, 1]", p, "p=0.5")
    input = array(input, name)
    if not training or p == 0:
        return input
    _require_floating(name, input)
    shape = input.shape if window is None else (*input.shape[:-window], *(1,) * window)
    keep = random.bernoulli(1 - p, shape, np.bool_)
    # One array in the input's dtype: one product forward and one backward.
    return input * np.multiply(keep, 1 / (1 - p) if p < 1 else 0.0, dtype=input.dtype)


def _require_floating(name: str, input: Any) -> None:
    if input.dtype.kind != "f":
        raise DTypeError(
            f"{name}: the input must be floating, got dtype {input.dtype}; convert with .astype(np.float32). "
            f"{place(name)}"
        )
