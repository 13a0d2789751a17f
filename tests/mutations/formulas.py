"""Right hand-derived gradients as source text, with their forward functions: what the mutants are made of.

In the texts the name of a function is that of the input or tag whose gradient it claims; `@paths` names the terms of
its longest sum by the tags that they pass through (`None`: by none). `A` is the batch axis (or axes), `N` the number of
elements in a batch, `C` that of classes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograd_core.compare import tag

Inputs = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Family:
    """Right gradients of one forward function.

    Attributes:
        forward: It, called by keyword.
        draw: Random inputs.
        text: Function definitions, the claims.
        params: What else the forward function takes.
        constants: Values of `A`, `N` and `C` in the texts.
    """

    forward: Callable[..., Any]
    draw: Callable[[np.random.Generator], Inputs]
    text: str
    params: dict[str, float] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)


# -- normalization ---------------------------------------------------------------------------------


def _normalized(axis, placement):
    def forward(Z, G, B, eps):
        mu = tag(Z.mean(axis=axis, keepdims=True), "mu")
        var = tag(((Z - mu) ** 2).mean(axis=axis, keepdims=True), "var")
        deviation = np.sqrt(var + eps) if placement == "variance" else np.sqrt(var) + eps
        z_hat = tag((Z - mu) / deviation, "z_hat")
        return G * z_hat + B

    return forward


def _batch(shape, features, spread):
    def draw(rng):
        return {
            "Z": rng.standard_normal(shape) * spread + 0.3,
            "G": rng.uniform(0.5, 2.0, features),
            "B": rng.standard_normal(features),
        }

    return draw


BY_TAGS = """
def B(g):
    return np.sum(g, axis=A, keepdims=True)

def G(g, z_hat):
    return np.sum(g * z_hat, axis=A, keepdims=True)

def z_hat(g, G):
    return g * G
"""

ON_VARIANCE = """
def var(g_z_hat, Z, mu, var, eps):
    return np.sum(g_z_hat * (Z - mu), axis=A, keepdims=True) * -0.5 * (var + eps) ** -1.5

def var(g, G, z_hat, var, eps):
    return -np.sum(g * G * z_hat, axis=A, keepdims=True) / (2 * (var + eps))

@paths("z_hat", "var")
def mu(g_z_hat, Z, mu, var, eps, g_var):
    s = np.sqrt(var + eps)
    return -np.sum(g_z_hat, axis=A, keepdims=True) / s - 2 * g_var * np.mean(Z - mu, axis=A, keepdims=True)

@paths("z_hat", "var", "mu")
def Z(g_z_hat, Z, mu, var, eps, g_var, g_mu):
    return g_z_hat / np.sqrt(var + eps) + g_var * 2 * (Z - mu) / N + g_mu / N
"""

BATCH_ON_VARIANCE = """
@paths("z_hat", "mu", "var")
def Z(g, Z, G, mu, var, eps):
    inner = np.mean(g * (Z - mu), axis=A, keepdims=True)
    return G / np.sqrt(var + eps) * (g - np.mean(g, axis=A, keepdims=True) - (Z - mu) / (var + eps) * inner)

@paths("z_hat", "mu", "var")
def Z(g, G, z_hat, var, eps):
    return G * (var + eps) ** -0.5 / N * (
        N * g - np.sum(g, axis=A, keepdims=True) - z_hat * np.sum(g * z_hat, axis=A, keepdims=True)
    )
"""

LAYER_ON_VARIANCE = """
@paths("z_hat", "mu", "var")
def Z(g, G, z_hat, var, eps):
    u = g * G
    inner = np.mean(u * z_hat, axis=A, keepdims=True)
    return (u - np.mean(u, axis=A, keepdims=True) - z_hat * inner) / np.sqrt(var + eps)
"""

ON_DEVIATION = """
def var(g_z_hat, Z, mu, var, eps):
    return -np.sum(g_z_hat * (Z - mu), axis=A, keepdims=True) / (2 * np.sqrt(var) * (np.sqrt(var) + eps) ** 2)

def mu(g_z_hat, var, eps):
    return -np.sum(g_z_hat, axis=A, keepdims=True) / (np.sqrt(var) + eps)

