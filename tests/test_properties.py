"""Properties of gradients on random expression graphs."""

import numpy as np
import pytest
from hypothesis import given, settings

import autograd_core as ac
from expression_graphs import ANALYTIC, PIECEWISE, points, programs, run

EVERYTHING = ANALYTIC | PIECEWISE
# Derandomized: the same programs on every machine; no data base of earlier failures.
fixed = settings(max_examples=300, deadline=None, derandomize=True, database=None)
STEP = 1e-30


def gradients(program, operations):
    leaves = points(program)
    return leaves, ac.grad(lambda *x: run(program, x, operations), argnums=tuple(range(len(leaves))))(*leaves)


@fixed
@given(programs(ANALYTIC))
def test_every_element_of_the_gradient_is_the_complex_step(program):
    leaves, found = gradients(program, ANALYTIC)
    for k, leaf in enumerate(leaves):
        for at in np.ndindex(leaf.shape):
            moved = [x.astype(complex) for x in leaves]
            moved[k][at] += 1j * STEP
            expected = np.imag(run(program, moved, ANALYTIC)) / STEP
            np.testing.assert_allclose(found[k][at], expected, rtol=1e-10, atol=1e-12)


@fixed
@given(programs(EVERYTHING))
def test_forward_mode_is_the_same_linear_map_as_reverse_mode(program):
    leaves, found = gradients(program, EVERYTHING)
    rng = np.random.default_rng(0)
    tangents = [rng.normal(size=x.shape) for x in leaves]
    _, forward = ac.jvp(lambda *x: run(program, x, EVERYTHING), leaves, tangents)
    backward = sum(np.sum(g * t) for g, t in zip(found, tangents, strict=True))
    np.testing.assert_allclose(forward, backward, rtol=1e-10, atol=1e-12)


@settings(fixed, max_examples=60)
@given(programs(EVERYTHING))
def test_the_hessian_is_symmetric(program):
    leaves = points(program)
    rng = np.random.default_rng(0)
    u, v = ([rng.normal(size=x.shape) for x in leaves] for _ in range(2))

    def product(vectors):
        out = ac.hvp(lambda *x: run(program, x, EVERYTHING), leaves, vectors)
        return out if isinstance(out, tuple | list) else [out]

    left = sum(np.sum(a * b) for a, b in zip(product(u), v, strict=True))
    right = sum(np.sum(a * b) for a, b in zip(product(v), u, strict=True))
    np.testing.assert_allclose(left, right, rtol=1e-8, atol=1e-10)


@settings(fixed, max_examples=40)
@given(programs(EVERYTHING))
def test_a_graph_recorded_twice_and_differentiated_in_pieces_gives_the_same(program):
    """Through Tensors and `.backward`, twice: gradients accumulate to exactly twice the gradient."""
    leaves, found = gradients(program, EVERYTHING)
    tensors = [ac.tensor(x, requires_grad=True) for x in leaves]
    for _ in range(2):
        out = run(program, tensors, EVERYTHING)
        if out.requires_grad:
            out.backward()
    for tensor, gradient in zip(tensors, found, strict=True):
        total = np.zeros(tensor.shape) if tensor.grad is None else tensor.grad.numpy()
        np.testing.assert_array_equal(total, 2 * gradient)


def test_a_rule_that_is_off_by_a_thousandth_is_found(monkeypatch):
    @ac.op("elementwise", latex=r"\tanh {a}", derivative={"a": "1 - {out}^2"}, analytic=True)
    def off(a):
        """Hyperbolic tangent with a wrong rule."""
        return np.tanh(a)

    off.vjp(a=lambda g, out: g * (1.001 - out * out))
    monkeypatch.setitem(ANALYTIC, "tanh", (1, off))
    with pytest.raises(AssertionError):
        test_every_element_of_the_gradient_is_the_complex_step()
