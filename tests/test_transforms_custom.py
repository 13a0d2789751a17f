"""Operators of users: one declaration, and all readers of it; bad declarations are told in clear words."""

import functools

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Array, Bad, Sample, Tensor, op
from autograd_core.errors import ArgumentError, DTypeError, GraphError, NoRuleError, ShapeError

X = np.array([[0.5, 1.5, -0.7], [0.2, -1.0, 2.0]])
Y = np.array([0.3, 0.6, 1.2])


@op(
    "elementwise",
    symbol="swoosh",
    latex=r"{a} \sigma({b} {a})",
    derivative={"a": r"\sigma + {a} {b} \sigma (1 - \sigma)", "b": r"{a}^2 \sigma (1 - \sigma)"},
    samples=[Sample(Array(2, 3), Array(3))],
    bad=[Bad(ShapeError, "the operands must fit together", Array(2), Array(3))],
    analytic=True,
)
def swoosh(a, b):
    """a / (1 + exp(-b a))."""
    return a / (1 + np.exp(-b * a))


def slope(a, b):
    s = 1 / (1 + np.exp(-a * b))
    return s, s * (1 - s)


swoosh.vjp(
    a=lambda g, a, b: g * (slope(a, b)[0] + a * b * slope(a, b)[1]),
    b=lambda g, a, b: g * (a * a * slope(a, b)[1]),
)


@op("reduction", latex=r"\max_\tau {a}", derivative={"a": r"\operatorname{softmax}({a} / \tau)"}, analytic=True)
def smooth_max(a, axis=None, tau=1.0):
    """tau log sum exp(a / tau)."""
    return tau * np.log(np.sum(np.exp(a / tau), axis=axis))


def smooth_max_rule(g, a, out, axis, tau):
    g, out = (x if axis is None else np.expand_dims(x, axis) for x in (g, out))
    return g * np.exp((a - out) / tau)


smooth_max.vjp(a=smooth_max_rule)


def composed(a, b):
    return a * (1 / (1 + np.exp(-b * a)))


def test_eager_values_and_gradients():
    assert np.array_equal(swoosh(X, Y), X / (1 + np.exp(-Y * X))) and type(swoosh(X, Y)) is np.ndarray
    x, y = Tensor(X, requires_grad=True), Tensor(Y, requires_grad=True)
    swoosh(x, y).sum().backward()
    gx, gy = ac.grad(lambda a, b: np.sum(composed(a, b)), (0, 1))(X, Y)
    np.testing.assert_allclose(x.grad.data, gx, rtol=1e-13)
    np.testing.assert_allclose(y.grad.data, gy, rtol=1e-13, err_msg="summed over the broadcast axis by the engine")
    np.testing.assert_allclose(ac.grad(lambda a: swoosh(a, 2.0))(0.5), ac.grad(lambda a: composed(a, 2.0))(0.5))


@pytest.mark.parametrize("transform", ["hessian", "jvp", "jvp of grad", "grad of grad", "hvp"])
def test_transforms(transform):
    def apply(f):
        def total(a):
            return np.sum(f(a, Y) ** 2)

        return {
            "hessian": lambda: ac.hessian(total)(X),
            "jvp": lambda: ac.jvp(f, (X, Y), (X, Y))[1],
            "jvp of grad": lambda: ac.jvp(ac.grad(total), (X,), (np.ones_like(X),))[1],
            "grad of grad": lambda: ac.grad(lambda a: np.sum(ac.grad(total)(a) ** 2))(X),
            "hvp": lambda: ac.hvp(lambda a, b: np.sum(f(a, b) ** 3), (X, Y), (X, Y))[1],
        }[transform]()

    np.testing.assert_allclose(apply(swoosh), apply(composed), rtol=1e-12, atol=1e-13)


def test_check_grads():
    ac.check_grads(swoosh, [X, Y])
    ac.check_grads(lambda a: smooth_max(a, axis=1, tau=0.5), [X])
    ac.check_grads(lambda a: smooth_max(a), [X])
    ac.check_grads(swoosh, [X.astype(np.float32), Y.astype(np.float32)], order=1)


def test_the_other_readers():
    x = Tensor(X, requires_grad=True, name="x")
    out = swoosh(x, Tensor(Y, name="y"))
    assert "swoosh" in ac.draw(out).source
    assert r"1 - \frac{1}{1 + e^{-x_{ij} y_{j}}}" in ac.derivation(out, x).latex, "its rule, term by term"
    assert "x" in ac.influence(out, x).source


def test_it_stays_out_of_the_registry():
    assert "swoosh" not in ac.registry.operators, "its name is its own"


