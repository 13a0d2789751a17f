"""`Module`, the base class of layers and models, and `Parameter`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from autograd_core import Tensor
from autograd_core.context import STATE, State, current
from autograd_core.errors import ArgumentError, DTypeError, where

from .state import KeyReport, load_into

__all__ = ["HookHandle", "Module", "Parameter"]

_enter, _leave = STATE.set, STATE.reset
Self = TypeVar("Self", bound="Module")


class Parameter(Tensor):
    """A Tensor that a module learns: a leaf that requires a gradient.

    Args:
        data: an array, which keeps its dtype and is shared; numbers and lists become float32.
        requires_grad: False freezes it.
        dtype: convert to this dtype.
        name: name in drawings and messages; by default the attribute that it is assigned to.

    Raises:
        DTypeError: the dtype is not floating and `requires_grad` is set.
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True, *, dtype: Any = None, name: str | None = None) -> None:
        if dtype is None and not hasattr(data, "dtype"):
            dtype = np.float32
        super().__init__(data, requires_grad, dtype=dtype, name=name)


class HookHandle:
    """What registering a hook returns; `remove()` takes the hook away again."""

    def __init__(self, module: Module, hooks: list[Any], hook: Any) -> None:
        self._module, self._hooks, self._hook = module, hooks, hook

    def remove(self) -> None:
        """Removes the hook; a second call does nothing."""
        self._hooks[:] = [hook for hook in self._hooks if hook is not self._hook]
        self._module._drop_empty_hooks()


