"""Elements and classes of elements: which axes are drawn index by index, and the relations that remain.

An axis longer than a bound is one class; the others are drawn index by index. The bound is the same for all layers, so
that axes that correspond are treated alike. A box stands for the elements of its indices along the drawn axes and of
every index along the classes; a pattern between two layers is cut to a pattern between two of their boxes.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_core.drawing.influences.flow import Layer
from autograd_core.drawing.patterns.algebra import Pattern, Term, make, matrix_of
from autograd_core.drawing.patterns.factors import LIMIT, Factor, Shape, sparse

__all__ = ["Box", "Cut", "boxes", "letters"]

_LETTERS = "ijklmnpqrstuvwxyz"

Index = tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Box:
    """The elements of a layer with given indices along the axes that are drawn.

    Attributes:
        layer: whose elements.
        index: an index per axis, None along a class.
    """

    layer: Layer
    index: tuple[int | None, ...]

    def places(self) -> Any:
        """The flat places of its elements."""
        return _flat(self.index, list(self.layer.shape))


def boxes(layer: Layer, bound: int) -> list[Box]:
    """The boxes of a layer in the order of its elements; axes longer than `bound` are classes."""
    ranges: list[Any] = [range(n) if n <= bound else [None] for n in layer.shape]
    return [Box(layer, index) for index in itertools.product(*ranges)]


def letters(
    layers: Sequence[Layer], patterns: dict[tuple[Layer, Layer], Pattern], bound: int
) -> dict[Layer, list[str]]:
    """A letter for every axis; those of classes whose indices are equal between two layers have the same one."""
    out: dict[Layer, list[str]] = {}
    used = 0
    for layer in layers:
        names: list[str | None] = [None] * len(layer.shape)
        for (source, target), pattern in patterns.items():
            if target is not layer or source not in out:
                continue
            for f in (f for term in pattern.terms for f in term if f.matrix is None):
                if len(f.source) == len(f.target) == 1 and layer.shape[f.target[0]] > bound:
                    name = out[source][f.source[0]]
                    if names[f.target[0]] is None and name not in names:
                        names[f.target[0]] = name
        for i, n in enumerate(layer.shape):
            if names[i] is None and n > bound:
                names[i] = _LETTERS[used % len(_LETTERS)] + "′" * (used // len(_LETTERS))
                used += 1
        out[layer] = [name or "" for name in names]
    return out


class Cut:
    """A pattern between two layers, cut to their boxes.

    Args:
        pattern: between the two layers.
        bound: axes longer than this are classes.
    """

    def __init__(self, pattern: Pattern, bound: int) -> None:
        self._pattern = pattern
        self._classes = tuple([i for i, n in enumerate(s) if n > bound] for s in (pattern.source, pattern.target))
        self._shapes: tuple[Shape, Shape] = (
            tuple(pattern.source[i] for i in self._classes[0]),
            tuple(pattern.target[i] for i in self._classes[1]),
        )
        self._known: dict[Any, Factor | bool | None] = {}
        self._matrix = None if any(self._classes) else matrix_of(pattern)

    def pairs(self, sources: list[Box], targets: list[Box]) -> list[tuple[int, int, Pattern]]:
        """The boxes that are connected, by their places in the lists, and what remains between their classes."""
        if self._matrix is not None:
            whole = Pattern((), (), ((),), self._pattern.exact)
            pairs = self._matrix.tocoo()
            return [(int(a), int(b), whole) for a, b in sorted(zip(pairs.row, pairs.col, strict=True))]
        out = []
        for a, source in enumerate(sources):
            for b, target in enumerate(targets):
                rest = self._between(source.index, target.index)
                if rest.terms:
                    out.append((a, b, rest))
        return out

    def _between(self, source: tuple[int | None, ...], target: tuple[int | None, ...]) -> Pattern:
        exact = self._pattern.exact
        terms: list[list[Factor]] = []
        for term in self._pattern.terms:
            cut, whole = self._cut(term, source, target)
            if cut is not None:
                terms.append(cut)
                exact = exact and whole
        return make(*self._shapes, terms, exact)

    def _cut(
        self, term: Term, source: tuple[int | None, ...], target: tuple[int | None, ...]
    ) -> tuple[list[Factor] | None, bool]:
        """One term, and whether it is exact; None where the boxes are not related."""
        out: list[Factor] = []
        exact = True
        for f in term:
            rows, columns = tuple(source[a] for a in f.source), tuple(target[b] for b in f.target)
            key = (id(f), rows, columns)
            if key not in self._known:
                self._known[key] = self._sliced(f, rows, columns)
            known = self._known[key]
            if known is None:
                return None, True
            if isinstance(known, Factor):
                out.append(known)
            else:
                exact = exact and known
        return out, exact

    def _sliced(self, f: Factor, rows: tuple[int | None, ...], columns: tuple[int | None, ...]) -> Factor | bool | None:
        """What a factor says of the classes; None if it excludes the boxes; True for nothing, False if too large."""
        places = tuple(self._classes[0].index(a) for a, i in zip(f.source, rows, strict=True) if i is None)
        others = tuple(self._classes[1].index(b) for b, i in zip(f.target, columns, strict=True) if i is None)
        sizes = [self._pattern.source[a] for a in f.source]
        target_sizes = [self._pattern.target[b] for b in f.target]
        if f.matrix is None and None not in rows and None not in columns:
            same = np.ravel_multi_index(rows, sizes) == np.ravel_multi_index(columns, target_sizes)  # type: ignore[arg-type]
            return True if same else None
        whole = all(i is None for i in (*rows, *columns))
        if whole:
            return Factor(places, others, f.matrix)
        matrix = f.matrix
        if matrix is None:
            n = math.prod(sizes)
            if n > LIMIT:
                return False
            matrix = sparse(np.arange(n), np.arange(n), (n, n))
        matrix = matrix[_flat(rows, sizes)][:, _flat(columns, target_sizes)]
        if not matrix.nnz:
            return None
        return Factor(places, others, matrix) if places or others else True


def _flat(index: tuple[int | None, ...], sizes: list[int]) -> Any:
    """The flat places along some axes with the given indices, every index where it is None."""
    out = np.zeros(1, dtype=np.intp)
    for i, n in zip(index, sizes, strict=True):
        out = (out[:, None] * n + (np.arange(n) if i is None else np.array([i]))).ravel()
    return out
