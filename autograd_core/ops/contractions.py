"""Sums of products: matmul, inner, tensordot, einsum, and dot, outer and vdot in their terms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ShapeError, where
from ..operator import Array, Bad, Sample, op, registry
from ..unbroadcast import sum_to

_PAIR = Bad(ShapeError, r"the operands must fit together, got shapes \(3, 4\) and \(3, 4\)", Array(3, 4), Array(3, 4))


@op(
    "contraction",
    numpy=np.matmul,
    symbol="@",
    latex="{a} {b}",
    derivative={"a": r"{b}^\top", "b": r"{a}^\top"},
    samples=[
        Sample(Array(*a), Array(*b))
        for a, b in [
            ((3, 4), (4, 2)),
            ((4,), (4,)),
            ((3, 4), (4,)),
            ((4,), (4, 2)),
            ((2, 3, 4), (4, 2)),
            ((3, 4), (2, 4, 2)),
            ((2, 1, 3, 4), (5, 4, 2)),
            ((2, 3, 4), (4,)),
            ((4,), (2, 4, 3)),
            ((0, 4), (4, 2)),
        ]
    ],
    bad=[_PAIR, Bad(ShapeError, "does not have enough dimensions", Array(), Array(3))],
    linear="each",
    analytic=True,
)
def matmul(a: Any, b: Any) -> Any:
    """Matrix product over the last axis of a and the second last (or only) of b; other axes are broadcast."""
    return np.matmul(a, b)


def _matmul_left(g: Any, b: Any, a_shape: tuple[int, ...], b_shape: tuple[int, ...]) -> Any:
    if len(b_shape) == 1:
        full = np.expand_dims(g, -1) * b
    elif len(a_shape) == 1:
        full = np.matmul(b, np.expand_dims(g, -1))[..., 0]
    else:
        full = np.matmul(g, np.swapaxes(b, -1, -2))
    return sum_to(full, full.shape, a_shape)


def _matmul_right(g: Any, a: Any, a_shape: tuple[int, ...], b_shape: tuple[int, ...]) -> Any:
    if len(a_shape) == 1:
        full = a * np.expand_dims(g, -1) if len(b_shape) == 1 else np.expand_dims(a, -1) * np.expand_dims(g, -2)
    elif len(b_shape) == 1:
        full = np.matmul(np.expand_dims(g, -2), a)[..., 0, :]
    else:
        full = np.matmul(np.swapaxes(a, -1, -2), g)
    return sum_to(np.reshape(full, b_shape) if full.size == 0 and len(b_shape) == 1 else full, full.shape, b_shape)


matmul.vjp(
    a=lambda g, b, a_shape, b_shape: _matmul_left(g, b, a_shape, b_shape),
    b=lambda g, a, a_shape, b_shape: _matmul_right(g, a, a_shape, b_shape),
)


@op(
    "contraction",
    numpy=np.inner,
    symbol="·",
    latex=r"{a} {b}^\top",
    derivative={"a": "{b}", "b": "{a}"},
    samples=[
        Sample(Array(*a), Array(*b))
        for a, b in [
            ((3, 4), (2, 4)),
            ((4,), (4,)),
            ((2, 3, 4), (5, 4)),
            ((4,), (2, 4)),
            ((0, 4), (2, 4)),
            ((3, 4), (0, 4)),
            ((2, 3, 0), (2, 0)),
        ]
    ],
    bad=[Bad(ShapeError, "the operands must fit together", Array(3, 4), Array(4, 3))],
    linear="each",
    analytic=True,
)
def inner(a: Any, b: Any) -> Any:
    """Sum of products over the last axis of both.

    For matrices it is a @ b.T, with both gradients in the operands' own layout.
    """
    return np.inner(a, b)


def _rows(x: Any, shape: tuple[int, ...]) -> Any:
    """All axes but the last in one; written out, since -1 says nothing where an axis has length 0."""
    return np.reshape(x, (math.prod(shape[:-1]), shape[-1])) if len(shape) != 2 else x


def _inner_left(g: Any, b: Any, a_shape: tuple[int, ...], b_shape: tuple[int, ...]) -> Any:
    if not a_shape or not b_shape:
        return sum_to(g * b, g.shape, a_shape)
    rows = _rows(b, b_shape)
    return np.reshape(np.matmul(np.reshape(g, (math.prod(a_shape[:-1]), rows.shape[0])), rows), a_shape)


def _inner_right(g: Any, a: Any, a_shape: tuple[int, ...], b_shape: tuple[int, ...]) -> Any:
    if not a_shape or not b_shape:
        return sum_to(g * a, g.shape, b_shape)
    rows = _rows(a, a_shape)
    columns = np.reshape(g, (rows.shape[0], math.prod(b_shape[:-1])))
    return np.reshape(np.matmul(np.swapaxes(columns, 0, 1), rows), b_shape)


inner.vjp(
    a=lambda g, b, a_shape, b_shape: _inner_left(g, b, a_shape, b_shape),
    b=lambda g, a, a_shape, b_shape: _inner_right(g, a, a_shape, b_shape),
)


def _pairs(axes: Any, a_rank: int, b_rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The contracted axes of both operands, non-negative."""
    if isinstance(axes, int):
        return tuple(range(a_rank - axes, a_rank)), tuple(range(axes))
    left, right = (np.ravel(x).tolist() for x in axes)
    return tuple(i % a_rank for i in left), tuple(i % b_rank for i in right)