class Module:
    """Base class of layers and models.

    A subclass assigns parameters, buffers and other modules to attributes and defines `forward`.
    Calling the module runs `forward` inside the module's scope, so that the recorded operations
    know where they belong: the attribute names from the outermost module inwards, as in "net.1".
    A module that was assigned to several places is known by the latest name.

    Attributes:
        training: layers that differ between training and evaluation ask this; see `train`.
    """

    training: bool = True

    # Defaults on the class: a subclass need not call super().__init__().
    _name: str | None = None  # the attribute of the parent that holds this module
    _states: tuple[State | None, State | None] = (None, None)  # the caller's state, and ours in it
    _hooks: tuple[list[Any], list[Any]] | None = None  # before and after forward; None if none
    _buffers: Mapping[str, bool] = {}  # name: persistent; replaced, never changed

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; every subclass defines it."""
        name = type(self).__name__
        raise NotImplementedError(
            f"{name}: a module must define forward, got a class without one; "
            f"add `def forward(self, x)` to it. {where(name)}"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the hooks and `forward` in this module's scope."""
        if self._name is None:  # an outermost module runs in its caller's scope
            if self._hooks is None:
                return self.forward(*args, **kwargs)
            return self._forward_between_hooks(args, kwargs)
        state = current()
        outer, inner = self._states
        if outer is not state:
            inner = self._state_within(state)
        token = _enter(inner)  # type: ignore[arg-type]
        try:
            if self._hooks is None:
                return self.forward(*args, **kwargs)
            return self._forward_between_hooks(args, kwargs)
        finally:
            _leave(token)

    def _state_within(self, state: State) -> State:
        """The state of this module inside its caller's, made once per caller's state."""
        inner = state.but(scope=f"{state.scope}.{self._name}" if state.scope else self._name)
        self.__dict__["_states"] = (state, inner)
        return inner

    # -- attributes

    def __setattr__(self, name: str, value: Any) -> None:
        """Registers parameters, buffers and modules by the attribute that they are assigned to."""
        if isinstance(value, Module):
            if any(module is self for module in value.modules()):
                raise ArgumentError(
                    f"{type(self).__name__}: modules must form a tree, got {name!r} = a module "
                    f"that contains this one; keep a plain function or a list of one instead. "
                    f"{where('Module')}"
                )
            value.__dict__["_name"] = name
            value.__dict__.pop("_states", None)
        elif isinstance(value, Parameter):
            if value.name is None:
                value.name = name
        elif value is not None:
            old = self.__dict__.get(name)
            if isinstance(old, Parameter | Module) or (name in self._buffers and not isinstance(value, Tensor)):
                kind = "module" if isinstance(old, Module) else "tensor"
                raise DTypeError(
                    f"{type(self).__name__}.{name}: a registered {kind} must be replaced by its "
                    f"like or None, got {type(value).__name__}; write "
                    f"{'another module' if kind == 'module' else f'.{name}.data = array'}, "
                    f"or delete the attribute first. {where('Module')}"
                )
        self.__dict__[name] = value

    def register_buffer(self, name: str, value: Any, persistent: bool = True) -> None:
        """Adds state that is not learned, such as running statistics, as a Tensor without gradient.

        Args:
            name: the attribute.
            value: a Tensor or an array, or None for a buffer that this instance does not have.
            persistent: it is part of `state_dict`.

        Raises:
            ArgumentError: the tensor requires a gradient, or the name is taken or has a dot.
        """
        if not name.isidentifier() or (hasattr(self, name) and name not in self._buffers):
            raise ArgumentError(
                f"register_buffer: the name must be a free identifier, got {name!r} on "
                f"{type(self).__name__}; choose another. {where('register_buffer')}"
            )
        if value is not None:
            value = value if isinstance(value, Tensor) else Tensor(value)
            if value.requires_grad:
                raise ArgumentError(
                    f"register_buffer: a buffer must not require a gradient, got {name!r} of shape "
                    f"{value.shape} that does; use .detach(), or assign a Parameter. "
                    f"{where('register_buffer')}"
                )
            if value.name is None:
                value.name = name
        self.__dict__["_buffers"] = {**self._buffers, name: persistent}
        self.__dict__[name] = value

    # -- what the module holds

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules held directly, by attribute."""
        for name, value in list(self.__dict__.items()):
            if isinstance(value, Module):
                yield name, value

    def children(self) -> Iterator[Module]:
        """The modules held directly."""
        for _, child in self.named_children():
            yield child

    def named_modules(self, prefix: str = "", *, remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """This module and all below it, by dotted path; each once unless told otherwise."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if remove_duplicate and id(module) in seen:
                continue
            seen.add(id(module))
            yield path, module
            below = [(_join(path, name), child) for name, child in module.named_children()]
            stack.extend(reversed(below))

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Parameter]]:
        """The parameters by dotted path, in the order of assignment; a shared one once."""
        seen: set[int] = set()
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, value in module._own_parameters():
                if id(value) not in seen:
                    seen.add(id(value))
                    yield _join(path, name), value

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        """The buffers by dotted path; a shared one once."""
        seen: set[int] = set()
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, value, _ in module._own_buffers():
                if id(value) not in seen:
                    seen.add(id(value))
                    yield _join(path, name), value

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def _own_parameters(self) -> list[tuple[str, Parameter]]:
        return [(n, v) for n, v in self.__dict__.items() if isinstance(v, Parameter)]

    def _own_buffers(self) -> list[tuple[str, Tensor, bool]]:
        held = self.__dict__
        return [(n, held[n], p) for n, p in self._buffers.items() if held.get(n) is not None]

    # -- modes

    def train(self: Self, mode: bool = True) -> Self:
        """Sets training mode (or evaluation mode) here and below."""
        for module in self.modules():
            module.__dict__["training"] = bool(mode)
        return self

    def eval(self: Self) -> Self:
        """Sets evaluation mode here and below."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Sets the gradient of every parameter to None."""
        for parameter in self.parameters():
            parameter.grad = None

    def apply(self: Self, fn: Callable[[Module], Any]) -> Self:
        """Calls `fn` on every module below, then on this one; for instance to initialize."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    # -- state

    def _state_tensors(self) -> dict[str, Tensor]:
        """Parameters and persistent buffers by key; a shared one under each of its keys."""
        found: dict[str, Tensor] = {}
        for path, module in self.named_modules(remove_duplicate=False):
            found.update((_join(path, name), value) for name, value in module._own_parameters())
            found.update((_join(path, n), v) for n, v, persistent in module._own_buffers() if persistent)
        return found

    def state_dict(self) -> dict[str, Any]:
        """Copies of the arrays of parameters and persistent buffers, by dotted path."""
        return {key: np.copy(tensor.data) for key, tensor in self._state_tensors().items()}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> KeyReport:
        """Writes arrays into the parameters and buffers, in place; all of them or none.

        A floating dtype is converted to the parameter's.

        Args:
            state_dict: arrays or Tensors by key, as `state_dict` gives them.
            strict: keys must match exactly; otherwise missing and unexpected keys are returned.

        Raises:
            StateDictError: lists every missing, unexpected, mis-shaped and mis-typed key at once.
        """
        return load_into(self._state_tensors(), state_dict, strict, type(self).__name__)

    # -- hooks

    def register_forward_pre_hook(self, hook: Callable[[Module, Any], Any]) -> HookHandle:
        """Calls `hook(module, args)` before forward; what it returns, if anything, replaces args.

        Returns:
            A handle; `handle.remove()` takes the hook away.
        """
        return self._add_hook(0, hook)

    def register_forward_hook(self, hook: Callable[[Module, Any, Any], Any]) -> HookHandle:
        """Calls `hook(module, args, output)` after forward; a value returned replaces the output.

        Returns:
            A handle; `handle.remove()` takes the hook away.
        """
        return self._add_hook(1, hook)

    def _add_hook(self, place: int, hook: Any) -> HookHandle:
        if self._hooks is None:
            self.__dict__["_hooks"] = ([], [])
        assert self._hooks is not None
        self._hooks[place].append(hook)
        return HookHandle(self, self._hooks[place], hook)

    def _drop_empty_hooks(self) -> None:
        if self._hooks is not None and not any(self._hooks):
            self.__dict__["_hooks"] = None

    def _forward_between_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        assert self._hooks is not None
        before, after = self._hooks
        for hook in list(before):
            changed = hook(self, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        out = self.forward(*args, **kwargs)
        for hook in list(after):
            changed = hook(self, args, out)
            out = out if changed is None else changed
        return out

    # -- text

    def extra_repr(self) -> str:
        """The options that `repr` shows in parentheses."""
        return ""

    def __repr__(self) -> str:
        lines = [f"({name}): {child!r}" for name, child in self.named_children()]
        extra = self.extra_repr()
        if not lines:
            return f"{type(self).__name__}({extra})"
        body = "\n".join(([extra] if extra else []) + lines).replace("\n", "\n  ")
        return f"{type(self).__name__}(\n  {body}\n)"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
