"""Products and diagonals: what `np.linalg` has under names of its own, and the ufuncs vecdot, matvec and vecmat."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError, where
from ..operator import registry
from . import linalg
from ._complaints import at_least, naming
from ._matrices import t

__all__ = ["vecdot"]


@registry.function(np.linalg.matmul)
def matmul(x1: Any, x2: Any, /) -> Any:
    """`np.matmul`."""
    return np.matmul(x1, x2)


@registry.function(np.linalg.tensordot)
def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    """`np.tensordot`."""
    return np.tensordot(x1, x2, axes=axes)


@registry.function(np.linalg.vecdot)
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Sums of products along an axis, the others broadcast."""
    with naming("vecdot", x1, x2):
        return linalg.vecdot(np.moveaxis(x1, axis, -1), np.moveaxis(x2, axis, -1))


def _matvec(x1: Any, x2: Any) -> Any:
    """Matrices times vectors, both in stacks."""
    at_least("matvec", x1, 2)
    at_least("matvec", x2, 1)
    with naming("matvec", x1, x2):
        return np.matmul(x1, np.expand_dims(x2, -1))[..., 0]


def _vecmat(x1: Any, x2: Any) -> Any:
    """Vectors times matrices, both in stacks."""
    at_least("vecmat", x1, 1)
    at_least("vecmat", x2, 2)
    return linalg.vecdot(np.expand_dims(x1, -2), t(x2))


registry.ufunc_compositions[np.vecdot] = linalg.vecdot
for _name, _meaning in (("matvec", _matvec), ("vecmat", _vecmat)):
    if hasattr(np, _name):  # since NumPy 2.2
        registry.ufunc_compositions[getattr(np, _name)] = _meaning


@registry.function(np.linalg.cross)
def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """`np.cross`."""
    return np.cross(x1, x2, axis=axis)


@registry.function(np.linalg.outer)
def outer(x1: Any, x2: Any, /) -> Any:
    """All products of the elements of two vectors.

    Raises:
        ShapeError: not vectors.
    """
    if np.ndim(x1) != 1 or np.ndim(x2) != 1:
        raise ShapeError(
            f"outer: both arrays must have one axis, got shapes {tuple(np.shape(x1))} and {tuple(np.shape(x2))}; use "
            f"np.outer, which flattens. {where('outer')}"
        )
    return np.outer(x1, x2)


@registry.function(np.linalg.diagonal)
def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """Diagonals of matrices."""
    return np.diagonal(x, offset, -2, -1)


@registry.function(np.linalg.trace)
def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """Sums of the diagonals of matrices."""
    return np.trace(x, offset, -2, -1, dtype=dtype)


@registry.function(np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> Any:
    """Matrices transposed."""
    at_least("matrix_transpose", x, 2)
    return t(x)
