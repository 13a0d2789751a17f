"""Losses between numbers and of binary labels: values and gradients from one table, documents' formulas, messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import autograd_core as ac
import nn
import nn.functional as F
from autograd_core import Tensor
from duck import DuckArray, unwrap

DTYPES = [np.float32, np.float64]
REDUCTIONS = ["mean", "sum", "none"]
RNG = np.random.default_rng(0)
SHAPE = (4, 3)
REAL, OTHER = RNG.normal(size=SHAPE) * 2, RNG.normal(size=SHAPE)
UNIT, SOFT = RNG.uniform(0.05, 0.95, SHAPE), RNG.uniform(0.05, 0.95, SHAPE)
HARD = (RNG.uniform(size=SHAPE) > 0.5).astype(np.int64)
SIGNS = 2 * HARD - 1
WEIGHT = np.array([0.5, 1.0, 2.0])


class Case(NamedTuple):
    make: Callable[..., Any]  # of the reduction
    plain: Callable[..., Any]  # each element's loss, in literal NumPy
    input: Any
    target: Any
    order: int = 2  # of the derivatives that are not zero almost everywhere
    learnt: bool = True  # the target may need a gradient


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def nll(a: Any, y: Any) -> Any:
    return -(y * np.log(a) + (1 - y) * np.log(1 - a))


def from_logits(x: Any, y: Any) -> Any:
    return nll(sigmoid(x), y)


def huber(e: Any, d: float) -> Any:
    return np.where(np.abs(e) <= d, 0.5 * e * e, d * (np.abs(e) - 0.5 * d))


CASES = {
    "mse": Case(nn.MSELoss, lambda a, y: (a - y) ** 2, REAL, OTHER),
    "half squared": Case(nn.HalfSquaredLoss, lambda a, y: 0.5 * (y - a) ** 2, REAL, OTHER),
    "l1": Case(nn.L1Loss, lambda a, y: np.abs(a - y), REAL, OTHER, 1),
    "smooth l1": Case(nn.SmoothL1Loss, lambda a, y: huber(a - y, 1), REAL, OTHER),
    "smooth l1, beta": Case(
        lambda r: nn.SmoothL1Loss(r, beta=0.5), lambda a, y: huber(a - y, 0.5) / 0.5, REAL, OTHER),
    "smooth l1, 0": Case(lambda r: nn.SmoothL1Loss(r, 0), lambda a, y: np.abs(a - y), REAL, OTHER, 1),
    "huber": Case(nn.HuberLoss, lambda a, y: huber(a - y, 1), REAL, OTHER),
    "huber, delta": Case(lambda r: nn.HuberLoss(r, delta=2.5), lambda a, y: huber(a - y, 2.5), REAL, OTHER),
    "kl": Case(nn.KLDivLoss, lambda a, p: p * (np.log(p) - a), REAL, SOFT),
    "kl, log target": Case(
        lambda r: nn.KLDivLoss(r, log_target=True), lambda a, t: np.exp(t) * (t - a), REAL, OTHER),
    "bce": Case(lambda r: nn.BCELoss(reduction=r), nll, UNIT, SOFT),
    "bce, hard": Case(lambda r: nn.BCELoss(reduction=r), nll, UNIT, HARD, 2, False),
    "bce, weight": Case(lambda r: nn.BCELoss(WEIGHT, r), lambda a, y: WEIGHT * nll(a, y), UNIT, SOFT),
    "logits": Case(lambda r: nn.BCEWithLogitsLoss(reduction=r), from_logits, REAL, SOFT),
    "logits, hard": Case(lambda r: nn.BCEWithLogitsLoss(reduction=r), from_logits, REAL, HARD, 2, False),
    "logits, bool": Case(lambda r: nn.BCEWithLogitsLoss(reduction=r), from_logits, REAL, HARD > 0, 2, False),
    "logits, weight": Case(
        lambda r: nn.BCEWithLogitsLoss(WEIGHT, r), lambda x, y: WEIGHT * from_logits(x, y), REAL, SOFT),
    "logits, pos_weight": Case(
        lambda r: nn.BCEWithLogitsLoss(reduction=r, pos_weight=WEIGHT),
        lambda x, y: -(WEIGHT * y * np.log(sigmoid(x)) + (1 - y) * np.log(sigmoid(-x))), REAL, SOFT),
    "logits, pos_weight, hard": Case(
        lambda r: nn.BCEWithLogitsLoss(reduction=r, pos_weight=WEIGHT),
        lambda x, y: -(WEIGHT * y * np.log(sigmoid(x)) + (1 - y) * np.log(sigmoid(-x))), REAL, HARD, 2, False),
    "hinge": Case(nn.HingeLoss, lambda s, y: np.maximum(0, 1 - y * s), REAL, SIGNS, 1, False),
    "perceptron": Case(nn.PerceptronLoss, lambda s, y: np.maximum(0, -y * s), REAL, SIGNS, 1, False),
}  # fmt: skip
EVERY = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def reduced(values: Any, reduction: str) -> Any:
    return {"mean": np.mean, "sum": np.sum, "none": np.asarray}[reduction](values)


@EVERY
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_value_and_dtype(case: Case, reduction: str, dtype: Any) -> None:
    expected = reduced(case.plain(case.input, case.target), reduction)
    x = Tensor(case.input.astype(dtype), requires_grad=True)
    loss = case.make(reduction)(x, case.target)  # a float64 or integer target must not widen it
    assert loss.dtype == dtype
    assert loss.shape == expected.shape
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(loss.data, expected, rtol=30 * eps, atol=30 * eps)
    loss.backward(np.ones(loss.shape, dtype))
    assert x.grad.dtype == dtype
    np.testing.assert_array_equal(case.make(reduction)(case.input.astype(dtype), Tensor(case.target)).data, loss.data)


@EVERY
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_gradients(case: Case, reduction: str) -> None:
    loss = case.make(reduction)
    if case.learnt:
        ac.check_grads(loss, [case.input[:2], case.target[:2]], order=1)
    else:
        ac.check_grads(lambda x: loss(x, case.target[:2]), [case.input[:2]], order=1)


@pytest.mark.parametrize("name", [n for n, case in CASES.items() if case.order == 2 and not n.startswith("kl")])
def test_second_derivatives(name: str) -> None:
    case = CASES[name]
    loss = case.make("sum")
    ac.check_grads(lambda x: loss(x, case.target[:2]), [case.input[:2]], order=2)


@pytest.mark.parametrize(
    ("loss", "a", "y", "derivative"),
    [
        (F.mse_loss, REAL, OTHER, 2 * (REAL - OTHER)),  # S004-6.40
        (F.l1_loss, REAL, OTHER, np.sign(REAL - OTHER)),  # S004-6.41 to 6.43
        (F.binary_cross_entropy, UNIT, HARD, -(HARD / UNIT - (1 - HARD) / (1 - UNIT))),  # S004-6.44
        (F.binary_cross_entropy_with_logits, REAL, HARD, sigmoid(REAL) - HARD),  # S004-6.6, up to the input
        (F.half_squared_loss, REAL, OTHER, REAL - OTHER),  # S003, Adaline
        (F.perceptron_loss, REAL, SIGNS, -SIGNS * (SIGNS * REAL < 0)),  # S003, the perceptron
        (F.hinge_loss, REAL, SIGNS, -SIGNS * (SIGNS * REAL < 1)),
        (F.huber_loss, REAL, OTHER, np.clip(REAL - OTHER, -1, 1)),
        (F.nll_from_probabilities, UNIT, np.eye(3)[[0, 2, 1, 1]], -np.eye(3)[[0, 2, 1, 1]] / UNIT),  # S004, NLLM
    ],
)
def test_the_documents_derivatives(loss: Any, a: Any, y: Any, derivative: Any) -> None:
    gradient = ac.grad(lambda t: loss(t, y, reduction="sum"))(a)
    np.testing.assert_allclose(gradient, derivative, rtol=1e-12, atol=1e-14)


def test_kinks_have_the_stated_subgradients() -> None:
    for loss, x, y in (
        (F.l1_loss, 0.5, 0.5), (F.hinge_loss, 1.0, 1), (F.hinge_loss, -1.0, -1), (F.perceptron_loss, 0.0, 1),
    ):  # fmt: skip
        t = Tensor(np.array([x, x - 2 * (y or 1)]), requires_grad=True)
        loss(t, np.array([y, y]), "sum").backward()
        assert t.grad.data[0] == 0
        assert t.grad.data[1] != 0
    t = Tensor(np.array([1.0, -1.0]), requires_grad=True)
    F.huber_loss(t, np.zeros(2), "sum").backward()
    np.testing.assert_array_equal(t.grad.data, [1, -1])


def test_batchmean_is_the_divergence_of_each_sample() -> None:
    p, q = (v / v.sum(1, keepdims=True) for v in (SOFT, UNIT))
    expected = np.mean([np.sum(a * np.log(a / b)) for a, b in zip(p, q, strict=True)])
    loss = nn.KLDivLoss("batchmean")
    np.testing.assert_allclose(loss(Tensor(np.log(q)), p).data, expected, rtol=1e-13)
    np.testing.assert_allclose(
        nn.KLDivLoss("batchmean", log_target=True)(np.log(q), np.log(p)).data, expected, rtol=1e-13)  # fmt: skip
    assert F.kl_div(Tensor(np.float32(-0.5)), 1.0, "batchmean").item() == 0.5


def test_kl_div_of_impossible_outcomes() -> None:
    q, p = Tensor(np.log([0.5, 0.5]), requires_grad=True), Tensor([0.0, 1.0], requires_grad=True)
    loss = F.kl_div(q, p, "none")
    np.testing.assert_allclose(loss.data, [0, np.log(2)])
    loss.sum().backward()
    np.testing.assert_array_equal(q.grad.data, [0, -1])
    assert np.isfinite(p.grad.data).all()


def test_weights_may_be_learnt() -> None:
    ac.check_grads(lambda w: F.binary_cross_entropy(Tensor(UNIT), SOFT, w), [WEIGHT], order=1)
    for y in (SOFT, HARD):
        loss = lambda w, v, y=y: F.binary_cross_entropy_with_logits(Tensor(REAL), y, w, "mean", v)  # noqa: E731
        ac.check_grads(loss, [WEIGHT, WEIGHT[::-1].copy()], order=1)


@pytest.mark.parametrize("name", [n for n in CASES if "weight" not in n])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_other_arrays_pass_through(name: str, reduction: str) -> None:
    """Bit by bit as on NumPy's, with the target of either kind."""
    case = CASES[name]

    def step(kind: Any, target: Any) -> tuple[Any, Any]:
        x = Tensor(kind(case.input.astype(np.float32)), requires_grad=True)
        loss = case.make(reduction)(x, target)
        loss.backward(kind(np.ones(loss.shape, np.float32)))
        assert type(loss.data) is kind or kind is np.asarray
        assert type(x.grad.data) is kind or kind is np.asarray
        return unwrap(loss.data), unwrap(x.grad.data)

    arrays = step(np.asarray, case.target)
    for ours, expected in zip(step(DuckArray, case.target), arrays, strict=True):
        np.testing.assert_array_equal(ours, expected)
    for ours, expected in zip(step(DuckArray, DuckArray(case.target)), arrays, strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, expected, rtol=3e-6, atol=3e-7)


