"""The data of a training run: checked, cut into batches, wrapped into Tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import isfinite
from typing import Any

import numpy as np

from autograd_core import Tensor, no_grad, random
from autograd_core.checks import is_count
from autograd_core.errors import ArgumentError, ShapeError, where

__all__ = ["Means", "accuracy", "as_data", "as_metrics", "evaluate", "pair"]

Metrics = Mapping[str, Callable[[Any, Any], Any]]
DEFAULT_BATCH = 32
VALIDATION_BATCH = 256
# Names that the history uses itself.
COLUMNS = ("loss", "learning rate", "epoch", "seconds")


class ArrayBatches:
    """Mini-batches of a pair of arrays; every iteration is one epoch."""

    def __init__(self, x: Any, y: Any, batch_size: int, shuffle: bool) -> None:
        self.x, self.y, self.batch_size, self.shuffle = x, y, batch_size, shuffle

    def __len__(self) -> int:
        return -(-len(self.x) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        order = random.permutation(len(self.x)) if self.shuffle else None
        for start in range(0, len(self.x), self.batch_size):
            chosen: Any = slice(start, start + self.batch_size)
            chosen = chosen if order is None else order[chosen]
            yield self.x[chosen], self.y[chosen]


def as_data(data: Any, name: str, batch_size: int | None, epochs: int, shuffle: bool) -> Iterable[Any]:
    """`data` as an iterable of batches that can be read `epochs` times.

    Raises:
        ArgumentError: it can be read only once, is empty, or is neither a pair of arrays nor iterable; a batch size
            outside its domain or for data that has its own.
        ShapeError: the arrays differ in length or are empty.
    """
    if isinstance(data, tuple) and len(data) == 2 and all(hasattr(part, "shape") for part in data):
        x, y = (part.data if isinstance(part, Tensor) else part for part in data)
        if not x.shape or not y.shape or x.shape[0] != y.shape[0] or not x.shape[0]:
            raise ShapeError(
                f"fit: the arrays of {name} must have one length, the number of samples, got shapes {x.shape} and "
                f"{y.shape}; samples go along the first axis. {where('fit')}"
            )
        size = DEFAULT_BATCH if batch_size is None else batch_size
        if not is_count(size):
            raise ArgumentError(f"fit: batch_size must be a positive integer, got {size!r}; e.g. 32. {where('fit')}")
        return ArrayBatches(x, y, int(size) if shuffle else VALIDATION_BATCH, shuffle)
    if batch_size is not None and shuffle:
        raise ArgumentError(
            f"fit: batch_size must be left out where {name} has batches of its own, got {batch_size!r}; give it to "
            f"nn.data.batches, or pass a tuple (x, y) of arrays. {where('fit')}"
        )
    if isinstance(data, Tensor | np.ndarray | Mapping | str) or not hasattr(data, "__iter__"):
        raise ArgumentError(
            f"fit: {name} must be batches (x, y) or a tuple (x, y) of arrays, got {type(data).__name__}; e.g. "
            f"nn.data.batches((x, y), 32). {where('fit')}"
        )
    if epochs > 1 and iter(data) is data:
        raise ArgumentError(
            f"fit: {name} must be readable anew in each of {epochs} epochs, got {type(data).__name__}, which can be "
            f"read only once; pass nn.data.batches(...), or a list. {where('fit')}"
        )
    if hasattr(data, "__len__") and not len(data):
        raise no_batch(name)
    return data  # type: ignore[no-any-return]


def no_batch(name: str) -> ArgumentError:
    """The error for data without any batch."""
    return ArgumentError(f"fit: {name} must have at least one batch, got none. {where('fit')}")


def pair(batch: Any, name: str) -> tuple[Tensor, Tensor, int]:
    """A batch as Tensors x and y, and its number of samples.

    Raises:
        ArgumentError: it is not a pair.
    """
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        got = f"{len(batch)} parts" if isinstance(batch, tuple | list) else type(batch).__name__
        raise ArgumentError(
            f"fit: a batch of {name} must be a pair (x, y), got {got}; e.g. nn.data.batches((x, y), 32). {where('fit')}"
        )
    x, y = batch
    x = x if isinstance(x, Tensor) else Tensor(x)
    y = y if isinstance(y, Tensor) else Tensor(y)
    return x, y, x.shape[0] if x.shape else 1


def as_metrics(given: Any) -> dict[str, Callable[[Any, Any], Any]]:
    """Metrics by name; functions without one get their own.

    Raises:
        ArgumentError: one is no function, has no name, or that of another column of the history.
    """
    if given is None:
        return {}
    if isinstance(given, Mapping):
        named = list(given.items())
    else:
        single = callable(given) or isinstance(given, str) or not isinstance(given, Iterable)
        functions = [given] if single else list(given)
        named = [(getattr(function, "__name__", None), function) for function in functions]
    found: dict[str, Callable[[Any, Any], Any]] = {}
    for name, function in named:
        if not callable(function):
            raise ArgumentError(
                f"fit: metrics must be functions of output and target, got {function!r}; e.g. "
                f"{{'accuracy': optim.accuracy}}. {where('fit')}"
            )
        if not isinstance(name, str) or name == "<lambda>" or name in found:
            what = "two of one name" if name in found else "one without"
            raise ArgumentError(
                f"fit: metrics must have names of their own, got {what} ({function!r}); pass a dict, e.g. "
                f"{{'accuracy': optim.accuracy}}. {where('fit')}"
            )
        if name in COLUMNS or name.startswith("validation "):
            raise ArgumentError(
                f"fit: a metric must not be named as another column of the history, {', '.join(COLUMNS)} or "
                f"'validation ...', got {name!r}; the values on validation data are recorded by themselves. "
                f"{where('fit')}"
            )
        found[name] = function
    return found


def _number(name: str, value: Any) -> float:
    """What a metric returned."""
    plain = value.item() if getattr(value, "size", 0) == 1 and hasattr(value, "item") else value
    try:
        if not isinstance(plain, str):
            return float(plain)
    except (TypeError, ValueError):
        pass
    got = f"shape {value.shape}" if hasattr(value, "shape") else type(value).__name__
    raise ShapeError(
        f"fit: a metric must return a number, got {got} from {name!r}; take the mean over the samples. {where('fit')}"
    )


class Means:
    """Means over samples of numbers that come per batch."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self.samples = 0
        self.sums = dict.fromkeys(["loss", *metrics], 0.0)

    def add(self, loss: float, out: Any, y: Any, n: int) -> None:
        """Counts a batch of n samples."""
        self.samples += n
        self.sums["loss"] += loss * n
        if self.metrics:
            if isinstance(out, Tensor):
                out = out.detach()
            for name, metric in self.metrics.items():
                self.sums[name] += _number(name, metric(out, y)) * n

    def values(self, prefix: str = "") -> dict[str, float]:
        """The means by name."""
        return {prefix + name: total / self.samples for name, total in self.sums.items()}


