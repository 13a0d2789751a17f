"""Jacobians of Jacobians: recorded as one batch, differentiated as one batch, the same as row by row."""

import itertools

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor, op
from autograd_core.batching import CannotBatchError
from autograd_core.transforms import jacobians
from registry_cases import DIFFERENTIABLE

RNG = np.random.default_rng(0)
W = RNG.normal(size=(4, 4))
X = RNG.normal(size=4)
MODES = ("rev", "fwd")
SMALL = [c for c in DIFFERENTIABLE if 1 < c.arrays()[0].size <= 9 and not c.op.multiple]


def vector(x):
    return np.tanh(W @ x) * x[0]


def scalar(x):
    return np.sum(np.tanh(W @ x) ** 2) + np.prod(x)


def row_by_row(monkeypatch, f, *args):
    with monkeypatch.context() as patch:
        patch.setattr(jacobians, "_chunk", lambda traced, create: 1)
        return f(*args)


def agree(actual, expected):
    scale = np.max(np.abs(np.nan_to_num(expected)), initial=0)
    assert actual.shape == expected.shape and actual.dtype == expected.dtype
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-13 * scale)


@pytest.mark.parametrize("modes", list(itertools.product(MODES, MODES)), ids="-".join)
@pytest.mark.parametrize("case", SMALL, ids=str)
def test_every_operator(case, modes, monkeypatch, attempts):
    first, *others = case.arrays()
    jac = lambda x: case.call([x, *others])[0]  # noqa: E731
    for mode in modes:
        jac = ac.jacobian(jac, mode=mode)
    with np.errstate(all="ignore"):
        batched = jac(first)
        assert all(a is True for a in attempts), attempts
        agree(batched, row_by_row(monkeypatch, jac, first))


NESTED = {
    **{f"jacobian of hessian, {m}": ac.jacobian(ac.hessian(scalar), mode=m) for m in MODES},
    **{
        f"three deep, {' '.join(m)}": ac.jacobian(ac.jacobian(ac.jacobian(vector, mode=m[0]), mode=m[1]), mode=m[2])
        for m in itertools.product(MODES, repeat=3)
    },
    "hessian of a vector": ac.jacobian(ac.jacobian(lambda x: np.linalg.inv(W + np.outer(x, x)))),
    "gradient of a norm": ac.grad(lambda x: np.sum(ac.jacobian(vector)(x) ** 2)),
    "hessian of a norm": ac.hessian(lambda x: np.sum(ac.jacobian(vector, mode="rev")(x) ** 2)),
    "hessian of a norm of a hessian": ac.hessian(lambda x: np.sum(ac.hessian(scalar)(x) ** 2)),
    "jvp": lambda x: ac.jvp(ac.jacobian(vector), (x,), (np.cos(x),))[1],
    "vjp": lambda x: ac.vjp(ac.jacobian(vector), x)[1](W)[0],
    "two in one": ac.jacobian(lambda x: ac.jacobian(vector, mode="rev")(x) @ ac.jacobian(vector, mode="fwd")(x)),
    "at a point that depends": ac.jacobian(lambda x: x[1] * ac.jacobian(lambda y: vector(y * x))(x * x)),
    "an outer variable": ac.jacobian(lambda x: ac.jacobian(lambda y: np.sin(np.outer(x, y)) @ x)(np.ones(4))),
}


@pytest.mark.parametrize("name", NESTED)
def test_compositions(name, monkeypatch, attempts):
    batched = NESTED[name](X)
    assert attempts and all(a is True for a in attempts), attempts
    agree(batched, row_by_row(monkeypatch, NESTED[name], X))


def test_backward_through_a_jacobian(monkeypatch):
    def gradient():
        x = Tensor(X, requires_grad=True)
        np.sum(ac.jacobian(vector, mode="rev")(x) ** 3).backward()
        return x.grad.data

    agree(gradient(), row_by_row(monkeypatch, gradient))


def test_the_number_of_recorded_operations_does_not_grow_with_the_rows():
    def nodes(n):
        x = Tensor(np.linspace(0.0, 1.0, n), requires_grad=True)
        stack, seen = [ac.jacobian(lambda x: np.tanh(x) * x)(x)._node], set()
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                stack.extend(p for p in node.parents if hasattr(p, "parents"))
        return len(seen)

    assert nodes(32) == nodes(4)


@op("elementwise")
def cubed(a):
    return a**3


cubed.vjp(a=lambda g, a: g * 3 * a**2)


def test_a_custom_rule_is_followed_row_by_row():
    np.testing.assert_allclose(
        np.einsum("iii->i", ac.jacobian(ac.jacobian(lambda x: cubed(x) + 0 * np.sum(x)))(X)), 6 * X, rtol=1e-13
    )


def test_what_cannot_be_followed_as_a_batch_is_computed_again_row_by_row(monkeypatch):
    from autograd_core import batching_operators

    rule = batching_operators.entering.rules["a"]

    def refusing(g, level, count):
        raise CannotBatchError("not today")

    batching_operators.entering.vjp(a=refusing)
    try:
        refused = [transform(X) for transform in (NESTED["gradient of a norm"], NESTED["jacobian of hessian, rev"])]
    finally:
        batching_operators.entering.vjp(a=rule)
    for out, transform in zip(refused, (NESTED["gradient of a norm"], NESTED["jacobian of hessian, rev"]), strict=True):
        agree(out, row_by_row(monkeypatch, transform, X))