@EVERY
def test_empty_batches(case: Case) -> None:
    x, y = Tensor(np.zeros((0, 3), np.float32), requires_grad=True), np.asarray(case.target)[:0]
    assert case.make("none")(x, y).shape == (0, 3)
    total = case.make("sum")(x, y)
    assert total.data == 0
    total.backward()
    assert x.grad.shape == (0, 3)
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert np.isnan(case.make("mean")(x, y).data)


@pytest.mark.parametrize(
    ("penalty", "plain", "gradient"),
    [
        (F.l2_penalty, lambda w: np.sum(w * w), lambda w: 2 * w),  # S004-6.59 to 6.61
        (F.l1_penalty, lambda w: np.sum(np.abs(w)), np.sign),
    ],
)
def test_penalties(penalty: Any, plain: Any, gradient: Any) -> None:
    weights = [Tensor(a.astype(np.float32), requires_grad=True) for a in (REAL, OTHER, WEIGHT)]
    loss = penalty(iter(weights), 0.1)
    assert loss.dtype == np.float32
    np.testing.assert_allclose(loss.data, 0.1 * sum(plain(w.data) for w in weights), rtol=1e-6)
    loss.backward()
    for w in weights:
        np.testing.assert_allclose(w.grad.data, 0.1 * gradient(w.data), rtol=1e-6)
    np.testing.assert_allclose(penalty(REAL, 2), 2 * plain(REAL))


