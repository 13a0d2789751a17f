from __future__ import annotations

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


def reduced(values: Any, reduction: str) -> Any:
    return {"mean": np.mean, "sum": np.sum, "none": lambda v: v}[reduction](values)


def check(loss: Any, plain: Any, x: np.ndarray, rng: Any) -> None:
    """Value and gradient against plain NumPy and central differences, element by element."""
    t = Tensor(x, requires_grad=True)
    y = loss(t)
    expected = plain(x)
    assert y.shape == np.shape(expected)
    np.testing.assert_allclose(y.data, expected, rtol=1e-13)
    g = rng.normal(size=y.shape)
    y.backward(g)
    h = 1e-5
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += h
        down[index] -= h
        numerical = np.sum(g * (plain(up) - plain(down))) / (2 * h)
        assert abs(t.grad.data[index] - numerical) < 1e-8 * max(1, np.max(np.abs(t.grad.data)))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_mse(reduction: Any, rng: Any) -> None:
    target = rng.normal(size=(3, 4))
    loss = nn.MSELoss(reduction)
    check(lambda x: loss(x, target), lambda x: reduced((x - target) ** 2, reduction),
          rng.normal(size=(3, 4)), rng)  # fmt: skip


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(5, 4), (4,), (2, 4, 3)])
def test_cross_entropy(reduction: Any, shape: tuple[int, ...], rng: Any) -> None:
    axis = 1 if len(shape) > 1 else 0
    labels = rng.integers(0, 4, shape[:axis] + shape[axis + 1 :])
    loss = nn.CrossEntropyLoss(reduction)
    hot = np.moveaxis(np.eye(4)[labels], -1, axis)
    soft = rng.uniform(0.1, 1, shape)
    soft /= soft.sum(axis, keepdims=True)

    def plain(x: Any, p: Any) -> Any:
        q = np.exp(x) / np.exp(x).sum(axis, keepdims=True)
        return reduced(-(p * np.log(q)).sum(axis), reduction)

    x = rng.normal(size=shape)
    check(lambda x: loss(x, labels), lambda x: plain(x, hot), x, rng)
    check(lambda x: loss(x, Tensor(labels.astype(np.uint8))), lambda x: plain(x, hot), x, rng)
    check(lambda x: loss(x, hot), lambda x: plain(x, hot), x, rng)
    check(lambda x: loss(x, soft), lambda x: plain(x, soft), x, rng)


def test_cross_entropy_is_stable_at_extremes() -> None:
    x = Tensor(np.array([[1e4, -1e4], [-1e4, 1e4]], np.float32), requires_grad=True)
    for target in (np.array([0, 0]), np.array([[1, 0], [1, 0]], np.float32)):
        x.zero_grad()
        loss = F.cross_entropy(x, target, reduction="none")
        np.testing.assert_array_equal(loss.data, np.array([0, 2e4], np.float32))
        loss.backward(np.ones(2, np.float32))
        np.testing.assert_array_equal(x.grad.data, [[0, 0], [-1, 1]])


def test_probabilities_may_be_learnt(rng: Any) -> None:
    x, target = rng.normal(size=(2, 3)), Tensor(rng.uniform(size=(2, 3)), requires_grad=True)
    F.cross_entropy(Tensor(x), target, "sum").backward()
    q = x - np.log(np.exp(x).sum(1, keepdims=True))
    np.testing.assert_allclose(target.grad.data, -q)


def test_lists_as_targets() -> None:
    x = Tensor(np.zeros((2, 4)))
    np.testing.assert_allclose(F.cross_entropy(x, [0, 3]).data, np.log(4))
    np.testing.assert_allclose(F.mse_loss(x[0], [1, 1, 1, 1]).data, 1)


LOGITS = np.zeros((3, 4), np.float32)


