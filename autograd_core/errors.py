"""The exceptions of the package: one hierarchy, one form of message.

Every message states the invariant, what came, where, and the fix. The place is the line of the *user's* program: the
first frame outside this distribution and NumPy.
"""

from __future__ import annotations

import os
import sys
from typing import Any

__all__ = [
    "ArgumentError",
    "AutogradError",
    "AxisError",
    "DTypeError",
    "FreedGraphError",
    "GraphError",
    "LeafError",
    "NoRuleError",
    "NonFiniteError",
    "ShapeError",
    "TraceError",
    "VersionError",
    "user_line",
]


class AutogradError(Exception):
    """Base class of every error that this package raises on purpose."""


class ShapeError(AutogradError, ValueError):
    """Shapes, axes or indices that do not fit together."""


class AxisError(ShapeError, IndexError):
    """A ShapeError that is an IndexError too, as NumPy's, so that Python's own protocols (iteration) understand it."""


class NotIterableError(ShapeError, TypeError):
    """A ShapeError that is a TypeError too, which is how Python asks whether something can be iterated over."""


class DTypeError(AutogradError, TypeError):
    """A data type that cannot do what was asked, such as an integer leaf that requires a gradient."""


class ArgumentError(AutogradError, ValueError):
    """An argument outside its domain."""


class GraphError(AutogradError, RuntimeError):
    """A backward pass that cannot be run on this graph."""


class FreedGraphError(GraphError):
    """A second backward pass through a graph whose kept arrays have been freed."""


class VersionError(GraphError):
    """An array that a gradient rule needs was changed before the backward pass."""


class LeafError(GraphError):
    """An operation that a leaf which requires a gradient does not allow."""


class NoRuleError(AutogradError, TypeError):
    """A function without a gradient rule met a Tensor; it would have dropped the gradient."""


class NonFiniteError(AutogradError, ArithmeticError):
    """A NaN or an infinity in anomaly mode."""


class TraceError(AutogradError, TypeError):
    """Something inside of a compiled function that a program of NumPy calls cannot do."""


_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_ROOT = os.path.dirname(os.path.dirname(_HERE))
# The engine's frames and those of the packages built on it are not the user's program; neither are NumPy and SciPy.
_INNER = tuple(os.path.join(_ROOT, name) + os.sep for name in ("autograd_core", "nn", "optim"))


def _is_inner(filename: str) -> bool:
    return filename.startswith(_INNER) or f"{os.sep}numpy{os.sep}" in filename or f"{os.sep}scipy{os.sep}" in filename


def user_line(frame: Any = None) -> str:
    """`file.py:31` of the innermost frame that belongs to the user's program."""
    frame = frame or sys._getframe(1)
    while frame is not None and _is_inner(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None:
        return "an unknown line"
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"


def where(operator: str) -> str:
    """The closing words of a message: the operator and the user's line."""
    return f"in: {operator}, called at {user_line(sys._getframe(1))}"
