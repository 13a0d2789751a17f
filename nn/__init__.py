"""Layers and losses, composed of NumPy expressions in forward form: no file here knows calculus."""

from . import data, functional
from .activations import ReLU, Sigmoid, Tanh
from .containers import Sequential
from .linear import Linear
from .losses import CrossEntropyLoss, MSELoss
from .module import Module, Parameter
from .normalization import BatchNorm

__all__ = [
    "BatchNorm",
    "CrossEntropyLoss",
    "Linear",
    "MSELoss",
    "Module",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "data",
    "functional",
]
