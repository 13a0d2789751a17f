"""`grade`: who gets points, what a counterexample shows, what a claim may do, and what nobody may learn."""

import ctypes
import functools
import gc
import json
import os
import re
import sys
import threading
import warnings

import numpy as np
import pytest

import autograd_core
from autograd_core import Grade, errors, grade, tag
from autograd_core.compare import diagnosis
from autograd_core.compare.counterexamples import Counterexample
from autograd_core.compare.marks import Mark
from autograd_core.compare.trials import Assignment, read_ranges


def batch_norm(Z, G, B, eps):
    mu = tag(Z.mean(axis=1, keepdims=True), "mu")
    var = tag(((Z - mu) ** 2).mean(axis=1, keepdims=True), "var")
    return G * (Z - mu) / np.sqrt(var + eps) + B


def make_inputs(rng, n, k):
    return {"Z": rng.normal(size=(k, n)), "G": rng.uniform(0.5, 2, size=(k, 1)), "B": rng.normal(size=(k, 1))}


ALONG = {"axis": 1, "keepdims": True}
SIZES = {"n": (1, 11), "k": (1, 7)}


def summary(g, G, var, Z, mu, eps, N=None, coefficient=1.0):
    N = N or Z.shape[1]
    s = np.sqrt(var + eps)
    z = (Z - mu) / s
    return G / s * (g - g.sum(**ALONG) / N - coefficient * z * (g * z).sum(**ALONG) / N)


RIGHT = {
    "Z": summary,
    "G": lambda g, Z, mu, var, eps: (g * (Z - mu) / np.sqrt(var + eps)).sum(**ALONG),
    "B": lambda g: g.sum(**ALONG),
    "var": lambda g, Z, G, mu, var, eps: -(g * G * (Z - mu)).sum(**ALONG) / 2 * (var + eps) ** -1.5,
}


def graded(claimed, **options):
    settings = {"sizes": SIZES, "params": {"eps": 1e-3}, "seed": "secret", "rounds": 5, **options}
    return grade(batch_norm, make_inputs, claimed, **settings)


def mean(X):
    return X.mean(axis=0)


def one(claim, **options):
    """The mark of a claim for the mean over the rows of X."""
    make = options.pop("make_inputs", lambda rng, n, k: {"X": rng.normal(size=(n, k))})
    return grade(mean, make, {"X": claim}, **{"sizes": SIZES, "seed": 5, "rounds": 5, **options})["X"]


def right_mean(g, X):
    return np.ones_like(X) * g / len(X)


# -- points ----------------------------------------------------------------------------------------


def test_right_gradients_earn_all_points_for_several_secrets():
    for seed in (0, "b", -3):
        result = graded(RIGHT, seed=seed, points={"Z": 4, "G": 1, "B": 0.5, "var": 2})
        assert isinstance(result, Grade) and [mark.verdict for mark in result.values()] == ["exact"] * 4
        assert result.points == result.possible == 7.5 and not result.open
        assert not any(mark.counterexamples for mark in result.values())


def test_a_batch_of_one_is_undecided_for_batch_norm_and_costs_nothing():
    mark = graded({"Z": summary}, rounds=8)["Z"]
    assert mark.points == 1 and mark.trials["undecided"] >= 2 and mark.trials["exact"] >= 4
    assert "structurally zero" in mark.notes[0]


CHEATS = {
    "one batch size": lambda g, X: np.ones_like(X) * g / 7,
    "square arrays": lambda g, X: np.ones_like(X) * g / X.shape[1],
    "more than one row": lambda g, X: np.ones_like(X) * g / (len(X) if len(X) > 1 else 2),
    "more than one column": lambda g, X: np.ones_like(X) * g / (len(X) if X.shape[1] > 1 else 2),
    "upstream of ones": lambda X: np.ones((X.shape[1], *X.shape)) / X.size,
}


