"""Rules that let a cotangent through at some elements give 0 at the others, be it infinite or NaN."""

import numpy as np
import pytest

import autograd_core as ac
import nn.functional as F
from autograd_core import Tensor
from autograd_core.ops._parts import gated

GATES = {
    "relu": F.relu,
    "relu6": F.relu6,
    "hardtanh": lambda x: F.hardtanh(x, 0.0, 6.0),
    "leaky relu without a slope": lambda x: F.leaky_relu(x, 0.0),
    "maximum": lambda x: np.maximum(x, 0),
    "fmax": lambda x: np.fmax(x, 0),
    "clip": lambda x: np.clip(x, 0, 6),
    "where": lambda x: np.where(x > 0, x, 0),
    "where by numbers": lambda x: np.where((x.data if isinstance(x, Tensor) else x) > 0.0, x, 0),
}
SIZES = [2, 4000]  # few elements and many take different ways


def alternating(size, dtype=np.float64):
    return np.tile(np.array([-1.0, 4.0], dtype), size // 2)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("gate", GATES.values(), ids=GATES)
def test_a_root_behind_a_closed_gate_has_the_gradient_0(gate, size):
    x = Tensor(alternating(size), requires_grad=True)
    with np.errstate(divide="ignore"):
        np.sqrt(gate(x)).sum().backward()
    np.testing.assert_array_equal(x.grad.data, np.where(x.data > 0, 0.25, 0.0))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_a_compiled_gate_too(backend, size):
    gradient = ac.compile(ac.grad(lambda x: np.sqrt(F.relu(x)).sum()), backend=backend)
    x = alternating(size, np.float32)
    with np.errstate(divide="ignore"):
        got = gradient(x)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, np.where(x > 0, np.float32(0.25), 0))


def test_the_smaller_ones_of_a_window():
    x = Tensor(np.array([[[[1.0, 2.0], [3.0, 4.0]]]]), requires_grad=True)
    with np.errstate(divide="ignore"):
        np.sqrt(F.max_pool2d(x, 2) - 4).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [[[[0, 0], [0, np.inf]]]])


def test_prelu_lets_either_side_through_by_itself():
    x, slope = Tensor([-9.0, 9.0], requires_grad=True), Tensor([0.0])
    F.prelu(x, slope).backward(np.array([1.0, np.inf]))
    np.testing.assert_array_equal(x.grad.data, [0, np.inf])


@pytest.mark.parametrize("size", SIZES)
def test_an_open_gate_lets_everything_through_in_its_dtype(size):
    g = np.tile(np.array([np.nan, np.inf], np.float32), size // 2)
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(gated(g, np.ones(size, bool)), g)
        shut = gated(g, np.zeros(size, bool))
    assert shut.dtype == np.float32
    np.testing.assert_array_equal(shut, np.zeros(size))


def test_second_order_behind_a_gate():
    hessian = ac.hessian(lambda x: (F.relu(x) ** 3).sum())(np.array([2.0, -1.0]))
    np.testing.assert_array_equal(hessian, [[12.0, 0.0], [0.0, 0.0]])