def test_weights_are_buffers_under_pytorchs_names() -> None:
    loss = nn.BCEWithLogitsLoss(weight=[1, 2, 3], pos_weight=WEIGHT)
    state = loss.state_dict()
    assert list(state) == ["weight", "pos_weight"]
    assert state["weight"].dtype == np.float32
    assert not list(loss.parameters())
    assert not nn.BCELoss().state_dict()
    loss.load_state_dict({"weight": np.ones(3), "pos_weight": np.zeros(3)})
    np.testing.assert_array_equal(loss.pos_weight.data, 0)


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        (nn.MSELoss(), "MSELoss(reduction='mean')"),
        (nn.L1Loss("sum"), "L1Loss(reduction='sum')"),
        (nn.HalfSquaredLoss(), "HalfSquaredLoss(reduction='mean')"),
        (nn.SmoothL1Loss(beta=0.5), "SmoothL1Loss(reduction='mean', beta=0.5)"),
        (nn.HuberLoss(delta=2), "HuberLoss(reduction='mean', delta=2)"),
        (nn.KLDivLoss("batchmean", log_target=True), "KLDivLoss(reduction='batchmean', log_target=True)"),
        (nn.BCELoss(WEIGHT), "BCELoss(reduction='mean', weight=(3,))"),
        (nn.BCEWithLogitsLoss(pos_weight=WEIGHT), "BCEWithLogitsLoss(reduction='mean', pos_weight=(3,))"),
        (nn.HingeLoss("none"), "HingeLoss(reduction='none')"),
        (nn.PerceptronLoss(), "PerceptronLoss(reduction='mean')"),
    ],
)
def test_repr(loss: Any, text: str) -> None:
    assert repr(loss) == text


