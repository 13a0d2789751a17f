"""Operators that move elements without changing them, copies, casts and cuts."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, DTypeError, ShapeError, where
from ..operator import Array, Bad, Sample, op, registry
from .reductions import normalized


@op(
    "elementwise",
    symbol="=",
    latex="{a}",
    derivative={"a": "1"},
    samples=[Sample(Array(3)), Sample(Array())],
    linear="jointly",
    analytic=True,
)
def identity(a: Any) -> Any:
    """The same values, as a Node of its own: a copy for in-place writes and a place to hang a name on."""
    boolean = getattr(a, "dtype", None) == np.bool_
    return np.logical_and(a, a) if boolean else np.positive(a)


identity.vjp(a=lambda g: g)


def owned(a: Any) -> Any:
    """The same values in memory of their own, for functions that NumPy has as copies."""
    return identity(a) if getattr(a, "_view", None) is not None else a


@op(
    "view",
    numpy=np.reshape,
    operands=("a",),
    symbol="reshape",
    latex=r"\operatorname{reshape}({a})",
    derivative={"a": "1"},
    samples=[
        Sample(Array(3, 4), (2, 6)),
        Sample(Array(3, 4), -1),
        Sample(Array(), (1, 1)),
        Sample(Array(0, 3), (3, 0)),
    ],
    bad=[
        Bad(ShapeError, r"reshape: .*\(3, 4\).*cannot reshape array of size 12 into shape \(5,2\)", Array(3, 4), (5, 2))
    ],
    linear="jointly",
    analytic=True,
)
def reshape(a: Any, shape: Any) -> Any:
    """The same elements in another shape."""
    return np.reshape(a, shape)


reshape.vjp(a=lambda g, a_shape: np.reshape(g, a_shape))


@op(
    "view",
    numpy=np.transpose,
    symbol="ᵀ",
    latex=r"{a}^\top",
    derivative={"a": "1"},
    samples=[
        Sample(Array(3, 4)),
        Sample(Array(2, 3, 4), (2, 0, 1)),
        Sample(Array(2, 3, 4), axes=(-1, 0, 1)),
        Sample(Array(5)),
    ],
    bad=[Bad(ShapeError, "axes don't match", Array(3, 4), (0, 1, 2))],
    linear="jointly",
    analytic=True,
)
def transpose(a: Any, axes: Any = None) -> Any:
    """Axes permuted, reversed by default."""
    return np.transpose(a, axes)


transpose.vjp(
    a=lambda g, a_shape, axes: np.transpose(
        g, None if axes is None else tuple(int(i) for i in np.argsort(normalized(a_shape, tuple(axes))))
    )
)


@op(
    "view",
    numpy=np.swapaxes,
    operands=("a",),
    symbol="swapaxes",
    latex=r"{a}^\top",
    derivative={"a": "1"},
    samples=[Sample(Array(2, 3, 4), 0, -1)],
    bad=[Bad(ShapeError, "axis2: axis 3 is out of bounds", Array(2, 3), 0, 3)],
    linear="jointly",
    analytic=True,
)
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    return np.swapaxes(a, axis1, axis2)


swapaxes.vjp(a=lambda g, axis1, axis2: np.swapaxes(g, axis1, axis2))


@op(
    "view",
    numpy=np.moveaxis,
    symbol="moveaxis",
    latex=r"\operatorname{moveaxis}({a})",
    derivative={"a": "1"},
    operands=("a",),
    samples=[Sample(Array(2, 3, 4), 0, -1), Sample(Array(2, 3, 4), (0, 1), (2, 0))],
    linear="jointly",
    analytic=True,
)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Axes moved to other positions."""
    return np.moveaxis(a, source, destination)


moveaxis.vjp(a=lambda g, source, destination: np.moveaxis(g, destination, source))