@pytest.mark.parametrize("cheat", CHEATS)
def test_formulas_for_special_shapes_earn_nothing(cheat):
    mark = one(CHEATS[cheat])
    assert mark.verdict in ("wrong", "failed") and mark.points == 0.0
    assert mark.counterexamples


def test_what_is_not_handed_in_is_missing_and_what_nobody_asked_for_earns_nothing():
    result = graded({"B": RIGHT["B"], "q": RIGHT["B"], "var": RIGHT["var"]}, points={"Z": 3, "B": 1})
    assert [mark.verdict for mark in result.values()] == ["missing", "exact", "failed", "exact"]
    assert (result.points, result.possible) == (1.0, 4.0)
    assert result["q"].remarks[0].startswith("a claim must be for an input or a tag, got 'q'")


def test_undecided_points_are_left_to_the_teacher():
    make = {"make_inputs": lambda rng, n: {"b": rng.normal(size=n), "x": rng.normal(size=n)}, "sizes": {"n": (2, 9)}}

    def centred(b, x):
        y = x * 2 + b.sum()
        return y - y.mean()

    result = grade(
        centred, make["make_inputs"], {"b": lambda g, b: 0 * b}, sizes=make["sizes"], seed=1, points={"b": 3}
    )
    mark = result["b"]
    assert mark.verdict == "undecided" and mark.points is None and mark.notes
    assert result.points == 0 and result.open == {"b": 3} and result.possible == 3
    assert "3 open, for the teacher to decide: b" in str(result) and "no point is lost" in str(result)
    assert "zero" not in str(result) + result.to_json() + result.to_html()  # that would be the solution
    told = grade(centred, make["make_inputs"], {"b": lambda g, b: 0 * b}, sizes=make["sizes"], seed=1, hints=True)
    assert "structurally zero" in str(told) and "structurally zero" in told.to_json()


def test_a_jacobian_and_functions_of_parameters_may_be_claimed():
    def f(x, a):
        return x**2 * a

    result = grade(
        f,
        lambda rng, n: {"x": rng.normal(size=n)},
        {"x": lambda x, a: np.diag(2 * a * x)},
        sizes={"n": (1, 5)},
        params=lambda rng, n: {"a": rng.uniform(1, 2)},
        seed=0,
    )
    assert result["x"].verdict == "exact"
    wrong = grade(
        f, lambda rng: {"x": rng.normal(size=2)}, {"x": lambda x, a: np.diag(a * x)}, params={"a": 2.0}, seed=0
    )["x"]
    (example,) = wrong.counterexamples
    assert example.upstream is None and example.claimed.shape == (2, 2) and example.sizes == {}


# -- counterexamples -------------------------------------------------------------------------------


def test_counterexamples_are_shrunk_to_the_smallest_shapes_and_simple_values():
    mark = graded({"Z": functools.partial(summary, coefficient=1.5)})["Z"]
    assert mark.verdict == "wrong"
    first, second = mark.counterexamples
    # With one number in the batch everything cancels, so two is the smallest.
    assert first.sizes == {"n": 2, "k": 1}
    assert sum(second.sizes.values()) == 4 and second.sizes != first.sizes
    for example in (first, second):
        n, k = example.sizes["n"], example.sizes["k"]
        assert example.inputs["Z"].shape == example.claimed.shape == example.upstream.shape == (k, n)
        for x in (example.inputs["Z"], example.upstream):
            assert np.array_equal(x, np.rint(x)) and np.abs(x).max() <= 5
        assert example.params == {"eps": 1e-3} and example.failure is None


def test_a_counterexample_is_one():
    mark = one(CHEATS["one batch size"])
    for example in mark.counterexamples:
        X, g = example.inputs["X"], example.upstream
        true, claimed = right_mean(g, X), CHEATS["one batch size"](g, X)
        assert np.array_equal(claimed, example.claimed)
        assert claimed[example.wrong_at] != pytest.approx(true[example.wrong_at])


