"""The affine layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_core import Tensor, random

from . import functional as F
from ._checks import size
from .init import resolve
from .module import Module, Parameter

__all__ = ["Linear"]


class Linear(Module):
    """Affine map of the last axis: y = x W^T + b.

    Weight (out_features, in_features), bias (out_features,). By default both start uniform on
    [-1/sqrt(in_features), 1/sqrt(in_features)], as PyTorch's do.

    Args:
        in_features: length of the last axis of the input.
        out_features: length of the last axis of the output.
        bias: add b.
        init: how the weight starts instead, as a function of the parameter or the name of one in `nn.init`
            ("xavier_normal", "he_normal", "orthogonal", ...); the bias then starts at 0.
        dtype: of the parameters, float32 by default.

    Raises:
        ArgumentError: a size is not a positive integer, or `init` is unknown.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        init: str | Callable[[Tensor], Any] | None = None,
        dtype: Any = None,
    ) -> None:
        example = "Linear(in_features, out_features)"
        self.in_features = size("Linear", "in_features", in_features, example)
        self.out_features = size("Linear", "out_features", out_features, example)
        dtype = np.dtype(np.float32 if dtype is None else dtype)
        shape = (self.out_features, self.in_features)
        if init is None:
            bound = 1 / math.sqrt(in_features)
            self.weight = Parameter(random.uniform(-bound, bound, shape, dtype=dtype))
            start = random.uniform(-bound, bound, out_features, dtype=dtype) if bias else None
        else:
            fill = resolve(init, "Linear")
            self.weight = Parameter(np.zeros(shape, dtype))
            fill(self.weight)
            start = np.zeros(out_features, dtype) if bias else None
        self.bias: Parameter | None = None if start is None else Parameter(start)

    def forward(self, x: Any) -> Any:
        """Input (..., in_features), output (..., out_features)."""
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The sizes, and whether there is a bias."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
