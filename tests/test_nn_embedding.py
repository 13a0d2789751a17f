"""Embedding, Flatten and Unflatten: values, gradients, padding, messages."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import autograd_core as ac
import nn
import nn.functional as F
from autograd_core import Tensor
from autograd_core.errors import ArgumentError, DTypeError, ShapeError
from duck import DuckArray, unwrap


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    before = ac.random.get_state()
    ac.random.seed(0)
    yield
    ac.random.set_state(before)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def one_hot(indices: Any, rows: int) -> np.ndarray:
    return np.eye(rows)[np.asarray(indices)]


# -- embedding


def test_the_weight_starts_standard_normal() -> None:
    layer = nn.Embedding(500, 200, padding_idx=3)
    assert layer.weight.dtype == np.float32 and nn.Embedding(2, 3, dtype=np.float64).weight.dtype == np.float64
    assert dict(layer.state_dict()).keys() == {"weight"}
    np.testing.assert_array_equal(layer.weight.data[3], 0)
    x = np.delete(layer.weight.data, 3, axis=0).astype(np.float64)
    assert abs(x.mean()) < 5 / math.sqrt(x.size)
    assert abs((x**2).mean() - 1) < 5 * math.sqrt(2 / x.size)
    ac.random.seed(0)
    np.testing.assert_array_equal(nn.Embedding(500, 200, padding_idx=-497).weight.data, layer.weight.data)


@pytest.mark.parametrize("shape", [(), (6,), (4, 3), (2, 1, 3), (0,), (2, 0)])
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
def test_a_look_up_is_the_product_with_one_hot_rows(shape: tuple[int, ...], dtype: Any, rng: Any) -> None:
    indices = rng.integers(0, 5, shape).astype(dtype)
    layer = nn.Embedding(5, 3, dtype=np.float64)
    for given in (indices, Tensor(indices)):
        layer.zero_grad()
        y = layer(given)
        g = rng.normal(size=(*shape, 3))
        np.testing.assert_array_equal(y.data, one_hot(indices, 5) @ layer.weight.data)
        y.backward(g)
        expected = np.reshape(one_hot(indices, 5), (-1, 5)).T @ np.reshape(g, (-1, 3))
        np.testing.assert_allclose(layer.weight.grad.data, expected, rtol=1e-13, atol=1e-15)


def test_gradients(rng: Any) -> None:
    indices = np.array([[0, 2, 2], [1, 0, 2]])
    ac.check_grads(lambda w: F.embedding(indices, w) ** 2, (rng.normal(size=(4, 3)),), order=2)


def test_padding_keeps_its_vector_and_gets_no_gradient(rng: Any) -> None:
    indices = np.array([[0, 2, 1], [1, 1, 3]])
    for padding in (1, -3):
        layer = nn.Embedding(4, 3, padding_idx=padding, dtype=np.float64)
        layer.weight.data = rng.normal(size=(4, 3))  # a vector that is not 0 is looked up all the same
        y = layer(indices)
        np.testing.assert_array_equal(y.data, layer.weight.data[indices])
        g = rng.normal(size=(2, 3, 3))
        y.backward(g)
        expected = np.reshape(one_hot(indices, 4), (-1, 4)).T @ np.reshape(g, (-1, 3))
        expected[1] = 0
        np.testing.assert_allclose(layer.weight.grad.data, expected, rtol=1e-13)
        weight = Tensor(layer.weight.data, requires_grad=True)
        F.embedding(indices, weight, padding).backward(g)
        np.testing.assert_array_equal(weight.grad.data, layer.weight.grad.data)
    assert isinstance(F.embedding(indices, np.ones((4, 3)), 1), np.ndarray)


def test_float32_is_kept(rng: Any) -> None:
    for padding in (None, 0):
        layer = nn.Embedding(5, 3, padding)
        y = layer(np.array([0, 1, 1]))
        y.sum().backward()
        assert y.dtype == layer.weight.grad.dtype == np.float32


def test_from_pretrained(rng: Any) -> None:
    vectors = rng.normal(size=(4, 3))
    state = ac.random.get_state()
    layer = nn.Embedding.from_pretrained(vectors, padding_idx=0)
    assert ac.random.get_state() == state
    assert layer.weight.data is vectors and not layer.weight.requires_grad
    np.testing.assert_array_equal(layer(np.array([0, 3])).data, vectors[[0, 3]])
    assert repr(layer) == "Embedding(4, 3, padding_idx=0)"
    learned = nn.Embedding.from_pretrained([[1.0, 2.0]], freeze=False)
    assert learned.weight.requires_grad and learned.weight.dtype == np.float32
    assert [name for name, _ in learned.named_parameters()] == ["weight"]


@pytest.mark.parametrize("padding", [None, 2])
def test_arrays_of_another_kind(padding: Any, rng: Any) -> None:
    vectors = rng.normal(size=(4, 3)).astype(np.float32)
    indices = np.array([[0, 2], [2, 1]])
    found = []
    for kind in (DuckArray, np.asarray):
        weight = Tensor(kind(vectors), requires_grad=True)
        y = F.embedding(kind(indices), weight, padding)
        (y * y).sum().backward()
        assert kind is np.asarray or type(y.data) is type(weight.grad.data) is DuckArray
        found.append((unwrap(y.data), unwrap(weight.grad.data)))
    for duck, array in zip(*found, strict=True):
        np.testing.assert_array_equal(duck, array)


# -- shapes


@pytest.mark.parametrize(
    ("start", "end", "shape", "expected"),
    [
        (1, -1, (2, 3, 4), (2, 12)), (0, -1, (2, 3, 4), (24,)), (0, 1, (2, 3, 4), (6, 4)),
        (-2, -1, (2, 3, 4), (2, 12)),
        (1, 2, (2, 3, 4, 5), (2, 12, 5)), (1, 1, (2, 3), (2, 3)), (1, -1, (0, 3, 4), (0, 12)),
        (1, -1, (2, 0, 4), (2, 0)), (0, 0, (5,), (5,)),
    ],
)  # fmt: skip
def test_flatten(start: int, end: int, shape: Any, expected: Any) -> None:
    x = np.arange(math.prod(shape), dtype=np.float32).reshape(shape)
    y = nn.Flatten(start, end)(x)
    np.testing.assert_array_equal(y, x.reshape(expected))
    assert y.shape == expected and y.dtype == np.float32


@pytest.mark.parametrize(
    ("dim", "sizes", "shape", "expected"),
    [
        (1, (3, 4), (2, 12), (2, 3, 4)), (-1, (3, 4), (2, 12), (2, 3, 4)), (0, (2, -1), (6, 5), (2, 3, 5)),
        (1, [2, 2, -1], (2, 12, 5), (2, 2, 2, 3, 5)), (1, (-1,), (2, 3), (2, 3)), (1, (3, -1), (2, 0), (2, 3, 0)),
    ],
)  # fmt: skip
def test_unflatten(dim: int, sizes: Any, shape: Any, expected: Any) -> None:
    x = np.arange(math.prod(shape)).reshape(shape)
    y = nn.Unflatten(dim, sizes)(x)
    np.testing.assert_array_equal(y, x.reshape(expected))
    assert y.shape == expected


def test_flatten_and_back_keeps_gradients_and_kind(rng: Any) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Unflatten(1, (3, 4)))
    x = rng.normal(size=(2, 3, 4))
    ac.check_grads(lambda x: model(x) ** 2, (x,), order=2)
    duck = Tensor(DuckArray(x), requires_grad=True)
    y = model(duck)
    y.backward(DuckArray(x))
    assert type(y.data) is DuckArray
    np.testing.assert_array_equal(unwrap(y.data), x)
    np.testing.assert_array_equal(unwrap(duck.grad.data), x)
    assert list(model.parameters()) == []
    text = repr(model)
    assert "(0): Flatten(start_dim=1, end_dim=-1)" in text and "Unflatten(dim=1, unflattened_size=(3, 4))" in text


# -- messages

WEIGHT = np.ones((4, 3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.Embedding(0, 3), ArgumentError, "Embedding: num_embeddings must be a positive integer, got 0"),
        (lambda: nn.Embedding(3, 2.0), ArgumentError, "Embedding: embedding_dim must be a positive integer, got 2.0"),
        (lambda: nn.Embedding(3, 2, 3), ArgumentError, "Embedding: padding_idx must be an integer in [-3, 3) or"),
        (lambda: nn.Embedding(3, 2, -4), ArgumentError, "padding_idx must be an integer in [-3, 3) or None, got -4"),
        (lambda: nn.Embedding.from_pretrained(np.ones(3)), ShapeError, "the vectors must be (num_embeddings,"),
        (lambda: F.embedding(np.array([0, 1]), WEIGHT, 4), ArgumentError, "embedding: padding_idx must be an"),
        (lambda: F.embedding(np.array([0, 1]), np.ones(3)), ShapeError, "embedding: the weight must be (num"),
        (lambda: F.embedding(np.array([0.0, 1.0]), WEIGHT), DTypeError, "an array of integers, got dtype float64"),
        (lambda: F.embedding(np.array([True]), WEIGHT), DTypeError, "must be an array of integers, got dtype bool"),
        (lambda: F.embedding([0, 1], WEIGHT), DTypeError, "the indices must be an array of integers, got list"),
        (
            lambda: F.embedding(np.array([[0, 3], [1, 4], [9, 0]]), WEIGHT),
            ArgumentError,
            "embedding: indices must be in [0, 4), got 4 at position (1, 1) (2 of 6 are outside)",
        ),
        (
            lambda: nn.Embedding(4, 3)(np.array([0, 1, -1])),
            ArgumentError,
            "embedding: indices must be in [0, 4), got -1 at position 2 (1 of 3 are outside)",
        ),
        (lambda: nn.Flatten("a"), ArgumentError, "Flatten: start_dim must be an integer, got 'a'"),
        (lambda: nn.Flatten()(np.ones(3)), ShapeError, "must be axes of the input in this order, got shape (3,)"),
        (lambda: nn.Flatten(2, 1)(WEIGHT), ShapeError, "Flatten: start_dim 2 and end_dim 1 must be axes of the input"),
        (lambda: nn.Unflatten(None, (2, 2)), ArgumentError, "Unflatten: dim must be an integer, got None"),
        (lambda: nn.Unflatten(1, 4), ArgumentError, "Unflatten: unflattened_size must be a tuple of positive integers"),
        (lambda: nn.Unflatten(1, (-1, -1)), ArgumentError, "one of which may be -1, got (-1, -1)"),
        (lambda: nn.Unflatten(1, (0, 2)), ArgumentError, "one of which may be -1, got (0, 2)"),
        (lambda: nn.Unflatten(2, (2, 2))(WEIGHT), ShapeError, "dim must be an axis of the input, got 2 for"),
        (lambda: nn.Unflatten(1, (2, 2))(WEIGHT), ShapeError, "(2, 2) must multiply to axis 1 of the input, got 3"),
        (lambda: nn.Unflatten(0, (3, -1))(WEIGHT), ShapeError, "(3, -1) must multiply to axis 0 of the input, got 4"),
    ],
)  # fmt: skip
def test_messages(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=re.escape(message) + r".*called at test_nn_embedding\.py"):
        call()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_norm": 1.0}, "max_norm must be None, got 1.0; a look-up does not write into the weight"),
        ({"scale_grad_by_freq": True}, "scale_grad_by_freq must be False, got True; the gradient is an array"),
        ({"sparse": True}, "sparse must be False, got True"),
    ],
)
def test_options_of_pytorch_that_are_not_offered(options: Any, message: str) -> None:
    with pytest.raises(ac.errors.ArgumentError, match=f"^Embedding: {message}"):
        nn.Embedding(3, 2, **options)
    with pytest.raises(ac.errors.ArgumentError, match=f"^embedding: {message}"):
        nn.functional.embedding(np.array([1]), np.ones((3, 2)), **options)
    assert nn.Embedding(3, 2, 0, None, 2.0, False, False).padding_idx == 0
