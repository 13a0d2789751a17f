"""`Parameter`: a Tensor that a module learns."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core import Tensor

__all__ = ["Parameter"]


class Parameter(Tensor):
    """A Tensor that a module learns: a leaf that requires a gradient.

    Args:
        data: an array, which keeps its dtype and is shared; numbers and lists become float32.
        requires_grad: False freezes it.
        dtype: convert to this dtype.
        name: name in drawings and messages; by default the attribute that it is assigned to.

    Raises:
        DTypeError: the dtype is not floating and `requires_grad` is set.
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True, *, dtype: Any = None, name: str | None = None) -> None:
        if dtype is None and not hasattr(data, "dtype"):
            dtype = np.float32
        super().__init__(data, requires_grad, dtype=dtype, name=name)
