"""A row of the table of modules: how it is written, how its data are drawn, how its module is made and measured."""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import autograd_core as ac
import nn
from autograd_core import Tensor

BATCHES = 5  # that running statistics see before they are compared
DRAWS = 20  # of random masks


@dataclass(frozen=True)
class Draw:
    """An array drawn from a seed. All floating values are float32 numbers, so that both precisions get the same."""

    shape: tuple[int, ...]
    kind: str = "real"
    low: float = -2.0
    high: float = 2.0

    def __call__(self, random: np.random.RandomState, kinks: tuple[float, ...] = ()) -> Any:
        count = int(np.prod(self.shape))
        if self.kind == "whole":
            values = random.permutation(np.arange(self.low, self.high, dtype=np.int64))  # each as often as another
            values = random.permutation(np.resize(values, count))
        elif self.kind == "kinks":
            values = np.resize(np.array(kinks, np.float64), count)
        elif self.kind == "signs":
            values = random.permutation(np.resize([1.0, -1.0], count))
        else:
            # One value in each of `count` strips: no two so close that a pooling window could tie.
            strips = (random.permutation(count) + 0.1 + 0.8 * random.random_sample(count)) / max(count, 1)
            values = self.low + (self.high - self.low) * strips
            for kink in kinks:
                values = np.where(np.abs(values - kink) < 0.05, values + np.copysign(0.05, values - kink), values)
        values = values.reshape(self.shape)
        if self.kind == "distribution":  # along the second axis
            values = values / values.sum(1, keepdims=True)
        if values.dtype.kind == "f":
            values = values.astype(np.float32).astype(np.float64)
        values.setflags(write=False)
        return values

    def without_batch(self) -> Draw:
        """The same with no samples."""
        return Draw((0, *self.shape[1:]), self.kind, self.low, self.high)


def real(*shape: int, low: float = -2.0, high: float = 2.0) -> Draw:
    """Uniform on [low, high], no two alike."""
    return Draw(shape, "real", low, high)


def whole(*shape: int, below: int, start: int = 0) -> Draw:
    """Integers, such as class indices; every one appears if there is room."""
    return Draw(shape, "whole", start, below)


def signs(*shape: int) -> Draw:
    """Labels +1 and -1."""
    return Draw(shape, "signs")


def distribution(*shape: int) -> Draw:
    """Probabilities that sum to 1 along the second axis."""
    return Draw(shape, "distribution", 0.1, 1.0)


@dataclass(frozen=True)
class Make:
    """A module that is made when the case is, as an argument of another."""

    layer: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def make(layer: str, *args: Any, **kwargs: Any) -> Make:
    """`layer(*args, **kwargs)`, later."""
    return Make(layer, args, kwargs)


@dataclass(frozen=True)
class Bad:
    """A call that must be refused: other constructor arguments, or other inputs."""

    error: type[Exception]
    match: str
    args: tuple[Any, ...] | None = None
    kwargs: dict[str, Any] | None = None
    inputs: tuple[Any, ...] | None = None
    train: bool = True


@dataclass(frozen=True)
class Torch:
    """PyTorch's module, where its name or arguments differ from ours."""

    layer: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)


SAME = "same"  # torch.nn has the layer, with our name and arguments
COMPOSED = "composed"  # torch.nn lacks it: `oracle/composed.py` has the formula in torch functions


def pytorch(layer: str, *args: Any, **kwargs: Any) -> Torch:
    """`torch.nn.<layer>(*args, **kwargs)`."""
    return Torch(layer, args, kwargs)


def _call(module: Any, *inputs: Any) -> Any:
    return module(*inputs)


@dataclass(frozen=True)
class Case:
    """One module with its arguments, and what is expected of it. `nn_cases` explains the fields."""

    name: str
    layer: Any
    inputs: tuple[Draw, ...]
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    torch: Any = SAME
    deviates: dict[str, str] = field(default_factory=dict)
    call: Callable[..., Any] = _call
    differentiate: tuple[int, ...] | None = None
    derivative: bool = True
    kinks: tuple[float, ...] = ()
    moded: bool = False
    random: bool = False
    masks: bool = False
    flat: tuple[str, ...] = ()
    scalar: bool = False
    empty: bool = True
    evaluates: bool = True
    bad: tuple[Bad, ...] = ()

    def __repr__(self) -> str:
        return self.name

    @property
    def kind(self) -> Any:
        return getattr(nn, self.layer) if isinstance(self.layer, str) else self.layer

    def generator(self, what: str) -> np.random.RandomState:
        """A stream of the case's own. NumPy keeps RandomState's numbers the same for ever, so a recording holds."""
        return np.random.RandomState(zlib.crc32(f"{self.name} {what}".encode()))

    def arrays(self, batch: int = 0) -> list[Any]:
        """The inputs of one batch, read-only."""
        generator = self.generator(f"inputs {batch}")
        return [draw(generator, self.kinks) for draw in self.inputs]

    def moving(self) -> list[int]:
        """The inputs that a gradient is taken of."""
        if self.differentiate is not None:
            return list(self.differentiate)
        return [i for i, draw in enumerate(self.inputs) if draw.kind != "whole"]

    def cotangent(self, shape: tuple[int, ...]) -> Any:
        """A cotangent of an output of this shape, read-only, no element near 0."""
        values = Draw(shape, "real", -1.0, 1.0)(self.generator("cotangent"))
        values = values + np.copysign(0.25, values)
        return np.asarray(values)

    def compared(self, buffers: Any) -> Any:
        """The named buffers that must agree with PyTorch's."""
        return [(name, buffer) for name, buffer in buffers if name not in self.deviates]

    def modes(self) -> tuple[str, ...]:
        """In which modes the numbers can be compared: another library's dropout has another mask."""
        return ("eval",) if self.random else ("train", "eval")


