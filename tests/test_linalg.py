"""`np.linalg` on tensors: values and derivatives of every function, where they are not unique, and what is refused."""

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor
from autograd_core.errors import ArgumentError, AutogradError, DTypeError, NoRuleError, ShapeError
from duck import DuckArray, unwrap, wrap

L = np.linalg
RNG = np.random.default_rng(0)
A, ONE = RNG.normal(size=(3, 3)), RNG.normal(size=3)
TALL, WIDE, STACK = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 4)), RNG.normal(size=(2, 3, 3))
FOUR, TENSOR = RNG.normal(size=4), RNG.normal(size=(2, 3, 6))
SMALL = RNG.normal(size=(2, 2, 2))
EYE = np.eye(3)


def t(a):
    return np.swapaxes(a, -1, -2)


def symmetric(a):
    return (a + t(a)) / 2


def positive(a):
    return a @ t(a) + EYE


CASES = {
    "cholesky": (lambda a: L.cholesky(positive(a)), STACK),
    "cholesky, upper": (lambda a: L.cholesky(positive(a), upper=True), A),
    "eigh": (lambda a: L.eigh(symmetric(a)), A),
    "eigh, UPLO": (lambda a: L.eigh(symmetric(a), "u"), STACK),
    "eigvalsh": (lambda a: L.eigvalsh(symmetric(a)), STACK),
    "svd": (lambda a: L.svd(a, full_matrices=False), TALL),
    "svd, wide": (lambda a: L.svd(a, full_matrices=False), WIDE),
    "svd, square": (L.svd, STACK),
    "svd, values": (lambda a: L.svd(a, compute_uv=False), TALL),
    "svd, hermitian": (lambda a: L.svd(symmetric(a), compute_uv=False, hermitian=True), A),
    "svdvals": (L.svdvals, STACK),
    "qr": (L.qr, TALL),
    "qr, wide": (L.qr, WIDE),
    "qr, r": (lambda a: L.qr(a, "r"), STACK),
    "qr, complete": (lambda a: L.qr(a, mode="complete"), A),
    "inv": (L.inv, STACK),
    "pinv": (L.pinv, TALL),
    "pinv, rtol": (lambda a: L.pinv(a, rtol=1e-10), WIDE),
    "pinv, rtol None": (lambda a: L.pinv(a, rtol=None), STACK),
    "pinv, rcond of a stack": (lambda a: L.pinv(a, np.array([1e-12, 1e-10])), STACK),
    "det": (L.det, STACK),
    "slogdet": (L.slogdet, A),
    "slogdet, stack": (lambda a: L.slogdet(a).logabsdet, STACK),
    "solve": (L.solve, A, ONE),
    "solve, matrices": (L.solve, STACK, TALL.T),
    "solve, a stack and a vector": (L.solve, STACK, ONE),
    "tensorsolve": (L.tensorsolve, TENSOR, TENSOR[:, :, 0]),
    "tensorsolve, axes": (lambda a, b: L.tensorsolve(a, b, axes=(0,)), np.moveaxis(TENSOR, 2, 0), TENSOR[:, :, 0]),
    "tensorinv": (L.tensorinv, TENSOR),
    "tensorinv, ind": (lambda a: L.tensorinv(a, ind=1), np.moveaxis(TENSOR, 2, 0)),
    "lstsq": (lambda a, b: L.lstsq(a, b)[:2], TALL, FOUR),
    "lstsq, several": (lambda a, b: L.lstsq(a, b, rcond=-1)[:2], TALL, WIDE.T),
    "lstsq, wide": (lambda a, b: L.lstsq(a, b)[0], WIDE, ONE),
    "lstsq, singular values": (lambda a: L.lstsq(a, ONE)[3], TALL[:3, :2]),
    "matrix_power 1": (lambda a: L.matrix_power(a, 1), A),
    "matrix_power 2": (lambda a: L.matrix_power(a, 2), STACK),
    "matrix_power 5": (lambda a: L.matrix_power(a, np.int64(5)), A),
    "matrix_power -3": (lambda a: L.matrix_power(a, -3), A),
    "multi_dot": (lambda a, b, c: L.multi_dot([a, b, c, EYE]), TALL, WIDE, TALL),
    "multi_dot, vectors": (lambda a, b, c: L.multi_dot([a, b, c]), ONE, WIDE, FOUR),
    "multi_dot, two": (lambda a, b: L.multi_dot([a, b]), FOUR, TALL),
    "norm": (L.norm, STACK),
    "vector_norm, all": (lambda a: L.vector_norm(a, keepdims=True), STACK),
    "matmul": (L.matmul, STACK, A),
    "tensordot": (lambda a, b: L.tensordot(a, b, axes=1), STACK, A),
    "linalg.vecdot": (lambda a, b: L.vecdot(a, b, axis=0), TALL, TALL[::-1]),
    "vecdot": (np.vecdot, STACK, A),
    "cross": (L.cross, TALL, TALL[::-1]),
    "outer": (L.outer, ONE, FOUR),
    "diagonal": (lambda a: L.diagonal(a, offset=1), STACK),
    "trace": (lambda a: L.trace(a, offset=-1), STACK),
    "matrix_transpose": (L.matrix_transpose, STACK),
    "cond, rectangular": (L.cond, TALL[:3, :2]),
}
for _name, _operands in (("matvec", (STACK, ONE)), ("vecmat", (STACK[:, 0], STACK))):
    if hasattr(np, _name):  # since NumPy 2.2
        CASES[_name] = (getattr(np, _name), *_operands)
