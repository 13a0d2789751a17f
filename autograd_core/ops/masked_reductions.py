"""Reductions with NumPy's `where=` and `initial=`, over masks, composed of `np.where` and the reductions.

An operator calls these when it is given arguments that it does not have itself (`Operator.wider`), so that the plain
reduction stays as lean as it is.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..errors import where as place
from ..tensor import Tensor
from . import reductions as r

__all__: list[str] = []


def mask_of(name: str, a: Any, where: Any) -> Any:
    """The mask as an array that broadcasts to `a`.

    Raises:
        ShapeError: it does not.
    """
    mask = np.asarray(where.data if isinstance(where, Tensor) else where, dtype=bool)
    try:
        np.broadcast_to(mask, np.shape(a))
    except ValueError:
        raise ShapeError(
            f"{name}: the mask must broadcast to the array, got shape {mask.shape} for {np.shape(a)}; make the "
            f"shapes agree. {place(name)}"
        ) from None
    return mask


def no_initial(name: str) -> ArgumentError:
    """The refusal of a mask without a value for what it leaves nothing of."""
    return ArgumentError(
        f"{name}: a mask needs an initial value, since a reduction of nothing has none, got where without initial; "
        f"give initial. {place(name)}"
    )


def _floating(a: Any) -> bool:
    return isinstance(a, Tensor) and a.dtype.kind in "fc"


def _on_values(function: Any, a: Any, *args: Any, **kwargs: Any) -> Any:
    """What has no gradient, on the values."""
    plain = {k: v.data if isinstance(v, Tensor) else v for k, v in kwargs.items() if v is not None}
    return Tensor(function(a.data if isinstance(a, Tensor) else a, *args, **plain))


def _summed(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    """Sum of the elements where the mask holds, and of `initial`."""
    if not _floating(a) and not isinstance(initial, Tensor):
        return _on_values(np.sum, a, axis=axis, dtype=dtype, keepdims=keepdims, initial=initial, where=where)
    if where is not True:
        a = np.where(mask_of("sum", a, where), a, 0)
    total = r.sum(a, axis=axis, dtype=dtype, keepdims=keepdims)
    return total if initial is None else total + initial


def _multiplied(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    """Product of the elements where the mask holds, and of `initial`."""
    if not _floating(a) and not isinstance(initial, Tensor):
        return _on_values(np.prod, a, axis=axis, dtype=dtype, keepdims=keepdims, initial=initial, where=where)
    if where is not True:
        a = np.where(mask_of("prod", a, where), a, 1)
    product = r.prod(a, axis=axis, dtype=dtype, keepdims=keepdims)
    return product if initial is None else product * initial


def _extreme(name: str, operator: Any, pairwise: Any, worst: float) -> Any:
    function = getattr(np, name)

    def call(a: Any, axis: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True) -> Any:
        if not _floating(a) and not isinstance(initial, Tensor):
            return _on_values(function, a, axis=axis, keepdims=keepdims, initial=initial, where=where)
        if where is not True:
            if initial is None:
                raise no_initial(name)
            a = np.where(mask_of(name, a, where), a, worst)
        if initial is not None and not a.size:
            return np.sum(a, axis=axis, keepdims=keepdims) + initial  # the shape of the result, filled with it
        out = operator(a, axis=axis, keepdims=keepdims)
        return out if initial is None else pairwise(out, initial)

    call.__doc__ = (
        f"`{name}` where the mask holds, and of `initial`; a tie between the two shares the gradient equally."
    )
    return call


def _number(name: str, a: Any, axis: Any, where: Any) -> Any:
    """How many elements the mask lets through, with the reduced axes kept."""
    if where is True:
        return r.count(a.shape, axis)
    mask = np.broadcast_to(mask_of(name, a, where), a.shape)
    return np.sum(mask, axis=axis, keepdims=True).astype(a.dtype if a.dtype.itemsize > 2 else np.float32)


def _averaged(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, where: Any = True) -> Any:
    """Mean of the elements where the mask holds; NaN of none, as in NumPy."""
    if not _floating(a):
        return _on_values(np.mean, a, axis=axis, dtype=dtype, keepdims=keepdims, where=where)
    number = _number("mean", a, axis, where)
    wide = np.float32 if dtype is None and a.dtype == np.float16 else dtype
    total = r.sum(np.where(mask_of("mean", a, where), a, 0), axis=axis, dtype=wide, keepdims=True)
    empty = number == 0
    if np.any(empty):
        warnings.warn("Mean of empty slice", RuntimeWarning, stacklevel=4)
    out = np.where(empty, np.nan, total / np.where(empty, 1, number).astype(total.dtype))
    return _shape_back(out.astype(total.dtype if wide is dtype else a.dtype), a.shape, axis, keepdims)


def _shape_back(out: Any, shape: tuple[int, ...], axis: Any, keepdims: bool) -> Any:
    """Without the reduced axes, unless they are to be kept."""
    if keepdims:
        return out
    reduced = r.normalized(shape, axis)
    return np.reshape(out, tuple(n for i, n in enumerate(shape) if i not in reduced))


def variance(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    where: Any = True,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """Variance of the elements where the mask holds, about `mean` if it is given (with the reduced axes as ones)."""
    ddof = ddof if correction is None else correction
    if not _floating(a) and not isinstance(mean, Tensor):
        return _on_values(np.var, a, axis=axis, dtype=dtype, ddof=ddof, keepdims=keepdims, where=where, mean=mean)
    given = dtype is not None or a.dtype != np.float16
    b = a.astype(dtype if given else np.float32) if dtype is not None or not given else a
    mask = True if where is True else mask_of("var", a, where)
    number = _number("var", b, axis, where)
    if mean is None:
        mean = r.sum(b if mask is True else np.where(mask, b, 0), axis=axis, keepdims=True)
        mean = mean / np.where(number == 0, 1, number).astype(mean.dtype)
    deviation = b - mean if mask is True else np.where(mask, b - mean, 0)
    total = r.sum(deviation * deviation, axis=axis, keepdims=True)
    degrees = np.asarray(number - ddof)
    few = degrees <= 0
    if np.any(few):
        warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=4)
    out = total / np.where(few, 1, degrees).astype(total.dtype)
    out = np.where(few, np.where(total == 0, np.nan, np.inf), out) if np.any(few) else out
    return _shape_back(out if given else out.astype(a.dtype), a.shape, axis, keepdims)


def deviation(a: Any, *args: Any, **kwargs: Any) -> Any:
    """Root of `variance`; its subgradient at 0 is 0."""
    total = variance(a, *args, **kwargs)
    zero = total == 0
    return np.where(zero, 0, np.sqrt(np.where(zero, 1, total)))


def _weighted_logsumexp(
    a: Any, axis: Any = None, keepdims: bool = False, b: Any = None, initial: Any = None, where: Any = True
) -> Any:
    """ln(sum(b e^a)), the weights b constants or Tensors; elements of weight 0 do not count, whatever they are.

    `initial` and a mask are those of `np.logaddexp.reduce`.
    """
    if initial is not None:
        return np.logaddexp(_weighted_logsumexp(a, axis, keepdims, b, None, where), initial)
    if where is not True:
        a = np.where(mask_of("logsumexp", a, where), a, -math.inf)
    if b is None:
        return r.logsumexp(a, axis=axis, keepdims=keepdims)
    counts = (b.data if isinstance(b, Tensor) else np.asarray(b)) != 0
    values = a.data if isinstance(a, Tensor) else np.asarray(a)
    top = np.max(np.where(counts, values, -math.inf), axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0).astype(values.dtype)
    terms = b * np.exp(np.where(counts, a, -math.inf) - top)
    out = np.log(np.sum(terms, axis=axis, keepdims=True)) + top
    return _shape_back(out, terms.shape, axis, keepdims)


def _truth(function: Any) -> Any:
    return lambda a, axis=None, keepdims=False, **kwargs: _on_values(
        function, a, axis=axis, keepdims=keepdims, **kwargs
    )


r.sum.wider = _summed
r.prod.wider = _multiplied
r.max.wider = _extreme("max", r.max, np.maximum, -math.inf)
r.min.wider = _extreme("min", r.min, np.minimum, math.inf)
r.mean.wider = _averaged
r.var.wider = variance
r.std.wider = deviation
r.any.wider = _truth(np.any)
r.all.wider = _truth(np.all)
r.logsumexp.wider = _weighted_logsumexp
