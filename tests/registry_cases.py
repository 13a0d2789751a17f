"""The cases of the generated operator tests, and the checks that `test_tests.py` proves able to fail.

A case is one sample of one operator with its arrays drawn from a seed. Every array is read-only, cotangents too: a rule
that writes raises. Tolerances come from the data: complex step is judged against the rounding of its own sum,
differences against the change that halving their step makes.
"""

from __future__ import annotations

import zlib

import numpy as np
import scipy.special

import autograd_core as ac
from autograd_core.engine import bind, compute
from autograd_core.operator import Array, Sample
from autograd_core.sweep import fetch, joint_slots

operators = ac.registry.operators
EPS = np.finfo(float).eps
INTERNAL = {"pick"}  # one output of an operator with several; the cases of `split` run through it
PUBLIC = {
    "einsum": lambda operands, subscripts: np.einsum(subscripts, *operands),
    "split": np.split,
}
SCIPY = {"zeta": scipy.special.zeta}  # a Python function, which hands Tensors to its ufunc


def frozen(array):
    array = np.asarray(array)
    array.setflags(write=False)
    return array


class Case:
    """One call of an operator: operands (arrays and numbers) and static arguments."""

    def __init__(self, op, sample, index):
        self.op, self.index = op, index
        self.rng = np.random.default_rng(zlib.crc32(f"{op.name}{index}".encode()))
        self.args = self._filled(sample.args)
        self.kwargs = {k: self._filled(v) for k, v in sample.kwargs.items()}
        statics = bind(op, self.args, self.kwargs)
        if op.variadic:
            self.operands = list(statics.pop(op.variadic))
        else:
            self.operands = [statics.pop(name) for name in op.parameters]
        self.statics = statics
        self.moving = [i for i, x in enumerate(self.operands) if isinstance(x, np.ndarray) and x.dtype.kind == "f"]
        if not op.differentiable:
            self.moving = []

    def _filled(self, x):
        if isinstance(x, Array):
            return frozen(self.rng.uniform(x.low, x.high, x.shape))
        if type(x) in (list, tuple):
            return type(x)(self._filled(i) for i in x)
        if isinstance(x, np.ndarray):
            return frozen(x)
        return x

    def __repr__(self):
        return f"{self.op.name}-{self.index}"

    def arrays(self):
        return [self.operands[i] for i in self.moving]

    def operands_with(self, moving):
        operands = list(self.operands)
        for i, x in zip(self.moving, moving, strict=True):
            operands[i] = x
        return operands

    def taken(self, moving):
        """The moving operands as the operator takes them: what it takes as symmetric by its symmetric part."""
        return [(x + np.swapaxes(x, -1, -2)) / 2 for x in moving] if self.op.symmetric else moving

    def plain(self, moving):
        """The operator's function on arrays, as a tuple of outputs."""
        moving = self.taken(moving)
        out = compute(self.op, tuple(self.operands_with(moving)), self.statics)
        return out if self.op.multiple else (out,)

    def call(self, moving, how="operator"):
        """The operator on tensors or arrays, called itself or through the NumPy (SciPy) function that means it."""
        operands = self.operands_with(moving)
        if how == "operator":
            out = self.call_with(operands)
        else:
            places = {id(old): new for old, new in zip(self.operands, operands, strict=True) if old is not new}
            out = numpy_function(self.op)(
                *substituted(self.args, places), **{k: substituted(v, places) for k, v in self.kwargs.items()}
            )
        return tuple(out) if self.op.multiple else (out,)

    def call_with(self, operands):
        """The operator on all operands; positionally where the function has them first, as people call it."""
        if self.op.variadic:
            return self.op(operands, **self.statics)
        if self.op.positional[: len(operands)] == self.op.parameters:
            return self.op(*operands, **self.statics)
        return self.op(**dict(zip(self.op.parameters, operands, strict=True)), **self.statics)

    def cotangents(self):
        rng = np.random.default_rng(zlib.crc32(f"cotangent {self}".encode()))
        return [
            frozen(rng.uniform(0.5, 1.5, np.shape(y)) * rng.choice([-1, 1], np.shape(y)))
            for y in self.plain(self.arrays())
        ]


