"""Schedules of the learning rate, with PyTorch's arguments and values.

η is a group's learning rate, η_0 the one before any schedule, t = 0, 1, ... the count of `step()` calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import cos, floor, pi
from typing import Any, ClassVar

from autograd_core.checks import is_count, is_finite, require

from .optimizer import Optimizer
from .scheduler import COUNT, NOT_NEGATIVE, Domain, LRScheduler

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "StepLR",
]

FRACTION: Domain = ("a number in [0, 1]", lambda x: is_finite(x, 0, 1))
POSITIVE_FRACTION: Domain = ("a number in (0, 1]", lambda x: is_finite(x, 0, 1) and x > 0)
MILESTONES: Domain = (
    "a sequence of integers >= 0 in ascending order",
    lambda x: isinstance(x, list | tuple) and all(is_count(i, 0) for i in x) and list(x) == sorted(x),
)


class LambdaLR(LRScheduler):
    """A factor that is a function of t: η = η_0 f(t).

    Args:
        optimizer: whose learning rates are set.
        lr_lambda: the function f, or a list of one per parameter group.
        last_epoch: t before the first step; only -1 for an optimizer that had no schedule yet.

    Raises:
        ArgumentError: an argument outside its domain; at a step, a rate that is negative or not finite.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer, {})
        n = len(optimizer.param_groups)
        functions: list[Any] = list(lr_lambda) if isinstance(lr_lambda, list | tuple) else [lr_lambda] * n
        words = f"a function of t, or {n} functions, one per parameter group"
        require(len(functions) == n and all(map(callable, functions)), self._name, "lr_lambda", words, lr_lambda)
        self.lr_lambdas = functions
        super().__init__(optimizer, last_epoch)

    def rates(self, t: int, lrs: Sequence[float]) -> list[float]:
        """η_0 f(t)."""
        return [base * function(t) for base, function in zip(self.base_lrs, self.lr_lambdas, strict=True)]


class StepLR(LRScheduler):
    """Multiplies the learning rate by gamma every `step_size` steps: η = η_0 gamma^floor(t / step_size).

    Args:
        optimizer: whose learning rates are set.
        step_size: steps between two decays, a positive integer.
        gamma: the factor, >= 0.
        last_epoch: t before the first step; only -1 for an optimizer that had no schedule yet.

    Raises:
        ArgumentError: an argument outside its domain.
    """

    domains: ClassVar[Mapping[str, Domain]] = {"step_size": COUNT, "gamma": NOT_NEGATIVE}
    step_size: int
    gamma: float

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        super().__init__(optimizer, last_epoch, step_size=step_size, gamma=gamma)

    def rates(self, t: int, lrs: Sequence[float]) -> list[float]:
        """η gamma at the multiples of step_size."""
        return [lr * self.gamma for lr in lrs] if t > 0 and t % self.step_size == 0 else list(lrs)


class MultiStepLR(LRScheduler):
    """Multiplies the learning rate by gamma at each milestone: η = η_0 gamma^(how many milestones are <= t).

    Args:
        optimizer: whose learning rates are set.
        milestones: values of t in ascending order; one that is given k times counts k times.
        gamma: the factor, >= 0.
        last_epoch: t before the first step; only -1 for an optimizer that had no schedule yet.

    Raises:
        ArgumentError: an argument outside its domain.
    """

    domains: ClassVar[Mapping[str, Domain]] = {"milestones": MILESTONES, "gamma": NOT_NEGATIVE}
    milestones: Sequence[int]
    gamma: float

    def __init__(
        self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        super().__init__(optimizer, last_epoch, milestones=milestones, gamma=gamma)

    def rates(self, t: int, lrs: Sequence[float]) -> list[float]:
        """η gamma^k at a milestone that is given k times."""
        times = list(self.milestones).count(t)
        return [lr * self.gamma**times for lr in lrs] if times else list(lrs)


class ConstantLR(LRScheduler):
    """A constant factor for the first steps: η = η_0 factor for t < total_iters, then η_0.

    Args:
        optimizer: whose learning rates are set.
        factor: the factor, in (0, 1].
        total_iters: how many steps it lasts, a positive integer.
        last_epoch: t before the first step; only -1 for an optimizer that had no schedule yet.

    Raises:
        ArgumentError: an argument outside its domain.
    """

    domains: ClassVar[Mapping[str, Domain]] = {"factor": POSITIVE_FRACTION, "total_iters": COUNT}
    factor: float
    total_iters: int

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1) -> None:
        super().__init__(optimizer, last_epoch, factor=factor, total_iters=total_iters)

    def rates(self, t: int, lrs: Sequence[float]) -> list[float]:
        """η factor at the start, η / factor at total_iters."""
        change = self.factor if t == 0 else 1 / self.factor if t == self.total_iters else 1.0
        return [lr * change for lr in lrs]


