"""Adagrad."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from .optimizer import Optimizer, Parameters, descended

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """A step in units of the root of the sum of all squared gradients, element by element.

    Duchi, Hazan & Singer (2011), as PyTorch has it; MIT 6.390 Explanatory Notes, B.1.3 (in words):

        G = G + g²
        p = p - lr / (1 + (t - 1) lr_decay) g / (sqrt(G) + ε)

    Since G only grows, the step shrinks: for a constant gradient like 1 / sqrt(t). An element whose
    gradient is rarely other than zero keeps large steps.

    Args:
        params: parameters, (name, parameter) pairs, or dicts with "params" and options of their own.
        lr: learning rate, > 0.
        lr_decay: how much the learning rate falls besides, >= 0.
        weight_decay: L2 penalty; `weight_decay * p` is added to the gradient.
        initial_accumulator_value: G before the first step (the state's "sum"), >= 0.
        eps: keeps the denominator away from zero, >= 0.
        maximize: climb instead of descend.

    Raises:
        ArgumentError: an option outside its domain, no parameter, or the same one twice.
        LeafError: a parameter that is no leaf or requires no gradient.
    """

    absent_if_zero = ("weight_decay",)
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {"maximize": (False, True)}

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
            maximize=maximize,
        )

    @staticmethod
    def state_names(options: Mapping[str, Any]) -> tuple[str, ...]:
        """The sum of squares."""
        return ("sum",)

    @staticmethod
    def start(options: Mapping[str, Any]) -> Mapping[str, float]:
        """The sum need not start at zero."""
        return {"sum": options["initial_accumulator_value"]}

    @staticmethod
    def update(
        p: Any,
        g: Any,
        G: Any,
        *,
        t: Any,
        lr: Any,
        lr_decay: Any,
        weight_decay: Any,
        initial_accumulator_value: Any,
        eps: Any,
        maximize: bool,
    ) -> tuple[Any, ...]:
        """One step on arrays of any kind."""
        g = descended(p, g, weight_decay, maximize)
        G = G + g * g
        return p - (lr / (1 + (t - 1) * lr_decay)) * (g / (np.sqrt(G) + eps)), G
