"""Exponentials and their relatives against NumPy and SciPy in a wider type; the cache of kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
import scipy.special

import compile_programs as programs
from autograd_core.compiler.numba_backend import build, functions, kernels
from autograd_core.compiler.program import interpret

# What each is compared with, in which range of finite results, and the bound in units of the last place.
FUNCTIONS: dict[str, tuple[Any, float, float, float]] = {
    "exp_float32": (np.exp, -87, 88, 1.5),
    "expm1_float32": (np.expm1, -87, 88, 2),
    "log_float32": (np.log, 0, 3e38, 1.5),
    "log1p_float32": (np.log1p, -1, 3e38, 2),
    "tanh_float32": (np.tanh, -20, 20, 2),
    "expit_float32": (scipy.special.expit, -87, 88, 2),
    "erf_float32": (scipy.special.erf, -10, 10, 2.5),
    # The rounding of a^2 / 2 is amplified far to the left.
    "ndtr_float32": (scipy.special.ndtr, -8, 10, 40),
    "exp_float64": (np.exp, -700, 700, 2),
    "log_float64": (np.log, 0, 1e308, 1.5),
    "tanh_float64": (np.tanh, -20, 20, 2),
    "expit_float64": (lambda x: 1 / (1 + np.exp(-x)), -700, 700, 2),
}
SPECIAL = [
    np.inf,
    -np.inf,
    np.nan,
    0.0,
    -0.0,
    1e-40,
    -1e-40,
    3e38,
    -3e38,
    -1.0,
    1.0,
    88.72,
    -87.4,
    -103.9,
    710.0,
    -745.0,
]


def on_arrays(name: str) -> Callable[[Any], Any]:
    function = getattr(functions, name)

    @numba.njit(error_model="numpy")
    def loop(x: Any, out: Any) -> None:
        for i in range(x.size):
            out[i] = function(x[i])

    def run(x: Any) -> Any:
        out = np.empty_like(x)
        loop(x, out)
        return out

    return run


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_over_its_range_and_at_special_values(name: str) -> None:
    exact, low, high, bound = FUNCTIONS[name]
    run = on_arrays(name)
    dtype = np.dtype(name.split("_")[1])
    wider: Any = np.float64 if dtype == np.float32 else np.longdouble
    rng = np.random.default_rng(0)
    near = rng.standard_normal(20000) * 10.0 ** rng.uniform(-8, 0, 20000)
    x = np.concatenate(
        [rng.uniform(max(low, -1e3), min(high, 1e3), 20000), near, 1 + near / 4, rng.uniform(-2, 2, 20000)]
    )
    if low == 0 or low == -1:
        x = np.concatenate([np.abs(x), np.exp(rng.uniform(-80, 80, 20000)), -rng.uniform(0, 1, 20000) * -low])
    x = x[(x > low) & (x < high)].astype(dtype)
    with np.errstate(all="ignore"):
        wanted = exact(x.astype(wider))
        known = np.abs(wanted) > np.finfo(dtype).tiny
        relative = np.abs(run(x)[known] - wanted[known]) / np.abs(wanted[known])
        assert relative.max() <= bound * np.finfo(dtype).eps
        special = np.array(SPECIAL).astype(dtype)
        wanted, got = exact(special), run(special)
    np.testing.assert_allclose(got, wanted, rtol=2 * bound * np.finfo(dtype).eps, atol=0 if bound < 40 else 1e-37)
    zero = (wanted == 0) & (special == 0)
    np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(wanted[zero]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extrema_see_nan_of_either_sign_and_infinities(dtype: Any) -> None:
    r = programs.Recorder()
    x = r.input(6, 40, dtype=dtype)
    program = r.done(*(x.sum(axes, False, u) for u in (np.maximum, np.minimum) for axes in (0, 1)))
    array = np.random.default_rng(0).standard_normal((6, 40)).astype(dtype)
    array[0, 3], array[1, 4], array[2, 5], array[3, 6] = np.nan, -np.nan, np.inf, -np.inf
    array[4] = -np.inf
    for a, b in zip(build(program)([array]), interpret(program, [array]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_kernels_are_kept_in_the_cache_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "cache"
    monkeypatch.setenv("AUTOGRAD_CORE_CACHE", str(place))
    code = (
        "import sys, numpy as np; sys.path[:0] = ['.', 'tests']\n"
        "import compile_programs as p; from autograd_core.compiler.numba_backend import build\n"
        "a = np.ones((3, 4), np.float32); print(float(build(p.sigmoid(3, 4))([a, a])[0][0, 0]))"
    )
    root = Path(__file__).parent.parent
    once = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    files = {f: f.stat().st_mtime_ns for f in place.rglob("*") if f.is_file()}
    assert {f.suffix for f in files} - {".pyc"} == {".py", ".nbi", ".nbc"}  # Python may keep its byte code beside
    assert place.stat().st_mode & 0o077 == 0 or sys.platform == "win32"
    again = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert {f: f.stat().st_mtime_ns for f in place.rglob("*") if f.is_file()} == files
    assert once.stdout == again.stdout
    assert abs(float(once.stdout) - 1 / (1 + np.exp(-1))) < 1e-6


def test_a_cache_directory_that_cannot_be_used_costs_only_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    program = programs.silu(3, 4)
    arrays = programs.arrays_for(program)
    for path in (str(blocked), str(blocked / "below")):
        monkeypatch.setenv("AUTOGRAD_CORE_CACHE", path)
        monkeypatch.setattr(kernels, "_known", {})
        for a, b in zip(build(program)(arrays), interpret(program, arrays), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)
    assert blocked.read_text() == "not a directory"


def test_a_directory_that_others_can_write_to_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o777)
    monkeypatch.setenv("AUTOGRAD_CORE_CACHE", str(tmp_path))
    monkeypatch.setattr(kernels, "_known", {})
    program = programs.silu(3, 4)
    build(program)(programs.arrays_for(program))
    assert not list(tmp_path.iterdir()) or not hasattr(os, "getuid")  # where permissions are POSIX's


@pytest.mark.parametrize("suffix", [".nbi", ".nbc", ".py"])
def test_a_damaged_file_in_the_cache_directory_costs_only_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    place = tmp_path / "cache"
    monkeypatch.setenv("AUTOGRAD_CORE_CACHE", str(place))
    program = programs.silu(3, 4)
    arrays = programs.arrays_for(program)
    for damage in (b"", b"\xff\x05 is no text and no pickle"):
        for _ in range(2):  # made, and kept
            monkeypatch.setattr(kernels, "_known", {})
            build(program)(arrays)
        (damaged,) = place.rglob(f"*{suffix}")
        damaged.write_bytes(damage)
        monkeypatch.setattr(kernels, "_known", {})
        for a, b in zip(build(program)(arrays), interpret(program, arrays), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)
        assert not damaged.exists() or damaged.read_bytes() != damage
