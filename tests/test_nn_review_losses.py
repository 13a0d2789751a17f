"""Losses and normalizations at the ends of their domains: float16, impossible outcomes, constants, kinds of targets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_core as ac
import nn
import nn.functional as F
from autograd_core import Tensor
from autograd_core.ops.binary_losses import binary_cross_entropy, clamped_log
from duck import DuckArray, unwrap

HALF = np.float16
ArgumentError, DTypeError = ac.errors.ArgumentError, ac.errors.DTypeError
PLACEMENTS = ["variance", "deviation"]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


# -- the operators


@pytest.mark.parametrize(("dtype", "limit"), [(HALF, 2.0**-14), (np.float32, 1e-12), (np.float64, 1e-12)])
def test_value_and_slope_are_limited_apart(dtype: Any, limit: float) -> None:
    p = np.array([0, 0, 1, 1, 0, 0.5], dtype)
    y = np.array([0, 1, 0, 1, 0.25, 0.25], dtype)
    a, b = Tensor(p, requires_grad=True), Tensor(y, requires_grad=True)
    loss = binary_cross_entropy(a, b)
    assert loss.dtype == dtype
    rtol = 1e-3 if dtype is HALF else 1e-6
    np.testing.assert_allclose(loss.data, [0, 100, 100, 0, 25, np.log(2)], rtol=rtol)
    loss.backward(np.ones(6, dtype))
    assert a.grad.dtype == b.grad.dtype == dtype
    np.testing.assert_allclose(a.grad.data, [0, -1 / limit, 1 / limit, 0, -0.25 / limit, 1], rtol=rtol)
    np.testing.assert_allclose(b.grad.data, [100, 100, -100, -100, 100, 0], rtol=rtol)
    q = Tensor(np.array([0, 1], dtype), requires_grad=True)
    logs = clamped_log(q)
    np.testing.assert_array_equal(logs.data, [-100, 0])
    logs.backward(np.ones(2, dtype))
    np.testing.assert_allclose(q.grad.data, [1 / limit, 1], rtol=rtol)


def test_second_derivatives_of_the_operators(rng: Any) -> None:
    p, y = rng.uniform(0.1, 0.9, (2, 3)), rng.uniform(0.1, 0.9, (2, 3))
    ac.check_grads(binary_cross_entropy, [p, y], order=2)
    ac.check_grads(clamped_log, [p], order=2)
    # At the ends the slope is a line in p and y, and constant for the logarithm.
    ends = np.array([0.0, 1.0])
    square = ac.hessian(lambda p: np.sum(binary_cross_entropy(p, np.array([1.0, 0.0]))))(ends)
    np.testing.assert_allclose(square, np.eye(2) * 1e12, rtol=1e-6)
    np.testing.assert_array_equal(ac.hessian(lambda p: np.sum(clamped_log(p)))(np.zeros(2)), np.zeros((2, 2)))


# -- float16


def test_losses_of_probabilities_0_in_float16() -> None:
    for p, y in ((0.0, 1.0), (1.0, 0.0), (6e-8, 1.0)):
        t = Tensor(np.array([p], HALF), requires_grad=True)
        loss = nn.BCELoss()(t, np.array([y]))
        loss.backward()
        assert loss.dtype == HALF
        assert 0 < loss.item() <= 100
        np.testing.assert_array_equal(t.grad.data, [HALF(2**14 if p == 1 else -(2**14))])
    a = Tensor(np.array([[0, 1], [6e-8, 1]], HALF), requires_grad=True)
    loss = F.nll_from_probabilities(a, np.array([0, 0]), reduction="sum")
    np.testing.assert_allclose(loss.data, 100 - np.log(2.0**-24), rtol=1e-3)
    loss.backward()
    np.testing.assert_array_equal(a.grad.data, [[-(2**14), 0], [-(2**14), 0]])


NORMS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "batch": (lambda **o: nn.BatchNorm1d(4, **o), (6, 4)),
    "batch of images": (lambda **o: nn.BatchNorm2d(4, **o), (2, 4, 3, 3)),
    "instance": (lambda **o: nn.InstanceNorm1d(4, affine=True, track_running_stats=True, **o), (3, 4, 5)),
    "group": (lambda **o: nn.GroupNorm(2, 4, **o), (3, 4, 5)),
    "layer": (lambda **o: nn.LayerNorm(4, **o), (6, 4)),
    "rms": (lambda **o: nn.RMSNorm(4, eps=1e-3, **o), (6, 4)),
}


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("parameters", [HALF, np.float32])
@pytest.mark.parametrize("name", NORMS)
def test_float16_is_normalized_in_float32(name: str, parameters: Any, placement: Any, rng: Any) -> None:
    """Squares overflow in float16 from 256 on."""
    make, shape = NORMS[name]
    x = (200 * rng.normal(size=shape) + 1000 * (name != "rms")).astype(HALF)
    cotangent = rng.normal(size=shape).astype(HALF)
    half = make(dtype=parameters, eps_placement=placement)
    single = make(eps_placement=placement)
    for training in (True, False):
        results = []
        for module, dtype in ((half, HALF), (single, np.float32)):
            module.train(training).zero_grad()
            t = Tensor(x.astype(dtype), requires_grad=True)
            out = module(t)
            out.backward(cotangent.astype(dtype))
            assert out.dtype == t.grad.dtype == dtype
            assert module.weight.grad.dtype == (parameters if module is half else np.float32)
            results.append((out.data, t.grad.data * 100, module.weight.grad.data))
        # Evaluation multiplies by running statistics, which float16 parameters hold rounded.
        tolerance = 2e-3 if training or parameters is np.float32 else 2e-2
        for ours, expected in zip(*results, strict=True):
            np.testing.assert_allclose(ours.astype(float), expected.astype(float), rtol=tolerance, atol=tolerance)
    for key, value in half.state_dict().items():
        if key != "num_batches_tracked":
            np.testing.assert_allclose(value, single.state_dict()[key], rtol=1e-3)


def test_statistics_beyond_float16_stay_at_its_largest_number() -> None:
    x = np.array([[-1000.0], [1000.0]], HALF)
    module = nn.BatchNorm1d(1, momentum=1.0, dtype=HALF)
    np.testing.assert_array_equal(module(x).data, [[-1], [1]])
    assert module.running_var.dtype == HALF
    assert module.running_var.item() == 65504
    assert np.isfinite(module.eval()(x).data).all()


def test_the_mean_of_many_batches_in_float16() -> None:
    """The number of batches is no float16 above 65504."""
    module = nn.BatchNorm1d(1, momentum=None, dtype=HALF)
    module.num_batches_tracked.data = np.asarray(99_999)
    module.running_var.data = np.asarray([2.0], HALF)
    module(np.array([[-30.0], [30.0]], HALF))
    np.testing.assert_allclose(module.running_var.data, 2 + 1798 / 100_000, rtol=1e-3)


@pytest.mark.parametrize(("weight", "hole"), [(None, True), (np.ones(2, HALF), False), (np.ones(2, HALF), True)])
def test_many_labels_in_float16(weight: Any, hole: bool) -> None:
    n = 70_000  # more than float16 counts to
    labels = np.zeros(n, int)
    labels[0] = -100 if hole else 0
    x = Tensor(np.zeros((n, 2), HALF), requires_grad=True)
    loss = F.cross_entropy(x, labels, weight)
    np.testing.assert_allclose(loss.data, np.log(2), rtol=1e-3)
    assert loss.dtype == HALF
    loss.backward()
    np.testing.assert_allclose(x.grad.data[1], [-0.5 / n, 0.5 / n], rtol=0.01)


# -- predictions and targets


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("cross_entropy", lambda x: F.cross_entropy(x, np.array([0, 1]))),
        ("cross_entropy", lambda x: F.cross_entropy(x, np.eye(2))),
        ("nll_loss", lambda x: F.nll_loss(x, np.array([0, 1]))),
        ("nll_from_probabilities", lambda x: F.nll_from_probabilities(x, np.array([0, 1]))),
        ("kl_div", lambda x: F.kl_div(x, np.eye(2))),
        ("binary_cross_entropy", lambda x: F.binary_cross_entropy(x, np.eye(2))),
        ("binary_cross_entropy_with_logits", lambda x: F.binary_cross_entropy_with_logits(x, np.eye(2))),
        ("hinge_loss", lambda x: F.hinge_loss(x, np.ones((2, 2)))),
    ],
)
@pytest.mark.parametrize("dtype", [np.int64, bool])
def test_predictions_are_floating(name: str, call: Any, dtype: Any) -> None:
    message = rf"^{name}: the input must be floating, got dtype {np.dtype(dtype)}; convert with .astype\(np.float32\)"
    with pytest.raises(DTypeError, match=message) as caught:
        call(Tensor(np.eye(2, dtype=dtype)))
    assert "called at test_nn_review_losses.py:" in str(caught.value)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_one_hot_rows_of_any_dtype(dtype: Any, smoothing: float, rng: Any) -> None:
    x, labels = rng.normal(size=(5, 3)).astype(np.float32), rng.integers(0, 3, 5)
    rows = np.eye(3, dtype=dtype)[labels]
    expected = F.cross_entropy(x, labels, label_smoothing=smoothing)
    for target in (rows, Tensor(rows), rows.tolist()):
        loss = F.cross_entropy(Tensor(x), target, label_smoothing=smoothing)
        assert loss.dtype == np.float32
        np.testing.assert_allclose(loss.data, expected, rtol=1e-6)
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    np.testing.assert_allclose(
        F.nll_from_probabilities(p, rows), F.nll_from_probabilities(p, labels), rtol=1e-6)  # fmt: skip
    # One row of logits: the shape tells a class index from a row.
    np.testing.assert_allclose(F.cross_entropy(x[0], rows[0]), F.cross_entropy(x[0], labels[0]), rtol=1e-6)
    duck = F.cross_entropy(Tensor(DuckArray(x)), DuckArray(rows), label_smoothing=smoothing)
    np.testing.assert_allclose(unwrap(duck.data), expected, rtol=1e-6)


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_from_probabilities])
@pytest.mark.parametrize(
    ("target", "said"),
    [
        ([[0.5, 0.5], [1.5, -0.5]], r"1.5 at position \(1, 0\) \(2 of 4 are outside\)"),
        ([[0.5, np.nan], [0.5, 0.5]], r"nan at position \(0, 1\) \(1 of 4 are outside\)"),
        ([[0, 1], [2, 0]], r"2 at position \(1, 0\) \(1 of 4 are outside\)"),
    ],
)
def test_target_probabilities_are_in_the_unit_interval(loss: Any, target: Any, said: str) -> None:
    message = rf"{loss.__name__}: every target probability must be in \[0, 1\], got target probability {said}; give "
    for given in (target, Tensor(np.array(target))):
        with pytest.raises(ArgumentError, match=message) as caught:
            loss(np.full((2, 2), 0.5), given)
        assert "called at test_nn_review_losses.py:" in str(caught.value)


@pytest.mark.parametrize("kind", [np.asarray, DuckArray])
def test_impossible_outcomes_count_nothing(kind: Any) -> None:
    """A logit of -inf where the probability is 0, as masks leave it."""
    rows, q = np.array([[-np.inf, 0, 1]]), np.exp([0, 1]) / np.exp([0, 1]).sum()
    x, y = Tensor(kind(rows), requires_grad=True), Tensor(kind(np.array([[0, 0.5, 0.5]])), requires_grad=True)
    loss = F.cross_entropy(x, y, reduction="sum")
    np.testing.assert_allclose(unwrap(loss.data), -np.log(q).mean())
    loss.backward(kind(np.ones(())))
    np.testing.assert_allclose(unwrap(x.grad.data), [[0, *(q - 0.5)]])
    np.testing.assert_allclose(unwrap(y.grad.data), [[0, *-np.log(q)]])
    alone = F.cross_entropy(rows[:, 1:], np.array([[0.5, 0.5]]), reduction="sum")
    np.testing.assert_allclose(unwrap(loss.data), alone)
    assert F.cross_entropy(rows, np.array([[0.5, 0.5, 0]])) == np.inf  # possible, and said not to be


@pytest.mark.parametrize("log_target", [False, True])
def test_divergence_from_an_impossible_outcome(log_target: bool) -> None:
    target = np.array([0, -np.log(2), -np.log(2)]) if log_target else np.array([0, 0.5, 0.5])
    target[0] = -np.inf if log_target else 0
    x, y = Tensor(np.array([-np.inf, -1, -2]), requires_grad=True), Tensor(target, requires_grad=True)
    loss = F.kl_div(x, y, "sum", log_target)
    np.testing.assert_allclose(loss.data, 1.5 - np.log(2))
    loss.backward()
    np.testing.assert_allclose(x.grad.data, [0, -0.5, -0.5])
    assert np.isfinite(y.grad.data).all()


# -- normalization


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_without_eps_a_constant_is_divided_by_1(placement: Any, dtype: Any, rng: Any) -> None:
    x = rng.normal(size=(4, 2)).astype(dtype)
    x[:, 0] = 3
    w, b = np.array([2, 3], dtype), np.array([5, 7], dtype)
    t = Tensor(x, requires_grad=True)
    out = F.batch_norm(t, weight=w, bias=b, training=True, eps=0, eps_placement=placement)
    column = (x[:, 1] - x[:, 1].mean()) / x[:, 1].std() * 3 + 7
    np.testing.assert_allclose(out.data, np.stack([np.full(4, 5), column], axis=1), rtol=1e-5)
    (out**3).sum().backward()
    assert t.grad.dtype == dtype
    assert np.isfinite(t.grad.data).all()
    scale = x[:, 1:]
    ac.check_grads(lambda a: F.batch_norm(a, training=True, eps=0, eps_placement=placement), [scale.astype(float)])
    for norm in (nn.LayerNorm(2, eps=0, eps_placement=placement), nn.RMSNorm(2, eps=0, eps_placement=placement)):
        zero = Tensor(np.zeros((2, 2), np.float32), requires_grad=True)
        y = norm(zero)
        y.sum().backward()
        np.testing.assert_array_equal(y.data, 0)
        assert np.isfinite(zero.grad.data).all()
    running = F.batch_norm(x, np.zeros(2, dtype), np.array([0, 4], dtype), eps=0, eps_placement=placement)
    np.testing.assert_allclose(running, x / np.array([1, 2], dtype), rtol=1e-6)


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("value", [0.1, -1e100, 12345.678])
def test_a_constant_whose_mean_is_rounded_is_divided_by_1(placement: Any, value: float) -> None:
    x = np.full((10, 3, 7), value)
    x[:, 1] = np.arange(70).reshape(10, 7)
    options: Any = {"eps": 0, "eps_placement": placement, "dtype": np.float64}
    layers = [nn.BatchNorm(3, **options), nn.InstanceNorm(3, **options), nn.GroupNorm(3, 3, **options)]
    for norm in [*layers, nn.LayerNorm(7, **options)]:
        t = Tensor(x, requires_grad=True)
        out = norm(t)
        (out * np.cos(np.arange(210)).reshape(x.shape)).sum().backward()
        np.testing.assert_allclose(out.data[:, [0, 2]], 0, atol=abs(value) * 1e-15)
        assert np.abs(t.grad.data[:, [0, 2]]).max() <= 2  # not one over a rounding error
        assert out.data[:, 1].std() > 0.9
    run = ac.compile(nn.LayerNorm(7, **options))
    for part in (x, x[:, ::-1]):
        np.testing.assert_allclose(run(Tensor(part)).data, nn.LayerNorm(7, **options)(part).data, atol=1e-12)
    assert nn.GroupNorm(1, 3, eps=0)(np.ones((0, 3), np.float32)).shape == (0, 3)


def test_a_feature_of_no_variance_that_varies_is_divided_by_1() -> None:
    x = np.array([[0.0, 1e-200, 2e-200]])  # the squares are 0
    assert np.isfinite(nn.LayerNorm(3, eps=0, dtype=np.float64)(x).data).all()


def test_a_group_of_one_value_is_its_bias_in_a_batch_of_one_too() -> None:
    x = Tensor(np.array([[3.0, 4.0]]), requires_grad=True)
    out = F.group_norm(x, 2, np.ones(2), np.array([5.0, 6.0]))
    np.testing.assert_array_equal(out.data, [[5, 6]])
    out.sum().backward()
    np.testing.assert_array_equal(x.grad.data, 0)


@pytest.mark.parametrize("function", [F.batch_norm, F.instance_norm])
@pytest.mark.parametrize("kind", [lambda a: a, Tensor], ids=["array", "Tensor"])
def test_running_statistics_are_written_in_place(function: Any, kind: Any, rng: Any) -> None:
    x = rng.normal(2, 3, (4, 3, 5))
    mean, var = np.zeros(3, np.float32), np.ones(3, np.float32)
    options = {"training": True} if function is F.batch_norm else {}
    function(x, kind(mean), kind(var), **options)
    axes = (0, 2) if function is F.batch_norm else 2
    np.testing.assert_allclose(mean, 0.1 * x.mean((0, 2)), rtol=1e-6)
    np.testing.assert_allclose(var, 0.9 + 0.1 * x.var(axes, ddof=1).reshape(-1, 3).mean(0), rtol=1e-6)


def test_evaluation_takes_arrays_and_a_write_is_noticed(rng: Any) -> None:
    x = rng.normal(size=(4, 3))
    mean, var = np.ones(3), np.full(3, 4.0)
    np.testing.assert_allclose(F.batch_norm(x, mean, var, eps=0), (x - 1) / 2)
    np.testing.assert_array_equal(mean, 1)
    running = Tensor(var)
    w = Tensor(np.ones(3), requires_grad=True)
    out = w * running
    F.batch_norm(x, Tensor(mean), running, training=True)
    with pytest.raises(ac.errors.GraphError, match="a batch's statistics"):
        out.sum().backward()


def test_arrays_that_cannot_be_written_to(rng: Any) -> None:
    x, mean = rng.normal(size=(4, 3)), np.zeros(3)
    var = np.broadcast_to(1.0, 3)
    with pytest.raises(ArgumentError, match=r"running_var must be .* got a read-only ndarray of dtype float64; give"):
        F.batch_norm(x, mean, var, training=True)
    np.testing.assert_array_equal(mean, 0)  # none is written where one cannot be
    with pytest.raises(ArgumentError, match=r"running_mean must be .* got a ndarray of dtype int64"):
        F.batch_norm(x, np.zeros(3, int), np.ones(3), training=True)
    tensor = Tensor(var)
    F.batch_norm(x, Tensor(mean), tensor, training=True)  # a Tensor gets another array
    np.testing.assert_allclose(tensor.data, 0.9 + 0.1 * x.var(0, ddof=1))
    np.testing.assert_array_equal(var, 1)
