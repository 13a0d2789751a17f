"""One loop for arrays of any length, against the interpreter."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import pytest

from autograd_core.compiler.flat import Loop, flat
from autograd_core.compiler.program import Program, interpret
from compile_programs import Recorder

UNARY = [np.negative, np.positive, np.absolute, np.fabs, np.square, np.sqrt, np.reciprocal, np.sign]
BINARY = [np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum]
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, -1e-40, 1e-310, 3e38, 1e308, np.inf, -np.inf, np.nan]


@pytest.fixture(autouse=True)
def _no_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGRAD_CORE_CACHE", "")


def program(function: Any, arrays: int = 3, numbers: int = 1, dtype: Any = np.float32, length: int = 7) -> Program:
    """Of `function(*arrays, *numbers)`, whose results are new values of the first arrays."""
    r = Recorder()
    inputs = [r.input(length, dtype=dtype) for _ in range(arrays)] + [r.input(dtype=dtype) for _ in range(numbers)]
    return r.done(updates=list(zip(inputs, function(*inputs), strict=False)))


def loop(*args: Any, **more: Any) -> Loop:
    made = flat(program(*args, **more))
    assert made is not None
    return made


def same_bits(a: Any, b: Any) -> None:
    nan = np.isnan(b)
    np.testing.assert_array_equal(np.isnan(a), nan)
    bits = f"u{a.dtype.itemsize}"
    np.testing.assert_array_equal(np.where(nan, 0, a.view(bits)), np.where(nan, 0, b.view(bits)))


def step(p: Any, s: Any, g: Any, c: Any) -> Any:
    new = s * c + g
    return p - c * new, new


def test_any_length_in_one_loop() -> None:
    run = loop(step)
    rng = np.random.default_rng(0)
    for n in (0, 1, 2, 7, 4095, 4096, 4097, 100_003):
        p, s, g = (rng.normal(size=n).astype(np.float32) for _ in range(3))
        c = np.array([0.9], np.float32)
        old = g.copy()
        wanted = [*step(p, s, g, c[0]), old, c.copy()]
        given = [p, s, g, c]
        run.bound(given)()
        for a, b in zip(given, wanted, strict=True):
            same_bits(a, b)
        wanted = step(p, s, g[::-1], c[0])
        run.bound([p, s, None, c])(g[::-1].copy())
        for a, b in zip(given, wanted, strict=False):
            same_bits(a, b)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("ufunc", [*UNARY, *BINARY], ids=lambda f: f.__name__)
def test_every_function_has_numpys_bits(ufunc: Any, dtype: Any) -> None:
    with np.errstate(all="ignore"):
        values = np.array(SPECIAL, np.float64).astype(dtype)
        values = np.concatenate([values, np.random.default_rng(0).normal(size=200).astype(dtype)])
        a, b = (x.ravel().copy() for x in np.meshgrid(values, values))
        if ufunc in (np.maximum, np.minimum) and platform.machine() not in ("x86_64", "AMD64"):
            apart = (a != 0) | (b != 0)  # elsewhere NumPy may give another zero of two
            a, b = a[apart], b[apart]
        given = [np.zeros_like(a), a, b]
        run = loop(lambda out, x, y: (ufunc(x, y) if ufunc in BINARY else ufunc(x),), 3, 0, dtype)
        run.bound(given)()
        same_bits(given[0], ufunc(a, b) if ufunc in BINARY else ufunc(a))


@pytest.mark.parametrize("seed", range(12))
def test_random_programs(seed: int) -> None:
    def function(*values: Any) -> Any:
        rng = np.random.default_rng(seed)
        made = list(values)
        for _ in range(12):
            i, j = rng.integers(len(made), size=2)
            ufunc = BINARY[rng.integers(len(BINARY))]
            if made[i].shape or made[j].shape:
                made.append(ufunc(made[i], made[j]))
        chosen = rng.choice(len(made) - len(values), 3, replace=False) + len(values)
        return [made[k] for k in chosen]

    written = program(function, 4, 2, length=501)
    run = flat(written)
    assert run is not None
    rng = np.random.default_rng(seed)
    mine = [rng.normal(size=v.shape or 1).astype(np.float32) for v in written.inputs]
    reference = [a.copy().reshape(v.shape) for a, v in zip(mine, written.inputs, strict=True)]
    with np.errstate(all="ignore"):
        run.bound(mine)()
        interpret(written, reference)
    for a, b in zip(mine, reference, strict=True):
        same_bits(a, b.reshape(a.shape))


def test_new_values_that_swap_places() -> None:
    run = loop(lambda a, b: (np.positive(b), np.positive(a)), 2, 0)
    a, b = np.arange(5000, dtype=np.float32), np.ones(5000, np.float32)
    run.bound([a, b])()
    assert (a == 1).all() and (b == np.arange(5000)).all()


def reduced() -> Program:
    r = Recorder()
    a = r.input(7)
    return r.done(updates=[(a, a + a.sum(0))])


def with_output() -> Program:
    r = Recorder()
    a = r.input(7)
    return r.done(a + a, updates=[(a, a * a)])


def two_lengths() -> Program:
    r = Recorder()
    a, b = r.input(7), r.input(8)
    return r.done(updates=[(a, a * a), (b, b * b)])


def one_value_for_two() -> Program:
    r = Recorder()
    a, b = r.input(7), r.input(7)
    c = a + b
    return r.done(updates=[(a, c), (b, c)])


def an_input() -> Program:
    r = Recorder()
    a, b = r.input(7), r.input(7)
    return r.done(updates=[(a, b)])


def a_matrix() -> Program:
    r = Recorder()
    a = r.input(7, 2)
    return r.done(updates=[(a, a + a)])


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(program(lambda a, c: (np.exp(a),), 1), id="exp"),
        pytest.param(program(lambda a, c: (a**c,), 1), id="power"),
        pytest.param(program(lambda a, b, c: (a, b), 2), id="nothing new"),
        pytest.param(program(lambda a, c: (a + 1.5,), 1, dtype=np.float16), id="float16"),
        pytest.param(program(lambda a, c: (c * c,), 1), id="a number for an array"),
        pytest.param(program(lambda a, c: (a > c,), 1), id="another dtype"),
        *[pytest.param(f(), id=f.__name__) for f in (reduced, with_output, two_lengths, one_value_for_two)],
        *[pytest.param(f(), id=f.__name__) for f in (an_input, a_matrix)],
    ],
)
def test_programs_that_are_no_such_loop(made: Program) -> None:
    assert flat(made) is None


def test_arrays_that_do_not_fit() -> None:
    run = loop(step)
    n = 10
    p, s, g, c = (np.ones(k, np.float32) for k in (n, n, n, 1))
    for i, wrong in [(1, s[:-1]), (1, s[::2]), (2, g.astype(np.float64)), (3, np.ones(2, np.float32)), (0, p[:4])]:
        given = [p, s, g, c]
        given[i] = wrong
        with pytest.raises(ValueError, match=r"flat: arrays must be contiguous, of one length and of the program's"):
            run.bound(given)
    twice = np.ones(2 * n, np.float32)
    for wrong in (twice, twice[::2], g.astype(np.float64)):
        with pytest.raises(ValueError, match=r"as input 2, of float32, where the first array has 10 elements"):
            run.bound([p, s, None, c])(wrong)
    assert (p == 1).all() and (s == 1).all()


def test_floating_point_errors_are_errstates() -> None:
    run = flat(program(lambda a, c: (a * c,), 1), "scaled")
    assert run is not None
    a, c = np.full(100, 1e30, np.float32), np.full(1, 1e30, np.float32)
    with pytest.warns(RuntimeWarning, match="overflow encountered in scaled"):
        run.bound([a, c])()
    assert (a == np.inf).all()
    a[...] = 1e30
    with np.errstate(over="raise"), pytest.raises(FloatingPointError, match="overflow encountered in scaled"):
        run.bound([a, c])()
    c[...] = 0
    with np.errstate(all="raise"):
        run.bound([np.full(100, np.nan, np.float32), c])()  # no error in NumPy either
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError, match="invalid"):
        run.bound([np.full(100, np.inf, np.float32), c])()
