"""Losses as modules."""

from __future__ import annotations

from typing import Any

from . import functional as F
from .functional.loss import check_reduction
from .module import Module

__all__ = ["CrossEntropyLoss", "MSELoss"]


class _Loss(Module):
    """Base class: holds the reduction, checked when the loss is made."""

    def __init__(self, reduction: F.Reduction = "mean") -> None:
        check_reduction(type(self).__name__, reduction)
        self.reduction: F.Reduction = reduction

    def extra_repr(self) -> str:
        """The reduction."""
        return f"reduction={self.reduction!r}"


class MSELoss(_Loss):
    """Mean squared error, mean((input - target)^2); see `functional.mse_loss`."""

    def forward(self, input: Any, target: Any) -> Any:
        """Both of one shape; a 0-d loss, or one of that shape without reduction."""
        return F.mse_loss(input, target, self.reduction)


class CrossEntropyLoss(_Loss):
    """Cross-entropy of softmax(logits); see `functional.cross_entropy`."""

    def forward(self, input: Any, target: Any) -> Any:
        """Logits (N, C), class indices (N,) or probabilities (N, C)."""
        return F.cross_entropy(input, target, self.reduction)
