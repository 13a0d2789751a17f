"""`Drawing`: a finished picture, as text."""

from __future__ import annotations

import math
import numbers
import os
import secrets
from pathlib import Path

from autograd_core.drawing.picture import Picture
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
        picture: what the DOT text was written from, needed to step through it.
    """

    __slots__ = ("_picture", "_size", "_span", "_svg", "source")

    def __init__(self, source: str, size: int, span: int = 0, picture: Picture | None = None) -> None:
        self.source = source
        self._picture = picture
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
                f"save: the file name must end in .svg, .png, .pdf or .dot after a name of its own, got "
                f"{target.name!r}; add one of the four. {where('save')}"
            )
        _check_folder(target, "save")
        _write(target, self._content(suffix))
        return target

    def animate(self, path: str | os.PathLike[str], *, seconds: float = 1.5, loop: bool = True) -> Path:
        """Write a step-through as one SVG: the forward pass, then the backward pass, one operation a frame.

        Highlighted are the operation and its operands; on the way back, the arrows along which gradients flow. At
        level="scalar", each value appears when it is computed and each gradient when it is complete. A browser plays
        the file as it is; it needs no script. Where nothing moves (a printer, a reader who asked for reduced motion) it
        is the whole picture.

        Args:
            path: ends in `.svg`. The file appears whole or not at all.
            seconds: per frame.
            loop: begin again after the last frame; otherwise the whole picture stays.

        Returns:
            The path.

        Raises:
            ArgumentError: another suffix, a folder that does not exist, no positive number of seconds, or a drawing
                that has no steps.
            RenderError: the graph is too large for a layout, or no renderer is installed.
        """
        from autograd_core.drawing.animation import animated

        target = Path(path)
        if target.suffix.lower() != ".svg":
            raise ArgumentError(
                f"animate: the file name must end in .svg, got {target.name!r}; only SVG is animated, "
                f".frames() gives the frames one by one. {where('animate')}"
            )
        if not isinstance(seconds, numbers.Real) or not 0 < seconds < math.inf:
            raise ArgumentError(
                f"animate: seconds must be a positive number of seconds per frame, got {seconds!r}; "
                f"1.5 is the default. {where('animate')}"
            )
        _check_folder(target, "animate")
        text = animated(self.svg, self._steps("animate"), float(seconds), bool(loop))
        _write(target, b'<?xml version="1.0" encoding="UTF-8"?>\n' + text.encode())
        return target

    def frames(self) -> list[str]:
        """The frames of `animate` one by one, each as an `<svg>` element that does not move.

        Raises:
            ArgumentError: a drawing that has no steps.
            RenderError: the graph is too large for a layout, or no renderer is installed.
        """
        from autograd_core.drawing.animation import frames

        return frames(self.svg, self._steps("frames"))

    def _steps(self, by: str) -> Picture:
        if self._picture is None:
            raise ArgumentError(
                f"{by}: the drawing must be of a computation, whose operations have an order, got one without steps; "
                f"use a result of draw(). {where(by)}"
            )
        return self._picture

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


def _check_folder(target: Path, by: str) -> None:
    if not target.parent.is_dir():
        raise ArgumentError(f"{by}: the folder must exist, got {str(target.parent)!r}; create it first. {where(by)}")
    if target.is_dir():
        raise ArgumentError(f"{by}: the path must name a file, got the folder {str(target)!r}; add a name. {where(by)}")


def _write(target: Path, content: bytes) -> None:
    # Beside the target, since a rename is atomic only within a file system.
    draft = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}.tmp")
    try:
        draft.write_bytes(content)
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)
