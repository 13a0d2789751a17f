"""States in files: what is written and read back, by others too, and what a failure leaves."""

from __future__ import annotations

import json
import os
import pickle
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import autograd_core as ac
import nn
from autograd_core import Tensor
from autograd_core.disk import FileFormatError, MissingFileError, load_arrays, save_arrays
from nn.state import StateDictError
from small_net import Net


@pytest.fixture(autouse=True)
def _seeded() -> None:
    ac.random.seed(0)


def trained() -> Net:
    net = Net()
    net(np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32))
    return net


def same(a: Any, b: Any) -> None:
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=key, strict=True)


def test_save_and_load(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    net = trained()
    assert nn.save(net, path) is None
    state = nn.load(path)
    same(state, net.state_dict())
    assert all(a.flags.writeable for a in state.values())
    assert state["body.1.num_batches_tracked"].shape == ()
    assert state["body.1.num_batches_tracked"].dtype == np.int64
    same(load_file(path), state)  # what other libraries see
    for load in (lambda m: nn.load(m, path), lambda m: nn.load(str(path), m)):
        ac.random.seed(1)
        other = Net()
        assert load(other) is other
        same(other.state_dict(), net.state_dict())
    assert sorted(os.listdir(tmp_path)) == ["net.safetensors"]


def test_files_of_others_load(tmp_path: Path) -> None:
    net = trained()
    save_file(net.state_dict(), tmp_path / "a.safetensors")
    same(nn.load(Net(), tmp_path / "a.safetensors").state_dict(), net.state_dict())


def test_arrays_of_any_layout(tmp_path: Path) -> None:
    arrays = {
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big endian": np.arange(3, dtype=">i4"),
        "strided": np.arange(10, dtype=np.uint8)[::-2],
        "empty": np.zeros((0, 3), np.float16),
        "none": np.array(True),
        "scalar": np.float32(2),
        "read-only": np.broadcast_to(np.int16(3), (2, 2)),
        "list": [1, 2],
        "tensor": Tensor(np.ones(2), requires_grad=True),
    }
    nn.save(arrays, tmp_path / "a")
    loaded = nn.load(tmp_path / "a")
    for name, value in arrays.items():
        array = np.asarray(value.data if isinstance(value, Tensor) else value)
        np.testing.assert_array_equal(loaded[name], array)
        assert loaded[name].shape == array.shape
        assert loaded[name].dtype == array.dtype.newbyteorder("=")
    nn.save({}, tmp_path / "a")
    assert nn.load(tmp_path / "a") == {}


def test_shared_weights_are_written_under_each_key(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    nn.save(net, tmp_path / "a")
    assert sorted(load_file(tmp_path / "a")) == ["0.bias", "0.weight", "1.bias", "1.weight"]
    nn.load(net, tmp_path / "a")
    assert net[1].weight is net[0].weight


def test_metadata(tmp_path: Path) -> None:
    nn.save({"a": np.ones(1)}, tmp_path / "a", metadata={"epoch": "3"})
    with safe_open(tmp_path / "a", "np") as file:
        assert file.metadata() == {"format": "np", "epoch": "3"}
    assert load_arrays(tmp_path / "a")[1] == {"format": "np", "epoch": "3"}
    save_arrays({}, tmp_path / "a", metadata={"format": "pt"})
    assert load_arrays(tmp_path / "a")[1] == {"format": "pt"}


def test_bfloat16_becomes_float32(tmp_path: Path) -> None:
    values = np.array([1.0, -2.5, 3e38, np.inf], np.float32)
    content = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    (tmp_path / "a").write_bytes(raw({"w": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}, content))
    loaded = nn.load(tmp_path / "a")["w"]
    assert (loaded.dtype, loaded.shape) == (np.float32, (2, 2))
    np.testing.assert_allclose(loaded.ravel(), values, rtol=2**-8)


def raw(header: Any, content: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content


class Failing:
    """Stands for the part of `os` that fails."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["fsync", "replace", "chmod", "fdopen"])
def test_a_write_that_fails_leaves_the_old_file(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "net.safetensors"
    nn.save({"a": np.ones(3)}, path)
    old = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, name, Failing())
        with pytest.raises(KeyboardInterrupt):
            nn.save({"a": np.zeros(3)}, path)
        with pytest.raises(KeyboardInterrupt):
            nn.save({"a": np.zeros(3)}, tmp_path / "new")
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == ["net.safetensors"], "and no temporary file"


def test_the_temporary_file_is_beside_the_file(tmp_path: Path, monkeypatch: Any) -> None:
    replace, moved = os.replace, []

    def watched(source: str, target: str) -> None:
        moved.append((os.path.dirname(source), target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    nn.save({"a": np.ones(1)}, tmp_path / "a")
    assert moved == [(str(tmp_path.resolve()), str(tmp_path.resolve() / "a"))]


def test_a_refused_array_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    nn.save({"a": np.ones(3)}, path)
    with pytest.raises(ac.AutogradError):
        nn.save({"a": np.zeros(3), "b": np.ones(2) * 1j}, path)
    np.testing.assert_array_equal(nn.load(path)["a"], 1)


def test_permissions_and_links_stay(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    nn.save({"a": np.ones(1)}, target)
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~mask
    target.chmod(0o640)
    link.symlink_to(target)
    nn.save({"a": np.zeros(1)}, link)
    assert link.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert nn.load(target)["a"].item() == 0


def test_a_state_that_does_not_fit_is_not_loaded(tmp_path: Path) -> None:
    net = trained()
    before = net.state_dict()
    nn.save({"head.weight": np.ones((2, 4)), "extra": np.ones(1)}, tmp_path / "a")
    with pytest.raises(StateDictError, match=r"got 8 that differ:\n  missing body.0.weight \(4, 3\)") as caught:
        nn.load(net, tmp_path / "a")
    assert "called at test_nn_saving.py:" in str(caught.value)
    same(net.state_dict(), before)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "got 0 bytes in it: it is empty"),
        (b"hello world", "got 11 bytes that begin with b'hello wor', which is no header"),
        (b"PK\x03\x04" + bytes(20), "that begin as a zip archive, as torch.save and np.savez write"),
        (pickle.dumps({"a": 1}), "that begin as a pickle, which is not read since it may run code"),
        (raw({"w": 1})[:12], "that end within their header of 8 bytes: truncated"),
        (raw({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(7)),
         "that hold 7 bytes of data where the header announces 8: truncated"),
        (raw({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(9)),
         "that hold 9 bytes of data where the header announces 8: there are trailing bytes"),
        (raw({"w": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}, bytes(8)), "with a damaged header"),
        (raw({"w": 1}), "with a damaged header"),
        (raw([1]), r"that begin with b'\x03\x00\x00\x00\x00\x00\x00\x00[', which is no header"),
        ((9).to_bytes(8, "little") + b"{" + b"a" * 20, "with a damaged header"),
        (raw({"w": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}}, bytes(2)),
         "must hold dtypes that NumPy has, got F8_E4M3 for 'w'"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_read(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(FileFormatError) as caught:
        nn.load(Net(), tmp_path / "a.safetensors")
    for part in ("load: ", "a.safetensors'", message, "called at test_nn_saving.py:"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("error", "message", "action"),
    [
        (MissingFileError, "load: the file must exist, got 'none.safetensors'; the working directory is",
         lambda p: nn.load("none.safetensors")),
        (FileNotFoundError, "the file must exist", lambda p: nn.load(Net(), p / "none")),
        (ac.errors.DTypeError, r"save: 'c' must be a float \(16 to 64 bits\), integer or boolean array, got dtype "
         r"complex128; save its .real and .imag", lambda p: nn.save({"c": np.ones(2) * 1j}, p / "a")),
        (ac.errors.DTypeError, "save: 's' must be .* got dtype <U1; convert it",
         lambda p: nn.save({"s": "a"}, p / "a")),
        (ac.errors.DTypeError, "save: 'r' must be an array, got list", lambda p: nn.save({"r": [1, [2]]}, p / "a")),
        (ac.errors.ArgumentError, "save: names must be strings, got 3", lambda p: nn.save({3: np.ones(1)}, p / "a")),
        (ac.errors.ArgumentError, "save: metadata entries must be strings, got 3; use str",
         lambda p: nn.save({}, p / "a", metadata={"epoch": 3})),
        (ac.errors.ArgumentError, "save: the name '__metadata__' must be free",
         lambda p: nn.save({"__metadata__": np.ones(1)}, p / "a")),
        (ac.errors.ArgumentError, "save: what is saved must be a Module or a mapping of names to arrays, got str",
         lambda p: nn.save(str(p / "a"), Net())),
        (ac.errors.ArgumentError, "load: the arguments must be a path, or a module and a path, got str and str",
         lambda p: nn.load("a", "b")),
        (ac.errors.ArgumentError, "got Net and NoneType", lambda p: nn.load(Net())),
    ],
)  # fmt: skip
def test_saving_errors(error: type[Exception], message: str, action: Any, tmp_path: Path) -> None:
    with pytest.raises(error, match=message) as caught:
        action(tmp_path)
    assert "called at test_nn_saving.py:" in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        nn.save(Net(), tmp_path / "none" / "a")