X = np.zeros(SHAPE, np.float32)
BAD_UNIT = np.array([[0.5, 1, 0], [0, np.nan, 2]])
ArgumentError, DTypeError, ShapeError = ac.errors.ArgumentError, ac.errors.DTypeError, ac.errors.ShapeError


@pytest.mark.parametrize(
    ("error", "message", "action"),
    [
        (ShapeError, r"mse_loss: the target must have the input's shape \(4, 3\), got \(3,\); reshape",
         lambda: F.mse_loss(X, np.zeros(3))),
        (ShapeError, r"hinge_loss: the target must have the input's shape \(4, 3\), got \(4,\)",
         lambda: F.hinge_loss(X, np.ones(4))),
        (DTypeError, "l1_loss: the input must be floating, got dtype int64; convert with .astype",
         lambda: F.l1_loss(np.zeros(3, int), np.zeros(3))),
        (DTypeError, "huber_loss: the target must be real numbers, got dtype <U1; convert",
         lambda: F.huber_loss(X[0], np.array(["a", "b", "c"]))),
        (DTypeError, "mse_loss: the target must be real numbers, got dtype complex64",
         lambda: F.mse_loss(X, X + 1j)),
        (ArgumentError, "mse_loss: reduction must be 'mean', 'sum' or 'none', got 'avg'; 'mean' is the default",
         lambda: F.mse_loss(X, X, "avg")),
        (ArgumentError, "smooth_l1_loss: beta must be a finite number >= 0, got -1; e.g. beta=1.0",
         lambda: F.smooth_l1_loss(X, X, beta=-1)),
        (ArgumentError, "SmoothL1Loss: beta must be a finite number >= 0, got None",
         lambda: nn.SmoothL1Loss(beta=None)),
        (ArgumentError, "huber_loss: delta must be a finite positive number, got 0",
         lambda: F.huber_loss(X, X, delta=0)),
        (ArgumentError, "HuberLoss: delta must be a finite positive number, got inf",
         lambda: nn.HuberLoss(delta=np.inf)),
        (ArgumentError, r"kl_div: probabilities must be at least 0, got target -0.5 at position \(0, 1\) \(1 of 12 "
         r"are outside\); .* log_target=True",
         lambda: F.kl_div(X, np.array([[0.5, -0.5, 1]] + [[0, 0, 0]] * 3))),
        (ArgumentError, "KLDivLoss: reduction must be .* got 'max'", lambda: nn.KLDivLoss("max")),
        (ArgumentError, r"binary_cross_entropy: every label must be in \[0, 1\], got label nan at position \(1, 1\) "
         r"\(2 of 6 are outside\); map labels in \{-1, 1\} with \(y \+ 1\) / 2",
         lambda: F.binary_cross_entropy(np.full((2, 3), 0.5), BAD_UNIT)),
        (ArgumentError, r"binary_cross_entropy: every probability must be in \[0, 1\], got probability nan at "
         r"position \(1, 1\) .* pass logits through a sigmoid", lambda: F.binary_cross_entropy(BAD_UNIT, X[:2])),
        (ArgumentError, r"binary_cross_entropy_with_logits: every label must be in \[0, 1\], got label -1.0 at "
         r"position 1 \(1 of 2 are",
         lambda: F.binary_cross_entropy_with_logits(np.zeros(2), np.array([1, -1]))),
        (ShapeError, r"binary_cross_entropy: weight must be numbers that broadcast to the input's shape \(4, 3\), got "
         r"float64 of shape \(4,\); reshape it, e.g. to \(N, 1\)",
         lambda: F.binary_cross_entropy(X + 0.5, X, np.ones(4))),
        (ShapeError, r"with_logits: pos_weight must be numbers that broadcast to the input's shape \(3,\), got "
         r"float64 of shape \(1, 3\)",
         lambda: F.binary_cross_entropy_with_logits(X[0], X[0], pos_weight=np.ones((1, 3)))),
        (ShapeError, r"binary_cross_entropy: weight must be numbers .* got <U3 of shape \(\)",
         lambda: F.binary_cross_entropy(X + 0.5, X, "sum")),
        (ArgumentError, "BCELoss: weight must be numbers, got <U3 of shape .* the reduction by its name",
         lambda: nn.BCELoss("sum")),
        (ArgumentError, r"hinge_loss: labels must be -1 or 1, got label 0.0 at position 0 \(2 of 3 are "
         r"outside\); map labels in \{0, 1\} with 2 \* y - 1", lambda: F.hinge_loss(X[0], np.array([0, 1, 0]))),
        (ArgumentError, "perceptron_loss: labels must be -1 or 1, got label 2.0 at position 2 .*; map the two classes",
         lambda: F.perceptron_loss(X[0], [1, -1, 2])),
        (ArgumentError, "l2_penalty: parameters must be at least one Tensor, got none; an iterator",
         lambda: F.l2_penalty(iter(()), 0.1)),
        (ArgumentError, "l1_penalty: lam must be a number >= 0, got -1; e.g. l1_penalty",
         lambda: F.l1_penalty([X], -1)),
    ],
)  # fmt: skip
def test_errors(error: type[Exception], message: str, action: Any) -> None:
    with pytest.raises(error, match=message) as caught:
        action()
    assert "called at test_nn_losses.py:" in str(caught.value)
