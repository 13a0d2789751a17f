"""The sparsity pattern of every operator: from its kind where that says it, otherwise from what it does.

The structure of an operator, not its values: relu's pattern has the elements where the input is negative, and the
product's those where the other factor is zero. Operators that are constant between jumps (sign, floor, step) have the
pattern of their kind too, since their output depends on their input; their derivative is zero everywhere.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from autograd_core.drawing.patterns.algebra import Pattern, make
from autograd_core.drawing.patterns.factors import LIMIT, Factor, Shape, sparse
from autograd_core.drawing.patterns.matrices import of_matrices
from autograd_core.drawing.patterns.moves import by_coordinates, by_strides, indexed
from autograd_core.engine import compute
from autograd_core.operator import Operator, registry

__all__ = ["pattern_of"]

_TRIED = 512  # elements, one after the other

Statics = Mapping[str, Any]


def pattern_of(
    op: Operator, statics: Statics, shapes: Sequence[Shape], operand: int, target: Shape, output: int = 0
) -> Pattern:
    """Which elements of an operand reach which elements of an output.

    Args:
        op: the operator.
        statics: all its static arguments, those at their defaults too.
        shapes: of the operands.
        operand: which of them.
        target: shape of the output.
        output: which one, of an operator with several.

    Returns:
        The pattern. Of an operator of the user's own whose kind does not tell it, and which is not linear (or too large
        to try every element), every pair, marked as not exact.
    """
    source = shapes[operand]
    if not math.prod(source) or not math.prod(target):
        return Pattern(source, target, ())
    found: Pattern | None
    if registry.operators.get(op.name) is op and op.name in _BY_NAME:
        found = _BY_NAME[op.name](op, statics, shapes, operand, target, output)
    elif op.kind == "elementwise":
        found = broadcast(source, target)
    elif op.kind == "reduction":
        found = _reduced(source, target, statics)
    elif op.kind in ("view", "gather") and len(shapes) == 1 and not op.variadic:
        found = _moved(op, statics, source, output)
    elif registry.operators.get(op.name) is op and op.kind == "composite":
        found = of_matrices(op, statics, shapes, operand, target, output)
    else:
        found = None
    if found is None and op.linear and not op.multiple:
        found = _probed(op, statics, shapes, operand, target)
    if found is None or found.target != target:
        return Pattern.free(source, target, exact=False)
    return found


def broadcast(source: Shape, target: Shape) -> Pattern:
    """Elementwise, with the axes aligned at the end; an axis of length one reaches every index."""
    if source == target:
        return Pattern.same(source)
    lead = len(target) - len(source)
    return make(source, target, [[Factor((i,), (lead + i,)) for i, n in enumerate(source) if n > 1]])


def _axes(axis: Any, rank: int) -> list[int]:
    if axis is None:
        return list(range(rank))
    return [int(a) % max(rank, 1) for a in (axis if isinstance(axis, tuple | list) else (axis,))]


def _reduced(source: Shape, target: Shape, statics: Statics) -> Pattern | None:
    """Every index along the reduced axes, the same along the others."""
    reduced = _axes(statics.get("axis"), len(source))
    kept = [i for i in range(len(source)) if i not in reduced]
    if target == tuple(source[i] for i in kept):
        return make(source, target, [[Factor((i,), (k,)) for k, i in enumerate(kept)]])
    if target == tuple(1 if i in reduced else n for i, n in enumerate(source)):
        return make(source, target, [[Factor((i,), (i,)) for i in kept]])
    return None


def _moved(op: Operator, statics: Statics, source: Shape, output: int) -> Pattern | None:
    """A function that moves elements, run on places or on coordinates."""

    def run(a: Any) -> Any:
        out = op.function(a, **statics)
        return out[output] if op.multiple else out

    return by_strides(run, source) or by_coordinates(run, source)


def _probed(op: Operator, statics: Statics, shapes: Sequence[Shape], operand: int, target: Shape) -> Pattern | None:
    """A linear operator, tried on an array of zeros with a single one; the others are positive, without a pattern."""
    source = shapes[operand]
    n = math.prod(source)
    if n > _TRIED or n * math.prod(target) > LIMIT:
        return None
    rng = np.random.default_rng(0)
    fixed = [np.zeros(s) if op.linear == "jointly" else rng.uniform(1, 2, s) for s in shapes]
    rows, columns = [], []
    for k in range(n):
        one = np.zeros(source)
        one.reshape(-1)[k] = 1
        operands = tuple(one if i == operand else x for i, x in enumerate(fixed))
        out = np.asarray(compute(op, operands, dict(statics)))
        if out.shape != target:
            return None
        (hit,) = np.nonzero(out.ravel())
        rows.append(np.full(hit.shape, k))
        columns.append(hit)
    matrix = sparse(np.concatenate(rows), np.concatenate(columns), (n, math.prod(target)))
    return make(source, target, [[Factor(*_whole(source, target), matrix)]])


# -- operators whose kind does not say it ------------------------------------------------------------------------------


def _whole(source: Shape, target: Shape) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return tuple(range(len(source))), tuple(range(len(target)))


def _getitem(op: Operator, statics: Statics, shapes: Any, i: int, target: Shape, output: int) -> Pattern | None:
    return indexed(shapes[0], statics["index"])


def _cumsum(op: Operator, statics: Statics, shapes: Any, i: int, target: Shape, output: int) -> Pattern | None:
    source = shapes[0]
    axis = statics.get("axis")
    n = math.prod(source) if axis is None else source[axis]
    if n * (n + 1) // 2 > LIMIT:
        return None
    rows, columns = np.triu_indices(n)
    before = sparse(rows, columns, (n, n))
    if axis is None:
        return make(source, target, [[Factor(tuple(range(len(source))), (0,), before)]])
    axis = axis % len(source)
    others = [Factor((k,), (k,)) for k in range(len(source)) if k != axis]
    return make(source, target, [[Factor((axis,), (axis,), before), *others]])


def _along(op: Operator, statics: Statics, shapes: Any, i: int, target: Shape, output: int) -> Pattern:
    """Softmax: all along one axis, the same along the others."""
    axis = _axes(statics.get("axis"), len(target))
    return make(target, target, [[Factor((k,), (k,)) for k in range(len(target)) if k not in axis]])


def _sorted(op: Operator, statics: Statics, shapes: Any, i: int, target: Shape, output: int) -> Pattern:
    """Any element of a row may come to any place of it."""
    if statics.get("axis") is None:
        return Pattern.free(shapes[0], target)
    return _along(op, statics, shapes, i, target, output)


def _roll(op: Operator, statics: Statics, shapes: Any, i: int, target: Shape, output: int) -> Pattern | None:
    axis = statics.get("axis")
    if axis is None:
        n, places = math.prod(target), [tuple(range(len(target)))]
    else:
        n, places = 0, [(k,) for k in range(len(target))]
    if max(n, 0, *target) > LIMIT:
        return None
    factors = []
    for axes in places:
        sizes = [target[k] for k in axes]
        # Along one axis alone, the others of length one.
        line = [target[k] if k in axes else 1 for k in range(len(target))]
        origin = op.function(np.arange(math.prod(sizes)).reshape(line), **statics).ravel()
        factors.append(Factor(axes, axes, sparse(origin, np.arange(origin.size), (origin.size, origin.size))))
    return make(target, target, [factors])


def _convolve(op: Operator, statics: Statics, shapes: Any, i: int, target: Shape, output: int) -> Pattern | None:
    """Each element reaches as many as the other vector has, from its own place on."""
    n, other = shapes[i][0], shapes[1 - i][0]
    if n * other > LIMIT:
        return None
    rows = np.repeat(np.arange(n), other)
    columns = rows + np.tile(np.arange(other), n)
    return make(shapes[i], target, [[Factor((0,), (0,), sparse(rows, columns, (n, target[0])))]])


def _over_windows(op: Operator, statics: Statics, shapes: Any, i: int, target: Shape, output: int) -> Pattern | None:
    windows = _windows(shapes[0], statics)
    if windows is None:
        return None
    taps = make(windows.target, target, [[Factor((k,), (k,)) for k in range(len(target))]])
    return windows.then(taps)


def _windows(shape: Shape, statics: Statics) -> Pattern | None:
    function = registry.operators["windows"].function
    return by_strides(lambda a: function(a, **statics), shape)


def _overlap_add(op: Operator, statics: Statics, shapes: Any, i: int, target: Shape, output: int) -> Pattern | None:
    rest = {name: value for name, value in statics.items() if name != "shape"}
    windows = _windows(tuple(statics["shape"]), {"window_shape": shapes[0][len(statics["shape"]) :], **rest})
    return None if windows is None else windows.transposed


def _pad(op: Operator, statics: Statics, shapes: Any, i: int, target: Shape, output: int) -> Pattern:
    """Each axis by itself, with -1 for what is no element."""
    from autograd_core.ops.padding import _widths

    source = shapes[0]
    factors = []
    for axis, ends in enumerate(_widths(statics["pad_width"], len(source))):
        mode = statics["mode"]
        extra = {"constant_values": -1} if mode == "constant" else {}
        origin = np.pad(np.arange(source[axis]), ends, mode, **extra)
        columns = np.flatnonzero(origin >= 0)
        factors.append(Factor((axis,), (axis,), sparse(origin[columns], columns, (source[axis], origin.size))))
    return make(source, target, [factors])


def _concatenate(op: Operator, statics: Statics, shapes: Any, i: int, target: Shape, output: int) -> Pattern:
    source, axis = shapes[i], statics["axis"]
    if axis is None:
        before, n = sum(math.prod(s) for s in shapes[:i]), math.prod(source)
        axes, place = tuple(range(len(source))), 0
    else:
        place = axis % len(source)
        before, n = sum(s[place] for s in shapes[:i]), source[place]
        axes = (place,)
    shifted = Factor(axes, (place,), sparse(np.arange(n), before + np.arange(n), (n, target[place])))
    others = [] if axis is None else [Factor((k,), (k,)) for k in range(len(source)) if k != place]
    return make(source, target, [[shifted, *others]])


def _stack(op: Operator, statics: Statics, shapes: Any, i: int, target: Shape, output: int) -> Pattern:
    place = statics["axis"] % len(target)
    layer = Factor((), (place,), sparse([0], [i], (1, target[place])))
    others = [Factor((k,), (k + (k >= place),)) for k in range(len(target) - 1)]
    return make(shapes[i], target, [[layer, *others]])


def _scatter(op: Operator, statics: Statics, shapes: Any, i: int, target: Shape, output: int) -> Pattern | None:
    taken = indexed(target, statics["index"])
    return None if taken is None else _assigned(shapes[0], taken.transposed)


def _assigned(source: Shape, region: Pattern) -> Pattern:
    """A value written to a region: as in assignment, its leading axes of length one may be more than the region's."""
    extra = len(source) - len(region.source)
    if extra > 0:
        factors = [Factor((extra + k,), (k,)) for k, n in enumerate(source[extra:]) if n > 1]
        return make(source, region.source, [factors]).then(region)
    return broadcast(source, region.source).then(region)


