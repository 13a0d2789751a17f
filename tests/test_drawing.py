"""Pictures of the graph: hostile text, no trace left behind, files, and what can go wrong."""

import gc
import sys
import tracemalloc
import weakref
from xml.etree import ElementTree

import numpy as np
import pytest

import autograd_core as ac
from autograd_core.drawing import Drawing, LevelError, RenderError, draw, rendering
from autograd_core.errors import ArgumentError, AutogradError
from test_draw import SVG, edges, leaf, parse

HOSTILE = [
    'a"b',
    "</text><script>alert(1)</script>",
    '"]; evil [label="x',
    "<b>bold</b>",
    "<table>",
    "&lt;i&gt; &amp;",
    "back\\slash \\N \\G \\L \\n \\l",
    "ends in \\",
    '\\"',
    "line\nbreak\r\n\ttab",
    "nul \x00 bell \x07 escape \x1b",
    "lone \ud800 surrogate",
    "not a character \ufffe \uffff",
    "right \u202e to left",
    "]]> --> <!-- <![CDATA[",
    "σ̂² 变量 🙂",
    "{}|<port>",
    "%s %d {0}",
    "",
    "digraph",
]


@pytest.fixture
def bn():
    """Batch norm in five lines: 14 vertices."""
    Z, G, B = leaf(2, 3, name="Z"), leaf(1, 3, name="G"), leaf(1, 3, name="B")
    mu = ac.tag(Z.mean(axis=0, keepdims=True), "mu")
    var = ac.tag(((Z - mu) ** 2).mean(axis=0, keepdims=True), "var")
    return G * (Z - mu) / np.sqrt(var + 1e-5) + B


class TestHostileText:
    """Names from outside reach DOT, SVG and HTML as text, whatever is in them."""

    @pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
    def test_names_are_text(self, name):
        x = leaf(2, name=name)
        y = x * 2.0
        y.name = name
        y._node.scope = f"{name}.{name}" if "." not in name else "m"
        with ac.keep_values():
            z = np.exp(y)
        z._node.extra.source = name
        drawing = draw(z)
        root, vertices, _ = parse(drawing)
        assert len(vertices) == 4
        assert len(edges(drawing)) == 3
        tags = {element.tag.removeprefix(SVG) for element in root.iter()}
        assert tags <= {"svg", "g", "title", "text", "polygon", "path", "ellipse", "a", "polyline"}
        attributes = {key for element in root.iter() for key in element.attrib}
        assert not any(key.lower().startswith("on") or key.endswith("href") for key in attributes)

    @pytest.mark.parametrize("name", ['a"b', "<b>&amp;</b>", "\\N \\G", "ends in \\", "σ̂² 变量 🙂"])
    def test_names_arrive_as_they_are(self, name):
        _, vertices, tooltips = parse(draw(leaf(2, name=name)))
        assert vertices["v1"][0] == name
        assert tooltips["v1"].splitlines()[0] == name

    def test_what_cannot_be_printed_is_spelt_out(self):
        _, vertices, _ = parse(draw(leaf(2, name="a\nb\x00c\ud800d\u202ee")))
        assert vertices["v1"][0] == r"a\nb\x00c\ud800d\u202ee"

    def test_long_names_are_cut_in_the_picture_and_in_the_tooltip(self):
        _, vertices, tooltips = parse(draw(leaf(2, name="n" * 10_000)))
        assert len(vertices["v1"][0]) < 60
        assert len(tooltips["v1"]) < 600