@pytest.mark.parametrize(
    ("error", "message", "action"),
    [
        (ac.errors.ArgumentError, r"class indices must be in \[0, 4\) .* got label 4 at position 1 "
         r"\(2 of 3 labels", lambda: F.cross_entropy(LOGITS, np.array([0, 4, 7]))),
        (ac.errors.ArgumentError, "got label -1 at position 2",
         lambda: F.cross_entropy(LOGITS, np.array([0, 3, -1], np.int8))),
        (ac.errors.ArgumentError, "got label 200 at position 0",
         lambda: F.cross_entropy(LOGITS, np.array([200, 0, 1], np.uint8))),
        (ac.errors.DTypeError, r"class indices must be integers, got labels of dtype float64 and "
         r"shape \(3,\); convert", lambda: F.cross_entropy(LOGITS, np.zeros(3))),
        (ac.errors.DTypeError, "got labels of dtype bool",
         lambda: F.cross_entropy(LOGITS, np.zeros(3, bool))),
        (ac.errors.ShapeError, r"class indices of shape \(3,\) or probabilities \(floating\) of shape "
         r"\(3, 4\), got int64 labels of shape \(4,\)",
         lambda: F.cross_entropy(LOGITS, np.zeros(4, int))),
        (ac.errors.ShapeError, r"got int64 labels of shape \(3, 4\); .* one-hot rows with .astype",
         lambda: F.cross_entropy(LOGITS, np.zeros((3, 4), int))),
        (ac.errors.ShapeError, "got float64 labels of shape",
         lambda: F.cross_entropy(LOGITS, np.zeros((3, 5)))),
        (ac.errors.ShapeError, "the logits must have a class axis, got a 0-d input",
         lambda: F.cross_entropy(Tensor(0.0), 0)),
        (ac.errors.ShapeError, r"mse_loss: the target must have the input's shape \(3, 4\), got \(3,\)",
         lambda: F.mse_loss(LOGITS, np.zeros(3))),
        (ac.errors.ArgumentError, "mse_loss: reduction must be 'mean', 'sum' or 'none', got 'avg'",
         lambda: F.mse_loss(LOGITS, LOGITS, "avg")),
        (ac.errors.ArgumentError, "CrossEntropyLoss: reduction must be .* got None",
         lambda: nn.CrossEntropyLoss(None)),
    ],
)  # fmt: skip
def test_loss_errors(error: type[Exception], message: str, action: Any) -> None:
    with pytest.raises(error, match=message) as caught:
        action()
    assert "called at test_nn_losses.py:" in str(caught.value)


def test_errors_name_the_module() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            self.loss = nn.CrossEntropyLoss()

        def forward(self, x: Any, y: Any) -> Any:
            return self.loss(x, y)

    with pytest.raises(ac.errors.ArgumentError, match=r"in: cross_entropy \(module loss\), called at"):
        Model()(Tensor(LOGITS), np.array([0, 0, 9]))


# -- batches, and all together


def test_batches_are_an_epoch_each() -> None:
    ac.random.seed(1)
    x, y = np.arange(10) * 2, np.arange(10)
    loader = nn.data.batches((x, y), 4)
    epochs = [list(loader) for _ in range(2)]
    assert len(loader) == 3
    for epoch in epochs:
        assert [len(b) for _, b in epoch] == [4, 4, 2]
        assert all(np.array_equal(a, 2 * b) for a, b in epoch)
        assert sorted(np.concatenate([b for _, b in epoch])) == list(range(10))
    orders = [np.concatenate([b for _, b in epoch]).tolist() for epoch in epochs]
    assert orders[0] != orders[1]
    ac.random.seed(1)
    assert np.concatenate([b for _, b in loader]).tolist() == orders[0]


def test_batches_in_order_without_the_rest_and_of_a_single_array() -> None:
    loader = nn.data.batches(np.arange(10), 4, shuffle=False, drop_last=True)
    assert [b.tolist() for b in loader] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert len(loader) == 2
    assert isinstance(next(iter(nn.data.batches(Tensor(np.arange(3.0)), 2))), Tensor)
    assert [b[0].tolist() for b in nn.data.batches(([1, 2],), 1, shuffle=False)] == [[1], [2]]


@pytest.mark.parametrize(
    ("message", "action"),
    [
        ("batch_size must be a positive integer, got 0", lambda: nn.data.batches(np.ones(3), 0)),
        ("at least one array, got an empty sequence", lambda: nn.data.batches((), 2)),
        (r"same length along the first axis, got shapes \(3,\), \(4, 2\)",
         lambda: nn.data.batches((np.ones(3), np.ones((4, 2))), 2)),
        (r"same length along the first axis, got shapes \(\)",
         lambda: nn.data.batches((np.ones(()),), 2)),
    ],
)  # fmt: skip
def test_batches_errors(message: str, action: Any) -> None:
    with pytest.raises(ac.AutogradError, match=message):
        action()


def test_training_is_deterministic_and_learns() -> None:
    def run() -> tuple[float, float, list[Any]]:
        ac.random.seed(5)
        x = ac.random.normal(size=(60, 2), dtype=np.float32)
        y = (x[:, 0] * x[:, 1] > 0).astype(int)
        model = nn.Sequential(nn.Linear(2, 16), nn.BatchNorm(16), nn.ReLU(), nn.Linear(16, 2))
        criterion = nn.CrossEntropyLoss()
        first = criterion(model(x), y).item()
        for _ in range(30):
            for xb, yb in nn.data.batches((x, y), 20):
                model.zero_grad()
                criterion(model(xb), yb).backward()
                for p in model.parameters():
                    p.data = p.data - np.float32(0.3) * p.grad.data
        return first, criterion(model.eval()(x), y).item(), list(model.state_dict().values())

    first, last, state = run()
    assert last < 0.4 * first
    _, again, state_again = run()
    assert again == last
    for a, b in zip(state, state_again):
        np.testing.assert_array_equal(a, b)