VECTOR_ORDERS = [None, 2, 1, 3, 1.5, 0.5, -1, -2, np.inf, -np.inf]
MATRIX_ORDERS = [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf]
for _order in VECTOR_ORDERS:
    CASES[f"norm {_order}"] = (lambda x, o=_order: L.norm(x, o), ONE)
    CASES[f"norm {_order} of rows"] = (lambda x, o=_order: L.norm(x, o, axis=-1, keepdims=True), TALL[:, :2])
    CASES[f"vector_norm {_order}"] = (
        lambda x, o=_order: L.vector_norm(x, ord=2 if o is None else o, axis=(0, 2)),
        SMALL,
    )
for _order in MATRIX_ORDERS:
    CASES[f"norm {_order} of a matrix"] = (lambda x, o=_order: L.norm(x, o), TALL[:, :2])
    CASES[f"norm {_order} of matrices"] = (lambda x, o=_order: L.norm(x, o, axis=(2, 0), keepdims=True), SMALL)
    CASES[f"matrix_norm {_order}"] = (lambda x, o=_order: L.matrix_norm(x, ord=o or "fro", keepdims=True), SMALL)
    CASES[f"cond {_order}"] = (lambda x, o=_order: L.cond(x, o), SMALL)


def several(out):
    return out if isinstance(out, tuple) else (out,)


@pytest.mark.parametrize("name", CASES)
def test_value_and_derivatives(name):
    f, *arrays = CASES[name]
    expected = f(*arrays)
    out = f(*(Tensor(a, requires_grad=True) for a in arrays))
    for y, e in zip(several(out), several(expected), strict=True):
        assert y.requires_grad and y.shape == np.shape(e) and y.dtype == np.float64
        np.testing.assert_allclose(y.data, e, rtol=1e-11, atol=1e-12)
    if isinstance(expected, tuple) and hasattr(expected, "_fields"):
        assert out._fields == expected._fields
    # Stacks, and what takes several arrays, are made of the same operators, whose second order has tests of its own.
    ac.check_grads(f, arrays, order=2 if len(arrays) == 1 and arrays[0].ndim < 3 else 1)


