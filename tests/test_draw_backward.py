"""Pictures of the backward graph: the rule of every operation, and the sums where paths meet."""

import gc
import itertools
import math
import re
import weakref
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy import special

import autograd_core as ac
from autograd_core.drawing import draw
from autograd_core.drawing.backward_level import backward_level
from autograd_core.drawing.rule_text import applied, pulled
from autograd_core.operator import Array, registry
from test_draw import SVG
from test_draw_scalar import batch_norm, composition, leaf, neuron, perceptron
from test_drawing import HOSTILE


def graph(picture):
    """By key: what a vertex says, and the keys of those before it."""
    said = {v.key: v.title or v.symbol for v in picture.vertices}
    before = {v.key: [e.tail for e in picture.edges if e.head == v.key] for v in picture.vertices}
    return said, before


def chain(picture, title):
    """The texts on the way back to the first box, from the box of this title; there must be one way only."""
    said, before = graph(picture)
    key = next(k for k, text in said.items() if text == title)
    texts = [title]
    while before[key]:
        (key,) = before[key]
        texts.append(said[key])
    return texts


class TestRules:
    def test_the_composition_of_the_lecture(self):
        _, h = composition()
        picture = backward_level([h], values=False)
        assert chain(picture, "∂h/∂x") == ["∂h/∂x", "g", "∂h/∂f", "3 · g", "∂h/∂g", "g · cos(g)", "∂h/∂h"]

    def test_the_rules_of_a_neuron(self):
        _, L = neuron()
        picture = backward_level([L], values=False)
        rules = [v.symbol for v in picture.vertices if v.kind == "rule"]
        assert rules[:2] == ["g / 2", "2 · g · a5"]
        assert "−g · a / a4" in rules and "g · a3" in rules and "g · x" in rules
        assert chain(picture, "∂L/∂b")[:3] == ["∂L/∂b", "g", "∂L/∂z"]

    @pytest.mark.parametrize(
        ("function", "rule"),
        [
            (np.tanh, "g · (1 − out²)"),
            (np.exp, "g · out"),
            (np.log, "g / x"),
            (np.sqrt, "g / (2 · out)"),
            (np.sin, "g · cos(x)"),
            (np.square, "2 · g · x"),
            (np.negative, "−g"),
            (lambda x: x**3, "3 · g · x²"),
            (lambda x: np.maximum(x, 0.0), None),
            (lambda x: x.sum(axis=0), "g"),
            (lambda x: x.mean(axis=0), "g / 2"),
            (lambda x: x.mean(), "g / 6"),
            (lambda x: x.mean(axis=()), "g"),
            (lambda x: x.var(axis=0), "g · (x − mean(x, axis=0))"),
            (lambda x: np.inner(x, leaf(np.ones((4, 3)), "W")), "g @ W"),
            (lambda x: np.concatenate([leaf(np.ones((1, 3)), "W"), x]), "g[1:3]"),
            (lambda x: x[0], "g at [0], else 0"),
            (lambda x: x.T, "gᵀ"),
            (lambda x: x @ leaf(np.ones((3, 4)), "W"), "g @ Wᵀ"),
            (lambda x: leaf(np.ones((4, 2)), "W") @ x, "Wᵀ @ g"),
            (lambda x: x @ leaf(np.ones(3), "w"), "g · w"),
            (lambda x: x.reshape(6), "reshape(g, (2, 3))"),
            (lambda x: np.max(x, axis=0), "g · ∂max/∂x"),
        ],
    )
    def test_a_rule_in_symbols(self, function, rule):
        x = leaf(np.arange(1.0, 7.0).reshape(2, 3), "x")
        node = ac.tag(function(x), "out")._node.parents[0]
        place = next(i for i, parent in enumerate(node.parents) if parent is x)
        texts = pulled(node, node.parents, lambda entry: "out" if entry is node else str(entry.name))
        assert texts[place] == rule if rule else "g" in texts[place]

    def test_vectors_times_matrices(self):
        (W1, *_), L = perceptron()
        picture = backward_level([L], values=False)
        rules = {v.symbol for v in picture.vertices if v.kind == "rule"}
        assert {"outer(x, g)", "W2 @ g"} <= rules
        assert W1.grad is None

    def test_every_elementwise_rule_is_what_the_engine_computes(self):
        """Each text is evaluated as Python and compared with the rule itself."""
        rng = np.random.default_rng(0)
        compared = 0
        for operator in registry.operators.values():
            if operator.kind != "elementwise" or operator.multiple or not operator.rules:
                continue
            for sample in operator.samples[:1]:
                compared += _compare(operator, sample, rng)
        assert compared > 50

    def test_a_large_operation_is_not_run(self):
        x = leaf(np.ones((1200, 1)), "x")
        y = x @ np.ones((1, 1200))
        assert pulled(y._node, y._node.parents, lambda entry: "x") == {0: "g · ∂matmul/∂x"}

    def test_several_outputs(self):
        a, b = np.split(leaf([1, 2, 3, 4], "x"), 2)
        picture = backward_level([a * b], values=True)
        said, _ = graph(picture)
        assert {"g at [0], else 0", "g at [1], else 0", "g · ∂split/∂x"} <= set(said.values())

    def test_a_result_says_what_it_is(self):
        _, L = batch_norm()
        formulas = [
            line for v in backward_level([L], values=False).vertices for k, (line, *_) in v.lines if k == "static"
        ]
        assert "a1 = Z − mu" in formulas
        assert "var = mean(a2, keepdims, axis=0)" in formulas or "var = mean(a2, axis=0, keepdims)" in formulas

    @pytest.mark.parametrize(
        ("function", "text"),
        [
            (lambda x: x @ x, "x @ x"),
            (lambda x: np.inner(x, x), "x @ xᵀ"),
            (lambda x: x[0, 1:], "x[0, 1:]"),
            (lambda x: np.split(x, 2)[1], "x[1]"),
            (lambda x: 2 * x + 1, "x + 1"),
            (lambda x: np.concatenate([x] * 6), "concatenate(x, x, x, x, …)"),
        ],
    )
    def test_an_operation_in_symbols(self, function, text):
        node = function(leaf(np.ones((2, 2)), "x"))._node
        assert applied(node, node.parents, lambda entry: "x") == text


