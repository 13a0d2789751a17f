"""The affine map."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core.errors import ShapeError

from .._checks import place

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
        ShapeError: the last axis of the input has another length than that of the weight.
    """
    shape = input.shape
    if not shape or shape[-1] != weight.shape[-1]:
        raise ShapeError(
            f"linear: the input's last axis must have the weight's in_features "
            f"{weight.shape[-1]}, got an input of shape {shape} and a weight of shape "
            f"{weight.shape}; reshape or transpose the input, or change in_features. "
            f"{place('linear')}"
        )
    if len(shape) > 2:  # NumPy hands only matrices to BLAS
        rows = np.inner(input.reshape((-1, shape[-1])), weight)
        rows = rows if bias is None else rows + bias
        return rows.reshape((*shape[:-1], weight.shape[0]))
    product = np.inner(input, weight)  # both gradients of `inner` are contiguous
    return product if bias is None else product + bias
