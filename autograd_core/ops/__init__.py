"""The operators, one block each. Importing this package fills the registry."""

from . import (
    activations,
    arithmetic,
    binary_losses,
    contractions,
    exponential,
    indexing,
    padding,
    piecewise,
    reductions,
    shape,
    windows,
)

__all__ = [
    "activations",
    "arithmetic",
    "binary_losses",
    "contractions",
    "exponential",
    "indexing",
    "padding",
    "piecewise",
    "reductions",
    "shape",
    "windows",
]
