"""Jacobians by batches of cotangents and tangents: the same as one by one, for every operator of the registry."""

import warnings

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor, op
from autograd_core.batching import BATCHED_FUNCTIONS, Batched, CannotBatchError
from autograd_core.transforms import jacobians
from registry_cases import DIFFERENTIABLE

RNG = np.random.default_rng(0)
SEVERAL = [  # one element travels by itself
    (case, mode)
    for case in DIFFERENTIABLE
    for mode in ("rev", "fwd")
    if max(np.size(y) for y in (case.plain(case.arrays()) if mode == "rev" else case.arrays())) > 1
]


def one_by_one(monkeypatch, f):
    with monkeypatch.context() as patch:
        patch.setattr(jacobians, "_chunk", lambda traced, create: 1)
        return f()


@pytest.mark.parametrize(("case", "mode"), SEVERAL, ids=str)
def test_a_batch_equals_the_loop(case, mode, monkeypatch, attempts):
    arrays = case.arrays()
    jac = ac.jacobian(lambda *xs: case.call(list(xs)), argnums=tuple(range(len(arrays))), mode=mode)
    batched = jac(*arrays)
    assert attempts and all(a is True for a in attempts), f"{case} went to the loop: {attempts}"
    single = one_by_one(monkeypatch, lambda: jac(*arrays))
    for block, expected in zip(batched, single, strict=True):
        for b, e in zip(block, expected, strict=True):
            assert b.shape == e.shape and b.dtype == e.dtype
            np.testing.assert_allclose(b, e, rtol=1e-12, atol=1e-12 * np.max(np.abs(e), initial=1.0))


# -- the functions themselves ----------------------------------------------------------------------------------------

A = RNG.uniform(0.5, 1.5, (5, 3, 4))  # five members of shape (3, 4)
B = RNG.uniform(0.5, 1.5, (5, 4))
S = RNG.uniform(0.5, 1.5, 5)
Q = RNG.normal(size=(5, 3, 3)) + 3 * np.eye(3)
M = RNG.uniform(0.5, 1.5, (4, 2))
W = np.array([0.5, 1.0, 2.0, 4.0])
INDEX = np.array([[2, 0], [1, 1]])


