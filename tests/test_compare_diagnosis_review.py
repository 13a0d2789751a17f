"""Hints say what is wrong in digits that show it, and never name a cause that is none."""

import numpy as np
import pytest

import autograd_core
from autograd_core.compare import compare, tag
from autograd_core.compare.diagnosis.case import projection
from autograd_core.compare.diagnosis.factors import number, unlike
from autograd_core.compare.diagnosis.tracing import Ref, trace, written

R = np.random.default_rng(0)
x = R.normal(size=6)
X = R.normal(size=(5, 7))
ALONG = {"axis": 1, "keepdims": True}


def hint(f, inputs, claim, target="x", **options):
    line = compare(f, inputs, {target: claim}, **options)[target]
    assert line.verdict == "wrong"
    return line.hint


def batch_norm(Z, G, B, eps):
    mu = tag(Z.mean(**ALONG), "mu")
    var = tag(((Z - mu) ** 2).mean(**ALONG), "var")
    return G * (Z - mu) / np.sqrt(var + eps) + B


def batch(n, k=4):
    rng = np.random.default_rng(n)
    return {"Z": rng.normal(size=(k, n)), "G": rng.normal(size=(k, 1)), "B": rng.normal(size=(k, 1))}


def of_var(g, Z, mu, var, G, eps):
    return -0.5 * (g * G * (Z - mu)).sum(**ALONG) * (var + eps) ** -1.5


def layer_norm(X, w, b, eps):
    mu = tag(X.mean(**ALONG), "mu")
    var = tag(((X - mu) ** 2).mean(**ALONG), "var")
    return w * tag((X - mu) / np.sqrt(var + eps), "xh") + b


LAYER = {"X": X, "w": R.normal(size=7), "b": R.normal(size=7)}
EPS = {"params": {"eps": 1e-3}}


# -- digits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1 + 1e-6, "(1 + 1e-06)"),
        (-1 - 1e-6, "-(1 + 1e-06)"),
        (1 - 2.5e-8, "(1 - 2.5e-08)"),
        (0.5 + 1e-7, "(1/2 + 1e-07)"),
        (2.0, "2"),
        (1.001, "1.001"),
        (0.37, "0.37"),
        (1e-9, "1e-09"),
    ],
)
def test_numbers_near_simple_ones_are_told_from_them(value, text):
    assert number(value) == text


def test_two_numbers_get_the_digits_that_tell_them_apart():
    assert unlike(3.14159265, np.pi) == ("3.14159265", "3.1415926536")
    assert unlike(5.0, 7.0) == ("5", "7") and unlike(1.0, 1.0 + 1e-12)[0] == "1"
    assert written(1.000001) == "1.000001" and written(1 / 3) == "0.333333" and written(2.0) == "2"


@pytest.mark.parametrize("d", [1e-6, -1e-6, 1e-8])
def test_a_factor_near_one_is_told_from_one(d):
    found = hint(lambda x: x**2, {"x": x}, lambda g, x: (1 + d) * 2 * x * g)
    assert found == f"{2 * (1 + d):.12g} in place of 2 in {2 * (1 + d):.12g} * x"
    factor = f"(1 {'+' if d > 0 else '-'} {abs(d):.2g}) times the gradient"
    assert hint(lambda x: x**2, {"x": x}, lambda g, x: g * 2 * x + d * 2 * g * x) == factor
    claim = lambda g, Z, mu, var, G, eps: (1 + d) * of_var(g, Z, mu, var, G, eps)  # noqa: E731
    assert hint(batch_norm, batch(7), claim, "var", **EPS) == factor


def test_a_factor_near_one_in_a_path_is_told_from_one():
    def claim(g, G, Z, mu, var, eps, g_mu, g_var):
        return g * G / np.sqrt(var + eps) + (1 + 1e-6) * g_var * 2 * (Z - mu) / 7 + g_mu / 7

    assert hint(batch_norm, batch(7), claim, "Z", **EPS) == "factor 1.000001 too much in 1.000001 * g_var"


