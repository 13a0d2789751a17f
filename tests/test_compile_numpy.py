"""The NumPy back end: what the interpreter gives, from planned memory."""

import numpy as np
import pytest

import nn.functional as F
from autograd_core import Tensor
from autograd_core.compiler.numpy_backend import build
from autograd_core.compiler.passes import optimize
from autograd_core.compiler.program import Call, Program, Value, basic_index, cast, interpret, reshape, transpose
from optim import Adam
from random_programs import random_program
from recorder import record


def random(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def assert_same(one, other, tolerance=1e-12):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert type(b) is np.ndarray
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        scale = max(np.max(np.abs(a), initial=1, where=np.isfinite(a)), 1) if a.dtype.kind == "f" else 0
        np.testing.assert_allclose(b, a, rtol=0, atol=tolerance * scale)


def both(program, arrays, tolerance=1e-12, run=None):
    """Runs a program by the interpreter and by the back end; returns the back end's outputs."""
    one, other = ([a.copy(order="K") for a in arrays] for _ in range(2))
    with np.errstate(all="ignore"):
        wanted = interpret(program, one)
        got = (run or build(program))(other)
    assert_same(wanted + one, got + other, tolerance)
    return got


@pytest.mark.parametrize("passes", [lambda p: p, optimize], ids=["as recorded", "optimized"])
@pytest.mark.parametrize("seeds", range(10))
def test_random_programs(passes, seeds):
    for seed in range(1000 + seeds * 8, 1008 + seeds * 8):
        program, arrays = random_program(seed)
        single = any(v.dtype == np.float32 for c in program.calls for v in c.operands())
        run = build(passes(program))
        both(program, arrays, 1e-4 if single else 1e-9, run)
        both(program, arrays, 1e-4 if single else 1e-9, run)


def batch_norm(x, w, b, g):
    X, W, B = (Tensor(a, requires_grad=True) for a in (x, w, b))
    centred = X - X.mean(axis=0)
    var = (centred**2).mean(axis=0)
    out = centred / np.sqrt(var + 1e-5) * W + B
    out.backward(g)
    return out.data, X.grad.data, W.grad.data, B.grad.data


def layer_norm(x, w, b, g):
    X, W, B = (Tensor(a, requires_grad=True) for a in (x, w, b))
    out = F.layer_norm(X, x.shape[-1:], W, B)
    out.backward(g)
    return out.data, X.grad.data, W.grad.data, B.grad.data


def mlp(x, y, w, v):
    W, V = (Tensor(a, requires_grad=True) for a in (w, v))
    hidden = np.maximum(Tensor(x) @ W, 0)
    loss = ((hidden @ V - Tensor(y)) ** 2).mean()
    loss.backward()
    return loss.data, W.data - 0.1 * W.grad.data, V.data - 0.1 * V.grad.data


def softmax(x, g):
    X = Tensor(x, requires_grad=True)
    out = F.softmax(X, axis=-1)
    out.backward(g)
    return out.data, X.grad.data


def adam(p, g, s, q, t, lr, beta1, beta2, eps):
    return Adam.update(
        *(p, g, s, q),
        t=t,
        lr=lr,
        betas=(beta1, beta2),
        eps=eps,
        eps_placement="outside",
        weight_decay=None,
        amsgrad=False,
        maximize=False,
        decoupled_weight_decay=False,
    )


X, G = random(16, 8), random(16, 8, seed=1)
W, B = random(8, seed=2), random(8, seed=3)
SCALARS = [np.array(x) for x in (3.0, 1e-3, 0.9, 0.999, 1e-8)]
STEPS = {
    "batch norm": (batch_norm, [X, W, B, G], {}),
    "layer norm": (layer_norm, [X, W, B, G], {}),
    "softmax": (softmax, [X, G], {}),
    "mlp": (mlp, [X, random(16, 2, seed=4), random(8, 5, seed=5), random(5, 2, seed=6)], {2: 1, 3: 2}),
    "adam": (adam, [X, G, random(16, 8, seed=7), np.abs(X) + 1, *SCALARS], {0: 0, 2: 1, 3: 2}),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("step", STEPS)
def test_steps(step, dtype):
    function, arrays, updates = STEPS[step]
    arrays = [a.astype(dtype) for a in arrays]
    program = record(function, *arrays, updates=updates)
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    both(program, arrays, tolerance)
    both(program, arrays, tolerance, build(optimize(program)))


@pytest.mark.parametrize("step", STEPS)
def test_buffers_are_shared_by_lifetime(step):
    function, arrays, updates = STEPS[step]
    run = build(optimize(record(function, *arrays, updates=updates)))
    assert run.buffer_bytes < run.separate_bytes or step == "adam"


def test_a_chain_runs_in_one_buffer():
    def function(a):
        for _ in range(50):
            a = np.tanh(a)
        return np.sum(a)

    run = build(record(function, random(100, 100)))
    assert run.buffer_bytes <= 100 * 100 * 8 + 256
    assert run.separate_bytes >= 50 * 100 * 100 * 8


@pytest.mark.parametrize("seed", range(40))
def test_outputs_are_the_callers_own(seed):
    program, arrays = random_program(2000 + seed)
    run = build(optimize(program))
    with np.errstate(all="ignore"):
        first = run([a.copy() for a in arrays])
        saved = [a.copy() for a in first]
        given = [a.copy() for a in arrays]
        second = run(given)
    assert_same(saved, first)
    memory = [*first, *second, *given, *program.constants.values()]
    for i, a in enumerate(memory[: len(first) + len(second)]):
        a[...] = 0  # writable
        assert not any(np.shares_memory(a, b) for j, b in enumerate(memory) if i != j)
    with np.errstate(all="ignore"):
        assert_same(saved, run([a.copy() for a in arrays]))


def value(*shape, dtype=np.float64):
    return Value(shape, dtype)


def call(kind, function, *args, result, **keywords):
    return Call(kind, function, args, keywords, (result,))


def test_an_update_is_written_by_its_own_call():
    p, g, step, new = value(4, 3), value(4, 3), value(4, 3), value(4, 3)
    calls = [
        call("ufunc", np.multiply, g, 0.1, result=step),
        call("ufunc", np.subtract, p, step, result=new),
    ]
    program = Program([p, g], {}, calls, [], [(p, new)])
    run = build(program)
    assert "subtract(x0, v2, x0)" in run.source
    both(program, [X[:4, :3], G[:4, :3]], run=run)


def test_an_update_waits_for_the_last_reader_of_the_old_value():
    p, new, later, turned = value(3, 3), value(3, 3), value(3, 3), value(3, 3)
    calls = [
        call("ufunc", np.exp, p, result=new),
        call("view", transpose, p, (1, 0), result=turned),
        call("ufunc", np.negative, turned, result=later),
    ]
    program = Program([p], {}, calls, [later], [(p, new)])
    assert "exp(x0, x0)" not in build(program).source
    both(program, [random(3, 3)])


def test_an_update_that_reads_a_view_of_what_it_writes():
    p, turned, new = value(3, 3), value(3, 3), value(3, 3)
    calls = [
        call("view", transpose, p, (1, 0), result=turned),
        call("ufunc", np.add, p, turned, result=new),
    ]
    both(Program([p], {}, calls, [], [(p, new)]), [random(3, 3)])


def test_updates_that_exchange_inputs():
    p, q, turned = value(3, 3), value(3, 3), value(3, 3)
    both(Program([p, q], {}, [], [p], [(p, q), (q, p)]), [random(3, 3), random(3, 3, seed=1)])
    calls = [call("view", transpose, q, (1, 0), result=turned)]
    both(Program([p, q], {}, calls, [q], [(p, turned), (q, p)]), [random(3, 3), random(3, 3, seed=1)])
    for made in (calls, [call("call", np.flip, q, result=turned)]):
        for updates in ([(q, p), (p, turned)], [(p, turned), (q, p)]):
            both(Program([p, q], {}, made, [q], updates), [random(3, 3), random(3, 3, seed=1)])
    s, t = value(), value()
    both(Program([s, t], {}, [], [s], [(s, t), (t, s)]), [np.array(1.0), np.array(2.0)])


def test_a_value_that_is_output_and_update():
    p, new = value(3), value(3)
    program = Program([p], {}, [call("ufunc", np.exp, p, result=new)], [new, new, p], [(p, new)])
    out = both(program, [random(3)])
    assert not np.shares_memory(out[0], out[1])


def failing(a, bad):
    if bad:
        raise ValueError("bad")
    return a.copy()


@pytest.mark.parametrize("kind", ["check", "call"])
def test_a_run_that_raises_has_updated_nothing(kind):
    p, q, bad, new, made, other = value(3), value(3), value(dtype=bool), value(3), value(3), value(3)
    results = () if kind == "check" else (made,)
    calls = [
        call("ufunc", np.exp, p, result=new),
        Call(kind, failing, (p, bad), {}, results),
        call("ufunc", np.negative, q, result=other),
    ]
    program = Program([p, q, bad], {}, calls, [] if kind == "check" else [made], [(p, new), (q, other)])
    run = build(program)
    both(program, [random(3), random(3, seed=1), np.array(False)], run=run)
    arrays = [random(3), random(3, seed=1), np.array(True)]
    with pytest.raises(ValueError, match="bad"):
        run(arrays)
    assert_same([random(3), random(3, seed=1)], arrays[:2])
    both(program, [random(3), random(3, seed=1), np.array(False)], run=run)  # the buffers are back


def test_functions_that_hand_back_an_operand_or_a_view_of_it():
    a, same, view, spoiled = value(4, 3), value(4, 3), value(3), value(4, 3)
    first = value(4, 3)
    calls = [
        call("ufunc", np.exp, a, result=first),
        call("call", np.atleast_2d, first, result=same),
        call("call", np.diagonal, same, result=view),
        call("ufunc", np.negative, a, result=spoiled),
    ]
    total = value(3)
    calls.append(call("ufunc", np.add, view, view, result=total))
    for outputs in ([total, spoiled], [view], [same, view, total]):
        both(Program([a], {}, calls, outputs), [random(4, 3)])
    direct = [call("call", np.atleast_2d, a, result=same)]
    out = both(Program([a], {}, direct, [same]), [random(4, 3)])
    assert out[0].flags.owndata


def test_several_results_and_lists():
    a, q, r, part = value(3, 3), value(3, 3), value(3, 3), value(3, 3)
    calls = [
        Call("call", np.linalg.qr, (a,), {}, (q, r)),
        Call("call", np.split, (a, 1), {}, (part,)),
    ]
    both(Program([a], {}, calls, [q, r, part]), [random(3, 3)])


def test_a_reshape_that_moves_elements():
    a, b, turned, flat, out = value(4, 3), value(4, 3), value(3, 4), value(12), value(12)
    calls = [
        call("ufunc", np.exp, a, result=b),
        call("view", transpose, b, (1, 0), result=turned),
        call("view", reshape, turned, (12,), result=flat),
        call("ufunc", np.negative, a, result=value(4, 3)),
        call("ufunc", np.exp, flat, result=out),
    ]
    program = Program([a], {}, calls, [out])
    run = build(program)
    assert "copyto" in run.source
    both(program, [random(4, 3)], run=run)
    both(Program([a], {}, calls, [flat, out]), [random(4, 3)])


def test_an_element_of_a_buffer_is_read_in_each_run():
    a, b, first, out = value(3), value(3), value(), value()
    calls = [
        call("ufunc", np.exp, a, result=b),
        call("view", basic_index, b, (0,), result=first),
        call("ufunc", np.multiply, first, 2.0, result=out),
    ]
    program = Program([a], {}, calls, [out, first])
    run = build(program)
    both(program, [random(3)], run=run)
    both(program, [random(3, seed=5)], run=run)


@pytest.mark.parametrize("kind", ["view", "call"])
def test_a_number_in_a_buffer_outlives_the_buffer(kind):
    a, b, first, second = value(1), value(1), value(), value(1)
    c = value(1)
    taken = call("view", reshape, b, (), result=first) if kind == "view" else call("call", np.squeeze, b, result=first)
    calls = [
        call("ufunc", np.exp, a, result=b),
        taken,
        call("ufunc", np.negative, a, result=c),
        call("ufunc", np.add, c, 5.0, result=second),
    ]
    both(Program([a], {}, calls, [first, second]), [random(1)])


def test_casts_and_infinite_numbers():
    a, b, c = value(3), value(3, dtype=np.float32), value(3, dtype=np.int64)
    d = value(3)
    calls = [
        call("cast", cast, a, result=b, dtype=np.dtype(np.float32)),
        call("cast", cast, b, result=c, dtype=np.dtype(np.int64)),
        call("ufunc", np.minimum, a, float("inf"), result=d),
    ]
    both(Program([a], {}, calls, [b, c, d]), [random(3) * 10])
    e = value(3, dtype=np.float64)
    both(Program([a], {}, [*calls, call("ufunc", np.multiply, c, d, result=e)], [e]), [random(3) * 10])


def test_the_callers_errstate_applies():
    run = build(record(lambda a: np.exp(np.sqrt(a)), np.ones(3)))
    bad = np.array([-1.0, 1, 2])
    with pytest.warns(RuntimeWarning, match="invalid value encountered in sqrt"):
        run([bad])
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
        run([bad])
    with np.errstate(invalid="ignore"):
        run([bad])


def test_draws_run_in_order_and_once_a_run():
    rng, twin = np.random.default_rng(0), np.random.default_rng(0)
    a, b, c = value(2), value(2), value(2)
    calls = [
        Call("draw", rng.normal, (), {"size": 2}, (a,)),
        Call("draw", rng.uniform, (), {"size": 2}, (b,)),
        call("ufunc", np.add, a, b, result=c),
    ]
    run = build(optimize(Program([], {}, calls, [c, b])))
    for _ in range(3):
        first, second = twin.normal(size=2), twin.uniform(size=2)
        assert_same([first + second, second], run([]))


def test_the_source_can_be_read():
    run = build(record(lambda a: np.exp(a) + 1, np.ones(3)))
    assert run.source.splitlines()[1:] == ["def run(x0):", "    exp(x0, v1)", "    v2 = add(v1, 1)", "    return [v2]"]


def test_traced_errors_show_the_generated_line():
    run = build(record(lambda a: np.reshape(np.exp(a), (3, 1)) + 1, np.ones(3)))
    with pytest.raises(ValueError, match="broadcast") as caught:
        run([np.ones(4)])
    assert "exp(x0" in str(caught.traceback[-1].statement)


def test_the_sources_lines_go_with_the_run():
    import gc
    import linecache

    before = set(linecache.cache)
    run = build(record(lambda a: np.exp(a), np.ones(3)))
    (file,) = set(linecache.cache) - before
    del run
    gc.collect()
    assert file not in linecache.cache
