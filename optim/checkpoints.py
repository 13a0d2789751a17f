"""Checkpoints: a training run in one file, from which it goes on to the same bits."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from autograd_core import random
from autograd_core.checks import is_count, require
from autograd_core.errors import ArgumentError, where

from .saving import read_state, restore, write_state

if TYPE_CHECKING:
    from .callbacks import FitState

__all__ = ["Checkpoint"]

_KIND = "optim.fit checkpoint"


class Checkpoint:
    """Where and how often `fit` saves a run.

    The file (safetensors, no pickle) holds the states of the model with its buffers, of the optimizer, the schedule,
    the callbacks that have one (`EarlyStopping` and its best weights), of the data and the validation data if they have
    one, the random state, the counters and the history. It is written at the beginning (epoch 0) and at the end of
    epochs, under another name first: a run that is killed
    while it saves leaves the previous checkpoint. A run that goes on from it ends in the same bits as one that was
    never interrupted, given the same data, callbacks, NumPy and processor.

    Data that draw from a generator of their own need `state_dict` and `load_state_dict` for that; what is drawn from
    `autograd_core.random` is covered.

    Weights alone are read from it with `load_weights(path)`.

    Args:
        path: the file, usually "*.safetensors"; its directory must exist.
        every: epochs from one checkpoint to the next; the last epoch is always saved.

    Raises:
        ArgumentError: `every` is not a positive integer, or the directory does not exist.
    """

    def __init__(self, path: Any, every: int = 1) -> None:
        require(is_count(every), "Checkpoint", "every", "a positive number of epochs", every)
        self.path, self.every = os.fsdecode(path), int(every)
        directory = os.path.dirname(os.path.abspath(self.path))
        if not os.path.isdir(directory) or os.path.isdir(self.path):
            raise ArgumentError(
                f"Checkpoint: path must be a file in an existing directory, got {self.path!r}; create the directory "
                f"first. {where('Checkpoint')}"
            )

    def load_weights(self) -> dict[str, Any]:
        """The model's arrays, for `model.load_state_dict`.

        Raises:
            MissingFileError: there is no such file.
            FileFormatError: it is not a checkpoint.
        """
        weights: dict[str, Any] = self.read()["model"]
        return weights

    def read(self) -> dict[str, Any]:
        """Everything in the file.

        Raises:
            MissingFileError: there is no such file.
            FileFormatError: it is not a checkpoint of this version.
        """
        return read_state(self.path, _KIND, "a checkpoint of fit", "Checkpoint")

    def write(self, parts: Parts, state: FitState) -> None:
        """Saves the run as it is after an epoch."""
        content = {name: part.state_dict() for name, part in parts.single.items()}
        content["callbacks"] = [[type(c).__name__, c.state_dict()] for c in parts.callbacks]
        content |= {
            "epoch": state.epoch,
            "step": state.step,
            "history": state.history.state_dict(),
            "random": random.get_state(),
        }
        write_state(content, self.path, _KIND, "Checkpoint")

    def check_free(self) -> None:
        """Refuses to overwrite a file that is no checkpoint.

        Raises:
            FileFormatError: there is such a file.
        """
        if os.path.exists(self.path):
            self.read()

    def resume(self, parts: Parts, state: FitState) -> Any:
        """Restores a run: everything, or nothing if something does not fit.

        Returns:
            The random state, to be set last; None if there is no file, which begins a new run.

        Raises:
            FileFormatError: the file is not a checkpoint.
            AutogradError: it is one of another model, optimizer, schedule or list of callbacks.
        """
        if not os.path.exists(self.path):
            return None
        saved = self.read()
        self._compare(saved, parts)
        loads: list[tuple[Any, Any]] = [(part, saved[name]) for name, part in parts.single.items()]
        loads += [(callback, own) for callback, (_, own) in zip(parts.callbacks, saved["callbacks"])]
        restore(loads)
        state.history.load_state_dict(saved["history"])
        state.epoch, state.step = saved["epoch"], saved["step"]
        return saved["random"]

    def _compare(self, saved: Mapping[str, Any], parts: Parts) -> None:
        """Raises for what `load_state_dict` would accept, though the run would not go on as before."""

        def expect(what: str, ours: Any, theirs: Any) -> None:
            if ours != theirs:
                raise ArgumentError(
                    f"fit: {what} must be {theirs!r} as in the checkpoint {self.path!r}, got {ours!r}; resume with "
                    f"what the run was begun with, or begin a new one with resume=False. {where('fit')}"
                )

        known = ["model", "optimizer", "schedule", "data", "validation"]
        expect("the stateful arguments", list(parts.single), [name for name in known if name in saved])
        expect(
            "the stateful callbacks",
            [type(callback).__name__ for callback in parts.callbacks],
            [name for name, _ in saved["callbacks"]],
        )
        expect("the optimizer", type(parts.single["optimizer"]).__name__, saved["optimizer"]["optimizer"])
        theirs = saved["model"]
        for name, array in parts.single["model"].state_dict().items():
            if name in theirs:  # missing and unexpected names are listed by the model itself, all at once
                expect(f"the dtype of {name}", str(array.dtype), str(theirs[name].dtype))


class Parts:
    """The objects of a run whose states make up a checkpoint.

    Args:
        model: with state_dict and load_state_dict.
        optimizer: likewise.
        schedule: likewise, or None.
        data: its state is kept if it has one, such as the order of samples drawn from a seed of its own.
        callbacks: those with a state.
        validation: its state is kept as that of the data.

    Raises:
        ArgumentError: the model or the schedule has no state.
    """

    def __init__(
        self, model: Any, optimizer: Any, schedule: Any, data: Any, callbacks: list[Any], validation: Any = None
    ) -> None:
        self.single: dict[str, Any] = {"model": model, "optimizer": optimizer}
        if schedule is not None:
            self.single["schedule"] = schedule
        for name, part in self.single.items():
            if not (hasattr(part, "state_dict") and hasattr(part, "load_state_dict")):
                raise ArgumentError(
                    f"fit: for a checkpoint the {name} must have state_dict and load_state_dict, got "
                    f"{type(part).__name__}; use a module, or leave out checkpoint=. {where('fit')}"
                )
        for name, part in (("data", data), ("validation", validation)):
            if hasattr(part, "state_dict") and hasattr(part, "load_state_dict"):
                self.single[name] = part
        self.callbacks = callbacks
