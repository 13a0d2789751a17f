"""Which functions of NumPy and SciPy take Tensors: a table, read off the registry and the texts of the refusals.

`make functions` writes it to `autograd_core/ops/FUNCTIONS.md`. Ufuncs and functions that dispatch are found in NumPy's
and SciPy's own namespaces, so that one of a new version is listed without an entry here: without a rule it is refused.
Functions that cannot dispatch, for which nothing can be registered, are named in this file.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from .errors import NoRuleError
from .operator import Operator, registry
from .refusals import ATTRIBUTES, INSTEAD, OURS
from .tensor import Tensor

__all__ = ["EXCLUDED", "NO_GRADIENT", "REFUSED", "RULE", "Row", "rows", "table", "unclassified"]

RULE, NO_GRADIENT, REFUSED = STATUSES = ("rule", "no gradient", "refused")

# What is public and not listed, by reason.
EXCLUDED: dict[str, tuple[str, ...]] = {
    "makes an array of integers or of nothing, from shapes and numbers": (
        *("bartlett", "blackman", "broadcast_shapes", "diag_indices", "empty", "eye", "hamming", "hanning", "identity"),
        *("indices", "index_exp", "mask_indices", "ndindex", "ones", "s_", "tri", "tril_indices", "triu_indices"),
        *("zeros", "fftfreq", "rfftfreq"),
    ),
    "reads files or text": ("fromfile", "fromregex", "fromstring", "genfromtxt", "load", "loadtxt", "memmap"),
    "asks about, or prints, a type, a number or an object": (
        *("base_repr", "binary_repr", "datetime_data", "dtype", "finfo", "format_float_positional"),
        *("format_float_scientific", "iinfo", "info", "isdtype", "isfortran", "isscalar", "issubdtype", "iterable"),
        *("mintypecode", "promote_types", "typename"),
    ),
    "settings, versions and tests of the library": (
        *("errstate", "get_include", "get_printoptions", "getbufsize", "geterr", "geterrcall", "printoptions"),
        *("set_printoptions", "setbufsize", "seterr", "seterrcall", "show_config", "show_runtime", "test"),
        *("LinAlgError", "SpecialFunctionError", "SpecialFunctionWarning"),
    ),
    "classes that are not called with arrays, or hold no numbers": (
        *("busdaycalendar", "flatiter", "ndarray", "recarray", "record", "ufunc"),
    ),
}
MODULES = {
    "numpy.char, numpy.strings": "text",
    "numpy.random": "draws samples; autograd_core.random is the package's own",
    "numpy.ma, numpy.rec": "arrays of another kind, with masks or named fields",
    "numpy.polynomial": "Python functions, which follow a Tensor as far as the functions here that they call",
    "numpy.lib (but stride_tricks), numpy.testing, numpy.typing, numpy.ctypeslib, numpy.f2py, numpy.dtypes, "
    "numpy.exceptions, numpy.core": "tools",
}

# Functions that cannot dispatch. What coerces its arguments is refused by the Tensor itself, when asked for an array.
_COERCING = (
    *("arange", "array", "asanyarray", "asarray", "asarray_chkfinite", "ascontiguousarray", "asfortranarray"),
    *("asmatrix", "bmat", "broadcast", "c_", "from_dlpack", "frombuffer", "fromiter", "frompyfunc", "full", "kaiser"),
    *("matrix", "mgrid", "ndenumerate", "nditer", "nested_iters", "ogrid", "poly1d", "r_", "require", "vectorize"),
    "as_strided",
)
_CALLING = {
    "fromfunction": "calls the function that it is given",
    "row_stack": "calls np.vstack",
    "trapz": "calls np.trapezoid",
}
_ZERO = "recorded with a zero gradient"
_COMPOSED_WITHOUT = {
    np.shape: "lengths",
    np.ndim: "a length",
    np.size: "a length",
    np.linalg.matrix_rank: "an integer",
    np.fix: _ZERO,
    np.round: _ZERO,
    np.around: _ZERO,
    np.angle: f"of real numbers, {_ZERO}",
    np.imag: f"of real numbers, {_ZERO}",
    np.nanargmax: "integers",
    np.nanargmin: "integers",
}
_ON_VALUES = "computed on the values"
_CUT = "integers or booleans, cut from the graph"

# SciPy's Python functions: those that hand Tensors to ufuncs, and those of integers; the rest coerces its arguments.
_SPECIAL_CALLING = {
    "assoc_laguerre": "eval_genlaguerre",
    "ivp": "iv",
    "jvp": "jv",
    "kvp": "kv",
    "softplus": "np.logaddexp",
    "yvp": "yv",
    "zeta": "operator `zeta`, in q",
}
_SPECIAL_INTEGERS = (
    *("bernoulli", "chebyc", "chebys", "chebyt", "chebyu", "euler", "factorial2", "factorialk", "hermite"),
    *("hermitenorm", "laguerre", "legendre", "sh_chebyt", "sh_chebyu", "sh_legendre", "stirling2"),
    *("c_roots", "h_roots", "he_roots", "l_roots", "p_roots", "ps_roots", "s_roots", "t_roots", "ts_roots"),
    *("u_roots", "us_roots", "roots_chebyc", "roots_chebys", "roots_chebyt", "roots_chebyu", "roots_hermite"),
    *("roots_hermitenorm", "roots_laguerre", "roots_legendre", "roots_sh_chebyt", "roots_sh_chebyu"),
    "roots_sh_legendre",
)

# Attributes of ndarray that Tensors have and that record nothing.
_PLAIN_ATTRIBUTES = {
    **dict.fromkeys(("all", "any", "argmax", "argmin"), _CUT),
    **dict.fromkeys(("argpartition", "argsort", "nonzero", "searchsorted"), _ON_VALUES),
    **dict.fromkeys(("dtype", "itemsize", "nbytes", "ndim", "shape", "size"), "about the array"),
    "data": "the array itself, shared",
    "imag": f"of real numbers, {_ZERO}",
    "item": "a Python number",
    "round": _ZERO,
}
_WRITES = ("fill", "partition", "sort")


@dataclass(frozen=True, order=True)
class Row:
    """A function, its status (rule, no gradient or refused), and why: the operator, or what to write instead."""

    namespace: str
    name: str
    status: str
    note: str


def _kind(value: Any) -> str:
    if isinstance(value, np.ufunc):
        return "ufunc"
    return "dispatching" if type(value) is type(np.sum) else "other"


def _of(meaning: Any, name: str, function: Any) -> tuple[str, str]:
    """Status and note of what the registry holds for a function."""
    if meaning is None:
        return REFUSED, INSTEAD.get(name, "no rule; pass t.detach().numpy()")
    if isinstance(meaning, Operator):
        if not meaning.differentiable:
            return NO_GRADIENT, _CUT
        zero = set(meaning.derivative.values()) == {"0"}
        return (NO_GRADIENT, f"operator `{meaning.name}`, {_ZERO}") if zero else (RULE, f"operator `{meaning.name}`")
    if getattr(meaning, "refused", False):
        try:
            meaning(np.eye(2))
        except NoRuleError as refusal:
            return REFUSED, str(refusal).split(": ", 1)[1].split(";")[0].split(", got")[0]
    if getattr(meaning, "no_gradient", False):
        return NO_GRADIENT, _ON_VALUES
    if function in _COMPOSED_WITHOUT:
        return NO_GRADIENT, _COMPOSED_WITHOUT[function]
    return RULE, f"composition in {meaning.__module__.removeprefix('autograd_core.').replace('.', '/')}.py"


def _numpy(namespace: str, module: ModuleType, prefix: str = "") -> Iterator[Row]:
    for name in dir(module):
        function = getattr(module, name)
        kind = _kind(function)
        if name.startswith("_"):
            continue
        if kind == "ufunc":
            meaning = registry.ufuncs.get(function) or registry.ufunc_compositions.get(function)
        elif kind == "dispatching":
            meaning = registry.functions.get(function)
        elif name in _COERCING:
            yield Row(namespace, name, REFUSED, INSTEAD[name])
            continue
        elif name in _CALLING:
            yield Row(namespace, name, RULE, _CALLING[name])
            continue
        else:
            continue
        yield Row(namespace, name, *_of(meaning, prefix + name, function))


def _special() -> Iterator[Row]:
    import scipy.special

    from .ops._special import special_ufunc

    for name in sorted(set(scipy.special.__all__)):
        function = getattr(scipy.special, name)
        if isinstance(function, np.ufunc):
            known = function.__name__ in registry.special and function is special_ufunc(function.__name__)
            yield Row(
                "scipy.special", name, *_of(registry.special[function.__name__] if known else None, name, function)
            )
        elif name in _SPECIAL_CALLING:
            yield Row("scipy.special", name, RULE, f"calls {_SPECIAL_CALLING[name]}")
        elif function in registry.functions:
            yield Row("scipy.special", name, *_of(registry.functions[function], name, function))
        elif name in _SPECIAL_INTEGERS or name.endswith("_zeros"):
            yield Row("scipy.special", name, NO_GRADIENT, "of integers")
        elif callable(function) and name not in _excluded():
            own = f"autograd_core.special.{name}" if name in OURS else INSTEAD.get(name)
            yield Row("scipy.special", name, REFUSED, own or "coerces its arguments; pass t.detach().numpy()")


def _methods() -> Iterator[Row]:
    for name in dir(np.ndarray):
        if name.startswith("_") or not hasattr(np.eye(2), name):  # some only say that they are gone
            continue
        if name in ATTRIBUTES:
            yield Row("numpy.ndarray", name, REFUSED, ATTRIBUTES[name])
        elif name == "tolist":
            yield Row("numpy.ndarray", name, REFUSED, "in the graph; t.detach().tolist()")
        elif not hasattr(Tensor, name):
            yield Row("numpy.ndarray", name, REFUSED, "t.detach().numpy()")
        elif name in _PLAIN_ATTRIBUTES:
            yield Row("numpy.ndarray", name, NO_GRADIENT, _PLAIN_ATTRIBUTES[name])
        else:
            operator = f"operator `{name}`" if name in registry.operators else "composition in methods.py"
            yield Row("numpy.ndarray", name, RULE, "recorded as a write" if name in _WRITES else operator)


def rows() -> list[Row]:
    """Every public function of NumPy and `scipy.special`, and every attribute of `ndarray`, with its status."""
    found = [
        *_numpy("numpy", np),
        *_numpy("numpy.linalg", np.linalg),
        *_numpy("numpy.fft", np.fft),
        *_numpy("numpy.emath", np.emath, "emath."),
        *_numpy("numpy.lib.stride_tricks", np.lib.stride_tricks),
        *_methods(),
        *_special(),
        Row("numpy", "float64, int32, bool_, ... (scalar types)", REFUSED, "t.astype(dtype)"),
    ]
    return sorted(found, key=lambda row: (row.namespace, row.name.lower(), row.name))


def _excluded() -> set[str]:
    return {name for names in EXCLUDED.values() for name in names}


def unclassified() -> list[str]:
    """Public callables that are neither in the table nor excluded with a reason: to be named in this file."""
    import scipy.special

    listed = {(row.namespace, row.name) for row in rows()}
    missing = []
    spaces = {"numpy": np, "numpy.linalg": np.linalg, "numpy.fft": np.fft, "scipy.special": scipy.special}
    for namespace, module in spaces.items():
        names = module.__all__ if namespace == "scipy.special" else dir(module)
        for name in names:
            value = getattr(module, name)
            scalar = isinstance(value, type) and issubclass(value, np.generic)
            if name.startswith("_") or isinstance(value, ModuleType) or not callable(value) or scalar:
                continue
            if (namespace, name) not in listed and name not in _excluded():
                missing.append(f"{namespace}.{name}")
    return missing


def table() -> str:
    """The table as Markdown: counts, then the functions by namespace."""
    import scipy

    found = rows()
    spaces = sorted({row.namespace for row in found})
    counts = Counter((row.namespace, row.status) for row in found)
    lines = [
        "# Functions of NumPy and SciPy on Tensors",
        "",
        "Written by `make functions` from the registry of operators; do not edit. *rule*: recorded, with a gradient.",
        "*no gradient*: there is none by nature (integers, booleans, counts, indices), or it is zero.",
        "*refused*: raises; the note says in short what the message says. No function drops a gradient silently.",
        f"NumPy {np.__version__}, SciPy {scipy.__version__}.",
        "",
        "| | " + " | ".join((*STATUSES, "all")) + " |",
        "|---|" + "--:|" * 4,
    ]
    for space in [*spaces, "all"]:
        numbers = [sum(n for (s, k), n in counts.items() if k == status and space in (s, "all")) for status in STATUSES]
        lines.append(f"| {space} | " + " | ".join(map(str, (*numbers, sum(numbers)))) + " |")
    lines += ["", "Not listed:", ""]
    lines += [f"- {reason}: {', '.join(sorted(names))}." for reason, names in EXCLUDED.items()]
    lines += [f"- {names}: {reason}." for names, reason in MODULES.items()]
    for space in spaces:
        lines += ["", f"## {space}", "", "| function | status | note |", "|---|---|---|"]
        lines += [
            f"| {row.name} | {row.status} | {row.note.replace('|', '/')} |" for row in found if row.namespace == space
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    from .disk import write_atomically

    write_atomically(sys.argv[1], table().encode())
