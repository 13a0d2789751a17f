"""`compile`: a function whose NumPy calls are recorded once and then replayed as a program."""

from __future__ import annotations

import functools
import sys
import threading
import warnings
from typing import Any

import numpy as np

from ..containers import LEAF, Structure, flatten
from ..context import State, current
from ..errors import ArgumentError, where
from ..tensor import Tensor
from .backends import chosen
from .recording import Recording
from .recording import recorded as record_call

__all__ = ["Compiled", "compile"]

_KEPT = 8  # recordings of one function at a time
_OTHER_ARITHMETIC = (np.matrix, np.ma.MaskedArray)  # a program's inputs would lose what makes them one
_PLAIN = frozenset({Tensor, np.ndarray})  # arguments that are no containers, for sure


def compile(fn: Any = None, *, backend: str | None = None) -> Any:
    """A function that does what `fn` does, from a recording of the NumPy calls that it makes.

    The first call records forward and backward passes, optimizer steps, running statistics and random draws as one
    straight-line program; later calls run it. Arrays and Tensors among the arguments (in nested containers too) and
    every Tensor that the function reaches otherwise (parameters, buffers, optimizer states) are read anew in each call,
    and written as the function would; numbers, strings and other objects among the arguments are part of the program,
    as are numbers and NumPy arrays that the function finds elsewhere; what else it does (print, append to a list) it
    does when recorded only. Other shapes, dtypes, modes of modules or of the
    engine, and gradients that are there or not, are recorded anew; so are attributes of modules that were set since.
    Results are those of `fn`, gradients flow through them, and what `fn` raises when recorded leaves no trace.

    Args:
        fn: a function of arrays, Tensors, nested containers of them, and anything else; or a module. Left out,
            `compile` is a decorator with arguments.
        backend: "numba" (fused loops on two threads; needs `pip install autograd-core[compile]`), "numpy", or None for
            the first of them that is there.

    Raises:
        ArgumentError: `fn` cannot be called, or there is no such back end.
        TraceError: (when called) the function asks for a value, for instance in an `if`.
    """
    if fn is None:
        chosen(backend)
        return functools.partial(compile, backend=backend)
    if not callable(fn):
        raise ArgumentError(
            f"compile: the first argument must be a function or a module, got {type(fn).__name__}; write "
            f"compile(f, backend=...). {where('compile')}"
        )
    return Compiled(fn, chosen(backend))


class Compiled:
    """A compiled function; made by `compile`.

    Attributes:
        fn: the function itself.
        backend: what runs its programs.
    """

    def __init__(self, fn: Any, backend: str) -> None:
        self.fn = fn
        self.backend = backend
        self._recordings: dict[Any, list[Recording]] = {}
        self._lock = threading.RLock()
        self._order: list[Any] = []
        self._warned = False
        functools.update_wrapper(self, fn, updated=())

    def __getattr__(self, name: str) -> Any:
        """What the function has: `parameters()` and `train()` of a module."""
        if name.startswith("__") or name == "fn":
            raise AttributeError(name)
        return getattr(self.fn, name)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the function returns, its effects included."""
        state = current()
        if state.trace is not None or state.watch:  # part of another recording, or every operation is looked at
            return self.fn(*args, **kwargs)
        if not kwargs and _PLAIN.issuperset(map(type, args)):
            leaves = list(args)
            structure, form = _flat(len(args))
        else:
            leaves, structure = flatten((args, kwargs))
            form = _form(structure)
        key = _signature(leaves, form, state)
        if key is None:
            return self.fn(*args, **kwargs)
        for recording in tuple(self._recordings.get(key, ())):
            if recording.failed_guard(leaves) is None:
                return recording.run(leaves, state)
        with self._lock:
            for recording in self._recordings.get(key, ()):  # of another thread, meanwhile
                if recording.failed_guard(leaves) is None:
                    break
            else:
                recording = record_call(self.fn, leaves, structure, state, self.backend)
                self._keep(key, recording, leaves)
        return recording.run(leaves, state)

    def _keep(self, key: Any, recording: Recording, leaves: list[Any]) -> None:
        held = self._recordings.setdefault(key, [])
        if len(self._order) >= _KEPT:
            oldest = self._order.pop(0)
            others = self._recordings[oldest]
            gone = others.pop(0)
            if not others:
                del self._recordings[oldest]
            if not self._warned:
                self._warned = True
                reason = gone.failed_guard(leaves) if oldest == key else None
                cause = f"what differs is {reason}" if reason else "its arguments have other shapes, dtypes or numbers"
                warnings.warn(
                    f"compile: a function should be recorded a few times only, got more than {_KEPT} recordings of "
                    f"{getattr(self.fn, '__name__', type(self.fn).__name__)}, the oldest of which are dropped: "
                    f"{cause}; pass what changes as an array or a Tensor. {where('compile')}",
                    UserWarning,
                    stacklevel=3,
                )
        self._recordings.setdefault(key, held).append(recording)
        self._order.append(key)

    def __reduce__(self) -> Any:
        """For pickle and deepcopy: its name if it was decorated, else the function, recorded anew."""
        named: Any = sys.modules.get(getattr(self.fn, "__module__", None) or "")
        path = getattr(self.fn, "__qualname__", "")
        for part in path.split("."):
            named = getattr(named, part, None)
        return path if named is self else (Compiled, (self.fn, self.backend))

    def __repr__(self) -> str:
        return f"compile({self.fn!r}, backend={self.backend!r})"


def _signature(leaves: list[Any], form: Any, state: State) -> Any:
    """What calls that share a recording have in common: in arguments and state. None with arrays of other kinds."""
    parts: list[Any] = []
    seen: dict[int, int] = {}
    for i, x in enumerate(leaves):
        if isinstance(x, Tensor):
            data = x._buffer
            if not isinstance(data, np.ndarray | np.generic):
                return None
            parts.append(
                (type(x), data.shape, data.dtype, x._leaf, x._node is not None, seen.setdefault(id(x), i), _hooks(x))
            )
        elif isinstance(x, np.ndarray | np.generic):
            if x.dtype.kind not in "fiubc" or isinstance(x, _OTHER_ARITHMETIC):
                return None
            parts.append((np.ndarray, x.shape, x.dtype))
        elif isinstance(x, float):
            parts.append((type(x), x.hex()))
        elif isinstance(x, complex):
            parts.append((type(x), x.real.hex(), x.imag.hex()))  # by its bits, as a float: -0j is not 0j
        elif isinstance(x, int | str | bytes):
            parts.append((type(x), x))
        elif hasattr(type(x), "__array_ufunc__"):
            return None
        else:
            parts.append((type(x), id(x)))
    return tuple(parts), form, state.record, state.replaying


@functools.cache
def _flat(count: int) -> tuple[Structure, Any]:
    """The structure of that many arguments without containers, and its form: found once, not in every call."""
    structure = flatten(((0.0,) * count, {}))[1]
    return structure, _form(structure)


def _hooks(t: Tensor) -> Any:
    return tuple(map(id, t._hooks.values())) if t._hooks else None


def _form(structure: Structure) -> Any:
    if structure is LEAF or structure.kind is None:
        return None
    rest = structure.rest
    try:
        hash(rest)
    except TypeError:
        rest = repr(rest)
    return structure.kind, rest, tuple(map(_form, structure.children))
