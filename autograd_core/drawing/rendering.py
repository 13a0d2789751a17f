"""From DOT text to an image: Graphviz in process, or the system's `dot`.

The `pygraphviz` wheel (2.0 and later) bundles Graphviz, so no system package is needed. Only
without it is a `dot` on the search path tried.
"""

from __future__ import annotations

import re
import threading
from typing import Literal, TypeAlias

from autograd_core.drawing import fonts
from autograd_core.drawing.errors import RenderError
from autograd_core.errors import where

Format: TypeAlias = Literal["svg", "png", "pdf"]

LARGEST = 2_000
"""The number of vertices up to which a layout is tried; its time grows faster than the graph."""

FARTHEST = 10_000
"""The number of columns, summed over the edges, up to which a layout is tried.

A chain of n steps that all read one weight has n^2 / 2: it can be slow while it is small.
"""

# Graphviz has global state, and pygraphviz's calls are several per picture.
_LOCK = threading.Lock()

_MAGIC: dict[Format, re.Pattern[bytes]] = {
    "svg": re.compile(rb"<svg\s"),
    "png": re.compile(rb"\A\x89PNG"),
    "pdf": re.compile(rb"\A%PDF"),
}

_INSTALL = "`pip install 'pygraphviz>=2.0'`"


def render(source: str, form: Format, size: int, span: int) -> bytes:
    """Lay out and draw a DOT text.

    Args:
        source: the DOT text.
        form: "svg", "png" or "pdf".
        size: its number of vertices.
        span: the columns that its edges cross in all.

    Returns:
        The image file's content; an SVG begins at its `<svg` element.

    Raises:
        RenderError: the graph is too large, no renderer is installed, or Graphviz failed.
    """
    if size > LARGEST or span > FARTHEST:
        raise RenderError(
            f"draw: a layout takes at most {LARGEST:,} vertices and edges across {FARTHEST:,} "
            f"columns in all, this picture has {size:,} and {span:,}; "
            "fold modules to boxes with draw(..., fold=0), draw repetitions once with roll=True, draw less (an "
            'intermediate tensor), or save the DOT text with .save("graph.dot") for a viewer of large graphs. '
            f"{where('draw')}"
        )
    with _LOCK:
        image = _bundled(source, form)
    if image is None:
        image = _system(source, form)
    if not _MAGIC[form].search(image):
        raise RenderError(
            f"draw: Graphviz must return {form.upper()}, it returned {image[:40]!r}; "
            f"reinstall it with {_INSTALL}. {where('draw')}"
        )
    return _bare(image) if form == "svg" else image


def _bare(svg: bytes) -> bytes:
    """The `<svg>` element alone: a prolog has no place inside a page, and named a DTD elsewhere."""
    element = svg[svg.index(b"<svg") :]
    return element.replace(b"<svg ", b'<svg role="img" aria-label="computation graph" ', 1)


def _bundled(source: str, form: Format) -> bytes | None:
    """The image by pygraphviz, or None if it is not installed."""
    try:
        from pygraphviz import AGraph
    except ImportError:
        return None

    class Quiet(AGraph):  # type: ignore[misc]
        """Above 1,000 vertices `draw` would write to the standard error; `render` has limits of its own."""

        def number_of_nodes(self) -> int:
            return 0

    fonts.start()
    graph = None
    try:
        graph = Quiet(string=source)
        return bytes(graph.draw(format=form, prog="dot"))
    except (ValueError, OSError) as error:
        raise RenderError(f"draw: Graphviz must lay out the picture, it failed: {error}. {where('draw')}") from error
    finally:
        if graph is not None:
            graph.close()


def _system(source: str, form: Format) -> bytes:
    """The image by the `dot` on the search path."""
    import graphviz

    try:
        return bytes(graphviz.pipe("dot", form, source.encode(), quiet=True))
    except graphviz.ExecutableNotFound as error:
        raise RenderError(
            "draw: an image needs Graphviz, got neither the Python package pygraphviz nor a `dot` "
            f"program; run {_INSTALL}, which bundles Graphviz, or take the DOT text from .source "
            f'or .save("graph.dot"). {where("draw")}'
        ) from error
    except graphviz.CalledProcessError as error:
        raise RenderError(f"draw: Graphviz must lay out the picture, it failed: {error}. {where('draw')}") from error
