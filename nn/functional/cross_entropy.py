"""Losses of a label that is one of C classes, in forward form: from logits, log-probabilities or probabilities.

The class axis is the second one, or the only one: inputs are (N, C), (N, C, d1, ...) or (C,). The target's shape says
what it is: without the class axis, it holds class indices; in the input's shape, one-hot rows or probabilities. It
cannot be both: for logits (C,) a class index is 0-d, and a target (C,) is one row, of integers too.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from autograd_core import Tensor
from autograd_core.errors import ArgumentError, DTypeError, ShapeError
from autograd_core.ops.binary_losses import clamped_log

from .._checks import array, is_integer, is_number, number, place, require
from ._reduction import (
    Reduction,
    as_dtype,
    check_floating,
    check_reduction,
    looked_at,
    possible,
    reduced,
    refuse,
    seen,
    values,
)
from .activation import log_softmax
from .binary import check_unit_interval

__all__ = ["check_class_options", "cross_entropy", "nll_from_probabilities", "nll_loss"]

_IGNORED = -100


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = _IGNORED,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Cross-entropy of q = softmax(input) against labels, from logits, without overflow.

    With class indices t, -w_t ln q_t; with probabilities p, -sum_c w_c p_c ln q_c. Label smoothing s mixes the labels
    with the uniform distribution: (1 - s) times that, plus s / C times -sum_c w_c ln q_c.

    Args:
        input: logits (N, C), or (N, C, d1, ...), or (C,).
        target: integers in [0, C), of the input's shape without the class axis; or one-hot rows or probabilities of
            the input's shape, of any real dtype or bool (not checked to sum to 1), which may need a gradient
            themselves. A class of probability 0 adds 0, even where its logit is -inf.
        weight: (C,), a factor w_c per class.
        ignore_index: class indices of this value have loss and gradient 0, and do not count in the mean.
        reduction: "mean", "sum" or "none". The mean divides by the sum of the weights of the labels w_t that count
            (without weights, by their number); for probabilities by the number of samples, as in PyTorch. The mean of
            no labels is NaN, with NumPy's RuntimeWarning.
        label_smoothing: s in [0, 1].

    Raises:
        ShapeError: the target has neither shape, or the weight another than (C,).
        DTypeError: class indices that are not integers, or an input that is not floating.
        ArgumentError: a class index outside [0, C), a probability outside [0, 1], or an option outside its domain.

    Reference:
        Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016, section 7 (label smoothing).
    """
    name = "cross_entropy"
    input, label_smoothing = array(input, name), number(label_smoothing)
    shape = input.shape
    axis = _class_axis(name, input)
    labels = values(target)
    if label_smoothing != 0.0 or ignore_index != _IGNORED:
        check_class_options(name, ignore_index, label_smoothing)
    if labels.shape == shape and labels.dtype.kind in "fiub":
        if ignore_index != _IGNORED:
            raise ArgumentError(
                f"{name}: ignore_index is for class indices, got {ignore_index} with probabilities as targets; give "
                f"rows of zeros to the samples that should not count. {place(name)}"
            )
        soft = _probabilities(name, target, labels, input)
        if label_smoothing:
            soft = soft * (1 - label_smoothing) + label_smoothing / shape[axis]
        return _of_probabilities(name, log_softmax(input, axis), soft, axis, weight, reduction)
    labels, kept = _checked(name, labels, shape, axis, ignore_index)
    return _of_labels(name, log_softmax(input, axis), labels, kept, axis, weight, reduction, label_smoothing)


def nll_loss(
    input: Any, target: Any, weight: Any = None, ignore_index: int = _IGNORED, reduction: Reduction = "mean"
) -> Any:
    """Negative log-likelihood of class indices t under log-probabilities, -w_t input_t.

    Args:
        input: log-probabilities (N, C), (N, C, d1, ...) or (C,), such as `log_softmax` gives; for probabilities there
            is `nll_from_probabilities`.
        target: class indices, integers in [0, C).
        weight: (C,), a factor w_c per class.
        ignore_index: class indices of this value do not count.
        reduction: as in `cross_entropy`.

    Raises:
        ShapeError, DTypeError, ArgumentError: as in `cross_entropy`.
    """
    input = array(input, "nll_loss")
    axis = _class_axis("nll_loss", input)
    if ignore_index != _IGNORED:
        check_class_options("nll_loss", ignore_index)
    labels, kept = _checked("nll_loss", values(target), input.shape, axis, ignore_index)
    return _of_labels("nll_loss", input, labels, kept, axis, weight, reduction)


