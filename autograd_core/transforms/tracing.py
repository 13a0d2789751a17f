"""A function's recorded call, and the two ways through its part of the tape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from operator import index
from typing import Any

import numpy as np

from ..batching import CannotBatchError
from ..containers import LEAF, Structure, flatten, is_leaf, map_leaves
from ..context import STATE, current
from ..errors import ArgumentError, AutogradError, DTypeError, GraphError, ShapeError, where
from ..forward import push, reachable, tangent_of
from ..node import Node, next_number
from ..ops.shape import identity
from ..sweep import sweep
from ..tensor import Tensor, as_array, entry_of

__all__ = ["ONE_BY_ONE", "Traced", "argument_numbers", "matched", "outer_entries", "with_loops"]

_NUMERIC = (Tensor, np.ndarray, np.generic, float, int)
_ARRAYS = {np.ndarray, np.float64, np.float32, float, Tensor}  # told to be leaves without looking further

_INSIDE: ContextVar[bool] = ContextVar("autograd_core_inside_transform", default=False)
ONE_BY_ONE: ContextVar[bool] = ContextVar("autograd_core_one_by_one", default=False)


def with_loops(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f`, computed again with recorded Jacobians row by row if one that was recorded as a batch cannot be followed."""

    def computed(*args: Any, **kwargs: Any) -> Any:
        try:
            return f(*args, **kwargs)
        except CannotBatchError:
            if _INSIDE.get() or ONE_BY_ONE.get():
                raise
            token = ONE_BY_ONE.set(True)
            try:
                return f(*args, **kwargs)
            finally:
                ONE_BY_ONE.reset(token)

    return computed


