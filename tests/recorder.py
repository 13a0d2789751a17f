"""An array that records what NumPy is asked, and the programs that it makes of functions."""

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from autograd_core.compiler.program import Call, Program, Value, basic_index, cast


class Recording:
    """The calls so far. Every array is computed too, so shapes and dtypes are NumPy's own."""

    def __init__(self):
        self.calls = []
        self.constants = {}

    def add(self, kind, function, args, keywords, out):
        several = isinstance(out, tuple | list)
        arrays = [np.asarray(o) for o in (out if several else [out])]
        values = tuple(Value(a.shape, a.dtype) for a in arrays)
        self.calls.append(Call(kind, function, self.valued(args), self.valued(keywords), values))
        made = [RecordedArray(self, v, a) for v, a in zip(values, arrays, strict=True)]
        if hasattr(out, "_fields"):
            return type(out)(*made)
        return type(out)(made) if several else made[0]

    def valued(self, x):
        if isinstance(x, RecordedArray):
            return x.value
        if isinstance(x, np.ndarray | np.generic) and x.dtype != object:
            value = Value(x.shape, x.dtype)
            self.constants[value] = np.array(x)
            return value
        if hasattr(x, "_fields"):
            return type(x)(*map(self.valued, x))
        if isinstance(x, tuple | list):
            return type(x)(map(self.valued, x))
        if isinstance(x, dict):
            return {k: self.valued(v) for k, v in x.items()}
        return x


class RecordedArray(NDArrayOperatorsMixin):
    """One value of a recording."""

    def __init__(self, recording, value, array):
        self.recording, self.value, self.array = recording, value, array

    shape = property(lambda self: self.array.shape)
    dtype = property(lambda self: self.array.dtype)
    ndim = property(lambda self: self.array.ndim)
    size = property(lambda self: self.array.size)
    T = property(lambda self: np.transpose(self))

    def __len__(self):
        return len(self.array)

    def __getitem__(self, index):
        items = index if isinstance(index, tuple) else (index,)
        if all(i is None or i is Ellipsis or isinstance(i, int | np.integer | slice) for i in items):
            return self.recording.add("view", basic_index, (self, items), {}, self.array[index])
        return self.recording.add("call", _getitem, (self, index), {}, self.array[bare(index)])

    def astype(self, dtype, copy=True):
        return self.recording.add("cast", cast, (self,), {"dtype": np.dtype(dtype)}, self.array.astype(dtype))

    def _refuse(self, *args, **kwargs):
        raise TypeError("a RecordedArray was asked for its values")

    __array__ = __float__ = __int__ = __complex__ = __index__ = __iter__ = _refuse

    def __bool__(self):
        if self.dtype.kind == "f":
            self._refuse()
        return bool(self.array)

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        if out is not None or method not in ("__call__", "reduce"):
            return NotImplemented
        if not all(isinstance(x, RecordedArray | np.ndarray | np.generic | int | float | bool) for x in inputs):
            return NotImplemented
        result = getattr(ufunc, method)(*map(bare, inputs), **bare(kwargs))
        if method == "reduce":
            return self.recording.add("call", ufunc.reduce, inputs, kwargs, result)
        return self.recording.add("ufunc" if not kwargs else "call", ufunc, inputs, kwargs, result)

    def __array_function__(self, function, types, args, kwargs):
        if not all(issubclass(t, RecordedArray | np.ndarray) for t in types):
            return NotImplemented
        return self.recording.add("call", function, args, kwargs, function(*bare(args), **bare(kwargs)))


def _getitem(a, index):
    return a[index]


def bare(x):
    if isinstance(x, RecordedArray):
        return x.array
    if hasattr(x, "_fields"):
        return type(x)(*map(bare, x))
    if isinstance(x, tuple | list):
        return type(x)(map(bare, x))
    if isinstance(x, dict):
        return {k: bare(v) for k, v in x.items()}
    return x


def record(function, *arrays, updates=None):
    """The program of `function(*arrays)`, which returns arrays; `updates` maps a parameter's number to an output's."""
    recording = Recording()
    given = [RecordedArray(recording, Value(a.shape, a.dtype), a) for a in map(np.asarray, arrays)]
    out = function(*given)
    outs = [out] if isinstance(out, RecordedArray) else list(out)
    values = [recording.valued(o) for o in outs]
    updated = [(given[i].value, values[k]) for i, k in (updates or {}).items()]
    stored = set((updates or {}).values())
    wanted = [v for k, v in enumerate(values) if k not in stored]
    return Program([g.value for g in given], recording.constants, recording.calls, wanted, updated)