def nll_from_probabilities(input: Any, target: Any, weight: Any = None, reduction: Reduction = "mean") -> Any:
    """Negative log-likelihood of labels y under probabilities a, -sum_c y_c ln a_c.

    The logarithms are at least -100, and their slope at most 1e12 (in float16 2^14): a probability of 0 for the right
    class has loss 100 and gradient -1e12. From logits, `cross_entropy` has no such end.

    Args:
        input: probabilities (N, C), (N, C, d1, ...) or (C,), such as `softmax` gives.
        target: class indices, one-hot rows or probabilities, as in `cross_entropy`.
        weight: (C,), a factor per class.
        reduction: as in `cross_entropy`.

    Raises:
        ArgumentError: a probability or a class index is out of range.
        ShapeError, DTypeError: as in `cross_entropy`.
    """
    name = "nll_from_probabilities"
    input = array(input, name)
    axis = _class_axis(name, input)
    labels = values(target)
    check_unit_interval(name, "probability", values(input), "pass logits through softmax, or use cross_entropy")
    logarithms = clamped_log(input)
    if labels.shape == input.shape and labels.dtype.kind in "fiub":
        return _of_probabilities(name, logarithms, _probabilities(name, target, labels, input), axis, weight, reduction)
    labels, _ = _checked(name, labels, input.shape, axis, None)
    return _of_labels(name, logarithms, labels, None, axis, weight, reduction)


def _of_labels(
    name: str, logarithms: Any, labels: Any, kept: Any, axis: int, weight: Any, reduction: str, smoothing: float = 0.0
) -> Any:
    """The loss of class indices; where `kept` does not hold (None: it holds everywhere), 0."""
    if len(logarithms.shape) == 2:
        chosen = logarithms[np.arange(labels.shape[0]), labels]
    else:
        chosen = np.take_along_axis(logarithms, np.expand_dims(labels, axis), axis)
        chosen = np.reshape(chosen, labels.shape)
    if weight is None and kept is None and not smoothing:
        return -reduced(name, chosen, reduction)
    check_reduction(name, reduction)
    counts: Any = None  # what each label counts in the mean; None for 1
    if weight is not None:
        weight = _class_weight(name, weight, logarithms, axis)
        counts = _looked_up(weight, labels)
        chosen = chosen * counts
    if smoothing:
        every = logarithms if weight is None else logarithms * _along(axis, weight, logarithms)
        chosen = chosen * (1 - smoothing) + every.sum(axis) * (smoothing / logarithms.shape[axis])
    if kept is not None:
        chosen = np.where(kept, chosen, 0)
        counts = kept.astype(logarithms.dtype) if counts is None else np.where(kept, counts, 0)
    if reduction == "none":
        return -chosen
    if reduction == "sum":
        return -chosen.sum()
    if counts is None:
        return -chosen.mean()
    if logarithms.dtype.char == "e":  # 65504 is soon counted up to: the sums are float32's, as those of `mean` are
        total = np.add.reduce(counts.astype(np.float32), axis=None)
        return -(chosen.astype(np.float32).sum() / total).astype(np.float16)
    return -(chosen.sum() / np.add.reduce(counts, axis=None))


def _of_probabilities(name: str, logarithms: Any, soft: Any, axis: int, weight: Any, reduction: str) -> Any:
    if weight is not None:
        soft = soft * _along(axis, _class_weight(name, weight, logarithms, axis), logarithms)
    return -reduced(name, (soft * possible(logarithms, soft)).sum(axis), reduction)


def _probabilities(name: str, target: Any, array: Any, input: Any) -> Any:
    """Targets of the input's shape in its dtype, checked to be in [0, 1]; `array` is the target's."""
    check_unit_interval(name, "target probability", array, "give one-hot rows, probabilities or class indices")
    return as_dtype(target if isinstance(target, Tensor) else array, input.dtype)


def _class_axis(name: str, input: Any) -> int:
    check_floating(name, input.dtype)
    rank = len(input.shape)
    if not rank:
        raise ShapeError(f"{name}: the input must have a class axis, got a 0-d input; give it as (N, C). {place(name)}")
    return 1 if rank > 1 else 0


