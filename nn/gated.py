"""Gated linear units: two linear maps of the input, one of which decides how much of the other passes."""

from __future__ import annotations

from typing import Any

from autograd_core.errors import ArgumentError, where

from . import functional as F
from ._checks import size
from .activations import Swish
from .linear import Linear
from .module import Module

__all__ = ["GEGLU", "GLU", "ReGLU", "SwiGLU"]


class _Gated(Module):
    """activation(x W^T + b) * (x V^T + c); `gate` holds W and b, `value` holds V and c."""

    gate: Linear
    value: Linear

    def __init__(self, in_features: int, out_features: int, bias: bool = True, *, dtype: Any = None) -> None:
        owner = type(self).__name__
        example = f"{owner}(in_features, out_features)"
        self.in_features = size(owner, "in_features", in_features, example)
        self.out_features = size(owner, "out_features", out_features, example)
        self.gate = Linear(in_features, out_features, bias, dtype=dtype)
        self.value = Linear(in_features, out_features, bias, dtype=dtype)

    def _activation(self, gate: Any) -> Any:
        return F.sigmoid(gate)

    def forward(self, x: Any) -> Any:
        """Input (..., in_features), output (..., out_features)."""
        return self._activation(self.gate(x)) * self.value(x)


class GLU(_Gated):
    """Gated linear unit, sigmoid(x W^T + b) * (x V^T + c). Dauphin et al. 2017; Shazeer 2020.

    Parameters gate.weight (W) and value.weight (V), (out_features, in_features) each; gate.bias (b) and value.bias (c),
    (out_features,) each. PyTorch's module of this name has no parameters: it is `functional.glu` here.

    Args:
        in_features: length of the last axis of the input.
        out_features: length of the last axis of the output.
        bias: add b and c.
        dtype: of the parameters, float32 by default.

    Raises:
        ArgumentError: a size is not a positive integer, or there is one only, as PyTorch's module takes it.
    """

    def __init__(
        self, in_features: int | None = None, out_features: int | None = None, bias: bool = True, *, dtype: Any = None
    ) -> None:
        if in_features is None or out_features is None:
            got = ", ".join(str(n) for n in (in_features, out_features) if n is not None)
            raise ArgumentError(
                f"GLU: it must have in_features and out_features, for its two linear maps, got GLU({got}); the unit "
                f"without parameters is F.glu(input, dim=-1). {where('GLU')}"
            )
        super().__init__(in_features, out_features, bias, dtype=dtype)


class ReGLU(_Gated):
    """max(0, x W^T + b) * (x V^T + c); parameters and arguments as of `GLU`."""

    def _activation(self, gate: Any) -> Any:
        return F.relu(gate)


class GEGLU(_Gated):
    """GELU(x W^T + b) * (x V^T + c); parameters and arguments as of `GLU`."""

    def _activation(self, gate: Any) -> Any:
        return F.gelu(gate)


class SwiGLU(_Gated):
    """Swish(x W^T + b) * (x V^T + c); parameters and arguments as of `GLU`.

    Args:
        in_features: length of the last axis of the input.
        out_features: length of the last axis of the output.
        bias: add b and c.
        beta: steepness of Swish.
        trainable: learn it, as the 0-d parameter swish.beta.
        dtype: of the parameters, float32 by default.

    Raises:
        ArgumentError: a size is not a positive integer, or beta is not a finite number.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        beta: float = 1.0,
        trainable: bool = False,
        dtype: Any = None,
    ) -> None:
        super().__init__(in_features, out_features, bias, dtype=dtype)
        self.swish = Swish(beta, trainable, dtype=dtype)

    def _activation(self, gate: Any) -> Any:
        return self.swish(gate)
