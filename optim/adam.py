"""Adam."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from .optimizer import Optimizer, Parameters

__all__ = ["Adam"]


class Adam(Optimizer):
    """Adam: a step along the average gradient, in units of its root mean square.

    Kingma & Ba (2015), algorithm 1:

        m = β1 m + (1 - β1) g,        v = β2 v + (1 - β2) g²
        m̂ = m / (1 - β1^t),           v̂ = v / (1 - β2^t)
        p = p - lr m̂ / (sqrt(v̂) + ε)      eps_placement="outside"  (the paper, PyTorch)
        p = p - lr m̂ / sqrt(v̂ + ε)        eps_placement="inside"   (MIT 6.390 notes, B.0.1.4)

    The state holds the sums of which m and v are multiples, "grad_sum" = m / (1 - β1) and
    "square_sum" = v / (1 - β2): the factors 1 - β then belong to the step's numbers, and an update
    passes over memory ten times in place of twelve.

    Args:
        params: parameters, (name, parameter) pairs, or dicts with "params" and options of their
            own.
        lr: learning rate, > 0.
        betas: decay of the two averages, each in [0, 1).
        eps: keeps the denominator away from zero, >= 0.
        eps_placement: where ε is added, "outside" or "inside" the square root.
        weight_decay: L2 penalty; `weight_decay * p` is added to the gradient.

    Raises:
        ArgumentError: an option outside its domain, no parameter, or the same one twice.
        LeafError: a parameter that is no leaf or requires no gradient.
    """

    absent_if_zero = ("weight_decay",)
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {"eps_placement": ("outside", "inside")}

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        eps_placement: str = "outside",
        weight_decay: float = 0,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            eps_placement=eps_placement,
            weight_decay=weight_decay,
        )

    @staticmethod
    def state_names(options: Mapping[str, Any]) -> tuple[str, ...]:
        """The two sums."""
        return ("grad_sum", "square_sum")

    @staticmethod
    def carried(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, float]:
        """Keeps m and v when a beta is set anew: the sums change by the ratio of 1 - β."""
        pairs = zip(old["betas"], new["betas"], strict=True)
        first, second = ((1 - before) / (1 - after) for before, after in pairs)
        return {"grad_sum": first, "square_sum": second}

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
        eps_placement: str,
        weight_decay: Any,
    ) -> tuple[Any, ...]:
        """One step on arrays of any kind."""
        beta1, beta2 = betas
        if weight_decay is not None:
            g = g + weight_decay * p
        S = beta1 * S + g
        Q = beta2 * Q + g * g
        # With r = sqrt((1 - β2) / (1 - β2^t)) is sqrt(v̂) = r sqrt(Q), and ε moves into the unit of
        # sqrt(Q): the same values as the formula's up to rounding (1e-12 relative over 100 steps in
        # float64, tested).
        r = ((1 - beta2) / (1 - beta2**t)) ** 0.5
        step = lr * (1 - beta1) / (1 - beta1**t) / r
        if eps_placement == "outside":
            return p - step * (S / (np.sqrt(Q) + eps / r)), S, Q
        return p - step * (S / np.sqrt(Q + eps / (r * r))), S, Q
