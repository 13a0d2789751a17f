"""The fonts of a layout: how the bundled Fontconfig is made to start in silence.

Graphviz measures texts with Fontconfig, and the wheel of pygraphviz brings one of its own. Where that is older than the
system's, it prints a warning about each setting that it does not know, into the middle of a notebook: at its start it
also reads the *templates* of settings (`/usr/share/fontconfig/conf.avail`), which are not in force and only serve to
describe what could be chosen. There is no switch against either. But it starts only if nobody has given it settings, so
it is given the system's settings here, the same ones, without the templates.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

_started = False


def start() -> None:
    """Gives the bundled Fontconfig the system's settings, once; does nothing where there is no such library.

    The caller holds a lock.
    """
    global _started
    if not _started:
        _started = True
        for path in _bundled():
            try:
                _load(ctypes.CDLL(str(path)))
            except (OSError, AttributeError):  # then it starts by itself, at worst with a warning
                continue


def _bundled() -> list[Path]:
    """Where the wheels of pygraphviz have the library: beside the package on Linux and Windows, in it on macOS."""
    import pygraphviz

    package = Path(pygraphviz.__file__).parent
    folders = (package.with_name("pygraphviz.libs"), package / ".dylibs")
    return [path for folder in folders for path in sorted(folder.glob("*fontconfig*"))]


def _load(library: ctypes.CDLL) -> None:
    create, destroy = library.FcConfigCreate, library.FcConfigDestroy
    parse, use = library.FcConfigParseAndLoad, library.FcConfigSetCurrent
    create.argtypes, create.restype = [], ctypes.c_void_p
    destroy.argtypes, destroy.restype = [ctypes.c_void_p], None
    parse.argtypes, parse.restype = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int], ctypes.c_int
    use.argtypes, use.restype = [ctypes.c_void_p], ctypes.c_int
    settings = create()
    if settings and not (parse(settings, None, 0) and use(settings)):
        destroy(settings)  # no settings in this system
