"""The pictures in a report: a heat map of each element's error, and the error over a sweep.

Both are inline (a small PNG, a small SVG), so that a report needs no other file.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from autograd_core.compare.report import Line

LARGEST_MAP = 64  # cells along a side; larger maps show the largest error of each block
LOWEST, HIGHEST = -16.0, 0.0  # log10 of the relative error at the ends of the ramp
# Light to dark in one hue: read by lightness, so by every kind of colour vision, and in grey.
RAMP = np.array([(255, 255, 255), (198, 219, 239), (107, 174, 214), (33, 113, 181), (8, 29, 88)])
SHADES = 65  # a quarter of a decade each
SIDE, CELL = 128, 14  # pixels: of a side and of a cell, at most
IMAGE = "style='image-rendering:pixelated;border:1px solid #888;max-width:none'"


def heat_map(line: Line) -> str:
    """The errors of a claim as an image; nothing where an image would say nothing.

    A single element has no pattern, and where the true gradient vanishes an undecided claim has
    no scale that its error could be relative to.
    """
    errors = line.error_map
    if errors is None or errors.size < 2 or math.isnan(line.max_rel_error):
        return ""
    cells = shrink(two_dimensional(errors))
    height, width = cells.shape
    down, across = (n * max(2, min(CELL, SIDE // n)) for n in (height, width))
    shape = " × ".join(map(str, errors.shape))
    blocks = "" if cells.size == errors.size else ", the largest of each block"
    alt = escape(f"errors of {line.name}, {shape}{blocks}; largest {errors.max():.1e}", quote=True)
    return f"<img alt='{alt}' title='{alt}' width='{across}' height='{down}' {IMAGE} src='{_source(shades(cells))}'>"


def legend() -> str:
    """The colours of the heat maps, with their errors in words."""
    bar = _source(np.arange(SHADES, dtype=np.uint8)[None])
    return (
        f"Errors by element, relative: 1e{LOWEST:.0f} or less <img alt='white to dark' width='130' height='10' "
        f"{IMAGE} src='{bar}'> 1 or more (logarithmic)"
    )


def two_dimensional(errors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Rows by columns: the last axis runs across, all others down."""
    return errors.reshape(-1, errors.shape[-1]) if errors.ndim else errors.reshape(1, 1)


