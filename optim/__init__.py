"""Optimizers: each is one elementwise update function, run in place over cache-sized blocks.

They read `.grad` and write the parameters with NumPy; none knows a derivative.
"""

from .adam import Adam
from .optimizer import Optimizer
from .sgd import SGD

__all__ = ["SGD", "Adam", "Optimizer"]
