"""An array that is not NumPy's: it speaks both protocols, and refuses to become a NumPy array or a Python number."""

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin


class DuckArray(NDArrayOperatorsMixin):
    """Wraps an ndarray; whatever asks for its values outside the protocols raises."""

    def __init__(self, array):
        self._array = np.asarray(array)

    shape = property(lambda self: self._array.shape)
    dtype = property(lambda self: self._array.dtype)
    ndim = property(lambda self: self._array.ndim)
    size = property(lambda self: self._array.size)

    def __repr__(self):
        return f"DuckArray{self.shape}"

    def __len__(self):
        return len(self._array)

    def __getitem__(self, index):
        return wrap(self._array[unwrap(index)])

    def astype(self, dtype, copy=True):
        return DuckArray(self._array.astype(dtype, copy=copy))

    def _refuse(self, *args, **kwargs):
        raise TypeError("a DuckArray was asked for its values")

    # __setitem__ is missing altogether: rules write into no array.
    __array__ = __float__ = __int__ = __complex__ = __index__ = __iter__ = _refuse

    def __bool__(self):
        if self.dtype.kind == "f":
            self._refuse()
        return bool(self._array)

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        if method == "at":  # adds into the first operand, which the caller has just made
            assert isinstance(inputs[0], DuckArray)
            return getattr(ufunc, method)(*map(unwrap, inputs))
        if not all(isinstance(x, DuckArray | np.ndarray | np.generic | int | float | bool) for x in inputs):
            return NotImplemented
        if out is not None:  # in place, as an optimizer does it on arrays of its own
            assert all(isinstance(o, DuckArray) for o in out)
            kwargs["out"] = tuple(o._array for o in out)
        result = getattr(ufunc, method)(*map(unwrap, inputs), **{k: unwrap(v) for k, v in kwargs.items()})
        return out[0] if out is not None else wrap(result)

    def __array_function__(self, function, types, args, kwargs):
        if not all(issubclass(t, DuckArray | np.ndarray) for t in types):
            return NotImplemented
        return wrap(function(*unwrap(args), **unwrap(kwargs)))


def unwrap(x):
    if isinstance(x, DuckArray):
        return x._array
    if isinstance(x, tuple | list):
        return type(x)(map(unwrap, x))
    if isinstance(x, dict):
        return {k: unwrap(v) for k, v in x.items()}
    return x


def wrap(x):
    """0-d results stay ducks too."""
    if isinstance(x, np.ndarray | np.generic):
        return DuckArray(x)
    if hasattr(x, "_fields"):  # the named results of np.linalg
        return type(x)(*map(wrap, x))
    if isinstance(x, tuple | list):
        return type(x)(map(wrap, x))
    return x
