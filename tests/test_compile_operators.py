"""Every operator and its gradient rule, compiled, is what it is uncompiled."""

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Array, Tensor, registry
from autograd_core.containers import flatten

SAMPLES = [
    pytest.param(op, sample, "numpy", id=f"{name}-{i}")
    for name, op in sorted(registry.operators.items())
    for i, sample in enumerate(op.samples)
]
# Every twentieth: machine code takes a while to make.
SAMPLES += [pytest.param(*p.values[:2], "numba", id=f"{p.id}-numba") for p in SAMPLES[::20]]


def observed(call, arrays, seed):
    """Values and gradients, on random arrays."""
    random = np.random.RandomState(seed)
    tensors = []
    for x in arrays:
        values = random.uniform(x.low, x.high, x.shape)
        tensors.append(Tensor(values, requires_grad=True) if x.dtype == "float" else Tensor(values.astype(x.dtype)))
    outs = flatten(call(*tensors))[0]
    total = sum((o * random.uniform(size=o.shape)).sum() for o in outs if getattr(o, "requires_grad", False))
    if isinstance(total, Tensor):
        total.backward()
    values = [o.detach().numpy() if isinstance(o, Tensor) else o for o in outs]
    return values + [t.grad.data for t in tensors if t.grad is not None]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("op", "sample", "backend"), SAMPLES)
def test_a_compiled_operator_is_the_operator(op, sample, backend):
    leaves, structure = flatten((sample.args, sample.kwargs))

    def call(*tensors):
        given = iter(tensors)  # the rest (masks, indices) is the same in every run
        args, kwargs = structure.build([next(given) if isinstance(x, Array) else x for x in leaves])
        return op(*args, **kwargs)

    arrays, compiled = [x for x in leaves if isinstance(x, Array)], ac.compile(call, backend=backend)
    with np.errstate(all="ignore"):
        for seed in (0, 1):
            wanted, got = observed(call, arrays, seed), observed(compiled, arrays, seed)
            assert len(got) == len(wanted)
            for a, b in zip(got, wanted, strict=True):
                assert np.shape(a) == np.shape(b) and np.asarray(a).dtype == np.asarray(b).dtype
                np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