def substituted(x, places):
    if type(x) in (list, tuple):
        return type(x)(substituted(i, places) for i in x)
    return places.get(id(x), x)


def numpy_function(op):
    if op.name in PUBLIC:
        return PUBLIC[op.name]
    if op.name in SCIPY:
        return SCIPY[op.name]
    return op.numpy[0] if op.numpy else getattr(scipy.special, op.special) if op.special else None


def derived(op):
    """What every elementwise operator must bear, from its first sample: 0-d, empty, all kinds of broadcasting."""
    first = op.samples[0] if op.samples else None
    if op.kind != "elementwise" or first is None or first.kwargs or not all(isinstance(a, Array) for a in first.args):
        return []
    layouts = (
        [[()], [(0, 2)]]
        if len(first.args) == 1
        else [[(), ()], [(0, 3), (1, 3)], [(3, 1), (1, 4)], [(2, 1, 3), (4, 1)], [(2, 3), ()]]
    )
    return [
        Sample(*(Array(*shape, low=a.low, high=a.high) for shape, a in zip(shapes, first.args, strict=True)))
        for shapes in layouts
    ]


def cases(condition=lambda op: True):
    return [
        Case(op, sample, index)
        for op in operators.values()
        if condition(op)
        for index, sample in enumerate([*op.samples, *derived(op)])
    ]


ALL = cases(lambda op: op.name not in INTERNAL)
DIFFERENTIABLE = [case for case in ALL if case.moving]


# -- numbers to judge against ----------------------------------------------------------------------------------------


def elements(array):
    return list(np.ndindex(np.shape(array)))


def moved(arrays, k, place, step):
    out = [a.astype(complex) for a in arrays] if isinstance(step, complex) else list(arrays)
    out[k] = np.array(out[k])
    out[k][place] += step
    return out


def weighted(outputs, cotangents):
    return sum(np.sum(np.asarray(y) * c) for y, c in zip(outputs, cotangents, strict=True))


def richardson(f, h):
    """Fourth-order central difference of f(step) at 0."""
    return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)


def difference(f):
    """A derivative of f(step) at 0, and a bound of its error: what halving the step changes, and rounding."""
    h = 1e-3
    coarse, fine = richardson(f, h), richardson(f, h / 2)
    return fine, 10 * abs(coarse - fine) + 200 * EPS * (abs(f(0.0)) + abs(fine)) / h


def numeric_vjp(case, cotangents):
    """Gradients of sum(cotangent * output) in every element, and their error bounds."""
    arrays = case.arrays()
    answers, bounds = [], []
    for k, array in enumerate(arrays):
        answer, bound = np.zeros(array.shape), np.zeros(array.shape)
        for place in elements(array):
            if case.op.analytic:
                h = 1e-20
                parts = [
                    np.imag(y) / h * c
                    for y, c in zip(case.plain(moved(arrays, k, place, 1j * h)), cotangents, strict=True)
                ]
                answer[place] = sum(p.sum() for p in parts)
                bound[place] = 256 * EPS * sum(np.abs(p).sum() for p in parts)
            else:
                answer[place], bound[place] = difference(
                    lambda s, k=k, place=place: weighted(case.plain(moved(arrays, k, place, s)), cotangents)
                )
        answers.append(answer)
        bounds.append(bound)
    return answers, bounds


# -- the engine's answers ----------------------------------------------------------------------------------------------


def engine_vjp(case, arrays, cotangents, how="operator", only=None):
    """Gradients by the engine; with `only`, the other operands are constants."""
    ts = [ac.Tensor(a, requires_grad=only is None or i == only) for i, a in enumerate(arrays)]
    outputs = case.call(ts, how)
    if len(outputs) == 1:
        outputs[0].backward(cotangents[0])
    else:
        sum(np.sum(y * c) for y, c in zip(outputs, cotangents, strict=True)).backward()
    return [None if t.grad is None else t.grad.data for t in ts]