@op(
    "view",
    numpy=np.squeeze,
    symbol="squeeze",
    latex="{a}",
    derivative={"a": "1"},
    samples=[Sample(Array(1, 3, 1)), Sample(Array(1, 3, 1), axis=0), Sample(Array(1, 1))],
    bad=[Bad(ShapeError, "cannot select an axis to squeeze out", Array(3, 1), axis=0)],
    linear="jointly",
    analytic=True,
)
def squeeze(a: Any, axis: Any = None) -> Any:
    """Axes of length one removed."""
    out = np.squeeze(a, axis=axis)
    return np.reshape(out, out.shape)  # a view of its own also where nothing is squeezed and NumPy returns `a`


squeeze.vjp(a=lambda g, a_shape: np.reshape(g, a_shape))


@op(
    "view",
    numpy=np.expand_dims,
    symbol="expand_dims",
    latex="{a}",
    derivative={"a": "1"},
    operands=("a",),
    samples=[Sample(Array(3), 0), Sample(Array(3, 4), axis=(0, -1))],
    bad=[Bad(ShapeError, "axis 3 is out of bounds", Array(3), 3)],
    linear="jointly",
    analytic=True,
)
def expand_dims(a: Any, axis: Any) -> Any:
    """Axes of length one inserted."""
    return np.expand_dims(a, axis)


expand_dims.vjp(a=lambda g, a_shape: np.reshape(g, a_shape))


@op(
    "elementwise",
    numpy=np.broadcast_to,
    symbol="broadcast",
    latex="{a}",
    derivative={"a": "1"},
    operands=("a",),
    samples=[Sample(Array(3), (2, 3)), Sample(Array(3, 1), (3, 4)), Sample(Array(), (2,))],
    bad=[Bad(ShapeError, "could not be broadcast", Array(3), (2, 4))],
    linear="jointly",
    analytic=True,
    aliases=True,
)
def broadcast_to(a: Any, shape: Any) -> Any:
    """Repeated along new axes and axes of length one; its gradient is summed by the engine."""
    return np.broadcast_to(a, shape)


broadcast_to.vjp(a=lambda g: g)


@op(
    "view",
    numpy=np.flip,
    symbol="flip",
    latex=r"\operatorname{flip}({a})",
    derivative={"a": "1"},
    samples=[Sample(Array(3, 4)), Sample(Array(3, 4), axis=1)],
    linear="jointly",
    analytic=True,
)
def flip(a: Any, axis: Any = None) -> Any:
    """Order of the elements reversed along axes."""
    return np.flip(a, axis=axis)


flip.vjp(a=lambda g, axis: np.flip(g, axis=axis))


def _joining(name: str, function: Any, doc: str, bad: Bad) -> Any:
    def compute(arrays: Any, axis: Any = 0) -> Any:
        return function(arrays, axis=axis)

    compute.__name__ = name
    compute.__module__ = __name__
    compute.__doc__ = doc
    shapes = [((2, 3), (1, 3)), ((2,), (0,), (3,))] if name == "concatenate" else [((2, 3), (2, 3)), ((), (), ())]
    samples = [Sample([Array(*s) for s in group]) for group in shapes] + [Sample([Array(3, 2), Array(3, 2)], axis=-1)]
    return op(
        "gather",
        numpy=function,
        name=name,
        symbol=name,
        latex=rf"\operatorname{{{name}}}({{arrays}})",
        derivative={"arrays": "1"},
        variadic="arrays",
        samples=samples,
        bad=[bad],
        linear="jointly",
        analytic=True,
    )(compute)


concatenate = _joining(
    "concatenate",
    np.concatenate,
    "Arrays joined along an axis (flattened with axis=None).",
    Bad(ShapeError, "concatenate: the operands must fit together", [Array(2, 3), Array(2, 4)]),
)
stack = _joining(
    "stack",
    np.stack,
    "Arrays of one shape joined along a new axis.",
    Bad(ShapeError, "stack: the operands must fit together", [Array(2, 3), Array(2, 4)]),
)


