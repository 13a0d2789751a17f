"""What must hold of every module in the table of `nn_cases`.

Each check takes a `Case`. `test_nn_generated.py` runs them on the table; `test_nn_checks.py` proves that they reject
layers that are wrong on purpose.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import autograd_core as ac
import nn
from autograd_core import Tensor
from duck import DuckArray, unwrap
from nn_harness import Bad, Case, Draw, build, construct, filled, fresh, relative_error, run, strided, tensors


@contextmanager
def swapped(module: Any, values: list[Any]) -> Iterator[None]:
    """Other values in the place of the parameters, in their order."""
    slots = [
        (below, name, parameter)
        for _, below in module.named_modules()
        for name, parameter in list(below.__dict__.items())
        if isinstance(parameter, nn.Parameter)
    ]
    try:
        for (owner, name, _), value in zip(slots, values, strict=True):
            held = isinstance(owner, nn.ParameterList | nn.ParameterDict)
            owner.__dict__[name] = _as_parameter(value) if held else value
        yield
    finally:
        for owner, name, parameter in slots:
            owner.__dict__[name] = parameter


def _as_parameter(value: Any) -> Any:
    """What a list of parameters takes for an element; a recorded tensor stays the one that it is."""
    if not isinstance(value, Tensor):
        return nn.Parameter(value, requires_grad=False)
    value.__class__ = nn.Parameter
    return value


def check_gradients(case: Case, mode: str) -> None:
    """Gradients of inputs and parameters against complex step or central differences, in every element."""
    module = build(case).train(mode == "train")
    arrays, moving = case.arrays(), case.moving()
    parameters = [p.data.copy() for p in module.parameters()]

    def f(*values: Any) -> Any:
        inputs = list(arrays)
        for i, value in zip(moving, values):
            inputs[i] = value
        if case.random:
            ac.random.seed(0)
        with swapped(module, list(values[len(moving) :])):
            return case.call(module, *inputs)

    points = [arrays[i] for i in moving] + parameters
    if mode in case.flat:  # piecewise constant: nothing to divide by, so zero is asserted
        inputs = tensors(case)
        out = case.call(module, *inputs)
        assert out.requires_grad, "the output must be recorded, though its gradient is zero"
        out.backward(case.cotangent(out.shape))
        for i in moving:
            np.testing.assert_array_equal(inputs[i].grad.data, 0)
            assert inputs[i].grad.shape == inputs[i].shape
    else:
        ac.check_grads(f, points, order=1, modes=("rev",))  # forward mode is the operators' own matter


def check_repr(case: Case) -> None:
    """The repr names the class; evaluated, it gives a module that computes the same."""
    module = build(case).eval()
    text = repr(module)
    assert text.startswith(f"{type(module).__name__}("), text
    if not case.evaluates:
        return
    again = eval(text, vars(nn) | {type(module).__name__: type(module)})
    assert repr(again) == text
    again = again.eval()
    again.load_state_dict(module.state_dict())
    got, expected = run(case, again).data, run(case, module).data
    assert relative_error(got, expected) < 1e-5, f"an option is missing in {text}"


def check_state(case: Case, path: Any) -> None:
    """A second instance that loads the first's state, or its file, computes the same bits; so does a third."""
    module = build(case, np.float32)
    run(case, module, np.float32, batch=1)  # moves running statistics
    state = module.state_dict()
    assert set(state) == {n for n, _ in module.named_parameters()} | {n for n, _ in module.named_buffers()}
    ac.random.seed(1)
    second, third = fresh(case, np.float32), fresh(case, np.float32)
    second.load_state_dict(state)
    nn.save(module, path)
    third.load_state_dict(nn.load(path))
    for other in (second, third):
        for key, array in other.state_dict().items():
            np.testing.assert_array_equal(array, state[key], err_msg=key)
            assert array.dtype == state[key].dtype
        for mode in (True, False):
            outputs = [run(case, m.train(mode), np.float32).data for m in (copy.deepcopy(module), copy.deepcopy(other))]
            np.testing.assert_array_equal(*outputs)


