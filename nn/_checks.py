"""What the constructors and functions of this package check in the same words."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core.checks import is_integer, is_number, require
from autograd_core.context import current
from autograd_core.errors import where
from autograd_core.tensor import Tensor, as_array

__all__ = ["array", "floating", "is_integer", "is_number", "number", "place", "require", "size"]


def array(x: Any, by: str) -> Any:
    """An array or Tensor as it is, NumPy's array of a list or a number."""
    return x if hasattr(x, "dtype") else as_array(x, by)


def floating(x: Any, by: str) -> Any:
    """As `array`, with integers and booleans in the floating dtype that NumPy's promotion with float32 gives.

    That is float32 for 8 and 16 bits, float64 for 32 and 64. NumPy itself negates and squares small integers within
    their dtype, where they wrap around, and takes their exponentials in float16.
    """
    try:
        kind = (x._buffer if type(x) is Tensor else x).dtype.kind  # x.dtype, without the property's time
    except AttributeError:
        x = as_array(x, by)
        kind = x.dtype.kind
    return x.astype(np.result_type(x.dtype, np.float32)) if kind in "iub" else x


def number(value: Any) -> Any:
    """An option as a Python number if it is one of NumPy's, which would widen float32; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def place(function: str) -> str:
    """The closing words of a message: the function, the module that it ran in, the user's line."""
    scope = current().scope
    return where(f"{function} (module {scope})" if scope else function)


def size(owner: str, name: str, value: Any, example: str, low: int = 1) -> int:
    """The value as an int, or ArgumentError unless it is an integer of at least `low`."""
    domain = "a positive integer" if low == 1 else f"an integer >= {low}"
    require(is_integer(value, low), owner, name, domain, value, example)
    return int(value)
