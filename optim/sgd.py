"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from .optimizer import Optimizer, Parameters, descended

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent with momentum (PyTorch's form).

        g = g + weight_decay p
        b = momentum b + (1 - dampening) g,   b = g at the first step with momentum
        g = g + momentum b  if nesterov,  else  g = b
        p = p - lr g

    Args:
        params: parameters, (name, parameter) pairs, or dicts with "params" and options of their
            own.
        lr: learning rate, > 0.
        momentum: decay of the running sum of gradients, >= 0; 0 keeps no state.
        dampening: what a new gradient loses on its way into the sum.
        nesterov: look ahead (Sutskever et al. 2013, as PyTorch has it); needs momentum and no
            dampening.
        weight_decay: L2 penalty; `weight_decay * p` is added to the gradient.
        maximize: climb instead of descend.

    Raises:
        ArgumentError: an option outside its domain, no parameter, or the same one twice.
        LeafError: a parameter that is no leaf or requires no gradient.
    """

    absent_if_zero = ("momentum", "dampening", "weight_decay")
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {"nesterov": (False, True), "maximize": (False, True)}
    scalars: ClassVar[Mapping[str, float]] = {"step": 0.0, "momentum_step": 0.0}

    def __init__(
        self,
        params: Parameters,
        lr: float,
        momentum: float = 0,
        dampening: float = 0,
        nesterov: bool = False,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            nesterov=nesterov,
            weight_decay=weight_decay,
            maximize=maximize,
        )

    @staticmethod
    def check(options: Mapping[str, Any]) -> str | None:
        """Nesterov's form has neither dampening nor no momentum."""
        if options["nesterov"] and (options["momentum"] == 0 or options["dampening"] != 0):
            return (
                "nesterov needs momentum > 0 and dampening == 0, got "
                f"momentum={options['momentum']} and dampening={options['dampening']}; set them, "
                "or nesterov=False"
            )
        return None

    @staticmethod
    def state_names(options: Mapping[str, Any]) -> tuple[str, ...]:
        """The running sum, if there is momentum."""
        return ("momentum_buffer",) if options["momentum"] else ()

    @staticmethod
    def advance(scalars: Mapping[str, float], numbers: Mapping[str, Any]) -> Mapping[str, float]:
        """How many steps the running sum has taken part in: it may be switched on after the first one."""
        return {"momentum_step": scalars["momentum_step"] + (0.0 if numbers["momentum"] is None else 1.0)}

    @staticmethod
    def implied(state: Mapping[str, Any]) -> Mapping[str, float]:
        """States that were saved before there was a count of them have a sum from the first step on, or none."""
        return {"momentum_step": float(state.get("step", 0.0)) if "momentum_buffer" in state else 0.0}

    @staticmethod
    def update(
        p: Any,
        g: Any,
        b: Any = None,
        *,
        t: Any,
        lr: Any,
        momentum: Any,
        dampening: Any,
        nesterov: bool,
        weight_decay: Any,
        momentum_step: Any,
        maximize: bool,
    ) -> tuple[Any, ...]:
        """One step on arrays of any kind."""
        g = descended(p, g, weight_decay, maximize)
        if momentum is None:
            return (p - lr * g,)
        # b is zero before its first step, so b = g there once the dampening is left out.
        new = g if dampening is None else (1 - dampening * (momentum_step > 1)) * g
        b = momentum * b + new
        return p - lr * (g + momentum * b if nesterov else b), b
