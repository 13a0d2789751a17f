"""Every optimizer that torch.optim has, against torch.optim, live; run by `make oracle`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import optim
from autograd_core import Tensor

STEPS = 100
SHAPES = [(7, 5), (), (4,), (130, 100)]
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}

# Our name, our options, torch's name if it is another, torch's options where they have other names.
CASES: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}, "", {}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}, "", {}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}, "", {}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}, "", {}),
    ("Momentum", {"lr": 0.1}, "SGD", {"lr": 0.1 * (1 - 0.9), "momentum": 0.9}),
    ("Momentum", {"lr": 0.1, "gamma": 0.7, "form": "accumulate"}, "SGD", {"lr": 0.1, "momentum": 0.7}),
    ("Adagrad", {}, "", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.05, "initial_accumulator_value": 0.3, "eps": 1e-3}, "", {}),
    ("RMSprop", {}, "", {}),
    ("RMSprop", {"alpha": 0.8, "eps": 1e-3, "momentum": 0.9}, "", {}),
    ("RMSprop", {"alpha": 0.8, "centered": True}, "", {}),
    ("RMSprop", {"alpha": 0.9, "centered": True, "momentum": 0.9}, "", {}),
    ("Adadelta", {"lr": 1.0, "form": "zeiler"}, "Adadelta", {"lr": 1.0}),
    (
        "Adadelta",
        {"lr": 0.3, "gamma": 0.7, "eps": 1e-3, "form": "zeiler"},
        "Adadelta",
        {"lr": 0.3, "rho": 0.7, "eps": 1e-3},
    ),
    ("Adam", {}, "", {}),
    ("Adam", {"lr": 0.1, "betas": (0.5, 0.7), "eps": 1e-3}, "", {}),
    ("Adam", {"amsgrad": True, "betas": (0.9, 0.5)}, "", {}),
    ("Adam", {"weight_decay": 0.1, "decoupled_weight_decay": True}, "", {}),
    ("AdamW", {}, "", {}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True}, "", {}),
    ("NAdam", {}, "", {}),
    ("NAdam", {"lr": 0.05, "betas": (0.8, 0.9), "momentum_decay": 0.1}, "", {}),
    ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}, "", {}),
]
# The notes' V remembers the old rate, which torch's sum does not: see test_optim_documents.
RATED = [case for case in CASES if case[1].get("form") != "accumulate"]
SAME = sorted({case[0] for case in CASES if not case[2]})
EXTRA: list[dict[str, Any]] = [{}, {"weight_decay": 0.1}, {"maximize": True}, {"weight_decay": 0.1, "maximize": True}]


@pytest.fixture(autouse=True)
def numbers_in_float64() -> Iterator[None]:
    """NAdam's mu_product is of torch's default dtype: in float32 it would cost eight digits of a float64 step."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def both(name: str, options: dict[str, Any], other: str, torchs: dict[str, Any], dtype: str, grouped: bool) -> Any:
    """The parameters and optimizers of both sides."""
    rng = np.random.default_rng(0)
    starts = [rng.normal(size=shape).astype(dtype) for shape in SHAPES]
    ours = [Tensor(start.copy(), requires_grad=True) for start in starts]
    theirs = [torch.nn.Parameter(torch.from_numpy(np.array(start))) for start in starts]
    made = []
    for params, module, kind, given in ((ours, optim, name, options), (theirs, torch.optim, other or name, torchs)):
        groups: Any = params
        if grouped:
            rate = given.get("lr", 1e-3)
            groups = [{"params": params[:2], "lr": rate * 0.5}, {"params": params[2:], "weight_decay": 0.05}]
        made.append(getattr(module, kind)(groups, **given))
    return ours, theirs, *made


def worst(ours: Any, theirs: Any) -> float:
    """max |a - b| / max |b| over the parameters."""
    errors = []
    for a, b in zip(ours, theirs, strict=True):
        expected = b.detach().numpy()
        assert a.data.dtype == expected.dtype
        errors.append(np.max(np.abs(a.data - expected)) / np.max(np.abs(expected)))
    return float(max(errors))


