from __future__ import annotations

import copy
import io
import pathlib
import re
import tokenize
from typing import Any

import numpy as np
import pytest

import autograd_core as ac
import nn
from autograd_core import Tensor
from nn.module import Module, Parameter
from nn.state import StateDictError


class Net(Module):
    def __init__(self) -> None:
        self.body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm(4), nn.Tanh())
        self.head = nn.Linear(4, 2, bias=False)

    def forward(self, x: Any) -> Any:
        return self.head(self.body(x))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    ac.random.seed(0)


# -- parameters


def test_parameter_is_float32_unless_given_an_array() -> None:
    assert Parameter([1, 2]).dtype == np.float32
    assert Parameter(0.5).dtype == np.float32
    assert Parameter(np.ones(2)).dtype == np.float64
    assert Parameter(np.ones(2), dtype=np.float32).dtype == np.float32
    assert Parameter(np.ones(2)).requires_grad
    assert not Parameter(np.ones(2), requires_grad=False).requires_grad
    array = np.ones(2)
    assert Parameter(array).data is array


def test_integer_parameter_is_refused() -> None:
    with pytest.raises(ac.errors.DTypeError, match="must be floating"):
        Parameter(np.arange(3))


def test_parameters_and_buffers_have_their_paths_in_order() -> None:
    net = Net()
    assert [n for n, _ in net.named_parameters()] == [
        "body.0.weight", "body.0.bias", "body.1.weight", "body.1.bias", "head.weight",
    ]  # fmt: skip
    assert [n for n, _ in net.named_buffers()] == [
        "body.1.running_mean", "body.1.running_var", "body.1.num_batches_tracked",
    ]  # fmt: skip
    assert list(net.named_parameters(recurse=False)) == []
    assert [n for n, _ in net.head.named_parameters("x", recurse=False)] == ["x.weight"]
    assert [p is q for p, (_, q) in zip(net.parameters(), net.named_parameters())] == [True] * 5
    assert [b is c for b, (_, c) in zip(net.buffers(), net.named_buffers())] == [True] * 3
    assert not any(b.requires_grad for b in net.buffers())
    assert [n for n, _ in net.named_modules()] == [
        "", "body", "body.0", "body.1", "body.2", "head",
    ]  # fmt: skip
    assert [n for n, _ in net.named_children()] == ["body", "head"]
    assert list(net.children()) == [net.body, net.head]
    assert net.head.weight.name == "weight"


def test_shared_parameters_and_modules_are_listed_once() -> None:
    layer = nn.Linear(2, 2)
    net = nn.Sequential(layer, nn.Tanh(), layer)
    assert [n for n, _ in net.named_parameters()] == ["0.weight", "0.bias"]
    assert len(list(net.modules())) == 3
    assert sorted(net.state_dict()) == ["0.bias", "0.weight", "2.bias", "2.weight"]
    assert len(list(net)) == len(net) == 3
    tied = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    tied[1].weight = tied[0].weight
    assert [n for n, _ in tied.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
    tied[1].register_buffer("b", np.ones(1))
    tied[0].register_buffer("b", tied[1].b)
    assert [n for n, _ in tied.named_buffers()] == ["0.b"]
    tied.load_state_dict({k: v * 0 for k, v in tied.state_dict().items()})
    assert tied[1].weight is tied[0].weight


# -- modes, gradients, apply


def test_train_and_eval_reach_every_module() -> None:
    net = Net()
    assert net.training
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    assert net.train() is net
    assert all(m.training for m in net.modules())


def test_zero_grad_and_apply() -> None:
    net = Net()
    net(Tensor(np.ones((4, 3), np.float32) * np.arange(4, dtype=np.float32)[:, None])).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    visited: list[str] = []
    assert net.apply(lambda m: visited.append(type(m).__name__)) is net
    assert visited == ["Linear", "BatchNorm", "Tanh", "Sequential", "Linear", "Net"]


# -- state


def test_state_dict_round_trip() -> None:
    source, target = Net(), Net()
    source(np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32))
    state = source.state_dict()
    assert {k: v.shape for k, v in state.items()} == {
        "body.0.weight": (4, 3), "body.0.bias": (4,), "body.1.weight": (4,), "body.1.bias": (4,),
        "body.1.running_mean": (4,), "body.1.running_var": (4,),
        "body.1.num_batches_tracked": (), "head.weight": (2, 4),
    }  # fmt: skip
    before = {k: t.data for k, t in target._state_tensors().items()}
    report = target.load_state_dict(state)
    assert report == ([], [])
    for key, tensor in target._state_tensors().items():
        np.testing.assert_array_equal(tensor.data, state[key])
        assert tensor.data is before[key], "written in place"
        assert not np.shares_memory(tensor.data, state[key])
        assert not np.shares_memory(source._state_tensors()[key].data, state[key])
    assert target.body[1].num_batches_tracked.item() == 1


