"""What is written last, and what a tensor with new data still shares with its views."""

import numpy as np
import pytest

from autograd_core import Tensor


@pytest.mark.parametrize("through_view", [False, True])
def test_where_places_repeat_the_last_write_has_the_gradient(through_view):
    y = Tensor(np.zeros((2, 3)))
    v = Tensor(np.array([1.0, 2.0, 5.0]), requires_grad=True)
    if through_view:
        y[0][[0, 0, 2]] = v
    else:
        y[0, [0, 0, 2]] = v
    assert np.array_equal(y.data[0], [2, 0, 5])
    (y * np.array([3.0, 1, 4])).sum().backward()
    assert np.array_equal(v.grad.data, [0, 3, 4])


def test_new_data_leave_the_memory_to_the_views():
    base = Tensor(np.zeros(3))
    view, other = base[:2], base[1:]
    base.data = np.ones(3)
    z = Tensor(5.0, requires_grad=True)
    view[1] = z
    assert not base.requires_grad and np.array_equal(base.data, [1, 1, 1])
    assert np.array_equal(other.data, [5, 0])  # the views still share theirs
    (other * np.array([2.0, 3])).sum().backward()
    assert z.grad.item() == 2


def test_new_data_of_an_intermediate_value_part_it_from_its_views():
    x = Tensor(np.arange(4.0), requires_grad=True)
    y = x * 1
    left, right = y[:2], y[1:]
    y.data = np.full(4, 9.0)
    z = Tensor(5.0, requires_grad=True)
    left[1] = z
    right.sum().backward(retain_graph=True)
    assert np.array_equal(x.grad.data, [0, 0, 1, 1]) and z.grad.item() == 1
    x.grad = z.grad = None
    y.sum().backward()  # y itself never had z in it
    assert z.grad is None


def test_new_data_of_a_view_leave_the_base_alone():
    base = Tensor(np.zeros(3))
    view = base[:2]
    view.data = np.ones(2)
    view[0] = Tensor(5.0, requires_grad=True)
    assert not base.requires_grad and np.array_equal(base.data, [0, 0, 0])


def test_an_index_changed_after_the_operation_does_not_change_its_gradient():
    index = Tensor(np.array([0, 1]))
    x = Tensor(np.arange(4.0), requires_grad=True)
    out = x[index] + x[(index,)] + np.take(x, index)
    index.data[...] = 3
    out.sum().backward()
    assert np.array_equal(x.grad.data, [3, 3, 0, 0])


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [("%=", [2.0, 1.0]), ("//=", [1.0, 2.0]), ("@=", [12.0, 31.0])],
    ids=["mod", "floordiv", "matmul"],
)
def test_every_in_place_operator_writes_into_the_tensor(symbol, expected):
    x = y = Tensor([5.0, 7.0])
    other = Tensor(np.array([[1.0, 2], [1, 3]])) if symbol == "@=" else 3
    names = {"x": x, "other": other}
    exec(f"x {symbol} other", names)
    assert names["x"] is y
    assert np.array_equal(y.data, expected)


def test_an_empty_list_of_places_writes_nothing():
    t = Tensor(np.arange(4.0), requires_grad=True)
    y = t * 2
    y[[]] = 5.0
    y.sum().backward()
    np.testing.assert_array_equal(y.data, 2 * np.arange(4.0))
    np.testing.assert_array_equal(t.grad.data, np.full(4, 2.0))
