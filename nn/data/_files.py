"""Reading of files that may be compressed and may be damaged."""

from __future__ import annotations

import gzip
import os
import zlib
from typing import Any, BinaryIO

from autograd_core.disk import FileFormatError, MissingFileError
from autograd_core.errors import where

from .._paths import file_name

__all__ = ["Reader", "is_gzip", "opened", "problem"]

_CHUNK = 1 << 20


def problem(by: str, name: str, text: str) -> FileFormatError:
    """The error for a file whose content is wrong; `text` is the invariant, what came, and the fix."""
    return FileFormatError(f"{by}: {name!r} {text}. {where(by)}")


def is_gzip(path: str) -> bool:
    """Whether the file begins as gzip's do, whatever its name."""
    with open(path, "rb") as file:
        return file.read(2) == b"\x1f\x8b"


class Reader:
    """Reads a (decompressed) stream, and says what is wrong with it."""

    def __init__(self, stream: Any, by: str, name: str) -> None:
        self._stream, self._by, self._name = stream, by, name

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stream.close()

    def up_to(self, n: int) -> bytes:
        """At most n bytes. Memory grows with what is there, not with what a header promises."""
        parts: list[bytes] = []
        left = n
        while left > 0 and (part := self._read(min(left, _CHUNK))):
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def rest(self) -> int:
        """How many bytes there are behind what has been read; they are not kept."""
        count = 0
        while part := self._read(_CHUNK):
            count += len(part)
        return count

    def _read(self, n: int) -> bytes:
        try:
            return self._stream.read(n)  # type: ignore[no-any-return]
        except EOFError:
            raise problem(
                self._by, self._name, "must be a whole gzip file, got one that ends early: truncated; fetch it again"
            ) from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise problem(
                self._by, self._name, f"must be a sound gzip file, got a damaged one ({error}); fetch it again"
            ) from error


def opened(path: Any, by: str) -> Reader:
    """A Reader of the file, for a `with` block, decompressing if its content is gzip's.

    Raises:
        ArgumentError: the path is no path.
        MissingFileError: there is no such file, or it is a directory.
        FileFormatError: it is named .gz and is not.
    """
    name = file_name(by, path)
    if not os.path.exists(name):
        near = next((n for n in (f"{name}.gz", name.removesuffix(".gz")) if n != name and os.path.exists(n)), None)
        hint = f"there is {near!r}" if near else f"the working directory is {os.getcwd()!r}"
        raise MissingFileError(f"{by}: the file must exist, got {name!r}; {hint}. {where(by)}")
    compressed = is_gzip(name)
    if name.endswith(".gz") and not compressed:
        with open(name, "rb") as file:
            seen = file.read(4)
        raise problem(
            by, name, f"must be compressed as its name says, got a file that begins with {seen!r}; drop the .gz"
        )
    stream: BinaryIO | gzip.GzipFile
    stream = gzip.open(name, "rb") if compressed else open(name, "rb")  # noqa: SIM115 - closed by the Reader
    return Reader(stream, by, name)
