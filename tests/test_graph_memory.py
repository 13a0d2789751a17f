"""What a graph keeps alive, and for how long."""

import gc
import sys
import weakref
from contextlib import suppress

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor
from autograd_core.errors import NonFiniteError, ShapeError


def leaf(*data):
    return Tensor(np.array(data), requires_grad=True)


def test_no_cycle_keeps_a_graph_alive():
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        y = np.exp(x * 2)
        z = (y[0] * y.reshape(2, 1)).sum()
        watched = [weakref.ref(n) for n in (y._node, z._node)] + [weakref.ref(y), weakref.ref(z), weakref.ref(y.data)]
        z.backward(create_graph=True)
        x.grad = None
        del y, z
        assert [r() for r in watched] == [None] * 5
    finally:
        gc.enable()


def test_a_failed_operation_leaves_no_cycle():
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0, 2.0) * 2
        watched = weakref.ref(x)
        with suppress(ShapeError):
            x + np.ones(3)
        del x
        assert watched() is None
    finally:
        gc.enable()


def test_an_intermediate_value_that_no_rule_needs_is_freed_at_once():
    x = leaf(*np.ones(10))
    y = x + 1
    watched = weakref.ref(y.data)
    z = y + 2
    del y
    assert watched() is None, "add keeps nothing"
    e = np.exp(z)
    kept = weakref.ref(e.data)
    out = e.sum()
    del e
    assert kept() is not None, "exp keeps its output"
    out.backward()
    assert kept() is None, "backward frees it, while the graph is still there"
    assert out._node is not None


def test_backward_frees_as_it_goes():
    x = leaf(*np.ones(10))
    c = x * 2
    a = np.exp(x)  # recorded after c, so its turn in the sweep comes before c's
    watched = weakref.ref(a.data)
    alive = []
    c.register_hook(lambda g: alive.append(watched() is not None))
    total = (a + c).sum()
    del a
    assert watched() is not None
    total.backward()
    assert alive == [False]


DEPTH = 100_000


def test_a_deep_chain_needs_no_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(DEPTH):
        y = y + 1.0
    assert sys.getrecursionlimit() < DEPTH
    y.sum().backward()
    assert x.grad.item() == 1
    value, tangent = ac.jvp(lambda x: chain(x), (np.array(1.0),), (np.array(2.0),))
    assert tangent == 2
    del y, value


def chain(x):
    for _ in range(DEPTH):
        x = x * 1.0
    return x


def test_a_deep_chain_is_freed_without_recursion():
    x = leaf(1.0)
    y = chain(x)
    first = weakref.ref(y._node)
    del y
    assert first() is None


def test_anomaly_in_a_deep_graph_names_the_line():
    x = leaf(0.0)
    with (
        ac.anomaly_mode(),
        np.errstate(divide="ignore"),
        pytest.raises(NonFiniteError, match=r"^sqrt \(backward\): gradients must be finite"),
    ):
        np.sqrt(x).sum().backward()
