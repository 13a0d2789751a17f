"""What a `Report` shows: in a terminal, in a notebook, as JSON."""

import base64
import json
import re
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

import autograd_core
from autograd_core import errors
from autograd_core.compare import Report, compare, output, tag
from autograd_core.compare.page import MARKS
from autograd_core.compare.pictures import (
    HIGH,
    HIGHEST,
    LARGEST_MAP,
    LOWEST,
    RAMP,
    WIDE,
    heat_map,
    palette,
    shades,
    shrink,
    sweep_plot,
)

X = np.array([[0.5, -1.5, 2.0], [1.0, 0.25, -0.75]])


@pytest.fixture(scope="module")
def report():
    def f(x, w):
        return tag(tag(x * w, "a") ** 2, "b").sum(axis=1)

    claims = {
        "x": lambda g_a, w: -g_a * w,
        "w": lambda g_a, x: g_a * x,
        "a": lambda g_b, a: 3 * g_b * a,
        "b": lambda g: g[:, None] + np.zeros((2, 3)),
    }
    return compare(f, {"x": X, "w": X + 4.0}, claims)


def test_a_report_is_a_mapping(report):
    assert isinstance(report, Report)
    assert list(report) == ["x", "w", "a", "b"] and len(report) == 4
    assert "a" in report and "c" not in report
    assert dict(report.items())["w"] is report["w"]
    with pytest.raises(KeyError, match="no claim was made for 'c'; claims: x, w, a, b"):
        report["c"]


def test_the_first_wrong_line_is_the_one_nearest_to_the_output(report):
    assert [report[name].verdict for name in report] == ["wrong", "exact", "wrong", "exact"]
    assert report.first_wrong == "a"
    assert not report.ok


def test_the_worst_element_is_given(report):
    index, claimed, true = report["x"].worst
    assert len(index) == 2 and claimed == pytest.approx(-true)


def test_the_terminal_table_is_aligned(report):
    lines = str(report).splitlines()
    assert lines[0].split("  ")[0] == "name"
    assert re.fullmatch(r"x +wrong +2\.0e\+00 +- +\d\.\de-\d\d  sign flipped", lines[2])
    assert re.fullmatch(r"w +exact +\d\.\de[+-]\d\d +- +\d\.\de[+-]\d\d  -", lines[3])
    assert lines[4].endswith("1.5 times the gradient")
    assert lines[-1] == "2 exact, 2 wrong; first wrong line: a"
    column = lines[0].index("hint")
    assert all(line[column - 1] == " " != line[column] for line in lines[1:-1])
    assert repr(report) == str(report)


def test_json(report):
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["first_wrong"] == "a"
    assert report.to_dict()["claims"][2]["hint"] == "1.5 times the gradient"
    undecided = compare(lambda x: 0 * x, {"x": X}, {"x": lambda g: 0 * g})
    assert json.loads(json.dumps(undecided.to_dict(), allow_nan=False))["claims"][0]["bound"] is None


# -- width -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def long(report):
    hint = "the path through 'mu' is missing, and so is the one through 'var', which both reach every element"
    return Report([replace(report["x"], hint=hint), report["w"]])


@pytest.mark.parametrize("width", [80, 100, 120])
def test_long_hints_wrap_below_themselves(long, width):
    lines = long.to_text(width).splitlines()
    assert max(map(len, lines)) <= width
    start = lines[0].index("hint")
    assert lines[2][start:].startswith("the path through") and lines[3].startswith(" " * start + lines[3][start])
    rows = [line[start:] for line in lines[2:] if line.startswith((" ", "x "))]
    assert " ".join(rows) == long["x"].hint


def test_in_a_narrow_terminal_hints_go_below_their_row(long):
    lines = long.to_text(60).splitlines()
    assert max(map(len, lines)) <= 60 and "hint" not in lines[0]
    assert lines[2].startswith("x ") and lines[3].startswith("    the path") and lines[-2].startswith("w ")


