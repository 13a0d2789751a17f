"""Loading of a `state_dict`: everything is checked before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from autograd_core import Tensor
from autograd_core.errors import AutogradError, where

__all__ = ["KeyReport", "StateDictError", "load_into"]


class StateDictError(AutogradError, ValueError):
    """A state_dict that does not fit the module."""


class KeyReport(NamedTuple):
    """Keys that the module has and the state_dict lacks, and the other way round."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def load_into(tensors: Mapping[str, Tensor], state_dict: Mapping[str, Any], strict: bool, module: str) -> KeyReport:
    """Writes `state_dict` into `tensors` in place, or raises and writes nothing.

    A tensor that several keys share is missing only if none of its keys is there (files that keep one of them load),
    and the arrays under its keys must be equal.

    Raises:
        StateDictError: a key is missing or unexpected (if `strict`), or an array has another shape
            or a dtype that cannot be converted without changing its kind.
    """
    if not isinstance(state_dict, Mapping):
        raise StateDictError(
            f"load_state_dict: the state must be a mapping of keys to arrays, got {type(state_dict).__name__}; "
            f"nn.load(module, path) reads a file. {where('load_state_dict')}"
        )
    found = {id(tensor) for key, tensor in tensors.items() if key in state_dict}
    missing = [key for key, tensor in tensors.items() if id(tensor) not in found]
    unexpected = [key for key in state_dict if key not in tensors]
    unmatched = []
    if strict:
        unmatched += [f"missing {key} {tensors[key].shape}" for key in missing]
        unmatched += [f"unexpected {key}" for key in unexpected]
    problems = []
    arrays: dict[str, Any] = {}
    first: dict[int, str] = {}  # the first key of each tensor
    for key, tensor in tensors.items():
        if key not in state_dict:
            continue
        value = state_dict[key]
        try:
            array = _array(value)
        except (AutogradError, TypeError, ValueError, RuntimeError) as error:
            problems.append(f"{key} is not an array ({error})")
            continue
        if array.shape != tensor.shape:
            problems.append(f"{key} has shape {array.shape}, must be {tensor.shape}")
        elif not np.can_cast(array.dtype, tensor.dtype, "same_kind"):
            problems.append(f"{key} has dtype {array.dtype}, must convert to {tensor.dtype}")
        elif (other := first.setdefault(id(tensor), key)) != key and not _equal(array, arrays[other]):
            problems.append(f"{key} differs from {other}, which is the same tensor in this module")
        arrays[key] = array
    if unmatched or problems:
        problems = unmatched + problems
        skip = ", or pass strict=False to skip missing and unexpected keys" if unmatched else ""
        raise StateDictError(
            f"load_state_dict: the keys, shapes and dtypes must be those of this {module}, "
            f"got {len(problems)} that differ:\n  " + "\n  ".join(problems) + "\nNothing was "
            f"loaded; build the module with the options that it was saved with{skip}. {where('load_state_dict')}"
        )
    # The module's own arrays may be among the sources (tied or permuted weights): copied first.
    for key, array in {key: array.astype(tensors[key].dtype) for key, array in arrays.items()}.items():
        _write(tensors[key], array)
    return KeyReport(missing, unexpected)


def _array(value: Any) -> Any:
    """The array of a value; of a PyTorch tensor by way of its detached self, in float32 if NumPy lacks its dtype."""
    value = value.detach() if hasattr(value, "detach") else value
    try:
        return Tensor(value).data
    except (AutogradError, TypeError):
        if not callable(getattr(value, "float", None)):
            raise
        return Tensor(value.float()).data  # bfloat16, for one


def _equal(a: Any, b: Any) -> bool:
    if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)):
        return True  # not asked of arrays that may be elsewhere
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f" and b.dtype.kind == "f")


def _write(tensor: Tensor, array: Any) -> None:
    own = tensor.data
    if isinstance(own, np.ndarray) and own.flags.writeable and isinstance(array, np.ndarray):
        np.copyto(own, array)
        tensor._touch("load_state_dict")
    else:  # an array that cannot be written to is replaced
        tensor.data = array
