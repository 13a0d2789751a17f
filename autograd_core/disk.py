"""Arrays on disk in the safetensors format, written so that a file is never left half-written.

The format holds no code: nothing is executed on reading, as it would be with pickle. What cannot be read is refused
with the reason. Layers and optimizers both save through these functions.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import tempfile
import time
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from .errors import ArgumentError, AutogradError, DTypeError, where
from .tensor import Tensor

__all__ = ["FileFormatError", "MissingFileError", "load_arrays", "save_arrays", "write_atomically"]

_DTYPES = (
    *("float16", "float32", "float64", "bool"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
)
_BY_CODE = {f"{np.dtype(name).kind.upper()}{8 * np.dtype(name).itemsize}": name for name in _DTYPES} | {"BOOL": "bool"}

# Seconds after which nobody writes to a temporary file any more.
_ABANDONED = 24 * 3600.0


class FileFormatError(AutogradError, ValueError):
    """A file whose content is not what its format prescribes."""


class MissingFileError(AutogradError, FileNotFoundError):
    """A file or directory that is not there."""


def save_arrays(
    arrays: Mapping[str, Any], path: Any, *, metadata: Mapping[str, str] | None = None, by: str = "save_arrays"
) -> None:
    """Writes arrays by name as a safetensors file, which PyTorch, JAX and others read.

    The file appears complete or not at all: it is written under another name in the same directory, brought to the
    disk, and then renamed. An existing file stays as it is if anything fails.

    Args:
        arrays: arrays or Tensors (their values), of any layout and byte order; floats to 64 bits, integers, booleans.
        path: the file; its directory must exist.
        metadata: text that is kept with the arrays.
        by: the function that messages name.

    Raises:
        ArgumentError: a name or a metadata entry is not a string.
        DTypeError: an array has another dtype, such as complex.
        OSError: the file cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save

    notes = {} if metadata is None else dict(metadata)
    for what, strings in (("names", arrays), ("metadata entries", [*notes, *notes.values()])):
        for string in strings:
            if not isinstance(string, str):
                raise ArgumentError(
                    f"{by}: {what} must be strings, got {string!r}; use str(...), or json.dumps(...) for metadata. "
                    f"{where(by)}"
                )
    if "__metadata__" in arrays:
        raise ArgumentError(
            f"{by}: the name '__metadata__' must be free, got an array of that name; rename it. {where(by)}"
        )
    plain = {name: _plain(name, array, by) for name, array in arrays.items()}
    try:
        content = save(plain, {"format": "np", **notes})
    except SafetensorError as error:  # not known to happen on checked arrays
        raise ArgumentError(f"{by}: the arrays must fit the safetensors format, got: {error}. {where(by)}") from error
    write_atomically(path, content)


def _plain(name: str, value: Any, by: str) -> Any:
    """A contiguous little-endian array of a dtype that the format and its readers know."""
    data = value.data if isinstance(value, Tensor) else value
    try:
        array = np.asarray(data)
    except (TypeError, ValueError, RuntimeError) as error:  # another array type, or ragged lists
        raise DTypeError(
            f"{by}: {name!r} must be an array, got {type(data).__name__} ({error}); convert it to a NumPy array. "
            f"{where(by)}"
        ) from error
    if array.dtype.name not in _DTYPES:
        fix = "save its .real and .imag" if array.dtype.kind == "c" else "convert it with .astype"
        raise DTypeError(
            f"{by}: {name!r} must be a float (16 to 64 bits), integer or boolean array, got dtype {array.dtype}; "
            f"{fix}. {where(by)}"
        )
    # `ascontiguousarray` makes one axis of none; the shape () must stay.
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)


def load_arrays(path: Any, *, by: str = "load_arrays") -> tuple[dict[str, Any], dict[str, str]]:
    """Arrays by name, and the metadata, of a safetensors file.

    The arrays own their memory and are writable. bfloat16, which NumPy lacks, becomes float32 with the same values.

    Raises:
        MissingFileError: there is no such file.
        FileFormatError: it is not a safetensors file, is damaged or truncated, or holds a dtype that NumPy lacks.
        OSError: it cannot be read.
    """
    import safetensors

    deserialize: Any = safetensors.deserialize  # not typed in every version
    name = os.fsdecode(path)
    try:
        with open(name, "rb") as file:
            content = file.read()
    except FileNotFoundError:
        raise MissingFileError(
            f"{by}: the file must exist, got {name!r}; the working directory is {os.getcwd()!r}. {where(by)}"
        ) from None
    try:
        entries = deserialize(content)
        size = int.from_bytes(content[:8], "little")
        notes = json.loads(content[8 : 8 + size]).get("__metadata__", {})
    except (safetensors.SafetensorError, ValueError) as error:
        raise FileFormatError(
            f"{by}: {name!r} must be a safetensors file, got {len(content)} bytes {_seen(content)} "
            f"({error}). {where(by)}"
        ) from error
    return {key: _array(name, key, entry, by) for key, entry in entries}, notes


