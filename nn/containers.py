"""Modules that hold modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from autograd_core.errors import ArgumentError, where

from .module import Module

__all__ = ["Sequential"]


class Sequential(Module):
    """Modules in a row: each gets the output of the one before.

    Args:
        modules: the modules, which get the names "0", "1", ..., or one mapping of names to modules.

    Raises:
        ArgumentError: an argument is not a module.
    """

    def __init__(self, *modules: Any) -> None:
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            named = dict(modules[0])
        else:
            named = {str(i): module for i, module in enumerate(modules)}
        for name, module in named.items():
            self._add(name, module)

    def _add(self, name: str, module: Any) -> None:
        if not isinstance(module, Module):
            raise ArgumentError(
                f"Sequential: every element must be a Module, got {type(module).__name__} as "
                f"{name!r}; pass an instance such as nn.ReLU(). {where('Sequential')}"
            )
        setattr(self, name, module)

    def forward(self, x: Any) -> Any:
        """The output of the last module; `x` itself if there is none."""
        for layer in [v for v in self.__dict__.values() if isinstance(v, Module)]:
            x = layer(x)
        return x

    def append(self, module: Module) -> Sequential:
        """Adds a module at the end."""
        self._add(str(len(self)), module)
        return self

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __getitem__(self, index: int | slice) -> Any:
        """The module at a position; for a slice a Sequential that shares the modules."""
        named = list(self.named_children())
        if isinstance(index, slice):
            part = Sequential()
            # Not assigned: the modules keep the names, and so the scopes, that they have here.
            part.__dict__.update(named[index])
            return part
        if not -len(named) <= index < len(named):
            raise IndexError(
                f"Sequential: the index must be in [{-len(named)}, {len(named)}), got {index}; "
                f"len() tells how many modules there are. {where('Sequential')}"
            )
        return named[index][1]