@pytest.mark.parametrize(
    ("pi", "text"), [(3.14159265, "3.14159265 in place of 3.1415926536"), (3.14, "3.14 in place of 3.14159")]
)
def test_a_constant_of_f_with_fewer_digits(pi, text):
    found = hint(lambda x: np.pi * np.sin(x), {"x": x}, lambda g, x: pi * np.cos(x) * g)
    assert found == f"{text} in {text.split()[0]} * cos(x)"


def test_a_factor_of_large_numbers_is_found_without_overflow():
    found = hint(lambda x: np.sin(x) * 1e200, {"x": x}, lambda g, x: 1.001 * np.cos(x) * g * 1e200)
    assert found == "1.001 times the gradient"
    assert projection([3e200 * x], [1e200 * x]) == pytest.approx(3.0, rel=1e-14)
    assert projection([x], [0 * x]) == projection([x * np.inf], [x]) == 0.0


# -- causes ----------------------------------------------------------------------------------------


def test_a_mistake_at_zeros_only_is_said_to_be_one():
    def claim(g, x):
        return g * (2 * x + 1.0 * (x == 0))

    assert hint(lambda x: x**2, {"x": np.r_[0.0, x]}, claim) == "wrong only where x is 0"
    assert hint(lambda x: x**2, {"x": np.r_[0.0, np.abs(x)]}, claim) == "wrong only where x is 0"
    doubled = hint(lambda x: x**2, {"x": np.r_[0.0, x]}, lambda g, x: 4 * g * x)
    assert doubled == "2 times the gradient"  # everywhere else too


def test_a_missing_sign_is_missing_and_one_too_many_too_much():
    assert hint(lambda x: abs(x) ** 3, {"x": x}, lambda g, x: 3 * x**2 * g) == "factor sign(x) is missing"
    found = hint(lambda x: x**3, {"x": x}, lambda g, x: 3 * x**2 * g * np.sign(x))
    assert found == "factor sign(x) too much"


def test_a_factor_that_fits_whole_numbers_only_is_no_cause():
    found = hint(lambda x: (x**2).sum(), {"x": np.full(4, 2.0)}, lambda g, x: g * x**3)
    assert found is None  # with another x it is not 2 times the gradient


SWEPT = {"sweep": {"eps": tuple(np.logspace(-1, -8, 8))}}


def test_a_claim_that_turns_wrong_at_small_values_is_not_wrong_everywhere():
    def claim(g, Z, mu, var, G, eps):
        return of_var(g, Z, mu, var, G, eps) * (2.0 if eps < 2e-7 else 1.0)

    assert hint(batch_norm, batch(7), claim, "var", **SWEPT) == "wrong only for eps <= 1e-07"

    def written_out(g, Z, mu, var, G, eps):
        return of_var(g, Z, mu, var, G, eps) * (1 + (eps < 2e-7))

    assert hint(batch_norm, batch(7), written_out, "var", **SWEPT) == "term (eps < 2e-07) too much"


@pytest.mark.parametrize(
    ("at", "words"),
    [(lambda eps: eps > 2e-4, "for eps >= 0.001"), (lambda eps: 1e-5 < eps < 2e-3, "for eps from 0.0001 to 0.001")],
)
def test_a_claim_that_is_wrong_at_large_or_middle_values(at, words):
    def claim(g, Z, mu, var, G, eps):
        return of_var(g, Z, mu, var, G, eps) * (2.0 if at(eps) else 1.0)

    line = compare(batch_norm, batch(7), {"var": claim}, **SWEPT)["var"]
    assert (line.verdict, line.hint) == ("wrong", f"wrong only {words}")


def test_an_error_that_fades_keeps_its_cause():
    def claim(g, Z, mu, var, G):
        return of_var(g, Z, mu, var, G, 0.0)

    line = compare(batch_norm, batch(7), {"var": claim}, sweep={"eps": tuple(np.logspace(-1, -17, 9))})["var"]
    assert line.verdict == "approximate" and line.hint == "eps is dropped"


