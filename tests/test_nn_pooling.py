"""Pooling against a literal loop; the geometry at the border, ties, messages."""

from __future__ import annotations

import inspect
import itertools
import math
from typing import Any

import numpy as np
import pytest

import autograd_core as ac
import nn
import nn.functional as F
from autograd_core import Tensor
from autograd_core.errors import ArgumentError, ShapeError

MAX = {1: F.max_pool1d, 2: F.max_pool2d}
AVG = {1: F.avg_pool1d, 2: F.avg_pool2d}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def positions(size: int, k: int, s: int, p: int, d: int, ceil: bool) -> list[tuple[list[int], int]]:
    """The elements of each window along one axis, and how many positions it has within the padding."""
    out = []
    start, last = -p, -1 - p
    while True:
        full = start + d * (k - 1) < size + p
        unseen = last < size + p - 1  # by the window before
        if not (full or (ceil and unseen and start < size)):
            return out
        places = [start + d * j for j in range(k)]
        last = places[-1]
        out.append(([i for i in places if 0 <= i < size], sum(i < size + p for i in places)))
        start += s


def loop(x: Any, k: Any, s: Any, p: Any, d: Any, ceil: bool, value: Any) -> Any:
    """`value(elements, number within the padding)` of every window."""
    rank = len(k)
    axes = [positions(n, *o, ceil) for n, o in zip(x.shape[-rank:], zip(k, s, p, d))]
    out = np.zeros((*x.shape[:-rank], *map(len, axes)))
    for lead in np.ndindex(x.shape[:-rank]):
        for place in np.ndindex(out.shape[-rank:]):
            windows = [axes[i][j] for i, j in enumerate(place)]
            elements = x[lead][np.ix_(*(w[0] for w in windows))]
            out[(*lead, *place)] = value(elements, math.prod(w[1] for w in windows))
    return out


GEOMETRIES = [
    (1, (7,), (k,), (s,), (p,), (d,), ceil)
    for k, s, p, d, ceil in itertools.product((1, 2, 3), (1, 2, 3), (0, 1), (1, 2), (False, True))
    if 2 * p <= k
] + [
    (2, (4, 6), (2, 2), (2, 2), (0, 0), (1, 1), False),
    (2, (5, 7), (2, 3), (2, 1), (1, 0), (1, 2), True),
    (2, (5, 5), (3, 3), (2, 2), (1, 1), (1, 1), False),
    (2, (6, 5), (3, 2), (3, 3), (0, 1), (1, 1), True),
]


@pytest.mark.parametrize(("rank", "size", "k", "s", "p", "d", "ceil"), GEOMETRIES)
def test_max_pool_is_the_loop(rank: int, size: Any, k: Any, s: Any, p: Any, d: Any, ceil: bool, rng: Any) -> None:
    for dtype in (np.float64, np.float32):
        x = rng.permutation(2 * 2 * math.prod(size)).reshape(2, 2, *size).astype(dtype)  # no ties
        expected = loop(x, k, s, p, d, ceil, lambda elements, _: np.max(elements, initial=-np.inf))
        t = Tensor(x, requires_grad=True)
        y = MAX[rank](t, k, s, p, d, ceil)
        assert y.dtype == dtype
        np.testing.assert_array_equal(y.data, expected)
        g = rng.normal(size=y.shape).astype(dtype)
        y.backward(g)
        places = np.zeros(x.shape)
        for value, cotangent in zip(expected.ravel(), g.ravel()):
            places[x == value] += cotangent
        np.testing.assert_allclose(t.grad.data, places, rtol=0, atol=1e-14 if dtype == np.float64 else 1e-6)
        assert t.grad.dtype == dtype
        np.testing.assert_array_equal(MAX[rank](x[0], k, s, p, d, ceil), expected[0])


