"""Wrong claims about layer norm, each with its true cause, which the hint must name."""

import numpy as np

from test_compare_diagnosis_norm import data, mean, named, normalization, total

# Layer norm: statistics over the features of each row, gain and bias per feature.
LAYER = {
    "Z: no mean": (
        "Z",
        lambda g, Z, G, mu, var, eps: (g * G - (Z - mu) * mean(g * G * (Z - mu)) / (var + eps)) / np.sqrt(var + eps),
        "the path through 'mu' is missing",
    ),
    "Z: gain missing in one mean": (
        "Z",
        lambda g, Z, G, mu, var, eps: (
            (g * G - mean(g) - (Z - mu) * mean(g * G * (Z - mu)) / (var + eps)) / np.sqrt(var + eps)
        ),
        r"factor G is missing at g|g in place of g \* G",
    ),
    "Z: batch axis": (
        "Z",
        lambda g, Z, G, mu, var, eps: (
            (g * G - mean(g * G, 0) - (Z - mu) * mean(g * G * (Z - mu)) / (var + eps)) / np.sqrt(var + eps)
        ),
        "averaged over axis 0 in place of axis 1",
    ),
    "G: summed over the features": (
        "G",
        lambda g, Z, mu, var, eps: (g * (Z - mu) / np.sqrt(var + eps)).sum(axis=1, keepdims=True),
        "summed over axis 1 in place of axis 0",
    ),
    "G: averaged over the batch": (
        "G",
        lambda g, Z, mu, var, eps: mean(g * (Z - mu) / np.sqrt(var + eps), 0),
        "mean in place of sum",
    ),
    "var: sum over the batch": (
        "var",
        lambda g, Z, G, mu, var, eps: -0.5 * total(g * G * (Z - mu), 0) * (var + eps) ** -1.5,
        "summed over axis 0 in place of axis 1|in place of",
    ),
    "B: doubled": ("B", lambda g: 2 * total(g, 0), "2 times the gradient"),
}


def test_every_cause_is_named_in_layer_norm():
    assert named(normalization(1, "inside"), data((9, 4), (1, 4)), LAYER) == {}
