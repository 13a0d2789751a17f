"""Callbacks, early stopping and histograms."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

import nn
import optim
from autograd_core import Tensor, random
from autograd_core.errors import ArgumentError
from fit_cases import clusters, network, run

# -- callbacks


class Recorder(optim.Callback):
    def __init__(self):
        self.events = []

    def on_fit_begin(self, state):
        self.events.append(("fit begin", state.epoch, state.step))

    def on_epoch_begin(self, state):
        self.events.append(("epoch begin", state.epoch, state.step))

    def on_batch_end(self, state):
        assert state.loss == state.history.steps["loss"][-1]
        self.events.append(("batch end", state.batch, state.step))

    def on_epoch_end(self, state):
        assert state.logs["loss"] == state.history["loss"][-1]
        self.events.append(("epoch end", state.epoch, state.step))

    def on_fit_end(self, state):
        self.events.append(("fit end", state.epoch, state.step))


def test_the_order_of_events():
    recorder = Recorder()
    run(epochs=2, data=[clusters(8), clusters(4)], callbacks=[recorder])
    assert recorder.events == [
        ("fit begin", 0, 0),
        ("epoch begin", 1, 0),
        ("batch end", 1, 1),
        ("batch end", 2, 2),
        ("epoch end", 1, 2),
        ("epoch begin", 2, 2),
        ("batch end", 1, 3),
        ("batch end", 2, 4),
        ("epoch end", 2, 4),
        ("fit end", 2, 4),
    ]


def test_a_function_is_called_at_the_end_of_each_epoch_and_may_stop():
    seen = []

    def look(state):
        seen.append((state.epoch, state.epochs, state.series))
        if state.epoch == 2:
            state.stop("enough")

    _, _, history = run(epochs=5, callbacks=look)
    series = ["loss", "validation loss", "learning rate"]
    assert seen == [(1, 5, series), (2, 5, series)]
    assert history.stopped == "enough" and history.epochs == [1, 2]


def test_a_callback_may_stop_within_an_epoch():
    class Stop(optim.Callback):
        def on_batch_end(self, state):
            if state.step == 6:
                state.stop()

    _, _, history = run(epochs=5, callbacks=[Stop()])  # four batches an epoch
    assert len(history.steps["loss"]) == 6 and history.epochs == [1, 2]
    assert history.stopped == "a callback asked to stop"


def test_an_object_with_one_of_the_methods_is_a_callback():
    class Own:
        ended = 0

        def on_fit_end(self, state):
            self.ended += 1

    own = Own()
    run(epochs=1, callbacks=[own])
    assert own.ended == 1


def test_the_end_is_told_after_an_error():
    class Fails(Recorder):
        def on_epoch_end(self, state):
            raise RuntimeError("mine")

    fails = Fails()
    with pytest.raises(RuntimeError, match="mine"):
        run(callbacks=[fails])
    assert fails.events[-1] == ("fit end", 1, 4)


def test_a_callback_may_change_the_learning_rate():
    def set_rate(state):
        state.optimizer.param_groups[0]["lr"] = 0.5

    _, _, history = run(epochs=2, schedule=None, callbacks=set_rate)
    assert history["learning rate"] == [0.02, 0.5]


# -- early stopping


def stopping(values, **options):
    """A run whose validation losses are `values`; the model, its weights after each epoch, the callback."""
    model = network()
    left, weights = iter(values), []
    loss = nn.CrossEntropyLoss()

    def scripted(out, y):
        return loss(out, y) if model.training else Tensor(np.array(float(next(left))))

    stop = optim.EarlyStopping(**options)
    history = optim.fit(
        model,
        scripted,
        optim.SGD(model.parameters(), lr=0.1),
        clusters(),
        epochs=len(values),
        validation=[clusters(5)],
        callbacks=[lambda state: weights.append(state.model.state_dict()), stop],
        progress=False,
    )
    return model, weights, stop, history


def same(model, weights):
    state = model.state_dict()
    return all(np.array_equal(state[name], weights[name]) for name in weights)


@pytest.mark.parametrize(
    ("values", "options", "ends", "best"),
    [
        ([3, 2, 1, 2, 2, 2, 2], {"patience": 2}, 5, 3),
        ([3, 2, 2, 1, 1], {"patience": 1}, 3, 2),
        ([3, 2, 3, 1, 3, 3], {"patience": 2}, 6, 4),
        ([3, 2.5, 2.2, 1.9, 1.8], {"patience": 2, "min_delta": 0.6}, 5, 3),
        ([3, 2, 1], {"patience": 1}, 3, 3),
        ([3, 2, 5], {"patience": 5}, 3, 2),  # the epochs run out: the best weights all the same
        ([1, 2, 3, 2, 2], {"patience": 2, "mode": "max"}, 5, 3),
    ],
)
def test_early_stopping_restores_the_best_weights_and_buffers(values, options, ends, best):
    model, weights, stop, history = stopping(values, **options)
    assert len(history) == ends and stop.best_epoch == best and stop.best == values[best - 1]
    assert same(model, weights[best - 1])  # running statistics are among them
    assert "1.running_mean" in weights[0]
    assert [same(model, w) for w in weights].count(True) == 1


def test_a_metric_that_is_nan_is_no_best():
    values = iter([float("nan"), 2.0, 1.0])
    stop = optim.EarlyStopping(2, monitor="validation m", mode="min")
    x, y = clusters(5)
    metrics = {"m": lambda out, y: next(values) if len(out) == 5 else 0.0}
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    optim.fit(
        model,
        nn.CrossEntropyLoss(),
        optimizer,
        clusters(),
        epochs=3,
        validation=[(x, y)],
        metrics=metrics,
        callbacks=stop,
        progress=False,
    )
    assert (stop.best_epoch, stop.best) == (3, 1.0)


def test_early_stopping_may_leave_the_last_weights():
    model, weights, _, history = stopping([1, 2, 3], patience=2, restore_best=False)
    assert same(model, weights[-1]) and not same(model, weights[0])
    assert history.stopped == "validation loss has not improved for 2 epochs; the best was epoch 1"


def test_early_stopping_is_used_again_from_the_start():
    stop = optim.EarlyStopping(patience=1, monitor="loss", mode="max")
    for _ in range(2):
        _, _, history = run(callbacks=stop)
        assert len(history) == 2 and stop.best_epoch == 1


def test_best_weights_of_one_run_do_not_reach_another():
    stop = optim.EarlyStopping(monitor="loss")
    run(epochs=2, callbacks=stop)
    model = network(3)
    before = model.state_dict()
    arguments = (model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1), clusters())
    with pytest.raises(ArgumentError, match="Histograms: a module must be in the model"):
        optim.fit(*arguments, epochs=1, callbacks=[optim.Histograms(["no"]), stop], progress=False)
    assert same(model, before)


@pytest.mark.parametrize(
    ("series", "mode"),
    [
        *((name, "max") for name in ("validation accuracy", "validation acc", "val_acc", "Top-5 Accuracy", "ROC AUC")),
        *((name, "max") for name in ("f1", "macro f1_score", "validation recall", "precision", "r2", "validation R2")),
        *((name, "min") for name in ("loss", "validation loss", "logloss", "squared_error", "validation MSE")),
    ],
)
def test_the_name_of_a_series_may_say_whether_it_is_best_when_it_is_high(series, mode):
    assert optim.EarlyStopping(monitor=series).mode == mode
    for other in ("min", "max"):
        assert optim.EarlyStopping(monitor=series, mode=other).mode == other


@pytest.mark.parametrize("series", ["validation quality", "layer2", "loss of accuracy", "brier score", "learning rate"])
def test_a_series_whose_name_does_not_say_it_needs_a_mode(series):
    message = f"EarlyStopping: mode must be given where .*, got '{series}'; pass mode='min' or mode='max'. in: Early"
    with pytest.raises(ArgumentError, match=message):
        optim.EarlyStopping(monitor=series)
    assert optim.EarlyStopping(monitor=series, mode="min").mode == "min"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patience": 0}, "EarlyStopping: patience must be a positive integer, got 0"),
        ({"patience": True}, "EarlyStopping: patience must be a positive integer, got True"),
        ({"min_delta": -1}, "EarlyStopping: min_delta must be a number >= 0, got -1"),
        ({"mode": "best"}, "EarlyStopping: mode must be 'min', 'max' or None, got 'best'"),
    ],
)
def test_early_stopping_checks_its_arguments(options, message):
    with pytest.raises(ArgumentError, match=message):
        optim.EarlyStopping(**options)


def test_early_stopping_needs_its_series_and_a_state():
    model = network()
    arguments = (model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1), clusters())
    before = model.state_dict()
    message = r"EarlyStopping: monitor must be one of \['loss', 'learning rate'\], got 'validation loss'; pass valid"
    with pytest.raises(ArgumentError, match=message):
        optim.fit(*arguments, epochs=3, callbacks=optim.EarlyStopping(), progress=False)
    assert same(model, before)
    with pytest.raises(ArgumentError, match=r"monitor must be one of .*, got 'lost'"):
        optim.fit(*arguments, epochs=3, callbacks=optim.EarlyStopping(monitor="lost", mode="min"), progress=False)
    w = Tensor(np.ones(2), requires_grad=True)
    with pytest.raises(ArgumentError, match="EarlyStopping: the model must have state_dict and load_state_dict"):
        data = (np.ones((2, 2)), np.ones(2))
        stop = optim.EarlyStopping(monitor="loss")
        optim.fit(lambda x: x @ w, nn.MSELoss(), optim.SGD([w], lr=1), data, epochs=1, callbacks=stop, progress=False)


# -- histograms


def test_histograms_of_activations_and_gradients():
    """At step 0 they are those of the first batch, computed by hand."""
    x, y = clusters()
    seen = []
    model = network()
    optim.fit(
        model,
        nn.CrossEntropyLoss(),
        optim.SGD(model.parameters(), lr=0.1),
        [(x, y)],
        epochs=5,
        validation=[(x, y)],
        callbacks=[optim.Histograms(every=2), lambda state: seen.append(state.history.histograms)],
        progress=False,
    )
    found = seen[0]
    model = network()
    values = [Tensor(x)]
    for layer in model:
        values.append(layer(values[-1]))
        values[-1].retain_grad()
    nn.CrossEntropyLoss()(values[-1], Tensor(y)).backward()
    assert [h.step for h in found] == [0] * 10 + [2] * 10 + [4] * 10
    assert [(h.module, h.kind) for h in found[:5]] == [(str(i), "activation") for i in range(5)]
    assert [(h.module, h.kind) for h in found[5:10]] == [(str(i), "gradient") for i in reversed(range(5))]
    for h in found[:10]:
        value = values[int(h.module) + 1]
        array = value.data if h.kind == "activation" else value.grad.data
        np.testing.assert_allclose(h.mean, array.mean(dtype=float), rtol=1e-6, atol=1e-12)
        np.testing.assert_allclose(h.std, array.std(dtype=float), rtol=1e-6)
        assert h.zeros == np.mean(array == 0)
        assert h.counts.sum() == np.count_nonzero(array)
        assert len(h.counts) == 50 and len(h.edges) == 51
        assert h.edges[0] == array[array != 0].min() and h.edges[-1] == array[array != 0].max()
    assert 0.3 < found[2].zeros < 0.7  # ReLU
    assert json.dumps(found[0].to_dict())


def test_histograms_leave_no_hook_and_change_nothing():
    plain, _, _ = run(epochs=2)
    watched, _, history = run(epochs=2, callbacks=optim.Histograms(every=(0, 3, 1000), bins=7))
    assert same(watched, plain.state_dict())
    assert {h.step for h in history.histograms} == {0, 3}
    assert all(module._hooks is None for module in watched.modules())


def test_histograms_of_chosen_modules():
    _, _, history = run(epochs=1, callbacks=optim.Histograms(["2", "4"]))
    assert {h.module for h in history.histograms} == {"2", "4"}


def test_histograms_choose_by_module_and_refuse_others():
    model = network()
    arguments = (nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1), clusters())
    options = {"epochs": 1, "progress": False}
    history = optim.fit(model, *arguments, callbacks=optim.Histograms([model[2]]), **options)
    assert {h.module for h in history.histograms} == {"2"}
    message = r"Histograms: a module must be in the model, got '7'; its paths are \['0', '1', '2', '3', '4'\]"
    with pytest.raises(ArgumentError, match=message):
        optim.fit(model, *arguments, callbacks=optim.Histograms(["7"]), **options)
    with pytest.raises(ArgumentError, match="Histograms: the model must be a module, got function"):
        optim.fit(lambda x: model(x), *arguments, callbacks=optim.Histograms(), **options)
    for wrong in ({"every": 0}, {"every": (0, -1)}, {"every": 1.5}):
        with pytest.raises(ArgumentError, match="Histograms: every must be a positive integer or a collection"):
            optim.Histograms(**wrong)
    with pytest.raises(ArgumentError, match="Histograms: bins must be a positive integer, got 0"):
        optim.Histograms(bins=0)


def test_small_initial_weights_make_activations_vanish():
    """KTH DD2424, lecture 4: tanh layers with weights of N(0, 0.01²)."""
    random.seed(0)
    layers = [layer for _ in range(4) for layer in (nn.Linear(100, 100), nn.Tanh())]
    model = nn.Sequential(*layers, nn.Linear(100, 2))
    for name, parameter in model.named_parameters():
        parameter.data[...] = random.normal(0, 0.01, parameter.shape) if name.endswith("weight") else 0
    x = random.normal(size=(64, 100), dtype=np.float32)
    y = random.integers(0, 2, 64)
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    watch = optim.Histograms([layer for layer in model if isinstance(layer, nn.Tanh)])
    history = optim.fit(model, nn.CrossEntropyLoss(), optimizer, [(x, y)], epochs=1, callbacks=watch, progress=False)
    stds = [h.std for h in history.histograms if h.kind == "activation"]
    for shallow, deep in pairwise(stds):
        assert 0.07 < deep / shallow < 0.14  # sqrt(100) * 0.01


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("level", [1.0, -1.0, 1e4, 1e30, 1.7e308, 5e-324])
def test_histograms_of_values_that_hardly_differ(dtype, level):
    level = np.asarray(np.clip(level, -np.finfo(dtype).max, np.finfo(dtype).max), dtype)
    values = np.array([level, np.nextafter(level, np.asarray(0, dtype)), level], dtype)
    model = nn.Sequential(nn.Identity())
    for watched in (values, values[:1], np.array([-np.finfo(dtype).max, np.finfo(dtype).max], dtype)):
        callback = optim.Histograms(every=1)
        state = optim.FitState(model, None, optim.History(), 1, [])
        callback.on_fit_begin(state)
        model(Tensor(watched, requires_grad=True))
        (histogram,) = state.history.histograms
        assert histogram.counts.sum() == np.count_nonzero(watched)
        assert np.all(np.diff(histogram.edges) > 0)
        assert histogram.edges[0] <= watched.min() and watched.max() <= histogram.edges[-1]
        callback.on_fit_end(state)