def shrink(cells: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """At most LARGEST_MAP cells a side; a block shows its largest error, so none is lost."""
    for axis in (0, 1):
        length = cells.shape[axis]
        if length > LARGEST_MAP:
            starts = np.arange(LARGEST_MAP) * length // LARGEST_MAP
            cells = np.maximum.reduceat(cells, starts, axis=axis)
    return cells


def shades(cells: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Number of the shade by log10 of the error; what is not finite counts as the largest."""
    finite = np.where(np.isfinite(cells), cells, 10.0**HIGHEST)
    exponent = np.log10(np.maximum(finite, 10.0**LOWEST))
    at = np.clip((exponent - LOWEST) / (HIGHEST - LOWEST), 0.0, 1.0) * (SHADES - 1)
    numbers: npt.NDArray[np.uint8] = at.round().astype(np.uint8)
    return numbers


def palette() -> npt.NDArray[np.uint8]:
    """SHADES x 3: red, green and blue of each shade."""
    at = np.linspace(0.0, len(RAMP) - 1.0, SHADES)
    channels = [np.interp(at, np.arange(len(RAMP)), RAMP[:, c]) for c in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def png(numbers: npt.NDArray[np.uint8]) -> bytes:
    """A PNG (ISO/IEC 15948) of height x width shades, with the palette in it."""
    height, width = numbers.shape
    # Every scan line starts with its filter type, 0 for none.
    lines = np.concatenate([np.zeros((height, 1), np.uint8), numbers], axis=1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)  # 8 bits each, into a palette
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"PLTE", palette().tobytes())
        + chunk(b"IDAT", zlib.compress(lines.tobytes(), 9))
        + chunk(b"IEND", b"")
    )


def _source(numbers: npt.NDArray[np.uint8]) -> str:
    return f"data:image/png;base64,{base64.b64encode(png(numbers)).decode('ascii')}"


# -- sweep -----------------------------------------------------------------------------------------

WIDE, HIGH = 190, 112  # of the plot, in pixels
LEFT, RIGHT, TOP, BOTTOM = 40, 8, 8, 26
DOT = "#d55e00"  # 4.0 : 1 on white, 4.7 : 1 on a dark page


def sweep_plot(line: Line, parameter: str) -> str:
    """Error against the parameter, both logarithmic: dots, rounding bound, line of the fitted order."""
    points = [(v, max(e, 1e-17)) for v, e, _ in line.sweep if math.isfinite(e)]
    if len(points) < 2:
        return ""
    bounds = [(v, b) for v, _, b in line.sweep if math.isfinite(b) and b > 0.0]
    xs = [math.log10(v) for v, _ in points]
    ys = [math.log10(e) for _, e in (*points, *bounds)]
    x_low, x_high = min(xs), max(xs)
    y_low, y_high = math.floor(min(ys)), math.ceil(max(ys))
    y_high = max(y_high, y_low + 1)

    def place(value: float, error: float) -> tuple[float, float]:
        x = (math.log10(value) - x_low) / (x_high - x_low)
        y = (math.log10(error) - y_low) / (y_high - y_low)
        return LEFT + 6 + x * (WIDE - LEFT - RIGHT - 12), HIGH - BOTTOM - y * (HIGH - TOP - BOTTOM)

    def curve(through: list[tuple[float, float]], style: str) -> str:
        at = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*p) for p in through))
        return f"<polyline points='{at}' fill='none' stroke='currentColor' {style}/>"

    def text(x: float, y: float, anchor: str, content: str) -> str:
        return f"<text x='{x}' y='{y}' text-anchor='{anchor}'>{escape(content)}</text>"

    axes = f"M{LEFT},{TOP}V{HIGH - BOTTOM}H{WIDE - RIGHT}"
    parts = [f"<path d='{axes}' fill='none' stroke='currentColor' stroke-opacity='.6'/>"]
    if len(bounds) > 1:
        parts.append(curve(bounds, "stroke-dasharray='2 3' stroke-opacity='.7'"))
    order = "" if line.order is None else f"order {line.order:.2f}"
    if line.order is not None:
        parts.append(curve(_fitted(line, line.order, points, 10.0**y_low, 10.0**y_high), "stroke-width='1.2'"))
    for point in points:
        x, y = place(*point)
        parts.append(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='2.5' fill='{DOT}'/>")
    parts += [
        text(LEFT - 4, TOP + 6, "end", f"1e{y_high}"),
        text(LEFT - 4, HIGH - BOTTOM, "end", f"1e{y_low}"),
        text(LEFT + 2, HIGH - BOTTOM + 11, "start", f"{min(v for v, _ in points):.0e}"),
        text(WIDE - RIGHT, HIGH - BOTTOM + 11, "end", f"{max(v for v, _ in points):.0e}"),
        text((LEFT + WIDE) / 2, HIGH - 3, "middle", ", ".join(t for t in (parameter, order) if t)),
    ]
    words = f"error of {line.name} against {parameter}{', ' if order else ''}{order}; dotted: the rounding bound"
    title = escape(words, quote=True)
    return (
        f"<svg role='img' aria-label='{title}' width='{WIDE}' height='{HIGH}' viewBox='0 0 {WIDE} {HIGH}' "
        f"font-size='9' font-family='sans-serif' fill='currentColor'><title>{title}</title>{''.join(parts)}</svg>"
    )


def _fitted(
    line: Line, order: float, points: list[tuple[float, float]], low: float, high: float
) -> list[tuple[float, float]]:
    """The ends of error = c * parameter^order within [low, high], through the points it was fitted to."""
    above = [(v, e) for v, e, b in line.sweep if math.isfinite(e) and e > 10.0 * b] or points
    # The order was fitted to the smaller half of the parameters with an error above rounding.
    chosen = sorted(above)[: max(3, (len(above) + 1) // 2)]
    offset = sum(math.log(e) - order * math.log(v) for v, e in chosen) / len(chosen)
    first, last = ((math.log(limit) - offset) / order for limit in (low, high))
    values = sorted(v for v, _ in points)
    ends = (max(values[0], math.exp(min(first, last))), min(values[-1], math.exp(max(first, last))))
    return [(v, math.exp(offset + order * math.log(v))) for v in ends]
