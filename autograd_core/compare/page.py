"""The report in a notebook: an HTML table with a heat map of each claim's errors."""

from __future__ import annotations

import base64
import struct
import zlib
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from autograd_core.compare.report import Line, Report

LARGEST_MAP = 64  # cells along a side; larger maps show the largest error of each block
LOWEST, HIGHEST = -16.0, 0.0  # log10 of the relative error at the ends of the ramp
# Light to dark in one hue: read by lightness, so by every kind of colour vision, and in grey.
RAMP = np.array([(255, 255, 255), (198, 219, 239), (107, 174, 214), (33, 113, 181), (8, 29, 88)])
# Verdicts carry a mark beside the colour, which need not be told apart.
MARKS = {
    "exact": ("✓", "#00639c"),
    "approximate": ("≈", "#6b5d00"),
    "wrong": ("✗", "#a83200"),
    "undecided": ("?", "#595959"),
}


def html(report: Report) -> str:
    """One table row per claim; every text from outside is escaped."""
    head, *rows = report.rows()
    cells = "".join(f"<th style='text-align:left'>{escape(cell)}</th>" for cell in head)
    body = []
    for line, row in zip(report.values(), rows, strict=True):
        mark, color = MARKS[line.verdict]
        texts = [f"<td>{escape(cell)}</td>" for cell in row]
        texts[1] = f"<td style='color:{color};font-weight:bold'>{mark} {escape(row[1])}</td>"
        details = escape(f"bound {line.bound:.1e}; {line.oracle}", quote=True)
        body.append(f"<tr title='{details}'>{''.join(texts)}<td>{_heat_map(line)}</td></tr>")
    return (
        f"<div><table><thead><tr>{cells}<th style='text-align:left'>errors</th></tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table><p>{escape(report.summary)}. Heat maps: relative "
        "error of each element, white 1e-16 to dark 1 on a logarithmic scale.</p></div>"
    )


def _heat_map(line: Line) -> str:
    if line.error_map is None or line.error_map.size == 0:
        return "-"
    cells = shrink(two_dimensional(line.error_map))
    height, width = cells.shape
    size = max(4, 96 // max(height, width))
    data = base64.b64encode(png(colors(cells))).decode("ascii")
    alt = escape(
        f"errors of {line.name}, {' x '.join(map(str, line.error_map.shape))}, largest {line.error_map.max():.1e}",
        quote=True,
    )
    return (
        f"<img alt='{alt}' title='{alt}' width='{width * size}' height='{height * size}' "
        "style='image-rendering:pixelated;border:1px solid #888;max-width:none' "
        f"src='data:image/png;base64,{data}'>"
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


def colors(cells: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """RGB by log10 of the error; what is not finite counts as the largest."""
    finite = np.where(np.isfinite(cells), cells, 1.0)
    exponent = np.log10(np.maximum(finite, 10.0**LOWEST))
    at = np.clip((exponent - LOWEST) / (HIGHEST - LOWEST), 0.0, 1.0) * (len(RAMP) - 1)
    channels = [np.interp(at, np.arange(len(RAMP)), RAMP[:, c]) for c in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A truecolour PNG (ISO/IEC 15948) of height x width x 3 pixels."""
    height, width, _ = pixels.shape
    # Every scan line starts with its filter type, 0 for none.
    lines = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(lines.tobytes(), 9))
        + chunk(b"IEND", b"")
    )
