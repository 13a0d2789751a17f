"""Activation functions in forward form; the input may have any shape, which is kept.

Those that need no exponential on one side are operators of the engine (`autograd_core.ops.activations`) with one rule
each; the others are products and sums of operators. Nothing overflows at inputs of any size but where it is said.
Integers and booleans are computed as floating numbers (see `_checks.floating`), but by those that only choose.
"""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

import autograd_core
from autograd_core import Tensor
from autograd_core.context import current
from autograd_core.errors import ArgumentError, ShapeError
from autograd_core.functions import stop_gradient
from autograd_core.ops import activations as ops

from .._checks import array, floating, number, place
from ._reduction import seen, values

__all__ = [
    "Approximation",
    "celu",
    "check_approximation",
    "elu",
    "gelu",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "identity",
    "leaky_relu",
    "log_softmax",
    "logsigmoid",
    "mish",
    "one_axis",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "smht",
    "softmax",
    "softmin",
    "softplus",
    "softsign",
    "step",
    "swish",
    "tanh",
    "tanhshrink",
]

Approximation: TypeAlias = Literal["none", "tanh"]

# Klambauer et al. 2017: the fixed point of mean 0 and variance 1. S003 prints 1.0507 and 1.67326.
SELU_SCALE = 1.0507009873554804934193349852946
SELU_ALPHA = 1.6732632423543772848170429916717


def identity(input: Any) -> Any:
    """The input itself."""
    return input


def step(input: Any) -> Any:
    """1 where input >= 0 (at 0 too), 0 elsewhere; recorded, with a gradient of zero."""
    return ops.step(input)


def sigmoid(input: Any) -> Any:
    """1 / (1 + e^-input), without overflow."""
    return _sigmoid(floating(input, "sigmoid"))


def _sigmoid(x: Any) -> Any:
    """`sigmoid` of what is floating."""
    return x.sigmoid() if isinstance(x, Tensor) else autograd_core.sigmoid(x)


def logsigmoid(input: Any) -> Any:
    """ln(sigmoid(input)) = -ln(1 + e^-input), without overflow."""
    return -autograd_core.softplus(-floating(input, "logsigmoid"))


def hardsigmoid(input: Any) -> Any:
    """min(1, max(0, input / 6 + 1/2)); its subgradient at -3 and 3 is 0."""
    return _hardsigmoid(floating(input, "hardsigmoid"))


def _hardsigmoid(x: Any) -> Any:
    """`hardsigmoid` of what is floating."""
    return ops.hardtanh(x / 6 + 0.5, 0.0, 1.0)


def tanh(input: Any) -> Any:
    """Hyperbolic tangent, (e^x - e^-x) / (e^x + e^-x)."""
    return np.tanh(floating(input, "tanh"))


def tanhshrink(input: Any) -> Any:
    """The input less its hyperbolic tangent, x - tanh(x)."""
    input = floating(input, "tanhshrink")
    return input - np.tanh(input)


def smht(input: Any, a: float, b: float, c: float | None = None, d: float | None = None) -> Any:
    """Soboleva modified hyperbolic tangent, (e^(ax) - e^(-bx)) / (e^(cx) + e^(-dx)).

    Computed as tanh((a+b)x/2) (e^(ax) + e^(-bx)) / (e^(cx) + e^(-dx)) with the largest exponent of the denominator
    taken out of both sums: nothing cancels at 0, and nothing overflows unless the value itself does (a > c or b > d).
    With c = a and d = b, as it is often printed, the quotient is 1 and what is left is tanh((a+b)x/2).

    Args:
        input: x, of any shape.
        a: growth of the numerator on the right.
        b: growth of the numerator on the left.
        c: growth of the denominator on the right; None for a.
        d: growth of the denominator on the left; None for b.
    """
    input = floating(input, "smht")
    a, b, c, d = number(a), number(b), number(a if c is None else c), number(b if d is None else d)
    if c == a and d == b:
        return np.tanh(input * ((a + b) / 2))
    # Beyond these limits the value has reached its own, and infinity less infinity would be NaN. To look at the numbers
    # takes less time than to limit them.
    far = float(np.finfo(input.dtype).max) / (2 * max(1, abs(a), abs(b), abs(c), abs(d)))
    x = values(input)
    if current().trace is not None or (seen(x) and not (x.max() <= far and x.min() >= -far)):
        input = np.clip(input, -far, far)
    odd = np.tanh(input * ((a + b) / 2))
    right, left = c * input, -d * input
    # The value does not depend on what is taken out, so that no gradient needs to flow through it.
    top = stop_gradient(np.maximum(right, left))
    above = np.exp(a * input - top) + np.exp(-b * input - top)
    return odd * above / (np.exp(right - top) + np.exp(left - top))