def engine_second(case, arrays, cotangents, weights):
    """The gradient of <weights, VJP> in the operands and the cotangents: one recorded backward pass, differentiated."""
    ts = [ac.Tensor(a, requires_grad=True) for a in arrays]
    cs = [ac.Tensor(c, requires_grad=True) for c in cotangents]
    outputs = case.call(ts)
    total = sum(np.sum(y * c) for y, c in zip(outputs, cs, strict=True))
    total.backward(create_graph=True)
    phi = sum(np.sum(t.grad * w) for t, w in zip(ts, weights, strict=True))
    for t in (*ts, *cs):
        t.grad = None
    if phi.requires_grad:
        phi.backward()
    return [np.zeros(t.shape) if t.grad is None else t.grad.data for t in (*ts, *cs)]


# -- the checks --------------------------------------------------------------------------------------------------------


def close(actual, expected, bound, what):
    """Every element within its bound; the message has the worst one."""
    assert actual is not None, f"{what}: no gradient"
    assert type(actual) is np.ndarray, f"{what}: a gradient must be an array, got {type(actual).__name__}"
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, expected {expected.shape}"
    with np.errstate(invalid="ignore"):
        excess = np.abs(actual - expected) - bound
    if np.any(~(excess <= 0)):
        worst = np.unravel_index(np.argmax(np.where(np.isnan(excess), np.inf, excess)), np.shape(excess))
        raise AssertionError(
            f"{what}: element {worst} is {actual[worst]!r}, expected {expected[worst]!r} +- {bound[worst]:.1e}"
        )


def check_value(case):
    expected = case.plain(case.arrays())
    function = numpy_function(case.op)
    for how in ("operator", "numpy") if function else ("operator",):
        for y, e in zip(case.call([ac.Tensor(a) for a in case.arrays()], how), expected, strict=True):
            y = y.data if isinstance(y, ac.Tensor) else y
            np.testing.assert_array_equal(y, e)
            assert np.asarray(y).dtype == np.asarray(e).dtype
    if function:
        own = function(*case.args, **case.kwargs)
        for y, e in zip(own if case.op.multiple else (own,), expected, strict=True):
            np.testing.assert_allclose(y, e, rtol=4 * EPS)


def check_vjp(case):
    cotangents = case.cotangents()
    expected, bounds = numeric_vjp(case, cotangents)
    for how in ("operator", "numpy") if numpy_function(case.op) else ("operator",):
        for k, g in enumerate(engine_vjp(case, case.arrays(), cotangents, how)):
            close(g, expected[k], bounds[k], f"{case}, operand {k}, called as {how}")
        for k in range(len(case.moving)):
            alone = engine_vjp(case, case.arrays(), cotangents, how, only=k)
            assert all((g is None) == (i != k) for i, g in enumerate(alone)), f"{case}: a constant has a gradient"
            close(alone[k], expected[k], bounds[k], f"{case}, operand {k} alone, called as {how}")


def check_second(case):
    arrays, cotangents = case.arrays(), case.cotangents()
    rng = np.random.default_rng(case.index)
    weights = [rng.uniform(0.5, 1.5, a.shape) for a in arrays]
    inputs = [*arrays, *cotangents]

    def phi(inputs):
        gradients = engine_vjp(case, case.taken(inputs[: len(arrays)]), inputs[len(arrays) :])
        return weighted(gradients, weights)

    for k, actual in enumerate(engine_second(case, arrays, cotangents, weights)):
        expected, bound = np.zeros(inputs[k].shape), np.zeros(inputs[k].shape)
        for place in elements(inputs[k]):
            expected[place], bound[place] = difference(lambda s, k=k, place=place: phi(moved(inputs, k, place, s)))
        close(actual, expected, bound, f"{case}, second order, input {k}")


