"""Initial values of parameters. Each function fills a Tensor in place, unrecorded, and returns it.

Fans are counted as everywhere: a weight (out, in, *window) has fan_in = in * prod(window) and fan_out =
out * prod(window), and sigma is the standard deviation of an element.

| names                              | sigma                              | source |
|------------------------------------|------------------------------------|--------|
| `xavier_normal_ xavier_uniform_`   | gain / sqrt(fan_in)                | the lecture notes' Xavier |
| `glorot_normal_ glorot_uniform_`   | gain sqrt(2 / (fan_in + fan_out))  | Glorot & Bengio 2010; PyTorch's `xavier_*` |
| `he_normal_ he_uniform_`           | sqrt(2 / fan_in)                   | He et al. 2015 |
| `kaiming_normal_ kaiming_uniform_` | gain(nonlinearity) / sqrt(fan)     | the same for any activation |
| `lecun_normal_ lecun_uniform_`     | 1 / sqrt(fan_in)                   | LeCun et al. 1998; for SELU |

The uniform versions draw from [-sqrt(3) sigma, sqrt(3) sigma]. A layer takes a function or its name as `init=`; a whole
model is initialized by

    model.apply(lambda m: isinstance(m, nn.Linear) and nn.init.he_normal_(m.weight))
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np

from autograd_core import Tensor, no_grad, random
from autograd_core.errors import ArgumentError, DTypeError, ShapeError, where

from ._checks import is_number, require

__all__ = [
    "calculate_gain",
    "constant_",
    "eye_",
    "glorot_normal_",
    "glorot_uniform_",
    "he_normal_",
    "he_uniform_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "lecun_normal_",
    "lecun_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "resolve",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

T = TypeVar("T", bound=Tensor)
FanMode: TypeAlias = Literal["fan_in", "fan_out", "fan_avg"]
Nonlinearity: TypeAlias = str | Callable[[Any], Any]

_GAINS = {
    **dict.fromkeys(("linear", "sigmoid", "conv1d", "conv2d", "conv3d"), 1.0),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), 1.0),
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


# -- plain distributions


def constant_(tensor: T, val: float) -> T:
    """Every element `val`. A constant weight gives every unit the same gradient: units stay copies of each other.

    Raises:
        DTypeError: not a Tensor, or not floating; so do all functions of this module.
        ArgumentError: the array is read-only, as in all functions of this module, or `val` is not a number.
    """
    require(is_number(val), "constant_", "val", "a real number", val, "constant_(tensor, 0.01)")
    return _fill("constant_", tensor, lambda: np.full(tensor.shape, val, tensor.dtype))


def zeros_(tensor: T) -> T:
    """Every element 0."""
    return _fill("zeros_", tensor, lambda: np.zeros(tensor.shape, tensor.dtype))


def ones_(tensor: T) -> T:
    """Every element 1."""
    return _fill("ones_", tensor, lambda: np.ones(tensor.shape, tensor.dtype))


def eye_(tensor: T) -> T:
    """The identity matrix, as far as a matrix of this shape can be it.

    Raises:
        ShapeError: the tensor does not have two axes.
    """
    _require_floating("eye_", tensor)
    if len(tensor.shape) != 2:
        raise ShapeError(
            f"eye_: the tensor must have two axes, got shape {tensor.shape}; use ones_ for a scale. {where('eye_')}"
        )
    return _fill("eye_", tensor, lambda: np.eye(*tensor.shape, dtype=tensor.dtype))


def normal_(tensor: T, mean: float = 0.0, std: float = 1.0) -> T:
    """Normal with mean `mean` and standard deviation `std`.

    Raises:
        ArgumentError: `mean` is not a number, or `std` not one >= 0.
    """
    _require_normal("normal_", mean, std)
    return _fill("normal_", tensor, lambda: random.normal(mean, std, tensor.shape, tensor.dtype))


def uniform_(tensor: T, a: float = 0.0, b: float = 1.0) -> T:
    """Uniform on [a, b].

    Raises:
        ArgumentError: a and b are not finite numbers with a <= b.
    """
    holds = is_number(a) and is_number(b, a) and math.isfinite(b - a)
    require(holds, "uniform_", "[a, b]", "an interval", (a, b), "uniform_(tensor, -0.1, 0.1)")
    return _fill("uniform_", tensor, lambda: random.uniform(a, b, tensor.shape, tensor.dtype))


def trunc_normal_(tensor: T, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0) -> T:
    """Normal with parameters `mean` and `std`, given that the value lies in [a, b] (values, not multiples of `std`).

    By the inverse of the distribution function, computed in logarithms, so that it also holds far in a tail. Every
    value is in [a, b] up to the rounding to the tensor's dtype.

    Raises:
        ArgumentError: `mean` is not a number, `std` not one > 0, or not a < b.
    """
    example = "trunc_normal_(tensor, std=0.02, a=-0.04, b=0.04)"
    _require_normal("trunc_normal_", mean, std)
    require(std > 0, "trunc_normal_", "std", "a number > 0", std, example)
    interval = is_number(a) and is_number(b, a) and a < b
    require(interval, "trunc_normal_", "[a, b]", "an interval with a < b", (a, b), example)

    def draw() -> Any:
        from scipy.special import log_ndtr, ndtri_exp

        low, high = (a - mean) / std, (b - mean) / std
        # Right of 0 the logarithm of the distribution function is near 0 and tells nothing: mirrored to the left.
        side = -1 if low > 0 else 1
        low, high = sorted((side * low, side * high))
        u = random.uniform(size=tensor.shape)
        with np.errstate(divide="ignore"):  # u = 0 is the lower end
            logs = np.logaddexp(np.log1p(-u) + log_ndtr(low), np.log(u) + log_ndtr(high))
        return np.clip(mean + side * std * ndtri_exp(logs), a, b)

    return _fill("trunc_normal_", tensor, draw)


# -- by the number of inputs and outputs


def xavier_normal_(tensor: T, gain: float = 1.0) -> T:
    """Normal with sigma = gain / sqrt(fan_in), which the lecture notes call Xavier initialization.

    It keeps the variance of activations from layer to layer where the activation is close to the identity (tanh).
    PyTorch's `xavier_normal_` also looks at fan_out and is `glorot_normal_` here; on square weights they are the same.

    Raises:
        ShapeError: a tensor with fewer than two axes has no fans; so do all functions of this section.
        ArgumentError: the gain is not a number >= 0.
    """
    return _normal_by_fan("xavier_normal_", tensor, "fan_in", gain)


def xavier_uniform_(tensor: T, gain: float = 1.0) -> T:
    """Uniform with sigma = gain / sqrt(fan_in); see `xavier_normal_`. PyTorch's is `glorot_uniform_`."""
    return _uniform_by_fan("xavier_uniform_", tensor, "fan_in", gain)


