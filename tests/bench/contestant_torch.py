"""PyTorch on the CPU, eager and through torch.compile."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from contestant_numpy import training_results
from layers import LAYERS, Layer, arrays, filled, upstream
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

compiled = fused = False


def configure(mode: str, threads: int) -> None:
    global compiled, fused
    torch.set_num_threads(threads)
    compiled, fused = mode == "compile", mode == "fused"
    if compiled and not any(map(shutil.which, ("c++", "g++", "clang++"))):
        raise UnsupportedError("torch.compile needs a C++ compiler, and this machine has none")


def version() -> str:
    return torch.__version__


def _maybe_compiled(f: Callable[..., Any]) -> Callable[..., Any]:
    return torch.compile(f) if compiled else f


def _leaf(array: Any) -> torch.Tensor:
    return torch.tensor(array, requires_grad=True)


def chain(ops: int, shape: tuple[int, ...]) -> Job:
    if compiled:
        raise UnsupportedError("compiling a chain of 2,000 operations was not done after 100 s")
    x, a, b = map(_leaf, chain_inputs(shape))
    upstream = torch.ones_like(x)
    got: Arrays = {}

    def forward() -> torch.Tensor:
        x.grad = a.grad = b.grad = None
        y = x
        for _ in range(ops // 2):
            y = y * a
            y = y + b
        return y

    def backward(y: torch.Tensor) -> None:
        y.backward(upstream)
        got["y"] = y.detach().numpy()

    def results() -> Arrays:
        return got | {k: v.grad.numpy() for k, v in (("x", x), ("a", a), ("b", b))}

    return in_halves(forward, backward, results)


def batch_norm(rows: int, columns: int) -> Job:
    *leaves, g = batch_norm_inputs(rows, columns)
    z, gamma, beta = map(_leaf, leaves)
    upstream = torch.from_numpy(g)
    got: Arrays = {}

    def five_lines(z: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
        mu = z.mean(0)
        zc = z - mu
        var = (zc**2).mean(0)
        zhat = zc / torch.sqrt(var + EPS)
        return gamma * zhat + beta

    f = _maybe_compiled(five_lines)

    def step() -> None:
        z.grad = gamma.grad = beta.grad = None
        y = f(z, gamma, beta)
        y.backward(upstream)
        got["y"] = y.detach().numpy()

    def results() -> Arrays:
        return got | {k: v.grad.numpy() for k, v in (("z", z), ("gamma", gamma), ("beta", beta))}

    return Job(step, results)


def _load(model: torch.nn.Module, values: list[Any]) -> None:
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), values, strict=True):
            parameter.copy_(torch.from_numpy(value))


def train_step(batch: int) -> Job:
    x_array, y_array, values = train_inputs(batch)
    x, y = torch.from_numpy(x_array), torch.from_numpy(y_array)
    n0, n1, n2, n3 = TRAIN_SIZES
    nn = torch.nn
    model = nn.Sequential(
        nn.Linear(n0, n1), nn.BatchNorm1d(n1), nn.ReLU(),
        nn.Linear(n1, n2), nn.BatchNorm1d(n2), nn.ReLU(),
        nn.Linear(n2, n3),
    )  # fmt: skip
    _load(model, values)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters())
    loss_of = _maybe_compiled(lambda x, y: criterion(model(x), y))
    latest: list[torch.Tensor] = []

    def step() -> None:
        optimizer.zero_grad()
        loss = loss_of(x, y)
        loss.backward()
        optimizer.step()
        latest[:] = [loss.detach()]

    def results() -> Arrays:
        running = [b.numpy() for b in model.buffers() if b.ndim == 1]
        gradients = [p.grad.numpy() for p in model.parameters()]
        first = training_results(latest[0].numpy(), gradients, running)
        for _ in range(4):
            step()
        return first | {"loss after 5 steps": latest[0].numpy()}

    return Job(step, results)


def moons() -> Job:
    if compiled:
        raise UnsupportedError("compiling 2,000 scalar operations was not done after 100 s; these are 64,000")
    points, labels, weights = moons_inputs()
    inputs = [[torch.tensor(v, dtype=torch.float64) for v in point] for point in points]
    scalars = [torch.tensor(w, dtype=torch.float64, requires_grad=True) for w in weights]
    model = ScalarMLP(scalars, torch.relu)
    got: Arrays = {}

    def step() -> None:
        for p in scalars:
            p.grad = None
        loss = moons_loss(model, inputs, labels, torch.relu)
        loss.backward()
        with torch.no_grad():
            for p in scalars:
                p -= MOONS_LR * p.grad
        got["loss"] = loss.detach().numpy()

    def results() -> Arrays:
        return got | {"gradients": torch.stack([p.grad for p in scalars]).numpy()}

    return Job(step, results)


def deep(rows: int, width: int, layers: int) -> Job:
    if compiled:
        raise UnsupportedError("it compiles in the first call, whose memory would be counted")
    x, g, values = deep_inputs(rows, width, layers)
    nn = torch.nn
    model = nn.Sequential()
    for _ in range(layers):
        model.extend([nn.Linear(width, width), nn.BatchNorm1d(width), nn.Tanh()])
    _load(model, values)
    inputs, upstream = torch.from_numpy(x), torch.from_numpy(g)
    got: Arrays = {}

    def step() -> None:
        y = model(inputs)
        y.backward(upstream)
        got["y"] = y.detach()[:100].numpy().copy()

    def results() -> Arrays:
        named = dict(got)
        for i in range(layers):
            named[f"weight {i}"] = model[3 * i].weight.grad.numpy()
            named[f"gamma {i}"] = model[3 * i + 1].weight.grad.numpy()
        return named

    return Job(step, results)


class _Composed(torch.nn.Module):
    """What torch.nn lacks, from torch functions, as somebody would write it there."""

    def __init__(self, row: Layer) -> None:
        super().__init__()
        self.compute = _FORMULAS[row.name]
        if row.name in _GATED:
            self.gate, self.value = torch.nn.Linear(*row.args), torch.nn.Linear(*row.args)
        elif row.name == "Swish":
            self.beta = torch.nn.Parameter(torch.tensor(1.0))

    def forward(self, *inputs: Any) -> Any:
        return self.compute(self, *inputs)


def _smht(module: Any, x: Any) -> Any:
    up, down = torch.exp(x), torch.exp(-x)
    return (up - down) / (up + down)


_GATED = {"GLU": torch.sigmoid, "ReGLU": torch.relu, "GEGLU": F.gelu, "SwiGLU": F.silu}
_FORMULAS: dict[str, Any] = {
    "GaussianNoise": lambda module, x: x + 0.1 * torch.randn_like(x),
    "SMHT": _smht,
    "Swish": lambda module, x: x * torch.sigmoid(module.beta * x),
    "HalfSquaredLoss": lambda module, x, y: (0.5 * (x - y) ** 2).mean(),
    "HingeLoss": lambda module, x, y: torch.relu(1 - y * x).mean(),
    "PerceptronLoss": lambda module, x, y: torch.relu(-y * x).mean(),
} | {
    name: lambda module, x, activation=activation: activation(module.gate(x)) * module.value(x)
    for name, activation in _GATED.items()
}


def layer(index: int) -> Job:
    row = LAYERS[index]
    if row.torch == "":
        module: Any = _Composed(row)
    else:
        module = getattr(torch.nn, row.torch or row.name)(*row.args, **row.options)
    if row.then is not None:
        module = torch.nn.Sequential(module, getattr(torch.nn, row.then[0])(*row.then[1]))
    _load(module, filled([tuple(p.shape) for p in module.parameters()]))
    x_array, target = arrays(row)
    x = torch.from_numpy(x_array).requires_grad_(x_array.dtype.kind == "f")
    inputs = (x,) if target is None else (x, torch.from_numpy(target))
    f = _maybe_compiled(module)
    g = torch.from_numpy(upstream(tuple(f(*inputs).shape)))
    got: Arrays = {}

    def step() -> None:
        x.grad = None
        module.zero_grad()
        y = f(*inputs)
        y.backward(g)
        got["y"] = y.detach().numpy()

    def results() -> Arrays:
        if row.random:
            return {"shape": np.array(got["y"].shape)}
        gradients = {f"parameter {i}": p.grad.numpy() for i, p in enumerate(module.parameters())}
        return got | gradients | ({"x": x.grad.numpy()} if x.requires_grad else {})

    return Job(step, results)


def optimizer(rule: str) -> Job:
    arrays, gradients = optimizer_inputs()
    parameters = [torch.from_numpy(array).requires_grad_() for array in arrays]
    for p, g in zip(parameters, gradients):
        p.grad = torch.from_numpy(g)
    if fused and rule == "adadelta":
        raise UnsupportedError("torch.optim.Adadelta has no fused form")
    how: dict[str, Any] = {"fused": True} if fused else {}
    made: Any = {
        "adam": lambda: torch.optim.Adam(parameters, **how),
        "momentum": lambda: torch.optim.SGD(parameters, 1e-3, momentum=0.9, **how),
        "adadelta": lambda: torch.optim.Adadelta(parameters, 1.0, **how),
    }[rule]()
    return Job(made.step, lambda: first_and_last(arrays))
