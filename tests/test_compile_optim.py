"""Whole training steps, compiled: losses, parameters, gradients, statistics and optimizer states as uncompiled."""

import numpy as np
import pytest

import autograd_core as ac
import nn
import optim
from autograd_core import Tensor
from autograd_core.errors import TraceError
from optim_cases import CASES

STEPS = 5
X = np.random.RandomState(0).normal(size=(STEPS, 16, 6))
Y = np.random.RandomState(1).randint(0, 3, (STEPS, 16))


def model(dtype=np.float64):
    ac.random.seed(1)
    layers = [nn.Linear(6, 8, bias=False), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 3)]
    return nn.Sequential(*layers).to(dtype)


def close(got, wanted, tolerance=1e-9):
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(np.abs(b).max(initial=0), 1e-30))


def everything(net, optimizer):
    """Every array that a step changes."""
    state = optimizer.state_dict()["state"]
    found = [p.data for p in net.parameters()] + [b.data for b in net.buffers()]
    found += [p.grad.data for p in net.parameters() if p.grad is not None]
    return found + [np.asarray(x) for values in state.values() for x in values.values()]


def trained(kind, options, compiled, dtype=np.float64, zero_inside=True, clip=False, every=1):
    """Losses and arrays after five steps under a schedule; `every`: one step in so many is taken uncompiled."""
    net = model(dtype)
    optimizer = kind(net.parameters(), **({"lr": 0.01} | options))
    schedule = optim.StepLR(optimizer, 2, 0.5)
    criterion = nn.CrossEntropyLoss()

    def step(x, y):
        if zero_inside:
            optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        norm = optim.clip_grad_norm_(net.parameters(), 0.5) if clip else None
        optimizer.step()
        return loss, norm

    function = ac.compile(step) if compiled else step
    ac.random.seed(2)
    losses = []
    for i in range(STEPS):
        if not zero_inside:
            optimizer.zero_grad()
        loss, norm = (function if i % every == 0 else step)(X[i].astype(dtype), Y[i])
        losses += [loss.data] + ([] if norm is None else [norm.data])
        schedule.step()
    return losses + everything(net, optimizer), function


@pytest.mark.parametrize(("kind", "formula", "options"), CASES)
def test_a_training_step_with_every_optimizer(kind, formula, options):
    wanted, _ = trained(kind, options, False)
    got, function = trained(kind, options, True)
    close(got, wanted)
    assert sum(map(len, function._recordings.values())) == 1


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.NAdam])
def test_in_float32_the_numbers_are_rounded_where_they_meet_the_parameter(kind):
    close(trained(kind, {}, True, np.float32)[0], trained(kind, {}, False, np.float32)[0], 1e-5)


@pytest.mark.parametrize("settings", [{"zero_inside": False}, {"clip": True}, {"every": 2}], ids=str)
def test_variations_of_a_step(settings):
    close(trained(optim.Adam, {}, True, **settings)[0], trained(optim.Adam, {}, False, **settings)[0])


def test_parts_of_a_step_can_be_compiled():
    def observed(compiled):
        net = model()
        optimizer = optim.Adam(net.parameters())
        wrap = ac.compile if compiled else lambda f: f
        forward, clip, update = (
            wrap(net),
            wrap(lambda: optim.clip_grad_norm_(net.parameters(), 0.1)),
            wrap(optimizer.step),
        )
        ac.random.seed(2)
        norms = []
        for x in X:
            optimizer.zero_grad()
            (forward(x) ** 2).sum().backward()
            norms.append(clip().data)
            update()
        return norms + everything(net, optimizer)

    close(observed(True), observed(False))


def test_parameters_are_written_in_place():
    net = model()
    arrays = [p.data for p in net.parameters()]
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    @ac.compile
    def step(x):
        (net(x) ** 2).sum().backward()
        optimizer.step()

    step(X[0])
    assert all(p.data is a for p, a in zip(net.parameters(), arrays, strict=True))


def test_a_parameter_that_rests_keeps_its_count():
    def observed(compiled):
        a, b = (Tensor(np.ones(3), requires_grad=True) for _ in range(2))
        optimizer = optim.Adam([a, b], lr=0.1)

        def both(x):
            optimizer.zero_grad()
            (a * x + b).sum().backward()
            optimizer.step()

        def one(x):
            optimizer.zero_grad()
            (a * x).sum().backward()
            optimizer.step()

        both_, one_ = (ac.compile(both), ac.compile(one)) if compiled else (both, one)
        for f in (both_, one_, one_, both_, both):
            f(np.arange(3.0))
        return [a.data, b.data, *(np.asarray(v) for s in optimizer.state_dict()["state"].values() for v in s.values())]

    close(observed(True), observed(False))


def test_options_and_loaded_states_are_seen():
    def observed(compiled):
        w = Tensor(np.ones(3), requires_grad=True)
        optimizer = optim.Adam([w], lr=0.1)

        def step(x):
            optimizer.zero_grad()
            (w**2 * x).sum().backward()
            optimizer.step()

        f = ac.compile(step) if compiled else step
        f(np.arange(3.0))
        saved = optimizer.state_dict()
        optimizer.param_groups[0]["lr"] = 0.2
        f(np.arange(3.0))
        optimizer.param_groups[0]["weight_decay"] = 0.1
        f(np.arange(3.0))
        optimizer.load_state_dict(saved)
        f(np.arange(3.0))
        extra = Tensor(np.ones(3), requires_grad=True)
        optimizer.add_param_group({"params": [extra]})
        extra.grad = np.ones(3)
        f(np.arange(3.0))
        return [
            w.data,
            extra.data,
            *(np.asarray(v) for s in optimizer.state_dict()["state"].values() for v in s.values()),
        ]

    with pytest.warns(UserWarning, match="every parameter should have a gradient"):
        wanted = observed(False)
    with pytest.warns(UserWarning, match="every parameter should have a gradient"):
        got = observed(True)
    close(got, wanted)


def test_zero_grad_to_zeros_and_gradients_set_by_hand():
    def observed(compiled):
        net = nn.Linear(3, 2, dtype=np.float64)
        net.weight.data, net.bias.data = np.ones((2, 3)), np.ones(2)
        optimizer = optim.SGD(net.parameters(), lr=0.1)

        def step(x):
            net.zero_grad(set_to_none=False)
            (net(x) ** 2).sum().backward()
            net.bias.grad = net.bias.grad * 2
            optimizer.step()

        f = ac.compile(step) if compiled else step
        for i in range(3):
            f(X[i][:, :3])
        return everything(net, optimizer)

    close(observed(True), observed(False))


def test_a_step_without_any_gradient_is_refused():
    optimizer = optim.SGD([Tensor(np.ones(2), requires_grad=True)], lr=0.1)
    with pytest.raises(ac.errors.ArgumentError, match="at least one parameter must have a gradient"):
        ac.compile(optimizer.step)()


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_memory_that_is_read_only_is_not_written_to(backend):
    w = Tensor(np.ones(8), requires_grad=True)
    optimizer = optim.Momentum([w], lr=0.1)

    @ac.compile(backend=backend)
    def step():
        optimizer.zero_grad()
        (w * w).sum().backward()
        optimizer.step()

    step()
    step()
    velocity = {k: t.data.copy() for k, t in optimizer.state[w].items()}
    memory = np.ones(8).tobytes()
    w.data = np.frombuffer(memory)
    with pytest.raises(TraceError, match=r"must be writable, got a read-only array of shape \(8,\)"):
        step()
    assert memory == np.ones(8).tobytes()
    for k, before in velocity.items():
        np.testing.assert_array_equal(optimizer.state[w][k].data, before)
