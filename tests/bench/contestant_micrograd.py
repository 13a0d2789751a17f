"""micrograd: scalars only, with the recursion limit out of the way of its topological sort."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed_version
from typing import Any

import numpy as np
from micrograd.engine import Value

from problems import (
    MOONS_LR,
    Arrays,
    Job,
    ScalarMLP,
    UnsupportedError,
    chain_inputs,
    in_halves,
    moons_inputs,
    moons_loss,
)

SCALARS_ONLY = "scalars only"


def configure(mode: str, threads: int) -> None:
    """Its backward recurses once per operation of a chain."""
    sys.setrecursionlimit(10_000_000)


def version() -> str:
    return installed_version("micrograd")


def chain(ops: int, shape: tuple[int, ...]) -> Job:
    if shape:
        raise UnsupportedError(SCALARS_ONLY)
    x, a, b = (Value(float(v)) for v in chain_inputs(()))
    got: Arrays = {}

    def forward() -> Any:
        x.grad = a.grad = b.grad = 0
        y = x
        for _ in range(ops // 2):
            y = y * a
            y = y + b
        return y

    def backward(y: Any) -> None:
        y.backward()
        got["y"] = np.array(y.data)

    def results() -> Arrays:
        return got | {k: np.array(v.grad) for k, v in (("x", x), ("a", a), ("b", b))}

    return in_halves(forward, backward, results)


def moons() -> Job:
    points, labels, weights = moons_inputs()
    inputs = [[Value(v) for v in point] for point in points]
    scalars = [Value(w) for w in weights]
    model = ScalarMLP(scalars, Value.relu)
    got: Arrays = {}

    def step() -> None:
        for p in scalars:
            p.grad = 0
        loss = moons_loss(model, inputs, labels, Value.relu)
        loss.backward()
        for p in scalars:
            p.data -= MOONS_LR * p.grad
        got["loss"] = np.array(loss.data)

    def results() -> Arrays:
        return got | {"gradients": np.array([p.grad for p in scalars])}

    return Job(step, results)


def batch_norm(rows: int, columns: int) -> Job:
    raise UnsupportedError(SCALARS_ONLY)


def train_step(batch: int) -> Job:
    raise UnsupportedError(SCALARS_ONLY)


def deep(rows: int, width: int, layers: int) -> Job:
    raise UnsupportedError(SCALARS_ONLY)