@pytest.mark.parametrize("name", CASES)
def test_float32_stays_float32(name):
    f, *arrays = CASES[name]
    f = (
        f
        if name not in ("cholesky", "cholesky, upper")
        else (lambda a: L.cholesky(a @ t(a) + np.eye(3, dtype=a.dtype)))
    )
    f = f if name != "multi_dot" else (lambda a, b, c: L.multi_dot([a, b, c]))
    ts = [Tensor(a.astype(np.float32), requires_grad=True) for a in arrays]
    outputs = [y for y in several(f(*ts)) if isinstance(y, Tensor)]
    if name != "lstsq, singular values":
        assert all(y.dtype == np.float32 for y in outputs)
    sum(np.sum(y) for y in outputs).backward()
    assert all(x.grad.dtype == np.float32 for x in ts)


@pytest.mark.parametrize("name", [n for n in CASES if "lstsq" not in n])
def test_on_arrays_that_are_not_numpys(name):
    """The rank that `lstsq` returns is a number, which such an array does not give away."""
    f, *arrays = CASES[name]

    def gradients(kind):
        ts = [Tensor(kind(a), requires_grad=True) for a in arrays]
        sum(np.sum(y * y) for y in several(f(*ts))).backward()
        return [x.grad.data for x in ts]

    for g, e in zip(gradients(DuckArray), gradients(np.array), strict=True):
        assert isinstance(g, DuckArray)
        np.testing.assert_allclose(unwrap(g), e, rtol=1e-9, atol=1e-12)


def test_the_duck_keeps_named_results():
    assert isinstance(L.svd(DuckArray(A)).S, DuckArray) and isinstance(wrap(L.qr(A)).R, DuckArray)


# -- symmetric matrices ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f", [L.cholesky, L.eigvalsh, lambda a: L.eigh(a).eigenvectors], ids=["chol", "values", "vectors"]
)
def test_gradients_of_symmetric_matrices_are_symmetric_and_right_for_symmetric_changes(f):
    s = positive(A)
    weights = np.arange(1.0, 1 + f(s).size).reshape(f(s).shape)
    gradient = ac.grad(lambda a: np.sum(f(a) * weights))(s)
    np.testing.assert_array_equal(gradient, gradient.T)
    for i in range(3):
        for j in range(i + 1):
            change = np.zeros((3, 3))
            change[i, j] = change[j, i] = 1e-5
            up, down = (np.sum(f(s + d) * weights) for d in (change, -change))
            np.testing.assert_allclose(np.sum(gradient * change) * 2, up - down, rtol=1e-6, atol=1e-13)


def test_one_triangle_is_read_as_numpy_reads_it():
    a = np.array([[4.0, 1.5], [1.0, 3.0]])
    for f in (L.cholesky, lambda a: L.cholesky(a, upper=True), L.eigvalsh, lambda a: L.eigvalsh(a, "U")):
        np.testing.assert_allclose(f(Tensor(a)).data, f(a), rtol=1e-14)


# -- where derivatives are not unique, or do not exist -----------------------------------------------------------------


def test_equal_eigenvalues():
    """What does not depend on the choice of eigenvectors has its gradient."""
    q = L.qr(A).Q
    s = symmetric(q @ np.diag([2.0, 2.0, 5.0]) @ q.T)
    for f, expected in (
        (lambda a: np.sum(L.eigvalsh(a)), EYE),
        (lambda a: np.sum(L.eigvalsh(a) ** 2), 2 * s),
        (lambda a: np.prod(L.eigvalsh(a)), L.inv(s) * 20),
    ):
        np.testing.assert_allclose(ac.grad(f)(s), expected, rtol=1e-12, atol=1e-12)
    assert np.isfinite(ac.grad(lambda a: L.eigvalsh(a)[0])(s)).all()  # a subgradient

    def last(a):  # the eigenvector that is unique, up to its sign
        v = L.eigh(a).eigenvectors[:, 2]
        return v * v[0]

    h = 1e-6
    expected = (last(s + h * positive(A)) - last(s - h * positive(A))) / (2 * h)
    np.testing.assert_allclose(ac.jvp(last, (s,), (positive(A),))[1], expected, atol=1e-8)
    weights = np.arange(3.0)
    gradient = ac.grad(lambda a: np.sum(last(a) * weights))(s)
    np.testing.assert_allclose(np.sum(gradient * positive(A)), expected @ weights, atol=1e-8)


