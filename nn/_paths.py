"""Paths that are given as arguments."""

from __future__ import annotations

import os
from typing import Any

from autograd_core.disk import MissingFileError
from autograd_core.errors import ArgumentError, where

__all__ = ["file_name", "path_name"]


def path_name(by: str, path: Any) -> str:
    """The path as a string, or ArgumentError if it is none."""
    try:
        return os.fsdecode(path)
    except TypeError:
        raise ArgumentError(
            f"{by}: the path must be a string or a Path, got {type(path).__name__}; e.g. 'data/file'. {where(by)}"
        ) from None


def file_name(by: str, path: Any) -> str:
    """The same for a path that cannot be that of a directory: MissingFileError if it is."""
    name = path_name(by, path)
    if os.path.isdir(name):
        raise MissingFileError(
            f"{by}: the path must be that of a file, got the directory {name!r}; append the name of the file. "
            f"{where(by)}"
        )
    return name
