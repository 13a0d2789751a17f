"""Nested containers of arrays, as JAX's pytrees: what the transforms take and give back in the same structure.

A container is a dict, list, tuple, namedtuple, dataclass, None (which has no leaves) or a class that was registered;
its subclasses are not, since nothing says how to build them. Everything else is a leaf. A `Structure` is what is left
of a container without its leaves: it takes other containers apart in the same order, and names the place where one
differs ("['layers'][0].weight").
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .errors import ArgumentError, ShapeError, where
from .tensor import Tensor

__all__ = ["LEAF", "Structure", "flatten", "is_leaf", "map_leaves", "register_container"]

_LEAVES = (Tensor, np.ndarray, np.generic, float, int)


class _Handler:
    """How one class is taken apart and built: (children, rest) from an object, an object from both, names of places."""

    __slots__ = ("build", "names", "take")

    def __init__(
        self,
        take: Callable[[Any], tuple[Sequence[Any], Any]],
        build: Callable[[Any, list[Any]], Any],
        names: Callable[[Any, int], Sequence[str]] | None = None,
    ) -> None:
        self.take, self.build, self.names = take, build, names or _numbered


def _numbered(rest: Any, n: int) -> list[str]:
    return [f"[{i}]" for i in range(n)]


def _keys(rest: Any, n: int) -> list[str]:
    return [f"[{key!r}]" for key in rest[-1]]


def _build_default(rest: Any, children: list[Any]) -> Any:
    return defaultdict(rest[0], zip(rest[-1], children, strict=True))


_HANDLERS: dict[type, _Handler] = {
    type(None): _Handler(lambda x: ((), None), lambda rest, children: None),
    list: _Handler(lambda x: (x, None), lambda rest, children: list(children)),
    tuple: _Handler(lambda x: (x, None), lambda rest, children: tuple(children)),
    dict: _Handler(
        lambda x: (list(x.values()), (tuple(x),)), lambda rest, c: dict(zip(rest[-1], c, strict=True)), _keys
    ),
    OrderedDict: _Handler(
        lambda x: (list(x.values()), (tuple(x),)), lambda rest, c: OrderedDict(zip(rest[-1], c, strict=True)), _keys
    ),
    defaultdict: _Handler(lambda x: (list(x.values()), (x.default_factory, tuple(x))), _build_default, _keys),
}


def register_container(
    cls: type,
    flatten: Callable[[Any], tuple[Iterable[Any], Any]],
    unflatten: Callable[[Any, tuple[Any, ...]], Any],
) -> type:
    """Lets the transforms take and give objects of a class, as `jax.tree_util.register_pytree_node`.

    Args:
        cls: the class itself; subclasses are registered on their own.
        flatten: object -> (children, rest): what may hold arrays, and what says how to build the object (compared with
            `==` where two objects must have the same structure).
        unflatten: (rest, children) -> object. Children may be Tensors in place of arrays, so it should check no types.

    Returns:
        The class.

    Raises:
        ArgumentError: `cls` is not a class, or it is registered already (or a built-in container).
    """
    if not isinstance(cls, type):
        raise ArgumentError(
            f"register_container: the first argument must be a class, got {cls!r}; give its type. "
            f"{where('register_container')}"
        )
    if cls in _HANDLERS or issubclass(cls, _LEAVES):
        raise ArgumentError(
            f"register_container: a class must be registered once, and be neither an array nor a number, got "
            f"{cls.__name__}; leave it out. {where('register_container')}"
        )

    def take(x: Any) -> tuple[Sequence[Any], Any]:
        children, rest = flatten(x)
        return tuple(children), rest

    _HANDLERS[cls] = _Handler(take, lambda rest, children: unflatten(rest, tuple(children)))
    return cls


def _handler(x: Any) -> _Handler | None:
    """How to take `x` apart; None for a leaf."""
    cls = type(x)
    found = _HANDLERS.get(cls)
    if found is not None or isinstance(x, _LEAVES):
        return found
    if isinstance(x, tuple) and hasattr(cls, "_fields"):
        return _NAMED
    return _DATACLASS if dataclasses.is_dataclass(x) and not isinstance(x, type) else None


_NAMED = _Handler(
    lambda x: (tuple(x), type(x)), lambda cls, c: cls(*c), lambda cls, n: [f".{name}" for name in cls._fields]
)


def _take_dataclass(x: Any) -> tuple[list[Any], Any]:
    """Fields with `metadata={"static": True}` belong to the structure, as in JAX."""
    moving: list[str] = []
    static: list[tuple[str, Any]] = []
    for field in dataclasses.fields(x):
        if field.metadata.get("static", False):
            static.append((field.name, getattr(x, field.name)))
        else:
            moving.append(field.name)
    return [getattr(x, name) for name in moving], (type(x), tuple(moving), tuple(static))


def _build_dataclass(rest: Any, children: list[Any]) -> Any:
    """Without `__init__`, which may check what only arrays have, and for frozen classes too."""
    cls, moving, static = rest
    out = object.__new__(cls)
    for name, value in (*zip(moving, children, strict=True), *static):
        object.__setattr__(out, name, value)
    return out


_DATACLASS = _Handler(_take_dataclass, _build_dataclass, lambda rest, n: [f".{name}" for name in rest[1]])


def is_leaf(x: Any) -> bool:
    """Whether `x` is no container."""
    return isinstance(x, _LEAVES) or _handler(x) is None


class Structure:
    """A container without its leaves.

    Attributes:
        kind: the container's class, or None for a leaf.
        handler: how it is taken apart and built.
        rest: what the class needs beside the children to be built.
        children: the structures of the children.
        size: number of leaves.
    """

    __slots__ = ("children", "handler", "kind", "rest", "size")

    def __init__(self, kind: Any = None, handler: Any = None, rest: Any = None, children: Sequence[Any] = ()) -> None:
        self.kind, self.handler, self.rest = kind, handler, rest
        self.children: tuple[Structure, ...] = tuple(children)
        self.size: int = 1 if kind is None else sum(c.size for c in self.children)

    def build(self, leaves: Iterable[Any]) -> Any:
        """A container of this structure with these leaves."""
        iterator = iter(leaves)
        return self._build(iterator)

    def _build(self, leaves: Any) -> Any:
        if self.kind is None:
            return next(leaves)
        return self.handler.build(self.rest, [c._build(leaves) for c in self.children])

    def paths(self, prefix: str = "") -> list[str]:
        """The place of every leaf, such as "['layers'][0].weight"."""
        if self.kind is None:
            return [prefix]
        names = self.handler.names(self.rest, len(self.children))
        return [p for name, c in zip(names, self.children, strict=True) for p in c.paths(prefix + name)]

    def leaves_of(self, other: Any, name: str, what: str, prefix: str) -> list[Any]:
        """The leaves of a container that must have this structure, in this structure's order.

        Raises:
            ShapeError: it has another structure; the message names the place.
        """
        leaves: list[Any] = []
        self._match(other, name, what, prefix, leaves)
        return leaves

    def _match(self, other: Any, name: str, what: str, path: str, leaves: list[Any]) -> None:
        if self.kind is None:
            if _handler(other) is not None:
                raise _mismatch(name, what, path, "an array", described(other))
            leaves.append(other)
            return
        handler = _handler(other)
        if handler is None or type(other) is not self.kind:
            raise _mismatch(name, what, path, _class_name(self.kind), described(other))
        children, rest = handler.take(other)
        if issubclass(self.kind, dict):
            if set(rest[-1]) != set(self.rest[-1]):
                raise _mismatch(name, what, path, f"a dict of keys {_listed(self.rest[-1])}", _listed(rest[-1]))
            children = [other[key] for key in self.rest[-1]]
        elif len(children) != len(self.children):
            raise _mismatch(name, what, path, f"{_class_name(self.kind)} of {len(self.children)}", f"{len(children)}")
        elif not _same(rest, self.rest):
            raise _mismatch(name, what, path, f"{_class_name(self.kind)} with {self.rest!r}", repr(rest))
        places = self.handler.names(self.rest, len(self.children))
        for child, part, place in zip(self.children, children, places, strict=True):
            child._match(part, name, what, path + place, leaves)


LEAF = Structure()


def flatten(x: Any) -> tuple[list[Any], Structure]:
    """The leaves of a nested container in order, and its structure."""
    leaves: list[Any] = []
    return leaves, _flatten(x, leaves)


def _flatten(x: Any, leaves: list[Any]) -> Structure:
    handler = None if isinstance(x, _LEAVES) else _handler(x)
    if handler is None:
        leaves.append(x)
        return LEAF
    children, rest = handler.take(x)
    return Structure(type(x), handler, rest, [_flatten(c, leaves) for c in children])


def map_leaves(f: Callable[[Any], Any], x: Any) -> Any:
    """The container with `f` of every leaf in its place."""
    leaves, structure = flatten(x)
    return structure.build([f(leaf) for leaf in leaves])


def described(x: Any) -> str:
    """What came, for a message."""
    if isinstance(x, Tensor | np.ndarray):
        return f"an array of shape {x.shape}"
    return "None" if x is None else f"a {type(x).__name__}"


def _same(a: Any, b: Any) -> bool:
    try:
        return a is b or bool(a == b)
    except ValueError:  # arrays among what is compared
        return False


def _class_name(kind: type) -> str:
    return "None" if kind is type(None) else f"a {kind.__name__}"


def _listed(keys: Iterable[Any]) -> str:
    return ", ".join(map(repr, keys)) or "none"


def _mismatch(name: str, what: str, path: str, wanted: str, got: str) -> ShapeError:
    return ShapeError(
        f"{name}: the {what} must be {wanted}{f' at {path}' if path else ''}, got {got}; give it the same containers "
        f"as what it belongs to. {where(name)}"
    )