def _setitem(op: Operator, statics: Statics, shapes: Any, i: int, target: Shape, output: int) -> Pattern | None:
    taken = indexed(target, statics["index"])
    if taken is None:
        return None
    if i == 1:
        return _assigned(shapes[1], _surviving(taken).transposed)
    if not taken.terms:  # nothing is written
        return Pattern.same(target)
    # What is written to is a product of regions; the rest is all that lies outside one of them.
    terms = []
    for f in taken.terms[0]:
        if f.matrix is None:
            continue
        outside = np.flatnonzero(np.diff(f.matrix.indptr) == 0)
        n = f.matrix.shape[0]
        rest = [Factor((k,), (k,)) for k in range(len(target)) if k not in f.source]
        terms.append([Factor(f.source, f.source, sparse(outside, outside, (n, n))), *rest])
    return make(target, target, terms)


def _surviving(taken: Pattern) -> Pattern:
    """Where an index names a place twice, the last one written stays."""
    terms = []
    for term in taken.terms:
        factors = []
        for f in term:
            if f.matrix is None or not f.source:
                factors.append(f)
                continue
            rows = np.flatnonzero(np.diff(f.matrix.indptr))
            last = f.matrix.indices[f.matrix.indptr[rows + 1] - 1]
            factors.append(Factor(f.source, f.target, sparse(rows, last, f.matrix.shape)))
        terms.append(factors)
    return make(taken.source, taken.target, terms)


