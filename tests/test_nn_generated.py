"""Every module of the table in `nn_cases`, by the checks of `nn_checks`."""

from __future__ import annotations

from typing import Any

import pytest

import nn
import nn_checks as checks
from nn_cases import CASES, UNTESTED
from nn_harness import Case

every = pytest.mark.parametrize("case", CASES, ids=repr)


def test_every_exported_module_is_in_the_table() -> None:
    exported = {
        name for name in nn.__all__ if isinstance(getattr(nn, name), type) and issubclass(getattr(nn, name), nn.Module)
    }
    assert exported - UNTESTED == {case.layer for case in CASES}, "add rows to tests/nn_cases.py"


def test_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


MODES = [(c, mode) for c in CASES if c.derivative for mode in (("train", "eval") if c.moded else ("eval",))]


@pytest.mark.parametrize(("case", "mode"), MODES, ids=str)
def test_gradients(case: Case, mode: str) -> None:
    checks.check_gradients(case, mode)


@every
def test_repr(case: Case) -> None:
    checks.check_repr(case)


@every
def test_state(case: Case, tmp_path: Any) -> None:
    checks.check_state(case, tmp_path / "module.safetensors")


@every
def test_float32(case: Case) -> None:
    checks.check_default_dtype(case)
    checks.check_float32(case)


@every
def test_modes_and_seeds(case: Case) -> None:
    checks.check_modes(case)
    checks.check_seed(case)


@every
def test_no_grad_copies_and_other_arrays(case: Case) -> None:
    checks.check_no_grad(case)
    checks.check_deepcopy(case)
    checks.check_ducks(case)


@pytest.mark.parametrize("case", [case for case in CASES if case.bad], ids=repr)
def test_bad_calls(case: Case) -> None:
    for bad in case.bad:
        checks.check_bad(case, bad)


@pytest.mark.parametrize("case", [case for case in CASES if case.empty], ids=repr)
def test_empty_batch(case: Case) -> None:
    checks.check_empty(case)


@pytest.mark.parametrize("case", [case for case in CASES if case.scalar], ids=repr)
def test_scalar(case: Case) -> None:
    checks.check_scalar(case)
