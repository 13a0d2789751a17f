"""The recording of what PyTorch answers, and how an answer is judged by it."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nn_harness import BATCHES, Case, build, relative_error

TORCH = "2.13.0"
RECORDING = Path(__file__).parent / "oracle" / f"torch-{TORCH}.npz"
TOLERANCES = {"float64": 1e-12, "float32": 1e-5}  # of max|a - b| / max|b|


@dataclass
class Entry:
    """What PyTorch answered for a case, and to which data."""

    data: int
    state: dict[str, Any]  # shapes and dtypes of torch's state_dict
    arrays: dict[str, dict[str, Any]]  # by dtype: outputs, gradients, statistics


def fingerprint(case: Case) -> int:
    """A checksum of inputs, parameters and cotangents: a changed row needs a new recording."""
    arrays = [a for batch in range(BATCHES) for a in case.arrays(batch)]
    arrays += [*build(case).state_dict().values(), case.cotangent((7,))]
    check = zlib.crc32(repr((case.args, case.kwargs)).encode())
    for array in arrays:
        check = zlib.crc32(np.ascontiguousarray(array).tobytes(), check)
    return check


def save_recording(entries: dict[str, Entry], path: Path = RECORDING) -> None:
    """All numbers in one array and an index in JSON: an archive member for each would cost more than it holds."""
    index: dict[str, Any] = {}
    values: list[Any] = []
    start = 0
    for name, entry in entries.items():
        places: dict[str, Any] = {}
        for dtype, arrays in entry.arrays.items():
            places[dtype] = {}
            for key, array in arrays.items():
                array = np.asarray(array)
                places[dtype][key] = [start, list(array.shape), str(array.dtype)]
                values.append(np.ravel(array).astype(np.float64))
                start += array.size
        index[name] = {"data": entry.data, "state": entry.state, "arrays": places}
    np.savez_compressed(path, index=np.array(json.dumps(index)), values=np.concatenate(values))


def load_recording(path: Path = RECORDING) -> dict[str, Entry]:
    """What `save_recording` wrote."""
    with np.load(path, allow_pickle=False) as file:
        index, values = json.loads(str(file["index"])), file["values"]

    def array(start: int, shape: list[int], dtype: str) -> Any:
        return values[start : start + int(np.prod(shape))].reshape(shape).astype(dtype)

    return {
        name: Entry(
            entry["data"],
            entry["state"],
            {d: {key: array(*place) for key, place in places.items()} for d, places in entry["arrays"].items()},
        )
        for name, entry in index.items()
    }


def judged(actual: dict[str, Any], expected: dict[str, Any]) -> dict[str, float]:
    """The relative error of each array; shapes and dtypes must be equal."""
    assert actual.keys() == expected.keys(), (list(actual), list(expected))
    for name, array in expected.items():
        dtypes = np.asarray(actual[name]).dtype, np.asarray(array).dtype
        assert dtypes[0] == dtypes[1], f"{name}: dtype {dtypes[0]}, expected {dtypes[1]}"
    return {name: relative_error(actual[name], expected[name]) for name in expected}
