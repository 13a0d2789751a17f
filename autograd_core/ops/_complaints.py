"""NumPy's complaints in compositions, in the form of this package."""

from __future__ import annotations

from typing import Any

from ..errors import AutogradError, ShapeError, where

__all__ = ["at_least", "naming"]


class naming:
    """Inside it, what NumPy complains about becomes a `ShapeError` or `DTypeError` that names the function."""

    __slots__ = ("name", "operands")

    def __init__(self, name: str, *operands: Any) -> None:
        self.name, self.operands = name, operands

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if isinstance(error, ValueError | IndexError | TypeError) and not isinstance(error, AutogradError):
            from ..engine import failure

            raise failure(self, error, self.operands) from error  # type: ignore[arg-type] # it asks for the name only


def at_least(name: str, a: Any, rank: int) -> None:
    """Refuses arrays with fewer axes than the function works on.

    Raises:
        ShapeError: `a` has fewer than `rank` axes.
    """
    if len(a.shape) < rank:
        raise ShapeError(
            f"{name}: the array must have at least {rank} {'axis' if rank == 1 else 'axes'}, got shape "
            f"{tuple(a.shape)}; add axes with np.expand_dims. {where(name)}"
        )