def relu(input: Any) -> Any:
    """max(0, input); its subgradient at 0 is 0."""
    return input.relu() if isinstance(input, Tensor) else autograd_core.relu(input)


def relu6(input: Any) -> Any:
    """min(6, max(0, input)); its subgradient at 0 and 6 is 0."""
    return ops.hardtanh(floating(input, "relu6"), 0.0, 6.0)


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """The input limited to [min_val, max_val]; its subgradient at the limits is 0."""
    return ops.hardtanh(floating(input, "hardtanh"), number(min_val), number(max_val))


def leaky_relu(input: Any, negative_slope: float = 0.01) -> Any:
    """The input x where x > 0, negative_slope x elsewhere; its subgradient at 0 is negative_slope. Maas et al. 2013."""
    return ops.leaky_relu(floating(input, "leaky_relu"), number(negative_slope))


def prelu(input: Any, weight: Any) -> Any:
    """The input x where x > 0, weight x elsewhere, with a learned slope; He et al. 2015.

    The subgradient in x at 0 is the slope.

    Args:
        input: (N, C, ...), or any shape.
        weight: one slope for all, or (C,), one for each channel along axis 1 (axis 0 of a vector).

    Raises:
        ShapeError: the weight is not a vector, or has neither one slope nor one per channel.
    """
    input, weight = floating(input, "prelu"), array(weight, "prelu")
    shape = input.shape
    slopes = weight.shape
    if slopes == (1,):
        return ops.prelu(input, weight if shape else weight.reshape(()))
    axis = 1 if len(shape) > 1 else 0
    if len(slopes) != 1 or not shape or slopes[0] != shape[axis]:
        raise ShapeError(
            f"prelu: the weight must be a vector of 1 slope or of one per channel of the input, got a weight of shape "
            f"{slopes} and an input of shape {shape}; channels are axis 1, change num_parameters. {place('prelu')}"
        )
    return ops.prelu(input, weight.reshape((-1,) + (1,) * (len(shape) - 1 - axis)))


def elu(input: Any, alpha: float = 1.0) -> Any:
    """The input x where x > 0, alpha (e^x - 1) elsewhere; its subgradient at 0 is alpha. Clevert et al. 2016."""
    return ops.elu(floating(input, "elu"), number(alpha))


def selu(input: Any) -> Any:
    """Scaled ELU, lambda elu(x, alpha) with lambda = 1.0507, alpha = 1.67326; its subgradient at 0 is lambda alpha."""
    return ops.elu(floating(input, "selu"), SELU_ALPHA) * SELU_SCALE


def celu(input: Any, alpha: float = 1.0) -> Any:
    """max(0, x) + min(0, alpha (e^(x/alpha) - 1)), with a continuous derivative for every alpha. Barron 2017."""
    input, alpha = floating(input, "celu"), number(alpha)
    return ops.elu(input) if alpha == 1 else ops.elu(input / alpha) * alpha


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """ln(1 + e^(beta x)) / beta, and x itself where beta x > threshold."""
    input, beta, threshold = floating(input, "softplus"), number(beta), number(threshold)
    scaled = input if beta == 1 else input * beta
    out = autograd_core.softplus(scaled)
    out = out if beta == 1 else out / beta
    # Above the threshold the two differ by a factor 1 + e^-threshold at most, which float32 does not see at 20.
    if threshold > 0 and math.exp(-threshold) < np.finfo(out.dtype).eps / 4:
        return out
    return np.where(scaled > threshold, input, out)


def check_approximation(approximate: str) -> None:
    """Raises ArgumentError unless `approximate` is one of the two."""
    if approximate not in get_args(Approximation):
        raise ArgumentError(
            f"gelu: approximate must be 'none' (exact) or 'tanh', got {approximate!r}; 'none' is the default. "
            f"{place('gelu')}"
        )


