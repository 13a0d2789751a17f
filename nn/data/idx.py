"""IDX files, the format of MNIST and Fashion-MNIST (LeCun, Cortes & Burges, http://yann.lecun.com/exdb/mnist)."""

from __future__ import annotations

import math
import os
import struct
from typing import Any

import numpy as np

from autograd_core.disk import MissingFileError
from autograd_core.errors import where

from .._paths import path_name
from ._files import Reader, opened, problem

__all__ = ["load_idx", "load_mnist"]

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_AXES = 64


def load_idx(path: Any) -> Any:
    """The array in an IDX file, plain or gzip.

    The file is two zero bytes, a code of the dtype, the number of axes, the lengths as big-endian 32-bit integers, and
    the elements, big-endian, in C order.

    Returns:
        An array of uint8, int8, int16, int32, float32 or float64 in the machine's byte order, writable.

    Raises:
        MissingFileError: there is no such file.
        FileFormatError: the magic number or dtype code is wrong, there are fewer or more bytes than the header
            announces, or the gzip stream is damaged.
    """
    with opened(path, "load_idx") as reader:
        return _read(reader, "load_idx", os.fsdecode(path))


def _read(reader: Reader, by: str, name: str) -> Any:
    magic = reader.up_to(4)
    if len(magic) < 4:
        raise problem(by, name, f"must begin with a magic number of 4 bytes, got {len(magic)} bytes: truncated")
    if magic[:2] != b"\0\0" or magic[3] == 0:
        raise problem(
            by,
            name,
            f"must begin with the magic number of an IDX file, 00 00, dtype and number of axes, got the bytes "
            f"{magic.hex(' ')}; it is another kind of file",
        )
    if magic[2] not in _DTYPES:
        codes = ", ".join(f"{code:02x} ({np.dtype(dtype).name})" for code, dtype in _DTYPES.items())
        raise problem(
            by,
            name,
            f"must have one of the dtype codes {codes} in its third byte, got {magic[2]:02x} in {magic.hex(' ')}",
        )
    axes = magic[3]
    if axes > _MOST_AXES:
        raise problem(by, name, f"must have at most {_MOST_AXES} axes, as NumPy's arrays do, got {axes}; it is damaged")
    header = reader.up_to(4 * axes)
    if len(header) < 4 * axes:
        raise problem(
            by,
            name,
            f"must have {4 * axes} bytes of lengths for {axes} axes, got {len(header)}: truncated; fetch it again",
        )
    shape = struct.unpack(f">{axes}I", header)
    dtype = np.dtype(_DTYPES[magic[2]])
    expected = math.prod(shape) * dtype.itemsize
    content = reader.up_to(expected)
    found = len(content) + reader.rest()
    if found != expected:
        what = "truncated; fetch it again" if found < expected else "there are trailing bytes, or the header is wrong"
        raise problem(
            by,
            name,
            f"must have {expected} bytes after its header for shape {shape} of {dtype.name}, got {found}: {what}",
        )
    try:
        return np.frombuffer(content, dtype).astype(dtype.newbyteorder("=")).reshape(shape)
    except ValueError as error:  # a length of 0 beside lengths whose product no array can have
        raise problem(
            by, name, f"must have lengths that an array can have, got shape {shape} ({error}); it is damaged"
        ) from error


def load_mnist(directory: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """MNIST, Fashion-MNIST or another data set of their four files, from a directory.

    The files are `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte`,
    `t10k-labels-idx1-ubyte`, with "-" or "." before "idx", gzip (".gz") or not.

    Returns:
        (x_train, y_train), (x_test, y_test): images uint8 (N, rows, columns), labels int64 (N,).

    Raises:
        MissingFileError: the directory or some of the files are missing; all of them are named.
        FileFormatError: a file is damaged (see `load_idx`), has another number of axes, or holds another number of
            labels than there are images.
    """
    by, folder = "load_mnist", path_name("load_mnist", directory)
    names = [f"{part}-{kind}" for part in ("train", "t10k") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]
    paths = {name: _find(folder, name) for name in names}
    missing = [name for name, path in paths.items() if path is None]
    if missing:
        raise MissingFileError(
            f"{by}: the directory must hold the four files, got {folder!r} without {', '.join(missing)}; they may end "
            f"in .gz. {where(by)}"
        )
    arrays: dict[str, Any] = {}
    for name, path in paths.items():
        assert path is not None
        with opened(path, by) as reader:
            array = arrays[name] = _read(reader, by, path)
        axes = 3 if "images" in name else 1
        if array.ndim != axes:
            raise problem(
                by, path, f"must have {axes} axes, got shape {array.shape}; it is another file under this name"
            )
    pairs = []
    for part in ("train", "t10k"):
        images, labels = arrays[f"{part}-images-idx3-ubyte"], arrays[f"{part}-labels-idx1-ubyte"]
        if len(images) != len(labels):
            raise problem(
                by,
                folder,
                f"must hold a label for each image, got {len(images)} images and {len(labels)} labels in {part}; the "
                f"files belong to different data sets",
            )
        pairs.append((images, labels.astype(np.int64)))
    return pairs[0], pairs[1]


def _find(folder: str, name: str) -> str | None:
    for variant in (name, name.replace("-idx", ".idx")):
        for ending in ("", ".gz"):
            path = os.path.join(folder, variant + ending)
            if os.path.isfile(path):
                return path
    return None
