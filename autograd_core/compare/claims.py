"""A claimed gradient: its signature read, the function called, its result checked."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_core.compare.tagging import plain
from autograd_core.errors import ArgumentError, DTypeError


@dataclass(frozen=True)
class Claim:
    """A hand-derived formula for the gradient of `target`.

    Attributes:
        target: The input or tag whose gradient is claimed.
        formula: The user's function.
        needs: What its parameters ask for, in order; positional-only ones come first.
        positional: How many of them are positional-only.
        adjoints: The tags whose true gradients it uses (`g_<tag>`).
    """

    target: str
    formula: Callable[..., Any]
    needs: tuple[str, ...]
    positional: int
    adjoints: tuple[str, ...]

    @property
    def is_jacobian(self) -> bool:
        """Whether no upstream gradient enters, so that the claim is the whole Jacobian."""
        return "g" not in self.needs and not self.adjoints

    def evaluate(self, known: Mapping[str, Any]) -> np.ndarray[Any, Any]:
        """The claimed values as a real floating array."""
        values = [known[name] for name in self.needs]
        keywords = dict(zip(self.needs[self.positional :], values[self.positional :], strict=True))
        try:
            result = self.formula(*values[: self.positional], **keywords)
        except Exception as error:
            if isinstance(error, ValueError) and "read-only" in str(error):
                raise ArgumentError(
                    "compare: a claim must not write into an array that it is given, since these are read-only; "
                    f"the claim for {self.target!r} does: work on a copy"
                ) from error
            error.add_note(f"raised by the claim for {self.target!r}")
            raise
        if isinstance(result, (list, tuple)) or result is None:
            raise DTypeError(
                f"compare: a claim must return one array, got {type(result).__name__} from the "
                f"claim for {self.target!r}; return the gradient of {self.target!r} only"
            )
        # A copy: a claim may return the same buffer from every call.
        array = np.array(plain(result))
        if array.dtype.kind in "iu":
            array = array.astype(np.float64)
        if array.dtype.kind != "f":
            raise DTypeError(
                f"compare: a claim must return real numbers, got dtype {array.dtype} from the claim for {self.target!r}"
            )
        return array


def read_claims(
    claimed: Mapping[str, Callable[..., Any]],
    inputs: Mapping[str, Any],
    params: Mapping[str, Any],
    tags: tuple[str, ...],
) -> list[Claim]:
    """Read every claim's signature; `tags` are in the order in which `f` records them."""
    if not isinstance(claimed, Mapping) or not claimed:
        raise ArgumentError(
            "compare: claimed must be a non-empty dict from names to functions, got "
            f'{claimed!r:.60}; write claimed={{"Z": lambda g, Z: ...}}'
        )
    for tag in tags:
        if f"g_{tag}" in {*inputs, *params, *tags}:
            raise ArgumentError(
                f"compare: 'g_{tag}' stands for the gradient of the tag {tag!r} and cannot name "
                "anything else; rename one of the two"
            )
    return [_read(name, formula, inputs, params, tags) for name, formula in claimed.items()]


def _read(
    target: str,
    formula: Callable[..., Any],
    inputs: Mapping[str, Any],
    params: Mapping[str, Any],
    tags: tuple[str, ...],
) -> Claim:
    if target not in inputs and target not in tags:
        hint = "; it is a parameter: move it to inputs to judge its gradient" if target in params else ""
        raise ArgumentError(
            f"compare: a claim must be for an input or a tag, got {target!r}; inputs: "
            f"{', '.join(inputs)}; tags: {', '.join(tags) or 'none'}{hint}"
        )
    if not callable(formula):
        raise DTypeError(
            f"compare: a claim must be a function whose parameters say what it needs, got "
            f"{type(formula).__name__} for {target!r}; write lambda g, ...: <formula>"
        )
    known = {"g", *inputs, *params, *tags}
    needs: list[str] = []
    positional = 0
    adjoints: list[str] = []
    for p in _parameters(target, formula):
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            raise ArgumentError(
                f"compare: a claim's parameters must be named one by one, got {p} in the claim for {target!r}"
            )
        if p.name.startswith("g_") and p.name[2:] in tags:
            _check_adjoint(target, p.name[2:], tags)
            adjoints.append(p.name[2:])
        elif p.name not in known:
            if p.default is not p.empty and p.kind is not p.POSITIONAL_ONLY:
                continue  # the user's own constant, bound as a default
            raise ArgumentError(
                f"compare: the claim for {target!r} asks for {p.name!r}, which is unknown; known: "
                f"g, {', '.join([*inputs, *params, *tags, *(f'g_{t}' for t in tags)])}"
            )
        needs.append(p.name)
        positional += p.kind is p.POSITIONAL_ONLY
    return Claim(target, formula, tuple(needs), positional, tuple(adjoints))


def _parameters(target: str, formula: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(formula).parameters.values())
    except (TypeError, ValueError):  # built-in functions need not have one
        name = getattr(formula, "__name__", type(formula).__name__)
        raise ArgumentError(
            "compare: a claim must have a signature, since the names of its parameters say what it needs; "
            f"{name!r}, given for {target!r}, has none: write lambda g, ...: {name}(...)"
        ) from None


def _check_adjoint(target: str, adjoint: str, tags: tuple[str, ...]) -> None:
    """A claim may use gradients of lines nearer to the output only: else it could assert itself."""
    if target in tags and tags.index(adjoint) <= tags.index(target):
        raise ArgumentError(
            f"compare: the claim for {target!r} may use the gradients of tags recorded after it, "
            f"got 'g_{adjoint}'; a check that is given its own answer cannot fail"
        )
