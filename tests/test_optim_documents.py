"""The optimizers against the documents' equations, transcribed as they are printed.

Ids are those that the notebooks use: S000 are the MIT 6.390 Explanatory Notes, appendix B, S002 the MIT 6.390
lecture notes, appendix B, S004 the chapter on neural networks.
"""

from __future__ import annotations

import numpy as np
import pytest

from autograd_core import Tensor
from optim import SGD, Adadelta, Adagrad, Adam, Momentum
from optim_cases import parameter

STEPS = 100
TOLERANCE = 1e-13

_RNG = np.random.default_rng(0)
X = _RNG.normal(size=(40, 6))
Y = _RNG.normal(size=(40, 3))
START = _RNG.normal(size=(6, 3))


def gradient(W, t=0):
    """Of the fixed problem J(W) = mean (XW - Y)² / 2 - sum cos W / 10, on mini-batch t of four rows.

    Mini-batches keep the gradient away from zero: at a minimum, rules that divide by the gradient's size jump about
    chaotically, and any two roundings of one formula part (by 3 % after 100 steps of Adadelta on all rows).
    """
    rows = slice(4 * t % 40, 4 * t % 40 + 4)
    return X[rows].T @ (X[rows] @ W - Y[rows]) / 4 + 0.1 * np.sin(W)


def descent(W, eta):
    """S004-6.50-6.55: W_{t+1} = W_t - η ∇J(W_t)."""
    for t in range(STEPS):
        W = W - eta * gradient(W, t)
        yield W


def momentum_m(W, eta, gamma):
    """S000-B.17-B.20: M_0 = 0, M_t = γ M_{t-1} + (1 - γ) g_t, W_t = W_{t-1} - η M_t."""
    M = np.zeros_like(W)
    for t in range(STEPS):
        g = gradient(W, t)
        M = gamma * M + (1 - gamma) * g
        W = W - eta * M
        yield W


def momentum_v(W, eta, gamma):
    """S002-V: V_0 = 0, V_t = γ V_{t-1} + η ∇J(W_{t-1}), W_t = W_{t-1} - V_t."""
    V = np.zeros_like(W)
    for t in range(STEPS):
        V = gamma * V + eta * gradient(W, t)
        W = W - V
        yield W


def adadelta(W, eta, gamma, eps):
    """S000-B.26 and S002-Adadelta: G = γ G + (1 - γ) g², W = W - η / √(G + ε) g."""
    G = np.zeros_like(W)
    for t in range(STEPS):
        g = gradient(W, t)
        G = gamma * G + (1 - gamma) * g**2
        W = W - eta / np.sqrt(G + eps) * g
        yield W


def adagrad(W, eta):
    """S000-B.1.3, in words: as Adadelta, but "we simply sum the previous gradients"; no ε is named there."""
    G = np.zeros_like(W)
    for t in range(STEPS):
        g = gradient(W, t)
        G = G + g**2
        W = W - eta / np.sqrt(G) * g
        yield W


def adam_outside(W, eta, B1, B2, eps):
    """S000-B.27-B.29, B.36: W = W - η m̂ / (√v̂ + ε)."""
    m = v = np.zeros_like(W)
    for t in range(1, STEPS + 1):
        g = gradient(W, t - 1)
        m = B1 * m + (1 - B1) * g
        v = B2 * v + (1 - B2) * g**2
        m_hat = m / (1 - B1**t)
        v_hat = v / (1 - B2**t)
        W = W - eta * m_hat / (np.sqrt(v_hat) + eps)
        yield W


def adam_inside(W, eta, B1, B2, eps):
    """S002-Adam: W = W - η / √(v̂ + ε) m̂."""
    m = v = np.zeros_like(W)
    for t in range(1, STEPS + 1):
        g = gradient(W, t - 1)
        m = B1 * m + (1 - B1) * g
        v = B2 * v + (1 - B2) * g**2
        W = W - eta / np.sqrt(v / (1 - B2**t) + eps) * (m / (1 - B1**t))
        yield W


def ours(optimizer, rates=None, **options):
    """The parameters after each step of the fixed problem; `rates` are learning rates per step."""
    W = parameter(START)
    opt = optimizer([W], **options)
    for t in range(STEPS):
        if rates is not None:
            opt.param_groups[0]["lr"] = rates[t]
        W.grad = Tensor(gradient(W.data, t))
        opt.step()
        yield W.data.copy()


