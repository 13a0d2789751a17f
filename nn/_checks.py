"""What the constructors and functions of this package check in the same words."""

from __future__ import annotations

from typing import Any

from autograd_core.checks import is_integer, is_number, require
from autograd_core.context import current
from autograd_core.errors import where

__all__ = ["is_integer", "is_number", "pair", "place", "require", "size"]


def place(function: str) -> str:
    """The closing words of a message: the function, the module that it ran in, the user's line."""
    scope = current().scope
    return where(f"{function} (module {scope})" if scope else function)


def size(owner: str, name: str, value: Any, example: str, low: int = 1) -> int:
    """The value as an int, or ArgumentError unless it is an integer of at least `low`."""
    domain = "a positive integer" if low == 1 else f"an integer >= {low}"
    require(is_integer(value, low), owner, name, domain, value, example)
    return int(value)


def pair(owner: str, name: str, value: Any, example: str, low: int = 1) -> tuple[int, int]:
    """Two integers of at least `low`, from one for both or a pair."""
    both = tuple(value) if isinstance(value, tuple | list) else (value, value)
    holds = len(both) == 2 and all(is_integer(v, low) for v in both)
    require(holds, owner, name, f"an integer >= {low} or a pair of such", value, example)
    return int(both[0]), int(both[1])
