"""Kernels that run side by side: which do, in what order, and that they get in each other's way in nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import compile_programs as programs
from autograd_core.compiler.numba_backend import groups, running
from autograd_core.compiler.numba_backend.running import Runner
from autograd_core.compiler.program import Program
from compile_programs import Recorder, arrays_for
from test_compile_numba import compare


@pytest.fixture(autouse=True)
def _two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGRAD_CORE_CACHE", "")
    monkeypatch.setattr(running, "PARALLEL", 1)
    monkeypatch.setattr(running, "THREADS", 2)


def names(run: Runner) -> list[list[str]]:
    """The functions of the last calls of each group's steps."""
    return [[list(step.unit.calls())[-1].function.__name__ for step in group.steps] for group in run.groups]


def sizes(run: Runner) -> list[int]:
    return [len(group.steps) for group in run.groups]


def test_the_updates_of_an_optimizer_are_one_job() -> None:
    run = compare(programs.momentum((30, 40), (7,), (20, 50)))
    assert sizes(run) == [3]
    assert run.program_source.count("chunked(") == 1
    assert not run.updates


def test_numbers_that_several_kernels_read_do_not_order_them() -> None:
    run = compare(programs.adam((30, 40), (7,), (20, 50)))
    assert sizes(run) == [1] * (len(run.groups) - 1) + [3]
    assert names(run)[-1] == ["subtract"] * 3


def test_kernels_too_small_for_chunks_share_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    program = programs.momentum((300,), (200,), (100,))
    alone = Runner(programs.momentum((300,)), 0).steps[0].kernel
    assert alone is not None
    monkeypatch.setattr(running, "PARALLEL", alone.work * 1.5)
    run = compare(program)
    assert [step.chunks for step in run.steps] == [1, 1, 1]
    assert "chunked(" in run.program_source
    monkeypatch.setattr(running, "PARALLEL", alone.work * 3)
    assert "chunked(" not in compare(program).program_source


def test_what_reads_a_kernels_result_comes_after_it() -> None:
    r = Recorder()
    x, y = r.input(40, 30), r.input(30, 40)
    total = (x * x).sum((0, 1))
    table = (y * 2 - 1).sum((0, 1))
    run = compare(r.done(x * total, y * (table + total)))
    assert [g for g in sizes(run) if g > 1] == [2, 2]
    position = {step.unit: i for i, group in enumerate(run.groups) for step in group.steps}
    for step in run.steps:
        assert all(position[source] < position[step.unit] for source in step.unit.sources)


def overtaking(large: bool) -> Program:
    """A kernel, a call that reads what it makes, and a kernel of its own."""
    r = Recorder()
    x, y = r.input(40, 30), r.input(50, 60)
    first = np.exp(x) - x
    later = r.call("call", np.cumsum, first, axis=1)
    other = np.exp(y) - y
    return r.done(later, other if large else other.sum((0, 1)))


def test_a_kernel_overtakes_a_call_if_it_makes_nothing_large(monkeypatch: pytest.MonkeyPatch) -> None:
    assert names(compare(overtaking(False))) == [["subtract", "add"], ["cumsum"]]
    assert names(compare(overtaking(True))) == [["subtract", "subtract"], ["cumsum"]]
    monkeypatch.setattr(groups, "SMALL", 1000)
    assert names(compare(overtaking(False))) == [["subtract", "add"], ["cumsum"]]
    assert names(compare(overtaking(True))) == [["subtract"], ["cumsum"], ["subtract"]]
    monkeypatch.setattr(groups, "AHEAD", 1)
    assert names(compare(overtaking(False))) == [["subtract"], ["cumsum"], ["add"]]


def test_kernels_side_by_side_keep_no_more_memory_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def program() -> Program:
        r = Recorder()
        x, y = r.input(40, 30), r.input(50, 60)
        temporary = r.call("call", np.cumsum, x, axis=1)
        total = (np.exp(temporary) - temporary).sum((0, 1))
        return r.done(total, np.exp(y) - y)

    assert names(compare(program())) == [["cumsum"], ["add", "subtract"]]
    monkeypatch.setattr(groups, "TOGETHER", 40 * 30 * 4 - 1)  # what the first one frees
    assert names(compare(program())) == [["cumsum"], ["add"], ["subtract"]]


def test_what_a_kernel_overwrites_is_read_before() -> None:
    r = Recorder()
    p, q = r.input(40, 40), r.input(40, 40)
    turned = p.transpose(1, 0)
    late = (turned * turned + q).sum((0,))  # reads the old p through a view
    run = compare(r.done(late, updates=[(p, p * 2 - 1)]))
    assert "copied(" in run.program_source  # p is overwritten in place
    assert max(sizes(run)) == 1
    assert names(run)[-1] == ["subtract"]


def test_a_kernel_does_not_overtake_a_call_that_reads_what_it_overwrites() -> None:
    r = Recorder()
    p, x = r.input(40, 40), r.input(30, 30)
    first = (np.exp(x) - x).sum((0, 1))
    more = (p @ p - 1).sum((0, 1))
    run = compare(r.done(first, more, updates=[(p, p * 2 - 1)]))
    assert "copied(" in run.program_source
    order = [name for group in names(run) for name in group]
    assert order.index("matmul") < order.index("subtract")


def test_a_view_of_what_a_kernel_overwrites_is_not_read_within_it() -> None:
    r = Recorder()
    p = r.input(4, 1, 50)
    first = p.index(0)
    program = r.done(p * first, updates=[(p, p * 0.25)])
    compare(program)


def test_scratch_arrays_of_kernels_side_by_side() -> None:
    r = Recorder()
    outputs = []
    for shape in ((300, 20), (200, 33)):
        x = r.input(*shape)
        scaled = np.exp(x) - x.sum((0,), True)
        outputs += [scaled / scaled.sum((0,), True), scaled.sum((0, 1)) + 1]
    run = compare(r.done(*outputs))
    assert max(sizes(run)) > 1
    (scratch,) = {len(space.scratch) for space in run._free}
    assert scratch >= 4


def test_an_error_in_a_chunk_reaches_the_caller_and_the_next_run_is_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    program = programs.momentum((30, 40), (7,), (20, 50))
    genuine = running.compiled
    broken: list[bool] = []
    made: list[Any] = []

    def compiled(kernel: Any) -> Any:
        function = genuine(kernel)
        made.append(kernel)

        def call(*args: Any) -> None:
            if broken and args[1] > args[0] and args[3] == 1000:  # the third parameter's length
                raise ValueError("in a chunk")
            function(*args)

        return call

    monkeypatch.setattr(running, "compiled", compiled)
    run = Runner(program, 0)
    assert sizes(run) == [3]
    broken.append(True)
    for _ in range(3):
        with pytest.raises(ValueError, match="in a chunk"):
            run(arrays_for(program))
    assert len(run._free) == 1
    broken.clear()
    mine, wanted = arrays_for(program), arrays_for(program)
    run(mine)
    monkeypatch.undo()
    Runner(program, 0)(wanted)
    for a, b in zip(mine, wanted, strict=True):
        np.testing.assert_array_equal(a, b)


def test_bits_of_elements_do_not_depend_on_what_runs_beside() -> None:
    alone, together = programs.momentum((30, 40)), programs.momentum((30, 40), (7,), (20, 50))
    one, three = arrays_for(alone), arrays_for(together)
    three[: len(one)] = [a.copy() for a in one]
    Runner(alone, 0)(one)
    Runner(together, 0)(three)
    for a, b in zip(one, three, strict=False):
        np.testing.assert_array_equal(a, b)
