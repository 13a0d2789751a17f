"""Arguments for every public function of NumPy and `scipy.special`, and the checks that `test_coverage.py` runs.

Arguments are found by trying those of `TEMPLATES` that NumPy itself accepts; `ARGUMENTS` and `CALLS` are for the
functions that need others. All templates that are accepted are checked, not only the first.
"""

import io
import re
import warnings

import numpy as np
import pytest
import scipy.special

from autograd_core import Tensor
from autograd_core.coverage import NO_GRADIENT
from autograd_core.errors import AutogradError, GraphError

SPACES = {
    "numpy": np,
    "numpy.linalg": np.linalg,
    "numpy.fft": np.fft,
    "numpy.emath": np.emath,
    "numpy.lib.stride_tricks": np.lib.stride_tricks,
    "scipy.special": scipy.special,
}


def constant(*values, dtype=float):
    array = np.array(values, dtype=dtype)
    array.setflags(write=False)
    return array


X, Y = constant(0.31, 0.47, 0.62), constant(0.23, 0.55, 0.41)
Z, W = constant(0.83, 0.72, 0.9), constant(0.51, 0.15, 0.33)
M = constant([2.1, 0.3, 0.2], [0.4, 1.9, 0.1], [0.27, 0.35, 2.3])
P = constant([1.1, 0.22, 0.33], [0.7, 1.6, 0.44], [0.6, 0.8, 1.7])
SYMMETRIC = constant(*(M @ M.T))
CUBE = constant(*np.sin(np.arange(1.0, 9.0)).reshape(2, 2, 2))
S = np.float64(0.37)
N = constant(2, 0, 1, dtype=int)
B = constant(True, False, True, dtype=bool)

TEMPLATES = [
    *[(X,), (X, Y), (M,), (M, X), (M, P), (S,), ([X, Y],), (X, 1), (M, 1), (M, 0), (1, X), (2, X), (1.5, X)],
    *[(2, 1.5, X), (X, Y, Z), (X, Y, Z, W), (2, 5, X)],
]
ON_ARRAYS_OF_ANY_SHAPE = [(X, (3,)), (M, (0, 1)), (X, 2, Y), (X, [1], Y), (CUBE, 2), (M, 0, 1)]
ON_INTEGERS = [(N,), (N, 2), (2, N), (2,), (3, 2), (3,), (2, 3, 2), (B,), (2, 1)]
ON_ORDERS = [(3, 0.2, X), (1, 1, X), (2, 3, 4.0, X), (1, 2, X, Y), (2.0, 1.0, S), (2, S), (1, 2, S), (2, S, 1)]

# Functions of SciPy: orders first (further arguments may be flags), those of five arguments, those of numbers only.
OF_ORDERS = (
    *("cg_roots", "gegenbauer", "genlaguerre", "la_roots", "roots_gegenbauer", "roots_genlaguerre", "spherical_in"),
    *("spherical_jn", "spherical_kn", "spherical_yn"),
)
OF_FIVE = tuple(f"{kind}_{what}_cv" for kind in ("obl", "pro") for what in ("ang1", "rad1", "rad2"))
OF_SCALARS = (
    *("lmbda", "obl_cv_seq", "pro_cv_seq", "pbdn_seq", "pbdv_seq", "pbvv_seq", "riccati_jn", "riccati_yn"),
    *("mathieu_even_coef", "mathieu_odd_coef"),
)
# Constructors, whose further arguments may be anything that has a dtype.
COERCING = ("array", "asanyarray", "asarray", "asarray_chkfinite", "ascontiguousarray", "asfortranarray", "require")

