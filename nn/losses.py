"""Losses as modules; what each computes, and what it raises, stands at its function in `functional`."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core import Tensor
from autograd_core.errors import ArgumentError, where

from . import functional as F
from ._checks import number
from .functional._reduction import check_reduction
from .functional.cross_entropy import check_class_options
from .functional.loss import check_positive
from .module import Module

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "HalfSquaredLoss",
    "HingeLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "MSELoss",
    "NLLLoss",
    "PerceptronLoss",
    "SmoothL1Loss",
]


class _Loss(Module):
    """Base class: holds the reduction, checked when the loss is made."""

    def __init__(self, reduction: F.Reduction = "mean") -> None:
        check_reduction(type(self).__name__, reduction)
        self.reduction: F.Reduction = reduction

    def _options(self) -> dict[str, tuple[Any, Any]]:
        """Further options by name: what they are, and the default."""
        return {}

    def extra_repr(self) -> str:
        """The reduction, and the options that differ from their defaults."""
        changed = [f"{name}={is_!r}" for name, (is_, default) in self._options().items() if is_ != default]
        return ", ".join([f"reduction={self.reduction!r}", *changed])

    def _weigh(self, name: str, weight: Any, per_class: bool = False) -> None:
        """Registers weights as a buffer, in the state_dict under PyTorch's key."""
        if weight is not None and not hasattr(weight, "shape"):
            weight = np.asarray(weight, None if isinstance(weight, str) else np.float32)
        if weight is not None and (weight.dtype.kind not in "fiu" or (per_class and len(weight.shape) != 1)):
            owner = type(self).__name__
            raise ArgumentError(
                f"{owner}: {name} must be numbers{', one per class' if per_class else ''}, got {weight.dtype} of shape "
                f"{weight.shape}; give an array, and the reduction by its name. {where(owner)}"
            )
        self.register_buffer(name, weight)


def _shape(weight: Tensor | None) -> Any:
    return None if weight is None else weight.shape


class MSELoss(_Loss):
    """Squared error, (input - target)^2; see `functional.mse_loss`."""

    def forward(self, input: Any, target: Any) -> Any:
        """Both of one shape; a 0-d loss, or one of that shape without reduction."""
        return F.mse_loss(input, target, self.reduction)


class HalfSquaredLoss(_Loss):
    """Half the squared error, 1/2 (input - target)^2, Adaline's loss; see `functional.half_squared_loss`."""

    def forward(self, input: Any, target: Any) -> Any:
        """Both of one shape; a 0-d loss, or one of that shape without reduction."""
        return F.half_squared_loss(input, target, self.reduction)


class L1Loss(_Loss):
    """Absolute error, |input - target|; see `functional.l1_loss`."""

    def forward(self, input: Any, target: Any) -> Any:
        """Both of one shape; a 0-d loss, or one of that shape without reduction."""
        return F.l1_loss(input, target, self.reduction)


