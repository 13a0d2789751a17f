"""The tensor itself: attributes, dtypes, shared memory, conversions, operators, methods."""

import math
import operator as python

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor, tensor
from autograd_core.errors import GraphError, ShapeError

X = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


def leaf(data=X, **kwargs):
    return Tensor(np.array(data, dtype=float), requires_grad=True, **kwargs)


def test_tensor_is_the_same_thing():
    assert tensor is Tensor


def test_attributes():
    t = Tensor(X, name="x")
    assert (t.shape, t.dtype, t.ndim, t.size, len(t), t.name) == ((2, 3), np.float64, 2, 6, 2, "x")
    assert t.grad is None and not t.requires_grad and t.is_leaf
    np.testing.assert_array_equal(t.T.data, X.T)
    assert leaf().requires_grad and leaf().is_leaf
    assert not (leaf() * 2).is_leaf and (leaf() * 2).requires_grad


@pytest.mark.parametrize(
    "data, dtype",
    [
        (1.0, np.float64),
        (1, np.int64),
        (True, np.bool_),
        ([1.0, 2], np.float64),
        ([[1, 2]], np.int64),
        ((0.5,), np.float64),
        (np.float32(1), np.float32),
        (np.zeros(2, np.float16), np.float16),
        (1j, np.complex128),
        ([], np.float64),
    ],
)
def test_dtypes_are_numpys(data, dtype):
    t = Tensor(data)
    assert t.dtype == dtype and type(t.data) is np.ndarray and t.shape == np.shape(data)


def test_dtype_argument_converts():
    assert Tensor([1, 2], dtype=np.float32).dtype == np.float32
    assert Tensor(X, dtype="float32").data is not X
    assert Tensor(X, dtype=float).data is X
    assert Tensor([1, 2], True, dtype=float).requires_grad


def test_an_array_is_shared_a_list_is_not():
    assert Tensor(X).data is X
    t = Tensor(X)
    assert Tensor(t).data is X, "a tensor of a tensor shares too"
    a = np.array([1.0, 2.0])
    t = Tensor(a)
    a[0] = 7.0
    assert t.data[0] == 7.0


@pytest.mark.parametrize(
    "make",
    [
        lambda: Tensor(2.0),
        lambda: leaf(2.0) * 3,
        lambda: leaf().sum(),
        lambda: leaf()[0, 0],
        lambda: Tensor(np.float64(2)),
        lambda: leaf().sum().detach(),
    ],
)
def test_data_of_0_d_is_an_array(make):
    t = make()
    assert type(t.data) is np.ndarray and t.shape == () and t.ndim == 0 and t.size == 1
    assert t.data is t.data, "the same array each time, so that writes into it stay"


def test_gradients_are_tensors_of_arrays():
    t = leaf(2.0)
    (t * t).backward()
    assert type(t.grad) is Tensor and type(t.grad.data) is np.ndarray and not t.grad.requires_grad


def test_setting_data():
    t = leaf([1.0, 2.0])
    fresh = np.array([3.0, 4.0])
    t.data = fresh
    assert t.data is fresh and t.requires_grad
    t.data = [5.0, 6.0]
    np.testing.assert_array_equal(t.data, [5, 6])


def test_setting_and_clearing_grad():
    t = leaf([1.0, 2.0])
    t.grad = np.array([1.0, 1.0])
    assert isinstance(t.grad, Tensor)
    t.zero_grad()
    assert t.grad is None
    t.grad = Tensor([2.0, 2.0])
    t.grad = None
    assert t.grad is None


def test_requires_grad_can_be_switched_on_a_leaf():
    t = Tensor([1.0])
    t.requires_grad = True
    assert t.requires_grad
    t.requires_grad = False
    assert not (t * 2).requires_grad


def test_length_and_iteration():
    rows = list(leaf())
    assert len(rows) == 2 and all(r.requires_grad and r.shape == (3,) for r in rows)
    a, b = leaf([1.0, 2.0])
    assert (a.item(), b.item()) == (1.0, 2.0)