class TestNoTrace:
    def test_the_same_program_gives_the_same_bytes(self):
        def program():
            x = ac.Tensor([1.0, 2.0], requires_grad=True)
            return np.tanh(x * ac.Tensor([3.0, 4.0])) + x[::-1]

        first, second = program(), program()
        assert first._node.number != second._node.number
        one, two = draw(first, values=True), draw(second, values=True)
        assert one.source == two.source
        assert one.svg == two.svg
        assert draw(first, values=True).source == one.source

    def test_gradients_are_the_same_after_drawing(self, bn):
        leaves = [p for n in [bn._node] for p in n.parents if isinstance(p, ac.Tensor)]
        draw(bn, values=True, grads=True)
        assert leaves[0].grad is None
        bn.sum().backward()
        np.testing.assert_array_equal(leaves[0].grad.data, np.full((1, 3), 2.0))
        draw(bn, values=True, grads=True)
        np.testing.assert_array_equal(leaves[0].grad.data, np.full((1, 3), 2.0))

    def test_a_drawing_keeps_no_graph_alive(self):
        x = leaf(4)
        y = np.tanh(x * 2.0)
        node, array_ = weakref.ref(y._node), weakref.ref(x.data)
        gc.disable()
        try:
            drawing = draw(y, values=True, grads=True)
            del x, y
            assert node() is None
            assert array_() is None
            assert "tanh" in drawing.source
        finally:
            gc.enable()

    def test_deep_graphs_need_no_recursion_and_linear_memory(self):
        sizes = []
        for n in (500, 5_000):
            x = leaf()
            y = x
            for _ in range(n):
                y = y + x
            tracemalloc.start()
            drawing = draw(y)
            sizes.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            assert len(edges(drawing)) == 2 * n
        assert sizes[1] < 15 * sizes[0]

    def test_work_grows_linearly_where_paths_multiply(self):
        calls = []
        for n in (100, 200):
            y = leaf()
            for _ in range(n):
                y = y + y  # 2^n paths
            count = [0]

            def profile(*_, count=count):
                count[0] += 1

            sys.setprofile(profile)
            try:
                draw(y)
            finally:
                sys.setprofile(None)
            calls.append(count[0])
        assert calls[1] < 2.2 * calls[0]

    def test_graphviz_is_imported_on_demand(self):
        import subprocess

        code = (
            "import sys, autograd_core; from autograd_core.drawing import draw; "
            "print([m for m in ('graphviz', 'pygraphviz') if m in sys.modules])"
        )
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert run.stdout.strip() == "[]", run.stderr


class TestDrawing:
    def test_svg_is_an_element_with_a_card_behind_it(self, bn):
        drawing = draw(bn)
        assert drawing.svg.startswith("<svg ")
        root, _, _ = parse(drawing)
        assert 'bgcolor="#ffffff"' in drawing.source
        assert root.find(f".//{SVG}polygon").get("fill") in ("#ffffff", "white")
        assert drawing._repr_svg_() == drawing.svg

    def test_every_text_has_a_colour_of_its_own(self, bn):
        assert "fontcolor" in draw(bn).source.splitlines()[2]
        root, _, _ = parse(draw(bn))
        assert all(text.get("fill") for text in root.iter(f"{SVG}text"))

    @pytest.mark.parametrize(
        ("suffix", "start"),
        [(".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF"), (".dot", b"digraph")],
    )
    def test_save(self, bn, tmp_path, suffix, start):
        path = tmp_path / f"picture{suffix.upper()}"
        assert draw(bn).save(str(path)) == path
        assert path.read_bytes().startswith(start)
        assert [p.name for p in tmp_path.iterdir()] == [path.name]
        if suffix == ".svg":
            ElementTree.parse(path)

    def test_save_is_atomic(self, bn, tmp_path, monkeypatch):
        path = tmp_path / "picture.dot"
        path.write_text("before")

        def fail(*_):
            raise OSError("no space left")

        monkeypatch.setattr("autograd_core.drawing.drawing.os.replace", fail)
        with pytest.raises(OSError, match="no space left"):
            draw(bn).save(path)
        assert path.read_text() == "before"
        assert [p.name for p in tmp_path.iterdir()] == ["picture.dot"]

    def test_repr(self, bn):
        assert repr(draw(bn)) == "<Drawing of 14 vertices: .svg, .source, .save(path)>"


