"""`state_dict`, and weights on disk."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_core as ac
import nn
from autograd_core import Tensor
from nn.module import Parameter
from nn.state import StateDictError
from small_net import Net


@pytest.fixture(autouse=True)
def _seeded() -> None:
    ac.random.seed(0)


# -- state_dict


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
        "called at test_nn_state.py:",
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


class Foreign:
    """As a PyTorch tensor behaves: NumPy reads it through __array__, if it has been detached."""

    def __init__(self, array: Any, attached: bool = False) -> None:
        self.array, self.attached = array, attached

    def detach(self) -> Foreign:
        return Foreign(self.array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if self.attached or self.array is None:
            raise RuntimeError("unsupported")
        return np.asarray(self.array, dtype)


def test_tensors_of_another_library_load() -> None:
    layer = nn.Linear(2, 2)
    layer.load_state_dict({"weight": Foreign(np.eye(2), attached=True), "bias": Foreign(np.ones(2))})
    np.testing.assert_array_equal(layer.weight.data, np.eye(2))
    with pytest.raises(StateDictError, match=r"weight is not an array \(unsupported\)"):
        layer.load_state_dict({"weight": Foreign(None), "bias": np.ones(2)})
    other = nn.Linear(2, 2)
    other.load_state_dict(dict(layer.named_parameters()))
    np.testing.assert_array_equal(other.weight.data, np.eye(2))
    assert other.weight is not layer.weight


def test_shared_weights_load_under_one_of_their_keys_and_must_agree() -> None:
    net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    net[1].weight = net[0].weight
    assert net.load_state_dict({"1.weight": np.full((2, 2), 3.0)}) == ([], [])
    np.testing.assert_array_equal(net[0].weight.data, 3)
    net.load_state_dict({"0.weight": np.full((2, 2), np.nan), "1.weight": np.full((2, 2), np.nan)})
    with pytest.raises(StateDictError, match=r"1.weight differs from 0.weight, which is the same tensor"):
        net.load_state_dict({"0.weight": np.zeros((2, 2)), "1.weight": np.ones((2, 2))})
    assert np.all(np.isnan(net[0].weight.data))
    with pytest.raises(StateDictError, match=r"missing 0.weight \(2, 2\)\n  missing 1.weight"):
        net.load_state_dict({})


def test_weights_may_be_permuted_within_a_module() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    a, b = (layer.weight.data.copy() for layer in net)
    net.load_state_dict({"0.weight": net[1].weight, "1.weight": net[0].weight}, strict=False)
    np.testing.assert_array_equal(net[0].weight.data, b)
    np.testing.assert_array_equal(net[1].weight.data, a)


def test_a_state_that_is_no_mapping() -> None:
    with pytest.raises(StateDictError, match=r"must be a mapping of keys to arrays, got str; nn.load"):
        nn.Linear(1, 1).load_state_dict("weights.safetensors")


def test_a_strided_parameter_is_written_in_place() -> None:
    layer = nn.Linear(2, 3)
    whole = np.zeros((2, 6), np.float32)
    layer.weight.data = whole.T[::2]
    layer.load_state_dict({"weight": np.arange(6.0).reshape(3, 2), "bias": np.zeros(3)})
    np.testing.assert_array_equal(whole, [[0, 0, 2, 0, 4, 0], [1, 0, 3, 0, 5, 0]])


class Brain16:
    """A tensor of another library in a dtype that NumPy lacks, as PyTorch's bfloat16."""

    def __init__(self, values: Any, convertible: bool = True) -> None:
        self.values, self.convertible = values, convertible

    def detach(self) -> Brain16:
        return self

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise TypeError("Got unsupported ScalarType BFloat16")

    def float(self) -> Any:
        if not self.convertible:
            raise TypeError("no float")
        return np.asarray(self.values, np.float32)


def test_a_dtype_that_numpy_lacks_is_converted() -> None:
    layer = nn.Linear(2, 1)
    layer.load_state_dict({"weight": Brain16([[1, 2]]), "bias": Brain16([3])})
    assert layer.weight.data.tolist() == [[1, 2]]
    assert layer.weight.dtype == np.float32
    with pytest.raises(StateDictError, match=r"bias is not an array \(no float\)"):
        layer.load_state_dict({"bias": Brain16([3], False)}, strict=False)


def test_strict_is_not_blamed_for_a_shape() -> None:
    layer = nn.Linear(2, 1)
    for strict in (True, False):
        with pytest.raises(StateDictError, match="weight has shape") as caught:
            layer.load_state_dict({"weight": np.ones(3), "bias": np.ones(1)}, strict=strict)
        assert "strict=False" not in str(caught.value)
    with pytest.raises(StateDictError, match=r"pass strict=False to skip missing"):
        layer.load_state_dict({"weight": np.ones((1, 2))})