@op(
    "contraction",
    numpy=np.tensordot,
    symbol="⊗",
    latex=r"{a} \cdot {b}",
    derivative={"a": "{b}", "b": "{a}"},
    samples=[
        Sample(Array(3, 4), Array(4, 2), axes=1),
        Sample(Array(2, 3, 4), Array(4, 3, 5), axes=([1, 2], [1, 0])),
        Sample(Array(2, 3), Array(4), axes=0),
        Sample(Array(2, 3, 4), Array(4, 3), axes=(-1, 0)),
    ],
    bad=[Bad(ShapeError, "shape-mismatch", Array(3, 4), Array(3, 4), axes=1)],
    linear="each",
    analytic=True,
)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Sum of products over the given axes of both."""
    return np.tensordot(a, b, axes=axes)


def _tensordot_side(
    g: Any, other: Any, own: tuple[int, ...], others: tuple[int, ...], shape: Any, other_shape: Any, left: bool
) -> Any:
    """The gradient of one operand: g contracted with the other's free axes, its axes put back in order."""
    free_other = tuple(i for i in range(len(other_shape)) if i not in others)
    free_own = tuple(i for i in range(len(shape)) if i not in own)
    k = len(free_own)
    g_axes = tuple(range(k, k + len(free_other))) if left else tuple(range(len(free_other)))
    full = np.tensordot(g, other, axes=(g_axes, free_other))
    # axes of `full`: own free axes in order, then the other's contracted axes in their order of position
    by_position = sorted(range(len(others)), key=lambda i: others[i])
    order = (*free_own, *(own[i] for i in by_position))
    return np.transpose(full, tuple(int(i) for i in np.argsort(order)))


def _tensordot_left(g: Any, b: Any, a_shape: Any, b_shape: Any, axes: Any) -> Any:
    own, others = _pairs(axes, len(a_shape), len(b_shape))
    return _tensordot_side(g, b, own, others, a_shape, b_shape, True)


def _tensordot_right(g: Any, a: Any, a_shape: Any, b_shape: Any, axes: Any) -> Any:
    others, own = _pairs(axes, len(a_shape), len(b_shape))
    return _tensordot_side(g, a, own, others, b_shape, a_shape, False)


tensordot.vjp(
    a=lambda g, b, a_shape, b_shape, axes: _tensordot_left(g, b, a_shape, b_shape, axes),
    b=lambda g, a, a_shape, b_shape, axes: _tensordot_right(g, a, a_shape, b_shape, axes),
)


@op(
    "contraction",
    symbol="einsum",
    latex=r"\operatorname{einsum}({subscripts})",
    derivative={"operands": r"\text{the other operands}"},
    variadic="operands",
    samples=[
        Sample([Array(3, 4), Array(4, 2)], "ij,jk->ik"),
        Sample([Array(3, 4), Array(3, 4)], "ij,ij->j"),
        Sample([Array(3, 4)], "ij->"),
        Sample([Array(3, 4), Array(4)], "ij,j"),
        Sample([Array(3, 3)], "ii->i"),
        Sample([Array(3, 3)], "ii"),
        Sample([Array(2), Array(3), Array(4)], "i,j,k->ikj"),
        Sample([Array(2, 3, 4), Array(4, 2)], "...ij,...jk->...ik"),
        Sample([Array(3, 4), Array(2, 4)], "bi,oi->bo"),
        Sample([Array(3, 4), Array(1, 4)], "ij,ij->j"),
    ],
    bad=[Bad(ShapeError, "the operands must fit together", [Array(3, 4), Array(3, 2)], "ij,jk->ik")],
    linear="each",
    analytic=True,
)
def _einsum(operands: Any, subscripts: str = "") -> Any:
    return np.einsum(subscripts, *operands)


_einsum.__doc__ = "Sum of products of any number of operands, as the subscripts say."
registry.operators["einsum"] = registry.operators.pop("_einsum")
_einsum.name = _einsum.__name__ = "einsum"


def einsum(subscripts: str, *operands: Any, optimize: Any = False) -> Any:
    """Sum of products of any number of operands, as the subscripts say.

    Raises:
        ShapeError: subscripts and operands do not fit together.
    """
    if not isinstance(subscripts, str):
        raise ShapeError(
            "einsum: subscripts must be a string such as 'ij,jk->ik', got operands with lists of axes; write the "
            f"string. {where('einsum')}"
        )
    subscripts = subscripts.replace(" ", "")
    if len(operands) == 1 and "," not in subscripts and _moves_only(subscripts, np.ndim(operands[0])):
        return rearranged(operands[0], subscripts)
    return _einsum(operands, subscripts=subscripts)


