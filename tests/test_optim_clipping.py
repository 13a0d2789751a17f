"""Clipping of gradients against literal NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor
from autograd_core.errors import ArgumentError, NonFiniteError
from duck import DuckArray
from optim import clip_grad_norm_, clip_grad_value_
from optim_cases import parameter, strided

SHAPES = [(70, 900), (3,), (), (0, 4)]
KINDS = {"C": np.array, "F": np.asfortranarray, "strided": lambda a: strided(a) if a.ndim else a}


def with_grad(array):
    p = parameter(np.zeros_like(array), array.dtype)
    p.grad = Tensor(array)
    return p


def literal(arrays, p):
    flat = np.abs(np.concatenate([np.ravel(a) for a in arrays]).astype(np.float64))
    return flat.max() if p == np.inf else (flat**p).sum() ** (1 / p)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("p", [1, 2.0, 3.5, np.inf])
@pytest.mark.parametrize("layout", KINDS)
def test_norm(dtype, p, layout):
    rng = np.random.default_rng(0)
    arrays = [KINDS[layout](rng.normal(size=shape).astype(dtype)) for shape in SHAPES]
    before = [a.copy() for a in arrays]
    params = [*map(with_grad, arrays), parameter(np.ones(2))]  # the last has no gradient
    expected = literal(before, p)
    tolerance = 1e-12 if dtype == "float64" else 1e-6
    norm = clip_grad_norm_(params, max_norm=0.5, norm_type=p)
    assert norm.shape == ()
    np.testing.assert_allclose(norm.item(), expected, rtol=tolerance)
    for q, a, old in zip(params, arrays, before, strict=False):
        assert q.grad.data is a  # in place
        assert a.dtype == dtype
        np.testing.assert_allclose(a, old * (0.5 / (expected + 1e-6)), rtol=tolerance)
    assert params[-1].grad is None


@pytest.mark.parametrize("max_norm", [5.1, np.inf])
def test_small_gradients_stay_bit_for_bit(max_norm):
    p = with_grad(np.array([3.0, 4.0]))
    assert clip_grad_norm_(p, max_norm).item() == 5.0
    np.testing.assert_array_equal(p.grad.data, [3.0, 4.0])


@pytest.mark.parametrize(
    ("dtype", "scale"), [("float32", 1e30), ("float32", 1e-30), ("float64", 1e200), ("float64", 1e-200)]
)
def test_squares_that_overflow_or_vanish(dtype, scale):
    p = with_grad(np.array([3 * scale, 4 * scale], dtype))
    with np.errstate(all="raise"):
        norm = clip_grad_norm_([p], 1.0)
    np.testing.assert_allclose(norm.item(), 5 * scale, rtol=1e-6)
    if scale > 1:
        np.testing.assert_allclose(p.grad.data, [0.6, 0.8], rtol=1e-6)


def test_float16():
    p = with_grad(np.full(1000, 300.0, "float16"))
    np.testing.assert_allclose(clip_grad_norm_(p, 1.0).item(), 300 * 1000**0.5, rtol=1e-6)
    assert p.grad.dtype == np.float16
    np.testing.assert_allclose(p.grad.data, 1000**-0.5, rtol=1e-3)


def test_infinities_and_nans_as_in_pytorch():
    p, q = with_grad(np.array([np.inf, 1.0])), with_grad(np.ones(2))
    assert clip_grad_norm_([p, q], 1.0).item() == np.inf
    np.testing.assert_array_equal(p.grad.data, [np.nan, 0.0])
    np.testing.assert_array_equal(q.grad.data, [0.0, 0.0])
    p, q = with_grad(np.array([np.inf, 1.0])), with_grad(np.array([np.nan, 1.0]))
    assert np.isnan(clip_grad_norm_([p, q], 1.0).item())
    np.testing.assert_array_equal(p.grad.data, [np.nan, np.nan])


@pytest.mark.parametrize("wrap", [np.array, DuckArray])
def test_a_norm_that_is_not_finite_can_be_an_error(wrap):
    p = with_grad(np.ones(2))
    p.grad = Tensor(wrap(np.array([np.nan, 1.0])))
    before = p.grad.data
    message = "clip_grad_norm_: the norm of the gradients must be finite, .*error_if_nonfinite=False. in: clip_grad"
    with pytest.raises(NonFiniteError, match=message):
        clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
    assert p.grad.data is before


@pytest.mark.parametrize("p", [2.0, 3.0, np.inf])
def test_foreign_and_read_only_arrays_are_replaced(p):
    arrays = [np.array([3.0, -4.0]), np.array([[12.0]])]
    params = [parameter(np.zeros_like(a)) for a in arrays]
    given = [DuckArray(a.copy()) for a in arrays]
    for q, g in zip(params, given, strict=True):
        q.grad = Tensor(g)
    norm = clip_grad_norm_(params, 1.0, p)
    expected = literal(arrays, p)
    np.testing.assert_allclose(norm.data._array, expected, rtol=1e-12)
    for q, g, a in zip(params, given, arrays, strict=True):
        np.testing.assert_array_equal(g._array, a)
        np.testing.assert_allclose(q.grad.data._array, a / (expected + 1e-6), rtol=1e-12)
    clip_grad_value_(params, 0.1)
    np.testing.assert_array_equal(params[0].grad.data._array, [0.1, -0.1])
    fixed = np.ones(4)
    fixed.flags.writeable = False
    q = with_grad(fixed)
    clip_grad_norm_(q, 1.0)
    np.testing.assert_allclose(q.grad.data, 0.5, rtol=1e-5)
    np.testing.assert_array_equal(fixed, 1.0)


@pytest.mark.parametrize("p", [1, 2.0, 3.0, np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e20, 1e200])
@pytest.mark.parametrize("odd", [None, np.inf, np.nan])
def test_a_compiled_step_clips_as_an_uncompiled_one(p, dtype, scale, odd):
    scale = 100.0 if dtype == "float16" else 1e30 if scale > 1e30 and dtype == "float32" else scale
    arrays = [np.array([1.0, 1.0, 1e-3], dtype), np.full((2, 300), 0.5, dtype), np.zeros((0, 2), dtype)]
    arrays = [a * np.asarray(scale, dtype) for a in arrays]
    if odd is not None:
        arrays[1][0, 1] = odd
    ours = [parameter(np.zeros_like(a), dtype) for a in arrays]

    def step(*gradients):
        for q, g in zip(ours, gradients, strict=True):
            q.grad = g * 1
        return clip_grad_norm_(ours, 1.0, p)

    results = []
    for function in (step, ac.compile(step)):
        with np.errstate(all="ignore"):
            norm = function(*[Tensor(a) for a in arrays])
        results.append((norm, [q.grad.data.copy() for q in ours]))
    (norm, clipped), (compiled, others) = results
    assert compiled.dtype == norm.dtype == np.float64
    np.testing.assert_allclose(compiled.item(), norm.item(), rtol=1e-12 if dtype == "float64" else 1e-6)
    assert odd is not None or np.isfinite(norm.item())
    for a, b in zip(clipped, others, strict=True):
        assert b.dtype == dtype
        np.testing.assert_allclose(b, a, rtol=2e-3 if dtype == "float16" else 1e-6)


def test_foreign_gradients_that_explode_are_scaled():
    q = parameter(np.zeros(3), "float32")
    q.grad = Tensor(DuckArray(np.array([1e20, 1e20, 1], "float32")))
    other = parameter(np.zeros(1), "float32")
    other.grad = Tensor(DuckArray(np.array([1e20], "float32")))
    norm = clip_grad_norm_([q, other], 1.0)
    np.testing.assert_allclose(norm.data._array, 3**0.5 * 1e20, rtol=1e-6)
    np.testing.assert_allclose(q.grad.data._array, [3**-0.5, 3**-0.5, 0], rtol=1e-6, atol=1e-19)
    assert q.grad.dtype == np.float32


def test_a_gradient_that_two_parameters_share_is_scaled_once():
    p, q = parameter(np.zeros(1)), parameter(np.zeros(1))
    p.grad = q.grad = Tensor(np.array([4.0]))
    clip_grad_norm_([p, q], 2.0)
    np.testing.assert_allclose(p.grad.data, 2.0, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("limit", [0.7, 0, np.inf, 1e300])
def test_value(dtype, limit):
    array = np.array([[-2.0, 0.1, np.nan], [3.0, -0.7, 0.0]], dtype)
    before = array.copy()
    p = with_grad(array)
    clip_grad_value_([p, parameter(np.ones(2))], limit)
    assert p.grad.data is array
    np.testing.assert_array_equal(array, np.clip(before.astype("float64"), -limit, limit).astype(dtype))


def test_a_write_raises_the_version():
    p = with_grad(np.array([3.0, 4.0]))
    clip_grad_norm_(p, 1.0)
    storage = p.grad.storage()
    first = storage.last
    assert storage.writer == "clip_grad_norm_"
    clip_grad_value_(p, 0.1)
    assert storage.last > first > 0
    assert storage.writer == "clip_grad_value_"


def test_without_gradients_the_norm_is_zero():
    assert clip_grad_norm_([parameter(np.ones(2))], 1.0).item() == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: clip_grad_norm_([p], -1), "clip_grad_norm_: max_norm must be a number >= 0, got -1"),
        (lambda p: clip_grad_norm_([p], np.nan), "clip_grad_norm_: max_norm must be a number >= 0, got nan"),
        (lambda p: clip_grad_norm_([p], 1, 0), "clip_grad_norm_: norm_type must be a number > 0, got 0"),
        (lambda p: clip_grad_norm_([p], 1, "inf"), "clip_grad_norm_: norm_type must be a number > 0, got 'inf'"),
        (lambda p: clip_grad_value_([p], -1), "clip_grad_value_: clip_value must be a number >= 0, got -1"),
        (lambda p: clip_grad_value_([], 1), "clip_grad_value_: there must be at least one parameter, got none; an it"),
        (
            lambda p: clip_grad_norm_([p, 3], 1),
            "clip_grad_norm_: parameters must be Tensors, got int as number 1; pass",
        ),
        (lambda p: clip_grad_norm_(3, 1), "clip_grad_norm_: parameters must be Tensors, got int as number 0; pass"),
    ],
)
def test_what_is_refused(call, message):
    p = with_grad(np.array([3.0, 4.0]))
    with pytest.raises(ArgumentError, match=message + r".* in: \w+, called at test_optim_clipping"):
        call(p)
    np.testing.assert_array_equal(p.grad.data, [3.0, 4.0])
