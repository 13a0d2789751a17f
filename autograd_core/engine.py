"""The forward pass: calling operators on tensors and recording them. `apply` serves every operator."""

from __future__ import annotations

from typing import Any

import numpy as np

from .context import State, current
from .errors import AutogradError, AxisError, DTypeError, GraphError, NonFiniteError, ShapeError, where
from .node import Constant, Node, next_number
from .operator import Operator
from .tensor import Tensor, as_array, entry_of

__all__ = ["apply", "record", "result"]

_new = object.__new__
NUMBERS = (float, int)
_FLOATING = "fc"
_NUMERIC = "fciub"
_HOLDING = (Tensor, np.ndarray, tuple, list, dict)  # what a container of static arguments is copied for
WIDER = frozenset({"b", "correction", "initial", "mean", "where"})  # what only `Operator.wider` has


def result(data: Any, node: Node | None = None) -> Tensor:
    """A Tensor around an array, made by `node`."""
    t = _new(Tensor)
    t._buffer = data
    t._node = node
    t._leaf = False
    return t


def record(
    plan: Any,
    parents: tuple[Any, ...],
    kept: tuple[Any, ...],
    out: Any,
    statics: dict[str, Any] | None,
    state: State,
) -> Node:
    """Appends one operation to the tape."""
    node = _new(Node)
    node.plan = plan
    node.parents = parents
    node.kept = kept
    node.number = next_number()
    node.shape = out.shape
    node.dtype = out.dtype
    node.statics = statics
    node.scope = state.scope
    node.version = None
    node.extra = None
    return node


def watch(node: Node | None, op: Operator, out: Any, state: State, datas: tuple[Any, ...] = ()) -> None:
    """What anomaly mode checks and `keep_values` keeps; not on the hot path.

    Args:
        node: what was recorded, or None.
        op: the operator.
        out: what it returned.
        state: the caller's.
        datas: the operands' arrays, in the order of the Node's parents; may be left out where none is a constant.
    """
    from .errors import user_line

    for part in out if op.multiple else (out,):
        if (
            state.anomaly
            and getattr(part, "dtype", None) is not None
            and part.dtype.kind in _FLOATING
            and not np.all(np.isfinite(part))
        ):
            raise NonFiniteError(
                f"{op.name}: values must be finite in anomaly mode, got {describe_non_finite(part)} in an output of "
                f"shape {part.shape}; look at its operands. {where(op.name)}"
            )
    if node is not None:
        extra = node.more()
        extra.source = user_line()
        if state.keep:
            extra.value = tuple(map(_copied, out)) if op.multiple else _copied(out)
            constants = [i for i, parent in enumerate(node.parents) if type(parent) is Constant]
            extra.constants = {i: _copied(datas[i]) for i in constants} or None


def _copied(array: Any) -> Any:
    """A copy of what may be written to later."""
    return array.copy() if isinstance(array, np.ndarray) else array


def describe_non_finite(array: Any) -> str:
    nans, infs = int(np.sum(np.isnan(array))), int(np.sum(np.isinf(array)))
    return " and ".join(f"{n} {what}" for n, what in ((nans, "NaN"), (infs, "infinite")) if n)


def failure(op: Operator, error: Exception, operands: tuple[Any, ...]) -> Exception:
    """NumPy's complaint about operands, in the form of this package: operator, shapes, the user's line and the fix."""
    if isinstance(error, AutogradError):
        return error
    shapes = " and ".join(str(np.shape(x.data if isinstance(x, Tensor) else x)) for x in operands)
    place = f"got shapes {shapes}" if operands else "got no operand"
    if isinstance(error, ValueError) and "negative integer powers" in str(error):
        return DTypeError(
            f"{op.name}: an integer must not be raised to a negative power, {place}; convert it with .astype(float), "
            f"or write 2.0 for 2. {where(op.name)}"
        )
    if isinstance(error, np.linalg.LinAlgError):
        from .ops._matrices import linalg_failure

        return linalg_failure(op.name, error, place)
    if isinstance(error, ValueError | IndexError):
        kind: type[Exception] = ShapeError
        fix = "make the shapes agree (np.expand_dims, reshape) or correct the axis"
        if isinstance(error, IndexError):
            kind = AxisError
        return kind(f"{op.name}: the operands must fit together, {place}: {error}; {fix}. {where(op.name)}")
    if isinstance(error, TypeError):
        return DTypeError(
            f"{op.name}: the operands must have types that NumPy accepts, {place}: {error}. {where(op.name)}"
        )
    return error