def quiet(ufunc):
    def call(*args, **kwargs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of memory that is left as it was: there is none here
            return ufunc(*args, **kwargs)

    return call


CALLS = {
    "ufunc": (lambda a, b, s: a * b + s, A, B, S),
    "ufunc of a wider constant": (lambda b: np.ones((2, 3, 1)) * b, B),
    "ufunc, where": (lambda a, b: quiet(np.add)(a, b, where=np.array([True])), A, B),
    "ufunc, two results": (lambda a: np.modf(a * 3), A),
    "comparison": (lambda a, b: a > b, A, B),
    "power and division": (lambda a: 2.0 / a**2 - a // 0.4, A),
    "reduce": (lambda a: np.add.reduce(a), A),
    "reduce by position": (lambda a: np.add.reduce(a, -1), A),
    "reduce, all": (lambda a: np.maximum.reduce(a, axis=None, keepdims=True), A),
    "reduce, axes": (lambda a: np.add.reduce(a, axis=(0, -1)), A),
    "accumulate": (lambda a: np.multiply.accumulate(a, axis=1), A),
    "outer": (lambda b: np.multiply.outer(b, W), B),
    "reduceat": (lambda b: np.add.reduceat(b, [0, 2]), B),
    "sum": (lambda a: np.sum(a), A),
    "sum, axis": (lambda a: np.sum(a, axis=1, keepdims=True) + a.sum(-1)[:, None] + a.mean(axis=(0, 1)), A),
    "prod, var, std": (lambda a: np.prod(a, 0) + np.var(a, axis=-2, ddof=1) + np.std(a, axis=0) + np.ptp(a), A),
    "max, min": (lambda a: np.max(a, axis=0) - np.min(a), A),
    "argmax": (lambda a: np.argmax(a, axis=-1), A),
    "argmax, flat": (lambda a: np.argmin(a), A),
    "cumsum": (lambda a: np.cumsum(a, axis=0) + np.cumprod(a, -1), A),
    "cumsum, flat": (lambda a: np.cumsum(a), A),
    "sort": (lambda a: np.sort(a, axis=0) + np.sort(a) + np.argsort(a), A),
    "median": (lambda a: np.median(a, axis=0), A),
    "flip, roll": (lambda a: np.flip(a) + np.flip(a, 0) + np.roll(a, 1, -1) + np.roll(a, (1, 2), (0, 1)), A),
    "roll, flat": (lambda a: np.roll(a, 5), A),
    "diff": (lambda a: np.diff(a, axis=0) + np.diff(a, 2, 0, prepend=a[:1]), A),
    "reshape": (lambda a: np.reshape(a, (2, -1)) + a.reshape(2, 6) + np.reshape(a, -1)[:6], A),
    "reshape by columns": (lambda a: np.reshape(a, (4, 3), order="F"), A),
    "reshape of nothing": (lambda a: np.reshape(a[:0], (0, 2, 2)), A),
    "ravel": (lambda a: np.ravel(a) + a.ravel(order="F"), A),
    "transpose": (lambda a: np.transpose(a) + a.T + a.transpose(1, 0) + a.transpose() + np.swapaxes(a, 0, -1), A),
    "transpose of three": (lambda a: np.transpose(np.expand_dims(a, 0), (2, 0, -2)), A),
    "moveaxis": (lambda a: np.moveaxis(np.expand_dims(a, (0, -1)), (0, -1), (-1, 0)), A),
    "squeeze": (lambda a: np.squeeze(a[:, :1]) + np.squeeze(a[:, :1], 1) + np.squeeze(a[:, :1], (-1,)), A),
    "broadcast_to": (lambda b: np.broadcast_to(b, (2, 3, 4)), B),
    "broadcast_to of a number": (lambda s: np.broadcast_to(s, 3), S),
    "concatenate": (lambda a, b: np.concatenate([a, b[None], np.zeros((1, 4))]) + 0, A, B),
    "concatenate, axis": (lambda a: np.concatenate([a, a, np.zeros((3, 1))], axis=-1), A),
    "concatenate, flat": (lambda a, b: np.concatenate([a, b], axis=None), A, B),
    "stack": (lambda b: np.stack([b, b, W], axis=-1) + np.stack([b, W, W], axis=1), B),
    "split": (lambda a: tuple(np.split(a, 2, axis=1)), A),
    "pad": (lambda a: np.pad(a, ((1, 0), (2, 1))) + np.pad(a, ((1, 0), (2, 1)), constant_values=2.0), A),
    "pad, edge": (lambda a: np.pad(a, 1, mode="edge"), A),
    "diagonal": (lambda q: np.diagonal(q) + np.diagonal(q, 0, 1, 0) + np.trace(q), Q),
    "tril": (lambda q: np.tril(q) + np.triu(q, 1), Q),
    "where": (lambda a, b: np.where(a > 1, b, 0.0) + np.where(np.array([[True], [False], [True]]), 1, b), A, B),
    "clip": (lambda a, b: np.clip(a, 0.7, b) + np.clip(a, 0.6, 1.2) + np.clip(a, None, 1.0), A, B),
    "elementwise": (lambda a: np.copy(a) + np.real(a) + np.nan_to_num(a) + np.round(a, 1) + np.sinc(a), A),
    "like": (lambda a: np.zeros_like(a) + np.ones_like(a) + np.full_like(a, 3) + np.zeros_like(a, shape=4), A),
    "take": (lambda a: np.take(a, INDEX, axis=1) + np.take(a, 5), A),
    "take_along_axis": (lambda a: np.take_along_axis(a, np.array([[0, 3], [1, 1], [2, 0]]), 1), A),
    "take_along_axis of its own": (lambda a: np.take_along_axis(W[None] * np.ones((3, 4)), np.argsort(a), -1), A),
    "windows": (lambda a: np.lib.stride_tricks.sliding_window_view(a, 2, axis=-1), A),
    "all windows": (lambda a: np.lib.stride_tricks.sliding_window_view(a, (2, 2)), A),
    "index": (lambda a: a[1] + a[-1, ...] + a[None, 2][0] + a[::2][0], A),
    "index of arrays": (lambda a: a[INDEX] + a[INDEX, :] + a[np.array([True, False, True])][0], A),
    "index apart": (
        lambda a: a[None][:, INDEX, :, None][..., 0] + np.expand_dims(a, 1)[INDEX, :, INDEX][..., None, :],
        A,
    ),
    "index by a batch": (lambda a: a[np.argmax(a, axis=0), np.arange(4)], A),
    "iteration": (lambda a: sum(row * (i + 1.0) for i, row in enumerate(a)) * len(a), A),
    "matmul": (lambda a, b: a @ b, A, B),
    "matmul with a matrix": (lambda a, b: (a @ M).sum(0) + b @ M, A, B),
    "matmul of a matrix": (lambda a, b: (M.T @ a.T).sum(1) + M.T @ b, A, B),
    "matmul with a vector": (lambda a, b: a @ W + W[:3] @ a @ W + b @ W + W @ b, A, B),
    "matmul of two": (lambda a, b: a.T @ a + b @ (a.T @ a), A, B),
    "matmul of stacks": (lambda a: a @ np.ones((2, 4, 1)) + np.ones((2, 1, 3)) @ a @ np.ones((4, 1)), A),
    "dot, inner": (lambda a, b: np.dot(a, W) + np.inner(W, b) + np.outer(b, W).sum(0)[:3], A, B),
    "vecdot": (lambda a, b: np.vecdot(a, b) + np.vecdot(a, W), A, B),
    "einsum": (lambda a, b: np.einsum("ij,j,kj->ik", a, b, np.ones((2, 4))), A, B),
    "einsum with an ellipsis": (lambda a: np.einsum("...j->j...", a) + np.einsum("ij->ji", a), A),
    "einsum, implicit": (lambda a: np.einsum("ji", a) + np.einsum(a, [1, 0]), A),
    "tensordot": (lambda a: np.tensordot(a, M, 1) + np.tensordot(M, a, axes=(0, 1)).T, A),
    "tensordot of two": (lambda a, b: np.tensordot(a, b, axes=([1], [0])), A, B),
    "linear algebra": (lambda q: np.linalg.inv(q) + np.linalg.det(q) + np.linalg.pinv(q), Q),
    "slogdet": (lambda q: np.linalg.slogdet(q), Q),
    "solve": (lambda q, a: np.linalg.solve(q, a) + np.linalg.solve(q, np.ones(3))[:, None], Q, A),
    "solve with one matrix": (
        lambda a: np.linalg.solve(np.eye(3) * 2, a) + np.linalg.solve(np.eye(3), a[:, 0])[:, None],
        A,
    ),
    "eigenvalues": (lambda q: np.linalg.eigvalsh(q @ q.T), Q),
    "fft": (lambda a: np.fft.fft(a, axis=0).real, A),
    "convolve": (lambda b: np.convolve(b, W), B),
    "shape": (lambda a: a * (np.ndim(a) + np.shape(a)[1] + np.size(a) + np.size(a, 0) + a.size), A),
    "types": (lambda a: a.astype(np.result_type(np.float32, a)) * (1 + np.iscomplexobj(a) + np.isrealobj(a)), A),
    "any, all": (lambda a: np.any(a > 1, axis=0) & np.all(a > 0), A),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_function_of_a_batch(name):
    f, *arrays = CALLS[name]
    expected = [f(*members) for members in zip(*arrays, strict=True)]
    actual = f(*map(Batched, arrays))
    several = isinstance(actual, tuple)
    assert not several or type(actual) is type(expected[0])
    for k, part in enumerate(actual if several else (actual,)):
        assert type(part) is Batched
        e = np.stack([x[k] if several else x for x in expected])
        assert part.every.dtype == e.dtype and part.shape == e.shape[1:] and part.ndim == e.ndim - 1
        np.testing.assert_allclose(part.every, e, rtol=1e-12, atol=1e-13)


def test_every_listed_function_is_called_here(monkeypatch):
    called = set()
    for function, meaning in list(BATCHED_FUNCTIONS.items()):

        def noted(*args, meaning=meaning, function=function, **kwargs):
            called.add(function)
            return meaning(*args, **kwargs)

        monkeypatch.setitem(BATCHED_FUNCTIONS, function, noted)
    for f, *arrays in CALLS.values():
        f(*map(Batched, arrays))
    beyond = {np.nansum, np.nanmean, np.empty_like, np.imag, np.around, np.i0}
    assert set(BATCHED_FUNCTIONS) - called <= beyond


@pytest.mark.parametrize("order", ["C", "F"])
def test_scattering_into_a_batch(order):
    like = np.asarray(A, order=order)
    for index in (1, (slice(None), -1), INDEX[0], (np.array([0, 0]), np.array([1, 1])), (slice(0, 2), INDEX)):
        out = np.zeros_like(Batched(like))
        values = RNG.normal(size=(5, *np.zeros((3, 4))[index].shape))
        np.add.at(out, index, Batched(values))
        expected = np.zeros((5, 3, 4))
        for member, value in zip(expected, values, strict=True):
            np.add.at(member, index, value)
        np.testing.assert_allclose(out.every, expected, rtol=1e-15)


REFUSED = {
    "as an array": lambda b: np.asarray(b),
    "as a number": lambda b: float(b[0]),
    "as an index": lambda b: W[b[0].astype(int)],
    "in a condition": lambda b: 1 if b[0] > np.median(B[:, 0]) else 2,
    "assignment": lambda b: exec("b[0] = 1.0", {"b": b}),
    "out": lambda b: np.exp(b, out=np.ones((5, 4))),
    "another ufunc.at": lambda b: np.multiply.at(b, 0, 2.0),
    "at of a plain array": lambda b: np.add.at(np.zeros(4), 0, b[0]),
    "shapes that differ": lambda b: np.flatnonzero(b > 1),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_batch_refuses(name):
    with pytest.raises(CannotBatchError):
        REFUSED[name](Batched(B))


def test_an_unknown_attribute():
    with pytest.raises(AttributeError, match="a batch of arrays has no attribute 'tobytes'"):
        Batched(B).tobytes()
    with pytest.raises(np.exceptions.AxisError):
        np.sum(Batched(B), axis=1)
    assert repr(Batched(B)) == "Batched(5 of shape (4,))"


def test_a_rule_that_cannot_take_a_batch_goes_one_by_one(attempts):
    @op("composite", latex="f", derivative={"a": "f'"})
    def outside(a):
        """a ** 3."""
        return a**3

    outside.vjp(a=lambda g, a: g * 3 * a**2 if float(np.max(g)) > 0 else g * 0)
    np.testing.assert_allclose(ac.jacobian(outside)(W), np.diag(3 * W**2))
    assert isinstance(attempts[0], CannotBatchError)


def test_an_error_of_the_function_itself_is_raised():
    @op("composite", latex="f", derivative={"a": "f'"})
    def broken(a):
        """a."""
        return a * 1.0

    def rule(g):
        raise ZeroDivisionError("mine")

    broken.vjp(a=rule)
    with pytest.raises(ZeroDivisionError, match="mine"):
        ac.jacobian(broken)(W)


def test_several_leaves_of_different_sizes(monkeypatch):
    def f(p):
        h = np.tanh(p["w"] @ p["x"]) * p["s"]
        return [h, np.outer(h, p["x"])]

    p = {"w": RNG.normal(size=(2, 4)), "x": W, "s": 0.5}
    for mode in ("rev", "fwd"):
        batched = ac.jacobian(f, mode=mode)(p)
        single = one_by_one(monkeypatch, lambda mode=mode: ac.jacobian(f, mode=mode)(p))
        for b, e in zip(batched, single, strict=True):
            for key in p:
                np.testing.assert_allclose(b[key], e[key], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batch_norm(dtype, monkeypatch, attempts):
    """The Jacobian and the Hessian of a whole expression, by both modes."""
    x = RNG.normal(size=(6, 3)).astype(dtype)

    def norm(x):
        centred = x - x.mean(axis=0)
        return centred / np.sqrt((centred**2).mean(axis=0) + dtype(1e-5))

    def total(x):
        return np.sum(norm(x) ** 3)

    for f in (lambda mode: ac.jacobian(norm, mode=mode), lambda mode: ac.hessian(total, mode=mode)):
        for mode in ("rev", "fwd"):
            batched = f(mode)(x)
            assert batched.dtype == dtype
            single = one_by_one(monkeypatch, lambda f=f, mode=mode: f(mode)(x))
            eps = np.finfo(dtype).eps
            np.testing.assert_allclose(batched, single, rtol=100 * eps, atol=100 * eps * np.max(np.abs(single)))
    assert all(a is True for a in attempts), "the Hessian's rows too: the gradient's tape takes a batch"


def test_no_tensor_is_taken_for_a_batch():
    assert not isinstance(Tensor(W), Batched)