@paths("z_hat", "var", "mu")
def Z(g_z_hat, Z, mu, var, eps, g_var, g_mu):
    s = np.sqrt(var) + eps
    return g_z_hat / s + (2 / N) * (Z - mu) * g_var + (1 / N) * g_mu
"""

BATCH_ON_DEVIATION = """
@paths("z_hat", "mu", "var")
def Z(g, Z, G, mu, var, eps):
    s = np.sqrt(var)
    return G / (s + eps) * (
        g - np.mean(g, axis=A, keepdims=True)
        - (Z - mu) * np.mean(g * (Z - mu), axis=A, keepdims=True) / (s * (s + eps))
    )
"""

LAYER_ON_DEVIATION = """
@paths("z_hat", "mu", "var")
def Z(g, G, z_hat, var, eps):
    s = np.sqrt(var) + eps
    u = g * G
    inner = np.mean(u * z_hat, axis=A, keepdims=True)
    return u / s - np.mean(u, axis=A, keepdims=True) / s - z_hat * inner / np.sqrt(var)
"""


def _one_feature(z, eps):
    c = z - z.mean()
    return c / np.sqrt((c**2).mean() + eps)


JACOBIANS = """
def z(z, eps):
    c = z - np.mean(z)
    s = np.sqrt(np.mean(c ** 2) + eps)
    return (np.eye(N) - 1 / N - np.outer(c, c) / (N * s ** 2)) / s

def z(z, eps):
    c = z - np.mean(z)
    s2 = np.sum(c ** 2) / N + eps
    return np.eye(N) * s2 ** -0.5 - 1 / (N * np.sqrt(s2)) - c[:, None] * c[None, :] * s2 ** -1.5 / N
"""


def _rms(Z, G, eps):
    ms = tag((Z**2).mean(axis=1, keepdims=True), "ms")
    return G * Z / np.sqrt(ms + eps)


RMS = """
def G(g, Z, ms, eps):
    return np.sum(g * Z / np.sqrt(ms + eps), axis=0, keepdims=True)

def ms(g, Z, G, ms, eps):
    return -0.5 * (ms + eps) ** -1.5 * np.sum(g * G * Z, axis=1, keepdims=True)

@paths(None, "ms")
def Z(g, Z, G, ms, eps, g_ms):
    return g * G / np.sqrt(ms + eps) + 2 * g_ms * Z / N

@paths(None, "ms")
def Z(g, Z, G, ms, eps):
    r = 1 / np.sqrt(ms + eps)
    return r * (g * G - Z * r ** 2 * np.mean(g * G * Z, axis=1, keepdims=True))
"""


# -- losses ----------------------------------------------------------------------------------------


def _classes(batch, classes):
    def draw(rng):
        targets = np.eye(classes)[:, rng.integers(0, classes, batch)]
        targets[:, :classes] = np.eye(classes)  # each class at least once
        return {"Z": 2.0 * rng.standard_normal((classes, batch)), "T": targets}

    return draw


def _softmax(Z, axis=0):
    shifted = np.exp(Z - np.max(Z, axis=axis, keepdims=True))
    return shifted / np.sum(shifted, axis=axis, keepdims=True)


def _mean_entropy(Z, T):
    P = tag(_softmax(Z), "P")
    return -(T * np.log(P)).sum(axis=0).mean()


MEAN_ENTROPY = """
def P(g, P, T):
    return -g * T / P / N

def Z(P, g_P):
    return P * (g_P - np.sum(g_P * P, axis=0, keepdims=True))

def Z(g, P, T):
    return g * (P - T) / N

def Z(g, Z, T):
    return g / N * (np.exp(Z) / np.sum(np.exp(Z), axis=0, keepdims=True) - T)
"""


def _sum_entropy(Z, T):
    P = tag(_softmax(Z, axis=1), "P")
    return -(T * np.log(P)).sum()


SUM_ENTROPY = """
def P(g, P, T):
    return -g * T / P

def Z(g, P, T):
    return g * (P * np.sum(T, axis=1, keepdims=True) - T)

def Z(g, Z, T):
    e = np.exp(Z - np.max(Z, axis=1, keepdims=True))
    return g * (e / np.sum(e, axis=1, keepdims=True) - T)
