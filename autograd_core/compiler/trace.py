"""`Trace`: the recording of one call of a function.

Real Tensors are never written to while it runs: what the function reads of them are inputs of the program, what it
writes is noted here, by Tensor, and happens when the program runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..context import STATE, current
from ..engine import result
from ..errors import TraceError, where
from ..tensor import Tensor
from .calls import Calls, concrete
from .guards import GradGuard, Guard, unchanged
from .program import Call, Program, Value
from .tracing import Traced
from .whole import Passed

__all__ = ["Trace"]


class Trace(Calls):
    """What is recorded, and what the function has written so far.

    Attributes:
        written: by `id`, the Tensors whose values the function has replaced, how ("in place", "rebound"), by whom.
        grads: by `id`, the Tensors whose `.grad` the function has set, and to what.
        checks: values that only say that a check of computed values was passed.
        guards: what was taken for granted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.written: dict[int, tuple[Tensor, str, str]] = {}
        self.grads: dict[int, tuple[Tensor, Tensor | None]] = {}
        self.checks: list[Value] = []
        self.grads_read: list[tuple[Tensor, Tensor, Traced]] = []  # a Tensor, its .grad, whose array
        self.guards: list[Guard] = []
        self.draws = False
        self.proxies: dict[int, int] = {}  # id of the Tensor that stands for an argument: the argument's number
        self.originals: list[Any] = []  # the arguments
        self.captured: dict[int, Tensor] = {}
        self._values: dict[int, Traced] = {}
        self._grads_read: dict[int, Tensor | None] = {}
        self._shadows: dict[int, Tensor] = {}
        self._owners: dict[int, Any] = {}  # id of a shadow or of an argument that is no leaf: what it stands for
        self._noted: set[tuple[int, str]] = set()
        self._kept: list[Any] = []  # whose ids are in use
        self._undo: list[Callable[[], None]] = []

    # -- Tensors -------------------------------------------------------------------------------------------------------

    def inside(self, t: Tensor) -> Tensor:
        """The Tensor; for one with a graph outside of the function, a leaf in its place."""
        if t._node is None or type(t._buffer) is Traced:
            return t
        shadow = self._shadows.get(id(t))
        if shadow is None:
            shadow = result(self.lift(t))
            shadow._leaf = True
            shadow.version = None
            self._shadows[id(t)] = shadow
            self._owners[id(shadow)] = t
        return shadow

    def lift(self, t: Tensor) -> Any:
        """The traced array of a Tensor, as the function sees it at this point."""
        data = t._buffer
        if type(data) is Traced:
            return data
        found = self._values.get(id(t))
        return self._capture(t) if found is None else found

    def _capture(self, t: Tensor) -> Any:
        data = t._buffer
        if not isinstance(data, np.ndarray | np.generic):
            raise TraceError(
                f"compile: the arrays of a compiled function must be NumPy's, got {type(data).__name__}; call the "
                f"function itself. {where('compile')}"
            )
        shape, dtype, leaf, graph = data.shape, data.dtype, t._leaf, t._node is not None
        made = self._values[id(t)] = self.input(("captured", t), data)
        self.captured[id(t)] = t

        def holds() -> bool:
            now = t._buffer
            same: bool = (
                now.shape == shape and now.dtype == dtype and t._leaf == leaf and (t._node is not None) == graph
            )
            return same and isinstance(now, np.ndarray | np.generic)

        self.guards.append(Guard(holds, f"shape, dtype and requires_grad of the Tensor {_label(t)}"))
        if leaf:
            hooks = tuple((t._hooks or {}).values())
            self.guards.append(
                Guard(lambda: tuple((t._hooks or {}).values()) == hooks, f"the hooks of the Tensor {_label(t)}")
            )
        return made

    def stand_in(self, number: int, original: Any) -> Any:
        """What the function gets for an argument."""
        if not isinstance(original, Tensor):
            return self.input(("argument", number), original)
        proxy = object.__new__(type(original))
        Tensor.__init__(proxy, self.input(("argument", number), original._buffer))
        proxy._buffer.shared = False
        proxy._leaf = original.requires_grad
        proxy._name = original._name
        proxy._hooks = original._hooks
        if original._node is not None:
            self._owners[id(proxy)] = original
        self.proxies[id(proxy)] = number
        self._values[id(proxy)] = proxy._buffer
        self._kept.append(proxy)
        return proxy

    def owner(self, leaf: Tensor) -> Any:
        """The outside Tensor in a graph that a leaf of the recording stands for; None if it is itself a leaf."""
        return self._owners.get(id(leaf))

    def original(self, t: Tensor) -> Any:
        """Of an argument's stand-in the argument, of a Tensor from outside itself, else None."""
        number = self.proxies.get(id(t))
        if number is not None:
            return self.originals[number]
        return None if type(t._buffer) is Traced else t

    def origin(self, t: Tensor) -> Any:
        """How to find the Tensor in another call."""
        number = self.proxies.get(id(t))
        return ("captured", t) if number is None else ("argument", number)

    # -- writes --------------------------------------------------------------------------------------------------------

    def rebind(self, t: Tensor, array: Any) -> None:
        """`t.data = array`."""
        self._write(t, self._as_traced(array), "rebound", ".data = ...")

    def write(self, t: Tensor, array: Any, writer: str) -> None:
        """Into the memory of `t`, of its shape and dtype."""
        array = self._as_traced(array)
        if array.dtype != t.dtype:
            array = array.astype(t.dtype)
        if array.weak:
            array = Traced(self, array.value, array.concrete)
        self._write(t, array, "in place", writer)

    def _write(self, t: Tensor, array: Traced, how: str, writer: str) -> None:
        if type(t._buffer) is Traced:
            t._buffer = array
            if id(t) not in self.proxies:
                return
        else:
            self.lift(t)
            self._values[id(t)] = array
        before = self.written.get(id(t))
        if before is not None and before[1] == "rebound":
            how = "rebound"
        original = self.original(t)
        if how == "in place" and isinstance(original._buffer, np.ndarray) and not original._buffer.flags.writeable:
            how = "rebound"
        self.written[id(t)] = (t, how, writer)

    def assign(self, t: Tensor, value: Tensor, writer: str, index: Any) -> None:
        """`t[index] = value`, or all of it: recorded as a new value of `t`."""
        from ..ops.indexing import setitem
        from ..ops.shape import identity
        from ..views import broadcast_as_assigned, misfit

        old = self.lift(t)
        if old.base is not None or old.shared or any(view() is not None for view in old.views):
            raise TraceError(
                f"compile: a Tensor that is written to must not share its memory with a view, got {writer} with a "
                f"Tensor of shape {t.shape} that has one or is one; write t = np.where(...), or write before taking "
                f"views. {where('compile')}"
            )
        new: Any
        if index is None:
            try:
                new = value if value.shape == t.shape else broadcast_as_assigned(value, t.shape)
            except ValueError as error:
                raise misfit(t, value, writer, error) from error
            new = identity(new)
        else:
            new = setitem(t, value, index=index)
        if new.dtype != t.dtype:
            new = new.astype(t.dtype)
        if new._node is not None and (type(t._buffer) is not Traced or id(t) in self.proxies):
            raise TraceError(
                f"compile: a Tensor from outside of the function must not become part of its graph, got {writer} of a "
                f"value that needs a gradient into one of shape {t.shape}; write the value's .detach(), or return it. "
                f"{where('compile')}"
            )
        self.write(t, new._buffer, writer)
        if type(t._buffer) is Traced and id(t) not in self.proxies:
            t._node, t._leaf = new._node, False

    def refuse_change(self, t: Tensor, what: str) -> None:
        """Raises for a change of a Tensor from outside that a program cannot make."""
        if self.original(t) is not None:
            raise TraceError(
                f"compile: {what} of a Tensor from outside must not change in a compiled function, got one of shape "
                f"{t.shape}; set it before the call. {where('compile')}"
            )

    # -- gradients -----------------------------------------------------------------------------------------------------

    def grad(self, t: Tensor) -> Tensor | None:
        """`.grad`, as the function sees it at this point."""
        key = id(t)
        if key in self.grads:
            return self.grads[key][1]
        if key in self._grads_read:
            return self._grads_read[key]
        original = self.original(t)
        if original is None:
            return t._grad
        if self.owner(t) is not None:
            raise self._outside(t)
        origin, now = self._origin_of_grad(t), original._grad
        shape, dtype = (None, None) if now is None else (now.shape, now.dtype)
        if now is not None and now.requires_grad:
            raise TraceError(
                f"compile: a gradient that is used must not need a gradient itself, got .grad of a Tensor of shape "
                f"{t.shape}; zero_grad() before the call. {where('compile')}"
            )
        made = None if now is None else result(self.input(("gradient", *origin), now._buffer))
        self._grads_read[key] = made
        if made is not None:
            self.grads_read.append((t, made, made._buffer))
        self._kept.append(t)
        self.guards.append(GradGuard(origin, shape, dtype, _label(original)))
        return made

    def set_grad(self, t: Tensor, value: Tensor | None) -> None:
        """`.grad = value`."""
        if self.owner(t) is not None:
            raise self._outside(t)
        if self.original(t) is None:
            t._grad = value
            return
        self._origin_of_grad(t)
        self.grads[id(t)] = (t, value)

    def _origin_of_grad(self, t: Tensor) -> Any:
        """Where it comes from; if not from an argument, an argument that is the same Tensor has the same `.grad`."""
        origin = self.origin(t)
        if origin[0] == "captured":
            self.captured[id(t)] = t
        return origin

    def _outside(self, t: Tensor) -> TraceError:
        return TraceError(
            f"compile: backward inside of a compiled function must end at leaves, got a Tensor of shape {t.shape} that "
            f"was computed outside of it; compute it inside, call backward outside, or .detach() it. {where('compile')}"
        )

    # -- what was taken for granted ------------------------------------------------------------------------------------

    def guard(self, holds: Callable[[], bool], text: str) -> None:
        """Another recording is needed when `holds()` is False before a run."""
        self.guards.append(Guard(holds, text))

    def guard_attributes(self, thing: Any) -> None:
        """Another recording is needed when an attribute of a module, or of one inside of it, is another one.

        Those inside need not be called: a list of modules is run through, and a layer's options may be asked for.
        """
        if not self.note(thing, "attributes"):
            return
        self.guards.append(unchanged(thing))
        for part in thing.modules():
            if self.note(part, "attributes"):
                self.guards.append(unchanged(part))

    def note(self, thing: Any, names: str) -> bool:
        """Whether this is the first time that the guards of `thing` are asked for."""
        key = (id(thing), names)
        if key in self._noted:
            return False
        self._noted.add(key)
        self._kept.append(thing)
        return True

    def weak(self, t: Tensor) -> Traced:
        """The number in a 0-d Tensor, to be rounded where it meets an array."""
        array = self.lift(t)
        return Traced(self, array.value, array.concrete, weak=True)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Within it nothing is recorded: to look at real values, which a guard must then watch."""
        token = STATE.set(current().but(trace=None))
        try:
            yield
        finally:
            STATE.reset(token)

    def on_failure(self, undo: Callable[[], None]) -> None:
        """Called if the recording fails: takes back what had to be prepared outside of it."""
        self._undo.append(undo)

    def check(self, function: Callable[..., None], *arrays: Any) -> None:
        """Has `function(*arrays)` raise for bad values in each run."""
        real = concrete(arrays)
        function(*real)
        values = self.values_of(arrays)
        given = {value for value, _ in self.inputs} | self.constants.keys()
        if all(v in given for v in values if isinstance(v, Value)):
            self.calls.append(Call("check", function, values, {}, ()))
            return
        passed = Value((), np.bool)
        self.calls.append(Call("call", Passed(function), values, {}, (passed,)))
        self.checks.append(passed)

    def draw(self, function: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Random numbers, drawn anew in each run."""
        self.draws = True
        return self.record("draw", function, args, keywords)

    # -- the end -------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Ends the recording, and lets go of all that was noted in it."""
        super().close()
        for name in _NOTES:
            setattr(self, name, type(getattr(self, name))())

    def failed(self) -> None:
        """Takes back what was prepared."""
        for undo in reversed(self._undo):
            undo()

    def program(self, outputs: list[Value], updates: list[tuple[Value, Value]], calls: list[Call]) -> Program:
        """The program of the function."""
        return Program([value for value, _ in self.inputs], self.constants, calls, outputs, updates)


_NOTES = (
    *("written", "grads", "checks", "grads_read", "guards", "proxies", "originals", "captured"),
    *("_values", "_grads_read", "_shadows", "_owners", "_noted", "_kept", "_undo"),
)


def _label(t: Tensor) -> str:
    return f"{t._name!r} of shape {t.shape}" if t._name else f"of shape {t.shape}"
