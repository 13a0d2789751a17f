"""Cholesky, symmetric eigenvalue, singular value and QR decompositions.

What has several results is one operator that holds them in one array, row by row; NumPy's functions take it apart
(`linalg_functions.py`). So each rule is one expression, and forward mode and higher orders work as everywhere.

Factors that are unique up to signs only (eigenvectors, singular vectors) have the derivative of the choice that LAPACK
made. Between equal eigenvalues or singular values (closer than 8 n eps of the largest) vectors may turn freely and have
no derivative. What does not need it, as functions of the values that treat equal ones alike (their sum, the nuclear
norm), has its gradient; one of several equal values has a subgradient, that of LAPACK's choice. What needs it raises,
second derivatives at such a matrix too; see `equal_values.py`. Between values that are nearly equal, derivatives have a
relative error of about eps over their relative gap.

References:
    Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation" (2008).
    Townsend, "Differentiating the singular value decomposition" (2016).
    Murray, "Differentiation of the Cholesky decomposition" (2016).
    Walter and Lehmann, "Algorithmic differentiation of linear algebra functions" (2018).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, where
from ..operator import Array, Bad, Sample, op
from ._matrices import negligible, on_diagonal, reciprocal_gaps, solved, symmetric_part, t
from .equal_values import over_gaps, rotated
from .linalg import MATRIX, SQUARE

__all__ = ["cholesky", "eigh", "qr", "svd"]

_POSITIVE = np.array([[4.0, 1.0, -0.5], [1.0, 3.0, 0.75], [-0.5, 0.75, 2.0]])
_POSITIVES = np.array([[[2.0, 0.5], [0.5, 1.0]], [[3.0, -1.0], [-1.0, 1.5]]])
_SYMMETRIC = np.array([[1.0, 2.0, -0.5], [2.0, -1.5, 0.75], [-0.5, 0.75, 0.25]])
_TALL = np.array([[1.5, -0.5], [0.25, 2.0], [-1.0, 0.75]])


@op(
    "composite",
    operands=("a",),
    numpy=np.linalg.cholesky,
    symbol="chol",
    latex=r"\operatorname{chol} {a}",
    derivative={"a": r"{out} \Phi\left({out}^{-1} \cdot {out}^{-\top}\right)"},
    samples=[Sample(_POSITIVE), Sample(_POSITIVES, upper=True), Sample(_POSITIVE[:1, :1])],
    bad=[SQUARE, MATRIX, Bad(ValueError, r"must be positive definite, got shapes \(2, 2\)", -np.eye(2))],
    symmetric=True,
)
def cholesky(a: Any, *, upper: bool = False) -> Any:
    r"""The lower triangular L with a = L L^T, or with `upper` its transpose.

    The matrix is taken as symmetric. NumPy reads one triangle of it, but the gradient is the symmetric matrix that is
    right for every symmetric change of `a`: the symmetric part of L^-T Phi(L^T g) L^-1, with Phi the lower triangle
    with half the diagonal. `check_grads`, which moves single elements, can judge it as part of a function such as
    cholesky((a + a.T) / 2).

    Raises:
        ShapeError: not square.
        ArgumentError: not positive definite.
    """
    return np.linalg.cholesky(a, upper=upper)


def _cholesky_rule(g: Any, out: Any, upper: bool) -> Any:
    lower, g = (t(out), t(g)) if upper else (out, g)
    n = lower.shape[-1]
    product = np.matmul(t(lower), g)
    half = np.where(np.eye(n, dtype=bool), product / 2, np.where(np.tri(n, dtype=bool), product, 0))
    return symmetric_part(np.linalg.solve(t(lower), t(np.linalg.solve(t(lower), half))))


cholesky.vjp(a=lambda g, out, upper: _cholesky_rule(g, out, upper))


@op(
    "composite",
    operands=("a",),
    symbol="eigh",
    latex=r"\operatorname{eigh} {a}",
    derivative={"a": r"v_i v_i^\top,\; \sum_{j \ne i} \frac{v_j v_j^\top \cdot v_i}{\lambda_i - \lambda_j}"},
    samples=[Sample(_SYMMETRIC), Sample(_POSITIVES, "U"), Sample(_SYMMETRIC[:1, :1])],
    bad=[SQUARE, MATRIX, Bad(ArgumentError, "UPLO must be 'L' or 'U', got 'M'", Array(3, 3), "M")],
    symmetric=True,
)
def eigh(a: Any, UPLO: str = "L") -> Any:
    r"""Eigenvalues in ascending order as the first row, and below them the eigenvectors as columns.

    The matrix is taken as symmetric: LAPACK reads the triangle that UPLO names, and the gradient is the symmetric part
    of V (diag(g_w) + F * V^T g_V) V^T with F_ij = 1 / (w_j - w_i), 0 where they are equal. As with `cholesky`, check it
    as part of a function of a symmetric matrix, eigh((a + a.T) / 2).

    Raises:
        ShapeError: not square.
        ArgumentError: UPLO is neither "L" nor "U"; in backward (forward mode gives NaN), a derivative of eigenvectors
            of equal eigenvalues, or a second derivative that turns them.
    """
    if UPLO not in ("L", "U"):
        raise ArgumentError(f"eigh: UPLO must be 'L' or 'U', got {UPLO!r}; name a triangle. {where('eigh')}")
    w, v = np.linalg.eigh(a, UPLO=UPLO)  # type: ignore[call-overload]
    return np.concatenate([np.expand_dims(w, -2), v], axis=-2)


def _eigh_rule(g: Any, out: Any) -> Any:
    w, v = out[..., 0, :], out[..., 1:, :]
    gaps, equal = reciprocal_gaps(w, w.shape[-1])
    inner = over_gaps(np.matmul(t(v), g[..., 1:, :]), gaps, equal) + on_diagonal(g[..., 0, :])
    return symmetric_part(rotated(v, inner, v, equal, np.zeros(w.shape, dtype=bool)))


eigh.vjp(a=lambda g, out: _eigh_rule(g, out))


@op(
    "composite",
    symbol="svd",
    latex=r"\operatorname{svd} {a}",
    derivative={"a": r"u_i v_i^\top, \dots"},
    samples=[Sample(_SYMMETRIC), Sample(_TALL), Sample(_TALL.T), Sample(_POSITIVES), Sample(Array(3, 1))],
    bad=[MATRIX],
)
def svd(a: Any) -> Any:
    r"""Reduced singular value decomposition a = U diag(s) V^T: the rows of U, s (descending), the rows of V.

    The gradient is U [(F * (U^T g_U - g_U^T U)) S + S (F * (V^T g_V - g_V^T V)) + diag(g_s)] V^T plus
    (1 - U U^T) g_U S^-1 V^T + U S^-1 g_V^T (1 - V V^T), with F_ij = 1 / (s_j^2 - s_i^2).

    Raises:
        ShapeError: fewer than two axes.
        ArgumentError: in backward (forward mode gives NaN), a derivative of singular vectors that equal or zero
            singular values leave open, or a second derivative that turns them.
    """
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return np.concatenate([u, np.expand_dims(s, -2), t(vh)], axis=-2)


def parts(packed: Any, m: int) -> tuple[Any, Any, Any]:
    """U, s and V of what `svd` returns for matrices of m rows."""
    return packed[..., :m, :], packed[..., m, :], packed[..., m + 1 :, :]


def _svd_rule(g: Any, out: Any, shape: tuple[int, ...]) -> Any:
    m, n = shape[-2:]
    u, s, v = parts(out, m)
    gu, gs, gv = parts(g, m)
    size, k = max(m, n), min(m, n)
    ru, rv = np.matmul(t(u), gu), np.matmul(t(v), gv)
    gaps, equal = reciprocal_gaps(s, size)
    zero = s <= negligible(s, size)
    sums, both = _reciprocal_sums(s, zero)
    # (P s_j + Q s_i) / (s_j^2 - s_i^2) in two parts, of which equal values that are not zero trouble only the first.
    apart, summed = over_gaps(ru + rv, gaps, equal, name="svd"), over_gaps(ru - rv, sums, both, name="svd")
    inner = (apart + t(apart) + summed - t(summed)) / 2 + on_diagonal(gs)
    total = rotated(u, inner, v, equal, zero, name="svd")
    if m == n:
        return total
    column = np.expand_dims(zero, -2)
    inverse = np.expand_dims(np.where(zero, 0, 1 / np.where(zero, 1, s)), -2)
    outside = _outside(gu, u, ru) if m > k else _outside(gv, v, rv)
    scaled = over_gaps(outside, inverse, column, name="svd")
    return total + (np.matmul(scaled, t(v)) if m > k else np.matmul(u, t(scaled)))


def _reciprocal_sums(s: Any, zero: Any) -> tuple[Any, Any]:
    """1 / (s_i + s_j), 0 between values that are both zero, and where these are, the diagonal left out."""
    both = np.expand_dims(zero, -1) & np.expand_dims(zero, -2)
    total = np.expand_dims(s, -1) + np.expand_dims(s, -2)
    return np.where(both, 0, 1 / np.where(both, 1, total)), both & ~np.eye(s.shape[-1], dtype=bool)


def _outside(g: Any, u: Any, r: Any) -> Any:
    """The part of `g` outside the columns' span, without what is left of nothing by rounding."""
    rest = g - np.matmul(u, r)
    rounding = np.max(np.abs(g), axis=(-2, -1), keepdims=True, initial=0) * (8 * float(np.finfo(g.dtype).eps))
    return np.where((rest != 0) & (np.abs(rest) <= rounding * max(*g.shape[-2:], 1)), 0, rest)


