"""RMSprop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from .optimizer import Optimizer, Parameters, descended

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """A step in units of the root mean square of the recent gradients, element by element.

    Tieleman & Hinton (2012, lecture 6.5); centered: Graves (2013), eq. 38-45; both as PyTorch has them:

        v = α v + (1 - α) g²
        d = sqrt(v) + ε,  centered: a = α a + (1 - α) g,  d = sqrt(v - a²) + ε
        b = momentum b + g / d
        p = p - lr b

    The state holds "square_sum" = v / (1 - α), which saves an update one pass over memory. Centered, it
    holds "grad_avg" = a and "deviation_sum" = (v - a²) / (1 - α), renewed by

        v - a² = α (v - a²) + α (1 - α) (g - a)²        with v and a of before on the right

    which is the same number, but no difference of nearly equal ones: where the gradient hardly changes,
    v - a² itself can come out negative, and its root NaN.

    Args:
        params: parameters, (name, parameter) pairs, or dicts with "params" and options of their own.
        lr: learning rate, > 0.
        alpha: decay of the averages, in [0, 1).
        eps: keeps the denominator away from zero, >= 0.
        weight_decay: L2 penalty; `weight_decay * p` is added to the gradient.
        momentum: decay of the running sum of steps, >= 0; 0 keeps none.
        centered: divide by the standard deviation instead.
        maximize: climb instead of descend.

    Raises:
        ArgumentError: an option outside its domain, no parameter, or the same one twice.
        LeafError: a parameter that is no leaf or requires no gradient.
    """

    absent_if_zero = ("momentum", "weight_decay")
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {"centered": (False, True), "maximize": (False, True)}

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            alpha=alpha,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
            centered=centered,
            maximize=maximize,
        )

    @staticmethod
    def state_names(options: Mapping[str, Any]) -> tuple[str, ...]:
        """The averages in use, and the running sum if there is momentum."""
        averages = ("deviation_sum", "grad_avg") if options["centered"] else ("square_sum",)
        return (*averages, "momentum_buffer") if options["momentum"] else averages

    @staticmethod
    def carried(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, float]:
        """Keeps v when alpha is set anew."""
        factor = (1 - old["alpha"]) / (1 - new["alpha"])
        return {"square_sum": factor, "deviation_sum": factor}

    @staticmethod
    def update(
        p: Any,
        g: Any,
        Q: Any,
        *others: Any,
        t: Any,
        lr: Any,
        alpha: Any,
        eps: Any,
        weight_decay: Any,
        momentum: Any,
        centered: bool,
        maximize: bool,
    ) -> tuple[Any, ...]:
        """One step on arrays of any kind."""
        g = descended(p, g, weight_decay, maximize)
        states: tuple[Any, ...]
        if centered:
            a = others[0]
            deviation = g - a
            Q = alpha * (Q + deviation * deviation)
            states = (Q, a + (1 - alpha) * deviation)
        else:
            Q = alpha * Q + g * g
            states = (Q,)
        # ε in the unit of sqrt(Q), where sqrt(v) = r sqrt(Q).
        r = (1 - alpha) ** 0.5
        scaled = g / (np.sqrt(Q) + eps / r)
        if momentum is None:
            return p - (lr / r) * scaled, *states
        b = momentum * others[-1] + (1 / r) * scaled
        return p - lr * b, *states, b
