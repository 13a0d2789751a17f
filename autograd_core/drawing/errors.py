"""What can go wrong with a picture."""

from __future__ import annotations

from autograd_core.errors import AutogradError


class LevelError(AutogradError, NotImplementedError):
    """A level of detail that `draw` does not offer."""


class RenderError(AutogradError, RuntimeError):
    """The DOT text is there, but it cannot be turned into an image."""
