"""Functions of `scipy.special` that are Python functions there: they turn Tensors into arrays, so these stand for them.

SciPy's ufuncs (`scipy.special.gammaln`, `erf`, ...) take Tensors themselves. Both kinds take arrays too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .ops.reductions import logsumexp
from .ops.special_bessel import spherical_jn
from .ops.special_gamma import multigammaln, polygamma, zeta

__all__ = ["log_softmax", "logsumexp", "multigammaln", "polygamma", "softmax", "spherical_jn", "zeta"]


def log_softmax(x: Any, axis: Any = None) -> Any:
    """Logarithm of softmax, x - ln(sum(e^x)) along an axis, several, or all."""
    return x - logsumexp(x, axis=axis, keepdims=True)


def softmax(x: Any, axis: Any = None) -> Any:
    """Shares of the exponentials, e^x / sum(e^x), along an axis, several, or all, without overflow."""
    return np.exp(log_softmax(x, axis))
