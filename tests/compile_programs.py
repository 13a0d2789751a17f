"""Programs written by hand: symbols that record the NumPy calls applied to them, in canonical form."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from autograd_core.compiler.program import Call, Program, Value, basic_index, broadcast, cast, reshape, transpose


class Symbol(NDArrayOperatorsMixin):
    """A Value under construction."""

    def __init__(self, recorder: Recorder, value: Value) -> None:
        self.recorder, self.value = recorder, value
        self.shape, self.dtype = value.shape, value.dtype

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **keywords: Any) -> Symbol:
        assert method == "__call__" and not keywords
        return self.recorder.call("ufunc", ufunc, *args)

    def sum(self, axes: int | tuple[int, ...], keepdims: bool = False, ufunc: Any = np.add, **more: Any) -> Symbol:
        axes = axes if isinstance(axes, tuple) else (axes,)
        return self.recorder.call("reduce", ufunc, self, axis=axes, keepdims=keepdims, **more)

    def mean(self, axes: int | tuple[int, ...], keepdims: bool = False) -> Symbol:
        total = self.sum(axes, keepdims)
        return total * (np.prod(total.shape) / np.prod(self.shape)).item()

    def reshape(self, *shape: int) -> Symbol:
        return self.recorder.call("view", reshape, self, shape)

    def transpose(self, *axes: int) -> Symbol:
        return self.recorder.call("view", transpose, self, axes)

    def broadcast(self, *shape: int) -> Symbol:
        return self.recorder.call("view", broadcast, self, shape)

    def index(self, *index: Any) -> Symbol:
        return self.recorder.call("view", basic_index, self, index)

    def cast(self, dtype: Any) -> Symbol:
        return self.recorder.call("cast", cast, self, dtype=np.dtype(dtype))

    def __matmul__(self, other: Any) -> Symbol:
        return self.recorder.call("call", np.matmul, self, other)


class Recorder:
    """Collects a Program."""

    def __init__(self) -> None:
        self.program = Program([], {}, [], [])

    def input(self, *shape: int, dtype: Any = np.float32) -> Symbol:
        value = Value(shape, dtype)
        self.program.inputs.append(value)
        return Symbol(self, value)

    def call(self, kind: str, function: Any, *args: Any, **keywords: Any) -> Symbol:
        # Shapes and data types from NumPy itself, on arrays of ones.
        def example(x: Any) -> Any:
            return np.ones(x.shape, x.dtype) if isinstance(x, Symbol) else x

        run = function.reduce if kind == "reduce" else function
        with np.errstate(all="ignore"):
            out = run(*map(example, args), **keywords)
        result = Value(np.shape(out), out.dtype)
        given = tuple(a.value if isinstance(a, Symbol) else a for a in args)
        self.program.calls.append(Call(kind, function, given, keywords, (result,)))
        return Symbol(self, result)

    def where(self, *args: Any) -> Symbol:
        return self.call("call", np.where, *args)

    def done(self, *outputs: Symbol, updates: Any = ()) -> Program:
        self.program.outputs = [s.value for s in outputs]
        self.program.updates = [(place.value, new.value) for place, new in updates]
        return self.program


def normalization(
    shape: tuple[int, ...], axes: tuple[int, ...], weight: tuple[int, ...], dtype: Any = np.float32
) -> Program:
    """Batch, layer, ... normalization forward and backward, as the tape runs it."""
    r = Recorder()
    x, g = r.input(*shape, dtype=dtype), r.input(*shape, dtype=dtype)
    w, b = r.input(*weight, dtype=dtype), r.input(*weight, dtype=dtype)
    mean = x.mean(axes, True)
    centred = x - mean
    var = (centred * centred).mean(axes, True)
    scale = 1 / np.sqrt(var + 1e-5)
    normal = centred * scale
    out = normal * w + b
    # backward
    lead = len(shape) - len(weight)
    summed = (*range(lead), *(lead + i for i, n in enumerate(weight) if n == 1 and shape[lead + i] != 1))

    def to_weight(s: Symbol) -> Symbol:
        return s.sum(summed).reshape(*weight)

    bias_gradient = to_weight(g)
    weight_gradient = to_weight(g * normal)
    gn = g * w
    scale_gradient = (gn * centred).sum(axes, True)
    var_gradient = scale_gradient * -0.5 * scale * scale * scale
    share = float(np.prod([shape[a] for a in axes]))
    centred_gradient = gn * scale + centred * var_gradient * (2 / share)
    gradient = centred_gradient - centred_gradient.mean(axes, True)
    return r.done(out, gradient, weight_gradient, bias_gradient)


def batch_norm(shape: tuple[int, ...], axes: tuple[int, ...], dtype: Any = np.float32) -> Program:
    """Batch normalization forward and backward as the tape runs it: the weight is folded into the scale."""
    r = Recorder()
    stats = tuple(1 if i in axes else n for i, n in enumerate(shape))
    features = tuple(n for i, n in enumerate(shape) if i not in axes)
    x, g = r.input(*shape, dtype=dtype), r.input(*shape, dtype=dtype)
    w, b = (r.input(*features, dtype=dtype).reshape(*stats) for _ in range(2))
    share = float(np.prod([shape[a] for a in axes]))
    mean = x.sum(axes, True) * (1 / share)
    centred = x - mean
    var = (centred * centred).sum(axes, True) * (1 / share)
    deviation = np.sqrt(var + 1e-5)
    scale = w / deviation
    out = centred * scale + b
    bias_gradient = g.sum(axes)
    scale_gradient = (g * centred).sum(axes, True)
    centred_gradient = g * scale
    weight_gradient = scale_gradient / deviation
    deviation_gradient = -(scale_gradient * scale) / deviation
    var_gradient = deviation_gradient * 0.5 / deviation
    centred_gradient = centred_gradient + centred * (var_gradient * (2 / share))
    mean_gradient = -centred_gradient.sum(axes, True)
    gradient = centred_gradient + mean_gradient * (1 / share)
    return r.done(out, gradient, weight_gradient.reshape(*features), bias_gradient)


def softmax(rows: int, columns: int) -> Program:
    """Softmax forward and backward."""
    r = Recorder()
    x, g = r.input(rows, columns), r.input(rows, columns)
    powers = np.exp(x - x.sum((1,), True, np.maximum, initial=-np.inf))
    out = powers / powers.sum((1,), True)
    return r.done(out, out * (g - (g * out).sum((1,), True)))


def log_softmax_loss(rows: int, columns: int) -> Program:
    """Cross entropy with one-hot targets."""
    r = Recorder()
    x, targets = r.input(rows, columns), r.input(rows, columns)
    shifted = x - x.sum((1,), True, np.maximum, initial=-np.inf)
    out = shifted - np.log(np.exp(shifted).sum((1,), True))
    loss = -(out * targets).sum((0, 1)) / rows
    g = targets * (-1 / rows)
    return r.done(loss, g - np.exp(out) * g.sum((1,), True))


def gelu(*shape: int) -> Program:
    """GELU forward and backward with the distribution function as a polynomial."""
    from autograd_core.ops.activations import _MILLS, _MILLS_T

    r = Recorder()
    x, g = r.input(*shape), r.input(*shape)
    t = 1 / (1 + _MILLS_T * np.abs(x))
    ratio: Any = _MILLS[0]
    for coefficient in _MILLS[1:]:
        ratio = ratio * t + coefficient
    tail = np.exp(x * x * -0.5) * ratio
    phi = np.abs((x > 0) - tail)
    density = np.exp(x * x * -0.5) * 0.3989422804014327
    return r.done(x * phi, g * phi + g * x * density)


def silu(*shape: int) -> Program:
    """x / (1 + e^-x) and its gradient."""
    r = Recorder()
    x, g = r.input(*shape), r.input(*shape)
    s = 1 / (1 + np.exp(-x))
    return r.done(x * s, g * s + g * x * s * (1 - s))


def sigmoid(*shape: int) -> Program:
    """1 / (1 + e^-x) and its gradient."""
    r = Recorder()
    x, g = r.input(*shape), r.input(*shape)
    s = 1 / (1 + np.exp(-x))
    return r.done(s, g * s * (1 - s))


def adam(*shapes: tuple[int, ...]) -> Program:
    """Adam's update of several parameters, in place."""
    r = Recorder()
    t, lr = r.input(), r.input()
    updates: list[Any] = []
    step = t + 1
    updates.append((t, step))
    root = r.call("ufunc", np.power, (1 - 0.999) / (1 - r.call("ufunc", np.power, 0.999, step)), 0.5)
    size = lr * (1 - 0.9) / (1 - r.call("ufunc", np.power, 0.9, step)) / root
    eps = 1e-8 / root
    for shape in shapes:
        p, g, s, q = (r.input(*shape) for _ in range(4))
        new_s = 0.9 * s + g
        new_q = 0.999 * q + g * g
        updates += [(s, new_s), (q, new_q), (p, p - size * (new_s / (np.sqrt(new_q) + eps)))]
    return r.done(updates=updates)


