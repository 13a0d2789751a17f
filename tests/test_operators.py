"""Every operator against the numbers, generated from the registry."""

import inspect
import os

import numpy as np
import pytest

import autograd_core as ac
import registry_cases as rc
from autograd_core import Tensor
from autograd_core.operator import KINDS, Array
from registry_cases import ALL, DIFFERENTIABLE, INTERNAL, operators

OPERATORS = list(operators.values())
INTEGERS = ("invert", "bitwise_count")  # take no floating numbers


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.name)
def test_block_has_all_its_parts(op):
    assert op.__doc__ and op.__doc__.strip().endswith(".")
    assert op.kind in KINDS and op.symbol and op.latex
    assert operators[op.name] is op
    assert op.linear in (None, "jointly", "each")
    if op.name in INTERNAL:
        return
    assert op.samples, "samples for the generated tests"
    if not op.differentiable:
        assert not op.rules and op.joint is None and not op.derivative
        return
    operands = [op.variadic] if op.variadic else op.parameters
    cut = {"condition"}  # boolean: nothing to differentiate
    assert set(op.derivative) == set(operands) - cut, "LaTeX of the derivative in every operand"
    assert op.joint is not None or set(op.rules) == set(operands) - cut, "a rule for every operand"
    assert any(case.op is op and case.moving for case in DIFFERENTIABLE)


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.name)
def test_latex_names_only_what_the_operator_has(op):
    known = {n: "x" for n in (*op.parameters, *op.statics, "out", *([op.variadic] if op.variadic else []))}
    for formula in (op.latex, *op.derivative.values()):
        for name in known:
            formula = formula.replace("{" + name + "}", "x")
        assert formula.count("{") == formula.count("}")


@pytest.mark.parametrize("case", ALL, ids=str)
def test_value_is_numpys(case):
    rc.check_value(case)


@pytest.mark.parametrize("check", rc.CHECKS)
@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=str)
def test_gradient(case, check):
    rc.CHECKS[check](case)


@pytest.mark.parametrize("case", [c for c in ALL if not c.op.differentiable], ids=str)
def test_what_is_not_floating_is_cut_from_the_graph(case):
    arrays = [x for x in case.operands if isinstance(x, np.ndarray) and x.dtype.kind == "f"]
    operands = [
        Tensor(x, requires_grad=any(x is a for a in arrays)) if isinstance(x, np.ndarray) else x for x in case.operands
    ]
    out = case.op(*operands, **case.statics)
    assert not out.requires_grad and out.dtype.kind in "biu"


def filled(x):
    if isinstance(x, Array):
        return Tensor(np.linspace(x.low, x.high, int(np.prod(x.shape))).reshape(x.shape), requires_grad=True)
    return [filled(i) for i in x] if isinstance(x, list) else x


@pytest.mark.parametrize(
    "op, bad", [(op, bad) for op in OPERATORS for bad in op.bad], ids=lambda x: getattr(x, "name", "")
)
def test_bad_operands(op, bad):
    args = [filled(a) for a in bad.args]
    kwargs = {k: filled(v) for k, v in bad.kwargs.items()}
    with pytest.raises(bad.error, match=bad.match) as caught:
        op(*args, **kwargs)
    line = inspect.currentframe().f_lineno - 1
    message = str(caught.value)
    assert message.startswith(f"{op.name}: ")
    assert message.endswith(f"in: {op.name}, called at {os.path.basename(__file__)}:{line}")
    assert isinstance(caught.value, ac.AutogradError)
    for t in (a for a in args if isinstance(a, Tensor)):
        assert t.grad is None and t.is_leaf


# -- values where a formula breaks or a convention decides -----------------------------------------


def gradient(f, *arrays):
    return ac.grad(lambda *xs: np.sum(f(*xs)), argnums=tuple(range(len(arrays))))(*map(np.asarray, arrays))


