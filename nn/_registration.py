"""What `Module` checks of names, paths and dtypes, and what it warns about."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from autograd_core.errors import ArgumentError, DTypeError, where

from .parameter import Parameter

__all__ = ["check_name", "floating", "not_found", "warn_of_hidden"]


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


def warn_of_hidden(modules: list[Any], module_type: type) -> None:
    """Warns of modules and parameters in plain lists of these modules, which PyTorch would silently leave out.

    Those that are registered beside the list are not meant.
    """
    for module in modules:
        for name, value in module.__dict__.items():
            if isinstance(value, list | tuple | dict) and value:
                first = next(iter(value.values() if isinstance(value, dict) else value))  # the others are alike
                if isinstance(first, (module_type, Parameter)) and not _registered(first, modules):
                    _warn(module, name, value, "Parameter" if isinstance(first, Parameter) else "Module")


def _registered(item: Any, modules: list[Any]) -> bool:
    return any(item is value for module in modules for value in [module, *module.__dict__.values()])


def _warn(module: Any, name: str, value: Any, kind: str) -> None:
    instead = f"nn.{kind}{'Dict' if isinstance(value, dict) else 'List'}"
    warnings.warn(
        f"{type(module).__name__}.{name}: a {kind} in a plain {type(value).__name__} is not registered, so it is "
        f"neither trained nor saved; use {instead}, or keep a function that returns it if that is meant. "
        f"{where('parameters')}",
        UserWarning,
        stacklevel=4,
    )
