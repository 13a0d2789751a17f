"""Copies of modules, and conversions in place."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import autograd_core as ac
import nn
from autograd_core import Tensor
from small_net import Net


@pytest.fixture(autouse=True)
def _seeded() -> None:
    ac.random.seed(0)


# -- copies


def test_deepcopy_is_independent() -> None:
    net = Net()
    twin = copy.deepcopy(net)
    twin.head.weight.data[:] = 7
    assert not np.any(net.head.weight.data == 7)
    assert [n for n, _ in twin.named_parameters()] == [n for n, _ in net.named_parameters()]


def test_deepcopy_after_a_step_is_independent() -> None:
    net = Net()
    net.head.register_forward_hook(lambda m, a, out: out * 2)
    tied = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    tied[1].weight = tied[0].weight
    net.tied = tied
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    net(net.tied(x)).sum().backward()
    views = [net.head.weight[0], net.head.weight.T]  # a tensor that has views is copied without them
    expected = net.eval()(net.tied(x)).data
    twin = copy.deepcopy(net)
    np.testing.assert_array_equal(twin(twin.tied(x)).data, expected)
    assert not twin.body.training
    assert twin.tied[1].weight is twin.tied[0].weight, "tied in the copy as in the original"
    ours = [*net.parameters(), *net.buffers()]
    theirs = [*twin.parameters(), *twin.buffers()]
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        assert a is not b
        assert not np.shares_memory(a.data, b.data)
        assert type(a) is type(b)
        assert a.requires_grad == b.requires_grad
        assert a.name == b.name
    for a, b in zip(net.parameters(), twin.parameters()):
        np.testing.assert_array_equal(a.grad.data, b.grad.data)
        assert not np.shares_memory(a.grad.data, b.grad.data)
    twin.train()(twin.tied(x)).sum().backward()
    assert twin.body[1].num_batches_tracked.item() == 2
    assert net.body[1].num_batches_tracked.item() == 1
    with ac.no_grad():
        twin.head.weight[0] = 0
    assert np.any(views[0].data != 0)
    handle = twin.head.register_forward_hook(lambda m, a, out: out)
    assert len(twin.head._hooks.after) == 2
    assert len(net.head._hooks.after) == 1
    handle.remove()


def test_pickle_round_trip() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm(4), nn.ModuleList([nn.Tanh()]))
    net[1:2](net[:1](np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32))).sum().backward()
    view = net[0].weight[0]
    twin = pickle.loads(pickle.dumps(net.eval()))
    assert view.shape == (3,)
    assert repr(twin) == repr(net)
    assert not twin[1].training
    for (key, a), (other, b) in zip(net.state_dict().items(), twin.state_dict().items()):
        assert key == other
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(twin[1](twin[0](x)).data, net[1](net[0](x)).data)
    assert "_states" in net[0].__dict__
    assert "_states" not in net[0].__getstate__()


# -- dtypes, freezing


def test_to_converts_parameters_gradients_and_floating_buffers() -> None:
    net = Net()
    x = np.random.default_rng(0).normal(size=(5, 3))
    net(x.astype(np.float32)).sum().backward()
    before = {name: (t, t.data.copy()) for name, t in [*net.named_parameters(), *net.named_buffers()]}
    assert net.double() is net
    for name, tensor in [*net.named_parameters(), *net.named_buffers()]:
        assert tensor is before[name][0], "an optimizer keeps its parameters"
        np.testing.assert_array_equal(tensor.data, before[name][1])
        assert tensor.dtype == (np.int64 if "tracked" in name else np.float64)
    assert all(p.grad.dtype == np.float64 for p in net.parameters())
    assert net(x).dtype == np.float64
    net.zero_grad()
    net(x).sum().backward()
    assert {p.dtype for p in net.float().parameters()} == {p.grad.dtype for p in net.parameters()} == {np.dtype("f4")}
    assert {p.dtype for p in net.half().parameters()} == {np.dtype("f2")}
    assert net.to("float32").head.weight.dtype == np.float32


def test_to_raises_the_version() -> None:
    layer = nn.Linear(2, 2)
    out = layer(Tensor(np.ones((1, 2), np.float32), requires_grad=True))
    layer.double()
    with pytest.raises(ac.errors.VersionError, match="changed it"):
        out.sum().backward()


def test_requires_grad_freezes_and_thaws() -> None:
    net = Net()
    assert net.body.requires_grad_(False) is net.body
    assert [p.requires_grad for p in net.parameters()] == [False] * 4 + [True]
    net(np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)).sum().backward()
    assert [p.grad is None for p in net.parameters()] == [True] * 4 + [False]
    assert all(p.requires_grad for p in net.requires_grad_().parameters())
