"""Every module of the table against what PyTorch answered; `make oracle` asks PyTorch itself."""

from __future__ import annotations

import pytest

from nn_cases import COMPARED
from nn_harness import Case, build, measured
from nn_parity import RECORDING, TOLERANCES, Entry, fingerprint, judged, load_recording

every = pytest.mark.parametrize("case", COMPARED, ids=repr)


@pytest.fixture(scope="module")
def recording() -> dict[str, Entry]:
    return load_recording()


def test_the_recording_is_of_this_table(recording: dict[str, Entry]) -> None:
    again = "record again: make oracle RECORD=1"
    assert set(recording) == {case.name for case in COMPARED}, again
    assert [c.name for c in COMPARED if recording[c.name].data != fingerprint(c)] == [], again
    assert RECORDING.stat().st_size < 600_000


@every
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_values_gradients_and_statistics(case: Case, dtype: str, recording: dict[str, Entry]) -> None:
    errors = judged(measured(case, dtype), recording[case.name].arrays[dtype])
    wrong = {name: error for name, error in errors.items() if not error <= TOLERANCES[dtype]}
    assert not wrong


@every
def test_state_dict_has_torchs_keys_shapes_and_dtypes(case: Case, recording: dict[str, Entry]) -> None:
    state = build(case).state_dict()
    ours = {key: [list(array.shape), str(array.dtype)] for key, array in state.items()}
    assert list(ours.items()) == list(recording[case.name].state.items())
