"""Adadelta: the lecture notes' rule, and Zeiler's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from .optimizer import Optimizer, Parameters, descended

__all__ = ["Adadelta"]


class Adadelta(Optimizer):
    """A step in units of the root mean square of the recent gradients, element by element.

        G = γ G + (1 - γ) g²
        p = p - lr g / sqrt(G + ε)        form="notes"  (MIT 6.390 Explanatory Notes, B.26; lecture notes, B.0.1.3)

        Δ = g sqrt(U + ε) / sqrt(G + ε)
        U = γ U + (1 - γ) Δ²
        p = p - lr Δ                      form="zeiler" (Zeiler 2012, algorithm 1)

    The notes' rule is what the field calls RMSprop, with ε inside the root. Zeiler's measures the step by
    the root mean square of the steps before as well; lr = 1 is his rule, and PyTorch's
    `Adadelta(lr, rho=γ)` this form. Steps start as small as sqrt(ε): a larger ε helps there.

    The state holds the sums of which G and U are multiples, "square_sum" = G / (1 - γ) and
    "delta_sum" = U / (1 - γ): an update then passes over memory eight times in place of nine (notes).

    Args:
        params: parameters, (name, parameter) pairs, or dicts with "params" and options of their own.
        lr: learning rate, > 0.
        gamma: decay of the averages, in [0, 1).
        eps: keeps the root away from zero, >= 0.
        form: "notes" or "zeiler".
        weight_decay: L2 penalty; `weight_decay * p` is added to the gradient.
        maximize: climb instead of descend.

    Raises:
        ArgumentError: an option outside its domain, no parameter, or the same one twice.
        LeafError: a parameter that is no leaf or requires no gradient.
    """

    absent_if_zero = ("weight_decay",)
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {"form": ("notes", "zeiler"), "maximize": (False, True)}

    def __init__(
        self,
        params: Parameters,
        lr: float,
        gamma: float = 0.9,
        eps: float = 1e-6,
        form: str = "notes",
        *,
        weight_decay: float = 0,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr=lr, gamma=gamma, eps=eps, form=form, weight_decay=weight_decay, maximize=maximize)

    @staticmethod
    def state_names(options: Mapping[str, Any]) -> tuple[str, ...]:
        """The sum of squared gradients, and Zeiler's of squared steps."""
        return ("square_sum",) if options["form"] == "notes" else ("square_sum", "delta_sum")

    @staticmethod
    def carried(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, float]:
        """Keeps G and U when gamma is set anew."""
        factor = (1 - old["gamma"]) / (1 - new["gamma"])
        return {"square_sum": factor, "delta_sum": factor}

    @staticmethod
    def update(
        p: Any,
        g: Any,
        Q: Any,
        D: Any = None,
        *,
        t: Any,
        lr: Any,
        gamma: Any,
        eps: Any,
        form: str,
        weight_decay: Any,
        maximize: bool,
    ) -> tuple[Any, ...]:
        """One step on arrays of any kind."""
        g = descended(p, g, weight_decay, maximize)
        Q = gamma * Q + g * g
        shift = eps / (1 - gamma)  # ε in the unit of the sums
        if form == "notes":
            return p - (lr / (1 - gamma) ** 0.5) * (g / np.sqrt(Q + shift)), Q
        delta = g * np.sqrt((D + shift) / (Q + shift))
        return p - lr * delta, Q, gamma * D + delta * delta
