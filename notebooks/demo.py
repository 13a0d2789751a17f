"""Run a notebook headless, write its report and pictures, print its verdict table.

    python notebooks/demo.py --out build/demo

The report is one HTML file that needs no network: styles, pictures and formulas are in it. No display is needed, no
installed kernel, and no home directory.
"""

from __future__ import annotations

import argparse
import base64
import functools
import html
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
KERNEL = "autograd-core-demo"
MATH = re.compile(r"\$\$(?P<display>.+?)\$\$|\$(?P<inline>[^$\n]+?)\$", re.DOTALL)
STYLE = """<style>
body { max-width: 62rem; margin: 0 auto !important; }
.jp-OutputPrompt, .jp-InputPrompt { display: none !important; }
.jp-OutputArea-output svg, .jp-RenderedSVG img { max-width: 100%; height: auto; }
.jp-RenderedText pre { overflow-x: auto; white-space: pre !important; }
img.display { display: block; margin: 0.8em auto; max-width: 100%; }
</style>"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status, 0 unless a cell failed or a file could not be written."""
    parser = argparse.ArgumentParser(description="Run a notebook headless and print its verdict table.")
    parser.add_argument(
        "--out", type=Path, default=Path("build/demo"), help="folder to write to (default: %(default)s)"
    )
    parser.add_argument("--notebook", type=Path, default=HERE / "02_batchnorm.ipynb", help="notebook to run")
    options = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # the table has Greek letters, the terminal perhaps not
    name, out = options.notebook.name, options.out.resolve()
    table = out / f"{options.notebook.stem}.txt"
    try:
        source = options.notebook.read_text(encoding="utf-8")
        out.mkdir(parents=True, exist_ok=True)
        table.unlink(missing_ok=True)  # else a notebook that writes none would show an older run's
    except OSError as error:
        return fail(f"cannot read the notebook or write to the folder: {error}")
    print(f"running {name} ...", flush=True)
    with tempfile.TemporaryDirectory(prefix="autograd-core-", ignore_cleanup_errors=True) as scratch:
        prepare(Path(scratch), out)  # before anything of Jupyter is imported
        import nbformat
        from nbclient.exceptions import CellExecutionError, DeadKernelError

        notebook: Any = nbformat.reads(source, as_version=4)  # type: ignore[no-untyped-call]
        log = Path(scratch, "kernel.log")
        try:
            execute(notebook, options.notebook.resolve().parent, log)
        except CellExecutionError as error:
            return fail(f"a cell of {name} failed.\n{plain(str(error))}")
        except (DeadKernelError, RuntimeError) as error:  # RuntimeError: it died before it answered
            return fail(f"the kernel that runs {name} died: {error}\n{plain(log.read_text(errors='replace'))}")
        page = out / f"{options.notebook.stem}.html"
        page.write_text(to_html(notebook), encoding="utf-8")
    if table.exists():
        print(f"\n{table.read_text(encoding='utf-8')}")
    for path in (page, *sorted(out.glob("*.svg"))):
        print(f"wrote {path}")
    return 0


def fail(message: str) -> int:
    """Say what went wrong; the exit status."""
    print(f"demo: {message}", file=sys.stderr)
    return 1


def prepare(scratch: Path, out: Path) -> None:
    """Let Jupyter, IPython and Matplotlib keep to `scratch`, and offer a kernel that is this interpreter.

    An installed kernel named python3 may be another Python, in which the project is not installed.
    """
    kernel = scratch / "kernels" / KERNEL
    kernel.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.joinpath("kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": KERNEL, "language": "python"}), encoding="utf-8"
    )
    os.environ["JUPYTER_PATH"] = str(scratch)
    for variable in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        folder = scratch / variable.lower()
        folder.mkdir()
        os.environ[variable] = str(folder)
    home = os.environ.get("HOME") or os.environ.get("USERPROFILE")
    if not home or not os.access(home, os.W_OK):
        os.environ.setdefault("MPLCONFIGDIR", str(scratch))
    os.environ["AUTOGRAD_CORE_OUT"] = str(out)  # where verdicts.py saves the table


def execute(notebook: Any, folder: Path, log: Path) -> None:
    """Run all cells in `folder`, filling in their outputs; what the kernel itself says goes to `log`."""
    from nbclient import NotebookClient

    resources = {"metadata": {"path": str(folder)}}
    with log.open("w") as stream:
        NotebookClient(notebook, kernel_name=KERNEL, timeout=600, resources=resources).execute(stderr=stream)


def to_html(notebook: Any) -> str:
    """The executed notebook as one page that loads nothing."""
    from nbconvert import HTMLExporter

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = MATH.sub(formula, cell.source)
        else:
            cell.outputs = [with_formulas(output) for output in cell.outputs if not is_noise(output)]
    page, _ = HTMLExporter().from_notebook_node(notebook)  # type: ignore[no-untyped-call]
    # The scripts would fetch MathJax, Mermaid and RequireJS; nothing on the page needs them any more.
    page = re.sub(r"<script\b.*?</script>", "", page, flags=re.DOTALL)
    page = page.replace("No description has been provided for this image", "Drawn by the cell above")
    return page.replace("</head>", f"{STYLE}</head>", 1)


def with_formulas(output: Any) -> Any:
    """An output in LaTeX, such as a derivation's, with its formulas as images; others as they are."""
    latex = output.get("data", {}).get("text/latex")
    if latex is not None:
        paragraphs = re.split(r"\n{2,}", latex)
        output.data["text/html"] = "".join(f"<p>{MATH.sub(formula, text)}</p>" for text in paragraphs)
    return output


def is_noise(output: Any) -> bool:
    """Whether an output is only Fontconfig's complaint about the system's own configuration files."""
    return output.get("name") == "stderr" and all(
        line.startswith("Fontconfig warning") for line in output.text.strip().splitlines()
    )


def formula(found: re.Match[str]) -> str:
    """A formula in TeX as an image element, its text the TeX itself."""
    tex = (found["display"] or found["inline"]).strip()
    # TeX sets fractions in full size where a formula stands alone; Matplotlib only when told so.
    picture, depth = typeset(tex.replace(r"\frac", r"\dfrac"), 12) if found["display"] else typeset(tex, 11)
    kind = 'class="display"' if found["display"] else f'style="vertical-align:-{depth:.2f}pt"'
    return f'<img {kind} alt="{html.escape(tex)}" src="data:image/svg+xml;base64,{picture}">'


@functools.cache
def typeset(tex: str, size: int) -> tuple[str, float]:
    """A formula as SVG in base64, and the depth of its baseline in points (Matplotlib's subset of TeX)."""
    import matplotlib
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import math_to_image

    drawn = io.BytesIO()
    with matplotlib.rc_context({"mathtext.fontset": "stix", "savefig.transparent": True}):
        depth = math_to_image(f"${tex}$", drawn, prop=FontProperties(size=size), dpi=72, format="svg")
    return base64.b64encode(drawn.getvalue()).decode("ascii"), float(depth)


def plain(text: str) -> str:
    """A traceback without the terminal's colour codes."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text).strip()


if __name__ == "__main__":
    sys.exit(main())
