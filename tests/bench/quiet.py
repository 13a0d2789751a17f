"""Whether other programs use the processors while something is measured.

With two threads on two processors, one busy stranger can make a barrier, and with it a whole step,
ten times slower, and not for all contestants alike.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

TOLERATED = 0.05  # of one processor
SLACK = 0.03  # seconds: the kernel counts in hundredths, on each processor
SAMPLE = 0.2  # seconds
LONGEST_WAIT = 5.0
ATTEMPTS = 3
BUDGET = 60.0  # seconds of a whole run for waiting and repeating: on a busy machine it ends too

_spent = 0.0


def _everybody() -> float | None:
    """Processor seconds used since the machine started; None where that is not known."""
    try:
        with open("/proc/stat") as f:
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, f.readline().split()[1:9])
    except (OSError, ValueError):
        return None
    return float(user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _ours(worker: int | None) -> float:
    """Processor seconds of this process, of its ended children, and of a living worker."""
    own = sum(os.times()[:4])
    if worker is None:
        return own
    with open(f"/proc/{worker}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return own + sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _others(worker: int | None) -> float | None:
    everybody = _everybody()
    return None if everybody is None else everybody - _ours(worker)


def _wait(worker: int | None) -> None:
    """Returns when no other program uses the processors, or after LONGEST_WAIT."""
    global _spent
    start = time.monotonic()
    while (waited := time.monotonic() - start) < LONGEST_WAIT and _spent + waited < BUDGET:
        before = _others(worker)
        time.sleep(SAMPLE)
        after = _others(worker)
        if before is None or after is None or after - before <= TOLERATED * SAMPLE + SLACK:
            break
    else:
        _spent += time.monotonic() - start


def undisturbed(ask: Callable[[], dict[str, Any]], worker: int | None = None) -> dict[str, Any]:
    """The answer to a timed request, asked again while others took more than TOLERATED.

    The answer gets `others`, the processors that others took; after ATTEMPTS the quietest counts.

    Args:
        ask: measures once.
        worker: the process that does it, if it goes on living.
    """
    global _spent
    attempts = []
    for _ in range(ATTEMPTS):
        _wait(worker)
        before, start = _others(worker), time.monotonic()
        answer = ask()
        elapsed, after = time.monotonic() - start, _others(worker)
        if before is None or after is None:
            return answer
        taken = max(0.0, after - before - SLACK) / elapsed
        attempts.append(answer | {"others": taken})
        if taken <= TOLERATED or _spent >= BUDGET:
            break
        _spent += elapsed
    return min(attempts, key=lambda a: float(a["others"]))
