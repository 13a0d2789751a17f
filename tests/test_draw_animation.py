"""Step-through pictures: the order of the steps, what each frame shows, and the file."""

import gc
import re
import weakref
from xml.etree import ElementTree

import numpy as np
import pytest

import autograd_core as ac
from autograd_core.drawing import Drawing, draw
from autograd_core.drawing.picture import Edge, Picture, Vertex
from autograd_core.drawing.scalar_level import scalar_level
from autograd_core.drawing.steps import steps
from autograd_core.errors import ArgumentError
from test_draw import SVG
from test_draw_scalar import batch_norm, composition, leaf, neuron
from test_drawing import HOSTILE


def styles(frame):
    """By key of a vertex, or "tail->head" of an arrow: its rules in this frame, by what follows the id."""
    root = ElementTree.fromstring(frame)
    keys = {}
    for group in root.iter(f"{SVG}g"):
        if group.get("class") in ("node", "edge"):
            keys[group.get("id")] = group.find(f"{SVG}title").text
    found = {}
    for name, rest, text in re.findall(r"#([\w-]+)([^{]*)\{([^}]*)\}", root.find(f"{SVG}style").text or ""):
        if name in keys:
            found.setdefault(keys[name], {})[rest.strip()] = text
    return found


def caption(frame):
    root = ElementTree.fromstring(frame)
    shown = re.findall(r"#([\w-]+-caption\d+)\{opacity:1\}", root.find(f"{SVG}style").text or "")
    return next((t.text for t in root.iter(f"{SVG}text") if t.get("id") in shown), "")


def hidden(frame, colour):
    """Keys of the vertices whose texts of this colour are not shown."""
    rest = f'text[fill="{colour}"]'
    return {key for key, rules in styles(frame).items() if rules.get(rest) == "opacity:0"}


def strokes(frame, colour):
    """Keys of the vertices with a rim of this colour."""
    rims = {key: rule for key, rules in styles(frame).items() for rest, rule in rules.items() if rest.startswith(":is")}
    return {key for key, rule in rims.items() if re.match(f"stroke:{colour};stroke-width:(4.5|3)px", rule)}


FORWARD, BACK, VALUE, GRADIENT = "#d55e00", "#a8447f", "#00573f", "#a03b00"


class TestSteps:
    def test_forward_in_the_order_of_recording_then_back(self):
        _, h = composition()
        assert [step.title for step in steps(scalar_level([h]))] == [
            "forward 1/3: + → f",
            "forward 2/3: × → g",
            "forward 3/3: sin → h",
            "backward: the output's gradient with respect to itself is 1",
            "backward 1/3: sin → h, gradient for g",
            "backward 2/3: × → g, gradient for f",
            "backward 3/3: + → f, gradient for x",
        ]

    def test_gradients_do_not_flow_to_constants(self):
        _, L = neuron()
        picture = scalar_level([L])
        constants = {v.key for v in picture.vertices if v.kind in ("constant", "number")}
        for step in steps(picture):
            assert not (step.back and step.tails & constants)
            assert not (step.back and any(picture.edges[i].tail in constants for i in step.edges))
        assert any(step.tails & constants for step in steps(picture))

    def test_a_gradient_is_complete_when_its_last_reader_has_contributed(self):
        _, L = batch_norm()
        picture = scalar_level([L])
        readers = {}
        for i, edge in enumerate(picture.edges):
            readers.setdefault(edge.tail, set()).add(i)
        flowed = set()
        complete = set()
        for step in steps(picture):
            if step.back:
                flowed |= step.edges
                for key in step.complete:
                    assert readers.get(key, set()) <= flowed
                assert not step.complete & complete - {v.key for v in picture.vertices if v.output}
                complete |= step.complete
        assert complete >= {v.key for v in picture.vertices if any(kind == "grad" for kind, _ in v.cells)}

    def test_the_backward_graph_runs_one_way(self):
        _, h = composition()
        titles = [step.title for step in steps(draw(h, level="backward")._picture)]
        assert titles[0] == "backward 1/6: g · cos(g)"
        assert titles[-1] == "backward 6/6: ∂h/∂x"
        assert all(step.back for step in steps(draw(h, level="backward")._picture))

    def test_elements_go_by_the_name_of_their_array(self):
        titles = [step.title for step in steps(scalar_level([batch_norm()[1]]))]
        assert "forward 1/12: mean → mu" in titles
        assert "backward 12/12: mean → mu, gradient for Z" in titles
        assert "forward 3/12: ( )²" in titles

    def test_arrows_between_repetitions_are_no_step(self):
        picture = Picture(
            [Vertex("v1", "variable", "x"), Vertex("n1", "operation", symbol="+")],
            [Edge("v1", "n1"), Edge("n1", "n1", back=True)],
        )
        forward, start, back = steps(picture)
        assert forward.edges == back.edges == {0}
        assert not start.edges

    def test_a_picture_without_operations_has_one_step(self):
        assert [step.title for step in steps(scalar_level([leaf(1, "x")]))] == [
            "backward: the output's gradient with respect to itself is 1"
        ]


