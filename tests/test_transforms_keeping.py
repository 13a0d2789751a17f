"""What a transform keeps between calls is its own, and what it is given by keyword counts."""

import gc
import weakref

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor


def test_the_value_of_vjp_may_be_written_to():
    y, pull = ac.vjp(np.exp, np.array([1.0, 2.0]))
    y[:] = 100
    np.testing.assert_allclose(pull(np.ones(2))[0], np.exp([1.0, 2.0]), rtol=1e-15)


def test_the_arguments_of_vjp_may_be_written_to():
    x = {"a": np.array([1.0, 2.0])}
    _, pull = ac.vjp(lambda z: z["a"] * z["a"], x)
    x["a"][:] = 100
    np.testing.assert_array_equal(pull(np.ones(2))[0]["a"], [2.0, 4.0])


@pytest.mark.parametrize("transform", [ac.grad, ac.jacobian, lambda f: ac.value_and_grad(f)])
def test_a_tensor_by_keyword_keeps_its_gradient(transform):
    w = Tensor(3.0, requires_grad=True)
    out = transform(lambda x, y: x * y * y)(2.0, y=w)
    out = out[1] if isinstance(out, tuple) else out
    assert out.item() == 9.0
    out.backward()
    assert w.grad.item() == 6.0


INDICES = {
    "array": lambda: np.array([0, 1]),
    "list": lambda: [0, 1],
    "mask": lambda: np.array([True, True, False, False]),
    "tuple": lambda: (np.array([0, 1]),),
}


@pytest.mark.parametrize("kind", INDICES)
def test_an_index_that_is_used_again_for_something_else(kind):
    index = INDICES[kind]()
    t = Tensor(np.zeros(4), requires_grad=True)
    y = t[index]
    (index[0] if kind == "tuple" else index)[:] = [False, False, True, True] if kind == "mask" else [3, 3]
    y.backward(np.ones(2))
    np.testing.assert_array_equal(t.grad.data, [1, 1, 0, 0])


def test_a_checkpoint_is_freed_without_the_cyclic_collector():
    gc.collect()
    gc.disable()
    try:
        big = Tensor(np.ones(1000), requires_grad=True) * 1.0
        array = weakref.ref(big.data)
        y = ac.checkpoint(lambda z: np.sum(z * z), big)
        y.backward()
        del y, big
        assert array() is None
    finally:
        gc.enable()
