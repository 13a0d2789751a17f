"""Grad modes, anomaly mode, keep_values, threads and tasks."""

import asyncio
import threading

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor, op
from autograd_core.context import current
from autograd_core.errors import NonFiniteError


def leaf(*data):
    return Tensor(np.array(data), requires_grad=True)


def test_no_grad_and_enable_grad():
    x = leaf(1.0)
    assert ac.is_grad_enabled()
    with ac.no_grad():
        assert not ac.is_grad_enabled() and not (x * 2).requires_grad
        with ac.enable_grad():
            assert ac.is_grad_enabled() and (x * 2).requires_grad
        assert not ac.is_grad_enabled()
    assert ac.is_grad_enabled()


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x * 2,
        lambda x: 2 * x,
        lambda x: np.exp(x),
        lambda x: x.sum(),
        lambda x: x[0],
        lambda x: x @ x,
        lambda x: np.concatenate([x, x]),
        lambda x: np.where(True, x, x),
        lambda x: np.split(x, 2)[0],
    ],
)
def test_nothing_is_recorded_in_no_grad(f):
    x = leaf(1.0, 2.0)
    with ac.no_grad():
        out = f(x)
    assert out.is_leaf and not out.requires_grad


def test_decorators():
    x = leaf(1.0)

    @ac.no_grad()
    def frozen(x):
        """Its own words."""
        return x * 2

    assert not frozen(x).requires_grad and frozen.__doc__ == "Its own words." and frozen.__name__ == "frozen"
    assert ac.no_grad()(ac.enable_grad()(lambda: x * 2))().requires_grad


def test_modes_are_restored_after_an_error():
    for mode in (ac.no_grad, ac.anomaly_mode, ac.keep_values):
        before = current()
        with pytest.raises(ZeroDivisionError), mode():
            assert current() is not before
            1 / 0  # noqa: B018
        assert current() is before


def test_one_switch_used_again_and_inside_itself():
    switch = ac.no_grad()
    with switch, switch:
        assert not ac.is_grad_enabled()
    assert ac.is_grad_enabled()
    with switch:
        assert not ac.is_grad_enabled()


def test_a_new_leaf_in_no_grad_needs_a_gradient_later():
    with ac.no_grad():
        x = leaf(1.0)
    assert x.requires_grad and (x * 2).requires_grad


def test_threads_do_not_share_modes():
    x = leaf(1.0)
    entered, leave = threading.Event(), threading.Event()
    seen = {}

    def other():
        with ac.no_grad(), ac.anomaly_mode():
            entered.set()
            leave.wait(10)
            seen["other"] = (x * 2).requires_grad

    thread = threading.Thread(target=other)
    thread.start()
    assert entered.wait(10)
    seen["main"] = (x * 2).requires_grad
    assert not current().anomaly
    leave.set()
    thread.join(10)
    assert seen == {"main": True, "other": False}


def test_async_tasks_do_not_share_modes():
    x = leaf(1.0)

    async def silent():
        with ac.no_grad():
            await asyncio.sleep(0)
            return (x * 2).requires_grad

    async def recording():
        await asyncio.sleep(0)
        return (x * 2).requires_grad

    async def both():
        return await asyncio.gather(silent(), recording())

    assert asyncio.run(both()) == [False, True]


def test_threads_run_graphs_side_by_side():
    grads = {}

    def work(k):
        x = leaf(float(k))
        for _ in range(50):
            y = x
            for _ in range(20):
                y = y * 1.0 + 0.0
            x.grad = None
            y.sum().backward(np.array(float(k)))
        grads[k] = x.grad.item()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert grads == {k: float(k) for k in range(4)}


