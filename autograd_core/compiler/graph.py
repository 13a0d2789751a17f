"""The results' own graph: one Node, whose rule runs a compiled backward program."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import random
from ..containers import flatten, is_leaf
from ..context import State, replaying
from ..engine import record, result
from ..errors import FreedGraphError, GraphError, where
from ..operator import opaque
from ..ops.shape import identity
from ..ops.shape import pick as pick_op
from ..sweep import sweep
from ..tensor import Tensor, entry_of
from .backends import built
from .program import Program, Value
from .trace import Trace

if TYPE_CHECKING:
    from .recording import Recording

__all__ = ["Differentiable", "Saved", "backward_of"]


def _forward(operands: Any, call: Any = None) -> Any:
    """A compiled function; its results are computed by its program."""
    raise NotImplementedError


class Saved:
    """What the backward program needs of one call; the only thing that its Node keeps.

    It has NumPy's protocols, without answers, so that the engine hands it on as it would an array.
    """

    def __init__(self, arrays: list[Any], leaves: list[Any], used: list[Any], drawn: Any) -> None:
        self.arrays, self.leaves, self.used, self.drawn = arrays, leaves, used, drawn
        self.number = 0

    def __array_function__(self, *args: Any) -> Any:
        return NotImplemented

    def __array_ufunc__(self, *args: Any, **kwargs: Any) -> Any:
        return NotImplemented


def _pulled(g: Any, out: Any, call: Any) -> Any:
    saved = out._buffer if isinstance(out, Tensor) else out
    return call.pull(g, saved)


# One result or several: only the first kind has a forward mode.
_ONE, _SEVERAL = (opaque(_forward, "compiled", multiple=several) for several in (False, True))
_ONE.vjp(_pulled)
_SEVERAL.vjp(_pulled)


def backward_of(recording: Recording, trace: Trace, graph: list[Tensor], backend: str) -> Differentiable:
    """Records the backward pass of the results, behind the function itself."""
    mark, inputs = len(trace.calls), len(trace.inputs)
    roots: list[tuple[Any, Any]] = []
    for t in graph:
        cotangent = trace.input(("cotangent", len(roots)), np.ones(t.shape, t.dtype))
        roots.append((t._node, cotangent))
    cotangents = [value for value, _ in trace.inputs[inputs:]]
    del trace.inputs[inputs:]
    freed = False
    found: dict[int, Any] = {}
    try:
        found = sweep(roots, retain=True)
    except FreedGraphError:
        # As where a step calls backward itself and returns its loss: the result is in a graph that has been used.
        freed = True
        del trace.calls[mark:]
        found = {}
        for t in graph:
            for leaf in _leaves_of(t):
                found[id(leaf)] = (leaf, None)
    targets: list[Any] = []
    answers: list[Value] = []
    for leaf, h in found.values():
        owner = trace.owner(leaf)
        if owner is None and trace.original(leaf) is None:
            continue  # a leaf that the function has made
        targets.append(trace.origin(leaf) if owner is None or id(leaf) in trace.proxies else trace.origin(owner))
        if h is not None:
            full = h if h.shape == leaf.shape else np.broadcast_to(h, leaf.shape)
            answers.append(trace.values_of(full))
    calls = trace.calls[mark:]
    del trace.calls[mark:]
    made = {v for call in calls for v in call.results}
    needed = dict.fromkeys(v for call in calls for v in call.operands())
    needed.update(dict.fromkeys(answers))
    fetched: dict[Value, Any] = {}
    position = {value: i for i, (value, _) in enumerate(trace.inputs)}
    for value in needed:
        if value in made or value in trace.constants or value in cotangents:
            continue
        if value in position:
            fetched[value] = ("input", position[value])
        else:
            fetched[value] = ("output", recording._output(value, own=False))
    program = Program([*cotangents, *fetched], trace.constants, calls, answers)
    return Differentiable(recording, graph, targets, program, list(fetched.values()), freed, backend)


def _leaves_of(t: Tensor) -> list[Tensor]:
    seen: set[int] = set()
    leaves: list[Tensor] = []
    stack: list[Any] = [t._node]
    while stack:
        entry = stack.pop()
        if id(entry) in seen:
            continue
        seen.add(id(entry))
        if isinstance(entry, Tensor):
            leaves.append(entry)
        else:
            stack.extend(p for i, p in enumerate(entry.parents) if entry.plan.mask >> i & 1)
    return leaves


class Differentiable:
    """How the results of a recording become Tensors in a graph."""

    def __init__(
        self,
        recording: Recording,
        graph: list[Tensor],
        targets: list[Any],
        program: Program,
        fetched: list[Any],
        freed: bool,
        backend: str,
    ) -> None:
        # Not the recording itself: it holds this object, and a cycle would keep the Tensors of both until a collection.
        self.fn, self.structure = recording.fn, recording.structure
        self.origins, self.results = recording.origins, recording.results
        # When a function is run again, a batch's statistics and count of batches rest; other effects would be doubled.
        self.writes = bool(recording.grads) or any(w != "a batch's statistics" for _, w in recording.touched)
        self.guards = recording.guards
        self.rebound = [origin for origin, _, _ in recording.rebound]
        self.targets = targets
        self.program = program
        self.fetched = fetched
        self.freed = freed
        self.places = recording.graph_places
        self.shapes = [(t.shape, t.dtype) for t in graph]
        self.backend = backend
        self.lock = threading.Lock()
        self._run: Any = None

    def tensors(self, leaves: list[Any], arrays: list[Any], outs: list[Any], drawn: Any, state: State) -> list[Tensor]:
        """The results, as outputs of one Node."""
        parents = [self._parent(origin, leaves) for origin in self.targets]
        datas = [outs[i] for i in self.places]
        if not parents:
            return [result(d) for d in datas]
        plan = (_ONE if len(datas) == 1 else _SEVERAL).plan((1 << len(parents)) - 1, len(parents))
        kept: Any = None
        if not self.freed:
            used = [
                (t.shape, t.storage())
                for t in (self._tensor(self.origins[i], leaves) for kind, i in self.fetched if kind == "input")
                if t is not None
            ]
            kept = (
                Saved(
                    [(arrays if kind == "input" else outs)[i] for kind, i in self.fetched], list(leaves), used, drawn
                ),
            )
        node = record(plan, tuple(parents), kept, datas[0], {"call": self}, state)
        if kept is not None:
            kept[0].number = node.number
        if len(datas) == 1:  # behind a Node of its own, as several are: whether it is written to is asked below
            made = [result(datas[0], record(identity.plan(1), (node,), (), datas[0], None, state))]
        else:
            made = [
                result(d, record(pick_op.plan(1), (node,), (), d, {"index": i}, state)) for i, d in enumerate(datas)
            ]
        if kept is not None:
            needed = {i for kind, i in self.fetched if kind == "output"}
            kept[0].used += [(t.shape, t.storage()) for at, t in zip(self.places, made, strict=True) if at in needed]
        return made

    def _tensor(self, origin: Any, leaves: list[Any]) -> Any:
        if origin[0] == "captured":
            return origin[1]
        x = leaves[origin[1]] if origin[0] == "argument" else None
        return x if isinstance(x, Tensor) else None

    def _parent(self, origin: Any, leaves: list[Any]) -> Any:
        return entry_of(self._tensor(origin, leaves))

    def pull(self, g: Any, saved: Saved) -> list[Any]:
        """Cotangents of the operands from those of the results."""
        g = g if isinstance(g, dict) else {0: g}
        if any(isinstance(h, Tensor) for h in g.values()):
            return self.pull_recorded(g, saved)
        for shape, storage in saved.used:
            if storage.last > saved.number:
                raise _changed(shape, storage)
        given = []
        for i, (shape, dtype) in enumerate(self.shapes):
            h = g.get(i)
            if h is None:
                given.append(np.zeros(shape, dtype))
            else:
                h = np.asarray(h, dtype)
                given.append(h if h.shape == shape else np.array(np.broadcast_to(h, shape)))
        with self.lock:
            if self._run is None:
                self._run = built(self.program, self.backend)
            return self._run([*given, *saved.arrays])  # type: ignore[no-any-return]

    def pull_recorded(self, g: Any, saved: Saved) -> list[Any]:
        """The same on Tensors: the function itself is run and its graph differentiated."""
        if self.writes:
            raise GraphError(
                f"compile: a function that is differentiated twice must have no effects, got one that writes into "
                f"Tensors; compile the part without them. {where('compile')}"
            )
        for shape, storage in saved.used:
            if storage.last > saved.number:
                raise _changed(shape, storage)
        for guard in self.guards:
            if not guard.holds():
                raise GraphError(
                    f"compile: a function that is differentiated twice is run again and so must still do the same, got "
                    f"a change since the call of {guard.text}; call backward first. {where('compile')}"
                )
        fresh = [identity(x) if isinstance(x, Tensor) and x.requires_grad else x for x in saved.leaves]
        rebound = [
            (t, t._buffer) for t in (self._tensor(origin, saved.leaves) for origin in self.rebound) if t is not None
        ]
        now = random.get_state()
        if saved.drawn is not None:
            random.set_state(saved.drawn)
        try:
            with replaying():
                args, kwargs = self.structure.build(fresh)
                out = self.fn(*args, **kwargs)
        finally:
            random.set_state(now)
            for t, array in rebound:
                t._buffer = array
        outs = [out] if is_leaf(out) else flatten(out)[0]
        graph = {r[2][0]: outs[k] for k, r in enumerate(self.results) if r[0] == "graph"}
        wanted = [entry_of(self._tensor(origin, fresh)) for origin in self.targets]
        roots = [(graph[i]._node, h) for i, h in g.items()]
        found = sweep(roots, retain=True, create=True, targets={id(e): e for e in wanted if e is not None})
        return [found[id(e)][1] if id(e) in found else None for e in wanted]


def _changed(shape: Any, storage: Any) -> Exception:
    from ..errors import VersionError

    return VersionError(
        f"backward: what the gradient of a compiled function needs, of shape {shape}, must still have the value that "
        f"it had in the call, but {storage.writer} changed it afterwards; write into a copy, or call backward first. "
        f"{where('backward')}"
    )
