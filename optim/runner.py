"""Runs an update function over all parameters: in place, in blocks, without allocation.

Everything that does not change from step to step is prepared once (`_Plan`) and checked by identity
at each step. A large parameter is cut into tiles; small ones are gathered into one block, since ten
parameters of ten elements would cost ten times NumPy's overhead per call. Parameters whose arrays
are not NumPy's get the update function itself.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterator, Mapping
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd_core import Tensor
from autograd_core.context import current
from autograd_core.errors import ArgumentError, ShapeError, where

from .blocks import BLOCK_BYTES, Owner, Pack, Tile, aligned_zeros, full_like, packs, tiles, working_dtype
from .kernels import KERNEL_SIZE, Kernels, block_bytes
from .program import Program, record
from .recorded import record_step
from .workers import helper

if TYPE_CHECKING:
    from .optimizer import Optimizer
    from .options import Group

__all__ = ["Runner"]

# From this many elements on a second thread takes part. Below it the wake-up of a sleeping thread,
# and a BLAS thread that still spins on its core after a matrix product, cost as much as is won.
THREADED_SIZE = 1 << 20
# How many parameters a warning names.
NAMED = 5


class Runner:
    """Applies an optimizer's update function to its parameters."""

    def __init__(self) -> None:
        self._plan: _Plan | None = None
        self.kernels = Kernels()

    def forget(self) -> None:
        """Drops what was prepared; the next step prepares it anew."""
        self._plan = None

    def step(self, optimizer: Optimizer) -> None:
        """One update of every parameter that has a gradient."""
        trace = current().trace
        if trace is not None:
            _check(optimizer)
            _say_what_is_skipped(optimizer)
            record_step(optimizer, trace)
            return
        plan = self._plan
        if plan is None or not plan.is_current():
            self._plan = None
            _check(optimizer)
            _say_what_is_skipped(optimizer)
            plan = self._plan = _Plan(optimizer)
            plan.is_current()  # fetches the gradients
        plan.step()


def _check(optimizer: Optimizer) -> None:
    """Raises if the parameters cannot be updated, before anything changes."""
    name = f"{type(optimizer).__name__}.step"
    found = False
    for g, group in enumerate(optimizer.param_groups):
        for i, p in enumerate(group.params):
            if p.grad is None:
                continue
            found = True
            label = f"parameter {i} of group {g}" + (f" ({p.name!r})" if p.name else "")
            if p.grad.shape != p.shape:
                raise ShapeError(
                    f"{name}: a gradient must have its parameter's shape, got gradient "
                    f"{p.grad.shape} for {label} of shape {p.shape}; zero_grad() and run backward "
                    f"again after changing a parameter's shape. {where(name)}"
                )
            for key, tensor in optimizer.state.get(p, {}).items():
                if key not in optimizer.scalars and tensor.shape != p.shape:
                    raise ShapeError(
                        f"{name}: a state must have its parameter's shape, got {key!r} "
                        f"{tensor.shape} for {label} of shape {p.shape}; make a new optimizer "
                        f"after changing a parameter's shape. {where(name)}"
                    )
            if isinstance(p.data, np.ndarray) and not p.data.flags.writeable:
                raise ArgumentError(
                    f"{name}: a parameter is written in place and so must be writeable, got a "
                    f"read-only array as {label} of shape {p.shape}; make the Tensor of "
                    f"array.copy(). {where(name)}"
                )
    if not found:
        raise ArgumentError(
            f"{name}: at least one parameter must have a gradient, got None for all of them; call "
            "backward() on a loss that depends on them before step(), and zero_grad() not between "
            f"the two. {where(name)}"
        )


def _say_what_is_skipped(optimizer: Optimizer) -> None:
    """Warns of parameters that never had a gradient, each once.

    One that has been updated before rests on purpose (an expert, a head that is trained in turn); one
    that requires no gradient any more is frozen.
    """
    labels: list[str] = []
    missing: list[Tensor] = []
    for g, group in enumerate(optimizer.param_groups):
        for i, p in enumerate(group.params):
            new = p not in optimizer.state and p not in optimizer._announced
            if p.grad is None and p.requires_grad and new:
                missing.append(p)
                labels.append(f"{p.name!r}" if p.name else f"parameter {i} of group {g} (shape {p.shape})")
    if not missing:
        return
    name = f"{type(optimizer).__name__}.step"
    more = f" and {len(labels) - NAMED} more" if len(labels) > NAMED else ""
    warnings.warn(
        f"{name}: every parameter should have a gradient, got None so far for {', '.join(labels[:NAMED])}{more}, "
        "skipped; check that the loss depends on it, or set requires_grad = False if it is meant to stay as it is. "
        f"{where(name)}",
        UserWarning,
        stacklevel=4,  # where step() is called
    )
    optimizer._announced.update(missing)