@pytest.mark.parametrize(("rank", "size", "k", "s", "p", "d", "ceil"), [g for g in GEOMETRIES if max(g[5]) == 1])
@pytest.mark.parametrize("options", [{}, {"count_include_pad": False}, {"divisor_override": 3}], ids=str)
def test_avg_pool_is_the_loop(
    rank: int, size: Any, k: Any, s: Any, p: Any, d: Any, ceil: bool, options: Any, rng: Any
) -> None:
    if rank == 1 and "divisor_override" in options:
        options = {"count_include_pad": k != (2,)}  # a function of one axis has no such option

    def value(elements: Any, inside: int) -> Any:
        count = inside if options.get("count_include_pad", True) else elements.size
        return np.sum(elements) / options.get("divisor_override", count)

    for dtype in (np.float64, np.float32):
        x = rng.normal(size=(2, 1, *size)).astype(dtype)
        t = Tensor(x, requires_grad=True)
        y = AVG[rank](t, k, s, p, ceil, **options)
        tolerance = 1e-13 if dtype == np.float64 else 1e-6
        np.testing.assert_allclose(y.data, loop(x, k, s, p, d, ceil, value), rtol=0, atol=tolerance)
        g = rng.normal(size=y.shape).astype(dtype)
        y.backward(g)
        assert y.dtype == t.grad.dtype == dtype
        probe = rng.normal(size=x.shape)  # it is linear: <g, P(probe)> = <P^T g, probe>
        expected = np.vdot(loop(probe, k, s, p, d, ceil, value), g)
        assert np.vdot(t.grad.data, probe) == pytest.approx(expected, rel=100 * tolerance, abs=100 * tolerance)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: F.max_pool2d(x, (3, 2), (2, 1)) ** 2,
        lambda x: F.avg_pool2d(x, (3, 2), (2, 1), (1, 1), True, False) ** 2,
        lambda x: F.max_pool1d(x[0], 2) ** 2,
        lambda x: F.avg_pool1d(x[0], 3, 1, 1) ** 2,
        lambda x: F.adaptive_avg_pool2d(x, (3, 2)) ** 2,
        lambda x: F.adaptive_avg_pool2d(x, 1) ** 2,
        lambda x: F.adaptive_avg_pool1d(x[0], 2) ** 2,
    ],
    ids=["max2", "avg2", "max1", "avg1", "adaptive2", "global", "adaptive1"],
)
def test_derivatives_to_second_order(f: Any, rng: Any) -> None:
    ac.check_grads(f, (rng.permutation(24).reshape(1, 1, 4, 6) / 8.0,), order=2)


def test_ties_share_the_gradient_equally_and_padding_has_none() -> None:
    x = Tensor(np.array([[[[2.0, 2.0], [1.0, 2.0]]]]), requires_grad=True)
    F.max_pool2d(x, 2).backward(np.full((1, 1, 1, 1), 6.0))
    np.testing.assert_array_equal(x.grad.data, [[[[2, 2], [0, 2]]]])
    x = Tensor(np.full((1, 1, 3), -1e30), requires_grad=True)
    y = F.max_pool1d(x, 2, 1, 1)
    np.testing.assert_array_equal(y.data, [[[-1e30] * 4]])
    y.backward(np.ones((1, 1, 4)))
    np.testing.assert_array_equal(x.grad.data, [[[1.5, 1, 1.5]]])


def test_integers_are_pooled_too() -> None:
    x = np.array([[-5, -7, -6]])
    np.testing.assert_array_equal(F.max_pool1d(x, 2, 2, 1), [[-5, -6]])
    np.testing.assert_array_equal(F.avg_pool1d(x, 2, 1), [[-6, -6.5]])


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, (2, None), (None, 1)])
def test_adaptive_pooling_averages_the_parts(size: Any, rng: Any) -> None:
    x = rng.normal(size=(2, 3, 5, 6)).astype(np.float32)
    y = F.adaptive_avg_pool2d(Tensor(x), size)
    wanted = [5 if w is None else w for w in ((size, size) if isinstance(size, int) else size)[:1]]
    wanted += [6 if w is None else w for w in ((size, size) if isinstance(size, int) else size)[1:]]
    assert y.shape == (2, 3, *wanted)
    assert y.dtype == np.float32
    for i, j in np.ndindex(*wanted):
        rows = slice(math.floor(i * 5 / wanted[0]), math.ceil((i + 1) * 5 / wanted[0]))
        columns = slice(math.floor(j * 6 / wanted[1]), math.ceil((j + 1) * 6 / wanted[1]))
        np.testing.assert_allclose(y.data[..., i, j], x[..., rows, columns].mean(axis=(-2, -1)), atol=1e-6)