def _seen(content: bytes) -> str:
    """What a file that cannot be read looks like."""
    size = int.from_bytes(content[:8], "little")
    if not content:
        return "in it: it is empty"
    if content[:4] == b"PK\x03\x04":
        return "that begin as a zip archive, as torch.save and np.savez write; save it again with safetensors"
    if content[:1] == b"\x80" and content[1:2] in b"\x02\x03\x04\x05":
        return "that begin as a pickle, which is not read since it may run code; save it again with safetensors"
    if content[8:9] != b"{":
        return f"that begin with {content[:9]!r}, which is no header"
    held = len(content) - 8 - size
    if held < 0:
        return f"that end within their header of {size} bytes: truncated"
    try:
        entries = json.loads(content[8 : 8 + size])
        announced = max(v["data_offsets"][1] for k, v in entries.items() if k != "__metadata__")
    except (ValueError, TypeError, LookupError):
        announced = held
    if held == announced:
        return "with a damaged header"
    what = "truncated" if held < announced else "there are trailing bytes"
    return f"that hold {held} bytes of data where the header announces {announced}: {what}"


def _array(path: str, name: str, entry: Mapping[str, Any], by: str) -> Any:
    code = entry["dtype"]
    if code == "BF16":
        wide = np.frombuffer(entry["data"], "<u2").astype("<u4") << 16
        return wide.view("<f4").astype(np.float32).reshape(entry["shape"])
    if code not in _BY_CODE:
        raise FileFormatError(
            f"{by}: {path!r} must hold dtypes that NumPy has, got {code} for {name!r}; convert it before saving. "
            f"{where(by)}"
        )
    dtype = np.dtype(_BY_CODE[code])
    return np.frombuffer(entry["data"], dtype.newbyteorder("<")).astype(dtype).reshape(entry["shape"])


def write_atomically(path: Any, content: bytes) -> None:
    """Writes a file so that its name leads to the old content or to all of the new, even after a crash.

    A symbolic link is followed; the permissions of an existing file are kept. What an earlier process that was killed
    while it wrote the same file has left is removed.
    """
    target = os.path.realpath(os.fsdecode(path))
    directory, base = os.path.split(target)
    _remove_left_behind(directory, base)
    try:
        mode = os.stat(target).st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        mode = 0o666 & ~mask
    descriptor, temporary = tempfile.mkstemp(prefix=f".{base}.{_writer()}.", suffix=".tmp", dir=directory)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except BaseException:  # also an interruption from the keyboard
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_directory(directory)


def _writer() -> str:
    """Machine and process, for the name of a temporary file."""
    return f"{zlib.crc32(platform.node().encode()):08x}-{os.getpid()}"


def _remove_left_behind(directory: str, base: str) -> None:
    """Removes temporary files of `base` whose process is gone, or that are older than any process would write."""
    here = _writer().split("-")[0]
    name = re.compile(rf"\.{re.escape(base)}\.(?P<machine>[0-9a-f]{{8}})-(?P<process>[0-9]+)\.[a-z0-9_]{{8}}\.tmp")
    with contextlib.suppress(OSError):
        for entry in os.listdir(directory):
            if (found := name.fullmatch(entry)) is None:
                continue
            path = os.path.join(directory, entry)
            with contextlib.suppress(OSError):  # also removed by another process meanwhile
                gone = found["machine"] == here and _is_gone(int(found["process"]))
                if gone or time.time() - os.stat(path).st_mtime > _ABANDONED:
                    os.unlink(path)


def _is_gone(process: int) -> bool:
    """Whether there is no such process on this machine; False where that cannot be asked."""
    if os.name != "posix":
        return False  # on Windows the question would be a signal
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        return False
    return False


def _sync_directory(directory: str) -> None:
    """Brings the renaming to the disk, where directories can be synchronized (not on Windows)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