# What the templates do not reach. Floating arrays, and those in lists, become Tensors.
ARGUMENTS = {
    **{name: [(constant(*(1 + X)),)] for name in ("numpy.acosh", "numpy.arccosh")},
    "numpy.apply_along_axis": [(np.sum, 0, M)],
    "numpy.apply_over_axes": [(np.sum, M, [0])],
    "numpy.astype": [(X, "f8")],
    "numpy.bincount": [(N, X)],
    "numpy.copyto": [(np.zeros(3), X)],
    "numpy.fill_diagonal": [(np.ones((3, 3)), S)],
    "numpy.heaviside": [(0, X)],
    "numpy.piecewise": [(X, [B, ~B], [1.0, 2.0])],
    "numpy.place": [(X, B, Y)],
    "numpy.polyfit": [(X, Y, 1)],
    "numpy.put": [(X, N, Y)],
    "numpy.put_along_axis": [(X, N, Y, 0)],
    "numpy.putmask": [(X, B, Y)],
    "numpy.save": [(io.BytesIO(), X)],
    "numpy.savetxt": [(io.StringIO(), X)],
    "numpy.savez": [(io.BytesIO(), X)],
    "numpy.savez_compressed": [(io.BytesIO(), X)],
    "numpy.select": [([B, ~B], [X, Y])],
    "numpy.take_along_axis": [(X, N, 0)],
    "numpy.where": [(B, X, Y)],
    **{f"numpy.{name}": [(X,), ([X, Y],), (S,), ([S, S],)] for name in COERCING},
    "numpy.arange": [(S,)],
    "numpy.array_repr": [(X,)],
    "numpy.asmatrix": [(M,)],
    "numpy.linalg.pinv": [(M,), (M, 1e-10)],
    "numpy.can_cast": [(X, "f8")],
    **{name: [("i,i->i", X, Y), ("ij,i->j", M, X)] for name in ("numpy.einsum", "numpy.einsum_path")},
    **{name: [(X,)] for name in ("numpy.poly1d", "numpy.roots", "numpy.ndarray.data")},
    "numpy.ravel_multi_index": [((N, N), (3, 3))],
    "numpy.unpackbits": [(constant(2, 7, dtype=np.uint8),)],
    "numpy.unravel_index": [(N, (2, 2))],
    "numpy.ndarray.astype": [(X, "f8")],
    "numpy.ndarray.choose": [(X, Y)],
    "numpy.ndarray.item": [(S,)],
    "numpy.bmat": [(M, P)],
    "numpy.full": [((3,), S)],
    "numpy.kaiser": [(3, S)],
    "numpy.nested_iters": [([M, P], [[0], [1]])],
    "numpy.lib.stride_tricks.as_strided": [(X, (2, 2), (8, 8))],
    "numpy.ndarray.fill": [(X, S)],
    **{name: [(S,)] for name in ("numpy.mgrid", "numpy.ogrid", "numpy.float64, int32, bool_, ... (scalar types)")},
    **{name: [(X,)] for name in ("numpy.isnat", "numpy.datetime_as_string", "numpy.is_busday")},
    **{name: [(X, X)] for name in ("numpy.busday_count", "numpy.busday_offset")},
    **{f"scipy.special.{name}": [(2, 5, X)] for name in ("bdtr", "bdtrc")},
    "scipy.special.eval_jacobi": [(2, 1.5, 0.5, X)],
    "scipy.special.hyp2f1": [(0.5, 1.5, 2.5, X)],
    **{f"scipy.special.{name}": [(2, X), (2, S)] for name in OF_ORDERS},
    **{f"scipy.special.{name}": [(2, S, S)] for name in ("j_roots", "js_roots", "roots_jacobi")},
    **{f"scipy.special.{name}": [(1, 2, 0.5, X, Y)] for name in OF_FIVE},
    **{f"scipy.special.{name}": [(2, S), (1, 2, S)] for name in OF_SCALARS},
    **{name: [(5.0, 8.0, 1, 1, Z)] for name in ("scipy.special.ellip_harm", "scipy.special.ellip_harm_2")},
    "scipy.special.factorial": [(X,)],
    "scipy.special.perm": [(X, 2)],
    "scipy.special.ndtri_exp": [(constant(*-X),)],
}


def written(name):
    """A method that writes into a copy, which is returned."""

    def call(x, *rest):
        x = x * 1.0
        getattr(x, name)(*rest)
        return x

    return call


def quietly(f):
    """Without a warning that it is deprecated."""

    def call(*args):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return f(*args)

    return call


