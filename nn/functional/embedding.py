"""Look-up of rows by index."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from autograd_core import Tensor, stop_gradient
from autograd_core.errors import ArgumentError, DTypeError, ShapeError

from .._checks import is_integer, place, require
from ._reduction import looked_at

__all__ = ["embedding"]


def embedding(input: Any, weight: Any, padding_idx: int | None = None) -> Any:
    """weight[input], a row of the weight for each index; the product of a one-hot vector and the weight.

    Args:
        input: integers in [0, num_embeddings), of any shape (*).
        weight: (num_embeddings, embedding_dim).
        padding_idx: the row of this index gets no gradient; a negative one counts from the end.

    Returns:
        (*, embedding_dim).

    Raises:
        DTypeError: the indices are not integers.
        ShapeError: the weight does not have two axes.
        ArgumentError: an index is outside [0, num_embeddings), or padding_idx outside of the weight.
    """
    indices = input.data if isinstance(input, Tensor) else input
    if len(weight.shape) != 2:
        raise ShapeError(
            f"embedding: the weight must be (num_embeddings, embedding_dim), got shape {weight.shape}; give one row "
            f"for each index. {place('embedding')}"
        )
    rows = weight.shape[0]
    looked_at(partial(_check_indices, rows), indices)
    out = weight[indices]
    if padding_idx is None:
        return out
    holds = is_integer(padding_idx) and -rows <= padding_idx < rows
    domain = f"an integer in [-{rows}, {rows}) or None"
    require(holds, "embedding", "padding_idx", domain, padding_idx, "padding_idx=0")
    padding = np.expand_dims(indices == padding_idx % rows, -1)
    return np.where(padding, stop_gradient(out), out)


def _check_indices(rows: int, indices: Any) -> None:
    """Raises what `embedding` says about its indices."""
    if not hasattr(indices, "dtype") or indices.dtype.kind not in "iu":
        what = f"dtype {indices.dtype}" if hasattr(indices, "dtype") else type(indices).__name__
        raise DTypeError(
            f"embedding: the indices must be an array of integers, got {what}; convert with "
            f"np.asarray(indices, np.int64). {place('embedding')}"
        )
    # On arrays of other kinds (traced, distributed) a look at the values is not to be had here.
    known = isinstance(indices, np.ndarray | np.generic)
    if not known or not indices.size:
        return
    if indices.min() < 0 or indices.max() >= rows:  # NumPy would count a negative one from the end
        wrong = np.argwhere((indices < 0) | (indices >= rows))
        first = tuple(wrong[0].tolist())
        position = first[0] if len(first) == 1 else first
        raise ArgumentError(
            f"embedding: indices must be in [0, {rows}), got {indices[first]} at position {position} ({len(wrong)} of "
            f"{indices.size} are outside); give the embedding more rows, or map unknown words to an index of their "
            f"own. {place('embedding')}"
        )
