"""One recording of a function, and how it is run: inputs fetched, results built, writes and gradients committed."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from .. import random
from ..containers import LEAF, Structure, flatten, is_leaf
from ..context import STATE, State
from ..engine import result
from ..tensor import Tensor
from .apart import Apart
from .backends import built
from .graph import Differentiable, backward_of
from .guards import GradGuard
from .program import Value
from .trace import Trace
from .tracing import Traced

__all__ = ["Recording", "recorded"]


def recorded(fn: Any, leaves: list[Any], structure: Structure, state: State, backend: str) -> Recording:
    """Runs the function on tracing arrays. Nothing outside has changed afterwards."""
    fixed: frozenset[int] = frozenset()
    while True:
        trace = Trace()
        trace.originals = leaves
        token = STATE.set(state.but(trace=trace))
        drawing = random.diverted()
        try:
            for x in (*leaves, getattr(fn, "__self__", None)):  # modules whose methods may be called past themselves
                if hasattr(x, "training") and hasattr(x, "modules"):
                    trace.guard_attributes(x)
            stand_ins = [
                trace.stand_in(i, x) if isinstance(x, Tensor | np.ndarray | np.generic) and i not in fixed else x
                for i, x in _firsts(leaves)
            ]
            stand_ins = [stand_ins[_first(leaves, i)] for i in range(len(leaves))]
            args, kwargs = structure.build(stand_ins)
            out = fn(*args, **kwargs)
            # An argument that the function reaches in another way too must be the same Tensor in both.
            clash = {
                i for i, x in enumerate(leaves) if isinstance(x, Tensor) and id(x) in trace.captured and i not in fixed
            }
            if clash:
                fixed |= clash
                trace.failed()
                continue
            return Recording(fn, trace, out, leaves, structure, fixed, state, backend)
        except BaseException:
            trace.failed()
            raise
        finally:
            trace.close()
            random.restored(drawing)
            STATE.reset(token)


def _first(leaves: list[Any], i: int) -> int:
    """The first place of the Tensor at place i."""
    if not isinstance(leaves[i], Tensor):
        return i
    return next(j for j in range(i + 1) if leaves[j] is leaves[i])


def _firsts(leaves: list[Any]) -> list[tuple[int, Any]]:
    return [(i, x if _first(leaves, i) == i else None) for i, x in enumerate(leaves)]


class Recording:
    """A program with what its inputs are taken from, and what becomes of its outputs."""

    def __init__(
        self,
        fn: Any,
        trace: Trace,
        out: Any,
        leaves: list[Any],
        structure: Structure,
        fixed: frozenset[int],
        state: State,
        backend: str,
    ) -> None:
        self.fn = fn
        self.structure = structure
        self.guards = [g for g in trace.guards if not isinstance(g, GradGuard)]
        self.grad_guards = [g for g in trace.guards if isinstance(g, GradGuard)]
        self.fixed = [(i, leaves[i]) for i in sorted(fixed)]
        self.captured = dict(trace.captured)
        self.tensors = [i for i, x in enumerate(leaves) if isinstance(x, Tensor) and i not in fixed]
        self.objects = [x for x in leaves if not isinstance(x, Tensor | np.ndarray | np.generic | int | float | str)]
        self.draws = trace.draws
        self.lock = threading.Lock()
        self.outputs: list[Value] = []
        self._index: dict[Value, int] = {}
        self.graph_places: list[int] = []

        # Results.
        outs, self.out_structure = ([out], LEAF) if is_leaf(out) else flatten(out)
        self.results: list[Any] = []
        graph: list[Tensor] = []
        places: dict[int, int] = {}
        for k, x in enumerate(outs):
            if isinstance(x, Tensor) and id(x) in places:
                self.results.append(("again", places[id(x)], None))
                continue
            places[id(x)] = k
            self.results.append(self._result(trace, x, graph))

        # Writes and gradients.
        updates: list[tuple[Value, Value]] = []
        origins = {
            (origin[0], id(origin[1]) if origin[0] == "captured" else origin[1]): value
            for value, origin in trace.inputs
            if origin[0] != "gradient"
        }
        self.touched: list[tuple[Any, str]] = []
        self.rebound: list[tuple[Any, int, str]] = []
        for t, how, writer in trace.written.values():
            origin = trace.origin(t)
            now = trace.lift(t).value
            place = origins[origin[0], id(t) if origin[0] == "captured" else origin[1]]
            if how == "in place":
                if now is not place:
                    updates.append((place, now))
                self.touched.append((origin, writer))
            else:
                self.rebound.append((origin, self._output(now), writer))
        self.grads: list[tuple[Any, int | None, Any]] = []
        for t, gradient in trace.grads.values():
            origin = trace.origin(t)
            if gradient is None:
                self.grads.append((origin, None, None))
                continue
            kept = trace.original(gradient)
            if kept is not None:
                self.grads.append((origin, None, trace.origin(gradient)))
            elif not any(gradient is made and made._buffer is array for _, made, array in trace.grads_read):
                self.grads.append((origin, self._output(trace.lift(gradient).value), None))
        for t, made, array in trace.grads_read:
            if id(t) not in trace.grads and made._buffer is not array:  # clipped, for instance
                self.grads.append((trace.origin(t), self._output(made._buffer.value), None))
        self.effects = bool(self.touched or self.rebound or self.grads)

        # The graph of the results, and the program.
        self.origins = [origin for _, origin in trace.inputs]
        calls = list(trace.calls)
        self.differentiable: Differentiable | None = None
        if graph:
            self.differentiable = backward_of(self, trace, graph, backend)
        for passed in trace.checks:
            self._output(passed)
        self.program = trace.program(self.outputs, updates, calls)
        self._run = built(self.program, backend)
        position = {value: i for i, (value, _) in enumerate(trace.inputs)}
        self.apart = Apart([position[value] for value, _ in updates])

    def _output(self, value: Value, own: bool = True) -> int:
        """The place of a value among the outputs, in memory of its own or shared with another of the same value."""
        at = None if own else self._index.get(value)
        if at is None:
            at = len(self.outputs)
            self._index.setdefault(value, at)
            self.outputs.append(value)
        return at

    def _result(self, trace: Trace, x: Any, graph: list[Tensor]) -> Any:
        if isinstance(x, Traced):
            return ("array", self._output(x.value), None)
        if not isinstance(x, Tensor):
            return ("static", np.copy(x) if isinstance(x, np.ndarray) else x, None)
        if trace.original(x) is not None:
            return ("tensor", trace.origin(x), None)
        at = self._output(trace.lift(x).value)
        if x._node is not None:
            graph.append(x)
            self.graph_places.append(at)
            return ("graph", at, (len(graph) - 1, x.name))
        gradient = None if x._grad is None else self._output(trace.lift(x._grad).value)
        return ("leaf" if x._leaf else "constant", at, (gradient, x._name))

    # -- running -------------------------------------------------------------------------------------------------------

    def failed_guard(self, leaves: list[Any]) -> str | None:
        """What differs from the recorded call; None if nothing does."""
        for i, t in self.fixed:
            if leaves[i] is not t:
                return f"which Tensor argument {i} is"
        for i in self.tensors:
            if id(leaves[i]) in self.captured:
                return f"that argument {i} is a Tensor that the function uses otherwise too"
        for guard in self.guards:
            if not guard.holds():
                return guard.text
        for question in self.grad_guards:
            if not question.holds_in(leaves):
                return question.text
        return None

    def run(self, leaves: list[Any], state: State) -> Any:
        """Runs the program, commits what it wrote, and builds the results."""
        with self.lock:
            arrays = [_array(origin, leaves) for origin in self.origins]
            drawn = random.get_state() if self.draws and self.differentiable is not None else None
            self.apart.check(arrays, [origin[0] for origin in self.origins])
            outs = self._run(arrays)
            for origin, writer in self.touched:
                _tensor(origin, leaves)._touch(writer)
            for origin, at, writer in self.rebound:
                t = _tensor(origin, leaves)
                t.data = outs[at]
                t._touch(writer)
            commits = [(o, at, _tensor(same, leaves) if same is not None else None) for o, at, same in self.grads]
            for origin, place, same in commits:
                _tensor(origin, leaves)._grad = same if place is None else result(outs[place])
        graph: list[Any] = []
        if self.differentiable is not None:
            graph = self.differentiable.tensors(leaves, arrays, outs, drawn, state)
        built: list[Any] = []
        for kind, what, more in self.results:
            if kind == "again":
                built.append(built[what])
            elif kind == "array":
                built.append(outs[what])
            elif kind == "static":
                built.append(what.copy() if isinstance(what, np.ndarray) else what)
            elif kind == "tensor":
                built.append(_tensor(what, leaves))
            elif kind == "graph":
                t = graph[more[0]]
                if more[1] is not None:
                    t.name = more[1]
                built.append(t)
            else:
                t = Tensor(outs[what], requires_grad=kind == "leaf", name=more[1])
                if more[0] is not None:
                    t._grad = result(outs[more[0]])
                built.append(t)
        return built[0] if self.out_structure is LEAF else self.out_structure.build(built)


def _tensor(origin: Any, leaves: list[Any]) -> Any:
    kind, which = origin
    return which if kind == "captured" else leaves[which]


def _array(origin: Any, leaves: list[Any]) -> Any:
    """The array of an input in this call."""
    kind = origin[0]
    if kind == "gradient":
        return _tensor(origin[1:], leaves)._grad.data
    x = origin[1] if kind == "captured" else leaves[origin[1]]
    if not isinstance(x, Tensor):
        return np.asarray(x)
    data = x._buffer
    return data if type(data) is np.ndarray else x.data
