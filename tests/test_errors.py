"""The exception hierarchy, the user's line, and the refusals of the operator declaration."""

import ast
import pathlib
import re

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Array, Sample, Tensor, errors, op
from autograd_core.errors import ArgumentError, AutogradError, ShapeError


def test_one_hierarchy():
    own = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]
    assert len(own) == 12
    for error in own:
        assert issubclass(error, AutogradError) and error.__doc__


@pytest.mark.parametrize(
    "error, builtin",
    [
        (errors.ShapeError, ValueError),
        (errors.DTypeError, TypeError),
        (errors.ArgumentError, ValueError),
        (errors.GraphError, RuntimeError),
        (errors.NoRuleError, TypeError),
        (errors.FreedGraphError, errors.GraphError),
        (errors.VersionError, errors.GraphError),
        (errors.LeafError, errors.GraphError),
        (errors.NonFiniteError, ArithmeticError),
    ],
)
def test_each_error_is_also_the_builtin_that_people_catch(error, builtin):
    assert issubclass(error, builtin)


def test_an_index_error_is_a_shape_error_too():
    with pytest.raises(IndexError) as caught:
        Tensor(np.zeros(3))[5]
    assert isinstance(caught.value, ShapeError)


def test_the_line_is_the_users_also_below_numpy_and_the_engine():
    def inner():
        return np.add(Tensor(np.zeros(3)), np.zeros(4))

    line = test_the_line_is_the_users_also_below_numpy_and_the_engine.__code__.co_firstlineno + 2
    for call in (
        inner,
        lambda: ac.grad(lambda x: inner())(1.0),
        lambda: np.apply_over_axes(lambda a, x: inner(), X, [0]),
    ):
        with pytest.raises(ShapeError, match=rf"called at test_errors.py:{line}$"):
            call()


X = np.ones((2, 3))


def test_numpys_own_complaint_is_kept_as_the_cause():
    with pytest.raises(ShapeError) as caught:
        Tensor(np.zeros(3)) + np.zeros(4)
    assert type(caught.value.__cause__) is ValueError


def declared(**options):
    @op("elementwise", latex="{a}", **options)
    def twice(a, scale=1.0):
        """2 a."""
        return a * 2 * scale

    return twice


def declared_again():
    def tanh(a):
        """Another tanh."""
        return np.tanh(a)

    tanh.__module__ = "autograd_core.ops.somewhere"
    op("elementwise", latex="{a}")(tanh)


DECLARATIONS = {
    "second block": (declared_again, r"op: an operator is declared once, got a second block for 'tanh' in .*somewhere"),
    "kind": (lambda: op("pointwise"), r"op: kind must be one of \('elementwise', .*\), got 'pointwise'"),
    "operand": (lambda: declared().vjp(b=lambda g: g), r"twice: 'b' is not an operand; it has \('a',\)"),
    "first parameter": (
        lambda: declared().vjp(a=lambda x: x),
        r"twice: a rule's first parameter must be g, got \('x',\)",
    ),
    "unknown parameter": (
        lambda: declared().vjp(a=lambda g, other: g),
        r"twice: a rule's parameters must be g, out, an operand, <operand>_shape or a static argument; got 'other'",
    ),
}


@pytest.mark.parametrize("name", DECLARATIONS)
def test_a_wrong_declaration(name):
    attempt, message = DECLARATIONS[name]
    with pytest.raises(ArgumentError, match=message):
        attempt()


def test_everything_that_a_rule_may_ask_for():
    seen = {}

    def rule(g, a, out, a_shape, out_shape, scale):
        seen.update(a=a, out=out, a_shape=a_shape, out_shape=out_shape, scale=scale)
        return g * 2 * scale

    double = declared(samples=[Sample(Array(3))]).vjp(a=rule)
    t = Tensor(np.ones(3), requires_grad=True)
    double(t, scale=3.0).sum().backward()
    np.testing.assert_array_equal(t.grad.data, [6, 6, 6])
    np.testing.assert_array_equal(seen["out"], [6, 6, 6])
    assert seen["a_shape"] == seen["out_shape"] == (3,) and seen["scale"] == 3.0
    assert repr(double) == "<operator twice: elementwise>"
    assert double.name not in ac.registry.operators, "the registry is the package's own"


# -- the form of the messages ------------------------------------------------------------------------------------------

PACKAGE = pathlib.Path(ac.__file__).parent
RAISES = re.compile(r"(Shape|DType|Argument|Graph|FreedGraph|Version|Leaf|NoRule|NonFinite)Error$")


def messages():
    """Every message that is built in the engine's own files, with its place."""
    for path in [*PACKAGE.glob("*.py"), *(PACKAGE / "ops").glob("*.py"), *(PACKAGE / "transforms").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and RAISES.search(node.func.id)
                and node.args
            ):
                yield f"{path.name}:{node.lineno}", ast.unparse(node.args[0])


def test_every_message_says_where():
    """Declarations and constructors know no operation; everything that an operation raises ends in its place."""
    exempt = {"operator.py"}
    found = dict(messages())
    assert len(found) > 40
    missing = [
        place
        for place, text in found.items()
        if "where(" not in text and "place(" not in text and place.split(":")[0] not in exempt
    ]
    assert not missing


def test_an_axis_that_is_not_there_is_an_index_error_too() -> None:
    with pytest.raises(errors.AxisError, match="axis 5 is out of bounds") as caught:
        np.sum(ac.Tensor([1.0]), axis=5)
    assert isinstance(caught.value, ShapeError)
    assert isinstance(caught.value, IndexError)
