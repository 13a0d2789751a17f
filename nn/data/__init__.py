"""Data: mini-batches, splits, standardization, and the files of MNIST and CIFAR-10 (nothing is downloaded)."""

from .batches import Batches, batches
from .cifar10 import load_cifar10
from .idx import load_idx, load_mnist
from .split import train_validation_split
from .standardize import Standardizer, standardize

__all__ = [
    "Batches",
    "Standardizer",
    "batches",
    "load_cifar10",
    "load_idx",
    "load_mnist",
    "standardize",
    "train_validation_split",
]
