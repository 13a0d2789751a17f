"""Functions that run before and after a module's forward."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from autograd_core.errors import ArgumentError, where

if TYPE_CHECKING:
    from .module import Module

__all__ = ["Hook", "HookHandle", "Hookable", "Hooks"]


class Hook(NamedTuple):
    """One registration."""

    fn: Callable[..., Any]
    with_kwargs: bool


class Hooks:
    """The hooks of one module, in the order in which they run."""

    def __init__(self) -> None:
        self.before: list[Hook] = []
        self.after: list[Hook] = []

    def run(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Forward between the hooks; each sees what the one before it has made."""
        for hook in list(self.before):
            if hook.with_kwargs:
                changed = hook.fn(module, args, kwargs)
                if changed is not None:
                    args, kwargs = _both(changed)
            else:
                changed = hook.fn(module, args)
                if changed is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)
        out = module.forward(*args, **kwargs)
        for hook in list(self.after):
            changed = hook.fn(module, args, kwargs, out) if hook.with_kwargs else hook.fn(module, args, out)
            out = out if changed is None else changed
        return out


def _both(changed: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    good = isinstance(changed, tuple) and len(changed) == 2
    if not (good and isinstance(changed[0], tuple) and isinstance(changed[1], dict)):
        raise ArgumentError(
            f"register_forward_pre_hook: a hook with kwargs must return None or (args, kwargs), a tuple and a dict, "
            f"got {type(changed).__name__}; e.g. `return args, kwargs`. {where('register_forward_pre_hook')}"
        )
    return changed[0], changed[1]


def _check(method: str, hook: Any, example: str) -> None:
    if not callable(hook):
        raise ArgumentError(
            f"{method}: the hook must be a function, got {type(hook).__name__}; e.g. {example}. {where(method)}"
        )


class HookHandle:
    """What registering a hook returns; `remove()` takes that registration away again.

    As a context manager it removes the hook at the end of the block.
    """

    def __init__(self, module: Hookable, hooks: list[Hook], hook: Hook) -> None:
        self._module, self._hooks, self._hook = module, hooks, hook

    def remove(self) -> None:
        """Removes the hook; a second call does nothing."""
        self._hooks[:] = [hook for hook in self._hooks if hook is not self._hook]
        self._module._drop_empty_hooks()

    def __enter__(self) -> HookHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


class Hookable:
    """What `Module` offers for hooks."""

    _hooks: Hooks | None = None  # None if there are none

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> HookHandle:
        """Calls `hook(module, args)` before forward; what it returns, if anything, replaces args.

        Args:
            hook: the function; `with_kwargs` it is called as `hook(module, args, kwargs)` and may return both.
            prepend: run it before the hooks that are there already.
            with_kwargs: hand it the keyword arguments as well.

        Returns:
            A handle; `handle.remove()` takes the hook away, as does the end of a `with` block.

        Raises:
            ArgumentError: the hook is no function.
        """
        _check("register_forward_pre_hook", hook, "lambda module, args: None")
        return self._add_hook("before", Hook(hook, with_kwargs), prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> HookHandle:
        """Calls `hook(module, args, output)` after forward; a value returned replaces the output.

        Args:
            hook: the function; `with_kwargs` it is called as `hook(module, args, kwargs, output)`.
            prepend: run it before the hooks that are there already.
            with_kwargs: hand it the keyword arguments as well.
            always_call: False only; a hook is not called where forward raises.

        Returns:
            A handle; `handle.remove()` takes the hook away, as does the end of a `with` block.

        Raises:
            ArgumentError: the hook is no function, or always_call is set.
        """
        _check("register_forward_hook", hook, "lambda module, args, output: None")
        if always_call:
            raise ArgumentError(
                f"register_forward_hook: always_call must be False, got {always_call!r}; a hook that must see failures "
                f"is a try statement around the call. {where('register_forward_hook')}"
            )
        return self._add_hook("after", Hook(hook, with_kwargs), prepend)

    def _add_hook(self, place: str, hook: Hook, prepend: bool) -> HookHandle:
        if self._hooks is None:
            self.__dict__["_hooks"] = Hooks()
        hooks: list[Hook] = getattr(self._hooks, place)
        hooks.insert(0 if prepend else len(hooks), hook)
        return HookHandle(self, hooks, hook)

    def _drop_empty_hooks(self) -> None:
        if self._hooks is not None and not (self._hooks.before or self._hooks.after):
            self.__dict__["_hooks"] = None
