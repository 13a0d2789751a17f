"""Terms of the chain rule: a path through a named intermediate missing, doubled, or of wrong sign."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from autograd_core.compare.diagnosis.case import Case, Terms, projection
from autograd_core.compare.diagnosis.factors import number, ratio, recognized
from autograd_core.compare.diagnosis.forwards import untagged
from autograd_core.compare.problem import Array

MOST = 6  # paths whose coefficients are solved for together


NATURAL = (0.0, -1.0, 2.0, 0.5, 1.5, 3.0)  # coefficients that a slip of the pen leaves


def terms(case: Case) -> Iterator[str]:
    """One path with a wrong coefficient, or several that are missing."""
    found = list(_single(case, case.terms)) if len(case.terms) > 1 else []
    found += _several(case, case.terms)
    if not any(text.endswith("missing") for text in found):
        found += _single(case, case.totals)
    if not found:
        found += _solved(case, case.terms)
    # What was left out is likelier than an odd coefficient that happens to fit as well.
    yield from sorted(found, key=lambda text: not text.endswith("missing"))


def odd_terms(case: Case) -> Iterator[str]:
    """One path, with any coefficient."""
    if len(case.terms) > 1:
        yield from _single(case, case.terms, natural=False)


def unnamed_terms(case: Case) -> Iterator[str]:
    """A path through an intermediate that has no tag, with a wrong coefficient."""
    yield from _single(case, _untagged(case))


def odd_unnamed_terms(case: Case) -> Iterator[str]:
    """The same, with any coefficient."""
    yield from _single(case, _untagged(case), natural=False)


def _untagged(case: Case) -> Terms:
    if "untagged" not in case.notes:
        case.notes["untagged"] = untagged(case)
    found: Terms = case.notes["untagged"]
    return found


def residuals(case: Case) -> list[Array]:
    """Claim minus truth, per draw."""
    return [a - b for a, b in zip(case.claimed, case.true, strict=True)]


def _single(case: Case, parts: Terms, natural: bool = True) -> Iterator[str]:
    residual = residuals(case)
    for name, term in parts.items():
        count = 1.0 + projection(residual, term)
        candidates = [(0.0, "")] if abs(count) < 1e-6 else []
        candidates += [(v, t) for v, t in recognized(count, case) if t or v in NATURAL or not natural]
        if not natural and count:
            candidates.append((count, number(count)))
        for value, text in candidates:
            repaired = (a - (value - 1.0) * t for a, t in zip(case.claimed, term, strict=True))
            if case.fits(repaired, case.true):
                yield _wording(name, value, text)


def _several(case: Case, parts: Terms) -> Iterator[str]:
    if len(parts) > MOST:
        return
    for several in range(2, min(len(parts), 4)):
        for group in itertools.combinations(parts, several):
            repaired = (a + sum(ts) for a, *ts in zip(case.claimed, *(parts[n] for n in group), strict=True))
            if case.fits(repaired, case.true):
                names = [repr(n) for n in group if n is not None]
                head = "the direct path and " if None in group else ""
                plural = "paths" if len(names) > 1 else "path"
                yield f"{head}the {plural} through {' and '.join(names)} are missing"


def _solved(case: Case, parts: Terms) -> Iterator[str]:
    """All coefficients at once, if the paths can be told apart and each has a meaning."""
    if not 2 <= len(parts) <= MOST:
        return
    columns = np.stack([np.concatenate([t.ravel() for t in term]) for term in parts.values()], axis=1)
    scale = np.linalg.norm(columns, axis=0)
    wanted = np.concatenate([a.ravel() for a in case.claimed])
    solution, _, rank, _ = np.linalg.lstsq(columns / scale, wanted, rcond=1e-9)
    if rank < len(parts):
        return
    for counted in (False, True):  # 3/2 is a wrong coefficient, or N/(N-1) with N = 3
        texts: dict[str | None, str] = {}
        repaired = list(case.claimed)
        for (name, term), coefficient in zip(parts.items(), solution / scale, strict=True):
            known = [(1.0, ""), (0.0, ""), *recognized(coefficient, case)]
            near = [(v, t) for v, t in known if abs(coefficient - v) <= 1e-6 * max(abs(v), 1.0)]
            if not near:
                return
            value, text = next((item for item in near if " in place of " in item[1]), near[0]) if counted else near[0]
            if value != 1.0:
                texts[name] = _wording(name, value, text)
                repaired = [a - (value - 1.0) * t for a, t in zip(repaired, term, strict=True)]
        if len(texts) >= 2 and case.fits(repaired, case.true):
            yield _together(texts)


def _together(texts: dict[str | None, str]) -> str:
    """Several paths in one sentence; what is the same of all is said once."""
    signs = [text.split(" has its")[0] for text in texts.values() if text.endswith(" sign flipped")]
    if len(signs) == len(texts):
        return f"{' and '.join(signs)} have their signs flipped"
    causes = {text.removesuffix(f" in {path_named(name)}") for name, text in texts.items()}
    if len(causes) == 1 and None not in texts:
        return f"{causes.pop()} in the paths through {' and '.join(map(repr, texts))}"
    counts = {text.removeprefix(f"{path_named(name)} is ") for name, text in texts.items()}
    if len(counts) == 1 and None not in texts:
        return f"the paths through {' and '.join(map(repr, texts))} are {counts.pop()}"
    return " and ".join(texts.values())


def path_named(name: str | None) -> str:
    """A path in words."""
    return "the direct path" if name is None else f"the path through {name!r}"


def _wording(name: str | None, value: float, text: str) -> str:
    path = path_named(name)
    if value == 0.0:
        return f"{path} is missing"
    if " in place of " in text:
        return f"{text} in {path}"
    if value == 2.0:
        return f"{path} is counted twice"
    if value == -1.0:
        return f"{path} has its sign flipped"
    return f"{path} is counted {text.split(' times')[0] or ratio(value)} times"
