"""The list of workloads: what is run, how it is measured and shown, and what is to be reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from layers import LAYERS, Layer

KEPT = "numpy (freed memory kept)"
COMPILED = "autograd-core compiled"


@dataclass(frozen=True)
class Metric:
    """A column: the value in a round's answer, its unit, and the factor that gives this unit."""

    key: str
    unit: str
    factor: float
    digits: int = 2


@dataclass(frozen=True)
class Workload:
    """One table.

    Attributes:
        how: "rounds" in processes that live on; "halves" and "peak" in a fresh process for
            each round; "import" measures the import of the package alone.
        limits: per metric key, contestant and the largest ratio of ours to it; a contestant
            "" stands for an absolute limit in the metric's unit.
        only: the contestants that it is for; all if empty.
        rtol, atol: within which contestants must agree.
        note: what must be known about the figures.
    """

    letter: str
    key: str
    title: str
    kind: str
    parameters: dict[str, Any]
    metrics: tuple[Metric, ...]
    how: str = "rounds"
    limits: tuple[tuple[str, str, float], ...] = ()
    rtol: float = 1e-3
    atol: float = 1e-6
    only: tuple[str, ...] = ()
    most_rounds: int = 1000
    note: str = ""


def _chain(key: str, where: str, shape: list[int], limits: bool) -> Workload:
    return Workload(
        "a",
        key,
        f"chain of 2,000 multiply/add on {where}, float64, forward and backward",
        "chain",
        {"ops": 2000, "shape": shape},
        (Metric("seconds", "µs per operation", 1e6 / 2000),),
        limits=(("seconds", "PyTorch eager", 0.65), ("seconds", "MyGrad", 0.25)) if limits else (),
        rtol=1e-9,
    )


def _batch_norm(rows: int, columns: int, limit: float) -> Workload:
    return Workload(
        "b",
        f"batch_norm_{rows}x{columns}",
        f"batch norm from primitives, {rows} x {columns} float32, forward and backward",
        "batch_norm",
        {"rows": rows, "columns": columns},
        (Metric("seconds", "ms", 1e3, 3),),
        limits=(("seconds", "PyTorch eager", limit), ("seconds", KEPT, 1.15)),
    )


def _train(batch: int) -> Workload:
    return Workload(
        "c",
        f"train_{batch}",
        f"training step of 784-256-128-10, BatchNorm, ReLU, cross-entropy, Adam, batch {batch}, float32",
        "train_step",
        {"batch": batch},
        (Metric("seconds", "ms", 1e3, 3),),
        limits=(("seconds", "PyTorch eager", 1.0), ("seconds", KEPT, 1.2)),
        rtol=5e-3,
    )


def _million(ops: int) -> Workload:
    full = ops == 1_000_000
    return Workload(
        "e",
        f"chain_{ops}",
        f"chain of {ops:,} operations on 0-d, forward and backward, a fresh process each",
        "chain",
        {"ops": ops, "shape": []},
        (
            Metric("seconds", "s", 1.0),
            Metric("seconds", "µs per operation", 1e6 / ops),
            Metric("bytes", "bytes per node", 1.0, 0),
        ),
        how="halves",
        limits=(("seconds", "PyTorch eager", 0.5), ("bytes", "", 700.0)) if full else (),
        rtol=1e-9,
        most_rounds=3,
    )


def _optimizer(rule: str, title: str) -> Workload:
    return Workload(
        "i",
        f"optimizer_{rule}",
        f"one step of {title} on 10 million float32 parameters",
        "optimizer",
        {"rule": rule},
        (Metric("seconds", "ms", 1e3),),
        limits=(("seconds", "PyTorch eager", 0.6), ("seconds", "numpy", 0.4)),
        only=("autograd-core", COMPILED, "PyTorch eager", "PyTorch fused", "numpy", KEPT),
        rtol=1e-4,
        most_rounds=7,
    )


def _layer(index: int, layer: Layer) -> Workload:
    return Workload(
        "h",
        f"layer {layer.title}",
        f"{layer.title} on {' x '.join(map(str, layer.shape))}",
        "layer",
        {"index": index},
        (Metric("seconds", "ms", 1e3, 3),),
        limits=(("seconds", "PyTorch eager", layer.limit),) if layer.limit is not None else (),
        only=("autograd-core", COMPILED, "PyTorch eager"),
        rtol=1e-4,
        most_rounds=7,
        note=layer.note,
    )


WORKLOADS = (
    _chain("chain_0d", "0-d", [], limits=True),
    _chain("chain_64", "64 elements", [64], limits=True),
    _batch_norm(128, 256, 0.7),
    _batch_norm(4096, 512, 1.0),
    _train(32),
    _train(128),
    _train(1024),
    Workload(
        "d",
        "moons",
        "micrograd's moons demo: MLP 2-16-16-1 of scalars, 100 samples, one step",
        "moons",
        {},
        (Metric("seconds", "ms", 1e3, 0),),
        limits=(("seconds", "micrograd", 0.3),),
        rtol=1e-6,
        most_rounds=5,
    ),
    _million(100_000),
    _million(1_000_000),
    Workload(
        "f",
        "deep_memory",
        "peak memory of ten Linear(500), BatchNorm, Tanh on 20,000 rows float32, "
        "forward and backward, a fresh process each",
        "deep",
        {"rows": 20_000, "width": 500, "layers": 10},
        (Metric("bytes", "MB", 1e-6, 0),),
        how="peak",
        limits=(("bytes", "PyTorch eager", 1.5),),
        rtol=1e-2,
        most_rounds=3,
    ),
    Workload(
        "g",
        "import",
        "time to import the package, a fresh process each",
        "",
        {},
        (Metric("seconds", "ms", 1e3, 1),),
        how="import",
        limits=(("seconds", "", 150.0),),
    ),
    *(
        _optimizer(rule, title)
        for rule, title in (("adam", "Adam"), ("momentum", "Momentum"), ("adadelta", "Adadelta"))
    ),
    *(_layer(index, layer) for index, layer in enumerate(LAYERS)),
)