def _concatenate_rule(g: Any, shapes: Any, axis: Any) -> list[Any]:
    sizes = [int(np.prod(s)) if axis is None else s[axis] for s in shapes]
    ends = np.cumsum(sizes)
    place = 0 if axis is None else axis % len(shapes[0])
    parts = [
        g[(slice(None),) * place + (slice(int(end) - size, int(end)),)] for size, end in zip(sizes, ends, strict=True)
    ]
    return [np.reshape(part, s) for part, s in zip(parts, shapes, strict=True)] if axis is None else parts


def _stack_rule(g: Any, shapes: Any, axis: int) -> list[Any]:
    place = axis % (len(shapes[0]) + 1)
    return [g[(slice(None),) * place + (i,)] for i in range(len(shapes))]


concatenate.vjp(lambda g, arrays_shapes, axis: _concatenate_rule(g, arrays_shapes, axis))
stack.vjp(lambda g, arrays_shapes, axis: _stack_rule(g, arrays_shapes, axis))


@op("view", symbol="pick", latex="{a}", derivative={"a": "1"}, operands=("a",), linear="jointly", analytic=True)
def pick(a: Any, index: int = 0) -> Any:
    """One output of an operator that has several."""
    return a[index]


pick.vjp(a=lambda g: g)


@op(
    "elementwise",
    symbol="cast",
    latex="{a}",
    derivative={"a": "1"},
    operands=("a",),
    samples=[Sample(Array(3), np.float64)],
    linear="jointly",
)
def astype(a: Any, dtype: Any) -> Any:
    """Another floating dtype; the engine casts the gradient back."""
    return a.astype(dtype)


astype.vjp(a=lambda g: g)


@registry.function(np.astype)
def as_type(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """The array in another dtype; integers and booleans are cut from the graph."""
    return x.astype(dtype, copy=copy)


@registry.function(np.reshape)
def reshaped(a: Any, shape: Any, order: str = "C", *, copy: bool | None = None) -> Any:
    """`reshape` with NumPy's further arguments: the first index runs fastest with order "F".

    Raises:
        ArgumentError: an order that depends on how the memory lies.
    """
    _check_order("reshape", order)
    if order == "C":
        out = reshape(a, shape)
    else:
        turned = tuple(reversed(shape)) if isinstance(shape, tuple | list) else shape
        out = np.transpose(reshape(np.transpose(a), turned))
    return identity(out) if copy else out


@registry.function(np.ravel)
def ravel(a: Any, order: str = "C") -> Any:
    """All elements in one axis."""
    return reshaped(a, -1, order)


@registry.function(np.concatenate)
def concatenated(arrays: Any, axis: Any = 0, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """`concatenate` with NumPy's further arguments."""
    return _cast(concatenate(arrays, axis=axis), dtype, casting)


@registry.function(np.stack)
def stacked(arrays: Any, axis: int = 0, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """`stack` with NumPy's further arguments."""
    return _cast(stack(arrays, axis=axis), dtype, casting)


@registry.function(np.vstack)
def vstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Rows on top of each other."""
    return concatenated([t if np.ndim(t) > 1 else np.reshape(t, (1, -1)) for t in tup], dtype=dtype, casting=casting)


@registry.function(np.hstack)
def hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Columns beside each other."""
    rows = [t if np.ndim(t) else np.reshape(t, (1,)) for t in tup]
    return concatenated(rows, 0 if np.ndim(rows[0]) == 1 else 1, dtype=dtype, casting=casting)


def _cast(a: Any, dtype: Any, casting: str) -> Any:
    if dtype is None or a.dtype == dtype:
        return a
    if not np.can_cast(a.dtype, dtype, casting):  # type: ignore[arg-type]
        raise DTypeError(
            f"concatenate: the dtype must be one that casting={casting!r} allows, got {a.dtype} to {np.dtype(dtype)}; "
            f"use .astype on the result. {where('concatenate')}"
        )
    return a.astype(dtype)


def _check_order(name: str, order: str) -> None:
    if order not in ("C", "F"):
        raise ArgumentError(
            f"{name}: order must be 'C' or 'F', got {order!r}, which depends on how the memory lies; name the one that "
            f"you mean. {where(name)}"
        )
