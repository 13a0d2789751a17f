"""Recomputing a function in the backward pass instead of keeping its intermediate values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..containers import LEAF, Structure, flatten, is_leaf
from ..context import current, is_grad_enabled, replaying
from ..node import Node, next_number
from ..operator import opaque
from ..ops.shape import identity
from ..sweep import sweep
from ..tensor import Tensor, entry_of
from .tracing import outer_entries

__all__ = ["checkpoint"]


def checkpoint(f: Callable[..., Any], *args: Any) -> Any:
    """`f(*args)`, keeping only the arguments: backward computes it again.

    Random draws are replayed with the same bits, and running statistics move once, in the first computation. Gradients
    reach the arguments and every parameter or outer tensor that `f` uses. Arguments and output may be nested containers
    of tensors; what is no tensor passes unchanged.
    """
    from .. import random

    if not is_grad_enabled() or current().trace is not None:  # what a program keeps is not the tape's business
        return f(*args)
    state = random.get_state()
    floor = next_number()
    leaves, structure = flatten(args)
    inputs = [_alias(a) for a in leaves]
    out = f(*structure.build(inputs))
    packing = _Packing(out)
    if not packing.moving:
        return out
    packed = packing.pack(out)
    outer = outer_entries(packed, floor, inputs)
    call = _Call(f, leaves, structure, packing, outer, state, packed.data)
    del out, inputs, packed
    return packing.unpack(_checkpointed([*(a for a in leaves if isinstance(a, Tensor)), *map(_stand_in, outer)], call))


class _Call:
    """What a recorded call needs to be computed again: the static argument of one operator for all of them.

    Only the Node holds it, and it does not hold the Node: no cycle keeps the arguments alive.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        leaves: list[Any],
        structure: Structure,
        packing: _Packing,
        outer: list[Any],
        state: Any,
        value: Any,
    ) -> None:
        self.f, self.leaves, self.structure, self.packing = f, leaves, structure, packing
        self.outer, self.state = outer, state
        self.__name__ = getattr(f, "__name__", type(f).__name__)  # for pictures
        self.value = [value]  # taken once: the value and its graph must not live as long as this does

    def pull(self, g: Any) -> list[Any]:
        """Cotangents of the arguments that are tensors, and of the outer entries."""
        from .. import random

        create = isinstance(g, Tensor)
        now = random.get_state()
        random.set_state(self.state)
        try:
            with replaying():
                # Recorded, the gradient must depend on the arguments themselves; otherwise the tape ends in new leaves.
                fresh = [identity(a) if create and _in_graph(a) else _alias(a) for a in self.leaves]
                again = self.packing.pack(self.f(*self.structure.build(fresh)))
        finally:
            random.set_state(now)
        wanted = [entry_of(t) for t in fresh if isinstance(t, Tensor)] + self.outer
        root = entry_of(again)
        if isinstance(root, Node):
            targets = {id(e): e for e in wanted if e is not None}
            found = sweep([(root, g)], create=create, retain=create, targets=targets)
        else:
            found = {id(root): (root, g)}
        return [found[id(e)][1] if id(e) in found else None for e in wanted]


_checkpointed = opaque(lambda operands, function=None: function.value.pop(), "checkpoint")
# The rule keeps the operands, so that their versions are checked.
_checkpointed.vjp(lambda g, operands, function: function.pull(g))


class _Packing:
    """An output as one tensor: itself, or the elements of all leaves that need a gradient, one after the other."""

    def __init__(self, out: Any) -> None:
        leaves, self.structure = ([out], LEAF) if is_leaf(out) else flatten(out)
        self.moving = [i for i, x in enumerate(leaves) if isinstance(x, Tensor) and x.requires_grad]
        self.constants = [None if i in self.moving else x for i, x in enumerate(leaves)]
        self.shapes: list[tuple[int, ...]] = [leaves[i].shape for i in self.moving]
        self.dtypes = [leaves[i].dtype for i in self.moving]
        self.sizes = [leaves[i].size for i in self.moving]

    def pack(self, out: Any) -> Tensor:
        if self.structure is LEAF:
            return out  # type: ignore[no-any-return]
        leaves = _leaves(self.structure, out)
        dtype = np.result_type(*self.dtypes)
        parts = [np.reshape(leaves[i], -1) for i in self.moving]
        return np.concatenate([p if p.dtype == dtype else p.astype(dtype) for p in parts])  # type: ignore[return-value]

    def unpack(self, packed: Tensor) -> Any:
        if self.structure is LEAF:
            return packed
        leaves: list[Any] = list(self.constants)
        start = 0
        for i, shape, dtype, size in zip(self.moving, self.shapes, self.dtypes, self.sizes, strict=True):
            part = np.reshape(packed[start : start + size], shape)
            leaves[i] = part if part.dtype == dtype else part.astype(dtype)
            start += size
        return self.structure.build(leaves)


def _leaves(structure: Structure, out: Any) -> Sequence[Any]:
    return structure.leaves_of(out, "checkpoint", "output", "")


def _in_graph(a: Any) -> bool:
    return isinstance(a, Tensor) and a.requires_grad


def _alias(a: Any) -> Any:
    """A leaf with the same array, so that the first computation's tape ends here."""
    return Tensor(a.data, requires_grad=True) if _in_graph(a) else a


def _stand_in(entry: Any) -> Tensor:
    """A tensor that stands for an entry of the tape as an operand; its value is not used."""
    if isinstance(entry, Tensor):
        return entry
    t = Tensor(np.zeros((), dtype=entry.dtype))
    t._node = entry
    return t
