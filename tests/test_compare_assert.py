"""`assert_gradients`: what passes, what fails, and what the message says first."""

import doctest
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import autograd_core
from autograd_core import assert_gradients, errors
from autograd_core.compare import Report, tag

X = np.array([[0.5, -1.5, 2.0], [1.0, 0.25, -0.75]])


def f(x):
    return tag(tag(x * 3, "a") ** 2, "b").sum(axis=1)


RIGHT = {"x": lambda g_a: 3 * g_a, "a": lambda g_b, a: 2 * g_b * a, "b": lambda g: g[:, None] + 0 * X}
WRONG = {**RIGHT, "x": lambda g_a: -3 * g_a, "a": lambda g_b, a: 3 * g_b * a}


def root(z, eps):
    return np.sqrt(z**2 + eps)


SWEEP = {"eps": (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)}


def test_right_gradients_pass_and_the_report_is_returned():
    report = assert_gradients(f, {"x": X}, RIGHT)
    assert isinstance(report, Report) and report.ok


def test_the_message_begins_with_the_first_wrong_line_and_contains_the_table():
    with pytest.raises(AssertionError) as caught:
        assert_gradients(f, {"x": X}, WRONG)
    head, worst, _, *table = str(caught.value).splitlines()
    assert head == "2 of 3 claimed gradients are not exact; first: a, wrong: 1.5 times the gradient"
    assert worst.startswith("worst element at (") and "error 5.0e-01" in worst
    assert [line.split()[0] for line in table[2:5]] == ["x", "a", "b"]
    assert table[-1].endswith("first wrong line: a")


def test_one_wrong_claim_is_singular_and_scalars_have_no_index():
    with pytest.raises(AssertionError, match=r"1 of 1 claimed gradients is not exact; first: a, wrong: 0.5 times") as c:
        assert_gradients(lambda a: a * a, {"a": 3.0}, {"a": lambda g, a: g * a})
    assert str(c.value).splitlines()[1].startswith("worst element claimed ")


def test_vacuous_claims_fail_with_the_reason_unless_allowed():
    arguments = (lambda x: 0 * x, {"x": X}, {"x": lambda g: 0 * g})
    with pytest.raises(AssertionError, match="first: x, undecided: structurally zero gradient"):
        assert_gradients(*arguments)
    assert not assert_gradients(*arguments, allow=("exact", "undecided")).ok


def test_approximations_fail_unless_allowed():
    claims = {"z": lambda g, z: g * np.sign(z)}
    with pytest.raises(AssertionError, match="first: z, approximate"):
        assert_gradients(root, {"z": X}, claims, sweep=SWEEP)
    report = assert_gradients(root, {"z": X}, claims, sweep=SWEEP, allow=["exact", "approximate"])
    assert report["z"].verdict == "approximate"
    with pytest.raises(AssertionError, match="not exact or approximate; first: z, wrong"):
        assert_gradients(root, {"z": X}, {"z": lambda g, z: g}, sweep=SWEEP, allow=("approximate", "exact"))


def test_parameters_and_seed_are_handed_on():
    right = {"z": lambda g, z, eps: g * z / np.sqrt(z**2 + eps)}
    first, second = (assert_gradients(root, {"z": X}, right, params={"eps": 0.1}, seed=s) for s in (1, 2))
    assert first["z"].worst != second["z"].worst


@pytest.mark.parametrize("allow", ["exact", (), ("wrong",), ("right",), None, ("exact", 3)])
def test_what_cannot_be_allowed(allow):
    with pytest.raises(errors.ArgumentError, match=r"assert_gradients: allow must be a non-empty tuple out of 'exact'"):
        assert_gradients(f, {"x": X}, RIGHT, allow=allow)


def test_pytest_shows_the_line_of_the_test_and_no_frame_of_ours(tmp_path):
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent(
            """
            import numpy as np
            from autograd_core import assert_gradients

            def test_square():
                assert_gradients(lambda x: x**2, {"x": np.ones(3)}, {"x": lambda g, x: -2 * x * g})
            """
        ),
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=.", "test_it.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(autograd_core.__file__).parents[1]),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_ADDOPTS": "",
        },
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "> " in done.stdout and "test_it.py:6: AssertionError" in done.stdout
    assert "first: x, wrong: sign flipped" in done.stdout
    assert "assertion.py" not in done.stdout and "compare/__init__.py" not in done.stdout


def test_the_examples_in_the_docstrings_run():
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner()
    for function in (autograd_core.assert_gradients, autograd_core.grade):
        (example,) = finder.find(function, globs={})
        result = runner.run(example)
        assert result.attempted >= 4 and result.failed == 0