def test_equal_and_zero_singular_values():
    q, r = L.qr(A).Q, L.qr(STACK[0]).Q
    a = q @ np.diag([3.0, 3.0, 0.0]) @ r.T
    np.testing.assert_allclose(ac.grad(lambda a: np.sum(L.svdvals(a) ** 2))(a), 2 * a, atol=1e-13)
    np.testing.assert_allclose(ac.grad(lambda a: L.norm(a, "nuc"))(a), a / 3, atol=1e-13)
    for shape in ((3, 3), (3, 2), (2, 3)):
        assert np.isfinite(ac.grad(lambda a: np.sum(L.svdvals(a)))(np.zeros(shape))).all()


def test_determinant_of_singular_matrices():
    """The gradient are the cofactors, at every rank; so is the second derivative right."""
    for rank in range(4):
        a = TALL[:3, :rank] @ WIDE[:rank, :3]
        cofactors = np.empty((3, 3))
        for i, j in np.ndindex(3, 3):
            cofactors[i, j] = (-1) ** (i + j) * L.det(np.delete(np.delete(a, i, 0), j, 1))
        np.testing.assert_allclose(ac.grad(L.det)(a), cofactors, rtol=1e-12, atol=1e-13)
        hessian = ac.hessian(L.det)(a)
        for i, j, k in np.ndindex(3, 3, 3):
            others = sorted({0, 1, 2} - {i})
            assert hessian[i, j, i, k] == pytest.approx(0, abs=1e-12)
            for m in others:
                rest = ({0, 1, 2} - {i, m}).pop()
                sign = L.det(EYE[[i, m, rest]]) if j != k else 0
                column = ({0, 1, 2} - {j, k}).pop() if j != k else 0
                sign *= L.det(EYE[[j, k, column]]) if j != k else 0
                np.testing.assert_allclose(hessian[i, j, m, k], sign * a[rest, column], rtol=1e-11, atol=1e-12)


def test_the_third_derivative_of_the_determinant_where_singular_values_are_equal():
    ac.check_grads(L.det, (EYE,), order=3)


SUBGRADIENTS = {
    "2 at 0": (lambda x: L.norm(x), [0.0, 0.0], [0, 0]),
    "rows at 0": (lambda x: np.sum(L.norm(x, axis=1)), [[0.0, 0.0], [3.0, 4.0]], [[0, 0], [0.6, 0.8]]),
    "1 at 0": (lambda x: L.norm(x, 1), [0.0, -2.0], [0, -1]),
    "3 at 0": (lambda x: L.norm(x, 3), [0.0, 0.0], [0, 0]),
    "1.5 at 0": (lambda x: L.norm(x, 1.5), [0.0, 0.0], [0, 0]),
    "inf, tie": (lambda x: L.norm(x, np.inf), [2.0, -2.0, 1.0], [0.5, -0.5, 0]),
    "-inf, tie": (lambda x: L.norm(x, -np.inf), [2.0, -1.0, 1.0], [0, -0.5, 0.5]),
    "inf at 0": (lambda x: L.norm(x, np.inf), [0.0, 0.0], [0, 0]),
    "0": (lambda x: L.norm(x, 0), [0.0, 3.0], [0, 0]),
    **{
        f"{o} of a matrix at 0": (lambda x, o=o: L.norm(x, o), np.zeros((2, 2)), np.zeros((2, 2)))
        for o in ("fro", "nuc", 2, -2, 1, -1, np.inf, -np.inf)
    },
    "power 0": (lambda x: np.sum(L.matrix_power(x, 0)), np.ones((2, 2)), np.zeros((2, 2))),
    "sign of slogdet": (lambda x: L.slogdet(x).sign, np.diag([2.0, -1.0]), np.zeros((2, 2))),
}


