"""States of optimizers, schedules and averages on disk: safetensors, no pickle."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from autograd_core.disk import FileFormatError, MissingFileError, load_arrays, save_arrays
from autograd_core.errors import ArgumentError, where

from .trees import pack, unpack

__all__ = ["load", "read_state", "restore", "save", "write_state"]

_KIND = "optim.save"
VERSION = "1"


def save(path: Any, /, **parts: Any) -> None:
    """Writes the states of several objects, and plain values, into one safetensors file; without pickle.

        optim.save("run.safetensors", model=model, optimizer=optimizer, schedule=schedule, average=ema, epoch=3)
        saved = optim.load("run.safetensors", model=model, optimizer=optimizer, schedule=schedule, average=ema)
        saved["epoch"]

    For training loops of one's own; `fit(..., checkpoint=path)` saves by itself. The file appears complete or not at
    all: if anything fails, an existing file stays as it is. States are kept bit for bit.

    Args:
        path: the file, usually "*.safetensors"; its directory must exist.
        parts: by a name of one's choice, objects with `state_dict()`: optimizers, schedules, averages, modules, a
            History; or values of dicts, lists, tuples, arrays, numbers, strings and None.

    Raises:
        ArgumentError: there is no part, a part is neither, or `path` is no path.
        DTypeError: an array is complex or not numeric.
        MissingFileError: the file's directory does not exist, or the path is that of a directory.
        OSError: the file cannot be written.
    """
    name = _file_name("save", path, parts)
    folder = os.path.dirname(os.path.realpath(name))
    if not os.path.isdir(folder) or os.path.isdir(name):
        raise MissingFileError(
            f"save: path must be a file in an existing directory, got {name!r}; make {folder!r} with os.makedirs. "
            f"{where('save')}"
        )
    for key, part in parts.items():
        if isinstance(part, type):
            raise ArgumentError(f"save: {key} must be an object, got the class {part.__name__}. {where('save')}")
    content = {key: part.state_dict() if hasattr(part, "state_dict") else part for key, part in parts.items()}
    write_state(content, name, _KIND, "save")


def load(path: Any, /, **parts: Any) -> dict[str, Any]:
    """Reads a file of `save`: into objects, which must fit, and as plain values.

    Either all of the objects take over their states or none does.

    Args:
        path: the file.
        parts: objects with `load_state_dict`, by the names that they were saved under; parts of the file may be left
            out.

    Returns:
        Everything in the file by name: the states as `state_dict()` gave them, and the values.

    Raises:
        ArgumentError: a name that is not in the file, or an object without `load_state_dict`, or whose state it is not.
        MissingFileError: there is no such file.
        FileFormatError: it is not a file of `save`, or is damaged.
    """
    saved = read_state(_file_name("load", path, None), _KIND, "a file of optim.save", "load")
    for key, part in parts.items():
        if key not in saved:
            raise ArgumentError(f"load: a part must be one of {list(saved)}, got {key!r}. {where('load')}")
        if isinstance(part, type) or not (hasattr(part, "state_dict") and hasattr(part, "load_state_dict")):
            raise ArgumentError(
                f"load: {key} must have state_dict and load_state_dict, got {type(part).__name__}; plain values are in "
                f"what load returns. {where('load')}"
            )
    restore([(part, saved[key]) for key, part in parts.items()])
    return saved


def _file_name(by: str, path: Any, parts: Mapping[str, Any] | None) -> str:
    if not isinstance(path, str | bytes | os.PathLike):
        raise ArgumentError(
            f"{by}: path must be a path, got {type(path).__name__}; write {by}(path, optimizer=optimizer). {where(by)}"
        )
    if parts is not None and not parts:
        raise ArgumentError(
            f"{by}: there must be something to save, got nothing; write {by}(path, optimizer=optimizer). {where(by)}"
        )
    return os.fsdecode(path)


def write_state(content: Mapping[str, Any], path: str, kind: str, by: str) -> None:
    """Writes a state of dicts, lists, arrays and numbers."""
    arrays, text = pack(content, by)
    save_arrays(arrays, path, metadata={"kind": kind, "version": VERSION, "state": text}, by=by)


def read_state(path: str, kind: str, words: str, by: str) -> dict[str, Any]:
    """What `write_state` wrote.

    Raises:
        MissingFileError: there is no such file.
        FileFormatError: it is of another kind or version, or is damaged.
    """
    arrays, notes = load_arrays(path, by=by)
    if notes.get("kind") != kind or notes.get("version") != VERSION:
        other = notes.get("kind") != kind
        what = f"another kind of file ({sorted(notes)} in its metadata)" if other else f"version {notes.get('version')}"
        raise FileFormatError(
            f"{by}: {path!r} must be {words}, version {VERSION}, got {what}; give another path. {where(by)}"
        )
    try:
        read: dict[str, Any] = unpack(arrays, notes["state"])
    except (KeyError, ValueError) as error:
        raise FileFormatError(
            f"{by}: {path!r} must hold a complete state, got one that lacks {error}; it was changed after it was "
            f"saved. {where(by)}"
        ) from error
    return read


def restore(loads: Sequence[tuple[Any, Any]]) -> None:
    """Calls `load_state_dict` of each object with its state; if one fails, all get back their own."""
    # All of them before the first is loaded: a schedule changes its optimizer, too.
    before = [(part, part.state_dict()) for part, _ in loads]
    try:
        for part, content in loads:
            part.load_state_dict(content)
    except BaseException:
        for part, content in before:
            part.load_state_dict(content)
        raise
