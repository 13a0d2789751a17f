"""Folding: the steps of a picture, each an operation or a module drawn as one box."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection
from typing import Any, TypeAlias

import numpy as np

from autograd_core.drawing.modules import Modules, Path, is_parameter
from autograd_core.drawing.reading import Reading, is_leaf
from autograd_core.errors import ArgumentError, where
from autograd_core.node import Constant, Node

Fold: TypeAlias = int | str | Collection[str] | None


@dataclasses.dataclass(slots=True)
class Step:
    """One operation, or one call of a folded module: a contiguous piece of the recording.

    So a module that is called twice, with other operations in between, is two boxes, and no arrow can lead out of a
    box and back into it.

    Attributes:
        first, last: ranks of its Nodes in the reading, `last` not included.
        path: the frames around it; those around the box for a module.
        box: the folded module's path, or None for an operation.
        operands: of the operation, or what the box reads from outside, each once.
        hidden: parameters and constants that are inside the box.
        results: the Nodes in the box that are read outside or drawn as outputs.
        call, calls: which call of the module it is, and of how many.
    """

    first: int
    last: int
    path: Path
    box: Path | None = None
    operands: list[Any] = dataclasses.field(default_factory=list)
    hidden: list[Any] = dataclasses.field(default_factory=list)
    results: list[Node] = dataclasses.field(default_factory=list)
    call: int = 1
    calls: int = 1


def fold_steps(reading: Reading, modules: Modules, homes: dict[int, Path], fold: Fold) -> list[Step]:
    """Cut the recording into steps.

    Args:
        reading: the graph.
        modules: its modules.
        homes: by `id` of a parameter the path that it belongs to.
        fold: modules nested this deep become boxes (0: the outermost ones), or the dotted paths of those that do.

    Raises:
        ArgumentError: `fold` is neither, or names a module that the graph does not have.
    """
    steps: list[Step] = []
    boxes = _boxes(modules, fold)
    for rank, path in enumerate(modules.paths):
        box = boxes.get(path)
        if box is not None and steps and steps[-1].box == box:
            steps[-1].last = rank + 1
        else:
            steps.append(Step(rank, rank + 1, path if box is None else box[:-1], box))
    _number(steps)
    owner = {id(node): step for step in steps for node in reading.nodes[step.first : step.last]}
    uses = _uses(reading, owner)
    for step in steps:
        if step.box is None:
            step.operands = list(reading.operands[step.first])
        else:
            _look_inside(step, reading, owner, homes, uses)
    _find_results(steps, reading, owner)
    return steps


def _boxes(modules: Modules, fold: Fold) -> dict[Path, Path]:
    """By path of an operation the module that it is folded into."""
    if fold is None:
        return {}
    paths = set(modules.paths)
    if isinstance(fold, int | np.integer) and not isinstance(fold, bool) and fold >= 0:
        return {path: path[: fold + 1] for path in paths if len(path) > fold}
    given = [fold] if isinstance(fold, str) else fold if isinstance(fold, list | tuple | set | frozenset) else [None]
    if not all(isinstance(name, str) for name in given):
        raise ArgumentError(
            f"draw: fold must be a depth from 0 on, or the dotted path of a module or several, got {fold!r}; fold=0 "
            f"draws every outermost module as one box. {where('draw')}"
        )
    names = set(given)
    inner = {path[:depth]: modules.title(path[:depth]) for path in paths for depth in range(1, len(path) + 1)}
    unknown = sorted(names - set(inner.values()))
    if unknown:
        known = sorted(set(inner.values()))
        raise ArgumentError(
            f"draw: fold must name modules that ran, got {unknown[0]!r}; there are "
            f"{', '.join(known[:10]) or 'none'}{', ...' if len(known) > 10 else ''}. {where('draw')}"
        )
    boxes = {}
    for path in paths:
        outermost = next((path[:d] for d in range(1, len(path) + 1) if inner[path[:d]] in names), None)
        if outermost is not None:
            boxes[path] = outermost
    return boxes


def _number(steps: list[Step]) -> None:
    calls = Counter(step.box for step in steps if step.box is not None)
    met: Counter[Path] = Counter()
    for step in steps:
        if step.box is not None:
            met[step.box] += 1
            step.call, step.calls = met[step.box], calls[step.box]


def _uses(reading: Reading, owner: dict[int, Step]) -> dict[int, set[int]]:
    """By `id` of a Constant the steps that read it, as far as boxes are concerned."""
    uses: dict[int, set[int]] = {}
    for node, operands in zip(reading.nodes, reading.operands, strict=True):
        for operand in operands:
            if isinstance(operand, Constant):
                uses.setdefault(id(operand), set()).add(id(owner[id(node)]))
    return uses


def _look_inside(
    step: Step, reading: Reading, owner: dict[int, Step], homes: dict[int, Path], uses: dict[int, set[int]]
) -> None:
    assert step.box is not None
    outer: dict[int, Any] = {}
    for operands in reading.operands[step.first : step.last]:
        for operand in operands:
            inside = isinstance(operand, Node) and owner[id(operand)] is step
            if not inside and (isinstance(operand, Node) or is_leaf(operand)):
                outer[id(operand)] = operand
    depth = len(step.box)
    own = {key for key, leaf in outer.items() if is_parameter(leaf) and homes.get(key, ())[:depth] == step.box}
    # A constant without a name that only this module reads was made in it, a dropout mask say, unless there is nothing
    # else that could be its input.
    made = {key for key, leaf in outer.items() if isinstance(leaf, Constant) and leaf.name is None}
    made = {key for key in made if len(uses[key]) == 1}
    if len(outer) == len(own) + len(made):
        made = set()
    step.hidden = [leaf for key, leaf in outer.items() if key in own or key in made]
    step.operands = [leaf for key, leaf in outer.items() if key not in own and key not in made]


def _find_results(steps: list[Step], reading: Reading, owner: dict[int, Step]) -> None:
    found: dict[int, dict[int, Node]] = {}
    read = [operand for step in steps for operand in step.operands if isinstance(operand, Node)]
    for node in (*read, *(out for out in reading.outputs if isinstance(out, Node))):
        found.setdefault(id(owner[id(node)]), {})[id(node)] = node
    for step in steps:
        step.results = sorted(found.get(id(step), {}).values(), key=lambda node: node.number)
