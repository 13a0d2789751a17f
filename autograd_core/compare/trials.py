"""The hidden points of an assignment: sizes, inputs and seeds, all drawn from the teacher's secret."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import autograd_core
from autograd_core.checks import is_integer
from autograd_core.compare.problem import Problem, problem
from autograd_core.errors import ArgumentError, DTypeError, where

Sizes = dict[str, int]


@dataclass(frozen=True)
class Trial:
    """One point at which a claim is judged.

    Attributes:
        sizes: The named sizes.
        posed: Forward function, inputs and parameters.
        seed: Of the upstream gradients.
    """

    sizes: Sizes
    posed: Problem
    seed: int


@dataclass(frozen=True)
class Assignment:
    """What the teacher gives.

    Attributes:
        f: The forward function.
        make_inputs: Called with a Generator and the sizes by name; gives the inputs.
        ranges: Smallest and largest value of each size.
        params: Further arguments of `f`, or a function like `make_inputs` that gives them.
        secret: Seed and student in one text.
    """

    f: Callable[..., Any]
    make_inputs: Callable[..., Mapping[str, Any]]
    ranges: dict[str, tuple[int, int]]
    params: Any
    secret: str

    def number(self, *labels: Any) -> int:
        """A seed for a purpose: the same for the same secret, unlike that of any other purpose."""
        text = "\0".join(map(str, (self.secret, *labels)))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1

    def rng(self, *labels: Any) -> np.random.Generator:
        """A generator for a purpose."""
        return autograd_core.random.fork(self.number(*labels))

    def trial(self, sizes: Sizes, *labels: Any) -> Trial:
        """Inputs of these sizes, drawn for a purpose; errors of the teacher's functions say at which sizes."""
        purpose = (*labels, *sizes.items())
        try:
            rng = self.rng("inputs", *purpose)
            inputs = self.make_inputs(rng, **sizes)
            params = self.params(rng, **sizes) if callable(self.params) else self.params
            posed = problem(self.f, inputs, params, None)
        except Exception as error:
            error.add_note(f"while grading at {words(sizes)}")
            raise
        return Trial(sizes, posed, self.number("upstream", *purpose))

    def hidden_sizes(self, count: int) -> list[Sizes]:
        """Sizes for `count` trials at least.

        First unlike prime numbers from the upper halves of the ranges, then each size at its smallest
        (usually one) beside primes, then all at their smallest; the rest as the first, from anywhere.
        """
        rng = self.rng("sizes")
        chosen = [self._uneven(rng, {}, upper=True)]
        for name, (low, high) in self.ranges.items():
            if low < high:
                chosen.append(self._uneven(rng, {name: low}))
        if len(self.ranges) > 1:
            chosen.append({name: low for name, (low, _) in self.ranges.items()})
        chosen += [self._uneven(rng, {}) for _ in range(count - len(chosen))]
        return chosen

    def _uneven(self, rng: np.random.Generator, fixed: Sizes, upper: bool = False) -> Sizes:
        """Sizes that differ, prime where the range allows: no two axes can be mistaken for another."""
        sizes = dict(fixed)
        for name, (low, high) in self.ranges.items():
            if name in sizes:
                continue
            free = [n for n in range(low, high + 1) if n not in sizes.values()]
            several = [n for n in free if n > 1 and (not upper or 2 * n >= low + high)] or free or [low]
            # Two sorts in turn, so that primes do not leave formulas for other sizes untested.
            primes = [n for n in several if _is_prime(n)]
            options = primes if primes and rng.random() < 0.75 else several
            sizes[name] = int(rng.choice(options))
        return {name: sizes[name] for name in self.ranges}


def read_ranges(sizes: Any) -> dict[str, tuple[int, int]]:
    """Ranges by name; a plain integer is a range of one."""
    if sizes is None:
        return {}
    if not isinstance(sizes, Mapping):
        raise DTypeError(
            f"grade: sizes must be a dict from names to (smallest, largest), got {type(sizes).__name__}; "
            f'write sizes={{"n": (1, 8)}}. {where("grade")}'
        )
    ranges = {}
    for name, given in sizes.items():
        ends = (given, given) if is_integer(given) else given
        pair = isinstance(ends, (tuple, list)) and len(ends) == 2 and all(is_integer(n, 1) for n in ends)
        if not isinstance(name, str) or not name.isidentifier() or not pair or ends[0] > ends[1]:
            raise ArgumentError(
                "grade: each size must be a name with (smallest, largest), positive integers in this order, got "
                f'{name!r}: {given!r}; write sizes={{"n": (1, 8)}}. {where("grade")}'
            )
        ranges[name] = (int(ends[0]), int(ends[1]))
    return ranges


def words(sizes: Sizes) -> str:
    """As in "n = 2, k = 1"."""
    return ", ".join(f"{name} = {n}" for name, n in sizes.items()) or "the only shape"


def _is_prime(n: int) -> bool:
    return n > 1 and all(n % d for d in range(2, int(n**0.5) + 1))
