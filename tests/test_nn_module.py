from __future__ import annotations

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
from small_net import Net


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


class Frozen(nn.BatchNorm):
    """The usual way to freeze batch norm."""

    def train(self, mode: bool = True) -> Frozen:
        return super().train(False)


def test_train_asks_the_modules_that_define_it() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(Frozen(2), nn.Dropout()))
    for _ in range(2):
        net.train()
        assert [m.training for m in net.modules()] == [True, True, True, False, True]
    modes: list[bool] = []
    net[0].train = modes.append  # an instance may define it, too
    net.eval().train()
    assert modes == [False, True]
    assert [m.training for m in net.modules()] == [True, True, True, False, True]


def test_train_of_a_module_that_freezes_what_it_holds() -> None:
    class Backbone(nn.Sequential):
        def train(self, mode: bool = True) -> Backbone:
            super().train(mode)
            self[1].eval()
            return self

    net = nn.Sequential(Backbone(nn.Linear(2, 2), nn.BatchNorm(2)), nn.Tanh()).eval().train()
    assert [m.training for m in net.modules()] == [True, True, True, False, True]


def test_train_visits_a_shared_module_once_and_ends_in_a_ring() -> None:
    calls: list[bool] = []
    shared = nn.Tanh()
    shared.train = calls.append  # type: ignore[assignment]
    net = Module()
    net.a, net.b = nn.Sequential(shared), nn.Sequential(shared)
    net.a.__dict__["ring"] = net  # assigning it is refused
    net.eval()
    assert calls == [False]
    assert not net.training
    assert not net.b.training
    outer, innermost = Module(), nn.Tanh()
    outer.a = outer.b = innermost
    for _ in range(40):  # 2^41 paths lead to the innermost
        outer, inner = Module(), outer
        outer.a = outer.b = inner
    outer.eval()
    assert not innermost.training


def test_zero_grad_and_apply() -> None:
    net = Net()
    net(Tensor(np.ones((4, 3), np.float32) * np.arange(4, dtype=np.float32)[:, None])).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    visited: list[str] = []
    assert net.apply(lambda m: visited.append(type(m).__name__)) is net
    assert visited == ["Linear", "BatchNorm", "Tanh", "Sequential", "Linear", "Net"]


# -- look-up


def test_paths_lead_to_modules_parameters_and_buffers() -> None:
    net = Net()
    assert net.get_submodule("") is net
    assert net.get_submodule("body.1") is net.body[1]
    assert net.get_parameter("body.0.weight") is net.body[0].weight
    assert net.head.get_parameter("weight") is net.head.weight
    assert net.get_buffer("body.1.running_mean") is net.body[1].running_mean


def test_shared_ones_can_be_listed_under_each_name() -> None:
    layer = nn.Linear(2, 2)
    net = nn.Sequential(layer, layer, nn.BatchNorm(2))
    net[2].register_buffer("again", net[2].running_mean)
    every = [n for n, _ in net.named_parameters(remove_duplicate=False)]
    assert every == ["0.weight", "0.bias", "1.weight", "1.bias", "2.weight", "2.bias"]
    assert [n for n, _ in net.named_parameters("p")] == ["p.0.weight", "p.0.bias", "p.2.weight", "p.2.bias"]
    assert [n for n, _ in net.named_buffers(remove_duplicate=False)][-1] == "2.again"
    assert [n for n, _ in net.named_buffers()][-1] == "2.num_batches_tracked"
    assert list(layer.state_dict(prefix="x.")) == ["x.weight", "x.bias"]


def test_names_that_are_not_identifiers() -> None:
    net = Module()
    net.add_module("0", nn.Tanh())
    net.register_module("1", None)
    net.register_parameter("w", Parameter([1.0]))
    net.register_parameter("v", None)
    net.register_parameter("w", Parameter([2.0]))
    net.add_module("1", nn.ReLU())
    assert [n for n, _ in net.named_children()] == ["0", "1"]
    assert [(n, p.item()) for n, p in net.named_parameters()] == [("w", 2)]
    assert net.v is None


