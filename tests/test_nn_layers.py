"""Values and gradients of layers against plain formulas and central differences; BatchNorm's state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_core as ac
import nn
import nn.functional as F
from autograd_core import Tensor


@pytest.fixture
def rng() -> np.random.Generator:
    ac.random.seed(0)
    return np.random.default_rng(0)


def plain_bn(x: Any, weight: Any, bias: Any, axes: Any, shape: Any, eps: float, placement: str) -> Any:
    """The textbook formula, on arrays or Tensors."""
    mu = np.mean(x, axis=axes, keepdims=True)
    var = np.mean((x - mu) ** 2, axis=axes, keepdims=True)
    root = np.sqrt(var + eps) if placement == "variance" else np.sqrt(var) + eps
    return (x - mu) / root * np.reshape(weight, shape) + np.reshape(bias, shape)


def differences(f: Callable[..., float], arrays: list[np.ndarray], which: int) -> np.ndarray:
    """Central differences of order four of a scalar function, element by element."""
    out = np.zeros_like(arrays[which])
    h = 1e-3
    for index in np.ndindex(out.shape):
        values = []
        for step in (-2, -1, 1, 2):
            moved = [a.copy() for a in arrays]
            moved[which][index] += step * h
            values.append(f(*moved))
        out[index] = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * h)
    return out


def assert_near(actual: Any, expected: Any, relative: float) -> None:
    """max|a - b| / max|b|, so that every element counts at the scale of the array."""
    assert actual.shape == expected.shape
    assert np.max(np.abs(actual - expected)) <= relative * np.max(np.abs(expected))


def check_module(module: nn.Module, plain: Callable[..., Any], x: np.ndarray, rng: Any) -> None:
    """Value and every gradient of a float64 module against `plain(x, *parameters)`."""
    parameters = [p.data.copy() for p in module.parameters()]
    for p in parameters:  # away from ones and zeros, which hide factors
        p += 0.3 * rng.normal(size=p.shape)
    for p, value in zip(module.parameters(), parameters):
        p.data = value.copy()
    t = Tensor(x, requires_grad=True)
    y = module(t)
    assert y.dtype == np.float64
    expected = plain(x, *parameters)
    assert_near(y.data, expected, 1e-13)
    g = rng.normal(size=y.shape)
    y.backward(g)
    gradients = [t.grad.data, *(p.grad.data for p in module.parameters())]
    arrays = [x, *parameters]
    _, pullback = ac.vjp(plain, *arrays)
    for i, (gradient, reference) in enumerate(zip(gradients, pullback(g), strict=True)):
        assert_near(gradient, reference, 1e-11)
        numerical = differences(lambda *a: float(np.sum(plain(*a) * g)), arrays, i)
        assert_near(gradient, numerical, 1e-8)


# -- layers


@pytest.mark.parametrize("shape", [(6, 5), (5,), (2, 3, 5)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear(shape: tuple[int, ...], bias: bool, rng: Any) -> None:
    def plain(x: Any, w: Any, *b: Any) -> Any:
        return np.matmul(x, np.transpose(w)) + (b[0] if b else 0.0)

    check_module(nn.Linear(5, 4, bias, dtype=np.float64), plain, rng.normal(size=shape), rng)


def test_linear_starts_uniform_and_seeded() -> None:
    ac.random.seed(3)
    first = nn.Linear(16, 400)
    ac.random.seed(3)
    second = nn.Linear(16, 400)
    np.testing.assert_array_equal(first.weight.data, second.weight.data)
    for p in first.parameters():
        assert p.dtype == np.float32
        assert 0.24 < np.max(np.abs(p.data)) <= 0.25
        assert abs(np.std(p.data) / (0.25 / 3**0.5) - 1) < 0.1
    assert not np.array_equal(nn.Linear(16, 400).weight.data, first.weight.data)


@pytest.mark.parametrize(
    ("module", "plain"),
    [
        (nn.ReLU(), lambda x: np.where(x > 0, x, 0.0)),
        (nn.Tanh(), lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))),
        (nn.Sigmoid(), lambda x: 1 / (1 + np.exp(-x))),
    ],
)
def test_activations(module: nn.Module, plain: Any, rng: Any) -> None:
    x = rng.uniform(0.1, 2, (3, 4)) * np.sign(rng.normal(size=(3, 4)))
    check_module(module, plain, x, rng)


def test_activations_at_extremes_and_at_the_kink() -> None:
    x = Tensor(np.array([-1e4, 0.0, 1e4], np.float32), requires_grad=True)
    for module, values, slopes in (
        (nn.ReLU(), [0, 0, 1e4], [0, 0, 1]),
        (nn.Tanh(), [-1, 0, 1], [0, 1, 0]),
        (nn.Sigmoid(), [0, 0.5, 1], [0, 0.25, 0]),
    ):
        x.zero_grad()
        y = module(x)
        y.backward(np.ones(3, np.float32))
        np.testing.assert_array_equal(y.data, np.array(values, np.float32))
        np.testing.assert_array_equal(x.grad.data, np.array(slopes, np.float32))


def test_functions_take_plain_arrays(rng: Any) -> None:
    x = rng.normal(size=(4, 3))
    for function in (F.relu, F.tanh, F.sigmoid, F.log_softmax):
        assert isinstance(function(x), np.ndarray)
    assert isinstance(F.linear(x, np.ones((2, 3)), np.ones(2)), np.ndarray)
    assert isinstance(F.batch_norm(x), np.ndarray)
    assert isinstance(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm(2))(x), Tensor)


# -- batch norm

LAYOUTS = [((6, 3), 1), ((3, 6), 0), ((4, 3, 2), 1), ((2, 3, 2, 2), -3), ((2, 4, 3), -1), ((6,), 0)]


@pytest.mark.parametrize(("shape", "axis"), LAYOUTS[:-1])
@pytest.mark.parametrize("placement", ["variance", "deviation"])
def test_batch_norm(shape: tuple[int, ...], axis: int, placement: Any, rng: Any) -> None:
    rank = len(shape)
    axes = tuple(i for i in range(rank) if i != axis % rank)
    column = tuple(shape[i] if i == axis % rank else 1 for i in range(rank))
    for eps in (1e-5, 0.1):  # the large one shows where eps is
        layer = nn.BatchNorm(3, feature_axis=axis, eps=eps, eps_placement=placement, dtype=np.float64)
        x = rng.normal(2.0, 3.0, size=shape)
        check_module(layer, lambda x, w, b, e=eps: plain_bn(x, w, b, axes, column, e, placement), x, rng)


def test_batch_norm_without_parameters(rng: Any) -> None:
    x = rng.normal(size=(6, 3))
    layer = nn.BatchNorm(3, affine=False, dtype=np.float64)
    assert list(layer.parameters()) == []
    check_module(layer, lambda x: plain_bn(x, np.ones(3), np.zeros(3), 0, 3, 1e-5, "variance"), x, rng)
    y = F.batch_norm(Tensor(x), weight=Tensor(np.full(3, 2.0)))
    np.testing.assert_allclose(y.data, plain_bn(x, np.full(3, 2.0), np.zeros(3), 0, 3, 1e-5, "variance"))


@pytest.mark.parametrize("momentum", [0.1, None, 1.0])
@pytest.mark.parametrize(("shape", "axis"), LAYOUTS[:-1])
def test_running_statistics_after_five_batches(
    momentum: float | None, shape: tuple[int, ...], axis: int, rng: Any
) -> None:
    layer = nn.BatchNorm(3, feature_axis=axis, momentum=momentum, dtype=np.float64)
    axes = tuple(i for i in range(len(shape)) if i != axis % len(shape))
    mean, var = np.zeros(3), np.ones(3)
    for t in range(1, 6):
        x = rng.normal(t, 2.0, size=shape)
        layer(x)
        m = 1 / t if momentum is None else momentum
        mean = (1 - m) * mean + m * x.mean(axes)
        var = (1 - m) * var + m * x.var(axes, ddof=1)
    np.testing.assert_allclose(layer.running_mean.data, mean, rtol=1e-13)
    np.testing.assert_allclose(layer.running_var.data, var, rtol=1e-13)
    assert layer.num_batches_tracked.item() == 5


def test_cumulative_average_is_the_mean_of_the_means(rng: Any) -> None:
    layer = nn.BatchNorm(3, momentum=None, dtype=np.float64)
    batches = rng.normal(size=(4, 5, 3))
    for x in batches:
        layer(x)
    np.testing.assert_allclose(layer.running_mean.data, batches.mean(1).mean(0))
    np.testing.assert_allclose(layer.running_var.data, 5 / 4 * batches.var(1).mean(0))


@pytest.mark.parametrize(("shape", "axis"), LAYOUTS)
@pytest.mark.parametrize("placement", ["variance", "deviation"])
@pytest.mark.parametrize("affine", [True, False])
def test_eval_uses_running_statistics_as_folded(
    shape: tuple[int, ...], axis: int, placement: Any, affine: bool, rng: Any
) -> None:
    features = shape[axis]
    layer = nn.BatchNorm(
        features, feature_axis=axis, eps_placement=placement, affine=affine, eps=0.1,
        dtype=np.float64,
    )  # fmt: skip
    layer.running_mean.data = rng.normal(size=features)
    layer.running_var.data = rng.uniform(0.5, 2, features)
    for p in layer.parameters():
        p.data = rng.normal(size=features)
    layer.eval()
    x = rng.normal(size=shape)
    before = layer.state_dict()
    y = layer(Tensor(x))
    for key, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[key])
    column = [1] * len(shape)
    column[axis] = features
    scale, shift = (t.data.reshape(column) for t in layer.folded())
    np.testing.assert_array_equal(y.data, x * scale + shift)
    mean, var = before["running_mean"], before["running_var"]
    root = np.sqrt(var + 0.1) if placement == "variance" else np.sqrt(var) + 0.1
    w, b = (before["weight"], before["bias"]) if affine else (np.ones(features), np.zeros(features))
    np.testing.assert_allclose(
        y.data, (x - mean.reshape(column)) / root.reshape(column) * w.reshape(column) + b.reshape(column)
    )


def test_eval_gradients(rng: Any) -> None:
    layer = nn.BatchNorm(3, dtype=np.float64)
    layer(rng.normal(1.0, 2.0, size=(8, 3)))
    layer.eval()
    mean, var = layer.running_mean.data.copy(), layer.running_var.data.copy()

    def plain(x: Any, w: Any, b: Any) -> Any:
        return (x - mean) / np.sqrt(var + 1e-5) * w + b

    check_module(layer, plain, rng.normal(size=(1, 3)), rng)


def test_untracked_statistics_are_the_batches_own(rng: Any) -> None:
    layer = nn.BatchNorm(3, track_running_stats=False)
    assert list(layer.state_dict()) == ["weight", "bias"]
    x = rng.normal(size=(5, 3)).astype(np.float32)
    train = layer(x).data
    np.testing.assert_array_equal(layer.eval()(x).data, train)


@pytest.mark.parametrize("placement", ["variance", "deviation"])
def test_constant_feature_has_finite_gradients(placement: Any, rng: Any) -> None:
    for dtype in (np.float32, np.float64):
        for constant in (0.0, 1.0, 0.1):  # the mean of 0.1 is rounded: a deviation of 1e-17
            layer = nn.BatchNorm(2, eps_placement=placement, dtype=dtype)
            data = rng.normal(size=(6, 2)).astype(dtype)
            data[:, 0] = constant
            x = Tensor(data, requires_grad=True)
            y = layer(x)
            y.backward(rng.normal(size=(6, 2)).astype(dtype))
            for t in (y, x.grad, layer.weight.grad, layer.bias.grad):
                assert np.all(np.isfinite(t.data))
    np.testing.assert_array_equal(F.batch_norm(np.ones((3, 2)), eps_placement=placement), 0)


def test_float32_is_kept(rng: Any) -> None:
    for momentum in (0.1, None):
        model = nn.Sequential(
            nn.Linear(4, 3), nn.BatchNorm(3, momentum=momentum), nn.ReLU(), nn.Linear(3, 3),
            nn.BatchNorm(3, eps_placement="deviation"), nn.Tanh(), nn.Sigmoid(),
        )  # fmt: skip
        x = Tensor(rng.normal(size=(8, 4)).astype(np.float32), requires_grad=True)
        for loss, target in (
            (nn.CrossEntropyLoss(), rng.integers(0, 3, 8)),
            (nn.CrossEntropyLoss(), ac.one_hot(rng.integers(0, 3, 8), 3)),
            (nn.MSELoss(), rng.normal(size=(8, 3))),
            (nn.MSELoss(), rng.integers(0, 3, (8, 3))),
        ):
            model.zero_grad()
            value = loss(model(x), target)
            value.backward()
            assert value.dtype == x.grad.dtype == np.float32
            assert {p.grad.dtype for p in model.parameters()} == {np.dtype(np.float32)}
        assert {b.dtype for b in model.buffers()} == {np.dtype(np.float32), np.dtype(np.int64)}
        assert model.eval()(x).dtype == np.float32


def test_statistics_keep_their_dtype_on_float64_input(rng: Any) -> None:
    layer = nn.BatchNorm(3)
    assert layer(rng.normal(size=(4, 3))).dtype == np.float64
    assert layer.running_mean.dtype == layer.running_var.dtype == np.float32


def test_tape_of_batch_norm_keeps_the_centred_input_once(rng: Any) -> None:
    x = Tensor(rng.normal(size=(64, 8)), requires_grad=True)
    y = nn.BatchNorm(8)(x)
    large: set[int] = set()
    stack, seen = [y._node], set()
    while stack:
        node = stack.pop()
        if isinstance(node, ac.Node) and id(node) not in seen:
            seen.add(id(node))
            large.update(id(array) for array in node.kept or () if np.size(array) == x.size)
            stack.extend(node.parents)
    assert len(large) == 1


def test_running_statistics_move_once_under_checkpoint(rng: Any) -> None:
    layer = nn.BatchNorm(3, dtype=np.float64)
    x = Tensor(rng.normal(size=(6, 3)), requires_grad=True)
    out = ac.checkpoint(layer, x)
    once = layer.state_dict()
    out.sum().backward()
    for key, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, once[key])
    assert layer.num_batches_tracked.item() == 1


def test_statistics_record_nothing(rng: Any) -> None:
    layer = nn.BatchNorm(3)
    layer(Tensor(rng.normal(size=(6, 3)), requires_grad=True))
    assert not layer.running_mean.requires_grad
    assert not layer.running_var.requires_grad
    assert layer.running_mean.is_leaf


def test_second_derivatives_flow(rng: Any) -> None:
    x = rng.normal(size=(4, 2))
    weight = rng.normal(size=(4, 2))

    def f(x: Any) -> Any:
        return (F.batch_norm(x, eps=0.1) ** 3 * weight).sum()

    def plain(x: Any) -> Any:
        return (plain_bn(x, np.ones(2), np.zeros(2), 0, 2, 0.1, "variance") ** 3 * weight).sum()

    assert_near(ac.hessian(f)(x), ac.hessian(plain)(x), 1e-10)


# -- errors


@pytest.mark.parametrize("shape", [(1, 3), (0, 3)])
def test_a_batch_of_one_is_an_error_in_training(shape: tuple[int, ...]) -> None:
    layer = nn.BatchNorm(3)
    model = nn.Sequential(layer)
    before = layer.state_dict()
    with pytest.raises(
        ac.errors.ShapeError,
        match=rf"at least 2 values per feature .* got {shape[0]} in shape .* use a larger batch .*"
        r"or .eval\(\).* in: batch_norm \(module 0\), called at test_nn_layers.py",
    ):
        model(np.ones(shape, np.float32))
    for key, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[key])
    assert model.eval()(np.ones(shape, np.float32)).shape == shape


@pytest.mark.parametrize(
    ("message", "action"),
    [
        (r"BatchNorm: the input must have 3 features along axis 1, got shape \(4, 2\); change num",
         lambda: nn.BatchNorm(3)(np.ones((4, 2)))),
        (r"3 features along axis 1, got shape \(3,\)", lambda: nn.BatchNorm(3)(np.ones(3))),
        (r"batch_norm: axis 1 of the input must have the 3 features .* got 2 in shape \(4, 2\)",
         lambda: F.batch_norm(np.ones((4, 2)), weight=np.ones(3))),
        (r"batch_norm: the input must have the feature axis 1, got shape \(4,\)",
         lambda: F.batch_norm(np.ones(4))),
        ("eps_placement must be 'variance' .* got 'outside'",
         lambda: nn.BatchNorm(3, eps_placement="outside")),
        ("num_features must be a positive integer, got 0", lambda: nn.BatchNorm(0)),
        ("eps must be a number >= 0, got -1", lambda: nn.BatchNorm(3, eps=-1)),
        (r"momentum must be a number in \[0, 1\] or None, got 2", lambda: nn.BatchNorm(3, momentum=2)),
        ("feature_axis must be an integer, got 'C'", lambda: nn.BatchNorm(3, feature_axis="C")),
        ("running statistics must be tracked, got track_running_stats=False",
         lambda: nn.BatchNorm(3, track_running_stats=False).folded()),
        (r"linear: the input's last axis must have the weight's in_features 3, got an input of shape "
         r"\(2, 4\) and a weight of shape \(5, 3\)", lambda: nn.Linear(3, 5)(np.ones((2, 4)))),
        (r"got an input of shape \(\)", lambda: nn.Linear(3, 5)(Tensor(1.0))),
    ],
)  # fmt: skip
def test_layer_errors(message: str, action: Any) -> None:
    with pytest.raises(ac.AutogradError, match=message) as caught:
        action()
    assert "called at test_nn_layers.py:" in str(caught.value)
