"""Reductions and cumulative sums.

`var`, `std` and `logsumexp` are computed in two passes, so they neither cancel nor overflow.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..operator import Array, Bad, Sample, op
from ._samples import BAD_AXIS, axes


@lru_cache(maxsize=1024)
def _axes(rank: int, axis: Any) -> tuple[int, ...]:
    if axis is None or not rank:  # NumPy lets a 0-d array have the axes 0 and -1
        return tuple(range(rank))
    return tuple(a % rank for a in (axis if isinstance(axis, tuple) else (axis,)))


def normalized(shape: tuple[int, ...], axis: Any) -> tuple[int, ...]:
    """The reduced axes as non-negative numbers; None means all."""
    return _axes(len(shape), axis)


def restored(g: Any, shape: tuple[int, ...], axis: Any) -> Any:
    """A reduction's output with the reduced axes back as axes of length one: it stands for its broadcast."""
    if axis == 0 and g.ndim == len(shape) - 1:
        return g  # the reduced axis leads: broadcasting puts it back
    kept = kept_shape(shape, axis)
    return g if g.shape == kept else np.reshape(g, kept)


@lru_cache(maxsize=1024)
def kept_shape(shape: tuple[int, ...], axis: Any) -> tuple[int, ...]:
    """The shape with one for each reduced axis."""
    reduced = _axes(len(shape), axis)
    return () if len(reduced) == len(shape) else tuple(1 if i in reduced else n for i, n in enumerate(shape))


@lru_cache(maxsize=1024)
def count(shape: tuple[int, ...], axis: Any) -> int:
    """How many elements go into one element of the output."""
    return math.prod([shape[i] for i in _axes(len(shape), axis)])


