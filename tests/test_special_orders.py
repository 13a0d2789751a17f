"""SciPy's functions of an order, at orders that are not ordinary: SciPy's values, and their derivatives."""

import numpy as np
import pytest
import scipy.special as special

import autograd_core as ac
from autograd_core import Tensor

X = 0.3
BINOMIALS = [(3, 3), (5, 3), (3, 3.5), (2, 3), (-1, 3), (1, 3.5), (0, 0), (1.5, 3)]


def judged(f, x=X):
    h = 1e-4
    expected = (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h)
    np.testing.assert_allclose(f(Tensor(x)).data, f(x), rtol=1e-13)
    np.testing.assert_allclose(ac.grad(f)(x), expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("k, n", BINOMIALS)
@pytest.mark.parametrize("function", [special.bdtr, special.bdtrc])
@pytest.mark.filterwarnings("ignore:.*non-integer arg n is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:floating point number truncated:RuntimeWarning")
def test_binomial_distributions(function, k, n):
    judged(lambda p: function(k, n, p))


@pytest.mark.parametrize("orders", [(0, 1), [0, 1], np.array([0, 1])], ids=["tuple", "list", "array"])
@pytest.mark.parametrize("name", ["jv", "kv", "eval_legendre", "expn", "bdtr"])
def test_orders_may_be_sequences(name, orders):
    f = getattr(special, name)
    call = (lambda x: f(orders, 3, x)) if name == "bdtr" else (lambda x: f(orders, x))
    t = Tensor(X, requires_grad=True)
    out = call(t)
    np.testing.assert_allclose(out.data, call(X), rtol=1e-14)
    out.sum().backward()
    expected = ac.grad(lambda x: sum((f(n, 3, x) if name == "bdtr" else f(n, x)) for n in (0, 1)))(X)
    assert t.grad.item() == pytest.approx(float(expected), rel=1e-13)
