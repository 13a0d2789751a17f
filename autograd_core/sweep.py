"""The backward sweep: iterative, over the Nodes in reverse order of recording.

A cotangent may be smaller than its Node's output: it stands for its broadcast.
"""

from __future__ import annotations

import math
import sys
from functools import lru_cache
from heapq import heappop, heappush
from typing import Any

import numpy as np

from .batching import Batched
from .context import STATE, current
from .errors import FreedGraphError, GraphError, NonFiniteError, ShapeError, VersionError, where
from .monomials import GENERAL, ONE_KEPT, ONLY_G, TWO_KEPT
from .node import Node
from .tensor import Tensor
from .unbroadcast import Product, unbroadcast

__all__ = ["as_tensors", "changed", "fetch", "hooked", "joint_slots", "shape_of", "sweep"]

_SMALL = 4096  # elements
_IN_PLACE_BYTES = 32768  # below this an allocation costs less than asking who holds the array


def sweep(
    roots: list[tuple[Node, Any]],
    *,
    retain: bool = False,
    create: bool = False,
    targets: dict[int, Any] | None = None,
    floor: int = 0,
    retained: list[tuple[Tensor, Tensor]] | None = None,
) -> dict[int, tuple[Any, Any]]:
    """Propagates cotangents from `roots` to the leaves.

    Args:
        roots: Nodes with their cotangents.
        retain: keep what the rules need for another sweep.
        create: cotangents and kept arrays are Tensors; the sweep is recorded.
        targets: ids of leaves and Nodes whose cotangents are wanted; None wants all leaves.
        floor: Nodes recorded before this number lead to no target.
        retained: takes (tensor, gradient) of the intermediate tensors that asked for theirs.

    Returns:
        By id: (the leaf Tensor or target Node, its cotangent).
    """
    sums: dict[int, Any] = {}  # cotangents of leaves and targets, by id
    owners: dict[int, Any] = {}
    pending: dict[Node, Any] = {}  # cotangents of Nodes that wait in the heap
    heap: list[tuple[int, Node]] = []
    state = current()
    token = STATE.set(state.but(record=True) if create else state.unrecorded()) if state.record != create else None
    anomaly = state.anomaly
    try:
        for root, cotangent in roots:
            if root in pending:
                pending[root] = pending[root] + cotangent
            else:
                pending[root] = cotangent
                heappush(heap, (-root.number, root))
        del roots
        cotangent = None
        upcoming: Any = None  # in a chain the next Node is known: it need not go through the heap
        g: Any = None
        while True:
            if upcoming is not None and (not heap or -heap[0][0] < upcoming.number):
                node = upcoming
            else:
                if upcoming is not None:
                    pending[upcoming] = g
                    heappush(heap, (-upcoming.number, upcoming))
                if not heap:
                    break
                node = heappop(heap)[1]
                g = pending.pop(node)
            upcoming = None
            if node.extra is not None:
                g = attend(node, g, create, retained)
            if targets is not None and id(node) in targets:
                sums[id(node)] = g
                owners[id(node)] = node
                continue
            kept = node.kept
            if kept is None:
                raise freed(node)
            plan = node.plan
            parents = node.parents
            number = node.number
            for i in plan.guard:
                version = parents[i].version
                if version is not None and version.last > number:
                    raise changed(node, i, version)
            if plan.guard_out and node.version is not None and node.version.last > number:
                raise changed(node, -1, node.version)
            if create:
                kept = as_tensors(node, kept, g)
            shape = node.shape
            dtype = node.dtype
            elementwise = plan.elementwise
            slots = plan.slots
            if not elementwise:
                if not plan.op.multiple and g.shape != shape:
                    g = expanded(g, shape)
                if plan.joint is not None:
                    slots = joint_slots(plan, node, g, kept)
            below: Any = None
            for i, rule, mode, sources in slots:
                parent = parents[i]
                if type(parent) is Node:
                    if parent.number < floor:
                        continue
                    target = parent.shape
                    wanted = parent.dtype
                else:
                    if targets is not None and id(parent) not in targets:
                        continue
                    data = parent._buffer
                    target = data.shape
                    wanted = data.dtype
                if elementwise and target != shape:
                    monomial = plan.monomials[i]
                    if monomial is None:
                        h = rule(Product((g,)), *fetch(node, kept, mode, sources))
                    else:
                        h = times(g, monomial, kept)
                    h = unbroadcast(h, shape, target)
                elif mode == ONLY_G:
                    h = rule(g)
                elif mode == ONE_KEPT:
                    h = rule(g, kept[sources])
                else:
                    h = rule(g, *fetch(node, kept, mode, sources))
                if wanted is not dtype and wanted != h.dtype:
                    h = h.astype(wanted)
                if anomaly:
                    check_finite(node, h)
                if type(parent) is Node:
                    if parent is upcoming:
                        below, old = None, below
                        below = accumulate(old, h)
                        del old
                    elif parent in pending:
                        if parent.plan.op.multiple:
                            into_tuple(parent, node, h, pending)
                        else:
                            old = pending[parent]
                            pending[parent] = None  # so that accumulate can tell who holds the array
                            pending[parent] = accumulate(old, h)
                            del old
                    elif parent.plan.op.multiple:
                        into_tuple(parent, node, h, pending)
                        heappush(heap, (-parent.number, parent))
                    elif upcoming is None:
                        upcoming = parent
                        below = h
                    else:
                        pending[parent] = h
                        heappush(heap, (-parent.number, parent))
                else:
                    key = id(parent)
                    if key in sums:
                        old = sums[key]
                        if type(old) is np.ndarray and old.size <= _SMALL:
                            sums[key] = old + h
                        else:
                            sums[key] = None  # so that accumulate can tell who holds the array
                            sums[key] = accumulate(old, h)
                        del old
                    else:
                        sums[key] = h
                        owners[key] = parent
                h = None
            g = below
            if not retain:
                node.kept = kept = None  # also here, or it would live through the next operation
    finally:
        if token is not None:
            STATE.reset(token)
    found = {}
    while sums:
        key, total = sums.popitem()
        found[key] = (owners[key], total)
        del total
    return found


