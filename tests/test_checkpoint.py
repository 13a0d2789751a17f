"""`checkpoint` equals the direct computation in value, gradients and random draws, and keeps less."""

import gc
import weakref

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor, random
from autograd_core.context import current
from autograd_core.errors import VersionError

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5]])
W = np.array([[1.0, 2.0, 0.5], [0.5, -1.0, 1.0], [0.0, 1.0, -2.0]])


def layer(x, w):
    return np.tanh(x @ w) * np.exp(-x)


def run(through, create=False):
    """Value and gradients of a function of two layers, the second through `through`."""
    x, w = Tensor(X.copy(), requires_grad=True), Tensor(W.copy(), requires_grad=True)
    h = layer(x, w)
    out = through(layer, h, w)
    total = np.sum(out * out)
    total.backward(create_graph=create)
    if create:
        gx, gw = x.grad, w.grad
        x.grad = w.grad = None
        (np.sum(gx * gx) + np.sum(gw**3)).backward()
    return [total.data, x.grad.data, w.grad.data]


def direct(f, *args):
    return f(*args)


@pytest.mark.parametrize("create", [False, True], ids=["first order", "second order"])
def test_equals_the_direct_computation(create):
    for a, e in zip(run(ac.checkpoint, create), run(direct, create), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-13)


def test_nested_checkpoints():
    def nested(f, h, w):
        return ac.checkpoint(lambda h, w: ac.checkpoint(f, ac.checkpoint(f, h, w), w) + h, h, w)

    def flat(f, h, w):
        return f(f(h, w), w) + h

    for create in (False, True):
        for a, e in zip(run(nested, create), run(flat, create), strict=True):
            np.testing.assert_allclose(a, e, rtol=1e-12)


def test_closures_get_gradients():
    def closed(f, h, w):
        return ac.checkpoint(lambda: f(h, w))

    def closed_over_weights(f, h, w):
        return ac.checkpoint(lambda h: f(h, w), h)

    def in_a_list(f, h, w):
        return ac.checkpoint(lambda pair: f(*pair), [h, w])

    for through in (closed, closed_over_weights, in_a_list):
        for create in (False, True):
            for a, e in zip(run(through, create), run(direct, create), strict=True):
                np.testing.assert_allclose(a, e, rtol=1e-13)


def test_random_draws_are_replayed_with_the_same_bits():
    def dropout(x):
        return x * random.bernoulli(0.5, x.shape) * 2

    grads = []
    for through in (ac.checkpoint, direct):
        random.seed(3)
        x = Tensor(np.ones(50), requires_grad=True)
        out = through(dropout, x)
        after = random.normal()
        out.sum().backward()
        np.testing.assert_array_equal(x.grad.data, out.data)
        grads.append((x.grad.data, after, random.normal()))
    np.testing.assert_array_equal(grads[0][0], grads[1][0])
    assert grads[0][1:] == grads[1][1:], "the recomputation does not disturb the state"


def test_side_effects_know_that_it_is_a_replay():
    moves = []

    def f(x):
        if not current().replaying:
            moves.append(1)
        return np.exp(x)

    x = Tensor(X, requires_grad=True)
    ac.checkpoint(f, x).sum().backward()
    assert moves == [1]


def test_intermediate_values_are_not_kept():
    seen = []

    def f(x):
        y = np.exp(x)
        seen.append(weakref.ref(y.data))
        return np.sin(y)

    x = Tensor(X.copy(), requires_grad=True)
    out = ac.checkpoint(f, x)
    assert seen[0]() is None
    value = weakref.ref(out.data)
    total = out.sum()
    del out
    assert value() is None, "nor is the result, if nothing else needs it"
    total.backward()
    assert len(seen) == 2 and seen[1]() is None


@pytest.mark.parametrize("backward", [True, False])
def test_no_cycle_keeps_the_arguments(backward):
    big = Tensor(np.ones(100), requires_grad=True) * 1.0
    alive = weakref.ref(big.data)
    gc.disable()
    try:
        out = ac.checkpoint(lambda z: np.sum(z * z), big)
        if backward:
            out.backward()
        del out, big
        assert alive() is None
    finally:
        gc.enable()


def test_trivial_functions():
    x = Tensor(X.copy(), requires_grad=True)
    ac.checkpoint(lambda x: x, x).sum().backward()
    np.testing.assert_array_equal(x.grad.data, np.ones_like(X))
    assert ac.checkpoint(lambda x: 3.0, x) == 3.0
    assert not ac.checkpoint(lambda x: x.detach() * 2, x).requires_grad
    np.testing.assert_array_equal(ac.checkpoint(np.exp, X), np.exp(X))


def test_constants_and_other_arguments():
    x = Tensor(X.copy(), requires_grad=True)
    ac.checkpoint(lambda x, c, n, k: x * c * n + k, x, Tensor(2.0), 3.0, 1.0).sum().backward()
    np.testing.assert_array_equal(x.grad.data, np.full_like(X, 6.0))


def test_inside_no_grad_and_inside_transforms():
    x = Tensor(X.copy(), requires_grad=True)
    with ac.no_grad():
        assert not ac.checkpoint(np.exp, x).requires_grad
    np.testing.assert_allclose(
        ac.grad(lambda x: np.sum(ac.checkpoint(layer, x, W)))(X), ac.grad(lambda x: np.sum(layer(x, W)))(X)
    )
    np.testing.assert_allclose(
        ac.jvp(lambda x: ac.checkpoint(layer, x, W), (X,), (X,))[1], ac.jvp(lambda x: layer(x, W), (X,), (X,))[1]
    )
    np.testing.assert_allclose(
        ac.hessian(lambda x: np.sum(ac.checkpoint(np.sin, x)))(W[0]), -np.diag(np.sin(W[0])), atol=1e-15
    )


def test_no_grad_inside():
    def f(x):
        with ac.no_grad():
            scale = np.max(x)
        return x * scale

    x = Tensor(X.copy(), requires_grad=True)
    ac.checkpoint(f, x).sum().backward()
    np.testing.assert_array_equal(x.grad.data, np.full_like(X, 2.0))


def test_float32_is_kept():
    x = Tensor(X.astype(np.float32), requires_grad=True)
    out = ac.checkpoint(lambda x: np.tanh(x) * 2, x)
    out.sum().backward()
    assert out.dtype == x.grad.dtype == np.float32


def test_retain_graph():
    x = Tensor(X.copy(), requires_grad=True)
    out = ac.checkpoint(np.exp, x).sum()
    out.backward(retain_graph=True)
    out.backward()
    np.testing.assert_allclose(x.grad.data, 2 * np.exp(X))


@pytest.mark.parametrize("which", ["argument", "closure", "constant"])
def test_what_it_computes_from_must_not_change(which):
    """The recomputation would silently be one of other values."""
    x, w, c = Tensor(X.copy(), requires_grad=True), Tensor(W.copy(), requires_grad=True), Tensor(W.copy())
    h = x * 1.0
    out = ac.checkpoint(lambda h, c: h @ w @ c, h, c).sum()
    {"argument": h, "closure": w, "constant": c}[which]._touch("SGD.step")
    with pytest.raises(VersionError, match=r"checkpoint.*but SGD.step changed it"):
        out.backward()
