"""Mini-batches, splits, standardization."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_core as ac
import nn
from autograd_core import Tensor

# -- mini-batches


def test_batches_are_an_epoch_each() -> None:
    ac.random.seed(1)
    x, y = np.arange(10) * 2, np.arange(10)
    loader = nn.data.batches((x, y), 4)
    epochs = [list(loader) for _ in range(2)]
    assert len(loader) == 3
    for epoch in epochs:
        assert [len(b) for _, b in epoch] == [4, 4, 2]
        assert all(np.array_equal(a, 2 * b) for a, b in epoch)
        assert sorted(np.concatenate([b for _, b in epoch])) == list(range(10))
    orders = [np.concatenate([b for _, b in epoch]).tolist() for epoch in epochs]
    assert orders[0] != orders[1]
    ac.random.seed(1)
    assert np.concatenate([b for _, b in loader]).tolist() == orders[0]


def test_batches_with_a_seed_of_their_own() -> None:
    state = ac.random.get_state()
    loader = nn.data.batches(np.arange(50), 50, seed=7)
    epochs = [next(iter(loader)).tolist() for _ in range(2)]
    assert epochs[0] != epochs[1]
    assert ac.random.get_state() == state
    again = nn.data.batches(np.arange(50), 50, seed=7)
    ac.random.normal()
    assert [next(iter(again)).tolist() for _ in range(2)] == epochs


def test_batches_in_order_without_the_rest_and_of_a_single_array() -> None:
    loader = nn.data.batches(np.arange(10), 4, shuffle=False, drop_last=True)
    assert [b.tolist() for b in loader] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert len(loader) == 2
    assert isinstance(next(iter(nn.data.batches(Tensor(np.arange(3.0)), 2))), Tensor)
    assert [b[0].tolist() for b in nn.data.batches(([1, 2],), 1, shuffle=False)] == [[1], [2]]


@pytest.mark.parametrize(
    ("message", "action"),
    [
        ("batch_size must be a positive integer, got 0", lambda: nn.data.batches(np.ones(3), 0)),
        ("batch_size must be a positive integer, got 2.5", lambda: nn.data.batches(np.ones(3), 2.5)),
        ("seed must be an integer >= 0 or None, got -1", lambda: nn.data.batches(np.ones(3), 2, seed=-1)),
        ("at least one array, got an empty sequence", lambda: nn.data.batches((), 2)),
        (r"same length along the first axis, got shapes \(3,\), \(4, 2\)",
         lambda: nn.data.batches((np.ones(3), np.ones((4, 2))), 2)),
        (r"same length along the first axis, got shapes \(\)",
         lambda: nn.data.batches((np.ones(()),), 2)),
    ],
)  # fmt: skip
def test_batches_errors(message: str, action: Any) -> None:
    with pytest.raises(ac.AutogradError, match=message):
        action()


# -- a part for validation


def test_split_divides_all_samples_once() -> None:
    ac.random.seed(0)
    x, y = np.arange(20).reshape(10, 2), np.arange(10)
    (a, b), (c, d) = nn.data.train_validation_split((x, y), 0.3)
    assert (len(a), len(b), len(c), len(d)) == (7, 7, 3, 3)
    assert np.array_equal(a[:, 0], 2 * b)
    assert np.array_equal(c[:, 0], 2 * d)
    assert sorted([*b, *d]) == list(range(10))
    assert list(d) != [7, 8, 9]
    ac.random.seed(0)
    assert np.array_equal(nn.data.train_validation_split((x, y), 0.3)[1][1], d)
    assert not np.array_equal(nn.data.train_validation_split((x, y), 0.3)[1][1], d)


def test_split_of_one_array_in_order_and_by_number() -> None:
    train, validation = nn.data.train_validation_split(np.arange(10), 4, shuffle=False)
    assert train.tolist() == [0, 1, 2, 3, 4, 5]
    assert validation.tolist() == [6, 7, 8, 9]
    assert [len(part) for part in nn.data.train_validation_split(np.arange(10))] == [8, 2]
    assert isinstance(nn.data.train_validation_split(Tensor(np.arange(4.0)), 1)[0], Tensor)


def test_split_with_a_seed_of_its_own() -> None:
    state = ac.random.get_state()
    first = nn.data.train_validation_split(np.arange(100), seed=3)[1]
    assert ac.random.get_state() == state
    ac.random.normal()
    assert np.array_equal(nn.data.train_validation_split(np.arange(100), seed=3)[1], first)
    assert not np.array_equal(nn.data.train_validation_split(np.arange(100), seed=4)[1], first)


@pytest.mark.parametrize("size", [3, 10, 0.2, 0.5, 0.9, 97])
def test_stratified_split_keeps_the_proportions(size: Any) -> None:
    labels = np.repeat([5, 7, 9], [60, 36, 4])
    train, validation = nn.data.train_validation_split(np.arange(100), size, stratify=Tensor(labels), seed=0)
    held_out = len(validation)
    assert held_out == (size if size > 1 else round(100 * size))
    assert sorted([*train, *validation]) == list(range(100))
    for label, count in ((5, 60), (7, 36), (9, 4)):
        inside = int(np.sum(labels[validation] == label))
        assert 1 <= inside < count
        share = count * held_out / 100
        assert abs(inside - share) < 1 or inside in (1, count - 1) or held_out in (3, 97)
    assert len(set(labels[train][:20])) > 1, "shuffled"


def test_stratified_split_leaves_no_label_out() -> None:
    labels = np.repeat(range(6), [8, 8, 2, 2, 2, 2])
    for held_out, expected in ((6, [1] * 6), (8, [2, 2, 1, 1, 1, 1]), (18, [7, 7, 1, 1, 1, 1])):
        _, validation = nn.data.train_validation_split(labels, held_out, stratify=labels)
        assert np.bincount(validation).tolist() == expected


def test_stratified_split_in_order() -> None:
    train, validation = nn.data.train_validation_split(np.arange(6), 2, False, stratify=[0, 1, 0, 1, 0, 1])
    assert (train.tolist(), validation.tolist()) == ([0, 1, 2, 3], [4, 5])


@pytest.mark.parametrize(
    ("error", "message", "action"),
    [
        (ac.errors.ArgumentError, r"must be a fraction in \(0, 1\) or a positive number of samples, got 1.5",
         lambda: nn.data.train_validation_split(np.ones(3), 1.5)),
        (ac.errors.ArgumentError, "a positive number of samples, got 0;",
         lambda: nn.data.train_validation_split(np.ones(3), 0)),
        (ac.errors.ArgumentError, "got True", lambda: nn.data.train_validation_split(np.ones(3), True)),
        (ac.errors.ArgumentError, "neither set may be empty, got 3 of 3 samples",
         lambda: nn.data.train_validation_split(np.ones(3), 3)),
        (ac.errors.ArgumentError, "neither set may be empty, got 0 of 3 samples",
         lambda: nn.data.train_validation_split(np.ones(3), 0.1)),
        (ac.errors.ArgumentError, "seed must be an integer >= 0 or None, got 'a'",
         lambda: nn.data.train_validation_split(np.ones(3), 1, seed="a")),
        (ac.errors.ArgumentError, "at least one array", lambda: nn.data.train_validation_split([], 0.1)),
        (ac.errors.ShapeError, r"same length along the first axis, got shapes \(3,\), \(4,\)",
         lambda: nn.data.train_validation_split((np.ones(3), np.ones(4)))),
        (ac.errors.ShapeError, r"one label for each of the 3 samples, got shape \(3, 2\); one-hot rows",
         lambda: nn.data.train_validation_split(np.ones(3), 1, stratify=np.ones((3, 2)))),
        (ac.errors.ArgumentError, "each label must occur at least twice to be in both sets, got 8 once",
         lambda: nn.data.train_validation_split(np.ones(5), 2, stratify=[7, 7, 8, 9, 9])),
        (ac.errors.ArgumentError, "room for each of the 2 labels, got 3 and 1 samples",
         lambda: nn.data.train_validation_split(np.ones(4), 1, stratify=[0, 0, 1, 1])),
    ],
)  # fmt: skip
def test_split_errors(error: type[Exception], message: str, action: Any) -> None:
    with pytest.raises(error, match=message) as caught:
        action()
    assert "called at test_nn_data.py:" in str(caught.value)


# -- standardization


@pytest.mark.parametrize(("shape", "axis"), [((50, 3), 0), ((20, 3, 4, 5), (0, 2, 3)), ((6, 4), None), ((7, 9), -1)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_standardize(shape: Any, axis: Any, dtype: Any) -> None:
    x = np.random.default_rng(0).normal(5, 3, shape).astype(dtype)
    scaler = nn.data.Standardizer(axis).fit(x)
    z = scaler(x)
    assert z.dtype == dtype
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    np.testing.assert_allclose(z.mean(axis), 0, atol=tolerance)
    np.testing.assert_allclose(z.std(axis), 1, rtol=tolerance)
    np.testing.assert_allclose(scaler.inverse(z), x, rtol=tolerance)
    np.testing.assert_allclose(scaler.mean, x.mean(axis, keepdims=True, dtype=np.float64), rtol=1e-13)
    np.testing.assert_allclose(scaler.std, x.astype(np.float64).std(axis, keepdims=True), rtol=1e-13)


def test_standardize_applies_the_statistics_of_the_first() -> None:
    train, test = np.array([[0.0], [2.0]]), np.array([[4.0]])
    a, b = nn.data.standardize(train, test)
    assert a.tolist() == [[-1], [1]]
    assert b.tolist() == [[3]]
    np.testing.assert_array_equal(nn.data.standardize(train), a)
    scaler = nn.data.Standardizer()
    assert repr(scaler) == "Standardizer(axis=0, not fitted)"
    assert repr(scaler.fit(train)) == "Standardizer(axis=0, features (1, 1))"
    assert scaler.transform(Tensor(test)).data.tolist() == [[3]]
    assert scaler.inverse([[3.0]]).tolist() == [[4]]


def test_standardize_in_blocks_and_of_integers() -> None:
    x = np.random.default_rng(0).integers(0, 256, (300, 100, 90)).astype(np.uint8)  # larger than a block
    scaler = nn.data.Standardizer(0).fit(x)
    np.testing.assert_allclose(scaler.mean[0], x.mean(0), rtol=1e-12)
    np.testing.assert_allclose(scaler.std[0], x.std(0), rtol=1e-12)
    z = scaler(x[:2])
    assert z.dtype == np.float32
    np.testing.assert_allclose(z, (x[:2] - x.mean(0)) / x.std(0), atol=1e-5)


def test_a_constant_feature_becomes_zero() -> None:
    x = np.full((7, 2), 0.1)
    x[:, 1] = np.arange(7)
    assert np.mean(x[:, 0]) != 0.1, "rounded"
    z, other = nn.data.standardize(x, x + 1)
    np.testing.assert_array_equal(z[:, 0], 0)
    np.testing.assert_allclose(other[:, 0], 1)
    assert np.all(nn.data.standardize(np.full((3, 1), 1e-200) * [[1], [2], [3]]) < 1e-100)  # the variance underflows


@pytest.mark.parametrize(
    ("error", "message", "action"),
    [
        (ac.errors.ArgumentError, "Standardizer: it must be fitted first", lambda: nn.data.Standardizer()(np.ones(2))),
        (ac.errors.ArgumentError, "inverse: it must be fitted first", lambda: nn.data.Standardizer().inverse([1.0])),
        (ac.errors.ShapeError, r"elements along axis 2, got shape \(3,\)",
         lambda: nn.data.standardize(np.ones(3), axis=2)),
        (ac.errors.ShapeError, r"elements along axis 0, got shape \(0, 2\)",
         lambda: nn.data.standardize(np.ones((0, 2)))),
        (ac.errors.ArgumentError, r"the data must be finite, got nan at \(1, 0\)",
         lambda: nn.data.standardize(np.array([[1.0], [np.nan]]))),
        (ac.errors.ArgumentError, "real numbers, got dtype complex128", lambda: nn.data.standardize(np.ones(2) * 1j)),
        (ac.errors.ShapeError, r"fit the fitted features of shape \(1, 2\), got shape \(5, 3\)",
         lambda: nn.data.standardize(np.ones((4, 2)), np.ones((5, 3)))),
        (ac.errors.ShapeError, r"got shape \(2,\)", lambda: nn.data.standardize(np.ones((4, 2)), np.ones(2))),
    ],
)  # fmt: skip
def test_standardize_errors(error: type[Exception], message: str, action: Any) -> None:
    with pytest.raises(error, match=message) as caught:
        action()
    assert "called at test_nn_data.py:" in str(caught.value)


def test_batches_of_a_seed_go_on_where_their_state_stood():
    first, second = (nn.data.batches(np.arange(10), 5, seed=3) for _ in range(2))
    list(first)
    second.load_state_dict(first.state_dict())
    assert [b.tolist() for b in first] == [b.tolist() for b in second]
    assert nn.data.batches(np.arange(4), 2).state_dict() == {}
