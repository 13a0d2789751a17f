"""Large updates as compiled loops: the bits of the ufunc calls that they stand for, whatever the arrays look like."""

from __future__ import annotations

import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from autograd_core import Tensor
from autograd_core.compiler.numba_backend import kernels as backend
from optim import SGD, Adam, Momentum, Optimizer, StepLR, kernels, runner
from optim.blocks import BLOCK_BYTES
from optim_cases import CASES, LAYOUTS, strided

ROOT = Path(__file__).parent.parent
# Several tiles each, but for the last two, which are packed; a length that is no multiple of any vector's.
SHAPES = [(40, 300), (12_345,), (3, 70, 31), (5,), ()]
# Each once in a gradient of every parameter, beside ordinary numbers.
SPECIAL = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e-45, -1e-40, 3e38, -3e38, 1e-310, 1e300]


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Every update is large enough for a loop, for several blocks and for two threads."""
    monkeypatch.setenv("AUTOGRAD_CORE_CACHE", "")
    monkeypatch.setattr(runner, "KERNEL_SIZE", 0)
    monkeypatch.setattr(runner, "THREADED_SIZE", 0)
    monkeypatch.setattr(runner, "block_bytes", lambda total: 1 << 13)
    monkeypatch.setattr("optim.blocks.PACKED_BYTES", 1 << 8)


def buckets(optimizer):
    return optimizer._runner._plan.buckets


def uses_a_loop(optimizer):
    found = [bucket.kernel is not None for bucket in buckets(optimizer)]
    assert len(set(found)) == 1
    return found[0]


def gradients(rng, dtype, special):
    out = []
    for shape in SHAPES:
        g = rng.normal(size=shape)
        if special and g.size > 1:
            places = rng.choice(g.size, min(len(SPECIAL), g.size), replace=False)
            g.flat[places] = SPECIAL[: len(places)]
        with np.errstate(over="ignore", under="ignore"):
            out.append(g.astype(dtype))
    return out


def trained(kind, options, dtype, *, loop, steps=4, special=False, layout="C", gradient_layout="C", schedule=False):
    """Parameters and states after some steps, and the optimizer; `loop`: as compiled loops."""
    with pytest.MonkeyPatch.context() as patch:
        if not loop:
            patch.setattr(runner, "KERNEL_SIZE", 1 << 60)
        rng = np.random.default_rng(3)
        params = [Tensor(_laid(rng.normal(size=s).astype(dtype), layout), requires_grad=True) for s in SHAPES]
        optimizer = kind(params, **({"lr": 0.1} | options))
        rates = StepLR(optimizer, 2, 0.5) if schedule else None
        with np.errstate(all="ignore"):
            for i in range(steps):
                for p, g in zip(params, gradients(rng, dtype, special and i == 1), strict=True):
                    p.grad = Tensor(_laid(g, gradient_layout))
                optimizer.step()
                if rates is not None:
                    rates.step()
        assert uses_a_loop(optimizer) == loop
        return [p.data for p in params] + [s.data for p in params for s in optimizer.state[p].values()], optimizer


def _laid(array, layout):
    return LAYOUTS[layout](array) if array.ndim else array


def same_bits(got, wanted):
    """NaN for NaN (which of several it is, IEEE 754 leaves open), and every other number bit by bit."""
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        bits = f"u{a.dtype.itemsize}"
        a, b = np.array(a), np.array(b)
        nan = np.isnan(b)
        np.testing.assert_array_equal(np.isnan(a), nan)
        np.testing.assert_array_equal(np.where(nan, 0, a.view(bits)), np.where(nan, 0, b.view(bits)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "formula", "options"), CASES)
def test_every_optimizer_has_the_same_bits(kind, formula, options, dtype):
    for special in (False, True):
        got, _ = trained(kind, options, dtype, loop=True, special=special)
        wanted, _ = trained(kind, options, dtype, loop=False, special=special)
        same_bits(got, wanted)
    assert any(np.isnan(a).any() for a in wanted)  # the last: special values get through


@pytest.mark.parametrize("gradient_layout", LAYOUTS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout, gradient_layout):
    same = {"layout": layout, "gradient_layout": gradient_layout}
    got, optimizer = trained(Adam, {}, "float32", loop=True, **same)
    same_bits(got, trained(Adam, {}, "float32", loop=False, **same)[0])
    [bucket] = buckets(optimizer)
    assert {type(block).__name__ for block in bucket.blocks} == {"Pack", "Tile"}
    assert len(bucket.blocks) > len(SHAPES)


def test_gradients_of_another_dtype():
    def run(loop):
        with pytest.MonkeyPatch.context() as patch:
            if not loop:
                patch.setattr(runner, "KERNEL_SIZE", 1 << 60)
            p = Tensor(np.linspace(0, 1, 9000, dtype=np.float32), requires_grad=True)
            optimizer = Momentum([p], lr=0.1)
            for i in range(3):
                p.grad = Tensor(np.linspace(-1, 1, 9000) * (i + 1 / 3))
                optimizer.step()
            assert uses_a_loop(optimizer) == loop
            return [p.data, optimizer.state[p]["grad_sum"].data]

    same_bits(run(True), run(False))


def test_schedules_act_without_another_compilation(monkeypatch):
    made = []
    monkeypatch.setattr(backend, "_known", {})
    compiling = backend._compile
    monkeypatch.setattr(backend, "_compile", lambda *args: made.append(1) or compiling(*args))
    got, _ = trained(Adam, {}, "float64", loop=True, steps=6, schedule=True)
    assert len(made) == 1
    same_bits(got, trained(Adam, {}, "float64", loop=False, steps=6, schedule=True)[0])
    constant, _ = trained(Adam, {}, "float64", loop=False, steps=6)
    assert not np.array_equal(got[0], constant[0])


def test_two_optimizers_in_two_threads(monkeypatch):
    monkeypatch.setattr(backend, "_known", {})  # both compile at once
    wanted = [trained(kind, {}, "float32", loop=False, steps=20)[0] for kind in (Momentum, Adam)]
    barrier = threading.Barrier(2)

    def work(kind):
        rng = np.random.default_rng(3)
        params = [Tensor(rng.normal(size=s).astype("float32"), requires_grad=True) for s in SHAPES]
        optimizer = kind(params, lr=0.1)
        barrier.wait()
        for _ in range(20):
            for p, g in zip(params, gradients(rng, "float32", False), strict=True):
                p.grad = Tensor(g)
            optimizer.step()
        assert uses_a_loop(optimizer)
        return [p.data for p in params] + [s.data for p in params for s in optimizer.state[p].values()]

    with ThreadPoolExecutor(2) as pool:
        for got, expected in zip(pool.map(work, (Momentum, Adam)), wanted, strict=True):
            same_bits(got, expected)


# -- where there is no loop --------------------------------------------------------------------------------------------


def large(kind=Momentum, n=9000, dtype="float32", value=1.0, **options):
    p = Tensor(np.ones(n, dtype), requires_grad=True)
    p.grad = Tensor(np.full(n, value, dtype))
    return p, kind([p], **({"lr": 0.5} | options))


def test_small_models_are_left_to_numpy(monkeypatch):
    monkeypatch.setattr(runner, "KERNEL_SIZE", 9001)
    _, optimizer = large()
    optimizer.step()
    assert not uses_a_loop(optimizer)
    _, optimizer = large(n=9001)
    optimizer.step()
    assert uses_a_loop(optimizer)


def test_blocks_are_large_but_enough_for_two_threads():
    assert kernels.block_bytes(0) == kernels.block_bytes(1 << 20) == BLOCK_BYTES
    assert kernels.block_bytes(1 << 24) == 1 << 20
    assert kernels.block_bytes(1 << 40) == kernels.KERNEL_BYTES > BLOCK_BYTES


def test_a_compilation_that_fails_is_tried_once(monkeypatch):
    tried = []

    def failing(kernel):
        tried.append(kernel)
        raise RuntimeError("no machine code today")

    monkeypatch.setattr(backend, "compiled", failing)
    p, optimizer = large()
    optimizer.step()
    np.testing.assert_array_equal(p.data, np.full(9000, 1 - 0.5 * 0.1, np.float32))
    assert not uses_a_loop(optimizer)
    assert len(buckets(optimizer)[0].blocks) == 1  # NumPy's, which are larger here
    optimizer._runner.forget()
    optimizer.step()
    assert len(tried) == 1


class Custom(Optimizer):
    """Its last bits, or what the ufunc does to memory of another type, are NumPy's own."""

    def __init__(self, params, lr):
        super().__init__(params, lr=lr)


