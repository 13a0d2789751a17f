"""Statistics composed of operators: average, ptp, covariance and correlation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..errors import where as place
from ..operator import registry
from ..tensor import Tensor
from .reductions import normalized

__all__: list[str] = []


@registry.function(np.ptp)
def ptp(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Largest less smallest element; ties share the gradient equally."""
    return np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims)


class _NoWeightError(ArgumentError, ZeroDivisionError):
    """Weights that sum to zero, as NumPy's ZeroDivisionError."""


@registry.function(np.average)
def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False) -> Any:
    """Weighted mean, sum(a * weights) / sum(weights); both may have gradients.

    Args:
        a: the array.
        axis: one, several, or all.
        weights: of a's shape, or of the reduced axes' lengths.
        returned: return the sum of the weights too.
        keepdims: keep the reduced axes.

    Raises:
        ShapeError: the weights fit neither way.
        ArgumentError: weights sum to zero; it is a ZeroDivisionError too.
    """
    axis = tuple(axis) if isinstance(axis, list) else axis
    if weights is None:
        mean = np.mean(a, axis=axis, keepdims=keepdims)
        if not returned:
            return mean
        number = np.size(a) / max(np.size(mean), 1)
        return mean, np.zeros_like(mean) + number
    weights = weights if hasattr(weights, "dtype") else np.asarray(weights)
    if np.shape(a) != np.shape(weights):
        weights = _spread_weights(a, weights, axis)
    dtypes = [x.dtype for x in (a, weights) if hasattr(x, "dtype")]
    dtype = np.result_type(*dtypes, np.float64 if all(d.kind in "iub" for d in dtypes) else dtypes[0])
    total = np.sum(weights, axis=axis, dtype=dtype, keepdims=keepdims)
    if np.any(total == 0):
        raise _NoWeightError(
            f"average: the weights must not sum to zero, got weights of shape {np.shape(weights)} that do along axis "
            f"{axis}; check them. {place('average')}"
        )
    out = np.sum(a * weights, axis=axis, keepdims=keepdims) / total
    return (out, np.broadcast_to(total, out.shape)) if returned else out


def _spread_weights(a: Any, weights: Any, axis: Any) -> Any:
    """Weights of the reduced axes, with the other axes as ones."""
    shape = np.shape(a)
    reduced = normalized(shape, axis)
    if axis is None or np.shape(weights) != tuple(shape[i] for i in reduced):
        raise ShapeError(
            f"average: weights must have the array's shape, or the lengths of the axes given, got "
            f"{np.shape(weights)} for {shape} along {axis}; give axis, or np.broadcast_to(weights, a.shape). "
            f"{place('average')}"
        )
    order = tuple(int(i) for i in np.argsort(reduced))
    weights = np.transpose(weights, order)
    return np.reshape(weights, tuple(n if i in reduced else 1 for i, n in enumerate(shape)))


@registry.function(np.cov)
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """Covariance matrix of variables in rows (columns with rowvar=False), over N - 1, with `bias` over N.

    Args:
        m: (variables, observations), or one variable.
        y: further variables.
        rowvar: variables are rows.
        bias: divide by N.
        ddof: divide by N - ddof.
        fweights: how often each observation counts, constant integers.
        aweights: the weight of each observation, constant.
        dtype: of the result.

    Raises:
        ShapeError: more than two axes, or weights that are not one for each observation.
    """
    x = _rows(m, rowvar)
    if y is not None:
        x = np.concatenate([x, _rows(y, rowvar)], axis=0)
    x = x.astype(dtype if dtype is not None else np.result_type(x.dtype, np.float64))
    ddof = (0 if bias else 1) if ddof is None else ddof
    w = _weights(fweights, aweights, x.shape[1])
    if w is None:
        number: Any = x.shape[1]
        x = x - np.mean(x, axis=1, keepdims=True)
        return np.squeeze(np.matmul(x, x.T) / max(number - ddof, 0.0))
    total = np.sum(w)
    x = x - np.sum(x * w, axis=1, keepdims=True) / total
    lost = ddof if aweights is None else ddof * np.sum(w * np.asarray(aweights)) / total
    return np.squeeze(np.matmul(x, (x * w).T) / max(float(total - lost), 0.0))


def _rows(m: Any, rowvar: bool) -> Any:
    m = m if hasattr(m, "dtype") else np.asarray(m)
    if m.ndim > 2:
        raise ShapeError(
            f"cov: there must be at most two axes, variables and observations, got shape {m.shape}; reshape it. "
            f"{place('cov')}"
        )
    if m.ndim < 2:
        return np.reshape(m, (1, -1))
    return m if rowvar or m.shape[0] == 1 else m.T


def _weights(fweights: Any, aweights: Any, number: int) -> Any:
    w = None
    for name, weights in (("fweights", fweights), ("aweights", aweights)):
        if weights is None:
            continue
        if getattr(weights, "requires_grad", False):
            raise ArgumentError(
                f"cov: {name} must be constants, got a Tensor in the graph, whose gradient would be lost; write the "
                f"weighted covariance with np.matmul. {place('cov')}"
            )
        array = weights.data if isinstance(weights, Tensor) else np.asarray(weights)
        if array.shape != (number,):
            raise ShapeError(
                f"cov: {name} must have one element for each observation, got shape {array.shape} for {number}; "
                f"correct them. {place('cov')}"
            )
        w = array.astype(float) if w is None else w * array
    return w


@registry.function(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None, **unused: Any) -> Any:
    """Correlation coefficients, the covariances over the standard deviations.

    Raises:
        ShapeError: more than two axes.
    """
    c = cov(x, y, rowvar, dtype=dtype)
    if not c.ndim:
        return c / c
    index = np.arange(c.shape[0])
    scale = np.sqrt(c[index, index])
    return np.clip(c / scale[:, None] / scale[None, :], -1, 1)
