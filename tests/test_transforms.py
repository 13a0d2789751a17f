"""grad, value_and_grad, vjp, jvp, jacobian, hessian, hvp: against formulas, nested, on arrays and on tensors."""

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor
from autograd_core.errors import ArgumentError, DTypeError, GraphError, ShapeError

X = np.array([0.5, -1.0, 2.0])
A = np.array([[2.0, 1.0, 0.0], [1.0, 3.0, -1.0], [0.5, 0.0, 1.0]])


def quadratic(x):
    return x @ A @ x


def cubic(x):
    return np.sum(x**3) + np.prod(x)


def vector(x):
    return np.stack([x[0] * x[1], np.sin(x[2]), np.exp(x[0]) + x[2]])


def same(actual, expected, **tolerance):
    np.testing.assert_allclose(actual, expected, **({"rtol": 1e-12, "atol": 1e-14} | tolerance))


def test_grad():
    g = ac.grad(quadratic)(X)
    assert type(g) is np.ndarray
    same(g, (A + A.T) @ X)


def test_grad_of_a_number_is_an_array():
    g = ac.grad(lambda x: x**3)(2.0)
    assert type(g) is np.ndarray and g.shape == () and g == 12


def test_argnums():
    def f(x, y, scale=1.0):
        return np.sum(x * y) * scale

    same(ac.grad(f)(X, A[0], scale=3.0), 3 * A[0])
    same(ac.grad(f, argnums=1)(X, A[0]), X)
    same(ac.grad(f, argnums=-1)(X, A[0]), X)
    both = ac.grad(f, argnums=(1, 0))(X, A[0])
    assert type(both) is tuple
    same(both[0], X)
    same(both[1], A[0])


def test_value_and_grad():
    value, g = ac.value_and_grad(quadratic)(X)
    assert type(value) is np.ndarray and value == quadratic(X)
    same(g, (A + A.T) @ X)
    value, gs = ac.value_and_grad(lambda a, b: np.sum(a * b), argnums=(0,))(X, X)
    assert type(gs) is tuple and len(gs) == 1


def test_structurally_zero_gradients():
    same(ac.grad(lambda x: 3.0)(X), np.zeros(3))
    same(ac.grad(lambda x: np.sum(np.sign(x)))(X), np.zeros(3))
    same(ac.grad(lambda x, y: np.sum(y), argnums=0)(X, A), np.zeros(3))
    assert ac.grad(lambda x: 3.0)(X.astype(np.float32)).dtype == np.float32


def test_the_identity():
    assert ac.grad(lambda x: x)(2.0) == 1
    y, pull = ac.vjp(lambda x: x, X)
    same(pull(A[0])[0], A[0])
    same(ac.jvp(lambda x: x, (X,), (A[0],))[1], A[0])
    same(ac.jacobian(lambda x: x)(X), np.eye(3))
    assert y is not X, "results are the caller's own"


def test_vjp_can_be_called_repeatedly():
    y, pull = ac.vjp(vector, X)
    same(y, vector(X))
    jac = ac.jacobian(vector)(X)
    for v in np.eye(3):
        (g,) = pull(v)
        assert type(g) is np.ndarray
        same(g, v @ jac)
    y, pull = ac.vjp(lambda a, b: a * b, X, A)
    same(pull(np.ones((3, 3)))[0], A.sum(0))
    same(pull(np.ones((3, 3)))[1], np.broadcast_to(X, (3, 3)))


def test_results_of_a_pullback_are_the_callers_own():
    _, pull = ac.vjp(lambda x: x + 1.0, X)
    v = np.ones(3)
    g = pull(v)[0]
    g[:] = 7
    np.testing.assert_array_equal(v, 1)
    same(pull(np.ones(3))[0], np.ones(3))
    _, pull = ac.vjp(lambda x, y: x + y, X, X)
    a, b = pull(v)
    a[:] = 9
    np.testing.assert_array_equal(b, 1)
    _, tangent = ac.jvp(lambda x: x.reshape(3, 1), (X,), (v,))
    tangent[:] = 5
    np.testing.assert_array_equal(v, 1)