def _compare(operator, sample, rng):
    """Runs an operator on a sample of scalars and compares the rules' texts with the rules; how many there were."""
    values = [float(rng.uniform(a.low, a.high)) if isinstance(a, Array) else a for a in sample.args]
    if not all(isinstance(v, float) for v in values):
        return 0
    given = dict(zip(operator.positional, values, strict=False))
    operands = [
        leaf(given.pop(p), letter) for p, letter in zip(operator.parameters, "pqrs", strict=False) if p in given
    ]

    def function(*arguments):
        return operator(**dict(zip(operator.parameters, arguments, strict=True)), **given, **sample.kwargs)

    out = function(*operands)
    if not isinstance(out, ac.Tensor) or out._node is None:
        return 0
    node = out._node
    names = {id(o): n for o, n in zip(operands, "pqrs", strict=False)} | {id(node): "y"}
    functions = vars(special) | vars(np)
    known = {o.name: o.item() for o in operands} | {"y": out.item(), "g": 1.0, "f": functions, "inf": math.inf}
    texts = pulled(node, node.parents, lambda entry: names[id(entry)])
    grads = ac.vjp(function, *operands)[1](np.array(1.0))
    count = 0
    for place, text in texts.items():
        code = text.replace("·", "*").replace("−", "-").replace("²", "**2").replace("³", "**3").replace("√", "sqrt")
        code = code.replace("⁴", "**4").replace("≥", ">=").replace("≤", "<=")
        code = re.sub(r"\[([^\]]*)\]", r"(\1)", code)
        code = re.sub(r"\b([a-z]\w*)\(", r"f['\1'](", code)
        code = code.replace("^", "**").replace("bitwise_and", "logical_and").replace("positive", "float64")
        if "∂" in code or not set(re.findall(r"f\['(\w+)'\]", code)) <= functions.keys():
            continue
        expected = (grads[place] if isinstance(grads, tuple | list) else grads).item()
        found = eval(code, {}, known)
        assert math.isclose(found, expected, rel_tol=1e-5, abs_tol=1e-9), (operator.name, text)
        count += 1
    return count


