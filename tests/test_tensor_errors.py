"""What a tensor refuses, and how it says so."""

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor
from autograd_core.errors import DTypeError, GraphError, LeafError, ShapeError

X = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


def leaf(data=X):
    return Tensor(np.array(data, dtype=float), requires_grad=True)


ERRORS = {
    "types that NumPy refuses": (
        lambda: leaf() % 1j,
        DTypeError,
        r"remainder: the operands must have types that NumPy accepts, got shapes \(2, 3\) and \(\): ufunc 'remainder'",
    ),
    "integer leaf": (
        lambda: Tensor([1, 2], requires_grad=True),
        DTypeError,
        r"must be floating, got dtype int64 of shape \(2,\)",
    ),
    "boolean leaf": (lambda: Tensor([True], requires_grad=True), DTypeError, "must be floating, got dtype bool"),
    "integer leaf later": (lambda: setattr(Tensor(1), "requires_grad", True), DTypeError, "convert with dtype=float"),
    "string": (lambda: Tensor("x"), DTypeError, "tensor: data must be numeric, got dtype <U1 from str"),
    "object": (lambda: Tensor([None]), DTypeError, "data must be numeric, got dtype object from list"),
    "list of tensors": (
        lambda: Tensor([leaf(1.0)]),
        GraphError,
        r"a sequence of Tensors would leave the graph; use np.stack",
    ),
    "integer data": (
        lambda: setattr(leaf(), "data", [1, 2]),
        DTypeError,
        "data: a tensor that requires a gradient must be floating, got int64",
    ),
    "grad of another shape": (
        lambda: setattr(leaf(), "grad", [1.0]),
        ShapeError,
        r"must have its tensor's shape \(2, 3\), got \(1,\)",
    ),
    "len of 0-d": (lambda: len(Tensor(1.0)), ShapeError, "must have at least one axis, got a 0-d tensor; use .item()"),
    "switching off": (
        lambda: setattr(leaf() * 2, "requires_grad", False),
        LeafError,
        "on a leaf only, got the output of multiply; use .detach",
    ),
    "retain_grad": (lambda: Tensor(1.0).retain_grad(), GraphError, "retain_grad: the tensor must need a gradient"),
    "register_hook": (
        lambda: Tensor(1.0).register_hook(print),
        GraphError,
        "register_hook: the tensor must need a gradient",
    ),
    "one_hot of floats": (
        lambda: ac.one_hot([0.5], 3),
        DTypeError,
        "one_hot: indices must be integers, got dtype float64",
    ),
    "complex number": (
        lambda: ac.tensor([1.0], requires_grad=True) * 1j,
        DTypeError,
        r"multiply: what is recorded must be real, since gradients are, got complex numbers .* use \.detach\(\)",
    ),
    "complex array": (
        lambda: np.abs(np.array([1 + 1j]) * ac.tensor([1.0], requires_grad=True)),
        DTypeError,
        r"multiply: what is recorded must be real",
    ),
    "complex dtype": (
        lambda: ac.tensor([1.0], requires_grad=True).astype(complex),
        DTypeError,
        r"astype: what is recorded must be real",
    ),
    "one_hot out of range": (
        lambda: ac.one_hot([0, 3], 3),
        ValueError,
        r"one_hot: indices must be in \[0, 3\), got values from 0 to 3",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_error(name):
    attempt, error, message = ERRORS[name]
    with pytest.raises(error, match=message) as caught:
        attempt()
    assert isinstance(caught.value, ac.AutogradError)
    assert "called at test_tensor_errors.py:" in str(caught.value)
