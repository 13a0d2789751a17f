"""Activation functions as modules; what each computes is in `nn.functional`, and any input shape is kept.

`inplace` is there for PyTorch's sake: the result is a new array in any case.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from . import functional as F
from ._checks import is_number, require, size
from .functional.activation import Approximation, check_approximation
from .module import Module, Parameter

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "SELU",
    "SMHT",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "Identity",
    "LeakyReLU",
    "LogSigmoid",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Softsign",
    "Step",
    "Swish",
    "Tanh",
    "Tanhshrink",
]


def _number(owner: str, name: str, value: Any, example: str) -> float:
    require(is_number(value) and abs(value) != np.inf, owner, name, "a finite number", value, example)
    return float(value)


# -- without options


class _Plain(Module):
    """A function of one array."""

    function: ClassVar[Any]

    def forward(self, x: Any) -> Any:
        """Any shape, which is kept."""
        return type(self).function(x)


class _Rectifier(_Plain):
    """A function of one array that PyTorch can compute in place."""

    def __init__(self, inplace: bool = False) -> None:
        pass


class Identity(Module):
    """The input itself; arguments are accepted and ignored, as a stand-in for any layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, x: Any) -> Any:
        """Any input."""
        return x


class Step(_Plain):
    """1 where x >= 0 (at 0 too), 0 elsewhere; its gradient is zero everywhere, and recorded as such."""

    function = staticmethod(F.step)


class Sigmoid(_Plain):
    """1 / (1 + e^-x), without overflow."""

    function = staticmethod(F.sigmoid)


class LogSigmoid(_Plain):
    """ln(sigmoid(x)), without overflow."""

    function = staticmethod(F.logsigmoid)


class Tanh(_Plain):
    """tanh(x)."""

    function = staticmethod(F.tanh)


class Tanhshrink(_Plain):
    """The input less its hyperbolic tangent, x - tanh(x)."""

    function = staticmethod(F.tanhshrink)


class Softsign(_Plain):
    """Quotient x / (1 + |x|)."""

    function = staticmethod(F.softsign)


class ReLU(_Rectifier):
    """max(0, x); its subgradient at 0 is 0."""

    function = staticmethod(F.relu)


class ReLU6(_Rectifier):
    """min(6, max(0, x)); its subgradient at 0 and 6 is 0."""

    function = staticmethod(F.relu6)


class SELU(_Rectifier):
    """lambda (x where x > 0, alpha (e^x - 1) elsewhere), lambda = 1.0507, alpha = 1.67326. Klambauer et al. 2017."""

    function = staticmethod(F.selu)


class SiLU(_Rectifier):
    """Product x sigmoid(x), also known as Swish-1."""

    function = staticmethod(F.silu)


class Mish(_Rectifier):
    """Product x tanh(ln(1 + e^x)). Misra 2019."""

    function = staticmethod(F.mish)


class Hardsigmoid(_Rectifier):
    """min(1, max(0, x / 6 + 1/2)); its subgradient at -3 and 3 is 0."""

    function = staticmethod(F.hardsigmoid)


class Hardswish(_Rectifier):
    """Product x min(1, max(0, x / 6 + 1/2)). Howard et al. 2019."""

    function = staticmethod(F.hardswish)


# -- with options


class Hardtanh(Module):
    """The input limited to [min_val, max_val]; its subgradient at the limits is 0.

    Raises:
        ArgumentError: the limits are not numbers in rising order.
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        require(is_number(min_val), "Hardtanh", "min_val", "a number", min_val, "Hardtanh(-1.0, 1.0)")
        above = is_number(max_val) and max_val > min_val
        require(above, "Hardtanh", "max_val", f"a number above min_val = {min_val}", max_val, "Hardtanh(-1.0, 1.0)")
        self.min_val, self.max_val = float(min_val), float(max_val)

    def forward(self, x: Any) -> Any:
        """Any shape, which is kept."""
        return F.hardtanh(x, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        """The limits."""
        return f"min_val={self.min_val}, max_val={self.max_val}"


class SMHT(Module):
    """Soboleva modified hyperbolic tangent, (e^(ax) - e^(-bx)) / (e^(cx) + e^(-dx)); see `functional.smht`.

    Args:
        a: growth of the numerator on the right.
        b: growth of the numerator on the left.
        c: growth of the denominator on the right; by default a, which together with d = b gives tanh((a+b)x/2).
        d: growth of the denominator on the left; by default b.

    Raises:
        ArgumentError: one of them is not a finite number.
    """

    def __init__(self, a: float = 1.0, b: float = 1.0, c: float | None = None, d: float | None = None) -> None:
        c, d = a if c is None else c, b if d is None else d
        example = "SMHT(a=1.0, b=1.0, c=1.5, d=1.2)"
        self.a, self.b = _number("SMHT", "a", a, example), _number("SMHT", "b", b, example)
        self.c, self.d = _number("SMHT", "c", c, example), _number("SMHT", "d", d, example)

    def forward(self, x: Any) -> Any:
        """Any shape, which is kept."""
        return F.smht(x, self.a, self.b, self.c, self.d)

    def extra_repr(self) -> str:
        """The four constants."""
        return f"a={self.a}, b={self.b}, c={self.c}, d={self.d}"


class LeakyReLU(Module):
    """The input x where x > 0, negative_slope x elsewhere; its subgradient at 0 is negative_slope.

    Raises:
        ArgumentError: the slope is not a finite number.
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        self.negative_slope = _number("LeakyReLU", "negative_slope", negative_slope, "LeakyReLU(0.01)")

    def forward(self, x: Any) -> Any:
        """Any shape, which is kept."""
        return F.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        """The slope."""
        return f"negative_slope={self.negative_slope}"


