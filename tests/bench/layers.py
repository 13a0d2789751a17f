"""The layers of workload (h): each at one realistic size, as PyTorch and we both make it.

A feed-forward net's layers get 128 samples of width 512, what normalizes along the last axis 16 sequences of 64 tokens
of width 256, what works on images 32 images of
16 channels and 32 x 32 pixels, classifiers' losses 128 rows of 10 logits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

ROWS = (128, 512)
TOKENS = (16, 64, 256)
IMAGES = (32, 16, 32, 32)
SIGNALS = (32, 16, 256)
LOGITS = (128, 10)
LIMIT, CONVOLUTION_LIMIT = 1.5, 3.0  # times PyTorch eager
VIEW = (
    "alone it is a view, and what is timed is the copy of the cotangent: `.grad` here is memory of its own, PyTorch's "
    "is the memory that `backward` was given"
)


@dataclass(frozen=True)
class Layer:
    """One row: the class, which has the same name and arguments in both, and the shape of its input.

    Attributes:
        target: of a loss: "like" (the input's shape), "probability", "sign", "label", "log" (log-probabilities), or "".
        torch: PyTorch's class where it has another name, "" where `contestant_torch` composes it.
        random: draws, so that results cannot agree.
        then: class and arguments of a layer behind it, with which it is timed as one.
        note: why it is shown without a bar; "" where it has one.
    """

    name: str
    shape: tuple[int, ...]
    args: tuple[Any, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    target: str = ""
    torch: str | None = None
    random: bool = False
    then: tuple[str, tuple[Any, ...]] | None = None
    note: str = ""

    @property
    def limit(self) -> float | None:
        if self.note:
            return None
        return CONVOLUTION_LIMIT if self.name.startswith("Conv") else LIMIT

    @property
    def title(self) -> str:
        given = [*map(repr, self.args), *(f"{k}={v!r}" for k, v in self.options.items())]
        behind = f", then {self.then[0]}({', '.join(map(repr, self.then[1]))})" if self.then else ""
        return f"{self.name}({', '.join(given)}){behind}"


LAYERS = (
    Layer("Linear", ROWS, (512, 512)),
    Layer("Embedding", (16, 64), (10_000, 64)),
    Layer("Dropout", ROWS, random=True),
    Layer("GaussianNoise", ROWS, (0.1,), torch="", random=True),
    Layer("Flatten", IMAGES, note=VIEW),
    Layer("Flatten", IMAGES, then=("Linear", (16_384, 10))),
    Layer("BatchNorm", ROWS, (512,), torch="BatchNorm1d"),
    Layer("BatchNorm2d", IMAGES, (16,)),
    Layer("InstanceNorm2d", IMAGES, (16,)),
    Layer("GroupNorm", IMAGES, (4, 16)),
    Layer("LayerNorm", TOKENS, (256,)),
    Layer("RMSNorm", TOKENS, (256,)),
    Layer("Conv1d", SIGNALS, (16, 32, 3), {"padding": 1}),
    Layer("Conv2d", IMAGES, (16, 32, 3), {"padding": 1}),
    Layer("MaxPool2d", IMAGES, (2,)),
    Layer("AvgPool2d", IMAGES, (2,)),
    Layer("AdaptiveAvgPool2d", IMAGES, (1,)),
    Layer("Sigmoid", ROWS),
    Layer("Tanh", ROWS),
    Layer("SMHT", ROWS, torch=""),
    Layer("ReLU", ROWS),
    Layer("LeakyReLU", ROWS),
    Layer("PReLU", ROWS),
    Layer("ELU", ROWS),
    Layer("SELU", ROWS),
    Layer("GELU", ROWS),
    Layer("GELU", ROWS, options={"approximate": "tanh"}),
    Layer("Softplus", ROWS),
    Layer("SiLU", ROWS),
    Layer("Swish", ROWS, (1.0, True), torch=""),
    Layer("Mish", ROWS),
    Layer("Softmax", ROWS, options={"dim": -1}),
    Layer("LogSoftmax", ROWS, options={"dim": -1}),
    Layer("GLU", ROWS, (512, 512), torch=""),
    Layer("ReGLU", ROWS, (512, 512), torch=""),
    Layer("GEGLU", ROWS, (512, 512), torch=""),
    Layer("SwiGLU", ROWS, (512, 512), torch=""),
    Layer("MSELoss", ROWS, target="like"),
    Layer("L1Loss", ROWS, target="like"),
    Layer("HuberLoss", ROWS, target="like"),
    Layer("HalfSquaredLoss", ROWS, target="like", torch=""),
    Layer("BCEWithLogitsLoss", ROWS, target="probability"),
    Layer("HingeLoss", ROWS, target="sign", torch=""),
    Layer("PerceptronLoss", ROWS, target="sign", torch=""),
    Layer("NLLLoss", LOGITS, target="label"),
    Layer("CrossEntropyLoss", LOGITS, target="label"),
    Layer("CrossEntropyLoss", LOGITS, options={"label_smoothing": 0.1}, target="label"),
    Layer("KLDivLoss", LOGITS, options={"reduction": "batchmean"}, target="probability"),
)


def arrays(layer: Layer) -> tuple[np.ndarray, np.ndarray | None]:
    """The input and the target."""
    rng = np.random.default_rng(5)
    if layer.name == "Embedding":
        return rng.integers(0, layer.args[0], layer.shape), None
    x = rng.standard_normal(layer.shape, np.float32)
    if layer.name in ("NLLLoss", "KLDivLoss"):
        x -= np.log(np.exp(x).sum(-1, keepdims=True))
    target: Any = None
    if layer.target == "like":
        target = rng.standard_normal(layer.shape, np.float32)
    elif layer.target == "probability":
        target = rng.random(layer.shape, np.float32)
    elif layer.target == "sign":
        target = np.where(rng.random(layer.shape) < 0.5, np.float32(-1), np.float32(1))
    elif layer.target == "label":
        target = rng.integers(0, layer.shape[-1], layer.shape[0])
    return x, target


def filled(shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    """Values of the parameters, in order."""
    rng = np.random.default_rng(6)
    return [rng.uniform(-0.1, 0.1, shape).astype(np.float32) for shape in shapes]


def upstream(shape: tuple[int, ...]) -> np.ndarray:
    """The cotangent of the output."""
    return np.asarray(np.random.default_rng(7).standard_normal(shape, np.float32))