# What is not called like a function.
CALLS = {
    "numpy.asmatrix": quietly(np.asmatrix),
    "numpy.bmat": quietly(lambda x, y: np.bmat([[x, y]])),
    "numpy.c_": lambda x, y: np.c_[x, y],
    "numpy.float64, int32, bool_, ... (scalar types)": np.float64,
    "numpy.fromfunction": lambda x: np.fromfunction(lambda i: i * x, (3,)),
    "numpy.fromiter": lambda x: np.fromiter(x, float),
    "numpy.frompyfunc": lambda x: np.frompyfunc(lambda v: v * 2, 1, 1)(x),
    "numpy.matrix": quietly(lambda x: np.matrix(x)),
    "numpy.mgrid": lambda s: np.mgrid[0:s],
    "numpy.ndarray.choose": lambda x, y: (Tensor(N) if isinstance(x, Tensor) else N).choose([x, y, x]),
    "numpy.ndarray.data": lambda x: x.data if isinstance(x, Tensor) else x,
    "numpy.ndarray.fill": written("fill"),
    "numpy.ndarray.partition": written("partition"),
    "numpy.ndarray.sort": written("sort"),
    "numpy.ogrid": lambda s: np.ogrid[0:s],
    "numpy.r_": lambda x, y: np.r_[x, y],
    "numpy.row_stack": quietly(lambda x, y: np.row_stack([x, y])),
    "numpy.vectorize": lambda x: np.vectorize(lambda v: v * 2)(x),
}
# NumPy or SciPy complain before they ask a Tensor for anything.
OTHER_COMPLAINTS = {
    "numpy.from_dlpack": (AttributeError, "no attribute '__dlpack__'; write"),
    "numpy.frombuffer": (TypeError, "bytes-like object"),
    "numpy.fromiter": (GraphError, "float: "),  # the cause of NumPy's own error
    "numpy.ndarray.tolist": (GraphError, "tolist: "),
    **dict.fromkeys([f"scipy.special.{name}" for name in OF_SCALARS], (ValueError, "scalars")),
}
# Refused by a function that it calls.
NAMED = {
    "numpy.frompyfunc": ("vectorized",),
    "scipy.special.h1vp": ("hankel1",),
    "scipy.special.h2vp": ("hankel2",),
}
SYMMETRICALLY = ("cholesky", "eigh", "eigvalsh")  # one triangle stands for both


def key(row):
    return f"{row.namespace}.{row.name}"


def function(row):
    if key(row) in CALLS:
        return CALLS[key(row)]
    if row.namespace != "numpy.ndarray":
        return getattr(SPACES[row.namespace], row.name)

    def attribute(x, *rest):
        found = getattr(x, row.name)
        return found(*rest) if callable(found) else found

    return attribute


def candidates(row):
    if key(row) in ARGUMENTS:
        return ARGUMENTS[key(row)]
    if row.name in SYMMETRICALLY:
        return [(SYMMETRIC,)]
    more = ON_ORDERS if row.namespace == "scipy.special" else ON_ARRAYS_OF_ANY_SHAPE
    return [*TEMPLATES, *more, *(ON_INTEGERS if row.status == NO_GRADIENT else [])]


def accepted(f, candidates):
    """The arguments that the library itself takes, with what it answers."""
    for args in candidates:
        try:
            yield args, f(*args)
        except Exception:
            continue


def is_input(x):
    """Floating and constant: arrays that may be written to are for output."""
    return isinstance(x, np.ndarray | np.float64) and x.dtype.kind == "f" and not x.flags.writeable


def inputs(args):
    return [y for x in args for y in (x if isinstance(x, list) else [x]) if is_input(y)]


def replaced(args, values):
    values = iter(values)

    def one(x):
        return next(values) if is_input(x) else x

    return tuple([one(y) for y in x] if isinstance(x, list) else one(x) for x in args)


def parts(result):
    """The arrays and tensors of a result, one after the other."""
    if isinstance(result, tuple | list):
        return [part for item in result for part in parts(item)]
    if isinstance(result, int | float) and not hasattr(result, "dtype"):
        return [np.asarray(result)]
    return [result] if hasattr(result, "dtype") else []


def floating(result):
    return [part for part in parts(result) if part.dtype.kind == "f"]


