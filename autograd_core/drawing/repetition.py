"""Repetitions in words: which step stands for which, and the frames with their counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autograd_core.drawing.folding import Step
from autograd_core.drawing.modules import Modules, Path, common, is_parameter
from autograd_core.drawing.picture import Frame
from autograd_core.drawing.reading import is_leaf
from autograd_core.drawing.rolling import Group


class Repetitions:
    """Which steps are drawn, and what those that are not look like.

    Attributes:
        first: per step, the step that is drawn for it: itself, or its like in the first repetition.
        leaves: by `id` of a leaf that is not drawn the leaf that stands for it.
        last: by `id` of a leaf that stands for others the last of them.
    """

    def __init__(self, groups: Sequence[Group], modules: Modules, steps: Sequence[Step]) -> None:
        self.modules = modules
        self.steps = steps
        self.first = list(range(len(steps)))
        self.leaves: dict[int, Any] = {}
        self.last: dict[int, Any] = {}
        self._group: dict[int, int] = {}  # by step of a first repetition
        self._places: list[tuple[int, str]] = []  # by group: frames outside it, and its own
        self._leaf_group: dict[int, int] = {}
        self._readers: dict[int, set[int | None]] = {}  # by id() of a parameter the groups that read it
        self.groups = groups
        for number, group in enumerate(groups):
            for step in range(group.start, group.stop):
                self.first[step] = group.start + (step - group.start) % group.period
                self._group[self.first[step]] = number
                if step >= group.start + group.period:
                    self._match(steps[step], steps[self.first[step]], number)
            self._places.append(self._place(group, number))
        if groups:
            for step, first in enumerate(self.first):
                for operand in filter(is_parameter, steps[step].operands):
                    self._readers.setdefault(id(operand), set()).add(self._group.get(first))

    def group(self, step: int) -> Group | None:
        """The repetitions that a drawn step belongs to."""
        return self.groups[self._group[step]] if step in self._group else None

    def path(self, step: int, path: Path) -> Path:
        """The frames around a drawn step, its repetition's own among them."""
        return self._with_frame(self._group.get(step), path)

    def leaf_path(self, leaf: Any, path: Path) -> Path:
        """The frames around a leaf: it is drawn in a repetition if each repetition has its own."""
        number = self._leaf_group.get(id(leaf))
        if number is None and len(self._readers.get(id(leaf), ())) == 1:
            # A parameter of a module that is called in each repetition stays in the module.
            (only,) = self._readers[id(leaf)]
            number = only if only is not None and len(path) > self._places[only][0] else None
        return self._with_frame(number, path)

    def _with_frame(self, number: int | None, path: Path) -> Path:
        if number is None or self.boxed(self.groups[number]):
            return path
        depth, name = self._places[number]
        outer = self.steps[self.groups[number].start].path
        if path[: depth + 1] == (*outer[:depth], name):
            return path
        for inner in range(depth + 1, len(path) + 1):  # the modules in the new frame keep what is written on theirs
            if path[:inner] in self.modules.frames:
                within = (*outer[:depth], name, *path[depth:inner])
                self.modules.frames.setdefault(within, self.modules.frames[path[:inner]])
        return (*outer[:depth], name, *path[depth:])

    def _match(self, step: Step, first: Step, number: int) -> None:
        for one, other in zip(first.operands, step.operands, strict=True):
            if is_leaf(one) and is_leaf(other) and one is not other:
                self.leaves[id(other)] = one
                self.last[id(one)] = other
                self._leaf_group[id(one)] = number

    def _place(self, group: Group, number: int) -> tuple[int, str]:
        """Where the group's frame is: a module's, if every repetition is one, or one of its own."""
        paths = [step.path for step in self.steps[group.start : group.stop]]
        outer, block = paths[0], paths[0]
        for path in paths:
            outer = common(outer, path)
        for path in paths[: group.period]:
            block = common(block, path)
        depth = len(outer)
        if len(block) > depth:
            module = block[: depth + 1]
            first = self.steps[group.start].first
            stop = self.steps[group.start + group.period - 1].last
            around = (*self.modules.paths[:first], *self.modules.paths[stop:])
            if not any(path[: depth + 1] == module for path in around):
                last = paths[-1][: depth + 1]
                title = f"{self.modules.title(module)} … {self.modules.title(last)}"
                kind = self.modules.kind(module)
                told = [f"modules {title}", f"{group.count} repetitions, the first of them drawn"]
                self.modules.frames[module] = Frame(f"{title}: {kind}" if kind else title, told, group.count)
                return depth, module[-1]
        name = f"..{number}"  # two dots in a row are in no module's name
        steps = f"{group.period} step{'s' if group.period > 1 else ''}"
        told = [f"{steps}, repeated {group.count} times; the first repetition is drawn"]
        if not self.boxed(group):
            self.modules.frames[(*outer, name)] = Frame("", told, group.count)
        return depth, name

    def boxed(self, group: Group) -> bool:
        """Whether each repetition is one folded module: it needs no frame."""
        return group.period == 1 and self.steps[group.start].box is not None
