"""Mutants of the right formulas, each with the kind of its change and its true cause where it has a simple one.

Whether a change leaves the value as it is, and what it amounts to otherwise, is found by evaluating both with extended
precision (18 digits, where the machine has them) at two random points: no mutant is sorted out by hand.
"""

import ast
import copy
import functools
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_core.compare.tagging import TagScope, using
from mutations.changes import Change, changed, changes
from mutations.formulas import FAMILIES, Family

Values = dict[str, Any]
SAME = max(1e-15, 2.0**10 * float(np.finfo(np.longdouble).eps))  # 1e-15, but for machines without long doubles
CLOSE = 1e3 * SAME  # for causes: a few more roundings than in a plain comparison


@dataclass(frozen=True)
class Formula:
    """A right gradient.

    Attributes:
        target: The input or tag that it is the gradient of.
        function: Its source, parsed.
        paths: The tags that the terms of its longest sum pass through; None where it says nothing of them.
    """

    target: str
    function: ast.FunctionDef
    paths: tuple[str | None, ...] | None


@dataclass(frozen=True)
class Cause:
    """What is wrong, in words that a diagnosis can be held against.

    Attributes:
        what: "factor", "count" (N - 1 or N + 1 in place of N), "elementwise" (a factor `other` per element),
            "dropped" (the parameter `other` is left out), "sum", "shape" or "transposed".
        path: The tag through which the term goes that is wrong; "" for a term without one; None for the whole.
        factor: By which it is wrong: 0 if it is missing.
        other: Name of the parameter, or of the array that is a factor too much (`+name`) or is missing (`-name`).
    """

    what: str
    path: str | None = None
    factor: float = math.nan
    other: str = ""


@dataclass(frozen=True)
class Mutant:
    """A wrong gradient: one token of a right one changed, from `old` to `new` with what hangs on it."""

    family: str
    formula: int
    target: str
    kind: str
    causes: tuple[Cause, ...]
    old: str
    new: str
    source: str
    same_shape: bool

    def claim(self) -> Callable[..., Any]:
        """The function to hand to `compare`."""
        return compiled(ast.parse(self.source).body[0], FAMILIES[self.family])


@functools.cache
def formulas(name: str) -> tuple[Formula, ...]:
    """The right gradients of a family."""
    family = FAMILIES[name]
    found = []
    for function in ast.parse(family.text).body:
        paths = None
        for decorator in function.decorator_list:
            paths = tuple(argument.value for argument in decorator.args)
        function.decorator_list = []
        bound = _Bound(family.constants.get("A")).visit(function)
        found.append(Formula(function.name, ast.fix_missing_locations(bound), paths))
    return tuple(found)


class _Bound(ast.NodeTransformer):
    """`A` replaced by the axis, or axes, that it stands for."""

    def __init__(self, axis: Any) -> None:
        self.axis = ast.parse(repr(axis), mode="eval").body

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return copy.deepcopy(self.axis) if node.id == "A" else node


def compiled(function: ast.FunctionDef, family: Family) -> Callable[..., Any]:
    """The function that a tree defines."""
    namespace: dict[str, Any] = {"np": np, **family.constants}
    exec(compile(ast.Module([function], []), "<formula>", "exec"), namespace)
    return namespace[function.name]


def evaluated(function: ast.FunctionDef, family: Family, values: Values) -> Any:
    """Its value, or None where it has none."""
    try:
        with np.errstate(all="ignore"):
            return np.asarray(compiled(function, family)(**{a.arg: values[a.arg] for a in function.args.args}))
    except (ValueError, TypeError, NameError, IndexError, ZeroDivisionError):
        return None


@functools.cache
def point(name: str, seed: int, eps: float | None = None) -> Values:
    """Everything that a claim may ask for, consistent, with 18 digits: inputs, tags, g and the gradients of tags."""
    family = FAMILIES[name]
    rng = np.random.default_rng([77, seed])
    inputs = {k: v.astype(np.longdouble) for k, v in family.draw(rng).items()}
    params = {k: np.longdouble(v) for k, v in family.params.items()}
    if eps is not None:
        params["eps"] = np.longdouble(eps)
    with using(TagScope()) as scope:
        output = family.forward(**inputs, **params)
    values = {**inputs, **params, **scope.raw, "g": rng.standard_normal(output.shape).astype(np.longdouble)}
    for tag in reversed(scope.raw):
        right = next(f for f in formulas(name) if f.target == tag)
        values[f"g_{tag}"] = evaluated(right.function, family, values)
    return values


