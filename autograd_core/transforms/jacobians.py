"""Jacobians and Hessians: many cotangents, or many tangents, through one recorded call.

All basis vectors of an output (or input) travel together as one batch (`batching.py`), in chunks that bound the memory;
one by one where a rule leaves NumPy's protocols, and where a hook or anomaly mode must see single gradients. A Jacobian
that is itself differentiated is recorded as one batch, too (`batching_operators.py`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import batching_functions  # noqa: F401 - fills the table that Batched reads
from ..batching import Batched
from ..batching_operators import level_at, unbatched
from ..containers import flatten
from ..context import current
from ..errors import ArgumentError, where
from ..node import Node, next_number
from ..tensor import Tensor, entry_of
from .gradients import grad
from .tracing import ONE_BY_ONE, Traced, argument_numbers, with_loops

__all__ = ["hessian", "jacobian"]

_CHUNK = 2**17  # elements of the largest array that one batch makes: fast to 1 MB, slower beyond the cache
_MODES = ("auto", "fwd", "rev")


def jacobian(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, *, mode: str = "auto", has_aux: bool = False
) -> Callable[..., Any]:
    """A function that returns the Jacobian of `f`, of shape output.shape + input.shape.

    Args:
        f: its output may be a nested container of arrays; each leaf is replaced by its Jacobian, which has the
            structure of the argument, in a tuple if `argnums` is a sequence.
        argnums: the arguments to differentiate, which may be nested containers.
        mode: "rev" computes rows (one backward pass for an element of the output), "fwd" columns (one forward pass for
            an element of the input), "auto" whichever are fewer.
        has_aux: `f` returns (output, auxiliary data), and the function (Jacobian, auxiliary data).

    Raises:
        ArgumentError: `mode` or `argnums` is not what it may be.
    """
    return _jacobian("jacobian", f, argnums, mode, has_aux)


def hessian(f: Callable[..., Any], argnums: int | Sequence[int] = 0, *, mode: str = "auto") -> Callable[..., Any]:
    """A function that returns the Hessian of `f` (0-d value): forward mode over reverse mode.

    For several arguments or nested containers it has the structure of the gradient, in which each leaf is replaced by
    the Jacobian of that part of the gradient. `mode` is that of the Jacobian of the gradient: "auto" is "fwd" here.
    """
    return _jacobian("hessian", grad(f, argnums), argnums, "fwd" if mode == "auto" else mode, False)


def _jacobian(
    name: str, f: Callable[..., Any], argnums: int | Sequence[int], mode: str, has_aux: bool
) -> Callable[..., Any]:
    if mode not in _MODES:
        raise ArgumentError(f"{name}: mode must be among {_MODES}, got {mode!r}; choose one. {where(name)}")

    def differentiated(*args: Any, **kwargs: Any) -> Any:
        numbers = argument_numbers(name, argnums, args)
        traced = Traced(name, f, args, numbers, has_aux, kwargs)
        rows, columns = sum(out.size for out in traced.outs), sum(t.size for t in traced.inputs)
        forward = mode == "fwd" or (mode == "auto" and columns < rows)
        create = traced.nested and (_any_in_graph((*args, *kwargs.values())) or traced.uses_outer())
        blocks = _columns(traced, create) if forward else _rows(traced, create)
        answers = []
        for of_output in blocks:
            parts = traced.by_argument([traced.give(b) for b in of_output])
            answers.append(parts if np.ndim(argnums) else parts[0])
        answer = traced.structure.build(answers)
        return (answer, traced.auxiliary()) if has_aux else answer

    return with_loops(differentiated)


def _any_in_graph(args: Sequence[Any]) -> bool:
    return any(isinstance(x, Tensor) and x.requires_grad for x in flatten(list(args))[0])


# -- rows --------------------------------------------------------------------------------------------------------------


def _rows(traced: Traced, create: bool) -> list[list[Any]]:
    """By output and input: the block of the Jacobian, a backward pass for every element of the output."""
    chunk = 1 if max((out.size for out in traced.outs), default=0) < 2 else _chunk(traced, create)
    return [_rows_of(traced, k, create, chunk) for k in range(len(traced.outs))]


def _rows_of(traced: Traced, k: int, create: bool, chunk: int) -> list[Any]:
    out = traced.outs[k]
    pulled: list[list[Any]] = [[] for _ in traced.inputs]
    for basis in _bases(out, chunk):
        cotangents: list[Any] = [None] * len(traced.outs)
        arrived = None
        if len(basis) > 1:
            level = level_at(next_number())
            cotangents[k] = Tensor(Batched(basis, level)) if create else Batched(basis, level)
            arrived = _attempt(
                lambda: _spread_all(traced.sweep(cotangents, create), traced.inputs, level, len(basis), create)  # noqa: B023 - called at once
            )
        if arrived is None:
            for e in basis:
                cotangents[k] = Tensor(e) if create else e
                for part, h in zip(pulled, traced.pull(cotangents, create), strict=True):
                    part.append(h[None])
        else:
            for part, h in zip(pulled, arrived, strict=True):
                part.append(h)
    return [_joined(p, 0, (*out.shape, *t.shape), t) for p, t in zip(pulled, traced.inputs, strict=True)]


# -- columns -----------------------------------------------------------------------------------------------------------


def _columns(traced: Traced, create: bool) -> list[list[Any]]:
    """By output and input: the block of the Jacobian, a forward pass for every element of the input."""
    chunk = 1 if max((t.size for t in traced.inputs), default=0) < 2 else _chunk(traced, create)
    by_input = [_columns_of(traced, k, create, chunk) for k in range(len(traced.inputs))]
    return [[of_input[o] for of_input in by_input] for o in range(len(traced.outs))]


def _columns_of(traced: Traced, k: int, create: bool, chunk: int) -> list[Any]:
    t = traced.inputs[k]
    pushed: list[list[Any]] = [[] for _ in traced.outs]
    for basis in _bases(t, chunk):
        tangents: list[Any] = [None] * len(traced.inputs)
        arrived = None
        if len(basis) > 1:
            level = level_at(next_number())
            tangents[k] = Tensor(Batched(basis, level)) if create else Batched(basis, level)
            arrived = _attempt(
                lambda: _spread_all(traced.push(tangents), traced.outs, level, len(basis), create)  # noqa: B023 - called at once
            )
        if arrived is None:
            for e in basis:
                tangents[k] = Tensor(e) if create else e
                for part, out, v in zip(pushed, traced.outs, traced.push(tangents), strict=True):
                    v = np.zeros(out.shape, dtype=out.dtype) if v is None else v
                    part.append(np.expand_dims(v, -1))
        else:
            for part, v in zip(pushed, arrived, strict=True):
                part.append(np.moveaxis(v, 0, -1))
    return [_joined(p, -1, (*out.shape, *t.shape), out) for p, out in zip(pushed, traced.outs, strict=True)]


# -- batches -----------------------------------------------------------------------------------------------------------


def _attempt(f: Callable[[], list[Any]]) -> list[Any] | None:
    """What `f` gives for a batch, None where it cannot take one.

    A rule of the user's own may fail on a batch in any way; computed one by one it either works or raises the same.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            return f()
    except Exception:
        return None


