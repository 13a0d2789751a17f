"""Weights on disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, overload

from autograd_core.disk import load_arrays, save_arrays
from autograd_core.errors import ArgumentError, where

from .module import Module

__all__ = ["load", "save"]

ModuleType = TypeVar("ModuleType", bound=Module)


def save(module: Module | Mapping[str, Any], path: Any, *, metadata: Mapping[str, str] | None = None) -> None:
    """Writes a module's `state_dict`, or arrays by name, as a safetensors file.

    Keys and shapes are PyTorch's: `safetensors.torch.load_file(path)` gives what `load_state_dict` of the like
    torch module takes. A shared weight is written under each of its keys. The file appears complete or not at all: if
    anything fails, an existing file stays as it is.

    Args:
        module: a Module, or arrays or Tensors by name.
        path: the file, usually "*.safetensors"; its directory must exist.
        metadata: text that is kept with the arrays.

    Raises:
        ArgumentError: `module` is neither, or a name is not a string.
        DTypeError: an array is complex or not numeric.
        OSError: the file cannot be written.
    """
    if not isinstance(module, Module | Mapping):
        raise ArgumentError(
            f"save: what is saved must be a Module or a mapping of names to arrays, got {type(module).__name__}; "
            f"write save(module, path). {where('save')}"
        )
    arrays = module.state_dict() if isinstance(module, Module) else module
    save_arrays(arrays, path, metadata=metadata, by="save")


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
        MissingFileError: there is no such file.
        FileFormatError: it is not a safetensors file, or is truncated.
        StateDictError: lists every key that is missing, unexpected, mis-shaped or mis-typed.
    """
    if isinstance(path, Module):
        module, path = path, module
    if path is None and not isinstance(module, Module):
        return load_arrays(module, by="load")[0]
    if not isinstance(module, Module) or path is None:
        raise ArgumentError(
            f"load: the arguments must be a path, or a module and a path, got {type(module).__name__} and "
            f"{type(path).__name__}; write load(module, path). {where('load')}"
        )
    module.load_state_dict(load_arrays(path, by="load")[0])
    return module
