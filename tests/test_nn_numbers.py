"""Inputs of integers, booleans, lists and numbers, and options that are NumPy's scalars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_core as ac
import nn
from autograd_core import Tensor
from nn import functional as F
from nn._checks import array, floating, number

Function = Callable[[Any], Any]

INTEGERS = np.array([[[[1, 200, 3], [7, 90, 250]], [[0, 2, 130], [255, 4, 5]]]], np.uint8)  # (1, 2, 2, 3)
ONES = np.ones(2, np.float32)
FUNCTIONS: dict[str, Function] = {
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, (1, 3)),
    "avg_pool2d": lambda x: F.avg_pool2d(x, 2, 1),
    "avg_pool2d padded": lambda x: F.avg_pool2d(x, 2, padding=1, count_include_pad=False),
    "batch_norm": lambda x: F.batch_norm(x, training=True),
    "batch_norm evaluated": lambda x: F.batch_norm(x, ONES, ONES),
    "celu": lambda x: F.celu(x, 2.0),
    "conv2d": lambda x: F.conv2d(x, np.ones((1, 2, 2, 2), np.uint8)),
    "elu": F.elu,
    "gelu": F.gelu,
    "gelu tanh": lambda x: F.gelu(x, "tanh"),
    "glu": lambda x: F.glu(x, 1),
    "group_norm": lambda x: F.group_norm(x, 1),
    "hardsigmoid": F.hardsigmoid,
    "hardswish": F.hardswish,
    "hardtanh": F.hardtanh,
    "instance_norm": F.instance_norm,
    "layer_norm": lambda x: F.layer_norm(x, 3),
    "leaky_relu": F.leaky_relu,
    "linear": lambda x: F.linear(x, np.full((2, 3), 2, np.uint8)),
    "log_softmax": F.log_softmax,
    "logsigmoid": F.logsigmoid,
    "mish": F.mish,
    "prelu": lambda x: F.prelu(x, ONES[:1]),
    "relu6": F.relu6,
    "rms_norm": lambda x: F.rms_norm(x, 3),
    "selu": F.selu,
    "sigmoid": F.sigmoid,
    "silu": F.silu,
    "smht": lambda x: F.smht(x, 1.0, 1.0, 2.0, 2.0),
    "softmax": F.softmax,
    "softmin": F.softmin,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "swish": lambda x: F.swish(x, 0.5),
    "tanh": F.tanh,
    "tanhshrink": F.tanhshrink,
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.bool_, np.int32, np.uint64])
def test_integers_are_computed_as_floating_numbers(name: str, dtype: Any) -> None:
    x = INTEGERS.astype(dtype)
    wide = np.float32 if x.itemsize < 4 else np.float64
    expected = FUNCTIONS[name](x.astype(wide))
    for given in (x, Tensor(x)):
        out = FUNCTIONS[name](given)
        assert out.dtype == expected.dtype == wide
        np.testing.assert_array_equal(out.data if isinstance(out, Tensor) else out, expected)


def test_values_of_small_integers() -> None:
    assert F.avg_pool2d(np.full((1, 1, 2, 2), 200, np.uint8), 2).item() == 200
    np.testing.assert_allclose(nn.Sigmoid()(np.array([3], np.uint8)), 1 / (1 + np.exp(-3)), rtol=1e-6)
    np.testing.assert_allclose(nn.RMSNorm(2)(np.array([[200, 100]], np.uint8)).data, [[1.264911, 0.632456]], rtol=1e-5)


@pytest.mark.parametrize("layer", [nn.BatchNorm(3), nn.LayerNorm(3), nn.InstanceNorm(3), nn.GroupNorm(1, 3)], ids=repr)
def test_layers_of_integers_have_one_dtype_in_training_and_evaluation(layer: nn.Module) -> None:
    x = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    x = x.transpose(0, 2, 1) if isinstance(layer, nn.LayerNorm) else x
    assert {layer.train(mode)(x).dtype for mode in (True, False)} == {np.dtype(np.float32)}


def test_what_only_chooses_keeps_integers() -> None:
    x = INTEGERS.astype(np.int8)
    for function in (F.relu, F.step, F.identity, F.flatten, lambda a: F.max_pool2d(a, 2, padding=1)):
        assert function(x).dtype == np.int8


# -- lists and numbers

ROWS = [[1.0, -2.0], [3.0, 0.5]]
LISTS: dict[str, Function] = {
    **{name: FUNCTIONS[name] for name in FUNCTIONS if not any(w in name for w in ("norm", "conv", "pool", "linear"))},
    "avg_pool1d": lambda x: F.avg_pool1d(x, 2),
    "max_pool1d": lambda x: F.max_pool1d(x, 2),
    "adaptive_avg_pool1d": lambda x: F.adaptive_avg_pool1d(x, 1),
    "batch_norm": lambda x: F.batch_norm(x, training=True),
    "BatchNorm1d": nn.BatchNorm1d(2),
    "conv1d": lambda x: F.conv1d(x, np.ones((1, 2, 1))),
    "Conv1d padded": nn.Conv1d(2, 1, 1, padding=1, padding_mode="circular"),
    "dropout": lambda x: F.dropout(x, 0.0),
    "dropout1d": lambda x: F.dropout1d(x, 0.0),
    "Flatten": nn.Flatten(0),
    "flatten": F.flatten,
    "gaussian_noise": lambda x: F.gaussian_noise(x, 0.0),
    "group_norm": lambda x: F.group_norm(x, 1),
    "GroupNorm": nn.GroupNorm(1, 2),
    "LayerNorm": nn.LayerNorm(2),
    "Linear": nn.Linear(2, 3),
    "relu": F.relu,
    "rms_norm": lambda x: F.rms_norm(x, 2),
    "step": F.step,
    "SwiGLU": nn.SwiGLU(2, 3),
    "Unflatten": nn.Unflatten(1, (1, 2)),
    **{
        loss.__name__: lambda x, loss=loss: loss(x, [[0.5, 0.0], [1.0, 1.0]])
        for loss in (F.mse_loss, F.half_squared_loss, F.l1_loss, F.huber_loss, F.smooth_l1_loss, F.kl_div)
    },
    "binary_cross_entropy_with_logits": lambda x: F.binary_cross_entropy_with_logits(x, [[0, 1], [1, 1]]),
    "hinge_loss": lambda x: F.hinge_loss(x, [[-1, 1], [1, 1]]),
    "perceptron_loss": lambda x: F.perceptron_loss(x, [[-1, 1], [1, 1]]),
    "cross_entropy": lambda x: F.cross_entropy(x, [0, 1]),
    "nll_loss": lambda x: F.nll_loss(x, [0, 1]),
}  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
def test_lists_are_arrays(name: str) -> None:
    with ac.no_grad():
        expected, out = (np.asarray(LISTS[name](x)) for x in (np.array(ROWS), ROWS))
    np.testing.assert_array_equal(out, expected)
    assert out.dtype == expected.dtype


@pytest.mark.parametrize("name", ["binary_cross_entropy", "nll_from_probabilities"])
def test_lists_of_probabilities(name: str) -> None:
    rows = [[0.25, 0.75], [0.5, 0.5]]
    loss = getattr(F, name)
    assert loss(rows, [[0, 1], [1, 0]]) == loss(np.array(rows), np.array([[0, 1], [1, 0]]))


def test_losses_of_lists_and_numbers() -> None:
    assert nn.MSELoss()([1.0, 2.0], [1.0, 4.0]) == 2
    assert nn.MSELoss()(1.0, 3.0) == 4
    assert F.dropout2d([[[[1.0]]]], 0.0).shape == (1, 1, 1, 1)


@pytest.mark.parametrize(
    "function",
    [F.relu, F.gelu, lambda x: F.gelu(x, "tanh"), lambda x: F.prelu(x, np.full(1, 0.5)), lambda x: F.prelu(x, [0.5]),
     lambda x: F.dropout(x, 0.0), F.softplus, F.sigmoid, lambda x: F.gaussian_noise(x, 0.0)],
)  # fmt: skip
@pytest.mark.parametrize("value", [1.5, -2, True])
def test_numbers_are_arrays_of_no_axes(function: Function, value: Any) -> None:
    np.testing.assert_array_equal(function(value), function(np.array(value)))


def test_lists_of_tensors_and_words_are_refused() -> None:
    with pytest.raises(ac.errors.GraphError, match="linear: data must be numbers, a sequence of Tensors would leave"):
        nn.Linear(2, 1)([Tensor([1.0, 2.0])])
    with pytest.raises(ac.errors.DTypeError, match="sigmoid: data must be numeric, got dtype <U1 from list"):
        F.sigmoid(["a"])


def test_a_function_of_integers_is_compiled() -> None:
    x = INTEGERS
    run = ac.compile(lambda a: F.avg_pool2d(F.silu(a), 2))
    for _ in range(2):
        np.testing.assert_allclose(run(Tensor(x)).data, F.avg_pool2d(F.silu(x.astype(np.float32)), 2), rtol=1e-6)


def test_what_is_floating_is_handed_through() -> None:
    for x in (np.ones(2), np.float32(1), Tensor([1.0]), np.ones(2, np.complex64)):
        assert floating(x, "f") is x
        assert array(x, "f") is x
    assert array(INTEGERS, "f") is INTEGERS


# -- options

SCALAR = np.float64(0.5)
OPTIONS: dict[str, Function] = {
    "batch_norm": lambda x: F.batch_norm(x, training=True, eps=SCALAR),
    "batch_norm deviation": lambda x: F.batch_norm(x, training=True, eps=SCALAR, eps_placement="deviation"),
    "batch_norm evaluated": lambda x: F.batch_norm(x, ONES, ONES, eps=SCALAR),
    "celu": lambda x: F.celu(x, SCALAR),
    "cross_entropy": lambda x: F.cross_entropy(x, np.array([0, 1]), label_smoothing=SCALAR),
    "CrossEntropyLoss": lambda x: nn.CrossEntropyLoss(label_smoothing=SCALAR)(x, np.array([0, 1])),
    "CrossEntropyLoss of probabilities": lambda x: nn.CrossEntropyLoss(label_smoothing=SCALAR)(x, np.eye(2)),
    "dropout": lambda x: F.dropout(x, SCALAR),
    "elu": lambda x: F.elu(x, SCALAR),
    "gaussian_noise": lambda x: F.gaussian_noise(x, SCALAR),
    "group_norm": lambda x: F.group_norm(x, 1, eps=SCALAR),
    "hardtanh": lambda x: F.hardtanh(x, -SCALAR, SCALAR),
    "huber_loss": lambda x: F.huber_loss(x, np.ones((2, 2)), delta=SCALAR),
    "HuberLoss": lambda x: nn.HuberLoss(delta=SCALAR)(x, np.ones((2, 2))),
    "instance_norm": lambda x: F.instance_norm(x[np.newaxis], eps=SCALAR),
    "l1_penalty": lambda x: F.l1_penalty([x], SCALAR),
    "l2_penalty": lambda x: F.l2_penalty([x], SCALAR),
    "layer_norm": lambda x: F.layer_norm(x, 2, eps=SCALAR),
    "leaky_relu": lambda x: F.leaky_relu(x, SCALAR),
    "rms_norm": lambda x: F.rms_norm(x, 2, eps=SCALAR),
    "smht": lambda x: F.smht(x, SCALAR, SCALAR, np.float64(1), np.float64(2)),
    "smht as tanh": lambda x: F.smht(x, SCALAR, SCALAR),
    "smooth_l1_loss": lambda x: F.smooth_l1_loss(x, np.ones((2, 2)), beta=SCALAR),
    "SmoothL1Loss": lambda x: nn.SmoothL1Loss(beta=SCALAR)(x, np.ones((2, 2))),
    "softplus": lambda x: F.softplus(x, SCALAR),
    "softplus threshold": lambda x: F.softplus(x, SCALAR, np.float64(1)),
    "swiglu": lambda x: F.swiglu(x, np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32), beta=SCALAR),
    "swish": lambda x: F.swish(x, SCALAR),
}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("kind", [np.asarray, lambda a: Tensor(a, requires_grad=True)], ids=["array", "Tensor"])
def test_options_from_numpy_do_not_widen(name: str, kind: Function) -> None:
    assert OPTIONS[name](kind(np.array(ROWS, np.float32))).dtype == np.float32


@pytest.mark.parametrize("momentum", [np.float64(0.5), np.int64(1)])
def test_a_momentum_from_numpy_does_not_widen(momentum: Any) -> None:
    mean, var = Tensor(np.zeros(2, np.float32)), Tensor(np.broadcast_to(np.float32(1), 2))  # the latter is replaced
    F.batch_norm(np.array(ROWS, np.float32), mean, var, training=True, momentum=momentum)
    assert mean.dtype == var.dtype == np.float32
    np.testing.assert_allclose(mean.data, np.array([2.0, -0.75]) * momentum, rtol=1e-6)
    assert type(nn.BatchNorm(2, momentum=momentum).momentum) is not type(momentum)


def test_options_are_shown_as_numbers() -> None:
    layers = [nn.HuberLoss(delta=SCALAR), nn.SmoothL1Loss(beta=SCALAR), nn.Dropout(SCALAR), nn.GaussianNoise(SCALAR)]
    assert not any("np." in repr(layer) for layer in layers)
    assert "label_smoothing=0.5" in repr(nn.CrossEntropyLoss(label_smoothing=SCALAR))


def test_number() -> None:
    beta = Tensor([1.0])
    assert number(beta) is beta
    assert [type(number(v)) for v in (SCALAR, np.int8(1), 1, 0.5, None)] == [float, int, int, float, type(None)]
