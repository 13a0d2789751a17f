"""Pictures of the computation graph.

`draw` reads the Node graph (`reading`), puts it into words (`tensor_level`, `labels`, `values`) as
a `Picture` of plain text, writes that as DOT (`dot`, `columns`, `style`, `escape`), and hands it over as a
`Drawing`, which Graphviz lays out on demand (`rendering`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autograd_core.drawing.drawing import Drawing
from autograd_core.drawing.errors import LevelError, RenderError
from autograd_core.errors import ArgumentError, where

__all__ = ["Drawing", "LevelError", "RenderError", "draw"]

_LEVELS = ("tensor",)
_DIRECTIONS = ("LR", "TB", "RL", "BT")


def draw(
    t: Any,
    *,
    level: str = "tensor",
    values: bool = False,
    grads: bool = False,
    rankdir: str = "LR",
) -> Drawing:
    """Draw the computation graph behind a tensor.

    Variables are boxes with name, shape and dtype; operations are round, with their symbol, the
    output's shape and their static arguments; nn modules are frames around what ran in them.
    Drawing reads the graph and changes nothing: it works before and after a backward pass, and
    keeps nothing alive.

    Args:
        t: the output, or a list or tuple of outputs.
        level: the detail; so far "tensor", one vertex per variable and operation.
        values: also show values: up to 16 elements in full, beyond that mean ± standard deviation.
            Known are those of the leaves and of `t`, those recorded under `keep_values()`, and
            those that a gradient rule still keeps; others are left out.
        grads: also show `.grad` of the leaves and of intermediate tensors that retained theirs.
        rankdir: direction of the computation: "LR" (left to right), "TB", "RL" or "BT".

    Returns:
        A `Drawing`: `.svg`, `.source` (DOT), `.save(path)`; a notebook shows it.

    Raises:
        ArgumentError: `t` is not a Tensor or a non-empty sequence of them, or `rankdir` is unknown.
        LevelError: the level is not available.
    """
    from autograd_core.drawing.columns import arrange
    from autograd_core.drawing.dot import write
    from autograd_core.drawing.tensor_level import tensor_level

    if level not in _LEVELS:
        raise LevelError(
            f"draw: level must be one of the available ones, {_listed(_LEVELS)}, got {level!r}; "
            f'use level="tensor". {where("draw")}'
        )
    if rankdir not in _DIRECTIONS:
        raise ArgumentError(f"draw: rankdir must be one of {_listed(_DIRECTIONS)}, got {rankdir!r}. {where('draw')}")
    picture = tensor_level(_tensors(t), values=values, grads=grads)
    columns = arrange(picture)
    return Drawing(write(picture, columns, rankdir), len(picture.vertices), columns.span)


def _tensors(t: Any) -> Sequence[Any]:
    from autograd_core.tensor import Tensor

    tensors = list(t) if isinstance(t, list | tuple) else [t]
    wrong = [type(item).__name__ for item in tensors if not isinstance(item, Tensor)]
    if wrong or not tensors:
        came = f"one of type {wrong[0]}" if wrong else "an empty sequence"
        raise ArgumentError(
            f"draw: t must be a Tensor or a non-empty list or tuple of Tensors, got {came}; "
            f"draw a result of operations on Tensors. {where('draw')}"
        )
    return tensors


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
