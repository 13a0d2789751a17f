"""The optimizers against their formulas, in every layout, and everything that they refuse."""

from __future__ import annotations

import copy
import gc
import pickle
import tracemalloc
import weakref

import numpy as np
import pytest
from numpy.lib.mixins import NDArrayOperatorsMixin

from autograd_core import Tensor
from autograd_core.errors import ArgumentError, DTypeError, LeafError, ShapeError
from optim import SGD, Adam, Optimizer

STEPS = 100


def sgd_formula(p, grads, *, lr, momentum=0, dampening=0, nesterov=False, weight_decay=0):
    """PyTorch's documentation of SGD, line by line."""
    b = None
    for g in grads:
        if weight_decay:
            g = g + weight_decay * p
        if momentum:
            b = g if b is None else momentum * b + (1 - dampening) * g
            g = g + momentum * b if nesterov else b
        p = p - lr * g
    return p


def adam_formula(p, grads, *, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, eps_placement="outside", weight_decay=0):
    """Kingma & Ba (2015), algorithm 1; "inside" as in MIT 6.390 notes, B.0.1.4."""
    m, v = np.zeros_like(p), np.zeros_like(p)
    for t, g in enumerate(grads, start=1):
        g = g + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        m_hat, v_hat = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
        root = np.sqrt(v_hat) + eps if eps_placement == "outside" else np.sqrt(v_hat + eps)
        p = p - lr * m_hat / root
    return p


CASES = [
    pytest.param(SGD, sgd_formula, {"lr": 0.1}, id="sgd"),
    pytest.param(SGD, sgd_formula, {"lr": 0.1, "weight_decay": 0.2}, id="sgd-decay"),
    pytest.param(SGD, sgd_formula, {"lr": 0.1, "momentum": 0.9}, id="momentum"),
    pytest.param(
        SGD,
        sgd_formula,
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1},
        id="dampening",
    ),
    pytest.param(
        SGD,
        sgd_formula,
        {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        id="nesterov",
    ),
    pytest.param(Adam, adam_formula, {}, id="adam"),
    pytest.param(Adam, adam_formula, {"eps_placement": "inside", "eps": 1e-3}, id="adam-inside"),
    pytest.param(Adam, adam_formula, {"lr": 0.1, "betas": (0.5, 0.7), "weight_decay": 0.1}, id="adam-decay"),
    pytest.param(Adam, adam_formula, {"betas": (0.0, 0.0), "eps": 0.1}, id="adam-no-memory"),
]
# Relative to the largest element. Rounding errors of 100 steps add up to less than 100 units in the
# last place; Adam's quotient of two rounded averages costs a few more.
TOLERANCE = {"float64": 1e-12, "float32": 3e-5}


def parameter(array, dtype="float64", name=None):
    return Tensor(np.array(array, dtype), requires_grad=True, name=name)


def close(got, expected):
    assert got.dtype in (np.float32, np.float64)
    scale = max(float(np.max(np.abs(expected), initial=0)), 1.0)
    worst = float(np.max(np.abs(got - expected), initial=0))
    assert worst <= TOLERANCE[str(got.dtype)] * scale, (worst, scale)


def strided(array):
    """The same values, neither C- nor F-contiguous."""
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


LAYOUTS = {
    "C": lambda a: np.array(a, order="C"),
    "F": lambda a: np.array(a, order="F"),
    "strided": strided,
}


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
            assert tensor.dtype == (np.float64 if name == "step" else dtype)


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


# -- saving


@pytest.mark.parametrize(("optimizer", "formula", "options"), CASES)
def test_state_dict_restores_bit_for_bit(optimizer, formula, options):
    rng = np.random.default_rng(9)
    shapes = [(7, 5), (130, 100), (), (4,)]
    starts = [rng.normal(size=shape) for shape in shapes]
    grads = [[rng.normal(size=shape) for shape in shapes] for _ in range(6)]
    options = {"lr": 1e-3} | options

    def run(opt, params, steps):
        for t in steps:
            for p, g in zip(params, grads[t], strict=True):
                p.grad = Tensor(g)
            opt.step()

    params = [parameter(start.copy()) for start in starts]
    opt = optimizer(params, **options)
    run(opt, params, range(3))
    saved = opt.state_dict()
    resumed = [parameter(p.data.copy()) for p in params]
    run(opt, params, range(3, 6))
    other = optimizer([{"params": resumed, "lr": 5.0}], **options)
    other.load_state_dict(saved)
    run(other, resumed, range(3, 6))
    for p, q in zip(params, resumed, strict=True):
        np.testing.assert_array_equal(p.data, q.data)
    same(other.state_dict(), opt.state_dict())


