"""notebooks/verdicts.py: the verdicts that notebooks collect, and the table of all of them."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from autograd_core import compare

FOLDER = Path(__file__).parent.parent / "notebooks"
FEW = "id,kind\nS000-B.53,hand-derived gradient\nS000-C9,claim\nS002-BN-fwd,layer forward\nX-INF,number example\n"


@pytest.fixture
def verdicts(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import verdicts

    return verdicts


@pytest.fixture
def few(verdicts, monkeypatch, tmp_path):
    """The module with four ids, three of which need a verdict, and a VERDICTS.md of its own."""
    (tmp_path / "equations.csv").write_text(FEW, encoding="utf-8")
    monkeypatch.setattr(verdicts, "HERE", tmp_path)
    monkeypatch.setattr(verdicts, "TABLE", tmp_path / "VERDICTS.md")
    return verdicts


def saved(few, folder, monkeypatch, *, slope=-0.5, verdict="exact", cells="K"):
    """What a notebook with one verdict per needed id saves."""
    found = few.Verdicts("02_small")
    found.claim("S000-B.53", f"dL/dz | {cells}", verdict, "error < 1e-10", "by <hand>")
    found.claim("S000-C9", "falls as K^(-1/2)", True, f"slope {slope:.2g}")
    found.claim("X-INF", "first form", False, "1.1")
    monkeypatch.setenv("AUTOGRAD_CORE_OUT", str(folder))
    found.save()
    return found


def test_equations_csv_has_unique_ids_of_known_documents(verdicts):
    with open(FOLDER / "equations.csv", encoding="utf-8") as file:
        ids = [line.split(",")[0] for line in file.read().splitlines()[1:]]
    kinds = verdicts.equations()
    assert len(kinds) == len(ids) > 200
    assert {id.split("-")[0] for id in kinds} == set(verdicts.DOCUMENTS)
    assert set(kinds.values()) > verdicts.NEED
    assert sum(kind == "hand-derived gradient" for kind in kinds.values()) >= 83


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("S000-B.99", "dL/dz", True, "1"), r"'S000-B.99' is not in equations.csv"),
        (("S000-B.53", "dL/dz", True, ""), r"S000-B.53 has no figure: a verdict rests on one"),
        (("S000-B.53", "dL/dz", "right", "1"), r"a verdict is one of exact, .*; got 'right' for S000-B.53"),
        (("S000-C9", "shrinks", False, "2"), r"S000-C9 has two verdicts on 'shrinks'"),
    ],
)
def test_a_verdict_needs_a_known_id_a_figure_a_known_word_and_a_formula_of_its_own(few, arguments, message):
    found = few.Verdicts("02_small")
    found.claim("S000-C9", "shrinks", True, "1")
    with pytest.raises(ValueError, match=message):
        found.claim(*arguments)
    assert len(found.rows) == 1


def test_a_line_of_compare_becomes_a_row_with_its_figure_and_both_remarks(few):
    x, sweep = np.linspace(0.5, 2, 5), {"eps": [10.0**-k for k in range(1, 6)]}

    def judged(claim):
        return compare(lambda x, eps: np.log(x + eps), {"x": x}, {"x": claim}, sweep=sweep)["x"]

    found = few.Verdicts("02_small")
    found.judge("S000-B.53", "right", judged(lambda g, x, eps: g / (x + eps)))
    found.judge("S000-B.53", "no eps", judged(lambda g, x: g / x), "dropped")
    found.judge("S000-B.53", "sign", judged(lambda g, x, eps: -g / (x + eps)))
    scale = compare(lambda x, a: a * x, {"x": x, "a": np.array(2.0)}, {"a": lambda g, x: g * x})["a"]
    found.judge("S000-B.53", "no sum", scale, "Σ is missing")
    right, approximate, sign, misshapen = found.rows
    assert (right.verdict, right.figure, right.remark) == ("exact", "error < 1e-10", "")
    assert approximate.verdict == "approximate"
    assert re.fullmatch(r"error \d\.\de-\d\d, order 1\.0", approximate.figure)
    assert approximate.remark.endswith("[dropped]")
    assert (sign.verdict, sign.figure) == ("wrong", "error 2.0e+00")
    assert sign.remark and "[" not in sign.remark  # compare's hint alone
    assert (misshapen.figure, misshapen.remark) == ("error ∞", f"{scale.remarks}; [Σ is missing]")


@pytest.mark.parametrize(
    ("error", "text"),
    [(float("nan"), "-"), (float("inf"), "error ∞"), (3e-16, "error < 1e-10"), (0.0123, "error 1.2e-02")],
)
def test_digits_that_belong_to_the_machine_are_not_shown(verdicts, error, text):
    assert verdicts.error_text(error) == text


def test_the_rows_can_be_found_counted_and_shown(few, tmp_path, monkeypatch):
    found = saved(few, tmp_path / "out", monkeypatch, verdict="partly")
    assert found.find("partly") == {("S000-B.53", "dL/dz | K")} and found.find("wrong") == set()
    assert found["X-INF", "first form"].verdict == "fails" and found["S000-C9", "falls as K^(-1/2)"].verdict == "holds"
    assert found.summary == "1 holds, 1 partly, 1 fails"
    lines = repr(found).splitlines()
    assert lines[0].split() == ["id", "formula", "verdict", "figure", "remarks"] and lines[-1] == found.summary
    assert "by &lt;hand&gt;" in found._repr_html_() and "≈ partly" in found._repr_html_()
    assert [row.cell for row in found.rows] == [0, 0, 0]  # not in a notebook


def test_verdicts_are_saved_only_where_a_folder_is_named(few, tmp_path, monkeypatch):
    found = saved(few, tmp_path / "out", monkeypatch)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["02_small.json", "02_small.txt"]
    assert (tmp_path / "out" / "02_small.txt").read_text(encoding="utf-8") == f"{found}\n"
    assert few.load(tmp_path / "out") == [("02_small", row) for row in found.rows]
    monkeypatch.delenv("AUTOGRAD_CORE_OUT")
    monkeypatch.chdir(tmp_path / "out")
    few.Verdicts("03_other").save()
    assert len(list(tmp_path.glob("**/03_other*"))) == 0


def test_the_table_escapes_what_markdown_would_read(few, tmp_path, monkeypatch):
    saved(few, tmp_path / "out", monkeypatch, cells="a_i * `b` \\hat")
    text = few.table(few.load(tmp_path / "out"))
    (row,) = (line for line in text.splitlines() if line.startswith("| S000-B.53"))
    assert r"dL/dz \| a\_i \* \`b\` \\hat" in row and r"by \<hand>" in row
    assert len(re.findall(r"(?<!\\)\|", row)) == 7  # six cells
    assert "[02_small](02_small.ipynb) In [0]" in row and "✓ exact" in row
    assert "- 1 hand-derived gradients, 1 without fault; 1 printed forms: 1 exact\n" in text
    assert (
        text.index("## S000") < text.index("| S000-B.53") < text.index("| S000-C9") < text.index("## Number examples")
    )


def test_the_head_of_the_table_tells_what_is_printed_from_what_is_ours(few, tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOGRAD_CORE_OUT", str(tmp_path / "out"))
    found = few.Verdicts("02_small")
    found.claim("S000-B.53", "as printed", "wrong", "1", "a subgradient, as is ours")
    found.claim("S000-B.53", "repaired", "exact", "0", "ours")
    found.claim("S000-B.53", "the other repair", "exact", "0", "sign flipped; [ours: why]")
    found.claim("S000-C9", "a claim", True, "1", "the hours of a run")
    found.claim("X-INF", "a question's answer", "partly", "1", "ours: the answer")
    found.save()
    text = few.table(few.load(tmp_path / "out"))
    assert [few.ours(row) for row in found.rows] == [False, True, True, False, True]
    assert (
        "- 1 hand-derived gradients, 0 without fault; 1 printed forms: 1 wrong; "
        "2 of ours (repairs, omitted formulas): 2 exact\n"
        "- all 3 ids, 5 verdicts; 2 on what is printed: 1 holds, 1 wrong; 3 on what is ours: 2 exact, 1 partly\n"
    ) in text


def test_a_row_bears_the_prompt_of_its_cell(tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat", reason="notebooks need the extra 'notebooks'")
    nbclient = pytest.importorskip("nbclient", reason="notebooks need the extra 'notebooks'")
    # An installed kernel named python3 may be another Python.
    kernel = tmp_path / "kernels" / "this-python"
    kernel.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.joinpath("kernel.json").write_text(json.dumps({"argv": argv, "display_name": "this", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    lines = [
        f"import os, sys; sys.path.insert(0, {str(FOLDER)!r}); os.environ['AUTOGRAD_CORE_OUT'] = {str(tmp_path)!r}",
        "from verdicts import Verdicts; found = Verdicts('small'); found.claim('X-INF', 'first', True, '1')",
    ]
    cells = ["\n".join(lines), "found.claim('X-INF', 'second', True, '1'); found.save()"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="this-python").execute()
    rows = json.loads((tmp_path / "small.json").read_text(encoding="utf-8"))["rows"]
    assert [row["cell"] for row in rows] == [cell.execution_count for cell in notebook.cells] == [1, 2]


def test_the_table_is_not_written_while_an_id_lacks_a_verdict(few, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("AUTOGRAD_CORE_OUT", str(tmp_path / "out"))
    found = few.Verdicts("02_small")
    found.claim("S000-B.53", "dL/dz", True, "1")
    found.save()
    assert few.main([str(tmp_path / "out")]) == 1
    assert "2 ids have no verdict: S000-C9, X-INF" in capsys.readouterr().err
    assert not few.TABLE.exists()


@pytest.mark.parametrize(
    ("now", "stale"),
    [
        ({}, False),
        ({"slope": -0.51}, False),  # another BLAS: the second digit may be off by one
        ({"slope": -0.54}, True),
        ({"slope": 0.5}, True),
        ({"verdict": "approximate"}, True),
        ({"cells": "n"}, True),
    ],
)
def test_a_committed_table_is_stale_if_a_verdict_a_text_or_two_digits_differ(
    few, tmp_path, monkeypatch, capsys, now, stale
):
    saved(few, tmp_path / "old", monkeypatch)
    assert few.main([str(tmp_path / "old"), "--check"]) == 1  # none is committed
    assert few.main([str(tmp_path / "old")]) == 0
    before = few.TABLE.read_text(encoding="utf-8")
    saved(few, tmp_path / "now", monkeypatch, **now)
    capsys.readouterr()
    assert few.main([str(tmp_path / "now"), "--check"]) == stale
    assert ("VERDICTS.md is stale; run `make verdicts`" in capsys.readouterr().err) == stale
    assert few.TABLE.read_text(encoding="utf-8") == before


def row(id="S004-6.32", figure="error 2.0e-05", cell=3, remark=""):
    return f"| {id} | a formula | x wrong | {figure} | [n](n.ipynb) In [{cell}] | {remark} |"


def test_only_figures_and_remarks_may_differ_and_only_beyond_two_digits(verdicts):
    assert verdicts.differences(row(), row(figure="error 2.05e-05")) == []
    assert verdicts.differences(row(remark="off by 1.00"), row(remark="off by 1.04")) == []
    for other in (row(figure="error 2.0e-06"), row(figure="error < 2.0e-05"), row(id="S004-6.33"), row(cell=4)):
        assert verdicts.differences(row(), other) == [f"- {row()}\n+ {other}"]
    assert verdicts.differences("a\nb\n", "a\n") == ["2 lines are committed, 1 were written"]
    assert verdicts.differences("- 19 exact", "- 20 exact") == ["- - 19 exact\n+ - 20 exact"]
