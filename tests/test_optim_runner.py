"""Update functions turned into programs: what is computed where, and how blocks are cut."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

from autograd_core import Tensor
from optim import SGD, Adadelta, Adagrad, Adam, AdamW, Momentum, NAdam, RMSprop, workers
from optim.blocks import BLOCK_BYTES, _cut, aligned_zeros
from optim.program import record


def run(update, states=1, numbers=None, statics=None, n=5, seed=0):
    """The results of the program and of the function itself, on the same arrays."""
    numbers, statics = numbers or {}, statics or {}
    program = record(update, states, numbers, statics)
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=n) for _ in range(2 + states)]
    expected = update(*[a.copy() for a in arrays], **numbers, **statics)
    gradient = arrays[1].copy()
    flat = [x for v in numbers.values() if v is not None for x in (v if type(v) is tuple else [v])]
    scratch = [np.full(n, np.nan) for _ in range(program.scratch)]
    program.run([(*arrays, *scratch)], [np.array(x) for x in program.numbers(*flat)])
    np.testing.assert_array_equal(arrays[1], gradient)  # read only
    for got, value in zip([arrays[0], *arrays[2:]], expected, strict=True):
        np.testing.assert_array_equal(got, value)
    return program


def calls(program):
    return program.source.split("def run")[1].count("(") - 1


def test_adam_is_ten_calls_and_one_scratch_array():
    numbers = {"t": 3.0, "lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": None}
    program = run_adam(numbers)
    assert calls(program) == 10
    assert program.scratch == 1
    assert program.constants == 4


@pytest.mark.parametrize(
    ("optimizer", "options", "passes"),
    [
        (SGD, {}, 2),
        (SGD, {"momentum": 0.9}, 4),
        (SGD, {"momentum": 0.9, "nesterov": True}, 6),
        (Momentum, {}, 4),
        (Momentum, {"form": "accumulate"}, 4),
        (Momentum, {"weight_decay": 0.1}, 6),
        (Momentum, {"weight_decay": 0.1, "maximize": True}, 6),
        (Adagrad, {}, 7),
        (RMSprop, {}, 8),
        (RMSprop, {"centered": True}, 11),
        (RMSprop, {"momentum": 0.9}, 11),
        (Adadelta, {}, 8),
        (Adadelta, {"form": "zeiler"}, 13),
        (Adam, {}, 10),
        (Adam, {"eps_placement": "inside"}, 10),
        (Adam, {"amsgrad": True}, 11),
        (AdamW, {}, 11),
        (NAdam, {}, 12),
    ],
)
def test_passes_over_memory(optimizer, options, passes):
    p = Tensor(np.ones(3), requires_grad=True)
    p.grad = Tensor(np.ones(3))
    opt = optimizer([p], lr=0.1, **options)
    opt.step()
    [bucket] = opt._runner._plan.buckets
    assert calls(bucket.program) == passes


def run_adam(numbers):
    statics = {"eps_placement": "outside", "amsgrad": False, "maximize": False, "decoupled_weight_decay": False}
    return record(Adam.update, 2, numbers, statics)


def test_numbers_are_computed_once_in_float64():
    program = run(lambda p, g, s, *, a, b: (p - (1 - a**b) * g, s), numbers={"a": 0.999, "b": 1.0})
    assert program.numbers(0.999, 1.0) == (1 - 0.999,)
    assert calls(program) == 2


@pytest.mark.parametrize(
    "update",
    [
        pytest.param(lambda p, g, s: (p, s), id="nothing"),
        pytest.param(lambda p, g, s: (s, p), id="swap"),
        pytest.param(lambda p, g, s: (g, g), id="copies of the gradient"),
        pytest.param(lambda p, g, s: (p + s, p + g), id="state needs the old parameter"),
        pytest.param(lambda p, g, s: (p - (s + g), s + g * p), id="parameter before the state"),
        pytest.param(lambda p, g, s: (p * s + s * g - p / g, p - s), id="both needed late"),
        pytest.param(lambda p, g, s: (np.maximum(p, g) - np.minimum(s, 0), abs(-s)), id="ufuncs"),
        pytest.param(lambda p, g, s: ((p + g) * (p - g) * (p + 2) * (s - g), s * 0.5), id="wide"),
    ],
)
def test_programs_compute_what_the_function_does(update):
    run(update)


def test_one_value_as_two_results():
    def update(p, g, s):
        s = 0.5 * s + g
        return s, s

    run(update)


@pytest.mark.parametrize("seed", range(40))
def test_random_programs(seed):
    # Straight-line functions drawn at random: whatever the allocation of arrays, no value may be
    # overwritten before its last use.
    def update(p, g, *states):
        rng = np.random.default_rng(seed)
        values = [p, g, *states]
        for _ in range(12):
            i, j = rng.integers(len(values), size=2)
            ufunc = (np.add, np.subtract, np.multiply, np.maximum)[rng.integers(4)]
            values.append(ufunc(values[i], values[j]))
        return tuple(values[k] for k in rng.integers(len(values), size=1 + len(states)))

    run(update, states=2, seed=seed)


def branch_on_value(p, g):
    return (p if p > 0 else g,)


def through_an_array(p, g):
    return (p - np.asarray(g),)


def reduction(p, g):
    return (p - np.add.reduce(g),)


def with_option(p, g):
    return (np.add(p, g, where=True),)


def with_constant(p, g):
    return (p - np.ones(3) * g,)


@pytest.mark.parametrize(
    ("update", "message"),
    [
        (branch_on_value, "may not branch on a value"),
        (through_an_array, "may use ufuncs only"),
        (reduction, r"got add\.reduce of _Symbol"),
        (with_option, r"with options \['where'\]"),
        (with_constant, r"got multiply\.__call__ of ndarray, _Symbol"),
    ],
)
def test_update_functions_that_cannot_be_recorded(update, message):
    with pytest.raises(TypeError, match=message):
        record(update, 0, {}, {})


def test_update_functions_with_wrong_results():
    with pytest.raises(ValueError, match="the parameter and its 1 states, got 1 values"):
        record(lambda p, g, s: (p,), 1, {}, {})
    with pytest.raises(ValueError, match="must return arrays, got a number for 's0'"):
        record(lambda p, g, s: (p, 1.0), 1, {}, {})


@pytest.mark.parametrize(
    "shape",
    [(), (0,), (1,), (1000,), (4, 0, 3), (10, 100), (3, 70), (2, 3, 70), (70, 2, 3), (101, 1)],
    ids=str,
)
def test_tiles_cover_an_array_once_in_order(shape):
    limit = 64
    array = np.arange(int(np.prod(shape))).reshape(shape)
    position = 0
    for index, start in _cut(shape, limit):
        tile = array[index]
        assert start == position
        assert tile.size <= limit
        np.testing.assert_array_equal(tile.reshape(-1), np.arange(start, start + tile.size))
        position += tile.size
    assert position == array.size


def test_states_and_scratch_start_on_a_cache_line():
    for size in (1, 8, 1000):
        array = aligned_zeros(size, np.float32)
        assert array.shape == (size,)
        assert array.dtype == np.float32
        assert array.ctypes.data % 64 == 0


def test_small_parameters_share_one_block_and_large_ones_are_cut():
    shapes = [(3,), (2, 2), (), (BLOCK_BYTES // 4,)]
    params = [Tensor(np.ones(shape), requires_grad=True) for shape in shapes]
    for p in params:
        p.grad = Tensor(np.ones(p.shape))
    opt = SGD(params, lr=0.1, momentum=0.9)
    opt.step()
    [bucket] = opt._runner._plan.buckets
    assert [block.size for block in bucket.blocks] == [8, BLOCK_BYTES // 8, BLOCK_BYTES // 8]
    first, second, third, large = (opt.state[p]["momentum_buffer"].data for p in params)
    assert np.shares_memory(first, bucket.blocks[0].states[0])
    assert np.shares_memory(third, bucket.blocks[0].states[0])
    assert not np.shares_memory(large, bucket.blocks[0].states[0])
    assert second.shape == (2, 2)


def test_many_small_parameters_fill_several_blocks():
    params = [Tensor(np.ones(4000), requires_grad=True) for _ in range(20)]
    for p in params:
        p.grad = Tensor(np.ones(4000))
    opt = SGD(params, lr=0.5)
    opt.step()
    [bucket] = opt._runner._plan.buckets
    assert len(bucket.blocks) == 3
    assert all(block.size * 8 <= BLOCK_BYTES for block in bucket.blocks)
    for p in params:
        np.testing.assert_array_equal(p.data, np.full(4000, 0.5))


def test_a_plan_is_kept_until_something_changes():
    p, q = (Tensor(np.ones(3), requires_grad=True) for _ in range(2))
    opt = SGD([p, q], lr=0.1)

    def step():
        opt.step()
        return opt._runner._plan

    p.grad = Tensor(np.ones(3))
    with pytest.warns(UserWarning, match="skipped"):  # q, which gets its gradient below
        plan = step()
    p.grad = Tensor(np.zeros(3))
    opt.param_groups[0]["lr"] = 0.2
    assert step() is plan
    opt.param_groups[0]["weight_decay"] = 0.2  # another program
    assert step() is not plan
    plan = step()
    q.grad = Tensor(np.ones(3))
    assert step() is not plan


@pytest.mark.parametrize(
    ("make", "option"),
    [
        (lambda ps: Adam(ps, lr=1e-3, amsgrad=True), lambda b: {"betas": (b, 0.9 + b / 20)}),
        (lambda ps: NAdam(ps, lr=1e-3), lambda b: {"betas": (b, 0.9 + b / 20)}),
        (lambda ps: Momentum(ps, lr=1e-3), lambda b: {"gamma": b}),
        (lambda ps: RMSprop(ps, lr=1e-3), lambda b: {"alpha": b}),
        (lambda ps: Adadelta(ps, lr=1e-3, form="zeiler"), lambda b: {"gamma": b}),
    ],
)
def test_a_decay_that_is_set_anew_keeps_plan_and_arrays(make, option):
    """As a one-cycle schedule does at every step."""
    params = [Tensor(np.ones(shape, np.float32), requires_grad=True) for shape in [(3,), (4, 2), (), (300, 200)]]
    optimizer = make(params)
    plans, arrays = [], []
    for b in (0.5, 0.6, 0.9):
        for p in params:
            p.grad = Tensor(np.full(p.shape, 0.5, np.float32))
        optimizer.param_groups[0].update(option(b))
        optimizer.step()
        plans.append(optimizer._runner._plan)
        arrays.append([id(state.data) for p in params for state in optimizer.state[p].values()])
    assert plans[1] is plans[0] and plans[2] is plans[0]
    assert arrays[1] == arrays[0] and arrays[2] == arrays[0]


def test_the_helper_thread_is_one_and_a_daemon_of_the_process(monkeypatch):
    monkeypatch.setattr(workers, "_pool", None)
    monkeypatch.setattr(workers, "_cores", lambda: 1)
    assert workers.helper() is None
    monkeypatch.setattr(workers, "_cores", lambda: 2)
    pool = workers.helper()
    try:
        assert pool is workers.helper()
        assert pool.submit(threading.get_ident).result() != threading.get_ident()
    finally:
        pool.shutdown()


def test_a_forked_child_starts_a_helper_of_its_own(monkeypatch):
    monkeypatch.setattr(workers, "_pool", object())
    workers._forget()
    assert workers._pool is None
    assert workers._cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize("shapes", [[(0, 3), (4,)], [(0, 3), (4,), (0,)], [(0,)], [(0,), (0, 2)]])
def test_empty_parameters(shapes):
    params = [Tensor(np.ones(shape), requires_grad=True) for shape in shapes]
    optimizer = Adam(params, lr=0.1)
    for _ in range(2):
        for p in params:
            p.grad = Tensor(np.ones(p.shape))
        optimizer.step()
    for p in params:
        np.testing.assert_allclose(p.data, np.full(p.shape, 0.8))
