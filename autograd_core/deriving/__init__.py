"""The backward pass as mathematics: `derivation` reads the chain rule off the tape.

- `tape`        values, symbols and formulas of the Nodes, and one step back through each
- `tracing`     arrays that remember how they were computed; their elements as expressions
- `terms`, `structure`   expressions in index notation, products and sums in normal form
- `evaluating`  expressions as numbers, so that every line is checked
- `printing`, `naming`   LaTeX and plain text
- `equations`, `checking`, `lines`   the sweep, the error of every line, and what the user sees, in four sections

Operators and gradient rules are NumPy expressions; run on traced arrays they become formulas. No formula is written
twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from autograd_core.errors import ArgumentError, GraphError, where

if TYPE_CHECKING:
    from autograd_core.deriving.lines import Derivation

__all__ = ["derivation"]


def derivation(out: Any, wrt: Any) -> Derivation:
    r"""The gradients of `out` as mathematics: the chain rule read off the tape, line by line.

    Four sections, in index notation, where :math:`L` is `out` if it is one number, else any number computed from it:

    - *Forward*: one line per recorded operation;
    - *Backward, one operation at a time*: :math:`\partial L / \partial x` of each value, one term per operation that
      read it, with the local derivative; where it was broadcast, with the sum over those axes;
    - *Collected by name*: the same in terms of named values only (leaves, `tag`), one term per path between them;
    - *All together*: the gradients of `wrt` in terms of :math:`\partial L / \partial` `out`. Left out is what cancels,
      such as a sum of deviations from their mean; the last line says what.

    Every line is evaluated and compared with the tape when the derivation is made. A line that depends on a value that
    the tape has lost is marked as not checked, and the legend says why: a constant that no rule keeps, outside of
    `keep_values()`; a leaf that was changed since; a checkpoint, whose function is not run again. Reading changes
    nothing: no `.grad` is written, and the graph can still be run backward.

    Args:
        out: a Tensor that was computed from `wrt`.
        wrt: a Tensor, or a list or tuple of them: leaves or intermediate values.

    Returns:
        A `Derivation`: `.latex`, `.lines`, `str()`; a notebook shows it.

    Raises:
        ArgumentError: `out` or `wrt` is no Tensor, or `wrt` is empty.
        GraphError: `out` was not computed from one of `wrt`, or not recorded.
        VersionError: what a rule has kept was written to.
        FreedGraphError: a backward pass has freed the graph; derive before it, or give it `retain_graph=True`.
    """
    from autograd_core.deriving.equations import derive
    from autograd_core.tensor import Tensor

    targets = list(wrt) if isinstance(wrt, list | tuple) else [wrt]
    wrong = [type(t).__name__ for t in (out, *targets) if not isinstance(t, Tensor)]
    if wrong or not targets:
        came = f"one of type {wrong[0]}" if wrong else "an empty sequence for wrt"
        raise ArgumentError(
            f"derivation: out must be a Tensor and wrt a Tensor or a non-empty list of Tensors, got {came}; pass the "
            f"result of operations on Tensors, and the Tensors whose gradients are asked for. {where('derivation')}"
        )
    if not out.requires_grad or out._node is None:
        raise GraphError(
            f"derivation: out must be the result of recorded operations, got a Tensor of shape {out.shape} that "
            f"{'is a leaf' if out.requires_grad else 'needs no gradient'}; set requires_grad=True on the inputs and "
            f"compute it outside of no_grad. {where('derivation')}"
        )
    missing = _unreached(out, targets)
    if missing is not None:
        name = f" named {missing.name!r}" if missing.name is not None else ""
        raise GraphError(
            f"derivation: out must have been computed from each Tensor of wrt, but not from one{name} of shape "
            f"{missing.shape}; take a Tensor with requires_grad=True that went into it. {where('derivation')}"
        )
    return derive(out, targets)


def _unreached(out: Any, targets: Sequence[Any]) -> Any:
    """The first target that `out` was not computed from, or None."""
    from autograd_core.node import Node

    wanted = {id(t if t._node is None else t._node) for t in targets}
    seen: set[int] = set()
    waiting: list[Any] = [out._node]
    while waiting:
        item = waiting.pop()
        if id(item) not in seen:
            seen.add(id(item))
            waiting += item.parents if isinstance(item, Node) else ()
    lost = [t for t in targets if id(t if t._node is None else t._node) not in seen & wanted]
    return lost[0] if lost else None
