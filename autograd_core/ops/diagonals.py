"""Diagonals, triangles, and the products that are made of them: trace, kron, cross, vander."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError, where
from ..operator import Array, Bad, Sample, op, registry
from ._complaints import at_least
from .indexing import scatter

__all__ = ["diagonal", "trace"]


def _places(rows: int, columns: int, offset: int) -> tuple[Any, Any]:
    """Row and column of every element of a diagonal."""
    first_row, first_column = max(-offset, 0), max(offset, 0)
    along = np.arange(max(min(rows - first_row, columns - first_column), 0))
    return first_row + along, first_column + along


@op(
    "view",
    numpy=np.diagonal,
    operands=("a",),
    symbol="diagonal",
    latex=r"\operatorname{diagonal}({a})",
    derivative={"a": "1"},
    samples=[
        Sample(Array(3, 3)),
        Sample(Array(3, 4), 1),
        Sample(Array(3, 4), offset=-2),
        Sample(Array(2, 3, 4), 0, 0, 2),
        Sample(Array(2, 3, 4), offset=-1, axis1=-1, axis2=1),
        Sample(Array(3, 2), 4),
    ],
    bad=[
        Bad(ShapeError, "diagonal: .*diag requires an array of at least two dimensions", Array(3)),
        Bad(ShapeError, "diagonal: .*axis1 and axis2 cannot be the same", Array(3, 3), 0, 1, -1),
    ],
    linear="jointly",
    analytic=True,
)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Elements a[i, i + offset] of two axes, along a new last axis; a read-only view, as in NumPy."""
    return np.diagonal(a, offset, axis1, axis2)


def _put_back(g: Any, shape: tuple[int, ...], offset: int, axis1: int, axis2: int) -> Any:
    first, second = axis1 % len(shape), axis2 % len(shape)
    others = tuple(n for i, n in enumerate(shape) if i not in (first, second))
    index = (Ellipsis, *_places(shape[first], shape[second], offset))
    matrices = scatter(g, index=index, shape=(*others, shape[first], shape[second]))
    return np.moveaxis(matrices, (-2, -1), (first, second))


diagonal.vjp(a=lambda g, a_shape, offset, axis1, axis2: _put_back(g, a_shape, offset, axis1, axis2))


@registry.function(np.trace)
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Any:
    """Sum of a diagonal of two axes."""
    return np.sum(diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)


@registry.function(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    """The k-th diagonal of a matrix, or the matrix with a vector on it.

    Raises:
        ShapeError: neither one nor two axes.
    """
    if len(v.shape) not in (1, 2):
        raise ShapeError(f"diag: the array must have one or two axes, got {v.shape}; use np.diagonal. {where('diag')}")
    if len(v.shape) == 2:
        return diagonal(v, k)
    n = v.shape[0] + abs(k)
    return scatter(v, index=_places(n, n, k), shape=(n, n))


@registry.function(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    """The matrix with all elements of an array on its k-th diagonal."""
    return diag(np.reshape(v, -1), k)


@registry.function(np.tril)
def tril(m: Any, k: int = 0) -> Any:
    """The last two axes' lower triangle, up to the k-th diagonal; zeros above it."""
    return _triangle("tril", m, k, True)


@registry.function(np.triu)
def triu(m: Any, k: int = 0) -> Any:
    """The last two axes' upper triangle, from the k-th diagonal on; zeros below it."""
    return _triangle("triu", m, k - 1, False)


def _triangle(name: str, m: Any, k: int, lower: bool) -> Any:
    at_least(name, m, 1)
    below = np.tri(m.shape[-2] if len(m.shape) > 1 else m.shape[0], m.shape[-1], k=k, dtype=bool)
    return np.where(below == lower, m, 0)


@registry.function(np.kron)
def kron(a: Any, b: Any) -> Any:
    """Kronecker product: every element of `a` times the whole of `b`, in place of the element."""
    rank = max(np.ndim(a), np.ndim(b))
    left, right = ((1,) * (rank - np.ndim(x)) + tuple(np.shape(x)) for x in (a, b))
    product = np.reshape(a, tuple(n for size in left for n in (size, 1))) * np.reshape(
        b, tuple(n for size in right for n in (1, size))
    )
    return np.reshape(product, tuple(m * n for m, n in zip(left, right, strict=True)))


@registry.function(np.cross)
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """Vector product of vectors with three components.

    Raises:
        ShapeError: not three components.
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(a, axisa, -1), np.moveaxis(b, axisb, -1)
    if np.shape(a)[-1] != 3 or np.shape(b)[-1] != 3:
        raise ShapeError(
            f"cross: the vectors must have three components, got shapes {tuple(np.shape(a))} and {tuple(np.shape(b))} "
            f"(components last); of two components, write x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0]. "
            f"{where('cross')}"
        )
    after, before = np.array([1, 2, 0]), np.array([2, 0, 1])
    product = a[..., after] * b[..., before] - a[..., before] * b[..., after]
    return np.moveaxis(product, -1, axisc)


@registry.function(np.vander)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Powers of the elements of a vector, from the highest to 0 or the other way round, as rows.

    Raises:
        ShapeError: not one axis.
        ArgumentError: a negative number of columns.
    """
    if len(x.shape) != 1:
        raise ShapeError(f"vander: x must have one axis, got shape {x.shape}; flatten it first. {where('vander')}")
    count = x.shape[0] if N is None else N
    if count < 0:
        raise ArgumentError(f"vander: N must not be negative, got {N}; leave it out for len(x). {where('vander')}")
    x = x.astype(np.promote_types(x.dtype, int), copy=False)  # as NumPy: float32 becomes float64
    if count == 0:
        return np.zeros_like(x, shape=(x.shape[0], 0))
    powers = [np.ones_like(x)]
    for _ in range(count - 1):
        powers.append(powers[-1] * x)
    return np.stack(powers if increasing else powers[::-1], axis=1)
