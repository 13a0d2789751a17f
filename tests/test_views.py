"""Views, in-place writes and the version check."""

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor
from autograd_core.errors import DTypeError, GraphError, LeafError, ShapeError, VersionError


def leaf(*data):
    return Tensor(np.array(data), requires_grad=True)


VIEWS = {
    "index": (lambda t: t[1:3], lambda a: a[1:3]),
    "element": (lambda t: t[2], lambda a: a[2]),
    "reversed": (lambda t: t[::-1], lambda a: a[::-1]),
    "reshape": (lambda t: t.reshape(2, 2), lambda a: a.reshape(2, 2)),
    "transpose": (lambda t: t.reshape(2, 2).T, lambda a: a.reshape(2, 2).T),
    "row of a transpose": (lambda t: t.reshape(2, 2).T[1], lambda a: a.reshape(2, 2).T[1]),
    "expand_dims": (lambda t: np.expand_dims(t, 0)[0, :2], lambda a: np.expand_dims(a, 0)[0, :2]),
    "squeeze": (lambda t: np.squeeze(t.reshape(1, 4)), lambda a: a),
}


def numeric(f, x):
    """The gradient of f, which may write in place, by complex step."""
    h = 1e-20
    return np.array([np.imag(f(x + 1j * h * e)) / h for e in np.eye(len(x))])


X = np.array([0.5, 1.5, -1.0, 2.0])


def check(f):
    """`f(t)` on a tensor that needs a gradient against differences of `f` on plain arrays."""
    x = Tensor(X.copy(), requires_grad=True)
    out = f(x)
    out.backward()
    assert out.item() == pytest.approx(f(X.copy()), rel=1e-13)
    np.testing.assert_allclose(x.grad.data, numeric(f, X), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_shares_memory_and_takes_gradients(name):
    view, _ = VIEWS[name]
    base = Tensor(X.copy())
    v = view(base)
    if v.shape:  # NumPy's own element is a copy
        assert np.shares_memory(v.data, base.data)
    check(lambda t: (view(t) ** 2).sum())


@pytest.mark.parametrize("name", [n for n in VIEWS if n != "element"])
def test_a_write_into_the_base_reaches_the_view(name):
    def f(t):
        y = t * 2.0
        v = VIEWS[name][0](y)
        y[1:3] = t[0:2] * t[2:4]
        return (v * v).sum() + (y * np.arange(4.0)).sum()

    check(f)


@pytest.mark.parametrize("name", [n for n in VIEWS if n != "element"])
def test_a_write_into_a_view_reaches_the_base_and_other_views(name):
    def f(t):
        y = t * 2.0
        other = y[::-1]
        v = VIEWS[name][0](y)
        v *= 3.0
        v += v
        return (y**3).sum() + (other * np.arange(4.0)).sum() + (v * v).sum()

    check(f)


def test_writes_of_constants_cut_the_gradient():
    x = Tensor(X.copy(), requires_grad=True)
    y = x * 1.0
    y[1] = 0.0
    (y * y).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [1, 0, -2, 4])
    np.testing.assert_array_equal(x.data, X)


INDICES = {
    "int": 1,
    "slice": slice(None, None, 2),
    "list": [0, 3],
    "array": np.array([3, 1]),
    "mask": np.array([True, False, True, False]),
    "ellipsis": ...,
    "tensor": Tensor([0, 2]),
}


@pytest.mark.parametrize("name", INDICES)
@pytest.mark.parametrize("value", ["tensor", "scalar", "number", "array"])
def test_setitem_is_recorded(name, value):
    index = INDICES[name]
    plain = index.data if isinstance(index, Tensor) else index

    def f(t):
        y = t * t
        i = index if isinstance(t, Tensor) else plain
        count = y[i].shape
        y[i] = {"tensor": np.exp(t)[i], "scalar": t[0] * 2, "number": 3, "array": np.full(count, 0.5)}[value]
        return (y * y * np.arange(1.0, 5.0)).sum()

    check(f)


@pytest.mark.parametrize("symbol", ["+=", "-=", "*=", "/=", "**="])
@pytest.mark.parametrize("other", ["number", "tensor", "array", "itself"])
def test_in_place_operators_are_recorded(symbol, other):
    def f(t):
        y = t * 1.5 + 3.0  # keeps nothing that a write would change
        before = y
        value = {"number": 2.0, "tensor": t * t + 1, "array": np.array([1.0, 2.0, 3.0, 4.0]), "itself": y}[other]
        if symbol == "+=":
            y += value
        elif symbol == "-=":
            y -= value * 0.5
        elif symbol == "*=":
            y *= value
        elif symbol == "/=":
            y /= value + 1.0
        else:
            y **= value
        assert y is before
        return (y * np.arange(1.0, 5.0)).sum()

    check(f)


