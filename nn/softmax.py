"""Softmax, softmin and log-softmax as modules; what each computes is in `nn.functional`."""

from __future__ import annotations

from typing import Any, ClassVar

from . import functional as F
from ._checks import is_integer, require
from .functional.activation import one_axis
from .module import Module

__all__ = ["LogSoftmax", "Softmax", "Softmin"]


class _AlongAxis(Module):
    """A function that normalizes along an axis."""

    function: ClassVar[Any]

    def __init__(self, dim: int | None = None, *, axis: int | None = None) -> None:
        owner = type(self).__name__
        for name, value in (("dim", dim), ("axis", axis)):
            require(value is None or is_integer(value), owner, name, "an integer or None", value, f"{owner}(dim=1)")
        self.dim = one_axis(owner, dim, axis)

    def forward(self, x: Any) -> Any:
        """Any shape with this axis, which is kept."""
        return type(self).function(x, self.dim)

    def extra_repr(self) -> str:
        """The axis."""
        return f"dim={self.dim}"


class Softmax(_AlongAxis):
    """e^x / sum(e^x) along an axis, PyTorch's `dim` or NumPy's `axis`; the last one by default.

    Raises:
        ArgumentError: the axis is not an integer, or dim and axis are both given and differ.
    """

    function = staticmethod(F.softmax)


class Softmin(_AlongAxis):
    """Softmax of -x; its arguments."""

    function = staticmethod(F.softmin)


class LogSoftmax(_AlongAxis):
    """Logarithm of softmax, x - ln(sum(e^x)), along an axis; arguments as of `Softmax`."""

    function = staticmethod(F.log_softmax)
