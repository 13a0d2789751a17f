"""Values that kernels compute again rather than read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autograd_core.compiler.numba_backend import again, heads, running
from autograd_core.compiler.numba_backend.running import Runner
from autograd_core.compiler.program import Program
from compile_programs import Recorder, Symbol, arrays_for
from test_compile_numba import compare, kernels, random_program


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGRAD_CORE_CACHE", "")
    monkeypatch.setattr(again, "LARGE", 1)


def stored(run: Runner) -> list[tuple[int, ...]]:
    """The shapes of the arrays that kernels make, without those of totals and what is overwritten."""
    parameters = [p for step in run.steps if step.kernel is not None for p in step.kernel.parameters]
    return [p.value.shape for p in parameters if p.kind == "write"]


def same_bits(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with everything stored."""
    arrays = [arrays_for(program) for _ in range(2)]
    results = [Runner(program, 0)(arrays[0])]
    monkeypatch.setattr(again, "LARGE", 1 << 60)
    results.append(Runner(program, 0)(arrays[1]))
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(*arrays, strict=True):
        np.testing.assert_array_equal(a, b)


def reread(*, cost: int = 1, function: Any = None) -> tuple[Recorder, Symbol, Symbol]:
    """A value of one kernel that another one needs, since a sum of it comes between."""
    r = Recorder()
    x = r.input(40, 30)
    value = x
    for _ in range(cost):
        value = value * 3 - 1
    if function is not None:
        value = function(value)
    return r, x, value / np.sqrt((value * value).sum((0, 1)))


def test_a_cheap_expression_of_an_input_is_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    r, _, out = reread()
    program = r.done(out)
    run = compare(program)
    assert kernels(run) == 2
    assert stored(run) == [(40, 30)]  # the result
    same_bits(program, monkeypatch)


EXPENSIVE = {
    "additions": {"cost": 3},
    "function": {"function": np.exp},
    "divisions": {"function": lambda v: 1 / v / v},
}


@pytest.mark.parametrize("settings", EXPENSIVE.values(), ids=EXPENSIVE)
def test_an_expensive_one_is_stored(settings: Any) -> None:
    r, _, out = reread(**settings)
    assert stored(compare(r.done(out))) == [(40, 30)] * 2


def test_a_small_one_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(again, "LARGE", 40 * 30 + 1)
    r, _, out = reread()
    assert stored(compare(r.done(out))) == [(40, 30)] * 2


def test_what_is_an_output_or_read_by_a_call_is_read() -> None:
    r = Recorder()
    x = r.input(40, 30)
    value = x * 3 - 1
    run = compare(r.done(value, value / np.sqrt((value * value).sum((0, 1)))))
    assert run.source.count("* float32(3.0)") == 1
    r = Recorder()
    x = r.input(40, 40)
    value = x * 3 - 1
    run = compare(r.done(value @ x, value / np.sqrt((value * value).sum((0, 1)))))
    assert run.source.count("* float32(3.0)") == 1


def test_group_normalization_stores_no_array_of_its_inputs_size() -> None:
    import autograd_core
    import nn
    from autograd_core import Tensor

    layer = nn.GroupNorm(2, 4)
    x = Tensor(np.random.default_rng(0).standard_normal((5, 4, 6, 7), np.float32), requires_grad=True)
    g = np.random.default_rng(1).standard_normal((5, 4, 6, 7), np.float32)
    runs: list[Runner] = []
    genuine = running.Runner.__call__

    def observed(self: Runner, arrays: Any) -> Any:
        runs.append(self)
        return genuine(self, arrays)

    def step(x: Tensor, g: Any) -> Tensor:
        x.zero_grad()
        y = layer(x)
        y.backward(g)
        return y.detach()

    step(x, g)
    wanted = x.grad.data.copy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running.Runner, "__call__", observed)
        autograd_core.compile(step, backend="numba")(x, g)
    np.testing.assert_allclose(x.grad.data, wanted, rtol=1e-5, atol=1e-6)
    full = [shape for shape in stored(runs[-1]) if np.prod(shape) == x.size]
    assert len(full) == 2  # the result and the gradient


