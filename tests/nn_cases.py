"""THE table of nn modules. A row drives the generated tests and the comparison with PyTorch: to add a layer, add rows.

A row is a `Case`: our class by name with its arguments, the inputs to draw, and
    torch           SAME (the default: torch.nn has it, with our name and arguments), pytorch(...) where those differ,
                    COMPOSED where torch.nn lacks it and `oracle/composed.py` has the formula in torch functions
    deviates        what is known to differ from torch in the buffers, and why
    call            how it is called, if not module(*inputs)
    differentiate   which inputs a gradient is taken of; by default all floating ones
    derivative      False if its gradient is, by definition, not its derivative: then PyTorch is the judge
    kinks           where the function is not differentiable: inputs keep away from there
    moded           training differs from evaluation; random: it draws then; masks: it multiplies by what it draws
    flat            the modes in which its gradient is zero everywhere
    scalar          elementwise: takes 0-d input
    empty           takes a batch of no samples
    evaluates       its repr, evaluated, builds it again
    bad             calls that it refuses: constructor arguments (args, kwargs) or inputs, the exception, the message
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_core.errors import ArgumentError, DTypeError, ShapeError
from nn_cases_losses import LOSSES
from nn_harness import COMPOSED, SAME, Bad, Case, at_kinks, case, far, make, pytorch, real, whole

__all__ = ["CASES", "COMPARED", "UNTESTED"]

# Exported classes that are no layers.
UNTESTED = {"Module"}


def elementwise(layer: str, *args: Any, **fields: Any) -> Case:
    """A row of an activation function."""
    return case(layer, fields.pop("inputs", real(3, 4, low=-3, high=3)), *args, scalar=True, **fields)


WIDE = real(3, 4, low=-4.5, high=4.5)


ACTIVATIONS = [
    elementwise("Identity"),
    elementwise("Identity", 3, name="stand-in", options={"bias": False}, evaluates=False),
    elementwise("Step", flat=("train", "eval"), torch=COMPOSED, kinks=(0,)),
    elementwise("Sigmoid"),
    elementwise("LogSigmoid"),
    elementwise("Tanh"),
    elementwise("Tanhshrink"),
    elementwise("Softsign"),
    elementwise("SMHT", torch=COMPOSED, bad=(Bad(ArgumentError, "SMHT: c must be", args=(1, 1, "1")),)),
    elementwise("SMHT", 0.5, 1.5, 0.75, 1.25, name="constants", torch=COMPOSED),
    elementwise("ReLU", kinks=(0,)),
    elementwise("ReLU6", inputs=real(3, 4, low=-4, high=9), kinks=(0, 6)),
    elementwise("SELU", kinks=(0,)),
    elementwise("SiLU"),
    elementwise("Mish"),
    elementwise("Hardsigmoid", inputs=WIDE, kinks=(-3, 3), torch=COMPOSED),  # torch's own 1/6 is rounded to float32
    elementwise("Hardswish", inputs=WIDE, kinks=(-3, 3)),
    elementwise("Hardtanh", kinks=(-1, 1)),
    elementwise("Hardtanh", -0.5, 2.0, name="limits", kinks=(-0.5, 2), bad=(
        Bad(ArgumentError, "Hardtanh: max_val must be a number above min_val", args=(1.0, 1.0)),
    )),
    elementwise("LeakyReLU", kinks=(0,), bad=(Bad(ArgumentError, "LeakyReLU: negative_slope must be", args=("0",)),)),
    elementwise("LeakyReLU", 0.1, name="slope", kinks=(0,)),
    elementwise("PReLU", kinks=(0,)),
    case("PReLU", real(2, 3, 4), 3, name="channels", options={"init": 0.1}, kinks=(0,), bad=(
        Bad(ShapeError, "3", inputs=(real(2, 4, 3),)),
        Bad(ArgumentError, "PReLU: num_parameters must be a positive integer", args=(0,)),
        Bad(ArgumentError, "PReLU: init must be", args=(1, np.inf)),
    )),
    elementwise("ELU", kinks=(0,), bad=(Bad(ArgumentError, "ELU: alpha must be", args=("1",)),)),
    elementwise("ELU", 0.7, name="alpha", kinks=(0,)),
    elementwise("CELU", bad=(Bad(ArgumentError, "CELU: alpha must be a positive number", args=(0,)),)),
    elementwise("CELU", 0.5, name="alpha"),  # torch rounds 1/alpha to float32: a power of 2 it keeps
    elementwise("CELU", 3.0, name="large-alpha", torch=COMPOSED),
    elementwise("GELU"),
    elementwise("GELU", name="tanh", options={"approximate": "tanh"}, bad=(
        Bad(ArgumentError, "approximate must be", kwargs={"approximate": "erf"}),
    )),
    elementwise("Softplus", bad=(
        Bad(ArgumentError, "Softplus: beta must be a positive number", args=(0,)),
        Bad(ArgumentError, "Softplus: threshold must be a number", args=(1, None)),
    )),
    elementwise("Softplus", 2.0, 3.0, name="threshold", kinks=(1.5,)),
    elementwise("Swish", torch=COMPOSED, bad=(Bad(ArgumentError, "Swish: beta must be a finite number", args=("1",)),)),
    elementwise("Swish", 1.5, name="beta", torch=COMPOSED),
    elementwise("Swish", 1.5, True, name="trainable", torch=COMPOSED),
    *(
        row
        for layer in ("Softmax", "Softmin", "LogSoftmax")
        for row in (
            case(layer, real(3, 4), name="rows", options={"dim": -1}, bad=(
                Bad(ArgumentError, f"{layer}: dim must be an integer", kwargs={"dim": 0.5}),
                Bad(ShapeError, "1", args=(2,), inputs=(real(3, 4),)),
            )),
            case(layer, real(2, 3, 4), 1, name="channels"),
            case(layer, real(2, 3), name="last", torch=pytorch(layer, -1)),
        )
    ),
    *(
        case(layer, real(5, 4), 4, 3, torch=COMPOSED, evaluates=False, bad=(
            Bad(ShapeError, "must have the weight's in_features 4", inputs=(real(5, 3),)),
            Bad(ArgumentError, f"{layer}: in_features must be a positive integer", args=(0, 3)),
            Bad(ArgumentError, f"{layer}: out_features must be a positive integer", args=(3, 0)),
        ))
        for layer in ("GLU", "ReGLU", "GEGLU", "SwiGLU")
    ),
    case("GLU", real(5, 4), 4, 3, False, name="no-bias", torch=COMPOSED, evaluates=False),
    case("SwiGLU", real(2, 3, 4), 4, 3, name="trainable", torch=COMPOSED, evaluates=False,
         options={"beta": 1.5, "trainable": True}),
]  # fmt: skip

LINEAR = [
    case("Linear", real(5, 4), 4, 3, bad=(
        Bad(ShapeError, "linear: the input's last axis must have the weight's in_features 4", inputs=(real(5, 3),)),
        Bad(ShapeError, "linear: .* got an input of shape \\(\\)", inputs=(real(),)),
        Bad(ArgumentError, "Linear: in_features must be a positive integer, got 0", args=(0, 3)),
        Bad(ArgumentError, "Linear: out_features must be a positive integer, got 2.5", args=(3, 2.5)),
    )),
    case("Linear", real(5, 4), 4, 3, False, name="no-bias"),
    case("Linear", real(2, 5, 4), 4, 3, name="3d"),
    case("Linear", real(4), 4, 3, name="1d", empty=False),
    case("Embedding", whole(2, 5, below=7), 7, 3, bad=(
        Bad(ArgumentError, "7", inputs=(np.array([0, 7]),)),
        Bad(ArgumentError, "-1", inputs=(np.array([-1]),)),
        Bad(DTypeError, "integer", inputs=(real(3),)),
        Bad(ArgumentError, "positive integer", args=(0, 3)),
    )),
    case("Embedding", whole(8, below=4), 4, 3, name="padding", options={"padding_idx": 1}, derivative=False),
    case("Flatten", real(2, 3, 4), bad=(
        Bad(ArgumentError, "Flatten: start_dim must be", args=(0.5,)),
        Bad(ShapeError, "Flatten|flatten", args=(3,), inputs=(real(2, 3),)),
    )),
    case("Flatten", real(2, 3, 2, 2), 2, name="start"),
    case("Flatten", real(2, 3, 2, 2), 0, 1, name="both", empty=False),
    case("Unflatten", real(2, 6), 1, (2, 3), bad=(
        Bad(ShapeError, "Unflatten: the sizes \\(2, 3\\) must multiply to axis 1", inputs=(real(2, 5),)),
        Bad(ShapeError, "Unflatten: dim must be an axis of the input", inputs=(real(2),)),
        Bad(ArgumentError, "Unflatten: unflattened_size must be", args=(1, (-1, -1))),
    )),
    case("Unflatten", real(2, 3, 4), -2, (3, -1), name="rest"),
    case("Dropout", real(2, 3, 5), random=True, masks=True, moded=True, bad=(
        Bad(ArgumentError, "Dropout: p must be", args=(1.5,)),
        Bad(ArgumentError, "Dropout: p must be", args=(-0.1,)),
    )),
    case("Dropout", real(2, 3, 5), 0.2, name="p", random=True, masks=True, moded=True),
    case("Dropout", real(4, 5), 0.0, name="never"),
    case("Dropout", real(4, 5), 1.0, name="always", moded=True, flat=("train",)),
    case("Dropout1d", real(3, 4, 2), random=True, masks=True, moded=True, bad=(
        Bad(ShapeError, "dropout1d: the input must be \\(N, C, L\\) or \\(C, L\\)", inputs=(real(4),)),
        Bad(ArgumentError, "Dropout1d: p must be", args=(2,)),
    )),
    case("Dropout1d", real(3, 4, 2), 1.0, name="always", moded=True, flat=("train",)),
    case("Dropout2d", real(3, 4, 2, 2), random=True, masks=True, moded=True, bad=(
        Bad(ShapeError, "dropout2d: the input must be \\(N, C, H, W\\)", inputs=(real(4, 2),)),
        Bad(ArgumentError, "Dropout2d: p must be", args=(2,)),
    )),
    case("Dropout2d", real(3, 4, 2, 2), 1.0, name="always", moded=True, flat=("train",)),
    case("GaussianNoise", real(4, 5), 0.1, random=True, moded=True, torch=COMPOSED, bad=(
        Bad(ArgumentError, "GaussianNoise: sigma must be", args=(-0.1,)),
    )),
    case("GaussianNoise", real(4, 5), 0.0, name="none", torch=COMPOSED),
]  # fmt: skip

CONVOLUTIONS = [
    case("Conv1d", real(2, 3, 5), 3, 2, 3, bad=(
        Bad(ShapeError, "conv1d: the input must have 3 channels", inputs=(real(2, 4, 7),)),
        Bad(ShapeError, "conv1d: the kernel must fit into the padded input", inputs=(real(2, 3, 2),)),
        Bad(ShapeError, "conv1d: the input must have 3 axes", inputs=(real(3),)),
        Bad(ArgumentError, "Conv1d: in_channels must be a positive integer", args=(0, 4, 3)),
        Bad(ArgumentError, "Conv1d: kernel_size must be", args=(3, 4, 0)),
        Bad(ArgumentError, "Conv1d: groups must divide", args=(3, 4, 2), kwargs={"groups": 2}),
    )),
    case("Conv1d", real(2, 2, 7), 2, 3, 3, name="options",
         options={"stride": 2, "padding": 1, "dilation": 2, "bias": False}),
    case("Conv1d", real(2, 4, 4), 4, 4, 3, name="groups", options={"groups": 2, "padding": "same"}),
    case("Conv1d", real(1, 2, 5), 2, 2, 3, name="reflect", options={"padding": 2, "padding_mode": "reflect"}),
    case("Conv2d", real(2, 2, 3, 4), 2, 3, 2, bad=(
        Bad(ShapeError, "conv2d: the input must have 2 channels", inputs=(real(2, 4, 5, 5),)),
        Bad(ShapeError, "conv2d: the kernel must fit into the padded input", inputs=(real(2, 2, 1, 5),)),
        Bad(ArgumentError, "Conv2d: stride must be", args=(3, 4, 3), kwargs={"stride": 0}),
        Bad(ArgumentError, "Conv2d: padding must be", args=(3, 4, 3), kwargs={"padding": -1}),
        Bad(ArgumentError, "Conv2d: padding_mode must be", args=(3, 4, 3), kwargs={"padding_mode": "wrap"}),
    )),
    case("Conv2d", real(1, 2, 4, 4), 2, 2, (3, 2), name="options",
         options={"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}),
    case("Conv2d", real(1, 3, 3, 4), 3, 3, 3, name="groups", options={"groups": 3, "padding": "same", "bias": False}),
    case("Conv2d", real(1, 3, 2, 3), 3, 2, 1, name="1x1"),
    case("Conv2d", real(2, 3, 4), 2, 2, 3, name="unbatched", empty=False),
    case("Conv2d", real(1, 2, 3, 3), 2, 1, 3, name="circular", options={"padding": 1, "padding_mode": "circular"}),
    case("Conv2d", real(1, 1, 3, 3), 1, 2, 3, name="replicate", options={"padding": 1, "padding_mode": "replicate"}),
    case("Conv3d", real(1, 2, 3, 2, 3), 2, 2, 2, bad=(
        Bad(ShapeError, "conv3d: the input must have 2 channels", inputs=(real(1, 3, 3, 2, 3),)),
    )),
    case("Conv3d", real(1, 2, 3, 2, 3), 2, 2, (2, 1, 2), (2, 1, 1), 1, name="options"),
    case("MaxPool1d", real(2, 2, 6), 2, bad=(
        Bad(ShapeError, "max_pool1d: the input must be", inputs=(real(4),)),
        Bad(ArgumentError, "MaxPool1d: kernel_size must be", args=(0,)),
    )),
    case("MaxPool1d", real(1, 2, 5), 3, 2, 1, name="options"),
    case("MaxPool2d", real(1, 2, 4, 4), 2, bad=(
        Bad(ShapeError, "max_pool2d: the input must be", inputs=(real(4),)),
        Bad(ShapeError, "max_pool2d: the window must fit", inputs=(real(1, 1, 1, 4),)),
        Bad(ArgumentError, "MaxPool2d: kernel_size must be", args=(0,)),
        Bad(ArgumentError, "MaxPool2d: padding must be at most half", args=(2, 2, 2)),
    )),
    case("MaxPool2d", real(1, 1, 5, 4), 3, name="options", options={"stride": 2, "padding": 1}),
    case("MaxPool2d", real(1, 1, 5, 5), (3, 2), name="dilation", options={"stride": (1, 2), "dilation": 2}),
    case("MaxPool2d", real(1, 1, 5, 4), 2, name="ceil", options={"ceil_mode": True}),
    case("AvgPool1d", real(2, 2, 6), 2, bad=(
        Bad(ShapeError, "avg_pool1d: the input must be", inputs=(real(4),)),
    )),
    case("AvgPool1d", real(1, 2, 5), 3, 2, 1, True, False, name="options"),
    case("AvgPool2d", real(1, 2, 4, 4), 2, bad=(
        Bad(ShapeError, "avg_pool2d: the input must be", inputs=(real(4),)),
        Bad(ArgumentError, "AvgPool2d: kernel_size must be", args=(0,)),
    )),
    case("AvgPool2d", real(1, 2, 5, 4), 3, name="options", options={"stride": 2, "padding": 1}),
    case("AvgPool2d", real(1, 1, 4, 5), 3, 2, 1, True, name="ceil"),
    case("AvgPool2d", real(1, 1, 5, 5), 3, 2, 1, name="exclude-pad", options={"count_include_pad": False}),
    case("AvgPool2d", real(1, 1, 4, 4), 2, name="divisor", options={"divisor_override": 3}),
    case("AdaptiveAvgPool1d", real(2, 2, 5), 3, bad=(
        Bad(ArgumentError, "AdaptiveAvgPool1d: output_size must be", args=(0,)),
        Bad(ShapeError, "adaptive_avg_pool1d: the input must be", inputs=(real(4),)),
    )),
    case("AdaptiveAvgPool2d", real(2, 2, 3, 4), 1, name="global", bad=(
        Bad(ArgumentError, "AdaptiveAvgPool2d: output_size must be", args=((2, 0),)),
    )),
    case("AdaptiveAvgPool2d", real(1, 2, 5, 4), (3, None), name="grid"),
]  # fmt: skip

NORMALIZATIONS = [
    case("BatchNorm", real(6, 3), 3, torch=pytorch("BatchNorm1d", 3), moded=True, bad=(
        Bad(ShapeError, "BatchNorm: the input must have 3 features along axis 1", inputs=(real(6, 4),)),
        Bad(ShapeError, "axis 1, got shape \\(3,\\)", inputs=(real(3),)),
        Bad(ShapeError, "at least 2 values per feature", inputs=(real(1, 3),)),
        Bad(ArgumentError, "BatchNorm: num_features must be a positive integer", args=(0,)),
        Bad(ArgumentError, "BatchNorm: eps must be a number >= 0", args=(3,), kwargs={"eps": -1.0}),
        Bad(ArgumentError, "BatchNorm: momentum must be a number in", args=(3,), kwargs={"momentum": 2}),
        Bad(ArgumentError, "BatchNorm: eps_placement must be", args=(3,), kwargs={"eps_placement": "inside"}),
        Bad(ArgumentError, "BatchNorm: feature_axis must be an integer", args=(3,), kwargs={"feature_axis": 0.5}),
    )),
    case("BatchNorm", real(6, 3), 3, name="mean-of-means", torch=pytorch("BatchNorm1d", 3, momentum=None), moded=True,
         options={"momentum": None}),
    case("BatchNorm", real(4, 7), 4, name="rows", torch=COMPOSED, moded=True, empty=False,
         options={"feature_axis": 0}),
    case("BatchNorm", real(2, 4, 3), 3, name="last", torch=COMPOSED, moded=True, options={"feature_axis": -1}),
    case("BatchNorm", real(6, 3), 3, name="deviation", torch=COMPOSED, moded=True,
         options={"eps_placement": "deviation", "eps": 0.1}),
    case("BatchNorm1d", real(6, 3), 3, moded=True, bad=(
        Bad(ShapeError, "BatchNorm1d: the input must be \\(N, C\\) or \\(N, C, L\\)", inputs=(real(2, 3, 4, 5),)),
        Bad(ShapeError, "BatchNorm1d: the input must have 3 features", inputs=(real(6, 4),)),
    )),
    case("BatchNorm1d", real(3, 2, 4), 2, 0.1, 0.3, name="length", moded=True),
    case("BatchNorm1d", real(6, 3), 3, name="plain", moded=True, options={"affine": False}),
    case("BatchNorm1d", real(6, 3), 3, name="untracked", empty=False, options={"track_running_stats": False}),
    case("BatchNorm2d", real(3, 2, 2, 3), 2, moded=True, bad=(
        Bad(ShapeError, "BatchNorm2d: the input must be \\(N, C, H, W\\)", inputs=(real(2, 2, 4),)),
    )),
    case("BatchNorm3d", real(2, 2, 2, 2, 2), 2, moded=True, bad=(
        Bad(ShapeError, "BatchNorm3d: the input must be \\(N, C, D, H, W\\)", inputs=(real(2, 2, 4),)),
    )),
    case("InstanceNorm", real(2, 2, 4), 2, torch=pytorch("InstanceNorm1d", 2), bad=(
        Bad(ShapeError, "InstanceNorm: the input must have 2 features along axis 1", inputs=(real(2, 3, 4),)),
        Bad(ShapeError, "at least 2 values per channel", inputs=(real(2, 2, 1),)),
        Bad(ArgumentError, "InstanceNorm: num_features must be a positive integer", args=(0,)),
    )),
    case("InstanceNorm", real(2, 2, 4), 2, name="deviation", torch=COMPOSED,
         options={"affine": True, "eps": 0.1, "eps_placement": "deviation"}),
    case("InstanceNorm1d", real(2, 3, 4), 3, 0.1, name="affine", options={"affine": True}),
    case("InstanceNorm1d", real(3, 4), 3, name="unbatched", empty=False, bad=(
        Bad(ShapeError, "InstanceNorm1d: the input must be \\(N, C, L\\) or \\(C, L\\)", inputs=(real(4),)),
    )),
    case("InstanceNorm1d", real(2, 3, 4), 3, name="tracked", moded=True, options={"track_running_stats": True},
         deviates={"num_batches_tracked": "torch's instance normalization does not count its batches"}),
    case("InstanceNorm2d", real(2, 2, 2, 3), 2, 1e-5, 0.3, True, True, name="tracked", moded=True, bad=(
        Bad(ShapeError, "InstanceNorm2d: the input must be \\(N, C, H, W\\)", inputs=(real(2, 2),)),
    ), deviates={"num_batches_tracked": "torch's instance normalization does not count its batches"}),
    case("InstanceNorm3d", real(2, 2, 2, 2, 2), 2, bad=(
        Bad(ShapeError, "InstanceNorm3d: the input must be \\(N, C, D, H, W\\)", inputs=(real(2, 2),)),
    )),
    case("LayerNorm", real(4, 3), 3, bad=(
        Bad(ShapeError, "layer_norm: the input must end in the axes \\(3,\\)", inputs=(real(5, 4),)),
        Bad(ArgumentError, "LayerNorm: eps must be a number >= 0", args=(4,), kwargs={"eps": -1.0}),
        Bad(ArgumentError, "LayerNorm: normalized_shape must be a positive integer", args=((4, 0),)),
        Bad(ArgumentError, "LayerNorm: eps_placement must be", args=(4,), kwargs={"eps_placement": "inside"}),
    )),
    case("LayerNorm", real(2, 3, 4), (3, 4), 0.1, name="two-axes"),
    case("LayerNorm", real(4, 3), 3, name="no-bias", options={"bias": False}),
    case("LayerNorm", real(4, 3), 3, name="plain", options={"elementwise_affine": False}),
    case("LayerNorm", real(2, 3, 2), (3, 2), 0.1, name="deviation", torch=COMPOSED,
         options={"eps_placement": "deviation"}),
    case("RMSNorm", real(4, 3), 3, bad=(
        Bad(ShapeError, "rms_norm: the input must end in the axes \\(3,\\)", inputs=(real(5, 4),)),
        Bad(ArgumentError, "RMSNorm: eps must be", args=(4, -1.0)),
    )),
    case("RMSNorm", real(2, 3, 4), (3, 4), 0.1, name="two-axes"),
    case("RMSNorm", real(4, 3), 3, name="plain", options={"elementwise_affine": False}),
    case("RMSNorm", real(4, 3), 3, 0.1, name="deviation", torch=COMPOSED, options={"eps_placement": "deviation"}),
    case("GroupNorm", real(2, 4, 3), 2, 4, bad=(
        Bad(ShapeError, "GroupNorm: the input must have 4 channels along axis 1", inputs=(real(2, 6, 3),)),
        Bad(ArgumentError, "GroupNorm: num_channels must be a multiple of num_groups", args=(4, 6)),
        Bad(ArgumentError, "GroupNorm: num_groups must be a positive integer", args=(0, 6)),
    )),
    case("GroupNorm", real(2, 4, 2, 2), 4, 4, 0.1, name="2d"),
    case("GroupNorm", real(3, 8), 2, 8, name="rows"),
    case("GroupNorm", real(2, 4, 3), 1, 4, name="plain", options={"affine": False}),
    case("GroupNorm", real(2, 4, 3), 2, 4, 0.1, name="deviation", torch=COMPOSED,
         options={"eps_placement": "deviation"}),
]  # fmt: skip


def in_a_row(modules: Any, x: Any) -> Any:
    """Calls a list's modules one after the other."""
    for module in modules:
        x = module(x)
    return x


