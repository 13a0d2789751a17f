"""Every layer and every loss, compiled, is what it is uncompiled: values, gradients, buffers, random draws."""

import numpy as np
import pytest

import autograd_core as ac
from nn_cases import CASES
from nn_harness import build, tensors


def observed(case, call, module, dtype, batches=3):
    """Outputs, gradients of inputs and parameters (accumulated over the batches), buffers."""
    found = []
    ac.random.seed(5)
    for batch in range(batches):
        inputs = tensors(case, dtype, batch)
        out = call(module, *inputs)
        found.append(out.data)
        if out.requires_grad:
            out.backward(case.cotangent(out.shape).astype(out.dtype))
        found += [x.grad.data for x in inputs if x.grad is not None]
    found += [p.grad.data for p in module.parameters() if p.grad is not None]
    return found + [b.data for b in module.buffers()]


ROWS = [
    pytest.param(case, dtype, mode, "numpy", id=f"{case!r}-{np.dtype(dtype)}-{mode}")
    for case in CASES
    for dtype, mode in ((np.float64, "train"), (np.float64, "eval"), (np.float32, "train"))
]
# Every seventh: machine code takes a while to make.
ROWS += [pytest.param(case, np.float32, "train", "numba", id=f"{case!r}-numba") for case in CASES[::7]]


@pytest.mark.parametrize(("case", "dtype", "mode", "backend"), ROWS)
def test_a_compiled_layer_is_the_layer(case, dtype, mode, backend):
    """As a layer, trained by what is around it."""
    eager, compiled = (getattr(build(case, dtype), mode)() for _ in range(2))
    wanted = observed(case, case.call, eager, dtype)
    function = ac.compile(case.call, backend=backend)
    got = observed(case, function, compiled, dtype)
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    assert len(got) == len(wanted) and sum(map(len, function._recordings.values())) == 1
    for a, b in zip(got, wanted, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(np.abs(b).max(initial=0), 1e-30))
