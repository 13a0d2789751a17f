"""Functions of tensors that are neither operators nor NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import ArgumentError, DTypeError, where
from .tensor import Tensor, as_array

__all__ = ["one_hot", "stop_gradient", "tag"]


def stop_gradient(a: Any) -> Any:
    """The same values, through which no gradient flows."""
    return a.detach() if isinstance(a, Tensor) else a


def one_hot(indices: Any, num_classes: int, dtype: Any = np.float64) -> Tensor:
    """Rows of zeros with a one at each index, of shape indices.shape + (num_classes,).

    Raises:
        DTypeError: the indices are not integers.
        ArgumentError: an index is outside [0, num_classes).
    """
    array = as_array(indices)
    if array.dtype.kind not in "iu":
        raise DTypeError(
            f"one_hot: indices must be integers, got dtype {array.dtype}; convert with .astype(int). {where('one_hot')}"
        )
    if array.size and not 0 <= array.min() <= array.max() < num_classes:
        raise ArgumentError(
            f"one_hot: indices must be in [0, {num_classes}), got values from {array.min()} to {array.max()}; raise "
            f"num_classes or correct the labels. {where('one_hot')}"
        )
    return Tensor((array[..., None] == np.arange(num_classes)).astype(dtype))


def tag(t: Any, name: str) -> Any:
    """Names an intermediate value, so that drawings show it and `compare` can judge claims about it.

    Arrays pass through unchanged; a tensor gets a Node of its own that carries the name. Inside `compare` a tag is
    where the computation is cut and perturbed.
    """
    from .compare.tagging import tag as scoped

    return scoped(t, name)


def _tag_tensor(t: Tensor, name: str) -> Tensor:
    """An identity Node with the name; a tensor outside the graph only gets the name."""
    from .ops.shape import identity

    out: Tensor = identity(t)
    out.name = name
    return out
