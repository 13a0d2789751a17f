"""Running averages of a model's weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from autograd_core import Tensor
from autograd_core.context import outside
from autograd_core.errors import ArgumentError, where

from .averages import fraction, same_keys, same_shape

__all__ = ["ExponentialMovingAverage"]

# Elements that are passed over at a time; four such arrays of float32 fit a second-level cache.
BLOCK = 1 << 16


class ExponentialMovingAverage:
    """An average of the weights over training, to evaluate with (Polyak & Juditsky 1992).

        A_t = decay A_{t-1} + (1 - decay) p_t,   A_0 = p_0

    Buffers, such as batch normalization's running statistics, are not averaged.

        ema = ExponentialMovingAverage(model)
        for batch in data:
            ...
            optimizer.step()
            ema.update()
        with ema.applied():
            validate(model)

    Args:
        params: parameters, or a module.
        decay: the weight of the past, in [0, 1].
        warmup: decay is min(decay, (1 + t) / (10 + t)) at t = 1, 2, ...: the start is forgotten sooner.
        bias_correction: A_0 = 0, and A_t is divided by the sum of its weights, 1 - decay^t, where it is read: the
            start is forgotten at once.

    Raises:
        ArgumentError: decay outside its domain, no parameter, or something that is no Tensor.
    """

    def __init__(
        self, params: Any, decay: float = 0.999, *, warmup: bool = False, bias_correction: bool = False
    ) -> None:
        name = "ExponentialMovingAverage"
        self.decay = fraction(name, "decay", decay, "a number in [0, 1]")
        self.warmup = warmup
        self.bias_correction = bias_correction
        self.t = 0
        self._weight = 0.0 if bias_correction else 1.0
        self._depth = 0
        self._names, self._params = _named(name, params)
        start = np.zeros_like if bias_correction else np.positive
        self.averages = [Tensor(start(p.data)) for p in self._params]

    def on_batch_end(self, state: Any) -> None:
        """As a callback of `fit` it takes in the weights after each step, and its state goes into the checkpoints."""
        self.update()

    def update(self) -> None:
        """Takes in the weights as they are; call it after each step of the optimizer.

        Raises:
            ArgumentError: within `applied()`, where the weights are the average itself.
            ShapeError: a parameter has another shape than at the start. Nothing has changed then.
        """
        name = "ExponentialMovingAverage.update"
        outside(name, "its count of updates")
        if self._depth:
            raise ArgumentError(
                f"{name}: the weights must be the trained ones, got the averaged ones; leave applied() first. "
                f"{where(name)}"
            )
        for p, average in zip(self._params, self.averages, strict=True):
            same_shape(name, average, p)
        t = self.t + 1
        decay = min(self.decay, (1 + t) / (10 + t)) if self.warmup else self.decay
        for p, average in zip(self._params, self.averages, strict=True):
            _mix(average, p.data, decay)
            average._touch(name)
        self._weight = decay * self._weight + (1 - decay)
        self.t = t

    def copy_to(self, params: Any = None) -> None:
        """Writes the averaged weights into the parameters, or into those of another module of the same shapes.

        In place and unrecorded; a later backward pass through the old weights is refused.

        Raises:
            ArgumentError: other numbers of parameters, or bias correction before the first update.
            ShapeError: a parameter of another shape. Nothing has changed then.
        """
        name = "ExponentialMovingAverage.copy_to"
        targets = self._params if params is None else _named(name, params)[1]
        if len(targets) != len(self.averages):
            raise ArgumentError(
                f"{name}: there must be {len(self.averages)} parameters, got {len(targets)}; pass a module made as "
                f"the averaged one was. {where(name)}"
            )
        for p, average in zip(targets, self.averages, strict=True):
            same_shape(name, average, p)
        for p, array in zip(targets, self._corrected(name), strict=True):
            _overwrite(p, array, name)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within it the parameters are the averaged weights; afterwards, also after an error, what they were.

        Raises:
            ArgumentError: bias correction before the first update.
            ShapeError: a parameter has another shape than at the start.
        """
        before = [np.positive(p.data) for p in self._params]
        self._depth += 1
        try:
            self.copy_to()
            yield
        finally:
            self._depth -= 1
            for p, array in zip(self._params, before, strict=True):
                _overwrite(p, array, "ExponentialMovingAverage.applied")

    def _corrected(self, name: str) -> list[Any]:
        if self._weight == 0:
            raise ArgumentError(
                f"{name}: with bias correction there must have been an update, got none that had weight; call "
                f"update() first. {where(name)}"
            )
        return [a.data / self._weight if self.bias_correction else a.data for a in self.averages]

    def state_dict(self) -> dict[str, Any]:
        """A snapshot: count, sum of the weights, and the averages by the parameter's path in the module or number."""
        arrays = {key: np.positive(a.data) for key, a in zip(self._names, self.averages, strict=True)}
        return {"t": self.t, "weight": self._weight, "averages": arrays}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over what `state_dict` gave, bit for bit.

        Raises:
            ArgumentError: it has other keys or dtypes.
            ShapeError: an array of another shape. Nothing has changed in either case.
        """
        name = "ExponentialMovingAverage.load_state_dict"
        same_keys(name, state_dict, ["averages", "t", "weight"])
        arrays = state_dict["averages"]
        same_keys(name, arrays, sorted(self._names))
        for key, average in zip(self._names, self.averages, strict=True):
            same_shape(name, average, arrays[key])
            if average.dtype != arrays[key].dtype:
                raise ArgumentError(
                    f"{name}: {key!r} must be {average.dtype}, got {arrays[key].dtype}; load it into an average of a "
                    f"module of that dtype. {where(name)}"
                )
        for key, average in zip(self._names, self.averages, strict=True):
            average.data = np.positive(arrays[key])
        self.t, self._weight = int(state_dict["t"]), float(state_dict["weight"])

    def __repr__(self) -> str:
        return f"ExponentialMovingAverage({len(self._params)} parameters, decay={self.decay}, t={self.t})"


def _mix(average: Tensor, new: Any, decay: float) -> None:
    """Sets average to decay average + (1 - decay) new; NumPy's arrays in place and in blocks."""
    old = average.data
    if not (isinstance(old, np.ndarray) and isinstance(new, np.ndarray) and old.flags.writeable):
        average.data = decay * old + (1 - decay) * new
        return
    # np.positive keeps the layout, so that both are contiguous in the same order, or neither is.
    a, b = (old, new) if old.flags.c_contiguous else (old.T, new.T)
    if not (a.flags.c_contiguous and b.flags.c_contiguous and a.dtype == b.dtype):
        old *= decay
        old += (1 - decay) * new
        return
    a, b = a.reshape(-1), b.reshape(-1)
    scratch = np.empty(min(BLOCK, a.size), a.dtype)
    for start in range(0, a.size, BLOCK):
        part = a[start : start + BLOCK]
        part *= decay
        part += np.multiply(b[start : start + BLOCK], 1 - decay, out=scratch[: part.size])


