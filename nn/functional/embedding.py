"""Look-up of rows by index."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from autograd_core import Tensor, stop_gradient
from autograd_core.errors import ArgumentError, DTypeError, ShapeError

from .._checks import is_integer, place, require
from ._reduction import looked_at

__all__ = ["check_plain", "embedding"]


def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """weight[input], a row of the weight for each index; the product of a one-hot vector and the weight.

    Args:
        input: integers in [0, num_embeddings), of any shape (*).
        weight: (num_embeddings, embedding_dim).
        padding_idx: the row of this index gets no gradient; a negative one counts from the end.
        max_norm: None only, as the two that follow at their defaults only; see `check_plain`.
        norm_type: of max_norm.
        scale_grad_by_freq: False only.
        sparse: False only.

    Returns:
        (*, embedding_dim).

    Raises:
        DTypeError: the indices are not integers.
        ShapeError: the weight does not have two axes.
        ArgumentError: an index is outside [0, num_embeddings), padding_idx outside of the weight, or an option is not
            offered.
    """
    check_plain("embedding", max_norm, scale_grad_by_freq, sparse)
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


def check_plain(owner: str, max_norm: Any, scale_grad_by_freq: Any, sparse: Any) -> None:
    """Raises ArgumentError for PyTorch's options that are not offered, with what does the same."""
    if max_norm is not None:
        raise ArgumentError(
            f"{owner}: max_norm must be None, got {max_norm!r}; a look-up does not write into the weight, so limit the "
            f"rows after a step, weight.data *= np.minimum(1, max_norm / norms). {place(owner)}"
        )
    for name, value in (("scale_grad_by_freq", scale_grad_by_freq), ("sparse", sparse)):
        if value:
            raise ArgumentError(
                f"{owner}: {name} must be False, got {value!r}; the gradient is an array, the sum over all uses of a "
                f"row. {place(owner)}"
            )


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
