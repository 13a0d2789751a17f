"""Everything that the optimizers refuse, by exception and message."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_core import Tensor
from autograd_core.errors import ArgumentError, DTypeError, LeafError, ShapeError
from nn import Linear
from optim import SGD, Adadelta, Adagrad, Adam, AdamW, ChainedScheduler, ExponentialLR, Momentum, NAdam, RMSprop
from optim_cases import parameter


def bad(**options):
    return pytest.param(options, id=", ".join(f"{k}={v}" for k, v in options.items()))


@pytest.mark.parametrize(
    "options",
    [
        bad(lr=0),
        bad(lr=-0.1),
        bad(lr=np.nan),
        bad(lr=np.inf),
        bad(lr="0.1"),
        bad(lr=True),
        bad(betas=(1.0, 0.9)),
        bad(betas=(0.9, -0.1)),
        bad(betas=0.9),
        bad(betas=(0.9,)),
        bad(eps=-1e-8),
        bad(weight_decay=-1),
        bad(eps_placement="beside"),
        bad(amsgrad=np.array([1, 0])),
    ],
)
def test_options_outside_their_domain(options):
    [(name, value)] = options.items()
    p = parameter(np.ones(3))
    with pytest.raises(ArgumentError, match=rf"Adam: {name} must be .*, got .* in: Adam, called"):
        Adam([p], **options)
    with pytest.raises(ArgumentError, match=f"Adam: {name} must be"):
        Adam([{"params": [p], name: value}])
    opt = Adam([p])
    before = dict(opt.param_groups[0])
    with pytest.raises(ArgumentError, match=f"Adam: {name} must be"):
        opt.param_groups[0][name] = value
    assert dict(opt.param_groups[0]) == before


@pytest.mark.parametrize(
    ("optimizer", "name", "value"),
    [
        (Momentum, "gamma", 1.0),
        (Momentum, "gamma", -0.1),
        (Momentum, "form", "sum"),
        (Momentum, "weight_decay", -0.1),
        (Momentum, "maximize", "yes"),
        (Adagrad, "lr_decay", -0.1),
        (Adagrad, "initial_accumulator_value", -0.1),
        (Adagrad, "eps", -0.1),
        (RMSprop, "alpha", 1.0),
        (RMSprop, "momentum", -0.1),
        (RMSprop, "centered", None),
        (Adadelta, "gamma", 1.0),
        (Adadelta, "form", "hinton"),
        (AdamW, "betas", (0.9, 1.0)),
        (AdamW, "decoupled_weight_decay", False),
        (NAdam, "betas", (-0.1, 0.9)),
        (NAdam, "momentum_decay", -0.1),
    ],
)
def test_options_of_the_other_rules_outside_their_domain(optimizer, name, value):
    p = parameter(np.ones(3))
    message = rf"{optimizer.__name__}: {name} must be .*, got .* in: {optimizer.__name__}, called"
    if name != "decoupled_weight_decay":  # AdamW's constructor has no such argument
        with pytest.raises(ArgumentError, match=message):
            optimizer([p], **{"lr": 0.1, name: value})
    opt = optimizer([p], lr=0.1)
    before = opt.state_dict()
    with pytest.raises(ArgumentError, match=message):
        opt.param_groups[0][name] = value
    changed = opt.state_dict()
    changed["param_groups"][0][name] = value
    with pytest.raises(ArgumentError, match=rf"load_state_dict: {name} must be"):
        opt.load_state_dict(changed)
    assert opt.state_dict() == before


@pytest.mark.parametrize("optimizer", [SGD, Momentum, Adagrad, RMSprop, Adadelta, Adam, AdamW, NAdam])
def test_what_every_rule_refuses(optimizer):
    p = parameter(np.ones(3))
    for lr in (0, -1, np.nan):
        with pytest.raises(ArgumentError, match=f"{optimizer.__name__}: lr must be a number > 0"):
            optimizer([p], lr=lr)
    with pytest.raises(LeafError, match=f"{optimizer.__name__}: a parameter must be a leaf"):
        optimizer([p + 1], lr=0.1)
    with pytest.raises(ArgumentError, match="in one group, once"):
        optimizer([{"params": [p]}, {"params": [p]}], lr=0.1)
    with pytest.raises(ArgumentError, match=r"step: .* got None for all of them"):
        optimizer([p], lr=0.1).step()


def test_a_parameter_that_never_had_a_gradient_is_named_once():
    a, b, c, d = (parameter(np.ones(i + 1), name=name) for i, name in enumerate(["a", "b", None, "d"]))
    opt = SGD([{"params": [a, b]}, {"params": [c, d]}], lr=0.1)
    a.grad = Tensor(np.ones(1))
    d.grad = Tensor(np.ones(4))
    with pytest.warns(UserWarning, match=r"SGD\.step: .* got None so far for 'b', parameter 0 of group 1 \(sh") as said:
        opt.step()
    assert len(said) == 1
    assert said[0].filename == __file__  # at the line of step()
    opt.step()  # a warning is an error here: it is said once
    d.grad, b.grad = None, Tensor(np.ones(2))  # d rests: it has been updated before
    opt.step()
    opt.add_param_group({"params": [parameter(np.ones(1)) for _ in range(8)]})
    with pytest.warns(UserWarning, match=r"parameter 4 of group 2 \(shape \(1,\)\) and 3 more, skipped"):
        opt.step()


def test_nothing_has_changed_where_the_warning_is_an_error():
    a, b = parameter(np.ones(2)), parameter(np.ones(2))
    opt = Adam([a, b])
    a.grad = Tensor(np.ones(2))
    with pytest.raises(UserWarning, match="parameter 1 of group 0"):
        opt.step()
    np.testing.assert_array_equal(a.data, np.ones(2))
    assert not opt.state


def test_a_frozen_parameter_is_not_named():
    a, b = parameter(np.ones(2)), parameter(np.ones(2))
    opt = SGD([a, b], lr=0.1)
    b.requires_grad = False
    a.grad = Tensor(np.ones(2))
    opt.step()
    np.testing.assert_array_equal(b.data, np.ones(2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"momentum": -0.1}, r"momentum must be a number >= 0, got -0.1"),
        ({"dampening": np.inf}, r"dampening must be a number finite, got inf"),
        ({"nesterov": "yes"}, r"nesterov must be False or True, got 'yes'"),
        ({"nesterov": True}, r"nesterov needs momentum > 0 and dampening == 0, got momentum=0"),
        ({"nesterov": True, "momentum": 0.9, "dampening": 0.1}, r"got .* dampening=0.1; set them"),
    ],
)
def test_options_that_sgd_refuses(options, message):
    with pytest.raises(ArgumentError, match=message):
        SGD([parameter(np.ones(3))], lr=0.1, **options)


def test_a_combination_is_checked_when_an_option_is_set():
    opt = SGD([parameter(np.ones(3))], lr=0.1, momentum=0.9, nesterov=True)
    with pytest.raises(ArgumentError, match="nesterov needs momentum > 0"):
        opt.param_groups[0]["momentum"] = 0
    assert opt.param_groups[0]["momentum"] == 0.9


def test_options_that_do_not_exist():
    opt = SGD([parameter(np.ones(3))], lr=0.1)
    with pytest.raises(ArgumentError, match=r"an option must be one of .*, got 'Lr'"):
        opt.param_groups[0]["Lr"] = 0.1
    with pytest.raises(ArgumentError, match="an option cannot be deleted, got 'lr'"):
        del opt.param_groups[0]["lr"]
    with pytest.raises(ArgumentError, match=r"may have .*'lr'.*, got \['params', 'rate'\]"):
        opt.add_param_group({"params": [parameter(np.ones(2))], "rate": 0.1})
    assert len(opt.param_groups) == 1


def test_parameters_that_cannot_be_optimized():
    p = parameter(np.ones(3), name="w")
    with pytest.raises(ArgumentError, match="at least one parameter, got an empty sequence"):
        SGD([], lr=0.1)
    with pytest.raises(ArgumentError, match="at least one parameter, got none"):
        SGD([{"params": []}], lr=0.1)
    with pytest.raises(ArgumentError, match=r"got a single Tensor of shape \(3,\); wrap it"):
        SGD(p, lr=0.1)
    with pytest.raises(ArgumentError, match="must be a Tensor, got ndarray as parameter 1 of gr"):
        SGD([p, np.ones(3)], lr=0.1)
    with pytest.raises(LeafError, match=r"must be a leaf, got the output of multiply of shape"):
        SGD([p * 2], lr=0.1)
    with pytest.raises(LeafError, match="must require a gradient, got a tensor of shape"):
        SGD([Tensor(np.ones(3))], lr=0.1)
    with pytest.raises(ArgumentError, match=r"in one group, once, got 'w' of shape .* again as par"):
        SGD([p, p], lr=0.1)
    opt = SGD([p], lr=0.1)
    with pytest.raises(ArgumentError, match="again as parameter 0 of group 1"):
        opt.add_param_group({"params": [p]})
    assert len(opt.param_groups) == 1


def test_a_parameter_that_is_not_real():
    p = parameter(np.ones(3))
    p.data = np.ones(3, complex)
    with pytest.raises(DTypeError, match="must be real floating, got complex128 as parameter 0"):
        SGD([p], lr=0.1)


def test_a_step_without_any_gradient():
    p = parameter(np.ones(3))
    opt = SGD([p], lr=0.1)
    with pytest.raises(ArgumentError, match=r"SGD\.step: .* got None for all .* call backward\(\)"):
        opt.step()
    p.grad = Tensor(np.ones(3))
    opt.step()
    opt.zero_grad()
    before = p.data.copy()
    with pytest.raises(ArgumentError, match=r"zero_grad\(\) not between"):
        opt.step()
    np.testing.assert_array_equal(p.data, before)
    assert opt.state[p]["step"].item() == 1


@pytest.mark.parametrize("steps", [0, 1])
def test_shapes_that_no_longer_fit(steps):
    a, b = parameter(np.ones(2)), parameter(np.ones(3))
    opt = Adam([a, b])
    a.grad, b.grad = Tensor(np.ones(2)), Tensor(np.ones(3))
    for _ in range(steps):
        opt.step()
    before = a.data.copy()
    b.data = np.ones(4)
    with pytest.raises(ShapeError, match=r"got gradient \(3,\) for parameter 1 of group 0 of sh"):
        opt.step()
    if steps:
        b.grad = Tensor(np.ones(4))
        with pytest.raises(ShapeError, match=r"state must have .* got 'grad_sum' \(3,\) for par"):
            opt.step()
    np.testing.assert_array_equal(a.data, before)


def test_a_read_only_parameter():
    a, b = parameter(np.ones(2)), parameter(np.ones(3))
    b.data.flags.writeable = False
    a.grad, b.grad = Tensor(np.ones(2)), Tensor(np.ones(3))
    with pytest.raises(ArgumentError, match="must be writeable, got a read-only array as par"):
        SGD([a, b], lr=0.1).step()
    np.testing.assert_array_equal(a.data, np.ones(2))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (Linear(2, 2), "Adam: params must be Tensors, .* got Linear; pass model.parameters()"),
        (None, "Adam: params must be Tensors, .* got NoneType; pass a list"),
        (3, "Adam: params must be Tensors, .* got int; pass a list"),
        ("w", "Adam: params must be Tensors, .* got str; pass a list"),
        ({"params": [parameter(np.ones(3))]}, "Adam: params must be Tensors, .* got dict; pass a list"),
        ([{"params": None}], "Adam: params must be Tensors, .* got NoneType; pass a list"),
        ([{"params": Linear(2, 2)}], "Adam: params must be Tensors, .* got Linear; pass model.parameters()"),
        (
            [(parameter(np.ones(3)), parameter(np.ones(2)))],
            r"Adam: a parameter must be a Tensor, got tuple as parameter 0 of group 0; a pair is \(name, Tensor\), sev",
        ),
    ],
)
def test_what_is_no_sequence_of_parameters(params, message):
    with pytest.raises(ArgumentError, match=message + ".* in: Adam, called at test_optim_refusals"):
        Adam(params)


@pytest.mark.parametrize("make", [lambda o: ExponentialLR(o, 0.5), lambda o: ChainedScheduler([ExponentialLR(o, 0.5)])])
def test_what_is_no_state_of_a_schedule(make):
    schedule = make(SGD([parameter(np.ones(3))], lr=0.1))
    with pytest.raises(ArgumentError, match=r"\.load_state_dict: the state must be a dict, .* got None"):
        schedule.load_state_dict(None)
