"""Parameters cut into tiles and gathered into packs, each a block that fits the cache."""

from __future__ import annotations

from itertools import combinations, pairwise
from math import prod
from typing import Any

import numpy as np

from autograd_core import Tensor

__all__ = ["BLOCK_BYTES", "Owner", "Pack", "Tile", "aligned_zeros", "full_like", "packs", "tiles", "working_dtype"]

# Bytes of a block per array. An update holds about five arrays at once; larger blocks fall out of a
# 1-2 MiB second-level cache, smaller ones pay NumPy's 0.3 us per call too often.
BLOCK_BYTES = 1 << 18
# Up to this size copying a parameter in and out costs less than the calls of an update of its own.
PACKED_BYTES = 1 << 15
# Columns that a transposed gradient is copied by; measured 1.5 to 3.5 times as fast as all columns
# at once.
STRIP = 32
# A cache line and the widest vector, in bytes: in-place calls on such arrays are a quarter faster.
ALIGNMENT = 64


class Owner:
    """A parameter with its state Tensors, and the gradient during a step.

    Attributes:
        array, arrays: what `param.data` and the states' `.data` were when the plan was made.
        gradient: the gradient's array.
        in_place: whether parameter and gradient are NumPy's arrays.
        flat: the gradient as a contiguous flat view in the order of `view`, None if it has another
            layout.
        view: of a large parameter, the array or its transpose, whichever is C-contiguous.
        transposed: whether `view` is the transpose.
        direct: whether `view` can be updated in place, that is whether it is contiguous and of the working dtype.
        dtype: the working dtype.
    """

    __slots__ = (
        "array",
        "arrays",
        "direct",
        "dtype",
        "flat",
        "gradient",
        "in_place",
        "param",
        "shape",
        "states",
        "tiled",
        "transposed",
        "view",
    )

    def __init__(self, param: Tensor, states: list[Tensor], in_place: bool) -> None:
        self.param = param
        self.states = states
        self.array = param.data
        self.arrays = [state.data for state in states]
        self.shape = param.shape
        self.dtype = working_dtype(param.dtype)
        self.in_place = in_place
        self.gradient: Any = None
        self.flat: Any = None
        self.view: Any = self.array
        self.tiled = self.transposed = False
        self.direct = True

    def fetch(self) -> bool:
        """Takes the gradient; False if it is missing, or shape or parameter array changed."""
        grad = self.param.grad
        if grad is None or self.param.data is not self.array:
            return False
        gradient = grad.data
        if gradient.shape != self.shape or self.in_place > isinstance(gradient, np.ndarray):
            return False
        if self.tiled:
            if any(np.may_share_memory(gradient, array) for array in (self.array, *self.arrays)):
                gradient = gradient.copy()  # a view of what is about to change
            gradient = gradient.T if self.transposed else gradient
            same = gradient.flags.c_contiguous and gradient.dtype is self.dtype
            self.flat = gradient.reshape(-1) if same else None
        self.gradient = gradient
        return True

    @property
    def is_apart(self) -> bool:
        """Whether no two of the arrays that are written to share memory."""
        return not any(np.may_share_memory(a, b) for a, b in combinations((self.array, *self.arrays), 2))

    def place(self, states: list[Any]) -> None:
        """Moves the states into given arrays of the parameter's shape."""
        for tensor, new, old in zip(self.states, states, self.arrays, strict=True):
            if new is not old:
                np.copyto(new, old)
                tensor.data = new
        self.arrays = [tensor.data for tensor in self.states]


class Tile:
    """A block of a large parameter, rectangular in its `view`."""

    __slots__ = ("index", "owner", "p", "run", "shape", "size", "span", "states")

    def __init__(self, owner: Owner, index: tuple[Any, ...], start: int, states: list[Any]) -> None:
        self.owner = owner
        self.index = index
        self.shape = owner.view[index].shape
        self.size = prod(self.shape)
        self.span = slice(start, start + self.size)
        self.p = owner.view.reshape(-1)[self.span] if owner.direct else None
        self.states = [state[self.span] for state in states]
        self.run: Any = None  # a compiled loop on these arrays, if there is one; takes the gradient

    def load(self, scratch: list[Any]) -> tuple[Any, ...]:
        """The frame (p, g, state..., scratch...), flat; what has another layout is copied."""
        size = self.size
        owner = self.owner
        views = [array[:size] for array in scratch]
        if owner.flat is not None:
            g = owner.flat[self.span]
        else:
            g = views[-1]
            _copy(g.reshape(self.shape), owner.gradient[self.index])
        p = self.p
        if p is None:
            p = views[-2]
            np.copyto(p.reshape(self.shape), owner.view[self.index])
        return (p, g, *self.states, *views[:-2])

    def store(self, frame: tuple[Any, ...]) -> None:
        """Copies the parameter back if it was copied."""
        if self.p is None:
            self.owner.view[self.index] = frame[0].reshape(self.shape)


def _copy(target: Any, source: Any) -> None:
    """Copies into a C-contiguous array; a transposed source by strips, for the cache's sake."""
    if source.ndim < 2 or source.strides[-1] == source.itemsize:
        np.copyto(target, source, casting="same_kind")
        return
    for start in range(0, source.shape[-1], STRIP):
        strip = (..., slice(start, start + STRIP))
        np.copyto(target[strip], source[strip], casting="same_kind")


