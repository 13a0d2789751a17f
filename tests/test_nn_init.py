"""Initializations: distributions by moments and quantiles, fans, gains, reproducibility, messages."""

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
from autograd_core.errors import ArgumentError, DTypeError, ShapeError, VersionError
from duck import DuckArray, unwrap
from nn import init

OUT, IN = 300, 500
NORMAL: dict[str, float] = {
    "xavier_normal_": 1 / math.sqrt(IN), "glorot_normal_": math.sqrt(2 / (IN + OUT)), "he_normal_": math.sqrt(2 / IN),
    "lecun_normal_": 1 / math.sqrt(IN), "kaiming_normal_": math.sqrt(2 / IN), "normal_": 1.0,
}  # fmt: skip
UNIFORM: dict[str, float] = {
    name.replace("normal", "uniform"): sigma for name, sigma in NORMAL.items() if name != "normal_"
}
EVERY: dict[str, Callable[[Any], Any]] = {
    **{name: getattr(init, name) for name in [*NORMAL, *UNIFORM]},
    **{name: getattr(init, name) for name in ("uniform_", "zeros_", "ones_", "eye_", "orthogonal_", "trunc_normal_")},
    "constant_": lambda t: init.constant_(t, 0.3),
}
BY_FANS = [name for name in EVERY if name.startswith(("xavier", "glorot", "he", "lecun", "kaiming", "orthogonal"))]


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    before = ac.random.get_state()
    ac.random.seed(0)
    yield
    ac.random.set_state(before)


def weight(*shape: int, dtype: Any = np.float32) -> nn.Parameter:
    return nn.Parameter(np.full(shape or (OUT, IN), np.nan, dtype))


def assert_moments(x: np.ndarray, mean: float, sigma: float, fourth: float) -> None:
    """Mean and variance within five standard errors; `fourth` is the fourth central moment over sigma^4."""
    n = x.size
    x = x.astype(np.float64)
    assert abs(x.mean() - mean) < 5 * sigma / math.sqrt(n)
    assert abs(((x - mean) ** 2).mean() / sigma**2 - 1) < 5 * math.sqrt((fourth - 1) / n)


def assert_quantiles(x: np.ndarray, inverse: Callable[[Any], Any]) -> None:
    """The share of numbers below each quantile, within five standard errors."""
    for p in (0.01, 0.1, 0.3, 0.5, 0.8, 0.99):
        assert abs((x < inverse(p)).mean() - p) < 5 * math.sqrt(p * (1 - p) / x.size)


# -- distributions


@pytest.mark.parametrize("name", NORMAL)
def test_normal(name: str) -> None:
    from scipy.special import ndtri

    x = EVERY[name](weight()).data
    assert_moments(x, 0, NORMAL[name], 3)
    assert_quantiles(x, lambda p: NORMAL[name] * ndtri(p))


@pytest.mark.parametrize("name", UNIFORM)
def test_uniform(name: str) -> None:
    x = EVERY[name](weight()).data
    bound = math.sqrt(3) * UNIFORM[name]
    assert_moments(x, 0, UNIFORM[name], 9 / 5)
    assert_quantiles(x, lambda p: bound * (2 * p - 1))
    assert 0.9999 * bound < np.abs(x).max() <= np.float32(bound)


