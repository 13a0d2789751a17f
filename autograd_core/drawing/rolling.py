"""Rolling up: which pieces of the recording repeat the piece before them.

A repetition is a block of steps that follows its like: the same operations with the same static arguments, shapes,
dtypes and module classes, wired in the same way. What a block reads is one of these: the same tensor in every
repetition, a leaf of its own (a layer's weights), a result in the block, or a result of the block before, for which the
first block may read anything of the same shape and dtype. What a block computes is read in it and in the next; only the
last one's results are read elsewhere.

For each period up to 256 steps, all places are compared with those one period on, in NumPy, so time is linear in the
number of steps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

LONGEST = 256
"""Steps of the longest block that is found."""

LEAST = 3
"""Repetitions from which on a block is drawn once; two are read faster than explained."""

SAVED = 4
"""Steps that a rolled-up block must save."""

NEW = -1
"""Instead of a distance: a leaf that no step before has read."""

OTHER = -2
"""Instead of an origin: neither a step nor a leaf."""

_Ints: TypeAlias = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """`count` repetitions of the `period` steps from `start` on."""

    start: int
    period: int
    count: int

    @property
    def stop(self) -> int:
        """The step after the last repetition."""
        return self.start + self.period * self.count


@dataclasses.dataclass(frozen=True, slots=True)
class Structure:
    """A picture's steps as numbers; equal numbers mean that there is no difference.

    Attributes:
        token: per step, all that it is apart from its wiring; it includes the number of operands.
        joint: per step, how many frames it shares with the step before.
        last_read: per step, the last step that reads it; beyond the end for an output.
        begin: per step, where its operands begin in the arrays below; one more at the end.
        form: per operand, what it is: for steps and leaves shape and dtype, for a leaf also its kind and name.
        like: per operand, shape and dtype alone.
        origin: per operand, the step that it comes from, or the number of steps plus a leaf's number, or OTHER.
        distance: per operand, how many steps ago it was computed, or for a leaf read before, or NEW.
    """

    token: _Ints
    joint: _Ints
    last_read: _Ints
    begin: _Ints
    form: _Ints
    like: _Ints
    origin: _Ints
    distance: _Ints

    def same(self, one: Any, two: Any) -> Any:
        """Whether operands are the same in two repetitions, or are wired alike."""
        alike = (self.origin[one] == self.origin[two]) | (self.distance[one] == self.distance[two])
        return (self.form[one] == self.form[two]) & alike


def find_groups(structure: Structure) -> list[Group]:
    """The repetitions that do not overlap, those that save most steps first; in the order of recording."""
    total = len(structure.token)
    found = [group for period in range(1, min(LONGEST, total // LEAST) + 1) for group in _runs(structure, period)]
    found.sort(key=lambda group: (-(group.count - 1) * group.period, group.period, group.start))
    taken = np.zeros(total, dtype=bool)
    chosen = []
    for group in found:
        if not taken[group.start : group.stop].any() and _holds(structure, group):
            taken[group.start : group.stop] = True
            chosen.append(group)
    return sorted(chosen, key=lambda group: group.start)


def _runs(structure: Structure, period: int) -> Iterator[Group]:
    """Candidates of one period: stretches in which every step is like the one a period later."""
    token, joint, begin = structure.token, structure.joint, structure.begin
    like = (token[:-period] == token[period:]) & (joint[:-period] == joint[period:])
    for start, stop in _stretches(like, max(period, SAVED - period)):
        # Equal tokens have as many operands, so those of the whole stretch are shifted alike.
        edges = np.arange(begin[start], begin[stop])
        good = structure.same(edges, edges + (begin[start + period] - begin[start]))
        bad = np.searchsorted(begin[start : stop + 1], edges[~good], side="right") - 1
        wired = np.ones(stop - start, dtype=bool)
        wired[bad] = False
        for one, two in _stretches(wired, max(period, SAVED - period)):
            group = _aligned(structure, start + one, start + two, period)
            if group is not None:
                yield group


def _stretches(flags: npt.NDArray[np.bool_], least: int) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    starts, stops = edges[::2], edges[1::2]
    long = stops - starts >= least
    return list(zip(starts[long].tolist(), stops[long].tolist(), strict=True))


def _aligned(structure: Structure, start: int, stop: int, period: int) -> Group | None:
    """The group of a stretch: with its first block, and cut where blocks begin."""
    start = _first_block(structure, start, period)
    count, rest = divmod(stop + period - start, period)
    if count < LEAST or (count - 1) * period < SAVED:
        return None
    # Of the possible cuts the one between modules, the earliest of these.
    return Group(start + int(np.argmin(structure.joint[start : start + rest + 1])), period, count)


def _first_block(structure: Structure, start: int, period: int) -> int:
    """Where the block before the stretch begins; where the next ones read the one before, it reads anything."""
    token, joint, begin, origin = structure.token, structure.joint, structure.begin, structure.origin
    entries: list[tuple[int, int]] = []  # of the first block and of the second
    step = start
    while step > 0 and start - step < period and token[step - 1] == token[step - 1 + period]:
        if step < start and joint[step] != joint[step + period]:
            break
        here = np.arange(begin[step - 1], begin[step])
        there = here + (begin[step - 1 + period] - begin[step - 1])
        other = ~structure.same(here, there)
        if (structure.like[here] != structure.like[there])[other].any() or (origin[there[other]] >= len(token)).any():
            break
        entries += zip(origin[here[other]].tolist(), origin[there[other]].tolist(), strict=True)
        step -= 1
    outside = all(not step <= one < start + period and step <= two < step + period for one, two in entries)
    return step if outside else start


def _holds(structure: Structure, group: Group) -> bool:
    """Whether blocks are connected as said above, and to nothing else."""
    start, period, total = group.start, group.period, len(structure.token)
    steps = np.arange(start, group.stop)
    block = start + (steps - start) // period * period
    inner = steps < group.stop - period
    if (structure.last_read[steps] >= block + 2 * period)[inner].any():
        return False
    begin = structure.begin
    edges = np.arange(begin[start + period], begin[group.stop])
    shift = begin[start + period] - begin[start]
    owner = np.repeat(block, np.diff(begin[start : group.stop + 1]))[shift:]
    origin, distance = structure.origin[edges], structure.distance[edges]
    shared = (origin == structure.origin[edges - shift]) & ((origin < start) | (origin >= total))
    own_leaf = (origin >= total) & ((distance == NEW) | (_reader(structure, edges) - distance >= owner))
    carried = (origin < total) & (origin >= owner - period)
    return bool((shared | own_leaf | carried | (origin == OTHER)).all())


def _reader(structure: Structure, edges: _Ints) -> Any:
    """The steps that read these operands."""
    return np.searchsorted(structure.begin, edges, side="right") - 1
