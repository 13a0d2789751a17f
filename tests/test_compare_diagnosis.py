"""The search for the repair that explains a wrong claim: its parts, its bounds, and that it does not guess."""

import numpy as np
import pytest

import autograd_core
from autograd_core.compare import compare, tag
from autograd_core.compare.diagnosis import points
from autograd_core.compare.diagnosis.case import WORK, Case
from autograd_core.compare.diagnosis.tracing import Program, Ref, Traced, trace
from autograd_core.errors import ShapeError

X = np.random.default_rng(4).uniform(0.5, 2.0, (3, 5))
W = np.random.default_rng(5).uniform(0.5, 2.0, (3, 5))


def hint(f, inputs, claim, target="x", **options):
    line = compare(f, inputs, {target: claim}, **options)[target]
    assert line.verdict == "wrong"
    return line.hint


# -- formulas as programs --------------------------------------------------------------------------


def traced(formula, **arguments):
    found = trace(lambda given: formula(**given), arguments, formula(**arguments))
    return None if found is None else found[0]


def test_a_program_repeats_its_formula_and_can_be_changed():
    program = traced(lambda x, w: np.sum(x * w, axis=1) / 3 + x.mean(), x=X, w=W)
    assert np.array_equal(program.rerun({}), np.sum(X * W, axis=1) / 3 + X.mean())
    product = next(i for i, step in program.steps.items() if step.call is np.multiply)
    changed = program.rerun({product: lambda values: values[0] - values[1]})
    assert np.allclose(changed, np.sum(X - W, axis=1) / 3 + X.mean())
    other = program.rerun({}, {0: 2.0 * X})
    assert np.allclose(other, np.sum(2 * X * W, axis=1) / 3 + 2 * X.mean())


def test_a_program_runs_on_tensors():
    program = traced(lambda x: np.tanh(x[1:]).sum(), x=X)
    x = autograd_core.Tensor(X, requires_grad=True)
    program.rerun({}, {0: x}).backward()
    expected = 1 - np.tanh(X) ** 2
    expected[0] = 0.0
    assert np.allclose(x.grad.data, expected)


def test_programs_follow_methods_indices_and_sequences():
    def formula(x, w):
        y = x.copy().reshape(5, 3).T.transpose(1, 0)
        y *= 2.0
        rows = np.stack([row for row in y])
        return np.concatenate([rows.T.flatten(), w.sum(axis=0, keepdims=True)[0]]).astype(np.float64)

    program = traced(formula, x=X, w=W)
    assert np.array_equal(program.rerun({}), formula(X, W))
    assert len(program.live()) > 8


@pytest.mark.parametrize(
    "formula",
    [
        lambda x: x.__setitem__((0, 0), 1.0) or x,  # writes
        lambda x: np.asarray(x) * 2.0,  # leaves
        lambda x: np.frexp(x)[0],  # two results
        lambda x: sum(x for _ in range(1000)),  # a loop that is too long to search
    ],
)
def test_what_cannot_be_traced_is_left_alone(formula):
    arguments = {"x": X.copy()}
    assert trace(lambda given: formula(**given), arguments, X) is None


def test_a_trace_that_differs_from_the_call_is_not_used():
    def formula(x):
        return x * 2.0 if isinstance(x, Traced) else x * 3.0

    assert traced(formula, x=X) is None


def test_formulas_are_quoted_as_they_are_written():
    program = traced(lambda x, w: -np.sqrt((x - w) ** 2 + 1e-3).T @ (x / 2), x=X, w=W)
    assert program.text(Ref(program.root)) == "(-sqrt((x - w)**2 + 0.001).T) @ (x / 2)"
    assert program.text(Ref(program.root), nested=True)[:2] == "(("
    assert Program({"x": X}).text(X) == "..."


# -- repairs ---------------------------------------------------------------------------------------


def square_times(x, w, k):
    return (w * x**2).sum(axis=1) + k