BINARY = [python.add, python.sub, python.mul, python.truediv, python.pow, python.mod, python.floordiv]
OTHERS = {
    "array": np.array([2.0, 0.5, 3.0]),
    "number": 2.0,
    "integer": 3,
    "numpy scalar": np.float64(2.5),
    "0-d array": np.array(2.5),
    "list": [2.0, 0.5, 3.0],
    "tensor": Tensor([2.0, 0.5, 3.0]),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("op", BINARY, ids=lambda f: f.__name__)
def test_operators_record_in_both_orders(op, other):
    plain = np.asarray(other.data if isinstance(other, Tensor) else other)
    for left in (True, False):
        t = leaf()
        out, expected = (op(t, other), op(X, plain)) if left else (op(other, t), op(plain, X))
        assert type(out) is Tensor and out.requires_grad
        np.testing.assert_array_equal(out.data, expected)
        out.sum().backward()
        assert t.grad.shape == X.shape


def test_matmul_in_both_orders():
    a = np.arange(6.0).reshape(3, 2)
    for f in (lambda t: t @ a, lambda t: np.eye(2) @ t):
        t = leaf()
        out = f(t)
        assert type(out) is Tensor and out.requires_grad
        out.sum().backward()
        assert t.grad.shape == (2, 3)


def test_unary_operators():
    t = leaf([-1.0, 2.0])
    np.testing.assert_array_equal((-t).data, [1, -2])
    np.testing.assert_array_equal((+t).data, [-1, 2])
    np.testing.assert_array_equal(abs(t).data, [1, 2])
    np.testing.assert_array_equal((~(t > 0)).data, [True, False])


@pytest.mark.parametrize(
    "op", [python.lt, python.le, python.gt, python.ge, python.eq, python.ne], ids=lambda f: f.__name__
)
def test_comparisons_are_not_recorded(op):
    t = leaf()
    for other in (3.0, X[0], Tensor(X), leaf()):
        out = op(t, other)
        assert type(out) is Tensor and out.dtype == np.bool_ and not out.requires_grad
        np.testing.assert_array_equal(out.data, op(X, other.data if isinstance(other, Tensor) else other))
    assert not op(X, t).requires_grad
    assert {t: 1}[t] == 1, "tensors are hashed by identity"


def test_boolean_logic():
    t = leaf()
    both = (t > 1) & (t < 5)
    np.testing.assert_array_equal(both.data, (X > 1) & (X < 5))
    np.testing.assert_array_equal(((t < 2) | (t > 5)).data, (X < 2) | (X > 5))
    assert bool(leaf([1.0]) > 0)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(t > 0)


METHODS = {
    "sum": lambda t: t.sum(0),
    "sum keepdims": lambda t: t.sum(axis=1, keepdims=True),
    "mean": lambda t: t.mean(axis=-1),
    "var": lambda t: t.var(axis=0, ddof=1),
    "std": lambda t: t.std(),
    "max": lambda t: t.max(axis=1),
    "min": lambda t: t.min(),
    "prod": lambda t: t.prod(1),
    "reshape": lambda t: t.reshape(3, 2),
    "reshape tuple": lambda t: t.reshape((3, 2)),
    "reshape -1": lambda t: t.reshape(-1),
    "transpose": lambda t: t.transpose(),
    "transpose axes": lambda t: t.transpose(1, 0),
    "transpose tuple": lambda t: t.transpose((1, 0)),
    "swapaxes": lambda t: t.swapaxes(0, 1),
    "flatten": lambda t: t.flatten(),
    "ravel": lambda t: t.ravel(),
    "squeeze": lambda t: t.reshape(2, 1, 3).squeeze(1),
    "clip": lambda t: t.clip(2.0, 5.0),
    "cumsum": lambda t: t.cumsum(axis=1),
    "take": lambda t: t.take([0, 2], axis=1),
    "dot": lambda t: t.dot(np.ones(3)),
    "astype": lambda t: t.astype(np.float32),
    "copy": lambda t: t.copy(),
    "T": lambda t: t.T,
    "round": lambda t: t.round(),
    "index": lambda t: t[0, 1:],
    "mask": lambda t: t[np.asarray([True, False])],
    "ellipsis": lambda t: t[..., None],
}


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_ndarrays(name):
    t = leaf()
    out, expected = METHODS[name](t), METHODS[name](X)
    np.testing.assert_array_equal(out.data, expected)
    assert out.requires_grad and out.dtype == expected.dtype
    out.sum().backward()
    assert t.grad.shape == X.shape and t.grad.dtype == np.float64


@pytest.mark.parametrize("name", ["argmax", "argmin", "any", "all"])
def test_methods_that_are_not_differentiable(name):
    out = getattr(leaf(), name)()
    assert not out.requires_grad and out.data == getattr(X, name)()


def test_flatten_is_a_copy_and_ravel_a_view():
    t = Tensor(X.copy())
    assert not np.shares_memory(t.flatten().data, t.data) and np.shares_memory(t.ravel().data, t.data)


def test_methods_that_people_know_from_elsewhere():
    t = leaf()
    np.testing.assert_array_equal(t.exp().data, np.exp(X))
    np.testing.assert_array_equal(t.log().sqrt().tanh().data, np.tanh(np.sqrt(np.log(X))))
    assert t.relu().requires_grad and t.sigmoid().requires_grad


@pytest.mark.parametrize(
    "index", [Tensor([1, 0]), (Tensor([1, 0]), slice(1, 3)), [1, 0]], ids=["tensor", "tuple", "list"]
)
def test_indices_may_be_tensors(index):
    t = leaf()
    t[index].sum().backward()
    assert t.grad.data.sum() == t[index].size


def test_integer_tensor_is_an_index():
    assert [10, 20, 30][Tensor(1)] == 20 and list(range(Tensor(2))) == [0, 1]


# -- leaving the graph ----------------------------------------------------------------------------------------------


def assign(t):
    np.zeros(2)[0] = t


LEAVES = {
    "np.asarray": np.asarray,
    "np.array": np.array,
    "float": float,
    "int": int,
    "math.sin": math.sin,
    "a[0] = t": assign,
    "numpy()": lambda t: t.numpy(),
    "np.array in a list": lambda t: np.array([t, t]),
    "complex": complex,
    "round": round,
}


@pytest.mark.parametrize("name", LEAVES)
def test_nothing_leaves_the_graph_by_accident(name):
    t = leaf(2.0) * 1.5
    for inside in (t, leaf(2.0)):
        with pytest.raises((GraphError, TypeError, ValueError)) as caught:
            LEAVES[name](inside)
        if name == "round":  # Python's own refusal
            assert type(caught.value) is TypeError
            continue
        reason = caught.value if isinstance(caught.value, GraphError) else caught.value.__cause__  # NumPy wraps it
        assert isinstance(reason, GraphError)
        assert ".item()" in str(reason) and ".detach()" in str(reason) and "called at test_tensor.py:" in str(reason)


def test_plain_values_of_tensors_outside_the_graph():
    t = Tensor(2.5)
    assert float(t) == 2.5 and int(t) == 2 and math.floor(float(t)) == 2
    assert np.asarray(t) == 2.5 and np.asarray(t).dtype == np.float64
    array = Tensor(X)
    assert np.asarray(array) is X and array.numpy() is X
    assert np.array(array) is not X
    assert np.asarray(array, dtype=np.float32).dtype == np.float32
    a = np.zeros(2)
    a[0] = t
    assert a[0] == 2.5


def test_ways_out():
    t = leaf(2.0) * 1.5
    assert t.item() == 3.0 and type(t.item()) is float
    assert float(t.detach()) == 3.0 and t.detach().numpy() == 3.0
    d = leaf().detach()
    assert not d.requires_grad and d.is_leaf
    x = leaf()
    assert np.shares_memory(x.detach().data, x.data)


def test_format():
    assert f"{leaf(2.0) * 1.5:.3f}" == "3.000" and f"{Tensor([1.25]):.1f}" == "1.2"
    assert f"{Tensor(2.0)}" == repr(Tensor(2.0))
    with pytest.raises(
        ShapeError, match=r"format: a format such as '.3f' needs a tensor of one element, got one of shape \(2, 3\)"
    ):
        f"{leaf():.3f}"


def test_repr():
    assert repr(Tensor([1.0, 2.0])) == "Tensor([1., 2.])"
    assert repr(Tensor([1.0], True)) == "Tensor([1.], requires_grad=True)"
    assert repr(Tensor([1.0], True) * 2) == "Tensor([2.], op=multiply)"
    assert repr(Tensor(np.float32(1))) == "Tensor(1., dtype=float32)"
    assert repr(Tensor(3)) == "Tensor(3, dtype=int64)"


def test_names():
    t = leaf(name="x")
    t.name = "y"
    assert t.name == "y"
    u = t * 2
    assert u.name is None
    u.name = "u"
    assert u.name == "u" == u._node.name


def test_unknown_attribute():
    with pytest.raises(AttributeError, match="'Tensor' object has no attribute 'shapes'"):
        _ = Tensor(1.0).shapes


def test_one_hot():
    out = ac.one_hot([0, 2], 3, dtype=np.float32)
    np.testing.assert_array_equal(out.data, [[1, 0, 0], [0, 0, 1]])
    assert out.dtype == np.float32 and ac.one_hot(Tensor([[1]]), 2).shape == (1, 1, 2)


def test_stop_gradient():
    t = leaf(3.0)
    (t * ac.stop_gradient(t)).backward()
    assert t.grad.item() == 3.0 and ac.stop_gradient(X) is X
