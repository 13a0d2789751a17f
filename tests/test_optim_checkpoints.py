"""Checkpoints of `fit`: a run goes on to the same bits, a file is never unreadable, a foreign one is refused."""

from __future__ import annotations

import json
import os
import random as standard_random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import nn
import optim
from autograd_core import Tensor, random
from autograd_core.disk import FileFormatError, MissingFileError, load_arrays, save_arrays
from autograd_core.errors import ArgumentError, AutogradError
from fit_cases import Halving, bits, clusters, network, run
from nn.state import StateDictError
from optim.trees import pack, unpack

ROOT = Path(__file__).parent.parent


def python(code, *arguments, **options):
    """A Python process that finds the packages and the tests."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], env=environment, **options)


# -- going on


def test_a_run_resumed_by_another_process_ends_in_the_same_bits(tmp_path):
    """Shuffling, Dropout, BatchNorm, Adam and a schedule: two epochs there, two more here."""
    path = tmp_path / "run.safetensors"
    first = python("import sys; from fit_cases import run; run(sys.argv[1], epochs=2)", path)
    assert first.wait() == 0
    random.seed(99)  # the random state comes from the file
    resumed = run(path, epochs=4, resume=True, seed=5)
    whole = run(epochs=4)
    assert bits(*resumed) == bits(*whole)
    assert resumed[2].epochs == [1, 2, 3, 4]


def test_a_run_that_is_killed_between_two_epochs_goes_on(tmp_path):
    path = tmp_path / "run.safetensors"
    code = """
import os, signal, sys
from fit_cases import run
def kill(state):
    if state.epoch == 3:
        os.kill(os.getpid(), signal.SIGKILL)
