"""When the loss or a gradient is NaN or infinite: which operation made it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import isfinite
from typing import Any

import numpy as np

from autograd_core import Node, Tensor, anomaly_mode, random
from autograd_core.context import State, replaying
from autograd_core.errors import NonFiniteError, where

__all__ = ["NonFiniteStepError", "Rewind", "all_finite"]


class NonFiniteStepError(NonFiniteError):
    """A training step whose loss or gradients are not finite.

    Attributes:
        epoch: 1, 2, ...
        batch: number of the batch within the epoch, 1, 2, ...
        operation: the operation that first made a NaN or an infinity, such as "log" or "sqrt (backward)"; None if it
            was in the data or in a parameter before.
        module: dotted path of the module that it ran in, "" outside any.
        history: the History so far.
    """

    def __init__(self, message: str, epoch: int, batch: int, operation: str | None, module: str) -> None:
        super().__init__(message)
        self.epoch, self.batch, self.operation, self.module = epoch, batch, operation, module
        self.history: Any = None


def all_finite(gradients: Iterable[Any]) -> bool:
    """Whether all arrays are finite, by way of their sums of squares: one pass at the speed of BLAS."""
    total = 0.0
    arrays = [g for g in gradients if isinstance(g, np.ndarray)]
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
            what: "the loss" or "a gradient".
            run: forward and backward pass of the batch.
            batch: x and y.
            parameters: by name.
            epoch: for the message.
            number: of the batch.
        """
        place = f"epoch {epoch}, batch {number}"
        operation, module, cause = None, "", ""
        for name, tensor in [*zip("xy", batch), *((f"parameter {name}", p) for name, p in parameters)]:
            if not _finite(tensor):
                cause = f"{name} of shape {tensor.shape} holds NaN or infinity before the step; clean it"
                break
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
        return NonFiniteStepError(
            f"fit: {what} must be finite, got NaN or infinity in {place}, {cause}. The weights are as before that "
            f"step; a smaller lr, clip_norm=1.0 or data of unit scale are the usual remedies. {where('fit')}",
            epoch,
            number,
            operation,
            module,
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
