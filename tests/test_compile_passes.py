"""The compiler's passes: the same results, and the simplification that was meant."""

import sys
from operator import getitem

import numpy as np
import pytest

from autograd_core.compiler import passes
from autograd_core.compiler.passes import canonical, common, dead, folding, optimize
from autograd_core.compiler.passes.rewriting import rewrite
from autograd_core.compiler.program import Call, Program, Value, basic_index, cast, interpret
from random_programs import random_program
from recorder import record

NAMES = ["canonical", "common", "dead", "folding", "algebra", "linear_sums", "optimize"]


def kinds(program):
    return [(c.kind, getattr(c.function, "__name__", "")) for c in program.calls]


def results(program, arrays):
    """Outputs and, after them, the inputs' arrays, which hold the updates."""
    arrays = [a.copy(order="K") for a in arrays]
    with np.errstate(all="ignore"):
        return interpret(program, arrays) + arrays


def assert_same(one, other, tolerance=1e-12):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        scale = max(np.max(np.abs(a), initial=1, where=np.isfinite(a)), 1) if a.dtype.kind == "f" else 0
        np.testing.assert_allclose(b, a, rtol=0, atol=tolerance * scale)


def random(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seeds", range(10))
def test_random_programs(name, seeds):
    for seed in range(seeds * 8, seeds * 8 + 8):
        program, arrays = random_program(seed)
        single = any(v.dtype == np.float32 for c in program.calls for v in c.operands())
        new = getattr(passes, name)(program if name in ("canonical", "optimize") else canonical(program))
        assert_same(results(program, arrays), results(new, arrays), 1e-4 if single else 1e-9)


A, B, R = random(4, 3), random(4, 3, seed=1), random(3, seed=2)
CANONICAL = {
    "sum": (lambda a: np.sum(a, axis=-1, keepdims=True), [A], [("reduce", "add")]),
    "sum all": (lambda a: np.sum(a), [A], [("reduce", "add")]),
    "reduce by position": (lambda a: np.add.reduce(a, 0, None, None, True), [A], [("reduce", "add")]),
    "mean": (lambda a: np.mean(a, axis=(0, 1)), [A], [("reduce", "add"), ("ufunc", "divide")]),
    "mean of half": (
        lambda a: np.mean(a, axis=0),
        [A.astype(np.float16)],
        [("cast", "cast"), ("reduce", "add"), ("ufunc", "divide"), ("cast", "cast")],
    ),
    "mean of integers": (
        lambda a: np.mean(a),
        [np.arange(5)],
        [("cast", "cast"), ("reduce", "add"), ("ufunc", "divide")],
    ),
    "max": (lambda a: np.max(a, axis=0), [A], [("reduce", "maximum")]),
    "amin": (lambda a: np.amin(a), [A], [("reduce", "minimum")]),
    "maximum.reduce from -inf": (
        lambda a: np.maximum.reduce(a, axis=-1, keepdims=True, initial=-np.inf),
        [A],
        [("reduce", "maximum")],
    ),
    "prod": (lambda a: np.prod(a, axis=0), [A], [("reduce", "multiply")]),
    "any": (lambda a: np.any(a > 0, axis=0), [A], [("ufunc", "greater"), ("reduce", "logical_or")]),
    "var": (
        lambda a: np.var(a, axis=0, ddof=1),
        [A],
        [
            *(("reduce", "add"), ("ufunc", "divide"), ("ufunc", "subtract"), ("ufunc", "multiply")),
            *(("reduce", "add"), ("ufunc", "divide")),
        ],
    ),
    "square": (np.square, [A], [("ufunc", "multiply")]),
    "power 2": (lambda a: a**2, [A], [("ufunc", "multiply")]),
    "power 3": (lambda a: a**3, [A], [("ufunc", "multiply")] * 2),
    "power 4": (lambda a: a**4.0, [A], [("ufunc", "multiply")] * 2),
    "root": (lambda a: np.power(a, 0.5), [abs(A)], [("ufunc", "sqrt")]),
    "power of a value": (lambda a, b: a**b, [abs(A), B], [("ufunc", "power")]),
    "integer to a float power": (lambda a: np.power(a, 2.0), [np.arange(4)], [("ufunc", "power")]),
    "einsum columns": (
        lambda a, b: np.einsum("ij,ij->j", a, b),
        [A, B],
        [("ufunc", "multiply"), ("reduce", "add")],
    ),
    "einsum all": (lambda a, b: np.einsum("ij,ij->", a, b), [A, B], [("ufunc", "multiply"), ("reduce", "add")]),
    "einsum of one": (lambda a: np.einsum("ij->j", a), [A], [("reduce", "add")]),
    "einsum with a vector": (
        lambda a, r: np.einsum("ij,j", a, r),
        [A, R],
        [("view", "reshape"), ("ufunc", "multiply"), ("reduce", "add")],
    ),
    "einsum, turned": (
        lambda a: np.einsum("ijk,ijk->kj", a, a),
        [random(2, 3, 4)],
        [("ufunc", "multiply"), ("reduce", "add"), ("view", "transpose")],
    ),
    "einsum outer": (
        lambda r, s: np.einsum("i,j->ij", r, s),
        [R, R],
        [*[("view", "reshape")] * 2, ("ufunc", "multiply")],
    ),
    "einsum, one of length one": (
        lambda a, b: np.einsum("ij,ij->j", a, b),
        [A, A[:1]],
        [("ufunc", "multiply"), ("reduce", "add")],
    ),
    "einsum with dots": (lambda a: np.einsum("...i->...", a), [A], [("reduce", "add")]),
    "matrix product": (lambda a, b: np.einsum("ij,kj->ik", a, b), [A, B], [("call", "einsum")]),
    "diagonal": (lambda a: np.einsum("ii->i", a), [A[:3]], [("call", "einsum")]),
    "matmul": (lambda a, b: a @ b.T, [A, B], [("view", "transpose"), ("call", "matmul")]),
    "dot": (lambda a, b: np.dot(a, np.transpose(b)), [A, B], [("view", "transpose"), ("call", "matmul")]),
    "outer": (lambda r: np.outer(r, r), [R], [*[("view", "reshape")] * 2, ("ufunc", "multiply")]),
    "reshape": (lambda a: np.reshape(a, (2, -1)), [A], [("view", "reshape")]),
    "expand": (lambda a: np.expand_dims(a, (0, -1)), [A], [("view", "reshape")]),
    "squeeze": (np.squeeze, [A[:1]], [("view", "reshape")]),
    "ravel": (np.ravel, [A], [("view", "reshape")]),
    "swap": (lambda a: np.swapaxes(a, 0, -1), [A], [("view", "transpose")]),
    "move": (lambda a: np.moveaxis(a, [0, 1], [2, 0]), [random(2, 3, 4)], [("view", "transpose")]),
    "broadcast": (lambda r: np.broadcast_to(r, (4, 3)), [R], [("view", "broadcast")]),
    "flip": (lambda a: np.flip(a, axis=-1), [A], [("view", "basic_index")]),
    "split": (lambda a: np.split(a, [1, 3]), [A], [("view", "basic_index")] * 3),
    "index": (lambda a: a[1:, None, ..., 0], [A], [("view", "basic_index")]),
    "clip": (lambda a: np.clip(a, -1, 0.5), [A], [("ufunc", "maximum"), ("ufunc", "minimum")]),
    "clip below": (lambda a: np.clip(a, None, 0.5), [A], [("ufunc", "minimum")]),
    "where": (lambda a: np.where(a > 0, a, 0), [A], [("ufunc", "greater"), ("call", "where")]),
    "zeros": (np.zeros_like, [A], [("view", "broadcast")]),
    "copy": (np.copy, [A], []),
    "positive": (np.positive, [A], []),
    "cumsum": (lambda a: np.cumsum(a, axis=0), [A], [("call", "cumsum")]),
}


@pytest.mark.parametrize("case", CANONICAL)
def test_canonical(case):
    function, arrays, wanted = CANONICAL[case]
    program = record(function, *arrays)
    new = canonical(program)
    assert kinds(new) == wanted
    half = any(a.dtype == np.float16 for a in arrays)
    assert_same(results(program, arrays), results(new, arrays), 1e-3 if half else 1e-12)


def test_canonical_keeps_what_numpy_says_of_empty_arrays():
    empty = np.zeros((0, 3))
    program = record(lambda a: np.sum(a, axis=0), empty)
    assert kinds(canonical(program)) == [("reduce", "add")]
    value, out = Value((0, 3), np.float64), Value((3,), np.float64)
    for function, kept in ((np.max, "max"), (np.mean, "mean")):
        program = Program([value], {}, [Call("call", function, (value,), {"axis": 0}, (out,))], [out])
        assert kinds(canonical(program)) == [("call", kept)]


def test_canonical_of_an_index_by_an_array_and_of_a_masked_sum_is_the_call_itself():
    a, out = Value((4, 3), np.float64), Value((2, 3), np.float64)
    program = Program([a], {}, [Call("call", getitem, (a, np.array([0, 2])), {}, (out,))], [out])
    assert canonical(program).calls[0].function is getitem
    total = Value((3,), np.float64)
    mask = np.ones((4, 1), bool)
    call = Call("call", np.add.reduce, (a,), {"axis": 0, "where": mask}, (total,))
    program = canonical(Program([a], {}, [call], [total]))
    assert [c.kind for c in program.calls] == ["call"]
    assert_same(results(program, [A]), [A.sum(axis=0), A])


def test_common():
    program = record(lambda a, b: [a * b + np.sum(a * b), b * a, a - b, b - a], A, B)
    assert kinds(common(canonical(program))).count(("ufunc", "multiply")) == 1
    assert kinds(common(program)).count(("ufunc", "subtract")) == 2
    assert_same(results(program, [A, B]), results(common(program), [A, B]))


def test_common_tells_numbers_apart():
    with np.errstate(all="ignore"):
        program = record(lambda a: [a * 1, a * 1.0, a / 0.0, a / -0.0], np.abs(A))
        assert len(common(program).calls) == 4
    constants = record(lambda a: [a + np.array([1.0, 2, 3]), a + np.array([1.0, 2, 3])], A)
    assert len(common(constants).calls) == 1


def test_common_never_merges_draws():
    value = [Value((2,), np.float64) for _ in range(2)]
    rng = np.random.default_rng(0)
    calls = [Call("draw", rng.normal, (), {"size": 2}, (v,)) for v in value]
    new = optimize(Program([], {}, calls, [value[1]]))
    assert len(new.calls) == 2
    first = np.random.default_rng(0).normal(size=4)[2:]
    assert_same(results(new, []), [first])


def test_dead_code_goes_draws_and_checks_stay():
    a, b, c, d = (Value((2,), np.float64) for _ in range(4))
    calls = [
        Call("check", print, (), {}, ()),
        Call("draw", np.random.default_rng(0).normal, (), {"size": 2}, (b,)),
        Call("ufunc", np.exp, (a,), {}, (c,)),
        Call("ufunc", np.exp, (c,), {}, (Value((2,), np.float64),)),
        Call("ufunc", np.negative, (a,), {}, (d,)),
    ]
    new = dead(Program([a], {Value((), np.float64): np.array(1.0)}, calls, [], [(a, d)]))
    assert [c.kind for c in new.calls] == ["check", "draw", "ufunc"]
    assert not new.constants


def test_folding():
    program = record(lambda a: a * (np.array([1.0, 2, 3]) ** 0.5 + 1), A)
    new = dead(folding(program))
    assert len(new.calls) == 1
    assert_same(results(program, [A]), results(new, [A]))


def test_folding_leaves_warnings_errors_and_large_results_to_the_run():
    a, b = Value((), np.float64), Value((), np.float64)
    program = Program([], {a: np.array(-1.0)}, [Call("ufunc", np.log, (a,), {}, (b,))], [b])
    assert len(folding(program).calls) == 1
    large = record(lambda a: a + (np.ones((1000, 1)) * np.ones((1, 1000))), np.zeros(1000))
    assert len(folding(large).calls) == len(large.calls)


ALGEBRA = {
    "x * 1": (lambda a: a * 1, 0),
    "1.0 * x": (lambda a: 1.0 * a, 0),
    "x / 1": (lambda a: a / 1, 0),
    "x - 0": (lambda a: a - 0, 0),
    "x + -0.0": (lambda a: a + -0.0, 0),
    "x + 0": (lambda a: a + 0, 1),
    "0 - x": (lambda a: 0 - a, 1),
    "x * 0": (lambda a: a * 0, 1),
    "x - x": (lambda a: a - a, 1),
    "exp log x": (lambda a: np.exp(np.log(a)), 2),
    "--x": (lambda a: -np.negative(a), 0),
    "x * -1": (lambda a: a * -1, 1),
    "x + -y": (lambda a: np.exp(a) + -a, 2),
    "x - -y": (lambda a: np.exp(a) - -a, 2),
    "-x * -y": (lambda a: -a * -np.exp(a), 2),
    "x * 3 * 5": (lambda a: a * 3 * 5, 1),
    "huge factors": (lambda a: a * 1e200 * 1e-200, 2),
    "-(x * 3)": (lambda a: -(a * 3), 1),
    "x / 8": (lambda a: a / 8, 1),
    "same type": (lambda a: a.astype(np.float64), 0),
    "up and down": (lambda a: a.astype(np.float32).astype(np.float64).astype(np.float32).astype(np.float64), 2),
    "down and up": (lambda a: a.astype(np.float32).astype(np.float64), 2),
    "reshapes": (lambda a: np.reshape(np.reshape(a, (12,)), (2, 6)), 1),
    "there and back": (lambda a: np.reshape(np.reshape(a, (12,)), (4, 3)), 0),
    "transposes": (lambda a: np.transpose(np.transpose(a)), 0),
    "broadcasts": (lambda a: np.broadcast_to(np.broadcast_to(a, (2, 4, 3)), (5, 2, 4, 3)), 1),
    "whole": (lambda a: a[:, ...], 0),
    "sum of one": (lambda a: np.sum(np.reshape(a, (4, 1, 3)), axis=1), 0),
    "sum, then axes of length one": (lambda a: np.reshape(np.sum(a, axis=1), (4, 1)), 1),
    "sum of negative": (lambda a: np.sum(-a, axis=0), 2),
    "sum of scaled": (lambda a: np.sum(a * 3, axis=0), 2),
    "sum of broadcast": (lambda a: np.sum(np.broadcast_to(a, (5, 4, 3)), axis=(0, 1)), 2),
    "broadcast operand": (lambda a: np.broadcast_to(a[0], (4, 3)) * a, 2),
    "function of a broadcast": (lambda a: np.exp(np.broadcast_to(a[0], (4, 3))), 3),
    "centred sum": (lambda a: np.sum(a - np.mean(a, axis=0), axis=0), 4),
}


@pytest.mark.parametrize("case", ALGEBRA)
def test_algebra(case):
    function, number = ALGEBRA[case]
    array = np.abs(A)
    program = record(function, array)
    new = optimize(program)
    assert len(new.calls) == number, new
    assert_same(results(program, [array]), results(new, [array]))


def test_function_of_a_broadcast_is_computed_once_an_element():
    new = optimize(record(lambda r: np.exp(np.broadcast_to(r, (4, 3))), R))
    assert [c.result.shape for c in new.calls] == [(3,), (4, 3)]
    total = optimize(record(lambda r: np.sum(np.broadcast_to(r, (4, 3)), axis=0), R))
    assert [c.kind for c in total.calls] == ["ufunc"]


SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan])


