"""What a recording takes for granted, and how it is asked before each run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["GradGuard", "Guard", "unchanged"]

_COMPARED = (bool, int, float, str, tuple)
_ITEMS = (list, dict)
_APART = ("_states", "training", "_hooks")  # attributes of a module that are set by calls, or compared on their own


class Guard:
    """Something that the recording took for granted: `holds()` says whether it still is so."""

    __slots__ = ("holds", "text")

    def __init__(self, holds: Callable[[], bool], text: str) -> None:
        self.holds = holds
        self.text = text


class GradGuard(Guard):
    """Whether `.grad` is there, and its shape and dtype."""

    __slots__ = ("dtype", "origin", "shape")

    def __init__(self, origin: Any, shape: Any, dtype: Any, label: str) -> None:
        super().__init__(lambda: True, f"whether the Tensor {label} has a gradient")
        self.origin, self.shape, self.dtype = origin, shape, dtype

    def holds_in(self, leaves: Any) -> bool:
        """Whether it is as it was, in a call with these arguments."""
        kind, which = self.origin
        now = (which if kind == "captured" else leaves[which])._grad
        if now is None or self.shape is None:
            return now is None and self.shape is None
        return bool(now.shape == self.shape and now.dtype == self.dtype and not now.requires_grad)


def unchanged(thing: Any) -> Guard:
    """Whether the attributes of a module, and the items of its lists and dicts, are what they are now."""
    held = thing.__dict__
    then = {name: value for name, value in held.items() if name not in _APART}
    items = [(value, _items(value)) for value in then.values() if type(value) in _ITEMS]
    training, hooks = thing.training, _hooks(thing)

    def holds() -> bool:
        if thing.training != training or _hooks(thing) != hooks:
            return False
        if len(held) - sum(name in held for name in _APART) != len(
            then
        ):  # one more, in front of the class's, or one less
            return False
        for name, value in then.items():
            if not _same(held.get(name), value):
                return False
        for container, old in items:
            new = _items(container)
            if len(new) != len(old) or not all(map(_same, new, old)):
                return False
        return True

    return Guard(holds, f"an attribute of {type(thing).__name__}")


def _same(now: Any, then: Any) -> bool:
    return now is then or bool(type(now) is type(then) and type(now) in _COMPARED and now == then)


def _items(container: Any) -> list[Any]:
    return [*container, *container.values()] if type(container) is dict else list(container)


def _hooks(thing: Any) -> Any:
    hooks = getattr(thing, "_hooks", None)
    return hooks and (list(hooks.before), list(hooks.after))
