"""Pictures of the graph: what is drawn, and in which words."""

import itertools
import re
from xml.etree import ElementTree

import numpy as np
import pytest

import autograd_core as ac
import nn
from autograd_core.drawing import draw
from autograd_core.drawing.columns import arrange
from autograd_core.drawing.dot import write
from autograd_core.drawing.labels import array, index, number, statics
from autograd_core.drawing.picture import Picture, Vertex

SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}"


def leaf(*shape, name=None, requires_grad=True):
    return ac.Tensor(np.ones(shape), requires_grad=requires_grad, name=name)


def batch_norm(Z, G, B, eps=1e-5):
    mu = ac.tag(Z.mean(axis=0, keepdims=True), "mu")
    var = ac.tag(((Z - mu) ** 2).mean(axis=0, keepdims=True), "var")
    return G * (Z - mu) / np.sqrt(var + eps) + B


@pytest.fixture
def bn():
    Z = ac.Tensor(np.arange(6.0).reshape(2, 3) ** 2, requires_grad=True, name="Z")
    return batch_norm(Z, leaf(1, 3, name="G"), leaf(1, 3, name="B"))


def parse(drawing):
    """The drawing's SVG as XML, with each vertex's texts and tooltip by its key."""
    root = ElementTree.fromstring(drawing.svg)
    vertices, tooltips = {}, {}
    for group in root.iter(f"{SVG}g"):
        if group.get("class") == "node":
            key = group.find(f"{SVG}title").text
            vertices[key] = [text.text or "" for text in group.iter(f"{SVG}text")]
            tooltips[key] = next((a.get(f"{XLINK}title") for a in group.iter(f"{SVG}a")), "")
    return root, vertices, tooltips


def texts(drawing):
    return list(parse(drawing)[1].values())


def edges(drawing):
    return re.findall(r"^\s*(\w+) -> (\w+)", drawing.source, re.MULTILINE)


