"""NAdam."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from .adam import Adam
from .optimizer import Optimizer, Parameters, descended

__all__ = ["NAdam"]


class NAdam(Optimizer):
    """Adam with Nesterov's momentum: it steps along the average as the next gradient will find it.

    Dozat (2016), as PyTorch has it:

        m = β1 m + (1 - β1) g,        v = β2 v + (1 - β2) g²
        μ(t) = β1 (1 - 0.96^(t momentum_decay) / 2),        Π = μ(1) ... μ(t)
        m̂ = μ(t+1) m / (1 - Π μ(t+1)) + (1 - μ(t)) g / (1 - Π),        v̂ = v / (1 - β2^t)
        p = p - lr m̂ / (sqrt(v̂) + ε)

    The state holds "grad_sum" = m / (1 - β1) and "square_sum" = v / (1 - β2), as `Adam`'s does, and the
    number "mu_product" = Π.

    Args:
        params: parameters, (name, parameter) pairs, or dicts with "params" and options of their own.
        lr: learning rate, > 0.
        betas: decay of the two averages, each in [0, 1).
        eps: keeps the denominator away from zero, >= 0.
        weight_decay: `weight_decay * p` is added to the gradient.
        momentum_decay: how fast μ grows from β1 / 2 to β1, >= 0.
        decoupled_weight_decay: multiply p by 1 - lr weight_decay instead, as `AdamW` does.
        maximize: climb instead of descend.

    Raises:
        ArgumentError: an option outside its domain, no parameter, or the same one twice.
        LeafError: a parameter that is no leaf or requires no gradient.
    """

    absent_if_zero = ("weight_decay",)
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "decoupled_weight_decay": (False, True),
        "maximize": (False, True),
    }
    scalars: ClassVar[Mapping[str, float]] = {"step": 0.0, "mu_product": 1.0}

    def __init__(
        self,
        params: Parameters,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
        )

    @staticmethod
    def state_names(options: Mapping[str, Any]) -> tuple[str, ...]:
        """The two sums."""
        return ("grad_sum", "square_sum")

    carried = staticmethod(Adam.carried)  # the same sums, of which m and v are the same multiples

    @staticmethod
    def advance(scalars: Mapping[str, float], numbers: Mapping[str, Any]) -> Mapping[str, float]:
        """Π of this step."""
        mu = _mu(numbers["t"], numbers["betas"][0], numbers["momentum_decay"])
        return {"mu_product": scalars["mu_product"] * mu}

    @staticmethod
    def update(
        p: Any,
        g: Any,
        S: Any,
        Q: Any,
        *,
        t: Any,
        lr: Any,
        betas: Any,
        eps: Any,
        weight_decay: Any,
        momentum_decay: Any,
        mu_product: Any,
        decoupled_weight_decay: bool,
        maximize: bool,
    ) -> tuple[Any, ...]:
        """One step on arrays of any kind."""
        beta1, beta2 = betas
        g = descended(p, g, None if decoupled_weight_decay else weight_decay, maximize)
        if decoupled_weight_decay and weight_decay is not None:
            p = (1 - lr * weight_decay) * p
        S = beta1 * S + g
        Q = beta2 * Q + g * g
        # In the unit of sqrt(Q), as in Adam's update.
        r = ((1 - beta2) / (1 - beta2**t)) ** 0.5
        mu, following = _mu(t, beta1, momentum_decay), _mu(t + 1, beta1, momentum_decay)
        of_gradient = lr * (1 - mu) / (1 - mu_product) / r
        of_sum = lr * following * (1 - beta1) / (1 - mu_product * following) / r
        return p - (of_gradient * g + of_sum * S) / (np.sqrt(Q) + eps / r), S, Q


def _mu(t: Any, beta1: Any, momentum_decay: Any) -> Any:
    """The momentum of step t."""
    return beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))
