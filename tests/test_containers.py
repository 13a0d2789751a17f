"""Nested containers of arrays: taken apart, built again, compared with clear words; those of users too."""

import collections
import dataclasses
from typing import Any

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor, register_container
from autograd_core.containers import LEAF, flatten, is_leaf, map_leaves
from autograd_core.errors import ArgumentError, DTypeError, GraphError, ShapeError

Layer = collections.namedtuple("Layer", "weight bias")


@dataclasses.dataclass(frozen=True)
class Net:
    layers: list[Any]
    scale: Any
    activation: str = dataclasses.field(default="tanh", metadata={"static": True})

    def __post_init__(self):
        assert isinstance(self.layers, list) and self.scale is not None


class Box:
    """A class of a user's own."""

    def __init__(self, label, **parts):
        self.label, self.parts = label, parts

    def __eq__(self, other):
        return type(other) is Box and (self.label, self.parts) == (other.label, other.parts)

    __hash__ = None


register_container(
    Box,
    lambda box: (box.parts.values(), (box.label, tuple(box.parts))),
    lambda rest, children: Box(rest[0], **dict(zip(rest[1], children, strict=True))),
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3))
W = np.linspace(-1, 1, 6).reshape(3, 2)
NET = Net([Layer(RNG.normal(size=(3, 2)), RNG.normal(size=2)), {"w": RNG.normal(size=2), "skip": None}], 0.5)


def predict(net, x):
    first, second = net.layers
    assert net.activation == "tanh"
    return np.tanh(x @ first.weight + first.bias) @ second["w"] * net.scale


def loss(net, x):
    return np.sum(predict(net, x) ** 2)


TREES = {
    "dict": {"b": 1.0, "a": [2.0, (3.0,)]},
    "list": [1.0, [], {}],
    "tuple": (1.0, (2.0, 3.0)),
    "None": {"a": None, "b": [None, 1.0]},
    "namedtuple": Layer(1.0, [2.0]),
    "ordered dict": collections.OrderedDict(z=1.0, a=2.0),
    "default dict": collections.defaultdict(list, z=[1.0]),
    "dataclass": Net([1.0], 2.0, "relu"),
    "registered": Box("x", a=1.0, b=[2.0]),
}


@pytest.mark.parametrize("name", TREES)
def test_a_container_is_built_again(name):
    tree = TREES[name]
    leaves, structure = flatten(tree)
    again = structure.build(leaves)
    assert type(again) is type(tree) and again == tree
    assert structure.size == len(leaves) == len(structure.paths())
    assert all(type(x) is float for x in leaves)
    doubled = map_leaves(lambda x: 2 * x, tree)
    assert type(doubled) is type(tree) and flatten(doubled)[0] == [2 * x for x in leaves]


def test_what_a_rebuilt_container_keeps():
    again = map_leaves(lambda x: x, TREES["default dict"])
    assert again["new"] == []
    assert list(map_leaves(lambda x: x, {"b": 1.0, "a": 2.0})) == ["b", "a"]
    assert map_leaves(lambda x: None, NET).scale is None, "built without __init__ and its checks"


@pytest.mark.parametrize("leaf", [1.0, 2, X, Tensor(X), np.float32(1), "text", {1}, range(3), Net], ids=repr)
def test_leaves(leaf):
    assert is_leaf(leaf)
    leaves, structure = flatten(leaf)
    assert structure is LEAF and leaves[0] is leaf and structure.paths() == [""]


def test_subclasses_are_leaves():
    assert is_leaf(type("MyDict", (dict,), {})(a=1.0)) and is_leaf(type("MyList", (list,), {})([1.0]))


def test_paths():
    assert flatten((NET, Box("x", a=[1.0])))[1].paths() == [
        "[0].layers[0].weight",
        "[0].layers[0].bias",
        "[0].layers[1]['w']",
        "[0].scale",
        "[1][0][0]",
    ]


def test_another_container_is_taken_apart_in_the_same_order():
    _, structure = flatten({"a": 1.0, "b": 2.0})
    assert structure.leaves_of({"b": 20.0, "a": 10.0}, "f", "part", "") == [10.0, 20.0]


