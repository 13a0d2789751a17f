"""Derivations: batch norm's term by term, every operator's lines evaluated, names that cannot harm, clear errors."""

import re
import weakref

import numpy as np
import pytest

import autograd_core as ac
import nn
from autograd_core import errors, tag
from autograd_core.deriving.evaluating import evaluate
from registry_cases import DIFFERENTIABLE


def variable(name, *shape, seed=0):
    return ac.tensor(np.random.default_rng([seed, *map(ord, name)]).normal(size=shape), requires_grad=True, name=name)


def batch_norm(Z, G, B, eps=1e-5):
    mu = tag(Z.mean(axis=1, keepdims=True), "mu")
    sigma = tag(np.sqrt(((Z - mu) ** 2).mean(axis=1, keepdims=True)), "sigma")
    zbar = tag((Z - mu) / (sigma + eps), "zbar")
    return tag(G * zbar + B, "zhat")


@pytest.fixture
def derived():
    Z, G, B = variable("Z", 2, 5), variable("G", 2, 1), variable("B", 2, 1)
    return ac.derivation(batch_norm(Z, G, B), [Z, G, B])


def section(derivation, title):
    return [line.text for line in dict(derivation.sections)[title]]


def test_batch_norm_arrives_at_the_formulas_of_the_document(derived):
    assert section(derived, "All together") == [
        # S000-KE21 in S000-B.53: delta_jk, then (z_ik - mu)(z_ij - mu) / (sigma (sigma + eps)), then 1, each over K.
        "dL/dZ[i,j] = dL/dzhat[i,j] * G[i] / (sigma[i] + 1e-05)"
        " - G[i] * (Z[i,j] - mu[i]) * sum_k(dL/dzhat[i,k] * zbar[i,k]) / ((sigma[i] + 1e-05) * sigma[i] * N)"
        " - G[i] * sum_k(dL/dzhat[i,k]) / ((sigma[i] + 1e-05) * N)",
        "dL/dG[i] = sum_j(dL/dzhat[i,j] * zbar[i,j])",  # S000-KE22
        "dL/dB[i] = sum_j(dL/dzhat[i,j])",
    ]
    collected = section(derived, "Collected by name")
    assert "dL/dzbar[i,j] = dL/dzhat[i,j] * G[i]" in collected  # S000-B.42
    # S000-B.45: the three ways from Z to zbar, with B.46, B.48 and B.49 in their places.
    assert collected[-1] == (
        "dL/dZ[i,j] = dL/dzbar[i,j] / (sigma[i] + 1e-05)"
        " + dL/dsigma[i] * (Z[i,j] - mu[i]) / (sigma[i] * N) + dL/dmu[i] / N"
    )
    assert str(derived).endswith("N = 5, sum_j(Z[i,j] - mu[i]) = 0")


def test_each_operation_has_a_line_with_its_local_derivative(derived):
    assert section(derived, "Forward")[:3] == [
        "mu[i] = sum_j(Z[i,j]) / N",
        "a1[i,j] = Z[i,j] - mu[i]",
        "a2[i,j] = a1[i,j]^2",
    ]
    back = section(derived, "Backward, one operation at a time")
    assert "dL/da1[i,j] = 2 * dL/da2[i,j] * a1[i,j]" in back
    assert "dL/dB[i] = sum_j(dL/dzhat[i,j])" in back  # broadcast over axis 1, so summed over it
    assert back[-1] == "dL/dZ[i,j] = dL/da4[i,j] + dL/da1[i,j] + dL/dmu[i] / N"


def test_latex_of_the_same(derived):
    lines = [line.latex for line in derived.lines]
    assert r"\mu_{i} = \frac{1}{N} \sum_{j} Z_{ij}" in lines
    assert r"\frac{\partial L}{\partial \bar{z}_{ij}} = \frac{\partial L}{\partial \hat{z}_{ij}} G_{i}" in lines
    assert lines[-3] == (
        r"\frac{\partial L}{\partial Z_{ij}} ="
        r" \frac{\partial L}{\partial \hat{z}_{ij}} \frac{G_{i}}{\sigma_{i} + 10^{-5}}"
        r" - \frac{G_{i} \left(Z_{ij} - \mu_{i}\right)}{\left(\sigma_{i} + 10^{-5}\right) \sigma_{i} N}"
        r" \sum_{k} \frac{\partial L}{\partial \hat{z}_{ik}} \bar{z}_{ik}"
        r" - \frac{G_{i}}{\left(\sigma_{i} + 10^{-5}\right) N} \sum_{k} \frac{\partial L}{\partial \hat{z}_{ik}}"
    )
    assert derived._repr_latex_() == derived.latex
    assert derived.latex.count("$$") == 2 * len(lines)


