"""`Module`, the base class of layers and models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from autograd_core import Tensor
from autograd_core.context import STATE, Scope, State, current
from autograd_core.errors import ArgumentError, where

from . import _registration as registration
from ._modes import set_training
from .hooks import Hookable, HookHandle
from .parameter import Parameter
from .state import KeyReport, load_into

__all__ = ["HookHandle", "Module", "Parameter"]

_enter, _leave = STATE.set, STATE.reset
Self = TypeVar("Self", bound="Module")


class Module(Hookable):
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
        state = current()
        if state.trace is not None:
            state.trace.guard_attributes(self)
        if self._name is None:  # an outermost module runs in its caller's scope
            if self._hooks is None:
                return self.forward(*args, **kwargs)
            return self._hooks.run(self, args, kwargs)
        outer, inner = self._states
        if outer is not state:
            inner = self._state_within(state)
        token = _enter(inner)  # type: ignore[arg-type]
        try:
            if self._hooks is None:
                return self.forward(*args, **kwargs)
            return self._hooks.run(self, args, kwargs)
        finally:
            _leave(token)

    def _state_within(self, state: State) -> State:
        """The state of this module inside its caller's, made once per caller's state."""
        inner = state.but(scope=Scope.within(state.scope, self._name or "", self))
        if state.trace is None:  # a recording ends with its call
            self.__dict__["_states"] = (state, inner)
        return inner

    # -- attributes

    def __setattr__(self, name: str, value: Any) -> None:
        """Registers parameters, buffers and modules by the attribute that they are assigned to.

        A property of the class, or another descriptor with a setter, takes the value itself: nothing is registered.
        """
        if isinstance(value, Module | Parameter):
            if not registration.has_setter(type(self), name):
                registration.prepare(self, name, value)
        elif value is not None:
            old = self.__dict__.get(name)
            if isinstance(old, Parameter | Module) and not registration.has_setter(type(self), name):
                registration.refuse_replacement(self, name, value, "module" if isinstance(old, Module) else "tensor")
            if name in self._buffers and (not isinstance(value, Tensor) or value.requires_grad):
                registration.refuse_replacement(self, name, value, "buffer" if isinstance(value, Tensor) else "tensor")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._forget_buffer(name)

    def _forget_buffer(self, name: str) -> None:
        if name in self._buffers:
            self.__dict__["_buffers"] = {n: p for n, p in self._buffers.items() if n != name}

    def _be_called(self, name: str) -> None:
        """Takes the name that the module has in its parent; containers that never run hand it on."""
        self.__dict__["_name"] = name
        self.__dict__.pop("_states", None)

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and deepcopy: all but the caller's state, which the next call looks up anew."""
        return {name: value for name, value in self.__dict__.items() if name != "_states"}

    def add_module(self, name: str, module: Module | None) -> None:
        """Adds a module under a name that need not be an identifier, such as "0".

        Raises:
            ArgumentError: the name is taken or has a dot, or `module` is none.
        """
        registration.check_name("add_module", self, name, Module)
        if not isinstance(module, Module | None):
            raise ArgumentError(
                f"add_module: {name!r} must be a Module or None, got {type(module).__name__}; pass an instance such "
                f"as nn.ReLU(). {where('add_module')}"
            )
        setattr(self, name, module)

    register_module = add_module

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter, or None for one that this instance does not have.

        Raises:
            ArgumentError: the name is taken or has a dot, or `param` is no Parameter.
        """
        registration.check_name("register_parameter", self, name, Parameter)
        if not isinstance(param, Parameter | None):
            raise ArgumentError(
                f"register_parameter: {name!r} must be a Parameter or None, got {type(param).__name__}; write "
                f"nn.Parameter(array). {where('register_parameter')}"
            )
        setattr(self, name, param)

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
        return (child for _, child in self.named_children())

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
        return (module for _, module in self.named_modules())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters by dotted path, in the order of assignment; a shared one once.

        The outermost module warns about what is in a plain list, tuple or dict and registered nowhere in it.
        """
        seen: set[int] = set()
        within = list(self._within(prefix, recurse, remove_duplicate))
        if self._name is None:  # one inside another cannot know what is registered beside it
            registration.warn_of_hidden([module for _, module in within], self.modules, Module)
        for path, module in within:
            for name, value in module._own_parameters():
                if not remove_duplicate or id(value) not in seen:
                    seen.add(id(value))
                    yield _join(path, name), value

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers by dotted path; a shared one once."""
        seen: set[int] = set()
        for path, module in self._within(prefix, recurse, remove_duplicate):
            for name, value, _ in module._own_buffers():
                if not remove_duplicate or id(value) not in seen:
                    seen.add(id(value))
                    yield _join(path, name), value

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path; this one for "".

        Raises:
            AttributeError: there is no module of that path.
        """
        module: Any = self
        for name in target.split(".") if target else ():
            module = module.__dict__.get(name) if isinstance(module, Module) else None
        if not isinstance(module, Module):
            raise registration.not_found("get_submodule", self, "module", target, self.named_modules())
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path.

        Raises:
            AttributeError: there is no parameter of that path.
        """
        path, _, name = target.rpartition(".")
        value = self.get_submodule(path).__dict__.get(name)
        if not isinstance(value, Parameter):
            raise registration.not_found("get_parameter", self, "parameter", target, self.named_parameters())
        return value

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path.

        Raises:
            AttributeError: there is no buffer of that path.
        """
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        value = module.__dict__.get(name) if name in module._buffers else None
        if not isinstance(value, Tensor):
            raise registration.not_found("get_buffer", self, "buffer", target, self.named_buffers())
        return value

    def _within(self, prefix: str, recurse: bool, remove_duplicate: bool) -> Any:
        if not recurse:
            return [(prefix, self)]
        return self.named_modules(prefix, remove_duplicate=remove_duplicate)

    def _own_parameters(self) -> list[tuple[str, Parameter]]:
        return [(n, v) for n, v in self.__dict__.items() if isinstance(v, Parameter)]

    def _own_buffers(self) -> list[tuple[str, Tensor, bool]]:
        held = self.__dict__
        return [(n, held[n], p) for n, p in self._buffers.items() if held.get(n) is not None]

    # -- modes

    def train(self: Self, mode: bool = True) -> Self:
        """Sets training mode (or evaluation mode) here and below.

        A module below that defines `train` itself is asked, such as one that keeps its batch norm in evaluation mode.
        """
        set_training(self, bool(mode), Module.train)
        return self

    def eval(self: Self) -> Self:
        """Sets evaluation mode here and below, as `train(False)`."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Sets whether the parameters here and below learn; False freezes them."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def to(self: Self, dtype: Any) -> Self:
        """Converts parameters, their gradients and floating buffers to a floating dtype, here and below.

        The Tensors stay the same ones, so that an optimizer keeps them; integer buffers are left alone.

        Raises:
            DTypeError: `dtype` is not a real floating dtype.
        """
        kind = registration.floating(dtype)
        for tensor in [*self.parameters(), *self.buffers()]:
            if tensor.dtype.kind == "f" and tensor.dtype != kind:
                grad = tensor.grad
                tensor.data = tensor.data.astype(kind)
                if grad is not None:
                    tensor.grad = Tensor(grad.data.astype(kind))
        return self

    def half(self: Self) -> Self:
        """Converts to float16; see `to`."""
        return self.to(np.float16)

    def float(self: Self) -> Self:
        """Converts to float32; see `to`."""
        return self.to(np.float32)

    def double(self: Self) -> Self:
        """Converts to float64; see `to`."""
        return self.to(np.float64)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Sets the gradient of every parameter to None, or those that there are to zeros."""
        for module in self.modules():
            for _, parameter in module._own_parameters():
                grad = parameter.grad
                parameter.grad = None if set_to_none or grad is None else Tensor(np.zeros_like(grad.data))

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

    def state_dict(self, *, prefix: str = "") -> dict[str, Any]:
        """Copies of the arrays of parameters and persistent buffers, by dotted path after `prefix`."""
        return {prefix + key: np.copy(tensor.data) for key, tensor in self._state_tensors().items()}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> KeyReport:
        """Writes arrays into the parameters and buffers, in place; all of them or none.

        A floating dtype is converted to the parameter's. A num_batches_tracked that old PyTorch files lack stays.

        Args:
            state_dict: arrays or Tensors by key, as `state_dict` gives them.
            strict: keys must match exactly; otherwise missing and unexpected keys are returned.

        Raises:
            StateDictError: lists every missing, unexpected, mis-shaped and mis-typed key at once.
        """
        tensors = self._state_tensors()
        if isinstance(state_dict, Mapping):
            tensors = {k: t for k, t in tensors.items() if k in state_dict or not registration.is_late(k, state_dict)}
        return load_into(tensors, state_dict, strict, type(self).__name__)

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
