"""`check_grads`: accepts what is right, rejects what is wrong by a hair, refuses what it cannot judge."""

import collections

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor, check_grads, op
from autograd_core.check import GradientError, UndecidedError
from autograd_core.errors import ArgumentError, AutogradError, DTypeError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 3))
V = RNG.uniform(0.5, 2.0, 4)
EPS = 1e-5


def centred(x):
    return x - np.mean(x, axis=0)


def batch_norm(coefficient, divisor=None):
    """Batch normalization as one operator with its hand-derived backward; the right coefficient is 1."""

    @op("composite", latex="u", derivative={"x": "u'"}, analytic=True)
    def norm(x):
        """Normalized over the batch."""
        return centred(x) / np.sqrt(np.mean(centred(x) ** 2, axis=0) + EPS)

    def rule(g, x, out):
        n = divisor or x.shape[0]
        deviation = np.sqrt(np.mean(centred(x) ** 2, axis=0) + EPS)
        return (g - np.sum(g, axis=0) / n - coefficient * out * (np.sum(g * out, axis=0) / n)) / deviation

    return norm.vjp(x=rule)


RIGHT = {
    "analytic": (lambda x: np.sin(x) * np.exp(x), [X]),
    "several arguments": (lambda x, v: x[:4, 0] * v + np.log(v), [X, V]),
    "piecewise": (lambda x: ac.relu(x) + np.abs(x) + np.maximum(x, 0.1), [X]),
    "scalar": (lambda v: np.prod(v), [V]),
    "number": (lambda s: s**3, [0.7]),
    "several outputs": (lambda v: (np.sqrt(v), np.sum(v * v)), [V]),
    "batch norm": (batch_norm(1), [X]),
    "batch norm of primitives": (lambda x: centred(x) / np.sqrt(np.var(x, axis=0) + EPS), [X]),
    "linear": (lambda x: x @ np.ones(3), [X]),
    "with other arguments": (lambda v, k, name: v**k, [V, 3, "x"]),
    "softmax": (lambda x: np.exp(x - ac.logsumexp(x, axis=1, keepdims=True)), [X]),
    "an index": (lambda v, i: v[i] ** 2, [V, np.array([0, 2])]),
    "tensor": (np.tanh, [Tensor(V)]),
    "some zero elements": (lambda v: v[:2] ** 2, [V]),
    "small": (lambda v: 1e-6 * np.sin(v), [V]),
    "large": (lambda v: 1e6 * np.sin(1e3 * v) / 1e3, [V]),
    "near the border of its domain": (np.log, [np.array([1e-4, 1.0])]),
    "a cast": (lambda v: np.sum(v * v, dtype=np.float64), [V]),
    "in place": (lambda v: write(v), [V]),
}


def write(v):
    y = v * 1.0
    y[0] = y[1] * y[2]
    return y * y


@pytest.mark.parametrize("name", RIGHT)
def test_accepts(name):
    f, args = RIGHT[name]
    check_grads(f, args)


@pytest.mark.parametrize("name", ["analytic", "batch norm of primitives", "softmax", "several arguments"])
def test_accepts_float32(name):
    f, args = RIGHT[name]
    check_grads(f, [a.astype(np.float32) for a in args], order=1)


def test_third_order():
    check_grads(lambda v: np.sin(v) * v, [V], order=3)


@pytest.mark.parametrize("mode", ["fwd", "rev"])
@pytest.mark.parametrize("coefficient", [3, 0, 1.001, 0.999, -1])
def test_rejects_a_batch_norm_with_a_wrong_coefficient(coefficient, mode):
    with pytest.raises(GradientError, match="derivative of order 1 in argument 0"):
        check_grads(batch_norm(coefficient), [X], modes=(mode,))


def test_rejects_a_batch_norm_with_another_divisor():
    with pytest.raises(GradientError):
        check_grads(batch_norm(1, divisor=len(X) - 1), [X])


@pytest.mark.parametrize("coefficient", [1, 3])
def test_a_sum_that_hides_the_coefficient_is_undecided(coefficient):
    """Batch norm's outputs sum to zero whatever the input: comparing zero with zero accepts any coefficient."""
    norm = batch_norm(coefficient)
    for f in (lambda x: norm(x).sum(), lambda x: np.sum(norm(x), axis=0)):
        with pytest.raises(UndecidedError, match="must not be zero everywhere, got at most"):
            check_grads(f, [X])


def off_by(first=1.0, second=1.0):
    """The cube with its first derivative, or only its derivative's derivative, off by a factor."""

    @op("elementwise", latex="{a}^3", derivative={"a": "3a^2"})
    def cube(a):
        """a ** 3."""
        return a**3

    def rule(g, a):
        h = g * 3 * a**2 * first
        return h + (h - ac.stop_gradient(h)) * (second - 1)

    return cube.vjp(a=rule)


