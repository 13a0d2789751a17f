"""Training and evaluation mode of a module and of those below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .module import Module

__all__ = ["set_training"]


def set_training(root: Module, mode: bool, usual: Any) -> None:
    """Writes `training` into the root and those below, each once; one whose `train` is not the usual one is called."""
    seen: set[int] = set()
    stack = [root]
    while stack:
        module = stack.pop()
        if id(module) in seen:
            continue
        seen.add(id(module))
        if module is not root and getattr(module.train, "__func__", None) is not usual:
            module.train(mode)
        else:
            module.__dict__["training"] = mode
            stack.extend(reversed(list(module.children())))