def test_a_size_below_which_nothing_fails_is_found():
    def claim(g, X):
        return right_mean(g, X) * (1 if len(X) * X.shape[1] < 12 else 2)

    mark = one(claim, sizes={"n": (1, 40), "k": (1, 40)}, seed=2)
    first, second = (e.sizes["n"] * e.sizes["k"] for e in mark.counterexamples)
    n, k = mark.counterexamples[0].sizes.values()
    assert first >= 12 and (n - 1) * k < 12 and n * (k - 1) < 12  # neither can be smaller alone
    assert first <= second < 24


def test_values_stay_in_their_domain():
    def f(p, t, x):
        return -(t * np.log(p)).sum() + (x / 3).sum()

    def make(rng):
        p = rng.uniform(0.1, 1, size=(2, 3))
        return {"p": p / p.sum(axis=1, keepdims=True), "t": np.eye(3)[:2], "x": rng.uniform(-9, 9, 4)}

    result = grade(f, make, {"p": lambda g, p, t: g * t / p, "x": lambda g, x: g / 2 * np.ones(4)}, seed=3)
    for name in ("p", "x"):
        (example,) = result[name].counterexamples
        assert np.allclose(example.inputs["p"].sum(axis=1), 1) and np.array_equal(example.inputs["t"], np.eye(3)[:2])
        assert np.all(example.inputs["x"] == np.rint(example.inputs["x"])) and np.all(example.inputs["x"])


def test_the_number_of_counterexamples_is_the_teachers():
    claim = CHEATS["one batch size"]
    assert [len(one(claim, examples=n, rounds=8).counterexamples) for n in (0, 1, 3)] == [0, 1, 3]


# -- what a claim may do ---------------------------------------------------------------------------


def raises(g, X):
    return X / len(X) * g[99]


def loops(g, X):
    result = np.zeros_like(X)
    for i in range(3):
        result[i] = g / len(X)
    return result


def writes(g, X):
    X *= 0
    return X + g / len(X)


def unlocks(g, X):
    X.flags.writeable = True
    X *= 0
    return X + g / len(X)


def exits(g, X):
    sys.exit(0)


def draws(g, X):
    return np.random.normal(size=X.shape)


def remembers(g, X, seen=[0]):  # noqa: B006 - as students do
    seen[0] += 1
    return right_mean(g, X) * seen[0]


def differentiates(g, X):
    return autograd_core.vjp(mean, np.asarray(X))[1](g)[0]


class UnprintableError(Exception):
    def __str__(self):
        raise RuntimeError


def unprintable(g, X):
    raise UnprintableError


def warns(g, X):
    warnings.warn("careful", stacklevel=1)
    return np.log(-np.abs(X))


FAULTS = {
    raises: (r"raises IndexError: index 99 .*, at test_compare_grading.py:\d+: return X / len\(X\) \* g\[99\]", 1),
    loops: (r"raises IndexError: index \d .*: result\[i\] = g / len\(X\)", 1),
    writes: (r"writes into an array that it is given; work on a copy, at .*: X \*= 0", 0),
    unlocks: (r"writes into an array that it is given; .*: def unlocks\(g, X\):", 0),
    exits: (r"raises SystemExit: 0, at .*: sys.exit\(0\)", 1),
    draws: (r"gives different values in two calls with the same arguments .*: def draws", 0),
    remembers: (r"gives different values in two calls with the same arguments .*: def remembers", 0),
    differentiates: (r"computes on the engine's tape; a claim is a formula in NumPy, at .*def differentiates", 0),
    unprintable: (r"raises .*UnprintableError: <exception str\(\) failed>, at .*: raise UnprintableError", 1),
}


@pytest.mark.parametrize("claim", FAULTS, ids=lambda claim: claim.__name__)
def test_faults_are_named_with_the_students_line(claim, capsys):
    message, examples = FAULTS[claim]
    legacy = np.random.get_state()[1].copy()
    mark = one(claim)
    assert mark.verdict in ("failed", "wrong") and mark.points == 0.0 and "failed" in mark.trials
    assert re.search(message, " ".join(mark.remarks)), mark.remarks
    assert len([e for e in mark.counterexamples if e.failure is not None]) == examples
    assert np.array_equal(np.random.get_state()[1], legacy)
    assert capsys.readouterr() == ("", "")


