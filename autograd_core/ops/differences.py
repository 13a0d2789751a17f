"""Differences, numerical derivatives and integrals, interpolation, and sequences of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError, where
from ..operator import registry
from ..tensor import Tensor
from ._complaints import naming
from .shape import concatenated, identity
from .values import listed, plain

__all__ = ["diff", "gradient", "interp", "trapezoid"]


def _axis(name: str, a: Any, axis: int) -> int:
    """The axis as a non-negative number."""
    with naming(name, a):
        return int(np.lib.array_utils.normalize_axis_index(axis, np.ndim(a)))


def _along(a: Any, axis: int, start: int | None, stop: int | None) -> Any:
    return a[(slice(None),) * axis + (slice(start, stop),)]


@registry.function(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """n-th differences of neighbours along an axis, after `prepend` and `append` have been joined to it.

    Raises:
        ArgumentError: n is negative.
        ShapeError: no such axis.
    """
    if n < 0:
        raise ArgumentError(f"diff: n must not be negative, got {n}; use np.cumsum to go back. {where('diff')}")
    if n == 0:
        return a
    a, axis = listed(a), _axis("diff", a, axis)
    ends = []
    for end in (prepend, append):
        if end is not None and np.ndim(end) == 0:
            shape = np.shape(a)
            end = np.broadcast_to(end, (*shape[:axis], 1, *shape[axis + 1 :]))
        ends.append([] if end is None else [end])
    if ends != [[], []]:
        a = concatenated([*ends[0], a, *ends[1]], axis)
    difference = np.not_equal if a.dtype == bool else np.subtract
    for _ in range(n):
        a = difference(_along(a, axis, 1, None), _along(a, axis, None, -1))
    return a


@registry.function(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Differences of neighbours in the flattened array, with numbers before and after them."""
    flat = np.reshape(ary, -1)
    parts = [] if to_begin is None else [np.reshape(to_begin, -1)]
    parts.append(flat[1:] - flat[:-1])
    parts += [] if to_end is None else [np.reshape(to_end, -1)]
    if len(parts) == 1:
        return parts[0]
    return concatenated([p if p.dtype == flat.dtype else p.astype(flat.dtype) for p in parts], 0)


def _spacings(varargs: tuple[Any, ...], shape: tuple[int, ...], axes: tuple[int, ...]) -> list[Any]:
    """For every axis one step, or the steps between its points.

    Raises:
        ArgumentError: not one for every axis.
        ShapeError: not as many coordinates as points, or coordinates of more than one axis.
    """
    if len(varargs) not in (0, 1, len(axes)) or (len(varargs) == 1 < len(axes) and np.ndim(varargs[0])):
        raise ArgumentError(
            f"gradient: there must be no spacing, one number, or one spacing for every axis, got {len(varargs)} for "
            f"{len(axes)} axes; give one for each. {where('gradient')}"
        )
    given = list(varargs) * len(axes) if len(varargs) == 1 else list(varargs) or [1.0] * len(axes)
    if len(varargs) == 1 and len(axes) == 1:
        given = list(varargs)
    out = []
    for spacing, axis in zip(given, axes, strict=True):
        if np.ndim(spacing) == 0:
            out.append(spacing)
            continue
        if np.ndim(spacing) != 1 or len(spacing) != shape[axis]:
            raise ShapeError(
                "gradient: the coordinates must be a vector with one for every point of the axis, got shape "
                f"{tuple(np.shape(spacing))} for {shape[axis]} points of axis {axis}; correct them. "
                f"{where('gradient')}"
            )
        steps = np.diff(spacing)
        # Equal steps are one step, unless they are to get a gradient each.
        out.append(steps if getattr(steps, "requires_grad", False) or np.any(steps != steps[0]) else steps[0])
    return out