def exponential(p, g, *, t, lr):
    return (p - lr * np.exp(-g),)


def compared(p, g, *, t, lr):
    return (p - lr * (g > 0),)


def powers(p, g, *, t, lr):
    return (p - lr * g**3,)


@pytest.mark.parametrize("update", [exponential, compared, powers])
def test_update_functions_that_loops_have_no_bits_for(update):
    kind = type("Made", (Custom,), {"update": staticmethod(update)})
    p, optimizer = large(kind)
    old = p.data.copy()
    optimizer.step()
    assert not uses_a_loop(optimizer)
    np.testing.assert_array_equal(p.data, update(old, p.grad.data, t=1.0, lr=np.float32(0.5))[0])


def extrema(p, g, *, t, lr):
    return (np.maximum(p - lr * np.sign(g), np.minimum(abs(-p), 0.25)),)


def test_update_functions_of_users():
    kind = type("Made", (Custom,), {"update": staticmethod(extrema)})
    p, optimizer = large(kind)
    p.data[:3000], p.data[3000:4000], p.grad.data[:100] = -0.0, np.nan, np.nan
    old = p.data.copy()
    optimizer.step()
    assert uses_a_loop(optimizer)
    same_bits([p.data], [extrema(old, p.grad.data, t=1.0, lr=np.float32(0.5))[0]])