@pytest.mark.parametrize("case", [c for c in ALGEBRA if "sum" not in c and "12" not in c])
def test_algebra_keeps_special_values(case):
    function, _ = ALGEBRA[case]
    array = np.tile(SPECIAL, 12)[:12].reshape(4, 3)
    with np.errstate(all="ignore"):
        program = record(function, array)
    old, new = results(program, [array])[0], results(optimize(program), [array])[0]
    np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(np.signbit(old)[~np.isnan(old)], np.signbit(new)[~np.isnan(new)])


def test_the_types_of_a_program_stay():
    """An integer times 1.0 is a float; a float32 times a float64 number is a float64."""
    for array, function in (
        (np.arange(3), lambda a: a * 1.0),
        (np.arange(3), lambda a: a / 1),
        (np.float32([1, 2]), lambda a: a * np.float64(1)),
        (np.array([True, False]), lambda a: np.sum(a)),
        (np.int8([100, 100]), lambda a: np.sum(a)),
        (np.float16([1000, 1000]), lambda a: np.mean(a)),
    ):
        program = record(function, array)
        assert_same(results(program, [array]), results(optimize(program), [array]))


def test_a_pass_that_changes_a_type_is_stopped():
    program = record(lambda a: a * 2, A)
    other = Value((4, 3), np.float32)
    with pytest.raises(AssertionError, match="differs in shape or dtype"):
        rewrite(program, lambda rewriter, call: rewriter.replace(call.result, other))


