"""Random expression graphs against PyTorch: values and all gradients."""

import numpy as np
import torch
from hypothesis import given, settings

import autograd_core as ac
from expression_graphs import ANALYTIC, PIECEWISE, points, programs, run

OPERATIONS = ANALYTIC | PIECEWISE


def full(a):
    return torch.broadcast_to(a, (2, 3))


THEIRS = {
    "add": lambda a, b: (a + b) * 0.7,
    "subtract": lambda a, b: (a - b) * 0.7,
    "multiply": lambda a, b: a * b * 0.6,
    "divide": lambda a, b: a / (1.7 + b * b),
    "power": lambda a: (1.2 + a * a) ** 0.3,
    "sin": torch.sin,
    "tanh": torch.tanh,
    "exp": lambda a: torch.exp(0.3 * torch.sin(a)),
    "log": lambda a: torch.log(1.5 + a * a),
    "sqrt": lambda a: torch.sqrt(1.1 + a * a),
    "sum": lambda a: a.sum(dim=-1, keepdim=True) * 0.5 if a.ndim else a,
    "mean": lambda a: a.mean(dim=0, keepdim=True) if a.ndim else a,
    "var": lambda a: ((a - a.mean()) ** 2).mean(),
    "cumsum": lambda a: torch.cumsum(a, dim=-1) * 0.4 if a.ndim else a,
    "reverse": lambda a: torch.flip(a, (-1,)) if a.ndim else a,
    "first": lambda a: a[..., :1] if a.ndim else a,
    "concatenate": lambda a: torch.cat([a[..., 1:], a[..., :1]], dim=-1) if a.ndim else a,
    "einsum": lambda a, b: torch.einsum("ij,kj->ik", full(a), full(b))[:, :1] * 0.3,
    "matmul": lambda a, b: (full(a) @ full(b).T)[:1, :1] * 0.3,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "absolute": torch.abs,
    "where": lambda a, b: torch.where(a > 0.1, a, b),
    "max": lambda a: torch.amax(a, dim=-1, keepdim=True) if a.ndim else a,
}
WEIGHTS = [[1.0, -0.5, 0.3], [0.2, 0.9, -1.1]]


def torch_gradients(program, leaves):
    tensors = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in leaves]
    values = list(tensors)
    for name, first, second in program[2]:
        operands = [values[-1] if first % 2 else values[first % len(values)], values[second % len(values)]]
        values.append(THEIRS[name](*operands[: OPERATIONS[name][0]]))
    out = (full(values[-1]) * torch.tensor(WEIGHTS, dtype=torch.float64)).sum()
    found = torch.autograd.grad(out, tensors, allow_unused=True)
    zeros = [np.zeros(x.shape) for x in leaves]
    return float(out.detach()), [z if g is None else g.numpy() for g, z in zip(found, zeros, strict=True)]


def test_every_operation_has_its_counterpart():
    assert set(THEIRS) == set(OPERATIONS)


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(programs(OPERATIONS))
def test_values_and_gradients_are_torchs(program):
    leaves = points(program)
    value, expected = torch_gradients(program, leaves)
    both = ac.value_and_grad(lambda *x: run(program, x, OPERATIONS), argnums=tuple(range(len(leaves))))
    ours, found = both(*leaves)
    np.testing.assert_allclose(ours, value, rtol=1e-11, atol=1e-12)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