class _Plan:
    """What a step needs, for one set of parameters with a gradient, of layouts and of options."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.skipped = [p for group in optimizer.param_groups for p in group.params if p.grad is None]
        self.buckets: list[_Bucket] = []
        for group in optimizer.param_groups:
            # One program and one step counter (and what else is one number per parameter) serve the
            # parameters of one dtype and age. (A loaded state has a counter per parameter: their
            # values are compared, not the Tensors.)
            alike: dict[Any, list[Tensor]] = {}
            for p in group.params:
                if p.grad is not None:
                    in_place = all(isinstance(x, np.ndarray) for x in (p.data, p.grad.data))
                    held = optimizer.state.get(p)
                    age = tuple(held[k].item() if held else x for k, x in optimizer.scalars.items())
                    alike.setdefault((in_place, p.dtype, age), []).append(p)
            for (in_place, dtype, age), params in alike.items():
                kind = _ArrayBucket if in_place else _ForeignBucket
                self.buckets.append(kind(optimizer, group, params, working_dtype(dtype), age))
        self.owners = [owner for bucket in self.buckets for owner in bucket.owners]
        self.states = [
            pair
            for bucket in self.buckets
            if isinstance(bucket, _ArrayBucket)
            for owner in bucket.owners
            for pair in zip(owner.states, owner.arrays, strict=True)
        ]
        self.writer = f"{type(optimizer).__name__}.step"

    def is_current(self) -> bool:
        """Takes the gradients; False if more than values has changed, which needs a new plan."""
        for owner in self.owners:
            if not owner.fetch():
                return False
        for tensor, array in self.states:
            if tensor.data is not array:
                return False
        return all(p.grad is None for p in self.skipped) and all(
            bucket.absent == bucket.find_absent() for bucket in self.buckets
        )

    def step(self) -> None:
        """One update; the gradients have been fetched."""
        for bucket in self.buckets:
            bucket.step()
        for owner in self.owners:
            # It belongs to the user, who may want its memory back.
            owner.gradient = owner.flat = None
            owner.param._touch(self.writer)


class _Bucket:
    """Parameters of one group that share dtype and step counter."""

    def __init__(
        self, optimizer: Optimizer, group: Group, params: list[Tensor], dtype: Any, age: tuple[float, ...]
    ) -> None:
        self.group = group
        self.update = type(optimizer).update
        self.advance = optimizer.advance
        self.dtype = dtype
        self.optional = optimizer.absent_if_zero
        self.absent = self.find_absent()
        options = dict(group)
        names = optimizer.state_names(options)
        start = optimizer.start(options)
        # Fresh counters: parameters that were updated together so far may part company from here on.
        self.scalars = {name: Tensor(np.array(x, np.float64)) for name, x in zip(optimizer.scalars, age, strict=True)}
        self.owners = []
        for p in params:
            state = optimizer.state.setdefault(p, {})
            state.update(self.scalars)
            for name in names:
                if name not in state:
                    state[name] = Tensor(full_like(p.data, start.get(name, 0.0)))
            states = [state[name] for name in names]
            self.owners.append(Owner(p, states, isinstance(self, _ArrayBucket)))

    def find_absent(self) -> tuple[Any, ...]:
        """What determines the program: which options are absent, and the static ones."""
        tensors = self.group.tensors
        return (
            *[name for name in self.optional if not tensors[name].data],
            *self.group.statics.values(),
        )

    def numbers(self) -> dict[str, Any]:
        """Arguments of the update function that are numbers, as Python floats; None if absent."""
        old = {name: tensor.data.item() for name, tensor in self.scalars.items()}
        values: dict[str, Any] = {"t": old["step"] + 1.0}
        for name in self.group.tensors:
            values[name] = None if name in self.absent else self.group[name]
        values.update(self.advance(old, values))
        return values

    def counted(self, numbers: Mapping[str, Any]) -> None:
        """Writes the step counter and the other numbers of the state."""
        for name, tensor in self.scalars.items():
            tensor.data[...] = numbers["t" if name == "step" else name]

    def step(self) -> None:
        """One update of the parameters in the bucket."""
        raise NotImplementedError


class _ForeignBucket(_Bucket):
    """Arrays that speak NumPy's protocols but cannot be written in place."""

    def step(self) -> None:
        numbers = self.numbers()
        results = [
            self.update(
                _cast(owner.param.data, self.dtype),
                _cast(owner.gradient, self.dtype),
                *[state.data for state in owner.states],
                **numbers,
                **self.group.statics,
            )
            for owner in self.owners
        ]
        for owner, (value, *arrays) in zip(self.owners, results, strict=True):
            owner.param.data = owner.array = _cast(value, owner.param.dtype)
            for state, array in zip(owner.states, arrays, strict=True):
                state.data = array
        self.counted(numbers)


