"""Short texts for shapes, static arguments, numbers and arrays.

Every text here is a function of the value alone: no `id()`, no address in a `repr`, no print option
of the user, so that the same graph gives the same bytes.
"""

from __future__ import annotations

import numbers
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

SMALL = 16
"""Arrays up to this many elements are written in full."""

_WIDEST = 6  # elements a line
_BINS = 12
_BARS = "▁▂▃▄▅▆▇"

_LONGEST = 40
_INLINE = {  # by operator: the static argument, and the symbol with it (plain or raised)
    "power_number": ("exponent", "( ){1}"),
    "number_power": ("base", "{0}^( )"),
    "getitem": ("index", "[{0}]"),
    "pick": ("index", "[{0}]"),
}
_CLEAR = {"inner": "@ᵀ"}  # its dot is hardly seen, and the second operand is the transposed one
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_PLAIN = (bool, int, float, complex, str)


def shorten(text: str, limit: int = _LONGEST) -> str:
    """Cut `text` to `limit` characters, the last of them an ellipsis where something was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def number(value: object) -> str:
    """A scalar with six significant digits, whole numbers below 10^12 in full."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, numbers.Integral):
        whole = int(value)
        return str(whole) if abs(whole) < 10**12 else f"{Decimal(whole):.6g}"
    if isinstance(value, numbers.Real):
        return f"{float(value):.6g}"
    if isinstance(value, numbers.Complex):
        return f"{complex(value):.6g}"
    return type(value).__name__


def shape(value: object) -> str:
    """A shape as NumPy writes it: `(3, 4)`, `(5,)`, `()`."""
    return str(tuple(value)) if isinstance(value, list | tuple) else str(value)


def symbol(name: str, sign: str, arguments: Mapping[str, Any], defaults: Mapping[str, Any]) -> tuple[str, str]:
    """An operation's symbol, and the static arguments to write below it.

    Where a static argument is part of the formula it becomes part of the symbol: `( )³`, `[0, :]`.

    Args:
        name: the operator's name.
        sign: the symbol that it declares.
        arguments: static arguments by name.
        defaults: their defaults; what is at its default is left out.
    """
    sign = _CLEAR.get(name, sign)
    inline, pattern = _INLINE.get(name, ("", ""))
    if inline in arguments:
        text = index(arguments[inline])
        raised = text.translate(_SUPERSCRIPT) if set(text) <= set("-0123456789") else f"^{text}"
        sign = pattern.format(text, raised)
        arguments = {key: value for key, value in arguments.items() if key != inline}
    elif unicodedata.decomposition(sign[:1]).startswith("<super>"):
        sign = f"( ){sign}"  # a raised 2 alone is hardly seen
    return sign or name, statics(arguments, defaults)


