"""NumPy's and SciPy's ufuncs on tensors beyond the generated tests: compositions, methods, keywords, conventions."""

import numpy as np
import pytest
import scipy.special as special

import autograd_core as ac
from autograd_core import Tensor, check_grads
from autograd_core.errors import DTypeError, GraphError, NoRuleError, ShapeError

X = np.array([[0.55, 1.45, 2.6], [3.1, 0.25, 1.05]])
V = np.array([0.4, -1.3, 2.2])


def gradient(f, *arrays):
    return ac.grad(lambda *xs: np.sum(f(*xs)), argnums=tuple(range(len(arrays))))(*map(np.asarray, arrays))


COMPOSED = {
    "divmod": lambda t: np.divmod(t, 0.7)[1],
    "modf": lambda t: np.modf(t)[0],
    "frexp": lambda t: np.frexp(t + 0.01)[0],
    "float_power": lambda t: np.float_power(t, 1.5),
    "float_power of a number": lambda t: np.float_power(2, t),
    "deg2rad": np.deg2rad,
    "radians": np.radians,
    "rad2deg": np.rad2deg,
    "degrees": np.degrees,
    "conj": np.conj,
    "real": np.real,
    "i0": np.i0,
    "sinc": np.sinc,
    "dtype": lambda t: np.multiply(t, t, dtype=np.float64),
    "huber, r": lambda t: special.huber(1.2, t),
    "huber, delta": lambda t: special.huber(t, np.array([0.1, 5.0, -1.1])),
    "pseudo_huber": lambda t: special.pseudo_huber(t, t * 2),
    "eval_sh_legendre": lambda t: special.eval_sh_legendre(3, t),
    "eval_sh_chebyt": lambda t: special.eval_sh_chebyt(3, t),
    "eval_sh_chebyu": lambda t: special.eval_sh_chebyu(3, t),
    "eval_chebyc": lambda t: special.eval_chebyc(3, t),
    "eval_chebys": lambda t: special.eval_chebys(3, t),
    "kn": lambda t: special.kn(2, t),
    "yn": lambda t: special.yn(2, t),
    "jn": lambda t: special.jn(2, t),
    "jve": lambda t: special.jve(1.5, t),
    "yve": lambda t: special.yve(1.5, t),
    "jvp, a Python function of ufuncs": lambda t: special.jvp(1.5, t),
    "zeta, a Python function of ufuncs": lambda t: special.zeta(2.5, t),
    "chdtr": lambda t: special.chdtr(3.0, t),
    "chdtrc": lambda t: special.chdtrc(3.0, t),
    "chdtri": lambda t: special.chdtri(3.0, t / 4),
    "gdtr": lambda t: special.gdtr(1.5, 2.0, t),
    "gdtrc": lambda t: special.gdtrc(t, 2.0, 0.8),
    "fdtr": lambda t: special.fdtr(3.0, 4.0, t),
    "fdtrc": lambda t: special.fdtrc(3.0, 4.0, t),
    "pdtr": lambda t: special.pdtr(2, t),
    "pdtrc": lambda t: special.pdtrc(2, t),
    "bdtr": lambda t: special.bdtr(2, 5, t / 4),
    "bdtrc": lambda t: special.bdtrc(2, 5, t / 4),
    "nbdtr": lambda t: special.nbdtr(2, 3, t / 4),
    "nbdtrc": lambda t: special.nbdtrc(2, 3, t / 4),
    "radian": lambda t: special.radian(t, 3.0, t),
    "special.expm1": special.expm1,
    "special.log1p": special.log1p,
    "special.exp2": special.exp2,
    "special.cbrt": special.cbrt,
    "add.accumulate": lambda t: np.add.accumulate(t),
    "multiply.accumulate": lambda t: np.multiply.accumulate(t, axis=-1),
    "multiply.outer": lambda t: np.multiply.outer(t, t[0]),
    "subtract.outer": lambda t: np.subtract.outer([1.0, 2.0], t),
    "power.outer": lambda t: np.power.outer(t, V),
    "add.reduce with where": lambda t: np.add.reduce(t, axis=1, where=X > 1, initial=2.0),
    "fmax.reduce": lambda t: np.fmax.reduce(t, axis=1),
    "fmin.reduce": lambda t: np.fmin.reduce(t, axis=None),
    **{
        f"{name}[{i}]": lambda t, name=name, i=i: getattr(special, name)(t)[i]
        for name, count in (("sici", 2), ("shichi", 2), ("fresnel", 2), ("iti0k0", 2), ("itj0y0", 2), ("airy", 4))
        for i in range(count)
    },
}


