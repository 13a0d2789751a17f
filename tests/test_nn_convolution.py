"""Convolution against a literal loop; geometry, channels last of all layouts, messages, start values, memory."""

from __future__ import annotations

import inspect
import itertools
import tracemalloc
from typing import Any

import numpy as np
import pytest

import autograd_core as ac
import nn
import nn.functional as F
from autograd_core import Tensor
from autograd_core.errors import ArgumentError, ShapeError

FUNCTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


@pytest.fixture
def rng() -> np.random.Generator:
    ac.random.seed(0)
    return np.random.default_rng(0)


def loop(x: Any, w: Any, b: Any, stride: Any, padding: Any, dilation: Any, groups: int, g: Any = None) -> Any:
    """Convolution element by element; with a cotangent `g` also the gradients of x, w and b, by the chain rule."""
    rank = w.ndim - 2
    padded = np.zeros((*x.shape[:2], *(n + 2 * p for n, p in zip(x.shape[2:], padding))))
    inner = (slice(None), slice(None), *(slice(p, p + n) for n, p in zip(x.shape[2:], padding)))
    padded[inner] = x
    sizes = [(padded.shape[2 + i] - dilation[i] * (w.shape[2 + i] - 1) - 1) // stride[i] + 1 for i in range(rank)]
    out = np.zeros((x.shape[0], w.shape[0], *sizes))
    dpadded, dw = np.zeros(padded.shape), np.zeros(w.shape)
    per_group = w.shape[0] // groups
    for place in np.ndindex(out.shape):
        n, o = place[:2]
        for k in np.ndindex(w.shape[1:]):
            at = tuple(place[2 + i] * stride[i] + k[1 + i] * dilation[i] for i in range(rank))
            source = (n, o // per_group * w.shape[1] + k[0], *at)
            out[place] += padded[source] * w[(o, *k)]
            if g is not None:
                dpadded[source] += g[place] * w[(o, *k)]
                dw[(o, *k)] += g[place] * padded[source]
    out += b.reshape(-1, *(1,) * rank)
    return out if g is None else (out, dpadded[inner], dw, g.sum(axis=(0, *range(2, g.ndim))))


def near(actual: Any, expected: Any, relative: float) -> None:
    """max|a - b| / max|b|."""
    actual = getattr(actual, "data", actual)
    assert actual.shape == expected.shape
    assert np.max(np.abs(actual - expected), initial=0) <= relative * np.max(np.abs(expected), initial=0)


LINES = itertools.product((1, 3), (1, 2), (0, 1), (1, 2), (1, 2))
GEOMETRIES = [
    *((1, (6,), (k,), (s,), (p,), (d,), g) for k, s, p, d, g in LINES),
    (2, (4, 5), (3, 2), (1, 1), (0, 0), (1, 1), 1),
    (2, (4, 5), (3, 2), (2, 1), (1, 0), (1, 2), 1),
    (2, (5, 4), (2, 2), (1, 3), (0, 2), (2, 1), 2),
    (2, (3, 3), (1, 1), (1, 1), (0, 0), (1, 1), 1),
    (2, (3, 3), (1, 1), (2, 2), (1, 1), (1, 1), 2),
    (2, (3, 3), (3, 3), (1, 1), (0, 0), (1, 1), 4),
    (3, (2, 3, 2), (2, 2, 1), (1, 1, 1), (0, 1, 0), (1, 1, 1), 2),
]  # fmt: skip


@pytest.mark.parametrize(("rank", "size", "kernel", "stride", "padding", "dilation", "groups"), GEOMETRIES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_value_and_gradients_are_those_of_the_loop(
    rank: int, size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, groups: int, dtype: Any, rng: Any
) -> None:
    arrays = [rng.normal(size=s).astype(dtype) for s in ((2, 4, *size), (4, 4 // groups, *kernel), (4,))]
    x, w, b = (Tensor(a, requires_grad=True) for a in arrays)
    y = FUNCTIONS[rank](x, w, b, stride, padding, dilation, groups)
    g = rng.normal(size=y.shape).astype(dtype)
    y.backward(g)
    doubles = [a.astype(float) for a in (*arrays, g)]
    expected = loop(*doubles[:3], stride, padding, dilation, groups, doubles[3])
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    for actual, e in zip((y, x.grad, w.grad, b.grad), expected, strict=True):
        near(actual, e, tolerance)
        assert actual.dtype == dtype


@pytest.mark.parametrize("groups", [1, 2])
def test_second_derivatives(groups: int, rng: Any) -> None:
    shapes = ((1, 2, 3, 2), (2, 2 // groups, 2, 2), (2,))
    ac.check_grads(
        lambda x, w, b: F.conv2d(x, w, b, (2, 1), (1, 1), 1, groups) ** 2, [rng.normal(size=s) for s in shapes], order=2
    )


@pytest.mark.parametrize("rank", FUNCTIONS)
def test_without_a_batch_it_is_a_batch_of_one(rank: int, rng: Any) -> None:
    x, w, b = rng.normal(size=(2, *(4,) * rank)), rng.normal(size=(3, 2, *(3,) * rank)), rng.normal(size=3)
    t = Tensor(x, requires_grad=True)
    y = FUNCTIONS[rank](t, w, b, padding=1)
    np.testing.assert_array_equal(y.data, FUNCTIONS[rank](x[np.newaxis], w, b, padding=1)[0])
    y.sum().backward()
    assert t.grad.shape == x.shape


@pytest.mark.parametrize(("kernel", "dilation"), [((3, 3), 1), ((2, 4), 1), ((3, 2), (2, 3)), ((1, 1), 1)])
def test_same_keeps_the_size_and_puts_the_odd_element_behind(kernel: Any, dilation: Any, rng: Any) -> None:
    x, w = rng.normal(size=(1, 1, 5, 6)), rng.normal(size=(1, 1, *kernel))
    y = F.conv2d(x, w, padding="same", dilation=dilation)
    assert y.shape == x.shape
    steps = dilation if isinstance(dilation, tuple) else (dilation,) * 2
    total = [(k - 1) * d for k, d in zip(kernel, steps)]
    padded = np.pad(x, ((0, 0), (0, 0), *((n // 2, n - n // 2) for n in total)))
    near(y, loop(padded, w, np.zeros(1), (1, 1), (0, 0), steps, 1), 1e-12)
    np.testing.assert_array_equal(F.conv2d(x, w, padding="valid"), F.conv2d(x, w))


@pytest.mark.parametrize(
    ("mode", "numpys"), [("zeros", "constant"), ("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")]
)
@pytest.mark.parametrize("padding", [2, "same"])
def test_a_layer_pads_with_what_its_mode_says(mode: str, numpys: Any, padding: Any, rng: Any) -> None:
    layer = nn.Conv2d(2, 3, 4, padding=padding, padding_mode=mode, dtype=np.float64)
    x = rng.normal(size=(2, 2, 5, 4))
    around = (2, 2) if padding == 2 else (1, 2)
    expected = F.conv2d(np.pad(x, ((0, 0), (0, 0), around, around), numpys), layer.weight.data, layer.bias.data)
    near(layer(Tensor(x)), expected, 1e-13)
    near(layer(Tensor(x[0])), expected[0], 1e-13)


def test_the_kernel_is_not_flipped_and_stride_counts_from_the_front() -> None:
    x = np.arange(1.0, 8.0).reshape(1, 1, 7)
    w = np.array([[[1.0, 10.0, 100.0]]])
    np.testing.assert_array_equal(F.conv1d(x, w), [[[321, 432, 543, 654, 765]]])
    np.testing.assert_array_equal(F.conv1d(x, w, stride=3), [[[321, 654]]])
    np.testing.assert_array_equal(F.conv1d(x, w, padding=1, dilation=2), [[[420, 531, 642, 753, 64]]])


def test_an_empty_batch(rng: Any) -> None:
    layer = nn.Conv2d(2, 3, 3, padding=1)
    x = Tensor(np.zeros((0, 2, 4, 4), np.float32), requires_grad=True)
    y = layer(x)
    assert y.shape == (0, 3, 4, 4)
    y.backward(np.zeros(y.shape))
    assert x.grad.shape == x.shape
    np.testing.assert_array_equal(layer.weight.grad.data, 0)
    np.testing.assert_array_equal(layer.bias.grad.data, 0)


def test_parameters_start_uniform_within_one_over_the_root_of_the_inputs() -> None:
    ac.random.seed(0)
    layer = nn.Conv2d(32, 64, (3, 1), groups=2)
    assert layer.weight.shape == (64, 16, 3, 1)
    assert layer.bias.shape == (64,)
    assert list(layer.state_dict()) == ["weight", "bias"]
    bound = 1 / np.sqrt(16 * 3)
    for p in layer.parameters():
        assert p.dtype == np.float32
        assert 0.9 * bound < np.max(np.abs(p.data)) <= bound
    assert abs(np.std(layer.weight.data) / (bound / np.sqrt(3)) - 1) < 0.05
    assert list(nn.Conv1d(1, 1, 1, bias=False).state_dict()) == ["weight"]


REPRS = {
    "Conv2d(3, 16, kernel_size=(3, 3), stride=(1, 1))": nn.Conv2d(3, 16, 3),
    "Conv2d(4, 8, kernel_size=(3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2, bias=False)": nn.Conv2d(
        4, 8, (3, 2), (2, 1), (1, 0), (1, 2), 2, False
    ),
    "Conv1d(3, 5, kernel_size=(3,), stride=(1,), padding='same', padding_mode='circular')": nn.Conv1d(
        3, 5, 3, padding="same", padding_mode="circular"
    ),
}


@pytest.mark.parametrize("text", REPRS)
def test_repr(text: str) -> None:
    assert repr(REPRS[text]) == text


X, W = np.zeros((2, 4, 5, 5)), np.zeros((6, 4, 3, 3))
REFUSED: list[tuple[Any, type[Exception], str, str]] = [
    (lambda: F.conv2d(X[:, :3], W), ShapeError, "conv2d", r"must have 4 channels .* got 3 in shape \(2, 3, 5, 5\)"),
    (lambda: F.conv2d(X, W, groups=2), ShapeError, "conv2d", r"must have 8 channels \(2 groups of the weight's 4\)"),
    (lambda: F.conv2d(X, W[:5, :1], groups=4), ShapeError, "conv2d", "groups must divide the number of output"),
    (lambda: F.conv2d(X, W, X[0, :, 0, 0]), ShapeError, "conv2d", r"bias must have shape \(6,\), got \(4,\)"),
    (lambda: F.conv2d(X[0, 0], W), ShapeError, "conv2d", r"4 axes \(N, C, H, W\), or 3 without a batch"),
    (lambda: F.conv1d(X[0, 0, 0], W[..., 0]), ShapeError, "conv1d", r"3 axes \(N, C, L\), or 2 without a batch"),
    (lambda: F.conv3d(X[0], W[..., np.newaxis]), ShapeError, "conv3d", r"\(N, C, D, H, W\)"),
    (lambda: F.conv2d(X, W[0]), ShapeError, "conv2d", r"weight must have 4 axes .* got shape \(4, 3, 3\)"),
    (lambda: F.conv2d(X, W[:, :, :0]), ShapeError, "conv2d", "without one of length 0"),
    (lambda: F.conv2d(X[..., :2], W), ShapeError, "conv2d", r"kernel of shape \(3, 3\) with .* for \(5, 2\)"),
    (lambda: F.conv2d(X, W, dilation=3), ShapeError, "conv2d", r"with dilation \(3, 3\) for \(5, 5\)"),
    (lambda: F.conv2d(X, W, stride=2, padding="same"), ArgumentError, "conv2d", r"stride 1, got stride \(2, 2\)"),
    (lambda: F.conv2d(X, W, padding="full"), ArgumentError, "conv2d", "padding must be 'same', 'valid' or integers"),
    (lambda: F.conv2d(X, W, stride=(1, 1, 1)), ArgumentError, "conv2d", "stride must be an integer >= 1 or 2 of such"),
    (lambda: F.conv2d(X, W, padding=-1), ArgumentError, "conv2d", "padding must be an integer >= 0"),
    (lambda: F.conv2d(X, W, dilation=1.5), ArgumentError, "conv2d", "dilation must be an integer"),
    (lambda: F.conv1d(X[0], W[..., 0], stride=0), ArgumentError, "conv1d", "stride must be .* a tuple of one, got 0"),
    (lambda: F.conv2d(X, W, groups=0), ArgumentError, "conv2d", "groups must be a positive integer, got 0"),
    (lambda: nn.Conv2d(4, 6, 3, groups=3), ArgumentError, "Conv2d", "groups must divide in_channels and out_channels"),
    (lambda: nn.Conv2d(0, 6, 3), ArgumentError, "Conv2d", "in_channels must be a positive integer, got 0"),
    (lambda: nn.Conv2d(4, 6, (3, 0)), ArgumentError, "Conv2d", r"kernel_size must be .* got \(3, 0\)"),
    (lambda: nn.Conv2d(4, 6, 3, 2, "same"), ArgumentError, "Conv2d", "padding='same' must come with stride 1"),
    (lambda: nn.Conv1d(4, 6, 3, padding_mode="mirror"), ArgumentError, "Conv1d", r"must be one of \['zeros'"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "owner", "match"), REFUSED)
def test_what_is_refused(call: Any, error: type[Exception], owner: str, match: str) -> None:
    with pytest.raises(error, match=match) as caught:
        call()
    message = str(caught.value)
    assert message.startswith(f"{owner}: ")
    line = inspect.getsourcelines(call)[1]
    assert message.endswith(f"in: {owner}, called at test_nn_convolution.py:{line}")


def test_the_tape_keeps_the_padded_input_and_not_its_windows(rng: Any) -> None:
    x = Tensor(rng.normal(size=(4, 8, 32, 32)).astype(np.float32), requires_grad=True)
    layer = nn.Conv2d(8, 8, 3, padding=1)
    layer(x).sum().backward()
    tracemalloc.start()
    y = layer(x)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    padded = 4 * 8 * 34 * 34 * 4
    assert held < padded + y.data.nbytes + 50_000  # the windows' copy has nine times the input's elements
