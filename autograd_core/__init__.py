"""Reverse-mode automatic differentiation on NumPy arrays, and verdicts on gradients derived by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import errors, memory, random
from .context import anomaly_mode, enable_grad, is_grad_enabled, keep_values, no_grad
from .errors import AutogradError
from .node import Constant, Node
from .operator import Array, Bad, Operator, Sample, op, registry
from .tensor import Tensor, tensor

memory.apply_policy()
from . import dispatch, methods, ops, special  # noqa: E402, F401 - they fill the registry and attach to Tensor
from .compare import assert_gradients, compare, grade  # noqa: E402 - light; lazy, the subpackage would hide `compare`
from .containers import register_container  # noqa: E402
from .functions import one_hot, stop_gradient, tag  # noqa: E402
from .ops.exponential import erf, sigmoid, softplus  # noqa: E402
from .ops.piecewise import relu  # noqa: E402
from .ops.reductions import logsumexp  # noqa: E402
from .transforms import checkpoint, grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp  # noqa: E402

if TYPE_CHECKING:
    from .check import check_grads
    from .compare import Grade, Report
    from .compiler.api import compile
    from .deriving import derivation
    from .deriving.lines import Derivation
    from .drawing import Drawing, draw, influence

__version__ = "0.1.0"

# Imported at first use: they need libraries that `import autograd_core` should not wait for.
_LAZY = {"Report": "compare", "Grade": "compare", "draw": "drawing", "Drawing": "drawing", "check_grads": "check"} | {
    "derivation": "deriving",
    "Derivation": "deriving.lines",
    "influence": "drawing",
    "compile": "compiler.api",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        value = getattr(import_module(f".{_LAZY[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Array",
    "AutogradError",
    "Bad",
    "Constant",
    "Derivation",
    "Drawing",
    "Grade",
    "Node",
    "Operator",
    "Report",
    "Sample",
    "Tensor",
    "anomaly_mode",
    "assert_gradients",
    "check_grads",
    "checkpoint",
    "compare",
    "compile",
    "derivation",
    "draw",
    "enable_grad",
    "erf",
    "errors",
    "grad",
    "grade",
    "hessian",
    "hvp",
    "influence",
    "is_grad_enabled",
    "jacobian",
    "jvp",
    "keep_values",
    "logsumexp",
    "memory",
    "no_grad",
    "one_hot",
    "op",
    "random",
    "register_container",
    "registry",
    "relu",
    "sigmoid",
    "softplus",
    "special",
    "stop_gradient",
    "tag",
    "tensor",
    "value_and_grad",
    "vjp",
]
