"""Clipping of gradients, by their common norm or value by value."""

from __future__ import annotations

from collections.abc import Iterable
from math import fsum, hypot, inf, isfinite, isnan, nan
from numbers import Real
from typing import Any

import numpy as np

from autograd_core import Tensor
from autograd_core.context import current
from autograd_core.errors import ArgumentError, NonFiniteError, where

__all__ = ["clip_grad_norm_", "clip_grad_value_"]

# Elements per dot product: a float32 sum of so many squares is accurate to 1e-6, and they fit the cache.
BLOCK = 1 << 15


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scales all gradients by one factor so that their common norm is at most max_norm.

        norm = (Σ |g|^norm_type)^(1 / norm_type)  over all elements of all gradients
        g = g min(max_norm / (norm + 1e-6), 1)

    (Pascanu, Mikolov & Bengio 2013; PyTorch's 1e-6.) In place; a parameter without a gradient is skipped. The
    norm neither overflows nor underflows where it is representable in float64, in a compiled function too (arrays
    that are not NumPy's: in their own dtype). As in PyTorch an infinite norm gives gradients of 0 (NaN where they
    were infinite) and a NaN makes all of them NaN.

    Args:
        parameters: parameters, or a single one.
        max_norm: the largest norm, >= 0; with infinity the norm is only measured.
        norm_type: the order of the norm, > 0; infinity is the largest magnitude.
        error_if_nonfinite: whether a norm that is NaN or infinite is an error.

    Returns:
        The norm before clipping, 0-d (float64 if all gradients are NumPy's arrays); 0 without gradients.

    Raises:
        ArgumentError: an argument outside its domain, no parameter, or something that is no Tensor.
        NonFiniteError: the norm is not finite, if that is an error. No gradient has changed then.
    """
    name = "clip_grad_norm_"
    grads = _gradients(name, parameters)
    for key, value, words, holds in (
        ("max_norm", max_norm, ">= 0", lambda x: x >= 0),
        ("norm_type", norm_type, "> 0", lambda x: x > 0),
    ):
        _check(name, key, value, words, holds)
    max_norm, p = float(max_norm), float(norm_type)
    in_place = all(isinstance(grad.data, np.ndarray) for grad in grads)
    total: Any
    if in_place:
        with np.errstate(all="ignore"):  # an overflow is met by scaling, what is not finite is returned
            total = _combined([_norm(block, p) for grad in grads for block in _blocks(grad.data)], p)
        finite = isfinite(total)
    else:
        tracing = current().trace is not None
        total = _norm_of_any_arrays([grad.data for grad in grads], p, np.float64 if tracing else None)
        finite = not error_if_nonfinite or bool(np.isfinite(total))
    if error_if_nonfinite and not finite:
        raise NonFiniteError(
            f"{name}: the norm of the gradients must be finite, got one that is not; look for the NaN or infinity "
            f"with anomaly_mode(), or pass error_if_nonfinite=False. {where(name)}"
        )
    if not in_place:
        factor = np.minimum(max_norm / (total + 1e-6), 1.0)
        for grad in grads:
            grad.data = grad.data * factor.astype(grad.dtype)
    elif not (factor := max_norm / (total + 1e-6)) >= 1:  # a NaN is not >= 1
        with np.errstate(invalid="ignore"):
            for grad in grads:
                _write(grad, np.multiply, (factor,), name)
    return Tensor(np.array(total, np.float64) if in_place else total)


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limits every element of the gradients to [-clip_value, clip_value], in place.

    A parameter without a gradient is skipped; a NaN stays NaN.

    Args:
        parameters: parameters, or a single one.
        clip_value: the largest magnitude, >= 0.

    Raises:
        ArgumentError: an argument outside its domain, no parameter, or something that is no Tensor.
    """
    name = "clip_grad_value_"
    grads = _gradients(name, parameters)
    _check(name, "clip_value", clip_value, ">= 0", lambda x: x >= 0)
    limit = float(clip_value)
    for grad in grads:
        if limit > float(np.finfo(grad.dtype).max):
            continue  # nothing finite is larger, and the limit has no value in this dtype
        _write(grad, np.clip, (-limit, limit), name)


def _check(name: str, key: str, value: Any, words: str, holds: Any) -> None:
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or isnan(value) or not holds(value):
        raise ArgumentError(f"{name}: {key} must be a number {words}, got {value!r}. {where(name)}")


def _gradients(name: str, parameters: Any) -> list[Tensor]:
    """The gradients that there are, each once."""
    given = [parameters] if isinstance(parameters, Tensor) else parameters
    params: list[Any] = list(given) if isinstance(given, Iterable) else [given]
    if not params:
        raise ArgumentError(
            f"{name}: there must be at least one parameter, got none; an iterator such as model.parameters() can "
            f"be read only once. {where(name)}"
        )
    grads: dict[int, Tensor] = {}
    for i, p in enumerate(params):
        if not isinstance(p, Tensor):
            raise ArgumentError(
                f"{name}: parameters must be Tensors, got {type(p).__name__} as number {i}; pass "
                f"model.parameters() for a module. {where(name)}"
            )
        if p.grad is not None and p.grad.size:
            grads[id(p.grad)] = p.grad
    return list(grads.values())


def _write(grad: Tensor, function: Any, arguments: tuple[float, ...], name: str) -> None:
    """Sets grad to function(grad, *arguments), in place where that is possible."""
    array = grad.data
    if isinstance(array, np.ndarray) and array.flags.writeable:
        function(array, *arguments, out=array)
        grad._touch(name)
    else:
        grad.data = function(array, *arguments)


def _blocks(array: np.ndarray) -> Iterable[np.ndarray]:
    """Flat pieces of an array; views if it is contiguous in any order of its axes."""
    flat = array.ravel(order="K")
    if flat.dtype.itemsize < 4:
        flat = flat.astype(np.float32)
    return (flat[start : start + BLOCK] for start in range(0, flat.size, BLOCK))


def _norm(block: np.ndarray, p: float) -> float:
    """The p-norm of a block that is not empty."""
    if p == 2:
        square = float(np.dot(block, block))
        # Smaller sums may have lost squares that underflowed.
        if block.size * 1e-30 < square < inf:
            return float(square**0.5)
    magnitudes = np.abs(block)
    largest = float(np.max(magnitudes))
    if p == inf or largest == 0 or not isfinite(largest):
        return largest
    return float(largest * np.sum((magnitudes.astype(np.float64) / largest) ** p) ** (1 / p))


def _combined(norms: list[float], p: float) -> float:
    """The p-norm of the norms of pieces."""
    if any(map(isnan, norms)):
        return nan
    if p == 2:
        return hypot(*norms)
    largest = max(norms, default=0.0)
    if p == inf or largest == 0 or largest == inf:
        return largest
    return float(largest * fsum((norm / largest) ** p for norm in norms) ** (1 / p))


def _norm_of_any_arrays(arrays: list[Any], p: float, wide: Any) -> Any:
    """The same for arrays of any kind, without asking for a value.

    Args:
        arrays: none of them empty.
        p: the order.
        wide: the dtype in which the norms of arrays are computed with, None for their own.
    """
    norms = []
    for array in arrays:
        magnitudes = np.abs(array.astype(np.float32) if array.dtype.itemsize < 4 else array)
        largest = np.max(magnitudes)
        scale = _scale(largest)
        if p != inf:
            share = np.sum((magnitudes / scale) ** p)
            # Widened before it is multiplied: the norm may be larger than the dtype's largest number.
            share, scale = (x if wide is None else x.astype(wide) for x in (share, scale))
            largest = scale * share ** (1 / p)
        norms.append(largest if wide is None else largest.astype(wide))
    total = norms[0]
    for norm in norms[1:]:
        total = np.maximum(total, norm)
    if p == inf or len(norms) == 1:
        return total
    scale = _scale(total)
    share = (norms[0] / scale) ** p
    for norm in norms[1:]:
        share = share + (norm / scale) ** p
    return scale * share ** (1 / p)


def _scale(largest: Any) -> Any:
    """What magnitudes are divided by: the largest one, or 1 where that would make a NaN."""
    return np.where((largest > 0) & (largest < inf), largest, 1.0).astype(largest.dtype)
