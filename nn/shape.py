"""Layers that change the shape only."""

from __future__ import annotations

import math
from typing import Any

from autograd_core.errors import ShapeError

from ._checks import array, is_integer, place, require
from .functional.shape import flattened
from .module import Module

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """Joins the axes from start_dim to end_dim, both included, into one.

    Args:
        start_dim: first axis to join; 1 keeps the batch.
        end_dim: last axis to join.

    Raises:
        ArgumentError: an axis is not an integer.
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        for name, axis in (("start_dim", start_dim), ("end_dim", end_dim)):
            require(is_integer(axis), "Flatten", name, "an integer", axis, "Flatten(start_dim=1, end_dim=-1)")
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Any) -> Any:
        """(*before, a, ..., z, *after) to (*before, a ... z, *after)."""
        x = array(x, "Flatten")
        return x.reshape(flattened("Flatten", x.shape, self.start_dim, self.end_dim))

    def extra_repr(self) -> str:
        """The axes."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Splits the axis `dim` into axes of the given sizes.

    Args:
        dim: the axis to split.
        unflattened_size: sizes of the new axes; one of them may be -1, for what is left.

    Raises:
        ArgumentError: `dim` is not an integer, or the sizes are not a tuple of positive integers and at most one -1.
    """

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]) -> None:
        example = "Unflatten(1, (3, 8, 8))"
        require(is_integer(dim), "Unflatten", "dim", "an integer", dim, example)
        sizes = tuple(unflattened_size) if isinstance(unflattened_size, tuple | list) else ()
        holds = bool(sizes) and all(is_integer(n, 1) or (is_integer(n) and n == -1) for n in sizes)
        domain = "a tuple of positive integers, one of which may be -1"
        require(holds and sizes.count(-1) <= 1, "Unflatten", "unflattened_size", domain, unflattened_size, example)
        self.dim = dim
        self.unflattened_size = sizes

    def forward(self, x: Any) -> Any:
        """(*before, a ... z, *after) to (*before, a, ..., z, *after)."""
        x = array(x, "Unflatten")
        shape, sizes = x.shape, self.unflattened_size
        rank = len(shape)
        axis = self.dim + rank if self.dim < 0 else self.dim
        if not 0 <= axis < rank:
            raise ShapeError(
                f"Unflatten: dim must be an axis of the input, got {self.dim} for shape {shape}; change it. "
                f"{place('Unflatten')}"
            )
        known = math.prod(n for n in sizes if n != -1)
        if shape[axis] % known if -1 in sizes else shape[axis] != known:
            raise ShapeError(
                f"Unflatten: the sizes {sizes} must multiply to axis {self.dim} of the input, got {shape[axis]} in "
                f"shape {shape}; change unflattened_size. {place('Unflatten')}"
            )
        new = (shape[axis] // known if n == -1 else n for n in sizes)
        return x.reshape((*shape[:axis], *new, *shape[axis + 1 :]))

    def extra_repr(self) -> str:
        """The axis, and the sizes."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
