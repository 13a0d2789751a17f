"""Pictures at scalar level: values, gradients and local derivatives of every element."""

import gc
import re
import weakref
from xml.etree import ElementTree

import numpy as np
import pytest

import autograd_core as ac
from autograd_core.drawing import draw
from autograd_core.drawing.evaluation import Evaluation
from autograd_core.drawing.reading import read
from autograd_core.drawing.scalar_level import decimal, derivative, scalar_level
from autograd_core.errors import ArgumentError
from nn.functional import cross_entropy
from registry_cases import DIFFERENTIABLE
from test_draw import SVG
from test_drawing import HOSTILE


def leaf(data, name=None, requires_grad=True):
    return ac.Tensor(np.array(data, float), requires_grad=requires_grad, name=name)


def boxes(picture):
    """By title: (data, grad) as shown, grad None where it is not."""
    found = {}
    for vertex in picture.vertices:
        if vertex.cells:
            texts = dict(vertex.cells)
            grad = texts.get("grad")
            found[vertex.title] = (texts["value"].removeprefix("data "), grad and grad.removeprefix("grad "))
    return found


def slopes(picture):
    """By (title of the tail, symbol of the operation, title of the result): the number on the arrow."""
    vertices = {v.key: v for v in picture.vertices}
    after = {e.tail: vertices[e.head].title for e in picture.edges if vertices[e.tail].symbol}
    return {
        (vertices[e.tail].title, vertices[e.head].symbol, after[e.head]): e.label
        for e in picture.edges
        if vertices[e.head].symbol
    }


def composition():
    """S004-Def4: f = x + 2, g = 3 f, h = sin g."""
    x = leaf(10, "x")
    f = ac.tag(x + 2, "f")
    g = ac.tag(3 * f, "g")
    return x, ac.tag(np.sin(g), "h")


def neuron():
    """S004-Fig-LLC: z = w x + b, a = sigmoid(z), L = (a - 1)^2 / 2."""
    w, b, x = leaf(-3, "w"), leaf(6.5, "b"), leaf(2, "x", requires_grad=False)
    z = ac.tag(w * x + b, "z")
    a = ac.tag(1 / (1 + np.exp(-z)), "a")
    return (w, b), ac.tag((a - 1) ** 2 / 2, "L")


def batch_norm():
    Z, G, B = leaf([[1, 2, 4], [3, 1, 5.5]], "Z"), leaf([[1, 2, 0.5]], "G"), leaf([[0, 1, 2]], "B")
    mu = ac.tag(Z.mean(axis=0, keepdims=True), "mu")
    var = ac.tag(((Z - mu) ** 2).mean(axis=0, keepdims=True), "var")
    weights = np.array([[1, -2, 3], [0.5, 4, 1]])
    return (Z, G, B), ac.tag(((G * (Z - mu) / np.sqrt(var + 1e-5) + B) * weights).sum(), "L")


def perceptron():
    rng = np.random.default_rng(0)
    W1, b1, W2, b2 = (leaf(rng.normal(size=s), n) for s, n in (((2, 2), "W1"), (2, "b1"), ((2, 1), "W2"), (1, "b2")))
    y = np.tanh(leaf([0.5, -1], "x", requires_grad=False) @ W1 + b1) @ W2 + b2
    return (W1, b1, W2, b2), ac.tag((y**2).sum(), "L")


def classifier():
    z = leaf([[1, 2, 0.5]], "z")
    return (z,), ac.tag(cross_entropy(z, np.array([1])), "L")


def _check_case(case, leaves, outputs):
    assert scalar_level(outputs).edges
    reading = read(outputs)
    numbers = Evaluation(reading, outputs)
    for node in reading.nodes:
        for place, slope in ({} if node.op.multiple else numbers.jacobians(node)).items():
            beside = np.abs(slope[~numbers.pattern(node, place)])
            assert beside.max(initial=0) <= 1e-14 * np.abs(slope).max(initial=0), case
    sum(np.sum(y) for y in outputs).backward()
    for x in leaves:
        expected = np.zeros(x.shape) if x.grad is None else x.grad.data
        found = numbers.gradient(x)
        np.testing.assert_allclose(0 if found is None else found, expected, rtol=1e-10, atol=1e-12, err_msg=str(case))


