"""The base class of schedules, which set the learning rates of an optimizer step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

from autograd_core.checks import is_count, is_finite, require
from autograd_core.context import outside
from autograd_core.errors import ArgumentError, where

from .optimizer import Optimizer
from .options import Group

__all__ = ["COUNT", "NOT_NEGATIVE", "Domain", "LRScheduler", "check_state"]

# What a setting must be, in words and as a test.
Domain: TypeAlias = tuple[str, Callable[[Any], bool]]
NOT_NEGATIVE: Domain = ("a finite number >= 0", lambda x: is_finite(x, 0))
COUNT: Domain = ("a positive integer", is_count)


class LRScheduler:
    """Sets the learning rate of every parameter group at each `step()`.

    Call `step()` after the optimizer's, once an epoch (or once a batch, for a schedule stated in
    batches). As in PyTorch, most schedules multiply the rate that they find by a factor: what was
    written to `param_groups[...]["lr"]` by hand, or by another schedule, stays in effect. A schedule
    may anneal a rate to exactly 0, which an optimizer's own argument may not be.

    A subclass states the domains of its settings and one method, `rates`.

    Attributes:
        optimizer: whose learning rates are set.
        last_epoch: how often `step()` was called; t in the formulas.
        base_lrs: the groups' learning rates before any schedule.
    """

    domains: ClassVar[Mapping[str, Domain]] = {}
    # Attributes beside the settings that change from step to step, with their domains.
    memory: ClassVar[Mapping[str, Domain]] = {}

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1, **settings: Any) -> None:
        self._attach(optimizer, settings)
        require(is_count(last_epoch, -1), self._name, "last_epoch", "an integer >= -1", last_epoch)
        base = []
        for i, group in enumerate(optimizer.param_groups):
            if group.initial_lr is None and last_epoch >= 0:
                raise ArgumentError(
                    f"{self._name}: last_epoch must be -1 for an optimizer that had no schedule yet, got "
                    f"{last_epoch} where group {i} has no initial learning rate; use load_state_dict to go on. "
                    f"{where(self._name)}"
                )
            base.append(float(group["lr"]) if group.initial_lr is None else group.initial_lr)
        self.base_lrs: list[float] = base
        self.last_epoch = last_epoch
        before = [group.initial_lr for group in optimizer.param_groups]
        for group, lr in zip(optimizer.param_groups, base, strict=True):
            group.initial_lr = lr
        try:
            self._begin()
        except BaseException:
            for group, initial in zip(optimizer.param_groups, before, strict=True):
                group.initial_lr = initial
            raise

    def _attach(self, optimizer: Optimizer, settings: Mapping[str, Any]) -> None:
        """Checks and takes over the optimizer and the settings."""
        self._name = type(self).__name__
        self._starting = False
        if not isinstance(optimizer, Optimizer):
            raise ArgumentError(
                f"{self._name}: optimizer must be an Optimizer, got {type(optimizer).__name__}; make it first. "
                f"{where(self._name)}"
            )
        self.optimizer = optimizer
        self.last_epoch = 0
        self.base_lrs = []
        self._last_lr = self._current()
        self._take(self._name, settings)

    def _take(self, caller: str, settings: Mapping[str, Any]) -> None:
        for name, value in settings.items():
            words, holds = self.domains[name]
            require(holds(value), caller, name, words, value)
        self.__dict__.update(settings)

    # -- what a subclass says

    def rates(self, t: int, lrs: Sequence[float]) -> list[float]:
        """The groups' learning rates at t from those at t - 1 (at the start: from those found)."""
        raise NotImplementedError

    # -- stepping

    @property
    def groups(self) -> list[Group]:
        """The parameter groups that the schedule was made for.

        Raises:
            ArgumentError: a group has been added since.
        """
        groups = self.optimizer.param_groups
        if len(groups) != len(self.base_lrs):
            raise ArgumentError(
                f"{self._name}: the optimizer must have the groups that the schedule was made for, got "
                f"{len(groups)} where there were {len(self.base_lrs)}; add groups before making the schedule. "
                f"{where(self._name)}"
            )
        return groups

    def step(self) -> None:
        """Goes on by one and sets the learning rates.

        Raises:
            ArgumentError: a learning rate would be negative or not finite, or a group has been added.
                No rate has changed then.
        """
        outside(f"{type(self).__name__}.step", "the learning rate")
        self._set(self.rates(self.last_epoch + 1, [group["lr"] for group in self.groups]))
        self.last_epoch += 1

    def _begin(self) -> None:
        """The step from -1 to 0: sets the first learning rates."""
        self._starting = True
        try:
            self._advance()
        finally:
            self._starting = False

    def _advance(self) -> None:
        """What `step()` does without arguments."""
        self.step()

    def _restart(self) -> None:
        """Goes to 0, from the base rates."""
        self._set(self.base_lrs)
        self._rewind()
        self._begin()

    def _rewind(self) -> None:
        self.last_epoch = -1

    def _set(self, rates: Sequence[float]) -> None:
        """Checks, then sets all learning rates."""
        values = []
        for i, rate in enumerate(rates):
            value = rate.item() if hasattr(rate, "item") else rate
            require(is_finite(value, 0), self._name, f"the learning rate of group {i}", NOT_NEGATIVE[0], value)
            values.append(float(value))
        for group, value in zip(self.groups, values, strict=True):
            group.schedule_lr(value)
        self._last_lr = values

    def _current(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def get_last_lr(self) -> list[float]:
        """The learning rates that the schedule set last, one per group."""
        return list(self._last_lr)

    # -- saving

    def state_dict(self) -> dict[str, Any]:
        """A snapshot in numbers, strings, lists and dicts, with the current learning rates.

        Functions are not in it: a `LambdaLR` is made with the same ones again.
        """
        names = [*self.domains, *self.memory]
        return {
            "schedule": self._name,
            "last_epoch": self.last_epoch,
            "base_lrs": list(self.base_lrs),
            "lr": self._current(),
            "last_lr": list(self._last_lr),
            **{name: _plain(getattr(self, name)) for name in names},
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over what `state_dict` gave, bit for bit, and sets the learning rates that it holds.

        Schedule and optimizer may be loaded in either order.

        Raises:
            ArgumentError: it is another schedule's, has another number of groups, or a value outside
                its domain. Nothing has changed then.
        """
        self._check_state(state_dict)
        self._load(state_dict)

    def _check_state(self, saved: Mapping[str, Any]) -> None:
        caller = f"{self._name}.load_state_dict"
        check_state(self, saved, [*self.domains, *self.memory, "base_lrs", "last_epoch", "last_lr", "lr"])
        for name, (words, holds) in {**self.domains, **self.memory}.items():
            require(holds(saved[name]), caller, name, words, saved[name])
        require(is_count(saved["last_epoch"], -1), caller, "last_epoch", "an integer >= -1", saved["last_epoch"])
        n = len(self.optimizer.param_groups)
        for name in ("base_lrs", "last_lr", "lr"):
            value = saved[name]
            holds_all = isinstance(value, list | tuple) and len(value) == n and all(is_finite(x, 0) for x in value)
            require(holds_all, caller, name, f"{n} numbers >= 0, one per parameter group", value)

    def _load(self, saved: Mapping[str, Any]) -> None:
        """Takes over a state that has been checked."""
        for name in [*self.domains, *self.memory]:
            self._restore(name, _plain(saved[name]))
        self.last_epoch = int(saved["last_epoch"])
        self.base_lrs = [float(x) for x in saved["base_lrs"]]
        self._last_lr = [float(x) for x in saved["last_lr"]]
        for group, initial, lr in zip(self.optimizer.param_groups, self.base_lrs, saved["lr"], strict=True):
            group.initial_lr = initial
            group.schedule_lr(float(lr))

    def _restore(self, name: str, value: Any) -> None:
        setattr(self, name, value)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.domains)
        return f"{self._name}({settings}{', ' if settings else ''}last_epoch={self.last_epoch})"


def check_state(schedule: Any, saved: Mapping[str, Any], names: Sequence[str]) -> None:
    """Raises ArgumentError unless `saved` is of this kind of schedule and has these entries."""
    caller = f"{schedule._name}.load_state_dict"
    require(isinstance(saved, Mapping), caller, "the state", "a dict, as state_dict() gives it", saved)
    kind = saved.get("schedule")
    require(kind == schedule._name, caller, "the saved schedule", repr(schedule._name), kind)
    keys = sorted({"schedule", *names})
    require(sorted(saved) == keys, caller, "the keys of the dict", repr(keys), sorted(saved))


def _plain(value: Any) -> Any:
    """A copy of a setting that shares no list with it; sequences as lists."""
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