def test_matplotlib_can_set_every_line(derived):
    mathtext = pytest.importorskip("matplotlib.mathtext", reason="needs the extra 'notebooks'")
    parser = mathtext.MathTextParser("path")
    for formula in re.findall(r"\$+([^$]+)\$+", derived.latex):
        parser.parse(f"${formula}$")


def test_the_collected_gradient_is_the_engines():
    Z, G, B = variable("Z", 2, 5), variable("G", 2, 1), variable("B", 2, 1)
    out = batch_norm(Z, G, B)
    loss = (out * np.arange(10.0).reshape(2, 5)).sum()
    lines = {line.text.split("[")[0]: line for line in ac.derivation(loss, [Z, G, B]).sections[-1][1]}
    loss.backward()
    for name, leaf in (("Z", Z), ("G", G), ("B", B)):
        np.testing.assert_allclose(lines[f"dL/d{name}"].evaluate(), leaf.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=str)
def test_every_operator_derives_and_every_line_evaluates(case):
    inputs = [ac.tensor(np.array(x), requires_grad=True, name=f"x{i}") for i, x in enumerate(case.arrays())]
    outputs = [out for out in case.call(inputs) if out.requires_grad]
    if any(x.size == 0 for x in (*inputs, *outputs)):
        return  # test_empty_arrays
    total = outputs[0]
    for out in outputs[1:]:
        total = total.sum() + out.sum()
    derivation = ac.derivation(total, inputs)
    assert derivation.error < 1e-11
    checked = [line for line in derivation.lines if line.error is not None]
    finite = all(np.isfinite(out.data).all() for out in outputs)
    assert checked or not finite
    assert "?" not in str(derivation).replace("...", "")
    assert derivation.latex.count("{") - derivation.latex.count(r"\{") == derivation.latex.count(
        "}"
    ) - derivation.latex.count(r"\}")


def test_a_wrong_line_is_never_shown(monkeypatch):
    """A rule that is off by 0.1 % only where it is traced makes the line disagree with the tape."""
    from autograd_core.deriving import checking

    monkeypatch.setattr(checking, "evaluate", lambda *args: 1.001 * evaluate(*args))
    x = variable("x", 3)
    with pytest.raises(errors.AutogradError, match="each line must evaluate to what the tape computes"):
        ac.derivation(np.tanh(x).sum(), x)


def test_empty_arrays():
    x = ac.tensor(np.zeros((0, 3)), requires_grad=True, name="x")
    assert "dL/dx[i,j]" in str(ac.derivation(np.tanh(x).sum(), x))


def test_products_and_contractions():
    x, W, b = variable("x", 4, 3), variable("W", 3, 2), variable("b", 2)
    h = tag(np.tanh(x @ W + b), "h")
    together = section(ac.derivation(((h - 1) ** 2).mean(), [W, b, x]), "All together")
    assert together[0] == "dL/dW[i,j] = 2 * sum_k(x[k,i] * (h[k,j] - 1) * (1 - h[k,j]^2)) / N"
    assert together[1] == "dL/db[j] = 2 * sum_i((h[i,j] - 1) * (1 - h[i,j]^2)) / N"
    A = variable("A", 3, 4)
    text = str(ac.derivation(np.einsum("ij,kj->ik", A, A), A))
    assert "y[i,j] = sum_k(A[i,k] * A[j,k])" in text


def test_an_intermediate_value_and_several_uses_of_a_value():
    x = variable("x", 3)
    h = np.exp(x)
    assert "dL/dx[i] = 2 * dL/da1[i] * x[i]" in str(ac.derivation((x * x).sum(), x))
    assert "dL/da1[i] = 2 * " in str(ac.derivation((h * h).sum(), h))


def test_a_network_with_modules_names_its_parameters_by_module():
    ac.random.seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    x = ac.tensor(np.ones((5, 3), np.float32), name="x")
    text = str(
        ac.derivation(nn.functional.cross_entropy(model(x), np.array([0, 1, 0, 1, 1])), list(model.parameters()))
    )
    assert "dL/dweight_0[i,j] = sum_k(" in text and "dL/dbias_2[j] = sum_i(" in text


def test_it_changes_nothing():
    x = variable("x", 3)
    out = np.tanh(x).sum()
    state = ac.random.get_state()
    ac.derivation(out, x)
    assert x.grad is None and ac.random.get_state() == state
    out.backward()  # the graph is still whole
    np.testing.assert_allclose(x.grad.numpy(), 1 - np.tanh(x.data) ** 2)


