"""Callbacks: what may be done between the steps and epochs of a training run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from autograd_core.checks import is_count, is_finite, require
from autograd_core.errors import ArgumentError, where

if TYPE_CHECKING:
    from .history import History
    from .optimizer import Optimizer

__all__ = ["Callback", "EarlyStopping", "FitState", "as_callbacks"]


class FitState:
    """What a callback sees and may change.

    Attributes:
        model: the model; its weights may be read and written.
        optimizer: the optimizer; `state.optimizer.param_groups[0]["lr"] = ...` takes effect at the next step.
        history: the History so far; at the end of an epoch its row is already in it.
        epoch: the epoch that runs or has just ended: 1, 2, ...; before the first one, the number of completed epochs.
        epochs: the last epoch of the run.
        step: updates made since the beginning of training.
        batch: batches done in this epoch.
        loss: loss of the latest batch, a Python float.
        logs: at the end of an epoch, its row of the history.
        series: names of the series that the run records.
        weights: what a callback has put into the model at the end of the run, in words, such as "those of epoch 3"; the
            message of a run that failed says so.
    """

    def __init__(self, model: Any, optimizer: Optimizer, history: History, epochs: int, series: Iterable[str]) -> None:
        self.model, self.optimizer, self.history, self.epochs = model, optimizer, history, epochs
        self.series = list(series)
        self.epoch = self.step = self.batch = 0
        self.loss = float("nan")
        self.logs: dict[str, float] = {}
        self.reason: str | None = None
        self.weights: str | None = None

    def stop(self, reason: str = "a callback asked to stop") -> None:
        """Ends the run after the current step or epoch, as if it were the last."""
        self.reason = reason


class Callback:
    """Base class of callbacks; override what is needed.

    A plain function does as well: it is called as `function(state)` at the end of every epoch. A callback with
    `state_dict` and `load_state_dict` has its state kept in checkpoints.
    """

    def on_fit_begin(self, state: FitState) -> None:
        """Before the first epoch, after a checkpoint has been read."""

    def on_epoch_begin(self, state: FitState) -> None:
        """Before the first batch of an epoch."""

    def on_batch_end(self, state: FitState) -> None:
        """After an update; `.grad` is still there."""

    def on_epoch_end(self, state: FitState) -> None:
        """After the validation of an epoch; before its checkpoint is written."""

    def on_fit_end(self, state: FitState) -> None:
        """At the end of the run, also of one that failed or was interrupted, and if another callback fails here."""


EVENTS = ("on_fit_begin", "on_epoch_begin", "on_batch_end", "on_epoch_end", "on_fit_end")


class _Function(Callback):
    """A plain function, called at the end of every epoch."""

    def __init__(self, function: Callable[[FitState], Any]) -> None:
        self.function = function

    def on_epoch_end(self, state: FitState) -> None:
        self.function(state)


class Callbacks:
    """All callbacks of a run; each event calls those that do something at it."""

    def __init__(self, callbacks: list[Any]) -> None:
        self.all = callbacks
        self._at = {
            event: [
                method
                for callback in callbacks
                if (method := getattr(callback, event, None)) is not None
                and getattr(method, "__func__", None) is not getattr(Callback, event)
            ]
            for event in EVENTS
        }

    def at(self, event: str) -> list[Callable[[FitState], Any]]:
        """The methods to call at an event."""
        return self._at[event]

    def tell(self, event: str, state: FitState) -> None:
        """Calls them."""
        for method in self._at[event]:
            method(state)

    def tell_all(self, event: str, state: FitState) -> list[BaseException]:
        """Calls all of them, also after one that failed; returns what was raised."""
        errors: list[BaseException] = []
        for method in self._at[event]:
            try:
                method(state)
            except BaseException as error:
                errors.append(error)
        return errors

    def stateful(self) -> list[Any]:
        """The callbacks whose state belongs into a checkpoint."""
        return [callback for callback in self.all if hasattr(callback, "load_state_dict")]


def as_callbacks(given: Any) -> Callbacks:
    """The callbacks of a run, checked: several, a single one, or None.

    Raises:
        ArgumentError: one is neither a callback nor a function.
    """
    single = callable(given) or _has_event(given) or isinstance(given, str) or not isinstance(given, Iterable)
    entries = [] if given is None else [given] if single else list(given)
    found: list[Any] = []
    for entry in entries:
        if isinstance(entry, type) or not (callable(entry) or _has_event(entry)):
            what = f"the class {entry.__name__}" if isinstance(entry, type) else repr(entry)
            raise ArgumentError(
                f"fit: a callback must be a Callback or a function of the state, got {what}; pass an instance. "
                f"{where('fit')}"
            )
        found.append(entry if _has_event(entry) else _Function(entry))
    return Callbacks(found)


def _has_event(entry: Any) -> bool:
    return any(hasattr(entry, event) for event in EVENTS)


# Words in the name of a series that say whether it is best when it is low or high.
_LOW = re.compile(r"(\w*(loss|losses|error|errors)|mse|rmse|mae|brier)")
_HIGH = re.compile(r"(\w*(accuracy|precision|recall|score)|acc|f1|auc|r2)")


def _mode_of(series: str) -> str:
    """The mode, "min" or "max", from the name of a series.

    Raises:
        ArgumentError: it does not say it, or says both.
    """
    words = re.split(r"[\W_]+", series.lower())
    low, high = (any(map(pattern.fullmatch, words)) for pattern in (_LOW, _HIGH))
    if low == high:
        raise ArgumentError(
            f"EarlyStopping: mode must be given where the name of the series does not say whether low or high is "
            f"better, got {series!r}; pass mode='min' or mode='max'. {where('EarlyStopping')}"
        )
    return "max" if high else "min"


class EarlyStopping(Callback):
    """Stops when a series has not improved for some epochs, and restores the best weights.

    MIT 6.390 notes, definition 30 and section 6.8.1.1: when the loss on validation data stops decreasing, training
    stops, "then, you return the weights with the lowest error". Buffers, such as running statistics, are restored with
    the weights; also when the epochs run out first. The optimizer's state is left as it is.

    Args:
        patience: epochs without improvement after which training stops; 1 stops at the first.
        restore_best: put the best epoch's weights back at the end.
        monitor: name of the series; "validation loss" needs `fit(..., validation=...)`.
        min_delta: an improvement must be larger than this.
        mode: "min" or "max"; it may be left out where the name of the series says it, as "loss", "error", "accuracy",
            "acc", "f1", "auc", "precision", "recall", "score" and "r2" do.

    Attributes:
        best: the best value so far, or None.
        best_epoch: its epoch.

    Raises:
        ArgumentError: an argument outside its domain, or no mode for a series whose name does not say it; in fit, a
            series that the run does not record.
    """

    def __init__(
        self,
        patience: int = 5,
        restore_best: bool = True,
        monitor: str = "validation loss",
        min_delta: float = 0,
        mode: str | None = None,
    ) -> None:
        name = "EarlyStopping"
        require(isinstance(monitor, str), name, "monitor", "the name of a series", monitor)
        require(is_count(patience), name, "patience", "a positive integer", patience)
        require(is_finite(min_delta, 0), name, "min_delta", "a number >= 0", min_delta)
        require(mode in (None, "min", "max"), name, "mode", "'min', 'max' or None", mode)
        self.patience, self.restore_best, self.monitor, self.min_delta = patience, restore_best, monitor, min_delta
        self.mode = mode or _mode_of(monitor)
        self._forget()

    def _forget(self) -> None:
        self.best: float | None = None
        self.best_epoch = 0
        self._waited = 0
        self._weights: dict[str, Any] | None = None

    def on_fit_begin(self, state: FitState) -> None:
        """Begins anew, unless a checkpoint is continued."""
        if self.restore_best and not hasattr(state.model, "load_state_dict"):
            raise ArgumentError(
                f"EarlyStopping: the model must have state_dict and load_state_dict, got "
                f"{type(state.model).__name__}; use a module, or restore_best=False. {where('EarlyStopping')}"
            )
        if self.monitor.startswith("validation ") and self.monitor not in state.series:
            raise self._unknown(state.series)
        if not state.epoch:
            self._forget()
        self._judge(state)

    def _unknown(self, series: Iterable[str]) -> ArgumentError:
        return ArgumentError(
            f"EarlyStopping: monitor must be one of {list(series)}, got {self.monitor!r}; pass validation=... to fit, "
            f"or monitor one of these. {where('EarlyStopping')}"
        )

    def on_epoch_end(self, state: FitState) -> None:
        """Compares the epoch with the best one."""
        if self.monitor not in state.logs:
            raise self._unknown(state.logs)
        value = float(state.logs[self.monitor])
        gain = 0.0 if self.best is None else value - self.best if self.mode == "max" else self.best - value
        # A NaN is no improvement, and no first best either.
        if value == value and (self.best is None or gain > self.min_delta):
            self.best, self.best_epoch, self._waited = value, state.epoch, 0
            if self.restore_best:
                self._weights = state.model.state_dict()
        else:
            self._waited += 1
        self._judge(state)

    def _judge(self, state: FitState) -> None:
        if self._waited >= self.patience:
            state.stop(
                f"{self.monitor} has not improved for {self._waited} epochs; the best was epoch {self.best_epoch}"
            )

    def on_fit_end(self, state: FitState) -> None:
        """Restores the best weights."""
        # Dropped, so that a later run that fails before its first epoch does not meet them.
        weights, self._weights = self._weights, None
        if weights is not None:
            state.model.load_state_dict(weights)
            state.weights = f"those of epoch {self.best_epoch}, the best one, which EarlyStopping has restored"

    def state_dict(self) -> dict[str, Any]:
        """For checkpoints: the best epoch and its weights."""
        return {"best": self.best, "best_epoch": self.best_epoch, "waited": self._waited, "weights": self._weights}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Takes over what `state_dict` gave."""
        self.best, self.best_epoch = saved["best"], saved["best_epoch"]
        self._waited, self._weights = saved["waited"], saved["weights"]