def check_class_options(name: str, ignore_index: Any, label_smoothing: Any = 0.0) -> None:
    """Raises ArgumentError for an option outside its domain."""
    require(is_integer(ignore_index), name, "ignore_index", "an integer", ignore_index, "ignore_index=-100")
    holds = is_number(label_smoothing, 0, 1)
    require(holds, name, "label_smoothing", "a number in [0, 1]", label_smoothing, "label_smoothing=0.1")


def _class_weight(name: str, weight: Any, input: Any, axis: int) -> Any:
    """The weights in the input's dtype, one per class."""
    if isinstance(weight, Tensor) and not weight.requires_grad:
        weight = weight.data  # a constant: looked up and summed without the tape's overhead
    weight = weight if hasattr(weight, "shape") else np.asarray(weight)
    classes = input.shape[axis]
    if weight.shape != (classes,) or weight.dtype.kind not in "fiu":
        raise ShapeError(
            f"{name}: weight must be one number per class, of shape {(classes,)}, got {weight.dtype} of shape "
            f"{weight.shape}; give an array, and the reduction by its name. {place(name)}"
        )
    return as_dtype(weight, input.dtype)


def _along(axis: int, weight: Any, input: Any) -> Any:
    """The weights as an array that broadcasts along the input's class axis."""
    return np.reshape(weight, (-1,) + (1,) * (len(input.shape) - axis - 1))


def _looked_up(weight: Any, labels: Any) -> Any:
    """The weight of each label."""
    if isinstance(labels, np.ndarray | np.generic):
        return weight[labels]
    # An array cannot be indexed by one of another kind; of NumPy's functions, this one dispatches on its indices too.
    return np.reshape(np.take_along_axis(weight, np.reshape(labels, -1), 0), labels.shape)


def _checked(name: str, labels: Any, shape: tuple[int, ...], axis: int, ignored: int | None) -> tuple[Any, Any]:
    """Class indices that are safe to look up, and which of them count (None: all); raises for wrong labels."""
    classes = shape[axis]
    expected = shape[:axis] + shape[axis + 1 :]
    if labels.shape != expected:
        soft = "" if name == "nll_loss" else f" or one-hot rows or probabilities of shape {shape}"
        raise ShapeError(
            f"{name}: for an input of shape {shape} the target must be class indices of shape {expected}{soft}, got "
            f"{labels.dtype} labels of shape {labels.shape}; reshape them. {place(name)}"
        )
    if labels.dtype.kind not in "iu":
        raise DTypeError(
            f"{name}: class indices must be integers, got labels of dtype {labels.dtype} "
            f"and shape {labels.shape}; convert with .astype(np.int64). {place(name)}"
        )
    if not seen(labels):
        looked_at(partial(_require_labels, name, shape, classes, ignored), labels)
        if ignored is None or isinstance(labels, np.ndarray | np.generic):
            return labels, None
        kept = labels != ignored  # a question to each element, where the answers are not to be had here
        return np.where(kept, labels, 0), kept
    if _highest(labels) < classes and (ignored is None or ignored < 0 or not (labels == ignored).any()):
        return labels, None
    kept = _check_labels(name, shape, classes, ignored, labels)
    return np.where(kept, labels, 0), kept


def _highest(labels: Any) -> Any:
    """The largest label, where a negative one counts as a large one: it is one without its sign."""
    return (labels if labels.dtype.kind == "u" else labels.view(f"u{labels.itemsize}")).max()


def _require_labels(name: str, shape: tuple[int, ...], classes: int, ignored: int | None, labels: Any) -> None:
    """`_check_labels`, quickly where there is nothing to say."""
    if not (type(labels) is np.ndarray and labels.size and _highest(labels) < classes):
        _check_labels(name, shape, classes, ignored, labels)


def _check_labels(name: str, shape: tuple[int, ...], classes: int, ignored: int | None, labels: Any) -> Any:
    """Which labels count; raises for wrong ones."""
    if not hasattr(labels, "__array_interface__"):  # of another kind: not to be looked at
        return None
    kept = np.ones(labels.shape, bool) if ignored is None else labels != ignored
    wrong = kept & ((labels < 0) | (labels >= classes))
    if wrong.any():
        refuse(
            name, f"class indices must be in [0, {classes}) for an input of shape {shape}", "label", labels, wrong,
            "count classes from 0, or give the model more outputs",
        )  # fmt: skip
    return kept
