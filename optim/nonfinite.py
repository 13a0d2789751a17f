"""When the loss or a gradient is NaN or infinite: which operation made it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import isfinite
from typing import Any

import numpy as np

from autograd_core import Node, Tensor, anomaly_mode, random
from autograd_core.context import State, replaying
from autograd_core.errors import NonFiniteError, where

__all__ = ["VALIDATION", "NonFiniteStepError", "Rewind", "all_finite"]


# What failed, where it was not a step.
VALIDATION = "the validation loss"


class NonFiniteStepError(NonFiniteError):
    """A training step whose loss or gradients are not finite, or a validation whose loss is not.

    Attributes:
        epoch: 1, 2, ...
        batch: number of the batch within the epoch, or within the validation, 1, 2, ...
        operation: the operation that first made a NaN or an infinity, such as "log" or "sqrt (backward)"; None if it
            was in the data or in a parameter before.
        module: dotted path of the module that it ran in, "" outside any.
        weights: which weights the model has, in words, such as "as before that step".
        history: the History so far.
    """

    def __init__(
        self, what: str, epoch: int, batch: int, operation: str | None, module: str, weights: str, place: str
    ) -> None:
        super().__init__(what, epoch, batch, operation, module, weights, place)
        self.epoch, self.batch, self.operation, self.module, self.weights = epoch, batch, operation, module, weights
        self.history: Any = None

    def __str__(self) -> str:
        return (
            f"{self.args[0]}. The weights are {self.weights}; a smaller lr, clip_norm=1.0 or data of unit scale are "
            f"the usual remedies. {self.args[-1]}"
        )


def all_finite(gradients: Iterable[Any]) -> bool:
    """Whether all arrays are finite, by way of their sums of squares: one pass at the speed of BLAS."""
    total = 0.0
    arrays = [g for g in gradients if isinstance(g, np.ndarray)]
    with np.errstate(over="ignore", invalid="ignore"):
        for g in arrays:
            flat = g.ravel(order="K")
            total += float(flat.dot(flat))
    # A square may overflow where its root does not.
    return isfinite(total) or all(bool(np.isfinite(g).all()) for g in arrays)


class Rewind:
    """What a step changes before the optimizer's: the random state and the model's buffers.

    Args:
        model: its buffers, if it has any, are watched.
    """

    def __init__(self, model: Any) -> None:
        named = model.named_buffers() if hasattr(model, "named_buffers") else ()
        self.buffers = [buffer for _, buffer in named]
        self.saved: list[Any] = [None] * len(self.buffers)
        self.random: Any = None

    def mark(self) -> None:
        """Remembers the present state."""
        self.random = random.get_state()
        for i, buffer in enumerate(self.buffers):
            data, saved = buffer.data, self.saved[i]
            # Copied, since a module may write in place; into the same memory each time.
            if saved is not None and saved.dtype is data.dtype and saved.shape == data.shape:
                np.copyto(saved, data)
            else:
                self.saved[i] = np.copy(data)

    def back(self) -> None:
        """Restores it."""
        random.set_state(self.random)
        for buffer, saved in zip(self.buffers, self.saved):
            buffer.data = np.copy(saved)

    def explain(
        self,
        what: str,
        run: Callable[[], Any],
        batch: tuple[Any, Any],
        parameters: Iterable[tuple[str, Tensor]],
        epoch: int,
        number: int,
    ) -> NonFiniteStepError:
        """The error for a step that failed; the state is as marked afterwards.

        Args:
            what: "the loss", "a gradient" or VALIDATION.
            run: forward and backward pass of the batch.
            batch: x and y.
            parameters: by name.
            epoch: for the message.
            number: of the batch.
        """
        of = " of the validation" if what == VALIDATION else ""
        weights, before = ("those after that epoch", "") if of else ("as before that step", " before the step")
        operation, module = None, ""
        cause = _found([*zip("xy", batch), *((f"parameter {name}", p) for name, p in parameters)], before)
        if cause:
            cause += "; clean it"
        else:
            error = self._failure(run)
            if error is None:
                cause = (
                    "a second run of the same batch was finite: the model or the loss is not a function of its input"
                )
            else:
                operation, module = str(error).split(":")[0], _scope(error)
                inside = f" in module {module}" if module else ""
                cause = f"first made by {operation}{inside} ({error})"
        place = f"epoch {epoch}, batch {number}{of}"
        return NonFiniteStepError(
            f"fit: {what} must be finite, got NaN or infinity in {place}, {cause}",
            epoch,
            number,
            operation,
            module,
            weights,
            where("fit"),
        )

    def destroyed(self, parameters: Iterable[tuple[str, Tensor]], epoch: int, number: int) -> NonFiniteStepError:
        """The error for weights that are not finite at the end of an epoch and so are not saved."""
        cause = _found([(f"parameter {name}", p) for name, p in parameters], " after it") or "in a parameter"
        return NonFiniteStepError(
            f"fit: weights that are saved must be finite, got NaN or infinity in epoch {epoch}, {cause}",
            epoch,
            number,
            None,
            "",
            "those after that epoch, and the checkpoint is the one before",
            where("fit"),
        )

    def _failure(self, run: Callable[[], Any]) -> NonFiniteError | None:
        self.back()
        try:
            # Replaying: running statistics stay, and callbacks that record do not record it twice.
            with replaying(), anomaly_mode(), np.errstate(all="ignore"):
                run()
        except NonFiniteError as error:
            return error
        finally:
            self.back()
        return None


def _found(tensors: Iterable[tuple[str, Tensor]], when: str) -> str:
    """Which of the tensors is not finite, in words; nothing if all are."""
    for name, tensor in tensors:
        if not _finite(tensor):
            return f"{name} of shape {tensor.shape} holds NaN or infinity{when}"
    return ""


def _finite(tensor: Tensor) -> bool:
    return tensor.dtype.kind not in "fc" or bool(np.all(np.isfinite(tensor.data)))


def _scope(error: BaseException) -> str:
    """The module that the failed operation ran in: the engine's frames know its state or Node."""
    scope = ""
    trace = error.__traceback__
    while trace is not None:
        for value in trace.tb_frame.f_locals.values():
            if isinstance(value, Node | State):
                scope = value.scope or scope
        trace = trace.tb_next
    return scope