def test_programs_are_not_changed():
    program, arrays = random_program(5)
    before, text = results(program, arrays), str(program)
    optimize(program)
    assert str(program) == text
    assert_same(before, results(program, arrays))


def test_a_long_program_is_optimized_in_linear_time():
    def chain(n):
        first = last = Value((3,), np.float64)
        calls = []
        for i in range(n):
            new = Value((3,), np.float64)
            kind, function = [("ufunc", np.negative), ("ufunc", np.tanh), ("view", basic_index), ("cast", cast)][i % 4]
            args, keywords = ((last,), {}) if kind == "ufunc" else ((last, (slice(None),)), {})
            if kind == "cast":
                args, keywords = (last,), {"dtype": np.dtype(float)}
            calls.append(Call(kind, function, args, keywords, (new,)))
            last = new
        return Program([first], {}, calls, [last])

    def steps(n):
        """Calls of Python functions and of functions in C: a measure that no load of the machine changes."""
        program, count = chain(n), 0

        def note(frame, event, argument):
            nonlocal count
            count += event in ("call", "c_call")

        before = sys.getprofile()
        sys.setprofile(note)
        try:
            optimized = optimize(program)
        finally:
            sys.setprofile(before)
        assert len(optimized.calls) == n // 2
        return count

    assert steps(8000) < 4.5 * steps(2000)