def test_load_state_dict_lists_everything_and_loads_nothing() -> None:
    net = Net()
    state = {k: v + 1 for k, v in net.state_dict().items()}
    before = net.state_dict()
    del state["body.0.bias"]
    state["extra"] = np.ones(1)
    state["head.weight"] = np.ones((2, 5))
    state["body.1.num_batches_tracked"] = np.array(1.5)
    state["body.1.bias"] = "nothing"
    with pytest.raises(StateDictError) as caught:
        net.load_state_dict(state)
    message = str(caught.value)
    for line in (
        "5 that differ",
        "missing body.0.bias (4,)",
        "unexpected extra",
        "head.weight has shape (2, 5), must be (2, 4)",
        "body.1.num_batches_tracked has dtype float64, must convert to int64",
        "body.1.bias is not an array",
        "Nothing was loaded; build the module",
        "called at test_nn_module.py:",
    ):
        assert line in message
    for key, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[key])


def test_load_state_dict_not_strict_returns_the_keys() -> None:
    net = Net()
    report = net.load_state_dict({"head.weight": np.full((2, 4), 3.0), "extra": [1]}, strict=False)
    assert "body.0.weight" in report.missing_keys
    assert report.unexpected_keys == ["extra"]
    np.testing.assert_array_equal(net.head.weight.data, 3)
    assert net.head.weight.dtype == np.float32
    with pytest.raises(StateDictError, match=r"head.weight has shape"):
        net.load_state_dict({"head.weight": np.ones(3)}, strict=False)


def test_load_state_dict_raises_the_version() -> None:
    layer = nn.Linear(2, 2)
    out = layer(Tensor(np.ones((1, 2), np.float32), requires_grad=True))
    layer.load_state_dict(layer.state_dict())
    with pytest.raises(ac.errors.VersionError, match="load_state_dict changed it"):
        out.sum().backward()


def test_load_state_dict_into_a_read_only_array() -> None:
    array = np.zeros(2, np.float32)
    array.flags.writeable = False
    layer = nn.Linear(3, 2)
    layer.bias = Parameter(array)
    layer.load_state_dict({"weight": np.ones((2, 3)), "bias": np.ones(2)})
    np.testing.assert_array_equal(layer.bias.data, 1)


def test_deepcopy_is_independent() -> None:
    net = Net()
    twin = copy.deepcopy(net)
    twin.head.weight.data[:] = 7
    assert not np.any(net.head.weight.data == 7)
    assert [n for n, _ in twin.named_parameters()] == [n for n, _ in net.named_parameters()]


# -- hooks


def test_forward_hooks_see_and_replace() -> None:
    layer = nn.Sequential(nn.Tanh())[0]
    seen: list[Any] = []

    def before(module: Module, args: Any) -> Any:
        seen.append((module, args))
        return args[0] + 1

    def after(module: Module, args: Any, out: Any) -> Any:
        seen.append((args, out))
        return out * 2

    first = layer.register_forward_pre_hook(before)
    second = layer.register_forward_hook(after)
    watcher = layer.register_forward_hook(lambda m, a, out: None)
    x = Tensor(np.array([0.5]))
    np.testing.assert_allclose(layer(x).data, 2 * np.tanh(1.5))
    assert seen[0] == (layer, (x,))
    assert seen[1][0][0].data == 1.5
    first.remove()
    first.remove()
    np.testing.assert_allclose(layer(x).data, 2 * np.tanh(0.5))
    second.remove()
    watcher.remove()
    np.testing.assert_allclose(layer(x).data, np.tanh(0.5))
    assert layer._hooks is None


# -- registration