def in_graph(result):
    return [part for part in parts(result) if isinstance(part, Tensor) and part.requires_grad]


def values(result):
    return [part.data if isinstance(part, Tensor) else part for part in parts(result)]


def leaves(args):
    return [Tensor(x, requires_grad=True) for x in inputs(args)]


def slope(f, args, expected, symmetric=False):
    """The derivative of a random sum of the results along a random direction: by vjp, and by differences.

    None if the Tensors are refused.
    """
    rng = np.random.default_rng(7)
    directions = [rng.normal(size=x.shape) for x in inputs(args)]
    if symmetric:
        directions = [d + d.T for d in directions]
    weights = [rng.normal(size=part.shape) for part in floating(expected)]
    tensors = leaves(args)
    try:
        result = f(*replaced(args, tensors))
    except AutogradError:
        return None
    compare(result, expected)
    recorded = [np.sum(w * part) for w, part in zip(weights, floating(result), strict=True) if in_graph(part)]
    if recorded:
        sum(recorded).backward()
    by_vjp = sum(float(np.sum(t.grad.data * d)) for t, d in zip(tensors, directions, strict=True) if t.grad is not None)

    def moved(h):
        there = f(*replaced(args, [x + h * d for x, d in zip(inputs(args), directions, strict=True)]))
        return sum(float(np.sum(w * part)) for w, part in zip(weights, floating(there), strict=True))

    h = 1e-3
    coarse, fine = ((moved(s) - moved(-s)) / (2 * s) for s in (h, h / 2))
    return by_vjp, (4 * fine - coarse) / 3


def compare(result, expected):
    for ours, plain in zip(values(result), values(expected), strict=True):
        assert ours.shape == plain.shape
        np.testing.assert_allclose(ours, plain, rtol=1e-9, atol=1e-14)


def check_rule(f, candidates, symmetric=False):
    """Gradients agree with differences for all arguments that are taken, and are not zero for some."""
    moved = 0
    for args, expected in accepted(f, candidates):
        if not inputs(args) or not floating(expected) or not all(np.isfinite(x).all() for x in floating(expected)):
            continue
        found = slope(f, args, expected, symmetric)
        if found is not None:
            by_vjp, numeric = found
            assert abs(by_vjp - numeric) < 1e-6 * max(1, abs(numeric)), (args, by_vjp, numeric)
            moved += abs(numeric) > 1e-6
    assert moved, "no arguments found: add some to ARGUMENTS"


def check_no_gradient(f, candidates):
    """The result is the library's; what is recorded all the same has a gradient of zero."""
    reached = 0
    for args, expected in accepted(f, candidates):
        tensors = leaves(args)
        integers = [
            Tensor(x) if isinstance(x, np.ndarray) and x.dtype.kind in "iub" else x for x in replaced(args, tensors)
        ]
        try:
            result = f(*integers)
        except Exception:  # loud
            continue
        reached += 1
        assert len(parts(result)) == len(parts(expected))
        if f is not np.empty_like:
            for ours, plain in zip(values(result), values(expected), strict=True):
                np.testing.assert_array_equal(ours, plain)
        if not parts(expected):
            assert repr(result) == repr(expected)
        for part in in_graph(result):
            part.sum().backward(retain_graph=True)
        for t in tensors:
            assert t.grad is None or not np.any(t.grad.data)
    assert reached, "no arguments found: add some to ARGUMENTS"


def check_refused(f, candidates, names, complaint=(AutogradError, "")):
    """No call with Tensors returns, and one is refused by a message with the function's name and a way out.

    SciPy itself is not asked: some of its functions crash on arguments that they do not expect.
    """
    found = []
    for args in candidates:
        if inputs(args):
            with pytest.raises(Exception) as caught:
                f(*replaced(args, leaves(args)))
            error = caught.value
            error = error.__cause__ if isinstance(error.__cause__, AutogradError) else error
            if isinstance(error, complaint[0]) and complaint[1] in str(error):
                found.append(str(error))
    assert found, "no arguments found: add some to ARGUMENTS"
    if not complaint[1]:
        ways = r"; (write|use|compose it of)|Write its parts"
        assert any(name in text and re.search(ways, text) for name in names for text in found), found