def glorot_normal_(tensor: T, gain: float = 1.0) -> T:
    """Normal with sigma = gain sqrt(2 / (fan_in + fan_out)): a compromise between forward and backward pass.

    PyTorch's `xavier_normal_`. Glorot & Bengio 2010, equation 12.
    """
    return _normal_by_fan("glorot_normal_", tensor, "fan_avg", gain)


def glorot_uniform_(tensor: T, gain: float = 1.0) -> T:
    """Uniform on gain sqrt(6 / (fan_in + fan_out)) [-1, 1]; Glorot & Bengio 2010, equation 16."""
    return _uniform_by_fan("glorot_uniform_", tensor, "fan_avg", gain)


def he_normal_(tensor: T, mode: FanMode = "fan_in") -> T:
    """Normal with sigma = sqrt(2 / fan_in), for ReLU, which halves the mean square; He et al. 2015, equation 10."""
    return _normal_by_fan("he_normal_", tensor, mode, math.sqrt(2))


def he_uniform_(tensor: T, mode: FanMode = "fan_in") -> T:
    """Uniform with sigma = sqrt(2 / fan_in); see `he_normal_`."""
    return _uniform_by_fan("he_uniform_", tensor, mode, math.sqrt(2))


def lecun_normal_(tensor: T) -> T:
    """Normal with sigma = 1 / sqrt(fan_in); LeCun et al. 1998, equation 16. What SELU assumes."""
    return _normal_by_fan("lecun_normal_", tensor, "fan_in", 1.0)