LAYERS = {
    "MaxPool1d(kernel_size=3, stride=2, padding=1, dilation=2, ceil_mode=True)": (
        nn.MaxPool1d(3, 2, 1, 2, ceil_mode=True), lambda x: F.max_pool1d(x[0], 3, 2, 1, 2, True)),
    "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)": (
        nn.MaxPool2d(2), lambda x: F.max_pool2d(x, 2)),
    "MaxPool2d(kernel_size=(3, 2), stride=2, padding=1, dilation=1, ceil_mode=True)": (
        nn.MaxPool2d((3, 2), 2, 1, 1, False, True), lambda x: F.max_pool2d(x, (3, 2), 2, 1, 1, True)),
    "AvgPool1d(kernel_size=(3,), stride=(3,), padding=(1,))": (
        nn.AvgPool1d(3, padding=1), lambda x: F.avg_pool1d(x[0], 3, None, 1)),
    "AvgPool2d(kernel_size=2, stride=2, padding=0)": (nn.AvgPool2d(2), lambda x: F.avg_pool2d(x, 2)),
    "AvgPool2d(kernel_size=3, stride=2, padding=1, ceil_mode=True, count_include_pad=False, divisor_override=5)": (
        nn.AvgPool2d(3, 2, 1, True, False, 5), lambda x: F.avg_pool2d(x, 3, 2, 1, True, False, 5)),
    "AdaptiveAvgPool1d(output_size=2)": (nn.AdaptiveAvgPool1d(2), lambda x: F.adaptive_avg_pool1d(x[0], 2)),
    "AdaptiveAvgPool2d(output_size=(2, None))": (
        nn.AdaptiveAvgPool2d((2, None)), lambda x: F.adaptive_avg_pool2d(x, (2, None))),
}  # fmt: skip


@pytest.mark.parametrize("text", LAYERS)
def test_a_layer_is_its_function(text: str, rng: Any) -> None:
    layer, function = LAYERS[text]
    assert repr(layer) == text
    assert layer.state_dict() == {}
    x = Tensor(rng.normal(size=(2, 3, 7, 6)).astype(np.float32), requires_grad=True)
    y = layer(x[0] if "1d" in text else x)
    np.testing.assert_array_equal(y.data, function(x).data)
    assert y.dtype == np.float32


def test_an_empty_batch() -> None:
    for layer in (nn.MaxPool2d(2, padding=1), nn.AvgPool2d(2, ceil_mode=True), nn.AdaptiveAvgPool2d(1)):
        x = Tensor(np.zeros((0, 3, 5, 5), np.float32), requires_grad=True)
        y = layer(x)
        assert y.shape == (0, 3, *y.shape[2:])
        y.backward(np.zeros(y.shape))
        assert x.grad.shape == x.shape


X = np.zeros((2, 3, 5, 5))
REFUSED: list[tuple[Any, type[Exception], str, str]] = [
    (lambda: F.max_pool2d(X[0, 0], 2), ShapeError, "max_pool2d", r"\(C, H, W\), got shape \(5, 5\)"),
    (lambda: F.avg_pool1d(X, 2), ShapeError, "avg_pool1d", r"must be \(N, C, L\), or \(C, L\)"),
    (lambda: F.max_pool2d(X, 6), ShapeError, "max_pool2d", r"spans 6 elements for 5 in .* \(2, 3, 5, 5\)"),
    (lambda: F.max_pool2d(X, 3, dilation=3), ShapeError, "max_pool2d", "spans 7 elements for 5"),
    (lambda: F.avg_pool2d(X, (2, 8), padding=1), ShapeError, "avg_pool2d", "spans 8 elements for 7"),
    (lambda: F.max_pool2d(X, 2, padding=2), ArgumentError, "max_pool2d", r"at most half of kernel_size \(2, 2\)"),
    (lambda: F.avg_pool2d(X, 2, divisor_override=0), ArgumentError, "avg_pool2d", "divisor_override must be an"),
    (lambda: F.adaptive_avg_pool2d(X[..., :0], 1), ShapeError, "adaptive_avg_pool2d", "with elements to average"),
    (lambda: F.adaptive_avg_pool1d(X, 1), ShapeError, "adaptive_avg_pool1d", r"\(N, C, L\), or \(C, L\), with"),
    (lambda: F.adaptive_avg_pool2d(X, (1, 0)), ArgumentError, "adaptive_avg_pool2d", r"must be .* got \(1, 0\)"),
    (lambda: nn.MaxPool2d(0), ArgumentError, "MaxPool2d", "kernel_size must be an integer >= 1 or 2 of such, got 0"),
    (lambda: nn.MaxPool1d(2, dilation=(1, 1)), ArgumentError, "MaxPool1d", "dilation must be"),
    (lambda: nn.AvgPool2d(2, 0), ArgumentError, "AvgPool2d", "stride must be"),
    (lambda: nn.AvgPool2d(3, 1, 2), ArgumentError, "AvgPool2d", "padding must be at most half"),
    (lambda: nn.AvgPool2d(2, divisor_override=1.5), ArgumentError, "AvgPool2d", "divisor_override must be"),
    (lambda: nn.AdaptiveAvgPool2d((1, 2, 3)), ArgumentError, "AdaptiveAvgPool2d", "output_size must be"),
    (lambda: nn.AdaptiveAvgPool1d(-1), ArgumentError, "AdaptiveAvgPool1d", "output_size must be"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "owner", "match"), REFUSED)
