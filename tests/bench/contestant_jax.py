"""JAX on the CPU, eager (operation by operation) and under jax.jit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from contestant_numpy import training_results
from problems import (
    ADAM,
    EPS,
    MOMENTUM,
    Arrays,
    Job,
    UnsupportedError,
    batch_norm_inputs,
    chain_inputs,
    deep_inputs,
    running_statistics,
    train_inputs,
)

jitted = False


def configure(mode: str, threads: int) -> None:
    """The number of threads follows from the processors that the harness allows."""
    global jitted
    jitted = mode == "jit"


def version() -> str:
    return jax.__version__


def _numpy(values: dict[str, Any]) -> Arrays:
    return {k: np.asarray(v) for k, v in values.items()}


def _with_gradients(f: Callable[..., Any]) -> Callable[..., Any]:
    """(g, *primals) -> (y, gradients): forward and backward as one function."""

    def both(g: Any, *primals: Any) -> tuple[Any, Any]:
        y, pullback = jax.vjp(f, *primals)
        return y, pullback(g)

    return jax.jit(both) if jitted else both


def chain(ops: int, shape: tuple[int, ...]) -> Job:
    if ops > 10_000:
        raise UnsupportedError(
            "compiling a chain of 8,000 operations was not done after 100 s"
            if jitted
            else "needs about 0.2 ms for each operation: minutes for a million"
        )
    jax.config.update("jax_enable_x64", True)
    x, a, b = map(jnp.asarray, chain_inputs(shape))
    upstream = jnp.ones_like(x)
    got: dict[str, Any] = {}

    def f(x: Any, a: Any, b: Any) -> Any:
        y = x
        for _ in range(ops // 2):
            y = y * a
            y = y + b
        return y

    both = _with_gradients(f)

    def step() -> None:
        y, (gx, ga, gb) = jax.block_until_ready(both(upstream, x, a, b))
        got.update(y=y, x=gx, a=ga, b=gb)

    return Job(step, lambda: _numpy(got))


def batch_norm(rows: int, columns: int) -> Job:
    z, gamma, beta, g = map(jnp.asarray, batch_norm_inputs(rows, columns))
    got: dict[str, Any] = {}

    def f(z: Any, gamma: Any, beta: Any) -> Any:
        mu = z.mean(0)
        zc = z - mu
        var = (zc**2).mean(0)
        zhat = zc / jnp.sqrt(var + EPS)
        return gamma * zhat + beta

    both = _with_gradients(f)

    def step() -> None:
        y, (gz, ggamma, gbeta) = jax.block_until_ready(both(g, z, gamma, beta))
        got.update(y=y, z=gz, gamma=ggamma, beta=gbeta)

    return Job(step, lambda: _numpy(got))


def _normalize(z: Any, gamma: Any, beta: Any) -> tuple[Any, Any, Any]:
    mu, var = z.mean(0), z.var(0)
    return gamma * (z - mu) / jnp.sqrt(var + EPS) + beta, mu, var


def train_step(batch: int) -> Job:
    x, y, values = train_inputs(batch)
    x, y = jnp.asarray(x), jnp.asarray(y)
    unbiased = batch / (batch - 1)

    def loss_of(parameters: list[Any], x: Any, y: Any) -> tuple[Any, list[Any]]:
        w1, b1, gamma1, beta1, w2, b2, gamma2, beta2, w3, b3 = parameters
        h, mu1, var1 = _normalize(x @ w1.T + b1, gamma1, beta1)
        h = jax.nn.relu(h)
        h, mu2, var2 = _normalize(h @ w2.T + b2, gamma2, beta2)
        h = jax.nn.relu(h)
        logits = h @ w3.T + b3
        loss = -jax.nn.log_softmax(logits)[jnp.arange(batch), y].mean()
        return loss, [mu1, var1 * unbiased, mu2, var2 * unbiased]

    def update(state: tuple[Any, ...], x: Any, y: Any) -> tuple[Any, Any, Any]:
        parameters, m, v, t, running = state
        (loss, new), gradients = jax.value_and_grad(loss_of, has_aux=True)(parameters, x, y)
        beta1, beta2 = ADAM["beta1"], ADAM["beta2"]
        t = t + 1
        running = [(1 - MOMENTUM) * old + MOMENTUM * s for old, s in zip(running, new)]
        m = [beta1 * mi + (1 - beta1) * g for mi, g in zip(m, gradients)]
        v = [beta2 * vi + (1 - beta2) * g * g for vi, g in zip(v, gradients)]
        size = ADAM["lr"] / (1 - beta1**t)
        root = jnp.sqrt(1 - beta2**t)
        parameters = [p - size * mi / (jnp.sqrt(vi) / root + ADAM["eps"]) for p, mi, vi in zip(parameters, m, v)]
        return (parameters, m, v, t, running), loss, gradients

    # The gradients leave the jitted step only when they are to be compared: returning them
    # would be work that the other contestants' steps do not do.
    def lean(state: tuple[Any, ...], x: Any, y: Any) -> tuple[Any, Any]:
        state, loss, _ = update(state, x, y)
        return state, loss

    fast = jax.jit(lean, donate_argnums=0) if jitted else lean
    full = jax.jit(update) if jitted else update
    zeros = [np.zeros_like(v) for v in values]
    start = (values, zeros, zeros, np.float32(0), running_statistics())
    state = jax.tree.map(lambda v: jnp.array(v), start)

    def step() -> None:
        nonlocal state
        state, _ = jax.block_until_ready(fast(state, x, y))

    def results() -> Arrays:
        # From the start again, with the gradients shown; then on by the steps that are timed.
        nonlocal state
        state = jax.tree.map(lambda v: jnp.array(v), start)
        _, loss, gradients = full(state, x, y)
        step()
        first = training_results(loss, gradients, state[4])
        for _ in range(3):
            step()
        state, last = fast(state, x, y)
        return first | {"loss after 5 steps": np.asarray(last)}

    return Job(step, results)


def deep(rows: int, width: int, layers: int) -> Job:
    x, g, values = (jax.tree.map(jnp.asarray, v) for v in deep_inputs(rows, width, layers))
    got: dict[str, Any] = {}

    def f(parameters: list[Any]) -> Any:
        h = x
        for i in range(0, 4 * layers, 4):
            weight, bias, gamma, beta = parameters[i : i + 4]
            h = jnp.tanh(_normalize(h @ weight.T + bias, gamma, beta)[0])
        return h

    both = _with_gradients(f)
    if jitted:  # compiled before the memory is measured
        both = both.lower(g, values).compile()

    def step() -> None:
        y, (gradients,) = jax.block_until_ready(both(g, values))
        got["y"] = y[:100]
        for i in range(layers):
            got[f"weight {i}"], got[f"gamma {i}"] = gradients[4 * i], gradients[4 * i + 2]

    return Job(step, lambda: _numpy(got))


def moons() -> Job:
    raise UnsupportedError(
        "compiling 8,000 scalar operations was not done after 100 s; these are 64,000"
        if jitted
        else "needs about 0.2 ms for each operation, and these are 64,000"
    )
