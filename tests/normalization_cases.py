"""The table of normalization layers: inputs for them, and the literal formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import nn
import nn.functional as F

PLACEMENTS = ["variance", "deviation"]


def literal(x: Any, axes: Any, w: Any, b: Any, eps: float, placement: str, *, centre: bool = True) -> Any:
    """The textbook formula."""
    c = x - np.mean(x, axis=axes, keepdims=True) if centre else x
    var = np.mean(c * c, axis=axes, keepdims=True)
    return c / (np.sqrt(var + eps) if placement == "variance" else np.sqrt(var) + eps) * w + b


def grouped(x: Any, groups: int, w: Any, b: Any, eps: float, placement: str) -> Any:
    """Group normalization by slices: every sample and group by itself."""
    members = x.shape[1] // groups
    one = (members,) + (1,) * (len(x.shape) - 2)
    return np.stack([
        np.concatenate([
            literal(x[n, i : i + members], None, w[i : i + members].reshape(one), b[i : i + members].reshape(one), eps,
                    placement)
            for i in range(0, x.shape[1], members)
        ])
        for n in range(x.shape[0])
    ])  # fmt: skip


def columns(rank: int, *parameters: Any) -> list[Any]:
    """Parameters (C,) with the axes behind them."""
    return [np.reshape(p, (-1,) + (1,) * (rank - 2)) for p in parameters]


@dataclass
class Case:
    """A layer, an input shape for it, its function, and its formula in (x, weight, bias, eps, placement)."""

    layer: Callable[..., nn.Module]
    shape: tuple[int, ...]
    function: Callable[..., Any]
    formula: Callable[..., Any]
    parameters: tuple[int, ...]
    biased: bool = True

    def arrays(self, rng: Any, dtype: Any = np.float64) -> list[Any]:
        shapes = [self.parameters] * (2 if self.biased else 1)
        x = rng.normal(0.5, 2.0, self.shape)
        return [a.astype(dtype) for a in (x, *(rng.normal(1.0, 0.4, s) for s in shapes))]


def batch(shape: tuple[int, ...], name: str = "BatchNorm", axis: int = 1) -> Case:
    axes = tuple(i for i in range(len(shape)) if i != axis)
    column = tuple(n if i == axis else 1 for i, n in enumerate(shape))
    options = {"feature_axis": axis} if axis != 1 else {}
    return Case(
        lambda **o: getattr(nn, name)(shape[axis], **options, **o),
        shape,
        lambda x, w, b, **o: F.batch_norm(x, None, None, w, b, True, feature_axis=axis, **o),
        lambda x, w, b, *o: literal(x, axes, np.reshape(w, column), np.reshape(b, column), *o),
        (shape[axis],),
    )


def instance(shape: tuple[int, ...], name: str = "InstanceNorm") -> Case:
    axes = tuple(range(2, len(shape)))
    return Case(
        lambda **o: getattr(nn, name)(shape[1], affine=True, **o),
        shape,
        lambda x, w, b, **o: F.instance_norm(x, None, None, w, b, **o),
        lambda x, w, b, *o: literal(x, axes, *columns(len(shape), w, b), *o),
        (shape[1],),
    )


def group(shape: tuple[int, ...], groups: int) -> Case:
    return Case(
        lambda **o: nn.GroupNorm(groups, shape[1], **o),
        shape,
        lambda x, w, b, **o: F.group_norm(x, groups, w, b, **o),
        lambda x, w, b, *o: grouped(x, groups, w, b, *o),
        (shape[1],),
    )


def layer(shape: tuple[int, ...], normalized: int | tuple[int, ...], rms: bool = False) -> Case:
    trailing = (normalized,) if isinstance(normalized, int) else normalized
    axes = tuple(range(-len(trailing), 0))
    if rms:
        return Case(
            lambda **o: nn.RMSNorm(normalized, **o),
            shape,
            lambda x, w, **o: F.rms_norm(x, normalized, w, **o),
            lambda x, w, *o: literal(x, axes, w, 0.0, *o, centre=False),
            trailing,
            biased=False,
        )
    return Case(
        lambda **o: nn.LayerNorm(normalized, **o),
        shape,
        lambda x, w, b, **o: F.layer_norm(x, trailing, w, b, **o),
        lambda x, w, b, *o: literal(x, axes, w, b, *o),
        trailing,
    )


CASES = {
    "batch 2-d": batch((4, 3)),
    "batch features first": batch((3, 5), axis=0),
    "batch features last": batch((2, 3, 2), axis=2),
    "batch 1d": batch((4, 3), "BatchNorm1d"),
    "batch 1d sequences": batch((2, 3, 4), "BatchNorm1d"),
    "batch 2d": batch((2, 2, 2, 2), "BatchNorm2d"),
    "batch 3d": batch((2, 2, 1, 2, 2), "BatchNorm3d"),
    "instance 1d": instance((2, 3, 5), "InstanceNorm1d"),
    "instance 2d": instance((2, 2, 2, 2), "InstanceNorm2d"),
    "instance 3d": instance((2, 2, 2, 1, 3), "InstanceNorm3d"),
    "instance 4d": instance((1, 2, 2, 1, 2, 2)),
    "group": group((2, 4, 2), 2),
    "group 2-d": group((2, 6), 2),
    "group images": group((2, 4, 2, 2), 2),
    "group of all": group((2, 3, 2), 1),
    "layer": layer((3, 4), 4),
    "layer of a sequence": layer((2, 3, 4), (4,)),
    "layer of two axes": layer((2, 2, 3), (2, 3)),
    "layer of a vector": layer((5,), 5),
    "rms": layer((3, 4), 4, rms=True),
    "rms of two axes": layer((2, 2, 3), (2, 3), rms=True),
}
each = pytest.mark.parametrize("name", CASES)
FEW = ["batch 2-d", "batch 2d", "instance 2d", "group", "layer", "layer of two axes", "rms"]
few = pytest.mark.parametrize("name", FEW)


def filled(case: Case, rng: Any, dtype: Any = np.float64, **options: Any) -> tuple[nn.Module, list[Any]]:
    """A module and the arrays (x, parameters) that it has and is to be called with."""
    module = case.layer(dtype=dtype, **options)
    arrays = case.arrays(rng, dtype)
    for p, value in zip(module.parameters(), arrays[1:], strict=True):
        assert p.shape == value.shape
        p.data = value.copy()
    return module, arrays
