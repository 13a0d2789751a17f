"""Orthogonal polynomials and exponential integrals of any degree that SciPy takes, whole or not, negative too."""

import numpy as np
import pytest
import scipy.special

import autograd_core as ac

WHOLE = [-3, -2, -1, 0, 1, 2, 3]
REAL = [*WHOLE, -2.5, -2.0, -1.0, -0.5, 0.0, 0.5, 0.9, 1.0, 1.5, np.float64(-1), np.int64(-2)]
FUNCTIONS = {
    **{f"eval_{name}": ((), REAL) for name in ("chebyt", "chebyu", "chebyc", "chebys", "legendre", "laguerre")},
    **{f"eval_sh_{name}": ((), REAL) for name in ("chebyt", "chebyu", "legendre")},
    "eval_hermite": ((), WHOLE),
    "eval_hermitenorm": ((), WHOLE),
    "eval_gegenbauer": ((0.7,), REAL),
    "eval_genlaguerre": ((0.7,), REAL),
    "eval_jacobi": ((0.5, 1.2), REAL),
    "expn": ((), [-1, -0.5, 0, 0.5, 1, 1.5, 2, 2.7]),
}


def slope(f, x):
    h = 1e-3
    return (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h)


@pytest.mark.filterwarnings("ignore:floating point number truncated")
@pytest.mark.parametrize("as_array", [False, True], ids=["number", "array"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_gradient_of_every_degree_is_that_of_the_value(name, as_array):
    function = getattr(scipy.special, name)
    others, degrees = FUNCTIONS[name]
    for n in degrees:
        n = np.array(n) if as_array else n
        expected = slope(lambda x: function(n, *others, x), 0.3)  # noqa: B023 - called at once
        with np.errstate(all="ignore"):
            value, actual = ac.value_and_grad(lambda x: function(n, *others, x))(0.3)  # noqa: B023
        if np.isfinite(value):
            np.testing.assert_allclose(actual, expected, rtol=1e-8, atol=1e-8, err_msg=repr(n))
