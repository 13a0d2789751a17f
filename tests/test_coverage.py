"""Every public function of NumPy and `scipy.special` on Tensors: a gradient, none by nature, or a refusal."""

import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import scipy.special

import autograd_core as ac
import coverage_cases as cases
from autograd_core import Tensor, coverage, refusals
from autograd_core.coverage import NO_GRADIENT, REFUSED, RULE
from autograd_core.errors import AutogradError
from coverage_cases import TEMPLATES, check_no_gradient, check_refused, check_rule, key

FILE = pathlib.Path(coverage.__file__).parent / "ops" / "FUNCTIONS.md"
LINE = re.compile(r"\| (\S.*?) \| (rule|no gradient|refused) \| .* \|")
ROWS = coverage.rows()


def read():
    space, found = "", {}
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            space = line[3:]
        elif space and (match := LINE.fullmatch(line)):
            found[f"{space}.{match[1]}"] = match[2]
    return found


# Those that other versions have beside these are in the table too, but what they must be called with is not known here.
@pytest.mark.parametrize("row", [row for row in ROWS if key(row) in read()], ids=key)
def test_each_function_is_what_the_table_says(row):
    f, candidates = cases.function(row), cases.candidates(row)
    if row.status == RULE:
        check_rule(f, candidates, row.name in cases.SYMMETRICALLY)
    elif row.status == NO_GRADIENT:
        check_no_gradient(f, candidates)
    else:
        names = {row.name, getattr(f, "__name__", row.name), *cases.NAMED.get(key(row), ())}
        missing = (AttributeError, "; write ") if row.namespace == "numpy.ndarray" else (AutogradError, "")
        check_refused(f, candidates, names, cases.OTHER_COMPLAINTS.get(key(row), missing))


def dropped(x):
    return x.detach() * 2 if isinstance(x, Tensor) else x * 2


def half_dropped(x, y):
    return x * (y.detach() if isinstance(y, Tensor) else y)


def wrong(x):
    return x * 2 + x.detach() * 1e-3 if isinstance(x, Tensor) else x * 2.001


WRONG = {
    "a gradient dropped": lambda: check_rule(dropped, TEMPLATES),
    "one of two dropped": lambda: check_rule(half_dropped, TEMPLATES),
    "off by 0.05 %": lambda: check_rule(wrong, TEMPLATES),
    "no gradient at all": lambda: check_rule(np.sign, TEMPLATES),
    "a gradient where there is none": lambda: check_no_gradient(np.exp, TEMPLATES),
    "no refusal": lambda: check_refused(np.exp, TEMPLATES, {"exp"}),
    "a refusal under another name": lambda: check_refused(np.nextafter, TEMPLATES, {"after that"}),
    "arguments that do not fit": lambda: check_rule(np.dsplit, TEMPLATES),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_checks_can_fail(name):
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        WRONG[name]()


def test_nothing_falls_outside_the_table():
    assert not coverage.unclassified(), "name these in autograd_core/coverage.py, as coercing or as excluded"
    assert {row.status for row in ROWS} == {RULE, NO_GRADIENT, REFUSED}
    listed = [key(row) for row in ROWS]
    assert len(set(listed)) == len(listed)


def test_the_file_is_up_to_date():
    """Entirely with the versions that wrote it; with others in what both have."""
    text = FILE.read_text(encoding="utf-8")
    if f"NumPy {np.__version__}, SciPy {scipy.__version__}." in text:
        assert text == coverage.table(), "make functions"
    written_down, found = read(), {key(row): row.status for row in ROWS}
    common = written_down.keys() & found.keys()
    assert len(common) > 750
    assert {name: written_down[name] for name in common} == {name: found[name] for name in common}, "make functions"


def test_the_counts_are_those_of_the_table():
    found = list(read().values())
    total = next(line for line in FILE.read_text(encoding="utf-8").splitlines() if line.startswith("| all |"))
    numbers = [found.count(status) for status in (RULE, NO_GRADIENT, REFUSED)]
    assert total == "| all | " + " | ".join(map(str, [*numbers, len(found)])) + " |"


def test_the_readme_has_the_counts():
    readme = (FILE.parent.parent.parent / "README.md").read_text(encoding="utf-8")
    found = list(read().values())
    rule, none, refused = (found.count(status) for status in (RULE, NO_GRADIENT, REFUSED))
    assert f"all {len(found)} functions and array attributes of NumPy" in readme
    assert f"{rule} have a rule, {none} have no gradient by nature, {refused} are refused" in readme


def test_the_module_writes_the_table_and_is_not_imported_with_the_package(tmp_path):
    file = tmp_path / "FUNCTIONS.md"
    root = pathlib.Path(ac.__file__).parent.parent
    subprocess.run([sys.executable, "-m", "autograd_core.coverage", str(file)], check=True, cwd=root)
    assert file.read_text(encoding="utf-8") == coverage.table()
    code = "import sys, autograd_core; sys.exit('autograd_core.coverage' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)


def test_every_text_is_for_a_function_that_there_is():
    listed = {row.name for row in ROWS} | {f"emath.{row.name}" for row in ROWS if row.namespace == "numpy.emath"}
    unknown = refusals.INSTEAD.keys() - listed
    assert unknown <= {"_lambertw", "legendre_p"}  # the ufunc that lambertw calls; SciPy has legendre_p since 1.15
