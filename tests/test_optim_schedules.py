"""Schedules: values against their formulas, state, composition, and what they refuse. (PyTorch: `make oracle`.)"""

from __future__ import annotations

import copy
import json
import pickle
from itertools import pairwise
from math import cos, pi

import numpy as np
import pytest

import optim
from autograd_core import Tensor
from autograd_core.errors import ArgumentError
from optim import SGD, Adadelta, Adam, Momentum
from optim_cases import parameter

LRS = (0.1, 0.02)


def optimizer(kind=SGD, **options):
    groups = [{"params": [parameter(np.ones(2))], "lr": lr} for lr in LRS]
    return kind(groups, lr=1.0, **options)


def halves(t):
    return 0.5 ** (t // 4)


def restarts(t, first=4, mult=2):
    length = first
    while t >= length:
        t, length = t - length, length * mult
    return (1 + cos(pi * t / length)) / 2


def warm_up_then_cosine(opt):
    parts = [optim.LinearLR(opt, 0.1, total_iters=5), optim.CosineAnnealingLR(opt, T_max=20)]
    return optim.SequentialLR(opt, parts, milestones=[5])


def chain(opt):
    return optim.ChainedScheduler([optim.ConstantLR(opt, 0.1, 5), optim.ExponentialLR(opt, 0.9)])


def nested(opt):
    slow = optim.ChainedScheduler([optim.ConstantLR(opt, 0.5, 3), optim.ExponentialLR(opt, 0.9)])
    return optim.SequentialLR(opt, [optim.StepLR(opt, 2, 0.5), slow], [6])


# How a schedule is made, and its formula: the learning rate at t from the base rate.
CASES = {
    "lambda": (lambda o: optim.LambdaLR(o, halves), lambda t, lr: lr * halves(t)),
    "step": (lambda o: optim.StepLR(o, 7, 0.3), lambda t, lr: lr * 0.3 ** (t // 7)),
    "multistep": (
        lambda o: optim.MultiStepLR(o, [3, 20, 20], 0.5),
        lambda t, lr: lr * 0.5 ** sum(m <= t for m in [3, 20, 20]),
    ),
    "constant": (lambda o: optim.ConstantLR(o, 0.25, 8), lambda t, lr: lr * (0.25 if t < 8 else 1)),
    "linear": (lambda o: optim.LinearLR(o, 0.2, 0.9, 10), lambda t, lr: lr * (0.2 + 0.7 * min(t / 10, 1))),
    "linear to 0": (lambda o: optim.LinearLR(o, 1.0, 0.0, 10), lambda t, lr: lr * (1 - min(t / 10, 1))),
    "exponential": (lambda o: optim.ExponentialLR(o, 0.9), lambda t, lr: lr * 0.9**t),
    "cosine": (
        lambda o: optim.CosineAnnealingLR(o, 20, 0.01),
        lambda t, lr: 0.01 + (lr - 0.01) * (1 + cos(pi * t / 20)) / 2,
    ),
    "restarts": (lambda o: optim.CosineAnnealingWarmRestarts(o, 4, 2), lambda t, lr: lr * restarts(t)),
    "restarts of one length": (
        lambda o: optim.CosineAnnealingWarmRestarts(o, 9),
        lambda t, lr: lr * restarts(t, 9, 1),
    ),
    "warm-up, cosine": (
        warm_up_then_cosine,
        lambda t, lr: lr * (0.1 + 0.9 * t / 5 if t < 5 else (1 + cos(pi * (t - 5) / 20)) / 2),
    ),
    "chain": (chain, lambda t, lr: lr * (0.1 if t < 5 else 1) * 0.9**t),
    "nested": (
        nested,
        lambda t, lr: lr * (0.5 ** (t // 2) if t < 6 else 0.9 ** (t - 6) * (0.5 if t < 9 else 1)),
    ),
}
# Those whose formula is not written above in one line.
MADE = {name: make for name, (make, _) in CASES.items()} | {
    "one cycle": lambda o: optim.OneCycleLR(o, 0.5, total_steps=100, cycle_momentum=False),
}


@pytest.mark.parametrize("case", CASES)
def test_values_over_60_steps(case):
    make, formula = CASES[case]
    opt = optimizer()
    schedule = make(opt)
    for t in range(61):
        expected = [formula(t, lr) for lr in LRS]
        np.testing.assert_allclose([g["lr"] for g in opt.param_groups], expected, rtol=1e-12, atol=1e-17)
        assert schedule.get_last_lr() == [g["lr"] for g in opt.param_groups]
        assert schedule.last_epoch == t
        schedule.step()


def phases(t, points, anneal):
    """A curve through (step, value) points."""
    for (begin, a), (end, b) in pairwise(points):
        if t <= end or end == points[-1][0]:
            return anneal(a, b, (t - begin) / (end - begin))
    raise AssertionError


ANNEAL = {
    "cos": lambda a, b, x: b + (a - b) * (1 + cos(pi * x)) / 2,
    "linear": lambda a, b, x: a + (b - a) * x,
}


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("three_phase", [False, True])
@pytest.mark.parametrize(("kind", "option"), [(SGD, "momentum"), (Adam, "betas"), (Momentum, "gamma")])
def test_one_cycle(strategy, three_phase, kind, option):
    opt = optimizer(kind)
    schedule = optim.OneCycleLR(
        opt,
        [0.5, 0.1],
        epochs=6,
        steps_per_epoch=10,
        pct_start=0.25,
        anneal_strategy=strategy,
        three_phase=three_phase,
        base_momentum=0.8,
        max_momentum=[0.95, 0.9],
    )
    for t in range(60):
        for group, top, most in zip(opt.param_groups, [0.5, 0.1], [0.95, 0.9], strict=True):
            rates = [(0, top / 25), (14, top), *([(28, top / 25)] if three_phase else []), (59, top / 25e4)]
            momenta = [(0, most), (14, 0.8), *([(28, most)] if three_phase else []), (59, most)]
            held = group[option][0] if option == "betas" else group[option]
            np.testing.assert_allclose(group["lr"], phases(t, rates, ANNEAL[strategy]), rtol=1e-10)
            np.testing.assert_allclose(held, phases(t, momenta, ANNEAL[strategy]), rtol=1e-12)
        schedule.step()
    if strategy == "linear":
        assert opt.param_groups[0]["lr"] == pytest.approx(0.5 / 25e4, rel=1e-9)
    before = [dict(g) for g in opt.param_groups]
    with pytest.raises(
        ArgumentError, match=r"OneCycleLR: step\(\) must be called at most total_steps = 60 times, got 61"
    ):
        schedule.step()
    assert [dict(g) for g in opt.param_groups] == before


def test_one_cycle_whose_rise_is_one_step():
    opt = optimizer()
    optim.OneCycleLR(opt, 0.5, total_steps=10, pct_start=0.1)
    assert opt.param_groups[0]["lr"] == 0.5


def test_plateau():
    opt = optimizer()
    schedule = optim.ReduceLROnPlateau(opt, factor=0.5, patience=1, cooldown=1, min_lr=[0.03, 0.0])
    rates = []
    for metric in [1.0, 0.5, 0.6, Tensor(0.7), np.nan, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4]:
        schedule.step(metric)
        rates.append([g["lr"] for g in opt.param_groups])
    first = [0.1] * 3 + [0.05] * 4 + [0.03] * 4  # 0.025 is below min_lr
    second = [0.02] * 3 + [0.01] * 4 + [0.005] * 3 + [0.0025]
    np.testing.assert_allclose(rates, np.transpose([first, second]), rtol=1e-12)
    assert schedule.best == 0.4


def test_plateau_of_a_metric_that_rises():
    opt = optimizer()
    schedule = optim.ReduceLROnPlateau(opt, "max", patience=0, threshold=0.1, threshold_mode="abs")
    for metric, expected in [(0.5, 0.1), (0.65, 0.1), (0.7, 0.01), (0.8, 0.01)]:
        schedule.step(metric)
        assert opt.param_groups[0]["lr"] == pytest.approx(expected)


def test_a_rate_of_exactly_zero_is_kept_saved_and_trained_with():
    p = parameter(np.ones(2))
    opt = Adam([p], lr=0.1)
    schedule = optim.CosineAnnealingLR(opt, T_max=3)
    held = opt.param_groups[0].tensors["lr"]
    for _ in range(3):
        p.grad = Tensor(np.ones(2))
        opt.step()
        schedule.step()
    assert opt.param_groups[0]["lr"] == 0
    assert opt.param_groups[0].tensors["lr"] is held  # the 0-d Tensor that a compiled step reads
    before = p.data.copy()
    opt.step()
    np.testing.assert_array_equal(p.data, before)
    other = Adam([parameter(before)], lr=0.1)
    other.load_state_dict(opt.state_dict())
    assert other.param_groups[0]["lr"] == 0
    with pytest.raises(ArgumentError, match="lr must be a number > 0"):
        opt.param_groups[0]["lr"] = 0
    schedule.step()
    assert opt.param_groups[0]["lr"] > 0


@pytest.mark.parametrize("case", MADE)
@pytest.mark.parametrize("steps", [0, 5, 17])
def test_state_dict_restores_bit_for_bit(case, steps):
    opt = optimizer()
    schedule = MADE[case](opt)
    for _ in range(steps):
        schedule.step()
    saved = json.loads(json.dumps(schedule.state_dict()))
    other = optimizer()
    for group in other.param_groups:
        group["lr"] = 7.0
    resumed = MADE[case](other)
    resumed.load_state_dict(saved)
    for _ in range(30):
        assert [g["lr"] for g in other.param_groups] == [g["lr"] for g in opt.param_groups]
        assert resumed.get_last_lr() == schedule.get_last_lr()
        schedule.step()
        resumed.step()
    assert resumed.state_dict() == schedule.state_dict()


def test_state_dict_of_plateau_and_momentum():
    opt, other = optimizer(Adam), optimizer(Adam)
    plateau, cycle = optim.ReduceLROnPlateau(opt, patience=2), optim.OneCycleLR(opt, 0.5, total_steps=20)
    for metric in [1.0, 2.0, 2.0]:
        plateau.step(metric)
        cycle.step()
    resumed, second = optim.ReduceLROnPlateau(other), optim.OneCycleLR(other, 0.1, total_steps=9)
    second.load_state_dict(json.loads(json.dumps(cycle.state_dict())))
    resumed.load_state_dict(json.loads(json.dumps(plateau.state_dict())))
    for _ in range(5):
        cycle.step()
        second.step()
        plateau.step(2.0)
        resumed.step(2.0)
        assert [(g["lr"], g["betas"]) for g in opt.param_groups] == [(g["lr"], g["betas"]) for g in other.param_groups]
    fresh = optim.ReduceLROnPlateau(optimizer())
    fresh.load_state_dict(json.loads(json.dumps(optim.ReduceLROnPlateau(optimizer()).state_dict())))
    assert fresh.best == np.inf


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copied_schedule_sets_its_own_optimizer(duplicate):
    opt = optimizer()
    schedule = duplicate(optim.ExponentialLR(opt, 0.5))
    schedule.step()
    assert opt.param_groups[0]["lr"] == 0.1
    assert schedule.optimizer.param_groups[0]["lr"] == 0.05


def test_a_rate_written_by_hand_stays_in_effect():
    opt = optimizer()
    schedule = optim.ExponentialLR(opt, 0.5)
    opt.param_groups[0]["lr"] = 8.0
    schedule.step()
    assert schedule.get_last_lr() == [4.0, 0.01]


def test_restarts_at_fractions_of_an_epoch():
    opt = optimizer()
    schedule = optim.CosineAnnealingWarmRestarts(opt, 4)
    schedule.step(2.5)
    assert schedule.last_epoch == 2
    assert opt.param_groups[0]["lr"] == pytest.approx(0.1 * (1 + cos(pi * 2.5 / 4)) / 2)


def test_going_on_at_a_given_epoch():
    opt = optimizer()
    optim.LambdaLR(opt, halves)
    schedule = optim.LambdaLR(opt, halves, last_epoch=6)
    assert schedule.last_epoch == 7
    schedule.step()
    assert opt.param_groups[0]["lr"] == pytest.approx(0.1 * halves(8))
    again = optim.CosineAnnealingLR(opt, 9, last_epoch=2)
    assert again.get_last_lr() == schedule.get_last_lr()


REFUSED = [
    (lambda o: optim.StepLR(o, 0), "StepLR: step_size must be a positive integer, got 0"),
    (lambda o: optim.StepLR(o, 2.0), "StepLR: step_size must be a positive integer, got 2.0"),
    (lambda o: optim.StepLR(o, 2, -0.1), "StepLR: gamma must be a finite number >= 0, got -0.1"),
    (lambda o: optim.StepLR(o, 2, last_epoch=-2), "StepLR: last_epoch must be an integer >= -1, got -2"),
    (lambda o: optim.StepLR(o, 2, last_epoch=3), "StepLR: last_epoch must be -1 for .* use load_state_dict"),
    (lambda o: optim.StepLR(o.param_groups, 2), "StepLR: optimizer must be an Optimizer, got list; make it"),
    (lambda o: optim.ExponentialLR(o, np.nan), "ExponentialLR: gamma must be a finite number >= 0, got nan"),
    (lambda o: optim.MultiStepLR(o, [5, 3]), r"MultiStepLR: milestones must be .* ascending order, got \[5, 3\]"),
    (lambda o: optim.ConstantLR(o, 0), r"ConstantLR: factor must be a number in \(0, 1\], got 0"),
    (lambda o: optim.ConstantLR(o, 0.5, 0), "ConstantLR: total_iters must be a positive integer, got 0"),
    (lambda o: optim.LinearLR(o, 0), r"LinearLR: start_factor must be a number in \(0, 1\], got 0"),
    (lambda o: optim.LinearLR(o, 0.5, 1.1), r"LinearLR: end_factor must be a number in \[0, 1\], got 1.1"),
    (lambda o: optim.CosineAnnealingLR(o, 0), "CosineAnnealingLR: T_max must be a positive integer, got 0"),
    (lambda o: optim.CosineAnnealingLR(o, 9, -1), "CosineAnnealingLR: eta_min must be a finite number >= 0, got -1"),
    (lambda o: optim.CosineAnnealingWarmRestarts(o, 5, 0), "Restarts: T_mult must be a positive integer, got 0"),
    (
        lambda o: optim.CosineAnnealingWarmRestarts(o, 5).step(-1),
        "Restarts: epoch must be a finite number >= 0, got -1",
    ),
    (lambda o: optim.LambdaLR(o, 0.5), "LambdaLR: lr_lambda must be a function of t, or 2 functions.* got 0.5"),
    (lambda o: optim.LambdaLR(o, [halves]), "LambdaLR: lr_lambda must be a function of t, or 2 functions"),
    (lambda o: optim.LambdaLR(o, lambda t: -1), "the learning rate of group 0 must be a finite number >= 0, got -0.1"),
    (lambda o: optim.OneCycleLR(o, 0.1), "OneCycleLR: epochs must be a positive integer where total_steps is None"),
    (lambda o: optim.OneCycleLR(o, 0.1, 0), "OneCycleLR: total_steps must be a positive integer, got 0"),
    (lambda o: optim.OneCycleLR(o, -1, 9), "OneCycleLR: max_lr must be a finite number > 0, or 2 of them"),
    (lambda o: optim.OneCycleLR(o, [0.1], 9), r"OneCycleLR: max_lr must be .* or 2 of them.* got \[0.1\]"),
    (lambda o: optim.OneCycleLR(o, 0.1, 9, max_momentum=1), r"OneCycleLR: max_momentum must be a number in \[0, 1\)"),
    (lambda o: optim.OneCycleLR(o, 0.1, 9, pct_start=2), r"OneCycleLR: pct_start must be a number in \[0, 1\], got 2"),
    (lambda o: optim.OneCycleLR(o, 0.1, 9, anneal_strategy="x"), "anneal_strategy must be 'cos' or 'linear', got 'x'"),
    (lambda o: optim.OneCycleLR(o, 0.1, 9, div_factor=0), "OneCycleLR: div_factor must be a finite number > 0, got 0"),
    (lambda o: optim.ReduceLROnPlateau(o, "low"), "ReduceLROnPlateau: mode must be 'min' or 'max', got 'low'"),
    (lambda o: optim.ReduceLROnPlateau(o, factor=1.0), r"Plateau: factor must be a number in \[0, 1\), got 1.0"),
    (lambda o: optim.ReduceLROnPlateau(o, min_lr=[1]), r"Plateau: min_lr must be a number >= 0, or 2 of them.*\[1\]"),
    (lambda o: optim.ReduceLROnPlateau(o).step("x"), "ReduceLROnPlateau: metrics must be a number, got 'x'"),
    (lambda o: optim.SequentialLR(o, [], []), "SequentialLR: schedulers must be at least one schedule"),
    (lambda o: optim.ChainedScheduler([]), "ChainedScheduler: schedulers must be at least one schedule"),
    (
        lambda o: optim.SequentialLR(o, [optim.StepLR(o, 1)] * 2, []),
        r"SequentialLR: milestones must be 1 positive integers in ascending order, .* got \[\]",
    ),
    (
        lambda o: optim.SequentialLR(o, [optim.StepLR(o, 1)] * 2, [3], last_epoch=4),
        r"SequentialLR: last_epoch must be -1 \(load_state_dict goes on\), got 4",
    ),
    (
        lambda o: optim.ChainedScheduler([optim.StepLR(o, 1), optim.ReduceLROnPlateau(o)]),
        "ChainedScheduler: a part must be a schedule that steps without a metric, got ReduceLROnPlateau as schedule 1",
    ),
    (
        lambda o: optim.ChainedScheduler([optim.StepLR(o, 1), optim.StepLR(optimizer(), 1)]),
        "ChainedScheduler: all schedules must be of one optimizer, got another one's as schedule 1",
    ),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_what_is_refused(make, message):
    opt = optimizer()
    with pytest.raises(ArgumentError, match=message + r".* in: \w+, called at test_optim_schedules"):
        make(opt)
    assert [g["lr"] for g in opt.param_groups] == list(LRS)


def test_an_optimizer_without_momentum_cannot_cycle_it():
    opt = optimizer(Adadelta)
    with pytest.raises(ArgumentError, match=r"must have momentum .* got Adadelta .*; pass cycle_momentum=False"):
        optim.OneCycleLR(opt, 0.5, total_steps=9)
    assert opt.param_groups[0].initial_lr is None


def test_a_group_added_later_is_refused():
    opt = optimizer()
    schedule = optim.StepLR(opt, 1)
    opt.add_param_group({"params": [parameter(np.ones(2))]})
    with pytest.raises(
        ArgumentError, match=r"StepLR: the optimizer must have the groups .* got 3 where there were 2; add"
    ):
        schedule.step()
    assert schedule.last_epoch == 0


def test_a_function_that_fails_later_leaves_everything_as_it_was():
    opt = optimizer()
    schedule = optim.LambdaLR(opt, lambda t: np.inf if t == 2 else 1.0)
    schedule.step()
    with pytest.raises(
        ArgumentError, match="LambdaLR: the learning rate of group 0 must be a finite number >= 0, got inf"
    ):
        schedule.step()
    assert schedule.last_epoch == 1
    assert opt.param_groups[0]["lr"] == 0.1


def changed(**entries):
    return lambda saved: saved | entries


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed(schedule="StepLR"), "the saved schedule must be 'ExponentialLR', got 'StepLR'"),
        (changed(more=1), "the keys of the dict must be .*, got .*'more'"),
        (changed(gamma=-1), "gamma must be a finite number >= 0, got -1"),
        (changed(last_epoch=1.5), "last_epoch must be an integer >= -1, got 1.5"),
        (changed(lr=[0.1]), r"lr must be 2 numbers >= 0, one per parameter group, got \[0.1\]"),
    ],
)
def test_states_that_are_refused(change, message):
    opt = optimizer()
    schedule = optim.ExponentialLR(opt, 0.5)
    saved = schedule.state_dict()
    schedule.step()
    before = schedule.state_dict()
    with pytest.raises(ArgumentError, match="ExponentialLR.load_state_dict: " + message):
        schedule.load_state_dict(change(saved))
    assert schedule.state_dict() == before
    with pytest.raises(ArgumentError, match=r"ChainedScheduler.load_state_dict: the saved schedules must be \['Exp"):
        optim.ChainedScheduler([schedule]).load_state_dict(chain(optimizer()).state_dict())


def test_repr():
    assert repr(optim.StepLR(optimizer(), 3)) == "StepLR(step_size=3, gamma=0.1, last_epoch=0)"