@pytest.mark.parametrize("name", COMPOSED)
def test_composed_functions(name):
    f = COMPOSED[name]
    out, expected = f(Tensor(X, requires_grad=True)), f(X)
    assert type(out) is Tensor and out.requires_grad and out.shape == expected.shape
    np.testing.assert_allclose(out.data, expected, rtol=1e-12)
    check_grads(f, (X,))


@pytest.mark.parametrize("name", ["modf", "frexp", "deg2rad", "sinc", "i0", "conj", "float_power", "divmod"])
def test_dtypes_are_numpys(name):
    x = X.astype(np.float32)
    t = Tensor(x, requires_grad=True)
    out = COMPOSED[name](t)
    assert out.dtype == COMPOSED[name](x).dtype
    out.sum().backward()
    assert t.grad.dtype == np.float32


def test_pairs():
    x = np.array([2.75, -2.75, -0.0, np.inf, -np.inf])
    for ours, plain in zip(np.modf(Tensor(x)), np.modf(x), strict=True):
        np.testing.assert_array_equal(ours.data, plain)
        np.testing.assert_array_equal(np.signbit(ours.data), np.signbit(plain))
    mantissa, exponent = np.frexp(Tensor(X, requires_grad=True))
    assert mantissa.requires_grad and not exponent.requires_grad
    np.testing.assert_array_equal(exponent.data, np.frexp(X)[1])
    whole, rest = np.divmod(Tensor(X, requires_grad=True), V)
    np.testing.assert_array_equal(whole.data, np.divmod(X, V)[0])
    np.testing.assert_array_equal(rest.data, np.divmod(X, V)[1])


NAN = np.nan
CONVENTIONS = {
    "hypot at the origin": (np.hypot, [[0.0, 3.0], [0.0, 4.0]], [[0, 0.6], [0, 0.8]]),
    "fmax, tie": (np.fmax, [[1.0, 2.0], [1.0, 0.0]], [[0.5, 1], [0.5, 0]]),
    "fmin, tie": (np.fmin, [[1.0, 2.0], [1.0, 0.0]], [[0.5, 0], [0.5, 1]]),
    "fmax, NaN": (np.fmax, [[NAN, 2.0, NAN], [1.0, NAN, NAN]], [[0, 1, 0.5], [1, 0, 0.5]]),
    "copysign at 0": (np.copysign, [[0.0, -2.0], [-1.0, 3.0]], [[0, -1], [0, 0]]),
    "heaviside": (np.heaviside, [[-1.0, 0.0, 2.0], [0.3, 0.4, 0.5]], [[0, 0, 0], [0, 1, 0]]),
    "spacing": (np.spacing, [[1.5, 2.5]], [[0, 0]]),
    "fix": (np.fix, [[1.5, -2.5]], [[0, 0]]),
    "angle": (np.angle, [[1.5, -2.5]], [[0, 0]]),
    "imag": (np.imag, [[1.5, -2.5]], [[0, 0]]),
    "sinc at 0": (np.sinc, [[0.0]], [[0]]),
    "xlogy at 0": (special.xlogy, [[0.0, 0.0], [0.0, 2.0]], [[0, np.log(2)], [0, 0]]),
    "xlog1py at 0": (special.xlog1py, [[0.0, 0.0], [-1.0, 1.0]], [[0, np.log(2)], [0, 0]]),
    "i0e at 0": (special.i0e, [[0.0]], [[0]]),
    "expn of 0": (lambda a: special.expn(np.array([0, 1, 2]), a), [[1.0, 1.0, 1.0]], None),
    "boxcox, lmbda 0": (special.boxcox, [[np.e], [0.0]], [[1 / np.e], [0.5]]),
    "inv_boxcox, lmbda 0": (special.inv_boxcox, [[1.0], [0.0]], [[np.e], [-np.e / 2]]),
    "digamma, left of 0": (special.digamma, [[-0.5]], [[np.pi**2 - special.polygamma(1, 1.5)]]),
    "special.round": (special.round, [[1.2, 2.7]], [[0, 0]]),
}


