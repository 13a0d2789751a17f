"""One compiled loop over the elements of a program, for arrays of any length.

A program that `compile` has recorded runs on arrays of fixed shapes. Where all its calls are elementwise and all its
arrays are flat and equally long, it is one loop that the length means nothing to: `flat` compiles it once, and the loop
runs on whatever pieces of memory the caller has, in whatever threads. It is what `optim` updates large parameters with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .program import Program, Value

if TYPE_CHECKING:
    from .numba_backend.clusters import Node

__all__ = ["flat"]

# Of the functions that the back end takes from the machine, those that raise the machine's floating-point flags exactly
# as NumPy does. The others compare: a NaN then raises the flag "invalid", which NumPy hides.
_FLAGS = frozenset(
    (np.add, np.subtract, np.multiply, np.divide, np.reciprocal, np.square, np.sqrt)
    + (np.negative, np.positive, np.absolute, np.fabs)
)
# Those that give NumPy's bits besides. (What the back end computes by polynomials has other last bits.)
_EXACT = _FLAGS | {np.maximum, np.minimum, np.sign}


def flat(program: Program, name: str = "kernel") -> Callable[[Sequence[Any]], None] | None:
    """The loop of a program, compiled: `run(arrays)` writes the new values over the old ones.

    Its results have NumPy's bits, and floating-point errors are treated as NumPy's are, by the caller's `np.errstate`
    (once per run, whatever the number of elements; "invalid" not where the program has a maximum, minimum or sign). It
    releases the GIL and keeps nothing between runs, so threads may share it.

    Args:
        program: "ufunc" calls on inputs of shape (n,), n > 1, and (); updates of the former and no outputs. What n is
            does not matter.
        name: of what is computed, in messages of floating-point errors.

    Returns:
        A function of arrays for the inputs, in order, contiguous and of their dtypes. Those for inputs of shape (n,)
        have one dimension and one length, which may be another in each run; those for inputs of shape () one element.
        No array that is written to may share memory with another. It raises ValueError for arrays of another length,
        dtype or layout. None if the program is no such loop, or its results would not have NumPy's bits.

    Raises:
        ImportError: Numba is not installed.
    """
    from .numba_backend.kernels import compiled
    from .numba_backend.source import generate

    nodes = _nodes(program)
    if nodes is None:
        return None
    from .numba_backend.clusters import space_of

    space = space_of(nodes)
    if space is None:
        return None
    kernel = generate(nodes, space, set(), {value: place for place, value in program.updates})
    if any(p.kind not in ("size", "read", "update") for p in kernel.parameters):
        return None
    position = {value: i for i, value in enumerate(program.inputs)}
    # In the kernel's order, which has the sizes first.
    sizes = [p.value if p.name == "width" else None for p in kernel.parameters if p.kind == "size"]
    order = [position[p.value] for p in kernel.parameters if p.kind != "size"]
    return _runner(_watched(compiled(kernel), nodes, name), program.inputs, order, sizes)


def _nodes(program: Program) -> list[Node] | None:
    """The calls as parts of one loop; None if one of them is something else."""
    from .numba_backend.axes import Axes
    from .numba_backend.clusters import make_node

    shapes = {value.shape for value in program.inputs if value.shape}
    if program.outputs or program.constants or not program.updates or len(shapes) != 1:
        return None
    (shape,) = shapes
    if len(shape) != 1 or shape[0] < 2:
        return None
    axes = Axes()
    nodes: list[Node] = []
    for call in program.calls:
        if call.kind != "ufunc" or call.function not in _EXACT or call.result.shape != shape:
            return None
        node = make_node(call, axes, {})
        if node is None:
            return None
        axes.unify((nodes or [node])[0].atoms, node.atoms)
        nodes.append(node)
    made = {call.result for call in program.calls}
    places = [place for place, _ in program.updates]
    values = [value for _, value in program.updates]
    fits = all(place.shape == shape and place.dtype == value.dtype for place, value in program.updates)
    # A value that is given twice would be stored once.
    return nodes if fits and made.issuperset(values) and len(set(values)) == len(set(places)) == len(values) else None


def _runner(
    kernel: Callable[[Any], None], inputs: Sequence[Value], order: Sequence[int], sizes: Sequence[int | None]
) -> Callable[[Sequence[Any]], None]:
    """The function that gives arrays to a kernel."""
    expected = [(i, inputs[i].dtype, bool(inputs[i].shape)) for i in order]
    first = next(i for i, value in enumerate(inputs) if value.shape)
    block = next(size for size in sizes if size is not None)

    def run(arrays: Sequence[Any]) -> None:
        n = arrays[first].size
        given = [0, -(-n // block), 0, *[n if size is None else size for size in sizes]]
        for i, dtype, is_long in expected:  # the kernel does not look
            array = arrays[i]
            if array.size != (n if is_long else 1) or array.dtype != dtype or not array.flags.c_contiguous:
                raise ValueError(
                    f"flat: arrays must be contiguous, of one length and of the program's dtypes, got "
                    f"{array.dtype}{list(array.shape)} as input {i} where the first has {n} elements, for one of {dtype}"
                )
            given.append(array)
        box = np.empty((), object)
        box[()] = tuple(given)
        kernel(box)

    return run


def _watched(kernel: Callable[..., None], nodes: Iterable[Node], name: str) -> Callable[[Any], None]:
    """A function of a tuple in a 0-d array, the kernel's arguments: what `np.errstate` says about errors is done.

    NumPy itself clears the machine's flags before the loop of a ufunc and reads them afterwards, in this thread; so the
    kernel is called by the loop of a ufunc.
    """

    def called(arguments: tuple[Any, ...]) -> None:
        kernel(*arguments)

    called.__name__ = called.__qualname__ = name
    ufunc = np.frompyfunc(called, 1, 1)
    if all(node.call.function in _FLAGS for node in nodes):
        return ufunc

    def quiet(box: Any) -> None:
        with np.errstate(invalid="ignore"):
            ufunc(box)

    return quiet
