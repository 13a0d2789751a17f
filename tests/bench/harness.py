"""Starts contestants as processes, runs their rounds in turn, and checks that they agree."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import quiet
from problems import Arrays

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
THREADS = 2
PATIENCE = 300.0  # seconds for one answer


@dataclass(frozen=True)
class Contestant:
    """Whom to start: `peer` ones run under the peers' interpreter."""

    name: str
    module: str
    package: str
    mode: str = ""
    peer: bool = True


CONTESTANTS = (
    Contestant("autograd-core", "contestant_ours", "autograd_core", peer=False),
    Contestant("autograd-core compiled", "contestant_ours", "autograd_core", "compile", peer=False),
    Contestant("PyTorch eager", "contestant_torch", "torch", "eager"),
    Contestant("torch.compile", "contestant_torch", "torch", "compile"),
    Contestant("PyTorch fused", "contestant_torch", "torch", "fused"),
    Contestant("JAX eager", "contestant_jax", "jax", "eager"),
    Contestant("jax.jit", "contestant_jax", "jax", "jit"),
    Contestant("HIPS autograd", "contestant_autograd", "autograd"),
    Contestant("MyGrad", "contestant_mygrad", "mygrad"),
    Contestant("micrograd", "contestant_micrograd", "micrograd.engine"),
    Contestant("numpy", "contestant_numpy", "numpy", peer=False),
    Contestant("numpy (freed memory kept)", "contestant_numpy", "numpy", "kept", peer=False),
)
# In this order of trust: whose results the others must agree with.
REFERENCES = ("numpy", "micrograd", "PyTorch eager", "jax.jit")


class UnavailableError(Exception):
    """A contestant that is shown as "-"; the message is the reason, `fault` if unexpected."""

    def __init__(self, reason: str, *, fault: bool = False) -> None:
        super().__init__(reason)
        self.fault = fault


@dataclass
class Outcome:
    """What was measured of one contestant on one workload, or why nothing was."""

    rounds: list[dict[str, float]] = field(default_factory=list)
    reason: str = ""
    fault: bool = False

    def values(self, metric: str) -> list[float]:
        return [r[metric] for r in self.rounds if metric in r]

    def disturbed(self) -> int:
        """In how many rounds other programs took processors away."""
        return sum(r.get("others", 0.0) > quiet.TOLERATED for r in self.rounds)


def environment(contestant: Contestant) -> dict[str, str]:
    """The same number of threads for everybody, and the project importable for ours."""
    env = dict(os.environ)
    for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM"):
        env[f"{name}_NUM_THREADS"] = str(THREADS)
    env["JAX_PLATFORMS"] = "cpu"
    env["TORCHINDUCTOR_CACHE_DIR"] = str(ROOT / "build" / "torchinductor")
    # A fast malloc or a hash seed of the caller's would be a difference between two machines.
    env.pop("LD_PRELOAD", None)
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # an import would compile the sources each time
    env["PYTHONHASHSEED"] = "0"
    env.pop("PYTHONPATH", None)
    if contestant.package == "autograd_core":
        env["PYTHONPATH"] = str(ROOT)
    return env


def limit_processors() -> None:
    """Allows this process and its children THREADS processors, where the platform can."""
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, allowed[:THREADS])


class Worker:
    """A running contestant."""

    def __init__(self, contestant: Contestant, interpreter: str, kind: str, parameters: dict[str, Any]) -> None:
        command = [
            interpreter,
            str(HERE / "worker.py"),
            contestant.module,
            contestant.mode,
            str(THREADS),
            kind,
            json.dumps(parameters),
        ]
        # A file and not a pipe: nobody reads it while the contestant runs, and a pipe would fill.
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115, closed by stop
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.errors,
                text=True,
                env=environment(contestant),
                cwd=ROOT,
            )
        except OSError as error:
            self.errors.close()
            raise UnavailableError(f"cannot start {interpreter}: {error.strerror}") from error
        self.answers: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self.about = self._answer()
        except UnavailableError:
            self.stop()
            raise

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.answers.put(line)
        self.answers.put(None)

    def _answer(self) -> dict[str, Any]:
        try:
            line = self.answers.get(timeout=PATIENCE)
        except queue.Empty:
            self.process.kill()
            raise UnavailableError(f"no answer within {PATIENCE:.0f} s", fault=True) from None
        if line is None:
            code = self.process.wait()
            self.errors.seek(0)
            last = ([x for x in self.errors.read().splitlines() if x.strip()] or ["no message"])[-1]
            raise UnavailableError(f"ended with status {code}: {last.strip()}", fault=True)
        message: dict[str, Any] = json.loads(line)
        if "unsupported" in message:
            raise UnavailableError(message["unsupported"])
        if "failed" in message:
            raise UnavailableError(message["failed"], fault=True)
        return message

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Sends one request and waits for its answer."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the worker has ended, and _answer says how
        return self._answer()

    def results(self) -> Arrays:
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "results.npz")
            self.ask("results", path=path)
            with np.load(path) as saved:
                return dict(saved)

    def stop(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended already
            self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()


def disagreement(reference: Arrays, got: Arrays, rtol: float, atol: float) -> str:
    """How `got` contradicts the reference; empty if it does not.

    Compares each array that both have with |got - reference| <= atol + rtol * max|reference|.
    """
    common = reference.keys() & got.keys()
    if not common:
        return "nothing to compare"
    for name in sorted(common):
        a, b = reference[name], got[name]
        if a.shape != b.shape:
            return f"{name} has shape {b.shape} instead of {a.shape}"
        if a.dtype.itemsize != b.dtype.itemsize:
            return f"{name} is {b.dtype} instead of {a.dtype}"
        worst = float(np.max(np.abs(a.astype(np.float64) - b), initial=0.0))
        bound = atol + rtol * float(np.max(np.abs(a), initial=0.0))
        if not worst <= bound:  # NaN is a disagreement too
            return f"{name} is off by {worst:.2g}, more than {bound:.2g}"
    return ""


def judge(results: dict[str, Arrays], rtol: float, atol: float) -> dict[str, str]:
    """Who disagrees with the first contestant in REFERENCES that has results, and how."""
    reference = next((name for name in (*REFERENCES, *results) if name in results), None)
    if reference is None:
        return {}
    found = {name: disagreement(results[reference], got, rtol, atol) for name, got in results.items()}
    return {name: f"disagrees with {reference}: {how}" for name, how in found.items() if how}


def import_seconds(contestant: Contestant, interpreter: str) -> float:
    """Seconds for importing the contestant's package in a fresh process."""
    code = f"from time import perf_counter as t; s = t(); import {contestant.package}; print(t() - s)"
    try:
        done = subprocess.run(
            [interpreter, "-c", code],
            capture_output=True,
            text=True,
            env=environment(contestant),
            cwd=ROOT,
            timeout=PATIENCE,
        )
    except OSError as error:
        raise UnavailableError(f"cannot start {interpreter}: {error.strerror}") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UnavailableError(last, fault=True)
    return float(done.stdout.split()[-1])


def interpreter_for(contestant: Contestant, peers: str) -> str:
    return peers if contestant.peer else sys.executable
