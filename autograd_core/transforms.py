"""Functions of functions: grad, vjp, jvp, jacobian, hessian, hvp and checkpoint.

They give arrays for arrays and Tensors for Tensors, never touch `.grad`, and nest: each call differentiates with
respect to fresh entries of the tape, so that an inner derivative does not see an outer variable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np

from .context import enable_grad, is_grad_enabled, replaying
from .errors import ArgumentError, DTypeError, GraphError, ShapeError, where
from .forward import push
from .node import Node, next_number
from .operator import Operator
from .ops.shape import identity
from .sweep import sweep
from .tensor import Tensor, as_array, entry_of

__all__ = ["checkpoint", "grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]


_INSIDE: ContextVar[bool] = ContextVar("autograd_core_inside_transform", default=False)


class _Traced:
    """A function's recorded call: its fresh inputs, its output and where its part of the tape begins."""

    def __init__(
        self, name: str, f: Callable[..., Any], primals: Sequence[Any], argnums: Sequence[int] | None = None
    ) -> None:
        self.name = name
        self.floor = next_number()
        wanted = range(len(primals)) if argnums is None else argnums
        self.nested = any(isinstance(p, Tensor) for p in primals)
        arguments = list(primals)
        self.inputs: list[Tensor] = []
        inside = _INSIDE.get()
        token = _INSIDE.set(True)
        try:
            with enable_grad():
                for i in wanted:
                    fresh = self._fresh(primals[i], i)
                    arguments[i] = fresh
                    self.inputs.append(fresh)
                self.out = f(*arguments)
        finally:
            _INSIDE.reset(token)
        # A function inside another one that is being differentiated may use that one's variable without having it for
        # an argument. The derivative depends on it then, and must be recorded.
        if inside and not self.nested and isinstance(self.out, Tensor):
            self.nested = bool(_outer_entries(self.out, self.floor, self.inputs))

    def _fresh(self, primal: Any, i: int) -> Tensor:
        if isinstance(primal, Tensor) and primal.requires_grad:
            return identity(primal)  # type: ignore[no-any-return]
        data = as_array(primal)
        if data.dtype.kind != "f":
            raise DTypeError(
                f"{self.name}: an argument to differentiate must be floating, got argument {i} of dtype {data.dtype}; "
                f"convert it with float(...) or .astype(float). {where(self.name)}"
            )
        return Tensor(data, requires_grad=True)

    def output(self) -> Tensor:
        out = self.out
        if isinstance(out, Tensor):
            return out
        return Tensor(out)

    def scalar(self) -> Tensor:
        out = self.output()
        if out.size != 1 or out.shape != ():
            raise GraphError(
                f"{self.name}: the function must return a 0-d value, got shape {out.shape}; reduce it (np.sum) or use "
                f"jacobian or vjp. {where(self.name)}"
            )
        return out

    def pull(self, cotangent: Any, create: bool) -> list[Any]:
        """Cotangents of the inputs, of their shapes."""
        entries = [entry_of(t) for t in self.inputs]
        out = self.output()
        root = entry_of(out)
        found: dict[int, Any] = {}
        if root is not None:
            targets = {id(e): e for e in entries}
            if id(root) in targets:
                found = {id(root): (root, cotangent)}
            elif isinstance(root, Tensor):  # a leaf from elsewhere
                found = {}
            else:
                found = sweep([(root, cotangent)], retain=True, create=create, targets=targets, floor=self.floor)
        answers: list[Any] = []
        for t, e in zip(self.inputs, entries, strict=True):
            h = found[id(e)][1] if id(e) in found else None
            if h is not None and not create and any(h is other for other in (cotangent, *answers)):
                h = np.copy(h)  # results are the caller's own
            if h is None:
                h = np.zeros_like(t.data)
                h = Tensor(h) if create else h
            elif h.shape != t.shape:
                h = np.broadcast_to(h, t.shape)
                h = h if create else np.array(h)
            elif not create:
                h = np.asarray(h) if isinstance(h, np.generic) else h
            answers.append(h)
        return answers

    def value(self) -> Any:
        """The function's value, as a Tensor for Tensors and as an array of its own for arrays."""
        out = self.output()
        if not self.nested and any(out is t for t in self.inputs):
            return np.copy(out.data)
        return self.give(out)

    def give(self, value: Any) -> Any:
        """A Tensor for Tensors, an array for arrays."""
        if self.nested:
            return value if isinstance(value, Tensor) else Tensor(value)
        data = value.data if isinstance(value, Tensor) else value
        return data.copy() if isinstance(data, np.ndarray) and data.base is not None else data


def _cotangent(traced: _Traced, given: Any, create: bool) -> Any:
    out = traced.output()
    array = given if isinstance(given, Tensor) else as_array(given)
    if array.shape != out.shape:
        raise ShapeError(
            f"{traced.name}: a cotangent must have the output's shape {out.shape}, got {array.shape}. "
            f"{where(traced.name)}"
        )
    if array.dtype != out.dtype:
        array = array.astype(out.dtype)
    if create:
        return array if isinstance(array, Tensor) else Tensor(array)
    return array._data if isinstance(array, Tensor) else array


