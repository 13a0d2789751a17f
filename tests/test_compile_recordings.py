"""When a compiled function is recorded anew, what threads see, and how many recordings are kept."""

import threading
import warnings

import numpy as np
import pytest

import autograd_core as ac
import nn
from autograd_core import Tensor
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
