"""Patterns of linear algebra: functions of matrices, or of stacks of matrices.

Leading axes are those of the stack: the same index. Within a matrix the pattern is found by differentiating the
operator at generic matrices: an element that reaches another has a derivative there that is not zero, except at
matrices that random numbers do not meet. What the gradient's convention adds counts too (an element of the triangle
that `cholesky` does not read shares the gradient of its mirror image).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from autograd_core.drawing.patterns.algebra import Pattern, make
from autograd_core.drawing.patterns.factors import Factor, Shape, sparse
from autograd_core.operator import Operator

__all__ = ["of_matrices"]

_TRIED = 36  # elements of a matrix
_POINTS = 3
_FULL = frozenset({"det", "inv", "pinv", "solve", "svd"})  # whatever the size, each element reaches each


def of_matrices(
    op: Operator, statics: Mapping[str, Any], shapes: Sequence[Shape], operand: int, target: Shape, output: int
) -> Pattern | None:
    """The pattern of an operator on the last two axes; None where it does not look like one."""
    source = shapes[operand]
    cores = [shape[-2:] for shape in shapes]
    lead = np.broadcast_shapes(*(shape[:-2] for shape in shapes))
    if target[: len(lead)] != lead or not all(cores):
        return None
    core = target[len(lead) :]
    whole = math.prod(cores[operand]), math.prod(core)
    terms: list[Factor] = []
    exact = True
    if max(*whole, *(math.prod(c) for c in cores)) <= _TRIED:
        known = all(isinstance(value, Hashable) for value in statics.values())
        probe = _probed if known else _probed.__wrapped__
        found = probe(op, tuple(sorted(statics.items())), tuple(cores), operand, core, output)
        if found is None:
            return None
        if found.any():  # an operator that is constant between jumps depends on its operand all the same
            axes = range(len(source) - len(cores[operand]), len(source)), range(len(lead), len(target))
            rows, columns = np.nonzero(found)
            terms.append(Factor(tuple(axes[0]), tuple(axes[1]), sparse(rows, columns, whole)))
    else:
        exact = op.name in _FULL
    own = source[:-2]
    terms += [Factor((k,), (len(lead) - len(own) + k,)) for k, n in enumerate(own) if n > 1]
    return make(source, target, [terms], exact)


@lru_cache(maxsize=256)
def _probed(
    op: Operator,
    statics: tuple[tuple[str, Any], ...],
    shapes: tuple[Shape, ...],
    operand: int,
    core: Shape,
    output: int,
) -> Any:
    """Where the derivative is not zero at one of several generic matrices, source by target; None for other shapes."""
    from autograd_core.transforms import jacobian

    moves = np.zeros((math.prod(shapes[operand]), math.prod(core)), dtype=bool)
    for seed in range(_POINTS):
        rng = np.random.default_rng(seed)
        points = [rng.normal(size=shape) for shape in shapes]
        if len(points[0].shape) == 2 and points[0].shape[0] == points[0].shape[1]:
            points[0] = points[0] @ points[0].T + np.eye(points[0].shape[0])  # for those that ask for it

        def value(x: Any, points: list[Any] = points) -> Any:
            out = op(*(x if i == operand else p for i, p in enumerate(points)), **dict(statics))
            return out[output] if op.multiple else out

        found = jacobian(value)(points[operand])
        if found.shape != (*core, *shapes[operand]):
            return None
        size = np.max(np.abs(found), initial=0)
        moves |= (np.abs(found) > 1e-10 * size).reshape(math.prod(core), -1).T
    return moves