def times(g: Any, monomial: tuple[tuple[int, ...], tuple[int, ...], float], kept: tuple[Any, ...]) -> Product:
    """A monomial rule's result, not formed."""
    factors, divisors, scale = monomial
    more, by = tuple([kept[j] for j in factors]), tuple([kept[j] for j in divisors])
    return Product((g, *more), by, scale)


def expanded(g: Any, shape: tuple[int, ...]) -> Any:
    """A cotangent that stands for its broadcast, in full."""
    if isinstance(g, np.ndarray | np.generic) and math.prod(shape) <= _SMALL:  # making a view costs more than this copy
        full = np.empty(shape, dtype=g.dtype)
        full[...] = g
        return full
    return np.broadcast_to(g, shape)


def fetch(node: Node, kept: tuple[Any, ...], mode: int, sources: Any) -> list[Any]:
    """The arguments of a rule after `g`."""
    if mode == ONE_KEPT:
        return [kept[sources]]
    if mode == TWO_KEPT:
        return [kept[sources[0]], kept[sources[1]]]
    if mode == ONLY_G:
        return []
    out: list[Any] = []
    for kind, source in sources:
        if kind == "kept":
            out.append(kept[source])
        elif kind == "static":
            out.append(node.statics[source] if node.statics is not None else None)
        elif kind == "shape":
            out.append(shape_of(node.parents[source]))
        elif kind == "out_shape":
            out.append(node.shape)
        elif kind == "shapes":
            out.append(tuple(shape_of(p) for p in node.parents))
        else:  # all operands of a variadic operator
            out.append(kept[: len(node.parents)])
    return out


def shape_of(parent: Any) -> tuple[int, ...]:
    """The shape of an operand from its entry among a Node's parents."""
    return getattr(parent, "shape", ())


def joint_slots(plan: Any, node: Node, g: Any, kept: tuple[Any, ...]) -> list[tuple[int, Any, int, Any]]:
    """Runs a rule that answers for all operands, and hands its answers on as one rule each."""
    rule, sources = plan.joint
    if not plan.op.multiple and g.shape != node.shape:
        g = np.broadcast_to(g, node.shape)
    answers = rule(g, *fetch(node, kept, GENERAL, sources))
    if len(answers) != len(node.parents):
        raise GraphError(
            f"{node.op.name}: a rule for all operands must return a gradient (or None) for each of the "
            f"{len(node.parents)}, got {len(answers)}; correct the rule. {where(node.op.name)}"
        )

    def answer(h: Any) -> Any:
        return lambda g: h

    return [(i, answer(h), ONLY_G, None) for i, h in enumerate(answers) if plan.mask >> i & 1 and h is not None]


def into_tuple(parent: Node, node: Node, h: Any, pending: dict[Node, Any]) -> None:
    """Adds the cotangent of one output to those of an operator with several."""
    parts = pending.setdefault(parent, {})
    assert node.statics is not None
    index = node.statics["index"]
    parts[index] = h if index not in parts else parts[index] + h


def accumulate(old: Any, new: Any) -> Any:
    """Old + new, into one of the two arrays where nobody else holds it."""
    if type(old) is np.ndarray and old.nbytes >= _IN_PLACE_BYTES and type(new) is np.ndarray:
        if old.dtype == new.dtype:
            if sys.getrefcount(old) <= _HELD and old.flags.owndata and fits(new.shape, old.shape):
                return np.add(old, new, out=old)
            if old.shape == new.shape and sys.getrefcount(new) <= _HELD and new.flags.owndata:
                return np.add(old, new, out=new)
        return old + new
    return old + new


