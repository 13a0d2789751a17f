"""`Drawing`: a finished picture, as text."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from autograd_core.drawing.rendering import Format, render
from autograd_core.errors import ArgumentError, where

_IMAGES: dict[str, Format] = {".svg": "svg", ".png": "png", ".pdf": "pdf"}


class Drawing:
    """A picture of a graph: DOT text, laid out on demand.

    It holds text only, so neither the graph nor any array lives longer because it was drawn. In a
    notebook it shows itself.

    Args:
        source: the DOT text.
        size: its number of vertices.
        span: the columns that its edges cross, about.
    """

    __slots__ = ("_size", "_span", "_svg", "source")

    def __init__(self, source: str, size: int, span: int = 0) -> None:
        self.source = source
        self._size = size
        self._span = span
        self._svg: str | None = None

    @property
    def svg(self) -> str:
        """The picture as an `<svg>` element, laid out at first use.

        Raises:
            RenderError: the graph is too large for a layout, or no renderer is installed.
        """
        if self._svg is None:
            self._svg = render(self.source, "svg", self._size, self._span).decode()
        return self._svg

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture to a file, in the format that its suffix names.

        The file appears whole or not at all: an interrupted write leaves what was there before.

        Args:
            path: ends in `.svg`, `.png`, `.pdf` or `.dot`. `.dot` needs neither layout nor
                renderer.

        Returns:
            The path.

        Raises:
            ArgumentError: another suffix, or a folder that does not exist.
            RenderError: the graph is too large for a layout, or no renderer is installed.
        """
        target = Path(path)
        suffix = target.suffix.lower()
        if suffix != ".dot" and suffix not in _IMAGES:
            raise ArgumentError(
                f"save: the file name must end in .svg, .png, .pdf or .dot, got {target.name!r}; "
                f"add one of the four. {where('save')}"
            )
        if not target.parent.is_dir():
            raise ArgumentError(
                f"save: the folder must exist, got {str(target.parent)!r}; create it first. {where('save')}"
            )
        _write(target, self._content(suffix))
        return target

    def _content(self, suffix: str) -> bytes:
        if suffix == ".dot":
            return self.source.encode()
        if suffix == ".svg":
            return b'<?xml version="1.0" encoding="UTF-8"?>\n' + self.svg.encode()
        return render(self.source, _IMAGES[suffix], self._size, self._span)

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<Drawing of {self._size} vertices: .svg, .source, .save(path)>"


def _write(target: Path, content: bytes) -> None:
    # Beside the target, since a rename is atomic only within a file system.
    draft = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}.tmp")
    try:
        draft.write_bytes(content)
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)