run(sys.argv[1], epochs=4, callbacks=[kill])
"""
    assert python(code, path).wait() == -signal.SIGKILL
    assert optim.Checkpoint(path).read()["epoch"] == 2
    assert bits(*run(path, resume=True)) == bits(*run())


@pytest.mark.parametrize("optimizer", [optim.SGD, optim.Adam])
def test_each_optimizer_goes_on(tmp_path, optimizer):
    path = tmp_path / "run.safetensors"
    options = {"momentum": 0.9} if optimizer is optim.SGD else {"weight_decay": 0.1}

    def once(path=None, **arguments):
        model = network()
        made = optimizer(model.parameters(), lr=0.01, **options)
        arguments |= {"validation": clusters(9, 2), "progress": False, "batch_size": 16, "checkpoint": path}
        return model, made, optim.fit(model, nn.CrossEntropyLoss(), made, clusters(), **arguments)

    once(path, epochs=1)
    assert bits(*once(path, epochs=3, resume=True)) == bits(*once(epochs=3))


SCHEDULES = {
    "cosine": lambda optimizer: optim.CosineAnnealingLR(optimizer, 4),
    "plateau": lambda optimizer: optim.ReduceLROnPlateau(optimizer, mode="max", patience=0),
    "warm-up": lambda optimizer: optim.SequentialLR(
        optimizer, [optim.LinearLR(optimizer, 0.1, total_iters=2), optim.ExponentialLR(optimizer, 0.5)], [2]
    ),
    "one cycle": lambda optimizer: optim.OneCycleLR(optimizer, 0.05, total_steps=16),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_each_schedule_goes_on(tmp_path, schedule):
    path = tmp_path / "run.safetensors"

    def once(path=None, **options):
        model = network()
        optimizer = optim.Adam(model.parameters(), lr=0.01)
        made = SCHEDULES[schedule](optimizer)
        options |= {"schedule": made, "schedule_every": "step" if schedule == "one cycle" else "epoch"}
        options |= {"batch_size": 16, "progress": False, "checkpoint": path}
        history = optim.fit(model, nn.CrossEntropyLoss(), optimizer, clusters(), **options)
        return model, optimizer, history

    whole = once(epochs=4)
    assert len(set(whole[2]["learning rate"])) > 2
    once(path, epochs=2)
    assert bits(*once(path, epochs=4, resume=True)) == bits(*whole)


def test_resuming_a_finished_run_changes_nothing(tmp_path):
    path = tmp_path / "run.safetensors"
    whole = run(path)
    content = path.read_bytes()
    assert bits(*run(path, resume=True)) == bits(*whole)
    assert path.read_bytes() == content


def test_without_a_file_a_run_begins(tmp_path):
    path = tmp_path / "run.safetensors"
    assert bits(*run(path, resume=True)) == bits(*run())
    assert path.exists()


def test_without_resume_a_run_begins_anew_and_overwrites(tmp_path):
    path = tmp_path / "run.safetensors"
    run(path, epochs=3)
    assert bits(*run(path, epochs=1)) == bits(*run(epochs=1))
    assert optim.Checkpoint(path).read()["epoch"] == 1


def test_every_and_the_last_epoch_are_saved(tmp_path):
    path = tmp_path / "run.safetensors"
    saved = []

    def look(state):
        saved.append(optim.Checkpoint(path).read()["epoch"])

    run(optim.Checkpoint(path, every=2), epochs=5, callbacks=look)
    assert saved == [0, 0, 2, 2, 4]  # seen at the end of an epoch, before it is saved
    assert optim.Checkpoint(path).read()["epoch"] == 5


def test_early_stopping_goes_on_with_its_best_weights(tmp_path):
    path = tmp_path / "run.safetensors"

    def once(path=None, **options):
        # A learning rate that grows: validation is best early on, and best weights are not the last.
        class Growing(Halving):
            def step(self):
                self.optimizer.param_groups[0]["lr"] *= 4

        model = network()
        optimizer = optim.Adam(model.parameters(), lr=0.05)
        stop = optim.EarlyStopping(patience=2)
        data = {"batch_size": 16, "validation": clusters(40, 2), "schedule": Growing(optimizer), "progress": False}
        history = optim.fit(
            model, nn.CrossEntropyLoss(), optimizer, clusters(), callbacks=stop, checkpoint=path, **data, **options
        )
        return model, optimizer, history

    whole = once(epochs=30)
    assert whole[2].stopped.startswith("validation loss has not improved for 2 epochs")
    once(path, epochs=len(whole[2]) - 1)
    assert bits(*once(path, epochs=30, resume=True)) == bits(*whole)
    # From the checkpoint of the last epoch nothing more is done, for it had stopped.
    assert bits(*once(path, epochs=30, resume=True)) == bits(*whole)


def test_data_with_a_state_of_its_own_goes_on(tmp_path):
    path = tmp_path / "run.safetensors"

    class Seeded:
        """Its order comes from a generator of its own."""

        def __init__(self):
            self.generator = random.fork(7)

        def __iter__(self):
            x, y = clusters()
            order = self.generator.permutation(len(x))
            return iter([(x[order[:30]], y[order[:30]]), (x[order[30:]], y[order[30:]])])

        def state_dict(self):
            return dict(self.generator.bit_generator.state)

        def load_state_dict(self, saved):
            self.generator.bit_generator.state = saved

    run(path, epochs=2, data=Seeded())
    assert bits(*run(path, resume=True, data=Seeded())) == bits(*run(data=Seeded()))


def test_histograms_are_kept(tmp_path):
    path = tmp_path / "run.safetensors"
    run(path, epochs=1, callbacks=optim.Histograms(every=2))
    _, _, history = run(path, epochs=2, resume=True, callbacks=optim.Histograms(every=2))
    _, _, whole = run(epochs=2, callbacks=optim.Histograms(every=2))
    assert [h.to_dict() for h in history.histograms] == [h.to_dict() for h in whole.histograms]


# -- the file


def test_the_file_is_safetensors_with_json_and_has_the_weights(tmp_path):
    path = tmp_path / "run.safetensors"
    model, _, _ = run(path, epochs=1)
    arrays, notes = load_arrays(path)
    assert isinstance(json.loads(notes["state"]), dict)
    np.testing.assert_array_equal(arrays["model.0.weight"], model[0].weight.data)
    weights = optim.Checkpoint(path).load_weights()
    other = network(3)
    other.load_state_dict(weights)
    for name, array in other.state_dict().items():
        np.testing.assert_array_equal(array, model.state_dict()[name])


def test_pack_keeps_every_bit():
    state = {
        "none": None,
        "flags": [True, False],
        "big": 2**127 + 1,
        "floats": (0.1, 5e-324, float("inf"), float("-inf"), -0.0),
        "nan": float("nan"),
        "numbers": {0: {"a": 1}, 1: {}},
        "$array": "a name that means something else",
        "array": np.arange(3, dtype=np.float32),
        "scalar": np.float32(0.1),
        "tensor": Tensor(np.ones(2)),
    }
    arrays, text = pack(state, "pack")
    back = unpack(arrays, text)
    assert list(back) == list(state)
    assert np.isnan(back.pop("nan")) and state.pop("nan")
    for name in ("array", "scalar", "tensor"):
        expected = np.asarray(getattr(state[name], "data", 0) if name == "tensor" else state[name])
        assert back[name].dtype == expected.dtype
        np.testing.assert_array_equal(back.pop(name), expected)
        del state[name]
    assert back == state
    assert np.signbit(back["floats"][-1])


def test_pack_refuses_functions():
    with pytest.raises(ArgumentError, match=r"by: a state must consist of .*, got function at 'a\.0\.f'"):
        pack({"a": [{"f": len.__class__ and (lambda: 0)}]}, "by")


def test_a_process_killed_while_saving_never_leaves_an_unreadable_file(tmp_path):
    """kill -9 at random moments of a process that does nothing but save."""
    path = tmp_path / "run.safetensors"
    code = """