WEIGHTS = np.array([0.5, 1.0, 2.0, 0.25])
MLP = (make("Linear", 4, 3), make("Tanh"), make("Linear", 3, 2))

CONTAINERS = [
    case("Sequential", real(5, 4), *MLP, evaluates=False, bad=(
        Bad(ArgumentError, "Sequential: every element must be a Module, got float", args=(1.5,)),
    )),
    case("Sequential", real(5, 4), make("Sequential", *MLP), make("Dropout", 0.5), name="nested", evaluates=False,
         random=True, moded=True),
    case("ModuleList", real(5, 4), list(MLP), call=in_a_row, evaluates=False, bad=(
        Bad(ArgumentError, "Module", args=([1.5],)),
    )),
    case("ModuleDict", real(5, 4), {"a": make("Linear", 4, 3), "b": make("Tanh")}, evaluates=False,
         call=lambda modules, x: modules["b"](modules["a"](x)), bad=(
        Bad(ArgumentError, "Module", args=({"a": 1.5},)),
    )),
    case("ParameterList", real(5, 4), [WEIGHTS, 2 * WEIGHTS], evaluates=False, call=lambda p, x: x * p[0] + p[1], bad=(
        Bad(ArgumentError, "Parameter", args=(["a"],)),
    )),
    case("ParameterDict", real(5, 4), {"a": WEIGHTS, "b": 2 * WEIGHTS}, evaluates=False,
         call=lambda p, x: x * p["a"] + p["b"], bad=(
        Bad(ArgumentError, "Parameter", args=({"a": "a"},)),
    )),
]  # fmt: skip

CASES = [*ACTIVATIONS, *LINEAR, *CONVOLUTIONS, *NORMALIZATIONS, *LOSSES, *CONTAINERS]

# Where the formula as written would overflow. Too far out for differences: compared with PyTorch only.
STABLE = {
    "Sigmoid", "LogSigmoid", "Tanhshrink", "Softsign", "ELU", "SELU", "CELU", "GELU", "GELU-tanh", "Softplus", "SiLU",
    "Mish", "Softmax-rows", "Softmin-rows", "LogSoftmax-rows", "BCEWithLogitsLoss", "CrossEntropyLoss",
    "CrossEntropyLoss-probabilities", "CrossEntropyLoss-smoothing",
}  # fmt: skip
COMPARED = [c for c in CASES if c.torch is not None]
COMPARED += [far(c) for c in CASES if c.name in STABLE]
COMPARED += [at_kinks(c) for c in ACTIVATIONS if c.kinks and c.torch == SAME]
