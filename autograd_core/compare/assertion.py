"""`assert_gradients`: the judge as one line of a test."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from autograd_core.compare import compare
from autograd_core.compare.output import figure
from autograd_core.compare.report import VERDICTS, Line, Report
from autograd_core.errors import ArgumentError, where

ALLOWED = tuple(v for v in VERDICTS if v != "wrong")


def assert_report(
    f: Callable[..., Any],
    inputs: Mapping[str, Any],
    claimed: Mapping[str, Callable[..., Any]],
    *,
    params: Mapping[str, Any] | None,
    sweep: Mapping[str, Sequence[float]] | None,
    seed: int,
    allow: Collection[str],
) -> Report:
    """See `autograd_core.compare.assert_gradients`."""
    __tracebackhide__ = True  # pytest then shows the test's own line
    _check_allow(allow)
    report = compare(f, inputs, claimed, params=params, sweep=sweep, seed=seed)
    refused = [line for line in report.values() if line.verdict not in allow]
    if refused:
        raise AssertionError(message(report, refused, allow))
    return report


def message(report: Report, refused: Sequence[Line], allow: Collection[str]) -> str:
    """The first wrong line with hint and worst element, then the table."""
    # The first wrong line explains the ones behind it, so it comes before all others.
    first = report[report.first_wrong] if report.first_wrong is not None else refused[0]
    wanted = " or ".join(v for v in VERDICTS if v in allow)
    count = f"{len(refused)} of {len(report)} claimed gradients {'is' if len(refused) == 1 else 'are'} not {wanted}"
    parts = [f"{count}; first: {first.name}, {first.verdict}" + (f": {first.remarks}" if first.remarks else "")]
    if first.worst is not None:
        parts.append(f"{first.worst_words} (error {figure(first.max_rel_error)}, rounding {figure(first.bound)})")
    return "\n".join([*parts, "", report.to_text()])


def _check_allow(allow: Any) -> None:
    given = (allow,) if isinstance(allow, str) or not isinstance(allow, Collection) else tuple(allow)
    if isinstance(allow, Collection) and not isinstance(allow, str) and given and all(v in ALLOWED for v in given):
        return
    raise ArgumentError(
        f"assert_gradients: allow must be a non-empty tuple out of {', '.join(map(repr, ALLOWED))}, got {allow!r}; "
        f'write allow=("exact", "approximate"). {where("assert_gradients")}'
    )
