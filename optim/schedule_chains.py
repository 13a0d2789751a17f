"""Schedules made of schedules: one after the other, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from autograd_core.checks import is_count, require
from autograd_core.context import outside
from autograd_core.errors import ArgumentError, where

from .optimizer import Optimizer
from .plateau import ReduceLROnPlateau
from .scheduler import LRScheduler, check_state

__all__ = ["ChainedScheduler", "SequentialLR"]


class _Composite(LRScheduler):
    """What both have in common: the parts, their checks, their states."""

    schedulers: list[LRScheduler]

    def _join(self, optimizer: Any, schedulers: Any) -> None:
        self._attach(optimizer, {})
        parts = list(schedulers)
        for i, part in enumerate(parts):
            if not isinstance(part, LRScheduler) or isinstance(part, ReduceLROnPlateau):
                raise ArgumentError(
                    f"{self._name}: a part must be a schedule that steps without a metric, got "
                    f"{type(part).__name__} as schedule {i}; call the step(metric) of a ReduceLROnPlateau "
                    f"yourself. {where(self._name)}"
                )
            if part.optimizer is not self.optimizer:
                raise ArgumentError(
                    f"{self._name}: all schedules must be of one optimizer, got another one's as schedule {i}; "
                    f"make it with the same optimizer. {where(self._name)}"
                )
        self.schedulers = parts
        self.base_lrs = list(parts[0].base_lrs)

    def state_dict(self) -> dict[str, Any]:
        """A snapshot of this schedule and of its parts."""
        return super().state_dict() | {"schedulers": [part.state_dict() for part in self.schedulers]}

    def _check_state(self, saved: Mapping[str, Any]) -> None:
        names = [*self.domains, "base_lrs", "last_epoch", "last_lr", "lr", "schedulers"]
        check_state(self, saved, names)
        parts = saved["schedulers"]
        kinds = [part.get("schedule") for part in parts]
        own = [type(part).__name__ for part in self.schedulers]
        require(kinds == own, f"{self._name}.load_state_dict", "the saved schedules", repr(own), kinds)
        super()._check_state({name: value for name, value in saved.items() if name != "schedulers"})
        for part, state in zip(self.schedulers, parts, strict=True):
            part._check_state(state)

    def _load(self, saved: Mapping[str, Any]) -> None:
        for part, state in zip(self.schedulers, saved["schedulers"], strict=True):
            part._load(state)
        super()._load(saved)


class SequentialLR(_Composite):
    """One schedule after the other; each starts from the base rates, with its own t = 0, at its milestone.

    A warm-up and then a descent:

        warm_up = LinearLR(optimizer, 0.1, total_iters=5)
        descent = CosineAnnealingLR(optimizer, T_max=95)
        schedule = SequentialLR(optimizer, [warm_up, descent], milestones=[5])

    Args:
        optimizer: whose learning rates are set.
        schedulers: the schedules, all of this optimizer.
        milestones: at which t the second, third, ... begins; positive, in ascending order.
        last_epoch: only -1: use `load_state_dict` to go on.

    Raises:
        ArgumentError: no schedule, one of another optimizer or one that needs a metric; or milestones
            that do not fit.
    """

    milestones: Sequence[int]

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        name = type(self).__name__
        require(len(schedulers) > 0, name, "schedulers", "at least one schedule", schedulers)
        require(last_epoch == -1, name, "last_epoch", "-1 (load_state_dict goes on)", last_epoch)
        self._join(optimizer, schedulers)
        n = len(self.schedulers) - 1
        fits = len(milestones) == n and all(map(is_count, milestones)) and list(milestones) == sorted(set(milestones))
        words = f"{n} positive integers in ascending order, one less than the schedules"
        require(fits, name, "milestones", words, milestones)
        self.milestones = list(milestones)
        for group, base in zip(optimizer.param_groups, self.base_lrs, strict=True):
            group.schedule_lr(base if group.initial_lr is None else group.initial_lr)
        self.schedulers[0]._rewind()
        self.schedulers[0]._begin()
        self._last_lr = self.schedulers[0].get_last_lr()

    def step(self) -> None:
        """Goes on by one in the schedule whose turn it is."""
        outside(f"{type(self).__name__}.step", "the learning rate")
        t = self.last_epoch + 1
        part = self.schedulers[bisect_right(self.milestones, t)]
        if t in self.milestones:
            part._restart()
        else:
            part.step()
        self.last_epoch = t
        self._last_lr = part.get_last_lr()

    def _rewind(self) -> None:
        for part in self.schedulers:
            part._rewind()
        self.last_epoch = -1

    def _advance(self) -> None:
        self.schedulers[0]._begin()
        self.last_epoch = 0
        self._last_lr = self.schedulers[0].get_last_lr()


class ChainedScheduler(_Composite):
    """Several schedules at once: each multiplies the rate that the one before has left.

    That holds for those that multiply (all but `LambdaLR`, `CosineAnnealingWarmRestarts` and `OneCycleLR`,
    which set the rate by themselves).

    Args:
        schedulers: the schedules, all of one optimizer.
        optimizer: theirs; may be left out.

    Raises:
        ArgumentError: no schedule, one of another optimizer, or one that needs a metric.
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        require(len(schedulers) > 0, type(self).__name__, "schedulers", "at least one schedule", schedulers)
        self._join(getattr(schedulers[0], "optimizer", None) if optimizer is None else optimizer, schedulers)

    def step(self) -> None:
        """Goes on by one in every schedule."""
        outside(f"{type(self).__name__}.step", "the learning rate")
        for part in self.schedulers:
            part.step()
        self.last_epoch += 1
        self._last_lr = self._current()

    def _rewind(self) -> None:
        for part in self.schedulers:
            part._rewind()
        self.last_epoch = -1

    def _advance(self) -> None:
        for part in self.schedulers:
            part._begin()
        self.last_epoch = 0
        self._last_lr = self._current()
