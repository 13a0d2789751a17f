"""Parameter groups: parameters and the options of their update, numbers held as 0-d Tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from math import isfinite
from numbers import Real
from typing import Any

import numpy as np

from autograd_core import Tensor
from autograd_core.errors import ArgumentError, where

__all__ = ["Group", "checked"]

# An option means the same in every optimizer that has it, so its domain is stated once.
_DOMAINS: dict[str, tuple[str, Callable[[float], bool]]] = {
    "lr": ("> 0", lambda x: x > 0),
    "lr_decay": (">= 0", lambda x: x >= 0),
    "initial_accumulator_value": (">= 0", lambda x: x >= 0),
    "momentum": (">= 0", lambda x: x >= 0),
    "momentum_decay": (">= 0", lambda x: x >= 0),
    "dampening": ("finite", lambda x: True),
    "weight_decay": (">= 0", lambda x: x >= 0),
    "eps": (">= 0", lambda x: x >= 0),
    "alpha": ("in [0, 1)", lambda x: 0 <= x < 1),
    "betas": ("in [0, 1)", lambda x: 0 <= x < 1),
    "gamma": ("in [0, 1)", lambda x: 0 <= x < 1),
}

_SAVED_LR: tuple[str, Callable[[float], bool]] = (">= 0", lambda x: x >= 0)


def checked(optimizer: str, name: str, value: Any, choices: Mapping[str, tuple[Any, ...]], saved: bool = False) -> Any:
    """`value` as a static option (one of `choices`), a float or a tuple of floats.

    A learning rate of 0 is refused, except in what was `saved`: a schedule may have ended there.

    Raises:
        ArgumentError: it lies outside the option's domain.
    """
    if name in choices:
        if not isinstance(value, str | int | np.bool_) or value not in choices[name]:
            allowed = " or ".join(map(repr, choices[name]))
            raise ArgumentError(f"{optimizer}: {name} must be {allowed}, got {value!r}. {where(optimizer)}")
        return choices[name][choices[name].index(value)]  # False for 0
    words, is_valid = _SAVED_LR if saved and name == "lr" else _DOMAINS[name]
    pair = name == "betas"
    numbers = tuple(value) if pair and isinstance(value, tuple | list) else (value,)
    numbers = tuple(x.item() if isinstance(x, Tensor | np.ndarray) and x.size == 1 else x for x in numbers)
    if len(numbers) != 1 + pair or not all(
        isinstance(x, Real) and not isinstance(x, bool) and isfinite(x) and is_valid(float(x)) for x in numbers
    ):
        kind = "two numbers" if pair else "a number"
        raise ArgumentError(f"{optimizer}: {name} must be {kind} {words}, got {value!r}. {where(optimizer)}")
    floats = tuple(float(x) for x in numbers)
    return floats if pair else floats[0]


class Group(MutableMapping[str, Any]):
    """A parameter group: "params" and the options, read and set as in a dict.

    A number is kept in a 0-d float64 Tensor (`tensors`), reading it gives a Python float and
    setting it writes into that
    Tensor: a compiled step reads the new value from there. (In float32, β2 = 0.999 would be off by
        1e-5 in 1 - β2; the
    number is rounded to the parameter's dtype only where it meets the parameter.)
    """

    def __init__(self, params: list[Tensor], options: Mapping[str, Any], owner: Any, state: Any) -> None:
        self.params = params
        self.statics = {name: value for name, value in options.items() if name in owner.choices}
        self.tensors: dict[str, Any] = {
            name: tuple(_number(x) for x in value) if isinstance(value, tuple) else _number(value)
            for name, value in options.items()
            if name not in owner.choices
        }
        # The optimizer's class and states, not the optimizer: a cycle would keep its arrays until a
        # garbage collection.
        self._owner = owner
        self._state = state
        # The learning rate that schedules start from; the first one made for the optimizer notes it.
        self.initial_lr: float | None = None

    def __getitem__(self, name: str) -> Any:
        if name == "params":
            return self.params
        if name in self.statics:
            return self.statics[name]
        held = self.tensors[name]
        return tuple(x.data.item() for x in held) if isinstance(held, tuple) else held.data.item()

    def __setitem__(self, name: str, value: Any) -> None:
        optimizer = self._owner.__name__
        if name not in self.tensors and name not in self.statics:
            raise ArgumentError(
                f"{optimizer}: an option must be one of {sorted({*self.tensors, *self.statics})}, "
                f"got {name!r}; use add_param_group for parameters. {where(optimizer)}"
            )
        self._replace(name, checked(optimizer, name, value, self._owner.choices))

    def schedule_lr(self, value: float) -> None:
        """Sets "lr" as a schedule does: it has checked the value, and may anneal it to exactly 0."""
        self._replace("lr", value)

    def _replace(self, name: str, value: Any) -> None:
        """Sets an option that is valid by itself; the states go on in their new unit."""
        optimizer = self._owner.__name__
        old = dict(self)
        new = old | {name: value}
        if (wrong := self._owner.check(new)) is not None:
            raise ArgumentError(f"{optimizer}: {wrong}. {where(optimizer)}")
        factors = {key: factor for key, factor in self._owner.carried(old, new).items() if factor != 1}
        for state in [self._state[p] for p in self.params if p in self._state]:
            for key in factors.keys() & state.keys():
                _scale(state[key], factors[key])
        self.write(name, new[name])

    def write(self, name: str, value: Any) -> None:
        """Sets an option that has been checked."""
        if name in self.statics:
            self.statics[name] = value
            return
        held = self.tensors[name]
        for tensor, number in zip(held, value) if isinstance(held, tuple) else [(held, value)]:
            tensor.data[...] = number
            tensor._touch(f"param_groups[...][{name!r}] = ...")

    def __delitem__(self, name: str) -> None:
        raise ArgumentError(
            f"param_groups: an option cannot be deleted, got {name!r}; set it instead. {where('param_groups')}"
        )

    def __iter__(self) -> Iterator[str]:
        return iter(["params", *self.tensors, *self.statics])

    def __len__(self) -> int:
        return 1 + len(self.tensors) + len(self.statics)

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.items() if name != "params")
        return f"Group({len(self.params)} parameters, {options})"


def _scale(state: Tensor, factor: float) -> None:
    """Multiplies a state; in place where that is possible, so that what was prepared for its array stays valid."""
    array = state.data
    if isinstance(array, np.ndarray) and array.flags.writeable:
        array *= factor
        state._touch("param_groups[...][...] = ...")
    else:
        state.data = array * factor


def _number(value: float) -> Tensor:
    return Tensor(np.array(value, np.float64))
