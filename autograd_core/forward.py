"""Forward mode: a second reader of the tape, in the order of recording.

An elementwise VJP is its own JVP, since its Jacobian is diagonal. A linear operator's JVP is the operator. Any other
VJP is linear in its cotangent, so that its own transpose is the JVP: the rule is recorded with a cotangent of zeros and
differentiated.
"""

from __future__ import annotations

from heapq import heapify, heappop
from typing import Any

import numpy as np

from .context import STATE, current
from .errors import GraphError, where
from .monomials import ONLY_G
from .node import Node
from .sweep import as_tensors, changed, fetch, joint_slots, shape_of, sweep
from .tensor import Tensor, entry_of

__all__ = ["push"]


def push(out: Tensor, tangents: dict[int, Any], floor: int = 0) -> Any:
    """The tangent of `out` given the tangents of leaves and Nodes by id; None if none reaches it.

    Args:
        out: a recorded result, whose graph still keeps its arrays.
        tangents: id of a leaf Tensor or Node -> its tangent (arrays, or Tensors to record the sweep).
        floor: Nodes recorded before this number cannot depend on an input.
    """
    entry = entry_of(out)
    if entry is None:
        return None
    if id(entry) in tangents:
        return tangents[id(entry)]
    create = any(isinstance(t, Tensor) for t in tangents.values())
    known: dict[int, Any] = dict(tangents)
    order = reachable(entry, known, floor)
    while order:
        node = heappop(order)[1]
        if id(node) in tangents:
            continue
        known[id(node)] = tangent_of(node, known, create)
    return known[id(entry)]


def reachable(root: Any, known: dict[int, Any], floor: int) -> list[tuple[int, Node]]:
    """All Nodes below `root` that were recorded from `floor` on, as a heap by recording number."""
    if not isinstance(root, Node):
        return []
    seen = {id(root)}
    stack = [root]
    heap = []
    while stack:
        node = stack.pop()
        heap.append((node.number, node))
        if id(node) in known:
            continue
        for parent in node.parents:
            if type(parent) is Node and parent.number >= floor and id(parent) not in seen:
                seen.add(id(parent))
                stack.append(parent)
    heapify(heap)
    return heap


def tangent_of(node: Node, known: dict[int, Any], create: bool) -> Any:
    """One operator's JVP."""
    plan, op = node.plan, node.plan.op
    if op.name == "pick":
        parts = known.get(id(node.parents[0]))
        assert node.statics is not None
        return None if parts is None else parts[node.statics["index"]]
    moving = [i for i, p in enumerate(node.parents) if plan.mask >> i & 1 and known.get(id(p)) is not None]
    if not moving:
        return None
    kept = node.kept
    if kept is None:
        raise GraphError(
            f"jvp: the graph must still keep its arrays, but {op.name} has been freed by a backward pass. "
            f"{where('jvp')}"
        )
    for i in plan.guard:
        version = node.parents[i].version
        if version is not None and version.last > node.number:
            raise changed(node, i, version, "jvp")
    if plan.guard_out and node.version is not None and node.version.last > node.number:
        raise changed(node, -1, node.version, "jvp")
    if create:
        kept = as_tensors(node, kept, known[id(node.parents[moving[0]])])
    state = current()
    token = STATE.set(state.but(record=create)) if state.record != create else None
    try:
        vectors = {i: known[id(node.parents[i])] for i in moving}
        if op.linear == "jointly":
            total = jointly(node, vectors)
        elif op.linear == "each" and op.joint is None:
            total = each(node, kept, vectors)
        elif plan.elementwise:
            total = elementwise(node, kept, vectors)
        else:
            total = transposed(node, kept, vectors, create)
        if not op.multiple:
            if total.shape != node.shape:
                total = np.broadcast_to(total, node.shape)
            if total.dtype != node.dtype:
                total = total.astype(node.dtype)
        return total
    finally:
        if token is not None:
            STATE.reset(token)