class TestFrames:
    def test_what_is_computed_and_what_it_reads_stand_out(self):
        _, h = composition()
        frames = draw(h, level="scalar").frames()
        assert len(frames) == 1 + 3 + 1 + 3 + 1
        assert strokes(frames[0], FORWARD) == set()
        assert strokes(frames[2], FORWARD) == {"n1_0", "n2_0o", "n2_0"}
        assert strokes(frames[5], BACK) == {"n2_0", "n3_0o", "n3_0"}
        assert caption(frames[2]) == "forward 2/3: × → g"
        assert caption(frames[0]) == caption(frames[-1]) == ""

    def test_values_appear_as_they_are_computed_and_gradients_after_them(self):
        _, h = composition()
        frames = draw(h, level="scalar").frames()
        results = ["n1_0", "n2_0", "n3_0"]
        grads = {"v1_0", *results}
        for place in range(4):
            assert hidden(frames[place], VALUE) == set(results[place:])
            assert hidden(frames[place], GRADIENT) == grads
        assert [hidden(frame, GRADIENT) for frame in frames[4:]] == [
            {"v1_0", "n1_0", "n2_0"},
            {"v1_0", "n1_0"},
            {"v1_0"},
            set(),
            set(),
        ]

    def test_gradients_flow_against_the_arrows(self):
        _, h = composition()
        frame = draw(h, level="scalar").frames()[5]
        root = ElementTree.fromstring(frame)
        shown = re.findall(r"#([\w-]+-flow\d+)\{opacity:1\}", root.find(f"{SVG}style").text)
        flows = {p.get("id"): p for p in root.iter(f"{SVG}path") if "flow" in (p.get("id") or "")}
        lines = {
            group.find(f".//{SVG}path").get("d"): group.find(f"{SVG}title").text
            for group in root.iter(f"{SVG}g")
            if group.get("class") == "edge"
        }
        assert {lines[flows[name].get("d")] for name in shown} == {"n2_0->n3_0o", "n3_0o->n3_0"}
        assert all("marker-start" in flows[name].attrib for name in shown)

    def test_the_last_frame_is_the_whole_picture(self):
        _, L = batch_norm()
        drawing = draw(L, level="scalar")
        last = drawing.frames()[-1]
        assert "opacity:0" not in last.split("</style>")[0].replace(":opacity:0", "").split("flow")[0]
        texts = [t.text for t in ElementTree.fromstring(drawing.svg).iter(f"{SVG}text")]
        assert [
            t.text for t in ElementTree.fromstring(last).iter(f"{SVG}text") if "caption" not in t.get("id", "")
        ] == texts

    @pytest.mark.parametrize("level", ["tensor", "scalar", "backward"])
    def test_each_is_xml_and_no_two_share_an_id(self, level):
        _, L = neuron()
        frames = draw(L, level=level).frames()
        ids = [[e.get("id") for e in ElementTree.fromstring(frame).iter() if e.get("id")] for frame in frames]
        assert all(len(set(own)) == len(own) for own in ids)
        assert len({name for own in ids for name in own}) == sum(map(len, ids))

    def test_two_arrows_between_the_same_vertices(self):
        x = leaf(3, "x")
        frames = draw(ac.tag(x * x, "y"), level="scalar").frames()
        root = ElementTree.fromstring(frames[3])
        flows = [p.get("d") for p in root.iter(f"{SVG}path") if "flow" in (p.get("id") or "")]
        assert len(flows) == len(set(flows)) == 3


