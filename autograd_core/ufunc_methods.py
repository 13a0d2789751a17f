"""The methods of ufuncs (`np.add.reduce`, `np.multiply.accumulate`, `np.subtract.outer`) and their keywords."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import NoRuleError, where
from .operator import registry
from .tensor import Tensor

__all__ = ["called_with", "method_of"]

_REDUCE = {
    np.add: "sum",
    np.multiply: "prod",
    np.maximum: "max",
    np.minimum: "min",
    np.fmax: "nanmax",
    np.fmin: "nanmin",
    np.logical_and: "all",
    np.logical_or: "any",
    np.logaddexp: "logsumexp",
}
_ACCUMULATE = {np.add: "cumsum", np.multiply: "cumprod"}
_ON_INTEGERS = (np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.gcd, np.lcm, np.logical_xor)
_INSTEAD = {"at": "t[indices] += values"}


def method_of(ufunc: Any, method: str, call: Any, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result of a ufunc's method on Tensors; None if it has no rule.

    Args:
        ufunc: NumPy's function.
        method: "reduce", "accumulate", "outer", "reduceat" or "at".
        call: what the ufunc itself means on Tensors, or None.
        inputs: the operands, after them an axis.
        kwargs: the keywords that were given.

    Raises:
        NoRuleError: `outer` with keywords, or `at`, which writes into an array.
    """
    kwargs = {k: v for k, v in kwargs.items() if v is not np._NoValue and k != "out"}
    if method in ("reduce", "accumulate"):
        kwargs.setdefault("axis", inputs[1] if len(inputs) > 1 else 0)
        table = _REDUCE if method == "reduce" else _ACCUMULATE
        if ufunc in table:
            return registry.operators[table[ufunc]](inputs[0], **kwargs)
        if ufunc in _ON_INTEGERS:
            return Tensor(getattr(ufunc, method)(inputs[0].data, **kwargs))
    if method == "outer" and call is not None and ufunc.nin == 2 and ufunc.signature is None:
        if kwargs:
            raise keywords_refused(f"{ufunc.__name__}.outer", kwargs)
        a, b = inputs
        a = a if isinstance(a, Tensor) else np.asarray(a)
        return call(np.reshape(a, (*a.shape, *(1,) * np.ndim(b))), b)
    if method == "at":
        raise NoRuleError(
            f"{ufunc.__name__}.at: an array that a ufunc writes into must not be, or receive, a Tensor, since the "
            f"result must be recorded; write t[indices] = values, or np.bincount(indices, weights=t) for sums. "
            f"{where(f'{ufunc.__name__}.at')}"
        )
    return None


def called_with(ufunc: Any, call: Any, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A ufunc called with keywords: `dtype` converts the operands first, as NumPy does.

    Raises:
        NoRuleError: a keyword, such as `where`, that a recorded result cannot follow.
    """
    dtype = kwargs.get("dtype")
    if kwargs.get("where", True) is not True or not kwargs.keys() <= {"where", "casting", "order", "subok", "dtype"}:
        raise keywords_refused(ufunc.__name__, kwargs)
    if dtype is None:
        return call(*inputs)
    if np.dtype(dtype).kind != "f":
        return call(*inputs).astype(dtype)
    return call(*(x.astype(dtype) if hasattr(x, "dtype") and x.dtype.kind in "fiub" else x for x in inputs))


def keywords_refused(name: str, kwargs: dict[str, Any]) -> NoRuleError:
    """The refusal of a ufunc's keyword."""
    return NoRuleError(
        f"{name}: keyword arguments of ufuncs must be left out with Tensors, got {sorted(kwargs)}; use "
        f"np.where or .astype around it. {where(name)}"
    )
