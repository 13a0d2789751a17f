"""What the constructors and functions of this package check in the same words."""

from __future__ import annotations

from typing import Any

from autograd_core.checks import is_integer, is_number, require
from autograd_core.context import current
from autograd_core.errors import where

__all__ = ["is_integer", "is_number", "place", "require", "size"]


def place(function: str) -> str:
    """The closing words of a message: the function, the module that it ran in, the user's line."""
    scope = current().scope
    return where(f"{function} (module {scope})" if scope else function)


def size(owner: str, name: str, value: Any, example: str, low: int = 1) -> int:
    """The value as an int, or ArgumentError unless it is an integer of at least `low`."""
    domain = "a positive integer" if low == 1 else f"an integer >= {low}"
    require(is_integer(value, low), owner, name, domain, value, example)
    return int(value)