"""


def _smoothed_entropy(Z, T, alpha):
    P = tag(_softmax(Z), "P")
    return -(((1 - alpha) * T + alpha / T.shape[0]) * np.log(P)).sum(axis=0).mean()


SMOOTHED_ENTROPY = """
def P(g, P, T, alpha):
    return -g * ((1 - alpha) * T + alpha / C) / (N * P)

def Z(g, P, T, alpha):
    return g * (P - (1 - alpha) * T - alpha / C) / N

def T(g, P, alpha):
    return -g * (1 - alpha) * np.log(P) / N
"""


def _weighted_entropy(Z, T, W):
    P = tag(_softmax(Z), "P")
    picked = tag((W * T).sum(axis=0, keepdims=True), "picked")
    return -(W * T * np.log(P)).sum() / picked.sum()


WEIGHTED_ENTROPY = """
def P(g, P, T, W):
    return -g * W * T / P / np.sum(W * T)

def picked(g, P, T, W):
    return g * np.sum(W * T * np.log(P)) / np.sum(W * T) ** 2 * np.ones((1, N))

def Z(g, P, T, W, picked):
    return g * picked * (P - T) / np.sum(picked)

@paths(None, "picked")
def W(g, P, T, picked, g_picked):
    direct = np.sum(T * np.log(P), axis=1, keepdims=True)
    return -g * direct / np.sum(picked) + np.sum(T * g_picked, axis=1, keepdims=True)
"""


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


def _binary_entropy(z, t):
    p = tag(_sigmoid(z), "p")
    return -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()


BINARY_ENTROPY = """
def p(g, p, t):
    return g * ((1 - t) / (1 - p) - t / p) / N

def p(g, p, t):
    return g * (p - t) / (p * (1 - p)) / N

def z(p, g_p):
    return g_p * p * (1 - p)

def z(g, z, t):
    return g / N * (1 / (1 + np.exp(-z)) - t)
"""


# -- layers ----------------------------------------------------------------------------------------


def _two_layers(X, W1, b1, W2, b2):
    z1 = tag(W1 @ X + b1, "z1")
    a1 = tag(np.tanh(z1), "a1")
    z2 = tag(W2 @ a1 + b2, "z2")
    return _sigmoid(z2)


def _layer_inputs(rng):
    # Square weights, so that an index shifted by a layer still fits in shape.
    shapes = {"X": (4, 7), "W1": (4, 4), "b1": (4, 1), "W2": (4, 4), "b2": (4, 1)}
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


TWO_LAYERS = """
def z2(g, z2):
    y = 1 / (1 + np.exp(-z2))
    return g * y * (1 - y)

def W2(a1, g_z2):
    return g_z2 @ a1.T

def b2(g_z2):
    return np.sum(g_z2, axis=1, keepdims=True)

def a1(W2, g_z2):
    return W2.T @ g_z2

def z1(z1, g_a1):
    return g_a1 * (1 - np.tanh(z1) ** 2)

def z1(a1, W2, g_z2):
    return W2.T @ g_z2 * (1 - a1 * a1)

def W1(X, g_z1):
    return g_z1 @ X.T

def b1(g_z1):
    return np.sum(g_z1, axis=1, keepdims=True)

def X(W1, g_z1):
    return W1.T @ g_z1
"""


def _gates(X, W, b):
    a = tag(X @ W + b, "a")
    s = tag(_sigmoid(a), "s")
    return a * s + np.where(a > 0, a, 0.1 * a)


GATES = """
def s(g, a):
    return g * a

@paths("s", None, None)
def a(g, a, s, g_s):
    return g_s * s * (1 - s) + g * s + g * np.where(a > 0, 1, 0.1)

def W(X, g_a):
    return X.T @ g_a

def X(W, g_a):
    return g_a @ W.T

def b(g_a):
    return np.sum(g_a, axis=0)
