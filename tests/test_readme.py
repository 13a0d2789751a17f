"""The examples of the README run as printed, and print what it says."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def shapes_of(svg):
    """What a drawing shows, without the coordinates that another Graphviz may place differently."""
    return sorted(re.findall(r"<text[^>]*>([^<]*)</text>", svg))


def test_the_judged_derivation_runs_and_prints_what_is_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(EXAMPLES[0], "README.md", "exec"), {"__name__": "readme"})
    shown = re.search(r"```text\n(.*?)```", README, flags=re.DOTALL)[1]
    printed = capsys.readouterr().out
    # The size of a rounding error depends on the BLAS; verdicts, hints and the large error do not.
    rounding = re.compile(r"\d\.\de(\+00|-1[5-9])")
    assert rounding.sub("~", printed) == rounding.sub("~", shown)
    assert "wrong          1.4e-01" in printed
    committed = (ROOT / "notebooks" / "batch_norm.svg").read_text(encoding="utf-8")
    assert shapes_of((tmp_path / "batch_norm.svg").read_text(encoding="utf-8")) == shapes_of(committed)


def test_the_derivation_continues_the_example_and_ends_as_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(EXAMPLES[:2]), "README.md", "exec"), {"__name__": "readme"})
    shown = re.findall(r"```text\n(.*?)```", README, flags=re.DOTALL)[1]
    assert shown.startswith("Collected by name")
    assert capsys.readouterr().out.endswith(shown)


def test_the_network_trains(capsys):
    pytest.importorskip("sklearn", reason="the digits come from scikit-learn")
    exec(compile(EXAMPLES[2], "README.md", "exec"), {"__name__": "readme"})
    assert float(capsys.readouterr().out) < 0.05


def test_the_compiled_step_trains(capsys):
    exec(compile(EXAMPLES[3], "README.md", "exec"), {"__name__": "readme"})
    assert capsys.readouterr().out == "True\n"


def test_every_python_block_is_one_of_the_four():
    assert len(EXAMPLES) == 4