def case(layer: str, inputs: Any, *args: Any, name: str = "", options: Any = None, **fields: Any) -> Case:
    """A row; its name is the layer's, followed by what sets it apart."""
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    return Case(f"{layer}-{name}" if name else layer, layer, inputs, args, options or {}, **fields)


def far(case: Case) -> Case:
    """The case with its first input 100 times as large."""
    first, *others = case.inputs
    wide = replace(first, low=100 * first.low, high=100 * first.high)
    return replace(case, name=f"{case.name}-far", inputs=(wide, *others))


def at_kinks(case: Case) -> Case:
    """The case with its first input where it has no derivative: libraries agree on a subgradient."""
    first, *others = case.inputs
    return replace(case, name=f"{case.name}-kinks", inputs=(replace(first, kind="kinks"), *others))


def cast(value: Any, dtype: Any) -> Any:
    """A floating array in this dtype, anything else as it is."""
    return value.astype(dtype) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def filled(value: Any, dtype: Any, library: Any = nn) -> Any:
    """Constructor arguments with modules made and arrays cast."""
    if isinstance(value, Make):
        return construct(getattr(library, value.layer), value.args, value.kwargs, dtype, library)
    if isinstance(value, tuple | list):
        return type(value)(filled(v, dtype, library) for v in value)
    if isinstance(value, dict):
        return {k: filled(v, dtype, library) for k, v in value.items()}
    return cast(value, dtype)


def construct(kind: Any, args: Any, kwargs: Any, dtype: Any, library: Any = nn) -> Any:
    """`kind(*args, **kwargs)`, with `dtype` where it has one."""
    kwargs = filled(kwargs, dtype, library)
    if library is nn and "dtype" in inspect.signature(kind).parameters:
        kwargs = {"dtype": dtype} | kwargs
    return kind(*filled(args, dtype, library), **kwargs)


def fresh(case: Case, dtype: Any = np.float64) -> Any:
    """The module as constructed."""
    return construct(case.kind, case.args, case.kwargs, np.dtype(dtype))


def build(case: Case, dtype: Any = np.float64) -> Any:
    """The module with parameters drawn by the case: initial ones and zeros would hide factors and terms."""
    module = fresh(case, dtype)
    generator = case.generator("parameters")
    for parameter in module.parameters():
        values = Draw(parameter.shape, "real", -1.0, 1.0)(generator)
        values = np.asarray(values + np.copysign(0.125, values))
        parameter.data = values.astype(parameter.dtype)
    return module


def tensors(case: Case, dtype: Any = np.float64, batch: int = 0) -> list[Any]:
    """The inputs, those that a gradient is taken of as leaves."""
    arrays = [cast(a, dtype) for a in case.arrays(batch)]
    moving = case.moving()
    return [Tensor(a, requires_grad=i in moving) for i, a in enumerate(arrays)]


def run(case: Case, module: Any, dtype: Any = np.float64, batch: int = 0, seed: int = 0) -> Any:
    """The output for a batch, random layers seeded."""
    ac.random.seed(seed)
    return case.call(module, *tensors(case, dtype, batch))


def measured(case: Case, dtype: Any = np.float64) -> dict[str, Any]:
    """Everything that must agree with PyTorch: outputs, gradients, buffers after five batches, in both modes."""
    module = build(case, dtype)
    found: dict[str, Any] = {}
    if case.masks:
        ac.random.seed(0)
        draws = [case.call(module, x).data for x in tensors(case, dtype) for _ in range(DRAWS)]
        found |= mask_facts(case, draws)
    for mode in case.modes():
        module.train(mode == "train")
        inputs = tensors(case, dtype)
        module.zero_grad()
        out = case.call(module, *inputs)
        found[f"{mode} output"] = out.data
        if out.requires_grad:
            out.backward(case.cotangent(out.shape).astype(out.dtype))
        for i in case.moving():
            found[f"{mode} gradient of input {i}"] = _gradient(inputs[i])
        for name, parameter in module.named_parameters():
            found[f"{mode} gradient of {name}"] = _gradient(parameter)
        if mode == "train" and case.moded:
            for batch in range(1, BATCHES):
                case.call(module, *tensors(case, dtype, batch))
            for name, buffer in case.compared(module.named_buffers()):
                found[f"{name} after {BATCHES} batches"] = buffer.data
    return found


def mask_facts(case: Case, outputs: list[Any]) -> dict[str, Any]:
    """What can be compared of random masks: by which factors they multiply, and whether these differ in a channel."""
    factors = np.stack([np.float64(out) / case.arrays()[0] for out in outputs])
    return {
        "factors": np.unique(np.round(factors, 4)),
        "differs within a channel": np.ptp(factors.reshape(*factors.shape[:3], -1), axis=-1).max() > 0.01,
    }


def _gradient(leaf: Any) -> Any:
    return np.zeros(leaf.shape, leaf.dtype) if leaf.grad is None else leaf.grad.data


def strided(array: Any) -> Any:
    """The same values, neither C- nor F-contiguous."""
    if not array.ndim:
        return array
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


def relative_error(actual: Any, expected: Any) -> float:
    """max|a - b| / max|b|; 0 or infinity where b is 0."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}"
    error, scale = (float(np.max(np.abs(a), initial=0.0)) for a in (actual - expected, expected))
    return 0.0 if error == 0 else error / scale if scale else np.inf
