"""When a compiled function is recorded anew, what threads see, and how many recordings are kept."""

import copy
import functools
import gc
import pickle
import threading
import warnings
import weakref

import numpy as np
import pytest

import autograd_core as ac
import nn
from autograd_core import Tensor
from autograd_core.compiler.trace import Trace
from autograd_core.errors import DTypeError, GraphError, TraceError
from test_compile import drawn, leaf, recordings


def test_captured_tensors_are_read_anew():
    w = leaf(3)
    f = ac.compile(lambda x: x * w)
    x = drawn(3)
    f(x)
    w.data = np.full(3, 5.0)
    np.testing.assert_array_equal(f(x).data, 5 * x)
    w.data[...] = 6
    np.testing.assert_array_equal(f(x).data, 6 * x)
    assert recordings(f) == 1


def test_other_shapes_dtypes_and_modes_are_recorded_anew():
    w = leaf(3)
    f = ac.compile(lambda x: (x * w).sum())
    assert f(drawn(3)).requires_grad
    f(drawn(2, 3))
    f(drawn(2, 3))
    assert recordings(f) == 2
    assert f(drawn(3).astype(np.float32)).dtype == np.float64
    with ac.no_grad():
        assert not f(drawn(3)).requires_grad
    w.requires_grad = False
    assert not f(drawn(3)).requires_grad
    w.data = np.ones((2, 3))
    assert f(drawn(3)).item() == pytest.approx(2 * drawn(3).sum())


def test_numbers_and_texts_among_the_arguments_are_part_of_the_recording():
    f = ac.compile(lambda x, n, mode: x * n if mode == "times" else x + n)
    x = np.ones(2)
    assert [f(x, n, mode)[0] for n in (1, 2.0, 1.0) for mode in ("times", "plus")] == [1, 2, 2, 3, 1, 2]
    assert f(x, True, "plus").dtype == np.float64


def test_attributes_of_modules_are_watched():
    layer = nn.Dropout(0.5)
    model = nn.Sequential(layer, nn.Linear(3, 2, dtype=np.float64))
    f, x = ac.compile(model), drawn(4, 3)

    def agrees():
        ac.random.seed(0)
        got = f(x).data
        ac.random.seed(0)
        np.testing.assert_allclose(got, model(x).data, rtol=1e-12)

    agrees()
    model.eval()
    agrees()
    model.train()
    layer.p = 0.25
    agrees()
    del model[1].weight
    model[1].weight = nn.Parameter(np.ones((2, 3)))
    agrees()
    model[1].register_forward_hook(lambda module, inputs, out: out * 2)
    agrees()
    assert recordings(f) == 5


def test_a_compiled_module_has_what_the_module_has():
    compiled = ac.compile(nn.Linear(3, 2))
    assert len(list(compiled.parameters())) == 2
    with pytest.raises(AttributeError, match="nothing"):
        compiled.nothing  # noqa: B018


def test_threads_share_a_compiled_function_and_see_no_recording():
    w = leaf(16, 16)
    f = ac.compile(lambda x: np.tanh(x @ w).sum())
    wrong, start = [], threading.Barrier(4)

    def work(seed):
        start.wait()
        for i in range(20):
            x = drawn(4 + i % 3, 16, seed=100 * seed + i)
            plain = np.tanh(Tensor(x) @ w).sum()  # eager, while others record
            if type(plain.data) is not np.ndarray or abs(f(x).item() - plain.item()) > 1e-9:
                wrong.append((seed, i))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong and recordings(f) == 3


def test_more_recordings_than_are_kept_warn_once_and_say_why():
    f = ac.compile(lambda x, n: x * n)
    with pytest.warns(UserWarning, match="a few times only, got more than 8 .* other shapes, dtypes or numbers"):
        for n in range(9):
            f(np.ones(2), n)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert f(np.ones(2), 20)[0] == 20
    assert recordings(f) == 8

    class Counter(nn.Module):
        def __init__(self):
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            return x * self.calls

    counter = Counter()
    compiled = ac.compile(counter)
    with pytest.warns(UserWarning, match="what differs is an attribute of Counter"):
        for _ in range(10):
            compiled(np.ones(2))


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("kind", ["masked", "matrix"])
def test_masked_arrays_and_matrices_keep_their_arithmetic(kind):
    plain = np.arange(1.0, 5.0).reshape(2, 2)
    other = np.ma.array(plain, mask=[[0, 1], [0, 1]]) if kind == "masked" else plain.view(np.matrix)
    f = ac.compile(lambda x: x * x)
    np.testing.assert_array_equal(f(plain), plain * plain)
    got, expected = f(other), other * other
    assert type(got) is type(other)
    np.testing.assert_array_equal(np.asarray(got), np.asarray(expected))
    g = ac.compile(lambda x: x * other)
    with pytest.raises(DTypeError, match="must be a plain array"):
        g(plain)


def test_complex_numbers_among_the_arguments_are_told_apart_by_their_signs_of_zero():
    f = ac.compile(lambda x, c: x * np.copysign(1.0, c.imag))
    assert [f(np.ones(1), complex(1, zero)).item() for zero in (0.0, -0.0, 0.0)] == [1, -1, 1]


