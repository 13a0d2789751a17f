"""NumPy's two protocols: `np.exp(t)` and `np.sum(t, axis=0)` find their operator in the registry.

What has no rule raises and names itself; nothing drops a gradient silently.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .errors import ArgumentError, NoRuleError, where
from .hot import unary
from .methods import place_of_out, power, rounded, without_out
from .operator import Operator, registry
from .ops.values import on_values
from .refusals import no_rule
from .tensor import Tensor, as_array
from .ufunc_methods import called_with, method_of
from .unbroadcast import Product

__all__: list[str] = []


def _fast(op: Any) -> Any:
    """The quickest way to call an elementwise operator, or a composition, from a ufunc."""
    return unary(op) if isinstance(op, Operator) and len(op.parameters) == 1 and not op.statics else op


def _taking_lists(name: str, call: Any) -> Any:
    """SciPy's ufuncs take orders as lists and tuples, the operators as arrays."""
    return lambda *inputs: call(*[as_array(x, name) if type(x) in (list, tuple) else x for x in inputs])


def _array_ufunc(self: Tensor, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    call = _CALLS.get(ufunc) or registry.ufuncs.get(ufunc)
    if call is not None and method == "__call__" and not kwargs:
        if len(inputs) == 2 and (type(inputs[0]) is Product or type(inputs[1]) is Product):
            return NotImplemented
        return call(*inputs)
    if call is None and registry.special.get(ufunc.__name__) is not None:
        from .ops._special import special_ufunc

        if ufunc is special_ufunc(ufunc.__name__):
            call = _fast(registry.special[ufunc.__name__])
            _CALLS[ufunc] = call if ufunc.nin == 1 else _taking_lists(ufunc.__name__, call)
            return _array_ufunc(self, ufunc, method, *inputs, **kwargs)
    if kwargs.get("out") is not None:
        raise NoRuleError(
            f"{ufunc.__name__}: out= must be left out with Tensors, since the result must be recorded; got out= (or "
            f"an in-place operator on an array); write a = a {ufunc.__name__} t, or a Tensor on the left. "
            f"{where(ufunc.__name__)}"
        )
    if method != "__call__":
        out = method_of(ufunc, method, call, inputs, kwargs)
        if out is not None:
            return out
    elif call is not None:
        return called_with(ufunc, call, inputs, kwargs)
    name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    raise no_rule(name)


def _array_function(self: Tensor, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
    if Product in types:
        return NotImplemented
    call = registry.functions.get(function)
    if call is None:
        raise no_rule(f"{'emath.' * function.__module__.endswith('scimath')}{function.__name__}")
    args, kwargs = without_out(function.__name__, place_of_out(function), args, kwargs)
    return call(*args, **kwargs)


# -- functions that ask about an array, and those that make one like it: nothing to differentiate --------------------


@registry.function(np.shape)
def _shape(a: Any) -> tuple[int, ...]:
    return a.shape if isinstance(a, Tensor) else np.shape(a)


@registry.function(np.ndim)
def _ndim(a: Any) -> int:
    return len(_shape(a))


@registry.function(np.size)
def _size(a: Any, axis: Any = None) -> int:
    if axis is None:
        return a.size  # type: ignore[no-any-return]
    return math.prod(_shape(a)[i] for i in (axis if isinstance(axis, tuple) else (axis,)))


def _like(function: Any) -> Any:
    def make(
        prototype: Any = None,
        dtype: Any = None,
        order: Any = "K",
        subok: bool = True,
        shape: Any = None,
        *,
        a: Any = None,  # what NumPy's zeros_like and ones_like call it
        **options: Any,
    ) -> Tensor:
        return Tensor(function((a if prototype is None else prototype).data, dtype=dtype, shape=shape))

    make.no_gradient = True  # type: ignore[attr-defined]  # for tables of what there is
    return make


for _function in (np.zeros_like, np.ones_like, np.empty_like):
    registry.functions[_function] = _like(_function)


@registry.function(np.full_like)
def _full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, **options: Any
) -> Any:
    """An array like `a` filled with a value, whose gradient is the sum over all elements; `a` has none."""
    if not isinstance(fill_value, Tensor):
        return Tensor(np.full_like(a.data, fill_value, dtype=dtype, shape=shape))
    shape = a.shape if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
    filled: Any = np.broadcast_to(fill_value, shape)
    return filled.astype(a.dtype if dtype is None else dtype)


_VALUE_FUNCTIONS: tuple[Any, ...] = (
    np.result_type,
    np.can_cast,
    np.iscomplexobj,
    np.isrealobj,
    np.allclose,
    np.array_equal,
    np.isclose,
    np.argsort,
    np.shares_memory,
    np.may_share_memory,
    np.nonzero,
    np.flatnonzero,
    np.isin,
    np.unravel_index,
    np.array_repr,
    np.array_str,
    np.array2string,
    np.min_scalar_type,
)
for _on in _VALUE_FUNCTIONS:
    registry.functions[_on] = on_values(_on)


@registry.function(np.var)
def _var(a: Any, *args: Any, correction: Any = None, **kwargs: Any) -> Any:
    return registry.operators["var"](a, *args, **_with_correction("var", correction, kwargs))


@registry.function(np.std)
def _std(a: Any, *args: Any, correction: Any = None, **kwargs: Any) -> Any:
    return registry.operators["std"](a, *args, **_with_correction("std", correction, kwargs))


def _with_correction(name: str, correction: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """NumPy's `correction` is the array API's name for `ddof`."""
    if correction is None:
        return kwargs
    if "ddof" in kwargs:
        raise ArgumentError(
            f"{name}: ddof and correction must not both be given, got {kwargs['ddof']} and {correction}; they are one "
            f"thing, leave one out. {where(name)}"
        )
    return {**kwargs, "ddof": correction}


registry.function(np.around, np.round)(rounded)


@registry.function(np.copy)
def _copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    return registry.operators["identity"](a)


_CALLS: dict[Any, Any] = {u: _fast(op) for u, op in registry.ufuncs.items() if op.kind == "elementwise"}
_CALLS |= {np.power: power, np.matmul: registry.operators["matmul"], **registry.ufunc_compositions}

Tensor.__array_ufunc__ = _array_ufunc  # type: ignore[attr-defined]
Tensor.__array_function__ = _array_function  # type: ignore[attr-defined]