@pytest.mark.parametrize("mode", ["fwd", "rev"])
def test_rejects_a_thousandth(mode):
    check_grads(off_by(), [V], modes=(mode,))
    with pytest.raises(GradientError, match="order 1"):
        check_grads(off_by(first=1.001), [V], modes=(mode,))
    with pytest.raises(GradientError, match="order 2"):
        check_grads(off_by(second=1.001), [V], modes=(mode,))
    check_grads(off_by(second=1.001), [V], order=1, modes=(mode,))


def test_an_error_in_a_single_element_is_found_and_named():
    @op("elementwise", latex="{a}")
    def odd(a):
        """a ** 2."""
        return a**2

    wrong = np.ones((6, 3))
    wrong[4, 1] = 1.001
    odd.vjp(a=lambda g, a: g * 2 * a * wrong)
    message = (
        r"reverse-mode derivative of order 1 in argument 0 must equal the numerical one, got .* in element \(4, "
        r"1\), the worst of 18; "
        r"correct the rule of an operator among odd\. in: check_grads, called at test_check.py:"
    )
    with pytest.raises(GradientError, match=message):
        check_grads(odd, [X], modes=("rev",))


def test_a_missing_path_is_found():
    with pytest.raises(GradientError):
        check_grads(lambda v: v * ac.stop_gradient(v), [V])


UNDECIDED = {
    "no dependence": (lambda a, b: a * 2, [V, V], "the gradient in argument 1 must not be zero everywhere"),
    "piecewise constant": (np.sign, [V], "zero everywhere"),
    "a kink": (
        ac.relu,
        [np.array([1.0, 0.0, -1.0])],
        r"must be precise to judge by, got an error bound of .* in argument 0, element \(1,\): a kink",
    ),
    "a softmax summed": (
        lambda x: np.sum(np.exp(x - ac.logsumexp(x))),
        [V],
        "a wrong rule could not be told from a right one",
    ),
    "a constant": (lambda v: np.ones(3), [V], "operators: none"),
}


@pytest.mark.parametrize("name", UNDECIDED)
def test_undecided(name):
    f, args, message = UNDECIDED[name]
    with pytest.raises(UndecidedError, match=message) as caught:
        check_grads(f, args)
    assert isinstance(caught.value, AutogradError) and isinstance(caught.value, AssertionError)
    assert "check_grads: undecided" in str(caught.value) and "called at test_check.py:" in str(caught.value)


BAD = {
    "order": (lambda: check_grads(np.exp, [V], order=0), ArgumentError, "order must be at least 1.*got order=0"),
    "modes": (lambda: check_grads(np.exp, [V], modes=("forward",)), ArgumentError, "modes among 'fwd' and 'rev'"),
    "integers": (
        lambda: check_grads(np.exp, [np.arange(3)]),
        DTypeError,
        r"an argument must be floating and not empty, got \['ndarray'\]",
    ),
    "empty": (lambda: check_grads(np.exp, [np.zeros(0)]), DTypeError, "not empty"),
}


@pytest.mark.parametrize("name", BAD)
def test_error(name):
    attempt, error, message = BAD[name]
    with pytest.raises(error, match=message) as caught:
        attempt()
    assert "called at test_check.py:" in str(caught.value)


def test_it_leaves_its_arguments_and_the_random_state_alone():
    x = Tensor(X.copy(), requires_grad=True)
    state, before = ac.random.get_state(), x.data.copy()
    check_grads(np.tanh, [x])
    assert x.grad is None and np.array_equal(x.data, before) and ac.random.get_state() == state


def test_a_mask_of_infinities_does_not_hide_a_wrong_gradient():
    mask = np.array([0.0, -np.inf, 0.0])
    x = np.array([1.0, 2.0, 3.0])
    check_grads(lambda x: np.exp(x + mask), (x,), order=1)

    @op("elementwise", latex="{a}", derivative={"a": "1"})
    def wrong(a):
        return np.exp(a)

    wrong.vjp(a=lambda g, out: g * out * 1.001)
    with pytest.raises(GradientError):
        check_grads(lambda x: wrong(x + mask), (x,), order=1)


# -- containers, several outputs, other arguments ----------------------------------------------------------------------


def layers(p, x):
    h = np.tanh(x @ p["layers"][0] + p["bias"])
    return {"hidden": h, "norms": (np.sum(h * h, axis=0), None), "count": 3, "largest": np.argmax(h)}


PARAMETERS = {"layers": [RNG.normal(size=(3, 2))], "bias": RNG.normal(size=2)}


def test_accepts_nested_containers():
    check_grads(layers, (PARAMETERS, X[:2]))
    check_grads(lambda pair, n: (pair[0] ** n, pair[1]["v"] * pair[0][0]), ((V, {"v": V, "k": 2, "s": "x"}), 3))


@pytest.mark.parametrize("mode", ["fwd", "rev"])
def test_an_error_in_a_container_is_named_by_its_place(mode):
    def f(p):
        return p["a"] ** 2, p["b"][0], off_by(first=1.001)(p["b"][1])

    message = r"argument 0\['b'\]\[1\] must equal the numerical one, got .* in element \(\d,\), the worst of 4"
    with pytest.raises(GradientError, match=message):
        check_grads(f, [{"a": V, "b": [V, V]}], modes=(mode,))


