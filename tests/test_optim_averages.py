"""Running averages of values and of weights."""

from __future__ import annotations

import numpy as np
import pytest

import nn
import optim
from autograd_core import Tensor
from autograd_core.errors import ArgumentError, ShapeError, VersionError
from duck import DuckArray
from optim import ExponentialMovingAverage, RunningAverage, SimpleMovingAverage
from optim_cases import parameter, strided


def test_the_notes_example():
    average = RunningAverage(0.1)  # S000-B.31, B.32
    values = [average.update(1) for _ in range(3)]
    np.testing.assert_allclose(values, [0.9, 0.99, 0.999], rtol=1e-15)
    assert average.corrected == 1.0
    assert all(type(v) is float for v in [*values, average.value, average.corrected])


def test_before_the_first_update_it_is_zero():
    average = RunningAverage(0.5)
    assert average.value == 0.0
    with pytest.raises(
        ArgumentError, match=r"RunningAverage.corrected: some value must have had weight, got 0 updates"
    ):
        _ = average.corrected


@pytest.mark.parametrize("gamma", [0.9, lambda t: (t - 1) / t, lambda t: 0.5 + 0.4 / t])
def test_definition_and_correction(gamma):
    rng = np.random.default_rng(0)
    average, A, product = RunningAverage(gamma), np.zeros((2, 3)), 1.0
    for t in range(1, 40):
        a = rng.normal(size=(2, 3))
        g = gamma(t) if callable(gamma) else gamma
        A, product = g * A + (1 - g) * a, product * g
        np.testing.assert_allclose(average.update(a), A, rtol=1e-13)
        np.testing.assert_allclose(average.corrected, A / (1 - product), rtol=1e-12)


def test_the_mean_as_a_schedule():
    values = np.random.default_rng(1).normal(size=100)
    average = RunningAverage(lambda t: (t - 1) / t)
    for x in values:
        average.update(x)
    np.testing.assert_allclose(average.value, values.mean(), rtol=1e-12)


@pytest.mark.parametrize("make", [lambda: RunningAverage(0.5), lambda: SimpleMovingAverage(2)])
def test_kinds_of_values(make):
    x = np.ones(3, np.float32)
    average = make()
    first = average.update(x)
    assert first.dtype == np.float32
    kept = average.value.copy()
    first += 5  # the caller's own
    x += 5
    np.testing.assert_array_equal(average.value, kept)
    t = Tensor(np.ones(3, np.float32), requires_grad=True)
    result = average.update(t * 2)
    assert isinstance(result, Tensor)
    assert not result.requires_grad
    assert result.dtype == np.float32
    duck = make()
    duck.update(DuckArray(np.ones(2)))
    assert isinstance(duck.update(DuckArray(np.ones(2))), DuckArray)


def test_simple_moving_average():
    average = SimpleMovingAverage(3)
    with pytest.raises(ArgumentError, match=r"SimpleMovingAverage.value: there must be a value to average, got none"):
        _ = average.value
    assert [average.update(x) for x in [1, 2, 6, 7, 1e9]] == pytest.approx([1, 1.5, 3, 5, (13 + 1e9) / 3])
    average.update(0), average.update(0)
    assert average.update(0.25) == 0.25 / 3


@pytest.mark.parametrize("make", [lambda: RunningAverage(0.3), lambda: SimpleMovingAverage(3)])
def test_state_of_averages(make):
    rng = np.random.default_rng(2)
    average, other = make(), make()
    for _ in range(4):
        average.update(rng.normal(size=2))
    saved = average.state_dict()
    other.load_state_dict(saved)
    for _ in range(4):
        x = rng.normal(size=2)
        np.testing.assert_array_equal(average.update(x), other.update(x))
    with pytest.raises(ArgumentError, match=r"load_state_dict: the keys must be .*, got \['x'\]; load"):
        other.load_state_dict({"x": 1})
    with pytest.raises(ShapeError, match=r"update: the shape must stay \(2,\), got \(3,\); use an average of its own"):
        other.update(np.ones(3))
    np.testing.assert_array_equal(average.value, other.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RunningAverage(1.5), r"RunningAverage: gamma must be a number in \[0, 1\] or a function .* got 1.5"),
        (lambda: RunningAverage("x"), r"RunningAverage: gamma must be .* got 'x'"),
        (lambda: RunningAverage(np.nan), r"RunningAverage: gamma must be .* got nan"),
        (lambda: RunningAverage(lambda t: -t).update(1), r"RunningAverage.update: gamma at t = 1 must be .* got -1"),
        (lambda: SimpleMovingAverage(0), r"SimpleMovingAverage: n must be a positive integer, got 0"),
        (lambda: ExponentialMovingAverage([parameter(1.0)], 2), r"decay must be a number in \[0, 1\], got 2"),
        (lambda: ExponentialMovingAverage([]), r"ExponentialMovingAverage: there must be at least one parameter"),
        (lambda: ExponentialMovingAverage([3]), r"a parameter must be a Tensor, got int as '0'"),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(ArgumentError, match=message + r".* in: [\w.]+, called at test_optim_averages"):
        make()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("layout", [np.array, np.asfortranarray, strided])
