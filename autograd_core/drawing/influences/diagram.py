"""The influence diagram: its layers and edges, and what is said of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from autograd_core.drawing.drawing import Drawing
from autograd_core.drawing.influences.classes import Box, Cut, boxes, letters
from autograd_core.drawing.influences.dot import Arrow, Block, Diagram, Element, Row, write
from autograd_core.drawing.influences.flow import Graph, Layer, incoming, reached_from
from autograd_core.drawing.influences.numbers import Numbers
from autograd_core.drawing.influences.words import relation
from autograd_core.drawing.labels import shorten
from autograd_core.drawing.patterns.algebra import Pattern
from autograd_core.errors import ArgumentError, where
from autograd_core.node import Node
from autograd_core.tensor import Tensor

__all__ = ["influence"]

TALLEST = 40
"""Elements of one layer; where one has more, some axes are drawn as classes."""

CLASSES = 12
"""Boxes of one layer where some axes are classes."""

WIDEST = 600
"""Edges of one picture."""

_MOST = 200  # layers

Patterns = dict[tuple[Layer, Layer], Pattern]


def influence(out: Tensor, *inputs: Tensor, via: str | Tensor | Iterable[str | Tensor] = ()) -> Drawing:
    r"""Draw which elements of the inputs reach which elements of `out`, exactly.

    An edge means that a path of operations leads from one element to the other, by the sparsity patterns of the
    operators. No edge is a structural zero: the derivative is zero at every input. An edge drawn dashed is a numerical
    zero: the derivative, along paths that pass no other layer of the picture, is zero (within rounding) at the values
    that the tape still keeps or that `keep_values()` recorded. Where the values are gone, edges are drawn as
    structural, and a note says so.

    `influence(u, Z, via=("mu", "var"))` is the influence diagram of batch normalization: all z_i reach mu and var,
    these reach all u_j, and beside them each z_i reaches its own u_i. An edge between two layers stands for the paths
    that pass no other layer.

    A tensor with more than 40 elements is not drawn element by element: its long axes become classes such as
    `Z[i, k]`, and the edge says how the indices are related, exactly: "same i, every k". The cost is that of what is
    drawn, whatever the number of elements; where a relation is not one of indices along axes (a gather by an array of
    indices), the edge says that it depends on the index. An operation that does not tell its pattern (a checkpoint, an
    operator of your own that is neither elementwise, a reduction nor linear) is taken to connect all elements; the
    counts say "at most" then.

    Args:
        out: a result of operations on the inputs.
        inputs: leaves that require a gradient, or intermediate Tensors.
        via: intermediate values to show in between: names given by `tag` or `.name`, or Tensors.

    Returns:
        A `Drawing`, with the counts of edges, of zeros and of pairs without an edge below the picture.

    Raises:
        ArgumentError: `out` is not a recorded result, no input is given, an input does not reach `out`, a name is not
            that of one intermediate value, a tensor is given twice, or the picture would have more than 200 layers or
            600 edges however it is drawn.
    """
    graph = _graph(out)
    layers = _layers(out, inputs, via, graph)
    stops = {id(layer.entry): layer for layer in layers}
    reached = reached_from(graph, [layer.entry for layer in layers if layer.role != "out"])
    patterns: Patterns = {}
    for layer in layers:
        for source, pattern in incoming(layer, stops, reached).items():
            patterns[source, layer] = pattern
    _check_connected(layers, patterns)
    return _drawn(graph, layers, stops, patterns)


# -- what was asked for ------------------------------------------------------------------------------------------------


def _graph(out: Any) -> Graph:
    if not isinstance(out, Tensor) or out._node is None:
        came = f"a leaf of shape {out.shape}" if isinstance(out, Tensor) else f"one of type {type(out).__name__}"
        raise ArgumentError(
            "influence: out must be a Tensor that operations on the inputs have made while recording, got "
            f"{came}; compute it from Tensors with requires_grad=True. {where('influence')}"
        )
    return Graph(out)


def _layers(out: Tensor, inputs: Sequence[Any], via: Any, graph: Graph) -> list[Layer]:
    """The layers in the order of the picture: inputs, intermediate values as they were recorded, the result."""
    wrong = [type(x).__name__ for x in inputs if not isinstance(x, Tensor)]
    if wrong or not inputs:
        came = f"one of type {wrong[0]}" if wrong else "none"
        raise ArgumentError(
            f"influence: the inputs must be one Tensor or several, got {came}; pass those whose influence on out is "
            f"asked for{_hint('variables', [str(x.name) for x in graph.leaves if x.name is not None])}. "
            f"{where('influence')}"
        )
    asked = [via] if isinstance(via, str | Tensor) else list(via)
    entries = {id(entry) for entry in (*graph.nodes, *graph.leaves)}
    layers = [_input(x, i, graph, entries) for i, x in enumerate(inputs)]
    middle = [_intermediate(x, graph, entries) for x in asked]
    layers += sorted(middle, key=lambda layer: layer.entry.number if isinstance(layer.entry, Node) else 0)
    assert out._node is not None
    name = out._node.name or out.name
    layers.append(Layer(str(name) if name is not None else "out", out._node, "out"))
    twice = [layer.name for i, layer in enumerate(layers) if any(layer.entry is other.entry for other in layers[:i])]
    if twice:
        raise ArgumentError(
            f"influence: out, the inputs and via must be different tensors, got {shorten(twice[0])!r} twice; leave "
            f"one of the two out. {where('influence')}"
        )
    if len(layers) > _MOST:
        raise _too_much(f"{len(layers)} tensors")
    taken = Counter(layer.name for layer in layers)
    return [
        layer if taken[layer.name] == 1 else Layer(f"{layer.name} ({i + 1})", layer.entry, layer.role)
        for i, layer in enumerate(layers)
    ]


def _input(x: Tensor, i: int, graph: Graph, entries: set[int]) -> Layer:
    entry = x if x._node is None else x._node
    name = x.name if x._node is None or x.name is not None else x._node.name
    shown = str(name) if name is not None else f"x{i + 1}"
    if id(entry) not in entries:
        if not x.requires_grad:
            why = "it requires no gradient, and the tape records only what does; give it requires_grad=True before"
        else:
            known = [str(leaf.name) for leaf in graph.leaves if leaf.name is not None]
            why = f"out was not computed from it; pass another input, or another out{_hint('variables', known)}"
        raise ArgumentError(
            f"influence: every input must reach out, got {shorten(shown)!r} of shape {x.shape}, which does not: {why}. "
            f"{where('influence')}"
        )
    return Layer(shown, entry, "input")


def _intermediate(x: Any, graph: Graph, entries: set[int]) -> Layer:
    names: dict[str, list[Node]] = {}
    for node in graph.nodes[:-1]:
        if node.name is not None:
            names.setdefault(str(node.name), []).append(node)
    if isinstance(x, Tensor) and x._node is not None and id(x._node) in entries:
        name = x._node.name or x.name
        return Layer(str(name) if name is not None else f"{x._node.op.name}{list(x.shape)}", x._node, "via")
    if isinstance(x, str) and len(names.get(x, [])) == 1:
        return Layer(x, names[x][0], "via")
    if isinstance(x, str) and x in names:
        raise ArgumentError(
            f"influence: a name in via must be that of one intermediate value, got {shorten(x)!r}, which names "
            f"{len(names[x])}; pass the Tensor itself, or choose different names. {where('influence')}"
        )
    came = repr(shorten(x)) if isinstance(x, str) else f"a {type(x).__name__}"
    if isinstance(x, Tensor):
        came += f" of shape {x.shape} that out was not computed from" if x._node is not None else " that is a leaf"
    raise ArgumentError(
        "influence: via must hold names of intermediate values on the way to out, or these Tensors, got "
        f"{came}; name them with tag(t, name){_hint('names', list(names))}. {where('influence')}"
    )


def _hint(what: str, known: list[str]) -> str:
    if not known:
        return f" (no {what} are known)"
    shown = ", ".join(repr(shorten(name)) for name in known[:12])
    return f" ({what}: {shown}{', …' if len(known) > 12 else ''})"


def _too_much(came: str) -> ArgumentError:
    return ArgumentError(
        f"influence: a picture must have at most {_MOST} tensors and {WIDEST} edges, got {came}; pass fewer inputs "
        f"or fewer names in via, or draw a part of the computation. {where('influence')}"
    )


def _check_connected(layers: list[Layer], patterns: Patterns) -> None:
    """Every input must reach the result, through however many layers."""
    reaching = {layers[-1]}
    for target in reversed(layers):
        if target in reaching:
            reaching |= {source for source, head in patterns if head is target}
    for layer in layers:
        if layer.role == "input" and layer not in reaching:
            raise ArgumentError(
                f"influence: every input must reach out, got {shorten(layer.name)!r} of shape {layer.shape}, none of "
                "whose elements does (no gradient flows, or what is used of it does not overlap with out); leave it "
                f"out. {where('influence')}"
            )


# -- the picture -------------------------------------------------------------------------------------------------------


def _drawn(graph: Graph, layers: list[Layer], stops: dict[int, Layer], patterns: Patterns) -> Drawing:
    bound, placed, connected = _resolution(layers, patterns)
    by_class = any(n > bound for layer in layers for n in layer.shape)
    names = letters(layers, patterns, bound)
    zeros: dict[tuple[Layer, Layer], Any] = {}
    numbers = Numbers(graph, stops)
    for layer in layers:
        sources = [source for source, target in patterns if target is layer]
        found = numbers.zeros(layer, sources) if sources else None
        zeros |= {(source, layer): found[source] for source in sources} if found is not None else {}
    diagram = Diagram()
    keys: dict[Layer, list[str]] = {}
    for layer, column in zip(layers, _columns(layers, patterns), strict=True):
        block = Block(column, layer.name, str(layer.shape), layer.role)
        for box in placed[layer]:
            key = f"e{sum(len(b.elements) for b in diagram.blocks) + len(block.elements) + 1}"
            block.elements.append(Element(key, *_label(box, names[layer])))
        keys[layer] = [element.key for element in block.elements]
        diagram.blocks.append(block)
    order = {layer: i for i, layer in enumerate(layers)}
    for source, target in sorted(connected, key=lambda pair: (order[pair[1]], order[pair[0]])):
        pairs = connected[source, target]
        zero = zeros.get((source, target))
        texts = []
        for a, b, rest in pairs:
            text = relation(
                rest,
                [x for x, n in zip(names[source], source.shape, strict=True) if n > bound],
                [x for x, n in zip(names[target], target.shape, strict=True) if n > bound],
            )
            texts.append(text)
            ends = np.ix_(placed[source][a].places(), placed[target][b].places()) if zero is not None else ()
            dashed = zero is not None and bool(zero[ends].all())
            diagram.arrows.append(Arrow(keys[source][a], keys[target][b], text, dashed))
        related = patterns[source, target].count()
        # What is not zero has a path, so the other paths are the zeros.
        lost = None if zero is None or related is None else related - int(np.count_nonzero(~zero))
        words = "; ".join(dict.fromkeys(text for text in texts if text))
        if not patterns[source, target].exact:
            words = f"{words + '; ' if words else ''}at most, since an operation on the way does not tell"
        whole = math.prod(source.shape) * math.prod(target.shape)
        diagram.rows.append(Row(source.name, target.name, related, whole, lost, words))
    diagram.by_class = by_class
    return Drawing(write(diagram), sum(len(block.elements) + 1 for block in diagram.blocks))


def _resolution(
    layers: list[Layer], patterns: Patterns
) -> tuple[int, dict[Layer, list[Box]], dict[tuple[Layer, Layer], list[tuple[int, int, Pattern]]]]:
    """The greatest length of an axis that is drawn index by index, the boxes, and those that are connected."""
    edges = 0
    for bound in sorted({1, *(n for layer in layers for n in layer.shape)}, reverse=True):
        counts = [_count(layer, bound) for layer in layers]
        tallest = TALLEST if all(n <= bound for layer in layers for n in layer.shape) else CLASSES
        if bound > 1 and (max(counts) > tallest or sum(counts) > 4 * tallest):
            continue
        placed = {layer: boxes(layer, bound) for layer in layers}
        connected = {}
        edges = 0
        for (source, target), pattern in patterns.items():
            connected[source, target] = Cut(pattern, bound).pairs(placed[source], placed[target])
            edges += len(connected[source, target])
            if edges > WIDEST:
                break
        else:
            return bound, placed, connected
    raise _too_much(f"{edges} or more edges")


def _count(layer: Layer, bound: int) -> int:
    return math.prod(n for n in layer.shape if n <= bound)


def _columns(layers: list[Layer], patterns: Patterns) -> list[int]:
    """The column of each layer: inputs first, then as far as the longest way to it, the result last."""
    column: dict[Layer, int] = {}
    for layer in layers:
        before = [column[source] + 1 for source, target in patterns if target is layer and source in column]
        column[layer] = 0 if layer.role == "input" and not before else max([1, *before])
    column[layers[-1]] = max(column.values()) if layers[-1] is not layers[0] else 0
    return [column[layer] for layer in layers]


def _label(box: Box, names: list[str]) -> tuple[str, str, str]:
    """Name and index of a box, the ranges of its classes, and a tooltip."""
    index = ", ".join(name if i is None else str(i) for i, name in zip(box.index, names, strict=True))
    text = f"{shorten(box.layer.name, 24)}[{index}]" if box.index else shorten(box.layer.name, 24)
    ranges = [f"{name} = 0…{n - 1}" for i, name, n in zip(box.index, names, box.layer.shape, strict=True) if i is None]
    stands = f"{text}, {', '.join(ranges)}" if ranges else text
    return text, ", ".join(ranges), stands
