"""MyGrad, with its memory guard on, as it comes."""

from __future__ import annotations

from typing import Any

import mygrad as mg
import numpy as np
from mygrad.nnet.activations import relu
from mygrad.nnet.layers import batchnorm
from mygrad.nnet.losses import softmax_crossentropy

from adam import Adam
from contestant_numpy import training_results
from problems import (
    EPS,
    MOMENTUM,
    MOONS_LR,
    Arrays,
    Job,
    ScalarMLP,
    batch_norm_inputs,
    chain_inputs,
    deep_inputs,
    in_halves,
    moons_inputs,
    moons_loss,
    running_statistics,
    train_inputs,
)


def configure(mode: str, threads: int) -> None:
    """Nothing to set: the threads are NumPy's."""


def version() -> str:
    return mg.__version__


def chain(ops: int, shape: tuple[int, ...]) -> Job:
    x, a, b = map(mg.tensor, chain_inputs(shape))
    got: Arrays = {}

    def forward() -> Any:
        for leaf in (x, a, b):
            leaf.null_grad()
        y = x
        for _ in range(ops // 2):
            y = y * a
            y = y + b
        return y

    def backward(y: Any) -> None:
        y.backward()  # of a non-scalar: with an upstream gradient of ones
        got["y"] = y.data

    return in_halves(forward, backward, lambda: got | {"x": x.grad, "a": a.grad, "b": b.grad})


def batch_norm(rows: int, columns: int) -> Job:
    *leaves, g = batch_norm_inputs(rows, columns)
    z, gamma, beta = map(mg.tensor, leaves)
    got: Arrays = {}

    def step() -> None:
        for leaf in (z, gamma, beta):
            leaf.null_grad()
        mu = z.mean(0)
        zc = z - mu
        var = (zc**2).mean(0)
        zhat = zc / mg.sqrt(var + np.float32(EPS))
        y = gamma * zhat + beta
        y.backward(g)
        got["y"] = y.data

    def results() -> Arrays:
        return got | {"z": z.grad, "gamma": gamma.grad, "beta": beta.grad}

    return Job(step, results)


def train_step(batch: int) -> Job:
    """With MyGrad's own batch normalization and cross-entropy, which are fused operations."""
    x, y, values = train_inputs(batch)
    parameters = list(map(mg.tensor, values))
    w1, b1, gamma1, beta1, w2, b2, gamma2, beta2, w3, b3 = parameters
    running = running_statistics()
    optimizer = Adam([p.data for p in parameters])
    latest: list[Any] = []

    def normalize(z: Any, gamma: Any, beta: Any, place: int) -> Any:
        u = batchnorm(z, gamma=gamma, beta=beta, eps=EPS)
        unbiased = np.float32(batch / (batch - 1))
        for total, new in (
            (running[place], u.creator.mean),
            (running[place + 1], u.creator.var * unbiased),
        ):
            total *= 1 - MOMENTUM
            total += MOMENTUM * new
        return u

    def step() -> None:
        for p in parameters:
            p.null_grad()
        h = relu(normalize(mg.matmul(x, w1.T) + b1, gamma1, beta1, 0))
        h = relu(normalize(mg.matmul(h, w2.T) + b2, gamma2, beta2, 2))
        loss = softmax_crossentropy(mg.matmul(h, w3.T) + b3, y)
        loss.backward()
        gradients = [p.grad for p in parameters]
        latest[:] = [loss.data.copy(), gradients]
        del h, loss
        optimizer.step(gradients)

    def results() -> Arrays:
        first = training_results(latest[0], latest[1], running)
        for _ in range(4):
            step()
        return first | {"loss after 5 steps": latest[0]}

    return Job(step, results)


def moons() -> Job:
    points, labels, weights = moons_inputs()
    scalars = [mg.tensor(w) for w in weights]
    model = ScalarMLP(scalars, relu)
    got: Arrays = {}

    def step() -> None:
        for p in scalars:
            p.null_grad()
        loss = moons_loss(model, points, labels, relu)
        loss.backward()
        got["loss"] = loss.data.copy()
        got["gradients"] = np.array([p.grad for p in scalars])
        for p in scalars:
            p.data -= MOONS_LR * p.grad

    return Job(step, lambda: got)


def deep(rows: int, width: int, layers: int) -> Job:
    x, g, values = deep_inputs(rows, width, layers)
    parameters = list(map(mg.tensor, values))
    got: Arrays = {}

    def step() -> None:
        h: Any = x
        for i in range(0, 4 * layers, 4):
            weight, bias, gamma, beta = parameters[i : i + 4]
            z = mg.matmul(h, weight.T) + bias
            h = mg.tanh(batchnorm(z, gamma=gamma, beta=beta, eps=EPS))
        del z
        h.backward(g)
        got["y"] = h.data[:100].copy()
        for i in range(layers):
            got[f"weight {i}"] = parameters[4 * i].grad
            got[f"gamma {i}"] = parameters[4 * i + 2].grad

    return Job(step, lambda: got)