MISMATCH = {
    "keys": ({"a": [1.0]}, {"b": [1.0]}, "must be a dict of keys 'a', got 'b'"),
    "length": ({"a": [1.0]}, {"a": [1.0, 2.0]}, r"must be a list of 1 at \['a'\], got 2"),
    "class": ({"a": [1.0]}, {"a": (1.0,)}, r"must be a list at \['a'\], got a tuple"),
    "leaf": ({"a": [1.0]}, {"a": [{"x": 1.0}]}, r"must be an array at \['a'\]\[0\], got a dict"),
    "no leaf": ({"a": [1.0]}, {"a": np.ones(3)}, r"must be a list at \['a'\], got an array of shape \(3,\)"),
    "none": ({"a": None}, {"a": 1.0}, r"must be None at \['a'\], got a float"),
    "not none": ({"a": 1.0}, {"a": None}, r"must be an array at \['a'\], got None"),
    "static": (Net([1.0], 2.0), Net([1.0], 2.0, "relu"), "must be a Net with .*'tanh'.*, got .*'relu'.*"),
    "named": (Layer(1.0, [2.0]), Layer(1.0, 2.0), r"must be a list at \.bias, got a float"),
}


@pytest.mark.parametrize("name", MISMATCH)
def test_another_structure(name):
    like, other, message = MISMATCH[name]
    with pytest.raises(ShapeError, match=f"f: the part {message}; give it the same containers .*test_containers.py:"):
        flatten(like)[1].leaves_of(other, "f", "part", "")


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (Box, "must be registered once"),
        (dict, "must be registered once"),
        (np.ndarray, "neither an array nor a number, got ndarray"),
        (type("MyTensor", (Tensor,), {}), "neither an array nor a number, got MyTensor"),
        (3, "the first argument must be a class, got 3"),
    ],
    ids=["twice", "dict", "ndarray", "Tensor", "no class"],
)
def test_what_cannot_be_registered(cls, message):
    with pytest.raises(ArgumentError, match=f"register_container: .*{message}.*test_containers.py:"):
        register_container(cls, lambda x: ((), None), lambda rest, children: None)


# -- every transform -------------------------------------------------------------------------------------------------


def leaves_of(tree):
    return flatten(tree)[0]


def flat_loss(a, b, w, s, x):
    return loss(Net([Layer(a, b), {"w": w, "skip": None}], s), x)


def close(actual, expected):
    actual, expected = leaves_of(actual), leaves_of(expected)
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        assert np.shape(a) == np.shape(e)
        np.testing.assert_allclose(a, e, rtol=1e-12, atol=1e-13)


def test_grad_has_the_structure_of_the_argument():
    g = ac.grad(loss)(NET, X)
    assert type(g) is Net and type(g.layers[0]) is Layer and g.layers[1]["skip"] is None and g.activation == "tanh"
    assert all(type(x) is np.ndarray for x in leaves_of(g))
    close(g, ac.grad(flat_loss, (0, 1, 2, 3))(*leaves_of(NET), X))
    value, (g_x, g_net) = ac.value_and_grad(loss, argnums=(1, 0))(NET, X)
    assert value == loss(NET, X) and g_x.shape == X.shape
    close(g_net, g)


def test_a_container_of_a_users_class():
    g = ac.grad(lambda box: np.sum(box.parts["a"] ** 2) * box.parts["b"][0])(Box("x", a=X, b=[2.0]))
    assert type(g) is Box and g.label == "x"
    close(g, [4 * X, [np.sum(X**2)]])


def test_has_aux():
    def f(net, x):
        y = predict(net, x)
        return np.sum(y**2), {"prediction": y, "name": "net", "count": len(x)}

    g, aux = ac.grad(f, has_aux=True)(NET, X)
    close(g, ac.grad(loss)(NET, X))
    assert type(aux["prediction"]) is np.ndarray and aux["name"] == "net" and aux["count"] == 4
    close(aux["prediction"], predict(NET, X))
    (value, aux), _ = ac.value_and_grad(f, has_aux=True)(NET, X)
    assert value == loss(NET, X) and aux["name"] == "net"
    _, pull, aux = ac.vjp(f, NET, X, has_aux=True)
    close(pull(1.0)[0], g)
    jac, aux = ac.jacobian(f, has_aux=True)(NET, X)
    close(jac, g)
    assert type(ac.grad(f, has_aux=True)(NET, Tensor(X))[1]["prediction"]) is Tensor
    inner = ac.grad(lambda x: np.sum(ac.grad(f, has_aux=True)(NET, x)[1]["prediction"]))(X)
    close(inner, ac.grad(lambda x: np.sum(predict(NET, x)))(X))


def outputs(net, x):
    y = predict(net, x)
    return {"y": y, "rest": (np.sum(y), net.scale * 2.0, np.ones(2), x)}


