"""Every schedule against PyTorch's over 60 steps; and clipping of gradients. Run by `make oracle`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler as theirs

import optim
from autograd_core import Tensor

STEPS = 60
LRS = [0.1, 0.02]


def pair(name: str = "SGD", **options: Any) -> tuple[Any, Any]:
    """The same optimizer with two groups, ours and PyTorch's."""
    ours = [Tensor(np.ones(2), requires_grad=True) for _ in LRS]
    other = [torch.ones(2, dtype=torch.float64, requires_grad=True) for _ in LRS]
    for p, q in zip(ours, other, strict=True):
        p.grad = Tensor(np.zeros(2))
        q.grad = torch.zeros(2, dtype=torch.float64)
    groups = [[{"params": [p], "lr": lr} for p, lr in zip(ps, LRS, strict=True)] for ps in (ours, other)]
    return getattr(optim, name)(groups[0], lr=1.0, **options), getattr(torch.optim, name)(groups[1], lr=1.0, **options)


def sequence(lib: Any, opt: Any, *, restarts: bool = False) -> Any:
    second = lib.CosineAnnealingWarmRestarts(opt, 7, 2) if restarts else lib.CosineAnnealingLR(opt, 20, 0.001)
    parts = [lib.LinearLR(opt, 0.1, total_iters=10), second, lib.StepLR(opt, 3, 0.5)]
    return lib.SequentialLR(opt, parts, [10, 40])


def one_cycle_last(lib: Any, opt: Any) -> Any:
    parts = [lib.ConstantLR(opt, 0.5, 4), lib.OneCycleLR(opt, 0.5, total_steps=60, cycle_momentum=False)]
    return lib.SequentialLR(opt, parts, [6])


def chain(lib: Any, opt: Any) -> Any:
    parts = [
        lib.ConstantLR(opt, 0.1, 10),
        lib.ExponentialLR(opt, 0.95),
        lib.MultiStepLR(opt, [20, 20, 31], 0.5),
        lib.LinearLR(opt, total_iters=15),
    ]
    return lib.ChainedScheduler(parts)


