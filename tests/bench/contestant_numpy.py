"""Hand-written NumPy: forward and hand-derived backward, as a careful person writes them."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numpy as np

from adam import Adam
from problems import (
    EPS,
    MOMENTUM,
    Arrays,
    Job,
    UnsupportedError,
    batch_norm_inputs,
    chain_inputs,
    deep_inputs,
    first_and_last,
    in_halves,
    optimizer_inputs,
    running_statistics,
    train_inputs,
)

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h


def configure(mode: str, threads: int) -> None:
    """Mode "kept" makes glibc keep freed memory, with the thresholds that autograd_core sets."""
    if mode != "kept":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        raise UnsupportedError("this platform's C library has no mallopt")
    if not (mallopt(M_MMAP_THRESHOLD, 32 << 20) and mallopt(M_TRIM_THRESHOLD, 256 << 20)):
        raise UnsupportedError("mallopt refused the thresholds")


def version() -> str:
    return np.__version__


def chain(ops: int, shape: tuple[int, ...]) -> Job:
    x, a, b = chain_inputs(shape)
    got: Arrays = {}

    def forward() -> tuple[Any, list[Any]]:
        y, kept = x, []
        for _ in range(ops // 2):
            kept.append(y)
            y = y * a
            y = y + b
        return y, kept

    def backward(graph: tuple[Any, list[Any]]) -> None:
        y, kept = graph
        g = np.ones_like(x)
        ga, gb = np.zeros_like(x), np.zeros_like(x)
        while kept:
            gb = gb + g
            ga = ga + g * kept.pop()
            g = g * a
        got.update(y=y, x=g, a=ga, b=gb)

    return in_halves(forward, backward, lambda: got)


def batch_norm(rows: int, columns: int) -> Job:
    """The five lines, and backward by the formula of the literature, with its temporaries."""
    z, gamma, beta, g = batch_norm_inputs(rows, columns)
    got: Arrays = {}

    def step() -> None:
        mu = z.mean(0)
        zc = z - mu
        var = (zc**2).mean(0)
        std = np.sqrt(var + np.float32(EPS))
        zhat = zc / std
        y = gamma * zhat + beta
        dbeta = g.sum(0)
        dgamma = (g * zhat).sum(0)
        dz = (gamma / (rows * std)) * (rows * g - dbeta - zhat * dgamma)
        got.update(y=y, z=dz, gamma=dgamma, beta=dbeta)

    return Job(step, lambda: got)


def _normalize(z: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> tuple[np.ndarray, ...]:
    mu = z.mean(0)
    zhat = z - mu
    var = np.einsum("ij,ij->j", zhat, zhat) / np.float32(len(z))
    inverse = 1 / np.sqrt(var + np.float32(EPS))
    zhat *= inverse
    y = zhat * gamma
    y += beta
    return y, zhat, inverse, mu, var


def _normalize_backward(
    g: np.ndarray, zhat: np.ndarray, inverse: np.ndarray, gamma: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of z, gamma and beta; overwrites zhat, which is not needed after it."""
    n = np.float32(len(g))
    dbeta = g.sum(0)
    dgamma = np.einsum("ij,ij->j", g, zhat)
    zhat *= dgamma / n
    dz = g - dbeta / n
    dz -= zhat
    dz *= gamma * inverse
    return dz, dgamma, dbeta


