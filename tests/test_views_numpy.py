"""Memory is shared where NumPy shares it: programs of writes on arrays and on Tensors, values and gradients."""

import numpy as np
import pytest

from autograd_core import Tensor

X = np.random.default_rng(0).normal(size=(3, 4))
W = np.random.default_rng(1).normal(size=(3, 4))


def squeeze_written(a):
    u = np.squeeze(a)  # there is nothing to squeeze
    u *= 2.0
    return np.sum(a * W)


def squeeze_of_what_is_written(a):
    u = np.squeeze(a)
    a *= 2.0
    return np.sum(u * W)


def einsum_transposed(a):
    u = np.einsum("ij->ji", a)
    u *= 2.0
    return np.sum(a * W)


def einsum_diagonal(a):
    np.einsum("ii->i", a[:, :3])[:] = 0.0
    return np.sum(a * W)


def einsum_of_what_is_written(a):
    u = np.einsum("...j", a)
    a *= 2.0
    return np.sum(u * W)


def broadcast_arrays(a):
    u = np.broadcast_arrays(a, a)[0]
    a *= 2.0
    return np.sum(u * W)


def broadcast_to(a):
    u = np.broadcast_to(a, (2, 3, 4))
    a *= 2.0
    return np.sum(u * W)


def meshgrid(a):
    u = np.meshgrid(a[0], a[1], copy=False)[0]
    a *= 2.0
    return np.sum(u * W[0])


def repeat_once(a):
    u = np.repeat(a, 1)
    a *= 2.0
    u *= 3.0
    return np.sum(u * W.ravel())


def repeat_one_row(a):
    u = np.repeat(a[:1], 3, axis=0)
    a *= 2.0
    u *= 3.0
    return np.sum(u * W)


def choose(a):
    u = np.choose(0, [a])
    a *= 2.0
    u *= 3.0
    return np.sum(u * W)


def resize(a):
    u = np.resize(a, a.shape)
    a *= 2.0
    u *= 3.0
    return np.sum(u * W)


def many_writes_through_views_of_views(a):  # so many that dead views are forgotten meanwhile
    b = np.rot90(a)
    b[1:] = b[:-1]
    b[1:] = b[:-1]
    a[:-1] *= 0.7
    return np.sum(a * W)


PROGRAMS = [f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == __name__]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_values_and_gradients(program):
    t = Tensor(X, requires_grad=True)
    out = program(t * 1.0)
    assert out.item() == pytest.approx(program(X.copy()), rel=1e-14)
    out.backward()
    expected = np.empty(X.shape)  # every program is linear in its argument
    for i in np.ndindex(X.shape):
        unit = np.zeros(X.shape)
        unit[i] = 1.0
        expected[i] = program(unit)
    np.testing.assert_allclose(t.grad.data, expected, rtol=1e-14)
