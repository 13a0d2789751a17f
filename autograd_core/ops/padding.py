"""`np.pad`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError, where
from ..operator import Array, Bad, Sample, op, registry
from ._complaints import naming
from .indexing import scatter

MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


@op(
    "scatter",
    symbol="pad",
    latex=r"\operatorname{pad}({array})",
    derivative={"array": "1"},
    operands=("array",),
    samples=[
        Sample(Array(3), 2),
        Sample(Array(2, 3), ((0, 0), (1, 2))),
        Sample(Array(0, 3), 1),
        Sample(Array(4), (2, 1), "edge"),
        Sample(Array(3, 4), ((2, 1), (1, 3)), "reflect"),
        Sample(Array(3, 2), ((5, 0), (0, 3)), "reflect"),
        Sample(Array(2, 3), ((1, 0), (4, 2)), "symmetric"),
        Sample(Array(2, 3), ((0, 3), (2, 1)), "wrap"),
    ],
    bad=[
        Bad(ArgumentError, "mode must be one of 'constant', 'edge', .* got 'mean'", Array(3), 1, "mean"),
        Bad(ShapeError, "can't contain negative values", Array(3), -1),
    ],
    numpy=np.pad,
    linear="jointly",
    analytic=True,
)
def pad(array: Any, pad_width: Any, mode: Any = "constant") -> Any:
    """The array with elements before and after it: zeros ("constant"), or its own as `mode` says, as NumPy.

    Raises:
        ArgumentError: a mode other than "constant", "edge", "reflect", "symmetric" and "wrap".
        ShapeError: `pad_width` does not fit the array.
    """
    if not isinstance(mode, str) or mode not in MODES:
        modes = ", ".join(map(repr, MODES))
        raise ArgumentError(
            f"pad: mode must be one of {modes}, got {mode!r}; compose it with np.concatenate. {where('pad')}"
        )
    if isinstance(pad_width, dict):  # which older releases of NumPy do not take
        pad_width = _widths(pad_width, len(array.shape))
    return np.pad(array, pad_width, mode)  # type: ignore[call-overload]


@registry.function(np.pad)
def padded(
    array: Any,
    pad_width: Any,
    mode: Any = "constant",
    *,
    constant_values: Any = 0,
    end_values: Any = 0,
    stat_length: Any = None,
    reflect_type: str = "even",
) -> Any:
    """`np.pad` in all of NumPy's modes: `pad` itself, and compositions for those that compute new elements.

    With mode "empty", whose elements NumPy leaves undefined, they are zero.

    Raises:
        ArgumentError: an unknown mode, a function as the mode, or arguments that the mode does not use.
    """
    options = {"constant_values": constant_values, "end_values": end_values, "stat_length": stat_length}
    for name, value in options.items():
        unused = mode not in _USED_BY[name] and not (value is None or (np.ndim(value) == 0 and value == 0))
        if unused:
            modes = " or ".join(map(repr, _USED_BY[name]))
            raise ArgumentError(
                f"pad: {name} must be left out unless mode is {modes}, got {value!r} with mode {mode!r}; choose one of "
                f"the two. {where('pad')}"
            )
    odd = reflect_type == "odd" and mode in ("reflect", "symmetric")
    if isinstance(mode, str) and (mode in _STATISTICS or mode in ("mean", "linear_ramp") or odd):
        extra = {"stat_length": stat_length, "end_values": end_values, "reflect_type": reflect_type}
        return _computed(array, pad_width, mode, extra)
    out = pad(array, pad_width, "constant" if mode == "empty" else mode)
    if np.ndim(constant_values) == 0 and constant_values == 0:
        return out
    widths = _widths(pad_width, len(array.shape))
    inner = [n if before or after else 1 for n, (before, after) in zip(array.shape, widths, strict=True)]
    return out + np.pad(np.zeros(inner, array.dtype), widths, mode, constant_values=constant_values)


def _median(a: Any, axis: int, keepdims: bool) -> Any:
    ordered, n = np.sort(a, axis=axis), a.shape[axis]
    middle = ordered[(slice(None),) * axis + (slice((n - 1) // 2, n // 2 + 1),)]
    return np.mean(middle, axis=axis, keepdims=keepdims)


_STATISTICS: dict[str, Any] = {"maximum": np.max, "minimum": np.min, "median": _median}
_USED_BY = {
    "constant_values": ("constant",),
    "end_values": ("linear_ramp",),
    "stat_length": ("maximum", "mean", "median", "minimum"),
}


def _computed(a: Any, pad_width: Any, mode: str, extra: dict[str, Any]) -> Any:
    """Modes whose new elements are computed from the array, an axis after the other as in NumPy."""
    rank = len(a.shape)
    with naming("pad", a):
        widths = _widths(pad_width, rank)
        if any(n < 0 for pair in widths for n in pair):
            raise ValueError("index can't contain negative values")
        lengths = None if extra["stat_length"] is None else _widths(extra["stat_length"], rank)
        ends = np.broadcast_to(extra["end_values"], (rank, 2))
        for axis, (before, after) in enumerate(widths):
            if not before + after:
                continue
            if mode in _STATISTICS:
                n = a.shape[axis]
                first, last = (n, n) if lengths is None else lengths[axis]
                lead = (slice(None),) * axis
                sides = (
                    (before, a[(*lead, slice(min(first, n)))]),
                    (after, a[(*lead, slice(n - min(last, n), None))]),
                )
                parts = [
                    np.broadcast_to(
                        _STATISTICS[mode](side, axis=axis, keepdims=True),
                        (*a.shape[:axis], width, *a.shape[axis + 1 :]),
                    )
                    for width, side in sides
                ]
                a = np.concatenate([parts[0], a, parts[1]], axis=axis)
            else:
                kinds: dict[str, dict[str, Any]] = {  # the second axis is that of the unit vectors
                    "mean": {"stat_length": None if lengths is None else (lengths[axis], (1, 1))},
                    "linear_ramp": {"end_values": (tuple(ends[axis]), (0, 0))},
                }
                options = kinds.get(mode, {"reflect_type": extra["reflect_type"]})
                a = _linear(a, axis, before, after, mode, options)
    return a


def _linear(a: Any, axis: int, before: int, after: int, mode: str, options: dict[str, Any]) -> Any:
    """A linear mode along one axis: NumPy's own answer for the unit vectors says what every element becomes."""
    n = a.shape[axis]
    numpys: Any = np.pad
    width = ((before, after), (0, 0))
    at_zero = numpys(np.zeros((n, 1)), width, mode, **options)  # what the end values of a ramp add
    weights = numpys(np.eye(n), width, mode, **options) - at_zero
    shape = (-1,) + (1,) * (len(a.shape) - 1 - axis)

    def new(rows: slice) -> Any:
        mixed = np.tensordot(a, weights[rows].astype(a.dtype), axes=((axis,), (1,)))
        return np.moveaxis(mixed, -1, axis) + at_zero[rows].astype(a.dtype).reshape(shape)

    return np.concatenate([new(slice(before)), a, new(slice(before + n, None))], axis=axis)


