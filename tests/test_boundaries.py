"""What the packages may know of each other, and what no file of `nn` or `optim` may contain."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = {package: sorted((ROOT / package).rglob("*.py")) for package in ("autograd_core", "nn", "optim")}
FORBIDDEN = {"autograd_core": {"nn", "optim"}, "nn": {"optim"}, "optim": {"nn"}}


def imported(tree):
    """The top-level packages that a module imports, wherever in it; relative imports stay within."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.split(".")[0]


def calculus(tree):
    """Declarations of gradient rules: a function named like one, or a call or decorator `.vjp`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.strip("_") in (
            "backward",
            "vjp",
            "jvp",
        ):
            yield f"{node.name}, line {node.lineno}"
        if isinstance(node, ast.Attribute) and node.attr in ("vjp", "jvp"):
            yield f".{node.attr}, line {node.lineno}"


def test_the_checks_see_what_they_look_for():
    source = "import optim.x\nfrom nn.a import b\nfrom . import c\n@f.vjp\ndef _backward(): pass"
    assert set(imported(ast.parse(source))) == {"optim", "nn"}
    assert len(list(calculus(ast.parse(source)))) == 2


@pytest.mark.parametrize("package", FILES)
def test_no_package_imports_what_it_must_not_know(package):
    assert FILES[package]
    for file in FILES[package]:
        known = set(imported(ast.parse(file.read_text(encoding="utf-8"))))
        assert not known & FORBIDDEN[package], f"{file.name} imports {known & FORBIDDEN[package]}"


@pytest.mark.parametrize("package", ["nn", "optim"])
def test_layers_losses_and_optimizers_contain_no_derivative(package):
    for file in FILES[package]:
        assert not list(calculus(ast.parse(file.read_text(encoding="utf-8")))), file.name


def test_the_import_loads_no_heavy_library():
    heavy = (
        "scipy",
        "graphviz",
        "pygraphviz",
        "tqdm",
        "safetensors",
        "numba",
        "dask",
        "matplotlib",
        "sklearn",
        "nn",
        "optim",
    )
    code = f"import sys, autograd_core; print([m for m in {heavy!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert run.stdout.strip() == "[]"
