"""The optimizers against their formulas, in every layout and type of array."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from contextlib import nullcontext

import numpy as np
import pytest
from numpy.lib.mixins import NDArrayOperatorsMixin

from autograd_core import Tensor
from optim import SGD, Adam, Optimizer, RMSprop
from optim_cases import CASES, LAYOUTS, STEPS, adam_formula, close, parameter, rmsprop_formula, sgd_formula


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("optimizer", "formula", "options"), CASES)
def test_agrees_with_the_formula_over_100_steps(optimizer, formula, options, dtype):
    rng = np.random.default_rng(0)
    shapes = [(7, 5), (), (0, 3), (4,), (130, 100)]
    starts = [rng.normal(size=shape) for shape in shapes]
    grads = [[rng.normal(size=shape) for _ in range(STEPS)] for shape in shapes]
    params = [parameter(start, dtype) for start in starts]
    opt = optimizer(params, **{"lr": 1e-3} | options)
    arrays = [p.data for p in params]
    for t in range(STEPS):
        for p, gradients in zip(params, grads, strict=True):
            p.grad = Tensor(gradients[t].astype(dtype))
        opt.step()
    for p, array, start, gradients in zip(params, arrays, starts, grads, strict=True):
        assert p.data is array  # in place
        assert p.dtype == dtype
        exact = start.astype(dtype).astype(np.float64)
        close(p.data, formula(exact, [g.astype(dtype) for g in gradients], **{"lr": 1e-3} | options))
        for name, tensor in opt.state[p].items():
            assert tensor.dtype == (np.float64 if name in opt.scalars else dtype)


@pytest.mark.parametrize("shape", [(6, 5), (300, 400), (3, 90000), (2, 3, 40000)], ids=str)
@pytest.mark.parametrize("gradient_layout", LAYOUTS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("optimizer", "formula"), [(SGD, sgd_formula), (Adam, adam_formula)], ids=["sgd", "adam"])
def test_every_layout(optimizer, formula, layout, gradient_layout, shape):
    # From one tile to several, cut along different axes.
    rng = np.random.default_rng(1)
    start = rng.normal(size=shape)
    grads = [rng.normal(size=shape) for _ in range(3)]
    options = {"lr": 0.1, "weight_decay": 0.1}
    p = parameter(0.0)
    p.data = array = LAYOUTS[layout](start)
    opt = optimizer([p], **options)
    for g in grads:
        p.grad = Tensor(LAYOUTS[gradient_layout](g))
        opt.step()
    assert p.data is array
    close(p.data, formula(start, grads, **options))


@pytest.mark.parametrize("shape", [(40,), (200, 200)], ids=str)
def test_gradients_that_share_memory(shape):
    # A broadcast gradient (of a sum), one array as the gradient of two parameters, and a gradient
    # that is a reversed view of the parameter itself.
    rng = np.random.default_rng(2)
    starts = [rng.normal(size=shape) for _ in range(3)]
    a, b, c = (parameter(start.copy()) for start in starts)
    ones = np.broadcast_to(np.float64(2.0), shape)
    a.grad, b.grad, c.grad = Tensor(ones), Tensor(ones), Tensor(c.data[::-1])
    SGD([a, b, c], lr=0.1).step()
    np.testing.assert_array_equal(a.data, starts[0] - 0.2)
    np.testing.assert_array_equal(b.data, starts[1] - 0.2)
    np.testing.assert_allclose(c.data, starts[2] - 0.1 * starts[2][::-1], rtol=1e-15)


@pytest.mark.parametrize("size", [10, 20_000])
def test_a_gradient_of_another_dtype_is_rounded_first(size):
    start, g = np.random.default_rng(11).normal(size=(2, size))
    params = [parameter(start, "float32") for _ in range(2)]
    for p, gradient in zip(params, (g, g.astype("float32")), strict=True):
        p.grad = Tensor(gradient)
        SGD([p], lr=0.3).step()
    np.testing.assert_array_equal(params[0].data, params[1].data)


def test_two_threads_give_the_bits_of_one(monkeypatch):
    import optim.runner

    rng = np.random.default_rng(3)
    start, g = rng.normal(size=(2, 300_000)).astype("float32")
    results = []
    for threshold in (1 << 60, 1):
        monkeypatch.setattr(optim.runner, "THREADED_SIZE", threshold)
        p = parameter(start.copy(), "float32")
        opt = Adam([p])
        for _ in range(3):
            p.grad = Tensor(g)
            opt.step()
        results.append(p.data)
    np.testing.assert_array_equal(*results)


def test_an_error_in_the_second_thread_arrives(monkeypatch):
    import optim.runner

    monkeypatch.setattr(optim.runner, "THREADED_SIZE", 1)
    p = parameter(np.full(300_000, 1e300))
    p.grad = Tensor(np.full(300_000, 1e300))
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        Adam([p]).step()
    q = parameter(np.full(300_000, 1e300))
    q.grad = Tensor(np.full(300_000, 1e300))
    with np.errstate(all="ignore"):  # holds in both threads: a warning is an error here
        Adam([q]).step()


def test_mixed_dtypes_and_groups_with_options_of_their_own():
    a, b, c = parameter(np.ones(3), "float32"), parameter(np.ones(3)), parameter(np.ones(2))
    opt = SGD([{"params": [a, b]}, {"params": iter([("c", c)]), "lr": 0.5}], lr=0.1)
    for p in (a, b, c):
        p.grad = Tensor(np.ones(p.shape, p.dtype))
    opt.step()
    assert (a.dtype, b.dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(a.data, np.float32(1) - np.float32(0.1))
    np.testing.assert_array_equal(b.data, np.full(3, 0.9))
    np.testing.assert_array_equal(c.data, np.full(2, 0.5))
    d = parameter(np.ones(1))
    opt.add_param_group({"params": d, "lr": 1.0})
    d.grad = Tensor(np.ones(1))
    opt.step()
    np.testing.assert_array_equal(d.data, [0.0])


def test_a_parameter_without_gradient_is_skipped_and_ages_by_its_own_steps():
    rng = np.random.default_rng(4)
    starts, grads = rng.normal(size=(2, 5)), rng.normal(size=(6, 2, 5))
    params = [parameter(start.copy()) for start in starts]
    opt = Adam(params, lr=0.1)
    for t in range(6):
        opt.zero_grad()
        for i, p in enumerate(params):
            if i == 0 or t not in (0, 3):
                p.grad = Tensor(grads[t, i])
        with pytest.warns(UserWarning, match="parameter 1 of group 0") if t == 0 else nullcontext():
            opt.step()
    close(params[0].data, adam_formula(starts[0], grads[:, 0], lr=0.1))
    close(params[1].data, adam_formula(starts[1], grads[[1, 2, 4, 5], 1], lr=0.1))
    assert [opt.state[p]["step"].item() for p in params] == [6, 4]


def test_options_set_between_steps_take_effect():
    rng = np.random.default_rng(5)
    start, *grads = rng.normal(size=(4, 5))
    p = parameter(start.copy())
    opt = SGD([p], lr=0.1)
    group = opt.param_groups[0]
    expected = start
    for g, (lr, decay) in zip(grads, [(0.1, 0.0), (0.2, 0.0), (0.2, 0.5)], strict=True):
        group["lr"], group["weight_decay"] = lr, decay
        p.grad = Tensor(g)
        opt.step()
        expected = expected - lr * (g + decay * expected)
    close(p.data, expected)
    assert group["lr"] == 0.2
    assert group.tensors["lr"].shape == ()
    assert dict(group)["params"] == [p]
    assert "lr=0.2" in repr(opt)


def test_adam_keeps_its_averages_when_a_beta_is_set():
    rng = np.random.default_rng(6)
    start, *grads = rng.normal(size=(7, 5))
    p = parameter(start.copy())
    opt = Adam([p], lr=0.1)
    expected, m, v = start, np.zeros(5), np.zeros(5)
    for t, g in enumerate(grads, start=1):
        b1, b2 = (0.9, 0.999) if t < 4 else (0.8, 0.99)
        opt.param_groups[0]["betas"] = (b1, b2)
        p.grad = Tensor(g)
        opt.step()
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        expected = expected - 0.1 * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + 1e-8)
    close(p.data, expected)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_centered_rmsprop_stays_finite_where_the_gradient_is_constant(dtype):
    # v - a², taken literally, turns negative here for some elements, and they become NaN.
    g = np.random.default_rng(12).normal(size=200).astype(dtype)
    p = parameter(np.zeros(200), dtype)
    opt = RMSprop([p], lr=1e-3, eps=1.0, centered=True)
    for _ in range(4000):
        p.grad = Tensor(g)
        opt.step()
        assert (opt.state[p]["deviation_sum"].data >= 0).all()
    assert np.isfinite(p.data).all()
    with np.errstate(invalid="ignore"):
        assert np.isnan(rmsprop_formula(np.zeros(200, dtype), [g] * 4000, lr=1e-3, eps=1.0, centered=True)).any()


def test_a_replaced_array_is_the_one_that_is_updated():
    p = parameter(np.zeros(3))
    opt = SGD([p], lr=1.0)
    for _ in range(2):
        p.grad = Tensor(np.ones(3))
        opt.step()
    p.data = np.full(3, 10.0)
    opt.step()
    np.testing.assert_array_equal(p.data, np.full(3, 9.0))


@pytest.mark.parametrize(("optimizer", "formula", "options"), CASES)
def test_nothing_is_allocated_after_the_first_step(optimizer, formula, options):
    rng = np.random.default_rng(7)
    shapes = [(300, 400), (50,), (20, 30), (7,)]
    params = [parameter(rng.normal(size=shape)) for shape in shapes]
    for p in params:
        p.grad = Tensor(rng.normal(size=p.shape[::-1]).T)
    opt = optimizer(params, **{"lr": 1e-3} | options)
    opt.step()
    tracemalloc.start()
    try:
        opt.step()
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        opt.step()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Views and Python numbers; the smallest temporary of a tile would be 100 kB.
    assert peak - before < 20_000


def test_the_optimizer_keeps_no_gradient_and_is_freed_without_a_collection():
    p = parameter(np.ones((200, 200)))
    opt = Adam([p])
    p.grad = Tensor(np.ones((200, 200)))
    gradient = weakref.ref(p.grad.data)
    gc.disable()
    try:
        opt.step()
        opt.zero_grad()
        assert p.grad is None
        assert gradient() is None
        state = weakref.ref(opt.state[p]["grad_sum"])
        del opt
        assert state() is None
    finally:
        gc.enable()


def test_a_step_is_announced_as_a_write():
    p = parameter(np.ones(3))
    y = (p * p).sum()
    p.grad = Tensor(np.ones(3))
    SGD([p], lr=0.1).step()
    with pytest.raises(Exception, match=r"SGD\.step"):
        y.backward()


def test_trains_through_the_engine():
    rng = np.random.default_rng(8)
    x = rng.normal(size=(64, 3))
    w, b = parameter(np.zeros((3, 1))), parameter(np.zeros(1))
    target = x @ [[1.0], [-2.0], [0.5]] + 0.25
    opt = Adam([w, b], lr=0.1)
    for _ in range(300):
        opt.zero_grad()
        ((x @ w + b - target) ** 2).mean().backward()
        opt.step()
    np.testing.assert_allclose(w.data, [[1.0], [-2.0], [0.5]], atol=1e-3)
    np.testing.assert_allclose(b.data, [0.25], atol=1e-3)


# -- arrays of another type


class Strict(NDArrayOperatorsMixin):
    """An array that speaks NumPy's protocols, and can be neither converted nor written to."""

    def __init__(self, value):
        self.value = value

    shape = property(lambda self: self.value.shape)
    dtype = property(lambda self: self.value.dtype)
    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)

    def __array__(self, *args, **kwargs):
        raise AssertionError("an array must not be converted")

    __float__ = __array__

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        assert "out" not in kwargs
        raw = [x.value if isinstance(x, Strict) else x for x in inputs]
        return Strict(np.asarray(getattr(ufunc, method)(*raw, **kwargs)))

    def __array_function__(self, function, types, args, kwargs):
        raw = [x.value if isinstance(x, Strict) else x for x in args]
        return Strict(function(*raw, **kwargs))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("optimizer", "formula", "options"), CASES)
def test_arrays_that_are_not_numpys(optimizer, formula, options, dtype):
    rng = np.random.default_rng(10)
    start, *grads = rng.normal(size=(6, 3, 2)).astype(dtype)
    options = {"lr": 1e-3} | options
    p, q = Tensor(Strict(start.copy()), requires_grad=True), parameter(start.copy(), dtype)
    opt = optimizer([p, q], **options)
    for g in grads:
        p.grad, q.grad = Tensor(Strict(g)), Tensor(g)
        opt.step()
        saved = opt.state_dict()
        opt.load_state_dict(saved)
    assert isinstance(p.data, Strict)
    assert p.data.dtype == dtype
    close(p.data.value, formula(start.astype(np.float64), grads, **options))
    close(q.data, p.data.value.astype(np.float64))


def test_an_optimizer_is_its_update_function():
    class SignDescent(Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, lr=lr)

        @staticmethod
        def update(p, g, *, t, lr):
            return (p - lr * np.sign(g),)

    p = parameter(np.zeros(3))
    p.grad = Tensor(np.array([2.0, -3.0, 0.0]))
    SignDescent([p], lr=0.5).step()
    np.testing.assert_array_equal(p.data, [-0.5, 0.5, 0.0])
