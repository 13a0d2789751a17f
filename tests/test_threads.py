"""Eight threads that differentiate graphs side by side get the bits of one; modes stay where they were set."""

import asyncio
import contextlib
import contextvars
import itertools
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor, node, op, random
from autograd_core.context import current

COUNT = 8
RNG = np.random.default_rng(0)
PARAMETERS = {"w": RNG.normal(size=(6, 6)), "b": RNG.normal(size=6), "scale": np.array(0.5)}


@pytest.fixture(autouse=True)
def frequent_switches():
    """Threads take turns every few microseconds, so that a race has its chance."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def in_threads(jobs):
    """The jobs' results, each in a thread of its own, all started together."""
    results, errors = [None] * len(jobs), []
    barrier = threading.Barrier(len(jobs))

    def run(i):
        try:
            barrier.wait(10)
            results[i] = jobs[i]()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(jobs))]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    if errors:
        raise errors[0]
    return results


# -- graphs ------------------------------------------------------------------------------------------------------------


def network(p, x, depth):
    """Another graph for every depth: broadcasting, reductions, products, views, writes and a checkpoint."""
    h = x
    for i in range(depth):
        h = np.tanh(h @ p["w"] + p["b"]) * p["scale"]
        if i % 2:
            h = (h - h.mean(axis=0)) / np.sqrt(h.var(axis=0) + 1e-3)
        if i % 3 == 1:
            h = ac.checkpoint(lambda h: np.exp(-h * h) + h[:, ::-1], h)
        if i % 4 == 2:
            part = h * 1.0
            part[:, 0] = h[:, 1] * p["scale"]
            h = part
    return np.sum(h * h) / h.size


def inputs(i):
    return np.random.default_rng(i).normal(size=(3 + i % 3, 6))


def backward(p, i):
    """Gradients by `.backward()` in the leaves of this thread, which share the arrays of the parameters."""
    own = {k: Tensor(v, requires_grad=True) for k, v in p.items()}
    x = Tensor(inputs(i), requires_grad=True)
    network(own, x, 2 + i).backward()
    return [t.grad.data for t in (x, *own.values())]


def transforms(p, i):
    x = inputs(i)
    g = ac.grad(network, argnums=(0, 1))(p, x, 1 + i % 3)
    product = ac.hvp(lambda w: network({**p, "w": w}, x, 1 + i % 3), (p["w"],), (np.ones((6, 6)),))
    tangent = ac.jvp(lambda b: network({**p, "b": b}, x, 2), (p["b"],), (np.ones(6),))
    rows = ac.jacobian(lambda b: np.tanh(x @ p["w"] + b))(p["b"])
    hess = ac.hessian(lambda b: network({**p, "b": b}, x, 1))(p["b"])
    return [*g[0].values(), g[1], *product, *tangent, rows, hess]


def same_bits(actual, expected):
    for a, e in zip(actual, expected, strict=True):
        assert len(a) == len(e)
        for one, other in zip(a, e, strict=True):
            assert one.dtype == other.dtype and one.shape == other.shape
            assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("job", [backward, transforms])
def test_the_same_bits_as_in_one_thread(job):
    expected = [job(PARAMETERS, i) for i in range(COUNT)]
    before = {k: v.copy() for k, v in PARAMETERS.items()}
    for _ in range(3):
        same_bits(in_threads([lambda i=i: job(PARAMETERS, i) for i in range(COUNT)]), expected)
    assert all(np.array_equal(PARAMETERS[k], v) for k, v in before.items())


def test_threads_share_parameters_that_need_gradients():
    """Transforms touch no `.grad`: tensors in a graph may be read by all."""
    shared = {k: Tensor(v, requires_grad=True) for k, v in PARAMETERS.items()}

    def job(i):
        value = network(shared, Tensor(inputs(i)), 2 + i)
        found = ac.vjp(lambda p: network(p, inputs(i), 2 + i), shared)[1](np.ones(()))
        return [value.data, *(g.data for g in found[0].values())]

    expected = [job(i) for i in range(COUNT)]
    same_bits(in_threads([lambda i=i: job(i) for i in range(COUNT)]), expected)
    assert all(t.grad is None and not t.storage().last for t in shared.values())


