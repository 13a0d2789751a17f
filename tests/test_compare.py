"""`compare` and `tag`: arguments, messages, randomness, the oracle, verdicts."""

import math

import numpy as np
import pytest

import autograd_core
from autograd_core import errors
from autograd_core.compare import compare, confirm, tag
from autograd_core.compare.sweep import fit_order

X = np.array([[0.5, -1.5, 2.0], [1.0, 0.25, -0.75]])


def square(x):
    return (x**2).sum(axis=1)


def right(g, x):
    return 2 * x * g[:, None]


# -- tag -------------------------------------------------------------------------------------------


def test_tag_names_the_node_and_changes_nothing():
    x = autograd_core.Tensor(X, requires_grad=True)
    t = tag(x * 2, "twice")
    assert t._node.name == "twice" and t._node.op.name == "identity"
    assert np.array_equal(t.data, X * 2)
    t.sum().backward()
    assert np.array_equal(x.grad.data, np.full_like(X, 2.0))


def test_tag_returns_arrays_themselves():
    assert tag(X, "x") is X
    assert tag(1.5, "x") == 1.5


@pytest.mark.parametrize(
    ("value", "name", "error", "message"),
    [
        (X, 3, errors.DTypeError, "the name must be a string, got int"),
        (X, "my mean", errors.ArgumentError, "usable as a parameter of a claim, got 'my mean'"),
        ([X], "x", errors.DTypeError, "a Tensor or an array, got list for 'x'"),
    ],
)
def test_tag_refuses(value, name, error, message):
    with pytest.raises(error, match=message):
        tag(value, name)


def test_a_name_used_twice_is_an_error():
    with pytest.raises(errors.ArgumentError, match="'m' is given a second time"):
        compare(lambda x: tag(tag(x, "m"), "m"), {"x": X}, {"x": lambda g: g})


def test_a_tag_must_not_take_the_name_of_an_input():
    with pytest.raises(errors.ArgumentError, match="'x' already names an input"):
        compare(lambda x: tag(x * 2, "x"), {"x": X}, {"x": lambda g: g})


# -- arguments -------------------------------------------------------------------------------------

