"""The affine map."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_core.errors import ShapeError

from .._checks import floating, place

__all__ = ["linear"]


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """Affine map of the last axis, input W^T + b.

    Args:
        input: (..., in).
        weight: (out, in).
        bias: (out,), or None.

    Returns:
        (..., out).

    Raises:
        ShapeError: the weight or bias has another number of axes, or lengths do not fit.
    """
    input = floating(input, "linear")
    shape, sizes = input.shape, weight.shape
    # One comparison for the lengths and the weight's number of axes; slices are also those of ().
    if shape[-1:] != sizes[1:] or not shape or (bias is not None and bias.shape != sizes[:1]):
        raise _misfit(shape, sizes, None if bias is None else bias.shape)
    if len(shape) > 2:  # NumPy hands only matrices to BLAS
        rows = np.inner(input.reshape((math.prod(shape[:-1]), shape[-1])), weight)
        rows = rows if bias is None else rows + bias
        return rows.reshape((*shape[:-1], sizes[0]))
    product = np.inner(input, weight)  # both gradients of `inner` are contiguous
    return product if bias is None else product + bias


def _misfit(input: tuple[int, ...], weight: tuple[int, ...], bias: tuple[int, ...] | None) -> ShapeError:
    """What `linear` says about shapes that do not fit."""
    if len(weight) != 2:
        text = f"the weight must be (out_features, in_features), got shape {weight}; reshape it"
    elif input[-1:] != weight[1:]:
        text = (
            f"the input's last axis must have the weight's in_features {weight[1]}, got an input of shape {input} and "
            f"a weight of shape {weight}; reshape or transpose the input, or change in_features"
        )
    else:
        text = f"the bias must be (out_features,) = ({weight[0]},), got shape {bias}; reshape it"
    return ShapeError(f"linear: {text}. {place('linear')}")