def deepest(program):
    """How many sums of large arrays follow from each other, at most."""
    depth = {}
    for call in program.calls:
        below = max((depth.get(v, 0) for v in call.operands()), default=0)
        large = call.kind == "reduce" and call.args[0].size > 16 * call.result.size
        depth.update(dict.fromkeys(call.results, below + large))
    return max(depth.values())


def normalized_gradient(a, g):
    """What the backward pass of a normalization over axis 0 ends with: its last sum is linear in a and g."""
    centred = a - np.add.reduce(a, axis=0) * 0.01
    scale = 1 / np.sqrt(np.add.reduce(centred * centred, axis=0))
    slope = np.add.reduce(g * centred, axis=0) * scale
    part = g * scale - centred * slope
    return part - np.add.reduce(part, axis=0) * 0.01


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_linear_sum_is_taken_apart(dtype):
    arrays = [random(100, 5, dtype=dtype), random(100, 5, seed=1, dtype=dtype)]
    program = canonical(record(normalized_gradient, *arrays))
    new = passes.linear_sums(program)
    assert deepest(program) == 3 and deepest(new) == 2
    assert_same(results(program, arrays), results(new, arrays), 1e-12 if dtype == np.float64 else 1e-5)


def test_a_sum_that_is_not_linear_or_would_not_come_earlier_stays():
    arrays = [random(100, 5), random(100, 5, seed=1)]
    for f in (
        lambda a, g: np.add.reduce(a * g, axis=0),
        lambda a, g: np.add.reduce(a * np.add.reduce(g, axis=1, keepdims=True), axis=0),
        lambda a, g: np.add.reduce(np.exp(a) * np.add.reduce(g, axis=0), axis=1),
    ):
        program = canonical(record(f, *arrays))
        assert kinds(passes.linear_sums(program)) == kinds(program)