svd.vjp(a=lambda g, out, a_shape: _svd_rule(g, out, a_shape))


@op(
    "composite",
    symbol="qr",
    latex=r"\operatorname{qr} {a}",
    derivative={"a": r"\left(\cdot\right) R^{-\top}"},
    samples=[Sample(_SYMMETRIC), Sample(_TALL), Sample(_TALL.T), Sample(_POSITIVES), Sample(Array(2, 2, 3))],
    bad=[MATRIX],
)
def qr(a: Any) -> Any:
    r"""Reduced QR decomposition a = Q R: the rows of Q, below them the columns of R as rows.

    The gradient is (g_Q + Q sym(R g_R^T - g_Q^T Q)) R^-T, sym(M) being the symmetric matrix with M's lower triangle.
    With more columns than rows, a = [X, Y] and R = [U, W], this holds for X with g_Q + Y g_W^T in place of g_Q, and
    that of Y is Q g_W. The first columns must be linearly independent, otherwise backward raises.

    Raises:
        ShapeError: fewer than two axes.
    """
    q, r = np.linalg.qr(a)
    return np.concatenate([q, t(r)], axis=-2)


def _qr_rule(g: Any, out: Any, shape: tuple[int, ...]) -> Any:
    m, n = shape[-2:]
    k = min(m, n)
    q, r = out[..., :m, :], t(out[..., m:, :])
    gq, gr = g[..., :m, :], t(g[..., m:, :])
    if n > k:
        w, gw = r[..., k:], gr[..., k:]
        gq = gq + np.matmul(q, np.matmul(w, t(gw)))
    r, gr_first = r[..., :k], gr[..., :k]
    lower = np.matmul(r, t(gr_first)) - np.matmul(t(gq), q)
    both = np.where(np.tri(k, dtype=bool), lower, t(lower))
    first = t(solved("qr", r, t(gq + np.matmul(q, both))))
    return np.concatenate([first, np.matmul(q, gw)], axis=-1) if n > k else first


qr.vjp(a=lambda g, out, a_shape: _qr_rule(g, out, a_shape))