def _bases(like: Tensor, chunk: int) -> Iterator[Any]:
    """The basis vectors of an array, of shape (number, *shape), a chunk at a time."""
    for start in range(0, like.size, chunk):
        count = min(chunk, like.size - start)
        yield np.eye(count, like.size, start, dtype=like.dtype).reshape((count, *like.shape))


def _chunk(traced: Traced, create: bool = False) -> int:
    """How many vectors may travel together.

    1 where hooks or anomaly mode must see each by itself; and, if the pass is recorded, where a rule is not this
    package's own: it may use tensors that do not enter the batch.
    """
    if current().anomaly or (create and ONE_BY_ONE.get()):
        return 1
    largest = max([1, *(t.size for t in (*traced.inputs, *traced.outs))])
    seen: set[int] = set()
    stack: list[Any] = [entry_of(out) for out in traced.outs]
    while stack:
        node = stack.pop()
        if not isinstance(node, Node) or id(node) in seen or node.number < traced.floor:
            continue
        seen.add(id(node))
        if node.extra is not None and (node.extra.hooks is not None or node.extra.retain is not None):
            return 1
        op = node.plan.op
        if create and (op.name == "checkpoint" or not op.__module__.startswith("autograd_core.")):
            return 1
        size = 1
        for n in node.shape:
            size *= n
        largest = max(largest, size)
        stack.extend(node.parents)
    return max(1, _CHUNK // largest)


def _spread_all(arrived: list[Any], likes: list[Tensor], level: int, count: int, create: bool) -> list[Any]:
    """What arrived, for every member and in full: arrays, or Tensors of a recorded pass."""
    return [_spread(h, like, level, count, create) for h, like in zip(arrived, likes, strict=True)]


def _spread(h: Any, like: Tensor, level: int, count: int, create: bool) -> Any:
    if h is None:
        zeros = np.zeros((count, *like.shape), dtype=like.dtype)
        return Tensor(zeros) if create else zeros
    full: Any = h if h.shape == like.shape else np.broadcast_to(h, like.shape)
    if create and not isinstance(full, Tensor):
        full = Tensor(full)
    return unbatched(full, level=level, count=count)


def _joined(parts: list[Any], axis: int, shape: tuple[int, ...], like: Tensor) -> Any:
    if not parts:
        return np.zeros(shape, dtype=like.dtype)
    return np.reshape(parts[0] if len(parts) == 1 else np.concatenate(parts, axis=axis), shape)