def recorded(out: Any) -> list[ac.Node]:
    """The nodes of an output's graph."""
    found: dict[int, ac.Node] = {}
    stack = [out._node]
    while stack:
        node = stack.pop()
        if isinstance(node, ac.Node) and id(node) not in found:
            found[id(node)] = node
            stack.extend(node.parents)
    return list(found.values())


def check_float32(case: Case) -> None:
    """A float32 model stays float32: output, gradients, parameters, buffers."""
    for mode in (True, False):
        module = build(case, np.float32).train(mode)
        inputs = tensors(case, np.float32)
        ac.random.seed(0)
        out = case.call(module, *inputs)
        assert out.dtype == np.float32, f"the output is {out.dtype}"
        wide = sorted({node.op.name for node in recorded(out) if node.dtype == np.float64})
        assert not wide, f"on the way to the output {wide} are float64"
        if out.requires_grad:
            out.backward(case.cotangent(out.shape).astype(np.float32))
        gradients = {f"input {i}": inputs[i].grad for i in case.moving()}
        gradients |= {name: p.grad for name, p in module.named_parameters()}
        for name, gradient in gradients.items():
            assert gradient is not None, f"no gradient of {name}"
            assert gradient.dtype == np.float32, f"the gradient of {name} is {gradient.dtype}"
        for name, t in [*module.named_parameters(), *module.named_buffers()]:
            assert t.dtype == (np.int64 if name.endswith("num_batches_tracked") else np.float32), (name, t.dtype)


def check_default_dtype(case: Case) -> None:
    """Without `dtype=` parameters are float32."""
    module = case.kind(*filled(case.args, np.dtype(np.float32)), **filled(case.kwargs, np.dtype(np.float32)))
    dtypes = {name: str(p.dtype) for name, p in module.named_parameters()}
    assert set(dtypes.values()) <= {"float32"}, dtypes


def check_modes(case: Case) -> None:
    """Training and evaluation differ exactly where the table says so; evaluation is repeatable and changes nothing."""
    module = build(case)
    state = module.state_dict()
    train = run(case, copy.deepcopy(module).train(), seed=3).data
    if case.random:
        again = run(case, copy.deepcopy(module).train(), seed=4).data
        assert not np.array_equal(train, again), "a random layer must draw in training"
    module.eval()
    first, second = run(case, module, seed=3).data, run(case, module, seed=4).data
    np.testing.assert_array_equal(first, second, err_msg="evaluation must be repeatable")
    for key, array in module.state_dict().items():
        np.testing.assert_array_equal(array, state[key], err_msg=f"evaluation changed {key}")
    assert np.array_equal(train, first) != case.moded, "training and evaluation differ" if not case.moded else "no mode"
    assert all(below.training is False for below in module.modules())


def check_seed(case: Case) -> None:
    """Construction and forward are functions of the seed."""
    made = []
    for seed in (5, 5, 6):
        ac.random.seed(seed)
        module = fresh(case, np.float32)
        out = case.call(module, *tensors(case, np.float32))
        made.append((module.state_dict(), out.data))
    for key, array in made[0][0].items():
        np.testing.assert_array_equal(array, made[1][0][key], err_msg=key)
    np.testing.assert_array_equal(made[0][1], made[1][1])
    if case.random:
        assert not np.array_equal(made[0][1], made[2][1])


def check_bad(case: Case, bad: Bad) -> None:
    """Refused with this exception and message, which ends in where it happened."""
    with pytest.raises(bad.error, match=bad.match) as caught:
        args, kwargs = (
            (case.args, case.kwargs) if bad.args is bad.kwargs is None else (bad.args or (), bad.kwargs or {})
        )
        module = construct(case.kind, args, kwargs, np.dtype(np.float64)).train(bad.train)
        if bad.inputs is None:
            raise AssertionError(f"the constructor took {args} {kwargs}")
        generator = case.generator("bad")
        case.call(module, *(d(generator) if isinstance(d, Draw) else d for d in bad.inputs))
    assert re.search(r" in: .*called at \w+\.py:\d+", str(caught.value)), "a message ends in the place"