def test_same_graph_same_text():
    def text():
        x = variable("x", 3, 2)
        return ac.derivation((np.exp(x) / np.sum(np.exp(x), axis=1, keepdims=True)), x).latex

    assert text() == text()


def test_doublings_unite_into_one_coefficient():
    x = variable("x", 3)
    y = x
    for _ in range(20):
        y = y + y
    assert section(ac.derivation(y, x), "Collected by name") == ["dL/dx[i] = 1048576 * dL/dy[i]"]


def test_a_deep_graph_needs_no_deep_recursion():
    x = variable("x", 2)
    y = x
    for _ in range(1200):
        y = np.sin(y)
    derivation = ac.derivation(y.sum(), x)
    assert len(derivation.lines) >= 2400 and derivation.error < 1e-12


@pytest.mark.parametrize("name", ['"', "<b>", "a\nb", r"\input{x}", "$x$", "ü{}", "a_b_c", "100%", "x" * 300])
def test_no_name_breaks_the_formula(name):
    x = ac.tensor(np.ones(3), requires_grad=True, name=name)
    latex = ac.derivation(np.exp(x), x).latex
    assert "\n\n\n" not in latex and r"\input" not in latex
    assert latex.replace(r"\$", "").count("$") % 2 == 0
    assert latex.replace(r"\{", "").count("{") == latex.replace(r"\}", "").count("}")


def test_values_that_the_tape_has_lost_are_said_to_be_unknown():
    x = variable("x", 3)
    line = next(line for line in ac.derivation(x + ac.tensor(np.ones(3), name="c"), x).lines if "c[i]" in line.text)
    assert line.error is None  # the sum keeps neither operand


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (
            lambda x: (np.ones(3), x),
            errors.ArgumentError,
            "out must be a Tensor and wrt a Tensor .* one of type ndarray",
        ),
        (lambda x: (x * 2, []), errors.ArgumentError, "an empty sequence for wrt"),
        (lambda x: (x * 2, ["x"]), errors.ArgumentError, "one of type str"),
        (lambda x: (x, x), errors.GraphError, "must be the result of recorded operations, .* is a leaf"),
        (lambda x: (ac.tensor(1.0), x), errors.GraphError, "needs no gradient; set requires_grad"),
        (lambda x: (variable("w", 3) * 2, x), errors.GraphError, r"not from one named 'x' of shape \(3,\)"),
    ],
)
def test_errors(make, error, match):
    out, wrt = make(variable("x", 3))
    with pytest.raises(error, match=match):
        ac.derivation(out, wrt)


def test_a_freed_graph_is_refused():
    x = variable("x", 3)
    out = np.tanh(x).sum()
    out.backward()
    with pytest.raises(errors.FreedGraphError, match="retain_graph=True"):
        ac.derivation(out, x)


def test_names_that_collide_are_told_apart():
    def text(wrt, *names, f):
        tensors = [variable(name, 3, seed=i) for i, name in enumerate(names)]
        return str(ac.derivation(f(*tensors), tensors[:wrt]))

    automatic = text(2, "a1", "b", f=lambda a, b: np.exp(a * b))
    assert "a2[i] = a1[i] * b[i]" in automatic and automatic.count("dL/da1[i] =") == 2  # a step, and collected
    twice = text(2, "a", "a", f=lambda a, b: a * b * a)
    assert "dL/da[i] = 2 * dL/dy[i] * a[i] * a_2[i]" in twice and "dL/da_2[i] = dL/dy[i] * a[i]^2" in twice
    count = text(1, "N", "b", f=lambda a, b: (a * b).mean())
    assert "dL/dN[i] = b[i] / M" in count and count.endswith("M = 3")
    loss = text(1, "L", "b", f=lambda a, b: (a * b).sum())
    assert "J = sum_i(a1[i])" in loss and "dJ/dL[i] = b[i]" in loss
    index = text(2, "i", "j", f=lambda a, b: (a * b).sum())
    assert "a1[k] = i[k] * j[k]" in index
    x = variable("x", 3)
    tagged = section(ac.derivation(tag(tag(x * 2, "h") * 3, "h"), x), "Forward")
    assert tagged == ["h[i] = 2 * x[i]", "h_2[i] = 3 * h[i]"]
    assert "dJ/dx[i] = exp(x[i])" in str(ac.derivation(tag(np.exp(x).sum(), "J"), x))


