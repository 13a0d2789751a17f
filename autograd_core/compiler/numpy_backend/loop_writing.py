"""The source of a loop over blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..program import Call, Value
from .loops import Loop, is_blocked
from .runtime import blocks, layout

if TYPE_CHECKING:
    from .writing import Writer

__all__ = ["write_loop"]


def write_loop(writer: Writer, loop: Loop) -> None:
    """A function for one block, and the line that runs it over all."""
    plan = writer.plan
    name = f"loop{sum(line.startswith('def loop') for line in writer.setup) + 1}"
    slots = plan.slots[loop]
    body: list[str] = []
    passed: dict[str, None] = {}  # what the function is given: arrays that exist during the run only
    rows: dict[str, str] = {}  # names of blocks of whole arrays

    def outside(value: Value) -> str:
        if value not in plan.fixed and value not in writer.program.constants:
            passed[writer.name(value)] = None
        return writer.name(value)

    def block(array: str) -> str:
        if array not in rows:
            rows[array] = f"{array}_rows"
            body.append(f"{rows[array]} = {array}[start:stop]")
        return rows[array]

    after: list[str] = []
    inside: dict[Value, str] = {}
    for call in loop.calls:
        result = call.result
        given = []
        for x in call.args:
            if not isinstance(x, Value):
                given.append(writer.literal(x))
            elif x in inside:
                given.append(inside[x])
            elif is_blocked(x, call):
                given.append(block(outside(x)))
            else:
                given.append(outside(x))
        if result in loop.partial:
            out = _part(writer, call, loop, after)
        elif result in slots:
            out = f"t{slots[result]}"
        else:
            target = writer.target(result)
            if target is None:
                target = writer.name(result)
                empty, dtype = writer.named(np.empty, "empty"), writer.named(result.dtype, result.dtype.name + "_")
                writer.lines.append(f"{target} = {empty}({result.shape}, {dtype})")
            outside(result)
            out = block(writer.name(result))
        inside[result] = out
        body.append(_member(writer, call, given, out))
    kinds = plan.kinds[loop]
    names = [f"t{i}" for i in range(len(kinds))]
    head = [f"def {name}({', '.join(['start', 'stop', 'number', 'memory', *passed])}):"]
    if names:
        head.append(f"    {', '.join(names)}{',' if len(names) == 1 else ''} = memory")
        if loop.length % loop.step:
            head.append(f"    if stop - start < {loop.step}:")
            head += [f"        {t} = {t}[: stop - start]" for t in names]
    made = []
    for memory in ("first", "second"):
        arrays = [
            f"{writer.function(layout)}({memory}, {offset}, {shape}, {writer.named(dtype, dtype.name + '_')})"
            for shape, dtype, offset in kinds
        ]
        made.append(f"({', '.join(arrays)}{',' if len(arrays) == 1 else ''})")
    writer.setup += [*head, *(f"    {line}" for line in body), f"{name}_memory = {', '.join(made)}"]
    given = [name, str(loop.length), str(loop.step), f"{name}_memory", str(loop.threaded), *passed]
    writer.lines.append(f"{writer.function(blocks)}({', '.join(given)})")
    writer.lines += after


def _part(writer: Writer, call: Call, loop: Loop, after: list[str]) -> str:
    """Where a block's part of a reduction goes; the line that puts the parts together is added to `after`."""
    result = call.result
    axes = call.keywords["axis"]
    shape = tuple(n for i, n in enumerate(call.args[0].shape) if i not in axes)
    name = writer.name(result)
    parts = -(-loop.length // loop.step)
    dtype = writer.named(result.dtype, result.dtype.name + "_")
    offset = writer.plan.parts[result].offset
    writer.setup.append(f"{name}_parts = {writer.function(layout)}(memory, {offset}, {(parts, *shape)}, {dtype})")
    reduce = writer.reducing(call.function)
    target = writer.target(result)
    if target is not None:
        if shape != result.shape:
            writer.setup.append(f"{target}_flat = {target}.reshape({shape})")
            target += "_flat"
        after.append(f"{reduce}({name}_parts, 0, None, {target})")
    else:
        again = f".reshape({result.shape})" if shape != result.shape else ""
        after.append(f"{name} = {reduce}({name}_parts, 0){again}")
    return f"{name}_parts[number, ...]"


def _member(writer: Writer, call: Call, given: list[str], out: str) -> str:
    """The line of one call in a loop."""
    if call.kind == "cast":
        return f"{writer.named(np.copyto, 'copyto')}({out}, {given[0]}, 'unsafe')"
    if call.kind == "ufunc":
        name = f"out={out}" if call.function in (np.maximum, np.minimum) else out
        return f"{writer.function(call.function)}({', '.join([*given, name])})"
    axes = call.keywords["axis"]
    keepdims = call.keywords["keepdims"] and 0 not in axes
    axis = axes[0] if len(axes) == 1 else axes
    return f"{writer.reducing(call.function)}({given[0]}, {axis}, None, {out}{', True' if keepdims else ''})"
