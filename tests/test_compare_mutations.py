"""Wrong gradients made by a program: each single-token change of a right formula must be caught, and most be named.

Every formula in `mutations.formulas` is first judged exact as it stands; then every operator, number, name, axis, call
and term in it is changed, one at a time. Which changes are none is found by evaluating them with 18 digits.
"""

import ast

import numpy as np
import pytest

from autograd_core.compare import compare
from mutations.changes import changes
from mutations.formulas import FAMILIES
from mutations.generate import SAME, compiled, evaluated, formulas, known, mutants, point
from mutations.score import judged, names, score

PER_KIND = 1  # of each kind of change in each formula; all of them are 8000
KINDS = {"operator", "term", "factor", "constant", "exponent", "sign", "axis", "keepdims", "call", "name", "N"} | {
    "epsilon",
    "transpose",
    "order",
}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_right_formulas_are_exact(family):
    f = FAMILIES[family]
    inputs = f.draw(np.random.default_rng(8))
    for formula in formulas(family):
        claim = compiled(formula.function, f)
        line = compare(f.forward, inputs, {formula.target: claim}, params=f.params)[formula.target]
        assert line.verdict == "exact", (ast.unparse(formula.function), line)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_mutant_is_exact_and_most_are_named(family):
    results = judged(family, PER_KIND)
    verdicts = [r.verdict for r in results]
    assert len(results) >= 20
    for r in results:
        # Undecided: a mutant may divide by what is zero but for rounding. Refused: for its shape.
        assert r.verdict in ("wrong", "refused", "undecided"), (r.mutant, r.line)
    assert verdicts.count("undecided") <= 0.02 * len(results)
    assert verdicts.count("wrong") >= 0.9 * len(results)
    table = score(results)
    covered, named = (sum(column) for column in zip(*table.values(), strict=True))
    assert covered >= 1
    assert named >= 0.8 * covered, table


def test_there_are_enough_mutants_of_every_kind():
    everything = [m for family in FAMILIES for m in mutants(family, PER_KIND)]
    assert len(everything) >= 700
    assert {m.kind for m in everything} == KINDS
    assert len({(m.family, m.target, m.source) for m in everything}) == len(everything)


def test_the_filter_does_not_hang_on_its_tolerance():
    """Between what is the same to rounding and what is a mistake there is a wide gap."""
    for family in FAMILIES:
        for m in mutants(family, 1):
            if not m.same_shape:
                continue
            right = formulas(family)[m.formula].function
            gaps = []
            for seed in (0, 1):
                a, b = (
                    evaluated(tree, FAMILIES[family], point(family, seed))
                    for tree in (ast.parse(m.source).body[0], right)
                )
                gaps.append(np.abs(a - b).max() / np.abs(b).max())
            assert not max(gaps) <= 1e5 * SAME, m


# -- with a sweep ----------------------------------------------------------------------------------

SWEPT = ("batch norm", "layer norm, deviation", "RMS norm", "RMSprop")


def fades(m):
    """Whether the mistake vanishes with epsilon: found by value at a tiny one."""
    tiny = point(m.family, 0, 1e-13)
    trees = (ast.parse(m.source).body[0], formulas(m.family)[m.formula].function)
    a, b = (evaluated(tree, FAMILIES[m.family], tiny) for tree in trees)
    return bool(np.abs(a - b).max() < 1e-5 * np.abs(b).max())


@pytest.mark.parametrize("family", SWEPT)
def test_under_a_sweep_only_mistakes_that_fade_with_epsilon_are_approximate(family):
    f = FAMILIES[family]
    inputs = f.draw(np.random.default_rng(8))
    params = {k: v for k, v in f.params.items() if k != "eps"}
    fading = [m for m in mutants(family, 12) if m.same_shape and m.kind == "epsilon" and fades(m)][:6]
    lasting = [m for m in mutants(family, PER_KIND)[::5] if m.same_shape and not fades(m)]
    assert len(fading) >= 2 and len(lasting) >= 5
    for m in (*fading, *lasting):
        sweep = {"eps": (1e-2, 1e-4, 1e-6)}
        line = compare(f.forward, inputs, {m.target: m.claim()}, params=params, sweep=sweep)[m.target]
        assert line.verdict == ("approximate" if m in fading else "wrong"), (m, line)