BAD = {
    "f": (dict(f=3), errors.DTypeError, "f must be a function, got int"),
    "no inputs": (dict(inputs={}), errors.ArgumentError, "inputs must be a non-empty dict"),
    "float32": (
        dict(inputs={"x": X.astype(np.float32)}),
        errors.DTypeError,
        r"must be float64, .* got float32 for 'x'; pass np.asarray\(x, dtype=np.float64\)",
    ),
    "integers": (dict(inputs={"x": [1, 2]}), errors.DTypeError, "got int64 for 'x'"),
    "nan": (
        dict(inputs={"x": np.array([1.0, np.nan])}),
        errors.ArgumentError,
        r"must be finite, got nan in 'x' at index \(1,\)",
    ),
    "input g": (dict(inputs={"g": X}), errors.ArgumentError, "'g' is the upstream gradient"),
    "no identifier": (dict(inputs={"a b": X}), errors.ArgumentError, "identifiers, got 'a b'"),
    "twice": (dict(params={"x": 1.0}), errors.ArgumentError, "'x' must be given once"),
    "unknown to f": (dict(params={"k": 1.0}), errors.ArgumentError, "f .* no parameter 'k'"),
    "missing": (dict(f=lambda x, k: x * k), errors.ArgumentError, "f needs 'k'"),
    "two sweeps": (
        dict(sweep={"a": (1, 2), "b": (1, 2)}),
        errors.ArgumentError,
        "must name one parameter",
    ),
    "one value": (
        dict(f=lambda x, k: x * k, sweep={"k": (0.1,)}),
        errors.ArgumentError,
        "at least two distinct positive finite numbers",
    ),
    "negative value": (
        dict(f=lambda x, k: x * k, sweep={"k": (0.1, -0.1)}),
        errors.ArgumentError,
        "at least two distinct positive finite numbers",
    ),
    "seed": (dict(seed=-1), errors.ArgumentError, "seed must be a non-negative integer, got -1"),
    "no claims": (dict(claimed={}), errors.ArgumentError, "claimed must be a non-empty dict"),
    "claim for nothing": (
        dict(claimed={"y": lambda g: g}),
        errors.ArgumentError,
        "an input or a tag, got 'y'",
    ),
    "claim for a parameter": (
        dict(f=lambda x, k: x * k, params={"k": 2.0}, claimed={"k": lambda g: g}),
        errors.ArgumentError,
        "it is a parameter: move it to inputs",
    ),
    "no function": (dict(claimed={"x": X}), errors.DTypeError, "must be a function .* got ndarray"),
    "unknown name": (
        dict(claimed={"x": lambda g, y: g}),
        errors.ArgumentError,
        "asks for 'y', which is unknown",
    ),
    "star": (
        dict(claimed={"x": lambda *args: args}),
        errors.ArgumentError,
        r"one by one, got \*args",
    ),
    "tuple": (dict(claimed={"x": lambda g: (g, g)}), errors.DTypeError, "one array, got tuple"),
    "complex": (
        dict(claimed={"x": lambda g, x: 1j * x}),
        errors.DTypeError,
        "real numbers, got dtype comp",
    ),
    "shape": (
        dict(claimed={"x": lambda g: np.ones(7)}),
        errors.ShapeError,
        r"\(2, 3\), got \(7,\) from the claim for 'x'; no missing or extra sum",
    ),
    "shape of a Jacobian": (
        dict(claimed={"x": lambda x: x**3}),
        errors.ShapeError,
        r"output \+ input, \(2, 2, 3\), got \(2, 3\) .* add the parameter g",
    ),
    "array": (dict(f=lambda x: x.data), errors.DTypeError, "must return one Tensor.* got ndarray"),
    "float32 inside": (
        dict(f=lambda x: x.astype(np.float32)),
        errors.DTypeError,
        "compute in float64.*float32",
    ),
    "empty output": (dict(f=lambda x: x[:0]), errors.ShapeError, r"got shape \(0, 3\)"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_are_named(case):
    changes, error, message = BAD[case]
    arguments = {"f": square, "inputs": {"x": X}, "claimed": {"x": right}, **changes}
    if "g" in arguments["inputs"]:
        arguments["f"] = lambda g: g
    with pytest.raises(error, match=message):
        compare(**arguments)


def test_a_claim_may_not_be_given_its_own_answer():
    def f(x):
        return tag(tag(x * 2, "a") * 3, "b")

    claims = {"a": lambda g_b: 3 * g_b, "b": lambda g: g}
    assert compare(f, {"x": X}, claims).ok
    for claim in (lambda g_a: g_a, lambda g_a, g: g):
        with pytest.raises(errors.ArgumentError, match="its own answer cannot fail"):
            compare(f, {"x": X}, {"b": claim})


def test_names_that_could_mean_an_adjoint_are_refused():
    with pytest.raises(errors.ArgumentError, match="'g_m' stands for the gradient of the tag 'm'"):
        compare(lambda x, g_m: tag(x, "m") * g_m, {"x": X, "g_m": X}, {"x": lambda g: g})


def test_an_error_inside_a_claim_says_which_claim():
    with pytest.raises(ZeroDivisionError) as caught:
        compare(square, {"x": X}, {"x": lambda g: 1 / 0})
    assert caught.value.__notes__ == ["raised by the claim for 'x'"]


def test_a_claim_cannot_change_what_it_is_given():
    def greedy(g, x):
        x *= 2
        return x * g[:, None]

    with pytest.raises(ValueError, match="read-only"):
        compare(square, {"x": X}, {"x": greedy})


def test_claims_may_have_defaults_and_positional_only_parameters():
    def claim(g, /, x, *, k=2):
        return k * x * g[:, None]

    assert compare(square, {"x": X}, {"x": claim}).ok


def test_inputs_may_be_tensors_and_numbers():
    inputs = {"x": autograd_core.Tensor(X), "a": 3.0}
    report = compare(lambda x, a: x * a, inputs, {"x": lambda g, a: g * a, "a": lambda g, x: (g * x).sum()})
    assert report.ok


def test_tags_must_not_depend_on_the_point():
    def f(x, k):
        return tag(x * k, "m") if k > 0.5 else x * k

    with pytest.raises(errors.ArgumentError, match="tag the same values"):
        compare(f, {"x": X}, {"x": lambda g, k: g * k}, sweep={"k": (1.0, 0.1)})


# -- randomness ------------------------------------------------------------------------------------


def test_the_users_random_state_is_left_alone():
    autograd_core.random.seed(5)
    expected = autograd_core.random.normal(size=3)
    autograd_core.random.seed(5)
    compare(square, {"x": X}, {"x": right})
    assert np.array_equal(autograd_core.random.normal(size=3), expected)


def test_reports_repeat_with_the_seed():
    claims = {"x": lambda g, x: x * g[:, None] * 1.5}
    first = compare(square, {"x": X}, claims, seed=3)
    assert first.to_dict() == compare(square, {"x": X}, claims, seed=3).to_dict()
    assert first["x"].worst != compare(square, {"x": X}, claims, seed=4)["x"].worst


def test_dropout_is_one_and_the_same_function_in_every_run():
    autograd_core.random.seed(2)
    state = autograd_core.random.get_state()
    keep = autograd_core.random.bernoulli(0.5, X.shape)
    autograd_core.random.set_state(state)
    report = compare(
        lambda x: x * autograd_core.random.bernoulli(0.5, X.shape),
        {"x": X},
        {"x": lambda g: g * keep},
    )
    assert report.ok


def test_other_randomness_is_an_error():
    rng = np.random.default_rng(0)
    with pytest.raises(errors.ArgumentError, match="f must give the same output"):
        compare(lambda x: x * rng.standard_normal(), {"x": X}, {"x": lambda g: g})
    with pytest.raises(errors.ArgumentError, match="two calls of the claim for 'x'"):
        compare(square, {"x": X}, {"x": lambda g, x: x * rng.standard_normal()})


# -- oracle ----------------------------------------------------------------------------------------


def test_operators_that_are_not_analytic_are_confirmed_by_differences():
    report = compare(lambda x: autograd_core.relu(x) * abs(x), {"x": X}, {"x": lambda g, x: 2 * g * x * (x > 0)})
    assert report["x"].verdict == "exact"
    assert report["x"].oracle == "central differences, all 6 elements"
    assert 0 < report["x"].oracle_error < 1e-8


def test_a_kink_is_named_and_the_rest_is_still_judged():
    x = X.copy()
    x[1, 2] = 0.0

    def f(x):
        return autograd_core.relu(x)

    line = compare(f, {"x": x}, {"x": lambda g, x: g * (x > 0)})["x"]
    assert line.verdict == "undecided" and line.reason == "f has a kink at x(1, 2)"
    assert compare(f, {"x": x}, {"x": lambda g, x: g * (x >= 0)})["x"].verdict == "undecided"
    assert compare(f, {"x": x}, {"x": lambda g, x: g})["x"].verdict == "wrong"


def test_a_tie_is_undecided():
    line = compare(
        lambda x: x.max(axis=1),
        {"x": np.array([[2.0, 2.0, 1.0]])},
        {"x": lambda g, x: np.array([[0.5, 0.5, 0.0]]) * g},
    )["x"]
    assert line.verdict == "undecided" and "kink" in line.reason


def test_an_oracle_that_disagrees_is_not_believed():
    def f(x):
        y = x.detach() if isinstance(x, autograd_core.Tensor) else x
        return x * y  # the engine sees half of the derivative of x^2

    line = compare(f, {"x": X}, {"x": lambda g, x: 2 * g * x})["x"]
    assert line.verdict == "undecided"
    assert "the oracle for 'x' is not confirmed" in line.reason and "disagree by" in line.reason
    assert line.oracle_error == pytest.approx(1.0)


def test_an_unconfirmed_adjoint_that_a_claim_uses_leaves_it_undecided():
    def f(x):
        m = tag(x * 2, "m")
        return m * m.detach() + x * 0 if isinstance(m, autograd_core.Tensor) else m * m

    line = compare(f, {"x": X}, {"x": lambda g_m: 2 * g_m})["x"]
    assert line.verdict == "undecided" and "not confirmed" in line.reason


def test_large_inputs_are_confirmed_at_a_subset_and_along_directions():
    x = np.random.default_rng(0).standard_normal((40, 50))
    line = compare(lambda x: np.exp(x), {"x": x}, {"x": lambda g, x: g * np.exp(x)})["x"]
    assert line.verdict == "exact"
    assert line.oracle == (
        f"complex step, {confirm.SOME_ELEMENTS} of 2000 elements and {confirm.DIRECTIONS} random directions"
    )
    bump = np.zeros_like(x)
    bump[17, 31] = 1e-9  # every element is compared, whatever was confirmed
    line = compare(lambda x: np.exp(x), {"x": x}, {"x": lambda g, x: g * np.exp(x + bump)})["x"]
    assert line.verdict == "wrong" and line.worst[0] == (17, 31)


def test_functions_that_need_tensors_are_confirmed_on_tensors():
    def f(x):
        return x.detach() * 0 + x**2 if isinstance(x, autograd_core.Tensor) else x.nothing

    line = compare(f, {"x": X}, {"x": lambda g, x: 2 * g * x})["x"]
    assert line.verdict == "exact" and line.oracle.startswith("central differences")


# -- verdicts --------------------------------------------------------------------------------------


def test_a_claim_that_is_not_finite_is_wrong_and_says_where():
    def claim(g, x):
        gradient = right(g, x)
        gradient[1, 2] = np.nan
        return gradient

    line = compare(square, {"x": X}, {"x": claim})["x"]
    assert line.verdict == "wrong" and line.reason == "the claimed value at index (1, 2) is nan"
    assert line.max_rel_error == math.inf and line.hint is None


def test_an_oracle_that_is_not_finite_is_undecided():
    line = compare(lambda x: np.sqrt(x), {"x": np.array([0.0, 1.0])}, {"x": lambda g, x: g * 0.5})["x"]
    assert line.verdict == "undecided" and "not finite" in line.reason


def test_an_input_that_does_not_reach_the_output_is_undecided():
    report = compare(lambda x, z: x * 2 + 0 * z, {"x": X, "z": X}, {"z": lambda g: 0 * g})
    assert report["z"].verdict == "undecided" and "structurally zero" in report["z"].reason


def test_float32_claims_are_not_judged_beyond_their_precision():
    claim = {"x": lambda g, x: (2 * x * g[:, None]).astype(np.float32)}
    line = compare(square, {"x": X}, claim)["x"]
    assert line.verdict == "undecided" and line.bound > 1e-7
    claim = {"x": lambda g, x: (2.1 * x * g[:, None]).astype(np.float32)}
    assert compare(square, {"x": X}, claim)["x"].verdict == "wrong"


def test_a_mistake_in_a_tiny_feature_is_not_hidden_by_a_large_one():
    scale = np.array([[1e-14], [1.0]])
    x = np.random.default_rng(0).standard_normal((2, 5))
    wrong = np.array([[2.0], [1.0]])
    line = compare(lambda x: x * scale, {"x": x}, {"x": lambda g: g * scale * wrong})["x"]
    assert line.verdict == "wrong" and "index 0 of axis 0" in line.reason


def test_a_relative_error_of_1e_12_is_not_exact():
    line = compare(square, {"x": X}, {"x": lambda g, x: right(g, x) * (1 + 1e-12)})["x"]
    assert line.verdict == "wrong"


@pytest.mark.parametrize(
    ("errors_", "above", "order", "still_open"),
    [
        ([1e-2, 1e-4, 1e-6, 1e-8], [1, 1, 1, 1], 2.0, False),
        ([1e-2, 1e-3, 1e-4, 1e-16], [1, 1, 1, 0], 1.0, False),
        ([1e-1, 1e-1, 1e-1, 1e-1], [1, 1, 1, 1], None, False),  # constant
        ([1e-2, 1e-3, 1e-4, 1e-4], [1, 1, 1, 1], None, False),  # fades onto a floor
        ([1e-2, 1e-16, 1e-4, 1e-5], [1, 0, 1, 1], None, False),  # comes back
        ([1e-4, 1e-3, 1e-2, 1e-1], [1, 1, 1, 1], None, False),  # grows
        ([1e-4, 1e-16, 1e-16, 1e-16], [1, 0, 0, 0], None, True),
        ([np.inf, 1e-2, 1e-3, 1e-4], [1, 1, 1, 1], None, False),
    ],
)
def test_the_fitted_order(errors_, above, order, still_open):
    fit = fit_order([1e-1, 1e-2, 1e-3, 1e-4], errors_, [bool(up) for up in above])
    assert fit.open is still_open
    assert fit.order == (None if order is None else pytest.approx(order))


def test_what_passes_through_a_tag_by_way_of_another_is_one_path():
    def f(x):
        a = tag(x**2, "a")
        return a + tag(a * x, "b")

    assert compare(f, {"x": X}, {"x": lambda g, x: g * (2 * x + 3 * x**2)}).ok
    line = compare(f, {"x": X}, {"x": lambda g, x: g * 2 * x})["x"]
    assert line.hint == "the path through 'b' is missing"


def test_without_elements_nothing_is_decided():
    line = compare(lambda x, z: x + z.sum(), {"x": X, "z": np.zeros(0)}, {"z": lambda g, z: z})["z"]
    assert line.verdict == "undecided" and line.reason == "'z' has no elements"