CLAIMS = {
    "x squared": (lambda g, x, w: 2 * w * x**2 * g[:, None], "factor x too much"),
    "w missing": (lambda g, x: 2 * x * g[:, None], "factor w is missing"),
    "w for x": (lambda g, w: 2 * w * w * g[:, None], "w in place of x"),
    "divided by w": (lambda g, x, w: 2 * x / w * g[:, None], "divided by w in place of multiplied by w"),
    "root": (lambda g, x, w: 2 * w * np.sqrt(x) * g[:, None], "factor sqrt(x) is missing"),
    "third power": (lambda g, x, w: 3 * w * x**2 * g[:, None], "factor x too much and 1.5 times"),
    "g is missing": (lambda g, x, w: 2 * w * x + 0 * g[:, None], "g is missing"),
    "k too much": (lambda g, x, w, k: (2 * w * x + k) * g[:, None], "k too much"),
    "minus w": (lambda g, x, w: (2 * x - w) * g[:, None], "minus w in place of multiplied by w"),
    "reversed": (lambda g, x, w: (2 * w * x * g[:, None])[::-1], "reversed along axis 0"),
    "shifted": (lambda g, x, w: np.roll(2 * w * x * g[:, None], -1, axis=1), "shifted by -1 along axis 1"),
    "w's gradient": (lambda g, x: x**2 * g[:, None], "this is the gradient of 'w'"),
    "minus w's gradient": (lambda g, x: -(x**2) * g[:, None], "this is minus the gradient of 'w'"),
    "nothing simple": (lambda g, x, w: np.cumsum(np.sin(x * w), axis=0) * g[:, None], None),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_repairs_of_one_product(name):
    claim, expected = CLAIMS[name]
    found = hint(square_times, {"x": X, "w": W}, claim, params={"k": 0.7})
    assert found == expected


def test_n_in_place_of_n_minus_one_where_f_divides_by_n_minus_one():
    def f(x):
        return (x**2).sum(axis=1) / (x.shape[1] - 1)

    assert hint(f, {"x": X}, lambda g, x: 2 * x * g[:, None] / 5) == "N in place of N-1"


def test_roots_of_n():
    x = np.random.default_rng(0).standard_normal((2, 17))
    found = hint(lambda x: x.sum(axis=1), {"x": x}, lambda g: np.repeat(g[:, None], 17, 1) / np.sqrt(17))
    assert found == "1/sqrt(N) times the gradient (N = 17)"
    found = hint(lambda x: x.sum(axis=1), {"x": x}, lambda g: np.repeat(g[:, None], 17, 1) * -17.0)
    assert found == "-N times the gradient (N = 17)"


def test_a_function_of_several_steps_whose_derivative_is_left_out():
    def f(x, w):
        s = tag(w * x, "s")
        y = tag(1 / (1 + np.exp(-s)), "y")
        return y * w

    inputs = {"x": X, "w": W}
    assert hint(f, inputs, lambda g, w: g * w, target="s") == "this is the gradient of 'y'"
    assert hint(f, inputs, lambda g, w: g * w * w) == "g * w in place of g_s"
    assert hint(f, inputs, lambda g, w, y: g * w * w * y) == "factor (1 - y) is missing"
    assert hint(f, inputs, lambda g, w, y: g * w * y * (1 - y)) == "factor w is missing"


def test_a_path_through_a_value_without_a_name():
    def f(x):
        c = x - x.mean(axis=1, keepdims=True)
        return c * np.exp(x)

    def claim(g, x):
        e, m = np.exp(x), x.mean(axis=1, keepdims=True)
        return g * e + g * (x - m) * e

    assert hint(f, {"x": X}, claim) == "the path through 'mean(x)' is missing"


def test_a_jacobian_with_a_wrong_path():
    def f(z):
        c = z - z.mean()
        return c / np.sqrt((c**2).mean())

    def claim(z):
        c, n = z - z.mean(), z.size
        s = np.sqrt((c**2).mean())
        return np.eye(n) / s - np.outer(c, c) / (n * s**3)

    found = hint(f, {"z": np.random.default_rng(3).standard_normal(6)}, claim, target="z")
    assert found == "the path through 'mean(z)' is missing"


def test_a_claim_that_is_not_finite_is_diagnosed_too():
    def f(x, w):
        return np.sqrt(tag(x * w, "s"))

    line = compare(f, {"x": X, "w": W}, {"x": lambda g, w, s: g * w / np.sqrt(-s) / 2})["x"]
    assert line.reason == "the claimed value at index (0, 0) is nan"
    assert line.hint == "s has its sign flipped"


def test_a_claim_of_another_shape_is_explained_by_its_own_sum():
    found = hint(lambda x, w: x @ w, {"x": X, "w": W.T}, lambda g, w: (g @ w.T).sum(axis=1))
    assert found == "summed over axis 1 too much"
    with pytest.raises(ShapeError, match="no missing or extra sum"):
        compare(lambda x: x * 2, {"x": X}, {"x": lambda g: np.ones(7)})


class Doubled:
    """A claim that is an object, and casts to single precision."""

    def __call__(self, g, /, x, *, w):
        return (4 * x * w * g[:, None]).astype(np.float32)


def test_claims_may_be_objects_and_of_single_precision():
    found = hint(lambda x, w: (w * x**2).sum(axis=1), {"x": X, "w": W}, Doubled())
    assert found == "2 times the gradient"


def test_functions_that_need_tensors_are_diagnosed_without_their_program():
    from nn import functional

    def f(z, y):
        return functional.cross_entropy(z, y)

    def claim(g, z, y, axis=1):
        e = np.exp(z)
        return g * (e / e.sum(axis=axis, keepdims=True) - np.eye(5)[y])

    assert hint(f, {"z": X}, claim, target="z", params={"y": np.array([0, 2, 4])}) == "3 times the gradient"


# -- no guesses ------------------------------------------------------------------------------------


def test_a_fit_by_accident_at_a_tiny_shape_is_no_explanation():
    # One element: every wrong claim is some number times the truth, at this point.
    def f(x):
        return np.sin(x) * x

    assert hint(f, {"x": np.array([0.7])}, lambda g, x: g * np.cosh(np.arctan(x) + np.sinh(x))) is None


def test_a_number_that_fits_these_parameters_only_is_no_explanation():
    def f(x, p):
        return p * x

    # 0.5 in place of p = 0.25: twice the gradient here, but not what is wrong.
    found = hint(f, {"x": X}, lambda g, x: 0.5 * g, params={"p": 0.25})
    assert found == "0.5 in place of p"


def test_structure_that_a_derivation_rests_on_is_kept_nearby():
    rng = np.random.default_rng(0)
    one_hot = np.eye(3)[rng.integers(0, 3, 4)]
    symmetric = X[:, :3] + X[:, :3].T
    shares = X / X.sum(axis=1, keepdims=True)
    for x in (one_hot, shares):
        assert points._moved(x, rng) is x
    moved = points._moved(symmetric, rng)
    assert np.array_equal(moved, moved.T) and not np.array_equal(moved, symmetric)
    assert np.all(np.abs(points._moved(X, rng) / X - 1) <= points.FAR)
    assert 0.0 < points._moved_number(0.999, rng) < 1.0
    assert points._moved_number(2, rng) == 2 and points._moved_number(3.0, rng) == 3.0


def test_a_claim_on_arrays_from_outside_is_still_explained():
    weights = W * 1.0

    def f(x, w):
        return x * w

    assert points.rests_on_arrays(lambda g: g * weights)
    assert not points.rests_on_arrays(lambda g, w: g * w * np.pi)
    assert hint(f, {"x": X, "w": W}, lambda g: -g * weights) == "sign flipped"


def test_a_mistake_in_a_tiny_feature_needs_a_repair_of_that_feature():
    scale = np.array([[1e-14], [1.0]])
    x = np.random.default_rng(0).standard_normal((2, 5))
    found = hint(lambda x: x * scale, {"x": x}, lambda g: g * scale * np.array([[2.0], [1.0]]))
    assert found is None


# -- bounds ----------------------------------------------------------------------------------------


def large():
    rng = np.random.default_rng(0)
    return {"x": rng.standard_normal((64, 1437)), "w": rng.uniform(0.5, 2.0, (64, 1))}


def normalized(x, w):
    mu = tag(x.mean(axis=1, keepdims=True), "mu")
    return w * (x - mu) / np.sqrt(tag(((x - mu) ** 2).mean(axis=1, keepdims=True), "var"))


def test_large_claims_are_searched_within_a_budget(monkeypatch):
    spent = []
    afford = Case.afford
    monkeypatch.setattr(Case, "afford", lambda case, n: (spent.append((case, n)), afford(case, n))[1])
    assert hint(normalized, large(), lambda g, x, w: np.cumsum(np.sin(g * x) * w, axis=1)) is None
    cases = {id(case): case for case, _ in spent}
    assert any(case.claimed[0].size == 64 * 1437 for case in cases.values())
    for case in cases.values():
        asked = [n for c, n in spent if c is case]
        assert sum(asked) - max(asked) <= 20 * WORK  # one refusal per search at most, beyond the budget


def test_a_formula_of_a_thousand_steps_is_judged_as_a_whole():
    def claim(g, x):
        for _ in range(1000):
            x = x * 1.0
        return -2 * x * g

    assert hint(lambda x: x**2, {"x": X}, claim) == "sign flipped"


def test_slow_searches_start_at_a_smaller_shape():
    def claim(g, x, w, mu, var):
        inner = (g * (x - mu)).mean(axis=1, keepdims=True)
        return w / np.sqrt(var) * (g - g.mean(axis=1, keepdims=True) - (x + mu) * inner / var)

    assert hint(normalized, large(), claim) == "plus mu in place of minus mu"


# -- the first wrong line --------------------------------------------------------------------------


def branches(x):
    left = tag(np.sin(x), "left")
    right = tag(np.cos(x), "right")
    square = tag(right**2, "square")
    return left * square


RIGHT = {
    "square": lambda g, left: g * left,
    "left": lambda g, square: g * square,
    "right": lambda g_square, right: 2 * right * g_square,
    "x": lambda g_left, g_right, left, right: g_left * right - g_right * left,
}


@pytest.mark.parametrize(
    ("wrong", "first"),
    [(["x"], "x"), (["left", "x"], "left"), (["right", "left"], "right"), (["right", "square", "x"], "square")],
)
def test_the_first_wrong_line_with_parallel_branches(wrong, first):
    def negative(claim):
        names = claim.__code__.co_varnames[: claim.__code__.co_argcount]
        return eval(f"lambda {', '.join(names)}: -claim({', '.join(names)})", {"claim": claim})

    claims = {name: negative(claim) if name in wrong else claim for name, claim in RIGHT.items()}
    report = compare(branches, {"x": X}, claims)
    assert report.first_wrong == first
    assert {name for name in report if report[name].verdict == "wrong"} == set(wrong)
    assert all(report[name].hint == "sign flipped" for name in wrong)


def test_undecided_and_approximate_lines_are_not_the_first_wrong_one():
    def f(x, eps):
        centred = tag(x - x.mean(axis=1, keepdims=True), "centred")
        total = tag(centred.sum(axis=1, keepdims=True), "total")
        var = tag((centred**2).mean(axis=1, keepdims=True), "var")
        return centred / np.sqrt(var + eps) + 0.0 * total

    claims = {
        "total": lambda g: 0.0 * g.sum(axis=1, keepdims=True),
        "var": lambda g, centred, var: -0.5 * (g * centred).sum(axis=1, keepdims=True) * var**-1.5,
        "centred": lambda g, g_var, centred, var, eps: g / np.sqrt(var + eps) - 2 * g_var * centred / 5,
    }
    report = compare(f, {"x": X}, claims, sweep={"eps": (1e-2, 1e-3, 1e-4, 1e-5)})
    verdicts = {name: line.verdict for name, line in report.items()}
    assert verdicts == {"total": "undecided", "var": "approximate", "centred": "wrong"}
    assert report.first_wrong == "centred"
    assert report["var"].hint == "eps is dropped"
    assert report["centred"].hint == "the path through 'var' has its sign flipped"


@pytest.mark.parametrize(
    ("claim", "hint"),
    [
        (lambda w, a, b: 2 * b * np.cos(w), "2 times the gradient"),
        (lambda w, a, b: -b * np.cos(w), "sign flipped"),
        (lambda w, a: np.cos(w) * a, None),
        (lambda w: np.cos(w) * np.array([1.0, 2.0]), None),
    ],
)
def test_a_claim_without_g_on_a_number_is_its_gradient(claim, hint):
    def f(w):
        a = tag(np.sin(w), "a")
        b = tag(np.exp(a), "b")
        return b.sum()

    line = compare(f, {"w": np.array([0.3, 0.7])}, {"w": claim})["w"]
    assert line.verdict == "wrong"
    assert hint is None or line.hint == hint
