"""What the user passed to `compare`, checked, and the forward function run on it."""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import autograd_core
from autograd_core.compare.tagging import TagScope, plain, using
from autograd_core.errors import ArgumentError, DTypeError, ShapeError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """A forward function with the point at which its gradients are judged.

    Attributes:
        f: The forward function.
        inputs: Float64 arrays by name, read-only.
        params: Further keyword arguments of `f`.
        swept: The swept parameter and its values in falling order, or None.
        random_state: The state of `autograd_core.random` in which every run of `f` starts, so that
            a forward function with dropout is the same function in each run.
        diagnose: Whether a repair of a wrong claim is looked for, which takes time.
    """

    f: Callable[..., Any]
    inputs: dict[str, Array]
    params: dict[str, Any]
    swept: tuple[str, tuple[float, ...]] | None
    random_state: Any
    diagnose: bool = True

    @property
    def names(self) -> frozenset[str]:
        """Every name that a tag must not take."""
        swept = {self.swept[0]} if self.swept else set()
        return frozenset(self.inputs) | frozenset(self.params) | swept | {"g"}

    def points(self) -> list[tuple[float | None, dict[str, Any]]]:
        """The swept value (None without a sweep) and all parameters, for each point to judge."""
        if self.swept is None:
            return [(None, self.params)]
        name, values = self.swept
        return [(value, {**self.params, name: value}) for value in values]

    def run(self, inputs: Mapping[str, Any], params: Mapping[str, Any], scope: TagScope) -> Any:
        """One run of `f`."""
        autograd_core.random.generator().bit_generator.state = self.random_state
        with using(scope):
            return self.f(**inputs, **params)


def problem(
    f: Callable[..., Any],
    inputs: Mapping[str, Any],
    params: Mapping[str, Any] | None,
    sweep: Mapping[str, Sequence[float]] | None,
) -> Problem:
    """Check the arguments of `compare` and freeze them into a `Problem`."""
    if not callable(f):
        raise DTypeError(f"compare: f must be a function, got {type(f).__name__}")
    if not isinstance(inputs, Mapping) or not inputs:
        raise ArgumentError(
            "compare: inputs must be a non-empty dict from names to float64 arrays, got "
            f'{inputs!r:.60}; write inputs={{"Z": Z}}'
        )
    arrays = {name: _input(name, value) for name, value in inputs.items()}
    checked = dict(params or {})
    swept = _swept(sweep)
    names = [*arrays, *checked, *([swept[0]] if swept else [])]
    for name in names:
        if not isinstance(name, str) or not name.isidentifier():
            raise ArgumentError(f"compare: names must be identifiers, got {name!r}")
        if name == "g":
            raise ArgumentError(
                "compare: 'g' is the upstream gradient in every claim and cannot name an input or parameter; rename it"
            )
        if names.count(name) > 1:
            raise ArgumentError(f"compare: {name!r} must be given once, in one of inputs, params and sweep")
    _check_signature(f, names)
    return Problem(f, arrays, checked, swept, autograd_core.random.get_state())


def _input(name: str, value: Any) -> Array:
    array = plain(value)
    if array.dtype != np.float64:
        raise DTypeError(
            f"compare: inputs must be float64, since the rounding bound is float64's; got "
            f"{array.dtype} for {name!r}; pass np.asarray({name}, dtype=np.float64)"
        )
    if not np.isfinite(array).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ArgumentError(f"compare: inputs must be finite, got {array[at]} in {name!r} at index {at}")
    frozen = array.copy()
    frozen.flags.writeable = False
    return frozen


def _swept(
    sweep: Mapping[str, Sequence[float]] | None,
) -> tuple[str, tuple[float, ...]] | None:
    if not sweep:
        return None
    if len(sweep) != 1:
        raise ArgumentError(
            f"compare: sweep must name one parameter, got {', '.join(map(repr, sweep))}; "
            "sweep one at a time and give the others in params"
        )
    ((name, given),) = sweep.items()
    values = [] if isinstance(given, (str, numbers.Real)) else list(given)
    if not all(isinstance(v, numbers.Real) and 0 < float(v) < float("inf") for v in values) or len(set(values)) < 2:
        raise ArgumentError(
            f"compare: the sweep of {name!r} needs at least two distinct positive finite numbers, "
            f"got {given!r:.60}; write sweep={{{name!r}: (1e-1, 1e-2, 1e-3, 1e-4)}}"
        )
    return name, tuple(sorted({float(v) for v in values}, reverse=True))


def _check_signature(f: Callable[..., Any], names: list[str]) -> None:
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):  # built-ins without a signature: the call itself will tell
        return
    by_keyword = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    unknown = [name for name in names if name not in by_keyword]
    if unknown and not takes_any:
        raise ArgumentError(
            f"compare: f must take every input and parameter by keyword, but has no parameter "
            f"{unknown[0]!r}; it takes {', '.join(sorted(by_keyword)) or 'none'}"
        )
    missing = [
        p.name
        for p in parameters
        if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL) and p.name not in names
    ]
    if missing:
        raise ArgumentError(
            f"compare: f needs {missing[0]!r}, which is in none of inputs, params and sweep; "
            f"add it, for example params={{{missing[0]!r}: ...}}"
        )


def output_array(value: Any) -> Array:
    """The array in the forward function's output, checked to be one real float64 array."""
    if not isinstance(value, autograd_core.Tensor):
        kind = type(value).__name__
        raise DTypeError(
            f"compare: f must return one Tensor computed from its inputs, got {kind}; "
            "return one output, and compute it without leaving the graph (.data, .numpy(), float())"
        )
    array = plain(value)
    if array.dtype != np.float64:
        raise DTypeError(
            f"compare: f must compute in float64, as its inputs are, got {array.dtype}; remove the conversion inside f"
        )
    if array.size == 0:
        raise ShapeError(
            f"compare: f must return at least one element, got shape {array.shape}; "
            "there is no gradient to judge in an empty output"
        )
    return array
