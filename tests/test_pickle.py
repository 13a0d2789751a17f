"""Tensors through pickle and deepcopy."""

import copy
import pickle

import numpy as np
import pytest

from autograd_core import Tensor
from autograd_core.errors import GraphError


@pytest.mark.parametrize(
    "through", [lambda t: pickle.loads(pickle.dumps(t)), copy.deepcopy], ids=["pickle", "deepcopy"]
)
def test_a_leaf_keeps_its_value_gradient_name_and_kind(through):
    x = Tensor(np.arange(3.0), requires_grad=True, name="x")
    (x.reshape(3, 1) * 2).sum().backward()  # it has had a view
    y = through(x)
    assert np.array_equal(y.data, x.data) and not np.shares_memory(y.data, x.data)
    assert y.requires_grad and y.name == "x" and np.array_equal(y.grad.data, [2, 2, 2])
    (y * y).sum().backward()
    assert np.array_equal(y.grad.data, [2, 4, 6]) and np.array_equal(x.grad.data, [2, 2, 2])


def test_an_intermediate_tensor_is_refused():
    x = Tensor(np.arange(3.0), requires_grad=True)
    with pytest.raises(GraphError, match=r"pickle: only a leaf .* got the output of multiply of shape \(3,\)"):
        pickle.dumps(x * 2)
    with pytest.raises(GraphError, match=r"use \.detach"):
        copy.deepcopy(x * 2)


def test_a_view_becomes_a_tensor_of_its_own():
    base = Tensor(np.zeros(3))
    view = copy.deepcopy(base[:2])
    base[0] = 1.0
    assert np.array_equal(view.data, [0, 0])
