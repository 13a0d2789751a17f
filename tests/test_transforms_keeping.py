"""What a transform or an operation keeps is its own: the caller may write into what he gave."""

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor


def test_the_arguments_of_vjp_may_be_written_to():
    x = {"a": np.array([1.0, 2.0])}
    _, pull = ac.vjp(lambda z: z["a"] * z["a"], x)
    x["a"][:] = 100
    np.testing.assert_array_equal(pull(np.ones(2))[0]["a"], [2.0, 4.0])


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