def gelu(input: Any, approximate: Approximation = "none") -> Any:
    """Gaussian error linear unit, x Phi(x) = x (1 + erf(x / sqrt(2))) / 2. Hendrycks & Gimpel 2016.

    Args:
        input: x, of any shape.
        approximate: "none", or "tanh" for x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2.

    Raises:
        ArgumentError: the approximation is unknown.
    """
    input = floating(input, "gelu")
    if approximate == "none":
        return input * ops.ndtr(input)
    check_approximation(approximate)
    # (1 + tanh(u)) / 2 = sigmoid(2u), in fewer steps.
    if input.dtype.itemsize == 2:  # the square overflows float16; at 20 the sigmoid is 0 or 1
        return input * _sigmoid(_gelu_exponent(np.clip(input, -20, 20)))
    return input * _sigmoid(_gelu_exponent(input))


def _gelu_exponent(x: Any) -> Any:
    """2 sqrt(2/pi) (x + 0.044715 x^3)."""
    return x * (x**2 * (0.044715 * 2 * math.sqrt(2 / math.pi)) + 2 * math.sqrt(2 / math.pi))


def silu(input: Any) -> Any:
    """Sigmoid linear unit, x sigmoid(x), also known as Swish-1."""
    input = floating(input, "silu")
    return input * _sigmoid(input)


def swish(input: Any, beta: Any = 1.0) -> Any:
    """Product x sigmoid(beta x); beta is a number or a Tensor that is learned. Ramachandran et al. 2018."""
    input = floating(input, "swish")
    return input * _sigmoid(input * number(beta))


def hardswish(input: Any) -> Any:
    """Product x min(1, max(0, x / 6 + 1/2)); its subgradient at -3 is 0, at 3 it is 1. Howard et al. 2019."""
    input = floating(input, "hardswish")
    return input * _hardsigmoid(input)


def mish(input: Any) -> Any:
    """Product x tanh(ln(1 + e^x)). Misra 2019."""
    input = floating(input, "mish")
    return input * np.tanh(autograd_core.softplus(input))


def softsign(input: Any) -> Any:
    """Quotient x / (1 + |x|)."""
    input = floating(input, "softsign")
    return input / (np.abs(input) + 1)


def one_axis(name: str, dim: int | None, axis: int | None) -> int:
    """The axis from PyTorch's argument `dim` or NumPy's `axis`; the last one if neither is given.

    Raises:
        ArgumentError: both are given and differ.
    """
    if axis is None:
        return -1 if dim is None else dim
    if dim is None or dim == axis:
        return axis
    raise ArgumentError(
        f"{name}: dim and axis are two names of one argument, got dim={dim} and axis={axis}; give one of them. "
        f"{place(name)}"
    )


def softmax(input: Any, dim: int | None = None, *, axis: int | None = None, dtype: Any = None) -> Any:
    """e^x / sum(e^x) along an axis.

    Args:
        input: logits, of any shape.
        dim: the axis along which the result sums to 1; the last one by default.
        axis: NumPy's name for `dim`.
        dtype: convert the input to this dtype first.

    Raises:
        ShapeError: the input has no such axis.
        ArgumentError: dim and axis are both given and differ.
    """
    return ops.softmax(_cast("softmax", input, dtype), one_axis("softmax", dim, axis))


def softmin(input: Any, dim: int | None = None, *, axis: int | None = None, dtype: Any = None) -> Any:
    """softmax(-x); see `softmax`."""
    return ops.softmax(-_cast("softmin", input, dtype), one_axis("softmin", dim, axis))


def log_softmax(input: Any, dim: int | None = None, *, axis: int | None = None, dtype: Any = None) -> Any:
    """Logarithm of softmax, x - ln(sum(e^x)) along an axis; see `softmax`."""
    return ops.log_softmax(_cast("log_softmax", input, dtype), one_axis("log_softmax", dim, axis))


def _cast(name: str, input: Any, dtype: Any) -> Any:
    """The input in this dtype if there is one, floating in any case."""
    return floating(input if dtype is None else array(input, name).astype(dtype), name)
