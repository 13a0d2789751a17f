"""State dicts and copies of optimizers: what is saved, restored and refused."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor
from autograd_core.errors import ArgumentError
from optim import SGD, Adadelta, Adam, Momentum, NAdam, RMSprop
from optim_cases import CASES, parameter


@pytest.mark.parametrize(("optimizer", "formula", "options"), CASES)
def test_state_dict_restores_bit_for_bit(optimizer, formula, options):
    rng = np.random.default_rng(9)
    shapes = [(7, 5), (130, 100), (), (4,)]
    starts = [rng.normal(size=shape) for shape in shapes]
    grads = [[rng.normal(size=shape) for shape in shapes] for _ in range(6)]
    options = {"lr": 1e-3} | options

    def run(opt, params, steps):
        for t in steps:
            for p, g in zip(params, grads[t], strict=True):
                p.grad = Tensor(g)
            opt.step()

    params = [parameter(start.copy()) for start in starts]
    opt = optimizer(params, **options)
    run(opt, params, range(3))
    saved = opt.state_dict()
    resumed = [parameter(p.data.copy()) for p in params]
    run(opt, params, range(3, 6))
    other = optimizer([{"params": resumed, "lr": 5.0}], **options)
    other.load_state_dict(saved)
    run(other, resumed, range(3, 6))
    for p, q in zip(params, resumed, strict=True):
        np.testing.assert_array_equal(p.data, q.data)
    same(other.state_dict(), opt.state_dict())


def test_state_dict_is_a_snapshot_of_plain_values():
    p = parameter(np.ones(3))
    opt = Adam([p], betas=(0.5, 0.5))
    assert opt.state_dict()["state"] == {}
    p.grad = Tensor(np.ones(3))
    opt.step()
    saved = opt.state_dict()
    opt.step()
    assert saved["param_groups"] == [
        {
            "params": [0],
            "lr": 1e-3,
            "betas": (0.5, 0.5),
            "eps": 1e-8,
            "eps_placement": "outside",
            "weight_decay": 0.0,
            "amsgrad": False,
            "maximize": False,
            "decoupled_weight_decay": False,
        }
    ]
    assert saved["state"][0]["step"] == 1
    np.testing.assert_array_equal(saved["state"][0]["grad_sum"], np.ones(3))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copied_optimizer_goes_on_alone(duplicate):
    p = parameter(np.ones(3))
    opt = SGD([p], lr=1.0, momentum=0.5)
    p.grad = Tensor(np.ones(3))
    opt.step()
    q, other = duplicate((p, opt))
    other.step()
    np.testing.assert_array_equal(p.data, np.zeros(3))
    np.testing.assert_array_equal(q.data, np.full(3, -1.5))
    np.testing.assert_array_equal(opt.state[p]["momentum_buffer"].data, np.ones(3))


def same(a, b):
    """The same nested dict, bit for bit."""
    assert a["optimizer"] == b["optimizer"]
    assert a["param_groups"] == b["param_groups"]
    assert [*a["state"]] == [*b["state"]]
    for i in a["state"]:
        assert [*a["state"][i]] == [*b["state"][i]]
        for key, value in a["state"][i].items():
            np.testing.assert_array_equal(value, b["state"][i][key])


def saved_adam():
    p = parameter(np.ones(3))
    opt = Adam([p])
    p.grad = Tensor(np.ones(3))
    opt.step()
    return opt, opt.state_dict()


def _change(path, value):
    def change(saved):
        *way, last = path
        for key in way:
            saved = saved[key]
        saved[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_change(["optimizer"], "SGD"), "the saved optimizer must be 'Adam', got 'SGD'; load it"),
        (_change(["more"], 1), r"the keys of the dict must be .* got \['more'"),
        (_change(["param_groups"], []), r"parameters per group must be \[1\], got \[\]"),
        (
            _change(["param_groups", 0, "params"], [0, 1]),
            r"parameters per group must be \[1\], got \[2\]",
        ),
        (_change(["param_groups", 0, "params"], [1]), r"numbers of the parameters must be \[0\]"),
        (_change(["param_groups", 0, "momentum"], 0.9), "names of the options must be"),
        (_change(["param_groups", 0, "lr"], -1), "lr must be a number >= 0, got -1"),
        (
            _change(["state", 1], {"step": 1}),
            r"numbers of the states must be among \[0\], got \[0, 1\]",
        ),
        (
            _change(["state", 0, "velocity"], np.ones(3)),
            "the state of parameter 0 must be among {.*}, got {.*velocity",
        ),
        (
            _change(["state", 0, "grad_sum"], np.ones(4)),
            r"the shape of 'grad_sum' of parameter 0 must be \(3,\), got \(4,\)",
        ),
        (
            _change(["state", 0, "grad_sum"], np.ones(3, "float32")),
            r"the dtype of 'grad_sum' of parameter 0 must be .*float64'\), got .*float32'\)",
        ),
        (_change(["param_groups"], None), "'param_groups' must be a list of dicts, got NoneType; load what state_dict"),
        (_change(["param_groups", 0], 3), "a group of 'param_groups' must be a dict, got int"),
        (
            lambda saved: saved["param_groups"][0].pop("params"),
            "'params' of a group must be a list of numbers, got Non",
        ),
        (_change(["state"], []), "'state' must be a dict, got list"),
        (_change(["state", 0], [1]), "the state of a parameter must be a dict, got list"),
        (
            _change(["state", 0, "step"], "two"),
            "'step' of parameter 0 must be a number >= 0 without fraction, got 'two'",
        ),
        (_change(["state", 0, "step"], -1), "'step' of parameter 0 must be a number >= 0 without fraction, got -1"),
        (_change(["state", 0, "step"], 1.5), "'step' of parameter 0 must be a number >= 0 without fraction, got 1.5"),
        (
            _change(["state", 0, "step"], np.ones(2)),
            "'step' of parameter 0 must be a number >= 0 without fraction, got ",
        ),
    ],
)
def test_state_dicts_that_do_not_fit(change, message):
    opt, saved = saved_adam()
    before = opt.state_dict()
    saved["param_groups"][0]["eps"] = 1e-3  # would be seen if it were taken over
    change(saved)
    with pytest.raises(ArgumentError, match=rf"Adam\.load_state_dict: .*{message}"):
        opt.load_state_dict(saved)
    same(opt.state_dict(), before)


def test_the_numbers_of_a_state_are_restored_and_required():
    p = parameter(np.ones(3))
    opt = NAdam([p], betas=(0.5, 0.9), momentum_decay=0.0)
    p.grad = Tensor(np.ones(3))
    opt.step()
    opt.step()
    saved = opt.state_dict()
    assert saved["state"][0]["mu_product"] == 0.25**2  # μ = β1 / 2 where it does not grow
    saved["state"][0]["mu_product"] = 0.5  # as a file may hold it: a plain number
    opt.load_state_dict(saved)
    assert opt.state[p]["mu_product"].item() == 0.5
    opt.step()
    assert opt.state[p]["mu_product"].item() == 0.125
    del saved["state"][0]["mu_product"]
    with pytest.raises(
        ArgumentError, match=r"numbers in the state of parameter 0 must be \['step', 'mu_product'\], got"
    ):
        opt.load_state_dict(saved)
    assert opt.state[p]["mu_product"].item() == 0.125


def test_a_static_option_that_was_switched_leaves_a_state_that_loads():
    p = parameter(np.ones(3))
    for opt, name, value in [
        (Adam([p], amsgrad=True), "amsgrad", False),
        (Momentum([p], lr=0.1), "form", "accumulate"),
        (RMSprop([p], centered=True), "centered", False),
        (Adadelta([p], lr=0.1, form="zeiler"), "form", "notes"),
    ]:
        p.grad = Tensor(np.ones(3))
        opt.step()
        opt.param_groups[0][name] = value
        opt.step()
        saved = opt.state_dict()
        opt.load_state_dict(saved)
        same(opt.state_dict(), saved)


@pytest.mark.parametrize(("optimizer", "formula", "options"), CASES)
def test_another_optimizers_state_is_refused(optimizer, formula, options):
    p = parameter(np.ones(3))
    other = type("Other", (optimizer,), {})([p], **{"lr": 1e-3} | options)
    p.grad = Tensor(np.ones(3))
    other.step()
    opt = optimizer([p], **{"lr": 1e-3} | options)
    with pytest.raises(ArgumentError, match=rf"saved optimizer must be '{optimizer.__name__}', got 'Other'; load"):
        opt.load_state_dict(other.state_dict())
    assert not opt.state


def test_sgd_loads_what_sgd_saved_with_other_options():
    # Which state there is depends on the momentum; the saved options come along.
    p, q = parameter(np.ones(3)), parameter(np.ones(3))
    a, b = SGD([p], lr=0.1, momentum=0.9), SGD([q], lr=0.1)
    p.grad = q.grad = Tensor(np.ones(3))
    a.step()
    b.load_state_dict(a.state_dict())
    assert b.param_groups[0]["momentum"] == 0.9
    q.data = p.data.copy()
    a.step()
    b.step()
    np.testing.assert_array_equal(p.data, q.data)


@pytest.mark.parametrize("compiled", [False, True])
def test_momentum_that_is_switched_on_later_begins_with_the_gradient(compiled):
    """As in PyTorch, whose buffer is made then, and which keeps it while momentum is off."""
    p, q, b = parameter(np.ones(3)), np.ones(3), None
    optimizer = SGD([p], lr=0.1, dampening=0.3)

    def step(g):
        p.grad = g * 1
        optimizer.step()

    function = ac.compile(step) if compiled else step
    rng = np.random.default_rng(0)
    for momentum in (0, 0, 0.9, 0.9, 0, 0.5, 0.5):
        optimizer.param_groups[0]["momentum"] = momentum
        optimizer.load_state_dict(optimizer.state_dict())
        g = rng.normal(size=3)
        function(Tensor(g))
        if momentum:
            b = g if b is None else momentum * b + (1 - 0.3) * g
        q = q - 0.1 * (b if momentum else g)
        np.testing.assert_allclose(p.data, q, rtol=1e-14)


def test_states_of_sgd_that_were_saved_without_a_count_of_momentum_go_on():
    p = parameter(np.ones(3))
    optimizer = SGD([p], lr=0.1, momentum=0.9, dampening=0.3)
    for _ in range(2):
        p.grad = Tensor(np.ones(3))
        optimizer.step()
    saved = optimizer.state_dict()
    assert saved["state"][0].pop("momentum_step") == 2
    optimizer.load_state_dict(saved)
    assert optimizer.state_dict()["state"][0]["momentum_step"] == 2


@pytest.mark.parametrize("saved", [None, 3, []])
def test_what_is_no_state_dict(saved):
    opt, _ = saved_adam()
    with pytest.raises(
        ArgumentError, match=r"Adam.load_state_dict: the state must be a dict, got \w+; load what state"
    ):
        opt.load_state_dict(saved)
