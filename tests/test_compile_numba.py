"""The Numba back end against the interpreter: programs written by hand and random ones."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import compile_programs as programs
from autograd_core.compiler.numba_backend import build, running
from autograd_core.compiler.numba_backend.running import Runner
from autograd_core.compiler.program import Program, interpret
from compile_programs import Recorder, arrays_for


@pytest.fixture(autouse=True)
def _no_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGRAD_CORE_CACHE", "")


def compare(program: Program, arrays: list[Any] | None = None, single_call: int = 0) -> Runner:
    """Outputs, updates and untouched inputs against the interpreter, twice (buffers are reused)."""
    run = Runner(program, single_call)
    # A float64 result may come from float32 sums, which are taken in another order.
    single = any(v.dtype == np.float32 for call in program.calls for v in call.results)
    arrays = arrays_for(program) if arrays is None else arrays
    mine, reference = [a.copy() for a in arrays], [a.copy() for a in arrays]
    for _ in range(2):
        with np.errstate(all="ignore"):
            wanted = interpret(program, reference)
        got = run(mine)
        for a, b in zip([*got, *mine], [*wanted, *reference], strict=True):
            assert a.shape == b.shape and a.dtype == b.dtype
            if b.dtype.kind != "f":
                np.testing.assert_array_equal(a, b)
                continue
            bound = 1e-5 if single else 1e-12
            finite = np.isfinite(b)
            np.testing.assert_array_equal(np.where(finite, 0, a), np.where(finite, 0, b))
            largest = float(np.max(np.abs(b[finite]), initial=1e-30))
            assert float(np.max(np.abs(a[finite] - b[finite]), initial=0)) <= bound * largest
    return run


def kernels(run: Runner) -> int:
    return sum(step.kernel is not None for step in run.steps)


NORMALIZATIONS = [
    ((37, 19), (0,), (19,)),
    ((5, 7, 33), (2,), (33,)),
    ((6, 3, 5, 4), (0, 2, 3), (3, 1, 1)),
    ((6, 3, 5, 4), (2, 3), (3, 1, 1)),
    ((300, 19), (0,), (19,)),
]


@pytest.mark.parametrize("case", NORMALIZATIONS, ids=str)
def test_normalization_forward_and_backward_is_one_kernel(case: Any) -> None:
    assert kernels(compare(programs.normalization(*case), single_call=1000)) == 1


def test_float64_normalization() -> None:
    compare(programs.normalization((37, 19), (0,), (19,), np.float64))
    compare(programs.batch_norm((4, 3, 5, 4), (0, 2, 3), np.float64))


def test_group_normalization_splits_and_merges_axes() -> None:
    r = Recorder()
    x, w = r.input(3, 6, 4, 5), r.input(6, 1, 1)
    groups = x.reshape(3, 2, 60)
    centred = groups - groups.mean(2, True)
    normal = centred / np.sqrt((centred * centred).mean(2, True) + 1e-5)
    run = compare(r.done(normal.reshape(3, 6, 4, 5) * w))
    assert kernels(run) == 1


CASES = {
    "softmax": lambda: programs.softmax(9, 40),
    "cross entropy": lambda: programs.log_softmax_loss(9, 40),
    "gelu": lambda: programs.gelu(9, 40),
    "silu": lambda: programs.silu(9, 40),
    "adam": lambda: programs.adam((30, 4), (7,)),
    "momentum": lambda: programs.momentum((30, 4), (7,)),
    "network": lambda: programs.network(16, 5, 7),
}


@pytest.mark.parametrize("name", CASES)
def test_program(name: str) -> None:
    compare(CASES[name](), single_call=1000)


def test_an_elementwise_program_is_one_kernel_and_reuses_it_for_another_size() -> None:
    first, second = build(programs.gelu(9, 40)), build(programs.gelu(70))
    assert kernels(first) == kernels(second) == 1
    assert first.source == second.source
    assert first.steps[0].function is second.steps[0].function


def test_another_batch_size_is_the_same_source() -> None:
    a, b = (build(programs.batch_norm((n, 48), (0,))) for n in (64, 96))
    assert a.source == b.source


def test_an_optimizer_writes_in_place() -> None:
    program = programs.momentum((30, 4))
    run = build(program)
    assert "_out" not in run.source
    assert not run.updates
    arrays = arrays_for(program)
    backwards = [a if not a.ndim else a[::-1] for a in arrays]
    compare(program, backwards)  # of which a kernel needs a copy, which goes back


def test_old_values_are_read_before_they_are_overwritten() -> None:
    r = Recorder()
    p, q = r.input(50), r.input(50)
    moved = q * 2
    late = moved + p  # reads p after its new value is known
    compare(r.done(late * p, updates=[(p, moved)]))
    r = Recorder()
    p, q = r.input(50), r.input(50)
    compare(r.done(updates=[(p, q * 2 + p), (q, p * 3 + q)]))
    r = Recorder()
    p, q = r.input(50), r.input(50)
    compare(r.done(p, updates=[(p, q), (q, p)]))


def test_a_view_of_an_input_is_read_before_the_input_is_overwritten() -> None:
    r = Recorder()
    p = r.input(6, 5)
    late = p.transpose(1, 0) @ p
    compare(r.done(late, p.index(slice(0, 2)), updates=[(p, p * 2 - 1)]))


def test_outputs_are_the_callers_own() -> None:
    r = Recorder()
    x = r.input(5, 4)
    y = x * 2
    program = r.done(y, y, x, y.reshape(20), x.broadcast(2, 5, 4), y.transpose(1, 0))
    run = Runner(program, 0)
    arrays = arrays_for(program)
    first = run(arrays)
    kept = [a.copy() for a in first]
    for i, a in enumerate(first):
        a[...] = i
        assert all(not np.may_share_memory(a, b) for j, b in enumerate([*first, *arrays]) if j != i)
    for a, b in zip(run(arrays), kept, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_same_array_along_two_axes() -> None:
    r = Recorder()
    x = r.input(7)
    table = x.reshape(7, 1) * x.reshape(1, 7)
    compare(r.done(table + table.transpose(1, 0), (table + x).sum((0,)), table - table.sum((1,), True)))


def test_reductions_over_everything_and_their_use() -> None:
    r = Recorder()
    x, y = r.input(20, 30), r.input(20, 30)
    norm = np.sqrt((x * x).sum((0, 1)))
    clipped = x * np.minimum(1, 3 / norm)
    compare(
        r.done(clipped, clipped.sum((0, 1)), (x * y).sum((0,)), x.sum((1,)).sum((0,)), y.sum((0, 1), False, np.maximum))
    )


def test_a_sum_over_what_was_repeated() -> None:
    r = Recorder()
    x = r.input(5, 7)
    repeated = x.broadcast(3, 5, 7)
    compare(
        r.done(
            repeated.sum((0,)) * 2,
            repeated.sum((0, 2)) - 1,
            repeated.sum((1,)) + repeated.sum((1, 2), True).reshape(3, 1),
        )
    )


def test_unit_axes_empty_arrays_and_no_axes() -> None:
    r = Recorder()
    a, b, c, d = r.input(1, 5, 1), r.input(3, 1, 1), r.input(), r.input(0, 5)
    compare(r.done(a * b + c, a.sum((0,)), a.sum((0, 2), True) - 1, d * 2, d.sum((0,)), c * c - 1, b.index(0, 0, 0)))


def test_integers_and_booleans_compute_as_in_numpy() -> None:
    r = Recorder()
    i, j = r.input(30, dtype=np.int32), r.input(30, dtype=np.int8)
    u, b = r.input(30, dtype=np.uint8), r.input(30, dtype=bool)
    x, y = r.input(30), r.input(30, dtype=np.float64)
    compare(
        r.done(
            i * i - 7,
            j * 100,  # wraps around
            i + j,
            u + 250,
            np.negative(i),
            i / j.cast(np.float32),
            i * x,
            x * y,
            x + 2,
            j + x,
            b * x,
            r.where(b, x, 0.0),
            r.where(x, i, 3),
            (x > 0) & b | (y != y),
            np.logical_not(x),
            np.maximum(i, j),
            b.cast(np.float32) - x,
            x.cast(np.float64) * 3,
            y.cast(np.float32),
            np.equal(i, 2),
            np.isfinite(y),
            np.sign(x),
            i.sum((0,)),
            i.sum((0,), False, np.minimum),
        )
    )


def test_a_non_contiguous_input() -> None:
    program = programs.softmax(9, 40)
    a, b = arrays_for(program)
    compare(program, [np.asfortranarray(a), np.repeat(b, 2, 1)[:, ::2]])


def test_other_calls_are_carried_out_as_they_are() -> None:
    r = Recorder()
    x = r.input(6, 6)
    low = r.call("cast", programs.cast, x, dtype=np.dtype(np.float16)) * 2
    compare(r.done(low, r.call("call", np.cumsum, x * x, axis=1) - 1, np.power(np.abs(x), 1.7), np.arctan2(x, x + 1)))


def test_an_input_of_another_shape_or_type_is_refused() -> None:
    run = build(programs.silu(9, 40))
    for array in (np.ones((9, 41), np.float32), np.ones((9, 40))):
        with pytest.raises(ValueError, match=r"recorded for an input of float32\[9, 40\], got"):
            run([array, array])


def test_checks_run_first_and_draws_in_their_order() -> None:
    r = Recorder()
    x = r.input(50)
    seen: list[str] = []

    def draw(name: str) -> Any:
        seen.append(name)
        return np.full(50, 2.0, np.float32)

    def check(array: Any) -> None:
        seen.append("check")
        if array[0] < 0:
            raise ValueError("negative")

    second = r.call("draw", draw, "first") * x
    third = r.call("draw", draw, "second") + second
    program = r.done(third, updates=[(x, third)])
    program.calls.append(programs.Call("check", check, (x.value,), {}, ()))
    run = Runner(program, 0)
    seen.clear()
    array = np.ones(50, np.float32)
    run([array])
    assert seen == ["check", "first", "second"]
    array[0] = -1
    kept = array.copy()
    with pytest.raises(ValueError, match="negative"):
        run([array])
    np.testing.assert_array_equal(array, kept)


def test_several_threads_and_chunks_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    program = programs.normalization((40, 3, 33), (2,), (33,))
    arrays = arrays_for(program)
    monkeypatch.setattr(running, "PARALLEL", 1)
    run = compare(program)
    assert run.steps[-1].chunks > 1
    wanted = run(arrays)
    results: list[Any] = [None] * 4

    def work(i: int) -> None:
        for _ in range(20):
            results[i] = run(arrays)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        for a, b in zip(result, wanted, strict=True):
            np.testing.assert_array_equal(a, b)


def random_program(seed: int) -> Program:
    """A graph of elementwise calls, reductions and broadcasts over (up to) three axes, with updates."""
    rng = np.random.default_rng(seed)
    full = tuple(int(n) for n in rng.choice([1, 2, 3, 5], 3))
    r = Recorder()
    dtypes = [np.float32, np.float64] if seed % 2 else [np.float32]

    def shape() -> tuple[int, ...]:
        return tuple(n if rng.random() < 0.7 else 1 for n in full)[int(rng.integers(0, 2)) :]

    inputs = [r.input(*shape(), dtype=rng.choice(dtypes)) for _ in range(4)]
    known = list(inputs)
    for _ in range(14):
        a, b = (known[-int(rng.integers(1, min(len(known), 6) + 1))] for _ in range(2))
        kind = rng.integers(0, 8)
        if kind < 3:
            new = (np.add, np.subtract, np.multiply)[kind](a, b)
        elif kind == 3:
            new = np.maximum(a, 0.25) / (np.abs(b) + 1)
        elif kind == 4:
            new = r.where(a > 0, a, b)
        elif a.shape:
            axes = tuple(i for i in range(len(a.shape)) if rng.random() < 0.5) or (len(a.shape) - 1,)
            ufunc = np.add if kind < 7 else np.maximum
            keep = axes != (0,) or bool(rng.random() < 0.5)  # else shapes would not broadcast any more
            new = a.sum(axes, keep, ufunc) * 0.5
        else:
            new = a * 0.5
        known.append(new)
    same = [(x, y) for x in inputs[:2] for y in known[4:] if x.shape == y.shape and x.dtype == y.dtype]
    return r.done(*known[-3:], known[8], updates=same[:1])


@pytest.mark.parametrize("seed", range(16))
def test_random_program(seed: int) -> None:
    compare(random_program(seed))