def test_warnings_and_settings_of_a_claim_stay_inside():
    def careless(g, X):
        np.seterr(all="raise")
        np.set_printoptions(precision=1)
        autograd_core.no_grad().__enter__()
        return right_mean(g, X)

    before = np.geterr(), np.get_printoptions()
    assert one(careless).verdict == "exact"
    assert (np.geterr(), np.get_printoptions()) == before and autograd_core.is_grad_enabled()
    assert one(warns).verdict == "wrong"


def test_printing_is_kept_back_and_noted_but_costs_nothing(capsys):
    def prints(g, X):
        print("X =", X)
        print("again", file=sys.stderr)
        return right_mean(g, X)

    mark = one(prints)
    assert mark.verdict == "exact" and mark.points == 1
    assert mark.remarks[0].startswith("prints, at test_compare_grading.py:")
    assert mark.remarks[0].endswith(': print("X =", X)')
    assert capsys.readouterr() == ("", "")


class Lying(np.ndarray):
    """An array that claims to equal everything."""

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return np.zeros(self.shape)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "must return one NumPy array, returns NoneType"),
        ([1.0], "must return one NumPy array, returns list"),
        ("x", "must return one NumPy array, returns str"),
        (autograd_core.tensor([1.0]), "must return one NumPy array, returns Tensor"),
        (np.array(["x"]), "must return real numbers, returns dtype <U1"),
        (np.array([1j]), "must return real numbers, returns dtype complex128"),
        (np.ones(3), r"returns shape \(3,\) at n = \d+, k = \d+, not that of the gradient"),
        (2.0, r"returns shape \(\) at"),
    ],
)
def test_other_answers_are_failures(answer, message):
    mark = one(lambda g: answer, sizes={"n": 4, "k": (5, 7)})
    assert mark.verdict == "failed" and mark.points == 0
    assert re.match(message, mark.remarks[0]), mark.remarks


def test_an_array_with_its_own_arithmetic_is_judged_by_its_numbers():
    assert one(lambda g, X: np.zeros(X.shape).view(Lying)).verdict == "wrong"
    assert one(lambda g, X: right_mean(g, X).view(Lying)).verdict == "exact"


def nameless(g):
    return g


nameless.__signature__ = 3


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        (3, "must be a function, got int"),
        (nameless, "must be a function whose parameters have names"),
        (lambda g, Y: g, "the claim for 'X' asks for 'Y', which is unknown"),
        (lambda *args: args, "parameters must be named one by one"),
    ],
)
def test_claims_that_cannot_be_called_fail(claim, message):
    mark = one(claim)
    assert mark.verdict == "failed" and message in mark.remarks[0] and not mark.trials


def test_an_unexplained_jacobian_shape_says_that_g_was_not_asked_for():
    assert "without the parameter g it must be the whole Jacobian" in one(lambda X: X[:, :0]).remarks[0]


def test_a_shape_that_compare_can_explain_is_a_failure_too():
    mark = graded({"B": lambda g: g.sum(axis=1)}, hints=True)["B"]
    assert mark.verdict == "failed" and "keepdims" in mark.remarks[1]
    (example,) = mark.counterexamples
    assert example.sizes == {"n": 1, "k": 1} and "returns shape (1,), must be (1, 1)" in str(example.failure)


def test_claims_get_plain_read_only_copies():
    seen = []

    def claim(g, Z, G, mu, var, eps, g_mu, g_var):
        seen.extend([g, Z, G, mu, var, g_mu, g_var])
        return g * G / np.sqrt(var + eps) + g_mu / Z.shape[1] + g_var * 2 * (Z - mu) / Z.shape[1]

    assert graded({"Z": claim})["Z"].verdict == "exact"
    assert {type(x) for x in seen} == {np.ndarray}
    assert not any(x.flags.writeable for x in seen) and all(x.base is None for x in seen)


