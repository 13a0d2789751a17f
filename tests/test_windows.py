"""Windows, reductions over them, padding and the contraction of a convolution, beyond the generated operator tests."""

import inspect
import os

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor
from autograd_core.errors import ArgumentError, DTypeError, GraphError, ShapeError, VersionError
from autograd_core.ops import windows as module
from autograd_core.ops.windows import contract, overlap_add, window_max, window_sum, windows
from duck import DuckArray, unwrap

sliding_window_view = np.lib.stride_tricks.sliding_window_view


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def fortran(a):
    return np.asfortranarray(a)


def reversed_and_strided(a):
    return np.repeat(a, 2, axis=1)[:, ::2][:, ::-1]


def from_bytes(a):
    return np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape)


@pytest.mark.parametrize("layout", [np.array, fortran, reversed_and_strided, from_bytes, np.transpose])
def test_windows_are_every_element_of_every_window_in_any_layout(layout, rng):
    a = layout(rng.normal(size=(6, 7)))
    out = windows(a, (2, 3), axis=(1, 0), stride=(2, 1), dilation=(1, 2))
    assert out.shape == ((a.shape[0] - 5) + 1, (a.shape[1] - 2) // 2 + 1, 2, 3)
    for i, j, k, m in np.ndindex(out.shape):
        assert out[i, j, k, m] == a[i + 2 * m, 2 * j + k]
    total = overlap_add(np.ones_like(out), shape=a.shape, axis=(1, 0), stride=(2, 1), dilation=(1, 2))
    counts = np.zeros(a.shape)
    for i, j, k, m in np.ndindex(out.shape):
        counts[i + 2 * m, 2 * j + k] += 1
    np.testing.assert_array_equal(total, counts)


def test_the_windows_of_an_array_are_a_read_only_view_of_it(rng):
    for a in (rng.normal(size=(3, 8)), rng.normal(size=(3, 8))[:, ::2]):
        out = windows(a, 2, axis=1)
        assert np.shares_memory(out, a)
        assert out.base is (a if a.base is None else a.base)
        with pytest.raises(ValueError, match="read-only"):
            out[0, 0, 0] = 1.0
        assert a.flags.writeable


@pytest.mark.parametrize("options", [{"window_shape": 3}, {"window_shape": (2, 2), "axis": (0, 1)}, {"axis": -1}])
def test_numpys_sliding_window_view_records(options, rng):
    a = rng.normal(size=(4, 5) if options != {"window_shape": 3} else 6)
    options = {"window_shape": 2} | options
    t = Tensor(a, requires_grad=True)
    out = sliding_window_view(t, **options, writeable=False)
    np.testing.assert_array_equal(out.data, sliding_window_view(a, **options))
    g = rng.normal(size=out.shape)
    out.backward(g)
    assert np.vdot(t.grad.data, a) == pytest.approx(np.vdot(g, out.data))
    ac.check_grads(lambda x: sliding_window_view(x, **options) ** 2, (a,))


def test_a_writeable_view_of_a_tensor_is_refused():
    with pytest.raises(ArgumentError, match="must be read-only, since windows overlap, got writeable=True") as caught:
        sliding_window_view(Tensor(np.zeros(4)), 2, writeable=True)
    line = inspect.currentframe().f_lineno - 1
    assert str(caught.value).endswith(f"in: sliding_window_view, called at {os.path.basename(__file__)}:{line}")


# -- versions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slice_first", [False, True])
def test_a_write_into_the_base_reaches_the_windows(slice_first, rng):
    a = rng.normal(size=(6,))

    def f(x):
        y = x * 2.0
        seen = windows(y[1:] if slice_first else y, 2, axis=0)
        y[2:4] = x[0:2] * x[4:6]
        return np.sum(seen * np.arange(1.0, seen.size + 1).reshape(seen.shape))

    t = Tensor(a, requires_grad=True)
    f(t).backward()
    h = 1e-20
    numeric = [np.imag(f(a + 1j * h * e)) / h for e in np.eye(6)]
    np.testing.assert_allclose(t.grad.data, numeric, rtol=1e-13)


def test_windows_that_a_rule_kept_must_not_change():
    x = Tensor(np.arange(6.0))
    w = Tensor(np.ones((1, 1, 2)), requires_grad=True)
    y = contract(w, np.transpose(windows(x, 2, axis=0))[np.newaxis])
    x[0] = 7.0
    with pytest.raises(VersionError, match="operand 'b' of contract"):
        y.sum().backward()


def test_a_write_into_windows_is_refused():
    x = Tensor(np.arange(6.0), requires_grad=True) * 1.0
    w = windows(x, 2, axis=0)
    with pytest.raises(ShapeError, match="read-only"):
        w[0] = 1.0
    np.testing.assert_array_equal(x.data, np.arange(6.0))


# -- reductions over windows ------------------------------------------------------------------------------------------


def test_ties_within_a_window_share_equally():
    x = Tensor(np.array([3.0, 3.0, 1.0, 3.0, 0.0]), requires_grad=True)
    window_max(x, 4, axis=0, stride=1).backward(np.array([6.0, 60.0]))
    np.testing.assert_array_equal(x.grad.data, [2.0, 32.0, 0.0, 32.0, 0.0])


def test_the_maximum_over_windows_passes_nan_on_as_max_does():
    x = Tensor(np.array([np.nan, 1.0, 2.0, 5.0]), requires_grad=True)
    y = window_max(x, 2, axis=0, stride=2)
    np.testing.assert_array_equal(y.data, [np.nan, 5.0])
    y.backward(np.ones(2))
    np.testing.assert_array_equal(x.grad.data, [0.0, 0.0, 0.0, 1.0])


@pytest.mark.parametrize("reduce", [window_max, window_sum])
def test_a_window_of_one_element_gives_a_copy(reduce):
    a = np.arange(4.0)
    out = reduce(a, 1, axis=0)
    np.testing.assert_array_equal(out, a)
    assert not np.shares_memory(out, a)
    np.testing.assert_array_equal(reduce(a, 1, axis=0, stride=3), [0.0, 3.0])


# -- other arrays -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [
        lambda x: windows(x, (2, 3), axis=(0, 1), stride=(2, 1), dilation=(1, 2)) ** 2,
        lambda x: window_max(x, (2, 2), axis=(0, 1), stride=2),
        lambda x: window_sum(x, 3, axis=1) ** 2,
        lambda x: np.pad(x, ((1, 0), (2, 1)), constant_values=1.5) ** 2,
        lambda x: np.pad(x, 2, "reflect") ** 2,
        lambda x: contract(x[np.newaxis] * 2, np.transpose(windows(x, 7, axis=1), (2, 0, 1))[np.newaxis]),
    ],
    ids=["windows", "max", "sum", "pad", "reflect", "contract"],
)
def test_other_arrays_take_the_same_path_to_the_same_bits(f, rng):
    a = rng.normal(size=(4, 7))
    results = []
    for kind in (DuckArray, np.array):
        t = Tensor(kind(a), requires_grad=True)
        y = f(t)
        y.sum().backward()
        assert type(y.data) is type(t.grad.data) is (DuckArray if kind is DuckArray else np.ndarray)
        results.append((unwrap(y.data), unwrap(t.grad.data)))
    for duck, array in zip(*results, strict=True):
        np.testing.assert_array_equal(duck, array)


