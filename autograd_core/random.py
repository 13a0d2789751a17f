"""The only source of randomness of the library: one NumPy Generator per context.

Signatures are those of `numpy.random.Generator`, plus `dtype`. Each thread and async task that draws has a state of its
own from the moment it seeds; a thread that never seeds starts from seed 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextvars import ContextVar
from functools import wraps
from typing import Any

import numpy as np

from .context import current
from .errors import ArgumentError, TraceError, where

__all__ = [
    "bernoulli",
    "fork",
    "generator",
    "get_state",
    "integers",
    "normal",
    "permutation",
    "seed",
    "set_state",
    "uniform",
]

_MANY = 1 << 14  # from this many numbers on Box & Muller saves a tenth of a millisecond or more

_GENERATOR: ContextVar[np.random.Generator | None] = ContextVar("autograd_core_random", default=None)


def fork(n: int) -> np.random.Generator:
    """A generator of its own from a seed; the context's is not disturbed."""
    return np.random.Generator(np.random.PCG64(n))


def generator() -> np.random.Generator:
    """The context's generator."""
    own = _GENERATOR.get()
    if own is None:
        own = fork(0)
        _GENERATOR.set(own)
    return own


def diverted() -> Any:
    """Lets this context draw from a copy of its generator; what it returns is for `restored`."""
    copy = fork(0)
    copy.bit_generator.state = generator().bit_generator.state
    return _GENERATOR.set(copy)


def restored(token: Any) -> None:
    """Ends `diverted`: the generator is as it was before."""
    _GENERATOR.reset(token)


def _drawn(function: Any) -> Any:
    """A function that draws: in a trace it is recorded, to draw anew in each run."""

    @wraps(function)
    def draw(*args: Any, **kwargs: Any) -> Any:
        trace = current().trace
        return function(*args, **kwargs) if trace is None else trace.draw(function, args, kwargs)

    return draw


def _refused(name: str) -> None:
    if current().trace is not None:
        raise TraceError(
            f"random.{name}: the generator's state must stay outside of a compiled function, since a program does not "
            f"have it; seed before the call. {where(name)}"
        )


def seed(n: int) -> None:
    """Starts the context's generator anew: the same seed gives the same bits.

    Raises:
        ArgumentError: `n` is not a non-negative integer.
    """
    _refused("seed")
    if not isinstance(n, int | np.integer) or n < 0:
        raise ArgumentError(
            f"random.seed: the seed must be a non-negative integer, got {n!r}; e.g. seed(0). {where('seed')}"
        )
    _GENERATOR.set(fork(int(n)))


def get_state() -> dict[str, Any]:
    """The generator's state, as plain data."""
    _refused("get_state")
    return dict(generator().bit_generator.state)


def set_state(state: dict[str, Any]) -> None:
    """Restores what `get_state` returned."""
    _refused("set_state")
    fresh = fork(0)
    try:
        fresh.bit_generator.state = state
    except (TypeError, ValueError, KeyError) as error:
        raise ArgumentError(
            f"random.set_state: the state must come from get_state(), got {type(state).__name__}: {error}. "
            f"{where('set_state')}"
        ) from error
    _GENERATOR.set(fresh)


def _cast(values: Any, dtype: Any) -> Any:
    return np.asarray(values, dtype=dtype)


def _standard_normal(size: Any) -> Any:
    """Standard normal numbers in float32.

    Few by NumPy's ziggurat; many by the transform of Box & Muller 1958, sqrt(-2 ln u) (cos 2 pi v, sin 2 pi v) of
    uniform u and v, a handful of vectorized calls and a third of the time. u takes the 2^32 values (k + 1/2) / 2^32, so
    that numbers reach 6.8 and none is infinite.
    """
    count = 1 if size is None else math.prod(size if isinstance(size, Iterable) else (size,))
    if count < _MANY:
        return np.asarray(generator().standard_normal(size, np.float32), np.float32)
    half = (count + 1) // 2
    bits = np.asarray(generator().bit_generator.random_raw(half))
    uniform = bits.astype("<u8", copy=False).view("<u4").astype(np.float32)
    uniform += np.float32(0.5)
    uniform *= np.float32(2.0**-32)
    radius, angle = uniform[:half], uniform[half:]
    np.log(radius, out=radius)
    radius *= np.float32(-2)
    np.sqrt(radius, out=radius)
    angle *= np.float32(2 * math.pi)
    out = np.empty(2 * half, np.float32)
    for place, function in ((out[:half], np.cos), (out[half:], np.sin)):
        function(angle, out=place)
        place *= radius
    return out[:count].reshape(size)


@_drawn
def normal(loc: float = 0.0, scale: float = 1.0, size: Any = None, dtype: Any = np.float64) -> Any:
    """Normal distribution with mean `loc` and standard deviation `scale`."""
    if np.dtype(dtype) == np.float32:
        drawn = _standard_normal(size)
        if not (isinstance(loc, int | float) and isinstance(scale, int | float)) or drawn.ndim == 0:
            return _cast(drawn * np.asarray(scale, np.float32) + np.asarray(loc, np.float32), np.float32)
        if scale != 1:
            drawn *= np.float32(scale)
        if loc != 0:
            drawn += np.float32(loc)
        return drawn
    return _cast(generator().normal(loc, scale, size), dtype)


@_drawn
def uniform(low: float = 0.0, high: float = 1.0, size: Any = None, dtype: Any = np.float64) -> Any:
    """Uniform distribution on [low, high)."""
    return _cast(generator().uniform(low, high, size), dtype)


@_drawn
def bernoulli(p: float, size: Any = None, dtype: Any = np.float64) -> Any:
    """1 with probability p, else 0.

    Raises:
        ArgumentError: p is outside [0, 1].
    """
    if not 0 <= p <= 1:
        raise ArgumentError(
            f"random.bernoulli: p must be in [0, 1], got {p}; it is a probability. {where('bernoulli')}"
        )
    # A byte decides, but for the one in 256 whose range p cuts: there a uniform number does, so that p is exact.
    whole, part = divmod(p * 256, 1)
    drawn = np.frombuffer(generator().bytes(1 if size is None else int(np.prod(size))), np.uint8)
    out = drawn < whole
    if part:
        cut = np.flatnonzero(drawn == whole)
        out[cut] = generator().random(cut.size) < part
    return _cast(out[0] if size is None else out.reshape(size), dtype)


@_drawn
def integers(low: int, high: int | None = None, size: Any = None, dtype: Any = np.int64, endpoint: bool = False) -> Any:
    """Integers from [low, high), or [0, low)."""
    return generator().integers(low, high, size, dtype, endpoint)


@_drawn
def permutation(x: Any, axis: int = 0) -> Any:
    """A random order of range(x), or of an array's elements along an axis."""
    return generator().permutation(x, axis)
