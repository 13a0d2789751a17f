"""A step inside of a compiled function: the update function whole, on the arrays of the recording.

Step counters, learning rates and the other numbers are read from their 0-d Tensors in each run, so schedules act; they
are computed with in float64 and rounded where they meet a parameter, as in a step outside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from autograd_core import Tensor

from .blocks import full_like, working_dtype

if TYPE_CHECKING:
    from .optimizer import Optimizer
    from .options import Group

__all__ = ["record_step"]


def record_step(optimizer: Optimizer, trace: Any) -> None:
    """Records one update of every parameter that has a gradient."""
    writer = f"{type(optimizer).__name__}.step"
    groups = list(optimizer.param_groups)
    members = [tuple(map(id, group.params)) for group in groups]
    trace.guard(
        lambda: [tuple(map(id, group.params)) for group in optimizer.param_groups] == members,
        f"the parameters of {type(optimizer).__name__}",
    )
    for group in groups:
        params = [p for p in group.params if p.grad is not None]
        with trace.paused():
            buckets = _prepared(optimizer, group, params, trace)
            absent = _absent(optimizer, group)
            statics = dict(group.statics)
        _guard_options(optimizer, group, absent, statics, trace)
        for scalars, owners in buckets:
            old = {name: trace.weak(tensor) for name, tensor in scalars.items()}
            numbers: dict[str, Any] = {"t": old["step"] + 1.0}
            for name, held in group.tensors.items():
                several = isinstance(held, tuple)
                numbers[name] = (
                    None if name in absent else tuple(map(trace.weak, held)) if several else trace.weak(held)
                )
            numbers.update(optimizer.advance(old, numbers))
            for p, states in owners:
                assert p.grad is not None
                array, gradient = p.data, p.grad.data
                if (working := working_dtype(p.dtype)) != p.dtype:
                    array, gradient = array.astype(working), gradient.astype(working)
                new, *others = type(optimizer).update(
                    array, gradient, *[state.data for state in states], **numbers, **statics
                )
                trace.write(p, new if working == p.dtype else new.astype(p.dtype), writer)
                for state, value in zip(states, others, strict=True):
                    trace.write(state, value, writer)
            for name, tensor in scalars.items():
                trace.write(tensor, numbers["t" if name == "step" else name], writer)


def _absent(optimizer: Optimizer, group: Group) -> tuple[str, ...]:
    return tuple(name for name in optimizer.absent_if_zero if not group.tensors[name].data)


def _guard_options(optimizer: Optimizer, group: Group, absent: Any, statics: dict[str, Any], trace: Any) -> None:
    if trace.note(group, "options"):
        trace.guard(
            lambda: group.statics == statics and _absent(optimizer, group) == absent,
            f"an option of {type(optimizer).__name__}",
        )


def _prepared(
    optimizer: Optimizer, group: Group, params: list[Tensor], trace: Any
) -> list[tuple[dict[str, Tensor], list[tuple[Tensor, list[Tensor]]]]]:
    """Counters, each with the parameters that it counts for and their states; what is missing is made."""
    options = dict(group)
    names = optimizer.state_names(options)
    start = optimizer.start(options)
    chosen = {id(p) for p in params}
    alike: dict[Any, list[Tensor]] = {}
    for p in params:
        held = optimizer.state.get(p)
        alike.setdefault(tuple(id(held[k]) for k in optimizer.scalars) if held else None, []).append(p)
    buckets = []
    for counters, members in alike.items():
        sharing = {
            id(p)
            for p, held in optimizer.state.items()
            if counters is not None and held and tuple(id(held[k]) for k in optimizer.scalars) == counters
        }
        if counters is None or not sharing <= chosen:  # parameters that rest in this step part company
            held = optimizer.state.get(members[0])
            age = {k: held[k].data.item() if held else x for k, x in optimizer.scalars.items()}
            scalars = {k: Tensor(np.array(x, np.float64)) for k, x in age.items()}
            _replace(optimizer, [(p, scalars) for p in members], trace)
        scalars = {k: optimizer.state[members[0]][k] for k in optimizer.scalars}
        for p in members:
            missing = {k: Tensor(full_like(p.data, start.get(k, 0.0))) for k in names if k not in optimizer.state[p]}
            if missing:
                _replace(optimizer, [(p, missing)], trace)
        buckets.append((scalars, [(p, [optimizer.state[p][k] for k in names]) for p in members]))
        for p in members:
            held, then = optimizer.state[p], {k: optimizer.state[p][k] for k in (*optimizer.scalars, *names)}
            trace.guard(_Same(optimizer, p, held, then), f"the state of {type(optimizer).__name__}")
    return buckets


class _Same:
    """Whether a parameter's state is still in the same Tensors."""

    def __init__(self, optimizer: Optimizer, p: Tensor, held: dict[str, Tensor], then: dict[str, Tensor]) -> None:
        self.optimizer, self.p, self.held, self.then = optimizer, p, held, then

    def __call__(self) -> bool:
        return self.optimizer.state.get(self.p) is self.held and all(
            self.held.get(k) is t for k, t in self.then.items()
        )


def _replace(optimizer: Optimizer, entries: list[tuple[Tensor, dict[str, Tensor]]], trace: Any) -> None:
    """Adds Tensors to the state; they are taken away again if the recording fails."""
    optimizer._runner.forget()
    for p, tensors in entries:
        before = dict(optimizer.state[p]) if p in optimizer.state else None
        optimizer.state.setdefault(p, {}).update(tensors)

        def undo(p: Tensor = p, before: Any = before) -> None:
            if before is None:
                optimizer.state.pop(p, None)
            else:
                held = optimizer.state[p]
                held.clear()
                held.update(before)

        trace.on_failure(undo)
