"""Positive and negative parts, which several operators are made of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["negative_part", "positive_part"]

_LARGE = 1024  # elements from which `clip`, three times as fast as `maximum` with a number, pays for its longer way in


def _large(a: Any) -> bool:
    return type(a) is np.ndarray and a.size >= _LARGE and a.dtype.kind == "f"


def positive_part(a: Any) -> Any:
    """max(a, 0)."""
    return a.clip(0, math.inf) if _large(a) else np.maximum(a, 0)


def negative_part(a: Any) -> Any:
    """min(a, 0)."""
    return a.clip(-math.inf, 0) if _large(a) else np.minimum(a, 0)