def test_one_graph_is_read_by_all():
    """A pullback keeps its graph, so that threads may pull different cotangents through the same one."""
    y, pull = ac.vjp(lambda x: np.tanh(x @ PARAMETERS["w"]) * x, inputs(0))
    cotangents = [np.random.default_rng(i).normal(size=y.shape) for i in range(COUNT)]
    expected = [pull(c) for c in cotangents]
    same_bits(in_threads([lambda c=c: pull(c) for c in cotangents]), expected)


def test_a_new_operator_is_planned_in_all_threads_at_once():
    """The layout of an operator's rules is made at the first call: here by eight threads at the same time."""
    for _ in range(20):

        @op("elementwise", latex="{a} {b}", derivative={"a": "{b}", "b": "{a}"})
        def fresh(a, b):
            """a b."""
            return a * b

        fresh.vjp(a=lambda g, b: g * b, b=lambda g, a: g * a)

        def job(i, fresh=fresh):
            a, b = (Tensor(np.full((3, 1 + i), 2.0 + k), requires_grad=bool((i + 1) >> k & 1)) for k in range(2))
            out = fresh(a, b) if i % 4 != 3 else fresh(a, 3.0)
            if out.requires_grad:
                out.sum().backward()
            return [t.grad.data for t in (a, b) if t.grad is not None]

        expected = [[np.full((3, 1 + i), 3.0 - k) for k in range(2) if (i + 1) >> k & 1] for i in range(COUNT)]
        for i in (3, 7):
            expected[i] = []
        same_bits(in_threads([lambda i=i, job=job: job(i) for i in range(COUNT)]), expected)


def test_caches_of_shapes_are_filled_in_all_threads_at_once():
    shapes = list(itertools.product((1, 2, 3), (1, 4), (1, 5)))

    def job(i):
        out = []
        for shape in shapes[i % 3 :] + shapes[: i % 3]:
            x = Tensor(np.full(shape, 1.5), requires_grad=True)
            y = Tensor(np.full((3, 4, 5 if shape[2] == 5 else 1), 2.0))
            if shape[0] != 2:
                (x * y / x / x).sum().backward()
                out.append(x.grad.data)
        return out

    from autograd_core import unbroadcast

    for cache in (unbroadcast._recipe, unbroadcast._summed_axes, unbroadcast._summation):
        cache.cache_clear()
    results = in_threads([lambda i=i: job(i) for i in range(COUNT)])
    for cache in (unbroadcast._recipe, unbroadcast._summed_axes, unbroadcast._summation):
        cache.cache_clear()
    same_bits(results, [job(i) for i in range(COUNT)])


# -- modes -------------------------------------------------------------------------------------------------------------


def modes():
    state = current()
    return state.record, state.anomaly, state.keep, state.replaying, state.scope


def meet(barrier, mode, read, rounds=20):
    """Enters and leaves a mode again and again, in step with the others: what each sees inside and outside."""
    seen = set()
    for _ in range(rounds):
        barrier.wait(10)
        with mode:
            barrier.wait(10)
            seen.add(("in", read()))
            barrier.wait(10)
        seen.add(("out", read()))
    return seen


MODES = {
    "no_grad": (ac.no_grad, (False, False, False, False, "")),
    "anomaly": (ac.anomaly_mode, (True, True, False, False, "")),
    "keep": (ac.keep_values, (True, False, True, False, "")),
    "enable": (ac.enable_grad, (True, False, False, False, "")),
}


def test_modes_stay_in_their_thread():
    barrier = threading.Barrier(2 * len(MODES))
    jobs = [lambda mode=mode: meet(barrier, mode(), modes) for mode, _ in MODES.values()] * 2
    expected = [{("in", inside), ("out", modes())} for _, inside in MODES.values()] * 2
    assert in_threads(jobs) == expected


