"""The engine's own gradients: of every input and of every tag, at one point."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import autograd_core
from autograd_core.compare.problem import Array, Problem, output_array
from autograd_core.compare.tagging import TagScope, plain
from autograd_core.errors import ArgumentError

# Operators that are not declared analytic, since a special function may take their place, but compute an analytic
# function of complex arrays as well. Where they do not, the complex step falls back on differences.
COMPLEX_TOO = frozenset({"sigmoid"})


@dataclass(frozen=True)
class Truth:
    """The forward values at one point, and the pullback to all inputs and tags at once.

    Attributes:
        inputs: The point.
        params: The parameters there.
        output: y = f(inputs).
        tags: Tagged values, in the order of recording.
        pullback: Upstream gradient -> gradients by name, of inputs and tags.
        analytic: Whether every operator on the tape admits the complex step.
        order: Inputs and tags, nearest to the output first.
        counts: Over how many elements each reduction on the tape runs.
    """

    inputs: dict[str, Array]
    params: dict[str, Any]
    output: Array
    tags: dict[str, Array]
    pullback: Callable[[Array], dict[str, Array]]
    analytic: bool
    order: tuple[str, ...]
    counts: frozenset[int]

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of an input or tag."""
        return self.value(name).shape

    def value(self, name: str) -> Array:
        """An input or tag."""
        return self.inputs[name] if name in self.inputs else self.tags[name]

    def jacobian(self, names: Set[str]) -> dict[str, Array]:
        """dy/dx for the names, of shape output + x, from one pullback per output element."""
        size = self.output.size
        rows: dict[str, list[Array]] = {name: [] for name in names}
        for i in range(size):
            basis = np.zeros(size)
            basis[i] = 1.0
            pulled = self.pullback(basis.reshape(self.output.shape))
            for name in names:
                rows[name].append(pulled[name])
        return {name: np.stack(row).reshape(self.output.shape + self.shape(name)) for name, row in rows.items()}


def discover_tags(problem: Problem) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tags at every point: they must not depend on the point."""
    found: dict[str, tuple[int, ...]] | None = None
    for _, params in problem.points():
        scope = TagScope(reserved=problem.names)
        with autograd_core.no_grad():
            tensors = {name: autograd_core.Tensor(x) for name, x in problem.inputs.items()}
            output_array(problem.run(tensors, params, scope))
        tags = {name: plain(value).shape for name, value in scope.raw.items()}
        if found is not None and tags != found:
            raise ArgumentError(
                f"compare: f must tag the same values, of the same shapes, at every point; got {found} and {tags}"
            )
        found = tags
    assert found is not None  # there is always a point
    return found


def truth(
    problem: Problem,
    inputs: Mapping[str, Array],
    params: Mapping[str, Any],
    tags: Mapping[str, tuple[int, ...]],
) -> Truth:
    """Run `f` on the engine once; the pullback can then be used for any upstream gradient."""
    names = [*inputs, *tags]
    seen: dict[str, Any] = {}

    def forward(*leaves: Any) -> Any:
        given = dict(zip(names, leaves, strict=True))
        scope = TagScope({t: given[t] for t in tags}, reserved=problem.names)
        y = problem.run({n: given[n] for n in inputs}, params, scope)
        seen.update(y=y, scope=scope, leaves={id(given[n]): n for n in inputs})
        output_array(y)
        return y

    # A tag's gradient is that of a zero added to it.
    primals = [*inputs.values(), *(np.zeros(shape) for shape in tags.values())]
    with autograd_core.enable_grad():
        output, pull = autograd_core.vjp(forward, *primals)

    def pullback(ct: Array) -> dict[str, Array]:
        return {n: plain(x) for n, x in zip(names, pull(ct), strict=True)}

    scope = seen["scope"]
    values = {name: _frozen(plain(value)) for name, value in scope.raw.items()}
    tape = _walk(seen["y"]._node, seen["leaves"])
    # Walking back from the output, a leaf's gradient is complete once its earliest use is done.
    place = tape.first_use | scope.numbers
    order = tuple(sorted(names, key=lambda n: place.get(n, -1), reverse=True))
    y = _frozen(plain(output))
    return Truth(dict(inputs), dict(params), y, values, pullback, tape.analytic, order, frozenset(tape.counts))


def _frozen(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass
class _Tape:
    """What the judge reads off the recorded Nodes."""

    analytic: bool = True
    first_use: dict[str, int] = field(default_factory=dict)  # of each leaf: recording number
    counts: set[int] = field(default_factory=set)


def _walk(root: Any, leaves: Mapping[int, str]) -> _Tape:
    tape = _Tape()
    pending = [root] if root is not None else []
    visited = {id(root)}
    while pending:
        node = pending.pop()
        tape.analytic = tape.analytic and (bool(node.op.analytic) or node.op.name in COMPLEX_TOO)
        if node.op.kind == "reduction" and math.prod(node.shape):
            tape.counts.add(math.prod(node.parents[0].shape) // math.prod(node.shape))
        for parent in node.parents:
            name = leaves.get(id(parent))
            if name is not None:
                tape.first_use[name] = min(tape.first_use.get(name, node.number), node.number)
            elif isinstance(parent, autograd_core.Node) and id(parent) not in visited:
                visited.add(id(parent))
                pending.append(parent)
    return tape


def paths(problem: Problem, at: Truth, target: str, ct: Array) -> dict[str | None, Array]:
    """The chain rule's terms for `target`: through each tag it reaches directly, and None.

    With every tag held fixed, dL/dx = sum over tags t of (dL/dt) (dt/dx), plus the direct term
    (key None) that crosses no tag. This is how a line of a derivation is written. Terms that are
    zero are left out.
    """
    adjoints = at.pullback(ct)
    later = list(at.tags)
    if target in at.tags:
        later = later[later.index(target) + 1 :]
    terms: dict[str | None, Array] = {}
    for stop in (None, *later):
        term = _pull_to(problem, at, target, stop, frozenset(later), ct, adjoints)
        if np.any(term):
            terms[stop] = term
    return terms


def total_path(problem: Problem, at: Truth, target: str, stop: str, ct: Array) -> Array:
    """Everything that reaches the output through the tag `stop`: (dL/dt) (dt/dx), nothing fixed."""
    return _pull_to(problem, at, target, stop, frozenset(), ct, at.pullback(ct))


def _pull_to(
    problem: Problem,
    at: Truth,
    target: str,
    stop: str | None,
    cut: Set[str],
    ct: Array,
    adjoints: Mapping[str, Array],
) -> Array:
    """Gradient with respect to `target` of <adjoint of stop, stop>, or of <ct, y>."""

    def forward(leaf: Any) -> Any:
        deltas = {} if target in at.inputs else {target: leaf}
        scope = TagScope(deltas, cut, problem.names)
        tensors = {n: autograd_core.Tensor(x) for n, x in at.inputs.items()}
        if target in at.inputs:
            tensors[target] = leaf
        y = problem.run(tensors, at.params, scope)
        reached = y if stop is None else scope.raw[stop]
        # Adding a zero of the leaf keeps the result on the tape where the leaf does not reach it.
        return reached + 0.0 * leaf.sum()

    start = at.inputs[target] if target in at.inputs else np.zeros(at.shape(target))
    with autograd_core.enable_grad():
        _, pull = autograd_core.vjp(forward, start)
        (gradient,) = pull(ct if stop is None else adjoints[stop])
    return plain(gradient)