def known(name: str, target: str) -> tuple[str, ...]:
    """The names that a claim for the target may ask for."""
    values = point(name, 0)
    tags = [n[2:] for n in values if n.startswith("g_")][::-1]
    later = tags[tags.index(target) + 1 :] if target in tags else tags
    return tuple(n for n in values if not n.startswith("g_") or n[2:] in later)


# -- mutants ---------------------------------------------------------------------------------------


@functools.cache
def mutants(name: str, per_kind: int | None = None, only: int | None = None) -> tuple[Mutant, ...]:
    """The wrong formulas of a family: of each kind of change in each formula at most `per_kind`, drawn once for all.

    Args:
        name: The family.
        per_kind: None for all of them.
        only: The number of a formula, for its mutants alone.
    """
    found = []
    seen = {ast.unparse(f.function.body) for f in formulas(name)}
    for i, formula in enumerate(formulas(name)):
        if only not in (None, i):
            continue
        names = known(name, formula.target)
        taken: dict[str, int] = {}
        plan = changes(formula.function, names)
        random.Random(f"{name} {i}").shuffle(plan)
        for change in plan:
            if per_kind is not None and taken.get(change.kind, 0) >= per_kind:
                continue
            tree = changed(formula.function, change, names)
            body = ast.unparse(tree.body)
            if body in seen:
                continue
            seen.add(body)
            values = [evaluated(tree, FAMILIES[name], point(name, seed)) for seed in (0, 1)]
            if values[0] is None or _equivalent(name, formula, values):
                continue  # it does not evaluate, or is no mistake
            taken[change.kind] = taken.get(change.kind, 0) + 1
            right = _right(name, i)
            found.append(
                Mutant(
                    name,
                    i,
                    formula.target,
                    change.kind,
                    _causes(name, i, change, values),
                    change.old,
                    change.new,
                    ast.unparse(tree),
                    values[0].shape == right[0].shape,
                )
            )
    return tuple(found)


@functools.cache
def _right(name: str, i: int) -> list[Any]:
    return [evaluated(formulas(name)[i].function, FAMILIES[name], point(name, seed)) for seed in (0, 1)]


def _equivalent(name: str, formula: Formula, values: list[Any]) -> bool:
    right = _right(name, formulas(name).index(formula))
    return all(_near(a, b, SAME) for a, b in zip(values, right, strict=True))


def _near(a: Any, b: Any, tolerance: float = CLOSE) -> bool:
    if a is None or b is None or a.shape != b.shape:
        return False
    return bool(np.abs(a - b).max() <= tolerance * np.abs(b).max())


# -- causes ----------------------------------------------------------------------------------------


def _causes(name: str, i: int, change: Change, values: list[Any]) -> tuple[Cause, ...]:
    """What the change amounts to: mostly one cause; more where a formula's terms are in proportion."""
    formula, right = formulas(name)[i], _right(name, i)
    if not all(np.isfinite(a).all() for a in values):
        return ()
    if values[0].shape != right[0].shape:
        cause = _shape(change, values, right)
        return (cause,) if cause else ()
    found = [Cause("dropped", other=p) for p in FAMILIES[name].params if _dropped(name, formula, values, p)]
    for path, units in ((None, right), *_term(name, formula, change.place)):
        # What the change makes of the term that it is in, or of the whole.
        now = [u + (a - b) for u, a, b in zip(units, values, right, strict=True)]
        factor = _factor(now, units)
        if factor is not None:
            found.append(Cause("count" if change.kind == "N" else "factor", path, factor))
        elif other := _elementwise(name, formula.target, now, units):
            found.append(Cause("elementwise", path, other=other))
    return tuple(found)


def _factor(now: list[Any], units: list[Any]) -> float | None:
    """The one number by which a term is wrong, at both points."""
    factors = [float((n * u).sum() / (u * u).sum()) for n, u in zip(now, units, strict=True)]
    if any(np.abs(n - f * u).max() > CLOSE * np.abs(u).max() for n, f, u in zip(now, factors, units, strict=True)):
        return None
    if max(map(abs, factors)) < 1e-9:
        return 0.0
    return factors[0] if abs(factors[0] - factors[1]) <= 1e-9 * abs(factors[0]) else None


