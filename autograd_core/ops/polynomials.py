"""Convolution and correlation of vectors, and the polynomials that NumPy computes with vectors of coefficients."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError, where
from ..operator import Array, Bad, Sample, op, registry
from ._complaints import naming
from .shape import concatenated
from .values import listed, plain

__all__ = ["convolve", "correlate", "polyval"]

_SHAPES = [((4,), (3,)), ((2,), (5,)), ((3,), (1,)), ((3,), (3,))]


@op(
    "contraction",
    symbol="∗",
    latex=r"{a} \ast {v}",
    derivative={"a": "{v}", "v": "{a}"},
    samples=[Sample(Array(*a), Array(*v)) for a, v in _SHAPES],
    bad=[
        Bad(ShapeError, "convolve: .*cannot be empty", Array(3), Array(0)),
        Bad(ShapeError, "convolve: .*object too deep", Array(2, 3), Array(3)),
    ],
    linear="each",
    analytic=True,
)
def convolve(a: Any, v: Any) -> Any:
    """Full convolution of two vectors, sum over k of a[k] v[n - k], of length len(a) + len(v) - 1."""
    return np.convolve(a, v)


convolve.vjp(a=lambda g, v: np.correlate(g, v, "valid"), v=lambda g, a: np.correlate(g, a, "valid"))


@op(
    "contraction",
    symbol="⋆",
    latex=r"{a} \star {v}",
    derivative={"a": "{v}", "v": "{a}"},
    samples=[Sample(Array(*a), Array(*v)) for a, v in _SHAPES],
    bad=[Bad(ShapeError, "correlate: .*cannot be empty", Array(3), Array(0))],
    linear="each",
)
def correlate(a: Any, v: Any) -> Any:
    """Full correlation of two real vectors, sum over n of a[n + k] v[n], for k from 1 - len(v) to len(a) - 1."""
    return np.correlate(a, v, "full")  # not analytic: NumPy conjugates v


correlate.vjp(a=lambda g, v: np.convolve(g, v, "valid"), v=lambda g, a: np.flip(np.correlate(g, a, "valid")))


def _part(name: str, mode: str, m: int, n: int, start: int) -> slice:
    """Where the result of a mode lies in the full one, for vectors of m and n elements; "same" begins at `start`.

    Raises:
        ArgumentError: an unknown mode.
    """
    if mode not in ("full", "same", "valid"):
        raise ArgumentError(f"{name}: mode must be 'full', 'same' or 'valid', got {mode!r}; choose one. {where(name)}")
    if mode == "full":
        return slice(None)
    if mode == "valid":
        return slice(min(m, n) - 1, max(m, n))
    return slice(start, start + max(m, n))


def _vectors(*arrays: Any) -> list[Any]:
    return [np.atleast_1d(a if hasattr(a, "shape") else np.asarray(a)) for a in arrays]


@registry.function(np.convolve)
def convolved(a: Any, v: Any, mode: str = "full") -> Any:
    """Convolution of two vectors: all of it, its middle of the longer one's length, or where they overlap completely.

    Raises:
        ShapeError: an empty vector, or more than one axis.
        ArgumentError: an unknown mode.
    """
    a, v = _vectors(a, v)
    m, n = len(a), len(v)
    part = _part("convolve", mode, m, n, (min(m, n) - 1) // 2)
    return convolve(a, v)[part]


@registry.function(np.correlate)
def correlated(a: Any, v: Any, mode: str = "valid") -> Any:
    """Correlation of two real vectors, sum over n of a[n + k] v[n], in the modes of `np.convolve`.

    Raises:
        ShapeError: an empty vector, or more than one axis.
        ArgumentError: an unknown mode.
    """
    a, v = _vectors(a, v)
    m, n = len(a), len(v)
    part = _part("correlate", mode, m, n, (n - 1) // 2 if m >= n else m // 2)
    return correlate(a, v)[part]


# -- coefficients, that of the highest power first --------------------------------------------------------------------


@registry.function(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """The polynomial with coefficients `p`, that of the highest power first, at `x` (Horner's scheme)."""
    p, x = listed(p), listed(x)
    out: Any = np.zeros_like(x)
    for coefficient in np.unstack(p):
        out = out * x + coefficient
    return out


def _padded(a: Any, n: int) -> Any:
    missing = n - a.shape[0]
    return concatenated([np.zeros(missing, a.dtype), a], 0) if missing else a


@registry.function(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    """Coefficients of the sum of two polynomials."""
    a1, a2 = _vectors(a1, a2)
    n = max(len(a1), len(a2))
    return _padded(a1, n) + _padded(a2, n)


@registry.function(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    """Coefficients of the difference of two polynomials."""
    a1, a2 = _vectors(a1, a2)
    n = max(len(a1), len(a2))
    return _padded(a1, n) - _padded(a2, n)


def _trimmed(a: Any) -> Any:
    """Without the leading zeros; a zero remains of zeros."""
    nonzero = np.flatnonzero(plain(a))
    return a[int(nonzero[0]) :] if nonzero.size else a[:1] * 0 if a.shape[0] else np.zeros(1, a.dtype)


@registry.function(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    """Coefficients of the product of two polynomials, leading zeros of both left out as NumPy does."""
    a1, a2 = (_trimmed(a) for a in _vectors(a1, a2))
    return convolve(a1, a2)


def _check_times(name: str, m: int) -> None:
    if m < 0:
        raise ArgumentError(f"{name}: m must not be negative, got {m}; it counts how often. {where(name)}")


@registry.function(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    """Coefficients of the m-th derivative of a polynomial.

    Raises:
        ArgumentError: m is negative.
    """
    _check_times("polyder", m)
    for _ in range(m):
        p = p[:-1] * np.arange(len(p) - 1, 0, -1)
    return p


@registry.function(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """Coefficients of the m-th integral of a polynomial, with constants `k` in the order of integration.

    Raises:
        ArgumentError: m is negative, or there are not m constants.
    """
    _check_times("polyint", m)
    (constants,) = _vectors(np.zeros(m) if k is None else k)
    if constants.shape[0] == 1 and m > 1:
        constants = np.broadcast_to(constants, (m,))
    if constants.shape[0] < m:
        raise ArgumentError(
            f"polyint: there must be a constant for each of the {m} integrations, got {constants.shape[0]}; give "
            f"{m}, or one for all. {where('polyint')}"
        )
    (p,) = _vectors(p)
    for i in range(m):
        p = concatenated([p / np.arange(len(p), 0, -1), constants[i : i + 1]], 0)
    return p


@registry.function(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    """Coefficients of the polynomial with these zeros, that of the highest power one.

    Raises:
        ShapeError: a matrix, whose eigenvalues NumPy would take.
    """
    (zeros,) = _vectors(seq_of_zeros)
    if len(zeros.shape) != 1:
        raise ShapeError(
            f"poly: the zeros must be a vector with Tensors, got shape {tuple(zeros.shape)}; pass a matrix's "
            f"eigenvalues yourself. {where('poly')}"
        )
    out: Any = np.ones(1, zeros.dtype)
    with naming("poly", zeros):
        for zero in np.unstack(zeros):
            out = convolve(out, np.stack([np.ones((), zeros.dtype), -zero]))
    return out