SPECIAL = {
    "relu(0)": (ac.relu, [[-1.0, 0.0, 2.0]], [[0, 0, 1]]),
    "relu(-0)": (ac.relu, [[-0.0]], [[0]]),
    "|0|": (np.abs, [[-1.0, 0.0, 2.0]], [[-1, 0, 1]]),
    "maximum, tie": (np.maximum, [[1.0, 2.0], [1.0, 0.0]], [[0.5, 1], [0.5, 0]]),
    "minimum, tie": (np.minimum, [[1.0, 2.0], [1.0, 0.0]], [[0.5, 0], [0.5, 1]]),
    "max, ties": (np.max, [[3.0, 1.0, 3.0, 3.0]], [[1 / 3, 0, 1 / 3, 1 / 3]]),
    "min, ties": (np.min, [[1.0, 1.0, 3.0, 3.0]], [[0.5, 0.5, 0, 0]]),
    "max by row, ties": (lambda a: np.max(a, axis=1), [[[2.0, 2.0], [1.0, 0.0]]], [[[0.5, 0.5], [1, 0]]]),
    "sqrt(0)": (np.sqrt, [[0.0, 4.0]], [[np.inf, 0.25]]),
    "std of a constant": (np.std, [[2.0, 2.0, 2.0]], [[0, 0, 0]]),
    "var of a constant": (np.var, [[2.0, 2.0, 2.0]], [[0, 0, 0]]),
    "norm at 0": (np.linalg.norm, [[0.0, 0.0]], [[0, 0]]),
    "norm": (np.linalg.norm, [[3.0, 4.0]], [[0.6, 0.8]]),
    "clip at its limits": (lambda a: np.clip(a, 0.0, 1.0), [[-1.0, 0.0, 0.5, 1.0, 2.0]], [[0, 1, 1, 1, 0]]),
    "logsumexp, huge": (ac.logsumexp, [[1e4, 1e4, -1e4]], [[0.5, 0.5, 0]]),
    "logsumexp, huge and negative": (ac.logsumexp, [[-1e4, -1e4]], [[0.5, 0.5]]),
    "logsumexp with -inf": (ac.logsumexp, [[-np.inf, 0.0]], [[0, 1]]),
    "logsumexp of -inf only": (ac.logsumexp, [[-np.inf, -np.inf]], [[0, 0]]),
    "logsumexp with +inf": (ac.logsumexp, [[np.inf, 0.0, 5.0]], [[1, 0, 0]]),
    "logsumexp with NaN": (ac.logsumexp, [[np.nan, 0.0]], [[np.nan, np.nan]]),
    "logaddexp of -inf": (np.logaddexp, [[-np.inf], [-np.inf]], [[0], [0]]),
    "logaddexp, huge": (np.logaddexp, [[1e4], [-1e4]], [[1], [0]]),
    "softplus, huge": (ac.softplus, [[1e4, -1e4, 0.0]], [[1, 0, 0.5]]),
    "sigmoid, huge": (ac.sigmoid, [[1e4, -1e4, 0.0]], [[0, 0, 0.25]]),
    "tanh, huge": (np.tanh, [[1e4, -1e4, 0.0]], [[0, 0, 1]]),
    "prod with a zero": (np.prod, [[0.0, 2.0, 3.0]], [[6, 0, 0]]),
    "prod with two zeros": (np.prod, [[0.0, 0.0, 3.0]], [[0, 0, 0]]),
    "0 ** 2": (lambda a: a**2, [[0.0]], [[0]]),
    "0 ** 1": (lambda a: a**1, [[0.0]], [[1]]),
    "0 ** 0": (lambda a: a**0, [[0.0]], [[0]]),
    "(-2) ** 3": (lambda a: a**3, [[-2.0]], [[12]]),
    "0 ** t": (lambda b: 0**b, [[2.0]], [[0]]),
    "t ** t at 0": (np.power, [[0.0], [2.0]], [[0], [0]]),
    "t ** 0 at 0": (np.power, [[0.0], [0.0]], [[0], [0]]),
    "sign": (np.sign, [[-2.0, 0.0, 3.0]], [[0, 0, 0]]),
    "round": (np.round, [[0.4, 1.6]], [[0, 0]]),
    "mean of all": (np.mean, [[1.0, 2.0, 3.0, 4.0]], [[0.25] * 4]),
    "where blocks the branch not taken": (lambda a: np.where(a > 0, a * 2, 0.0), [[1.0, -1.0]], [[2, 0]]),
    "cbrt": (np.cbrt, [[-8.0]], [[1 / 12]]),
    "expm1 near 0": (np.expm1, [[1e-20]], [[1]]),
    "log1p near 0": (np.log1p, [[1e-20]], [[1]]),
}


@pytest.mark.parametrize("name", SPECIAL)
def test_special_value(name):
    f, arrays, expected = SPECIAL[name]
    with np.errstate(divide="ignore", invalid="ignore"):
        actual = gradient(f, *arrays)
    for g, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(g, np.asarray(e, dtype=float), rtol=1e-14 if "huge" not in name else 1e-12)


def test_prod_with_zeros_to_second_order():
    x = np.array([0.0, 0.0, 3.0, 2.0])
    expected = np.zeros((4, 4))
    expected[0, 1] = expected[1, 0] = 6.0
    np.testing.assert_allclose(ac.hessian(np.prod)(x), expected)
    np.testing.assert_allclose(ac.hessian(np.prod)(np.array([0.0, 2.0, 3.0])), [[0, 3, 2], [3, 0, 0], [2, 0, 0]])


@pytest.mark.parametrize(
    "op",
    [
        o
        for o in OPERATORS
        if o.kind == "elementwise" and len(o.parameters) == 1 and not o.statics and o.name not in INTEGERS
    ],
    ids=lambda o: o.name,
)
def test_nan_and_infinity_go_through_as_in_numpy(op):
    x = np.array([np.nan, np.inf, -np.inf])
    with np.errstate(all="ignore"):
        t = Tensor(x, requires_grad=True)
        out = op(t)
        np.testing.assert_array_equal(out.data, op.function(x))
        if op.differentiable:
            out.backward(np.ones(3))
            assert t.grad.shape == (3,)
            zero = op.derivative["a"] == "0"
            if not zero and op.linear is None and op.name not in ("relu", "absolute"):
                assert np.isnan(t.grad.data[0]), "the gradient at NaN is NaN"


@pytest.mark.parametrize("number", [2, 2.5, True, np.float64(2.0), np.int64(2)], ids=lambda n: type(n).__name__)
@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "power", "maximum", "arctan2"])
def test_numbers_beside_float32(name, number):
    """Python numbers do not decide the dtype; NumPy scalars do as NumPy says."""
    op = operators[name]
    x = np.array([1.0, 2.0, 3.0], dtype=np.float32)
    for left in (True, False):
        t = Tensor(x, requires_grad=True)
        pair, plain = ((t, number), (x, number)) if left else ((number, t), (number, x))
        out, expected = op(*pair), op.function(*plain)
        assert out.dtype == expected.dtype
        np.testing.assert_allclose(out.data, expected, rtol=1e-6)
        out.sum().backward()
        assert t.grad.dtype == np.float32
