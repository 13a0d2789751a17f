"""The cases of `nn_cases` measured in PyTorch: the same arguments, state, inputs and cotangents."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np
import torch

from nn_harness import BATCHES, COMPOSED, DRAWS, SAME, Case, build, cast, filled, mask_facts
from nn_parity import TOLERANCES, Entry, fingerprint
from oracle.composed import FORMULAS

torch.set_num_threads(1)


class Composed(torch.nn.Module):
    """A layer that torch.nn lacks: the state of ours, and a formula in torch functions."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        bound = inspect.signature(case.kind).bind(*case.args, **case.kwargs)
        bound.apply_defaults()
        self.options = dict(bound.arguments)
        self.formula = FORMULAS[case.layer]
        ours = build(case)
        for name, parameter in ours.named_parameters():
            owner, last = self._owner(name)
            owner.register_parameter(last, torch.nn.Parameter(torch.from_numpy(parameter.data.copy())))
        for name, buffer in ours.named_buffers():
            owner, last = self._owner(name)
            owner.register_buffer(last, torch.from_numpy(buffer.data.copy()))

    def _owner(self, name: str) -> tuple[Any, str]:
        owner: Any = self
        *path, last = name.split(".")
        for part in path:
            if not hasattr(owner, part):
                owner.add_module(part, torch.nn.Module())
            owner = getattr(owner, part)
        return owner, last

    def forward(self, *inputs: Any) -> Any:
        return self.formula(self, *inputs)


def to_torch(value: Any) -> Any:
    """Arrays among constructor arguments as tensors, dtypes as torch's."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, tuple | list):
        return type(value)(map(to_torch, value))
    if isinstance(value, dict):
        return {key: to_torch(v) for key, v in value.items()}
    return value


def build_torch(case: Case, dtype: Any = np.float64) -> Any:
    """PyTorch's module with our parameters and buffers, loaded under our keys: strictly, so that all must match."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, np.dtype(dtype).name))
    try:
        if case.torch == COMPOSED:
            module: Any = Composed(case).to(torch.get_default_dtype())
        else:
            name, args, kwargs = (
                (case.layer, case.args, case.kwargs)
                if case.torch == SAME
                else (case.torch.layer, case.torch.args, case.torch.kwargs)
            )
            args, kwargs = filled(args, dtype, torch.nn), filled(kwargs, dtype, torch.nn)
            module = getattr(torch.nn, name)(*to_torch(args), **to_torch(kwargs))
            module = module.to(torch.get_default_dtype())
    finally:
        torch.set_default_dtype(before)
    state = {name: torch.from_numpy(array) for name, array in build(case, dtype).state_dict().items()}
    module.load_state_dict(state, strict=True)
    return module


def torch_tensors(case: Case, dtype: Any, batch: int = 0) -> list[Any]:
    """The inputs, those that a gradient is taken of as leaves."""
    made = [torch.from_numpy(np.array(cast(a, dtype))) for a in case.arrays(batch)]
    for i in case.moving():
        made[i].requires_grad_(True)
    return made


def called(case: Case, module: Any, *inputs: Any) -> Any:
    """The output; torch warns that its KLDivLoss will change one day, and computes what it always did."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "reduction: 'mean' divides", UserWarning)
        return case.call(module, *inputs)


def measured_in_torch(case: Case, dtype: Any = np.float64) -> dict[str, Any]:
    """What `nn_harness.measured` gives, by PyTorch."""
    module = build_torch(case, dtype)
    found: dict[str, Any] = {}
    if case.masks:
        torch.manual_seed(0)
        draws = [module(x).detach().numpy() for x in torch_tensors(case, dtype) for _ in range(DRAWS)]
        found |= mask_facts(case, draws)
    for mode in case.modes():
        module.train(mode == "train")
        inputs = torch_tensors(case, dtype)
        module.zero_grad()
        out = called(case, module, *inputs)
        found[f"{mode} output"] = out.detach().numpy().copy()
        if out.requires_grad:
            out.backward(torch.from_numpy(case.cotangent(tuple(out.shape)).astype(dtype)))
        for i in case.moving():
            found[f"{mode} gradient of input {i}"] = _gradient(inputs[i])
        for name, parameter in module.named_parameters():
            found[f"{mode} gradient of {name}"] = _gradient(parameter)
        if mode == "train" and case.moded:
            for batch in range(1, BATCHES):
                called(case, module, *torch_tensors(case, dtype, batch))
            for name, buffer in case.compared(module.named_buffers()):
                found[f"{name} after {BATCHES} batches"] = buffer.numpy().copy()
    return found


def _gradient(leaf: Any) -> Any:
    return (torch.zeros_like(leaf.detach()) if leaf.grad is None else leaf.grad).numpy().copy()


def recorded(cases: list[Case]) -> dict[str, Entry]:
    """PyTorch's answers, as the recording holds them."""
    entries = {}
    for case in cases:
        state = build_torch(case).state_dict()
        shapes = {name: [list(t.shape), str(t.dtype).removeprefix("torch.")] for name, t in state.items()}
        answers = {dtype: measured_in_torch(case, dtype) for dtype in TOLERANCES}
        entries[case.name] = Entry(fingerprint(case), shapes, answers)
    return entries
