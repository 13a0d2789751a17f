"""The relation of one group of axes: a sparse matrix over their flattened indices.

The building stone of `patterns`. A product of relations over different axes is expanded into one matrix here, and a
matrix that is such a product is split into its factors.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["LIMIT", "Factor", "Shape", "expanded", "is_identity", "pairs_of", "size_of", "sparse", "split"]

LIMIT = 1 << 23
"""The number of pairs up to which the relation of one group of axes is written down."""

Shape: TypeAlias = tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Factor:
    """A relation between the indices of some axes of the source and some of the target.

    Attributes:
        source: axes of the source, ascending; () for a condition on the target alone.
        target: axes of the target, ascending; () for a condition on the source alone.
        matrix: sparse and boolean, over the flattened indices of both; None where they are equal.
    """

    source: tuple[int, ...]
    target: tuple[int, ...]
    matrix: Any = None


def sparse(rows: Any, columns: Any, shape: tuple[int, int]) -> Any:
    """A sparse boolean matrix with the given pairs."""
    from scipy.sparse import coo_array

    rows, columns = np.asarray(rows, dtype=np.intp), np.asarray(columns, dtype=np.intp)
    matrix = coo_array((np.ones(rows.shape, dtype=bool), (rows, columns)), shape=shape).tocsr()
    matrix.sum_duplicates()
    return matrix


def expanded(
    factors: Sequence[Factor], source: Sequence[int], sizes: Shape, target: Sequence[int], target_sizes: Shape
) -> Any:
    """The product of factors over some axes of both sides as one matrix, or None if it has more than `LIMIT` pairs.

    Args:
        factors: their axes are among the given ones.
        source: axes of the source, ascending.
        sizes: the whole shape of the source.
        target: axes of the target, ascending.
        target_sizes: the whole shape of the target.
    """
    steps, width = _steps(source, sizes)
    target_steps, target_width = _steps(target, target_sizes)
    parts: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]] = []
    tied = {a for f in factors for a in f.source}
    tied_target = {a for f in factors for a in f.target}
    nothing = np.zeros(1, dtype=np.intp)
    count = math.prod(sizes[a] for a in source if a not in tied)
    count *= math.prod(target_sizes[a] for a in target if a not in tied_target)
    for f in factors:
        count *= size_of(f, sizes) if f.matrix is None else int(f.matrix.nnz)
    if count > LIMIT:
        return None
    for a in source:
        if a not in tied:
            parts.append((np.arange(sizes[a]) * steps[a], nothing))
    for a in target:
        if a not in tied_target:
            parts.append((nothing, np.arange(target_sizes[a]) * target_steps[a]))
    for f in factors:
        rows, columns = pairs_of(f, sizes)
        parts.append((_placed(rows, f.source, sizes, steps), _placed(columns, f.target, target_sizes, target_steps)))
    rows, columns = nothing, nothing
    for more_rows, more_columns in parts:
        rows = (rows[:, None] + np.broadcast_to(more_rows, np.broadcast(more_rows, more_columns).shape)).ravel()
        columns = (
            columns[:, None] + np.broadcast_to(more_columns, np.broadcast(more_rows, more_columns).shape)
        ).ravel()
    return sparse(rows, columns, (width, target_width))


def pairs_of(factor: Factor, sizes: Shape) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The related indices of a factor: of the source, and of the target."""
    if factor.matrix is None:
        places = np.arange(size_of(factor, sizes))
        return places, places
    pairs = factor.matrix.tocoo()
    return pairs.row.astype(np.intp), pairs.col.astype(np.intp)


def _steps(axes: Sequence[int], sizes: Shape) -> tuple[dict[int, int], int]:
    """What an index along each axis counts in the flattened axes, and their number of elements."""
    steps: dict[int, int] = {}
    width = 1
    for a in reversed(axes):
        steps[a] = width
        width *= sizes[a]
    return steps, width


def _placed(flat: npt.NDArray[Any], axes: tuple[int, ...], sizes: Shape, steps: dict[int, int]) -> npt.NDArray[Any]:
    """Flat indices over some axes as flat indices over more of them."""
    out = np.zeros(flat.shape, dtype=np.intp)
    for a in reversed(axes):
        out += flat % sizes[a] * steps[a]
        flat = flat // sizes[a]
    return out


def size_of(factor: Factor, sizes: Shape) -> int:
    """The number of indices of a factor's source."""
    return math.prod(sizes[a] for a in factor.source)


def split(factor: Factor, source: Shape, target: Shape) -> list[Factor]:
    """The factor as a product over fewer axes each, if it is one: reshaping to and fro leaves axes in one group.

    Axes belong together if some pair of their indices does not occur. The product of the projections on such groups
    has all pairs of the factor; if it has no more, it is the same relation.
    """
    flat = pairs_of(factor, source)
    digits: dict[tuple[int, int], npt.NDArray[np.intp]] = {}
    sizes: dict[tuple[int, int], int] = {}
    for side, (axes, shape) in enumerate(((factor.source, source), (factor.target, target))):
        rest = flat[side]
        for a in reversed(axes):
            digits[side, a], sizes[side, a] = rest % shape[a], shape[a]
            rest = rest // shape[a]
    groups = [{key} for key in digits]
    for p, q in itertools.combinations(digits, 2):
        one, other = (next(group for group in groups if key in group) for key in (p, q))
        if one is not other and sizes[p] * sizes[q] <= LIMIT:
            seen = np.zeros(sizes[p] * sizes[q], dtype=np.bool_)
            seen[digits[p] * sizes[q] + digits[q]] = True
            if not seen.all():
                groups.remove(other)
                one |= other
    parts = []
    for group in groups:
        ends = [tuple(sorted(a for side, a in group if side == wanted)) for wanted in (0, 1)]
        places: list[npt.NDArray[np.intp]] = []
        for side, axes in enumerate(ends):
            place = np.zeros(flat[0].shape, dtype=np.intp)
            for a in axes:
                place = place * sizes[side, a] + digits[side, a]
            places.append(place)
        width = [math.prod(sizes[side, a] for a in axes) for side, axes in enumerate(ends)]
        parts.append(Factor(ends[0], ends[1], sparse(places[0], places[1], (width[0], width[1]))))
    if len(parts) == 1 or math.prod(int(part.matrix.nnz) for part in parts) > factor.matrix.nnz:
        return [factor]
    return parts


def is_identity(matrix: Any) -> bool:
    """Whether a sparse matrix relates each index to itself, and only to itself."""
    n, m = matrix.shape
    return (
        n == m == matrix.nnz
        and bool(np.all(matrix.indptr == np.arange(n + 1)))
        and bool(np.all(matrix.indices == np.arange(n)))
    )