def check_jvp(case):
    arrays, cotangents = case.arrays(), case.cotangents()
    rng = np.random.default_rng(case.index)
    tangents = [frozen(rng.uniform(0.5, 1.5, a.shape)) for a in arrays]
    gradients = engine_vjp(case, arrays, cotangents)
    for j, cotangent in enumerate(cotangents):
        _, tangent = ac.jvp(lambda *xs, j=j: case.call(list(xs))[j], tuple(arrays), tuple(tangents))

        def along(s, j=j):
            return case.plain([a + s * v for a, v in zip(arrays, tangents, strict=True)])[j]

        expected = np.zeros(cotangent.shape)
        bound = np.zeros(cotangent.shape)
        for place in elements(cotangent):
            expected[place], bound[place] = difference(
                lambda s, place=place, along=along: float(np.asarray(along(s))[place])
            )
        close(np.asarray(tangent), expected, bound, f"{case}, JVP of output {j}")
        cotangents[j] = np.asarray(tangent) * cotangent
    left = sum(np.sum(c) for c in cotangents)
    terms = [g * v for g, v in zip(gradients, tangents, strict=True)]
    scale = sum(np.sum(np.abs(t)) for t in terms) + sum(np.sum(np.abs(c)) for c in cotangents)
    assert abs(left - sum(np.sum(t) for t in terms)) <= 1e3 * EPS * scale, f"{case}: <v, Ju> and <J^T v, u> differ"


def single(arrays):
    return [frozen(a.astype(np.float32)) for a in arrays]


def check_float32(case):
    """Values and gradients are float32, the raw answers of the rules too: the engine's cast must not hide a leak."""
    if case.op.name == "astype":
        return
    arrays, cotangents = single(case.arrays()), single(case.cotangents())
    reference = engine_vjp(case, case.arrays(), case.cotangents())
    for how in ("operator", "numpy") if numpy_function(case.op) else ("operator",):
        for y in case.call([ac.Tensor(a, requires_grad=True) for a in arrays], how):
            assert y.dtype == np.float32, f"{case}: the value is {y.dtype}"
        for g, e in zip(engine_vjp(case, arrays, cotangents, how), reference, strict=True):
            assert g.dtype == np.float32, f"{case}: the gradient is {g.dtype}"
            scale = np.max(np.abs(e), initial=1e-30)
            np.testing.assert_allclose(g, e, rtol=1e-3, atol=1e-4 * scale)
    for k, h in raw_answers(case, arrays, cotangents):
        assert h.dtype == np.float32, f"{case}: the rule of operand {k} leaks {h.dtype}"


def raw_answers(case, arrays, cotangents):
    """What the rules themselves return, before the engine sums, casts or reshapes it."""
    outputs = case.call([ac.Tensor(a, requires_grad=True) for a in arrays])
    node = outputs[0]._node
    g = cotangents[0]
    if case.op.multiple:
        node, g = node.parents[0], dict(enumerate(cotangents))
    if node.plan.joint is not None:
        return [(i, rule(None)) for i, rule, _, _ in joint_slots(node.plan, node, g, node.kept)]
    return [(i, rule(g, *fetch(node, node.kept, mode, sources))) for i, rule, mode, sources in node.plan.slots]


def strided(a):
    """The same values with gaps between them, last axis reversed."""
    wide = np.empty((*a.shape[:-1], 2 * a.shape[-1]) if a.ndim else (2,), a.dtype)
    view = wide[..., ::2][..., ::-1] if a.ndim else wide[0:1].reshape(())
    view[...] = a
    return frozen(view)


LAYOUTS = {
    "strided": strided,
    "fortran": lambda a: frozen(np.array(a, order="F")),
    "transposed": lambda a: frozen(np.array(a.T).T),
}


def check_layouts(case):
    reference = engine_vjp(case, case.arrays(), case.cotangents())
    values = case.plain(case.arrays())
    for name, layout in LAYOUTS.items():
        arrays, cotangents = [layout(a) for a in case.arrays()], [layout(c) for c in case.cotangents()]
        for y, e in zip(case.call([ac.Tensor(a) for a in arrays]), values, strict=True):
            np.testing.assert_allclose(y.data, e, rtol=32 * EPS, atol=32 * EPS, err_msg=f"{case} {name}")
        for g, e in zip(engine_vjp(case, arrays, cotangents), reference, strict=True):
            np.testing.assert_allclose(g, e, rtol=256 * EPS, atol=256 * EPS, err_msg=f"{case} {name}")


CHECKS = {
    "vjp": check_vjp,
    "second": check_second,
    "jvp": check_jvp,
    "float32": check_float32,
    "layouts": check_layouts,
}
