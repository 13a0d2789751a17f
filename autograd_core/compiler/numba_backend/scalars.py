"""What generated kernels call besides functions: memory, bits, sums, extrema; and the compiler they are made by.

The arithmetic of a kernel is compiled without any fast-math flag, so each operation rounds as in NumPy; only `plus` may
be reassociated (a sum in several lanes), and in `functions` multiply-adds within a polynomial may be contracted.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numba.core import cgutils, types
from numba.core.compiler import Compiler
from numba.extending import intrinsic

__all__ = [
    "bits",
    "from_key_float32",
    "from_key_float64",
    "load",
    "lower_key_float32",
    "lower_key_float64",
    "maximum",
    "minimum",
    "plus",
    "sign",
    "sqrt",
    "store",
    "upper_key_float32",
    "upper_key_float64",
    "wide_vectors",
]

float32, float64, int32, int64 = np.float32, np.float64, np.int32, np.int64
inf = math.inf
_intrinsic: Any = intrinsic  # what it makes has another signature within kernels
_proxy: Any = cgutils.create_struct_proxy


class KernelCompiler(Compiler):
    """Numba's compiler for functions whose array arguments do not overlap (what is overwritten is passed once)."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)  # type: ignore[no-untyped-call]
        self.state.flags.noalias = True


# -- what LLVM is to know ----------------------------------------------------------------------------------------------


@_intrinsic  # type: ignore[untyped-decorator]
def wide_vectors(context: Any) -> Any:
    """The function that calls this uses the machine's widest vectors (512 bits, where LLVM would take 256)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        # llvmlite knows flags without a value only, hence past its check.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), generate


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = _proxy(array_type)(context, builder, array).data
    return builder.gep(data, [index], inbounds=True)


@_intrinsic  # type: ignore[untyped-decorator]
def load(context: Any, array: Any, index: Any) -> Any:
    """array[index], index >= 0: without the test for a negative index, which keeps loops from being vectorized."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = signature.args[0]
        return context.unpack_value(builder, array.dtype, _pointer(context, builder, array, args[0], args[1]))

    return array.dtype(array, types.int64), generate


@_intrinsic  # type: ignore[untyped-decorator]
def store(context: Any, array: Any, index: Any, value: Any) -> Any:
    """array[index] = value, index >= 0."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = signature.args[0]
        context.pack_value(builder, array.dtype, args[2], _pointer(context, builder, array, args[0], args[1]))
        return context.get_dummy_value()

    return types.void(array, types.int64, array.dtype), generate


_SAME_BITS = {
    types.float32: types.int32,
    types.int32: types.float32,
    types.float64: types.int64,
    types.int64: types.float64,
}


@_intrinsic  # type: ignore[untyped-decorator]
def bits(context: Any, x: Any) -> Any:
    """A float's bits as an integer, and back."""
    result = _SAME_BITS.get(x)
    if result is None:
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(signature.return_type))

    return result(x), generate


@_intrinsic  # type: ignore[untyped-decorator]
def sqrt(context: Any, x: Any) -> Any:
    """The machine's square root; NaN below 0."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        function = builder.module.declare_intrinsic("llvm.sqrt", [args[0].type])
        return builder.call(function, args)

    return x(x), generate


def inlined(*fast: str) -> Any:
    """Compiles a function that kernels take in whole, with these fast-math flags."""
    return numba.njit(fastmath=set(fast) or False, forceinline=True, error_model="numpy")


# -- sums and extrema --------------------------------------------------------------------------------------------------


@inlined("reassoc", "nsz")
def plus(a, b):  # type: ignore[no-untyped-def]
    """A sum's step: the order is free, so that the sum may run in lanes."""
    return a + b


# A float maximum in lanes: LLVM vectorizes it for integers only. The bits of a float, those of negative ones flipped,
# are ordered as the floats are; NaN becomes the greatest key (for a minimum the least), so that it wins.


@inlined()
def upper_key_float32(x):  # type: ignore[no-untyped-def]
    """The key of x for a maximum."""
    i = bits(x)
    key = int32(i ^ int32(int32(i >> int32(31)) & int32(0x7FFFFFFF)))
    return int32(0x7FFFFFFF) if x != x else key


@inlined()
def lower_key_float32(x):  # type: ignore[no-untyped-def]
    """The key of x for a minimum."""
    i = bits(x)
    key = int32(i ^ int32(int32(i >> int32(31)) & int32(0x7FFFFFFF)))
    return int32(-0x80000000) if x != x else key


@inlined()
def from_key_float32(key):  # type: ignore[no-untyped-def]
    """The float of a key."""
    return bits(int32(key ^ int32(int32(key >> int32(31)) & int32(0x7FFFFFFF))))


@inlined()
def upper_key_float64(x):  # type: ignore[no-untyped-def]
    """The key of x for a maximum."""
    i = bits(x)
    key = i ^ ((i >> int64(63)) & int64(0x7FFFFFFFFFFFFFFF))
    return int64(0x7FFFFFFFFFFFFFFF) if x != x else key


@inlined()
def lower_key_float64(x):  # type: ignore[no-untyped-def]
    """The key of x for a minimum."""
    i = bits(x)
    key = i ^ ((i >> int64(63)) & int64(0x7FFFFFFFFFFFFFFF))
    return int64(-0x8000000000000000) if x != x else key


@inlined()
def from_key_float64(key):  # type: ignore[no-untyped-def]
    """The float of a key."""
    return bits(key ^ ((key >> int64(63)) & int64(0x7FFFFFFFFFFFFFFF)))


@inlined()
def maximum(a, b):  # type: ignore[no-untyped-def]
    """np.maximum: NaN if either is; of two zeros the second, as in the machine's instruction, which NumPy uses."""
    return a if (a > b) | (a != a) else b


@inlined()
def minimum(a, b):  # type: ignore[no-untyped-def]
    """np.minimum: NaN if either is; of two zeros the second."""
    return a if (a < b) | (a != a) else b


@inlined()
def sign(a):  # type: ignore[no-untyped-def]
    """np.sign of a float: NaN stays."""
    return a if a != a else type(a)(a > 0) - type(a)(a < 0)
