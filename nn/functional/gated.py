"""Gated linear units: one linear map of the input decides how much of another passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_core.errors import ShapeError

from .._checks import floating, place
from .activation import gelu, relu, sigmoid, swish
from .linear import linear

__all__ = ["gated_linear", "geglu", "glu", "reglu", "swiglu"]


def glu(input: Any, dim: int = -1) -> Any:
    """First half of the input along an axis, times the sigmoid of the second half. Dauphin et al. 2017.

    This is PyTorch's function, without parameters; `nn.GLU(in, out)` has the two linear maps as well.

    Raises:
        ShapeError: the input has no such axis, or it has an odd length.
    """
    input = floating(input, "glu")
    shape = input.shape
    if not -len(shape) <= dim < len(shape) or shape[dim] % 2:
        raise ShapeError(
            f"glu: the input must have an even length along dim {dim}, got shape {shape}; change dim, or give the "
            f"layer before it twice as many outputs. {place('glu')}"
        )
    passed, gate = np.split(input, 2, axis=dim)
    return passed * sigmoid(gate)


def gated_linear(
    input: Any,
    weight: Any,
    value_weight: Any,
    bias: Any = None,
    value_bias: Any = None,
    activation: Callable[[Any], Any] = sigmoid,
) -> Any:
    """activation(x W^T + b) * (x V^T + c); Shazeer 2020.

    Args:
        input: x, (..., in).
        weight: W, (out, in).
        value_weight: V, (out, in).
        bias: b, (out,), or None.
        value_bias: c, (out,), or None.
        activation: sigmoid for GLU, relu for ReGLU, gelu for GEGLU, silu for SwiGLU.

    Raises:
        ShapeError: the last axis of the input has another length than that of a weight.
    """
    return activation(linear(input, weight, bias)) * linear(input, value_weight, value_bias)


def reglu(input: Any, weight: Any, value_weight: Any, bias: Any = None, value_bias: Any = None) -> Any:
    """max(0, x W^T + b) * (x V^T + c); arguments and errors as of `gated_linear`."""
    return gated_linear(input, weight, value_weight, bias, value_bias, relu)


def geglu(input: Any, weight: Any, value_weight: Any, bias: Any = None, value_bias: Any = None) -> Any:
    """GELU(x W^T + b) * (x V^T + c); arguments and errors as of `gated_linear`."""
    return gated_linear(input, weight, value_weight, bias, value_bias, gelu)


def swiglu(
    input: Any, weight: Any, value_weight: Any, bias: Any = None, value_bias: Any = None, *, beta: Any = 1.0
) -> Any:
    """Swish(x W^T + b) * (x V^T + c), beta as in `swish`; arguments and errors as of `gated_linear`."""
    return swish(linear(input, weight, bias), beta) * linear(input, value_weight, value_bias)
