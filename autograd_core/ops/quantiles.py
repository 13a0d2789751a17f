"""Order statistics: median, percentiles and quantiles of all of NumPy's methods, with and without NaN.

Reference: Hyndman and Fan, "Sample quantiles in statistical packages", The American Statistician 50 (1996).
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..engine import unwrap_static
from ..errors import NoRuleError
from ..errors import where as place
from ..operator import registry
from ..tensor import Tensor
from ._complaints import naming
from .reductions import normalized
from .sorting import sort

__all__: list[str] = []


def _places(n: int, q: Any, method: str) -> Any:
    """Where NumPy's method looks among n sorted elements: its own answer for the elements 0, 1, 2, ..."""
    return np.quantile(np.arange(float(n)), q, method=method)  # type: ignore[call-overload]


def _flattened(a: Any, axis: Any) -> tuple[Any, tuple[int, ...], tuple[int, ...]]:
    """The reduced axes as one last axis, the shape of the others, and the shape with the reduced axes as ones."""
    shape = a.shape
    reduced = normalized(shape, tuple(axis) if isinstance(axis, list) else axis)
    for i in reduced if axis is not None and shape else ():
        np.lib.array_utils.normalize_axis_index(i, len(shape))
    others = [i for i in range(len(shape)) if i not in reduced]
    lead = tuple(shape[i] for i in others)
    moved = np.transpose(a, (*others, *reduced)) if len(shape) > 1 else a
    number = math.prod(shape[i] for i in reduced)
    return np.reshape(moved, (*lead, number)), lead, tuple(1 if i in reduced else n for i, n in enumerate(shape))


def _quantile(name: str, a: Any, q: Any, axis: Any, method: str, keepdims: bool, ignore: bool, wide: Any = None) -> Any:
    """Quantiles along axes, of the elements that are not NaN if `ignore`.

    The last axis of the intermediate arrays holds the quantiles; NumPy puts them first.
    """
    if a.dtype.kind != "f":
        a = a.astype(float)
    if axis is not None:
        for i in axis if isinstance(axis, tuple | list) else (axis,):
            _check_axis(name, a, i)
    flat, lead, kept = _flattened(a, axis)
    q = np.asarray(q)
    if not flat.shape[-1] and (ignore or name == "median"):
        warnings.warn("All-NaN slice encountered" if ignore else "Mean of empty slice", RuntimeWarning, stacklevel=5)
        shape = kept if keepdims else lead
        return np.broadcast_to(np.reshape(np.sum(flat, axis=-1) + np.nan, shape), (*q.shape, *shape))
    values = flat.data if isinstance(flat, Tensor) else flat
    missing = np.isnan(values)
    number = np.sum(~missing, axis=-1) if ignore else np.full(lead, flat.shape[-1])
    places = np.empty((*lead, q.size))
    for n in np.unique(number):
        places[number == n] = _places(int(n), q.ravel(), method) if n else 0
    # As in NumPy's interpolation: counted from the nearer end, so that equal neighbours give exactly their value.
    low = np.floor(places)
    part = (places - low).astype(a.dtype if wide is None else np.result_type(a.dtype, wide))
    ranks = low.astype(np.intp)
    ordered = sort(flat, axis=-1)
    below = np.take_along_axis(ordered, ranks, -1)
    above = np.take_along_axis(ordered, np.minimum(ranks + (part > 0), max(flat.shape[-1] - 1, 0)), -1)
    with np.errstate(invalid="ignore"):
        step = above - below
        between = np.where(part < 0.5, below + step * part, above - step * (1 - part))
    out = np.where((part == 0) | (below == above), below, between)
    nothing = number == 0 if ignore else np.any(missing, axis=-1)
    if np.any(nothing):
        if ignore:
            warnings.warn("All-NaN slice encountered", RuntimeWarning, stacklevel=5)
        out = np.where(nothing[..., None], np.nan, out)
    out = np.moveaxis(out, -1, 0)
    return np.reshape(out, (*q.shape, *(kept if keepdims else lead)))


def _check_axis(name: str, a: Any, axis: Any) -> None:
    with naming(name, a):
        np.lib.array_utils.normalize_axis_index(axis, a.ndim)


def _declare(function: Any, scale: float, ignore: bool) -> None:
    name = function.__name__

    def call(
        a: Any,
        q: Any,
        axis: Any = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: bool = False,
        *,
        weights: Any = None,
        interpolation: Any = None,
    ) -> Any:
        if weights is not None:
            raise NoRuleError(
                f"{name}: weights must be left out with Tensors, since a weighted quantile has no gradient rule, got "
                f"weights of shape {np.shape(weights)}; repeat the elements, or write it with np.sort and np.cumsum. "
                f"{place(name)}"
            )
        number = isinstance(q, int | float)
        q = np.true_divide(unwrap_static(q, _Named(name)), scale)  # type: ignore[arg-type] # asked for its name only
        method = interpolation or method
        wide = None if number or method in _CHOOSING else q.dtype  # an array of q decides the dtype in NumPy too
        return _quantile(name, a if isinstance(a, Tensor) else Tensor(a), q, axis, method, keepdims, ignore, wide)

    call.__name__ = name
    call.__doc__ = (
        f"NumPy's `{name}`, of all its methods; q is a constant, equal elements share the gradient equally.\n\n"
        "Raises:\n    GraphError: q is in the graph.\n    NoRuleError: weights are given.\n"
        "    ShapeError: an axis is out of bounds."
    )
    registry.functions[function] = call


_CHOOSING = ("inverted_cdf", "closest_observation", "lower", "higher", "nearest")  # methods that do not interpolate


class _Named:
    """What the engine asks for the name of."""

    def __init__(self, name: str) -> None:
        self.name = name


for _function, _scale, _ignore in (
    (np.quantile, 1, False),
    (np.percentile, 100, False),
    (np.nanquantile, 1, True),
    (np.nanpercentile, 100, True),
):
    _declare(_function, _scale, _ignore)


@registry.function(np.median)
def median(a: Any, axis: Any = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """Middle element, or the mean of the two in the middle; equal elements share the gradient equally."""
    return _quantile("median", a, 0.5, axis, "linear", keepdims, False)


@registry.function(np.nanmedian)
def nanmedian(a: Any, axis: Any = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """`np.median` of the elements that are not NaN; NaN, with a warning, where there are none."""
    return _quantile("nanmedian", a, 0.5, axis, "linear", keepdims, True)
