"""Names for the leaves of a graph: the user's own where there is one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from autograd_core.drawing.reading import Reading, is_leaf
from autograd_core.tensor import Tensor


def leaf_names(reading: Reading, variables: Mapping[int, str] | None = None) -> dict[int, str]:
    """A name per leaf: its own, or that of the variable that holds it, or x1, x2, … (c1, c2, … for constants).

    Args:
        reading: the graph.
        variables: by `id` of a Tensor the name of the user's variable. Names that are in use already are passed over.
    """
    leaves: dict[int, Any] = {id(leaf): leaf for leaf, _ in reading.leaves()}
    leaves.update((id(out), out) for out in reading.outputs if is_leaf(out))
    names = {key: str(leaf.name) for key, leaf in leaves.items() if leaf.name is not None}
    taken = {*names.values(), *(reading.name(node) for node in reading.nodes)}
    for key, leaf in leaves.items():
        name = (variables or {}).get(key) if isinstance(leaf, Tensor) and key not in names else None
        if name is not None and name not in taken:
            names[key] = name
            taken.add(name)
    free = {letter: _free(letter, taken) for letter in "xc"}
    for key, leaf in leaves.items():
        if key not in names:
            names[key] = next(free["x" if isinstance(leaf, Tensor) else "c"])
    return names


def _free(letter: str, taken: set[str | None]) -> Iterator[str]:
    return (name for i in itertools.count(1) if (name := f"{letter}{i}") not in taken)
