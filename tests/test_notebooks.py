"""The committed notebooks are clean, and the demo runs one anywhere. `make test` executes them with nbmake."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

nbformat = pytest.importorskip("nbformat", reason="notebooks need the extra 'notebooks'")
pytest.importorskip("matplotlib", reason="notebooks need the extra 'notebooks'")

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MEBIBYTE = 2**20
# Absolute paths of Unix and Windows machines, and temporary files of a kernel.
MACHINE = re.compile(r"/(?:home|root|Users|tmp|work|opt|usr|private|var)/|[A-Z]:\\\\|ipykernel_\d|site-packages")

VERDICTS = {
    ("S000-KE21", "dẑ/dzbar = G"): "exact",
    ("S000-KE21", "dzbar/dz"): "exact",
    ("S000-KE21", "dẑ/dz, the product"): "exact",
    ("S000-KE21", "dzbar/dz on 1/√(σ²+ε)"): "approximate",
    ("S000-B.53", "dL/dz"): "exact",
    ("S000-KE22", "dL/dB"): "exact",
    ("S000-KE22", "dL/dG"): "exact",
    ("S002-BN-dB", "dL/dB, sum over i (printed)"): "wrong",
    ("S002-BN-dB", "dL/dB, sum over j"): "exact",
    ("S002-BN-dG", "dL/dG, sum over i (printed)"): "wrong",
    ("S002-BN-dG", "dL/dG, sum over j"): "exact",
    ("S002-BN-final", "dL/dZ"): "approximate",
    ("S001-dzhat", "dDiv/dẑ = f' dDiv/dy"): "exact",
    ("S001-dgamma", "dDiv/dγ per instance (printed)"): "wrong",
    ("S001-dgamma", "dDiv/dγ, summed"): "exact",
    ("S001-dbeta", "dDiv/dβ per instance (printed)"): "wrong",
    ("S001-dbeta", "dDiv/dβ, summed"): "exact",
    ("S001-du", "dDiv/du = f' dDiv/dẑ (first list)"): "wrong",
    ("S001-du", "dDiv/du = γ dDiv/dẑ (summary)"): "exact",
    ("S001-ds2", "dDiv/dσ²"): "exact",
    ("S001-dmu", "dDiv/dμ"): "exact",
    ("S001-dz", "dDiv/dz"): "exact",
    ("S001-ds2_dmu", "dσ²/dμ = 0"): "undecided",
    ("S001-ds2_dz", "dσ²/dz"): "exact",
    ("S003-together-1", "dJ/dv"): "exact",
    ("S003-together-2", "dJ/dμ"): "exact",
    ("S003-together-3", "dJ/ds"): "exact",
}


@pytest.fixture
def demo(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import demo

    return demo


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def texts(outputs):
    """What the outputs say, without pictures made of bytes."""
    for output in outputs:
        yield output.get("text", "")
        yield from (value for kind, value in output.get("data", {}).items() if kind != "image/png")


def test_the_batch_norm_notebook_is_there():
    assert "02_batchnorm.ipynb" in [path.name for path in NOTEBOOKS]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_valid_python_and_committed_as_executed_from_top_to_bottom(path):
    nbformat.validate(read(path))
    cells = code_cells(path)
    for cell in cells:
        ast.parse(cell.source)
        for output in cell.outputs:
            assert output.output_type != "error" and output.get("name") != "stderr", cell.source
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert any(cell.outputs for cell in cells)
    assert path.stat().st_size < MEBIBYTE


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_names_no_path_of_a_machine(path):
    for cell in read(path).cells:
        for text in (cell.source, *texts(cell.get("outputs", []))):
            assert not MACHINE.search(text), text[:200]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_picture_has_a_description(path):
    for cell in code_cells(path):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                assert len(output.metadata["image/png"]["alt"]) > 20


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_formula_can_be_typeset_without_a_network(path, demo):
    pages = [cell.source for cell in read(path).cells if cell.cell_type == "markdown"]
    typeset = [demo.MATH.sub(demo.formula, page) for page in pages]
    assert all("$" not in page for page in typeset)
    assert sum(page.count("data:image/svg+xml") for page in typeset) > 0


def test_the_verdict_table_names_every_formula():
    cells = code_cells(FOLDER / "02_batchnorm.ipynb")
    (table,) = (o.text for cell in cells for o in cell.outputs if o.get("text", "").startswith("id  "))
    rows = [re.split(r"  +", line) for line in table.split("\n\n")[0].splitlines()[1:]]
    assert {(row[0], row[1]): row[3] for row in rows} == VERDICTS
    assert len(rows) == len(VERDICTS)
    orders = {row[0]: row[5] for row in rows if row[3] == "approximate"}
    assert orders == {"S000-KE21": "1.00", "S002-BN-final": "1.00"}


def run_demo(tmp_path, sources, **environment):
    """The demo in a process of its own, on a notebook of these cells, with almost no environment."""
    cells = [
        nbformat.v4.new_markdown_cell(r"A formula, $\frac{a}{b} < c$."),
        *map(nbformat.v4.new_code_cell, sources),
    ]
    notebook = tmp_path / "small.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), notebook)
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "COVERAGE_PROCESS_START") if name in os.environ}
    return subprocess.run(
        [sys.executable, str(FOLDER / "demo.py"), "--out", "out", "--notebook", str(notebook)],
        cwd=tmp_path,
        env={**kept, "PYTHONIOENCODING": "ascii", **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


WRITES_A_TABLE = """
import os, sys
from pathlib import Path
out = Path(os.environ["AUTOGRAD_CORE_DEMO_OUT"])
out.joinpath("verdicts.txt").write_text(f"σ exact, judged by {sys.executable}", encoding="utf-8")
out.joinpath("picture.svg").write_text("<svg/>")
os.write(2, b"Fontconfig %s\\n" % b"warning: from the system")  # Graphviz in the notebook's process does so
"""


def test_the_demo_runs_in_its_own_interpreter_and_its_page_loads_nothing(tmp_path):
    decoy = tmp_path / "home" / ".local" / "share" / "jupyter" / "kernels" / "python3"
    decoy.mkdir(parents=True)
    decoy.joinpath("kernel.json").write_text(
        json.dumps({"argv": ["no-such-python"], "display_name": "decoy", "language": "python"})
    )
    done = run_demo(tmp_path, [WRITES_A_TABLE, "1 + 1"], HOME=str(tmp_path / "home"))
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert f"? exact, judged by {sys.executable}" in done.stdout
    assert f"{Path('out', 'small.html')}" in done.stdout and "picture.svg" in done.stdout
    page = (tmp_path / "out" / "small.html").read_text(encoding="utf-8")
    assert "<script" not in page and "Fontconfig warning: from" not in page
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//|url\(["']?https?:|@import""", page)
    assert r'alt="\frac{a}{b} &lt; c"' in page