def check_empty(case: Case) -> None:
    """A batch without samples gives an output without samples, and gradients of zero."""
    generator = case.generator("empty")
    arrays = [draw.without_batch()(generator) for draw in case.inputs]
    moving = case.moving()
    inputs = [Tensor(a, requires_grad=i in moving) for i, a in enumerate(arrays)]
    module = build(case).eval()
    whole_batch = run(case, module)
    out = case.call(module, *inputs)
    assert out.shape == (0, *whole_batch.shape[1:])
    out.backward(np.zeros(out.shape))
    for i in moving:
        assert inputs[i].grad.shape == arrays[i].shape
    for parameter in module.parameters():
        np.testing.assert_array_equal(parameter.grad.data, np.zeros(parameter.shape))


def check_scalar(case: Case) -> None:
    """An elementwise module takes 0-d input, and treats it as it treats an element of an array."""
    module = build(case).eval()
    array = case.arrays()[0]
    rows = run(case, module).data
    index = (0,) * array.ndim
    x = Tensor(array[index], requires_grad=True)
    y = case.call(module, x)
    assert y.shape == ()
    assert relative_error(y.data, rows[index]) < 1e-15
    y.backward()
    assert x.grad.shape == ()


def check_no_grad(case: Case) -> None:
    """Nothing is recorded under no_grad, and plain arrays, strided too, do as well as tensors."""
    module = build(case).eval()
    recorded = run(case, module)
    assert recorded.requires_grad == bool(case.moving() or list(module.parameters()))
    with ac.no_grad():
        out = run(case, module)
    assert out.is_leaf, "recorded under no_grad"  # it may be the input itself
    np.testing.assert_array_equal(out.data, recorded.data)
    plain = case.call(module, *case.arrays())
    np.testing.assert_array_equal(plain.data if isinstance(plain, Tensor) else plain, recorded.data)
    apart = case.call(module, *map(strided, case.arrays()))
    assert relative_error(apart.data if isinstance(apart, Tensor) else apart, recorded.data) < 1e-14


def check_deepcopy(case: Case) -> None:
    """A deep copy computes the same, has the same names, and shares no memory."""
    module = build(case)
    expected = run(case, copy.deepcopy(module).eval()).data
    twin = copy.deepcopy(module)
    assert type(twin) is type(module)
    assert repr(twin) == repr(module)
    held = [*module.parameters(), *module.buffers()]
    for mine, own in zip(held, [*twin.parameters(), *twin.buffers()], strict=True):
        assert mine is not own
        assert type(mine) is type(own)
        assert mine.name == own.name
        assert not np.shares_memory(mine.data, own.data)
        own.data = own.data + 1
    run(case, twin.train())  # moves the twin's running statistics
    np.testing.assert_array_equal(run(case, module.eval()).data, expected)
    run(case, twin).sum().backward()
    assert all(p.grad is None for p in module.parameters()), "the copy's gradient went into the original"


def check_ducks(case: Case) -> None:
    """On arrays that are not NumPy's, forward and backward give the same bits, in arrays of that kind."""
    for mode in (True, False):
        ducks, arrays = (_step(case, kind, mode) for kind in (DuckArray, np.asarray))
        for name, array in arrays.items():
            assert isinstance(ducks[name], DuckArray), f"{name} became {type(ducks[name]).__name__}"
            np.testing.assert_array_equal(unwrap(ducks[name]), array, err_msg=name)
            assert ducks[name].dtype == array.dtype


def _step(case: Case, kind: Any, training: bool) -> dict[str, Any]:
    module = build(case, np.float32).train(training)
    for t in [*module.parameters(), *module.buffers()]:
        t.data = kind(t.data)
    inputs = tensors(case, np.float32)
    for i in case.moving():
        inputs[i] = Tensor(kind(inputs[i].data), requires_grad=True)
    ac.random.seed(0)
    out = case.call(module, *inputs)
    if out.requires_grad:
        out.backward(kind(case.cotangent(out.shape).astype(np.float32)))
    found = {"output": out, **dict(module.named_buffers())}
    found |= {f"gradient of input {i}": inputs[i].grad for i in case.moving()}
    found |= {f"gradient of {name}": p.grad for name, p in module.named_parameters()}
    return {name: t.data for name, t in found.items()}
