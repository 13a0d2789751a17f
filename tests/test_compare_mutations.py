"""Wrong gradients made by a program: each single-token change of a right formula must be caught.

Every formula below is first judged exact as it stands; then every operator, number, axis, sign and
reduction in it is changed one at a time. The changes that leave the value as it is are found by
evaluating them with 18 digits, and left out.
"""

import ast

import numpy as np
import pytest

from autograd_core.compare import compare, tag
from autograd_core.errors import AutogradError

N, FEATURES = 6, 3


def batch_norm(Z, G, B, eps):
    mu = tag(Z.mean(axis=1, keepdims=True), "mu")
    var = tag(((Z - mu) ** 2).mean(axis=1, keepdims=True), "var")
    return G * (Z - mu) / np.sqrt(var + eps) + B


def layer_norm(Z, G, B, eps):
    mu = tag(Z.mean(axis=0, keepdims=True), "mu")
    var = tag(((Z - mu) ** 2).mean(axis=0, keepdims=True), "var")
    return G * (Z - mu) / (np.sqrt(var) + eps) + B


def cross_entropy(Z, T):
    shifted = np.exp(Z - Z.max(axis=0, keepdims=True))
    return -(T * np.log(shifted / shifted.sum(axis=0, keepdims=True))).sum(axis=0).mean()


FORMULAS = [
    (
        batch_norm,
        "Z",
        "g, Z, G, mu, var, eps",
        "G / np.sqrt(var + eps) * (g - np.mean(g, axis=1, keepdims=True)"
        " - (Z - mu) / (var + eps) * np.mean(g * (Z - mu), axis=1, keepdims=True))",
    ),
    (
        batch_norm,
        "Z",
        "g, Z, G, mu, var, eps",
        "G * (var + eps) ** -0.5 / 6 * (6 * g - np.sum(g, axis=1, keepdims=True)"
        " - (Z - mu) * np.sum(g * (Z - mu), axis=1, keepdims=True) / (var + eps))",
    ),
    (
        batch_norm,
        "var",
        "g, Z, G, mu, var, eps",
        "-0.5 * (var + eps) ** -1.5 * np.sum(g * G * (Z - mu), axis=1, keepdims=True)",
    ),
    (
        batch_norm,
        "Z",
        "g, Z, G, mu, var, eps, g_mu, g_var",
        "g * G / np.sqrt(var + eps) + g_var * 2 * (Z - mu) / 6 + g_mu / 6",
    ),
    (
        batch_norm,
        "G",
        "g, Z, mu, var, eps",
        "np.sum(g * (Z - mu) / np.sqrt(var + eps), axis=1, keepdims=True)",
    ),
    (
        layer_norm,
        "Z",
        "g, Z, G, mu, var, eps",
        "1 / (np.sqrt(var) + eps) * (g * G - np.mean(g * G, axis=0, keepdims=True)"
        " - (Z - mu) * np.mean(g * G * (Z - mu), axis=0, keepdims=True)"
        " / (np.sqrt(var) * (np.sqrt(var) + eps)))",
    ),
    (
        cross_entropy,
        "Z",
        "g, Z, T",
        "g / 6 * (np.exp(Z) / np.sum(np.exp(Z), axis=0, keepdims=True) - T)",
    ),
]

SWAPS = {
    ast.Add: [ast.Sub],
    ast.Sub: [ast.Add],
    ast.Mult: [ast.Div],
    ast.Div: [ast.Mult],
    ast.Pow: [ast.Mult],
}
CALLS = {"mean": "sum", "sum": "mean", "sqrt": "square", "exp": "expm1"}


def changes(node):
    """The single-token changes of one node, as functions that apply them."""
    if isinstance(node, ast.BinOp):
        for other in SWAPS[type(node.op)]:
            yield "op", other()
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        if node.value is not True:
            for value in (node.value + 1, node.value - 1, 2 * node.value):
                yield "value", value
    elif isinstance(node, ast.Attribute) and node.attr in CALLS:
        yield "attr", CALLS[node.attr]
    elif isinstance(node, ast.Name) and node.id in ("G", "eps", "mu", "var"):
        yield "id", {"G": "Z", "eps": "var", "mu": "eps", "var": "mu"}[node.id]
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "op", ast.UAdd()


def mutants(formula):
    count = sum(1 for _ in ast.walk(ast.parse(formula)))
    for position in range(count):
        for which in range(9):
            tree = ast.parse(formula, mode="eval")
            nodes = list(ast.walk(tree))
            if position >= len(nodes):
                break
            options = list(changes(nodes[position]))
            if which >= len(options):
                break
            setattr(nodes[position], *options[which])
            yield ast.unparse(tree)


def compiled(parameters, formula):
    return eval(f"lambda {parameters}: {formula}", {"np": np})


def inputs_of(f):
    rng = np.random.default_rng(8)
    Z = rng.standard_normal((FEATURES, N)) * [[0.5], [1.0], [2.0]] + 0.3
    if f is cross_entropy:
        return {"Z": Z, "T": np.eye(FEATURES)[:, rng.integers(0, FEATURES, N)]}, {}
    G, B = rng.uniform(0.5, 2.0, (FEATURES, 1)), rng.standard_normal((FEATURES, 1))
    return {"Z": Z, "G": G, "B": B}, {"eps": 1e-3}


def same_value(parameters, formula, mutant):
    """Equal at random extended-precision arguments: no mistake at all."""
    rng = np.random.default_rng(9)
    column = ("G", "mu", "var", "g_mu", "g_var")
    values = {}
    for name in (p.strip() for p in parameters.split(",")):
        shape = (FEATURES, 1) if name in column else (FEATURES, N)
        values[name] = rng.uniform(0.5, 2.0, shape).astype(np.longdouble)
    with np.errstate(all="ignore"):
        a, b = compiled(parameters, formula)(**values), compiled(parameters, mutant)(**values)
    return a.shape == b.shape and bool(np.all(np.abs(a - b) <= 1e-15 * np.abs(a).max()))


def judged(f, target, parameters, formula):
    inputs, params = inputs_of(f)
    try:
        return compare(f, inputs, {target: compiled(parameters, formula)}, params=params)[target]
    except (AutogradError, ValueError):
        return None  # refused with a message, for its shape


@pytest.mark.parametrize("case", range(len(FORMULAS)))
def test_no_mutant_is_exact(case):
    f, target, parameters, formula = FORMULAS[case]
    assert judged(f, target, parameters, formula).verdict == "exact"
    tried = wrong = 0
    for mutant in sorted(set(mutants(formula))):
        try:
            if same_value(parameters, formula, mutant):
                continue
        except (ValueError, TypeError):
            continue  # it does not even evaluate
        line = judged(f, target, parameters, mutant)
        tried += 1
        assert line is None or line.verdict == "wrong", (mutant, line)
        wrong += line is not None
    assert tried >= 9 and wrong >= 0.6 * tried


def test_there_are_enough_mutants():
    assert sum(len(set(mutants(formula))) for *_, formula in FORMULAS) >= 120