def test_state_dict_is_a_snapshot_of_plain_values():
    p = parameter(np.ones(3))
    opt = Adam([p], betas=(0.5, 0.5))
    assert opt.state_dict()["state"] == {}
    p.grad = Tensor(np.ones(3))
    opt.step()
    saved = opt.state_dict()
    opt.step()
    assert saved["param_groups"] == [
        {
            "params": [0],
            "lr": 1e-3,
            "betas": (0.5, 0.5),
            "eps": 1e-8,
            "eps_placement": "outside",
            "weight_decay": 0.0,
        }
    ]
    assert saved["state"][0]["step"] == 1
    np.testing.assert_array_equal(saved["state"][0]["grad_sum"], np.ones(3))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copied_optimizer_goes_on_alone(duplicate):
    p = parameter(np.ones(3))
    opt = SGD([p], lr=1.0, momentum=0.5)
    p.grad = Tensor(np.ones(3))
    opt.step()
    q, other = duplicate((p, opt))
    other.step()
    np.testing.assert_array_equal(p.data, np.zeros(3))
    np.testing.assert_array_equal(q.data, np.full(3, -1.5))
    np.testing.assert_array_equal(opt.state[p]["momentum_buffer"].data, np.ones(3))


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


# -- what is refused


def bad(**options):
    return pytest.param(options, id=", ".join(f"{k}={v}" for k, v in options.items()))


@pytest.mark.parametrize(
    "options",
    [
        bad(lr=0),
        bad(lr=-0.1),
        bad(lr=np.nan),
        bad(lr=np.inf),
        bad(lr="0.1"),
        bad(lr=True),
        bad(betas=(1.0, 0.9)),
        bad(betas=(0.9, -0.1)),
        bad(betas=0.9),
        bad(betas=(0.9,)),
        bad(eps=-1e-8),
        bad(weight_decay=-1),
        bad(eps_placement="beside"),
    ],
)
def test_options_outside_their_domain(options):
    [(name, value)] = options.items()
    p = parameter(np.ones(3))
    with pytest.raises(ArgumentError, match=rf"Adam: {name} must be .*, got .* in: Adam, called"):
        Adam([p], **options)
    with pytest.raises(ArgumentError, match=f"Adam: {name} must be"):
        Adam([{"params": [p], name: value}])
    opt = Adam([p])
    before = dict(opt.param_groups[0])
    with pytest.raises(ArgumentError, match=f"Adam: {name} must be"):
        opt.param_groups[0][name] = value
    assert dict(opt.param_groups[0]) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"momentum": -0.1}, r"momentum must be a number >= 0, got -0.1"),
        ({"dampening": np.inf}, r"dampening must be a number finite, got inf"),
        ({"nesterov": "yes"}, r"nesterov must be False or True, got 'yes'"),
        ({"nesterov": True}, r"nesterov needs momentum > 0 and dampening == 0, got momentum=0"),
        ({"nesterov": True, "momentum": 0.9, "dampening": 0.1}, r"got .* dampening=0.1; set them"),
    ],
)
def test_options_that_sgd_refuses(options, message):
    with pytest.raises(ArgumentError, match=message):
        SGD([parameter(np.ones(3))], lr=0.1, **options)


def test_a_combination_is_checked_when_an_option_is_set():
    opt = SGD([parameter(np.ones(3))], lr=0.1, momentum=0.9, nesterov=True)
    with pytest.raises(ArgumentError, match="nesterov needs momentum > 0"):
        opt.param_groups[0]["momentum"] = 0
    assert opt.param_groups[0]["momentum"] == 0.9


def test_options_that_do_not_exist():
    opt = SGD([parameter(np.ones(3))], lr=0.1)
    with pytest.raises(ArgumentError, match=r"an option must be one of .*, got 'Lr'"):
        opt.param_groups[0]["Lr"] = 0.1
    with pytest.raises(ArgumentError, match="an option cannot be deleted, got 'lr'"):
        del opt.param_groups[0]["lr"]
    with pytest.raises(ArgumentError, match=r"may have .*'lr'.*, got \['params', 'rate'\]"):
        opt.add_param_group({"params": [parameter(np.ones(2))], "rate": 0.1})
    assert len(opt.param_groups) == 1


def test_parameters_that_cannot_be_optimized():
    p = parameter(np.ones(3), name="w")
    with pytest.raises(ArgumentError, match="at least one parameter, got an empty sequence"):
        SGD([], lr=0.1)
    with pytest.raises(ArgumentError, match="at least one parameter, got none"):
        SGD([{"params": []}], lr=0.1)
    with pytest.raises(ArgumentError, match=r"got a single Tensor of shape \(3,\); wrap it"):
        SGD(p, lr=0.1)
    with pytest.raises(ArgumentError, match="must be a Tensor, got ndarray as parameter 1 of gr"):
        SGD([p, np.ones(3)], lr=0.1)
    with pytest.raises(LeafError, match=r"must be a leaf, got the output of multiply of shape"):
        SGD([p * 2], lr=0.1)
    with pytest.raises(LeafError, match="must require a gradient, got a tensor of shape"):
        SGD([Tensor(np.ones(3))], lr=0.1)
    with pytest.raises(ArgumentError, match=r"in one group, once, got 'w' of shape .* again as par"):
        SGD([p, p], lr=0.1)
    opt = SGD([p], lr=0.1)
    with pytest.raises(ArgumentError, match="again as parameter 0 of group 1"):
        opt.add_param_group({"params": [p]})
    assert len(opt.param_groups) == 1