def _put_positions(op: Operator, statics: Statics, shapes: Any, i: int, target: Shape, output: int) -> Pattern | None:
    positions = np.asarray(statics["positions"]).ravel()
    n = math.prod(target)
    if max(n, positions.size) > LIMIT:
        return None
    source_axes, target_axes = _whole(shapes[i], target)
    if i == 0:
        kept = np.setdiff1d(np.arange(n), positions)
        return make(target, target, [[Factor(source_axes, target_axes, sparse(kept, kept, (n, n)))]])
    places, first = np.unique(positions[::-1], return_index=True)
    last = positions.size - 1 - first
    return make(shapes[1], target, [[Factor(source_axes, target_axes, sparse(last, places, (positions.size, n)))]])


# -- contractions, by the labels of their axes -------------------------------------------------------------------------


def _labels(op: Operator, statics: Statics, shapes: Any) -> tuple[list[list[Any]], list[Any]]:
    """A label for every axis of the operands and of the output, as in `einsum`."""
    if op.name == "einsum":
        from autograd_core.ops.contractions import _spelled_out

        terms, out = _spelled_out(statics["subscripts"], tuple(shapes))
        return [list(t) for t in terms], list(out)
    ranks = [len(s) for s in shapes]
    a: list[Any] = [("a", k) for k in range(ranks[0])]
    b: list[Any] = [("b", k) for k in range(ranks[1])]
    if op.name == "contract":
        axes = statics["axes"]
        b[0] = a[0]
        b[1 : 1 + axes] = a[2:]
        return [a, b], [*a[:2], *b[1 + axes :]]
    if op.name == "matmul":
        common = "k"
        a[-1] = common
        b[max(ranks[1] - 2, 0)] = common
        lead = [("g", k) for k in range(max(ranks[0] - 2, ranks[1] - 2, 0))]  # aligned at the end
        a[:-2] = lead[len(lead) - len(a[:-2]) :]
        b[:-2] = lead[len(lead) - len(b[:-2]) :]
        return [a, b], [*lead, *a[-2:-1], *(b[-1:] if ranks[1] > 1 else [])]
    if op.name == "inner":
        if not ranks[0] or not ranks[1]:
            return [a, b], [*a, *b]
        b[-1] = a[-1]
        return [a, b], [*a[:-1], *b[:-1]]
    from autograd_core.ops.contractions import _pairs

    left, right = _pairs(statics["axes"], *ranks)
    for p, q in zip(left, right, strict=True):
        b[q] = a[p]
    return [a, b], [x for k, x in enumerate(a) if k not in left] + [x for k, x in enumerate(b) if k not in right]


