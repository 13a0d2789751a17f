"""`compile`: a compiled function is the function, in values, gradients and effects, call after call."""

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor
from autograd_core.errors import FreedGraphError, VersionError


def drawn(*shape, seed=0):
    return np.random.RandomState(seed).uniform(-1, 1, shape)


def leaf(*shape, seed=0):
    return Tensor(drawn(*shape, seed=seed), requires_grad=True)


def recordings(function):
    return sum(map(len, function._recordings.values()))


def batch_norm(z, gain, shift):
    mean = z.mean(axis=0)
    centred = z - mean
    var = (centred**2).mean(axis=0)
    return gain * centred / np.sqrt(var + 1e-5) + shift


FUNCTIONS = {
    "broadcasting": (lambda a, b, c: np.exp(a * b) + c / (1 + b**2), (4, 3), (3,), (4, 1)),
    "batch norm": (batch_norm, (6, 3), (3,), (3,)),
    "contractions": (lambda a, b: np.tanh(a @ b) @ b.T, (4, 3), (3, 2)),
    "indexing": (lambda a: a[1:, ::2] * a[[0, 1, 1]][:, :1] + a[..., 0].sum(), (4, 3)),
    "shapes": (lambda a: np.concatenate([a.T.reshape(-1), a[0]]) * 2.0, (4, 3)),
    "reductions": (lambda a: a.max(axis=0) + a.var(axis=0, ddof=1) + np.sum(a) - a.min(), (4, 3)),
    "joined": (lambda a, b: np.stack([np.where(a > b, a, b), np.clip(a, -0.5, 0.5)]), (4, 3), (4, 3)),
    "scalar": (lambda a: a * a + 3, ()),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients_are_the_functions(name):
    f, *shapes = FUNCTIONS[name]
    compiled = ac.compile(f)
    for call in range(3):
        found = []
        for g in (f, compiled):
            inputs = [leaf(*shape, seed=10 * call + i) for i, shape in enumerate(shapes)]
            out = g(*inputs)
            out.backward(drawn(*out.shape, seed=7))
            found.append([out.data, *(x.grad.data for x in inputs)])
        for a, b in zip(*found, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-12)
    assert recordings(compiled) == 1


def test_arrays_give_arrays_and_containers_keep_their_structure():
    compiled = ac.compile(lambda batch, scale=1.0: {"y": batch["x"] * scale, "n": (batch["x"].sum(), "text", None)})
    x = drawn(3)
    out = compiled({"x": x}, scale=2.0)
    assert type(out["y"]) is np.ndarray and out["n"][1:] == ("text", None)
    np.testing.assert_array_equal(out["y"], 2 * x)
    assert isinstance(compiled({"x": Tensor(x)})["y"], Tensor)


def test_it_is_a_decorator_with_and_without_arguments():
    @ac.compile
    def double(x):
        """Twice x."""
        return 2 * x

    @ac.compile(backend="numpy")
    def triple(x):
        return 3 * x

    assert (double(np.ones(2)) == 2).all() and (triple(np.ones(2)) == 3).all()
    assert double.__name__ == "double" and double.__doc__ == "Twice x." and triple.backend == "numpy"


def test_a_method_can_be_compiled():
    class Doubler:
        factor = 2.0

        @ac.compile
        def apply(self, x):
            return self.factor * x

    assert (Doubler().apply(np.ones(3)) == 2).all()


def test_a_step_with_backward_inside():
    def trained(compiled):
        w = leaf(3, 2)

        def step(x):
            w.zero_grad()
            loss = (np.tanh(x @ w) ** 2).sum()
            loss.backward()
            w.data = w.data - 0.1 * w.grad.data
            return loss

        f = ac.compile(step) if compiled else step
        losses = [f(drawn(4, 3, seed=i)) for i in range(4)]
        return [loss.item() for loss in losses], w.data, w.grad.data, losses

    (a, wa, ga, _), (b, wb, gb, losses) = trained(False), trained(True)
    np.testing.assert_allclose(b, a, rtol=1e-12)
    np.testing.assert_allclose(wb, wa, rtol=1e-12)
    np.testing.assert_allclose(gb, ga, rtol=1e-12)
    with pytest.raises(FreedGraphError, match="run once"):
        losses[-1].backward()


def test_gradients_accumulate_over_calls_and_over_backward_calls():
    def observed(compiled):
        w = leaf(3)

        def twice(x):
            (w * x).sum().backward()
            (w * w * x).sum().backward()

        f = ac.compile(twice) if compiled else twice
        for i in range(3):
            f(drawn(3, seed=i))
        return w.grad.data, f

    (a, _), (b, f) = observed(False), observed(True)
    np.testing.assert_allclose(b, a, rtol=1e-12)
    assert recordings(f) == 2  # without a gradient at the start, and with one


def test_gradients_are_new_tensors_as_outside():
    w = leaf(3)
    f = ac.compile(lambda x: (w * x).sum().backward())
    f(drawn(3))
    first, value = w.grad, w.grad.data.copy()
    f(drawn(3))
    assert w.grad is not first
    np.testing.assert_array_equal(first.data, value)


def test_a_compiled_function_is_differentiated_like_any_other():
    w = leaf(3, 3)

    def f(x):
        return (np.tanh(x @ w) ** 3).sum()

    compiled, x, v = ac.compile(f), drawn(4, 3), drawn(4, 3, seed=1)
    for derivative in (
        lambda f: ac.grad(f)(x),
        lambda f: ac.hessian(f)(x),
        lambda f: ac.jvp(f, (x,), (v,))[1],
        lambda f: ac.hvp(f, (x,), (v,))[0],
    ):
        np.testing.assert_allclose(derivative(compiled), derivative(f), rtol=1e-12)


def test_second_order_through_it_reaches_captured_leaves():
    w = leaf(3, 3, seed=1)

    def observed(f):
        x = leaf(4, 3)
        w.zero_grad()
        f(x).backward(create_graph=True)
        g, x.grad, w.grad = x.grad, None, None
        (g**2).sum().backward()
        return x.grad.data, w.grad.data

    def f(x):
        return (np.tanh(x @ w) ** 3).sum()

    for a, b in zip(observed(f), observed(ac.compile(f)), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12)


@pytest.mark.parametrize("transform", [ac.grad, ac.value_and_grad, ac.hessian], ids=lambda t: t.__name__)
def test_transforms_can_be_compiled(transform):
    f = transform(lambda x: np.sum(np.tanh(x) * x**2))
    x = drawn(4)
    wanted, got = f(x), ac.compile(f)(x)
    assert type(got) is type(wanted)
    for a, b in zip(wanted, got, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12)


def test_gradients_reach_tensors_that_were_computed_outside():
    a = leaf(3)
    b, x = 2 * a, leaf(3, seed=1)
    ac.compile(lambda z: (z * b).sum())(3 * x).backward()
    np.testing.assert_allclose(a.grad.data, 2 * 3 * x.data)
    np.testing.assert_allclose(x.grad.data, 3 * b.data)


def test_several_results_share_one_backward_pass():
    x = leaf(3)
    a, b, same = ac.compile(lambda x: (y := np.exp(x), y * x, y))(x)
    assert same is a
    (a.sum() + 2 * b.sum()).backward()
    np.testing.assert_allclose(x.grad.data, np.exp(x.data) * (1 + 2 * (1 + x.data)))


def test_a_result_that_is_an_argument_or_a_parameter_is_that_tensor():
    w, x = leaf(3), leaf(3)
    first, second = ac.compile(lambda x: (x, w))(x)
    assert first is x and second is w


def test_compiled_in_compiled_is_one_recording():
    inner = ac.compile(lambda x: x * 2)
    outer = ac.compile(lambda x: inner(x) + 1)
    assert (outer(np.ones(2)) == 3).all() and recordings(inner) == 0


def test_a_checkpoint_inside_is_the_function():
    x = leaf(3)
    ac.compile(lambda x: ac.checkpoint(np.exp, x).sum())(x).backward()
    np.testing.assert_allclose(x.grad.data, np.exp(x.data))


def test_an_argument_that_is_also_captured_is_one_tensor():
    def observed(compiled):
        w, other = leaf(3), leaf(3, seed=1)
        f = (lambda x: (x * w * w).sum()) if not compiled else ac.compile(lambda x: (x * w * w).sum())
        for x in (other, w, other):
            f(x).backward()
        return w.grad.data, other.grad.data

    for a, b in zip(observed(False), observed(True), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12)


def test_one_tensor_given_twice_is_one():
    f = ac.compile(lambda a, b: (a * b).sum())
    x, y = leaf(3), leaf(3, seed=1)
    f(x, y).backward()
    x.zero_grad()
    f(x, x).backward()
    np.testing.assert_allclose(x.grad.data, 2 * x.data)


def test_an_argument_whose_grad_is_also_reached_from_outside_is_one_tensor():
    x = Tensor(np.arange(3.0), requires_grad=True)

    @ac.compile
    def gradient(argument):
        x.zero_grad()
        (argument * argument).sum().backward()

    @ac.compile
    def doubled(argument):
        (argument * argument).sum().backward()
        return x.grad * 2

    for _ in range(3):
        gradient(x)
        np.testing.assert_array_equal(x.grad.data, 2 * x.data)
    for times in (2, 3):
        np.testing.assert_array_equal(doubled(x).data, 4 * times * x.data)
    other = Tensor(np.ones(3), requires_grad=True)
    for times in (1, 2):
        gradient(other)
        assert x.grad is None
        np.testing.assert_array_equal(other.grad.data, np.full(3, 2.0 * times))


def test_writes_into_arguments_and_captured_tensors():
    buffer = Tensor(np.zeros(3))

    def f(x):
        with ac.no_grad():
            x += 1
            buffer[1:] = x[:2]
            buffer[0] = 9.0
        return buffer * 2

    x, array = Tensor(np.ones(3)), buffer.data
    for _ in range(2):
        out = ac.compile(f)(x)
    np.testing.assert_array_equal(x.data, [3, 3, 3])
    np.testing.assert_array_equal(array, [9, 3, 3])
    np.testing.assert_array_equal(out.data, [18, 6, 6])


def test_a_tensor_made_inside_starts_anew_in_each_call():
    def f(x):
        total = Tensor(np.zeros(3))
        total += x
        total += x
        return total

    compiled = ac.compile(f)
    for _ in range(2):
        np.testing.assert_array_equal(compiled(np.ones(3)).data, [2, 2, 2])


def test_a_write_after_the_call_is_seen_by_backward():
    w = leaf(3)
    out = ac.compile(lambda x: (x * w).sum())(leaf(3, seed=1))
    w.data = np.zeros(3)
    with pytest.raises(VersionError, match="compiled function needs, of shape \\(3,\\)"):
        out.backward()
    out = ac.compile(np.exp)(leaf(3))
    with ac.no_grad():
        out[0] = 0.0
    with pytest.raises(VersionError, match="t\\[i\\] = v changed it afterwards"):
        out.backward(np.ones(3))


def test_random_draws_are_those_of_the_function():
    def f(x):
        return x + ac.random.normal(size=3) * ac.random.bernoulli(0.4, 3) + ac.random.uniform(size=3)

    def bits(g):
        ac.random.seed(3)
        return [g(np.zeros(3)) for _ in range(3)] + [ac.random.normal(size=2)]

    for a, b in zip(bits(f), bits(ac.compile(f)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_second_order_through_random_draws():
    def f(x):
        return (x**3 * ac.random.uniform(size=3)).sum()

    def observed(g):
        ac.random.seed(2)
        x = leaf(3)
        g(x).backward(create_graph=True)
        first, x.grad = x.grad, None
        first.sum().backward()
        return first.data, x.grad.data, ac.random.normal()

    for a, b in zip(observed(f), observed(ac.compile(f)), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12)


def test_hooks_run():
    def observed(compiled):
        w, seen = leaf(3), []
        w.register_hook(lambda g: g * 10)
        f = lambda x: (w * x).sum().backward()  # noqa: E731
        (ac.compile(f) if compiled else f)(drawn(3))
        return w.grad.data, seen

    np.testing.assert_allclose(observed(True)[0], observed(False)[0])


def test_anomaly_mode_runs_the_function_itself():
    f = ac.compile(lambda x: np.log(x))
    f(Tensor(np.ones(2)))
    with ac.anomaly_mode(), np.errstate(all="ignore"), pytest.raises(ac.errors.NonFiniteError, match="log"):
        f(Tensor(-np.ones(2)))


def test_other_kinds_of_arrays_run_the_function_itself():
    from duck import DuckArray

    f = ac.compile(lambda x: x * 2)
    out = f(Tensor(DuckArray(np.ones(2))))
    assert isinstance(out.data, DuckArray) and recordings(f) == 0


def test_forward_mode_through_several_results():
    def f(x, y):
        return np.tanh(x) * y, (y**2).sum(), x[0] * 3

    x, y, v, u = drawn(4, 3), drawn(3, seed=2), drawn(4, 3, seed=1), drawn(3, seed=3)
    got, wanted = ac.jvp(ac.compile(f), (x, y), (v, u))[1], ac.jvp(f, (x, y), (v, u))[1]
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)

    def squared(f):
        return ac.grad(lambda x: sum(np.sum(t * t) for t in ac.jvp(f, (x, y), (v, u))[1]))(x)

    np.testing.assert_allclose(squared(ac.compile(f)), squared(f), rtol=1e-12)