def test_the_demo_says_which_cell_failed_and_shows_no_older_table(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "verdicts.txt").write_text("an older table")
    # Without HOME, and with a home that cannot be written to, Jupyter and Matplotlib have to look elsewhere.
    done = run_demo(tmp_path, ["x = 41", "assert x == 42, 'the answer'"], HOME=str(tmp_path / "missing"))
    assert done.returncode == 1
    assert "demo: a cell of small.ipynb failed" in done.stderr
    assert "assert x == 42" in done.stderr and "AssertionError: the answer" in done.stderr
    assert "\x1b" not in done.stderr
    assert "older" not in done.stdout


def test_the_demo_needs_a_notebook(demo, tmp_path, capsys):
    assert demo.main(["--out", str(tmp_path), "--notebook", str(tmp_path / "none.ipynb")]) == 1
    assert "demo: cannot read the notebook or write to the folder" in capsys.readouterr().err


def test_the_classifier_reads_digits_reaches_97_percent_and_reads_idx_files(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(FOLDER))
    import classifier

    assert classifier.train(progress=False)["validation accuracy"][-1] >= 0.97
    for name, count in (("train", 300), ("t10k", 50)):
        header = {"images-idx3": [count, 28, 28], "labels-idx1": [count]}
        for kind, shape in header.items():
            content = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
            values = np.arange(np.prod(shape)) % (10 if len(shape) == 1 else 251)
            (tmp_path / f"{name}-{kind}-ubyte").write_bytes(content + values.astype(np.uint8).tobytes())
    assert classifier.train(str(tmp_path), epochs=1, progress=False).epochs
