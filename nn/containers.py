"""Modules that hold modules or parameters, with PyTorch's keys in `state_dict`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from autograd_core.errors import ArgumentError, where

from ._checks import is_integer, require
from ._registration import check_name
from .module import Module
from .parameter import Parameter

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]

ListType = TypeVar("ListType", bound="ListOf")
DictType = TypeVar("DictType", bound="DictOf")


class Container(Module):
    """What holds elements under their keys; `_kind` says of which type they are.

    The elements are attributes, as in any module. A container that does not run hands its own name on, so that
    operations of an element belong to "layers.0", not to a mere "0".
    """

    _kind: type = Module
    _runs = False

    def _accept(self, key: str, value: Any) -> Any:
        """What stands for a value of another type than `_kind`; here nothing can."""
        raise self._refuse(key, value, "a Module", "such as nn.ReLU()")

    def _refuse(self, key: str, value: Any, kind: str, example: str) -> ArgumentError:
        name = type(self).__name__
        return ArgumentError(
            f"{name}: every element must be {kind}, got {type(value).__name__} as {key!r}; pass an instance "
            f"{example}. {where(name)}"
        )

    def _put(self, key: str, value: Any) -> None:
        """Adds the element, or replaces the one of that key."""
        element = value if isinstance(value, self._kind) else self._accept(key, value)
        check_name(type(self).__name__, self, key, self._kind)
        setattr(self, key, element)
        if self._name is not None:
            self._name_element(key, element)

    def _elements(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if isinstance(value, self._kind)}

    def _be_called(self, name: str) -> None:
        super()._be_called(name)
        for key, element in self._elements().items():
            self._name_element(key, element)

    def _name_element(self, key: str, element: Any) -> None:
        if isinstance(element, Module):
            if not self._runs:
                element._be_called(f"{self._name}.{key}")
        elif element.name == key:  # a parameter that was only named after its key
            element.name = f"{self._name}.{key}"

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """A container does not say how its elements are connected; only `Sequential` does."""
        name = type(self).__name__
        raise NotImplementedError(
            f"{name}: it only holds its elements and cannot be called, got a call; call the elements, or use "
            f"nn.Sequential to run modules in a row. {where(name)}"
        )

    def __len__(self) -> int:
        return len(self._elements())


class ListOf(Container):
    """Elements in a row, under the keys "0", "1", ..."""

    def _replace_all(self, elements: Iterable[Any]) -> None:
        """New elements under new keys: they are numbered through again."""
        for key, element in self._elements().items():
            if isinstance(element, Parameter) and element.name in (key, f"{self._name}.{key}"):
                element.name = None  # it was only named after its key
            del self.__dict__[key]
        for i, element in enumerate(elements):
            self._put(str(i), element)

    def _key(self, index: Any) -> str:
        keys = list(self._elements())
        name = type(self).__name__
        if not isinstance(index, int | np.integer):
            raise TypeError(
                f"{name}: an index must be an integer or a slice, got {index!r}; loop over named_children() to go by "
                f"name. {where(name)}"
            )
        if not -len(keys) <= index < len(keys):
            raise IndexError(
                f"{name}: the index must be in [{-len(keys)}, {len(keys)}), got {index}; "
                f"len() tells how many elements there are. {where(name)}"
            )
        return keys[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._elements().values()))

    def __getitem__(self: ListType, index: int | slice) -> Any:
        """The element at a position; for a slice a container of the same type that shares the elements."""
        if not isinstance(index, slice):
            return self.__dict__[self._key(index)]
        part = type(self).__new__(type(self))
        for i, (key, element) in enumerate(list(self._elements().items())[index]):
            # Not assigned: the elements keep the names, and so the scopes, that they have here.
            part.__dict__[key if self._runs else str(i)] = element
        return part

    def __setitem__(self, index: int, element: Any) -> None:
        self._put(self._key(index), element)

    def __delitem__(self, index: int | slice) -> None:
        elements = list(self)
        if not isinstance(index, slice):
            self._key(index)
        del elements[index]
        self._replace_all(elements)

    def __iadd__(self: ListType, elements: Iterable[Any]) -> ListType:
        return self.extend(elements)

    def append(self: ListType, element: Any) -> ListType:
        """Adds an element at the end."""
        # The last key tells the number; counting the elements would make a loop of appends quadratic.
        last = next((key for key, value in reversed(self.__dict__.items()) if isinstance(value, self._kind)), "-1")
        number = int(last) + 1 if last == "-1" or last.isdecimal() else len(self)
        while str(number) in self.__dict__:  # a slice keeps its keys, which need not begin at 0
            number += 1
        self._put(str(number), element)
        return self

    def extend(self: ListType, elements: Iterable[Any]) -> ListType:
        """Adds elements at the end; all or, if one is refused, none."""
        accepted = [
            element if isinstance(element, self._kind) else self._accept(str(i), element)
            for i, element in enumerate(elements, len(self))
        ]
        for element in accepted:
            self.append(element)
        return self

    def insert(self, index: int, element: Any) -> None:
        """Adds an element before the position; those behind it move on by one key."""
        elements = list(self)
        self.append(element)  # refuses what is no element before anything has moved
        elements.insert(index, self[-1])
        self._replace_all(elements)

    def pop(self, index: int = -1) -> Any:
        """Removes the element at a position and returns it."""
        element = self[index]
        del self[index]
        return element


class DictOf(Container):
    """Elements by name, in the order of insertion. The names must not be those of methods."""

    def __getitem__(self, key: str) -> Any:
        elements = self._elements()
        if key not in elements:
            name, there = type(self).__name__, ", ".join(elements) or "none, it is empty"
            raise KeyError(f"{name}: the key must be one of {there}, got {key!r}. {where(name)}")
        return elements[key]

    def __setitem__(self, key: str, element: Any) -> None:
        self._put(key, element)

    def __delitem__(self, key: str) -> None:
        self[key]
        del self.__dict__[key]

    def __contains__(self, key: object) -> bool:
        return key in self._elements()

    def __iter__(self) -> Iterator[str]:
        return iter(self._elements())

    def keys(self) -> Any:
        """The names."""
        return self._elements().keys()

    def values(self) -> Any:
        """The elements."""
        return self._elements().values()

    def items(self) -> Any:
        """Names and elements."""
        return self._elements().items()

    def get(self, key: str, default: Any = None) -> Any:
        """The element of that name, or the default."""
        return self._elements().get(key, default)

    def pop(self, key: str) -> Any:
        """Removes the element of that name and returns it."""
        element = self[key]
        del self[key]
        return element

    def clear(self) -> None:
        """Removes all elements."""
        for key in self._elements():
            del self.__dict__[key]

    def update(self, elements: Any) -> None:
        """Adds or replaces elements from a mapping or from pairs."""
        for key, element in elements.items() if hasattr(elements, "items") else elements:
            self._put(key, element)


class Sequential(ListOf):
    """Modules in a row: each gets the output of the one before.

    Args:
        modules: the modules, which get the names "0", "1", ..., or one mapping of names to modules.

    Raises:
        ArgumentError: an argument is not a module.
    """

    _runs = True

    def __init__(self, *modules: Any) -> None:
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            named = dict(modules[0])
        else:
            named = {str(i): module for i, module in enumerate(modules)}
        for name, module in named.items():
            self._put(name, module)

    def __add__(self, other: Sequential) -> Sequential:
        """A new row of the modules of both, which it shares with them."""
        return Sequential(*self, *other) if isinstance(other, Sequential) else NotImplemented

    def __mul__(self, times: int) -> Sequential:
        """A new row of the same modules, `times` over: they share their parameters."""
        return Sequential(*[*self] * self._times(times)) if is_integer(times) else NotImplemented

    __rmul__ = __mul__

    def __imul__(self, times: int) -> Sequential:
        if not is_integer(times):
            return NotImplemented
        return self.extend([*self] * (self._times(times) - 1))

    def _times(self, times: int) -> int:
        require(times > 0, "Sequential", "the factor", "a positive integer", times, "nn.Sequential(nn.Tanh()) * 2")
        return int(times)

    def forward(self, x: Any) -> Any:
        """The output of the last module; `x` itself if there is none."""
        for layer in [v for v in self.__dict__.values() if isinstance(v, Module)]:
            x = layer(x)
        return x


class ModuleList(ListOf):
    """A list of modules whose parameters count as the owner's; a plain list would hide them.

    Args:
        modules: the modules.

    Raises:
        ArgumentError: an element is not a module.
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        self.extend([] if modules is None else modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __repr__(self) -> str:
        """As PyTorch's: equal neighbours on one line, "(0-3): 4 x Linear(...)"."""
        groups: list[tuple[int, int, str]] = []
        for i, text in enumerate(map(repr, self)):
            if groups and groups[-1][2] == text:
                groups[-1] = (groups[-1][0], i, text)
            else:
                groups.append((i, i, text))
        lines = [f"({a}): {text}" if a == b else f"({a}-{b}): {b - a + 1} x {text}" for a, b, text in groups]
        return _framed(self, lines)


class ModuleDict(DictOf):
    """Modules by name, whose parameters count as the owner's.

    Args:
        modules: a mapping, or pairs, of names and modules.

    Raises:
        ArgumentError: an element is not a module, or a name has a dot or is that of a method.
    """

    def __init__(self, modules: Any = None) -> None:
        self.update({} if modules is None else modules)


class _Parameters(Container):
    _kind = Parameter

    def _accept(self, key: str, value: Any) -> Any:
        try:
            return Parameter(value)
        except (TypeError, ValueError):
            raise self._refuse(key, value, "a Parameter or a floating array", "of nn.Parameter") from None

    def __repr__(self) -> str:
        lines = [
            f"({key}): Parameter containing: [{p.dtype} of size {'x'.join(map(str, p.shape))}]"
            for key, p in self._elements().items()
        ]
        return _framed(self, lines)


class ParameterList(_Parameters, ListOf):
    """A list of parameters that count as the owner's; arrays become parameters.

    Args:
        parameters: parameters or floating arrays.

    Raises:
        ArgumentError: an element is not a floating array.
    """

    def __init__(self, parameters: Iterable[Any] | None = None) -> None:
        self.extend([] if parameters is None else parameters)


class ParameterDict(_Parameters, DictOf):
    """Parameters by name, which count as the owner's; arrays become parameters.

    Args:
        parameters: a mapping, or pairs, of names and parameters or floating arrays.

    Raises:
        ArgumentError: an element is not a floating array, or a name has a dot or is that of a method.
    """

    def __init__(self, parameters: Any = None) -> None:
        self.update({} if parameters is None else parameters)


def _framed(container: Container, lines: list[str]) -> str:
    body = "\n".join(lines).replace("\n", "\n  ")
    return f"{type(container).__name__}(\n  {body}\n)" if lines else f"{type(container).__name__}()"