@pytest.mark.parametrize("name", CONVENTIONS)
def test_conventions(name):
    f, arrays, expected = CONVENTIONS[name]
    actual = gradient(f, *arrays)
    if expected is None:
        expected = [-np.array([2 * np.exp(-1.0), np.exp(-1.0), special.expn(1, 1.0)])]
    for g, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(g, np.asarray(e, float), rtol=1e-13)


def test_second_derivative_of_sinc_at_0():
    np.testing.assert_allclose(ac.hessian(lambda x: np.sum(np.sinc(x)))(np.zeros(1)), [[-(np.pi**2) / 3]])


def test_log_ndtr_far_to_the_left():
    x = np.array([-30.0, -1e4])
    np.testing.assert_allclose(gradient(special.log_ndtr, x)[0], -x + 1 / -x, rtol=1e-5)


def test_angle_of_negative_numbers():
    x = np.array([1.5, -2.5], np.float32)
    for deg in (False, True):
        out = np.angle(Tensor(x, requires_grad=True), deg=deg)
        assert out.dtype == np.float32 and out.requires_grad
        np.testing.assert_allclose(out.data, np.angle(x, deg), rtol=1e-6)


def test_dtype_of_a_ufunc_converts_the_operands_first():
    x = np.array([1.0, 3.0], np.float32)
    t = Tensor(x, requires_grad=True)
    out = np.divide(t, np.float32(3), dtype=np.float64)
    np.testing.assert_array_equal(out.data, np.divide(x, np.float32(3), dtype=np.float64))
    out.sum().backward()
    assert t.grad.dtype == np.float32
    with pytest.raises(DTypeError, match="what is recorded must be real"):
        np.add(t, 1, dtype=complex)


INTEGERS = {
    "gcd": lambda t: np.gcd(t, 12),
    "lcm": lambda t: np.lcm(t, 12),
    "left_shift": lambda t: np.left_shift(t, 2),
    "right_shift": lambda t: np.right_shift(t, 1),
    "bitwise_count": np.bitwise_count,
    "bitwise_or.reduce": np.bitwise_or.reduce,
    "gcd.reduce": np.gcd.reduce,
    "logical_xor": lambda t: np.logical_xor(t, True),
}


@pytest.mark.parametrize("name", INTEGERS)
def test_functions_of_integers_have_no_gradient(name):
    i = np.array([4, 6, 18])
    out = INTEGERS[name](Tensor(i))
    assert type(out) is Tensor and not out.requires_grad
    np.testing.assert_array_equal(out.data, INTEGERS[name](i))


