"""Activations with parameters, gated units, softmax, and the messages about arguments of all of them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_core as ac
import nn
import nn.functional as F
from autograd_core import Tensor
from autograd_core.errors import ArgumentError, ShapeError
from duck import DuckArray, unwrap
from test_nn_activations import POINTS, cdf, logistic, run

HERE = os.path.basename(__file__)
INF = math.inf
exp = np.exp


# -- parameters ---------------------------------------------------------------------------------------


def test_prelu_has_a_slope_per_channel() -> None:
    x = np.random.default_rng(1).normal(size=(2, 3, 2))
    g = np.random.default_rng(2).normal(size=x.shape)
    layer = nn.PReLU(3, 0.1, dtype=np.float64)
    assert layer.weight.shape == (3,) and layer.weight.name == "weight"
    layer.weight.data = np.array([0.1, -0.2, 0.3])
    slopes = layer.weight.data[:, None]
    value, gradient = run(layer, x, g)
    np.testing.assert_allclose(value, np.where(x > 0, x, slopes * x), rtol=1e-15)
    np.testing.assert_allclose(gradient, np.where(x > 0, g, slopes * g), rtol=1e-15)
    np.testing.assert_allclose(layer.weight.grad.data, (g * np.minimum(x, 0)).sum((0, 2)), rtol=1e-14)
    ac.check_grads(F.prelu, (x, np.array([0.1, -0.2, 0.3])), order=2)
    ac.check_grads(F.prelu, (x, np.array([0.1])), order=2)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 4)], ids=str)
def test_prelu_with_one_slope_takes_any_shape(shape: tuple[int, ...]) -> None:
    layer = nn.PReLU()
    x = -np.ones(shape, np.float32)
    value, _ = run(layer, x)
    np.testing.assert_array_equal(value, 0.25 * x)
    assert layer.weight.grad.shape == (1,) and layer.weight.grad.data[0] == -x.size
    if len(shape) == 1:
        np.testing.assert_array_equal(F.prelu(x, np.array([1, 2, 3], np.float32)), [-1, -2, -3])


def test_swish_can_learn_its_steepness() -> None:
    layer = nn.Swish(0.5, trainable=True)
    assert list(layer.state_dict()) == ["beta"] and repr(layer) == "Swish(beta=0.5, trainable=True)"
    assert layer.beta.shape == () and layer.beta.dtype == np.float32
    x = POINTS.astype(np.float32)
    value, _ = run(layer, x)
    assert value.dtype == np.float32 and layer.beta.grad.dtype == np.float32
    np.testing.assert_allclose(value, POINTS * logistic(0.5 * POINTS), rtol=1e-5, atol=1e-6)
    sigma = logistic(0.5 * POINTS)
    np.testing.assert_allclose(layer.beta.grad.data, (POINTS**2 * sigma * (1 - sigma)).sum(), rtol=1e-5)
    ac.check_grads(F.swish, (POINTS[::9], np.array(0.7)), order=2)
    assert nn.Swish(2, trainable=True, dtype=np.float64).beta.dtype == np.float64


GATED = {
    "GLU": (nn.GLU, logistic, {}),
    "ReGLU": (nn.ReGLU, lambda x: np.maximum(x, 0), {}),
    "GEGLU": (nn.GEGLU, lambda x: x * cdf(x.ravel()).reshape(x.shape), {}),
    "SwiGLU": (nn.SwiGLU, lambda x: x * logistic(x), {}),
    "SwiGLU, beta": (nn.SwiGLU, lambda x: x * logistic(1.7 * x), {"beta": 1.7, "trainable": True}),
}


@pytest.mark.parametrize("name", GATED)
@pytest.mark.parametrize("bias", [True, False])
def test_gated_units(name: str, bias: bool) -> None:
    kind, activation, options = GATED[name]
    ac.random.seed(3)
    layer = kind(4, 3, bias, dtype=np.float64, **options)
    keys = ["gate.weight", "gate.bias", "value.weight", "value.bias"] if bias else ["gate.weight", "value.weight"]
    assert list(layer.state_dict()) == [*keys, *(["swish.beta"] if options else [])]
    assert layer.gate.weight.shape == layer.value.weight.shape == (3, 4)
    x = np.random.default_rng(0).normal(size=(2, 5, 4))
    W, V = layer.gate.weight.data.T, layer.value.weight.data.T
    b, c = (layer.gate.bias.data, layer.value.bias.data) if bias else (0, 0)
    expected = activation(x @ W + b) * (x @ V + c)
    value, _ = run(layer, x)
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-15)
    assert all(p.grad is not None and p.grad.data.any() for p in layer.parameters())
    ac.check_grads(layer, (x[0, :2],), order=1)
    single = kind(4, 3, bias, **options)
    assert run(single, x.astype(np.float32))[0].dtype == np.float32
    assert all(p.dtype == p.grad.dtype == np.float32 for p in single.parameters())
    text = f"{kind.__name__}(\n  (gate): Linear(in_features=4, out_features=3, bias={bias})\n"
    assert repr(layer).startswith(text + f"  (value): Linear(in_features=4, out_features=3, bias={bias})\n")


def test_gated_units_as_functions() -> None:
    layer = nn.GEGLU(4, 3)
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    gate, value = layer.gate, layer.value
    out = F.gated_linear(Tensor(x), gate.weight, value.weight, gate.bias, value.bias, F.gelu)
    np.testing.assert_array_equal(out.data, layer(Tensor(x)).data)
    np.testing.assert_array_equal(
        F.gated_linear(x, np.ones((1, 4)), np.ones((1, 4))),
        F.sigmoid(x.sum(1, keepdims=True, dtype=float)) * x.sum(1, keepdims=True, dtype=float),
    )


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_glu_without_parameters_splits_its_input(dim: int) -> None:
    x = np.random.default_rng(0).normal(size=(4, 6))
    a, b = np.split(x, 2, dim)
    np.testing.assert_allclose(run(lambda t: F.glu(t, dim), x)[0], a * logistic(b), rtol=1e-14)
    ac.check_grads(lambda t: F.glu(t, dim), (x[:2, :2],), order=2)


# -- softmax ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_softmax_and_its_kin(dim: int) -> None:
    x = np.random.default_rng(0).normal(size=(3, 4, 2)) * 3
    p = exp(x) / exp(x).sum(dim, keepdims=True)
    for module, expected in (
        (nn.Softmax(dim), p),
        (nn.LogSoftmax(dim), np.log(p)),
        (nn.Softmin(dim), exp(-x) / exp(-x).sum(dim, keepdims=True)),
    ):
        np.testing.assert_allclose(module(Tensor(x)).data, expected, rtol=1e-13)
        np.testing.assert_array_equal(type(module)(axis=dim)(Tensor(x)).data, module(Tensor(x)).data)
        ac.check_grads(module, (x[:2, :2],), order=2)
        assert repr(module) == f"{type(module).__name__}(dim={dim})" and not module.state_dict()
    for function, expected in ((F.softmax, p), (F.log_softmax, np.log(p))):
        np.testing.assert_array_equal(function(x, dim), function(x, axis=dim))
        np.testing.assert_allclose(function(x, dim), expected, rtol=1e-13)
        assert function(x, dim, dtype=np.float32).dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_at_extremes(dtype: Any) -> None:
    x = np.array([[-1e4, 0, 1e4], [1e4, 1e4, -1e4], [-1e4, -1e4, -1e4]], dtype)
    g = np.array([[1, 2, 3]] * 3, dtype)
    third = 1 / 3
    value, slope = run(nn.Softmax(), x, g)
    np.testing.assert_allclose(value, [[0, 0, 1], [0.5, 0.5, 0], [third] * 3], rtol=1e-6)
    np.testing.assert_allclose(slope, [[0, 0, 0], [-0.25, 0.25, 0], [-third, 0, third]], rtol=1e-6, atol=1e-7)
    value, slope = run(nn.LogSoftmax(), x, g)
    np.testing.assert_allclose(value, [[-2e4, -1e4, 0], [-np.log(2)] * 2 + [-2e4], [-np.log(3)] * 3], rtol=1e-4)
    np.testing.assert_allclose(slope, [[1, 2, -3], [-2, -1, 3], [-1, 0, 1]], rtol=1e-6, atol=1e-6)
    assert value.dtype == slope.dtype == dtype
    for function in (F.softmax, F.log_softmax):
        gradient = ac.grad(lambda v, function=function: (function(v) * g).sum())
        assert np.isfinite(ac.grad(lambda v, gradient=gradient: (gradient(v) * g).sum())(x)).all()
    masked = F.softmax(np.array([0, -INF, 0], dtype))  # attention masks
    np.testing.assert_array_equal(masked, [0.5, 0, 0.5])


@pytest.mark.parametrize("function", [F.softmax, F.log_softmax, F.softmin])
def test_softmax_of_any_shape(function: Any) -> None:
    for shape in ((), (0, 3), (3, 0), (2, 1)):
        x = np.zeros(shape, np.float32)
        value, slope = run(function, x)
        assert value.shape == slope.shape == shape and value.dtype == slope.dtype == np.float32
    t = Tensor(DuckArray(np.zeros((2, 3))), requires_grad=True)
    function(t, 1).backward(DuckArray(np.ones((2, 3))))
    np.testing.assert_allclose(unwrap(t.grad.data), 0, atol=1e-15)


# -- arguments ----------------------------------------------------------------------------------------


def test_inplace_is_accepted_and_changes_nothing() -> None:
    x = np.array([-1.0, 2.0])
    for module in (
        nn.ReLU(inplace=True), nn.ReLU6(True), nn.LeakyReLU(0.1, True), nn.ELU(1.0, True), nn.CELU(1.0, True),
        nn.SELU(True), nn.SiLU(True), nn.Mish(True), nn.Hardtanh(-1, 1, True), nn.Hardsigmoid(True), nn.Hardswish(True),
    ):  # fmt: skip
        assert type(module)()(Tensor(x)).shape == module(Tensor(x)).shape
        np.testing.assert_array_equal(x, [-1, 2])
    assert nn.Identity(54, unused=True)(x) is x


BAD: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "slope": (
        lambda: nn.LeakyReLU("0.1"),
        ArgumentError,
        "LeakyReLU: negative_slope must be a finite number, got '0.1'",
    ),  # type: ignore[arg-type]
    "channels": (lambda: nn.PReLU(0), ArgumentError, "PReLU: num_parameters must be a positive integer, got 0"),
    "init": (lambda: nn.PReLU(1, INF), ArgumentError, "PReLU: init must be a finite number, got inf"),
    "alpha": (lambda: nn.ELU(math.nan), ArgumentError, "ELU: alpha must be a finite number, got nan"),
    "celu": (lambda: nn.CELU(0), ArgumentError, "CELU: alpha must be a positive number, got 0"),
    "gelu": (
        lambda: nn.GELU("erf"),  # type: ignore[arg-type]
        ArgumentError,
        r"gelu: approximate must be 'none' \(exact\) or 'tanh', got 'erf'; 'none' is the default",
    ),
    "gelu called": (lambda: F.gelu(POINTS, "erf"), ArgumentError, "gelu: approximate must be"),  # type: ignore[arg-type]
    "beta": (lambda: nn.Softplus(-1), ArgumentError, "Softplus: beta must be a positive number, got -1"),
    "threshold": (lambda: nn.Softplus(1, None), ArgumentError, "Softplus: threshold must be a number, got None"),  # type: ignore[arg-type]
    "swish": (lambda: nn.Swish(True), ArgumentError, "Swish: beta must be a finite number, got True"),
    "smht": (lambda: nn.SMHT(1, 1, "c"), ArgumentError, "SMHT: c must be a finite number, got 'c'"),  # type: ignore[arg-type]
    "limits": (lambda: nn.Hardtanh(1, 1), ArgumentError, "Hardtanh: max_val must be a number above min_val = 1, got 1"),
    "lower limit": (lambda: nn.Hardtanh(None), ArgumentError, "Hardtanh: min_val must be a number, got None"),  # type: ignore[arg-type]
    "dim": (lambda: nn.Softmax(0.5), ArgumentError, "Softmax: dim must be an integer or None, got 0.5"),  # type: ignore[arg-type]
    "dim and axis": (
        lambda: nn.LogSoftmax(1, axis=0),
        ArgumentError,
        "LogSoftmax: dim and axis are two names of one argument, got dim=1 and axis=0; give one of them",
    ),
    "no such axis": (lambda: F.softmax(Tensor(POINTS), 1), ShapeError, "softmax: .* axis 1 is out of bounds"),
    "sizes": (lambda: nn.GEGLU(3, -1), ArgumentError, "GEGLU: out_features must be a positive integer, got -1"),
    "beta of the gate": (lambda: nn.SwiGLU(3, 2, beta=None), ArgumentError, "Swish: beta must be a finite number"),  # type: ignore[arg-type]
    "odd": (
        lambda: F.glu(np.ones((2, 3))),
        ShapeError,
        r"glu: the input must have an even length along dim -1, got shape \(2, 3\); change dim, or give",
    ),
    "glu dim": (lambda: F.glu(np.ones(4), 1), ShapeError, r"even length along dim 1, got shape \(4,\)"),
    "prelu": (
        lambda: nn.PReLU(4)(Tensor(np.ones((2, 3)))),
        ShapeError,
        r"prelu: the weight must be a vector of 1 slope or of one per channel of the input, got a weight of shape "
        r"\(4,\) and an input of shape \(2, 3\); channels are axis 1, change num_parameters",
    ),
    "prelu matrix": (lambda: F.prelu(np.ones((2, 3)), np.ones((1, 3))), ShapeError, r"a weight of shape \(1, 3\)"),
    "gate input": (lambda: nn.GLU(3, 2)(Tensor(np.ones((2, 4)))), ShapeError, "in_features 3, got an input of shape"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_are_named(name: str) -> None:
    call, error, message = BAD[name]
    with pytest.raises(error, match=message) as caught:
        call()
    assert f"called at {HERE}:{call.__code__.co_firstlineno}"[:-1] in str(caught.value)
