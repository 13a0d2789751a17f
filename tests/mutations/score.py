"""What `compare` says of mutants: verdicts, and how often its hint names the true cause."""

import ast
import functools
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from autograd_core.compare import Line, compare
from autograd_core.errors import ShapeError
from mutations.formulas import FAMILIES
from mutations.generate import Cause, Mutant, mutants

COVERED = ("factor", "count", "dropped", "sum", "shape", "transposed")


@dataclass(frozen=True)
class Judged:
    """A mutant and what was said of it; no line if it was refused for its shape."""

    mutant: Mutant
    line: Line | None

    @property
    def verdict(self) -> str:
        return "refused" if self.line is None else self.line.verdict

    @property
    def covered(self) -> bool:
        """The diagnosis claims to know mistakes of this sort."""
        return self.line is not None and any(cause.what in COVERED for cause in self.mutant.causes)

    @property
    def named(self) -> bool:
        """The hint says what is wrong, by what it amounts to or by the very token."""
        if self.line is None or self.line.hint is None:
            return False
        hint, m = self.line.hint, self.mutant
        return any(names(hint, cause, m.family) for cause in m.causes) or names_token(hint, m)


@functools.cache
def judged(family: str, per_kind: int | None = None) -> tuple[Judged, ...]:
    """Every mutant of a family, judged; those of different targets share a call."""
    return tuple(judge(family, mutants(family, per_kind)))


def judge(family: str, wrong: Iterable[Mutant]) -> list[Judged]:
    """What `compare` says of the mutants at one random point, in their order."""
    by_target: dict[str, list[Mutant]] = {}
    for mutant in wrong:
        by_target.setdefault(mutant.target, []).append(mutant)
    found: dict[str, Judged] = {}
    for group in itertools.zip_longest(*by_target.values()):
        together = [m for m in group if m is not None]
        # A claim of another shape may end the call with an error, and is judged by itself.
        for some in [[m for m in together if m.same_shape], *([m] for m in together if not m.same_shape)]:
            if some:
                found.update((m.source, Judged(m, line)) for m, line in zip(some, _lines(family, some), strict=True))
    return [found[m.source] for ms in by_target.values() for m in ms]


def _lines(family: str, wrong: list[Mutant]) -> list[Line | None]:
    f = FAMILIES[family]
    inputs = f.draw(np.random.default_rng(8))
    try:
        report = compare(f.forward, inputs, {m.target: m.claim() for m in wrong}, params=f.params)
    except ShapeError:
        assert len(wrong) == 1
        return [None]
    return [report[m.target] for m in wrong]


# -- diagnosis -------------------------------------------------------------------------------------


def score(results: Iterable[Judged]) -> dict[str, tuple[int, int]]:
    """(covered, named correctly) by kind of change."""
    table: dict[str, tuple[int, int]] = {}
    for r in results:
        covered, named = table.get(r.mutant.kind, (0, 0))
        table[r.mutant.kind] = (covered + r.covered, named + (r.covered and r.named))
    return table


NUMBER = r"(-?[\d.]+(?:e[+-]?\d+)?(?:/\d+)?|twice|N|1/N)"


def names(hint: str, cause: Cause, family: str) -> bool:
    """Whether a hint says what is wrong: the right sort of mistake, in the right place, of the right size."""
    if cause.what in ("factor", "count"):
        return _names_factor(hint, cause, FAMILIES[family].constants.get("N", np.nan))
    if cause.what == "dropped":
        return f"{cause.other} is dropped" in hint
    if cause.what == "sum":
        return "summed over" in hint or "averaged over" in hint
    if cause.what == "shape":
        return "keepdims" in hint or "too much" in hint
    if cause.what == "transposed":
        return hint.startswith("transposed")
    return repr(cause.other[1:]) in hint or f" {cause.other[1:]} " in f" {hint} "


def _names_factor(hint: str, cause: Cause, n: float) -> bool:
    where = "" if cause.path is None else f"path through {cause.path!r}" if cause.path else "direct path"
    if where not in hint or (not where and "path" in hint):
        return False
    r = cause.factor
    if cause.what == "count" and re.search(r"N[-+]1 in place of N", hint):
        return True
    if r in (0.0, -1.0):
        return {0.0: "missing" if where else "zero", -1.0: "sign flipped"}[r] in hint
    match = re.search(f"{NUMBER}(?: times|$)", hint)
    if match is None:
        return False
    words = {"twice": 2.0, "N": n, "1/N": 1.0 / n}
    value = words[match[1]] if match[1] in words else float(Fraction(match[1]))
    return abs(value - r) <= 1e-4 * abs(r)


WORDS = {ast.Add: "plus", ast.Sub: "minus", ast.Mult: "multiplied by", ast.Div: "divided by", ast.Pow: "to the power"}


def names_token(hint: str, mutant: Mutant) -> bool:
    """Whether a hint names the changed token itself, spaces and parentheses apart."""
    said = _bare(hint)
    old, new = (ast.parse(text, mode="eval").body for text in (mutant.old, mutant.new))
    token = re.escape(mutant.new.replace("N - 1", "N-1").replace("N + 1", "N+1"))
    if re.search(rf"(?<![\w.]){token} in place of -?{re.escape(mutant.old)}(?![\w.])", hint):
        return True
    if isinstance(old, ast.Call) and isinstance(new, ast.Call):
        return f"{new.func.attr} in place of {old.func.attr}" in hint
    if not isinstance(old, ast.BinOp) or type(old.op) not in WORDS:
        return False
    left, right = _bare(ast.unparse(old.left)), _bare(ast.unparse(old.right))
    whole = _bare(mutant.new)
    if whole in (left, right, f"-{right}"):
        gone = right if whole == left else left
        if gone.startswith("1-") and hint == f"{gone[2:]} is dropped":
            return True
        return gone in said and any(word in hint for word in ("missing", "not divided", "dropped"))
    if isinstance(new, ast.BinOp) and (whole == f"{right}{_bare(mutant.old)[len(left) : -len(right)]}{left}"):
        return f"{whole}inplaceof" in said or f"minus{left}" in said or f"{right}inplaceof" in said
    if isinstance(new, ast.BinOp) and type(new.op) in WORDS:
        became, was = _bare(WORDS[type(new.op)]), _bare(WORDS[type(old.op)])
        return f"{became}{right}inplaceof{was}" in said or f"{became}{left}inplaceof{was}" in said
    return False


def _bare(text: str) -> str:
    return re.sub(r"[\s()]", "", text)
