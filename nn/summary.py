"""A table of a model's layers, output shapes, parameters and memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_core import Tensor, no_grad, random
from autograd_core.errors import ArgumentError, where

from ._checks import is_integer
from .module import Module

__all__ = ["Row", "Summary", "summary"]


@dataclass(frozen=True)
class Row:
    """One line of the table: one call of a module, or a module that was not called.

    Attributes:
        path: dotted path of the module, "" for the model itself.
        type: name of its class.
        depth: 0 for the model itself.
        output_shape: of the call; a list of shapes for several outputs, None for a module that was not called.
        params: elements of its own parameters that no line above has counted.
        recursive: its parameters were all counted above: a shared module or shared parameters.
        mult_adds: multiplications followed by an addition, in the module's own weights.
    """

    path: str
    type: str
    depth: int
    output_shape: Any
    params: int
    recursive: bool
    mult_adds: int


@dataclass(frozen=True)
class Summary:
    """What `summary` returns; `str()` is the table.

    Attributes:
        rows: one per call of a module, in the order of the calls.
        total_params, trainable_params: elements; a shared parameter counts once.
        total_mult_adds: multiply-adds of one forward pass in the weights (not those of activations or poolings).
        input_bytes, params_bytes, buffers_bytes: memory.
        forward_bytes: memory of the outputs of all innermost modules; views, as `Flatten` gives them, take none.
        total_bytes: the sum of these four.
    """

    rows: tuple[Row, ...]
    total_params: int
    trainable_params: int
    total_mult_adds: int
    input_bytes: int
    forward_bytes: int
    params_bytes: int
    buffers_bytes: int

    @property
    def total_bytes(self) -> int:
        """Inputs, outputs of the layers, parameters and buffers together."""
        return self.input_bytes + self.forward_bytes + self.params_bytes + self.buffers_bytes

    def __str__(self) -> str:
        head = ("Layer (type:depth-idx)", "Output Shape", "Param #")
        numbers: dict[int, int] = {}
        lines = []
        for row in self.rows:
            numbers[row.depth] = numbers.get(row.depth, 0) + 1
            indent = "│    " * (row.depth - 1) + "├─" if row.depth else ""
            index = f": {row.depth}-{numbers[row.depth]}" if row.depth else ""
            params = "(recursive)" if row.recursive else f"{row.params:,}" if row.params else "--"
            lines.append((f"{indent}{row.type}{index}", _shapes(row.output_shape), params))
        first, second, third = (max(len(line[i]) for line in [head, *lines]) + 4 for i in range(3))
        rule = "=" * max(first + second + third, 60)

        def table(rows: Any) -> list[str]:
            return [f"{a:<{first}}{b:<{second}}{c}".rstrip() for a, b, c in rows]

        def megabytes(size: int) -> str:
            return f"{size / 1e6:.2f}"

        scale, unit = next(
            (s, u) for s, u in ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1, "")) if self.total_mult_adds >= s or s == 1
        )
        label = f"Total mult-adds ({unit})" if unit else "Total mult-adds"
        amount = f"{self.total_mult_adds / scale:.2f}" if unit else f"{self.total_mult_adds}"
        return "\n".join(
            [
                *(rule, *table([head]), rule, *table(lines), rule),
                f"Total params: {self.total_params:,}",
                f"Trainable params: {self.trainable_params:,}",
                f"Non-trainable params: {self.total_params - self.trainable_params:,}",
                f"{label}: {amount}",
                rule,
                f"Input size (MB): {megabytes(self.input_bytes)}",
                f"Forward pass size (MB): {megabytes(self.forward_bytes)}",
                f"Params size (MB): {megabytes(self.params_bytes)}",
                f"Buffers size (MB): {megabytes(self.buffers_bytes)}",
                f"Estimated Total Size (MB): {megabytes(self.total_bytes)}",
                rule,
            ]
        )

    __repr__ = __str__


def summary(model: Module, input_shape: Any, *, dtypes: Any = None) -> Summary:
    """The layers of a model with output shapes, parameters and memory, as torchinfo prints them.

    The model runs once on zeros, in evaluation mode and without recording. Running statistics, training flags, hooks
    and the random state are as before; hooks that are registered run as in any call.

    Args:
        model: the module.
        input_shape: shape of the input *with* the batch axis, e.g. (32, 1, 28, 28); for several inputs a list of
            shapes.
        dtypes: dtype of the input, or a list with one for each; by default that of the parameters. Class or word
            numbers, as `Embedding` takes them, need an integer one.

    Raises:
        ArgumentError: an argument is outside its domain, or the forward pass fails; the message names the layer.
    """
    if not isinstance(model, Module):
        raise ArgumentError(
            f"summary: the model must be a Module, got {type(model).__name__}; pass an instance. {where('summary')}"
        )
    inputs = _inputs(model, input_shape, dtypes)
    run = _Run(model)
    with run.hooks(), _as_it_was(model), no_grad(), np.errstate(all="ignore"):
        try:
            model(*inputs)
        except Exception as error:
            raise run.failed(error) from error
    rows = tuple(_rows(model, run.calls))
    parameters = list(model.parameters())
    return Summary(
        rows=rows,
        total_params=sum(p.size for p in parameters),
        trainable_params=sum(p.size for p in parameters if p.requires_grad),
        total_mult_adds=sum(row.mult_adds for row in rows),
        input_bytes=sum(map(_bytes, inputs)),
        forward_bytes=sum(call.bytes for call in run.calls),
        params_bytes=sum(map(_bytes, parameters)),
        buffers_bytes=sum(map(_bytes, model.buffers())),
    )


# -- the inputs


def _inputs(model: Module, input_shape: Any, dtypes: Any) -> list[Tensor]:
    def is_shape(value: Any) -> bool:
        return isinstance(value, Sequence) and all(is_integer(n, 0) for n in value)

    several = (
        isinstance(input_shape, Sequence) and bool(input_shape) and all(isinstance(s, Sequence) for s in input_shape)
    )
    shapes = list(input_shape) if several else [input_shape]
    if not all(map(is_shape, shapes)):
        raise ArgumentError(
            f"summary: input_shape must be a tuple of lengths with the batch axis, or a list of such tuples, got "
            f"{input_shape!r}; e.g. (32, 784). {where('summary')}"
        )
    floating = next((p.dtype for p in model.parameters()), np.dtype(np.float32))
    kinds = list(dtypes) if isinstance(dtypes, list | tuple) else [dtypes] * len(shapes)
    if len(kinds) != len(shapes):
        raise ArgumentError(
            f"summary: there must be one dtype for each input, got {len(kinds)} for {len(shapes)}; use None for the "
            f"parameters' dtype. {where('summary')}"
        )
    try:
        return [Tensor(np.zeros(s, floating if d is None else d)) for s, d in zip(shapes, kinds)]
    except TypeError as error:
        raise ArgumentError(
            f"summary: a dtype must be one that NumPy knows, got {dtypes!r} ({error}); e.g. np.int64. "
            f"{where('summary')}"
        ) from error


# -- the forward pass


@dataclass
class _Call:
    """One call of a module."""

    path: str
    module: Module
    shapes: list[Any]  # of the arguments
    integers: bool  # the first argument is an array of integers
    output: Any = None
    bytes: int = 0


class _Run:
    """Watches one forward pass."""

    def __init__(self, model: Module) -> None:
        self.paths = {id(module): path for path, module in model.named_modules()}
        self.model = model
        self.calls: list[_Call] = []
        self.open: list[_Call] = []

    @contextmanager
    def hooks(self) -> Iterator[None]:
        """Ours around those that are there; taken away again at the end."""
        with ExitStack() as handles:
            for module in self.model.modules():
                handles.enter_context(module.register_forward_pre_hook(self.begin))
                handles.enter_context(module.register_forward_hook(self.end))
            yield

    def begin(self, module: Module, args: Any) -> None:
        arrays = _arrays(args)
        integers = bool(arrays) and arrays[0].dtype.kind in "iu"
        call = _Call(self.paths[id(module)], module, [a.shape for a in arrays], integers)
        self.calls.append(call)
        self.open.append(call)

    def end(self, module: Module, args: Any, output: Any) -> None:
        call = self.open.pop()
        outputs = _arrays(output)
        shapes = [out.shape for out in outputs]
        call.output = shapes[0] if len(shapes) == 1 else shapes
        if not any(True for _ in module.children()):
            seen = [_plain(a) for a in _arrays(args)]
            call.bytes = sum(_bytes(out) for out in outputs if not any(_shared(_plain(out), a) for a in seen))

    def failed(self, error: Exception) -> ArgumentError:
        """The error of the innermost module that was running."""
        place = "before any layer"
        if self.open:
            call = self.open[-1]
            fed = ", ".join(map(str, call.shapes))
            place = f"in {call.path or 'the model'!r} ({type(call.module).__name__}), which was fed {fed or 'no array'}"
        return ArgumentError(
            f"summary: the model must run on zeros of the shape and dtype given, got {type(error).__name__} {place}; "
            f"correct input_shape (it includes the batch axis), or give dtypes=. {where('summary')}\n  {error}"
        )


@contextmanager
def _as_it_was(model: Module) -> Iterator[None]:
    """Evaluation mode inside the block; flags, buffers and the random state are put back at its end."""
    flags = [(module, module.__dict__.get("training")) for module in model.modules()]
    buffers = [(buffer, buffer.data, np.copy(buffer.data)) for buffer in model.buffers()]
    held = [(m.__dict__, name, m.__dict__.get(name)) for m in model.modules() for name in m._buffers]
    state = random.get_state()
    model.eval()
    try:
        yield
    finally:
        random.set_state(state)
        for module, flag in flags:
            if flag is None:  # the default of the class
                module.__dict__.pop("training", None)
            else:
                module.__dict__["training"] = flag
        for attributes, name, value in held:  # forward may have put another Tensor there
            attributes[name] = value
        for buffer, array, values in buffers:
            if buffer.data is not array:
                buffer.data = array
            if isinstance(array, np.ndarray) and not np.array_equal(array, values, equal_nan=array.dtype.kind == "f"):
                np.copyto(array, values)


# -- the table


def _rows(model: Module, calls: list[_Call]) -> Iterator[Row]:
    modules = dict(model.named_modules())
    called = {call.path for call in calls}
    above = {p for path in called for p in _ancestors(path)}  # they have a called one below
    idle: dict[str, list[str]] = {}  # by the module that holds and does not call it: a ParameterList, an unused layer
    for path, module in modules.items():
        if path not in called and path not in above and module._own_parameters():
            idle.setdefault(_caller(path, called), []).append(path)
    counted: set[int] = set()
    listed: set[str] = set()
    chain: list[str] = []  # the containers that the last line is in

    def row(path: str, call: _Call | None) -> Row:
        module = modules[path]
        own = [p for _, p in module._own_parameters()]
        new = [p for p in own if id(p) not in counted]
        again = path in listed and any(True for _ in module.parameters())
        counted.update(map(id, own))
        listed.add(path)
        return Row(
            path=path,
            type=type(module).__name__,
            depth=path.count(".") + 1 if path else 0,
            output_shape=None if call is None else call.output,
            params=sum(p.size for p in {id(p): p for p in new}.values()),
            recursive=again or (bool(own) and not new),
            mult_adds=0 if call is None else _mult_adds(own, call),
        )

    for call in calls:
        for path in _ancestors(call.path):
            if path not in called and path not in chain:  # a ModuleList: it holds layers, but does not run
                yield row(path, None)
        chain = _ancestors(call.path)
        yield row(call.path, call)
        for path in idle.pop(call.path, ()):
            for around in _ancestors(path):
                if around not in called and around not in listed:
                    yield row(around, None)
            yield row(path, None)


def _caller(path: str, called: set[str]) -> str:
    """The innermost module around `path` that was called."""
    return next((p for p in reversed(_ancestors(path)) if p in called), "")


def _ancestors(path: str) -> list[str]:
    """Paths of the modules around it, from the outside, without the model itself."""
    parts = path.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts))]


def _mult_adds(own: list[Any], call: _Call) -> int:
    """A weight (out, ...) is used whole for each position of the output; others once for each element of it.

    A module that is fed integers looks its weights up and multiplies nothing.
    """
    if call.integers or not isinstance(call.output, tuple):
        return 0
    size = math.prod(call.output)
    matrices = [p for p in own if p.ndim >= 2 and not _is_elementwise(p.shape, call)]
    if matrices:
        return sum(size // p.shape[0] * p.size for p in matrices if p.shape[0])
    return size if own else 0


def _is_elementwise(shape: tuple[int, ...], call: _Call) -> bool:
    """Whether a weight of several axes multiplies the output's elements, as that of LayerNorm does.

    The shapes leave it open now and then, (4, 4) on (4, 4); then what the module says of itself, or a matrix.
    """
    if getattr(call.module, "normalized_shape", None) == shape:
        return True
    out, n = call.output, len(shape)
    into = call.shapes[0][-1:] if call.shapes else ()
    if hasattr(call.module, "kernel_size") or (n == 2 and shape == (*out[-1:], *into)):
        return False
    below_the_batch = n < len(out) or (n == len(out) and shape[0] == 1)
    return below_the_batch and all(a in (1, b) for a, b in zip(shape, out[-n:]))


def _arrays(value: Any) -> list[Any]:
    """The arrays among arguments or outputs."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return [value]
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple | list):
        return [array for item in value for array in _arrays(item)]
    return []


def _plain(value: Any) -> Any:
    return value.data if isinstance(value, Tensor) else value


def _shared(a: Any, b: Any) -> bool:
    return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and np.may_share_memory(a, b)


def _bytes(value: Any) -> int:
    return int(math.prod(value.shape) * value.dtype.itemsize)


def _shapes(shape: Any) -> str:
    if shape is None or shape == []:
        return "--"
    return str([list(s) for s in shape] if isinstance(shape, list) else list(shape))
