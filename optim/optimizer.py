"""The base class of all optimizers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import product
from operator import eq
from typing import Any, ClassVar, TypeAlias

import numpy as np

from autograd_core import Tensor
from autograd_core.checks import is_finite, require
from autograd_core.errors import ArgumentError, DTypeError, LeafError, where

from .blocks import working_dtype
from .options import Group, checked
from .runner import Runner

__all__ = ["Optimizer", "Parameters", "descended"]

Parameters: TypeAlias = Iterable[Tensor] | Iterable[tuple[str, Tensor]] | Iterable[dict[str, Any]]


class Optimizer:
    """Reads `.grad` of its parameters and writes the parameters in place.

    A subclass states its options in its constructor, the names of its state arrays in
    `state_names`, and one static method:

        update(p, g, *state, t, **options) -> (new p, *new state)

    elementwise, in ufuncs, operators and Python numbers only. t = 1, 2, ... and the options are
    0-d; an option listed in `absent_if_zero` is None when it is zero, one in `choices` is passed as
    it is. Powers of numbers are written `x ** 0.5` (`np.sqrt` of a Python float is a float64 array
    scalar, which would widen float32).
    A float16 parameter is updated in float32, in which its states are kept, and rounded once a step.
    `Runner` turns the function into in-place code, for large models into a compiled loop (see
    `optim.kernels`); on arrays of another type than NumPy's it is called as it stands.

    Attributes:
        param_groups: list of `Group`; `param_groups[0]["lr"] = 0.01` takes effect at the next step.
        state: per parameter that has been updated, "step" and the other `scalars` (0-d) and the state
            arrays, all Tensors.
    """

    # Numbers that a parameter's state has beside its arrays, and their values before the first step.
    scalars: ClassVar[Mapping[str, float]] = {"step": 0.0}

    absent_if_zero: ClassVar[tuple[str, ...]] = ()
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {}

    def __init__(self, params: Parameters, **defaults: Any) -> None:
        self._name = type(self).__name__
        self.defaults = {name: checked(self._name, name, v, self.choices) for name, v in defaults.items()}
        self.param_groups: list[Group] = []
        self.state: dict[Tensor, dict[str, Tensor]] = {}
        self._runner = Runner()
        self._announced: set[Tensor] = set()  # parameters that a warning has named
        if isinstance(params, Tensor):
            raise ArgumentError(
                f"{self._name}: params must be a sequence of Tensors, got a single Tensor of shape "
                f"{params.shape}; wrap it in a list. {where(self._name)}"
            )
        entries = self._listed(params)
        if not entries:
            raise ArgumentError(
                f"{self._name}: there must be at least one parameter, got an empty sequence; an "
                f"iterator such as model.parameters() can be read only once. {where(self._name)}"
            )
        groups = entries if all(isinstance(entry, dict) for entry in entries) else [{"params": entries}]
        for group in groups:
            self.add_param_group(group)

    # -- what a subclass says

    update: ClassVar[Callable[..., tuple[Any, ...]]]

    @staticmethod
    def state_names(options: Mapping[str, Any]) -> tuple[str, ...]:
        """Names of the state arrays, in the order of `update`'s arguments."""
        return ()

    @staticmethod
    def start(options: Mapping[str, Any]) -> Mapping[str, float]:
        """What the state arrays are filled with before the first step, where it is not zero."""
        return {}

    @staticmethod
    def advance(scalars: Mapping[str, float], numbers: Mapping[str, Any]) -> Mapping[str, float]:
        """The new values of `scalars` but "step", which `update` takes as arguments; `numbers` are its others."""
        return {}

    @staticmethod
    def implied(state: Mapping[str, Any]) -> Mapping[str, float]:
        """Values of `scalars` that saved states of an earlier version lack."""
        return {}

    @staticmethod
    def check(options: Mapping[str, Any]) -> str | None:
        """What is wrong with a combination of options, each valid by itself."""
        return None

    @staticmethod
    def carried(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, float]:
        """Factors by which state arrays change their unit when options are set anew."""
        return {}

    # -- groups

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Adds parameters with options of their own, e.g. `{"params": [w], "lr": 0.1}`.

        Options that it does not name are the defaults.

        Raises:
            ArgumentError: an unknown option or one outside its domain, no parameter, something that
                is no Tensor, or a parameter that is there already.
            LeafError: a parameter that is no leaf or requires no gradient.
            DTypeError: a parameter that is not real floating.
        """
        name = self._name
        unknown = set(group) - set(self.defaults) - {"params"}
        if unknown or "params" not in group:
            raise ArgumentError(
                f"{name}: a group must have 'params' and may have {sorted(self.defaults)}, got "
                f"{sorted(group)}; correct the names. {where(name)}"
            )
        given = {key: checked(name, key, group[key], self.choices) for key in group if key != "params"}
        options = self.defaults | given
        if (wrong := self.check(options)) is not None:
            raise ArgumentError(f"{name}: {wrong}. {where(name)}")
        entries = group["params"]
        params = [entries] if isinstance(entries, Tensor) else self._listed(entries)
        named = [isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[0], str) for entry in params]
        params = [entry[1] if is_pair else entry for entry, is_pair in zip(params, named, strict=True)]
        if not params:
            raise ArgumentError(f"{name}: a group must have at least one parameter, got none. {where(name)}")
        seen = {id(p) for other in self.param_groups for p in other.params}
        for i, p in enumerate(params):
            self._check_parameter(p, f"parameter {i} of group {len(self.param_groups)}")
            if id(p) in seen:
                raise ArgumentError(
                    f"{name}: a parameter must be in one group, once, got {_label(p)} again as "
                    f"parameter {i} of group {len(self.param_groups)}; it would be updated twice a "
                    f"step. {where(name)}"
                )
            seen.add(id(p))
        self.param_groups.append(Group(params, options, type(self), self.state))
        self._runner.forget()

    def _listed(self, params: Any) -> list[Any]:
        """Parameters, or groups, in a list."""
        if hasattr(params, "parameters") or isinstance(params, Mapping | str) or not hasattr(params, "__iter__"):
            fix = "pass model.parameters()" if hasattr(params, "parameters") else "pass a list"
            raise ArgumentError(
                f"{self._name}: params must be Tensors, (name, Tensor) pairs or groups in a sequence, got "
                f"{type(params).__name__}; {fix}. {where(self._name)}"
            )
        return list(params)

    def _check_parameter(self, p: Any, place: str) -> None:
        name = self._name
        if not isinstance(p, Tensor):
            fix = "; a pair is (name, Tensor), several go into one list" if isinstance(p, tuple | list) else ""
            raise ArgumentError(
                f"{name}: a parameter must be a Tensor, got {type(p).__name__} as {place}{fix}. {where(name)}"
            )
        if not p.is_leaf:
            raise LeafError(
                f"{name}: a parameter must be a leaf, got the output of "
                f"{p._node.op.name if p._node else '?'} of shape {p.shape} as {place}; it has no "
                f".grad: pass the leaf that it was computed from, or .detach() it. {where(name)}"
            )
        if not p.requires_grad:
            raise LeafError(
                f"{name}: a parameter must require a gradient, got {_label(p)} as {place}, which "
                f"does not; create it with requires_grad=True. {where(name)}"
            )
        if p.dtype.kind != "f":
            raise DTypeError(f"{name}: a parameter must be real floating, got {p.dtype} as {place}. {where(name)}")

    # -- stepping

    def step(self) -> None:
        """Updates every parameter that has a gradient, in place.

        One that has none is skipped; if it never had one, a UserWarning says so, once.

        Where Numba is installed, a group of a million elements or more is updated by a compiled loop, with the same
        bits; the first such step takes a second or two longer. `np.errstate` acts as on NumPy's own calls, but a
        floating-point error is named after the optimizer and reported once per block.

        Raises:
            ArgumentError: no parameter has a gradient, or one has a gradient of another shape, or a
                read-only array. Nothing has changed then.
        """
        self._runner.step(self)

    def zero_grad(self) -> None:
        """Sets `.grad` of every parameter to None."""
        for group in self.param_groups:
            for p in group.params:
                p.grad = None

    # -- saving

    def state_dict(self) -> dict[str, Any]:
        """A snapshot in dicts, lists, arrays and numbers; parameters go by number."""
        params = [p for group in self.param_groups for p in group.params]
        number = {id(p): i for i, p in enumerate(params)}
        return {
            "optimizer": self._name,
            "state": {
                number[id(p)]: {
                    key: int(tensor.item())
                    if key == "step"
                    else np.array(tensor.data)
                    if key in self.scalars
                    else np.positive(tensor.data)
                    for key, tensor in self.state[p].items()
                }
                for p in params
                if p in self.state
            },
            "param_groups": [{**group, "params": [number[id(p)] for p in group.params]} for group in self.param_groups],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over what `state_dict` gave, bit for bit; the parameters themselves are not in it.

        Raises:
            ArgumentError: it is another optimizer's, or has other groups, parameters, options,
                shapes or dtypes. Nothing has changed then.
        """
        options, states = self._read(state_dict)
        for group, values in zip(self.param_groups, options):
            for key, value in values.items():
                group.write(key, value)
        self.state.clear()
        for p, values in states:
            self.state[p] = {key: Tensor(value) for key, value in values.items()}
        self._runner.forget()

    def _read(self, saved: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[tuple[Tensor, dict[str, Any]]]]:
        """Options and states of a state_dict, checked."""
        name = f"{self._name}.load_state_dict"

        def expect(what: str, ours: Any, theirs: Any, fits: Callable[..., Any] = eq) -> None:
            if not fits(ours, theirs):
                raise ArgumentError(
                    f"{name}: {what} must be {'' if fits is eq else 'among '}{ours!r}, got "
                    f"{theirs!r}; load it into an optimizer made as the saved one was. "
                    f"{where(name)}"
                )

        def kind(what: str, value: Any, type_: Any, words: str) -> None:
            if not isinstance(value, type_):
                raise ArgumentError(
                    f"{name}: {what} must be {words}, got {type(value).__name__}; load what state_dict() gave. "
                    f"{where(name)}"
                )

        kind("the state", saved, Mapping, "a dict")
        expect("the keys of the dict", ["optimizer", "param_groups", "state"], sorted(map(str, saved)))
        expect("the saved optimizer", self._name, saved["optimizer"])
        groups = saved["param_groups"]
        kind("'param_groups'", groups, list | tuple, "a list of dicts")
        for group in groups:
            kind("a group of 'param_groups'", group, Mapping, "a dict")
            kind("'params' of a group", group.get("params"), list | tuple, "a list of numbers")
        kind("'state'", saved["state"], Mapping, "a dict")
        for values in saved["state"].values():
            kind("the state of a parameter", values, Mapping, "a dict")
        sizes = [len(group.params) for group in self.param_groups]
        expect("the numbers of parameters per group", sizes, [len(group["params"]) for group in groups])
        expect(
            "the numbers of the parameters",
            list(range(sum(sizes))),
            [i for g in groups for i in g["params"]],
        )
        options = []
        for group in groups:
            expect("the names of the options", sorted(self.defaults), sorted(set(group) - {"params"}))
            values = {key: checked(name, key, group[key], self.choices, saved=True) for key in self.defaults}
            if (wrong := self.check(values)) is not None:
                raise ArgumentError(f"{name}: {wrong}. {where(name)}")
            options.append(values)
        owners = [(p, values) for group, values in zip(self.param_groups, options) for p in group.params]
        states = []
        expect("the numbers of the states", list(range(len(owners))), list(saved["state"]), _holds)
        for i, values in saved["state"].items():
            p, chosen = owners[i]
            values = {**self.implied(values), **values}
            # An option switched on or off since the last step changes which arrays there are; the
            # next step makes those that are missing.
            keys = [key for key in values if key not in self.scalars]
            expect(f"the state of parameter {i}", {*self.scalars, *self._all_states(chosen)}, {*values}, _holds)
            expect(
                f"the numbers in the state of parameter {i}", [*self.scalars], [k for k in self.scalars if k in values]
            )
            for key in self.scalars:
                held = values[key].item() if getattr(values[key], "size", 0) == 1 else values[key]
                words = f"a number >= 0{' without fraction' if key == 'step' else ''}"
                fits = is_finite(held, 0) and (key != "step" or held == int(held))
                require(fits, name, f"{key!r} of parameter {i}", words, values[key])
            for key in keys:
                place = f"{key!r} of parameter {i}"
                expect(f"the shape of {place}", p.shape, getattr(values[key], "shape", None))
                dtype = getattr(values[key], "dtype", None)
                if dtype != p.dtype:  # states of float16 are float32, and may come as float16
                    expect(f"the dtype of {place}", working_dtype(p.dtype), dtype)
            scalars = {key: np.array(values[key], np.float64) for key in self.scalars}
            states.append((p, scalars | {key: _state(values[key], working_dtype(p.dtype)) for key in keys}))
        return options, states

    def _all_states(self, options: Mapping[str, Any]) -> set[str]:
        """Names of the states under any static options, with no option absent: one may have been switched off."""
        full = dict(options) | dict.fromkeys(self.absent_if_zero, 1.0)
        ways = product(*self.choices.values())
        return {name for way in ways for name in self.state_names(full | dict(zip(self.choices, way)))}

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and deepcopy: all but the prepared blocks, which the next step makes anew."""
        return self.__dict__ | {"_runner": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._runner = Runner()

    def __repr__(self) -> str:
        return f"{self._name}({', '.join(map(repr, self.param_groups))})"


def descended(p: Any, g: Any, weight_decay: Any, maximize: bool) -> Any:
    """The gradient that is descended: of the objective or its negative, plus weight_decay ||p||² / 2."""
    if weight_decay is None:
        return -g if maximize else g
    return weight_decay * p - g if maximize else g + weight_decay * p


def _state(array: Any, dtype: Any) -> Any:
    return np.positive(array) if array.dtype == dtype else array.astype(dtype)


def _holds(ours: Any, theirs: Any) -> bool:
    return all(item in ours for item in theirs)


def _label(p: Tensor) -> str:
    return f"{p.name!r} of shape {p.shape}" if p.name else f"a tensor of shape {p.shape}"
