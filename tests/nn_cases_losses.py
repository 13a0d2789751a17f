"""The rows of losses in the table of `nn_cases`, which explains the fields."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core.errors import ArgumentError, DTypeError, ShapeError
from nn_harness import COMPOSED, Bad, Case, case, distribution, real, signs, whole

__all__ = ["LOSSES"]


def loss(layer: str, inputs: Any, *args: Any, **fields: Any) -> Case:
    """A row of a loss. The mean of no samples is no number, so only rows without reduction take them."""
    options = fields.get("options") or {}
    return case(layer, inputs, *args, **{"empty": options.get("reduction") == "none"} | fields)


PAIR = (real(3, 3), real(3, 3))
UNIT = (real(3, 3, low=0.05, high=0.95), real(3, 3, low=0.05, high=0.95))
CLASSES = (real(5, 4), whole(5, below=4))
WEIGHTS = np.array([0.5, 1.0, 2.0, 0.25])
MARGIN = (real(8, low=-3, high=3), signs(8))


def wrong_labels(function: str) -> tuple[Bad, ...]:
    """What a classification loss refuses as class indices."""
    return (
        Bad(ArgumentError, f"{function}: class indices must be in \\[0, 4\\)", inputs=(real(2, 4), np.array([0, 4]))),
        Bad(ArgumentError, f"{function}: .*label -1 at position 1", inputs=(real(2, 4), np.array([0, -1]))),
        Bad(DTypeError, f"{function}: class indices must be integers", inputs=(real(2, 4), np.array([0.0, 1.0]))),
        Bad(ShapeError, f"{function}: for an input of shape \\(2, 4\\)", inputs=(real(2, 4), np.array([0, 1, 2]))),
        Bad(ShapeError, f"{function}: the input must have a class axis", inputs=(real(), np.array(0))),
    )


LOSSES = [
    *(
        row
        for layer, inputs, fields in (
            ("MSELoss", PAIR, {}),
            ("L1Loss", PAIR, {}),
            ("SmoothL1Loss", PAIR, {}),
            ("HuberLoss", PAIR, {}),
            ("KLDivLoss", (real(3, 3), UNIT[1]), {}),
            ("HalfSquaredLoss", PAIR, {"torch": COMPOSED}),
            ("BCELoss", UNIT, {}),
            ("BCEWithLogitsLoss", (real(3, 3), UNIT[1]), {}),
            ("NLLLoss", CLASSES, {}),
            ("CrossEntropyLoss", CLASSES, {}),
            ("HingeLoss", MARGIN, {"torch": COMPOSED, "differentiate": (0,), "kinks": (-1, 1)}),
            ("PerceptronLoss", MARGIN, {"torch": COMPOSED, "differentiate": (0,), "kinks": (0,)}),
        )
        for row in (
            loss(layer, inputs, **fields, bad=(
                Bad(ArgumentError, f"{layer}: reduction must be 'mean', 'sum' or 'none'", kwargs={"reduction": "max"}),
                Bad(ShapeError, "shape", inputs=(inputs[0], whole(7, below=3))),
            )),
            loss(layer, inputs, **fields, name="sum", options={"reduction": "sum"}),
            loss(layer, inputs, **fields, name="none", options={"reduction": "none"}),
        )
    ),
    loss("SmoothL1Loss", PAIR, name="beta", options={"beta": 0.3}, bad=(
        Bad(ArgumentError, "SmoothL1Loss: beta must be", kwargs={"beta": -1.0}),
    )),
    loss("HuberLoss", PAIR, name="delta", options={"delta": 0.3}, bad=(
        Bad(ArgumentError, "HuberLoss: delta must be", kwargs={"delta": 0}),
    )),
    loss("KLDivLoss", (real(3, 3), UNIT[1]), name="batchmean", options={"reduction": "batchmean"}),
    loss("KLDivLoss", PAIR, name="log-target", options={"log_target": True}),
    loss("CrossEntropyLoss", (real(5, 4), distribution(5, 4)), name="probabilities"),
    loss("CrossEntropyLoss", (real(2, 4, 3), whole(2, 3, below=4)), name="pixels", bad=wrong_labels("cross_entropy")),
    loss("CrossEntropyLoss", (real(2, 4, 3), distribution(2, 4, 3)), name="pixel-probabilities"),
    loss("CrossEntropyLoss", (real(4), whole(below=4)), name="one-sample"),
    loss("CrossEntropyLoss", CLASSES, name="smoothing", options={"label_smoothing": 0.1}),
    loss("CrossEntropyLoss", CLASSES, name="weight", options={"weight": WEIGHTS}, evaluates=False),
    loss("CrossEntropyLoss", CLASSES, name="weight-smoothing", evaluates=False,
         options={"weight": WEIGHTS, "label_smoothing": 0.2}),
    loss("CrossEntropyLoss", (real(5, 4), distribution(5, 4)), name="weight-probabilities", evaluates=False,
         options={"weight": WEIGHTS, "label_smoothing": 0.2}),
    loss("CrossEntropyLoss", CLASSES, name="ignore", options={"ignore_index": 2}),
    loss("NLLLoss", CLASSES, name="weight", options={"weight": WEIGHTS}, evaluates=False),
    loss("NLLLoss", (real(2, 4, 3), whole(2, 3, below=4)), name="pixels", bad=wrong_labels("nll_loss")),
    loss("BCELoss", UNIT, name="weight", options={"weight": np.array([0.5, 1.0, 2.0])}, evaluates=False),
    loss("BCEWithLogitsLoss", (real(3, 3), UNIT[1]), name="pos-weight", evaluates=False,
         options={"pos_weight": np.array([0.5, 1.0, 2.0])}),
]  # fmt: skip
