"""One compiled loop over the elements of a program, for arrays of any length.

A program that `compile` has recorded runs on arrays of fixed shapes. Where all its calls are elementwise and all its
arrays are flat and equally long, it is one loop that the length means nothing to: `flat` compiles it once, and the loop
runs on whatever pieces of memory the caller has, in whatever threads. It is what `optim` updates large parameters with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .program import Program, Value

if TYPE_CHECKING:
    from .numba_backend.clusters import Node
    from .numba_backend.source import Kernel

__all__ = ["Loop", "flat"]

# What the machine computes itself, with NumPy's bits: rounded, which may raise its floating-point flags, or not; and
# compared, where a NaN raises the flag "invalid", which NumPy hides.
_ROUNDED = {np.add, np.subtract, np.multiply, np.divide, np.reciprocal, np.square, np.sqrt}
_EXACT = {np.negative, np.positive, np.absolute, np.fabs}
_COMPARED = {np.maximum, np.minimum, np.sign}


def flat(program: Program, name: str = "kernel") -> Loop | None:
    """The loop of a program, compiled.

    Args:
        program: "ufunc" calls on inputs of shape (n,), n > 1, and (); updates of the former and no outputs. What n is
            does not matter.
        name: of what is computed, in messages of floating-point errors.

    Returns:
        None if the program is no such loop, or its results would not have NumPy's bits: functions that the back end
        computes by polynomials have other last bits.

    Raises:
        ImportError: Numba is not installed.
    """
    from .numba_backend.clusters import space_of
    from .numba_backend.kernels import compiled
    from .numba_backend.source import generate

    nodes = _nodes(program)
    space = space_of(nodes) if nodes else None
    if nodes is None or space is None:
        return None
    kernel = generate(nodes, space, set(), {value: place for place, value in program.updates})
    if any(p.kind not in ("size", "read", "update") for p in kernel.parameters):
        return None
    quiet = any(call.function in _COMPARED for call in program.calls)
    return Loop(_watched(compiled(kernel), name, quiet), kernel, program.inputs)


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
        if call.kind != "ufunc" or call.function not in _ROUNDED | _EXACT | _COMPARED or call.result.shape != shape:
            return None
        node = make_node(call, axes, {})
        if node is None:
            return None
        axes.unify((nodes or [node])[0].atoms, node.atoms)
        nodes.append(node)
    made = {call.result for call in program.calls}
    values = {value for _, value in program.updates}
    places = {place for place, _ in program.updates}
    if not len(values) == len(places) == len(program.updates) or not made.issuperset(values):
        return None  # what is given twice would be stored once
    return nodes if all(place.shape == shape and place.dtype == v.dtype for place, v in program.updates) else None


class Loop:
    """Writes the new values of a program's updates over the old ones, element by element.

    The results have NumPy's bits (of several NaNs it may be another one, and off x86 the other zero in a maximum of 0.0
    and -0.0). Floating-point errors are treated as NumPy's are, by the `np.errstate` of whoever runs it: once per run,
    whatever the number of elements, and "invalid" not where the program has a maximum, minimum or sign. It releases the
    GIL and keeps nothing between runs, so threads may share it.
    """

    def __init__(self, kernel: Callable[[Any], Any], form: Kernel, inputs: Sequence[Value]) -> None:
        self._kernel = kernel
        self._inputs = inputs
        position = {value: i for i, value in enumerate(inputs)}
        # In the kernel's order, which has the sizes first.
        self._sizes = [p.value if p.name == "width" else None for p in form.parameters if p.kind == "size"]
        self._order = [position[p.value] for p in form.parameters if p.kind != "size"]
        self._block = next(size for size in self._sizes if size is not None)
        self._first = next(i for i, value in enumerate(inputs) if value.shape)

    def bound(self, arrays: Sequence[Any]) -> Callable[..., None]:
        """`run()` on these arrays; `run(array)` if one of them, not the first, is None: that is given later.

        Args:
            arrays: for the program's inputs, in order, contiguous and of their dtypes. Those for inputs of shape (n,)
                have one dimension and one length, which may be any; those for inputs of shape () one element. No array
                that is written to may share memory with another.

        Raises:
            ValueError: an array of another length, dtype or layout, here or in `run`.
        """
        kernel, check = self._kernel, self._check
        n = arrays[self._first].size
        given: list[Any] = [0, -(-n // self._block), 0, *[n if size is None else size for size in self._sizes]]
        open_at, late = 0, -1
        for i in self._order:
            if arrays[i] is None:
                open_at, late = len(given), i
            else:
                check(i, arrays[i], n)
            given.append(arrays[i])
        box = np.empty((), object)
        if late < 0:
            box[()] = tuple(given)
            return lambda *_: kernel(box)
        before, after = tuple(given[:open_at]), tuple(given[open_at + 1 :])

        def run(array: Any) -> None:
            check(late, array, n)
            box = np.empty((), object)
            box[()] = (*before, array, *after)
            kernel(box)

        return run

    def _check(self, i: int, array: Any, n: int) -> None:
        # The kernel does not look.
        value = self._inputs[i]
        if array.size != (n if value.shape else 1) or array.dtype != value.dtype or not array.flags.c_contiguous:
            raise ValueError(
                f"flat: arrays must be contiguous, of one length and of the program's dtypes, got {array.dtype}"
                f"{list(array.shape)} as input {i}, of {value.dtype}, where the first array has {n} elements"
            )


def _watched(kernel: Callable[..., None], name: str, quiet: bool) -> Callable[[Any], Any]:
    """A function of the kernel's arguments as a tuple in a 0-d array, which does what `np.errstate` says about errors.

    NumPy itself clears the machine's flags before the loop of a ufunc and reads them afterwards, in this thread; so the
    kernel is called by the loop of a ufunc.
    """

    def called(arguments: tuple[Any, ...]) -> None:
        kernel(*arguments)

    called.__name__ = called.__qualname__ = name
    ufunc: Callable[[Any], Any] = np.frompyfunc(called, 1, 1)
    if not quiet:
        return ufunc

    def run(box: Any) -> None:
        with np.errstate(invalid="ignore"):
            ufunc(box)

    return run