class TestNumbers:
    def test_the_composition_of_the_lecture(self):
        _, h = composition()
        picture = scalar_level([h])
        slope = np.cos(36)
        shown = boxes(picture)
        assert shown["x"] == ("10.0000", f"{3 * slope:.4f}")
        assert shown["f"] == ("12.0000", f"{3 * slope:.4f}")
        assert shown["g"] == ("36.0000", f"{slope:.4f}")
        assert shown["h"] == (f"{np.sin(36):.4f}", "1.0000")
        edges = slopes(picture)
        assert edges["x", "+", "f"] == "1"
        assert edges["f", "×", "g"] == "3"
        assert edges["g", "sin", "h"] == f"{slope:.4g}"
        assert edges["2", "+", "f"] == ""

    @pytest.mark.parametrize("build", [neuron, batch_norm, perceptron, classifier])
    def test_gradients_are_those_of_backward(self, build):
        leaves, L = build()
        shown = boxes(scalar_level([L]))
        L.backward()
        for x in leaves:
            for index in np.ndindex(x.shape):
                title = x.name + (f"[{','.join(map(str, index))}]" if index else "")
                assert shown[title] == (decimal(x.data[index]), decimal(x.grad.data[index]))

    @pytest.mark.parametrize("build", [neuron, batch_norm, perceptron, classifier])
    def test_a_gradient_is_the_sum_over_arrows_of_slope_times_gradient(self, build):
        """By numbers from the evaluation, at every vertex of the picture."""
        _, L = build()
        reading = read([L])
        numbers = Evaluation(reading, [L])
        sums = {}
        for node, operands in zip(reading.nodes, reading.operands, strict=True):
            for place, slope in numbers.jacobians(node).items():
                entry = operands[place]
                back = numbers.gradient(node).ravel() @ slope
                sums[id(entry)] = sums.get(id(entry), 0) + back
                np.testing.assert_allclose(
                    sums[id(entry)].shape, numbers.gradient(entry).size, err_msg="one number per element"
                )
        for node in reading.nodes[:-1]:
            np.testing.assert_allclose(sums[id(node)], numbers.gradient(node).ravel(), rtol=1e-12, atol=1e-15)

    @pytest.mark.parametrize(
        "function",
        [
            lambda x: x.mean(axis=1),
            lambda x: x @ np.array([[1.0, 2.0], [0.0, -1.0], [3.0, 0.5]]),
            lambda x: np.tanh(x),
            lambda x: x[:, ::2],
            lambda x: x.T,
            lambda x: np.cumsum(x, axis=1),
            lambda x: np.max(x, axis=0),
        ],
        ids=["mean", "matmul", "tanh", "getitem", "transpose", "cumsum", "max"],
    )
    def test_slopes_are_the_jacobian_of_the_engine(self, function):
        x = leaf([[1, -2, 3], [0.5, 4, -1]], "x")
        y = function(x)
        numbers = Evaluation(read([y]), [y])
        expected = ac.jacobian(function)(x)
        expected = np.asarray(getattr(expected, "data", expected)).reshape(y.size, x.size)
        np.testing.assert_allclose(numbers.jacobians(y._node)[0], expected, rtol=1e-14)
        assert not (expected[~numbers.pattern(y._node, 0)]).any()

    def test_every_operator_can_be_drawn_and_its_slopes_followed(self):
        """The first sample of each: the sweep is that of `backward`, and no slope lies outside of the arrows."""
        drawn = 0
        for case in DIFFERENTIABLE:
            if case.index == 0:
                leaves = [ac.Tensor(array, requires_grad=True) for array in case.arrays()]
                outputs = [y for y in case.call(leaves) if isinstance(y, ac.Tensor) and y.requires_grad]
                if outputs and all(y.dtype.kind == "f" for y in outputs):
                    _check_case(case, leaves, outputs)
                    drawn += 1
        assert drawn > 100

    def test_a_mean_has_an_arrow_from_each_element(self):
        x = leaf([1, 2, 6], "x")
        picture = scalar_level([ac.tag(x.mean(), "m")])
        assert slopes(picture) == {(f"x[{i}]", "mean", "m"): "0.3333" for i in range(3)}
        assert boxes(picture)["m"] == ("3.0000", "1.0000")

    def test_what_cannot_depend_has_no_arrow_and_what_happens_not_to_has_a_zero(self):
        x = leaf([-1, 2], "x")
        picture = scalar_level([ac.tag(np.maximum(x, 0.0), "y")])
        arrows = {(t, r): label for (t, _, r), label in slopes(picture).items() if t.startswith("x")}
        assert arrows == {("x[0]", "y[0]"): "0", ("x[1]", "y[1]"): "1"}
        assert draw(np.maximum(x, 0.0), level="scalar").source.count('style="dashed"') == 1

    def test_one_operand_twice_has_two_arrows(self):
        x = leaf(3, "x")
        picture = scalar_level([ac.tag(x * x, "y")])
        assert [e.label for e in picture.edges if e.label] == ["3", "3"]
        assert boxes(picture)["x"] == ("3.0000", "6.0000")

    def test_several_outputs_of_one_operation(self):
        x = leaf([1, 2, 3, 4], "x")
        a, b = np.split(x, 2)
        picture = scalar_level([ac.tag(a * b, "y")])
        assert boxes(picture)["x[1]"] == ("2.0000", "4.0000")
        assert boxes(picture)["y[1]"] == ("8.0000", "1.0000")
        assert len(picture.vertices) == 4 + 2 * (2 + 2 + 2)

    def test_several_outputs_of_the_picture(self):
        x = leaf(2, "x")
        picture = scalar_level([ac.tag(x * 3, "y"), ac.tag(x**2, "z")])
        assert boxes(picture)["x"] == ("2.0000", "7.0000")
        assert sum(v.output for v in picture.vertices) == 2

    def test_a_leaf_alone(self):
        picture = scalar_level([leaf([1, 2], "x")])
        assert boxes(picture) == {"x[0]": ("1.0000", "1.0000"), "x[1]": ("2.0000", "1.0000")}
        assert boxes(scalar_level([leaf(1, "c", requires_grad=False)])) == {"c": ("1.0000", None)}

    def test_constants_have_no_gradient(self):
        _, L = neuron()
        assert boxes(scalar_level([L]))["x"] == ("2.0000", None)
        assert slopes(scalar_level([L]))["x", "×", ""] == ""