def test_the_width_is_the_terminals_or_100(long, monkeypatch):
    assert output.terminal_width() == 100  # not a terminal: it is captured
    assert str(long) == long.to_text(100) != long.to_text(80)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    assert str(long) == long.to_text(80)
    monkeypatch.setenv("COLUMNS", "7")
    assert output.terminal_width() == output.LEAST
    monkeypatch.setattr(sys, "stdout", None)
    assert output.terminal_width() == 100


# -- files -----------------------------------------------------------------------------------------


def test_reports_are_saved_by_suffix(report, tmp_path):
    report.save(tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8")) == report.to_dict()
    report.save(str(tmp_path / "x.HTML"))
    page = (tmp_path / "x.HTML").read_text(encoding="utf-8")
    assert page == report.to_html() and page.startswith("<!doctype html>")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.HTML", "x.json"]


def test_an_existing_file_stays_whole_if_writing_fails(report, tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    path.write_text("before", encoding="utf-8")
    with monkeypatch.context() as m, pytest.raises(OSError, match="no space"):
        m.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("no space")))
        report.save(path)
    assert path.read_text(encoding="utf-8") == "before" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x.pdf", r"save: the file name must end in .html or .json, got 'x.pdf'; .* called at test_compare_report.py"),
        ("x", "must end in .html or .json, got 'x'"),
        ("nowhere/x.json", "save: the folder must exist, got .*nowhere'; create it first"),
    ],
)
def test_unfit_paths_are_refused(report, tmp_path, name, message):
    with pytest.raises(errors.ArgumentError, match=message):
        report.save(tmp_path / name)


def test_json_keeps_what_is_not_ascii(report):
    text = Report([replace(report["x"], hint="∂")]).to_json()
    assert "∂" in text and json.loads(text)["claims"][0]["hint"] == "∂"


# -- HTML ------------------------------------------------------------------------------------------


class Balance(HTMLParser):
    """Every element that is opened is closed, in order."""

    VOID = ("img", "meta", "path", "circle", "polyline")

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.sources = [], [], []

    def handle_starttag(self, name, attributes):
        self.seen.append(name)
        self.sources += [value for key, value in attributes if key in ("src", "href", "srcset")]
        if name not in self.VOID:
            self.open.append(name)

    def handle_startendtag(self, name, attributes):
        self.seen.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name


def parsed(text):
    parser = Balance()
    parser.feed(text)
    parser.close()
    assert not parser.open
    return parser


def approximate():
    def f(z, eps):
        return np.sqrt(z**2 + eps)

    return compare(f, {"z": X}, {"z": lambda g, z: g * np.sign(z)}, sweep={"eps": tuple(10.0**-k for k in range(1, 8))})


def test_html_has_a_row_and_a_heat_map_for_each_claim(report):
    page = report._repr_html_()
    seen = parsed(page).seen
    assert seen.count("tr") == 5 and page.count("<img alt='errors of ") == 4
    assert "✗ wrong" in page and "✓ exact" in page and "sign flipped" in page
    assert "data:image/png;base64,iVBOR" in page and "<svg" not in page
    assert page.count("worst element at (") == 2  # of the wrong ones only
    assert "complex step, all 6 elements" in page


def test_html_loads_nothing_and_stands_alone(report):
    for text in (report.to_html(), approximate().to_html()):
        parser = parsed(text.removeprefix("<!doctype html>"))
        assert parser.sources and all(source.startswith("data:image/png") for source in parser.sources)
        assert "http" not in text and "url(" not in text and "color-scheme" in text


def test_html_escapes_what_comes_from_outside(report):
    line = replace(
        report["x"], name="<x>'", hint="<script>", oracle="'><b>", sweep=((1.0, 0.1, 1e-9), (0.1, 0.1, 1e-9))
    )
    page = Report([line], swept="<i>&'").to_html()
    assert "<script>" not in page and "<x>" not in page and "'><b>" not in page and "<i>" not in page
    assert "&lt;script&gt;" in page and "&lt;x&gt;&#x27;" in page and "&lt;i&gt;&amp;&#x27;" in page
    parsed(page.removeprefix("<!doctype html>"))


