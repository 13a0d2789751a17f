"""What a compiled function cannot do is said, with the reason and the way out, and changes nothing."""

import importlib.util

import numpy as np
import pytest

import autograd_core as ac
import nn
import optim
from autograd_core import Tensor
from autograd_core.errors import ArgumentError, GraphError, ShapeError, TraceError

ONES = Tensor(np.ones(3))
LEAF = Tensor(np.ones(3), requires_grad=True)


def branch(x):
    return x if x.sum() > 0 else -x


def assigned(x):
    out = np.zeros(3)
    out[...] = x
    return out


def written(x):
    view = x[1:]
    with ac.no_grad():
        x += 1
    return view


def augmented(x):
    a = x.data
    a += 1


def recorded(x):
    buffer = ONES
    buffer[0] = LEAF[0]


CASES = {
    "branch": (branch, "cannot branch on it or take it out, got a condition \\(if, while, and, or, not\\)"),
    "float": (lambda x: float(x.sum()), "float\\(\\) of an array of shape \\(\\)"),
    "int": (lambda x: int(x.sum()), "int\\(\\)"),
    "index": (lambda x: [1, 2][x.data.argmax()], "an index or a count"),
    "item": (lambda x: x.item(), ".item\\(\\)"),
    "item of a constant": (lambda x: ONES.sum().item() + x, ".item\\(\\)"),
    "value of a captured tensor": (lambda x: float(ONES[0]) * x, "float\\(\\)"),
    "tolist": (lambda x: x.tolist(), ".tolist\\(\\)"),
    "asarray": (lambda x: np.asarray(x), "np.asarray"),
    "assignment": (assigned, "an assignment into another array"),
    "array written": (lambda x: x.data.__setitem__(0, 1.0), "must not be written into, got a\\[i\\] = v"),
    "fill": (lambda x: x.data.fill(1.0), "must not be written into, got .fill\\(\\)"),
    "augmented": (augmented, "must not be written into, got add"),
    "out": (lambda x: np.add(x.data, 1, out=np.zeros(3)), "must not be written into, got add"),
    "mask": (lambda x: x[x > 0], "a shape must not depend on values, got an index of booleans"),
    "nonzero": (lambda x: np.nonzero(x.data), "a shape must not depend on values, got np.nonzero"),
    "no array": (lambda x: np.array_equal(x.data, x.data), "array_equal with a bool as result"),
    "view written": (written, "must not share its memory with a view, got \\+="),
    "recorded write": (recorded, "must not become part of its graph, got t\\[i\\] = v"),
    "requires_grad": (lambda x: setattr(LEAF, "requires_grad", False), "requires_grad of a Tensor from outside"),
    "hook": (lambda x: LEAF.register_hook(print), "the hooks of a Tensor from outside"),
    "attribute": (lambda x: x.data.strides, "the attributes that NumPy has functions for, got .strides"),
    "seed": (lambda x: ac.random.seed(1), "random.seed: the generator's state must stay outside"),
    "get_state": (lambda x: ac.random.get_state(), "random.get_state: the generator's state must stay outside"),
    "set_state": (lambda x: ac.random.set_state({}), "random.set_state: the generator's state must stay outside"),
}


@pytest.mark.parametrize("name", CASES)
def test_messages(name):
    f, match = CASES[name]
    with pytest.raises(TraceError, match=match) as caught:
        ac.compile(f)(Tensor(np.ones(3)))
    assert "test_compile_errors.py:" in str(caught.value)


def test_unknown_back_ends_are_refused_and_a_missing_package_named(monkeypatch):
    with pytest.raises(ArgumentError, match=r"backend must be 'numpy', 'numba' or None .*, got 'torch'"):
        ac.compile(np.exp, backend="torch")
    with pytest.raises(ArgumentError, match="got 'torch'"):
        ac.compile(backend="torch")
    with pytest.raises(ArgumentError, match="must be a function or a module, got int"):
        ac.compile(3)
    from autograd_core.compiler import backends

    monkeypatch.setattr(backends, "_is_there", lambda name: False)
    with pytest.raises(ArgumentError, match="pip install autograd-core\\[compile\\]"):
        ac.compile(np.exp, backend="numba")
    assert ac.compile(np.exp).backend == "numpy"
    assert importlib.util.find_spec("numpy") is not None