def train_step(batch: int) -> Job:
    x, y, parameters = train_inputs(batch)
    w1, b1, gamma1, beta1, w2, b2, gamma2, beta2, w3, b3 = parameters
    running = running_statistics()
    optimizer = Adam(parameters)
    rows = np.arange(batch)
    got: dict[str, Any] = {}

    def update(statistics: tuple[np.ndarray, np.ndarray], place: int) -> None:
        mu, var = statistics
        for total, new in (
            (running[place], mu),
            (running[place + 1], var * np.float32(batch / (batch - 1))),
        ):
            total *= 1 - MOMENTUM
            total += MOMENTUM * new

    def step() -> None:
        z1 = x @ w1.T
        z1 += b1
        u1, zhat1, inverse1, *statistics1 = _normalize(z1, gamma1, beta1)
        update(tuple(statistics1), 0)
        h1 = np.maximum(u1, 0, out=u1)
        z2 = h1 @ w2.T
        z2 += b2
        u2, zhat2, inverse2, *statistics2 = _normalize(z2, gamma2, beta2)
        update(tuple(statistics2), 2)
        h2 = np.maximum(u2, 0, out=u2)
        logits = h2 @ w3.T
        logits += b3

        logits -= logits.max(1, keepdims=True)
        p = np.exp(logits)
        total = p.sum(1, keepdims=True)
        loss = (np.log(total[:, 0]) - logits[rows, y]).mean()

        p /= total
        p[rows, y] -= 1
        p /= batch
        dw3, db3, dh2 = p.T @ h2, p.sum(0), p @ w3
        dh2 *= h2 > 0
        dz2, dgamma2, dbeta2 = _normalize_backward(dh2, zhat2, inverse2, gamma2)
        dw2, db2, dh1 = dz2.T @ h1, dz2.sum(0), dz2 @ w2
        dh1 *= h1 > 0
        dz1, dgamma1, dbeta1 = _normalize_backward(dh1, zhat1, inverse1, gamma1)
        dw1, db1 = dz1.T @ x, dz1.sum(0)

        gradients = [dw1, db1, dgamma1, dbeta1, dw2, db2, dgamma2, dbeta2, dw3, db3]
        optimizer.step(gradients)
        got.update(loss=loss, gradients=gradients)

    def results() -> Arrays:
        first = training_results(got["loss"], got["gradients"], running)
        for _ in range(4):
            step()
        return first | {"loss after 5 steps": np.asarray(got["loss"])}

    return Job(step, results)


def training_results(loss: Any, gradients: list[Any], running: list[Any]) -> Arrays:
    """What one training step computed, under the names that every contestant uses."""
    named = {f"gradient {i}": np.array(v) for i, v in enumerate(gradients)}
    named |= {f"running statistic {i}": np.array(v) for i, v in enumerate(running)}
    return named | {"loss": np.array(loss)}


def deep(rows: int, width: int, layers: int) -> Job:
    x, g, parameters = deep_inputs(rows, width, layers)
    blocks = [parameters[i : i + 4] for i in range(0, 4 * layers, 4)]
    got: Arrays = {}

    def step() -> None:
        h, kept = x, []
        for weight, bias, gamma, beta in blocks:
            z = h @ weight.T
            z += bias
            u, zhat, inverse, *_ = _normalize(z, gamma, beta)
            del z
            np.tanh(u, out=u)
            kept.append((h, zhat, inverse, u))
            h = u
        got["y"] = h[:100].copy()
        d = g
        for i in reversed(range(layers)):
            weight, _, gamma, _ = blocks[i]
            below, zhat, inverse, out = kept.pop()
            du = out * out
            np.subtract(1, du, out=du)
            du *= d
            dz, dgamma, _ = _normalize_backward(du, zhat, inverse, gamma)
            got[f"weight {i}"], got[f"gamma {i}"] = dz.T @ below, dgamma
            d = dz @ weight if i else d

    return Job(step, lambda: got)


def moons() -> Job:
    raise UnsupportedError("by hand one writes it with arrays; the workload is the graph of scalars")


def _adam(p: Any, g: Any, state: list[Any], t: int) -> None:
    m, v = state
    m[:] = 0.9 * m + 0.1 * g
    v[:] = 0.999 * v + 0.001 * g**2
    p -= 1e-3 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)


def _momentum(p: Any, g: Any, state: list[Any], t: int) -> None:
    (v,) = state
    v[:] = 0.9 * v + g
    p -= 1e-3 * v


def _adadelta(p: Any, g: Any, state: list[Any], t: int) -> None:
    squares, steps = state
    squares[:] = 0.9 * squares + 0.1 * g**2
    step = np.sqrt(steps + 1e-6) / np.sqrt(squares + 1e-6) * g
    steps[:] = 0.9 * steps + 0.1 * step**2
    p -= step


def optimizer(rule: str) -> Job:
    """As the rules are written down: an expression a line, a temporary an operation."""
    parameters, gradients = optimizer_inputs()
    update, states = {"adam": (_adam, 2), "momentum": (_momentum, 1), "adadelta": (_adadelta, 2)}[rule]
    state = [[np.zeros_like(p) for _ in range(states)] for p in parameters]
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        for p, g, s in zip(parameters, gradients, state):
            update(p, g, s, steps)

    return Job(step, lambda: first_and_last(parameters))