def test_jvp():
    value, tangent = ac.jvp(vector, (X,), (A[0],))
    same(value, vector(X))
    same(tangent, ac.jacobian(vector)(X) @ A[0])
    _, tangent = ac.jvp(lambda a, b: a * b, (X, 2.0), (A[0], 1.0))
    same(tangent, 2 * A[0] + X)
    assert ac.jvp(lambda x: 1.0, (X,), (X,))[1] == 0
    _, tangent = ac.jvp(np.sum, (X.astype(np.float32),), (np.ones(3),))
    assert tangent.dtype == np.float32


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (4,), ()])
def test_jacobian_by_rows_and_by_columns(shape):
    """More outputs than inputs is column by column, in forward mode; fewer is row by row."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(*shape, 3))
    jac = ac.jacobian(lambda x: np.sum(np.tanh(weights * x), axis=-1))(X)
    assert jac.shape == (*shape, 3)
    same(jac, weights * (1 - np.tanh(weights * X) ** 2))


def test_jacobian_of_several_arguments():
    jacs = ac.jacobian(lambda a, b: a * b, argnums=(0, 1))(X, 2.0)
    same(jacs[0], 2 * np.eye(3))
    same(jacs[1], X)
    assert ac.jacobian(lambda a: a[:0])(X).shape == (0, 3)
    assert ac.jacobian(lambda a: np.sum(a) * np.ones(2))(np.zeros(0)).shape == (2, 0)


def test_hessian():
    same(ac.hessian(quadratic)(X), A + A.T)
    expected = np.diag(6 * X) + np.array([[0, X[2], X[1]], [X[2], 0, X[0]], [X[1], X[0], 0]])
    same(ac.hessian(cubic)(X), expected)
    same(ac.hessian(lambda a, b: np.sum(a * b * b), argnums=1)(X, X), np.diag(2 * X))
    assert ac.hessian(lambda x: np.sum(x * x))(A).shape == (3, 3, 3, 3)
    same(ac.hessian(np.sum)(X), np.zeros((3, 3)))


def test_hvp():
    (product,) = ac.hvp(cubic, (X,), (A[0],))
    same(product, ac.hessian(cubic)(X) @ A[0])
    a, b = ac.hvp(lambda a, b: np.sum(a * a * b), (A, X), (np.ones((3, 3)), np.ones(3)))
    same(a, 2 * X + 2 * A)
    same(b, 2 * A.sum(0))


# -- nesting ---------------------------------------------------------------------------------------


def test_derivatives_of_derivatives():
    f = np.tanh
    d1, d2, d3 = ac.grad(f), ac.grad(ac.grad(f)), ac.grad(ac.grad(ac.grad(f)))
    t = np.tanh(0.3)
    same(d1(0.3), 1 - t**2)
    same(d2(0.3), -2 * t * (1 - t**2))
    same(d3(0.3), (1 - t**2) * (6 * t**2 - 2))
    same(ac.grad(ac.grad(ac.grad(lambda x: x**5)))(2.0), 240)


def test_forward_and_reverse_nest_in_every_order():
    def push(f):
        return lambda x: ac.jvp(f, (x,), (np.ones(()),))[1]

    expected = -np.sin(0.7)
    for second in (
        lambda f: push(push(f)),
        lambda f: ac.grad(push(f)),
        lambda f: push(ac.grad(f)),
        lambda f: ac.grad(ac.grad(f)),
        lambda f: ac.jacobian(ac.jacobian(f)),
        lambda f: ac.hessian(f),
    ):
        same(second(np.sin)(0.7), expected)
    same(push(push(push(np.exp)))(0.7), np.exp(0.7))


def test_perturbations_are_not_confused():
    """d/dx [x * d/dy (x + y)] = 1; with the two perturbations confused it is 2 (Siskind and Pearlmutter 2005)."""

    def push(f, x):
        return ac.jvp(f, (x,), (1.0,))[1]

    for inner in (push, lambda f, x: ac.grad(f)(x)):
        for outer in (push, lambda f, x: ac.grad(f)(x)):
            assert outer(lambda x, inner=inner: x * inner(lambda y: x + y, 1.0), 1.0) == 1
            assert outer(lambda x, inner=inner: x * inner(lambda y: x * y, 2.0), 3.0) == 6


def test_gradient_of_a_function_of_a_gradient():
    def penalty(x):
        return np.sum(ac.grad(cubic)(x) ** 2)

    g = 3 * X**2 + np.prod(X) / X
    same(ac.grad(penalty)(X), 2 * ac.hessian(cubic)(X) @ g)


def test_gradient_through_vjp_and_its_cotangent():
    def f(x, v):
        _, pull = ac.vjp(np.sin, x)
        return np.sum(pull(v)[0] * x)

    gx, gv = ac.grad(f, argnums=(0, 1))(X, A[0])
    same(gx, A[0] * (np.cos(X) - X * np.sin(X)))
    same(gv, np.cos(X) * X)


def test_gradient_through_a_tangent():
    def f(x, v):
        return np.sum(ac.jvp(np.sin, (x,), (v,))[1])

    gx, gv = ac.grad(f, argnums=(0, 1))(X, A[0])
    same(gx, -np.sin(X) * A[0])
    same(gv, np.cos(X))


def test_hessian_of_a_function_with_every_kind_of_operator():
    rng = np.random.default_rng(1)
    w, x = rng.normal(size=(3, 3)), rng.normal(size=(3,))

    def f(x):
        h = np.tanh(w @ x)
        n = (h - np.mean(h)) / np.sqrt(np.var(h) + 0.1)
        return (
            ac.logsumexp(n * x[::-1])
            + np.std(h)
            + np.max(h) * np.concatenate([n, x]).prod()
            + np.einsum("i,ij,j->", x, w, n)
        )

    h = 1e-5
    expected = np.stack([(ac.grad(f)(x + h * e) - ac.grad(f)(x - h * e)) / (2 * h) for e in np.eye(3)])
    same(ac.hessian(f)(x), expected, rtol=1e-7, atol=1e-8)
    same(ac.hessian(f)(x), ac.jacobian(ac.jacobian(f))(x), rtol=1e-10)


# -- tensors for tensors; .grad is never touched ---------------------------------------------------


def test_tensors_for_tensors():
    x = Tensor(X)
    for out in (
        ac.grad(quadratic)(x),
        ac.jacobian(vector)(x),
        ac.hessian(cubic)(x),
        ac.jvp(vector, (x,), (x,))[1],
        *ac.hvp(cubic, (x,), (x,)),
        ac.vjp(vector, x)[0],
        ac.vjp(vector, x)[1](X)[0],
        *ac.value_and_grad(quadratic)(x),
    ):
        assert type(out) is Tensor
    same(ac.grad(quadratic)(x).data, (A + A.T) @ X)


def test_grad_is_never_touched():
    x, w = Tensor(X, requires_grad=True), Tensor(A, requires_grad=True)
    g = ac.grad(lambda x: np.sum((w @ x) ** 2))(x)
    ac.hessian(cubic)(x)
    ac.jvp(vector, (x,), (X,))
    ac.vjp(vector, x)[1](X)
    assert x.grad is None and w.grad is None
    assert g.requires_grad, "recorded, since the argument is in a graph"
    g.sum().backward()
    same(x.grad.data, 2 * (A.T @ A).sum(0))
    assert w.grad.shape == (3, 3)


def test_closures_over_tensors_in_a_graph():
    w = Tensor(2.0, requires_grad=True)
    outer = w * 3
    same(ac.grad(lambda x: np.sum(x * x * outer))(X), 2 * X * 6)
    same(ac.jvp(lambda x: x * outer, (X,), (np.ones(3),))[1], [6, 6, 6])
    outer.backward()
    assert w.grad.item() == 3, "its graph has not been freed"


def test_transforms_record_inside_no_grad():
    with ac.no_grad():
        same(ac.grad(quadratic)(X), (A + A.T) @ X)
        same(ac.hessian(cubic)(X).diagonal(), 6 * X)
        assert not ac.is_grad_enabled()


def test_backward_inside_a_function_that_is_differentiated():
    def f(x):
        y = Tensor(X, requires_grad=True)
        np.sum(y * y).backward()
        return np.sum(x * y.grad)

    same(ac.grad(f)(X), 2 * X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_are_kept(dtype):
    x = X.astype(dtype)
    for out in (
        *ac.value_and_grad(quadratic32)(x),
        ac.jacobian(vector)(x),
        ac.hessian(cubic)(x),
        *ac.hvp(cubic, (x,), (x,)),
        *ac.jvp(vector, (x,), (x,)),
        ac.vjp(vector, x)[1](X)[0],
        ac.grad(ac.grad(lambda s: s**3))(dtype(2)),
    ):
        assert out.dtype == dtype


def quadratic32(x):
    return x @ A.astype(x.dtype) @ x


ERRORS = {
    "grad of a vector": (
        lambda: ac.grad(vector)(X),
        GraphError,
        r"grad: the function must return a 0-d value, got shape \(3,\); reduce it",
    ),
    "value_and_grad of a vector": (
        lambda: ac.value_and_grad(vector)(X),
        GraphError,
        "value_and_grad: the function must return a 0-d",
    ),
    "integers": (
        lambda: ac.grad(np.sum)(np.arange(3)),
        DTypeError,
        "grad: an argument to differentiate must be floating, got argument 0 of dtype int64",
    ),
    "argnums": (
        lambda: ac.grad(np.sum, argnums=2)(X),
        ArgumentError,
        "grad: argnums must name positional arguments, got 2 for a call with 1",
    ),
    "argnums of jacobian": (
        lambda: ac.jacobian(np.sum, argnums=(0, -2))(X),
        ArgumentError,
        "jacobian: argnums must name",
    ),
    "cotangent": (
        lambda: ac.vjp(vector, X)[1](A),
        ShapeError,
        r"vjp: a cotangent must have the output's shape \(3,\), got \(3, 3\)",
    ),
    "tangent": (
        lambda: ac.jvp(vector, (X,), (A,)),
        ShapeError,
        r"jvp: a tangent must have its primal's shape \(3,\), got \(3, 3\) for argument 0",
    ),
    "number of tangents": (
        lambda: ac.jvp(vector, (X,), ()),
        ShapeError,
        "jvp: there must be a tangent for each primal, got 1 and 0",
    ),
    "tangent of hvp": (lambda: ac.hvp(cubic, (X,), (A,)), ShapeError, "must have its primal's shape"),
    "no number": (lambda: ac.grad(lambda x: "x")(X), DTypeError, "must be numeric"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_error(name):
    attempt, error, message = ERRORS[name]
    with pytest.raises(error, match=message) as caught:
        attempt()
    assert "called at test_transforms.py:" in str(caught.value)


def test_jvp_of_a_freed_part():
    w = Tensor(X, requires_grad=True)

    def f(x):
        y = np.exp(x)
        np.sum(y * w).backward()
        return y

    with pytest.raises(GraphError, match="graph must still keep its arrays, but exp has been freed by a backward pass"):
        ac.jvp(f, (X,), (X,))


# -- jacobians by rows or columns, and in batches --------------------------------------------------


@pytest.mark.parametrize("mode", ["auto", "fwd", "rev"])
@pytest.mark.parametrize("shape", [(2, 3), (3,), (0,), ()])
def test_modes_of_the_jacobian(mode, shape):
    x = np.random.default_rng(0).normal(size=shape)
    jac = ac.jacobian(lambda x: np.sin(x) * np.sum(x), mode=mode)(x)
    assert jac.shape == 2 * shape
    eye = np.eye(x.size).reshape(2 * shape)
    same(jac, eye * np.cos(x) * np.sum(x) + np.sin(x).reshape(shape + (1,) * len(shape)) * np.ones(2 * shape))
    same(ac.hessian(lambda x: np.sum(x**3), mode=mode)(x), eye * 6 * x)


def test_auto_takes_the_cheaper_mode(monkeypatch):
    from autograd_core.transforms import jacobians

    taken = []
    for name in ("_rows", "_columns"):
        original = getattr(jacobians, name)
        monkeypatch.setattr(jacobians, name, lambda *a, f=original, name=name: taken.append(name) or f(*a))
    ac.jacobian(lambda x: x[:2])(X)
    ac.jacobian(lambda x: np.stack([x, x]))(X)
    ac.jacobian(lambda x, y: x * y, argnums=(0, 1))(X, 2.0)
    ac.hessian(cubic)(X)
    assert taken == ["_rows", "_columns", "_rows", "_columns"]


def test_a_large_jacobian_is_computed_in_chunks(monkeypatch):
    from autograd_core.transforms import jacobians

    x = np.random.default_rng(0).normal(size=(7, 3))

    def f(x):
        return x / np.sqrt(np.sum(x * x, axis=1, keepdims=True)) @ x.T

    expected = [ac.jacobian(f, mode=mode)(x) for mode in ("fwd", "rev")]
    for limit in (1, 100, 1000):
        monkeypatch.setattr(jacobians, "_CHUNK", limit)
        for mode, e in zip(("fwd", "rev"), expected, strict=True):
            same(ac.jacobian(f, mode=mode)(x), e)


def test_hooks_and_anomaly_mode_see_single_gradients():
    seen = []

    def f(x):
        y = np.exp(x)
        y.register_hook(lambda g: seen.append(g.shape) or np.clip(g, -0.5, 0.5))
        return y * 1.0

    same(ac.jacobian(f, mode="rev")(X), 0.5 * np.diag(np.exp(X)))
    assert seen == [(3,)] * 3
    with ac.anomaly_mode():
        same(ac.jacobian(np.exp, mode="rev")(X), np.diag(np.exp(X)))
        with pytest.raises(ac.errors.NonFiniteError, match="sqrt"), np.errstate(all="ignore"):
            ac.jacobian(lambda x: np.sqrt(x * 0.0), mode="rev")(X)


def test_a_recorded_jacobian():
    w = Tensor(2.0, requires_grad=True)
    for mode in ("fwd", "rev"):
        jac = ac.jacobian(lambda x: np.sin(x) * w, mode=mode)(Tensor(X))
        assert type(jac) is Tensor and jac.requires_grad
        w.grad = None
        jac.sum().backward()
        same(w.grad.data, np.sum(np.cos(X)))
        total = ac.grad(lambda x, mode=mode: np.sum(ac.jacobian(np.tanh, mode=mode)(x) ** 2))(X)
        d = 1 - np.tanh(X) ** 2
        same(total, -4 * np.tanh(X) * d**2)
    assert type(ac.jacobian(np.sin)(Tensor(X))) is Tensor and not ac.jacobian(np.sin)(Tensor(X)).requires_grad


def test_a_cotangent_of_several_outputs_meets_in_the_inputs():
    _, pull = ac.vjp(lambda x: (x, x * 2, x, 5.0), X)
    same(pull((X, X, A[0], 1.0))[0], 3 * X + A[0])
    _, tangents = ac.jvp(lambda x: (x, x * 2, 5.0), (X,), (A[0],))
    for t, e in zip(tangents, (A[0], 2 * A[0], 0.0), strict=True):
        same(t, e)


@pytest.mark.parametrize("transform", [ac.jacobian, ac.hessian])
def test_an_unknown_mode(transform):
    with pytest.raises(
        ArgumentError, match=r"mode must be among \('auto', 'fwd', 'rev'\), got 'reverse'; .*at test_tr"
    ):
        transform(cubic, mode="reverse")