def elementwise(node: Node, kept: tuple[Any, ...], vectors: dict[int, Any]) -> Any:
    total: Any = None
    for i, rule, mode, sources in node.plan.slots:
        if i in vectors:
            part = rule(vectors[i]) if mode == ONLY_G else rule(vectors[i], *fetch(node, kept, mode, sources))
            total = part if total is None else total + part
    return total


def jointly(node: Node, vectors: dict[int, Any]) -> Any:
    """The operator itself on the tangents, with zeros where an operand does not move."""
    some = next(iter(vectors.values()))
    op = node.plan.op
    operands = [
        vectors[i] if i in vectors else np.zeros_like(some, shape=shape_of(p)) for i, p in enumerate(node.parents)
    ]
    statics = {k: v for k, v in (node.statics or {}).items() if k != "dtype" or op.name == "astype"}
    if op.variadic:
        return op(**{op.variadic: operands}, **statics)
    return op(**dict(zip(op.parameters, operands, strict=True)), **statics)


def each(node: Node, kept: tuple[Any, ...], vectors: dict[int, Any]) -> Any:
    """An operator that is linear in each operand: the sum over the operands that move, the others held."""
    op = node.plan.op
    place = {index: j for j, index in enumerate(node.plan.keep)}
    total: Any = None
    for i, vector in vectors.items():
        operands = [vector if j == i else kept[place[j]] for j in range(len(node.parents))]
        part = op(*operands, **(node.statics or {}))
        total = part if total is None else total + part
    return total


def transposed(node: Node, kept: tuple[Any, ...], vectors: dict[int, Any], create: bool) -> Any:
    """The VJP, recorded with a cotangent of zeros and differentiated in it; of several outputs, with one for each."""
    plan = node.plan
    if plan.op.multiple:
        return transposed_each(node, kept, vectors, create)
    with_record = STATE.set(current().but(record=True))
    try:
        zeros = np.zeros(node.shape, dtype=node.dtype)
        g = Tensor(zeros, requires_grad=True)
        slots = joint_slots(plan, node, g, kept) if plan.joint is not None else plan.slots
        roots: list[tuple[Node, Any]] = []
        direct: Any = None
        for i, rule, mode, sources in slots:
            if i not in vectors:
                continue
            answer = rule(g) if mode == ONLY_G else rule(g, *fetch(node, kept, mode, sources))
            shape = shape_of(node.parents[i])
            if answer.shape != shape:
                answer = np.broadcast_to(answer, shape)
            if answer is g:
                direct = vectors[i]
            elif answer._node is not None:
                roots.append((answer._node, vectors[i]))
    finally:
        STATE.reset(with_record)
    found = sweep(roots, retain=True, create=create, targets={id(g): g}, floor=0)
    total = found[id(g)][1] if id(g) in found else None
    if direct is not None:
        total = direct if total is None else total + direct
    return zeros if total is None else total


def transposed_each(node: Node, kept: tuple[Any, ...], vectors: dict[int, Any], create: bool) -> tuple[Any, ...]:
    """The tangents of the outputs of a compiled function."""
    assert node.statics is not None and node.plan.joint is not None
    with_record = STATE.set(current().but(record=True))
    try:
        zeros = [np.zeros(shape, dtype) for shape, dtype in node.statics["call"].shapes]
        g = {k: Tensor(array, requires_grad=True) for k, array in enumerate(zeros)}
        slots = joint_slots(node.plan, node, g, kept)
        answers = [(rule(g), vectors[i]) for i, rule, _, _ in slots if i in vectors]
        roots = [(a._node, vector) for a, vector in answers if a._node is not None]
    finally:
        STATE.reset(with_record)
    found = sweep(roots, retain=True, create=create, targets={id(t): t for t in g.values()}, floor=0)
    return tuple(found[id(g[k])][1] if id(g[k]) in found else array for k, array in enumerate(zeros))