class TestWhatIsDrawn:
    def test_batch_norm_has_the_steps_of_its_five_lines(self, bn):
        drawn = texts(draw(bn))
        assert ["Z", "(2, 3) float64"] in drawn
        assert ["G", "(1, 3) float64"] in drawn
        assert ["mu", "mean", "(1, 3)", "axis=0, keepdims"] in drawn
        assert ["var", "mean", "(1, 3)", "axis=0, keepdims"] in drawn
        assert ["1e-05"] in drawn
        symbols = sorted(s for t in drawn for s in t[:2] if s in ("+", "−", "×", "÷", "√", "( )²"))
        assert symbols == sorted(["−", "( )²", "+", "√", "−", "×", "÷", "+"])
        assert len(drawn) == 3 + 10 + 1

    def test_eighteen_doublings_are_nineteen_vertices(self):
        x = leaf(name="x")
        y = x
        for _ in range(18):
            y = y + y
        drawing = draw(y)
        assert len(parse(drawing)[1]) == 19
        assert drawing.svg.count('class="node"') == 19
        assert len(edges(drawing)) == 36

    def test_every_edge_runs_from_operand_to_operation(self):
        x, y = leaf(2, name="x"), leaf(2, name="y")
        drawing = draw(x - y)
        _, vertices, _ = parse(drawing)
        named = {key: lines[0] for key, lines in vertices.items()}
        assert [(named[a], named[b]) for a, b in edges(drawing)] == [("x", "−"), ("y", "−")]

    def test_order_of_operands_is_marked_where_it_matters(self):
        x, y = leaf(2), leaf(2)
        assert 'headlabel="2"' in draw(x - y).source
        assert "headlabel" not in draw(x * y).source

    def test_names_fall_back_and_avoid_those_in_use(self):
        x, y, z = leaf(2), leaf(2, name="x1"), leaf(2)
        drawn = texts(draw(x * y + z * np.ones(2)))
        assert [t[0] for t in drawn if t[-1].endswith("float64")] == ["x", "x1", "z", "c1"]
        drawn = texts(draw(leaf(2) * y + leaf(2) * np.ones(2)))
        assert [t[0] for t in drawn if t[-1].endswith("float64")] == ["x2", "x1", "x3", "c1"]

    def test_variables_and_constants_look_different(self):
        x, c = leaf(2, name="x"), leaf(2, name="c", requires_grad=False)
        lines = draw(x * c).source.splitlines()
        variable = next(line for line in lines if "<b>x</b>" in line)
        constant = next(line for line in lines if "<b>c</b>" in line)
        assert "dashed" in constant and "dashed" not in variable
        fills = [re.search(r'fillcolor="(#\w+)"', line)[1] for line in (variable, constant)]
        assert fills[0] != fills[1]

    def test_a_named_constant_is_drawn_once(self):
        x, c = leaf(2), leaf(2, name="data", requires_grad=False)
        drawn = texts(draw((x + c) * c))
        assert [t[0] for t in drawn].count("data") == 1

    def test_numbers_are_drawn_at_each_use(self):
        x = leaf(2)
        assert texts(draw(x * 0.5 + 0.5)).count(["0.5"]) == 2

    def test_exponent_and_index_are_part_of_the_symbol(self):
        x = leaf(2, 3)
        symbols = [t[0] for t in texts(draw((x**3)[0, 1:]))]
        assert "( )³" in symbols
        assert "[0, 1:]" in symbols

    def test_static_arguments_stand_in_the_order_of_the_signature(self):
        x = leaf(2, 3)
        sources = [draw(y).source for y in (x.sum(axis=0, keepdims=True), x.sum(keepdims=True, axis=0))]
        assert sources[0] == sources[1]

    def test_outputs_have_a_double_rim(self):
        x = leaf(2)
        y = x * 2.0
        z = np.tanh(y)
        assert draw(z).source.count("peripheries") == 1
        assert draw([y, z]).source.count("peripheries") == 2
        assert draw((y, y)).source.count("peripheries") == 1

    def test_a_named_output_shows_its_name(self):
        y = leaf(2) * 2.0
        y.name = "loss"
        assert "loss" in [t[0] for t in texts(draw(y))]

    def test_a_leaf_alone(self):
        assert texts(draw(leaf(2, name="W"))) == [["W", "(2,) float64"]]
        assert texts(draw(leaf(2, requires_grad=False))) == [["x1", "(2,) float64"]]

    def test_a_tag_that_is_read_beside_what_it_names_is_a_step(self):
        x = leaf(2)
        y = x * 2.0
        z = ac.tag(y, "z") + y
        assert ["z", "=", "(2,)"] in texts(draw(z))

    def test_several_outputs_of_one_operation(self):
        a, b = np.split(leaf(4, name="x"), 2)
        symbols = [t[0] for t in texts(draw(a * b))]
        assert {"split", "[0]", "[1]"} <= set(symbols)

    def test_operands_of_a_sequence_are_numbered(self):
        drawing = draw(np.concatenate([leaf(2), leaf(3)]))
        assert 'headlabel="1"' in drawing.source and 'headlabel="2"' in drawing.source

    def test_the_legend_explains_what_occurs_and_is_no_vertex(self, bn):
        root, vertices, _ = parse(draw(bn))
        legend = [t.text for t in root.iter(f"{SVG}text")]
        assert {"operation", "named operation", "output"} <= set(legend)
        assert "constant" not in legend
        assert not any("output" in lines for lines in vertices.values())

    @pytest.mark.parametrize("rankdir", ["LR", "TB", "RL", "BT"])
    def test_direction(self, bn, rankdir):
        assert f"rankdir={rankdir}" in draw(bn, rankdir=rankdir).source


class TestValuesAndGradients:
    def lines(self, drawing, title):
        found = [t for t in texts(drawing) if t[0] == title]
        assert len(found) == 1
        return [line.replace("\u00a0", " ") for line in found[0][1:]]

    def test_neither_unless_asked(self, bn):
        bn.sum().backward()
        assert "value" not in draw(bn).source.replace("values", "")
        assert "grad\u00a0" not in draw(bn).source

    def test_small_arrays_in_full_row_by_row(self):
        x = ac.Tensor([[1.0, -2.5], [0.125, 3.0]], requires_grad=True, name="x")
        lines = self.lines(draw(x * 2.0, values=True), "x")
        assert lines[1:] == ["value [    1,  -2.5]", "      [0.125,     3]"]

    def test_large_arrays_by_mean_and_deviation(self):
        x = ac.Tensor(np.arange(101.0), requires_grad=True, name="x")
        lines = self.lines(draw(x * 2.0, values=True), "x")
        assert [line.rstrip() for line in lines[1:]] == ["value 50 ± 29.2", "      0 ▇▇▇▇▇▇▇▇▇▇▇▇ 100"]

    def test_values_that_a_rule_keeps_are_shown_until_they_are_freed(self):
        x = ac.Tensor([0.0, 1.0], requires_grad=True, name="x")
        y = np.tanh(x)
        z = y * 3.0
        assert self.lines(draw(z, values=True), "tanh")[1] == "value [0, 0.7616]"
        z.sum().backward()
        assert self.lines(draw(z, values=True), "tanh") == ["(2,)"]
        assert self.lines(draw(z, values=True), "z")[2] == "value [0, 2.285]"

    def test_recorded_values_and_source_lines(self):
        x = ac.Tensor([1.0, 2.0], requires_grad=True, name="x")
        with ac.keep_values():
            y = (x + 1.0) * 2.0
        y.sum().backward()
        drawing = draw(y.sum(), values=True)
        assert self.lines(drawing, "+")[1] == "value [2, 3]"
        tooltip = next(t for t in parse(drawing)[2].values() if t.startswith("add"))
        assert "test_draw.py:" in tooltip

    def test_the_value_of_a_tagged_operation(self):
        x = ac.Tensor([1.0, 3.0], requires_grad=True, name="x")
        with ac.keep_values():
            mu = ac.tag(x.mean(), "mu")
        assert self.lines(draw(x - mu, values=True), "mu")[-1] == "value 2"

    def test_gradients_of_leaves_and_of_retaining_tensors(self):
        x = ac.Tensor([1.0, 2.0], requires_grad=True, name="x")
        y = x * 3.0
        y.retain_grad()
        (y * y).sum().backward()
        drawing = draw(y, grads=True)
        assert self.lines(drawing, "x")[1] == "grad [18, 36]"
        assert self.lines(drawing, "y")[2] == "grad [6, 12]"


