"""Sample inputs that many operators share, for the generated tests."""

from __future__ import annotations

from ..errors import DTypeError, ShapeError
from ..operator import Array, Bad, Sample

__all__ = ["BAD_AXIS", "BAD_BROADCAST", "BAD_STRING", "axes", "binary", "unary"]


def unary(low: float = -2.0, high: float = 2.0) -> list[Sample]:
    """A vector, a matrix, a 0-d and an empty array with values in (low, high)."""
    return [Sample(Array(*shape, low=low, high=high)) for shape in ((5,), (2, 3), (), (0, 2))]


def binary(
    low: float = -2.0, high: float = 2.0, *, low2: float | None = None, high2: float | None = None
) -> list[Sample]:
    """Equal shapes, every kind of broadcasting, 0-d, empty and a Python number on either side."""
    low2, high2 = low if low2 is None else low2, high if high2 is None else high2
    shapes = [
        ((3, 4), (3, 4)),
        ((3, 4), (4,)),
        ((3, 1), (1, 4)),
        ((2, 1, 3), (4, 1)),
        ((), (3,)),
        ((), ()),
        ((0, 3), (3,)),
    ]
    out = [Sample(Array(*a, low=low, high=high), Array(*b, low=low2, high=high2)) for a, b in shapes]
    return [
        *out,
        Sample(Array(3, low=low, high=high), (low2 + 2 * high2) / 3),
        Sample((low + 2 * high) / 3, Array(3, low=low2, high=high2)),
    ]


def axes(low: float = -2.0, high: float = 2.0, empty: bool = False) -> list[Sample]:
    """No axis, one axis, a negative one, several, with and without keepdims."""

    def a(*shape: int) -> Array:
        return Array(*shape, low=low, high=high)

    return [
        Sample(a(3, 4)),
        Sample(a(3, 4), axis=0),
        Sample(a(3, 4), axis=-1, keepdims=True),
        Sample(a(2, 3, 4), axis=(0, 2)),
        Sample(a(2, 3, 4), axis=(1, -1), keepdims=True),
        Sample(a(5), axis=0),
        Sample(a()),
        *([Sample(a(0, 3), axis=0)] if empty else []),
    ]


BAD_BROADCAST = Bad(ShapeError, r"the operands must fit together, got shapes \(3,\) and \(4,\)", Array(3), Array(4))
BAD_AXIS = Bad(ShapeError, r"axis 2 is out of bounds", Array(3, 4), axis=2)
BAD_STRING = Bad(DTypeError, r"must be numeric", Array(3), "x")
