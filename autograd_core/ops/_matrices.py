"""What the operators of linear algebra share: transposes, gaps between eigenvalues, and NumPy's complaints."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError, where

__all__ = [
    "dense",
    "inverted",
    "linalg_failure",
    "negligible",
    "on_diagonal",
    "reciprocal_gaps",
    "solved",
    "symmetric_part",
    "t",
]

_REPAIRS = (
    ("must be square", "the matrices must be square", "use a square matrix, or np.linalg.pinv, lstsq, qr or svd"),
    ("two-dimensional", "the operand must be a matrix or a stack of matrices", "add axes with np.expand_dims"),
)
_NUMERICAL = (
    (
        "Singular",
        "the matrix must be invertible",
        "add a multiple of the identity (a + 1e-9 * np.eye(n)), or use np.linalg.pinv or lstsq",
    ),
    (
        "positive definite",
        "the matrix must be positive definite",
        "take its symmetric part and add a multiple of the identity ((a + a.T) / 2 + 1e-9 * np.eye(n))",
    ),
    ("converge", "the decomposition must converge", "look for NaN and infinities in the matrix"),
)


class _MatrixShapeError(ShapeError, np.linalg.LinAlgError):
    """A ShapeError that `except np.linalg.LinAlgError` catches too, as it does without Tensors."""


class _MatrixError(ArgumentError, np.linalg.LinAlgError):
    """A matrix without the property that the function needs; `except np.linalg.LinAlgError` catches it too."""


def linalg_failure(name: str, error: Exception, place: str) -> Exception:
    """NumPy's LinAlgError in the form of this package; it stays a LinAlgError."""
    text = str(error)
    for word, invariant, fix in _REPAIRS:
        if word in text:
            return _MatrixShapeError(f"{name}: {invariant}, {place}: {text}; {fix}. {where(name)}")
    for word, invariant, fix in _NUMERICAL:
        if word in text:
            return _MatrixError(f"{name}: {invariant}, {place}: {text}; {fix}. {where(name)}")
    return _MatrixError(
        f"{name}: the matrix must be one that LAPACK accepts, {place}: {text}; correct it. {where(name)}"
    )


def _in_backward(name: str, a: Any, error: Exception) -> Exception:
    return linalg_failure(f"{name} (backward)", error, f"got a matrix without an inverse in shape {tuple(a.shape)}")


def inverted(name: str, a: Any) -> Any:
    """The inverse in a gradient rule: of a singular matrix there is no gradient, which the error says."""
    try:
        return np.linalg.inv(a)
    except np.linalg.LinAlgError as error:
        raise _in_backward(name, a, error) from error


def solved(name: str, a: Any, b: Any) -> Any:
    """The same for the solution of a x = b, matrices both."""
    try:
        return np.linalg.solve(a, b)
    except np.linalg.LinAlgError as error:
        raise _in_backward(name, a, error) from error


def t(a: Any) -> Any:
    """Matrices transposed."""
    return np.swapaxes(a, -1, -2)


def symmetric_part(a: Any) -> Any:
    """(a + a^T) / 2."""
    return (a + t(a)) / 2


def dense(a: Any) -> Any:
    """Integers and booleans as float64, as NumPy's linear algebra takes them."""
    return a.astype(np.float64) if a.dtype.kind in "iub" else a


def on_diagonal(d: Any) -> Any:
    """Diagonal matrices with these vectors on them."""
    return np.where(np.eye(d.shape[-1], dtype=bool), np.expand_dims(d, -1), 0)


def negligible(values: Any, size: int) -> Any:
    """Below what rounding makes of eigenvalues or singular values of this size: 8 n eps of the largest."""
    largest = np.max(np.abs(values), axis=-1, keepdims=True) if values.shape[-1] else values
    return largest * (8 * size * float(np.finfo(values.dtype).eps))


def reciprocal_gaps(values: Any, size: int) -> tuple[Any, Any]:
    """1 / (x_j - x_i), 0 between values that rounding cannot tell apart; and these pairs, the diagonal left out."""
    gap = np.expand_dims(values, -2) - np.expand_dims(values, -1)
    equal = np.abs(gap) <= np.expand_dims(negligible(values, size), -1)
    return np.where(equal, 0, 1 / np.where(equal, 1, gap)), equal & ~np.eye(values.shape[-1], dtype=bool)