class TestFile:
    def test_it_is_one_svg_that_moves_by_style_alone(self, tmp_path):
        _, L = batch_norm()
        path = draw(L, level="scalar").animate(tmp_path / "steps.svg", seconds=2)
        assert path == tmp_path / "steps.svg"
        text = path.read_text(encoding="utf-8")
        root = ElementTree.fromstring(text)
        assert root.tag == f"{SVG}svg"
        assert not any(element.tag.endswith("script") for element in root.iter())
        assert "http" not in text.replace("http://www.w3.org/", "")
        assert text.count("@media (prefers-reduced-motion:no-preference)") == 1
        css = root.find(f"{SVG}style").text.strip()
        assert css.startswith("@media (prefers-reduced-motion:no-preference){") and css.endswith("}")
        assert css.count("{") == css.count("}")
        frames = len(draw(L, level="scalar").frames())
        assert f" {2 * frames}s step-end infinite" in css

    def test_the_keyframes_are_the_frames(self, tmp_path):
        _, h = composition()
        drawing = draw(h, level="scalar")
        count = len(drawing.frames())
        css = ElementTree.parse(drawing.animate(tmp_path / "a.svg")).getroot().find(f"{SVG}style").text
        moments = {float(m) for m in re.findall(r"([\d.]+)%\{", css)}
        assert moments <= {float(f"{100 * i / count:.5g}") for i in range(count)}
        for keyframes in re.findall(r"@keyframes [\w-]+\{((?:[\d.]+%\{[^}]*\})+)\}", css):
            blocks = re.findall(r"[\d.]+%\{([^}]*)\}", keyframes)
            names = [tuple(re.findall(r"([a-z-]+):", block)) for block in blocks]
            assert len(set(names)) == 1  # a property that one block leaves out would be carried over
            assert keyframes.startswith("0%")

    def test_played_once_it_ends_with_the_whole_picture(self, tmp_path):
        _, h = composition()
        text = draw(h).animate(tmp_path / "a.svg", loop=False).read_text(encoding="utf-8")
        assert " step-end 1 forwards" in text and " step-end infinite" not in text

    def test_two_in_one_page_do_not_clash(self, tmp_path):
        (_, one), (_, two) = composition(), neuron()
        texts = [draw(t).animate(tmp_path / "a.svg").read_text(encoding="utf-8") for t in (one, two)]
        ids = [set(re.findall(r'\bid="([^"]*)"', text)) for text in texts]
        names = [set(re.findall(r"@keyframes ([\w-]+)", text)) for text in texts]
        assert ids[0] and not ids[0] & ids[1]
        assert names[0] and not names[0] & names[1]

    def test_the_same_program_gives_the_same_bytes(self, tmp_path):
        one, two = (draw(batch_norm()[1], level="scalar").animate(tmp_path / f"{i}.svg").read_bytes() for i in range(2))
        assert one == two

    @pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
    @pytest.mark.parametrize("level", ["tensor", "scalar", "backward"])
    def test_names_are_text(self, name, level, tmp_path):
        y = leaf(1, name) * leaf(2, name)
        y.name = name
        path = draw(y, level=level).animate(tmp_path / "a.svg")
        root = ElementTree.parse(path).getroot()
        tags = {element.tag.removeprefix(SVG) for element in root.iter()}
        inside = {"svg", "g", "title", "text", "polygon", "path", "ellipse", "a", "polyline"}
        assert tags <= inside | {"style", "rect", "defs", "marker"}
        assert not any(key.lower().startswith("on") for element in root.iter() for key in element.attrib)
        assert sum(element.tag == f"{SVG}style" for element in root.iter()) == 1
        assert not any(len(name) > 8 and name in (root.find(f"{SVG}style").text or "") for _ in [0])

    def test_it_is_written_whole_or_not_at_all(self, tmp_path, monkeypatch):
        path = tmp_path / "a.svg"
        path.write_text("before")

        def fail(*_):
            raise OSError("no space left")

        monkeypatch.setattr("autograd_core.drawing.drawing.os.replace", fail)
        with pytest.raises(OSError, match="no space left"):
            draw(composition()[1]).animate(path)
        assert path.read_text() == "before"
        assert [p.name for p in tmp_path.iterdir()] == ["a.svg"]

    def test_a_drawing_with_steps_keeps_no_graph_alive(self, tmp_path):
        x = leaf([1, 2])
        y = np.tanh(x * 2.0)
        node, array = weakref.ref(y._node), weakref.ref(x.data)
        gc.disable()
        try:
            drawing = draw(y, level="scalar")
            drawing.animate(tmp_path / "a.svg")
            del x, y
            assert node() is None
            assert array() is None
            assert len(drawing.frames()) == 7
        finally:
            gc.enable()


class TestRefusals:
    @pytest.mark.parametrize("suffix", ["", ".gif", ".png"])
    def test_another_suffix(self, suffix, tmp_path):
        message = (
            rf"animate: the file name must end in \.svg, got 'a{suffix}'; only SVG is animated, \.frames\(\) .* "
            r"in: animate, called at test_draw_animation\.py:\d+"
        )
        with pytest.raises(ArgumentError, match=message):
            draw(composition()[1]).animate(tmp_path / f"a{suffix}")
        assert not list(tmp_path.iterdir())

    def test_missing_folder(self, tmp_path):
        with pytest.raises(ArgumentError, match=r"animate: the folder must exist, got .*; create it"):
            draw(composition()[1]).animate(tmp_path / "none" / "a.svg")

    @pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), "1", None])
    def test_seconds(self, seconds, tmp_path):
        message = r"animate: seconds must be a positive number of seconds per frame, got .*; 1\.5 is the default"
        with pytest.raises(ArgumentError, match=message):
            draw(composition()[1]).animate(tmp_path / "a.svg", seconds=seconds)

    def test_a_drawing_without_steps(self, tmp_path):
        drawing = Drawing("digraph { a -> b }", 2)
        with pytest.raises(ArgumentError, match=r"animate: the drawing must be of a computation, .* got one without"):
            drawing.animate(tmp_path / "a.svg")
        with pytest.raises(ArgumentError, match=r"frames: the drawing must be of a computation, .*; use a result of"):
            drawing.frames()