def test_modes_stay_in_their_task():
    async def task(mode, inside, order):
        for _ in range(10):
            with mode():
                await asyncio.sleep(0)
                assert modes() == inside
                x = Tensor(2.0, requires_grad=True)
                y = x * x
                await asyncio.sleep(0)
                assert y.requires_grad == inside[0]
                order.append(mode.__name__)
            assert modes() == (True, False, False, False, "")

    async def main():
        order = []
        await asyncio.gather(*(task(mode, inside, order) for mode, inside in MODES.values()))
        return order

    order = asyncio.run(main())
    assert order[:4] == ["no_grad", "anomaly_mode", "keep_values", "enable_grad"], "the tasks took turns inside"


def test_a_transform_inside_one_thread_is_not_seen_by_another():
    """Each depends on the tensors that its own function uses, and on no others."""
    barrier = threading.Barrier(2)
    w = Tensor(3.0, requires_grad=True)

    def outer():
        def f(x):
            barrier.wait(10)
            barrier.wait(10)
            return x * x

        return ac.grad(f)(2.0)

    def other():
        barrier.wait(10)
        g = ac.grad(lambda x: x * x * w)(2.0)
        barrier.wait(10)
        return g

    inside, outside = in_threads([outer, other])
    assert inside == 4 and type(outside) is np.ndarray and outside == 12


def test_an_inner_transform_in_a_worker_thread_depends_on_the_outer_variable():
    def f(x):
        with ThreadPoolExecutor(2) as pool:
            return sum(pool.map(lambda k: ac.grad(lambda y: y**2 * x)(float(k)), [1, 2, 3]))

    assert ac.grad(f)(3.0) == 12


def test_random_draws_stay_in_their_thread():
    def job(i):
        random.seed(i)
        return [random.normal(size=3) if k % 2 else random.permutation(5).astype(float) for k in range(20)]

    expected = [job(i) for i in range(COUNT)]
    random.seed(99)
    state = random.get_state()
    same_bits(in_threads([lambda i=i: job(i) for i in range(COUNT)]), expected)
    assert random.get_state() == state


def test_random_draws_stay_in_their_task():
    async def task(i):
        random.seed(i)
        out = []
        for _ in range(5):
            await asyncio.sleep(0)
            out.append(random.normal(size=2))
        return out

    async def main():
        return await asyncio.gather(*(task(i) for i in range(4)))

    def alone(i):
        random.seed(i)
        return [random.normal(size=2) for _ in range(5)]

    expected = [contextvars.copy_context().run(alone, i) for i in range(4)]
    same_bits(asyncio.run(main()), expected)


def test_checkpoints_replay_their_own_draws():
    def job(i):
        random.seed(i)
        x = Tensor(np.ones(4), requires_grad=True)
        y = x
        for _ in range(5):
            y = ac.checkpoint(lambda y: y * random.normal(size=4) + np.sin(y), y)
        y.sum().backward()
        return [y.data, x.grad.data]

    expected = [job(i) for i in range(COUNT)]
    same_bits(in_threads([lambda i=i: job(i) for i in range(COUNT)]), expected)


def test_recording_numbers_are_not_given_twice():
    def job(i):
        x = Tensor(1.0, requires_grad=True)
        out = []
        for _ in range(500):
            x = x * 1.5
            out.append(x._node.number)
        return out

    numbers = [n for part in in_threads([lambda i=i: job(i) for i in range(COUNT)]) for n in part]
    assert len(set(numbers)) == len(numbers)


def test_the_first_views_of_a_shared_tensor_share_one_version(monkeypatch):
    meeting = threading.Barrier(2)

    class Slow(node.Storage):
        """Takes until the other thread makes one too, or until it is clear that it does not."""

        __slots__ = ()

        def __init__(self):
            with contextlib.suppress(threading.BrokenBarrierError):
                meeting.wait(0.3)
            super().__init__()

    monkeypatch.setattr(sys.modules[Tensor.__module__], "Storage", Slow)
    shared = Tensor(np.arange(6.0))
    first, second = in_threads([lambda: shared[:3], lambda: shared[3:]])
    assert first.version is second.version is shared.storage()
    assert {r() for r in shared.storage().views} == {first, second}


def test_views_made_side_by_side_are_all_noted():
    shared = Tensor(np.arange(4.0))

    def many():
        return [shared[:2] for _ in range(600)]

    views = [v for made in in_threads([many] * 4) for v in made]
    assert {id(r()) for r in shared.storage().views} == {id(v) for v in views}