class TestAfterBackward:
    def test_values_come_back_where_the_operands_are_known(self):
        x, h = composition()
        before = boxes(scalar_level([h]))
        h.backward()
        assert boxes(scalar_level([h])) == before
        assert x.grad.item() == pytest.approx(3 * np.cos(36))

    def test_what_was_freed_is_not_made_up(self):
        c = leaf([2, 3], "c", requires_grad=False)
        x = leaf([1, 2], "x")
        y = ac.tag(np.exp(x * c + c), "y")
        y.sum().backward()
        shown = boxes(scalar_level([y]))
        assert shown["c[0]"] == ("?", None)  # the tape knew it for the gradient of x only
        assert shown["x[0]"] == ("1.0000", decimal(x.grad.data[0]))
        assert shown["y[0]"] == (decimal(y.data[0]), "1.0000")
        assert shown["[0]"] == ("?", decimal(y.data[0]))  # before exp; further back it would take c
        assert "keep_values()" in draw(y, level="scalar").source

    def test_recorded_values_and_retained_gradients(self):
        c = leaf([2, 3], "c", requires_grad=False)
        x = leaf([1, 2], "x")
        with ac.keep_values():
            h = x * c
            h.retain_grad()
            y = (h + c).sum()
        y.backward()
        c.data = c.data + 1.0  # copies were recorded
        assert boxes(scalar_level([y]))["[1]"][0] in ("6.0000", "9.0000")
        assert boxes(scalar_level([y]))["c[1]"] == ("3.0000", None)
        grads = [g for _, g in (tuple(t for _, t in v.cells) for v in scalar_level([y]).vertices if len(v.cells) == 2)]
        assert grads.count("grad 1.0000") == 5

    def test_a_leaf_that_has_changed_since_is_not_taken_for_what_it_was(self):
        w = leaf(2, "w")
        L = ac.tag(ac.tag(w * w, "z") * 3.0, "L")
        L.backward()
        w.data[...] = 5.0
        picture = scalar_level([L])
        shown = boxes(picture)
        assert shown == {"w": ("5.0000", "12.0000"), "z": ("?", "3.0000"), "L": ("12.0000", "1.0000")}
        assert picture.notes == ["a leaf has been changed since it was used"]
        assert slopes(picture)["w", "×", "z"] == ""

    def test_nor_one_that_was_written_to_before_backward(self):
        w = leaf(2, "w")
        L = ac.tag(w * w, "L")
        with ac.no_grad():
            w += 1.0
        picture = scalar_level([L])
        assert boxes(picture) == {"w": ("now 3.0000", None), "L": ("4.0000", "1.0000")}
        assert picture.notes == ["a leaf has been changed since it was used"]
        assert slopes(picture)["w", "×", "L"] == ""


