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

# All rows that are not exact and do not simply hold; every other row of the two notebooks must be one or the other.
VERDICTS = {
    "02_batchnorm": {
        ("S004-KE37", "Zbar has mean 0 and sd 1"): "approximate",
        ("S004-C40", "Ẑ_ik = G_i Zbar_ij + B_i"): "wrong",
        ("S004-Def41", "Ẑ_ik = G_i Zbar_ij + B_i"): "wrong",
        ("S004-6.66", "Ẑ_1j … Ẑ_kj, G_1 … G_k, B_1 … B_k"): "wrong",
        ("S004-6.65", "[1, 2, 100, 3, 4, 5] by KE 37, 1/K"): "wrong",
        ("X-STD", "[1, 2, 100, 3, 4, 5] by KE 37, 1/K"): "wrong",
        ("S000-Def17", "Ẑ_ik = G_i Zbar_ij + B_i"): "wrong",
        ("S000-B.37-B.39", "∂Ẑ_ab/∂Z_ef = ∂Ẑ_ab/∂Zbar_cd ∂Zbar_cd/∂Z_ef"): "partly",
        ("S000-KE21", "∂zbar/∂z, carried to 1/√(σ²+ε)"): "approximate",
        ("S001-summary-fwd", "ẑ_i = y_i u_i + β"): "wrong",
        ("S001-dgamma", "dDiv/dy = u dDiv/dẑ, y literally"): "wrong",
        ("S001-dgamma", "dDiv/dγ = u_i dDiv/dẑ_i, per instance"): "wrong",
        ("S001-dbeta", "dDiv/dβ = dDiv/dẑ_i, per instance"): "wrong",
        ("S001-du", "dẑ/du = f' (first list)"): "wrong",
        ("S001-du", "dDiv/du = f' dDiv/dẑ (first list)"): "wrong",
        ("S001-(b)", "σ² = (1/B) Σ z_i² - 2 z_i μ + μ²"): "wrong",
        ("S001-ds2_dmu", "= -2 {μ - z_mean}, μ free"): "wrong",
        ("S001-ds2_dmu", "∂σ²/∂μ = 0 at the mean, by compare"): "undecided",
        ("S001-sumline", "∂div/∂z_i = … = Σ_i ∂div/∂u_i ∂u_i/∂σ²"): "wrong",
        ("S001-sumline", "∂div/∂σ² = Σ_{j=1..B} (…) + direct term"): "wrong",
        ("S001-IS-ds2", "∂l/∂σ² = (Σ ∂l/∂xhat_i (-1/√…)) + …"): "wrong",
        ("S001-IS-dx", "∂L/∂μ = ∂L/∂x_i"): "wrong",
        ("S001-IS-dx", "∂L/∂x_i = … + ∂L/∂σ 2(x_i-μ)/m + …"): "wrong",
        ("S001-IS-dgamma", "∂L/∂y = Σ ∂L/∂y_i xhat_i, y literally"): "wrong",
        ("S001-disagree", "dz, dσ², dμ differ from Ioffe & Szegedy's"): "fails",
        ("S001-inf-var1", "σ²_BN = 1/(B-1) (1/N_B) Σ σ²_b"): "wrong",
        ("S001-inf-var2", "Var[z] = E[S²_B], batches of one epoch"): "approximate",
        ("X-INF", "first form estimates 9"): "fails",
        ("S001-identity", "γ = √Var, β = E: y = x, with ε"): "approximate",
        ("S001-mb-approx", "(1/m) ∂L(x_i; θ)/∂θ"): "wrong",
        ("S002-BN-dB", "∂L/∂B_i = Σ_i ∂L/∂Ẑ_ij"): "wrong",
        ("S002-BN-dG", "∂L/∂G_i = Σ_i ∂L/∂Ẑ_ij Zbar_ij"): "wrong",
        ("S002-BN-dZbar", "∂Zbar_ik/∂Z_ij, 1/σ and 1/σ²"): "approximate",
        ("S002-BN-final", "∂L/∂Z_ij, 1/(Kσ) and 1/σ²"): "approximate",
        ("S003-LN", "ŝ_i = (s_i - 1μ_i) diag(…)^(-1/2), columns"): "wrong",
        ("S003-BNb-5", "∂v/∂μ = 0 at the mean, by compare"): "undecided",
    },
    "03_activations": {
        ("S004-6.32", "ReLU' = 0 for z ≥ 0 and z < 0"): "wrong",
        ("S004-6.39", "1 - sech² (remark)"): "wrong",
        ("S004-6.33-6.35", "ReLU'(0) = 1 (6.35)"): "undecided",
        ("S003-act-selu", "the same, of nn.SELU"): "wrong",
        ("S003-act-gelu", "range (-0.17…, ∞)"): "partly",
        ("S003-sq-range", "σ in [0, 1], tanh in [-1, 1]"): "partly",
    },
}
# What each of the two must judge: ids, or what they begin with.
JUDGED = {
    "02_batchnorm": (
        *(
            "S000-B.37-B.39",
            "S000-B.4",
            "S000-C20",
            "S000-B.50/B.51",
            "S000-B.52",
            "S000-KE21",
            "S000-B.53",
            "S000-B.54",
        ),
        *("S000-B.56", "S001-d", "S001-(b)", "S001-sumline", "S001-IS-", "S001-identity", "S001-fold", "S001-inf-mu"),
        *("S001-inf-var", "X-INF", "S001-mb-approx", "S001-summary-fwd", "S002-BN-", "S003-BNb-chain", "S003-BNb-1"),
        *(
            "S003-BNb-2",
            "S003-BNb-3",
            "S003-BNb-4",
            "S003-BNb-5",
            "S003-BNb-6",
            "S003-'Putting",
            "S003-LN",
            "S004-KE37",
        ),
        *("S004-6.65", "X-STD", "S004-Cl39", "S004-C40", "S004-6.66"),
    ),
    "03_activations": (
        *("S003-act-", "S003-swish", "S003-GELU-def", "S003-sigmoid-deriv", "S003-sat", "S001-sat", "S003-allpos"),
        *(
            "S003-sq-range",
            "X-SIG",
            "X-SELU",
            "S004-6.30",
            "S004-6.32",
            "S004-6.33",
            "S004-6.36",
            "S004-6.38",
            "S004-6.39",
        ),
    ),
}


