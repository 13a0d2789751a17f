"""Operators from user code: what functions and rules return, what stands in static arguments, their names."""

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor, op
from autograd_core.errors import ArgumentError, DTypeError, GraphError


def tripled(rule):
    @op("elementwise")
    def triple(a):
        return a * 3

    return triple.vjp(a=rule)


@pytest.mark.parametrize(
    "rule",
    [
        lambda g, a: (g * 3).astype("f8"),
        lambda g, a: g * np.full(a.shape, 3.0),
        lambda g: g * np.float64(3.0),
        lambda g: (g * 3).astype("f2"),
    ],
)
def test_the_dtype_of_a_rules_answer_is_the_operands(rule):
    triple = tripled(rule)
    for dtype in (np.float32, np.float64):
        x = np.ones((2, 3), dtype)
        for f in (lambda x: np.sum(triple(x)), lambda x: np.sum(triple(x) * x), lambda x: np.sum(triple(triple(x)))):
            assert ac.grad(f)(x).dtype == ac.jvp(f, (x,), (x,))[1].dtype == dtype
        assert np.all(ac.grad(lambda x: np.sum(triple(x)))(x) == 3)


@pytest.mark.parametrize(("value", "name"), [([1.0, 2.0], "list"), (None, "NoneType"), ("x", "str")])
def test_a_function_must_return_an_array(value, name):
    @op("composite")
    def odd(a):
        return value

    odd.vjp(a=lambda g: g)
    for x in (Tensor(np.ones(2), requires_grad=True), np.ones(2)):
        with pytest.raises(
            DTypeError, match=rf"odd: the function must return an array, got {name}; build it with np.st"
        ):
            odd(x)


def test_a_number_is_an_array():
    @op("reduction")
    def total(a):
        return float(np.sum(a))

    total.vjp(a=lambda g, a_shape: np.broadcast_to(g, a_shape))
    assert np.array_equal(ac.grad(lambda x: total(x) ** 2)(np.ones(3)), [6, 6, 6])


@pytest.mark.parametrize("part", [lambda a: a, lambda a: a[...], lambda a: a.T])
def test_a_result_shares_no_memory_with_an_operand(part):
    @op("composite")
    def same(a):
        return part(a)

    same.vjp(a=lambda g: part(g))
    t = Tensor(np.ones((2, 2)), requires_grad=True)
    a = t * 1.0
    b = same(a)
    a *= 2.0
    assert np.all(b.data == 1)
    (b * 3.0).sum().backward()
    assert np.all(t.grad.data == 3)


@pytest.mark.parametrize("options", [{"s": 1}, [1], (1, [1]), {"s": {"deep": [1]}}])
def test_a_tensor_in_a_container_of_static_arguments_is_noticed(options):
    @op("elementwise", operands=("a",))
    def scaled(a, opts=None):
        first = opts
        while isinstance(first, dict | list | tuple):
            first = next(iter(first.values())) if isinstance(first, dict) else first[-1]
        return a * first

    scaled.vjp(a=lambda g: g * 2.0)

    def filled(x, t):
        if isinstance(x, dict):
            return {k: filled(v, t) for k, v in x.items()}
        return type(x)(filled(v, t) for v in x) if isinstance(x, list | tuple) else t

    t = Tensor(np.ones(3), requires_grad=True)
    with pytest.raises(GraphError, match=r"scaled: an argument without a gradient rule must be a constant.*detach"):
        scaled(t, opts=filled(options, Tensor(2.0, requires_grad=True)))
    assert np.all(scaled(t, opts=filled(options, Tensor(2.0))).data == 2)


def test_what_is_declared_is_checked():
    with pytest.raises(ArgumentError, match="op: linear must be 'jointly', 'each' or None, got 'foo'; leave it out"):
        op("elementwise", linear="foo")
    with pytest.raises(
        ArgumentError, match=r"op: a NumPy function must have one operator, got np.tanh for tanh, which"
    ):

        @op("elementwise", numpy=np.tanh)
        def tanh(a):
            return np.tanh(a)

    assert np.tanh(Tensor(0.5, requires_grad=True))._node.op is ac.registry.operators["tanh"]


def test_a_ufunc_without_an_operator_takes_one_from_user_code(monkeypatch):
    monkeypatch.setattr(ac.registry, "ufuncs", dict(ac.registry.ufuncs))
    for slope in (1.0, 2.0):  # and another one in its place, as a cell that is run again makes

        @op("elementwise", numpy=np.nextafter)
        def following(a, b):
            return np.nextafter(a, b)

        following.vjp(a=lambda g: g * slope, b=lambda g: g * 0)  # noqa: B023
        assert ac.grad(lambda x: np.nextafter(x, 3.0))(2.0) == slope