# -- any operator ---------------------------------------------------------------------------------------------------


def bind(op: Operator, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The operator's arguments by name, defaults filled in."""
    names = op.positional
    if len(args) > len(names):
        raise TypeError(
            f"{op.name}: takes at most {len(names)} positional arguments {names}, got {len(args)}. {where(op.name)}"
        )
    bound = dict(zip(names, args, strict=False))
    for name, value in kwargs.items():
        if name in bound or not (name in op.parameters or name in op.statics or name == op.variadic):
            if value is None or value is np._NoValue:
                continue  # NumPy's dispatcher passes on arguments at their defaults
            raise DTypeError(
                f"{op.name}: the arguments must be among {tuple(names)} and keywords {op.statics}, got "
                f"{name}={value!r}; compute it without that argument. {where(op.name)}"
            )
        bound[name] = value
    for name, value in op.defaults.items():
        bound.setdefault(name, value)
    missing = [n for n in (*op.parameters, *((op.variadic,) if op.variadic else ())) if n not in bound]
    if missing:
        raise TypeError(f"{op.name}: missing arguments {missing}. {where(op.name)}")
    return bound


def unwrap(x: Any, by: str) -> Any:
    """The array of an operand; Python numbers stay numbers, so that they do not decide the dtype."""
    if isinstance(x, Tensor):
        return x._buffer
    if x is None or type(x) in NUMBERS or type(x) is bool or type(x) is complex:
        return x
    return as_array(x, by)


def unwrap_static(x: Any, op: Operator | None = None) -> Any:
    """Static arguments are arrays at most: an index may come as a Tensor of integers, or in a container of them.

    Raises:
        GraphError: a Tensor in the graph, whose gradient would be lost.
    """
    if type(x) is np.ndarray:
        return x.copy()
    if isinstance(x, Tensor):
        if x.requires_grad:
            name = "[ ]" if op is None else op.name
            raise GraphError(
                f"{name}: an argument without a gradient rule must be a constant, got a tensor of shape {x.shape} in "
                f"the graph, whose gradient would be lost; use .detach() if it is meant so. {where(name)}"
            )
        return np.copy(x.data)  # rules use it later; the tensor may be written to before that
    if x is object or (isinstance(x, np.dtype) and x.kind not in _NUMERIC):
        raise not_numeric("dtype" if op is None else op.name, np.dtype(x))
    kind = type(x)
    if kind is dict:
        return {name: unwrap_static(value, op) for name, value in x.items()}
    if (kind is tuple or kind is list) and any(isinstance(i, _HOLDING) for i in x):
        return kind([unwrap_static(i, op) for i in x])
    return x.copy() if kind is list else x


def complex_refused(name: str) -> DTypeError:
    """The refusal of a complex value in the graph: its cotangent would be cast to a real one."""
    return DTypeError(
        f"{name}: what is recorded must be real, since gradients are, got complex numbers beside a tensor in the "
        f"graph; keep real and imaginary parts as two Tensors, or use .detach(). {where(name)}"
    )


def not_numeric(name: str, dtype: Any) -> DTypeError:
    """The refusal of objects, strings and times, which would leave the graph without a word."""
    return DTypeError(
        f"{name}: results must be numbers, since gradients are, got dtype {dtype}; convert the operands (or dtype=) to "
        f"float. {where(name)}"
    )


def entry(x: Any, data: Any, kept: bool) -> Any:
    """What stands for an operand that needs no gradient among a Node's parents."""
    if type(x) in NUMBERS or type(x) is bool or x is None:
        return x
    if type(x) is complex or data.dtype.kind == "c":
        raise complex_refused("tensor")
    if isinstance(x, Tensor):
        return Constant(data.shape, data.dtype, x.name, x.storage() if kept else None)
    return Constant(data.shape, data.dtype, None, None)


def apply(op: Operator, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Computes an operator on tensors, arrays and numbers, and records it if an operand needs a gradient.

    Without any Tensor among the operands it is the function itself: arrays in, array out.
    """
    if op.wider is not None and not WIDER.isdisjoint(kwargs):
        return op.wider(*args, **kwargs)
    bound = bind(op, args, kwargs)
    if op.variadic:
        operands = tuple(bound.pop(op.variadic))
    else:
        operands = tuple(bound.pop(name) for name in op.parameters)
    state = current()
    if state.trace is not None:
        operands = state.trace.operands(operands)
    datas = tuple(unwrap(x, op.name) for x in operands)
    statics = {name: unwrap_static(value, op) for name, value in bound.items()}
    tensors = [x for x in operands if isinstance(x, Tensor)]
    try:
        if state.trace is None:
            out = compute(op, datas, statics)
        else:
            datas, out = state.trace.compute(op, operands, datas, statics)
    except Exception as error:
        raise failure(op, error, operands) from error
    if not tensors:
        return out
    mask = 0
    if state.record and op.differentiable and (op.multiple or out.dtype.kind in _FLOATING):
        for i, x in enumerate(operands):
            if isinstance(x, Tensor) and (x._node is not None or x._leaf):
                mask |= 1 << i
        if mask and not op.multiple and out.dtype.kind == "c":
            raise complex_refused(op.name)
    elif state.record and op.differentiable and not op.multiple and out.dtype.kind not in "iub":
        raise not_numeric(op.name, out.dtype)
    node = record_call(op, mask, operands, datas, out, statics, state) if mask else None
    if node is not None and state.trace is not None:
        node.plan = state.trace.plan(node.plan)
    if state.watch:
        watch(node, op, out, state, datas)
    if op.multiple:
        return tuple(pick(node, i, part, state) for i, part in enumerate(out))
    t = result(out, node)
    if op.aliases and isinstance(out, np.ndarray) and out.base is not None:
        from .views import register_view

        register_view(operands[0], t, op, statics, datas[0])
    return t


def compute(op: Operator, datas: tuple[Any, ...], statics: dict[str, Any]) -> Any:
    """The operator's function on arrays."""
    if op.variadic:
        return op.function(**{op.variadic: datas}, **statics)
    return op.function(**dict(zip(op.parameters, datas, strict=True)), **statics)


def record_call(
    op: Operator,
    mask: int,
    operands: tuple[Any, ...],
    datas: tuple[Any, ...],
    out: Any,
    statics: dict[str, Any],
    state: State,
) -> Node:
    """Records a call of any operator."""
    numbers = sum(1 << i for i, x in enumerate(datas) if type(x) in NUMBERS or type(x) is bool or x is None)
    plan = op.plan(mask, len(operands), numbers)
    parents = tuple(
        entry_of(x) if mask >> i & 1 else entry(x, datas[i], i in plan.guard) for i, x in enumerate(operands)
    )
    kept = tuple(datas[i] if i >= 0 else out for i in plan.keep)
    return record(plan, parents, kept, out[0] if op.multiple else out, statics or None, state)


def pick(node: Node | None, index: int, out: Any, state: State) -> Tensor:
    """One output of an operator that has several: a Node of its own, whose rule fills its place in the tuple."""
    from .ops.shape import pick as pick_op

    if node is None:
        return result(out)
    picked = record(pick_op.plan(1), (node,), (), out, {"index": index}, state)
    if node.extra is not None and state.watch:
        extra = picked.more()
        extra.source = node.extra.source
        extra.value = node.extra.value[index] if state.keep else None
    return result(out, picked)