"""


def _gate_inputs(rng):
    return {"X": rng.standard_normal((7, 3)), "W": rng.standard_normal((3, 4)), "b": rng.standard_normal(4)}


# -- one step of an optimizer: w and its gradient d, what it carries, the rate ---------------------


def _step_inputs(*carried):
    def draw(rng):
        inputs = {"w": rng.standard_normal((2, 5)), "d": rng.standard_normal((2, 5))}
        inputs["lr"] = np.array(rng.uniform(0.1, 0.3))
        return inputs | {name: rng.uniform(0.2, 1.5, (2, 5)) for name in carried}

    return draw


def _adam(w, d, m, v, lr, p, q, eps):
    M = tag(p * m + (1 - p) * d, "M")
    V = tag(q * v + (1 - q) * d**2, "V")
    return w - lr * (M / (1 - p**3)) / (np.sqrt(V / (1 - q**3)) + eps)


ADAM = """
def M(g, V, lr, p, q, eps):
    return -g * lr / (1 - p ** 3) / (np.sqrt(V / (1 - q ** 3)) + eps)

def V(g, M, V, lr, p, q, eps):
    r = np.sqrt(V / (1 - q ** 3))
    return g * lr * M / (1 - p ** 3) / (r + eps) ** 2 / (2 * r * (1 - q ** 3))

@paths("M", "V")
def d(d, g_M, g_V, p, q):
    return (1 - p) * g_M + 2 * (1 - q) * d * g_V

@paths("M", "V")
def d(g, d, M, V, lr, p, q, eps):
    m_hat = M / (1 - p ** 3)
    r = np.sqrt(V / (1 - q ** 3))
    s = r + eps
    return -lr * g * ((1 - p) / (1 - p ** 3) / s - m_hat / s ** 2 * (1 - q) / (1 - q ** 3) * d / r)

def m(g_M, p):
    return p * g_M

def v(g_V, q):
    return q * g_V

def lr(g, M, V, p, q, eps):
    return -np.sum(g * M / (1 - p ** 3) / (np.sqrt(V / (1 - q ** 3)) + eps))
"""


def _momentum(w, d, m, lr, p, decay):
    D = d + decay * w
    M = tag(p * m + (1 - p) * D, "M")
    return w - lr * (p * M + (1 - p) * D)  # Nesterov's step


MOMENTUM = """
def M(g, lr, p):
    return -g * lr * p

@paths("M", None)
def d(g, g_M, lr, p):
    return g_M * (1 - p) - g * lr * (1 - p)

def d(g, lr, p):
    return -g * lr * (1 - p ** 2)

def w(g, g_M, lr, p, decay):
    return g - g * lr * (1 - p) * decay + g_M * (1 - p) * decay

def w(g, lr, p, decay):
    return g * (1 - lr * (1 - p ** 2) * decay)

def m(g, lr, p):
    return -g * lr * p ** 2

def lr(g, w, d, M, p, decay):
    return -(g * p * M + g * (1 - p) * (d + decay * w))
"""


def _rmsprop(w, d, v, lr, q, eps):
    V = tag(q * v + (1 - q) * d**2, "V")
    return w - lr * d / (np.sqrt(V) + eps)


RMSPROP = """
def V(g, d, V, lr, eps):
    return 0.5 * g * lr * d / (np.sqrt(V) + eps) ** 2 / np.sqrt(V)

@paths(None, "V")
def d(g, d, V, lr, eps, g_V, q):
    return -g * lr / (np.sqrt(V) + eps) + g_V * 2 * (1 - q) * d

@paths(None, "V")
def d(g, d, V, lr, q, eps):
    s = np.sqrt(V) + eps
    return g * lr / s ** 2 * (-s + (1 - q) * d ** 2 / np.sqrt(V))

def v(g_V, q):
    return q * g_V

def lr(g, d, V, eps):
    return -np.sum(g * d / (np.sqrt(V) + eps))
"""


def _adadelta(w, d, v, u, lr, q, eps):
    V = tag(q * v + (1 - q) * d**2, "V")
    step = tag(np.sqrt(u + eps) / np.sqrt(V + eps) * d, "step")
    return w - lr * step


ADADELTA = """
def step(g, lr):
    return -lr * g

def V(g_step, d, u, V, eps):
    return -0.5 * g_step * d * np.sqrt(u + eps) * (V + eps) ** -1.5

@paths("step", "V")
def d(g_step, d, u, V, eps, g_V, q):
    return g_step * np.sqrt((u + eps) / (V + eps)) + 2 * g_V * (1 - q) * d

@paths("step", "V")
def d(g, d, u, V, lr, q, eps):
    return -lr * g * np.sqrt(u + eps) * (1 / np.sqrt(V + eps) - (1 - q) * d ** 2 / (V + eps) ** 1.5)