class LinearLR(LRScheduler):
    """A factor that goes linearly from one value to another; a warm-up with the defaults.

        η = η_0 (start_factor + (end_factor - start_factor) min(t / total_iters, 1))

    Args:
        optimizer: whose learning rates are set.
        start_factor: the factor at t = 0, in (0, 1].
        end_factor: the factor from t = total_iters on, in [0, 1].
        total_iters: how many steps lie between the two, a positive integer.
        last_epoch: t before the first step; only -1 for an optimizer that had no schedule yet.

    Raises:
        ArgumentError: an argument outside its domain.
    """

    domains: ClassVar[Mapping[str, Domain]] = {
        "start_factor": POSITIVE_FRACTION,
        "end_factor": FRACTION,
        "total_iters": COUNT,
    }
    start_factor: float
    end_factor: float
    total_iters: int

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        super().__init__(
            optimizer, last_epoch, start_factor=start_factor, end_factor=end_factor, total_iters=total_iters
        )

    def rates(self, t: int, lrs: Sequence[float]) -> list[float]:
        """η times the ratio of two successive factors."""
        if t == 0:
            return [lr * self.start_factor for lr in lrs]
        if self._starting or t > self.total_iters:
            return list(lrs)
        rise = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (t - 1) * rise
        # 1 + rise / before may come out a rounding error below 0 where the factor goes to 0.
        return [lr * max(1.0 + rise / before, 0.0) for lr in lrs]


class ExponentialLR(LRScheduler):
    """Multiplies the learning rate by gamma at every step: η = η_0 gamma^t.

    Args:
        optimizer: whose learning rates are set.
        gamma: the factor, >= 0.
        last_epoch: t before the first step; only -1 for an optimizer that had no schedule yet.

    Raises:
        ArgumentError: an argument outside its domain.
    """

    domains: ClassVar[Mapping[str, Domain]] = {"gamma": NOT_NEGATIVE}
    gamma: float

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        super().__init__(optimizer, last_epoch, gamma=gamma)

    def rates(self, t: int, lrs: Sequence[float]) -> list[float]:
        """η gamma."""
        return list(lrs) if self._starting else [lr * self.gamma for lr in lrs]


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from η_0 down to eta_min, at T_max; then up again, and so on.

        η = eta_min + (η_0 - eta_min) (1 + cos(π t / T_max)) / 2

    (Loshchilov & Hutter 2017, without the restarts.) With eta_min = 0 the learning rate at T_max is exactly 0.

    Args:
        optimizer: whose learning rates are set.
        T_max: steps of one descent, a positive integer.
        eta_min: the lowest learning rate, >= 0.
        last_epoch: t before the first step; only -1 for an optimizer that had no schedule yet.

    Raises:
        ArgumentError: an argument outside its domain.
    """

    domains: ClassVar[Mapping[str, Domain]] = {"T_max": COUNT, "eta_min": NOT_NEGATIVE}
    T_max: int
    eta_min: float

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        super().__init__(optimizer, last_epoch, T_max=T_max, eta_min=eta_min)

    def rates(self, t: int, lrs: Sequence[float]) -> list[float]:
        """What is above eta_min, times the ratio of two successive values of 1 + cos."""
        T, low = self.T_max, self.eta_min
        if self._starting:
            return list(lrs)
        if (t - 1 - T) % (2 * T) == 0:  # from the lowest point, where the ratio is x / 0
            rise = (1 - cos(pi / T)) / 2
            return [lr + (base - low) * rise for lr, base in zip(lrs, self.base_lrs, strict=True)]
        ratio = (1 + cos(pi * t / T)) / (1 + cos(pi * (t - 1) / T))
        return [ratio * (lr - low) + low for lr in lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine from η_0 to eta_min, then from η_0 anew, each descent T_mult times as long as the last.

        η = eta_min + (η_0 - eta_min) (1 + cos(π s / T)) / 2,   s steps into a descent of T steps

    (Loshchilov & Hutter 2017, "SGDR", equation 5.)

    Args:
        optimizer: whose learning rates are set.
        T_0: steps of the first descent, a positive integer.
        T_mult: how many times as long the next one is, a positive integer.
        eta_min: the lowest learning rate, >= 0.
        last_epoch: t before the first step; only -1 for an optimizer that had no schedule yet.

    Raises:
        ArgumentError: an argument outside its domain.
    """

    domains: ClassVar[Mapping[str, Domain]] = {"T_0": COUNT, "T_mult": COUNT, "eta_min": NOT_NEGATIVE}
    memory: ClassVar[Mapping[str, Domain]] = {"time": ("a number >= -1", lambda x: is_finite(x, -1))}
    T_0: int
    T_mult: int
    eta_min: float

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.time: float = last_epoch
        super().__init__(optimizer, last_epoch, T_0=T_0, T_mult=T_mult, eta_min=eta_min)

    def step(self, epoch: float | None = None) -> None:
        """Goes on by one, or to `epoch`, which may be a fraction: `schedule.step(epoch + batch / batches)`.

        Raises:
            ArgumentError: `epoch` is negative or no number.
        """
        require(epoch is None or is_finite(epoch, 0), self._name, "epoch", NOT_NEGATIVE[0], epoch)
        time = self.time + 1 if epoch is None else epoch
        into, length = self._place(time)
        factor = (1 + cos(pi * into / length)) / 2
        _ = self.groups  # checked before the rates are paired with them
        self._set([self.eta_min + (base - self.eta_min) * factor for base in self.base_lrs])
        self.time, self.last_epoch = time, floor(time)

    def _place(self, time: float) -> tuple[float, int]:
        """How far into its descent a time is, and the length of the descent."""
        if self.T_mult == 1:
            return time % self.T_0, self.T_0
        length = self.T_0
        while time >= length:
            time, length = time - length, length * self.T_mult
        return time, length

    def _rewind(self) -> None:
        self.last_epoch = self.time = -1
