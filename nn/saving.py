"""Weights on disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, TypeVar, overload

from autograd_core.disk import MissingFileError, load_arrays, save_arrays
from autograd_core.errors import ArgumentError, where

from ._paths import file_name
from .module import Module

__all__ = ["load", "save"]

ModuleType = TypeVar("ModuleType", bound=Module)


def save(module: Module | Mapping[str, Any], path: Any, *, metadata: Mapping[str, str] | None = None) -> None:
    """Writes a module's `state_dict`, or arrays by name, as a safetensors file.

    Keys and shapes are PyTorch's: `safetensors.torch.load_file(path)` gives what `load_state_dict` of the like
    torch module takes. A shared weight is written under each of its keys. The file appears complete or not at all: if
    anything fails, an existing file stays as it is. States of optimizers, schedules and averages of weights, which hold
    more than arrays, are saved with `optim.save`.

    Args:
        module: a Module, or arrays or Tensors by name.
        path: the file, usually "*.safetensors"; its directory must exist.
        metadata: text that is kept with the arrays.

    Raises:
        ArgumentError: `module` is neither, a name is not a string, or `path` is no path.
        DTypeError: an array is complex or not numeric.
        MissingFileError: the file's directory does not exist, or the path is that of a directory.
        OSError: the file cannot be written.
    """
    if not isinstance(module, Module | Mapping):
        other = "optim.save keeps optimizers and schedules" if hasattr(module, "state_dict") else ""
        raise ArgumentError(
            f"save: what is saved must be a Module or a mapping of names to arrays, got {type(module).__name__}; "
            f"{other or 'write save(module, path)'}. {where('save')}"
        )
    name = file_name("save", path)
    folder = os.path.dirname(os.path.realpath(name))
    if not os.path.isdir(folder):
        raise MissingFileError(
            f"save: the file's directory must exist, got {name!r}; make {folder!r} with os.makedirs. {where('save')}"
        )
    arrays = module.state_dict() if isinstance(module, Module) else module
    save_arrays(arrays, name, metadata=metadata, by="save")


@overload
def load(module: ModuleType, path: Any) -> ModuleType: ...


@overload
def load(module: Any, path: ModuleType) -> ModuleType: ...


@overload
def load(module: Any, path: None = None) -> dict[str, Any]: ...


def load(module: Any, path: Any = None) -> Any:
    """Reads a safetensors file: `load(module, path)` into a module, `load(path)` as arrays by name.

    The keys must be exactly the module's; otherwise nothing is loaded. To skip some, pass the arrays on:
    `module.load_state_dict(nn.load(path), strict=False)`, which returns the keys that were skipped.

    Returns:
        The module, or arrays by name. Either order of module and path will do.

    Raises:
        ArgumentError: a path is no path, or what is given with it is no module.
        MissingFileError: there is no such file, or it is a directory.
        FileFormatError: it is not a safetensors file, or is truncated.
        StateDictError: lists every key that is missing, unexpected, mis-shaped or mis-typed.
    """
    if isinstance(path, Module):
        module, path = path, module
    if path is None and not isinstance(module, Module):
        return load_arrays(file_name("load", module), by="load")[0]
    if not isinstance(module, Module) or path is None:
        raise ArgumentError(
            f"load: the arguments must be a path, or a module and a path, got {type(module).__name__} and "
            f"{type(path).__name__}; write load(module, path). {where('load')}"
        )
    module.load_state_dict(load_arrays(file_name("load", path), by="load")[0])
    return module
