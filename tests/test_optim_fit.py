"""`fit`: what it computes and what it refuses; `test_optim_fit_stops.py` has how it stops."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

import nn
import optim
from autograd_core import Tensor, random
from autograd_core.errors import ArgumentError, ShapeError
from fit_cases import bits, clusters, network, run, small
from optim import fit

# -- what it computes


def test_it_is_the_loop_that_one_writes_by_hand():
    x, y = clusters()
    model, loss = network(), nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    data = nn.data.batches((x, y), 16)
    losses = []
    for _ in range(3):
        model.train()
        for a, b in data:
            optimizer.zero_grad()
            value = loss(model(Tensor(a)), Tensor(b))
            value.backward()
            optimizer.step()
            losses.append(value.item())
    expected = model.state_dict()
    model = network()
    history = fit(
        model, loss, optim.Adam(model.parameters(), lr=0.02), nn.data.batches((x, y), 16), epochs=3, progress=False
    )
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, expected[name])
    assert history.steps["loss"] == losses
    # 60 samples in batches of 16, 16, 16 and 12: the mean is over samples.
    np.testing.assert_allclose(history["loss"][0], np.average(losses[:4], weights=[16, 16, 16, 12]), rtol=1e-14)
    assert history.epochs == [1, 2, 3] and history.stopped is None


def test_arrays_are_shuffled_and_cut_as_batches_are():
    whole, cut = run(), run(data=nn.data.batches(clusters(), 16))
    assert bits(*whole) == bits(*cut)


def test_the_same_seed_gives_the_same_bits_and_another_other_ones():
    assert bits(*run(epochs=2)) == bits(*run(epochs=2))
    assert bits(*run(epochs=2)) != bits(*run(epochs=2, seed=1))


def test_validation_and_metrics_are_means_over_samples_in_evaluation_mode():
    model, _, history = run(epochs=2, metrics={"accuracy": optim.accuracy})
    x, y = clusters(40, 2)
    out = model.eval()(Tensor(x))
    np.testing.assert_allclose(history["validation loss"][-1], nn.CrossEntropyLoss()(out, Tensor(y)).item(), rtol=1e-6)
    assert history["validation accuracy"][-1] == np.mean(out.data.argmax(1) == y)
    assert set(history) == {"loss", "accuracy", "validation loss", "validation accuracy", "learning rate"}


def test_validation_in_uneven_batches():
    x, y = clusters(10)
    model = network()
    batches = [(x[:7], y[:7]), (x[7:], y[7:])]
    options = {"epochs": 1, "progress": False}
    loss = nn.CrossEntropyLoss()
    history = fit(model, loss, optim.SGD(model.parameters(), lr=1e-9), (x, y), validation=batches, **options)
    expected = loss(model.eval()(Tensor(x)), Tensor(y)).item()
    np.testing.assert_allclose(history["validation loss"], [expected], rtol=1e-6)


def test_modes_are_restored():
    model = network()
    model.eval()
    model[0].train()
    seen = []
    fit(
        model,
        nn.CrossEntropyLoss(),
        optim.SGD(model.parameters(), lr=0.1),
        clusters(),
        epochs=1,
        progress=False,
        validation=clusters(),
        metrics={"training": lambda out, y: float(seen.append(model[1].training) or 0)},
    )
    assert seen == [True, True, False]  # two training batches of 32 and 28, one of validation
    assert [m.training for m in model.modules()] == [False, True, False, False, False, False]


def test_training_sees_no_graph_in_metrics_and_leaves_gradients_of_the_last_step():
    needs = []
    w, _ = small(metrics={"m": lambda out, y: needs.append(out.requires_grad) or 0.0})
    assert needs == [False] * 4
    assert w.grad is not None


def test_a_schedule_steps_by_epoch_or_by_batch():
    _, _, history = run(epochs=3)
    assert history["learning rate"] == [0.02, 0.01, 0.005]
    _, _, history = run(epochs=1, schedule_every="step")
    assert history.steps["learning rate"] == [0.02, 0.01, 0.005, 0.0025]


def test_a_schedule_that_asks_for_a_value_gets_the_validation_loss():
    values = []

    class Plateau:
        def step(self, metrics):
            values.append(metrics)

    _, _, history = run(epochs=2, schedule=Plateau())
    assert values == history["validation loss"]


def test_gradients_are_clipped_to_a_norm():
    w, history = small(clip_norm=0.5, epochs=1)
    norms = history.steps["gradient norm"]
    assert min(norms) > 0.5  # before clipping
    np.testing.assert_allclose(np.linalg.norm(w.grad.data), 0.5, rtol=1e-5)


@pytest.mark.parametrize(
    ("output", "target", "expected"),
    [
        ([[1, 2], [2, 1], [0, 1]], [1, 1, 1], 2 / 3),
        ([[1, 2], [2, 1], [0, 1]], [[0, 1], [1, 0], [1, 0]], 2 / 3),
        ([0.3, -2.0], [1, 0], 1.0),
        ([[0.3], [2.0]], [1, 0], 0.5),
    ],
)
def test_accuracy(output, target, expected):
    assert optim.accuracy(Tensor(np.array(output, float)), Tensor(np.array(target))) == expected


def test_accuracy_along_axis_1():
    """As CrossEntropyLoss takes images: (N, C, H, W) with (N, H, W), and one-hot."""
    scores = np.zeros((4, 3, 2, 2))
    classes = np.random.default_rng(0).integers(0, 3, (4, 2, 2))
    np.put_along_axis(scores, classes[:, None], 1.0, axis=1)
    assert optim.accuracy(scores, classes) == optim.accuracy(scores, scores) == 1.0
    assert optim.accuracy(scores, (classes + (np.arange(4) < 1)[:, None, None]) % 3) == 0.75
    masks = classes > 0
    logits = np.where(masks, 1.0, -1.0)[:, None]
    assert optim.accuracy(logits, masks) == optim.accuracy(logits, masks[:, None]) == 1.0
    assert optim.accuracy(logits[:, 0, 0, 0], masks[:, :1, 0]) == 1.0


@pytest.mark.parametrize(
    ("output", "target"),
    [((3, 2), (4,)), ((4, 5, 3), (4, 5)), ((4,), (4, 3)), ((4, 1), (4, 3)), ((4, 3, 2, 2), (4, 2)), ((), ())],
)
def test_accuracy_refuses_shapes_that_do_not_fit(output, target):
    with pytest.raises(ShapeError, match=f"accuracy: .* got shapes {re.escape(f'{output} and {target}')}"):
        optim.accuracy(np.zeros(output), np.zeros(target))


def test_accuracy_of_two_classes_refuses_more():
    assert optim.accuracy(np.array([1.0, -1.0, 1.0]), np.array([1, -1, -1])) == 2 / 3
    with pytest.raises(
        ArgumentError, match=r"accuracy: targets .* must be 0 or 1, .* values from 0 to 2; more classes"
    ):
        optim.accuracy(np.ones((3, 1)), np.array([0, 1, 2]))


def test_accuracy_refuses_targets_of_several_labels():
    with pytest.raises(ArgumentError, match=r"accuracy: targets .* one-hot or probabilities, .* shape \(2, 3\)"):
        optim.accuracy(np.zeros((2, 3)), np.array([[1, 1, 0], [0, 1, 0]]))


# -- the progress bar


def test_the_bar_goes_to_stderr_with_loss_and_metrics(capsys):
    small(progress=True, metrics={"twice": lambda out, y: 2.0}, validation=[(np.ones((1, 2)), np.ones(1))])
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "epoch 2/2" in printed.err and "2/2" in printed.err
    assert "loss" in printed.err and "twice 2" in printed.err and "validation loss" in printed.err


def test_without_progress_it_is_silent_and_imports_no_tqdm(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    small()
    printed = capsys.readouterr()
    assert printed.out == printed.err == ""


# -- what it refuses

X, Y = np.ones((4, 2)), np.ones(4)
OTHER = optim.SGD([Tensor(np.ones(2), requires_grad=True)], lr=0.1)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"epochs": 0}, ArgumentError, "fit: epochs must be a positive integer, got 0"),
        ({"epochs": 1.5}, ArgumentError, "fit: epochs must be a positive integer, got 1.5"),
        ({"data": iter([(X, Y)])}, ArgumentError, r"fit: data must be readable anew in each of 2 epochs, got list_it"),
        ({"data": ((X, Y) for _ in "ab")}, ArgumentError, r"got generator, which can be read only once; pass nn.data"),
        ({"validation": zip([X], [Y])}, ArgumentError, r"fit: validation must be readable anew"),
        ({"data": []}, ArgumentError, "fit: data must have at least one batch, got none"),
        ({"validation": []}, ArgumentError, "fit: validation must have at least one batch, got none"),
        ({"data": [(X, Y, Y)]}, ArgumentError, r"fit: a batch of data must be a pair \(x, y\), got 3 parts"),
        ({"data": [X]}, ArgumentError, r"fit: a batch of data must be a pair \(x, y\), got ndarray"),
        ({"data": X}, ArgumentError, r"fit: data must be batches \(x, y\) or a tuple \(x, y\) of arrays, got ndarray"),
        ({"data": (X, Y[:3])}, ShapeError, r"fit: the arrays of data must have one length.* \(4, 2\) and \(3,\)"),
        ({"data": (X[:0], Y[:0])}, ShapeError, r"fit: the arrays of data must have one length"),
        ({"data": (X, Y), "batch_size": 0}, ArgumentError, "fit: batch_size must be a positive integer, got 0"),
        ({"batch_size": 3}, ArgumentError, "fit: batch_size must be left out where data has batches of its own, got 3"),
        ({"schedule": 3}, ArgumentError, r"fit: schedule must be a schedule with step\(\), got 3"),
        ({"schedule_every": "day"}, ArgumentError, "fit: schedule_every must be 'epoch' or 'step', got 'day'"),
        ({"clip_norm": 0}, ArgumentError, "fit: clip_norm must be a number > 0 or None, got 0"),
        (
            {"metrics": {"loss": len}},
            ArgumentError,
            r"fit: a metric must not be named as another .*, got 'loss'; the v",
        ),
        ({"metrics": {"epoch": len}}, ArgumentError, r"fit: a metric must not be named .*, got 'epoch'"),
        ({"metrics": {"learning rate": len}}, ArgumentError, r"fit: a metric must not be .*, got 'learning rate'"),
        ({"metrics": {"validation a": len}}, ArgumentError, r"fit: a metric must not be .*, got 'validation a'"),
        ({"metrics": {"a": 3}}, ArgumentError, r"fit: metrics must be functions of output and target, got 3; e.g. \{"),
        ({"metrics": "accuracy"}, ArgumentError, r"fit: metrics must be functions .*, got 'accuracy'; e.g. "),
        ({"metrics": ["accuracy"]}, ArgumentError, r"fit: metrics must be functions .*, got 'accuracy'; e.g. "),
        ({"metrics": 3}, ArgumentError, r"fit: metrics must be functions of output and target, got 3"),
        (
            {"metrics": lambda out, y: 0},
            ArgumentError,
            r"fit: metrics must have names .*, got one without \(<func.*pass a ",
        ),
        ({"metrics": [optim.accuracy] * 2}, ArgumentError, "fit: metrics must have names .*, got two of one name"),
        (
            {"metrics": {"a": lambda out, y: out}},
            ShapeError,
            r"fit: a metric must return a number, got shape \(4,\) from ",
        ),
        ({"metrics": {"a": lambda out, y: "1"}}, ShapeError, r"fit: a metric must return a number, got str from 'a'"),
        ({"metrics": {"a": lambda out, y: None}}, ShapeError, r"fit: a metric must return a number, got NoneType from"),
        (
            {"schedule": optim.ExponentialLR(OTHER, 0.5)},
            ArgumentError,
            "fit: schedule must be one of the optimizer that",
        ),
        ({"callbacks": 3}, ArgumentError, "fit: a callback must be a Callback or a function of the state, got 3"),
        (
            {"callbacks": "abc"},
            ArgumentError,
            "fit: a callback must be a Callback or a function of the state, got 'abc'",
        ),
        ({"optimizer": 3}, ArgumentError, "fit: optimizer must be an Optimizer, got 3"),
        ({"model": nn.Linear}, ArgumentError, "fit: model must be a module or a function, got <class 'nn"),
        ({"loss": nn.MSELoss}, ArgumentError, "fit: loss must be a function of output and target, got <class 'nn"),
        ({"model": 3}, ArgumentError, "fit: model must be a module or a function, got 3"),
        ({"loss": 3}, ArgumentError, "fit: loss must be a function of output and target, got 3"),
        ({"resume": True}, ArgumentError, "fit: resume must be False without a checkpoint, got True"),
        ({"loss": lambda out, y: out - y}, ShapeError, r"fit: the loss must be a scalar Tensor, got shape \(4,\)"),
        ({"loss": lambda out, y: 3.0}, ShapeError, r"fit: the loss must be a scalar Tensor, got float"),
        ({"callbacks": [3]}, ArgumentError, "fit: a callback must be a Callback or a function of the state, got 3"),
        ({"callbacks": [optim.EarlyStopping]}, ArgumentError, "got the class EarlyStopping; pass an instance"),
    ],
)
def test_what_is_refused(options, error, message):
    with pytest.raises(error, match=message) as caught:
        small(**options)
    assert "fit_cases.py" in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [{"validation": []}, {"metrics": 3}, {"callbacks": "a"}, {"schedule": optim.ExponentialLR(OTHER, 0.5)}],
)
def test_what_is_refused_has_changed_nothing(options, tmp_path):
    model = network()
    before = model.state_dict()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ArgumentError):
        fit(model, nn.CrossEntropyLoss(), optimizer, clusters(), epochs=1, checkpoint=tmp_path / "run", **options)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert not list(tmp_path.iterdir()) and not optimizer.state


def test_a_single_callback_or_function_needs_no_list():
    ema = optim.ExponentialMovingAverage([Tensor(np.ones(1), requires_grad=True)])
    _, history = small(callbacks=ema, metrics=absolute)
    assert ema.t == 4 and len(history["absolute"]) == 2
    _, history = small(callbacks=None, metrics=[absolute, squared])
    assert list(history) == ["loss", "absolute", "squared", "learning rate"]


def absolute(out, y):
    return np.abs(out - y).mean()


def squared(out, y):
    return ((out - y) ** 2).mean()


def test_an_iterator_will_do_for_one_epoch():
    _, history = small(data=iter([(X, Y)]), epochs=1)
    assert len(history.steps["loss"]) == 1


# -- real data


def test_digits_reach_97_percent():
    """The default of the real run, whose data come with scikit-learn."""
    random.seed(0)
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = ((x / 16 - 0.3) / 0.38).astype(np.float32)[order], y[order]
    model = nn.Sequential(nn.Linear(64, 128), nn.BatchNorm(128), nn.ReLU(), nn.Linear(128, 10))
    history = fit(
        model,
        nn.CrossEntropyLoss(),
        optim.Adam(model.parameters(), lr=3e-3),
        (x[:1400], y[:1400]),
        epochs=8,
        batch_size=32,
        validation=(x[1400:], y[1400:]),
        metrics={"accuracy": optim.accuracy},
        progress=False,
    )
    assert history["validation accuracy"][-1] >= 0.97, history