def _widths(pad_width: Any, rank: int) -> list[tuple[int, int]]:
    """Numbers of elements before and after, for every axis."""
    if isinstance(pad_width, dict):
        given = {axis % rank: width for axis, width in pad_width.items()}
        pairs = [np.broadcast_to(given.get(i, 0), 2) for i in range(rank)]
    else:
        pairs = list(np.broadcast_to(pad_width, (rank, 2)))
    return [(int(before), int(after)) for before, after in pairs]


def _cut(g: Any, shape: tuple[int, ...], pad_width: Any, mode: str) -> Any:
    """The cotangent within; that of the added elements goes to those that they repeat."""
    for axis, (before, after) in enumerate(_widths(pad_width, len(shape))):
        if not before + after:
            continue
        lead, n = (slice(None),) * axis, shape[axis]
        inner = g[(*lead, slice(before, before + n))]
        if mode != "constant":
            outer = [g[(*lead, slice(before))], g[(*lead, slice(before + n, None))]]
            sources = np.pad(np.arange(n), (before, after), mode)  # type: ignore[call-overload]
            index = (*lead, np.concatenate([sources[:before], sources[before + n :]]))
            inner = inner + scatter(np.concatenate(outer, axis=axis), index=index, shape=inner.shape)
        g = inner
    return g


pad.vjp(array=lambda g, array_shape, pad_width, mode: _cut(g, array_shape, pad_width, mode))
