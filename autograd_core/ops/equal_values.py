"""What the gradient rules of eigenvalue and singular value decompositions have in common: vectors that may turn freely.

Between equal eigenvalues or singular values (closer than 8 n eps of the largest) the vectors are LAPACK's arbitrary
choice. A derivative that needs them does not follow from the decomposition, and must not look as if it did:

- a gradient that asks for them raises, and so does a second derivative along a direction that would turn them;
- in forward mode the tangents of these vectors are NaN. Those of the values and of all other vectors are right, and so
  are gradients of functions of the values that treat equal ones alike.

Second derivatives of such functions, sum(w**3) at the identity, exist but depend on how the function bends between the
equal values, which a rule cannot see: they raise, unless the direction leaves LAPACK's vectors where they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, where
from ..operator import Array, Sample, op
from ._matrices import t

__all__ = ["determined", "over_gaps", "rotated"]

_NONE = np.zeros((3, 3), dtype=bool)
_EIGEN = np.array([[0.6, -0.8, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])


def _undetermined(name: str, shape: tuple[int, ...]) -> ArgumentError:
    what, instead = (
        ("singular values", "np.linalg.norm(a), np.linalg.det, np.sum(a * a) or np.linalg.pinv")
        if name == "svd"
        else ("eigenvalues", "np.trace of matrix powers, np.linalg.slogdet, inv or solve")
    )
    return ArgumentError(
        f"{name} (backward): a derivative must not depend on how vectors of equal (or zero) {what} are turned against "
        f"each other, which is arbitrary, got one that does at matrices of shape {shape}; write the function without "
        f"the decomposition ({instead}), or add a small matrix that separates the {what}. {where(name)}"
    )


def _notable(x: Any, scale: Any) -> Any:
    """Whether elements are more than rounding, next to the largest of `scale`."""
    size = max(*x.shape[-2:], 1)
    largest = np.max(np.abs(scale), axis=(-2, -1), keepdims=True, initial=0)
    return np.abs(x) > largest * (8 * size * float(np.finfo(x.dtype).eps))


@op(
    "elementwise",
    symbol="÷gaps",
    operands=("m", "f"),
    latex="{m} {f}",
    derivative={"m": "{f}", "f": "{m}"},
    samples=[Sample(Array(3, 3), Array(3, 3), _NONE)],
)
def over_gaps(m: Any, f: Any, equal: Any, strict: bool = True, name: str = "eigh") -> Any:
    """Cotangents times reciprocal gaps f: m f, where `equal` marks the pairs whose gap is zero and f, too.

    There `m` must be zero to rounding. If it is not, the quotient is undetermined: an error, or NaN without `strict`.

    Raises:
        ArgumentError: `strict`, and an undetermined element.
    """
    undetermined = equal & _notable(m, m)
    if strict and np.any(undetermined):
        raise _undetermined(name, tuple(m.shape))
    return np.where(undetermined, np.nan, m * f)


over_gaps.vjp(
    # A cotangent that stands for its broadcast is no matrix yet, whose elements could be compared.
    m=lambda g, f, equal, name, out_shape: over_gaps(np.broadcast_to(g, out_shape), f, equal, False, name),
    f=lambda g, m: g * m,
)


@op(
    "composite",
    symbol="U·V",
    operands=("u", "inner", "v"),
    latex=r"{u} \cdot {inner} \cdot {v}^\top",
    derivative={
        "u": r"\cdot \left({inner} \cdot {v}^\top\right)",
        "inner": r"{u} \otimes {v}",
        "v": r"\left({u} \cdot {inner}\right) \cdot",
    },
    samples=[
        Sample(_EIGEN, Array(3, 3), _EIGEN, _NONE, np.zeros(3, dtype=bool)),
        Sample(Array(2, 3, 2), Array(2, 2, 2), Array(2, 2, 2), np.zeros((2, 2, 2), bool), np.zeros((2, 2), bool)),
    ],
)
def rotated(u: Any, inner: Any, v: Any, equal: Any, zero: Any, name: str = "eigh") -> Any:
    """U M V^T, a gradient turned back from the basis of the vectors to that of the matrix.

    Differentiated in U or V it raises where that would turn vectors of equal (`equal`) or zero (`zero`) values.
    """
    return np.matmul(u, np.matmul(inner, t(v)))


def _turned_u(g: Any, u: Any, inner: Any, v: Any, equal: Any, zero: Any, name: str) -> Any:
    return np.matmul(determined(g, u, v, equal, zero, name=name), np.matmul(v, t(inner)))


def _turned_v(g: Any, u: Any, inner: Any, v: Any, equal: Any, zero: Any, name: str) -> Any:
    return np.matmul(t(determined(g, u, v, equal, zero, name=name)), np.matmul(u, inner))


rotated.vjp(
    u=lambda g, u, inner, v, equal, zero, name: _turned_u(g, u, inner, v, equal, zero, name),
    inner=lambda g, u, v: np.matmul(t(u), np.matmul(g, v)),
    v=lambda g, u, inner, v, equal, zero, name: _turned_v(g, u, inner, v, equal, zero, name),
)


@op(
    "composite",
    symbol="det?",
    operands=("g", "u", "v"),
    latex="{g}",
    derivative={"g": "1", "u": "0", "v": "0"},
    samples=[Sample(Array(3, 3), _EIGEN, _EIGEN, _NONE, np.zeros(3, dtype=bool))],
)
def determined(g: Any, u: Any, v: Any, equal: Any, zero: Any, turning: bool = True, name: str = "eigh") -> Any:
    """`g` itself, a direction in which a rule is differentiated again, if the derivative along it is determined.

    It is not if it turns vectors of equal values against each other (`turning`), or if they have already made it NaN.

    Raises:
        ArgumentError: the derivative is not determined.
    """
    if (np.any(equal) or np.any(zero)) and (np.any(np.isnan(g)) or (turning and _turns(g, u, v, equal, zero))):
        raise _undetermined(name, tuple(g.shape))
    return g


def _turns(g: Any, u: Any, v: Any, equal: Any, zero: Any) -> Any:
    """Whether a change of the matrix turns vectors that belong to equal values."""
    gv, gu = np.matmul(g, v), np.matmul(t(g), u)
    inside = np.matmul(t(u), gv)
    both = np.expand_dims(zero, -1) & np.expand_dims(zero, -2) & ~np.eye(zero.shape[-1], dtype=bool)
    turned = (equal & _notable((inside + t(inside)) / 2, g)) | (both & _notable(inside, g))
    column = np.expand_dims(zero, -2)
    tall = column & _notable(gv - np.matmul(u, inside), g)
    wide = column & _notable(gu - np.matmul(v, t(inside)), g)
    return np.any(turned) or np.any(tall) or np.any(wide)


determined.vjp(
    g=lambda g, u, v, equal, zero, name: determined(g, u, v, equal, zero, turning=False, name=name),
    u=lambda g, u_shape: np.zeros_like(g, shape=u_shape),
    v=lambda g, v_shape: np.zeros_like(g, shape=v_shape),
)
