"""Pictures of the graph: modules with their classes, and modules folded to one box."""

import numpy as np
import pytest

import autograd_core as ac
import nn
from autograd_core.context import Scope
from autograd_core.drawing import draw
from autograd_core.errors import ArgumentError
from test_draw import edges, leaf, parse


class Residual(nn.Module):
    def __init__(self, n):
        self.body = nn.Sequential(nn.Linear(n, n, dtype=np.float64), nn.Tanh())

    def forward(self, x):
        return x + self.body(x)


@pytest.fixture
def net():
    return nn.Sequential(nn.Linear(3, 4, dtype=np.float64), Residual(4), nn.Tanh())


def boxes(drawing):
    """Path, class, results and contents of each folded module."""
    _, vertices, _ = parse(drawing)
    return [vertices[key] for key in vertices if key.startswith("m")]


def named(drawing):
    """The edges, by the first line of their ends."""
    _, vertices, _ = parse(drawing)
    return {(vertices[a][0], vertices[b][0]) for a, b in edges(drawing)}


class TestClasses:
    def test_a_node_knows_the_classes_of_its_modules(self, net):
        node = net(leaf(2, 3))._node.parents[0]
        scope = node.scope
        assert isinstance(scope, Scope) and scope == "1"
        assert (scope.kind, scope.outer, scope.owner) == ("Residual", "", id(net[1]))
        inner = next(parent for parent in node.parents if parent.scope == "1.body.1").scope
        assert [inner.kind, inner.outer.kind, inner.outer.outer.kind] == ["Tanh", "Sequential", "Residual"]

    def test_frames_show_them(self, net):
        source = draw(net(leaf(2, 3))).source
        for title in ("0: Linear", "1: Residual", "1.body: Sequential", "1.body.0: Linear", "2: Tanh"):
            assert f">{title}</font>" in source

    def test_the_tooltip_of_an_operation(self, net):
        assert any("module 1.body.1 (Tanh)" in t for t in parse(draw(net(leaf(2, 3))))[2].values())

    def test_two_networks_with_the_same_paths_have_frames_of_their_own(self):
        one, two = (nn.Sequential(nn.Linear(3, 3), nn.Tanh()) for _ in range(2))
        source = draw(two(one(leaf(2, 3)))).source
        assert source.count("subgraph") == 4
        assert source.count(">0: Linear<") == 2
        drawing = draw(two(one(leaf(2, 3))), fold=0)
        assert [box[0] for box in boxes(drawing)] == ["0", "1", "0", "1"]

    def test_a_list_of_modules_is_no_module(self):
        class Net(nn.Module):
            def __init__(self):
                self.layers = nn.ModuleList([nn.Tanh(), nn.ReLU()])

            def forward(self, x):
                return self.layers[1](self.layers[0](x))

        drawing = draw(Net()(leaf(2)), fold=0)
        assert [box[:2] for box in boxes(drawing)] == [["layers.0", "Tanh"], ["layers.1", "ReLU"]]


