"""Sums over broadcast axes without forming products, and large cotangents that are scaled on their way."""

import numpy as np
import pytest

import autograd_core as ac
from autograd_core.unbroadcast import Product, unbroadcast

SHAPES = [
    ((4, 3), (3,)),
    ((4, 3), (4, 1)),
    ((4, 3), ()),
    ((4, 3), (1, 3)),
    ((2, 4, 3), (4, 1)),
    ((2, 4, 3), (2, 1, 1)),
    ((0, 3), (3,)),
    ((1, 3), (3,)),
]


@pytest.mark.parametrize(("full", "target"), SHAPES)
def test_every_product_is_summed_as_if_it_were_formed(full, target):
    rng = np.random.default_rng(1)
    smalls = [full, target, (1,) * len(full), full[-1:]]
    for g_shape in (full, (1,) * len(full), ()):
        for f_shape in smalls:
            for d_shape in smalls:
                g, f, d = rng.normal(size=g_shape), rng.normal(size=f_shape), rng.uniform(1, 2, size=d_shape)
                whole = np.broadcast_to(-3 * g * f / d, full)
                lead = len(full) - len(target)
                axes = (*range(lead), *(lead + i for i, n in enumerate(target) if n == 1))
                expected = whole.sum(axis=axes, keepdims=True).reshape(target)
                got = unbroadcast(Product((g,)) * f * -3 / d, full, target)
                assert np.broadcast_shapes(got.shape, target) == target
                np.testing.assert_allclose(np.broadcast_to(got, target), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 4e-6), ("float64", 1e-14)])
def test_large_cotangents_that_are_scaled_on_their_way(dtype, tolerance):
    rng = np.random.default_rng(0)
    z, s, g = (rng.normal(size=n).astype(dtype) for n in ((1024, 300), 300, (1024, 300)))
    d, c = (rng.normal(size=(1, 300)) ** 2 + 1).astype(dtype), rng.normal(size=(1024, 1)).astype(dtype)
    tensors = [ac.tensor(a, requires_grad=True) for a in (z, s, d, c)]
    Z, S, D, C = tensors
    y = (-(Z * S) / D * 2.0 + C * (Z * S)) * C
    (y + y / D).backward(g)
    upstream = g * (1 + 1 / d)
    k = (-2 / d + c) * c
    expected = [
        upstream * k * s,
        (upstream * k * z).sum(0),
        (-g * k * z * s / d**2 + upstream * c * 2 * z * s / d**2).sum(0, keepdims=True),
        (upstream * (-2 * z * s / d + 2 * c * z * s)).sum(1, keepdims=True),
    ]
    for t, e in zip(tensors, expected, strict=True):
        assert t.grad.dtype == dtype
        assert np.abs(t.grad.data - e).max() <= tolerance * np.abs(e).max()


def test_a_hook_and_a_retained_gradient_see_a_formed_array():
    z = ac.tensor(np.ones((1024, 300)), requires_grad=True)
    seen = []
    h = z + 0.0
    h.retain_grad()
    h.register_hook(lambda g: seen.append(g.data))
    (h * np.arange(300.0)).sum().backward(retain_graph=True)
    y = h * np.arange(300.0)
    y.backward(np.full((1024, 300), 2.0))
    assert type(seen[1]) is np.ndarray
    np.testing.assert_array_equal(seen[1][5], 2 * np.arange(300.0))
    np.testing.assert_array_equal(h.grad.data[7], 3 * np.arange(300.0))


@pytest.mark.parametrize("rows", [3, 1000])
def test_small_integer_factors_do_not_overflow(rows):
    m = np.full((rows, 1), 200, np.uint8)
    x = ac.tensor(np.ones((rows, 300), np.float32), requires_grad=True)
    w = ac.tensor(np.ones(300, np.float32), requires_grad=True)
    (x * m * m + w * m * m).backward(np.ones((rows, 300), np.float32))
    assert x.grad.dtype == w.grad.dtype == np.float32
    assert np.all(x.grad.data == 40000) and np.allclose(w.grad.data, 40000 * rows)


def test_in_place_on_a_constant_by_a_variable():
    w = ac.tensor(np.ones(3), requires_grad=True)
    b = ac.tensor(np.full(3, 2.0))
    b *= w
    b.sum().backward()
    np.testing.assert_array_equal(w.grad.data, [2, 2, 2])


def test_an_axis_of_length_zero_beside_one_of_length_one():
    product = Product((np.ones((1, 4)), np.ones((0, 4))))
    assert unbroadcast(product, (0, 4), (0, 1)).shape == (0, 1)


def test_a_rule_that_compares_an_operand_is_not_read_as_a_product():
    @ac.op("elementwise", latex="{a}{b}", derivative={"a": "0", "b": "1"})
    def chosen(a, b):
        """b where a is zero, else 1."""
        return np.where(a == 0, b, 1.0)

    chosen.vjp(a=lambda g, a: g * 0.0, b=lambda g, a: g * (a == 0))
    b = ac.tensor(np.ones(3), requires_grad=True)
    chosen(np.array([[0.0], [1.0]]), b).sum().backward()
    np.testing.assert_array_equal(b.grad.numpy(), [1, 1, 1])
