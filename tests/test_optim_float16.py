"""float16 parameters: updated in float32 and rounded once a step."""

from __future__ import annotations

import numpy as np
import pytest

import autograd_core as ac
import optim
from autograd_core import Tensor
from autograd_core.errors import ArgumentError
from duck import DuckArray

MAKE = {
    "SGD": lambda p: optim.SGD(p, 1e-3, momentum=0.9),
    "Momentum": lambda p: optim.Momentum(p, 1e-3),
    "Adagrad": lambda p: optim.Adagrad(p, 0.1),
    "RMSprop": lambda p: optim.RMSprop(p, 0.1, centered=True),
    "Adadelta": lambda p: optim.Adadelta(p, 1.0, form="zeiler"),
    "Adam": lambda p: optim.Adam(p, 0.1, amsgrad=True),
    "AdamW": lambda p: optim.AdamW(p, 0.1),
    "NAdam": lambda p: optim.NAdam(p, 0.1),
}
# The squares of the first overflow in float16, and those of the second vanish.
SIZES = [300.0, 1e-4, 30.0, 300.0]
LAYOUTS = {
    "small": lambda dtype: [np.ones((3, 4), dtype), np.ones((), dtype)],
    "large": lambda dtype: [np.ones((300, 200), dtype)],
    "F": lambda dtype: [np.ones((300, 200), dtype, order="F")],
    "strided": lambda dtype: [np.ones((300, 400), dtype)[:, ::2]],
}


def trained(name, layout, dtype, wrap=lambda a: a, compiled=False):
    params = [Tensor(wrap(array), requires_grad=True) for array in LAYOUTS[layout](dtype)]
    optimizer = MAKE[name](params)

    def step(g):
        for p in params:
            p.grad = g * np.ones(p.shape, dtype) if compiled else Tensor(wrap(np.full(p.shape, g.data, dtype)))
        optimizer.step()

    function = ac.compile(step) if compiled else step
    for size in SIZES:
        function(Tensor(np.array(size, dtype)))
    return optimizer, [p.data for p in params]


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("how", ["step", "compiled", "foreign"])
def test_a_step_is_that_of_float32_rounded(name, layout, how):
    _, wanted = trained(name, layout, np.float32)
    wrap = DuckArray if how == "foreign" else lambda a: a
    optimizer, got = trained(name, layout, np.float16, wrap, how == "compiled")
    for a, b in zip(got, wanted, strict=True):
        a = a._array if how == "foreign" else a
        assert a.dtype == np.float16
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3)
    states = [s for held in optimizer.state.values() for key, s in held.items() if key not in optimizer.scalars]
    assert states and all(s.dtype == np.float32 for s in states)


def test_states_that_were_saved_as_float16_are_taken_over():
    optimizer, _ = trained("Adam", "small", np.float16)
    saved = optimizer.state_dict()
    old = saved | {
        "state": {
            i: {key: value.astype(np.float16) if key == "grad_sum" else value for key, value in state.items()}
            for i, state in saved["state"].items()
        }
    }
    for states in (saved, old):
        again, _ = trained("Adam", "small", np.float16)
        again.load_state_dict(states)
        for i, state in again.state_dict()["state"].items():
            for key, value in state.items():
                np.testing.assert_array_equal(value, states["state"][i][key])
                assert key in again.scalars or value.dtype == np.float32
    wrong = saved | {"state": {0: {k: np.asarray(v, np.float64) for k, v in saved["state"][0].items()}}}
    with pytest.raises(
        ArgumentError, match=r"the dtype of 'grad_sum' of parameter 0 must be .*float32.* got .*float64"
    ):
        optimizer.load_state_dict(wrong)
