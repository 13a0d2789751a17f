"""The backward pass: accumulation, freeing, hooks, aliasing, failures, memory."""

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor, op
from autograd_core.errors import FreedGraphError, GraphError, ShapeError


def leaf(*data):
    return Tensor(np.array(data), requires_grad=True)


def test_gradients_accumulate():
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    (x * 3).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [5, 7])


def test_paths_are_summed():
    x = leaf(2.0)
    y = x * x
    (y * y + y + x).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [4 * 8 + 4 + 1])


def test_backward_on_a_leaf():
    x = leaf(2.0)
    x.backward()
    x.backward(np.array([3.0]))
    np.testing.assert_array_equal(x.grad.data, [4])


def test_a_given_gradient():
    x = leaf(1.0, 2.0)
    (x * x).backward(np.array([1.0, 10.0]))
    np.testing.assert_array_equal(x.grad.data, [2, 40])
    y = leaf(1.0, 2.0)
    (y * y).backward([1, 10])
    assert y.grad.dtype == np.float64
    np.testing.assert_array_equal(y.grad.data, [2, 40])


def test_one_element_needs_no_gradient_argument():
    x = leaf(3.0)
    (x * x).reshape(1, 1).backward()
    assert x.grad.item() == 6


def test_a_second_backward_is_an_error_that_says_what_to_do():
    x = leaf(2.0)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(
        FreedGraphError,
        match=r"graph can be run once.*Give that one retain_graph=True.*in: backward, called at test_backward",
    ):
        y.backward()
    assert x.grad.item() == 4, "the failed one changed nothing"