def run(ours: Any, theirs: Any, opt: Any, reference: Any, steps: int = STEPS, seed: int = 1) -> None:
    """The same gradients to both: they depend on the parameter, so that weight decay and signs matter."""
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        for p, q in zip(ours, theirs, strict=True):
            noise = rng.normal(size=p.shape).astype(str(p.dtype))
            p.grad = Tensor(0.1 * q.detach().numpy() + noise)
            q.grad = torch.from_numpy(np.array(p.grad.data))
        opt.step()
        reference.step()


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("extra", EXTRA, ids=lambda extra: "-".join(extra) or "plain")
@pytest.mark.parametrize(("name", "options", "other", "torchs"), CASES)
def test_a_hundred_steps(name: str, options: Any, other: str, torchs: Any, extra: Any, dtype: str) -> None:
    ours, theirs, opt, reference = both(name, options | extra, other, (torchs or options) | extra, dtype, False)
    run(ours, theirs, opt, reference)
    assert worst(ours, theirs) <= TOLERANCE[dtype]


@pytest.mark.parametrize(("name", "options", "other", "torchs"), CASES)
def test_groups_with_rates_and_decays_of_their_own(name: str, options: Any, other: str, torchs: Any) -> None:
    ours, theirs, opt, reference = both(name, options, other, torchs or options, "float64", True)
    run(ours, theirs, opt, reference)
    assert worst(ours, theirs) <= TOLERANCE["float64"]


@pytest.mark.parametrize(("name", "options", "other", "torchs"), RATED)
def test_a_rate_that_changes(name: str, options: Any, other: str, torchs: Any) -> None:
    ours, theirs, opt, reference = both(name, options, other, torchs or options, "float64", False)
    for part in range(4):
        run(ours, theirs, opt, reference, STEPS // 4, seed=part)
        for optimizer in (opt, reference):
            optimizer.param_groups[0]["lr"] *= 0.5
    assert worst(ours, theirs) <= TOLERANCE["float64"]


@pytest.mark.parametrize("name", SAME)
def test_defaults_are_torchs(name: str) -> None:
    p, q = Tensor(np.ones(1), requires_grad=True), torch.nn.Parameter(torch.ones(1))
    given = {"lr": 1e-3} if name == "SGD" else {}
    ours, theirs = (
        m(params, **given).defaults for m, params in ((getattr(optim, name), [p]), (getattr(torch.optim, name), [q]))
    )
    shared = ours.keys() & theirs.keys()
    assert {key: ours[key] for key in shared} == {key: theirs[key] for key in shared}
    assert ours.keys() - theirs.keys() <= {"eps_placement"}
    # What torch has besides: how it computes, not what.
    assert theirs.keys() - ours.keys() <= {"foreach", "capturable", "differentiable", "fused"}


def test_what_the_states_stand_for() -> None:
    # The sums of which torch's averages are multiples, and what is held as torch holds it.
    for name, options, factors in [
        ("SGD", {"lr": 0.1, "momentum": 0.9}, {"momentum_buffer": ("momentum_buffer", 1)}),
        ("Adagrad", {}, {"sum": ("sum", 1)}),
        ("RMSprop", {"momentum": 0.9}, {"square_sum": ("square_avg", 0.01), "momentum_buffer": ("momentum_buffer", 1)}),
        ("RMSprop", {"centered": True}, {"grad_avg": ("grad_avg", 1)}),
        ("Adam", {}, {"grad_sum": ("exp_avg", 0.1), "square_sum": ("exp_avg_sq", 0.001)}),
        ("Adam", {"amsgrad": True}, {"max_square_sum": ("max_exp_avg_sq", 0.001)}),
        ("NAdam", {}, {"grad_sum": ("exp_avg", 0.1), "mu_product": ("mu_product", 1)}),
    ]:
        ours, theirs, opt, reference = both(name, options, "", options, "float64", False)
        run(ours, theirs, opt, reference, steps=5)
        for key, (torchs, factor) in factors.items():
            for p, q in zip(ours, theirs, strict=True):
                expected = reference.state[q][torchs].numpy()
                error = np.max(np.abs(factor * opt.state[p][key].data - expected)) / np.max(np.abs(expected))
                assert error <= TOLERANCE["float64"], (name, key)
