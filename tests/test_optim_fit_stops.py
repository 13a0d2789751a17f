"""How a run of `fit` stops: NaN, infinity, Ctrl-C."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

import nn
import optim
from autograd_core import Tensor, random
from fit_cases import bits, run, small
from optim import fit

X, Y = np.ones((4, 2)), np.ones(4)


# -- NaN and infinity


class Log(nn.Module):
    """Counts its calls in a buffer, in place: also this must be undone."""

    def __init__(self):
        self.register_buffer("calls", np.zeros(()))

    def forward(self, x):
        self.calls.data[...] += 1
        return np.log(x)


class Root(nn.Module):
    def forward(self, x):
        return np.sqrt(x + 3)


def breaking(layer, poison, **options):
    """A run whose second batch of the second epoch makes `layer` fail; model, weights before the failure, error."""
    random.seed(0)
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 3), nn.BatchNorm(3), nn.Sequential(nn.Identity(), layer))
    x, y = np.full((4, 2), 0.5, np.float32), np.ones((4, 3), np.float32)
    model[2].bias.data[...] = 5
    before, epochs = [], []

    class Data:
        def __iter__(self):
            epochs.append(1)
            for i in range(3):
                before.append((model.state_dict(), random.get_state()))
                if len(epochs) == 2 and i == 1:
                    poison(model)
                    before[-1] = (model.state_dict(), before[-1][1])
                yield x, y

    optimizer = optim.SGD(model.parameters(), lr=1e-3)
    with np.errstate(all="ignore"), pytest.raises(optim.NonFiniteStepError) as caught:
        fit(model, nn.MSELoss(), optimizer, Data(), epochs=3, progress=False, **options)
    return model, before[-1], caught.value


def negative(model):
    model[2].weight.data[...] = 0
    model[2].bias.data[...] = -3


def test_a_nan_stops_the_run_and_names_the_operation():
    model, (weights, drawn), error = breaking(Log(), negative)
    assert (error.epoch, error.batch, error.operation, error.module) == (2, 2, "log", "3.1")
    assert str(error).startswith(
        "fit: the loss must be finite, got NaN or infinity in epoch 2, batch 2, first made by log in module 3.1 (log: "
    )
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, weights[name])
    assert random.get_state() == drawn
    assert len(error.history["loss"]) == 1 and len(error.history.steps["loss"]) == 4
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("clip", [None, 1.0])
def test_an_infinite_gradient_stops_the_run_before_it_reaches_the_weights(clip):
    """The root of 0 is finite, its derivative is not."""
    model, (weights, _), error = breaking(Root(), negative, clip_norm=clip)
    assert (error.epoch, error.batch, error.module) == (2, 2, "3.1")
    assert error.operation == "sqrt (backward)"
    assert str(error).startswith("fit: a gradient must be finite")
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, weights[name])


def test_the_second_run_is_not_recorded():
    _, _, error = breaking(Log(), negative, callbacks=optim.Histograms(every=1))
    recorded = [(h.step, h.module, h.kind) for h in error.history.histograms]
    assert (4, "2", "activation") in recorded and len(set(recorded)) == len(recorded)


def test_a_nan_in_a_parameter_is_said():
    _, _, error = breaking(nn.Identity(), lambda model: model[1].weight.data.fill(np.nan))
    assert error.operation is None
    assert "parameter 1.weight of shape (3, 2) holds NaN or infinity before the step" in str(error)


def test_a_nan_in_the_data_is_said():
    x = np.ones((4, 2))
    x[2, 1] = np.nan
    with pytest.raises(optim.NonFiniteStepError, match=r"epoch 1, batch 1, x of shape \(4, 2\) holds NaN"):
        small(data=[(x, np.ones(4))])


def test_a_model_that_does_not_repeat_itself_is_said():
    values = [1.0, np.nan, 1.0]
    with pytest.raises(optim.NonFiniteStepError, match="batch 2, a second run of the same batch was finite"):
        small(loss=lambda out, y: out.sum() * values.pop(0))


def test_large_gradients_whose_squares_overflow_are_finite():
    w = Tensor(np.ones(2, np.float32), requires_grad=True)
    with np.errstate(over="ignore"):
        _, history = small(
            model=lambda x: w, loss=lambda out, y: (out * np.float32(1e30)).sum(), optimizer=optim.SGD([w], lr=1e-35)
        )
    assert len(history) == 2


# -- interruption


def test_an_interruption_returns_the_history_so_far(tmp_path):
    path = tmp_path / "run.safetensors"

    def interrupt(state):
        if state.step == 10:
            raise KeyboardInterrupt

    class At(optim.Callback):
        on_batch_end = staticmethod(interrupt)

    model, _, history = run(path, callbacks=[At()])
    assert history.stopped == "interrupted in epoch 3 after 2 batches"
    assert len(history["loss"]) == 2 and len(history.steps["loss"]) == 10
    assert [m.training for m in model.modules()] == [True] * 6
    assert bits(*run(path, resume=True)) == bits(*run())  # goes on from the end of epoch 2


def test_an_interruption_while_data_is_read():
    def data():
        yield X, Y
        raise KeyboardInterrupt

    _, history = small(data=data(), epochs=1)
    assert history.stopped == "interrupted in epoch 1 after 1 batches"


@pytest.fixture
def keyboard():
    """Python's own handler of Ctrl-C, which a test run in parallel processes may have switched off."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_first_ctrl_c_waits_for_the_end_of_the_step(keyboard):
    class Stepping(optim.SGD):
        finished = 0

        def step(self):
            os.kill(os.getpid(), signal.SIGINT)
            super().step()
            Stepping.finished += 1

    w = Tensor(np.ones(2), requires_grad=True)
    _, history = small(model=lambda x: x @ w, optimizer=Stepping([w], lr=1e-3))
    assert history.stopped.startswith("interrupted in epoch 1 after 1 batch")
    assert Stepping.finished == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_second_ctrl_c_does_not_wait(keyboard):
    def loss(out, y):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("not reached")

    _, history = small(loss=loss)
    assert history.stopped == "interrupted in epoch 1 after 0 batches"


def test_ctrl_c_in_validation_ends_the_run(keyboard):
    def metric(out, y):
        if len(out) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return 0.0

    _, history = small(validation=[(X[:3], Y[:3])] * 2, metrics={"m": metric})
    assert history.stopped == "interrupted in epoch 1 after 2 batches"
    assert history.epochs == []