def test_parameters_of_the_plain_distributions() -> None:
    assert_moments(init.normal_(weight(), -2, 0.01).data, -2, 0.01, 3)
    x = init.uniform_(weight(), 2, 5).data
    assert x.min() >= 2 and x.max() <= 5
    assert_moments(x, 3.5, 3 / math.sqrt(12), 9 / 5)
    np.testing.assert_array_equal(init.normal_(weight(4), 3, 0).data, 3)
    np.testing.assert_array_equal(init.constant_(weight(4), 0.3).data, np.float32(0.3))
    np.testing.assert_array_equal(init.zeros_(weight(4)).data, 0)
    np.testing.assert_array_equal(init.ones_(weight(2, 3)).data, 1)
    np.testing.assert_array_equal(init.eye_(weight(2, 3)).data, [[1, 0, 0], [0, 1, 0]])


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"),
    [
        (0, 1, -2, 2), (0, 0.02, -0.04, 0.04), (1, 2, -np.inf, 1.5), (0, 1, -3, 9), (0, 1, 5, 6), (0, 1, -6, -5),
        (0, 1, 40, 41), (0, 1, 2, np.inf), (0, 1, -np.inf, np.inf), (0, 100, -1, 1),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_trunc_normal(mean: float, std: float, a: float, b: float, dtype: Any) -> None:
    t = weight(200, 200, dtype=dtype)
    x = init.trunc_normal_(t, mean, std, a, b).data
    assert x.dtype == dtype and np.all((x >= dtype(a)) & (x <= dtype(b)))
    # The density, integrated numerically between ends beyond which nothing is left.
    low = max(a, mean - 9 * std) if b > mean - 9 * std else a
    high = min(b, max(a, mean) + 9 * std)
    z = low + (high - low) * (np.arange(100_000) + 0.5) / 100_000
    nearest = min(max(mean, low), high)
    p = np.exp(((nearest - mean) ** 2 - (z - mean) ** 2) / (2 * std**2))
    p /= p.sum()
    expected = np.sum(p * z)
    sigma = math.sqrt(np.sum(p * (z - expected) ** 2))
    assert_moments(x.astype(np.float64), expected, sigma, float(np.sum(p * ((z - expected) / sigma) ** 4)))
    total = np.cumsum(p)
    assert_quantiles(x, lambda q: z[np.searchsorted(total, q)])


@pytest.mark.parametrize("u", [0.0, 1 - 2.0**-53])
def test_trunc_normal_stays_inside_at_the_ends_of_the_draw(u: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ac.random, "uniform", lambda size: np.full(size, u))
    for a, b in np.random.default_rng(0).uniform(-3, 3, (200, 2)):
        low, high = sorted((a, b))
        x = init.trunc_normal_(weight(1, dtype=np.float64), 0.1, 0.7, low, high).data[0]
        assert low <= x <= high
        assert abs(x - (low if (u == 0) == (low <= 0.1) else high)) < 1e-6


@pytest.mark.parametrize("shape", [(40, 40), (30, 50), (50, 30), (20, 5, 3, 2), (1, 7)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_orthogonal(shape: tuple[int, ...], dtype: Any) -> None:
    t = weight(*shape, dtype=dtype)
    matrix = np.reshape(init.orthogonal_(t, gain=2).data, (shape[0], -1)).astype(np.float64)
    matrix = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    assert t.dtype == dtype
    np.testing.assert_allclose(matrix @ matrix.T, 4 * np.eye(len(matrix)), atol=50 * np.finfo(dtype).eps)


def test_orthogonal_is_uniform_among_orthogonal_matrices() -> None:
    """Without the sign of R's diagonal, LAPACK's Q has a trace that is negative on average."""
    traces = [np.trace(init.orthogonal_(weight(4, 4, dtype=np.float64)).data) for _ in range(2000)]
    assert abs(np.mean(traces)) < 5 / math.sqrt(2000) and abs(np.mean(np.square(traces)) - 1) < 5 * math.sqrt(2 / 2000)


# -- fans and gains


@pytest.mark.parametrize(
    ("fill", "sigma"),
    [
        (init.xavier_normal_, math.sqrt(1 / 180)),
        (init.lecun_uniform_, math.sqrt(1 / 180)),
        (init.glorot_uniform_, math.sqrt(2 / (180 + 450))),
        (init.he_normal_, math.sqrt(2 / 180)),
        (lambda t: init.he_uniform_(t, "fan_out"), math.sqrt(2 / 450)),
        (lambda t: init.he_uniform_(t, "fan_avg"), math.sqrt(2 / 315)),
        (lambda t: init.xavier_uniform_(t, gain=3), 3 * math.sqrt(1 / 180)),
        (lambda t: init.glorot_normal_(t, gain=3), 3 * math.sqrt(2 / (180 + 450))),
        (lambda t: init.kaiming_normal_(t, a=1), math.sqrt(1 / 180)),
        (lambda t: init.kaiming_normal_(t, nonlinearity="tanh"), 5 / 3 / math.sqrt(180)),
        (lambda t: init.kaiming_uniform_(t, mode="fan_out", nonlinearity="selu"), 0.75 / math.sqrt(450)),
    ],
)
def test_fans_count_the_window(fill: Any, sigma: float) -> None:
    x = fill(weight(50, 20, 3, 3)).data
    assert_moments(x, 0, sigma, 3)


def test_gains() -> None:
    assert [init.calculate_gain(name) for name in ("linear", "conv2d", "sigmoid")] == [1, 1, 1]
    assert init.calculate_gain("tanh") == 5 / 3 and init.calculate_gain("selu") == 0.75
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("leaky_relu") == math.sqrt(2 / 1.0001)
    assert init.calculate_gain("leaky_relu", 0.2) == pytest.approx(math.sqrt(2 / 1.04), rel=1e-15)


def test_gains_of_functions_are_exact() -> None:
    points, weights = np.polynomial.hermite_e.hermegauss(150)
    tanh = 1 / math.sqrt(np.sum(np.tanh(points) ** 2 * weights) / math.sqrt(2 * math.pi))
    assert init.calculate_gain(np.tanh) == pytest.approx(tanh, rel=1e-10)
    assert init.calculate_gain(F.relu) == pytest.approx(math.sqrt(2), rel=1e-14)
    assert init.calculate_gain(nn.ReLU()) == pytest.approx(math.sqrt(2), rel=1e-14)
    assert init.calculate_gain(lambda z: np.exp(z / 2)) == pytest.approx(math.exp(-1 / 4), rel=1e-14)
    assert init.calculate_gain(lambda z: Tensor(3.0, requires_grad=True) * z) == pytest.approx(1 / 3, rel=1e-14)


def test_a_gain_keeps_the_mean_square() -> None:
    x = ac.random.normal(size=(1000, IN))
    for function in (np.tanh, F.relu, F.sigmoid):
        w = init.kaiming_normal_(Tensor(np.empty((4000, IN), np.float32)), nonlinearity=function).data
        h = function(x)
        # The mean of h meets the same weights in every row: that part of the square varies with the outputs alone.
        shared = h.mean() ** 2 / (h**2).mean()
        bound = 5 * shared * math.sqrt(2 / 4000) + 5 * math.sqrt(2 / (1000 * IN)) + 5 / math.sqrt(1000 * IN)
        assert abs(((h @ w.T) ** 2).mean() - 1) < bound


# -- every function


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_fills_in_place_in_the_tensors_dtype(name: str, dtype: Any) -> None:
    t = weight(8, 6, dtype=dtype)
    array = t.data
    assert EVERY[name](t) is t
    assert t.data is array and array.dtype == dtype and np.all(np.isfinite(array)) and t.is_leaf


@pytest.mark.parametrize("name", EVERY)
def test_the_same_seed_gives_the_same_numbers(name: str) -> None:
    first = EVERY[name](weight(8, 6)).data
    second = EVERY[name](weight(8, 6)).data
    ac.random.seed(0)
    np.testing.assert_array_equal(EVERY[name](weight(8, 6)).data, first)
    constant = name in ("zeros_", "ones_", "eye_", "constant_")
    assert np.array_equal(first, second) == constant


@pytest.mark.parametrize("name", EVERY)
def test_a_pending_backward_notices(name: str) -> None:
    t = init.normal_(weight(4, 3))
    loss = (t * t).sum()
    EVERY[name](t)
    with pytest.raises(VersionError, match=name):
        loss.backward()


@pytest.mark.parametrize("name", EVERY)
def test_other_tensors(name: str) -> None:
    frozen = nn.Parameter(np.full((4, 3), np.nan), requires_grad=False)
    assert np.all(np.isfinite(EVERY[name](frozen).data)) and not frozen.requires_grad
    strided = Tensor(np.full((3, 4), np.nan).T)
    assert np.all(np.isfinite(EVERY[name](strided).data)) and strided.data.flags.f_contiguous
    empty = Tensor(np.zeros((0, 3)))
    assert EVERY[name](empty).shape == (0, 3)
    duck = Tensor(DuckArray(np.full((4, 3), np.nan, np.float32)))
    assert type(EVERY[name](duck).data) is DuckArray and duck.dtype == np.float32
    ac.random.seed(1)
    expected = EVERY[name](weight(4, 3)).data
    ac.random.seed(1)
    np.testing.assert_array_equal(unwrap(EVERY[name](duck).data), expected)


def test_a_view_is_filled_in_its_base() -> None:
    """The gates of a recurrent layer are rows of one weight."""
    t = init.zeros_(weight(6, 3))
    init.orthogonal_(t[:3])
    np.testing.assert_allclose(t.data[:3] @ t.data[:3].T, np.eye(3), atol=1e-6)
    np.testing.assert_array_equal(t.data[3:], 0)


def test_apply_initializes_a_model() -> None:
    model = nn.Sequential(nn.Linear(IN, OUT), nn.ReLU(), nn.Linear(OUT, 10))
    model.apply(lambda m: isinstance(m, nn.Linear) and init.he_normal_(m.weight))
    assert_moments(model[0].weight.data, 0, math.sqrt(2 / IN), 3)
    assert_moments(model[2].weight.data, 0, math.sqrt(2 / OUT), 3)


# -- messages


@pytest.mark.parametrize("name", EVERY)
def test_what_cannot_be_initialized(name: str) -> None:
    with pytest.raises(
        DTypeError, match=rf"{name}: .*must be a floating Tensor or Parameter, got ndarray; .*test_nn_in"
    ):
        EVERY[name](np.zeros((2, 3)))
    with pytest.raises(DTypeError, match=rf"{name}: .*got a tensor of dtype int64"):
        EVERY[name](Tensor(np.zeros((2, 3), int)))
    frozen = np.zeros((2, 3))
    frozen.flags.writeable = False
    state = ac.random.get_state()
    with pytest.raises(ArgumentError, match=rf"{name}: .*must be writeable, got a read-only array of shape \(2, 3\)"):
        EVERY[name](Tensor(frozen))
    assert ac.random.get_state() == state


@pytest.mark.parametrize("name", [*BY_FANS])
def test_a_bias_has_no_fans(name: str) -> None:
    with pytest.raises(ShapeError, match=rf"{name}: .*at least two axes .* got shape \(3,\); use zeros_"):
        EVERY[name](weight(3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda w: init.eye_(weight(3)), ShapeError, "eye_: the tensor must have two axes, got shape (3,)"),
        (lambda w: init.normal_(w, std=-1), ArgumentError, "normal_: std must be a finite number >= 0, got -1"),
        (lambda w: init.normal_(w, np.nan), ArgumentError, "normal_: mean must be a finite number, got nan"),
        (lambda w: init.uniform_(w, 1, 0), ArgumentError, "uniform_: [a, b] must be an interval, got (1, 0)"),
        (lambda w: init.uniform_(w, 0, np.inf), ArgumentError, "uniform_: [a, b] must be an interval, got (0, inf)"),
        (lambda w: init.constant_(w, "1"), ArgumentError, "constant_: val must be a real number, got '1'"),
        (lambda w: init.trunc_normal_(w, std=0), ArgumentError, "trunc_normal_: std must be a number > 0, got 0"),
        (lambda w: init.trunc_normal_(w, a=2), ArgumentError, "[a, b] must be an interval with a < b, got (2, 2.0)"),
        (lambda w: init.orthogonal_(w, None), ArgumentError, "orthogonal_: gain must be a real number, got None"),
        (lambda w: init.xavier_normal_(w, -1), ArgumentError, "xavier_normal_: gain must be a finite number >= 0"),
        (
            lambda w: init.he_normal_(w, "fan"),
            ArgumentError,
            "he_normal_: mode must be 'fan_in', 'fan_out' or 'fan_avg', got 'fan'",
        ),
        (
            lambda w: init.he_uniform_(w, "mean"),
            ArgumentError,
            "mode must be 'fan_in', 'fan_out' or 'fan_avg', got 'mean'",
        ),
        (lambda w: init.calculate_gain("gelu"), ArgumentError, "'leaky_relu'] or a function, got 'gelu'"),
        (lambda w: init.calculate_gain([]), ArgumentError, "calculate_gain: nonlinearity must be one of"),
        (lambda w: init.calculate_gain("leaky_relu", "x"), ArgumentError, "param must be the slope, a real number"),
        (lambda w: init.calculate_gain(lambda z: 0 * z), ArgumentError, "a function must be elementwise with a finite"),
        (lambda w: init.calculate_gain(np.sum), ArgumentError, "a function must be elementwise with a finite"),
        (lambda w: nn.Linear(2, 3, init="he"), ArgumentError, "Linear: init must be one of ['eye', 'glorot_normal'"),
        (lambda w: nn.Linear(2, 3, init="constant"), ArgumentError, "or a function, got 'constant'"),
    ],
)
def test_messages(call: Any, error: Any, message: str) -> None:
    w = init.zeros_(weight(2, 3))
    with pytest.raises(error, match=re.escape(message) + r"(.|\n)*called at test_nn_init\.py"):
        call(w)
    np.testing.assert_array_equal(w.data, 0)


# -- Linear


@pytest.mark.parametrize("dtype", [None, np.float64])
def test_linear_takes_an_initialization(dtype: Any) -> None:
    for how, sigma in (("he_normal", NORMAL["he_normal_"]), ("xavier_normal_", NORMAL["xavier_normal_"])):
        layer = nn.Linear(IN, OUT, init=how, dtype=dtype)
        assert layer.weight.dtype == layer.bias.dtype == (dtype or np.float32)
        assert_moments(layer.weight.data, 0, sigma, 3)
        np.testing.assert_array_equal(layer.bias.data, np.zeros(OUT))
    layer = nn.Linear(3, 4, bias=False, init=lambda w: init.constant_(w, 0.3), dtype=dtype)
    np.testing.assert_array_equal(layer.weight.data, np.full((4, 3), 0.3, layer.weight.dtype))
    assert layer.bias is None
