"""Adam."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from .optimizer import Optimizer, Parameters, descended

__all__ = ["Adam"]


class Adam(Optimizer):
    """Adam: a step along the average gradient, in units of its root mean square.

    Kingma & Ba (2015), algorithm 1:

        m = β1 m + (1 - β1) g,        v = β2 v + (1 - β2) g²
        m̂ = m / (1 - β1^t),           v̂ = v / (1 - β2^t)
        p = p - lr m̂ / (sqrt(v̂) + ε)      eps_placement="outside"  (the paper, PyTorch)
        p = p - lr m̂ / sqrt(v̂ + ε)        eps_placement="inside"   (MIT 6.390 lecture notes, B.0.1.4)

    With amsgrad (Reddi, Kale & Kumar 2018, as PyTorch has it) the largest v so far takes the place of v
    in v̂: what divides an element's step does not shrink when large gradients are forgotten.

    The state holds the sums of which m and v are multiples, "grad_sum" = m / (1 - β1) and
    "square_sum" = v / (1 - β2) ("max_square_sum", the largest so far, likewise): the factors 1 - β then
    belong to the step's numbers, and an update passes over memory ten times in place of twelve.

    Args:
        params: parameters, (name, parameter) pairs, or dicts with "params" and options of their
            own.
        lr: learning rate, > 0.
        betas: decay of the two averages, each in [0, 1).
        eps: keeps the denominator away from zero, >= 0.
        eps_placement: where ε is added, "outside" or "inside" the square root.
        weight_decay: L2 penalty; `weight_decay * p` is added to the gradient.
        amsgrad: divide by the largest average of squares so far.
        maximize: climb instead of descend.
        decoupled_weight_decay: multiply p by 1 - lr weight_decay instead, see `AdamW`.

    Raises:
        ArgumentError: an option outside its domain, no parameter, or the same one twice.
        LeafError: a parameter that is no leaf or requires no gradient.
    """

    absent_if_zero = ("weight_decay",)
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "eps_placement": ("outside", "inside"),
        "amsgrad": (False, True),
        "maximize": (False, True),
        "decoupled_weight_decay": (False, True),
    }

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        eps_placement: str = "outside",
        weight_decay: float = 0,
        *,
        amsgrad: bool = False,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            eps_placement=eps_placement,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            maximize=maximize,
            decoupled_weight_decay=decoupled_weight_decay,
        )

    @staticmethod
    def state_names(options: Mapping[str, Any]) -> tuple[str, ...]:
        """The two sums, and the largest of the second."""
        return ("grad_sum", "square_sum", "max_square_sum")[: 2 + options["amsgrad"]]

    @staticmethod
    def carried(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, float]:
        """Keeps m and v when a beta is set anew: the sums change by the ratio of 1 - β."""
        pairs = zip(old["betas"], new["betas"], strict=True)
        first, second = ((1 - before) / (1 - after) for before, after in pairs)
        return {"grad_sum": first, "square_sum": second, "max_square_sum": second}

    @staticmethod
    def update(
        p: Any,
        g: Any,
        S: Any,
        Q: Any,
        L: Any = None,
        *,
        t: Any,
        lr: Any,
        betas: Any,
        eps: Any,
        eps_placement: str,
        weight_decay: Any,
        amsgrad: bool,
        maximize: bool,
        decoupled_weight_decay: bool,
    ) -> tuple[Any, ...]:
        """One step on arrays of any kind."""
        beta1, beta2 = betas
        g = descended(p, g, None if decoupled_weight_decay else weight_decay, maximize)
        if decoupled_weight_decay and weight_decay is not None:
            p = (1 - lr * weight_decay) * p
        S = beta1 * S + g
        Q = beta2 * Q + g * g
        sums: tuple[Any, ...] = (S, Q)
        if amsgrad:
            L = np.maximum(L, Q)
            sums = (S, Q, L)
        square = sums[-1]
        # With r = sqrt((1 - β2) / (1 - β2^t)) is sqrt(v̂) = r sqrt(Q), and ε moves into the unit of
        # sqrt(Q): the same values as the formula's up to rounding (1e-12 relative over 100 steps in
        # float64, tested).
        r = ((1 - beta2) / (1 - beta2**t)) ** 0.5
        step = lr * (1 - beta1) / (1 - beta1**t) / r
        if eps_placement == "outside":
            return p - step * (S / (np.sqrt(square) + eps / r)), *sums
        return p - step * (S / np.sqrt(square + eps / (r * r))), *sums
