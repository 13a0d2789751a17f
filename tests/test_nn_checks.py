"""The tests tested: each check of `nn_checks` must reject a layer that is wrong on purpose, and pass the right one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_core as ac
import nn
import nn_checks as checks
from autograd_core import Tensor
from autograd_core.errors import AutogradError, ShapeError, where
from nn_cases import CASES
from nn_harness import Bad, Case, measured, real
from nn_parity import TOLERANCES, judged


class Scale(nn.Module):
    """The right one: weight * x * factor, of which training drops some."""

    def __init__(self, size: int, factor: float = 2.0, *, dtype: Any = None) -> None:
        self.factor = factor
        self.weight = nn.Parameter(ac.random.uniform(0.5, 1, size, dtype=dtype or np.float32))
        self.register_buffer("seen", np.zeros((), dtype or np.float32))

    def forward(self, x: Any) -> Any:
        if x.ndim != 2 or x.shape[1] != self.weight.shape[0]:
            raise ShapeError(f"Scale: the input must have {self.weight.shape[0]} columns. {where('Scale')}")
        if self.training:
            self.seen.data = self.seen.data + 1
            x = x * (0.5 + ac.random.bernoulli(0.5, x.shape, dtype=x.dtype))
        return self.scaled(x)

    def scaled(self, x: Any) -> Any:
        return x * self.weight * self.factor + np.tanh(x)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[0]}, factor={self.factor}"


class CutInput(Scale):
    def scaled(self, x: Any) -> Any:
        return x * self.weight * self.factor + ac.stop_gradient(np.tanh(x))


class CutParameter(Scale):
    def scaled(self, x: Any) -> Any:
        return x * ac.stop_gradient(self.weight) * self.factor + x * self.weight


class LeavesTheGraph(Scale):
    def scaled(self, x: Any) -> Any:
        return Tensor(np.asarray(ac.stop_gradient(super().scaled(x)).data), requires_grad=True)


class Widens(Scale):
    def scaled(self, x: Any) -> Any:
        return super().scaled(x) * np.float64(1)


class WidensInside(Scale):
    def scaled(self, x: Any) -> Any:
        return super().scaled(x) + (x * np.float64(1)).astype(x.dtype)


class WidensBuffer(Scale):
    def forward(self, x: Any) -> Any:
        self.seen.data = self.seen.data.astype(np.float64)
        return super().forward(x)


class WideByDefault(Scale):
    def __init__(self, size: int, factor: float = 2.0, *, dtype: Any = np.float64) -> None:
        super().__init__(size, factor, dtype=dtype)


class IgnoresTraining(Scale):
    def forward(self, x: Any) -> Any:
        return self.scaled(x)


class AlwaysDraws(Scale):
    def forward(self, x: Any) -> Any:
        return self.scaled(x * (0.5 + ac.random.bernoulli(0.5, x.shape, dtype=x.dtype)))


class CountsInEvaluation(Scale):
    def forward(self, x: Any) -> Any:
        out = super().forward(x)
        self.seen.data = self.seen.data + 1
        return out


class DrawsElsewhere(Scale):
    generator = np.random.default_rng(0)

    def forward(self, x: Any) -> Any:
        return super().forward(x) + (float(self.generator.random()) if self.training else 0.0)


class ForgetsAnOption(Scale):
    def extra_repr(self) -> str:
        return f"{self.weight.shape[0]}"


class Unregistered(Scale):
    def __init__(self, size: int, factor: float = 2.0, *, dtype: Any = None) -> None:
        super().__init__(size, factor, dtype=dtype)
        self.hidden = Tensor(ac.random.normal(size=size, dtype=dtype or np.float32))

    def scaled(self, x: Any) -> Any:
        return super().scaled(x) + self.hidden


class Closure(Scale):
    def __init__(self, size: int, factor: float = 2.0, *, dtype: Any = None) -> None:
        super().__init__(size, factor, dtype=dtype)
        self.scaled = lambda x: x * self.weight


class TakesAnything(Scale):
    def forward(self, x: Any) -> Any:
        return x


class NeedsSamples(Scale):
    def scaled(self, x: Any) -> Any:
        return super().scaled(x) * (1 + 0 * x.max())


class Converts(Scale):
    def scaled(self, x: Any) -> Any:
        return super().scaled(x) + np.asarray(ac.stop_gradient(x).data)


class Records(Scale):
    """Where nothing is to be recorded, too."""

    def scaled(self, x: Any) -> Any:
        with ac.enable_grad():
            return super().scaled(x)


BAD = Bad(ShapeError, "must have 3 columns", inputs=(real(4, 2),))


def case(layer: Any) -> Case:
    options = {"args": (3, 1.5), "moded": True, "random": True, "torch": None, "bad": (BAD,)}
    return Case(layer.__name__, layer, (real(4, 3),), **options)


CHECKS = {
    "gradients": lambda c, path: [checks.check_gradients(c, mode) for mode in ("train", "eval")],
    "repr": lambda c, path: checks.check_repr(c),
    "state": checks.check_state,
    "float32": lambda c, path: checks.check_float32(c),
    "default dtype": lambda c, path: checks.check_default_dtype(c),
    "modes": lambda c, path: checks.check_modes(c),
    "seed": lambda c, path: checks.check_seed(c),
    "bad": lambda c, path: checks.check_bad(c, BAD),
    "empty": lambda c, path: checks.check_empty(c),
    "no_grad": lambda c, path: checks.check_no_grad(c),
    "deepcopy": lambda c, path: checks.check_deepcopy(c),
    "ducks": lambda c, path: checks.check_ducks(c),
}
WRONG = [
    (CutInput, "gradients", "in argument 0 must equal the numerical one"),
    (CutParameter, "gradients", "in argument 1 must equal the numerical one"),
    (LeavesTheGraph, "gradients", "in argument 0 must equal the numerical one"),
    (Widens, "float32", "the output is float64"),
    (WidensInside, "float32", "\\['multiply'\\] are float64"),
    (WidensBuffer, "float32", "'seen'.*float64"),
    (WideByDefault, "default dtype", "'weight': 'float64'"),
    (IgnoresTraining, "modes", "a random layer must draw in training"),
    (AlwaysDraws, "modes", "evaluation must be repeatable"),
    (CountsInEvaluation, "modes", "evaluation changed seen"),
    (DrawsElsewhere, "seed", "not equal"),
    (ForgetsAnOption, "repr", "an option is missing in ForgetsAnOption\\(3\\)"),
    (Unregistered, "state", "not equal"),
    (Closure, "deepcopy", "the copy's gradient went into the original"),
    (TakesAnything, "bad", "DID NOT RAISE ShapeError"),
    (NeedsSamples, "empty", "got shapes \\(0, 3\\)"),
    (Records, "no_grad", "recorded under no_grad"),
    (Converts, "ducks", "was asked for its values"),
]


@pytest.mark.parametrize("check", CHECKS)
def test_the_right_layer_passes(check: str, tmp_path: Any) -> None:
    CHECKS[check](case(Scale), tmp_path / "scale.safetensors")


@pytest.mark.parametrize(("layer", "check", "message"), WRONG)
def test_a_wrong_layer_is_rejected(layer: Any, check: str, message: str, tmp_path: Any) -> None:
    with pytest.raises((AssertionError, AutogradError, TypeError, pytest.fail.Exception), match=message):
        CHECKS[check](case(layer), tmp_path / "wrong.safetensors")


def test_every_check_rejects_something() -> None:
    assert {check for _, check, _ in WRONG} == set(CHECKS)


def test_a_difference_of_the_thirteenth_digit_passes_and_of_the_eleventh_does_not() -> None:
    expected = measured(next(c for c in CASES if c.name == "Linear"))
    for factor, passes in ((1 + 1e-13, True), (1 + 1e-11, False)):
        for name in expected:
            errors = judged(expected | {name: expected[name] * factor}, expected)
            assert (max(errors.values()) <= TOLERANCES["float64"]) == passes
    with pytest.raises(AssertionError, match="float32"):
        judged({"a": np.ones(3, np.float32)}, {"a": np.ones(3)})
    with pytest.raises(AssertionError, match="shape"):
        judged({"a": np.ones((3, 1))}, {"a": np.ones(3)})
    assert judged({"a": np.full(3, 1e-30)}, {"a": np.zeros(3)})["a"] == np.inf