def _derivative(f: Any, step: Any, axis: int, edge_order: int) -> Any:
    """Second-order differences within, of order `edge_order` at both ends (Fornberg 1988)."""
    rank = len(f.shape)

    def at(start: int | None, stop: int | None) -> Any:
        return _along(f, axis, start, stop)

    if np.ndim(step) == 0:
        inner = (at(2, None) - at(None, -2)) / (2.0 * step)
        if edge_order == 1:
            first, last = (at(1, 2) - at(0, 1)) / step, (at(-1, None) - at(-2, -1)) / step
        else:
            first = (-1.5 / step) * at(0, 1) + (2.0 / step) * at(1, 2) + (-0.5 / step) * at(2, 3)
            last = (0.5 / step) * at(-3, -2) + (-2.0 / step) * at(-2, -1) + (1.5 / step) * at(-1, None)
        return concatenated([first, inner, last], axis)
    steps = np.reshape(step, (-1,) + (1,) * (rank - 1 - axis))
    a, b = steps[:-1], steps[1:]
    inner = -b / (a * (a + b)) * at(None, -2) + (b - a) / (a * b) * at(1, -1) + a / (b * (a + b)) * at(2, None)
    h0, h1, g1, g0 = steps[0], steps[1] if len(steps) > 1 else None, steps[-2] if len(steps) > 1 else None, steps[-1]
    if edge_order == 1:
        first, last = (at(1, 2) - at(0, 1)) / h0, (at(-1, None) - at(-2, -1)) / g0
    else:
        first = (
            -(2.0 * h0 + h1) / (h0 * (h0 + h1)) * at(0, 1)
            + (h0 + h1) / (h0 * h1) * at(1, 2)
            - h0 / (h1 * (h0 + h1)) * at(2, 3)
        )
        last = (
            g0 / (g1 * (g1 + g0)) * at(-3, -2)
            - (g0 + g1) / (g1 * g0) * at(-2, -1)
            + (2.0 * g0 + g1) / (g0 * (g1 + g0)) * at(-1, None)
        )
    return concatenated([first, inner, last], axis)


@registry.function(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Numerical derivatives along the axes, from second-order differences, one-sided at the ends; a tuple for several.

    Spacings are a step or the coordinates of an axis; they may be in the graph too.

    Raises:
        ArgumentError: `edge_order` is neither 1 nor 2, or there is not one spacing for every axis.
        ShapeError: too few points along an axis, or not as many coordinates.
    """
    if edge_order not in (1, 2):
        raise ArgumentError(f"gradient: edge_order must be 1 or 2, got {edge_order}; choose one. {where('gradient')}")
    f = listed(f)
    rank = len(f.shape)
    with naming("gradient", f):
        axes = tuple(range(rank)) if axis is None else np.lib.array_utils.normalize_axis_tuple(axis, rank)
    spacings = _spacings(varargs, tuple(f.shape), axes)
    if f.dtype.kind not in "fc":
        f = f.astype(np.float64)
    out = []
    for step, place in zip(spacings, axes, strict=True):
        if f.shape[place] < edge_order + 1:
            raise ShapeError(
                f"gradient: an axis must have at least edge_order + 1 = {edge_order + 1} points, got shape {f.shape}, "
                f"axis {place}; leave the axis out. {where('gradient')}"
            )
        out.append(_derivative(f, step, place, edge_order).astype(f.dtype, copy=False))
    return out[0] if len(out) == 1 else tuple(out)


@registry.function(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """Integral along an axis by the trapezoidal rule, over steps `dx` or coordinates `x`."""
    place = _axis("trapezoid", y, axis)
    if x is not None:
        dx = np.diff(x) if np.ndim(x) == 1 else np.diff(x, axis=axis)
        if np.ndim(x) == 1:
            dx = np.reshape(dx, (-1,) + (1,) * (np.ndim(y) - 1 - place))
    y = listed(y)
    return np.sum(dx * (_along(y, place, 1, None) + _along(y, place, None, -1)) / 2.0, axis=place)


@registry.function(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Piecewise linear interpolation, with gradients in the points `x`, the knots `xp` and their values `fp`.

    At a knot the derivative is the slope to its right, at the last one that to its left; outside it is zero in `x`.

    Raises:
        ShapeError: `xp` and `fp` are not vectors of one length, or empty.
        ArgumentError: a period of zero.
    """
    if np.ndim(xp) != 1 or np.shape(xp) != np.shape(fp) or not len(xp):
        raise ShapeError(
            f"interp: xp and fp must be vectors of one length that are not empty, got shapes {tuple(np.shape(xp))} and "
            f"{tuple(np.shape(fp))}; give a value for each knot. {where('interp')}"
        )
    # In double precision whatever comes in, as NumPy.
    x, xp, fp = ((a if hasattr(a, "shape") else np.asarray(a)).astype(np.float64, copy=False) for a in (x, xp, fp))
    if period is not None:
        if period == 0:
            raise ArgumentError(f"interp: period must not be 0, got {period!r}; leave it out. {where('interp')}")
        period, left, right = abs(period), None, None
        x, xp = np.remainder(x, period), np.remainder(xp, period)
        order = np.argsort(plain(xp))
        xp, fp = xp[order], fp[order]
        xp = concatenated([xp[-1:] - period, xp, xp[:1] + period], 0)
        fp = concatenated([fp[-1:], fp, fp[:1]], 0)
    at, knots = plain(x), plain(xp)
    n = knots.shape[0]
    left, right = fp[0] if left is None else left, fp[-1] if right is None else right
    if n == 1:
        inside = np.broadcast_to(fp[0], at.shape) + x * 0
    else:
        i = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, n - 2)
        slopes = (fp[1:] - fp[:-1]) / (xp[1:] - xp[:-1])
        # Outside, the line would be extended; there it is not chosen, and must not overflow either.
        safe = np.where((at < knots[0]) | (at > knots[-1]), knots[0], x)
        inside = slopes[i] * (safe - xp[i]) + fp[i]
    return np.where(at < knots[0], left, np.where(at > knots[-1], right, inside))


