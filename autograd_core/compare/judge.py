"""From evidence to verdicts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import autograd_core
from autograd_core.compare.blindspots import blind_spot
from autograd_core.compare.claims import Claim, read_claims
from autograd_core.compare.confirm import Confirmation
from autograd_core.compare.diagnosis import explain
from autograd_core.compare.evidence import Evidence, gather
from autograd_core.compare.oracle import discover_tags
from autograd_core.compare.problem import Array, Problem, problem
from autograd_core.compare.report import Line, Report
from autograd_core.compare.rounding import CLEARLY, COARSE_LIMIT, EPS, Measure, Samples, grain, measure
from autograd_core.compare.sweep import fit_order
from autograd_core.errors import ArgumentError, ShapeError

MIDDLE_SHARE = 0.125  # of the confirmation's elements, for points inside a sweep
ZERO_MARGIN = 1e3  # how far above rounding a claim must be to be wrong where the truth vanishes


def judge(
    f: Callable[..., Any],
    inputs: Mapping[str, Any],
    claimed: Mapping[str, Callable[..., Any]],
    *,
    params: Mapping[str, Any] | None,
    sweep: Mapping[str, Sequence[float]] | None,
    seed: int,
) -> Report:
    """See `autograd_core.compare.compare`."""
    if not isinstance(seed, int) or seed < 0:
        raise ArgumentError(f"compare: seed must be a non-negative integer, got {seed!r}")
    posed = problem(f, inputs, params, sweep)
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
                (rng,) = autograd_core.random.fork(seed).spawn(1)
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
        return replace(line, reason=blind_spot(claim, found[0], np.random.default_rng(0)))
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
        return replace(line, verdict="approximate", order=fit.order, reason="")
    if fit.open:
        return replace(
            line,
            verdict="undecided",
            hint=None,
            reason="the error is above rounding at fewer than three swept values, too few to tell "
            "whether it fades with the parameter; sweep larger ones",
        )
    return line


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
    kinks = evidence.confirmations[name].kinks
    leading = evidence.at.output.ndim if claim.is_jacobian else 0
    masked = [_without(s, kinks, leading) for s in samples]
    measures = fine = [measure(s) for s in masked]
    if any((m.beyond or m.doubtful) and m.error <= COARSE_LIMIT and not m.vanishing for m in measures):
        # So little may also be rounding of a coarser sort than moves of a few ulps show.
        far = evidence.coarse(claim)
        measures = [measure(s, grain(s, _without(c, kinks, leading))) for s, c in zip(masked, far, strict=True)]
    verdict, reason = _verdict(measures, evidence, name)
    if verdict == "undecided" and _is_single(samples, fine, measures):
        reason = f"the claim rounds in single precision, to {max(m.bound for m in measures):.1e}: compute it in float64"
    if kinks and verdict != "wrong":
        at_kinks = ", ".join(map(str, kinks[:3])) + (", ..." if len(kinks) > 3 else "")
        verdict, reason = "undecided", f"f has a kink at {name}{at_kinks}"
    top = max(range(len(measures)), key=lambda i: measures[i].error)
    m, sample = measures[top], masked[top]
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
    )


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
    if scale * _size(evidence, name) <= 1e-9 * flow * math.sqrt(evidence.at.output.size):
        return "structurally zero gradient: every claim near zero would fit"
    return "the gradient jumps when the inputs move by an ulp: a kink, a tie, or full cancellation"


def _without(samples: Samples, kinks: Sequence[tuple[int, ...]], leading: int) -> Samples:
    """The samples with claim and truth set to zero at the kinks."""
    if not kinks:
        return samples

    def masked(array: Array) -> Array:
        result = array.copy()
        for index in kinks:
            result[(slice(None),) * leading + index] = 0.0
        return result

    return replace(
        samples,
        claimed=[masked(a) for a in samples.claimed],
        true=[masked(b) for b in samples.true],
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
