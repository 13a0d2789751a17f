"""Canonical form of `einsum`: a product and a sum, where BLAS would not do better."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..program import Call, Value, reshape, transpose
from .rewriting import Rewriter

__all__ = ["einsum"]

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def einsum(rewriter: Rewriter, call: Call, given: dict[str, Any]) -> bool:
    """Rewrites an einsum of one or two operands as multiply and reduce, unless it is a matrix product.

    It is one if labels are contracted and each operand has labels of its own in the output.
    """
    subscripts, *operands = call.args
    result = call.result
    if call.keywords.get("optimize", False) is not False or set(call.keywords) - {"optimize"}:
        return False
    if not isinstance(subscripts, str) or not 1 <= len(operands) <= 2:
        return False
    if not all(isinstance(x, Value) and x.dtype == result.dtype for x in operands):
        return False
    if result.dtype not in (np.float32, np.float64):
        return False
    spelled = spelled_out(subscripts, [x.shape for x in operands])
    if spelled is None:
        return False
    terms, out = spelled
    if any(len(set(term)) < len(term) for term in terms):
        return False  # diagonals
    letters = set("".join(terms))
    summed = letters - set(out)
    if len(terms) == 2 and summed:
        own = [any(c in out and c not in other for c in term) for term, other in (terms, terms[::-1])]
        if all(own) and summed & set(terms[0]) & set(terms[1]):
            return False
    # Axes stay in the order of an operand that has them all, so that nothing is moved in memory before the sum.
    labels = next((term for term in terms if set(term) == letters), None) if summed else out
    if labels is None:
        return False  # the product would be larger than either operand
    values = [_aligned(rewriter, x, term, labels) for x, term in zip(operands, terms, strict=True)]
    axes = tuple(i for i, c in enumerate(labels) if c in summed)
    if not axes:
        if len(values) == 2:
            rewriter.ufunc(np.multiply, *values, result=result)
        elif values[0] is operands[0]:
            rewriter.replace(result, values[0])
        else:
            rewriter.view(transpose, operands[0], tuple(terms[0].index(c) for c in out), result)
        return True
    whole = values[0] if len(values) == 1 else rewriter.ufunc(np.multiply, *values)
    kept = [c for c in labels if c in out]
    order = tuple(kept.index(c) for c in out)
    if order == tuple(range(len(kept))):
        rewriter.reduce(np.add, whole, axes, False, result)
    else:
        total = rewriter.reduce(np.add, whole, axes, False)
        rewriter.view(transpose, total, order, result)
    return True


def spelled_out(subscripts: str, shapes: list[tuple[int, ...]]) -> tuple[list[str], str] | None:
    """Each operand's labels and the output's, with ellipses replaced by free letters; None if they do not fit."""
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        return None
    free = [c for c in _LETTERS if c not in subscripts]
    ranks = [len(s) - len(t.replace("...", "")) for t, s in zip(terms, shapes, strict=True)]
    if any(r < 0 or (r and "..." not in t) for r, t in zip(ranks, terms, strict=True)):
        return None
    dots = "".join(free[: max(ranks, default=0)])
    spelled = [t.replace("...", dots[len(dots) - r :] if r else "") for t, r in zip(terms, ranks, strict=True)]
    if arrow:
        return spelled, right.replace("...", dots)
    letters = "".join(terms).replace(".", "")
    return spelled, dots + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))


def _aligned(rewriter: Rewriter, x: Value, term: str, labels: str) -> Value:
    """`x` with its axes in the order of `labels`, and axes of length 1 for those that it lacks."""
    order = sorted(range(len(term)), key=lambda i: labels.index(term[i]))
    if order != list(range(len(order))):
        x = rewriter.view(transpose, x, tuple(order), Value(tuple(x.shape[i] for i in order), x.dtype))
    lengths = iter(x.shape)
    shape = tuple(next(lengths) if c in term else 1 for c in labels)
    if shape != x.shape:
        x = rewriter.view(reshape, x, shape, Value(shape, x.dtype))
    return x
