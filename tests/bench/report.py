"""Tables of what was measured: medians, spreads, ratios, and what was to be reached."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from harness import CONTESTANTS, Outcome
from workloads import Metric, Workload

OURS = "autograd-core"
COMPILED = "autograd-core compiled"
Outcomes = dict[str, Outcome]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table with aligned columns: the first to the left, the others to the right."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        first = cells[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:])]
        return "| " + " | ".join([first, *rest]) + " |"

    rule = "|" + "|".join(
        "-" * (width + 1) + (":" if i else "-") for i, width in enumerate(widths)
    ) + "|"  # fmt: skip
    return "\n".join([line(head), rule, *map(line, rows)])


def ratio(ours: Sequence[float], others: Sequence[float]) -> float | None:
    """Median of the ratios round by round: what slows the machine slows both of a round."""
    pairs = [a / b for a, b in zip(ours, others) if b > 0]
    return median(pairs) if pairs else None


def _amount(value: float, metric: Metric) -> str:
    return f"{value * metric.factor:,.{metric.digits}f}"


def workload_table(workload: Workload, outcomes: Outcomes) -> str:
    """One workload: a row per contestant, and below it why some have no figure."""
    base = next((n for n in (OURS, "PyTorch eager") if n in outcomes and outcomes[n].rounds), None)
    head = ["contestant"]
    for metric in workload.metrics:
        head += [metric.unit, "range"]
    if base:
        head.append(f"{base} / it")
    rows, reasons = [], []
    for name, outcome in outcomes.items():
        row = [name]
        for metric in workload.metrics:
            values = outcome.values(metric.key)
            if not values:
                row += ["-", "-"]
                continue
            low, high = (_amount(f(values), metric) for f in (min, max))
            row += [_amount(median(values), metric), f"{low}-{high}"]
        if base:
            key = workload.metrics[0].key
            found = ratio(outcomes[base].values(key), outcome.values(key))
            row.append("-" if found is None else f"{found:.2f}")
        rows.append(row)
        if outcome.reason:
            reasons.append(f"- {name}: {outcome.reason}")
        elif disturbed := outcome.disturbed():
            reasons.append(
                f"- {name}: other programs took processors in {disturbed} of {len(outcome.rounds)} "
                "rounds; its figure is unsure"
            )
    note = "\n\n" + "\n".join(reasons) if reasons else ""
    return f"### ({workload.letter}) {workload.title}\n\n{table(head, rows)}{note}"


def layers_table(measured: Sequence[tuple[Workload, Outcomes]]) -> str:
    """Workload (h): a row per layer instead of a table per layer, and below it what must be known about some."""
    rows = []
    notes: list[str] = []
    for workload, outcomes in measured:
        (metric,) = workload.metrics
        sides = [outcomes.get(name, Outcome()) for name in (OURS, COMPILED, "PyTorch eager")]
        values = [side.values(metric.key) for side in sides]
        unsure = any(2 * side.disturbed() > len(side.rounds) for side in sides)
        reason = "; ".join(side.reason for side in sides if side.reason)
        found = [ratio(ours, values[-1]) for ours in values[:-1]]
        if workload.note:
            notes.append(f"[{len(notes) + 1}] No bar: {workload.note}.")
        rows.append(
            [
                workload.title + (f" [{len(notes)}]" if workload.note else ""),
                *(_amount(median(v), metric) if v else "-" for v in values),
                *("-" if r is None else f"{r:.2f}{'?' if unsure else ''}" for r in found),
                reason,
            ]
        )
    head = ["layer", "eager, ms", "compiled, ms", "PyTorch eager, ms", "eager / PyTorch", "compiled / PyTorch", ""]
    return "\n\n".join(["### (h) layers, forward and backward, float32", table(head, rows), *notes])


def targets(measured: Sequence[tuple[Workload, Outcomes]]) -> list[dict[str, Any]]:
    """What ours was to reach, and what it did, eager and compiled; None where a side has no figure."""
    found = []
    for workload, outcomes in measured:
        for key, other, limit in workload.limits:
            metric = next(m for m in workload.metrics if m.key == key)
            theirs = outcomes.get(other, Outcome())
            reached: list[float | None] = []
            for ours in (outcomes.get(OURS, Outcome()), outcomes.get(COMPILED, Outcome())):
                values = ours.values(key)
                absolute = median(values) * metric.factor if values else None
                reached.append(ratio(values, theirs.values(key)) if other else absolute)
            unit = f"x {other}" + (", bytes" if key == "bytes" else "") if other else metric.unit
            sides = [outcomes.get(OURS, Outcome()), theirs]
            found.append(
                {
                    "workload": workload.key,
                    "unit": unit,
                    "limit": limit,
                    "measured": reached[0],
                    "compiled": reached[1],
                    "unsure": any(2 * o.disturbed() > len(o.rounds) for o in sides),
                }
            )
    return found


def targets_table(found: Sequence[dict[str, Any]]) -> str:
    def shown(value: float | None) -> str:
        return "-" if value is None else f"{value:.2f}" if value < 10 else f"{value:.0f}"

    def verdict(value: float | None, t: dict[str, Any]) -> str:
        return "-" if value is None else ("yes" if value <= t["limit"] else "NO") + "?" * t["unsure"]

    rows = []
    for t in found:
        both = [cell for key in ("measured", "compiled") for cell in (shown(t[key]), verdict(t[key], t))]
        rows.append([t["workload"], f"<= {t['limit']:g} {t['unit']}", *both])
    head = ["workload", "to be reached", "eager", "reached", "compiled", "reached"]
    return f"### What {OURS} is to reach\n\n{table(head, rows)}"


def linearity(measured: Sequence[tuple[Workload, Outcomes]]) -> str:
    """Time for ten times as many operations, over ten times the time."""
    by_length = {w.parameters["ops"]: o for w, o in measured if w.how == "halves"}
    if len(by_length) != 2:
        return ""
    (short, few), (long, many) = sorted(by_length.items())
    rows = []
    for contestant in CONTESTANTS:
        a, b = (o.get(contestant.name, Outcome()).values("seconds") for o in (few, many))
        if a and b:
            growth = median(b) / median(a) / (long / short)
            rows.append([contestant.name, f"{growth:.2f}"])
    if not rows:
        return ""
    head = ["contestant", f"time({long:,}) / {long // short} time({short:,})"]
    return f"### (e) linearity: 1 is linear\n\n{table(head, rows)}"
