"""A learned vector for each index."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core import random
from autograd_core.errors import ShapeError

from . import functional as F
from ._checks import is_integer, place, require, size
from .functional.embedding import check_plain
from .module import Module, Parameter

__all__ = ["Embedding"]


class Embedding(Module):
    """Row `i` of the weight for each index i; see `functional.embedding`.

    Weight (num_embeddings, embedding_dim), starting standard normal.

    Args:
        num_embeddings: number of indices.
        embedding_dim: length of a vector.
        padding_idx: the index of padding: its vector starts at 0 and gets no gradient. A negative one counts from the
            end.
        max_norm: None only: PyTorch's other options are not offered, and refused.
        norm_type: of max_norm.
        scale_grad_by_freq: False only.
        sparse: False only.
        dtype: of the weight, float32 by default.

    Raises:
        ArgumentError: a size is not a positive integer, padding_idx is no index, or an option is not offered.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        *,
        dtype: Any = None,
        _weight: Parameter | None = None,
    ) -> None:
        example = "Embedding(10000, 64, padding_idx=0)"
        check_plain("Embedding", max_norm, scale_grad_by_freq, sparse)
        self.num_embeddings = rows = size("Embedding", "num_embeddings", num_embeddings, example)
        self.embedding_dim = size("Embedding", "embedding_dim", embedding_dim, example)
        holds = padding_idx is None or (is_integer(padding_idx) and -rows <= padding_idx < rows)
        domain = f"an integer in [-{rows}, {rows}) or None"
        require(holds, "Embedding", "padding_idx", domain, padding_idx, example)
        self.padding_idx = None if padding_idx is None else int(padding_idx) % rows
        if _weight is None:
            dtype = np.dtype(np.float32 if dtype is None else dtype)
            start = random.normal(0.0, 1.0, (rows, self.embedding_dim), dtype)
            if self.padding_idx is not None:
                start[self.padding_idx] = 0
            _weight = Parameter(start)
        self.weight = _weight

    @classmethod
    def from_pretrained(cls, embeddings: Any, freeze: bool = True, padding_idx: int | None = None) -> Embedding:
        """A layer with given vectors, which it shares.

        Args:
            embeddings: (num_embeddings, embedding_dim); floating, the dtype is kept.
            freeze: they are not learned.
            padding_idx: as in the constructor, but the vector stays as given.

        Raises:
            ShapeError: the vectors do not form a matrix.
        """
        weight = Parameter(embeddings, not freeze)
        if len(weight.shape) != 2:
            raise ShapeError(
                f"Embedding.from_pretrained: the vectors must be (num_embeddings, embedding_dim), got shape "
                f"{weight.shape}; stack them as rows. {place('from_pretrained')}"
            )
        return cls(*weight.shape, padding_idx, _weight=weight)

    def forward(self, x: Any) -> Any:
        """Integers of any shape (*), output (*, embedding_dim)."""
        return F.embedding(x, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        """The sizes, and the index of padding if there is one."""
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        return text if self.padding_idx is None else f"{text}, padding_idx={self.padding_idx}"