T = Tensor(X, requires_grad=True)
REFUSED = {
    r"^gcd: the operands must have types that NumPy accepts": (DTypeError, lambda: np.gcd(T, 2)),
    r"^nextafter: a NumPy function must have a gradient rule": (NoRuleError, lambda: np.nextafter(T, 2.0)),
    r"^maximum.accumulate: a NumPy function must": (NoRuleError, lambda: np.maximum.accumulate(T)),
    r"^subtract.reduce: a NumPy function must": (NoRuleError, lambda: np.subtract.reduce(T)),
    r"^add.reduceat: a NumPy function must": (NoRuleError, lambda: np.add.reduceat(T, [0, 1])),
    r"^add.at: an array that a ufunc writes into .* write t\[indices\] = values, or np.bincount": (
        NoRuleError,
        lambda: np.add.at(X.copy(), 0, T),
    ),
    r"^multiply.outer: keyword arguments .* got \['dtype'\]": (
        NoRuleError,
        lambda: np.multiply.outer(T, T, dtype=np.float32),
    ),
    r"^add: keyword arguments of ufuncs must be left out with Tensors, got \['where'\]": (
        NoRuleError,
        lambda: np.add(T, 1.0, where=X > 1),
    ),
    r"^zetac: a NumPy function must have a gradient rule": (NoRuleError, lambda: special.zetac(T)),
    r"^_lambertw: .*called at test_numpy_ufuncs.py": (NoRuleError, lambda: special.lambertw(T)),
    r"^softmax: a function of SciPy .* use autograd_core.special.softmax, .*called at test_numpy_ufuncs.py": (
        NoRuleError,
        lambda: special.softmax(T),
    ),
    r"^logsumexp: .* use autograd_core.special.logsumexp": (NoRuleError, lambda: special.logsumexp(T, axis=0)),
    r"^log_softmax: .* use autograd_core.special.log_softmax": (NoRuleError, lambda: special.log_softmax(T)),
    r"^polygamma: .* use autograd_core.special.polygamma": (NoRuleError, lambda: special.polygamma(1, T)),
    r"^multigammaln: .* use autograd_core.special.multigammaln": (NoRuleError, lambda: special.multigammaln(T, 1)),
    r"^spherical_jn: .* use autograd_core.special.spherical_jn": (NoRuleError, lambda: special.spherical_jn(1, T)),
    r"^comb: .* use special.binom, or pass": (NoRuleError, lambda: special.comb(T, 2)),
    r"^ellip_normal: .* use a ufunc that has a rule, or declare it with @autograd_core.op": (
        NoRuleError,
        lambda: special.ellip_normal(T, 8.0, 1, 1),
    ),
    r"^jv: an argument without a gradient rule must be a constant": (GraphError, lambda: special.jv(T, X)),
    r"^gammainc: an argument without a gradient rule must be": (GraphError, lambda: special.gammainc(T, 1.0)),
    r"^hypot: the operands must fit together": (ShapeError, lambda: np.hypot(T, np.ones(4))),
    r"^conjugate: only real Tensors have a gradient here": (NoRuleError, lambda: np.conj(Tensor(X * 1j))),
    r"^real: only real Tensors have a gradient here": (NoRuleError, lambda: np.real(Tensor(X * 1j))),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_refused_says_why(message):
    error, call = REFUSED[message]
    with pytest.raises(error, match=message):
        call()


OURS = {
    "logsumexp": lambda m, t: m.logsumexp(t, axis=1, keepdims=True),
    "logsumexp, weights": lambda m, t: m.logsumexp(t, axis=0, b=np.array([[0.5], [2.0]])),
    "softmax": lambda m, t: m.softmax(t, axis=1),
    "log_softmax": lambda m, t: m.log_softmax(t, axis=(0, 1)),
    "polygamma 0": lambda m, t: m.polygamma(0, t),
    "polygamma 3": lambda m, t: m.polygamma(3, t),
    "multigammaln": lambda m, t: m.multigammaln(t + 2, 3),
    "spherical_jn": lambda m, t: m.spherical_jn(2, t),
    "zeta": lambda m, t: m.zeta(3.5, t),
}


@pytest.mark.parametrize("name", OURS)
def test_ours_for_python_functions_of_scipy(name):
    f = OURS[name]
    np.testing.assert_allclose(f(ac.special, X), f(special, X), rtol=1e-13)
    assert not isinstance(f(ac.special, X), Tensor)
    check_grads(lambda t: f(ac.special, t) * X[0], (X,))


def test_weights_of_logsumexp():
    check_grads(lambda a, b: ac.logsumexp(a, b=b, axis=1), (X, X + 0.5))
    a, b = np.array([0.3, np.inf, 0.1]), np.array([1.0, 0.0, 2.0])
    g_a, g_b = gradient(lambda a, b: ac.logsumexp(a, b=b), a, b)
    assert g_a[1] == 0 and np.isfinite(g_a).all() and np.isfinite(g_b[[0, 2]]).all()


def test_numbers_do_not_decide_the_dtype_in_special_functions():
    x = X.astype(np.float32)
    for f in (
        lambda t: special.xlogy(t, 2.0),
        lambda t: special.xlogy(2.0, t),
        lambda t: special.jv(1.5, t),
        lambda t: special.gammainc(1.5, t),
        lambda t: special.hyp2f1(1.0, 2.0, 3.0, t / 4),
        lambda t: special.ellipkinc(t, 0.3),
        lambda t: special.boxcox(t, 0.5),
        lambda t: ac.special.polygamma(2, t),
    ):
        t = Tensor(x, requires_grad=True)
        out = f(t)
        assert out.dtype == np.float32
        np.testing.assert_allclose(out.data, f(Tensor(x.astype(float))).data, rtol=2e-5)
        out.sum().backward()
        assert t.grad.dtype == np.float32


@pytest.mark.filterwarnings("ignore:floating point number truncated")
@pytest.mark.parametrize("name", ["kn", "yn"])
def test_functions_of_whole_orders_drop_the_fraction_as_scipy_does(name):
    ufunc = getattr(special, name)
    t = ac.tensor(np.array([0.3, 1.2]), requires_grad=True)
    np.testing.assert_allclose(ufunc(1.5, t).data, ufunc(1.5, np.array([0.3, 1.2])), rtol=1e-12)
    np.testing.assert_allclose(ufunc(2, t).data, ufunc(2, np.array([0.3, 1.2])), rtol=1e-12)
