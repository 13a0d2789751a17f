"""`Tensor.backward`: where the sweep starts and where gradients are accumulated.

Cotangents are plain arrays, so the rules run at NumPy's speed; with `create_graph` they are Tensors, so the same rules
record a graph of their own.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from .context import current
from .engine import result
from .errors import DTypeError, GraphError, ShapeError, where
from .sweep import hooked, sweep
from .tensor import Tensor, as_array

__all__ = ["backward"]


def backward(root: Tensor, gradient: Any, retain: bool, create: bool) -> None:
    """`Tensor.backward`: sweeps, then commits all gradients at once, so that a failure leaves `.grad` as it was."""
    if not root.requires_grad:
        raise GraphError(
            f"backward: the tensor must need a gradient, got one of shape {root.shape} that depends on no leaf with "
            f"requires_grad=True (or was computed under no_grad); set it on the leaves. {where('backward')}"
        )
    trace = current().trace
    cotangent = initial(root, gradient, create, trace)
    commits: list[tuple[Tensor, Tensor]] = []
    if root._node is None:
        leaves: dict[int, tuple[Tensor, Any]] = {id(root): (root, cotangent)}
        del cotangent
    else:
        leaves = sweep([(root._node, cotangent)], retain=retain, create=create, retained=commits)
    while leaves:
        commits.append(finished(leaves, create, trace))
    for leaf, total in commits:
        if trace is None:
            leaf._grad = total
        else:
            trace.set_grad(leaf, total)


def initial(root: Tensor, gradient: Any, create: bool, trace: Any) -> Any:
    """The cotangent that the sweep starts from, checked."""
    data = root._buffer
    if gradient is None:
        if data.size != 1:
            raise GraphError(
                f"backward: without a gradient the tensor must have one element, got shape {root.shape}; reduce it "
                f"(.sum(), .mean()) or give a gradient of that shape. {where('backward')}"
            )
        # Another array type gets a cotangent of its own kind, or rules that keep nothing would leave it.
        plain = data.shape == () and isinstance(data, np.ndarray | np.generic)
        array = data.dtype.type(1) if plain else np.ones_like(data)
        return Tensor(array) if create else array
    given = gradient if isinstance(gradient, Tensor) else result(as_array(gradient))
    if given._buffer.dtype.kind == "c":
        raise DTypeError(
            f"backward: the gradient must be real, since gradients are, got dtype {given.dtype}; take np.real of it. "
            f"{where('backward')}"
        )
    if given.shape != root.shape:
        raise ShapeError(
            f"backward: the gradient must have the tensor's shape {root.shape}, got {given.shape}; np.broadcast_to or "
            f"reshape it. {where('backward')}"
        )
    if given.dtype != root.dtype:
        given = given.astype(root.dtype)
    return given if create else given._buffer if trace is None else given.data


def finished(leaves: dict[int, tuple[Tensor, Any]], create: bool, trace: Any) -> tuple[Tensor, Tensor]:
    """Takes a leaf from the dict: its gradient as a Tensor of its own, hooks run and the earlier gradient added."""
    leaf, total = leaves.popitem()[1]
    shape = leaf._buffer.shape
    out = total if create else result(total)
    del total
    if out._buffer.shape != shape:
        out = in_full(out, shape, create)
    if leaf._hooks is not None:
        for hook in list(leaf._hooks.values()):
            out = hooked(hook, out, shape, leaf.dtype)
    old = leaf._grad if trace is None else trace.grad(leaf)
    if old is not None:
        if create or old.requires_grad:
            return leaf, old + out
        return leaf, Tensor(old._buffer + out._buffer)
    if not create and isinstance(out._buffer, np.ndarray) and not _sole(out):
        return leaf, Tensor(out._buffer.copy())
    return leaf, out


def in_full(out: Any, shape: tuple[int, ...], create: bool) -> Any:
    """A gradient that stands for its broadcast, in full."""
    try:
        return np.broadcast_to(out, shape) if create else Tensor(np.copy(np.broadcast_to(out._buffer, shape)))
    except ValueError as error:
        raise ShapeError(
            f"backward: a gradient must have its leaf's shape {shape} or broadcast to it, got {out.shape}; the "
            "gradient rule of the operator that the leaf went into must sum it to its operand's shape. "
            f"{where('backward')}"
        ) from error


def _sole(t: Tensor) -> bool:
    """Whether nobody but this tensor holds the array, or the array that it is a view of."""
    array = t._buffer
    base = array.base
    if base is None:
        return sys.getrefcount(array) <= _SOLE and array.flags.owndata
    del array
    return type(base) is np.ndarray and sys.getrefcount(base) <= _SOLE and base.flags.owndata


def _calibrate() -> int:
    """What `sys.getrefcount` says of an array that one Tensor and one local variable hold, on this interpreter."""
    t = Tensor(np.empty(1))
    array = t._buffer
    base = array.base
    if base is None:
        return sys.getrefcount(array)
    return 0


_SOLE = _calibrate()
