"""Tables of what was measured: medians, spreads, ratios, and what was to be reached."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from harness import CONTESTANTS, Outcome
from workloads import Metric, Workload

OURS = "autograd-core"
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
    """Workload (h): a row per layer instead of a table per layer."""
    rows = []
    for workload, outcomes in measured:
        (metric,) = workload.metrics
        sides = [outcomes.get(name, Outcome()) for name in (OURS, "PyTorch eager")]
        values = [side.values(metric.key) for side in sides]
        found = ratio(*values)
        unsure = any(2 * side.disturbed() > len(side.rounds) for side in sides)
        reason = "; ".join(side.reason for side in sides if side.reason)
        rows.append(
            [
                workload.title,
                *(_amount(median(v), metric) if v else "-" for v in values),
                reason or "-" if found is None else f"{found:.2f}{'?' if unsure else ''}",
            ]
        )
    head = ["layer", "autograd-core, ms", "PyTorch eager, ms", "ratio"]
    return f"### (h) layers, forward and backward, float32\n\n{table(head, rows)}"


def targets(measured: Sequence[tuple[Workload, Outcomes]]) -> list[dict[str, Any]]:
    """What ours was to reach, and what it did; None where either side has no figure."""
    found = []
    for workload, outcomes in measured:
        for key, other, limit in workload.limits:
            both = [outcomes.get(OURS, Outcome()), outcomes.get(other, Outcome())]
            ours = both[0].values(key)
            if other:
                value, unit = ratio(ours, both[1].values(key)), f"x {other}"
            else:
                metric = next(m for m in workload.metrics if m.key == key)
                value, unit = (median(ours) * metric.factor if ours else None), metric.unit
            if key == "bytes" and other:
                unit += ", bytes"
            unsure = any(2 * o.disturbed() > len(o.rounds) for o in both)
            found.append(
                {
                    "workload": workload.key,
                    "unit": unit,
                    "limit": limit,
                    "measured": value,
                    "unsure": unsure,
                }
            )
    return found


def targets_table(found: Sequence[dict[str, Any]]) -> str:
    rows = []
    for t in found:
        value = t["measured"]
        verdict = "-" if value is None else "yes" if value <= t["limit"] else "NO"
        if t["unsure"] and value is not None:
            verdict += "?"
        shown = "-" if value is None else f"{value:.2f}" if value < 10 else f"{value:.0f}"
        rows.append([t["workload"], f"<= {t['limit']:g} {t['unit']}", shown, verdict])
    head = ["workload", "to be reached", "measured", "reached"]
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
