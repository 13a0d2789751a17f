"""What constructors and functions of `nn` and `optim` check about their arguments, in the same words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .errors import ArgumentError, where

__all__ = ["is_count", "is_finite", "is_integer", "is_number", "require"]


def is_integer(value: Any, low: int | None = None) -> bool:
    """An integer (not a bool), of at least `low`."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and (low is None or int(value) >= low)


def is_count(value: Any, low: int = 1) -> bool:
    """An integer (not a bool) of at least `low`, 1 by default."""
    return is_integer(value, low)


def is_number(value: Any, low: float = -math.inf, high: float = math.inf) -> bool:
    """A real number (not a bool, not NaN) in [low, high]."""
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return real and bool(low <= value <= high)


def is_finite(value: Any, low: float = -math.inf, high: float = math.inf) -> bool:
    """A finite real number (not a bool) in [low, high]."""
    return is_number(value, low, high) and math.isfinite(value)


def require(holds: bool, owner: str, name: str, domain: str, value: Any, example: str = "") -> None:
    """Raises ArgumentError unless `holds`; the message reads `owner: name must be domain, got value`."""
    if not holds:
        hint = f"; e.g. {example}" if example else ""
        raise ArgumentError(f"{owner}: {name} must be {domain}, got {value!r}{hint}. {where(owner)}")
