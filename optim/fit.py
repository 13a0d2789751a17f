"""The training loop."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from inspect import Parameter, signature
from math import isfinite
from time import perf_counter
from typing import Any

from autograd_core import Tensor, no_grad, random
from autograd_core.checks import is_count, is_finite, require
from autograd_core.errors import ArgumentError, ShapeError, where

from .callbacks import Callbacks, FitState, as_callbacks
from .checkpoints import Checkpoint, Parts
from .clipping import clip_grad_norm_
from .feed import Means, Metrics, as_data, as_metrics, evaluate, no_batch, pair
from .history import History
from .interrupt import Interrupt
from .nonfinite import VALIDATION, NonFiniteStepError, Rewind, all_finite
from .optimizer import Optimizer
from .progress import Progress

__all__ = ["fit"]


def fit(
    model: Any,
    loss: Any,
    optimizer: Optimizer,
    data: Any,
    *,
    epochs: int,
    batch_size: int | None = None,
    validation: Any = None,
    callbacks: Any = (),
    progress: bool = True,
    metrics: Any = None,
    checkpoint: Any = None,
    resume: bool = False,
    schedule: Any = None,
    schedule_every: str = "epoch",
    clip_norm: float | None = None,
) -> History:
    """Trains a model by gradient descent on mini-batches.

    For each batch: `loss(model(x), y)`, backward, `optimizer.step()`. One epoch reads the data once. Batch gradient
    descent is `batch_size=len(x)`, stochastic gradient descent `batch_size=1`.

        history = fit(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters()), (x, y), epochs=5, batch_size=64,
                      validation=(x_val, y_val), metrics={"accuracy": optim.accuracy},
                      callbacks=[optim.EarlyStopping(3)], checkpoint="run.safetensors", resume=True)
        history.plot()

    Interruption from the keyboard ends the run after the current step (a second one at once) and returns the history
    of what was done, with `history.stopped` saying so: in a notebook, `history = fit(...)` keeps its value, and the
    model its weights. The checkpoint is of the last complete epoch that was saved, or of the beginning; resuming
    repeats the interrupted epoch and ends in the bits of an uninterrupted run.

    All randomness is that of `autograd_core.random`: after `random.seed(n)` a run gives the same bits each time.

    Args:
        model: a module, or any function of x. It is put in training mode for training, in evaluation mode for
            validation, and its modes are restored at the end.
        loss: `loss(output, y)`, a scalar, the mean over the samples of the batch.
        optimizer: of the model's parameters.
        data: batches (x, y), iterated anew each epoch, such as nn.data.batches((x, y), 32); or a tuple (x, y) of
            arrays, which are shuffled and cut. Arrays become Tensors.
        epochs: the last epoch; a resumed run does those that are missing.
        batch_size: samples per batch where `data` is a tuple of arrays; 32 by default.
        validation: batches, or a tuple of arrays, on which loss and metrics are measured after each epoch.
        callbacks: a Callback or a function of a `FitState`, or several; see `Callback`.
        progress: show a progress bar on stderr.
        metrics: functions `metric(output, y)` by name, means over the samples of the batch, such as `accuracy`; or
            functions that have names.
        checkpoint: a path or a `Checkpoint`, written at the beginning and at the end of epochs.
        resume: go on from the checkpoint; if the file is not there yet, begin. False begins anew and overwrites it.
        schedule: of the learning rate; `step()` is called at the end of each epoch, with the validation loss (or loss)
            for a schedule that asks for a value, such as ReduceLROnPlateau.
        schedule_every: "epoch", or "step" for a schedule stated in batches.
        clip_norm: gradients are scaled down to this norm, all together; see `clip_grad_norm_`.

    Returns:
        The History.

    Raises:
        ArgumentError: an argument outside its domain; data that can be read only once for several epochs, or is empty;
            a checkpoint of another run.
        ShapeError: a loss that is no scalar, arrays of different lengths.
        FileFormatError: the checkpoint's file is something else.
        NonFiniteStepError: the loss or a gradient is NaN or infinite; it names the operation. The weights and buffers
            are those before that step, or the best ones with `EarlyStopping`; no checkpoint is written. Likewise if
            the validation loss is, or weights that are to be saved; the weights are then those after that epoch.
    """
    require(is_count(epochs), "fit", "epochs", "a positive integer", epochs)
    require(schedule_every in ("epoch", "step"), "fit", "schedule_every", "'epoch' or 'step'", schedule_every)
    clips = clip_norm is None or (is_finite(clip_norm, 0) and clip_norm > 0)
    require(clips, "fit", "clip_norm", "a number > 0 or None", clip_norm)
    require(isinstance(optimizer, Optimizer), "fit", "optimizer", "an Optimizer", optimizer)
    is_function = callable(model) and not isinstance(model, type)
    require(is_function, "fit", "model", "a module or a function", model)
    is_function = callable(loss) and not isinstance(loss, type)
    require(is_function, "fit", "loss", "a function of output and target", loss)
    require(schedule is None or hasattr(schedule, "step"), "fit", "schedule", "a schedule with step()", schedule)
    if getattr(schedule, "optimizer", optimizer) is not optimizer:
        raise ArgumentError(
            f"fit: schedule must be one of the optimizer that fit is given, got {schedule!r}, which sets the learning "
            f"rates of another; make it with this one. {where('fit')}"
        )
    chosen = as_metrics(metrics)
    require(not resume or checkpoint is not None, "fit", "resume", "False without a checkpoint", resume)
    if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
        checkpoint = Checkpoint(checkpoint)
    run = _Run(model, loss, optimizer, schedule, schedule_every, clip_norm, chosen)
    run.data = as_data(data, "data", batch_size, epochs, True)
    if validation is not None:
        run.validation = as_data(validation, "validation", None, epochs, False)
    run.callbacks = as_callbacks(callbacks)
    run.checkpoint = checkpoint
    return run.all(epochs, progress, resume)


class _Run:
    """One call of `fit`."""

    data: Iterable[Any]
    validation: Iterable[Any] | None = None
    callbacks: Callbacks
    checkpoint: Checkpoint | None
    state: FitState

    def __init__(
        self, model: Any, loss: Any, optimizer: Optimizer, schedule: Any, every: str, clip: Any, metrics: Metrics
    ) -> None:
        self.model, self.loss, self.optimizer, self.schedule = model, loss, optimizer, schedule
        self.schedule_every, self.clip_norm, self.metrics = every, clip, metrics
        self.asks = schedule is not None and _asks_for_a_value(schedule)
        self.params = [p for group in optimizer.param_groups for p in group.params]
        self.rewind = Rewind(model)
        self.saved_epoch = 0

    def all(self, epochs: int, progress: bool, resume: bool) -> History:
        """All epochs, and what must be put back whatever happens."""
        names = ["loss", *self.metrics]
        names += [f"validation {name}" for name in names] if self.validation is not None else []
        history = History()
        state = self.state = FitState(self.model, self.optimizer, history, epochs, [*names, "learning rate"])
        drawn = None
        if self.checkpoint is not None:
            self.parts = Parts(
                self.model, self.optimizer, self.schedule, self.data, self.callbacks.stateful(), self.validation
            )
            if resume:
                drawn = self.checkpoint.resume(self.parts, state)
            else:
                self.checkpoint.check_free()
        self.saved_epoch = state.epoch
        modules = list(self.model.modules()) if hasattr(self.model, "modules") else []
        modes = [(module, module.training) for module in modules]
        self.progress = Progress(progress, epochs)
        self.interrupt = Interrupt()
        with self.interrupt:
            try:
                self._epochs(drawn)
            except KeyboardInterrupt:
                history.stopped = self._interrupted()
            except BaseException as error:
                self._end(modes, error)
                raise
            self._end(modes, None)
            # Also one that came too late to stop anything: the caller may want to stop, too.
            if self.interrupt.wanted and history.stopped is None:
                history.stopped = self._interrupted()
        return history

    def _epochs(self, drawn: Any) -> None:
        """The epochs that are missing, from the random state of the checkpoint on if there was one."""
        state = self.state
        self.callbacks.tell("on_fit_begin", state)
        if drawn is not None:
            random.set_state(drawn)
        else:
            self._save()  # whoever resumes after an interruption of the first epoch begins with these weights
        while state.epoch < state.epochs and state.reason is None and not self.interrupt.wanted:
            self._epoch()
        if self.saved_epoch != state.epoch:
            self._save()
        state.history.stopped = state.reason

    def _interrupted(self) -> str:
        state = self.state
        if len(state.history) == state.epoch:
            return f"interrupted after epoch {state.epoch}" if state.epoch else "interrupted before the first epoch"
        return f"interrupted in epoch {state.epoch} after {state.batch} batches"

    def _end(self, modes: list[tuple[Any, bool]], error: BaseException | None) -> None:
        """Puts back what must be put back whatever happens; tells the callbacks, and an error what they did."""
        state = self.state
        self.progress.close()
        for module, mode in modes:
            module.training = mode
        errors = self.callbacks.tell_all("on_fit_end", state)
        failures = [failure for failure in errors if not isinstance(failure, KeyboardInterrupt)]
        if len(errors) > len(failures):
            state.history.stopped = state.history.stopped or self._interrupted()
        if isinstance(error, NonFiniteStepError):
            error.history = state.history
            error.weights = state.weights or error.weights
        if error is None and failures:
            raise failures[0]
        for failure in failures:
            assert error is not None
            error.add_note(f"Afterwards on_fit_end of a callback failed, too: {failure!r}")

    def _epoch(self) -> None:
        state, history = self.state, self.state.history
        state.epoch += 1
        state.batch = 0
        state.logs = {}
        began = perf_counter()
        self.callbacks.tell("on_epoch_begin", state)
        self.progress.begin(state.epoch, self.data)
        means = Means(self.metrics)
        if hasattr(self.model, "train"):
            self.model.train()
        self._batches(means)
        if not means.samples:
            raise no_batch("data")
        row = means.values()
        failed = None
        if self.validation is not None:
            scores, failed = evaluate(self.model, self.loss, self.validation, self.metrics, self.interrupt.check)
            row |= {f"validation {name}": value for name, value in scores.items()}
        row["learning rate"] = self.optimizer.param_groups[0]["lr"]
        state.logs = row
        if failed is not None:
            history.add_epoch(row, perf_counter() - began)
            raise self._non_finite_validation(*failed)
        if self.schedule is not None and self.schedule_every == "epoch":
            self._advance(row.get("validation loss", row["loss"]))
        history.add_epoch(row, perf_counter() - began)
        self.progress.end(row)
        self.callbacks.tell("on_epoch_end", state)
        if self.checkpoint is not None and state.epoch % self.checkpoint.every == 0:
            self._save()

    def _batches(self, means: Means) -> None:
        """The steps of an epoch: what is looked up once is looked up here."""
        state, optimizer, rewind, progress = self.state, self.optimizer, self.rewind, self.progress
        steps = state.history.steps
        losses, rates = steps.setdefault("loss", []), steps.setdefault("learning rate", [])
        norms = steps.setdefault("gradient norm", []) if self.clip_norm is not None else []
        group, params, interrupt = optimizer.param_groups[0], self.params, self.interrupt
        after = self.callbacks.at("on_batch_end")
        by_step = self.schedule is not None and self.schedule_every == "step"
        for batch in self.data:
            x, y, n = pair(batch, "data")
            rewind.mark()
            optimizer.zero_grad()
            out = self.model(x)
            value = self.loss(out, y)
            if not isinstance(value, Tensor) or value.shape:
                raise _no_scalar(value)
            number = float(value.item())
            if not isfinite(number):
                raise self._non_finite("the loss", x, y)
            value.backward()
            if self.clip_norm is not None:
                norm = float(clip_grad_norm_(params, self.clip_norm).item())
                if not isfinite(norm):
                    raise self._non_finite("a gradient", x, y)
                norms.append(norm)
            elif not all_finite([p.grad.data for p in params if p.grad is not None]):
                raise self._non_finite("a gradient", x, y)
            rates.append(group["lr"])
            optimizer.step()
            losses.append(number)
            state.step += 1
            state.batch += 1
            state.loss = number
            if by_step:
                self._advance(number)
            means.add(number, out, y, n)
            del out, value  # their memory serves the next step
            progress.step(means)
            for method in after:
                method(state)
            if state.reason is not None:
                return
            interrupt.check()

    def _advance(self, value: float) -> None:
        if self.asks:
            self.schedule.step(value)
        else:
            self.schedule.step()

    def _save(self) -> None:
        state = self.state
        if self.checkpoint is not None:
            if state.epoch and not all_finite([p.data for p in self.params]):
                raise self.rewind.destroyed(self._named(), state.epoch, state.batch)
            self.checkpoint.write(self.parts, state)
            self.saved_epoch = state.epoch

    def _named(self) -> Any:
        if hasattr(self.model, "named_parameters"):
            return list(self.model.named_parameters())
        return [(str(i), p) for i, p in enumerate(self.params)]

    def _non_finite(self, what: str, x: Tensor, y: Tensor) -> NonFiniteStepError:
        def run() -> None:
            self.optimizer.zero_grad()
            self.loss(self.model(x), y).backward()

        state = self.state
        error = self.rewind.explain(what, run, (x, y), self._named(), state.epoch, state.batch + 1)
        self.optimizer.zero_grad()
        return error

    def _non_finite_validation(self, number: int, x: Tensor, y: Tensor) -> NonFiniteStepError:
        """The model is still in evaluation mode."""

        def run() -> None:
            with no_grad():
                self.loss(self.model(x), y)

        self.rewind.mark()
        return self.rewind.explain(VALIDATION, run, (x, y), self._named(), self.state.epoch, number)


def _asks_for_a_value(schedule: Any) -> bool:
    """Whether `schedule.step` must be given a value, as ReduceLROnPlateau's."""
    with suppress(TypeError, ValueError):
        parameters = signature(schedule.step).parameters.values()
        positional = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
        return any(p.default is Parameter.empty and p.kind in positional for p in parameters)
    return False


def _no_scalar(value: Any) -> ShapeError:
    got = f"shape {value.shape}" if isinstance(value, Tensor) else type(value).__name__
    return ShapeError(
        f"fit: the loss must be a scalar Tensor, got {got}; take its mean over the samples. {where('fit')}"
    )
