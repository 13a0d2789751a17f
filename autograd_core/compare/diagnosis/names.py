"""Repairs of names: another gradient than the one asked for, another value than the right one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from autograd_core.compare.diagnosis.case import Case
from autograd_core.compare.diagnosis.insertions import missing_factors

Change = Callable[[dict[str, Any]], dict[str, Any]]


def other_gradients(case: Case) -> Iterator[str]:
    """The claim is the gradient of something else, or the right one of another upstream gradient."""
    if case.output_ndim:
        return
    for name in case.pulled[0]:
        if name == case.target or not any(np.any(p[name]) for p in case.pulled):
            continue
        gradients = [pulled[name] for pulled in case.pulled]
        if np.shape(gradients[0]) == case.true[0].shape and case.fits(gradients, case.true):
            continue  # the two are equal: nothing was mixed up
        if case.fits(case.claimed, gradients):
            yield from missing_factors(case)
            yield f"this is the gradient of {name!r}"
        elif case.fits([-a for a in case.claimed], gradients):
            yield f"this is minus the gradient of {name!r}"
    if not case.shaped:
        return
    for text, upstream in (
        ("g is missing", np.ones_like(case.at.output)),
        ("the output in place of g", case.at.output),
        *((f"{name} in place of g", x) for name, x in case.at.inputs.items() if x.shape == case.at.output.shape),
    ):
        gradient = case.at.pullback(np.array(upstream))[case.target]
        if np.any(gradient) and case.fits(case.claimed, [gradient] * len(case.draws)):
            yield text


def arguments(case: Case) -> Iterator[str]:
    """The claim is right if one of its arguments is another value, in all places."""
    needs = case.claim.needs
    everything = [case.known(d) for d in range(len(case.claimed))]
    values = everything[0]
    size = sum(np.size(x) for x in values.values() if isinstance(x, (float, np.ndarray)))
    used = [name for name in dict.fromkeys(needs) if isinstance(values[name], (float, np.ndarray))]
    exchanged: list[tuple[str, dict[str, str]]] = []
    changes: list[tuple[str, Change]] = []
    for name in used:
        value = values[name]
        for other, alternative in values.items():
            if other == name or not case.allowed(other) or type(alternative) is not type(value):
                continue
            if np.shape(alternative) != np.shape(value) or np.array_equal(alternative, value):
                continue
            changes.append((f"{name} in place of {other}", _taken(name, other)))
            if other in needs and needs.index(name) < needs.index(other):
                exchanged.append((f"{name} and {other} exchanged", {name: other, other: name}))
        changes.append((f"{name} has its sign flipped", lambda k, n=name: {n: -k[n]}))  # type: ignore[misc]
        if isinstance(value, float):
            changes.append((f"{name} too much", lambda k, n=name: {n: 0.0}))  # type: ignore[misc]
        if np.ndim(value) == 2 and np.shape(value)[0] == np.shape(value)[1]:
            changes.append((f"{name} in place of {name}.T", lambda k, n=name: {n: k[n].T}))  # type: ignore[misc]
    changes += [(text, lambda k, m=mapping: {a: k[b] for a, b in m.items()}) for text, mapping in exchanged]  # type: ignore[misc]
    for text, change in changes:
        if case.skips(text):
            continue
        if not case.afford(20.0 * size + 1e5):
            return
        if _right_with(case, everything, change):
            yield text


def _taken(name: str, other: str) -> Change:
    return lambda known: {name: known[other]}


def _right_with(case: Case, everything: list[dict[str, Any]], change: Change) -> bool:
    with np.errstate(all="ignore"):
        for known, b in zip(everything, case.true, strict=True):
            try:
                a = case.claim.evaluate({**known, **change(known)})
            except Exception:  # the value does not go with the formula
                return False
            if not case.agree(a, b):
                return False
    return True