def _moves_only(subscripts: str, rank: int) -> bool:
    """Whether the subscripts of one operand sum over nothing, so that NumPy returns a view."""
    term = subscripts.partition("->")[0].replace("...", "")
    if len(term) > rank:
        return False  # an error, which the operator explains
    terms, out = _spelled_out(subscripts, ((1,) * rank,))
    return set(terms[0]) <= set(out)


registry.functions[np.einsum] = einsum


def _spelled_out(subscripts: str, shapes: tuple[tuple[int, ...], ...]) -> tuple[list[str], str]:
    """Operands' and output's labels, with ellipses replaced by capital letters that are free."""
    left, arrow, right = subscripts.partition("->")
    terms = left.split(",")
    free = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" if c not in subscripts]
    ranks = [len(s) - len(t.replace("...", "")) for t, s in zip(terms, shapes, strict=True)]
    rank = np.max(ranks) if ranks else 0
    dots = "".join(free[:rank]) if "..." in left else ""
    spelled = [t.replace("...", dots[len(dots) - r :] if r else "") for t, r in zip(terms, ranks, strict=True)]
    if arrow:
        return spelled, right.replace("...", dots)
    letters = "".join(terms).replace(".", "")
    return spelled, dots + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))


def _einsum_rule(g: Any, operands: Any, operands_shapes: Any, subscripts: str) -> list[Any]:
    terms, out = _spelled_out(subscripts, operands_shapes)
    answers = []
    for k, (term, shape) in enumerate(zip(terms, operands_shapes, strict=True)):
        others = [(t, x) for i, (t, x) in enumerate(zip(terms, operands, strict=True)) if i != k]
        size = dict(zip(term, shape, strict=True))
        seen = set(out).union(*(t for t, _ in others))
        unique = "".join(dict.fromkeys(term))
        # A label that only this operand has was summed: its axis has length one, which stands for its broadcast. So has
        # one along which this operand was broadcast; it is summed.
        labels = "".join(c for c in unique if c in seen and size[c] != 1)
        part = np.einsum(",".join([out, *(t for t, _ in others)]) + "->" + labels, g, *(x for _, x in others))
        # Its own axes, of length one also where all others were broadcast along this operand's.
        own = dict(zip(labels, part.shape, strict=True))
        part = np.reshape(part, tuple(own.get(c, 1) for c in unique))
        if len(unique) < len(term):  # a repeated label: the gradient lies on the diagonal
            part = np.broadcast_to(part, tuple(size[c] for c in unique))
            spread, masks = list(term), []
            spare = [c for c in "zyxwvutsrqponmlkjihgfedcbaZYXWVUTSRQPONMLKJIHGFEDCBA" if c not in term]
            for i, c in enumerate(term):
                if c in term[:i]:
                    spread[i] = spare.pop()
                    masks.append((c + spread[i], np.eye(size[c], dtype=bool)))
            part = np.einsum(
                ",".join([unique, *(t for t, _ in masks)]) + "->" + "".join(spread), part, *(m for _, m in masks)
            )
        answers.append(part)
    return answers


_einsum.vjp(lambda g, operands, operands_shapes, subscripts: _einsum_rule(g, operands, operands_shapes, subscripts))


@op(
    "view",
    symbol="einsum",
    latex=r"\operatorname{einsum}({subscripts})",
    derivative={"a": "1"},
    operands=("a",),
    samples=[
        Sample(Array(3, 4), "ij->ji"),
        Sample(Array(3, 3), "ii->i"),
        Sample(Array(2, 3, 3), "...ii->i..."),
        Sample(Array(3, 4), "ij"),
        Sample(Array(3, 2), "ba"),
    ],
    bad=[Bad(ShapeError, "the operands must fit together", Array(3, 4), "ii->i")],
    linear="jointly",
    analytic=True,
)
def rearranged(a: Any, subscripts: str) -> Any:
    """Axes exchanged and diagonals taken, as the subscripts of `einsum` say; a view that can be written to."""
    return np.einsum(subscripts, a)


def _rearranged_rule(g: Any, a_shape: tuple[int, ...], subscripts: str) -> Any:
    return _einsum_rule(g, (None,), (a_shape,), subscripts)[0]


rearranged.vjp(a=lambda g, a_shape, subscripts: _rearranged_rule(g, a_shape, subscripts))


@registry.function(np.dot)
def dot(a: Any, b: Any) -> Any:
    """NumPy's `dot`: product with a number, matrix product, or sum over the last axis of a and the second last of b."""
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return a * b
    return matmul(a, b) if np.ndim(b) <= 2 else tensordot(a, b, axes=(-1, -2))


@registry.function(np.vdot)
def vdot(a: Any, b: Any) -> Any:
    """Sum of products of all elements."""
    return inner(np.reshape(a, -1), np.reshape(b, -1))


@registry.function(np.outer)
def outer(a: Any, b: Any) -> Any:
    """All products of an element of a and one of b, of shape (a.size, b.size)."""
    return np.reshape(a, (-1, 1)) * np.reshape(b, (1, -1))
