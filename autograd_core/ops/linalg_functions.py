"""`np.linalg` on Tensors: NumPy's functions in terms of the operators, with NumPy's arguments.

No gradient by nature: `matrix_rank` (a whole number) and the rank in `lstsq`. Refused: `eig` and `eigvals` (complex).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ..errors import ArgumentError, DTypeError, NoRuleError, ShapeError, where
from ..operator import registry
from . import linalg, linalg_decompositions
from ._complaints import at_least, naming
from ._matrices import dense, t
from .values import plain

__all__ = ["EighResult", "QRResult", "SVDResult", "SlogdetResult", "lstsq", "matrix_power", "multi_dot", "svdvals"]


class EighResult(NamedTuple):
    """What `np.linalg.eigh` returns."""

    eigenvalues: Any
    eigenvectors: Any


class QRResult(NamedTuple):
    """What `np.linalg.qr` returns."""

    Q: Any
    R: Any


class SlogdetResult(NamedTuple):
    """What `np.linalg.slogdet` returns."""

    sign: Any
    logabsdet: Any


class SVDResult(NamedTuple):
    """What `np.linalg.svd` returns."""

    U: Any
    S: Any
    Vh: Any


def _square(name: str, a: Any) -> int:
    """The number of rows of square matrices.

    Raises:
        ShapeError: not square, or fewer than two axes.
    """
    at_least(name, a, 2)
    m, n = a.shape[-2:]
    if m != n:
        raise ShapeError(
            f"{name}: the matrices must be square, got shape {tuple(a.shape)}; use a square matrix. {where(name)}"
        )
    return m  # type: ignore[no-any-return]


# -- decompositions ---------------------------------------------------------------------------------------------------


@registry.function(np.linalg.slogdet)
def slogdet(a: Any) -> SlogdetResult:
    """Sign of the determinant (piecewise constant) and logarithm of its absolute value."""
    both = linalg.slogdet(a)
    return SlogdetResult(both[..., 0], both[..., 1])


@registry.function(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> EighResult:
    """Eigenvalues, ascending, and eigenvectors of symmetric matrices."""
    both = linalg_decompositions.eigh(a, UPLO.upper() if isinstance(UPLO, str) else UPLO)
    return EighResult(both[..., 0, :], both[..., 1:, :])


@registry.function(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """Eigenvalues of symmetric matrices, ascending."""
    return eigh(a, UPLO).eigenvalues


@registry.function(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """Singular value decomposition; `hermitian` is NumPy's promise of a faster way and changes nothing here.

    Raises:
        ArgumentError: all columns of U or V of a matrix that is not square: those beyond the singular values may be
            turned freely, so they have no derivative.
    """
    at_least("svd", a, 2)
    m, n = a.shape[-2:]
    if compute_uv and full_matrices and m != n:
        raise ArgumentError(
            f"svd: full_matrices must be False for a matrix that is not square, got shape {tuple(a.shape)} and "
            "full_matrices=True (NumPy's default): the further singular vectors are arbitrary, so they have no "
            f"derivative; use np.linalg.svd(a, full_matrices=False). {where('svd')}"
        )
    u, s, v = linalg_decompositions.parts(linalg_decompositions.svd(a), m)
    return SVDResult(u, s, t(v)) if compute_uv else s


@registry.function(np.linalg.svdvals)
def svdvals(x: Any, /) -> Any:
    """Singular values, descending."""
    return svd(x, compute_uv=False)


@registry.function(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """QR decomposition, reduced; with mode "r" R alone.

    Raises:
        ArgumentError: the mode is "raw" or unknown, or "complete" with more rows than columns, whose further columns of
            Q have no derivative.
    """
    at_least("qr", a, 2)
    m, n = a.shape[-2:]
    if mode not in ("reduced", "r", "complete") or (mode == "complete" and m > n):
        raise ArgumentError(
            f"qr: mode must be 'reduced' or 'r', or 'complete' with no more rows than columns (further columns of Q "
            f"are arbitrary, so they have no derivative), got {mode!r} and shape {tuple(a.shape)}; use mode='reduced'. "
            f"{where('qr')}"
        )
    both = linalg_decompositions.qr(a)
    r = t(both[..., m:, :])
    return r if mode == "r" else QRResult(both[..., :m, :], r)


def _complex_results(function: Any, instead: str) -> None:
    name = function.__name__

    def refuse(a: Any) -> Any:
        raise NoRuleError(
            f"{name}: a function must have real results to be differentiated here, but eigenvalues of a real matrix "
            f"may be complex; use {instead} for symmetric matrices, np.linalg.svd, or pass t.detach().numpy(). "
            f"{where(name)}"
        )

    refuse.__name__ = name
    refuse.__doc__ = f"Refused: `{name}` has complex results.\n\nRaises:\n    NoRuleError: always."
    refuse.refused = True  # type: ignore[attr-defined]  # for tables of what there is
    registry.functions[function] = refuse


_complex_results(np.linalg.eig, "np.linalg.eigh")
_complex_results(np.linalg.eigvals, "np.linalg.eigvalsh")


# -- systems and powers -----------------------------------------------------------------------------------------------


@registry.function(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = np._NoValue) -> Any:
    """Moore-Penrose pseudo-inverse; its gradient is that within matrices of the same rank.

    Raises:
        ArgumentError: both `rcond` and `rtol`.
    """
    at_least("pinv", a, 2)
    if rcond is not None and rtol is not np._NoValue:
        raise ArgumentError(
            f"pinv: rcond and rtol must not both be given, got {rcond} and {rtol}; they are one thing, leave one out. "
            f"{where('pinv')}"
        )
    if rcond is None:
        rcond = 1e-15 if rtol is np._NoValue else _relative_tolerance(a) if rtol is None else rtol
    return linalg.pinv(a, rcond=plain(rcond))


def _relative_tolerance(a: Any) -> float:
    dtype = a.dtype if a.dtype.kind == "f" else np.dtype(np.float64)
    rows, columns = a.shape[-2:]
    return float(max(rows, columns) * np.finfo(dtype).eps)


@registry.function(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: float | None = None) -> tuple[Any, Any, int, Any]:
    """Least squares: the solution pinv(a) b, the sums of squared residuals, the rank (an int), the singular values.

    As in NumPy the residuals are empty unless the rank is full and there are more rows than columns.

    Raises:
        ShapeError: `a` is not one matrix, or `b` does not fit.
    """
    if np.ndim(a) != 2 or np.ndim(b) not in (1, 2) or np.shape(a)[0] != np.shape(b)[0]:
        raise ShapeError(
            f"lstsq: a must be a matrix and b a vector or matrix of as many rows, got shapes {tuple(np.shape(a))} and "
            f"{tuple(np.shape(b))}; for stacks use np.linalg.pinv(a) @ b. {where('lstsq')}"
        )
    a, b = dense(a), dense(b)
    m, n = a.shape
    rcond = _relative_tolerance(a) if rcond is None or rcond < 0 else rcond
    x = np.matmul(linalg.pinv(a, rcond=rcond), b)
    s = linalg_decompositions.svd(a)[m, :]
    values = plain(s)
    rank = int(np.sum(values > rcond * np.max(values, initial=0.0)))
    if rank < n or m <= n:
        return x, np.zeros_like(b, shape=(0,)), rank, s
    residual = np.sum(np.square(b - np.matmul(a, x)), axis=0)
    return x, np.reshape(residual, (-1,)), rank, s


@registry.function(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    """Inverse of `a` as a map from its last axes to its first `ind` ones.

    Raises:
        ArgumentError: `ind` is not positive.
        ShapeError: the products of the two groups' lengths differ.
    """
    if ind <= 0:
        raise ArgumentError(f"tensorinv: ind must be positive, got {ind}; count the first axes. {where('tensorinv')}")
    first, last = tuple(a.shape[:ind]), tuple(a.shape[ind:])
    matrix = np.reshape(a, (math.prod(first), math.prod(last)))
    _square("tensorinv", matrix)
    return np.reshape(linalg.inv(matrix), last + first)


@registry.function(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """The x with tensordot(a, x, x.ndim) = b; `axes` of `a` are moved to its end first.

    Raises:
        ShapeError: the lengths do not fit.
    """
    if axes is not None:
        a = np.moveaxis(a, tuple(axes), tuple(range(np.ndim(a) - len(axes), np.ndim(a))))
    rank = np.ndim(b)
    shape = tuple(np.shape(a)[rank:])
    rows = math.prod(np.shape(a)[:rank])
    if rows != math.prod(shape) or rows != math.prod(np.shape(b)):
        raise ShapeError(
            f"tensorsolve: a must be square as a map to the shape of b, got shapes {tuple(np.shape(a))} and "
            f"{tuple(np.shape(b))}; move axes with axes=. {where('tensorsolve')}"
        )
    return np.reshape(linalg.solve(np.reshape(a, (rows, rows)), np.reshape(b, (rows,))), shape)


@registry.function(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    """The n-th power of square matrices by repeated squaring, for negative n of the inverse.

    Raises:
        DTypeError: `n` is not a whole number.
        ShapeError: not square.
    """
    size = _square("matrix_power", a)
    if not isinstance(n, int | np.integer) or isinstance(n, bool):
        raise DTypeError(
            f"matrix_power: n must be a whole number, got {n!r}; diagonalize with np.linalg.eigh for others. "
            f"{where('matrix_power')}"
        )
    if n == 0:  # recorded, with a gradient of zero
        return np.where(np.ones(a.shape, dtype=bool), np.eye(size, dtype=a.dtype), a)
    if n == 1:
        return np.copy(a)
    base, exponent = (linalg.inv(a), -int(n)) if n < 0 else (a, int(n))
    out: Any = None
    while True:
        if exponent & 1:
            out = base if out is None else np.matmul(out, base)
        exponent >>= 1
        if not exponent:
            return out
        base = np.matmul(base, base)


@registry.function(np.linalg.multi_dot)
def multi_dot(arrays: Any) -> Any:
    """Product of two or more matrices in the order that takes the fewest multiplications; the ends may be vectors.

    Raises:
        ShapeError: fewer than two arrays, wrong numbers of axes, or lengths that do not fit.
    """
    arrays = list(arrays)
    ranks = [np.ndim(x) for x in arrays]
    if len(arrays) < 2 or any(r != 2 for r in ranks[1:-1]) or not {ranks[0], ranks[-1]} <= {1, 2}:
        raise ShapeError(
            f"multi_dot: there must be two matrices at least, of which the first and the last may be vectors, got "
            f"shapes {[tuple(np.shape(x)) for x in arrays]}; use @ for stacks. {where('multi_dot')}"
        )
    if ranks[0] == 1:
        arrays[0] = np.reshape(arrays[0], (1, -1))
    if ranks[-1] == 1:
        arrays[-1] = np.reshape(arrays[-1], (-1, 1))
    shapes = [tuple(np.shape(x)) for x in arrays]
    if any(left[1] != right[0] for left, right in pairwise(shapes)):
        raise ShapeError(
            f"multi_dot: columns of each matrix must match rows of the next, got shapes {shapes}; transpose one. "
            f"{where('multi_dot')}"
        )
    cuts = _cheapest([s[0] for s in shapes] + [shapes[-1][1]])

    def product(i: int, j: int) -> Any:
        if i == j:
            return arrays[i]
        cut = cuts[i, j]
        return np.matmul(product(i, cut), product(cut + 1, j))

    out = product(0, len(arrays) - 1)
    shape = tuple(n for n, r in zip(out.shape, (ranks[0], ranks[-1]), strict=True) if r == 2)
    return np.reshape(out, shape) if len(shape) < 2 else out


def _cheapest(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Where to cut every stretch of a chain of matrices of these sizes (Cormen et al., matrix-chain order)."""
    n = len(sizes) - 1
    cost = {(i, i): 0 for i in range(n)}
    cuts: dict[tuple[int, int], int] = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            options = {k: cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1] for k in range(i, j)}
            cuts[i, j] = min(options, key=lambda k: options[k])
            cost[i, j] = options[cuts[i, j]]
    return cuts


@registry.function(np.linalg.matrix_rank)
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """Rank of matrices, whole numbers: a plain array without gradient."""
    with naming("matrix_rank", A):
        return np.linalg.matrix_rank(plain(A), plain(tol), hermitian, rtol=plain(rtol))