def test_a_failed_recording_changes_nothing():
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    optimizer = optim.Adam(model.parameters())
    before = {k: v.copy() for k, v in model.state_dict().items()}
    grads = [p.grad for p in model.parameters()]
    draws = ac.random.get_state()

    def step(x):
        model(x + ac.random.normal(size=x.shape)).sum().backward()
        optimizer.step()
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        ac.compile(step)(np.ones((4, 3), np.float32))
    for key, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[key])
    assert [p.grad for p in model.parameters()] == grads
    assert not optimizer.state and ac.random.get_state() == draws


@pytest.mark.parametrize(
    ("loss", "bad", "match"),
    [
        (nn.CrossEntropyLoss(), np.array([0, 1, 5]), "class indices must be in \\[0, 3\\).*got label 5 at position 2"),
        (nn.NLLLoss(), np.array([0, -1, 1]), "got label -1 at position 1"),
        (nn.BCEWithLogitsLoss(), np.full((3, 3), 2.0), "every label must be in \\[0, 1\\]"),
        (nn.KLDivLoss(), np.full((3, 3), -2.0), "probabilities must be at least 0"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_values_are_checked_in_every_run(loss, bad, match):
    good = np.zeros_like(bad)
    x = Tensor(np.random.RandomState(0).uniform(size=(3, 3)))
    f = ac.compile(loss)
    f(x, good)
    with pytest.raises(ArgumentError, match=match):
        f(x, bad)
    with pytest.raises(ArgumentError, match=match):  # the one that is recorded first
        ac.compile(loss)(x, bad)


def test_indices_and_computed_probabilities_are_checked_in_every_run():
    embedding = ac.compile(nn.Embedding(4, 2))
    embedding(np.array([0, 3]))
    with pytest.raises(ArgumentError, match="indices must be in \\[0, 4\\), got 4 at position 1"):
        embedding(np.array([0, 4]))
    loss = ac.compile(lambda x, y: nn.functional.binary_cross_entropy(x * 2, y))
    loss(Tensor(np.full(3, 0.25)), np.ones(3))
    with pytest.raises(ArgumentError, match="every probability must be in \\[0, 1\\]"):
        loss(Tensor(np.full(3, 0.75)), np.ones(3))


def test_backward_inside_must_end_at_leaves():
    outside = 2 * LEAF
    with pytest.raises(TraceError, match="must end at leaves, got a Tensor of shape \\(3,\\) that was computed"):
        ac.compile(lambda x: (x * outside).sum().backward())(Tensor(np.ones(3)))
    with pytest.raises(TraceError, match="must end at leaves"):
        ac.compile(lambda x: x.sum().backward())(outside)


def test_an_array_that_escaped_is_refused():
    kept = []
    f = ac.compile(lambda x: kept.append(x * 2))
    f(np.ones(3))
    with pytest.raises(TraceError, match="must not be used after its recording, got one in add"):
        kept[0] + 1


def test_shared_memory_is_refused():
    a = Tensor(np.ones(4))
    b = a.detach()

    def f(x):
        with ac.no_grad():
            a[:2] = x
        return b * 1

    with pytest.raises(TraceError, match="must not share memory with what else it uses"):
        ac.compile(f)(np.zeros(2))
    np.testing.assert_array_equal(a.data, np.ones(4))


def test_a_step_with_effects_is_not_differentiated_twice():
    w = Tensor(np.ones(3), requires_grad=True)
    count = Tensor(np.zeros(()))

    def f(x):
        with ac.no_grad():
            count[...] = count + 1
        return (x**2 * w).sum()

    x = Tensor(np.ones(3), requires_grad=True)
    with pytest.raises(GraphError, match="differentiated twice must have no effects"):
        ac.compile(f)(x).backward(create_graph=True)


def test_what_numpy_refuses_is_refused_in_the_same_words():
    with pytest.raises(ShapeError, match="got shapes \\(3,\\) and \\(2,\\)"):
        ac.compile(lambda x: x + np.ones(2))(Tensor(np.ones(3)))


def test_averages_and_schedules_belong_outside():
    w = Tensor(np.ones(3), requires_grad=True)
    ema, optimizer = optim.ExponentialMovingAverage([w]), optim.SGD([w], lr=0.1)
    things = [ema.update, optim.StepLR(optimizer, 1).step, lambda: optim.RunningAverage(0.9).update(1.0)]
    things += [lambda: optim.SimpleMovingAverage(2).update(1.0)]
    for call in things:
        with pytest.raises(TraceError, match="it must be called outside of a compiled function"):
            ac.compile(lambda x, call=call: call())(np.ones(3))
