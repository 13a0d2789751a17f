"""Momentum as the lecture notes write it, in both forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from .optimizer import Optimizer, Parameters, descended

__all__ = ["Momentum"]


class Momentum(Optimizer):
    """Gradient descent along an average, or a decaying sum, of the gradients.

        M = γ M + (1 - γ) g,    p = p - lr M        form="average"     (MIT 6.390 Explanatory Notes, B.17-B.20)
        V = γ V + lr g,         p = p - V           form="accumulate"  (MIT 6.390 lecture notes, B.0.1.2)

    M and V start at zero. With one and the same learning rate throughout, "accumulate" at lr (1 - γ) is
    "average" at lr. They differ once the rate changes: V remembers each gradient times the rate of
    its day, M the gradient alone, which the rate of today multiplies. `SGD(momentum=γ)` is a third: the
    plain sum b = γ b + g, that is "accumulate" for one rate, but with the rate of today.

    The state holds V as "velocity", but of M the sum of which it is a multiple, "grad_sum" = M / (1 - γ):
    an update then passes over memory four times in place of five.

    Args:
        params: parameters, (name, parameter) pairs, or dicts with "params" and options of their own.
        lr: learning rate, > 0.
        gamma: decay of what is past, in [0, 1); 0 is plain gradient descent.
        form: "average" or "accumulate".
        weight_decay: L2 penalty; `weight_decay * p` is added to the gradient.
        maximize: climb instead of descend.

    Raises:
        ArgumentError: an option outside its domain, no parameter, or the same one twice.
        LeafError: a parameter that is no leaf or requires no gradient.
    """

    absent_if_zero = ("weight_decay",)
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "form": ("average", "accumulate"),
        "maximize": (False, True),
    }

    def __init__(
        self,
        params: Parameters,
        lr: float,
        gamma: float = 0.9,
        form: str = "average",
        *,
        weight_decay: float = 0,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr=lr, gamma=gamma, form=form, weight_decay=weight_decay, maximize=maximize)

    @staticmethod
    def state_names(options: Mapping[str, Any]) -> tuple[str, ...]:
        """The sum of the form."""
        return ("grad_sum",) if options["form"] == "average" else ("velocity",)

    @staticmethod
    def carried(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, float]:
        """Keeps M when gamma is set anew."""
        return {"grad_sum": (1 - old["gamma"]) / (1 - new["gamma"])}

    @staticmethod
    def update(
        p: Any,
        g: Any,
        S: Any,
        *,
        t: Any,
        lr: Any,
        gamma: Any,
        form: str,
        weight_decay: Any,
        maximize: bool,
    ) -> tuple[Any, ...]:
        """One step on arrays of any kind."""
        g = descended(p, g, weight_decay, maximize)
        if form == "accumulate":
            S = gamma * S + lr * g
            return p - S, S
        S = gamma * S + g
        return p - (lr * (1 - gamma)) * S, S
