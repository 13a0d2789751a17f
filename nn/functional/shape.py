"""Functions that change the shape only."""

from __future__ import annotations

import math
from typing import Any

from autograd_core.errors import ShapeError

from .._checks import array, is_integer, place, require

__all__ = ["flatten"]


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Joins the axes from start_dim to end_dim, both included, into one.

    Args:
        input: (*before, a, ..., z, *after); of no axes becomes (1,).
        start_dim: first axis to join; 1 keeps the batch, as `nn.Flatten` does by default.
        end_dim: last axis to join.

    Returns:
        (*before, a ... z, *after).

    Raises:
        ArgumentError: an axis is not an integer.
        ShapeError: they are not axes of the input, in this order.
    """
    for name, axis in (("start_dim", start_dim), ("end_dim", end_dim)):
        require(is_integer(axis), "flatten", name, "an integer", axis, "flatten(x, start_dim=1)")
    input = array(input, "flatten")
    shape = tuple(input.shape) or (1,)
    return input.reshape(flattened("flatten", shape, start_dim, end_dim))


def flattened(by: str, shape: tuple[int, ...], start_dim: int, end_dim: int) -> tuple[int, ...]:
    """The shape with these axes joined."""
    rank = len(shape)
    first, last = (axis + rank if axis < 0 else axis for axis in (start_dim, end_dim))
    if not 0 <= first <= last < rank:
        raise ShapeError(
            f"{by}: start_dim {start_dim} and end_dim {end_dim} must be axes of the input in this order, got shape "
            f"{shape}; add a batch axis, or change them. {place(by)}"
        )
    return (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])
