"""What a `Report` shows: in a terminal, in a notebook, as JSON."""

import base64
import json
import re
import struct
import subprocess
import sys
import zlib
from dataclasses import replace

import numpy as np
import pytest

from autograd_core.compare import Report, compare, tag
from autograd_core.compare.page import HIGHEST, LARGEST_MAP, LOWEST, RAMP, colors, shrink

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


def test_html_has_a_row_and_a_heat_map_for_each_claim(report):
    page = report._repr_html_()
    assert page.count("<tr") == 5 and page.count("<img alt='errors of ") == 4
    assert "✗ wrong" in page and "✓ exact" in page and "sign flipped" in page
    assert "data:image/png;base64,iVBOR" in page


def test_html_escapes_what_comes_from_outside(report):
    line = replace(report["x"], name="<x>'", hint="<script>", oracle="'><b>")
    page = Report([line])._repr_html_()
    assert "<script>" not in page and "<x>" not in page and "'><b>" not in page
    assert "&lt;script&gt;" in page and "&lt;x&gt;&#x27;" in page


def test_heat_maps_lose_no_error_and_darken_with_it():
    errors_ = np.full((300, 7), 1e-15)
    errors_[123, 4] = 0.5
    small = shrink(errors_)
    assert small.shape == (LARGEST_MAP, 7) and small.max() == 0.5
    shades = colors(np.array([[0.0, 10**LOWEST, 1e-12, 1e-8, 1e-4, 10**HIGHEST, np.inf]]))[0]
    lightness = shades.astype(float) @ [0.2126, 0.7152, 0.0722]
    assert np.all(np.diff(lightness) <= 0) and np.all(np.diff(lightness[1:-1]) < 0)
    assert np.array_equal(shades[0], RAMP[0]) and np.array_equal(shades[-1], RAMP[-1])


def test_the_png_can_be_read_back(report):
    data = re.search(r"base64,([^']+)'", report._repr_html_()).group(1)
    raw = base64.b64decode(data)
    assert struct.unpack(">II", raw[16:24]) == (3, 2)
    start = raw.index(b"IDAT")
    length = struct.unpack(">I", raw[start - 4 : start])[0]
    assert len(zlib.decompress(raw[start + 4 : start + 4 + length])) == 2 * (1 + 3 * 3)


def test_compare_is_the_function_whatever_was_used_before():
    # Importing the package `autograd_core.compare` binds its name over the function's.
    program = "import autograd_core as a; a.tag(1.0, 'x'); a.Report"
    program += "; assert type(a.compare).__name__ == 'function'"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
