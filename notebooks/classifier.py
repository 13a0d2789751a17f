"""Trains a classifier with batch normalization and prints its history.

python notebooks/classifier.py               the 1,797 digits of scikit-learn
python notebooks/classifier.py DIRECTORY     MNIST or Fashion-MNIST, from IDX files (gzip or not) in a directory
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

import nn
import optim
from autograd_core import random


def digits() -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """The digits, 1,400 to train with and the others to test with."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = random.permutation(len(images))
    (x, x_test), (y, y_test) = (np.split(array[order], [1400]) for array in (images, labels))
    return (x, y), (x_test, y_test)


def train(directory: str | None = None, *, epochs: int | None = None, progress: bool = True) -> optim.History:
    """Fits a network of two hidden layers; the test set is only looked at."""
    random.seed(0)
    (x, y), (x_test, y_test) = nn.data.load_mnist(directory) if directory else digits()
    x, x_test = (images.reshape(len(images), -1).astype(np.float32) for images in (x, x_test))
    mean, deviation = x.mean(), x.std()
    x, x_test = (x - mean) / deviation, (x_test - mean) / deviation
    model = nn.Sequential(
        *(nn.Linear(x.shape[1], 256), nn.BatchNorm(256), nn.ReLU()),
        *(nn.Linear(256, 128), nn.BatchNorm(128), nn.ReLU()),
        nn.Linear(128, 10),
    )
    epochs = epochs or (5 if directory else 10)
    optimizer = optim.Adam(model.parameters(), lr=2e-3)
    return optim.fit(
        model,
        nn.CrossEntropyLoss(),
        optimizer,
        (x, y),
        epochs=epochs,
        batch_size=128 if directory else 32,
        validation=(x_test, y_test),
        metrics={"accuracy": optim.accuracy},
        schedule=optim.CosineAnnealingLR(optimizer, epochs),
        progress=progress,
    )


if __name__ == "__main__":
    print(train(*sys.argv[1:2]))
