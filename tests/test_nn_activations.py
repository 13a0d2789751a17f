"""Activations against literal formulas in extended precision, and with the derivatives that the documents print."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import autograd_core as ac
import nn
import nn.functional as F
from autograd_core import Tensor
from autograd_core.ops.activations import ndtr
from duck import DuckArray, unwrap

LAMBDA, ALPHA = 1.0507009873554805, 1.6732632423543772
exp = np.exp


def cdf(x: Any) -> Any:
    return np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x])


def pdf(x: Any) -> Any:
    return exp(-x * x / 2) / np.sqrt(2 * np.longdouble(math.pi))


def logistic(x: Any) -> Any:
    return 1 / (1 + exp(-x))


def sides(x: Any, positive: Any, negative: Any) -> Any:
    return np.where(x > 0, positive, negative)


def sech2(x: Any) -> Any:
    return 1 / np.cosh(x) ** 2


class Row(NamedTuple):
    """An activation: its module, its formula and derivative as printed, and what it does at -10^4 and 10^4 and at 0."""

    module: nn.Module
    formula: Callable[[Any], Any]
    derivative: Callable[[Any], Any]
    far: tuple[float, float]
    far_slopes: tuple[float, float]
    slope_at_0: float
    text: str


C = math.sqrt(2 / math.pi)
BIG = 1e4
TABLE = {
    "identity": Row(nn.Identity(), lambda x: x, lambda x: x * 0 + 1, (-BIG, BIG), (1, 1), 1, "Identity()"),
    "step": Row(nn.Step(), lambda x: sides(x, 1, 0), lambda x: x * 0, (0, 1), (0, 0), 0, "Step()"),
    "sigmoid": Row(
        nn.Sigmoid(), logistic, lambda x: exp(-x) / (1 + exp(-x)) ** 2, (0, 1), (0, 0), 0.25, "Sigmoid()"
    ),
    "log sigmoid": Row(
        nn.LogSigmoid(), lambda x: -np.log1p(exp(-x)), lambda x: logistic(-x), (-BIG, 0), (1, 0), 0.5, "LogSigmoid()"
    ),
    "tanh": Row(
        nn.Tanh(),
        lambda x: (exp(x) - exp(-x)) / (exp(x) + exp(-x)),
        lambda x: 1 - ((exp(x) - exp(-x)) / (exp(x) + exp(-x))) ** 2,
        (-1, 1), (0, 0), 1, "Tanh()",
    ),
    "tanhshrink": Row(
        nn.Tanhshrink(), lambda x: x - np.tanh(x), lambda x: np.tanh(x) ** 2, (1 - BIG, BIG - 1), (1, 1), 0,
        "Tanhshrink()",
    ),
    "softsign": Row(
        nn.Softsign(),
        lambda x: x / (1 + abs(x)),
        lambda x: 1 / (1 + abs(x)) ** 2,
        (-BIG / (BIG + 1), BIG / (BIG + 1)), (1 / (BIG + 1) ** 2, 1 / (BIG + 1) ** 2), 1, "Softsign()",
    ),
    "smht, one pair": Row(
        nn.SMHT(1.5, 0.5),
        lambda x: (exp(1.5 * x) - exp(-0.5 * x)) / (exp(1.5 * x) + exp(-0.5 * x)),
        lambda x: sech2(x),
        (-1, 1), (0, 0), 1, "SMHT(a=1.5, b=0.5, c=1.5, d=0.5)",
    ),
    "smht, two pairs": Row(
        nn.SMHT(1.5, 0.5, 1.5, 0.75),
        lambda x: (exp(1.5 * x) - exp(-0.5 * x)) / (exp(1.5 * x) + exp(-0.75 * x)),
        lambda x: (
            (1.5 * exp(1.5 * x) + 0.5 * exp(-0.5 * x)) / (exp(1.5 * x) + exp(-0.75 * x))
            - (exp(1.5 * x) - exp(-0.5 * x)) * (1.5 * exp(1.5 * x) - 0.75 * exp(-0.75 * x))
            / (exp(1.5 * x) + exp(-0.75 * x)) ** 2
        ),
        (0, 1), (0, 0), 1, "SMHT(a=1.5, b=0.5, c=1.5, d=0.75)",
    ),
    "relu": Row(nn.ReLU(), lambda x: sides(x, x, 0), lambda x: sides(x, 1, 0), (0, BIG), (0, 1), 0, "ReLU()"),
    "relu6": Row(
        nn.ReLU6(), lambda x: np.minimum(sides(x, x, 0), 6), lambda x: 1.0 * ((x > 0) & (x < 6)), (0, 6), (0, 0), 0,
        "ReLU6()",
    ),
    "leaky relu": Row(
        nn.LeakyReLU(), lambda x: sides(x, x, 0.01 * x), lambda x: sides(x, 1, 0.01), (-100, BIG), (0.01, 1), 0.01,
        "LeakyReLU(negative_slope=0.01)",
    ),
    "leaky relu, steeper on the left": Row(
        nn.LeakyReLU(1.5), lambda x: sides(x, x, 1.5 * x), lambda x: sides(x, 1, 1.5), (-1.5e4, BIG), (1.5, 1), 1.5,
        "LeakyReLU(negative_slope=1.5)",
    ),
    "prelu": Row(
        nn.PReLU(), lambda x: sides(x, x, 0.25 * x), lambda x: sides(x, 1, 0.25), (-2500, BIG), (0.25, 1), 0.25,
        "PReLU(num_parameters=1)",
    ),
    "elu": Row(
        nn.ELU(), lambda x: sides(x, x, exp(x) - 1), lambda x: sides(x, 1, exp(x)), (-1, BIG), (0, 1), 1,
        "ELU(alpha=1.0)",
    ),
    "elu, alpha 1.7": Row(
        nn.ELU(1.7), lambda x: sides(x, x, 1.7 * (exp(x) - 1)), lambda x: sides(x, 1, 1.7 * exp(x)),
        (-1.7, BIG), (0, 1), 1.7, "ELU(alpha=1.7)",
    ),
    "selu": Row(
        nn.SELU(),
        lambda x: LAMBDA * sides(x, x, ALPHA * (exp(x) - 1)),
        lambda x: LAMBDA * sides(x, 1, ALPHA * exp(x)),
        (-LAMBDA * ALPHA, LAMBDA * BIG), (0, LAMBDA), LAMBDA * ALPHA, "SELU()",
    ),
    "celu": Row(
        nn.CELU(0.5), lambda x: sides(x, x, 0.5 * (exp(x / 0.5) - 1)), lambda x: sides(x, 1, exp(x / 0.5)),
        (-0.5, BIG), (0, 1), 1, "CELU(alpha=0.5)",
    ),
    "gelu": Row(
        nn.GELU(), lambda x: x * cdf(x), lambda x: cdf(x) + x * pdf(x), (0, BIG), (0, 1), 0.5,
        "GELU(approximate='none')",
    ),
    "gelu, tanh": Row(
        nn.GELU("tanh"),
        lambda x: x * (1 + np.tanh(C * (x + 0.044715 * x**3))) / 2,
        lambda x: (1 + np.tanh(C * (x + 0.044715 * x**3))) / 2
        + x * sech2(C * (x + 0.044715 * x**3)) * C * (1 + 3 * 0.044715 * x**2) / 2,
        (0, BIG), (0, 1), 0.5, "GELU(approximate='tanh')",
    ),
    "softplus": Row(
        nn.Softplus(), lambda x: np.log1p(exp(x)), logistic, (0, BIG), (0, 1), 0.5,
        "Softplus(beta=1.0, threshold=20.0)",
    ),
    "softplus, beta 2": Row(
        nn.Softplus(2, 9),
        lambda x: np.where(2 * x > 9, x, np.log1p(exp(2 * x)) / 2),
        lambda x: np.where(2 * x > 9, 1, logistic(2 * x)),
        (0, BIG), (0, 1), 0.5, "Softplus(beta=2.0, threshold=9.0)",
    ),
    "silu": Row(
        nn.SiLU(),
        lambda x: x / (1 + exp(-x)),
        lambda x: (1 + exp(-x) + x * exp(-x)) / (1 + exp(-x)) ** 2,
        (0, BIG), (0, 1), 0.5, "SiLU()",
    ),
    "swish": Row(
        nn.Swish(0.75),
        lambda x: x * logistic(0.75 * x),
        lambda x: logistic(0.75 * x) + 0.75 * x * logistic(0.75 * x) * logistic(-0.75 * x),
        (0, BIG), (0, 1), 0.5, "Swish(beta=0.75)",
    ),
    "mish": Row(
        nn.Mish(),
        lambda x: x * np.tanh(np.log1p(exp(x))),
        lambda x: np.tanh(np.log1p(exp(x))) + x * sech2(np.log1p(exp(x))) * logistic(x),
        (0, BIG), (0, 1), 0.6, "Mish()",
    ),
    "hardtanh": Row(
        nn.Hardtanh(-2, 0.5), lambda x: np.clip(x, -2, 0.5), lambda x: 1.0 * ((x > -2) & (x < 0.5)),
        (-2, 0.5), (0, 0), 1, "Hardtanh(min_val=-2.0, max_val=0.5)",
    ),
    "hardsigmoid": Row(
        nn.Hardsigmoid(), lambda x: np.clip(x / 6 + 0.5, 0, 1), lambda x: (abs(x) < 3) / np.longdouble(6),
        (0, 1), (0, 0), 1 / 6, "Hardsigmoid()",
    ),
    "hardswish": Row(
        nn.Hardswish(),
        lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
        lambda x: np.where(x > 3, 1, np.where(x < -3, 0, x / 3 + 0.5)),
        (0, BIG), (0, 1), 0.5, "Hardswish()",
    ),
}  # fmt: skip
POINTS = np.arange(-7.03, 7, 0.11)  # away from every kink
ROWS = pytest.mark.parametrize("row", TABLE.values(), ids=list(TABLE))


def run(module: Any, x: Any, cotangent: Any = None) -> tuple[Any, Any]:
    """Value and gradient as arrays."""
    t = Tensor(x, requires_grad=True)
    out = module(t)
    out.backward(np.ones(out.shape, out.dtype) if cotangent is None else cotangent)
    assert t.grad is not None and t.grad.shape == t.shape
    return out.data, t.grad.data


@ROWS
def test_value_and_derivative_are_the_printed_formulas(row: Row) -> None:
    value, slope = run(row.module, POINTS)
    exact = POINTS.astype(np.longdouble)
    np.testing.assert_allclose(value, row.formula(exact).astype(float), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(slope, row.derivative(exact).astype(float), rtol=1e-13, atol=2e-15)


@ROWS
def test_first_and_second_derivative_by_differences(row: Row) -> None:
    x = np.array([[-4.2, -1.3, -0.4], [0.3, 1.4, 4.4]])
    if isinstance(row.module, nn.Step):
        assert not run(row.module, x)[1].any()
        return
    ac.check_grads(row.module, (x,), order=2)


@ROWS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_far_out_everything_is_finite_and_at_its_limit(row: Row, dtype: Any) -> None:
    x = np.array([-BIG, BIG], dtype)
    tolerance = 1e-6 if dtype == np.float32 else 1e-12
    value, slope = run(row.module, x)
    np.testing.assert_allclose(value, row.far, rtol=tolerance, atol=1e-30)
    np.testing.assert_allclose(slope, row.far_slopes, rtol=tolerance, atol=tolerance * 1e-3)
    gradient = ac.grad(lambda v: row.module(v).sum())
    bend = ac.grad(lambda v: gradient(v).sum())(x)
    assert bend.dtype == dtype
    np.testing.assert_allclose(bend, 0, atol=1e-8)


@ROWS
@pytest.mark.parametrize("shape", [(), (0, 3), (1,), (2, 3, 4)], ids=str)
def test_float32_and_the_shape_are_kept(row: Row, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    value, slope = run(row.module, x)
    assert value.shape == slope.shape == shape
    assert value.dtype == slope.dtype == np.float32
    exact = x.astype(float)
    expected = row.formula(np.ravel(exact)).reshape(shape).astype(float)
    np.testing.assert_allclose(value, expected, rtol=2e-6, atol=1e-6)
    expected = row.derivative(np.ravel(exact)).reshape(shape).astype(float)
    np.testing.assert_allclose(slope, expected, rtol=2e-6, atol=1e-6)


@ROWS
def test_the_subgradient_at_0(row: Row) -> None:
    value, slope = run(row.module, np.array([0.0, -0.0]))
    np.testing.assert_allclose(slope, row.slope_at_0, rtol=1e-15)
    at_0 = row.formula(np.zeros(1))[0] if not isinstance(row.module, nn.Step) else 1  # both documents: 1 where z >= 0
    np.testing.assert_allclose(value, at_0, rtol=1e-15)


@ROWS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_other_arrays_pass_through_bit_by_bit(row: Row, dtype: Any) -> None:
    x = POINTS[:12].reshape(3, 4).astype(dtype)
    value, slope = run(row.module, x)
    t = Tensor(DuckArray(x), requires_grad=True)
    out = row.module(t)
    out.backward(DuckArray(np.ones_like(x)))
    np.testing.assert_array_equal(unwrap(out.data), value)
    np.testing.assert_array_equal(unwrap(t.grad.data), slope)
    plain = row.module(x)
    np.testing.assert_array_equal(plain.data if isinstance(plain, Tensor) else plain, value)


@ROWS
def test_repr_and_state(row: Row) -> None:
    assert repr(row.module) == row.text
    assert list(row.module.state_dict()) == (["weight"] if isinstance(row.module, nn.PReLU) else [])


KINKS = {
    "relu6": (nn.ReLU6(), [6.0], [0]),
    "hardtanh": (nn.Hardtanh(), [-1.0, 1.0], [0, 0]),
    "hardsigmoid": (nn.Hardsigmoid(), [-3.0, 3.0], [0, 0]),
    "hardswish": (nn.Hardswish(), [-3.0, 3.0], [0, 1]),
    "softplus": (nn.Softplus(threshold=0.5), [0.5, 0.6], [1 / (1 + math.exp(-0.5)), 1]),
}


@pytest.mark.parametrize("name", KINKS)
def test_the_subgradient_at_other_kinks(name: str) -> None:
    module, points, slopes = KINKS[name]
    np.testing.assert_allclose(run(module, np.array(points))[1], slopes, rtol=1e-14)


# -- precision where a formula would lose it ----------------------------------------------------------


def test_the_normal_distribution_in_float32_keeps_its_tails() -> None:
    x = np.arange(-12.5, 7, 0.01).astype(np.float32)
    np.testing.assert_allclose(ndtr(x), cdf(x), rtol=2e-5)  # x^2 / 2 is rounded before it becomes an exponent
    near = np.abs(x) < 3
    np.testing.assert_allclose(ndtr(x)[near], cdf(x)[near], rtol=1e-6)
    np.testing.assert_array_equal(ndtr(np.array([-np.inf, -1e30, 0, 1e30, np.inf], np.float32)), [0, 0, 0.5, 1, 1])
    assert ndtr(0.0) == 0.5 and ndtr(Tensor(np.float32(0))).dtype == np.float32


@pytest.mark.parametrize("module", [nn.SMHT(1, 2, 3, 4), nn.SMHT(1, 2), nn.ELU(), nn.SELU(), nn.Tanh()], ids=repr)
def test_nothing_cancels_near_0(module: nn.Module) -> None:
    x = np.array([-1e-6, 1e-6])
    # A Taylor polynomial of second order, from the engine's own derivatives at 0 on either side, leaves 1e-18.
    slope = run(module, np.copysign(1e-30, x))[1]
    bend = ac.grad(lambda v: ac.grad(lambda w: module(w).sum())(v).sum())(np.copysign(1e-30, x))
    np.testing.assert_allclose(module(Tensor(x)).data, slope * x + bend * x**2 / 2, rtol=1e-11)


def test_softplus_is_the_identity_above_its_threshold_only() -> None:
    x = np.array([19.9, 20.1, 30.0])
    np.testing.assert_array_equal(F.softplus(x) == x, [False, True, True])
    assert (F.softplus(x.astype(np.float32)) == x.astype(np.float32)).all()
    np.testing.assert_array_equal(F.softplus(x, threshold=25) == x, [False, False, True])
    np.testing.assert_array_equal(F.softplus(-x, threshold=-25) == -x, [True, True, False])
    np.testing.assert_allclose(F.softplus(np.array([-30.0])), math.exp(-30), rtol=1e-12)


def test_smht_with_one_pair_of_constants_is_a_scaled_tanh() -> None:
    """As S003 prints it, the asymmetry of a and b is gone."""
    np.testing.assert_array_equal(F.smht(POINTS, 3, 1), F.smht(POINTS, 1, 3))
    np.testing.assert_allclose(F.smht(POINTS, 3, 1), np.tanh(2 * POINTS), rtol=1e-15)
    assert repr(nn.SMHT()) == "SMHT(a=1.0, b=1.0, c=1.0, d=1.0)"
    four = nn.SMHT(a=2, b=3, c=2, d=3.5)
    np.testing.assert_array_equal(four(Tensor(POINTS)).data, F.smht(POINTS, 2, 3, 2, 3.5))


def test_smht_overflows_only_where_its_value_does() -> None:
    x = np.array([-300.0, 300.0])
    expected = [-math.exp(-0.5 * 300), math.exp(0.5 * 300)]
    np.testing.assert_allclose(F.smht(x, 2, 1, 1.5, 1.5), expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("alpha", [1.0, 1.7, 0.6])
def test_the_slope_of_elu_keeps_its_digits_far_to_the_left(alpha: float, dtype: str) -> None:
    x = Tensor(np.array([-30.0, -15, -8, 2], dtype), requires_grad=True)
    F.elu(x, alpha).sum().backward()
    expected = [*(alpha * np.exp([-30.0, -15, -8])), 1]
    np.testing.assert_allclose(x.grad.data, expected, rtol=1e-14 if dtype == "float64" else 1e-6)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_of_float16_stays_float16_and_finite(approximate: Any) -> None:
    x = Tensor(np.array([-6e4, -300, -1, 0, 1, 300, 6e4], np.float16), requires_grad=True)
    out = F.gelu(x, approximate)
    out.sum().backward()
    assert out.dtype == x.grad.dtype == np.float16
    np.testing.assert_allclose(out.data, [0, 0, -0.1588, 0, 0.8412, 300, 6e4], atol=1e-3, rtol=1e-3)
    np.testing.assert_allclose(x.grad.data, [0, 0, -0.0833, 0.5, 1.0833, 1, 1], atol=1e-3)


@pytest.mark.parametrize("function", [F.softmax, F.log_softmax, F.softplus])
def test_integers_are_taken_as_float64(function: Any) -> None:
    x = np.arange(6).reshape(2, 3)
    options = {} if function is F.softplus else {"axis": -1}
    assert np.array_equal(function(x, **options), function(x.astype(float), **options))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    ("constants", "limits"), [((1, 1, 2, 2), (0, 0)), ((1, 2, 1, 3), (1, 0)), ((0.1, 0.1, 1, 1), (0, 0))]
)
def test_smht_at_infinity(dtype: Any, constants: Any, limits: Any) -> None:
    ends = [-np.inf, np.finfo(dtype).min, np.finfo(dtype).max, np.inf]
    layer = nn.SMHT(*constants)
    for function in (layer, ac.compile(layer)):
        x = Tensor(np.array(ends, dtype), requires_grad=True)
        out = function(x)
        np.testing.assert_array_equal(out.data, np.repeat(limits[::-1], 2))
        out.sum().backward()
        np.testing.assert_array_equal(x.grad.data, 0)
        assert out.dtype == dtype
    assert np.isnan(layer(np.array([np.nan], dtype))).all()
