"""NumPy's two protocols on tensors: what records, what answers, what refuses."""

import numpy as np
import pytest
import scipy.special

import autograd_core as ac
from autograd_core import Tensor
from autograd_core.errors import GraphError, NoRuleError, ShapeError

X = np.array([[0.55, 1.45, 2.6], [3.1, 0.25, 1.05]])
V = np.array([1.0, 2.0, 3.0])

RECORDED = {
    "exp": np.exp,
    "sum": lambda t: np.sum(t, axis=0),
    "sum keepdims": lambda t: np.sum(t, axis=1, keepdims=True),
    "mean": np.mean,
    "var": lambda t: np.var(t, axis=0, ddof=1),
    "std": np.std,
    "max": lambda t: np.max(t, axis=1),
    "amin": np.amin,
    "prod": np.prod,
    "cumsum": lambda t: np.cumsum(t, axis=1),
    "where": lambda t: np.where(X > 1, t, 0.0),
    "einsum": lambda t: np.einsum("ij,j->i", t, V),
    "einsum, implicit, spaces": lambda t: np.einsum("ij, kj", t, X),
    "matmul": lambda t: np.matmul(t, V),
    "dot": lambda t: np.dot(t, V),
    "dot with a number": lambda t: np.dot(t, 2.0),
    "dot 3-d": lambda t: np.dot(t, np.ones((2, 3, 2))),
    "inner": lambda t: np.inner(t, X),
    "outer": lambda t: np.outer(t, V),
    "vdot": lambda t: np.vdot(t, X),
    "tensordot": lambda t: np.tensordot(t, X, axes=2),
    "reshape": lambda t: np.reshape(t, (3, 2)),
    "transpose": np.transpose,
    "swapaxes": lambda t: np.swapaxes(t, 0, 1),
    "moveaxis": lambda t: np.moveaxis(t, 0, 1),
    "ravel": np.ravel,
    "expand_dims": lambda t: np.expand_dims(t, 1),
    "squeeze": lambda t: np.squeeze(np.expand_dims(t, 1)),
    "flip": np.flip,
    "broadcast_to": lambda t: np.broadcast_to(t, (2, 2, 3)),
    "concatenate": lambda t: np.concatenate([t, X], axis=1),
    "stack": lambda t: np.stack([t, X, t]),
    "vstack": lambda t: np.vstack([t, V]),
    "hstack": lambda t: np.hstack([t, X]),
    "hstack 1-d": lambda t: np.hstack([t[0], V, 2.0]),
    "split": lambda t: np.split(t, 3, axis=1)[1],
    "take": lambda t: np.take(t, [0, 2], axis=1),
    "take flat": lambda t: np.take(t, [0, 4]),
    "take_along_axis": lambda t: np.take_along_axis(t, np.array([[0], [2]]), axis=1),
    "clip": lambda t: np.clip(t, 0.6, 2.0),
    "maximum": lambda t: np.maximum(t, 1.1),
    "abs": np.abs,
    "fabs": np.fabs,
    "square": np.square,
    "power": lambda t: np.power(t, 3),
    "float_power": lambda t: np.float_power(t, 1.5),
    "power 2": lambda t: np.power(t, 2),
    "number to a power": lambda t: np.power(2.0, t),
    "array to a power": lambda t: np.power(X, t),
    "round": np.round,
    "copy": np.copy,
    "norm": np.linalg.norm,
    "norm of rows": lambda t: np.linalg.norm(t, axis=1, keepdims=True),
    "norm 2": lambda t: np.linalg.norm(t[0], 2),
    "erf": scipy.special.erf,
    "expit": scipy.special.expit,
    "erfc": scipy.special.erfc,
    "add.reduce": lambda t: np.add.reduce(t, axis=1),
    "multiply.reduce": lambda t: np.multiply.reduce(t),
    "maximum.reduce": lambda t: np.maximum.reduce(t, axis=None),
    "logaddexp": lambda t: np.logaddexp(t, V),
    "arctan2": lambda t: np.arctan2(V, t),
    "dtype of a ufunc": lambda t: np.add(t, V, dtype=np.float64),
    "remainder": lambda t: np.remainder(t, 0.7),
    "mod": lambda t: np.mod(t, V),
    "where=True": lambda t: np.exp(t, where=True),
}


@pytest.mark.parametrize("name", RECORDED)
def test_records_and_agrees_with_numpy(name):
    f = RECORDED[name]
    t = Tensor(X, requires_grad=True)
    out = f(t)
    assert type(out) is Tensor and out.requires_grad
    np.testing.assert_allclose(out.data, f(X), rtol=1e-14)
    out.sum().backward()
    h = 1e-6
    expected = np.array([np.sum(f(X + h * e)) - np.sum(f(X - h * e)) for e in np.eye(6).reshape(6, 2, 3)]).reshape(
        2, 3
    ) / (2 * h)
    np.testing.assert_allclose(t.grad.data, expected, rtol=1e-6, atol=1e-8)


