"""A small run that the tests of `fit` share: batch normalization, dropout, shuffling, Adam and a schedule."""

from __future__ import annotations

import numpy as np

import nn
import optim
from autograd_core import Tensor, random


def clusters(n=60, seed=0):
    """Three classes of points in 5 dimensions, float32."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    centres = np.random.default_rng(1).normal(size=(3, 5)) * 2
    return (centres[y] + rng.normal(size=(n, 5))).astype(np.float32), y


def network(seed=0):
    random.seed(seed)
    return nn.Sequential(nn.Linear(5, 16), nn.BatchNorm(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3))


class Halving:
    """A schedule of the simplest kind: the learning rate is halved at each step."""

    def __init__(self, optimizer):
        self.optimizer, self.steps = optimizer, 0

    def step(self):
        self.steps += 1
        self.optimizer.param_groups[0]["lr"] /= 2

    def state_dict(self):
        return {"steps": self.steps}

    def load_state_dict(self, saved):
        self.steps = saved["steps"]


def run(path=None, epochs=4, resume=False, seed=0, **options):
    """One training run from scratch; what it ends in."""
    model = network(seed)
    optimizer = options.pop("optimizer", None) or optim.Adam(model.parameters(), lr=0.02)
    options.setdefault("schedule", Halving(optimizer))
    options.setdefault("data", clusters())
    options.setdefault("batch_size", 16 if isinstance(options["data"], tuple) else None)
    history = optim.fit(
        model,
        nn.CrossEntropyLoss(),
        optimizer,
        options.pop("data"),
        epochs=epochs,
        validation=clusters(40, 2),
        checkpoint=path,
        resume=resume,
        progress=False,
        **options,
    )
    return model, optimizer, history


def bits(model, optimizer, history):
    """Everything a run ends in, for comparison bit by bit."""
    arrays = dict(model.state_dict())
    saved = optimizer.state_dict()
    for i, state in saved["state"].items():
        arrays |= {f"{i}.{name}": np.asarray(value) for name, value in state.items()}
    arrays |= {name: np.array(history[name]) for name in history}
    arrays |= {f"steps.{name}": np.array(values) for name, values in history.steps.items()}
    arrays["lr"] = np.array(saved["param_groups"][0]["lr"])
    return {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in arrays.items()}


def small(**options):
    """fit on a linear model of two weights."""
    x = np.arange(12.0).reshape(6, 2)
    w = Tensor(np.array([0.1, -0.2]), requires_grad=True)
    arguments = {
        "model": lambda x: x @ w,
        "loss": lambda out, y: ((out - y) ** 2).mean(),
        "optimizer": optim.SGD([w], lr=1e-3),
        "data": [(x[:4], x[:4, 0]), (x[4:], x[4:, 0])],
        "epochs": 2,
        "progress": False,
    }
    return w, optim.fit(**(arguments | options))