class TestWords:
    @pytest.mark.parametrize(
        ("number", "text"),
        [
            (0.0, "0.0000"),
            (-0.0, "0.0000"),
            (1.0, "1.0000"),
            (-0.012345, "-0.0123"),
            (0.0012345, "0.001234"),
            (1e-12, "1e-12"),
            (-4e-5, "-4e-05"),
            (123456.78901, "123456.7890"),
            (3e8, "3e+08"),
            (np.nan, "nan"),
            (-np.inf, "-inf"),
            (np.True_, "True"),
            (np.int64(7), "7"),
        ],
    )
    def test_an_element_is_not_hidden_by_its_decimals(self, number, text):
        assert decimal(number) == text

    @pytest.mark.parametrize(
        ("number", "text"), [(1.0, "1"), (1 / 3, "0.3333"), (-0.0, "0"), (-12345.6, "-1.235e+04"), (1e-9, "1e-09")]
    )
    def test_a_local_derivative_has_four_digits(self, number, text):
        assert derivative(number) == text

    @pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
    def test_names_are_text(self, name):
        y = leaf([1, 2], name) * 3.0
        y.name = name
        drawing = draw(y, level="scalar")
        root = ElementTree.fromstring(drawing.svg)
        nodes = [g for g in root.iter(f"{SVG}g") if g.get("class") == "node"]
        assert len(nodes) == 8
        tags = {element.tag.removeprefix(SVG) for element in root.iter()}
        assert tags <= {"svg", "g", "title", "text", "polygon", "path", "ellipse", "a", "polyline"}
        assert not any(key.lower().startswith("on") for element in root.iter() for key in element.attrib)

    def test_the_legend_explains_the_numbers(self):
        _, L = neuron()
        words = [t.text for t in ElementTree.fromstring(draw(L, level="scalar").svg).iter(f"{SVG}text")]
        assert {"intermediate value", "local derivative", "∂ output / ∂ element"} <= set(words)


class TestNoTrace:
    def test_the_same_program_gives_the_same_bytes(self):
        one, two = (draw(batch_norm()[1], level="scalar") for _ in range(2))
        assert one.source == two.source
        assert one.svg == two.svg

    def test_drawing_changes_no_gradient_and_leaves_the_graph_as_it_is(self):
        leaves, L = batch_norm()
        draw(L, level="scalar")
        assert all(x.grad is None for x in leaves)
        L.backward()
        once = [x.grad.data.copy() for x in leaves]
        draw(L, level="scalar")
        for x, grad in zip(leaves, once, strict=True):
            np.testing.assert_array_equal(x.grad.data, grad)

    def test_a_drawing_keeps_no_graph_alive(self):
        x = leaf([1, 2])
        y = np.tanh(x * 2.0)
        node, array = weakref.ref(y._node), weakref.ref(x.data)
        gc.disable()
        try:
            drawing = draw(y, level="scalar")
            del x, y
            assert node() is None
            assert array() is None
            assert "tanh" in drawing.source
        finally:
            gc.enable()


class TestRefusals:
    def test_too_many_elements(self):
        y = leaf(np.ones((20, 20)), "W\n") * leaf(1, "s")
        message = (
            r'draw: level="scalar" takes at most 400 elements, this graph has 801, the largest array being '
            r"'W\\n' of shape \(20, 20\); use influence\(out, x\) .*, level=\"tensor\" .* in: draw, called at"
        )
        with pytest.raises(ArgumentError, match=message):
            draw(y, level="scalar")

    def test_the_largest_may_have_no_name(self):
        with pytest.raises(ArgumentError, match=r"this graph has 402, the largest array being an unnamed one of shape"):
            draw((leaf(np.ones(200)) + leaf(1.0, "y")).sum(), level="scalar")

    def test_four_hundred_are_drawn(self):
        picture = scalar_level([leaf(np.ones(200), "x") * 2.0])
        assert len([v for v in picture.vertices if v.cells]) == 400

    def test_every_arrow_with_a_number_ends_at_an_operation(self):
        _, L = batch_norm()
        arrows = re.findall(r"^\s*(\w+) -> (\w+) \[(.*)\]$", draw(L, level="scalar").source, re.MULTILINE)
        assert all(re.fullmatch(r"n\d+_\d+o", head) for _, head, rest in arrows if re.search(r"\blabel=", rest))
