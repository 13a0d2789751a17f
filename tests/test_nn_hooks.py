"""Forward hooks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_core as ac
import nn
from autograd_core import Tensor
from nn.module import Module


def test_forward_hooks_see_and_replace() -> None:
    layer = nn.Sequential(nn.Tanh())[0]
    seen: list[Any] = []

    def before(module: Module, args: Any) -> Any:
        seen.append((module, args))
        return args[0] + 1

    def after(module: Module, args: Any, out: Any) -> Any:
        seen.append((args, out))
        return out * 2

    first = layer.register_forward_pre_hook(before)
    second = layer.register_forward_hook(after)
    watcher = layer.register_forward_hook(lambda m, a, out: None)
    x = Tensor(np.array([0.5]))
    np.testing.assert_allclose(layer(x).data, 2 * np.tanh(1.5))
    assert seen[0] == (layer, (x,))
    assert seen[1][0][0].data == 1.5
    first.remove()
    first.remove()
    np.testing.assert_allclose(layer(x).data, 2 * np.tanh(0.5))
    second.remove()
    watcher.remove()
    np.testing.assert_allclose(layer(x).data, np.tanh(0.5))
    assert layer._hooks is None


def test_hooks_run_in_their_order_and_are_removed_one_by_one() -> None:
    layer = nn.Tanh()
    order: list[str] = []

    def named(name: str) -> Any:
        return lambda *args: order.append(name)

    same = named("same")
    first = layer.register_forward_hook(same)
    second = layer.register_forward_hook(same)
    layer.register_forward_hook(named("front"), prepend=True)
    layer.register_forward_pre_hook(named("pre 2"))
    layer.register_forward_pre_hook(named("pre 1"), prepend=True)
    layer(np.ones(1))
    assert order == ["pre 1", "pre 2", "front", "same", "same"]
    second.remove()
    order.clear()
    layer(np.ones(1))
    assert order == ["pre 1", "pre 2", "front", "same"], "the other registration of the same function stays"
    first.remove()
    with layer.register_forward_hook(named("inside")) as handle:
        order.clear()
        layer(np.ones(1))
        assert order == ["pre 1", "pre 2", "front", "inside"]
        handle.remove()
    order.clear()
    layer(np.ones(1))
    assert order == ["pre 1", "pre 2", "front"]


def test_a_hook_may_remove_itself() -> None:
    layer = nn.Tanh()
    calls: list[int] = []

    def once(*args: Any) -> None:
        calls.append(1)
        handle.remove()

    handle = layer.register_forward_hook(once)
    layer.register_forward_hook(lambda *args: calls.append(2))
    layer(np.ones(1))
    layer(np.ones(1))
    assert calls == [1, 2, 2]
    calls.clear()
    handle = layer.register_forward_pre_hook(once)
    layer.register_forward_pre_hook(lambda *args: calls.append(0))
    layer(np.ones(1))
    layer(np.ones(1))
    assert calls == [1, 0, 2, 0, 2]


class Scaled(Module):
    def forward(self, x: Any, *, factor: float = 1.0) -> Any:
        return x * factor


def test_hooks_with_keyword_arguments() -> None:
    layer = Scaled()
    seen: list[Any] = []
    layer.register_forward_pre_hook(lambda m, args, kwargs: (args, {"factor": 3.0}), with_kwargs=True)
    layer.register_forward_pre_hook(lambda m, args, kwargs: seen.append(kwargs), with_kwargs=True)
    layer.register_forward_hook(lambda m, args, kwargs, out: seen.append((args, kwargs, out)), with_kwargs=True)
    assert layer(2.0, factor=5.0) == 6.0
    assert seen == [{"factor": 3.0}, ((2.0,), {"factor": 3.0}, 6.0)]
    layer.register_forward_pre_hook(lambda m, args, kwargs: kwargs, with_kwargs=True)
    with pytest.raises(
        ac.AutogradError, match=r"must return None or \(args, kwargs\), a tuple and a dict, got dict"
    ) as e:
        layer(2.0)
    assert "called at test_nn_hooks.py:" in str(e.value)


@pytest.mark.parametrize("method", ["register_forward_hook", "register_forward_pre_hook"])
def test_a_hook_is_a_function(method: str) -> None:
    layer = nn.Tanh()
    with pytest.raises(ac.errors.ArgumentError, match=rf"^{method}: the hook must be a function, got int; e.g. lambda"):
        getattr(layer, method)(3)
    assert layer._hooks is None


def test_hooks_that_are_always_called_are_not_offered() -> None:
    layer = nn.Tanh()
    layer.register_forward_hook(lambda *_: None, always_call=False)
    with pytest.raises(ac.errors.ArgumentError, match="always_call must be False, got True"):
        layer.register_forward_hook(lambda *_: None, always_call=True)
