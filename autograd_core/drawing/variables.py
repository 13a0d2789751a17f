"""The names that the caller's program has for its tensors."""

from __future__ import annotations

import inspect
import sys
from types import FrameType
from typing import Any

from autograd_core.errors import _is_inner
from autograd_core.tensor import Tensor


def caller_variables() -> dict[int, str]:
    """By `id` of a Tensor the one variable of the user's innermost frame that holds it.

    Local variables come before global ones, which they hide. A tensor in several variables has no name, since none is
    better than another; names with a leading
    underscore, such as a notebook's `_`, do not count. Neither frame nor
    tensor is kept: the result holds numbers and strings, good for as long as the caller's variables stay as they are.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_inner(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None:
        return {}
    local = _locals(frame)
    hidden = {name: value for name, value in frame.f_globals.items() if name not in local}
    return _only(hidden) | _only(local)


def _only(variables: dict[str, Any]) -> dict[int, str]:
    names: dict[int, str | None] = {}
    for name, value in variables.items():
        if isinstance(value, Tensor) and name.isidentifier() and not name.startswith("_"):
            names[id(value)] = name if id(value) not in names else None
    return {key: name for key, name in names.items() if name is not None}


def _locals(frame: FrameType) -> dict[str, Any]:
    """A copy of the frame's local variables, without a trace in the frame."""
    held: Any = frame.f_locals
    copy = dict(held)
    # Before Python 3.13 a function's frame keeps the dict that it was asked for, and with it every local variable,
    # even after the program deletes it. It is emptied unless somebody else holds it, who called `locals()`: the frame,
    # `held` and the call below are three references.
    cached = sys.version_info < (3, 13) and bool(frame.f_code.co_flags & inspect.CO_OPTIMIZED)
    if cached and sys.getrefcount(held) <= 3:
        held.clear()
    return copy