@op(
    "reduction",
    numpy=(np.sum,),
    symbol="Σ",
    latex=r"\sum {a}",
    derivative={"a": "1"},
    samples=axes(empty=True),
    bad=[BAD_AXIS],
    linear="jointly",
    analytic=True,
)
def sum(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """Sum over an axis, several, or all."""
    # A quarter of np.sum's overhead; NumPy's stubs do not know `keepdims` by position.
    return np.add.reduce(a, axis, dtype, None, keepdims)  # type: ignore[call-overload]


sum.vjp(a=lambda g, a_shape, axis: restored(g, a_shape, axis))


@op(
    "reduction",
    numpy=(np.mean,),
    symbol="mean",
    latex=r"\frac{1}{N} \sum {a}",
    derivative={"a": r"\frac{1}{N}"},
    samples=axes(),
    bad=[BAD_AXIS],
    linear="jointly",
    analytic=True,
)
def mean(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """Arithmetic mean over an axis, several, or all."""
    if dtype is None and a.dtype.char not in _SUMMED_AS_THEY_ARE:
        if a.dtype.char == "e":  # sums of float16 soon overflow; NumPy's mean accumulates them in float32 too
            return (np.add.reduce(a, axis, np.float32, None, keepdims) / count(a.shape, axis)).astype(a.dtype)  # type: ignore[call-overload]
        dtype = np.float64
    total = np.add.reduce(a, axis, dtype, None, keepdims)  # type: ignore[call-overload]
    return total / count(a.shape, axis)


_SUMMED_AS_THEY_ARE = "fdgFDG"  # float and complex types of at least 32 bits


def _share(g: Any, number: int) -> Any:
    """The cotangent over the number of elements, which float16 may not hold."""
    return g * (1 / number) if number > 65504 and g.dtype == np.float16 else g / number


mean.vjp(a=lambda g, a_shape, axis: restored(_share(g, count(a_shape, axis)), a_shape, axis))


@op(
    "reduction",
    numpy=(np.var,),
    symbol="var",
    latex=r"\operatorname{var} {a}",
    derivative={"a": r"\frac{2}{N} ({a} - \overline{{a}})"},
    samples=[*axes()[:-1], Sample(Array(3, 4), axis=0, ddof=1)],
    bad=[BAD_AXIS],
)
def var(a: Any, axis: Any = None, dtype: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """Variance, the mean of (a - mean(a))^2, with N - ddof for N."""
    return np.var(a, axis=axis, dtype=dtype, ddof=ddof, keepdims=keepdims)


def _over_degrees(number: int, ddof: float) -> float:
    """1 / (N - ddof), infinite where no degree of freedom is left."""
    return 1 / (number - ddof) if number > ddof else math.inf


var.vjp(
    a=lambda g, a, a_shape, axis, ddof: (
        restored(g * (2 * _over_degrees(count(a_shape, axis), ddof)), a_shape, axis)
        * (a - np.mean(a, axis=axis, keepdims=True))
    )
)


@op(
    "reduction",
    numpy=(np.std,),
    symbol="std",
    latex=r"\operatorname{std} {a}",
    derivative={"a": r"\frac{{a} - \overline{{a}}}{N {out}}"},
    samples=[*axes()[:-1], Sample(Array(3, 4), axis=0, ddof=1)],
    bad=[BAD_AXIS],
)
def std(a: Any, axis: Any = None, dtype: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """Standard deviation, the root of the variance; its subgradient at 0 is 0."""
    return np.std(a, axis=axis, dtype=dtype, ddof=ddof, keepdims=keepdims)


std.vjp(
    a=lambda g, a, out, a_shape, axis, ddof: (
        restored(
            np.where(out == 0, 0, g) / np.where(out == 0, 1, out) * _over_degrees(count(a_shape, axis), ddof),
            a_shape,
            axis,
        )
        * (a - np.mean(a, axis=axis, keepdims=True))
    )
)


def _shared(g: Any, a: Any, out: Any, shape: tuple[int, ...], axis: Any) -> Any:
    """The gradient of an extreme value, shared equally among the elements that attain it."""
    attained = a == restored(out, shape, axis)
    number = np.sum(attained, axis=axis, keepdims=True)
    return np.where(attained, restored(g, shape, axis) / np.maximum(number, 1).astype(g.dtype), 0)


_EMPTY = Bad(ShapeError, "zero-size array to reduction", Array(0))


@op(
    "reduction",
    numpy=(np.max, np.amax),
    symbol="max",
    latex=r"\max {a}",
    derivative={"a": r"[{a} = {out}]"},
    samples=axes(),
    bad=[BAD_AXIS, _EMPTY],
)
def max(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Largest element; ties share the gradient equally."""
    return np.max(a, axis=axis, keepdims=keepdims)


max.vjp(a=lambda g, a, out, a_shape, axis: _shared(g, a, out, a_shape, axis))


@op(
    "reduction",
    numpy=(np.min, np.amin),
    symbol="min",
    latex=r"\min {a}",
    derivative={"a": r"[{a} = {out}]"},
    samples=axes(),
    bad=[BAD_AXIS, _EMPTY],
)
def min(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Smallest element; ties share the gradient equally."""
    return np.min(a, axis=axis, keepdims=keepdims)


min.vjp(a=lambda g, a, out, a_shape, axis: _shared(g, a, out, a_shape, axis))


@op(
    "reduction",
    numpy=(np.prod,),
    symbol="Π",
    latex=r"\prod {a}",
    derivative={"a": r"\prod_{j \ne i} {a}_j"},
    samples=[*axes(0.5, 2), Sample(np.array([[0.0, 2.0, 3.0], [0.0, 0.0, 5.0]]), axis=1)],
    bad=[BAD_AXIS],
    analytic=True,
)
def prod(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """Product of the elements; exact, also to higher orders, where some are zero."""
    return np.prod(a, axis=axis, dtype=dtype, keepdims=keepdims)


def _scan(a: Any) -> Any:
    """Products of all earlier elements along the last axis, by doubling; made of operators, so it differentiates."""
    n = a.shape[-1]
    ones = np.ones_like(a[..., :1])
    out = np.concatenate([ones, a[..., :-1]], axis=-1)
    step = 1
    while step < n:
        out = out * np.concatenate([np.ones_like(out[..., :step]), out[..., :-step]], axis=-1)
        step *= 2
    return out


def _others(a: Any, shape: tuple[int, ...], axis: Any) -> Any:
    """For every element the product of the others that are multiplied with it."""
    reduced = normalized(shape, axis)
    order = (*(i for i in range(len(shape)) if i not in reduced), *reduced)
    lead = tuple(shape[i] for i in order[: len(shape) - len(reduced)])
    flat = np.reshape(np.transpose(a, order), (*lead, math.prod(shape[i] for i in reduced)))
    if not flat.size:
        return np.ones_like(a)
    product = _scan(flat) * _scan(flat[..., ::-1])[..., ::-1]
    back = np.reshape(product, tuple(shape[i] for i in order))
    return np.transpose(back, tuple(int(i) for i in np.argsort(order)))


prod.vjp(a=lambda g, a, a_shape, axis: restored(g, a_shape, axis) * _others(a, a_shape, axis))


@op(
    "reduction",
    symbol="logsumexp",
    latex=r"\ln \sum e^{{a}}",
    derivative={"a": "e^{{a} - {out}}"},
    samples=axes(),
    bad=[Bad(ShapeError, "axis 2 is out of bounds", Array(3, 4), axis=2)],
)
def logsumexp(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """ln(sum(e^a)) over an axis, several, or all, without overflow."""
    top = np.maximum.reduce(a, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    out = np.log(np.add.reduce(np.exp(a - top), axis=axis, keepdims=True)) + top
    if keepdims:
        return out
    reduced = normalized(a.shape, axis)
    return np.reshape(out, tuple(n for i, n in enumerate(a.shape) if i not in reduced))


def _softmax_from(a: Any, out: Any, axis: Any) -> Any:
    """e^(a - out); infinite elements share the gradient equally, as the largest do in `max`, and -inf has none."""
    infinite = a == math.inf
    number = np.sum(infinite, axis=axis, keepdims=True)
    finite = np.exp(np.where(infinite, -math.inf, a) - np.where(out == -math.inf, 0, out))
    return finite + infinite / np.maximum(number, 1).astype(out.dtype)


logsumexp.vjp(
    a=lambda g, a, out, a_shape, axis: restored(g, a_shape, axis) * _softmax_from(a, restored(out, a_shape, axis), axis)
)


@op(
    "reduction",
    numpy=(np.cumsum,),
    symbol="cumsum",
    latex=r"\sum_{j \le i} {a}_j",
    derivative={"a": r"[j \le i]"},
    samples=[Sample(Array(3, 4), axis=1), Sample(Array(5)), Sample(Array(2, 3)), Sample(Array(0), axis=0)],
    bad=[Bad(ShapeError, "axis 2 is out of bounds", Array(3, 4), axis=2)],
    linear="jointly",
    analytic=True,
)
def cumsum(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Cumulative sum along an axis, of the flattened array without one."""
    return np.cumsum(a, axis=axis, dtype=dtype)


cumsum.vjp(
    a=lambda g, a_shape, axis: (
        np.reshape(np.cumsum(g[::-1])[::-1], a_shape)
        if axis is None or not a_shape
        else np.flip(np.cumsum(np.flip(g, axis=axis), axis=axis), axis=axis)
    )
)


def _index_of_extreme(function: Any) -> Any:
    def compute(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
        out = function(a, axis=axis, keepdims=keepdims)
        return np.intp(out) if type(out) is int else out  # what count_nonzero gives before NumPy 2.3

    compute.__name__ = function.__name__
    compute.__module__ = __name__
    compute.__doc__ = f"NumPy's `{function.__name__}`; not floating, so it is not recorded."
    samples = [Sample(Array(3, 4)), Sample(Array(3, 4), axis=1)]
    return op(
        "reduction",
        numpy=(function,),
        symbol=function.__name__,
        latex=rf"\operatorname{{{function.__name__}}} {{a}}",
        samples=samples,
        differentiable=False,
    )(compute)


argmax = _index_of_extreme(np.argmax)
argmin = _index_of_extreme(np.argmin)
any = _index_of_extreme(np.any)
all = _index_of_extreme(np.all)
count_nonzero = _index_of_extreme(np.count_nonzero)