@lru_cache(maxsize=4096)
def fits(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    """Whether `small` broadcasts to `large`."""
    return small == large or np.broadcast_shapes(small, large) == large


def _held() -> int:
    """What `sys.getrefcount` says inside a function of an argument that only one variable of the caller holds."""

    def probe(array: Any, other: Any) -> int:
        return sys.getrefcount(array)

    array = np.empty(1)
    return probe(array, array) - 1


_HELD = _held()


def as_tensors(node: Node, kept: tuple[Any, ...], g: Any) -> tuple[Any, ...]:
    """The kept arrays as Tensors in their places in the graph, so that the rules are recorded.

    If `g`, which they will be used with, is a batch, those from before it enter it.
    """
    out = []
    for position, array in zip(node.plan.keep, kept, strict=True):
        parent = node if position < 0 else node.parents[position]
        if type(parent) is Node:
            t = Tensor(array)
            t._node = parent
            out.append(t)
        elif isinstance(parent, Tensor):
            out.append(parent)
        else:
            out.append(array)
    some = next(iter(g.values()), None) if type(g) is dict else g
    if isinstance(some, Tensor) and isinstance(some._buffer, Batched):
        return entered(out, some)
    return tuple(out)


def entered(tensors: list[Any], batch: Tensor) -> tuple[Any, ...]:
    """Those of the tensors that were recorded before a batch, as they are to its members."""
    from .batching_operators import entering, lowest_level, recorded_before

    place = lowest_level(batch)
    assert place is not None
    level, count = place
    start = recorded_before(level)
    return tuple(
        entering(t, level=level, count=count)
        if isinstance(t, Tensor) and t.requires_grad and (t._node is None or t._node.number < start)
        else t
        for t in tensors
    )


def attend(node: Node, g: Any, create: bool, retained: list[tuple[Tensor, Tensor]] | None) -> Any:
    """Hooks and retained gradients of an intermediate value."""
    extra = node.extra
    assert extra is not None
    if extra.hooks is None and extra.retain is None:
        return g
    if g.shape != node.shape:
        g = np.broadcast_to(g, node.shape)
    for hook in list((extra.hooks or {}).values()):
        changed = hooked(hook, g if isinstance(g, Tensor) else Tensor(g), node.shape, node.dtype)
        g = changed if create else changed._buffer
    holder = extra.retain() if extra.retain is not None else None
    if holder is not None:
        total = g if isinstance(g, Tensor) else Tensor(np.copy(g))
        extra.grad = total._buffer
        if retained is not None:
            retained.append((holder, total if holder._grad is None else holder._grad + total))
    return g


def hooked(hook: Any, gradient: Tensor, shape: tuple[int, ...], dtype: Any) -> Tensor:
    """What a hook makes of a gradient: the same where it returns None, otherwise a gradient of the same shape."""
    answer = hook(gradient)
    if answer is None:
        return gradient
    new = answer if isinstance(answer, Tensor) else Tensor(answer)
    if new.shape != shape:
        raise ShapeError(
            f"register_hook: a hook must return a gradient of its tensor's shape {shape}, or None to leave it as it "
            f"is, got {new.shape}; np.broadcast_to or reshape it. {where('register_hook')}"
        )
    return new if new.dtype == dtype else new.astype(dtype)


# -- errors ---------------------------------------------------------------------------------------------------------


def freed(node: Node) -> FreedGraphError:
    return FreedGraphError(
        f"backward: a graph can be run once, since its kept arrays are freed as they are used; {node.op.name} of "
        f"shape {node.shape} has been freed by an earlier backward. Give that one retain_graph=True, or compute the "
        f"forward pass again. {where('backward')}"
    )


def changed(node: Node, operand: int, version: Any, by: str = "backward") -> VersionError:
    """The complaint that a kept array was written to; the operand is -1 for the output."""
    what = "output" if operand < 0 else f"operand {node.op.parameters[operand] if not node.op.variadic else operand!r}"
    source = f" (recorded at {node.extra.source})" if node.extra is not None and node.extra.source else ""
    return VersionError(
        f"{by}: the {what} of {node.op.name}, shape {node.shape}{source}, must still have the value that its "
        f"gradient rule kept, but {version.writer} changed it afterwards; write into a copy, or call backward first. "
        f"{where(by)}"
    )


def check_finite(node: Node, h: Any) -> None:
    data = h._buffer if isinstance(h, Tensor) else h
    if data.dtype.kind in "fc" and not np.all(np.isfinite(data)):
        from .engine import describe_non_finite

        source = node.extra.source if node.extra is not None else None
        raise NonFiniteError(
            f"{node.op.name} (backward): gradients must be finite in anomaly mode, got {describe_non_finite(data)} in "
            f"a gradient of shape {data.shape}; the operation was recorded at "
            f"{source or 'an unknown line (outside anomaly mode)'}. {where(node.op.name)}"
        )
