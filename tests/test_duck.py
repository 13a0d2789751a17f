"""Every operator on an array type that is not NumPy's: a rule that leaves the protocols fails here."""

import numpy as np
import pytest

import autograd_core as ac
import nn
import optim
from autograd_core import Tensor
from duck import DuckArray, unwrap, wrap
from registry_cases import ALL, DIFFERENTIABLE


def ducks(arrays):
    return [Tensor(DuckArray(a), requires_grad=True) for a in arrays]


def plain(tensor):
    assert isinstance(tensor, Tensor)
    assert isinstance(tensor.data, DuckArray), "the result must be of the operands' array type"
    return unwrap(tensor.data)


@pytest.mark.parametrize("how", ["__array__", "float", "int", "bool", "setitem", "iter"])
def test_the_duck_refuses(how):
    duck = DuckArray([1.0, 2.0])
    attempts = {
        "__array__": lambda: np.asarray(duck),
        "float": lambda: float(duck[0]),
        "int": lambda: int(duck[0]),
        "bool": lambda: bool(duck[0] > 0 and duck[0]),
        "setitem": lambda: exec("duck[0] = 1.0", {"duck": duck}),
        "iter": lambda: list(duck),
    }
    with pytest.raises(TypeError):
        attempts[how]()


@pytest.mark.parametrize("case", [c for c in ALL if any(isinstance(x, np.ndarray) for x in c.operands)], ids=str)
def test_forward(case):
    operands = [Tensor(DuckArray(x)) if isinstance(x, np.ndarray) else x for x in case.operands]
    out = case.call_with(operands)
    expected = case.plain(case.arrays())
    for y, e in zip(out if case.op.multiple else (out,), expected, strict=True):
        np.testing.assert_array_equal(plain(y), e)


def backward(case, tensors, cotangents, create):
    outputs = case.call(tensors)
    if len(outputs) == 1 and not create:
        outputs[0].backward(cotangents[0])
    else:
        sum(np.sum(y * c) for y, c in zip(outputs, cotangents, strict=True)).backward(create_graph=create)
    return [t.grad for t in tensors]


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=str)
def test_backward(case):
    expected = backward(case, [Tensor(a, requires_grad=True) for a in case.arrays()], case.cotangents(), False)
    actual = backward(case, ducks(case.arrays()), wrap(case.cotangents()), False)
    for g, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(plain(g), e.data, rtol=1e-14)


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=str)
def test_double_backward(case):
    def second(tensors, cotangents):
        total = sum(np.sum(g * g) for g in backward(case, tensors, cotangents, True))
        for t in (*tensors, *cotangents):
            t.grad = None
        if total.requires_grad:
            total.backward()
        return [t.grad for t in (*tensors, *cotangents)]

    cotangents = case.cotangents()
    expected = second(
        [Tensor(a, requires_grad=True) for a in case.arrays()], [Tensor(c, requires_grad=True) for c in cotangents]
    )
    actual = second(ducks(case.arrays()), ducks(cotangents))
    for g, e in zip(actual, expected, strict=True):
        assert (g is None) == (e is None)
        if g is not None:
            np.testing.assert_allclose(plain(g), e.data, rtol=1e-13, atol=1e-14)


def batch_norm(x, gamma, beta):
    centred = x - np.mean(x, axis=0)
    return gamma * (centred / np.sqrt(np.mean(centred * centred, axis=0) + 1e-5)) + beta


def test_batch_norm_from_primitives():
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(6, 3)), rng.normal(size=3), rng.normal(size=3)]
    weights = rng.normal(size=(6, 3))
    gradients = ac.grad(lambda *xs: np.sum(batch_norm(*xs) * weights), argnums=(0, 1, 2))
    for g, e in zip(gradients(*map(DuckArray, arrays)), gradients(*arrays), strict=True):
        assert isinstance(g, DuckArray)
        np.testing.assert_allclose(unwrap(g), e, rtol=1e-12)


def test_forward_mode_and_hessian():
    x = np.array([0.5, -1.0, 2.0])

    def f(x):
        return np.sum(np.tanh(x) * np.exp(x)) + np.prod(x) + ac.logsumexp(x)

    value, tangent = ac.jvp(f, (DuckArray(x),), (DuckArray(np.ones(3)),))
    expected = ac.jvp(f, (x,), (np.ones(3),))
    np.testing.assert_allclose(unwrap(value), expected[0], rtol=1e-14)
    np.testing.assert_allclose(unwrap(tangent), expected[1], rtol=1e-14)
    np.testing.assert_allclose(unwrap(ac.hessian(f)(DuckArray(x))), ac.hessian(f)(x), rtol=1e-12)


def test_an_assignment_on_a_duck_gives_a_new_value():
    x = Tensor(DuckArray([1.0, 2.0, 3.0]), requires_grad=True)
    y = x * 2
    y[1] = 5.0
    np.sum(y * y).backward()
    np.testing.assert_array_equal(plain(x.grad), [8.0, 0.0, 24.0])


def trained(kind):
    """Parameters and running statistics after three steps of Adam on a network with batch normalization."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 4)).astype(np.float32), rng.normal(size=(8, 2)).astype(np.float32)
    ac.random.seed(0)
    model = nn.Sequential(nn.BatchNorm(4), nn.Linear(4, 2))
    for tensor in [*model.parameters(), *model.buffers()]:
        tensor.data = kind(tensor.data)
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        nn.MSELoss()(model(Tensor(kind(x))), Tensor(kind(y))).backward()
        optimizer.step()
    return [t.data for t in [*model.parameters(), *model.buffers()]]


def test_batch_norm_and_adam_train_as_on_numpy():
    start = [t.data for t in nn.Sequential(nn.BatchNorm(4), nn.Linear(4, 2)).parameters()]
    expected = trained(lambda a: a)
    assert not np.array_equal(expected[0], start[0])
    for actual, e in zip(trained(DuckArray), expected, strict=True):
        assert isinstance(actual, DuckArray) and actual.dtype == e.dtype
        np.testing.assert_array_equal(unwrap(actual), e)
