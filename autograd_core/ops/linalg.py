"""Linear algebra without decompositions: inverses, linear systems, determinants and powers.

Every rule takes matrices or stacks of them (the last two axes), and is made of functions that have rules themselves, so
that it differentiates again.

Reference:
    Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation" (2008).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..operator import Array, Bad, Sample, op
from ..unbroadcast import sum_to
from ._matrices import inverted, t

__all__ = ["cofactors", "det", "inv", "pinv", "slogdet", "solve", "vecdot"]

SQUARE = Bad(ShapeError, r"the matrices must be square, got shapes? \(2, 3\)", Array(2, 3))
MATRIX = Bad(ShapeError, r"the operand must be a matrix or a stack of matrices, got shapes? \(3,\)", Array(3))
_REGULAR = np.array([[2.0, -0.5, 0.25], [0.75, 1.5, -1.0], [-0.25, 0.5, 1.75]])
_STACK = np.array([[[1.5, 0.5], [-0.75, 2.0]], [[0.5, -1.25], [1.0, 0.75]]])
_SINGULAR = np.array([[1.0, 2.0, 3.0], [2.0, -1.0, 0.5], [3.0, 1.0, 3.5]])


@op(
    "composite",
    numpy=np.linalg.inv,
    symbol="inv",
    latex="{a}^{-1}",
    derivative={"a": r"-{out} \otimes {out}"},
    samples=[Sample(_REGULAR), Sample(_STACK), Sample(Array(1, 1, low=0.5)), Sample(Array(0, 2, 2))],
    bad=[SQUARE, MATRIX, Bad(ValueError, r"the matrix must be invertible, got shapes \(2, 2\)", np.ones((2, 2)))],
    analytic=True,
)
def inv(a: Any) -> Any:
    r"""Inverse matrix; the cotangent is -out^T g out^T.

    Raises:
        ShapeError: not square.
        ArgumentError: singular.
    """
    return np.linalg.inv(a)


inv.vjp(a=lambda g, out: -np.matmul(t(out), np.matmul(g, t(out))))


@op(
    "composite",
    numpy=np.linalg.solve,
    symbol="solve",
    latex="{a}^{-1} {b}",
    derivative={"a": r"-{a}^{-1} \otimes {out}", "b": "{a}^{-1}"},
    samples=[
        Sample(_REGULAR, Array(3)),
        Sample(_REGULAR, Array(3, 2)),
        Sample(_STACK, Array(2)),
        Sample(_STACK, Array(3, 1, 2, 2)),
        Sample(_STACK[1], Array(2, 2, 3)),
        Sample(_REGULAR, Array(3, 0)),
    ],
    bad=[
        Bad(ShapeError, r"the matrices must be square, got shapes \(2, 3\) and \(3,\)", Array(2, 3), Array(3)),
        Bad(ShapeError, "the operands must fit together", Array(3, 3), Array(2)),
        Bad(ValueError, r"the matrix must be invertible, got shapes \(2, 2\)", np.ones((2, 2)), np.ones(2)),
    ],
    analytic=True,
)
def solve(a: Any, b: Any) -> Any:
    """The solution x of a x = b; `b` with one axis is a vector, otherwise matrices.

    The cotangent of b is h = a^-T g, that of a is -h x^T, each summed over broadcast axes.

    Raises:
        ShapeError: `a` is not square, or `b` does not fit.
        ArgumentError: `a` is singular.
    """
    return np.linalg.solve(a, b)


def _solve_rule(g: Any, a: Any, out: Any, a_shape: tuple[int, ...], b_shape: tuple[int, ...]) -> Any:
    if len(b_shape) == 1:
        g, out = np.expand_dims(g, -1), np.expand_dims(out, -1)
    h = np.linalg.solve(t(a), g)
    for_a = -np.matmul(h, t(out))
    if len(b_shape) == 1:
        h = h[..., 0]
    return [sum_to(for_a, for_a.shape, a_shape), sum_to(h, h.shape, b_shape)]


solve.vjp(lambda g, a, out, a_shape, b_shape: _solve_rule(g, a, out, a_shape, b_shape))


# -- determinants ---------------------------------------------------------------------------------------------------


def _products_of_others(s: Any, pairs: bool) -> Any:
    """Products of all s_k but s_i, or but s_i and s_j (zero for i = j); no division, so that zeros are no matter."""
    n = s.shape[-1]
    left_out = np.eye(n, dtype=bool)
    if not pairs:
        return np.prod(np.where(left_out, 1, np.expand_dims(s, -2)), axis=-1)
    left_out = left_out[:, None, :] | left_out[None, :, :]
    products = np.prod(np.where(left_out, 1, np.expand_dims(s, (-2, -3))), axis=-1)
    return np.where(np.eye(n, dtype=bool), 0, products)


def _rotated(a: Any) -> tuple[Any, Any, Any, Any]:
    """Singular vectors and values, and the sign (phase) that the determinants of the vectors contribute."""
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return u, s, vh, np.expand_dims(np.linalg.det(u) * np.linalg.det(vh), (-1, -2))


@op(
    "composite",
    symbol="cof",
    latex=r"\operatorname{cof} {a}",
    derivative={"a": r"\frac{\partial \operatorname{cof} {a}}{\partial {a}}"},
    samples=[
        Sample(_REGULAR),
        Sample(_STACK),
        Sample(Array(1, 1, low=0.5)),
        Sample(_SINGULAR),
    ],
    bad=[SQUARE, MATRIX],
)
def cofactors(a: Any) -> Any:
    """The matrix of cofactors, the transposed adjugate: the gradient of the determinant, defined at every matrix.

    From a = U S V^T it is det(U) det(V) U S' V^T, S' the products of the other singular values; it and its first
    derivative are right at singular matrices too.

    Raises:
        ShapeError: not square.
    """
    u, s, vh, sign = _rotated(a)
    return sign * np.matmul(np.conjugate(u) * np.expand_dims(_products_of_others(s, False), -2), np.conjugate(vh))


def _cofactors_rule(g: Any, a: Any) -> Any:
    """(<g, C> C - C g^T C) / det where `a` has an inverse; elsewhere the same in the basis of the singular vectors.

    There it needs no division. The first form has derivatives also where singular values are equal, the second has not
    (so where it is not needed, it is that of another matrix).
    """
    s = np.linalg.svd(a, full_matrices=False)[1]
    n = s.shape[-1]
    eye = np.eye(n, dtype=bool)
    regular = np.expand_dims(s[..., -1] > s[..., 0] * float(np.sqrt(np.finfo(s.dtype).eps)), (-1, -2))
    safe = np.where(regular, a, eye)
    u, s, vh, sign = _rotated(np.where(regular, np.diag(np.arange(1, n + 1, dtype=a.dtype)), a))
    c = cofactors(safe)
    first = c * np.sum(g * c, axis=(-1, -2), keepdims=True) - np.matmul(c, np.matmul(t(g), c))
    first = first / np.expand_dims(np.linalg.det(safe), (-1, -2))
    h = np.matmul(t(u), np.matmul(g, t(vh)))
    products = _products_of_others(s, True)
    along = np.sum(np.where(eye, h, 0), axis=-1, keepdims=True)
    inner = np.where(eye, np.matmul(products, along), -products * t(h))
    return np.where(regular, first, np.sign(sign) * np.matmul(u, np.matmul(inner, vh)))


cofactors.vjp(a=lambda g, a: _cofactors_rule(g, a))


@op(
    "composite",
    numpy=np.linalg.det,
    symbol="det",
    latex=r"\det {a}",
    derivative={"a": r"\operatorname{cof} {a}"},
    samples=[
        Sample(_REGULAR),
        Sample(_STACK),
        Sample(Array(1, 1, low=0.5)),
        Sample(_SINGULAR),
        Sample(Array(0, 2, 2)),
    ],
    bad=[SQUARE, MATRIX],
    analytic=True,
)
def det(a: Any) -> Any:
    """Determinant; its gradient are the cofactors, which singular matrices have as well.

    At singular matrices two orders of derivatives are right whatever the rank, and higher ones if the singular values
    are distinct; elsewhere all are.

    Raises:
        ShapeError: not square.
    """
    return np.linalg.det(a)


det.vjp(a=lambda g, a: np.expand_dims(g, (-1, -2)) * cofactors(a))


@op(
    "composite",
    symbol="slogdet",
    latex=r"\left(\operatorname{sign} \det {a}, \ln \left|\det {a}\right|\right)",
    derivative={"a": r"{a}^{-\top}"},
    samples=[Sample(_REGULAR), Sample(_STACK), Sample(-np.eye(3)), Sample(Array(0, 2, 2))],
    bad=[SQUARE, MATRIX],
)
def slogdet(a: Any) -> Any:
    """Sign of the determinant and logarithm of its absolute value, side by side in a last axis.

    The sign is piecewise constant. A singular matrix has the logarithm -inf and no gradient: backward raises.

    Raises:
        ShapeError: not square.
    """
    sign, logarithm = np.linalg.slogdet(a)
    return np.stack([sign, logarithm], axis=-1)


slogdet.vjp(a=lambda g, a: np.expand_dims(g[..., 1], (-1, -2)) * t(inverted("slogdet", a)))


# -- pseudo-inverse ---------------------------------------------------------------------------------------------------


@op(
    "composite",
    operands=("a",),
    symbol="pinv",
    latex="{a}^{+}",
    derivative={"a": r"-{out} \otimes {out} + \dots"},
    samples=[
        Sample(_REGULAR),
        Sample(_REGULAR[:, :2]),
        Sample(_REGULAR[:2]),
        Sample(Array(2, 3, 2), 1e-12),
    ],
    bad=[MATRIX],
)
def pinv(a: Any, rcond: Any = 1e-15) -> Any:
    """Moore-Penrose pseudo-inverse P; singular values up to rcond times the largest are taken as zero.

    The gradient is that within matrices of the same rank (across a change of rank P jumps):
    -P^T g P^T + (1 - a P) g^T P P^T + P^T P g^T (1 - P a).

    Reference:
        Golub and Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose variables
        separate", SIAM Journal on Numerical Analysis 10 (1973).

    Raises:
        ShapeError: fewer than two axes.
    """
    return np.linalg.pinv(a, rcond)


def _pinv_rule(g: Any, a: Any, out: Any) -> Any:
    p, gt = t(out), t(g)
    total = -np.matmul(p, np.matmul(g, p))
    tall = np.matmul(gt, np.matmul(out, p))
    wide = np.matmul(np.matmul(p, out), gt)
    return total + (tall - np.matmul(a, np.matmul(out, tall))) + (wide - np.matmul(np.matmul(wide, out), a))


pinv.vjp(a=lambda g, a, out: _pinv_rule(g, a, out))


# -- products ---------------------------------------------------------------------------------------------------------


@op(
    "composite",
    operands=("a", "b"),
    symbol="·",
    latex=r"{a} \cdot {b}",
    derivative={"a": "{b}", "b": "{a}"},
    samples=[
        Sample(Array(4), Array(4)),
        Sample(Array(3, 4), Array(3, 4)),
        Sample(Array(3, 4), Array(4)),
        Sample(Array(1, 4), Array(2, 3, 4)),
        Sample(Array(0, 4), Array(4)),
    ],
    bad=[
        Bad(ShapeError, "the operands must fit together", Array(3, 4), Array(3)),
        Bad(ShapeError, "does not have enough dimensions", Array(), Array(3)),
    ],
    linear="each",
)
def vecdot(a: Any, b: Any) -> Any:
    """Sums of products over the last axis, the others broadcast.

    It is not declared analytic, since of complex numbers NumPy takes the conjugate of the first.

    Raises:
        ShapeError: the vectors are not equally long.
    """
    return np.vecdot(a, b)


def _scaled(g: Any, other: Any, shape: tuple[int, ...]) -> Any:
    full = np.expand_dims(g, -1) * other
    return sum_to(full, full.shape, shape)


vecdot.vjp(a=lambda g, b, a_shape: _scaled(g, b, a_shape), b=lambda g, a, b_shape: _scaled(g, a, b_shape))