class TestSums:
    def test_paths_that_meet_are_added(self):
        x = leaf(2, "x")
        picture = backward_level([ac.tag(x * x + np.sin(x), "y")], values=True)
        said, before = graph(picture)
        (box,) = [k for k, text in said.items() if text == "∂y/∂x"]
        (total,) = before[box]
        assert said[total] == "+"
        assert sorted(said[k] for k in before[total]) == ["g · cos(x)", "g · x", "g · x"]
        grad = dict(next(v for v in picture.vertices if v.key == box).lines)["grad"]
        assert grad == [f"{4 + np.cos(2):.4g}"]

    def test_broadcast_operands_are_summed_over_their_axes(self):
        x, b, c = leaf(np.ones((4, 2, 3)), "x"), leaf(np.ones((2, 1)), "b"), leaf(1, "c")
        picture = backward_level([ac.tag(x * b + c, "y")], values=False)
        sums = {v.key: v for v in picture.vertices if v.symbol == "Σ"}
        facts = [line for v in sums.values() for _, (line,) in v.lines]
        assert sorted(facts) == ["axes=(0, 1, 2)", "axes=(0, 2)"]
        assert chain(picture, "∂L/∂b")[:3] == ["∂L/∂b", "Σ", "g · x"]
        assert chain(picture, "∂L/∂x")[:2] == ["∂L/∂x", "g · b"]

    def test_eighteen_doublings_have_one_sum_each(self):
        y = leaf(1, "x")
        for _ in range(18):
            y = y + y
        picture = backward_level([y], values=True)
        kinds = [v.kind for v in picture.vertices]
        assert (kinds.count("gradient"), kinds.count("rule"), kinds.count("sum")) == (19, 36, 18)
        assert dict(picture.vertices[-1].lines)["grad"] == ["2.621e+05"]

    def test_every_edge_leads_onward(self):
        _, L = batch_norm()
        picture = backward_level([L], values=False)
        place = {v.key: i for i, v in enumerate(picture.vertices)}
        assert all(place[e.tail] < place[e.head] for e in picture.edges)
        assert sum(not before for before in graph(picture)[1].values()) == 1

    def test_constants_have_no_box(self):
        _, L = neuron()
        titles = [v.title for v in backward_level([L], values=False).vertices if v.kind == "gradient"]
        assert "∂L/∂x" not in titles and {"∂L/∂w", "∂L/∂b"} <= set(titles)


class TestValues:
    def test_they_are_those_of_backward(self):
        leaves, L = batch_norm()
        picture = backward_level([L], values=True)
        shown = {v.title: dict(v.lines).get("grad") for v in picture.vertices if v.kind == "gradient"}
        L.backward()
        for x in leaves:
            numbers = [float(n) for n in re.findall(r"-?[\d.]+(?:e-?\d+)?", " ".join(shown[f"∂L/∂{x.name}"]))]
            np.testing.assert_allclose(numbers, x.grad.data.ravel(), rtol=1e-3, atol=1e-12)

    def test_only_on_request(self):
        _, L = batch_norm()
        assert "grad" not in {k for v in backward_level([L], values=False).vertices for k, _ in v.lines}
        assert draw(L, level="backward", grads=True).source == draw(L, level="backward", values=True).source

    def test_the_rules_stay_when_the_graph_is_freed(self):
        _, L = batch_norm()
        before = draw(L, level="backward").source
        L.backward()
        assert draw(L, level="backward").source == before