def statics(arguments: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """Static arguments of an operator as a short list; those at their defaults are left out.

    `{"axis": 0, "keepdims": True, "dtype": None}` gives `axis=0, keepdims`.
    """
    parts = []
    for name, value in arguments.items():
        unset = value is None or value is False or value is np._NoValue
        if not unset and not _same(value, defaults.get(name)):
            parts.append(str(name) if value is True else f"{name}={static(value)}")
    return shorten(", ".join(parts), 60)


def _same(value: object, default: object) -> bool:
    # Arrays compare element by element, and other classes as they like.
    return value is default or (type(value) is type(default) and isinstance(value, _PLAIN) and value == default)


def wrapped(text: str, width: int = 28) -> list[str]:
    """A list of static arguments in lines of about `width` characters, broken between arguments where possible."""
    lines = [""]
    for part in text.replace(", ", ",\0").split("\0"):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += f"{' ' if lines[-1] else ''}{part}"
    return lines


def index(value: object) -> str:
    """An index as it is written between brackets: `0, :, 1:3`."""
    items = value if isinstance(value, tuple) else (value,)
    return shorten(", ".join(static(item) for item in items[:8]))


def static(value: object) -> str:
    """One static argument.

    Containers are followed three deep and eight long, so that the cost is bounded whatever comes.
    """
    return _static(value, 3)


def _static(value: object, depth: int) -> str:
    if value is None or value is Ellipsis:
        return "None" if value is None else "…"
    if isinstance(value, str):
        return shorten(value.replace("->", "→"))
    if isinstance(value, slice):
        ends = ["" if end is None else _static(end, depth) for end in (value.start, value.stop)]
        step = "" if value.step is None else ":" + _static(value.step, depth)
        return ":".join(ends) + step
    if isinstance(value, numbers.Number | np.bool_):
        return number(value)
    if isinstance(value, np.dtype):
        return str(value)
    if isinstance(value, np.ndarray):
        if value.ndim == 0 and value.dtype.kind in "biufc":
            return number(value[()])
        return f"{value.dtype}{shape(value.shape)}"
    if isinstance(value, tuple | list):
        if not depth:
            return "…"
        texts = [_static(item, depth - 1) for item in value[:8]]
        if len(value) > 8:
            texts.append("…")
        opening, closing = "[]" if isinstance(value, list) else "()"
        comma = "," if len(texts) == 1 and opening == "(" else ""
        return f"{opening}{', '.join(texts)}{comma}{closing}"
    if isinstance(value, type):
        return value.__name__
    name = getattr(value, "__name__", None)
    return name if isinstance(name, str) else type(value).__name__


def array(value: npt.NDArray[Any]) -> list[str]:
    """The content of an array: in full up to 16 elements, otherwise a thumbnail.

    Args:
        value: any array of booleans, integers, floats or complex numbers.

    Returns:
        One text per line: the rows of the last axis for a small array. For a large one `mean ± standard deviation`, and
        for real numbers a histogram between the least and the greatest element. What is not finite is left out there
        and counted instead.
    """
    if value.dtype.kind not in "biufc":
        return [str(value.dtype)]
    if value.size == 0:
        return ["empty"]
    if value.size <= SMALL:
        return _rows(value)
    if value.dtype.kind == "b":
        return [f"{float(np.count_nonzero(value)) / value.size:.3g} true"]
    wide = value.astype(np.complex128 if value.dtype.kind == "c" else np.float64)
    finite = wide[np.isfinite(wide)]
    lost = _lost(wide) if finite.size < wide.size else []
    if not finite.size:
        return ["no finite element", *lost]
    if finite.min() == finite.max():
        return [f"all {_cell(finite.min().item())}", *lost]
    with np.errstate(all="ignore"):
        mean, deviation = finite.mean(), finite.std()
        if not np.isfinite(deviation):  # sums or squares are beyond the largest float
            scale = np.abs(finite).max()
            mean, deviation = (finite / scale).mean() * scale, (finite / scale).std() * scale
    if abs(mean) < 8 * _eps(value) * deviation:
        mean = 0.0  # the rounding of a mean of 0
    histogram = [] if value.dtype.kind == "c" else [_histogram(finite.real)]
    return [f"{mean:.4g} ± {deviation:.3g}", *lost, *histogram]


def _lost(wide: npt.NDArray[Any]) -> list[str]:
    """How many elements are not finite, and which: `2 NaN, 1 inf of 100`."""
    missing = int(np.isnan(wide).sum())
    infinite = np.isinf(wide)
    below = 0 if wide.dtype.kind == "c" else int((wide == -np.inf).sum())
    above = int(infinite.sum()) - below
    counts = ((missing, "NaN"), (above, "inf"), (below, "-inf"))
    return [", ".join(f"{count} {name}" for count, name in counts if count) + f" of {wide.size}"]


def _histogram(finite: npt.NDArray[np.float64]) -> str:
    """The distribution as bars, from the least to the greatest element; no bar where there is none."""
    low, high = float(finite.min()), float(finite.max())
    half = high / 2 - low / 2  # the whole range may be beyond the largest float
    places = ((finite / 2 - low / 2) / half * _BINS) if half > 0 else np.zeros(finite.size)
    counts = np.bincount(np.minimum(places.astype(np.int64), _BINS - 1), minlength=_BINS)
    heights = -(-counts * len(_BARS) // counts.max())
    bars = "".join(_BARS[height - 1] if height else " " for height in heights.tolist())
    return f"{_cell(low)} {bars} {_cell(high)}"


def _eps(value: npt.NDArray[Any]) -> float:
    return float(np.finfo(value.dtype).eps) if value.dtype.kind in "fc" else 0.0


def _rows(value: npt.NDArray[Any]) -> list[str]:
    cells = [_cell(item) for item in value.ravel().tolist()]
    if value.ndim == 0:
        return cells
    columns = value.shape[-1]
    width = max(map(len, cells))
    # A single line is read as a list; below each other the columns are aligned.
    aligned = [cell.rjust(width) for cell in cells] if value.size > min(columns, _WIDEST) else cells
    lines = []
    for start in range(0, len(cells), columns):
        row = aligned[start : start + columns]
        pieces = [", ".join(row[i : i + _WIDEST]) for i in range(0, columns, _WIDEST)]
        lines += ("[" + ",\n ".join(pieces) + "]").split("\n")
    return lines


def _cell(item: Any) -> str:
    if isinstance(item, bool):
        return "T" if item else "F"
    if isinstance(item, int):
        return number(item)
    return format(item + 0.0, ".4g")  # -0.0 + 0.0 is 0.0