def test_vjp_and_jvp_of_containers():
    y, pull = ac.vjp(outputs, NET, X)
    close(y, outputs(NET, X))
    assert type(y) is dict and type(y["rest"]) is tuple
    c = {"rest": (2.0, 3.0, np.ones(2), X), "y": RNG.normal(size=4)}  # another order of keys
    g_net, g_x = pull(c)

    def weighted(net, x):
        out = outputs(net, x)
        return np.sum(out["y"] * c["y"]) + out["rest"][0] * 2 + out["rest"][1] * 3 + np.sum(out["rest"][3] * X)

    close((g_net, g_x), ac.grad(weighted, (0, 1))(NET, X))
    tangents = (map_leaves(lambda x: np.full(np.shape(x), 0.3), NET), 2 * X)
    value, tangent = ac.jvp(outputs, (NET, X), tangents)
    close(value, y)
    left = sum(np.sum(a * b) for a, b in zip(leaves_of(tangent), [c["y"], *c["rest"]], strict=True))
    right = sum(np.sum(a * b) for a, b in zip(leaves_of((g_net, g_x)), leaves_of(tangents), strict=True))
    np.testing.assert_allclose(left, right, rtol=1e-12)
    close(tangent["rest"][2], np.zeros(2))


def test_results_are_the_callers_own():
    shared = np.ones(3)
    y, pull = ac.vjp(lambda p: {"a": p["x"], "b": p["x"]}, {"x": shared})
    c = {"a": np.ones(3), "b": np.zeros(3)}
    (g,) = pull(c)
    g["x"][:] = 7
    y["a"][:] = 5
    assert np.array_equal(shared, np.ones(3)) and np.array_equal(c["a"], np.ones(3))
    _, tangent = ac.jvp(lambda p: [p["x"], p["x"]], ({"x": shared},), ({"x": shared},))
    tangent[0][:] = 3
    assert np.array_equal(tangent[1], np.ones(3)) and np.array_equal(shared, np.ones(3))


@pytest.mark.parametrize("mode", ["auto", "fwd", "rev"])
def test_jacobian_of_containers(mode):
    jac = ac.jacobian(outputs, argnums=(0, 1), mode=mode)(NET, X)
    assert type(jac) is dict and type(jac["y"]) is tuple and type(jac["y"][0]) is Net
    close(jac["y"][1], ac.jacobian(lambda x: predict(NET, x))(X))
    assert jac["y"][0].layers[0].weight.shape == (4, 3, 2)
    close(jac["rest"][1][0].scale, 2.0)
    close(jac["rest"][2][0].layers[1]["w"], np.zeros((2, 2)))
    close(jac["rest"][3][1].reshape(12, 12), np.eye(12))


def test_hessian_and_hvp_of_containers():
    hess = ac.hessian(loss)(NET, X)
    assert type(hess) is Net and type(hess.layers[0].weight) is Net
    flat = ac.hessian(flat_loss, argnums=(0, 1, 2, 3))(*leaves_of(NET), X)
    close(hess, flat)
    v = map_leaves(lambda x: np.full(np.shape(x), 0.3), NET)
    product, product_x = ac.hvp(loss, (NET, X), (v, np.zeros_like(X)))
    assert type(product) is Net
    rows = [
        sum(np.tensordot(block, part, axes=np.ndim(part)) for block, part in zip(row, leaves_of(v), strict=True))
        for row in flat
    ]
    close(product, rows)
    assert product_x.shape == X.shape


def test_tensors_for_tensors():
    net = map_leaves(Tensor, NET)
    assert all(type(x) is Tensor for x in leaves_of(ac.grad(loss)(net, X)))
    assert all(type(x) is Tensor for x in leaves_of(ac.jacobian(outputs)(net, X)))
    y, pull = ac.vjp(outputs, net, X)
    assert all(type(x) is Tensor for x in leaves_of((y, pull(outputs(NET, X)))))
    leaf = Tensor(2.0, requires_grad=True)
    g = ac.grad(lambda p: np.sum(p["x"] ** 3))({"x": leaf})["x"]
    g.backward()
    assert g.item() == 12 and leaf.grad.item() == 12


def test_derivatives_of_derivatives():
    def penalty(net):
        return sum(np.sum(g**2) for g in leaves_of(ac.grad(loss)(net, X)))

    g = ac.grad(penalty)(NET)
    close(g, map_leaves(lambda x: 2 * x, ac.hvp(loss, (NET, X), (ac.grad(loss)(NET, X), np.zeros_like(X)))[0]))
    tangent = ac.jvp(ac.grad(loss), (NET, X), (NET, X))[1]
    assert type(tangent) is Net


def test_an_empty_container_has_an_empty_gradient():
    assert ac.grad(lambda p, x: np.sum(x))({"a": None, "b": []}, X) == {"a": None, "b": []}
    assert ac.jacobian(lambda x: (None, []))(X) == (None, [])


