"""Programs that write into their own arrays, as NumPy users do: values as NumPy's, gradients as the complex step's."""

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor
from autograd_core.errors import VersionError

PROGRAMS = {
    "t[1:] = t[:-1]": (5,),
    "t[:-1] = t[1:]": (5,),
    "t[1:] += t[:-1]": (5,),
    "t[1:] *= t[:-1]": (5,),
    "t[:2] *= t[2:4]": (5,),
    "t[1:] /= t[:-1]": (4,),
    "t += t": (4,),
    "t -= t * 0.5": (4,),
    "t *= t": (4,),
    "t -= t[0]": (4,),
    "t /= t[1]": (4,),
    "t @= t": (3, 3),
    "t[...] = t": (3,),
    "t[...] = t.T": (3, 3),
    "t *= t.T": (3, 3),
    "t[...] = t[::-1]": (4,),
    "t *= t[::-1]": (4,),
    "t[[0, 1]] = t[[1, 0]]": (4,),
    "t[[0, 0, 1]] = t[1:4]": (4,),
    "t[mask] = t[mask] * 2": (5,),
    "t[0], t[1] = np.copy(t[1]), np.copy(t[0])": (3, 2),
    "v = t[1:]; v[...] = t[:-1]": (5,),
    "v = t[1:]; v *= 2.0; t[0] = v[0]": (4,),
    "v = t.T; v[0] = t[:, 1]": (3, 3),
    "v = t.reshape(-1); v[::2] = v[1::2]": (2, 2),
    "v = t[::-1][1:]; v += t[:4]; t[0] = 3.0": (5,),
    "a = t[::2]; b = t[1::2]; a[...] = b; b *= a": (4,),
    "v = t[0]; t[1] = v; v[...] = t[2]; t[0] *= t[1]": (3, 2),
    "t = t[1:]; t[...] = t[::-1]": (5,),
    "for i in range(1, 5): t[i] += t[i - 1] ** 2": (5,),
    "for row in t: row *= row.sum()": (3, 2),
    "u = np.concatenate([t, t]); u[1:4] = t[:3]; t = u * u": (4,),
}


def run(program, t):
    names = {"t": t, "np": np, "mask": np.arange(5) % 2 == 0}
    exec(program, names)
    return names["t"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_that_writes_into_its_own_array(program):
    rng = np.random.default_rng(0)
    x = rng.uniform(0.5, 1.5, PROGRAMS[program])
    out = run(program, Tensor(x, requires_grad=True) * 1.0)
    assert np.array_equal(out.data, run(program, x * 1.0))
    w = rng.normal(size=out.shape)

    def f(x):
        return np.sum(run(program, x * 1.0) * w)

    expected = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        z = x.astype(complex)
        z[place] += 1e-20j
        expected[place] = np.imag(f(z)) / 1e-20
    np.testing.assert_allclose(ac.grad(f)(x), expected, rtol=1e-12, atol=1e-14)
    tangent = ac.jvp(f, (x,), (np.ones(x.shape),))[1]
    np.testing.assert_allclose(tangent, np.sum(expected), rtol=1e-12, atol=1e-13)
    for mode in ("fwd", "rev"):
        jac = ac.jacobian(lambda x: run(program, x * 1.0), mode=mode)(x)
        np.testing.assert_allclose(np.tensordot(w, jac, axes=w.ndim), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("program", ["t[1:] = t[:-1]", "t *= t", "t[1:] *= t[:-1]", "t += t"])
def test_second_order(program):
    x = np.random.default_rng(1).uniform(0.5, 1.5, PROGRAMS[program])
    ac.check_grads(lambda x: run(program, x * x), [x])


@pytest.mark.parametrize("program", ["t[:] = t * t[0]", "t[:] = t @ t"])
def test_a_kept_value_that_is_overwritten_is_no_silent_error(program):
    x = Tensor(np.ones((3, 3)), requires_grad=True)
    out = run(program, x * 1.0)
    with pytest.raises(VersionError, match=r"must still have the value .* but t\[i\] = v changed it afterwards; write"):
        out.sum().backward()
    with pytest.raises(
        VersionError, match=r"^jvp: the operand .* but t\[i\] = v changed it .*in: jvp, called at test_tr"
    ):
        ac.jvp(lambda x: run(program, x * 1.0), (x.data,), (x.data,))


def test_a_kept_output_that_is_overwritten_is_no_silent_error_in_forward_mode():
    def f(x):
        y = np.exp(x)
        y[0] = 0.0
        return y

    with pytest.raises(VersionError, match="jvp: the output of exp"):
        ac.jvp(f, (np.ones(3),), (np.ones(3),))


def test_a_gradient_of_a_view_reaches_its_base():
    base = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    view = base.T[1:]
    (view[0] * view[1]).sum().backward()
    assert np.array_equal(base.grad.data, [[0, 2, 1], [0, 5, 4]])


def test_the_same_tensor_in_several_operands():
    x = Tensor([2.0, 3.0], requires_grad=True)
    (np.stack([x, x * x, x]).sum() + np.where(x > 2.5, x, x * x).sum() + (x @ x)).backward()
    assert np.array_equal(x.grad.data, [2 + 4 + 4 + 4, 2 + 6 + 1 + 6])
    g = ac.grad(lambda a, b: np.sum(a * b), argnums=(0, 1))(x.data, x.data)
    assert np.array_equal(g[0], [2, 3]) and np.array_equal(g[1], [2, 3]), "one array in two arguments: two variables"