def _contraction(op: Operator, statics: Statics, shapes: Any, i: int, target: Shape, output: int) -> Pattern:
    """The same index along labels that stay, every index along those that are summed."""
    terms, out = _labels(op, statics, shapes)
    own, source = terms[i], shapes[i]
    factors = []
    for label, places in itertools.groupby(sorted(range(len(own)), key=lambda k: own.index(own[k])), lambda k: own[k]):
        axes = tuple(k for k in places if source[k] > 1)
        ends = tuple(k for k, x in enumerate(out) if x == label and target[k] > 1)
        if not axes or (len(axes) == 1 and not ends):
            continue
        if len(axes) == len(ends) == 1:
            factors.append(Factor(axes, ends))
            continue
        n = source[axes[0]]  # a repeated label: the diagonal
        row = sum(np.arange(n) * n**k for k in range(len(axes)))
        column = np.arange(n) if ends else np.zeros(n, dtype=int)
        factors.append(Factor(axes, ends, sparse(row, column, (n ** len(axes), n if ends else 1))))
    return make(source, target, [factors])


_Rule = Callable[[Operator, Statics, Any, int, Shape, int], Pattern | None]
_BY_NAME: dict[str, _Rule] = {
    "getitem": _getitem,
    "cumsum": _cumsum,
    "cumprod": _cumsum,
    "softmax": _along,
    "log_softmax": _along,
    "determined": lambda op, statics, shapes, i, target, output: (
        Pattern(shapes[i], target, ()) if i else broadcast(shapes[i], target)
    ),
    "sort": _sorted,
    "partition": _sorted,
    "roll": _roll,
    "convolve": _convolve,
    "window_max": _over_windows,
    "window_sum": _over_windows,
    "overlap_add": _overlap_add,
    "pad": _pad,
    "concatenate": _concatenate,
    "stack": _stack,
    "scatter": _scatter,
    "setitem": _setitem,
    "put_positions": _put_positions,
    **dict.fromkeys(("matmul", "inner", "tensordot", "einsum", "contract"), _contraction),
}