def lecun_uniform_(tensor: T) -> T:
    """Uniform with sigma = 1 / sqrt(fan_in); see `lecun_normal_`."""
    return _uniform_by_fan("lecun_uniform_", tensor, "fan_in", 1.0)


def kaiming_normal_(tensor: T, a: float = 0, mode: FanMode = "fan_in", nonlinearity: Nonlinearity = "leaky_relu") -> T:
    """Normal with sigma = gain / sqrt(fan), gain = `calculate_gain(nonlinearity, a)`; He et al. 2015.

    Args:
        tensor: at least two axes.
        a: slope of the leaky ReLU on the negative side; 0 is ReLU. Other nonlinearities ignore it.
        mode: "fan_in" keeps the variance in the forward pass, "fan_out" in the backward pass,
            "fan_avg", the mean of both fans, is between them.
        nonlinearity: a name or a function, as `calculate_gain` takes it.

    Raises:
        ArgumentError: the mode or the nonlinearity is unknown.
    """
    return _normal_by_fan("kaiming_normal_", tensor, mode, calculate_gain(nonlinearity, a))


def kaiming_uniform_(tensor: T, a: float = 0, mode: FanMode = "fan_in", nonlinearity: Nonlinearity = "leaky_relu") -> T:
    """Uniform with sigma = gain / sqrt(fan); see `kaiming_normal_`."""
    return _uniform_by_fan("kaiming_uniform_", tensor, mode, calculate_gain(nonlinearity, a))


def orthogonal_(tensor: T, gain: float = 1.0) -> T:
    """Orthonormal rows (columns, if there are more rows than columns) times `gain`, uniform among all such matrices.

    More than two axes are a matrix (shape[0], the rest). It is Q of a QR decomposition of normal numbers, with the
    signs that make R's diagonal positive; Saxe et al. 2014, Mezzadri 2007.
    """
    rows = tensor.shape[0] if _fans("orthogonal_", tensor) else 0

    def draw() -> Any:
        columns = tensor.size // rows
        q, r = np.linalg.qr(random.normal(size=(max(rows, columns), min(rows, columns))))
        q = q * np.copysign(gain, np.diagonal(r))
        return np.reshape(q.T if rows < columns else q, tensor.shape)

    require(is_number(gain), "orthogonal_", "gain", "a real number", gain, "orthogonal_(weight, gain=1.0)")
    return _fill("orthogonal_", tensor, draw)


def calculate_gain(nonlinearity: Nonlinearity, param: float | None = None) -> float:
    """What a weight's sigma is multiplied by so that an activation's output has unit mean square again.

    | name                     | gain                     |
    |--------------------------|--------------------------|
    | linear, sigmoid, conv*   | 1                        |
    | tanh                     | 5/3                      |
    | relu                     | sqrt(2)                  |
    | leaky_relu               | sqrt(2 / (1 + param^2)), param = 0.01 by default |
    | selu                     | 3/4                      |
    | a function f             | 1 / sqrt(E f(z)^2), z standard normal, by quadrature |

    The names are PyTorch's table, in which tanh, sigmoid and selu are rules of thumb. A function or an activation
    module (`np.tanh`, `F.gelu`, `nn.Tanh()`) gets its exact gain; for relu that is the same sqrt(2).

    Raises:
        ArgumentError: the name is unknown, `param` is not a number, or the function's gain is not finite.
    """
    if callable(nonlinearity):
        return _exact_gain(nonlinearity)
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        require(is_number(slope), "calculate_gain", "param", "the slope, a real number", slope, "0.01")
        return math.sqrt(2 / (1 + slope**2))
    holds = isinstance(nonlinearity, str) and nonlinearity in _GAINS
    domain = f"one of {[*_GAINS, 'leaky_relu']} or a function"
    require(holds, "calculate_gain", "nonlinearity", domain, nonlinearity, "calculate_gain(np.tanh)")
    return _GAINS[nonlinearity]


