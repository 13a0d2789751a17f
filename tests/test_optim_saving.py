"""`optim.save` and `optim.load`: states of a training loop of one's own."""

from __future__ import annotations

import re

import numpy as np
import pytest
from safetensors import safe_open

import nn
import optim
from autograd_core import Tensor, random
from autograd_core.disk import FileFormatError, MissingFileError
from autograd_core.errors import ArgumentError, DTypeError
from fit_cases import clusters, network


class Loop:
    """A training loop by hand, with everything that has a state."""

    def __init__(self):
        self.model = network()
        self.optimizer = optim.NAdam(self.model.parameters(), lr=0.02)
        self.schedule = optim.OneCycleLR(self.optimizer, 0.05, total_steps=20)
        self.ema = optim.ExponentialMovingAverage(self.model, 0.9)
        self.average = optim.RunningAverage(0.9)

    @property
    def parts(self):
        return {
            "model": self.model,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
            "ema": self.ema,
            "loss": self.average,
        }

    def train(self, steps):
        x, y = map(Tensor, clusters())
        for _ in range(steps):
            self.optimizer.zero_grad()
            loss = nn.CrossEntropyLoss()(self.model(x), y)
            loss.backward()
            self.optimizer.step()
            self.schedule.step()
            self.ema.update()
            self.average.update(loss.item())
        return self

    def bits(self):
        arrays = {**self.model.state_dict(), **{f"ema {k}": v for k, v in self.ema.state_dict()["averages"].items()}}
        for i, state in self.optimizer.state_dict()["state"].items():
            arrays |= {f"{i} {k}": np.asarray(v) for k, v in state.items()}
        arrays["numbers"] = np.array([self.average.value, *self.schedule.get_last_lr(), *self.schedule.momentum])
        return {name: (array.dtype.str, array.tobytes()) for name, array in arrays.items()}


def test_a_loop_goes_on_to_the_same_bits(tmp_path):
    path = tmp_path / "loop.safetensors"
    loop = Loop().train(3)
    best = loop.model.state_dict()
    extra = {"epoch": 3, "notes": {"name": "a", "seeds": (1, 2.5, None)}, "best": best, "random": random.get_state()}
    optim.save(path, **loop.parts, **extra)
    loop.train(2)
    again = Loop()
    saved = optim.load(path, **again.parts)
    assert saved["epoch"] == 3 and saved["notes"] == extra["notes"]
    for name, array in best.items():
        np.testing.assert_array_equal(saved["best"][name], array)
    random.set_state(saved["random"])
    assert again.train(2).bits() == loop.bits()
    with safe_open(path, "np") as file:  # what other programs see
        np.testing.assert_array_equal(file.get_tensor("model.0.weight"), best["0.weight"])
    np.testing.assert_array_equal(optim.load(path)["model"]["0.weight"], best["0.weight"])  # without any object


def test_all_or_nothing_is_loaded(tmp_path):
    path = tmp_path / "loop.safetensors"
    optim.save(path, **Loop().train(1).parts)
    loop = Loop().train(2)
    before = loop.bits()
    other = optim.ExponentialMovingAverage(nn.Linear(2, 2))
    with pytest.raises(ArgumentError, match="load_state_dict: the keys must be"):
        optim.load(path, model=loop.model, schedule=loop.schedule, optimizer=loop.optimizer, ema=other)
    assert loop.bits() == before


def test_a_save_that_fails_leaves_the_file(tmp_path):
    path = tmp_path / "loop.safetensors"
    optim.save(path, epoch=1)
    for bad, error in ((lambda x: x, ArgumentError), (np.array([1j]), DTypeError)):
        with pytest.raises(error):
            optim.save(path, epoch=2, bad=bad)
    assert optim.load(path) == {"epoch": 1}
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


SGD = optim.SGD([Tensor(np.ones(2), requires_grad=True)], lr=0.1)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda p: optim.save(SGD, p), TypeError, "positional"),
        (
            lambda p: optim.save(SGD, optimizer=p),
            ArgumentError,
            "save: path must be a path, got SGD; write save(path, ",
        ),
        (lambda p: optim.save(p), ArgumentError, "save: there must be something to save, got nothing; write save("),
        (lambda p: optim.save(p, o=optim.SGD), ArgumentError, "save: o must be an object, got the class SGD. in: save"),
        (lambda p: optim.save(p / "a" / "b", o=1), MissingFileError, "save: path must be a file in an existing direc"),
        (lambda p: optim.save(p.parent, o=1), MissingFileError, "save: path must be a file in an existing directory"),
        (lambda p: optim.load(p / "none"), (MissingFileError, OSError), "none"),
        (lambda p: optim.load(p, schedule=SGD), ArgumentError, "load: a part must be one of ['optimizer', 'epoch'], "),
        (
            lambda p: optim.load(p, epoch=3),
            ArgumentError,
            "load: epoch must have state_dict and load_state_dict, got i",
        ),
        (lambda p: optim.load(None), ArgumentError, "load: path must be a path, got NoneType; write load("),
    ],
)
def test_what_is_refused(tmp_path, call, error, message):
    path = tmp_path / "file"
    optim.save(path, optimizer=SGD, epoch=1)
    content = path.read_bytes()
    with pytest.raises(error, match=re.escape(message)):
        call(path)
    assert path.read_bytes() == content


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "net.safetensors"
    nn.save(nn.Linear(2, 2), path)
    with pytest.raises(FileFormatError, match=r"load: '.*' must be a file of optim.save, version 1, got another kind"):
        optim.load(path)
    with pytest.raises(ArgumentError, match=r"save: what is saved must be a Module .* got SGD; optim.save keeps optim"):
        nn.save(SGD, path)
