"""Names for intermediate values: `tag`, and the scope in which `compare` perturbs and cuts them.

The adjoint of a tagged value t is the derivative of the output with respect to an additive
perturbation of t. So one mechanism, "add a delta at the tag", serves the engine (the delta is a
leaf), the complex step and the differences (the delta is a small array) alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from autograd_core.errors import ArgumentError, DTypeError

_scope: ContextVar[TagScope | None] = ContextVar("autograd_core_tag_scope", default=None)


class TagScope:
    """What happens at the tags of one run of a forward function.

    Args:
        deltas: Added to the tagged value of that name: arrays, or Tensors that are leaves.
        cut: Names whose value is passed on as a constant, so that no gradient crosses them.
        reserved: Names that a tag must not take (inputs and parameters).

    Attributes:
        raw: The tagged values before cut and delta, in the order of recording.
        numbers: The recording number of each tag's Node (absent where nothing was recorded).
    """

    def __init__(
        self,
        deltas: Mapping[str, Any] | None = None,
        cut: Set[str] = frozenset(),
        reserved: Set[str] = frozenset(),
    ) -> None:
        self.deltas = dict(deltas or {})
        self.cut = cut
        self.reserved = reserved
        self.raw: dict[str, Any] = {}
        self.numbers: dict[str, int] = {}

    def visit(self, value: Any, name: str) -> Any:
        """Register `value` under `name`, then cut it, perturb it and name its Node."""
        if name in self.raw:
            raise ArgumentError(
                f"tag: each name is used once in a forward function; {name!r} is given a second "
                "time; choose another name for one of the two"
            )
        if name in self.reserved:
            raise ArgumentError(
                f"tag: {name!r} already names an input, a parameter or an upstream gradient; "
                "a claim could not tell them apart; choose another name"
            )
        self.raw[name] = value
        if name in self.cut and _is_tensor(value):
            value = value.detach()
        if name in self.deltas:
            value = value + self.deltas[name]
        value = _named(value, name)
        node = getattr(value, "_node", None)
        if node is not None:
            self.numbers[name] = node.number
        return value


@contextmanager
def using(scope: TagScope) -> Iterator[TagScope]:
    """Make `scope` the one that `tag` reports to, in this thread or task only."""
    token = _scope.set(scope)
    try:
        yield scope
    finally:
        _scope.reset(token)


def tag(t: Any, name: str) -> Any:
    """Name an intermediate value, so that `compare` can judge its gradient and `draw` shows it.

    The value is unchanged: tag(t) = t, with derivative 1.

    Args:
        t: A Tensor (an identity Node of that name is recorded) or an array (returned as it is).
        name: The name by which claims ask for the value, and for its gradient as `g_<name>`.

    Returns:
        `t`, of the same type, shape and dtype.

    Raises:
        DTypeError: `t` is neither a Tensor nor an array, or `name` is not a string.
        ArgumentError: `name` is no identifier, or (within `compare`) is in use already.
    """
    if not isinstance(name, str):
        raise DTypeError(f"tag: the name must be a string, got {type(name).__name__}")
    if not name.isidentifier():
        raise ArgumentError(
            f"tag: the name must be usable as a parameter of a claim, got {name!r}; "
            'use letters, digits and underscores, as in "mu" or "z_hat"'
        )
    if not _is_tensor(t) and not hasattr(t, "__array__") and not isinstance(t, (int, float)):
        raise DTypeError(
            f"tag: can name a Tensor or an array, got {type(t).__name__} for {name!r}; "
            "tag the parts of a tuple or list one by one"
        )
    scope = _scope.get()
    if scope is None:
        return _named(t, name)
    return scope.visit(t, name)


def _named(value: Any, name: str) -> Any:
    """A recorded identity with the Node's name set; arrays and constants as they are."""
    if not _is_tensor(value):
        return value
    from autograd_core.functions import _tag_tensor

    return _tag_tensor(value, name)


def _is_tensor(value: Any) -> bool:
    # Asked by type only: an attribute probe would be true for other libraries' tensors as well.
    from autograd_core.tensor import Tensor

    return isinstance(value, Tensor)


def plain(value: Any) -> np.ndarray[Any, Any]:
    """The array inside a Tensor, or the value itself as an array."""
    return np.asarray(value.data if _is_tensor(value) else value)
