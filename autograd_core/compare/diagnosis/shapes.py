"""Repairs of the layout: a sum that is missing or too much, axes exchanged, elements shifted."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from autograd_core.compare.diagnosis.case import Case

CLEAR = 1e3  # times the tolerance: elements beside the diagonal that are more than rounding
PROBES = 24  # elements of a diagonal that are computed


def sums(case: Case) -> Iterator[str]:
    """A sum or an average over axes that is missing, or that is too much."""
    shape, wanted = case.claimed[0].shape, case.true[0].shape
    if shape != wanted and [n for n in shape if n != 1] == [n for n in wanted if n != 1]:
        if case.fits((a.reshape(wanted) for a in case.claimed), case.true):
            yield f"shape {shape} in place of {wanted} (keepdims)"
        return
    for axes in all_axes(len(shape)):
        for word, reduce in (("summed", np.sum), ("averaged", np.mean)):
            for keep in (True, False):
                if case.fits((reduce(a, axis=axes, keepdims=keep) for a in case.claimed), case.true):
                    yield f"not {word} over {named(axes)}"
    for axes in all_axes(len(wanted)):
        if all(wanted[axis] == 1 for axis in axes):
            continue
        for word, reduce in (("summed", np.sum), ("averaged", np.mean)):
            for keep in (True, False):
                if shape == wanted and not keep:
                    continue
                short = [reduce(b, axis=axes, keepdims=keep) for b in case.true]
                if shape == wanted:  # the sum was spread over the axis again
                    short = [np.broadcast_to(b, wanted) for b in short]
                if case.fits(case.claimed, short):
                    yield f"{word} over {named(axes)} too much"


def all_axes(ndim: int) -> Iterator[tuple[int, ...]]:
    """Every choice of axes, the fewest first."""
    for count in range(1, min(ndim, 4) + 1):
        yield from itertools.combinations(range(ndim), count)


def named(axes: tuple[int, ...]) -> str:
    """Axes in words."""
    if len(axes) == 1:
        return f"axis {axes[0]}"
    return "axes " + " and ".join([", ".join(map(str, axes[:-1])), str(axes[-1])])


def transposes(case: Case) -> Iterator[str]:
    """Axes in another order."""
    yield from _transposes(case, 1.0)


def flipped_transposes(case: Case) -> Iterator[str]:
    """Axes in another order and the sign flipped."""
    yield from _transposes(case, -1.0)


def _transposes(case: Case, sign: float) -> Iterator[str]:
    ndim = case.claimed[0].ndim
    if ndim < 2 or ndim > 5:
        return
    k = case.output_ndim
    orders = [tuple(reversed(range(ndim)))]
    if k:  # a Jacobian in the other layout: input + output, or with its blocks transposed
        orders.insert(0, (*range(ndim - k, ndim), *range(ndim - k)))
    elif ndim > 2:
        orders += list(itertools.permutations(range(ndim)))
    for order in orders:
        if order == tuple(range(ndim)):
            continue
        text = "transposed" if order == orders[0] or k else f"transposed (axes order {order})"
        if case.fits((sign * a.transpose(order) for a in case.claimed), case.true):
            yield text if sign > 0 else f"{text} and sign flipped"
            return


def diagonals(case: Case) -> Iterator[str]:
    """The diagonal of the Jacobian in place of the whole: what y_i has of x_i only."""
    shape = case.true[0].shape[case.output_ndim :]
    if case.at.output.shape != shape or case.at.output.size < 2:
        return
    text = "the diagonal of the Jacobian only: the other elements are missing"
    size = case.at.output.size
    if case.output_ndim:
        whole = case.true[0].reshape(size, size)
        if case.fits([a.reshape(size, size) for a in case.claimed], [np.diag(np.diag(whole))]):
            yield text
        return
    with np.errstate(all="ignore"):
        diagonal = case.claimed[0] / case.draws[0]
    if not np.isfinite(diagonal).all() or not case.fits(case.claimed, [diagonal * ct for ct in case.draws]):
        return
    others = 0.0
    for i in range(0, size, max(1, size // PROBES)):
        unit = np.zeros(size)
        unit[i] = 1.0
        row = case.at.pullback(unit.reshape(shape))[case.target].ravel()
        scale = float(np.abs(row).max()) or 1.0
        if not abs(row[i] - diagonal.flat[i]) <= case.tolerance * scale:
            return
        others = max(others, float(np.abs(np.delete(row, i)).max()) / scale)
    if others > CLEAR * case.tolerance:
        yield text


def shifts(case: Case) -> Iterator[str]:
    """The right values one place beside, or in reverse."""
    for axis in range(case.claimed[0].ndim):
        if case.true[0].shape[axis] < 2:
            continue
        for step in (1, -1):
            if case.fits((np.roll(a, -step, axis) for a in case.claimed), case.true):
                yield f"shifted by {step} along axis {axis}"
                break
        else:
            if case.fits((np.flip(a, axis) for a in case.claimed), case.true):
                yield f"reversed along axis {axis}"