# -- anomaly mode ----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    "f, name, what",
    [
        (lambda x: np.log(x), "log", "1 infinite"),
        (lambda x: x / x, "divide", "1 NaN"),
        (lambda x: np.log(x - 1), "log", "2 NaN"),
        (lambda x: np.power(x, -1), "power_number", "1 infinite"),
        (lambda x: np.log(x).sum(), "log", "1 infinite"),
        (lambda x: np.sum(x / 0), "divide", "1 NaN and 1 infinite"),
        (lambda x: Tensor([-1.0]).sqrt(), "sqrt", "1 NaN"),
    ],
)
def test_a_value_that_is_not_finite(f, name, what):
    x = Tensor([0.0, 0.5], requires_grad=True)
    with (
        ac.anomaly_mode(),
        pytest.raises(
            NonFiniteError, match=f"^{name}: values must be finite in anomaly mode, got {what} in an output"
        ) as caught,
    ):
        f(x)
    assert f"in: {name}, called at test_context.py:" in str(caught.value)
    f(x)  # outside the mode it is NumPy's business


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_gradient_that_is_not_finite_names_the_line_of_the_forward_pass():
    x = Tensor([0.0, 4.0], requires_grad=True)
    with ac.anomaly_mode():
        y = np.sqrt(x)
        line = test_a_gradient_that_is_not_finite_names_the_line_of_the_forward_pass.__code__.co_firstlineno + 4
        message = rf"^sqrt \(backward\): gradients must be finite.*got 1 infinite.*recorded at test_context.py:{line}\."
        with pytest.raises(NonFiniteError, match=message):
            y.sum().backward()
    assert x.grad is None
    z = np.sqrt(x).sum()
    with (
        ac.anomaly_mode(),
        pytest.raises(NonFiniteError, match=r"recorded at an unknown line \(outside anomaly mode\)"),
    ):
        z.backward()


def test_anomaly_mode_passes_what_is_finite_and_integers():
    with ac.anomaly_mode():
        x = leaf(1.0, 2.0)
        (np.argmax(x) + 1).sum()
        parts = np.split(x * 2, 2)
        (parts[0] * parts[1]).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [8, 4])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_anomaly_mode_on_several_outputs_and_on_variadic_operators():
    x = Tensor([0.0, 1.0], requires_grad=True)
    bad = np.log(x)
    with ac.anomaly_mode():
        with pytest.raises(NonFiniteError, match=r"^split: "):
            np.split(bad, 2)
        with pytest.raises(NonFiniteError, match=r"^concatenate: "):
            np.concatenate([bad, x])


def test_keep_values_records_values_and_lines():
    x = leaf(1.0, 2.0)
    with ac.keep_values():
        y = x * 3
    first = test_keep_values_records_values_and_lines.__code__.co_firstlineno
    assert y._node.extra.source == f"test_context.py:{first + 3}"
    np.testing.assert_array_equal(y._node.extra.value, [3, 6])
    assert (x * 3)._node.extra is None


def test_the_scope_of_a_node_is_the_state_of_its_recording():
    from autograd_core.context import STATE

    x = leaf(1.0)
    token = STATE.set(current().but(scope="net.0"))
    try:
        y = np.exp(x) * 2
    finally:
        STATE.reset(token)
    assert y._node.scope == "net.0" and (x * 2)._node.scope == ""


def test_a_rule_that_raises_leaves_the_mode_as_it_was():
    @op("elementwise", latex="{a}")
    def odd(a):
        """a."""
        return np.positive(a)

    def rule(g):
        assert not ac.is_grad_enabled()
        raise KeyError("rule")

    odd.vjp(a=rule)
    y = odd(leaf(1.0)).sum()
    with pytest.raises(KeyError):
        y.backward()
    assert ac.is_grad_enabled()


def test_a_backward_pass_runs_unrecorded_in_a_state_that_is_made_once():
    seen = []
    for mode in (ac.anomaly_mode, ac.enable_grad):
        with mode():
            for _ in range(2):
                y = leaf(1.0, 2.0) * 2
                y.register_hook(lambda g: seen.append(current()))
                y.sum().backward()
            outer = current()
            assert outer.record
        assert seen[-1] is seen[-2] and not seen[-1].record
        assert (seen[-1].anomaly, seen[-1].watch, seen[-1].scope) == (outer.anomaly, outer.watch, outer.scope)
    assert seen[0] is not seen[-1]


def test_a_recorded_backward_pass_records_under_no_grad_too():
    x = leaf(3.0)
    y = (x * x).sum()
    with ac.no_grad():
        y.backward(create_graph=True)
    assert x.grad is not None and x.grad.requires_grad