def test_half_precision_goes_through_the_loop_of_single_precision():
    (with_loop, optimizer), (without, _) = (trained(Adam, {}, np.float16, loop=loop) for loop in (True, False))
    assert uses_a_loop(optimizer)
    assert {array.dtype.name for array in with_loop} == {"float16", "float32", "float64"}
    same_bits(with_loop, without)


# -- memory ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["parameter", "state"])
def test_a_gradient_in_memory_that_is_written_to(which):
    p, optimizer = large(SGD, momentum=0.5)
    optimizer.step()
    np.testing.assert_array_equal(p.data, np.full(9000, 0.5, np.float32))
    b = optimizer.state[p]["momentum_buffer"]
    p.grad = Tensor((p if which == "parameter" else b).data[::-1])
    optimizer.step()
    assert uses_a_loop(optimizer)
    moved = 0.5 * 1 + (0.5 if which == "parameter" else 1.0)
    np.testing.assert_array_equal(b.data, np.full(9000, moved, np.float32))
    np.testing.assert_array_equal(p.data, np.full(9000, 0.5 - 0.5 * moved, np.float32))


def test_a_state_in_the_memory_of_its_parameter_is_left_to_numpy():
    p, optimizer = large(SGD, momentum=0.5)
    optimizer.step()
    assert uses_a_loop(optimizer)
    optimizer.state[p]["momentum_buffer"].data = p.data
    optimizer.step()
    assert not uses_a_loop(optimizer)


# -- floating-point errors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
def test_errors_are_those_of_errstate(threads, monkeypatch):
    monkeypatch.setattr(runner, "THREADED_SIZE", 0 if threads == 2 else 1 << 60)
    p, optimizer = large(Adam)
    optimizer.step()
    p.grad = Tensor(np.full(9000, 1e30, np.float32))  # its square is infinite
    with pytest.warns(RuntimeWarning, match="overflow encountered in Adam.step"):
        optimizer.step()
    with np.errstate(over="raise"), pytest.raises(FloatingPointError, match="overflow"):
        optimizer.step()
    with warnings.catch_warnings(), np.errstate(over="ignore"):
        warnings.simplefilter("error")
        optimizer.step()
    assert uses_a_loop(optimizer)
    p, optimizer = large(SGD, value=np.inf)
    p.data[...] = np.inf
    with pytest.warns(RuntimeWarning, match="invalid value encountered in SGD.step"):
        optimizer.step()
    p, optimizer = large(Adam, eps=0.0, value=0.0)
    with pytest.warns(RuntimeWarning, match="invalid value"):
        optimizer.step()
    seen = []
    p, optimizer = large(Adam, value=1e30)
    with np.errstate(over="call", call=lambda *what: seen.append(what)):
        optimizer.step()
    assert seen and seen[0][0] == "overflow"


def test_an_element_without_errors_is_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for options in ({}, {"amsgrad": True}):  # a maximum, whose comparison a NaN makes invalid for the machine
            p, optimizer = large(Adam, value=np.nan, **options)
            with np.errstate(all="raise", under="ignore"):
                optimizer.step()
            assert uses_a_loop(optimizer)
            assert np.isnan(p.data).all()


# -- imports -----------------------------------------------------------------------------------------------------------

SCRIPT = """
import sys
{before}
import numpy as np
import optim
from autograd_core import Tensor

def step(n):
    p = Tensor(np.ones(n, np.float32), requires_grad=True)
    p.grad = Tensor(np.ones(n, np.float32))
    optimizer = optim.Momentum([p], lr=0.5)
    optimizer.step()
    assert (p.data == np.float32(1) - np.float32(0.5 * (1 - 0.9))).all()
    return optimizer._runner._plan.buckets[0].kernel is not None

print(step(1000), bool(sys.modules.get("numba")), step(1 << 20), bool(sys.modules.get("numba")))
"""


@pytest.mark.parametrize(
    ("before", "wanted"), [("", "False False True True"), ("sys.modules['numba'] = None", "False False False False")]
)
def test_numba_is_imported_in_the_first_large_step_if_it_is_there(before, wanted):
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(before=before)], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert run.stdout.strip() == wanted


def test_strided_parameters_are_copied_in_and_out():
    wide = strided(np.arange(9000.0, dtype=np.float32))
    p = Tensor(wide, requires_grad=True)
    p.grad = Tensor(np.ones(9000, np.float32))
    optimizer = SGD([p], lr=0.5)
    optimizer.step()
    assert uses_a_loop(optimizer) and p.data is wide
    np.testing.assert_array_equal(wide, np.arange(9000, dtype=np.float32) - np.float32(0.5))
