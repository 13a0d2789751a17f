"""The inputs of every workload, the same for all contestants, and what a contestant hands back.

A contestant is a module with a function per workload (`chain`, `batch_norm`, `train_step`, `moons`,
`deep`) that prepares a `Job` or raises `UnsupportedError` with the reason, which the table shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]

EPS = 1e-5
MOMENTUM = 0.1
ADAM = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
TRAIN_SIZES = (784, 256, 128, 10)
MOONS_SIZES = (2, 16, 16, 1)
MOONS_LR = 0.1
MOONS_ALPHA = 1e-4


class UnsupportedError(Exception):
    """The contestant cannot run this workload; the message says why."""


@dataclass
class Job:
    """One prepared workload of one contestant.

    Attributes:
        step: runs it once, forward and backward (and update), and waits for the result.
        results: what the latest step computed, by name, to be compared between contestants.
        forward, backward: the two halves of `step`, where a workload measures between them; what
            forward returns keeps the graph alive and is passed to backward.
    """

    step: Callable[[], None]
    results: Callable[[], Arrays]
    forward: Callable[[], Any] | None = None
    backward: Callable[[Any], None] | None = None


def in_halves(forward: Callable[[], Any], backward: Callable[[Any], None], results: Callable[[], Arrays]) -> Job:
    """A job whose step is forward, then backward."""
    return Job(lambda: backward(forward()), results, forward, backward)


def chain_inputs(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, a, b of `y = x; repeat: y = y * a; y = y + b`, float64; a^500000 is still of order 1."""
    spread = np.linspace(0.5, 1.5, int(np.prod(shape))).reshape(shape) if shape else np.array(1.0)
    return 1.25 * spread, 1.0 - 1e-6 * spread, 1e-6 * spread


def batch_norm_inputs(rows: int, columns: int) -> tuple[np.ndarray, ...]:
    """z, gamma, beta and the upstream gradient g, float32."""
    rng = np.random.default_rng(1)
    z = rng.normal(1.0, 2.0, (rows, columns))
    gamma, beta = rng.normal(1.0, 0.2, columns), rng.normal(0.0, 0.2, columns)
    g = rng.normal(0.0, 1.0, (rows, columns))
    return tuple(v.astype(np.float32) for v in (z, gamma, beta, g))


def _linear(rng: np.random.Generator, fan_in: int, fan_out: int) -> tuple[np.ndarray, np.ndarray]:
    bound = fan_in**-0.5
    weight = rng.uniform(-bound, bound, (fan_out, fan_in)).astype(np.float32)
    return weight, rng.uniform(-bound, bound, fan_out).astype(np.float32)


def _normalized(rng: np.random.Generator, fan_in: int, fan_out: int) -> Iterator[np.ndarray]:
    """Weight and bias of a linear layer, gamma and beta of the batch normalization after it."""
    yield from _linear(rng, fan_in, fan_out)
    yield np.ones(fan_out, np.float32)
    yield np.zeros(fan_out, np.float32)


def train_inputs(batch: int) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Rows, class numbers, and the parameters layer by layer in PyTorch's order."""
    rng = np.random.default_rng(2)
    x = rng.normal(0.0, 1.0, (batch, TRAIN_SIZES[0])).astype(np.float32)
    y = rng.integers(0, TRAIN_SIZES[-1], batch)
    parameters = [
        *_normalized(rng, *TRAIN_SIZES[0:2]),
        *_normalized(rng, *TRAIN_SIZES[1:3]),
        *_linear(rng, *TRAIN_SIZES[2:4]),
    ]
    return x, y, parameters


def running_statistics() -> list[np.ndarray]:
    """Running mean and variance of the two normalized layers, as they start."""
    start = (np.zeros, np.ones)
    return [make(size, np.float32) for size in TRAIN_SIZES[1:3] for make in start]


def deep_inputs(rows: int, width: int, layers: int) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Rows, upstream gradient and the parameters of `layers` times linear, batch norm, tanh."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((rows, width), np.float32)
    g = rng.standard_normal((rows, width), np.float32)
    g /= rows
    return x, g, [v for _ in range(layers) for v in _normalized(rng, width, width)]


OPTIMIZER_SHAPES = [(1000, 1000)] * 10


def optimizer_inputs() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Ten million parameters in ten matrices, and their gradients, float32."""
    rng = np.random.default_rng(8)
    parameters = [rng.standard_normal(shape, np.float32) for shape in OPTIMIZER_SHAPES]
    return parameters, [rng.standard_normal(shape, np.float32) for shape in OPTIMIZER_SHAPES]


def first_and_last(parameters: list[Any]) -> Arrays:
    """Results of an optimizer workload: rows of the first and the last matrix."""
    return {"first": np.array(parameters[0][:3]), "last": np.array(parameters[-1][-3:])}


def moons_inputs() -> tuple[list[list[float]], list[int], list[float]]:
    """100 points on two half circles with noise 0.1, labels -1 and 1, and the 337 weights.

    The weights are neuron by neuron: those of the inputs, then the bias.
    """
    rng = np.random.default_rng(4)
    angle = np.linspace(0.0, np.pi, 50)
    outer = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    inner = np.stack([1.0 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)
    points = np.concatenate([outer, inner]) + rng.normal(0.0, 0.1, (100, 2))
    labels = [-1] * 50 + [1] * 50
    weights: list[float] = []
    for fan_in, fan_out in pairwise(MOONS_SIZES):
        for _ in range(fan_out):
            weights += [*rng.uniform(-1.0, 1.0, fan_in).tolist(), 0.0]
    return points.tolist(), labels, weights


class Neuron:
    """micrograd's neuron over any kind of scalar: relu(b + sum of w_i x_i), or linear."""

    def __init__(self, weights: list[Any], relu: Callable[[Any], Any] | None) -> None:
        *self.w, self.b = weights
        self.relu = relu

    def __call__(self, x: list[Any]) -> Any:
        act = sum((wi * xi for wi, xi in zip(self.w, x)), self.b)
        return self.relu(act) if self.relu else act


class ScalarMLP:
    """micrograd's MLP 2-16-16-1 over any kind of scalar."""

    def __init__(self, scalars: list[Any], relu: Callable[[Any], Any]) -> None:
        self.parameters = scalars
        self.layers: list[list[Neuron]] = []
        rest = iter(scalars)
        pairs = list(pairwise(MOONS_SIZES))
        for number, (fan_in, fan_out) in enumerate(pairs, start=1):
            nonlinear = relu if number < len(pairs) else None
            self.layers.append([Neuron([next(rest) for _ in range(fan_in + 1)], nonlinear) for _ in range(fan_out)])

    def __call__(self, x: list[Any]) -> Any:
        for layer in self.layers:
            x = [neuron(x) for neuron in layer]
        return x[0]


def moons_loss(model: ScalarMLP, points: list[list[Any]], labels: list[int], relu: Callable[[Any], Any]) -> Any:
    """SVM max-margin loss plus L2, in the words of micrograd's demo."""
    scores = [model(point) for point in points]
    losses = [relu(1 + -yi * score) for yi, score in zip(labels, scores)]
    data_loss = sum(losses) * (1.0 / len(losses))
    reg_loss = MOONS_ALPHA * sum(p * p for p in model.parameters)
    return data_loss + reg_loss
