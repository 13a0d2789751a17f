"""Equal eigenvalues and singular values: derivatives are right, or an error says that they do not exist."""

import numpy as np
import pytest

import autograd_core as ac
from autograd_core.errors import ArgumentError

L = np.linalg
EYE = np.eye(3)
ROTATION = L.qr(np.array([[1.0, 2.0, -0.5], [0.25, -1.5, 0.75], [2.0, 0.5, 0.25]])).Q
PAIR = ROTATION @ np.diag([2.0, 2.0, 5.0]) @ ROTATION.T
LOW = np.outer([1.0, 2.0, -1.0], [0.5, 1.0])  # one singular value is zero


def symmetric(f):
    return lambda a: f((a + a.T) / 2)


def reconstructed(a, f=np.exp):
    w, v = L.eigh(a)
    return (v * f(w)) @ v.T


def left(a):
    u, _, vh = L.svd(a, full_matrices=False)
    return np.sum(u @ vh * np.arange(float(a.size)).reshape(a.shape))


def top(a):
    v = L.eigh(a).eigenvectors[:, -1]
    return np.sum(np.outer(v, v) * np.arange(9.0).reshape(3, 3))


# Functions of which second derivatives at these matrices exist, but not from the decomposition.
SECOND = {
    "cubes of eigenvalues": (symmetric(lambda a: np.sum(L.eigvalsh(a) ** 3)), [EYE, PAIR, 0 * EYE]),
    "distance of eigenvalues from 2": (symmetric(lambda a: np.sum((L.eigvalsh(a) - 2) ** 2)), [2 * EYE, PAIR]),
    "log det": (symmetric(lambda a: np.sum(np.log(L.eigvalsh(a)))), [EYE, PAIR]),
    "the projector on the last eigenvector": (symmetric(top), [PAIR]),
    "squares of singular values": (lambda a: np.sum(L.svdvals(a) ** 2), [EYE, PAIR, 0 * EYE, np.zeros((3, 2)), LOW]),
    "distance of singular values from 1": (lambda a: np.sum((L.svdvals(a) - 1) ** 2), [EYE, ROTATION]),
    "wide": (lambda a: np.sum(L.svdvals(a) ** 2), [LOW.T]),
}
EACH = [(name, k) for name, (_, matrices) in SECOND.items() for k in range(len(matrices))]
WAYS = {
    "forward over reverse": ac.hessian,
    "reverse over reverse": lambda f: ac.hessian(f, mode="rev"),
    "hvp": lambda f: lambda a: ac.hvp(f, (a,), (np.arange(1.0, 1 + a.size).reshape(a.shape),)),
    "grad of jvp": lambda f: ac.grad(lambda a: ac.jvp(f, (a,), (np.arange(1.0, 1 + a.size).reshape(a.shape),))[1]),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name, k", EACH)
def test_second_derivatives_that_turn_vectors_raise(name, k, way):
    f, matrices = SECOND[name]
    ac.grad(f)(matrices[k])  # the first is there
    with pytest.raises(ArgumentError, match=r"\(backward\): a derivative must not depend on how vectors of equal"):
        WAYS[way](f)(matrices[k])


@pytest.mark.parametrize("way", ["forward", "reverse"])
def test_second_derivatives_along_vectors_that_stay_are_right(way):
    f = SECOND["cubes of eigenvalues"][0]
    change = np.diag([1.0, 2.0, -0.5])
    if way == "forward":
        product = ac.hvp(f, (EYE,), (change,))[0]
    else:
        product = ac.grad(lambda a: np.sum(ac.grad(f)(a) * change))(EYE)
    np.testing.assert_allclose(product, 6 * change, rtol=1e-14)


def test_distinct_values_are_not_affected():
    a = ROTATION @ np.diag([1.0, 2.0, 4.0]) @ ROTATION.T
    f = SECOND["cubes of eigenvalues"][0]
    expected = ac.hessian(symmetric(lambda a: np.trace(a @ a @ a)))(a)
    for hessian in (ac.hessian(f), ac.hessian(f, mode="rev")):
        np.testing.assert_allclose(hessian(a), expected, rtol=1e-12, atol=1e-12)
    squares = ac.hessian(lambda a: np.sum(L.svdvals(a) ** 2))(a)
    np.testing.assert_allclose(squares.reshape(9, 9), 2 * np.eye(9), atol=1e-13)


FIRST = {
    "eigenvectors": (lambda a: np.sum(L.eigh(a).eigenvectors), [EYE, PAIR]),
    "exp of a matrix": (lambda a: np.sum(reconstructed(a)), [PAIR]),
    "exp at the identity": (lambda a: reconstructed(a)[0, 1], [EYE]),
    "left vectors": (lambda a: np.sum(L.svd(a).U * np.arange(9.0).reshape(3, 3)), [EYE, PAIR]),
    "vectors of zero singular values": (lambda a: np.sum(L.svd(a, full_matrices=False).U), [np.zeros((3, 2)), LOW]),
    "polar factor": (left, [EYE, LOW]),
}


@pytest.mark.parametrize("name, k", [(name, k) for name, (_, at) in FIRST.items() for k in range(len(at))])
def test_gradients_that_need_arbitrary_vectors_raise(name, k):
    f, matrices = FIRST[name]
    with pytest.raises(
        ArgumentError, match=r"must not depend .* got one that does at matrices of shape \([23], [23]\)"
    ):
        ac.grad(f)(matrices[k])
    tangent = ac.jvp(f, (matrices[k],), (np.arange(1.0, 1 + matrices[k].size).reshape(matrices[k].shape),))[1]
    assert np.isnan(tangent)


def test_the_error_names_the_function_and_the_way_out():
    for f, what in ((lambda a: L.eigh(a).eigenvectors[0, 1], "eigh .*slogdet"), (left, "svd .*np.linalg.norm")):
        with pytest.raises(ArgumentError, match=f"{what}.* or add a small matrix .* called at test_linalg_equal"):
            ac.grad(f)(EYE)


def test_a_stack_with_one_bad_matrix():
    stack = np.stack([np.diag([1.0, 2.0, 4.0]), EYE])
    f = lambda a: np.sum(L.eigvalsh((a + np.swapaxes(a, -1, -2)) / 2) ** 3)  # noqa: E731
    np.testing.assert_allclose(ac.grad(f)(stack), 3 * stack @ stack, atol=1e-13)
    with pytest.raises(ArgumentError, match="must not depend"):
        ac.hessian(f)(stack)
