"""Data sets read from files: IDX, MNIST, CIFAR-10."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_core as ac
import nn
from autograd_core.disk import FileFormatError, MissingFileError

# -- IDX files

CODES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}


def idx(array: Any, code: int | None = None) -> bytes:
    if code is None:
        code = next(c for c, dtype in CODES.items() if np.dtype(dtype) == array.dtype)
    header = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def refused(path: Any, load: Any, error: type[Exception], *parts: str) -> None:
    with pytest.raises(error) as caught:
        load(path)
    message = str(caught.value)
    for part in (*parts, "called at test_nn_data_files.py:"):
        assert part in message, message


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 3, 4), (0, 3)])
@pytest.mark.parametrize("packed", [False, True])
def test_idx_files(code: int, shape: Any, packed: bool, tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(-100, 100, shape).astype(CODES[code])
    path = tmp_path / ("array.gz" if packed else "array")
    path.write_bytes(gzip.compress(idx(array)) if packed else idx(array))
    for name in (path, str(path)):
        loaded = nn.data.load_idx(name)
        assert loaded.dtype == np.dtype(CODES[code])
        assert loaded.dtype.isnative
        assert loaded.flags.writeable
        np.testing.assert_array_equal(loaded, array)
        assert loaded.shape == shape


def test_idx_compressed_without_saying_so(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(gzip.compress(idx(np.arange(3, dtype="u1"))))
    assert nn.data.load_idx(tmp_path / "a").tolist() == [0, 1, 2]


GOOD = idx(np.arange(6, dtype=np.int16).reshape(2, 3))


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ["must begin with a magic number of 4 bytes, got 0 bytes: truncated"]),
        (b"\0\0\x08", ["got 3 bytes: truncated"]),
        (b"\x89PNG....", ["magic number of an IDX file", "got the bytes 89 50 4e 47"]),
        (b"\0\0\x08\0", ["magic number", "00 00 08 00"]),
        (b"\0\0\x0a\x01\0\0\0\0", ["dtype codes 08 (uint8), 09 (int8), 0b (int16)", "got 0a in 00 00 0a 01"]),
        (GOOD[:9], ["must have 8 bytes of lengths for 2 axes, got 5: truncated"]),
        (GOOD[:-3], ["must have 12 bytes after its header for shape (2, 3) of int16, got 9: truncated"]),
        (GOOD + b"ab", ["must have 12 bytes after its header for shape (2, 3) of int16, got 14: there are trailing"]),
        (b"\0\0\x08\x02" + b"\xff" * 8 + b"123", ["must have 18446744065119617025 bytes", "got 3: truncated"]),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_damaged_idx_files(content: bytes, parts: list[str], packed: bool, tmp_path: Path) -> None:
    path = tmp_path / "some-idx"
    path.write_bytes(gzip.compress(content) if packed else content)
    refused(path, nn.data.load_idx, FileFormatError, "load_idx: ", repr(str(path)), *parts)


def test_damaged_gzip_files(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    whole = gzip.compress(idx(np.random.default_rng(0).integers(0, 256, 1000).astype("u1")))
    path.write_bytes(whole[:-20])
    refused(path, nn.data.load_idx, FileFormatError, "must be a whole gzip file, got one that ends early: truncated")
    path.write_bytes(whole[:-8] + b"12345678")
    refused(path, nn.data.load_idx, FileFormatError, "must be a sound gzip file, got a damaged one (CRC check failed")
    path.write_bytes(whole[:10] + b"\xff" * 50)
    refused(path, nn.data.load_idx, FileFormatError, "must be a sound gzip file, got a damaged one (Error -3")
    path.write_bytes(GOOD)
    refused(path, nn.data.load_idx, FileFormatError, "must be compressed as its name says", r"b'\x00\x00\x0b\x02'")


def test_missing_files(tmp_path: Path) -> None:
    refused(tmp_path / "a", nn.data.load_idx, FileNotFoundError, "the file must exist", "the working directory is")
    (tmp_path / "a.gz").write_bytes(b"")
    refused(tmp_path / "a", nn.data.load_idx, MissingFileError, "the file must exist", "there is", "a.gz'")
    refused(tmp_path, nn.data.load_idx, ac.AutogradError, "that of a file, got the directory")


# -- MNIST


def write_mnist(folder: Path, separator: str = "-", ending: str = "", train: int = 4, test: int = 2) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in (("train", train), ("t10k", test)):
        arrays[f"{part}-images{separator}idx3-ubyte"] = rng.integers(0, 256, (n, 5, 6)).astype("u1")
        arrays[f"{part}-labels{separator}idx1-ubyte"] = rng.integers(0, 10, n).astype("u1")
    for name, array in arrays.items():
        content = idx(array)
        (folder / (name + ending)).write_bytes(gzip.compress(content) if ending else content)
    return arrays


@pytest.mark.parametrize("separator", ["-", "."])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_mnist(separator: str, ending: str, tmp_path: Path) -> None:
    expected = list(write_mnist(tmp_path, separator, ending).values())
    (x, y), (u, v) = nn.data.load_mnist(tmp_path)
    for array, other in zip((x, y, u, v), expected):
        np.testing.assert_array_equal(array, other)
    assert (x.dtype, y.dtype) == (np.uint8, np.int64)
    assert (x.shape, v.shape) == ((4, 5, 6), (2,))


def test_mnist_errors(tmp_path: Path) -> None:
    load = nn.data.load_mnist
    refused(tmp_path, load, MissingFileError, "without train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images")
    arrays = write_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    refused(tmp_path, load, MissingFileError, "without t10k-labels-idx1-ubyte;")
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(3, "u1")))
    refused(tmp_path, load, FileFormatError, "must hold a label for each image, got 2 images and 3 labels in t10k")
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(arrays["t10k-images-idx3-ubyte"]))
    refused(tmp_path, load, FileFormatError, "must have 1 axes, got shape (2, 5, 6)")
    (tmp_path / "train-images-idx3-ubyte").write_bytes(GOOD[:-1])
    refused(tmp_path, load, FileFormatError, "train-images-idx3-ubyte'", "got 11: truncated")


# -- CIFAR-10

BATCHES = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]


def records(n: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).integers(0, 256, (n, 3073)).astype(np.uint8)
    rows[:, 0] %= 10
    return rows


def write_cifar(folder: Path, ending: str = "") -> np.ndarray:
    folder.mkdir(exist_ok=True)
    for i, name in enumerate(BATCHES):
        content = records(2, i).tobytes()
        (folder / (name + ending)).write_bytes(gzip.compress(content) if ending else content)
    return np.concatenate([records(2, i) for i in range(6)])


def pack(path: Path, files: dict[str, bytes], mode: str = "w:gz") -> None:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def check_cifar(loaded: Any, rows: np.ndarray) -> None:
    (x, y), (u, v) = loaded
    assert (x.shape, y.shape, u.shape, v.shape) == ((10, 3, 32, 32), (10,), (2, 3, 32, 32), (2,))
    assert (x.dtype, y.dtype) == (np.uint8, np.int64)
    np.testing.assert_array_equal(np.concatenate([y, v]), rows[:, 0])
    np.testing.assert_array_equal(np.concatenate([x, u]).reshape(12, -1), rows[:, 1:])
    assert x.flags.writeable
    assert u.flags.writeable


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_cifar10_from_a_directory(ending: str, tmp_path: Path) -> None:
    rows = write_cifar(tmp_path / "cifar-10-batches-bin", ending)
    check_cifar(nn.data.load_cifar10(tmp_path / "cifar-10-batches-bin"), rows)
    check_cifar(nn.data.load_cifar10(str(tmp_path)), rows)


def test_cifar10_from_a_single_batch(tmp_path: Path) -> None:
    rows = records(3)
    (tmp_path / "b.bin").write_bytes(rows.tobytes())
    (tmp_path / "b.bin.gz").write_bytes(gzip.compress(rows.tobytes()))
    for name in ("b.bin", "b.bin.gz"):
        x, y = nn.data.load_cifar10(tmp_path / name)
        np.testing.assert_array_equal(y, rows[:, 0])
        assert x[1, 2, 3, 4] == rows[1, 1 + 2 * 1024 + 3 * 32 + 4]


@pytest.mark.parametrize(("name", "mode"), [("cifar-10-binary.tar.gz", "w:gz"), ("c.tar", "w"), ("odd", "w:gz")])
def test_cifar10_from_an_archive(name: str, mode: str, tmp_path: Path) -> None:
    rows = write_cifar(tmp_path / "files")
    files = {f"cifar-10-batches-bin/{n}": (tmp_path / "files" / n).read_bytes() for n in BATCHES[::-1]}
    (tmp_path / "data").mkdir()
    pack(tmp_path / "data" / name, {"../../escape.html": b"x", "cifar-10-batches-bin/readme.html": b"y", **files}, mode)
    check_cifar(nn.data.load_cifar10(tmp_path / "data" / name), rows)
    if name.startswith("cifar"):
        check_cifar(nn.data.load_cifar10(tmp_path / "data"), rows)
    assert sorted(p.name for p in tmp_path.rglob("*")) == sorted(["data", name, "files", *BATCHES]), "nothing extracted"


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ["whole records of 3073 bytes, got 0 bytes = 0 records and 0 bytes: truncated"]),
        (records(2).tobytes()[:-1], ["got 6145 bytes = 1 records and 3072 bytes: truncated"]),
        (bytes(3074 * 2), ["got 6148 bytes", "it fits records of 3074 bytes, as CIFAR-100 has"]),
        (b"\x09" + bytes(3072) + b"\x0a" + bytes(3072), ["labels in 0..9, got 10 in record 1 (1 of 2 are outside)"]),
        (pickle.dumps({b"data": 1}, protocol=2), ["got a pickle; get the binary version, cifar-10-binary.tar.gz"]),
    ],
    ids=["empty", "short", "cifar-100", "label", "pickle"],
)
def test_damaged_cifar10_batches(content: bytes, parts: list[str], tmp_path: Path) -> None:
    path = tmp_path / "data_batch_1.bin"
    path.write_bytes(content)
    refused(path, nn.data.load_cifar10, FileFormatError, "load_cifar10: ", repr(str(path)), *parts)
    pack(tmp_path / "a.tar.gz", {"d/data_batch_1.bin": content})
    refused(tmp_path / "a.tar.gz", nn.data.load_cifar10, FileFormatError, "a.tar.gz:d/data_batch_1.bin'", *parts)


def test_cifar10_of_missing_and_other_files(tmp_path: Path) -> None:
    load = nn.data.load_cifar10
    refused(tmp_path / "none", load, MissingFileError, "the file must exist")
    refused(tmp_path, load, MissingFileError, "all six batches must be there", "without data_batch_1.bin, data_batch_2")
    write_cifar(tmp_path)
    (tmp_path / "data_batch_3.bin").unlink()
    refused(tmp_path, load, MissingFileError, "without data_batch_3.bin; for a single batch")
    archive = tmp_path / "x.tar.gz"
    pack(archive, {"a/data_batch_1.bin": records(1).tobytes(), "b/data_batch_1.bin": records(1).tobytes()})
    refused(archive, load, FileFormatError, "must hold each batch once, got a second 'b/data_batch_1.bin'")
    pack(archive, {"a/test_batch.bin": records(1).tobytes()})
    refused(archive, load, MissingFileError, "without data_batch_1.bin")
    with tarfile.open(archive, "w:gz") as file:
        for name in BATCHES:
            link = tarfile.TarInfo(f"a/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "readme.html"
            file.addfile(link)
        readme = tarfile.TarInfo("a/readme.html")
        readme.size = 3073
        file.addfile(readme, io.BytesIO(bytes(3073)))
    refused(archive, load, MissingFileError, "without data_batch_1.bin")  # links are not followed
    python = {f"cifar-10-batches-py/{name.removesuffix('.bin')}": b"\x80\x02" for name in BATCHES}
    pack(archive, python)
    refused(archive, load, FileFormatError, "got those of the python version", "which may run code on loading")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "data_batch_1").write_bytes(b"\x80\x02")
    refused(tmp_path / "new", load, FileFormatError, "got those of the python version")


def test_damaged_archives(tmp_path: Path) -> None:
    files = {f"d/{name}": records(2, i).tobytes() for i, name in enumerate(BATCHES)}
    for name, mode in (("a.tar.gz", "w:gz"), ("a.tar", "w")):
        path = tmp_path / name
        pack(path, files, mode)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        refused(path, nn.data.load_cifar10, FileFormatError, "truncated")
    packed = tmp_path / "b.tar.gz"
    packed.write_bytes(gzip.compress(b"no archive"))
    refused(packed, nn.data.load_cifar10, FileFormatError, "must be a whole tar archive, got one that is truncated")
