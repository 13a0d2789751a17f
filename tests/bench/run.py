"""Measures autograd-core side by side with the field.

    python tests/bench/run.py [--only a,b] [--rounds N] [--peers-python PATH] [--quick]

Every contestant is a process of its own, started for each workload anew, so that nobody inherits
another's allocator or threads. Rounds go around the contestants, each time beginning with the next
one; what is shown is the median over rounds, and the median of the ratios round by round. A
contestant whose results differ from the others' is reported, not timed. Rounds in which other
programs took processor time are repeated, and marked if that does not help. Tables go to standard
output, all figures to build/bench.json. Exit status 1 if a contestant failed or disagreed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from functools import partial
from pathlib import Path
from typing import Any

import quiet
import report
from harness import (
    CONTESTANTS,
    ROOT,
    THREADS,
    Contestant,
    Outcome,
    UnavailableError,
    Worker,
    import_seconds,
    interpreter_for,
    judge,
    limit_processors,
)
from problems import Arrays
from workloads import WORKLOADS, Workload

Outcomes = dict[str, Outcome]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def drop(outcome: Outcome, problem: UnavailableError) -> None:
    outcome.rounds.clear()
    outcome.reason, outcome.fault = str(problem), problem.fault


def blame(outcomes: Outcomes, results: dict[str, Arrays], workload: Workload) -> None:
    """Drops whoever computed something else."""
    for name, how in judge(results, workload.rtol, workload.atol).items():
        drop(outcomes[name], UnavailableError(how, fault=True))


class Bench:
    """One run of the benchmark with fixed contestants, interpreter and rounds."""

    def __init__(self, peers: str, rounds: int, seconds: float, names: set[str]) -> None:
        self.peers = peers
        self.rounds = rounds
        self.seconds = seconds
        self.contestants = [c for c in CONTESTANTS if not names or c.name in names]
        self.versions: dict[str, str] = {}

    def start(self, contestant: Contestant, workload: Workload) -> Worker:
        interpreter = interpreter_for(contestant, self.peers)
        worker = Worker(contestant, interpreter, workload.kind, workload.parameters)
        self.versions[contestant.package] = worker.about["version"]
        return worker

    def measure(self, workload: Workload) -> Outcomes:
        say(f"({workload.letter}) {workload.title}")
        # The fused optimizers are a contestant of their own only where optimizers are measured.
        fit = [c for c in self.contestants if (c.name in workload.only if workload.only else c.mode != "fused")]
        outcomes = {c.name: Outcome() for c in fit}
        rounds = min(self.rounds, workload.most_rounds)
        if workload.how == "rounds":
            self.alternate(workload, outcomes, rounds)
        else:
            self.fresh(workload, outcomes, rounds)
        for name, outcome in outcomes.items():
            if outcome.fault:
                say(f"    {name}: {outcome.reason}")
        return outcomes

    def alternate(self, workload: Workload, outcomes: Outcomes, rounds: int) -> None:
        """Rounds in turn between processes that live as long as the workload."""
        workers: dict[str, Worker] = {}
        results: dict[str, Arrays] = {}
        try:
            for contestant in self.contestants:
                name = contestant.name
                if name not in outcomes:
                    continue
                try:
                    workers[name] = self.start(contestant, workload)
                    workers[name].ask("step")
                    results[name] = workers[name].results()
                    workers[name].ask("round", seconds=0.0)  # warms up; not counted
                except UnavailableError as problem:
                    drop(outcomes[name], problem)
            blame(outcomes, results, workload)
            names = [name for name in workers if not outcomes[name].reason]
            for number in range(rounds):
                shift = number % max(len(names), 1)
                for name in names[shift:] + names[:shift]:
                    if outcomes[name].reason:
                        continue
                    ask = partial(workers[name].ask, "round", seconds=self.seconds)
                    try:
                        answer = quiet.undisturbed(ask, workers[name].process.pid)
                        outcomes[name].rounds.append(answer)
                    except UnavailableError as problem:
                        drop(outcomes[name], problem)
        finally:
            for worker in workers.values():
                worker.stop()

    def fresh(self, workload: Workload, outcomes: Outcomes, rounds: int) -> None:
        """Rounds in turn, each in a process of its own."""
        results: dict[str, Arrays] = {}
        if workload.how == "import":
            rounds += 1  # the first one also compiles and reads from the disk
        entered = [c for c in self.contestants if c.name in outcomes]
        for number in range(rounds):
            shift = number % len(entered)
            for contestant in entered[shift:] + entered[:shift]:
                outcome = outcomes[contestant.name]
                if outcome.reason:
                    continue
                once = partial(self.once, contestant, workload, results)
                try:
                    # Memory is the same on a busy machine.
                    answer = once() if workload.how == "peak" else quiet.undisturbed(once)
                    if workload.how != "import" or number:
                        outcome.rounds.append(answer)
                except UnavailableError as problem:
                    drop(outcome, problem)
            if not number:
                blame(outcomes, results, workload)

    def once(self, contestant: Contestant, workload: Workload, results: dict[str, Arrays]) -> dict[str, Any]:
        """One measurement in a fresh process; keeps the first results to be compared."""
        if workload.how == "import":
            if contestant.mode in ("compile", "jit", "kept"):
                raise UnavailableError("the same package as above")
            interpreter = interpreter_for(contestant, self.peers)
            return {"seconds": import_seconds(contestant, interpreter)}
        worker = self.start(contestant, workload)
        try:
            extra = {"ops": workload.parameters["ops"]} if workload.how == "halves" else {}
            answer = worker.ask(workload.how, **extra)
            if contestant.name not in results:
                results[contestant.name] = worker.results()
            return answer
        finally:
            worker.stop()


def processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default="", help="letters of the workloads, such as a,b")
    parser.add_argument("--contestants", default="", help="names, separated by commas")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--quick", action="store_true", help="3 short rounds, no long workload")
    parser.add_argument("--peers-python", default=str(ROOT / ".venv-bench" / "bin" / "python"), metavar="PATH")
    parser.add_argument("--out", default=str(ROOT / "build" / "bench.json"), metavar="PATH")
    given = parser.parse_args()
    if unknown := set(filter(None, given.only.split(","))) - {w.letter for w in WORKLOADS}:
        parser.error(f"--only: there is no workload {', '.join(sorted(unknown))}")
    if unknown := set(filter(None, given.contestants.split(","))) - {c.name for c in CONTESTANTS}:
        parser.error(f"--contestants: there is no {', '.join(sorted(unknown))}")
    if given.rounds < 1:
        parser.error("--rounds: at least one")
    return given


def main() -> int:
    given = arguments()
    limit_processors()
    letters = set(filter(None, given.only.split(",")))
    bench = Bench(
        os.path.abspath(given.peers_python),
        min(given.rounds, 3) if given.quick else given.rounds,
        0.1 if given.quick else 0.25,
        set(filter(None, given.contestants.split(","))),
    )
    measured: list[tuple[Workload, Outcomes]] = []
    for workload in WORKLOADS:
        wanted = workload.letter in letters if letters else True
        long = workload.how == "peak" or workload.parameters.get("ops") == 1_000_000
        if wanted and not (given.quick and long):
            outcomes = bench.measure(workload)
            measured.append((workload, outcomes))
            if workload.letter != "h":
                print(report.workload_table(workload, outcomes), end="\n\n", flush=True)
            save(Path(given.out), bench.versions, measured)
    if growth := report.linearity(measured):
        print(growth, end="\n\n")
    if layers := [pair for pair in measured if pair[0].letter == "h"]:
        print(report.layers_table(layers), end="\n\n")
    print(report.targets_table(report.targets(measured)), end="\n\n")
    versions = ", ".join(f"{k} {v}" for k, v in sorted(bench.versions.items()))
    print(f"{processor()}, {THREADS} threads; Python {platform.python_version()}; {versions}")
    return int(any(o.fault for _, outcomes in measured for o in outcomes.values()))


def save(out: Path, versions: dict[str, str], measured: list[tuple[Workload, Outcomes]]) -> None:
    """Writes every figure measured so far, so that an interrupted run leaves something."""
    about = {
        "processor": processor(),
        "threads": THREADS,
        "python": platform.python_version(),
        "system": platform.platform(),
        "versions": versions,
    }
    tables = [
        {
            "workload": w.key,
            "title": w.title,
            "contestants": {n: {"rounds": o.rounds, "reason": o.reason} for n, o in outcomes.items()},
        }
        for w, outcomes in measured
    ]
    content = {"about": about, "tables": tables, "targets": report.targets(measured)}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(content, indent=1))


if __name__ == "__main__":
    sys.exit(main())