def test_special_functions_of_the_engine_take_arrays_and_tensors():
    for f, plain in (
        (ac.sigmoid, scipy.special.expit),
        (ac.softplus, lambda x: np.log1p(np.exp(x))),
        (ac.relu, lambda x: np.maximum(x, 0)),
        (ac.logsumexp, scipy.special.logsumexp),
        (ac.erf, scipy.special.erf),
    ):
        np.testing.assert_allclose(f(X), plain(X), rtol=1e-14)
        assert not isinstance(f(X), Tensor)
        assert f(Tensor(X, requires_grad=True)).requires_grad


ASKING = {
    "shape": np.shape,
    "ndim": np.ndim,
    "size": np.size,
    "size of an axis": lambda t: np.size(t, 1),
    "result_type": lambda t: np.result_type(t, np.float32),
    "allclose": lambda t: np.allclose(t, X),
    "array_equal": lambda t: np.array_equal(t, X),
    "isclose": lambda t: np.isclose(t, X).all(),
    "argsort": lambda t: np.argsort(t).tolist(),
    "nonzero": lambda t: np.nonzero(t)[0].tolist(),
    "iscomplexobj": np.iscomplexobj,
    "shares_memory": lambda t: np.shares_memory(t, X),
    "array2string": np.array2string,
    "count_nonzero": lambda t: int(np.count_nonzero(t).item()),
}


@pytest.mark.parametrize("name", ASKING)
def test_functions_that_ask_about_values(name):
    assert ASKING[name](Tensor(X, requires_grad=True)) == ASKING[name](X)


@pytest.mark.parametrize(
    "f",
    [
        np.argmax,
        np.argmin,
        np.any,
        np.all,
        np.isnan,
        np.isfinite,
        np.isinf,
        np.signbit,
        np.logical_not,
        lambda t: np.less(t, 1.0),
        lambda t: np.logical_and(t > 1, t < 2),
        lambda t: np.logical_or.reduce(t > 1),
    ],
)
def test_integer_and_boolean_results_are_cut_from_the_graph(f):
    out = f(Tensor(X, requires_grad=True))
    assert type(out) is Tensor and not out.requires_grad
    np.testing.assert_array_equal(out.data, f(X))


def test_an_array_like_a_tensor_filled_with_one():
    value = Tensor(2.0, requires_grad=True)
    out = np.full_like(Tensor(X.astype(np.float32)), value * 3)
    assert out.dtype == np.float32 and np.array_equal(out.data, np.full((2, 3), 6.0))
    out.sum().backward()
    assert value.grad.data == 18
    assert np.full_like(Tensor(X), value, shape=4).shape == (4,)
    plain = np.full_like(Tensor(X, requires_grad=True), 7, dtype=int, shape=(2, 1))
    assert plain.dtype == int and not plain.requires_grad and np.array_equal(plain.data, [[7], [7]])


def test_sizes_along_axes():
    assert [np.size(Tensor(X), axis) for axis in (None, 0, -1, (0, 1))] == [6, 2, 3, 6]


@pytest.mark.parametrize("make", [np.zeros_like, np.ones_like, np.empty_like])
def test_arrays_like_a_tensor(make):
    out = make(Tensor(X.astype(np.float32), requires_grad=True))
    assert type(out) is Tensor and out.shape == (2, 3) and out.dtype == np.float32 and not out.requires_grad
    assert make(Tensor(X), shape=(4,), dtype=int).shape == (4,)


