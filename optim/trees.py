"""Nested states as arrays by name and one JSON text, exactly: what safetensors can hold, without pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np

from autograd_core import Tensor
from autograd_core.errors import ArgumentError, where

__all__ = ["pack", "unpack"]

# A dict with one of these as its only key stands for a value that JSON does not have.
_ARRAY, _TUPLE, _DICT, _FLOAT = "$array", "$tuple", "$dict", "$float"


def pack(state: Any, by: str) -> tuple[dict[str, Any], str]:
    """Splits a state of dicts, lists, tuples, arrays, strings, numbers, booleans and None.

    Integers may have any size, keys may be strings or integers, floats keep every bit, NaN and infinity included.

    Returns:
        The arrays by their path, and the rest as JSON text, in which "$array" names an array.

    Raises:
        ArgumentError: the state holds something else, such as a function.
    """
    arrays: dict[str, Any] = {}

    def packed(value: Any, path: str) -> Any:
        if value is None or isinstance(value, bool | str) or type(value) is int:
            return value
        if type(value) is float:
            return value if isfinite(value) else {_FLOAT: str(value)}
        if isinstance(value, Tensor | np.ndarray | np.generic):
            arrays[path] = np.asarray(value.data if isinstance(value, Tensor) else value)
            return {_ARRAY: path}
        if isinstance(value, tuple):
            return {_TUPLE: [packed(item, f"{path}.{i}") for i, item in enumerate(value)]}
        if isinstance(value, list):
            return [packed(item, f"{path}.{i}") for i, item in enumerate(value)]
        if isinstance(value, Mapping) and all(isinstance(key, str | int) for key in value):
            if all(isinstance(key, str) and not key.startswith("$") for key in value):
                return {key: packed(item, _join(path, key)) for key, item in value.items()}
            return {_DICT: [[key, packed(item, _join(path, key))] for key, item in value.items()]}
        raise ArgumentError(
            f"{by}: a state must consist of dicts, lists, arrays, numbers and strings, got {type(value).__name__} at "
            f"{path!r}; leave it out of state_dict(). {where(by)}"
        )

    return arrays, json.dumps(packed(state, ""), allow_nan=False)


def unpack(arrays: Mapping[str, Any], text: str) -> Any:
    """The state that `pack` split.

    Raises:
        ValueError: the text is no JSON.
        KeyError: an array is missing.
    """

    def unpacked(value: Any) -> Any:
        if isinstance(value, list):
            return [unpacked(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((key, item),) = value.items()
            if key == _ARRAY:
                return arrays[item]
            if key == _FLOAT:
                return float(item)
            if key == _TUPLE:
                return tuple(unpacked(part) for part in item)
            if key == _DICT:
                return {name: unpacked(part) for name, part in item}
        return {key: unpacked(item) for key, item in value.items()}

    return unpacked(json.loads(text))


def _join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)