class Traced:
    """A function's recorded call: its fresh inputs, its outputs and where its part of the tape begins.

    Attributes:
        inputs: a fresh tensor for every leaf of the arguments to differentiate, in order.
        arguments: the structure of each of these arguments; `flat` if none is a container.
        outs: a tensor for every leaf of the output; `structure` is the output's.
        aux: what the function returned beside its output (`has_aux`).
        nested: the call is part of an outer recorded computation: results are Tensors.
    """

    def __init__(
        self,
        name: str,
        f: Callable[..., Any],
        primals: Sequence[Any],
        argnums: Sequence[int] | None = None,
        has_aux: bool = False,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.floor = next_number()
        self.numbers = range(len(primals)) if argnums is None else argnums
        self.nested = False
        for p in primals if not options else (*primals, *options.values()):
            if isinstance(p, Tensor) or (type(p) not in _ARRAYS and _holds_tensor(p)):
                self.nested = True
        arguments = list(primals)
        self.inputs: list[Tensor] = []
        self.arguments: list[Structure] = []
        self.flat = True
        inside = _INSIDE.get()
        token = _INSIDE.set(True)
        state = current()
        recording = None if state.record else STATE.set(state.but(record=True))
        try:
            for i in self.numbers:
                arguments[i] = self._fresh_argument(primals[i], i)
            out = f(*arguments, **options) if options else f(*arguments)
        finally:
            _INSIDE.reset(token)
            if recording is not None:
                STATE.reset(recording)
        self.aux: Any = None
        if has_aux:
            if not isinstance(out, tuple) or len(out) != 2:
                raise ArgumentError(
                    f"{name}: with has_aux=True the function must return a pair (output, auxiliary data), got a "
                    f"{type(out).__name__}; return both, or leave has_aux out. {where(name)}"
                )
            out, self.aux = out
        self._read_output(out)
        # A function inside another one that is being differentiated may use that one's variable without having it for
        # an argument. The derivative depends on it then, and must be recorded.
        if inside and not self.nested:
            self.nested = self.uses_outer()

    def _read_output(self, out: Any) -> None:
        self.structure = LEAF
        if isinstance(out, Tensor):
            self.outs = [out]
            return
        leaves = [out]
        if not is_leaf(out):
            leaves, self.structure = flatten(out)
        self.outs = []
        for k, leaf in enumerate(leaves):
            try:
                self.outs.append(leaf if isinstance(leaf, Tensor) else Tensor(leaf))
            except AutogradError as error:
                raise type(error)(f"{self.name}: the output{self.structure.paths()[k]}: {error}") from None

    def _fresh_argument(self, primal: Any, i: int) -> Any:
        if type(primal) in _ARRAYS or is_leaf(primal):
            self.arguments.append(LEAF)
            fresh = self._fresh(primal, i, "")
            self.inputs.append(fresh)
            return fresh
        leaves, structure = flatten(primal)
        self.flat = False
        self.arguments.append(structure)
        new = [self._fresh(x, i, path) for x, path in zip(leaves, structure.paths(), strict=True)]
        self.inputs += new
        return structure.build(new)

    def _fresh(self, primal: Any, i: int, path: str) -> Tensor:
        if isinstance(primal, Tensor) and primal.requires_grad:
            return identity(primal)  # type: ignore[no-any-return]
        if isinstance(primal, _NUMERIC) or hasattr(primal, "__array_function__"):
            data = as_array(primal)
            dtype = data.dtype
            if dtype.kind == "f":
                return Tensor(data, requires_grad=True)
        else:
            dtype = type(primal).__name__
        raise DTypeError(
            f"{self.name}: an argument to differentiate must be floating, got argument {i}{path} of dtype {dtype}; "
            f"convert it with float(...) or .astype(float). {where(self.name)}"
        )

    def uses_outer(self) -> bool:
        """Whether the output depends on tensors in a graph outside the call, beside the arguments."""
        return any(outer_entries(out, self.floor, self.inputs) for out in self.outs)

    def output(self) -> Tensor:
        """The only output, 0-d."""
        if self.structure is not LEAF or self.outs[0].shape != ():
            got = f"shape {self.outs[0].shape}" if self.structure is LEAF else f"a {self.structure.kind.__name__}"
            if self.structure is not LEAF and self.structure.kind is tuple and len(self.structure.children) == 2:
                got += " of two (has_aux=True takes a value and auxiliary data)"
            raise GraphError(
                f"{self.name}: the function must return a 0-d value, got {got}; reduce it (np.sum) or use jacobian or "
                f"vjp. {where(self.name)}"
            )
        return self.outs[0]

    # -- backward ------------------------------------------------------------------------------------------------------

    def sweep(self, cotangents: Sequence[Any], create: bool) -> list[Any]:
        """What arrives at the inputs: None, or a cotangent that may stand for its broadcast.

        Args:
            cotangents: one for each output, None for none.
            create: cotangents are Tensors, and the sweep is recorded.
        """
        entries = [entry_of(t) for t in self.inputs]
        targets = {id(e): e for e in entries}
        direct: dict[int, Any] = {}
        roots: list[tuple[Node, Any]] = []
        for out, cotangent in zip(self.outs, cotangents, strict=True):
            root = entry_of(out)
            if cotangent is None or root is None:
                continue
            if id(root) in targets:
                direct[id(root)] = cotangent if id(root) not in direct else direct[id(root)] + cotangent
            elif not isinstance(root, Tensor):  # a leaf from elsewhere otherwise
                roots.append((root, cotangent))
        found: dict[int, Any] = {}
        if roots:
            found = sweep(roots, retain=True, create=create, targets=targets, floor=self.floor)
        answers = [found[id(e)][1] if id(e) in found else None for e in entries]
        if direct:
            for i, e in enumerate(entries):
                if id(e) in direct:
                    answers[i] = direct[id(e)] if answers[i] is None else answers[i] + direct[id(e)]
        return answers

    def pull(self, cotangents: Sequence[Any], create: bool) -> list[Any]:
        """Cotangents of the inputs, of their shapes; the caller's own."""
        answers: list[Any] = []
        for t, h in zip(self.inputs, self.sweep(cotangents, create), strict=True):
            if h is None:
                h = np.zeros_like(t.data)
                h = Tensor(h) if create else h
            elif h.shape != t._buffer.shape:
                h = np.broadcast_to(h, t.shape)
                h = h if create else np.array(h)
            elif not create:
                if isinstance(h, np.generic):
                    h = np.asarray(h)
                else:
                    for other in (*cotangents, *answers):
                        if h is other:
                            h = np.copy(h)
                            break
            answers.append(h)
        return answers

    # -- forward -------------------------------------------------------------------------------------------------------

    def push(self, tangents: Sequence[Any]) -> list[Any]:
        """The tangent of every output, None where none arrives; `tangents` has one for each input, or None."""
        seeds = {id(entry_of(t)): v for t, v in zip(self.inputs, tangents, strict=True) if v is not None}
        create = any(isinstance(v, Tensor) for v in seeds.values())
        state = current()  # once for all Nodes
        token = STATE.set(state.but(record=create)) if state.record != create else None
        try:
            if len(self.outs) == 1:
                return [push(self.outs[0], seeds, self.floor)]
            entries = [entry_of(out) for out in self.outs]
            order = {n: node for e in entries for n, node in (reachable(e, seeds, self.floor) if e is not None else ())}
            known: dict[int, Any] = dict(seeds)
            for number in sorted(order):
                node = order[number]
                if id(node) not in seeds:
                    known[id(node)] = tangent_of(node, known, create)
            return [None if e is None else known.get(id(e)) for e in entries]
        finally:
            if token is not None:
                STATE.reset(token)

    # -- results -------------------------------------------------------------------------------------------------------

    def value(self) -> Any:
        """The function's value, as Tensors for Tensors and as arrays of its own for arrays."""
        return self.built([self._value(out) for out in self.outs])

    def built(self, leaves: list[Any]) -> Any:
        """The leaves in the structure of the output."""
        return leaves[0] if self.structure is LEAF else self.structure.build(leaves)

    def _value(self, out: Tensor) -> Any:
        if not self.nested and any(out is t for t in self.inputs):
            return np.copy(out.data)
        return self.give(out)

    def auxiliary(self) -> Any:
        """What the function returned beside its output: Tensors for Tensors, arrays for arrays."""
        return map_leaves(lambda x: self.give(x) if isinstance(x, Tensor) and not self.nested else x, self.aux)

    def give(self, value: Any) -> Any:
        """A Tensor for Tensors, an array for arrays."""
        if self.nested:
            return value if isinstance(value, Tensor) else Tensor(value)
        data = value.data if isinstance(value, Tensor) else value
        return data.copy() if isinstance(data, np.ndarray) and data.base is not None else data

    def by_argument(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        """The leaves in the structures of the arguments."""
        if self.flat:
            return tuple(leaves)
        iterator = iter(leaves)
        return tuple(s.build([next(iterator) for _ in range(s.size)]) for s in self.arguments)


def _holds_tensor(x: Any) -> bool:
    return not is_leaf(x) and any(isinstance(leaf, Tensor) for leaf in flatten(x)[0])


def matched(name: str, what: str, owner: str, given: Any, like: Tensor, place: Any, create: bool) -> Any:
    """A cotangent or tangent in the dtype of the tensor that it belongs to.

    Raises:
        ShapeError: it has another shape.
    """
    array = given if isinstance(given, Tensor) else None if given is None else as_array(given)
    if array is None or array.shape != like.shape:
        came = "None" if array is None else array.shape
        at = f" for argument {place}" if isinstance(place, int) else place
        raise ShapeError(
            f"{name}: a {what} must have {owner} shape {like.shape}, got {came}{at}; reshape it, or np.zeros_like the "
            f"other. {where(name)}"
        )
    if array.dtype != like.dtype:
        if array.dtype.kind == "c":
            at = f" for argument {place}" if isinstance(place, int) else place
            raise DTypeError(
                f"{name}: a {what} must be real, since gradients are, got dtype {array.dtype}{at}; take np.real of it, "
                f"or real and imaginary parts one after the other. {where(name)}"
            )
        array = array.astype(like.dtype)
    if create:
        return array if isinstance(array, Tensor) else Tensor(array)
    return array._buffer if isinstance(array, Tensor) else array


def argument_numbers(name: str, argnums: Any, args: tuple[Any, ...]) -> tuple[int, ...]:
    """The positions of the arguments to differentiate, not negative."""
    try:
        numbers = (argnums,) if isinstance(argnums, int) else tuple(map(index, np.reshape(argnums, -1)))
    except TypeError:
        raise ArgumentError(
            f"{name}: argnums must be a whole number or a sequence of them, got {argnums!r}; count the positional "
            f"arguments from 0. {where(name)}"
        ) from None
    for n in numbers:
        if not -len(args) <= n < len(args):
            raise ArgumentError(
                f"{name}: argnums must name positional arguments, got {n} for a call with {len(args)}. {where(name)}"
            )
    places = tuple(n % len(args) for n in numbers)
    if len(set(places)) < len(places):
        raise ArgumentError(
            f"{name}: argnums must name each argument once, got {argnums!r} for a call with {len(args)}; leave out the "
            f"repeated one. {where(name)}"
        )
    return places


def outer_entries(out: Tensor, floor: int, inputs: Sequence[Any]) -> list[Any]:
    """Leaves and earlier Nodes that the function used beside its arguments."""
    own = {id(t) for t in inputs} | {id(entry_of(t)) for t in inputs if isinstance(t, Tensor)}
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