@pytest.mark.parametrize("options", [{}, {"warmup": True}, {"bias_correction": True}])
def test_average_of_weights(dtype, layout, options):
    rng = np.random.default_rng(3)
    p, q = Tensor(layout(rng.normal(size=(300, 301)).astype(dtype)), requires_grad=True), parameter(2.0, dtype)
    ema = ExponentialMovingAverage([p, q], 0.9, **options)
    A = 0.0 if options.get("bias_correction") else p.data.copy()
    weight = 0.0
    for t in range(1, 6):
        step = rng.normal(size=p.shape).astype(dtype)
        p.data += step
        ema.update()
        d = min(0.9, (1 + t) / (10 + t)) if options.get("warmup") else 0.9
        A, weight = d * A + (1 - d) * p.data, d * weight + (1 - d)
    expected = A / weight if options.get("bias_correction") else A
    assert ema.averages[0].dtype == dtype
    before, array = p.data.copy(), p.data
    with ema.applied():
        assert p.data is array  # in place
        np.testing.assert_allclose(p.data, expected, rtol=1e-12 if dtype == "float64" else 1e-4, atol=1e-6)
        np.testing.assert_allclose(q.data, 2.0, rtol=1e-6)
    np.testing.assert_array_equal(p.data, before)


def test_applied_is_undone_after_an_error_and_refuses_an_update():
    p = parameter(np.ones(2))
    ema = ExponentialMovingAverage([p], 0.5)
    p.data = np.zeros(2)
    message = "ExponentialMovingAverage.update: the weights must be the trained ones"
    with pytest.raises(ArgumentError, match=message), ema.applied(), ema.applied():
        np.testing.assert_array_equal(p.data, np.ones(2))
        ema.update()
    np.testing.assert_array_equal(p.data, np.zeros(2))
    ema.update()
    ema.copy_to()
    np.testing.assert_array_equal(p.data, np.full(2, 0.5))


def test_a_backward_through_the_weights_before_is_refused():
    p = parameter(np.ones(2))
    ema = ExponentialMovingAverage([p])
    loss = (p * p).sum()
    with ema.applied():
        assert p.is_leaf
    with pytest.raises(VersionError):
        loss.backward()


def test_module_state_and_another_module():
    model, other = nn.Linear(3, 2), nn.Linear(3, 2)
    ema = ExponentialMovingAverage(model, 0.5)
    for p in model.parameters():
        p.data = p.data + 1
    ema.update()
    saved = ema.state_dict()
    assert sorted(saved["averages"]) == ["bias", "weight"]
    ema.copy_to(other)
    np.testing.assert_allclose(other.weight.data, model.weight.data - 0.5, rtol=1e-6, atol=1e-6)
    second = ExponentialMovingAverage(other, 0.5)
    second.load_state_dict(saved)
    for e in (ema, second):
        e.copy_to(other)
        e.update()
    assert second.t == ema.t == 2
    with pytest.raises(ShapeError, match=r"copy_to: the shape must stay"):
        ema.copy_to(nn.Linear(2, 2))
    with pytest.raises(ArgumentError, match=r"copy_to: there must be 2 parameters, got 1"):
        ema.copy_to([model.weight])
    wrong = saved | {"averages": {k: v.astype("float64") for k, v in saved["averages"].items()}}
    with pytest.raises(ArgumentError, match=r"load_state_dict: 'weight' must be float32, got float64; load"):
        ema.load_state_dict(wrong)
    with pytest.raises(ArgumentError, match=r"with bias correction there must have been an update"):
        ExponentialMovingAverage(model, bias_correction=True).copy_to()


def test_foreign_arrays():
    p = Tensor(DuckArray(np.ones(2)), requires_grad=True)
    ema = ExponentialMovingAverage([p, p], 0.5)
    p.data = DuckArray(np.zeros(2))
    ema.update()
    with ema.applied():
        np.testing.assert_array_equal(p.data._array, [0.5, 0.5])
    np.testing.assert_array_equal(p.data._array, [0.0, 0.0])
    assert "1 parameters" in repr(ema)


def test_an_average_of_weights_is_a_callback_of_fit():
    w = Tensor(np.array([1.0]), requires_grad=True)
    average = optim.ExponentialMovingAverage([w], decay=0.5)
    seen = [w.data.copy()]
    optim.fit(
        lambda x: x * w,
        lambda out, y: ((out - y) ** 2).mean(),
        optim.SGD([w], lr=0.1),
        [(np.ones(2), np.zeros(2))],
        epochs=2,
        callbacks=[average, lambda state: seen.append(w.data.copy())],
        progress=False,
    )
    with average.applied():
        assert np.allclose(w.data, (seen[0] + seen[1] + 2 * seen[2]) / 4, rtol=1e-15)


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        ([np.full(2, 200, np.uint8)] * 2, np.full(2, 200.0)),
        ([np.full(2, 60000, np.float16)] * 3, np.full(2, 60000, np.float16)),
        ([np.float16(60000)] * 3, np.float16(60000)),
        ([np.array([True, False]), np.array([True, True])], np.array([1, 0.5])),
        ([True, False], np.float64(0.5)),
        ([np.full(2, 0.1, np.float32)] * 2, np.full(2, 0.1, np.float32)),
        ([3, 4], np.float64(3.5)),
    ],
)
def test_a_mean_does_not_overflow(values, mean):
    average = SimpleMovingAverage(5)
    for value in values:
        got = average.update(value)
    np.testing.assert_array_equal(got, mean)
    assert np.asarray(got).dtype == mean.dtype
    again = SimpleMovingAverage(5)
    again.load_state_dict(average.state_dict())
    np.testing.assert_array_equal(again.value, mean)


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        (None, r"RunningAverage.load_state_dict: the keys must be \['t', 'value', 'weight'\], got NoneType; load what"),
        (
            {"t": 1.5, "value": 1.0, "weight": 0.5},
            r"RunningAverage.load_state_dict: 't' must be an integer >= 0, got 1.5",
        ),
        ({"t": 1, "value": 1.0, "weight": None}, r"RunningAverage.load_state_dict: 'weight' must be a number in"),
    ],
)
def test_what_is_no_state_of_an_average(saved, message):
    average = RunningAverage(0.5)
    with pytest.raises(ArgumentError, match=message):
        average.load_state_dict(saved)
    assert average.t == 0
