"""The table of a model's layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_core as ac
import nn
from autograd_core import Tensor
from nn.module import Module


def perceptron() -> nn.Sequential:
    return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


def test_the_table() -> None:
    found = nn.summary(perceptron(), (32, 784))
    rule = "=" * 60
    assert str(found) == "\n".join(
        [
            rule,
            "Layer (type:depth-idx)    Output Shape    Param #",
            rule,
            "Sequential                [32, 10]        --",
            "├─Linear: 1-1             [32, 128]       100,480",
            "├─ReLU: 1-2               [32, 128]       --",
            "├─Linear: 1-3             [32, 10]        1,290",
            rule,
            "Total params: 101,770",
            "Trainable params: 101,770",
            "Non-trainable params: 0",
            "Total mult-adds (M): 3.25",
            rule,
            "Input size (MB): 0.10",
            "Forward pass size (MB): 0.03",
            "Params size (MB): 0.41",
            "Buffers size (MB): 0.00",
            "Estimated Total Size (MB): 0.54",
            rule,
        ]
    )
    assert repr(found) == str(found)
    assert [(row.path, row.type, row.depth, row.output_shape) for row in found.rows] == [
        ("", "Sequential", 0, (32, 10)), ("0", "Linear", 1, (32, 128)), ("1", "ReLU", 1, (32, 128)),
        ("2", "Linear", 1, (32, 10)),
    ]  # fmt: skip


def test_the_numbers() -> None:
    found = nn.summary(perceptron(), (32, 784))
    assert found.total_params == found.trainable_params == 784 * 128 + 128 + 128 * 10 + 10
    assert found.total_mult_adds == 32 * (784 * 128 + 128 * 10)
    assert found.input_bytes == 32 * 784 * 4
    assert found.params_bytes == found.total_params * 4
    assert found.forward_bytes == 32 * (128 + 128 + 10) * 4
    assert found.total_bytes == found.input_bytes + found.params_bytes + found.forward_bytes
    double = nn.summary(perceptron().double(), (32, 784))
    assert double.total_bytes == 2 * found.total_bytes, "zeros of the parameters' dtype"
    norm = nn.summary(nn.Sequential(nn.BatchNorm(4), nn.Flatten(0)), (5, 4))
    assert norm.total_mult_adds == 20
    assert norm.buffers_bytes == 2 * 4 * 4 + 8
    assert norm.forward_bytes == 20 * 4, "a view takes no memory"
    assert norm.rows[2].output_shape == (20,)
    frozen = perceptron()
    frozen[0].requires_grad_(False)
    part = nn.summary(frozen, (1, 784))
    assert (part.total_params, part.trainable_params) == (101770, 1290)
    assert "Non-trainable params: 100,480" in str(part)


def test_a_model_of_one_layer_and_without_parameters() -> None:
    found = nn.summary(nn.Linear(3, 2), [4, 3])
    assert [(row.depth, row.output_shape, row.params) for row in found.rows] == [(0, (4, 2), 8)]
    assert "\nTotal mult-adds: 24\n" in str(found)
    assert nn.summary(nn.Tanh(), (2, 3)).input_bytes == 24
    assert nn.summary(nn.Tanh(), ()).rows[0].output_shape == ()


class Model(Module):
    """Containers, several inputs and outputs, shared modules and weights, and a layer that is not in use."""

    def __init__(self) -> None:
        self.words = nn.Embedding(10, 4)
        self.layers = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.BatchNorm(4)) for _ in range(2)])
        self.scales = nn.ParameterList([np.ones(4, np.float32)])
        self.unused = nn.Sequential(nn.Linear(2, 2))
        self.head = nn.Linear(4, 3)
        self.tied = nn.Linear(4, 3)
        self.tied.weight = self.head.weight

    def forward(self, i: Any, x: Any) -> Any:
        x = self.words(i) + x * self.scales[0]
        for layer in self.layers:
            x = layer(x)
        x = self.layers[0](x)
        return self.head(x), {"tied": self.tied(x)}


def test_containers_shared_modules_and_several_inputs() -> None:
    found = nn.summary(Model(), [(5,), (5, 4)], dtypes=[np.int64, None])
    table = [" ".join(line.split()) for line in str(found).split("\n")]
    assert table[3:23] == [
        "Model [[5, 3], [5, 3]] --",
        "├─ParameterList: 1-1 -- 4",
        "├─Sequential: 1-2 -- --",
        "│ ├─Linear: 2-1 -- 6",
        "├─Embedding: 1-3 [5, 4] 40",
        "├─ModuleList: 1-4 -- --",
        "│ ├─Sequential: 2-2 [5, 4] --",
        "│ │ ├─Linear: 3-1 [5, 4] 20",
        "│ │ ├─BatchNorm: 3-2 [5, 4] 8",
        "│ ├─Sequential: 2-3 [5, 4] --",
        "│ │ ├─Linear: 3-3 [5, 4] 20",
        "│ │ ├─BatchNorm: 3-4 [5, 4] 8",
        "│ ├─Sequential: 2-4 [5, 4] (recursive)",
        "│ │ ├─Linear: 3-5 [5, 4] (recursive)",
        "│ │ ├─BatchNorm: 3-6 [5, 4] (recursive)",
        "├─Linear: 1-5 [5, 3] 15",
        "├─Linear: 1-6 [5, 3] 3",
        "=" * 65,
        "Total params: 124",
        "Trainable params: 124",
    ]
    assert sum(row.params for row in found.rows) == found.total_params == sum(p.size for p in Model().parameters())
    assert found.input_bytes == 5 * 8 + 5 * 4 * 4
    assert found.total_mult_adds == 5 * (3 * 16 + 3 * 4 + 2 * 12), "looking a vector up multiplies nothing"


def test_the_model_is_as_before() -> None:
    ac.random.seed(3)
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm(4), nn.Dropout(0.5), nn.GaussianNoise(1.0))
    model[1].eval()
    seen: list[Any] = []
    model[0].register_forward_pre_hook(lambda m, args: seen.append(m.training))
    model[0].register_forward_hook(lambda m, args, out: seen.append(is_recorded(out)))
    hooks = model[0]._hooks
    state, flags = model.state_dict(), [m.training for m in model.modules()]
    dicts = [sorted(m.__dict__) for m in model.modules()]
    random = ac.random.get_state()
    nn.summary(model, (6, 4))
    assert seen == [False, False], "hooks run, in evaluation mode, and nothing is recorded"
    assert model[0]._hooks is hooks
    assert (len(hooks.before), len(hooks.after)) == (1, 1)
    assert model[1]._hooks is None
    assert [m.training for m in model.modules()] == flags
    assert [sorted(set(m.__dict__) - {"_states", "_hooks"}) for m in model.modules()] == [
        sorted(set(names) - {"_states", "_hooks"}) for names in dicts
    ]
    assert ac.random.get_state() == random
    for key, array in model.state_dict().items():
        np.testing.assert_array_equal(array, state[key])
    assert all(p.grad is None for p in model.parameters())


def is_recorded(out: Any) -> bool:
    return bool(out.requires_grad)


class Restless(Module):
    """A module that writes into its buffers and draws numbers in evaluation mode too."""

    def __init__(self, fail: bool) -> None:
        self.fail = fail
        self.register_buffer("count", np.zeros(2))
        self.register_buffer("last", np.zeros(2))

    def forward(self, x: Any) -> Any:
        self.count.data[:] += 1
        self.last.data = ac.random.normal(size=2)
        return x.reshape(-1, 7) if self.fail else x / x


@pytest.mark.parametrize("fail", [False, True])
def test_buffers_and_random_state_are_put_back(fail: bool) -> None:
    model = Restless(fail)
    array, random = model.last.data, ac.random.get_state()
    if fail:
        with pytest.raises(ac.errors.ArgumentError):
            nn.summary(model, (2, 3))
    else:
        nn.summary(model, (2, 3))  # 0 / 0 in the zeros warns of nothing
    assert model.count.data.tolist() == model.last.data.tolist() == [0, 0]
    assert model.last.data is array
    assert ac.random.get_state() == random
    assert model.training
    assert model._hooks is None


def test_summary_is_the_function() -> None:
    import nn.summary as found

    assert callable(found)
    assert found is nn.summary


@pytest.mark.parametrize(
    ("message", "action"),
    [
        (r"the model must run on zeros of the shape and dtype given, got ShapeError in '1.0' \(Linear\), which was fed "
         r"\(32, 1, 28, 28\); correct input_shape \(it includes the batch axis\), or give dtypes=. "
         r"in: summary, called at test_nn_summary.py:\d+\n  linear: ",
         lambda: nn.summary(nn.Sequential(nn.Tanh(), nn.Sequential(nn.Linear(784, 9))), (32, 1, 28, 28))),
        (r"got DTypeError in 'words' \(Embedding\), which was fed \(5,\); .* or give dtypes=",
         lambda: nn.summary(Model(), [(5,), (5, 4)])),
        (r"got TypeError in 'the model' \(Model\), which was fed \(5,\)", lambda: nn.summary(Model(), (5,))),
        ("the model must be a Module, got type; pass an instance", lambda: nn.summary(nn.Tanh, (1,))),
        ("input_shape must be a tuple of lengths with the batch axis, or a list of such tuples, got 5; e.g.",
         lambda: nn.summary(nn.Tanh(), 5)),
        (r"or a list of such tuples, got \(2, -1\)", lambda: nn.summary(nn.Tanh(), (2, -1))),
        (r"or a list of such tuples, got \[\(2, 3\), 4\]", lambda: nn.summary(nn.Tanh(), [(2, 3), 4])),
        ("there must be one dtype for each input, got 2 for 1; use None",
         lambda: nn.summary(nn.Tanh(), (2, 3), dtypes=[None, None])),
        ("a dtype must be one that NumPy knows, got 'word'", lambda: nn.summary(nn.Tanh(), (2, 3), dtypes="word")),
    ],
)  # fmt: skip
def test_summary_errors(message: str, action: Any) -> None:
    with pytest.raises(ac.errors.ArgumentError, match=message) as caught:
        action()
    assert "called at test_nn_summary.py:" in str(caught.value)


def test_tensors_are_what_the_model_gets() -> None:
    got: list[Any] = []

    class Look(Module):
        def forward(self, x: Any) -> Any:
            got.append(x)

    assert nn.summary(Look(), (2, 3)).rows[0].output_shape == []
    assert isinstance(got[0], Tensor)
    assert " -- " in str(nn.summary(Look(), (2, 3)))