class TestModules:
    """Module scopes set by hand, as `nn.Module` does on entering a module."""

    @pytest.fixture
    def net(self):
        class Parameter(ac.Tensor):
            __slots__ = ()

        W = Parameter(np.ones((2, 3)), requires_grad=True, name="net.0.weight")
        x = leaf(4, 2, name="x", requires_grad=False)
        h = x @ W
        h._node.scope = "net.0"
        y = np.tanh(h)
        y._node.scope = "net.1"
        loss = y.sum()
        return loss

    def clusters(self, drawing):
        """Each module's frame: label and the tooltip with its path."""
        root = parse(drawing)[0]
        groups = [g for g in root.iter(f"{SVG}g") if g.get("class") == "cluster"]
        return [next(t.text for t in g.iter(f"{SVG}text")) for g in groups]

    def nesting(self, drawing):
        """The vertices in each frame, read off the DOT text."""
        inside, stack = {}, []
        for line in drawing.source.splitlines():
            if line.strip().startswith("subgraph"):
                stack.append(line.split()[1])
            elif line.strip() == "}" and stack:
                stack.pop()
            elif found := re.match(r"\s*([vnk]\d+) \[label=", line):
                inside[found[1]] = tuple(stack)
        return inside

    def test_modules_are_nested_frames(self, net):
        drawing = draw(net)
        assert self.clusters(drawing) == ["net", "net.0", "net.1"]
        depth = {key: len(path) for key, path in self.nesting(drawing).items()}
        _, vertices, _ = parse(drawing)
        named = {vertices[key][0]: d for key, d in depth.items()}
        assert named == {"x": 0, "weight": 2, "@": 2, "tanh": 2, "net": 0}

    def test_a_parameter_is_known_by_its_module_path(self, net):
        assert any(t.startswith("net.0.weight\n") for t in parse(draw(net))[2].values())
        W = next(p for p in net._node.parents[0].parents[0].parents if isinstance(p, ac.Tensor))
        W.name = "weight"
        assert any(t.startswith("net.0.weight\n") for t in parse(draw(net))[2].values())

    def test_a_parameter_shared_by_modules_stands_in_what_surrounds_them(self, net):
        W = next(p for p in net._node.parents[0].parents[0].parents if isinstance(p, ac.Tensor))
        again = W * 2.0
        again._node.scope = "net.1"
        drawing = draw([net, again])
        _, vertices, _ = parse(drawing)
        named = {vertices[k][0]: len(path) for k, path in self.nesting(drawing).items()}
        assert named["0.weight"] == 1

    def test_the_scope_is_in_the_tooltip(self, net):
        tooltips = parse(draw(net))[2].values()
        assert any(t.startswith("tanh") and "module net.1" in t for t in tooltips)

    def test_a_network_of_modules(self):
        net = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Sequential(nn.Linear(2, 1)))
        drawing = draw(net(leaf(4, 3, name="x", requires_grad=False)))
        assert self.clusters(drawing) == ["0: Linear", "1: Tanh", "2: Sequential", "2.0: Linear"]
        names = [t.splitlines()[0] for t in parse(drawing)[2].values()]
        assert {"0.weight", "0.bias", "2.0.weight", "2.0.bias", "x"} <= set(names)

    def test_modules_that_follow_each_other_stand_in_a_row(self):
        net = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 2), nn.Tanh())
        root = parse(draw(net(leaf(4, 3, name="x", requires_grad=False))))[0]
        reaches = []
        for group in root.iter(f"{SVG}g"):
            if group.get("class") == "cluster":
                outline = next(group.iter(f"{SVG}path")).get("d")
                xs = [float(x) for x in re.findall(r"(-?[\d.]+),", outline)]
                reaches.append((min(xs), max(xs)))
        assert len(reaches) == 4
        assert all(left[1] < right[0] for left, right in itertools.pairwise(reaches))

    def test_a_thousand_nested_modules(self):
        y = leaf(2) * 2.0
        y._node.scope = ".".join("m" * 1000)
        assert draw(y).source.count("subgraph") == 1000