def test_a_missing_factor_comes_before_a_coincidence_of_two_gradients():
    assert hint(layer_norm, LAYER, lambda g: g.sum(0), "w", **EPS) == "factor xh is missing"
    assert hint(layer_norm, LAYER, lambda g, xh: (g * xh).sum(0), "b", **EPS) == "this is the gradient of 'w'"


# -- counts ----------------------------------------------------------------------------------------


def of_z(over_mu, over_var):
    """The gradient with other divisors of the two statistics."""

    def claim(g, G, Z, mu, var, eps, g_mu, g_var):
        n = Z.shape[1]
        return g * G / np.sqrt(var + eps) + g_var * 2 * (Z - mu) / over_var(n) + g_mu / over_mu(n)

    return claim


@pytest.mark.parametrize("n", [2, 3, 4, 7])
@pytest.mark.parametrize("fixed", [False, True])  # N - 1 of the array that is given, or a written number
def test_n_minus_one_in_place_of_n(n, fixed):
    less = (lambda _: n - 1) if fixed else (lambda m: m - 1)
    every = (lambda _: n) if fixed else (lambda m: m)
    for over, path in (
        ((less, every), "path through 'mu'"),
        ((every, less), "path through 'var'"),
        ((less, less), "paths through 'mu' and 'var'"),
    ):
        found = hint(batch_norm, batch(n), of_z(*over), "Z", **EPS)
        assert found == f"N-1 in place of N in the {path}"


@pytest.mark.parametrize("n", [2, 3, 4])
def test_what_is_counted_one_and_a_half_times_or_twice_is_no_count(n):
    for times, word in ((1.5, "1.5 times"), (2.0, "twice")):
        found = hint(batch_norm, batch(n), of_z(lambda m, times=times: m / times, lambda m: m), "Z", **EPS)
        assert found == f"the path through 'mu' is counted {word}"
    if n == 2:  # written as numbers, 1.5 / 2; with N = 3 this is N-1
        found = hint(
            batch_norm,
            batch(n),
            lambda g, G, Z, mu, var, eps, g_mu, g_var: (
                g * G / np.sqrt(var + eps) + g_var * 2 * (Z - mu) / 2 + g_mu * 1.5 / 2
            ),
            "Z",
            **EPS,
        )
        assert found == "the path through 'mu' is counted 1.5 times"


def test_what_holds_of_several_paths_is_said_once():
    found = hint(batch_norm, batch(7), of_z(lambda m: 5 * m, lambda m: 5 * m), "Z", **EPS)
    assert found == "the paths through 'mu' and 'var' are counted 0.2 times"


@pytest.mark.parametrize("fixed", [False, True])
def test_the_length_of_another_axis(fixed):
    def claim(g_xh, g_mu, g_var, X, mu, var, eps):
        n = 5 if fixed else len(X)
        return g_xh / np.sqrt(var + eps) + g_var * 2 * (X - mu) / n + g_mu / n

    found = hint(layer_norm, LAYER, claim, "X", **EPS)
    assert found == "the length of axis 0 in place of axis 1 in the paths through 'mu' and 'var'"
    mean = lambda g, X: g[:, None] * np.ones_like(X) / 5  # noqa: E731
    assert hint(lambda X: X.mean(axis=1), {"X": X}, mean, "X") == "the length of axis 0 in place of axis 1"
    # Of an axis that another input has: 9 for 7, which is no simple ratio.
    of_nine = lambda X, y: X.mean(axis=1) * y.sum()  # noqa: E731
    claim = lambda g, X, y: g[:, None] * np.ones_like(X) * y.sum() / y.size  # noqa: E731
    assert hint(of_nine, {"X": X, "y": np.ones(9)}, claim, "X") == "9 in place of 7"


# -- products, sums from the end, diagonals --------------------------------------------------------

