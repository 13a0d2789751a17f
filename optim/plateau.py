"""The schedule that watches a metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, isnan
from numbers import Real
from typing import Any, ClassVar

from autograd_core.checks import is_count, is_finite, require
from autograd_core.context import outside

from .optimizer import Optimizer
from .scheduler import NOT_NEGATIVE, Domain, LRScheduler

__all__ = ["ReduceLROnPlateau"]

WAIT: Domain = ("an integer >= 0", lambda x: is_count(x, 0))


class ReduceLROnPlateau(LRScheduler):
    """Multiplies the learning rate by `factor` when a metric has stopped improving.

    `step(metric)` counts the steps in a row without an improvement; at more than `patience` of them the
    rates are reduced, the next `cooldown` steps are not counted, and counting begins anew. A metric that
    is NaN is no improvement.

    Args:
        optimizer: whose learning rates are set.
        mode: "min" if the metric is to fall, "max" if it is to rise.
        factor: the factor, in [0, 1).
        patience: how many steps without improvement are borne, an integer >= 0.
        threshold: by how much a metric must beat the best one so far, >= 0.
        threshold_mode: "rel" (times the best) or "abs".
        cooldown: steps after a reduction that are not counted, an integer >= 0.
        min_lr: the lowest learning rate, >= 0, or a list of one per parameter group.
        eps: a reduction by no more than this is not made, >= 0.

    Raises:
        ArgumentError: an argument outside its domain.
    """

    domains: ClassVar[Mapping[str, Domain]] = {
        "mode": ("'min' or 'max'", lambda x: x in ("min", "max")),
        "factor": ("a number in [0, 1)", lambda x: is_finite(x, 0, 1) and x < 1),
        "patience": WAIT,
        "threshold": NOT_NEGATIVE,
        "threshold_mode": ("'rel' or 'abs'", lambda x: x in ("rel", "abs")),
        "cooldown": WAIT,
        "eps": NOT_NEGATIVE,
    }
    memory: ClassVar[Mapping[str, Domain]] = {
        "best": ("a number", lambda x: isinstance(x, Real) and not isnan(x)),
        "num_bad_epochs": WAIT,
        "cooldown_counter": WAIT,
        "min_lrs": ("numbers >= 0", lambda x: isinstance(x, list) and all(is_finite(v, 0) for v in x)),
    }
    mode: str
    factor: float
    patience: int
    threshold: float
    threshold_mode: str
    cooldown: int
    eps: float

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        settings = {
            "mode": mode,
            "factor": factor,
            "patience": patience,
            "threshold": threshold,
            "threshold_mode": threshold_mode,
            "cooldown": cooldown,
            "eps": eps,
        }
        self._attach(optimizer, settings)
        n = len(optimizer.param_groups)
        lowest: list[Any] = list(min_lr) if isinstance(min_lr, list | tuple) else [min_lr] * n
        fits = len(lowest) == n and all(is_finite(x, 0) for x in lowest)
        require(fits, self._name, "min_lr", f"a number >= 0, or {n} of them, one per parameter group", min_lr)
        self.min_lrs = [float(x) for x in lowest]
        self.base_lrs = self._current()
        self.best = inf if mode == "min" else -inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0

    def step(self, metrics: Any) -> None:  # type: ignore[override]
        """Goes on by one, with the metric of this step: a number or a 0-d Tensor.

        Raises:
            ArgumentError: the metric is no number.
        """
        outside(f"{type(self).__name__}.step", "the learning rate")
        value: Any = metrics.item() if getattr(metrics, "size", None) == 1 else metrics
        require(isinstance(value, Real), self._name, "metrics", "a number", metrics)
        groups = self.groups
        self.last_epoch += 1
        if self._is_better(float(value)):
            self.best, self.num_bad_epochs = float(value), 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        rates = [group["lr"] for group in groups]
        if self.num_bad_epochs > self.patience:
            reduced = [max(lr * self.factor, low) for lr, low in zip(rates, self.min_lrs, strict=True)]
            rates = [new if lr - new > self.eps else lr for lr, new in zip(rates, reduced, strict=True)]
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._set(rates)

    def _is_better(self, value: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "rel":
            bar = self.best * (1 + sign * self.threshold)
        else:
            bar = self.best + sign * self.threshold
        return value > bar if self.mode == "max" else value < bar

    def _load(self, saved: Mapping[str, Any]) -> None:
        initial = [group.initial_lr for group in self.optimizer.param_groups]
        super()._load(saved)
        for group, lr in zip(self.optimizer.param_groups, initial, strict=True):
            group.initial_lr = lr  # another schedule's: this one starts from whatever rate it finds
