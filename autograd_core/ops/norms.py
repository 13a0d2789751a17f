"""Norms of vectors and matrices, and the condition number.

Subgradients: 0 at 0 for every norm; ties (to the last bit) of a maximum or minimum share equally; |x| has 0 at 0;
singular values that are zero add nothing to the gradient of the nuclear norm. Orders below 1 have infinite derivatives
where an element is zero. The "norm" of order 0, a count, is recorded with a gradient of zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError, where
from ..operator import registry
from ._matrices import dense, negligible
from .linalg_functions import svdvals

__all__ = ["cond", "matrix_norm", "norm", "vector_norm"]


def _root(total: Any, power: float) -> Any:
    """total^power of sums that are not negative, with derivative 0 at 0, where the power's own is infinite."""
    zero = total == 0
    safe = np.where(zero, 1, total)
    return np.where(zero, 0, np.sqrt(safe) if power == 0.5 else safe**power)


def _vectors(x: Any, ord: Any, axis: Any, keepdims: bool) -> Any:
    """Norms over one axis, or over all elements of several or all."""
    if ord is None or ord == 2:
        return _root(np.sum(x * x, axis=axis, keepdims=keepdims), 0.5)
    if ord == 0:
        return np.sum(np.where(x == 0, np.sign(x), 1), axis=axis, keepdims=keepdims)
    size = np.abs(x)
    if ord == np.inf or ord == -np.inf:
        return (np.max if ord > 0 else np.min)(size, axis=axis, keepdims=keepdims)
    if ord == 1:
        return np.sum(size, axis=axis, keepdims=keepdims)
    total = np.sum(size ** float(ord), axis=axis, keepdims=keepdims)
    return _root(total, 1 / float(ord)) if ord > 0 else total ** (1 / float(ord))


def _matrices(x: Any, ord: Any, axes: tuple[int, int], keepdims: bool) -> Any:
    """Norms over two axes."""
    row, column = axes
    if ord is None or ord == "fro":
        return _vectors(x, None, axes, keepdims)
    if ord in (1, -1, np.inf, -np.inf):
        summed, other = (row, column) if abs(ord) == 1 else (column, row)
        sums = np.sum(np.abs(x), axis=summed, keepdims=True)
        out = (np.max if ord > 0 else np.min)(sums, axis=other, keepdims=True)
        return out if keepdims else np.squeeze(out, axis=axes)
    s = svdvals(np.moveaxis(x, axes, (-2, -1)))
    # Rounding makes small numbers of singular values that are zero; in the smallest they are all there is.
    zero = s == 0 if ord == -2 else s <= negligible(s, max(x.shape[row], x.shape[column]))
    reduce: Any = {2: np.max, -2: np.min, "nuc": np.sum}[ord]
    out = reduce(np.where(zero, 0, s), axis=-1)
    return np.expand_dims(out, tuple(sorted(axes))) if keepdims else out


@registry.function(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Norm of vectors (one axis) or matrices (two), or without `ord` and `axis` the root of all squares.

    Raises:
        ArgumentError: an order that vectors or matrices do not have.
        ShapeError: an axis out of bounds, the same twice, or neither one nor two.
    """
    x = dense(x)
    rank = len(x.shape)
    if axis is None:
        if ord is None:
            return _vectors(x, None, None, keepdims)
        axes: tuple[int, ...] = tuple(range(rank))
    else:
        axes = _axes("norm", axis, rank)
    if len(axes) == 1:
        _check_vector_order("norm", ord)
        return _vectors(x, ord, axes[0], keepdims)
    if len(axes) != 2:
        raise ShapeError(
            f"norm: there must be one axis (a vector) or two (a matrix), got shape {tuple(x.shape)} and axis={axis!r}; "
            f"give axis=, or flatten. {where('norm')}"
        )
    _check_matrix_order("norm", ord)
    return _matrices(x, ord, (axes[0], axes[1]), keepdims)


def _axes(name: str, axis: Any, rank: int) -> tuple[int, ...]:
    axes = tuple(axis) if isinstance(axis, tuple | list) else (axis,)
    if any(not isinstance(i, int | np.integer) or not -rank <= i < rank for i in axes) or len(
        {i % rank for i in axes}
    ) < len(axes):
        raise ShapeError(
            f"{name}: the axes must be different and within {rank}, got {axis!r}; correct axis=. {where(name)}"
        )
    return tuple(int(i) % rank for i in axes)


def _check_vector_order(name: str, ord: Any) -> None:
    if isinstance(ord, str) or (ord is not None and not isinstance(ord, int | float | np.number)):
        raise ArgumentError(
            f"{name}: the order of a norm of vectors must be a number, inf or -inf, got {ord!r}; 'fro' and 'nuc' are "
            f"for matrices, with axis=(-2, -1). {where(name)}"
        )


def _check_matrix_order(name: str, ord: Any) -> None:
    if ord is not None and ord not in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
        raise ArgumentError(
            f"{name}: the order of a norm of matrices must be 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, got {ord!r}; "
            f"choose one, or give one axis for norms of vectors. {where(name)}"
        )


@registry.function(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """Norm over the last two axes.

    Raises:
        ArgumentError: an order that matrices do not have.
        ShapeError: fewer than two axes.
    """
    if len(x.shape) < 2:
        raise ShapeError(
            f"matrix_norm: the array must have at least 2 axes, got shape {tuple(x.shape)}; add axes with "
            f"np.expand_dims. {where('matrix_norm')}"
        )
    _check_matrix_order("matrix_norm", ord)
    return _matrices(dense(x), ord, (len(x.shape) - 2, len(x.shape) - 1), keepdims)


@registry.function(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """Norm of the elements over an axis, several (as one vector), or all.

    Raises:
        ArgumentError: an order that vectors do not have.
        ShapeError: an axis out of bounds or twice.
    """
    _check_vector_order("vector_norm", ord)
    axes = None if axis is None else _axes("vector_norm", axis, len(x.shape))
    return _vectors(dense(x), ord, axes, keepdims)


@registry.function(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """Condition number: largest singular value over smallest (p None or 2), or norm of x times norm of its inverse.

    Raises:
        ArgumentError: an order that matrices do not have, or (with orders other than 2 and -2) a singular matrix.
        ShapeError: fewer than two axes, or (with orders other than 2 and -2) not square.
    """
    if len(x.shape) < 2:
        raise ShapeError(
            f"cond: the array must have at least 2 axes, got shape {tuple(x.shape)}; add axes with np.expand_dims. "
            f"{where('cond')}"
        )
    _check_matrix_order("cond", p)
    x = dense(x)
    if p in (None, 2, -2):
        s = svdvals(x)
        with np.errstate(divide="ignore"):  # of a singular matrix it is infinite
            return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return matrix_norm(x, ord=p) * matrix_norm(np.linalg.inv(x), ord=p)
