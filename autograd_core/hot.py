"""The hot path: lean ways to call operators of one or two operands.

They do what `engine.apply` does, without its generality: a recorded operation on small arrays costs a microsecond.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .context import current
from .engine import NUMBERS, apply, complex_refused, entry, failure, not_numeric, record, result, unwrap_static, watch
from .node import Node, next_number
from .operator import Operator
from .tensor import Tensor
from .unbroadcast import Product

__all__ = ["binary", "is_operand", "on_array", "single", "unary"]

_new = object.__new__
_ndarray = np.ndarray
_PLAIN = {int, bool, float, str, type(None)}  # static arguments that hold no Tensor
_HELD = _PLAIN | {_ndarray, slice}  # and such as a rule need not copy


def binary(op: Operator, compute: Any, reflected: bool = False) -> Any:
    """The Python operator method of an elementwise operator of two operands."""
    if not op.differentiable:
        return _comparison(op, reflected)

    def plans() -> tuple[Any, ...]:
        op.binary_plans = (None, op.plan(1), op.plan(2), op.plan(3), op.plan(1, 2, 2), op.plan(2, 2, 1))
        return op.binary_plans

    def method(self: Tensor, other: Any) -> Any:
        a = self._buffer
        na: Any = self._node
        if na is None:
            # Arithmetic on a 0-d array costs six times that on a NumPy scalar; only leaves and constants hold one.
            if type(a) is _ndarray and a.ndim == 0:
                a = a[()]
            if self._leaf:
                na = self
        if type(other) is Tensor or isinstance(other, Tensor):
            b = other._buffer
            nb: Any = other._node
            if nb is None:
                if type(b) is _ndarray and b.ndim == 0:
                    b = b[()]
                if other._leaf:
                    nb = other
            number = False
        elif type(other) in NUMBERS:
            b = other
            nb = None
            number = True
        else:
            if not is_operand(other):
                return NotImplemented
            return apply(op, (other, self) if reflected else (self, other), {})
        state = current()
        if state.trace is not None:
            return apply(op, (other, self) if reflected else (self, other), {})
        try:
            out = compute(b, a) if reflected else compute(a, b)
        except Exception as error:
            raise failure(op, error, (other, self) if reflected else (self, other)) from error
        if not state.record or (na is None and nb is None):
            if state.watch:
                watch(None, op, out, state)
            return result(out)
        all_plans = op.binary_plans or plans()
        if number:
            if reflected:
                plan = all_plans[5]
                parents = (other, na)
                a, b = b, a
            else:
                plan = all_plans[4]
                parents = (na, other)
        elif nb is None:
            plan = all_plans[1]
            parents = (na, entry(other, b, bool(plan.code & 2)))
        elif na is None:
            plan = all_plans[2]
            parents = (entry(self, a, bool(plan.code & 1)), nb)
        else:
            plan = all_plans[3]
            parents = (na, nb)
        code = plan.code
        node = _new(Node)
        node.plan = plan
        node.parents = parents
        if code == 0:
            node.kept = ()
        elif code == 3:
            node.kept = (a, b)
        elif code == 1:
            node.kept = (a,)
        elif code == 2:
            node.kept = (b,)
        else:
            node.kept = tuple([x for bit, x in ((1, a), (2, b), (4, out)) if code & bit])
        node.number = next_number()
        node.shape = out.shape
        node.dtype = out.dtype
        node.statics = None
        node.scope = state.scope
        node.version = None
        node.extra = None
        if state.watch:
            watch(node, op, out, state, (a, b))
        t = _new(Tensor)
        t._buffer = out
        t._node = node
        t._leaf = False
        return t

    method.__name__ = f"__{'r' if reflected else ''}{op.name}__"
    method.__doc__ = op.__doc__
    return method


def _comparison(op: Operator, reflected: bool) -> Any:
    """The method of an operator whose result is boolean: not recorded."""

    def method(self: Tensor, other: Any) -> Any:
        if not (isinstance(other, Tensor) or is_operand(other)):
            return NotImplemented
        return apply(op, (other, self) if reflected else (self, other), {})

    method.__name__ = f"__{op.name}__"
    method.__doc__ = op.__doc__
    return method


def unary(op: Operator) -> Any:
    """A one-operand elementwise operator applied to a Tensor."""
    compute = op.function
    plan = op.plan(1) if op.differentiable else None

    def method(self: Tensor) -> Tensor:
        a = self._buffer
        state = current()
        if state.trace is not None:
            return apply(op, (self,), {})  # type: ignore[no-any-return]
        try:
            out = compute(a)
        except Exception as error:
            raise failure(op, error, (self,)) from error
        na: Any = self._node
        if na is None and self._leaf:
            na = self
        node = None
        if na is not None and state.record and plan is not None:
            code = plan.code
            kept = () if code == 0 else (a,) if code == 1 else (out,) if code == 4 else (a, out)
            node = record(plan, (na,), kept, out, None, state)
        if state.watch:
            watch(node, op, out, state)
        return result(out, node)

    method.__name__ = op.name
    method.__doc__ = op.__doc__
    return method


def single(op: Operator, positional: int | None = None, beyond: Any = apply) -> Any:
    """An operator of one operand and static arguments, such as a reduction, applied to a Tensor.

    `beyond` takes calls with more than that many positional arguments after the operand, and all others that are rare.
    """
    function = op.function
    defaults = dict(op.defaults)
    required = [n for n in op.statics if n not in defaults]
    names = op.positional[1:] if positional is None else op.positional[1 : positional + 1]
    aliases = op.aliases

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        statics = defaults
        if args or kwargs:
            statics = {**defaults, **kwargs}
            if args:
                statics.update(zip(names, args))
            if (
                len(args) > len(names)
                or len(statics) != len(op.statics)
                or (args and kwargs and len(args) + len(kwargs) != len({*names[: len(args)], *kwargs}))
            ):
                return beyond(op, (self, *args), kwargs)  # arguments at NumPy's defaults, wider ones, or an error
            for name, value in statics.items():
                kind = type(value)
                # Shapes and axes are tuples of integers, which need no copy either.
                if kind not in _PLAIN and not (kind is tuple and _PLAIN.issuperset(map(type, value))):
                    statics[name] = unwrap_static(value, op)
        elif required:
            return apply(op, (self,), {})
        a = self._buffer
        state = current()
        if state.trace is not None:
            return apply(op, (self,), statics)
        try:
            out = function(a, **statics)
        except Exception as error:
            raise failure(op, error, (self,)) from error
        na: Any = self._node
        if na is None and self._leaf:
            na = self
        node = None
        if na is not None and state.record and op.differentiable and out.dtype.kind in "fc":
            if out.dtype.kind == "c":
                raise complex_refused(op.name)
            plan = op.plan(1)
            kept = tuple([a if i == 0 else out for i in plan.keep])
            node = record(plan, (na,), kept, out, statics, state)
        elif na is not None and out.dtype.kind not in "fciub":
            raise not_numeric(op.name, out.dtype)
        if state.watch:
            watch(node, op, out, state)
        t = result(out, node)
        if aliases and type(out) is np.ndarray and out.base is not None:
            from .views import register_view

            register_view(self, t, op, statics, a)
        return t

    method.__name__ = op.name
    method.__doc__ = op.__doc__
    return method


def on_array(op: Operator, a: Any, /, **statics: Any) -> Any:
    """What `apply` gives in a gradient rule that runs on arrays: the function itself. NotImplemented for all else."""
    if type(a) is not _ndarray or a.dtype.kind not in "fiub" or current().trace is not None:
        return NotImplemented
    for name, value in statics.items():
        if name not in op.statics or not (
            type(value) in _HELD or (type(value) is tuple and _HELD.issuperset(map(type, value)))
        ):
            return NotImplemented
    try:
        return op.function(a, **statics)
    except Exception:
        return NotImplemented  # `apply` raises it in the words of this package


def is_operand(x: Any) -> bool:
    """Whether an operator method may take `x`: arrays, numbers and nested lists, not strings or unknown objects."""
    if isinstance(x, Product):
        return False
    return isinstance(x, int | float | complex | np.generic | list | tuple) or (
        hasattr(type(x), "__array_ufunc__") and type(x).__array_ufunc__ is not None
    )