class PReLU(Module):
    """The input x where x > 0, weight x elsewhere; the slope is learned. He et al. 2015.

    Weight (num_parameters,), starting at `init`.

    Args:
        num_parameters: 1 slope for all, or one for each channel along axis 1.
        init: the slope to start from.
        dtype: of the slopes, float32 by default.

    Raises:
        ArgumentError: num_parameters is not a positive integer, or init is not a finite number.
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, *, dtype: Any = None) -> None:
        example = "PReLU(num_parameters=64, init=0.25)"
        self.num_parameters = size("PReLU", "num_parameters", num_parameters, example)
        self.init = _number("PReLU", "init", init, example)
        self.weight = Parameter(np.full(num_parameters, init, np.dtype(np.float32 if dtype is None else dtype)))

    def forward(self, x: Any) -> Any:
        """(N, num_parameters, ...), or any shape if there is one parameter; the shape is kept."""
        return F.prelu(x, self.weight)

    def extra_repr(self) -> str:
        """The number of slopes."""
        return f"num_parameters={self.num_parameters}"


class ELU(Module):
    """The input x where x > 0, alpha (e^x - 1) elsewhere; its subgradient at 0 is alpha. Clevert et al. 2016.

    Raises:
        ArgumentError: alpha is not a finite number.
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        self.alpha = _number("ELU", "alpha", alpha, "ELU(alpha=1.0)")

    def forward(self, x: Any) -> Any:
        """Any shape, which is kept."""
        return F.elu(x, self.alpha)

    def extra_repr(self) -> str:
        """The factor of the exponential."""
        return f"alpha={self.alpha}"


class CELU(Module):
    """max(0, x) + min(0, alpha (e^(x/alpha) - 1)), with a continuous derivative for every alpha. Barron 2017.

    Raises:
        ArgumentError: alpha is not a positive number.
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        require(is_number(alpha) and 0 < alpha < np.inf, "CELU", "alpha", "a positive number", alpha, "CELU(alpha=1.0)")
        self.alpha = float(alpha)

    def forward(self, x: Any) -> Any:
        """Any shape, which is kept."""
        return F.celu(x, self.alpha)

    def extra_repr(self) -> str:
        """The scale."""
        return f"alpha={self.alpha}"


class GELU(Module):
    """Gaussian error linear unit, x Phi(x); see `functional.gelu`. Hendrycks & Gimpel 2016.

    Raises:
        ArgumentError: approximate is neither "none" nor "tanh".
    """

    def __init__(self, approximate: Approximation = "none") -> None:
        check_approximation(approximate)
        self.approximate: Approximation = approximate

    def forward(self, x: Any) -> Any:
        """Any shape, which is kept."""
        return F.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        """Exact or approximate."""
        return f"approximate={self.approximate!r}"


class Softplus(Module):
    """ln(1 + e^(beta x)) / beta, and x itself where beta x > threshold.

    Raises:
        ArgumentError: beta is not a positive number, or threshold is not a number.
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        example = "Softplus(beta=1.0, threshold=20.0)"
        require(is_number(beta) and 0 < beta < np.inf, "Softplus", "beta", "a positive number", beta, example)
        require(is_number(threshold), "Softplus", "threshold", "a number", threshold, example)
        self.beta, self.threshold = float(beta), float(threshold)

    def forward(self, x: Any) -> Any:
        """Any shape, which is kept."""
        return F.softplus(x, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """Steepness, and where it becomes the identity."""
        return f"beta={self.beta}, threshold={self.threshold}"


class Swish(Module):
    """Product x sigmoid(beta x). Ramachandran et al. 2018.

    Args:
        beta: steepness; 1 gives SiLU, infinity would give ReLU.
        trainable: learn beta, a 0-d parameter of that name that starts at the given value.
        dtype: of the parameter, float32 by default.

    Raises:
        ArgumentError: beta is not a finite number.
    """

    beta: Parameter | float

    def __init__(self, beta: float = 1.0, trainable: bool = False, *, dtype: Any = None) -> None:
        start = _number("Swish", "beta", beta, "Swish(beta=1.0, trainable=True)")
        self.trainable = bool(trainable)
        self.beta = Parameter(np.array(start, np.float32 if dtype is None else dtype)) if trainable else start

    def forward(self, x: Any) -> Any:
        """Any shape, which is kept."""
        return F.swish(x, self.beta)

    def extra_repr(self) -> str:
        """The steepness, as it is now."""
        beta = self.beta.item() if isinstance(self.beta, Parameter) else self.beta
        return f"beta={beta:g}, trainable=True" if self.trainable else f"beta={beta}"
