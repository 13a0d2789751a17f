"""AdamW."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from .adam import Adam
from .optimizer import Parameters

__all__ = ["AdamW"]


class AdamW(Adam):
    """Adam whose weight decay is decoupled from the gradient.

    Loshchilov & Hutter (2019), algorithm 2, with PyTorch's factor lr:

        p = (1 - lr weight_decay) p,  then a step of `Adam` without weight decay

    so that the decay is not divided by the root mean square of the gradients. Arguments and errors are
    Adam's, but the default of weight_decay.
    """

    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {**Adam.choices, "decoupled_weight_decay": (True,)}

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        eps_placement: str = "outside",
        maximize: bool = False,
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
            decoupled_weight_decay=True,
        )