def apart(a, b):
    """The largest relative difference, over all steps."""
    return max(np.max(np.abs(x - y)) / np.max(np.abs(y)) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(
    ("printed", "optimizer", "options"),
    [
        pytest.param(descent(START, 0.1), SGD, {"lr": 0.1}, id="S004-6.50"),
        pytest.param(momentum_m(START, 0.3, 0.9), Momentum, {"lr": 0.3}, id="S000-B.17"),
        pytest.param(momentum_m(START, 0.3, 0.1), Momentum, {"lr": 0.3, "gamma": 0.1}, id="S000-B.17, gamma .1"),
        pytest.param(momentum_v(START, 0.03, 0.9), Momentum, {"lr": 0.03, "form": "accumulate"}, id="S002-V"),
        pytest.param(adadelta(START, 0.01, 0.9, 1e-6), Adadelta, {"lr": 0.01}, id="S000-B.26"),
        pytest.param(
            adadelta(START, 0.01, 0.99, 1e-8), Adadelta, {"lr": 0.01, "gamma": 0.99, "eps": 1e-8}, id="S002-Adadelta"
        ),
        pytest.param(adagrad(START, 0.3), Adagrad, {"lr": 0.3, "eps": 0}, id="S000-B.1.3"),
        pytest.param(adam_outside(START, 0.01, 0.9, 0.999, 1e-8), Adam, {"lr": 0.01}, id="S000-B.36"),
        pytest.param(
            adam_outside(START, 0.1, 0.5, 0.9, 1e-3),
            Adam,
            {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3},
            id="S000-B.36, other constants",
        ),
        pytest.param(
            adam_inside(START, 0.01, 0.9, 0.999, 1e-8),
            Adam,
            {"lr": 0.01, "eps_placement": "inside"},
            id="S002-Adam",
        ),
    ],
)
def test_rules_are_the_printed_equations(printed, optimizer, options):
    assert apart(ours(optimizer, **options), printed) <= TOLERANCE


def test_the_two_forms_of_momentum_are_one_at_a_constant_rate():
    # S002-M: η = η' (1 - γ).
    for gamma in (0.1, 0.5, 0.9):
        average = list(ours(Momentum, lr=0.3, gamma=gamma))
        assert apart(ours(Momentum, lr=0.3 * (1 - gamma), gamma=gamma, form="accumulate"), average) <= TOLERANCE
        assert apart(ours(SGD, lr=0.3 * (1 - gamma), momentum=gamma), average) <= TOLERANCE


def test_the_two_forms_of_momentum_part_when_the_rate_changes():
    gamma, change = 0.9, 10
    rates = np.where(np.arange(STEPS) < change, 0.3, 0.03)
    average = list(ours(Momentum, rates, lr=0.3, gamma=gamma))
    accumulated = list(ours(Momentum, rates * (1 - gamma), lr=0.03, gamma=gamma, form="accumulate"))
    assert apart(accumulated[:change], average[:change]) <= TOLERANCE
    # V still moves by what the old, larger rate left in it.
    step, older = (abs(path[change] - path[change - 1]).max() for path in (average, accumulated))
    assert older > 3 * step
    assert apart(accumulated, average) > 0.01
    # SGD's sum has the rate of today: it stays the average form.
    assert apart(ours(SGD, rates * (1 - gamma), lr=0.03, momentum=gamma), average) <= TOLERANCE


def test_adam_and_momentum_keep_their_averages_when_a_decay_is_set():
    # The state is in the unit 1 / (1 - γ); what the documents call M, G, v stays what it was.
    for optimizer, options, key in [
        (Momentum, {}, "grad_sum"),
        (Adadelta, {}, "square_sum"),
        (Adadelta, {"form": "zeiler"}, "delta_sum"),
    ]:
        W = parameter(START)
        opt = optimizer([W], lr=0.1, **options)
        W.grad = Tensor(gradient(W.data))
        opt.step()
        before = 0.1 * opt.state[W][key].data
        opt.param_groups[0]["gamma"] = 0.5
        np.testing.assert_allclose(0.5 * opt.state[W][key].data, before, rtol=1e-15)


def steps(optimizer, gradients, **options):
    """How far each element moves at each step: (steps, elements)."""
    p = parameter(np.zeros(np.shape(gradients)[1]))
    opt = optimizer([p], **options)
    path = [p.data.copy()]
    for g in gradients:
        p.grad = Tensor(np.array(g))
        opt.step()
        path.append(p.data.copy())
    return -np.diff(path, axis=0)


def test_adagrads_step_shrinks_and_adadeltas_does_not():
    # E-ADAGRAD: constant g = 1 for 1000 steps.
    ones = np.ones((1000, 1))
    t = np.arange(1, 1001)
    shrinking = steps(Adagrad, ones, lr=0.1)[:, 0]
    np.testing.assert_allclose(shrinking, 0.1 / np.sqrt(t), rtol=1e-8)
    steady = steps(Adadelta, ones, lr=0.1)[:, 0]
    np.testing.assert_allclose(steady, 0.1 / np.sqrt(1 - 0.9**t + 1e-6), rtol=1e-8)
    assert shrinking[-1] < shrinking[0] / 30
    assert steady[-1] == pytest.approx(0.1, rel=1e-5)


def test_a_rare_feature_gets_larger_steps():
    # E-SPARSE: S000 concept 12; feature i is active every n[i] steps, with the same gradient.
    n = np.array([1, 5, 20, 100])
    active = np.arange(1, 2001)[:, np.newaxis] % n == 0
    for optimizer in (Adadelta, Adagrad):
        moved = steps(optimizer, active.astype(float), lr=0.01)
        last = [moved[active[:, i], i][-1] for i in range(len(n))]
        assert (np.diff(last) > 0).all()
        assert not moved[~active].any()
    # Where nothing is left of the feature's last appearance, G is (1 - γ) g²: 1 / √(1 - γ) times the step.
    rare = steps(Adadelta, active.astype(float), lr=0.01)[1999, 3]
    assert rare == pytest.approx(0.01 / np.sqrt(0.1), rel=1e-3)
    # Adagrad counts appearances: a feature seen 1/n as often has steps √n as large.
    np.testing.assert_allclose(last, 0.01 / np.sqrt(2000 / n), rtol=1e-8)


def test_the_two_places_of_epsilon_differ_where_gradients_are_tiny():
    # E-ADAM-EPS: first step over η, ε = 1e-8.
    g = np.array([1e-2, 1e-4, 1e-6, 1e-8])
    outside = steps(Adam, [g], lr=1.0)[0]
    inside = steps(Adam, [g], lr=1.0, eps_placement="inside")[0]
    np.testing.assert_allclose(outside, g / (g + 1e-8), rtol=1e-12)
    np.testing.assert_allclose(inside, g / np.sqrt(g * g + 1e-8), rtol=1e-12)
    assert (inside[1:] < 0.9 * outside[1:]).all()
