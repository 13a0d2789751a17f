"""HIPS autograd."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version as installed_version
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import make_vjp, value_and_grad

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
    return installed_version("autograd")


def chain(ops: int, shape: tuple[int, ...]) -> Job:
    x, a, b = chain_inputs(shape)
    upstream = np.ones_like(x)
    got: Arrays = {}

    def f(x: Any, a: Any, b: Any) -> Any:
        y = x
        for _ in range(ops // 2):
            y = y * a
            y = y + b
        return y

    def forward() -> tuple[Callable[[Any], Any], Any]:
        return make_vjp(f, (0, 1, 2))(x, a, b)

    def backward(graph: tuple[Callable[[Any], Any], Any]) -> None:
        pullback, y = graph
        gx, ga, gb = pullback(upstream)
        got.update(y=y, x=gx, a=ga, b=gb)

    return in_halves(forward, backward, lambda: got)


def batch_norm(rows: int, columns: int) -> Job:
    z, gamma, beta, g = batch_norm_inputs(rows, columns)
    got: Arrays = {}

    def f(z: Any, gamma: Any, beta: Any) -> Any:
        mu = z.mean(0)
        zc = z - mu
        var = (zc**2).mean(0)
        zhat = zc / anp.sqrt(var + np.float32(EPS))
        return gamma * zhat + beta

    def step() -> None:
        pullback, y = make_vjp(f, (0, 1, 2))(z, gamma, beta)
        gz, ggamma, gbeta = pullback(g)
        got.update(y=y, z=gz, gamma=ggamma, beta=gbeta)

    return Job(step, lambda: got)


def _normalize(z: Any, gamma: Any, beta: Any) -> tuple[Any, Any, Any]:
    mu = z.mean(0)
    zc = z - mu
    var = (zc**2).mean(0)
    return gamma * zc / anp.sqrt(var + np.float32(EPS)) + beta, mu, var


def _value(box: Any) -> np.ndarray:
    return getattr(box, "_value", box)


def train_step(batch: int) -> Job:
    x, y, parameters = train_inputs(batch)
    running = running_statistics()
    optimizer = Adam(parameters)
    rows = np.arange(batch)
    latest: list[Any] = []
    observed: list[Any] = []

    def loss_of(parameters: Any) -> Any:
        w1, b1, gamma1, beta1, w2, b2, gamma2, beta2, w3, b3 = parameters
        h, mu1, var1 = _normalize(anp.dot(x, w1.T) + b1, gamma1, beta1)
        h = anp.maximum(h, np.float32(0))
        h, mu2, var2 = _normalize(anp.dot(h, w2.T) + b2, gamma2, beta2)
        h = anp.maximum(h, np.float32(0))
        logits = anp.dot(h, w3.T) + b3
        logits = logits - anp.max(logits, axis=1, keepdims=True)
        log_p = logits - anp.log(anp.sum(anp.exp(logits), axis=1, keepdims=True))
        observed[:] = [mu1, var1, mu2, var2]
        return -anp.mean(log_p[rows, y])

    loss_and_gradients = value_and_grad(loss_of)

    def step() -> None:
        loss, gradients = loss_and_gradients(parameters)
        for i, (total, new) in enumerate(zip(running, observed)):
            total *= 1 - MOMENTUM
            total += MOMENTUM * _value(new) * np.float32(batch / (batch - 1) if i % 2 else 1)
        optimizer.step(gradients)
        latest[:] = [loss, gradients]

    def results() -> Arrays:
        first = training_results(latest[0], latest[1], running)
        for _ in range(4):
            step()
        return first | {"loss after 5 steps": np.asarray(latest[0])}

    return Job(step, results)


def moons() -> Job:
    points, labels, weights = moons_inputs()
    latest: list[Any] = []

    def relu(v: Any) -> Any:
        return anp.maximum(v, 0.0)

    def loss_of(*scalars: Any) -> Any:
        return moons_loss(ScalarMLP(list(scalars), relu), points, labels, relu)

    loss_and_gradients = value_and_grad(loss_of, tuple(range(len(weights))))

    def step() -> None:
        loss, gradients = loss_and_gradients(*weights)
        weights[:] = [w - MOONS_LR * g for w, g in zip(weights, gradients)]
        latest[:] = [loss, gradients]

    def results() -> Arrays:
        return {"loss": np.asarray(latest[0]), "gradients": np.asarray(latest[1])}

    return Job(step, results)


def deep(rows: int, width: int, layers: int) -> Job:
    x, g, values = deep_inputs(rows, width, layers)
    got: Arrays = {}

    def f(parameters: Any) -> Any:
        h = x
        for i in range(layers):
            weight, bias, gamma, beta = (parameters[4 * i + j] for j in range(4))
            h = anp.tanh(_normalize(anp.dot(h, weight.T) + bias, gamma, beta)[0])
        return h

    def step() -> None:
        pullback, y = make_vjp(f)(values)
        gradients = pullback(g)
        got["y"] = y[:100].copy()
        for i in range(layers):
            got[f"weight {i}"], got[f"gamma {i}"] = gradients[4 * i], gradients[4 * i + 2]

    return Job(step, lambda: got)
