"""The one-cycle schedule of learning rate and momentum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import cos, pi
from typing import Any, ClassVar

from autograd_core.checks import is_count, is_finite, require
from autograd_core.context import outside
from autograd_core.errors import ArgumentError, where

from .optimizer import Optimizer
from .scheduler import Domain, LRScheduler

__all__ = ["OneCycleLR"]

POSITIVE: Domain = ("a finite number > 0", lambda x: is_finite(x, 0) and x > 0)


class OneCycleLR(LRScheduler):
    """One rise of the learning rate to max_lr and one long descent, the momentum going the other way.

    Smith & Topin (2018), as PyTorch has it. From max_lr / div_factor up to max_lr, for the share `pct_start`
    of the steps; then down to that start divided by final_div_factor. With `three_phase` the descent to the
    start is as long as the rise, and the rest of the steps goes on from there. Momentum (β1 of "betas",
    "momentum", or the γ of `Momentum`) goes from max_momentum to base_momentum and back.

    The step numbered total_steps, after the last one, is one beyond the cycle. There "linear" keeps the end
    values (PyTorch's go on, to a negative learning rate).

    Args:
        optimizer: whose learning rates are set.
        max_lr: the highest learning rate, > 0, or a list of one per parameter group.
        total_steps: steps of the cycle; if None, epochs × steps_per_epoch.
        epochs: see total_steps.
        steps_per_epoch: see total_steps.
        pct_start: the share of the rise, in [0, 1].
        anneal_strategy: "cos" (half a cosine) or "linear".
        cycle_momentum: whether the momentum is set too.
        base_momentum: the lowest momentum, in [0, 1), or a list of one per parameter group.
        max_momentum: the highest momentum, likewise.
        div_factor: max_lr divided by the first learning rate, > 0.
        final_div_factor: the first learning rate divided by the last one, > 0.
        three_phase: whether the descent has two parts.
        last_epoch: t before the first step; only -1 for an optimizer that had no schedule yet.

    Raises:
        ArgumentError: an argument outside its domain, cycle_momentum with an optimizer that has no
            momentum, or more steps than total_steps.
    """

    domains: ClassVar[Mapping[str, Domain]] = {
        "total_steps": ("a positive integer", is_count),
        "pct_start": ("a number in [0, 1]", lambda x: is_finite(x, 0, 1)),
        "anneal_strategy": ("'cos' or 'linear'", lambda x: x in ("cos", "linear")),
        "cycle_momentum": ("True or False", lambda x: isinstance(x, bool)),
        "three_phase": ("True or False", lambda x: isinstance(x, bool)),
        "div_factor": POSITIVE,
        "final_div_factor": POSITIVE,
    }
    memory: ClassVar[Mapping[str, Domain]] = {
        name: ("a list of numbers, one per parameter group", lambda x: isinstance(x, list) and all(map(is_finite, x)))
        for name in ("max_lrs", "base_momentums", "max_momentums", "momentum")
    }
    total_steps: int
    pct_start: float
    anneal_strategy: str
    cycle_momentum: bool
    three_phase: bool
    div_factor: float
    final_div_factor: float

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        name = type(self).__name__
        if total_steps is None:
            for key, value in (("epochs", epochs), ("steps_per_epoch", steps_per_epoch)):
                require(is_count(value), name, key, "a positive integer where total_steps is None", value)
            assert epochs is not None and steps_per_epoch is not None
            total_steps = epochs * steps_per_epoch
        settings = {
            "total_steps": total_steps,
            "pct_start": pct_start,
            "anneal_strategy": anneal_strategy,
            "cycle_momentum": cycle_momentum,
            "three_phase": three_phase,
            "div_factor": div_factor,
            "final_div_factor": final_div_factor,
        }
        self._attach(optimizer, settings)
        self.max_lrs = self._per_group("max_lr", max_lr, *POSITIVE)
        share: Domain = ("a number in [0, 1)", lambda x: is_finite(x, 0, 1) and x < 1)
        self.base_momentums = self._per_group("base_momentum", base_momentum, *share) if cycle_momentum else []
        self.max_momentums = self._per_group("max_momentum", max_momentum, *share) if cycle_momentum else []
        self._option = self._momentum_option() if cycle_momentum else None
        initial = [group.initial_lr for group in optimizer.param_groups]
        if last_epoch == -1:
            for group, highest in zip(optimizer.param_groups, self.max_lrs, strict=True):
                group.initial_lr = highest / div_factor
        try:
            super().__init__(optimizer, last_epoch, **settings)
        except BaseException:
            for group, lr in zip(optimizer.param_groups, initial, strict=True):
                group.initial_lr = lr
            raise

    def _per_group(self, name: str, value: Any, words: str, holds: Any) -> list[float]:
        n = len(self.optimizer.param_groups)
        values = list(value) if isinstance(value, list | tuple) else [value] * n
        fits = len(values) == n and all(map(holds, values))
        require(fits, self._name, name, f"{words}, or {n} of them, one per parameter group", value)
        return [float(x) for x in values]

    def _momentum_option(self) -> str:
        """The option that holds the momentum."""
        options: Mapping[str, Any] = self.optimizer.defaults
        # With an ε beside it (Adadelta), gamma averages squares: no momentum.
        names = ["betas", "momentum", *([] if "eps" in options else ["gamma"])]
        for name in names:
            if name in options:
                return name
        raise ArgumentError(
            f"{self._name}: the optimizer must have momentum where it is to be cycled, got "
            f"{type(self.optimizer).__name__} with {sorted(options)}; pass cycle_momentum=False. {where(self._name)}"
        )

    def _set_momentum(self, values: Sequence[float]) -> None:
        if self._option is not None:
            for group, value in zip(self.groups, values, strict=True):
                group[self._option] = (value, group["betas"][1]) if self._option == "betas" else value

    @property
    def momentum(self) -> list[float]:
        """The groups' momentum now; empty if it is not cycled."""
        if self._option is None:
            return []
        values = [group[self._option] for group in self.optimizer.param_groups]
        return [value[0] for value in values] if self._option == "betas" else values

    def step(self) -> None:
        """Goes on by one and sets learning rate and momentum.

        Raises:
            ArgumentError: it is one of more than total_steps. Nothing has changed then.
        """
        outside(f"{type(self).__name__}.step", "the learning rate")
        t = self.last_epoch + 1
        words = f"called at most total_steps = {self.total_steps} times"
        require(t <= self.total_steps, self._name, "step()", words, t)
        share, (first, last) = self._place(t)
        super().step()
        highest, lowest = self.max_momentums, self.base_momentums
        ends = {"start": highest, "max": lowest, "end": highest}
        self._set_momentum([self._anneal(a, b, share) for a, b in zip(ends[first], ends[last], strict=True)])

    def rates(self, t: int, lrs: Sequence[float]) -> list[float]:
        """Between the two ends of the phase that t is in."""
        share, (first, last) = self._place(t)
        start = [highest / self.div_factor for highest in self.max_lrs]
        ends = {"start": start, "max": self.max_lrs, "end": [lr / self.final_div_factor for lr in start]}
        return [self._anneal(a, b, share) for a, b in zip(ends[first], ends[last], strict=True)]

    def _place(self, t: int) -> tuple[float, tuple[str, str]]:
        """How far t is into its phase (1 at its end), and what the phase leads from and to."""
        rise = self.pct_start * self.total_steps
        phases = [(rise - 1, ("start", "max"))]
        if self.three_phase:
            phases += [(2 * rise - 2, ("max", "start")), (self.total_steps - 1, ("start", "end"))]
        else:
            phases += [(self.total_steps - 1, ("max", "end"))]
        begin = 0.0
        for end, ends in phases:
            if t <= end or ends[1] == "end":
                # A phase of no length (a rise over one step) is at its end.
                share = (t - begin) / (end - begin) if end != begin else 1.0
                return (min(share, 1.0) if self.anneal_strategy == "linear" else share), ends
            begin = end
        raise AssertionError("the last phase has no end")

    def _anneal(self, start: float, end: float, share: float) -> float:
        if self.anneal_strategy == "cos":
            return end + (start - end) / 2 * (cos(pi * share) + 1)
        return (end - start) * share + start

    def _check_state(self, saved: Mapping[str, Any]) -> None:
        super()._check_state(saved)
        n = len(self.optimizer.param_groups)
        for name in self.memory:
            size = n if name == "max_lrs" or saved["cycle_momentum"] else 0
            require(len(saved[name]) == size, f"{self._name}.load_state_dict", name, f"{size} numbers", saved[name])
        if saved["cycle_momentum"]:
            self._momentum_option()

    def _restore(self, name: str, value: Any) -> None:
        if name != "momentum":  # the optimizer holds it
            super()._restore(name, value)

    def _load(self, saved: Mapping[str, Any]) -> None:
        super()._load(saved)
        self._option = self._momentum_option() if self.cycle_momentum else None
        self._set_momentum(saved["momentum"])
