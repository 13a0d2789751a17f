"""Files that an earlier process left behind when it was killed while it saved."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from autograd_core import disk

KILLED = """
import os, signal, sys
import numpy as np
from autograd_core import disk
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
disk.save_arrays({"a": np.ones(3)}, sys.argv[1])
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_what_a_killed_process_left_is_removed_by_the_next_save(tmp_path):
    path, other = tmp_path / "run.safetensors", tmp_path / "run.safetensors.2"
    for target in (path, other):
        done = subprocess.run([sys.executable, "-c", KILLED, str(target)], check=False)
        assert done.returncode == -signal.SIGKILL
    left = sorted(file.name for file in tmp_path.iterdir())
    assert len(left) == 2 and not path.exists()
    disk.save_arrays({"a": np.zeros(3)}, path)
    # That of another target stays until that is saved.
    (mine,) = (name for name in left if name.startswith(".run.safetensors.2."))
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([mine, path.name])
    np.testing.assert_array_equal(disk.load_arrays(path)[0]["a"], 0)


def test_files_of_living_processes_and_of_others_stay(tmp_path):
    path = tmp_path / "run"
    machine, process = disk._writer().split("-")
    kept = [
        f".run.{machine}-{process}.abcdefgh.tmp",  # being written
        ".run.00000000-999999999.abcdefgh.tmp",  # on another machine, whose processes cannot be asked for
        ".run.abcdefgh.tmp",
        f".run.{machine}-999999999.abcdefgh.tmp.bak",
        f"run.{machine}-999999999.abcdefgh.tmp",
        f".run2.{machine}-999999999.abcdefgh.tmp",
    ]
    for name in kept:
        (tmp_path / name).touch()
    old = tmp_path / ".run.00000000-1.abcdefgh.tmp"
    old.touch()
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    disk.write_atomically(path, b"content")
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([*kept, "run"])