def test_accumulating_in_a_loop():
    def f(t):
        total = np.zeros_like(t)
        for i in range(4):
            total += t * t[i]
            total[i] = total[i] * 2.0
        return (total * np.arange(1.0, 5.0)).sum()

    check(f)


def test_a_buffer_of_constants_that_tensors_are_written_into():
    x = Tensor(X.copy(), requires_grad=True)
    buffer = Tensor(np.zeros((2, 4)))
    buffer[0] = x * x
    buffer[1] = x
    assert buffer.requires_grad
    buffer.sum().backward()
    np.testing.assert_allclose(x.grad.data, 2 * X + 1)


# -- the version check -----------------------------------------------------------------------------------------------

WRITES = {
    "index": (lambda y: y.__setitem__(0, 9.0), r"t\[i\] = v"),
    "+=": (lambda y: y.__iadd__(1.0), r"\+="),
    "data": (lambda y: setattr(y, "data", np.zeros(4)), r"\.data = \.\.\."),
    "touch": (lambda y: y._touch("Adam.step"), "Adam.step"),
    "view": (lambda y: y[1:].__setitem__(0, 9.0), r"t\[i\] = v"),
    "reshaped view": (lambda y: y.reshape(2, 2).__imul__(2.0), r"\*="),
    "detached": (lambda y: y.detach().__setitem__(0, 9.0), r"t\[i\] = v"),
    "detached view": (lambda y: y[1:].detach().__iadd__(9.0), r"\+="),
    "under no_grad": (lambda y: ac.no_grad()(lambda: y.__setitem__(0, 9.0))(), r"t\[i\] = v"),
}
KEEPERS = {
    "operand": (lambda y: np.log(y), "operand 'a' of log"),
    "second operand": (lambda y: np.arange(4.0) / y, "operand 'b' of divide"),
    "reduction": (lambda y: np.max(y), "operand 'a' of max"),
    "einsum": (lambda y: np.einsum("i,i->", y, y), "operand 0 of einsum"),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("keeper", ["operand", "second operand", "reduction", "einsum"])
def test_a_kept_operand_changed_before_backward(write, keeper):
    x = Tensor(np.abs(X), requires_grad=True)
    y = x * 2.0
    compute, what = KEEPERS[keeper]
    out = compute(y).sum()
    change, name = WRITES[write]
    change(y)
    with pytest.raises(
        VersionError, match=f"the {what}.*but {name} changed it afterwards; write into a copy.*called at test_views.py:"
    ):
        out.backward()
    assert x.grad is None


@pytest.mark.parametrize("write", WRITES)
def test_a_kept_output_changed_before_backward(write):
    x = Tensor(X, requires_grad=True)
    y = np.exp(x)
    out = y + 0.0
    change, name = WRITES[write]
    change(y)
    with pytest.raises(VersionError, match=f"the output of exp.*but {name} changed it"):
        out.sum().backward()


@pytest.mark.parametrize("write", ["data", "touch", "detached", "under no_grad"])
def test_a_kept_leaf_changed_before_backward(write):
    x = Tensor(X.copy(), requires_grad=True)
    out = (x * x).sum()
    WRITES[write][0](x)
    with pytest.raises(VersionError, match="operand 'a' of multiply"):
        out.backward()


@pytest.mark.parametrize("write", ["index", "+=", "data", "touch", "view"])
def test_a_kept_constant_changed_before_backward(write):
    x, c = Tensor(X, requires_grad=True), Tensor(X.copy())
    out = (x * c).sum()
    WRITES[write][0](c)
    with pytest.raises(VersionError, match="operand 'b' of multiply"):
        out.backward()


def test_a_constant_view_of_a_constant_changed_before_backward():
    x, c = Tensor(X[:2].copy(), requires_grad=True), Tensor(X.copy())
    out = (x * c[:2]).sum()
    c[0] = 5.0
    with pytest.raises(VersionError):
        out.backward()


def test_a_write_that_no_rule_minds():
    x = Tensor(X.copy(), requires_grad=True)
    y = x * 2.0
    z = (y + 1.0).sum()  # keeps nothing
    y[0] = 9.0
    z.backward()
    np.testing.assert_array_equal(x.grad.data, [2, 2, 2, 2])


def test_a_write_before_the_use_is_fine():
    x = Tensor(X.copy(), requires_grad=True)
    y = x * 1.0
    y[0] = 9.0
    (y * y).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [0, 3, -2, 4])