def test_a_scalar_rule_of_python_functions_stops_at_batches():
    """A rule that leaves NumPy's protocols is right too: its Jacobian is computed one by one."""

    @op("composite", latex="f", derivative={"a": "f'"})
    def outside(a):
        """a ** 2."""
        return a**2

    seen = []

    def rule(g, a):
        seen.append(type(g))
        return np.asarray([float(x) for x in np.asarray(g)]) * 2 * a

    outside.vjp(a=rule)
    np.testing.assert_array_equal(ac.jacobian(outside)(Y), np.diag(2 * Y))
    assert seen[1:] == [np.ndarray] * 3 and len(seen) == 4, "a batch was tried once"


def test_stop_gradient():
    assert np.array_equal(ac.grad(lambda x: np.sum(x * ac.stop_gradient(x)))(Y), Y)
    assert ac.stop_gradient(Y) is Y
    same = ac.jvp(lambda x: ac.stop_gradient(x * 2), (Y,), (Y,))
    assert np.array_equal(same[0], 2 * Y) and not same[1].any()

    def straight_through(x):
        return x + ac.stop_gradient(np.round(x) - x)

    np.testing.assert_allclose(straight_through(Y), np.round(Y))
    assert np.array_equal(ac.grad(lambda x: np.sum(straight_through(x)))(Y), np.ones(3))


# -- bad declarations --------------------------------------------------------------------------------------------------


def declared(rule=None, kind="composite", operands=1, **rules):
    if operands == 1:

        @op(kind, latex="{a}", derivative={"a": "1"})
        def mine(a):
            """a ** 2."""
            return a * a

    else:

        @op(kind, latex="{a}{b}", derivative={"a": "1"})
        def mine(a, b):
            """a b."""
            return a * b

    return mine.vjp(rule, **rules) if rule or rules else mine


def of_leaf(operator):
    x = Tensor(Y, requires_grad=True)
    operator(x).sum().backward()


def of_inner(operator):
    return ac.grad(lambda x: np.sum(operator(x * 1.0)))(Y)


def of_two(operator):
    return ac.grad(lambda a, b: np.sum(operator(a, b)), (0, 1))(Y, Y)


BAD_ANSWERS = {
    "too many axes": (lambda g: np.ones((2, 3)), ShapeError, r"of shape \(3,\), or .* got shape \(2, 3\)"),
    "another length": (lambda g: np.ones(4), ShapeError, r"got shape \(4,\); correct the rule"),
    "None": (lambda g: None, ShapeError, "got NoneType"),
    "a number": (lambda g: 2.0, ShapeError, "got float"),
    "a list": (lambda g: [1.0, 2.0, 3.0], ShapeError, "got list"),
    "complex": (lambda g: np.ones(3, complex), DTypeError, "a real gradient, got dtype complex128; take np.real"),
}


@pytest.mark.parametrize("kind", ["composite", "elementwise"])
@pytest.mark.parametrize("use", [of_leaf, of_inner])
@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_bad_answers_of_a_rule(name, use, kind):
    rule, error, message = BAD_ANSWERS[name]
    with pytest.raises(error, match=f"mine: the rule of 'a' must return .*{message}.*test_transforms_custom.py:"):
        use(declared(kind=kind, a=rule))


def test_answers_that_are_put_right():
    """Smaller answers stand for their broadcast, integers are converted."""
    x = Tensor(Y, requires_grad=True)
    declared(a=lambda g: np.ones(1, int))(x).sum().backward()
    assert x.grad.dtype == np.float64 and np.array_equal(x.grad.data, np.ones(3))


BAD_DECLARATIONS = {
    "no rule": (lambda: of_leaf(declared()), NoRuleError, "mine: .* must have a rule, got none for 'a', whose grad"),
    "no rule, forward": (
        lambda: ac.jvp(declared(), (Y,), (Y,)),
        NoRuleError,
        "got none for 'a', whose gradient would be lost; declare it with mine.vjp",
    ),
    "a rule for one of two": (
        lambda: of_two(declared(operands=2, a=lambda g, b: g * b)),
        NoRuleError,
        "got none for 'b'",
    ),
    "a joint rule with one answer": (
        lambda: of_two(declared(lambda g, a, b: [g * b], operands=2)),
        GraphError,
        r"mine: a rule for all operands must return a gradient \(or None\) for each of the 2, got 1; correct",
    ),
    "a ufunc": (lambda: declared(a=np.negative), ArgumentError, "a rule must be a Python function, .* got <ufunc"),
    "a partial function": (
        lambda: declared(a=functools.partial(np.multiply, 2.0)),
        ArgumentError,
        "got functools.partial.*; write lambda g, ...: around it",
    ),
}


@pytest.mark.parametrize("name", BAD_DECLARATIONS)
def test_bad_declarations(name):
    attempt, error, message = BAD_DECLARATIONS[name]
    with pytest.raises(error, match=message) as caught:
        attempt()
    assert "called at test_transforms_custom.py:" in str(caught.value)


def test_an_operand_without_a_rule_may_be_a_constant():
    half = declared(operands=2, a=lambda g, b: g * b)
    assert np.array_equal(ac.grad(lambda a: np.sum(half(a, Y)))(X[0]), Y)
