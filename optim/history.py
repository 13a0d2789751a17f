"""`History`: what a training run has recorded, as numbers, as a table and as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from io import BytesIO
from math import isfinite
from typing import Any

import numpy as np

from autograd_core.errors import ArgumentError, where

from .histograms import Histogram

__all__ = ["History"]

_SHOWN = 20  # rows of the table; longer runs are cut in the middle


class History:
    """Series of a training run; `history["loss"]` is the list of losses, one per epoch.

    Means over an epoch are over samples, so that a small last batch does not count for more than its share.

    Attributes:
        steps: per-step series by name: "loss", "learning rate", and "gradient norm" where gradients are clipped.
        seconds: wall time per epoch.
        histograms: what the callback `Histograms` has recorded.
        stopped: why the run ended before its last epoch, or that it was interrupted as late as after it; else None.
    """

    def __init__(self) -> None:
        self._series: dict[str, list[float]] = {}
        self._epochs = 0
        self.steps: dict[str, list[float]] = {}
        self.seconds: list[float] = []
        self.histograms: list[Histogram] = []
        self.stopped: str | None = None

    # -- reading

    @property
    def epochs(self) -> list[int]:
        """The numbers of the completed epochs: 1, 2, ..."""
        return list(range(1, self._epochs + 1))

    @property
    def best(self) -> dict[str, float]:
        """The row of the epoch with the lowest validation loss (training loss if there is no validation).

        Raises:
            ArgumentError: no epoch has been completed.
        """
        return self.best_by("validation loss" if "validation loss" in self._series else "loss")

    def best_by(self, name: str, mode: str = "min") -> dict[str, float]:
        """The row of the epoch in which a series is lowest, or highest with mode="max"; the first of several.

        Raises:
            ArgumentError: there is no such series, or no completed epoch.
        """
        values = self[name] if self._epochs else []
        finite = [i for i, value in enumerate(values) if isfinite(value)]
        if not finite or mode not in ("min", "max"):
            raise ArgumentError(
                f"History.best: there must be an epoch with a finite {name!r} and a mode 'min' or 'max', got "
                f"{self._epochs} epochs and mode {mode!r}; run fit first. {where('best')}"
            )
        i = (min if mode == "min" else max)(finite, key=lambda i: values[i])
        return {"epoch": i + 1} | {key: series[i] for key, series in self._series.items()}

    def __getitem__(self, name: str) -> list[float]:
        if name not in self._series:
            raise _NoSeriesError(
                f"History: a series must be one of {list(self._series)}, got {name!r}; per-step series are in .steps. "
                f"{where('History')}"
            )
        return self._series[name]

    def __contains__(self, name: object) -> bool:
        return name in self._series

    def __iter__(self) -> Iterator[str]:
        return iter(self._series)

    def __len__(self) -> int:
        return self._epochs

    def keys(self) -> list[str]:
        """The names of the per-epoch series."""
        return list(self._series)

    # -- writing

    def add_epoch(self, row: Mapping[str, float], seconds: float) -> None:
        """Appends a row; a series that is new or missing in it has NaN elsewhere."""
        for name, value in row.items():
            self._series.setdefault(name, [float("nan")] * self._epochs).append(float(value))
        self._epochs += 1
        for values in self._series.values():
            if len(values) < self._epochs:
                values.append(float("nan"))
        self.seconds.append(seconds)

    # -- as plain data

    def to_dict(self) -> dict[str, Any]:
        """Everything as dicts, lists, strings and numbers that `json.dumps` takes; NaN and infinity become None."""
        return {
            "epochs": self.epochs,
            "series": {name: _plain(values) for name, values in self._series.items()},
            "steps": {name: _plain(values) for name, values in self.steps.items()},
            "seconds": list(self.seconds),
            "histograms": [histogram.to_dict() for histogram in self.histograms],
            "stopped": self.stopped,
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything, exactly, for a checkpoint; long series as arrays."""
        return {
            "epochs": self._epochs,
            "series": {name: np.array(values, np.float64) for name, values in self._series.items()},
            "steps": {name: np.array(values, np.float64) for name, values in self.steps.items()},
            "seconds": np.array(self.seconds, np.float64),
            "histograms": [vars(histogram) for histogram in self.histograms],
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Takes over what `state_dict` gave."""
        self._epochs = saved["epochs"]
        self._series = {name: values.tolist() for name, values in saved["series"].items()}
        self.steps = {name: values.tolist() for name, values in saved["steps"].items()}
        self.seconds = saved["seconds"].tolist()
        self.histograms = [Histogram(**fields) for fields in saved["histograms"]]

    # -- text and pictures

    def __repr__(self) -> str:
        names = ["epoch", *self._series, "seconds"]
        columns = [*self._series.values(), self.seconds]
        rows = [[str(i + 1), *(_short(column[i]) for column in columns)] for i in range(self._epochs)]
        if len(rows) > _SHOWN:
            rows = [*rows[: _SHOWN // 2], ["..."] * len(names), *rows[-_SHOWN // 2 :]]
        widths = [max(map(len, column)) for column in zip(names, *rows)]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths)) for line in [names, *rows]]
        return "\n".join([*lines, *([f"stopped: {self.stopped}"] if self.stopped else [])])

    def plot(self, names: Any = None) -> Any:
        """Draws the series over the epochs, each beside its "validation ..." in one panel.

        Nothing is shown on the screen and no GUI is needed: a notebook displays the returned figure,
        `figure.savefig("run.png")` writes it.

        Args:
            names: the series to draw, or a single one; by default the loss and the metrics.

        Returns:
            A matplotlib Figure.

        Raises:
            ArgumentError: an unknown series, or no completed epoch.
            ImportError: matplotlib is not installed.
        """
        if not self._epochs:
            raise ArgumentError(
                f"History.plot: there must be a completed epoch, got none; run fit first. {where('plot')}"
            )
        prefix = "validation "
        wanted = (
            [n for n in self._series if n != "learning rate"]
            if names is None
            else [names]
            if isinstance(names, str)
            else list(names)
        )
        panels: dict[str, list[str]] = {}
        for name in wanted:
            self[name]  # raises for an unknown one
            panels.setdefault(name.removeprefix(prefix), []).append(name)
        figure = new_figure("History.plot", (4.5 * len(panels), 3.2))
        for i, (title, members) in enumerate(panels.items()):
            axes = figure.add_subplot(1, len(panels), i + 1)
            for name in members:
                label = "validation" if name.startswith(prefix) else "training"
                axes.plot(self.epochs, self._series[name], marker="." if self._epochs < 50 else "", label=label)
            axes.set_xlabel("epoch")
            axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
            axes.set_ylabel(title)
            axes.grid(alpha=0.3)
            if len(members) > 1:
                axes.legend()
        return figure

    def plot_histograms(self, kind: str = "activation", step: int | None = None) -> Any:
        """Draws the recorded histograms: a row per recorded step, a column per module.

        Args:
            kind: "activation" or "gradient" (whose counts are drawn on a logarithmic axis).
            step: this step only; by default all.

        Returns:
            A matplotlib Figure.

        Raises:
            ArgumentError: nothing of the kind was recorded.
            ImportError: matplotlib is not installed.
        """
        chosen = [h for h in self.histograms if h.kind == kind and step in (None, h.step)]
        if not chosen:
            raise ArgumentError(
                f"History.plot_histograms: there must be a recorded histogram of the kind and step, got kind {kind!r} "
                f"and step {step} among {len(self.histograms)} histograms; pass callbacks=[Histograms()] to fit. "
                f"{where('plot_histograms')}"
            )
        drawn = {h.module for h in chosen}
        # Activations are recorded in the order of the layers, gradients against it.
        modules = [module for module in dict.fromkeys(h.module for h in self.histograms) if module in drawn]
        steps = list(dict.fromkeys(h.step for h in chosen))
        figure = new_figure("History.plot_histograms", (2.2 * len(modules), 2.0 * len(steps)))
        for h in chosen:
            row, column = steps.index(h.step), modules.index(h.module)
            axes = figure.add_subplot(len(steps), len(modules), row * len(modules) + column + 1)
            axes.stairs(h.counts, h.edges, fill=True)
            axes.set_title(f"{h.module}, step {h.step}\nzeros {h.zeros:.0%}", fontsize=8)
            axes.tick_params(labelsize=6)
            if kind == "gradient":
                axes.set_yscale("symlog")
        return figure


class _NoSeriesError(ArgumentError, KeyError):
    """A KeyError too, since `history[name]` reads as a dict."""

    __str__ = Exception.__str__


def new_figure(by: str, size: tuple[float, float]) -> Any:
    """An empty Figure without a GUI behind it, which notebooks display."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            f"{by}: matplotlib must be installed for pictures; run `pip install matplotlib`. {where(by)}"
        ) from error

    class Picture(Figure):
        # pyplot would tell IPython how to show a Figure, and choose a GUI along with it.
        def _repr_png_(self) -> bytes:
            buffer = BytesIO()
            self.savefig(buffer, format="png")
            return buffer.getvalue()

    return Picture(figsize=size, layout="constrained")


def _plain(values: list[float]) -> list[float | None]:
    return [value if isfinite(value) else None for value in values]


def _short(value: float) -> str:
    return f"{value:.4g}" if 1e-3 <= abs(value) < 1e4 or value == 0 else f"{value:.2e}"
