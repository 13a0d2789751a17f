"""What all losses share: the reduction, and targets in the input's shape and dtype."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from autograd_core import Tensor
from autograd_core.context import current
from autograd_core.errors import ArgumentError, DTypeError, ShapeError, where

from .._checks import array, place

__all__ = [
    "Reduction",
    "as_dtype",
    "broadcast",
    "check_floating",
    "check_reduction",
    "looked_at",
    "matching",
    "possible",
    "reduced",
    "refuse",
    "seen",
    "values",
]

Reduction: TypeAlias = Literal["mean", "sum", "none"]


def check_reduction(name: str, reduction: str) -> None:
    """Raises ArgumentError unless `reduction` is one of the three."""
    if reduction not in get_args(Reduction):
        raise ArgumentError(
            f"{name}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}; "
            f"'mean' is the default. {where(name)}"
        )


def reduced(name: str, loss: Any, reduction: str) -> Any:
    """The mean over all elements, their sum, or the loss as it is."""
    if reduction == "mean":
        return loss.mean()
    check_reduction(name, reduction)
    return loss.sum() if reduction == "sum" else loss


def values(target: Any) -> Any:
    """The array behind a Tensor, an array itself, or NumPy's array of a list."""
    array = target.data if isinstance(target, Tensor) else target
    return array if hasattr(array, "shape") else np.asarray(array)


def seen(array: Any) -> bool:
    """Whether there are values to look at: not on arrays of other kinds (traced, distributed), nor on empty ones."""
    return isinstance(array, np.ndarray | np.generic) and array.size > 0


def looked_at(check: Callable[..., None], *arrays: Any) -> None:
    """Calls `check(*arrays)`, which raises for bad values; where a step is being recorded, so does each run of it."""
    trace = current().trace
    if trace is None:
        check(*arrays)
    else:
        trace.check(check, *arrays)


def as_dtype(target: Any, dtype: Any) -> Any:
    """A target in the prediction's dtype: a float64 label must not widen a float32 model."""
    return target if target.dtype == dtype else target.astype(dtype)


def check_floating(name: str, dtype: Any) -> None:
    """Raises DTypeError unless the input's dtype is floating."""
    if dtype.kind != "f":
        raise DTypeError(
            f"{name}: the input must be floating, got dtype {dtype}; convert with .astype(np.float32). {place(name)}"
        )


def matching(name: str, input: Any, target: Any) -> Any:
    """The target as an array or Tensor of the input's dtype.

    Raises:
        ShapeError: the shapes differ; broadcasting (N,) against (N, 1) would give N^2 losses.
        DTypeError: the input is not floating, or the target is not made of real numbers.
    """
    target = array(target, name)
    if input.shape != target.shape:
        raise ShapeError(
            f"{name}: the target must have the input's shape {input.shape}, got {target.shape}; "
            f"reshape one of them. {place(name)}"
        )
    dtype = input.dtype
    check_floating(name, dtype)
    if target.dtype == dtype:
        return target
    if target.dtype.kind not in "fiub":
        raise DTypeError(
            f"{name}: the target must be real numbers, got dtype {target.dtype}; convert with "
            f".astype(np.float32). {place(name)}"
        )
    return target.astype(dtype)


def possible(logarithms: Any, p: Any) -> Any:
    """Logarithms to be multiplied by p, with 0 where they are -inf and p is 0: an impossible outcome counts 0."""
    array = values(logarithms)
    if seen(array) and array.min() != -np.inf:
        return logarithms
    return np.where((array == -np.inf) & (values(p) == 0), 0, logarithms)


def broadcast(name: str, option: str, weight: Any, input: Any) -> Any:
    """A weight in the input's dtype, checked to broadcast against it."""
    weight = weight if hasattr(weight, "shape") else np.asarray(weight)
    shape, ndim = weight.shape, len(input.shape)
    tail = input.shape[ndim - len(shape) :]
    fits = len(shape) <= ndim and all(n in (1, m) for n, m in zip(shape, tail, strict=True))
    if not fits or weight.dtype.kind not in "fiub":
        raise ShapeError(
            f"{name}: {option} must be numbers that broadcast to the input's shape {input.shape}, got {weight.dtype} "
            f"of shape {shape}; reshape it, e.g. to (N, 1) for a weight per sample. {place(name)}"
        )
    return as_dtype(weight, input.dtype)


def refuse(name: str, domain: str, what: str, array: Any, wrong: Any, fix: str) -> None:
    """Raises ArgumentError with the first of the elements that are `wrong`, its position, and how many there are."""
    found = np.flatnonzero(wrong)
    index = np.unravel_index(found[0], array.shape)
    position = int(found[0]) if len(index) == 1 else tuple(int(i) for i in index)
    raise ArgumentError(
        f"{name}: {domain}, got {what} {array[index]} at position {position} ({len(found)} of {array.size} "
        f"are outside); {fix}. {place(name)}"
    )
