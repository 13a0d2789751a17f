"""Gradients, and products with the Jacobian and the Hessian."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..containers import LEAF
from ..errors import ShapeError, where
from ..tensor import Tensor
from .tracing import Traced, argument_numbers, matched, with_loops

__all__ = ["grad", "hvp", "jvp", "value_and_grad", "vjp"]


def value_and_grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that returns `f`'s value and its gradient with respect to the positional arguments `argnums`.

    Args:
        f: returns a 0-d value, or with `has_aux` a pair of it and anything else.
        argnums: an argument may be a nested container of arrays; its gradient has the same structure.
        has_aux: the value is a pair (value, auxiliary data) then.

    Returns:
        (value, gradient), where the gradient is that of one argument for an int and a tuple for a sequence.

    Raises:
        GraphError: `f` does not return a 0-d value.
        DTypeError: an argument to differentiate is not floating.
        ArgumentError: `argnums` names no argument, or one twice, or `f` returns no pair although `has_aux` is true.
    """
    return _value_and_grad("value_and_grad", f, argnums, has_aux)


def _value_and_grad(
    name: str, f: Callable[..., Any], argnums: int | Sequence[int], has_aux: bool
) -> Callable[..., Any]:
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        numbers = argument_numbers(name, argnums, args)
        traced = Traced(name, f, args, numbers, has_aux, kwargs)
        one = np.ones_like(traced.output().data)
        create = traced.nested
        gradients = traced.by_argument([traced.give(h) for h in traced.pull([Tensor(one) if create else one], create)])
        value = (traced.value(), traced.auxiliary()) if has_aux else traced.value()
        return value, gradients if np.ndim(argnums) else gradients[0]

    return with_loops(differentiated)


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that returns the gradient of `f`, which must return a 0-d value; see `value_and_grad`.

    With `has_aux` it returns (gradient, auxiliary data).
    """
    both = _value_and_grad("grad", f, argnums, has_aux)

    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, g = both(*args, **kwargs)
        return (g, value[1]) if has_aux else g

    return gradient


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """`f`'s value and the pullback, which maps a cotangent of it to cotangents of the primals.

    A cotangent has the structure of the value, a tuple of cotangents has those of the primals. With `has_aux`, `f`
    returns a pair and the auxiliary data come third.
    """
    traced = Traced("vjp", f, primals, has_aux=has_aux, lasting=True)

    structure = traced.structure
    places = [""] if structure is LEAF else [f" at {p}" for p in structure.paths()]

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        given = [cotangent] if structure is LEAF else structure.leaves_of(cotangent, "vjp", "cotangent", "")
        tensors = _any_tensor(given)
        create = traced.nested or tensors
        cotangents = [
            matched("vjp", "cotangent", "the output's", c, out, place, create)
            for c, out, place in zip(given, traced.outs, places, strict=True)
        ]
        answers = traced.pull(cotangents, create)
        return traced.by_argument(answers if tensors else [traced.give(h) for h in answers])

    return (traced.value(), pullback, traced.auxiliary()) if has_aux else (traced.value(), pullback)


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """`f`'s value and its directional derivative along the tangents, which have the structures of the primals.

    Raises:
        ShapeError: a tangent has another shape or structure than its primal.
        DTypeError: a tangent is complex.
    """
    if len(primals) != len(tangents):
        raise ShapeError(
            f"jvp: there must be a tangent for each primal, got {len(primals)} and {len(tangents)}. {where('jvp')}"
        )
    traced = Traced("jvp", f, primals)
    given, places = (list(tangents), None) if traced.flat else _by_leaf(traced, tangents)
    create = traced.nested or _any_tensor(given)
    vectors = [
        matched("jvp", "tangent", "its primal's", v, t, i if places is None else places[i], create)
        for i, (v, t) in enumerate(zip(given, traced.inputs, strict=True))
    ]
    pushed = traced.push(vectors)
    traced.nested = create
    return traced.value(), traced.built(
        [_own(traced, out, tangent, vectors) for out, tangent in zip(traced.outs, pushed, strict=True)]
    )


def _by_leaf(traced: Traced, tangents: Sequence[Any]) -> tuple[list[Any], list[str]]:
    """The leaves of tangents that are containers, and their places for messages."""
    given: list[Any] = []
    places: list[str] = []
    for i, (structure, v) in enumerate(zip(traced.arguments, tangents, strict=True)):
        given += structure.leaves_of(v, "jvp", "tangent", f"argument {i}")
        places += structure.paths(f" for argument {i}")
    return given, places


def _any_tensor(leaves: list[Any]) -> bool:
    for x in leaves:  # noqa: SIM110 - half the time of any()
        if isinstance(x, Tensor):
            return True
    return False


def _own(traced: Traced, out: Tensor, tangent: Any, vectors: list[Any]) -> Any:
    """A tangent that the caller may write to."""
    if tangent is None:
        tangent = np.zeros_like(out.data)
    elif not traced.nested and any(tangent is v for v in vectors):
        tangent = np.copy(tangent)
    return traced.give(np.asarray(tangent) if isinstance(tangent, np.generic) else tangent)


def hvp(f: Callable[..., Any], primals: Sequence[Any], vectors: Sequence[Any]) -> tuple[Any, ...]:
    """Hessian of `f` times vectors, one per primal, without forming it: the JVP of the gradient."""
    gradient = grad(f, tuple(range(len(primals))))
    product: tuple[Any, ...] = jvp(gradient, primals, vectors)[1]
    return product