REFUSED = {
    "trim_zeros": (np.trim_zeros, "trim_zeros"),
    "ufunc": (lambda t: np.nextafter(t, 2.0), "nextafter"),
    "special": (lambda t: scipy.special.zetac(t), "zetac"),
    "accumulate": (np.maximum.accumulate, "maximum.accumulate"),
    "reduce": (np.subtract.reduce, "subtract.reduce"),
    "reduceat": (lambda t: np.add.reduceat(t, [0, 1]), "add.reduceat"),
    "full_like of an array": (lambda t: np.full_like(X, t[0, 0]), "full_like"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_function_without_a_rule_raises_and_names_itself(name):
    f, says = REFUSED[name]
    t = Tensor(X, requires_grad=True)
    with pytest.raises(
        NoRuleError,
        match=f"^{says}: a NumPy function must have a gradient rule to take Tensors, and .* has none; compose it of",
    ) as caught:
        f(t)
    assert ".detach().numpy()" in str(caught.value) and "called at test_dispatch.py:" in str(caught.value)


def in_place_on_an_array(t):
    a = X.copy()
    a += t


OUT = {
    "ufunc": (lambda t: np.exp(t, out=np.empty((2, 3))), "exp: out= must be left out with Tensors"),
    "binary": (lambda t: np.add(t, X, out=np.empty((2, 3))), "add: out= must be left out"),
    "in place on an array": (in_place_on_an_array, r"add: out= must be left out.*write a = a add t"),
    "function": (lambda t: np.sum(t, out=np.empty(())), "sum: out= must be left out"),
    "out is a tensor": (lambda t: np.exp(X, out=t), "exp: out= must be left out"),
    "where=": (
        lambda t: np.exp(t, where=X > 1),
        r"exp: keyword arguments of ufuncs must be left out with Tensors, got \['where'\]; use np.where",
    ),
}


@pytest.mark.parametrize("name", OUT)
def test_out_and_where_are_refused(name):
    t = Tensor(X.copy(), requires_grad=True)
    with pytest.raises(NoRuleError, match=OUT[name][1]) as caught:
        OUT[name][0](t)
    assert "called at test_dispatch.py:" in str(caught.value)
    np.testing.assert_array_equal(t.data, X)


def test_arguments_that_an_operator_does_not_have():
    with pytest.raises(
        TypeError, match=r"sum: the arguments must be among .* got shape=1.0; compute it without that argument"
    ):
        ac.registry.operators["sum"](Tensor(X), shape=1.0)
    with pytest.raises(TypeError, match="reshape: takes at most 2 positional arguments"):
        ac.registry.operators["reshape"](Tensor(X), 1, 2)
    with pytest.raises(TypeError, match=r"add: missing arguments \['b'\]"):
        ac.registry.operators["add"](Tensor(X))
    with pytest.raises(ValueError, match="take: mode must be 'raise', 'wrap' or 'clip', got 'x'"):
        np.take(Tensor(X), [0], mode="x")
    with pytest.raises(ShapeError, match="einsum: subscripts must be a string"):
        np.einsum(Tensor(X), [0, 1], [1])


@pytest.mark.parametrize(
    "f",
    [
        lambda t: np.clip(X, t[0], 2.0),
        lambda t: np.clip(X, 0.1, t[0]),
        lambda t: t[0].clip(min=t[1]),
        lambda t: np.clip(X, t[0] - 1, t[0]),
    ],
)
def test_limits_in_the_graph_get_gradients(f):
    t = Tensor(X, requires_grad=True)
    f(t).sum().backward()
    np.testing.assert_allclose(
        t.grad.data,
        [
            [(np.sum(f(Tensor(X + 1e-6 * e)).data) - np.sum(f(Tensor(X - 1e-6 * e)).data)) / 2e-6 for e in row]
            for row in np.eye(6).reshape(2, 3, 2, 3)
        ],
        atol=1e-8,
    )


def test_a_static_argument_in_the_graph_is_refused():
    """Its gradient would be lost."""
    t = Tensor(X, requires_grad=True)
    clip = ac.registry.operators["clip"]
    for attempt in (
        lambda: clip(t, t[0], 2.0),
        lambda: clip(X, t[0], 2.0),
        lambda: np.sum(t, axis=Tensor(1.0, requires_grad=True)),
    ):
        with pytest.raises(
            GraphError,
            match=r"(clip|sum): an argument without a gradient rule must be a constant, got a tensor of shape",
        ):
            attempt()


def test_ndarray_meets_tensor_in_both_orders():
    t = Tensor(V, requires_grad=True)
    for out in (X * t, t * X, X @ t, V + t, V[0] * t, np.float32(2) * t, t < X, V - t, V / t, V**t):
        assert type(out) is Tensor, "never an object array"


def test_a_foreign_type_that_knows_better_has_its_turn():
    class Wise:
        __array_ufunc__ = None

        def __radd__(self, other):
            return "wise"

        def __rmatmul__(self, other):
            return "wise"

    t = Tensor(V, requires_grad=True)
    assert t + Wise() == "wise"
    assert t @ Wise() == "wise"
    with pytest.raises(TypeError):
        t + object()
    assert (t == "text") is False or not np.any(t == "text")
    assert (t == None) is False  # noqa: E711


def test_a_rule_declared_again_is_used_from_then_on():
    @ac.op("elementwise", latex="{a}")
    def twice(a):
        """2 a."""
        return a * 2

    twice.vjp(a=lambda g: g * 2)
    t = Tensor(V, requires_grad=True)
    twice(t).sum().backward()
    twice.vjp(a=lambda g: g * 3)
    t.grad = None
    twice(t).sum().backward()
    np.testing.assert_array_equal(t.grad.data, [3, 3, 3])