def resolve(init: str | Callable[[Tensor], Any], owner: str) -> Callable[[Tensor], Any]:
    """The function of an `init=` argument: a callable itself, or "he_normal" (also "he_normal_") for `he_normal_`.

    Raises:
        ArgumentError: no function of this module that can do without further arguments has this name.
    """
    if callable(init):
        return init
    name = f"{str(init).rstrip('_')}_"
    known = [f for f in __all__ if f.endswith("_") and f != "constant_"]
    require(name in known, owner, "init", f"one of {[f[:-1] for f in known]} or a function", init, "init='he_normal'")
    return globals()[name]  # type: ignore[no-any-return]


# -- shared parts


def _exact_gain(f: Callable[[Any], Any]) -> float:
    # Midpoints with 0 between two of them, where activations have their kinks; |z| > 12 weighs 1e-31.
    step = 1 / 256
    z = (np.arange(-12 * 256, 12 * 256) + 0.5) * step
    with no_grad():
        values = np.asarray(f(z))
    square = np.sum(values**2 * np.exp(-(z**2) / 2)) * (step / math.sqrt(2 * math.pi))
    holds = values.shape == z.shape and is_number(square, np.finfo(float).tiny, np.finfo(float).max)
    domain = "elementwise with a finite, positive mean square on standard normal numbers"
    require(holds, "calculate_gain", "a function", domain, f, "calculate_gain(np.tanh)")
    return float(1 / math.sqrt(square))


def _require_normal(name: str, mean: float, std: float) -> None:
    example = f"{name}(tensor, mean=0.0, std=0.01)"
    require(is_number(mean) and math.isfinite(mean), name, "mean", "a finite number", mean, example)
    require(is_number(std, 0) and math.isfinite(std), name, "std", "a finite number >= 0", std, example)


def _require_floating(name: str, tensor: Any) -> None:
    if not isinstance(tensor, Tensor) or tensor.dtype.kind != "f":
        got = f"a tensor of dtype {tensor.dtype}" if isinstance(tensor, Tensor) else f"{type(tensor).__name__}"
        raise DTypeError(
            f"{name}: what is initialized must be a floating Tensor or Parameter, got {got}; give the parameter itself "
            f"(layer.weight, not layer.weight.data). {where(name)}"
        )


def _fans(name: str, tensor: Tensor) -> tuple[int, int]:
    """(fan_in, fan_out)."""
    _require_floating(name, tensor)
    shape = tensor.shape
    if len(shape) < 2:
        raise ShapeError(
            f"{name}: a weight must have at least two axes (out, in, ...) to have fans, got shape {shape}; "
            f"use zeros_, constant_ or normal_ for a bias. {where(name)}"
        )
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


def _sigma(name: str, tensor: Tensor, mode: str, gain: float) -> float:
    fan_in, fan_out = _fans(name, tensor)
    fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
    holds = isinstance(mode, str) and mode in fans
    require(holds, name, "mode", "'fan_in', 'fan_out' or 'fan_avg'", mode, f"{name}(weight, mode='fan_in')")
    require(is_number(gain, 0) and math.isfinite(gain), name, "gain", "a finite number >= 0", gain, "gain=1.0")
    return gain / math.sqrt(fans[mode] or 1)  # an empty weight has nothing to fill


def _normal_by_fan(name: str, tensor: T, mode: str, gain: float) -> T:
    sigma = _sigma(name, tensor, mode, gain)
    return _fill(name, tensor, lambda: random.normal(0.0, sigma, tensor.shape, tensor.dtype))


def _uniform_by_fan(name: str, tensor: T, mode: str, gain: float) -> T:
    bound = math.sqrt(3) * _sigma(name, tensor, mode, gain)
    return _fill(name, tensor, lambda: random.uniform(-bound, bound, tensor.shape, tensor.dtype))


def _fill(name: str, tensor: T, draw: Callable[[], Any]) -> T:
    """Writes what `draw` gives into the tensor's array."""
    _require_floating(name, tensor)
    own = tensor.data
    if isinstance(own, np.ndarray):
        if not own.flags.writeable:
            raise ArgumentError(
                f"{name}: the array is written in place and so must be writeable, got a read-only array of shape "
                f"{own.shape}; make the Tensor of array.copy(). {where(name)}"
            )
        np.copyto(own, draw() if own.size else own, casting="same_kind")
        tensor._touch(name)
    else:  # an array of another kind is replaced by one of its like
        tensor.data = np.asarray(draw(), dtype=tensor.dtype, like=own)
    return tensor
