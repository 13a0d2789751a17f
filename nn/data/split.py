"""Training and validation sets."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core import Tensor, random
from autograd_core.errors import ArgumentError, ShapeError, where

from .._checks import is_integer, require
from ._samples import samples

__all__ = ["train_validation_split"]

_BY = "train_validation_split"


def train_validation_split(
    arrays: Any,
    validation_size: float = 0.2,
    shuffle: bool = True,
    *,
    stratify: Any = None,
    seed: int | None = None,
) -> Any:
    """Divides samples, along the first axis, into a training and a validation set.

    Args:
        arrays: a sequence of arrays of one length, or a single array.
        validation_size: a fraction in (0, 1), or a number of samples.
        shuffle: choose the validation samples at random and shuffle both sets; otherwise they are the last ones.
        stratify: a label for each sample; both sets then have the labels in the proportions of the whole, as nearly as
            whole numbers allow.
        seed: of this split alone; by default it draws from `autograd_core.random`.

    Returns:
        (x_train, y_train, ...), (x_validation, y_validation, ...); for a single array the two parts.

    Raises:
        ArgumentError: `validation_size` or `seed` is outside its domain, a set would be empty, there is no array, or
            the labels cannot all be in both sets.
        ShapeError: the arrays, or the labels, differ in length.
    """
    parts, single = samples(_BY, arrays)
    n = len(parts[0])
    held_out = _count(n, validation_size)
    require(seed is None or is_integer(seed, 0), _BY, "seed", "an integer >= 0 or None", seed, "0")
    generator = random.generator() if seed is None else random.fork(seed)
    order = generator.permutation(n) if shuffle else np.arange(n)
    if stratify is None:
        chosen = np.zeros(n, bool)
        chosen[n - held_out :] = True
    else:
        chosen = _stratified(_labels(stratify, n)[order], held_out)
    train, validation = order[~chosen], order[chosen]
    first, second = (tuple(a[i] for a in parts) for i in (train, validation))
    return (first[0], second[0]) if single else (first, second)


def _count(n: int, size: Any) -> int:
    fraction = isinstance(size, float | np.floating) and 0 < size < 1
    if not fraction and not is_integer(size, 1):
        raise ArgumentError(
            f"{_BY}: validation_size must be a fraction in (0, 1) or a positive number of samples, got {size!r}; e.g. "
            f"0.2. {where(_BY)}"
        )
    count = round(n * float(size)) if fraction else int(size)
    if not 0 < count < n:
        raise ArgumentError(
            f"{_BY}: neither set may be empty, got {count} of {n} samples for validation; change validation_size = "
            f"{size!r}. {where(_BY)}"
        )
    return count


def _labels(stratify: Any, n: int) -> Any:
    labels = np.asarray(stratify.data if isinstance(stratify, Tensor) else stratify)
    if labels.shape != (n,):
        raise ShapeError(
            f"{_BY}: stratify must have one label for each of the {n} samples, got shape {labels.shape}; one-hot rows "
            f"become labels by .argmax(1). {where(_BY)}"
        )
    return labels


def _stratified(labels: Any, held_out: int) -> Any:
    """A mask of `held_out` samples: of each label its share, rounded, neither none nor all; the last ones of each."""
    names, which, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if counts.min() < 2:
        raise ArgumentError(
            f"{_BY}: each label must occur at least twice to be in both sets, got {names[np.argmin(counts)].item()!r} "
            f"once; leave stratify out, or drop that sample. {where(_BY)}"
        )
    if not len(names) <= held_out <= len(labels) - len(names):
        raise ArgumentError(
            f"{_BY}: both sets must have room for each of the {len(names)} labels, got {len(labels) - held_out} and "
            f"{held_out} samples; change validation_size, or leave stratify out. {where(_BY)}"
        )
    shares = counts * held_out / len(labels)
    quota = np.maximum(np.floor(shares).astype(int), 1)
    while (difference := held_out - int(quota.sum())) != 0:  # one label a round, the one that is furthest off
        step = 1 if difference > 0 else -1
        free = quota < counts - 1 if step > 0 else quota > 1
        quota[np.argmax(np.where(free, step * (shares - quota), -np.inf))] += step
    chosen = np.zeros(len(labels), bool)
    for i, amount in enumerate(quota):
        chosen[np.flatnonzero(which == i)[-amount:]] = True
    return chosen
