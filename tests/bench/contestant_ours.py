"""autograd-core as it comes, with every guard on, and through `compile`."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from typing import Any

import numpy as np

import autograd_core
from autograd_core import Tensor
from contestant_numpy import training_results
from layers import LAYERS, arrays, filled, upstream
from problems import (
    EPS,
    MOONS_LR,
    TRAIN_SIZES,
    Arrays,
    Job,
    ScalarMLP,
    UnsupportedError,
    batch_norm_inputs,
    chain_inputs,
    deep_inputs,
    first_and_last,
    in_halves,
    moons_inputs,
    moons_loss,
    optimizer_inputs,
    train_inputs,
)

compiled = False


def configure(mode: str, threads: int) -> None:
    """Mode "compile" compiles whole steps; the threads are NumPy's."""
    global compiled
    compiled = mode == "compile"
    if compiled and importlib.util.find_spec("numba") is None:
        raise UnsupportedError("Numba is not installed: the extra `compile`")


def _maybe_compiled(f: Callable[..., Any]) -> Callable[..., Any]:
    return autograd_core.compile(f, backend="numba") if compiled else f


def _eager_only(reason: str) -> None:
    if compiled:
        raise UnsupportedError(reason)


def version() -> str:
    try:
        return installed_version("autograd-core")
    except PackageNotFoundError:
        return "source tree"


def _leaf(array: Any) -> Tensor:
    return Tensor(array, requires_grad=True)


def chain(ops: int, shape: tuple[int, ...]) -> Job:
    _eager_only("a workload of the tape: one number an operation leaves nothing to fuse")
    x, a, b = map(_leaf, chain_inputs(shape))
    upstream = np.ones(shape)
    got: Arrays = {}

    def forward() -> Tensor:
        for leaf in (x, a, b):
            leaf.zero_grad()
        y = x
        for _ in range(ops // 2):
            y = y * a
            y = y + b
        return y

    def backward(y: Tensor) -> None:
        y.backward(upstream)
        got["y"] = y.data

    def results() -> Arrays:
        return got | {"x": x.grad.data, "a": a.grad.data, "b": b.grad.data}

    return in_halves(forward, backward, results)


def batch_norm(rows: int, columns: int) -> Job:
    *leaves, g = batch_norm_inputs(rows, columns)
    z, gamma, beta = map(_leaf, leaves)
    got: Arrays = {}

    def five_lines(g: Any) -> Any:
        for leaf in (z, gamma, beta):
            leaf.zero_grad()
        mu = z.mean(0)
        zc = z - mu
        var = (zc**2).mean(0)
        zhat = zc / np.sqrt(var + EPS)
        y = gamma * zhat + beta
        y.backward(g)
        return y.detach()

    whole = _maybe_compiled(five_lines)

    def step() -> None:
        got["y"] = whole(g).data

    def results() -> Arrays:
        return got | {"z": z.grad.data, "gamma": gamma.grad.data, "beta": beta.grad.data}

    return Job(step, results)


def _load(model: Any, values: list[np.ndarray]) -> None:
    for parameter, value in zip(model.parameters(), values, strict=True):
        parameter.data = value


def train_step(batch: int) -> Job:
    import nn
    import optim

    x_array, y, values = train_inputs(batch)
    x = Tensor(x_array)
    n0, n1, n2, n3 = TRAIN_SIZES
    model = nn.Sequential(
        nn.Linear(n0, n1), nn.BatchNorm(n1), nn.ReLU(),
        nn.Linear(n1, n2), nn.BatchNorm(n2), nn.ReLU(),
        nn.Linear(n2, n3),
    )  # fmt: skip
    _load(model, values)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(list(model.parameters()))
    latest: list[np.ndarray] = []

    def one_step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    whole = _maybe_compiled(one_step)

    def step() -> None:
        latest[:] = [whole(x, y).data]

    def results() -> Arrays:
        running = [
            np.asarray(v)
            for m in model.modules()
            if isinstance(m, nn.BatchNorm)
            for v in (m.running_mean, m.running_var)
        ]
        gradients = [p.grad.data for p in model.parameters()]
        first = training_results(latest[0], gradients, running)
        for _ in range(4):
            step()
        return first | {"loss after 5 steps": latest[0]}

    return Job(step, results)


def moons() -> Job:
    _eager_only("a workload of the tape: one number an operation leaves nothing to fuse")
    points, labels, weights = moons_inputs()
    inputs = [[Tensor(v) for v in point] for point in points]
    scalars = [_leaf(w) for w in weights]
    model = ScalarMLP(scalars, autograd_core.relu)
    got: Arrays = {}

    def step() -> None:
        for p in scalars:
            p.zero_grad()
        loss = moons_loss(model, inputs, labels, autograd_core.relu)
        loss.backward()
        for p in scalars:
            p.data -= MOONS_LR * p.grad.data
        got["loss"] = loss.data

    def results() -> Arrays:
        return got | {"gradients": np.array([p.grad.data for p in scalars])}

    return Job(step, results)


def deep(rows: int, width: int, layers: int) -> Job:
    import nn

    _eager_only("it compiles in the first call, whose memory would be counted")
    x_array, g, values = deep_inputs(rows, width, layers)
    x = Tensor(x_array)
    blocks = [(nn.Linear(width, width), nn.BatchNorm(width), nn.Tanh()) for _ in range(layers)]
    model = nn.Sequential(*(layer for block in blocks for layer in block))
    _load(model, values)
    got: Arrays = {}

    def step() -> None:
        y = model(x)
        y.backward(g)
        got["y"] = y.data[:100].copy()

    def results() -> Arrays:
        named = dict(got)
        for i, (linear, norm, _) in enumerate(blocks):
            named[f"weight {i}"] = linear.weight.grad.data
            named[f"gamma {i}"] = norm.weight.grad.data
        return named

    return Job(step, results)


def layer(index: int) -> Job:
    import nn

    row = LAYERS[index]
    module = getattr(nn, row.name)(*row.args, **row.options)
    if row.then is not None:
        module = nn.Sequential(module, getattr(nn, row.then[0])(*row.then[1]))
    _load(module, filled([p.shape for p in module.parameters()]))
    x_array, target = arrays(row)
    x = Tensor(x_array, requires_grad=x_array.dtype.kind == "f")
    inputs = (x,) if target is None else (x, target)
    g = upstream(module(*inputs).shape)
    got: Arrays = {}

    def forward_and_backward(g: Any, *inputs: Any) -> Any:
        x.zero_grad()
        module.zero_grad()
        y = module(*inputs)
        y.backward(g)
        return y.detach()

    whole = _maybe_compiled(forward_and_backward)

    def step() -> None:
        got["y"] = whole(g, *inputs).data

    def results() -> Arrays:
        if row.random:
            return {"shape": np.array(got["y"].shape)}
        gradients = {f"parameter {i}": p.grad.data for i, p in enumerate(module.parameters())}
        return got | gradients | ({"x": x.grad.data} if x.requires_grad else {})

    return Job(step, results)


def optimizer(rule: str) -> Job:
    import optim

    arrays, gradients = optimizer_inputs()
    parameters = [_leaf(array) for array in arrays]
    for p, g in zip(parameters, gradients):
        p.grad = Tensor(g)
    made: Any = {
        "adam": lambda: optim.Adam(parameters),
        "momentum": lambda: optim.Momentum(parameters, 1e-3, form="accumulate"),
        "adadelta": lambda: optim.Adadelta(parameters, 1.0, form="zeiler"),
    }[rule]()
    return Job(_maybe_compiled(made.step), lambda: first_and_last(arrays))
