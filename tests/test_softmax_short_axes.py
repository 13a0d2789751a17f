"""Softmax and its logarithm over a short last axis, whose maximum is taken another way than NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_core.ops.activations import _largest, _total, log_softmax, softmax


@pytest.mark.parametrize("shape", [(1,), (7,), (5, 3), (2, 3, 10), (4, 32), (4, 33), (0, 3)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_largest_and_the_sum_are_numpys(shape: tuple[int, ...], dtype: type) -> None:
    rng = np.random.default_rng(0)
    for a in (rng.standard_normal(shape), np.full(shape, -np.inf), np.where(rng.random(shape) < 0.3, np.nan, 1.0)):
        a = a.astype(dtype)
        for b in (a, np.asfortranarray(a), a[..., ::-1]):
            expected = np.max(b, axis=-1, keepdims=True)
            got = _largest(b, -1)
            assert got.dtype == dtype and got.shape == expected.shape
            np.testing.assert_array_equal(got, expected)
            if np.isfinite(b).all():
                total = _total(b, -1)
                assert total.dtype == dtype
                np.testing.assert_allclose(total, np.sum(b, axis=-1, keepdims=True), 64 * np.finfo(dtype).eps, 0.02)


@pytest.mark.parametrize("classes", [1, 2, 10])
def test_log_softmax_of_few_classes(classes: int) -> None:
    a = np.random.default_rng(1).standard_normal((64, classes))
    powers = np.exp(a)
    np.testing.assert_allclose(softmax(a), powers / powers.sum(-1, keepdims=True), rtol=1e-14)
    np.testing.assert_allclose(np.exp(log_softmax(a)), softmax(a), rtol=1e-14)


def test_an_axis_without_elements_gives_no_warning() -> None:
    assert log_softmax(np.zeros((3, 0))).shape == (3, 0)