A, B = R.normal(size=(4, 4)), R.normal(size=(4, 4))
PRODUCTS = {
    "both transposed": ("A", lambda g, B: g.T @ B, "g.T @ B in place of g @ B.T"),
    "elementwise": ("A", lambda g, B: g * B, "g * B in place of g @ B.T"),
    "elementwise, exchanged": ("B", lambda g, A: A * g, "A * g in place of A.T @ g"),
    "exchanged": ("B", lambda g, A: g @ A, "g @ A in place of A.T @ g"),
    "not transposed": ("A", lambda g, B: g @ B, "B in place of B.T"),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_of_square_matrices(name):
    target, claim, text = PRODUCTS[name]
    assert hint(lambda A, B: A @ B, {"A": A, "B": B}, claim, target) == text


def test_cumulative_sums_run_backwards():
    expected = "cumsum of g in place of the reversed cumsum"
    assert hint(lambda x: x.cumsum(), {"x": x}, lambda g: g.cumsum()) == expected
    assert hint(lambda X: X.cumsum(axis=1), {"X": X}, lambda g: np.cumsum(g, 1), "X") == expected


def softmax(x):
    e = np.exp(x - x.max(**ALONG))
    return tag(e / e.sum(**ALONG), "p")


DIAGONAL = "the diagonal of the Jacobian only: the other elements are missing"


def test_the_diagonal_of_a_jacobian_is_not_the_whole():
    assert hint(softmax, {"x": X}, lambda g, p: p * (1 - p) * g) == DIAGONAL

    def one(x):
        e = np.exp(x)
        return e / e.sum()

    p = lambda x: np.exp(x) / np.exp(x).sum()  # noqa: E731
    assert hint(one, {"x": x}, lambda x: np.diag(p(x) * (1 - p(x)))) == DIAGONAL
    assert hint(softmax, {"x": X}, lambda g, p: p * g) != DIAGONAL
    assert hint(lambda x: np.tanh(x), {"x": x}, lambda g, x: g * np.cosh(np.sin(x))) is None  # there are no others


@pytest.mark.parametrize("divided", [False, True])
def test_a_factor_outside_the_means_that_belongs_inside(divided):
    def claim(g, w, xh, var, eps):
        inner = g - g.mean(**ALONG) - xh * (g * xh).mean(**ALONG)
        return w / np.sqrt(var + eps) * inner if divided else w * inner / np.sqrt(var + eps)

    assert hint(layer_norm, LAYER, claim, "X", **EPS) == "factor w outside the sums in place of beside g"


# -- wording ---------------------------------------------------------------------------------------


def test_no_hint_quotes_a_formula_that_it_leaves_out():
    def f(x, k):
        long = np.sin(x) * np.cos(x) + np.tanh(x) * np.exp(x) * np.sin(np.cos(x)) * np.exp(np.sin(x))
        return np.sqrt(long**2 + k).mean(axis=1) ** 3.0 + np.sqrt(long**2 + 2.0).sum(axis=1)

    def wrong_f(x, k, change):
        long = np.sin(x) * np.cos(x) + np.tanh(x) * np.exp(x) * np.sin(np.cos(x)) * np.exp(np.sin(x))
        one = {"sum": lambda a: a.sum(axis=1), "mean": lambda a: a.mean(axis=1)}[change[0]]
        return one(np.sqrt(long**2 + k * change[1])) ** change[2] + np.sqrt(long**2 + 2.0).sum(axis=1)

    hints = []
    for change in (("sum", 1.0, 3.0), ("mean", 0.0, 3.0), ("mean", 2.0, 3.0), ("mean", 1.0, 1.0), ("mean", 1.0, 2.0)):

        def claim(g, x, k, change=change):
            with autograd_core.enable_grad():
                return np.asarray(autograd_core.vjp(lambda t: wrong_f(t, k, change), x)[1](g)[0].data)

        hints.append(hint(f, {"x": X}, claim, params={"k": 0.3}))
    assert any(hints) and not any("..." in text for text in hints if text)


def test_comparisons_are_quoted_as_they_are_written():
    program = trace(lambda given: given["x"] * (given["x"] > 0.5), {"x": x}, x * (x > 0.5))[0]
    assert program.text(Ref(program.root)) == "x * (x > 0.5)"
