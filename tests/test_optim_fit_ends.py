"""How a run of `fit` ends: what is saved, returned and said."""

from __future__ import annotations

import os
import pickle
import signal

import numpy as np
import pytest

import nn
import optim
from autograd_core import random
from autograd_core.errors import ArgumentError
from fit_cases import bits, clusters, network, run, small
from optim import fit

# -- a validation that is not finite


class Log(nn.Module):
    """Counts its calls in a buffer, in place."""

    def __init__(self):
        self.register_buffer("calls", np.zeros(()))

    def forward(self, x):
        self.calls.data[...] += 1
        return np.log(x + 1)


def validated(x_val, path=None, epochs=3, **options):
    """A run on small positive numbers, validated on others; model, and the error."""
    random.seed(0)
    model = nn.Sequential(nn.Sequential(Log()), nn.Linear(2, 1))
    x = np.linspace(0, 1, 12, dtype=np.float32).reshape(6, 2)
    optimizer = optim.SGD(model.parameters(), lr=1e-2)
    arguments = {"validation": [(x[:2], x[:2, :1]), x_val], "checkpoint": path, "progress": False, "epochs": epochs}
    with np.errstate(all="ignore"), pytest.raises(optim.NonFiniteStepError) as caught:
        fit(model, nn.MSELoss(), optimizer, (x, x[:, :1]), **(arguments | options))
    return model, caught.value


class Turns:
    """Validation data that turn bad in an epoch."""

    def __init__(self, good, bad, epoch):
        self.good, self.bad, self.epoch, self.seen = good, bad, epoch, 0

    def __iter__(self):
        self.seen += 1
        yield self.good
        yield self.bad if self.seen == self.epoch else self.good


def test_a_validation_loss_that_is_nan_stops_the_run_before_the_checkpoint(tmp_path):
    path = tmp_path / "run.safetensors"
    good, bad = ((np.full((2, 2), v, np.float32), np.ones((2, 1), np.float32)) for v in (0.5, -2.0))
    left = []
    callbacks = [lambda state: left.append(state.model.state_dict())]
    model, error = validated(None, path, validation=Turns(good, bad, 2), callbacks=callbacks)
    assert (error.epoch, error.batch, error.operation, error.module) == (2, 2, "log", "0.0")
    assert str(error).startswith(
        "fit: the validation loss must be finite, got NaN or infinity in epoch 2, batch 2 of the validation, first "
        "made by log in module 0.0 (log: values must be finite"
    )
    assert "The weights are those after that epoch; a smaller lr" in str(error)
    assert str(error).endswith(f"in: fit, called at {os.path.basename(__file__)}:{error.args[-1].split(':')[-1]}")
    assert len(left) == 1 and optim.Checkpoint(path).read()["epoch"] == 1
    assert [np.isfinite(v) for v in error.history["validation loss"]] == [True, False]
    assert len(error.history["loss"]) == 2
    assert model.training
    assert model[0][0].calls.data == 2 * (1 + 2)  # the second look at the batch is undone


def test_a_validation_that_is_not_finite_may_come_from_its_data():
    bad = (np.array([[np.nan, 1]], np.float32), np.ones((1, 1), np.float32))
    _, error = validated(bad)
    assert error.operation is None and error.epoch == 1
    assert "x of shape (1, 2) holds NaN or infinity; clean it. The weights are those after" in str(error)


def test_the_message_says_which_weights_early_stopping_has_left():
    good, bad = ((np.full((2, 2), v, np.float32), np.ones((2, 1), np.float32)) for v in (0.5, -2.0))
    weights = []
    callbacks = [lambda state: weights.append(state.model.state_dict()), optim.EarlyStopping(9)]
    model, error = validated(None, epochs=6, validation=Turns(good, bad, 4), callbacks=callbacks)
    best = int(np.argmin(error.history["validation loss"][:3])) + 1
    words = f"those of epoch {best}, the best one, which EarlyStopping has restored"
    assert error.weights == words and f"The weights are {words}; a smaller lr" in str(error)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, weights[best - 1][name])


def test_a_step_that_fails_after_early_stopping_says_so_too():
    class Data:
        epoch = 0

        def __iter__(self):
            self.epoch += 1
            x, y = clusters(8)
            yield (x * np.nan if self.epoch == 3 else x), y

    with pytest.raises(optim.NonFiniteStepError, match=r"The weights are those of epoch [12], the best one"):
        run(data=Data(), callbacks=optim.EarlyStopping(9))
    with pytest.raises(optim.NonFiniteStepError, match="The weights are as before that step; ") as caught:
        run(data=Data())
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_weights_that_the_last_step_destroyed_are_not_saved(tmp_path):
    path = tmp_path / "run.safetensors"
    model = nn.Linear(2, 1)
    model.weight = nn.Parameter(np.ones((1, 2), np.float32))
    x = np.full((4, 2), 1e10, np.float32)  # the squares of the gradients overflow, which is no harm

    def destroy(state):
        if state.epoch == 2:
            state.model.weight.data[...] = np.inf

    class At(optim.Callback):
        on_batch_end = staticmethod(destroy)

    optimizer = optim.SGD(model.parameters(), lr=1e-30)
    data, loss = [(x, x[:, :1])], nn.MSELoss()
    with pytest.raises(optim.NonFiniteStepError) as caught:
        fit(model, loss, optimizer, data, epochs=2, callbacks=[At()], checkpoint=path, progress=False)
    assert str(caught.value).startswith(
        "fit: weights that are saved must be finite, got NaN or infinity in epoch 2, parameter weight of shape (1, 2) "
        "holds NaN or infinity after it. The weights are those after that epoch, and the checkpoint is the one before; "
    )
    assert optim.Checkpoint(path).read()["epoch"] == 1