def test_no_dependence_on_a_part_of_a_container_is_undecided():
    Layer = collections.namedtuple("Layer", "weight scale")
    with pytest.raises(UndecidedError, match=r"the gradient in argument 1\.scale must not be zero everywhere"):
        check_grads(lambda x, layer: x * layer.weight, [V, Layer(V, 2.0)])


def test_an_error_in_one_of_several_outputs_is_found():
    with pytest.raises(GradientError):
        check_grads(lambda v: (v**2, {"x": off_by(first=1.001)(v)}), [V], order=1)


# -- orders and modes --------------------------------------------------------------------------------------------------


def not_linear():
    """The cube with a rule that is right, but wrong where it is differentiated in its cotangent (or tangent)."""

    @op("elementwise", latex="{a}^3", derivative={"a": "3a^2"})
    def cube(a):
        """a ** 3."""
        return a**3

    return cube.vjp(a=lambda g, a: (g + (g - ac.stop_gradient(g)) * 1e-3) * 3 * a**2)


SECOND = {
    "the tangent of the operand varies": (lambda cube: lambda v: cube(v**2), "fwd"),
    "the cotangent of the result varies": (lambda cube: lambda v: cube(v) ** 2, "rev"),
}


@pytest.mark.parametrize("name", SECOND)
def test_second_order_is_checked_over_each_mode(name):
    """The gradient and the directional derivative go through different rules; each is differentiated in both modes."""
    composed, mode = SECOND[name]
    f = composed(not_linear())
    other = "fwd" if mode == "rev" else "rev"
    check_grads(f, [V], order=1)
    check_grads(f, [V], modes=(other,))
    word = {"fwd": "forward", "rev": "reverse"}[mode]
    with pytest.raises(GradientError, match=f"{word}-over-{word}-mode derivative of order 2 in argument 0"):
        check_grads(f, [V], modes=(mode,))
    with pytest.raises(GradientError, match=f"(forward|reverse)-over-{word}-mode derivative of order 2"):
        check_grads(f, [V])


@pytest.mark.parametrize("modes", [("fwd",), ("rev",), ("rev", "fwd")])
def test_third_order_in_all_modes(modes):
    check_grads(lambda v: np.sin(v) * v[::-1], [V[:2]], order=3, modes=modes)


# -- when the complex step would lie -----------------------------------------------------------------------------------


@op("elementwise", latex="{a}", derivative={"a": "1"}, analytic=True)
def bent(a):
    """Claims to be analytic, and is not: a for a > 0, a / 2 below."""
    return np.where(a > 0, a, a / 2)


bent.vjp(a=lambda g, a: g * np.where(a > 0, 1.0, 0.5))


def branching(v):
    return v * v if v.data[0] > 0 else v * 3.0


LYING = {
    "a kink in an operator that claims to be analytic": (bent, [np.array([1.0, 0.0, -1.0])]),
    "a branch on the value at the border": (branching, [np.array([0.0, 1.0])]),
    "np.where at the border": (lambda v: np.where(v > 0, v, v * 0.5), [np.array([0.0, 1.0])]),
}


@pytest.mark.parametrize("name", LYING)
def test_a_kink_is_seen_where_all_operators_are_analytic(name):
    f, args = LYING[name]
    with pytest.raises(UndecidedError, match="must be precise to judge by, got an error bound of"):
        check_grads(f, args, order=1)


def test_branches_away_from_their_border_are_fine():
    check_grads(bent, [np.array([1.0, -1.0])])
    check_grads(branching, [V])
    check_grads(branching, [-V], order=1)


def test_a_function_that_refuses_complex_numbers():
    def f(v):
        assert v.dtype.kind == "f", "not for complex numbers"
        return np.exp(v)

    check_grads(f, [V])


def test_functions_that_use_methods_of_tensors():
    check_grads(lambda v: v.exp().sum() * v.tanh(), [V])


def test_random_draws_are_replayed():
    def dropout(v):
        return v**2 * ac.random.normal(size=v.shape)

    ac.random.seed(3)
    state = ac.random.get_state()
    check_grads(dropout, [V])
    assert ac.random.get_state() == state


def test_a_function_with_a_memory_is_undecided():
    calls = []

    def f(v):
        calls.append(0)
        return v * len(calls)

    with pytest.raises(UndecidedError, match="must give the same value when it is called again, got another"):
        check_grads(f, [V])


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda v: np.argmax(v.data), "must return floating arrays, got none"),
        (lambda v: {"label": "x", "n": 3}, "got none"),
        (lambda v: v.data * 1j, "got complex ones"),
    ],
    ids=["integers", "nothing", "complex"],
)
def test_outputs_that_are_not_floating(f, message):
    with pytest.raises(DTypeError, match=message):
        check_grads(f, [V])