def test_verdicts_are_read_on_their_colours():
    def luminance(color):
        channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    for _, color in MARKS.values():
        assert 1.05 / (luminance(color) + 0.05) > 4.5  # white on it, as WCAG 2 asks for


def test_a_gradient_that_vanishes_has_no_heat_map():
    undecided = compare(lambda x: 0 * x, {"x": X}, {"x": lambda g: 0 * g})
    assert undecided["x"].verdict == "undecided" and undecided["x"].error_map is not None
    page = undecided._repr_html_()
    assert "<img" not in page and "? undecided" in page


def test_a_scalar_has_no_heat_map():
    wrong = compare(lambda a: a * a, {"a": 3.0}, {"a": lambda g, a: g * a})
    assert wrong["a"].verdict == "wrong" and "<img" not in wrong._repr_html_()


def test_heat_maps_lose_no_error_and_darken_with_it():
    errors_ = np.full((300, 7), 1e-15)
    errors_[123, 4] = 0.5
    small = shrink(errors_)
    assert small.shape == (LARGEST_MAP, 7) and small.max() == 0.5
    colors = palette()[shades(np.array([0.0, 10**LOWEST, 1e-12, 1e-8, 1e-4, 10**HIGHEST, np.inf]))]
    lightness = colors.astype(float) @ [0.2126, 0.7152, 0.0722]
    assert np.all(np.diff(lightness) <= 0) and np.all(np.diff(lightness[1:-1]) < 0)
    assert np.array_equal(colors[0], RAMP[0]) and np.array_equal(colors[-1], RAMP[-1])


def test_heat_maps_of_large_arrays_stay_small(report):
    rng = np.random.default_rng(0)
    big = replace(report["x"], error_map=10.0 ** rng.uniform(-16, 0, (3, 500, 700)))
    image = heat_map(big)
    assert len(image) < 8_000 and "3 × 500 × 700, the largest of each block" in image
    assert "width='128' height='128'" in image


def test_the_png_can_be_read_back(report):
    data = re.search(r"base64,([^']+)'", heat_map(report["x"])).group(1)
    raw = base64.b64decode(data)
    assert struct.unpack(">II", raw[16:24]) == (3, 2)
    start = raw.index(b"IDAT")
    length = struct.unpack(">I", raw[start - 4 : start])[0]
    rows = zlib.decompress(raw[start + 4 : start + 4 + length])
    assert rows == b"".join(b"\0" + bytes(row) for row in shades(report["x"].error_map).tolist())


def test_a_sweep_is_drawn_with_its_order():
    report = approximate()
    line = report["z"]
    assert line.verdict == "approximate"
    plot = sweep_plot(line, "eps")
    assert plot in report._repr_html_() and f"order {line.order:.2f}" in plot and ">1e-07<" in plot
    dots = [(float(x), float(y)) for x, y in re.findall(r"<circle cx='([\d.]+)' cy='([\d.]+)'", plot)]
    assert len(dots) == 7
    assert all(0 <= x <= WIDE and 0 <= y <= HIGH for x, y in dots)
    assert dots == sorted(dots, key=lambda p: -p[0]) and dots == sorted(dots, key=lambda p: p[1])
    # The fitted line passes through the dots of the smaller parameters.
    (x0, y0), (x1, y1) = (map(float, p.split(",")) for p in re.findall(r"points='([^']+)'", plot)[-1].split())
    for x, y in dots[-3:]:
        assert y == pytest.approx(y0 + (x - x0) * (y1 - y0) / (x1 - x0), abs=1.0)


def test_a_sweep_without_figures_is_not_drawn(report):
    line = replace(report["x"], sweep=((1.0, np.inf, np.nan), (0.1, np.nan, np.nan)))
    assert sweep_plot(line, "eps") == ""
    assert "error against eps" in Report([line], swept="eps")._repr_html_()


def test_compare_is_the_function_whatever_was_used_before():
    # Importing the package `autograd_core.compare` binds its name over the function's.
    program = "import autograd_core as a; a.tag(1.0, 'x'); a.Report"
    program += "; assert type(a.compare).__name__ == 'function'"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert autograd_core.Report is Report
