"""One table of optimizers, targets and dtypes; every entry must pass the same convergence test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from autograd_core import Tensor
from optim import SGD, Adadelta, Adagrad, Adam, AdamW, Momentum, NAdam, RMSprop

LIMIT = 4000
CHECKED_EVERY = 25
REACHED, KEPT = 0.04, 0.08


@dataclass(frozen=True)
class Target:
    """`loss(x, t)` of parameters x at step t, where it starts and where its minimum is.

    `curvature` is the largest that a descent meets: rules that step by the gradient itself take their rate in units of
    its inverse.
    """

    loss: Callable[[Tensor, int], Tensor]
    start: Any
    minimum: Any
    curvature: float


def bowl(x, t):
    return 0.5 * (np.array([1, 20], x.dtype) * x * x).sum()


def rosenbrock(x, t):
    return (1 - x[0]) ** 2 + 10 * (x[1] - x[0] ** 2) ** 2


_RNG = np.random.default_rng(0)
WEIGHTS = np.array([1.0, -2.0, 0.5])
INPUTS = _RNG.normal(size=(2048, 3))
LABELS = INPUTS @ WEIGHTS + 0.1 * _RNG.normal(size=2048)
# Feature i is there in one row of 1, 3, 9.
SPARSE = np.where(np.arange(2048)[:, None] % [1, 3, 9] == 0, _RNG.choice([-1.0, 1.0], (2048, 3)), 0)


def regression(inputs, labels):
    """Mini-batches of 16 rows, over and over."""

    def loss(x, t):
        rows = slice(16 * t % len(inputs), 16 * t % len(inputs) + 16)
        return 0.5 * ((inputs[rows].astype(x.dtype) @ x - labels[rows].astype(x.dtype)) ** 2).mean()

    return loss


TARGETS = {
    "quadratic bowl": Target(bowl, [2.0, 1.0], [0.0, 0.0], 20),
    "Rosenbrock": Target(rosenbrock, [0.0, 0.0], [1.0, 1.0], 100),
    "noisy regression": Target(regression(INPUTS, LABELS), [0.0, 0.0, 0.0], WEIGHTS, 4),
    "sparse features": Target(regression(SPARSE, SPARSE @ WEIGHTS), [0.0, 0.0, 0.0], WEIGHTS, 2),
}

# Optimizer, options, whether the rate is in units of the inverse curvature.
RULES = {
    "sgd": (SGD, {"lr": 1.0}, True),
    "sgd with momentum": (SGD, {"lr": 0.5, "momentum": 0.9}, True),
    "nesterov": (SGD, {"lr": 0.5, "momentum": 0.9, "nesterov": True}, True),
    "momentum": (Momentum, {"lr": 5.0}, True),
    "momentum, accumulated": (Momentum, {"lr": 0.5, "form": "accumulate"}, True),
    "adagrad": (Adagrad, {"lr": 0.5}, False),
    "rmsprop": (RMSprop, {"lr": 0.01}, False),
    "rmsprop, centered": (RMSprop, {"lr": 0.01, "eps": 0.01, "centered": True}, False),
    "rmsprop with momentum": (RMSprop, {"lr": 0.001, "momentum": 0.9}, False),
    "adadelta": (Adadelta, {"lr": 0.01}, False),
    "adadelta, zeiler": (Adadelta, {"lr": 1.0, "form": "zeiler"}, False),
    "adam": (Adam, {"lr": 0.03}, False),
    "adam, inside": (Adam, {"lr": 0.03, "eps_placement": "inside"}, False),
    "amsgrad": (Adam, {"lr": 0.03, "amsgrad": True}, False),
    "adamw": (AdamW, {"lr": 0.03, "weight_decay": 1e-3}, False),
    "nadam": (NAdam, {"lr": 0.03}, False),
}


def distance(x, target):
    """From the minimum, in units of the start's."""
    return np.linalg.norm(x.data - target.minimum) / np.linalg.norm(np.subtract(target.start, target.minimum))


def train(rule, target, dtype, sign=1):
    """The parameters when they have come close, and after another fifty steps."""
    optimizer, options, by_curvature = RULES[rule]
    options = {**options, "lr": options["lr"] / target.curvature} if by_curvature else options
    x = Tensor(np.array(target.start, dtype), requires_grad=True)
    opt = optimizer([x], maximize=sign < 0, **options)
    last = LIMIT
    for t in range(LIMIT):
        opt.zero_grad()
        (sign * target.loss(x, t)).backward()
        opt.step()
        if t % CHECKED_EVERY == 0 and last == LIMIT and distance(x, target) < REACHED:
            last = t + 50
        if t == last:
            break
    assert all(state.dtype == dtype for name, state in opt.state[x].items() if name not in opt.scalars)
    return x, t


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("rule", RULES)
def test_converges(rule, target, dtype):
    x, steps = train(rule, TARGETS[target], dtype)
    assert x.dtype == dtype
    assert steps < LIMIT - 1, distance(x, TARGETS[target])
    assert distance(x, TARGETS[target]) < KEPT


@pytest.mark.parametrize("rule", RULES)
def test_maximizing_the_negative_is_the_same_path(rule):
    target = TARGETS["quadratic bowl"]
    down, up = (train(rule, target, "float64", sign)[0] for sign in (1, -1))
    np.testing.assert_array_equal(down.data, up.data)


def test_the_test_fails_where_a_rule_does_not_converge():
    target = TARGETS["quadratic bowl"]
    x = Tensor(np.array(target.start), requires_grad=True)
    opt = SGD([x], lr=2.5 / target.curvature)
    for t in range(100):
        opt.zero_grad()
        target.loss(x, t).backward()
        opt.step()
    assert distance(x, target) > 1
