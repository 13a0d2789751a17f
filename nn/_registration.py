"""What `Module` checks of names, paths and dtypes, and what it warns about."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, NoReturn

import numpy as np

from autograd_core.errors import ArgumentError, DTypeError, where

from .parameter import Parameter

__all__ = [
    "check_name",
    "floating",
    "has_setter",
    "is_late",
    "not_found",
    "prepare",
    "refuse_replacement",
    "warn_of_hidden",
]

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_INNER = tuple(os.path.join(_ROOT, name) + os.sep for name in ("autograd_core", "nn", "optim"))


def check_name(method: str, module: Any, name: Any, like: type) -> None:
    """A name must be free, or that of something alike, which is replaced; and it must fit into a dotted path."""
    valid = isinstance(name, str) and name != "" and "." not in name
    if not valid or (hasattr(module, name) and not isinstance(module.__dict__.get(name, ...), like | None)):
        raise ArgumentError(
            f"{method}: the name must be a free one without dots, got {name!r} on {type(module).__name__}; choose "
            f"another. {where(method)}"
        )


def not_found(method: str, module: Any, kind: str, target: str, there: Iterable[tuple[str, Any]]) -> AttributeError:
    """The error for a path that leads nowhere, naming paths that do lead somewhere."""
    names = [name for name, _ in there if name]
    return AttributeError(
        f"{method}: the path must lead to a {kind} of this {type(module).__name__}, got {target!r}; there are "
        f"{', '.join(names[:10]) or 'none'}{', ...' if len(names) > 10 else ''}. {where(method)}"
    )


def floating(dtype: Any) -> Any:
    """The dtype, or DTypeError unless it is a real floating one."""
    try:
        kind = None if dtype is None else np.dtype(dtype)
    except TypeError:  # what NumPy does not know, such as "cpu"
        kind = None
    if kind is None or kind.kind != "f":
        raise DTypeError(
            f"to: the dtype must be a real floating one, got {dtype!r}; e.g. np.float32 (there is no device to move "
            f"to). {where('to')}"
        )
    return kind


def has_setter(kind: type, name: str) -> bool:
    """Whether the class has a property, or another descriptor that takes assignments, of this name."""
    for base in kind.__mro__:
        if name in base.__dict__:
            return hasattr(type(base.__dict__[name]), "__set__")
    return False


def is_late(key: str, state_dict: Any) -> bool:
    """Whether files of running statistics that are older than this buffer may lack it: PyTorch's before 0.4.1."""
    head, _, last = key.rpartition("num_batches_tracked")
    return last == "" and f"{head}running_mean" in state_dict


def prepare(module: Any, name: str, value: Any) -> None:
    """What comes with a parameter or module that is about to become an attribute of this module."""
    owner = type(module).__name__
    if not name or "." in name:
        raise ArgumentError(
            f"{owner}: the attribute of a parameter or module must have a name without dots, which separate names in "
            f"state_dict's keys, got {name!r}; choose another. {where('Module')}"
        )
    if isinstance(value, Parameter):
        if value.name is None:
            value.name = name
    elif any(below is module for below in value.modules()):
        raise ArgumentError(
            f"{owner}: modules must form a tree, got {name!r} = a module that contains this one; keep a function that "
            f"returns it instead. {where('Module')}"
        )
    else:
        value._be_called(name)
    module._forget_buffer(name)


def refuse_replacement(module: Any, name: str, value: Any, kind: str) -> NoReturn:
    """Raises the error of a value that cannot take the place of what is registered: a module, tensor or buffer."""
    if kind == "buffer":
        raise ArgumentError(
            f"{type(module).__name__}.{name}: a buffer must not require a gradient, got a Tensor of shape "
            f"{value.shape} that does; assign value.detach(). {where('Module')}"
        )
    like = "another module" if kind == "module" else f".{name}.data = array"
    raise DTypeError(
        f"{type(module).__name__}.{name}: a registered {kind} must be replaced by its like or None, got "
        f"{type(value).__name__}; write {like}, or delete the attribute first. {where('Module')}"
    )


_PLAIN = (list, tuple, dict)
_LOOKED_AT = 100  # elements of a plain container; longer ones hold data


def warn_of_hidden(holders: list[Any], modules: Callable[[], Iterable[Any]], module_type: type) -> None:
    """Warns of modules and parameters in plain lists of the holders, which PyTorch would silently leave out.

    Those that are registered in any of `modules()` are not meant.
    """
    registered: set[int] | None = None
    for holder in holders:
        for name, value in holder.__dict__.items():
            if isinstance(value, _PLAIN) and value:
                for item in _held(value, module_type):
                    if registered is None:  # mostly there is nothing to look for
                        registered = {id(v) for m in modules() for v in (m, *m.__dict__.values())}
                    if id(item) not in registered:
                        _warn(holder, name, value, "Parameter" if isinstance(item, Parameter) else "Module")
                        break


def _held(value: Any, module_type: type, depth: int = 3) -> Iterator[Any]:
    """Modules and parameters in a list, tuple or dict, and in those in it."""
    for item in islice(value.values() if isinstance(value, dict) else value, _LOOKED_AT):
        if isinstance(item, (module_type, Parameter)):
            yield item
        elif depth and isinstance(item, _PLAIN):
            yield from _held(item, module_type, depth - 1)


def _warn(module: Any, name: str, value: Any, kind: str) -> None:
    instead = f"nn.{kind}{'Dict' if isinstance(value, dict) else 'List'}"
    warnings.warn(
        f"{type(module).__name__}.{name}: a {kind} in a plain {type(value).__name__} is not registered, so it is "
        f"neither trained nor saved; use {instead}, or keep a function that returns it if that is meant. "
        f"{where('parameters')}",
        UserWarning,
        stacklevel=_levels_to_the_user(),
    )


def _levels_to_the_user() -> int:
    """The stacklevel, seen from the caller, of the line in the user's program that led here."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INNER):
        frame, level = frame.f_back, level + 1
    return level
