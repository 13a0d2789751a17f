"""Pictures of the graph: hostile text, no trace left behind, files, and what can go wrong."""

import _ctypes
import gc
import re
import subprocess
import sys
import threading
import tracemalloc
import weakref
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import autograd_core as ac
from autograd_core.context import Scope
from autograd_core.drawing import Drawing, LevelError, RenderError, draw, fonts, rendering
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


class Elements(HTMLParser):
    """The elements of a page as a browser's HTML parser finds them, the page's own last."""

    def __init__(self, text):
        super().__init__()
        self.found, self.own = [], []
        self.feed(text)
        self.found += self.own

    def handle_starttag(self, tag, attributes):
        (self.own if tag in ("body", "hr") else self.found).append(tag)


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

    @pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
    def test_modules_classes_and_static_arguments_are_text(self, name):
        y = leaf(2, name="x")
        outer = Scope.within("", name, self)
        outer.kind = name
        for i in range(4):
            inner = Scope.within(outer, f"{name}{i}", y)
            inner.kind = name
            y = np.tanh(y).sum(axis=0, keepdims=True)
            y.name = f"{name}{i}"
            y._node.statics = {"axis": name, name: name}
            y._node.scope = y._node.parents[0].scope = inner
        for drawing in (draw(y), draw(y, roll=True), draw(y, fold=0), draw(y, fold=1, roll=True)):
            root, _, _ = parse(drawing)
            tags = {element.tag.removeprefix(SVG) for element in root.iter()}
            assert tags <= {"svg", "g", "title", "text", "polygon", "path", "ellipse", "a", "polyline"}
            assert {key for element in root.iter() for key in element.attrib}.isdisjoint({"onload", "onclick", "href"})
            page = Elements(f"<!DOCTYPE html><body>{drawing.svg}<hr>")
            assert page.found == [*(element.tag.removeprefix(SVG) for element in root.iter()), "body", "hr"]

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

        outputs = [program(), program()]
        assert outputs[0]._node.number != outputs[1]._node.number
        one, two = draw(outputs[0], values=True), draw(outputs[1], values=True)
        assert one.source == two.source
        assert one.svg == two.svg
        assert draw(outputs[0], values=True).source == one.source

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
            drawing = draw(y, roll=False)
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

    def test_pictures_in_one_page_share_no_identifier(self, bn):
        svgs = [draw(bn).svg, draw(bn, values=True).svg, draw(bn * 2.0).svg]
        ids = [set(re.findall(r'\bid="([^"]*)"', svg)) for svg in svgs]
        assert all(len(found) > 14 for found in ids)
        assert not (ids[0] & ids[1] or ids[0] & ids[2] or ids[1] & ids[2])
        assert all(len(re.findall(r'\bid="', svg)) == len(found) for svg, found in zip(svgs, ids, strict=True))

    def test_nothing_is_printed(self):
        code = (
            "import numpy, autograd_core as ac; x = ac.tensor(numpy.ones(20), requires_grad=True, name='σ̂ 变量'); "
            "ac.draw(x * 2, values=True).svg\nfor _ in range(1200): x = -x\nac.draw(x, roll=False).svg"
        )
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert (run.returncode, run.stdout, run.stderr) == (0, "", "")

    def test_the_fonts_are_set_up_once_and_nothing_depends_on_it(self, bn, monkeypatch, tmp_path):
        expected = draw(bn).svg
        asked = []

        def bundled():
            asked.append(1)
            return [tmp_path / "none.so", Path(_ctypes.__file__)]  # no file, and a library without the functions

        monkeypatch.setattr(fonts, "_started", False)
        monkeypatch.setattr(fonts, "_bundled", bundled)
        assert [draw(bn).svg, draw(bn).svg] == [expected] * 2
        assert asked == [1]

    def test_settings_are_given_back_where_there_are_none(self):
        calls = []

        class Function:
            def __init__(self, name, answer):
                self.name, self.answer = name, answer

            def __call__(self, *args):
                calls.append((self.name, args))
                return self.answer

        class Library:
            FcConfigCreate = Function("create", 7)
            FcConfigDestroy = Function("destroy", None)
            FcConfigParseAndLoad = Function("parse", 0)
            FcConfigSetCurrent = Function("use", 1)

        fonts._load(Library)
        assert calls == [("create", ()), ("parse", (7, None, 0)), ("destroy", (7,))]
        calls.clear()
        Library.FcConfigParseAndLoad = Function("parse", 1)
        fonts._load(Library)
        assert calls == [("create", ()), ("parse", (7, None, 0)), ("use", (7,))]

    def test_threads(self, bn):
        expected, found = draw(bn).svg, []
        threads = [threading.Thread(target=lambda: found.append(draw(bn).svg)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [expected] * 8

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
            r"save: the file name must end in \.svg, \.png, \.pdf or \.dot after a name of its own, "
            rf"got 'picture{suffix}'; "
            r"add one of the four\. in: save, called at test_drawing\.py:\d+"
        )
        with pytest.raises(ArgumentError, match=message):
            draw(bn).save(tmp_path / f"picture{suffix}")
        assert not list(tmp_path.iterdir())

    def test_a_suffix_alone_and_a_folder(self, bn, tmp_path):
        with pytest.raises(ArgumentError, match=r"after a name of its own, got '\.svg'"):
            draw(bn).save(tmp_path / ".svg")
        (tmp_path / "x.svg").mkdir()
        with pytest.raises(ArgumentError, match=r"save: the path must name a file, got the folder .*; add a name"):
            draw(bn).save(tmp_path / "x.svg")

    def test_missing_folder(self, bn, tmp_path):
        with pytest.raises(ArgumentError, match=r"save: the folder must exist, got .*; create it"):
            draw(bn).save(tmp_path / "none" / "picture.dot")

    @pytest.mark.parametrize("level", ["scalars", "Tensor", None])
    def test_levels_that_are_not_available(self, bn, level):
        message = f'draw: level must be one of the available ones, "tensor", .*, got {level!r}; .*called at'
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
        drawing = draw(y, roll=False)
        message = (
            r"draw: a layout takes at most 2,000 vertices and edges across 10,000 columns in all, "
            r"this picture has 2,001 and 2,000; fold modules to boxes with draw\(\.\.\., fold=0\), .*"
            r'roll=True, .*\.save\("graph\.dot"\)'
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
        with pytest.raises(RenderError, match="this picture has 152 and 11,626; fold modules"):
            _ = draw(y, roll=False).svg

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
