"""Reductions that leave NaN out: no gradient flows to it.

Warnings are NumPy's, for slices that hold nothing but NaN.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..operator import Array, Bad, Sample, op, registry
from ..tensor import Tensor
from ._samples import BAD_AXIS, axes
from .masked_reductions import deviation, mask_of, no_initial, variance
from .reductions import _shared

__all__ = ["nanmax", "nanmin"]

_GAPS = [Sample(np.array([[np.nan, 1.0, 0.5], [2.0, np.nan, -1.0]]), axis=1), Sample(np.array([np.nan, 3.0]))]
_EMPTY = Bad(ShapeError, "zero-size array to reduction", Array(0))


@op(
    "reduction",
    symbol="nanmax",
    latex=r"\max {a}",
    derivative={"a": r"[{a} = {out}]"},
    samples=[*axes(), *_GAPS],
    bad=[BAD_AXIS, _EMPTY],
)
def nanmax(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Largest element that is not NaN; ties share the gradient equally."""
    return np.fmax.reduce(a, axis=axis, keepdims=keepdims)  # type: ignore[call-overload]


nanmax.vjp(a=lambda g, a, out, a_shape, axis: _shared(g, a, out, a_shape, axis))


@op(
    "reduction",
    symbol="nanmin",
    latex=r"\min {a}",
    derivative={"a": r"[{a} = {out}]"},
    samples=[*axes(), *_GAPS],
    bad=[BAD_AXIS, _EMPTY],
)
def nanmin(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Smallest element that is not NaN; ties share the gradient equally."""
    return np.fmin.reduce(a, axis=axis, keepdims=keepdims)  # type: ignore[call-overload]


nanmin.vjp(a=lambda g, a, out, a_shape, axis: _shared(g, a, out, a_shape, axis))


def _extreme(operator: Any, pairwise: Any) -> Any:
    def wider(a: Any, axis: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True) -> Any:
        if where is not True:
            if initial is None:
                raise no_initial(operator.name)
            a = np.where(mask_of(operator.name, a, where), a, np.nan)
        if initial is not None and not a.size:
            return np.sum(a, axis=axis, keepdims=keepdims) + initial
        out = operator(a, axis=axis, keepdims=keepdims)
        return out if initial is None else pairwise(out, initial)

    def call(a: Any, axis: Any = None, keepdims: bool = False, **kwargs: Any) -> Any:
        out = operator(a, axis=axis, keepdims=keepdims, **kwargs)
        if np.any(np.isnan(out.data)):
            warnings.warn("All-NaN slice encountered", RuntimeWarning, stacklevel=4)
        return out

    operator.wider = wider
    call.__name__ = operator.name
    call.__doc__ = f"NumPy's `{operator.name}`, with `initial` and `where`; NaN, with a warning, of nothing but NaN."
    return call


registry.function(np.nanmax)(_extreme(nanmax, np.fmax))
registry.function(np.nanmin)(_extreme(nanmin, np.fmin))


def _numbers(name: str, a: Any, where: Any) -> Any:
    """The mask of elements that are not NaN and that `where` lets through."""
    there = ~np.isnan(a.data)
    return there if where is True else there & mask_of(name, a, where)


@registry.function(np.nansum)
def nansum(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    """Sum of the elements that are not NaN."""
    kwargs = {} if initial is None else {"initial": initial}
    return np.sum(a, axis=axis, dtype=dtype, keepdims=keepdims, where=_numbers("nansum", a, where), **kwargs)


@registry.function(np.nanprod)
def nanprod(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    """Product of the elements that are not NaN."""
    kwargs = {} if initial is None else {"initial": initial}
    return np.prod(a, axis=axis, dtype=dtype, keepdims=keepdims, where=_numbers("nanprod", a, where), **kwargs)


@registry.function(np.nanmean)
def nanmean(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, where: Any = True) -> Any:
    """Mean of the elements that are not NaN; NaN, with a warning, where there are none."""
    return np.mean(a, axis=axis, dtype=dtype, keepdims=keepdims, where=_numbers("nanmean", a, where))


@registry.function(np.nanvar)
def nanvar(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    where: Any = True,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """Variance of the elements that are not NaN; NaN, with a warning, where there are not more than ddof."""
    return _spread(variance, a, axis, ddof if correction is None else correction, dtype, keepdims, where, mean)


@registry.function(np.nanstd)
def nanstd(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    where: Any = True,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """Root of `nanvar`; its subgradient at 0 is 0."""
    return _spread(deviation, a, axis, ddof if correction is None else correction, dtype, keepdims, where, mean)


def _spread(function: Any, a: Any, axis: Any, ddof: Any, dtype: Any, keepdims: bool, where: Any, mean: Any) -> Any:
    mask = _numbers("nanvar" if function is variance else "nanstd", a, where)
    few = np.sum(mask, axis=axis, keepdims=keepdims) - ddof <= 0
    if mean is not None and dtype is None:
        mean = mean.astype(a.dtype)  # as in NumPy, where it does not decide the dtype
    out = function(a, axis, dtype, ddof, keepdims, mask, mean)
    return np.where(few, np.nan, out) if np.any(few) else out


def _index(function: Any) -> Any:
    def call(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return Tensor(function(a.data, axis=axis, keepdims=keepdims))

    call.__name__ = function.__name__
    call.__doc__ = f"NumPy's `{function.__name__}`: an index, which has no gradient."
    return call


for _function in (np.nanargmax, np.nanargmin):
    registry.functions[_function] = _index(_function)