class Doubled(nn.Module):
    """A module that holds a compiled function."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2, dtype=np.float64)
        self.twice = ac.compile(double)

    def forward(self, x):
        return self.twice(self.layer(x))


class Switched(nn.Module):
    """A module with an option that is the class's until it is set."""

    factor = 1.0

    def forward(self, x):
        return x * self.factor


def test_an_attribute_that_hides_the_class_s_is_noticed():
    model, x = Switched(), drawn(3)
    f = ac.compile(model)
    np.testing.assert_array_equal(f(x), x)
    model.factor = 2.0
    np.testing.assert_array_equal(f(x), 2 * x)
    del model.factor
    np.testing.assert_array_equal(f(x), x)


def double(x):
    return x * 2


@ac.compile
def decorated(x):
    return x * 2


def test_compiled_functions_are_copied_and_pickled_without_their_recordings():
    model, x = Doubled(), drawn(4, 3)
    expected = model(x).data
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert copied.twice.backend == model.twice.backend and recordings(copied.twice) == 0
        np.testing.assert_array_equal(copied(x).data, expected)
        copied.layer.weight.data = np.zeros((2, 3))
        assert not np.array_equal(copied(x).data, expected)
    whole = ac.compile(model)
    np.testing.assert_array_equal(copy.deepcopy(whole)(x).data, expected)
    assert pickle.loads(pickle.dumps(decorated)) is decorated


def test_what_a_dropped_function_and_its_recordings_hold_is_freed_at_once():
    w = leaf(3)

    def make(w):
        return ac.compile(lambda x: np.tanh(x * w).sum())

    f = make(w)
    gc.collect()
    gc.disable()
    try:
        f(drawn(3)).backward()
        assert not any(type(x) is Trace for x in gc.get_objects())
        freed = weakref.ref(w)
        del f, w
        assert freed() is None
    finally:
        gc.enable()


def test_a_function_that_is_differentiated_twice_moves_a_counter_once_and_no_gradient_twice():
    w, v, count = leaf(3), leaf(3), Tensor(np.array(0.0))

    def counted(x):
        count.data = count.data + 1
        return (w**3 * x).sum()

    ac.compile(counted)(drawn(3)).backward(create_graph=True)
    assert count.item() == 1

    def pulled(x):
        (v * x).sum().backward()
        return (w**3 * x).sum()

    out = ac.compile(pulled)(drawn(3))
    before = v.grad.data.copy()
    with pytest.raises(GraphError, match="must have no effects"):
        out.backward(create_graph=True)
    np.testing.assert_array_equal(v.grad.data, before)


class Ways(nn.Module):
    """A module that reaches what it depends on in all sorts of ways."""

    def __init__(self):
        super().__init__()
        self.factors, self.options = [1.0, 2.0], {"shift": 0.5}
        self.layers = nn.ModuleList([nn.Tanh()])
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        x = x * self.factors[0] + self.options["shift"] - self.drop.p
        return x if self.training else -x


CHANGES = {
    "an item of a list": lambda m: m.factors.__setitem__(0, 3.0),
    "a list that grows": lambda m: m.factors.insert(0, 7.0),
    "an item of a dict": lambda m: m.options.update(shift=-1.0),
    "a module in a list of modules": lambda m: m.layers.append(nn.ReLU()),
    "an option of a module that is not called": lambda m: setattr(m.drop, "p", 0.25),
    "the mode": lambda m: m.eval(),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("way", ["module", "method", "argument"])
def test_whatever_a_module_depends_on_is_watched(way, change):
    model, x = Ways(), Tensor(drawn(4, 3))
    f = {
        "module": lambda: ac.compile(model),
        "method": lambda: ac.compile(model.forward),
        "argument": lambda: functools.partial(ac.compile(lambda m, x: m.forward(x)), model),
    }[way]()
    np.testing.assert_allclose(f(x).data, model(x).data, rtol=1e-12)
    CHANGES[change](model)
    np.testing.assert_allclose(f(x).data, model(x).data, rtol=1e-12)


def test_memory_that_is_written_to_and_shared_is_refused_wherever_it_lies():
    base = np.zeros(1000)
    whole, part = Tensor(base[::2]), Tensor(base[101:200:2])  # the one lies between the elements of the other

    def write(x):
        whole[...] = whole + 1
        part[...] = part + 2
        return x * 3

    f = ac.compile(write, backend="numpy")
    np.testing.assert_array_equal(f(np.ones(100)), np.full(100, 3))
    with pytest.raises(TraceError, match="must not share memory"):
        f(base[600:700])
    assert base[600] == 1 and base[101] == 2


def test_a_function_that_is_differentiated_twice_must_still_do_the_same():
    model, x = Ways(), Tensor(drawn(4, 3), requires_grad=True)
    out = ac.compile(model)(x).sum()
    model.eval()
    with pytest.raises(
        GraphError, match=r"must still do the same, got a change since the call of an attribute of Ways"
    ):
        out.backward(create_graph=True)
    model.train()
    out.backward(create_graph=True)
    np.testing.assert_allclose(x.grad.data, 1 - np.tanh(x.data) ** 2, rtol=1e-12)