def scaled() -> Program:
    """Two arrays of one expression, whose kernels are apart unless the scales of their rows are one of their own."""
    r = Recorder()
    x, w = r.input(8, 4, 10), r.input(4, 1)
    scale = w / np.sqrt((x * x).sum((1, 2), True) + 1)
    out = x * scale
    moved = out - (scale * scale).sum((1,), True)
    centred = moved - moved.sum((1, 2), True)
    return r.done(out, centred, r.call("call", np.cumsum, scale, axis=0))


def test_small_values_are_a_kernel_of_their_own_where_the_rest_is_then_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = scaled()

    def large(run: Runner) -> int:
        steps = [step.kernel.parameters for step in run.steps if step.kernel is not None]
        return sum(any(p.kind in ("read", "write") and p.value.size == 320 for p in parameters) for parameters in steps)

    before = compare(program)
    monkeypatch.setattr(heads, "LARGE", 1)
    monkeypatch.setattr(heads, "SMALL", 4)
    assert (large(before), large(compare(program))) == (3, 2)
    monkeypatch.setattr(heads, "SMALL", 1000)  # nothing is small
    assert large(compare(program)) == 3


@pytest.mark.parametrize("seed", [0, 26, 43, 52, 110, 224])
def test_random_programs_with_small_parts(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "LARGE", 1)
    monkeypatch.setattr(heads, "SMALL", 2)
    compare(random_program(seed))


def overwritten(after: bool) -> Program:
    """p is overwritten by a kernel that has nothing to do with the reader of an expression of p; or depends on it."""
    r = Recorder()
    p = r.input(40, 30)
    value = p * 3 - 7
    normal = value / np.sqrt((value * value).sum((0, 1)))
    new = p - (normal.sum((0, 1)) * 0.5 if after else 1)
    return r.done(normal, updates=[(p, new)])


@pytest.mark.parametrize("after", [True, False])
def test_an_operand_that_is_overwritten_in_place(after: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    program = overwritten(after)
    run = compare(program)
    assert not run.updates  # in place all the same
    assert run.source.count("* float32(3.0)") == (2 if after else 1)
    same_bits(program, monkeypatch)


def test_no_array_lives_longer_without_another_that_lives_shorter() -> None:
    def program(temporaries: int) -> Program:
        r = Recorder()
        x, y = r.input(40, 30), r.input(40, 30)
        if temporaries > 0:
            x = r.call("call", np.cumsum, x, axis=1)
        if temporaries > 1:
            y = r.call("call", np.cumsum, y, axis=1)
        value = x - y
        normal = value / np.sqrt((value * value).sum((0, 1)))
        return r.done(normal * y if temporaries < 2 else normal)

    for temporaries, arrays in ((0, 1), (1, 1), (2, 2)):
        assert len(stored(compare(program(temporaries)))) == arrays


def test_numbers_are_computed_where_they_are_read() -> None:
    r = Recorder()
    x, y = r.input(40, 30), r.input(7)
    total = (x * x).sum((0, 1))
    scale = np.minimum(1, 3 / np.sqrt(total)) * 0.5
    run = compare(r.done(x * scale, y * scale))
    assert () not in stored(run)
    assert kernels(run) == 3


def test_a_number_that_is_an_output_is_still_one() -> None:
    r = Recorder()
    x, y, lr = r.input(40, 30), r.input(7), r.input()
    rate = lr * 0.5 + 1
    run = compare(r.done(x * rate, y * rate, rate))
    assert stored(run).count(()) == 1


@pytest.mark.parametrize("seed", [24, 132, 171, 228, 291, 492, 552])
def test_random_programs_in_groups(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(again, "SMALL", 2)
    monkeypatch.setattr(running, "PARALLEL", 1)
    compare(random_program(seed))