def _argnums(name: str, argnums: Any, args: tuple[Any, ...]) -> tuple[int, ...]:
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for n in numbers:
        if not -len(args) <= n < len(args):
            raise ArgumentError(
                f"{name}: argnums must name positional arguments, got {n} for a call with {len(args)}. {where(name)}"
            )
    return tuple(n % len(args) for n in numbers)


def value_and_grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """A function that returns `f`'s value and its gradient with respect to the positional arguments `argnums`.

    Returns:
        (value, gradient), where the gradient is one array for an int and a tuple for a sequence.

    Raises:
        GraphError: `f` does not return a 0-d value.
        DTypeError: an argument to differentiate is not floating.
    """
    return _value_and_grad("value_and_grad", f, argnums)


def _value_and_grad(name: str, f: Callable[..., Any], argnums: int | Sequence[int]) -> Callable[..., Any]:
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        numbers = _argnums(name, argnums, args)
        traced = _Traced(name, lambda *a: f(*a, **kwargs), args, numbers)
        out = traced.scalar()
        one = np.ones_like(out.data)
        create = traced.nested
        gradients = tuple(traced.give(h) for h in traced.pull(Tensor(one) if create else one, create))
        return traced.value(), gradients[0] if isinstance(argnums, int) else gradients

    return differentiated


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """A function that returns the gradient of `f`, which must return a 0-d value; see `value_and_grad`."""
    both = _value_and_grad("grad", f, argnums)
    return lambda *args, **kwargs: both(*args, **kwargs)[1]


