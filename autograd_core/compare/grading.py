"""`grade`: hidden trials of a student's claims, and the smallest counterexamples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import autograd_core
from autograd_core.checks import is_count, is_finite, is_integer
from autograd_core.compare.claims import read_claims
from autograd_core.compare.counterexamples import Counterexample, show, shrink, simplify
from autograd_core.compare.judge import judge
from autograd_core.compare.marks import Grade, Mark
from autograd_core.compare.oracle import discover_tags
from autograd_core.compare.problem import Problem
from autograd_core.compare.student import ClaimError, Failure, Guard
from autograd_core.compare.tagging import TagScope, plain
from autograd_core.compare.trials import Assignment, Sizes, Trial, read_ranges, words
from autograd_core.errors import ArgumentError, DTypeError, ShapeError, where

# Faults of which the remark says everything: no inputs are needed to see them.
SAID = frozenset({"engine", "type", "dtype", "writes", "varies"})
LARGER, LEAST = 16, 4096  # answers of so many times the elements of the Jacobian are not looked at
ENOUGH = 2  # trials that must be exact: one may be a coincidence


def grade_claims(
    f: Callable[..., Any],
    make_inputs: Callable[..., Mapping[str, Any]],
    claimed: Mapping[str, Callable[..., Any]],
    *,
    sizes: Mapping[str, Any] | None,
    params: Any,
    seed: int | str,
    student: str,
    points: Mapping[str, float] | None,
    rounds: int,
    examples: int,
    hints: bool,
) -> Grade:
    """See `autograd_core.compare.grade`."""
    _check(f, make_inputs, claimed, params, seed, student, rounds, examples)
    assignment = Assignment(f, make_inputs, read_ranges(sizes), params, f"{seed!r}\0{student}")
    legacy, state = np.random.get_state(), autograd_core.random.get_state()
    try:
        with np.printoptions(), np.errstate(all="ignore"):
            hidden = assignment.hidden_sizes(rounds)
            first = assignment.trial(hidden[0], "first")
            tags = discover_tags(first.posed)
            worth = _worth(points, claimed, {*first.posed.inputs, *tags})
            inputs, values = first.posed.inputs, first.posed.params
            read_claims({next(iter(inputs)): lambda g: g}, inputs, values, tuple(tags))  # the teacher's names
            marks = []
            for name, possible in worth.items():
                if name not in claimed:
                    marks.append(Mark(name, "missing", 0.0, possible, {}))
                    continue
                try:
                    guard = Guard(claimed[name], traceable=hints)
                    (claim,) = read_claims({name: guard}, inputs, values, tuple(tags))
                except (ClaimError, ArgumentError, DTypeError) as error:
                    text = str(error).removeprefix("compare: ")
                    marks.append(Mark(name, "failed", 0.0, possible, {}, remarks=(text,)))
                    continue
                guard.secretive = bool(claim.adjoints)
                marks.append(_Marker(assignment, name, guard, hints).mark(possible, hidden, examples))
    finally:  # what a claim drew from the global generators must not be felt
        np.random.set_state(legacy)
        autograd_core.random.set_state(state)
    return Grade(marks, student, hints)


def _check(
    f: Any, make_inputs: Any, claimed: Any, params: Any, seed: Any, student: Any, rounds: Any, examples: Any
) -> None:
    for name, function in (("f", f), ("make_inputs", make_inputs)):
        if not callable(function):
            raise DTypeError(f"grade: {name} must be a function, got {type(function).__name__}. {where('grade')}")
    for name, value in (("claimed", claimed), ("params", {} if params is None or callable(params) else params)):
        if not isinstance(value, Mapping):
            raise DTypeError(f"grade: {name} must be a dict by name, got {type(value).__name__}. {where('grade')}")
    if not isinstance(student, str):
        raise DTypeError(
            f"grade: student must be a string, got {type(student).__name__}; use str(...). {where('grade')}"
        )
    if not isinstance(seed, str) and not is_integer(seed):
        raise DTypeError(f"grade: seed must be an integer or a string, got {seed!r:.40}. {where('grade')}")
    for name, count, low in (("rounds", rounds, ENOUGH), ("examples", examples, 0)):
        if not is_count(count, low):
            raise ArgumentError(f"grade: {name} must be an integer of at least {low}, got {count!r}. {where('grade')}")


def _worth(points: Mapping[str, float] | None, claimed: Mapping[str, Any], known: set[str]) -> dict[str, float]:
    """Points by name, of everything asked for and of everything handed in beside it."""
    worth = {name: 1.0 for name in claimed} if points is None else dict(points)
    if not worth:
        raise ArgumentError(
            "grade: points must name at least one claim, got none; write points={'Z': 2}, or hand in claims. "
            f"{where('grade')}"
        )
    for name, value in worth.items():
        if points is not None and (name not in known or not is_finite(value, 0.0)):
            raise ArgumentError(
                f"grade: points must be numbers of at least 0 by input or tag of f, got {name!r}: {value!r}; "
                f"known: {', '.join(sorted(known))}. {where('grade')}"
            )
    return {**worth, **{name: 0.0 for name in claimed if name not in worth}}


def _largest(posed: Problem, target: str) -> int:
    """Elements of which more are neither a gradient of the target nor one with a sum missing."""
    scope = TagScope(reserved=posed.names)
    with autograd_core.no_grad():
        output = posed.run({name: autograd_core.Tensor(x) for name, x in posed.inputs.items()}, posed.params, scope)
    sizes = {name: np.size(plain(x)) for name, x in (*posed.inputs.items(), *scope.raw.items())}
    whole = np.size(plain(output)) * sizes.get(target, 1)  # a Jacobian
    return LARGER * max(whole, *sizes.values()) + LEAST


@dataclass(frozen=True)
class _Outcome:
    """One claim at one trial."""

    verdict: str  # "exact", "wrong", "undecided" or "failed"
    kind: str = ""  # equal for outcomes of one cause
    failure: Failure | None = None
    hint: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class _Marker:
    """Marks one claim.

    Attributes:
        assignment: The teacher's part.
        name: The input or tag.
        guard: The student's function.
        hints: Whether causes are looked for.
    """

    assignment: Assignment
    name: str
    guard: Guard
    hints: bool

    def mark(self, possible: float, hidden: Sequence[Sizes], examples: int) -> Mark:
        """Judge the claim at hidden trials, and look for counterexamples where it fails."""
        # Every claim gets inputs of its own: what one claim saw helps no other.
        trials = [self.assignment.trial(sizes, "trial", i, self.name) for i, sizes in enumerate(hidden)]
        outcomes = [self.outcome(trial) for trial in trials]
        counts = Counter(o.verdict for o in outcomes)
        tried = {v: counts[v] for v in ("exact", "wrong", "failed", "undecided") if counts[v]}
        verdict = next((v for v in ("wrong", "failed") if v in counts), "")
        if not verdict:
            verdict = "exact" if counts["exact"] >= ENOUGH else "undecided"
        remarks = list(dict.fromkeys(str(o.failure) for o in outcomes if o.failure is not None))[:1]
        if self.hints:
            remarks += list(dict.fromkeys(o.hint for o in outcomes if o.hint is not None))[:1]
        if verdict == "undecided":
            remarks.append("nothing could be concluded; no point is lost")
        if self.guard.printed:
            remarks.append(f"prints, at {self.guard.printed}")
        reasons = Counter(o.reason for o in outcomes if o.verdict == "undecided")
        notes = [f"undecided in {n} of {len(trials)} trials: {reason}" for reason, n in reasons.items()]
        return Mark(
            self.name,
            verdict,
            {"exact": possible, "undecided": None}.get(verdict, 0.0),
            possible,
            tried,
            tuple(self.counterexamples(trials, outcomes, examples)),
            tuple(remarks),
            tuple(notes),
        )

    def outcome(self, trial: Trial, explained: bool = True) -> _Outcome:
        """Judge the claim at one trial; errors of the teacher's function are raised."""
        posed = trial.posed
        self.guard.reset()
        try:
            self.guard.largest = _largest(posed, self.name)
            line = judge(
                posed.f,
                posed.inputs,
                {self.name: self.guard},
                params=posed.params,
                sweep=None,
                seed=trial.seed,
                diagnose=self.hints and explained,
            )[self.name]
        except ClaimError as stop:
            return _Outcome("failed", stop.failure.kind, stop.failure)
        except (ShapeError, ArgumentError) as error:
            if not self.guard.calls:  # before the claim had a part in it
                error.add_note(f"while grading at {words(trial.sizes)}")
                raise
            return self._misfit(trial, error)
        except Exception as error:
            error.add_note(f"while grading at {words(trial.sizes)}")
            raise
        if line.verdict == "wrong" and line.worst is None:  # of another shape, with an explanation
            return replace(self._misfit(trial, ShapeError()), hint=line.hint)
        return _Outcome(line.verdict, "", None, line.hint, line.reason)

    def _misfit(self, trial: Trial, error: Exception) -> _Outcome:
        if isinstance(error, ShapeError):
            whole = not any(p == "g" or p.startswith("g_") for p in self.guard.__signature__.parameters)
            text = f"returns shape {self.guard.shape} at {words(trial.sizes)}, not that of the gradient"
            text += "; without the parameter g it must be the whole Jacobian" if whole else ""
            return _Outcome("failed", "shape", Failure("shape", text, self.guard.definition()))
        text = "gives different values in two calls with the same arguments (random numbers, or kept state)"
        return _Outcome("failed", "varies", Failure("varies", text, self.guard.definition()))

    def counterexamples(
        self, trials: Sequence[Trial], outcomes: Sequence[_Outcome], most: int
    ) -> Iterator[Counterexample]:
        """Up to `most`, of different sizes, the smallest first."""
        taken: set[tuple[int, ...]] = set()
        found: list[Counterexample] = []
        faults = set(SAID)
        for trial, outcome in zip(trials, outcomes, strict=True):
            if len(found) >= most:
                break
            if outcome.verdict not in ("wrong", "failed") or tuple(trial.sizes.values()) in taken:
                continue
            if outcome.verdict == "failed":
                if outcome.kind in faults:
                    continue
                faults.add(outcome.kind)  # a second example of one fault shows nothing new

            def fails(other: Trial, outcome: _Outcome = outcome) -> bool:
                if tuple(other.sizes.values()) in taken:
                    return False
                here = self.outcome(other, explained=False)
                return (here.verdict, here.kind) == (outcome.verdict, outcome.kind)

            small = shrink(self.assignment, trial, fails, self.name)
            rng = self.assignment.rng("shown", self.name, *small.sizes.items())
            for shown in (simplify(small, fails), small):
                example = show(shown, self.name, self.guard, rng)
                if example is not None and (example.failure is not None) == (outcome.verdict == "failed"):
                    found.append(example)
                    break
            taken.add(tuple(small.sizes.values()))
        yield from sorted(found, key=lambda e: (sum(x.size for x in e.inputs.values()), tuple(e.sizes.values())))
