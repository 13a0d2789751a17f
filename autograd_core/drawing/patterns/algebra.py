"""Sparsity patterns: which elements of one array reach which elements of another.

A pattern is a union of terms. A term is a product over groups of axes: within a group, some axes of the source and some
of the target are tied by a relation of their indices; an axis in no group is free, so that every index is related to
every index. "Row i of Z reaches row i of mu" is one term with one group, whatever the number of rows, and no element is
ever expanded. Batch norm of (512, 4096) and of (2, 4) are the same pattern.

Composition and union are exact. Where the relation of one group would take more than `LIMIT` pairs to write down, the
group is set free and the pattern is marked: then it has all true pairs, and may have more.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from autograd_core.drawing.patterns.factors import (
    LIMIT,
    Factor,
    Shape,
    expanded,
    is_identity,
    size_of,
    sparse,
    split,
)

__all__ = ["Pattern", "Term", "make", "matrix_of"]

_TERMS = 32  # more are merged into one, or given up

Term: TypeAlias = tuple[Factor, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Pattern:
    """Which elements of a source reach which elements of a target.

    Attributes:
        source: shape of the source.
        target: shape of the target.
        terms: a pair is related if one of them relates it; none, if nothing reaches anything.
        exact: False where pairs may be included that are not related.
    """

    source: Shape
    target: Shape
    terms: tuple[Term, ...]
    exact: bool = True

    @classmethod
    def same(cls, shape: Shape) -> Pattern:
        """Every element reaches the element of its own index."""
        return _same(shape)

    @classmethod
    def free(cls, source: Shape, target: Shape, exact: bool = True) -> Pattern:
        """Every element reaches every element."""
        return make(source, target, [[]], exact)

    @property
    def transposed(self) -> Pattern:
        """The same pairs with source and target exchanged."""
        terms = tuple(
            tuple(sorted((_turned(f) for f in term), key=lambda f: (f.source, f.target))) for term in self.terms
        )
        return Pattern(self.target, self.source, terms, self.exact)

    def then(self, after: Pattern) -> Pattern:
        """The pairs connected through an array in the middle: this pattern ends where `after` begins."""
        if _is_same(self):
            return after
        if _is_same(after):
            return Pattern(self.source, self.target, self.terms, self.exact and after.exact)
        exact = self.exact and after.exact
        terms = []
        for a in self.terms:
            for b in after.terms:
                term, whole = _composed(a, b, self.source, self.target, after.target)
                terms.append(term)
                exact = exact and whole
        return make(self.source, after.target, terms, exact)

    def union(self, others: Iterable[Pattern]) -> Pattern:
        """The pairs of any of several patterns between the same two arrays."""
        patterns = [self, *others]
        if len(patterns) == 1:
            return self
        terms = [term for pattern in patterns for term in pattern.terms]
        return make(self.source, self.target, terms, all(p.exact for p in patterns))

    def count(self) -> int | None:
        """The number of pairs, or None where it takes too long to count."""
        sizes = [_pairs(term, self.source, self.target) for term in self.terms]
        if len(sizes) < 2:
            return sum(sizes)
        matrix = matrix_of(self)
        return None if matrix is None else int(matrix.nnz)


def make(source: Shape, target: Shape, terms: Iterable[Iterable[Factor]], exact: bool = True) -> Pattern:
    """A pattern in its simplest form: no group without information, no term within another."""
    if not math.prod(source) or not math.prod(target):
        return Pattern(source, target, ())
    found: list[Term] = []
    for term in terms:
        simple = _simple(term, source, target)
        if simple is None or any(_within(simple, other) for other in found):
            continue
        found = [other for other in found if not _within(other, simple)]
        while (partner := _partner(simple, found)) is not None:
            simple = _simple(_merged(simple, found.pop(partner)), source, target) or ()
            found = [other for other in found if not _within(other, simple)]
        found.append(simple)
    if len(found) > _TERMS:
        matrix = matrix_of(Pattern(source, target, tuple(found)))
        if matrix is None:
            return Pattern.free(source, target, exact=False)
        whole = Factor(tuple(range(len(source))), tuple(range(len(target))), matrix)
        simple = _simple([whole], source, target)
        found = [] if simple is None else [simple]
    return Pattern(source, target, tuple(found), exact)


@lru_cache(maxsize=4096)
def _same(shape: Shape) -> Pattern:
    return make(shape, shape, [[Factor((i,), (i,)) for i in range(len(shape))]])


def matrix_of(pattern: Pattern) -> Any:
    """All pairs as a sparse boolean matrix over the flattened elements, or None if they are more than `LIMIT`."""
    shape = (math.prod(pattern.source), math.prod(pattern.target))
    out = sparse([], [], shape)
    source, target = tuple(range(len(pattern.source))), tuple(range(len(pattern.target)))
    for term in pattern.terms:
        part = expanded(term, source, pattern.source, target, pattern.target)
        if part is None:
            return None
        out = out + part
    return out


def _turned(f: Factor) -> Factor:
    return Factor(f.target, f.source, None if f.matrix is None else f.matrix.T.tocsr())


def _is_same(pattern: Pattern) -> bool:
    if pattern.source != pattern.target or len(pattern.terms) != 1:
        return False
    if pattern is _same(pattern.source):
        return True
    long = [i for i, n in enumerate(pattern.source) if n > 1]
    term = pattern.terms[0]
    return [f.source for f in term] == [f.target for f in term] == [(i,) for i in long] and all(
        f.matrix is None for f in term
    )


def _pairs(term: Term, source: Shape, target: Shape) -> int:
    """The number of pairs of one term."""
    tied = {a for f in term for a in f.source}, {a for f in term for a in f.target}
    count = math.prod(n for i, n in enumerate(source) if i not in tied[0])
    count *= math.prod(n for i, n in enumerate(target) if i not in tied[1])
    return count * math.prod(size_of(f, source) if f.matrix is None else int(f.matrix.nnz) for f in term)


# -- the simplest form -------------------------------------------------------------------------------------------------


def _simple(factors: Iterable[Factor], source: Shape, target: Shape) -> Term | None:
    """The factors that say something, in order; None if they contradict: no pair at all."""
    out: list[Factor] = []
    for f in factors:
        # An axis of length one has one index only: it is no condition.
        rows = tuple(a for a in f.source if source[a] != 1)
        columns = tuple(a for a in f.target if target[a] != 1)
        matrix = f.matrix
        if matrix is not None:
            if not matrix.nnz:
                return None
            if matrix.nnz == matrix.shape[0] * matrix.shape[1]:
                continue
            if is_identity(matrix):
                matrix = None
        if not rows and not columns:
            continue
        if matrix is None and len(rows) == len(columns) and [source[a] for a in rows] == [target[b] for b in columns]:
            out += [Factor((a,), (b,)) for a, b in zip(rows, columns, strict=True)]
        elif matrix is not None and len(rows) + len(columns) > 2:
            parts = split(Factor(rows, columns, matrix), source, target)
            out += parts if len(parts) == 1 else _simple(parts, source, target) or ()
        else:
            out.append(Factor(rows, columns, matrix))
    return tuple(sorted(out, key=lambda f: (f.source, f.target)))


def _within(a: Term, b: Term) -> bool:
    """Whether every pair of `a` is one of `b`, as far as their groups show it."""
    own = {(f.source, f.target): f for f in a}
    return all((f.source, f.target) in own and _less(own[f.source, f.target].matrix, f.matrix) for f in b)


def _less(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if b is None:
        return a.shape[0] == a.shape[1] and np.array_equal(
            a.indices, np.repeat(np.arange(a.shape[0]), np.diff(a.indptr))
        )
    if a is None:
        return bool(b.shape[0] == b.shape[1] == int(b.diagonal().sum()))
    return a.nnz <= b.nnz and int(a.multiply(b).nnz) == int(a.nnz)


def _partner(term: Term, others: list[Term]) -> int | None:
    """A term that differs from this one in a single group: the two are one, with the union of the relations."""
    groups = [(f.source, f.target) for f in term]
    for i, other in enumerate(others):
        if [(f.source, f.target) for f in other] == groups:
            different = [(f, h) for f, h in zip(term, other, strict=True) if not _equal(f.matrix, h.matrix)]
            if len(different) == 1:
                return i
    return None


def _equal(a: Any, b: Any) -> bool:
    return a is b or (a is not None and b is not None and a.nnz == b.nnz and _less(a, b))


def _merged(a: Term, b: Term) -> Term:
    return tuple(
        f if _equal(f.matrix, h.matrix) else Factor(f.source, f.target, _sum(f.matrix, h.matrix))
        for f, h in zip(a, b, strict=True)
    )


def _sum(a: Any, b: Any) -> Any:
    shape = (b if a is None else a).shape
    places = np.arange(shape[0])
    a, b = (sparse(places, places, shape) if x is None else x for x in (a, b))
    return a + b


# -- composition -------------------------------------------------------------------------------------------------------


def _composed(a: Term, b: Term, source: Shape, middle: Shape, target: Shape) -> tuple[Term, bool]:
    """One term through another, and whether it is exact: groups that share axes of the middle become one."""
    groups: list[tuple[set[int], list[Factor], list[Factor]]] = []
    for axes, left, right in [*((set(f.target), [f], []) for f in a), *((set(f.source), [], [f]) for f in b)]:
        for group in [group for group in groups if group[0] & axes]:
            groups.remove(group)
            axes, left, right = axes | group[0], group[1] + left, group[2] + right
        groups.append((axes, left, right))
    out: list[Factor] = []
    exact = True
    for axes, left, right in groups:
        factor = _through(sorted(axes), left, right, source, middle, target)
        if factor is None:
            exact = False
        else:
            out.append(factor)
    return tuple(out), exact


def _through(
    axes: list[int], left: list[Factor], right: list[Factor], source: Shape, middle: Shape, target: Shape
) -> Factor | None:
    """The relation of one group through the axes of the middle; None if it takes too many pairs."""
    rows = tuple(sorted(a for f in left for a in f.source))
    columns = tuple(sorted(a for f in right for a in f.target))
    if len(left) == 1 and len(right) == 1 and left[0].target == right[0].source:
        if left[0].matrix is None:
            return Factor(rows, columns, right[0].matrix)
        if right[0].matrix is None:
            return Factor(rows, columns, left[0].matrix)
    if not right and all(f.matrix is None for f in left):
        return Factor((), (), None)  # some index of the middle is always there
    if not left and all(f.matrix is None for f in right):
        return Factor((), (), None)
    before = expanded(left, rows, source, axes, middle)
    after = expanded(right, axes, middle, columns, target)
    if before is None or after is None:
        return None
    work = int(np.dot(np.diff(before.tocsc().indptr).astype(np.int64), np.diff(after.indptr).astype(np.int64)))
    if work > LIMIT:
        return None
    return Factor(rows, columns, _product(before, after))


def _product(a: Any, b: Any) -> Any:
    matrix = (a @ b).tocsr()
    matrix.sum_duplicates()
    return matrix
