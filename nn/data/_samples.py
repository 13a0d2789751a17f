"""Arrays that hold the same samples along their first axis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from autograd_core.errors import ArgumentError, ShapeError, where

__all__ = ["samples"]


def samples(by: str, arrays: Any) -> tuple[tuple[Any, ...], bool]:
    """The arrays of a sequence, or the only one, and whether it is that; all of one length, or an error."""
    single = not isinstance(arrays, Sequence)
    if single and not hasattr(arrays, "shape"):
        fix = f"e.g. {by}((x, y), ...)"
        if isinstance(arrays, Iterable):
            fix = f"pass tuple({'data.values()' if isinstance(arrays, Mapping) else 'data'})"
        raise ArgumentError(
            f"{by}: the data must be an array or a sequence of arrays, got {type(arrays).__name__}; {fix}. {where(by)}"
        )
    parts = (arrays,) if single else tuple(a if hasattr(a, "shape") else np.asarray(a) for a in arrays)
    if not parts:
        raise ArgumentError(
            f"{by}: there must be at least one array, got an empty sequence; e.g. {by}((x, y), ...). {where(by)}"
        )
    if any(not a.shape or len(a) != len(parts[0]) for a in parts):
        raise ShapeError(
            f"{by}: all arrays must have the same length along the first axis, got shapes "
            f"{', '.join(str(a.shape) for a in parts)}; they must hold the same samples. {where(by)}"
        )
    return parts, single
