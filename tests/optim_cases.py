"""The optimizers' formulas as plain NumPy, and the cases that the tests of `optim` share."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_core import Tensor
from optim import SGD, Adam

STEPS = 100


def sgd_formula(p, grads, *, lr, momentum=0, dampening=0, nesterov=False, weight_decay=0):
    """PyTorch's documentation of SGD, line by line."""
    b = None
    for g in grads:
        if weight_decay:
            g = g + weight_decay * p
        if momentum:
            b = g if b is None else momentum * b + (1 - dampening) * g
            g = g + momentum * b if nesterov else b
        p = p - lr * g
    return p


def adam_formula(p, grads, *, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, eps_placement="outside", weight_decay=0):
    """Kingma & Ba (2015), algorithm 1; "inside" as in MIT 6.390 notes, B.0.1.4."""
    m, v = np.zeros_like(p), np.zeros_like(p)
    for t, g in enumerate(grads, start=1):
        g = g + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        m_hat, v_hat = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
        root = np.sqrt(v_hat) + eps if eps_placement == "outside" else np.sqrt(v_hat + eps)
        p = p - lr * m_hat / root
    return p


CASES = [
    pytest.param(SGD, sgd_formula, {"lr": 0.1}, id="sgd"),
    pytest.param(SGD, sgd_formula, {"lr": 0.1, "weight_decay": 0.2}, id="sgd-decay"),
    pytest.param(SGD, sgd_formula, {"lr": 0.1, "momentum": 0.9}, id="momentum"),
    pytest.param(
        SGD,
        sgd_formula,
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1},
        id="dampening",
    ),
    pytest.param(
        SGD,
        sgd_formula,
        {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        id="nesterov",
    ),
    pytest.param(Adam, adam_formula, {}, id="adam"),
    pytest.param(Adam, adam_formula, {"eps_placement": "inside", "eps": 1e-3}, id="adam-inside"),
    pytest.param(Adam, adam_formula, {"lr": 0.1, "betas": (0.5, 0.7), "weight_decay": 0.1}, id="adam-decay"),
    pytest.param(Adam, adam_formula, {"betas": (0.0, 0.0), "eps": 0.1}, id="adam-no-memory"),
]
# Relative to the largest element. Rounding errors of 100 steps add up to less than 100 units in the
# last place; Adam's quotient of two rounded averages costs a few more.
TOLERANCE = {"float64": 1e-12, "float32": 3e-5}


def parameter(array, dtype="float64", name=None):
    return Tensor(np.array(array, dtype), requires_grad=True, name=name)


def close(got, expected):
    assert got.dtype in (np.float32, np.float64)
    scale = max(float(np.max(np.abs(expected), initial=0)), 1.0)
    worst = float(np.max(np.abs(got - expected), initial=0))
    assert worst <= TOLERANCE[str(got.dtype)] * scale, (worst, scale)


def strided(array):
    """The same values, neither C- nor F-contiguous."""
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


LAYOUTS = {
    "C": lambda a: np.array(a, order="C"),
    "F": lambda a: np.array(a, order="F"),
    "strided": strided,
}