class TestLabels:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (2, "2"),
            (True, "True"),
            (1e-5, "1e-05"),
            (0.1 + 0.2, "0.3"),
            (float("nan"), "nan"),
            (10**400, "1.00000e+400"),
            (1 + 2j, "1+2j"),
            (np.float32(0.5), "0.5"),
        ],
    )
    def test_numbers(self, value, text):
        assert number(value) == text

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (0, "0"),
            ((slice(None), 0), ":, 0"),
            ((..., slice(1, None, 2)), "…, 1::2"),
            (np.arange(5), "int64(5,)"),
            ((None, [1, 2]), "None, [1, 2]"),
            ((0,) * 100, "0, 0, 0, 0, 0, 0, 0, 0"),
        ],
    )
    def test_indices(self, value, text):
        assert index(value) == text

    def test_static_arguments(self):
        arguments = {
            "axis": (0, 1),
            "keepdims": True,
            "dtype": None,
            "where": np._NoValue,
            "ddof": 0,
            "mode": "ij->i",
            "kernel": np.ones((3, 3)),
            "fn": np.tanh,
            "what": object(),
        }
        text = statics(arguments, {"ddof": 0})
        assert text == "axis=(0, 1), keepdims, mode=ij→i, kernel=float64(3, 3), fn=…"
        assert len(text) == 60

    @pytest.mark.parametrize(
        ("value", "lines"),
        [
            (np.array(2.5), ["2.5"]),
            (np.array([-0.0, 1]), ["[0, 1]"]),
            (np.array([[1, 20], [300, 4]]), ["[  1,  20]", "[300,   4]"]),
            (np.array([True, False]), ["[T, F]"]),
            (np.ones((2, 1, 2)), ["[1, 1]", "[1, 1]"]),
            (np.ones((0, 3)), ["empty"]),
            (np.arange(8), ["[0, 1, 2, 3, 4, 5,", " 6, 7]"]),
            (np.arange(9, 16), ["[ 9, 10, 11, 12, 13, 14,", " 15]"]),
            (np.arange(16), ["[ 0,  1,  2,  3,  4,  5,", "  6,  7,  8,  9, 10, 11,", " 12, 13, 14, 15]"]),
            (np.arange(17), ["8 ± 4.9", "0 ▇▄▄▇▄▄▇▄▄▇▄▇ 16"]),
            (np.tile([True, False], 10), ["0.5 true"]),
            (np.tile([1.0, -1.0, 1e-17], 10), ["0 ± 0.816", "-1 ▇     ▇    ▇ 1"]),
            (np.r_[np.ones(19), np.nan], ["all 1", "1 NaN of 20"]),
            (
                np.r_[np.zeros(20), -np.inf, np.nan, np.nan, 9],
                ["0.4286 ± 1.92", "2 NaN, 1 -inf of 24", "0 ▇          ▁ 9"],
            ),
            (np.r_[np.full(9, 1e308), np.full(9, -1e308)], ["0 ± 1e+308", "-1e+308 ▇          ▇ 1e+308"]),
            (np.full(20, np.inf), ["no finite element", "20 inf of 20"]),
            (np.full(20, 1 + 1j), ["all 1+1j"]),
            (np.arange(20) * 1j, ["0+9.5j ± 5.77"]),
            (np.array(["a"]), ["<U1"]),
        ],
    )
    def test_arrays(self, value, lines):
        assert array(value) == lines

    def test_writing_needs_text_only(self):
        picture = Picture([Vertex("n1", "operation", symbol="+")])
        source = write(picture, arrange(picture), "LR")
        assert source.count("n1") == 1