@pytest.mark.parametrize(
    ("error", "message", "action"),
    [
        (AttributeError, "get_submodule: the path must lead to a module of this Net, got 'body.7'; there are body, "
         "body.0, body.1, body.2, head. in", lambda: Net().get_submodule("body.7")),
        (AttributeError, "lead to a module of this Net, got 'head.weight.x'",
         lambda: Net().get_submodule("head.weight.x")),
        (AttributeError, "get_parameter: the path must lead to a parameter of this Linear, got 'wieght'; there are "
         "weight, bias", lambda: nn.Linear(1, 1).get_parameter("wieght")),
        (AttributeError, "get_parameter: .* got 'body.1.running_mean'",
         lambda: Net().get_parameter("body.1.running_mean")),
        (AttributeError, "get_buffer: .* a buffer of this Linear, got 'weight'; there are none",
         lambda: nn.Linear(1, 1).get_buffer("weight")),
        (AttributeError, r"there are 0.weight, .*, \.\.\.\. in",
         lambda: nn.Sequential(*[nn.Linear(1, 1) for _ in range(6)]).get_parameter("x")),
        (ac.AutogradError, "add_module: the name must be a free one without dots, got 'a.b' on Module",
         lambda: Module().add_module("a.b", nn.Tanh())),
        (ac.AutogradError, "add_module: the name must be a free one without dots, got ''",
         lambda: Module().add_module("", nn.Tanh())),
        (ac.AutogradError, "add_module: the name must be a free one without dots, got 'forward'",
         lambda: Module().add_module("forward", nn.Tanh())),
        (ac.AutogradError, "add_module: the name must be a free one without dots, got 'weight'",
         lambda: nn.Linear(1, 1).add_module("weight", nn.Tanh())),
        (ac.AutogradError, "add_module: 'a' must be a Module or None, got type; pass an instance",
         lambda: Module().add_module("a", nn.Tanh)),
        (ac.AutogradError, "register_parameter: the name must be a free one without dots, got 'training'",
         lambda: Module().register_parameter("training", None)),
        (ac.AutogradError, "register_parameter: 'a' must be a Parameter or None, got ndarray; write nn.Parameter",
         lambda: Module().register_parameter("a", np.ones(1))),
        (ac.errors.DTypeError, "to: the dtype must be a real floating one, got .*int64",
         lambda: nn.Linear(1, 1).to(np.int64)),
        (ac.errors.DTypeError, "got 'cuda'; e.g. np.float32 .there is no device", lambda: nn.Linear(1, 1).to("cuda")),
        (ac.errors.DTypeError, "got None", lambda: nn.Linear(1, 1).to(None)),
        (ac.errors.DTypeError, "got .*complex64", lambda: nn.Linear(1, 1).to(np.complex64)),
    ],
)  # fmt: skip
def test_lookup_and_conversion_errors(error: type[Exception], message: str, action: Any) -> None:
    with pytest.raises(error, match=message) as caught:
        action()
    assert "called at test_nn_module.py:" in str(caught.value)


# -- what is hidden from an optimizer


@pytest.mark.parametrize(
    ("hidden", "message"),
    [
        ([nn.Tanh()], r"Module.parts: a Module in a plain list is not registered, .* use nn.ModuleList, or keep a"),
        ((nn.Tanh(),), "a plain tuple"),
        ({"a": nn.Tanh()}, "a plain dict is not registered, .* use nn.ModuleDict"),
        ([Parameter([1.0])], "a Parameter in a plain list .* use nn.ParameterList"),
        ({"a": Parameter([1.0])}, "use nn.ParameterDict"),
    ],
)
def test_modules_in_plain_containers_are_warned_of(hidden: Any, message: str) -> None:
    net = Module()
    net.parts = hidden
    outer = nn.Sequential(net)
    with pytest.warns(UserWarning, match=message) as caught:
        assert list(outer.parameters()) == []
    assert "called at test_nn_module.py:" in str(caught[0].message)


def test_other_lists_are_not_warned_of() -> None:
    net = Module()
    net.parts, net.sizes, net.names = [], [1, 2], {"a": np.tanh}
    net.hidden = lambda: net.parts
    assert list(net.parameters()) == []
    net.chosen = [nn.Linear(1, 1), nn.Tanh()]  # registered beside the list
    for i, module in enumerate(net.chosen):
        net.add_module(f"layer{i}", module)
    assert len(list(net.parameters())) == 2
    holder = nn.Sequential(net)
    net.above = (holder[0],)
    assert len(list(holder.parameters())) == 2


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


@pytest.mark.parametrize(
    ("error", "message", "action"),
    [
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


def test_an_attribute_is_of_one_kind_at_a_time() -> None:
    layer = Module()
    layer.register_buffer("a", np.ones(1))
    layer.a = Parameter([2.0])
    assert [n for n, _ in layer.named_parameters()] == ["a"]
    assert list(layer.buffers()) == []
    assert list(layer.state_dict()) == ["a"]
    layer.register_buffer("b", np.ones(1))
    layer.b = nn.Tanh()
    assert list(layer.buffers()) == []
    layer.register_buffer("c", np.ones(1))
    del layer.c
    layer.c = 3  # as the message about registered tensors says
    assert list(layer.buffers()) == []
    with pytest.raises(AttributeError):
        del layer.d


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