class SmoothL1Loss(_Loss):
    """Absolute error with its kink rounded off within beta; see `functional.smooth_l1_loss`.

    Raises:
        ArgumentError: beta is negative.
    """

    def __init__(self, reduction: F.Reduction = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        check_positive("SmoothL1Loss", "beta", beta, zero=True)
        self.beta = number(beta)

    def _options(self) -> dict[str, tuple[Any, Any]]:
        return {"beta": (self.beta, 1.0)}

    def forward(self, input: Any, target: Any) -> Any:
        """Both of one shape; a 0-d loss, or one of that shape without reduction."""
        return F.smooth_l1_loss(input, target, self.reduction, self.beta)


class HuberLoss(_Loss):
    """Half the squared error up to delta, linear beyond; see `functional.huber_loss`.

    Raises:
        ArgumentError: delta is not positive.
    """

    def __init__(self, reduction: F.Reduction = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        check_positive("HuberLoss", "delta", delta)
        self.delta = number(delta)

    def _options(self) -> dict[str, tuple[Any, Any]]:
        return {"delta": (self.delta, 1.0)}

    def forward(self, input: Any, target: Any) -> Any:
        """Both of one shape; a 0-d loss, or one of that shape without reduction."""
        return F.huber_loss(input, target, self.reduction, self.delta)


class KLDivLoss(_Loss):
    """Kullback-Leibler divergence of targets from log-probabilities; see `functional.kl_div`.

    `reduction="batchmean"` is the divergence averaged over samples, "mean" over all elements.
    """

    def __init__(self, reduction: Any = "mean", log_target: bool = False) -> None:
        super().__init__("mean" if reduction == "batchmean" else reduction)
        self.reduction = reduction
        self.log_target = log_target

    def _options(self) -> dict[str, tuple[Any, Any]]:
        return {"log_target": (self.log_target, False)}

    def forward(self, input: Any, target: Any) -> Any:
        """Log-probabilities and probabilities (or, with log_target, their logarithms) of one shape."""
        return F.kl_div(input, target, self.reduction, self.log_target)


class BCELoss(_Loss):
    """Negative log-likelihood of labels in [0, 1] under probabilities; see `functional.binary_cross_entropy`."""

    weight: Tensor | None

    def __init__(self, weight: Any = None, reduction: F.Reduction = "mean") -> None:
        super().__init__(reduction)
        self._weigh("weight", weight)

    def _options(self) -> dict[str, tuple[Any, Any]]:
        return {"weight": (_shape(self.weight), None)}

    def forward(self, input: Any, target: Any) -> Any:
        """Probabilities and labels of one shape."""
        return F.binary_cross_entropy(input, target, self.weight, self.reduction)


class BCEWithLogitsLoss(_Loss):
    """`BCELoss` of sigmoid(logits), without overflow; see `functional.binary_cross_entropy_with_logits`."""

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(self, weight: Any = None, reduction: F.Reduction = "mean", pos_weight: Any = None) -> None:
        super().__init__(reduction)
        self._weigh("weight", weight)
        self._weigh("pos_weight", pos_weight)

    def _options(self) -> dict[str, tuple[Any, Any]]:
        return {"weight": (_shape(self.weight), None), "pos_weight": (_shape(self.pos_weight), None)}

    def forward(self, input: Any, target: Any) -> Any:
        """Logits and labels of one shape."""
        return F.binary_cross_entropy_with_logits(input, target, self.weight, self.reduction, self.pos_weight)


class NLLLoss(_Loss):
    """Negative log-likelihood of class indices under log-probabilities; see `functional.nll_loss`.

    `functional.nll_from_probabilities` takes probabilities.
    """

    weight: Tensor | None

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: F.Reduction = "mean") -> None:
        super().__init__(reduction)
        check_class_options("NLLLoss", ignore_index)
        self._weigh("weight", weight, per_class=True)
        self.ignore_index = ignore_index

    def _options(self) -> dict[str, tuple[Any, Any]]:
        return {"weight": (_shape(self.weight), None), "ignore_index": (self.ignore_index, -100)}

    def forward(self, input: Any, target: Any) -> Any:
        """Log-probabilities (N, C), class indices (N,)."""
        return F.nll_loss(input, target, self.weight, self.ignore_index, self.reduction)


class CrossEntropyLoss(_Loss):
    """Cross-entropy of softmax(logits); see `functional.cross_entropy`.

    Raises:
        ArgumentError: an option is outside its domain.
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: Any = None,
        ignore_index: int = -100,
        reduction: F.Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction)
        check_class_options("CrossEntropyLoss", ignore_index, label_smoothing)
        self._weigh("weight", weight, per_class=True)
        self.ignore_index = ignore_index
        self.label_smoothing = number(label_smoothing)

    def _options(self) -> dict[str, tuple[Any, Any]]:
        return {
            "weight": (_shape(self.weight), None),
            "ignore_index": (self.ignore_index, -100),
            "label_smoothing": (self.label_smoothing, 0.0),
        }

    def forward(self, input: Any, target: Any) -> Any:
        """Logits (N, C), class indices (N,), or one-hot rows or probabilities (N, C)."""
        return F.cross_entropy(input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing)


class HingeLoss(_Loss):
    """Hinge loss of scores for labels in {-1, 1}, max(0, 1 - y s); see `functional.hinge_loss`."""

    def forward(self, input: Any, target: Any) -> Any:
        """Scores and labels of one shape."""
        return F.hinge_loss(input, target, self.reduction)


class PerceptronLoss(_Loss):
    """Perceptron loss of scores for labels in {-1, 1}, max(0, -y s); see `functional.perceptron_loss`."""

    def forward(self, input: Any, target: Any) -> Any:
        """Scores and labels of one shape."""
        return F.perceptron_loss(input, target, self.reduction)
