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
    "DTypeError",
    "FreedGraphError",
    "GraphError",
    "LeafError",
    "NoRuleError",
    "NonFiniteError",
    "ShapeError",
    "VersionError",
    "user_line",
]


class AutogradError(Exception):
    """Base class of every error that this package raises on purpose."""


class ShapeError(AutogradError, ValueError):
    """Shapes, axes or indices that do not fit together."""


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


# Python functions of scipy.special that `autograd_core.special` has too.
_OURS = ("log_softmax", "logsumexp", "multigammaln", "polygamma", "softmax", "spherical_jn", "zeta")


def scipy_refusal(shape: tuple[int, ...]) -> NoRuleError | None:
    """The error for a Tensor that a function of SciPy asks for its values; None if it is not SciPy that asks."""
    frame: Any = sys._getframe(1)
    names: list[str] = []
    while frame is not None and (not names or _is_inner(frame.f_code.co_filename)):
        if f"{os.sep}scipy{os.sep}" in frame.f_code.co_filename:
            names.append(_name_of(frame))
        frame = frame.f_back
    if not names:
        return None
    ours = [name for name in names if name in _OURS]
    name = ours[-1] if ours else names[-1]
    instead = (
        f"autograd_core.special.{name}" if ours else "a ufunc that has a rule, or declare it with @autograd_core.op"
    )
    return NoRuleError(
        f"{name}: a function of SciPy must be a ufunc to take Tensors, and {name} would turn one of shape {shape} into "
        f"an array and lose its gradient; use {instead}, or pass t.detach().numpy(). {where(name)}"
    )


def _name_of(frame: Any) -> str:
    """A frame's function; in the frame of a decorator the one that it decorates."""
    name: str = frame.f_code.co_name
    if name.startswith("wrap"):
        name = next((x.__name__ for x in frame.f_locals.values() if hasattr(x, "__code__")), name)
    return name
