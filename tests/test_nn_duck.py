"""Layers and losses on an array type that is not NumPy's, bit by bit as on NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_core as ac
import nn
from autograd_core import Tensor
from duck import DuckArray, unwrap

OPTIONS: list[dict[str, Any]] = [
    {}, {"momentum": None}, {"eps_placement": "deviation"}, {"feature_axis": 0}, {"affine": False},
    {"track_running_stats": False},
]  # fmt: skip


def step(kind: Any, options: dict[str, Any], training: bool, target: Any) -> dict[str, Any]:
    ac.random.seed(0)
    data = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    features = 6 if options.get("feature_axis") == 0 else 4
    model = nn.Sequential(
        nn.BatchNorm(features, **options), nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 4), nn.Tanh(),
        nn.Linear(4, 3), nn.Sigmoid(),
    ).train(training)  # fmt: skip
    for tensor in [*model.parameters(), *model.buffers()]:
        tensor.data = kind(tensor.data)
    x = Tensor(kind(data), requires_grad=True)
    criterion = nn.CrossEntropyLoss() if target.ndim == 1 else nn.MSELoss()
    loss = criterion(model(x), target)
    loss.backward()
    found = {"loss": loss, "x": x.grad, **dict(model.named_buffers())}
    found |= {name: p.grad for name, p in model.named_parameters()}
    assert all(type(t.data) is kind or kind is np.asarray for t in found.values())
    return {name: unwrap(t.data) for name, t in found.items()} | {
        f"state {name}": unwrap(array) for name, array in model.state_dict().items()
    }


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("target", [np.array([0, 1, 2] * 2), np.ones((6, 3))], ids=["ce", "mse"])
def test_a_step_is_the_same_on_ducks(options: dict[str, Any], training: bool, target: Any) -> None:
    ducks = step(DuckArray, options, training, target)
    arrays = step(np.asarray, options, training, target)
    assert ducks.keys() == arrays.keys()
    for name, array in arrays.items():
        assert ducks[name].dtype == array.dtype
        np.testing.assert_array_equal(ducks[name], array, err_msg=name)


def test_state_loads_into_ducks() -> None:
    layer = nn.Linear(2, 3)
    for p in layer.parameters():
        p.data = DuckArray(p.data)
    layer.load_state_dict({"weight": DuckArray(np.ones((3, 2))), "bias": np.zeros(3)})
    np.testing.assert_array_equal(unwrap(layer.weight.data), 1)
    assert layer.weight.dtype == np.float32
