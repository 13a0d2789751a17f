"""Running statistics of normalizations, frozen ones; state, text, arguments and errors of the layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_core as ac
import nn
import nn.functional as F
from autograd_core import Tensor
from normalization_cases import literal


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


# -- running statistics


@pytest.mark.parametrize("momentum", [0.1, None, 1.0])
@pytest.mark.parametrize("shape", [(3, 2, 5), (3, 2, 2, 3), (2, 2, 2, 1, 2)])
def test_instance_statistics_after_five_batches(momentum: float | None, shape: tuple[int, ...], rng: Any) -> None:
    module = nn.InstanceNorm(2, momentum=momentum, track_running_stats=True, dtype=np.float64)
    axes = tuple(range(2, len(shape)))
    mean, var = np.zeros(2), np.ones(2)
    for t in range(1, 6):
        x = rng.normal(t, 2.0, shape)
        np.testing.assert_allclose(module(x), literal(x, axes, 1.0, 0.0, 1e-5, "variance"), rtol=1e-12, atol=1e-13)
        m = 1 / t if momentum is None else momentum
        mean = (1 - m) * mean + m * x.mean(axes).mean(0)
        var = (1 - m) * var + m * x.var(axes, ddof=1).mean(0)
    np.testing.assert_allclose(module.running_mean.data, mean, rtol=1e-13)
    np.testing.assert_allclose(module.running_var.data, var, rtol=1e-13)
    assert module.num_batches_tracked.item() == 5
    before = module.eval().state_dict()
    column = (2,) + (1,) * (len(shape) - 2)
    expected = (x - mean.reshape(column)) / np.sqrt(var.reshape(column) + 1e-5)
    np.testing.assert_allclose(module(x), expected, rtol=1e-12)
    scale, shift = module.folded()
    np.testing.assert_allclose(x * scale.data.reshape(column) + shift.data.reshape(column), expected, rtol=1e-11)
    assert_state(module, before)


def assert_state(module: nn.Module, state: dict[str, Any]) -> None:
    after = module.state_dict()
    assert list(after) == list(state)
    for key, value in after.items():
        np.testing.assert_array_equal(value, state[key])


def test_untracked_instance_norm_uses_the_inputs_statistics_in_evaluation_too(rng: Any) -> None:
    module = nn.InstanceNorm2d(3)
    x = rng.normal(size=(2, 3, 4, 4)).astype(np.float32)
    np.testing.assert_array_equal(module(x), module.eval()(x))
    assert list(module.state_dict()) == []


def test_a_sample_without_batch_axis(rng: Any) -> None:
    for name, shape in (("InstanceNorm1d", (3, 4)), ("InstanceNorm2d", (3, 4, 2)), ("InstanceNorm3d", (3, 4, 2, 2))):
        module = getattr(nn, name)(3, track_running_stats=True, dtype=np.float64)
        again = getattr(nn, name)(3, track_running_stats=True, dtype=np.float64)
        x = rng.normal(size=shape)
        np.testing.assert_array_equal(module(x), again(x[np.newaxis])[0])
        assert_state(module, again.state_dict())


LAYERS_THAT_TRACK = [
    (nn.BatchNorm, (4, 3)),
    (nn.BatchNorm2d, (2, 3, 2, 2)),
    (lambda *a, **o: nn.InstanceNorm1d(*a, affine=True, track_running_stats=True, **o), (2, 3, 4)),
]


@pytest.mark.parametrize(("make", "shape"), LAYERS_THAT_TRACK)
def test_frozen_statistics_are_a_fixed_affine_map(make: Any, shape: tuple[int, ...], rng: Any) -> None:
    module = make(3, dtype=np.float64)
    model = nn.Sequential(module)
    for _ in range(3):
        model(rng.normal(2.0, 3.0, shape))
    module.weight.data, module.bias.data = rng.normal(size=3), rng.normal(size=3)
    module.frozen = True
    before = model.train().state_dict()
    x, g = rng.normal(size=shape), rng.normal(size=shape)
    column = (3,) + (1,) * (len(shape) - 2)
    t = Tensor(x, requires_grad=True)
    y = model(t)
    assert_state(model, before)
    scale, shift = (a.data.reshape(column) for a in module.folded())
    np.testing.assert_array_equal(y.data, x * scale + shift)
    y.backward(g)
    np.testing.assert_allclose(t.grad.data, g * scale, rtol=1e-14)  # no path through mean or variance
    axes = tuple(i for i in range(len(shape)) if i != 1)
    np.testing.assert_allclose(module.bias.grad.data, g.sum(axes), rtol=1e-13)
    assert module.weight.grad.shape == (3,)
    assert "frozen=True" in repr(module)
    module.frozen = False
    assert "frozen" not in repr(module)
    model(x)
    assert module.num_batches_tracked.item() == 4


@pytest.mark.parametrize(("make", "shape"), LAYERS_THAT_TRACK)
def test_a_failed_forward_leaves_no_trace(make: Any, shape: tuple[int, ...], rng: Any) -> None:
    class Awkward(float):  # fails where the variance is about to move, after the mean
        def __mul__(self, other: Any) -> Any:
            raise ArithmeticError("awkward")

    module = make(3, dtype=np.float64)
    x = rng.normal(size=shape)
    module(x)
    before = module.state_dict()
    module.momentum = Awkward(0.5)
    with pytest.raises(ArithmeticError, match="awkward"):
        module(x)
    assert_state(module, before)
    module.momentum = 0.1
    module.bias.data = np.ones(4)
    with pytest.raises(ac.errors.ShapeError):
        module(x)
    module.bias.data = before["bias"]
    assert_state(module, before)


@pytest.mark.parametrize(("make", "shape"), LAYERS_THAT_TRACK)
def test_statistics_move_once_under_checkpoint(make: Any, shape: tuple[int, ...], rng: Any) -> None:
    module = make(3, dtype=np.float64)
    out = ac.checkpoint(module, Tensor(rng.normal(size=shape), requires_grad=True))
    once = module.state_dict()
    assert once["num_batches_tracked"] == 1
    out.sum().backward()
    assert_state(module, once)
    assert not module.running_mean.requires_grad
    assert module.running_mean.is_leaf


# -- state, text, arguments

STATISTICS = ["running_mean", "running_var", "num_batches_tracked"]


@pytest.mark.parametrize(
    ("module", "text", "keys"),
    [
        (nn.BatchNorm1d(4), "BatchNorm1d(4, eps=1e-05, momentum=0.1)", ["weight", "bias", *STATISTICS]),
        (nn.BatchNorm2d(4, 1e-3, None, False, False),
         "BatchNorm2d(4, eps=0.001, momentum=None, affine=False, track_running_stats=False)", []),
        (nn.BatchNorm3d(4, bias=False, eps_placement="deviation"),
         "BatchNorm3d(4, eps=1e-05, momentum=0.1, eps_placement='deviation', bias=False)", ["weight", *STATISTICS]),
        (nn.InstanceNorm(4), "InstanceNorm(4, eps=1e-05, momentum=0.1, affine=False, track_running_stats=False)", []),
        (nn.InstanceNorm2d(4, 1e-3, 0.2, True, True),
         "InstanceNorm2d(4, eps=0.001, momentum=0.2, affine=True, track_running_stats=True)",
         ["weight", "bias", *STATISTICS]),
        (nn.GroupNorm(2, 4), "GroupNorm(2, 4, eps=1e-05, affine=True)", ["weight", "bias"]),
        (nn.GroupNorm(2, 4, 1e-3, False, eps_placement="deviation"),
         "GroupNorm(2, 4, eps=0.001, affine=False, eps_placement='deviation')", []),
        (nn.GroupNorm(2, 4, bias=False), "GroupNorm(2, 4, eps=1e-05, affine=True, bias=False)", ["weight"]),
        (nn.LayerNorm(4), "LayerNorm((4,), eps=1e-05, elementwise_affine=True)", ["weight", "bias"]),
        (nn.LayerNorm([2, 3], 1e-3, True, False), "LayerNorm((2, 3), eps=0.001, elementwise_affine=True, bias=False)",
         ["weight"]),
        (nn.LayerNorm((4,), elementwise_affine=False), "LayerNorm((4,), eps=1e-05, elementwise_affine=False)", []),
        (nn.RMSNorm(4), "RMSNorm((4,), eps=None, elementwise_affine=True)", ["weight"]),
        (nn.RMSNorm((2, 3), 1e-6, False, eps_placement="deviation"),
         "RMSNorm((2, 3), eps=1e-06, elementwise_affine=False, eps_placement='deviation')", []),
    ],
)  # fmt: skip
def test_repr_and_state_keys(module: nn.Module, text: str, keys: list[str]) -> None:
    assert repr(module) == text
    assert list(module.state_dict()) == keys
    shape = getattr(module, "normalized_shape", (4,))
    for key, value in module.state_dict().items():
        assert value.shape == (() if key == "num_batches_tracked" else shape)
        assert np.all(value == (0 if key in ("bias", "running_mean", "num_batches_tracked") else 1))


def test_positions_of_arguments_are_pytorchs() -> None:
    for module in (nn.BatchNorm1d(3, 1e-3, 0.2, False, False), nn.InstanceNorm3d(3, 1e-3, 0.2, False, False)):
        assert (module.eps, module.momentum, module.affine, module.track_running_stats) == (1e-3, 0.2, False, False)
    x, w, b = np.arange(12.0).reshape(2, 3, 2), np.arange(1.0, 4.0), np.arange(3.0)
    mean, var = Tensor(np.zeros(3)), Tensor(np.ones(3))
    y = F.batch_norm(x, mean, var, w, b, True, 1.0, 0.5)
    np.testing.assert_allclose(mean.data, x.mean((0, 2)))
    np.testing.assert_allclose(y, literal(x, (0, 2), w[:, None], b[:, None], 0.5, "variance"))
    y = F.instance_norm(x, mean, var, w, b, False, 0.1, 0.5)
    np.testing.assert_allclose(y, (x - mean.data[:, None]) / np.sqrt(var.data[:, None] + 0.5) * w[:, None] + b[:, None])
    np.testing.assert_allclose(F.layer_norm(x, (2,), w[:2], b[:2], 0.5), literal(x, -1, w[:2], b[:2], 0.5, "variance"))
    np.testing.assert_allclose(F.group_norm(x, 3, w, b, 0.5), literal(x, -1, w[:, None], b[:, None], 0.5, "variance"))
    np.testing.assert_allclose(F.rms_norm(x, (2,), w[:2], 0.5), x / np.sqrt((x * x).mean(-1)[..., None] + 0.5) * w[:2])


# -- errors


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


@pytest.mark.parametrize(
    ("message", "action"),
    [
        (r"BatchNorm1d: the input must be \(N, C\) or \(N, C, L\), got shape \(2, 3, 4, 4\); reshape it",
         lambda: nn.BatchNorm1d(3)(ones(2, 3, 4, 4))),
        (r"BatchNorm2d: the input must be \(N, C, H, W\), got shape \(2, 3\)", lambda: nn.BatchNorm2d(3)(ones(2, 3))),
        (r"BatchNorm3d: the input must be \(N, C, D, H, W\), got", lambda: nn.BatchNorm3d(3)(ones(2, 3, 1, 1))),
        (r"BatchNorm2d: the input must have 3 features along axis 1, got shape \(2, 4, 2, 2\); change num_features or",
         lambda: nn.BatchNorm2d(3)(ones(2, 4, 2, 2))),
        ("batch_norm: a batch must have at least 2 values per feature",
         lambda: nn.BatchNorm2d(3)(ones(1, 3, 1, 1))),
        ("BatchNorm1d: eps must be a number >= 0, got -1", lambda: nn.BatchNorm1d(3, -1)),
        (r"BatchNorm.frozen: running statistics must be tracked, got track_running_stats=False",
         lambda: frozen(nn.BatchNorm(3, track_running_stats=False))(ones(4, 3))),
        (r"InstanceNorm2d: the input must be \(N, C, H, W\) or \(C, H, W\), got shape \(2, 3\)",
         lambda: nn.InstanceNorm2d(3)(ones(2, 3))),
        (r"InstanceNorm2d: the input must have 3 features along axis 0, got shape \(2, 3, 3\); change num_features\.",
         lambda: nn.InstanceNorm2d(3)(ones(2, 3, 3))),
        (r"InstanceNorm: the input must have 3 features along axis 1, got shape \(2, 4, 3\)",
         lambda: nn.InstanceNorm(3)(ones(2, 4, 3))),
        (r"instance_norm: the input must have the axes \(N, C, \*\) with at least one spatial axis, got shape \(2, 3\)",
         lambda: nn.InstanceNorm(3)(ones(2, 3))),
        (r"instance_norm: a sample must have at least 2 values per channel to have a variance, got 1 in shape "
         r"\(4, 3, 1, 1\); use larger images", lambda: nn.InstanceNorm2d(3).eval()(ones(4, 3, 1, 1))),
        (r"instance_norm: weight must have the shape \(3,\) that an input of shape \(2, 3, 4\) asks for, got \(2,\)",
         lambda: F.instance_norm(ones(2, 3, 4), weight=ones(2))),
        ("instance_norm: use_input_stats=False must come with running statistics, got None",
         lambda: F.instance_norm(ones(2, 3, 4), use_input_stats=False)),
        ("InstanceNorm: num_features must be a positive integer, got 0", lambda: nn.InstanceNorm(0)),
        ("InstanceNorm1d: eps_placement must be .* got 'x'", lambda: nn.InstanceNorm1d(3, eps_placement="x")),
        ("GroupNorm: num_channels must be a multiple of num_groups, got 6 channels and 4 groups; e.g.",
         lambda: nn.GroupNorm(4, 6)),
        ("GroupNorm: num_groups must be a positive integer, got 0", lambda: nn.GroupNorm(0, 6)),
        ("GroupNorm: eps must be a number >= 0, got nan", lambda: nn.GroupNorm(2, 6, np.nan)),
        (r"GroupNorm: the input must have 6 channels along axis 1, got shape \(2, 4\)",
         lambda: nn.GroupNorm(2, 6)(ones(2, 4))),
        (r"group_norm: the input must have the axes \(N, C, \*\), got shape \(6,\)",
         lambda: nn.GroupNorm(2, 6)(ones(6))),
        (r"group_norm: num_groups must be a positive integer that divides the 6 channels of shape \(2, 6\), got 4",
         lambda: F.group_norm(ones(2, 6), 4)),
        (r"that divides the 6 channels of shape \(2, 6\), got 2.0", lambda: F.group_norm(ones(2, 6), 2.0)),
        (r"group_norm: bias must have the shape \(6,\)", lambda: F.group_norm(ones(2, 6), 2, bias=ones(2))),
        ("group_norm: eps_placement must be", lambda: F.group_norm(ones(2, 6), 2, eps_placement="x")),
        (r"LayerNorm: normalized_shape must be a positive integer or a sequence of such, got \(3, 0\)",
         lambda: nn.LayerNorm((3, 0))),
        (r"LayerNorm: normalized_shape must be .* got \(\)", lambda: nn.LayerNorm(())),
        ("LayerNorm: eps must be a number >= 0, got 'x'", lambda: nn.LayerNorm(3, "x")),
        (r"layer_norm: the input must end in the axes \(3,\) of normalized_shape, got shape \(2, 4\)",
         lambda: nn.LayerNorm(3)(ones(2, 4))),
        (r"layer_norm: the input must end in the axes \(2, 3\) of normalized_shape, got shape \(3,\)",
         lambda: nn.LayerNorm((2, 3))(ones(3))),
        (r"layer_norm: weight must have the shape \(3,\)", lambda: F.layer_norm(ones(2, 3), 3, ones(2))),
        (r"layer_norm: the input must end in the axes \(\)", lambda: F.layer_norm(ones(2, 3), ())),
        (r"rms_norm: the input must end in the axes \(3,\)", lambda: nn.RMSNorm(3)(ones(2, 4))),
        (r"rms_norm: weight must have the shape \(3,\)", lambda: F.rms_norm(ones(2, 3), 3, ones(2))),
        ("RMSNorm: eps must be a number >= 0 or None, got -1", lambda: nn.RMSNorm(3, -1)),
        ("RMSNorm: eps_placement must be", lambda: nn.RMSNorm(3, eps_placement="x")),
    ],
)  # fmt: skip
def test_errors(message: str, action: Any) -> None:
    with pytest.raises(ac.AutogradError, match=message) as caught:
        action()
    assert "called at test_nn_normalization_state.py:" in str(caught.value)


def frozen(module: Any) -> Any:
    module.frozen = True
    return module


def test_errors_name_the_module() -> None:
    model = nn.Sequential(nn.LayerNorm(3), nn.BatchNorm1d(3))
    with pytest.raises(ac.errors.ShapeError, match=r"in: layer_norm \(module 0\)"):
        model(ones(2, 4))
    with pytest.raises(ac.errors.ShapeError, match=r"in: batch_norm \(module 1\)"):
        model(ones(1, 3))