ERRORS = {
    "cotangent of another structure": (
        lambda: ac.vjp(outputs, NET, X)[1]({"y": np.ones(4)}),
        ShapeError,
        "vjp: the cotangent must be a dict of keys 'y', 'rest', got 'y'",
    ),
    "cotangent of another shape": (
        lambda: ac.vjp(outputs, NET, X)[1]({"y": np.ones(4), "rest": (1.0, 1.0, np.ones(3), X)}),
        ShapeError,
        r"vjp: a cotangent must have the output's shape \(2,\), got \(3,\) at \['rest'\]\[2\]",
    ),
    "tangent of another structure": (
        lambda: ac.jvp(loss, (NET, X), (Net([Layer(X, X), {"w": X}], 1.0), X)),
        ShapeError,
        r"jvp: the tangent must be a dict of keys 'w', 'skip' at argument 0\.layers\[1\], got 'w'",
    ),
    "tangent of another shape": (
        lambda: ac.jvp(loss, (NET, X), (map_leaves(lambda x: np.ones(3), NET), X)),
        ShapeError,
        r"jvp: a tangent must have its primal's shape \(3, 2\), got \(3,\) for argument 0\.layers\[0\]\.weight",
    ),
    "no tangent": (
        lambda: ac.jvp(np.sin, (X,), (None,)),
        ShapeError,
        r"jvp: a tangent must have its primal's shape \(4, 3\), got None for argument 0",
    ),
    "an integer": (
        lambda: ac.grad(lambda p: p["n"] * p["x"])({"x": 2.0, "n": [3]}),
        DTypeError,
        r"grad: an argument to differentiate must be floating, got argument 0\['n'\]\[0\] of dtype int64",
    ),
    "a string": (
        lambda: ac.grad(lambda p: p["x"])({"x": 2.0, "name": "n"}),
        DTypeError,
        r"got argument 0\['name'\] of dtype str",
    ),
    "a gradient of a container": (
        lambda: ac.grad(outputs)(NET, X),
        GraphError,
        "grad: the function must return a 0-d value, got a dict",
    ),
    "a forgotten has_aux": (
        lambda: ac.grad(lambda x: (np.sum(x), x))(X),
        GraphError,
        r"got a tuple of two \(has_aux=True takes a value and auxiliary data\)",
    ),
    "no pair": (
        lambda: ac.grad(np.sum, has_aux=True)(X),
        ArgumentError,
        r"with has_aux=True the function must return a pair \(output, auxiliary data\), got a Tensor",
    ),
    "an output that is no array": (
        lambda: ac.vjp(lambda x: {"y": x, "name": ["n"]}, X),
        DTypeError,
        r"vjp: the output\['name'\]\[0\]: tensor: data must be numeric",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_error(name):
    attempt, error, message = ERRORS[name]
    with pytest.raises(error, match=message) as caught:
        attempt()
    assert "called at test_containers.py:" in str(caught.value)


# -- checkpoint --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("create", [False, True], ids=["first order", "second order"])
def test_checkpoint_of_containers(create):
    def f(p, q):
        h = np.tanh(p["x"] @ p["w"][0])
        return {"h": h, "rest": [np.sum(h * q), 3, None, np.ones(2)], "x": p["x"]}

    def run(through):
        x, w, q = (Tensor(a.copy(), requires_grad=True) for a in (X, W, np.full(2, 0.5)))
        out = through(f, {"x": x * 1.0, "w": [w]}, q)
        assert out["rest"][1:3] == [3, None] and out["h"].shape == (4, 2)
        total = np.sum(out["h"] ** 2) * out["rest"][0] + np.sum(out["x"] * X)
        total.backward(create_graph=create)
        if create:
            grads = [t.grad for t in (x, w, q)]
            x.grad = w.grad = q.grad = None
            sum(np.sum(g * g) for g in grads).backward()
        return [total.data, *(t.grad.data for t in (x, w, q))]

    close(run(ac.checkpoint), run(lambda f, *args: f(*args)))


def test_checkpoint_keeps_dtypes():
    x = Tensor(np.ones(3, np.float32), requires_grad=True)
    a, b = ac.checkpoint(lambda x: (x * 2, x.astype(np.float64)), x)
    assert a.dtype == np.float32 and b.dtype == np.float64 and a.requires_grad and b.requires_grad
    np.sum(a * b).backward()
    assert x.grad.dtype == np.float32 and np.array_equal(x.grad.data, [4, 4, 4])
