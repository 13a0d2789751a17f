"""`check_grads` judges every element, and says where it cannot: beside larger ones, at the border of the domain."""

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import op
from autograd_core.check import GradientError, UndecidedError
from autograd_core.errors import ArgumentError


def wrong_in_element_0(analytic, factor=2):
    @op("elementwise", analytic=analytic)
    def exponential(a):
        return np.exp(a)

    return exponential.vjp(a=lambda g, a: g * np.where(np.arange(3) == 0, factor, 1) * np.exp(a))


@pytest.mark.parametrize("analytic", [True, False])
def test_a_small_element_is_not_lost_beside_large_ones(analytic):
    message = r"every element's gradient must be large.*in argument 0, element \(0,\), beside .*: rounding"
    for point in ([-14.0, 1.0, 20.0], [-20.0, 1.0, 25.0]):
        for factor in (1, 2):
            with pytest.raises(UndecidedError, match=message):
                ac.check_grads(wrong_in_element_0(analytic, factor), (np.array(point),), order=1)
    for point in ([-5.0, 1.0, 7.0], [-14.0, -13.0, -15.0]):
        with pytest.raises(GradientError, match=r"in element \(0,\), the worst of 3"):
            ac.check_grads(wrong_in_element_0(analytic), (np.array(point),), order=1)
        ac.check_grads(wrong_in_element_0(analytic, 1), (np.array(point),), order=1)


def test_rounding_of_a_zero_gradient_is_no_small_element():
    ac.check_grads(np.var, (np.array([0.1, 0.2, 0.3]),), order=1)
    ac.check_grads(lambda x: np.sum((x - np.mean(x)) ** 3), (np.array([0.1, 0.2, 0.3, 0.7]),), order=1)
    ac.check_grads(lambda x: np.maximum(x, 0) * x, (np.array([-1.0, 2.0]),))


@pytest.mark.parametrize(
    ("f", "x"),
    [(np.sqrt, [0.0, 1.0]), (np.sqrt, [0.0]), (np.arcsin, [1.0, 0.5]), (np.cbrt, [0.0, 1.0]), (np.arccosh, [1.0, 2.0])],
)
def test_a_vertical_tangent_is_undecided(f, x):
    with np.errstate(all="ignore"), pytest.raises(UndecidedError, match="the numbers must be precise"):
        ac.check_grads(f, (np.array(x),))


def test_a_gradient_that_is_not_finite_where_it_must_be_is_wrong():
    @op("elementwise", analytic=True)
    def doubled(a):
        return a * 2

    doubled.vjp(a=lambda g, a: g * np.where(a == 0, np.nan, 2))
    with pytest.raises(GradientError, match=r"got nan for"):
        ac.check_grads(doubled, (np.array([0.0, 1.0]),), order=1)


def test_the_arguments_are_in_a_tuple():
    with pytest.raises(ArgumentError, match=r"must be in a tuple or list, got ndarray; write \(x,\) for one"):
        ac.check_grads(np.sin, np.array([1.0, 2.0]))
