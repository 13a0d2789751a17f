"""Refusals that name who asked: functions that would lose a gradient, and attributes of `ndarray` that Tensors lack.

What a function is replaced by stands in `INSTEAD` and `ATTRIBUTES`: the messages and the table of functions
(`coverage.py`) read the same lines.
"""

from __future__ import annotations

import ast
import linecache
import os
import sys
from itertools import islice
from typing import Any

import numpy as np

from .errors import GraphError, NoRuleError, _is_inner, where

__all__ = ["ATTRIBUTES", "INSTEAD", "OURS", "asked_for_values", "missing_attribute", "no_rule"]

_ITSELF = "the tensor itself, or np.stack or np.concatenate to join several"
_ARANGE = "start + step * np.arange(n)"
_DATES = "functions of numbers; this one is for dates"

INSTEAD = {
    "array": "np.stack or np.concatenate",
    "asarray": _ITSELF,
    "asanyarray": _ITSELF,
    "asarray_chkfinite": f"autograd_core.anomaly_mode(), and {_ITSELF}",
    "ascontiguousarray": _ITSELF,
    "asfortranarray": _ITSELF,
    "require": _ITSELF,
    "frombuffer": _ITSELF,
    "from_dlpack": _ITSELF,
    "asmatrix": "the tensor itself, with @",
    "matrix": "the tensor itself, with @",
    "bmat": "np.block",
    "r_": "np.concatenate",
    "c_": "np.column_stack",
    "arange": _ARANGE,
    "mgrid": f"np.meshgrid of {_ARANGE}",
    "ogrid": f"np.ix_ of {_ARANGE}",
    "full": "np.broadcast_to(t, shape)",
    "full_like": "np.broadcast_to(t, shape)",
    "fromiter": "np.stack(list(tensors))",
    "frompyfunc": "an expression of NumPy functions",
    "vectorize": "an expression of NumPy functions",
    "as_strided": "np.lib.stride_tricks.sliding_window_view, or slices and np.stack",
    "broadcast": "np.broadcast_arrays(t, u)",
    "ndenumerate": "t[i] for i in np.ndindex(t.shape)",
    "nditer": "t[i] for i in np.ndindex(t.shape)",
    "nested_iters": "t[i] for i in np.ndindex(t.shape)",
    "kaiser": "np.i0(beta * np.sqrt(1 - np.linspace(-1, 1, M) ** 2)) / np.i0(beta)",
    "poly1d": "np.polyval, np.polymul, np.polyder and the like, on coefficients",
    "copyto": "t[...] = value, or np.broadcast_to(t, shape)",
    "put": "t[np.unravel_index(indices, t.shape)] = values",
    "place": "t[mask] = values",
    "putmask": "t[mask] = values",
    "put_along_axis": "t[index] = values, with a tuple of index arrays",
    "fill_diagonal": "t[i, i] = value, with i = np.arange(n)",
    "trim_zeros": "t[first:last]",
    "piecewise": "np.where or np.select",
    "apply_along_axis": "functions that take an axis, or np.stack([f(row) for row in t])",
    "apply_over_axes": "one call for each axis, with keepdims=True",
    "sort_complex": "np.sort",
    "intersect1d": "np.unique and np.isin, t[np.isin(t, u)]",
    "setxor1d": "np.unique and np.isin, t[~np.isin(t, u)]",
    "unique_all": "np.unique(t, return_index=True, return_inverse=True, return_counts=True)",
    "unique_counts": "np.unique(t, return_counts=True)",
    "unique_inverse": "np.unique(t, return_inverse=True)",
    "polydiv": "np.polymul and np.polysub",
    "polyfit": "np.linalg.lstsq(np.vander(x, deg + 1), y)[0]",
    "roots": "the roots of p.detach().numpy(), which Newton's p / p' steps on Tensors refine",
    "nextafter": "np.spacing",
    "save": "t.detach().numpy()",
    "savetxt": "t.detach().numpy()",
    "savez": "t.detach().numpy()",
    "savez_compressed": "t.detach().numpy()",
    "isnat": _DATES,
    "busday_count": _DATES,
    "busday_offset": _DATES,
    "is_busday": _DATES,
    "datetime_as_string": _DATES,
    **{
        f"emath.{name}": f"np.{name}; this one may have complex values"
        for name in ("arccos", "arcsin", "arctanh", "log", "log10", "log2", "power", "sqrt")
    },
    "emath.logn": "np.log(x) / np.log(n)",
    "lambertw": "Newton's w - (w - x np.exp(-w)) / (1 + w) steps on Tensors, from w = special.lambertw(x).real",
    "_lambertw": "Newton's w - (w - x np.exp(-w)) / (1 + w) steps on Tensors, from w = special.lambertw(x).real",
    "comb": "special.binom",
    "factorial": "special.gamma(n + 1)",
    "perm": "special.poch(n - k + 1, k)",
    "diric": "np.sin(n * x / 2) / (n * np.sin(x / 2))",
    "legendre_p": "special.eval_legendre",
}

# Attributes of ndarray that a Tensor does not have, with what to write.
ATTRIBUTES = {
    "__dlpack__": "the tensor itself, or t.detach().numpy()",
    "base": "t.detach().numpy().base",
    "byteswap": "t.detach().numpy().byteswap()",
    "ctypes": "t.detach().numpy().ctypes",
    "device": "nothing, a Tensor is in memory",
    "dump": "pickle.dump(t, file)",
    "dumps": "pickle.dumps(t)",
    "flags": "t.detach().numpy().flags",
    "flat": "t.ravel()",
    "getfield": "t.detach().numpy().getfield(dtype)",
    "put": INSTEAD["put"],
    "resize": "t = np.resize(t, shape), or np.pad",
    "setfield": "t[...] = value",
    "setflags": "t.detach().numpy().setflags(...)",
    "strides": "t.detach().numpy().strides",
    "to_device": "the tensor itself, it is in memory",
    "tobytes": "t.detach().numpy().tobytes()",
    "tofile": "t.detach().numpy().tofile(file)",
    "view": "t.astype(dtype), or t[...] for a view",
}