def test_retain_graph():
    x = leaf(2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 8
    with pytest.raises(FreedGraphError):
        y.backward()


def test_a_shared_part_that_was_freed():
    x = leaf(2.0)
    shared = np.exp(x)
    (shared * 2).sum().backward()
    with pytest.raises(FreedGraphError, match=r"exp of shape \(1,\) has been freed"):
        (shared * 3).sum().backward()


def test_operations_that_keep_nothing_are_freed_too():
    """Whether a second backward is an error must not depend on which operators the graph has."""
    x = leaf(1.0)
    y = (x + 1).sum()
    y.backward()
    with pytest.raises(FreedGraphError):
        y.backward()


def test_create_graph():
    x = leaf(2.0)
    (x**3).sum().backward(create_graph=True)
    g = x.grad
    assert g.requires_grad
    x.grad = None
    g.sum().backward()
    assert x.grad.item() == 12 and not x.grad.requires_grad


def test_create_graph_accumulates():
    x = leaf(2.0)
    (x**3).sum().backward(create_graph=True)
    (x**2).sum().backward(create_graph=True)
    g, x.grad = x.grad, None
    g.sum().backward()
    assert x.grad.item() == 12 + 2


def test_a_graph_is_kept_by_create_graph():
    x = leaf(2.0)
    y = (x**3).sum()
    y.backward(create_graph=True)
    y.backward()
    assert x.grad.item() == 24


# -- hooks ----------------------------------------------------------------------------------------------------------


def test_hooks_on_leaves_and_intermediates():
    x = leaf(2.0)
    y = x * 3
    seen = []
    remove = y.register_hook(lambda g: seen.append(g.item()))
    x.register_hook(lambda g: g * 10)
    (y * y).sum().backward(retain_graph=True)
    assert seen == [12.0] and x.grad.item() == 360
    remove()
    remove()
    (y * y).sum().backward()
    assert seen == [12.0]


def test_a_hook_replaces_the_gradient_of_an_intermediate():
    x = leaf(2.0)
    y = x * 3
    y.register_hook(lambda g: np.zeros(1))
    (y * y).sum().backward()
    assert x.grad.item() == 0


def test_hooks_run_in_order_and_see_the_whole_sum():
    x = leaf(1.0)
    calls = []
    x.register_hook(lambda g: calls.append(("first", g.item())))
    x.register_hook(lambda g: calls.append(("second", g.item())))
    (x * 2 + x * 3).sum().backward()
    assert calls == [("first", 5.0), ("second", 5.0)]


def test_retain_grad():
    x = leaf(2.0)
    y = x * 3
    y.retain_grad()
    (y * y).sum().backward()
    assert y.grad.item() == 12 and x.grad.item() == 36
    x.retain_grad()  # on a leaf it is what happens anyway


def test_an_intermediate_keeps_no_gradient_otherwise():
    x = leaf(2.0)
    y = x * 3
    y.sum().backward()
    assert y.grad is None


def test_a_retained_gradient_has_the_tensors_shape():
    x = leaf(1.0, 2.0, 3.0)
    y = x * 3
    y.retain_grad()
    y.mean().backward()
    np.testing.assert_allclose(y.grad.data, [1 / 3] * 3)


# -- nobody shares an array with a gradient ----------------------------------------------------------------------------


def test_gradients_do_not_alias_each_other():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (x + y).backward(np.ones(2))
    x.grad.data[:] = 9
    np.testing.assert_array_equal(y.grad.data, [1, 1])


@pytest.mark.parametrize(
    "f", [lambda x: x, lambda x: x + 0.0, lambda x: x.reshape(2), lambda x: x[:], lambda x: x.reshape(1, 2)[0]]
)
def test_gradients_do_not_alias_the_given_one(f):
    x, given = leaf(1.0, 2.0), np.ones(2)
    f(x).backward(given)
    x.grad.data[:] = 9
    np.testing.assert_array_equal(given, [1, 1])
    f(x).backward(given)
    np.testing.assert_array_equal(given, [1, 1])


def test_gradients_do_not_alias_operands():
    x, c = leaf(1.0, 2.0), np.array([3.0, 4.0])
    (x * c).backward(np.ones(2))
    (x * c).sum().backward()
    x.grad.data[:] = 0
    np.testing.assert_array_equal(c, [3, 4])
    y = leaf(5.0, 6.0)
    (y * 1.0 * x.detach()).sum().backward()
    y.grad.data[:] = 9
    np.testing.assert_array_equal(x.data, [1, 2])


@pytest.mark.parametrize("size", [3, 100_000])
def test_gradients_of_several_leaves_and_views_are_their_own(size):
    xs = [Tensor(np.ones(size), requires_grad=True) for _ in range(3)]
    total = xs[0] + xs[1] + xs[2][::-1]
    (total + total).backward(np.ones(size))
    for i, x in enumerate(xs):
        assert x.grad.data.flags.writeable
        x.grad.data[:] = i
    for i, x in enumerate(xs):
        assert np.all(x.grad.data == i)


def test_a_hook_may_keep_the_gradient():
    x = leaf(1.0, 2.0)
    kept = []
    y = x * 2
    y.register_hook(kept.append)
    (y + y).sum().backward()
    before = kept[0].data.copy()
    x.grad.data[:] = 7
    np.testing.assert_array_equal(kept[0].data, before)


def test_an_accumulated_gradient_does_not_write_into_the_old_one():
    x = leaf(1.0, 2.0)
    x.sum().backward()
    old = x.grad
    x.sum().backward()
    np.testing.assert_array_equal(old.data, [1, 1])
    np.testing.assert_array_equal(x.grad.data, [2, 2])


# -- a failure leaves everything as it was -----------------------------------------------------------------------------


def failing(a):
    """A copy whose gradient rule raises."""
    return np.positive(a)


failing = op("elementwise", latex="a")(failing)


def rule(g):
    raise RuntimeError("the rule failed")


failing.vjp(a=rule)


def test_a_failed_backward_leaves_grad_and_modes_as_they_were():
    x, y = leaf(1.0), leaf(2.0)
    (x * y).sum().backward()
    z = failing(x * y) + x * 5
    with pytest.raises(RuntimeError, match="the rule failed"):
        z.sum().backward()
    assert x.grad.item() == 2 and y.grad.item() == 1
    assert ac.is_grad_enabled()


def test_a_failed_backward_leaves_retained_gradients_as_they_were():
    x = leaf(1.0)
    y = failing(x) * 2
    y.retain_grad()
    with pytest.raises(RuntimeError, match="the rule failed"):
        (y * y).sum().backward()
    assert y.grad is None


def test_a_failing_hook_leaves_grad_as_it_was():
    x, y = leaf(1.0), leaf(2.0)
    y.register_hook(lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        (x * y).sum().backward()
    assert x.grad is None and y.grad is None


def test_a_failed_operation_leaves_its_operands_as_they_were():
    x = leaf(1.0, 2.0)
    x.sum().backward()
    with pytest.raises(ShapeError):
        x + np.ones(3)
    with pytest.raises(ShapeError):
        x[5]
    np.testing.assert_array_equal(x.grad.data, [1, 1])
    np.testing.assert_array_equal(x.data, [1, 2])


ERRORS = {
    "no gradient": (
        lambda: Tensor(1.0).backward(),
        GraphError,
        r"must need a gradient, got one of shape \(\).*requires_grad=True",
    ),
    "under no_grad": (lambda: ac.no_grad()(lambda: leaf(1.0) * 2)().backward(), GraphError, "computed under no_grad"),
    "not a scalar": (
        lambda: (leaf(1.0, 2.0) * 2).backward(),
        GraphError,
        r"must have one element, got shape \(2,\); reduce it",
    ),
    "wrong shape": (
        lambda: (leaf(1.0, 2.0) * 2).backward(np.ones(3)),
        ShapeError,
        r"must have the tensor's shape \(2,\), got \(3,\)",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_error(name):
    attempt, error, message = ERRORS[name]
    with pytest.raises(error, match=message) as caught:
        attempt()
    assert "in: backward, called at test_backward.py:" in str(caught.value)


@op("composite", latex="a + b")
def forgetful(a, b):
    """a + b, with a rule for both that forgets to sum over broadcast axes."""
    return a + b


forgetful.vjp(lambda g, a, b: (g, g))


def test_a_rule_of_the_wrong_shape():
    x = leaf(1.0, 2.0)
    with pytest.raises(
        ShapeError, match=r"must have its leaf's shape \(2,\) or broadcast to it, got \(3, 2\); the gradient rule"
    ):
        forgetful(x, np.ones((3, 2))).sum().backward()
    assert x.grad is None


def test_float32_from_end_to_end():
    rng = np.random.default_rng(0)
    w, b, x = (Tensor(rng.normal(size=s).astype(np.float32), requires_grad=True) for s in ((3, 4), (3,), (5, 4)))
    h = np.maximum(0.1 * (x @ w.T + b) / 2, 0) ** 2 + 1
    h = (h - h.mean(axis=0)) / np.sqrt(h.var(axis=0) + 1e-5)
    loss = -(h * 2.0 - ac.logsumexp(h, axis=1, keepdims=True)).mean() + 1e-3 * np.sum(w**2)
    loss.backward(create_graph=True)
    assert loss.dtype == np.float32
    gradients = [w.grad, b.grad, x.grad]
    assert [g.dtype for g in gradients] == [np.float32] * 3
    w.grad = b.grad = x.grad = None
    sum(np.sum(g * g) for g in gradients).backward()
    assert [t.grad.dtype for t in (w, b, x)] == [np.float32] * 3


@pytest.mark.parametrize("of", ["leaf", "intermediate value"])
def test_a_hook_must_return_a_gradient_of_its_tensors_shape_and_gets_its_dtype(of):
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    hooked = x if of == "leaf" else y
    remove = hooked.register_hook(lambda g: np.float32([1, 2]))
    y.sum().backward(retain_graph=True)
    assert x.grad.dtype == np.float64
    assert np.array_equal(x.grad.data, [1, 2] if of == "leaf" else [3, 6])
    remove()
    hooked.register_hook(lambda g: np.ones(3))
    with pytest.raises(ShapeError, match=r"register_hook: a hook must return .* shape \(2,\), .* got \(3,\)"):
        y.sum().backward()
