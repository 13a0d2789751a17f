"""Layers that torch.nn lacks, as formulas in torch functions: `formula(module, *inputs)`.

`module` has our parameters and buffers under our names, `training`, and our constructor's arguments in `options`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F


def smht(module: Any, x: Any) -> Any:
    """(e^(ax) - e^(-bx)) / (e^(cx) + e^(-dx))."""
    a, b, c, d = (module.options[name] for name in "abcd")
    c, d = a if c is None else c, b if d is None else d
    return (torch.exp(a * x) - torch.exp(-b * x)) / (torch.exp(c * x) + torch.exp(-d * x))


def root(module: Any, square: Any) -> Any:
    """The divisor of a normalization, with epsilon in either place."""
    eps = module.options["eps"]
    if module.options["eps_placement"] == "variance":
        return torch.sqrt(square + eps)
    return torch.sqrt(square) + eps


def batch_norm(module: Any, x: Any) -> Any:
    """Over any feature axis; the running statistics by hand."""
    o = module.options
    axis = o["feature_axis"] % x.ndim
    x = x.movedim(axis, 1)
    axes = [i for i in range(x.ndim) if i != 1]
    if module.training:
        mean, var = x.mean(axes), x.var(axes, correction=0)
        with torch.no_grad():
            share, count = o["momentum"], x.numel() // x.shape[1]
            module.running_mean.lerp_(mean, share)
            module.running_var.lerp_(var * count / (count - 1), share)
            module.num_batches_tracked += 1
    else:
        mean, var = module.running_mean, module.running_var
    column = (-1,) + (1,) * (x.ndim - 2)
    mean, scale, bias = (t.reshape(column) for t in (mean, module.weight / root(module, var), module.bias))
    return ((x - mean) * scale + bias).movedim(1, axis)


def standardized(module: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """Of mean 0 and deviation about 1 along axes."""
    return (x - x.mean(axes, keepdim=True)) / root(module, x.var(axes, keepdim=True, correction=0))


def per_channel(module: Any, x: Any) -> Any:
    """Scale and shift of axis 1."""
    column = (-1,) + (1,) * (x.ndim - 2)
    return x * module.weight.reshape(column) + module.bias.reshape(column)


def instance_norm(module: Any, x: Any) -> Any:
    """Over the spatial axes of each sample."""
    return per_channel(module, standardized(module, x, tuple(range(2, x.ndim))))


def group_norm(module: Any, x: Any) -> Any:
    """Over groups of channels of each sample."""
    groups = x.reshape(x.shape[0], module.options["num_groups"], -1)
    return per_channel(module, standardized(module, groups, (2,)).reshape(x.shape))


def layer_norm(module: Any, x: Any) -> Any:
    """Over the last axes."""
    return standardized(module, x, tuple(range(-module.weight.ndim, 0))) * module.weight + module.bias


def rms_norm(module: Any, x: Any) -> Any:
    """Over the last axes, without a mean."""
    axes = tuple(range(-module.weight.ndim, 0))
    return x / root(module, (x**2).mean(axes, keepdim=True)) * module.weight


def reduced(module: Any, losses: Any) -> Any:
    """By the loss's option."""
    reduction = module.options["reduction"]
    return losses if reduction == "none" else getattr(losses, reduction)()


def swish(module: Any, x: Any) -> Any:
    """x sigmoid(beta x), beta learned or not."""
    beta = getattr(module, "beta", module.options["beta"])
    return x * torch.sigmoid(beta * x)


def celu(module: Any, x: Any) -> Any:
    """max(0, x) + min(0, alpha (e^(x/alpha) - 1))."""
    alpha = module.options["alpha"]
    return F.relu(x) - F.relu(-alpha * torch.expm1(x / alpha))


def gated(activation: Any) -> Any:
    """activation(x W^T + b) * (x V^T + c)."""

    def formula(module: Any, x: Any) -> Any:
        gate, value = (F.linear(x, part.weight, getattr(part, "bias", None)) for part in (module.gate, module.value))
        return activation(module, gate) * value

    return formula


def swiglu_activation(module: Any, x: Any) -> Any:
    """Swish of the gate, whose beta belongs to the submodule `swish` if it is learned."""
    beta = module.swish.beta if module.options["trainable"] else module.options["beta"]
    return x * torch.sigmoid(beta * x)


FORMULAS = {
    "BatchNorm": batch_norm,
    "CELU": celu,
    "GEGLU": gated(lambda module, x: F.gelu(x)),
    "GLU": gated(lambda module, x: torch.sigmoid(x)),
    "GaussianNoise": lambda module, x: x,
    "GroupNorm": group_norm,
    "Hardsigmoid": lambda module, x: F.relu6(x + 3) / 6,
    "HalfSquaredLoss": lambda module, x, y: reduced(module, 0.5 * (x - y) ** 2),
    "HingeLoss": lambda module, x, y: reduced(module, F.relu(1 - y * x)),
    "InstanceNorm": instance_norm,
    "LayerNorm": layer_norm,
    "PerceptronLoss": lambda module, x, y: reduced(module, F.relu(-y * x)),
    "RMSNorm": rms_norm,
    "ReGLU": gated(lambda module, x: F.relu(x)),
    "SMHT": smht,
    "Step": lambda module, x: torch.heaviside(x.detach(), torch.ones((), dtype=x.dtype)),
    "SwiGLU": gated(swiglu_activation),
    "Swish": swish,
}
