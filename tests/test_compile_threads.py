"""Two threads run the same built program."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from autograd_core.compiler.numpy_backend import build
from autograd_core.compiler.program import Call, Program, Value
from recorder import record


def function(x, w):
    hidden = np.tanh(x @ w)
    for _ in range(5):
        hidden = np.tanh(hidden @ w) + hidden * 0.5
    return hidden, np.sum(hidden, axis=0)


@pytest.mark.parametrize("size", [8, 200])
def test_threads_do_not_share_buffers(size):
    rng = np.random.default_rng(0)
    w = rng.normal(size=(size, size)) / size
    inputs = [rng.normal(size=(size, size)) for _ in range(4)]
    run = build(record(function, inputs[0], w))
    wanted = [function(x, w) for x in inputs]

    def work(i):
        for _ in range(30):
            got = run([inputs[i], w])
            for a, b in zip(got, wanted[i], strict=True):
                np.testing.assert_allclose(a, b, atol=1e-12)
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))
    assert 1 <= len(run._idle) <= 4


def test_a_program_may_run_within_itself():
    x, depth = Value((3,), np.float64), Value((), np.int64)
    squared, inner, out = (Value((3,), np.float64) for _ in range(3))
    run = None

    def again(array, level):
        return run([array, np.array(level - 1)])[0] if level else np.zeros(3)

    calls = [
        Call("ufunc", np.multiply, (x, x), {}, (squared,)),
        Call("call", again, (squared, depth), {}, (inner,)),
        Call("ufunc", np.add, (squared, inner), {}, (out,)),
    ]
    run = build(Program([x, depth], {}, calls, [out]))
    a = np.array([1.0, 2.0, 0.5])
    np.testing.assert_allclose(run([a, np.array(2)])[0], a**2 + a**4 + a**8)
