"""Modules that hold modules or parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_core as ac
import nn
from autograd_core import Tensor
from nn.module import Module, Parameter

# -- Sequential


def test_sequential_takes_names_slices_and_more() -> None:
    net = nn.Sequential({"a": nn.Linear(2, 3), "b": nn.Tanh()})
    assert [n for n, _ in net.named_children()] == ["a", "b"]
    assert net[-1] is net.b
    assert list(net[:1]) == [net.a]
    assert net.append(nn.ReLU())[2] is getattr(net, "2")
    x = np.ones((1, 2), np.float32)
    np.testing.assert_array_equal(net[:1](x).data, net.a(x).data)
    assert nn.Sequential()(x) is x


def layers(n: int) -> list[nn.Linear]:
    return [nn.Linear(2, 2) for _ in range(n)]


def test_sequential_changes_in_place() -> None:
    a, b, c, d = layers(4)
    net = nn.Sequential(a, b)
    assert net.extend([c]) is net
    net[1] = d
    assert list(net) == [a, d, c]
    net.insert(0, b)
    assert list(net) == [b, a, d, c]
    assert [n for n, _ in net.named_children()] == ["0", "1", "2", "3"]
    del net[1]
    assert net.pop() is c
    assert list(net) == [b, d]
    part = nn.Sequential(a, b, c)[1:]
    assert [n for n, _ in part.named_children()] == ["1", "2"]
    part.append(d)  # a key that is free
    assert list(part) == [b, c, d]


# -- ModuleList


class Stack(Module):
    def __init__(self) -> None:
        self.layers = nn.ModuleList(layers(2))
        self.more = nn.ModuleDict({"a": nn.ModuleList(layers(1))})

    def forward(self, x: Any) -> Any:
        for layer in [*self.layers, *self.more["a"]]:
            x = np.tanh(layer(x))
        return x


def test_module_list_behaves_like_a_list() -> None:
    a, b, c, d = layers(4)
    row = nn.ModuleList([a, b])
    assert row.append(c) is row
    assert len(row) == 3
    assert list(row) == [a, b, c]
    assert row[0] is a
    assert row[np.int64(-1)] is c
    assert row[:2].append(d)[2] is d
    assert list(row) == [a, b, c]
    assert isinstance(row[1:], nn.ModuleList)
    assert list(row[1:].state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    row[1] = d
    row.insert(1, b)
    row.insert(-1, b)
    assert list(row) == [a, b, d, b, c]
    assert [n for n, _ in row.named_children()] == ["0", "1", "2", "3", "4"]
    del row[1:3]
    assert row.pop(0) is a
    assert list(row) == [b, c]
    row += [a]
    row.extend(nn.ModuleList([d]))
    assert list(row) == [b, c, a, d]
    longer = row + nn.ModuleList([a])
    assert list(longer) == [b, c, a, d, a]
    assert list(row) == [b, c, a, d]
    assert list(nn.ModuleList()) == []


def test_elements_are_parameters_state_and_modes_of_the_owner() -> None:
    net = Stack()
    assert list(net.state_dict()) == [
        "layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias", "more.a.0.weight", "more.a.0.bias",
    ]  # fmt: skip
    assert len(list(net.parameters())) == 6
    assert not any(m.training for m in net.eval().modules())
    assert net.get_submodule("more.a.0") is net.more["a"][0]
    other = Stack()
    other.load_state_dict(net.state_dict())
    x = np.ones((1, 2), np.float32)
    np.testing.assert_array_equal(other(x).data, net(x).data)


def scopes(out: Tensor) -> set[str]:
    found, stack = set(), [out._node]
    while stack:
        node = stack.pop()
        if isinstance(node, ac.Node):
            found.add(node.scope)
            stack.extend(node.parents)
    return found


def test_operations_know_the_container_of_their_layer() -> None:
    net = Stack()
    x = np.ones((1, 2), np.float32)
    assert scopes(net(x)) == {"", "layers.0", "layers.1", "more.a.0"}
    net.layers.append(nn.Linear(2, 2))
    net.layers.insert(0, nn.Sequential(nn.Linear(2, 2)))
    assert scopes(net(x)) == {"", "layers.0.0", "layers.1", "layers.2", "layers.3", "more.a.0"}
    assert scopes(nn.Sequential(net)(x)) >= {"0", "0.layers.0.0", "0.more.a.0"}
    assert scopes(net.layers[1:][0](x)) == {"layers.1"}, "a slice shares the modules as they are"


def test_repr_rolls_equal_neighbours_up() -> None:
    row = nn.ModuleList([nn.Tanh(), nn.Tanh(), nn.Linear(1, 2)])
    row.extend(nn.Sequential(nn.ReLU(), nn.Linear(1, 1)) for _ in range(2))
    row.append(nn.Tanh())
    assert repr(row) == (
        "ModuleList(\n"
        "  (0-1): 2 x Tanh()\n"
        "  (2): Linear(in_features=1, out_features=2, bias=True)\n"
        "  (3-4): 2 x Sequential(\n"
        "    (0): ReLU()\n"
        "    (1): Linear(in_features=1, out_features=1, bias=True)\n"
        "  )\n"
        "  (5): Tanh()\n"
        ")"
    )
    assert repr(nn.ModuleList()) == "ModuleList()"
    assert repr(nn.ModuleDict({"a": nn.Tanh()})) == "ModuleDict(\n  (a): Tanh()\n)"


# -- ModuleDict


def test_module_dict_behaves_like_a_dict() -> None:
    a, b, c, d = layers(4)
    named = nn.ModuleDict({"x": a, "y": b})
    assert list(named) == list(named.keys()) == ["x", "y"]
    assert list(named.values()) == [a, b]
    assert list(named.items()) == [("x", a), ("y", b)]
    assert named["x"] is named.x is a
    assert "x" in named
    assert "z" not in named
    assert "training" not in named
    named["z"] = c
    named.update([("x", d)])
    assert list(named.items()) == [("x", d), ("y", b), ("z", c)]
    assert named.pop("y") is b
    assert named.get("y") is None
    assert named.get("z", b) is c
    del named["x"]
    assert len(named) == 1
    assert list(nn.ModuleDict(named)) == ["z"]
    named.clear()
    assert len(named) == 0
    assert list(nn.ModuleDict([("u", a)]).state_dict()) == ["u.weight", "u.bias"]


# -- parameters


class Scales(Module):
    def __init__(self) -> None:
        self.row = nn.ParameterList([np.ones(2, np.float32), Tensor(np.ones((2, 3)))])
        self.named = nn.ParameterDict({"left": [1.0], "right": Parameter(np.zeros(()), requires_grad=False)})

    def forward(self, x: Any) -> Any:
        return x * self.row[0] * self.named["left"]


def test_parameter_containers() -> None:
    net = Scales()
    assert {k: v.shape for k, v in net.state_dict().items()} == {
        "row.0": (2,), "row.1": (2, 3), "named.left": (1,), "named.right": (),
    }  # fmt: skip
    assert [p.name for p in net.parameters()] == ["row.0", "row.1", "named.left", "named.right"]
    assert all(isinstance(p, Parameter) for p in [*net.row, *net.named.values()])
    assert [p.dtype for p in net.parameters()] == [np.float32, np.float64, np.float32, np.float64]
    assert not net.named["right"].requires_grad
    net(np.ones(2, np.float32)).sum().backward()
    assert net.row[0].grad is not None
    third = Parameter([2.0], name="third")
    net.row.append(third)
    net.row += [[3.0]]
    assert [p.name for p in net.row] == ["row.0", "row.1", "third", "row.3"]
    assert len(net.row[1:]) == 3
    net.row[0] = [7.0]
    assert net.row[0].item() == 7
    net.named["left"] = [5.0]
    assert net.named.pop("left").item() == 5
    assert list(net.named) == ["right"]
    assert repr(nn.ParameterList([np.ones((2, 3), np.float32), 1.0])) == (
        "ParameterList(\n"
        "  (0): Parameter containing: [float32 of size 2x3]\n"
        "  (1): Parameter containing: [float32 of size ]\n"
        ")"
    )
    assert repr(nn.ParameterDict()) == "ParameterDict()"


# -- refusals


@pytest.mark.parametrize(
    ("error", "message", "action"),
    [
        (ac.AutogradError, "Sequential: every element must be a Module, got ufunc as '0'; pass an instance such as "
         "nn.ReLU", lambda: nn.Sequential(np.tanh)),
        (IndexError, r"Sequential: the index must be in \[-1, 1\), got 1", lambda: nn.Sequential(nn.Tanh())[1]),
        (ac.AutogradError, "ModuleList: every element must be a Module, got type as '1'",
         lambda: nn.ModuleList([nn.Tanh(), nn.Tanh])),
        (ac.AutogradError, "ModuleList: every element must be a Module, got Parameter as '0'",
         lambda: nn.ModuleList([Parameter([1.0])])),
        (IndexError, r"ModuleList: the index must be in \[-1, 1\), got -2", lambda: nn.ModuleList([nn.Tanh()])[-2]),
        (IndexError, r"the index must be in \[0, 0\), got 0", lambda: nn.ModuleList().pop(0)),
        (IndexError, r"ModuleList: the index must be in \[0, 0\), got 1", lambda: nn.ModuleList().__delitem__(1)),
        (TypeError, "an index must be an integer or a slice, got 'a'", lambda: nn.ModuleList()["a"]),
        (NotImplementedError, "ModuleList: it only holds its elements and cannot be called",
         lambda: nn.ModuleList()(1)),
        (KeyError, "ModuleDict: the key must be one of a, b, got 'c'",
         lambda: nn.ModuleDict({"a": nn.Tanh(), "b": nn.Tanh()})["c"]),
        (KeyError, "must be one of none, it is empty, got 'c'", lambda: nn.ModuleDict().pop("c")),
        (ac.AutogradError, "ModuleDict: the name must be a free one without dots, got 'a.b'",
         lambda: nn.ModuleDict({"a.b": nn.Tanh()})),
        (ac.AutogradError, "ModuleDict: the name must be a free one without dots, got 'keys'",
         lambda: nn.ModuleDict({"keys": nn.Tanh()})),
        (ac.AutogradError, "got 3 on ModuleDict", lambda: nn.ModuleDict({3: nn.Tanh()})),
        (ac.AutogradError, "ParameterDict: the name must be a free one without dots, got 'training'",
         lambda: nn.ParameterDict({"training": [1.0]})),
        (ac.AutogradError, "ParameterList: every element must be a Parameter or a floating array, got ndarray as '0'",
         lambda: nn.ParameterList([np.arange(3)])),
        (ac.AutogradError, "ParameterDict: every element must be a Parameter or a floating array, got str as 'a'",
         lambda: nn.ParameterDict({"a": "b"})),
    ],
)  # fmt: skip
def test_container_errors(error: type[Exception], message: str, action: Any) -> None:
    with pytest.raises(error, match=message) as caught:
        action()
    assert "called at test_nn_containers.py:" in str(caught.value)


def test_a_refused_element_leaves_the_list_as_it_was() -> None:
    row = nn.ModuleList(layers(2))
    before = list(row)
    with pytest.raises(ac.AutogradError, match="must be a Module"):
        row.insert(0, 3)
    holder = Module()
    holder.row = row
    with pytest.raises(ac.AutogradError, match="must form a tree"):
        row.insert(0, holder)
    assert list(row) == before


def test_rows_are_added_and_repeated() -> None:
    """As PyTorch's: the modules are shared, and a row that is repeated shares its parameters with itself."""
    a, b, c = nn.Linear(2, 2), nn.Tanh(), nn.ReLU()
    row, other = nn.Sequential(a, b), nn.Sequential(c)
    joined = row + other
    assert [*joined] == [a, b, c]
    assert len(row) == 2
    for repeated in (row * 2, 2 * row):
        assert [*repeated] == [a, b, a, b]
        assert len(list(repeated.parameters())) == 2
    x = np.ones((1, 2), np.float32)
    np.testing.assert_array_equal((row * np.int64(2))(x).data, row(row(x)).data)
    same = row
    row += other
    assert row is same
    row *= 2
    assert row is same
    assert [*row] == [a, b, c, a, b, c]
    for factor in (0, -1):
        with pytest.raises(
            ac.errors.ArgumentError, match=f"Sequential: the factor must be a positive integer, got {factor}"
        ):
            row *= factor
    for wrong in (lambda: row + [c], lambda: row * 1.5, lambda: row * row):  # noqa: RUF005
        with pytest.raises(TypeError, match="unsupported operand"):
            wrong()
