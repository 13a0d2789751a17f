"""Pictures of the computation graph.

`draw` reads the Node graph (`reading`, `modules`), cuts it into steps (`folding`) and finds those that repeat
(`rolling`, `structure`, `repetition`), puts them into words (`tensor_level`, `naming`, `variables`, `labels`, `values`)
as a `Picture` of plain text, writes that as DOT (`dot`, `columns`, `style`, `escape`), and hands it over as a
`Drawing`, which Graphviz lays out on demand (`rendering`, `fonts`). Other levels put the same graph into other words:
`scalar_level` (numbers by `evaluation`) and `backward_level` (rules by `rule_text`). A `Drawing` steps through its
computation (`animation`, `steps`). `influence` makes a `Drawing` of another kind from the same graph.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from autograd_core.drawing.drawing import Drawing
from autograd_core.drawing.errors import LevelError, RenderError
from autograd_core.drawing.influences.diagram import influence
from autograd_core.errors import ArgumentError, where

__all__ = ["Drawing", "LevelError", "RenderError", "draw", "influence"]

_LEVELS = ("tensor", "scalar", "backward")
_DIRECTIONS = ("LR", "TB", "RL", "BT")


def draw(
    t: Any,
    *,
    level: str = "tensor",
    values: bool = False,
    grads: bool = False,
    rankdir: str = "LR",
    fold: int | str | Collection[str] | None = None,
    roll: bool | None = None,
) -> Drawing:
    """Draw the computation graph behind a tensor.

    Variables are boxes with name, shape and dtype; operations are round, with their symbol, the output's shape and
    their static arguments; nn modules are frames around what ran in them, with path and class. A variable bears its own
    name (`name=`; a parameter that of its attribute), otherwise that of the caller's variable which holds it, otherwise
    x1, x2, … Drawing reads the graph and changes nothing: it works before and after a backward pass, and keeps nothing
    alive.

    Args:
        t: the output, or a list or tuple of outputs.
        level: "tensor", one vertex per variable and operation; "scalar", one per element, with its value and gradient,
            and the local derivative on every arrow (up to 400 elements); "backward", the gradients' own graph, with the
            rule of each operation and the sums where paths meet.
        values: also show values: up to 16 elements in full, beyond that mean ± standard deviation and a histogram
            between the least and the greatest element.
            Known are those of the leaves and of `t`, those recorded under `keep_values()`, and
            those that a gradient rule still keeps; others are left out.
        grads: also show gradients: `.grad` where a leaf or a retaining tensor has one, elsewhere the gradient of the
            sum of the outputs (∂out), computed for the picture from what is alive; where a backward pass has freed what
            it needs, a question mark. At level "backward", this and `values` both show the gradients of the sum of the
            outputs; level "scalar" always shows all.
        rankdir: direction of the computation: "LR" (left to right), "TB", "RL" or "BT".
        fold: at level "tensor", draw modules as one box each, with class, path, output shape, and the numbers of
            operations and parameters inside: those nested this deep (0: the outermost ones, 1: those in them, …), or
            those of the given dotted paths. A module that is called twice, with other operations in between, is two
            boxes.
        roll: at level "tensor", draw blocks of operations that repeat three times or more, each wired like the one
            before, once and with their number: a loop, or equal layers. What differs by repetition (the weights of each
            layer) is drawn once too, with the first and the last name. None: if there are more than 100 vertices, and
            neither values nor gradients are shown, which a repetition has none of.

    Returns:
        A `Drawing`: `.svg`, `.source` (DOT), `.save(path)`, `.animate(path)`; a notebook shows it.

    Raises:
        ArgumentError: `t` is not a Tensor or a non-empty sequence of them, `rankdir` is unknown, or `fold` is neither a
            depth nor a path of a module that ran; or level "scalar" is asked for complex or more than 400 elements.
        LevelError: the level is not available.
    """
    from autograd_core.drawing.columns import arrange
    from autograd_core.drawing.dot import write
    from autograd_core.drawing.tensor_level import tensor_level
    from autograd_core.drawing.variables import caller_variables

    if level not in _LEVELS:
        raise LevelError(
            f"draw: level must be one of the available ones, {_listed(_LEVELS)}, got {level!r}; "
            f'use level="tensor". {where("draw")}'
        )
    if rankdir not in _DIRECTIONS:
        raise ArgumentError(f"draw: rankdir must be one of {_listed(_DIRECTIONS)}, got {rankdir!r}. {where('draw')}")
    tensors = _tensors(t)
    if level == "scalar":
        from autograd_core.drawing.scalar_level import scalar_level

        picture = scalar_level(tensors, caller_variables())
    elif level == "backward":
        from autograd_core.drawing.backward_level import backward_level

        picture = backward_level(tensors, values=values or grads, variables=caller_variables())
    else:
        picture = tensor_level(tensors, values=values, grads=grads, variables=caller_variables(), fold=fold, roll=roll)
    columns = arrange(picture)
    return Drawing(write(picture, columns, rankdir), len(picture.vertices), columns.span, picture)


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
