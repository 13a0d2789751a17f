"""The modules that operations ran in: their frames, and the parameters that belong to them."""

from __future__ import annotations

import itertools
from typing import Any, TypeAlias

from autograd_core.context import Scope
from autograd_core.drawing.picture import Frame
from autograd_core.drawing.reading import Reading
from autograd_core.node import Node
from autograd_core.tensor import Tensor

Path: TypeAlias = tuple[str, ...]


class Modules:
    """The modules of a `Reading`, by path.

    A path is a name per module, outermost first. Two modules that bear one name in one place, as in two networks that
    each have a "0", are told apart by a mark at the end of the second's name.
    """

    def __init__(self, reading: Reading) -> None:
        self.frames: dict[Path, Frame] = {}
        self._owners: dict[Path, int] = {}
        self._kinds: dict[Path, str] = {}
        self._titles: dict[Path, str] = {}
        self._known: dict[int, Path] = {}  # by id() of a Scope, which the reading holds alive
        self.paths = [self._path(node.scope) for node in reading.nodes]

    def kind(self, path: Path) -> str:
        """Name of the module's class, "" if it is not known."""
        return self._kinds.get(path, "")

    def title(self, path: Path) -> str:
        """The module's dotted path."""
        return self._titles.get(path, ".".join(path))

    def _path(self, scope: str) -> Path:
        chain = []
        while isinstance(scope, Scope) and id(scope) not in self._known:
            chain.append(scope)
            scope = scope.outer
        path = self._known[id(scope)] if isinstance(scope, Scope) else module_path(scope)
        for inner in reversed(chain):
            path = self._inside(path, inner)
            self._known[id(inner)] = path
        return path

    def _inside(self, outer: Path, scope: Scope) -> Path:
        name = _own_name(scope)
        for number in itertools.count(1):
            # No module's own name holds two dots in a row.
            path = (*outer, name if number == 1 else f"{name}..{number}")
            if self._owners.setdefault(path, scope.owner) == scope.owner:
                break
        if path not in self.frames:
            self._kinds[path], self._titles[path] = scope.kind, str(scope)
            self.frames[path] = Frame(f"{scope}: {scope.kind}", [f"module {scope}", scope.kind])
        return path


def _own_name(scope: Scope) -> str:
    return str(scope[len(scope.outer) + 1 :]) if scope.outer else str(scope)


def module_path(scope: str) -> Path:
    """The names of the modules around an operation, outermost first: `"net.0"` as `("net", "0")`."""
    names = []
    while isinstance(scope, Scope):
        names.append(_own_name(scope))
        scope = scope.outer
    return (*(scope.split(".") if scope else ()), *reversed(names))


def is_parameter(leaf: Any) -> bool:
    """Whether a leaf belongs to a module: an instance of a subclass of Tensor.

    A plain Tensor is an input that came from outside, wherever it is read first.
    """
    return isinstance(leaf, Tensor) and type(leaf) is not Tensor


def homes(reading: Reading, paths: list[Path]) -> dict[int, Path]:
    """By `id` of a parameter the modules that it is drawn in: those around all of its readers."""
    found: dict[int, Path] = {}
    for operands, path in zip(reading.operands, paths, strict=True):
        for leaf in operands:
            if is_parameter(leaf):
                found[id(leaf)] = common(found.get(id(leaf), path), path)
    return found


def common(one: Path, two: Path) -> Path:
    """The frames around both."""
    if one == two:
        return one
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, two, strict=False))
    return tuple(name for name, _ in same)


def plain_paths(reading: Reading) -> list[Path]:
    """The path of every Node, for a picture without frames of its own."""
    return [module_path(node.scope) for node in reading.nodes]


def scope_of(node: Node) -> str:
    """The dotted path of the module that an operation ran in, and its class."""
    kind = f" ({node.scope.kind})" if isinstance(node.scope, Scope) else ""
    return f"{node.scope}{kind}"
