"""The history of a run, and its pictures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import optim
from autograd_core.errors import ArgumentError
from fit_cases import run

# -- history


@pytest.fixture(scope="module")
def history():
    return run(epochs=3, metrics={"accuracy": optim.accuracy}, callbacks=optim.Histograms(every=4, bins=5))[2]


def test_series_are_read_as_in_a_dict(history):
    assert (
        list(history)
        == history.keys()
        == [
            *("loss", "accuracy", "validation loss", "validation accuracy", "learning rate"),
        ]
    )
    assert len(history) == 3 and history.epochs == [1, 2, 3] and len(history.seconds) == 3
    assert "loss" in history and "lost" not in history
    assert len(history.steps["loss"]) == len(history.steps["learning rate"]) == 12
    with pytest.raises(KeyError, match=r"History: a series must be one of .*, got 'lost'"):
        history["lost"]


def test_best_is_the_row_of_the_lowest_validation_loss(history):
    i = int(np.argmin(history["validation loss"]))
    assert history.best == {"epoch": i + 1} | {name: history[name][i] for name in history}
    i = int(np.argmax(history["accuracy"]))
    assert history.best_by("accuracy", "max")["epoch"] == i + 1
    with pytest.raises(ArgumentError, match=r"History.best: there must be an epoch with a finite 'loss'"):
        _ = optim.History().best
    with pytest.raises(ArgumentError, match="got 3 epochs and mode 'low'"):
        history.best_by("loss", "low")


def test_series_that_come_and_go_are_filled_with_nan():
    history = optim.History()
    for row in ({"loss": 2.0}, {"loss": 1.0, "m": 3.0}, {"m": 4.0}):
        history.add_epoch(row, 0.5)
    np.testing.assert_array_equal(history["loss"], [2, 1, np.nan])
    np.testing.assert_array_equal(history["m"], [np.nan, 3, 4])
    assert history.best["epoch"] == 2
    assert history.to_dict()["series"] == {"loss": [2.0, 1.0, None], "m": [None, 3.0, 4.0]}


def test_to_dict_is_strict_json(history):
    text = json.dumps(history.to_dict(), allow_nan=False)
    assert json.loads(text)["series"]["loss"] == history["loss"]
    assert len(json.loads(text)["histograms"]) == len(history.histograms) == 3 * 10


def test_the_text_is_a_table(history):
    lines = repr(history).splitlines()
    assert lines[0].split("  ")[0].strip() == "epoch" and lines[0].endswith("seconds")
    assert len(lines) == 4 and len(set(map(len, lines))) == 1
    assert lines[1].split()[:2] == ["1", f"{history['loss'][0]:.4g}"]
    long = optim.History()
    for i in range(100):
        long.add_epoch({"loss": 10.0**-i}, 0.0)
    long.stopped = "enough"
    lines = repr(long).splitlines()
    assert len(lines) == 23 and lines[11].split() == ["...", "...", "..."] and lines[-1] == "stopped: enough"
    assert lines[-2].split()[:2] == ["100", "1.00e-99"]
    assert repr(optim.History()) == "epoch  seconds"


def test_the_picture_has_a_panel_per_metric_with_training_and_validation(history):
    figure = history.plot()
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == ["loss", "accuracy"]
    for axes, name in zip(figure.axes, labels):
        training, validation = axes.lines
        np.testing.assert_array_equal(training.get_xydata(), np.stack([[1, 2, 3], history[name]], 1))
        np.testing.assert_array_equal(validation.get_ydata(), history[f"validation {name}"])
        assert (training.get_label(), validation.get_label()) == ("training", "validation")
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert [axes.get_ylabel() for axes in history.plot(["learning rate"]).axes] == ["learning rate"]
    assert [axes.get_ylabel() for axes in history.plot("accuracy").axes] == ["accuracy"]
    for names in (["lost"], "lost"):
        with pytest.raises(KeyError, match="got 'lost'"):
            history.plot(names)
    with pytest.raises(ArgumentError, match=r"History.plot: there must be a completed epoch"):
        optim.History().plot()


@pytest.mark.parametrize("epochs", [1, 2, 3, 100])
def test_the_ticks_of_epochs_are_integers(epochs):
    history = optim.History()
    for _ in range(epochs):
        history.add_epoch({"loss": 1.0}, 0.0)
    (axes,) = history.plot().axes
    ticks = axes.get_xticks()
    np.testing.assert_array_equal(ticks, np.round(ticks))


def test_the_picture_of_histograms_has_a_row_per_step(history):
    figure = history.plot_histograms()
    assert len(figure.axes) == 3 * 5 and figure.axes[0].get_title().startswith("0, step 0")
    gradients = history.plot_histograms("gradient", step=4)
    assert len(gradients.axes) == 5 and gradients.axes[0].get_yscale() == "symlog"
    # In the order of the layers, from left to right.
    places = sorted((axes.get_subplotspec().num1, axes.get_title()[0]) for axes in gradients.axes)
    assert [title for _, title in places] == list("01234")
    with pytest.raises(ArgumentError, match="got kind 'gradient' and step 5 among 30 histograms"):
        history.plot_histograms("gradient", step=5)


def test_no_window_is_opened_and_matplotlib_is_loaded_for_pictures_only():
    code = (
        "import sys, optim; h = optim.History(); h.add_epoch({'loss': 1.0}, 0.0)\n"
        "assert not {'matplotlib', 'tqdm', 'safetensors'} & set(sys.modules)\n"
        "h.plot(); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent.parent, check=True)


def test_without_matplotlib_it_is_said(history, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"History.plot: matplotlib must be installed .* `pip install matplotlib`"):
        history.plot()
