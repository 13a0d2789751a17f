"""Views and in-place writes.

Views share a `Storage` (version) with their base. A recorded write into either gives the base a new Node, and every
live view is connected to it anew; so a gradient takes the path that the values took.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from .context import current
from .errors import DTypeError, GraphError, LeafError, ShapeError, where
from .node import VERSIONS, Storage
from .tensor import Tensor

__all__ = ["assign", "in_place", "part_from_views", "register_view"]


def register_view(base: Any, view: Tensor, op: Any, statics: dict[str, Any], base_data: Any) -> None:
    """Notes that `view` shares memory with `base` if it does."""
    if not isinstance(base, Tensor) or not isinstance(base_data, np.ndarray):
        return
    array = view._buffer
    if (
        array.base is not base_data
        and (base_data.base is None or array.base is not base_data.base)
        and not np.may_share_memory(array, base_data)
    ):
        return
    storage = base.storage()
    if view._node is not None:
        view._node.version = storage
    view.version = storage
    owner, path = base._view or (base, ())
    view._view = (owner, (*path, (op, statics)))
    views = storage.views
    with VERSIONS:
        if len(views) >= 16 and len(views) & (len(views) - 1) == 0:  # forget the dead ones now and then
            views[:] = [r for r in views if r() is not None]
        views.append(weakref.ref(view))


def part_from_views(t: Tensor) -> None:
    """Leaves the memory that `t` shares with its views (or its base) to them, before `t` gets an array of its own."""
    storage = t.storage()
    views = [view for view in (r() for r in storage.views) if view is not None and view is not t]
    heir = Tensor(t._buffer)  # what the views of `t` are views of from now on
    heir._node, heir._leaf, heir._view, heir.version = t._node, t._leaf, t._view, storage
    for view in views:
        if view._view is None:
            continue
        owner, path = view._view
        if owner is t:
            view._view = (heir, path)
    t._view = None
    fresh = Storage()
    t.version = fresh
    if t._node is not None:
        t._node.version = fresh


def in_place(name: str, op: Any) -> Any:
    """The in-place Python operator method of an elementwise operator, such as `+=`."""

    def method(self: Tensor, other: Any) -> Tensor:
        check_writable(self, name)
        source = self
        state = current()
        needs = isinstance(other, Tensor) and other.requires_grad
        if state.record and (self._node is not None or needs):
            from .ops.shape import identity

            source = identity(self)  # the rule may keep the old value, whose memory is about to be written to
            if other is not self and isinstance(other, Tensor) and other.storage() is self.storage():
                other = identity(other)  # a view of the same memory
        value = op(source, source if other is self else other)
        if value.shape != self.shape:
            raise ShapeError(
                f"{name}: the result must have the tensor's own shape {self.shape}, got {value.shape}; write t = t "
                f"{name[:-1]} x instead. {where(name)}"
            )
        assign(self, value, name)
        return self

    method.__name__ = name
    return method


def check_writable(t: Tensor, name: str, instead: str | None = None) -> None:
    """Refuses in-place writes to a leaf that requires a gradient while recording."""
    if current().record:
        owner = t._view[0] if t._view else t
        if t._leaf or owner._leaf:
            instead = instead or (f"t = t {name[:-1]} x" if name.endswith("=") else "t = np.where(mask, v, t)")
            raise LeafError(
                f"{name}: a leaf that requires a gradient must not be changed in place while recording, got one of "
                f"shape {t.shape}; wrap the update in no_grad(), or write {instead}. {where(name)}"
            )


def assign(t: Tensor, value: Tensor, writer: str, index: Any = None) -> None:
    """Writes `value` into `t` (at `index`, or all of it) and records it.

    Raises:
        DTypeError: the value's dtype cannot be cast to the tensor's within its kind.
        ShapeError: the value does not broadcast to the place.
        GraphError: `t` is a view that was made under `no_grad`, of a tensor in the graph.
    """
    from .ops.indexing import put_positions, setitem
    from .ops.shape import identity

    if not np.can_cast(value.dtype, t.dtype, "same_kind"):
        raise DTypeError(
            f"{writer}: the value must fit the tensor's dtype {t.dtype}, got {value.dtype}; convert it with .astype. "
            f"{where(writer)}"
        )
    state = current()
    if state.trace is not None:
        state.trace.assign(t, value, writer, index)
        return
    if not isinstance(t._buffer, np.ndarray | np.generic):  # another array type, without memory to share: a new value
        new = value if index is None else setitem(t, value, index=index)
        t._buffer, t._node = new._buffer, new._node
        return
    recording = state.record and (
        t.requires_grad or value.requires_grad or (t._view is not None and t._view[0].requires_grad)
    )
    storage = t.storage()
    if recording and t._view is not None and t._node is None and t._view[0]._node is not None:
        raise GraphError(
            f"{writer}: a view that is written to while recording must have been made while recording, got one of "
            f"shape {t.shape} that was made under no_grad(), whose earlier value would count as a constant; take the "
            f"view again here, or write under no_grad(). {where(writer)}"
        )
    if recording:
        if t._view is None:
            new = identity(value) if index is None else setitem(t, value, index=index)
            if new.dtype != t.dtype:
                new = new.astype(t.dtype)
            owner, node = t, new._node
        else:
            owner, path = t._view
            positions = np.arange(owner.size).reshape(owner.shape)
            for op, statics in path:
                positions = op.function(positions, **statics)
            try:
                region = positions if index is None else positions[index]
                np.broadcast_shapes(value.shape, region.shape)
            except (ValueError, IndexError) as error:
                raise misfit(t, value, writer, error) from error
            if value.shape != region.shape:
                value = broadcast_as_assigned(value, region.shape)
            node = put_positions(owner, value, positions=region)._node
    write(t, value._buffer, index, writer)
    if recording:
        owner._node = node
        owner._leaf = False
        assert node is not None
        node.version = storage
        storage.written(writer)
        node.number = storage.last  # the write is part of this operation
        reconnect(owner, storage)
    else:
        storage.written(writer)


def write(t: Tensor, value: Any, index: Any, writer: str) -> None:
    """The write itself, checked by NumPy."""
    try:
        if index is None:
            t.data[...] = value
        else:
            t.data[index] = value
    except (ValueError, IndexError) as error:
        raise misfit(t, value, writer, error) from error


def broadcast_as_assigned(value: Any, shape: tuple[int, ...]) -> Any:
    """`value` in the shape of the place: as in NumPy, assignment drops its leading axes of length one."""
    extra = len(value.shape) - len(shape)
    if extra > 0:
        value = np.reshape(value, value.shape[extra:])
    return np.broadcast_to(value, shape)


def misfit(t: Tensor, value: Any, writer: str, error: Exception) -> ShapeError:
    return ShapeError(
        f"{writer}: the value must broadcast to the place it is written to, got a value of shape {np.shape(value)} "
        f"for a tensor of shape {t.shape}: {error}; correct the index or reshape the value. {where(writer)}"
    )


def reconnect(owner: Tensor, storage: Any) -> None:
    """Gives every live view of `owner` a Node that starts from the owner's new one."""
    views = list(storage.views)  # the operators below note views of their own, and may forget dead ones
    for reference in views:
        view = reference()
        if view is None or view._view is None or view._view[0] is not owner:
            continue
        fresh = Tensor(owner.data)
        fresh._node = owner._node
        for op, statics in view._view[1]:
            fresh = op(fresh, **statics)
        view._node = fresh._node
        if view._node is not None:
            view._node.version = storage
    with VERSIONS:
        storage.views[:] = [r for r in storage.views if r() is not None]