# -- the generator itself --------------------------------------------------------------------------


def test_every_token_is_changed():
    function = ast.parse("def x(g, x, mu):\n    return -0.5 * np.sum(g * (x - mu), axis=1, keepdims=True) / N").body[0]
    new = {f"{c.kind}: {c.old} -> {c.new}" for c in changes(function, ("g", "x", "mu"))}
    assert {
        "sign: -0.5 -> 0.5",
        "constant: 0.5 -> 1.5",
        "operator: x - mu -> x + mu",
        "term: x - mu -> -mu",
        "term: x - mu -> x",
        "order: x - mu -> mu - x",
        "operator: g * (x - mu) -> g / (x - mu)",
        "factor: g * (x - mu) -> x - mu",
        "name: mu -> g",
        "axis: 1 -> 0",
        "keepdims: True -> False",
        "N: N -> N - 1",
        "N: N -> N + 1",
        "call: np.sum(g * (x - mu), axis=1, keepdims=True) -> np.mean(g * (x - mu), axis=1, keepdims=True)",
        "call: np.sum(g * (x - mu), axis=1, keepdims=True) -> g * (x - mu)",
    } <= new


def test_a_change_that_is_none_is_left_out():
    # Ones squared, T^2 = T for one-hot T, and (Z - mu) / 1: found by value, not by form.
    sources = {m.source for m in mutants("cross-entropy, mean")}
    assert not any("T ** 2" in s or "/ 1" in s for s in sources)
    assert any("P + T" in s for s in sources)


def test_causes_are_what_the_change_amounts_to():
    found = {
        (m.kind, m.old, m.new): {
            (c.what, c.path, round(c.factor, 9)) for c in m.causes if c.what in ("factor", "count")
        }
        for m in mutants("batch norm", only=6)  # dZ by the tags
    }
    assert ("factor", "var", 1.5) in found["constant", "2", "3"]
    assert ("count", "var", round(13 / 12, 9)) in found["N", "N", "N - 1"]
    assert ("factor", "mu", 13.0) in found["factor", "g_mu / N", "g_mu"]
    assert any(("factor", "mu", -1.0) in causes for (kind, *_), causes in found.items() if kind == "operator")


@pytest.mark.parametrize(
    ("hint", "path", "factor", "expected"),
    [
        ("sign flipped", None, -1.0, True),
        ("1.5 times the gradient", None, 1.5, True),
        ("1/3 times the gradient", None, 1 / 3, True),
        ("N times the gradient (N = 13)", None, 13.0, True),
        ("1.5 times the gradient", None, 2.5, False),
        ("the path through 'var' is counted 1.5 times", "var", 1.5, True),
        ("the path through 'var' is counted twice", "var", 2.0, True),
        ("the path through 'var' is missing", "var", 0.0, True),
        ("the path through 'mu' is missing", "var", 0.0, False),
        ("the path through 'var' is missing", None, 0.0, False),
        ("the direct path has its sign flipped", "", -1.0, True),
        ("", None, 2.0, False),
    ],
)
def test_a_hint_names_a_cause_only_if_it_says_where_and_how_much(hint, path, factor, expected):
    from mutations.generate import Cause

    assert names(hint, Cause("factor", path, factor), "batch norm") is expected


def test_a_claim_may_ask_only_for_what_it_could_know():
    assert "g_mu" not in known("batch norm", "var") and "g_z_hat" in known("batch norm", "var")
    assert {"g", "Z", "mu", "g_mu", "g_var", "eps"} <= set(known("batch norm", "Z"))