def test_the_message_names_the_line_in_anomaly_mode():
    x = Tensor(np.abs(X), requires_grad=True)
    with ac.anomaly_mode():
        y = x * 2.0
        out = np.log(y).sum()
        y += 1.0
        with pytest.raises(VersionError, match=r"recorded at test_views.py:\d+\)"):
            out.backward()


# -- leaves ----------------------------------------------------------------------------------------

LEAF_WRITES = {
    "+=": (
        lambda x: x.__iadd__(1.0),
        r"\+=: a leaf that requires a gradient must not be changed in place.*write t = t \+ x",
    ),
    "**=": (lambda x: x.__ipow__(3.0), r"\*\*=: a leaf that requires a gradient.*write t = t \*\* x"),
    "index": (lambda x: x.__setitem__(0, 9.0), r"t\[i\] = v: a leaf that requires a gradient.*np\.where\(mask, v, t\)"),
    "view": (lambda x: x[1:].__setitem__(0, 1.0), r"t\[i\] = v: a leaf"),
    "view, in place": (lambda x: x.reshape(2, 2).__imul__(2.0), r"\*=: a leaf"),
}


@pytest.mark.parametrize("name", LEAF_WRITES)
def test_in_place_on_a_leaf_while_recording(name):
    x = Tensor(X.copy(), requires_grad=True)
    write, message = LEAF_WRITES[name]
    with pytest.raises(LeafError, match=message) as caught:
        write(x)
    assert "called at test_views.py:" in str(caught.value) and "no_grad()" in str(caught.value)
    np.testing.assert_array_equal(x.data, X)
    with ac.no_grad():
        write(x)
    assert not np.array_equal(x.data, X)
    assert x.is_leaf and x.requires_grad


ERRORS = {
    "shape of +=": (
        lambda y: y.__iadd__(np.ones((3, 4))),
        ShapeError,
        r"\+=: the result must have the tensor's own shape \(4,\), got \(3, 4\)",
    ),
    "shape of [ ] =": (lambda y: y.__setitem__(0, np.ones(3)), ShapeError, r"\(3,\)"),
    "index of [ ] =": (lambda y: y.__setitem__(7, 1.0), ShapeError, "index 7 is out of bounds"),
    "complex into float": (
        lambda y: y.__setitem__(0, 1j),
        DTypeError,
        r"t\[i\] = v: the value must fit the tensor's dtype float64, got complex128",
    ),
    "float into integer": (
        lambda y: Tensor([1, 2]).__iadd__(0.5),
        DTypeError,
        r"\+=: the value must fit the tensor's dtype int64, got float64",
    ),
    "float set in integer": (
        lambda y: Tensor([1, 2]).__setitem__(0, 0.5),
        DTypeError,
        "must fit the tensor's dtype int64",
    ),
}


@pytest.mark.parametrize("where", ["tensor", "constant", "view"])
@pytest.mark.parametrize("name", ERRORS)
def test_a_failed_write_leaves_the_tensor_as_it_was(name, where):
    y = {"tensor": leaf(*X) * 1.0, "constant": Tensor(X.copy()), "view": (leaf(*X) * 1.0).reshape(2, 2).reshape(4)}[
        where
    ]
    node = y._node
    attempt, error, message = ERRORS[name]
    with pytest.raises(error, match=message) as caught:
        attempt(y)
    assert "called at test_views.py:" in str(caught.value)
    np.testing.assert_array_equal(y.data, X)
    assert y._node is node
    if node is not None:
        (y * y).sum().backward()


def test_float32_stays_float32_in_place():
    x = Tensor(X.astype(np.float32), requires_grad=True)
    y = x * 2
    y += 1.5
    y[0] = 2.5
    y[1:] = np.ones(3)
    y *= x
    y.sum().backward()
    assert y.dtype == x.grad.dtype == np.float32


def test_a_view_made_without_recording_is_not_written_to_while_recording():
    t = leaf(1.0, 1.0, 1.0)
    a = t * 1.0
    with ac.no_grad():
        v = a[1:]
    for write in (lambda: v.__imul__(2.0), lambda: v.__setitem__(0, 5.0)):
        with pytest.raises(
            GraphError, match=r"made while recording, got one of shape \(2,\) that was made under no_grad"
        ):
            write()
    a.sum().backward()
    np.testing.assert_array_equal(t.grad.data, [1, 1, 1])
    with ac.no_grad():
        v *= 2.0
    np.testing.assert_array_equal(a.data, [1, 2, 2])


def test_boolean_tensors_can_be_copied():
    b = Tensor(np.array([[True, False]]))
    for copied in (b.copy(), np.copy(b), b.flatten()):
        assert copied.dtype == bool and not np.shares_memory(copied.data, b.data)
        np.testing.assert_array_equal(copied.data.ravel(), [True, False])
