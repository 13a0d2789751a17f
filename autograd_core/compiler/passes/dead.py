"""Dead code: what no output, update, draw or check needs is dropped."""

from __future__ import annotations

from ..program import Program

__all__ = ["dead"]


def dead(program: Program) -> Program:
    """Drops calls and constants that nothing needs. Draws stay: the generator's state is an effect. So do checks."""
    needed = set(program.results())
    kept = []
    for call in reversed(program.calls):
        if call.kind in ("draw", "check") or any(value in needed for value in call.results):
            kept.append(call)
            needed.update(call.operands())
    constants = {value: array for value, array in program.constants.items() if value in needed}
    return Program(program.inputs, constants, kept[::-1], program.outputs, program.updates)
