"""A small model that the tests of modules share."""

from __future__ import annotations

from typing import Any

import nn


class Net(nn.Module):
    def __init__(self) -> None:
        self.body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm(4), nn.Tanh())
        self.head = nn.Linear(4, 2, bias=False)

    def forward(self, x: Any) -> Any:
        return self.head(self.body(x))