import sys
import numpy as np
import nn, optim
from autograd_core import random
from optim.callbacks import FitState
from optim.checkpoints import Parts
random.seed(0)
model = nn.Linear(400, 500)
optimizer = optim.Adam(model.parameters())
state = FitState(model, optimizer, optim.History(), 9, [])
checkpoint, parts = optim.Checkpoint(sys.argv[1]), Parts(model, optimizer, None, None, [])
while True:
    state.epoch += 1
    model.bias.data[...] = state.epoch
    model.weight.data[...] = state.epoch
    checkpoint.write(parts, state)
    if state.epoch == 1:
        print("saving", flush=True)
"""
    chosen = standard_random.Random(0)
    for _ in range(4):
        process = python(code, path, stdout=subprocess.PIPE)
        with process:
            assert process.stdout.readline().strip() == b"saving"
            time.sleep(chosen.uniform(0, 0.05))
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        saved = optim.Checkpoint(path).read()
        for array in saved["model"].values():
            assert np.all(array == saved["epoch"])


# -- what is refused, before anything changes


def refused(path, error, message, **options):
    """`run(path, resume=True)` raises, and leaves model, optimizer, schedule and file as they were."""
    content = path.read_bytes() if path.exists() else None
    model = options.pop("model", None) or network()
    optimizer = options.pop("optimizer", optim.Adam)(model.parameters(), lr=0.02)
    schedule = options.pop("schedule", Halving)
    made = schedule(optimizer) if schedule else None
    before = bits(model, optimizer, optim.History()), made and made.state_dict(), random.get_state()
    with pytest.raises(error, match=message):
        optim.fit(
            model,
            nn.CrossEntropyLoss(),
            optimizer,
            clusters(),
            epochs=4,
            schedule=made,
            checkpoint=path,
            progress=False,
            **({"resume": True} | options),
        )
    assert (bits(model, optimizer, optim.History()), made and made.state_dict(), random.get_state()) == before
    assert (path.read_bytes() if path.exists() else None) == content


class Picky(Halving):
    """A schedule that refuses whatever it is given, but what it has itself."""

    def load_state_dict(self, saved):
        if saved != self.state_dict():
            raise ArgumentError("Picky: no")


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    run(path, epochs=2)
    wide = nn.Sequential(nn.Linear(5, 17), nn.BatchNorm(17), nn.ReLU(), nn.Dropout(0.3), nn.Linear(17, 3))
    refused(path, StateDictError, r"0.weight has shape \(16, 5\), must be \(17, 5\)", model=wide)
    refused(path, ArgumentError, "fit: the dtype of 0.weight must be 'float32'", model=network().double())
    message = "fit: the optimizer must be 'Adam' as in the checkpoint .*, got 'SGD'; resume with what the run was begun"
    refused(path, ArgumentError, message, optimizer=optim.SGD)
    refused(path, ArgumentError, "fit: the stateful arguments must be .*'schedule'", schedule=None)
    refused(path, ArgumentError, "Picky: no", schedule=Picky)  # the model and the optimizer had fitted
    callbacks = [optim.EarlyStopping(monitor="loss")]
    refused(path, ArgumentError, r"fit: the stateful callbacks must be \[\]", callbacks=callbacks)


def test_a_file_of_another_kind_is_neither_read_nor_overwritten(tmp_path):
    weights = tmp_path / "weights.safetensors"
    save_arrays({"a": np.ones(3)}, weights)
    for resume in (True, False):
        message = "Checkpoint: .*weights.safetensors' must be a checkpoint of fit, version 1, got another kind of file"
        refused(weights, FileFormatError, message, resume=resume)
    text = tmp_path / "notes.txt"
    text.write_text("not to be lost")
    for resume in (True, False):
        refused(text, FileFormatError, "must be a safetensors file", resume=resume)


def test_other_versions_and_changed_files_are_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    run(path, epochs=1)
    arrays, notes = load_arrays(path)
    notes.pop("format", None)
    save_arrays(arrays, path, metadata=notes | {"version": "2"})
    refused(path, FileFormatError, "must be a checkpoint of fit, version 1, got version 2")
    arrays.pop("model.0.bias")
    save_arrays(arrays, path, metadata=notes)
    refused(path, FileFormatError, "must hold a complete state, got one that lacks 'model.0.bias'")


def test_arguments_are_checked(tmp_path):
    with pytest.raises(ArgumentError, match="Checkpoint: every must be a positive number of epochs, got 0"):
        optim.Checkpoint(tmp_path / "a", every=0)
    with pytest.raises(ArgumentError, match="Checkpoint: path must be a file in an existing directory"):
        optim.Checkpoint(tmp_path / "missing" / "a")
    with pytest.raises(MissingFileError, match="Checkpoint: the file must exist"):
        optim.Checkpoint(tmp_path / "a").load_weights()
    w = Tensor(np.ones(2), requires_grad=True)
    with pytest.raises(ArgumentError, match="fit: for a checkpoint the model must have state_dict and load_state_dict"):
        optim.fit(
            lambda x: x @ w,
            nn.MSELoss(),
            optim.SGD([w], lr=0.1),
            (np.ones((2, 2)), np.ones(2)),
            epochs=1,
            checkpoint=tmp_path / "a",
        )
    assert issubclass(FileFormatError, AutogradError)