def halves(t: int) -> float:
    return 0.5 ** (t // 7)


CASES = {
    "step": lambda lib, opt: lib.StepLR(opt, 7, 0.3),
    "step-every": lambda lib, opt: lib.StepLR(opt, 1),
    "exponential": lambda lib, opt: lib.ExponentialLR(opt, 0.9),
    "exponential-zero": lambda lib, opt: lib.ExponentialLR(opt, 0.0),
    "multistep": lambda lib, opt: lib.MultiStepLR(opt, [0, 5, 5, 30]),
    "lambda": lambda lib, opt: lib.LambdaLR(opt, halves),
    "lambdas": lambda lib, opt: lib.LambdaLR(opt, [halves, lambda t: 1 / (1 + t)]),
    "constant": lambda lib, opt: lib.ConstantLR(opt),
    "linear": lambda lib, opt: lib.LinearLR(opt),
    "linear-down": lambda lib, opt: lib.LinearLR(opt, 1.0, 0.25, 30),
    "linear-to-zero": lambda lib, opt: lib.LinearLR(opt, 1.0, 0.0, 30),
    "cosine": lambda lib, opt: lib.CosineAnnealingLR(opt, 60),
    "cosine-waves": lambda lib, opt: lib.CosineAnnealingLR(opt, 13, 0.001),
    "cosine-one": lambda lib, opt: lib.CosineAnnealingLR(opt, 1),
    "restarts": lambda lib, opt: lib.CosineAnnealingWarmRestarts(opt, 7),
    "restarts-longer": lambda lib, opt: lib.CosineAnnealingWarmRestarts(opt, 4, 3, 0.01),
    "one-cycle": lambda lib, opt: lib.OneCycleLR(opt, 0.5, total_steps=60),
    "one-cycle-linear": lambda lib, opt: lib.OneCycleLR(opt, [0.5, 0.1], total_steps=61, anneal_strategy="linear"),
    "one-cycle-three": lambda lib, opt: lib.OneCycleLR(
        opt, 0.5, epochs=6, steps_per_epoch=10, three_phase=True, pct_start=0.4, max_momentum=[0.9, 0.8]
    ),
    "sequential": sequence,
    "sequential-restarts": lambda lib, opt: sequence(lib, opt, restarts=True),
    "sequential-one-cycle": one_cycle_last,
    "chained": chain,
}


def agree(ours: Any, other: Any) -> None:
    for group, theirs_ in zip(ours.param_groups, other.param_groups, strict=True):
        for name in ("lr", "momentum", "betas"):
            if name in theirs_:
                np.testing.assert_allclose(group[name], theirs_[name], rtol=1e-12, atol=1e-17)


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("case", CASES)
def test_values_over_60_steps(case: str, optimizer: str) -> None:
    ours, other = pair(optimizer)
    schedule, expected = CASES[case](optim, ours), CASES[case](theirs, other)
    agree(ours, other)
    for _ in range(STEPS):
        ours.step()
        other.step()
        schedule.step()
        expected.step()
        agree(ours, other)
        np.testing.assert_allclose(schedule.get_last_lr(), expected.get_last_lr(), rtol=1e-12, atol=1e-17)
        assert schedule.last_epoch == getattr(expected, "last_epoch", schedule.last_epoch)


@pytest.mark.parametrize("case", ["step", "exponential", "multistep", "lambda", "linear", "cosine-waves", "restarts"])
def test_a_rate_written_by_hand_takes_the_same_course(case: str) -> None:
    ours, other = pair()
    schedule, expected = CASES[case](optim, ours), CASES[case](theirs, other)
    for t in range(30):
        ours.step()
        other.step()
        schedule.step()
        expected.step()
        agree(ours, other)
        if t == 3:
            ours.param_groups[0]["lr"] = other.param_groups[0]["lr"] = 0.05


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mode": "max", "patience": 2},
        {"threshold_mode": "abs", "threshold": 0.01, "patience": 1, "cooldown": 3},
        {"factor": 0.5, "patience": 0, "min_lr": [0.01, 0.001], "mode": "max", "threshold_mode": "abs"},
    ],
)
def test_plateau(options: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    ours, other = pair()
    schedule, expected = optim.ReduceLROnPlateau(ours, **options), theirs.ReduceLROnPlateau(other, **options)
    for t in range(STEPS):
        metric = float(np.exp(-t / 10) + 0.1 * rng.normal()) if t != 17 else float("nan")
        schedule.step(metric)
        expected.step(metric)
        agree(ours, other)
        assert schedule.get_last_lr() == pytest.approx(expected.get_last_lr(), rel=1e-12)


def test_restarts_at_fractions() -> None:
    ours, other = pair()
    schedule = optim.CosineAnnealingWarmRestarts(ours, 4, 2)
    expected = theirs.CosineAnnealingWarmRestarts(other, 4, 2)
    other.step()
    for t in range(40):
        schedule.step(t / 3)
        expected.step(t / 3)
        agree(ours, other)


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.5, float("inf")])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("special", [None, np.inf, np.nan])
def test_clipping(norm_type: float, dtype: str, special: float | None) -> None:
    rng = np.random.default_rng(1)
    arrays = [rng.normal(size=shape).astype(dtype) for shape in [(70, 900), (3,), ()]]
    if special is not None:
        arrays[1][1] = special
    ours, other = [], []
    for array in arrays:
        p = Tensor(np.zeros_like(array), requires_grad=True)
        q = torch.zeros(array.shape, dtype=getattr(torch, dtype), requires_grad=True)
        p.grad, q.grad = Tensor(array.copy()), torch.from_numpy(np.array(array))
        ours.append(p)
        other.append(q)
    norm = optim.clip_grad_norm_(ours, 1.5, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(other, 1.5, norm_type)
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(norm.item(), expected.item(), rtol=tolerance)
    for p, q in zip(ours, other, strict=True):
        assert p.grad.dtype == dtype
        np.testing.assert_allclose(p.grad.data, q.grad.numpy(), rtol=tolerance, atol=tolerance * 1e-3)
    optim.clip_grad_value_(ours, 0.001)
    torch.nn.utils.clip_grad_value_(other, 0.001)
    for p, q in zip(ours, other, strict=True):
        np.testing.assert_allclose(p.grad.data, q.grad.numpy(), rtol=tolerance, atol=tolerance * 1e-3)
