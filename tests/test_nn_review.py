"""Modules as ordinary objects, strict arguments of functions, and messages for what is none of what is expected."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_core as ac
import nn
from autograd_core import Tensor
from autograd_core.disk import FileFormatError, MissingFileError
from autograd_core.errors import ArgumentError, ShapeError
from nn import functional as F
from nn.module import Module, Parameter
from nn.state import StateDictError

# -- attributes


class Forwarding(Module):
    """Properties and a descriptor with setters."""

    def __init__(self) -> None:
        self.inner = nn.Linear(2, 3)
        self._k = 1

    @property
    def k(self) -> int:
        return self._k

    @k.setter
    def k(self, value: int) -> None:
        self._k = 2 * value

    @property
    def weight(self) -> Parameter:
        return self.inner.weight

    @weight.setter
    def weight(self, value: Parameter) -> None:
        self.inner.weight = value

    @property
    def fixed(self) -> int:
        return 1


def test_setters_of_properties_run_and_register_nothing() -> None:
    module = Forwarding()
    module.k = 5
    assert (module.k, "k" in module.__dict__) == (10, False)
    new = Parameter(np.ones((3, 2), np.float32))
    module.weight = new
    assert module.inner.weight is new
    assert list(module.state_dict()) == ["inner.weight", "inner.bias"]
    assert new.name == "weight"
    with pytest.raises(AttributeError):
        module.fixed = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        module.fixed = nn.Tanh()  # type: ignore[misc, assignment]
    module.__class__ = Module  # type: ignore[assignment]
    assert type(module) is Module


@pytest.mark.parametrize("name", ["a.b", ""])
@pytest.mark.parametrize("value", [Parameter([1.0]), nn.Tanh()], ids=["parameter", "module"])
def test_attributes_that_are_registered_have_names_without_dots(name: str, value: Any) -> None:
    module = Module()
    with pytest.raises(ArgumentError, match=f"a name without dots.*got '{name}'.*called at test_nn_review.py"):
        setattr(module, name, value)
    assert module.__dict__ == {}


def test_a_buffer_does_not_require_a_gradient() -> None:
    module = Module()
    module.register_buffer("h", np.zeros(2))
    with pytest.raises(ArgumentError, match=r"Module.h: a buffer must not require a gradient, .* value.detach\(\)"):
        module.h = Tensor([1.0, 2.0], requires_grad=True) * 2
    module.h = (Tensor([1.0, 2.0], requires_grad=True) * 2).detach()
    assert module.state_dict()["h"].tolist() == [2, 4]


# -- what is hidden from an optimizer


@pytest.mark.parametrize("shape", ["registered first", "a word first", "nested", "dict of lists"])
def test_hidden_modules_are_found_behind_others(shape: str) -> None:
    net = Module()
    net.known, hidden = nn.Tanh(), nn.Linear(1, 1)
    net.parts = {
        "registered first": [net.known, hidden], "a word first": ["tanh", hidden], "nested": [[hidden]],
        "dict of lists": {"a": [hidden]},
    }[shape]  # fmt: skip
    with pytest.warns(UserWarning, match="Module.parts: a Module in a plain") as caught:
        assert list(net.parameters()) == []
    assert len(caught) == 1


def test_the_warning_is_of_the_users_line() -> None:
    net = Module()
    net.parts = [nn.Linear(1, 1)]
    for use in (
        lambda: list(net.named_parameters()), lambda: list(net.parameters()), lambda: net.requires_grad_(False),
        lambda: net.half(),
    ):  # fmt: skip
        with pytest.warns(UserWarning, match="parts") as caught:
            use()
        assert caught[0].filename == __file__


def test_no_warning_about_what_is_registered_elsewhere() -> None:
    root = Module()
    root.first, root.second = Module(), nn.Linear(1, 1)
    root.first.others = [root.second, root]
    own: list[Any] = []
    own.append(own)
    root.loop = own
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(root.first.parameters())) == 0
        assert len(list(root.parameters())) == 2


def test_zero_grad_as_zeros() -> None:
    layer = nn.Linear(2, 1)
    layer.weight.grad = Tensor(np.ones((1, 2), np.float32))
    layer.zero_grad(set_to_none=False)
    assert layer.bias is not None
    assert layer.weight.grad.data.tolist() == [[0, 0]]
    assert layer.bias.grad is None
    layer.zero_grad(set_to_none=True)
    assert layer.weight.grad is None


def test_old_files_lack_the_counter() -> None:
    net = nn.Sequential(nn.BatchNorm(2))
    net(np.ones((3, 2)))
    state = net.state_dict()
    del state["0.num_batches_tracked"]
    state["0.weight"] = np.full(2, 7.0)
    assert net.load_state_dict(state).missing_keys == []
    assert net[0].weight.data.tolist() == [7, 7]
    assert net[0].num_batches_tracked.item() == 1
    del state["0.running_mean"]
    with pytest.raises(StateDictError, match=r"missing 0.running_mean"):
        net.load_state_dict(state)


# -- containers


def test_extend_takes_all_or_none() -> None:
    row = nn.ModuleList([nn.Tanh()])
    with pytest.raises(ArgumentError, match="every element must be a Module, got int as '2'"):
        row.extend([nn.ReLU(), 3])
    assert len(row) == 1


def test_append_looks_at_no_element_before_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    row = nn.ModuleList([nn.Tanh()])
    monkeypatch.setattr(type(row), "_elements", None)
    for _ in range(3):
        row.append(nn.Tanh())
    monkeypatch.undo()
    assert [name for name, _ in row.named_children()] == ["0", "1", "2", "3"]
    named = nn.Sequential(nn.Tanh())
    named.add_module("end", nn.ReLU())
    assert [name for name, _ in named.append(nn.ReLU()).named_children()] == ["0", "end", "2"]


def test_parameters_are_named_after_their_new_keys() -> None:
    net = Module()
    net.row = nn.ParameterList([[1.0], Parameter([2.0], name="own")])
    net.row.insert(0, [0.0])
    assert [p.name for p in net.row] == ["row.0", "row.1", "own"]
    del net.row[0]
    assert [p.name for p in net.row] == ["row.0", "own"]
    free = nn.ParameterList([[1.0]])
    free.insert(0, [0.0])
    assert [p.name for p in free] == ["0", "1"]


# -- functions


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((4,), (4,), None), r"the weight must be \(out_features, in_features\), got shape \(4,\)"),
        (((), (4,), None), "the weight must be"),
        (((), (4, 1), None), "the input's last axis must"),
        (((2, 3), (5, 4, 3), None), r"the weight must be .* got shape \(5, 4, 3\)"),
        (((2, 3), (4, 5), None), "the input's last axis must have the weight's in_features 5, got an input"),
        (((4, 3), (4, 3), (4, 1)), r"the bias must be \(out_features,\) = \(4,\), got shape \(4, 1\)"),
        (((4, 3), (4, 3), (1,)), r"the bias must be .* got shape \(1,\)"),
        (((4, 3), (4, 3), (5, 4, 4)), "the bias must be"),
    ],
)
def test_linear_is_strict(shapes: Any, message: str) -> None:
    x, weight, bias = (None if s is None else Tensor(np.ones(s)) for s in shapes)
    with pytest.raises(ShapeError, match=f"linear: {message}.*called at test_nn_review.py"):
        F.linear(x, weight, bias)


@pytest.mark.parametrize("shape", [(2, 4, 0), (0, 4, 5), (4, 0)])
def test_linear_of_no_elements(shape: tuple[int, ...]) -> None:
    weight = Tensor(np.ones((3, shape[-1])), requires_grad=True)
    out = F.linear(np.ones(shape), weight, np.ones(3))
    assert out.shape == (*shape[:-1], 3)
    out.sum().backward()
    assert not weight.grad.data.any()


@pytest.mark.parametrize("kind", ["memmap", "scalar", "0-d"])
def test_embedding_checks_indices_of_every_kind_of_array(kind: str, tmp_path: Path) -> None:
    if kind == "memmap":
        index: Any = np.memmap(tmp_path / "i", np.int64, "w+", shape=(2,))
        index[1] = -1
    else:
        index = np.int64(-1) if kind == "scalar" else np.array(-1)
    with pytest.raises(ArgumentError, match=r"indices must be in \[0, 3\), got -1"):
        F.embedding(index, np.ones((3, 2)))
    np.testing.assert_array_equal(F.embedding(np.int64(2), np.arange(6).reshape(3, 2)), [4, 5])


def test_gated_functions() -> None:
    rng = np.random.default_rng(0)
    x, w, v, b, c = (rng.normal(size=s) for s in [(2, 3), (4, 3), (4, 3), (4,), (4,)])
    gate, value = x @ w.T + b, x @ v.T + c
    logistic = 1 / (1 + np.exp(-1.5 * gate))
    np.testing.assert_allclose(F.reglu(x, w, v, b, c), np.maximum(gate, 0) * value)
    np.testing.assert_allclose(F.swiglu(x, w, v, b, c, beta=1.5), gate * logistic * value)
    for function, layer in ((F.reglu, nn.ReGLU(3, 4)), (F.geglu, nn.GEGLU(3, 4)), (F.swiglu, nn.SwiGLU(3, 4))):
        layer.double()
        weights = (layer.gate.weight, layer.value.weight, layer.gate.bias, layer.value.bias)
        np.testing.assert_allclose(function(x, *weights).data, layer(x).data)
        ac.check_grads(function, (x, w, v, b, c), order=1)
        assert function(x, w, v).shape == (2, 4)


@pytest.mark.parametrize(("args", "got"), [((), "GLU()"), ((-1,), "GLU(-1)")])
def test_torchs_glu_module_is_a_function_here(args: Any, got: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        nn.GLU(*args)
    assert f"got {got}; the unit without parameters is F.glu(input, dim=-1)" in str(caught.value)


def test_flatten() -> None:
    x = Tensor(np.arange(24.0).reshape(2, 3, 4), requires_grad=True)
    assert F.flatten(x).shape == (24,)
    assert F.flatten(x, 1).shape == (2, 12)
    assert F.flatten(np.ones((2, 3, 4)), 0, 1).shape == (6, 4)
    assert F.flatten(np.array(1.0)).shape == (1,)
    F.flatten(x, 1).sum().backward()
    assert x.grad.shape == x.shape
    with pytest.raises(
        ShapeError, match=r"flatten: start_dim 3 and end_dim -1 must be axes of the input .*\(2, 3, 4\)"
    ):
        F.flatten(x, 3)
    with pytest.raises(ArgumentError, match="flatten: end_dim must be an integer, got 'a'"):
        F.flatten(x, 0, "a")  # type: ignore[arg-type]


# -- summary


class Scaled(Module):
    """A learned scale and position of the last axes."""

    def __init__(self) -> None:
        self.scale = Parameter(np.ones((8, 16)))
        self.position = Parameter(np.ones((1, 8, 16)))

    def forward(self, x: Any) -> Any:
        return x * self.scale + self.position


@pytest.mark.parametrize(
    ("module", "shape", "expected"),
    [
        (nn.LayerNorm((8, 16)), (2, 8, 16), 256),
        (nn.LayerNorm((8, 8)), (2, 8, 8), 128),
        (Scaled(), (2, 8, 16), 256),
        (nn.Linear(8, 8), (8, 8), 512),
        (nn.Linear(8, 8), (2, 8, 8), 1024),
        (nn.Linear(1, 5), (2, 5, 1), 50),
        (nn.Conv2d(3, 3, 3), (3, 3, 5, 5), 3 * 3 * 9 * 27),
    ],
    ids=repr,
)
def test_mult_adds_of_weights_with_several_axes(module: Module, shape: Any, expected: int) -> None:
    assert nn.summary(module, shape).total_mult_adds == expected


def test_summary_puts_another_buffer_back() -> None:
    class Recurrent(Module):
        def __init__(self) -> None:
            self.register_buffer("h", np.ones(2))
            self.register_buffer("late", None)

        def forward(self, x: Any) -> Any:
            self.h = self.late = Tensor(np.zeros(2))
            return x

    model = Recurrent()
    before = model.h
    nn.summary(model, (1,))
    assert model.h is before
    assert model.late is None
    assert model.state_dict()["h"].tolist() == [1, 1]


# -- data and files


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"x": np.ones(3)}, r"got dict; pass tuple\(data.values\(\)\)"),
        (zip([1], [2]), r"got zip; pass tuple\(data\)"),
        (5, r"got int; e.g. \w+\(\(x, y\), ...\)"),
        (None, "got NoneType; e.g."),
    ],
)
def test_data_that_is_no_array(data: Any, message: str) -> None:
    for function in (lambda: nn.data.batches(data, 2), lambda: nn.data.train_validation_split(data)):
        with pytest.raises(ArgumentError, match=f"the data must be an array or a sequence of arrays, {message}"):
            function()


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("load", lambda: nn.load(None)),
        ("load", lambda: nn.load(nn.Tanh(), 5)),
        ("save", lambda: nn.save(nn.Tanh(), None)),
        ("load_idx", lambda: nn.data.load_idx(None)),
        ("load_mnist", lambda: nn.data.load_mnist(None)),
        ("load_cifar10", lambda: nn.data.load_cifar10(None)),
    ],
)
def test_paths_that_are_none(name: str, action: Any) -> None:
    with pytest.raises(ArgumentError, match=f"{name}: the path must be a string or a Path, got (NoneType|int); e.g."):
        action()


def test_paths_of_directories_and_into_none(tmp_path: Path) -> None:
    layer = nn.Linear(1, 1)
    for action in (lambda: nn.save(layer, tmp_path), lambda: nn.load(tmp_path), lambda: nn.load(layer, tmp_path)):
        with pytest.raises(MissingFileError, match="the path must be that of a file, got the directory") as caught:
            action()
        assert repr(str(tmp_path)) in str(caught.value)
    path = tmp_path / "none" / "a.safetensors"
    with pytest.raises(MissingFileError, match="save: the file's directory must exist, got") as caught:
        nn.save(layer, path)
    assert repr(str(path)) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([1] * 70, "must have at most 64 axes, as NumPy's arrays do, got 70"),
        ([0, *[2**32 - 1] * 3], "must have lengths that an array can have, got shape"),
        ([2**32 - 1] * 3, "truncated"),
    ],
)
def test_idx_headers_that_no_array_has(lengths: list[int], message: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes([0, 0, 8, len(lengths)]) + struct.pack(f">{len(lengths)}I", *lengths) + b"\0")
    if lengths[0] == 0:
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FileFormatError, match=message):
        nn.data.load_idx(path)