def test_a_gradient_that_is_all_rounding_is_judged_by_what_is_added_up():
    ac.random.seed(0)
    layer = nn.BatchNorm(4)
    x = ac.tensor(ac.random.normal(size=(8, 4), dtype=np.float32), requires_grad=True, name="X")
    text = str(ac.derivation(layer(x).sum(), [x, *layer.parameters()]))
    assert "dL/dweight[j] = sum_i(X[i,j] - a1[j]) / sqrt(a4[j] + 1e-05)" in text
    assert "dL/dbias[j] = 8" in text


def test_numbers_without_a_product_stay_apart():
    x = ac.tensor(np.array([1e200, 2e200]), requires_grad=True, name="x")
    derivation = ac.derivation((x * 1e-200) ** 2, x)
    assert derivation.error < 1e-12 and "dL/dx[i] = 0" not in str(derivation)
    assert "1e-05" in str(ac.derivation(x * 1e-5, x)) and "123456789.1" in str(ac.derivation(x * 123456789.123, x))


def test_a_checkpoint_is_one_step_without_a_formula():
    x = variable("x", 3)
    out = ac.checkpoint(lambda a: np.tanh(a) * a, x)
    text = str(ac.derivation(out, x))
    assert "y[i] = checkpoint(x)[i]" in text and "vjp_checkpoint(dL/dy" in text


@pytest.mark.parametrize("name", ['"', "&", "x&y", "`", "\n", "\t ", "a b", "{", "\\", "$", "_", "é"])
def test_matplotlib_can_set_every_name(name):
    mathtext = pytest.importorskip("matplotlib.mathtext", reason="needs the extra 'notebooks'")
    x = ac.tensor(np.ones(3), requires_grad=True, name=name)
    for line in ac.derivation(np.exp(x), x).lines:
        mathtext.MathTextParser("path").parse(f"${line.latex}$")


def test_a_hook_on_a_leaf_is_said_to_be_left_out():
    x = variable("x", 3)
    x.register_hook(lambda g: g * 2)
    assert str(ac.derivation(x * x, x)).endswith("without the hook on x")


def test_it_warns_of_nothing(recwarn):
    x = ac.tensor(np.array([1e200, np.nan, 0.0]), requires_grad=True, name="x")
    with np.errstate(all="ignore"):
        y = ac.checkpoint(np.log, x * x) * np.float64(np.nan)
    str(ac.derivation(y, x))
    assert not recwarn.list


def test_a_hook_is_said_to_be_left_out():
    x = variable("x", 3)
    h = np.exp(x)
    h.register_hook(lambda g: g * 2)
    assert str(ac.derivation(h * x, x)).endswith("without the hook on a1")


# -- lines that cannot be checked ------------------------------------------------------------------


def constant(*shape, name="c"):
    return ac.tensor(np.random.default_rng(7).normal(size=shape), name=name)


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=str)
def test_every_line_is_checked_where_values_are_kept(case):
    """Each operator with one operand moving, the others constants, which the tape alone would forget."""
    for moving in range(len(case.arrays())):
        inputs = [ac.tensor(np.array(x), i == moving, name=f"x{i}") for i, x in enumerate(case.arrays())]
        with ac.keep_values():
            total, *more = (out for out in case.call(inputs) if out.requires_grad)
            for out in more:
                total = total.sum() + out.sum()
        derivation = ac.derivation(total, inputs[moving])
        assert not derivation.unchecked and "not checked" not in str(derivation)
        assert derivation.error < 1e-11


def test_recorded_constants_are_copies_without_the_users_tensor():
    x, c = variable("x", 3), constant(3)
    with ac.keep_values():
        out = np.tanh(x + c).sum()
    alive = weakref.ref(c)
    c[...] = 0.0
    assert ac.derivation(out, x).error < 1e-12 and not ac.derivation(out, x).unchecked
    del c
    assert alive() is None
    assert (x + constant(3))._node.extra is None  # nothing is recorded outside


@pytest.mark.parametrize("after", [np.exp, np.tanh, np.nan_to_num, lambda a: np.linalg.inv(a + 3 * np.eye(3)), np.sum])
def test_a_line_that_depends_on_a_lost_constant_says_so(after):
    x = variable("x", 3, 3)
    derivation = ac.derivation(np.asarray(2.0) * after(x + constant(3, 3)), x)
    assert derivation.unchecked and derivation.unchecked[0].text == "a1[i,j] = x[i,j] + c[i,j]"
    assert "a1[i,j] = x[i,j] + c[i,j]" in str(derivation) and "(add, not checked)" in str(derivation)
    assert "not checked: the tape has not kept c" in str(derivation).splitlines()[-1]
    assert str(derivation).endswith("compute it inside keep_values()")
    assert derivation.latex.count(r"$$a^{(1)}_{ij} = x_{ij} + c_{ij} \qquad \mathrm{(not\ checked)}$$") == 1
    assert r"compute\ it\ inside\ keep\_values()" in derivation.latex