def _overwrite(p: Tensor, array: Any, writer: str) -> None:
    """Writes values into a parameter: in place where that is possible."""
    target = p.data
    in_place = isinstance(target, np.ndarray) and isinstance(array, np.ndarray) and target.shape == array.shape
    if in_place and target.flags.writeable:
        target[...] = array
        p._touch(writer)
    else:
        p.data = np.positive(array)


def _named(name: str, params: Any) -> tuple[list[str], list[Tensor]]:
    """Names and parameters, a shared one once."""
    if hasattr(params, "named_parameters"):
        pairs: list[Any] = list(params.named_parameters())
    else:
        given = [params] if isinstance(params, Tensor) or not isinstance(params, Iterable) else params
        pairs = [(str(i), p) for i, p in enumerate(given)]
    if not pairs:
        raise ArgumentError(
            f"{name}: there must be at least one parameter, got none; an iterator such as model.parameters() can be "
            f"read only once. {where(name)}"
        )
    unique: dict[int, tuple[str, Tensor]] = {}
    for key, p in pairs:
        if not isinstance(p, Tensor):
            raise ArgumentError(
                f"{name}: a parameter must be a Tensor, got {type(p).__name__} as {key!r}. {where(name)}"
            )
        unique.setdefault(id(p), (key, p))
    return [key for key, _ in unique.values()], [p for _, p in unique.values()]
