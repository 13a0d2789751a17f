"""Random expression graphs of up to 50 operations, as Hypothesis draws and shrinks them.

A program is a list of instructions on a growing list of values. All shapes broadcast to (2, 3), so any two values fit
together, and every instruction keeps its values of order one, so that depth does not overflow.
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

MOST = 50
SHAPES = [(), (3,), (2, 1), (2, 3)]

# Name: how many operands, and what is computed. Analytic: the complex step may be taken through them.
ANALYTIC = {
    "add": (2, lambda a, b: (a + b) * 0.7),
    "subtract": (2, lambda a, b: (a - b) * 0.7),
    "multiply": (2, lambda a, b: a * b * 0.6),
    "divide": (2, lambda a, b: a / (1.7 + b * b)),
    "power": (1, lambda a: (1.2 + a * a) ** 0.3),
    "sin": (1, np.sin),
    "tanh": (1, np.tanh),
    "exp": (1, lambda a: np.exp(0.3 * np.sin(a))),
    "log": (1, lambda a: np.log(1.5 + a * a)),
    "sqrt": (1, lambda a: np.sqrt(1.1 + a * a)),
    "sum": (1, lambda a: np.sum(a, axis=-1, keepdims=True) * 0.5 if a.ndim else a),
    "mean": (1, lambda a: np.mean(a, axis=0, keepdims=True) if a.ndim else a),
    "var": (1, lambda a: np.mean((a - np.mean(a)) ** 2)),
    "cumsum": (1, lambda a: np.cumsum(a, axis=-1) * 0.4 if a.ndim else a),
    "reverse": (1, lambda a: a[..., ::-1] if a.ndim else a),
    "first": (1, lambda a: a[..., :1] if a.ndim else a),
    "concatenate": (1, lambda a: np.concatenate([a[..., 1:], a[..., :1]], axis=-1) if a.ndim else a),
    "einsum": (2, lambda a, b: np.einsum("ij,kj->ik", matrix(a), matrix(b))[:, :1] * 0.3),
    "matmul": (2, lambda a, b: np.matmul(matrix(a), np.swapaxes(matrix(b), 0, 1))[:1, :1] * 0.3),
}
# These have kinks, which a drawn point meets with probability zero.
PIECEWISE = {
    "maximum": (2, np.maximum),
    "minimum": (2, np.minimum),
    "absolute": (1, np.absolute),
    "where": (2, lambda a, b: np.where(a > 0.1, a, b)),
    "max": (1, lambda a: np.max(a, axis=-1, keepdims=True) if a.ndim else a),
}


def matrix(a):
    """The value in full, (2, 3)."""
    return np.broadcast_to(a, (2, 3))


def programs(operations):
    """Leaf shapes, a seed for their values, and instructions (operation, numbers of operands)."""
    step = st.tuples(st.sampled_from(sorted(operations)), st.integers(0, 10**6), st.integers(0, 10**6))
    return st.tuples(
        st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3),
        st.integers(0, 2**31),
        # The length first: lists of a free length are mostly short.
        st.sampled_from([1, 2, 3, 5, 8, 13, 20, 30, MOST]).flatmap(lambda n: st.lists(step, min_size=n, max_size=n)),
    )


def points(program):
    """The leaves' values."""
    shapes, seed, _ = program
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


def run(program, leaves, operations):
    """The sum of the last value, which every instruction may have led to."""
    values = list(leaves)
    for name, first, second in program[2]:
        arity, function = operations[name]
        # Half of the operands are the latest value, so that programs are deep and not only wide.
        operands = [values[-1] if first % 2 else values[first % len(values)], values[second % len(values)]]
        values.append(function(*operands[:arity]))
    return np.sum(matrix(values[-1]) * np.array([[1.0, -0.5, 0.3], [0.2, 0.9, -1.1]]))
