"""Who asked a Tensor for its values, and what `ndarray` has and Tensors have not."""

import numpy as np
import pytest
import scipy.linalg
import scipy.special

from autograd_core import Tensor, refusals
from autograd_core.errors import AutogradError, GraphError

X = np.array([0.31, 0.47, 0.62])
M = np.array([[2.1, 0.3, 0.2], [0.4, 1.9, 0.1]])
T = Tensor(X, requires_grad=True)
make = np.array
ASKED = {
    "a function in C": (lambda: np.array([T, T]), r"^np.array: .*; use np.stack or np.concatenate, or .item\(\)"),
    "over several lines": (
        lambda: np.asarray(
            T,
        ),
        "^np.asarray: ",
    ),
    "under another name": (lambda: make([T]), "^np.array: "),
    "a function in Python": (lambda: np.full((2, 3), T), r"^np.full: .*; use np.broadcast_to\(t, shape\)"),
    "an object with an index": (lambda: np.c_[T, T], r"^np.c_: .*; use np.column_stack"),
    "an object that is called": (lambda: np.vectorize(abs)(T), "^np.vectorize: .*; use an expression of NumPy"),
    "a scalar type": (lambda: np.float32(T), r"^np.float32: .*; use t.astype\(np.float32\)"),
    "a ufunc of a list": (lambda: np.exp([T, T]), "^np.exp: .*; use np.stack"),
    "an assignment": (lambda: np.zeros((2, 3)).__setitem__(0, T), "^__setitem__: .*; use np.stack"),
    "a library": (lambda: scipy.linalg.expm(T), "^expm: a function of SciPy must be a ufunc"),
    "SciPy, with a text of its own": (lambda: scipy.special.diric(T, 3), r"^diric: .*; use np.sin\(n \* x / 2\)"),
    "a decorated function": (lambda: scipy.special.spherical_kn(T, 2), "^spherical_kn: "),
    "Python": (lambda: float(T[0]), r"^float: .*; use .item\(\) for a number or .detach\(\)"),
    "Python in SciPy": (lambda: scipy.special.lqn(2, T[0]), "^lqn: a function of SciPy must be a ufunc"),
    "an integer in NumPy": (lambda: np.tri(T[0]), "^np.tri: "),
    "masked arrays": (lambda: np.ma.getdata(T), "^getdata: "),
    "a function of masked arrays": (lambda: np.ma.sin(T), "^np.sin: "),
    "an operator of a masked array": (lambda: np.ma.array(X, mask=X > 0.4) * T, "^MaskedArray: "),
    "a selection of masked arrays": (lambda: np.ma.where(X > 0.4, T, T), "^np.where: "),
    "a function that calls another": (lambda: np.poly1d(T), "^poly1d: .*, and trim_zeros, which it calls, has none"),
}


@pytest.mark.parametrize("name", ASKED)
def test_who_asked_for_values(name):
    with pytest.raises(AutogradError, match=ASKED[name][1]) as caught:
        ASKED[name][0]()
    assert "called at test_refusals.py:" in str(caught.value)


def test_source_that_is_not_there():
    with pytest.raises(GraphError, match=r"^np.asarray: .*called at <string>:1"):
        eval("np.array(T)")


def test_attributes_of_ndarray_are_there_or_say_what_to_write():
    for name in refusals.ATTRIBUTES:
        assert hasattr(X, name)
        with pytest.raises(AttributeError, match=f"'Tensor' object has no attribute '{name}'; write "):
            getattr(T, name)
    public = {name for name in dir(np.ndarray) if not name.startswith("_") and hasattr(M, name)}
    missing = {name for name in public if not hasattr(Tensor, name)} - refusals.ATTRIBUTES.keys()
    assert missing <= {"tostring"}  # deprecated until NumPy 2.3


def test_small_attributes():
    t = Tensor(M.astype(np.float32), requires_grad=True)
    assert (t.itemsize, t.nbytes) == (4, 24) and t.real.requires_grad
    np.testing.assert_array_equal(t.imag.data, 0)
    assert t.detach().tolist() == t.data.tolist()
    with pytest.raises(GraphError, match=r"^tolist: only a tensor that needs no gradient"):
        t.tolist()


def test_operators_of_python_that_ndarray_has():
    n, t = Tensor(np.array([5, 6])), Tensor(M, requires_grad=True)
    for ours, plain in ((n << 1, [10, 12]), (n >> 1, [2, 3]), (1 << n, [32, 64]), (np.array([80, 80]) >> n, [2, 1])):
        assert type(ours) is Tensor and np.array_equal(ours.data, plain)
    whole, rest = divmod(t, 0.7)
    assert rest.requires_grad and np.array_equal(whole.data, M // 0.7) and np.array_equal(rest.data, M % 0.7)
    assert np.array_equal(divmod(7.0, t)[1].data, 7.0 % M)
    with pytest.raises(TypeError):
        divmod(t, "text")
    alias = n
    n <<= 2
    n &= 31
    n |= 1
    n ^= 3
    n >>= 1
    assert alias is n and np.array_equal(n.data, [((v << 2 & 31 | 1) ^ 3) >> 1 for v in (5, 6)])
