"""The optimizers' formulas as plain NumPy, and the cases that the tests of `optim` share."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_core import Tensor
from optim import SGD, Adadelta, Adagrad, Adam, AdamW, Momentum, NAdam, RMSprop

STEPS = 100


def sgd_formula(p, grads, *, lr, momentum=0, dampening=0, nesterov=False, weight_decay=0, maximize=False):
    """PyTorch's documentation of SGD, line by line."""
    b = None
    for g in grads:
        g = -g if maximize else g
        if weight_decay:
            g = g + weight_decay * p
        if momentum:
            b = g if b is None else momentum * b + (1 - dampening) * g
            g = g + momentum * b if nesterov else b
        p = p - lr * g
    return p


def momentum_formula(p, grads, *, lr, gamma=0.9, form="average", weight_decay=0, maximize=False):
    """S000-B.17-B.20 and S002-V."""
    total = np.zeros_like(p)
    for g in grads:
        g = (-g if maximize else g) + weight_decay * p
        if form == "average":
            total = gamma * total + (1 - gamma) * g
            p = p - lr * total
        else:
            total = gamma * total + lr * g
            p = p - total
    return p


def adagrad_formula(
    p, grads, *, lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10, maximize=False
):
    """PyTorch's documentation of Adagrad, line by line."""
    total = np.full_like(p, initial_accumulator_value)
    for t, g in enumerate(grads, start=1):
        g = (-g if maximize else g) + weight_decay * p
        rate = lr / (1 + (t - 1) * lr_decay)
        total = total + g**2
        p = p - rate * g / (np.sqrt(total) + eps)
    return p


def rmsprop_formula(
    p, grads, *, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False, maximize=False
):
    """PyTorch's documentation of RMSprop, line by line."""
    v, b, average = np.zeros_like(p), np.zeros_like(p), np.zeros_like(p)
    for g in grads:
        g = (-g if maximize else g) + weight_decay * p
        v = alpha * v + (1 - alpha) * g**2
        corrected = v
        if centered:
            average = alpha * average + (1 - alpha) * g
            corrected = v - average**2
        b = momentum * b + g / (np.sqrt(corrected) + eps)
        p = p - lr * b
    return p


def adadelta_formula(p, grads, *, lr, gamma=0.9, eps=1e-6, form="notes", weight_decay=0, maximize=False):
    """S000-B.26; Zeiler (2012), algorithm 1, as PyTorch documents it."""
    G, U = np.zeros_like(p), np.zeros_like(p)
    for g in grads:
        g = (-g if maximize else g) + weight_decay * p
        G = gamma * G + (1 - gamma) * g**2
        if form == "notes":
            p = p - lr / np.sqrt(G + eps) * g
        else:
            delta = np.sqrt(U + eps) / np.sqrt(G + eps) * g
            U = gamma * U + (1 - gamma) * delta**2
            p = p - lr * delta
    return p


def adam_formula(
    p,
    grads,
    *,
    lr=1e-3,
    betas=(0.9, 0.999),
    eps=1e-8,
    eps_placement="outside",
    weight_decay=0,
    amsgrad=False,
    maximize=False,
    decoupled_weight_decay=False,
):
    """Kingma & Ba (2015), algorithm 1, with PyTorch's options; "inside" as S002-Adam."""
    m, v, largest = np.zeros_like(p), np.zeros_like(p), np.zeros_like(p)
    for t, g in enumerate(grads, start=1):
        g = -g if maximize else g
        if decoupled_weight_decay:
            p = p - lr * weight_decay * p
        else:
            g = g + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        largest = np.maximum(largest, v)
        m_hat, v_hat = m / (1 - betas[0] ** t), (largest if amsgrad else v) / (1 - betas[1] ** t)
        root = np.sqrt(v_hat) + eps if eps_placement == "outside" else np.sqrt(v_hat + eps)
        p = p - lr * m_hat / root
    return p


def adamw_formula(p, grads, *, weight_decay=1e-2, **options):
    """Loshchilov & Hutter (2019), algorithm 2, as PyTorch documents it."""
    return adam_formula(p, grads, weight_decay=weight_decay, decoupled_weight_decay=True, **options)


def nadam_formula(
    p,
    grads,
    *,
    lr=2e-3,
    betas=(0.9, 0.999),
    eps=1e-8,
    weight_decay=0,
    momentum_decay=4e-3,
    decoupled_weight_decay=False,
    maximize=False,
):
    """PyTorch's documentation of NAdam, line by line."""
    m, v, product = np.zeros_like(p), np.zeros_like(p), 1.0
    for t, g in enumerate(grads, start=1):
        g = -g if maximize else g
        if decoupled_weight_decay:
            p = p - lr * weight_decay * p
        else:
            g = g + weight_decay * p
        mu = betas[0] * (1 - 0.5 * 0.96 ** (t * momentum_decay))
        following = betas[0] * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))
        product = product * mu
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        m_hat = following * m / (1 - product * following) + (1 - mu) * g / (1 - product)
        p = p - lr * m_hat / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
    return p