def evaluate(
    model: Any, loss: Any, data: Iterable[Any], metrics: Metrics, after: Callable[[], Any] = lambda: None
) -> tuple[dict[str, float], tuple[int, Tensor, Tensor] | None]:
    """Mean loss and metrics over the samples of `data`, in evaluation mode and without recording.

    Calls `after()` after each batch.

    Returns:
        The means by name; number (1, 2, ...), x and y of the first batch whose loss is NaN or infinite, or None.

    Raises:
        ArgumentError: there is no batch.
    """
    means = Means(metrics)
    failed = None
    if hasattr(model, "eval"):
        model.eval()
    with no_grad():
        for number, batch in enumerate(data, 1):
            x, y, n = pair(batch, "validation")
            out = model(x)
            value = float(loss(out, y).item())
            if failed is None and not isfinite(value):
                failed = number, x, y
            means.add(value, out, y, n)
            after()
    if not means.samples:
        raise no_batch("validation")
    return means.values(), failed


def accuracy(output: Any, target: Any) -> float:
    """Fraction of samples whose class is predicted: a metric for `fit`.

    As in PyTorch's losses classes go along axis 1, whatever comes behind it: pixels, say, or time.

    Args:
        output: scores (N, C, ...), of which the largest decides; or logits (N,) or (N, 1, ...) of two classes, of
            which the sign decides.
        target: classes (N, ...), or one-hot or probabilities (N, C, ...); 0 (or -1) and 1 for two classes.

    Raises:
        ShapeError: the shapes do not fit together.
        ArgumentError: a target of the output's shape that is neither one-hot nor probabilities, or more than two
            classes for an output of logits.
    """
    scores, labels = (np.asarray(a.data if isinstance(a, Tensor) else a) for a in (output, target))
    given = labels.shape
    if scores.ndim > 1 and scores.shape[1] > 1:
        predicted = scores.argmax(axis=1)
        if labels.shape == scores.shape:
            if not np.allclose(labels.sum(axis=1, dtype=np.float64), 1, rtol=0, atol=1e-2):
                raise ArgumentError(
                    f"accuracy: targets of the output's shape must be one-hot or probabilities, 1 in all along axis 1, "
                    f"got others of shape {given}; targets of several labels, or of two classes each, need a metric "
                    f"of their own, such as accuracy of .reshape(-1). {where('accuracy')}"
                )
            labels = labels.argmax(axis=1)
    else:
        two = scores[:, 0] if scores.ndim > 1 and scores.shape[1] else scores
        if labels.ndim == two.ndim + 1 and labels.shape[1] == 1:
            labels = labels[:, 0]
        if labels.size and not -1 <= labels.min() <= labels.max() <= 1:
            raise ArgumentError(
                f"accuracy: targets of outputs (N,) or (N, 1, ...) must be 0 or 1, for two classes, got values from "
                f"{labels.min()} to {labels.max()}; more classes have one score each, (N, C). {where('accuracy')}"
            )
        predicted, labels = two > 0, labels > 0.5
    if not scores.ndim or predicted.shape != labels.shape:
        raise ShapeError(
            f"accuracy: the output must be (N, C, ...) with targets (N, ...) or (N, C, ...), or (N,) with (N,), "
            f"got shapes {scores.shape} and {given}; reshape one, with the classes along axis 1. {where('accuracy')}"
        )
    return float(np.mean(predicted == labels))