def test_what_one_claim_sees_does_not_help_another():
    seen = {}

    def spy(g, Z, g_mu):
        seen[Z.shape, float(g.sum())] = g_mu
        return g * 0

    def thief(g, Z):
        return seen.get((Z.shape, float(g.sum())), np.zeros((len(Z), 1)))

    assert graded({"Z": spy, "mu": thief})["mu"].verdict == "wrong" and seen


# -- reports ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def failing():
    claims = {**RIGHT, "Z": functools.partial(summary, coefficient=3.0), "B": raises_late, "G": lambda g, Z: Z.sum(1)}
    return graded(claims, student="Ada <b>", points={"Z": 3, "G": 1, "B": 1, "var": 2, "mu": 1})


def raises_late(g):
    if g.shape[1] > 3:
        raise ValueError("<script>")
    return g.sum(**ALONG)


def test_the_text_shows_points_counterexamples_and_answers(failing):
    text = str(failing)
    assert text.splitlines()[0].split() == ["claim", "verdict", "points", "trials", "remarks"]
    assert "Ada <b>: 2 of 8 points" in text and "missing" in text
    assert "Z is wrong at n = 2, k = 1:" in text and "your answer for Z = [[" in text and "is wrong\n" in text
    assert "B fails at n = 4, k = 1:" in text and 'raise ValueError("<script>")' in text
    assert max(map(len, failing.to_text(80).split("\n\n")[0].splitlines())) <= 80
    assert repr(failing) == text and list(failing) == ["Z", "G", "B", "var", "mu"] and len(failing) == 5
    with pytest.raises(KeyError, match="no mark was given for 'q'; marks: Z, G, B, var, mu"):
        failing["q"]


