"""The tape: one `Node` an operation that was recorded.

A Node holds what its gradient rules need and nothing else: no Tensor of the user's program except the leaves, so an
intermediate value that no rule needs is freed at once, and no cycle keeps a graph alive.
"""

from __future__ import annotations

import itertools
import threading
from typing import Any

__all__ = ["VERSIONS", "Constant", "Node", "Storage"]

VERSIONS = threading.Lock()  # held while a version record is made, or its list of views is changed
next_number = itertools.count(1).__next__  # recording numbers; atomic, so threads may share it


class Storage:
    """The version of an array that is shared by a tensor and its views.

    Attributes:
        last: recording number of the last write, 0 if there was none. A rule that kept the array at an earlier number
            must not use it any more.
        writer: what wrote, for the message.
        views: weak references to the view tensors, which a recorded write must connect anew.
    """

    __slots__ = ("last", "views", "writer")

    def __init__(self) -> None:
        self.last = 0
        self.writer = ""
        self.views: list[Any] = []

    def written(self, writer: str) -> None:
        """Notes a write that happened just now."""
        self.last = next_number()
        self.writer = writer


class Constant:
    """An operand that needs no gradient: its shape and name only, not its value."""

    __slots__ = ("dtype", "name", "shape", "version")

    def __init__(self, shape: tuple[int, ...], dtype: Any, name: str | None, version: Storage | None) -> None:
        self.shape = shape
        self.dtype = dtype
        self.name = name
        self.version = version


class Extra:
    """What only a few Nodes have: hooks, names, and what `keep_values` and `anomaly_mode` recorded."""

    __slots__ = ("constants", "grad", "hooks", "name", "retain", "source", "value")

    def __init__(self) -> None:
        self.name: str | None = None
        self.hooks: dict[int, Any] | None = None
        self.retain: Any = None  # weak reference to the tensor that asked for its gradient
        self.value: Any = None  # a tuple for an operator with several outputs
        self.constants: dict[int, Any] | None = None  # values of the Constants among the parents, by place
        self.grad: Any = None
        self.source: str | None = None


class Node:
    """One recorded operation.

    Attributes:
        plan: the operator's `Plan` for the operands that need a gradient (rules, and what they keep).
        parents: an entry per operand: the parent Node, the leaf Tensor itself, a Constant, or a Python number.
        kept: the arrays that the rules need, None after the backward pass has freed them.
        number: recording number; every parent's is smaller.
        shape, dtype: of the output.
        statics: static arguments (axis, index, ...), or None.
        scope: dotted path of the nn module that it ran in, a `context.Scope`; "" outside any.
        version: the output's `Storage` if it has views or was written to, else None.
        extra: see `Extra`; None for most.
    """

    __slots__ = (
        "__weakref__",
        "dtype",
        "extra",
        "kept",
        "number",
        "parents",
        "plan",
        "scope",
        "shape",
        "statics",
        "version",
    )

    plan: Any
    parents: tuple[Any, ...]
    kept: tuple[Any, ...] | None
    number: int
    shape: tuple[int, ...]
    dtype: Any
    statics: dict[str, Any] | None
    scope: str
    version: Storage | None
    extra: Extra | None

    @property
    def op(self) -> Any:
        """The operator that was applied."""
        return self.plan.op

    @property
    def name(self) -> str | None:
        """The tag, or the user's name for the output; None if it has none."""
        return None if self.extra is None else self.extra.name

    @name.setter
    def name(self, name: str | None) -> None:
        self.more().name = name

    def more(self) -> Extra:
        """The `Extra` record, made at first use."""
        if self.extra is None:
            self.extra = Extra()
        return self.extra

    def __repr__(self) -> str:
        return f"<Node {self.number}: {self.op.name} -> {self.shape} {self.dtype}>"
