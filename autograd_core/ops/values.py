"""Functions whose results are indices, counts or yes and no: no gradient by nature, computed on the values.

They return NumPy's own arrays. What a gradient could flow through all the same (weights of a histogram) is refused; the
edges of a histogram of data in the graph are Tensors.
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


def _counted(function: Any, samples: int, names: str) -> None:
    """Registers a histogram, whose first arguments (`samples` of them) are what is counted."""
    order = names.split()

    def call(*args: Any, **kwargs: Any) -> Any:
        given = {**dict(zip(order, args, strict=False)), **kwargs}
        weights: Any = given.get("weights")
        if getattr(weights, "requires_grad", False):
            raise GraphError(
                f"{function.__name__}: weights must be constants, got a tensor of shape {weights.shape} in the graph, "
                "whose gradient would be lost; find the bins with np.digitize and add the weights up with "
                f"np.bincount(bins, t). {where(function.__name__)}"
            )
        out = function(**{name: plain(x) for name, x in given.items()})
        edges: Any = [out] if function is np.histogram_bin_edges else out[1] if function is np.histogramdd else out[1:]
        columns: Any = [given[name] for name in order[:samples]]
        if function is np.histogramdd:  # columns, or a list of them, or a single one
            (sample,) = columns
            columns = sample if isinstance(sample, list | tuple) else [sample]
            columns = np.unstack(sample, axis=1) if getattr(sample, "ndim", 1) == 2 else columns
        moved = [_moved(e, x, i, given, len(edges)) for i, (e, x) in enumerate(zip(edges, columns, strict=True))]
        if all(m is e for m, e in zip(moved, edges, strict=True)):
            return out
        if given.get("density"):
            raise GraphError(
                f"{function.__name__}: a density must have constant edges, got none for data in the graph, whose "
                f"smallest and largest elements they are; give range=, or bins as edges. {where(function.__name__)}"
            )
        if function is np.histogram_bin_edges:
            return moved[0]
        return (out[0], tuple(moved)) if function is np.histogramdd else (out[0], *moved)

    call.__name__ = function.__name__
    call.__doc__ = (
        f"NumPy's `{function.__name__}` on the values: counts have no gradient. Edges move with the bins or "
        "the range that are given, else with the smallest and the largest element, Tensors for these in the graph.\n\n"
        "Raises:\n    GraphError: weights, or the data of a density, in the graph, whose gradient would be lost."
    )
    registry.functions[function] = call


def _moved(edges: Any, x: Any, i: int, given: dict[str, Any], dimensions: int) -> Any:
    """Edges that depend on the data, recorded; else as they are."""
    bins, limits = given.get("bins", 10), given.get("range")
    if dimensions > 1:
        bins = bins[i] if isinstance(bins, list | tuple | np.ndarray) and len(bins) == dimensions else bins
        limits = None if limits is None else limits[i]
    elif "sample" in given:
        bins = bins[0] if isinstance(bins, list | tuple) else bins
        limits = None if limits is None else limits[0]
    if np.ndim(bins):
        return bins if _in_graph(bins) else edges
    if not any(map(_in_graph, (x,) if limits is None else limits)) or not np.size(x):
        return edges
    low, high = (np.min(x), np.max(x)) if limits is None else limits
    apart = 0.0 if high > low else 0.5
    return np.linspace(low - apart, high + apart, len(edges))


def _in_graph(x: Any) -> bool:
    return getattr(x, "requires_grad", False)


_HISTOGRAMS = (
    (np.histogram, 1, "a bins range density weights"),
    (np.histogram_bin_edges, 1, "a bins range weights"),
    (np.histogram2d, 2, "x y bins range density weights"),
    (np.histogramdd, 1, "sample bins range density weights"),
)
for _declaration in _HISTOGRAMS:
    _counted(*_declaration)
NO_GRADIENT += tuple(function for function, *_ in _HISTOGRAMS)