# -- padding ----------------------------------------------------------------------------------------------------------

PADS = [
    (2, {}), ((1, 2), {"constant_values": -1.5}), (((1, 0), (0, 3)), {"constant_values": ((1, 2), (3, 4))}),
    ((0, 0), {"constant_values": -np.inf}), (1, {"mode": "edge"}), (((4, 1), (1, 6)), {"mode": "reflect"}),
    (1, {"mode": "symmetric"}), (((0, 5), (2, 2)), {"mode": "wrap"}),
]  # fmt: skip


@pytest.mark.parametrize(("width", "options"), PADS, ids=str)
def test_pad_is_numpys(width, options, rng):
    for dtype in (np.float64, np.float32):
        a = rng.normal(size=(3, 4)).astype(dtype)
        out = np.pad(Tensor(a), width, **options)
        np.testing.assert_array_equal(out.data, np.pad(a, width, **options))
        assert out.dtype == dtype
    ac.check_grads(lambda x: np.pad(x, width, **options) ** 2, (rng.normal(size=(3, 4)),))


def test_pad_takes_widths_by_axis(rng):
    a = rng.normal(size=(2, 3))
    t = Tensor(a, requires_grad=True)
    out = np.pad(t, {-1: (1, 2)})
    np.testing.assert_array_equal(out.data, np.pad(a, ((0, 0), (1, 2))))
    g = rng.normal(size=out.shape)
    out.backward(g)
    np.testing.assert_array_equal(t.grad.data, g[:, 1:4])
    np.testing.assert_array_equal(np.pad(Tensor(a), {0: 1}).data, np.pad(a, ((1, 1), (0, 0))))


def test_what_pad_refuses():
    t = Tensor(np.ones(3), requires_grad=True)
    with pytest.raises(ArgumentError, match="pad: constant_values must be left out unless mode is 'constant', got 2"):
        np.pad(t, 1, "edge", constant_values=2)
    with pytest.raises(ArgumentError, match=r"pad: mode must be one of .* got 'spline'; compose it"):
        np.pad(t, 1, "spline")
    with pytest.raises(ArgumentError, match=r"pad: mode must be one of .* got <function"):
        np.pad(t, 1, lambda *a: None)
    with pytest.raises((GraphError, DTypeError)):
        np.pad(t, 1, constant_values=Tensor(2.0, requires_grad=True))


# -- contraction ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_the_contraction_is_the_same_in_blocks(block, rng, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", block)
    a, b = rng.normal(size=(2, 3, 2, 2)), rng.normal(size=(2, 2, 2, 5, 3))
    np.testing.assert_allclose(contract(a, b, axes=2), np.einsum("gmkl,gklnp->gmnp", a, b), rtol=1e-12)
    ac.check_grads(contract, (a[:, :2, :, 0], b[:, :, 0, :3, 0]))


def test_the_contraction_keeps_the_view_and_not_its_copy(rng):
    x = Tensor(rng.normal(size=(1, 50)), requires_grad=True)
    w = Tensor(rng.normal(size=(1, 4, 1, 10)), requires_grad=True)
    view = np.transpose(windows(x, 10, axis=1), (0, 2, 1))[np.newaxis]
    out = contract(w, view, axes=2)
    kept = [array for array in out._node.kept if array.shape == view.shape]
    assert len(kept) == 1
    assert np.shares_memory(kept[0], x.data)
