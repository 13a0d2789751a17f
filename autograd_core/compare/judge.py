"""From evidence to verdicts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import autograd_core
from autograd_core.checks import is_integer
from autograd_core.compare.blindspots import blind_spot
from autograd_core.compare.claims import Claim, read_claims
from autograd_core.compare.confirm import Confirmation
from autograd_core.compare.diagnosis import explain
from autograd_core.compare.evidence import WORST, Evidence, gather
from autograd_core.compare.oracle import discover_tags
from autograd_core.compare.problem import Array, Problem, problem
from autograd_core.compare.report import Line, Report
from autograd_core.compare.rounding import CLEARLY, COARSE_LIMIT, EPS, JUDGEABLE, Measure, Samples, grain, measure
from autograd_core.compare.saturation import Mask, saturated
from autograd_core.compare.sweep import LEAST_POINTS, fit_order, remainder
from autograd_core.errors import ArgumentError, ShapeError

MIDDLE_SHARE = 0.125  # of the confirmation's elements, for points inside a sweep
KINKS_AT_ONCE = 32  # elements at which a seeming mistake is asked whether it is a kink,
KINKS_AT_MOST = 1024  # as long as all of them are
JUMP = 1e8
TERMS = "the terms that make it up"
ZERO_MARGIN = 1e3  # how far above rounding a claim must be to be wrong where the truth vanishes


def judge(
    f: Callable[..., Any],
    inputs: Mapping[str, Any],
    claimed: Mapping[str, Callable[..., Any]],
    *,
    params: Mapping[str, Any] | None,
    sweep: Mapping[str, Sequence[float]] | None,
    seed: int,
    diagnose: bool = True,
) -> Report:
    """See `autograd_core.compare.compare`; without `diagnose` no hints are looked for."""
    if not is_integer(seed, 0):
        raise ArgumentError(f"compare: seed must be a non-negative integer, got {seed!r}")
    posed = replace(problem(f, inputs, params, sweep), diagnose=diagnose)
    try:
        # Overflow and the like are judged by their results, not announced by warnings.
        with np.errstate(all="ignore"):
            tags = discover_tags(posed)
            points = posed.points()
            claims = read_claims(claimed, posed.inputs, points[0][1], tuple(tags))
            found: list[Evidence] = []
            for i, (_, values) in enumerate(points):
                share = 1.0 if i in (0, len(points) - 1) else MIDDLE_SHARE
                # A fresh generator: the same draws at each swept value, so that errors are
                # comparable. Spawned, so that it never repeats the user's own numbers of the same
                # seed: an upstream gradient equal to the input is what batch norm annihilates.
                (rng,) = autograd_core.random.fork(int(seed)).spawn(1)
                found.append(gather(posed, values, tags, claims, rng, share))
            swept = [value for value, _ in points if value is not None]
            lines = [_line(posed, claim, found, swept) for claim in claims]
    finally:
        autograd_core.random.generator().bit_generator.state = posed.random_state
    return Report(lines, found[0].at.order, posed.swept[0] if posed.swept else None)


@dataclass(frozen=True)
class _Finding:
    """One claim at one point."""

    verdict: str  # "exact", "wrong" or "undecided"
    reason: str = ""
    error: float = math.nan
    bound: float = math.nan
    usable: bool = True  # False: nothing here speaks for or against the claim
    worst: tuple[tuple[int, ...], float, float] | None = None
    error_map: Array | None = None
    residual: Array | None = None  # claim - truth of all draws, relative to max|truth|
    hints: tuple[str, ...] | None = None  # found already, with the shape


def _line(posed: Problem, claim: Claim, found: Sequence[Evidence], swept: Sequence[float]) -> Line:
    findings = [_finding(posed, claim, evidence) for evidence in found]
    confirmations = [evidence.confirmations[claim.target] for evidence in found]
    usable = [f for f in findings if f.usable]
    top = max(usable or findings, key=lambda f: -1.0 if math.isnan(f.error) else f.error)
    line = Line(
        name=claim.target,
        verdict=top.verdict,
        max_rel_error=top.error,
        bound=top.bound,
        oracle_error=max(c.error for c in confirmations),
        oracle=_how(confirmations),
        reason=top.reason,
        worst=top.worst,
        sweep=tuple((v, f.error, f.bound) for v, f in zip(swept, findings, strict=bool(swept))),
        jacobian=claim.is_jacobian,
        error_map=top.error_map,
    )
    verdicts = [f.verdict for f in findings]
    wrong = [i for i, verdict in enumerate(verdicts) if verdict == "wrong"]
    if not wrong:
        if "undecided" in verdicts:
            at = verdicts.index("undecided")
            return replace(line, verdict="undecided", reason=_at(posed, swept, at, findings))
        return replace(line, reason=blind_spot(claim, found[0]))
    line = replace(line, verdict="wrong", hint=_hint(posed, claim, found, findings, wrong))
    if not swept:
        return line
    judged = [(v, f) for v, f in zip(swept, findings, strict=True) if f.usable]
    fit = fit_order(
        [v for v, _ in judged],
        [f.error for _, f in judged],
        [f.verdict == "wrong" for _, f in judged],
    )
    if fit.order is not None:
        return _faded(posed, line, fit.order, swept, findings)
    if fit.open:
        advice = "larger ones" if len(swept) >= LEAST_POINTS else "at least three"
        return replace(
            line,
            verdict="undecided",
            hint=None,
            reason="the error is above rounding at fewer than three swept values, too few to tell "
            f"whether it fades with the parameter; sweep {advice}",
        )
    return line


def _faded(posed: Problem, line: Line, order: float, swept: Sequence[float], findings: Sequence[_Finding]) -> Line:
    """An error that falls with the parameter: approximate, unless something of it stays at zero."""
    judged = [(v, f) for v, f in zip(swept, findings, strict=True) if f.usable]
    above = [(v, f) for v, f in judged if f.verdict == "wrong" and f.residual is not None]
    if judged[-1][1].verdict == "wrong":  # else it is below rounding at the smallest value: nothing stays
        name = posed.swept[0] if posed.swept else ""
        residuals = [f.residual for _, f in above if f.residual is not None]
        stays, doubt = remainder([v for v, _ in above], residuals, order)
        bound = above[-1][1].bound
        if stays > CLEARLY * (doubt + bound):
            return replace(line, reason=f"fades with {name}, but an error of {stays:.1e} stays as {name} goes to 0")
        if doubt > JUDGEABLE:
            return replace(
                line,
                verdict="undecided",
                hint=None,
                reason=f"the error fades with {name}, but up to {doubt:.1e} of it may stay as {name} goes to 0; "
                f"sweep further down",
            )
    return replace(line, verdict="approximate", order=order, reason="")


def _how(confirmations: Sequence[Confirmation]) -> str:
    # The ends of a sweep are confirmed most thoroughly; all points by the same methods as a rule.
    methods = dict.fromkeys(c.method for c in confirmations)
    return f"{' and '.join(methods)}, {confirmations[0].coverage}"


def _at(posed: Problem, swept: Sequence[float], i: int, findings: Sequence[_Finding]) -> str:
    reason = findings[i].reason
    return f"{reason} (at {posed.swept[0]} = {swept[i]:g})" if swept and posed.swept else reason


# -- one point -------------------------------------------------------------------------------------


def _finding(posed: Problem, claim: Claim, evidence: Evidence) -> _Finding:
    name = claim.target
    samples = evidence.samples[name]
    true = [s.true[0] for s in samples]
    if true[0].size == 0:
        return _Finding("undecided", f"{name!r} has no elements", usable=False)
    if not all(np.isfinite(b).all() for s in samples for b in s.true):
        return _Finding("undecided", "the engine's gradient is not finite here", usable=False)
    for needed in (name, *claim.adjoints):
        confirmation = evidence.confirmations[needed]
        if not confirmation.ok:
            why = confirmation.problem or (
                f"the engine and the {confirmation.method} disagree by {confirmation.error:.1e}"
            )
            return _Finding("undecided", f"the oracle for {needed!r} is not confirmed: {why}", usable=False)
    if samples[0].claimed[0].shape != true[0].shape:
        return _misshapen(posed, claim, evidence)
    for sample in samples:
        # Also an ulp beside the point: a claim that is finite at the point only is no formula.
        for claimed in sample.claimed:
            bad = np.argwhere(~np.isfinite(claimed))
            if not len(bad):
                continue
            at = tuple(int(i) for i in bad[0])
            value, expected = float(claimed[at]), float(sample.true[0][at])
            reason = f"the claimed value at index {at} is {value}"
            return _Finding("wrong", reason, math.inf, worst=(at, value, expected))
    kinks = list(evidence.confirmations[name].kinks)
    leading = evidence.at.output.ndim if claim.is_jacobian else 0
    nowhere = [np.zeros(b.shape, dtype=bool) for b in true]
    masks = [_mask(m, kinks, leading) for m in nowhere]
    verdict, reason, measures = _measured(claim, evidence, masks)
    if verdict == "wrong":
        more, all_of_them = _more_kinks(claim, evidence, masks, leading)
        if more:
            kinks += more
            masks = [_mask(m, kinks, leading) for m in nowhere]
            verdict, reason, measures = _measured(claim, evidence, masks)
            if all_of_them:
                verdict, reason = "undecided", ""
    if verdict != "exact":
        evidence.repeat(claim)
    if verdict == "wrong":
        beneath = saturated(claim, evidence)
        if any(m.any() for m in beneath):
            rest = _measured(claim, evidence, [m | n for m, n in zip(masks, beneath, strict=True)])
            if rest[0] != "wrong":
                at = next(tuple(map(int, np.argwhere(m)[0])) for m in beneath if m.any())
                verdict, reason = (
                    "undecided",
                    f"at index {at} the gradient is saturated: it is below the rounding of {TERMS}",
                )
    if kinks and verdict != "wrong":
        at_kinks = ", ".join(map(str, kinks[:3])) + (", ..." if len(kinks) > 3 else "")
        verdict, reason = "undecided", f"f has a kink at {name}{at_kinks}"
    top = max(range(len(measures)), key=lambda i: measures[i].error)
    m, sample = measures[top], _without(samples[top], masks[top])
    a, b = sample.claimed[0], sample.true[0]
    vanishing = any(x.vanishing for x in measures)
    return _Finding(
        verdict,
        reason,
        # Beside a vanishing gradient a relative error is a quotient of two rounding errors.
        (math.inf if verdict == "wrong" else math.nan) if vanishing else m.error,
        m.bound if not vanishing else math.nan,
        # Rounding at one swept value may be compared with errors at others; a zero may not.
        usable=verdict != "undecided" or not vanishing,
        worst=(m.worst, float(a[m.worst]), float(b[m.worst])),
        error_map=np.abs(a - b) / (m.scale or 1.0),
        residual=np.stack(
            [_residual(s, k) / (x.scale or 1.0) for s, k, x in zip(samples, masks, measures, strict=True)]
        ),
    )


def _residual(samples: Samples, mask: Mask) -> Array:
    masked = _without(samples, mask)
    return masked.claimed[0].astype(np.float64) - masked.true[0]


def _measured(claim: Claim, evidence: Evidence, masks: Sequence[Mask]) -> tuple[str, str, list[Measure]]:
    """Verdict, reason and measures of all but the masked elements."""
    samples = evidence.samples[claim.target]
    masked = [_without(s, mask) for s, mask in zip(samples, masks, strict=True)]
    measures = fine = [measure(s) for s in masked]
    if any((m.beyond or m.doubtful) and m.error <= COARSE_LIMIT and not m.vanishing for m in measures):
        # So little may also be rounding of a coarser sort than moves of a few ulps show.
        far = [_without(c, mask) for c, mask in zip(evidence.coarse(claim), masks, strict=True)]
        measures = [measure(s, grain(s, c)) for s, c in zip(masked, far, strict=True)]
    verdict, reason = _verdict(measures, evidence, claim.target)
    if verdict == "undecided" and _is_single(samples, fine, measures):
        reason = f"the claim rounds in single precision, to {max(m.bound for m in measures):.1e}: compute it in float64"
    return verdict, reason, measures


def _more_kinks(
    claim: Claim, evidence: Evidence, masks: Sequence[Mask], leading: int
) -> tuple[list[tuple[int, ...]], bool]:
    """The elements that make a claim wrong, if these are kinks; and whether nothing else was found among very many."""
    if evidence.confirmations[claim.target].method != "central differences":
        return [], False
    error = np.max(
        [np.abs(_residual(s, k)) for s, k in zip(evidence.samples[claim.target], masks, strict=True)], axis=0
    )
    error = error.max(axis=tuple(range(leading)))  # of a Jacobian, the input's elements
    value = evidence.at.value(claim.target).ravel()
    order = np.argsort(error, axis=None)[::-1]
    order = order[error.ravel()[order] > 0.0]
    found: list[tuple[int, ...]] = []
    asked, count = 0, WORST  # the few worst first: of a plain mistake none is a kink
    while len(order) and asked < KINKS_AT_MOST:
        part, order = order[:count], order[count:]
        these = evidence.kinks_among(claim.target, _indices(part, error.shape))
        found += these
        if len(these) < len(part):
            return found, False
        asked, count = asked + len(part), KINKS_AT_ONCE
        if not any(value[np.ravel_multi_index(index, error.shape)] for index in found):
            # So far all kinks are at zeros: then the other zeros are kinks as well.
            found += _indices(order[value[order] == 0.0], error.shape)
            order = order[value[order] != 0.0]
    return found, bool(found) and len(order) > 0


def _indices(flat: Any, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [tuple(int(i) for i in np.unravel_index(f, shape)) for f in flat]


def _verdict(measures: Sequence[Measure], evidence: Evidence, name: str) -> tuple[str, str]:
    if any(m.vanishing for m in measures):
        nothing = EPS * max(evidence.flow(ct) for ct in evidence.draws) / (_size(evidence, name) or 1.0)
        if any(m.error > ZERO_MARGIN * max(m.bound, nothing / (m.scale or 1.0)) for m in measures):
            return "wrong", "the true gradient is zero to rounding, the claim is not"
        return "undecided", _vanishing(measures, evidence, name)
    beyond = [m for m in measures if m.beyond]
    if beyond:
        part = next((m.small_part for m in beyond if m.small_part), None)
        if part is None or any(m.error > CLEARLY * m.bound for m in beyond):
            return "wrong", ""
        axis, index = part
        return "wrong", f"at index {index} of axis {axis}, on that slice's own, smaller scale"
    bound = max(m.bound for m in measures)
    if all(m.within for m in measures):
        if all(m.judgeable for m in measures):
            return "exact", ""
        return "undecided", f"too ill-conditioned here to judge below {bound:.1e}"
    if all(m.error <= m.bound for m in measures):
        at = next(m.doubtful for m in measures if m.doubtful)
        return "undecided", f"at index {at} both are too small beside the rest to tell a mistake from rounding"
    return "undecided", f"the error is near the rounding bound {bound:.1e}: it may be rounding"


def _is_single(samples: Sequence[Samples], fine: Sequence[Measure], measures: Sequence[Measure]) -> bool:
    """Whether a claim cannot be judged for its precision alone: by its dtype, or by what large moves show of it."""
    coarse = any(s.claimed[0].dtype.itemsize < 8 for s in samples)
    found = any(not m.judgeable and f.judgeable for m, f in zip(measures, fine, strict=True))
    return (coarse or found) and not any(m.vanishing for m in measures)


def _size(evidence: Evidence, name: str) -> float:
    """max|x| of an input or tag."""
    x = evidence.at.inputs[name] if name in evidence.at.inputs else evidence.at.tags[name]
    return float(np.abs(x).max())


def _vanishing(measures: Sequence[Measure], evidence: Evidence, name: str) -> str:
    scale = max(m.scale for m in measures)
    flow = max(evidence.flow(ct) for ct in evidence.draws)
    sizes = [evidence.at.output, *evidence.at.inputs.values(), *evidence.at.tags.values()]
    # Rounding that would need terms far larger than anything in sight is a jump of f.
    jumps = flow > JUMP * max(float(np.abs(x).max(initial=0.0)) for x in sizes)
    if not jumps and scale * _size(evidence, name) <= 1e-9 * flow * math.sqrt(evidence.at.output.size):
        return "structurally zero gradient: every claim near zero would fit"
    return "the gradient jumps when the inputs move by an ulp: a kink, a tie, or full cancellation"


def _mask(nowhere: Mask, kinks: Sequence[tuple[int, ...]], leading: int) -> Mask:
    """Marks the kinks; in a Jacobian, for every element of the output."""
    result = nowhere.copy()
    for index in kinks:
        result[(slice(None),) * leading + index] = True
    return result


def _without(samples: Samples, mask: Mask) -> Samples:
    """The samples with claim and truth set to zero at the marked elements."""
    if not mask.any():
        return samples
    zero = np.float16(0.0)  # keeps the dtype of the claim
    return replace(
        samples,
        claimed=[np.where(mask, zero, a) for a in samples.claimed],
        true=[np.where(mask, zero, b) for b in samples.true],
    )


def _misshapen(posed: Problem, claim: Claim, evidence: Evidence) -> _Finding:
    """A claim of another shape is wrong if that can be explained, and an error otherwise."""
    hint = explain(posed, claim, [evidence])
    if hint is not None:
        return _Finding("wrong", "", math.inf, hints=(hint,))
    sample = evidence.samples[claim.target][0]
    kind = "output + input" if claim.is_jacobian else "the value whose gradient it is"
    advice = (
        "; a claim without g is a Jacobian: add the parameter g if a gradient is meant"
        if claim.is_jacobian
        else "; no missing or extra sum and no transpose explains it"
    )
    raise ShapeError(
        f"compare: a claim must have the shape of {kind}, {sample.true[0].shape}, got "
        f"{sample.claimed[0].shape} from the claim for {claim.target!r}{advice}"
    )


def _hint(
    posed: Problem,
    claim: Claim,
    found: Sequence[Evidence],
    findings: Sequence[_Finding],
    wrong: Sequence[int],
) -> str | None:
    """The likeliest repair that fits at both ends of where the claim is wrong."""
    known = [findings[i].hints for i in wrong]
    if any(texts is not None for texts in known):  # found with the shape, or none to find
        return next((texts[0] for texts in known if texts), None)
    return explain(posed, claim, [found[i] for i in dict.fromkeys((wrong[0], wrong[-1]))])