def vjp(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """`f`'s value and the pullback, which maps a cotangent of it to cotangents of the primals."""
    traced = _Traced("vjp", f, primals)

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        create = traced.nested or isinstance(cotangent, Tensor)
        answers = traced.pull(_cotangent(traced, cotangent, create), create)
        return tuple(h if isinstance(cotangent, Tensor) else traced.give(h) for h in answers)

    return traced.value(), pullback


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """`f`'s value and its directional derivative along the tangents.

    Raises:
        ShapeError: a tangent has another shape than its primal.
    """
    if len(primals) != len(tangents):
        raise ShapeError(
            f"jvp: there must be a tangent for each primal, got {len(primals)} and {len(tangents)}. {where('jvp')}"
        )
    traced = _Traced("jvp", f, primals)
    create = traced.nested or any(isinstance(t, Tensor) for t in tangents)
    seeds = {}
    for i, (t, v) in enumerate(zip(traced.inputs, tangents, strict=True)):
        v = v if isinstance(v, Tensor) else as_array(v)
        if v.shape != t.shape:
            raise ShapeError(
                f"jvp: a tangent must have its primal's shape {t.shape}, got {v.shape} for argument {i}. {where('jvp')}"
            )
        v = v if v.dtype == t.dtype else v.astype(t.dtype)
        seeds[id(entry_of(t))] = (v if isinstance(v, Tensor) else Tensor(v)) if create else v
    tangent = push(traced.output(), seeds, traced.floor)
    if tangent is None:
        tangent = np.zeros_like(traced.output().data)
    elif not create and any(tangent is v for v in seeds.values()):
        tangent = np.copy(tangent)
    traced.nested = create
    return traced.value(), traced.give(np.asarray(tangent) if isinstance(tangent, np.generic) else tangent)


def jacobian(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """A function that returns the Jacobian of `f`, of shape output.shape + input.shape.

    It is computed row by row or column by column, whichever are fewer.
    """

    def differentiated(*args: Any, **kwargs: Any) -> Any:
        numbers = _argnums("jacobian", argnums, args)
        traced = _Traced("jacobian", lambda *a: f(*a, **kwargs), args, numbers)
        out = traced.output()
        create = traced.nested
        blocks = [_columns(traced, i, create) if t.size < out.size else None for i, t in enumerate(traced.inputs)]
        if any(b is None for b in blocks):
            rows = _rows(traced, create)
            blocks = [rows[i] if b is None else b for i, b in enumerate(blocks)]
        answers = tuple(traced.give(b) for b in blocks)
        return answers[0] if isinstance(argnums, int) else answers

    return differentiated


def _basis(like: Tensor, create: bool) -> list[Any]:
    eye = np.eye(like.size, dtype=like.dtype).reshape((like.size, *like.shape))
    return [Tensor(e) if create else e for e in eye]


def _rows(traced: _Traced, create: bool) -> list[Any]:
    out = traced.output()
    pulled = [traced.pull(e, create) for e in _basis(out, create)]
    if not pulled:
        return [np.zeros((*out.shape, *t.shape), dtype=t.dtype) for t in traced.inputs]
    return [np.reshape(np.stack([p[i] for p in pulled]), (*out.shape, *t.shape)) for i, t in enumerate(traced.inputs)]


def _columns(traced: _Traced, i: int, create: bool) -> Any:
    t, out = traced.inputs[i], traced.output()
    columns = []
    for e in _basis(t, create):
        column = push(out, {id(entry_of(t)): e}, traced.floor)
        columns.append(np.zeros(out.shape, dtype=out.dtype) if column is None else column)
    if not columns:
        return np.zeros((*out.shape, *t.shape), dtype=t.dtype)
    return np.reshape(np.stack(columns, axis=-1), (*out.shape, *t.shape))


def hessian(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """A function that returns the Hessian of `f` (0-d value) in one argument: forward mode over reverse mode."""
    return jacobian(grad(f, argnums), argnums)


def hvp(f: Callable[..., Any], primals: Sequence[Any], vectors: Sequence[Any]) -> tuple[Any, ...]:
    """Hessian of `f` times vectors, one per primal, without forming it: the JVP of the gradient."""
    count = len(primals)
    gradient = grad(f, tuple(range(count)))
    sizes = [int(np.size(p)) for p in primals]

    def flat(*args: Any) -> Any:
        return np.concatenate([np.reshape(h, -1) for h in gradient(*args)])

    _, tangent = jvp(flat, primals, vectors)
    edges = np.cumsum([0, *sizes])
    return tuple(np.reshape(tangent[a:b], np.shape(p)) for a, b, p in zip(edges[:-1], edges[1:], primals, strict=True))


def checkpoint(f: Callable[..., Any], *args: Any) -> Any:
    """`f(*args)`, keeping only the arguments: backward computes it again.

    Random draws are replayed with the same bits, and running statistics move once, in the first computation. Gradients
    reach the arguments and every parameter or outer tensor that `f` uses.

    Raises:
        ArgumentError: `f` returns several tensors.
    """
    from . import random

    if not is_grad_enabled():
        return f(*args)
    state = random.get_state()
    floor = next_number()
    inputs = [_alias(a) for a in args]
    out = f(*inputs)
    if not isinstance(out, Tensor):
        if isinstance(out, tuple | list | dict):
            raise ArgumentError(
                f"checkpoint: the function must return one tensor, got a {type(out).__name__} of {len(out)}; np.stack "
                f"or np.concatenate them, or checkpoint each. {where('checkpoint')}"
            )
        return out
    if not out.requires_grad:
        return out
    outer = _outer_entries(out, floor, inputs)
    value = [out.data]  # taken once below: neither the rule nor the operator may hold the value or its graph
    del out, inputs

    def pull(g: Any) -> list[Any]:
        create = isinstance(g, Tensor)
        now = random.get_state()
        random.set_state(state)
        try:
            with replaying():
                # Recorded, the gradient must depend on the arguments themselves; otherwise the tape ends in new leaves.
                fresh = [identity(a) if create and _in_graph(a) else _alias(a) for a in args]
                again = f(*fresh)
        finally:
            random.set_state(now)
        wanted = [entry_of(t) if isinstance(t, Tensor) else None for t in fresh if isinstance(t, Tensor)] + list(outer)
        root = entry_of(again)
        if isinstance(root, Node):
            targets = {id(e): e for e in wanted if e is not None}
            found = sweep([(root, g)], create=create, retain=create, targets=targets)
        else:
            found = {id(root): (root, g)}
        return [found[id(e)][1] if id(e) in found else None for e in wanted]

    op = Operator(lambda operands: value.pop(), "composite", **_CHECKPOINT)
    op.vjp(lambda g, operands: pull(g))  # it keeps the operands, so that their versions are checked
    return op([*(a for a in args if isinstance(a, Tensor)), *map(_stand_in, outer)])


def _in_graph(a: Any) -> bool:
    return isinstance(a, Tensor) and a.requires_grad


_CHECKPOINT: dict[str, Any] = dict(
    name="checkpoint",
    variadic="operands",
    operands=None,
    symbol="checkpoint",
    latex="",
    derivative=None,
    samples=(),
    bad=(),
    linear=None,
    analytic=False,
    multiple=False,
    differentiable=True,
    numpy=(),
    special=None,
)


def _alias(a: Any) -> Any:
    """A leaf with the same array, so that the first computation's tape ends here."""
    return Tensor(a.data, requires_grad=True) if isinstance(a, Tensor) and a.requires_grad else a


def _outer_entries(out: Tensor, floor: int, inputs: Sequence[Any]) -> list[Any]:
    """Leaves and earlier Nodes that the function used beside its arguments."""
    own = {id(t) for t in inputs}
    seen: set[int] = set()
    outer: list[Any] = []
    stack = [entry_of(out)]
    while stack:
        entry = stack.pop()
        if entry is None or id(entry) in seen or id(entry) in own:
            continue
        seen.add(id(entry))
        if isinstance(entry, Tensor) or entry.number < floor:
            outer.append(entry)
        else:
            stack.extend(p for i, p in enumerate(entry.parents) if entry.plan.mask >> i & 1)
    return outer


def _stand_in(entry: Any) -> Tensor:
    """A tensor that stands for an entry of the tape as an operand; its value is not used."""
    if isinstance(entry, Tensor):
        return entry
    t = Tensor(np.zeros((), dtype=entry.dtype))
    t._node = entry
    return t
