"""CIFAR-10's binary batches (Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html)."""

from __future__ import annotations

import gzip
import os
import tarfile
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from autograd_core.disk import MissingFileError
from autograd_core.errors import where

from .._paths import path_name
from ._files import Reader, is_gzip, opened, problem

__all__ = ["load_cifar10"]

_BY = "load_cifar10"
_RECORD = 1 + 3 * 32 * 32  # a label and three planes
_TRAIN = [f"data_batch_{i}.bin" for i in range(1, 6)]
_NAMES = [*_TRAIN, "test_batch.bin"]
_PICKLES = {name.removesuffix(".bin") for name in _NAMES} | {"cifar-10-batches-py", "cifar-10-python.tar.gz"}
_BINARY = (
    "get the binary version, cifar-10-binary.tar.gz: the python version is a pickle, which may run code on loading"
)


def load_cifar10(path: Any) -> Any:
    """CIFAR-10 from its binary version.

    A record is one byte of label and 3072 bytes of pixels: the red, the green and the blue plane of 32 x 32.

    Args:
        path: the archive `cifar-10-binary.tar.gz` (read in memory, nothing is extracted), the directory
            `cifar-10-batches-bin`, the directory that holds one of these, or a single batch such as `test_batch.bin`.
            Batches may be compressed (".bin.gz").

    Returns:
        (x_train, y_train), (x_test, y_test); for a single batch (x, y). Images are uint8 (N, 3, 32, 32), labels int64
        (N,), in the order of the files.

    Raises:
        MissingFileError: there is no such file, or some of the six batches are missing; all of them are named.
        FileFormatError: a file has no whole number of records, a label outside 0..9, is damaged, or is the python
            (pickle) version.
    """
    name = path_name(_BY, path)
    if os.path.isdir(name):
        return _both(_of_directory(name))
    with opened(name, _BY) as reader:
        head = reader.up_to(262)
        if not (is_tar(head) or name.endswith((".tar", ".tar.gz", ".tgz"))):
            return _parse(head + reader.up_to(1 << 62), name)
    return _both(_of_archive(name))


def is_tar(head: bytes) -> bool:
    """Whether a (decompressed) file begins as a tar archive; pixels in that place spell "ustar" once in 10^12 files."""
    return head[257:262] == b"ustar"


def _of_directory(folder: str) -> dict[str, Any]:
    if not _present(folder):
        inner, archive = (os.path.join(folder, n) for n in ("cifar-10-batches-bin", "cifar-10-binary.tar.gz"))
        if os.path.isdir(inner):
            folder = inner
        elif os.path.isfile(archive):
            return _of_archive(archive)
    paths = _present(folder)
    _refuse_missing(folder, paths, os.listdir(folder))
    batches = {}
    for name, path in paths.items():
        with opened(path, _BY) as reader:
            batches[name] = _parse(reader.up_to(1 << 62), path)
    return batches


def _present(folder: str) -> dict[str, str]:
    found = {}
    for name in _NAMES:
        for path in (os.path.join(folder, name), os.path.join(folder, f"{name}.gz")):
            if name not in found and os.path.isfile(path):
                found[name] = path
    return found


def _of_archive(path: str) -> dict[str, Any]:
    batches: dict[str, Any] = {}
    seen = []
    try:
        with tarfile.open(path, "r:gz" if is_gzip(path) else "r:") as archive:
            for member in archive:
                name = os.path.basename(member.name)
                seen.append(name)
                if name not in _NAMES or not member.isreg():
                    continue
                if name in batches:
                    raise problem(_BY, path, f"must hold each batch once, got a second {member.name!r}; pack it anew")
                stream = archive.extractfile(member)
                assert stream is not None  # a regular file
                batches[name] = _parse(Reader(stream, _BY, path).up_to(member.size), f"{path}:{member.name}")
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise problem(
            _BY, path, f"must be a whole tar archive, got one that is truncated or damaged ({error}); fetch it again"
        ) from error
    _refuse_missing(path, batches, seen)
    return batches


def _refuse_missing(place: str, found: Any, there: Iterable[str]) -> None:
    if not found and any(name in _PICKLES for name in there):
        raise problem(_BY, place, f"must hold the binary batches, got those of the python version; {_BINARY}")
    missing = [name for name in _NAMES if name not in found]
    if missing:
        raise MissingFileError(
            f"{_BY}: all six batches must be there, got {place!r} without {', '.join(missing)}; for a single batch "
            f"pass the path of its file. {where(_BY)}"
        )


def _parse(content: bytes, name: str) -> tuple[Any, Any]:
    """Images and labels of one batch."""
    size = len(content)
    if content[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        raise problem(_BY, name, f"must be a binary batch, got a pickle; {_BINARY}")
    if size == 0 or size % _RECORD:
        hint = "truncated; fetch it again"
        if size and size % (_RECORD + 1) == 0:
            hint = f"it fits records of {_RECORD + 1} bytes, as CIFAR-100 has"
        raise problem(
            _BY,
            name,
            f"must be whole records of {_RECORD} bytes, got {size} bytes = {size // _RECORD} records and "
            f"{size % _RECORD} bytes: {hint}",
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD)
    labels = records[:, 0].astype(np.int64)
    if labels.max() > 9:
        first = int(np.argmax(labels > 9))
        raise problem(
            _BY,
            name,
            f"must have labels in 0..9, got {labels[first]} in record {first} ({int(np.sum(labels > 9))} of "
            f"{len(labels)} are outside); it is another data set, or damaged",
        )
    return records[:, 1:].reshape(-1, 3, 32, 32).copy(), labels


def _both(batches: dict[str, Any]) -> Any:
    images, labels = zip(*(batches[name] for name in _TRAIN))
    return (np.concatenate(images), np.concatenate(labels)), batches["test_batch.bin"]
