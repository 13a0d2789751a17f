"""Cross-entropy of two classes at the ends of its domain: extreme and infinite logits, probabilities of 0 and 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_core as ac
import nn.functional as F
from autograd_core import Tensor

DTYPES = [np.float32, np.float64]
RNG = np.random.default_rng(0)
SHAPE = (4, 3)
REAL, OTHER = RNG.normal(size=SHAPE) * 2, RNG.normal(size=SHAPE)
UNIT, SOFT = RNG.uniform(0.05, 0.95, SHAPE), RNG.uniform(0.05, 0.95, SHAPE)
HARD = (RNG.uniform(size=SHAPE) > 0.5).astype(np.int64)


@pytest.mark.parametrize("dtype", DTYPES)
def test_logits_are_stable_at_extremes(dtype: Any) -> None:
    x = Tensor(np.array([1e4, -1e4, 1e4, -1e4, 0], dtype), requires_grad=True)
    for y in (np.array([1, 0, 0, 1, 0]), np.array([1.0, 0, 0, 1, 0.5])):
        x.zero_grad()
        loss = F.binary_cross_entropy_with_logits(x, y, reduction="none")
        np.testing.assert_array_equal(loss.data, np.array([0, 0, 1e4, 1e4, np.log(2)], dtype))
        loss.sum().backward()
        np.testing.assert_array_equal(x.grad.data, [0, 0, 1, -1, 0.5 - y[-1]])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("weight", [None, 2.0, 0.0])
def test_infinite_logits(dtype: Any, soft: bool, weight: float | None) -> None:
    """Right ones cost nothing, others everything (a positive label that weighs nothing costs nothing, too)."""
    logits, labels = [np.inf, np.inf, -np.inf, -np.inf, 0.5], [1.0, 0, 0, 1, 1]
    values, slopes = [0, np.inf, 0, np.inf, np.log1p(np.exp(-0.5))], [0, 1, 0, -1, -1 / (1 + np.exp(0.5))]
    if soft:
        logits, labels = [*logits, np.inf, -np.inf], [*labels, 0.25, 0.25]
        values, slopes = [*values, np.inf, np.inf], [*slopes, 0.75, -0.25]
    if weight is not None:
        one = np.array(labels) == 1
        some = (np.array(labels) > 0) & (np.array(logits) < 0)
        values = np.where(one | some, np.where(weight == 0, 0, np.array(values) * max(weight, 1)), values)
        slopes = np.where(one | some, np.array(slopes) * weight, slopes)
    y, w = np.array(labels, dtype), None if weight is None else np.full(len(labels), weight)

    def loss(a: Any, b: Any) -> Any:
        return F.binary_cross_entropy_with_logits(a, b, reduction="none", pos_weight=w)

    for function in (loss, ac.compile(loss), ac.compile(loss, backend="numba")):
        x = Tensor(np.array(logits, dtype), requires_grad=True)
        out = function(x, y)
        np.testing.assert_allclose(out.data, values, rtol=1e-6)
        out.backward(np.ones(len(labels), dtype))
        np.testing.assert_allclose(x.grad.data, slopes, rtol=1e-6)
        assert out.dtype == x.grad.dtype == dtype
    nan = F.binary_cross_entropy_with_logits(np.array([np.nan], dtype), np.array([0.5]))
    assert np.isnan(nan)


def test_gradients_of_labels_at_infinite_logits() -> None:
    y = Tensor([1.0, 0.0, 0.5], requires_grad=True)
    F.binary_cross_entropy_with_logits(np.array([np.inf, -np.inf, 3]), y, reduction="sum").backward()
    np.testing.assert_allclose(y.grad.data, [-np.inf, np.inf, -3])


def test_labels_of_0_and_1_may_be_learnt_too() -> None:
    y = Tensor(HARD.astype(float), requires_grad=True)
    F.binary_cross_entropy_with_logits(REAL, y, reduction="sum").backward()
    np.testing.assert_allclose(y.grad.data, -REAL)


def test_small_losses_keep_their_digits() -> None:
    x = np.array([30.0, -30.0], np.float32)
    loss = F.binary_cross_entropy_with_logits(x, np.array([1, 0]), reduction="none")
    np.testing.assert_allclose(loss, np.exp(-30.0), rtol=1e-6)
    p = np.array([1e-10, 1e-30])
    np.testing.assert_allclose(F.binary_cross_entropy(p, np.zeros(2), reduction="none"), p, rtol=1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
def test_probabilities_of_0_and_1(dtype: Any) -> None:
    """PyTorch's values and gradients."""
    p = Tensor(np.array([0, 0, 1, 1, 0, 0.5], dtype), requires_grad=True)
    y = Tensor(np.array([0, 1, 0, 1, 0.25, 0.25], dtype), requires_grad=True)
    loss = F.binary_cross_entropy(p, y, reduction="none")
    np.testing.assert_allclose(loss.data, [0, 100, 100, 0, 25, np.log(2)], rtol=1e-6)
    loss.sum().backward()
    np.testing.assert_allclose(p.grad.data, [0, -1e12, 1e12, 0, -0.25e12, 1], rtol=1e-6)
    np.testing.assert_allclose(y.grad.data, [100, 100, -100, -100, 100, 0], atol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_next_to_0_and_1_go_on_smoothly(dtype: Any) -> None:
    near = np.array([2e-12, 0.5e-12, 1e-20, 1e-36], dtype)
    p = Tensor(near, requires_grad=True)
    loss = F.binary_cross_entropy(p, np.ones(4), reduction="none")
    np.testing.assert_allclose(loss.data, -np.log(near), rtol=1e-6)
    loss.sum().backward()
    np.testing.assert_allclose(p.grad.data, [-0.5e12, -1e12, -1e12, -1e12], rtol=1e-6)


def test_derivatives_beside_probabilities_of_0_and_1() -> None:
    """Those of the elements between, in the form that takes care of the ends."""
    ends, labels = np.array([[0.0, 1, 1]]), np.array([[0.0, 1, 0]])

    def beside(p: Any) -> Any:
        return F.binary_cross_entropy(np.concatenate([p, ends]), np.concatenate([SOFT, labels]), reduction="sum")

    def alone(p: Any) -> Any:
        return F.binary_cross_entropy(p, SOFT, reduction="sum")

    np.testing.assert_allclose(ac.grad(beside)(UNIT), ac.grad(alone)(UNIT), rtol=1e-14)
    np.testing.assert_allclose(*(ac.hvp(f, [UNIT], [OTHER])[0] for f in (beside, alone)), rtol=1e-14)