@pytest.mark.parametrize("name", SUBGRADIENTS)
def test_subgradients(name):
    f, x, expected = SUBGRADIENTS[name]
    np.testing.assert_allclose(ac.grad(f)(np.asarray(x)), expected, rtol=1e-14)


def test_norm_of_order_0_counts():
    x = np.array([[0.0, 3.0], [np.nan, -1.0]])
    np.testing.assert_array_equal(L.norm(Tensor(x), 0, axis=1).data, L.norm(x, 0, axis=1))


def test_condition_number_of_a_singular_matrix_is_infinite():
    assert L.cond(Tensor(np.diag([1.0, 0.0]))).item() == np.inf
    assert L.cond(Tensor(np.diag([1.0, 0.0])), -2).item() == 0


def test_integers():
    a = np.array([[4, 1], [1, 3]])
    for f in (
        L.inv,
        L.det,
        L.cholesky,
        L.svdvals,
        lambda a: L.norm(a, "nuc"),
        L.norm,
        L.cond,
        lambda a: L.norm(a, 3, axis=0),
    ):
        np.testing.assert_allclose(f(Tensor(a)).data, f(a), rtol=1e-14)
    np.testing.assert_allclose(L.lstsq(Tensor(a), Tensor([1, 2]))[0].data, L.lstsq(a, [1, 2])[0], rtol=1e-14)


# -- no gradient by nature ---------------------------------------------------------------------------------------------


def test_ranks_are_numbers():
    x = Tensor(TALL, requires_grad=True)
    assert L.matrix_rank(x) == 3 and not isinstance(L.matrix_rank(x), Tensor)
    assert L.matrix_rank(Tensor(STACK), rtol=0.5).tolist() == L.matrix_rank(STACK, rtol=0.5).tolist()
    assert L.lstsq(x, FOUR)[2] == 3


def test_least_squares_without_full_rank():
    a = np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]])
    b = np.array([1.0, 0.0, 2.0])
    for y, e in zip(L.lstsq(Tensor(a, requires_grad=True), Tensor(b)), L.lstsq(a, b), strict=True):
        y = y.data if isinstance(y, Tensor) else y
        assert np.shape(y) == np.shape(e)
        np.testing.assert_allclose(y, e, atol=1e-14)


# -- errors ------------------------------------------------------------------------------------------------------------


def g(*shape):
    return Tensor(np.arange(1.0, 1 + np.prod(shape, dtype=int)).reshape(shape), requires_grad=True)


