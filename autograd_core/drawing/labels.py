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

_LONGEST = 40
_INLINE = {  # by operator: the static argument, and the symbol with it (plain or raised)
    "power_number": ("exponent", "( ){1}"),
    "number_power": ("base", "{0}^( )"),
    "getitem": ("index", "[{0}]"),
    "pick": ("index", "[{0}]"),
}
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
    """The content of an array: in full up to 16 elements, otherwise `mean ± standard deviation`.

    Args:
        value: any array of booleans, integers, floats or complex numbers.

    Returns:
        One text per line: the rows of the last axis for a small array, a single line otherwise.
        Elements that are not finite are left out of mean and deviation and counted instead.
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
    lost = value.size - finite.size
    note = f", {lost} of {value.size} not finite" if lost else ""
    if not finite.size:
        return [f"no element of {value.size} is finite"]
    with np.errstate(all="ignore"):
        mean, deviation = finite.mean(), finite.std()
    if abs(mean) < 8 * _eps(value) * deviation:
        mean = 0.0  # the rounding of a mean of 0
    return [f"{mean:.4g} ± {deviation:.3g}{note}"]


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
