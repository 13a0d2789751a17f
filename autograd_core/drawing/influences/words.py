"""The relation of two classes of elements in words: "same i, every k", "i - 2 j = 0…2".

An axis too long to be drawn element by element is one class, written by a letter. What is said of the letters is true
of every index: a relation that no short phrase describes exactly is said to depend on the index.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from autograd_core.drawing.patterns.algebra import Pattern
from autograd_core.drawing.patterns.factors import LIMIT, Factor, Shape, pairs_of

__all__ = ["relation"]

_OFFSETS = 32  # a window of more is described by its ends only if it has no gap


def relation(pattern: Pattern, source: Sequence[str], target: Sequence[str]) -> str:
    """A pattern in words.

    Args:
        pattern: over the axes that are drawn as classes.
        source: their letters, of the source.
        target: of the target.
    """
    if not pattern.source and not pattern.target:
        return ""
    texts = list(dict.fromkeys(_term(term, pattern, source, target) for term in pattern.terms))
    text = " or ".join(texts)
    return text if pattern.exact else f"depends on the index (at most: {text})"


def _term(term: Sequence[Factor], pattern: Pattern, source: Sequence[str], target: Sequence[str]) -> str:
    parts = [
        _factor(f, pattern, source, target) for f in sorted(term, key=lambda f: (not f.source, f.matrix is not None))
    ]
    free = [source[a] for a in range(len(source)) if not any(a in f.source for f in term) and pattern.source[a] > 1]
    free_target = [target[b] for b in range(len(target)) if not any(b in f.target for f in term)]
    if free:
        parts.append("every " + ", ".join(free))
    if free_target:
        parts.append("to every " + ", ".join(free_target))
    return ", ".join(parts)


def _factor(f: Factor, pattern: Pattern, source: Sequence[str], target: Sequence[str]) -> str:
    a, b = [source[i] for i in f.source], [target[k] for k in f.target]
    sizes = tuple(pattern.source[i] for i in f.source)
    target_sizes = tuple(pattern.target[k] for k in f.target)
    if f.matrix is None and len(a) == len(b) == 1:
        return f"same {a[0]}" if a == b else f"{a[0]} = {b[0]}"
    if f.matrix is None and math.prod(sizes) > LIMIT:
        return f"({', '.join(a)}) and ({', '.join(b)}) count the same elements in order"
    rows, columns = pairs_of(f, pattern.source)
    if not b:
        return _among(a, np.unique(rows), sizes)
    if not a:
        return "to " + _among(b, np.unique(columns), target_sizes)
    if len(a) == len(b) == 1 and np.array_equal(rows, columns):
        return f"same {a[0]}, {_among(b, rows, sizes)}" if a == b else f"{a[0]} = {b[0]}, {_among(b, rows, sizes)}"
    a = [name + "′" if name in b else name for name in a]  # one letter, and not the same index
    found: str | None = None
    if len(a) == 1:
        found = _affine(a[0], b, rows, columns, sizes[0], target_sizes)
    if found is None and len(b) == 1:
        found = _affine(b[0], a, columns, rows, target_sizes[0], sizes)
    if found is None and len(a) == len(b) == 1:
        found = _ordered(a[0], b[0], rows, columns, sizes[0], target_sizes[0])
    if found is None:
        found = _rectangle(a, b, rows, columns, sizes, target_sizes)
    return found or f"which {', '.join(a)}: depends on the index {', '.join(b)}"


def _affine(a: str, b: list[str], rows: Any, columns: Any, length: int, sizes: Shape) -> str | None:
    """A = α b + γ c + a set of offsets, wherever that is an index: slices, windows, padding, reshaping."""
    digits = np.stack(np.unravel_index(columns, sizes)) if sizes else np.zeros((0, rows.size), dtype=np.intp)
    slopes = _slopes(rows, columns, sizes)
    if slopes is None:
        return None
    offsets = np.unique(rows - slopes @ digits)
    if offsets.size > _OFFSETS:
        return None
    every = slopes @ np.stack(np.unravel_index(np.arange(math.prod(sizes)), sizes))
    if sum(int(np.count_nonzero((every + o >= 0) & (every + o < length))) for o in offsets) != rows.size:
        return None
    terms = [(int(s), x) for s, x in zip(slopes, b, strict=True) if s]
    if not terms:
        return None
    moved = _sum(terms, int(offsets[0])) if offsets.size == 1 else f"{_sum(terms, 0)} + ({_set(offsets)})"
    return f"{a} = {moved}"


def _slopes(rows: Any, columns: Any, sizes: Shape) -> npt.NDArray[np.intp] | None:
    """How fast the first related index grows with each index of the other side."""
    never = np.iinfo(np.intp).max
    lowest = np.full(math.prod(sizes), never, dtype=np.intp)
    np.minimum.at(lowest, columns, rows)
    lowest = lowest.reshape(sizes)
    slopes = []
    for axis in range(len(sizes)):
        ahead, behind = np.moveaxis(lowest, axis, 0)[1:], np.moveaxis(lowest, axis, 0)[:-1]
        both = (ahead != never) & (behind != never)
        if not both.any():
            return None
        slopes.append(int(np.median((ahead - behind)[both])))  # in the middle, where no border cuts a window
    return np.array(slopes, dtype=np.intp)


def _sum(terms: list[tuple[int, str]], constant: int) -> str:
    text = ""
    for factor, name in terms:
        sign = ("-" if factor < 0 else "") if not text else (" - " if factor < 0 else " + ")
        text += sign + (name if abs(factor) == 1 else f"{abs(factor)} {name}")
    if constant or not text:
        text += str(constant) if not text else f" {'-' if constant < 0 else '+'} {abs(constant)}"
    return text.replace("-", "−")


def _set(numbers: npt.NDArray[Any]) -> str:
    """`0…2`, `-1, 1`, `0, 2, …, 8`."""
    values = [str(int(n)).replace("-", "−") for n in numbers]
    if len(values) < 3:
        return ", ".join(values)
    steps = np.diff(numbers)
    if np.all(steps == 1):
        return f"{values[0]}…{values[-1]}"
    if len(values) <= 4:
        return ", ".join(values)
    return f"{values[0]}, {values[1]}, …, {values[-1]}" if np.all(steps == steps[0]) else ", ".join(values)


def _ordered(a: str, b: str, rows: Any, columns: Any, length: int, width: int) -> str | None:
    """All indices up to, or from, the other side's."""
    apart = rows - columns
    places = np.arange(width)
    most, least = int(apart.max()), int(apart.min())
    if int(np.clip(places + most + 1, 0, length).sum()) == rows.size:
        return f"every {a} ≤ {_sum([(1, b)], most)}"
    if int((length - np.clip(places + least, 0, length)).sum()) == rows.size:
        return f"every {a} ≥ {_sum([(1, b)], least)}"
    return None


def _rectangle(a: list[str], b: list[str], rows: Any, columns: Any, sizes: Shape, target: Shape) -> str | None:
    """Some indices of one side, with all of some of the other."""
    own, other = np.unique(rows), np.unique(columns)
    if own.size * other.size != rows.size:
        return None
    left = f"every {', '.join(a)}" if own.size == math.prod(sizes) else _among(a, own, sizes)
    right = f"every {', '.join(b)}" if other.size == math.prod(target) else _among(b, other, target)
    return f"{left} to {right}"


def _among(names: list[str], places: npt.NDArray[Any], sizes: Shape) -> str:
    """A condition on the indices of one side alone."""
    if len(names) == 1:
        steps = np.diff(places)
        if places.size <= 4 or np.all(steps == steps[0]):
            return f"{names[0]} = {_set(places)}"
        return f"{places.size:,} of the {sizes[0]:,} indices {names[0]}"
    return f"{places.size:,} of the {math.prod(sizes):,} places ({', '.join(names)})"
