"""Sliding windows, what is reduced over them, padding, and the contraction that a convolution is.

Windows are one strided view, of which nothing is copied; the adjoint adds overlapping windows up. What must loop
does so over the positions within one window, each with all windows at once.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any, NamedTuple

import numpy as np

from ..errors import ArgumentError, ShapeError, where
from ..operator import Array, Bad, Sample, op, registry
from ._parts import gated


class Geometry(NamedTuple):
    """Where the windows lie in an array.

    Attributes:
        axes: the windowed axes, non-negative; `window`, `stride` and `dilation` have an entry for each.
        shape: of the output without the window's own axes, which follow it.
        steps: for every windowed axis, the slice of each position within a window, over all windows.
    """

    axes: tuple[int, ...]
    window: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    shape: tuple[int, ...]
    steps: tuple[tuple[slice, ...], ...]

    def along(self, position: int) -> list[tuple[slice, ...]]:
        """Indices of the positions within a window along one windowed axis alone."""
        return [(slice(None),) * self.axes[position] + (step,) for step in self.steps[position]]

    def taps(self) -> list[tuple[slice, ...]]:
        """Indices of all positions within a window, in the order of the window's elements."""
        out = []
        for steps in itertools.product(*self.steps):
            place = dict(zip(self.axes, steps, strict=True))
            out.append(tuple(place.get(i, slice(None)) for i in range(len(self.shape))))
        return out


def _geometry(a_shape: tuple[int, ...], window: Any, axis: Any, stride: Any, dilation: Any) -> Geometry:
    axes = tuple(range(len(a_shape))) if axis is None else tuple(axis) if np.ndim(axis) else (int(axis),)
    sizes = (("window_shape", window), ("stride", stride), ("dilation", dilation))
    return _placed(a_shape, axes, *(_each(value, len(axes), name) for name, value in sizes))


def _each(value: Any, count: int, name: str) -> tuple[int, ...]:
    """A positive integer for each axis, from one for all or a sequence."""
    several = tuple(value) if np.ndim(value) else (value,) * count
    if len(several) != count or not all(isinstance(v, int | np.integer) and v > 0 for v in several):
        raise ValueError(f"{name} must be a positive integer, or one for each of {count} axes, got {value!r}")
    return several


@functools.lru_cache(maxsize=1024)
def _placed(shape: tuple[int, ...], axis: Any, window: Any, stride: Any, dilation: Any) -> Geometry:
    rank = len(shape)
    if not all(-rank <= i < rank for i in axis) or len({i % rank for i in axis}) < len(axis):
        raise ValueError(f"axis must name different axes of an array of shape {shape}, got {axis}")
    axes = tuple(i % rank for i in axis)
    places = list(shape)
    steps = []
    for i, k, s, d in zip(axes, window, stride, dilation, strict=True):
        span = (k - 1) * d + 1
        if span > shape[i]:
            raise ValueError(f"a window that spans {span} elements must fit into axis {i} of length {shape[i]}")
        places[i] = (shape[i] - span) // s + 1
        steps.append(tuple(slice(j * d, j * d + (places[i] - 1) * s + 1, s) for j in range(k)))
    return Geometry(axes, window, stride, dilation, tuple(places), tuple(steps))


_WINDOWS: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((2, 3), {"window_shape": (2, 3)}),
    ((5,), {"window_shape": 3}),
    ((3, 4), {"window_shape": (2, 3)}),
    ((2, 5), {"window_shape": 2, "axis": 1, "stride": 2}),
    ((2, 6), {"window_shape": 2, "axis": -1, "stride": 3, "dilation": 2}),
    ((4, 2, 6), {"window_shape": (2, 3), "axis": (0, -1), "stride": (1, 2), "dilation": (2, 1)}),
    ((5, 3), {"window_shape": (2, 2), "axis": (1, 0), "stride": (2, 1)}),
    ((0, 4), {"window_shape": 2, "axis": 1}),
    ((2, 3), {"window_shape": 1, "axis": 0}),
]
_TOO_LARGE = Bad(ShapeError, r"spans 5 elements must fit into axis 0 of length 4", Array(4), 3, dilation=2)
_BAD_WINDOWS = [
    _TOO_LARGE,
    Bad(ShapeError, r"stride must be a positive integer, .* each of 2 axes, got 0", Array(4, 4), (2, 2), stride=0),
    Bad(ShapeError, r"window_shape must be a positive integer.* got \(2, 2\)", Array(4, 4), (2, 2), axis=0),
    Bad(ShapeError, r"axis must name different axes .* got \(0, -2\)", Array(4, 4), (2, 2), axis=(0, -2)),
]  # fmt: skip