@registry.function(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * np.pi) -> Any:
    """Jumps of more than half a period taken out by adding whole periods, which are constants to the gradient."""
    values = plain(p)
    with naming("unwrap", p):
        added = np.unwrap(values, discont, axis, period=period) - values
    return p + (np.rint(added / period) * period).astype(added.dtype)


@registry.function(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """NaN and infinities replaced by numbers, through which no gradient flows.

    Raises:
        ArgumentError: `copy=False`, which would write in place.
    """
    if not copy:
        raise ArgumentError(
            f"nan_to_num: copy must be True with Tensors, got {copy!r}; write t[...] = np.nan_to_num(t). "
            f"{where('nan_to_num')}"
        )
    if x.dtype.kind not in "fc":
        return identity(x)
    values, limits = plain(x), np.finfo(x.dtype)
    high, low = (limits.max if posinf is None else posinf), (limits.min if neginf is None else neginf)
    out = x
    for place, number in ((np.isnan, nan), (np.isposinf, high), (np.isneginf, low)):
        number = number if isinstance(number, Tensor) else np.asarray(number, x.dtype)
        out = np.where(place(values), number, out)
    return out


# -- sequences of numbers between two -------------------------------------------------------------------------------


@registry.function(np.linspace)
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """`num` numbers at equal distances from `start` to `stop` (without it where `endpoint` is False).

    Raises:
        ArgumentError: a negative number.
    """
    if num < 0:
        raise ArgumentError(f"linspace: num must not be negative, got {num}; correct it. {where('linspace')}")
    start, stop, parts = listed(start), listed(stop), num - 1 if endpoint else num
    delta = stop - start
    kind = delta.dtype if delta.dtype.kind == "f" else np.float64
    rank = np.ndim(delta)
    count = np.arange(num, dtype=kind).reshape((-1,) + (1,) * rank)
    step = delta / parts if parts > 0 else delta * np.nan
    out = start + (count * step if parts > 0 else count * delta)
    if endpoint and num > 1:  # exactly, whatever the rounding
        last = stop if isinstance(stop, Tensor) else np.asarray(stop)
        out = concatenated([out[:-1], np.broadcast_to(last.astype(out.dtype), np.shape(out[-1:]))], 0)
    out = np.moveaxis(out, 0, axis) if axis != 0 else out
    if dtype is not None:
        out = (np.floor(out) if np.dtype(dtype).kind in "iu" else out).astype(dtype)
    return (out, step) if retstep else out


@registry.function(np.logspace)
def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0
) -> Any:
    """Powers of `base` (a number) with exponents at equal distances.

    Raises:
        ArgumentError: a base that is not a number.
    """
    if np.ndim(base) or isinstance(base, Tensor):
        raise ArgumentError(
            f"logspace: base must be a number with Tensors, got one of shape {tuple(np.shape(base))}; write "
            f"base ** np.linspace(start, stop, num). {where('logspace')}"
        )
    out = np.power(base, np.linspace(start, stop, num, endpoint, axis=axis))
    return out if dtype is None else out.astype(dtype)


@registry.function(np.geomspace)
def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """Positive numbers from `start` to `stop`, each the same multiple of the one before.

    Raises:
        ArgumentError: an end that is not positive.
    """
    start, stop = listed(start), listed(stop)
    if np.any(plain(start) <= 0) or np.any(plain(stop) <= 0):
        raise ArgumentError(
            "geomspace: both ends must be positive with Tensors, got one that is not; change the sign of the "
            f"result instead. {where('geomspace')}"
        )
    out = np.exp(np.linspace(np.log(start), np.log(stop), num, endpoint, axis=axis))
    return out.astype(np.float64 if dtype is None else dtype, copy=False)  # double precision by default, as NumPy
