"""Activation functions as modules."""

from __future__ import annotations

from typing import Any

from . import functional as F
from .module import Module

__all__ = ["ReLU", "Sigmoid", "Tanh"]


class ReLU(Module):
    """max(0, x); its subgradient at 0 is 0."""

    def forward(self, x: Any) -> Any:
        """Any shape, which is kept."""
        return F.relu(x)


class Tanh(Module):
    """tanh(x)."""

    def forward(self, x: Any) -> Any:
        """Any shape, which is kept."""
        return F.tanh(x)


class Sigmoid(Module):
    """1 / (1 + e^-x), without overflow."""

    def forward(self, x: Any) -> Any:
        """Any shape, which is kept."""
        return F.sigmoid(x)
