"""The tests tested: a rule that is off by 0.1 %, or breaks a law of rules, must be rejected by `registry_cases`."""

from contextlib import contextmanager

import numpy as np
import pytest

import autograd_core as ac
import registry_cases as rc
from autograd_core.operator import Array, Operator, Sample, op, rule_parameters
from registry_cases import DIFFERENTIABLE, operators

# The most telling case of each operator: the first with several elements.
TELLING = {}
for case in DIFFERENTIABLE:
    if all(a.size > 1 for a in case.arrays()) and case.op.name not in TELLING:
        TELLING[case.op.name] = case
for case in DIFFERENTIABLE:
    TELLING.setdefault(case.op.name, case)

RULES = [
    (name, operand)
    for name, case in TELLING.items()
    for operand in (case.op.rules or [case.op.variadic or case.op.parameters[0]])
]


@contextmanager
def mutated(op, operand, change):
    """The operator with `change(answer, g)` applied to one operand's rule; everything is put back afterwards."""
    rules, joint = dict(op.rules), op.joint
    original = joint if joint is not None else rules[operand]
    names = ", ".join(rule_parameters(original))

    def answer(result, g):
        return [change(h, g) for h in result] if joint is not None else change(result, g)

    wrong = eval(f"lambda {names}: answer(original({names}), g)", {"answer": answer, "original": original})
    try:
        op.vjp(wrong) if joint is not None else op.vjp(**{operand: wrong})
        yield
    finally:
        op.rules, op.joint = rules, joint
        op._plans.clear()
        op.binary_plans = ()
        op._fast = None


def off(h, g):
    """0.1 % more, or where the gradient is zero 0.1 % of the cotangent (zero itself where rules are transposed)."""
    somewhere = np.any(np.asarray(getattr(h, "data", h)) != 0)
    return h * 1.001 if somewhere or h.shape != g.shape else h + g * 0.001


def case_for(name, operand):
    """A case in which the operand moves."""
    op = operators[name]
    position = 0 if op.variadic else op.parameters.index(operand)
    return next(
        c
        for c in (TELLING[name], *DIFFERENTIABLE)
        if c.op is op and position in c.moving and all(a.size for a in c.arrays())
    )


def test_every_differentiable_operator_is_here():
    assert {n for n, _ in RULES} == {n for n, o in operators.items() if o.differentiable} - rc.INTERNAL


@pytest.mark.parametrize("name, operand", RULES)
def test_a_rule_off_by_a_thousandth_is_rejected(name, operand):
    case = case_for(name, operand)
    with mutated(case.op, operand, off), pytest.raises(AssertionError, match="expected"):
        rc.check_vjp(case)
    rc.check_vjp(case)  # and put back it is right


@pytest.mark.parametrize("name, operand", [(n, o) for n, o in RULES if operators[n].linear is None])
def test_the_jvp_check_rejects_it_too(name, operand):
    case = case_for(name, operand)
    with mutated(case.op, operand, off), pytest.raises(AssertionError):
        rc.check_jvp(case)


@pytest.mark.parametrize("name", ["tanh", "multiply", "matmul", "var", "exp"])
def test_a_second_derivative_off_by_a_thousandth_is_rejected(name):
    """A rule that is right in value but carries a constant: its derivative is wrong."""
    case = TELLING[name]
    operand = next(iter(case.op.rules))

    def constant(h, g):  # the rule's value, and a derivative 0.1 % off
        return h + (h - ac.stop_gradient(h)) * 0.001

    with mutated(case.op, operand, constant), pytest.raises(AssertionError, match="second order"):
        rc.check_vjp(case)
        rc.check_second(case)


@pytest.mark.parametrize(
    "name", ["exp", "multiply", "sum", "matmul", "getitem", "std", "power", "concatenate", "logsumexp"]
)
def test_a_leak_of_float64_is_rejected(name):
    case = case_for(name, next(iter(operators[name].rules or {"arrays": None})))
    operand = next(iter(case.op.rules or {"": None}))
    with mutated(case.op, operand, lambda h, g: h * np.float64(1.0)), pytest.raises(AssertionError, match="float64"):
        rc.check_float32(case)


def scaled_in_place(h, g):
    array = g.formed() if hasattr(g, "formed") else g
    array *= 1.0
    return h


@pytest.mark.parametrize("name", ["exp", "sum", "reshape", "matmul"])
def test_a_rule_that_writes_into_its_cotangent_is_rejected(name):
    case = case_for(name, next(iter(operators[name].rules)))
    with mutated(case.op, next(iter(case.op.rules)), scaled_in_place), pytest.raises(ValueError, match="read-only"):
        rc.check_vjp(case)


def broken(kind, function, samples, **rules):
    """An operator of the test's own, outside the registry."""
    declared = op(kind, latex="x", derivative=dict.fromkeys(rules, "1"), samples=samples, analytic=True)(function)
    assert isinstance(declared, Operator) and declared.name not in operators
    return declared.vjp(**rules)


def shifted(a, b):
    """a + b."""
    return a + b


SHIFTED = [Sample(Array(3, 4), Array(4)), Sample(Array(3, 1), Array(1, 4))]


@pytest.mark.parametrize("index", [0, 1])
def test_a_rule_that_forgets_to_unbroadcast_is_rejected(index):
    wrong = broken("composite", shifted, SHIFTED, a=lambda g: g, b=lambda g: g)
    with pytest.raises((AssertionError, ac.AutogradError, ValueError), match="shape"):
        rc.check_vjp(rc.Case(wrong, SHIFTED[index], 0))


@pytest.mark.parametrize("index", [0, 1])
def test_the_kind_elementwise_unbroadcasts_by_itself(index):
    right = broken("elementwise", shifted, SHIFTED, a=lambda g: g, b=lambda g: g)
    rc.check_vjp(rc.Case(right, SHIFTED[index], 0))


def test_a_gradient_for_the_wrong_operand_is_rejected():
    wrong = broken("elementwise", shifted, SHIFTED, a=lambda g: g * 0, b=lambda g: g)
    with pytest.raises(AssertionError, match="operand 0"):
        rc.check_vjp(rc.Case(wrong, SHIFTED[0], 0))


def cubed(a):
    """a ** 3."""
    return a**3


def test_a_rule_that_keeps_a_constant_is_rejected_at_second_order():
    """Detached, an operand is a constant to the recorded backward pass: first order right, second wrong."""
    sample = Sample(Array(3, low=0.5))
    wrong = broken("elementwise", cubed, [sample], a=lambda g, a: g * 3 * ac.stop_gradient(a) ** 2)
    case = rc.Case(wrong, sample, 0)
    rc.check_vjp(case)
    with pytest.raises(AssertionError, match="second order"):
        rc.check_second(case)


def test_differences_are_sharp_enough():
    """The bound that differences are judged by is far below a thousandth of what they measure."""
    for case in TELLING.values():
        if case.op.analytic or case.op.derivative.get("a") == "0":
            continue
        expected, bounds = rc.numeric_vjp(case, case.cotangents())
        for e, b in zip(expected, bounds, strict=True):
            assert np.max(b) < 1e-4 * (np.max(np.abs(e)) or 1), case
