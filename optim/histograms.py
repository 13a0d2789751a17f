"""Histograms of activations and gradients per layer, recorded while a model trains."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from autograd_core import Tensor
from autograd_core.checks import is_count, require
from autograd_core.context import current
from autograd_core.errors import ArgumentError, where

from .callbacks import Callback, FitState

__all__ = ["Histogram", "Histograms"]


@dataclass
class Histogram:
    """The distribution of one array.

    Attributes:
        step: how many updates had been made.
        module: dotted path.
        kind: "activation" (the module's output) or "gradient" (of the loss by that output).
        mean: over all elements.
        std: over all elements.
        zeros: fraction of the elements that are exactly 0, as ReLU makes them.
        counts: elements per bin, of those that are finite and not 0.
        edges: of the bins, one more than counts.
    """

    step: int
    module: str
    kind: str
    mean: float
    std: float
    zeros: float
    counts: Any
    edges: Any

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers and lists."""
        numbers = {name: v if isfinite(v) else None for name, v in vars(self).items() if isinstance(v, float)}
        return vars(self) | numbers | {"counts": self.counts.tolist(), "edges": self.edges.tolist()}


class Histograms(Callback):
    """Records the distributions of each layer's output and of the gradient of the loss by it.

    They are in `history.histograms`, with mean, standard deviation and fraction of zeros;
    `history.plot_histograms()` draws them. This shows vanishing and exploding activations and gradients, as in
    KTH DD2424, lecture 4: per layer for several initializations, and with and without batch normalization at steps 0,
    1000, 2000 and 4000.

    Steps between the recorded ones pay nothing but the call of a function per layer.

    Args:
        modules: dotted paths, or modules, to watch; by default those that have no modules below them.
        every: number of steps from one recording to the next, beginning with step 0; or the steps themselves.
        bins: bins of a histogram.

    Raises:
        ArgumentError: at the beginning of fit, if a module is not in the model; here, if `every` or `bins` is none.
    """

    def __init__(
        self, modules: Collection[Any] | None = None, every: int | Collection[int] = 100, bins: int = 50
    ) -> None:
        steps = every if isinstance(every, Collection) else [every]
        counts = all(is_count(n, 0 if steps is every else 1) for n in steps)
        require(counts, "Histograms", "every", "a positive integer or a collection of steps", every)
        require(is_count(bins), "Histograms", "bins", "a positive integer", bins)
        self.modules, self.every, self.bins = modules, every, int(bins)
        self._recording = False
        self._handles: list[Any] = []

    def on_fit_begin(self, state: FitState) -> None:
        """Attaches a hook to every watched module."""
        self._remove()
        for path, module in self._chosen(state.model):
            self._handles.append(module.register_forward_hook(self._hook(path, state)))
        self._arm(state)

    def _chosen(self, model: Any) -> list[tuple[str, Any]]:
        if not hasattr(model, "named_modules"):
            raise ArgumentError(
                f"Histograms: the model must be a module, got {type(model).__name__}; only modules have hooks. "
                f"{where('Histograms')}"
            )
        all_modules = list(model.named_modules())
        if self.modules is None:
            return [(path or type(m).__name__, m) for path, m in all_modules if not any(True for _ in m.children())]
        chosen = []
        for wanted in self.modules:
            found = [(p, m) for p, m in all_modules if (p == wanted if isinstance(wanted, str) else m is wanted)]
            if not found:
                raise ArgumentError(
                    f"Histograms: a module must be in the model, got {wanted!r}; its paths are "
                    f"{[p for p, _ in all_modules if p]}. {where('Histograms')}"
                )
            chosen += found
        return chosen

    def _hook(self, path: str, state: FitState) -> Any:
        def after_forward(module: Any, args: Any, out: Any) -> None:
            # Validation, and the second run that looks for a NaN, are not part of the training.
            if not self._recording or not isinstance(out, Tensor) or not out.requires_grad or current().replaying:
                return
            self._add(state, path, "activation", out.data)

            def with_gradient(gradient: Tensor) -> None:
                self._add(state, path, "gradient", gradient.data)

            out.register_hook(with_gradient)

        return after_forward

    def _add(self, state: FitState, path: str, kind: str, array: Any) -> None:
        values = np.asarray(array).ravel()
        nonzero = values[(values != 0) & np.isfinite(values)]
        counts, edges = _histogram(nonzero, self.bins)
        with np.errstate(all="ignore"):
            mean, std = float(np.mean(values, dtype=np.float64)), float(np.std(values, dtype=np.float64))
        zeros = float(np.mean(values == 0))
        state.history.histograms.append(Histogram(state.step, path, kind, mean, std, zeros, counts, edges))

    def on_batch_end(self, state: FitState) -> None:
        """Decides whether the next step is recorded."""
        self._arm(state)

    def _arm(self, state: FitState) -> None:
        every = self.every
        self._recording = state.step in every if isinstance(every, Collection) else state.step % every == 0

    def on_fit_end(self, state: FitState) -> None:
        """Takes the hooks away."""
        self._remove()

    def _remove(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self._recording = False


def _histogram(values: Any, bins: int) -> tuple[Any, Any]:
    """Counts and edges, also where the values hardly differ, as those of saturated activations."""
    if not values.size:
        return np.histogram(values, bins)
    quarter = values.astype(np.float64) / 4  # the distance of two finite numbers may be infinite
    low, high = float(quarter.min()), float(quarter.max())
    # Edges must be numbers that can be told apart; equal values get a range of 1, as NumPy gives them.
    least = max(2 * bins * float(np.spacing(max(-low, high))), 0.25 * (low == high))
    extra = max(least - (high - low), 0.0) / 2
    counts, edges = np.histogram(quarter, bins, (low - extra, high + extra))
    return counts, 4 * edges
