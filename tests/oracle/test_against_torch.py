"""Every module of the table against PyTorch, live; run by `make oracle`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

import nn
from nn_cases import COMPARED
from nn_harness import COMPOSED, Case, build, fresh, measured, run
from nn_parity import TOLERANCES, judged, load_recording
from oracle.torch_side import build_torch, called, measured_in_torch, recorded, torch_tensors

every = pytest.mark.parametrize("case", COMPARED, ids=repr)
native = pytest.mark.parametrize("case", [c for c in COMPARED if c.torch != COMPOSED], ids=repr)


@every
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_values_gradients_and_statistics(case: Case, dtype: str) -> None:
    errors = judged(measured(case, dtype), measured_in_torch(case, dtype))
    wrong = {name: error for name, error in errors.items() if not error <= TOLERANCES[dtype]}
    assert not wrong


def test_the_recording_is_what_torch_gives() -> None:
    held, now = load_recording(), recorded(COMPARED)
    assert held.keys() == now.keys()
    for name, entry in now.items():
        assert held[name].data == entry.data, name
        assert held[name].state == entry.state, name
        assert held[name].arrays.keys() == entry.arrays.keys(), name
        for dtype, tolerance in TOLERANCES.items():
            worst = max(judged(held[name].arrays[dtype], entry.arrays[dtype]).values())
            assert worst <= tolerance, (name, dtype, worst)


@native
def test_our_file_loads_in_torch(case: Case, tmp_path: Any) -> None:
    ours = build(case, np.float32).eval()
    nn.save(ours, tmp_path / "ours.safetensors")
    theirs = build_torch(case, np.float32).eval()
    for tensor in theirs.state_dict().values():
        tensor.zero_()
    theirs.load_state_dict(safetensors.torch.load_file(tmp_path / "ours.safetensors"), strict=True)
    with torch.no_grad():
        got = called(case, theirs, *torch_tensors(case, np.float32)).numpy()
    assert judged({"output": run(case, ours, np.float32).data}, {"output": got})["output"] <= TOLERANCES["float32"]


@native
def test_torchs_file_loads_here(case: Case, tmp_path: Any) -> None:
    theirs = build_torch(case, np.float32)
    safetensors.torch.save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
    ours = fresh(case, np.float32).eval()
    ours.load_state_dict(nn.load(tmp_path / "theirs.safetensors"))
    expected = build(case, np.float32).eval()
    for key, array in ours.state_dict().items():
        np.testing.assert_array_equal(array, theirs.state_dict()[key].numpy())
    np.testing.assert_array_equal(run(case, ours, np.float32).data, run(case, expected, np.float32).data)
