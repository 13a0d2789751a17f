"""Cumulative products, and NumPy's cumulative functions that are composed of those and of cumsum."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..errors import where as place
from ..operator import Array, Bad, Sample, op, registry
from .reductions import cumsum

__all__ = ["cumprod"]


@op(
    "reduction",
    numpy=(np.cumprod,),
    latex=r"\prod_{j \le i} {a}_j",
    derivative={"a": r"\sum_{k \ge i} \prod_{j \le k, j \ne i} {a}_j"},
    samples=[
        Sample(Array(3, 4, low=0.5), axis=1),
        Sample(Array(5, low=0.5)),
        Sample(Array(2, 3, low=0.5)),
        Sample(np.array([[0.0, 2.0, 3.0], [1.5, 0.0, 0.0]]), axis=-1),
        Sample(Array(0), axis=0),
    ],
    bad=[Bad(ShapeError, "axis 2 is out of bounds", Array(3, 4), axis=2)],
    analytic=True,
)
def cumprod(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Cumulative product along an axis, of the flattened array without one; exact, to all orders, at zeros too."""
    return np.cumprod(a, axis=axis, dtype=dtype)


def _shifted(a: Any, step: int, fill: Any) -> Any:
    """The elements `step` places further along the last axis, `fill` where there are none."""
    return np.concatenate([a[..., step:], fill(a[..., :step])], axis=-1)


def _suffix_sums(g: Any, a: Any) -> Any:
    """h_i = g_i + a_(i+1) h_(i+1) along the last axis, by doubling; made of operators, so it differentiates."""
    h, factor, step = g, _shifted(a, 1, np.zeros_like), 1
    while step < a.shape[-1]:
        h = h + factor * _shifted(h, step, np.zeros_like)
        factor = factor * _shifted(factor, step, np.zeros_like)
        step *= 2
    return h


def _cumprod_gradient(g: Any, a: Any, shape: tuple[int, ...], axis: Any) -> Any:
    """Products of what came before, times the sums of what follows: no division, so that zeros do no harm."""
    axis = axis if shape else None
    if not a.size:
        return g if axis is not None else np.reshape(g, shape)
    flat = np.reshape(a, -1) if axis is None else np.moveaxis(a, axis, -1)
    g = g if axis is None else np.moveaxis(g, axis, -1)
    before = np.concatenate([np.ones_like(flat[..., :1]), np.cumprod(flat[..., :-1], axis=-1)], axis=-1)
    answer = before * _suffix_sums(g, flat)
    return np.reshape(answer, shape) if axis is None else np.moveaxis(answer, -1, axis)


cumprod.vjp(a=lambda g, a, a_shape, axis: _cumprod_gradient(g, a, a_shape, axis))


def _from_start(name: str, operator: Any, fill: Any, x: Any, axis: Any, dtype: Any, include_initial: bool) -> Any:
    if axis is None:
        if np.ndim(x) > 1:
            raise ArgumentError(
                f"{name}: the axis may be left out for one axis only, got shape {np.shape(x)}; give axis. {place(name)}"
            )
        axis = 0
    out = operator(x, axis=axis, dtype=dtype)
    if not include_initial:
        return out
    shape = list(out.shape)
    shape[axis] = 1
    return np.concatenate([fill(out, shape=tuple(shape)), out], axis=axis)


@registry.function(np.cumulative_sum)
def cumulative_sum(x: Any, /, *, axis: Any = None, dtype: Any = None, include_initial: bool = False) -> Any:
    """`np.cumsum` along an axis; with `include_initial` the 0 that it starts from is put in front.

    Raises:
        ArgumentError: no axis for an array of several.
        ShapeError: the axis is out of bounds.
    """
    return _from_start("cumulative_sum", cumsum, np.zeros_like, x, axis, dtype, include_initial)


@registry.function(np.cumulative_prod)
def cumulative_prod(x: Any, /, *, axis: Any = None, dtype: Any = None, include_initial: bool = False) -> Any:
    """`np.cumprod` along an axis; with `include_initial` the 1 that it starts from is put in front.

    Raises:
        ArgumentError: no axis for an array of several.
        ShapeError: the axis is out of bounds.
    """
    return _from_start("cumulative_prod", cumprod, np.ones_like, x, axis, dtype, include_initial)


@registry.function(np.nancumsum)
def nancumsum(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """`np.cumsum` with NaN taken as 0; the gradient there is 0."""
    return cumsum(np.where(np.isnan(a), 0, a), axis=axis, dtype=dtype)


@registry.function(np.nancumprod)
def nancumprod(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """`np.cumprod` with NaN taken as 1; the gradient there is 0."""
    return cumprod(np.where(np.isnan(a), 1, a), axis=axis, dtype=dtype)