def test_json_and_html(failing, tmp_path):
    content = json.loads(failing.to_json())
    assert content == json.loads(json.dumps(failing.to_dict(), allow_nan=False))
    assert content["points"] == 2 and [c["verdict"] for c in content["claims"]][:1] == ["wrong"]
    assert content["claims"][0]["counterexamples"][0]["sizes"] == {"n": 2, "k": 1}
    html = failing._repr_html_()
    assert "<script>" not in html and "<b>:" not in html and "&lt;script&gt;" in html and "✗ wrong" in html
    for name in ("a.html", "a.json", "a.txt"):
        failing.save(tmp_path / name)
    assert (tmp_path / "a.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == failing.to_text(100) + "\n"
    with pytest.raises(errors.ArgumentError, match=r"must end in .html or .json or .txt, got 'a.csv'"):
        failing.save(os.fspath(tmp_path / "a.csv"))


def test_numbers_that_json_lacks_and_large_arrays():
    mark = one(lambda g, X: np.full_like(X, np.nan), sizes={"n": (30, 30), "k": 20}, examples=1)
    result = Grade([mark])
    assert "X: array of shape (30, 20)" in str(result) and "nan at index (0, 0) is wrong" in str(result)
    assert json.loads(result.to_json())["claims"][0]["counterexamples"][0]["claimed"][0][0] is None
    scalar = Counterexample({}, {"a": np.array(2.0)}, {"p": np.ones(2)}, np.array(1.0), np.array(3.0), (), None)
    text = str(Grade([Mark("a", "wrong", 0.0, 1.0, {}, (scalar,))]))
    assert "a is wrong at the only shape:" in text and "    3 is wrong" in text and "g = 1." in text


def test_the_solution_is_in_no_report(monkeypatch):
    """Neither the true values nor an error from which they follow, nor hints, nor the secret."""
    claims = {"Z": functools.partial(summary, coefficient=2.0), "B": lambda g: 2 * g.sum(**ALONG)}
    result = graded(claims, seed="a-secret-seed")
    reports = result.to_text() + result.to_json() + result.to_html()
    assert "times" not in reports and "path through" not in reports and "a-secret-seed" not in reports
    assert "error" not in reports.replace("ValueError", "")
    for name in claims:
        for example in result[name].counterexamples:
            given = {**example.inputs, **example.params, "g": example.upstream}
            Z = given["Z"]
            given.update(mu=Z.mean(**ALONG), var=Z.var(**ALONG))
            needs = {"Z": ("g", "G", "var", "Z", "mu", "eps"), "B": ("g",)}[name]
            true = RIGHT[name](**{need: given[need] for need in needs})
            value = true[example.wrong_at]
            assert value != pytest.approx(example.claimed[example.wrong_at])
            if abs(value) not in (0, 1, 2, 3):  # small integers stand in the inputs
                assert f"{value:.4g}" not in reports and repr(float(value)) not in reports
    told = graded(claims, hints=True)
    assert "2 times the gradient" in str(told)
    assert "times the gradient" not in str(graded(claims))


def test_grades_repeat_with_seed_and_student():
    claims = {"Z": functools.partial(summary, coefficient=3.0)}
    state = autograd_core.random.get_state()
    first = graded(claims, student="ada")
    assert autograd_core.random.get_state() == state
    assert first.to_json() == graded(claims, student="ada").to_json() and str(first) == str(
        graded(claims, student="ada")
    )

    def sizes(seed, student):
        assignment = Assignment(
            mean, make_inputs, read_ranges({"n": (1, 40), "k": (1, 40)}), None, f"{seed}\0{student}"
        )
        return [tuple(s.values()) for s in assignment.hidden_sizes(8)]

    assert (
        sizes(1, "ada") == sizes(1, "ada") and len({tuple(sizes(*x)) for x in [(1, "ada"), (2, "ada"), (1, "bo")]}) == 3
    )


def test_hidden_sizes_are_uneven_and_touch_the_smallest():
    assignment = Assignment(mean, make_inputs, read_ranges({"n": (1, 9), "k": (1, 32), "c": 3}), None, "x")
    drawn = assignment.hidden_sizes(10)
    assert len(drawn) == 10 and all(list(s) == ["n", "k", "c"] and s["c"] == 3 for s in drawn)
    assert any(s["n"] == 1 and s["k"] > 1 for s in drawn) and any(s["k"] == 1 and s["n"] > 1 for s in drawn)
    assert {"n": 1, "k": 1, "c": 3} in drawn and drawn[0]["n"] >= 5 and drawn[0]["k"] >= 17
    uneven = [s for s in drawn if 1 not in s.values()]
    assert len(uneven) == 7 and all(len({s["n"], s["k"]}) == 2 for s in uneven)
    assert sum(s["k"] in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31) for s in uneven) >= 4


# -- arguments and the teacher's own errors --------------------------------------------------------