@op(
    "view",
    symbol="windows",
    latex=r"{a}_{{s i + d k}}",
    derivative={"a": "1"},
    operands=("a",),
    samples=[Sample(Array(*shape), **options) for shape, options in _WINDOWS],
    bad=_BAD_WINDOWS,
    linear="jointly",
    analytic=True,
)
def windows(a: Any, window_shape: Any, axis: Any = None, stride: Any = 1, dilation: Any = 1) -> Any:
    """Sliding windows as a read-only strided view, out[..., i, ..., k] = a[..., stride i + dilation k, ...].

    With stride and dilation 1 it is NumPy's `sliding_window_view`.

    Args:
        a: any shape.
        window_shape: length of the window along each windowed axis.
        axis: the windowed axes, all by default.
        stride: from one window to the next, one for all axes or one for each.
        dilation: from one element of a window to the next, one for all axes or one for each.

    Returns:
        The shape of `a`, with the number of windows along windowed axes, followed by the window's shape.

    Raises:
        ShapeError: the window does not fit into an axis, an axis comes twice, or a length is not positive.
    """
    g = _geometry(a.shape, window_shape, axis, stride, dilation)
    if isinstance(a, np.ndarray):
        return _strided(a, g)
    spans = tuple((k - 1) * d + 1 for k, d in zip(g.window, g.dilation, strict=True))
    dense = np.lib.stride_tricks.sliding_window_view(a, spans, axis=g.axes)
    starts = dict(zip(g.axes, g.stride, strict=True))
    return dense[tuple(slice(None, None, n) for n in (*(starts.get(i, 1) for i in range(len(g.shape))), *g.dilation))]


def _strided(a: Any, g: Geometry) -> Any:
    """The view of an ndarray, which NumPy itself checks to stay within its memory.

    Its `.base` is the owner of the memory, as that of other views, by which the engine knows what shares a version; the
    `.base` of `as_strided` is a stand-in.
    """
    owner = a if a.base is None else a.base
    if not (isinstance(owner, np.ndarray) and owner.flags.forc):
        a = owner = np.array(a)
    strides = list(a.strides)
    inner = []
    for i, s, d in zip(g.axes, g.stride, g.dilation, strict=True):
        inner.append(strides[i] * d)
        strides[i] *= s
    start = a.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
    view: Any = np.ndarray((*g.shape, *g.window), a.dtype, owner, start, (*strides, *inner))
    view.flags.writeable = False
    return view


@op(
    "scatter",
    symbol="overlap-add",
    latex=r"\sum_{{s i + d k = j}} {a}_{{i k}}",
    derivative={"a": "1"},
    operands=("a",),
    samples=[
        Sample(Array(3, 3), shape=(5,)),
        Sample(Array(2, 2, 2, 3), shape=(3, 4)),
        Sample(Array(2, 2, 2), shape=(2, 5), axis=1, stride=2),
        Sample(Array(3, 2, 2, 2, 3), shape=(5, 2, 6), axis=(0, -1), stride=(1, 2), dilation=(2, 1)),
        Sample(Array(0, 3, 2), shape=(0, 4), axis=1),
    ],
    bad=[
        Bad(ShapeError, r"windows of shape \(2, 2\) must be an array of shape \(3, 2\)", Array(2, 2), shape=(4,)),
        Bad(ShapeError, "must be an array with an axis of places and one of elements", Array(2), shape=(4,)),
    ],
    linear="jointly",
    analytic=True,
)
def overlap_add(a: Any, shape: Any, axis: Any = None, stride: Any = 1, dilation: Any = 1) -> Any:
    """Windows added up where they overlap, in an array of `shape`: the adjoint of `windows` on such an array.

    Raises:
        ShapeError: `a` has not the shape of the windows of an array of `shape`.
    """
    count = len(shape) if axis is None else len(axis) if isinstance(axis, tuple | list) else 1
    if len(a.shape) != len(shape) + count:
        raise ValueError(
            f"windows must be an array with an axis of places and one of elements for each of {count} windowed axes, "
            f"got shape {a.shape} for an array of shape {shape}"
        )
    g = _geometry(tuple(shape), a.shape[len(shape) :], axis, stride, dilation)
    if a.shape != (*g.shape, *g.window):
        raise ValueError(f"windows of shape {a.shape} must be an array of shape {(*g.shape, *g.window)}")
    out = np.zeros_like(a[(..., *(0,) * count)], shape=shape)  # of one position, whose layout in memory it takes
    disjoint = all((k - 1) * d < s for k, s, d in zip(g.window, g.stride, g.dilation, strict=True))
    for place, k in zip(g.taps(), np.ndindex(g.window), strict=True):
        if not isinstance(out, np.ndarray):
            np.add.at(out, place, a[(..., *k)])  # type: ignore[arg-type]
        elif disjoint:
            out[place] = a[(..., *k)]
        else:
            out[place] += a[(..., *k)]
    return out


