"""Functions whose results are indices, counts or yes and no: no gradient by nature, computed on the values.

They return NumPy's own arrays. What a gradient could flow through all the same (weights of a histogram) is refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import GraphError, where
from ..operator import registry
from ..tensor import Tensor

__all__ = ["NO_GRADIENT", "listed", "on_values", "plain"]


def plain(x: Any) -> Any:
    """The arrays of tensors, in lists and tuples too; everything else as it is."""
    if isinstance(x, Tensor):
        return x.data
    return type(x)(map(plain, x)) if type(x) in (list, tuple) else x


def listed(x: Any) -> Any:
    """Lists and tuples as arrays; arrays, tensors and numbers as they are."""
    return np.asarray(x) if type(x) in (list, tuple) else x


def on_values(function: Any) -> Any:
    """The function on arrays."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*map(plain, args), **{name: plain(x) for name, x in kwargs.items()})

    call.__name__ = function.__name__
    call.__doc__ = f"NumPy's `{function.__name__}` on the values: its result has no gradient."
    call.no_gradient = True  # type: ignore[attr-defined]  # for tables of what there is
    return call


NO_GRADIENT: tuple[Any, ...] = (
    np.argpartition,
    np.argwhere,
    np.array_equiv,
    np.common_type,
    np.diag_indices_from,
    np.digitize,
    np.einsum_path,
    np.iscomplex,
    np.isneginf,
    np.isposinf,
    np.isreal,
    np.lexsort,
    np.packbits,
    np.ravel_multi_index,
    np.searchsorted,
    np.tril_indices_from,
    np.triu_indices_from,
    np.unpackbits,
)
for _function in NO_GRADIENT:
    registry.functions[_function] = on_values(_function)


def _counted(function: Any) -> None:
    def call(*args: Any, weights: Any = None, **kwargs: Any) -> Any:
        if weights is None and len(args) > _PLACE[function]:
            weights = args[_PLACE[function]]
        if getattr(weights, "requires_grad", False):
            raise GraphError(
                f"{function.__name__}: weights must be constants, got a tensor of shape {weights.shape} in the graph, "
                "whose gradient would be lost; find the bins with np.digitize and add the weights up with "
                f"np.bincount(bins, t). {where(function.__name__)}"
            )
        return function(*map(plain, args), **{k: plain(v) for k, v in kwargs.items()}, **_given(weights, args))

    def _given(weights: Any, args: Any) -> dict[str, Any]:
        return {} if weights is None or len(args) > _PLACE[function] else {"weights": plain(weights)}

    call.__name__ = function.__name__
    call.__doc__ = (
        f"NumPy's `{function.__name__}` on the values: counts have no gradient, and edges are taken as constants.\n\n"
        "Raises:\n    GraphError: weights in the graph, whose gradient would be lost."
    )
    call.no_gradient = True  # type: ignore[attr-defined]
    registry.functions[function] = call


_PLACE = {np.histogram: 4, np.histogram_bin_edges: 3, np.histogram2d: 5, np.histogramdd: 4}  # where `weights` stands
for _function in _PLACE:
    _counted(_function)
NO_GRADIENT += tuple(_PLACE)
