"""Adam in NumPy, in place and without allocation, for the contestants that have no optimizer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from problems import ADAM


class Adam:
    """PyTorch's default Adam: p -= lr * mhat / (sqrt(vhat) + eps) with bias-corrected moments."""

    def __init__(self, parameters: Sequence[np.ndarray]) -> None:
        self.parameters = parameters
        self.m = [np.zeros_like(p) for p in parameters]
        self.v = [np.zeros_like(p) for p in parameters]
        self.scratch = [np.empty_like(p) for p in parameters]
        self.t = 0

    def step(self, gradients: Sequence[np.ndarray]) -> None:
        """Updates the parameters from gradients in the same order."""
        self.t += 1
        beta1, beta2, eps = ADAM["beta1"], ADAM["beta2"], ADAM["eps"]
        size = ADAM["lr"] / (1 - beta1**self.t)
        root = (1 - beta2**self.t) ** -0.5
        for p, g, m, v, s in zip(self.parameters, gradients, self.m, self.v, self.scratch):
            np.multiply(g, 1 - beta1, out=s)
            m *= beta1
            m += s
            np.multiply(g, g, out=s)
            s *= 1 - beta2
            v *= beta2
            v += s
            np.sqrt(v, out=s)
            s *= root
            s += eps
            np.divide(m, s, out=s)
            s *= size
            p -= s