def test_constants_of_one_name_with_different_values_are_two():
    x = variable("x", 3)
    with ac.keep_values():
        out = x * ac.tensor(np.ones(3), name="c") + ac.tensor(2 * np.ones(3), name="c")
    derivation = ac.derivation(out, x)
    assert section(derivation, "Forward") == ["a1[i] = x[i] * c[i]", "y[i] = a1[i] + c_2[i]"]
    assert not derivation.unchecked


def test_a_leaf_that_was_changed_since_is_named():
    w = variable("w", 2)
    out = np.exp(w).sum()
    w.data = w.data - 1.0
    derivation = ac.derivation(out, w)
    assert [line.text for line in derivation.unchecked] == ["a1[i] = exp(w[i])", "dL/dw[i] = exp(w[i])"]
    assert str(derivation).endswith("not checked: later changed w; derive before the change")
    w = variable("w", 2)
    out = w * w
    with ac.no_grad():
        w += 1
    with pytest.raises(errors.VersionError, match=r"derivation: the operand 'a' of multiply, .* but .* changed it"):
        ac.derivation(out, w)


def test_a_checkpoint_is_not_run_again():
    calls = []

    def f(a):
        calls.append(1)
        return np.tanh(a) * a

    x = variable("x", 3)
    out = np.exp(ac.checkpoint(f, x * 2)).sum()
    before = len(calls)
    derivation = ac.derivation(out, x)
    assert len(calls) == before
    assert "dL/dx[i] = 2 * dL/da1[i]" in str(derivation)
    assert str(derivation).endswith("not checked: the function of a checkpoint is not run again")


def test_a_gradient_that_cancels_altogether_is_judged_by_what_was_added_up():
    for seed in range(6):
        ac.random.seed(seed)
        Z, layer, norm = variable("Z", 8, 4, seed=seed), nn.Linear(4, 3, dtype=float), nn.BatchNorm(3, dtype=float)
        derivation = ac.derivation(np.tanh(norm(layer(Z))).mean(), [Z, layer.weight, layer.bias])
        assert "dL/dbias[j] = 0" in str(derivation) and derivation.error < 1e-12
    u = ac.tensor([0.3], requires_grad=True, name="u")
    b = ac.tensor([0.1, 0.7, 0.4, 0.3], requires_grad=True, name="b")
    assert ac.derivation((u * b - (u * b).mean()).sum() * u.sum(), u).error < 1e-12


def test_infinite_values_are_compared_where_they_agree():
    x = ac.tensor(np.array([0.0, 1.0]), requires_grad=True, name="x")
    with np.errstate(divide="ignore"):
        out = np.log(x)
    assert not ac.derivation(out, x).unchecked


@pytest.mark.parametrize(
    ("function", "forward", "last"),
    [
        (lambda x: x.std(ddof=1), "a1 = std_i,j(x[i,j], ddof=1)", None),
        (lambda x: x.std(), "a1 = std_i,j(x[i,j])", None),
        (lambda x: np.cumsum(x, axis=1), "a1[i,j] = cumsum(x, axis=1)[i,j]", "axis=1"),
        (lambda x: np.clip(x, -0.5, 0.7), "a1[i,j] = clip(x, -0.5, 0.7)[i,j]", "x[i,j] <= 7/10"),
        (lambda x: np.einsum("...ij->...i", x), "a1[i] = einsum(...ij->...i, x)[i]", None),
        (lambda x: x[[1, 0]], "a1[i,j] = x[[1,0]][i,j]", "scatter(0, [1, 0], dL/da1)"),
        (lambda x: np.sort(x, axis=0), "a1[i,j] = sort(x, axis=0)[i,j]", "axis=0"),
        (lambda x: np.roll(x, 1, axis=1), "a1[i,j] = roll(x, 1, axis=1)[i,j]", "roll(dL/da1, -1, axis=1)"),
        (lambda x: np.concatenate([x, x], axis=1), "a1[i,j] = concatenate(x, x, axis=1)[i,j]", None),
    ],
)
def test_what_a_result_depends_on_is_written(function, forward, last):
    mathtext = pytest.importorskip("matplotlib.mathtext", reason="needs the extra 'notebooks'")
    x = variable("x", 2, 3)
    derivation = ac.derivation(function(x).sum() * 2, x)
    assert derivation.lines[0].text == forward
    assert last is None or last in dict(derivation.sections)["Backward, one operation at a time"][-1].text
    for line in derivation.lines:
        mathtext.MathTextParser("path").parse(f"${line.latex}$")
