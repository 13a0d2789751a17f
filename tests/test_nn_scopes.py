"""The module that an operation ran in, as its Node knows it; and who keeps a model alive."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import autograd_core as ac
import nn
from autograd_core import Node, Tensor


class Net(nn.Module):
    def __init__(self) -> None:
        self.body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm(4), nn.Tanh())
        self.head = nn.Linear(4, 2, bias=False)

    def forward(self, x: Any) -> Any:
        return self.head(self.body(x))


def nodes(out: Tensor) -> Iterator[Node]:
    stack, seen = [out._node], set()
    while stack:
        node = stack.pop()
        if isinstance(node, Node) and id(node) not in seen:
            seen.add(id(node))
            yield node
            stack.extend(node.parents)


def scopes(out: Tensor) -> set[tuple[str, str]]:
    return {(node.op.name, node.scope) for node in nodes(out)}


def test_nodes_know_their_module() -> None:
    net = Net()
    found = scopes(net(Tensor(np.random.default_rng(0).normal(size=(5, 3)))) * 2.0)
    assert {("inner", "body.0"), ("inner", "head"), ("square", "body.1"), ("tanh", "body.2")} <= found
    assert ("multiply", "") in found


def test_scope_follows_the_caller_and_ends_with_the_call() -> None:
    outer = nn.Sequential(Net())
    x = Tensor(np.random.default_rng(0).normal(size=(5, 3)))
    assert ("inner", "0.head") in scopes(outer(x))
    assert ("inner", "0.head") in scopes(outer(x))  # from the cached state
    assert ("inner", "head") in scopes(outer[0].head(Tensor(np.ones((1, 4)))))
    assert ac.context.current().scope == ""


def test_scope_keeps_the_callers_modes_and_ends_after_an_error() -> None:
    net = nn.Sequential(nn.Linear(3, 2))
    with ac.no_grad():
        assert not net(Tensor(np.ones((1, 3)))).requires_grad
    assert net(Tensor(np.ones((1, 3)))).requires_grad
    with pytest.raises(ac.errors.ShapeError, match=r"module 0\)"):
        net(Tensor(np.ones((1, 4))))
    assert ac.context.current().scope == ""


def test_scopes_of_threads_do_not_mix() -> None:
    net = Net()
    x = Tensor(np.random.default_rng(0).normal(size=(5, 3)))
    reference = scopes(net(x))
    found: list[set[tuple[str, str]]] = []

    def work(frozen: bool) -> None:
        for _ in range(20):
            if frozen:
                with ac.no_grad():
                    net(x)
            else:
                found.append(scopes(net(x)))

    threads = [threading.Thread(target=work, args=(i == 0,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 40
    assert all(f == reference for f in found)


def test_no_cycle_keeps_a_model_or_its_graph_alive() -> None:
    gc.collect()
    gc.disable()
    try:
        net = Net()
        out = net(np.random.default_rng(0).normal(size=(5, 3)))
        out.sum().backward()
        model, node = weakref.ref(net), weakref.ref(out._node)
        del net, out
        assert model() is None
        assert node() is None
    finally:
        gc.enable()