def momentum(*shapes: tuple[int, ...]) -> Program:
    """Momentum's update of several parameters, in place."""
    r = Recorder()
    lr = r.input()
    updates: list[Any] = []
    for shape in shapes:
        p, g, s = (r.input(*shape) for _ in range(3))
        new_s = 0.9 * s + g
        updates += [(s, new_s), (p, p - (lr * (1 - 0.9)) * new_s)]
    return r.done(updates=updates)


def network(rows: int, wide: int, hidden: int) -> Program:
    """A layer with ReLU, a second one, squared loss, gradients and a step of descent."""
    r = Recorder()
    x, y = r.input(rows, wide), r.input(rows, 1)
    a, b, c, d = r.input(wide, hidden), r.input(hidden), r.input(hidden, 1), r.input(1)
    z = x @ a + b
    h = np.maximum(z, 0)
    error = (h @ c + d) - y
    loss = (error * error).sum((0, 1)) / rows
    ge = error * (2 / rows)
    gh = ge @ c.transpose(1, 0)
    gz = gh * (z > 0)
    gradients = [x.transpose(1, 0) @ gz, gz.sum((0,)), h.transpose(1, 0) @ ge, ge.sum((0,))]
    return r.done(loss, updates=[(p, p - 0.01 * gp) for p, gp in zip((a, b, c, d), gradients)])


def arrays_for(program: Program, seed: int = 0) -> list[Any]:
    """Inputs: standard normal numbers, small integers, booleans; for what is 0-d, positive ones."""
    rng = np.random.default_rng(seed)
    out = []
    for value in program.inputs:
        if value.dtype.kind == "f":
            array = rng.standard_normal(value.shape)
            out.append(np.asarray(np.abs(array) if value.shape == () else array).astype(value.dtype))
        elif value.dtype.kind == "b":
            out.append(np.asarray(rng.random(value.shape) < 0.5))
        else:
            out.append(
                np.asarray(rng.integers(-5 if value.dtype.kind == "i" else 0, 6, value.shape)).astype(value.dtype)
            )
    return out