def u(g_step, d, u, V, eps):
    return g_step * d / (2 * np.sqrt(u + eps) * np.sqrt(V + eps))

def v(g_V, q):
    return q * g_V
"""

BN = _batch((2, 13), (2, 1), np.array([[0.5], [2.0]]))
BN_TURNED = _batch((13, 2), (1, 2), np.array([[0.5, 2.0]]))
IMAGES = _batch((3, 2, 2, 3), (1, 2, 1, 1), 1.5)
LAYER = _batch((3, 13), (1, 13), 1.5)
FEATURES = {"A": 1, "N": 13}
EPS = {"eps": 0.05}
CARRIED = {"p": 0.8, "q": 0.95, "eps": 0.05}

FAMILIES = {
    "batch norm": Family(_normalized(1, "variance"), BN, BY_TAGS + ON_VARIANCE + BATCH_ON_VARIANCE, EPS, FEATURES),
    "batch norm, turned": Family(
        _normalized(0, "deviation"), BN_TURNED, BY_TAGS + ON_DEVIATION + BATCH_ON_DEVIATION, EPS, {"A": 0, "N": 13}
    ),
    "batch norm, images": Family(
        _normalized((0, 2, 3), "variance"),
        IMAGES,
        BY_TAGS + ON_VARIANCE + BATCH_ON_VARIANCE,
        EPS,
        {"A": (0, 2, 3), "N": 18},
    ),
    "batch norm, Jacobian": Family(_one_feature, lambda rng: {"z": rng.standard_normal(5)}, JACOBIANS, EPS, {"N": 5}),
    "layer norm": Family(
        _normalized(1, "variance"),
        LAYER,
        BY_TAGS.replace("axis=A", "axis=0") + ON_VARIANCE + LAYER_ON_VARIANCE,
        EPS,
        FEATURES,
    ),
    "layer norm, deviation": Family(
        _normalized(1, "deviation"),
        LAYER,
        BY_TAGS.replace("axis=A", "axis=0") + ON_DEVIATION + LAYER_ON_DEVIATION,
        EPS,
        FEATURES,
    ),
    "RMS norm": Family(
        _rms,
        lambda rng: {"Z": rng.standard_normal((3, 13)), "G": rng.uniform(0.5, 2.0, (1, 13))},
        RMS,
        EPS,
        {"N": 13},
    ),
    "cross-entropy, mean": Family(_mean_entropy, _classes(7, 3), MEAN_ENTROPY, {}, {"N": 7}),
    "cross-entropy, sum": Family(
        _sum_entropy, lambda rng: {k: v.T.copy() for k, v in _classes(7, 3)(rng).items()}, SUM_ENTROPY
    ),
    "cross-entropy, smoothed": Family(
        _smoothed_entropy, _classes(7, 3), SMOOTHED_ENTROPY, {"alpha": 0.1}, {"N": 7, "C": 3}
    ),
    "cross-entropy, weighted": Family(
        _weighted_entropy,
        lambda rng: _classes(7, 3)(rng) | {"W": rng.uniform(0.5, 2.0, (3, 1))},
        WEIGHTED_ENTROPY,
        {},
        {"N": 7},
    ),
    "binary cross-entropy": Family(
        _binary_entropy,
        lambda rng: {"z": rng.standard_normal(7), "t": np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0])},
        BINARY_ENTROPY,
        {},
        {"N": 7},
    ),
    "two layers": Family(_two_layers, _layer_inputs, TWO_LAYERS),
    "gated layer": Family(_gates, _gate_inputs, GATES),
    "Adam": Family(_adam, _step_inputs("m", "v"), ADAM, CARRIED),
    # A rate per parameter: with one for all, the gradients are nothing but multiples of g.
    "momentum": Family(_momentum, _step_inputs("m", "lr"), MOMENTUM, {"p": 0.8, "decay": 0.3}),
    "RMSprop": Family(_rmsprop, _step_inputs("v"), RMSPROP, {"q": 0.95, "eps": 0.05}),
    "Adadelta": Family(_adadelta, _step_inputs("v", "u"), ADADELTA, {"q": 0.95, "eps": 0.05}),
}
