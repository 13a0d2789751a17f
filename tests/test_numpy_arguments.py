"""Arguments that NumPy's functions and methods have, by position and by name."""

import numpy as np
import pytest

from autograd_core import Tensor
from autograd_core.errors import ArgumentError, DTypeError, NoRuleError

A = np.arange(12.0).reshape(3, 4) / 7
B = np.array([True, False])

SAME = {
    "mean, keepdims by position": lambda a: np.mean(a, 0, None, None, True),
    "var, ddof and keepdims by position": lambda a: np.var(a, 0, None, None, 1, True),
    "max, keepdims by position": lambda a: np.max(a, 1, None, True),
    "var, correction": lambda a: np.var(a, axis=1, correction=1),
    "std, correction": lambda a: np.std(a, correction=1),
    "concatenate, dtype": lambda a: np.concatenate((a, a), 0, dtype=np.float32),
    "stack, dtype": lambda a: np.stack((a, a), 1, dtype=np.float32),
    "vstack, dtype": lambda a: np.vstack((a, a[0]), dtype=np.float32),
    "hstack, dtype": lambda a: np.hstack((a, a[:, :1]), dtype=np.float32),
    "reshape, order": lambda a: np.reshape(a, (2, -1), order="F"),
    "method reshape, order": lambda a: a.reshape(4, 3, order="F"),
    "method reshape, copy": lambda a: a.reshape(4, 3, copy=True),
    "ravel, order": lambda a: np.ravel(a, "F"),
    "method flatten, order": lambda a: a.flatten(order="F"),
    "round, decimals": lambda a: np.round(a, 2),
    "method round, decimals": lambda a: (a * 100).round(-1),
    "astype, copy and casting": lambda a: a.astype(np.float32, copy=False, casting="same_kind"),
    "take of a number": lambda a: a.take(1, axis=0),
}


@pytest.mark.parametrize("case", SAME)
def test_the_result_is_numpys(case):
    x = Tensor(A.copy(), requires_grad=True)
    out, expected = SAME[case](x), SAME[case](A)
    assert out.dtype == expected.dtype
    assert np.array_equal(out.data, expected)
    assert out.requires_grad


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_gradient_of_an_order_goes_back_to_its_place(order):
    x = Tensor(A.copy(), requires_grad=True)
    weights = np.arange(12.0)
    (x.reshape(-1, order=order) * weights).sum().backward()
    assert np.array_equal(x.grad.data, weights.reshape(A.shape, order=order))


def test_logic_takes_constants_on_either_side():
    m = Tensor(B)
    for out, expected in ((True & m, B), (False | m, B), (m ^ True, ~B), (True ^ m, ~B), (B & m, B)):
        assert np.array_equal(out.data, expected)


def test_a_numpy_scalar_as_exponent_decides_the_dtype_as_in_numpy():
    x = np.float32([1, 2])
    for exponent in (2, 2.5, np.float64(2), np.float32(2)):
        assert (Tensor(x) ** exponent).dtype == (x**exponent).dtype


def test_take_of_a_number_is_a_copy():
    x = Tensor(A.copy())
    row = x.take(1, axis=0)
    row[...] = 0
    assert np.array_equal(x.data, A)


def test_an_integer_result_of_a_float_is_cut_from_the_graph():
    x = Tensor(A.copy(), requires_grad=True)
    assert not x.sum(dtype=int).requires_grad
    assert not np.cumsum(x, dtype=int).requires_grad


def test_the_mean_of_float16_does_not_overflow():
    x = Tensor(np.full(5000, 100, np.float16), requires_grad=True)
    out = x.mean()
    assert out.dtype == np.float16
    assert out.item() == 100


REFUSED = {
    r"power_number: an integer must not be raised to a negative power, got shapes \(\)": (
        DTypeError,
        lambda t: Tensor(2) ** -1,
    ),
    "sum: out= must be left out with Tensors": (NoRuleError, lambda t: np.sum(t, 0, None, np.zeros(4))),
    "reshape: order must be 'C' or 'F', got 'A'": (ArgumentError, lambda t: t.reshape(4, 3, order="A")),
    "var: ddof and correction must not both be given, got 2 and 1": (
        ArgumentError,
        lambda t: np.var(t, ddof=2, correction=1),
    ),
    "astype: the dtype must be one that casting='safe' allows, got float64 to int64": (
        DTypeError,
        lambda t: t.astype(np.int64, casting="safe"),
    ),
    "concatenate: the dtype must be one that casting='same_kind' allows": (
        DTypeError,
        lambda t: np.concatenate((t, t), dtype=int),
    ),
    r"index: only an integer tensor of one element may be an index, got dtype float64 and shape \(3, 4\)": (
        DTypeError,
        lambda t: range(t),
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_refused_says_why(message):
    error, call = REFUSED[message]
    with pytest.raises(error, match=message):
        call(Tensor(A.copy()))


def test_the_gradient_of_a_float16_mean_of_many_is_finite():
    x = Tensor(np.zeros(70_000, np.float16), requires_grad=True)
    x.mean().backward()
    assert x.grad.dtype == np.float16
    np.testing.assert_allclose(x.grad.data, 1 / 70_000, rtol=2e-3)