# -- Ctrl-C


@pytest.fixture
def keyboard():
    """Python's own handler of Ctrl-C, which a test run in parallel processes may have switched off."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def ctrl_c(event, epoch, times=1):
    """A callback that presses Ctrl-C at an event of an epoch."""

    def press(self, state):
        if state.epoch == epoch:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)

    return type("Presses", (optim.Callback,), {event: press})()


def test_an_interruption_in_the_first_epoch_leaves_the_weights_of_the_beginning(tmp_path, keyboard):
    path = tmp_path / "run.safetensors"
    model = network()
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    arguments = {"epochs": 3, "batch_size": 16, "checkpoint": optim.Checkpoint(path, 2), "progress": False}

    def go(**options):
        return fit(model, nn.CrossEntropyLoss(), optimizer, clusters(), **arguments, **options)

    first = go(callbacks=ctrl_c("on_batch_end", 1))
    assert first.stopped == "interrupted in epoch 1 after 1 batches"
    assert optim.Checkpoint(path).read()["epoch"] == 0
    resumed = bits(model, optimizer, go(resume=True))  # on the same objects
    model = network()
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    arguments["checkpoint"] = None
    assert resumed == bits(model, optimizer, go())


def test_an_interruption_at_the_beginning_ends_the_run_there(tmp_path, keyboard):
    path = tmp_path / "run.safetensors"
    history = run(path, callbacks=ctrl_c("on_fit_begin", 0))[2]
    assert history.stopped == "interrupted before the first epoch" and history.steps == {}
    assert bits(*run(path, resume=True)) == bits(*run())


@pytest.mark.parametrize("epoch", [1, 3])
def test_an_epoch_that_was_completed_is_saved_when_interrupted(tmp_path, keyboard, epoch):
    path = tmp_path / "run.safetensors"
    history = run(optim.Checkpoint(path, 2), epochs=3, callbacks=ctrl_c("on_epoch_end", epoch))[2]
    assert history.stopped == f"interrupted after epoch {epoch}"
    assert optim.Checkpoint(path).read()["epoch"] == epoch == len(history)
    assert bits(*run(path, resume=True)) == bits(*run())


def test_an_interruption_of_the_last_save_is_reported(tmp_path, keyboard):
    class Slow(optim.Callback):
        saves = 0

        def state_dict(self):
            self.saves += 1
            if self.saves == 2:
                os.kill(os.getpid(), signal.SIGINT)
            return {}

        def load_state_dict(self, saved):
            pass

    path = tmp_path / "run.safetensors"
    history = run(optim.Checkpoint(path, 5), epochs=3, callbacks=Slow())[2]
    assert history.stopped == "interrupted after epoch 3"
    assert optim.Checkpoint(path).read()["epoch"] == 3


@pytest.mark.parametrize("times", [1, 2])
def test_an_interruption_at_the_end_returns_the_history(keyboard, times):
    told = []

    class Other(optim.Callback):
        def on_fit_end(self, state):
            told.append(state.epoch)

    _, history = small(callbacks=[ctrl_c("on_fit_end", 2, times), Other()])
    assert history.stopped == "interrupted after epoch 2" and len(history) == 2
    assert told == [2]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# -- on_fit_end


class Failing(optim.Callback):
    def __init__(self, word):
        self.word = word

    def on_fit_end(self, state):
        raise RuntimeError(self.word)


def test_all_callbacks_are_told_of_the_end():
    told = []

    class Last(optim.Callback):
        def on_fit_end(self, state):
            told.append(state.epoch)

    with pytest.raises(RuntimeError, match="first"):
        small(callbacks=[Failing("first"), Failing("second"), Last()])
    assert told == [2]


def test_an_error_of_the_run_comes_before_those_of_its_end():
    def wrong(state):
        raise ArgumentError("of the run")

    with pytest.raises(ArgumentError, match="of the run") as caught:
        small(callbacks=[wrong, Failing("at the end")])
    assert caught.value.__notes__ == ["Afterwards on_fit_end of a callback failed, too: RuntimeError('at the end')"]


# -- data with a state


def test_validation_data_with_a_seed_of_its_own_go_on(tmp_path):
    def once(path, epochs, resume=False):
        random.seed(0)
        model = network()
        validation = nn.data.batches(clusters(40, 2), 7, seed=5)
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        return fit(
            model,
            nn.CrossEntropyLoss(),
            optimizer,
            clusters(),
            epochs=epochs,
            validation=validation,
            checkpoint=path,
            resume=resume,
            progress=False,
        )

    whole = once(tmp_path / "a", 4)
    once(tmp_path / "b", 2)
    assert once(tmp_path / "b", 4, resume=True)["validation loss"] == whole["validation loss"]
