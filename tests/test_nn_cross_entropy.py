"""Cross-entropy and negative log-likelihood against a literal reference, their gradients, labels and messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_core as ac
import nn
import nn.functional as F
from autograd_core import Tensor
from duck import DuckArray, unwrap

DTYPES = [np.float32, np.float64]
REDUCTIONS = ["mean", "sum", "none"]
SHAPES = [(5, 4), (4,), (2, 4, 3), (2, 4, 3, 2)]
WEIGHT = np.array([0.5, 1.0, 2.0, 0.25])
ArgumentError, DTypeError, ShapeError = ac.errors.ArgumentError, ac.errors.DTypeError, ac.errors.ShapeError


def batch(shape: tuple[int, ...]) -> tuple[Any, Any, Any]:
    """Logits, labels and probabilities."""
    rng = np.random.default_rng(len(shape))
    axis = min(1, len(shape) - 1)
    labels = np.asarray(rng.integers(0, 4, shape[:axis] + shape[axis + 1 :]))
    p = rng.uniform(0.1, 1, shape)
    return 2 * rng.normal(size=shape), labels, p / p.sum(axis, keepdims=True)


def reference(
    x: Any, target: Any, weight: Any = None, ignore: int = -100, reduction: str = "mean", smoothing: float = 0.0
) -> Any:
    """Sample by sample, as the definition says."""
    axis = min(1, x.ndim - 1)
    rows = np.moveaxis(x, axis, -1)
    w = np.ones(4) if weight is None else weight
    soft = target.shape == x.shape
    losses, counted = np.zeros(rows.shape[:-1]), 0.0
    for index in np.ndindex(losses.shape):
        log_q = np.log(np.exp(rows[index]) / np.exp(rows[index]).sum())
        if soft:
            p, count = np.moveaxis(target, axis, -1)[index], 1.0
        elif target[index] == ignore:
            continue
        else:
            p, count = np.eye(4)[target[index]], w[target[index]]
        losses[index] = -np.sum(w * ((1 - smoothing) * p + smoothing / 4) * log_q)
        counted += count
    return {"mean": losses.sum() / counted, "sum": losses.sum(), "none": losses}[reduction]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weight"])
@pytest.mark.parametrize("shape", SHAPES)
def test_value(shape: Any, weight: Any, smoothing: float, reduction: Any, dtype: Any) -> None:
    logits, labels, p = batch(shape)
    x = logits.astype(dtype)
    eps = 30 * np.finfo(dtype).eps
    holes = labels.copy()
    if holes.ndim:
        holes.reshape(-1)[1::2] = -100
    some = int(labels.reshape(-1)[0]) if labels.size > 1 else 7  # a class as the value to ignore
    targets = [(labels, -100), (labels.astype(np.uint8), -100), (holes, -100), (labels, some), (p, -100)]
    for target, ignore in [*targets, (np.where(holes == -100, 7, holes), 7)]:
        loss = nn.CrossEntropyLoss(weight, ignore, reduction, smoothing)
        expected = np.asarray(reference(logits, target, weight, ignore, reduction, smoothing))
        got = loss(Tensor(x), target)
        assert got.dtype == dtype
        assert got.shape == expected.shape
        np.testing.assert_allclose(got.data, expected, rtol=eps, atol=eps)
        np.testing.assert_array_equal(loss(x, Tensor(target)), got.data)
        if not smoothing and target is not p:
            log_q = F.log_softmax(Tensor(x), 1 if len(shape) > 1 else 0)
            same = nn.NLLLoss(weight, ignore, reduction)(log_q, target)
            np.testing.assert_allclose(same.data, expected, rtol=eps, atol=eps)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(3, 4), (4,), (2, 4, 2)])
@pytest.mark.parametrize(
    ("weight", "ignore", "smoothing"), [(None, -100, 0.0), (WEIGHT, -100, 0.1), (None, 2, 0.1), (WEIGHT, 2, 0.0)]
)
def test_gradients(shape: Any, weight: Any, ignore: int, smoothing: float, reduction: Any) -> None:
    x, labels, p = batch(shape)
    if ignore == 2 and not labels.ndim:
        labels = np.asarray(1)
    ac.check_grads(lambda x: F.cross_entropy(x, labels, weight, ignore, reduction, smoothing), [x], order=1)
    if ignore == -100:
        ac.check_grads(lambda x, p: F.cross_entropy(x, p, weight, ignore, reduction, smoothing), [x, p], order=1)


def test_second_derivatives() -> None:
    x, labels, p = batch((2, 4))
    ac.check_grads(lambda x: F.cross_entropy(x, labels, WEIGHT, -100, "sum", 0.1), [x], order=2)
    ac.check_grads(lambda x: F.cross_entropy(x, p), [x], order=2)
    ac.check_grads(lambda q: F.nll_from_probabilities(q, labels), [p], order=2)
    # Beside a probability of 0, in the form that takes care of it.
    end, three = np.array([[0.0, 1, 0, 0]]), np.append(labels, 1)
    ac.check_grads(lambda q: F.nll_from_probabilities(np.concatenate([q, end]), three), [p], order=2)


def test_the_gradient_is_the_error() -> None:
    """Softmax(x) - y in each row, and -y / a for probabilities (S003, S004's NLLM)."""
    x, labels, p = batch((5, 4))
    y = np.eye(4)[labels]
    q = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    for target in (labels, y):
        np.testing.assert_allclose(ac.grad(lambda x, t=target: F.cross_entropy(x, t, reduction="sum"))(x), q - y)
        np.testing.assert_allclose(
            ac.grad(lambda a, t=target: F.nll_from_probabilities(a, t, reduction="sum"))(p), -y / p)  # fmt: skip
    assert not ac.grad(lambda x: F.nll_loss(x, labels, reduction="sum"))(x)[y == 0].any()


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weight"])
def test_nll_from_probabilities(weight: Any, reduction: Any) -> None:
    _, labels, p = batch((2, 4, 3))
    for target in (labels, np.moveaxis(np.eye(4)[labels], -1, 1)):
        np.testing.assert_allclose(
            F.nll_from_probabilities(Tensor(p), target, weight, reduction).data,
            F.cross_entropy(Tensor(np.log(p)), target, weight, reduction=reduction).data, rtol=1e-13)  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_probabilities_of_0(dtype: Any) -> None:
    a = Tensor(np.array([[0, 1, 0], [1, 0, 0], [1e-36, 0.5, 0.5]], dtype), requires_grad=True)
    loss = F.nll_from_probabilities(a, np.array([1, 1, 0]), reduction="none")
    np.testing.assert_allclose(loss.data, [0, 100, 36 * np.log(10)], rtol=1e-6)
    loss.sum().backward()
    np.testing.assert_allclose(a.grad.data, [[0, -1, 0], [0, -1e12, 0], [-1e12, 0, 0]], rtol=1e-6)


@pytest.mark.parametrize("offset", [1e4, -1e4, 0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_stable_at_extremes(offset: float, dtype: Any) -> None:
    """A common offset changes nothing, not even in float32; its digits are lost before the loss sees the logits."""
    rows = np.array([[0, -1, 0.5], [2, -1, 1]])
    x = Tensor((rows + offset).astype(dtype), requires_grad=True)
    kept = x.data.astype(np.float64) - offset
    q = np.exp(kept) / np.exp(kept).sum(1, keepdims=True)
    loss = F.cross_entropy(x, np.array([0, 1]), reduction="none")
    rtol = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(loss.data, -np.log(q[[0, 1], [0, 1]]), rtol=rtol)
    loss.sum().backward()
    np.testing.assert_allclose(x.grad.data, q - np.eye(3)[:2], rtol=rtol, atol=rtol)


def test_far_apart_logits() -> None:
    x = Tensor(np.array([[1e4, -1e4], [-1e4, 1e4]], np.float32), requires_grad=True)
    for target in (np.array([0, 0]), np.array([[1, 0], [1, 0]], np.float32)):
        x.zero_grad()
        loss = F.cross_entropy(x, target, reduction="none")
        np.testing.assert_array_equal(loss.data, np.array([0, 2e4], np.float32))
        loss.backward(np.ones(2, np.float32))
        np.testing.assert_array_equal(x.grad.data, [[0, 0], [-1, 1]])


def test_targets_and_weights_may_be_learnt() -> None:
    x, labels, p = batch((5, 4))
    target = Tensor(p, requires_grad=True)
    F.cross_entropy(Tensor(x), target, reduction="sum").backward()
    np.testing.assert_allclose(target.grad.data, np.log(np.exp(x).sum(1, keepdims=True)) - x)
    for y in (labels, p):
        ac.check_grads(lambda w, y=y: F.cross_entropy(Tensor(x), y, w, label_smoothing=0.1), [WEIGHT], order=1)


def test_lists_as_targets_and_weights() -> None:
    x = Tensor(np.zeros((2, 4)))
    np.testing.assert_allclose(F.cross_entropy(x, [0, 3]).data, np.log(4))
    np.testing.assert_allclose(F.cross_entropy(x, [0, 3], [1, 2, 3, 4], reduction="sum").data, 5 * np.log(4))


def test_ignored_samples_have_no_part() -> None:
    """Not even where their logits are not finite in the forward pass."""
    x = Tensor(np.array([[0.0, 1], [-np.inf, 1], [2, 0]]), requires_grad=True)
    loss = F.cross_entropy(x, [1, -100, 0])
    assert loss.item() == F.cross_entropy(x.data[::2], [1, 0]).item()
    loss.backward()
    np.testing.assert_array_equal(x.grad.data[1], 0)
    assert np.isfinite(x.grad.data).all()
    F.cross_entropy(x, [5, 5, 0], ignore_index=5)


def test_the_mean_of_no_labels_is_nan() -> None:
    x = Tensor(np.ones((2, 4), np.float32), requires_grad=True)
    for target in ([-100, -100], np.zeros(0, int)):
        rows = x[: len(target)]
        assert F.cross_entropy(rows, target, reduction="sum").item() == 0
        np.testing.assert_array_equal(F.cross_entropy(rows, target, reduction="none").data, np.zeros(len(target)))
        with pytest.warns(RuntimeWarning, match="invalid value"):
            assert np.isnan(F.cross_entropy(rows, target).item())
    empty = Tensor(np.zeros((0, 4)), requires_grad=True)
    F.cross_entropy(empty, np.zeros((0, 4)), reduction="sum").backward()
    assert empty.grad.shape == (0, 4)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", SHAPES[:3])
@pytest.mark.parametrize("options", [{}, {"weight": WEIGHT}, {"label_smoothing": 0.1}], ids=str)
def test_other_arrays_pass_through(shape: Any, options: Any, reduction: Any) -> None:
    logits, labels, p = batch(shape)

    def step(kind: Any, target: Any) -> list[Any]:
        x = Tensor(kind(logits.astype(np.float32)), requires_grad=True)
        loss = F.cross_entropy(x, target, reduction=reduction, **options)
        loss.backward(kind(np.ones(loss.shape, np.float32)))
        assert type(x.grad.data) is kind or kind is np.asarray
        return [unwrap(loss.data), unwrap(x.grad.data)]

    for target in (labels, p):
        expected = step(np.asarray, target)
        for ours, theirs in zip(step(DuckArray, target), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        for ours, theirs in zip(step(DuckArray, DuckArray(target)), expected, strict=True):
            assert ours.dtype == np.float32
            np.testing.assert_allclose(ours, theirs, rtol=3e-6, atol=3e-7)
    a = Tensor(DuckArray(p), requires_grad=True)
    F.nll_from_probabilities(a, DuckArray(labels), reduction="sum").backward(DuckArray(np.float64(1)))
    np.testing.assert_allclose(
        unwrap(a.grad.data), ac.grad(lambda a: F.nll_from_probabilities(a, labels, None, "sum"))(p)
    )


def test_modules_hold_their_weights_as_pytorch_does() -> None:
    loss = nn.CrossEntropyLoss(WEIGHT, ignore_index=2, label_smoothing=0.1)
    assert list(loss.state_dict()) == ["weight"]
    assert repr(loss) == "CrossEntropyLoss(reduction='mean', weight=(4,), ignore_index=2, label_smoothing=0.1)"
    assert repr(nn.CrossEntropyLoss()) == "CrossEntropyLoss(reduction='mean')"
    assert repr(nn.NLLLoss([1, 2], ignore_index=0)) == "NLLLoss(reduction='mean', weight=(2,), ignore_index=0)"
    assert not nn.NLLLoss().state_dict()
    x, labels, _ = batch((5, 4))
    loss.load_state_dict({"weight": np.ones(4)})
    plain = nn.CrossEntropyLoss(ignore_index=2, label_smoothing=0.1)
    np.testing.assert_allclose(loss(Tensor(x), labels).data, plain(Tensor(x), labels).data)


LOGITS = np.zeros((3, 4), np.float32)


@pytest.mark.parametrize(
    ("error", "message", "action"),
    [
        (ArgumentError, r"cross_entropy: class indices must be in \[0, 4\) for an input of shape \(3, 4\), got label 4 "
         r"at position 1 \(2 of 3 are outside\); count classes from 0",
         lambda: F.cross_entropy(LOGITS, np.array([0, 4, 7]))),
        (ArgumentError, "got label 4 at position 0", lambda: F.cross_entropy(LOGITS, np.array([4, 3, 0]))),
        (ArgumentError, "got label -1 at position 2", lambda: F.cross_entropy(LOGITS, np.array([0, 3, -1], np.int8))),
        (ArgumentError, "got label 200 at position 0",
         lambda: F.cross_entropy(LOGITS, np.array([200, 0, 1], np.uint8))),
        (ArgumentError, r"got label 9 at position 1 \(1 of 3",
         lambda: F.cross_entropy(LOGITS, np.array([-100, 9, -100]))),
        (ArgumentError, r"got label -100 at position 0 \(1 of 3",
         lambda: F.cross_entropy(LOGITS, np.array([-100, 1, 2]), ignore_index=2)),
        (ArgumentError, r"got label 5 at position \(1, 2\) \(1 of 6",
         lambda: F.nll_loss(np.zeros((2, 4, 3)), np.array([[0, 1, 2], [3, 0, 5]]))),
        (ArgumentError, r"nll_from_probabilities: .* got label -100 at position 0",
         lambda: F.nll_from_probabilities(LOGITS, np.array([-100, 1, 2]))),
        (ArgumentError, r"nll_from_probabilities: every probability must be in \[0, 1\], got probability 2.0 at "
         r"position \(0, 0\) \(12 of 12 are outside\); pass logits through softmax",
         lambda: F.nll_from_probabilities(LOGITS + 2, np.array([0, 1, 2]))),
        (DTypeError, r"class indices must be integers, got labels of dtype float64 and shape \(3,\); convert",
         lambda: F.cross_entropy(LOGITS, np.zeros(3))),
        (DTypeError, "got labels of dtype bool", lambda: F.cross_entropy(LOGITS, np.zeros(3, bool))),
        (ShapeError, r"class indices of shape \(3,\) or one-hot rows or probabilities of shape \(3, 4\), got int64 "
         r"labels of shape \(4,\)", lambda: F.cross_entropy(LOGITS, np.zeros(4, int))),
        (ShapeError, "got float64 labels of shape", lambda: F.cross_entropy(LOGITS, np.zeros((3, 5)))),
        (ShapeError, r"nll_loss: .* class indices of shape \(3,\), got float64 labels of shape \(3, 4\); reshape "
         r"them\. in",
         lambda: F.nll_loss(LOGITS, np.zeros((3, 4)))),
        (ShapeError, "cross_entropy: the input must have a class axis, got a 0-d input",
         lambda: F.cross_entropy(Tensor(0.0), 0)),
        (ShapeError, r"weight must be one number per class, of shape \(4,\), got float64 of shape \(3,\)",
         lambda: F.cross_entropy(LOGITS, [0, 1, 2], np.ones(3))),
        (ShapeError, r"weight must be one number per class, .* got <U3 of shape \(\); .* the reduction by its name",
         lambda: F.cross_entropy(LOGITS, [0, 1, 2], "sum")),
        (ArgumentError, "cross_entropy: reduction must be .* got 'avg'",
         lambda: F.cross_entropy(LOGITS, [0, 1, 2], reduction="avg")),
        (ArgumentError, "cross_entropy: reduction must be .* got 'avg'",
         lambda: F.cross_entropy(LOGITS, [0, 1, 2], WEIGHT, reduction="avg")),
        (ArgumentError, r"cross_entropy: label_smoothing must be a number in \[0, 1\], got 1.5; e.g. label",
         lambda: F.cross_entropy(LOGITS, [0, 1, 2], label_smoothing=1.5)),
        (ArgumentError, "cross_entropy: ignore_index must be an integer, got 1.0",
         lambda: F.cross_entropy(LOGITS, [0, 1, 2], ignore_index=1.0)),
        (ArgumentError, "nll_loss: ignore_index must be an integer, got None",
         lambda: F.nll_loss(LOGITS, [0, 1, 2], ignore_index=None)),
        (ArgumentError, "cross_entropy: ignore_index is for class indices, got 1 with probabilities as targets; give",
         lambda: F.cross_entropy(LOGITS, LOGITS, ignore_index=1)),
        (ArgumentError, "CrossEntropyLoss: reduction must be .* got None",
         lambda: nn.CrossEntropyLoss(reduction=None)),
        (ArgumentError, "CrossEntropyLoss: weight must be numbers, one per class, got <U3 of shape",
         lambda: nn.CrossEntropyLoss("sum")),
        (ArgumentError, "CrossEntropyLoss: label_smoothing must be", lambda: nn.CrossEntropyLoss(label_smoothing=-0.1)),
        (ArgumentError, "NLLLoss: ignore_index must be an integer, got 'a'", lambda: nn.NLLLoss(ignore_index="a")),
        (ArgumentError, r"NLLLoss: weight must be numbers, one per class, got float64 of shape \(1, 2\)",
         lambda: nn.NLLLoss(np.ones((1, 2)))),
    ],
)  # fmt: skip
def test_errors(error: type[Exception], message: str, action: Any) -> None:
    with pytest.raises(error, match=message) as caught:
        action()
    assert "called at test_nn_cross_entropy.py:" in str(caught.value)


def test_errors_name_the_module() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            self.loss = nn.CrossEntropyLoss()

        def forward(self, x: Any, y: Any) -> Any:
            return self.loss(x, y)

    with pytest.raises(ArgumentError, match=r"in: cross_entropy \(module loss\), called at"):
        Model()(Tensor(LOGITS), np.array([0, 0, 9]))


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
    for a, b in zip(state, state_again, strict=True):
        np.testing.assert_array_equal(a, b)
