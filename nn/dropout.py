"""Layers that add noise in training mode and are the identity in evaluation mode."""

from __future__ import annotations

from typing import Any

from . import functional as F
from ._checks import is_number, number, require
from .module import Module

__all__ = ["Dropout", "Dropout1d", "Dropout2d", "GaussianNoise"]


class Dropout(Module):
    """Each element is 0 with probability p and x / (1 - p) otherwise; see `functional.dropout`.

    Hinton et al. 2012, Srivastava et al. 2014. The masks come from `autograd_core.random`, where each thread has a
    random state of its own: fresh threads draw the same masks, unless each calls `random.seed` with a seed of its own.

    Args:
        p: probability of being off.
        inplace: for PyTorch's sake; the result is a new array in any case.

    Raises:
        ArgumentError: p is not a number in [0, 1].
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        name = type(self).__name__
        require(is_number(p, 0, 1), name, "p", "a probability in [0, 1]", p, f"{name}(p=0.5)")
        self.p = number(p)

    def forward(self, x: Any) -> Any:
        """Any shape, which is kept."""
        return F.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"


class Dropout1d(Dropout):
    """Dropout of whole channels of (N, C, L) or (C, L); see `functional.dropout1d`."""

    def forward(self, x: Any) -> Any:
        """(N, C, L) or (C, L), which is kept."""
        return F.dropout1d(x, self.p, self.training)


class Dropout2d(Dropout):
    """Dropout of whole channels of (N, C, H, W); see `functional.dropout2d`."""

    def forward(self, x: Any) -> Any:
        """(N, C, H, W), which is kept."""
        return F.dropout2d(x, self.p, self.training)


class GaussianNoise(Module):
    """x + sigma n, n standard normal; see `functional.gaussian_noise`.

    Args:
        sigma: standard deviation of the noise, in the units of the input.

    Raises:
        ArgumentError: sigma is not a number >= 0.
    """

    def __init__(self, sigma: float) -> None:
        require(is_number(sigma, 0), "GaussianNoise", "sigma", "a number >= 0", sigma, "GaussianNoise(0.1)")
        self.sigma = number(sigma)

    def forward(self, x: Any) -> Any:
        """Any shape, which is kept."""
        return F.gaussian_noise(x, self.sigma, self.training)

    def extra_repr(self) -> str:
        """The standard deviation."""
        return f"sigma={self.sigma}"
