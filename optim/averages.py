"""Running averages of any sequence."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np

from autograd_core import Tensor
from autograd_core.checks import is_count, require
from autograd_core.context import outside
from autograd_core.errors import ArgumentError, ShapeError, where

__all__ = ["RunningAverage", "SimpleMovingAverage", "fraction", "same_keys", "same_shape"]


class RunningAverage:
    """An average in which the past fades: A_0 = 0, A_t = γ_t A_{t-1} + (1 - γ_t) a_t.

    γ weighs the past (MIT 6.390 notes, appendix B, definition 4): with a constant γ a value of k updates ago
    has the weight γ^k (1 - γ), and all weights together 1 - γ^t. `corrected` divides by that sum. γ_t = (t-1)/t
    gives the mean of all values.

    Values may be numbers, arrays or Tensors; of a Tensor the value counts, no graph is kept. float32 stays.

    Args:
        gamma: a number in [0, 1], or a function of t = 1, 2, ... that gives one.

    Raises:
        ArgumentError: gamma is neither.
    """

    def __init__(self, gamma: float | Callable[[int], float]) -> None:
        if not callable(gamma):
            fraction("RunningAverage", "gamma", gamma, "a number in [0, 1] or a function of t = 1, 2, ...")
        self.gamma = gamma
        self.t = 0
        self._weight = 0.0
        self._value: Any = 0.0
        self._is_tensor = False

    def update(self, x: Any) -> Any:
        """Takes in the next value; returns the average.

        Raises:
            ArgumentError: γ_t outside [0, 1].
            ShapeError: a value of another shape than those before. Nothing has changed then.
        """
        outside("RunningAverage.update", "its count of updates")
        array = _values_of(x)
        if self.t:
            same_shape("RunningAverage.update", self._value, array)
        gamma = self.gamma(self.t + 1) if callable(self.gamma) else self.gamma
        gamma = fraction("RunningAverage.update", f"gamma at t = {self.t + 1}", gamma, "a number in [0, 1]")
        self._value = gamma * self._value + (1 - gamma) * array
        # By the same recursion, and so with the same rounding: the average of equal values is that value.
        self._weight = gamma * self._weight + (1 - gamma)
        self._is_tensor = isinstance(x, Tensor)
        self.t += 1
        return self.value

    @property
    def value(self) -> Any:
        """A_t; 0 before the first update."""
        return _given(np.positive(self._value), self._is_tensor)

    @property
    def corrected(self) -> Any:
        """A_t / (1 - γ_1 γ_2 ... γ_t): an average whose weights sum to 1.

        Raises:
            ArgumentError: there was no update, or none whose γ was below 1.
        """
        if self._weight == 0:
            raise ArgumentError(
                f"RunningAverage.corrected: some value must have had weight, got {self.t} updates that gave none; "
                f"call update with gamma < 1 first. {where('RunningAverage.corrected')}"
            )
        return _given(self._value / self._weight, self._is_tensor)

    def state_dict(self) -> dict[str, Any]:
        """A snapshot; gamma is not in it."""
        return {"t": self.t, "weight": self._weight, "value": np.positive(self._value)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over what `state_dict` gave, bit for bit.

        Raises:
            ArgumentError: it has other keys. Nothing has changed then.
        """
        name = "RunningAverage.load_state_dict"
        same_keys(name, state_dict, ["t", "value", "weight"])
        require(is_count(state_dict["t"], 0), name, "'t'", "an integer >= 0", state_dict["t"])
        fraction(name, "'weight'", state_dict["weight"], "a number in [0, 1]")
        self.t = int(state_dict["t"])
        self._weight = float(state_dict["weight"])
        self._value = np.positive(state_dict["value"])
        self._is_tensor = False

    def __repr__(self) -> str:
        return f"RunningAverage({self.gamma!r}, t={self.t})"


class SimpleMovingAverage:
    """The mean of the last n values (of all of them while there are fewer).

    Args:
        n: how many values, a positive integer.

    Raises:
        ArgumentError: n is something else.
    """

    def __init__(self, n: int) -> None:
        count: Any = n  # int is an Integral only at run time
        if not isinstance(count, Integral) or isinstance(count, bool) or count < 1:
            name = "SimpleMovingAverage"
            raise ArgumentError(f"{name}: n must be a positive integer, got {n!r}. {where(name)}")
        self.n = int(count)
        self._values: deque[Any] = deque(maxlen=self.n)
        self._is_tensor = False

    def update(self, x: Any) -> Any:
        """Takes in the next value; returns the mean.

        Raises:
            ShapeError: a value of another shape than those before. Nothing has changed then.
        """
        outside("SimpleMovingAverage.update", "its count of updates")
        array = _values_of(x)
        if self._values:
            same_shape("SimpleMovingAverage.update", self._values[-1], array)
        self._values.append(np.positive(_real(array)))
        self._is_tensor = isinstance(x, Tensor)
        return self.value

    @property
    def value(self) -> Any:
        """The mean.

        Raises:
            ArgumentError: there was no update.
        """
        if not self._values:
            name = "SimpleMovingAverage.value"
            raise ArgumentError(f"{name}: there must be a value to average, got none; call update first. {where(name)}")
        # Summed anew each time: a running sum would keep the rounding errors of values long gone.
        half = getattr(self._values[-1], "dtype", None) == np.float16  # its sums overflow early
        total = sum(value.astype(np.float32) for value in self._values) if half else sum(self._values)
        mean: Any = total / len(self._values)
        return _given(mean.astype(np.float16) if half else mean, self._is_tensor)

    def state_dict(self) -> dict[str, Any]:
        """A snapshot: the last n values."""
        return {"values": [np.positive(value) for value in self._values]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over what `state_dict` gave, bit for bit.

        Raises:
            ArgumentError: it has other keys. Nothing has changed then.
        """
        same_keys("SimpleMovingAverage.load_state_dict", state_dict, ["values"])
        self._values = deque(map(np.positive, state_dict["values"]), maxlen=self.n)
        self._is_tensor = False

    def __repr__(self) -> str:
        return f"SimpleMovingAverage({self.n})"


def _values_of(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else np.asarray(x) if isinstance(x, list | tuple) else x


def _real(x: Any) -> Any:
    """Integers and booleans, whose sums may overflow, as float64."""
    return x * 1.0 if (x.dtype if hasattr(x, "dtype") else np.result_type(x)).kind in "biu" else x


def _given(value: Any, is_tensor: bool) -> Any:
    """A result of the kind that went in; a number as a Python float where it is float64."""
    if is_tensor:
        return Tensor(value)
    return value.item() if type(value) is np.float64 else value


def fraction(owner: str, name: str, value: Any, words: str) -> float:
    """`value` as a float in [0, 1], or an ArgumentError that says `words`."""
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 <= float(value) <= 1:
        raise ArgumentError(f"{owner}: {name} must be {words}, got {value!r}. {where(owner)}")
    return float(value)


def same_shape(name: str, held: Any, new: Any) -> None:
    """Raises ShapeError for a value of another shape than what is held."""
    if np.shape(held) != np.shape(new):
        raise ShapeError(
            f"{name}: the shape must stay {np.shape(held)}, got {np.shape(new)}; use an average of its own for each "
            f"quantity. {where(name)}"
        )


def same_keys(name: str, saved: Mapping[str, Any], keys: list[str]) -> None:
    """Raises ArgumentError for a state of other keys."""
    got = sorted(map(str, saved)) if isinstance(saved, Mapping) else type(saved).__name__
    if got != keys:
        raise ArgumentError(
            f"{name}: the keys must be {keys}, got {got}; load what the same kind of average saved. {where(name)}"
        )