def _cast(array: Any, dtype: Any) -> Any:
    return array if array.dtype == dtype else array.astype(dtype)


class _ArrayBucket(_Bucket):
    """NumPy arrays, updated in place."""

    def __init__(
        self, optimizer: Optimizer, group: Group, params: list[Tensor], dtype: Any, age: tuple[float, ...]
    ) -> None:
        super().__init__(optimizer, group, params, dtype, age)
        owners = self.owners
        self.program: Program = record(self.update, len(owners[0].states), self.numbers(), group.statics)
        self.constants = [np.empty((), dtype) for _ in range(self.program.constants)]
        self.size = sum(owner.array.size for owner in owners)
        self.kernel = None
        if self.size >= KERNEL_SIZE and all(owner.is_apart for owner in owners):
            self.kernel = optimizer._runner.kernels.get(self.program, dtype, f"{type(optimizer).__name__}.step")
        small, large = packs(owners, dtype)
        size = BLOCK_BYTES if self.kernel is None else block_bytes(self.size * np.dtype(dtype).itemsize)
        self.blocks: list[Pack | Tile] = [
            *small,
            *(tile for owner in large for tile in tiles(owner, dtype, size)),
        ]
        self.flat_constants = [constant.reshape(1) for constant in self.constants]
        if self.kernel is not None:
            for block in self.blocks:
                if isinstance(block, Tile) and block.p is not None:
                    block.run = self.kernel.bound([block.p, None, *block.states, *self.flat_constants])
        self.threads = 2 if self.size >= THREADED_SIZE else 1
        longest = max((block.size for block in self.blocks), default=0)
        # Two more than the program's, for a parameter and a gradient that must be copied.
        needed = 2 if self.kernel is not None else self.program.scratch + 2
        self.scratch = [[aligned_zeros(longest, dtype) for _ in range(needed)] for _ in range(self.threads)]

    def step(self) -> None:
        numbers = self.numbers()
        flat: list[float] = []
        for value in numbers.values():
            if value is not None:
                flat += value if isinstance(value, tuple) else (value,)
        for constant, value in zip(self.constants, self.program.numbers(*flat)):
            constant[...] = value
        work = deque(self.blocks)
        pool = helper() if self.threads == 2 else None
        if pool is None:
            self.work(work, self.scratch[0])
        else:
            # In a copy of the context: np.errstate holds in the other thread too.
            other = pool.submit(copy_context().run, self.work, work, self.scratch[1])
            try:
                self.work(work, self.scratch[0])
            finally:
                work.clear()
                other.result()
        self.counted(numbers)

    def work(self, work: deque[Pack | Tile], scratch: list[np.ndarray]) -> None:
        """Takes blocks from `work` until none is left; threads may share it."""
        if self.kernel is None:
            self.program.run(_frames(work, scratch), self.constants)
            return
        while True:
            try:
                block = work.popleft()
            except IndexError:
                return
            if isinstance(block, Tile) and block.run is not None and block.owner.flat is not None:
                block.run(block.owner.flat[block.span])
            else:
                frame = block.load(scratch)
                self.kernel.bound([*frame, *self.flat_constants])()
                block.store(frame)


def _frames(work: deque[Pack | Tile], scratch: list[np.ndarray]) -> Iterator[Any]:
    """Block after block, loaded; stored when the next one is asked for."""
    while True:
        try:
            block = work.popleft()
        except IndexError:
            return
        frame = block.load(scratch)
        yield frame
        block.store(frame)