class TestNames:
    def test_an_output_without_a_name_is_L_or_y(self):
        x = leaf([1, 2], "x")
        assert backward_level([(x * 2).sum()], values=False).vertices[0].title == "∂L/∂L"
        assert backward_level([x * 2], values=False).vertices[0].title == "∂L/∂y"
        named = leaf([1, 2], "y")
        assert backward_level([named * 2], values=False).vertices[0].title == "∂L/∂a1"

    def test_several_outputs_of_the_picture(self):
        x = leaf([1, 2], "x")
        picture = backward_level([ac.tag(x * 2, "y"), ac.tag(x * 3, "z")], values=False)
        assert {v.title for v in picture.vertices if v.output} == {"∂L/∂y", "∂L/∂z"}
        assert {v.title for v in picture.vertices if v.kind == "gradient"} == {"∂L/∂x", "∂L/∂y", "∂L/∂z"}

    def test_a_leaf_alone(self):
        assert [v.title for v in backward_level([leaf(1, "x")], values=True).vertices] == ["∂x/∂x"]
        assert backward_level([leaf(1, "x", requires_grad=False)], values=True).vertices == []

    @pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
    def test_names_are_text(self, name):
        x = leaf([1, 2], name)
        y = x * x * np.exp(x)
        y.name = name
        drawing = draw(y, level="backward", values=True)
        root = ElementTree.fromstring(drawing.svg)
        nodes = [g for g in root.iter(f"{SVG}g") if g.get("class") == "node"]
        assert len(nodes) == 4 + 5 + 1
        tags = {element.tag.removeprefix(SVG) for element in root.iter()}
        assert tags <= {"svg", "g", "title", "text", "polygon", "path", "ellipse", "a", "polyline"}
        assert not any(key.lower().startswith("on") for element in root.iter() for key in element.attrib)

    @pytest.mark.parametrize("name", ["a * b", "x^2", "sqrt(z)", "e-5", "-1", "\ue000"])
    def test_nothing_in_a_name_is_taken_for_a_formula(self, name):
        y = leaf(2, "w") * leaf(1, name)
        assert f"g · {name}" in [v.symbol for v in backward_level([y], values=False).vertices]


class TestNoTrace:
    def test_the_same_program_gives_the_same_bytes(self):
        one, two = (draw(batch_norm()[1], level="backward", values=True) for _ in range(2))
        assert one.source == two.source
        assert one.svg == two.svg

    def test_drawing_changes_no_gradient(self):
        leaves, L = batch_norm()
        draw(L, level="backward", values=True)
        assert all(x.grad is None for x in leaves)
        L.backward()
        once = [x.grad.data.copy() for x in leaves]
        draw(L, level="backward", values=True)
        assert all((x.grad.data == grad).all() for x, grad in zip(leaves, once, strict=True))

    def test_a_drawing_keeps_no_graph_alive(self):
        x = leaf([1, 2])
        y = np.tanh(x * 2.0)
        node, array = weakref.ref(y._node), weakref.ref(x.data)
        gc.disable()
        try:
            drawing = draw(y, level="backward", values=True)
            del x, y
            assert node() is None
            assert array() is None
            assert "∂" in drawing.source
        finally:
            gc.enable()

    def test_a_deep_graph_needs_no_recursion(self):
        x = leaf(1, "x")
        y = x
        for _ in range(2_000):
            y = y * x
        picture = backward_level([y], values=True)
        assert len(picture.vertices) == 2_000 + 2 * 2_000 + 2

    def test_the_legend_explains_the_forms(self):
        _, L = batch_norm()
        words = {t.text for t in ElementTree.fromstring(draw(L, level="backward").svg).iter(f"{SVG}text")}
        legend = {"gradient", "sum over paths, over broadcast axes"}
        assert legend <= words
        assert any(word and word.startswith("one operation backward") for word in words)
        assert not any(a == b for a, b in itertools.pairwise(sorted(legend)))