NOT_SQUARE = r"the matrices must be square, got shapes? \(2, 3\)"
ERRORS = {
    "inv": (ShapeError, NOT_SQUARE, lambda: L.inv(g(2, 3))),
    "det": (ShapeError, NOT_SQUARE, lambda: L.det(g(2, 3))),
    "slogdet": (ShapeError, NOT_SQUARE, lambda: L.slogdet(g(2, 3))),
    "cholesky": (ShapeError, NOT_SQUARE, lambda: L.cholesky(g(2, 3))),
    "eigh": (ShapeError, NOT_SQUARE, lambda: L.eigvalsh(g(2, 3))),
    "matrix_power": (ShapeError, NOT_SQUARE, lambda: L.matrix_power(g(2, 3), 2)),
    "tensorinv": (ShapeError, NOT_SQUARE, lambda: L.tensorinv(g(2, 3), ind=1)),
    "inv, singular": (
        ArgumentError,
        r"the matrix must be invertible, got shapes \(2, 2\): Singular matrix; add a mult",
        lambda: L.inv(Tensor(np.ones((2, 2)))),
    ),
    "solve, singular": (ArgumentError, "the matrix must be invertible", lambda: L.solve(np.ones((2, 2)), g(2))),
    "cholesky, indefinite": (
        ArgumentError,
        "the matrix must be positive definite, .*; take its symmetric part",
        lambda: L.cholesky(-np.eye(2) * Tensor(1.0)),
    ),
    "svd, NaN": (
        ArgumentError,
        "the decomposition must converge, .*; look for NaN",
        lambda: L.svdvals(Tensor(np.full((2, 2), np.nan))),
    ),
    "inv of a vector": (
        ShapeError,
        "the operand must be a matrix or a stack of matrices, got shapes? .*np.expand_dims",
        lambda: L.inv(g(3)),
    ),
    "svd of a vector": (
        ShapeError,
        r"svd: the array must have at least 2 axes, got shape \(3,\)",
        lambda: L.svdvals(g(3)),
    ),
    "qr of a vector": (ShapeError, "qr: the array must have at least 2 axes", lambda: L.qr(g(3))),
    "pinv of a vector": (ShapeError, "pinv: the array must have at least 2 axes", lambda: L.pinv(g(3))),
    "matrix_power of a vector": (ShapeError, "at least 2 axes", lambda: L.matrix_power(g(3), 2)),
    "matrix_transpose of a vector": (ShapeError, "at least 2 axes", lambda: L.matrix_transpose(g(3))),
    "matrix_norm of a vector": (ShapeError, "at least 2 axes", lambda: L.matrix_norm(g(3))),
    "cond of a vector": (ShapeError, "at least 2 axes", lambda: L.cond(g(3))),
    "solve, shapes": (ShapeError, "the operands must fit together", lambda: L.solve(g(2, 2), g(3))),
    "svd, full_matrices": (
        ArgumentError,
        r"svd: full_matrices must be False .* got shape \(2, 3\) and full_matrices=True .*; "
        r"use np.linalg.svd\(a, full_matrices=False\)",
        lambda: L.svd(g(2, 3)),
    ),
    "qr, raw": (
        ArgumentError,
        r"qr: mode must be .* got 'raw' and shape \(2, 2\); use mode='reduced'",
        lambda: L.qr(g(2, 2), "raw"),
    ),
    "qr, complete": (
        ArgumentError,
        r"qr: mode must be .* got 'complete' and shape \(3, 2\)",
        lambda: L.qr(g(3, 2), "complete"),
    ),
    "eigh, UPLO": (ArgumentError, "UPLO must be 'L' or 'U', got 'X'", lambda: L.eigh(g(2, 2), "x")),
    "pinv, both": (
        ArgumentError,
        "pinv: rcond and rtol must not both be given",
        lambda: L.pinv(g(2, 2), 0.1, rtol=0.1),
    ),
    "matrix_power, n": (
        DTypeError,
        "matrix_power: n must be a whole number, got 0.5",
        lambda: L.matrix_power(g(2, 2), 0.5),
    ),
    "tensorinv, ind": (ArgumentError, "tensorinv: ind must be positive, got 0", lambda: L.tensorinv(g(2, 2), 0)),
    "tensorsolve": (
        ShapeError,
        r"tensorsolve: a must be square as a map .* got shapes \(2, 3\) and \(2,\)",
        lambda: L.tensorsolve(g(2, 3), g(2)),
    ),
    "lstsq": (
        ShapeError,
        r"lstsq: a must be a matrix and b .* got shapes \(2, 3\) and \(3,\)",
        lambda: L.lstsq(g(2, 3), g(3)),
    ),
    "multi_dot, one": (
        ShapeError,
        r"multi_dot: there must be two matrices .* got shapes \[\(2, 2\)\]",
        lambda: L.multi_dot([g(2, 2)]),
    ),
    "multi_dot, shapes": (
        ShapeError,
        r"multi_dot: columns of each matrix must match .* got shapes \[\(2, 3\), \(2, 3\)\]",
        lambda: L.multi_dot([g(2, 3), g(2, 3)]),
    ),
    "vecdot": (ShapeError, "the operands must fit together", lambda: L.vecdot(g(2, 3), g(2))),
    "vecdot, axis": (
        ShapeError,
        "the operands must fit together.*axis 1 is out of bounds|moveaxis: .*axis 1",
        lambda: L.vecdot(g(3), g(3), axis=1),
    ),
    "outer": (
        ShapeError,
        r"outer: both arrays must have one axis, got shapes \(2, 2\) and \(2,\)",
        lambda: L.outer(g(2, 2), g(2)),
    ),
    "norm, order of vectors": (
        ArgumentError,
        "norm: the order of a norm of vectors must be a number, .* got 'fro'",
        lambda: L.norm(g(3), "fro"),
    ),
    "norm, order of matrices": (
        ArgumentError,
        "norm: the order of a norm of matrices must be .* got 3",
        lambda: L.norm(g(2, 2), 3),
    ),
    "norm, axes": (
        ShapeError,
        r"norm: there must be one axis .* got shape \(2, 2, 2\) and axis=None",
        lambda: L.norm(g(2, 2, 2), 1),
    ),
    "norm, axis": (ShapeError, "norm: the axes must be different and within 1, got 1", lambda: L.norm(g(3), axis=1)),
    "norm, axis twice": (
        ShapeError,
        r"norm: the axes must be different and within 2, got \(0, -2\)",
        lambda: L.norm(g(2, 2), axis=(0, -2)),
    ),
    "vector_norm, order": (
        ArgumentError,
        "vector_norm: the order of a norm of vectors",
        lambda: L.vector_norm(g(3), ord="nuc"),
    ),
    "matrix_norm, order": (
        ArgumentError,
        "matrix_norm: the order of a norm of matrices",
        lambda: L.matrix_norm(g(2, 2), ord=0),
    ),
    "eig": (
        NoRuleError,
        "eig: a function must have real results .*; use np.linalg.eigh for symm",
        lambda: L.eig(g(2, 2)),
    ),
    "eigvals": (
        NoRuleError,
        "eigvals: a function must have real results .*; use np.linalg.eigvalsh",
        lambda: L.eigvals(g(2, 2)),
    ),
    "slogdet of a singular matrix, backward": (
        ArgumentError,
        r"slogdet \(backward\): the matrix must be invertible, got a matrix without an inverse in shape \(2, 2\)",
        lambda: L.slogdet(np.ones((2, 2)) * Tensor(1.0, requires_grad=True)).logabsdet.backward(),
    ),
    "qr of dependent columns, backward": (
        ArgumentError,
        r"qr \(backward\): the matrix must be invertible",
        lambda: L.qr(Tensor(np.zeros((3, 2)), requires_grad=True)).R.sum().backward(),
    ),
    "float16": (
        DTypeError,
        "inv: the operands must have types that NumPy accepts",
        lambda: L.inv(Tensor(np.eye(2, dtype=np.float16))),
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_say_what_came_and_the_fix(name):
    error, message, call = ERRORS[name]
    with pytest.raises(error, match=message) as caught:
        call()
    assert isinstance(caught.value, AutogradError) and "called at test_linalg.py:" in str(caught.value)


@pytest.mark.parametrize("name", ["inv", "inv, singular", "cholesky, indefinite", "svd, NaN"])
def test_a_program_that_catches_numpys_error_still_does(name):
    with pytest.raises(L.LinAlgError):
        ERRORS[name][2]()


def test_every_function_of_the_namespace_is_decided():
    names = {n for n in L.__all__ if callable(getattr(L, n)) and not isinstance(getattr(L, n), type)}
    assert {n for n in names if getattr(L, n) not in ac.registry.functions} == set()