# Name, optimizer, formula, options.
TABLE = [
    ("sgd", SGD, sgd_formula, {"lr": 0.1}),
    ("sgd-decay", SGD, sgd_formula, {"lr": 0.1, "weight_decay": 0.2}),
    ("sgd-climbs", SGD, sgd_formula, {"lr": 0.1, "weight_decay": 0.2, "maximize": True}),
    ("sgd-momentum", SGD, sgd_formula, {"lr": 0.1, "momentum": 0.9}),
    ("dampening", SGD, sgd_formula, {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("nesterov", SGD, sgd_formula, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("momentum", Momentum, momentum_formula, {"lr": 0.1}),
    ("momentum-none", Momentum, momentum_formula, {"lr": 0.1, "gamma": 0.0}),
    ("momentum-climbs", Momentum, momentum_formula, {"lr": 0.1, "weight_decay": 0.1, "maximize": True}),
    ("accumulate", Momentum, momentum_formula, {"lr": 0.1, "gamma": 0.8, "form": "accumulate"}),
    ("accumulate-decay", Momentum, momentum_formula, {"lr": 0.1, "form": "accumulate", "weight_decay": 0.1}),
    ("adagrad", Adagrad, adagrad_formula, {}),
    (
        "adagrad-all",
        Adagrad,
        adagrad_formula,
        {
            "lr": 0.1,
            "lr_decay": 0.02,
            "weight_decay": 0.1,
            "initial_accumulator_value": 0.3,
            "eps": 1e-3,
            "maximize": True,
        },
    ),
    ("rmsprop", RMSprop, rmsprop_formula, {}),
    ("rmsprop-momentum", RMSprop, rmsprop_formula, {"alpha": 0.9, "momentum": 0.8, "weight_decay": 0.1}),
    # ε far above the rounding errors of the difference of the first steps.
    ("rmsprop-centered", RMSprop, rmsprop_formula, {"alpha": 0.9, "centered": True, "eps": 1e-3}),
    (
        "rmsprop-all",
        RMSprop,
        rmsprop_formula,
        {"alpha": 0.8, "centered": True, "momentum": 0.7, "weight_decay": 0.1, "maximize": True},
    ),
    ("adadelta", Adadelta, adadelta_formula, {"lr": 0.01}),
    ("adadelta-decay", Adadelta, adadelta_formula, {"lr": 0.1, "gamma": 0.7, "eps": 1e-3, "weight_decay": 0.1}),
    ("adadelta-climbs", Adadelta, adadelta_formula, {"lr": 0.01, "maximize": True}),
    ("zeiler", Adadelta, adadelta_formula, {"lr": 1.0, "form": "zeiler"}),
    (
        "zeiler-decay",
        Adadelta,
        adadelta_formula,
        {"lr": 0.5, "gamma": 0.95, "eps": 1e-3, "form": "zeiler", "weight_decay": 0.1},
    ),
    ("adam", Adam, adam_formula, {}),
    ("adam-inside", Adam, adam_formula, {"eps_placement": "inside", "eps": 1e-3}),
    ("adam-decay", Adam, adam_formula, {"lr": 0.1, "betas": (0.5, 0.7), "weight_decay": 0.1}),
    ("adam-climbs", Adam, adam_formula, {"lr": 0.01, "weight_decay": 0.1, "maximize": True}),
    ("adam-no-memory", Adam, adam_formula, {"betas": (0.0, 0.0), "eps": 0.1}),
    ("amsgrad", Adam, adam_formula, {"betas": (0.9, 0.5), "amsgrad": True}),
    ("amsgrad-inside", Adam, adam_formula, {"betas": (0.9, 0.5), "amsgrad": True, "eps_placement": "inside"}),
    ("adamw", AdamW, adamw_formula, {}),
    ("adamw-all", AdamW, adamw_formula, {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True, "maximize": True}),
    ("nadam", NAdam, nadam_formula, {}),
    ("nadam-decay", NAdam, nadam_formula, {"lr": 0.05, "weight_decay": 0.1, "momentum_decay": 0.1, "maximize": True}),
    ("nadam-decoupled", NAdam, nadam_formula, {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}),
]
CASES = [pytest.param(*case, id=name) for name, *case in TABLE]
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