class TestFolding:
    def test_the_outermost_modules(self, net):
        drawing = draw(net(leaf(2, 3, name="x")), fold=0)
        assert sorted(boxes(drawing)) == [
            ["0", "Linear", "(2, 4) float64", "2 operations, 16 parameters"],
            ["1", "Residual", "(2, 4) float64", "4 operations, 20 parameters"],
            ["2", "Tanh", "(2, 4) float64", "1 operation"],
        ]
        assert named(drawing) == {("x", "0"), ("0", "1"), ("1", "2")}
        assert drawing.source.count("peripheries") == 1
        assert "folded module" in drawing.source and "subgraph" not in drawing.source

    def test_deeper_modules(self, net):
        drawing = draw(net(leaf(2, 3, name="x")), fold=1)
        assert [box[:2] for box in boxes(drawing)] == [["body", "Sequential"]]
        assert ("body", "+") in named(drawing)
        assert not boxes(draw(net(leaf(2, 3)), fold=3))
        assert draw(net(leaf(2, 3)), fold=3).source == draw(net(leaf(2, 3))).source

    @pytest.mark.parametrize("fold", ["1.body", ["1.body"], {"1.body"}, ("1.body", "1.body.0")])
    def test_by_path(self, net, fold):
        assert [box[:2] for box in boxes(draw(net(leaf(2, 3)), fold=fold))] == [["body", "Sequential"]]

    def test_a_module_called_twice_is_two_boxes_and_no_circle(self):
        layer = nn.Sequential(nn.Linear(3, 3, dtype=np.float64))
        x = leaf(2, 3, name="x")
        drawing = draw(layer(np.sin(layer(x))), fold=0)
        assert [box[-2:] for box in boxes(drawing)] == [
            ["2 operations, 12 parameters", "call 1 of 2"],
            ["2 operations, 12 parameters", "call 2 of 2"],
        ]
        assert edges(drawing) == [("v1", "m1"), ("m1", "n3"), ("n3", "m4")]

    def test_a_parameter_that_modules_share_stays_outside(self):
        class Tied(nn.Module):
            def __init__(self):
                self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)
                self.b.weight = self.a.weight

            def forward(self, x):
                return self.b(self.a(x))

        drawing = draw(Tied()(leaf(2, 3, name="x")), fold=0)
        assert named(drawing) == {("x", "a"), ("weight", "a"), ("weight", "b"), ("a", "b")}
        assert [box[-1] for box in boxes(drawing)] == ["2 operations, 3 parameters"] * 2

    def test_constants_made_inside_stay_inside_and_inputs_outside(self):
        net = nn.Sequential(nn.Linear(3, 3, dtype=np.float64), nn.Dropout(0.5))
        drawing = draw(net(leaf(2, 3, requires_grad=False)), fold=0)
        assert named(drawing) == {("c1", "0"), ("0", "1")}

    def test_operations_that_read_two_results_of_a_box(self):
        class Split(nn.Module):
            def forward(self, x):
                return np.tanh(x), np.sin(x)

        class Net(nn.Module):
            def __init__(self):
                self.split = Split()

            def forward(self, x):
                a, b = self.split(x)
                return a - b

        drawing = draw(Net()(leaf(2, name="x")), fold=0)
        assert edges(drawing) == [("v1", "m1"), ("m1", "n3"), ("m1", "n3")]
        assert 'headlabel="1"' in drawing.source and 'headlabel="2"' in drawing.source

    def test_different_results(self):
        class Split(nn.Module):
            def forward(self, x):
                return x[:1] * 2.0, x.sum()

        net = nn.Sequential(nn.Tanh())
        net.add_module("split", Split())
        a, b = net.split(leaf(2))
        assert boxes(draw([a, b], fold=0)) == [["split", "Split", "(1,) float64", "() float64", "3 operations"]]

    def test_value_and_gradient_of_a_single_result(self, net):
        x = leaf(1, 3)
        with ac.keep_values():
            y = net(x)
        y.retain_grad()
        y.sum().backward()
        drawing = draw(y, values=True, grads=True, fold=0)
        assert all("value" in " ".join(box) for box in boxes(drawing))
        assert sum("grad" in " ".join(box) for box in boxes(drawing)) == 1

    def test_scopes_without_a_class(self):
        y = np.tanh(leaf(2))
        y._node.scope = "a.b"
        assert boxes(draw(y, fold=0))[0][:2] == ["a", "module"]
        assert boxes(draw(y, fold="a.b"))[0][:2] == ["b", "module"]

    def test_a_depth_of_numpy(self, net):
        x = leaf(1, 3)
        y = net(x)
        assert draw(y, fold=np.int64(1)).source == draw(y, fold=1).source

    @pytest.mark.parametrize("wrong", [-1, True, 1.5, [1], b"0", [["0"]]])
    def test_wrong_depths(self, net, wrong):
        message = r"draw: fold must be a depth from 0 on, or the dotted path .*, got .*; fold=0 .* in: draw, called at"
        with pytest.raises(ArgumentError, match=message):
            draw(net(leaf(2, 3)), fold=wrong)

    def test_unknown_modules(self, net):
        message = (
            r"draw: fold must name modules that ran, got 'x'; there are 0, 1, 1\.body, 1\.body\.0, 1\.body\.1, 2\."
        )
        with pytest.raises(ArgumentError, match=message):
            draw(net(leaf(2, 3)), fold=["0", "x"])
        with pytest.raises(ArgumentError, match=r"got 'x'; there are none\."):
            draw(leaf(2) * 2.0, fold="x")

    def test_a_deep_network_to_the_depth_of_its_modules(self):
        y = leaf(2)
        for i in range(3_000):
            y = np.tanh(y)
            y._node.scope = f"m{i}"
        drawing = draw(y, fold=0, roll=False)
        assert len(edges(drawing)) == 3_000