class TestErrors:
    @pytest.mark.parametrize("suffix", ["", ".jpg", ".svgz"])
    def test_unknown_suffix(self, bn, tmp_path, suffix):
        message = (
            r"save: the file name must end in \.svg, \.png, \.pdf or \.dot, "
            rf"got 'picture{suffix}'; "
            r"add one of the four\. in: save, called at test_drawing\.py:\d+"
        )
        with pytest.raises(ArgumentError, match=message):
            draw(bn).save(tmp_path / f"picture{suffix}")
        assert not list(tmp_path.iterdir())

    def test_missing_folder(self, bn, tmp_path):
        with pytest.raises(ArgumentError, match=r"save: the folder must exist, got .*; create it"):
            draw(bn).save(tmp_path / "none" / "picture.dot")

    @pytest.mark.parametrize("level", ["scalar", "backward", "Tensor", None])
    def test_levels_that_are_not_available(self, bn, level):
        message = f'draw: level must be one of the available ones, "tensor", got {level!r}; .*called at'
        with pytest.raises(LevelError, match=message) as caught:
            draw(bn, level=level)
        assert isinstance(caught.value, AutogradError)
        assert isinstance(caught.value, NotImplementedError)

    @pytest.mark.parametrize("rankdir", ["lr", 'LR"; evil', None])
    def test_unknown_direction(self, bn, rankdir):
        with pytest.raises(ArgumentError, match=r'must be one of "LR", "TB", "RL", "BT", got .*'):
            draw(bn, rankdir=rankdir)

    @pytest.mark.parametrize(
        ("wrong", "came"),
        [
            (np.ones(2), "one of type ndarray"),
            ([], "an empty sequence"),
            ([1.0], "one of type float"),
        ],
    )
    def test_what_is_no_tensor(self, wrong, came):
        with pytest.raises(ArgumentError, match=rf"t must be a Tensor or .*, got {came}; draw a"):
            draw(wrong)

    def test_too_many_vertices_for_a_layout(self, tmp_path):
        y = leaf()
        for _ in range(rendering.LARGEST):
            y = -y
        drawing = draw(y)
        message = (
            r"draw: a layout takes at most 2,000 vertices and edges across 10,000 columns in all, "
            r'this picture has 2,001 and 2,000; .*\.save\("graph\.dot"\)'
        )
        with pytest.raises(RenderError, match=message):
            _ = drawing.svg
        with pytest.raises(RenderError, match=message):
            drawing.save(tmp_path / "graph.png")
        drawing.save(tmp_path / "graph.dot")
        assert [p.name for p in tmp_path.iterdir()] == ["graph.dot"]

    def test_edges_too_long_for_a_layout(self):
        x = leaf()
        y = -x
        for _ in range(150):  # each reads x, from ever further away
            y = y + x
        with pytest.raises(RenderError, match="this picture has 152 and 11,626; save the DOT text"):
            _ = draw(y).svg

    def test_without_a_renderer(self, bn, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "pygraphviz", None)
        monkeypatch.setenv("PATH", str(tmp_path))
        drawing = draw(bn)
        assert drawing.source.startswith("digraph")
        drawing.save(tmp_path / "graph.dot")
        message = r"neither the Python package pygraphviz nor .*pip install 'pygraphviz>=2\.0'"
        with pytest.raises(RenderError, match=message):
            _ = drawing.svg

    @pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
    def test_the_system_program_is_the_second_choice(self, bn, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "pygraphviz", None)
        program = tmp_path / "dot"
        program.write_text('#!/bin/sh\nprintf \'<?xml version="1.0"?><svg id="system"/>\'\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert 'id="system"' in draw(bn).svg
        program.write_text("#!/bin/sh\nexit 1\n")
        with pytest.raises(RenderError, match="draw: Graphviz must lay out the picture, it failed"):
            _ = draw(bn).svg
        program.write_text("#!/bin/sh\nprintf nonsense\n")
        with pytest.raises(RenderError, match="Graphviz must return SVG, it returned b'nonsense'"):
            _ = draw(bn).svg

    def test_a_text_that_is_not_dot(self):
        with pytest.raises(RenderError, match="Graphviz must lay out the picture, it failed"):
            _ = Drawing("digraph { a -> ", 1).svg
