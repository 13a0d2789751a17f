"""Loops over blocks in the NumPy back end: the same results, temporaries the size of a block, two threads."""

import threading

import numpy as np
import pytest

from autograd_core.compiler.numpy_backend import build, loops, runtime
from autograd_core.compiler.passes import optimize
from autograd_core.compiler.program import Program, reshape, transpose
from random_programs import random_program
from recorder import record
from test_compile_numpy import STEPS, both, call, random, value


@pytest.fixture(params=[1, 1 << 40], ids=["threads", "one thread"])
def tiny(request, monkeypatch):
    """Loops over arrays of any size, in blocks of a few numbers."""
    monkeypatch.setattr(loops, "_LARGE", 1)
    monkeypatch.setattr(loops, "_BLOCK_BYTES", 48)
    monkeypatch.setattr(loops, "_THREADED", request.param)
    monkeypatch.setattr(runtime, "processors", lambda: 2)


@pytest.mark.parametrize("passes", [lambda p: p, optimize], ids=["as recorded", "optimized"])
@pytest.mark.parametrize("seeds", range(8))
def test_random_programs(tiny, passes, seeds):
    for seed in range(3000 + seeds * 8, 3008 + seeds * 8):
        program, arrays = random_program(seed)
        single = any(v.dtype == np.float32 for c in program.calls for v in c.operands())
        run = build(passes(program))
        both(program, arrays, 1e-4 if single else 1e-9, run)
        both(program, arrays, 1e-4 if single else 1e-9, run)


@pytest.mark.parametrize("step", STEPS)
def test_steps(tiny, step):
    function, arrays, updates = STEPS[step]
    program = record(function, *arrays, updates=updates)
    run = build(optimize(program))
    assert "def loop1" in run.source
    both(program, arrays, 1e-12, run)


def test_temporaries_are_as_large_as_a_block():
    def function(a, b):
        return np.sum(np.exp(np.tanh(a * b) + a) * b, axis=0), a - b

    arrays = random(3000, 100), random(3000, 100, seed=1)
    run = build(optimize(record(function, *arrays)))
    assert run.source.count("def loop") == 1
    assert run.buffer_bytes < 3 * loops._BLOCK_BYTES
    assert run.separate_bytes > 4 * 3000 * 100 * 8
    both(record(function, *arrays), arrays, 1e-12, run)


def test_sums_in_parts_are_at_least_as_exact():
    a = np.abs(random(100_000, 4, dtype=np.float32)) + 1
    (total,) = build(record(lambda a: np.add.reduce(a * 1.5, 0), a))([a])
    exact = (a.astype(np.float64) * 1.5).sum(axis=0)
    error, eager = (np.max(np.abs(x - exact) / exact) for x in (total, (a * np.float32(1.5)).sum(axis=0)))
    assert error <= max(eager, 1e-6)


def test_extremes_in_parts_keep_nan(tiny):
    a = random(20, 3)
    a[17, 1] = np.nan
    program = record(lambda a: [np.maximum.reduce(a * 2, 0), np.minimum.reduce(a * 2, (0, 1), keepdims=True)], a)
    run = build(optimize(program))
    assert "_parts" in run.source
    both(program, [a], run=run)


def test_rows_that_do_not_divide(tiny):
    program = record(lambda a: [np.exp(a) * 2, np.sum(np.exp(a) + 1)], random(7, 3))
    run = build(program)
    assert "if stop - start <" in run.source
    both(program, [random(7, 3)], run=run)


def test_an_update_in_a_loop_is_written_block_by_block(tiny):
    p, g, step, new = (value(6, 3) for _ in range(4))
    calls = [
        call("ufunc", np.multiply, g, 0.1, result=step),
        call("ufunc", np.subtract, p, step, result=new),
    ]
    program = Program([p, g], {}, calls, [], [(p, new)])
    run = build(program)
    assert "subtract(x0_rows, t0, x0_rows)" in run.source
    both(program, [random(6, 3), random(6, 3, seed=1)], run=run)


def test_what_is_read_as_a_whole_is_not_written_in_the_same_loop(tiny):
    p, turned, other, new = value(4, 4), value(4, 4), value(4, 4), value(4, 4)
    calls = [
        call("view", transpose, p, (1, 0), result=turned),
        call("ufunc", np.exp, turned, result=other),
        call("ufunc", np.tanh, p, result=new),
    ]
    program = Program([p], {}, calls, [other], [(p, new)])
    for _ in range(20):
        both(program, [random(4, 4)])
    q, row, out = value(4), value(1, 4), value(4, 4)
    calls = [
        call("ufunc", np.exp, q, result=(r := value(4))),
        call("view", reshape, r, (1, 4), result=row),
        call("ufunc", np.add, row, other, result=out),
    ]
    both(Program([q, other], {}, calls, [out]), [random(4), random(4, 4)])
    calls[1:] = [call("ufunc", np.add, r, other, result=out)]
    both(Program([q, other], {}, calls, [out]), [random(4), random(4, 4)])


def test_an_error_in_either_thread_arrives_and_the_buffers_are_free_again(monkeypatch):
    monkeypatch.setattr(runtime, "processors", lambda: 2)
    main = threading.current_thread()
    for bad in ("main", "helper"):
        wait = threading.Event()
        active = []

        def body(start, stop, number, memory, wrong=bad, wait=wait, active=active):
            active.append(number)
            here = "main" if threading.current_thread() is main else "helper"
            if here == wrong:
                wait.set()
                raise ValueError(f"in {here}")
            assert wait.wait(5)
            active.remove(number)

        with pytest.raises(ValueError, match=f"in {bad}"):
            runtime.blocks(body, 100, 10, ((), ()), True)
        assert len(active) == 1  # only the block that failed
        done = []
        runtime.blocks(lambda start, stop, number, memory, done=done: done.append(number), 100, 10, ((), ()), True)
        assert sorted(done) == list(range(10))


def test_the_callers_errstate_holds_in_both_threads(tiny):
    run = build(record(lambda a: np.sqrt(a) + 1, np.ones((50, 3))))
    bad = -np.ones((50, 3))
    with np.errstate(invalid="ignore"):
        assert np.isnan(run([bad])[0]).all()
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
        run([bad])


def test_small_programs_have_no_loops():
    assert "blocks" not in build(record(lambda a: np.exp(a) + 1, random(20, 20))).source