# Python functions of scipy.special that `autograd_core.special` has too.
OURS = ("log_softmax", "logsumexp", "multigammaln", "polygamma", "softmax", "spherical_jn", "zeta")

# What NumPy's objects with methods are called by those who use them.
_OBJECTS = {"RClass": "r_", "CClass": "c_", "AxisConcatenator": "r_", "MGridClass": "mgrid", "OGridClass": "ogrid"}


def missing_attribute(tensor: Any, name: str) -> AttributeError:
    """The error for an attribute that a Tensor does not have; one that `ndarray` has says what to write instead."""
    text = f"{type(tensor).__name__!r} object has no attribute {name!r}"
    return AttributeError(f"{text}; write {ATTRIBUTES[name]}" if name in ATTRIBUTES else text)


def no_rule(name: str) -> NoRuleError:
    """The refusal of a function that would drop the gradient."""
    asked = _names(sys._getframe(1), "numpy")
    outer = asked[-1] if asked else name
    instead = INSTEAD.get(outer) or INSTEAD.get(name)
    instead = instead or "functions that have one (autograd_core.registry.operators lists them)"
    lacks = name if outer == name else f"{name}, which it calls,"
    return NoRuleError(
        f"{outer}: a NumPy function must have a gradient rule to take Tensors, and {lacks} has none; compose it of "
        f"{instead}, declare it with @autograd_core.op, or pass t.detach().numpy(). {where(outer)}"
    )


def asked_for_values(shape: tuple[int, ...], by: str | None = None) -> NoRuleError | GraphError:
    """The error for a Tensor in the graph whose values somebody wants: NumPy, SciPy, another library or Python.

    Args:
        shape: the Tensor's.
        by: the function of Python's that asks, "float" or "int"; else it is one that wants an array.
    """
    frame = sys._getframe(2)  # the caller of __array__, __float__ or __int__
    names = _names(frame, "scipy")
    if names:
        return _scipy_refusal(names, shape)
    asked = _names(frame, "numpy")
    name = asked[-1] if asked else by
    if name is None:
        name = (None if _is_inner(frame.f_code.co_filename) else _called_in(frame)) or "asarray"
    instead = INSTEAD.get(name, "np.stack or np.concatenate to join tensors, np.broadcast_to to fill with one")
    if hasattr(vars(np).get(name), "dtype"):  # a scalar type, np.float32(t)
        instead = f"t.astype(np.{name})"
    ways = f"use{'' if name == by else f' {instead}, or'}"
    return GraphError(
        f"{'np.' if name in vars(np) else ''}{name}: only a tensor that needs no gradient may become a plain value, "
        f"got one of shape {shape} in the graph; {ways} .item() for a number or .detach() for an array. {where(name)}"
    )


def _scipy_refusal(names: list[str], shape: tuple[int, ...]) -> NoRuleError:
    ours = [name for name in names if name in OURS]
    name = ours[-1] if ours else names[-1]
    instead = "a ufunc that has a rule, or declare it with @autograd_core.op"
    instead = f"autograd_core.special.{name}" if ours else INSTEAD.get(name, instead)
    return NoRuleError(
        f"{name}: a function of SciPy must be a ufunc to take Tensors, and {name} would turn one of shape {shape} into "
        f"an array and lose its gradient; use {instead}, or pass t.detach().numpy(). {where(name)}"
    )


def _names(frame: Any, package: str) -> list[str]:
    """The functions of a package between `frame` and the user's program, innermost first."""
    names: list[str] = []
    inside = f"{os.sep}{package}{os.sep}"
    start = frame
    while frame is not None and (frame is start or _is_inner(frame.f_code.co_filename)):
        if inside in frame.f_code.co_filename:
            names.append(_name_of(frame))
        frame = frame.f_back
    return names


def _name_of(frame: Any) -> str:
    """A frame's function: in a decorator's frame the one that it decorates, in a method's the object's class."""
    code, known = frame.f_code, frame.f_locals
    if "<locals>" in code.co_qualname:
        inner = [x for x in known.values() if hasattr(x, "__code__")]
        return next((x.__name__ for x in (*filter(_is_public, inner), *inner)), str(code.co_name))
    if code.co_name.startswith("__") and code.co_varnames:
        owner = known.get(code.co_varnames[0])
        name = owner.__name__ if isinstance(owner, type) else type(owner).__name__
        return str(_OBJECTS.get(name) or (name if name in vars(np) else getattr(owner, "__name__", name)))
    return str(code.co_name)


def _is_public(function: Any) -> bool:
    package = sys.modules.get(".".join(function.__module__.split(".")[:2]))
    return hasattr(package, function.__name__)


def _called_in(frame: Any) -> str | None:
    """The name of the function that a frame is calling, read from its source: one written in C has no frame."""
    first, last, start, end = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None), (None,) * 4)
    if first is None or last is None or start is None or end is None:
        return None
    lines = [linecache.getline(frame.f_code.co_filename, i, frame.f_globals).encode() for i in range(first, last + 1)]
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][start:]
    try:
        call = ast.parse(b"".join(lines), mode="eval").body
    except (SyntaxError, ValueError):  # the file is not there or has changed
        return None
    function = getattr(call, "func", None)
    if isinstance(function, ast.Name):  # perhaps under another name: f = np.array
        value = frame.f_locals.get(function.id, frame.f_globals.get(function.id))
        return getattr(value, "__name__", function.id)
    return getattr(function, "attr", None)