BAD = {
    "f": (dict(f=3), errors.DTypeError, "grade: f must be a function, got int"),
    "make_inputs": (dict(make_inputs={}), errors.DTypeError, "grade: make_inputs must be a function, got dict"),
    "claimed": (dict(claimed=[]), errors.DTypeError, "grade: claimed must be a dict by name, got list"),
    "params": (dict(params=[]), errors.DTypeError, "grade: params must be a dict by name, got list"),
    "seed": (dict(seed=None), errors.DTypeError, "grade: seed must be an integer or a string, got None"),
    "student": (dict(student=3), errors.DTypeError, "grade: student must be a string, got int"),
    "rounds": (dict(rounds=1), errors.ArgumentError, "grade: rounds must be an integer of at least 2, got 1"),
    "examples": (dict(examples=-1), errors.ArgumentError, "grade: examples must be an integer of at least 0, got -1"),
    "sizes": (dict(sizes=[3]), errors.DTypeError, "grade: sizes must be a dict from names to .*, got list"),
    "order": (dict(sizes={"n": (3, 2)}), errors.ArgumentError, r"positive integers in this order, got 'n': \(3, 2\)"),
    "zero": (dict(sizes={"n": 0}), errors.ArgumentError, "got 'n': 0"),
    "no claim": (dict(claimed={}), errors.ArgumentError, "grade: points must name at least one claim, got none"),
    "unknown": (dict(points={"Q": 1}), errors.ArgumentError, "by input or tag of f, got 'Q': 1; known: X"),
    "negative": (dict(points={"X": -1}), errors.ArgumentError, "at least 0 by input or tag of f, got 'X': -1"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_are_named(case):
    changes, error, message = BAD[case]
    settings = {
        "f": mean,
        "make_inputs": lambda rng, n: {"X": rng.normal(size=(n, 2))},
        "claimed": {"X": right_mean},
        "sizes": {"n": (1, 3)},
        "seed": 0,
        **changes,
    }
    with pytest.raises(error, match=message):
        grade(settings.pop("f"), settings.pop("make_inputs"), settings.pop("claimed"), **settings)


def test_the_teachers_errors_are_raised_with_the_sizes():
    with pytest.raises(errors.DTypeError, match="inputs must be float64") as caught:
        one(right_mean, make_inputs=lambda rng, n, k: {"X": rng.integers(3, size=(n, k))})
    assert caught.value.__notes__[0].startswith("while grading at n = ")

    def f(X):
        if X.shape[1] == 1:
            raise ZeroDivisionError
        return X.mean(axis=0)

    with pytest.raises(ZeroDivisionError) as caught:
        grade(f, lambda rng, n, k: {"X": rng.normal(size=(n, k))}, {"X": right_mean}, sizes=SIZES, seed=0)
    assert "k = 1" in caught.value.__notes__[-1]
    with pytest.raises(errors.ArgumentError, match="'g_m' stands for the gradient of the tag 'm'"):
        grade(
            lambda x, g_m: tag(x, "m") * g_m,
            lambda rng: {"x": np.ones(2), "g_m": np.ones(2)},
            {"x": lambda g: g},
            seed=0,
        )


def test_an_interruption_by_the_teacher_goes_through():
    def interrupted(g, X):
        # As Ctrl-C does it: the exception comes between two instructions, from nowhere in the code.
        interrupt = ctypes.pythonapi.PyThreadState_SetAsyncExc
        interrupt(ctypes.c_ulong(threading.get_ident()), ctypes.py_object(KeyboardInterrupt))
        while True:
            pass

    with pytest.raises(KeyboardInterrupt):
        one(interrupted)


def test_an_interruption_written_in_a_claim_is_its_failure():
    def interrupts(g, X):
        raise KeyboardInterrupt

    mark = one(interrupts)
    assert mark.verdict == "failed" and mark.counterexamples
    assert re.fullmatch(r"raises KeyboardInterrupt, at .*: raise KeyboardInterrupt", mark.remarks[0])


def test_an_async_claim_fails_and_leaves_no_coroutine_behind():
    async def awaited(g, X):
        return right_mean(g, X)

    mark = one(awaited)  # warnings are errors here
    gc.collect()
    assert mark.verdict == "failed" and mark.points == 0
    assert mark.remarks[0].startswith("must return one NumPy array, is an async function, at test_compare_grading.py:")


def test_an_answer_of_absurd_size_is_looked_at_once_per_trial():
    made = []

    def absurd(g, X):
        made.append(X.shape)
        return np.broadcast_to(0.0, (3000, 3000))

    mark = one(absurd, examples=1)
    assert mark.verdict == "failed" and mark.trials == {"failed": 5}
    assert mark.remarks[0].startswith("returns shape (3000, 3000), far larger than the gradient, at test_compare")
    assert len(made) <= 5 + 8  # the trials, and shapes on the way to the smallest
    assert mark.counterexamples[0].sizes == {"n": 1, "k": 1} and mark.counterexamples[0].claimed is None


def test_an_answer_without_its_sum_is_not_absurd():
    mark = one(lambda g, X: np.ones((7, *X.shape)) * g / len(X))
    assert "far larger" not in mark.remarks[0] and "not that of the gradient" in mark.remarks[0]


# -- true gradients that a claim is given ----------------------------------------------------------


def layer(X, w):
    return np.tanh(tag(X @ w, "z"))


def named_after(value, *bases):
    return type(str(value), bases, {"__module__": "builtins"})


def tells(g_z, X):
    raise ValueError(np.array2string(g_z))


def tells_by_type(g_z, X):
    raise named_after(g_z, Exception)


def tells_by_result(g_z, X):
    return named_after(g_z)()


def tells_by_dtype(g_z, X):
    return np.zeros(2, dtype=[(str(g_z), float)])


def tells_by_file(g_z, X):
    exec(compile("raise ValueError", str(g_z), "exec"))


def tells_by_shape(g_z, X):
    return np.outer(g_z, np.ones(X.shape[1] + 1))


def tells_by_answer(g_z, X):
    return np.outer(g_z, np.ones(X.shape[1]))


TELLS = {
    tells: r"raises ValueError, at .*: raise ValueError\(np.array2string\(g_z\)\)",
    tells_by_type: "raises an exception of its own, at .*: raise named_after",
    tells_by_result: "must return one NumPy array, at .*: def tells_by_result",
    tells_by_dtype: "must return real numbers, at .*: def tells_by_dtype",
    tells_by_file: "raises ValueError, at .*: exec",
    tells_by_shape: r"returns shape \(\d+, \d+\)",
    tells_by_answer: r"your answer for X is wrong at index \(\d, \d\); it is not shown",
}


@pytest.mark.parametrize("claim", TELLS, ids=lambda claim: claim.__name__)
def test_a_claim_cannot_show_the_gradients_it_is_given(claim):
    given = []

    @functools.wraps(claim)
    def spy(g_z, X):
        given.append(g_z)
        return claim(g_z, X)

    def make(rng, n, k):
        return {"X": rng.normal(size=(n, k)), "w": rng.normal(size=k)}

    result = grade(layer, make, {"X": spy}, sizes={"n": (2, 5), "k": (2, 4)}, seed="s", rounds=4)
    assert result.points == 0 and given
    reports = result.to_text(1000) + result.to_json() + result.to_html()
    assert re.search(TELLS[claim], result.to_text(1000))
    for x in {float(x) for array in given for x in array.flat} - {0.0, 1.0}:
        assert not any(f"{x:.{digits}g}" in reports for digits in (4, 6)) and repr(x) not in reports
    assert all(example.claimed is None for example in result["X"].counterexamples)


def test_a_claim_that_is_given_none_shows_its_message():
    def fails(g, X):
        raise ValueError("about X")

    assert "raises ValueError: about X" in one(fails).remarks[0]


def test_causes_are_not_looked_for_unless_they_are_shown(monkeypatch):
    asked = []
    monkeypatch.setattr(diagnosis, "case_of", lambda *a: asked.append(a) or case_of(*a))
    case_of = diagnosis.case.case_of
    claims = {"Z": functools.partial(summary, coefficient=3.0), "B": lambda g: g}
    graded(claims)
    assert not asked
    result = graded(claims, hints=True)
    # Once per trial and claim of the table, never while counterexamples are shrunk.
    assert 0 < len(asked) <= sum(sum(mark.trials.values()) for mark in result.values())


def test_hints_may_be_found_in_the_formula_itself():
    def doubled(g, Z, G, mu, var, eps):
        return -(g * G * (Z - mu)).sum(**ALONG) / 2 * (var + 2 * eps) ** -1.5

    assert graded({"var": doubled}, params={"eps": 0.1}, hints=True)["var"].remarks
    assert not graded({"var": doubled}, params={"eps": 0.1})["var"].remarks
