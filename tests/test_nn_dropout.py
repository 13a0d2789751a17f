"""Dropout and Gaussian noise: distributions, gradients, modes, replay, messages."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import autograd_core as ac
import nn
import nn.functional as F
from autograd_core import Tensor
from autograd_core.errors import ArgumentError, DTypeError, ShapeError
from duck import DuckArray, unwrap

LAYERS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "Dropout": (nn.Dropout(0.3), (6, 5)),
    "Dropout1d": (nn.Dropout1d(0.3), (3, 5, 2)),
    "Dropout1d, no batch": (nn.Dropout1d(0.3), (8, 3)),
    "Dropout2d": (nn.Dropout2d(0.3), (3, 5, 2, 1)),
    "GaussianNoise": (nn.GaussianNoise(0.3), (6, 5)),
}


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    before = ac.random.get_state()
    ac.random.seed(0)
    yield
    ac.random.set_state(before)


@pytest.fixture(params=LAYERS)
def layer(request: Any) -> tuple[nn.Module, np.ndarray]:
    module, shape = LAYERS[request.param]
    return module.train(), np.random.default_rng(0).uniform(1, 2, shape)


def with_seed(f: Callable[[Any], Any], n: int = 1) -> Callable[[Any], Any]:
    def g(x: Any) -> Any:
        ac.random.seed(n)
        return f(x)

    return g


# -- what is drawn


@pytest.mark.parametrize("p", [0.001, 0.1, 0.5, 0.8, 1 / 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dropout_is_off_with_probability_p_and_keeps_the_mean(p: float, dtype: Any) -> None:
    n = 200_000
    y = nn.Dropout(p)(np.full((n // 100, 100), 3, dtype))
    assert y.dtype == dtype and y.shape == (n // 100, 100)
    off = y == 0
    assert abs(off.mean() - p) < 5 * math.sqrt(p * (1 - p) / n)
    np.testing.assert_allclose(y[~off], 3 / (1 - p), rtol=2 * np.finfo(dtype).eps)
    # Neighbours in both directions are independent: both off with probability p^2.
    for both in (off[1:] & off[:-1], off[:, 1:] & off[:, :-1]):
        assert abs(both.mean() - p**2) < 5 * math.sqrt(p**2 * (1 + 2 * p) / both.size)


def test_probabilities_0_and_1() -> None:
    x = Tensor(np.ones((3, 4), np.float32), requires_grad=True)
    assert nn.Dropout(0)(x) is x
    y = nn.Dropout(1)(x)
    y.sum().backward()
    for t in (y, x.grad):
        assert t.dtype == np.float32
        np.testing.assert_array_equal(t.data, 0)


@pytest.mark.parametrize(("function", "shape"), [(F.dropout1d, (200, 30, 4)), (F.dropout2d, (200, 30, 3, 2))])
def test_whole_channels_are_dropped(function: Any, shape: tuple[int, ...]) -> None:
    y = np.reshape(function(np.ones(shape), 0.2), (200, 30, -1))
    np.testing.assert_array_equal(y, np.broadcast_to(y[:, :, :1], y.shape))
    assert set(np.unique(y)) == {0, 1 / 0.8}
    off = y[:, :, 0] == 0
    assert abs(off.mean() - 0.2) < 5 * math.sqrt(0.16 / 6000)
    assert 0 < off[0].mean() < 1 and 0 < off[:, 0].mean() < 1  # neither whole samples nor the same channels in all
    z = F.dropout1d(np.ones((1000, 2)), 0.2)
    np.testing.assert_array_equal(z[:, 0], z[:, 1])
    assert abs((z[:, 0] == 0).mean() - 0.2) < 5 * math.sqrt(0.16 / 1000)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gaussian_noise(dtype: Any) -> None:
    n = 100_000
    x = np.linspace(-1, 1, n).astype(dtype)
    y = nn.GaussianNoise(0.3)(x)
    noise = (y - x).astype(np.float64)
    assert y.dtype == dtype
    assert abs(noise.mean()) < 5 * 0.3 / math.sqrt(n)
    assert abs((noise**2).mean() / 0.09 - 1) < 5 * math.sqrt(2 / n)
    assert abs((np.abs(noise) < 0.3).mean() - math.erf(math.sqrt(0.5))) < 5 * math.sqrt(0.22 / n)


# -- as layers


def test_gradients(layer: Any) -> None:
    module, x = layer
    ac.check_grads(with_seed(module), (x,), order=2)


def test_the_gradient_goes_through_the_same_mask() -> None:
    x = Tensor(np.ones((50, 40), np.float32), requires_grad=True)
    y = nn.Dropout(0.4)(x)
    y.sum().backward()
    assert x.grad.dtype == np.float32
    np.testing.assert_array_equal(x.grad.data, y.data)


def test_evaluation_mode_is_the_identity_and_draws_nothing(layer: Any) -> None:
    module, x = layer
    state = ac.random.get_state()
    assert module.eval()(x) is x
    assert ac.random.get_state() == state


def test_float32_is_kept(layer: Any) -> None:
    module, x = layer
    t = Tensor(x.astype(np.float32), requires_grad=True)
    y = module(t)
    y.backward(np.ones_like(t.data))
    assert y.dtype == t.grad.dtype == np.float32 and y.shape == t.shape


def test_every_call_draws_anew_and_a_seed_repeats_it(layer: Any) -> None:
    module, x = layer
    ac.random.seed(5)
    first, second = module(x), module(x)
    assert not np.array_equal(first, second)
    ac.random.seed(5)
    np.testing.assert_array_equal(module(x), first)
    np.testing.assert_array_equal(module(x), second)


def test_a_checkpoint_draws_the_same_again(layer: Any) -> None:
    module, x = layer

    def f(t: Any) -> Any:
        return np.tanh(module(np.tanh(module(t))))

    gradients, following = [], []
    for kept in (f, lambda t: ac.checkpoint(f, t)):
        ac.random.seed(3)
        t = Tensor(x, requires_grad=True)
        kept(t).sum().backward()
        gradients.append(t.grad.data)
        following.append(ac.random.uniform())
    np.testing.assert_array_equal(*gradients)
    assert following[0] == following[1]


def test_arrays_of_another_kind(layer: Any) -> None:
    module, x = layer
    x = x.astype(np.float32)
    found = []
    for kind in (DuckArray, np.asarray):
        ac.random.seed(0)
        t = Tensor(kind(x), requires_grad=True)
        y = module(t)
        (y * y).sum().backward()
        assert kind is np.asarray or type(y.data) is type(t.grad.data) is DuckArray
        found.append((unwrap(y.data), unwrap(t.grad.data)))
    for duck, array in zip(*found, strict=True):
        np.testing.assert_array_equal(duck, array)


def test_repr() -> None:
    text = repr(nn.Sequential(nn.Dropout(0.2), nn.Dropout1d(), nn.Dropout2d(), nn.GaussianNoise(0.1)))
    for line in ("(0): Dropout(p=0.2)", "(1): Dropout1d(p=0.5)", "(2): Dropout2d(p=0.5)", "GaussianNoise(sigma=0.1)"):
        assert line in text


# -- messages


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.Dropout(1.5), ArgumentError, "Dropout: p must be a probability in [0, 1], got 1.5"),
        (lambda: nn.Dropout2d(-0.1), ArgumentError, "Dropout2d: p must be a probability in [0, 1], got -0.1"),
        (lambda: nn.Dropout("half"), ArgumentError, "Dropout: p must be a probability in [0, 1], got 'half'"),
        (lambda: F.dropout(np.ones(3), np.nan), ArgumentError, "dropout: p must be a probability in [0, 1], got nan"),
        (lambda: F.dropout(np.ones(3), 2, False), ArgumentError, "dropout: p must be a probability in [0, 1], got 2"),
        (lambda: nn.GaussianNoise(-1), ArgumentError, "GaussianNoise: sigma must be a number >= 0, got -1"),
        (lambda: F.gaussian_noise(np.ones(3), None), ArgumentError, "sigma must be a number >= 0, got None"),
        (lambda: F.dropout(np.arange(3)), DTypeError, "dropout: the input must be floating, got dtype int64"),
        (lambda: F.gaussian_noise(np.arange(3), 1.0), DTypeError, "gaussian_noise: the input must be floating, got"),
        (
            lambda: F.dropout1d(np.ones(3)),
            ShapeError,
            "dropout1d: the input must be (N, C, L) or (C, L), got shape (3,)",
        ),
        (
            lambda: F.dropout2d(np.ones((2, 3, 4))),
            ShapeError,
            "dropout2d: the input must be (N, C, H, W), got shape (2,",
        ),
    ],
)
def test_messages(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=re.escape(message) + r".*called at test_nn_dropout\.py"):
        call()


@pytest.mark.parametrize("name", ["Dropout", "Dropout1d", "Dropout2d"])
def test_in_place_is_accepted(name: str) -> None:
    x = np.ones((2, 3, 4, 5) if name == "Dropout2d" else (2, 3, 4))
    layer, function = getattr(nn, name)(0.5, inplace=True), getattr(nn.functional, name.lower())
    for out in (layer(x), function(x, 0.5, True, True)):
        assert (x == 1).all()
        assert set(np.unique(out)) <= {0, 2}