def test_a_parameter_that_is_not_real():
    p = parameter(np.ones(3))
    p.data = np.ones(3, complex)
    with pytest.raises(DTypeError, match="must be real floating, got complex128 as parameter 0"):
        SGD([p], lr=0.1)


def test_a_step_without_any_gradient():
    p = parameter(np.ones(3))
    opt = SGD([p], lr=0.1)
    with pytest.raises(ArgumentError, match=r"SGD\.step: .* got None for all .* call backward\(\)"):
        opt.step()
    p.grad = Tensor(np.ones(3))
    opt.step()
    opt.zero_grad()
    before = p.data.copy()
    with pytest.raises(ArgumentError, match=r"zero_grad\(\) not between"):
        opt.step()
    np.testing.assert_array_equal(p.data, before)
    assert opt.state[p]["step"].item() == 1


@pytest.mark.parametrize("steps", [0, 1])
def test_shapes_that_no_longer_fit(steps):
    a, b = parameter(np.ones(2)), parameter(np.ones(3))
    opt = Adam([a, b])
    a.grad, b.grad = Tensor(np.ones(2)), Tensor(np.ones(3))
    for _ in range(steps):
        opt.step()
    before = a.data.copy()
    b.data = np.ones(4)
    with pytest.raises(ShapeError, match=r"got gradient \(3,\) for parameter 1 of group 0 of sh"):
        opt.step()
    if steps:
        b.grad = Tensor(np.ones(4))
        with pytest.raises(ShapeError, match=r"state must have .* got 'grad_sum' \(3,\) for par"):
            opt.step()
    np.testing.assert_array_equal(a.data, before)


def test_a_read_only_parameter():
    a, b = parameter(np.ones(2)), parameter(np.ones(3))
    b.data.flags.writeable = False
    a.grad, b.grad = Tensor(np.ones(2)), Tensor(np.ones(3))
    with pytest.raises(ArgumentError, match="must be writeable, got a read-only array as par"):
        SGD([a, b], lr=0.1).step()
    np.testing.assert_array_equal(a.data, np.ones(2))


def same(a, b):
    """The same nested dict, bit for bit."""
    assert a["optimizer"] == b["optimizer"]
    assert a["param_groups"] == b["param_groups"]
    assert [*a["state"]] == [*b["state"]]
    for i in a["state"]:
        assert [*a["state"][i]] == [*b["state"][i]]
        for key, value in a["state"][i].items():
            np.testing.assert_array_equal(value, b["state"][i][key])


def saved_adam():
    p = parameter(np.ones(3))
    opt = Adam([p])
    p.grad = Tensor(np.ones(3))
    opt.step()
    return opt, opt.state_dict()


def _change(path, value):
    def change(saved):
        *way, last = path
        for key in way:
            saved = saved[key]
        saved[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_change(["optimizer"], "SGD"), "the saved optimizer must be 'Adam', got 'SGD'; load it"),
        (_change(["more"], 1), r"the keys of the dict must be .* got \['more'"),
        (_change(["param_groups"], []), r"parameters per group must be \[1\], got \[\]"),
        (
            _change(["param_groups", 0, "params"], [0, 1]),
            r"parameters per group must be \[1\], got \[2\]",
        ),
        (_change(["param_groups", 0, "params"], [1]), r"numbers of the parameters must be \[0\]"),
        (_change(["param_groups", 0, "momentum"], 0.9), "names of the options must be"),
        (_change(["param_groups", 0, "lr"], -1), "lr must be a number > 0, got -1"),
        (
            _change(["state", 1], {"step": 1}),
            r"numbers of the states must be among \[0\], got \[0, 1\]",
        ),
        (
            _change(["state", 0, "velocity"], np.ones(3)),
            "the state of parameter 0 must be among {.*}, got {.*velocity",
        ),
        (
            _change(["state", 0, "grad_sum"], np.ones(4)),
            r"the shape of 'grad_sum' of parameter 0 must be \(3,\), got \(4,\)",
        ),
        (
            _change(["state", 0, "grad_sum"], np.ones(3, "float32")),
            r"the dtype of 'grad_sum' of parameter 0 must be .*float64'\), got .*float32'\)",
        ),
    ],
)
def test_state_dicts_that_do_not_fit(change, message):
    opt, saved = saved_adam()
    before = opt.state_dict()
    saved["param_groups"][0]["eps"] = 1e-3  # would be seen if it were taken over
    change(saved)
    with pytest.raises(ArgumentError, match=rf"Adam\.load_state_dict: .*{message}"):
        opt.load_state_dict(saved)
    same(opt.state_dict(), before)


def test_sgd_loads_what_sgd_saved_with_other_options():
    # Which state there is depends on the momentum; the saved options come along.
    p, q = parameter(np.ones(3)), parameter(np.ones(3))
    a, b = SGD([p], lr=0.1, momentum=0.9), SGD([q], lr=0.1)
    p.grad = q.grad = Tensor(np.ones(3))
    a.step()
    b.load_state_dict(a.state_dict())
    assert b.param_groups[0]["momentum"] == 0.9
    q.data = p.data.copy()
    a.step()
    b.step()
    np.testing.assert_array_equal(p.data, q.data)


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