def test_what_is_refused(call: Any, error: type[Exception], owner: str, match: str) -> None:
    with pytest.raises(error, match=match) as caught:
        call()
    message = str(caught.value)
    assert message.startswith(f"{owner}: ")
    line = inspect.getsourcelines(call)[1]
    assert message.endswith(f"in: {owner}, called at test_nn_pooling.py:{line}")


@pytest.mark.parametrize("parts", [2, 3, 4])
def test_what_a_part_does_not_hold_does_not_reach_its_mean(parts: int) -> None:
    x = np.array([[np.nan, 2.0, 3.0, np.inf]])
    out = F.adaptive_avg_pool1d(x, parts)
    expected = {2: [[np.nan, np.inf]], 3: [[np.nan, 2.5, np.inf]], 4: x}[parts]
    np.testing.assert_array_equal(out, expected)


def test_adaptive_means_of_integers_are_means() -> None:
    assert np.array_equal(F.adaptive_avg_pool2d(np.full((1, 1, 4, 6), 200, np.uint8), 2), np.full((1, 1, 2, 2), 200.0))


def test_with_ceil_mode_a_single_window_may_reach_over_the_end() -> None:
    x = np.arange(3.0).reshape(1, 1, 3)
    assert np.array_equal(F.max_pool1d(x, 4, 2, ceil_mode=True), [[[2.0]]])
    assert np.array_equal(F.avg_pool1d(x, 4, 2, ceil_mode=True), [[[1.0]]])
    with pytest.raises(ShapeError, match="the window must fit"):
        F.max_pool1d(x, 4, 1, ceil_mode=True)


# -- indices


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
@pytest.mark.parametrize(
    "options",
    [{}, {"stride": 1}, {"padding": 1}, {"stride": 2, "dilation": (1, 2)}, {"padding": (1, 0), "ceil_mode": True}],
    ids=str,
)
def test_indices_of_the_first_largest_element(dtype: Any, options: dict[str, Any]) -> None:
    x = np.random.default_rng(0).integers(0, 3, (2, 3, 6, 7)).astype(dtype)  # many ties, and zeros as large as padding
    if dtype == np.float64:
        x[x == 0] = -np.inf
    kernel = (3, 2)
    out, indices = F.max_pool2d(x, kernel, **options, return_indices=True)
    assert indices.dtype == np.int64
    np.testing.assert_array_equal(out, F.max_pool2d(x, kernel, **options))
    planes = x.reshape(6, 42)
    np.testing.assert_array_equal(np.take_along_axis(planes, indices.reshape(6, -1), 1), out.reshape(6, -1))
    stride, dilation = options.get("stride", kernel), options.get("dilation", 1)
    s, d, p = (v if isinstance(v, tuple) else (v, v) for v in (stride, dilation, options.get("padding", 0)))
    for n, i, j in np.ndindex(6, *out.shape[2:]):
        places = [
            (i * s[0] - p[0] + k * d[0], j * s[1] - p[1] + m * d[1]) for k in range(kernel[0]) for m in range(kernel[1])
        ]
        flat = [a * 7 + b for a, b in places if 0 <= a < 6 and 0 <= b < 7]
        assert indices.reshape(6, *out.shape[2:])[n, i, j] == max(flat, key=lambda f, n=n: (planes[n, f], -f))


def test_indices_beside_values_with_gradients() -> None:
    x = Tensor(np.random.default_rng(0).normal(size=(2, 3, 8)), requires_grad=True)
    layer = nn.MaxPool1d(2, return_indices=True)
    for function in (layer, ac.compile(layer)):
        x.zero_grad()
        out, indices = function(x)
        out.sum().backward()
        expected = np.zeros((6, 8))
        np.put_along_axis(expected, np.asarray(indices).reshape(6, 4), 1, 1)
        np.testing.assert_array_equal(x.grad.data, expected.reshape(2, 3, 8))
        assert indices.dtype == np.int64
    single = F.max_pool1d(np.array([[1.0, np.nan, 2.0]]), 3, return_indices=True)
    assert np.isnan(single[0]).all()
    assert single[1].tolist() == [[1]]
