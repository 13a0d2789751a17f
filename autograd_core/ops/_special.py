"""How an operator is declared whose computation is a ufunc of `scipy.special`.

Declarations name the ufunc; SciPy is imported when one is first used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..monomials import Unknown
from ..operator import Array, Operator, Sample, op

__all__ = ["between", "like", "special", "special_op", "special_ufunc", "whole"]

_UFUNCS: dict[str, Any] = {}
_CALLS: dict[str, Any] = {}


def special_ufunc(name: str) -> Any:
    """A ufunc of `scipy.special`, imported at first use: the import costs more than that of everything else here."""
    if name not in _UFUNCS:
        import scipy.special

        # SciPy's Python functions, such as zeta, call ufuncs of a module of their own, under a leading underscore.
        _UFUNCS[name] = getattr(scipy.special._ufuncs if name.startswith("_") else scipy.special, name)
    return _UFUNCS[name]


def special(name: str) -> Any:
    """The same for operators and rules, resolved when it is called; a Python number does not decide the dtype."""
    call = _CALLS.get(name)
    if call is None:
        call = _CALLS[name] = _caller(name)
    return call


def _caller(name: str) -> Any:
    def call(*args: Any) -> Any:
        if Unknown in map(type, args):  # the engine looks at a rule by running it on symbols: no reason to load SciPy
            raise TypeError(name)
        out = special_ufunc(name)(*args)
        if len(args) == 1:
            return out
        dtypes = [x.dtype for x in args if hasattr(x, "dtype")]
        if 0 < len(dtypes) < len(args) and out.dtype == np.float64 and all(d == np.float32 for d in dtypes):
            return out.astype(np.float32)  # many of SciPy's ufuncs take a Python number for a float64
        return out

    return call


def whole(order: Any) -> Any:
    """An order as SciPy's functions of whole orders take it: without its fraction."""
    return int(order) if isinstance(order, int | float) else np.trunc(order)


def between(low: float, high: float, *first: Any) -> list[Sample]:
    """A vector of values between two numbers, after the given static arguments."""
    return [Sample(*first, Array(5, low=low, high=high))]


def like(x: Any, a: Any) -> Any:
    """A Python number as an array of a's dtype, which the logarithm of a plain number would not be."""
    return x if hasattr(x, "dtype") else np.ones_like(a) * x


def special_op(
    name: str,
    doc: str,
    latex: str,
    derivative: dict[str, str],
    samples: Sequence[Sample],
    *,
    statics: tuple[str, ...] = (),
    trailing: tuple[str, ...] = (),
    own_name: str | None = None,
    output: int | None = None,
    **options: Any,
) -> Operator:
    """An elementwise operator that a ufunc computes; its rules are declared with `.vjp`.

    Args:
        name: the ufunc's name in `scipy.special`.
        doc: the docstring, with the formula.
        latex: the formula, with operands in braces.
        derivative: LaTeX of the derivative by operand.
        samples: inputs of the generated tests.
        statics: the ufunc's leading arguments, such as an order, that have no rule.
        trailing: such arguments at the end.
        own_name: the operator's name, if it is not the ufunc's.
        output: which output of a ufunc that has several; it is not dispatched to then.
        options: further arguments of `op`.
    """
    operands = tuple(derivative)
    names = ", ".join((*statics, *operands, *trailing))
    pick = "" if output is None else f"[{output}]"
    # A function with named parameters, which declare the operands: what a `def` for each would spell out.
    compute = eval(f"lambda {names}: special({name!r})({names}){pick}", {"special": special})
    compute.__name__ = own_name or name
    compute.__doc__ = doc
    compute.__module__ = __name__
    return op(
        "elementwise",
        special=name if output is None else None,
        latex=latex,
        derivative=derivative,
        samples=samples,
        operands=operands,
        **options,
    )(compute)