windows.vjp(
    a=lambda g, a_shape, axis, stride, dilation: overlap_add(
        g, shape=a_shape, axis=axis, stride=stride, dilation=dilation
    )
)
overlap_add.vjp(
    a=lambda g, a_shape, shape, axis, stride, dilation: windows(
        g, window_shape=a_shape[len(shape) :], axis=axis, stride=stride, dilation=dilation
    )
)


@registry.function(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    """NumPy's `sliding_window_view`: `windows` of stride and dilation 1.

    Raises:
        ArgumentError: a writeable view is asked for.
        ShapeError: see `windows`.
    """
    if writeable:
        raise ArgumentError(
            "sliding_window_view: the view of a Tensor must be read-only, since windows overlap, got writeable=True; "
            f"write into the Tensor itself. {where('sliding_window_view')}"
        )
    return windows(x, window_shape, axis=axis)


def _reduced(a: Any, g: Geometry, join: Any) -> Any:
    """`join` over all elements of each window, axis by axis: for a k x k window 2 (k - 1) passes."""
    out = a
    for i, k in enumerate(g.window):
        if k > 1 or g.stride[i] > 1:
            out = functools.reduce(join, [out[place] for place in g.along(i)])
    return np.positive(out) if math.prod(g.window) == 1 else out  # a single element: a copy, as of a reduction


_OVER_WINDOWS: dict[str, Any] = {
    "operands": ("a",),
    "samples": [Sample(Array(*shape), **options) for shape, options in _WINDOWS],
    "bad": _BAD_WINDOWS,
}


@op(
    "reduction",
    symbol="window max",
    latex=r"\max_k {a}_{{s i + d k}}",
    derivative={"a": r"[{a} = {out}]"},
    **_OVER_WINDOWS,
)
def window_max(a: Any, window_shape: Any, axis: Any = None, stride: Any = 1, dilation: Any = 1) -> Any:
    """Largest element of each window (see `windows`); ties share the gradient equally."""
    return _reduced(a, _geometry(a.shape, window_shape, axis, stride, dilation), np.maximum)


def _attained(g: Any, a: Any, out: Any, shape: Any, window_shape: Any, axis: Any, stride: Any, dilation: Any) -> Any:
    """The cotangent of each window's largest element, shared equally among those that attain it, added up."""
    geometry = _geometry(shape, window_shape, axis, stride, dilation)
    masks = [a[place] == out for place in geometry.taps()]
    number = functools.reduce(np.add, [mask.astype(g.dtype) for mask in masks])
    share = g / np.maximum(number, 1)
    parts = np.reshape(np.stack([gated(share, mask) for mask in masks]), (*geometry.window, *geometry.shape))
    # The positions within a window lead in memory, so that each is a contiguous array.
    count, rank = len(geometry.window), len(shape)
    parts = np.transpose(parts, (*range(count, count + rank), *range(count)))
    return overlap_add(parts, shape=shape, axis=axis, stride=stride, dilation=dilation)


window_max.vjp(
    a=lambda g, a, out, a_shape, window_shape, axis, stride, dilation: _attained(
        g, a, out, a_shape, window_shape, axis, stride, dilation
    )
)


@op(
    "reduction",
    symbol="window sum",
    latex=r"\sum_k {a}_{{s i + d k}}",
    derivative={"a": "1"},
    linear="jointly",
    analytic=True,
    **_OVER_WINDOWS,
)
def window_sum(a: Any, window_shape: Any, axis: Any = None, stride: Any = 1, dilation: Any = 1) -> Any:
    """Sum of each window (see `windows`)."""
    return _reduced(a, _geometry(a.shape, window_shape, axis, stride, dilation), np.add)


def _repeated(g: Any, shape: Any, window_shape: Any, axis: Any, stride: Any, dilation: Any) -> Any:
    """The cotangent of each window's sum, for all of its elements, added up axis by axis as the sum was."""
    places = _geometry(shape, window_shape, axis, stride, dilation)
    for i, k, s, d in reversed(list(zip(places.axes, places.window, places.stride, places.dilation, strict=True))):
        full = np.broadcast_to(np.expand_dims(g, -1), (*g.shape, k))
        whole = (*g.shape[:i], shape[i], *g.shape[i + 1 :])
        g = overlap_add(full, shape=whole, axis=i, stride=s, dilation=d)
    return g


window_sum.vjp(
    a=lambda g, a_shape, window_shape, axis, stride, dilation: _repeated(
        g, a_shape, window_shape, axis, stride, dilation
    )
)


@op(
    "contraction",
    symbol="⊙",
    latex=r"\sum_k {a}_{{k}} {b}_{{k}}",
    derivative={"a": "{b}", "b": "{a}"},
    operands=("a", "b"),
    samples=[
        Sample(Array(2, 3, 4), Array(2, 4, 5)),
        Sample(Array(1, 3, 2, 2), Array(1, 2, 2, 4, 2), axes=2),
        Sample(Array(2, 1, 3), Array(2, 3)),
        Sample(Array(2, 3, 4), Array(2, 4, 0)),
    ],
    bad=[Bad(ShapeError, r"got shapes \(1, 2, 3\) and \(1, 2, 4\): the 1 axes", Array(1, 2, 3), Array(1, 2, 4))],
    linear="each",
    analytic=True,
)
def contract(a: Any, b: Any, axes: int = 1) -> Any:
    """Sum of products over shared axes, group by group: a (G, M, *K), b (G, *K, *L) gives (G, M, *L).

    Matrix products for BLAS, block by block along the first axis of L. The tape keeps the operands and not the
    matrices: where `b` is a view of windows, the copy of a block lives through its product only, stays in the cache,
    and is made again for the gradient of `a`.

    Args:
        a: (G, M, *K).
        b: (G, *K, *L).
        axes: the number of axes in K.

    Raises:
        ShapeError: G or K differ.
    """
    if a.shape[:1] != b.shape[:1] or a.shape[2:] != b.shape[1 : 1 + axes] or len(a.shape) != 2 + axes:
        raise ValueError(f"the {axes} axes after the second of a must be those after the first of b, G the same")
    left = _matrices(a, 2)
    parts = [np.matmul(left, _matrices(block, 1 + axes)) for block in _blocks(b, 1 + axes, b.shape, axes)]
    product = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)
    return np.reshape(product, (*a.shape[:2], *b.shape[1 + axes :]))


