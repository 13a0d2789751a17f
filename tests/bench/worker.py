"""One contestant with one workload, as a process that runs a round whenever it is told to.

    python worker.py MODULE MODE THREADS KIND PARAMETERS

Requests come as JSON lines on standard input, answers go as JSON lines to standard output:

    {"do": "step"}                  one step
    {"do": "round", "seconds": s}   steps for about s seconds; answers the seconds for one step
    {"do": "halves", "ops": n}      one step; answers seconds and resident bytes after forward
    {"do": "peak"}                  one step; answers how far the resident peak rose, in bytes
    {"do": "results", "path": p}    saves what the latest step computed as p (npz)
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
from time import perf_counter
from typing import Any

import numpy as np

from problems import Job, UnsupportedError

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

WARM_STEPS = 3
WARM_SECONDS = 0.3
LEAST_STEPS = 3


def resident() -> int:
    """Bytes of this process in memory now; where only the peak is known, that."""
    try:
        with open("/proc/self/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return peak()


def peak() -> int:
    """Bytes of this process in memory when it was largest."""
    if resource is None:
        raise UnsupportedError("this platform does not tell a process's peak memory")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


class Server:
    """Answers the harness's requests about one job."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.one_step = 0.0

    def warm(self) -> None:
        """Steps until caches are filled and lazily made things exist; times one step."""
        start = perf_counter()
        for done in range(1, WARM_STEPS + 1):
            before = perf_counter()
            self.job.step()
            self.one_step = perf_counter() - before
            if done > 1 and perf_counter() - start > WARM_SECONDS:
                break

    def round(self, seconds: float) -> dict[str, Any]:
        if not self.one_step:
            self.warm()
        # Never a single step, and no collection before it: whoever leaves cycles behind pays for
        # collecting them, as in a training loop. The garbage is its own: it is alone in here.
        repeat = max(LEAST_STEPS, round(seconds / self.one_step))
        start = perf_counter()
        for _ in range(repeat):
            self.job.step()
        self.one_step = (perf_counter() - start) / repeat
        return {"seconds": self.one_step}

    def halves(self, ops: int) -> dict[str, Any]:
        forward, backward = self.job.forward, self.job.backward
        if forward is None or backward is None:
            raise UnsupportedError("does not separate forward from backward")
        gc.collect()
        before, start = resident(), perf_counter()
        graph = forward()
        between = perf_counter()
        grown = resident() - before
        resume = perf_counter()
        backward(graph)
        del graph
        return {"seconds": between - start + perf_counter() - resume, "bytes": grown / ops}

    def step(self) -> dict[str, Any]:
        self.job.step()
        return {}

    def peak(self) -> dict[str, Any]:
        gc.collect()
        before = resident()
        self.job.step()
        return {"bytes": peak() - before}

    def results(self, path: str) -> dict[str, Any]:
        np.savez(path, **self.job.results())
        return {}


def main() -> None:
    # What a library prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**message: Any) -> None:
        print(json.dumps(message), file=answers, flush=True)

    module_name, mode, threads, kind, parameters = sys.argv[1:]
    try:
        contestant = importlib.import_module(module_name)
        contestant.configure(mode, int(threads))
        server = Server(getattr(contestant, kind)(**json.loads(parameters)))
        answer(version=contestant.version(), numpy=np.__version__)
        for line in sys.stdin:
            request = json.loads(line)
            answer(**getattr(server, request.pop("do"))(**request))
    except UnsupportedError as reason:
        answer(unsupported=str(reason))
    except MemoryError:
        answer(unsupported="out of memory")
    except Exception as error:
        first_line = (str(error).strip().splitlines() or [""])[0]
        answer(failed=f"{type(error).__name__}: {first_line}")
        raise


if __name__ == "__main__":
    main()
