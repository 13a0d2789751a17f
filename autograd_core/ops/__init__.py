"""The operators, one block each. Importing this package fills the registry."""

from . import arithmetic, contractions, exponential, indexing, piecewise, reductions, shape

__all__ = ["arithmetic", "contractions", "exponential", "indexing", "piecewise", "reductions", "shape"]
