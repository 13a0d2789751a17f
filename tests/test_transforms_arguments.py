"""What transforms take and give: closures and keywords, arrays of their own, positions, dtypes."""

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor
from autograd_core.errors import ArgumentError, DTypeError


def same(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


@pytest.mark.parametrize("how", ["keyword", "keyword, in a dict"])
def test_a_derivative_depends_on_tensors_that_are_no_positional_argument(how):
    for take in (
        lambda f, x, **o: ac.grad(f)(x, **o),
        lambda f, x, **o: ac.value_and_grad(f)(x, **o)[1],
        lambda f, x, **o: ac.jacobian(f)(x, **o),
        lambda f, x, **o: ac.jacobian(f, mode="fwd")(x, **o),
        lambda f, x, **o: ac.hessian(f)(x, **o) * x,
    ):
        w = Tensor(3.0, requires_grad=True)
        if how == "keyword":
            out = take(lambda x, y: x * x * y * y, 2.0, y=w)
        else:
            out = take(lambda x, o: x * x * o["y"] * o["y"], 2.0, o={"y": w})
        assert out.detach() == 36
        out.backward()
        assert w.grad.data == 24


def test_parameters_that_a_function_uses_besides_leave_arrays_arrays():
    w = Tensor(3.0, requires_grad=True)

    def f(x):
        return x * x * w * w

    for take in (
        ac.grad(f),
        lambda x: ac.value_and_grad(f)(x)[1],
        lambda x: ac.vjp(f, x)[1](1.0)[0],
        lambda x: ac.jvp(f, (x,), (1.0,))[1],
        ac.jacobian(f),
        ac.jacobian(f, mode="fwd"),
        lambda x: ac.hessian(f)(x) * x,
        lambda x: ac.hvp(f, (x,), (1.0,))[0] * x,
    ):
        assert type(take(2.0)) in (np.ndarray, np.float64) and take(2.0) == 36
        out = take(Tensor(2.0))
        out.backward()
        assert out.detach() == 36 and w.grad.data == 24, "a Tensor for a Tensor, in the graph of the parameter"
        w.zero_grad()


@pytest.mark.parametrize("transform", [ac.grad, ac.jacobian, lambda f: ac.jacobian(f, mode="fwd"), ac.hessian])
def test_the_variable_of_a_transform_inside_is_no_tensor_outside(transform):
    for inside in (
        lambda x: ac.grad(lambda y: y**3 * x)(2.0) * x,
        lambda x: ac.jvp(lambda y: y**3 * x, (2.0,), (1.0,))[1] * x,
        lambda x: ac.vjp(lambda y: y**3 * x, 2.0)[1](1.0)[0] * x,
        lambda x: ac.grad(lambda y: ac.grad(lambda z: z**3 * x * y)(2.0))(5.0) * x,
    ):
        out = transform(inside)(3.0)
        assert type(out) is np.ndarray
        same(out, 24 if transform is ac.hessian else 72)


def test_the_callers_arrays_and_the_tapes_are_apart():
    x = np.array([1.0, 2.0])
    y, pull = ac.vjp(np.exp, x)
    y[:] = 100
    same(pull(np.ones(2))[0], np.exp(x))
    y, pull, (aux, _) = ac.vjp(lambda z: (z * z, (z, np.sin(z))), x, has_aux=True)
    aux[:] = x[:] = 100
    same(pull(np.ones(2))[0], [2, 4])
    t = Tensor(np.array([1.0, 2.0]))
    pull = ac.vjp(lambda z: z * z, t)[1]
    t *= 100.0
    same(pull(np.ones(2))[0].detach(), [2, 4])
    x = np.array([1.0, 2.0])
    ac.value_and_grad(lambda z: (np.sum(z * z), z), has_aux=True)(x)[0][1][0] = 55
    constant = Tensor(np.zeros(2))
    ac.jvp(lambda z: constant, (x,), (x,))[0][:] = 55
    same(x, [1, 2])
    same(constant, [0, 0])


@pytest.mark.parametrize("transform", [ac.grad, ac.value_and_grad, ac.jacobian, ac.hessian])
def test_argument_numbers(transform):
    def f(x, y):
        return x * y

    for argnums in [(0, 0), (1, -1), np.array([0, 0])]:
        with pytest.raises(ArgumentError, match=r"argnums must name each argument once, got .* leave out the repeated"):
            transform(f, argnums)(2.0, 3.0)
    for argnums in ["x", 0.5, (0, "y"), None]:
        with pytest.raises(ArgumentError, match=r"argnums must be a whole number or a sequence of them, got .*; count"):
            transform(f, argnums)(2.0, 3.0)
    with pytest.raises(ArgumentError, match=f"{transform.__name__}: argnums must name positional"):
        transform(f, 2)(2.0, 3.0)
    assert type(transform(f, np.int64(1))(2.0, 3.0)) is type(transform(f, 1)(2.0, 3.0))


def test_complex_cotangents_and_tangents_are_refused():
    x, i = np.array([1.0]), np.array([1j])
    with pytest.raises(
        DTypeError, match=r"jvp: a tangent must be real.* got dtype complex128 for argument 0; take np.re"
    ):
        ac.jvp(lambda x: x, (x,), (i,))
    with pytest.raises(DTypeError, match=r"vjp: a cotangent must be real.* got dtype complex128; take np.real"):
        ac.vjp(lambda x: x, x)[1](i)
    t = Tensor(x, requires_grad=True)
    with pytest.raises(
        DTypeError, match=r"backward: the gradient must be real.* got dtype complex128; take np.real of"
    ):
        (t * 1.0).backward(i)
    assert t.grad is None