_BLOCK = 1 << 20  # elements; 4 MiB in float32


def _blocks(x: Any, axis: int, shape: tuple[int, ...], axes: int) -> Any:
    """`x` cut along `axis`, as b of this shape is cut along the first axis of L."""
    length = shape[1 + axes] if len(shape) > 1 + axes else 1
    count = min(-(-math.prod(shape) // _BLOCK), length)
    return np.split(x, [i * length // count for i in range(1, count)], axis=axis) if count > 1 else [x]


def _matrices(x: Any, split: int) -> Any:
    """A stack of matrices whose columns are the axes from `split` on."""
    shape = x.shape
    return np.reshape(x, (shape[0], math.prod(shape[1:split]), math.prod(shape[split:])))


def _contracted_left(g: Any, b: Any, a_shape: tuple[int, ...], b_shape: tuple[int, ...], axes: int) -> Any:
    blocks = zip(_blocks(b, 1 + axes, b_shape, axes), _blocks(g, 2, b_shape, axes), strict=True)
    # With b on the left BLAS takes three quarters of the time: it has many more rows than g.
    parts = [np.matmul(_matrices(x, 1 + axes), np.swapaxes(_matrices(h, 2), 1, 2)) for x, h in blocks]
    return np.reshape(np.swapaxes(functools.reduce(np.add, parts), 1, 2), a_shape)


def _contracted_right(g: Any, a: Any, b_shape: tuple[int, ...]) -> Any:
    left, right = np.swapaxes(_matrices(a, 2), 1, 2), _matrices(g, 2)
    # For a column and a row (depthwise kernels) the plain product takes a quarter of the time of BLAS.
    return np.reshape(left * right if a.shape[1] == 1 else np.matmul(left, right), b_shape)


contract.vjp(
    a=lambda g, b, a_shape, b_shape, axes: _contracted_left(g, b, a_shape, b_shape, axes),
    b=lambda g, a, b_shape: _contracted_right(g, a, b_shape),
)
