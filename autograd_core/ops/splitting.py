"""Splitting an array along an axis: an operator of several outputs."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..operator import Array, Bad, Sample, op


@op(
    "view",
    symbol="split",
    latex=r"\operatorname{split}({a})",
    derivative={"a": "1"},
    operands=("a",),
    multiple=True,
    samples=[Sample(Array(6, 2), 3), Sample(Array(2, 5), [1, 3], axis=1)],
    bad=[Bad(ShapeError, "does not result in an equal division", Array(5), 2)],
    linear="jointly",
    analytic=True,
)
def split(a: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Parts of an array along an axis, as a tuple."""
    return tuple(np.split(a, indices_or_sections, axis=axis))


def _split_rule(g: Any, shape: tuple[int, ...], sections: Any, axis: int) -> list[Any]:
    """`g` has the cotangent of every part by its index; a part that nothing uses has none."""
    length = shape[axis]
    if np.ndim(sections) == 0:
        edges = [i * (length // int(sections)) for i in range(int(sections) + 1)]
    else:
        edges = [0, *(int(i) for i in sections), length]
    some = next(iter(g.values()))
    sizes = [b - a for a, b in itertools.pairwise(edges)]
    parts = [
        g[i] if i in g else np.zeros_like(some, shape=(*shape[:axis], size, *shape[axis % len(shape) + 1 :]))
        for i, size in enumerate(sizes)
    ]
    return [
        np.concatenate(
            [
                np.broadcast_to(p, (*shape[: axis % len(shape)], s, *shape[axis % len(shape) + 1 :]))
                for p, s in zip(parts, sizes, strict=True)
            ],
            axis=axis,
        )
    ]


split.vjp(lambda g, a_shape, indices_or_sections, axis: _split_rule(g, a_shape, indices_or_sections, axis))
