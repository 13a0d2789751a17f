"""The random state: seeds, states, distributions, dtypes, threads."""

import threading

import numpy as np
import pytest

from autograd_core import random
from autograd_core.errors import ArgumentError

DRAWS = {
    "normal": lambda: random.normal(1.0, 2.0, (3, 2)),
    "uniform": lambda: random.uniform(-1.0, 1.0, 5),
    "bernoulli": lambda: random.bernoulli(0.3, (4,)),
    "integers": lambda: random.integers(0, 10, 5),
    "permutation": lambda: random.permutation(10),
}


@pytest.fixture(autouse=True)
def own_state():
    before = random.get_state()
    yield
    random.set_state(before)


@pytest.mark.parametrize("name", DRAWS)
def test_the_same_seed_gives_the_same_bits(name):
    random.seed(7)
    first, second = DRAWS[name](), DRAWS[name]()
    random.seed(7)
    np.testing.assert_array_equal(DRAWS[name](), first)
    np.testing.assert_array_equal(DRAWS[name](), second)
    random.seed(8)
    assert not np.array_equal(DRAWS[name](), first)


@pytest.mark.parametrize("name", DRAWS)
def test_a_state_is_plain_data_and_is_restored(name):
    random.seed(1)
    random.normal(size=3)
    state = random.get_state()
    first = DRAWS[name]()
    assert isinstance(state, dict)
    random.set_state(state)
    np.testing.assert_array_equal(DRAWS[name](), first)
    random.set_state(state)
    np.testing.assert_array_equal(DRAWS[name](), first)


def test_signatures_are_numpys():
    random.seed(3)
    reference = np.random.Generator(np.random.PCG64(3))
    np.testing.assert_array_equal(random.normal(1.0, 2.0, (2, 3)), reference.normal(1.0, 2.0, (2, 3)))
    np.testing.assert_array_equal(random.uniform(0.0, 4.0, 3), reference.uniform(0.0, 4.0, 3))
    np.testing.assert_array_equal(random.integers(5, size=4), reference.integers(5, size=4))
    np.testing.assert_array_equal(
        random.permutation(np.arange(6).reshape(2, 3), axis=1),
        reference.permutation(np.arange(6).reshape(2, 3), axis=1),
    )


@pytest.mark.parametrize("name", ["normal", "uniform"])
def test_dtype(name):
    draw = getattr(random, name)
    assert draw(size=3).dtype == np.float64 and draw(size=3, dtype=np.float32).dtype == np.float32
    assert draw().shape == ()
    assert random.bernoulli(0.5, 3, dtype=np.float32).dtype == np.float32


def test_distributions():
    random.seed(0)
    n = 20_000
    x = random.normal(2.0, 3.0, n)
    assert abs(x.mean() - 2) < 5 * 3 / np.sqrt(n) and abs(x.std() - 3) < 0.1
    u = random.uniform(-1.0, 3.0, n)
    assert u.min() >= -1 and u.max() < 3 and abs(u.mean() - 1) < 5 * 1.2 / np.sqrt(n)
    b = random.bernoulli(0.3, n)
    assert set(np.unique(b)) == {0.0, 1.0} and abs(b.mean() - 0.3) < 5 * 0.46 / np.sqrt(n)
    assert random.bernoulli(0.0, 50).sum() == 0 and random.bernoulli(1.0, 50).sum() == 50
    assert sorted(random.permutation(50)) == list(range(50))


@pytest.mark.parametrize("n", [2000, 16_384, 200_001])
def test_single_precision_normal_numbers(n):
    random.seed(2)
    z = random.normal(0.0, 1.0, n, np.float32)
    assert z.dtype == np.float32 and z.shape == (n,) and np.all(np.isfinite(z))
    z = z.astype(np.float64)
    # Mean, variance, skewness and kurtosis have standard errors of 1, 2, 15 and 96 over n, under the root.
    for power, expected, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((z**power).mean() - expected) < 5 * np.sqrt(variance / n)
    beyond = (np.abs(z) > 2).mean()
    assert abs(beyond - 0.0455) < 5 * np.sqrt(0.0455 / n)
    assert abs(np.mean(z[:-1] * z[1:])) < 5 / np.sqrt(n)
    assert abs(np.mean(z[: n // 2] * z[n - n // 2 :])) < 5 / np.sqrt(n // 2)  # cosine and sine of one angle


def test_location_and_scale_in_single_precision():
    random.seed(2)
    z = random.normal(0.0, 1.0, (4, 8192), np.float32)
    for loc, scale in ((1.0, 2.0), (0.0, 1.0), (np.arange(8192.0), 2.0), (np.float32(1), np.ones((4, 1)))):
        random.seed(2)
        drawn = random.normal(loc, scale, (4, 8192), np.float32)
        assert drawn.dtype == np.float32 and drawn.shape == (4, 8192)
        np.testing.assert_allclose(drawn, z * scale + loc, rtol=1e-5, atol=1e-6)
    assert random.normal(1.0, 2.0, None, np.float32).shape == random.normal(dtype=np.float32).shape == ()
    assert random.normal(size=(0, 20_000), dtype=np.float32).shape == (0, 20_000)
    assert random.normal(size=5, dtype=np.float32).shape == (5,)


def test_a_fork_does_not_disturb_the_context():
    random.seed(5)
    state = random.get_state()
    a = random.fork(9).normal(size=3)
    np.testing.assert_array_equal(a, random.fork(9).normal(size=3))
    assert random.get_state() == state


def test_threads_have_a_state_of_their_own():
    random.seed(11)
    state = random.get_state()
    drawn = {}

    def work(seed):
        random.seed(seed)
        drawn[seed] = random.normal(size=3)

    threads = [threading.Thread(target=work, args=(s,)) for s in (1, 2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert random.get_state() == state
    random.seed(1)
    np.testing.assert_array_equal(drawn[1], random.normal(size=3))
    assert not np.array_equal(drawn[1], drawn[2])


ERRORS = {
    "negative seed": (lambda: random.seed(-1), "random.seed: the seed must be a non-negative integer, got -1"),
    "float seed": (lambda: random.seed(0.5), "random.seed: the seed must be a non-negative integer, got 0.5"),
    "probability": (lambda: random.bernoulli(1.5), r"random.bernoulli: p must be in \[0, 1\], got 1.5"),
    "state": (
        lambda: random.set_state({"x": 1}),
        r"random.set_state: the state must come from get_state\(\), got dict",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_error(name):
    state = random.get_state()
    attempt, message = ERRORS[name]
    with pytest.raises(ArgumentError, match=message) as caught:
        attempt()
    assert "called at test_random.py:" in str(caught.value)
    assert random.get_state() == state