def _dropped(name: str, formula: Formula, values: list[Any], parameter: str) -> bool:
    without = [
        evaluated(formula.function, FAMILIES[name], point(name, s) | {parameter: np.longdouble(0)}) for s in (0, 1)
    ]
    return all(_near(a, w) for a, w in zip(values, without, strict=True))


def _term(name: str, formula: Formula, place: int) -> Iterator[tuple[str, list[Any]]]:
    """The path that the changed term stands for, and the term itself at both points."""
    found = _term_of(formula, place)
    if found is None or formula.paths is None or formula.paths.count(formula.paths[found[0]]) > 1:
        return
    shape = _right(name, formulas(name).index(formula))[0].shape
    units = [evaluated(found[1], FAMILIES[name], point(name, seed)) for seed in (0, 1)]
    yield formula.paths[found[0]] or "", [np.broadcast_to(u, shape) for u in units]


def _shape(change: Change, values: list[Any], right: list[Any]) -> Cause | None:
    a, b = values[0], right[0]
    if a.size == b.size and change.kind == "keepdims":
        return Cause("shape")
    if a.ndim == 2 and _near(a.T, b):
        return Cause("transposed")
    for axes in (0, 1, (0, 2, 3), (1, 2, 3), None):
        for keep in (True, False):
            try:
                summed = [np.sum(x, axis=axes, keepdims=keep) for x in values]
            except np.exceptions.AxisError:
                continue
            if all(_near(x, y) for x, y in zip(summed, right, strict=True)):
                return Cause("sum")
    return None


def _elementwise(name: str, target: str, now: list[Any], units: list[Any]) -> str:
    """The array, by its name, that the term is multiplied with (+) or that it lacks (-)."""
    for sign in "+-":
        for other in known(name, target):
            if all(_times(n, u, point(name, s)[other], sign) for s, (n, u) in enumerate(zip(now, units, strict=True))):
                return sign + other
    return ""


def _times(now: Any, unit: Any, other: Any, sign: str) -> bool:
    product, whole = (unit, now) if sign == "+" else (now, unit)
    try:
        return _near(product * other, whole)
    except ValueError:
        return False


def _term_of(formula: Formula, place: int) -> tuple[int, ast.FunctionDef] | None:
    """Number of the term that the changed node belongs to, and the formula with that term alone."""
    if formula.paths is None:
        return None
    nodes = list(ast.walk(formula.function))
    group = next(n for n in nodes if _is_sum(n) and len(list(_terms(n))) == len(formula.paths))
    inside = {id(n): k for k, (_, term) in enumerate(_terms(group)) for n in ast.walk(term)}
    node = nodes[place]
    k = inside.get(id(node))
    if k is None:
        # A change of the sum itself: + for -, or a term left out, is one of the term on its right (or left).
        k = _changed_term(formula, node, group)
        if k is None:
            return None
    alone = copy.deepcopy(formula.function)
    place_of_group = next(i for i, n in enumerate(nodes) if n is group)
    copied = list(ast.walk(alone))[place_of_group]
    negative, term = list(_terms(copied))[k]
    single = ast.UnaryOp(ast.USub(), term) if negative else term
    for parent in ast.walk(alone):
        for field, value in ast.iter_fields(parent):
            if value is copied:
                setattr(parent, field, single)
    return k, ast.fix_missing_locations(alone)


def _changed_term(formula: Formula, node: ast.AST, group: ast.AST) -> int | None:
    if not (_is_sum(node) and any(n is node for n in ast.walk(group))):
        return None
    right = node.right
    for k, (_, term) in enumerate(_terms(group)):
        if term is right or any(n is term for n in ast.walk(right)):
            return k
    return None


def _is_sum(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)


def _terms(node: ast.AST, negative: bool = False) -> Iterator[tuple[bool, ast.AST]]:
    """(Whether it is subtracted, term) of a sum that is written without parentheses on the right."""
    if _is_sum(node):
        yield from _terms(node.left, negative)
        yield negative != isinstance(node.op, ast.Sub), node.right
    else:
        yield negative, node