class Pack:
    """A block of small parameters: copied together, updated, copied back; states stay together."""

    __slots__ = ("arrays", "g", "owners", "p", "size", "states", "views")

    def __init__(self, owners: list[Owner], dtype: Any) -> None:
        self.owners = owners
        self.arrays = [owner.array for owner in owners]
        self.size = sum(array.size for array in self.arrays)
        self.p, self.g, *self.states = (aligned_zeros(self.size, dtype) for _ in range(2 + len(owners[0].states)))
        self.views = []
        start = 0
        for owner in owners:
            span = slice(start, start + owner.array.size)
            start = span.stop
            self.views.append(self.p[span].reshape(owner.shape))
            owner.place([state[span].reshape(owner.shape) for state in self.states])

    def load(self, scratch: list[Any]) -> tuple[Any, ...]:
        """The frame (p, g, state..., scratch...) of flat arrays."""
        np.concatenate(self.arrays, axis=None, out=self.p)
        np.concatenate([owner.gradient for owner in self.owners], axis=None, out=self.g, casting="same_kind")
        return (self.p, self.g, *self.states, *[array[: self.size] for array in scratch[:-2]])

    def store(self, frame: tuple[Any, ...]) -> None:
        """Copies the parameters back."""
        for array, view in zip(self.arrays, self.views):
            array[...] = view


def aligned_zeros(size: int, dtype: Any) -> Any:
    """A flat array of zeros that starts on a cache line."""
    dtype = np.dtype(dtype)
    raw = np.zeros(size * dtype.itemsize + ALIGNMENT, np.uint8)
    start = -raw.__array_interface__["data"][0] % ALIGNMENT
    return raw[start : start + size * dtype.itemsize].view(dtype)


def working_dtype(dtype: Any) -> np.dtype[Any]:
    """The dtype in which parameters of a dtype are updated, and in which their states are kept.

    That of the parameter; float32 for float16, in which squares overflow from 256² on and vanish below 2e-4², as does
    an ε of 1e-8.
    """
    return np.dtype(np.float32) if dtype == np.float16 else np.dtype(dtype)


def full_like(array: Any, value: float) -> Any:
    """A state: an array of one value in the layout of `array`; NumPy's on a cache line."""
    dtype = working_dtype(array.dtype)
    if not isinstance(array, np.ndarray):
        return np.full_like(array, value, dtype=dtype)
    flat = aligned_zeros(array.size, dtype)
    if value:
        flat.fill(value)
    is_fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    return flat.reshape(array.shape[::-1]).T if is_fortran else flat.reshape(array.shape)


def packs(owners: list[Owner], dtype: Any) -> tuple[list[Pack], list[Owner]]:
    """Small parameters in packs of at most a block, and the large ones."""
    small = [owner for owner in owners if owner.array.nbytes <= PACKED_BYTES]
    if len(small) == 1:
        small = []  # nothing to share the calls with
    bins: list[list[Owner]] = []
    room = 0
    for owner in small:
        if not bins or owner.array.nbytes > room:
            bins.append([])
            room = BLOCK_BYTES
        bins[-1].append(owner)
        room -= owner.array.nbytes
    chosen = {id(owner) for owner in small}
    return [Pack(members, dtype) for members in bins], [owner for owner in owners if id(owner) not in chosen]


def tiles(owner: Owner, dtype: Any, block_bytes: int = BLOCK_BYTES) -> list[Tile]:
    """A large parameter in tiles of at most a block, about equally large."""
    array = owner.array
    owner.tiled = True
    owner.transposed = array.flags.f_contiguous and not array.flags.c_contiguous
    owner.view = view = array.T if owner.transposed else array
    owner.direct = view.flags.c_contiguous and array.dtype == dtype
    states = []
    for old in owner.arrays:
        ours = old.T if owner.transposed else old
        fits = ours.flags.c_contiguous and ours.flags.writeable and ours.dtype == dtype
        states.append(ours if fits else aligned_zeros(view.size, dtype).reshape(view.shape))
    flats = [state.reshape(-1) for state in states]
    owner.place(
        [
            old if np.may_share_memory(old, new) else new.T if owner.transposed else new
            for old, new in zip(owner.arrays, states)
        ]
    )
    limit = block_bytes // np.dtype(dtype).itemsize
    return [Tile(owner, index, start, flats) for index, start in _cut(view.shape, limit)]


def _cut(shape: tuple[int, ...], limit: int) -> list[tuple[tuple[Any, ...], int]]:
    """Indices of tiles of at most `limit` elements, contiguous in C order; where each starts."""
    if prod(shape) == 0:
        return []
    axis = 0
    while prod(shape[axis + 1 :]) > limit:
        axis += 1
    if not shape:
        return [((), 0)]
    row = prod(shape[axis + 1 :])
    pieces = -(-shape[axis] // (limit // row))
    unit = ALIGNMENT if row == 1 else 1  # elements; keeps the tiles of a flat parameter aligned
    step = -(-shape[axis] // pieces // unit) * unit
    edges = [*range(0, shape[axis], step), shape[axis]]
    result = []
    for outer in np.ndindex(*shape[:axis]):
        base = sum(i * prod(shape[k + 1 :]) for k, i in enumerate(outer))
        for low, high in pairwise(edges):
            result.append(((*outer, slice(low, high)), base + low * row))
    return result