def test_repr_is_nested() -> None:
    assert repr(Net()) == (
        "Net(\n"
        "  (body): Sequential(\n"
        "    (0): Linear(in_features=3, out_features=4, bias=True)\n"
        "    (1): BatchNorm(4, eps=1e-05, momentum=0.1)\n"
        "    (2): Tanh()\n"
        "  )\n"
        "  (head): Linear(in_features=4, out_features=2, bias=False)\n"
        ")"
    )
    layer = nn.BatchNorm(
        2, feature_axis=0, eps_placement="deviation", momentum=None, affine=False,
        track_running_stats=False,
    )  # fmt: skip
    assert repr(layer) == (
        "BatchNorm(2, eps=1e-05, momentum=None, feature_axis=0, eps_placement='deviation', "
        "affine=False, track_running_stats=False)"
    )
    assert repr(nn.MSELoss("sum")) == "MSELoss(reduction='sum')"
    assert repr(nn.Sequential()) == "Sequential()"


def test_sequential_takes_names_slices_and_more() -> None:
    net = nn.Sequential({"a": nn.Linear(2, 3), "b": nn.Tanh()})
    assert [n for n, _ in net.named_children()] == ["a", "b"]
    assert net[-1] is net.b
    assert list(net[:1]) == [net.a]
    assert net.append(nn.ReLU())[2] is getattr(net, "2")
    x = np.ones((1, 2), np.float32)
    np.testing.assert_array_equal(net[:1](x).data, net.a(x).data)
    assert nn.Sequential()(x) is x


@pytest.mark.parametrize(
    ("error", "message", "action"),
    [
        (ac.AutogradError, "every element must be a Module, got ufunc", lambda: nn.Sequential(np.tanh)),
        (IndexError, r"the index must be in \[-1, 1\), got 1", lambda: nn.Sequential(nn.Tanh())[1]),
        (NotImplementedError, "a module must define forward", lambda: Module()(1)),
        (ac.AutogradError, r"Linear.weight: a registered tensor .* got ndarray; write .weight.data",
         lambda: setattr(nn.Linear(1, 1), "weight", np.ones((1, 1)))),
        (ac.AutogradError, "BatchNorm.running_mean: a registered tensor .* got list",
         lambda: setattr(nn.BatchNorm(1), "running_mean", [0.0])),
        (ac.AutogradError, "Net.head: a registered module must be replaced by its like",
         lambda: setattr(Net(), "head", 3)),
        (ac.AutogradError, "name must be a free identifier, got 'forward'",
         lambda: Module().register_buffer("forward", np.ones(1))),
        (ac.AutogradError, "a buffer must not require a gradient",
         lambda: Module().register_buffer("b", Tensor(1.0, requires_grad=True))),
        (ac.AutogradError, "in_features must be a positive integer, got 0", lambda: nn.Linear(0, 1)),
        (ac.AutogradError, "out_features must be a positive integer, got 1.5", lambda: nn.Linear(1, 1.5)),
    ],
)  # fmt: skip
def test_registration_errors(error: type[Exception], message: str, action: Any) -> None:
    with pytest.raises(error, match=message) as caught:
        action()
    assert "test_nn_module.py:" in str(caught.value)


def test_a_module_cannot_contain_itself() -> None:
    net = Net()
    with pytest.raises(ac.AutogradError, match="modules must form a tree, got 'up'"):
        net.body.up = net


def test_replacing_and_removing_registered_attributes() -> None:
    net = Net()
    net.head = nn.Linear(4, 5)
    net.head.bias = None
    net.body[1].running_mean = Tensor(np.ones(4, np.float32))
    assert "head.bias" not in net.state_dict()
    assert net.state_dict()["body.1.running_mean"].sum() == 4
    layer = Module()
    layer.register_buffer("b", np.ones(1), persistent=False)
    layer.register_buffer("b", np.zeros(1), persistent=False)
    assert list(layer.state_dict()) == []
    assert [n for n, _ in layer.named_buffers()] == ["b"]


def test_no_calculus_in_nn() -> None:
    files = sorted(pathlib.Path(nn.__file__).parent.rglob("*.py"))
    assert len(files) > 5
    for path in files:
        assert forbidden(path.read_text("utf-8")) == [], path.name
    assert forbidden("@op('elementwise')\ndef f(a): ...\nf.vjp(a=lambda g: g)\n") == ["op", "vjp"]
    assert forbidden("def backward(self, g): ...") == ["backward"]


def forbidden(source: str) -> list[str]:
    """Names that only a gradient rule needs; comments and docstrings may use the words."""
    pattern = re.compile(r"vjp|jvp|op|\w*backward\w*|register_hook|grad_fn")
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return [t.string for t in tokens if t.type == tokenize.NAME and pattern.fullmatch(t.string)]