@pytest.fixture
def verdicts(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import verdicts

    return verdicts


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


def committed_rows(name):
    """The rows of the table that a notebook shows."""
    cells = code_cells(FOLDER / f"{name}.ipynb")
    shown = [output.get("data", {}).get("text/plain", "") for cell in cells for output in cell.outputs]
    (table,) = (text for text in shown if re.match("id  +formula  +verdict", text))
    return [re.split(r"  +", line) for line in table.split("\n\n")[0].splitlines()[1:]]


@pytest.mark.parametrize("name", VERDICTS)
def test_the_table_of_a_notebook_has_these_verdicts(name):
    rows = committed_rows(name)
    found = {(row[0], row[1]): row[2] for row in rows}
    assert len(found) == len(rows) > 60
    assert {key: verdict for key, verdict in found.items() if verdict not in ("exact", "holds")} == VERDICTS[name]


@pytest.mark.parametrize("name", JUDGED)
def test_a_notebook_judges_all_its_ids(name, verdicts):
    known = [id for id, kind in verdicts.equations().items() if kind != "diagram"]
    wanted = {id for id in known if id.startswith(JUDGED[name]) and id != "S001-divBN"}
    assert all(any(id.startswith(start) for id in known) for start in JUDGED[name])
    assert wanted <= {row[0] for row in committed_rows(name)}


def test_a_wrong_line_of_the_batch_norm_notebook_has_its_repaired_form():
    rows = committed_rows("02_batchnorm")
    repaired = {row[0] for row in rows if row[2] == "exact" and "ours" in row[4]}
    assert {row[0] for row in rows if row[2] == "wrong"} <= repaired


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
out = Path(os.environ["AUTOGRAD_CORE_OUT"])
out.joinpath("small.txt").write_text(f"σ exact, judged by {sys.executable}", encoding="utf-8")
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
    (tmp_path / "out" / "small.txt").write_text("an older table")
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
