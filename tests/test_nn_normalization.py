"""Normalizations against the literal formula, their gradients to second order, dtypes and array types."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_core as ac
import nn
import nn.functional as F
from autograd_core import Tensor
from duck import DuckArray, unwrap
from normalization_cases import CASES, PLACEMENTS, Case, each, few, filled


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


# -- the formula


@each
@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("eps", [1e-5, 0.3])  # the large one shows where eps is
def test_layers_are_the_literal_formula(name: str, placement: str, eps: float, rng: Any) -> None:
    case = CASES[name]
    module, arrays = filled(case, rng, eps=eps, eps_placement=placement)
    t = Tensor(arrays[0], requires_grad=True)
    y = module(t)
    expected, pullback = ac.vjp(lambda *a: case.formula(*a, eps, placement), *arrays)
    np.testing.assert_allclose(y.data, expected, rtol=1e-12, atol=1e-13)
    g = rng.normal(size=case.shape)
    y.backward(g)
    for gradient, reference in zip([t.grad, *(p.grad for p in module.parameters())], pullback(g), strict=True):
        np.testing.assert_allclose(gradient.data, reference, rtol=1e-10, atol=1e-11)
    function = case.function(*arrays, eps=eps, eps_placement=placement)
    assert isinstance(function, np.ndarray)
    np.testing.assert_allclose(function, y.data, rtol=1e-14)


SECOND_ORDER = {("batch 2-d", "deviation"), ("layer", "variance"), ("group 2-d", "variance"), ("rms", "deviation")}


@each
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_gradients_to_second_order(name: str, placement: str, rng: Any) -> None:
    case = CASES[name]
    arrays = case.arrays(rng)
    order = 2 if (name, placement) in SECOND_ORDER else 1
    ac.check_grads(lambda *a: case.function(*a, eps=0.1, eps_placement=placement), arrays, order=order)


@pytest.mark.parametrize("name", [n for n in CASES if CASES[n].biased])
def test_parameters_may_be_left_out(name: str, rng: Any) -> None:
    case = CASES[name]
    x, w, b = case.arrays(rng)
    one, zero = np.ones_like(w), np.zeros_like(b)
    np.testing.assert_allclose(case.function(x, w, None), case.function(x, w, zero), rtol=1e-14)
    np.testing.assert_allclose(case.function(x, None, b), case.function(x, one, b), rtol=1e-14)
    np.testing.assert_allclose(case.function(x, None, None), case.function(x, one, zero), rtol=1e-14)


def test_rms_eps_is_the_machine_epsilon_by_default() -> None:
    for dtype in (np.float32, np.float64):
        x = np.array([[3e-8, 4e-8]], dtype)
        y = F.rms_norm(x, (2,))
        assert y.dtype == dtype
        np.testing.assert_allclose(y, x / np.sqrt((x * x).mean() + np.finfo(dtype).eps), rtol=1e-6)
    np.testing.assert_allclose(F.rms_norm(np.array([3, 4]), 2), np.array([3, 4]) / np.sqrt(12.5))


def test_the_variance_does_not_cancel(rng: Any) -> None:
    x = rng.normal(size=(8, 6))
    for case in (CASES["batch 2-d"], CASES["layer"]):
        size = case.parameters[0]
        shifted = case.function(x[:, :size] + 1e6, None, None)
        np.testing.assert_allclose(shifted, case.function(x[:, :size], None, None), atol=1e-8)


def test_one_is_the_other_over_the_same_axes(rng: Any) -> None:
    x, w, b = rng.normal(size=(2, 4, 3, 2)), rng.normal(size=4), rng.normal(size=4)
    column = (4, 1, 1)

    def same(a: Any, b: Any) -> None:
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)

    same(F.group_norm(x, 4, w, b), F.instance_norm(x, weight=w, bias=b))
    same(F.group_norm(x, 1, w, b), F.layer_norm(x, x.shape[1:]) * w.reshape(column) + b.reshape(column))
    same(F.instance_norm(x[:1], weight=w, bias=b), F.batch_norm(x[:1], weight=w, bias=b))
    centred = x - x.mean(-1, keepdims=True)
    same(F.rms_norm(centred, 2, eps=1e-5), F.layer_norm(x, 2))


def test_a_group_or_layer_of_one_value_is_its_bias() -> None:
    x, w, b = np.array([[1.0, 2.0], [3.0, 4.0]]), np.full(2, 3.0), np.array([5.0, 6.0])
    np.testing.assert_array_equal(F.group_norm(x, 2, w, b), [b, b])
    np.testing.assert_array_equal(F.layer_norm(x[..., np.newaxis], 1, w[:1], b[:1]), np.full((2, 2, 1), 5.0))


def test_empty_batches_pass(rng: Any) -> None:
    assert nn.LayerNorm(3)(np.ones((0, 3), np.float32)).shape == (0, 3)
    assert nn.RMSNorm(3)(np.ones((0, 3), np.float32)).shape == (0, 3)
    assert nn.GroupNorm(2, 4)(np.ones((0, 4, 2), np.float32)).shape == (0, 4, 2)
    tracked = nn.InstanceNorm1d(4, track_running_stats=True)
    assert tracked(np.ones((0, 4, 2), np.float32)).shape == (0, 4, 2)
    np.testing.assert_array_equal(tracked.running_var.data, 1)


@few
@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constants_have_finite_first_and_second_derivatives(name: str, placement: str, dtype: Any, rng: Any) -> None:
    case = CASES[name]
    g = rng.normal(size=case.shape).astype(dtype)
    # The mean of most constants is rounded: a deviation that is tiny, not zero.
    for constant in (0.0, 1.0, 0.1, 1e3, 1e-6, 1e-12, 1e-15, 1e-30):
        arrays = case.arrays(rng, dtype)
        arrays[0] = np.full(case.shape, constant, dtype)

        def f(*a: Any) -> Any:
            y = case.function(*a, eps=1e-5, eps_placement=placement)
            return (y * y * y * g).sum() + (y * g).sum()

        gradient = ac.grad(f, argnums=tuple(range(len(arrays))))
        first = gradient(*arrays)
        second = ac.grad(lambda *a: (gradient(*a)[0] * g).sum(), argnums=tuple(range(len(arrays))))(*arrays)  # noqa: B023
        for array in (*first, *second):
            assert array.dtype == dtype
            assert np.all(np.isfinite(unwrap(array)))


# -- dtype and array type


@each
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_float32_is_kept(name: str, placement: str, rng: Any) -> None:
    case = CASES[name]
    module, arrays = filled(case, rng, np.float32, eps_placement=placement)
    x = Tensor(arrays[0], requires_grad=True)
    y = module(x)
    y.backward(np.ones(case.shape, np.float32))
    assert {t.dtype for t in (y, x.grad, *(p.grad for p in module.parameters()))} == {np.dtype(np.float32)}
    assert module.eval()(x).dtype == np.float32
    for buffer_name, buffer in module.named_buffers():
        assert buffer.dtype == (np.int64 if buffer_name == "num_batches_tracked" else np.float32)
    assert {p.dtype for p in case.layer().parameters()} == {np.dtype(np.float32)}


def step(kind: Any, case: Case, options: dict[str, Any], training: bool) -> dict[str, Any]:
    module, arrays = filled(case, np.random.default_rng(0), np.float32, **options)
    for tensor in [*module.parameters(), *module.buffers()]:
        tensor.data = kind(tensor.data)
    x = Tensor(kind(arrays[0]), requires_grad=True)
    y = module.train(training)(x)
    y.backward(kind(np.cos(np.arange(x.size, dtype=np.float32)).reshape(x.shape)))
    found = {"y": y, "x": x.grad, **dict(module.named_buffers())}
    found |= {n: p.grad for n, p in module.named_parameters()}
    assert all(type(t.data) is kind or kind is np.asarray for t in found.values())
    return {n: unwrap(t.data) for n, t in found.items()}


@each
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_duck_arrays_pass_through(name: str, training: bool, placement: str) -> None:
    options: dict[str, Any] = {"eps_placement": placement}
    if name.startswith("instance"):
        options["track_running_stats"] = True
    ducks = step(DuckArray, CASES[name], options, training)
    arrays = step(np.asarray, CASES[name], options, training)
    assert ducks.keys() == arrays.keys()
    for key, array in arrays.items():
        np.testing.assert_array_equal(ducks[key], array, err_msg=key)
