"""`np.pad`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError, where
from ..operator import Array, Bad, Sample, op, registry
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
def padded(array: Any, pad_width: Any, mode: Any = "constant", *, constant_values: Any = 0) -> Any:
    """`np.pad` with any constant: `pad` is linear, to which the constants are added.

    Raises:
        ArgumentError: constants with a mode that uses none.
    """
    out = pad(array, pad_width, mode)
    if np.ndim(constant_values) == 0 and constant_values == 0:
        return out
    if mode != "constant":
        raise ArgumentError(
            f"pad: constant_values must be left out unless mode is 'constant', got {constant_values!r} with mode "
            f"{mode!r}; choose one of the two. {where('pad')}"
        )
    widths = _widths(pad_width, len(array.shape))
    inner = [n if before or after else 1 for n, (before, after) in zip(array.shape, widths, strict=True)]
    return out + np.pad(np.zeros(inner, array.dtype), widths, mode, constant_values=constant_values)


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
